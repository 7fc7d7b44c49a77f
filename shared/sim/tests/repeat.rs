//! Every call that commits, carries out a step or tells its outcome: done twice, and its invocation killed before it and after
//! it. The fleet ends the same.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_sim::fault::Fault;
use ghostnet_sim::hand::Strike;
use ghostnet_sim::run::{Outcome, Setup, run};

/// A world without other faults than a load that changes: launches, registrations, drains, terminations.
fn setup(seed: u64, strike: Option<(u64, Strike)>) -> Setup {
    Setup {
        exactly: Some(BTreeMap::from([(Fault::LoadSpike, 8)])),
        strike,
        ..Setup::of(seed, 40)
    }
}

/// Sizes may differ by one where a metric was read a minute later.
fn is_the_same_fleet(calm: &Outcome, struck: &Outcome) -> bool {
    let sizes = |outcome: &Outcome| outcome.wanted.iter().map(|(pool, _)| pool.clone()).collect::<BTreeSet<_>>();
    let near = calm.wanted.iter().zip(&struck.wanted).all(|((_, a), (_, b))| a.abs_diff(*b) <= 1);
    sizes(calm) == sizes(struck) && near
}

#[test]
fn whatever_is_done_twice_or_cut_off_the_fleet_ends_the_same() {
    let mut struck = 0;
    // one that only launches, and two that also start and stop
    for seed in [9, 6, 39] {
        let calm = run(&setup(seed, None));
        assert_eq!(calm.violations, [], "seed {seed}, undisturbed");
        for strike in [Strike::Twice, Strike::DieBefore, Strike::DieAfter] {
            // every third call, from another one for each seed: each kind of call many times
            for number in (1 + seed % 3..=calm.counters.changes).step_by(3) {
                let outcome = run(&setup(seed, Some((number, strike))));
                assert_eq!(outcome.violations, [], "seed {seed}, call {number}: {strike:?}");
                let same = is_the_same_fleet(&calm, &outcome);
                assert!(
                    same,
                    "seed {seed}, call {number}, {strike:?}: {:?}, and not {:?}",
                    outcome.wanted, calm.wanted
                );
                struck += 1;
            }
        }
    }
    assert!(struck > 100, "only {struck} calls were struck");
}
