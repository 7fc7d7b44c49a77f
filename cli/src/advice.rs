//! What a valid spec should still make its author think: costs and limits of metric sources, and drains that spot cuts off.

use ghostnet_core::spec::{FailoverMode, FleetMode, FleetSpec, Metric, MetricSource, Policy, PoolRole, PoolSpec, SPOT_DRAIN_MAX};
use ghostnet_core::unit::Seconds;

/// From AWS's notice until it takes spot capacity back.
const SPOT_NOTICE: Seconds = Seconds::minutes(2);

/// Notes about a spec, each once.
pub(crate) fn notes(spec: &FleetSpec) -> Vec<String> {
    let mut notes = Vec::new();
    for policy in spec.pools.iter().flat_map(|pool| &pool.policies) {
        let measured = policy.rule.measure().map(|measure| &measure.metric);
        let learned_from = policy.learning().map(|learning| &learning.metric);
        for metric in measured.into_iter().chain(learned_from) {
            let note = cost(policy, metric).filter(|note| !notes.contains(note));
            notes.extend(note);
        }
    }
    let cut_off = |pool: &&PoolSpec| pool.launch.market.uses_spot() && pool.drain_timeout > SPOT_DRAIN_MAX;
    for pool in spec.pools.iter().filter(cut_off) {
        notes.push(format!(
            "pool `{}` drains for up to {}, and AWS takes spot capacity two minutes after its notice: set `drain.timeout`, and the \
             deregistration delay of its target groups, to {SPOT_DRAIN_MAX} or less",
            pool.id, pool.drain_timeout
        ));
    }
    for pool in &spec.pools {
        notes.extend(slow_to_leave(pool));
    }
    notes.extend(standing_by(spec));
    notes
}

/// Where a failover would not be what its author thinks.
fn standing_by(spec: &FleetSpec) -> Vec<String> {
    let (Some(failover), Some(active)) = (&spec.failover, spec.pools.iter().find(|pool| pool.role == PoolRole::Active)) else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    if !matches!(spec.mode, FleetMode::On | FleetMode::OutOnly) {
        notes.push(format!("no traffic moves while `mode` is `{}`", spec.mode));
    }
    let needed = failover.gate.of_ceil(active.capacity.max).max(1);
    let standbys = || spec.pools.iter().filter(|pool| pool.role == PoolRole::Standby);
    // what it stands by with while the active side is as large as it may be
    let kept = failover.standby_size.of_ceil(active.capacity.max);
    let stands_by_with = |pool: &PoolSpec| pool.capacity.min.max(kept).min(pool.capacity.max);
    let never_at_once = |pool: &&PoolSpec| failover.mode == FailoverMode::HotStandby && stands_by_with(pool) < needed;
    for pool in standbys().filter(never_at_once) {
        notes.push(format!(
            "pool `{}` may stand by with `{}`, and the gate asks for `{needed}` while `{}` has `{}`: then traffic waits until it has grown; \
             raise `failover.standby_size`, or its `capacity.min`, for a move in one call",
            pool.id,
            stands_by_with(pool),
            active.id,
            active.capacity.max
        ));
    }
    if standbys().any(|_| active.capacity.max.saturating_add(needed) > spec.maximum) {
        notes.push(format!(
            "`maximum`, `{}`, has no room for the `{needed}` that the gate asks for beside the `{}` of `{}`: raise it, or a failover at full size \
             may wait in vain",
            spec.maximum, active.capacity.max, active.id
        ));
    }
    notes
}

/// What a source costs or needs.
fn cost(policy: &Policy, metric: &Metric) -> Option<String> {
    let Metric::Named { name, source } = metric else { return None };
    match source {
        MetricSource::Instances => Some(format!(
            "policy `{}` reads `{}` of every instance: about $43 a month at 100 instances, and no alarm can watch it",
            policy.id,
            name.as_str()
        )),
        MetricSource::Insights => Some(format!(
            "policy `{}` reads `{}` by a Metrics Insights query: it needs resource tags on telemetry, and a region has 200 such alarms",
            policy.id,
            name.as_str()
        )),
        MetricSource::Agent | MetricSource::TargetGroup => None,
    }
}

