//! Which fleets a world has: specs drawn by seed, as different as users write them.

mod regions;
mod sides;

use std::collections::BTreeMap;

use ghostnet_core::id::{ServiceId, SpecVersion, TargetGroupArn, Zone};
use ghostnet_core::spec::raw::{RawHorizon, RawPolicy, RawTuning, RawTuningMode};
use ghostnet_core::spec::{FleetSpec, RawFleetSpec, Resolved, TemplateVersion};
use ghostnet_core::state::{SCHEMA, StoredSpec};
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::cloud::ec2::TEMPLATE;

pub use self::regions::spread_over_regions;
pub use self::sides::{fail_over, fence, lead_elsewhere, lead_to_one};

/// The zones of the region.
pub const ZONES: [&str; 3] = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
/// The types that specs name.
pub const TYPES: [&str; 3] = ["c7a.large", "c7i.large", "m7a.large"];

/// A fleet and what its instances can do.
#[derive(Debug, Clone)]
pub struct Design {
    /// The spec, as a user would write it.
    pub raw: RawFleetSpec,
    /// Requests per second that one instance can answer.
    pub capacity: f64,
    /// About so many instances are needed at the peak.
    pub size: u32,
}

/// The ARN of a pool's target group.
#[must_use]
pub fn group(fleet: &str, pool: &str) -> TargetGroupArn {
    TargetGroupArn::new(format!(
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{fleet}-{pool}/0123456789abcdef"
    ))
}

/// What a target group is called that all sides have.
pub const SHARED: &str = "sides";

/// The capacity reservation that specs name.
pub const RESERVATION: &str = "cr-0123456789abcdef0";

/// Some fleets ask reservations first. Drawn from a stream of its own, so that nothing else is drawn otherwise.
pub fn reserve(chance: &mut Chance, design: &mut Design) {
    let named = chance.pick(&["open", "open", RESERVATION]).copied().unwrap_or("open");
    let launch = design.raw.defaults.as_mut().and_then(|defaults| defaults.launch.as_mut());
    if let Some(launch) = launch.filter(|_| chance.once_in(3)) {
        launch.market.get_or_insert_default().reservations = Some(named.to_owned());
    }
}

/// Some fleets look ahead for a policy that counts requests, and some call it churn only later. Drawn from a stream of its own too.
pub fn look_ahead(chance: &mut Chance, design: &mut Design) {
    let mut raw = design.raw.clone();
    if chance.once_in(3) {
        raw.policies.get_or_insert_default().extend(any_foresight(chance, &design.raw));
    }
    if chance.once_in(3) {
        let turns = u8::try_from(chance.count(3, 12)).ok();
        raw.guards.get_or_insert_default().churn.get_or_insert_default().turns = turns;
    }
    if FleetSpec::check(&raw).is_ok() {
        design.raw = raw;
    }
}

/// Some fleets that look ahead do so as far as their launches take. Drawn from a stream of its own too.
pub fn look_as_far_as_boots(chance: &mut Chance, design: &mut Design) {
    let some = chance.once_in(2);
    for policy in design.raw.policies.iter_mut().flatten().filter(|_| some) {
        if let RawPolicy::Predictive(policy) = policy {
            policy.horizon = Some(RawHorizon("learned".to_owned()));
        }
    }
}

/// Most fleets that look ahead are tuned, where there is anything to tune. Drawn from a stream of its own too.
pub fn tune(chance: &mut Chance, design: &mut Design) {
    let mode = chance.pick(&[RawTuningMode::Apply, RawTuningMode::Apply, RawTuningMode::Suggest]);
    let raw = RawFleetSpec {
        tuning: Some(RawTuning {
            mode: mode.copied(),
            ..RawTuning::default()
        }),
        ..design.raw.clone()
    };
    if !chance.once_in(4) && FleetSpec::check(&raw).is_ok() {
        design.raw = raw;
    }
}

