//! Reads a raw spec and lists every problem at once: parse, don't validate.
//!
//! Each function reads one part, notes what is wrong and goes on with a stand-in, so that one mistake hides no other. The
//! stand-ins never leave: [`FleetSpec::check`] returns a spec only if nothing was noted.

use std::collections::BTreeSet;

use super::problem::Problems;
use super::raw::{
    RawAmount, RawBudgets, RawCapacity, RawDuration, RawDurationPair, RawFleetSpec, RawGuards, RawLaunch, RawMode, RawPercent, RawPolicy,
    RawPool, RawPoolSettings, RawRole, RawScaleInOrder, RawScheduled, RawTemplate,
};
use super::{
    Amount, Budget, CapacityRange, FleetMode, FleetSpec, Guards, LaunchSpec, PoolRole, PoolSpec, Problem, ScaleInOrder, Template,
    TemplateKey, defaults,
};
use crate::id::{FleetId, InstanceType, PoolId, SubnetId, TargetGroupArn};
use crate::state::INSTANCES_MAX;
use crate::unit::{Percent, Seconds};

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
    let pools: Vec<PoolSpec> = raw
        .pools
        .iter()
        .enumerate()
        .filter_map(|(n, pool)| read_pool(raw, &defaults_, n, pool, problems))
        .collect();
    check_pools_together(raw, &pools, problems);
    let quiet_poll = raw.metrics.as_ref().and_then(|metrics| metrics.quiet_poll.as_ref());
    let quiet_poll = duration(quiet_poll, "metrics.quiet_poll", defaults::QUIET_POLL, problems);
    if quiet_poll < Seconds::minutes(1) || quiet_poll.0 % 60 != 0 {
        problems.add(
            "metrics.quiet_poll",
            format!("`{quiet_poll}` is not a whole number of minutes"),
            "the schedule wakes once a minute",
        );
    }
    let sum_of_max = pools.iter().map(|pool| pool.capacity.max).fold(0, u32::saturating_add);
    Some(FleetSpec {
        id: id?,
        mode: raw.mode.map_or(defaults::MODE, mode),
        maximum: raw.maximum.unwrap_or(sum_of_max),
        quiet_poll,
        pools,
        alarms: raw.alarms.iter().flatten().map(|alarm| alarm.alarm.clone()).collect(),
    })
}

