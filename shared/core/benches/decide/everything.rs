//! A fleet of a hundred whose spec asks for everything, after a day, in a minute in which much goes on at once.

use std::collections::BTreeMap;

use ghostnet_core::adaptive::{Imbalance, POINTS};
use ghostnet_core::forecast::Learner;
use ghostnet_core::id::{InstanceType, Zone};
use ghostnet_core::observation::{ExhaustedOffering, Instance, InstanceState, Market, Offering, TargetHealth, Told};
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_core::refresh::RefreshRequest;
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::{Attribute, Reservation, TemplateVersion};
use ghostnet_core::unit::{Percent, Seconds};
use jiff::Timestamp;

use crate::support::*;

/// Every kind of policy. Those that can only add abstain while all is well, so that the others may remove.
fn policies() -> Value {
    json!([
        tracking(),
        { "type": "target_tracking", "id": "cpu", "metric": busy(), "target": 50.0, "datapoints": { "in": "10 of 15" } },
        { "type": "target_tracking", "id": "used", "metric": "cpu", "source": "instances", "target": 60.0 },
        { "type": "step", "id": "busy", "metric": busy(), "out": [{ "from": 70.0, "add": "10%" }, { "from": 85.0, "add": "30%" }], "in": [{ "below": 48.0, "remove": 2 }] },
        { "type": "step", "id": "slow", "metric": "response_time", "mode": "out_only", "out": [{ "from": 0.5, "add": 1 }] },
        { "type": "scheduled", "id": "festival", "when": { "cron": "0 20 * * 5", "zone": "Asia/Shanghai", "for": "6h" }, "capacity": { "desired": 5 } },
        { "type": "capacity", "id": "demand", "demand": "alb_request_count", "instance_capacity": 10, "response_time": { "p99": "600ms", "network": "100ms", "model": "shared_queue" } },
        { "type": "capacity", "id": "learned", "demand": "alb_request_count", "instance_capacity": "learned", "utilisation": "80%" },
        { "type": "predictive", "id": "ahead", "of": "demand", "mode": "act" },
        { "type": "queue", "id": "jobs", "queue": "render-jobs", "drain_within": "5m", "instance_capacity": 2.5, "oldest": "15m" },
        { "type": "formula", "id": "work", "formula": "max(waiting / 100, 2 * asked / 100)", "target": 2, "metrics": { "waiting": busy(), "asked": "alb_request_count" } },
        { "type": "threshold", "id": "hot", "metric": "cpu", "within": { "from": 75 }, "add": "20%", "datapoints": { "out": "3 of 5" } },
        { "type": "simple", "id": "workers", "metric": "cpu", "out": { "from": 80, "add": 2 }, "in": { "below": 48, "remove": 2 }, "cooldown": { "out": "1m", "in": "1m" } },
    ])
}

/// Everything that a spec may ask for beside its policies.
fn spec() -> Value {
    json!({
        "policies": policies(),
        "objective": "min_latency",
        "reserve": { "ratio": "15%", "policy": { "quantile": 0.95, "over": "24h" } },
        "guards": {
            "churn": { "turns": 6 },
            "budgets": {
                "launch": { "per_tick": "50%", "per_hour": 400 },
                "removal": { "per_tick": "10%", "windows": [
                    { "cron": "0 9 * * 1-5", "zone": "Europe/Berlin", "for": "9h", "max": 15 },
                    { "cron": "0 20 * * 5", "zone": "Asia/Shanghai", "for": "6h", "max": 0 },
                ] },
                "spend": { "per_day": 1_000, "currency": "USD", "prices": { "c7a.large": 0.10264, "c7i.large": 0.1071, "m7a.large": 0.11592 } },
            },
        },
        "pools": [{ "id": "blue", "target_groups": [group("blue")], "cloud_map": { "service": "srv-blue", "port": 8080 } }],
        "defaults": {
            "capacity": { "min": 1, "max": 200, "initial": 2 },
            "launch": {
                "instance_types": ["c7a.large", "c7i.large", "m7a.large"],
                "market": { "on_demand_base": 20, "spot_percent": 50, "allocation": "capacity_optimized", "reservations": "open" },
                "drift": "replace",
                "rebalance_zones": true,
            },
            "warm": { "size": "20%" },
            "drain": { "timeout": "2h", "wait_for_tag": true },
            "health": {
                "ready_tag": true, "status_checks": "5m", "heartbeat": "5m", "when_unhealthy": { "maintenance": { "keep": "1h" } },
            },
            "scale_in": { "order": ["zone_balance", "least_loaded", "most_expensive", "closest_to_billing"] },
            "balancing": { "adaptive": {}, "slow_start": "0s", "deregistration_delay": "60s", "stickiness": { "cookie": "none" } },
            "max_age": "30d",
        },
    })
}

