//! Instances that are kept stopped: how they come, rest, start and leave. Four of `blue` serve, and two are to be kept.

use ghostnet_core::decide::Decision;
use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{ExhaustedOffering, InstanceState, Market, Offering, TargetHealth};
use ghostnet_core::operator::Wish;
use ghostnet_core::plan::{Action, StepOutcome};
use ghostnet_core::reason::Finding;
use ghostnet_core::state::{Drain, DrainReason, Member, Warm, WarmPhase};
use ghostnet_core::unit::Seconds;

use crate::support::*;

fn keeping(change: Value) -> Value {
    let mut spec = json!({
        "defaults": { "warm": { "size": 2 } },
        "guards": { "stabilisation": { "in": "0s" }, "cooldown": { "out": "0s", "in": "0s" }, "budgets": { "removal": { "per_tick": 10 } } },
    });
    merge(&mut spec, change);
    spec
}

/// Four serve, nothing is kept yet.
fn empty(change: Value) -> World {
    World::serving(4, keeping(change))
}

/// Four serve, two are kept and rest, as long as the world exists.
fn stocked(change: Value) -> World {
    let mut world = empty(change);
    for n in 10..12 {
        keep(&mut world, n, InstanceState::Stopped, WarmPhase::Kept);
    }
    world
}

fn keep(world: &mut World, n: u32, state: InstanceState, phase: WarmPhase) -> InstanceId {
    let id = world.put("blue", n, state);
    let since = Seconds::minutes(60).before(world.now());
    let member = Member {
        warm: Some(Warm {
            phase,
            since: since.into(),
        }),
        ..Member::new(since)
    };
    world
        .inputs
        .state
        .pools
        .get_mut(&pool("blue"))
        .unwrap()
        .members
        .insert(id.clone(), member);
    id
}

fn member<'a>(world: &'a World, id: &str) -> &'a Member {
    &world.inputs.state.pools[&pool("blue")].members[&InstanceId::new(id)]
}

fn with(world: &World, state: InstanceState) -> Vec<&str> {
    let found = world.instances.values().filter(|instance| instance.state == state);
    found.map(|instance| instance.id.as_str()).collect()
}

fn why(decision: &Decision) -> Vec<(InstanceId, DrainReason)> {
    let drains = |finding: &Finding| match finding {
        Finding::Drains { instance, why } => Some((instance.clone(), *why)),
        _ => None,
    };
    blue(decision).findings.iter().filter_map(drains).collect()
}

#[test]
fn what_is_missing_is_launched_booted_and_stopped_and_never_serves() {
    let mut world = empty(json!({}));
    let first = world.look();
    assert_eq!(steps(&first), ["launch 1 in eu-west-1b to keep", "launch 1 in eu-west-1c to keep"]);
    assert_eq!((counts(&first).capacity(), blue(&first).after), (4, 4));
    let kept: Vec<InstanceId> = ["i-new-001", "i-new-002"].map(InstanceId::new).to_vec();
    for minute in 1..=8 {
        world.pass(60);
        let decision = world.look();
        let registers = decision
            .plan
            .steps
            .iter()
            .any(|step| matches!(step.action, Action::Register { .. }));
        assert!(!registers, "minute {minute}: {:?}", steps(&decision));
        assert_eq!(counts(&decision).capacity(), 4, "minute {minute}");
    }
    assert_eq!(with(&world, InstanceState::Stopped), ["i-new-001", "i-new-002"]);
    let rest = world.decide(ghostnet_core::signal::Signal::Tick);
    assert_eq!((counts(&rest).warm, counts(&rest).preparing), (2, 0));
    assert!(steps(&rest).is_empty() && !rest.changes(&world.inputs.state), "{rest:#?}");
    for id in &kept {
        assert!(!finds(
            &rest,
            |finding| matches!(finding, Finding::Stopped { instance } if instance == id)
        ));
    }
}

