//! What was decided about traffic, in words: what was found, what was done, and why. What only says again what the decision before it
//! said is not told.

use std::collections::BTreeMap;

use ghostnet_core::failover::{TrafficFinding, TrafficRequest, TrafficStep, TrafficWish};
use ghostnet_core::id::{Epoch, PlanId, PoolId};
use ghostnet_core::route::Route;
use ghostnet_core::state::{ShiftReason, Side, SignalKind, TrafficState};
use jiff::Timestamp;
use serde::Serialize;

use super::Decided;

/// One decision that said something new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// When.
    pub(crate) at: Timestamp,
    /// What was found.
    pub(crate) found: Vec<String>,
    /// What was done.
    pub(crate) done: Vec<String>,
    /// Why it was done.
    pub(crate) why: Option<String>,
    /// The side that takes the traffic after it, or those that share it.
    pub(crate) takers: Vec<PoolId>,
    /// After it.
    pub(crate) epoch: Epoch,
    /// Its record.
    pub(crate) id: PlanId,
    /// Whether the record holds what it was decided from, so that it can be decided again.
    pub(crate) has_inputs: bool,
}

/// The oldest first.
pub(super) fn rows(decided: &[Decided<'_>]) -> Vec<Row> {
    let mut told: &[TrafficFinding] = &[];
    let mut rows = Vec::new();
    for one in decided {
        let news: Vec<&TrafficFinding> = one.record.findings.iter().filter(|finding| !told.contains(finding)).collect();
        told = &one.record.findings;
        let row = row(one, &news);
        if !row.found.is_empty() || !row.done.is_empty() {
            rows.push(row);
        }
    }
    rows
}

fn row(one: &Decided<'_>, news: &[&TrafficFinding]) -> Row {
    let (record, before) = (one.record, one.before);
    let asked = record.inputs.as_ref().and_then(|inputs| inputs.asked.as_ref()).map(asked);
    let needed = one.spec.as_ref().and_then(|spec| spec.failover.as_ref());
    let needed = needed.map(|failover| failover.detect.datapoints.datapoints);
    let found = news.iter().filter(|finding| !is_act(finding)).map(ToString::to_string);
    let acts = news.iter().filter(|finding| is_act(finding)).map(|finding| act(finding));
    Row {
        at: record.at,
        found: asked.into_iter().chain(seen(before, &record.state, needed)).chain(found).collect(),
        done: acts
            .chain(calls(&record.steps))
            .chain(before.and_then(|before| floors(before, &record.state)))
            .collect(),
        why: news.iter().find_map(|finding| why(&record.state, finding)),
        takers: super::takers(&record.state, one.spec.as_ref()),
        epoch: record.state.epoch,
        id: record.id.clone(),
        has_inputs: record.inputs.is_some(),
    }
}

fn asked(request: &TrafficRequest) -> String {
    let (by, reason) = (&request.by, &request.reason);
    match &request.wish {
        TrafficWish::Failover { to, until, forced } => {
            let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
            let forced = if *forced { ", whatever the gate says" } else { "" };
            format!("{by} asks for {to}{until}{forced}: {reason}")
        }
        TrafficWish::Failback => format!("{by} asks for the way back: {reason}"),
        TrafficWish::Drill => format!("{by} asks for a drill: {reason}"),
        TrafficWish::Undo => format!("{by} asks for the rules as they were before the last move: {reason}"),
    }
}

/// What changed of what is seen of the sides.
fn seen(before: Option<&TrafficState>, after: &TrafficState, needed: Option<u8>) -> Vec<String> {
    let none = BTreeMap::new();
    let sides_before = before.map_or(&none, |before| &before.sides);
    let mut told = Vec::new();
    for (pool, side) in &after.sides {
        let was = sides_before.get(pool);
        if before.is_some() && side.armed && was.is_none_or(|was| !was.armed) {
            told.push(format!("{pool} was seen well: from now on traffic may leave it"));
        }
        let (then, now) = (was.and_then(|was| down(was, needed)), down(side, needed));
        match (then, now) {
            (then, now) if then == now => {}
            (_, Some(now)) => told.push(format!("{pool} is seen down by {now}")),
            (_, None) => told.push(format!("nothing speaks against {pool} any more")),
        }
    }
    told
}

/// The kinds of signal by which a side is seen down, and how often of how often; none: by none.
fn down(side: &Side, needed: Option<u8>) -> Option<String> {
    let kinds = side.seen.iter().filter_map(|(kind, sightings)| {
        let times = sightings.iter().filter(|sighting| sighting.down).count();
        match kind {
            _ if times == 0 => None,
            // an alarm has counted before it went off
            SignalKind::Alarms | SignalKind::Probes => Some(kind.to_string()),
            SignalKind::Instances | SignalKind::Targets | SignalKind::Application => Some(match needed {
                Some(needed) => format!("{kind} ({} of {needed})", times.min(usize::from(needed))),
                None => format!("{kind} ({times})"),
            }),
        }
    });
    let kinds: Vec<String> = kinds.collect();
    (!kinds.is_empty()).then(|| kinds.join(" and "))
}

/// Whether something follows from it.
fn is_act(finding: &TrafficFinding) -> bool {
    match finding {
        TrafficFinding::Leaves { .. }
        | TrafficFinding::TakesNone { .. }
        | TrafficFinding::TakesItsShare { .. }
        | TrafficFinding::Moves { .. }
        | TrafficFinding::LeadsTo { .. }
        | TrafficFinding::Fences { .. }
        | TrafficFinding::PastFence { .. }
        | TrafficFinding::Degrades { .. }
        | TrafficFinding::ServesAgain { .. }
        | TrafficFinding::GaveUp { .. }
        | TrafficFinding::Cancelled { .. } => true,
        TrafficFinding::NotArmed { .. }
        | TrafficFinding::Suspect { .. }
        | TrafficFinding::Waits { .. }
        | TrafficFinding::FenceHolds { .. }
        | TrafficFinding::Unfenced { .. }
        | TrafficFinding::NobodyCanServe { .. }
        | TrafficFinding::WouldFlap { .. }
        | TrafficFinding::Moved { .. }
        | TrafficFinding::Recovered { .. }
        | TrafficFinding::ForeignEdit { .. }
        | TrafficFinding::Unread { .. }
        | TrafficFinding::Forgotten { .. }
        | TrafficFinding::DrillWaits { .. }
        | TrafficFinding::DrillEnds { .. }
        | TrafficFinding::Refused { .. } => false,
    }
}

fn act(finding: &TrafficFinding) -> String {
    match finding {
        // why stands beside it
        TrafficFinding::Leaves { from, to, .. } => format!("traffic is to leave {from} for {to}"),
        TrafficFinding::TakesNone { pool, .. } => format!("{pool} is to take no traffic"),
        TrafficFinding::TakesItsShare { pool, .. } => format!("{pool} is to take its share again"),
        other => other.to_string(),
    }
}

fn why(state: &TrafficState, finding: &TrafficFinding) -> Option<String> {
    match finding {
        TrafficFinding::Leaves { why, .. } | TrafficFinding::TakesNone { why, .. } | TrafficFinding::TakesItsShare { why, .. } => {
            Some(why.to_string())
        }
        TrafficFinding::Moves { .. } | TrafficFinding::ServesAgain { .. } => state.shift.as_ref().map(|shift| shift.why.to_string()),
        TrafficFinding::Degrades { .. } => {
            let by = state.degraded.as_ref()?.by.clone();
            Some(ShiftReason::Down { by }.to_string())
        }
        _ => None,
    }
}

fn calls(steps: &[TrafficStep]) -> Option<String> {
    let first = steps.first()?.route.route();
    Some(match (steps.len(), first) {
        (1, Route::Rule) => "one listener or rule is set".to_owned(),
        (several, Route::Rule) => format!("{several} listeners and rules are set"),
        (1, _) => steps.iter().map(|step| format!("{} is set", step.route)).collect(),
        (several, Route::Address(_) | Route::VpcRoute(_)) => format!("{several} addresses or routes are set"),
        (several, Route::Records(_) | Route::Endpoints | Route::Dials) => format!("{several} names or accelerators are set"),
    })
}

fn floors(before: &TrafficState, after: &TrafficState) -> Option<String> {
    if before.floors == after.floors {
        return None;
    }
    let floors: Vec<String> = after.floors.iter().map(|(pool, floor)| format!("{floor} of {pool}")).collect();
    Some(match &floors[..] {
        [] => "each side has the size that its own policies ask for again".to_owned(),
        floors => format!("at least {} are wanted", floors.join(" and ")),
    })
}

#[cfg(test)]
mod tests {
    use ghostnet_core::id::RouteId;
    use ghostnet_core::state::{RouteTo, Routing};

    use super::super::tests::{report, there_and_back};
    use super::*;

    fn told(row: &Row) -> String {
        let (found, done) = (row.found.join("; "), row.done.join("; "));
        let time = row.at.strftime("%H:%M:%S");
        let why = row.why.as_deref().unwrap_or("-");
        format!(
            "{time} {} {} | {found} | {done} | {why}",
            row.takers.iter().map(PoolId::as_str).collect::<Vec<_>>().join(" and "),
            row.epoch.0
        )
    }

    #[test]
    fn what_was_set_is_named_by_what_it_is() {
        let step = |route: &str| {
            let routing = Routing {
                weights: BTreeMap::new(),
                actions: String::new(),
                answer: None,
                sticks: false,
            };
            TrafficStep {
                route: RouteId::new(route),
                expected: routing.clone(),
                set: RouteTo::Actions(routing),
            }
        };
        let name = "route53:Z0123ABC/www.example.com/A";
        for (routes, expected) in [
            (vec![], None),
            (vec!["a rule"], Some("one listener or rule is set")),
            (vec!["a rule", "another"], Some("2 listeners and rules are set")),
            (vec![name], Some("route53:Z0123ABC/www.example.com/A is set")),
            (
                vec![name, "route53:Z0123ABC/www.example.com/AAAA"],
                Some("2 names or accelerators are set"),
            ),
        ] {
            let steps: Vec<TrafficStep> = routes.into_iter().map(step).collect();
            assert_eq!(calls(&steps).as_deref(), expected);
        }
    }

    #[test]
    fn a_failover_and_its_way_back_in_words() {
        let report = report(&there_and_back().records(), &[]);
        let rows: Vec<String> = report.timeline.iter().map(told).collect();
        insta::assert_snapshot!(rows.join("\n"), @"
        13:00:00 blue 0 | blue was seen well: from now on traffic may leave it; green was seen well: from now on traffic may leave it |  | -
        13:02:30 blue 0 | blue is seen down by instances (1 of 3) and targets (1 of 3) |  | -
        13:02:40 blue 0 | blue is seen down by instances (2 of 3) and targets (2 of 3) |  | -
        13:02:50 blue 1 | blue is seen down by instances (3 of 3) and targets (3 of 3); green is not ready: 1 healthy, needs 2 | traffic is to leave blue for green; at least 4 of blue and 4 of green are wanted | it is down by instances and targets
        13:03:30 green 2 |  | setting the weights for green; one listener or rule is set | it is down by instances and targets
        13:03:31 green 2 | traffic is at green |  | -
        13:04:01 green 2 | blue is seen down by instances (2 of 3) and targets (2 of 3) |  | -
        13:04:11 green 2 | blue is seen down by instances (1 of 3) and targets (1 of 3) |  | -
        13:04:21 green 2 | nothing speaks against blue any more |  | -
        13:18:31 green 3 |  | each side has the size that its own policies ask for again | -
        13:25:31 blue 4 | ana asks for the way back: blue is repaired | traffic is to leave green for blue; setting the weights for blue; one listener or rule is set; at least 4 of blue and 4 of green are wanted | ana asks: blue is repaired
        13:25:32 blue 4 | traffic is at blue |  | -
        ");
        let ids: std::collections::BTreeSet<&str> = report.timeline.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids.len(), report.timeline.len(), "each row is a record of its own");
    }

    #[test]
    fn what_is_repeated_is_told_once() {
        let mut rehearsal = crate::rehearsal::Rehearsal::new();
        rehearsal.die("blue");
        rehearsal.die("green");
        rehearsal.looks(20, 10);
        let records = rehearsal.records();
        let report = report(&records, &[]);
        let nobody = "blue is down, and no other side can take its traffic";
        let times = report
            .timeline
            .iter()
            .filter(|row| row.found.iter().any(|found| found == nobody))
            .count();
        assert!(records.len() > 15 && times == 1, "{:?}", report.timeline);
    }
}
