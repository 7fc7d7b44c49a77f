//! A drill is a real move with nothing wrong: it begins only while everything known speaks for it, and ends at the first sign of harm.

use ghostnet_core::failover::{Refusal, TrafficDecision, TrafficFinding, TrafficWish};
use ghostnet_core::id::AlarmName;
use ghostnet_core::observation::TargetHealth;
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::{Drills, Schedule};
use ghostnet_core::state::{DrillOutcome, SignalKind};
use ghostnet_core::unit::Seconds;

use crate::support::*;

use super::sides::Sides;

/// Two sides whose spec has drills of ten minutes; nothing blocks one.
fn drilled() -> Sides {
    let mut sides = Sides::new(4, 4);
    sides.failover.drill = Some(Drills {
        schedule: None,
        lasts: Seconds::minutes(10),
        block_alarms: vec![AlarmName::new("freeze")],
        end_alarms: vec![AlarmName::new("checkout")],
    });
    sides.other_alarms = [("freeze", AlarmState::Ok), ("checkout", AlarmState::Ok)].into();
    sides
}

fn outcome(sides: &Sides) -> Option<DrillOutcome> {
    sides.traffic.drill.as_ref().and_then(|drill| Some(drill.ended.clone()?.why))
}

fn refused(decision: &TrafficDecision) -> Option<Refusal> {
    decision.findings.iter().find_map(|finding| match finding {
        TrafficFinding::Refused { why } | TrafficFinding::DrillWaits { why } => Some(why.clone()),
        _ => None,
    })
}

fn begun(sides: &mut Sides) {
    let decision = sides.ask(TrafficWish::Drill);
    assert_eq!((refused(&decision), decision.steps.len()), (None, 1));
    sides.looks(1, 10);
    assert_eq!((sides.weights(), sides.traffic.active.as_str()), ((0, 100), "green"));
}

#[test]
fn traffic_goes_there_stays_for_its_time_and_comes_back_in_one_call_each() {
    let mut sides = drilled();
    begun(&mut sides);
    let moved_at = sides.now;
    let decision = sides.looks(59, 10);
    assert!(decision.look_again && sides.weights() == (0, 100), "it is watched all the time");
    let decision = sides.looks(1, 10);
    assert_eq!((sides.weights(), decision.steps.len()), ((100, 0), 1), "after ten minutes");
    sides.looks(1, 10);
    let drill = sides.traffic.drill.clone().unwrap();
    assert_eq!(
        (drill.by.as_str(), drill.reason.as_str(), drill.from.as_str()),
        ("ana", "a test", "blue")
    );
    assert_eq!(drill.ended.map(|end| end.why), Some(DrillOutcome::Passed));
    assert_eq!((drill.moved_at, drill.back_at), (Some(at(moved_at)), Some(at(sides.now))));
    let decision = sides.looks(30, 60);
    assert_eq!(
        (sides.weights(), decision.changes(&sides.traffic)),
        ((100, 0), false),
        "and that was it"
    );
}

#[test]
fn one_whose_move_is_seen_by_a_clock_that_is_behind_goes_on_and_ends() {
    let mut sides = drilled();
    assert_eq!(refused(&sides.ask(TrafficWish::Drill)), None);
    sides.looks(1, -5);
    assert_eq!((sides.weights(), sides.traffic.active.as_str()), ((0, 100), "green"));
    assert_eq!(outcome(&sides), None, "it has begun, and has not ended");
    sides.looks(70, 10);
    assert_eq!((sides.weights(), outcome(&sides)), ((100, 0), Some(DrillOutcome::Passed)));
}

/// It does harm at once, and every look from then on is by the clock that is behind.
#[test]
fn one_that_comes_back_by_a_clock_that_is_behind_is_known_for_what_ended_it() {
    let mut sides = drilled();
    sides.ask(TrafficWish::Drill);
    sides.looks(1, 1);
    sides.other_alarm("checkout", AlarmState::Alarm);
    sides.looks(1, -8);
    sides.looks(3, 1);
    let alarm = AlarmName::new("checkout");
    assert_eq!((sides.weights(), outcome(&sides)), ((100, 0), Some(DrillOutcome::Alarm { alarm })));
    assert!(
        sides.traffic.drill.as_ref().is_some_and(|drill| drill.back_at.is_some()),
        "it is back"
    );
}

