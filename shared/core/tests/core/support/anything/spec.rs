//! Any spec that is valid.

use super::*;

/// A valid spec of one or two pools.
pub fn any_spec(tape: &mut Tape<'_>) -> RawFleetSpec {
    let capacity = |tape: &mut Tape<'_>| {
        let max = 1 + tape.below(20);
        let min = tape.below(max + 1);
        json!({ "min": min, "max": max, "initial": min + tape.below(max - min + 1) })
    };
    let mut pools = vec![json!({ "id": "blue", "capacity": capacity(tape), "target_groups": [group("blue")] })];
    if tape.once_in(3) {
        pools.push(json!({ "id": "green", "role": "standby", "capacity": capacity(tape), "target_groups": [group("green")] }));
    }
    for pool in &mut pools {
        if let Some(warm) = tape.maybe(2, any_warm) {
            pool["warm"] = warm;
        }
    }
    let sum = |field: &str| -> u64 { pools.iter().map(|pool| pool["capacity"][field].as_u64().unwrap()).sum() };
    let most = pools
        .iter()
        .map(|pool| pool["capacity"]["max"].as_u64().unwrap())
        .max()
        .unwrap()
        .max(sum("min"));
    let maximum = most + u64::from(tape.below(10));
    let window = |tape: &mut Tape<'_>, id: &str| {
        let cron = tape.one_of(&["0 12 * * *", "*/10 * * * *", "30 11 * * 2"]);
        let capacity = tape.one_of(&[
            json!({ "min": 0, "max": maximum, "desired": 5 }),
            json!({ "min": 3, "max": 3 }),
            json!({ "min": 0, "max": 2, "desired": 1 }),
            json!({ "min": 0, "desired": 0 }),
        ]);
        json!({ "type": "scheduled", "id": id, "when": { "cron": cron, "for": tape.one_of(&["1m", "9m", "2h"]) }, "capacity": capacity })
    };
    let missing = tape.one_of(&["hold", "ignore", "breaching"]);
    let mut policies = vec![
        json!({ "type": "target_tracking", "id": "requests", "metric": "alb_request_count_per_target", "target": 100.0, "missing": missing }),
        json!({ "type": "step", "id": "busy", "metric": busy(), "out": [{ "from": 70.0, "add": "30%" }], "in": [{ "below": 40.0, "remove": 1 + tape.below(4) }] }),
    ];
    policies.truncate(usize::try_from(tape.below(3)).unwrap());
    policies.extend(tape.maybe(
        5,
        |_| json!({ "type": "queue", "id": "jobs", "queue": "jobs", "backlog_per_instance": 100.0, "oldest": "10m" }),
    ));
    policies.extend(tape.maybe(5, |_| json!({ "type": "formula", "id": "formula", "formula": "jobs / 100 + requests", "metrics": { "jobs": busy(), "requests": "alb_request_count" } })));
    policies.extend(tape.maybe(5, |tape| json!({ "type": "threshold", "id": "within", "metric": busy(), "within": { "from": 50.0, "below": 90.0 }, tape.one_of(&["add", "remove"]): 2 })));
    policies.extend(tape.maybe(5, |tape| json!({ "type": "simple", "id": "simple", "metric": busy(), "out": { "from": 60.0, "add": "30%" }, "in": { "below": 30.0, "remove": 1 + tape.below(3) } })));
    policies.extend(tape.maybe(
        4,
        |_| json!({ "type": "step", "id": "cpu", "metric": "cpu", "source": "instances", "out": [{ "from": 95.0, "add": 1 }] }),
    ));
    let adds = |policy: &Value| policy["id"] != "within";
    if policies.iter().any(adds) {
        policies.extend(tape.maybe(4, any_learning));
    }
    policies.extend(tape.maybe(4, |tape| window(tape, "window")));
    policies.extend(tape.maybe(8, |tape| window(tape, "other")));
    let windows = tape.some(3, |tape, _| json!({ "cron": tape.one_of(&["0 * * * *", "*/10 * * * *", "30 9 * * 1"]), "for": tape.one_of(&["5m", "3h"]), "max": tape.below(3) }));
    let spend = tape.maybe(3, |tape| match tape.below(3) {
        0 => json!({ "per_day": 12.5, "currency": "USD", "prices": { "c7a.large": 0.10264, "m7a.large": 0.2 } }),
        1 => json!({ "instance_hours_per_day": 0 }),
        _ => json!({ "instance_hours_per_day": 60 + tape.below(400) }),
    });
    let mut orders = vec![
        json!(["zone_balance", "oldest"]),
        json!(["newest"]),
        json!(["closest_to_billing", "newest"]),
    ];
    orders.extend(
        policies
            .iter()
            .any(|policy| policy["id"] == "cpu")
            .then(|| json!(["least_loaded", "oldest"])),
    );
    orders.extend(
        spend
            .as_ref()
            .is_some_and(|spend| spend["prices"].is_object())
            .then(|| json!(["most_expensive", "newest"])),
    );
    let order = tape.one_of(&orders);
    let mut guards = json!({
        "cooldown": { "out": tape.one_of(&["0s", "60s"]), "in": tape.one_of(&["0s", "5m"]) },
        "stabilisation": { "out": tape.one_of(&["0s", "3m"]), "in": tape.one_of(&["0s", "10m"]) },
        "budgets": { "launch": { "per_tick": tape.one_of(&[json!("100%"), json!(3)]), "per_hour": tape.one_of(&[100, 6]) }, "removal": { "per_tick": tape.one_of(&[json!("10%"), json!(100), json!(0)]), "windows": windows } },
    });
    guards["budgets"]
        .as_object_mut()
        .unwrap()
        .extend(spend.map(|spend| ("spend".to_owned(), spend)));
    let mode = tape.one_of(&["on", "on", "on", "on", "out_only", "recommend_only", "paused"]);
    let tags = |tape: &mut Tape<'_>| (tape.once_in(2), tape.once_in(4));
    for pool in &mut pools {
        let (wait, ready) = tags(tape);
        let returns = pool["warm"]["return"].as_bool().unwrap_or(false);
        pool["drain"] = json!({ "wait_for_tag": wait && !returns });
        pool["health"] = json!({ "ready_tag": ready });
        if tape.once_in(3) {
            pool["health"]["when_unhealthy"] = json!({ "maintenance": { "keep": "1h" } });
        }
        if tape.once_in(3) {
            pool["health"]["status_checks"] = json!("5m");
        }
        if tape.once_in(3) {
            pool["health"]["heartbeat"] = json!("10m");
        }
        if tape.once_in(3) {
            let metric = tape.one_of(&[json!("cpu"), json!({ "namespace": "Shop", "name": "JobErrors" })]);
            pool["health"]["metric"] = json!({ "metric": metric, "above": 50, "datapoints": tape.one_of(&[2, 3]) });
        }
        if tape.once_in(3) {
            pool["max_age"] = json!("1h");
        }
        if tape.once_in(2) {
            pool["balancing"] = tape.one_of(&[
                json!({ "deregistration_delay": "60s" }),
                json!({ "algorithm": "least_outstanding_requests", "slow_start": "0s" }),
                json!({ "adaptive": { "above": "200%", "below": "150%" } }),
            ]);
        }
        if tape.once_in(3) {
            pool["cloud_map"] = tape.one_of(&[
                json!({ "service": "srv-blue" }),
                json!({ "service": "srv-blue", "port": 8080 }),
                json!({ "service": "srv-green" }),
            ]);
        }
        if tape.once_in(3) {
            pool["launch"] = json!({ "drift": "replace", "rebalance_zones": tape.once_in(2) });
        }
    }
    let launch = json!({ "market": tape.maybe(2, |tape| json!({ "on_demand_base": tape.below(4), "spot_percent": tape.one_of(&[0, 30, 50, 100]), "allocation": tape.one_of(&["listed_order", "lowest_price"]), "reservations": tape.one_of(&["none", "none", "open"]) })), "instance_types": ["c7a.large", "m7a.large"] });
    let objective = tape.one_of(&["balanced", "balanced", "min_latency", "min_loss", "min_cost"]);
    let reserve = tape.maybe(3, |tape| {
        tape.one_of(&[
            json!({ "threshold": 2 }),
            json!({ "ratio": "30%" }),
            json!({ "ratio": "10%", "policy": { "quantile": 0.9, "over": "6h" } }),
        ])
    });
    let mut change = json!({ "defaults": { "launch": launch, "scale_in": { "order": order } }, "mode": mode, "objective": objective, "maximum": maximum, "pools": pools, "policies": policies, "guards": guards });
    change
        .as_object_mut()
        .unwrap()
        .extend(reserve.map(|reserve| ("reserve".to_owned(), reserve)));
    let fitting = |change: &Value| FleetSpec::check(&raw(change.clone())).is_ok();
    if fitting(&change) {
        return raw(change);
    }
    // a window that does not fit these bounds is left out
    let mut without = change;
    without["policies"]
        .as_array_mut()
        .unwrap()
        .retain(|policy| policy["type"] != "scheduled");
    raw(without)
}

fn any_learning(tape: &mut Tape<'_>) -> Value {
    let learn = json!({ "source": tape.one_of(&["agent", "insights", "instances"]), "saturation": tape.one_of(&["60%", "100%"]) });
    json!({ "type": "capacity", "id": "demand", "demand": "alb_request_count", "instance_capacity": "learned", "learn": learn, "utilisation": tape.one_of(&["1%", "70%"]) })
}

fn any_warm(tape: &mut Tape<'_>) -> Value {
    let size = tape.one_of(&[json!("20%"), json!("100%"), json!(0), json!(1), json!("learned")]);
    json!({ "size": size, "max_age": tape.one_of(&["1h", "7d"]), "return": tape.once_in(2) })
}