/// It is a member and in service of the count from the same decision on, and part of the market that it came from.
#[test]
fn one_that_a_lost_launch_brought_for_the_stock_is_taken_in_as_it_becomes_known() {
    let market = json!({ "on_demand_base": 4, "spot_percent": 50 });
    let mut world = empty(json!({ "defaults": { "launch": { "market": market } } }));
    let decision = world.decide(ghostnet_core::signal::Signal::Tick);
    world.commit(&decision);
    // the answers are lost
    for step in &decision.plan.steps {
        world.launch(step);
    }
    world.wait(60);
    world.read("requests", 200.0);
    let decision = world.look();
    let taken_in = |finding: &&Finding| matches!(finding, Finding::TakenIn { .. });
    assert_eq!(blue(&decision).findings.iter().filter(taken_in).count(), 2);
    let of = |market: Market| {
        let launches = decision.plan.steps.iter().filter_map(|step| match &step.action {
            Action::Launch(launch) if launch.offering.market == market => Some(launch.count),
            _ => None,
        });
        launches.sum::<u32>()
    };
    // of eight four are the base, and half of the rest is spot
    assert_eq!((of(Market::OnDemand), of(Market::Spot)), (0, 2));
}

#[test]
fn it_is_stopped_after_its_warm_up_and_not_before() {
    let mut world = empty(json!({}));
    world.look();
    for (seconds, stopped) in [(60, false), (60, false), (59, false), (1, true)] {
        world.pass(seconds);
        let stops = steps(&world.look()).iter().any(|step| step.starts_with("stop "));
        assert_eq!(stops, stopped, "after {seconds} s more");
    }
}

#[test]
fn growing_takes_back_then_takes_in_then_starts_then_launches() {
    let mut world = stocked(json!({}));
    let draining = InstanceId::new("i-blue-000");
    let drain = Drain {
        since: Seconds(30).before(world.now()).into(),
        deadline: Seconds(300).after(world.now()).into(),
        why: DrainReason::ScaleIn,
    };
    let state = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
    state.members.get_mut(&draining).unwrap().drain = Some(drain);
    state.desired = 3;
    keep(&mut world, 12, InstanceState::Running, WarmPhase::Preparing);
    world.read("requests", 200.0);
    let decision = world.look();
    assert_eq!((blue(&decision).before, blue(&decision).after), (3, 8));
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::TakenBack { instance } if *instance == draining)
    ));
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::TakenIn { instance } if instance.as_str() == "i-blue-012")
    ));
    let done = steps(&decision);
    assert!(
        done.contains(&"start i-blue-010".to_owned()) && done.contains(&"start i-blue-011".to_owned()),
        "{done:?}"
    );
    let launched: u32 = decision
        .plan
        .steps
        .iter()
        .filter(|step| matches!(step.action, Action::Launch(_)))
        .map(|step| step.action.brings())
        .sum();
    assert_eq!(launched, 1, "3 serve, 1 came back, 1 was taken in, 2 start: {done:?}");
    assert!(
        done.iter().any(|step| step.starts_with("register") && step.contains("i-blue-012")),
        "{done:?}"
    );
}

#[test]
fn a_start_counts_from_the_commit_and_becomes_a_member_like_any_other() {
    let mut world = stocked(json!({}));
    world.read("requests", 140.0);
    let decision = world.die();
    assert_eq!(steps(&decision), ["start i-blue-010", "start i-blue-011"]);
    world.wait(10);
    let next = world.decide(ghostnet_core::signal::Signal::Tick);
    assert_eq!((counts(&next).pending, counts(&next).warm, counts(&next).capacity()), (2, 0, 6));
    for step in &decision.plan.steps {
        let outcome = world.execute(step);
        world.tell(step, outcome);
    }
    world.read("requests", 95.0);
    world.minutes(6);
    let settled = world.decide(ghostnet_core::signal::Signal::Tick);
    assert_eq!((counts(&settled).in_service, blue(&settled).after), (6, 6));
    assert_eq!(member(&world, "i-blue-010").warm, None);
}

