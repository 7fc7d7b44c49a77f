//! What holds, whatever happens within the bounds.

use ghostnet_core::id::{BuildId, InstallationId, Region};
use ghostnet_engine::invocation::Invocation;
use jiff::{SignedDuration, Timestamp};

use crate::mirror::rules::Rules;
use crate::model::ticks::{LIFE, LONG_LIFE, TICK, WINDOW};
use crate::model::world::{Bounds, Machine, World};
use crate::search::{Found, search};
use crate::starts;

/// Lost replies, late landings and deaths are not bounded: there may be any number of them.
const BOUNDS: Bounds = Bounds {
    life: LIFE,
    wishes: 1,
    wish_max: 2,
    refusals: 1,
    lost_commits: 1,
};

const LISTED: Machine = Machine::Alive { listed_by: None };
const ENDED: Machine = Machine::Dead { hidden: true };

/// Nothing breaks, and so many states were tried: a model that stops early proves nothing.
fn holds(name: &str, starts: &[World], rules: Rules, states_min: usize) {
    let Found {
        states,
        moves,
        decisions,
        calmed,
        broken,
    } = search(starts, rules);
    if let Some(broken) = broken {
        panic!("{name}: {}\n{}", broken.violation, broken.story.join("\n"));
    }
    eprintln!("{name}: {states} states, {moves} moves, {decisions} decisions, {calmed} states come right");
    assert!(states >= states_min, "{name}: only {states} states were reached");
}

#[test]
fn two_invocations_all_as_it_is_break_nothing() {
    let starts = [
        starts::nobody(2, BOUNDS),
        starts::unregistered(2, BOUNDS),
        starts::serving(2, BOUNDS),
        starts::drained(2, BOUNDS),
    ];
    holds("two", &starts, Rules::all(), 150_000);
}

#[test]
fn two_invocations_under_a_wish_that_swings_break_nothing() {
    let bounds = Bounds {
        wishes: 2,
        refusals: 0,
        lost_commits: 0,
        ..BOUNDS
    };
    let starts = [
        starts::unregistered(2, bounds),
        starts::serving(2, bounds),
        starts::drained(2, bounds),
    ];
    holds("a wish that swings", &starts, Rules::all(), 50_000);
}

#[test]
fn a_stranger_and_two_invocations_break_nothing() {
    holds("a stranger", &[starts::stranger(2, BOUNDS)], Rules::all(), 20_000);
}

#[test]
fn two_invocations_after_one_that_died_break_nothing() {
    let bounds = Bounds {
        wish_max: 1,
        lost_commits: 0,
        ..BOUNDS
    };
    let starts = [
        starts::launching(2, bounds, Machine::None),
        starts::launching(2, bounds, starts::HIDDEN),
        starts::terminating(2, bounds, LISTED),
        starts::terminating(2, bounds, ENDED),
    ];
    holds("after one that died", &starts, Rules::all(), 40_000);
}

#[test]
fn two_invocations_that_decide_long_after_they_looked_break_nothing() {
    let bounds = Bounds {
        life: LONG_LIFE,
        wishes: 0,
        refusals: 0,
        lost_commits: 0,
        ..BOUNDS
    };
    let starts = [
        starts::unregistered(2, bounds),
        starts::launching(2, bounds, Machine::None),
        starts::launching(2, bounds, starts::HIDDEN),
    ];
    holds("late decisions", &starts, Rules::all(), 50_000);
}

#[test]
fn three_invocations_that_grow_a_fleet_break_nothing() {
    let bounds = Bounds {
        wishes: 0,
        refusals: 0,
        lost_commits: 0,
        ..BOUNDS
    };
    holds("three grow", &[starts::nobody(3, bounds)], Rules::all(), 100_000);
}

#[test]
fn three_invocations_that_shrink_a_fleet_break_nothing() {
    let bounds = Bounds {
        wish_max: 1,
        refusals: 0,
        lost_commits: 0,
        ..BOUNDS
    };
    let starts = [
        starts::unregistered(3, bounds),
        starts::serving(3, bounds),
        starts::drained(3, bounds),
    ];
    holds("three shrink", &starts, Rules::all(), 50_000);
}

#[test]
#[ignore = "20 s and 1.5 GB: cargo test --release --package ghostnet-sim --test protocol -- --ignored"]
fn three_invocations_with_wider_bounds_break_nothing() {
    let wider = Bounds { wish_max: 1, ..BOUNDS };
    let starts = [
        starts::unregistered(3, wider),
        starts::serving(3, wider),
        starts::stranger(3, wider),
        starts::drained(3, wider),
    ];
    holds("wider", &starts, Rules::all(), 1_000_000);
}

#[test]
fn the_models_window_is_that_of_the_engine() {
    let begin = Timestamp::from_second(1_780_401_600).unwrap();
    let ticks = |ticks: i8| SignedDuration::from_secs(i64::from(ticks) * i64::from(TICK));
    let invocation = Invocation {
        installation: InstallationId::new("ours"),
        region: Region::new("eu-west-1"),
        function: "tick",
        request_id: "request".to_owned(),
        build: BuildId::new("test"),
        deadline: begin + ticks(LIFE),
    };
    let until = invocation.execute_until(begin);
    // the engine keeps a few seconds free, the model a whole tick
    assert!(begin + ticks(WINDOW) <= until && until < begin + ticks(WINDOW + 1), "{until}");
}
