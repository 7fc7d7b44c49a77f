//! The invariants of one pool's part of a decision: what is launched, what leaves, what is touched.

use std::collections::BTreeSet;

use super::Found;
use crate::budget;
use crate::decide::{Decision, PoolDecision, Situation, open_windows, surge};
use crate::id::InstanceId;
use crate::observation::TargetHealth;
use crate::operator::Wish;
use crate::plan::{Action, Step};
use crate::reason::Finding;
use crate::refresh::{LastAsked, Refresh};
use crate::signal::{EVENT_AGE_MAX, Signal};
use crate::spec::{FleetMode, PoolSpec, Prices, Rule, Scheduled};
use crate::spend::MICROS;
use crate::state::{Drain, DrainReason, Member, PoolState, WarmPhase};
use crate::unit::Seconds;

pub(super) struct Judge<'a> {
    pub(super) situation: &'a Situation<'a>,
    pub(super) decision: &'a Decision,
    pub(super) pool: &'a PoolSpec,
    pub(super) decided: &'a PoolDecision,
    pub(super) next: &'a PoolState,
    pub(super) loaded: Option<&'a PoolState>,
    /// Scheduled policies whose window is open.
    pub(super) windows: Vec<&'a Scheduled>,
}

impl<'a> Judge<'a> {
    pub(super) fn of(situation: &'a Situation<'a>, decision: &'a Decision, pool: &'a PoolSpec) -> Option<Self> {
        let open = open_windows(pool, situation.now);
        let scheduled = |policy: &'a crate::spec::Policy| match &policy.rule {
            Rule::Scheduled(scheduled) if open.contains_key(&policy.id) => Some(scheduled),
            _ => None,
        };
        Some(Self {
            situation,
            decision,
            pool,
            decided: decision.pools.get(&pool.id)?,
            next: decision.state.pools.get(&pool.id)?,
            loaded: situation.state.pools.get(&pool.id),
            windows: pool.policies.iter().filter_map(scheduled).collect(),
        })
    }

    pub(super) fn all(&self, found: &mut Found) {
        self.ceiling(found);
        self.floor(found);
        self.removal_budget(found);
        self.terminations(found);
        self.evidence(found);
        self.launches_per_hour(found);
        self.spend(found);
        self.ownership(found);
        self.operator(found);
        self.refreshed(found);
        self.market_mix(found);
        self.warm(found);
        self.balancing(found);
        self.discovery(found);
        self.membership(found);
        self.sickness(found);
        self.zones(found);
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.decision.plan.steps.iter().filter(|step| step.pool == self.pool.id)
    }

    pub(super) fn is_new(&self, step: &Step) -> bool {
        step.id.plan == self.decision.plan.id
    }

    /// Instances that new launches ask for, to serve or to be kept warm; a launch that is sent again is counted in flight already.
    pub(super) fn launching(&self, warm: bool) -> u32 {
        let count = |step: &Step| match &step.action {
            Action::Launch(launch) if launch.warm == warm => launch.count,
            _ => 0,
        };
        self.new_steps().map(count).fold(0, u32::saturating_add)
    }

    /// Instances that new starts bring.
    pub(super) fn starting(&self) -> u32 {
        let starts = self.new_steps().filter(|step| matches!(step.action, Action::Start { .. }));
        starts.map(|step| step.action.brings()).fold(0, u32::saturating_add)
    }

    fn new_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps().filter(|step| self.is_new(step))
    }

    /// The pool's bounds, as open windows move them.
    pub(super) fn bounds(&self) -> (u32, u32) {
        let min = self.windows.iter().filter_map(|window| window.min).max();
        let max = self
            .windows
            .iter()
            .filter_map(|window| window.max)
            .max()
            .unwrap_or(self.pool.capacity.max);
        (min.unwrap_or(self.pool.capacity.min).min(max), max)
    }

    /// What the fleet's maximum leaves for this pool, whichever of the others' sizes, before and after, is the larger.
    pub(super) fn room(&self) -> u32 {
        let others = self.decision.pools.iter().filter(|(id, _)| **id != self.pool.id);
        let wanted = others.map(|(_, pool)| pool.after.max(pool.before)).fold(0, u32::saturating_add);
        self.situation.spec.maximum.saturating_sub(wanted)
    }

    pub(super) fn member(of: Option<&'a PoolState>, id: &InstanceId) -> Option<&'a Member> {
        of.and_then(|pool| pool.members.get(id))
    }

    /// I2: in service, pending and in flight stay within the maximum; with draining ones and replacements, within the surge.
    fn ceiling(&self, found: &mut Found) {
        let (counts, new, kept) = (
            &self.decided.counts,
            self.launching(false).saturating_add(self.starting()),
            self.launching(true),
        );
        let (_, max) = self.bounds();
        let again = self.steps().any(|step| step.action.brings() > 0 && !self.is_new(step));
        let returned = u32::try_from(self.taken_back()).unwrap_or(u32::MAX);
        let capacity = counts.lasting().saturating_add(new).saturating_add(returned);
        if (new > 0 || returned > 0 || again) && capacity > max {
            let detail = format!("{new} launches and {returned} returns would make {capacity} instances, above the maximum {max}");
            found.add("I2", Some(self.pool), detail);
        }
        let all = counts.all().saturating_add(new).saturating_add(kept);
        if new.saturating_add(kept) > 0 && all > max.saturating_add(surge(max)) {
            let detail = format!("{new} launches would make {all} instances in all, above maximum and surge");
            found.add("I2", Some(self.pool), detail);
        }
        let with_stock = counts.capacity().saturating_add(counts.stock()).saturating_add(kept);
        if kept > 0 && with_stock > max {
            let detail = format!("{kept} launches would make {with_stock} instances with those kept warm, above the maximum {max}");
            found.add("I2", Some(self.pool), detail);
        }
    }

    pub(super) fn taken_back(&self) -> usize {
        let was_no_capacity = |member: &Member| member.drain.is_some() && !member.is_warm() || is_preparing(member);
        // one that a launch brought for the stock may become known and be taken in by one decision; and one that was stopped may run on
        let is_told = |id: &InstanceId| {
            let told = |finding: &Finding| matches!(finding, Finding::TakenIn { instance } if instance == id);
            self.decided.findings.iter().any(told)
        };
        let drains = |of: Option<&'a PoolState>, id: &InstanceId| Self::member(of, id).is_some_and(was_no_capacity) || is_told(id);
        let stays = self
            .next
            .members
            .iter()
            .filter(|(_, member)| member.drain.is_none() && member.warm.is_none() && !member.gone);
        stays.filter(|(id, _)| drains(self.loaded, id)).count()
    }

    /// Members that this decision begins to drain.
    pub(super) fn drained(&self, why: impl Fn(DrainReason) -> bool) -> u32 {
        let before = |id: &InstanceId| Self::member(self.loaded, id).is_some_and(|member| member.drain.is_some());
        let begun = self
            .next
            .members
            .iter()
            .filter(|(id, member)| member.drain.is_some_and(|drain| why(drain.why)) && !before(id));
        u32::try_from(begun.count()).unwrap_or(u32::MAX)
    }

    /// I3: not below the minimum by our own act. Sick and interrupted instances were lost before we drain them.
    fn floor(&self, found: &mut Found) {
        self.replaced_first(found);
        let removed = self.drained(|why| why == DrainReason::ScaleIn);
        if self.situation.retiring || removed == 0 {
            return;
        }
        if self.situation.spec.mode == FleetMode::OutOnly {
            found.add("I3", Some(self.pool), format!("{removed} would leave although the mode only adds"));
        }
        let min = self.bounds().0.min(self.room());
        let left = self.decided.counts.lasting().saturating_sub(removed);
        if left < min {
            found.add(
                "I3",
                Some(self.pool),
                format!("removing {removed} would leave {left}, below the minimum {min}"),
            );
        }
    }

    /// I3: one that is well leaves only when as many as are wanted serve without it, past their warm-up.
    fn replaced_first(&self, found: &mut Found) {
        let renewed = self.drained(|why| why == DrainReason::Renewed);
        let others = self.decided.counts.in_service.saturating_sub(renewed);
        if renewed > 0 && others < self.decided.after {
            let wanted = self.decided.after;
            found.add(
                "I3",
                Some(self.pool),
                format!("{renewed} would be replaced while {others} others serve and {wanted} are wanted"),
            );
        }
    }

    /// I3: removals within the budget.
    fn removal_budget(&self, found: &mut Found) {
        let Some(loaded) = self.loaded.filter(|_| !self.situation.retiring) else {
            return;
        };
        let by_scale_in = self.drained(|why| why == DrainReason::ScaleIn);
        if by_scale_in > 0 {
            let open = self.situation.spec.open_removal_windows(self.situation.now);
            let window_left = budget::window_removals_left(&open, loaded).map_or(u32::MAX, |(left, _)| left);
            if by_scale_in > window_left {
                let detail = format!("{by_scale_in} removals are more than the {window_left} that an open window leaves");
                found.add("I3", Some(self.pool), detail);
            }
        }
        let removed = self.drained(|why| why != DrainReason::Interrupted);
        let (left, _) = budget::removals_left(&self.pool.guards, loaded, loaded.desired, self.situation.now);
        if removed > left {
            found.add(
                "I3",
                Some(self.pool),
                format!("{removed} removals are more than the {left} that the budget leaves"),
            );
        }
    }

    /// I4: drain recorded in the state as loaded, out of every group that was read, seen by a second look.
    fn terminations(&self, found: &mut Found) {
        // a terminate that is sent again was judged when it was committed, and is irrevocable
        for step in self.steps().filter(|step| self.is_new(step)) {
            let Action::Terminate { instances } = &step.action else { continue };
            for id in instances {
                let fault = match Self::member(self.loaded, id).and_then(|member| member.drain) {
                    None => "without a recorded drain",
                    Some(drain) if self.situation.observation.observed_at <= drain.since.at() => "without a second look",
                    Some(_) if self.still_serves(id) => "while it is registered, or may be",
                    Some(drain) if self.may_be_looked_up(id, drain) => "while clients may still come to it",
                    Some(drain) if drain.why == DrainReason::Kept && self.situation.now < drain.deadline.at() => {
                        "while it is kept for inspection"
                    }
                    Some(drain) if self.is_waited_for(id, drain) => "before its word and before its deadline",
                    Some(_) => continue,
                };
                found.add("I4", Some(self.pool), format!("{id} would be terminated {fault}"));
            }
        }
    }

    /// Whether it may be busy: the pool waits for its word, and it has neither said it nor run out of time.
    fn is_waited_for(&self, id: &InstanceId, drain: Drain) -> bool {
        if !self.pool.wait_for_tag || self.situation.now >= drain.deadline.at() {
            return false;
        }
        let mut listed = self.situation.observation.instances.iter().flatten();
        !listed.any(|instance| instance.id == *id && instance.word.drained)
    }

    pub(super) fn still_serves(&self, id: &InstanceId) -> bool {
        let out = |health: TargetHealth| matches!(health, TargetHealth::Draining | TargetHealth::InvalidState);
        let in_a_group = self
            .next
            .all_groups(self.pool)
            .any(|group| match self.situation.observation.targets.get(group) {
                None => true,
                Some(targets) => targets.iter().any(|target| target.instance == *id && !out(target.health)),
            });
        in_a_group || self.is_registered(id)
    }

    /// I16: launches per hour, whatever the errors.
    fn launches_per_hour(&self, found: &mut Found) {
        let launching = self
            .launching(false)
            .saturating_add(self.launching(true))
            .saturating_add(self.starting());
        let Some(loaded) = self.loaded.filter(|_| launching > 0) else {
            return;
        };
        let limit = self.pool.guards.launch_per_hour;
        let horizon = budget::HOUR.before(self.situation.now);
        let before = loaded
            .launches
            .iter()
            .filter(|tally| tally.at > horizon)
            .map(|tally| tally.count)
            .fold(0, u32::saturating_add);
        if before.saturating_add(launching) > limit {
            found.add(
                "I16",
                Some(self.pool),
                format!("{launching} launches after {before} within the hour are more than {limit}"),
            );
        }
    }

    /// I15: what an operator asked for was asked in this very request, lately and after whatever was asked before.
    fn operator(&self, found: &mut Found) {
        let before = self.loaded.and_then(|loaded| loaded.asked.as_ref());
        let Some(asked) = self.next.asked.as_ref().filter(|asked| before != Some(asked)) else {
            return;
        };
        let requested = matches!(self.situation.signal, Signal::OperatorRequest(request) if request.asked == *asked);
        let in_order = before.is_none_or(|before| before.at < asked.at);
        if !requested || !in_order || Seconds::between(asked.at, self.situation.now) > EVENT_AGE_MAX {
            let detail = format!("a size that {} asked for at {} would hold", asked.by, asked.at);
            found.add("I15", Some(self.pool), detail);
        }
    }

    /// I15: a refresh begins, stops or turns back only because it was asked in this very request, lately and in order.
    fn refreshed(&self, found: &mut Found) {
        let last = |refresh: Option<&Refresh>| refresh.and_then(|refresh| refresh.last.clone());
        let before = self.loaded.and_then(|loaded| last(loaded.refresh.as_ref()));
        let Some(LastAsked { by, at }) = last(self.next.refresh.as_ref()).filter(|next| before.as_ref() != Some(next)) else {
            return;
        };
        let requested = matches!(self.situation.signal, Signal::OperatorRequest(request)
            if matches!(request.asked.wish, Wish::Refresh(_)) && request.asked.by == by && request.asked.at == at);
        let in_order = before.is_none_or(|before| before.at < at);
        if !requested || !in_order || Seconds::between(at, self.situation.now) > EVENT_AGE_MAX {
            let detail = format!("a refresh would heed what {by} asked at {at}");
            found.add("I15", Some(self.pool), detail);
        }
    }

    /// I21: growth stays within what the spend cap leaves of the day, by the cheapest price that may apply.
    fn spend(&self, found: &mut Found) {
        let Some(cap) = &self.situation.spec.spend else { return };
        let floor = self.situation.traffic.floors.get(&self.pool.id).copied().unwrap_or(0);
        let after = self.decided.after;
        if after <= self.decided.before.max(self.bounds().0).max(floor) {
            return;
        }
        let others = self.decision.pools.iter().filter(|(id, _)| **id != self.pool.id);
        let instances = others.map(|(_, pool)| pool.after.min(pool.before)).fold(after, u32::saturating_add);
        let cheapest = match &cap.prices {
            Prices::InstanceHours => MICROS,
            Prices::ByType { micros_per_hour, .. } => micros_per_hour.values().copied().min().unwrap_or(0),
        };
        let affordable = cap.affordable_rate(self.decision.state.spend.as_ref(), self.situation.now);
        if u64::from(instances).saturating_mul(cheapest) > affordable {
            found.add(
                "I21",
                Some(self.pool),
                format!("{after} would cost more until midnight than the day's spend cap leaves"),
            );
        }
    }

    /// I17: only members of this pool are touched; deregistered besides them are only our own instances that are gone.
    fn ownership(&self, found: &mut Found) {
        let listed = self.situation.observation.instances.iter().flatten();
        let gone: BTreeSet<&InstanceId> = listed
            .filter(|instance| instance.state.is_gone())
            .map(|instance| &instance.id)
            .collect();
        for step in self.steps() {
            for id in step.action.instances() {
                let member = self.next.members.contains_key(id) || Self::member(self.loaded, id).is_some();
                let ghost = matches!(step.action, Action::Deregister { .. } | Action::Withdraw { .. }) && gone.contains(id);
                if !(member || ghost) {
                    found.add(
                        "I17",
                        Some(self.pool),
                        format!("{} would touch {id}, which is not a member", step.id),
                    );
                }
            }
        }
    }
}

/// Launched to be kept warm, and not stopped yet.
fn is_preparing(member: &Member) -> bool {
    member.warm.is_some_and(|warm| warm.phase == WarmPhase::Preparing)
}
