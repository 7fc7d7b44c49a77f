//! No side can serve: something else answers, and a side takes the traffic again as soon as it is ready.

use std::collections::BTreeMap;

use ghostnet_core::failover::{Refusal, TrafficFinding, TrafficWish};
use ghostnet_core::id::RouteId;
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::{ContentType, Fallback, FixedResponse, Instead};

use crate::support::*;

use super::sides::*;

pub(super) fn sorry() -> FixedResponse {
    FixedResponse {
        status: 503,
        content_type: ContentType::Html,
        body: "back soon".to_owned(),
    }
}

/// Two sides in whose place the balancer itself answers.
pub(super) fn with_page(blue: u32, green: u32) -> Sides {
    let mut sides = Sides::new(blue, green);
    sides.failover.degraded = Some(Instead {
        answer: Fallback::FixedResponse(sorry()),
        shed: Vec::new(),
        checked_by: None,
    });
    sides
}

/// Two sides in whose place another group answers.
fn with_group(blue: u32, green: u32) -> Sides {
    let mut sides = Sides::new(blue, green);
    sides.weights.insert("sorry", 0);
    sides.failover.degraded = Some(Instead {
        answer: Fallback::Forward(group("sorry")),
        shed: Vec::new(),
        checked_by: None,
    });
    sides
}

fn both_die(mut sides: Sides) -> Sides {
    sides.die("blue");
    sides.die("green");
    sides.looks(3, 10);
    sides
}

#[test]
fn a_page_answers_when_both_sides_are_dead_and_the_rules_are_as_before_when_one_is_back() {
    let mut sides = both_die(with_page(4, 4));
    assert_eq!(sides.page, Some(sorry()));
    assert_eq!((sides.traffic.active.clone(), sides.traffic.epoch.0), (pool("blue"), 1));
    assert_eq!(
        sides.traffic.floors,
        [(pool("blue"), 4), (pool("green"), 4)].into(),
        "nobody gives up what may serve again"
    );
    let decision = sides.looks(30, 60);
    assert!(
        !moves(&decision) && decision.look_again && sides.page.is_some(),
        "as long as nobody can serve"
    );
    sides.put("blue", 1);
    assert!(!moves(&sides.looks(3, 10)), "half of four are two");
    sides.put("blue", 4);
    let decision = sides.looks(3, 10);
    assert_eq!((sides.page.clone(), sides.weights()), (None, (100, 0)), "{:?}", decision.findings);
    assert_eq!(sides.traffic.moved, None, "nothing has moved from side to side");
    assert_eq!(
        sides.traffic.epoch.0, 3,
        "the page, its end, and sizes that are the policies' own again"
    );
    assert_eq!((sides.traffic.degraded.clone(), sides.traffic.shift.clone()), (None, None));
}

/// It would have waited for the other side to grow, with traffic at nobody.
#[test]
fn a_page_answers_while_the_other_side_grows() {
    let mut sides = with_page(8, 1);
    sides.die("blue");
    sides.looks(3, 10);
    assert_eq!((sides.page.clone(), sides.traffic.shift.clone()), (Some(sorry()), None));
    assert_eq!(sides.traffic.floors, [(pool("blue"), 8), (pool("green"), 8)].into());
    sides.put("green", 4);
    sides.looks(3, 10);
    assert_eq!(
        (sides.page.clone(), sides.weights(), sides.traffic.active.clone()),
        (None, (0, 100), pool("green"))
    );
    assert_eq!(sides.traffic.epoch.0, 2);
    sides.looks(1, 10);
    sides.heal("blue");
    assert!(moves(&sides.ask(TrafficWish::Undo)));
    sides.looks(1, 10);
    assert_eq!(
        (sides.page.clone(), sides.weights()),
        (None, (100, 0)),
        "an undo restores what was before the page"
    );
}

#[test]
fn another_group_answers_by_the_weight_of_both() {
    let mut sides = with_group(4, 4);
    sides.weights.insert("blue", 90);
    let mut sides = both_die(sides);
    assert_eq!((sides.weights(), sides.weights["sorry"]), ((0, 0), 90));
    sides.put("green", 4);
    sides.looks(3, 10);
    assert_eq!(
        (sides.weights(), sides.weights["sorry"], sides.traffic.active.clone()),
        ((0, 90), 0, pool("green"))
    );
}

