//! A refresh, as operators ask for it: it replaces, waits at checkpoints, is paused, resumed, cancelled, rolled back, or refused.

use ghostnet_core::decide::Decision;
use ghostnet_core::operator::{Asked, OperatorRequest, Refused, Wish};
use ghostnet_core::plan::Action;
use ghostnet_core::reason::Finding;
use ghostnet_core::refresh::{Phase, RefreshRefused, RefreshRequest};
use ghostnet_core::signal::{EVENT_AGE_MAX, Signal};
use ghostnet_core::spec::TemplateVersion;
use ghostnet_core::unit::{Percent, Seconds};

use crate::support::*;

fn version(version: u64) -> TemplateVersion {
    TemplateVersion {
        id: "lt-web".into(),
        version,
    }
}

/// Instances of version 1 that are an hour old and a little more; the template's default is version 2 since.
fn world(instances: u32, change: Value) -> World {
    let mut spec = json!({ "defaults": { "drain": { "timeout": "60s" } }, "policies": [] });
    merge(&mut spec, change);
    let mut world = World::serving(instances, spec);
    for instance in world.instances.values_mut() {
        instance.template = Some(version(1));
    }
    world.default_version = Some(version(2));
    world.inputs.resolved.templates.insert(pool("blue"), version(2));
    world
}

fn start(checkpoints: &[u16], bake: Seconds) -> RefreshRequest {
    RefreshRequest::Start {
        reason: "a new image".into(),
        checkpoints: checkpoints.iter().map(|share| Percent(*share)).collect(),
        bake,
        drifted: false,
    }
}

fn drifted() -> RefreshRequest {
    RefreshRequest::Start {
        reason: "a new image".into(),
        checkpoints: Vec::new(),
        bake: Seconds(0),
        drifted: true,
    }
}

fn ask(world: &mut World, request: RefreshRequest) -> Decision {
    // no two requests are of one moment
    world.wait(1);
    world.ask("ada", Wish::Refresh(request))
}

fn refused(decision: &Decision) -> Option<Refused> {
    let why = |finding: &Finding| match finding {
        Finding::OperatorRefused { why, .. } => Some(why.clone()),
        _ => None,
    };
    decision.pools.values().flat_map(|pool| &pool.findings).find_map(why)
}

fn play(world: &mut World, minutes: u32) -> Vec<Decision> {
    let minute = |_| {
        world.pass(60);
        world.look()
    };
    (0..minutes).map(minute).collect()
}

fn phases(decisions: &[Decision]) -> Vec<Phase> {
    let of = |decision: &Decision| {
        let phase = |finding: &Finding| match finding {
            Finding::Refreshing { progress, .. } => Some(progress.phase),
            _ => None,
        };
        blue(decision).findings.iter().find_map(phase)
    };
    decisions.iter().filter_map(of).collect()
}

/// How many run of each version.
fn versions(world: &World) -> Vec<(u64, usize)> {
    let mut counted = std::collections::BTreeMap::new();
    for instance in world.instances.values().filter(|instance| !instance.state.is_gone()) {
        *counted
            .entry(instance.template.as_ref().map_or(0, |version| version.version))
            .or_default() += 1;
    }
    counted.into_iter().collect()
}

/// The first replacement is listed before the outcome of its launch is written.
#[test]
fn who_is_new_is_not_replaced_because_a_clock_that_is_behind_saw_it_first() {
    for behind in [0, 8] {
        let mut world = world(4, json!({}));
        // clocks are of fractions of a second, and what is known of an instance is not
        world.inputs.now += jiff::SignedDuration::from_millis(400);
        let (fleet, pool, at) = ("web".parse().unwrap(), None, world.now());
        let (by, wish) = ("ada".to_owned(), Wish::Refresh(start(&[], Seconds(0))));
        let asked = Asked { by, at, wish };
        let decision = world.decide(Signal::OperatorRequest(OperatorRequest { fleet, pool, asked }));
        world.commit(&decision);
        world.wait(2);
        let new = world.launch(&decision.plan.steps[0]);
        world.inputs.now = Seconds(behind).before(world.now());
        world.look();
        world.wait(behind);
        play(&mut world, 60);
        assert_eq!(versions(&world), [(2, 4)], "{behind} seconds behind");
        assert!(
            world.alive().contains(&new.as_str()),
            "{behind} seconds behind: it was replaced too"
        );
    }
}

