//! How fast worlds run: whole reconciles a second on one core, faults on, and seeds of the swarm.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot make its world should stop there")]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ghostnet_sim::chance::Chance;
use ghostnet_sim::fault::{Fault, Faults};
use ghostnet_sim::fleets::Design;
use ghostnet_sim::load::Load;
use ghostnet_sim::log::Log;
use ghostnet_sim::run::{Runner, Setup, run};
use ghostnet_sim::world::World;
use mimalloc::MiMalloc;
use serde_json::json;

/// As in the command line.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A fleet of twenty, an hour of one tick a minute, and faults of every kind of call.
fn twenty_instances(minutes: u32) -> u64 {
    let raw = serde_json::from_value(json!({
        "fleet": "web",
        "defaults": {
            "capacity": { "min": 2, "max": 40, "initial": 20 },
            "launch": { "template": { "name": "web" }, "subnets": ["subnet-eu-west-1a", "subnet-eu-west-1b", "subnet-eu-west-1c"] },
        },
        "pools": [{ "id": "blue", "target_groups": [ghostnet_sim::fleets::group("web", "blue").as_str()] }],
        "policies": [{ "id": "requests", "type": "target_tracking", "metric": "alb_request_count_per_target", "target": 1800.0 }],
    }))
    .unwrap();
    let violence: BTreeMap<Fault, u32> = [
        Fault::KillAfter,
        Fault::LostReply,
        Fault::LateLanding,
        Fault::SdkRetry,
        Fault::Sick,
        Fault::SpotReclaim,
        Fault::MetricLate,
        Fault::EventTwice,
    ]
    .map(|fault| (fault, 2))
    .into();
    let mut world = World::new(1, Faults::exactly(1, &violence), Log::new(false));
    let load = Load::through(vec![(0, 590.0)]).unwrap();
    let design = Design {
        raw,
        capacity: 50.0,
        size: 20,
    };
    world.apply(design, load);
    let mut runner = Runner::new(world, Chance::of(1, 2));
    runner.storm(minutes);
    assert!(runner.is_well());
    let world = runner.world.borrow();
    world.counters.reconciles
}

fn reconciles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("swarm");
    group.sample_size(20);
    let count = twenty_instances(500);
    group.throughput(Throughput::Elements(count));
    group.bench_function("reconciles, 20 instances, faults on", |bencher| {
        bencher.iter(|| black_box(twenty_instances(500)));
    });
    group.throughput(Throughput::Elements(20));
    group.bench_function("seeds of 500 ticks", |bencher| {
        bencher.iter(|| (1..=20).map(|seed| run(&Setup::of(seed, 500)).counters.reconciles).sum::<u64>());
    });
    group.finish();
}

criterion_group!(benches, reconciles);
criterion_main!(benches);