/// A policy that looks ahead for the first one for which somebody can.
fn any_foresight(chance: &mut Chance, raw: &RawFleetSpec) -> Option<RawPolicy> {
    let of = raw.policies.iter().flatten().find_map(|policy| match policy {
        RawPolicy::Capacity(policy) => Some(&policy.id),
        _ => None,
    })?;
    let mode = *chance.pick(&["act", "act", "forecast_only"])?;
    let cares = [
        json!({}),
        json!({ "caution": 2 }),
        json!({ "caution": 48 }),
        json!({ "quantile": 0.95 }),
    ];
    let mut policy = json!({ "id": "ahead", "type": "predictive", "of": of, "mode": mode });
    let fields = policy.as_object_mut()?;
    fields.extend(chance.pick(&cares)?.as_object()?.clone());
    fields.insert("horizon".to_owned(), json!(chance.pick(&[None, Some("4m"), Some("10m")])?));
    fields.insert("usual".to_owned(), json!(chance.pick(&[None, Some("90%")])?));
    // a guess of somebody's that does not come true, over before the calm
    let event = json!([{ "when": { "at": "2026-06-01T01:10:00Z", "for": "1h" }, "factor": chance.pick(&[0.5, 2.0, 3.0])? }]);
    fields.insert("events".to_owned(), json!(chance.once_in(3).then_some(event)));
    serde_json::from_value(policy).ok()
}

