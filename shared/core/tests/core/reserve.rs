//! Spare instances above what is asked for: how many, when they come and go, and that they never feed on themselves.

use ghostnet_core::id::Zone;
use ghostnet_core::reason::VoteReason;
use ghostnet_core::sample::Series;
use ghostnet_core::spec::{BreachRule, Rule};
use ghostnet_core::state::{Peaks, Run};
use proptest::prelude::*;

use crate::support::*;

/// Ten asked for and in service, `spare` more in reserve and in service too; `requests` reads `load` for each of them.
fn reserved(reserve: Value, guards: Value, spare: u32, load: f64) -> Pool {
    Pool::tracked_with(reserve, guards).load(load).change(|pool| {
        (pool.state.desired, pool.state.reserve) = (10 + spare, spare);
        pool.counts.in_service = 10 + spare;
    })
}

#[test]
fn how_many() {
    let two = || json!({ "threshold": 2 });
    for (situation, reserve, spare, load, size, kept) in [
        ("none", json!({}), 0, 100.0, 10, 0),
        ("so many", two(), 0, 100.0, 12, 2),
        ("and there they stay", two(), 2, 83.0, 12, 2),
        ("a share, rounded up", json!({ "ratio": "15%" }), 0, 100.0, 12, 2),
        ("the larger of both", json!({ "ratio": "15%", "threshold": 1 }), 0, 100.0, 12, 2),
        (
            "a share of what is asked for, not of what is there",
            json!({ "ratio": "50%" }),
            5,
            66.0,
            15,
            5,
        ),
        ("out, with the reserve on top", two(), 2, 100.0, 14, 2),
        ("within the tolerance of those that are asked for", two(), 2, 91.0, 12, 2),
        ("and beyond it", two(), 2, 92.0, 14, 2),
        ("in, with the reserve kept", two(), 2, 41.0, 7, 2),
        (
            "at the maximum there is no room for it",
            json!({ "threshold": 200 }),
            0,
            100.0,
            100,
            90,
        ),
        ("no more wanted by the owner", json!({}), 2, 83.0, 10, 0),
    ] {
        let sizing = reserved(reserve, json!({}), spare, load).size();
        assert_eq!((sizing.desired, sizing.reserve), (size, kept), "{situation}: {sizing:#?}");
    }
}

#[test]
fn a_wish_and_no_emergency() {
    let (more, fewer) = (|| json!({ "threshold": 4 }), || json!({ "threshold": 1 }));
    let same: fn(&mut Pool) = |_| {};
    let unknown: fn(&mut Pool) = |pool| drop(pool.series.insert(policy("requests"), Series::Failed { why: "no".into() }));
    let unasked: fn(&mut Pool) = |pool| pool.series.clear();
    for (situation, reserve, change, size, because) in [
        ("more wanted", more(), same, 14, vec!["reserve"]),
        (
            "waits for the cooldown out",
            more(),
            (|pool| pool.state.cooldown_out_until = Some(at(1))) as fn(&mut Pool),
            12,
            vec!["reserve", "cooldown"],
        ),
        ("needs no metric", more(), unknown, 14, vec!["reserve"]),
        ("fewer wanted", fewer(), same, 11, vec!["reserve"]),
        (
            "waits for the cooldown in",
            fewer(),
            |pool| pool.state.cooldown_in_until = Some(at(1)),
            12,
            vec!["reserve", "cooldown"],
        ),
        ("unknown never removes", fewer(), unknown, 12, vec!["reserve", "reserve kept"]),
        (
            "nor does what only some say",
            fewer(),
            |pool| drop(pool.series.insert(policy("requests"), partial(pool.now, 83.0))),
            12,
            vec!["reserve", "reserve kept"],
        ),
        ("nor does what was not asked", fewer(), unasked, 12, vec!["reserve", "reserve kept"]),
    ] {
        let sizing = reserved(reserve, json!({}), 2, 83.0).change(change).size();
        assert_eq!((sizing.desired, guards(&sizing)), (size, because), "{situation}");
    }
}

/// The cooldown holds the growth back; meanwhile nobody leaves just because less reserve is wanted.
#[test]
fn the_reserve_stays_while_a_growth_waits() {
    let waits = |pool: &mut Pool| pool.state.cooldown_out_until = Some(at(1));
    let sizing = reserved(json!({ "threshold": 1 }), json!({}), 2, 100.0).change(waits).size();
    assert_eq!((sizing.desired, guards(&sizing)), (12, vec!["cooldown", "reserve", "reserve kept"]));
}

