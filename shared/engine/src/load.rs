//! What the table holds about fleets, made ready for a decision.

use std::collections::BTreeMap;

use ghostnet_core::id::{FleetId, PoolId, StepId};
use ghostnet_core::spec::FleetSpec;
use ghostnet_core::state::{Boots, CapacityState, SCHEMA, StoredSpec, TrafficState};
use jiff::Timestamp;

use crate::invocation::ReconcileError;
use crate::port::{Loaded, Store};

/// One fleet as loaded: spec checked, outcomes merged.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    pub(crate) stored: StoredSpec,
    pub(crate) spec: FleetSpec,
    pub(crate) state: CapacityState,
    /// Whether the table had a state.
    pub(crate) existed: bool,
    /// Outcomes that `state` contains now and that leave the side list with the next commit.
    pub(crate) merged: Vec<StepId>,
    pub(crate) traffic: TrafficState,
    /// Whether the table had a traffic state.
    pub(crate) has_traffic: bool,
}

impl Fleet {
    /// How long the launches of a pool took of late, where that is learned.
    pub(crate) fn boots(&self, pool: &PoolId) -> Option<&Boots> {
        self.state.pools.get(pool)?.boots.as_ref()
    }
}

/// Loads fleets in as few calls as the store can.
pub(crate) async fn load<S: Store>(
    store: &S,
    fleets: &[FleetId],
    now: Timestamp,
) -> Result<BTreeMap<FleetId, Result<Fleet, ReconcileError>>, ReconcileError> {
    let mut loaded = store.load(fleets).await?;
    let ready = |id: &FleetId| {
        let fleet = match loaded.remove(id) {
            None => Err(ReconcileError::NoSuchFleet),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(loaded)) => make_ready(loaded, now),
        };
        (id.clone(), fleet)
    };
    Ok(fleets.iter().map(ready).collect())
}

fn make_ready(loaded: Loaded, now: Timestamp) -> Result<Fleet, ReconcileError> {
    let Loaded {
        spec: stored,
        state,
        outcomes,
        traffic,
    } = loaded;
    let spec = FleetSpec::check(&stored.spec).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        ReconcileError::Spec(problems.join("; "))
    })?;
    let existed = state.is_some();
    let mut state = state.unwrap_or_else(|| CapacityState::new(&spec, now));
    if state.schema > SCHEMA || stored.schema > SCHEMA {
        return Err(ReconcileError::Spec(format!(
            "schema {} was written by a newer build",
            state.schema.max(stored.schema)
        )));
    }
    state.merge(&outcomes);
    let has_traffic = traffic.is_some();
    let traffic = traffic
        .or_else(|| TrafficState::first(&spec))
        .ok_or_else(|| ReconcileError::Spec("no pool is active".to_owned()))?;
    Ok(Fleet {
        stored,
        spec,
        state,
        existed,
        merged: outcomes.into_keys().collect(),
        traffic,
        has_traffic,
    })
}
