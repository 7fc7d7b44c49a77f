//! What a report of a fleet's traffic tells: its moves, what was decided when and why, and how weights, health and sizes went.
//!
//! Records in, facts out: no calls, no clock. `render::report` makes a page of them.

pub(crate) mod backtest;
mod course;
mod moves;
mod timeline;

use ghostnet_core::failover::{TrafficRecord, TrafficSituation};
use ghostnet_core::id::{BuildId, Epoch, FleetId, PoolId};
use ghostnet_core::record::DecisionRecord;
use ghostnet_core::spec::FleetSpec;
use ghostnet_core::state::TrafficState;
use jiff::Timestamp;
use serde::Serialize;

pub(crate) use course::{Course, Line, Measure};
pub(crate) use moves::Move;
pub(crate) use timeline::Row;

/// What a report is made of.
pub(crate) struct Material<'a> {
    /// The fleet.
    pub(crate) fleet: &'a FleetId,
    /// The code that makes the report.
    pub(crate) build: BuildId,
    /// Since when.
    pub(crate) from: Timestamp,
    /// Until when: the moment at which the records were read.
    pub(crate) until: Timestamp,
    /// Decisions about traffic of that time, the newest first, with their inputs.
    pub(crate) shifts: &'a [TrafficRecord],
    /// Decisions about size of that time, the newest first.
    pub(crate) decisions: &'a [DecisionRecord],
    /// Whether older ones of that time were left out.
    pub(crate) is_cut: bool,
}

/// The facts of a report. The JSON form is stable.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The fleet.
    pub(crate) fleet: FleetId,
    /// The code that made the report.
    pub(crate) build: BuildId,
    /// Since when.
    pub(crate) from: Timestamp,
    /// Until when.
    pub(crate) until: Timestamp,
    /// Decisions about traffic that it is made of.
    pub(crate) records: usize,
    /// Whether older decisions of that time were left out.
    pub(crate) is_cut: bool,
    /// How the traffic stood before the first of them.
    pub(crate) before: Option<Standing>,
    /// How it stood after the last of them.
    pub(crate) after: Option<Standing>,
    /// Moves of that time, the oldest first.
    pub(crate) moves: Vec<Move>,
    /// What was decided, the oldest first, without what only says again what was said before.
    pub(crate) timeline: Vec<Row>,
    /// How weights, health and sizes went; none: nothing was decided.
    pub(crate) course: Option<Course>,
}

/// How a fleet's traffic stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Standing {
    /// The side that takes it, or those that share it.
    pub(crate) takers: Vec<PoolId>,
    /// Whether something else answers in its place.
    pub(crate) is_degraded: bool,
    /// Of the traffic state.
    pub(crate) epoch: Epoch,
}

impl Report {
    /// The report of these records.
    pub(crate) fn of(material: &Material<'_>) -> Self {
        let decided = Decided::all(material.shifts);
        let before = decided.first().and_then(|first| first.before);
        Self {
            fleet: material.fleet.clone(),
            build: material.build.clone(),
            from: material.from,
            until: material.until,
            records: decided.len(),
            is_cut: material.is_cut,
            before: before.map(|before| Standing::of(before, decided.first().and_then(|first| first.spec.as_ref()))),
            after: decided.last().map(|last| Standing::of(&last.record.state, last.spec.as_ref())),
            moves: moves::all(&decided),
            timeline: timeline::rows(&decided),
            course: Course::of(&decided, material.decisions, material.until),
        }
    }
}

impl Standing {
    fn of(state: &TrafficState, spec: Option<&FleetSpec>) -> Self {
        Self {
            takers: takers(state, spec),
            is_degraded: state.degraded.is_some(),
            epoch: state.epoch,
        }
    }
}

/// Who takes traffic, in the order of the spec; one of them where the spec is not on record.
fn takers(state: &TrafficState, spec: Option<&FleetSpec>) -> Vec<PoolId> {
    match spec {
        Some(spec) => state.takers(spec).into_iter().cloned().collect(),
        None => vec![state.active.clone()],
    }
}

/// One decision about traffic, and what it was made from as far as that is on record and this build understands it.
struct Decided<'a> {
    record: &'a TrafficRecord,
    /// The state before it; none: it is not known.
    before: Option<&'a TrafficState>,
    spec: Option<FleetSpec>,
}

impl<'a> Decided<'a> {
    /// The oldest first.
    fn all(newest_first: &'a [TrafficRecord]) -> Vec<Self> {
        let earlier = newest_first.iter().skip(1).map(|record| Some(&record.state)).chain([None]);
        let decided = newest_first.iter().zip(earlier).map(|(record, earlier)| Self {
            record,
            before: record.inputs.as_ref().map(|inputs| &inputs.traffic).or(earlier),
            spec: record.inputs.as_ref().and_then(|inputs| FleetSpec::check(&inputs.spec).ok()),
        });
        let mut decided: Vec<Self> = decided.collect();
        decided.reverse();
        decided
    }

