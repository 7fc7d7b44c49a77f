//! What one instance can answer, learned from how much of it is used at what it answers.

mod measured;

use std::collections::BTreeMap;

use ghostnet_core::decide::Decision;
use ghostnet_core::id::{InstanceType, PolicyId};
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::rating::{HOURS_LEAST, HOURS_MAX, Measured, Metered, Rating, learned};
use ghostnet_core::reason::{Finding, VoteReason};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::spec::TemplateVersion;
use ghostnet_core::unit::{Percent, Seconds};
use jiff::Timestamp;

use crate::support::*;

/// What an instance of these tests really answers at full use, per second.
const TRUTH: f64 = 50.0;
/// As much as may be planned for: at 80 % use.
const PLANNED: f64 = 40.0;

fn demand() -> PolicyId {
    policy("demand")
}

fn spec(change: Value) -> Value {
    let mut policy =
        json!({ "id": "demand", "type": "capacity", "demand": "alb_request_count", "instance_capacity": "learned", "utilisation": "50%" });
    merge(&mut policy, change);
    json!({
        "policies": [tracking(), policy],
        "defaults": { "capacity": { "max": 40 } },
        "guards": { "stabilisation": { "in": "0s" }, "cooldown": { "out": "0s", "in": "0s" }, "budgets": { "removal": { "per_tick": 100 } } },
    })
}

/// Ten serve, and the other policy is content.
fn ten() -> World {
    World::serving(10, spec(json!({})))
}

/// The same, and whatever is recommended, ten it stays.
fn always_ten() -> World {
    let mut spec = spec(json!({}));
    spec["mode"] = json!("recommend_only");
    World::serving(10, spec)
}

/// The last datapoints up to `now`, the newest first.
fn points(now: Timestamp, period: u32, count: u32, value: impl Fn(Timestamp) -> f64) -> Series {
    let newest = now.as_second().div_euclid(i64::from(period)) * i64::from(period) - i64::from(period);
    let at = |n: u32| Timestamp::from_second(newest - i64::from(n * period)).unwrap();
    Series::Points {
        points: (0..count)
            .map(|n| Datapoint {
                at: at(n),
                value: finite(value(at(n))),
            })
            .collect(),
        period: Seconds(period),
        partial: false,
        incomplete: Vec::new(),
    }
}

/// Ten instances under this many requests a second in all, and how much of them is used.
fn load(world: &mut World, rate: impl Fn(Timestamp) -> f64, used: impl Fn(Timestamp) -> f64) {
    let now = world.now();
    let both = (points(now, 60, 12, |at| 60.0 * rate(at)), points(now, 60, 12, used));
    world.metered.insert(demand(), both);
}

/// A minute passes under a load of which an instance really answers `truth`.
fn minute(world: &mut World, rate: f64, truth: f64) -> Decision {
    world.pass(60);
    load(world, |_| rate, |_| 100.0 * rate / 10.0 / truth);
    world.look()
}

fn hours(world: &mut World, hours: u32, rate: f64, truth: f64) -> Decision {
    let mut last = None;
    // a look every ten minutes: nothing of this needs every minute
    for _ in 0..hours * 6 {
        world.pass(600);
        load(world, |_| rate, |_| 100.0 * rate / 10.0 / truth);
        last = Some(world.look());
    }
    last.unwrap()
}

fn rating(world: &World) -> Option<&Rating> {
    world.inputs.state.pools[&pool("blue")].ratings.get(&demand())
}

fn known(world: &World) -> Option<f64> {
    learned(rating(world)).map(|rate| rate.get())
}

