//! While a move waits for its destination, the side that still has the traffic is watched as ever.

use ghostnet_core::failover::{TrafficFinding, TrafficWish};
use ghostnet_core::state::{ShiftReason, Stage};

use crate::support::*;

use super::degraded::{sorry, with_page};
use super::sides::*;

/// `blue` takes the traffic, two others stand by, each with so many; all that there are are well, and were seen to be.
fn three(blue: u32, green: u32, red: u32) -> Sides {
    let mut sides = Sides::sharing(0);
    sides.failover = Sides::new(1, 1).failover;
    sides.weights = [("blue", 100), ("green", 0), ("red", 0)].into();
    for (side, size) in [("blue", blue), ("green", green), ("red", red)] {
        sides.put(side, size);
    }
    sides.look();
    sides
}

fn for_a_time(until: i64) -> TrafficWish {
    TrafficWish::Failover {
        to: pool("green"),
        until: Some(at(until)),
        forced: false,
    }
}

fn prepares(sides: &Sides) -> bool {
    matches!(&sides.traffic.shift, Some(shift) if shift.stage == Stage::Preparing)
}

/// The time is over, and the side to come back to is gone: traffic stays with the only one that answers, and that one is judged.
#[test]
fn a_move_for_a_time_does_not_wait_for_a_side_that_is_down() {
    let mut sides = with_page(4, 4);
    sides.ask(for_a_time(600));
    sides.looks(2, 60);
    sides.die("blue");
    sides.looks(20, 60);
    assert_eq!((&sides.traffic.shift, sides.weights()), (&None, (0, 100)));
    sides.die("green");
    sides.looks(6, 10);
    assert_eq!(sides.page, Some(sorry()));

    // it dies while it grows
    let mut sides = with_page(4, 4);
    sides.ask(for_a_time(600));
    sides.looks(2, 60);
    sides.sicken("blue", 3);
    sides.capacity.pools.get_mut(&pool("green")).unwrap().desired = 8;
    sides.looks(9, 60);
    assert!(prepares(&sides), "{:?}", sides.traffic);
    sides.die("blue");
    let mut findings = Vec::new();
    for _ in 0..6 {
        findings.extend(sides.looks(1, 10).findings);
    }
    assert!(findings.contains(&TrafficFinding::Cancelled { to: pool("blue") }), "{findings:?}");
    assert_eq!((&sides.traffic.shift, sides.weights()), (&None, (0, 100)));
}

#[test]
fn something_else_answers_when_the_side_dies_that_an_operator_has_traffic_leave() {
    let mut sides = with_page(4, 1);
    sides.ask_for("green", false);
    assert!(prepares(&sides));
    sides.die("blue");
    sides.looks(3, 10);
    assert_eq!((sides.page.clone(), &sides.traffic.shift), (Some(sorry()), &None));
}

#[test]
fn a_third_side_takes_the_traffic_when_the_side_dies_that_an_operator_has_it_leave() {
    let mut sides = three(4, 1, 4);
    sides.ask_for("green", false);
    assert!(prepares(&sides));
    sides.die("blue");
    let mut findings = Vec::new();
    for _ in 0..4 {
        findings.extend(sides.looks(1, 10).findings);
    }
    assert_eq!(sides.traffic.active, pool("red"), "{findings:?}");
    let leaves = |finding: &TrafficFinding| matches!(finding, TrafficFinding::Leaves { to, why: ShiftReason::Down { .. }, .. } if *to == pool("red"));
    assert!(findings.iter().any(leaves), "{findings:?}");
}

/// None was ready when it died, and one of them was chosen to grow: for that one nobody waits while another is ready.
#[test]
fn a_move_turns_to_the_side_that_is_ready_first() {
    for other in ["green", "red"] {
        let mut sides = three(4, 0, 0);
        sides.die("blue");
        sides.looks(3, 10);
        assert!(prepares(&sides), "{:?}", sides.traffic);
        sides.put(other, 4);
        sides.looks(2, 10);
        assert_eq!((sides.traffic.active.as_str(), sides.weights[other]), (other, 100));
    }
}

/// The one that grows dies as well: the last one grows in its place.
#[test]
fn a_move_turns_from_a_side_that_is_down_to_one_that_can_grow() {
    let mut sides = three(4, 0, 1);
    sides.die("blue");
    sides.looks(3, 10);
    let to = |sides: &Sides| sides.traffic.shift.as_ref().map(|shift| shift.to.clone());
    assert_eq!(to(&sides), Some(pool("red")));
    sides.die("red");
    sides.looks(3, 10);
    assert_eq!(to(&sides), Some(pool("green")));
    assert_eq!(sides.traffic.floors[&pool("green")], 4);
}

/// As it is told where a side fails and no other was there to begin with.
#[test]
fn it_is_told_that_nobody_can_serve_when_the_destination_dies_too() {
    for (situation, mut sides) in [("weights", Sides::new(4, 1)), ("targets", Sides::swapping(4, 1))] {
        sides.die("blue");
        sides.looks(3, 10);
        assert!(prepares(&sides), "{situation}: {:?}", sides.traffic);
        sides.enter("green");
        let nobody = TrafficFinding::NobodyCanServe { pool: pool("blue") };
        let decision = sides.looks(3, 10);
        assert!(!decision.findings.contains(&nobody), "{situation}: {:?}", decision.findings);
        sides.die("green");
        let decision = sides.looks(4, 10);
        assert!(
            decision.findings.contains(&nobody) && nobody.is_alert(),
            "{situation}: {:?}",
            decision.findings
        );
    }
}
