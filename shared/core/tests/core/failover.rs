//! Traffic leaves a failing side, once, for a side that was seen to be able to answer, and comes back safely.

use std::collections::BTreeMap;

use ghostnet_core::failover::{
    LOOKS_APART, Refusal, TrafficDecision, TrafficFinding, TrafficObservation, TrafficRequest, TrafficSituation, TrafficWish, decide,
};
use ghostnet_core::id::{InstanceId, RuleArn};
use ghostnet_core::observation::{InstanceState, Target, TargetHealth};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::spec::{
    ApplicationSignal, BreachRule, Detect, Failback, Failover, FailoverMode, FleetSpec, Metric, MetricSource, NamedMetric,
};
use ghostnet_core::state::{
    CapacityState, Drain, DrainReason, Member, Pause, RouteTo, Routing, ShiftReason, SignalKind, Stage, TrafficState,
};
use ghostnet_core::unit::{Percent, Seconds};

use crate::support::*;

/// Two sides of a fleet behind one rule, as they are; what is decided is carried out at once unless it is lost.
struct Sides {
    spec: FleetSpec,
    failover: Failover,
    capacity: CapacityState,
    traffic: TrafficState,
    health: BTreeMap<InstanceId, Option<TargetHealth>>,
    states: BTreeMap<InstanceId, InstanceState>,
    instances_known: bool,
    /// The side whose targets cannot be read.
    unread: Option<&'static str>,
    errors: BTreeMap<&'static str, f64>,
    weights: BTreeMap<&'static str, u32>,
    others: String,
    now: i64,
}

fn rule() -> RuleArn {
    RuleArn::new("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/3")
}

impl Sides {
    /// `blue` takes the traffic with `blue` instances, `green` stands by with `green`; all are well, and were seen to be.
    fn new(blue: u32, green: u32) -> Self {
        let spec = FleetSpec::check(&raw(json!({
            "pools": [
                { "id": "blue", "target_groups": [group("blue").as_str()] },
                { "id": "green", "role": "standby", "target_groups": [group("green").as_str()] },
            ],
        })))
        .unwrap();
        let mut sides = Self {
            failover: Failover {
                mode: FailoverMode::HotStandby,
                detect: Detect {
                    datapoints: BreachRule { datapoints: 3, of: 3 },
                    unhealthy: Percent(50),
                    application: vec![ApplicationSignal {
                        metric: Metric::Named {
                            name: NamedMetric::ErrorRate,
                            source: MetricSource::TargetGroup,
                        },
                        above: finite(5.0),
                    }],
                },
                gate: Percent(50),
                rules: vec![rule()],
                failback: Failback::Manual,
                dwell: Seconds::minutes(15),
            },
            capacity: CapacityState::new(&spec, at(-7_200)),
            traffic: TrafficState::first(&spec).unwrap(),
            spec,
            health: BTreeMap::new(),
            states: BTreeMap::new(),
            instances_known: true,
            unread: None,
            errors: BTreeMap::new(),
            weights: [("blue", 100), ("green", 0)].into(),
            others: "stickiness 60".to_owned(),
            now: 0,
        };
        sides.put("blue", blue);
        sides.put("green", green);
        sides.look();
        sides
    }

    fn put(&mut self, side: &str, count: u32) {
        let state = self.capacity.pools.get_mut(&pool(side)).unwrap();
        state.desired = count;
        for n in 0..count {
            let id = InstanceId::new(format!("i-{side}-{n:03}"));
            let member = Member {
                served_since: Some(at(self.now - 3_600).into()),
                ..Member::new(at(self.now - 3_600))
            };
            state.members.insert(id.clone(), member);
            self.states.insert(id.clone(), InstanceState::Running);
            self.health.insert(id, Some(TargetHealth::Healthy));
        }
    }

    fn of(&self, side: &str) -> Vec<InstanceId> {
        self.states.keys().filter(|id| id.as_str().contains(side)).cloned().collect()
    }

    fn sicken(&mut self, side: &str, count: usize) {
        for id in self.of(side).into_iter().take(count) {
            self.health.insert(id, Some(TargetHealth::Unhealthy));
        }
    }

    fn err(&mut self, side: &'static str, percent: f64) {
        self.errors.insert(side, percent);
    }

    fn heal(&mut self, side: &str) {
        for id in self.of(side) {
            self.health.insert(id, Some(TargetHealth::Healthy));
        }
    }

