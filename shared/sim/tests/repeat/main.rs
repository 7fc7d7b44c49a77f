//! Every step of every kind of plan, executed twice, and its invocation killed before it and after it: the fleet ends the same.
//!
//! A situation is a fleet, its load, and what befalls it; `situations` has one for each kind of step and of plan. It is played
//! once undisturbed. Then it is played again for each call that carries out a step, and for every third one that commits or tells
//! an outcome, and for each of the three things that are done to that call. All the ends must be one: `end` says what that means.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its world should stop there")]

mod end;
mod situations;

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_sim::chance::Chance;
use ghostnet_sim::fault::Faults;
use ghostnet_sim::hand::{CHANGING, Strike};
use ghostnet_sim::load::Load;
use ghostnet_sim::log::Log;
use ghostnet_sim::run::Runner;
use ghostnet_sim::world::World;

use end::{End, end};
use situations::{MINUTES, SITUATIONS, Situation};

const STRIKES: [Strike; 3] = [Strike::Twice, Strike::DieBefore, Strike::DieAfter];
/// Each kind of call that a situation is there for is struck so many times in each way, or more; attributes are set no oftener.
const TIMES_AT_LEAST: u32 = 2;
/// Any; it decides how long calls and boots take.
const SEED: u64 = 7;

/// There are as many commits and outcomes as steps, and all are alike: of so many one is struck.
const OF_THE_TABLE_ONE_IN: usize = 3;

/// What came of one play.
struct Played {
    end: End,
    /// The calls that changed something until the calm.
    calls: Vec<&'static str>,
}

fn play(situation: &Situation, strike: Option<(u64, Strike)>) -> Played {
    let mut world = World::new(SEED, Faults::exactly(SEED, &BTreeMap::new()), Log::new(false));
    world.strike = strike;
    world.changing = Some(Vec::new());
    world.cloud.capacity.reservations = situation.reservations();
    let levels = situation
        .load
        .iter()
        .map(|(minute, rate)| (world.now + minute * ghostnet_sim::clock::MINUTE, *rate));
    let load = Load::through(levels.collect()).unwrap();
    world.apply(situation.design(), load);
    let mut runner = Runner::new(world, Chance::of(SEED, 2));
    for minute in 0..MINUTES {
        situation.happens_at(minute, &mut runner.world.borrow_mut());
        runner.storm(1);
    }
    let calls = runner.world.borrow().changing.clone().unwrap_or_default();
    // until everything is right by the truth, and stays so
    if runner.is_well() {
        runner.calm();
    }
    let world = runner.world.borrow();
    assert_eq!(world.watch.violations, [], "{}, {strike:?}", situation.name);
    Played { end: end(&world), calls }
}

/// Strikes each call of a situation in each way.
fn strike_each(name: &str) {
    let situation = SITUATIONS.iter().find(|situation| situation.name == name).unwrap();
    let undisturbed = play(situation, None);
    let as_meant = (situation.is_as_meant)(&undisturbed.end);
    assert!(as_meant, "{name}, undisturbed: {:#?}", undisturbed.end);
    let mut struck: BTreeMap<&str, u32> = BTreeMap::new();
    for (before, call) in undisturbed.calls.iter().enumerate() {
        if call.starts_with("dynamodb:") && before % OF_THE_TABLE_ONE_IN != 0 {
            continue;
        }
        let number = u64::try_from(before + 1).unwrap();
        for strike in STRIKES {
            let played = play(situation, Some((number, strike)));
            assert_eq!(played.calls[before], *call, "{name}: until then nothing differs");
            assert_eq!(played.end, undisturbed.end, "{name}: {strike:?} at {call}, call {number}");
        }
        *struck.entry(call).or_default() += 1;
    }
    eprintln!("{name}: each in {} ways: {struck:?}", STRIKES.len());
    for call in situation.calls {
        let times = struck.get(call).copied().unwrap_or(0);
        assert!(times >= TIMES_AT_LEAST, "{name}: {call} was struck {times} times in each way");
    }
}

#[test]
fn a_fleet_that_grows_and_shrinks_ends_the_same() {
    strike_each("grows and shrinks");
}

#[test]
fn a_fleet_whose_types_aws_chooses_ends_the_same() {
    strike_each("types that aws chooses");
}

#[test]
fn a_fleet_that_asks_reservations_first_ends_the_same() {
    strike_each("reservations first");
}

#[test]
fn a_fleet_that_keeps_instances_warm_ends_the_same() {
    strike_each("kept warm");
}

#[test]
fn a_fleet_that_waits_for_its_workers_ends_the_same() {
    strike_each("waits for workers");
}

#[test]
fn a_fleet_that_keeps_groups_and_services_ends_the_same() {
    strike_each("groups and services");
}

#[test]
fn a_fleet_that_is_refreshed_ends_the_same() {
    strike_each("refreshed");
}

#[test]
fn a_fleet_that_leaves_a_zone_ends_the_same() {
    strike_each("leaves a zone");
}

#[test]
fn a_fleet_whose_traffic_moves_ends_the_same() {
    strike_each("traffic moves");
}

#[test]
fn a_fleet_of_which_one_side_may_serve_ends_the_same() {
    strike_each("of two sides one may serve");
}

#[test]
fn every_kind_of_changing_call_is_struck_in_some_situation() {
    let struck: BTreeSet<&str> = SITUATIONS.iter().flat_map(|situation| situation.calls).copied().collect();
    assert_eq!(struck, BTreeSet::from(CHANGING));
}
