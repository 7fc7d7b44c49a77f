//! Where an address or a line of a route table leads to one instance: it follows whoever serves, and changes sides with the traffic.

use ghostnet_core::failover::{Refusal, TrafficFinding, TrafficWish};
use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::InstanceState;
use ghostnet_core::plan::TAKE_OVER_MARGIN;
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::Failback;
use ghostnet_core::state::{Drain, DrainReason, Member, Warm, WarmPhase};

use crate::support::*;

use super::sides::*;

const BLUE: [&str; 3] = ["i-blue-000", "i-blue-001", "i-blue-002"];
const GREEN: [&str; 2] = ["i-green-000", "i-green-001"];

fn both(id: &str) -> [Option<&str>; 2] {
    [Some(id); 2]
}

fn member<'a>(sides: &'a mut Sides, side: &str, id: &str) -> &'a mut Member {
    let state = sides.capacity.pools.get_mut(&pool(side)).unwrap();
    state.members.get_mut(&InstanceId::new(id)).unwrap()
}

fn drain(sides: &mut Sides, id: &str) {
    drain_for(sides, id, DrainReason::ScaleIn);
}

fn drain_for(sides: &mut Sides, id: &str, why: DrainReason) {
    let since = at(sides.now).into();
    member(sides, "blue", id).drain = Some(Drain {
        since,
        deadline: since,
        why,
    });
}

/// Two kinds of signal say that a side is down, while all of it runs.
fn fails(sides: &mut Sides, side: &'static str, state: AlarmState) {
    for name in ["latency", "canary"] {
        sides.alarm(side, name, state);
    }
}

fn leads_to(id: &str) -> TrafficFinding {
    TrafficFinding::LeadsTo {
        instance: InstanceId::new(id),
    }
}

#[test]
fn what_leads_to_nobody_is_led_to_the_one_that_has_served_longest_and_stays_there() {
    let mut sides = Sides::leading(3, 2);
    assert_eq!(
        sides.led(),
        both(BLUE[0]),
        "of those that served as long as each other the first one"
    );
    member(&mut sides, "blue", BLUE[2]).served_since = Some(at(-50_000).into());
    let decision = sides.looks(20, 60);
    assert!(!moves(&decision) && decision.findings.is_empty(), "{:?}", decision.findings);
    assert_eq!(sides.led(), both(BLUE[0]), "one that has served longer takes nothing from it");
    let idle = ["blue", "green"].map(|side| sides.traffic.sides[&pool(side)].idle);
    assert_eq!(idle, [false, true], "nothing leads to green");
    sides.traffic.holder = None;
    for route in [address(), line()] {
        sides.lead_nowhere(route);
    }
    sides.looks(1, 60);
    assert_eq!(sides.led(), both(BLUE[2]));

    let mut sides = Sides::leading(3, 2);
    sides.more.clear();
    sides.traffic.holder = None;
    sides.look();
    sides.lead(address(), BLUE[1]);
    sides.lead(line(), BLUE[1]);
    let decision = sides.looks(1, 10);
    assert!(!moves(&decision) && decision.findings == [leads_to(BLUE[1])], "{decision:?}");
}

#[test]
fn one_that_is_lost_or_leaves_hands_over_to_another_one_of_its_side() {
    type Loss = fn(&mut Sides);
    let losses: [(&str, Loss); 5] = [
        ("it stops", |sides| {
            sides.states.insert(InstanceId::new(BLUE[0]), InstanceState::Stopped);
        }),
        ("it is terminated, which takes the address from it", |sides| {
            sides.states.insert(InstanceId::new(BLUE[0]), InstanceState::Terminated);
            sides.more.get_mut(&address()).unwrap().weights.clear();
        }),
        ("it is gone", |sides| {
            sides.states.remove(&InstanceId::new(BLUE[0]));
            member(sides, "blue", BLUE[0]).gone = true;
        }),
        ("it is drained", |sides| drain(sides, BLUE[0])),
        ("it goes back to the warm pool", |sides| {
            member(sides, "blue", BLUE[0]).warm = Some(Warm {
                phase: WarmPhase::Kept,
                since: at(sides.now).into(),
            });
        }),
    ];
    for (why, lose) in losses {
        let mut sides = Sides::leading(3, 2);
        let epoch = sides.traffic.epoch;
        lose(&mut sides);
        let decision = sides.looks(1, 10);
        assert_eq!((sides.led(), decision.steps.len()), (both(BLUE[1]), 2), "{why}: one call for each");
        assert!(decision.findings.contains(&leads_to(BLUE[1])), "{why}: {:?}", decision.findings);
        assert_eq!(
            (sides.traffic.active.as_str(), sides.traffic.epoch),
            ("blue", epoch),
            "{why}: no failover"
        );
        assert!(!moves(&sides.looks(3, 60)), "{why}");
    }
}

