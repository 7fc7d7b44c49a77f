//! Many seeds, and the smallest set of faults that still breaks a seed that broke.

use std::collections::BTreeSet;

use crate::check::Check;
use crate::fault::Fault;
use crate::run::{Outcome, Setup, run};

/// The same run with as few kinds of fault, and as short, as still breaks the same checker.
#[must_use]
pub fn shrink(setup: &Setup, outcome: &Outcome) -> Setup {
    let Some(first) = outcome.violations.first() else {
        return setup.clone();
    };
    let breaks = |setup: &Setup| {
        run(setup)
            .violations
            .first()
            .is_some_and(|violation| violation.check == first.check)
    };
    let mut smallest = Setup {
        only: Some(outcome.struck.keys().copied().collect()),
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
    smallest
}

fn without(faults: &BTreeSet<Fault>, fault: Fault) -> BTreeSet<Fault> {
    faults.iter().copied().filter(|other| *other != fault).collect()
}

/// The checks that a run broke.
#[must_use]
pub fn broken_checks(outcome: &Outcome) -> BTreeSet<Check> {
    outcome.violations.iter().map(|violation| violation.check).collect()
}