    /// Everything of a side is gone from one moment to the next, as with its zone.
    fn die(&mut self, side: &str) {
        for id in self.of(side) {
            self.states.insert(id.clone(), InstanceState::Terminated);
            self.health.insert(id.clone(), None);
            let member = self.capacity.pools.get_mut(&pool(side)).unwrap().members.get_mut(&id).unwrap();
            (member.gone, member.left) = (true, Some(at(self.now).into()));
        }
    }

    fn routing(&self) -> Routing {
        Routing {
            weights: self.weights.iter().map(|(side, weight)| (group(side), *weight)).collect(),
            actions: format!("{:?} {}", self.weights, self.others),
        }
    }

    fn observe(&self) -> TrafficObservation {
        let now = at(self.now);
        let target = |side: &str| {
            let listed = self.of(side).into_iter().filter_map(|id| {
                Some(Target {
                    health: self.health[&id]?,
                    instance: id,
                    shifted: false,
                })
            });
            (group(side), listed.collect())
        };
        let minute = at(self.now.div_euclid(60) * 60 - 60);
        let errors = |(side, value): (&&str, &f64)| {
            let points = vec![Datapoint {
                at: minute,
                value: finite(*value),
            }];
            let series = Series::Points {
                points,
                period: Seconds(60),
                partial: false,
                incomplete: Vec::new(),
            };
            (pool(side), vec![series])
        };
        TrafficObservation {
            observed_at: now,
            instances: self.instances_known.then(|| self.states.clone()),
            targets: ["blue", "green"]
                .into_iter()
                .filter(|side| self.unread != Some(*side))
                .map(target)
                .collect(),
            application: self.errors.iter().map(errors).collect(),
            routing: [(rule(), self.routing())].into(),
        }
    }

    fn decide(&self, asked: Option<&TrafficRequest>) -> TrafficDecision {
        let observation = self.observe();
        decide(&TrafficSituation {
            spec: &self.spec,
            failover: &self.failover,
            capacity: &self.capacity,
            traffic: &self.traffic,
            observation: &observation,
            asked,
            now: at(self.now),
            execute_until: at(self.now + 30),
        })
    }

    /// Decides and commits, and loses the steps.
    fn lose(&mut self) -> TrafficDecision {
        let decision = self.decide(None);
        self.traffic = decision.state.clone();
        decision
    }

    fn carry_out(&mut self, decision: TrafficDecision) -> TrafficDecision {
        self.traffic = decision.state.clone();
        for step in &decision.steps {
            if step.expected != self.routing() {
                continue;
            }
            let weights = match &step.set {
                RouteTo::Weights(weights) => weights,
                RouteTo::Actions(routing) => &routing.weights,
            };
            for side in ["blue", "green"] {
                self.weights.insert(side, weights[&group(side)]);
            }
        }
        decision
    }

    fn look(&mut self) -> TrafficDecision {
        let decision = self.decide(None);
        self.carry_out(decision)
    }

    fn ask(&mut self, wish: TrafficWish) -> TrafficDecision {
        let request = TrafficRequest {
            by: "ana".to_owned(),
            at: at(self.now),
            reason: "a test".to_owned(),
            wish,
        };
        let decision = self.decide(Some(&request));
        self.carry_out(decision)
    }

    /// So many looks, each so many seconds after the one before. The last one.
    fn looks(&mut self, count: u32, seconds: i64) -> TrafficDecision {
        let mut last = self.decide(None);
        for _ in 0..count {
            self.now += seconds;
            last = self.look();
        }
        last
    }

    fn weights(&self) -> (u32, u32) {
        (self.weights["blue"], self.weights["green"])
    }
}

fn moves(decision: &TrafficDecision) -> bool {
    !decision.steps.is_empty()
}

#[test]
fn a_dead_side_is_left_by_the_third_look_in_one_call() {
    let mut sides = Sides::new(4, 2);
    sides.die("blue");
    assert!(!moves(&sides.looks(2, 10)), "two datapoints are not three");
    let decision = sides.looks(1, 10);
    assert_eq!((decision.steps.len(), sides.weights()), (1, (0, 100)));
    assert_eq!((sides.traffic.active.clone(), sides.traffic.epoch.0), (pool("green"), 1));
    let decision = sides.looks(1, 10);
    assert!(
        decision.findings.contains(&TrafficFinding::Moved { to: pool("green") }),
        "{:?}",
        decision.findings
    );
    assert_eq!(sides.traffic.shift, None);
    assert!(!moves(&sides.looks(10, 60)), "and it stays there");
}