#[test]
fn one_that_is_not_listed_yet_or_of_which_nothing_could_be_read_keeps_it() {
    let mut sides = Sides::leading(3, 2);
    sides.states.remove(&InstanceId::new(BLUE[0]));
    assert!(!moves(&sides.looks(3, 60)), "not listed is not gone");
    assert_eq!(sides.led(), both(BLUE[0]));

    let mut sides = Sides::leading(3, 2);
    sides.states.insert(InstanceId::new(BLUE[0]), InstanceState::Stopped);
    sides.instances_known = false;
    assert!(!moves(&sides.looks(3, 60)), "nobody knows who runs");
    sides.instances_known = true;
    assert!(moves(&sides.looks(1, 60)));
}

#[test]
fn a_side_that_fails_by_two_kinds_of_signal_hands_everything_over_in_one_call_each() {
    let mut sides = Sides::leading(3, 2);
    sides.die("blue");
    assert!(!moves(&sides.looks(10, 10)), "what EC2 says moves nothing alone");
    sides.alarm("blue", "canary", AlarmState::Alarm);
    let decision = sides.looks(1, 10);
    assert_eq!((decision.steps.len(), sides.led()), (2, both(GREEN[0])), "{:?}", decision.findings);
    assert_eq!((sides.traffic.active.as_str(), sides.traffic.epoch.0), ("green", 1));
    let decision = sides.looks(1, 10);
    let moved = TrafficFinding::Moved {
        to: pool("green"),
        drill: false,
    };
    assert!(
        decision.findings.contains(&moved),
        "it was seen to be done: {:?}",
        decision.findings
    );
    assert!(!moves(&sides.looks(30, 60)));

    let mut sides = Sides::leading(3, 2);
    sides.alarm("blue", "canary", AlarmState::Alarm);
    assert!(!moves(&sides.looks(10, 60)), "one alarm moves nothing alone");
    assert_eq!(sides.led(), both(BLUE[0]));
}

/// No balancer tells of who is sick: GhostNet's own account of it does.
#[test]
fn who_is_replaced_because_it_fell_ill_speaks_against_its_side_and_who_leaves_otherwise_does_not() {
    for (why, active) in [
        (DrainReason::ScaleIn, "blue"),
        (DrainReason::Unhealthy, "green"),
        (DrainReason::Kept, "green"),
    ] {
        let mut sides = Sides::leading(3, 2);
        for id in &BLUE[..2] {
            drain_for(&mut sides, id, why);
        }
        sides.alarm("blue", "canary", AlarmState::Alarm);
        sides.looks(5, 10);
        assert_eq!(sides.traffic.active.as_str(), active, "{why:?}");
    }
}

#[test]
fn an_undo_gives_it_back_to_the_very_instance_that_had_it() {
    let mut sides = Sides::leading(3, 2);
    drain(&mut sides, BLUE[0]);
    sides.looks(1, 10);
    member(&mut sides, "blue", BLUE[0]).drain = None;
    assert_eq!(sides.led(), both(BLUE[1]));
    assert!(moves(&sides.ask_for("green", false)));
    sides.looks(3, 10);
    assert_eq!(sides.led(), both(GREEN[0]));
    assert!(moves(&sides.ask(TrafficWish::Undo)));
    assert_eq!((sides.led(), sides.traffic.active.as_str()), (both(BLUE[1]), "blue"));

    // it is there no more
    sides.looks(3, 10);
    assert!(moves(&sides.ask_for("green", false)));
    sides.looks(3, 10);
    drain(&mut sides, BLUE[1]);
    sides.looks(1, 10);
    assert!(moves(&sides.ask(TrafficWish::Undo)));
    assert_eq!(sides.led(), both(BLUE[0]), "another one of its side");
}

