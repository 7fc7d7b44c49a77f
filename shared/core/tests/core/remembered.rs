//! What a pool remembers of its sizings: runs of recommendations, cooldowns; and what it forgets.

use ghostnet_core::state::{RUNS_MAX, Run};

use crate::support::*;

fn run(since: i64, capacity: u32) -> Run {
    Run {
        since: at(since),
        capacity,
    }
}

#[test]
fn equal_recommendations_make_one_run() {
    let mut pool = Pool::tracked(json!({ "stabilisation": { "in": "10m" } }));
    for value in [100.0, 101.0, 50.0, 50.0, 100.0] {
        pool = pool.load(value);
        pool.step(60);
    }
    assert_eq!(pool.state.recommended, [run(0, 10), run(120, 5), run(240, 10)]);
}

#[test]
fn runs_that_the_window_has_left_behind_are_forgotten() {
    let mut pool = Pool::tracked(json!({ "stabilisation": { "in": "3m" } })).recommended(&[(900, 4), (400, 6), (100, 8)]);
    pool = pool.load(100.0);
    pool.step(60);
    // the run of six still reached into the window
    assert_eq!(pool.state.recommended, [run(-400, 6), run(-100, 8), run(0, 10)]);
}

/// Twenty were recommended at noon. The next recommendation comes from a clock by which it is not noon yet.
#[test]
fn a_run_by_a_clock_that_is_behind_ends_none_before_it_began() {
    let mut pool = Pool::tracked(json!({ "stabilisation": { "in": "3m" } })).recommended(&[(900, 10)]);
    let mut look = |seconds: i64, value: f64| {
        pool.now = at(seconds);
        pool.series.insert(policy("requests"), fresh(pool.now, value));
        let desired = pool.step(0).desired;
        pool.counts.in_service = desired;
        desired
    };
    assert_eq!([look(0, 200.0), look(-9, 50.0)], [20, 20]);
    assert_eq!([look(175, 50.0), look(181, 50.0)], [20, 11], "three minutes after noon");
}

#[test]
fn a_full_history_merges_its_oldest_runs_into_the_larger() {
    let runs: Vec<(i64, u32)> = (0..64)
        .map(|n| (64 - n, if n == 1 { 90 } else { u32::try_from(n).unwrap() }))
        .collect();
    assert_eq!(runs.len(), RUNS_MAX);
    let mut pool = Pool::tracked(json!({ "stabilisation": { "in": "1h" } }))
        .recommended(&runs)
        .load(100.0);
    pool.step(60);
    assert_eq!(pool.state.recommended.len(), RUNS_MAX);
    assert_eq!(
        pool.state.recommended.first(),
        Some(&run(-64, 90)),
        "a removal is never easier for it"
    );
    assert_eq!(pool.state.recommended.last(), Some(&run(0, 10)));
}

#[test]
fn a_move_starts_its_cooldowns() {
    let limits = json!({ "cooldown": { "out": "60s", "in": "5m" } });
    for (situation, load, out, in_) in [
        ("out holds back both", 200.0, Some(at(60)), Some(at(300))),
        ("in holds back in", 50.0, None, Some(at(300))),
        ("a hold holds back nothing", 100.0, None, None),
    ] {
        let mut pool = Pool::tracked(limits.clone()).load(load);
        pool.step(60);
        assert_eq!(
            (pool.state.cooldown_out_until, pool.state.cooldown_in_until),
            (out, in_),
            "{situation}"
        );
    }
    let mut pool = Pool::tracked(json!({})).load(200.0);
    pool.step(60);
    assert_eq!(pool.state.cooldown_out_until, None, "a cooldown of zero is none");
}

/// The owner lowers the maximum and takes the cooldown out while one runs: what it holds stays held.
#[test]
fn a_move_that_waits_for_no_cooldown_cuts_none_short() {
    let mut pool = Pool::tracked(json!({})).load(10.0);
    (pool.state.cooldown_in_until, pool.spec.capacity.max) = (Some(at(120)), 8);
    assert_eq!((pool.step(0).desired, pool.state.cooldown_in_until), (8, Some(at(120))));
    assert_eq!(pool.load(10.0).size().desired, 8);
}

/// Recommendations go on while a pause, or the mode, lets nothing happen: the window is full when it ends.
#[test]
fn a_paused_pool_remembers_what_it_would_have_done() {
    let mut pool = Pool::tracked(json!({ "stabilisation": { "in": "2m" } }));
    pool.paused_until = Some(at(300));
    for _ in 0..5 {
        pool = pool.load(50.0);
        assert_eq!(pool.step(60).desired, 10);
    }
    pool.paused_until = None;
    assert!(pool.load(50.0).size().desired < 10);
}

#[test]
fn what_was_recommended_is_within_the_bounds() {
    let mut pool = Pool::tracked(json!({})).load(1_000_000.0);
    pool.step(60);
    assert_eq!(pool.state.recommended, [run(0, 100)]);
}
