//! Reads a raw spec and lists every problem at once: parse, don't validate.
//!
//! Each function reads one part, notes what is wrong and goes on with a stand-in, so that one mistake hides no other. The
//! stand-ins never leave: [`FleetSpec::check`] returns a spec only if nothing was noted.

use std::collections::BTreeSet;

use super::check_guards::{duration, read_removal_windows};
use super::check_pool::{NO_MAXIMUM, read_pool};
use super::problem::Problems;
use super::raw::{RawFleetSpec, RawMode, RawObjective, RawRole};
use super::{FleetMode, FleetSpec, Objective, PoolSpec, Problem, check_failover, check_regions, check_spend, defaults, tuning};
use crate::id::FleetId;
use crate::state::INSTANCES_MAX;
use crate::unit::Seconds;

/// Most pools in a fleet.
pub const POOLS_MAX: usize = 10;
/// Most policies on a pool.
pub const POLICIES_MAX: usize = 20;
/// Most target groups of a pool.
pub const TARGET_GROUPS_MAX: usize = 5;

pub(super) const NAME_HINT: &str = "use lower-case letters, digits and `-`, begin with a letter, at most 32 characters";

impl FleetSpec {
    /// The checked form of a raw spec.
    ///
    /// # Errors
    /// Every problem of the spec, each with its path and a hint.
    pub fn check(raw: &RawFleetSpec) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let spec = read_fleet(raw, &mut problems);
        match (spec, problems.into_vec()) {
            (Some(spec), problems) if problems.is_empty() => Ok(spec),
            (_, problems) => Err(problems),
        }
    }
}

fn read_fleet(raw: &RawFleetSpec, problems: &mut Problems) -> Option<FleetSpec> {
    let id = raw
        .fleet
        .parse::<FleetId>()
        .map_err(|bad| problems.add("fleet", bad.to_string(), NAME_HINT))
        .ok();
    let defaults_ = raw.defaults.clone().unwrap_or_default();
    if raw.pools.is_empty() {
        problems.add("pools", "a fleet needs at least one pool", "add `pools: [{ id: main }]`");
    }
    if raw.pools.len() > POOLS_MAX {
        problems.add(
            "pools",
            format!("`{}` pools are more than `{POOLS_MAX}`", raw.pools.len()),
            "split the fleet",
        );
    }
    let objective = raw.objective.map_or(defaults::OBJECTIVE, objective);
    let by_objective = defaults::of(objective);
    let read = |(n, pool)| Some((n, read_pool(raw, &defaults_, by_objective, n, pool, problems)?));
    let pools: Vec<(usize, PoolSpec)> = raw.pools.iter().enumerate().filter_map(read).collect();
    check_pools_together(raw, &pools, problems);
    let quiet_poll = raw.metrics.as_ref().and_then(|metrics| metrics.quiet_poll.as_ref());
    let quiet_poll = duration(quiet_poll, "metrics.quiet_poll", defaults::QUIET_POLL, problems);
    if quiet_poll < Seconds::minutes(1) || !quiet_poll.0.is_multiple_of(60) {
        problems.add(
            "metrics.quiet_poll",
            format!("`{quiet_poll}` is not a whole number of minutes"),
            "the schedule wakes once a minute",
        );
    }
    let removal_windows = read_removal_windows(raw.guards.as_ref(), problems);
    let spend = check_spend::read(raw.guards.as_ref(), &pools, problems);
    let home_region = check_regions::read(raw, &pools, problems);
    let tuning = tuning::read(raw.tuning.as_ref(), &pools, problems);
    let (failover, mut destinations) = check_failover::read(raw, &pools, problems).unzip();
    let named = |(_, pool): (usize, PoolSpec)| PoolSpec {
        destinations: destinations.as_mut().and_then(|of| of.remove(&pool.id)).unwrap_or_default(),
        ..pool
    };
    let most = pools.iter().map(|(_, pool)| pool.most()).fold(0, u32::saturating_add);
    Some(FleetSpec {
        id: id?,
        mode: raw.mode.map_or(defaults::MODE, mode),
        objective,
        maximum: raw.maximum.unwrap_or(most),
        quiet_poll,
        spend,
        removal_windows,
        pools: pools.into_iter().map(named).collect(),
        failover,
        tuning,
        alarms: raw.alarms.iter().flatten().map(|alarm| alarm.alarm.clone()).collect(),
        home_region,
    })
}

/// What no pool can tell alone. Each comes with its place in the spec: one that could not be read is not among them.
fn check_pools_together(raw: &RawFleetSpec, pools: &[(usize, PoolSpec)], problems: &mut Problems) {
    let mut ids = BTreeSet::new();
    for (n, pool) in raw.pools.iter().enumerate().filter(|(_, pool)| !ids.insert(&pool.id)) {
        problems.add(
            format!("pools[{n}].id"),
            format!("`{}` is used twice", pool.id),
            "give each pool its own id",
        );
    }
    if !raw.pools.is_empty() && raw.pools.iter().all(|pool| matches!(pool.role, Some(RawRole::Standby))) {
        problems.add("pools", "no pool is active", "set `role: active` on the pool that takes traffic");
    }
    let swaps = raw
        .failover
        .as_ref()
        .is_some_and(|failover| failover.lever.target_swap == Some(true));
    let mut groups = BTreeSet::new();
    for (n, pool) in pools {
        // all sides have the same ones
        if swaps {
            groups.clear();
        }
        for (m, _) in pool.target_groups.iter().enumerate().filter(|(_, group)| !groups.insert(*group)) {
            let path = format!("pools[{n}].target_groups[{m}]");
            problems.add(path, "this target group is listed twice", "a group belongs to one pool");
        }
    }
    check_maximum(raw.maximum, pools, problems);
}

fn check_maximum(maximum: Option<u32>, pools: &[(usize, PoolSpec)], problems: &mut Problems) {
    let known = || pools.iter().filter(|(_, pool)| pool.capacity.max != NO_MAXIMUM);
    if let Some(maximum) = maximum {
        let minimum = pools.iter().map(|(_, pool)| pool.capacity.min).fold(0, u32::saturating_add);
        if minimum > maximum {
            let message = format!("`{maximum}` is less than the sum of the pools' `min`, `{minimum}`");
            problems.add("maximum", message, "raise it, or lower a `min`");
        }
        for (n, pool) in known().filter(|(_, pool)| pool.capacity.max > maximum) {
            let message = format!("`{}` is above the fleet's maximum `{maximum}`", pool.capacity.max);
            problems.add(format!("pools[{n}].capacity.max"), message, "lower it, or raise `maximum`");
        }
    }
    let total = maximum.unwrap_or_else(|| known().map(|(_, pool)| pool.most()).fold(0, u32::saturating_add));
    if usize::try_from(total).unwrap_or(usize::MAX) > INSTANCES_MAX {
        let message = format!("`{total}` is more than the `{INSTANCES_MAX}` instances one fleet may have");
        problems.add("maximum", message, "split the fleet");
    }
}

fn objective(raw: RawObjective) -> Objective {
    match raw {
        RawObjective::MinLatency => Objective::MinLatency,
        RawObjective::MinLoss => Objective::MinLoss,
        RawObjective::MinCost => Objective::MinCost,
        RawObjective::Balanced => Objective::Balanced,
    }
}

fn mode(raw: RawMode) -> FleetMode {
    match raw {
        RawMode::On => FleetMode::On,
        RawMode::OutOnly => FleetMode::OutOnly,
        RawMode::RecommendOnly => FleetMode::RecommendOnly,
        RawMode::Paused => FleetMode::Paused,
    }
}
