//! Capacity that AWS does not have is asked for again after minutes, but where nobody serves at once.

use std::cell::RefCell;
use std::rc::Rc;

use ghostnet_core::signal::Signal;

use crate::run::*;
use crate::world::World;

/// Every zone has run dry for as long as the test says.
fn dry(world: &Rc<RefCell<World>>) {
    world.borrow_mut().dry = ["eu-west-1a", "eu-west-1b", "eu-west-1c"].map(ghostnet_core::id::Zone::new).into();
}

/// Launches that each of these minutes asked for.
fn asked(world: &Rc<RefCell<World>>, minutes: usize) -> Vec<usize> {
    let minute = |minute: usize| {
        world.borrow_mut().calls.clear();
        ticks(world, &format!("minute-{minute}"), 1);
        world.borrow().calls.iter().filter(|call| **call == "ec2:RunInstances").count()
    };
    (0..minutes).map(minute).collect()
}

#[test]
fn a_fleet_that_serves_leaves_what_ran_out_alone_for_minutes() {
    let world = World::new(spec(2), 2_000.0);
    ticks(&world, "settle", 10);
    dry(&world);
    world.borrow_mut().load = 6_000.0;
    let asked = asked(&world, 6);
    let first = asked.iter().position(|calls| *calls > 0).unwrap();
    let then = asked[first + 1..].iter().take(2);
    assert!(
        asked[first] == 3 && then.sum::<usize>() == 0,
        "each zone once, and then none for three minutes: {asked:?}"
    );
}

#[test]
fn where_nobody_serves_it_is_asked_for_in_every_look_and_each_zone_once() {
    let world = World::new(spec(2), 2_000.0);
    dry(&world);
    let asked = asked(&world, 4);
    assert!(asked.iter().all(|calls| (2..=4).contains(calls)), "{asked:?}");
}

/// Whoever asked is told of what was launched, and the metric counts it; the next look goes on.
#[test]
fn what_an_earlier_round_launched_is_told_though_a_later_one_could_not_be_committed() {
    // so many minutes after the load rose where one zone has run dry
    let risen = |minutes: usize| {
        let world = World::new(spec(2), 2_000.0);
        ticks(&world, "settle", 10);
        world.borrow_mut().dry = ["eu-west-1a"].map(ghostnet_core::id::Zone::new).into();
        world.borrow_mut().load = 6_000.0;
        ticks(&world, "rises", minutes);
        wait(&world, 60);
        world.borrow_mut().calls.clear();
        world
    };
    let whole = |minutes: usize| {
        let world = risen(minutes);
        let report = look(&world, "grows", &Signal::Tick).unwrap();
        let calls = world.borrow().calls.clone();
        (minutes, report.launched, calls)
    };
    let (minutes, launched, calls) = (0..8).map(whole).find(|(_, launched, _)| *launched > 0).unwrap();
    let launches = calls.iter().enumerate().filter(|(_, call)| **call == "ec2:RunInstances");
    let commits = calls.iter().enumerate().filter(|(_, call)| **call == "dynamodb:TransactWriteItems");
    let last_launch = launches.map(|(number, _)| number).next_back().unwrap();
    let commit_of_it = commits.map(|(number, _)| number).rfind(|number| *number < last_launch).unwrap();
    let told = look_deaf(&risen(minutes), "grows", &Signal::Tick, Some(commit_of_it)).unwrap();
    assert!(
        told.launched > 0 && told.launched < launched,
        "{} of {launched}: {calls:?}",
        told.launched
    );
}
