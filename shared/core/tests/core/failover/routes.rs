//! What is not a balancer moves traffic as well: records of Route 53, endpoints and traffic dials of Global Accelerator.

use ghostnet_core::failover::{TrafficFinding, TrafficWish};
use ghostnet_core::id::RouteId;
use ghostnet_core::spec::{Fencing, Lever};
use ghostnet_core::unit::Seconds;

use crate::support::*;

use super::sides::*;

const ACCELERATOR: &str = "arn:aws:globalaccelerator::123456789012:accelerator/a/listener/b";

fn levers() -> [(Lever, u32); 3] {
    let endpoints = format!("{ACCELERATOR}/endpoint-group/c");
    [
        (Lever::Route53Records(vec![RouteId::new("route53:Z0123/www.example.com/A")]), 255),
        (Lever::AcceleratorEndpoints(vec![RouteId::new(endpoints)]), 255),
        (Lever::AcceleratorDials(vec![RouteId::new(ACCELERATOR)]), 100),
    ]
}

#[test]
fn a_side_that_dies_is_left_by_whatever_leads_to_it_and_an_undo_sets_it_as_it_was() {
    for (lever, _) in levers() {
        let mut sides = Sides::new(4, 4).behind(lever.clone());
        sides.weights = [("blue", 90), ("green", 0), ("red", 10)].into();
        sides.die("blue");
        sides.looks(10, 10);
        assert_eq!(
            (sides.weights(), sides.weights["red"]),
            ((0, 90), 10),
            "{lever:?}: others keep theirs"
        );
        assert_eq!(sides.traffic.active, pool("green"), "{lever:?}");

        assert!(moves(&sides.ask(TrafficWish::Undo)), "{lever:?}");
        assert_eq!(sides.weights(), (90, 0), "{lever:?}");
    }
}

#[test]
fn nobody_is_given_more_than_aws_takes() {
    for (lever, most) in levers() {
        let mut sides = Sides::new(4, 4).behind(lever.clone());
        sides.weights = [("blue", most), ("green", 1)].into();
        let to_green = TrafficWish::Failover {
            to: pool("green"),
            until: None,
            forced: false,
        };
        assert!(moves(&sides.ask(to_green)), "{lever:?}");
        assert_eq!(sides.weights(), (0, most), "{lever:?}");
    }
}

#[test]
fn where_every_side_is_active_the_others_take_the_share_of_one_that_fails_up_to_what_aws_takes() {
    for (lever, most) in levers() {
        let mut sides = Sides::sharing(4);
        sides = sides.behind(lever.clone());
        sides.weights = [("blue", most), ("green", most), ("red", most)].into();
        sides.look();
        sides.die("blue");
        sides.looks(10, 10);
        let shares = ["blue", "green", "red"].map(|side| sides.weights[side]);
        assert_eq!(shares, [0, most, most], "{lever:?}");
    }
}

#[test]
fn where_only_one_side_may_serve_the_one_that_is_left_is_out_before_a_record_leads_to_the_other() {
    for (lever, _) in levers() {
        let mut sides = Sides::new(4, 4).behind(lever.clone());
        sides.failover.fencing = Some(Fencing {
            stop: false,
            timeout: Seconds::minutes(10),
        });
        let to_green = TrafficWish::Failover {
            to: pool("green"),
            until: None,
            forced: false,
        };
        assert!(!moves(&sides.ask(to_green)), "{lever:?}: blue is registered");
        assert_eq!(sides.weights(), (100, 0), "{lever:?}");
        sides.leave("blue");
        sides.looks(2, 10);
        assert_eq!(sides.weights(), (0, 100), "{lever:?}");
    }
}

/// A dial is a call of its own: whoever turned the first one and died, or was refused the second, left both sides with traffic.
#[test]
fn dials_of_which_some_were_turned_are_turned_to_the_end() {
    for (now, sent) in [([100, 100], true), ([0, 0], true), ([50, 100], false), ([100, 50], false)] {
        let mut sides = Sides::new(4, 4).behind(Lever::AcceleratorDials(vec![RouteId::new(ACCELERATOR)]));
        sides.die("blue");
        sides.looks(2, 10);
        sides.now += 10;
        assert_eq!(sides.lose().steps.len(), 1);
        sides.weights = [("blue", now[0]), ("green", now[1])].into();
        assert!(!moves(&sides.looks(5, 10)), "{now:?}: its window and the margin are not over");
        let decision = sides.looks(1, 10);
        let foreign = TrafficFinding::ForeignEdit {
            route: RouteId::new(ACCELERATOR),
        };
        assert_eq!(
            (moves(&decision), decision.findings.contains(&foreign)),
            (sent, !sent),
            "{now:?}: {:?}",
            decision.findings
        );
        assert_eq!(sides.weights() == (0, 100), sent, "{now:?}");
        sides.looks(1, 10);
        assert_eq!(sides.traffic.shift.is_none(), sent, "{now:?}");
    }
}

/// The way back is no other: what was turned by half is not what somebody else set.
#[test]
fn an_undo_of_dials_of_which_some_were_turned_goes_on() {
    let mut sides = Sides::new(4, 4).behind(Lever::AcceleratorDials(vec![RouteId::new(ACCELERATOR)]));
    sides.weights = [("blue", 90), ("green", 10)].into();
    sides.ask_for("green", false);
    sides.looks(1, 10);
    assert_eq!(sides.weights(), (0, 100));
    sides.ask(TrafficWish::Undo);
    sides.weights = [("blue", 90), ("green", 100)].into();
    sides.looks(7, 10);
    assert_eq!((sides.weights(), &sides.traffic.shift), ((90, 10), &None));
}
