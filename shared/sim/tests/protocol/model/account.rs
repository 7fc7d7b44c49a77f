//! The account and the way to it: calls land or do not, are answered or not, and outcomes reach the table.

use super::invocation::{At, Progress};
use super::property::{Property, Violation};
use super::table::{Kind, Outcome, Slots, Step, drained};
use super::ticks::{LAG, STEP, Ticks};
use super::world::{Call, Machine, Standing, World};

/// A call lands, and its sender hears of it.
pub(crate) fn answer(world: &mut World, nth: usize) -> Result<(), Violation> {
    let call = world.calls.remove(nth);
    let outcome = effect(world, &call)?;
    hear(world, &call, outcome);
    Ok(())
}

/// AWS refuses a call: definitely not done.
pub(crate) fn refuse(world: &mut World, nth: usize) {
    let call = world.calls.remove(nth);
    hear(world, &call, Some(Outcome::NotDone));
}

/// A time-out: no outcome, and the call may still land. `execute::perform` gives `Err`.
pub(crate) fn stop_waiting(world: &mut World, nth: usize) {
    let call = world.calls[nth];
    hear(world, &call, None);
    world.calls[nth].awaited = None;
}

/// A time-out after which the same call is sent again, within the same step. The code does not: `once` in `aws::elbv2`.
pub(crate) fn try_again(world: &mut World, nth: usize) {
    let second = Call {
        again: true,
        ..world.calls[nth]
    };
    world.calls[nth].awaited = None;
    world.calls.push(second);
}

/// A call lands that nobody waits for any more.
pub(crate) fn land(world: &mut World, nth: usize) -> Result<(), Violation> {
    let call = world.calls.remove(nth);
    effect(world, &call).map(|_| ())
}

fn hear(world: &mut World, call: &Call, outcome: Option<Outcome>) {
    let Some((who, nth)) = call.awaited else { return };
    if let At::Executes { plan, .. } = &mut world.invocations[who].at {
        plan[nth].progress = Progress::Ended(outcome);
    }
}

/// What a call does when it lands, and what AWS says; none: an answer from which nobody can know.
fn effect(world: &mut World, call: &Call) -> Result<Option<Outcome>, Violation> {
    if call.standing == Standing::Overruled {
        let detail = format!("{} lands after what a later decision did instead", call.step);
        return Err(Violation::new(Property::NothingUndone, detail));
    }
    if call.standing == Standing::Wanted && !call.step.is(Kind::Launch) {
        overrule(world, call.step);
    }
    let Step { kind, slots } = call.step;
    let alive = world.alive();
    match kind {
        Kind::Launch => return launch(world, slots),
        // all or none
        Kind::Register if !slots.without(alive).is_empty() => return Ok(Some(Outcome::NotDone)),
        Kind::Register => world.registered = world.registered.or(slots),
        Kind::Deregister => world.registered = world.registered.without(slots),
        Kind::Terminate => {
            for slot in slots.and(alive).iter() {
                world.machines[slot] = Machine::Dead { hidden: true };
            }
            let cut_off = world.registered.and(slots).and(alive);
            if !cut_off.is_empty() {
                let detail = format!("{cut_off} is terminated while it is registered");
                return Err(Violation::new(Property::NobodyCutOff, detail));
            }
        }
    }
    Ok(Some(Outcome::Done))
}

/// What landed overrules what was sent before it and says otherwise.
fn overrule(world: &mut World, by: Step) {
    let overrule = |step: Step, standing: &mut Standing| {
        if *standing == Standing::Contradicted && step.meets(by) && step.kind != by.kind {
            *standing = Standing::Overruled;
        }
    };
    for call in &mut world.calls {
        overrule(call.step, &mut call.standing);
    }
    for one in &mut world.invocations {
        if let At::Executes { plan, .. } = &mut one.at {
            plan.iter_mut().for_each(|step| overrule(step.step, &mut step.standing));
        }
    }
}

/// The same token gives the same instance. A launch step has one.
fn launch(world: &mut World, slots: Slots) -> Result<Option<Outcome>, Violation> {
    for slot in slots.iter() {
        match world.machines[slot] {
            Machine::None => {}
            Machine::Alive { .. } => return Ok(Some(Outcome::Done)),
            // `IdempotentInstanceTerminated`
            Machine::Dead { .. } => return Ok(None),
        }
        let listed_by = Some(listed_by(world, slot));
        world.machines[slot] = Machine::Alive { listed_by };
        let staying = world.alive().without(drained(&world.table.members));
        let (there, wanted) = (staying.without(world.strangers).count(), world.launch_wish[slot]);
        if there > wanted {
            let detail = format!("{there} instances where {wanted} were wanted");
            return Err(Violation::new(Property::NotTooMany, detail));
        }
    }
    Ok(Some(Outcome::Done))
}

/// Outcomes reach the table, whoever else wrote there: `Store::record_outcomes`.
pub(crate) fn written(world: &mut World, nth: usize) {
    for (place, outcome) in world.records.remove(nth).outcomes {
        if let Some(open) = world.table.open.get_mut(place) {
            open.outcome = Some(outcome);
        }
    }
}

/// By when the list shows an instance that lands now: the lag, from the last moment at which this sending could have landed.
/// Counted so, no state needs to know when it did.
fn listed_by(world: &World, slot: usize) -> Ticks {
    let launch = Step {
        kind: Kind::Launch,
        slots: Slots::one(slot),
    };
    let open = world.table.open.iter().find(|open| open.step == launch);
    open.map_or(0, |open| open.until + STEP).max(0) + LAG
}

pub(crate) fn tick(world: &mut World) {
    // what could land until now and did not, never will; outcomes that never arrive are those of one that died
    for nth in 0..world.calls.len() {
        if world.calls[nth].age >= STEP {
            stop_waiting(world, nth);
        }
    }
    world.calls.retain(|call| call.age < STEP);
    while let Some(nth) = world.records.iter().position(|record| record.age >= STEP) {
        written(world, nth);
    }
    world.calls.iter_mut().for_each(|call| call.age += 1);
    world.records.iter_mut().for_each(|record| record.age += 1);
    for machine in &mut world.machines {
        if let Machine::Alive { listed_by } = machine {
            *listed_by = listed_by.map(|moment| moment - 1).filter(|moment| *moment > 0);
        }
    }
}