#[test]
fn it_comes_back_by_itself_where_the_spec_says_so() {
    let mut sides = Sides::leading(3, 2);
    sides.failover.failback = Failback::Auto { well: 10 };
    fails(&mut sides, "blue", AlarmState::Alarm);
    sides.looks(3, 60);
    assert_eq!(sides.led(), both(GREEN[0]));
    fails(&mut sides, "blue", AlarmState::Ok);
    sides.looks(8, 60);
    assert_eq!(sides.led(), both(GREEN[0]), "not before its dwell");
    sides.looks(10, 60);
    assert_eq!((sides.led(), sides.traffic.active.as_str()), (both(BLUE[0]), "blue"));
}

#[test]
fn what_somebody_leads_elsewhere_by_hand_stays_there() {
    // to another one that serves: that one has it from now on
    let mut sides = Sides::leading(3, 2);
    sides.lead(address(), BLUE[2]);
    sides.lead(line(), BLUE[2]);
    let decision = sides.looks(1, 60);
    assert!(!moves(&decision) && decision.findings == [leads_to(BLUE[2])], "{decision:?}");

    // to one of the other side
    let mut sides = Sides::leading(3, 2);
    sides.lead(address(), GREEN[1]);
    assert!(!moves(&sides.looks(5, 60)));
    assert_eq!(sides.led(), [Some(GREEN[1]), Some(BLUE[0])]);
    assert!(!sides.traffic.sides[&pool("green")].idle);
    // until that one is lost
    sides.states.insert(InstanceId::new(GREEN[1]), InstanceState::Stopped);
    assert!(moves(&sides.looks(1, 60)));
    assert_eq!(sides.led(), both(BLUE[0]));

    // to one that carries our tags and that no side knows yet: it may become either side's
    let mut sides = Sides::leading(3, 2);
    sides.states.insert(InstanceId::new("i-unknown"), InstanceState::Running);
    sides.lead(address(), "i-unknown");
    sides.looks(1, 60);
    assert!(!sides.traffic.sides[&pool("green")].idle);

    // to something that is no instance of the fleet: not even a failover takes it from there
    let mut sides = Sides::leading(3, 2);
    sides.lead(line(), "nat-0123456789abcdef0");
    assert!(!moves(&sides.looks(5, 60)));
    let shut = &sides.look().readiness[&pool("green")];
    assert_eq!((shut.unreachable.clone(), shut.is_open()), (vec![line()], false), "{shut}");
    drain(&mut sides, BLUE[0]);
    let decision = sides.looks(1, 60);
    let told = TrafficFinding::ForeignEdit { route: line() };
    assert!(decision.findings.contains(&told), "{:?}", decision.findings);
    assert_eq!(sides.led(), [Some(BLUE[1]), Some("nat-0123456789abcdef0")]);
    // all of them: nobody is led to
    let mut sides = Sides::leading(3, 2);
    sides.traffic.holder = None;
    for route in [address(), line()] {
        sides.lead(route, "eni-1");
    }
    let decision = sides.looks(1, 60);
    assert_eq!((decision.findings, &sides.traffic.holder), (Vec::new(), &None));

    // to two of the side that is about to take the traffic: both are of it
    let mut sides = Sides::leading(3, 2);
    sides.lead(address(), GREEN[0]);
    sides.lead(line(), GREEN[1]);
    sides.looks(1, 60);
    let decision = sides.ask_for("green", false);
    assert!(!moves(&decision) && sides.traffic.active.as_str() == "green", "{decision:?}");
    sides.looks(1, 10);
    assert_eq!((sides.led(), &sides.traffic.shift), ([Some(GREEN[0]), Some(GREEN[1])], &None));
}

