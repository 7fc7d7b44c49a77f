//! Where only one side may ever serve and a page answers for both: who had the traffic is out before another side has it.

use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::{Fallback, Instead};

use crate::support::*;

use super::fencing::{fenced, kept_out, told};
use super::sides::Sides;

/// Two fenced sides with these weights, both of which have fallen ill, and the page that answers.
fn both_ill((blue, green): (u32, u32)) -> Sides {
    let mut sides = fenced(false);
    sides.failover.degraded = Some(Instead {
        answer: Fallback::Forward(group("sorry")),
        shed: Vec::new(),
        checked_by: None,
    });
    sides.weights = [("blue", blue), ("green", green), ("sorry", 0)].into();
    sides.look();
    sides.sicken("blue", 4);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.sicken("green", 4);
    sides.looks(3, 10);
    assert_eq!(sides.weights["sorry"], 100, "{:?}", sides.traffic);
    sides
}

/// Something else answers: whoever takes the traffic next waits until the side that had it is out.
#[test]
fn after_something_else_has_answered_it_is_the_same() {
    let mut sides = both_ill((100, 0));
    assert_eq!(kept_out(&sides), None);
    sides.heal("green");
    let decision = sides.looks(1, 10);
    assert_eq!(
        (kept_out(&sides), sides.weights["sorry"]),
        (Some("blue"), 100),
        "{:?}",
        told(&decision)
    );
    sides.looks(2, 10);
    assert_eq!(sides.weights(), (0, 0), "it is registered");
    sides.leave("blue");
    sides.looks(1, 10);
    assert_eq!((sides.weights(), sides.weights["sorry"]), ((0, 100), 0));
    sides.looks(1, 10);
    assert_eq!((kept_out(&sides), sides.traffic.degraded.is_some()), (None, false));
}

#[test]
fn the_side_that_had_the_traffic_serves_again_after_something_else_without_a_fence() {
    let mut sides = both_ill((100, 0));
    sides.heal("green");
    sides.looks(1, 10);
    assert_eq!(kept_out(&sides), Some("blue"));
    // the one that was to take it falls ill again
    sides.sicken("green", 4);
    sides.looks(1, 10);
    assert_eq!(kept_out(&sides), None, "nobody is kept out for nobody");
    sides.heal("blue");
    sides.alarm("blue", "latency", AlarmState::Ok);
    sides.looks(1, 10);
    assert_eq!((kept_out(&sides), sides.weights()), (None, (100, 0)));
}

/// A person had both have some: the one that is to have it all waits until the other one is out.
#[test]
fn who_shared_it_by_a_person_s_hand_is_left_after_a_page() {
    let mut sides = both_ill((40, 60));
    sides.heal("blue");
    sides.alarm("blue", "latency", AlarmState::Ok);
    sides.looks(3, 10);
    assert_eq!(
        (kept_out(&sides), sides.weights(), sides.weights["sorry"]),
        (Some("green"), (0, 0), 100)
    );
    sides.leave("green");
    sides.looks(1, 10);
    assert_eq!((sides.weights(), sides.weights["sorry"]), ((100, 0), 0));
    sides.looks(2, 10);
    assert_eq!((kept_out(&sides), sides.traffic.degraded.is_some()), (None, false));
}

/// The rules may be set late: until they were seen to be, nobody comes in beside the one that they lead to.
#[test]
fn who_is_out_stays_out_until_the_rules_were_seen_to_be_set() {
    let mut sides = both_ill((40, 60));
    sides.heal("blue");
    sides.alarm("blue", "latency", AlarmState::Ok);
    sides.looks(3, 10);
    sides.leave("green");
    sides.now += 10;
    let decision = sides.lose();
    assert_eq!(decision.steps.len(), 1, "{decision:?}");
    for _ in 0..6 {
        sides.looks(1, 10);
        if sides.weights() == (0, 0) {
            assert_eq!(kept_out(&sides), Some("green"), "{:?}", sides.traffic);
        }
    }
    assert_eq!(sides.weights(), (100, 0), "it was sent again");
    sides.looks(2, 10);
    assert_eq!(kept_out(&sides), None);
}

/// A restored table may take the wrong side for the one that served last.
#[test]
fn where_it_is_forgotten_who_served_nobody_is_let_in_before_the_others_are_out() {
    let before = both_ill((100, 0));
    let mut sides = before;
    sides.traffic.degraded = None;
    sides.traffic.epoch.0 -= 1;
    sides.looks(3, 10);
    assert!(sides.traffic.degraded.is_some(), "it notes what answers now");
    sides.heal("blue");
    sides.alarm("blue", "latency", AlarmState::Ok);
    sides.looks(3, 10);
    assert_eq!((kept_out(&sides), sides.weights["sorry"]), (Some("green"), 100));
    sides.leave("green");
    sides.looks(2, 10);
    assert_eq!((sides.weights(), sides.weights["sorry"]), ((100, 0), 0));
}

/// A person had all of it go to the other side: whoever served last serves again, and nobody else is let in for that.
#[test]
fn after_a_page_the_side_that_served_before_it_serves_again() {
    let mut sides = both_ill((0, 100));
    sides.heal("blue");
    sides.alarm("blue", "latency", AlarmState::Ok);
    sides.looks(2, 10);
    assert_eq!((sides.weights(), &sides.traffic.shift), ((0, 100), &None));
}