/// A breach that waits for its third datapoint asks for nothing yet; who carries it stays.
#[test]
fn the_reserve_stays_while_a_breach_waits_for_datapoints() {
    let mut pool = reserved(json!({ "threshold": 1 }), json!({}), 2, 300.0);
    let Rule::TargetTracking(rule) = &mut pool.spec.policies[0].rule else {
        panic!("tracks")
    };
    rule.measure.out = BreachRule { datapoints: 3, of: 3 };
    let sizing = pool.size();
    assert!(matches!(sizing.votes[0].reason, VoteReason::TooFewDatapoints { .. }), "{sizing:?}");
    assert_eq!((sizing.desired, guards(&sizing)), (12, vec!["reserve", "reserve kept"]));
}

#[test]
fn the_reserve_leaves_within_the_budget() {
    let one = json!({ "budgets": { "removal": { "per_tick": 1 } } });
    let sizing = reserved(json!({}), one, 4, 71.0).size();
    assert_eq!((sizing.desired, sizing.reserve, guards(&sizing)), (13, 3, vec!["removal budget"]));
}

/// A value is known, and it is of nobody who is there: no more a reason to give anything up than none.
#[test]
fn the_reserve_stays_while_the_metric_says_nothing_of_those_that_are_there() {
    let boots: fn(&mut Pool) = |pool| (pool.counts.in_service, pool.counts.warming) = (0, 12);
    let came: fn(&mut Pool) = |pool| {
        pool.spec.policies =
            spec(json!({ "policies": [{ "type": "target_tracking", "id": "requests", "metric": busy(), "target": 100 }] }))
                .pools
                .remove(0)
                .policies;
        pool.flow.joined = vec![at(-10); 12];
    };
    for (situation, load, change) in [("nobody is in service", 83.0, boots), ("all came since", 183.0, came)] {
        let sizing = reserved(json!({ "threshold": 1 }), json!({}), 2, load).change(change).size();
        assert!(
            matches!(sizing.votes[0].reason, VoteReason::NobodyInService | VoteReason::AllCameSince),
            "{situation}: {sizing:?}"
        );
        assert_eq!(
            (sizing.desired, guards(&sizing)),
            (12, vec!["reserve", "reserve kept"]),
            "{situation}"
        );
    }
}

/// The load that is measured is not that of a whole fleet.
#[test]
fn the_reserve_stays_while_a_zone_is_out() {
    for (until, size, because) in [(60, 12, vec!["reserve", "zone outage"]), (0, 11, vec!["reserve"])] {
        let sizing = reserved(json!({ "threshold": 1 }), json!({}), 2, 83.0).change(|pool| {
            pool.state.zones_out.insert(Zone::new("eu-west-1a"), at(until).into());
        });
        let sizing = sizing.size();
        assert_eq!((sizing.desired, guards(&sizing)), (size, because), "{until}");
    }
}

/// Five would do for ten minutes already; the other five have yet to leave, and are the spare ones until then.
#[test]
fn who_has_yet_to_leave_is_spare_already() {
    let long_quiet = |pool: &mut Pool| {
        let (since, capacity) = (at(-600), 5);
        pool.state.recommended = vec![Run { since, capacity }];
        pool.state.cooldown_in_until = Some(at(1));
    };
    for (situation, ratio, change, size, kept) in [
        ("as many as the reserve wants", "100%", long_quiet as fn(&mut Pool), 10, 0),
        ("more than it wants", "20%", long_quiet, 10, 0),
        ("fewer: only the rest is launched", "140%", long_quiet, 12, 2),
        (
            "a need that ended a minute ago is still one",
            "100%",
            |pool| pool.state.cooldown_in_until = Some(at(1)),
            20,
            10,
        ),
    ] {
        let guards = json!({ "stabilisation": { "in": "5m" } });
        let sizing = reserved(json!({ "ratio": ratio }), guards, 0, 41.0).change(change).size();
        assert_eq!((sizing.desired, sizing.reserve), (size, kept), "{situation}: {sizing:#?}");
    }
}

