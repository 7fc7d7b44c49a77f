//! What says beside the target groups that an instance is sick: EC2's status checks and heartbeats.

use ghostnet_core::decide::Decision;
use ghostnet_core::health::Report;
use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{TargetHealth, Word, tag};
use ghostnet_core::reason::Finding;
use ghostnet_core::state::DrainReason;
use ghostnet_core::unit::Seconds;

use crate::support::*;

fn one() -> InstanceId {
    InstanceId::new("i-blue-001")
}

fn asking(health: Value) -> World {
    World::serving(6, json!({ "defaults": { "health": health } }))
}

/// Its checks have failed for this long.
fn impaired(world: &mut World, minutes: u32) {
    let since = Seconds::minutes(minutes).before(world.now());
    world.impaired.get_or_insert_default().insert(one(), since);
}

/// Its last heartbeat is this old.
fn beat(world: &mut World, minutes: u32) {
    let last = Seconds::minutes(minutes).before(world.now());
    world.instances.get_mut(&one()).unwrap().word.beat = Some(last);
}

/// Nothing else is wrong, for so many looks a minute apart; the last one.
fn looks(world: &mut World, minutes: u32) -> Decision {
    world.minutes(minutes).pop().unwrap()
}

fn is_replaced(decision: &Decision) -> bool {
    finds(
        decision,
        |finding| matches!(finding, Finding::Drains { instance, why } if *instance == one() && *why == DrainReason::Unhealthy),
    )
}

fn told(decision: &Decision) -> Option<String> {
    let mut findings = blue(decision).findings.iter();
    findings
        .find(|finding| matches!(finding, Finding::Reported { .. }))
        .map(ToString::to_string)
}

#[test]
fn a_report_that_lasts_makes_sick_whom_the_balancer_finds_well() {
    for (situation, health, report) in [
        ("status checks", json!({ "status_checks": "5m" }), impaired as fn(&mut World, u32)),
        ("heartbeat", json!({ "heartbeat": "5m" }), beat),
    ] {
        let mut world = asking(health);
        world.impaired = Some([].into());
        report(&mut world, 4);
        assert_eq!(told(&world.look()), None, "{situation}: not for long enough");
        report(&mut world, 5);
        let decision = world.look();
        assert!(
            told(&decision).is_some() && decision.plan.steps.is_empty(),
            "{situation}: once is nothing"
        );
        world.wait(60);
        let decision = world.look();
        assert_eq!(
            steps(&decision),
            ["launch 1 in eu-west-1b"],
            "{situation}: it answers until another one does"
        );
        assert_eq!(counts(&decision).unhealthy, 1, "{situation}");
        let later: Vec<Decision> = (0..10)
            .map(|_| {
                world.pass(60);
                report(&mut world, 20);
                world.look()
            })
            .collect();
        let leaves = later.iter().find(|decision| is_replaced(decision)).expect(situation);
        assert_eq!((counts(leaves).serving(), counts(leaves).unhealthy), (6, 1), "{situation}");
        let before = later.iter().take_while(|decision| !is_replaced(decision));
        assert!(before.map(counts).all(|counts| counts.serving() == 5), "{situation}");
    }
}

/// There is room for two more at a time: each that comes lets one go.
#[test]
fn several_that_answer_all_the_same_leave_one_by_one() {
    let sick: Vec<InstanceId> = (0..3).map(|n| InstanceId::new(format!("i-blue-00{n}"))).collect();
    let mut world = World::serving(
        20,
        json!({ "defaults": { "health": { "status_checks": "1m" }, "capacity": { "max": 20 } }, "policies": [] }),
    );
    let since = Seconds::minutes(30).before(world.now());
    world.impaired = Some(sick.iter().map(|id| (id.clone(), since)).collect());
    let mut left = 0;
    for minute in 0..60 {
        world.pass(60);
        let decision = world.look();
        let drains = |finding: &&Finding| {
            matches!(
                finding,
                Finding::Drains {
                    why: DrainReason::Unhealthy,
                    ..
                }
            )
        };
        left += blue(&decision).findings.iter().filter(drains).count();
        let counts = counts(&decision);
        let answer = counts.serving() + counts.unhealthy;
        let believed = minute >= 2;
        assert!(!believed || answer >= blue(&decision).after, "minute {minute}: {counts:?}");
    }
    assert_eq!(left, 3);
}

#[test]
fn the_reason_names_the_report() {
    let mut world = asking(json!({ "status_checks": "5m", "heartbeat": "5m" }));
    world.impaired = Some([].into());
    beat(&mut world, 7);
    let last = Seconds::minutes(7).before(world.now());
    assert_eq!(
        told(&world.look()).unwrap(),
        format!("i-blue-001 is reported sick: its last heartbeat is of {last}")
    );
    impaired(&mut world, 9);
    let since = Seconds::minutes(9).before(world.now());
    assert_eq!(
        told(&world.look()).unwrap(),
        format!("i-blue-001 is reported sick: EC2's status checks fail since {since}")
    );
}

#[test]
fn what_no_spec_asks_for_says_nothing() {
    let mut world = World::serving(6, json!({}));
    impaired(&mut world, 60);
    beat(&mut world, 60);
    let decision = looks(&mut world, 5);
    assert_eq!((told(&decision), counts(&decision).in_service), (None, 6));
}