#[test]
fn a_refresh_replaces_everybody_and_waits_at_its_checkpoints() {
    let mut world = world(4, json!({}));
    let decision = ask(&mut world, start(&[25, 50], Seconds::minutes(10)));
    assert!(finds(&decision, |finding| finding.to_string()
        == "operator ada starts a refresh: a new image"));
    assert!(
        finds(&decision, |finding| finding.to_string() == "refresh asked by ada: 0 of 4 replaced"),
        "at once"
    );
    assert_eq!(steps(&decision), ["launch 1 in eu-west-1a"]);
    let decisions = play(&mut world, 80);
    assert!(decisions.iter().all(|decision| counts(decision).in_service >= 4));
    assert_eq!(versions(&world), [(2, 4)]);
    let phases = phases(&decisions);
    assert_eq!(phases.last(), Some(&Phase::Complete));
    let baked = phases.iter().filter(|phase| matches!(phase, Phase::Baking { .. })).count();
    assert_eq!(baked, 20, "ten minutes at each of two");
    let refresh = world.inputs.state.pools[&pool("blue")].refresh.clone().unwrap();
    assert!(refresh.ended.unwrap().complete);
    assert_eq!((refresh.total, refresh.by.as_str()), (Some(4), "ada"));
}

#[test]
fn a_refresh_is_paused_resumed_and_cancelled() {
    let mut world = world(4, json!({}));
    ask(&mut world, start(&[], Seconds(0)));
    ask(&mut world, RefreshRequest::Pause);
    play(&mut world, 30);
    assert_eq!(versions(&world), [(1, 3), (2, 1)], "what was begun is finished");
    let renews = |decision: &Decision| finds(decision, |finding| matches!(finding, Finding::Renews { .. }));
    assert!(renews(&ask(&mut world, RefreshRequest::Resume)));
    ask(&mut world, RefreshRequest::Cancel);
    let decisions = play(&mut world, 30);
    assert_eq!(counts(&decisions[0]).renewing, 0);
    assert_eq!(phases(&decisions), []);
    assert_eq!(world.alive().len(), 4);
}

#[test]
fn those_that_drifted_are_replaced_and_nobody_else() {
    let mut world = world(4, json!({}));
    for instance in world.instances.values_mut().take(3) {
        instance.template = Some(version(2));
    }
    assert_eq!(refused(&ask(&mut world, drifted())), None);
    let decisions = play(&mut world, 30);
    assert_eq!(phases(&decisions).last(), Some(&Phase::Complete));
    let launched = decisions.iter().flat_map(steps).filter(|step| step.starts_with("launch")).count();
    assert_eq!(
        (versions(&world), launched),
        (vec![(2, 4)], 0),
        "the one launch was with the request"
    );
}

/// Half of them are of version 2 when it proves bad.
#[test]
fn a_rollback_brings_the_version_from_before_back_and_keeps_to_it_until_the_next_apply() {
    for drift in ["ignore", "replace"] {
        let mut world = world(4, json!({ "defaults": { "launch": { "drift": drift } } }));
        ask(&mut world, start(&[50], Seconds::minutes(24 * 60)));
        if drift == "ignore" {
            play(&mut world, 40);
            assert_eq!(versions(&world), [(1, 2), (2, 2)], "it waits at its checkpoint");
        } else {
            play(&mut world, 12);
        }
        let decision = ask(&mut world, RefreshRequest::Rollback);
        assert_eq!(refused(&decision), None, "{drift}");
        let decisions = play(&mut world, 60);
        assert!(decisions.iter().all(|decision| counts(decision).in_service >= 4), "{drift}");
        assert_eq!(versions(&world), [(1, 4)], "{drift}");
        let told = "the refresh was rolled back: launches name version 1 of lt-web until the next `apply`";
        assert!(finds(&decisions[59], |finding| finding.to_string() == told), "{drift}");
        // who comes later is of that version too
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 5;
        let launched = play(&mut world, 1);
        let named = launched[0].plan.steps.iter().find_map(|step| match &step.action {
            Action::Launch(launch) => Some(launch.template.version.clone()),
            _ => None,
        });
        assert_eq!(named.as_deref(), Some("1"), "{drift}");
        play(&mut world, 10);
        // the spec says anew what is wanted
        world.inputs.spec_version = ghostnet_core::id::SpecVersion(2);
        let decisions = play(&mut world, 80);
        assert!(
            !finds(&decisions[0], |finding| matches!(finding, Finding::RolledBack { .. })),
            "{drift}"
        );
        let expected = if drift == "replace" { vec![(2, 5)] } else { vec![(1, 5)] };
        assert_eq!(versions(&world), expected, "{drift}");
    }
}