/// A spec drawn by chance. None if what was drawn is not a valid spec, which no draw is.
#[must_use]
pub fn any(chance: &mut Chance, name: &str) -> Option<Design> {
    let capacity = 50.0;
    let size = *chance.pick(&[3, 5, 8, 12, 20])?;
    let (min, max) = (chance.count(0, 3).min(size), size + chance.count(0, size));
    let target = f64::from(60 * chance.count(25, 40));
    let mut policies = vec![json!({
        "id": "requests", "type": "target_tracking", "metric": "alb_request_count_per_target", "target": target,
        "missing": *chance.pick(&["hold", "hold", "hold", "breaching"])?,
        "datapoints": { "out": *chance.pick(&["1 of 1", "2 of 3"])?, "in": *chance.pick(&["1 of 1", "3 of 5"])? },
    })];
    if chance.once_in(6) {
        policies.push(json!({
            "id": "trial", "type": "target_tracking", "metric": "alb_request_count_per_target", "target": target / 2.0,
            "mode": *chance.pick(&["out_only", "recommend_only"])?,
        }));
    }
    if chance.once_in(2) {
        let source = *chance.pick(&["agent", "agent", "instances", "insights"])?;
        policies.push(json!({
            "id": "cpu", "type": "step", "metric": "cpu", "source": source,
            "out": [{ "from": 85, "below": 95, "add": "10%" }, { "from": 95, "add": "30%", "at_least": 2 }],
            "in": [{ "below": 45, "remove": 1 }],
        }));
    }
    if chance.once_in(4) {
        let objective = if chance.once_in(2) {
            json!({ "utilisation": *chance.pick(&["50%", "70%"])? })
        } else {
            json!({ "response_time": { "p99": "500ms", "model": *chance.pick(&["shared_queue", "own_queues"])? } })
        };
        let mut policy = json!({ "id": "demand", "type": "capacity", "demand": "alb_request_count", "instance_capacity": capacity });
        if let (Some(policy), Some(objective)) = (policy.as_object_mut(), objective.as_object()) {
            policy.extend(objective.clone());
        }
        policies.push(policy);
    }
    if chance.once_in(6) {
        policies.push(by_queue(chance, name, capacity)?);
    }
    if chance.once_in(6) {
        policies.push(json!({
            "id": "formula", "type": "formula", "formula": "max(requests / 60, waiting / 40)", "target": capacity,
            "metrics": { "requests": "alb_request_count", "waiting": waiting(name) },
            "activate_above": *chance.pick(&[0.0, 20.0])?,
        }));
    }
    if chance.once_in(6) {
        let change = if chance.once_in(2) { "add" } else { "remove" };
        let within = if change == "add" {
            json!({ "from": 80 })
        } else {
            json!({ "from": 5, "below": 40 })
        };
        policies.push(json!({
            "id": "within", "type": "threshold", "metric": "cpu", "within": within, change: "20%", "datapoints": { "out": "2 of 3", "in": "3 of 3" },
        }));
    }
    if chance.once_in(4) {
        policies.push(json!({
            "id": "simple", "type": "simple", "metric": "cpu", "out": { "from": 80, "add": *chance.pick(&["20%", "50%"])? },
            "in": { "below": 40, "remove": 1 },
            "cooldown": { "out": *chance.pick(&["0s", "60s", "5m", "10m"])?, "in": *chance.pick(&["0s", "5m"])? },
        }));
    }
    if chance.once_in(4) {
        let cron = format!("0 {} * * *", chance.between(0, 23));
        let window = json!({ "cron": cron, "for": format!("{}h", chance.between(1, 5)) });
        let capacity = if chance.once_in(2) {
            json!({ "min": size.min(max) })
        } else {
            json!({ "desired": size.min(max) })
        };
        policies.push(json!({ "id": "window", "type": "scheduled", "when": window, "capacity": capacity }));
    }
    let mut pools = vec![json!({ "id": "blue", "target_groups": [group(name, "blue").as_str()] })];
    let mut maximum = max;
    if chance.once_in(5) {
        let standby = json!({ "min": 0, "max": 4, "initial": chance.count(0, 2) });
        pools.push(
            json!({ "id": "green", "role": "standby", "capacity": standby, "target_groups": [group(name, "green").as_str()], "policies": [] }),
        );
        maximum += 4;
    }
    let types: Vec<&str> = TYPES.iter().copied().take(usize::try_from(chance.count(1, 3)).ok()?).collect();
    let subnets: Vec<String> = ZONES.iter().map(|zone| subnet(zone)).collect();
    let mut value = json!({
        "fleet": name,
        "maximum": maximum,
        "defaults": {
            "capacity": { "min": min, "max": max, "initial": min.max(chance.count(0, size)).min(max) },
            "launch": { "template": { "name": "web" }, "subnets": subnets, "instance_types": types },
            "warmup": *chance.pick(&["60s", "2m", "3m", "5m"])?,
            "drain": { "timeout": *chance.pick(&["60s", "90s", "300s"])? },
            "health": { "registration_deadline": *chance.pick(&["5m", "15m"])? },
        },
        "pools": pools,
        "policies": policies,
        "guards": any_guards(chance, max)?,
    });
    let reserve = any_reserve(chance)?;
    if let Some(spend) = any_spend(chance, size)? {
        let budgets = value
            .as_object_mut()?
            .get_mut("guards")?
            .as_object_mut()?
            .entry("budgets")
            .or_insert_with(|| json!({}));
        budgets.as_object_mut()?.insert("spend".to_owned(), spend);
    }
    if chance.once_in(4) {
        let objective = *chance.pick(&["min_latency", "min_loss", "min_cost"])?;
        value.as_object_mut()?.insert("objective".to_owned(), json!(objective));
    }
    value
        .as_object_mut()?
        .extend(reserve.map(|reserve| ("reserve".to_owned(), reserve)));
    // drawn last: seeds from before there was a choice draw the same fleets
    if let Some(launch) = value.pointer_mut("/defaults/launch") {
        launch
            .as_object_mut()?
            .insert("market".to_owned(), any_market(chance, types.len())?);
    }
    if chance.once_in(3) {
        let defaults = value.get_mut("defaults").and_then(Value::as_object_mut)?;
        defaults.insert("warm".to_owned(), any_warm(chance)?);
    }
    let value = with_tags(chance, value)?;
    let value = with_balancing(chance, value)?;
    let value = with_order(chance, value)?;
    let value = with_learning(chance, value)?;
    let value = with_cloud_map(chance, name, value)?;
    let raw: RawFleetSpec = serde_json::from_value(value).ok()?;
    FleetSpec::check(&raw).ok()?;
    Some(Design { raw, capacity, size })
}