/// An operator had asked for none for a while, and the last hours keep two in reserve: the load is that of as many as carry it.
#[test]
fn where_none_is_asked_for_the_load_is_read_as_one_alone_would_have_it() {
    for (situation, load, asked) in [
        ("two carry what two must carry", 83.0, 2),
        ("one carries it within the tolerance", 54.0, 0),
        ("and beyond", 56.0, 2),
    ] {
        for spare in [0, 2] {
            let pool = reserved(json!({ "threshold": 2 }), json!({}), spare, load).change(|pool| {
                (pool.state.desired, pool.counts.in_service) = (spare, 2);
                pool.spec.capacity.min = 0;
            });
            assert_eq!(pool.vote().0, Some(asked), "{situation}, {spare} in reserve");
        }
    }
}

#[test]
fn who_asks_for_nothing_has_no_reserve() {
    let idle = Pool::with_reserve(json!([]), json!({}), json!({ "threshold": 2 }));
    assert_eq!(idle.size().desired, 10);
}

/// Ten hours of which one had 30: its 0.9 quantile is what nine hours stayed within.
#[test]
fn a_quantile_of_the_last_hours() {
    let hours = |most: Vec<u32>, ago: i64| Peaks {
        hour: at(0).as_second() / 3_600 - ago,
        most,
    };
    let usual = || vec![12, 14, 13, 30, 15, 12, 11, 10, 10, 10];
    for (situation, quantile, over, peaks, size) in [
        ("nothing known", 0.9, "10h", None, 10),
        ("all hours but one", 0.9, "10h", Some(hours(usual(), 0)), 15),
        ("every hour", 1.0, "10h", Some(hours(usual(), 0)), 30),
        ("half of them", 0.5, "10h", Some(hours(usual(), 0)), 12),
        ("only the last five", 1.0, "5h", Some(hours(usual(), 0)), 12),
        (
            "an hour without a look had what the one before it had",
            0.5,
            "4h",
            Some(hours(vec![40, 30, 20], 2)),
            20,
        ),
        ("a long time without a look", 1.0, "4h", Some(hours(vec![40, 30, 20], 200)), 20),
    ] {
        let reserve = json!({ "policy": { "quantile": quantile, "over": over } });
        let sizing = reserved(reserve, json!({}), 0, 100.0)
            .change(|pool| pool.state.peaks = peaks)
            .size();
        assert_eq!(sizing.desired, size, "{situation}");
    }
}

#[test]
fn the_peaks_are_bounded_and_written_once_an_hour() {
    let mut pool = reserved(json!({ "policy": { "over": "48h" } }), json!({}), 0, 100.0);
    pool.step(60);
    let first = pool.state.peaks.clone();
    pool = pool.load(100.0);
    pool.step(60);
    assert_eq!(pool.state.peaks, first, "the same recommendation within the hour");
    for _ in 0..100 {
        pool = pool.load(100.0);
        pool.step(3_600);
    }
    assert_eq!(pool.state.peaks.unwrap().most, [10; 48]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever the load does, a pool with a reserve is the same pool without one, plus the reserve: it never feeds on itself.
    #[test]
    fn a_reserve_never_feeds_on_itself(
        loads in proptest::collection::vec(0_u32..4_000, 1..60),
        ratio in 0_u32..60,
        threshold in 0_u32..8,
        stepped in any::<bool>(),
    ) {
        let guards = json!({ "cooldown": { "out": "1m", "in": "3m" }, "stabilisation": { "in": "5m" } });
        let policies = if stepped {
            json!([{ "type": "step", "id": "requests", "metric": busy(), "out": [{ "from": 70.0, "add": "20%" }], "in": [{ "below": 35.0, "remove": 1 }] }])
        } else {
            json!([tracking()])
        };
        let reserve = json!({ "ratio": format!("{ratio}%"), "threshold": threshold });
        let mut with = Pool::with_reserve(policies.clone(), guards.clone(), reserve);
        let mut without = Pool::with(policies, guards);
        with.spec.capacity.max = 10_000;
        without.spec.capacity.max = 10_000;
        let spare = |asked: u32| (asked * ratio).div_ceil(100).max(threshold);
        for load in loads {
            for pool in [&mut with, &mut without] {
                pool.counts.in_service = pool.state.desired;
                // never exactly at a bound: there the last bit of a quotient would decide
                let value = (f64::from(load) + 0.37) / f64::from(pool.state.desired);
                pool.series.insert(policy("requests"), fresh(pool.now, value));
                pool.step(60);
            }
            prop_assert_eq!(with.state.without_reserve(), without.state.desired);
            prop_assert_eq!(with.state.desired, without.state.desired + spare(without.state.desired));
        }
    }
}
