//! What holds when the spec is silent: the one table, used by `check` and printed by `validate --show-defaults`.
//!
//! The reference behind each value is the system whose users settled on it (`docs/architecture.md`, "defaults").

use super::{Allocation, Amount, BreachRule, Budget, Drift, FleetMode, MissingRule, Objective, PolicyMode, ScaleInOrder, WarmState};
use crate::unit::{Percent, Seconds};

pub(super) const OBJECTIVE: Objective = Objective::Balanced;
pub(super) const MODE: FleetMode = FleetMode::On;
pub(super) const QUIET_POLL: Seconds = Seconds::minutes(5);
pub(super) const MIN: u32 = 0;
pub(super) const TEMPLATE_VERSION: &str = "$Default";
pub(super) const ON_DEMAND_BASE: u32 = 0;
pub(super) const SPOT: Percent = Percent(0);
pub(super) const ALLOCATION: Allocation = Allocation::ListedOrder;
/// Of spot that an objective asks for: in the order of a list all of a zone would be of its first type.
pub(super) const SPOT_ALLOCATION: Allocation = Allocation::CapacityOptimized;
pub(super) const RESERVATIONS: &str = "none";
pub(super) const WARMUP: Seconds = Seconds::minutes(5);
pub(super) const HEALTH_GRACE: Seconds = Seconds::minutes(2);
pub(super) const HEALTH_DATAPOINTS: u8 = 3;
pub(super) const REGISTRATION_DEADLINE: Seconds = Seconds::minutes(15);
pub(super) const DRAIN_TIMEOUT: Seconds = Seconds::minutes(5);
pub(super) const DRIFT: Drift = Drift::Ignore;
pub(super) const REBALANCE_ZONES: bool = false;
pub(super) const READY_TAG: bool = false;
pub(super) const WAIT_FOR_TAG: bool = false;
pub(super) const SCALE_IN_ORDER: [ScaleInOrder; 2] = [ScaleInOrder::ZoneBalance, ScaleInOrder::Oldest];
pub(super) const WARM_STATE: WarmState = WarmState::Stopped;
pub(super) const WARM_MAX_AGE: Seconds = Seconds::minutes(7 * 24 * 60);
pub(super) const ADAPTIVE_ABOVE: Percent = Percent(300);
pub(super) const ADAPTIVE_BELOW: Percent = Percent(200);
pub(super) const ADAPTIVE_DWELL: Seconds = Seconds::minutes(60);
pub(super) const STICKINESS: Seconds = Seconds::minutes(24 * 60);
/// Simultaneous threads of one core share it: a processor that is used to 80 % has little left.
pub(super) const SATURATION: Percent = Percent(80);
/// Of the pool, until the size of a learned stock is known.
pub(super) const WARM_UNLEARNED: Percent = Percent(20);
/// Half of what the source has answers most requests, late; with less, traffic would kill the destination too.
pub(super) const FAILOVER_GATE: Percent = Percent(50);
pub(super) const FAILOVER_UNHEALTHY: Percent = Percent(50);
pub(super) const FAILOVER_DATAPOINTS: BreachRule = BreachRule { datapoints: 3, of: 3 };
pub(super) const FAILOVER_DWELL: Seconds = Seconds::minutes(15);
pub(super) const FENCING_STOP: bool = false;
pub(super) const FENCING_TIMEOUT: Seconds = Seconds::minutes(10);
pub(super) const DRILL_LASTS: Seconds = Seconds::minutes(15);
pub(super) const FAILBACK_AFTER: u8 = 10;
pub(super) const WARM_RETURN: bool = false;
pub(super) const PROTECT_TAG: &str = "ghostnet:protect";
pub(super) const RESERVE_THRESHOLD: u32 = 0;
pub(super) const RESERVE_OVER: Seconds = Seconds::minutes(24 * 60);
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
/// Karpenter's users saw fourteen hours of it.
pub(super) const CHURN_TURNS: u8 = 3;
pub(super) const BREAKER_UNHEALTHY: Percent = Percent(20);
pub(super) const BREAKER_AT_LEAST: u32 = 3;
pub(super) const DATAPOINTS: BreachRule = BreachRule { datapoints: 1, of: 1 };
pub(super) const SIMPLE_COOLDOWN_OUT: Seconds = Seconds(60);
pub(super) const SIMPLE_COOLDOWN_IN: Seconds = Seconds::minutes(5);
pub(super) const POLICY_MODE: PolicyMode = PolicyMode::Act;
pub(super) const MISSING: MissingRule = MissingRule::Hold;
pub(super) const PERIOD: Seconds = Seconds::minutes(1);

