//! The fleet that plays if no other is named: it counts what the requests need, looks ahead, and keeps what it needed for ten minutes.
//!
//! Nothing holds it back: what is compared is the policy. It may have as many instances as the load needs and launch them at once.

use ghostnet_core::spec::raw::{RawInstanceCapacity, RawPercent, RawPolicy};
use ghostnet_core::spec::{Amount, FleetSpec, PoolSpec, Problem, RawFleetSpec};

use crate::load::Instance;

/// As its owner would have written it, but for what one instance can do and how much of it may be used.
const SPEC: &str = include_str!("default.json");

/// Why there is no such fleet.
#[derive(Debug, thiserror::Error)]
pub enum NoDefault {
    /// The text is not understood.
    #[error("the default spec is not understood")]
    Text(#[from] serde_json::Error),
    /// The spec has problems.
    #[error("the default spec has {} problems", .0.len())]
    Spec(Vec<Problem>),
    /// It has no pool.
    #[error("the default spec has no pool")]
    Pool,
}

/// The fleet, and its only pool, for such instances.
///
/// # Errors
/// What an instance can do, or its target, is nothing that a spec may say.
pub fn of(instance: Instance) -> Result<(FleetSpec, PoolSpec), NoDefault> {
    let mut raw: RawFleetSpec = serde_json::from_str(SPEC)?;
    for policy in raw.policies.iter_mut().flatten() {
        if let RawPolicy::Capacity(policy) = policy {
            policy.instance_capacity = RawInstanceCapacity::Given(instance.capacity);
            policy.utilisation = Some(RawPercent(format!("{:.0}%", 100.0 * instance.target)));
        }
    }
    let mut spec = FleetSpec::check(&raw).map_err(NoDefault::Spec)?;
    spec.maximum = u32::MAX;
    for pool in &mut spec.pools {
        pool.capacity.max = u32::MAX;
        pool.guards.launch_per_hour = u32::MAX;
        pool.guards.launch_per_tick.amount = Amount::Count(u32::MAX);
    }
    let pool = spec.pools.first().cloned().ok_or(NoDefault::Pool)?;
    Ok((spec, pool))
}
