//! How long backtests and forecasts take: `cargo bench -p ghostnet-backtest`.
//!
//! Targets: a year by the minute, with the code that decides in production, under 2 s; a fortnight of one setting, which tuning plays by
//! the hundred, at most 25 ms; the hourly update of a hundred fleets' forecasts under 1 s.
#![expect(clippy::expect_used, reason = "a load that cannot be made is a failed benchmark")]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ghostnet_backtest::default_fleet;
use ghostnet_backtest::foresight::{Foresight, Learning};
use ghostnet_backtest::ghostnet::GhostNet;
use ghostnet_backtest::load::{Instance, Load};
use ghostnet_backtest::replay::{World, play};
use ghostnet_core::forecast::{Memory, Subject};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::spec::Events;
use ghostnet_core::spec::metric::{QueryShape, Stat};
use ghostnet_core::unit::{Finite, Seconds};
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

/// What is remembered of one fleet's load, as it lies in the table.
fn stored(fleet: u32) -> Vec<u8> {
    let metric = QueryShape::Stat(Stat {
        namespace: "AWS/ApplicationELB".to_owned(),
        name: "RequestCount".to_owned(),
        dimensions: BTreeMap::from([("TargetGroup".to_owned(), format!("targetgroup/web-{fleet}/0123456789abcdef"))]),
        statistic: "Sum".to_owned(),
        period: Seconds(60),
    });
    let now = at(14 * 1_440);
    let mut memory = Memory::resume(
        None,
        Subject {
            metric,
            minutes: 4,
            events: Vec::new(),
        },
        now,
    );
    memory
        .learn(&series(fleet, 14 * 1_440, memory.wanted(now)), &Events::default(), 420.0, now)
        .expect("a fortnight");
    folded(&memory)
}

/// So many minutes up to one of them, as CloudWatch answers.
fn series(fleet: u32, until: u32, count: u32) -> Series {
    let point = |back: u32| {
        let minute = until.checked_sub(back)?;
        let value = Finite::new(60.0 * rate(minute + 7 * fleet))?;
        Some(Datapoint { at: at(minute), value })
    };
    Series::Points {
        points: (1..=count).filter_map(point).collect(),
        period: Seconds(60),
        partial: false,
        incomplete: Vec::new(),
    }
}

fn at(minute: u32) -> Timestamp {
    Seconds::minutes(minute).after(start())
}

fn folded(memory: &Memory) -> Vec<u8> {
    let text = serde_json::to_vec(memory).expect("text");
    miniz_oxide::deflate::compress_to_vec(&text, 6)
}

fn forecasts(c: &mut Criterion) {
    let table: Vec<Vec<u8>> = (0..100).map(stored).collect();
    let hour = 14 * 1_440 + 60;
    let answers: Vec<Series> = (0..100).map(|fleet| series(fleet, hour, 63)).collect();
    let mut group = c.benchmark_group("forecast");
    group.sample_size(10);
    // as the function does it: what is stored is read, learns, says what lies ahead, and is written
    group.bench_function("an hour of a hundred fleets", |b| {
        b.iter(|| {
            for (stored, answer) in table.iter().zip(&answers) {
                let text = miniz_oxide::inflate::decompress_to_vec(stored).expect("text");
                let mut memory: Memory = serde_json::from_slice(&text).expect("a memory");
                let now = Seconds::minutes(60).after(memory.until());
                memory
                    .learn(answer, &Events::default(), 420.0, Seconds(180).after(now))
                    .expect("an hour");
                black_box(serde_json::to_vec(&memory.outlook(&USUAL)).expect("an outlook"));
                black_box(folded(&memory));
            }
        })
    });
    group.finish();
}

criterion_group!(benches, replays, forecasts);
criterion_main!(benches);
