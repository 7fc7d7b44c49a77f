//! Where only one side may ever serve, the one that traffic leaves is out before the other one is let in.

use ghostnet_core::failover::{Fenced, Refusal, TrafficDecision, TrafficFinding, TrafficSituation, TrafficWish, stand};
use ghostnet_core::id::{InstanceId, PlanId, StepId, StepNumber};
use ghostnet_core::observation::{InstanceState, Offering, TargetHealth};
use ghostnet_core::plan::{Action, OpenStep, Step};
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::{Drills, Failback, Fencing};
use ghostnet_core::state::{ShiftReason, SignalKind, Stage, TrafficState};
use ghostnet_core::unit::Seconds;
use proptest::prelude::*;

use crate::support::*;

use super::moves;
use super::sides::Sides;

/// Two sides of four of which only one may ever serve. Tick is the tests' hand: `leave`.
pub(super) fn fenced(stop: bool) -> Sides {
    let mut sides = Sides::new(4, 4);
    sides.failover.fencing = Some(Fencing {
        stop,
        timeout: Seconds::minutes(10),
    });
    sides.spec.failover = Some(sides.failover.clone());
    sides
}

fn set(sides: &mut Sides, side: &str, state: InstanceState) {
    for id in sides.of(side) {
        sides.states.insert(id, state);
    }
}

pub(super) fn kept_out(sides: &Sides) -> Option<&str> {
    sides.traffic.fence.as_ref().map(|fence| fence.pool.as_str())
}

