//! Moves of traffic: from the first sign of trouble to the side that is well again.

use std::collections::BTreeMap;

use ghostnet_core::failover::TrafficFinding;
use ghostnet_core::id::{Epoch, PoolId};
use ghostnet_core::state::{ShiftReason, TrafficState};
use jiff::Timestamp;
use serde::Serialize;

use super::{Decided, course};

/// A move of traffic, or the attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Move {
    /// From this side; none: something else had answered.
    pub(crate) from: Option<PoolId>,
    /// To this side; none: something else answers.
    pub(crate) to: Option<PoolId>,
    /// Why, in words.
    pub(crate) why: String,
    /// When it was first seen in a row that the side which it leaves is down; none: it was not.
    pub(crate) first_sign: Option<Timestamp>,
    /// When it was decided that traffic leaves.
    pub(crate) decided: Timestamp,
    /// When the weights were decided.
    pub(crate) weights: Option<Timestamp>,
    /// When the weights were seen to be set.
    pub(crate) arrived: Option<Timestamp>,
    /// When the side that it left was seen to be able to take the traffic again, if it was down.
    pub(crate) recovered: Option<Timestamp>,
    /// Why nothing moved in the end, in words.
    pub(crate) stayed: Option<String>,
    /// Before it.
    pub(crate) epoch_before: Epoch,
    /// After it, or as far as it is.
    pub(crate) epoch_after: Epoch,
}

impl Move {
    /// Whether its end is not on record.
    pub(crate) fn is_under_way(&self) -> bool {
        self.arrived.is_none() && self.stayed.is_none()
    }
}

