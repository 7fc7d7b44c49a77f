//! An invocation is killed before or after each of its port calls; another goes on, at once or after the window. Two
//! invocations overlap at every pair of port calls. Whatever happens, the fleet ends the same.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "a test that cannot build its world should stop there; the world is shared with another test"
)]

#[path = "world/run.rs"]
mod run;
mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use ghostnet_core::observation::{Told, tag};
use ghostnet_core::signal::Signal;
use run::*;
use world::{Machine, Stop, World};

/// Ticks after which everything must be settled: a given-up launch takes almost seven minutes, a drain two.
const SETTLED_AFTER: usize = 20;

/// A fleet that serves, at the moment before something happens to it.
struct Situation {
    name: &'static str,
    before: fn() -> Rc<RefCell<World>>,
    expected: usize,
    /// Most instances that may ever be pending or running at once.
    peak: usize,
    /// Instances that are kept stopped.
    kept: usize,
}

fn serving(instances: u32, load: f64) -> Rc<RefCell<World>> {
    let world = World::new(spec(instances), load);
    ticks(&world, "warm", 10);
    assert_eq!(world.borrow().alive().len(), usize::try_from(instances).unwrap());
    world
}

/// A fleet with at most so many, and two kept stopped.
fn warm_spec(initial: u32, most: u32) -> ghostnet_core::spec::RawFleetSpec {
    let mut raw = spec(initial);
    if let Some(defaults) = &mut raw.defaults {
        defaults.capacity.as_mut().unwrap().max = Some(most);
        defaults.warm = serde_json::from_value(serde_json::json!({ "size": 2, "return": true })).unwrap();
    }
    raw
}

/// A fleet that serves, and keeps two more beside it as soon as it may.
fn keeping(instances: u32, most: u32, load: f64) -> Rc<RefCell<World>> {
    let world = World::new(warm_spec(instances, most), load);
    ticks(&world, "warm", 12);
    let kept = usize::try_from(most.saturating_sub(instances).min(2)).unwrap();
    let there = (world.borrow().alive().len(), world.borrow().stopped().len());
    assert_eq!(there, (usize::try_from(instances).unwrap(), kept));
    world
}

/// The moment before the look in which something happens: quiet fleets read their metrics only now and then.
fn just_before(build: fn() -> Rc<RefCell<World>>, happened: fn(&World) -> bool) -> Rc<RefCell<World>> {
    let after = |looks| {
        let world = build();
        ticks(&world, "on", looks);
        world
    };
    let looks = (1..12).find(|looks| happened(&after(*looks).borrow())).expect("it happens");
    let world = after(looks - 1);
    wait(&world, 60);
    world
}

/// Six workers, and four are enough; nobody leaves before its word or its deadline.
fn less_to_do(workers_answer: bool) -> Rc<RefCell<World>> {
    let mut raw = spec(6);
    raw.defaults.as_mut().unwrap().drain.as_mut().unwrap().wait_for_tag = Some(true);
    let world = World::new(raw, 6_000.0);
    ticks(&world, "warm", 10);
    world.borrow_mut().workers_answer = workers_answer;
    world.borrow_mut().load = 3_000.0;
    wait(&world, 60);
    world
}

fn situations() -> Vec<Situation> {
    let mut situations = without_warm_ones();
    situations.extend(with_warm_ones());
    situations.extend(found_by_a_service());
    situations
}

/// A fleet whose instances clients find by a Cloud Map service too.
fn found_by_a_service() -> Vec<Situation> {
    fn fleet(initial: u32, load: f64) -> Rc<RefCell<World>> {
        let mut raw = spec(initial);
        raw.pools[0].cloud_map = serde_json::from_value(serde_json::json!({ "service": "srv-web" })).unwrap();
        World::new(raw, load)
    }
    fn serving(instances: u32, load: f64) -> Rc<RefCell<World>> {
        let world = fleet(instances, load);
        ticks(&world, "warm", 10);
        world
    }
    vec![
        Situation {
            name: "clients find the first",
            before: || just_before(|| fleet(3, 3_000.0), |world| world.found.len() == 3),
            expected: 3,
            peak: 3,
            kept: 0,
        },
        Situation {
            name: "clients are to find fewer",
            before: || {
                let world = serving(6, 6_000.0);
                world.borrow_mut().load = 3_000.0;
                wait(&world, 60);
                world
            },
            expected: 4,
            peak: 6,
            kept: 0,
        },
        Situation {
            name: "clients found them until a moment ago",
            before: || {
                let world = serving(6, 6_000.0);
                world.borrow_mut().load = 3_000.0;
                ticks(&world, "drain", 1);
                wait(&world, 91);
                world
            },
            expected: 4,
            peak: 6,
            kept: 0,
        },
    ]
}