fn any_warm(chance: &mut Chance) -> Option<Value> {
    let size = [json!("20%"), json!("50%"), json!(1), json!(2), json!("learned")];
    Some(json!({
        "size": chance.pick(&size)?.clone(),
        "max_age": *chance.pick(&["3h", "7d"])?,
        "return": chance.once_in(2),
    }))
}

/// Some fleets wait for the words of their workers, and some replace what is old.
fn with_tags(chance: &mut Chance, mut value: Value) -> Option<Value> {
    let defaults = value.get_mut("defaults")?;
    if chance.once_in(3) {
        defaults
            .get_mut("drain")?
            .as_object_mut()?
            .insert("wait_for_tag".to_owned(), json!(true));
        // whose last word is final cannot be kept
        if let Some(warm) = defaults.get_mut("warm").and_then(Value::as_object_mut) {
            warm.insert("return".to_owned(), json!(false));
        }
    }
    if chance.once_in(4) {
        defaults
            .get_mut("health")?
            .as_object_mut()?
            .insert("ready_tag".to_owned(), json!(true));
    }
    if chance.once_in(4) {
        let keep = json!({ "maintenance": { "keep": "20m" } });
        defaults
            .get_mut("health")?
            .as_object_mut()?
            .insert("when_unhealthy".to_owned(), keep);
    }
    if chance.once_in(4) {
        let age = *chance.pick(&["1h", "2h"])?;
        defaults.as_object_mut()?.insert("max_age".to_owned(), json!(age));
    }
    if chance.once_in(3) {
        defaults
            .get_mut("launch")?
            .as_object_mut()?
            .insert("drift".to_owned(), json!("replace"));
    }
    if chance.once_in(3) {
        defaults
            .get_mut("launch")?
            .as_object_mut()?
            .insert("rebalance_zones".to_owned(), json!(true));
    }
    let health = defaults.get_mut("health")?.as_object_mut()?;
    for (report, times) in [("status_checks", ["1m", "5m"]), ("heartbeat", ["3m", "10m"])] {
        if chance.once_in(3) {
            health.insert(report.to_owned(), json!(*chance.pick(&times)?));
        }
    }
    Some(value)
}

/// Some fleets say who leaves first, by what can be known there.
fn with_order(chance: &mut Chance, mut value: Value) -> Option<Value> {
    let measures = value
        .get("policies")?
        .as_array()?
        .iter()
        .any(|policy| policy.get("source") == Some(&json!("instances")));
    let priced = value.pointer("/guards/budgets/spend/prices").is_some();
    let mut orders = vec![json!(["newest"]), json!(["closest_to_billing", "newest"])];
    orders.extend(measures.then(|| json!(["least_loaded", "oldest"])));
    orders.extend(measures.then(|| json!(["zone_balance", "least_loaded"])));
    orders.extend(priced.then(|| json!(["most_expensive", "oldest"])));
    if chance.once_in(2) {
        let order = chance.pick(&orders)?.clone();
        value
            .get_mut("defaults")?
            .as_object_mut()?
            .insert("scale_in".to_owned(), json!({ "order": order }));
    }
    Some(value)
}

/// Some fleets learn what one of their instances can answer.
fn with_learning(chance: &mut Chance, mut value: Value) -> Option<Value> {
    let policies = value.get_mut("policies")?.as_array_mut()?;
    let Some(demand) = policies.iter_mut().find(|policy| policy.get("type") == Some(&json!("capacity"))) else {
        return Some(value);
    };
    if chance.once_in(2) {
        let learn =
            json!({ "source": *chance.pick(&["agent", "agent", "instances", "insights"])?, "saturation": *chance.pick(&["80%", "90%"])? });
        let demand = demand.as_object_mut()?;
        demand.insert("instance_capacity".to_owned(), json!("learned"));
        demand.insert("learn".to_owned(), learn);
    }
    Some(value)
}