/// A target that drains longer than its instance is given is cut off.
fn slow_to_leave(pool: &PoolSpec) -> Option<String> {
    let delay = pool.balancing.deregistration_delay?;
    if delay > pool.drain_timeout {
        return Some(format!(
            "pool `{}` sets a deregistration delay of {delay} and terminates after `drain.timeout`, {}: requests are cut off, \
             make the delay the shorter one",
            pool.id, pool.drain_timeout
        ));
    }
    (pool.launch.market.uses_spot() && delay > SPOT_NOTICE).then(|| {
        format!(
            "pool `{}` sets a deregistration delay of {delay}, and AWS takes spot capacity {SPOT_NOTICE} after its notice: set 90s or less",
            pool.id
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_that_spot_cuts_off_is_told() {
        let told = |spot: u32, drain: &str| {
            let launch = format!("drain: {{ timeout: {drain} }}\n    launch: {{ market: {{ spot_percent: {spot} }},");
            let fleet = include_str!("../../infra/fleets/small.yaml").replace("launch: {", &launch);
            let Ok(file) = crate::spec_file::read("", &fleet) else {
                panic!("the example has no problems")
            };
            notes(&file.spec)
        };
        assert_eq!(told(0, "5m"), [""; 0]);
        assert_eq!(told(50, "90s"), [""; 0]);
        let [note] = &told(50, "91s")[..] else { panic!("one note") };
        assert!(note.starts_with("pool `main` drains for up to 91s"), "{note}");
    }

    #[test]
    fn a_standby_that_is_not_what_it_seems_is_told() {
        let told = |from: &str, to: &str| {
            let fleet = include_str!("../../infra/fleets/standby.yaml").replace(from, to);
            let Ok(file) = crate::spec_file::read("", &fleet) else {
                panic!("the example has no problems")
            };
            notes(&file.spec)
        };
        assert_eq!(told("", ""), [""; 0], "it keeps what the gate asks for");
        let [note] = &told("mode: hot_standby", "mode: hot_standby\n  standby_size: 0%")[..] else {
            panic!("one note")
        };
        assert!(
            note.starts_with("pool `green` may stand by with `4`, and the gate asks for `10` while `blue` has `20`"),
            "{note}"
        );
        assert_eq!(told("mode: hot_standby", "mode: cold_standby"), [""; 0]);
        assert_eq!(told("min: 4", "min: 10"), [""; 0]);
        let tight = |maximum: u32| {
            let change = format!("fleet: standby\nmaximum: {maximum}");
            told("fleet: standby", &change)
                .iter()
                .filter(|note| note.starts_with("`maximum`"))
                .count()
        };
        assert_eq!((tight(30), tight(29)), (0, 1));
        let off = told("fleet: standby", "fleet: standby\nmode: recommend_only");
        assert_eq!(
            off.first().map(String::as_str),
            Some("no traffic moves while `mode` is `recommend_only`")
        );
    }

    #[test]
    fn a_deregistration_delay_that_outlasts_the_instance_is_told() {
        let told = |spot: u32, drain: &str, delay: &str| {
            let change = format!(
                "balancing: {{ deregistration_delay: {delay} }}\n    drain: {{ timeout: {drain} }}\n    launch: {{ market: {{ spot_percent: {spot} }},"
            );
            let fleet = include_str!("../../infra/fleets/small.yaml").replace("launch: {", &change);
            let Ok(file) = crate::spec_file::read("", &fleet) else {
                panic!("the example has no problems")
            };
            notes(&file.spec)
                .into_iter()
                .filter(|note| note.contains("sets a deregistration delay of"))
                .count()
        };
        assert_eq!(told(0, "5m", "5m"), 0);
        assert_eq!(told(0, "60s", "61s"), 1);
        assert_eq!(told(50, "5m", "2m"), 0);
        assert_eq!(told(50, "5m", "121s"), 1);
    }
}
