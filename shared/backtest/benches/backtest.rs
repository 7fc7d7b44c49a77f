//! How long backtests and forecasts take: `cargo bench -p ghostnet-backtest`.
//!
//! Targets: a year by the minute, with the code that decides in production, under 2 s; a fortnight of one setting, which tuning plays by
//! the hundred, at most 25 ms; the hourly update of a hundred fleets' forecasts under 1 s.
#![expect(clippy::expect_used, reason = "a load that cannot be made is a failed benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ghostnet_backtest::default_fleet;
use ghostnet_backtest::foresight::{Foresight, Learning};
use ghostnet_backtest::ghostnet::GhostNet;
use ghostnet_backtest::load::{Instance, Load};
use ghostnet_backtest::replay::{World, play};
use ghostnet_core::forecast::Learner;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

const INSTANCE: Instance = Instance {
    capacity: 10.0,
    target: 0.7,
};
const WORLD: World = World::of(INSTANCE);
/// Of loads that are usual at a time of day, so many shares are wanted.
const USUAL: [u16; 3] = [70, 90, 95];

fn start() -> Timestamp {
    Timestamp::from_second(1_780_272_000).expect("a moment")
}

/// A daily and weekly wave with noise, and a burst each few hours.
fn rate(minute: u32) -> f64 {
    let noise = f64::from(minute.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
    let wave = 100.0 + 60.0 * (f64::from(minute) / 1_440.0 * std::f64::consts::TAU).sin();
    let weekend = if minute / 1_440 % 7 >= 5 { 0.6 } else { 1.0 };
    wave * weekend * (0.9 + 0.2 * noise) * if minute % 331 < 12 { 1.8 } else { 1.0 }
}

fn load(days: u32) -> Load {
    Load::made_up(start(), Seconds(60), (0..days * 1_440).map(rate).collect(), 0).expect("a load")
}

fn replays(c: &mut Criterion) {
    let (spec, pool) = default_fleet::of(INSTANCE).expect("the default fleet");
    let year = load(365);
    let mut group = c.benchmark_group("replay");
    group.sample_size(10);
    group.bench_function("a year by the minute, learning on the way", |b| {
        b.iter(|| play(black_box(&year), &WORLD, &mut GhostNet::new(&spec, &pool, &WORLD), |_, _, _, _| {}))
    });
    let fortnight = load(14);
    let learning = Learning::of(&pool, &WORLD, &USUAL).expect("a policy looks ahead");
    let foresight = Foresight::of(&fortnight, &learning, Seconds(0));
    group.bench_function("a fortnight of one setting", |b| {
        b.iter(|| {
            let mut scaler = GhostNet::foreseeing(&spec, &pool, &foresight);
            play(black_box(&fortnight), &WORLD, &mut scaler, |_, _, _, _| {})
        })
    });
    group.finish();
}

fn forecasts(c: &mut Criterion) {
    let learner = |fleet: u32| {
        let mut learner = Learner::new(420.0, 4, start());
        for minute in 0..14 * 1_440 {
            let now = Seconds(60 * (minute + 1)).after(start());
            learner.note(Some(60.0 * rate(minute + 7 * fleet)), now, &USUAL);
        }
        learner
    };
    let fleets: Vec<Learner> = (0..100).map(learner).collect();
    let mut group = c.benchmark_group("forecast");
    group.sample_size(10);
    group.bench_function("an hour of a hundred fleets, and the 48 hours after it", |b| {
        b.iter(|| {
            for learner in &fleets {
                let mut learner = learner.clone();
                for minute in 14 * 1_440..14 * 1_440 + 60 {
                    let now = Seconds(60 * (minute + 1)).after(start());
                    learner.note(Some(60.0 * rate(minute)), now, &USUAL);
                }
                let hours = Seconds(60 * (14 * 1_440 + 60)).after(start());
                black_box(learner.look_out(hours, 48, &USUAL));
            }
        })
    });
    group.finish();
}

criterion_group!(benches, replays, forecasts);
criterion_main!(benches);