#[test]
fn without_capacity_it_stays_warm_and_another_way_is_found() {
    let mut world = stocked(json!({}));
    world.read("requests", 120.0);
    let decision = world.die();
    assert_eq!(steps(&decision), ["start i-blue-010"]);
    world.tell(
        &decision.plan.steps[0],
        StepOutcome::NoCapacity {
            code: "InsufficientInstanceCapacity".into(),
        },
    );
    assert!(member(&world, "i-blue-010").is_warm());
    let zone = world.instances[&InstanceId::new("i-blue-010")].zone.clone();
    world.exhausted.push(ExhaustedOffering {
        offering: Offering {
            zone,
            instance_type: Some("c7a.large".into_type()),
            market: Market::OnDemand,
            reservation: None,
        },
        until: Seconds(180).after(world.now()),
    });
    world.wait(1);
    assert_eq!(steps(&world.look()), ["start i-blue-011"]);
}

trait IntoType {
    fn into_type(self) -> ghostnet_core::id::InstanceType;
}

impl IntoType for &str {
    fn into_type(self) -> ghostnet_core::id::InstanceType {
        ghostnet_core::id::InstanceType::new(self)
    }
}

#[test]
fn what_a_start_gave_decides_when_it_is_tried_again() {
    let refused = |class| StepOutcome::Refused {
        class,
        code: "no".into(),
        message: String::new(),
    };
    let id = InstanceId::new("i-blue-010");
    for (outcome, again, launches) in [
        (StepOutcome::NotSent, true, false),
        (refused(ghostnet_core::plan::Refusal::Throttled), true, false),
        (refused(ghostnet_core::plan::Refusal::Configuration), false, false),
        (
            StepOutcome::DoneExcept {
                failed: [(id.clone(), "IncorrectState".to_owned())].into(),
            },
            false,
            false,
        ),
    ] {
        let mut world = stocked(json!({}));
        world.read("requests", 120.0);
        let decision = world.die();
        world.tell(&decision.plan.steps[0], outcome.clone());
        world.wait(1);
        let next = steps(&world.look());
        let expected = if again { "start i-blue-010" } else { "start i-blue-011" };
        assert_eq!(next, [expected], "{outcome:?}");
        assert_eq!(
            world.inputs.state.pools[&pool("blue")].launch_refused.is_some(),
            launches,
            "{outcome:?}"
        );
    }
}

#[test]
fn a_start_without_outcome_is_looked_up_and_sent_again() {
    let mut world = stocked(json!({}));
    world.read("requests", 120.0);
    let first = world.die();
    world.wait(59);
    assert_eq!(steps(&world.look()), Vec::<String>::new(), "its window, and the margin");
    world.wait(2);
    let again = world.die();
    assert_eq!(ids(&again), ids(&first), "stopped still: sent again under its own id");
    world.execute(&again.plan.steps[0]);
    world.pass(100);
    let seen = world.look();
    assert!(world.open().is_empty() && counts(&seen).coming() == 1, "{seen:#?}");
    assert_eq!(member(&world, "i-blue-010").warm, None, "it runs, whoever sent it");
}

#[test]
fn a_start_that_is_not_wanted_any_more_stays_counted_until_it_cannot_have_happened() {
    let mut world = stocked(json!({}));
    world.read("requests", 120.0);
    world.die();
    world.read("requests", 95.0);
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 4;
    for (seconds, counted) in [(70, 5), (300, 5), (30, 4)] {
        world.wait(seconds);
        let decision = world.look();
        assert_eq!(
            (steps(&decision), counts(&decision).capacity()),
            (Vec::new(), counted),
            "{seconds} s later"
        );
    }
    assert!(member(&world, "i-blue-010").is_warm() && world.open().is_empty());
}

#[test]
fn one_that_never_runs_after_its_start_is_given_up_like_one_that_never_became_healthy() {
    let mut world = stocked(json!({}));
    world.read("requests", 120.0);
    let decision = world.die();
    world.tell(&decision.plan.steps[0], StepOutcome::Done);
    world.read("requests", 95.0);
    let mut given_up = Vec::new();
    for _ in 0..16 {
        world.wait(60);
        given_up.extend(why(&world.look()));
    }
    assert_eq!(given_up, [(InstanceId::new("i-blue-010"), DrainReason::NeverHealthy)]);
    assert!(world.inputs.state.pools[&pool("blue")].launch_backoff.is_some());
}

