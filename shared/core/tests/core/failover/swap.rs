//! Where both sides have one target group, whoever is registered there takes the traffic: first the other one is in, then this one is out.

use ghostnet_core::audit::audit;
use ghostnet_core::failover::{TrafficFinding, TrafficWish};
use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::plan::{Action, PlanBuilder};
use ghostnet_core::reason::{Finding, VoteReason};
use ghostnet_core::signal::{AlarmState, Signal};
use ghostnet_core::spec::Failback;
use ghostnet_core::state::{Member, Moved, Shift, ShiftReason, Side, Sighting, SignalKind, Stage};

use crate::support::*;

use super::sides::Sides;

fn enters(sides: &Sides) -> Option<&str> {
    let shift = sides.traffic.shift.as_ref()?;
    (shift.stage == Stage::Preparing).then(|| shift.to.as_str())
}

fn leaves(sides: &Sides) -> bool {
    let shift = sides.traffic.shift.as_ref();
    shift.is_some_and(|shift| matches!(shift.stage, Stage::Moving { .. }))
}

#[test]
fn the_other_side_enters_is_seen_healthy_and_only_then_the_failed_one_leaves() {
    let mut sides = Sides::swapping(4, 4);
    assert!(sides.traffic.sides[&pool("blue")].armed && sides.traffic.sides[&pool("green")].idle);
    sides.sicken("blue", 4);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    let decision = sides.looks(3, 10);
    assert_eq!((enters(&sides), sides.traffic.active.as_str()), (Some("green"), "blue"));
    assert!(
        decision.enrols && decision.wakes_tick(&sides.traffic),
        "tick has it enter at once: {decision:?}"
    );
    assert!(decision.steps.is_empty(), "no rule is set");
    // one of four passes its checks: two are asked for
    let first = sides.of("green").remove(0);
    sides.health.insert(first, Some(TargetHealth::Healthy));
    sides.looks(3, 10);
    assert_eq!(enters(&sides), Some("green"), "it waits");
    sides.enter("green");
    let decision = sides.looks(1, 10);
    assert!(leaves(&sides) && decision.enrols, "{:?}", decision.findings);
    assert_eq!(
        (sides.traffic.active.as_str(), sides.traffic.epoch.0),
        ("green", 2),
        "one for the floors, one for the move"
    );
    sides.looks(3, 10);
    assert!(leaves(&sides), "it is not over before the last one is out");
    sides.leave("blue");
    let decision = sides.looks(1, 10);
    let moved = TrafficFinding::Moved {
        to: pool("green"),
        drill: false,
    };
    assert!(decision.findings.contains(&moved), "{:?}", decision.findings);
    assert_eq!(sides.traffic.shift, None);
}

#[test]
fn a_side_that_is_well_again_before_the_other_one_is_in_keeps_the_traffic() {
    let mut sides = Sides::swapping(4, 4);
    sides.sicken("blue", 4);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.looks(3, 10);
    assert_eq!(enters(&sides), Some("green"));
    sides.heal("blue");
    sides.alarm("blue", "latency", AlarmState::Ok);
    let (mut over, mut enrols) = (false, false);
    for _ in 0..40 {
        let decision = sides.looks(1, 10);
        over |= decision.findings.contains(&TrafficFinding::Recovered { pool: pool("blue") });
        enrols |= decision.enrols;
    }
    assert!(over && enrols && sides.traffic.shift.is_none(), "{:?}", sides.traffic);
    assert_eq!(sides.traffic.active, pool("blue"));
}

/// What says nothing of a side that is not registered.
#[test]
fn what_is_seen_of_the_other_side_is_not_held_against_it() {
    type Change = fn(&mut Sides);
    let cases: [(&str, Change); 3] = [
        ("its instances are in no group", |_| {}),
        ("errors of the group that both have", |sides| sides.err("green", 50.0)),
        ("one of four is gone", |sides| {
            let id = sides.of("green").remove(0);
            sides.states.insert(id.clone(), InstanceState::Terminated);
            let green = sides.capacity.pools.get_mut(&pool("green")).unwrap();
            green.members.get_mut(&id).unwrap().gone = true;
        }),
    ];
    for (situation, change) in cases {
        let mut sides = Sides::swapping(4, 4);
        change(&mut sides);
        sides.looks(6, 60);
        let decision = sides.decide(None);
        let readiness = &decision.readiness[&pool("green")];
        assert!(readiness.down_by.is_empty() && readiness.is_open(), "{situation}: {readiness}");
    }
    let mut sides = Sides::swapping(4, 4);
    sides.die("green");
    sides.looks(4, 10);
    assert!(!sides.decide(None).readiness[&pool("green")].is_open(), "nobody of it runs");
}

