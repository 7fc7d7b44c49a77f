//! The simple policy: one change, until it is in effect, and a cooldown of its own from then on.
//!
//! EC2 Auto Scaling user guide, "scaling cooldowns": the cooldown begins when the last instance of an activity has finished
//! launching or terminating; until it ends no further simple scaling is begun; other policies do not wait for it.

use ghostnet_core::policy::simple::{Adjustment, Way};
use ghostnet_core::reason::VoteReason;
use ghostnet_core::sample::Series;
use ghostnet_core::unit::Seconds;

use crate::support::*;

fn simple(change: Value) -> Pool {
    Pool::with(json!([rule(change)]), json!({}))
}

fn rule(change: Value) -> Value {
    let mut policy = json!({ "type": "simple", "id": "requests", "metric": busy() });
    merge(&mut policy, change);
    policy
}

fn both() -> Value {
    json!({ "out": { "from": 80, "add": 2 }, "in": { "below": 30, "remove": 1 } })
}

/// Minutes that one look sees and the size that it decides; the load goes on.
fn looks(pool: &mut Pool, series: f64, seconds: u32, count: usize) -> Vec<u32> {
    (0..count)
        .map(|_| {
            pool.series.insert(policy("requests"), fresh(pool.now, series));
            pool.step(seconds).desired
        })
        .collect()
}

#[test]
fn a_value_finds_its_change() {
    let shares = json!({ "out": { "from": 80, "add": "25%" }, "in": { "below": 30, "remove": "25%" } });
    let sizes = json!({ "out": { "from": 80, "to": 16 }, "in": { "below": 30, "to": 4 } });
    for (situation, policy, value, vote) in [
        ("between the bounds", both(), 50.0, 10),
        ("a bound out is inside", both(), 80.0, 12),
        ("a bound in is outside", both(), 30.0, 10),
        ("below it", both(), 29.9, 9),
        ("a quarter of ten is two", shares.clone(), 90.0, 12),
        ("and in", shares, 10.0, 8),
        ("to a size", sizes.clone(), 90.0, 16),
        ("and in", sizes, 10.0, 4),
    ] {
        assert_eq!(simple(policy).load(value).vote().0, Some(vote), "{situation}");
    }
}

#[test]
fn one_change_then_a_cooldown_from_in_service() {
    let mut pool = simple(both());
    assert_eq!(looks(&mut pool, 90.0, 60, 1), [12]);
    pool.counts.pending = 2;
    // the breach goes on for four minutes while they boot
    assert_eq!(looks(&mut pool, 90.0, 60, 4), [12; 4]);
    assert!(matches!(pool.vote().1, VoteReason::AwaitsChange { to: 12, .. }));
    (pool.counts.pending, pool.counts.warming_serving) = (0, 2);
    // they serve: from now on a minute, though they warm up for longer
    assert_eq!(looks(&mut pool, 90.0, 30, 3), [12, 12, 14]);
}

#[test]
fn who_never_becomes_healthy_is_not_waited_for_beyond_the_registration_deadline() {
    let mut pool = simple(both());
    assert_eq!(looks(&mut pool, 90.0, 60, 1), [12]);
    (pool.counts.in_service, pool.counts.warming) = (11, 1);
    // fifteen minutes, and a minute of cooldown; the one that still does not serve is part of the next change
    assert_eq!(looks(&mut pool, 90.0, 60, 15), [12; 15]);
    assert_eq!(looks(&mut pool, 90.0, 60, 1), [13]);
}

#[test]
fn a_removal_cools_down_from_when_it_is_gone_and_holds_back_no_addition() {
    let mut pool = simple(both());
    assert_eq!(looks(&mut pool, 20.0, 60, 1), [9]);
    (pool.counts.in_service, pool.counts.draining) = (9, 1);
    assert_eq!(looks(&mut pool, 20.0, 60, 2), [9, 9]);
    pool.counts.draining = 0;
    assert_eq!(looks(&mut pool, 20.0, 60, 4), [9; 4]);
    assert_eq!(
        pool.vote().1.to_string(),
        "20 asks for fewer, but this policy cools down until 2026-06-02T12:08:00Z"
    );
    assert_eq!(looks(&mut pool, 20.0, 60, 2), [9, 8]);
    // seconds after a removal
    assert_eq!(looks(&mut pool, 90.0, 1, 1), [10]);
}