#[test]
fn who_leaves_by_scale_in_is_stopped_instead_if_the_spec_says_so() {
    for (returns, expected) in [(true, "stop"), (false, "terminate")] {
        let mut world = stocked(json!({ "defaults": { "warm": { "size": 3, "return": returns } } }));
        world.read("requests", 70.0);
        let drained = why(&world.look());
        assert_eq!(drained.len(), 1, "{drained:?}");
        let id = drained[0].0.clone();
        world.pass(60);
        let done = steps(&world.look());
        assert!(done.contains(&format!("{expected} {id}")), "{done:?}");
        if returns {
            assert_eq!(with(&world, InstanceState::Stopping), [id.as_str()]);
            world.read("requests", 100.0);
            world.minutes(3);
            let rest = world.decide(ghostnet_core::signal::Signal::Tick);
            assert_eq!(
                (counts(&rest).warm, counts(&rest).draining, counts(&rest).capacity()),
                (3, 0, 3),
                "{rest:#?}"
            );
            assert_eq!(member(&world, id.as_str()).drain, None);
        }
    }
}

/// Found by the simulator: the stop was committed, and an invocation whose clock was behind decided it again.
#[test]
fn a_look_from_before_the_drain_stops_nobody() {
    let mut world = stocked(json!({ "defaults": { "warm": { "size": 3, "return": true } } }));
    world.read("requests", 70.0);
    world.look();
    world.pass(60);
    let stopped = world.die();
    let id = stops(&stopped);
    world.inputs.state.open.clear();
    let earlier = Seconds(90).before(world.now());
    world.inputs.now = earlier;
    assert_eq!(stops(&world.decide(ghostnet_core::signal::Signal::Tick)), Vec::<String>::new());
    world.inputs.now = Seconds(180).after(earlier);
    assert_eq!(
        stops(&world.decide(ghostnet_core::signal::Signal::Tick)),
        id,
        "and a later one does"
    );
}

fn stops(decision: &Decision) -> Vec<String> {
    steps(decision).into_iter().filter(|step| step.starts_with("stop")).collect()
}

#[test]
fn only_as_many_return_as_are_missing_and_none_of_another_reason_or_age() {
    let outcome = |change: Value, spoil: fn(&mut World)| {
        let mut world = stocked(change);
        world.read("requests", 70.0);
        world.look();
        spoil(&mut world);
        world.pass(60);
        let done = steps(&world.look());
        (
            done.iter().any(|step| step.starts_with("stop")),
            done.iter().any(|step| step.starts_with("terminate")),
        )
    };
    let warm = |size: u32, max_age: &str| json!({ "defaults": { "warm": { "size": size, "return": true, "max_age": max_age } } });
    assert_eq!(outcome(warm(3, "7d"), |_| {}), (true, false));
    assert_eq!(outcome(warm(2, "7d"), |_| {}), (false, true), "the stock is full");
    assert_eq!(outcome(warm(3, "1h"), |_| {}), (false, true), "an hour old");
    let sick = |world: &mut World| {
        let members = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
        for drain in members.values_mut().filter_map(|member| member.drain.as_mut()) {
            drain.why = DrainReason::Unhealthy;
        }
    };
    assert_eq!(outcome(warm(3, "7d"), sick), (false, true));
    let retires = outcome(warm(3, "7d"), |world| world.inputs.retiring = true);
    assert!(!retires.0, "a fleet that goes keeps nobody");
}

#[test]
fn more_than_wanted_leave_in_two_phases_the_oldest_first() {
    let mut world = stocked(json!({ "defaults": { "warm": { "size": 1 } } }));
    let decision = world.look();
    let id = InstanceId::new("i-blue-010");
    assert_eq!(why(&decision), [(id.clone(), DrainReason::WarmSurplus)]);
    assert_eq!(steps(&decision), Vec::<String>::new(), "a second look comes first");
    world.wait(60);
    assert_eq!(steps(&world.look()), [format!("terminate {id}")]);
}

