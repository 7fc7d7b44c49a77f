//! The decision record: what was decided, from what, and what came of it. One per act and per hold; an unchanged hold
//! counts up on the last one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::Violation;
use crate::decide::{Decision, PoolDecision, Situation};
use crate::id::{BuildId, FleetId, Generation, InstallationId, PlanId, PoolId, SpecVersion, StepId, digest};
use crate::observation::Observation;
use crate::plan::Plan;
use crate::signal::Signal;
use crate::spec::{FleetSpec, RawFleetSpec, Resolved};
use crate::state::{CapacityState, RecordedOutcome, TrafficState};

/// Largest record, serialised, inputs compressed.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// One decision on record: item `DECISION#<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Schema of this item.
    pub schema: u16,
    /// The plan's id.
    pub id: PlanId,
    /// The fleet.
    pub fleet: FleetId,
    /// When it was decided.
    pub at: Timestamp,
    /// Which function, or `cli`.
    pub function: String,
    /// What woke it.
    pub signal: Signal,
    /// The code that decided.
    pub build: BuildId,
    /// The generation that was read.
    pub generation: Generation,
    /// Per pool: counts, votes, guards, findings.
    pub pools: BTreeMap<PoolId, PoolDecision>,
    /// What was sent.
    pub plan: Plan,
    /// Invariants that the decision would have broken; then nothing was committed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// What each step gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<(StepId, RecordedOutcome)>,
    /// How often this hold was decided, 1 for an act.
    pub count: u32,
    /// When it was last decided.
    pub until: Timestamp,
    /// Everything it was decided from; absent where only the summary was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Inputs>,
    /// Digest of the whole decision, for replay.
    pub decision_digest: String,
}

/// Everything a decision was made from, owned: what `replay` decides again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Whose instances.
    pub installation: InstallationId,
    /// The spec's version.
    pub spec_version: SpecVersion,
    /// The spec, as typed.
    pub spec: Arc<RawFleetSpec>,
    /// What `apply` looked up.
    pub resolved: Resolved,
    /// Whether the fleet was being deleted.
    pub retiring: bool,
    /// The state as loaded.
    pub state: CapacityState,
    /// The traffic state as loaded.
    pub traffic: TrafficState,
    /// What AWS said.
    pub observation: Observation,
    /// What woke us.
    pub signal: Signal,
    /// The moment.
    pub now: Timestamp,
    /// The window.
    pub execute_until: Timestamp,
    /// The plan's id.
    pub plan_id: PlanId,
}

impl Inputs {
    /// The situation again, under the checked form of [`Inputs::spec`].
    #[must_use]
    pub fn situation<'a>(&'a self, spec: &'a FleetSpec) -> Situation<'a> {
        Situation {
            installation: &self.installation,
            spec,
            spec_version: self.spec_version,
            resolved: &self.resolved,
            retiring: self.retiring,
            state: &self.state,
            traffic: &self.traffic,
            observation: &self.observation,
            signal: &self.signal,
            now: self.now,
            execute_until: self.execute_until,
            plan_id: &self.plan_id,
        }
    }
}

/// Digest of a decision: equal digests mean equal decisions, bit for bit.
///
/// # Errors
/// Only if the decision cannot be written as JSON, which no decision made by this crate is.
pub fn decision_digest(decision: &Decision) -> Result<String, serde_json::Error> {
    Ok(digest(&serde_json::to_string(decision)?))
}