#[test]
fn a_look_whose_clock_is_behind_shortens_no_cooldown() {
    let mut pool = simple(both());
    let decided_at = pool.now;
    assert_eq!(looks(&mut pool, 20.0, 0, 1), [9]);
    pool.counts.in_service = 9;
    pool.now = Seconds(5).before(decided_at);
    assert_eq!(looks(&mut pool, 20.0, 0, 1), [9], "it is gone already");
    pool.now = Seconds(299).after(decided_at);
    assert_eq!(looks(&mut pool, 20.0, 1, 2), [9, 8]);
}

#[test]
fn who_never_leaves_is_not_waited_for_beyond_the_drain_timeout() {
    let mut pool = simple(json!({ "in": { "below": 30, "remove": 1 }, "cooldown": { "in": "0s" } }));
    assert_eq!(looks(&mut pool, 20.0, 60, 1), [9]);
    (pool.counts.in_service, pool.counts.draining) = (9, 1);
    assert_eq!(looks(&mut pool, 20.0, 60, 4), [9; 4]);
    assert_eq!(looks(&mut pool, 20.0, 60, 1), [8]);
}

/// Ten asked for and two in reserve, all of them in service.
fn reserved() -> Pool {
    Pool::with_reserve(json!([rule(both())]), json!({}), json!({ "threshold": 2 })).change(|pool| {
        (pool.state.desired, pool.state.reserve, pool.counts.in_service) = (12, 2, 12);
        // so long that nothing but the counts can end a wait in time
        pool.spec.drain_timeout = Seconds(3_600);
    })
}

#[test]
fn a_removal_beside_a_reserve_cools_down_from_when_it_is_gone() {
    let mut pool = reserved();
    assert_eq!(looks(&mut pool, 20.0, 60, 1), [11]);
    (pool.counts.in_service, pool.counts.draining) = (11, 1);
    assert_eq!(looks(&mut pool, 20.0, 60, 8), [11; 8], "it leaves slowly");
    pool.counts.draining = 0;
    assert_eq!(looks(&mut pool, 20.0, 60, 6), [11, 11, 11, 11, 11, 10]);
}

#[test]
fn an_addition_beside_a_reserve_is_in_effect_once_all_serve() {
    let mut pool = reserved();
    assert_eq!(looks(&mut pool, 90.0, 60, 1), [14]);
    pool.counts.pending = 2;
    // twelve serve, and the two of the reserve are among them
    assert_eq!(looks(&mut pool, 90.0, 60, 4), [14; 4]);
    assert!(matches!(pool.vote().1, VoteReason::AwaitsChange { to: 12, .. }));
    (pool.counts.pending, pool.counts.warming_serving) = (0, 2);
    assert_eq!(looks(&mut pool, 90.0, 30, 3), [14, 14, 16]);
}

#[test]
fn a_reserve_that_boots_is_no_part_of_a_change() {
    let pool = reserved().change(|pool| (pool.counts.in_service, pool.counts.pending) = (10, 2));
    assert_eq!(pool.load(90.0).vote().0, Some(12));
}

#[test]
fn a_value_is_read_as_those_alone_would_have_it_that_are_asked_for() {
    for (situation, value, vote) in [
        ("67 on twelve are 80.4 on ten", 67.0, 12),
        ("66 are 79.2", 66.0, 10),
        ("25 are exactly 30", 25.0, 10),
        ("24 are 28.8", 24.0, 9),
    ] {
        assert_eq!(reserved().load(value).vote().0, Some(vote), "{situation}");
    }
}