/// The defaults that a fleet's objective sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByObjective {
    pub(super) reserve_ratio: Percent,
    pub(super) reserve_quantile_permille: u16,
    pub(super) tolerance_out: Percent,
    pub(super) tolerance_in: Percent,
    pub(super) cooldown_out: Seconds,
    pub(super) cooldown_in: Seconds,
    pub(super) stabilisation_out: Seconds,
    pub(super) stabilisation_in: Seconds,
    /// What a minute with too little costs, in minutes of a fleet of average size.
    pub(super) caution: u8,
    /// Share of spot above `capacity.min`, where a spec says nothing of markets and the pool suits spot.
    pub(super) spot: Percent,
}

const BALANCED: ByObjective = ByObjective {
    reserve_ratio: Percent(0),
    reserve_quantile_permille: 950,
    tolerance_out: Percent(10),
    tolerance_in: Percent(10),
    cooldown_out: Seconds(60),
    cooldown_in: Seconds::minutes(5),
    stabilisation_out: Seconds(0),
    stabilisation_in: Seconds::minutes(10),
    caution: 8,
    spot: SPOT,
};

/// Spare instances keep queues short, and what is a little too much already is added for; what is spare now stays a while.
const MIN_LATENCY: ByObjective = ByObjective {
    reserve_ratio: Percent(25),
    tolerance_out: Percent(5),
    tolerance_in: Percent(20),
    cooldown_out: Seconds(30),
    cooldown_in: Seconds::minutes(10),
    stabilisation_in: Seconds::minutes(20),
    caution: 24,
    ..BALANCED
};

/// A missing instance costs much more than a spare one: the 0.99 quantile, and a reserve for the instances that are lost.
const MIN_LOSS: ByObjective = ByObjective {
    reserve_ratio: Percent(15),
    reserve_quantile_permille: 990,
    tolerance_out: Percent(5),
    tolerance_in: Percent(15),
    cooldown_in: Seconds::minutes(10),
    stabilisation_in: Seconds::minutes(20),
    caution: 48,
    ..BALANCED
};

/// What is not needed leaves sooner; nothing that is needed comes later.
const MIN_COST: ByObjective = ByObjective {
    reserve_quantile_permille: 800,
    tolerance_in: Percent(5),
    cooldown_in: Seconds::minutes(2),
    stabilisation_in: Seconds::minutes(5),
    caution: 2,
    // the most that may vanish at once is then half of what comes and goes
    spot: Percent(50),
    ..BALANCED
};

/// What an objective sets.
pub(super) fn of(objective: Objective) -> &'static ByObjective {
    match objective {
        Objective::MinLatency => &MIN_LATENCY,
        Objective::MinLoss => &MIN_LOSS,
        Objective::MinCost => &MIN_COST,
        Objective::Balanced => &BALANCED,
    }
}

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