/// The metrics of the group are of whoever was registered then.
#[test]
fn errors_from_before_the_move_are_the_other_sides() {
    let mut sides = Sides::swapping(4, 4);
    sides.sicken("blue", 4);
    sides.err("blue", 50.0);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.looks(4, 60);
    sides.enter("green");
    sides.looks(1, 10);
    sides.leave("blue");
    sides.looks(1, 10);
    assert_eq!((sides.traffic.active.as_str(), &sides.traffic.shift), ("green", &None));
    sides.alarm("blue", "latency", AlarmState::Ok);
    // the datapoint of a minute in which blue still answered
    sides.errors = [("green", 50.0)].into();
    sides.looks(1, 10);
    let seen = &sides.traffic.sides[&pool("green")].seen;
    assert!(seen.is_empty(), "{seen:?}");
    sides.looks(4, 60);
    assert!(
        !sides.traffic.sides[&pool("green")].seen.is_empty(),
        "those of later minutes are its own"
    );
}

/// Two of the other side are in as well, and answer half of the requests: it may be they who are slow.
#[test]
fn what_two_sides_answer_together_says_nothing_of_one() {
    for (are_in, suspect) in [(false, true), (true, false)] {
        let mut sides = Sides::swapping(4, 4);
        if are_in {
            sides.enter("green");
        }
        sides.err("blue", 50.0);
        sides.looks(5, 60);
        let seen = &sides.traffic.sides[&pool("blue")].seen;
        assert_eq!(seen.contains_key(&SignalKind::Application), suspect, "{seen:?}");
    }
}

/// A restored table knows nobody of the other side, who was in all the time: their last minute is told after they have left.
#[test]
fn what_two_sides_answered_together_says_nothing_of_one_after_the_other_has_left() {
    let mut sides = Sides::swapping(4, 4);
    sides.enter("green");
    sides.err("blue", 50.0);
    sides.looks(3, 60);
    sides.leave("green");
    sides.looks(6, 10);
    let seen = &sides.traffic.sides[&pool("blue")].seen;
    assert!(!seen.contains_key(&SignalKind::Application), "{seen:?}");
    sides.looks(4, 60);
    let seen = &sides.traffic.sides[&pool("blue")].seen;
    assert!(seen.contains_key(&SignalKind::Application), "later minutes are its own: {seen:?}");
    sides.err("blue", 0.0);
    sides.looks(8, 60);
    assert_eq!(
        sides.traffic.sides[&pool("blue")].mixed_at,
        None,
        "it is remembered as long as it matters"
    );
}

#[test]
fn a_person_can_force_it_once_somebody_is_in_at_all() {
    let mut sides = Sides::swapping(4, 4);
    sides.ask_for("green", true);
    assert_eq!(enters(&sides), Some("green"), "nobody would answer");
    let first = sides.of("green").remove(0);
    sides.health.insert(first, Some(TargetHealth::Unhealthy));
    sides.looks(1, 10);
    assert!(leaves(&sides), "the group fails open, and somebody answers");
}

#[test]
fn undo_and_failback_have_the_former_side_enter_again() {
    for (wish, waits) in [(TrafficWish::Undo, false), (TrafficWish::Failback, true)] {
        let mut sides = Sides::swapping(4, 4);
        sides.ask_for("green", false);
        sides.enter("green");
        sides.looks(1, 10);
        sides.leave("blue");
        sides.looks(1, 10);
        assert_eq!((sides.traffic.active.as_str(), &sides.traffic.shift), ("green", &None));
        sides.ask(wish.clone());
        assert_eq!(enters(&sides), Some("blue"), "{wish:?}");
        let first = sides.of("blue").remove(0);
        sides.health.insert(first, Some(TargetHealth::Healthy));
        sides.looks(1, 10);
        assert_eq!(enters(&sides).is_some(), waits, "{wish:?} with one of four");
    }
}

