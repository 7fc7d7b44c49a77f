//! Routes that the spec no longer names, or that cannot be read any more, while they are being set.

use std::collections::BTreeMap;

use ghostnet_core::failover::{TrafficFinding, routes};
use ghostnet_core::id::{Destination, RouteId};
use ghostnet_core::spec::Lever;
use ghostnet_core::state::{RouteTo, Routing};

use crate::support::*;

use super::degraded::{sorry, with_page};
use super::sides::*;

fn another(number: u32) -> RouteId {
    RouteId::new(format!(
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/{number}"
    ))
}

/// Blue is dead, and what sets the two rules of the lever was lost.
fn lost() -> Sides {
    let mut sides = Sides::new(4, 4);
    sides.failover.lever = Lever::ListenerRules(vec![rule(), another(8)]);
    sides.more = BTreeMap::from([(another(8), sides.routing())]);
    sides.die("blue");
    sides.looks(2, 10);
    sides.now += 10;
    assert_eq!(sides.lose().steps.len(), 2);
    sides
}

/// Somebody sets all of a rule to one side, by hand.
fn give(sides: &mut Sides, route: &RouteId, to: &str) {
    let weights = ["blue", "green"].map(|side| (Destination::from(&group(side)), if side == to { 100 } else { 0 }));
    let set = Routing {
        weights: weights.into(),
        ..sides.more[route].clone()
    };
    sides.more.insert(route.clone(), set);
}

/// It was deleted and made anew, which gave it another name, and that one was applied.
#[test]
fn a_move_goes_on_with_the_routes_that_the_spec_names_by_now() {
    let mut sides = lost();
    let old = sides.more.remove(&another(8)).unwrap();
    sides.more.insert(another(9), old);
    sides.failover.lever = Lever::ListenerRules(vec![rule(), another(9)]);
    sides.now += 10;
    let taken_in = sides.lose();
    let set: Vec<&RouteId> = taken_in.steps.iter().map(|step| &step.route).collect();
    assert_eq!(set, [&another(9)], "the others may still be on their way");
    assert!(matches!(taken_in.steps[0].set, RouteTo::Weights(_)));
    sides.now += 100;
    let again = sides.decide(None);
    assert_eq!(
        again.steps.len(),
        2,
        "what is not seen to be done is sent again: {:?}",
        again.findings
    );
    sides.weights = [("blue", 0), ("green", 100)].into();
    give(&mut sides, &another(9), "green");
    sides.looks(1, 10);
    assert_eq!((&sides.traffic.shift, sides.traffic.active.as_str()), (&None, "green"));

    let mut sides = lost();
    sides.more.clear();
    sides.failover.lever = Lever::ListenerRules(vec![rule()]);
    sides.looks(8, 10);
    assert_eq!(
        (&sides.traffic.shift, sides.weights()),
        (&None, (0, 100)),
        "one that is named no more"
    );
}

/// It may be read again: nothing is decided of it, and somebody is told.
#[test]
fn a_route_that_cannot_be_read_holds_the_move_and_is_told() {
    let mut sides = lost();
    let old = sides.more.remove(&another(8)).unwrap();
    let unread = TrafficFinding::Unread { route: another(8) };
    let decision = sides.looks(5, 10);
    assert!(!decision.findings.contains(&unread), "its window and the margin are not over");
    let decision = sides.looks(1, 10);
    assert!(decision.findings.contains(&unread) && unread.is_alert(), "{:?}", decision.findings);
    assert_eq!(sides.weights(), (0, 100), "the other one is set");
    assert!(sides.traffic.shift.is_some());
    sides.more.insert(another(8), old);
    give(&mut sides, &another(8), "green");
    sides.looks(1, 10);
    assert_eq!(sides.traffic.shift, None);
}

/// A rule that answers in place of the sides is read until it has its actions back, whatever was applied meanwhile.
#[test]
fn what_answers_instead_is_read_though_the_spec_names_it_no_more() {
    let mut sides = with_page(4, 4);
    if let Some(instead) = &mut sides.failover.degraded {
        instead.shed.push(another(9));
    }
    let before = sides.routing();
    sides.more = BTreeMap::from([(another(9), before.clone())]);
    sides.die("blue");
    sides.die("green");
    sides.looks(3, 10);
    assert_eq!(sides.more[&another(9)].answer, Some(sorry()));
    sides.failover.degraded = None;
    let read = |sides: &Sides| routes(&sides.failover, &sides.traffic).any(|route| *route == another(9));
    assert!(read(&sides));
    sides.put("blue", 4);
    sides.now += 10;
    assert_eq!(sides.lose().steps.len(), 2);
    assert!(read(&sides), "it was not seen to be done");
    let shed = sides.more.remove(&another(9)).unwrap();
    sides.looks(8, 10);
    assert!(sides.traffic.shift.is_some(), "one that cannot be read for a while is waited for");
    sides.more.insert(another(9), shed);
    sides.looks(8, 10);
    assert_eq!((&sides.more[&another(9)], &sides.page), (&before, &None));
    assert_eq!((&sides.traffic.degraded, read(&sides)), (&None, false));
}
