//! Whole runs: the same seed twice, a handful of seeds, and those that once broke something. The many seeds are
//! `ghostnet swarm`'s, in a build that is fast enough for them.

use std::collections::BTreeSet;

use ghostnet_core::spec::raw::{RawPolicy, RawPredictiveMode};
use ghostnet_sim::chance::Chance;
use ghostnet_sim::fault::Fault;
use ghostnet_sim::fleets;
use ghostnet_sim::run::{Outcome, Setup, run};
use ghostnet_sim::swarm::{once_broken, sweep};

fn logged(seed: u64) -> Outcome {
    run(&Setup {
        log: true,
        ..Setup::of(seed, 120)
    })
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    for seed in [1, 2, 13, 49, 60, 85] {
        let (first, second) = (logged(seed), logged(seed));
        assert!(first.log.len() > 500, "seed {seed}: {} lines", first.log.len());
        assert_eq!(first.log, second.log, "seed {seed}");
        assert_ne!(first.log, logged(seed + 1).log, "another seed is another world");
    }
}

#[test]
fn the_log_changes_nothing() {
    let (quiet, loud) = (run(&Setup::of(7, 120)), logged(7));
    assert_eq!((quiet.counters, quiet.struck), (loud.counters, loud.struck));
}

/// The whole way: measured, decided, remembered, read at the next tick, set.
#[test]
fn adaptive_groups_come_to_another_algorithm_and_set_it() {
    let tells = |log: &[String], text: &str| log.iter().any(|line| line.contains(text));
    let adapts = (1..=40).map(|seed| logged(seed).log).find(|log| {
        let tuned = r#"tuned {Algorithm: "least_outstanding_requests"}, taken: true"#;
        tells(log, "goes to `least_outstanding_requests`: the 90th percentile") && tells(log, tuned)
    });
    assert!(adapts.is_some());
}

/// Among a few hundred fleets there are some of each kind.
#[test]
fn fleets_look_ahead_and_turn_often_by_chance() {
    let designs = (1..=300).filter_map(|seed| {
        let mut design = fleets::any(&mut Chance::of(seed, 2), "web")?;
        fleets::look_ahead(&mut Chance::of(seed, 8), &mut design);
        fleets::look_as_far_as_boots(&mut Chance::of(seed, 12), &mut design);
        Some(design.raw)
    });
    let (mut acts, mut shows, mut learned, mut turns) = (0, 0, 0, BTreeSet::new());
    for raw in designs {
        for policy in raw.policies.iter().flatten() {
            if let RawPolicy::Predictive(policy) = policy {
                let act = policy.mode == Some(RawPredictiveMode::Act);
                (acts, shows) = (acts + u32::from(act), shows + u32::from(!act));
                let by_boots = policy.horizon.as_ref().is_some_and(|horizon| horizon.0 == "learned");
                learned += u32::from(by_boots);
            }
        }
        turns.extend(raw.guards.and_then(|guards| guards.churn?.turns));
    }
    assert!(acts > 5 && shows > 0, "{acts} act, {shows} only show");
    assert!(learned > 3 && learned < acts + shows, "{learned} look as far as launches take");
    assert_eq!(turns, (3..=12).collect());
}

/// The forecast function runs in this world too, and what it learned has a vote and is in the records.
#[test]
fn who_looks_ahead_learns_and_votes() {
    let tells = |log: &[String]| log.iter().any(|line| line.contains("requests a second expected at"));
    assert!((1..=40).any(|seed| tells(&logged(seed).log)));
}

/// What makes a failure shrinkable: a fault that is taken away takes nothing else with it.
#[test]
fn a_fault_that_never_strikes_can_be_taken_away_without_a_trace() {
    for seed in 1..=10 {
        let all = run(&Setup::of(seed, 60));
        let struck: BTreeSet<Fault> = all
            .struck
            .iter()
            .filter(|(_, times)| **times > 0)
            .map(|(fault, _)| *fault)
            .collect();
        let without = run(&Setup {
            only: Some(struck),
            ..Setup::of(seed, 60)
        });
        assert_eq!(all.counters, without.counters, "seed {seed}");
    }
}

/// EC2 lists new instances that a call by their ids does not find: they end all the same, and every fleet comes right.
#[test]
fn terminates_that_find_nobody_come_to_their_end() {
    let faults = [
        (Fault::ListLag, 16),
        (Fault::LoadSpike, 8),
        (Fault::BadImage, 20),
        (Fault::OperatorSize, 20),
        (Fault::SpotReclaim, 10),
    ];
    let outcomes = (1..=10).map(|seed| {
        run(&Setup {
            log: true,
            exactly: Some(faults.into()),
            ..Setup::of(seed, 120)
        })
    });
    let mut not_found = 0;
    for outcome in outcomes {
        assert_eq!(outcome.violations, [], "seed {}", outcome.seed);
        not_found += outcome.log.iter().filter(|line| line.contains("not found: [InstanceId")).count();
    }
    assert!(not_found > 0, "it never happens");
}

/// Nothing but a metric of their own shows that their jobs fail: where a fleet asks for it they leave, and nobody else does as sick.
#[test]
fn workers_whose_jobs_fail_leave_by_their_own_metric() {
    let mut left = 0;
    for seed in 1..=20 {
        let outcome = run(&Setup {
            log: true,
            exactly: Some(
                [
                    (Fault::FailingJobs, 16),
                    (Fault::MetricLate, 4),
                    (Fault::MetricPartial, 4),
                    (Fault::MetricFailed, 4),
                ]
                .into(),
            ),
            ..Setup::of(seed, 120)
        });
        assert_eq!(outcome.violations, [], "seed {seed}");
        let told = |line: &&String| line.contains("FailedJobs are above 20");
        let named = |line: &String| Some(line.split("is reported sick").next()?.split_whitespace().last()?.to_owned());
        let told: BTreeSet<String> = outcome.log.iter().filter(told).filter_map(named).collect();
        let drained = |id: &&String| outcome.log.iter().any(|line| line.contains(&format!("draining {id}: ")));
        left += told.iter().filter(drained).count();
    }
    assert!(left > 5, "{left} left");
}

#[test]
fn seeds_that_once_broke_something_hold() {
    let setups = once_broken();
    assert!(!setups.is_empty());
    let summary = sweep(&setups, 2, |_| {});
    assert_eq!(summary.failures, []);
}

#[test]
fn the_first_seeds_hold_and_every_fault_strikes_in_one_of_them() {
    let setups: Vec<Setup> = (1..=40).map(|seed| Setup::of(seed, 100)).collect();
    let summary = sweep(&setups, 2, |_| {});
    assert_eq!(summary.failures, []);
    let never: Vec<&Fault> = Fault::ALL
        .iter()
        .filter(|fault| summary.struck.get(fault).is_none_or(|times| *times == 0))
        .collect();
    assert!(never.is_empty(), "{never:?} never struck");
}
