//! EC2 answers that it does not find whom it is to terminate. That is no proof that the instance is gone: the terminate stays
//! committed and is sent again, until it happens or the list gives the instance up.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::run::*;
use crate::world::World;
use ghostnet_core::id::InstanceId;
use ghostnet_core::plan::Action;

const TERMINATE: &str = "ec2:TerminateInstances";

/// Six serve, three are enough, and EC2 does not find the first of those that leave when it is to terminate them: who they are.
fn not_found() -> (Rc<RefCell<World>>, InstanceId, BTreeSet<InstanceId>) {
    let world = World::new(spec(6), 6_000.0);
    ticks(&world, "warm", 10);
    world.borrow_mut().load = 3_000.0;
    for tick in 0..12 {
        let leaving = leaving(&world);
        world.borrow_mut().unfound = leaving.first().cloned().into_iter().collect();
        ticks(&world, &format!("less-{tick}"), 1);
        if world.borrow().calls.contains(&TERMINATE) {
            break;
        }
    }
    let open = open(&world);
    assert!(open.len() > 1, "a terminate of several has no outcome");
    let first = open.first().unwrap().clone();
    (world, first, open)
}

/// Members that are on their way out.
fn leaving(world: &Rc<RefCell<World>>) -> BTreeSet<InstanceId> {
    let state = world.borrow().state().unwrap();
    let members = state.pools.values().flat_map(|pool| &pool.members);
    members
        .filter(|(_, member)| member.drain.is_some())
        .map(|(id, _)| id.clone())
        .collect()
}

/// Whom open terminates are about.
fn open(world: &Rc<RefCell<World>>) -> BTreeSet<InstanceId> {
    let state = world.borrow().state().unwrap();
    let terminates = state
        .open
        .iter()
        .filter(|open| matches!(open.step.action, Action::Terminate { .. }));
    terminates
        .flat_map(|open| open.step.action.instances().into_iter().cloned())
        .collect()
}

fn alive(world: &Rc<RefCell<World>>) -> BTreeSet<InstanceId> {
    world.borrow().alive().into_iter().map(|machine| machine.id.clone()).collect()
}

fn sent(world: &Rc<RefCell<World>>) -> usize {
    world.borrow().calls.iter().filter(|call| **call == TERMINATE).count()
}

#[test]
fn the_others_of_its_step_are_terminated_at_once() {
    let (world, first, all) = not_found();
    let left = &all & &alive(&world);
    assert_eq!(left, [first].into());
}

#[test]
fn a_terminate_that_finds_nobody_is_sent_again_until_it_happens() {
    let (world, first, _) = not_found();
    let before = sent(&world);
    ticks(&world, "lagging", 5);
    assert_eq!(open(&world), [first.clone()].into(), "the others are seen gone");
    assert!(sent(&world) > before, "it is sent again");
    assert!(alive(&world).contains(&first));
    world.borrow_mut().unfound.clear();
    ticks(&world, "settled", 5);
    assert!(!alive(&world).contains(&first), "it is terminated in the end");
    assert_eq!(open(&world), BTreeSet::new());
    let before = sent(&world);
    ticks(&world, "calm", 10);
    assert_eq!(sent(&world), before, "and not again");
}

#[test]
fn one_whose_terminate_finds_nobody_is_not_taken_back() {
    let (world, first, _) = not_found();
    world.borrow_mut().load = 6_000.0;
    ticks(&world, "more", 10);
    assert!(!world.borrow().members().contains(&first), "an earlier attempt may have ended it");
    assert_eq!(alive(&world).len(), 6 + 1, "others serve in place of all that left");
}

#[test]
fn a_terminate_of_one_that_has_vanished_is_over_when_the_list_gives_it_up() {
    let (world, first, _) = not_found();
    world.borrow_mut().instances.retain(|machine| machine.id != first);
    ticks(&world, "vanished", 3);
    assert_eq!(open(&world), BTreeSet::new());
    let state = world.borrow().state().unwrap();
    assert!(
        state.pools.values().all(|pool| !pool.members.contains_key(&first)),
        "nobody remembers it"
    );
}
