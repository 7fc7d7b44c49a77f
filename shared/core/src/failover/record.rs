//! What is kept of a traffic decision: enough to tell it, and to make it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Readiness, TrafficDecision, TrafficFinding, TrafficObservation, TrafficRequest, TrafficSituation, TrafficStep};
use crate::id::{BuildId, FleetId, PlanId, PoolId, SpecVersion};
use crate::spec::{FleetSpec, RawFleetSpec};
use crate::state::{CapacityState, SCHEMA, TrafficState};

/// The record of one traffic decision. A fleet's records sort by their ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficRecord {
    /// Schema of this record.
    pub schema: u16,
    /// Its id, which begins with its moment.
    pub id: PlanId,
    /// The fleet.
    pub fleet: FleetId,
    /// When it was decided.
    pub at: Timestamp,
    /// The code that decided.
    pub build: BuildId,
    /// The state that was written.
    pub state: TrafficState,
    /// Rules that were to be set.
    pub steps: Vec<TrafficStep>,
    /// What was worth telling.
    pub findings: Vec<TrafficFinding>,
    /// What stood between each side without traffic and the traffic.
    pub readiness: BTreeMap<PoolId, Readiness>,
    /// Everything it was decided from; absent where only the summary was read, and where it did not fit into the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<TrafficInputs>,
}

/// What a traffic decision was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficInputs {
    /// Version of the spec.
    pub spec_version: SpecVersion,
    /// The spec as applied.
    pub spec: Arc<RawFleetSpec>,
    /// The capacity state as loaded.
    pub capacity: CapacityState,
    /// The traffic state as loaded.
    pub traffic: TrafficState,
    /// What was seen.
    pub observation: TrafficObservation,
    /// What an operator asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<TrafficRequest>,
    /// The moment.
    pub now: Timestamp,
    /// No step starts after it.
    pub execute_until: Timestamp,
}

impl TrafficInputs {
    /// The situation that they make with their own spec, checked; none if it has no failover.
    #[must_use]
    pub fn situation<'a>(&'a self, spec: &'a FleetSpec) -> Option<TrafficSituation<'a>> {
        Some(TrafficSituation {
            spec,
            failover: spec.failover.as_ref()?,
            capacity: &self.capacity,
            traffic: &self.traffic,
            observation: &self.observation,
            asked: self.asked.as_ref(),
            now: self.now,
            execute_until: self.execute_until,
        })
    }
}

impl TrafficRecord {
    /// The record of a decision.
    #[must_use]
    pub fn new(id: PlanId, fleet: FleetId, build: BuildId, decision: &TrafficDecision, inputs: TrafficInputs) -> Self {
        Self {
            schema: SCHEMA,
            id,
            fleet,
            at: inputs.now,
            build,
            state: decision.state.clone(),
            steps: decision.steps.clone(),
            findings: decision.findings.clone(),
            readiness: decision.readiness.clone(),
            inputs: Some(inputs),
        }
    }

    /// Whether this is the record of that decision.
    #[must_use]
    pub fn is_of(&self, decision: &TrafficDecision) -> bool {
        decision.state == self.state
            && decision.steps == self.steps
            && decision.findings == self.findings
            && decision.readiness == self.readiness
    }

    /// Whether the same inputs give the same decision again; without inputs nothing shows that.
    ///
    /// # Errors
    /// The spec in the record is not valid for this build.
    pub fn replays(&self) -> Result<bool, Vec<crate::spec::Problem>> {
        let Some(inputs) = &self.inputs else { return Ok(false) };
        let spec = FleetSpec::check(&inputs.spec)?;
        let again = inputs.situation(&spec).map(|situation| super::decide(&situation));
        Ok(again.is_some_and(|again| self.is_of(&again)))
    }
}