fn check_pools_together(raw: &RawFleetSpec, pools: &[PoolSpec], problems: &mut Problems) {
    let mut ids = BTreeSet::new();
    for (n, pool) in raw.pools.iter().enumerate() {
        if !ids.insert(&pool.id) {
            problems.add(
                format!("pools[{n}].id"),
                format!("`{}` is used twice", pool.id),
                "give each pool its own id",
            );
        }
    }
    let active = pools.iter().filter(|pool| pool.role == PoolRole::Active).count();
    if !pools.is_empty() && active == 0 {
        problems.add("pools", "no pool is active", "set `role: active` on the pool that takes traffic");
    }
    let maximum = raw.maximum.unwrap_or(u32::MAX);
    let minimum = pools.iter().map(|pool| pool.capacity.min).fold(0, u32::saturating_add);
    if minimum > maximum {
        problems.add(
            "maximum",
            format!("`{maximum}` is less than the sum of the pools' `min`, `{minimum}`"),
            "raise it, or lower a `min`",
        );
    }
    for (n, pool) in pools.iter().enumerate() {
        if pool.capacity.max > maximum {
            let path = format!("pools[{n}].capacity.max");
            problems.add(
                path,
                format!("`{}` is above the fleet's maximum `{maximum}`", pool.capacity.max),
                "lower it, or raise `maximum`",
            );
        }
    }
    let mut groups = BTreeSet::new();
    for (n, pool) in pools.iter().enumerate() {
        for (m, group) in pool.target_groups.iter().enumerate() {
            if !groups.insert(group) {
                problems.add(
                    format!("pools[{n}].target_groups[{m}]"),
                    "this target group is listed twice",
                    "a group belongs to one pool",
                );
            }
        }
    }
    let total = raw
        .maximum
        .unwrap_or_else(|| pools.iter().map(|pool| pool.capacity.max).fold(0, u32::saturating_add));
    if usize::try_from(total).unwrap_or(usize::MAX) > INSTANCES_MAX {
        problems.add(
            "maximum",
            format!("`{total}` is more than the `{INSTANCES_MAX}` instances one fleet may have"),
            "split the fleet",
        );
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

fn read_pool(fleet: &RawFleetSpec, defaults_: &RawPoolSettings, n: usize, raw: &RawPool, problems: &mut Problems) -> Option<PoolSpec> {
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
    let policies = super::check_policy::read_policies(raw_policies, &policies_at, !target_groups.is_empty(), problems);
    check_windows(raw_policies, &policies_at, capacity, fleet.maximum, problems);
    check_target_groups(&target_groups, &at, problems);
    let layers = Layers {
        at: &at,
        defaults: defaults_,
    };
    let (order, _) = layers.pick(
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
    Some(PoolSpec {
        id: id?,
        role,
        launch,
        target_groups,
        warmup: duration(warmup, &warmup_at, defaults::WARMUP, problems),
        health_grace: duration(grace, &grace_at, defaults::HEALTH_GRACE, problems),
        registration_deadline: duration(deadline, &deadline_at, defaults::REGISTRATION_DEADLINE, problems),
        drain_timeout: duration(timeout, &timeout_at, defaults::DRAIN_TIMEOUT, problems),
        scale_in_order: order.map_or_else(
            || defaults::SCALE_IN_ORDER.to_vec(),
            |order| order.iter().map(scale_in_order).collect(),
        ),
        protect_tag: protect_tag.to_owned(),
        policies,
        guards: read_guards(fleet.guards.as_ref(), capacity.max, problems),
        capacity,
    })
}

/// A pool over the fleet's defaults, field by field.
struct Layers<'a> {
    at: &'a str,
    defaults: &'a RawPoolSettings,
}

impl<'a> Layers<'a> {
    /// A field of a part, from the pool or else from the defaults, and where its text stands.
    fn pick<P, T>(
        &self,
        own: Option<&'a P>,
        part: impl Fn(&'a RawPoolSettings) -> Option<&'a P>,
        path: &str,
        field: impl Fn(&'a P) -> Option<&'a T>,
    ) -> (Option<&'a T>, String) {
        match own.and_then(&field) {
            Some(own) => (Some(own), format!("{}.{path}", self.at)),
            None => (part(self.defaults).and_then(field), format!("defaults.{path}")),
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

fn scale_in_order(raw: &RawScaleInOrder) -> ScaleInOrder {
    match raw {
        RawScaleInOrder::ZoneBalance => ScaleInOrder::ZoneBalance,
        RawScaleInOrder::Oldest => ScaleInOrder::Oldest,
        RawScaleInOrder::Newest => ScaleInOrder::Newest,
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
            max: u32::MAX,
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
    LaunchSpec {
        template: template.unwrap_or(Template {
            key: TemplateKey::Name(String::new()),
            version: String::new(),
        }),
        subnets,
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

fn check_target_groups(groups: &[TargetGroupArn], at: &str, problems: &mut Problems) {
    if groups.len() > TARGET_GROUPS_MAX {
        let message = format!("`{}` target groups are more than `{TARGET_GROUPS_MAX}`", groups.len());
        problems.add(format!("{at}.target_groups"), message, "a pool is one homogeneous group; split it");
    }
    for (n, group) in groups.iter().enumerate() {
        if !(group.as_str().starts_with("arn:") && super::metric::group_dimension(group).starts_with("targetgroup/")) {
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

fn read_guards(raw: Option<&RawGuards>, max: u32, problems: &mut Problems) -> Guards {
    let raw = raw.cloned().unwrap_or_default();
    let tolerance = raw.tolerance.unwrap_or_default();
    let (cooldown_out, cooldown_in) = duration_pair(
        raw.cooldown.as_ref(),
        "guards.cooldown",
        (defaults::COOLDOWN_OUT, defaults::COOLDOWN_IN),
        problems,
    );
    let (stabilisation_out, stabilisation_in) = duration_pair(
        raw.stabilisation.as_ref(),
        "guards.stabilisation",
        (defaults::STABILISATION_OUT, defaults::STABILISATION_IN),
        problems,
    );
    let breaker = raw.breaker.unwrap_or_default();
    let (launch_per_tick, launch_per_hour, removal_per_tick) = read_budgets(raw.budgets.as_ref(), max, problems);
    Guards {
        tolerance_out: percent(tolerance.out.as_ref(), "guards.tolerance.out", defaults::TOLERANCE, problems),
        tolerance_in: percent(tolerance.in_.as_ref(), "guards.tolerance.in", defaults::TOLERANCE, problems),
        cooldown_out,
        cooldown_in,
        stabilisation_out,
        stabilisation_in,
        launch_per_tick,
        launch_per_hour,
        removal_per_tick,
        breaker_unhealthy: percent(
            breaker.unhealthy.as_ref(),
            "guards.breaker.unhealthy",
            defaults::BREAKER_UNHEALTHY,
            problems,
        ),
        breaker_at_least: breaker.at_least.unwrap_or(defaults::BREAKER_AT_LEAST),
    }
}

fn read_budgets(raw: Option<&RawBudgets>, max: u32, problems: &mut Problems) -> (Budget, u32, Budget) {
    let launch = raw.and_then(|budgets| budgets.launch.clone()).unwrap_or_default();
    let removal = raw.and_then(|budgets| budgets.removal.clone()).unwrap_or_default();
    let mut budget = |raw: Option<&RawAmount>, at: &str, default: Budget| match raw {
        None => default,
        Some(raw) => Budget {
            amount: amount(raw, at, problems),
            at_least: default.at_least,
        },
    };
    let per_tick = budget(
        launch.per_tick.as_ref(),
        "guards.budgets.launch.per_tick",
        defaults::LAUNCH_PER_TICK,
    );
    let removal = budget(
        removal.per_tick.as_ref(),
        "guards.budgets.removal.per_tick",
        defaults::REMOVAL_PER_TICK,
    );
    let per_hour = launch.per_hour.unwrap_or(max.saturating_mul(defaults::LAUNCH_PER_HOUR_OF_MAX));
    (per_tick, per_hour, removal)
}

pub(super) fn amount(raw: &RawAmount, at: &str, problems: &mut Problems) -> Amount {
    match raw {
        RawAmount::Count(count) => Amount::Count(*count),
        RawAmount::Share(share) => Amount::Share(percent(Some(share), at, Percent(0), problems)),
    }
}

pub(super) fn duration(raw: Option<&RawDuration>, at: &str, default: Seconds, problems: &mut Problems) -> Seconds {
    let Some(RawDuration(text)) = raw else { return default };
    Seconds::parse(text).unwrap_or_else(|| {
        problems.add(
            at,
            format!("`{text}` is not a duration"),
            "write a whole number and a unit: `90s`, `5m`, `2h`, `7d`",
        );
        default
    })
}

fn duration_pair(raw: Option<&RawDurationPair>, at: &str, default: (Seconds, Seconds), problems: &mut Problems) -> (Seconds, Seconds) {
    let out = duration(raw.and_then(|pair| pair.out.as_ref()), &format!("{at}.out"), default.0, problems);
    let in_ = duration(raw.and_then(|pair| pair.in_.as_ref()), &format!("{at}.in"), default.1, problems);
    (out, in_)
}

fn percent(raw: Option<&RawPercent>, at: &str, default: Percent, problems: &mut Problems) -> Percent {
    let Some(RawPercent(text)) = raw else { return default };
    Percent::parse(text).unwrap_or_else(|| {
        problems.add(
            at,
            format!("`{text}` is not a percentage"),
            format!("write a whole number and the sign, at most `{}%`", Percent::MAX),
        );
        default
    })
}