/// What called a side down must speak for it again, and the balancer says nothing of whom it does not check.
#[test]
fn it_comes_back_by_itself_only_if_what_called_it_down_can_be_seen() {
    for (why, by_instances, expected) in [("it died and was replaced", true, "blue"), ("it answered nothing", false, "green")] {
        let mut sides = Sides::swapping(4, 4);
        sides.failover.failback = Failback::Auto { well: 3 };
        sides.spec.failover = Some(sides.failover.clone());
        if by_instances {
            sides.die("blue");
        } else {
            sides.sicken("blue", 4);
            sides.err("blue", 50.0);
        }
        sides.looks(4, 60);
        assert_eq!(enters(&sides), Some("green"), "{why}");
        sides.enter("green");
        sides.looks(1, 10);
        sides.leave("blue");
        sides.errors.clear();
        sides.looks(1, 10);
        let blue = sides.capacity.pools.get_mut(&pool("blue")).unwrap();
        blue.members.clear();
        for n in 10..14 {
            let id = InstanceId::new(format!("i-blue-{n:03}"));
            let member = Member {
                served_since: Some(at(sides.now).into()),
                ..Member::new(at(sides.now))
            };
            blue.members.insert(id.clone(), member);
            sides.states.insert(id.clone(), InstanceState::Running);
            sides.health.insert(id, None);
        }
        for _ in 0..20 {
            sides.looks(1, 60);
            match enters(&sides) {
                Some("blue") => sides.enter("blue"),
                _ if leaves(&sides) => sides.leave("green"),
                _ => {}
            }
        }
        assert_eq!(sides.traffic.active.as_str(), expected, "{why}");
    }
}

/// Its instances run, and that is all that is known of it while it is out.
#[test]
fn a_side_that_is_not_well_once_it_is_in_is_not_tried_again_at_once() {
    let mut sides = Sides::swapping(4, 4);
    sides.failover.failback = Failback::Auto { well: 3 };
    sides.spec.failover = Some(sides.failover.clone());
    sides.ask_for("green", false);
    sides.traffic.shift.as_mut().unwrap().why = ShiftReason::Down {
        by: vec![SignalKind::Instances, SignalKind::Targets],
    };
    sides.health.values_mut().for_each(|health| *health = Some(TargetHealth::Unhealthy));
    sides.enter("green");
    let down = |sides: &Sides| {
        vec![
            Sighting {
                at: at(sides.now),
                down: true
            };
            3
        ]
    };
    for kind in [SignalKind::Instances, SignalKind::Targets] {
        let seen = down(&sides);
        sides.traffic.sides.get_mut(&pool("blue")).unwrap().seen.insert(kind, seen);
    }
    sides.looks(1, 10);
    sides.leave("blue");
    sides.looks(1, 10);
    assert_eq!((sides.traffic.active.as_str(), &sides.traffic.shift), ("green", &None));
    let mut trials = 0;
    for _ in 0..180 {
        let decision = sides.looks(1, 10);
        let begins = |finding: &TrafficFinding| matches!(finding, TrafficFinding::Leaves { .. });
        trials += usize::from(decision.findings.iter().any(begins));
        for id in sides.of("blue") {
            let health = (enters(&sides) == Some("blue")).then_some(TargetHealth::Unhealthy);
            sides.health.insert(id, health);
        }
    }
    assert!((1..=4).contains(&trials), "{trials} in half an hour");
    assert_eq!(sides.traffic.active, pool("green"));
}

/// `blue` serves with four, and `green` stands by with two that run.
fn world() -> World {
    let shared = group("web");
    let mut world = World::serving(
        4,
        json!({
            "pools": [
                { "id": "blue", "target_groups": [shared.as_str()], "capacity": { "min": 1, "max": 20 } },
                { "id": "green", "role": "standby", "target_groups": [shared.as_str()], "capacity": { "min": 2, "max": 20 } },
            ],
            "failover": { "mode": "hot_standby", "lever": { "target_swap": true } },
        }),
    );
    let targets = world.targets.remove("blue").unwrap();
    world.targets.insert("web".into(), targets);
    let green = world.inputs.state.pools.get_mut(&pool("green")).unwrap();
    green.desired = 2;
    world.minutes(12);
    world
}

fn registered(world: &World, side: &str) -> usize {
    let of = |id: &&InstanceId| world.instances[*id].pool == Some(pool(side));
    let stay = world.targets["web"].iter().filter(|(_, health)| **health != TargetHealth::Draining);
    stay.map(|(id, _)| id).filter(of).count()
}

fn alive(world: &World, side: &str) -> usize {
    let here = world.instances.values().filter(|instance| instance.pool == Some(pool(side)));
    here.filter(|instance| instance.state == InstanceState::Running).count()
}

fn shift(to: &str, stage: Stage) -> Shift {
    let from = if to == "blue" { "green" } else { "blue" };
    Shift {
        from: pool(from),
        to: pool(to),
        why: ShiftReason::WellAgain,
        since: at(0),
        stage,
        sharing: None,
    }
}

#[test]
fn who_stands_by_runs_and_is_in_no_group() {
    let mut world = world();
    assert_eq!(
        (alive(&world, "green"), registered(&world, "green"), registered(&world, "blue")),
        (2, 0, 4)
    );
    let decision = world.look();
    assert!(decision.plan.steps.is_empty(), "{:?}", steps(&decision));
    assert!(
        !finds(&decision, |finding| matches!(finding, Finding::ForeignTarget { .. })),
        "the other side is no stranger"
    );
    let votes = &decision.pools[&pool("green")].votes;
    assert!(
        votes.iter().all(|vote| vote.reason == VoteReason::NoTraffic),
        "what is measured is blue's: {votes:?}"
    );
    assert_eq!(decision.pools[&pool("green")].counts.in_service, 2);
}

