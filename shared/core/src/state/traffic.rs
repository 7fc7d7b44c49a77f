//! The traffic state of a fleet: which pool takes traffic, and what a shift of it needs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SCHEMA;
use crate::id::{Epoch, PoolId};
use crate::spec::FleetSpec;

/// The traffic state of one fleet: item `TRAFFIC`, written by failover (and the first one by `apply`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficState {
    /// Schema of this item.
    pub schema: u16,
    /// Bumped by every traffic commit.
    pub epoch: Epoch,
    /// The pool that takes traffic.
    pub active: PoolId,
    /// Fewest instances a shift of traffic needs, by pool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub floors: BTreeMap<PoolId, u32>,
}

impl TrafficState {
    /// Before any failover: the first active pool of the spec.
    #[must_use]
    pub fn first(spec: &FleetSpec) -> Option<Self> {
        let active = spec.pools.iter().find(|pool| pool.role == crate::spec::PoolRole::Active)?;
        Some(Self {
            schema: SCHEMA,
            epoch: Epoch(0),
            active: active.id.clone(),
            floors: BTreeMap::new(),
        })
    }
}