/// Between the decision and the look that sees the weights set: ten seconds each way, but for a call that is lost.
#[test]
fn the_requests_that_came_while_the_weights_were_set_are_counted() {
    for (situation, requests, lost, there, back) in [
        (
            "both sides are known",
            vec![("blue", 1_200.0), ("green", 5.5)],
            false,
            Some(201),
            Some(201),
        ),
        ("one is", vec![("blue", 1_200.0)], false, Some(200), Some(200)),
        ("nobody asks", vec![("blue", 0.0)], false, Some(0), Some(0)),
        ("nobody knows", vec![], false, None, None),
        (
            "the call that leads there is lost, and made again a minute later",
            vec![("blue", 60.0)],
            true,
            Some(70),
            Some(10),
        ),
    ] {
        let mut sides = drilled();
        sides.requests = requests.into_iter().collect();
        if lost {
            let before = sides.weights.clone();
            sides.ask(TrafficWish::Drill);
            sides.weights = before;
            sides.looks(10, 10);
        } else {
            begun(&mut sides);
        }
        sides.looks(70, 10);
        let drill = sides.traffic.drill.as_ref().unwrap();
        assert_eq!((drill.at_risk.there, drill.at_risk.back), (there, back), "{situation}");
        assert_eq!(
            (outcome(&sides), drill.sets_since),
            (Some(DrillOutcome::Passed), None),
            "{situation}"
        );
    }
}

#[test]
fn one_that_passes_wakes_nobody() {
    let mut sides = drilled();
    let mut told = sides.ask(TrafficWish::Drill).findings;
    for _ in 0..70 {
        told.extend(sides.looks(1, 10).findings);
    }
    assert_eq!((sides.weights(), outcome(&sides)), ((100, 0), Some(DrillOutcome::Passed)));
    assert!(told.len() > 3 && !told.iter().any(TrafficFinding::is_alert), "{told:?}");
}

/// Nothing fails over from a side that was never seen well: a drill there would have no end.
#[test]
fn one_ends_also_at_a_side_that_was_never_seen_well() {
    let mut sides = drilled();
    begun(&mut sides);
    sides.traffic.sides.remove(&pool("green"));
    sides.alarm("green", "latency", AlarmState::Alarm);
    sides.alarm("green", "canary", AlarmState::Alarm);
    sides.looks(2, 10);
    assert_eq!(sides.weights(), (100, 0));
    let by = vec![SignalKind::Alarms, SignalKind::Probes];
    assert_eq!(outcome(&sides), Some(DrillOutcome::Ill { by }));
}

#[test]
fn the_first_sign_of_harm_ends_it() {
    type Change = fn(&mut Sides);
    let cases: [(&str, Change, DrillOutcome); 3] = [
        (
            "an outcome alarm",
            |sides| sides.other_alarm("checkout", AlarmState::Alarm),
            DrillOutcome::Alarm {
                alarm: AlarmName::new("checkout"),
            },
        ),
        (
            "one kind of signal, where a failover needs two",
            |sides| sides.alarm("green", "latency", AlarmState::Alarm),
            DrillOutcome::Ill {
                by: vec![SignalKind::Alarms],
            },
        ),
        (
            "the spec has no drills any more",
            |sides| sides.failover.drill = None,
            DrillOutcome::Passed,
        ),
    ];
    for (situation, change, expected) in cases {
        let mut sides = drilled();
        begun(&mut sides);
        sides.looks(6, 10);
        change(&mut sides);
        let decision = sides.looks(1, 10);
        assert_eq!(
            (sides.weights(), outcome(&sides)),
            ((100, 0), Some(expected.clone())),
            "{situation}"
        );
        let told = decision
            .findings
            .iter()
            .find(|finding| matches!(finding, TrafficFinding::DrillEnds { .. }));
        assert_eq!(
            told.map(TrafficFinding::is_alert),
            Some(expected != DrillOutcome::Passed),
            "{situation}"
        );
        sides.looks(1, 10);
        assert!(!sides.traffic.drill.clone().unwrap().is_running(), "{situation}");
    }
}