pub(super) fn told(decision: &TrafficDecision) -> Vec<String> {
    decision.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn the_old_side_is_out_before_the_new_one_is_in() {
    let mut sides = fenced(false);
    let before = sides.traffic.clone();
    let decision = sides.ask_for("green", false);
    assert!(!moves(&decision), "nobody is let in yet");
    assert_eq!(
        (kept_out(&sides), sides.traffic.active.as_str(), sides.weights()),
        (Some("blue"), "blue", (100, 0))
    );
    assert!(sides.traffic.epoch > before.epoch, "who decided before about capacity is refused");
    assert!(
        decision.enrols && decision.wakes_tick(&before) && decision.look_again,
        "tick has it leave at once"
    );
    assert_eq!(
        told(&decision),
        [
            "traffic leaves blue for green: ana asks: a test",
            "blue is taken out of its target groups: nobody answers until another side is let in",
            "blue is fenced: 0 of 4 are out; not yet i-blue-000, i-blue-001, i-blue-002, i-blue-003",
        ]
    );
    for id in sides.of("blue").into_iter().take(2) {
        sides.health.insert(id, None);
    }
    let id = sides.of("blue").remove(2);
    sides.health.insert(id, Some(TargetHealth::Draining));
    let decision = sides.looks(2, 10);
    assert!(!moves(&decision));
    assert_eq!(
        told(&decision),
        ["blue is fenced: 2 of 4 are out; not yet i-blue-002, i-blue-003"],
        "one that still finishes requests is not out"
    );
    let fence = sides.traffic.fence.clone().unwrap();
    assert_eq!((fence.out, fence.of), (2, 4), "it is on record");
    sides.leave("blue");
    let decision = sides.looks(1, 10);
    assert_eq!((decision.steps.len(), sides.weights()), (1, (0, 100)), "one call, as ever");
    assert_eq!((kept_out(&sides), sides.traffic.active.as_str()), (Some("blue"), "green"));
    let epoch = sides.traffic.epoch;
    let decision = sides.looks(1, 10);
    assert_eq!(told(&decision), ["traffic is at green", "blue is kept out no longer"]);
    assert_eq!((kept_out(&sides), &sides.traffic.shift), (None, &None));
    assert!(decision.enrols && sides.traffic.epoch > epoch, "it comes back as a standby");
}

/// What stands between a side that is kept out and the word that it is out.
#[test]
fn what_keeps_the_other_side_waiting() {
    type Change = fn(&mut Sides, &dyn Fn(&mut Sides, Action), &dyn Fn(&Sides) -> InstanceId);
    let open = |sides: &mut Sides, action: Action| {
        let step = Step {
            id: StepId {
                plan: PlanId::new("p"),
                number: StepNumber(0),
            },
            pool: pool("blue"),
            action,
        };
        sides.capacity.open.push(OpenStep {
            step,
            committed_at: at(0),
            execute_until: at(30),
            taken_over: false,
        });
    };
    let first = |sides: &Sides| sides.of("blue").remove(0);
    // keeps: whether it does without `stop`, and with it
    let cases: [(&str, Change, [bool; 2]); 14] = [
        ("nobody is registered, and all run", |_, _, _| {}, [false, true]),
        (
            "all are stopped",
            |sides, _, _| set(sides, "blue", InstanceState::Stopped),
            [false, false],
        ),
        (
            "all are stopped, and still listed as targets",
            |sides, _, _| {
                set(sides, "blue", InstanceState::Stopped);
                for id in sides.of("blue") {
                    sides.health.insert(id, Some(TargetHealth::InvalidState));
                }
            },
            [false, false],
        ),
        ("all are gone", |sides, _, _| sides.die("blue"), [false, false]),
        (
            "one is stopping",
            |sides, _, first| {
                set(sides, "blue", InstanceState::Stopped);
                sides.states.insert(first(sides), InstanceState::Stopping);
            },
            [false, true],
        ),
        (
            "one is registered and shutting down",
            |sides, _, first| {
                sides.states.insert(first(sides), InstanceState::ShuttingDown);
                sides.health.insert(first(sides), Some(TargetHealth::InvalidState));
            },
            [true, true],
        ),
        (
            "one is registered and fails its checks",
            |sides, _, first| {
                sides.health.insert(first(sides), Some(TargetHealth::Unhealthy));
            },
            [true, true],
        ),
        (
            "one is registered, and EC2 does not list it",
            |sides, _, first| {
                let id = first(sides);
                sides.health.insert(id.clone(), Some(TargetHealth::Healthy));
                sides.capacity.pools.get_mut(&pool("blue")).unwrap().members.remove(&id);
            },
            [true, true],
        ),
        (
            "its groups could not be read",
            |sides, _, _| {
                set(sides, "blue", InstanceState::Stopped);
                sides.unread = Some("blue");
            },
            [true, true],
        ),
        (
            "the list is incomplete",
            |sides, _, _| {
                set(sides, "blue", InstanceState::Stopped);
                sides.instances_known = false;
            },
            [true, true],
        ),
        (
            "one runs that no pool knows",
            |sides, _, _| {
                set(sides, "blue", InstanceState::Stopped);
                sides.states.insert(InstanceId::new("i-new"), InstanceState::Running);
            },
            [false, true],
        ),
        (
            "a register may still land",
            |sides, open, first| {
                set(sides, "blue", InstanceState::Stopped);
                let instances = vec![first(sides)];
                open(
                    sides,
                    Action::Register {
                        group: group("blue"),
                        instances,
                    },
                );
            },
            [true, true],
        ),
        (
            "a start may still land",
            |sides, open, first| {
                set(sides, "blue", InstanceState::Stopped);
                let offering = Offering {
                    zone: ghostnet_core::id::Zone::new("a"),
                    instance_type: None,
                    market: ghostnet_core::observation::Market::OnDemand,
                    reservation: None,
                };
                let instances = vec![first(sides)];
                open(sides, Action::Start { instances, offering });
            },
            [true, true],
        ),
        (
            "a deregister may still land: it brings nobody in",
            |sides, open, first| {
                set(sides, "blue", InstanceState::Stopped);
                let instances = vec![first(sides)];
                open(
                    sides,
                    Action::Deregister {
                        group: group("blue"),
                        instances,
                    },
                );
            },
            [false, false],
        ),
    ];
    for (situation, change, keeps) in cases {
        for (stop, keeps) in [(false, keeps[0]), (true, keeps[1])] {
            let mut sides = fenced(stop);
            sides.ask_for("green", false);
            sides.leave("blue");
            change(&mut sides, &open, &first);
            for _ in 0..3 {
                let decision = sides.looks(1, 10);
                assert!(!keeps || !moves(&decision), "{situation}, stop: {stop}: {:?}", told(&decision));
            }
            assert_eq!(sides.weights() == (0, 100), !keeps, "{situation}, stop: {stop}");
        }
    }
}

/// A fence counts once it is on record: until then somebody may decide about capacity without it.
#[test]
fn a_side_that_is_gone_already_is_fenced_all_the_same() {
    let mut sides = fenced(false);
    sides.die("blue");
    let decision = sides.looks(3, 10);
    assert!(!moves(&decision) && kept_out(&sides) == Some("blue"), "{:?}", told(&decision));
    let decision = sides.looks(1, 10);
    assert!(moves(&decision), "{:?}", told(&decision));
}

#[test]
fn it_holds_and_alerts_and_only_force_goes_past_it() {
    let mut sides = fenced(true);
    sides.sicken("blue", 4);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.looks(3, 10);
    sides.leave("blue");
    let decision = sides.looks(20, 10);
    assert!(!decision.findings.iter().any(TrafficFinding::is_alert), "{:?}", told(&decision));
    assert_eq!(
        told(&decision),
        ["blue is fenced: 0 of 4 are out; not yet i-blue-000, i-blue-001, i-blue-002, i-blue-003"]
    );
    assert!(
        decision.wakes_tick(&sides.traffic),
        "they could be stopped, and nobody answers until they are"
    );
    // its alarm is well again, and it is left all the same: nobody lets it in by half
    sides.alarm("blue", "latency", AlarmState::Ok);
    let decision = sides.looks(360, 10);
    assert!(!moves(&decision) && sides.weights() == (100, 0));
    assert!(decision.findings.iter().any(TrafficFinding::is_alert));
    assert_eq!(
        told(&decision),
        [
            "blue is fenced: 0 of 4 are out; not yet i-blue-000, i-blue-001, i-blue-002, i-blue-003: \
          that takes too long, and no other side is let in"
        ]
    );
    let decision = sides.ask_for("green", true);
    assert_eq!(sides.weights(), (0, 100));
    let past = |finding: &TrafficFinding| matches!(finding, TrafficFinding::PastFence { fenced } if fenced.out == 0);
    assert!(
        decision.findings.iter().any(|finding| past(finding) && finding.is_alert()),
        "{:?}",
        told(&decision)
    );
    sides.looks(3, 10);
    assert_eq!(
        (kept_out(&sides), &sides.traffic.shift),
        (Some("blue"), &None),
        "and it stays out until it is"
    );
    set(&mut sides, "blue", InstanceState::Stopped);
    sides.looks(1, 10);
    assert_eq!(kept_out(&sides), None);
}

/// Nobody was let in, so the side that was to leave serves on.
#[test]
fn a_move_that_is_called_off_lets_the_old_side_in_again() {
    type Act = fn(&mut Sides) -> TrafficDecision;
    let cases: [(&str, Act); 4] = [
        ("somebody asks for the way back", |sides| sides.ask(TrafficWish::Failback)),
        ("somebody undoes it", |sides| sides.ask(TrafficWish::Undo)),
        ("the other side dies", |sides| {
            sides.die("green");
            sides.looks(1, 10)
        }),
        ("half an hour is over, and one is still registered", |sides| {
            let id = sides.of("blue").remove(0);
            sides.health.insert(id, Some(TargetHealth::Healthy));
            sides.looks(179, 10)
        }),
    ];
    for (situation, act) in cases {
        let mut sides = fenced(false);
        sides.ask_for("green", false);
        let id = sides.of("blue").remove(0);
        sides.health.insert(id, None);
        sides.looks(1, 10);
        let decision = act(&mut sides);
        assert_eq!(
            (kept_out(&sides), &sides.traffic.shift),
            (None, &None),
            "{situation}: {:?}",
            told(&decision)
        );
        assert_eq!((sides.traffic.active.as_str(), sides.weights()), ("blue", (100, 0)), "{situation}");
        assert!(decision.enrols, "{situation}: {:?}", told(&decision));
        assert!(sides.traffic.floors.is_empty(), "{situation}");
    }
}

/// One that was left because it is down is not let in again because the other one falls ill: nobody is, until one is ready.
#[test]
fn nobody_is_let_in_while_nobody_is_ready() {
    let mut sides = fenced(false);
    sides.die("blue");
    sides.looks(3, 10);
    sides.sicken("green", 4);
    let decision = sides.looks(100, 10);
    assert_eq!(
        told(&decision),
        [
            "green is not ready: 0 healthy, needs 2",
            "blue is fenced: 0 of 0 are out: that takes too long, and no other side is let in",
        ]
    );
    assert_eq!(sides.weights(), (100, 0));
    sides.heal("green");
    sides.looks(2, 10);
    assert_eq!(sides.weights(), (0, 100));
}

/// Failback, what comes back by itself, undo and a drill's both ways: each side that is left is out first.
#[test]
fn every_way_back_is_fenced_too() {
    type Ask = fn(&mut Sides);
    let cases: [(&str, Ask); 4] = [
        ("failback", |sides| drop(sides.ask(TrafficWish::Failback))),
        ("undo", |sides| drop(sides.ask(TrafficWish::Undo))),
        ("a move by hand", |sides| drop(sides.ask_for("blue", false))),
        ("its time is over", |sides| {
            if let Some(moved) = &mut sides.traffic.moved {
                let until = Some(at(sides.now + 5));
                let (by, reason) = ("ana".to_owned(), "a test".to_owned());
                moved.why = ShiftReason::Asked {
                    by,
                    reason,
                    until,
                    forced: false,
                };
            }
            sides.looks(1, 10);
        }),
    ];
    for (situation, ask) in cases {
        let mut sides = fenced(false);
        sides.ask_for("green", false);
        sides.leave("blue");
        sides.looks(2, 10);
        sides.enter("blue");
        sides.looks(100, 10);
        assert_eq!((kept_out(&sides), sides.weights()), (None, (0, 100)), "{situation}");
        ask(&mut sides);
        assert_eq!((kept_out(&sides), sides.weights()), (Some("green"), (0, 100)), "{situation}");
        sides.looks(3, 10);
        assert_eq!(sides.weights(), (0, 100), "{situation}: it is registered");
        sides.leave("green");
        sides.looks(1, 10);
        assert_eq!(sides.weights(), (100, 0), "{situation}");
        sides.looks(1, 10);
        assert_eq!((kept_out(&sides), &sides.traffic.shift), (None, &None), "{situation}");
    }
}

#[test]
fn a_drill_goes_the_same_way_and_back() {
    let mut sides = fenced(false);
    sides.failover.drill = Some(Drills {
        schedule: None,
        lasts: Seconds::minutes(5),
        block_alarms: Vec::new(),
        end_alarms: Vec::new(),
    });
    sides.ask(TrafficWish::Drill);
    assert_eq!(kept_out(&sides), Some("blue"));
    sides.leave("blue");
    sides.looks(2, 10);
    assert_eq!((kept_out(&sides), sides.weights()), (None, (0, 100)));
    sides.enter("blue");
    sides.looks(30, 10);
    assert_eq!(
        (kept_out(&sides), sides.weights()),
        (Some("green"), (0, 100)),
        "{:?}",
        sides.traffic.drill
    );
    sides.leave("green");
    sides.looks(2, 10);
    assert_eq!((kept_out(&sides), sides.weights()), (None, (100, 0)));
    assert!(sides.traffic.drill.as_ref().is_some_and(|drill| drill.back_at.is_some()));
}

/// The side to come back to has too few by the time that the other one is out: that one serves again after half an hour, and is left in
/// peace for the dwell.
#[test]
fn a_way_back_that_nobody_asked_for_is_given_up_after_half_an_hour_in_which_nobody_answers() {
    let (by, reason) = (|| "ana".to_owned(), || "a test".to_owned());
    for (situation, why) in [
        (
            "failback by itself",
            ShiftReason::Down {
                by: vec![SignalKind::Instances],
            },
        ),
        (
            "its time is over",
            ShiftReason::Asked {
                by: by(),
                reason: reason(),
                until: Some(at(1_000)),
                forced: false,
            },
        ),
        (
            "a drill is over",
            ShiftReason::Drill {
                by: by(),
                reason: reason(),
            },
        ),
    ] {
        let mut sides = fenced(false);
        sides.failover.failback = Failback::Auto { well: 1 };
        sides.failover.drill = Some(Drills {
            schedule: None,
            lasts: Seconds::minutes(15),
            block_alarms: Vec::new(),
            end_alarms: Vec::new(),
        });
        if matches!(why, ShiftReason::Drill { .. }) {
            sides.ask(TrafficWish::Drill);
        } else {
            sides.ask_for("green", false);
        }
        sides.leave("blue");
        sides.looks(2, 10);
        sides.enter("blue");
        if let Some(moved) = &mut sides.traffic.moved {
            moved.why = why.clone();
        }
        while kept_out(&sides).is_none() && sides.now < 3_000 {
            sides.looks(1, 10);
        }
        assert_eq!(kept_out(&sides), Some("green"), "{situation}: {:?}", sides.traffic);
        sides.leave("green");
        sides.sicken("blue", 3);
        let before = sides.looks(29, 60);
        assert_eq!(kept_out(&sides), Some("green"), "{situation}: {:?}", told(&before));
        let decision = sides.looks(1, 60);
        assert!(
            decision.findings.contains(&TrafficFinding::GaveUp { to: pool("blue") }),
            "{situation}: {:?}",
            told(&decision)
        );
        sides.enter("green");
        sides.heal("blue");
        for _ in 0..14 {
            sides.looks(1, 60);
            assert_eq!((kept_out(&sides), sides.weights()), (None, (0, 100)), "{situation}");
        }
        sides.looks(3, 60);
        assert_eq!(kept_out(&sides), Some("green"), "{situation}: it is tried again");
    }
}

#[test]
fn an_undo_that_nobody_can_reach_keeps_nobody_out() {
    let mut sides = fenced(false);
    sides.ask_for("green", false);
    sides.leave("blue");
    sides.looks(2, 10);
    sides.enter("blue");
    sides.weights.remove("blue");
    let decision = sides.ask(TrafficWish::Undo);
    let why = Refusal::CannotReach { pool: pool("blue") };
    assert_eq!(decision.findings, [TrafficFinding::Refused { why }]);
    assert_eq!(kept_out(&sides), None);
    // somebody set the rule while the other side was on its way out
    let mut sides = fenced(false);
    sides.ask_for("green", false);
    sides.leave("blue");
    sides.looks(2, 10);
    sides.enter("blue");
    sides.looks(1, 10);
    sides.ask(TrafficWish::Undo);
    assert_eq!(kept_out(&sides), Some("green"));
    sides.weights = [("blue", 1), ("green", 99)].into();
    sides.leave("green");
    let decision = sides.looks(1, 10);
    assert!(!moves(&decision), "{:?}", told(&decision));
    assert_eq!(
        (kept_out(&sides), &sides.traffic.shift),
        (None, &None),
        "it serves on: {:?}",
        told(&decision)
    );
}

/// A lost call is sent again, and the side stays out meanwhile; a look that a crash follows changes nothing.
#[test]
fn a_crash_anywhere_is_repaired_by_the_next_look() {
    let mut sides = fenced(false);
    sides.ask_for("green", false);
    sides.leave("blue");
    sides.now += 10;
    let lost = sides.lose();
    assert_eq!((lost.steps.len(), sides.traffic.active.as_str()), (1, "green"));
    sides.looks(5, 10);
    assert_eq!((sides.weights(), kept_out(&sides)), ((100, 0), Some("blue")));
    sides.looks(1, 10);
    assert_eq!((sides.weights(), kept_out(&sides)), ((0, 100), Some("blue")));
    sides.looks(1, 10);
    assert_eq!((&sides.traffic.shift, kept_out(&sides)), (&None, None));
}

#[test]
fn a_spec_that_no_longer_asks_for_it_keeps_nobody_out() {
    let mut sides = fenced(true);
    sides.ask_for("green", false);
    sides.failover.fencing = None;
    sides.looks(1, 10);
    assert_eq!((kept_out(&sides), sides.weights()), (None, (0, 100)));
}

#[test]
fn whoever_only_looks_is_told_how_far_it_is() {
    let mut sides = fenced(false);
    sides.ask_for("green", false);
    let id = sides.of("blue").remove(0);
    sides.health.insert(id, None);
    let observation = sides.observe();
    let standing = stand(&TrafficSituation {
        spec: &sides.spec,
        failover: &sides.failover,
        capacity: &sides.capacity,
        traffic: &sides.traffic,
        observation: &observation,
        asked: None,
        now: at(sides.now),
        execute_until: at(sides.now),
    });
    let fenced = standing.fenced.unwrap();
    assert_eq!((fenced.out, fenced.of, fenced.is_complete()), (1, 4, false));
    let one = Fenced {
        holds: vec![InstanceId::new("i-2")],
        out: 2,
        of: 3,
        open: true,
        ..fenced
    };
    assert_eq!(
        one.to_string(),
        "blue is fenced: 2 of 3 are out; not yet i-2; a step may still bring somebody in"
    );
    let unread = Fenced {
        unread: true,
        open: false,
        ..one
    };
    assert_eq!(
        unread.to_string(),
        "blue is fenced: 2 of 3 are out; not everything of it could be read"
    );
}

/// As on record: what only some fleets have is absent elsewhere, and an older reader's state reads.
#[test]
fn a_fence_is_stored_only_where_there_is_one() {
    let mut sides = fenced(false);
    let without = serde_json::to_string(&sides.traffic).unwrap();
    assert!(!without.contains("fence"), "{without}");
    sides.ask_for("green", false);
    let stored = serde_json::to_string(&sides.traffic).unwrap();
    let read: TrafficState = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, sides.traffic);
    assert!(matches!(&sides.traffic.shift, Some(shift) if shift.stage == Stage::Preparing));
}

