//! A shift that has moved nothing yet: it waits for its destination, and what it waits for may be over before that.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::finding::TrafficFinding;
use super::gate::Readiness;
use crate::id::PoolId;
use crate::spec::PoolSpec;
use crate::state::{Shift, ShiftReason, SignalKind};
use crate::unit::Seconds;

/// So long a move may prepare whose destination does not become ready, or for which one kind of signal speaks alone.
pub(super) const PREPARES_FOR: Seconds = Seconds::minutes(30);

impl Draft<'_> {
    /// Why a shift that has moved nothing yet is called off; none: it goes on.
    fn in_vain(&self, shift: &Shift, from: &PoolSpec, to: &PoolSpec) -> Option<TrafficFinding> {
        if self.state.is_fenced(&from.id) {
            return self.in_vain_behind_fence(shift, to);
        }
        let is_well = |pool: &PoolSpec| self.is_well(&pool.id);
        let swaps = self.situation.failover.swaps_targets();
        let is_late = self.situation.now >= PREPARES_FOR.after(shift.since);
        match shift.why {
            // only in the group it is seen who fails its checks, and who does is replaced there while the other side answers
            ShiftReason::WellAgain if swaps => {
                let is_down = self.situation.down_by(&self.state, &to.id).len() >= 2;
                (is_down || is_late).then(|| TrafficFinding::Cancelled { to: to.id.clone() })
            }
            ShiftReason::DrillOver { .. } | ShiftReason::Expired if swaps => None,
            ShiftReason::Down { .. } if is_well(from) => Some(TrafficFinding::Recovered { pool: from.id.clone() }),
            // one kind that speaks on and on moves nothing, and holds both sides at their size
            ShiftReason::Down { .. } if is_late && self.is_left_for_less(&from.id) => Some(TrafficFinding::Cancelled { to: to.id.clone() }),
            ShiftReason::WellAgain => (!is_well(to)).then(|| TrafficFinding::Cancelled { to: to.id.clone() }),
            ShiftReason::Expired if self.is_down(&to.id) => Some(TrafficFinding::Cancelled { to: to.id.clone() }),
            // what fails for real is not for a drill to move
            ShiftReason::Drill { .. } if !is_well(from) => Some(TrafficFinding::Cancelled { to: to.id.clone() }),
            ShiftReason::DrillOver { .. } if !self.may_take_back(&to.id) => Some(TrafficFinding::Cancelled { to: to.id.clone() }),
            ShiftReason::Asked { .. } | ShiftReason::Drill { .. } if is_late => Some(TrafficFinding::GaveUp { to: to.id.clone() }),
            ShiftReason::Asked { .. }
            | ShiftReason::Down { .. }
            | ShiftReason::Expired
            | ShiftReason::CanServe { .. }
            | ShiftReason::Drill { .. }
            | ShiftReason::DrillOver { .. } => None,
        }
    }

    /// Whether less speaks against a side than has traffic leave it, and nobody says that it is silent.
    fn is_left_for_less(&self, from: &PoolId) -> bool {
        self.situation.down_by(&self.state, from).len() < 2 && self.anybody_answers(from) != Some(false)
    }

    pub(super) fn prepare(&mut self, shift: &Shift, from: &PoolSpec, to: &PoolSpec) {
        if let Some(finding) = self.in_vain(shift, from, to) {
            let gave_up = matches!(finding, TrafficFinding::GaveUp { .. });
            self.findings.push(finding);
            if shift.why == ShiftReason::WellAgain
                && let Some(side) = self.state.sides.get_mut(&to.id)
            {
                side.well = None;
            }
            // who is kept out again a moment later serves nobody
            let is_way_back = matches!(
                shift.why,
                ShiftReason::WellAgain | ShiftReason::Expired | ShiftReason::DrillOver { .. }
            );
            if gave_up && is_way_back {
                self.state.gave_up_at = Some(self.situation.now);
            }
            return self.stop();
        }
        let readiness = match &shift.sharing {
            Some(sharing) => Some(self.readiness_after(&to.id, &sharing.out_after)),
            None => self.readiness(&from.id, &to.id),
        };
        let Some(readiness) = readiness else { return };
        // what was seen when the shift began may be over by now: a side is left for what it is when traffic moves, and unknown is not down
        let by_itself = matches!(shift.why, ShiftReason::Down { .. }) && !self.state.is_fenced(&from.id);
        if by_itself && self.is_left_for_less(&from.id) {
            self.findings.push(TrafficFinding::Suspect {
                pool: from.id.clone(),
                by: self.situation.down_by(&self.state, &from.id),
            });
            return self.hold_floors(shift, from, to);
        }
        let (swaps, leads) = (self.situation.failover.swaps_targets(), self.situation.failover.leads_to_instance());
        // nobody at all would answer where the last one leaves before the first one is in
        let has_entered = (!swaps || self.registered(to).is_some_and(|registered| registered > 0)) && (!leads || readiness.healthy > 0);
        if readiness.is_open() || shift.why.is_forced() && readiness.can_be_forced() && has_entered {
            let undoes = self.state.fence.as_ref().is_some_and(|fence| fence.undo);
            if !self.is_let_in(from, shift.why.is_forced() && !undoes) {
                return self.hold_floors(shift, from, to);
            }
            if undoes {
                return self.undo_behind_fence(shift);
            }
            return match &shift.sharing {
                Some(sharing) => self.move_shares(shift, sharing),
                None if swaps => {
                    self.hold_floors(shift, from, to);
                    // tick has the source leave: there is no route to set
                    self.depart(shift, BTreeMap::new(), BTreeMap::new());
                }
                // an instance of the destination is chosen, and led to
                None if leads => {
                    self.hold_floors(shift, from, to);
                    self.depart(shift, self.led_now(), BTreeMap::new());
                }
                None => self.move_weights(shift, from, to),
            };
        }
        // whoever has the traffic is watched as ever, whyever it is to leave
        if let Some(by) = self.fails_by(shift, from) {
            let other = self.better_than(shift, from, to);
            let is_open = other.as_ref().is_some_and(|(_, readiness)| readiness.is_open());
            if !is_open && self.would_degrade(&from.id) {
                return self.degrade(&from.id, by);
            }
            if let Some((other, _)) = other.filter(|_| is_open || !readiness.can_become_open()) {
                self.state.shift = None;
                return self.begin(other, ShiftReason::Down { by });
            }
            if !readiness.can_become_open() {
                self.findings.push(TrafficFinding::NobodyCanServe { pool: from.id.clone() });
            }
        }
        self.findings.push(TrafficFinding::Waits {
            to: to.id.clone(),
            readiness,
        });
        self.tell_fence(from);
        self.hold_floors(shift, from, to);
    }

    /// The kinds of signal by which the side that still has the traffic is down; none: it is not. One that is kept out for a move that
    /// somebody asked for is down by our own act.
    fn fails_by(&self, shift: &Shift, from: &PoolSpec) -> Option<Vec<SignalKind>> {
        if let ShiftReason::Down { by } = &shift.why {
            return Some(by.clone());
        }
        let by = self.situation.down_by(&self.state, &from.id);
        (by.len() >= 2 && !self.state.is_fenced(&from.id)).then_some(by)
    }

    /// Another side than its destination that may take the traffic of one that is down. Not where the destination enters the target groups
    /// of the one that it leaves: it is on its way.
    fn better_than(&self, shift: &Shift, from: &PoolSpec, to: &PoolSpec) -> Option<(PoolId, Readiness)> {
        let by_itself = matches!(shift.why, ShiftReason::Down { .. });
        let swaps = self.situation.failover.swaps_targets();
        if swaps || shift.sharing.is_some() || !by_itself && self.would_flap_until().is_some() {
            return None;
        }
        let best = self.best_but(&from.id).filter(|(other, _)| *other != to.id);
        best.filter(|(_, readiness)| readiness.can_become_open())
    }

    /// Capacity first: the destination grows to what the source has, and the source gives nothing up meanwhile.
    pub(super) fn hold_floors(&mut self, shift: &Shift, from: &PoolSpec, to: &PoolSpec) {
        if let Some(sharing) = &shift.sharing {
            return self.hold_floors_of_sharers(sharing);
        }
        let source = self.size_of(&from.id);
        // one that wants nobody is left for one where somebody answers
        for (pool, size) in [(from, source), (to, source.max(1))] {
            let before = self.state.floors.get(&pool.id).copied().unwrap_or(0);
            self.state.floors.insert(pool.id.clone(), size.min(pool.capacity.max).max(before));
        }
    }
}