#[test]
fn tick_has_them_enter_and_leave_as_the_traffic_state_says() {
    let mut world = world();
    world.inputs.traffic.shift = Some(shift("green", Stage::Preparing));
    world.minutes(2);
    assert_eq!((registered(&world, "blue"), registered(&world, "green")), (4, 2), "both are in");
    world.inputs.traffic.active = pool("green");
    world.inputs.traffic.shift = None;
    world.minutes(2);
    assert_eq!((registered(&world, "blue"), registered(&world, "green")), (0, 2));
    assert_eq!(alive(&world, "blue"), 4, "nobody was terminated for it");
    // a register that lands late
    let late = world.instances.keys().find(|id| id.as_str().contains("blue")).unwrap().clone();
    world.health("web", &late, TargetHealth::Initial);
    world.minutes(2);
    assert_eq!(registered(&world, "blue"), 0, "and whoever comes in late leaves");
}

/// What the group measures is the other side's load by now.
#[test]
fn the_side_that_left_keeps_its_size_for_the_dwell_and_then_only_stands_by() {
    let mut world = world();
    world.inputs.traffic.active = pool("green");
    let idle = Side {
        armed: true,
        idle: true,
        ..Side::default()
    };
    world.inputs.traffic.sides.insert(pool("blue"), idle);
    world.inputs.traffic.moved = Some(Moved {
        from: pool("blue"),
        to: pool("green"),
        why: ShiftReason::WellAgain,
        at: world.now(),
        previous: [].into(),
        set: [].into(),
        sharing: None,
    });
    world.read("requests", 1.0);
    world.minutes(14);
    let wanted = |world: &World| world.inputs.state.pools[&pool("blue")].desired;
    assert_eq!(wanted(&world), 4);
    world.minutes(40);
    let both = |world: &World| (wanted(world), world.inputs.state.pools[&pool("green")].desired);
    assert_eq!(both(&world), (1, 2), "half of what green has");
    world.read("requests", 1_000.0);
    world.minutes(40);
    assert_eq!(both(&world), (10, 20), "and so when that grows");
    assert_eq!((alive(&world, "blue"), registered(&world, "blue")), (10, 0));
}

#[test]
fn a_new_instance_of_the_side_that_stands_by_is_not_registered_and_is_not_waited_for() {
    let mut world = world();
    let lost = world
        .instances
        .values_mut()
        .find(|instance| instance.pool == Some(pool("green")))
        .unwrap();
    lost.state = InstanceState::Terminated;
    world.minutes(20);
    assert_eq!((alive(&world, "green"), registered(&world, "green")), (2, 0));
    let decision = world.look();
    assert_eq!(
        decision.pools[&pool("green")].counts.in_service,
        2,
        "{:?}",
        decision.pools[&pool("green")]
    );
}

#[test]
fn an_instance_that_is_gone_leaves_the_group_by_one_step() {
    let mut world = world();
    world.inputs.traffic.shift = Some(shift("green", Stage::Preparing));
    world.minutes(2);
    let ghost = world.put("blue", 77, InstanceState::Terminated);
    world.health("web", &ghost, TargetHealth::Unhealthy);
    let decision = world.look();
    let leaving = steps(&decision).iter().filter(|step| step.contains(ghost.as_str())).count();
    assert_eq!(leaving, 1, "{:?}", steps(&decision));
}

#[test]
fn audit_lets_nobody_of_the_other_side_in() {
    let mut world = world();
    let decision = world.decide(Signal::Tick);
    let green = world
        .instances
        .values()
        .find(|instance| instance.pool == Some(pool("green")))
        .unwrap();
    let mut plan = PlanBuilder::new(world.inputs.plan_id.clone());
    let action = Action::Register {
        group: group("web"),
        instances: vec![green.id.clone()],
    };
    plan.add(&pool("green"), action);
    let mut decision = decision;
    decision.plan = plan.build(Vec::new(), world.inputs.execute_until);
    let found = audit(&world.inputs.situation(&world.spec), &decision);
    assert!(found.iter().any(|violation| violation.invariant == "I28"), "{found:?}");
    world.inputs.traffic.shift = Some(shift("green", Stage::Preparing));
    let found = audit(&world.inputs.situation(&world.spec), &decision);
    assert!(found.iter().all(|violation| violation.invariant != "I28"), "{found:?}");
}