#[test]
fn what_does_not_degrade() {
    type Change = fn(&mut Sides);
    let cases: [(&str, Change); 5] = [
        ("some of the side still pass their checks", |sides| {
            sides.sicken("blue", 3);
            sides.err("blue", 50.0);
        }),
        ("both answer slowly, and answer", |sides| {
            for side in ["blue", "green"] {
                sides.err(side, 50.0);
                sides.alarm(side, "latency", AlarmState::Alarm);
            }
        }),
        ("nobody was ever seen well", |sides| {
            sides.traffic.sides.clear();
            sides.die("blue");
            sides.die("green");
        }),
        ("their targets cannot be read", |sides| {
            sides.unread = Some("blue");
            sides.die("blue");
        }),
        ("the other one is ready", |sides| sides.die("blue")),
    ];
    for (situation, change) in cases {
        let mut sides = with_page(4, if situation == "the other one is ready" { 4 } else { 1 });
        change(&mut sides);
        for _ in 0..10 {
            let decision = sides.looks(1, 60);
            assert!(
                sides.traffic.degraded.is_none() && sides.page.is_none(),
                "{situation}: {:?}",
                decision.findings
            );
        }
    }
}

/// Nothing moves twice within the dwell, but a page is better than nobody.
#[test]
fn within_the_dwell_a_page_answers_too() {
    let mut sides = with_page(4, 4);
    sides.die("blue");
    sides.looks(4, 10);
    assert_eq!(sides.traffic.active, pool("green"));
    sides.die("green");
    sides.looks(3, 10);
    assert_eq!(sides.page, Some(sorry()));
}

#[test]
fn a_lost_call_is_sent_again_after_its_window_and_a_foreign_edit_is_left_alone() {
    let mut sides = with_page(4, 4);
    sides.die("blue");
    sides.die("green");
    sides.looks(2, 10);
    sides.now += 10;
    let lost = sides.lose();
    assert_eq!((lost.steps.len(), sides.page.clone()), (1, None));
    assert!(!moves(&sides.looks(5, 10)), "its window and the margin are not over");
    assert!(moves(&sides.looks(1, 10)));
    assert_eq!((sides.page.clone(), sides.traffic.epoch.0), (Some(sorry()), 1));

    (sides.page, sides.weights) = (None, [("blue", 1), ("green", 1)].into());
    let decision = sides.looks(10, 10);
    assert!(
        decision.findings.contains(&TrafficFinding::ForeignEdit { route: rule() }),
        "{:?}",
        decision.findings
    );
    assert!(!moves(&decision));
    sides.put("blue", 4);
    sides.looks(6, 10);
    assert_eq!(
        (sides.weights(), sides.traffic.degraded.clone()),
        ((1, 1), None),
        "whoever set it keeps it"
    );
}

/// Somebody knows better than the checks: what they ask for holds for the dwell.
#[test]
fn an_operator_has_a_side_serve_whatever_the_checks_say() {
    let to = |forced| TrafficWish::Failover {
        to: pool("green"),
        until: None,
        forced,
    };
    let mut sides = both_die(with_page(4, 4));
    for wish in [to(false), TrafficWish::Failback] {
        let decision = sides.ask(wish);
        assert_eq!(decision.findings, [TrafficFinding::Refused { why: Refusal::Degraded }]);
    }
    sides.ask(to(true));
    assert_eq!((sides.page.clone(), sides.weights()), (None, (0, 100)));
    sides.looks(14, 60);
    assert_eq!(sides.page, None, "for a quarter of an hour");
    sides.looks(3, 60);
    assert_eq!(sides.page, Some(sorry()));
    sides.ask(TrafficWish::Undo);
    assert_eq!((sides.page.clone(), sides.weights()), (None, (0, 100)), "as it was before the page");
}

