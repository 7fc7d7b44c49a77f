//! Where histories begin.

use crate::model::invocation::Invocation;
use crate::model::table::{Kind, Member, Open, SLOTS, Slots, Step, Table};
use crate::model::ticks::{LAG, MARGIN, STEP, WINDOW};
use crate::model::world::{Bounds, Machine, World};

/// Launched by the executor that died in [`launching`], and not listed yet.
pub(crate) const HIDDEN: Machine = Machine::Alive {
    listed_by: Some(STEP + LAG - MARGIN),
};

/// No instance; one is wanted.
pub(crate) fn nobody(invocations: usize, bounds: Bounds) -> World {
    World {
        table: Table::default(),
        wish: 1,
        machines: [Machine::None; SLOTS],
        registered: Slots::default(),
        invocations: vec![Invocation::idle(); invocations],
        calls: Vec::new(),
        records: Vec::new(),
        bounds,
        strangers: Slots::default(),
        launch_wish: [0; SLOTS],
    }
}

/// One runs and is on record, but not in its group yet.
pub(crate) fn unregistered(invocations: usize, bounds: Bounds) -> World {
    let mut world = nobody(invocations, bounds);
    world.machines[0] = Machine::Alive { listed_by: None };
    world.table.members[0] = Some(Member {
        known: 0,
        drained: None,
        terminating: false,
        gone: false,
    });
    world
}

/// One serves.
pub(crate) fn serving(invocations: usize, bounds: Bounds) -> World {
    World {
        registered: Slots::one(0),
        ..unregistered(invocations, bounds)
    }
}

/// One serves, and there is another with our tags that nobody knows.
pub(crate) fn stranger(invocations: usize, bounds: Bounds) -> World {
    let mut world = serving(invocations, bounds);
    world.machines[1] = Machine::Alive { listed_by: None };
    world.strangers = Slots::one(1);
    world
}

/// One has left its group, and nobody terminated it yet.
pub(crate) fn drained(invocations: usize, bounds: Bounds) -> World {
    let mut world = unregistered(invocations, bounds);
    if let Some(member) = &mut world.table.members[0] {
        member.drained = Some(-MARGIN);
    }
    world
}

/// Its executor died, and it may be taken over: a launch that happened, unseen, or did not.
pub(crate) fn launching(invocations: usize, bounds: Bounds, machine: Machine) -> World {
    let mut world = nobody(invocations, bounds);
    world.machines[0] = machine;
    left_open(world, Kind::Launch)
}

/// The same with a terminate.
pub(crate) fn terminating(invocations: usize, bounds: Bounds, machine: Machine) -> World {
    let mut world = drained(invocations, bounds);
    world.machines[0] = machine;
    left_open(world, Kind::Terminate)
}

fn left_open(mut world: World, kind: Kind) -> World {
    let step = Step {
        kind,
        slots: Slots::one(0),
    };
    world.table.open.push(Open {
        step,
        committed: if kind == Kind::Launch { -WINDOW - MARGIN } else { 0 },
        until: -MARGIN,
        again: false,
        outcome: None,
    });
    world
}