/// As with all policies, what asks for fewer rests on what all instances said.
#[test]
fn an_incomplete_datapoint_agrees_to_more_and_never_to_fewer() {
    let patient = json!({ "datapoints": { "out": "2 of 2", "in": "2 of 2" } });
    for (value, lacks, vote) in [(90.0, true, 12), (20.0, true, 10), (20.0, false, 9)] {
        let mut policy = both();
        merge(&mut policy, patient.clone());
        let mut pool = simple(policy);
        let mut series = minutes(pool.now, &[Some(value); 2]);
        if let Series::Points { points, incomplete, .. } = &mut series {
            incomplete.extend(lacks.then(|| points[1].at));
        }
        pool.series.insert(crate::support::policy("requests"), series);
        assert_eq!(pool.vote().0, Some(vote), "{value} {lacks}");
    }
}

#[test]
fn an_addition_holds_back_a_removal_too() {
    let mut pool = simple(both());
    looks(&mut pool, 90.0, 60, 1);
    pool.counts.in_service = 12;
    assert_eq!(looks(&mut pool, 20.0, 30, 3), [12, 12, 11]);
}

#[test]
fn other_policies_do_not_wait_and_are_not_waited_for() {
    let others = json!([rule(both()), { "type": "step", "id": "other", "metric": busy(), "out": [{ "from": 80, "add": 5 }] }]);
    let mut pool = Pool::with(others, json!({}));
    let look = |pool: &mut Pool, simple: f64, other: f64| {
        pool.series.insert(policy("requests"), fresh(pool.now, simple));
        pool.series.insert(policy("other"), fresh(pool.now, other));
        pool.step(60).desired
    };
    assert_eq!(look(&mut pool, 90.0, 10.0), 12);
    pool.counts.pending = 2;
    assert_eq!(look(&mut pool, 90.0, 90.0), 15);
    // its own two serve; the other's three boot for long and hold it up no longer than its own did
    (pool.counts.in_service, pool.counts.pending) = (12, 3);
    assert_eq!(look(&mut pool, 90.0, 10.0), 15);
    // what the others have on the way is part of the next change
    assert_eq!(look(&mut pool, 90.0, 10.0), 15);
    pool.counts.pending = 1;
    pool.counts.in_service = 14;
    assert_eq!(look(&mut pool, 90.0, 10.0), 16);
}

#[test]
fn the_cooldown_of_the_pool_goes_on_beginning_with_the_decision() {
    let policies = json!([rule(json!({ "out": { "from": 80, "add": 2 }, "cooldown": { "out": "0s" } }))]);
    let mut pool = Pool::with(policies, json!({ "cooldown": { "out": "3m" } }));
    assert_eq!(looks(&mut pool, 90.0, 60, 1), [12]);
    pool.counts.in_service = 12;
    assert_eq!(looks(&mut pool, 90.0, 60, 3), [12, 12, 14]);
}

#[test]
fn what_a_guard_kept_from_happening_starts_no_cooldown() {
    let paused = simple(both()).change(|pool| pool.paused_until = Some(at(60)));
    let full = simple(both()).change(|pool| pool.room = 10);
    for (situation, mut pool, after) in [("a pause", paused, 12), ("no room", full, 10)] {
        assert_eq!(looks(&mut pool, 90.0, 60, 1), [10], "{situation}");
        assert_eq!(pool.state.adjusted.len(), 0, "{situation}");
        pool.paused_until = None;
        assert_eq!(looks(&mut pool, 90.0, 60, 1), [after], "{situation}");
    }
}

#[test]
fn a_change_that_was_cut_short_is_waited_for_as_far_as_it_went() {
    let mut pool = Pool::with(
        json!([rule(json!({ "out": { "from": 80, "add": 8 } }))]),
        json!({ "budgets": { "launch": { "per_tick": 3 } } }),
    );
    assert_eq!(looks(&mut pool, 90.0, 60, 1), [13]);
    let expected = Adjustment {
        at: at(0),
        way: Way::Out,
        to: 13,
        done_at: None,
    };
    assert_eq!(pool.state.adjusted.get(&policy("requests")), Some(&expected));
}

#[test]
fn a_wait_that_is_over_is_forgotten() {
    let mut pool = simple(both());
    looks(&mut pool, 90.0, 60, 1);
    pool.counts.in_service = 12;
    looks(&mut pool, 50.0, 60, 1);
    assert_eq!(pool.state.adjusted.len(), 1);
    looks(&mut pool, 50.0, 60, 1);
    assert_eq!(pool.state.adjusted.len(), 0);
}