fn with_warm_ones() -> Vec<Situation> {
    fn new() -> Rc<RefCell<World>> {
        World::new(warm_spec(3, 12), 3_000.0)
    }
    fn rising() -> Rc<RefCell<World>> {
        let world = keeping(3, 12, 3_000.0);
        world.borrow_mut().load = 5_000.0;
        world
    }
    fn falling() -> Rc<RefCell<World>> {
        let world = keeping(4, 5, 4_000.0);
        world.borrow_mut().load = 2_500.0;
        world
    }
    vec![
        Situation {
            name: "a stock is filled",
            before: || just_before(new, |world| world.alive().len() == 5),
            expected: 3,
            peak: 5,
            kept: 2,
        },
        Situation {
            name: "a stock comes to rest",
            before: || just_before(new, |world| world.stopped().len() == 2),
            expected: 3,
            peak: 5,
            kept: 2,
        },
        Situation {
            name: "load rises: two are started",
            before: || just_before(rising, |world| world.stopped().is_empty()),
            expected: 5,
            peak: 7,
            kept: 2,
        },
        Situation {
            name: "two were started",
            before: || {
                let world = just_before(rising, |world| world.stopped().is_empty());
                look(&world, "start", &Signal::Tick).unwrap();
                assert_eq!(world.borrow().alive().len(), 5);
                wait(&world, 60);
                world
            },
            expected: 5,
            peak: 7,
            kept: 2,
        },
        Situation {
            name: "load falls: who leaves is kept",
            before: || just_before(falling, |world| world.stopped().len() == 2),
            expected: 3,
            peak: 5,
            kept: 2,
        },
    ]
}

fn without_warm_ones() -> Vec<Situation> {
    vec![
        Situation {
            name: "a new fleet",
            before: || World::new(spec(3), 3_000.0),
            expected: 3,
            peak: 3,
            kept: 0,
        },
        Situation {
            name: "load doubles",
            before: || {
                let world = serving(3, 3_000.0);
                world.borrow_mut().load = 6_000.0;
                wait(&world, 60);
                world
            },
            expected: 6,
            peak: 6,
            kept: 0,
        },
        Situation {
            name: "load halves: the drain",
            before: || {
                let world = serving(6, 6_000.0);
                world.borrow_mut().load = 3_000.0;
                wait(&world, 60);
                world
            },
            expected: 4,
            peak: 6,
            kept: 0,
        },
        Situation {
            name: "load halved: the termination",
            before: || {
                let world = serving(6, 6_000.0);
                world.borrow_mut().load = 3_000.0;
                ticks(&world, "drain", 1);
                wait(&world, 61);
                world
            },
            expected: 4,
            peak: 6,
            kept: 0,
        },
        Situation {
            name: "load halves: workers that finish at once",
            before: || less_to_do(true),
            expected: 4,
            peak: 6,
            kept: 0,
        },
        Situation {
            name: "load halves: workers that never answer",
            before: || less_to_do(false),
            expected: 4,
            peak: 6,
            kept: 0,
        },
        Situation {
            name: "load comes back while workers finish",
            before: || {
                let world = less_to_do(false);
                look(&world, "drain", &Signal::Tick).unwrap();
                world.borrow_mut().load = 6_000.0;
                wait(&world, 60);
                world
            },
            expected: 6,
            peak: 8,
            kept: 0,
        },
        Situation {
            name: "launched, not registered yet",
            before: || {
                let world = World::new(spec(3), 3_000.0);
                look(&world, "first", &Signal::Tick).unwrap();
                wait(&world, 60);
                world
            },
            expected: 3,
            peak: 3,
            kept: 0,
        },
        Situation {
            name: "one sick",
            before: || {
                let world = serving(4, 3_600.0);
                let first = world.borrow().alive()[0].id.clone();
                world.borrow_mut().sick.insert(first);
                ticks(&world, "sick", 1);
                wait(&world, 60);
                world
            },
            expected: 4,
            peak: 5,
            kept: 0,
        },
        Situation {
            name: "a zone without capacity",
            before: || {
                let world = World::new(spec(3), 3_000.0);
                world.borrow_mut().dry.insert(ghostnet_core::id::Zone::new("eu-west-1a"));
                world
            },
            expected: 3,
            peak: 3,
            kept: 0,
        },
    ]
}

