//! Reads how a fleet's traffic leaves a failing side.

use super::check_capacity::read_latency;
use super::check_degraded;
use super::check_drill;
use super::check_fencing;
use super::check_guards::{duration, percent};
use super::check_lever;
use super::check_metric::read_of;
use super::check_pool::NO_MAXIMUM;
use super::check_routes::Destinations;
use super::check_to_instance;
use super::problem::Problems;
use super::raw::{RawDetect, RawFailback, RawFailover, RawFailoverMode, RawFleetSpec, RawLatency, RawOf, RawPercent, RawRole};
use super::{
    ApplicationSignal, BreachRule, Detect, Failback, Failover, FailoverMode, Lever, Metric, MetricSource, NamedMetric, PoolRole, PoolSpec,
    defaults,
};
use crate::id::HealthAlarm;
use crate::unit::{Finite, Millis, Percent, Seconds};

/// One look says too little, and what was seen longer ago than five minutes says nothing of now.
const DATAPOINTS: std::ops::RangeInclusive<u8> = 2..=10;
/// Alarms of one kind and side: all sides of all fleets are read in pages of a hundred.
const HEALTH_ALARMS_MAX: usize = 5;
/// A shorter one would let traffic go back and forth faster than anybody can look.
const DWELL_MIN: Seconds = Seconds::minutes(5);

/// With what the routes of its lever name the sides by.
pub(super) fn read(fleet: &RawFleetSpec, pools: &[(usize, PoolSpec)], problems: &mut Problems) -> Option<(Failover, Destinations)> {
    let raw = fleet.failover.as_ref()?;
    let mode = match raw.mode {
        RawFailoverMode::HotStandby => FailoverMode::HotStandby,
        RawFailoverMode::ColdStandby => FailoverMode::ColdStandby,
        RawFailoverMode::ActiveActive => FailoverMode::ActiveActive,
        RawFailoverMode::Degraded => FailoverMode::Degraded,
    };
    let stands_by = fleet.pools.iter().position(|pool| matches!(pool.role, Some(RawRole::Standby)));
    match (mode, stands_by) {
        (FailoverMode::Degraded, Some(n)) => problems.add(
            format!("pools[{n}].role"),
            "a pool stands by, and `mode: degraded` has no use for it",
            "write `mode: hot_standby` or `cold_standby`; `degraded` beside them answers when no side can",
        ),
        (FailoverMode::ActiveActive, Some(n)) => problems.add(
            format!("pools[{n}].role"),
            "a pool stands by, and with `mode: active_active` every side takes its share",
            "leave `role` out, or write `mode: hot_standby`",
        ),
        (FailoverMode::ActiveActive, None) if fleet.pools.len() < 2 => problems.add(
            "failover.mode",
            "one side has nobody to share with",
            "add a second pool, or write `mode: degraded`",
        ),
        (FailoverMode::HotStandby | FailoverMode::ColdStandby, None) => {
            problems.add("failover", "no pool stands by", "set `role: standby` on the pool that takes over");
        }
        _ => {}
    }
    if mode == FailoverMode::Degraded && raw.degraded.is_none() {
        let hint = "add `degraded: { forward: ... }`, a target group, or `degraded: { fixed_response: ..., checked_by: ... }`";
        problems.add("failover.degraded", "`mode: degraded` needs something that answers", hint);
    }
    let healthy = raw.gate.as_ref().and_then(|gate| gate.healthy.as_ref());
    let gate = percent(healthy, "failover.gate.healthy", defaults::FAILOVER_GATE, problems);
    if (1..=100).contains(&gate.0) {
        check_room(gate, pools, problems);
    } else {
        let hint = "write `50%`: the destination needs half as many healthy instances as the source has";
        problems.add("failover.gate.healthy", format!("`{gate}` is not between `1%` and `100%`"), hint);
    }
    let standby_size = percent(raw.standby_size.as_ref(), "failover.standby_size", gate, problems);
    if raw.standby_size.is_some() && mode != FailoverMode::HotStandby {
        let hint = "write `mode: hot_standby`, or leave it out";
        problems.add("failover.standby_size", "only a hot standby keeps a size", hint);
    }
    let dwell = duration(raw.dwell.as_ref(), "failover.dwell", defaults::FAILOVER_DWELL, problems);
    if dwell < DWELL_MIN {
        let hint = "what moves twice in a few minutes serves nobody; 15 minutes are usual";
        problems.add("failover.dwell", format!("`{dwell}` is shorter than `{DWELL_MIN}`"), hint);
    }
    let (lever, destinations) = check_lever::read(raw, mode, pools, problems);
    check_sides(mode, &lever, pools, problems);
    let rules = match &lever {
        Lever::ListenerRules(rules) => rules.as_slice(),
        Lever::TargetSwap
        | Lever::Route53Records(_)
        | Lever::AcceleratorEndpoints(_)
        | Lever::AcceleratorDials(_)
        | Lever::ToInstance(_) => &[],
    };
    let failover = Failover {
        mode,
        degraded: raw
            .degraded
            .as_ref()
            .and_then(|degraded| check_degraded::read(degraded, rules, pools, problems)),
        detect: detect(raw.detect.as_ref(), &lever, problems),
        drill: raw.drill.as_ref().map(|drill| check_drill::read(drill, mode, problems)),
        fencing: raw
            .fencing
            .as_ref()
            .map(|fencing| check_fencing::read(fencing, (mode, &lever), pools, problems)),
        gate,
        standby_size,
        lever,
        failback: failback(raw, problems),
        dwell,
    };
    Some((failover, destinations))
}