/// What is no failure of a side, however long it goes on.
#[test]
fn what_moves_nothing() {
    type Change = fn(&mut Sides);
    let cases: [(&str, Change); 13] = [
        ("all is well", |_| {}),
        ("a few are sick", |sides| sides.sicken("blue", 1)),
        ("errors alone: one kind of signal", |sides| sides.err("blue", 50.0)),
        ("the checks alone: one kind of signal", |sides| sides.sicken("blue", 4)),
        ("the list is incomplete, and the checks fail", |sides| {
            sides.instances_known = false;
            sides.sicken("blue", 4);
        }),
        ("nothing is checked", |sides| {
            for id in sides.of("blue") {
                sides.health.insert(id, Some(TargetHealth::Unchecked));
            }
        }),
        ("its instances leave by scale-in", |sides| {
            let drain = Drain {
                since: at(0).into(),
                deadline: at(300).into(),
                why: DrainReason::ScaleIn,
            };
            for id in sides.of("blue").into_iter().skip(1) {
                sides.states.insert(id.clone(), InstanceState::ShuttingDown);
                sides.health.insert(id.clone(), Some(TargetHealth::InvalidState));
                let state = sides.capacity.pools.get_mut(&pool("blue")).unwrap();
                state.desired = 1;
                state.members.get_mut(&id).unwrap().drain = Some(drain);
            }
        }),
        ("it is new, and never was well", |sides| {
            sides.traffic.sides.clear();
            sides.die("blue");
        }),
        ("the fleet is paused", |sides| {
            sides.capacity.pause = Some(Pause {
                by: "ana".into(),
                reason: "a test".into(),
                since: at(0),
                until: at(36_000),
            });
            sides.die("blue");
        }),
        ("the other one is down too", |sides| {
            sides.die("blue");
            sides.die("green");
        }),
        ("no rule names the other one", |sides| {
            sides.failover.rules.push(RuleArn::new("another"));
            sides.die("blue");
        }),
        ("the other one is dead", |sides| sides.die("green")),
        ("a restored table knows who served before, and not who serves", |sides| {
            sides.die("blue");
            for n in 10..14 {
                let id = InstanceId::new(format!("i-blue-{n:03}"));
                sides.states.insert(id.clone(), InstanceState::Running);
                sides.health.insert(id, Some(TargetHealth::Healthy));
            }
        }),
    ];
    for (situation, change) in cases {
        let mut sides = Sides::new(4, 4);
        change(&mut sides);
        for _ in 0..30 {
            let decision = sides.looks(1, 10);
            assert!(!moves(&decision), "{situation}: {:?}", decision.findings);
        }
        assert_eq!(sides.traffic.epoch.0, 0, "{situation}");
    }
}

/// Each pair of kinds is enough, and a look twice within ten seconds is one datapoint.
#[test]
fn two_kinds_of_signal_agree() {
    type Change = fn(&mut Sides);
    let errors: Change = |sides| sides.err("blue", 50.0);
    let checks: Change = |sides| sides.sicken("blue", 2);
    let stopped: Change = |sides| {
        for id in sides.of("blue").into_iter().take(2) {
            sides.states.insert(id.clone(), InstanceState::Stopped);
            sides.health.insert(id, Some(TargetHealth::InvalidState));
        }
    };
    for (situation, changes, looks) in [
        ("checks and errors, of which three minutes are needed", vec![errors, checks], 3),
        ("instances and checks", vec![stopped], 3),
    ] {
        let mut sides = Sides::new(4, 4);
        for change in changes {
            change(&mut sides);
        }
        let before = sides.looks(looks - 1, 60);
        assert!(!moves(&before), "{situation}");
        let decision = sides.looks(1, 60);
        assert!(moves(&decision), "{situation}: {:?}", decision.findings);
    }
    let mut sides = Sides::new(4, 4);
    stopped(&mut sides);
    sides.looks(8, i64::from(LOOKS_APART.0) / 10);
    assert_eq!(sides.weights(), (100, 0), "eight looks in eight seconds are one datapoint");
}