/// Every move, the oldest first.
pub(super) fn all(decided: &[Decided<'_>]) -> Vec<Move> {
    let mut walk = Walk::default();
    decided.iter().for_each(|one| walk.take(one));
    walk.moves
}

/// The records, one after the other.
#[derive(Default)]
struct Walk {
    moves: Vec<Move>,
    /// Since when a side is seen down, in a row.
    signs: BTreeMap<PoolId, Timestamp>,
}

impl Walk {
    fn take(&mut self, one: &Decided<'_>) {
        let goes_on = self.open().is_some();
        self.note_signs(&one.record.state);
        self.see_something_else(one);
        self.see_recovered(one);
        for finding in &one.record.findings {
            self.take_finding(one, finding);
        }
        if let Some(last) = self.moves.last_mut().filter(|_| goes_on) {
            last.epoch_after = one.record.state.epoch;
        }
    }

    fn note_signs(&mut self, state: &TrafficState) {
        for (pool, side) in &state.sides {
            let down = side.seen.values().flatten().filter(|sighting| sighting.down);
            match down.map(|sighting| sighting.at).min() {
                // a side remembers its last datapoints only: the first of a row was noted when it came
                Some(first) => drop(self.signs.entry(pool.clone()).or_insert(first)),
                None => drop(self.signs.remove(pool)),
            }
        }
    }

    /// What answers in place of all sides says nothing on record once it does: no side has a share any more.
    fn see_something_else(&mut self, one: &Decided<'_>) {
        let at = one.record.at;
        let Some(open) = self.open().filter(|open| open.to.is_none() && open.decided < at) else {
            return;
        };
        let nobody = |shares: BTreeMap<PoolId, u32>| shares.values().all(|share| *share == 0);
        if one.situation().and_then(|situation| course::shares(&situation)).is_some_and(nobody) {
            open.arrived = Some(at);
        }
    }

    fn see_recovered(&mut self, one: &Decided<'_>) {
        let at = one.record.at;
        let is_open = |pool: &PoolId| {
            let readiness = one.record.readiness.get(pool);
            readiness.is_some_and(|readiness| readiness.is_open() && readiness.down_by.is_empty())
        };
        let waiting = self
            .moves
            .iter_mut()
            .filter(|moved| moved.first_sign.is_some() && moved.recovered.is_none());
        for moved in waiting.filter(|moved| moved.decided < at && moved.from.as_ref().is_some_and(is_open)) {
            moved.recovered = Some(at);
        }
    }

    fn take_finding(&mut self, one: &Decided<'_>, finding: &TrafficFinding) {
        let (at, state) = (one.record.at, &one.record.state);
        match finding {
            TrafficFinding::Leaves { from, to, why } => self.begin(one, (Some(from), Some(to)), why.to_string()),
            // one move may be of several sides
            TrafficFinding::TakesNone { .. } | TrafficFinding::TakesItsShare { .. }
                if self.open().is_some_and(|open| open.decided == at) => {}
            TrafficFinding::TakesNone { pool, why } => {
                let to = state.shift.as_ref().map(|shift| &shift.to);
                self.begin(one, (Some(pool), to), why.to_string());
            }
            TrafficFinding::TakesItsShare { pool, why } => {
                self.recover(pool, at);
                self.begin(one, (None, Some(pool)), why.to_string());
            }
            TrafficFinding::Degrades { pool } => {
                let by = state.degraded.as_ref().map(|degraded| degraded.by.clone()).unwrap_or_default();
                self.begin(one, (Some(pool), None), ShiftReason::Down { by }.to_string());
                self.with_open(|open| open.weights = Some(at));
            }
            TrafficFinding::ServesAgain { pool } => {
                self.recover(pool, at);
                let why = state.shift.as_ref().map(|shift| shift.why.to_string()).unwrap_or_default();
                self.begin(one, (None, Some(pool)), why);
                self.with_open(|open| open.weights = Some(at));
            }
            // what is sent again was decided before
            TrafficFinding::Moves { .. } => self.with_open(|open| open.weights = open.weights.or(Some(at))),
            TrafficFinding::Moved { .. } => self.with_open(|open| open.arrived = Some(at)),
            TrafficFinding::Recovered { pool } => {
                self.recover(pool, at);
                self.with_open(|open| open.stayed = Some(finding.to_string()));
            }
            TrafficFinding::GaveUp { .. } | TrafficFinding::Cancelled { .. } => {
                self.with_open(|open| open.stayed = Some(finding.to_string()));
            }
            TrafficFinding::NotArmed { .. }
            | TrafficFinding::Suspect { .. }
            | TrafficFinding::Waits { .. }
            | TrafficFinding::LeadsTo { .. }
            | TrafficFinding::Fences { .. }
            | TrafficFinding::FenceHolds { .. }
            | TrafficFinding::PastFence { .. }
            | TrafficFinding::Unfenced { .. }
            | TrafficFinding::NobodyCanServe { .. }
            | TrafficFinding::WouldFlap { .. }
            | TrafficFinding::ForeignEdit { .. }
            | TrafficFinding::Unread { .. }
            | TrafficFinding::Forgotten { .. }
            | TrafficFinding::DrillWaits { .. }
            | TrafficFinding::DrillEnds { .. }
            | TrafficFinding::Refused { .. } => {}
        }
    }

    fn begin(&mut self, one: &Decided<'_>, (from, to): (Option<&PoolId>, Option<&PoolId>), why: String) {
        self.with_open(|open| open.stayed = Some("another move took its place".to_owned()));
        self.moves.push(Move {
            from: from.cloned(),
            to: to.cloned(),
            why,
            first_sign: from.and_then(|from| self.signs.get(from)).copied(),
            decided: one.record.at,
            weights: None,
            arrived: None,
            recovered: None,
            stayed: None,
            epoch_before: one.before.map_or(one.record.state.epoch, |before| before.epoch),
            epoch_after: one.record.state.epoch,
        });
    }

    fn recover(&mut self, pool: &PoolId, at: Timestamp) {
        let waiting = |moved: &&mut Move| moved.recovered.is_none() && moved.first_sign.is_some() && moved.from.as_ref() == Some(pool);
        self.moves.iter_mut().filter(waiting).for_each(|moved| moved.recovered = Some(at));
    }

    fn open(&mut self) -> Option<&mut Move> {
        self.moves.last_mut().filter(|last| last.is_under_way())
    }

    fn with_open(&mut self, change: impl FnOnce(&mut Move)) {
        if let Some(open) = self.open() {
            change(open);
        }
    }
}

#[cfg(test)]
mod tests {
    use ghostnet_core::failover::TrafficWish;

    use super::super::Standing;
    use super::super::tests::report;
    use super::*;
    use crate::rehearsal::{Rehearsal, pool};

    #[test]
    fn a_side_that_is_well_again_before_the_other_has_grown_keeps_its_traffic() {
        let mut rehearsal = Rehearsal::new();
        rehearsal.put("green", 1);
        rehearsal.die("blue");
        rehearsal.looks(4, 10);
        rehearsal.put("blue", 4);
        rehearsal.looks(40, 10);
        let report = report(&rehearsal.records(), &[]);
        let [moved] = &report.moves[..] else { panic!("{:?}", report.moves) };
        assert_eq!((moved.weights, moved.arrived), (None, None));
        assert_eq!(moved.stayed.as_deref(), Some("blue is well again: traffic stays"));
        assert!(moved.recovered.is_some() && !moved.is_under_way());
    }

    /// A side remembers its last datapoints only.
    #[test]
    fn the_first_sign_is_the_first_of_a_row_however_long_it_is() {
        let mut rehearsal = Rehearsal::new();
        rehearsal.sicken("blue");
        rehearsal.looks(1, 10);
        let first = rehearsal.now;
        rehearsal.looks(20, 10);
        rehearsal.die("blue");
        rehearsal.looks(3, 10);
        let report = report(&rehearsal.records(), &[]);
        let [moved] = &report.moves[..] else { panic!("{:?}", report.moves) };
        assert_eq!(moved.first_sign, Some(first));
    }

    #[test]
    fn a_move_that_an_operator_forces_has_no_sign_of_trouble() {
        let mut rehearsal = Rehearsal::new();
        let wish = TrafficWish::Failover {
            to: pool("green"),
            until: None,
            forced: true,
        };
        rehearsal.looks(1, 60);
        rehearsal.ask("ana", "a rehearsal", wish);
        let report = report(&rehearsal.records(), &[]);
        let [moved] = &report.moves[..] else { panic!("{:?}", report.moves) };
        assert_eq!((moved.first_sign, moved.recovered), (None, None));
        assert_eq!(moved.why, "ana forces it: a rehearsal");
        assert_eq!(moved.weights, Some(moved.decided));
        assert_eq!((moved.epoch_before, moved.epoch_after), (Epoch(0), Epoch(1)));
    }

    #[test]
    fn a_side_that_takes_no_share_for_a_while_is_a_move_and_its_way_back_another() {
        let spec = include_str!("../../../infra/fleets/standby.yaml")
            .replace("    role: standby\n", "")
            .replace("  mode: hot_standby\n", "  mode: active_active\n");
        let mut rehearsal = Rehearsal::of(&spec);
        rehearsal.looks(1, 60);
        rehearsal.die("blue");
        rehearsal.looks(5, 10);
        rehearsal.put("blue", 4);
        rehearsal.looks(5, 60);
        rehearsal.ask("ana", "blue is repaired", TrafficWish::Failback);
        let report = report(&rehearsal.records(), &[]);
        let [left, back] = &report.moves[..] else {
            panic!("{:?}", report.moves)
        };
        assert_eq!((left.from.clone(), left.to.clone()), (Some(pool("blue")), Some(pool("green"))));
        assert!(
            left.first_sign.is_some() && left.arrived.is_some() && left.recovered.is_some(),
            "{left:?}"
        );
        assert_eq!((back.from.clone(), back.to.clone()), (None, Some(pool("blue"))));
        assert_eq!((back.why.as_str(), back.arrived.is_some()), ("ana asks: blue is repaired", true));
        let takers = |standing: Option<&Standing>| standing.map(|standing| standing.takers.clone());
        let both = Some(vec![pool("blue"), pool("green")]);
        assert_eq!(
            (takers(report.before.as_ref()), takers(report.after.as_ref())),
            (both.clone(), both)
        );
        assert!(report.timeline.iter().any(|row| row.takers == [pool("green")]));
    }

    #[test]
    fn something_else_that_answers_is_a_move_and_its_end_another() {
        let spec = include_str!("../../../infra/fleets/standby.yaml").replace(
            "  mode: hot_standby\n",
            "  mode: hot_standby\n  degraded:\n    fixed_response: { status: 503, content_type: html, body: back soon }\n    checked_by: \"arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee\"\n",
        );
        let mut rehearsal = Rehearsal::of(&spec);
        rehearsal.looks(1, 60);
        rehearsal.die("blue");
        rehearsal.die("green");
        rehearsal.looks(6, 10);
        rehearsal.put("blue", 4);
        rehearsal.looks(4, 10);
        let report = report(&rehearsal.records(), &[]);
        let [away, back] = &report.moves[..] else {
            panic!("{:?}", report.moves)
        };
        assert_eq!((&away.from, &away.to), (&Some(pool("blue")), &None));
        assert_eq!((&back.from, &back.to), (&None, &Some(pool("blue"))));
        assert!(
            away.arrived > Some(away.decided) && away.recovered == Some(back.decided),
            "{away:?}"
        );
        assert!(back.arrived.is_some(), "{back:?}");

        rehearsal.die("blue");
        rehearsal.looks(6, 10);
        rehearsal.put("blue", 4);
        rehearsal.looks(4, 10);
        let later = super::super::tests::report(&rehearsal.records(), &[]);
        assert_eq!(later.moves.len(), 4, "{:?}", later.moves);
        assert_eq!(
            later.moves.first().map(|first| first.recovered),
            Some(away.recovered),
            "once is enough"
        );
    }
}