/// The fleet is right: as many instances as expected, exactly they are registered, nothing is open or left over.
fn assert_right(world: &Rc<RefCell<World>>, situation: &Situation, context: &str) {
    let expected = situation.expected;
    world.borrow_mut().operate();
    let world = world.borrow();
    let alive: BTreeSet<_> = world.alive().iter().map(|machine| machine.id.clone()).collect();
    let state = world.state().unwrap();
    assert_eq!(alive.len(), expected, "{context}: instances");
    assert_eq!(world.members(), alive, "{context}: targets match instances");
    assert!(state.open.is_empty(), "{context}: open steps {:?}", state.open);
    let known: BTreeSet<_> = state.pools.values().flat_map(|pool| pool.members.keys().cloned()).collect();
    let kept: BTreeSet<_> = world.stopped().iter().map(|machine| machine.id.clone()).collect();
    assert_eq!(kept.len(), situation.kept, "{context}: kept");
    assert_eq!(known, &alive | &kept, "{context}: members match instances");
    let told_to_leave = |machine: &&&Machine| machine.tags.get(tag::STATE).is_some_and(|state| state == Told::Draining.as_str());
    let stranded: Vec<_> = world
        .alive()
        .iter()
        .filter(told_to_leave)
        .map(|machine| machine.id.clone())
        .collect();
    assert_eq!(stranded, [], "{context}: workers that were told to leave and stay");
    let is_found = world.table.specs.values().any(|spec| spec.spec.pools[0].cloud_map.is_some());
    assert_eq!(
        world.found,
        if is_found { alive.clone() } else { BTreeSet::new() },
        "{context}: found"
    );
    assert_eq!(
        world.ended_while_found,
        BTreeSet::new(),
        "{context}: ended while clients were sent there"
    );
    assert!(world.peak <= situation.peak, "{context}: {} instances at once", world.peak);
    for record in world.table.records.values() {
        assert!(record.violations.is_empty(), "{context}: {:?}", record.violations);
    }
}

#[test]
fn undisturbed_every_situation_ends_right() {
    for situation in situations() {
        let world = (situation.before)();
        ticks(&world, "calm", SETTLED_AFTER);
        assert_right(&world, &situation, situation.name);
    }
}

#[test]
fn killed_at_any_port_call_the_next_look_ends_right() {
    let mut killed = 0;
    for situation in situations() {
        for (wait_seconds, then) in [(0, "at once"), (1, "inside the window"), (120, "after the window")] {
            for call in 0.. {
                let before = crash_and_go_on(&situation, Stop::Before(call), wait_seconds, then);
                let after = crash_and_go_on(&situation, Stop::After(call), wait_seconds, then);
                killed += usize::from(before) + usize::from(after);
                if !before {
                    break;
                }
            }
        }
    }
    assert!(killed > 150, "only {killed} crashes were tried");
}

fn crash_and_go_on(situation: &Situation, stop: Stop, wait_seconds: u32, then: &str) -> bool {
    let world = (situation.before)();
    let killed = crash(&world, "killed", stop);
    wait(&world, wait_seconds);
    let context = format!("{}, killed {stop:?}, then {then}", situation.name);
    look(&world, "next", &Signal::Tick).unwrap_or_else(|error| panic!("{context}: {error}"));
    ticks(&world, "after", SETTLED_AFTER);
    assert_right(&world, situation, &context);
    killed
}

#[test]
fn whichever_reply_is_lost_the_fleet_ends_right() {
    for situation in situations() {
        for call in 0..12 {
            let world = (situation.before)();
            crash(&world, "deaf", Stop::LoseReply(call));
            ticks(&world, "after", SETTLED_AFTER);
            assert_right(&world, &situation, &format!("{}, reply {call} lost", situation.name));
        }
    }
}

#[test]
fn two_invocations_at_any_pair_of_port_calls_end_right() {
    let mut pairs = 0;
    for situation in situations() {
        for first in 0.. {
            let mut reached = false;
            for second in 0.. {
                let world = (situation.before)();
                let both = interleave(&world, Stop::Before(first), Stop::Before(second));
                reached |= both;
                pairs += usize::from(both);
                ticks(&world, "after", SETTLED_AFTER);
                assert_right(
                    &world,
                    &situation,
                    &format!("{}, first at {first}, second at {second}", situation.name),
                );
                if !both {
                    break;
                }
            }
            if !reached {
                break;
            }
        }
    }
    assert!(pairs > 300, "only {pairs} pairs were tried");
}
