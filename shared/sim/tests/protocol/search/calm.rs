//! After the faults: every invocation dies, what is under way lands or is lost, the list catches up, and from then on one
//! invocation after the other does its work undisturbed. It must all come right, and soon.

use std::collections::HashSet;

use super::mix::BuildMix;
use crate::mirror::Mirror;
use crate::model::invocation::{At, Invocation, Progress};
use crate::model::moves::{self, Move, Seen, Told};
use crate::model::property::{Property, Violation};
use crate::model::table::{drained, staying};
use crate::model::world::{Bounds, World};

/// Looks after which all must be right: a launch that never happened is given up after almost six minutes.
const LOOKS_MAX: usize = 12;
/// A tick function every minute.
const BETWEEN: i8 = 6;

/// States that are known to come right.
#[derive(Default)]
pub(super) struct Calm {
    right: HashSet<World, BuildMix>,
}

impl Calm {
    pub(super) fn judged(&self) -> usize {
        self.right.len()
    }

    /// Whether all comes right from here, whether what is under way lands or is lost.
    pub(super) fn judge(&mut self, world: &World, mirror: &Mirror) -> Result<(), Violation> {
        for lands in [true, false] {
            let mut world = world.clone();
            // what lands now and breaks something is found as a move of its own
            if calm_down(&mut world, lands, mirror).is_ok() {
                self.go_on(world, mirror)?;
            }
        }
        Ok(())
    }

    fn go_on(&mut self, mut world: World, mirror: &Mirror) -> Result<(), Violation> {
        let mut passed = Vec::new();
        while passed.len() <= LOOKS_MAX {
            if self.right.contains(&world) || is_right(&world) {
                self.right.extend(passed);
                return Ok(());
            }
            passed.push(world.clone());
            look(&mut world, mirror)?;
        }
        let detail = format!("after {LOOKS_MAX} undisturbed looks there are still {}", what_is_there(&world));
        Err(Violation::new(Property::EndsRight, detail))
    }
}

fn calm_down(world: &mut World, lands: bool, mirror: &Mirror) -> Result<(), Violation> {
    world.bounds = Bounds {
        wishes: 0,
        refusals: 0,
        lost_commits: 0,
        ..world.bounds
    };
    for who in 0..world.invocations.len() {
        if world.invocations[who].is_active() {
            crate::model::invocation::die(world, who);
        }
    }
    // one that begins, and one that keeps the world from forgetting
    world.invocations = vec![Invocation::idle(), Invocation::idle()];
    while lands && !world.calls.is_empty() {
        moves::make(world, Move::Land { call: 0 }, mirror)?;
    }
    world.calls.clear();
    world.records.clear();
    world.normalise();
    Ok(())
}

/// A whole look by one that is alone.
fn look(world: &mut World, mirror: &Mirror) -> Result<(), Violation> {
    let seen = Seen {
        wish: world.wish,
        listed: world.hidden(),
        written: 0,
    };
    moves::make(world, Move::Begin { who: 0, skew: 0, seen }, mirror)?;
    while let Some(what) = next(world) {
        moves::make(world, what, mirror)?;
    }
    while !world.records.is_empty() {
        crate::model::account::written(world, 0);
    }
    moves::make(world, Move::Wait(BETWEEN), mirror)?;
    world.invocations = vec![Invocation::idle(), Invocation::idle()];
    Ok(())
}

/// What the one that has begun does next.
fn next(world: &World) -> Option<Move> {
    if !world.calls.is_empty() {
        return Some(Move::Answer { call: 0 });
    }
    let who = world.invocations.iter().position(Invocation::is_active)?;
    match &world.invocations[who].at {
        At::Executes { plan, .. } => {
            let nth = plan.iter().position(|step| step.progress == Progress::Waits);
            Some(nth.map_or(Move::WriteDown { who }, |nth| Move::Start { who, nth }))
        }
        _ => Some(Move::Commit { who, told: Told::Written }),
    }
}

/// As many as are wanted, all of them registered and on record, and nothing open.
fn is_right(world: &World) -> bool {
    let alive = world.alive();
    let table = &world.table;
    let leaving = drained(&table.members).and(alive);
    table.open.is_empty()
        && leaving.is_empty()
        && alive.count() == world.wish
        && world.registered == alive
        && staying(&table.members) == alive
}

fn what_is_there(world: &World) -> String {
    let open: Vec<String> = world.table.open.iter().map(|open| open.step.to_string()).collect();
    format!(
        "[{}] alive and [{}] registered where {} are wanted, and open [{}]",
        world.alive(),
        world.registered,
        world.wish,
        open.join(", ")
    )
}