#[test]
fn nobody_is_kept_beyond_the_maximum() {
    for (max, kept) in [(4, 0), (5, 1), (6, 2), (10, 2)] {
        let mut world = empty(json!({ "defaults": { "capacity": { "max": max } } }));
        let decision = world.look();
        let launched = decision.plan.steps.len();
        assert_eq!(launched, kept, "at most {max}: {:?}", steps(&decision));
    }
}

#[test]
fn a_share_is_of_the_size_and_rounded_up() {
    use ghostnet_core::spec::{Amount, WarmSize};
    let spec = |size: &str| spec(json!({ "defaults": { "warm": { "size": size } } })).pools[0].warm.unwrap();
    for (share, size, max, wanted) in [
        ("20%", 10, 40, 2),
        ("20%", 11, 40, 3),
        ("20%", 1, 40, 1),
        ("20%", 0, 40, 0),
        ("50%", 10, 12, 2),
        ("50%", 12, 12, 0),
    ] {
        assert_eq!(spec(share).wanted(size, max, None), wanted, "{share} of {size}");
    }
    assert!(matches!(spec("20%").size, WarmSize::Fixed(Amount::Share(_))));
}

#[test]
fn an_old_one_or_one_of_another_type_is_replaced() {
    let mut world = stocked(json!({ "defaults": { "warm": { "size": 2, "max_age": "2h" } } }));
    world.wait(3_600);
    let decision = world.look();
    assert_eq!(
        why(&decision),
        [10, 11].map(|n| (InstanceId::new(format!("i-blue-0{n}")), DrainReason::WarmOutdated))
    );
    let mut world = stocked(json!({}));
    world.instances.get_mut(&InstanceId::new("i-blue-011")).unwrap().instance_type = "m5.large".into_type();
    assert_eq!(why(&world.look()), [(InstanceId::new("i-blue-011"), DrainReason::WarmOutdated)]);
}

#[test]
fn the_stock_is_filled_only_in_calm() {
    type Spoil = fn(&mut World);
    let grows = |world: &mut World| world.read("requests", 130.0);
    let comes = |world: &mut World| drop(world.put("blue", 20, InstanceState::Pending));
    let sick = |world: &mut World| {
        let id = InstanceId::new("i-blue-000");
        world.health("blue", &id, TargetHealth::Unhealthy);
    };
    let renews = |world: &mut World| world.spec.pools[0].max_age = Some(Seconds(3_600));
    let refused = |world: &mut World| {
        let state = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
        state.warm_backoff = Some(ghostnet_core::state::LaunchBackoff {
            since: world.inputs.now,
            wait: Seconds::minutes(5),
        });
    };
    for (name, spoil) in [
        ("grows", grows as Spoil),
        ("comes", comes),
        ("sick", sick),
        ("renews", renews),
        ("waits", refused),
    ] {
        let mut world = empty(json!({}));
        spoil(&mut world);
        let decision = world.look();
        let kept = decision
            .plan
            .steps
            .iter()
            .filter(|step| matches!(&step.action, Action::Launch(launch) if launch.warm))
            .count();
        assert_eq!(kept, 0, "{name}: {:?}", steps(&decision));
    }
}

#[test]
fn unknown_is_never_a_reason_to_stop_to_remove_or_to_start() {
    let mut world = stocked(json!({ "defaults": { "warm": { "size": 0 } } }));
    world.instances_known = false;
    assert_eq!(
        (steps(&world.look()), why(&world.decide(ghostnet_core::signal::Signal::Tick))),
        (Vec::new(), Vec::new())
    );
    // a group that cannot be read may have the instance as a target
    let mut world = empty(json!({}));
    keep(&mut world, 10, InstanceState::Running, WarmPhase::Preparing);
    keep(&mut world, 11, InstanceState::Stopped, WarmPhase::Kept);
    world.unreadable.insert("blue".into());
    assert_eq!(steps(&world.look()), Vec::<String>::new());
    world.unreadable.clear();
    assert_eq!(steps(&world.look()), ["stop i-blue-010"]);
    // one that is not listed is not gone while it is young, and is replaced once it is
    let mut world = stocked(json!({}));
    world.instances.remove(&InstanceId::new("i-blue-010"));
    let state = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
    state.members.get_mut(&InstanceId::new("i-blue-010")).unwrap().known_since = world.inputs.now.into();
    assert_eq!(steps(&world.look()), Vec::<String>::new());
    world.wait(700);
    assert_eq!(world.look().plan.steps.len(), 1);
}

