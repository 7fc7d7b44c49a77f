//! Reads one pool of a raw spec, over the fleet's defaults.

use std::collections::BTreeSet;

use super::check::{NAME_HINT, TARGET_GROUPS_MAX};
use super::check_guards::{duration, read_guards};
use super::check_lifecycle::{HEARTBEAT_LEAST, Known, STATUS_CHECKS_LEAST, read_keep, read_max_age, read_order, read_report};
use super::check_policy::read_policies;
use super::check_warm::read_warm;
use super::defaults::ByObjective;
use super::problem::Problems;
use super::raw::{RawCapacity, RawDrift, RawFleetSpec, RawLaunch, RawPolicy, RawPool, RawPoolSettings, RawRole, RawScheduled, RawTemplate};
use super::{
    CapacityRange, Drift, LaunchSpec, Policy, PoolRole, PoolSpec, Template, TemplateKey, check_balancing, check_cloud_map, check_market,
    check_regions, check_reserve, defaults, health,
};
use crate::id::{InstanceType, PoolId, SubnetId, TargetGroupArn};

/// Stands in for a maximum that is missing, which is told, so that nothing else is told because of it.
pub(super) const NO_MAXIMUM: u32 = u32::MAX;

pub(super) fn read_pool(
    fleet: &RawFleetSpec,
    defaults_: &RawPoolSettings,
    by_objective: &ByObjective,
    n: usize,
    raw: &RawPool,
    problems: &mut Problems,
) -> Option<PoolSpec> {
    let at = format!("pools[{n}]");
    let id = raw
        .id
        .parse::<PoolId>()
        .map_err(|bad| problems.add(format!("{at}.id"), bad.to_string(), NAME_HINT))
        .ok();
    let role = match raw.role {
        None | Some(RawRole::Active) => PoolRole::Active,
        Some(RawRole::Standby) => PoolRole::Standby,
    };
    let capacity = read_capacity(raw.capacity.as_ref(), defaults_.capacity.as_ref(), &at, problems);
    let launch = read_launch(raw.launch.as_ref(), defaults_.launch.as_ref(), &at, problems);
    let (raw_policies, policies_at) = match &raw.policies {
        Some(own) => (own.as_slice(), format!("{at}.policies")),
        None => (fleet.policies.as_deref().unwrap_or_default(), "policies".to_owned()),
    };
    let target_groups = read_target_groups(raw);
    let policies = read_policies(raw_policies, by_objective, &policies_at, !target_groups.is_empty(), problems);
    check_windows(raw_policies, &policies_at, capacity, fleet.maximum, problems);
    check_target_groups(&target_groups, &at, problems);
    let layers = Layers {
        at: &at,
        defaults: defaults_,
    };
    let (order, order_at) = layers.pick(
        raw.scale_in.as_ref(),
        |own| own.scale_in.as_ref(),
        "scale_in.order",
        |part| part.order.as_ref(),
    );
    let (protect_tag, protect_tag_at) = layers.pick(
        raw.scale_in.as_ref(),
        |own| own.scale_in.as_ref(),
        "scale_in.protect_tag",
        |part| part.protect_tag.as_ref(),
    );
    let protect_tag = protect_tag.map_or(defaults::PROTECT_TAG, String::as_str);
    check_tag(protect_tag, &protect_tag_at, problems);
    let spend = fleet.guards.as_ref().and_then(|guards| guards.budgets.as_ref()?.spend.as_ref());
    let known = Known {
        loads: policies.iter().any(Policy::reads_each_instance),
        prices: spend.is_some_and(|spend| spend.prices.is_some()),
    };
    let (warmup, warmup_at) = layers.pick(raw.warmup.as_ref(), |own| own.warmup.as_ref(), "warmup", Some);
    let (grace, grace_at) = layers.pick(
        raw.health.as_ref(),
        |own| own.health.as_ref(),
        "health.grace",
        |part| part.grace.as_ref(),
    );
    let (deadline, deadline_at) = layers.pick(
        raw.health.as_ref(),
        |own| own.health.as_ref(),
        "health.registration_deadline",
        |part| part.registration_deadline.as_ref(),
    );
    let (timeout, timeout_at) = layers.pick(
        raw.drain.as_ref(),
        |own| own.drain.as_ref(),
        "drain.timeout",
        |part| part.timeout.as_ref(),
    );
    let (ready_tag, _) = layers.pick(
        raw.health.as_ref(),
        |own| own.health.as_ref(),
        "health.ready_tag",
        |part| part.ready_tag.as_ref(),
    );
    let (checks, checks_at) = layers.pick(
        raw.health.as_ref(),
        |own| own.health.as_ref(),
        "health.status_checks",
        |part| part.status_checks.as_ref(),
    );
    let (heartbeat, heartbeat_at) = layers.pick(
        raw.health.as_ref(),
        |own| own.health.as_ref(),
        "health.heartbeat",
        |part| part.heartbeat.as_ref(),
    );
    let (metric, metric_at) = layers.pick(
        raw.health.as_ref(),
        |own| own.health.as_ref(),
        "health.metric",
        |part| part.metric.as_ref(),
    );
    let (sick, sick_at) = layers.pick(
        raw.health.as_ref(),
        |own| own.health.as_ref(),
        "health.when_unhealthy",
        |part| part.when_unhealthy.as_ref(),
    );
    let (wait_for_tag, wait_at) = layers.pick(
        raw.drain.as_ref(),
        |own| own.drain.as_ref(),
        "drain.wait_for_tag",
        |part| part.wait_for_tag.as_ref(),
    );
    let (max_age, max_age_at) = layers.pick(raw.max_age.as_ref(), |own| own.max_age.as_ref(), "max_age", Some);
    let wait_for_tag = wait_for_tag.copied().unwrap_or(defaults::WAIT_FOR_TAG);
    let warm = read_warm(raw, defaults_, &at, capacity, problems);
    if wait_for_tag && warm.is_some_and(|warm| warm.takes_returns) {
        let message = "who has said its last word cannot be kept warm: it would still say so when it is started";
        problems.add(wait_at, message, "take it out, or set `warm.return: false`");
    }
    let mut pool = PoolSpec {
        id: id?,
        role,
        region: raw
            .region
            .as_deref()
            .and_then(|region| check_regions::read_region(region, &format!("{at}.region"), problems)),
        launch,
        balancing: check_balancing::read(raw.balancing.as_ref(), defaults_.balancing.as_ref(), &at, problems),
        target_groups,
        left_groups: Vec::new(),
        destinations: BTreeSet::new(),
        fenced: None,
        cloud_map: check_cloud_map::read(raw.cloud_map.as_ref(), &at, problems),
        warm,
        warmup: duration(warmup, &warmup_at, defaults::WARMUP, problems),
        health_grace: duration(grace, &grace_at, defaults::HEALTH_GRACE, problems),
        registration_deadline: duration(deadline, &deadline_at, defaults::REGISTRATION_DEADLINE, problems),
        ready_tag: ready_tag.copied().unwrap_or(defaults::READY_TAG),
        status_checks: read_report(checks, &checks_at, STATUS_CHECKS_LEAST, problems),
        heartbeat: read_report(heartbeat, &heartbeat_at, HEARTBEAT_LEAST, problems),
        health_metric: health::read(metric, &metric_at, problems),
        keep_sick: read_keep(sick, &sick_at, problems),
        wait_for_tag,
        drain_timeout: duration(timeout, &timeout_at, defaults::DRAIN_TIMEOUT, problems),
        scale_in_order: order.map_or_else(
            || defaults::SCALE_IN_ORDER.to_vec(),
            |order| read_order(order, known, &order_at, problems),
        ),
        protect_tag: protect_tag.to_owned(),
        max_age: read_max_age(max_age, &max_age_at, problems),
        policies,
        reserve: check_reserve::read(raw.reserve.as_ref(), fleet.reserve.as_ref(), by_objective, &at, problems),
        guards: read_guards(fleet.guards.as_ref(), by_objective, capacity.max, problems),
        capacity,
    };
    let says_market = |launch: &Option<RawLaunch>| launch.as_ref().is_some_and(|launch| launch.market.is_some());
    if !says_market(&raw.launch)
        && !says_market(&defaults_.launch)
        && let Some(mix) = check_market::by_objective(&pool, by_objective.spot)
    {
        pool.launch.market = mix;
    }
    health::check_size(&pool, &at, &metric_at, problems);
    Some(pool)
}

