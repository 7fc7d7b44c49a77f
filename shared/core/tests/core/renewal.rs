//! Instances that are well and are replaced: too old, drifted, or to be retired. Launch first, and calmly.

use ghostnet_core::decide::Decision;
use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::plan::{Action, StepOutcome};
use ghostnet_core::reason::Finding;
use ghostnet_core::spec::{TemplateKey, TemplateVersion};
use ghostnet_core::state::{Member, RenewReason};
use ghostnet_core::unit::Seconds;

use crate::support::*;

/// Instances of `World::serving` are an hour old and a little more; new ones are of no template version until they are told.
fn old(instances: u32, change: Value) -> World {
    let mut spec = json!({ "defaults": { "drain": { "timeout": "60s" } }, "policies": [] });
    merge(&mut spec, change);
    World::serving(instances, spec)
}

/// What a look replaces, and why.
fn renews(decision: &Decision) -> Vec<(InstanceId, RenewReason)> {
    let of = |finding: &Finding| match finding {
        Finding::Renews { instance, why } => Some((instance.clone(), *why)),
        _ => None,
    };
    blue(decision).findings.iter().filter_map(of).collect()
}

/// A tick a minute; after each, how many serve. Instances that were launched belong to this template version.
fn play(world: &mut World, minutes: u32, version: Option<&TemplateVersion>) -> Vec<Decision> {
    let mut decisions = Vec::new();
    for _ in 0..minutes {
        world.pass(60);
        for instance in world.instances.values_mut().filter(|instance| instance.id.as_str().contains("new")) {
            instance.template = version.cloned();
        }
        decisions.push(world.look());
    }
    decisions
}

fn alive_old(world: &World) -> usize {
    world.alive().iter().filter(|id| !id.contains("new")).count()
}

#[test]
fn one_that_is_too_old_serves_until_its_replacement_is_warm() {
    let mut world = old(3, json!({ "defaults": { "max_age": "1h", "capacity": { "max": 3 } } }));
    let decision = world.look();
    let (id, why) = renews(&decision)[0].clone();
    assert_eq!((id.as_str(), why, renews(&decision).len()), ("i-blue-000", RenewReason::Age, 1));
    assert_eq!(counts(&decision).renewing, 1);
    assert_eq!(steps(&decision), ["launch 1 in eu-west-1a"], "beyond the maximum, within the surge");
    let mut left_at = None;
    for (minute, decision) in (1..).zip(play(&mut world, 12, None)) {
        let counts = counts(&decision);
        assert!(counts.in_service >= 3, "minute {minute}: {counts:?}");
        if finds(
            &decision,
            |finding| matches!(finding, Finding::Drains { instance, .. } if *instance == id),
        ) {
            left_at = Some(minute);
            break;
        }
    }
    assert_eq!(left_at, Some(3), "three minutes of warm-up, counted from the launch");
    // one after the other, until all are new
    for decision in play(&mut world, 40, None) {
        assert!(counts(&decision).in_service >= 3, "{:?}", counts(&decision));
    }
    assert_eq!((world.alive().len(), alive_old(&world)), (3, 0));
    assert_eq!(play(&mut world, 5, None).iter().flat_map(steps).count(), 0, "and then it rests");
}

#[test]
fn a_batch_is_no_larger_than_the_surge_and_the_removal_budget() {
    for (situation, max, budget, expected) in [
        ("a tenth of forty", 40, json!("25%"), 4),
        ("the removal budget", 40, json!(2), 2),
        ("no removals at all", 40, json!(0), 0),
        ("one of a few", 30, json!("10%"), 3),
    ] {
        let mut world = old(
            30,
            json!({ "defaults": { "max_age": "1h", "capacity": { "max": max } }, "guards": { "budgets": { "removal": { "per_tick": budget } } } }),
        );
        let decision = world.look();
        let zones: Vec<_> = renews(&decision)
            .iter()
            .map(|(id, _)| world.instances[id].zone.to_string())
            .collect();
        assert_eq!(zones, vec!["eu-west-1a"; expected], "{situation}: zone by zone");
    }
}