#[test]
fn one_that_somebody_registered_is_deregistered_before_it_is_stopped() {
    let mut world = empty(json!({}));
    let id = keep(&mut world, 10, InstanceState::Running, WarmPhase::Preparing);
    keep(&mut world, 11, InstanceState::Stopped, WarmPhase::Kept);
    world.health("blue", &id, TargetHealth::Healthy);
    assert_eq!(steps(&world.look()), ["deregister i-blue-010"]);
    world.wait(30);
    assert_eq!(steps(&world.look()), Vec::<String>::new(), "finishes requests");
    world.pass(60);
    assert_eq!(steps(&world.look()), ["stop i-blue-010"]);
}

#[test]
fn one_that_cannot_be_stopped_is_terminated_and_the_next_waits() {
    let mut world = empty(json!({}));
    let id = keep(&mut world, 10, InstanceState::Running, WarmPhase::Preparing);
    keep(&mut world, 11, InstanceState::Stopped, WarmPhase::Kept);
    let (mut stops, mut removed) = (0, Vec::new());
    for _ in 0..20 {
        let decision = world.decide(ghostnet_core::signal::Signal::Tick);
        world.commit(&decision);
        for step in &decision.plan.steps {
            if matches!(step.action, Action::Stop { .. }) {
                stops += 1;
                let failed = [(id.clone(), "UnsupportedOperation".to_owned())].into();
                world.tell(step, StepOutcome::DoneExcept { failed });
            } else {
                let outcome = world.execute(step);
                world.tell(step, outcome);
            }
        }
        removed.extend(why(&decision));
        if !removed.is_empty() {
            break;
        }
        world.pass(60);
    }
    assert_eq!((stops, removed), (15, vec![(id, DrainReason::WarmRestless)]));
    assert!(world.inputs.state.pools[&pool("blue")].warm_backoff.is_some());
    world.minutes(3);
    assert_eq!(world.alive().len(), 5, "four serve, one rests, nobody was launched for it");
}

#[test]
fn who_is_stopped_by_a_person_is_none_of_the_stock() {
    let mut world = stocked(json!({}));
    let id = InstanceId::new("i-blue-000");
    world.instances.get_mut(&id).unwrap().state = InstanceState::Stopped;
    world.health("blue", &id, TargetHealth::InvalidState);
    let decision = world.decide(ghostnet_core::signal::Signal::Tick);
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::Stopped { instance } if *instance == id)
    ));
    assert_eq!(counts(&decision).warm, 2);
    assert!(steps(&decision).contains(&"start i-blue-010".to_owned()), "{:?}", steps(&decision));
}

#[test]
fn one_that_a_person_starts_is_stopped_again_after_its_warm_up() {
    let mut world = stocked(json!({}));
    let id = InstanceId::new("i-blue-010");
    let now = world.now();
    let instance = world.instances.get_mut(&id).unwrap();
    (instance.state, instance.launched_at) = (InstanceState::Running, now);
    assert_eq!(
        (
            steps(&world.look()),
            counts(&world.decide(ghostnet_core::signal::Signal::Tick)).preparing
        ),
        (Vec::new(), 1)
    );
    world.pass(180);
    assert_eq!(steps(&world.look()), ["stop i-blue-010"]);
}

#[test]
fn while_one_boots_to_be_kept_nobody_leaves() {
    let mut world = empty(json!({}));
    keep(&mut world, 10, InstanceState::Running, WarmPhase::Kept);
    let now = world.now();
    world.instances.get_mut(&InstanceId::new("i-blue-010")).unwrap().launched_at = now;
    world.read("requests", 40.0);
    let decision = world.decide(ghostnet_core::signal::Signal::Tick);
    assert_eq!((blue(&decision).after, guards_of(&decision).contains(&"warm-up")), (4, true));
}