/// Every default of the spec language, for a fleet with this objective.
#[must_use]
pub fn defaults(objective: Objective) -> Vec<Default> {
    let by_objective = of(objective);
    // what an objective changes has no other reason
    let because = |reason: &'static str, is_changed: bool| match objective {
        _ if !is_changed => reason,
        Objective::MinLatency => "objective `min_latency`",
        Objective::MinLoss => "objective `min_loss`",
        Objective::MinCost => "objective `min_cost`",
        Objective::Balanced => reason,
    };
    // spot is a default of some pools only
    let buys_spot = by_objective.spot != BALANCED.spot;
    let or = |with_spot: &dyn std::fmt::Display, else_: &dyn std::fmt::Display| {
        if buys_spot {
            format!("{with_spot}, or {else_}")
        } else {
            else_.to_string()
        }
    };
    let because_of_spot = |with_spot, else_| if buys_spot { with_spot } else { else_ };
    let row = |path, value: &dyn std::fmt::Display, reason| Default {
        path,
        value: value.to_string(),
        reason,
    };
    vec![
        row("mode", &MODE, "decide and act"),
        row("objective", &OBJECTIVE, "neither speed nor cost at the other's expense"),
        row("maximum", &"the sum of the pools' `max`", "no limit beyond the pools' own"),
        row(
            "metrics.quiet_poll",
            &QUIET_POLL,
            "each read of a metric costs money; one minute while anything happens",
        ),
        row("pools[].role", &"active", "a single pool takes the traffic"),
        row("pools[].target_groups", &"[]", "a fleet needs no load balancer"),
        row(
            "pools[].cloud_map",
            &"none",
            "instances are found by their load balancer, or by no name",
        ),
        row("capacity.min", &MIN, "an empty fleet is allowed"),
        row("capacity.initial", &"`min`", "the policies decide the rest"),
        row("launch.template.version", &TEMPLATE_VERSION, "what the account calls the default"),
        row("launch.instance_types", &"[]", "the template's own type"),
        row(
            "launch.market.on_demand_base",
            &or(&"`capacity.min`", &ON_DEMAND_BASE),
            because_of_spot(
                "objective `min_cost`: what is always needed is never taken back",
                "every instance shares alike",
            ),
        ),
        row(
            "launch.market.spot_percent",
            &or(&by_objective.spot.0, &SPOT.0),
            because_of_spot(
                "objective `min_cost`: spot without a word of `launch.market`, in an active pool of three types and two subnets that \
                 drains within 90s, without `warm` and `drain.wait_for_tag`; else none",
                "what AWS may take back is asked for by name",
            ),
        ),
        row(
            "launch.market.allocation",
            &or(&SPOT_ALLOCATION, &ALLOCATION),
            because_of_spot(
                "objective `min_cost`: spot of one type vanishes all at once",
                "the order of the list is the owner's preference",
            ),
        ),
        row(
            "launch.market.reservations",
            &RESERVATIONS,
            "an open one that matches is used anyway, as the template says",
        ),
        row("warm", &"none", "stopped instances cost their volumes"),
        row(
            "warm.size: learned",
            &format!("{WARM_UNLEARNED} for a day"),
            "a fifth, until a day has shown how fast load comes",
        ),
        row(
            "warm.state",
            &WARM_STATE,
            "EC2 Auto Scaling; hibernation needs a template that allows it",
        ),
        row(
            "warm.max_age",
            &WARM_MAX_AGE,
            "an old image, old secrets and caches wait no longer than a week",
        ),
        row("warm.return", &WARM_RETURN, "EC2 Auto Scaling terminates on scale in"),
        row("failover", &"none", "nothing moves traffic that nobody asked to"),
        row(
            "failover.detect.unhealthy",
            &FAILOVER_UNHEALTHY,
            "a side that keeps half of its instances answers more than none that is not proven",
        ),
        row(
            "failover.detect.datapoints",
            &FAILOVER_DATAPOINTS,
            "three looks ten seconds apart, by two kinds of signal: most outages of failover tools are false alarms",
        ),
        row(
            "failover.gate.healthy",
            &FAILOVER_GATE,
            "with less than half of the source, its traffic would take the destination down too",
        ),
        row(
            "failover.standby_size",
            &"as `failover.gate.healthy`",
            "a hot standby that has less is not ready at once",
        ),
        row(
            "failover.failback",
            &"manual",
            "who failed once may fail again, and a person should look",
        ),
        row("failover.failback_after", &FAILBACK_AFTER, "ten good looks in a row"),
        row(
            "failover.dwell",
            &FAILOVER_DWELL,
            "longer than it takes to see that a move did not help",
        ),
        row("failover.drill", &"none", "a move on purpose is for its owner to want"),
        row(
            "failover.drill.lasts",
            &DRILL_LASTS,
            "some minutes of every metric, and no longer than the dwell in which nothing else moves",
        ),
        row(
            "failover.fencing",
            &"none",
            "most fleets may serve from both sides for a moment, and nobody answers while a side is fenced",
        ),
        row(
            "failover.fencing.stop",
            &FENCING_STOP,
            "out of its target groups a side gets no requests",
        ),
        row(
            "failover.fencing.timeout",
            &FENCING_TIMEOUT,
            "twice as long as AWS lets a target finish by default",
        ),
        row(
            "balancing",
            &"none",
            "a target group is its owner's; only what the spec names is set",
        ),
        row(
            "balancing.adaptive.above",
            &ADAPTIVE_ABOVE,
            "response times of one service spread about twice around their median",
        ),
        row("balancing.adaptive.below", &ADAPTIVE_BELOW, "clearly less than where it changed"),
        row("balancing.adaptive.dwell", &ADAPTIVE_DWELL, "once an hour at most"),
        row("balancing.stickiness.duration", &STICKINESS, "AWS's own"),
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
        row(
            "health.status_checks",
            &"none",
            "the target group's checks tell more; asking costs two calls a minute and region",
        ),
        row("health.heartbeat", &"none", "needs a worker that writes it"),
        row(
            "health.metric",
            &"none",
            "a metric for each instance costs a cent for each thousand that are read",
        ),
        row(
            "health.metric.datapoints",
            &HEALTH_DATAPOINTS,
            "one datapoint is noise, and two often are",
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
        row(
            "reserve.ratio",
            &by_objective.reserve_ratio,
            because(
                "the policies' targets have headroom already",
                by_objective.reserve_ratio != BALANCED.reserve_ratio,
            ),
        ),
        row(
            "reserve.threshold",
            &RESERVE_THRESHOLD,
            "the policies' targets have headroom already",
        ),
        row(
            "policies[].caution",
            &by_objective.caution,
            because(
                "a minute with too little costs as much as eight of the whole fleet",
                by_objective.caution != BALANCED.caution,
            ),
        ),
        row(
            "policies[].horizon",
            &"the pool's `warmup` and a minute",
            "from a launch until the instance serves, and until the next decision",
        ),
        row(
            "reserve.policy.quantile",
            &Permille(by_objective.reserve_quantile_permille),
            because(
                "enough for all but one hour in twenty",
                by_objective.reserve_quantile_permille != BALANCED.reserve_quantile_permille,
            ),
        ),
        row("reserve.policy.over", &RESERVE_OVER, "a day has every hour of the day"),
        row(
            "guards.tolerance.out",
            &by_objective.tolerance_out,
            because("Kubernetes HPA", by_objective.tolerance_out != BALANCED.tolerance_out),
        ),
        row(
            "guards.tolerance.in",
            &by_objective.tolerance_in,
            because("Kubernetes HPA", by_objective.tolerance_in != BALANCED.tolerance_in),
        ),
        row(
            "guards.cooldown.out",
            &by_objective.cooldown_out,
            because(
                "let the last launch show in the metric",
                by_objective.cooldown_out != BALANCED.cooldown_out,
            ),
        ),
        row(
            "guards.cooldown.in",
            &by_objective.cooldown_in,
            because("EC2 Auto Scaling, Kubernetes HPA", by_objective.cooldown_in != BALANCED.cooldown_in),
        ),
        row(
            "guards.stabilisation.out",
            &by_objective.stabilisation_out,
            because(
                "growing waits for nothing",
                by_objective.stabilisation_out != BALANCED.stabilisation_out,
            ),
        ),
        row(
            "guards.stabilisation.in",
            &by_objective.stabilisation_in,
            because(
                "Google managed instance groups, Cluster Autoscaler",
                by_objective.stabilisation_in != BALANCED.stabilisation_in,
            ),
        ),
        row("guards.budgets.launch.per_tick", &"100%, at least 4", "Kubernetes HPA"),
        row(
            "guards.budgets.launch.per_hour",
            &"3 x `capacity.max`",
            "a retry loop must not cost a fortune",
        ),
        row("guards.budgets.removal.per_tick", &"10%, at least 1", "Karpenter, EC2 Auto Scaling"),
        row(
            "guards.churn.turns",
            &CHURN_TURNS,
            "three turns within an hour: something misleads the policies",
        ),
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
        row(
            "policies[].cooldown.out",
            &SIMPLE_COOLDOWN_OUT,
            "of `simple`, once what it added is in service: one period that shows it",
        ),
        row(
            "policies[].cooldown.in",
            &SIMPLE_COOLDOWN_IN,
            "of `simple`, once what it removed is gone: EC2 Auto Scaling's 300 s",
        ),
        row(
            "policies[].learn.metric",
            &"cpu",
            "of `capacity` that learns: what most instances run out of first",
        ),
        row(
            "policies[].learn.saturation",
            &SATURATION,
            "beyond it queues grow, and threads that share a core do less than their use says",
        ),
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

/// Thousandths as a decimal fraction.
struct Permille(u16);

impl std::fmt::Display for Permille {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let decimals = format!("{:03}", self.0 % 1_000);
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / 1_000),
            decimals => write!(f, "{}.{decimals}", self.0 / 1_000),
        }
    }
}
