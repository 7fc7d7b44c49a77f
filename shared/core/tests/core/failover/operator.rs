//! What an operator asks of traffic: a move, its way back, the rules as they were.

use ghostnet_core::failover::{Refusal, TrafficFinding, TrafficWish};
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::Failback;
use ghostnet_core::state::ShiftReason;

use crate::support::*;

use super::sides::*;

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
    assert!(decision.findings.contains(&TrafficFinding::ForeignEdit { route: rule() }));
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

/// One kind of signal moves nothing, and keeps nothing from going back; nor does it matter whether a side was ever seen well that is left.
#[test]
fn a_move_for_a_time_ends_also_where_something_speaks_against_its_destination() {
    type Change = fn(&mut Sides);
    let cases: [(&str, Change); 2] = [
        ("one kind of signal", |sides| sides.alarm("green", "latency", AlarmState::Alarm)),
        ("it was never seen well", |sides| {
            sides.sicken("green", 2);
            sides.traffic.sides.remove(&pool("green"));
        }),
    ];
    for (situation, change) in cases {
        let mut sides = Sides::new(4, 4);
        sides.ask(TrafficWish::Failover {
            to: pool("green"),
            until: Some(at(3_600)),
            forced: true,
        });
        sides.looks(30, 60);
        change(&mut sides);
        sides.looks(29, 60);
        assert_eq!(sides.weights(), (0, 100), "{situation}");
        sides.looks(1, 60);
        assert_eq!(sides.weights(), (100, 0), "{situation}");
    }
}

#[test]
fn traffic_comes_back_by_itself_also_from_a_side_that_one_kind_of_signal_speaks_against() {
    let mut sides = Sides::new(4, 4);
    sides.failover.failback = Failback::Auto { well: 10 };
    sides.die("blue");
    sides.looks(4, 10);
    sides.put("blue", 4);
    sides.alarm("green", "latency", AlarmState::Alarm);
    sides.looks(20, 60);
    assert_eq!(sides.weights(), (100, 0));
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

/// They are what the last move gave the sides, and stay as long as it says.
#[test]
fn a_move_that_is_called_off_leaves_the_floors_of_the_one_before() {
    let mut sides = Sides::new(4, 4);
    sides.ask_for("green", false);
    sides.looks(1, 10);
    sides.sicken("blue", 3);
    sides.ask(TrafficWish::Failback);
    assert!(sides.traffic.shift.is_some(), "it waits");
    sides.looks(1, 10);
    let decision = sides.ask(TrafficWish::Failback);
    assert!(decision.findings.contains(&TrafficFinding::Cancelled { to: pool("blue") }));
    assert_eq!(
        sides.traffic.floors,
        [("blue", 4), ("green", 4)].map(|(side, size)| (pool(side), size)).into()
    );
    sides.looks(15, 60);
    assert!(sides.traffic.floors.is_empty(), "the dwell is over");
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
