//! What only some users ask of a fleet: pools without a balancer or with two groups, other kinds of steps and windows, settings of one pool
//! alone. Drawn from a stream of its own, so that nothing else is drawn otherwise.

use ghostnet_core::spec::FleetSpec;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::cloud::metrics::FAILED_JOBS;
use crate::fleets::{Design, group};

type Change = fn(&mut Chance, &Design, &mut Value) -> Option<()>;

/// Every change, and in one of how many fleets it is made.
const CHANGES: [(u32, Change); 8] = [
    (8, by_processor_alone),
    (6, ignore_what_is_missing),
    (4, step_to_sizes),
    (4, other_windows),
    (4, keep_warm_hibernated),
    (6, reserve_of_one_pool),
    (4, grace),
    (6, another_breaker),
];

/// Changes a design. One that would not be a valid spec is left out.
pub(crate) fn vary(chance: &mut Chance, design: &mut Design) {
    for (one_in, change) in CHANGES {
        if !chance.once_in(one_in) {
            continue;
        }
        let Ok(mut value) = serde_json::to_value(&design.raw) else { return };
        if change(chance, design, &mut value).is_none() {
            continue;
        }
        if let Ok(raw) = serde_json::from_value(value)
            && FleetSpec::check(&raw).is_ok()
        {
            design.raw = raw;
        }
    }
}

/// In some fleets a metric of each instance's own says that it is sick: how many of its jobs fail, or one that is always well, which a
/// policy may read too. Drawn from a stream of its own too.
pub(crate) fn tell_jobs(chance: &mut Chance, design: &mut Design) {
    let datapoints = chance.count(2, 4);
    let metrics = [
        json!({ "metric": { "namespace": "Work", "name": FAILED_JOBS, "statistic": "Sum" }, "above": 20, "datapoints": datapoints }),
        json!({ "metric": "cpu", "above": 1_000, "datapoints": datapoints }),
    ];
    let metric = if chance.once_in(4) { metrics.last() } else { metrics.first() };
    let mut raw = design.raw.clone();
    if let Some(metric) = metric.filter(|_| chance.once_in(3)) {
        let health = raw.defaults.get_or_insert_default().health.get_or_insert_default();
        health.metric = serde_json::from_value(metric.clone()).ok();
    }
    if FleetSpec::check(&raw).is_ok() {
        design.raw = raw;
    }
}

fn policy<'a>(value: &'a mut Value, kind: &str) -> Option<&'a mut serde_json::Map<String, Value>> {
    let policies = value.get_mut("policies")?.as_array_mut()?.iter_mut();
    let mut of_kind = policies.filter(|policy| policy.get("type") == Some(&json!(kind)));
    of_kind.next()?.as_object_mut()
}

/// No request is counted by a balancer: the pool is behind none, or behind two groups.
fn by_processor_alone(chance: &mut Chance, design: &Design, value: &mut Value) -> Option<()> {
    if design.raw.failover.is_some() || design.raw.pools.len() > 1 {
        return None;
    }
    let of_balancer = |policy: &Value| policy.to_string().contains("\"alb_");
    let policies = value.get_mut("policies")?.as_array_mut()?;
    policies.retain(|policy| !of_balancer(policy));
    policies.insert(
        0,
        json!({ "id": "busy", "type": "target_tracking", "metric": "cpu", "source": *chance.pick(&["agent", "insights"])?, "target": 60.0 }),
    );
    let pool = value.get_mut("pools")?.get_mut(0)?.as_object_mut()?;
    if chance.once_in(2) {
        pool.remove("target_groups");
        value.get_mut("defaults")?.as_object_mut()?.remove("balancing");
    } else {
        let name = design.raw.fleet.as_str();
        let groups = [group(name, "blue"), group(name, "blue-b")];
        pool.insert("target_groups".to_owned(), json!(groups.each_ref().map(|group| group.as_str())));
    }
    Some(())
}

fn ignore_what_is_missing(_: &mut Chance, _: &Design, value: &mut Value) -> Option<()> {
    policy(value, "step")?.insert("missing".to_owned(), json!("ignore"));
    Some(())
}

/// Steps by count and to a size, beside those by share.
fn step_to_sizes(_: &mut Chance, design: &Design, value: &mut Value) -> Option<()> {
    let steps = policy(value, "step")?;
    let size = design.size;
    steps.insert(
        "out".to_owned(),
        json!([{ "from": 80, "below": 95, "add": 2 }, { "from": 95, "to": size }]),
    );
    steps.insert(
        "in".to_owned(),
        json!([{ "below": 45, "from": 20, "remove": "10%", "at_least": 1 }, { "below": 20, "to": size.div_ceil(2) }]),
    );
    Some(())
}

/// One that opens once, or by the clock of another place, with other bounds.
fn other_windows(chance: &mut Chance, design: &Design, value: &mut Value) -> Option<()> {
    let hours = chance.between(1, 4);
    let when = if chance.once_in(2) {
        // the first day of every world
        json!({ "at": format!("2026-06-01T{:02}:30:00+02:00", chance.between(2, 8)), "for": format!("{hours}h") })
    } else {
        let zone = *chance.pick(&["America/New_York", "Asia/Kolkata", "Pacific/Chatham"])?;
        json!({ "cron": format!("15 {} * * *", chance.between(0, 23)), "zone": zone, "for": format!("{hours}h") })
    };
    let size = design.size;
    let capacity = *chance.pick(&[(1, 2), (2, 3)])?;
    let capacity = json!({ "min": size.saturating_mul(capacity.0) / capacity.1, "max": size });
    let window = json!({ "id": "festival", "type": "scheduled", "when": when, "capacity": capacity });
    value.get_mut("policies")?.as_array_mut()?.push(window);
    Some(())
}

fn keep_warm_hibernated(_: &mut Chance, _: &Design, value: &mut Value) -> Option<()> {
    let warm = value.get_mut("defaults")?.get_mut("warm")?.as_object_mut()?;
    warm.insert("state".to_owned(), json!("hibernated"));
    Some(())
}

fn reserve_of_one_pool(chance: &mut Chance, _: &Design, value: &mut Value) -> Option<()> {
    let reserve = json!({ "threshold": *chance.pick(&[1, 3])? });
    let pool = value.get_mut("pools")?.get_mut(0)?.as_object_mut()?;
    pool.insert("reserve".to_owned(), reserve);
    Some(())
}

fn grace(chance: &mut Chance, _: &Design, value: &mut Value) -> Option<()> {
    let grace = *chance.pick(&["1m", "4m"])?;
    let health = value.get_mut("defaults")?.get_mut("health")?.as_object_mut()?;
    health.insert("grace".to_owned(), json!(grace));
    Some(())
}

fn another_breaker(chance: &mut Chance, _: &Design, value: &mut Value) -> Option<()> {
    let breaker = json!({ "unhealthy": *chance.pick(&["10%", "50%"])?, "at_least": *chance.pick(&[1, 5])? });
    value.get_mut("guards")?.as_object_mut()?.insert("breaker".to_owned(), breaker);
    Some(())
}
