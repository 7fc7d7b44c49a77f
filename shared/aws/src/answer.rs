//! What a function answers to an operator who waits: tick, and failover about traffic.

use std::collections::BTreeMap;

use ghostnet_core::failover::TrafficFinding;
use ghostnet_core::id::{Epoch, FleetId, PlanId, PoolId};
use ghostnet_core::reason::Finding;
use ghostnet_core::state::Stage;
use ghostnet_engine::failover::TrafficReport;
use ghostnet_engine::invocation::{ReconcileError, Report};
use ghostnet_engine::live::Answered;
use serde::{Deserialize, Serialize};

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was heard.
    Heard(Heard),
    /// It changed nothing.
    Refused {
        /// Why.
        why: String,
        /// What to do about it.
        hint: String,
    },
    /// What was asked for an account's check.
    Checked(Answered),
    /// A request about traffic was heard.
    Traffic(TrafficHeard),
    /// The fleet could not be looked at, and asking again does not help.
    Failed {
        /// A stable name.
        kind: String,
        /// Why.
        why: String,
    },
}

/// What was decided on a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The fleet.
    pub fleet: FleetId,
    /// The decision.
    pub plan: PlanId,
    /// Its pools.
    pub pools: BTreeMap<PoolId, PoolHeard>,
    /// Instances that AWS launched at once.
    pub launched: usize,
    /// What AWS refused.
    pub trouble: Vec<String>,
}

/// What was decided about one pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolHeard {
    /// Wanted before.
    pub before: u32,
    /// Wanted now.
    pub after: u32,
    /// What limited the size, in words.
    pub guards: Vec<String>,
    /// What an operator's size is, in words; none: the policies decide.
    pub holds: Option<String>,
    /// What was heard of a refresh, and how far it is, in words.
    #[serde(default)]
    pub refresh: Vec<String>,
}

/// What came of a request about traffic, as far as the function could wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficHeard {
    /// The fleet.
    pub fleet: FleetId,
    /// The side that takes the traffic now, or those that share it.
    pub takers: Vec<PoolId>,
    /// Epoch of that.
    pub epoch: Epoch,
    /// What happened, in words and in order.
    pub told: Vec<String>,
    /// What the move still waits for, in words; none: it is over.
    pub waits: Option<String>,
    /// Calls that set a listener or a rule.
    pub sent: usize,
    /// Records that were written, oldest first.
    pub records: Vec<PlanId>,
    /// What a load balancer refused.
    pub trouble: Vec<String>,
}

impl Answer {
    /// What a request about traffic came to. A fleet without failover has no report.
    #[must_use]
    pub fn of_traffic(fleet: &FleetId, result: Option<&Result<TrafficReport, ReconcileError>>) -> Self {
        match result {
            None => Self::Refused {
                why: "the fleet has no failover".to_owned(),
                hint: "add `failover` to the spec and `ghostnet apply` it".to_owned(),
            },
            Some(Ok(report)) => Self::of_traffic_report(fleet, report),
            Some(Err(error)) => Self::failed(error),
        }
    }

    fn of_traffic_report(fleet: &FleetId, report: &TrafficReport) -> Self {
        let refused = report.findings.iter().find_map(|finding| match finding {
            TrafficFinding::Refused { why } => Some(why),
            _ => None,
        });
        if let Some(why) = refused {
            let (why, hint) = (why.to_string(), why.hint().to_owned());
            return Self::Refused { why, hint };
        }
        let state = &report.decision.state;
        let waiting = |finding: &&TrafficFinding| matches!(finding, TrafficFinding::Waits { .. } | TrafficFinding::FenceHolds { .. });
        let waits = state.shift.as_ref().map(|shift| match shift.stage {
            Stage::Moving { .. } => format!("the rules that lead to {} are not all seen to be set", shift.to),
            Stage::Preparing => {
                let last = report.decision.findings.iter().rfind(waiting);
                last.map_or_else(|| format!("{} could not be looked at", shift.to), ToString::to_string)
            }
        });
        Self::Traffic(TrafficHeard {
            fleet: fleet.clone(),
            takers: report.decision.takers.clone(),
            epoch: state.epoch,
            // what it waited for on its way is over, or told as what it waits for
            told: report
                .findings
                .iter()
                .filter(|finding| !waiting(finding))
                .map(ToString::to_string)
                .collect(),
            waits,
            sent: report.sent,
            records: report.records.clone(),
            trouble: report.trouble.clone(),
        })
    }

    fn failed(error: &ReconcileError) -> Self {
        Self::Failed {
            kind: error.kind().to_owned(),
            why: error.to_string(),
        }
    }

    /// What one look came to.
    #[must_use]
    pub fn of(fleet: &FleetId, result: &Result<Report, ReconcileError>) -> Self {
        match result {
            Ok(report) => Self::of_report(fleet, report),
            Err(error) => Self::failed(error),
        }
    }