/// The other side is ill, so the traffic stays: somebody is told that the drill is over, and once.
#[test]
fn its_end_is_told_once_however_long_the_way_back_is_barred() {
    let mut sides = drilled();
    begun(&mut sides);
    sides.looks(6, 10);
    sides.sicken("blue", 4);
    sides.alarm("green", "latency", AlarmState::Alarm);
    let mut told = 0;
    for _ in 0..12 {
        let decision = sides.looks(1, 10);
        let ends = |finding: &&TrafficFinding| matches!(finding, TrafficFinding::DrillEnds { .. });
        told += decision.findings.iter().filter(ends).count();
    }
    assert_eq!((told, sides.weights()), (1, (0, 100)));
    sides.heal("blue");
    sides.looks(12, 10);
    assert_eq!(sides.weights(), (100, 0), "it comes back as soon as it may");
    assert!(!sides.traffic.drill.clone().unwrap().is_running());
}

/// CloudWatch lets an alarm that ignores missing data keep its state, and a side without traffic has none.
#[test]
fn one_kind_of_signal_bars_the_way_back_for_half_an_hour_and_two_for_ever() {
    let mut sides = drilled();
    begun(&mut sides);
    sides.looks(30, 10);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.looks(35, 10);
    assert_eq!((sides.weights(), outcome(&sides)), ((0, 100), Some(DrillOutcome::Passed)));
    let ended = sides.traffic.drill.clone().unwrap().ended.unwrap().at;
    while Seconds::between(ended, at(sides.now)) < Seconds::minutes(30) {
        assert_eq!(sides.weights(), (0, 100), "{}", sides.now);
        sides.looks(1, 10);
    }
    sides.looks(2, 10);
    assert_eq!(sides.weights(), (100, 0));
    assert!(!sides.traffic.drill.clone().unwrap().is_running());

    let mut sides = drilled();
    begun(&mut sides);
    sides.looks(30, 10);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.looks(1, 10);
    sides.die("blue");
    sides.looks(300, 10);
    assert_eq!(sides.weights(), (0, 100));
}

#[test]
fn a_failure_meanwhile_is_a_failure() {
    let mut sides = drilled();
    begun(&mut sides);
    sides.looks(6, 10);
    sides.die("green");
    sides.looks(5, 10);
    assert_eq!(sides.weights(), (100, 0));
    sides.looks(5, 10);
    let mut sides = drilled();
    begun(&mut sides);
    sides.looks(6, 10);
    sides.die("blue");
    sides.looks(60, 10);
    assert_eq!(sides.weights(), (0, 100), "nobody goes back to a side that died");
    sides.heal("blue");
}

#[test]
fn an_operator_may_end_it_and_then_it_is_over() {
    for wish in [TrafficWish::Failback, TrafficWish::Undo] {
        let mut sides = drilled();
        begun(&mut sides);
        sides.looks(6, 10);
        sides.ask(wish);
        sides.looks(2, 10);
        assert_eq!((sides.weights(), outcome(&sides)), ((100, 0), Some(DrillOutcome::Overtaken)));
    }
}