/// The same digits on every platform: -1 to 1.
fn noise(at: Timestamp, salt: u64) -> f64 {
    let mixed = (at.as_second().unsigned_abs().wrapping_add(salt)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    f64::from(u32::try_from(mixed >> 40).unwrap()) / f64::from(1 << 23) - 1.0
}

fn unlearned(decision: &Decision) -> Option<u32> {
    blue(decision).findings.iter().find_map(|finding| match finding {
        Finding::CapacityUnlearned { hours, .. } => Some(*hours),
        _ => None,
    })
}

fn reason(decision: &Decision) -> VoteReason {
    blue(decision).votes.iter().find(|vote| vote.policy == demand()).unwrap().reason
}

fn thousandths(each: f64) -> u32 {
    u32::try_from((1_000.0 * each).round() as i64).unwrap()
}

#[test]
fn until_six_hours_are_known_it_has_no_vote_and_says_so() {
    let mut world = ten();
    let decision = minute(&mut world, 250.0, TRUTH);
    assert_eq!(
        (unlearned(&decision), reason(&decision)),
        (Some(0), VoteReason::Unlearned { hours: 0 })
    );
    assert_eq!(
        reason(&decision).to_string(),
        "what one instance can answer is not learned yet: 0 of 6 hours"
    );
    let decision = hours(&mut world, 4, 250.0, TRUTH);
    assert_eq!((known(&world), unlearned(&decision)), (None, Some(5)));
    // the others act meanwhile
    world.read("requests", 140.0);
    assert_eq!(blue(&minute(&mut world, 250.0, TRUTH)).after, 14);
    world.read("requests", 100.0);
    let mut world = always_ten();
    let decision = hours(&mut world, 7, 250.0, TRUTH);
    assert_eq!((known(&world), unlearned(&decision)), (Some(PLANNED), None));
    // half of 40 each: 250 a second need 13
    assert_eq!(blue(&decision).recommended, Some(13), "{decision:#?}");
    assert_eq!(
        reason(&decision).to_string(),
        "250 requests a second need 13, at 40 of one instance as learned"
    );
}

/// A day of load from a fifth to three quarters, each datapoint off by up to a sixth: what is learned is at most a tenth below the
/// truth, and never more than a hundredth above.
#[test]
fn under_noise_it_comes_near_the_truth_from_below() {
    for salt in 0..8 {
        let mut world = always_ten();
        let mut seen = Vec::new();
        for _ in 0..24 * 12 {
            world.pass(300);
            let wave = |at: Timestamp| 235.0 + 135.0 * noise(Timestamp::from_second(at.as_second() / 7_200).unwrap(), salt);
            let used = |at: Timestamp| (100.0 * wave(at) / 10.0 / TRUTH * (1.0 + noise(at, salt + 100) / 6.0)).min(100.0);
            load(&mut world, wave, used);
            world.look();
            seen.extend(known(&world));
        }
        let (least, most) = seen
            .iter()
            .fold((f64::MAX, 0.0_f64), |(least, most), rate| (least.min(*rate), most.max(*rate)));
        assert!(seen.len() > 150, "learned within half a day");
        assert!(most <= 1.01 * PLANNED && least >= 0.85 * PLANNED, "{salt}: from {least} to {most}");
        assert!(seen.last().is_some_and(|last| *last >= 0.9 * PLANNED), "{salt}: {:?}", seen.last());
    }
}

#[test]
fn it_falls_at_once_and_rises_slowly() {
    let mut world = always_ten();
    hours(&mut world, 24, 250.0, TRUTH);
    assert_eq!(known(&world), Some(PLANNED));
    // a new build takes twice the time for a request
    for _ in 0..10 {
        minute(&mut world, 150.0, TRUTH / 2.0);
    }
    assert_eq!(known(&world), Some(PLANNED / 2.0));
    // and back within the hour after: the low hour was one of 24
    hours(&mut world, 2, 250.0, TRUTH);
    assert_eq!(known(&world), Some(PLANNED));
    // twice as fast: at most a tenth until half a day has shown it, and a quarter in a day
    hours(&mut world, 10, 250.0, 2.0 * TRUTH);
    assert_eq!(known(&world), Some(PLANNED));
    hours(&mut world, 14, 250.0, 2.0 * TRUTH);
    let after_a_day = known(&world).unwrap();
    assert!((PLANNED * 1.09..=PLANNED * 1.25).contains(&after_a_day), "{after_a_day}");
    hours(&mut world, 24 * 7, 250.0, 2.0 * TRUTH);
    assert!((known(&world).unwrap() - 2.0 * PLANNED).abs() < 0.1, "{:?}", known(&world));
}

#[test]
fn saturated_instances_show_only_that_they_cannot_do_more() {
    let mut world = always_ten();
    hours(&mut world, 9, 450.0, TRUTH);
    assert_eq!(rating(&world).unwrap().hours, Vec::<u32>::new(), "90 % used from the first hour on");
    hours(&mut world, 9, 250.0, TRUTH);
    assert_eq!(known(&world), Some(PLANNED));
    let before = rating(&world).unwrap().hours.clone();
    // full, and answered with errors that cost nothing
    hours(&mut world, 3, 900.0, 90.0);
    assert_eq!(rating(&world).unwrap().hours, before);
    hours(&mut world, 1, 300.0, 30.0);
    assert_eq!(known(&world), Some(24.0));
}

/// Three minutes of 100 requests a second for each of ten that can answer 50, and two of 10: used 68 % on average, and no proof of 84.
#[test]
fn an_average_that_hides_saturation_teaches_nothing() {
    let peak = |at: Timestamp| at.as_second().div_euclid(60).rem_euclid(5) < 3;
    for (situation, high, used, learns) in [("saturated in part", 1_000.0, 68.0, false), ("never saturated", 400.0, 56.0, true)] {
        let measured = Metered {
            demand: &points(at(0), 60, 50, |at| 60.0 * if peak(at) { high } else { 100.0 }),
            used: &points(at(0), 300, 9, |_| used),
            instances: 10,
            since: at(-7_200),
            saturation: Percent(90),
        }
        .measure(at(0));
        assert_eq!(measured.is_some(), learns, "{situation}: {measured:?}");
    }
}

#[test]
fn what_is_not_of_these_instances_alone_teaches_nothing() {
    type Change = fn(&mut World);
    let insights: Change = |world| {
        let raw = spec(json!({ "learn": { "source": "insights" } }));
        *world = World::serving(10, raw);
    };
    let stranger: Change = |world| {
        let id = world.put("other", 1, InstanceState::Running);
        world.health("blue", &id, TargetHealth::Healthy);
    };
    let elsewhere: Change = |world| {
        world.put("green", 1, InstanceState::Running);
    };
    let elsewhere_by_tag: Change = |world| {
        let raw = spec(json!({ "learn": { "source": "insights" } }));
        *world = World::serving(10, raw);
        world.put("green", 1, InstanceState::Running);
    };
    let types: Change = |world| {
        for instance in world.instances.values_mut().take(1) {
            instance.instance_type = InstanceType::new("t3.nano");
        }
    };
    let sick: Change = |world| {
        let id = world.instances.keys().next().unwrap().clone();
        world.health("blue", &id, TargetHealth::Initial);
    };
    let unreadable: Change = |world| {
        world.unreadable.insert("blue".into());
    };
    let unlisted: Change = |world| world.instances_known = false;
    for (situation, change, learns) in [
        ("all is well", (|_| {}) as Change, true),
        ("a query by tag", insights, true),
        ("a stranger in the group", stranger, false),
        ("another pool, in the agent's average", elsewhere, false),
        ("another pool, not in the average by tag", elsewhere_by_tag, true),
        ("a type that the spec does not list", types, false),
        ("one may be sick", sick, false),
        ("the group cannot be read", unreadable, false),
        ("instances cannot be listed", unlisted, false),
    ] {
        let mut world = always_ten();
        change(&mut world);
        for _ in 0..12 {
            world.wait(60);
            load(&mut world, |_| 250.0, |_| 50.0);
            world.look();
        }
        let any = rating(&world).is_some_and(|rating| !rating.hours.is_empty());
        assert_eq!(any, learns, "{situation}");
    }
}

/// While strangers carry our tags the pool is held. They are gone again before it is not, and what they did is in the averages.
#[test]
fn what_was_measured_while_nobody_could_be_counted_teaches_nothing() {
    let mut world = always_ten();

    for minute in 0..12 {
        world.wait(60);
        load(&mut world, |_| 250.0, |_| 50.0);
        if minute == 3 {
            for n in 20..25 {
                world.put("blue", n, InstanceState::Running);
            }
        }
        if minute == 8 {
            world.instances.retain(|id, _| id.as_str() < "i-blue-020");
        }
        let decision = world.look();
        let held = finds(&decision, |finding| matches!(finding, Finding::UnknownInstances { .. }));
        assert_eq!(held, (3..8).contains(&minute), "minute {minute}");
        let any = rating(&world).is_some_and(|rating| !rating.hours.is_empty());
        assert!(!any, "minute {minute}");
    }
}

#[test]
fn a_datapoint_of_a_time_with_other_instances_teaches_nothing() {
    let mut world = ten();
    for _ in 0..4 {
        minute(&mut world, 250.0, TRUTH);
    }
    let before = rating(&world).unwrap().still.clone();
    assert!(before.is_some());
    // ten become fourteen, and 50 % used become 36 %
    world.read("requests", 140.0);
    minute(&mut world, 250.0, TRUTH);
    world.read("requests", 100.0);
    let mut serving = BTreeMap::new();
    for _ in 0..30 {
        world.pass(60);
        let healthy = world.targets["blue"].values().filter(|health| **health == TargetHealth::Healthy);
        serving.insert(world.now(), f64::from(u32::try_from(healthy.count()).unwrap()));
        let then = serving.clone();
        let used = |at: Timestamp| 100.0 * 250.0 / TRUTH / then.range(at..).next().map_or(10.0, |(_, serving)| *serving);
        load(&mut world, |_| 250.0, used);
        world.look();
    }
    let rating = rating(&world).unwrap();
    assert_ne!(rating.still, before);
    assert_eq!(
        (rating.hours.as_slice(), serving.last_key_value().unwrap().1),
        ([40_000].as_slice(), &14.0)
    );
}

#[test]
fn of_another_template_or_other_types_nothing_is_known() {
    let learned = || {
        let mut world = always_ten();
        hours(&mut world, 24, 250.0, TRUTH);
        world
    };
    let apply = |world: &mut World, change: Value| {
        let mut raw_spec = spec(json!({}));
        raw_spec["mode"] = json!("recommend_only");
        merge(&mut raw_spec, change);
        let raw_spec = raw(raw_spec);
        world.spec = ghostnet_core::spec::FleetSpec::check(&raw_spec).unwrap();
        world.inputs.spec = raw_spec.into();
        world.look();
    };
    let mut world = learned();
    apply(&mut world, json!({ "defaults": { "capacity": { "max": 41 } } }));
    assert_eq!(known(&world), Some(PLANNED), "another maximum");
    let mut world = learned();
    apply(
        &mut world,
        json!({ "defaults": { "launch": { "instance_types": ["c7a.large", "m7a.large"] } } }),
    );
    assert_eq!(known(&world), None, "other types");
    let mut world = learned();
    apply(&mut world, json!({ "defaults": { "launch": { "template": { "name": "other" } } } }));
    assert_eq!(known(&world), None, "another template");
    let mut world = learned();
    apply(&mut world, json!({ "policies": [tracking()] }));
    assert_eq!(rating(&world), None, "nobody wants to know any more");
}

/// What an image could do, the next one mostly can: it stands until six hours of the new one are known, and less is believed at once.
#[test]
fn another_version_of_the_template_is_not_trusted_to_do_more_and_soon_outvotes_the_old_one() {
    let version = |world: &mut World, version: u64| {
        let template = TemplateVersion {
            id: "lt-0".into(),
            version,
        };
        world.inputs.resolved.templates.insert(pool("blue"), template);
    };
    let mut world = always_ten();
    version(&mut world, 7);
    hours(&mut world, 24, 250.0, TRUTH);
    version(&mut world, 8);
    hours(&mut world, 1, 250.0, TRUTH / 2.0);
    assert_eq!(known(&world), Some(PLANNED / 2.0), "slower, at once");
    assert!(rating(&world).unwrap().hours.len() <= HOURS_LEAST + 2);
    let mut world = always_ten();
    version(&mut world, 7);
    hours(&mut world, 24, 250.0, TRUTH);
    version(&mut world, 8);
    hours(&mut world, 5, 250.0, 2.0 * TRUTH);
    assert_eq!(known(&world), Some(PLANNED), "faster, but not yet");
    hours(&mut world, 4, 250.0, 2.0 * TRUTH);
    assert!(
        (1.09 * PLANNED..=1.11 * PLANNED).contains(&known(&world).unwrap()),
        "{:?}",
        known(&world)
    );
}

#[test]
fn what_is_remembered_is_bounded_and_seldom_written() {
    let mut world = always_ten();
    let (mut writes, mut before) = (0, None);
    for _ in 0..30 * 60 {
        minute(&mut world, 250.0, TRUTH);
        let now = rating(&world).cloned();
        writes += u32::from(now != before);
        before = now;
    }
    assert!(writes <= 31 + 4, "{writes} writes in thirty hours");
    let rating = before.unwrap();
    assert_eq!(rating.hours.len(), HOURS_MAX);
    let bytes = serde_json::to_string(&rating).unwrap().len();
    assert!(bytes < 400, "{bytes} bytes");
}
