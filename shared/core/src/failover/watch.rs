//! What was seen of a side over time: distinct datapoints, counted per kind of signal.

use jiff::Timestamp;

use crate::spec::{BreachRule, Detect};
use crate::state::{ShiftReason, Side, Sighting, SignalKind, Well};
use crate::unit::Seconds;

/// Two looks closer than this are one datapoint: the function looks again every ten seconds while a side is suspect.
pub const LOOKS_APART: Seconds = Seconds(10);
/// A datapoint older than this says nothing of now.
const REMEMBERED_FOR: Seconds = Seconds::minutes(5);
/// A metric's datapoint has the time of its minute's beginning, and comes minutes later.
const METRICS_REMEMBERED_FOR: Seconds = Seconds::minutes(7);
/// An alarm that stays as it is is no news; it is noted again before it is forgotten.
const ALARM_NOTED_AGAIN_AFTER: Seconds = Seconds::minutes(1);
/// A pause between two evaluations longer than this breaks a row of good ones.
const ROW_GAP_MAX: Seconds = Seconds::minutes(3);

/// A minute that begins so long after others were seen in a side's groups is of this side alone: they are looked for once a minute.
pub(super) const MIXED_FOR: Seconds = Seconds::minutes(2);

/// Notes whether others of the fleet are registered in a side's groups: at most once a minute, and no longer than it matters.
pub(super) fn note_mixed(side: &mut Side, is_mixed: bool, now: Timestamp) {
    let lasts = |at: &Timestamp| Seconds::between(*at, now) < METRICS_REMEMBERED_FOR;
    side.mixed_at = side.mixed_at.filter(lasts);
    let is_noted = side.mixed_at.is_some_and(|at| Seconds::between(at, now) < Seconds::minutes(1));
    if is_mixed && !is_noted {
        side.mixed_at = Some(now);
    }
}

/// Notes what a look said. A side that is well, and was, is not written.
pub(super) fn note(side: &mut Side, evidence: &[(SignalKind, Sighting)], rule: BreachRule, now: Timestamp) {
    for (kind, seen) in &mut side.seen {
        let remembered = match kind {
            SignalKind::Application => METRICS_REMEMBERED_FOR,
            SignalKind::Instances | SignalKind::Targets | SignalKind::Alarms | SignalKind::Probes => REMEMBERED_FOR,
        };
        seen.retain(|sighting| sighting.at > remembered.before(now));
    }
    for (kind, sighting) in evidence {
        let seen = side.seen.entry(*kind).or_default();
        let is_new = seen.last().is_none_or(|last| is_distinct(*kind, *last, *sighting));
        if is_new {
            seen.push(*sighting);
        }
        let more = seen.len().saturating_sub(usize::from(rule.of));
        seen.drain(..more);
    }
    side.seen.retain(|_, seen| seen.iter().any(|sighting| sighting.down));
}

/// A metric's datapoint has its own time; a look's is that of the look.
fn is_distinct(kind: SignalKind, last: Sighting, new: Sighting) -> bool {
    match kind {
        SignalKind::Application => new.at > last.at,
        SignalKind::Instances | SignalKind::Targets => Seconds::between(last.at, new.at) >= LOOKS_APART,
        SignalKind::Alarms | SignalKind::Probes => {
            new.at > last.at && (new.down != last.down || Seconds::between(last.at, new.at) >= ALARM_NOTED_AGAIN_AFTER)
        }
    }
}

/// The kinds of signal by which a side is down: enough of their last datapoints say so.
pub(super) fn down_by(side: &Side, detect: &Detect) -> Vec<SignalKind> {
    let says = |kind: &SignalKind| {
        let seen = side.seen.get(kind).map(Vec::as_slice).unwrap_or_default();
        match kind {
            // CloudWatch has counted its datapoints before it went off
            SignalKind::Alarms | SignalKind::Probes => seen.last().is_some_and(|sighting| sighting.down),
            SignalKind::Instances | SignalKind::Targets | SignalKind::Application => {
                let down = seen.iter().filter(|sighting| sighting.down).count();
                down >= usize::from(detect.datapoints.datapoints.max(1))
            }
        }
    };
    SignalKind::ALL.into_iter().filter(says).collect()
}

/// Whether a side is found well: what EC2 and, where it is checked, the balancer say is known, and nothing that is known speaks against it.
pub(super) fn is_well(evidence: &[(SignalKind, Sighting)], is_checked: bool) -> bool {
    let known = |kind| evidence.iter().any(|(other, _)| *other == kind);
    known(SignalKind::Instances) && (!is_checked || known(SignalKind::Targets)) && evidence.iter().all(|(_, sighting)| !sighting.down)
}

/// Whether one of the kinds of signal by which a side was left says now that it is well. True of one that was left for other reasons.
pub(super) fn is_denied(evidence: &[(SignalKind, Sighting)], why: &ShiftReason) -> bool {
    match why {
        ShiftReason::Down { by } | ShiftReason::CanServe { by, .. } => {
            evidence.iter().any(|(kind, sighting)| by.contains(kind) && !sighting.down)
        }
        ShiftReason::Asked { .. }
        | ShiftReason::WellAgain
        | ShiftReason::Expired
        | ShiftReason::Drill { .. }
        | ShiftReason::DrillOver { .. } => true,
    }
}

/// Counts how often in a row a side was found well, at most `enough` times.
pub(super) fn count_well(side: &mut Side, well: bool, enough: u8, now: Timestamp) {
    let row = side.well.filter(|row| Seconds::between(row.at, now) <= ROW_GAP_MAX);
    side.well = match (well, row) {
        (false, _) => None,
        (true, None) => Some(Well { times: 1, at: now }),
        (true, Some(row)) if Seconds::between(row.at, now) < LOOKS_APART => Some(row),
        (true, Some(row)) => Some(Well {
            times: row.times.saturating_add(1).min(enough),
            at: now,
        }),
    };
}