#[test]
fn a_fleet_that_goes_gives_its_stock_up() {
    let mut world = stocked(json!({}));
    keep(&mut world, 12, InstanceState::Running, WarmPhase::Preparing);
    world.inputs.retiring = true;
    world.minutes(8);
    assert_eq!(world.alive(), Vec::<&str>::new());
}

#[test]
fn a_spec_that_keeps_nobody_any_more_lets_the_stock_go() {
    let mut world = stocked(json!({}));
    let mut raw = raw(keeping(json!({})));
    raw.defaults.as_mut().unwrap().warm = None;
    world.spec = ghostnet_core::spec::FleetSpec::check(&raw).unwrap();
    world.inputs.spec = raw.into();
    world.minutes(4);
    assert_eq!(world.alive().len(), 4);
}

#[test]
fn what_is_wrong_with_a_stock_is_told() {
    for (warm, told) in [
        (json!({}), vec!["pools[0].warm.size: a stock of warm instances needs a size"]),
        (json!({ "size": "much" }), vec!["defaults.warm.size: `much` is not a percentage"]),
        (
            json!({ "size": 11 }),
            vec!["defaults.warm.size: `11` is above the pool's maximum `10`"],
        ),
        (
            json!({ "size": 2, "max_age": "7 days" }),
            vec!["defaults.warm.max_age: `7 days` is not a duration"],
        ),
        (
            json!({ "size": 2, "max_age": "5m" }),
            vec!["defaults.warm.max_age: `5m` is shorter than `1h`"],
        ),
        (
            json!({ "size": 2, "max_age": "90m", "state": "hibernated", "return": true }),
            vec![],
        ),
    ] {
        assert_eq!(problems(json!({ "defaults": { "warm": warm.clone() } })), told, "{warm}");
    }
    let own = spec(
        json!({ "defaults": { "warm": { "size": 2, "return": true } }, "pools": [{ "id": "blue", "target_groups": [group("blue")], "warm": { "size": "20%" } }] }),
    );
    let warm = own.pools[0].warm.unwrap();
    assert!(
        warm.takes_returns
            && warm.size == ghostnet_core::spec::WarmSize::Fixed(ghostnet_core::spec::Amount::Share(ghostnet_core::unit::Percent(20)))
    );
    assert_eq!(spec(json!({})).pools[0].warm, None);
}

#[test]
fn who_has_said_its_last_word_cannot_be_kept() {
    let pool = |returns: bool| json!({ "defaults": { "drain": { "wait_for_tag": true }, "warm": { "size": 1, "return": returns } } });
    assert_eq!(problems(pool(false)), Vec::<String>::new());
    assert_eq!(
        problems(pool(true)),
        ["defaults.drain.wait_for_tag: who has said its last word cannot be kept warm: it would still say so when it is started"]
    );
}

#[test]
fn a_refresh_reaches_those_that_are_kept() {
    use ghostnet_core::refresh::RefreshRequest;
    // after the table was restored one may be known for less time than it is there
    for taken_in_again in [false, true] {
        let mut world = stocked(json!({}));
        let request = RefreshRequest::Start {
            reason: "a new image".into(),
            checkpoints: Vec::new(),
            bake: Seconds(0),
            drifted: false,
        };
        assert_eq!(why(&world.look()), []);
        world.wait(60);
        // the first look launches for those that serve, and whoever grows needs all that is kept: it is a start
        let mut decisions = vec![world.ask("alice", Wish::Refresh(request))];
        for _ in 0..2 {
            world.pass(60);
            if taken_in_again {
                let now = world.now();
                let blue = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
                blue.members.get_mut(&InstanceId::new("i-blue-011")).unwrap().known_since = now.into();
            }
            decisions.push(world.look());
        }
        let outdated = |(_, why): &(InstanceId, DrainReason)| *why == DrainReason::WarmOutdated;
        let removed: Vec<_> = decisions.iter().flat_map(why).filter(outdated).collect();
        assert_eq!(removed, [(InstanceId::new("i-blue-011"), DrainReason::WarmOutdated)]);
        assert!(!member(&world, "i-blue-010").is_warm(), "it was started");
    }
}