fn version(version: u64) -> TemplateVersion {
    TemplateVersion {
        id: "lt-web".into(),
        version,
    }
}

/// Requests per minute, all together: most at two in the afternoon, a quarter less at two in the night, and a tenth more from eight
/// to eight, all at once.
fn requests(now: Timestamp) -> f64 {
    const MOST: f64 = 8_700.0;
    let minute = u32::try_from(now.as_second().rem_euclid(86_400) / 60).unwrap();
    let by_time = 0.25 * f64::from(minute.abs_diff(14 * 60).min(720)) / 720.0;
    let by_office = if (8 * 60..20 * 60).contains(&minute) { 0.0 } else { 0.1 };
    MOST * (1.0 - by_time - by_office)
}

/// A fleet, and what is learned of its load.
#[derive(Clone)]
struct Day {
    world: World,
    learner: Learner,
    /// So much of the load comes.
    surge: f64,
}

/// What was learned of nine such days.
fn learner(now: Timestamp) -> Learner {
    const MINUTES: u32 = 9 * 1_440;
    let start = Seconds::minutes(MINUTES).before(now);
    let mut learner = Learner::new(600.0, 5, start);
    for minute in 1..=MINUTES {
        let at = Seconds::minutes(minute).after(start);
        learner.note(Some(requests(at)), at, &[]);
    }
    learner
}