    fn situation(&self) -> Option<TrafficSituation<'_>> {
        self.record.inputs.as_ref()?.situation(self.spec.as_ref()?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ghostnet_core::failover::TrafficWish;
    use ghostnet_core::state::SignalKind;

    use super::*;
    use crate::rehearsal::{FIRST_LOOK, Rehearsal, pool};

    /// The report of an hour with these records and no others.
    pub(crate) fn report(shifts: &[TrafficRecord], decisions: &[DecisionRecord]) -> Report {
        let from: Timestamp = FIRST_LOOK.parse().unwrap_or_else(|error| panic!("{error}"));
        let fleet: FleetId = "standby".parse().unwrap_or_else(|error| panic!("{error}"));
        Report::of(&Material {
            fleet: &fleet,
            build: BuildId::new("0.1.0"),
            from,
            until: ghostnet_core::unit::Seconds(3_600).after(from),
            shifts,
            decisions,
            is_cut: false,
        })
    }

    /// Blue dies, green grows first and takes the traffic, blue is repaired, and an operator brings the traffic back.
    pub(crate) fn there_and_back() -> Rehearsal {
        let mut rehearsal = Rehearsal::new();
        rehearsal.put("green", 1);
        rehearsal.now = ghostnet_core::unit::Seconds(140).after(rehearsal.now);
        rehearsal.die("blue");
        rehearsal.looks(6, 10);
        rehearsal.put("green", 4);
        rehearsal.looks(3, 10);
        rehearsal.put("blue", 4);
        rehearsal.looks(40, 10);
        rehearsal.looks(15, 60);
        rehearsal.ask("ana", "blue is repaired", TrafficWish::Failback);
        rehearsal.looks(3, 10);
        rehearsal
    }

    #[test]
    fn a_failover_and_its_way_back_are_two_moves_with_their_times() {
        let rehearsal = there_and_back();
        let report = report(&rehearsal.records(), &[]);
        let sides: Vec<_> = report.moves.iter().map(|moved| (moved.from.clone(), moved.to.clone())).collect();
        let (blue, green) = (Some(pool("blue")), Some(pool("green")));
        assert_eq!(sides, [(blue.clone(), green.clone()), (green, blue)]);
        let seconds = |from: Timestamp, to: Option<Timestamp>| to.map(|to| to.duration_since(from).as_secs());
        let Some(there) = report.moves.first() else { panic!("it moved") };
        assert_eq!(
            there.why,
            format!("it is down by {} and {}", SignalKind::Instances, SignalKind::Targets)
        );
        assert_eq!(there.first_sign.map(|sign| seconds(sign, Some(there.decided))), Some(Some(20)));
        assert_eq!(seconds(there.decided, there.weights), Some(40), "green grew first");
        assert_eq!(seconds(there.decided, there.arrived), Some(41));
        assert!(there.recovered > there.arrived, "{there:?}");
        assert_eq!((there.epoch_before.0, there.epoch_after.0), (0, 2), "sizes, then the move");
        let Some(back) = report.moves.last() else { panic!("it moved") };
        assert_eq!(
            (back.why.as_str(), back.first_sign, back.recovered),
            ("ana asks: blue is repaired", None, None)
        );
        assert_eq!(seconds(back.decided, back.arrived), Some(1));
        let standing = |standing: Option<&Standing>| standing.map(|standing| (standing.takers.clone(), standing.epoch.0));
        assert_eq!(standing(report.before.as_ref()), Some((vec![pool("blue")], 0)));
        assert_eq!(standing(report.after.as_ref()).map(|(takers, _)| takers), Some(vec![pool("blue")]));
    }

    #[test]
    fn nothing_on_record_is_a_report_without_a_course() {
        let report = report(&[], &[]);
        assert!(report.course.is_none() && report.before.is_none() && report.moves.is_empty() && report.timeline.is_empty());
    }

    /// The inputs of very large fleets do not fit into the table: what the record itself tells is still told.
    #[test]
    fn records_without_inputs_tell_the_same_moves() {
        let whole = there_and_back().records();
        let mut bare = whole.clone();
        bare.iter_mut().for_each(|record| record.inputs = None);
        let (whole, bare) = (report(&whole, &[]), report(&bare, &[]));
        assert_eq!(bare.moves.len(), whole.moves.len());
        for (bare, whole) in bare.moves.iter().zip(&whole.moves) {
            assert_eq!((&bare.from, &bare.to, bare.arrived), (&whole.from, &whole.to, whole.arrived));
            assert_eq!((bare.first_sign, bare.recovered), (whole.first_sign, whole.recovered));
        }
        assert!(bare.timeline.iter().all(|row| !row.has_inputs));
    }
}