/// Somebody takes the traffic and somebody else could, and each is seen by the balancer's checks.
fn check_sides(mode: FailoverMode, lever: &Lever, pools: &[(usize, PoolSpec)], problems: &mut Problems) {
    let of = |role: PoolRole| pools.iter().filter(move |(_, pool)| pool.role == role);
    for (n, pool) in of(PoolRole::Active).skip(1).filter(|_| mode != FailoverMode::ActiveActive) {
        let message = format!("`{}` is active too", pool.id);
        problems.add(
            format!("pools[{n}].role"),
            message,
            "one pool takes the traffic; set `role: standby` on the others, or write `mode: active_active`",
        );
    }
    let is_checked = |pool: &PoolSpec| matches!(lever, Lever::ToInstance(_)) || !pool.target_groups.is_empty();
    for (n, _) in pools.iter().filter(|(_, pool)| !is_checked(pool)) {
        let hint = "traffic moves between target groups, and their checks tell who is well";
        problems.add(
            format!("pools[{n}].target_groups"),
            "a side of a failover needs a target group",
            hint,
        );
    }
    let (runs, message, hint) = match mode {
        FailoverMode::HotStandby => (
            Some(PoolRole::Standby),
            "a hot standby runs, so its `min` is not `0`",
            "give it at least one instance, or write `mode: cold_standby`",
        ),
        FailoverMode::ActiveActive => (
            Some(PoolRole::Active),
            "a side that takes a share runs, so its `min` is not `0`",
            "give it at least one instance",
        ),
        FailoverMode::ColdStandby | FailoverMode::Degraded => (None, "", ""),
    };
    for (n, _) in pools.iter().filter(|(_, pool)| runs == Some(pool.role) && pool.capacity.min == 0) {
        problems.add(format!("pools[{n}].capacity.min"), message, hint);
    }
}

/// A side that may never have what the gate asks for takes no traffic when it is needed most, or never gets it back.
fn check_room(gate: Percent, pools: &[(usize, PoolSpec)], problems: &mut Problems) {
    let bounded = || pools.iter().filter(|(_, pool)| pool.capacity.max != NO_MAXIMUM);
    for (n, to) in bounded() {
        let others = bounded().map(|(_, from)| from).filter(|from| from.role != to.role);
        let Some(from) = others.max_by_key(|from| from.most()) else {
            continue;
        };
        let needed = gate.of_ceil(from.most());
        if to.most() < needed {
            let (has, most) = (to.most(), from.most());
            let message = format!(
                "`{has}` is less than the `{needed}` that the gate asks for while `{}` has `{most}`",
                from.id
            );
            let hint = format!("raise it, or lower `failover.gate.healthy`, `{gate}`");
            problems.add(format!("pools[{n}].capacity.max"), message, hint);
        }
    }
}

