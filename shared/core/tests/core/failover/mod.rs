//! Traffic leaves a failing side, once, for a side that was seen to be able to answer, and comes back safely.

mod degraded;
mod drill;
mod elsewhere;
mod fenced_page;
mod fencing;
mod holder;
mod kept_out;
mod operator;
mod routes;
mod sharing;
mod sides;
mod standby;
mod swap;
mod vanished;
mod waiting;

use std::collections::BTreeMap;

use ghostnet_core::failover::{LOOKS_APART, TrafficFinding, TrafficSituation};
use ghostnet_core::id::{InstanceId, RouteId};
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::{Failback, Lever};
use ghostnet_core::state::{Drain, DrainReason, Member, Pause, SignalKind, Stage};

use crate::support::*;

use self::sides::*;

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
        decision.findings.contains(&TrafficFinding::Moved {
            to: pool("green"),
            drill: false
        }),
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
    let cases: [(&str, Change); 16] = [
        ("all is well", |_| {}),
        ("a few are sick", |sides| sides.sicken("blue", 1)),
        ("errors alone: one kind of signal", |sides| sides.err("blue", 50.0)),
        ("a health alarm alone: one kind of signal", |sides| {
            sides.alarm("blue", "latency", AlarmState::Alarm);
        }),
        ("a health alarm of the other side, and errors", |sides| {
            sides.alarm("green", "latency", AlarmState::Alarm);
            sides.err("blue", 50.0);
        }),
        ("an alarm without data, and errors", |sides| {
            sides.alarm("blue", "latency", AlarmState::InsufficientData);
            sides.err("blue", 50.0);
        }),
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
            sides.failover.lever = Lever::ListenerRules(vec![rule(), RouteId::new("another")]);
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
    let alarm: Change = |sides| sides.alarm("blue", "latency", AlarmState::Alarm);
    let probe: Change = |sides| sides.alarm("blue", "canary", AlarmState::Alarm);
    for (situation, changes, looks) in [
        ("a slow death: answers take too long, and an alarm says so", vec![errors, alarm], 3),
        ("checks, and a canary outside", vec![checks, probe], 3),
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

/// CloudWatch has counted its datapoints before an alarm goes off: it speaks at once, and no longer than it lasts.
#[test]
fn an_alarm_counts_once_and_while_it_lasts() {
    let mut sides = Sides::new(4, 4);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.alarm("blue", "canary", AlarmState::Alarm);
    let decision = sides.looks(1, 10);
    assert!(moves(&decision), "two kinds at the first look: {:?}", decision.findings);
    let mut sides = Sides::new(4, 4);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.looks(3, 10);
    sides.alarm("blue", "latency", AlarmState::Ok);
    sides.alarm("blue", "canary", AlarmState::Alarm);
    let decision = sides.looks(3, 10);
    assert!(!moves(&decision), "they never went off together: {:?}", decision.findings);
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

/// Its load had gone, and it had shrunk to nobody as it was found to be down: the other one has to have somebody all the same.
#[test]
fn a_side_that_wants_nobody_is_left_for_one_where_somebody_answers() {
    let mut sides = Sides::new(2, 0);
    sides.die("blue");
    sides.capacity.pools.get_mut(&pool("blue")).unwrap().desired = 0;
    assert!(!moves(&sides.looks(3, 10)));
    assert_eq!(sides.traffic.floors, [(pool("blue"), 0), (pool("green"), 1)].into());
    sides.put("green", 1);
    assert!(moves(&sides.looks(1, 10)));
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
        decision.findings.contains(&TrafficFinding::ForeignEdit { route: rule() }),
        "{:?}",
        decision.findings
    );
    sides.weights = [("blue", 0), ("green", 7)].into();
    let decision = sides.looks(1, 10);
    assert!(
        decision.findings.contains(&TrafficFinding::Moved {
            to: pool("green"),
            drill: false
        }),
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

/// Nobody measures answers where nobody asks: a side that was slow, and of which nothing is heard since, is not believed to be quick.
#[test]
fn a_side_comes_back_by_itself_only_if_what_called_it_down_speaks_for_it_again() {
    for (situation, canary, comes_back) in [
        ("no more is heard of it", AlarmState::InsufficientData, false),
        ("the canary still waits", AlarmState::Alarm, false),
        ("the canary is answered", AlarmState::Ok, true),
    ] {
        let mut sides = Sides::new(4, 4);
        sides.failover.failback = Failback::Auto { well: 3 };
        sides.err("blue", 50.0);
        sides.alarm("blue", "canary", AlarmState::Alarm);
        sides.looks(4, 60);
        assert_eq!(sides.weights(), (0, 100), "{situation}");
        // no request, no metric
        sides.errors.clear();
        sides.alarm("blue", "canary", canary);
        sides.looks(40, 60);
        assert_eq!(sides.weights() == (100, 0), comes_back, "{situation}");
    }
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

/// Both sides keep their size while a move prepares, and it is looked at every ten seconds: not for ever.
#[test]
fn a_move_for_which_one_kind_of_signal_speaks_on_is_called_off_after_half_an_hour() {
    let mut sides = Sides::new(4, 1);
    sides.err("blue", 50.0);
    sides.sicken("blue", 3);
    sides.looks(4, 60);
    assert!(sides.traffic.shift.is_some(), "{:?}", sides.traffic.sides);
    sides.err("blue", 0.0);
    sides.looks(25, 60);
    assert!(sides.traffic.shift.is_some());
    let mut findings = Vec::new();
    for _ in 0..6 {
        findings.extend(sides.looks(1, 60).findings);
    }
    assert!(findings.contains(&TrafficFinding::Cancelled { to: pool("green") }), "{findings:?}");
    assert_eq!((&sides.traffic.shift, sides.weights()), (&None, (100, 0)));
    // and begins anew when a second kind speaks
    sides.err("blue", 50.0);
    sides.looks(4, 60);
    assert!(sides.traffic.shift.is_some());
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
fn who_is_healthy_is_not_known_of_a_side_whose_targets_cannot_be_read() {
    let mut sides = Sides::new(4, 2);
    sides.sicken("blue", 1);
    for (unread, blue) in [(None, Some(3)), (Some("blue"), None)] {
        sides.unread = unread;
        let observation = sides.observe();
        let situation = TrafficSituation {
            spec: &sides.spec,
            failover: &sides.failover,
            capacity: &sides.capacity,
            traffic: &sides.traffic,
            observation: &observation,
            asked: None,
            now: at(0),
            execute_until: at(30),
        };
        let healthy = ["blue", "green", "red"].map(|side| situation.healthy(&pool(side)));
        assert_eq!(healthy, [blue, Some(2), None], "{unread:?}");
    }
}