/// A person looks into one of the new version while the others go back.
#[test]
fn one_that_was_protected_from_a_rollback_follows_where_drift_is_replaced() {
    for (drift, expected) in [("ignore", vec![(1, 3), (2, 1)]), ("replace", vec![(1, 4)])] {
        let mut world = world(4, json!({ "defaults": { "launch": { "drift": drift } } }));
        ask(&mut world, start(&[50], Seconds::minutes(24 * 60)));
        play(&mut world, if drift == "ignore" { 40 } else { 12 });
        let is_new =
            |instance: &&mut ghostnet_core::observation::Instance| !instance.state.is_gone() && instance.template == Some(version(2));
        let looked_into = world.instances.values_mut().find(is_new).unwrap();
        looked_into.protected = true;
        let id = looked_into.id.clone();
        ask(&mut world, RefreshRequest::Rollback);
        play(&mut world, 60);
        assert_eq!(versions(&world), [(1, 3), (2, 1)], "{drift}");
        world.instances.get_mut(&id).unwrap().protected = false;
        play(&mut world, 20);
        assert_eq!(versions(&world), expected, "{drift}");
    }
}

/// A rollback that is paused while some are still of the version that was given up, and replaces nobody for as long.
fn paused_rollback(change: Value) -> World {
    let mut world = world(4, change);
    ask(&mut world, start(&[], Seconds(0)));
    play(&mut world, 14);
    ask(&mut world, RefreshRequest::Rollback);
    ask(&mut world, RefreshRequest::Pause);
    play(&mut world, 30);
    let before = versions(&world);
    assert!(before.iter().any(|(version, _)| *version == 2), "{before:?}");
    play(&mut world, 10);
    assert_eq!(versions(&world), before, "paused");
    world
}

#[test]
fn a_rollback_that_goes_on_can_be_paused_and_ends_with_its_spec() {
    let mut world = paused_rollback(json!({}));
    let before = versions(&world);
    world.inputs.spec_version = ghostnet_core::id::SpecVersion(2);
    play(&mut world, 30);
    assert_eq!(versions(&world), before, "over");
    let refresh = world.inputs.state.pools[&pool("blue")].refresh.clone().unwrap();
    assert!(!refresh.ended.unwrap().complete);
}

#[test]
fn a_rollback_that_is_paused_replaces_nobody_where_drift_is_replaced_either() {
    let mut world = paused_rollback(json!({ "defaults": { "launch": { "drift": "replace" } } }));
    ask(&mut world, RefreshRequest::Resume);
    play(&mut world, 60);
    let after = versions(&world);
    assert!(after.iter().all(|(version, _)| *version == 1), "it goes on: {after:?}");
}

