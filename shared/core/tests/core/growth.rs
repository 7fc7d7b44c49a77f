//! A stock of warm instances whose size follows how fast the pool has grown.

use ghostnet_core::decide::Decision;
use ghostnet_core::growth::learned;
use ghostnet_core::plan::Action;
use ghostnet_core::reason::Finding;
use ghostnet_core::state::{Growth, Peaks};
use ghostnet_core::unit::Seconds;

use crate::support::*;

/// Ten serve of at most forty; a boot takes five minutes.
fn ten() -> World {
    let guards =
        json!({ "stabilisation": { "in": "0s" }, "cooldown": { "out": "0s", "in": "0s" }, "budgets": { "removal": { "per_tick": 100 } } });
    let defaults = json!({ "capacity": { "max": 40 }, "warmup": "5m", "warm": { "size": "learned" } });
    World::serving(10, json!({ "defaults": defaults, "guards": guards }))
}

fn of(hours: Vec<u32>) -> Growth {
    Growth {
        hours: Some(Peaks {
            hour: at(0).as_second() / 3_600,
            most: hours,
        }),
        lows: Vec::new(),
    }
}

fn growths(world: &World) -> Vec<u32> {
    let growth = world.inputs.state.pools[&pool("blue")].growth.clone();
    growth.and_then(|growth| growth.hours).map(|hours| hours.most).unwrap_or_default()
}

fn told(decision: &Decision) -> Option<u32> {
    blue(decision).findings.iter().find_map(|finding| match finding {
        Finding::WarmUnlearned { hours } => Some(*hours),
        _ => None,
    })
}

/// An operator asks for a size, and a minute passes.
fn ask(world: &mut World, desired: u32) {
    let at = world.now();
    let asked = ghostnet_core::operator::Asked {
        by: "me".into(),
        at,
        wish: ghostnet_core::operator::Wish::Hold {
            desired,
            until: Seconds::minutes(600).after(at),
            reason: "a test".into(),
        },
    };
    let request = ghostnet_core::operator::OperatorRequest {
        fleet: world.spec.id.clone(),
        pool: None,
        asked,
    };
    world.look_at(ghostnet_core::signal::Signal::OperatorRequest(request));
    world.wait(60);
}

/// Kept warm, or on the way there, with what this decision launches for it.
fn stock(decision: &Decision) -> u32 {
    let launched = decision.plan.steps.iter().map(|step| match &step.action {
        Action::Launch(launch) if launch.warm => launch.count,
        _ => 0,
    });
    counts(decision).stock() + launched.sum::<u32>()
}

#[test]
fn what_was_enough_in_all_but_a_thousandth_of_the_time() {
    let hours = |largest: &[u32], quiet: usize| [largest.to_vec(), vec![1; quiet]].concat();
    for (situation, hours, boot, expected) in [
        ("nothing known", vec![], 300, None),
        ("23 hours are no day", vec![3; 23], 300, None),
        ("a day", vec![3; 24], 300, Some(3)),
        ("a day that did not grow", vec![0; 24], 300, Some(0)),
        (
            "a boot of five minutes is more than a thousandth of two days",
            hours(&[9, 5], 46),
            300,
            Some(9),
        ),
        ("two boots of a minute are not", hours(&[9, 5], 46), 60, Some(1)),
        ("a third one is", hours(&[9, 8, 5], 45), 60, Some(5)),
        ("a boot of no time", hours(&[9], 47), 0, Some(1)),
    ] {
        assert_eq!(learned(Some(&of(hours)), Seconds(boot)), expected, "{situation}");
    }
    assert_eq!(learned(None, Seconds(300)), None);
}

#[test]
fn what_grew_within_one_boot_counts_and_not_what_grew_slowly() {
    for (situation, sizes, every, expected) in [
        ("at once", vec![10, 16], 1, 6),
        ("step by step within a boot", vec![10, 12, 14, 16], 1, 6),
        ("one every six minutes", vec![10, 11, 12, 13, 14], 6, 1),
        ("down and up again", vec![10, 6, 12], 1, 6),
        ("down, and up long after", vec![10, 6, 6, 6, 6, 7], 2, 1),
        ("only down", vec![10, 8, 6], 1, 0),
        ("twice in an hour: the larger", vec![10, 13, 10, 15], 6, 5),
    ] {
        let mut world = ten();
        for size in sizes {
            ask(&mut world, size);
            world.minutes(every - 1);
        }
        assert_eq!(growths(&world).into_iter().max(), Some(expected), "{situation}");
    }
}

#[test]
fn before_a_day_is_known_a_fifth_is_kept_and_a_finding_says_so() {
    let mut world = ten();
    let decision = world.look();
    assert_eq!((told(&decision), stock(&decision)), (Some(1), 2));
    let mut world = ten();
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().growth = Some(of(vec![4; 30]));
    let decision = world.look();
    assert_eq!((told(&decision), stock(&decision)), (None, 4));
}

/// A calm pool writes once an hour, and what it keeps stays small.
#[test]
fn what_is_remembered_is_bounded_and_seldom_written() {
    let mut world = ten();
    for decision in world.minutes(40) {
        assert!(told(&decision).is_some());
    }
    let before = world.inputs.state.pools[&pool("blue")].growth.clone();
    world.minutes(15);
    assert_eq!(
        world.inputs.state.pools[&pool("blue")].growth,
        before,
        "nothing new within the hour"
    );
    for minute in 0..200 {
        ask(&mut world, 5 + minute * 7 % 30);
        let growth = world.inputs.state.pools[&pool("blue")].growth.clone().unwrap();
        assert!(growth.lows.len() <= 16 && growth.hours.unwrap().most.len() <= 48);
    }
}

#[test]
fn a_pool_without_a_learned_stock_remembers_nothing() {
    let mut world = World::serving(10, json!({ "defaults": { "warm": { "size": 1 } } }));
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().growth = Some(of(vec![4; 30]));
    assert_eq!(world.look().state.pools[&pool("blue")].growth, None);
}

#[test]
fn any_other_word_is_refused() {
    let told = problems(json!({ "defaults": { "warm": { "size": "learnt" } } }));
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("defaults.warm.size: `learnt`"), "{told:?}");
}
