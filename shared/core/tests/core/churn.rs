//! A size that goes to and fro: removing waits until it has been calm for an hour, adding never does.

use ghostnet_core::churn::{TURNS_MAX, held_until};
use ghostnet_core::reason::Finding;
use ghostnet_core::unit::Seconds;
use proptest::prelude::*;

use crate::support::*;

/// Looks at these loads, one every ten minutes; all serve at once.
fn after(loads: &[f64]) -> Pool {
    guarded(json!({}), loads)
}

fn guarded(guards: Value, loads: &[f64]) -> Pool {
    let mut pool = Pool::tracked(guards);
    for load in loads {
        step(&mut pool, *load, 600);
    }
    pool
}

fn step(pool: &mut Pool, load: f64, seconds: u32) -> ghostnet_core::size::Sizing {
    pool.counts.in_service = pool.state.desired;
    pool.series
        .insert(policy("requests"), fresh(pool.now, load / f64::from(pool.state.desired.max(1))));
    pool.step(seconds)
}

#[test]
fn three_turns_within_an_hour_hold_removals() {
    for (situation, loads, load, size, because) in [
        (
            "out and out is no turn",
            vec![1_950.0, 2_950.0, 3_950.0, 4_950.0],
            950.0,
            10,
            vec![],
        ),
        ("two turns", vec![1_950.0, 950.0, 1_950.0], 1_450.0, 15, vec![]),
        ("three", vec![1_950.0, 950.0, 1_950.0, 950.0], 480.0, 10, vec!["churn"]),
        (
            "more is added all the same",
            vec![1_950.0, 950.0, 1_950.0, 950.0],
            1_950.0,
            20,
            vec![],
        ),
    ] {
        let sizing = step(&mut after(&loads), load, 0);
        assert_eq!((sizing.desired, guards(&sizing)), (size, because), "{situation}");
    }
}

#[test]
fn a_spec_says_how_many_turns_are_churn() {
    let (low, high) = (950.0, 1_950.0);
    for (situation, turns, loads, size, because) in [
        ("five of six", 6, vec![high, low, high, low, high, low], 5, vec![]),
        (
            "what changes nothing is no turn",
            6,
            vec![low, high, low, high, low, high, low],
            5,
            vec![],
        ),
        ("six", 6, vec![high, low, high, low, high, low, high], 20, vec!["churn"]),
        ("three are enough by default", 3, vec![high, low, high, low], 10, vec!["churn"]),
    ] {
        let mut pool = guarded(json!({ "churn": { "turns": turns } }), &loads);
        let sizing = step(&mut pool, 480.0, 0);
        assert_eq!((sizing.desired, guards(&sizing)), (size, because), "{situation}");
    }
}

#[test]
fn turns_that_are_far_apart_are_none_of_its_business() {
    let mut pool = Pool::tracked(json!({}));
    for load in [1_950.0, 950.0, 1_950.0, 950.0, 1_950.0, 950.0] {
        step(&mut pool, load, 1_800);
        assert_eq!(held_until(&pool.state, &pool.spec.guards, pool.now), None, "a turn every half hour");
    }
}

#[test]
fn it_ends_by_itself_when_the_hour_is_clear() {
    let mut pool = after(&[1_950.0, 950.0, 1_950.0, 950.0]);
    let until = held_until(&pool.state, &pool.spec.guards, pool.now).unwrap();
    assert_eq!(until, at(1_800 + 3_600), "an hour after the last turn");
    pool.now = until;
    assert_eq!(step(&mut pool, 480.0, 0).desired, 5);
}

#[test]
fn a_turn_by_a_clock_that_is_behind_ends_no_hour_sooner() {
    let mut pool = after(&[1_950.0, 950.0, 1_950.0]);
    step(&mut pool, 950.0, 0);
    let third = pool.now;
    pool.now = Seconds(5).before(third);
    assert_eq!(step(&mut pool, 1_950.0, 0).desired, 20, "what is added waits for nothing");
    let until = held_until(&pool.state, &pool.spec.guards, pool.now);
    assert_eq!(until, Some(Seconds(3_600).after(third)));
}

/// What is asked for goes to and fro every ten minutes for a day: the size does so no more than thrice within an hour.
#[test]
fn a_day_of_churn_is_calmed() {
    let mut pool = Pool::tracked(json!({}));
    let (mut moves, mut last) = (0, pool.state.desired);
    for turn in 0..144 {
        step(&mut pool, if turn % 2 == 0 { 1_950.0 } else { 950.0 }, 600);
        moves += u32::from(pool.state.desired != last);
        last = pool.state.desired;
    }
    assert!((20..=96).contains(&moves), "{moves}");
}

#[test]
fn somebody_is_told() {
    let mut world = World::serving(
        5,
        json!({ "guards": { "cooldown": { "out": "0s", "in": "0s" }, "stabilisation": { "in": "0s" } } }),
    );
    let mut told = false;
    for turn in 0..60 {
        world.read("requests", if turn % 12 < 6 { 160.0 } else { 40.0 });
        world.pass(60);
        let decision = world.look();
        told |= finds(&decision, |finding| matches!(finding, Finding::Churn { .. }) && finding.is_alert());
    }
    assert!(told);
}

proptest! {
    /// However it goes, few numbers are kept, and no vote for more is ever stopped by it.
    #[test]
    fn bounded_and_never_against_growth(loads in proptest::collection::vec((1_u32..5_000, 1_u32..4_000), 1..80)) {
        let (mut pool, mut free) = (Pool::tracked(json!({})), Pool::tracked(json!({})));
        for (load, seconds) in loads {
            free.state = pool.state.clone();
            free.state.turning = None;
            free.now = pool.now;
            let (held, unheld) = (step(&mut pool, f64::from(load), seconds), step(&mut free, f64::from(load), seconds));
            prop_assert!(held.desired >= unheld.desired);
            prop_assert!(pool.state.turning.as_ref().is_none_or(|turning| turning.turns.len() <= usize::from(TURNS_MAX)));
        }
    }
}