#[test]
fn a_request_that_makes_no_sense_is_refused_and_changes_nothing() {
    let calm = || world(2, json!({}));
    let going = || {
        let mut world = calm();
        ask(&mut world, start(&[], Seconds(0)));
        world
    };
    let current = || {
        let mut world = calm();
        world
            .instances
            .values_mut()
            .for_each(|instance| instance.template = Some(version(2)));
        world
    };
    // a new image behind the same version: the instances before and since cannot be told apart
    let same = || {
        let mut world = current();
        ask(&mut world, start(&[], Seconds(0)));
        play(&mut world, 8);
        world
    };
    let not_looked_up = || {
        let mut world = calm();
        world.inputs.resolved.templates.clear();
        world
    };
    let untold = || {
        let mut world = going();
        for instance in world.instances.values_mut() {
            instance.template = None;
        }
        world
            .inputs
            .state
            .pools
            .get_mut(&pool("blue"))
            .unwrap()
            .refresh
            .as_mut()
            .unwrap()
            .from = None;
        world
    };
    let mode = |mode: &str| world(2, json!({ "mode": mode }));
    let retiring = || {
        let mut world = calm();
        world.inputs.retiring = true;
        world
    };
    let blue = || pool("blue");
    let refresh = Refused::Refresh;
    let (none, far) = (Seconds(0), Seconds::minutes(2 * 24 * 60));
    for (situation, mut world, request, why) in [
        ("a second", going(), start(&[], none), refresh(RefreshRefused::GoesOn(blue()))),
        (
            "a pause of nothing",
            calm(),
            RefreshRequest::Pause,
            refresh(RefreshRefused::None(blue())),
        ),
        (
            "an end of nothing",
            calm(),
            RefreshRequest::Cancel,
            refresh(RefreshRefused::None(blue())),
        ),
        (
            "a way back from nothing",
            calm(),
            RefreshRequest::Rollback,
            refresh(RefreshRefused::None(blue())),
        ),
        (
            "a way back to the same",
            same(),
            RefreshRequest::Rollback,
            refresh(RefreshRefused::NoWayBack(blue())),
        ),
        (
            "a way back to nobody knows what",
            untold(),
            RefreshRequest::Rollback,
            refresh(RefreshRefused::NoWayBack(blue())),
        ),
        (
            "nobody drifted",
            current(),
            drifted(),
            refresh(RefreshRefused::NoDrift { pool: blue(), version: 2 }),
        ),
        (
            "drifted from what",
            not_looked_up(),
            drifted(),
            refresh(RefreshRefused::NoVersion(blue())),
        ),
        ("descending", calm(), start(&[50, 20], none), refresh(RefreshRefused::Checkpoints)),
        ("nothing", calm(), start(&[0], none), refresh(RefreshRefused::Checkpoints)),
        ("too much", calm(), start(&[101], none), refresh(RefreshRefused::Checkpoints)),
        ("two days", calm(), start(&[50], far), refresh(RefreshRefused::Bake)),
        ("a fleet that goes", retiring(), start(&[], none), Refused::Retiring),
        (
            "a mode that only adds",
            mode("out_only"),
            start(&[], none),
            Refused::Mode {
                mode: ghostnet_core::spec::FleetMode::OutOnly,
            },
        ),
    ] {
        let before = world.inputs.state.pools[&blue()]
            .refresh
            .clone()
            .map(|refresh| (refresh.last, refresh.back, refresh.paused));
        let decision = ask(&mut world, request);
        assert_eq!(refused(&decision), Some(why), "{situation}");
        let after = world.inputs.state.pools[&blue()]
            .refresh
            .clone()
            .map(|refresh| (refresh.last, refresh.back, refresh.paused));
        assert_eq!(after, before, "{situation}");
    }
}

#[test]
fn an_older_request_never_undoes_a_newer_one_and_a_late_one_is_none() {
    let mut world = world(2, json!({}));
    let asked = |by: &str, at, request| Asked {
        by: by.into(),
        at,
        wish: Wish::Refresh(request),
    };
    let hear = |world: &mut World, asked: &Asked| {
        let (fleet, pool, asked) = ("web".parse().unwrap(), None, asked.clone());
        world.look_at(Signal::OperatorRequest(OperatorRequest { fleet, pool, asked }))
    };
    let first = asked("ada", world.now(), start(&[], Seconds(0)));
    assert_eq!(refused(&hear(&mut world, &first)), None);
    world.pass(60);
    assert_eq!(refused(&hear(&mut world, &first)), None, "the same again is no news");
    let cancel = asked("bob", world.now(), RefreshRequest::Cancel);
    assert_eq!(refused(&hear(&mut world, &cancel)), None);
    world.pass(60);
    let (by, at) = ("bob".to_owned(), cancel.at);
    assert_eq!(refused(&hear(&mut world, &first)), Some(Refused::Superseded { by, at }));
    assert_eq!(phases(&play(&mut world, 3)), [], "it stays cancelled");
    let late = asked("eve", Seconds(EVENT_AGE_MAX.0 + 1).before(world.now()), start(&[], Seconds(0)));
    assert!(matches!(refused(&hear(&mut world, &late)), Some(Refused::Old { .. })));
}

