//! Where only one side may ever serve: the one that traffic leaves is out before the other one is let in.
//!
//! The traffic state says which side is kept out, and capacity decisions take its instances out, as with a swap of targets. Failover only
//! looks: out is who is in no target group any more, not even to finish requests, or who does not run by EC2's own word. The rules keep
//! the weight of the side that is left meanwhile, because a balancer answers by itself for a group that is empty, and nobody promises
//! what it does where all weights are 0. What cannot be read is not out.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::draft::Draft;
use super::finding::TrafficFinding;
use super::prepare::PREPARES_FOR;
use super::routing;
use crate::id::{InstanceId, PoolId, RouteId, TargetGroupArn};
use crate::observation::{InstanceState, Target};
use crate::plan::{Action, OpenStep};
use crate::spec::{Fencing, PoolSpec};
use crate::state::{Fence, Member, RouteTo, Routing, Shift, ShiftReason};

/// Most instances that are named.
const NAMED_MAX: usize = 4;

/// How far a side that is kept out is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fenced {
    /// Which.
    pub pool: PoolId,
    /// So many are out.
    pub out: u32,
    /// Of so many: its instances, and whoever else is registered in its groups.
    pub of: u32,
    /// Some of those that are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<InstanceId>,
    /// Whether its groups or EC2's list could not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// Whether a step is under way that may still bring somebody in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
}

impl Fenced {
    /// Whether everybody was seen to be out, and nobody can come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.out == self.of && !self.unread && !self.open
    }
}

impl fmt::Display for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is fenced: {} of {} are out", self.pool, self.out, self.of)?;
        if self.unread {
            f.write_str("; not everything of it could be read")?;
        } else if !self.holds.is_empty() {
            let named: Vec<&str> = self.holds.iter().map(InstanceId::as_str).collect();
            write!(f, "; not yet {}", named.join(", "))?;
        }
        if self.open {
            f.write_str("; a step may still bring somebody in")?;
        }
        Ok(())
    }
}

