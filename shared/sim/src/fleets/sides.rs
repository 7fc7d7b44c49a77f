//! What is drawn of fleets with several sides: how traffic leaves one, and of which only one may ever serve.

use ghostnet_core::spec::{FleetSpec, RawFleetSpec};
use serde_json::{Value, json};

use super::{Design, SHARED, group};
use crate::chance::Chance;

/// Some fleets with a standby fail over. Drawn from a stream of its own too.
pub fn fail_over(chance: &mut Chance, design: &mut Design) {
    let has_standby = design.raw.pools.len() > 1 && design.raw.pools.iter().all(|pool| pool.target_groups.is_some());
    if !has_standby || !chance.once_in(2) {
        return;
    }
    let (hot, auto) = (chance.once_in(2), chance.once_in(2));
    let gates = [Some("10%"), Some("50%"), Some("100%")];
    let Some(gate) = chance.pick(&gates).copied() else { return };
    let mut raw = design.raw.clone();
    if let Some(capacity) = raw.pools.last_mut().and_then(|standby| standby.capacity.as_mut()) {
        let size = design.size.saturating_mul(2);
        (capacity.min, capacity.max) = (Some(u32::from(hot) * chance.count(1, size)), Some(size));
        capacity.initial = capacity.min;
    }
    raw.maximum = raw.maximum.map(|maximum| maximum.saturating_add(design.size.saturating_mul(2)));
    let detect = json!({
        "unhealthy": chance.pick(&["30%", "50%", "100%"]), "datapoints": chance.pick(&["2 of 3", "3 of 3", "3 of 5"]),
        "error_rate": chance.pick(&[Some("20%"), None]),
        "response_time": chance.pick(&[Some("1s"), None]),
        "alarms": chance.pick(&[Some(["latency"]), None]),
    });
    let mut failover = json!({
        "mode": if hot { "hot_standby" } else { "cold_standby" },
        "detect": detect,
        "gate": { "healthy": gate },
        "lever": { "listener_rules": [crate::traffic::rule(&raw.fleet).as_str()] },
        "failback": if auto { "auto" } else { "manual" },
        "failback_after": if auto { chance.pick(&[3, 10]) } else { None },
        "dwell": chance.pick(&["5m", "15m"]),
        "degraded": any_answer_instead(chance, &raw.fleet),
    });
    // drawn last: seeds from before there was a choice draw the same fleets
    if hot && chance.once_in(3) {
        share_alike(&mut raw, &mut failover);
    } else if chance.once_in(3) {
        be_drilled(chance, &mut failover);
    }
    let is_shared = raw.pools.iter().all(|pool| pool.role.is_none());
    if !is_shared && chance.once_in(3) {
        swap_targets(&mut raw, &mut failover);
    }
    raw.failover = serde_json::from_value(failover).ok();
    if raw.failover.is_some() && FleetSpec::check(&raw).is_ok() {
        design.raw = raw;
    }
}

/// Of some fleets that fail over only one side may ever serve. Drawn from a stream of its own too.
pub fn fence(chance: &mut Chance, design: &mut Design) {
    let (some, stops) = (chance.once_in(2), chance.once_in(2));
    let timeout = chance.pick(&[None, Some("1m"), Some("20m")]).copied().flatten();
    let mut raw = design.raw.clone();
    let mut try_with = |stop: bool| {
        if let Some(failover) = raw.failover.as_mut().filter(|_| some) {
            failover.fencing = serde_json::from_value(json!({ "stop": stop, "timeout": timeout })).ok();
        }
        FleetSpec::check(&raw).is_ok()
    };
    // one that shares the traffic, has no rules of its own, or is found by its name is none of them; spot instances are not stopped
    if try_with(stops) || try_with(false) {
        design.raw = raw;
    }
}

