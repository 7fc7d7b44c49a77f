//! Reads a raw spec and lists every problem at once: parse, don't validate.
//!
//! Each function reads one part, notes what is wrong and goes on with a stand-in, so that one mistake hides no other. The
//! stand-ins never leave: [`FleetSpec::check`] returns a spec only if nothing was noted.

use std::collections::BTreeSet;

use super::problem::Problems;
use super::raw::{
    RawAmount, RawBudgets, RawCapacity, RawDuration, RawDurationPair, RawFleetSpec, RawGuards, RawLaunch, RawMode, RawPercent, RawPool,
    RawPoolSettings, RawRole, RawScaleInOrder, RawTemplate,
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
    // problems are told where the text stands: in the pool if it sets the part, else in the defaults
    let place = |set: bool, part: &str| if set { format!("{at}.{part}") } else { format!("defaults.{part}") };
    let capacity = read_capacity(raw.capacity.as_ref(), defaults_.capacity.as_ref(), &at, problems);
    let launch = read_launch(raw.launch.as_ref(), defaults_.launch.as_ref(), &at, problems);
    let health = raw.health.clone().or_else(|| defaults_.health.clone()).unwrap_or_default();
    let health_at = place(raw.health.is_some(), "health");
    let drain = raw.drain.clone().or_else(|| defaults_.drain.clone()).unwrap_or_default();
    let drain_at = place(raw.drain.is_some(), "drain");
    let scale_in = raw.scale_in.clone().or_else(|| defaults_.scale_in.clone()).unwrap_or_default();
    let scale_in_at = place(raw.scale_in.is_some(), "scale_in");
    let (policies, policies_at) = match &raw.policies {
        Some(own) => (own.as_slice(), format!("{at}.policies")),
        None => (fleet.policies.as_deref().unwrap_or_default(), "policies".to_owned()),
    };
    // fleet-level policies are read once per pool, their problems told once
    let told = n == 0 || raw.policies.is_some();
    let mut untold = Problems::default();
    let policy_problems = if told { &mut *problems } else { &mut untold };
    let target_groups = read_target_groups(raw, &at);
    let policies = super::check_policy::read_policies(policies, &policies_at, !target_groups.is_empty(), policy_problems);
    let protect_tag = scale_in.protect_tag.clone().unwrap_or_else(|| defaults::PROTECT_TAG.to_owned());
    check_tag(&protect_tag, &format!("{scale_in_at}.protect_tag"), problems);
    check_target_groups(&target_groups, &at, problems);
    let warmup = raw.warmup.as_ref().or(defaults_.warmup.as_ref());
    Some(PoolSpec {
        id: id?,
        role,
        launch,
        target_groups,
        warmup: duration(warmup, &place(raw.warmup.is_some(), "warmup"), defaults::WARMUP, problems),
        health_grace: duration(
            health.grace.as_ref(),
            &format!("{health_at}.grace"),
            defaults::HEALTH_GRACE,
            problems,
        ),
        registration_deadline: duration(
            health.registration_deadline.as_ref(),
            &format!("{health_at}.registration_deadline"),
            defaults::REGISTRATION_DEADLINE,
            problems,
        ),
        drain_timeout: duration(
            drain.timeout.as_ref(),
            &format!("{drain_at}.timeout"),
            defaults::DRAIN_TIMEOUT,
            problems,
        ),
        scale_in_order: scale_in.order.as_ref().map_or_else(
            || defaults::SCALE_IN_ORDER.to_vec(),
            |order| order.iter().map(scale_in_order).collect(),
        ),
        protect_tag,
        policies,
        guards: read_guards(fleet.guards.as_ref(), capacity.max, problems),
        capacity,
    })
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
    LaunchSpec {
        template: template.unwrap_or(Template {
            key: TemplateKey::Name(String::new()),
            version: String::new(),
        }),
        subnets,
        instance_types: types.into_iter().flatten().map(|text| InstanceType::new(text.clone())).collect(),
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

fn read_target_groups(raw: &RawPool, _at: &str) -> Vec<TargetGroupArn> {
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