/// It comes back when the time is over, as from any other move for a time; without one, `failback` says whether it does.
#[test]
fn a_move_for_a_time_out_of_the_page_ends_by_itself() {
    for (until, back) in [(Some(1_200), true), (None, false)] {
        let mut sides = both_die(with_page(4, 4));
        let until = until.map(|seconds| at(sides.now + seconds));
        let to = pool("green");
        sides.ask(TrafficWish::Failover { to, until, forced: true });
        assert_eq!((sides.page.clone(), sides.weights()), (None, (0, 100)));
        sides.put("blue", 4);
        sides.put("green", 4);
        sides.looks(19, 60);
        assert_eq!(sides.weights(), (0, 100), "{until:?}");
        sides.looks(2, 60);
        assert_eq!(sides.weights() == (100, 0), back, "{until:?}");
    }
}

/// With a rule beside those of the lever that is shed while something else answers.
fn shedding(mut sides: Sides) -> (RouteId, Sides) {
    let shed = RouteId::new("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/9");
    if let Some(instead) = &mut sides.failover.degraded {
        instead.shed.push(shed.clone());
    }
    sides.more = BTreeMap::from([(shed.clone(), sides.routing())]);
    (shed, sides)
}

/// Requests that can wait are turned away too, and their rules are as they were afterwards.
#[test]
fn rules_that_are_shed_answer_the_same_page() {
    let (shed, sides) = shedding(with_page(4, 4));
    let before = sides.routing();
    let mut sides = both_die(sides);
    let page = sides.routing();
    assert_eq!(sides.more[&shed].answer, Some(sorry()));
    assert_eq!(page.answer, Some(sorry()));
    sides.put("blue", 4);
    sides.looks(3, 10);
    assert_eq!(sides.more[&shed], before);
}

/// As if the table were restored to a moment before something else began to answer: failover finds that nobody serves, and notes what
/// answers for what was there before.
pub(super) fn forgets_what_was_before(mut sides: Sides) -> Sides {
    let before = (sides.traffic.clone(), sides.capacity.clone());
    let mut sides = {
        sides = both_die(sides);
        assert!(sides.traffic.degraded.take().is_some());
        sides
    };
    (sides.traffic, sides.capacity) = before;
    sides.looks(3, 10);
    let noted = sides.traffic.degraded.as_ref().map(|degraded| degraded.previous[&rule()].clone());
    assert_eq!(noted, Some(sides.routing()), "it notes what answers now");
    sides
}