#[test]
fn a_restored_table_takes_nothing_from_those_that_it_does_not_know() {
    let mut sides = Sides::leading(3, 2);
    let state = sides.capacity.pools.get_mut(&pool("blue")).unwrap();
    state.members.remove(&InstanceId::new(BLUE[0]));
    sides.traffic.holder = None;
    assert!(!moves(&sides.looks(5, 60)), "it runs, and is adopted");
    assert_eq!(sides.led(), both(BLUE[0]));
}

#[test]
fn a_call_that_was_lost_is_sent_again_once_nobody_else_can_send_it_any_more() {
    let mut sides = Sides::leading(3, 2);
    drain(&mut sides, BLUE[0]);
    sides.now += 10;
    assert!(moves(&sides.lose()));
    member(&mut sides, "blue", BLUE[2]).served_since = Some(at(-50_000).into());
    // it may have been sent until 30 s after the decision
    let until = sides.now + 30 + i64::from(TAKE_OVER_MARGIN.0);
    while sides.now + 10 < until {
        assert!(!moves(&sides.looks(1, 10)), "{} of {until}", sides.now);
    }
    assert!(moves(&sides.looks(1, 10)));
    assert_eq!(sides.led(), both(BLUE[1]));
}

#[test]
fn a_move_is_not_over_before_everything_was_seen_to_lead_there() {
    let mut sides = Sides::leading(3, 2);
    let unread = sides.more.remove(&line()).unwrap();
    let refused = sides.ask_for("green", true);
    let why = Refusal::LeadsElsewhere { pool: pool("green") };
    assert!(!moves(&refused), "what cannot be read cannot be set");
    assert_eq!(refused.findings, [TrafficFinding::Refused { why }]);
    assert_eq!(sides.traffic.active.as_str(), "blue");
    sides.more.insert(line(), unread.clone());
    fails(&mut sides, "blue", AlarmState::Alarm);
    sides.now += 10;
    // one of two calls gets through
    let decision = sides.lose();
    assert_eq!(decision.steps.len(), 2);
    sides.lead(address(), GREEN[0]);
    sides.more.remove(&line());
    sides.looks(3, 60);
    assert!(sides.traffic.shift.is_some(), "unknown is not done");
    sides.more.insert(line(), unread);
    assert!(moves(&sides.looks(1, 60)));
    assert_eq!(sides.led(), both(GREEN[0]));
    sides.looks(1, 10);
    assert!(sides.traffic.shift.is_none());

    // what somebody leads elsewhere meanwhile is not waited for
    assert!(moves(&sides.ask_for("blue", true)));
    sides.lead(line(), "nat-0123456789abcdef0");
    sides.looks(1, 10);
    assert_eq!(
        (sides.led(), &sides.traffic.shift),
        ([Some(BLUE[0]), Some("nat-0123456789abcdef0")], &None)
    );
}

#[test]
fn nothing_is_led_to_a_side_where_nobody_runs_not_even_by_force() {
    for forced in [false, true] {
        let mut sides = Sides::leading(3, 2);
        sides.die("green");
        sides.ask_for("green", forced);
        assert!(!moves(&sides.looks(5, 10)), "forced: {forced}");
        assert_eq!(
            (sides.led(), sides.traffic.active.as_str()),
            (both(BLUE[0]), "blue"),
            "forced: {forced}"
        );
    }
}

#[test]
fn whom_the_new_side_loses_before_it_is_led_to_hands_over_as_well() {
    let mut sides = Sides::leading(3, 2);
    fails(&mut sides, "blue", AlarmState::Alarm);
    sides.now += 10;
    sides.lose();
    assert_eq!((sides.led(), sides.traffic.active.as_str()), (both(BLUE[0]), "green"));
    // everybody of it is lost before anything was set: the move is over, and its floors go by the dwell
    for id in GREEN {
        sides.states.insert(InstanceId::new(id), InstanceState::Stopped);
    }
    sides.looks(1, 10);
    assert!(sides.traffic.shift.is_none());
    assert!(!moves(&sides.looks(3, 60)));
    sides.states.insert(InstanceId::new(GREEN[1]), InstanceState::Running);
    assert!(moves(&sides.looks(1, 60)), "who serves again is led to");
    assert_eq!(sides.led(), both(GREEN[1]));
}
