//! What the tick function answers to an operator who waits.

use std::collections::BTreeMap;

use ghostnet_core::id::{FleetId, PlanId, PoolId};
use ghostnet_core::reason::Finding;
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

impl Answer {
    /// What one look came to.
    #[must_use]
    pub fn of(fleet: &FleetId, result: &Result<Report, ReconcileError>) -> Self {
        match result {
            Ok(report) => Self::of_report(fleet, report),
            Err(error) => Self::Failed {
                kind: error.kind().to_owned(),
                why: error.to_string(),
            },
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