#[test]
fn nobody_is_replaced_unless_the_pool_is_calm() {
    let change = json!({ "defaults": { "max_age": "1h" } });
    type Disturb = fn(&mut World);
    let disturbed: [(&str, Disturb); 7] = [
        ("one is sick", |world| {
            world.health("blue", &InstanceId::new("i-blue-003"), TargetHealth::Unhealthy);
        }),
        ("more are wanted", |world| {
            world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 7;
        }),
        ("fewer are wanted", |world| {
            world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 5;
        }),
        ("a group cannot be read", |world| {
            world.unreadable.insert("blue".into());
        }),
        ("the list cannot be read", |world| world.instances_known = false),
        ("one just came", |world| {
            let now = world.now();
            world.instances.get_mut(&InstanceId::new("i-blue-001")).unwrap().launched_at = now;
        }),
        ("the owner only adds", |world| {
            world.spec.mode = ghostnet_core::spec::FleetMode::OutOnly
        }),
    ];
    let mut calm = old(6, change.clone());
    assert_eq!(renews(&calm.decide(ghostnet_core::signal::Signal::Tick)).len(), 1);
    for (situation, disturb) in disturbed {
        let mut world = old(6, change.clone());
        disturb(&mut world);
        let decision = world.decide(ghostnet_core::signal::Signal::Tick);
        assert_eq!(renews(&decision), [], "{situation}");
    }
}

#[test]
fn a_protected_instance_is_not_replaced() {
    let mut world = old(2, json!({ "defaults": { "max_age": "1h" } }));
    for instance in world.instances.values_mut() {
        instance.protected = true;
    }
    assert_eq!(renews(&world.look()), []);
}

/// The mark goes with its cause, and what was launched meanwhile is one too many like any other.
#[test]
fn without_its_cause_nobody_is_replaced_any_more() {
    let mut world = old(3, json!({ "defaults": { "max_age": "1h" } }));
    assert_eq!(renews(&world.look()).len(), 1);
    world.spec.pools[0].max_age = None;
    let raw = raw(json!({ "defaults": { "drain": { "timeout": "60s" } }, "policies": [] }));
    world.inputs.spec = raw.into();
    let decisions = play(&mut world, 20, None);
    assert_eq!(counts(&decisions[0]).renewing, 0);
    assert_eq!(world.alive().len(), 3);
}

/// No capacity anywhere: the old one serves on.
#[test]
fn without_a_replacement_nobody_leaves() {
    let mut world = old(3, json!({ "defaults": { "max_age": "1h" } }));
    for _ in 0..30 {
        world.pass(60);
        let decision = world.decide(ghostnet_core::signal::Signal::Tick);
        world.commit(&decision);
        for step in decision.plan.steps.clone() {
            let Action::Launch(_) = &step.action else { panic!("{step:?}") };
            world.tell(&step, StepOutcome::NoCapacity { code: "no".into() });
        }
    }
    assert_eq!(world.alive().len(), 3);
}

/// Who served when last seen is believed to serve on, which is no reason to have another one go.
#[test]
fn while_a_group_cannot_be_read_nobody_who_was_replaced_leaves() {
    let drains = |decision: &Decision| finds(decision, |finding| matches!(finding, Finding::Drains { .. }));
    let mut world = old(3, json!({ "defaults": { "max_age": "1h" } }));
    world.look();
    play(&mut world, 2, None);
    world.unreadable.insert("blue".into());
    assert!(!play(&mut world, 10, None).iter().any(drains));
    world.unreadable.clear();
    assert!(play(&mut world, 2, None).iter().any(drains));
}

fn version(version: u64) -> TemplateVersion {
    TemplateVersion {
        id: "lt-web".into(),
        version,
    }
}

#[test]
fn drift_is_replaced_by_the_version_that_apply_looked_up() {
    let mut world = old(3, json!({ "defaults": { "launch": { "drift": "replace" } } }));
    for instance in world.instances.values_mut() {
        instance.template = Some(version(1));
    }
    world.inputs.resolved.templates.insert(pool("blue"), version(1));
    assert_eq!(renews(&world.look()), []);
    world.inputs.resolved.templates.insert(pool("blue"), version(2));
    world.wait(60);
    let decision = world.look();
    assert_eq!(renews(&decision)[0].1, RenewReason::Drift);
    let Action::Launch(launch) = &decision.plan.steps[0].action else {
        panic!("{:?}", decision.plan)
    };
    assert_eq!(
        launch.template.key,
        TemplateKey::Id("lt-web".into()),
        "not what `$Default` means now"
    );
    assert_eq!(launch.template.version, "2");
    play(&mut world, 40, Some(&version(2)));
    assert_eq!((world.alive().len(), alive_old(&world)), (3, 0));
    assert_eq!(play(&mut world, 5, Some(&version(2))).iter().flat_map(steps).count(), 0);
}