fn detect(raw: Option<&RawDetect>, lever: &Lever, problems: &mut Problems) -> Detect {
    let none = RawDetect::default();
    let raw = raw.unwrap_or(&none);
    let unhealthy = percent(
        raw.unhealthy.as_ref(),
        "failover.detect.unhealthy",
        defaults::FAILOVER_UNHEALTHY,
        problems,
    );
    if !(1..=100).contains(&unhealthy.0) {
        let message = format!("`{unhealthy}` is not between `1%` and `100%`");
        problems.add("failover.detect.unhealthy", message, "`50%`: half of them must fail");
    }
    let mut application = Vec::new();
    let mut signal = |name, above: f64| {
        let source = MetricSource::TargetGroup;
        application.extend(Finite::new(above).map(|above| ApplicationSignal {
            metric: Metric::Named { name, source },
            above,
        }));
    };
    if let Some(share) = error_rate(raw.error_rate.as_ref(), problems) {
        signal(NamedMetric::ErrorRate, f64::from(share.0));
    }
    if let Some(limit) = response_time(raw.response_time.as_ref(), problems) {
        signal(NamedMetric::ResponseTime, limit.seconds());
    }
    let alarms = health_alarms(raw.alarms.as_deref(), "failover.detect.alarms", &[], problems);
    let probes = health_alarms(raw.probes.as_deref(), "failover.detect.probes", &alarms, problems);
    if matches!(lever, Lever::ToInstance(_)) {
        check_to_instance::check_detect(raw, problems);
    }
    Detect {
        alarms,
        probes,
        datapoints: datapoints(raw.datapoints.as_ref(), problems),
        unhealthy,
        application,
    }
}

/// Names of alarms; one alarm is one kind of signal.
fn health_alarms(raw: Option<&[String]>, at: &str, taken: &[HealthAlarm], problems: &mut Problems) -> Vec<HealthAlarm> {
    let Some(names) = raw else { return Vec::new() };
    if names.len() > HEALTH_ALARMS_MAX {
        let message = format!("`{}` alarms of each side are more than `{HEALTH_ALARMS_MAX}`", names.len());
        problems.add(at, message, "one composite alarm may stand for many");
    }
    let mut alarms: Vec<HealthAlarm> = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let at = format!("{at}[{n}]");
        match name.parse::<HealthAlarm>() {
            Err(_) => problems.add(
                at,
                format!("`{name}` is not the last part of an alarm's name"),
                "write `latency` for the alarm `ghostnet/<fleet>/<pool>/health/latency`: small letters, digits and `-`",
            ),
            Ok(alarm) if alarms.contains(&alarm) => problems.add(at, "it is listed twice", "one line is enough"),
            Ok(alarm) if taken.contains(&alarm) => {
                let hint = "one alarm would agree with itself; an outside probe has an alarm of its own";
                problems.add(at, format!("`{name}` is one of `detect.alarms` too"), hint);
            }
            Ok(alarm) => alarms.push(alarm),
        }
    }
    alarms
}

fn error_rate(raw: Option<&RawPercent>, problems: &mut Problems) -> Option<Percent> {
    let at = "failover.detect.error_rate";
    let share = percent(Some(raw?), at, Percent(1), problems);
    let is_one = (1..100).contains(&share.0);
    if !is_one {
        let hint = "write `5%`: more than five of a hundred requests fail";
        problems.add(at, format!("`{share}` is not between `1%` and `99%`"), hint);
    }
    is_one.then_some(share)
}

fn response_time(raw: Option<&RawLatency>, problems: &mut Problems) -> Option<Millis> {
    let at = "failover.detect.response_time";
    let limit = read_latency(raw?, at, problems)?;
    if limit == Millis(0) {
        problems.add(at, "no answer takes no time", "write the average that nobody can work with: `2s`");
        return None;
    }
    Some(limit)
}

fn datapoints(raw: Option<&RawOf>, problems: &mut Problems) -> BreachRule {
    let Some(RawOf(text)) = raw else {
        return defaults::FAILOVER_DATAPOINTS;
    };
    let rule = read_of(text).filter(|rule| DATAPOINTS.contains(&rule.datapoints) && DATAPOINTS.contains(&rule.of));
    rule.unwrap_or_else(|| {
        let hint = format!(
            "write `3 of 3`: at least `{}`, because one look may err, of at most `{}`",
            DATAPOINTS.start(),
            DATAPOINTS.end()
        );
        let message = format!("`{text}` is not so many of so many");
        problems.add("failover.detect.datapoints", message, hint);
        defaults::FAILOVER_DATAPOINTS
    })
}

fn failback(raw: &RawFailover, problems: &mut Problems) -> Failback {
    let at = "failover.failback_after";
    match (raw.failback, raw.failback_after) {
        (Some(RawFailback::Auto), after) => {
            let well = after.unwrap_or(defaults::FAILBACK_AFTER);
            if !(2..=100).contains(&well) {
                problems.add(
                    at,
                    format!("`{well}` is not between `2` and `100`"),
                    "one look may err; 10 are usual",
                );
            }
            Failback::Auto { well }
        }
        (Some(RawFailback::Manual) | None, after) => {
            if after.is_some() {
                problems.add(
                    at,
                    "traffic does not come back by itself here",
                    "add `failback: auto`, or leave it out",
                );
            }
            Failback::Manual
        }
    }
}