/// A pool over the fleet's defaults, field by field.
struct Layers<'a> {
    at: &'a str,
    defaults: &'a RawPoolSettings,
}

impl<'a> Layers<'a> {
    /// A field of a part, from the pool or else from the defaults, and where its text stands: nowhere, if nobody wrote it.
    fn pick<P, T>(
        &self,
        own: Option<&'a P>,
        part: impl Fn(&'a RawPoolSettings) -> Option<&'a P>,
        path: &str,
        field: impl Fn(&'a P) -> Option<&'a T>,
    ) -> (Option<&'a T>, String) {
        if let Some(own) = own.and_then(&field) {
            return (Some(own), format!("{}.{path}", self.at));
        }
        match part(self.defaults).and_then(field) {
            Some(default) => (Some(default), format!("defaults.{path}")),
            None => (None, String::new()),
        }
    }
}

/// What a scheduled window sets must fit the bounds that hold while it is open.
fn check_windows(policies: &[RawPolicy], at: &str, pool: CapacityRange, maximum: Option<u32>, problems: &mut Problems) {
    for (n, policy) in policies.iter().enumerate() {
        let RawPolicy::Scheduled(RawScheduled { capacity: window, .. }) = policy else {
            continue;
        };
        let at = format!("{at}[{n}].capacity");
        let (min, max) = (window.min.unwrap_or(pool.min), window.max.unwrap_or(pool.max));
        if min > max && pool.min <= pool.max {
            let field = if window.min.is_some() { "min" } else { "max" };
            let message = format!("while the window is open the minimum is `{min}` and the maximum `{max}`");
            problems.add(
                format!("{at}.{field}"),
                message,
                "set both `min` and `max` in the window, or move the pool's bounds",
            );
        } else if let Some(desired) = window.desired.filter(|desired| min <= max && !(min..=max).contains(desired)) {
            let message = format!("`{desired}` is not between `{min}` and `{max}`, the bounds while the window is open");
            problems.add(
                format!("{at}.desired"),
                message,
                "choose a size within the bounds, or set `min` and `max` in the window",
            );
        }
        if let (Some(window_max), Some(maximum)) = (window.max, maximum)
            && window_max > maximum
        {
            let message = format!("`{window_max}` is above the fleet's maximum `{maximum}`");
            problems.add(format!("{at}.max"), message, "lower it, or raise `maximum`");
        }
    }
}

fn read_capacity(own: Option<&RawCapacity>, default: Option<&RawCapacity>, at: &str, problems: &mut Problems) -> CapacityRange {
    let field = |pick: fn(&RawCapacity) -> Option<u32>| own.and_then(pick).or_else(|| default.and_then(pick));
    let min = field(|raw| raw.min).unwrap_or(defaults::MIN);
    let Some(max) = field(|raw| raw.max) else {
        problems.add(
            format!("{at}.capacity.max"),
            "a pool needs a maximum",
            "add `capacity: { min: 2, max: 10 }`, here or in `defaults`",
        );
        return CapacityRange {
            min,
            max: NO_MAXIMUM,
            initial: min,
        };
    };
    let initial = field(|raw| raw.initial).unwrap_or(min);
    if min > max {
        problems.add(
            format!("{at}.capacity.min"),
            format!("`{min}` is above `max`, `{max}`"),
            "lower `min`, or raise `max`",
        );
    } else if initial < min || initial > max {
        let message = format!("`{initial}` is not between `min`, `{min}`, and `max`, `{max}`");
        problems.add(format!("{at}.capacity.initial"), message, "choose a size within the bounds");
    }
    CapacityRange { min, max, initial }
}

fn read_launch(own: Option<&RawLaunch>, default: Option<&RawLaunch>, at: &str, problems: &mut Problems) -> LaunchSpec {
    let template = own
        .and_then(|raw| raw.template.as_ref())
        .or_else(|| default.and_then(|raw| raw.template.as_ref()));
    let subnets = own
        .and_then(|raw| raw.subnets.as_ref())
        .or_else(|| default.and_then(|raw| raw.subnets.as_ref()));
    let types = own
        .and_then(|raw| raw.instance_types.as_ref())
        .or_else(|| default.and_then(|raw| raw.instance_types.as_ref()));
    let template = match template {
        Some(template) => read_template(template, &format!("{at}.launch.template"), problems),
        None => {
            problems.add(
                format!("{at}.launch.template"),
                "a pool needs a launch template",
                "add `launch: { template: { name: web } }`",
            );
            None
        }
    };
    let subnets: Vec<SubnetId> = subnets.into_iter().flatten().map(|text| SubnetId::new(text.clone())).collect();
    if subnets.is_empty() {
        problems.add(
            format!("{at}.launch.subnets"),
            "a pool needs at least one subnet",
            "list subnets in different zones",
        );
    }
    for (n, subnet) in subnets.iter().enumerate() {
        if !subnet.as_str().starts_with("subnet-") {
            problems.add(
                format!("{at}.launch.subnets[{n}]"),
                format!("`{subnet}` is not a subnet id"),
                "subnet ids begin with `subnet-`",
            );
        }
        if subnets.iter().take(n).any(|earlier| earlier == subnet) {
            problems.add(
                format!("{at}.launch.subnets[{n}]"),
                format!("`{subnet}` is listed twice"),
                "list each subnet once",
            );
        }
    }
    let types: Vec<InstanceType> = types.into_iter().flatten().map(|text| InstanceType::new(text.clone())).collect();
    for (n, instance_type) in types.iter().enumerate() {
        if !instance_type.as_str().contains('.') {
            let path = format!("{at}.launch.instance_types[{n}]");
            problems.add(path, format!("`{instance_type}` is no instance type"), "such as `c7a.large`");
        }
    }
    let drift = own.and_then(|raw| raw.drift).or_else(|| default.and_then(|raw| raw.drift));
    let rebalance = own
        .and_then(|raw| raw.rebalance_zones)
        .or_else(|| default.and_then(|raw| raw.rebalance_zones));
    LaunchSpec {
        rebalance_zones: rebalance.unwrap_or(defaults::REBALANCE_ZONES),
        drift: match drift {
            None => defaults::DRIFT,
            Some(RawDrift::Ignore) => Drift::Ignore,
            Some(RawDrift::Replace) => Drift::Replace,
        },
        template: template.unwrap_or(Template {
            key: TemplateKey::Name(String::new()),
            version: String::new(),
        }),
        subnets,
        market: check_market::read(own, default, types.len(), at, problems),
        instance_types: types,
    }
}

fn read_template(raw: &RawTemplate, at: &str, problems: &mut Problems) -> Option<Template> {
    let version = raw.version.clone().unwrap_or_else(|| defaults::TEMPLATE_VERSION.to_owned());
    let numeric = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    if !(numeric || version == "$Default" || version == "$Latest") {
        problems.add(
            format!("{at}.version"),
            format!("`{version}` is no template version"),
            "use `$Default`, `$Latest` or a number as text",
        );
    }
    match (&raw.name, &raw.id) {
        (Some(name), None) => Some(Template {
            key: TemplateKey::Name(name.clone()),
            version,
        }),
        (None, Some(id)) => Some(Template {
            key: TemplateKey::Id(id.clone()),
            version,
        }),
        _ => {
            problems.add(at, "a template is named by exactly one of `name` and `id`", "keep one of them");
            None
        }
    }
}

fn read_target_groups(raw: &RawPool) -> Vec<TargetGroupArn> {
    raw.target_groups
        .iter()
        .flatten()
        .map(|text| TargetGroupArn::new(text.clone()))
        .collect()
}

/// Whether it looks like the ARN of a target group.
pub(super) fn is_target_group(group: &TargetGroupArn) -> bool {
    group.as_str().starts_with("arn:") && super::metric::group_dimension(group).starts_with("targetgroup/")
}

fn check_target_groups(groups: &[TargetGroupArn], at: &str, problems: &mut Problems) {
    if groups.len() > TARGET_GROUPS_MAX {
        let message = format!("`{}` target groups are more than `{TARGET_GROUPS_MAX}`", groups.len());
        problems.add(format!("{at}.target_groups"), message, "a pool is one homogeneous group; split it");
    }
    for (n, group) in groups.iter().enumerate() {
        if !is_target_group(group) {
            let hint = "it looks like `arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef`";
            problems.add(
                format!("{at}.target_groups[{n}]"),
                format!("`{group}` is not the ARN of a target group"),
                hint,
            );
        }
    }
}

fn check_tag(key: &str, at: &str, problems: &mut Problems) {
    if key.is_empty() || key.len() > 128 || key.starts_with("aws:") {
        problems.add(
            at,
            format!("`{key}` is no tag key"),
            "1 to 128 characters, not beginning with `aws:`",
        );
    }
}
