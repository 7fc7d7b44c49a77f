//! Instances that are kept stopped: how they come, rest, start and leave. Four of `blue` serve, and two are to be kept.

mod starts;
mod stops;

use ghostnet_core::decide::Decision;
use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{ExhaustedOffering, InstanceState, Market, Offering, TargetHealth};
use ghostnet_core::operator::Wish;
use ghostnet_core::plan::{Action, StepOutcome};
use ghostnet_core::reason::Finding;
use ghostnet_core::spec::TemplateVersion;
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
    world.instances.get_mut(&InstanceId::new("i-blue-011")).unwrap().instance_type = ghostnet_core::id::InstanceType::new("m5.large");
    assert_eq!(why(&world.look()), [(InstanceId::new("i-blue-011"), DrainReason::WarmOutdated)]);
}

/// What is kept would be replaced as soon as it served.
#[test]
fn one_of_another_version_of_the_template_is_replaced_where_drift_is() {
    let version = |version| TemplateVersion {
        id: "lt-shop".into(),
        version,
    };
    for (situation, drift, outdated) in [("replaced", "replace", 1), ("left alone", "ignore", 0)] {
        let mut world = stocked(json!({ "defaults": { "launch": { "drift": drift } } }));
        world.inputs.resolved.templates.insert(pool("blue"), version(8));
        for instance in world.instances.values_mut() {
            instance.template = Some(version(8));
        }
        world.instances.get_mut(&InstanceId::new("i-blue-011")).unwrap().template = Some(version(7));
        let leave = vec![(InstanceId::new("i-blue-011"), DrainReason::WarmOutdated); outdated];
        assert_eq!(why(&world.look()), leave, "{situation}");
    }
}

/// It is looked at before it is kept: one whose status checks fail is neither stopped nor used.
#[test]
fn one_that_is_sick_before_it_rests_is_not_kept() {
    let mut world = stocked(json!({ "defaults": { "health": { "status_checks": "1m" }, "warm": { "size": 3 } } }));
    let id = keep(&mut world, 12, InstanceState::Running, WarmPhase::Preparing);
    let since = Seconds::minutes(10).before(world.now());
    world.impaired = Some([(id.clone(), since)].into());
    let decision = world.look();
    assert_eq!(why(&decision), [(id, DrainReason::Unhealthy)]);
    assert!(
        !steps(&decision).iter().any(|step| step.starts_with("stop")),
        "{:?}",
        steps(&decision)
    );
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
