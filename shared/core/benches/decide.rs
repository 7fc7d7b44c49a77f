//! How long a decision takes: `cargo bench -p ghostnet-core`.
//!
//! Targets: a size under 1 µs with five policies; a decision under 20 µs for 100 instances and under 200 µs for 1,000, and under
//! 50 µs for 100 instances whose spec asks for everything.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    unused_imports,
    reason = "support is shared with the tests"
)]

#[path = "../tests/core/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ghostnet_core::audit::audit;
use ghostnet_core::decide::decide;
use ghostnet_core::observation::TargetHealth;
use ghostnet_core::signal::Signal;
use ghostnet_core::size::size;
use support::*;

/// Two that track, two that step, one that is scheduled.
fn policies() -> Value {
    json!([
        tracking(),
        { "type": "target_tracking", "id": "cpu", "metric": busy(), "target": 50.0, "datapoints": { "in": "10 of 15" } },
        { "type": "step", "id": "busy", "metric": busy(), "out": [{ "from": 70.0, "add": "10%" }, { "from": 85.0, "add": "30%" }], "in": [{ "below": 30.0, "remove": 1 }] },
        { "type": "step", "id": "slow", "metric": "response_time", "out": [{ "from": 0.5, "add": 1 }] },
        { "type": "scheduled", "id": "festival", "when": { "cron": "0 20 * * 5", "zone": "Asia/Shanghai", "for": "6h" }, "capacity": { "desired": 5 } },
    ])
}

fn sizes(c: &mut Criterion) {
    let mut pool = Pool::with(
        policies(),
        json!({ "stabilisation": { "in": "10m" }, "budgets": { "removal": { "per_tick": "10%" } } }),
    );
    pool = pool.recommended(&[(900, 9), (500, 8), (300, 9), (100, 8)]).load(49.0);
    let quarter: Vec<Option<f64>> = (0..15).map(|n| Some(20.0 + f64::from(n))).collect();
    pool.series.insert(policy("cpu"), minutes(pool.now, &quarter));
    for (id, value) in [("busy", 20.0), ("slow", 0.1)] {
        pool.series.insert(policy(id), fresh(pool.now, value));
    }
    pool.on(|input| c.bench_function("size, 5 policies", |b| b.iter(|| size(black_box(input)))));
}

fn decisions(c: &mut Criterion) {
    for instances in [100, 1_000] {
        let capacity = json!({ "min": 1, "max": instances, "initial": 2 });
        let mut world = World::serving(instances, json!({ "policies": policies(), "defaults": { "capacity": capacity } }));
        for (id, value) in [("cpu", 48.0), ("busy", 50.0), ("slow", 0.1)] {
            world.read(id, value);
        }
        world.look();
        world.wait(60);
        let mut bench = |what: &str, world: &World| {
            let situation = world.inputs.situation(&world.spec);
            c.bench_function(&format!("decide, {instances} instances, {what}"), |b| {
                b.iter(|| decide(black_box(&situation)))
            });
            let decision = decide(&situation);
            c.bench_function(&format!("audit, {instances} instances, {what}"), |b| {
                b.iter(|| audit(black_box(&situation), &decision))
            });
        };
        world.decide(Signal::Tick);
        bench("quiet", &world);
        let ids: Vec<_> = world.instances.keys().cloned().collect();
        for id in ids.iter().step_by(50) {
            world.health("blue", id, TargetHealth::Unhealthy);
        }
        world.look();
        world.wait(60);
        world.decide(Signal::Tick);
        bench("2 % to replace", &world);
    }
}

/// Every kind of policy, and everything that a spec may ask for beside them.
fn everything() -> Value {
    let mut all = policies();
    let more = json!([
        { "type": "capacity", "id": "demand", "demand": "alb_request_count", "instance_capacity": 10, "response_time": { "p99": "600ms", "network": "100ms", "model": "shared_queue" } },
        { "type": "queue", "id": "jobs", "queue": "render-jobs", "drain_within": "5m", "instance_capacity": 2.5, "oldest": "15m" },
        { "type": "formula", "id": "work", "formula": "max(waiting / 100, 3 * asked / 60)", "target": 2, "metrics": { "waiting": busy(), "asked": "alb_request_count" } },
        { "type": "threshold", "id": "hot", "metric": "cpu", "within": { "from": 75 }, "add": "20%", "datapoints": { "out": "3 of 5" } },
        { "type": "simple", "id": "workers", "metric": "cpu", "out": { "from": 80, "add": 2 }, "in": { "below": 30, "remove": 1 } },
    ]);
    all.as_array_mut().unwrap().extend(more.as_array().unwrap().iter().cloned());
    json!({
        "policies": all,
        "objective": "min_latency",
        "reserve": { "ratio": "15%", "policy": { "quantile": 0.95, "over": "24h" } },
        "guards": { "budgets": {
            "removal": { "per_tick": "10%", "windows": [{ "cron": "0 9 * * 1-5", "zone": "Europe/Berlin", "for": "9h", "max": 1 }] },
            "spend": { "per_day": 500, "currency": "USD", "prices": { "c7a.large": 0.10264, "m7a.large": 0.11592 } },
        } },
        "defaults": {
            "capacity": { "min": 1, "max": 200, "initial": 2 },
            "launch": {
                "instance_types": ["c7a.large", "m7a.large"],
                "market": { "on_demand_base": 2, "spot_percent": 50, "allocation": "capacity_optimized" },
                "drift": "replace",
                "rebalance_zones": true,
            },
            "warm": { "size": "10%" },
            "drain": { "timeout": "2h", "wait_for_tag": true },
            "health": { "ready_tag": true, "when_unhealthy": { "maintenance": { "keep": "1h" } } },
            "max_age": "30d",
        },
    })
}

fn with_everything(c: &mut Criterion) {
    let mut world = World::serving(100, everything());
    for (id, value) in [
        ("cpu", 48.0),
        ("busy", 50.0),
        ("slow", 0.1),
        ("demand", 40_000.0),
        ("hot", 48.0),
        ("workers", 48.0),
    ] {
        world.read(id, value);
    }
    world.minutes(3);
    world.wait(60);
    world.decide(Signal::Tick);
    let now = world.now();
    let series = world.inputs.observation.series.get_mut(&pool("blue")).unwrap();
    let waiting = [
        ("waiting", fresh(now, 3_000.0)),
        ("in_work", fresh(now, 100.0)),
        ("oldest", fresh(now, 20.0)),
    ];
    series.insert(policy("jobs"), several(waiting));
    series.insert(
        policy("work"),
        several([("waiting", fresh(now, 900.0)), ("asked", fresh(now, 3_000.0))]),
    );
    let situation = world.inputs.situation(&world.spec);
    c.bench_function("decide, 100 instances, everything", |b| b.iter(|| decide(black_box(&situation))));
}

criterion_group!(benches, sizes, decisions, with_everything);
criterion_main!(benches);
