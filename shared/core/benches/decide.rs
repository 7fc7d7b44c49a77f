//! How long a decision takes: `cargo bench -p ghostnet-core`.
//!
//! Targets: a size under 1 µs with five policies; a decision under 20 µs for 100 instances and under 200 µs for 1,000, and under
//! 50 µs for 100 instances whose spec asks for everything; `docs/benchmarks.md` says which are met.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    unused_imports,
    reason = "support is shared with the tests"
)]

#[path = "../tests/core/support/mod.rs"]
mod support;

#[path = "decide/everything.rs"]
mod everything;

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

fn with_everything(c: &mut Criterion) {
    for (what, world) in everything::worlds() {
        let situation = world.inputs.situation(&world.spec);
        let decision = decide(&situation);
        assert_eq!(audit(&situation, &decision), [], "{what}");
        let counts = counts(&decision);
        assert!(
            counts.in_service >= 95 && counts.draining > 0 && counts.warm > 0,
            "{what}: {counts:?}"
        );
        c.bench_function(&format!("decide, 100 instances, {what}"), |b| {
            b.iter(|| decide(black_box(&situation)))
        });
        c.bench_function(&format!("audit, 100 instances, {what}"), |b| {
            b.iter(|| audit(black_box(&situation), &decision))
        });
    }
}

criterion_group!(benches, sizes, decisions, with_everything);
criterion_main!(benches);
