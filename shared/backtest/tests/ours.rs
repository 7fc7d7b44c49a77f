//! GhostNet on a load: by the past alone, the same each time, and by what was learned once as by learning it on the way.
#![expect(clippy::expect_used, reason = "a load that cannot be made is a failed test")]

use ghostnet_backtest::contest::{Contest, Contestant, Keeps};
use ghostnet_backtest::default_fleet;
use ghostnet_backtest::foresight::{Foresight, Learning};
use ghostnet_backtest::ghostnet::GhostNet;
use ghostnet_backtest::load::{Instance, Load};
use ghostnet_backtest::replay::{Scaler, World, play};
use ghostnet_backtest::tune::{Reach, Shadows, Suggestion, Tuned, suggest};
use ghostnet_core::spec::{Amount, FleetSpec, Rule, WarmSize, WarmSpec, WarmState};
use ghostnet_core::tuning::Objective;
use ghostnet_core::unit::{Percent, Seconds};
use jiff::Timestamp;

const INSTANCE: Instance = Instance {
    capacity: 10.0,
    target: 0.7,
};
const WORLD: World = World::of(INSTANCE);

/// So many minutes of a daily wave with noise and a burst each few hours; from `changed` on, something else altogether.
fn load(minutes: u32, changed: u32) -> Load {
    let rate = |minute: u32| {
        if minute >= changed {
            return 40.0 * f64::from(minute % 7);
        }
        let noise = f64::from(minute.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
        let wave = 100.0 + 80.0 * (f64::from(minute) / 1_440.0 * std::f64::consts::TAU).sin();
        wave * (0.9 + 0.2 * noise) * if minute % 331 < 12 { 1.8 } else { 1.0 }
    };
    let start = Timestamp::from_second(1_780_272_000).expect("a moment");
    Load::made_up(start, Seconds(60), (0..minutes).map(rate).collect(), 60).expect("a load")
}

/// What was wanted after each step.
fn wanted(load: &Load, scaler: &mut dyn Scaler) -> Vec<u32> {
    let mut all = Vec::new();
    play(load, &WORLD, scaler, |_, _, wanted, _| all.push(wanted));
    all
}

#[test]
fn what_was_learned_once_decides_as_learning_on_the_way_does() {
    let (spec, pool) = default_fleet::of(INSTANCE).expect("the default fleet");
    let load = load(3_000, u32::MAX);
    let learning = Learning::of(&pool, &WORLD, &[70, 90]).expect("a policy looks ahead");
    let foresight = Foresight::of(&load, &learning, Seconds(0));
    let on_the_way = wanted(&load, &mut GhostNet::new(&spec, &pool, &WORLD));
    assert_eq!(wanted(&load, &mut GhostNet::foreseeing(&spec, &pool, &foresight)), on_the_way);
    assert!(on_the_way.iter().any(|wanted| *wanted > 20), "the load moves it");
}

#[test]
fn nobody_looks_into_the_future() {
    let (spec, pool) = default_fleet::of(INSTANCE).expect("the default fleet");
    let objective = Objective { used: 0.9, percent: 1.0 };
    let of = |load: &Load| {
        let shadows = Shadows::play(load, &WORLD, &spec, &pool, &objective).expect("a policy looks ahead");
        let tuned = wanted(load, &mut Tuned::new(&shadows, &spec, &pool, objective));
        (tuned, wanted(load, &mut GhostNet::new(&spec, &pool, &WORLD)))
    };
    let (now, minutes) = (3_500, 4_400);
    let (whole, changed) = (of(&load(minutes, u32::MAX)), of(&load(minutes, now)));
    let now = usize::try_from(now).expect("a small number");
    assert_eq!(whole.0.get(..now), changed.0.get(..now), "tuned");
    assert_eq!(whole.1.get(..now), changed.1.get(..now), "as written");
    assert_ne!(whole, changed, "what has changed is seen when it comes");
    assert_eq!(of(&load(minutes, u32::MAX)), whole, "the same each time");
}

/// What a datapoint says of who runs, it says of those who ran then: as in production it makes nobody leave twice.
#[test]
fn nobody_leaves_by_a_datapoint_from_before_the_last_one_left() {
    let spec = serde_json::json!({
        "fleet": "busy",
        "defaults": {
            "capacity": { "min": 1, "max": 100 },
            "launch": { "template": { "name": "busy" }, "subnets": ["subnet-00000001"] }
        },
        "pools": [{ "id": "main" }],
        "policies": [{ "id": "cpu", "type": "target_tracking", "metric": "cpu", "target": 70, "datapoints": { "in": "1 of 1" } }],
        "guards": {
            "cooldown": { "out": "0s", "in": "0s" },
            "stabilisation": { "in": "0s" },
            "budgets": { "removal": { "per_tick": 1 } }
        }
    });
    let raw = serde_json::from_value(spec).expect("a spec");
    let spec = FleetSpec::check(&raw).expect("a good one");
    let pool = spec.pools.first().cloned().expect("a pool");
    let start = Timestamp::from_second(1_780_272_000).expect("a moment");
    let falls = |minute: u32| if minute < 60 { 100.0 } else { 40.0 };
    let load = Load::made_up(start, Seconds(60), (0..180).map(falls).collect(), 60).expect("a load");
    let wanted = wanted(&load, &mut GhostNet::new(&spec, &pool, &WORLD));
    let falls_at: Vec<usize> = (1..wanted.len()).filter(|n| wanted.get(*n) < wanted.get(n - 1)).collect();
    assert!(falls_at.len() > 2, "{wanted:?}");
    let apart = falls_at.windows(2).all(|two| matches!(two, [a, b] if b - a >= 2));
    assert!(apart, "each waits for a minute that began after the one before: {falls_at:?}");
}

#[test]
fn a_fleet_that_is_tuned_costs_less_than_one_that_is_careful_and_keeps_its_objective() {
    let (spec, pool) = default_fleet::of(INSTANCE).expect("the default fleet");
    let load = load(5 * 1_440, u32::MAX);
    let contest = Contest {
        load: &load,
        world: WORLD,
        spec: &spec,
        pool: &pool,
        iso: Some(2.0),
        keeps: Keeps::Results,
    };
    let hours = contest.optimum_hours();
    let tuned = contest.row(Contestant::GhostNetTuned, hours).expect("it is tuned");
    let written = Contest { iso: None, ..contest }
        .row(Contestant::GhostNet, hours)
        .expect("it is played");
    assert!(
        tuned.cost_ratio < written.cost_ratio,
        "{} and {}",
        tuned.cost_ratio,
        written.cost_ratio
    );
    assert!(tuned.score.over90_percent <= 2.0, "{}", tuned.score.over90_percent);
    assert!(tuned.cost_ratio >= 1.0 && tuned.settings.contains_key("most often"));
}

/// A burst of twelve minutes needs more than what runs: what is kept stopped serves after half a minute, what is launched after three.
#[test]
fn what_is_kept_warm_loses_less_for_little() {
    let (spec, mut pool) = default_fleet::of(INSTANCE).expect("the default fleet");
    pool.policies.retain(|policy| !matches!(policy.rule, Rule::Predictive(_)));
    let load = load(4 * 1_440, u32::MAX);
    let keeping = |warm: Option<WarmSpec>| {
        let mut pool = pool.clone();
        pool.warm = warm;
        let score = play(&load, &WORLD, &mut GhostNet::new(&spec, &pool, &WORLD), |_, _, _, _| {});
        (score.over90_percent, score.instance_hours)
    };
    let warm = |size, takes_returns| {
        Some(WarmSpec {
            size,
            state: WarmState::Stopped,
            max_age: Seconds::minutes(7 * 24 * 60),
            takes_returns,
        })
    };
    let (cold, cold_hours) = keeping(None);
    for (situation, warm, at_most) in [
        ("twenty, who leave fill it", warm(WarmSize::Fixed(Amount::Count(20)), true), 1.1),
        ("twenty, each launched anew", warm(WarmSize::Fixed(Amount::Count(20)), false), 1.3),
        ("as many as the last days needed", warm(WarmSize::Learned, true), 1.1),
    ] {
        let (over, hours) = keeping(warm);
        assert!(over < 0.7 * cold, "{situation}: {over} % of the time, and {cold} % without");
        assert!(hours < at_most * cold_hours, "{situation}: {hours} hours, and {cold_hours} without");
    }
}

#[test]
fn a_fleet_that_is_tuned_keeps_its_stock() {
    let (spec, mut pool) = default_fleet::of(INSTANCE).expect("the default fleet");
    pool.warm = Some(WarmSpec {
        size: WarmSize::Fixed(Amount::Count(20)),
        state: WarmState::Stopped,
        max_age: Seconds::minutes(7 * 24 * 60),
        takes_returns: true,
    });
    let (load, objective) = (load(2 * 1_440, u32::MAX), Objective { used: 0.9, percent: 1.0 });
    let shadows = Shadows::play(&load, &WORLD, &spec, &pool, &objective).expect("a policy looks ahead");
    let mut tuned = Tuned::new(&shadows, &spec, &pool, objective);
    let mut stopped = 0;
    play(&load, &WORLD, &mut tuned, |_, step, _, _| stopped = stopped.max(step.stopped));
    assert_eq!((tuned.stock().size, stopped), (20, 20));
}

#[test]
fn what_is_written_is_played_as_it_is_written_whatever_the_limit_of_an_objective() {
    let (spec, pool) = default_fleet::of(INSTANCE).expect("the default fleet");
    let load = load(2 * 1_440, u32::MAX);
    let at = |used: f64| {
        suggest(&load, &WORLD, (&spec, &pool), &Objective { used, percent: 1.0 }, Reach::Everything).expect("something to tune")
    };
    let (by_target, by_limit) = (at(0.7), at(0.9));
    assert_eq!(by_target.present.settings, by_limit.present.settings);
    assert_eq!(
        by_target.present.instance_hours_per_day.to_bits(),
        by_limit.present.instance_hours_per_day.to_bits(),
        "it costs what it costs"
    );
    assert!(
        by_limit.present.over_percent < by_target.present.over_percent,
        "less of the time is above a higher limit"
    );
    let used = |suggestion: &Suggestion| suggestion.chosen.settings.utilisation;
    assert_eq!((used(&by_target), used(&by_limit)), (Some(Percent(70)), Some(Percent(90))));
    assert!(by_limit.chosen.instance_hours_per_day < by_target.chosen.instance_hours_per_day);
}

/// What is played is what comes in, whatever the metric is called that counts it; of another one the load says nothing.
#[test]
fn a_demand_that_is_a_metric_of_its_own_is_the_load() {
    let of = |demand: serde_json::Value| {
        let jobs = serde_json::json!({ "namespace": "App", "name": "Jobs", "statistic": "Sum" });
        let spec = serde_json::json!({
            "fleet": "own",
            "defaults": {
                "capacity": { "min": 1, "max": 100 },
                "launch": { "template": { "name": "own" }, "subnets": ["subnet-00000001"] }
            },
            "pools": [{
                "id": "main",
                "target_groups": ["arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/own/0123456789abcdef"]
            }],
            "policies": [
                { "id": "demand", "type": "capacity", "demand": demand, "instance_capacity": 10, "utilisation": "70%" },
                { "id": "ahead", "type": "predictive", "of": "demand", "mode": "act" },
                { "id": "jobs", "type": "capacity", "demand": jobs, "instance_capacity": 1, "utilisation": "50%" }
            ]
        });
        let raw = serde_json::from_value(spec).expect("a spec");
        let spec = FleetSpec::check(&raw).expect("a good one");
        let pool = spec.pools.first().cloned().expect("a pool");
        let left_out: Vec<String> = GhostNet::left_out(&pool).map(|policy| policy.id.to_string()).collect();
        assert_eq!(left_out, ["jobs"]);
        wanted(&load(2_000, u32::MAX), &mut GhostNet::new(&spec, &pool, &WORLD))
    };
    let own = of(serde_json::json!({ "namespace": "App", "name": "Requests", "statistic": "Sum" }));
    assert_eq!(own, of(serde_json::json!("alb_request_count")));
    assert!(own.iter().any(|wanted| *wanted > 20), "the load moves it");
}