/// What a person had given another side is not given back where only one may ever serve.
#[test]
fn what_is_restored_sends_something_to_one_side_alone() {
    let mut sides = fenced(false);
    sides.weights = [("blue", 90), ("green", 10)].into();
    sides.ask_for("green", false);
    sides.leave("blue");
    sides.looks(2, 10);
    assert_eq!(sides.weights(), (0, 100));
    sides.enter("blue");
    sides.looks(1, 10);
    sides.ask(TrafficWish::Undo);
    sides.leave("green");
    sides.looks(2, 10);
    assert_eq!((sides.weights(), &sides.traffic.shift), ((100, 0), &None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever is seen of the old side, the new one is let in only if everybody of it is out, and then at once.
    #[test]
    fn nobody_is_let_in_unless_everybody_is_out(
        seen in proptest::collection::vec((0..8_usize, 0..6_usize), 4),
        (stop, known, read) in (proptest::bool::ANY, proptest::bool::weighted(0.9), proptest::bool::weighted(0.9)),
    ) {
        let healths = [
            None,
            None,
            Some(TargetHealth::Draining),
            Some(TargetHealth::Healthy),
            Some(TargetHealth::Unhealthy),
            Some(TargetHealth::Initial),
            Some(TargetHealth::InvalidState),
            Some(TargetHealth::Unavailable),
        ];
        let states = [
            InstanceState::Pending,
            InstanceState::Running,
            InstanceState::Stopping,
            InstanceState::Stopped,
            InstanceState::ShuttingDown,
            InstanceState::Terminated,
        ];
        let mut sides = fenced(stop);
        sides.ask_for("green", false);
        for (id, (health, state)) in sides.of("blue").into_iter().zip(&seen) {
            sides.health.insert(id.clone(), healths[*health]);
            sides.states.insert(id, states[*state]);
        }
        sides.instances_known = known;
        sides.unread = (!read).then_some("blue");
        let is_out = |(health, state): &(usize, usize)| {
            let is_dead = matches!(states[*state], InstanceState::Stopped | InstanceState::Terminated);
            is_dead || !stop && healths[*health].is_none()
        };
        let decision = sides.looks(1, 10);
        prop_assert_eq!(moves(&decision), known && read && seen.iter().all(is_out), "{:?}", told(&decision));
    }
}