#[test]
fn partial_data_adds_and_never_removes() {
    for (value, vote) in [(90.0, 12), (20.0, 10)] {
        let pool = simple(both()).change(|pool| drop(pool.series.insert(policy("requests"), partial(pool.now, value))));
        assert_eq!(pool.vote().0, Some(vote), "{value}");
    }
}

#[test]
fn one_that_only_adds_keeps_nobody_from_removing() {
    let out = json!({ "out": { "from": 80, "add": 2 } });
    assert_eq!(simple(out.clone()).load(20.0).vote().0, None);
    assert_eq!(simple(out).load(90.0).vote().0, Some(12));
}

#[test]
fn one_that_may_only_add_keeps_nobody_from_removing_while_it_waits() {
    let mut policy = both();
    merge(&mut policy, json!({ "mode": "out_only" }));
    let mut pool = simple(policy);
    looks(&mut pool, 90.0, 60, 1);
    for (situation, value, vote) in [("it would remove", 20.0, None), ("it would add", 90.0, Some(12))] {
        pool.series.insert(crate::support::policy("requests"), fresh(pool.now, value));
        assert_eq!(pool.vote().0, vote, "{situation}");
    }
}

/// No data is its alarm, and it answers one alarm as it answers another: with a change, and then a wait.
#[test]
fn missing_data_that_is_a_breach_waits_for_the_last_change_too() {
    let missing = json!({ "missing": "breaching", "cooldown": { "out": "30m" } });
    let mut policy = both();
    merge(&mut policy, missing);
    let mut pool = simple(policy);
    let mut sizes = Vec::new();
    for _ in 0..4 {
        pool.series.insert(crate::support::policy("requests"), minutes(pool.now, &[None]));
        sizes.push(pool.step(600).desired);
        pool.counts.in_service = pool.state.desired;
    }
    assert_eq!(sizes, [11, 11, 11, 11]);
    pool.series.insert(crate::support::policy("requests"), minutes(pool.now, &[None]));
    assert_eq!(pool.step(600).desired, 12, "half an hour after it was in effect");
}

#[test]
fn a_whole_fleet_waits_for_what_it_launched() {
    let mut world = World::serving(
        4,
        json!({ "policies": [rule(json!({ "out": { "from": 80, "add": 1 } }))], "guards": { "cooldown": { "out": "0s" } } }),
    );
    world.read("requests", 90.0);
    let sizes = |world: &mut World, minutes| -> Vec<u32> { world.minutes(minutes).iter().map(|decision| blue(decision).after).collect() };
    let grown = sizes(&mut world, 6);
    // each is launched only after the one before it has served for a minute
    assert!(grown.windows(2).all(|pair| pair[1] - pair[0] <= 1), "{grown:?}");
    assert!(grown.windows(3).all(|three| three[2] - three[0] <= 1), "{grown:?}");
    assert!(grown.last() > Some(&5), "{grown:?}");
}

#[test]
fn a_wrong_simple_policy_is_told_on_its_field() {
    for (change, told) in [
        (
            json!({ "out": null, "in": null }),
            "policies[0]: a simple policy needs `out`, `in` or both",
        ),
        (
            json!({ "in": { "below": 81 } }),
            "policies[0].in.below: `in` reaches up to `81`, into `out` that begins at `80`",
        ),
        (
            json!({ "out": { "to": 8 } }),
            "policies[0].out: exactly one of `add` and `to` is needed",
        ),
        (json!({ "out": { "add": "x%" } }), "policies[0].out.add: `x%` is not a percentage"),
        (
            json!({ "cooldown": { "out": "1" } }),
            "policies[0].cooldown.out: `1` is not a duration",
        ),
        (
            json!({ "in": null, "cooldown": { "in": "5m" } }),
            "policies[0].cooldown.in: a cooldown after a change `in` that the policy never makes",
        ),
    ] {
        let mut policy = rule(both());
        merge(&mut policy, change.clone());
        assert_eq!(problems(json!({ "policies": [policy] })), [told], "{change}");
    }
}
