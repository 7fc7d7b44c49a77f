//! Decisions about traffic: one line for each that told something else than the one before it. A look is repeated every ten seconds.

use ghostnet_core::failover::TrafficRecord;
use jiff::Timestamp;

use super::table::{self, Side};
use super::time;

/// The newest first, as they come; what is repeated is told at the moment at which it was told first. Empty: nothing was told.
pub(crate) fn list(shifts: &[TrafficRecord], now: Timestamp) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut newest = None;
    let mut before = String::new();
    for shift in shifts.iter().rev() {
        let told = summary(shift);
        if !told.is_empty() && told != before {
            let without: Vec<String> = shift.state.out().iter().map(ToString::to_string).collect();
            let without = if without.is_empty() {
                String::new()
            } else {
                format!(", without {}", without.join(" and "))
            };
            let taker = format!("{}{without}, epoch {}", shift.state.active, shift.state.epoch.0);
            rows.push(vec![time::clock(shift.at, now), taker, told.clone()]);
            newest = Some(&shift.id);
        }
        before = told;
    }
    rows.reverse();
    let rows = table::aligned(&[Side::Left; 3], rows);
    match newest {
        Some(id) => format!("{rows}\n`ghostnet replay {id}` decides the first of these again"),
        None => rows,
    }
}

/// What one decision told, in a line.
pub(crate) fn summary(shift: &TrafficRecord) -> String {
    let told: Vec<String> = shift.findings.iter().map(ToString::to_string).collect();
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ghostnet_core::failover::TrafficFinding;
    use ghostnet_core::id::{BuildId, PlanId, PoolId};
    use ghostnet_core::state::SignalKind;

    use super::*;

    fn pool(name: &str) -> PoolId {
        name.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn shift(second: i64, active: &str, epoch: u64, findings: Vec<TrafficFinding>) -> TrafficRecord {
        let state = format!(r#"{{"schema":1,"epoch":{epoch},"active":"{active}"}}"#);
        TrafficRecord {
            schema: 1,
            id: PlanId::new(format!("p{second}")),
            fleet: "web".parse().unwrap_or_else(|error| panic!("{error}")),
            at: Timestamp::from_second(1_780_000_000 + second).unwrap_or_default(),
            build: BuildId::new("b"),
            state: serde_json::from_str(&state).unwrap_or_else(|error| panic!("{error}")),
            steps: Vec::new(),
            findings,
            readiness: BTreeMap::new(),
            inputs: None,
        }
    }

    #[test]
    fn a_failover_reads_as_what_happened_and_when() {
        let suspect = || TrafficFinding::Suspect {
            pool: pool("blue"),
            by: vec![SignalKind::Targets],
        };
        let shifts = [
            shift(
                50,
                "green",
                1,
                vec![TrafficFinding::Moved {
                    to: pool("green"),
                    drill: false,
                }],
            ),
            shift(
                49,
                "green",
                1,
                vec![TrafficFinding::Moves {
                    to: pool("green"),
                    leaves: None,
                    leads: false,
                }],
            ),
            shift(20, "blue", 0, vec![suspect()]),
            shift(10, "blue", 0, vec![suspect()]),
            shift(0, "blue", 0, Vec::new()),
        ];
        let now = Timestamp::from_second(1_780_000_060).unwrap_or_default();
        insta::assert_snapshot!(list(&shifts, now), @"
        20:27:30  green, epoch 1  traffic is at green
        20:27:29  green, epoch 1  setting the weights for green
        20:26:50  blue, epoch 0   blue may be down by targets: another kind of signal must agree
        `ghostnet replay p50` decides the first of these again
        ");
        assert_eq!(list(&[], now), "");
    }
}