/// Some fleets keep attributes of their target groups: some of them, or all.
fn with_balancing(chance: &mut Chance, mut value: Value) -> Option<Value> {
    if !chance.once_in(3) {
        return Some(value);
    }
    let mut named = json!({});
    let fields = named.as_object_mut()?;
    if chance.once_in(3) {
        let adaptive = json!({ "above": *chance.pick(&["200%", "400%"])?, "below": "150%", "dwell": *chance.pick(&["1h", "2h"])? });
        fields.extend(
            json!({ "adaptive": adaptive, "slow_start": "0s", "anomaly_mitigation": false })
                .as_object()?
                .clone(),
        );
    } else if chance.once_in(2) {
        let algorithm = *chance.pick(&["round_robin", "least_outstanding_requests", "weighted_random"])?;
        let slow_start = if algorithm == "round_robin" {
            *chance.pick(&["0s", "90s"])?
        } else {
            "0s"
        };
        let mitigation = algorithm == "weighted_random" && chance.once_in(2);
        fields.extend(
            json!({ "algorithm": algorithm, "slow_start": slow_start, "anomaly_mitigation": mitigation })
                .as_object()?
                .clone(),
        );
    }
    if chance.once_in(2) {
        let kinds = [
            json!({ "cookie": "none" }),
            json!({ "cookie": "lb", "duration": "1h" }),
            json!({ "cookie": "app", "name": "SESSION" }),
        ];
        let stickiness = chance.pick(&kinds)?.clone();
        fields.extend(json!({ "stickiness": stickiness, "cross_zone": true }).as_object()?.clone());
    }
    if chance.once_in(2) {
        let delay = *chance.pick(&["30s", "90s", "2m"])?;
        fields.insert("deregistration_delay".to_owned(), json!(delay));
    }
    value.get_mut("defaults")?.as_object_mut()?.insert("balancing".to_owned(), named);
    Some(value)
}

/// Some fleets are found by a Cloud Map service too: each pool by its own, or all by one.
fn with_cloud_map(chance: &mut Chance, fleet: &str, mut value: Value) -> Option<Value> {
    if !chance.once_in(3) {
        return Some(value);
    }
    let (shared, port) = (chance.once_in(2), chance.once_in(2).then_some(8080));
    let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    for pool in value.get_mut("pools")?.as_array_mut()? {
        let own = if shared { "all" } else { pool.get("id")?.as_str()? };
        let service = format!("srv-{}{}", letters(fleet), letters(own));
        pool.as_object_mut()?
            .insert("cloud_map".to_owned(), json!({ "service": service, "port": port }));
    }
    Some(value)
}

/// The number of messages that wait in the fleet's queue.
fn waiting(fleet: &str) -> Value {
    json!({ "namespace": "AWS/SQS", "name": "ApproximateNumberOfMessagesVisible", "dimensions": { "QueueName": fleet } })
}

fn by_queue(chance: &mut Chance, fleet: &str, capacity: f64) -> Option<Value> {
    let mut policy = if chance.once_in(2) {
        json!({ "backlog_per_instance": 60.0 * capacity })
    } else {
        json!({ "drain_within": "1m", "instance_capacity": capacity })
    };
    let fields = policy.as_object_mut()?;
    fields.extend(json!({ "id": "jobs", "type": "queue", "queue": fleet }).as_object()?.clone());
    if chance.once_in(2) {
        fields.insert("oldest".to_owned(), json!(*chance.pick(&["5s", "1m"])?));
    }
    Some(policy)
}

/// On demand for most; or a share of spot.
fn any_market(chance: &mut Chance, types: usize) -> Option<Value> {
    if !chance.once_in(3) {
        return Some(Value::Null);
    }
    let allocations: &[&str] = if types > 1 {
        &["listed_order", "lowest_price", "capacity_optimized"]
    } else {
        &["listed_order"]
    };
    Some(json!({
        "on_demand_base": chance.count(0, 3),
        "spot_percent": *chance.pick(&[30, 50, 100])?,
        "allocation": *chance.pick(allocations)?,
    }))
}