impl Draft<'_> {
    /// Whether another side may be let in: where only one may ever serve, this one was seen to be out, or a person takes that on. Until
    /// then it is kept out.
    pub(super) fn is_let_in(&mut self, from: &PoolSpec, by_force: bool) -> bool {
        let Some(fencing) = self.situation.failover.fencing else {
            return true;
        };
        self.raise_fence(&from.id, false);
        let fenced = self.fenced(from, fencing);
        // capacity decisions go by a fence only once it is on record: what was seen before that may change by one of them
        if fenced.is_complete() && self.situation.traffic.is_fenced(&from.id) {
            self.note_fence(&fenced, false);
            return true;
        }
        if by_force {
            self.findings.push(TrafficFinding::PastFence { fenced });
            return true;
        }
        self.wait_for_fence(fenced, fencing);
        false
    }

    /// Actions that are to be had again: where only one side may ever serve, and somebody had given several of them some, with all of it
    /// for this one. Where it was one alone, whichever, that one has served last.
    pub(super) fn for_one(&self, route: &RouteId, actions: Routing, to: &PoolSpec) -> RouteTo {
        let sides = &self.situation.spec.pools;
        let served = sides.iter().filter(|side| routing::sends(&actions, side)).count();
        if self.situation.failover.fencing.is_none() || served < 2 {
            return RouteTo::Actions(actions);
        }
        let weights = routing::only(&actions, sides, to, route.weight_max());
        RouteTo::Reweighted { actions, weights }
    }

    /// From this commit on a side is kept out.
    pub(super) fn raise_fence(&mut self, pool: &PoolId, undo: bool) {
        if self.state.is_fenced(pool) {
            return;
        }
        self.lift_fence();
        self.findings.push(TrafficFinding::Fences { pool: pool.clone() });
        self.state.fence = Some(Fence {
            pool: pool.clone(),
            since: self.situation.now,
            out: 0,
            of: 0,
            late: false,
            undo,
        });
    }

    /// From this commit on nobody is kept out.
    pub(super) fn lift_fence(&mut self) {
        let lifted = self.state.fence.take();
        self.findings
            .extend(lifted.map(|fence| TrafficFinding::Unfenced { pool: fence.pool }));
    }

    /// Tells how far a side is out, if it is kept out for this move.
    pub(super) fn tell_fence(&mut self, from: &PoolSpec) {
        if let Some(fencing) = self.situation.failover.fencing.filter(|_| self.state.is_fenced(&from.id)) {
            let fenced = self.fenced(from, fencing);
            self.wait_for_fence(fenced, fencing);
        }
    }

    fn wait_for_fence(&mut self, fenced: Fenced, fencing: Fencing) {
        let since = self.state.fence.as_ref().map(|fence| fence.since);
        let late = since.is_some_and(|since| self.situation.now >= fencing.timeout.after(since));
        self.note_fence(&fenced, late);
        self.findings.push(TrafficFinding::FenceHolds { fenced, late });
    }

    /// Each step of a side's way out is on record.
    fn note_fence(&mut self, fenced: &Fenced, late: bool) {
        if let Some(fence) = &mut self.state.fence {
            (fence.out, fence.of) = (fenced.out, fenced.of);
            fence.late |= late;
        }
    }

    /// A fence that no move needs any more is lifted: one that was passed over once the side is out, any other one at once.
    pub(super) fn tend_fence(&mut self) {
        let Some(fence) = self.state.fence.clone() else { return };
        let (spec, failover) = (self.situation.spec, self.situation.failover);
        let (Some(pool), Some(fencing)) = (spec.pool(&fence.pool), failover.fencing) else {
            return self.lift_fence();
        };
        let is_left = self.state.shift.as_ref().is_some_and(|shift| shift.from == fence.pool);
        // while something else answers, whoever takes the traffic again says who is kept out for it, until the rules were seen to be set
        if is_left || self.state.degraded.is_some() {
            return;
        }
        let fenced = self.fenced(pool, fencing);
        let is_active = self.state.active == fence.pool;
        if is_active || fenced.is_complete() && self.situation.traffic.is_fenced(&fence.pool) {
            return self.lift_fence();
        }
        self.wait_for_fence(fenced, fencing);
    }

    /// How far the side that is kept out is out; none: no side is.
    pub(super) fn fence_standing(&self) -> Option<Fenced> {
        let fence = self.state.fence.as_ref()?;
        let pool = self.situation.spec.pool(&fence.pool)?;
        Some(self.fenced(pool, self.situation.failover.fencing?))
    }

    /// By what this look shows.
    fn fenced(&self, pool: &PoolSpec, fencing: Fencing) -> Fenced {
        let situation = self.situation;
        let observed = situation.observation;
        let state_of = |id: &InstanceId| observed.instances.as_ref().and_then(|listed| listed.get(id));
        let pool_state = situation.capacity.pools.get(&pool.id);
        // the list may be late about one that was started
        let is_starting = |id: &InstanceId| pool_state.and_then(|state| state.members.get(id)).is_some_and(Member::is_starting);
        let is_dead = |id: &InstanceId| match state_of(id) {
            Some(InstanceState::Terminated) => true,
            Some(InstanceState::Stopped) => !is_starting(id),
            _ => false,
        };
        let groups: Vec<Option<&Vec<Target>>> = pool.target_groups.iter().map(|group| observed.targets.get(group)).collect();
        let registered: BTreeSet<&InstanceId> = groups
            .iter()
            .flatten()
            .flat_map(|targets| targets.iter())
            .map(|target| &target.instance)
            .collect();
        let members = pool_state.into_iter().flat_map(|state| &state.members);
        let members = members.filter(|(_, member)| !member.gone).map(|(id, _)| id);
        let strangers = self.strangers().filter(|_| fencing.stop);
        let everybody: BTreeSet<&InstanceId> = registered.iter().copied().chain(members).chain(strangers).collect();
        let is_out = |id: &&&InstanceId| is_dead(id) || !fencing.stop && !registered.contains(**id);
        let out = everybody.iter().filter(is_out).count();
        let holds = everybody.iter().filter(|id| !is_out(id)).take(NAMED_MAX);
        Fenced {
            pool: pool.id.clone(),
            out: u32::try_from(out).unwrap_or(u32::MAX),
            of: u32::try_from(everybody.len()).unwrap_or(u32::MAX),
            holds: holds.map(|id| (*id).clone()).collect(),
            unread: observed.instances.is_none() || !observed.unlisted.is_empty() || groups.contains(&None),
            open: situation.capacity.open_of(&pool.id).any(brings_in),
        }
    }

    /// Instances of the fleet that run and that no pool knows: they may be of any side.
    fn strangers(&self) -> impl Iterator<Item = &InstanceId> {
        let listed = self.situation.observation.instances.iter().flatten();
        let runs = listed.filter(|(_, state)| matches!(state, InstanceState::Pending | InstanceState::Running));
        let is_known = |id: &InstanceId| self.situation.capacity.pools.values().any(|pool| pool.members.contains_key(id));
        runs.map(|(id, _)| id).filter(move |id| !is_known(id))
    }

    /// Whether somebody of the side that is kept out could be stopped now: tick looks at the minute, and nobody answers until then.
    pub(super) fn has_to_stop(&self) -> bool {
        let (Some(fence), Some(fencing)) = (&self.state.fence, self.situation.failover.fencing) else {
            return false;
        };
        let observed = self.situation.observation;
        let Some(pool) = self.situation.spec.pool(&fence.pool).filter(|_| fencing.stop) else {
            return false;
        };
        let is_in = |group: &TargetGroupArn, id: &InstanceId| {
            let targets = observed.targets.get(group);
            targets.is_none_or(|targets| targets.iter().any(|target| target.instance == *id))
        };
        let members = self.situation.capacity.pools.get(&pool.id).map(|state| &state.members);
        let runs = |id: &InstanceId| observed.instances.as_ref().and_then(|listed| listed.get(id)) == Some(&InstanceState::Running);
        let mut ids = members.into_iter().flatten().map(|(id, _)| id);
        ids.any(|id| runs(id) && !pool.target_groups.iter().any(|group| is_in(group, id)))
    }

    /// Why a move is called off although the side that it leaves is kept out already: it serves again then. Not if it was left because it
    /// is down. None: it goes on.
    pub(super) fn in_vain_behind_fence(&self, shift: &Shift, to: &PoolSpec) -> Option<TrafficFinding> {
        let is_late = self.situation.now >= PREPARES_FOR.after(shift.since);
        let fenced_at = self.state.fence.as_ref().map(|fence| fence.since);
        let is_out_for_long = fenced_at.is_some_and(|since| self.situation.now >= PREPARES_FOR.after(since));
        let is_lost = self.situation.down_by(&self.state, &to.id).len() >= 2 || self.anybody_answers(&to.id) == Some(false);
        match shift.why {
            ShiftReason::Down { .. } | ShiftReason::CanServe { .. } => None,
            ShiftReason::Asked { .. } | ShiftReason::Drill { .. } if is_late => Some(TrafficFinding::GaveUp { to: to.id.clone() }),
            // nobody answers meanwhile, and the side that is kept out could; before it was, time did no harm
            ShiftReason::WellAgain | ShiftReason::Expired | ShiftReason::DrillOver { .. } if is_out_for_long => {
                Some(TrafficFinding::GaveUp { to: to.id.clone() })
            }
            ShiftReason::Asked { forced: true, .. } => None,
            ShiftReason::Asked { .. }
            | ShiftReason::WellAgain
            | ShiftReason::Expired
            | ShiftReason::Drill { .. }
            | ShiftReason::DrillOver { .. } => is_lost.then(|| TrafficFinding::Cancelled { to: to.id.clone() }),
        }
    }
}

/// Whether somebody may still be brought in by a step that was committed before the side was fenced.
fn brings_in(open: &OpenStep) -> bool {
    match open.step.action {
        Action::Launch(_) | Action::Start { .. } | Action::Register { .. } | Action::Announce { .. } => true,
        Action::Deregister { .. }
        | Action::Withdraw { .. }
        | Action::Stop { .. }
        | Action::Terminate { .. }
        | Action::Tune { .. }
        | Action::Tag { .. } => false,
    }
}
