//! Capacity that AWS does not have is asked for again after minutes, but where nobody serves at once.

use std::cell::RefCell;
use std::rc::Rc;

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