fn any_guards(chance: &mut Chance, max: u32) -> Option<Value> {
    if chance.once_in(3) {
        return Some(json!({}));
    }
    Some(json!({
        "tolerance": { "out": *chance.pick(&["5%", "10%"])?, "in": *chance.pick(&["10%", "20%"])? },
        "cooldown": { "out": *chance.pick(&["0s", "60s", "3m"])?, "in": *chance.pick(&["0s", "60s", "5m"])? },
        "stabilisation": { "out": *chance.pick(&["0s", "0s", "2m"])?, "in": *chance.pick(&["0s", "3m", "10m"])? },
        "budgets": {
            "launch": { "per_tick": *chance.pick(&["50%", "100%"])?, "per_hour": max.saturating_mul(chance.count(2, 4)).max(4) },
            "removal": { "per_tick": *chance.pick(&["10%", "25%"])?, "windows": any_removal_windows(chance)? },
        },
    }))
}

/// A cap that some fleets meet: enough for the peak all day, or for half of it.
fn any_spend(chance: &mut Chance, size: u32) -> Option<Option<Value>> {
    if !chance.once_in(5) {
        return Some(None);
    }
    let hours = size.saturating_mul(*chance.pick(&[12, 20, 30])?);
    if chance.once_in(2) {
        return Some(Some(json!({ "instance_hours_per_day": hours })));
    }
    let prices = json!({ "c7a.large": 0.10264, "c7i.large": 0.1071, "m7a.large": 0.13847 });
    Some(Some(json!({ "per_day": hours / 10 + 1, "currency": "USD", "prices": prices })))
}

fn any_removal_windows(chance: &mut Chance) -> Option<Value> {
    if !chance.once_in(4) {
        return Some(json!([]));
    }
    let cron = format!("{} */{} * * *", chance.between(0, 59), chance.between(2, 4));
    Some(json!([{ "cron": cron, "for": *chance.pick(&["30m", "1h"])?, "max": chance.count(0, 2) }]))
}

fn any_reserve(chance: &mut Chance) -> Option<Option<Value>> {
    if !chance.once_in(4) {
        return Some(None);
    }
    let kinds = [
        json!({ "ratio": "15%", "threshold": 2 }),
        json!({ "threshold": 1 }),
        json!({ "policy": { "quantile": 0.9, "over": "3h" } }),
    ];
    Some(Some(chance.pick(&kinds)?.clone()))
}

fn subnet(zone: &str) -> String {
    format!("subnet-{zone}")
}

/// The spec as `apply` stores it.
#[must_use]
pub fn stored(raw: RawFleetSpec, now: Timestamp) -> StoredSpec {
    let zones = ZONES
        .iter()
        .map(|zone| (ghostnet_core::id::SubnetId::new(subnet(zone)), Zone::new(*zone)));
    // a subnet of another region has the name of its zone, too
    let launches = raw.pools.iter().filter_map(|pool| pool.launch.as_ref()?.subnets.as_ref());
    let named: Vec<String> = launches.flatten().cloned().collect();
    let elsewhere = named.iter().filter_map(|named| {
        Some((
            ghostnet_core::id::SubnetId::new(named.clone()),
            Zone::new(named.strip_prefix("subnet-")?),
        ))
    });
    let zones = zones.chain(elsewhere).collect();
    // a service that tells ports has records
    let named = raw.pools.iter().filter_map(|pool| pool.cloud_map.as_ref());
    let named = named.filter(|cloud_map| cloud_map.port.is_some());
    let record_ttls = named
        .map(|cloud_map| (ServiceId::new(cloud_map.service.clone()), Seconds(60)))
        .collect();
    let pools = raw.pools.iter().filter_map(|pool| pool.id.parse().ok());
    let version = TemplateVersion {
        id: TEMPLATE.to_owned(),
        version: 1,
    };
    let templates = pools.map(|pool| (pool, version.clone())).collect();
    StoredSpec {
        schema: SCHEMA,
        version: SpecVersion(1),
        spec: raw.into(),
        resolved: Resolved {
            zones,
            balancers: BTreeMap::new(),
            templates,
            record_ttls,
        },
        retiring: false,
        applied_by: "owner".to_owned(),
        applied_at: now,
    }
}