/// The moments that are measured, with everything observed: a minute without a change of size, one in which a fifth more load has come,
/// and one in which somebody wants fewer instances.
pub fn worlds() -> [(&'static str, World); 3] {
    let mut day = day();
    let mut growing = day.clone();
    let mut shrinking = day.clone();
    growing.surge = 1.2;
    let fewer = Wish::Hold {
        desired: 95,
        until: Seconds::minutes(120).after(day.world.now()),
        reason: "a test".into(),
    };
    day.observe(Signal::Tick);
    growing.observe(Signal::Tick);
    shrinking.observe(asked(&shrinking.world, fewer));
    [
        ("everything", day.world),
        ("everything, growing", growing.world),
        ("everything, shrinking", shrinking.world),
    ]
}

fn asked(world: &World, wish: Wish) -> Signal {
    let asked = Asked {
        by: "ada".into(),
        at: world.now(),
        wish,
    };
    Signal::OperatorRequest(OperatorRequest {
        fleet: world.spec.id.clone(),
        pool: None,
        asked,
    })
}

/// A day passes, a refresh has begun, and much goes on at once.
fn day() -> Day {
    let mut world = World::serving(100, spec());
    world.impaired = Some(BTreeMap::new());
    world.default_version = Some(version(2));
    world.inputs.resolved.templates.insert(pool("blue"), version(2));
    let there = [
        ("load_balancing.algorithm.type", "round_robin"),
        ("deregistration_delay.timeout_seconds", "60"),
        ("slow_start.duration_seconds", "0"),
        ("stickiness.enabled", "false"),
    ];
    let there = there.map(|(key, value)| (Attribute::of(key).unwrap(), value.to_owned()));
    world.attributes = BTreeMap::from([(group("blue"), there.into())]);
    let types = ["c7a.large", "c7i.large", "m7a.large"];
    let markets = [Market::OnDemand, Market::Reserved, Market::OnDemand, Market::Spot, Market::Spot];
    for (n, instance) in world.instances.values_mut().enumerate() {
        instance.template = Some(version(2));
        instance.instance_type = InstanceType::new(types[n % 3]);
        instance.market = markets[n % 5];
    }
    let learner = learner(world.now());
    let mut day = Day {
        world,
        learner,
        surge: 1.0,
    };
    // longer than it takes to learn everything that is learned
    for _ in 0..26 * 6 {
        day.pass(10, true);
        day.look(Signal::Tick);
    }
    // EC2 forgets who is terminated after about an hour
    day.world.instances.retain(|_, instance| !instance.state.is_gone());
    // workers take their time to leave from now on
    day.pass(1, false);
    for instance in day.world.instances.values_mut().step_by(3) {
        instance.template = instance.template.as_ref().map(|_| version(1));
    }
    let refresh = RefreshRequest::Start {
        reason: "a new image".into(),
        checkpoints: vec![Percent(20)],
        bake: Seconds::minutes(30),
        drifted: true,
    };
    let signal = asked(&day.world, Wish::Refresh(refresh));
    day.look(signal);
    for _ in 0..8 {
        day.pass(1, false);
        day.look(Signal::Tick);
    }
    day.pass(1, false);
    day.trouble();
    day
}

impl Day {
    /// Instances say their words, and metrics follow the load. Workers that are told to leave do so at once, if they `finish`.
    fn pass(&mut self, minutes_: u32, finish: bool) {
        let world = &mut self.world;
        for _ in 0..minutes_ {
            world.wait(60);
            self.learner.note(Some(requests(world.now())), world.now(), &[]);
        }
        world.pass(0);
        let now = world.now();
        world.carried.clear();
        let running = |instance: &&mut Instance| matches!(instance.state, InstanceState::Pending | InstanceState::Running);
        for (n, instance) in (0_u32..).zip(world.instances.values_mut().filter(running)) {
            instance.word.ready = true;
            instance.word.beat = Some(Seconds(20).before(now));
            instance.word.drained |= finish && instance.word.told == Some(Told::Draining);
            world.carried.insert(instance.id.clone(), f64::from(30 + n * 7 % 60));
        }
    }

    fn look(&mut self, signal: Signal) {
        self.observe(signal);
        let decision = self.world.again();
        self.world.commit(&decision);
        for step in &decision.plan.steps {
            let outcome = self.world.execute(step);
            self.world.tell(step, outcome);
        }
    }

    /// What is observed now: a day's load, and series of one value and of several.
    fn observe(&mut self, signal: Signal) {
        let world = &mut self.world;
        let now = world.now();
        let serving = world.targets["blue"].values().filter(|health| **health == TargetHealth::Healthy);
        let serving = f64::from(u32::try_from(serving.count()).unwrap());
        let last = |count: u32, value: &dyn Fn(Timestamp) -> f64| {
            let values: Vec<Option<f64>> = (0..count).map(|n| Some(value(Seconds::minutes(n).before(now)))).collect();
            minutes(now, &values)
        };
        let surge = self.surge;
        let requests = |at: Timestamp| surge * requests(at);
        let each = |at: Timestamp| requests(at) / serving;
        let used = |at: Timestamp| each(at) * 0.6;
        world.metered.insert(policy("learned"), (last(12, &requests), last(12, &used)));
        world.decide(signal);
        let half = |at: Timestamp| each(at) / 2.0;
        let queue = [
            ("waiting", last(5, &|_| 3_000.0)),
            ("in_work", last(5, &|_| 100.0)),
            ("oldest", last(5, &|_| 20.0)),
        ];
        let series = world.inputs.observation.series.get_mut(&pool("blue")).unwrap();
        let more = [
            ("requests", last(5, &each)),
            ("cpu", last(15, &half)),
            ("used", last(5, &used)),
            ("busy", last(5, &half)),
            ("slow", last(5, &|_| 0.1)),
            ("demand", last(5, &requests)),
            ("ahead", last(20, &requests)),
            ("jobs", several(queue)),
            ("work", several([("waiting", last(5, &|_| 900.0)), ("asked", last(5, &requests))])),
            ("hot", last(5, &half)),
            ("workers", last(5, &half)),
        ];
        series.extend(more.map(|(id, series)| (policy(id), series)));
        let season = self.learner.look_out(now, 2, &[]).season(now, 5);
        let seasons = BTreeMap::from([(policy("ahead"), season)]);
        world.inputs.observation.seasons.insert(pool("blue"), seasons);
    }

    /// One instance is silent, one fails its checks, one is of another version and one too old; answers are unequal, and what is
    /// preferred ran out in a zone.
    fn trouble(&mut self) {
        let world = &mut self.world;
        let now = world.now();
        let ran_out = |market, reservation| ExhaustedOffering {
            offering: Offering {
                zone: Zone::new("eu-west-1a"),
                instance_type: Some(InstanceType::new("c7a.large")),
                market,
                reservation,
            },
            until: Seconds::minutes(3).after(now),
        };
        world.exhausted = vec![ran_out(Market::Reserved, Some(Reservation::Open)), ran_out(Market::Spot, None)];
        let stays = |instance: &&mut Instance| instance.state == InstanceState::Running && instance.word.told.is_none();
        let mut well = world.instances.values_mut().filter(stays);
        let mut next = || well.nth(10).unwrap();
        next().word.beat = Some(Seconds::minutes(6).before(now));
        let failing = next().id.clone();
        next().template = Some(version(1));
        next().launched_at = Seconds::minutes(31 * 1_440).before(now);
        world.impaired = Some([(failing, Seconds::minutes(6).before(now))].into());
        let imbalance = Imbalance {
            spread: minutes(now, &vec![Some(250.0); usize::try_from(POINTS).unwrap()]),
            anomalous: fresh(now, 0.0),
        };
        world.imbalance = [(group("blue"), imbalance)].into();
    }
}