#[test]
fn capacity_first_then_traffic() {
    let mut sides = Sides::new(8, 1);
    sides.die("blue");
    let decision = sides.looks(3, 10);
    assert!(!moves(&decision), "one of four needed");
    assert_eq!(
        sides.traffic.floors,
        [(pool("blue"), 8), (pool("green"), 8)].into(),
        "it grows, and the source keeps its number"
    );
    assert!(decision.wakes_tick(&Sides::new(8, 1).traffic));
    assert_eq!(sides.traffic.active, pool("blue"));
    sides.put("green", 3);
    assert!(!moves(&sides.looks(3, 10)), "three of four needed");
    sides.put("green", 4);
    assert!(moves(&sides.looks(1, 10)));
    sides.looks(1, 10);
    assert_eq!(sides.weights(), (0, 100));
    sides.looks(1, 900);
    assert_eq!(sides.traffic.floors, BTreeMap::new(), "after the dwell its own policies decide");
}

#[test]
fn a_side_that_recovers_while_the_other_one_grows_keeps_its_traffic() {
    let mut sides = Sides::new(8, 1);
    sides.sicken("blue", 8);
    sides.err("blue", 60.0);
    sides.looks(3, 60);
    assert!(matches!(&sides.traffic.shift, Some(shift) if shift.stage == Stage::Preparing));
    sides.heal("blue");
    sides.err("blue", 0.0);
    let decision = sides.looks(4, 60);
    assert!(!moves(&decision));
    assert_eq!((sides.traffic.shift.clone(), sides.traffic.floors.clone()), (None, BTreeMap::new()));
}

/// Whoever committed the move and died: the next look sends it again, once nobody else can be sending it, and to the same end.
#[test]
fn a_lost_call_is_sent_again_after_its_window() {
    let mut sides = Sides::new(4, 4);
    sides.die("blue");
    sides.looks(2, 10);
    sides.now += 10;
    let lost = sides.lose();
    assert_eq!((lost.steps.len(), sides.traffic.active.clone()), (1, pool("green")));
    assert!(!moves(&sides.looks(5, 10)), "its window and the margin are not over");
    let again = sides.looks(1, 10);
    assert_eq!((again.steps.clone(), sides.weights()), (lost.steps, (0, 100)));
    sides.looks(1, 10);
    assert_eq!(
        (sides.traffic.shift.clone(), sides.traffic.epoch.0),
        (None, 1),
        "one epoch for one move"
    );
}

#[test]
fn what_somebody_else_set_meanwhile_is_left_alone() {
    let mut sides = Sides::new(4, 4);
    sides.die("blue");
    sides.looks(2, 10);
    sides.now += 10;
    sides.lose();
    sides.weights = [("blue", 50), ("green", 50)].into();
    let decision = sides.looks(8, 10);
    assert!(!moves(&decision));
    assert!(
        decision.findings.contains(&TrafficFinding::ForeignEdit { rule: rule() }),
        "{:?}",
        decision.findings
    );
    sides.weights = [("blue", 0), ("green", 7)].into();
    let decision = sides.looks(1, 10);
    assert!(
        decision.findings.contains(&TrafficFinding::Moved { to: pool("green") }),
        "somebody moved it by hand: that is done too"
    );
}

#[test]
fn a_second_failure_within_the_dwell_alerts_and_moves_nothing() {
    let mut sides = Sides::new(4, 4);
    sides.die("blue");
    sides.looks(4, 10);
    sides.put("blue", 4);
    sides.looks(2, 60);
    sides.die("green");
    let decision = sides.looks(4, 10);
    assert!(!moves(&decision));
    assert!(
        matches!(decision.findings.last(), Some(TrafficFinding::WouldFlap { .. })),
        "{:?}",
        decision.findings
    );
    let decision = sides.looks(14, 60);
    assert_eq!(sides.weights(), (100, 0), "after it, it moves: {:?}", decision.findings);
}

#[test]
fn it_comes_back_by_itself_only_if_it_may_and_after_a_row_of_good_looks_and_the_dwell() {
    for (failback, comes_back) in [
        (Failback::Manual, None),
        (Failback::Auto { well: 10 }, Some(15)),
        (Failback::Auto { well: 30 }, Some(30)),
    ] {
        let mut sides = Sides::new(4, 4);
        sides.failover.failback = failback;
        sides.die("blue");
        sides.looks(4, 10);
        sides.put("blue", 4);
        let mut minutes = None;
        for minute in 1..=60 {
            sides.looks(1, 60);
            if sides.weights() == (100, 0) {
                minutes = Some(minute);
                break;
            }
        }
        assert_eq!(minutes, comes_back, "{failback:?}");
    }
    let mut sides = Sides::new(4, 4);
    sides.failover.failback = Failback::Auto { well: 10 };
    sides.die("blue");
    sides.looks(4, 10);
    sides.put("blue", 4);
    for _ in 0..6 {
        sides.looks(8, 60);
        sides.sicken("blue", 4);
        sides.looks(1, 60);
        sides.heal("blue");
    }
    assert_eq!(
        sides.weights(),
        (0, 100),
        "a side that is sick every ninth minute never has ten good ones in a row"
    );
}