/// A size that somebody asked for goes on beside a refresh.
#[test]
fn a_refresh_leaves_an_operators_size_alone() {
    let mut world = world(2, json!({}));
    let (until, reason) = (Seconds::minutes(120).after(world.now()), "load test".to_owned());
    world.ask("bob", Wish::Hold { desired: 3, until, reason });
    ask(&mut world, start(&[], Seconds(0)));
    let last = play(&mut world, 60).pop().unwrap();
    assert_eq!((blue(&last).after, versions(&world)), (3, vec![(2, 3)]));
}

#[test]
fn which_pools_are_meant() {
    let two = || {
        World::new(json!({ "maximum": 20, "pools": [
            { "id": "blue", "target_groups": [group("blue")] },
            { "id": "green", "role": "standby", "target_groups": [group("green")] },
        ] }))
    };
    let hear = |world: &mut World, named: Option<&str>, request: RefreshRequest| {
        world.wait(1);
        let (fleet, pool) = ("web".parse().unwrap(), named.map(pool));
        let (by, at, wish) = ("ada".into(), world.now(), Wish::Refresh(request));
        let asked = Asked { by, at, wish };
        let request = OperatorRequest { fleet, pool, asked };
        let decision = world.decide(Signal::OperatorRequest(request));
        world.commit(&decision);
        refused(&decision)
    };
    let paused = |world: &World, name: &str| world.inputs.state.pools[&pool(name)].refresh.as_ref().map(|refresh| refresh.paused);
    // nothing is launched, so nothing ends meanwhile
    let start = || start(&[], Seconds(0));
    let mut all = two();
    all.instances_known = false;
    assert_eq!(hear(&mut all, None, start()), None);
    assert_eq!(
        (paused(&all, "blue"), paused(&all, "green")),
        (Some(false), Some(false)),
        "every pool"
    );
    assert_eq!(hear(&mut all, Some("green"), RefreshRequest::Pause), None);
    assert_eq!((paused(&all, "blue"), paused(&all, "green")), (Some(false), Some(true)), "one");
    let mut one = two();
    one.instances_known = false;
    assert_eq!(hear(&mut one, Some("green"), start()), None);
    assert_eq!(hear(&mut one, None, RefreshRequest::Pause), None, "where one goes on");
    assert_eq!((paused(&one, "blue"), paused(&one, "green")), (None, Some(true)));
    assert_eq!(
        hear(&mut one, None, start()),
        Some(Refused::Refresh(RefreshRefused::GoesOn(pool("green"))))
    );
    assert_eq!(paused(&one, "blue"), None, "all or none");
    let red = pool("red");
    assert_eq!(hear(&mut one, Some("red"), start()), Some(Refused::NoSuchPool { pool: red }));
}

#[test]
fn every_refusal_says_what_to_do() {
    for refused in [
        RefreshRefused::NoPool(pool("blue")),
        RefreshRefused::GoesOn(pool("blue")),
        RefreshRefused::None(pool("blue")),
        RefreshRefused::Checkpoints,
        RefreshRefused::Bake,
        RefreshRefused::NoVersion(pool("blue")),
        RefreshRefused::NoDrift {
            pool: pool("blue"),
            version: 2,
        },
        RefreshRefused::NoWayBack(pool("blue")),
    ] {
        let (why, hint) = (refused.to_string(), Refused::Refresh(refused.clone()).hint());
        assert!(
            why != hint && hint.len() > 20 && !why.ends_with('.') && !hint.ends_with('.'),
            "{why}: {hint}"
        );
    }
}