#[test]
fn before_the_first_heartbeat_of_this_run_nothing_is_concluded() {
    let mut world = asking(json!({ "heartbeat": "5m" }));
    assert_eq!(told(&looks(&mut world, 10)), None, "it never wrote one");
    // the tag of the time before it was stopped and started
    let started = Seconds::minutes(20).before(world.now());
    world.instances.get_mut(&one()).unwrap().launched_at = started;
    beat(&mut world, 30);
    assert_eq!(told(&looks(&mut world, 10)), None, "it wrote one before it was stopped");
}

#[test]
fn a_heartbeat_that_comes_back_clears_it() {
    let mut world = asking(json!({ "heartbeat": "5m" }));
    for _ in 0..5 {
        beat(&mut world, 6);
        assert!(told(&world.look()).is_some());
        world.wait(50);
        beat(&mut world, 0);
        assert_eq!(counts(&world.look()).in_service, 6);
        world.wait(50);
    }
}

#[test]
fn status_checks_that_cannot_be_read_stop_the_clock() {
    let mut world = asking(json!({ "status_checks": "5m" }));
    impaired(&mut world, 9);
    world.look();
    let known = world.impaired.take();
    let decision = looks(&mut world, 10);
    assert!(!is_replaced(&decision), "nobody saw it fail");
    assert_eq!(
        (counts(&decision).in_service, counts(&decision).unhealthy),
        (5, 0),
        "and nobody saw it pass; the others serve on"
    );
    world.impaired = known;
    world.look();
    world.wait(60);
    assert_eq!(counts(&world.look()).unhealthy, 1);
}

/// EC2's checks of a booting instance have no result, and its grace protects it as from its target group.
#[test]
fn grace_holds_for_every_report() {
    let mut world = asking(json!({ "status_checks": "1m", "grace": "30m" }));
    world.instances.get_mut(&one()).unwrap().launched_at = Seconds::minutes(10).before(world.now());
    impaired(&mut world, 9);
    assert!(!is_replaced(&looks(&mut world, 15)));
    assert!(world.minutes(10).iter().any(is_replaced));
}

/// A cause that all share, as a role that may not tag any more, replaces nobody.
#[test]
fn when_all_fall_silent_the_breaker_holds() {
    let mut world = asking(json!({ "heartbeat": "5m" }));
    let long_ago = Seconds::minutes(9).before(world.now());
    for instance in world.instances.values_mut() {
        instance.word.beat = Some(long_ago);
    }
    world.look();
    world.wait(60);
    let decision = world.look();
    assert_eq!(steps(&decision), [""; 0]);
    assert!(guards_of(&decision).contains(&"circuit breaker"), "{:?}", guards_of(&decision));
}

#[test]
fn one_that_is_reported_sick_is_not_taken_back() {
    let mut world = World::serving(
        6,
        json!({
            "defaults": { "health": { "heartbeat": "5m" }, "drain": { "timeout": "10m" } },
            "guards": { "stabilisation": { "in": "0s" }, "cooldown": { "in": "0s", "out": "0s" } },
        }),
    );
    world.read("requests", 80.0);
    let decision = world.look();
    let leaving = decision.plan.steps[0].action.instances()[0].clone();
    let silent_since = Seconds::minutes(9).before(world.now());
    world.instances.get_mut(&leaving).unwrap().word.beat = Some(silent_since);
    world.read("requests", 130.0);
    world.wait(60);
    assert!(!finds(&world.look(), |finding| matches!(finding, Finding::TakenBack { .. })));
}

#[test]
fn several_reports_are_one_sick_instance() {
    let mut world = asking(json!({ "status_checks": "5m", "heartbeat": "5m" }));
    impaired(&mut world, 9);
    beat(&mut world, 9);
    world.health("blue", &one(), TargetHealth::Unhealthy);
    world.look();
    world.wait(60);
    let decision = world.look();
    assert_eq!(steps(&decision), ["launch 1 in eu-west-1b", "deregister i-blue-001"]);
}

#[test]
fn a_heartbeat_is_a_time_and_nothing_else() {
    let beat = |text: &str| Word::of(|key| (key == tag::HEARTBEAT).then_some(text)).beat;
    assert_eq!(beat("2026-06-02T12:00:00Z"), Some(at(0)));
    assert_eq!(beat("2026-06-02T14:00:00+02:00"), Some(at(0)));
    for text in ["", "true", "1780315200", "12:00", "2026-06-02"] {
        assert_eq!(beat(text), None, "{text}");
    }
}

#[test]
fn times_that_are_too_short_are_refused() {
    assert_eq!(
        problems(json!({ "defaults": { "health": { "status_checks": "30s", "heartbeat": "90s" } } })),
        [
            "defaults.health.status_checks: `30s` is less than `1m`",
            "defaults.health.heartbeat: `90s` is less than `2m`",
        ]
    );
}

/// A record from before there were reports reads as one without any.
#[test]
fn a_report_survives_its_record() {
    let report = Report::Heartbeat { last: at(0) };
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    let mut world = asking(json!({ "heartbeat": "5m" }));
    let silent = serde_json::to_value(world.decide(ghostnet_core::signal::Signal::Tick)).unwrap();
    assert!(!silent.to_string().contains("beat"), "nothing is written where there is nothing");
}