#[test]
fn drift_is_ignored_unless_asked_for_or_where_it_cannot_be_known() {
    for (situation, change, from) in [
        ("not asked for", json!({}), Some(version(1))),
        ("no tags", json!({ "defaults": { "launch": { "drift": "replace" } } }), None),
    ] {
        let mut world = old(3, change);
        world.inputs.resolved.templates.insert(pool("blue"), version(2));
        for instance in world.instances.values_mut() {
            instance.template = from.clone();
        }
        assert_eq!(renews(&world.look()), [], "{situation}");
    }
}

#[test]
fn an_age_below_an_hour_is_refused() {
    assert_eq!(
        problems(json!({ "defaults": { "max_age": "30m" } })),
        ["defaults.max_age: `30m` is less than `1h`"]
    );
    assert_eq!(
        spec(json!({ "defaults": { "max_age": "30d" } })).pools[0].max_age,
        Some(Seconds::minutes(30 * 24 * 60))
    );
}

/// Six in one zone and none in the others: one at a time moves, until no zone has two more than another.
#[test]
fn zones_that_differ_by_more_than_one_are_brought_into_balance() {
    let mut world = old(6, json!({ "defaults": { "launch": { "rebalance_zones": true } } }));
    for instance in world.instances.values_mut() {
        instance.zone = ghostnet_core::id::Zone::new("eu-west-1a");
    }
    let decisions = play(&mut world, 120, None);
    assert!(decisions.iter().all(|decision| counts(decision).in_service >= 6));
    assert!(decisions.iter().all(|decision| counts(decision).renewing <= 1));
    let mut zones = std::collections::BTreeMap::new();
    for instance in world.instances.values().filter(|instance| !instance.state.is_gone()) {
        *zones.entry(instance.zone.as_str()).or_insert(0) += 1;
    }
    assert_eq!(zones.into_values().collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(play(&mut world, 40, None).iter().flat_map(steps).count(), 0, "and then it rests");
}

/// They are remembered for a while where clients find instances by name.
#[test]
fn who_is_gone_is_in_no_zone() {
    let found_by_name = json!({ "cloud_map": { "service": "srv-blue" }, "id": "blue" });
    let mut world = old(
        6,
        json!({ "pools": [found_by_name], "defaults": { "launch": { "rebalance_zones": true } } }),
    );
    world.look();
    world.pass(60);
    let zones: Vec<_> = world.instances.values().map(|instance| instance.zone.clone()).collect();
    for (n, zone) in (20..23).zip(std::iter::repeat(&zones[0])) {
        let id = world.put("blue", n, InstanceState::Terminated);
        world.instances.get_mut(&id).unwrap().zone = zone.clone();
        let blue = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
        let gone = Member {
            gone: true,
            gone_since: Some(world.inputs.now.into()),
            ..Member::new(world.inputs.now)
        };
        blue.members.insert(id, gone);
    }
    assert_eq!(renews(&world.look()), []);
}

#[test]
fn zones_are_left_alone_unless_asked_for_and_where_there_is_no_capacity() {
    let in_one_zone = |change: Value| {
        let mut world = old(6, change);
        for instance in world.instances.values_mut() {
            instance.zone = ghostnet_core::id::Zone::new("eu-west-1a");
        }
        world
    };
    assert_eq!(renews(&in_one_zone(json!({})).look()), []);
    let asked = json!({ "defaults": { "launch": { "rebalance_zones": true } } });
    assert_eq!(renews(&in_one_zone(asked.clone()).look())[0].1, RenewReason::Balance);
    let mut world = in_one_zone(asked);
    for zone in ["eu-west-1b", "eu-west-1c"] {
        let offering = ghostnet_core::observation::Offering {
            zone: ghostnet_core::id::Zone::new(zone),
            instance_type: Some(ghostnet_core::id::InstanceType::new("c7a.large")),
            market: ghostnet_core::observation::Market::OnDemand,
            reservation: None,
        };
        world.exhausted.push(ghostnet_core::observation::ExhaustedOffering {
            offering,
            until: jiff::Timestamp::MAX,
        });
    }
    assert_eq!(renews(&world.look()), []);
}

#[test]
fn an_order_that_makes_no_sense_is_refused_with_the_reason() {
    let told = problems(json!({ "defaults": { "scale_in": { "order": ["zone_balance", "least_loaded", "most_expensive"] } } }));
    assert_eq!(
        told,
        [
            "defaults.scale_in.order[1]: no policy of the pool tells what one instance carries",
            "defaults.scale_in.order[2]: no instance type has a price",
        ]
    );
}

#[test]
fn one_that_aws_will_retire_is_replaced_and_an_old_notice_only_wakes() {
    let notice = |world: &World, ago: u32, retires| ghostnet_core::signal::Signal::InstanceChanged {
        instances: vec![InstanceId::new("i-blue-001"), InstanceId::new("i-nobody")],
        what: "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED (open)".into(),
        at: Seconds(ago).before(world.now()),
        retires,
    };
    for (situation, ago, retires, expected) in [
        ("a fresh notice", 20, true, 1),
        ("an old one", 3_600, true, 0),
        ("another change", 20, false, 0),
    ] {
        let mut world = old(3, json!({}));
        let signal = notice(&world, ago, retires);
        let decision = world.look_at(signal);
        let replaced = renews(&decision);
        assert_eq!(replaced.len(), expected, "{situation}");
        assert!(
            replaced
                .iter()
                .all(|(id, why)| id.as_str() == "i-blue-001" && *why == RenewReason::Retirement)
        );
        let decisions = play(&mut world, 20, None);
        assert!(decisions.iter().all(|decision| counts(decision).in_service >= 3), "{situation}");
        assert_eq!((world.alive().len(), alive_old(&world)), (3, 3 - expected), "{situation}");
    }
}

/// The notice is remembered until the pool is calm.
#[test]
fn a_notice_is_not_forgotten_while_the_pool_is_short() {
    let mut world = old(3, json!({}));
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 4;
    let signal = ghostnet_core::signal::Signal::InstanceChanged {
        instances: vec![InstanceId::new("i-blue-001")],
        what: "retirement".into(),
        at: world.now(),
        retires: true,
    };
    assert_eq!(renews(&world.look_at(signal)), []);
    play(&mut world, 30, None);
    assert_eq!((world.alive().len(), alive_old(&world)), (4, 2));
}

/// Whoever only adds replaces nobody: what was marked stays, and counts.
#[test]
fn where_the_mode_only_adds_a_mark_is_taken_back() {
    let mut world = old(3, json!({ "defaults": { "max_age": "1h" } }));
    assert_eq!(renews(&world.look()).len(), 1);
    let raw = raw(json!({ "mode": "out_only", "defaults": { "max_age": "1h", "drain": { "timeout": "60s" } }, "policies": [] }));
    world.spec = ghostnet_core::spec::FleetSpec::check(&raw).unwrap();
    world.inputs.spec = raw.into();
    let decisions = play(&mut world, 20, None);
    assert_eq!(counts(&decisions[0]).renewing, 0);
    assert_eq!(
        decisions.iter().flat_map(steps).filter(|step| step.starts_with("launch")).count(),
        0
    );
    assert_eq!(alive_old(&world), 3);
}

/// A scheduled maximum is smaller, and with it the surge: what can be launched lets as many go, and the rest follows.
#[test]
fn a_batch_that_cannot_be_launched_whole_goes_on_one_by_one() {
    let window = json!({ "type": "scheduled", "id": "window", "when": { "cron": "0 0 * * *", "for": "23h" }, "capacity": { "max": 8 } });
    let mut world = old(
        8,
        json!({ "defaults": { "max_age": "1h", "capacity": { "max": 40 } }, "policies": [window], "guards": { "budgets": { "removal": { "per_tick": 4 } } } }),
    );
    assert_eq!(renews(&world.look()).len(), 4);
    let decisions = play(&mut world, 55, None);
    assert!(decisions.iter().all(|decision| counts(decision).in_service >= 8));
    assert_eq!((world.alive().len(), alive_old(&world)), (8, 0));
}

/// One that is sick or leaves does not count as serving, whatever mark it has.
#[test]
fn one_that_is_marked_and_falls_sick_is_replaced_once() {
    let mut world = old(4, json!({ "defaults": { "max_age": "1h", "capacity": { "max": 8 } } }));
    let (id, _) = renews(&world.look())[0].clone();
    world.health("blue", &id, TargetHealth::Unhealthy);
    let decisions = play(&mut world, 10, None);
    let launched: usize = decisions.iter().flat_map(steps).filter(|step| step.starts_with("launch")).count();
    assert!(launched <= 2, "its own replacement, and perhaps the next one's: {launched}");
    assert!(decisions.iter().all(|decision| counts(decision).in_service >= 3));
    assert!(!world.alive().contains(&id.as_str()));
}