#[test]
fn an_operator_moves_it_brings_it_back_and_undoes_it() {
    let to = |side: &str, forced| TrafficWish::Failover {
        to: pool(side),
        until: None,
        forced,
    };
    let mut sides = Sides::new(4, 4);
    assert!(moves(&sides.ask(to("green", false))), "no failure is needed");
    sides.looks(1, 10);
    assert!(moves(&sides.ask(TrafficWish::Failback)));
    sides.looks(1, 10);
    assert_eq!(sides.weights(), (100, 0));

    sides.weights = [("blue", 93), ("green", 7)].into();
    assert!(moves(&sides.ask(to("green", false))));
    sides.looks(1, 10);
    assert_eq!(sides.weights(), (0, 100));
    assert!(moves(&sides.ask(TrafficWish::Undo)));
    sides.looks(1, 10);
    assert_eq!(sides.weights(), (93, 7), "exactly as it was");
    assert_eq!(sides.traffic.active, pool("blue"));
}

#[test]
fn what_somebody_set_since_the_move_is_not_undone() {
    let mut sides = Sides::new(4, 4);
    let to_green = TrafficWish::Failover {
        to: pool("green"),
        until: None,
        forced: false,
    };
    assert!(moves(&sides.ask(to_green)));
    sides.looks(1, 10);
    sides.weights = [("blue", 20), ("green", 80)].into();
    let decision = sides.ask(TrafficWish::Undo);
    assert!(decision.findings.contains(&TrafficFinding::ForeignEdit { rule: rule() }));
    assert_eq!((moves(&decision), sides.weights()), (false, (20, 80)));
}

#[test]
fn what_an_operator_cannot_have() {
    let to = |side: &str, forced| TrafficWish::Failover {
        to: pool(side),
        until: None,
        forced,
    };
    let mut sides = Sides::new(4, 1);
    let mut refused = |wish, why: Refusal| {
        let decision = sides.ask(wish);
        assert!(!moves(&decision));
        assert_eq!(decision.findings, [TrafficFinding::Refused { why }]);
    };
    refused(to("blue", false), Refusal::IsActive { pool: pool("blue") });
    refused(to("red", true), Refusal::NoSuchPool { pool: pool("red") });
    refused(TrafficWish::Failback, Refusal::NothingMoved);
    refused(TrafficWish::Undo, Refusal::NothingMoved);

    let decision = sides.ask(to("green", false));
    assert!(!moves(&decision), "the gate is shut: it grows first");
    let mut sides = Sides::new(4, 1);
    assert!(moves(&sides.ask(to("green", true))), "forced, it moves as it is");
    assert!(matches!(&sides.traffic.shift, Some(shift) if matches!(shift.why, ShiftReason::Asked { forced: true, .. })));
}

#[test]
fn a_move_for_a_time_ends_by_itself() {
    let mut sides = Sides::new(4, 4);
    let until = Some(at(3_600));
    sides.ask(TrafficWish::Failover {
        to: pool("green"),
        until,
        forced: false,
    });
    sides.looks(59, 60);
    assert_eq!(sides.weights(), (0, 100));
    sides.looks(1, 60);
    assert_eq!(sides.weights(), (100, 0));
}

/// A side that is well is seen to be every minute, and none of it is written.
#[test]
fn a_quiet_fleet_writes_nothing() {
    let mut sides = Sides::new(4, 4);
    for _ in 0..30 {
        sides.now += 60;
        let decision = sides.decide(None);
        assert!(!decision.changes(&sides.traffic));
        assert!(!decision.look_again);
    }
    sides.sicken("blue", 4);
    sides.now += 60;
    let decision = sides.look();
    assert!(decision.look_again, "suspect: look again soon");
    assert_eq!(
        decision.state.sides[&pool("blue")].seen.keys().copied().collect::<Vec<_>>(),
        [SignalKind::Targets]
    );
    assert_eq!(decision.state.epoch.0, 0, "what was only seen fences nobody");
}