#[test]
fn what_keeps_one_from_beginning() {
    type Change = fn(&mut Sides);
    let alarm = |name| AlarmName::new(name);
    let cases: [(&str, Change, Refusal); 9] = [
        ("the spec has none", |sides| sides.failover.drill = None, Refusal::NoDrill),
        (
            "a blocking alarm is off",
            |sides| sides.other_alarm("freeze", AlarmState::Alarm),
            Refusal::DrillBlocked { alarm: alarm("freeze") },
        ),
        (
            "an outcome alarm is off already",
            |sides| sides.other_alarm("checkout", AlarmState::Alarm),
            Refusal::DrillBlocked { alarm: alarm("checkout") },
        ),
        (
            "an alarm without data",
            |sides| sides.other_alarm("freeze", AlarmState::InsufficientData),
            Refusal::AlarmUnknown { alarm: alarm("freeze") },
        ),
        (
            "an alarm that is not there",
            |sides| sides.other_alarms.retain(|name, _| *name != "checkout"),
            Refusal::AlarmUnknown { alarm: alarm("checkout") },
        ),
        (
            "one sign against the side that has the traffic",
            |sides| sides.alarm("blue", "latency", AlarmState::Alarm),
            Refusal::NotWell { pool: pool("blue") },
        ),
        (
            "one sign against the other side",
            |sides| sides.alarm("green", "latency", AlarmState::Alarm),
            Refusal::NotWell { pool: pool("green") },
        ),
        (
            "the other side has begun to fail its checks",
            |sides| sides.sicken("green", 2),
            Refusal::NotWell { pool: pool("green") },
        ),
        (
            "no window is open",
            |sides| {
                sides.failover.drill.as_mut().unwrap().schedule = Schedule::repeating("0 3 * * *", "UTC", Seconds::minutes(60)).ok();
            },
            Refusal::NoDrillNow,
        ),
    ];
    for (situation, change, expected) in cases {
        let mut sides = drilled();
        change(&mut sides);
        sides.looks(1, 10);
        let decision = sides.ask(TrafficWish::Drill);
        assert_eq!((refused(&decision), sides.weights()), (Some(expected), (100, 0)), "{situation}");
        assert_eq!(sides.traffic.drill, None, "{situation}");
    }
    let mut sides = drilled();
    begun(&mut sides);
    sides.looks(62, 10);
    let decision = sides.ask(TrafficWish::Drill);
    assert!(matches!(refused(&decision), Some(Refusal::MovedLately { .. })), "within the dwell");
}

#[test]
fn a_standby_that_must_grow_first_is_waited_for_and_given_up() {
    let mut sides = drilled();
    for id in sides.of("green") {
        sides.health.insert(id, Some(TargetHealth::Initial));
    }
    sides.looks(1, 10);
    let decision = sides.ask(TrafficWish::Drill);
    assert_eq!((decision.steps.len(), sides.traffic.floors.get(&pool("green"))), (0, Some(&4)));
    sides.looks(29, 60);
    assert_eq!(outcome(&sides), None);
    sides.looks(2, 60);
    assert_eq!((sides.weights(), outcome(&sides)), ((100, 0), Some(DrillOutcome::NeverMoved)));
    let mut sides = drilled();
    for id in sides.of("green") {
        sides.health.insert(id, Some(TargetHealth::Initial));
    }
    sides.looks(1, 10);
    sides.ask(TrafficWish::Drill);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.looks(1, 10);
    assert_eq!(
        outcome(&sides),
        Some(DrillOutcome::NeverMoved),
        "what fails for real is not for a drill to move"
    );
}

/// It is noon; a window of two hours opened at eleven.
#[test]
fn one_is_made_by_itself_in_each_window_as_soon_as_nothing_blocks_it() {
    let mut sides = drilled();
    let schedule = Schedule::repeating("0 11 * * *", "UTC", Seconds::minutes(120));
    sides.failover.drill.as_mut().unwrap().schedule = schedule.ok();
    sides.other_alarm("freeze", AlarmState::Alarm);
    let decision = sides.looks(3, 60);
    assert_eq!(
        refused(&decision),
        Some(Refusal::DrillBlocked {
            alarm: AlarmName::new("freeze")
        })
    );
    assert!(
        !decision.changes(&sides.traffic) && !decision.findings.iter().any(TrafficFinding::is_alert),
        "nothing is written, and nobody woken"
    );
    sides.other_alarm("freeze", AlarmState::Ok);
    sides.looks(2, 10);
    assert_eq!(
        (sides.weights(), sides.traffic.drill.as_ref().unwrap().by.as_str()),
        ((0, 100), "schedule")
    );
    sides.looks(70, 10);
    assert_eq!((sides.weights(), outcome(&sides)), ((100, 0), Some(DrillOutcome::Passed)));
    let first = sides.traffic.drill.clone().unwrap().begun_at;
    sides.looks(120, 60);
    assert_eq!(
        (sides.weights(), sides.traffic.drill.clone().unwrap().begun_at),
        ((100, 0), first),
        "once in a window"
    );
    // the next day's
    sides.looks(22 * 60, 60);
    assert!(sides.traffic.drill.clone().unwrap().begun_at > first);
}