#[test]
fn who_forgot_what_was_before_leads_traffic_to_the_sides_by_the_spec() {
    let forgotten = TrafficFinding::Forgotten { route: rule(), set: true };
    let page = |mut sides: Sides| {
        sides.failover.degraded = with_page(1, 1).failover.degraded;
        sides
    };
    let group = || {
        let mut sides = with_group(4, 4);
        sides.weights.extend([("sorry", 3), ("others", 7)]);
        sides
    };
    type Weights<'a> = &'a [(&'a str, u32)];
    let cases: [(&str, Sides, &[&str], Weights<'_>); 5] = [
        (
            "the side that had it",
            with_page(4, 4),
            &["blue", "green"],
            &[("blue", 100), ("green", 0)],
        ),
        ("the other one", with_page(4, 4), &["green"], &[("blue", 0), ("green", 100)]),
        (
            "another group answered",
            group(),
            &["blue"],
            &[("blue", 100), ("green", 0), ("sorry", 0), ("others", 7)],
        ),
        (
            "sides that share it, alike",
            page(Sides::sharing(4)),
            &["blue", "green", "red"],
            &[("blue", 100), ("green", 100), ("red", 100)],
        ),
        (
            "two of them are back",
            page(Sides::sharing(4)),
            &["blue", "red"],
            &[("blue", 150), ("green", 0), ("red", 150)],
        ),
    ];
    for (situation, mut sides, back, weights) in cases {
        if sides.weights.contains_key("red") {
            sides.die("red");
        }
        let mut sides = forgets_what_was_before(sides);
        for side in back {
            sides.put(side, 4);
        }
        let decisions: Vec<_> = (0..3).map(|_| sides.looks(1, 10)).collect();
        let findings: Vec<_> = decisions.into_iter().flat_map(|decision| decision.findings).collect();
        assert!(findings.contains(&forgotten), "{situation}: {findings:?}");
        assert_eq!(
            (sides.page.clone(), &sides.weights),
            (None, &weights.iter().copied().collect()),
            "{situation}"
        );
        assert_eq!(sides.traffic.degraded, None, "{situation}");
    }
}

/// Whoever set the page that answers may have forwarded to anything before, and of a side with two groups nobody knows which.
#[test]
fn what_the_spec_does_not_say_is_left_to_a_person() {
    let (shed, sides) = shedding(with_page(4, 4));
    let mut sides = forgets_what_was_before(sides);
    sides.put("blue", 4);
    let decision = sides.looks(1, 10);
    assert!(decision.findings.contains(&TrafficFinding::Forgotten {
        route: shed.clone(),
        set: false
    }));
    sides.looks(2, 10);
    assert_eq!((sides.page.clone(), sides.more[&shed].answer.clone()), (None, Some(sorry())));

    let mut sides = forgets_what_was_before(with_page(4, 4));
    if let Some(blue) = sides.spec.pools.first_mut() {
        blue.target_groups.push(group("blue-too"));
    }
    sides.put("blue", 4);
    let decision = sides.looks(3, 10);
    assert_eq!(sides.page, Some(sorry()));
    assert_eq!(decision.readiness[&pool("green")].unreachable, [rule()]);
}

/// It is told as soon as it is noted: nothing else would ever ask a person.
#[test]
fn a_route_that_nobody_knows_the_way_of_is_told_at_once() {
    type Change = fn(&mut Sides);
    let cases: [(&str, Sides, Change, bool); 2] = [
        (
            "one that names no side any more",
            with_group(4, 4),
            |sides| sides.weights = [("sorry", 3)].into(),
            true,
        ),
        ("one that the spec knows the way of", with_page(4, 4), |_| {}, false),
    ];
    for (situation, sides, change, told) in cases {
        let before = (sides.traffic.clone(), sides.capacity.clone());
        let mut sides = both_die(sides);
        (sides.traffic, sides.capacity) = before;
        change(&mut sides);
        let mut findings = Vec::new();
        for _ in 0..3 {
            findings.extend(sides.looks(1, 10).findings);
        }
        let times = findings
            .iter()
            .filter(|finding| **finding == TrafficFinding::Forgotten { route: rule(), set: false })
            .count();
        assert_eq!(times, usize::from(told), "{situation}: {findings:?}");
        sides.put("blue", 4);
        sides.looks(3, 10);
        assert_eq!(
            sides.traffic.degraded.is_some(),
            told,
            "{situation}: nothing is sent that would be refused"
        );
    }
}

#[test]
fn where_the_side_that_had_the_traffic_wants_nobody_the_other_one_grows_to_one() {
    let mut sides = with_page(4, 4);
    for side in sides.capacity.pools.values_mut() {
        side.desired = 0;
    }
    sides.sicken("blue", 4);
    sides.sicken("green", 4);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.looks(4, 10);
    assert_eq!(sides.page, Some(sorry()), "{:?}", sides.traffic);
    assert_eq!(sides.traffic.floors[&pool("green")], 1);
}

#[test]
fn an_undo_never_brings_back_what_answered_in_place_of_all_sides() {
    let mut sides = forgets_what_was_before(with_page(4, 4));
    sides.put("green", 4);
    sides.looks(3, 10);
    assert_eq!((sides.page.clone(), sides.weights()), (None, (0, 100)));
    let decision = sides.ask(TrafficWish::Undo);
    let refused = TrafficFinding::Refused {
        why: Refusal::NothingMoved,
    };
    assert_eq!((decision.findings, sides.page), (vec![refused], None));
}

/// A rule that was turned away with a plain 503 is not put back to that silently.
#[test]
fn where_another_group_answers_a_shed_rule_is_known_by_its_503() {
    let mut sides = with_group(4, 4);
    sides.weights.insert("sorry", 3);
    let (shed, sides) = shedding(sides);
    let mut sides = forgets_what_was_before(sides);
    sides.put("blue", 4);
    let decision = sides.looks(1, 10);
    let forgotten = TrafficFinding::Forgotten { route: shed, set: false };
    assert!(decision.findings.contains(&forgotten), "{:?}", decision.findings);
}
