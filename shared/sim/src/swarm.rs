//! Many seeds on all cores, and the smallest set of faults that still breaks a seed that broke.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::check::Violation;
use crate::fault::Fault;
use crate::run::{Outcome, Setup, run};
use crate::world::Counters;

/// Seeds that once broke something, each with its ticks and a line about the bug. Run by every `make test`.
const ONCE_BROKEN: &str = include_str!("../seeds.txt");

/// What many runs gave.
#[derive(Debug, Default)]
pub struct Summary {
    /// Runs.
    pub runs: usize,
    /// Minutes of virtual time.
    pub minutes: u64,
    /// What was counted in all of them.
    pub counters: Counters,
    /// How often each kind of fault struck.
    pub struck: BTreeMap<Fault, u64>,
    /// What broke, by seed.
    pub failures: Vec<Failure>,
}

/// A run that broke, made as small as it still breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Minutes of storm.
    pub ticks: u32,
    /// The kinds of fault that are needed.
    pub faults: BTreeSet<Fault>,
    /// What broke first.
    pub violation: Violation,
}

/// The seeds that once broke something.
#[must_use]
pub fn once_broken() -> Vec<Setup> {
    let setup = |line: &str| {
        let mut words = line.split_whitespace();
        Some(Setup::of(words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    ONCE_BROKEN.lines().filter_map(setup).collect()
}

/// Runs all of these on so many threads. `told` hears of each run that ended, in any order; the summary does not depend on it.
pub fn sweep(setups: &[Setup], threads: usize, told: impl Fn(&Outcome) + Sync) -> Summary {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some((place, setup)) = take(setups, &next) {
                    let outcome = run(setup);
                    told(&outcome);
                    let failure = failure(setup, &outcome);
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.insert(place, (outcome, failure));
                    }
                }
            });
        }
    });
    let mut summary = Summary::default();
    for (outcome, failure) in outcomes.into_inner().unwrap_or_default().into_values() {
        summary.add(&outcome);
        summary.failures.extend(failure);
    }
    summary
}

fn take<'a>(setups: &'a [Setup], next: &AtomicUsize) -> Option<(usize, &'a Setup)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    setups.get(place).map(|setup| (place, setup))
}

impl Summary {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.minutes += u64::from(outcome.minutes);
        self.counters.add(&outcome.counters);
        for (fault, times) in &outcome.struck {
            *self.struck.entry(*fault).or_default() += times;
        }
    }
}

fn failure(setup: &Setup, outcome: &Outcome) -> Option<Failure> {
    let violation = outcome.violations.first()?.clone();
    let smallest = shrink(setup, outcome);
    Some(Failure {
        seed: setup.seed,
        ticks: smallest.ticks,
        faults: smallest.only.unwrap_or_default(),
        violation,
    })
}

/// The same run with as few kinds of fault, and as short, as still breaks the same checker.
#[must_use]
pub fn shrink(setup: &Setup, outcome: &Outcome) -> Setup {
    let Some(first) = outcome.violations.first() else {
        return setup.clone();
    };
    let breaks = |setup: &Setup| {
        let again = run(setup).violations;
        again.first().is_some_and(|violation| violation.check == first.check)
    };
    let mut smallest = Setup {
        only: Some(outcome.struck.keys().copied().collect()),
        log: false,
        ..setup.clone()
    };
    for fault in outcome.struck.keys() {
        let without = Setup {
            only: smallest.only.as_ref().map(|only| without(only, *fault)),
            ..smallest.clone()
        };
        if breaks(&without) {
            smallest = without;
        }
    }
    let shorter = Setup {
        ticks: outcome.minutes.min(setup.ticks),
        ..smallest.clone()
    };
    if breaks(&shorter) { shorter } else { smallest }
}

fn without(faults: &BTreeSet<Fault>, fault: Fault) -> BTreeSet<Fault> {
    faults.iter().copied().filter(|other| *other != fault).collect()
}
