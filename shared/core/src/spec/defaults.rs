//! What holds when the spec is silent: the one table, used by `check` and printed by `validate --show-defaults`.
//!
//! The reference behind each value is the system whose users settled on it (`docs/architecture.md`, "defaults").

use super::{Amount, BreachRule, Budget, Drift, FleetMode, MissingRule, PolicyMode, ScaleInOrder};
use crate::unit::{Percent, Seconds};

pub(super) const MODE: FleetMode = FleetMode::On;
pub(super) const QUIET_POLL: Seconds = Seconds::minutes(5);
pub(super) const MIN: u32 = 0;
pub(super) const TEMPLATE_VERSION: &str = "$Default";
pub(super) const WARMUP: Seconds = Seconds::minutes(5);
pub(super) const HEALTH_GRACE: Seconds = Seconds::minutes(2);
pub(super) const REGISTRATION_DEADLINE: Seconds = Seconds::minutes(15);
pub(super) const DRAIN_TIMEOUT: Seconds = Seconds::minutes(5);
pub(super) const DRIFT: Drift = Drift::Ignore;
pub(super) const REBALANCE_ZONES: bool = false;
pub(super) const READY_TAG: bool = false;
pub(super) const WAIT_FOR_TAG: bool = false;
pub(super) const SCALE_IN_ORDER: [ScaleInOrder; 2] = [ScaleInOrder::ZoneBalance, ScaleInOrder::Oldest];
pub(super) const PROTECT_TAG: &str = "ghostnet:protect";
pub(super) const TOLERANCE: Percent = Percent(10);
pub(super) const COOLDOWN_OUT: Seconds = Seconds(60);
pub(super) const COOLDOWN_IN: Seconds = Seconds::minutes(5);
pub(super) const STABILISATION_OUT: Seconds = Seconds(0);
pub(super) const STABILISATION_IN: Seconds = Seconds::minutes(10);
pub(super) const LAUNCH_PER_TICK: Budget = Budget {
    amount: Amount::Share(Percent(100)),
    at_least: 4,
};
/// Launches per hour as a multiple of the pool's maximum.
pub(super) const LAUNCH_PER_HOUR_OF_MAX: u32 = 3;
pub(super) const REMOVAL_PER_TICK: Budget = Budget {
    amount: Amount::Share(Percent(10)),
    at_least: 1,
};
pub(super) const BREAKER_UNHEALTHY: Percent = Percent(20);
pub(super) const BREAKER_AT_LEAST: u32 = 3;
pub(super) const DATAPOINTS: BreachRule = BreachRule { datapoints: 1, of: 1 };
pub(super) const POLICY_MODE: PolicyMode = PolicyMode::Act;
pub(super) const MISSING: MissingRule = MissingRule::Hold;
pub(super) const PERIOD: Seconds = Seconds::minutes(1);

/// One default, for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Default {
    /// The field it stands for.
    pub path: &'static str,
    /// Its value, as one would write it.
    pub value: String,
    /// Why this value.
    pub reason: &'static str,
}

/// Every default of the spec language.
#[must_use]
pub fn defaults() -> Vec<Default> {
    let row = |path, value: &dyn std::fmt::Display, reason| Default {
        path,
        value: value.to_string(),
        reason,
    };
    vec![
        row("mode", &MODE, "decide and act"),
        row("maximum", &"the sum of the pools' `max`", "no limit beyond the pools' own"),
        row(
            "metrics.quiet_poll",
            &QUIET_POLL,
            "each read of a metric costs money; one minute while anything happens",
        ),
        row("pools[].role", &"active", "a single pool takes the traffic"),
        row("pools[].target_groups", &"[]", "a fleet needs no load balancer"),
        row("capacity.min", &MIN, "an empty fleet is allowed"),
        row("capacity.initial", &"`min`", "the policies decide the rest"),
        row("launch.template.version", &TEMPLATE_VERSION, "what the account calls the default"),
        row("launch.instance_types", &"[]", "the template's own type"),
        row(
            "launch.drift",
            &"ignore",
            "a new template version replaces a fleet only when asked to",
        ),
        row(
            "launch.rebalance_zones",
            &REBALANCE_ZONES,
            "what works is not replaced only for its place unless asked",
        ),
        row("max_age", &"none", "how long an image may be used is the owner's to say"),
        row("warmup", &WARMUP, "EC2 Auto Scaling's default instance warm-up"),
        row("health.grace", &HEALTH_GRACE, "no verdict while an instance boots"),
        row(
            "health.registration_deadline",
            &REGISTRATION_DEADLINE,
            "Karpenter and Cluster Autoscaler give 15 minutes",
        ),
        row(
            "health.ready_tag",
            &READY_TAG,
            "the target group's checks tell; without one, running is ready",
        ),
        row("health.when_unhealthy", &"replace", "what is sick is of no use to most"),
        row("drain.timeout", &DRAIN_TIMEOUT, "the deregistration delay of a target group"),
        row("drain.wait_for_tag", &WAIT_FOR_TAG, "needs a worker that answers"),
        row(
            "scale_in.order",
            &"[zone_balance, oldest]",
            "survive the loss of a zone; renew what is old",
        ),
        row("scale_in.protect_tag", &PROTECT_TAG, "busy instances protect themselves"),
        row("guards.tolerance.out", &TOLERANCE, "Kubernetes HPA"),
        row("guards.tolerance.in", &TOLERANCE, "Kubernetes HPA"),
        row("guards.cooldown.out", &COOLDOWN_OUT, "let the last launch show in the metric"),
        row("guards.cooldown.in", &COOLDOWN_IN, "EC2 Auto Scaling, Kubernetes HPA"),
        row("guards.stabilisation.out", &STABILISATION_OUT, "growing waits for nothing"),
        row(
            "guards.stabilisation.in",
            &STABILISATION_IN,
            "Google managed instance groups, Cluster Autoscaler",
        ),
        row("guards.budgets.launch.per_tick", &"100%, at least 4", "Kubernetes HPA"),
        row(
            "guards.budgets.launch.per_hour",
            &"3 x `capacity.max`",
            "a retry loop must not cost a fortune",
        ),
        row("guards.budgets.removal.per_tick", &"10%, at least 1", "Karpenter, EC2 Auto Scaling"),
        row(
            "guards.breaker.unhealthy",
            &BREAKER_UNHEALTHY,
            "Karpenter's node repair stops at 20 %",
        ),
        row("guards.breaker.at_least", &BREAKER_AT_LEAST, "Cluster Autoscaler"),
        row("policies[].datapoints.out", &DATAPOINTS, "tolerance and cooldown damp already"),
        row("policies[].datapoints.in", &DATAPOINTS, "the stabilisation window damps already"),
        row("policies[].missing", &"hold", "missing is never zero"),
        row("policies[].mode", &"act", "a policy is there to act"),
        row("policies[].disable_scale_in", &"false", "as EC2 Auto Scaling"),
        row(
            "policies[].metric.period",
            &PERIOD,
            "the finest period without high-resolution cost",
        ),
        row("policies[].metric.statistic", &"Average", "the load of the typical instance"),
        row("policies[].when.zone", &"UTC", "no surprise twice a year"),
    ]
}