/// What leads clients to the sides of some fleets that fail over is no balancer. Drawn from a stream of its own too.
pub fn lead_elsewhere(chance: &mut Chance, design: &mut Design) {
    let (some, kind) = (chance.once_in(3), chance.count(0, 2));
    let mut raw = design.raw.clone();
    let Some(failover) = raw
        .failover
        .as_mut()
        .filter(|failover| some && failover.lever.listener_rules.is_some())
    else {
        return;
    };
    let sides: Vec<&str> = raw.pools.iter().map(|pool| pool.id.as_str()).collect();
    let lever = match kind {
        0 => by_name(&raw.fleet),
        1 => json!({ "accelerator_endpoints": [{
            "endpoint_group": format!("{}/endpoint-group/1", accelerator(&raw.fleet)),
            "endpoints": by_side(&sides, |side| format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/{side}/1")),
        }] }),
        _ => by_dials(&raw.fleet, &sides),
    };
    if let Ok(lever) = serde_json::from_value(lever) {
        failover.lever = lever;
    }
    // where something else answers, a balancer does
    if FleetSpec::check(&raw).is_ok() {
        design.raw = raw;
    }
}

/// Some fleets with a standby have no balancer: an address leads to one of their instances, and some have a line of a route table too.
/// Drawn from a stream of its own too.
pub fn lead_to_one(chance: &mut Chance, design: &mut Design) {
    let (some, both, more, probed) = (chance.once_in(2), chance.once_in(2), chance.count(0, 2), chance.once_in(2));
    let id: String = design.raw.fleet.bytes().map(|byte| format!("{byte:02x}")).collect();
    let lever = json!({ "to_instance": {
        "elastic_ips": [format!("eipalloc-{id:0>17}")],
        "vpc_routes": both.then(|| [json!({ "table": format!("rtb-{id:0>17}"), "destination": "0.0.0.0/0" })]),
    } });
    let mut raw = design.raw.clone();
    let (Some(failover), Ok(lever)) = (raw.failover.as_mut(), serde_json::from_value(lever)) else {
        return;
    };
    // one that shares the traffic is none of them: no such spec is valid
    if !some || failover.fencing.is_some() || failover.lever.target_swap.is_some() {
        return;
    }
    failover.degraded = None;
    failover.lever = lever;
    let detect = failover.detect.get_or_insert_default();
    (detect.error_rate, detect.response_time, detect.alarms) = (None, None, Some(vec!["latency".to_owned()]));
    detect.probes = probed.then(|| vec!["reachable".to_owned()]);
    raw.policies = None;
    if let Some(defaults) = raw.defaults.as_mut() {
        defaults.balancing = None;
    }
    for pool in &mut raw.pools {
        (pool.target_groups, pool.policies, pool.balancing) = (None, None, None);
        if let Some(capacity) = pool.capacity.as_mut() {
            capacity.max = Some(capacity.min.unwrap_or(0) + 1 + more);
        }
    }
    if FleetSpec::check(&raw).is_ok() {
        // one of them answers everybody
        (design.raw, design.size) = (raw, 1);
    }
}

/// A name leads to the sides.
pub(super) fn by_name(fleet: &str) -> Value {
    json!({ "route53_records": [{ "zone": "Z0123ABC", "name": format!("{fleet}.example.com"), "type": "A" }] })
}

/// The dials of a group of endpoints for each side lead to them.
pub(super) fn by_dials(fleet: &str, sides: &[&str]) -> Value {
    let accelerator = accelerator(fleet);
    let endpoint_groups = by_side(sides, |side| format!("{accelerator}/endpoint-group/{side}"));
    json!({ "accelerator_dials": [{ "listener": accelerator, "endpoint_groups": endpoint_groups }] })
}

fn accelerator(fleet: &str) -> String {
    format!("arn:aws:globalaccelerator::123456789012:accelerator/{fleet}/listener/1")
}

fn by_side(sides: &[&str], named: impl Fn(&str) -> String) -> Value {
    sides.iter().map(|side| ((*side).to_owned(), json!(named(side)))).collect()
}

/// Drills are made: by the schedule of some fleets, and whenever somebody asks of others.
fn be_drilled(chance: &mut Chance, failover: &mut Value) {
    let window = chance.once_in(2).then_some("*/40 * * * *");
    let drill = json!({ "lasts": chance.pick(&["5m", "15m"]), "cron": window, "for": window.map(|_| "20m") });
    if let Some(failover) = failover.as_object_mut() {
        failover.insert("drill".to_owned(), drill);
    }
}

/// All sides have one target group, and whoever is registered there takes the traffic. Nothing else can answer there.
fn swap_targets(raw: &mut RawFleetSpec, failover: &mut Value) {
    if let Some(failover) = failover.as_object_mut() {
        failover.insert("lever".to_owned(), json!({ "target_swap": true }));
        failover.remove("degraded");
    }
    let shared = group(&raw.fleet, SHARED).as_str().to_owned();
    for pool in &mut raw.pools {
        pool.target_groups = Some(vec![shared.clone()]);
    }
}

/// The standby is a side like the other one, and both share the traffic.
fn share_alike(raw: &mut RawFleetSpec, failover: &mut Value) {
    if let Some(failover) = failover.as_object_mut() {
        failover.insert("mode".to_owned(), json!("active_active"));
    }
    if let Some(standby) = raw.pools.last_mut() {
        (standby.role, standby.policies) = (None, None);
    }
}

/// What some fleets answer when no side can.
fn any_answer_instead(chance: &mut Chance, fleet: &str) -> Option<Value> {
    let [checks, shed] = ["checks", "shed"].map(|name| crate::traffic::rule(&format!("{fleet}-{name}")));
    let kinds = [
        None,
        Some(json!({ "forward": group(fleet, "sorry").as_str() })),
        Some(json!({
            "fixed_response": { "status": 503, "body": "back soon" }, "checked_by": checks.as_str(), "shed_rules": [shed.as_str()],
        })),
    ];
    chance.pick(&kinds)?.clone()
}