    fn of_report(fleet: &FleetId, report: &Report) -> Self {
        let pools = &report.decision.pools;
        let refused = pools.values().flat_map(|pool| &pool.findings).find_map(|finding| match finding {
            Finding::OperatorRefused { why, .. } => Some(why),
            _ => None,
        });
        if let Some(why) = refused {
            let (why, hint) = (why.to_string(), why.hint().to_owned());
            return Self::Refused { why, hint };
        }
        let is_of_refresh = |finding: &&Finding| {
            matches!(
                finding,
                Finding::HandedOver { .. } | Finding::RefreshAsked { .. } | Finding::Refreshing { .. } | Finding::RolledBack { .. }
            )
        };
        let heard = pools.iter().map(|(id, pool)| {
            let holds = pool
                .findings
                .iter()
                .find(|finding| matches!(finding, Finding::OperatorHolds { .. }));
            let heard = PoolHeard {
                before: report.before.get(id).copied().unwrap_or(pool.before),
                after: pool.after,
                guards: pool.guards.iter().map(|outcome| outcome.guard.to_string()).collect(),
                holds: holds.map(ToString::to_string),
                refresh: pool.findings.iter().filter(is_of_refresh).map(ToString::to_string).collect(),
            };
            (id.clone(), heard)
        });
        Self::Heard(Heard {
            fleet: fleet.clone(),
            plan: report.plan.clone(),
            pools: heard.collect(),
            launched: report.launched,
            trouble: report.trouble.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ghostnet_core::failover::{Readiness, Refusal, TrafficDecision};
    use ghostnet_core::state::TrafficState;

    use super::*;

    const WAITS: &str = r#"{"schema":1,"epoch":3,"active":"blue","shift":{"from":"blue","to":"green","since":"2026-03-02T08:00:00Z","stage":"preparing",
        "why":{"asked":{"by":"ana","reason":"rehearsal","until":null,"forced":false}}}}"#;

    fn pool(name: &str) -> PoolId {
        name.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn waits(healthy: u32) -> TrafficFinding {
        TrafficFinding::Waits {
            to: pool("green"),
            readiness: Readiness {
                healthy,
                needed: 6,
                unreachable: Vec::new(),
                down_by: Vec::new(),
            },
        }
    }

    fn report(state: &str, last: &[TrafficFinding], all: &[TrafficFinding]) -> TrafficReport {
        let state: TrafficState = serde_json::from_str(state).unwrap_or_else(|error| panic!("{error}"));
        TrafficReport {
            decision: TrafficDecision {
                enrols: false,
                takers: vec![state.active.clone()],
                state,
                steps: Vec::new(),
                findings: last.to_vec(),
                readiness: BTreeMap::new(),
                look_again: false,
            },
            findings: all.to_vec(),
            records: Vec::new(),
            sent: 1,
            wakes_tick: false,
            trouble: Vec::new(),
            alerts: Vec::new(),
        }
    }

    fn answer(report: Option<TrafficReport>) -> Answer {
        let fleet: FleetId = "web".parse().unwrap_or_else(|error| panic!("{error}"));
        Answer::of_traffic(&fleet, report.map(Ok).as_ref())
    }

    #[test]
    fn a_move_that_waits_says_for_what_it_waits_now() {
        let moves = TrafficFinding::Moves {
            to: pool("green"),
            leaves: None,
            leads: false,
        };
        let Answer::Traffic(heard) = answer(Some(report(WAITS, &[waits(5)], &[waits(2), waits(5)]))) else {
            panic!("it was heard")
        };
        assert_eq!(heard.waits.as_deref(), Some("green is not ready: 5 healthy, needs 6"));
        assert_eq!(heard.told, Vec::<String>::new(), "what it waited for before is over");

        let arrived = r#"{"schema":1,"epoch":4,"active":"green"}"#;
        let Answer::Traffic(heard) = answer(Some(report(arrived, &[], &[waits(5), moves]))) else {
            panic!("it was heard")
        };
        assert_eq!((heard.takers, heard.epoch, heard.waits), (vec![pool("green")], Epoch(4), None));
        assert_eq!(heard.told, ["setting the weights for green"]);
    }

    /// The looks that follow while a shift is under way find other things.
    #[test]
    fn a_refusal_is_told_whatever_later_looks_found() {
        let why = Refusal::Shifts { to: pool("green") };
        let refused = TrafficFinding::Refused { why: why.clone() };
        assert_eq!(
            answer(Some(report(WAITS, &[waits(5)], &[refused, waits(5)]))),
            Answer::Refused {
                why: "traffic is on its way to `green`".to_owned(),
                hint: why.hint().to_owned(),
            }
        );
        let Answer::Refused { why, .. } = answer(None) else {
            panic!("it is refused")
        };
        assert_eq!(why, "the fleet has no failover");
    }
}