/// Nothing has moved yet, so nothing needs to be undone.
#[test]
fn a_move_that_waits_for_its_destination_is_called_off_or_given_up() {
    let to_green = || TrafficWish::Failover {
        to: pool("green"),
        until: None,
        forced: false,
    };
    for (calls_off, looks) in [(Some(TrafficWish::Failback), 0), (Some(TrafficWish::Undo), 3), (None, 30)] {
        let mut sides = Sides::new(4, 1);
        let asked = sides.ask(to_green());
        let waits = |finding: &TrafficFinding| matches!(finding, TrafficFinding::Waits { .. });
        assert!(asked.findings.iter().any(waits), "{:?}", asked.findings);
        assert_eq!(
            sides.traffic.floors,
            [("blue", 4), ("green", 4)].map(|(side, size)| (pool(side), size)).into()
        );
        let mut last = sides.looks(looks, 60);
        let end = match calls_off {
            Some(wish) => {
                last = sides.ask(wish);
                TrafficFinding::Cancelled { to: pool("green") }
            }
            None => TrafficFinding::GaveUp { to: pool("green") },
        };
        assert!(last.findings.contains(&end), "{:?}", last.findings);
        assert_eq!(
            (sides.traffic.shift.as_ref(), sides.traffic.floors.len(), sides.weights()),
            (None, 0, (100, 0)),
            "{end}"
        );
    }
}

/// It began with two kinds of signal; while it waited for its destination, one of them ceased.
#[test]
fn a_side_is_left_for_what_it_is_when_traffic_moves() {
    for (errors, sick, moved) in [(50.0, 3, true), (0.0, 3, false), (0.0, 4, true)] {
        let mut sides = Sides::new(4, 1);
        sides.err("blue", 50.0);
        sides.sicken("blue", sick);
        sides.looks(4, 60);
        assert!(sides.traffic.shift.is_some(), "{:?}", sides.traffic.sides);
        sides.err("blue", errors);
        sides.looks(5, 60);
        for n in 1..3 {
            let id = InstanceId::new(format!("i-green-{n:03}"));
            let member = Member {
                served_since: Some(at(0).into()),
                ..Member::new(at(0))
            };
            sides
                .capacity
                .pools
                .get_mut(&pool("green"))
                .unwrap()
                .members
                .insert(id.clone(), member);
            sides.states.insert(id.clone(), InstanceState::Running);
            sides.health.insert(id, Some(TargetHealth::Healthy));
        }
        sides.looks(2, 60);
        // where nobody answers any more, one kind is enough to go through with it
        assert_eq!(sides.weights() == (0, 100), moved, "{errors} {sick}: {:?}", sides.traffic);
    }
}

#[test]
fn a_side_where_strangers_answer_or_that_nobody_can_look_at_is_not_left() {
    for (stranger, unread, left) in [(false, false, true), (true, false, false), (false, true, false)] {
        let mut sides = Sides::new(4, 1);
        sides.die("blue");
        sides.looks(4, 60);
        assert!(sides.traffic.shift.is_some(), "{:?}", sides.traffic.sides);
        // a restored table knows those that died, and nothing of what was seen since
        sides.traffic.sides.clear();
        if stranger {
            let id = InstanceId::new("i-blue-stranger");
            sides.states.insert(id.clone(), InstanceState::Running);
            sides.health.insert(id, Some(TargetHealth::Healthy));
        }
        sides.unread = unread.then_some("blue");
        sides.put("green", 4);
        sides.look();
        assert_eq!(sides.weights() == (0, 100), left, "{stranger} {unread}: {:?}", sides.traffic);
    }
}

/// Those that a restored table knows are gone; those that replaced them are taken over, and nobody noted yet that they serve.
#[test]
fn who_was_just_adopted_answers_for_the_side() {
    let mut sides = Sides::new(4, 2);
    sides.die("blue");
    for n in 0..4 {
        let id = InstanceId::new(format!("i-blue-new-{n}"));
        let blue = sides.capacity.pools.get_mut(&pool("blue")).unwrap();
        blue.members.insert(id.clone(), Member::new(at(0)));
        sides.states.insert(id.clone(), InstanceState::Running);
        sides.health.insert(id, Some(TargetHealth::Healthy));
    }
    sides.looks(6, 30);
    assert_eq!(sides.weights(), (100, 0), "{:?}", sides.traffic.sides);
}

#[test]
fn who_asks_again_before_anything_moved_has_the_last_word() {
    let mut sides = Sides::new(4, 1);
    let forced = |forced| TrafficWish::Failover {
        to: pool("green"),
        until: None,
        forced,
    };
    sides.ask(forced(false));
    assert_eq!(sides.weights(), (100, 0));
    sides.ask(forced(true));
    assert_eq!(sides.weights(), (0, 100));
}
