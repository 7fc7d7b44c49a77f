//! The commit: a decision of the core, written if nobody else wrote since the load. And what the judge notes of it.

use super::invocation::{At, Do, Look, Progress};
use super::moves::Told;
use super::property::{Property, Violation};
use super::table::{Kind, Members, Open, Outcome, SLOTS, Slots, Step, drained, staying};
use super::ticks::Ticks;
use super::world::{Machine, Standing, World};
use crate::mirror::rules::Rule;
use crate::mirror::{Answer, Mirror, Question};

/// Decides from what was loaded and seen, and commits it: `Attempt::commit`.
pub(crate) fn commit(world: &mut World, who: usize, told: Told, mirror: &Mirror) -> Result<(), Violation> {
    let At::Looked { outcomes, look } = world.invocations[who].at.clone() else {
        return Ok(());
    };
    let one = &world.invocations[who];
    let (skew, until) = (one.skew, one.until());
    let answer = mirror.ask(&question(world, &outcomes, look, until, skew));
    if let Some(violation) = answer.violations.first() {
        return Err(Violation::new(Property::AuditAgrees, violation));
    }
    let nothing = !answer.changes && outcomes.iter().all(Option::is_none);
    if nothing || answer.beyond {
        world.invocations[who].end();
        return Ok(());
    }
    let before = world.table.members;
    write(world, &answer, &outcomes, skew, mirror);
    note(world, &before, &answer, look.wish);
    let plan: Vec<Do> = answer.plan.iter().map(|place| to_do(world, *place)).collect();
    let one = &mut world.invocations[who];
    match told {
        Told::Conflict => {
            world.bounds.lost_commits -= 1;
            one.at = At::Overtaken { look: kept(look, mirror) };
        }
        Told::Written if plan.is_empty() => one.end(),
        Told::Written => one.at = At::Executes { until, plan },
    }
    judge(world, &before, &answer, &look)
}

fn to_do(world: &World, place: usize) -> Do {
    Do {
        step: world.table.open[place].step,
        open: Some(place),
        progress: Progress::Waits,
        standing: Standing::Wanted,
    }
}

/// What the decision is made from, on the clock of who decides.
fn question(world: &World, outcomes: &[Option<Outcome>], look: Look, until: Ticks, skew: Ticks) -> Question {
    let own = |moment: Ticks| moment - skew;
    let open = world.table.open.iter().zip(outcomes).map(|(open, outcome)| Open {
        committed: if open.step.is(Kind::Launch) { own(open.committed) } else { 0 },
        until: own(open.until),
        outcome: *outcome,
        ..*open
    });
    Question {
        members: world.table.members.map(|member| member.map(|member| member.on_clock(own))),
        open: open.collect(),
        look: Look {
            at: own(look.at),
            drained_before: Slots::default(),
            ..look
        },
        until: own(until),
        strangers: world.strangers,
        free: free(world),
    }
}

/// Slots for new launches: nothing of an older one can still happen to them.
fn free(world: &World) -> Slots {
    let launch = |slot: usize| Step {
        kind: Kind::Launch,
        slots: Slots::one(slot),
    };
    let pending = |slot: usize| {
        let planned = world.invocations.iter().any(|one| match &one.at {
            At::Executes { plan, .. } => plan.iter().any(|step| step.step == launch(slot)),
            _ => false,
        });
        let called = world.calls.iter().any(|call| call.step == launch(slot));
        planned || called || world.table.open.iter().any(|open| open.step == launch(slot))
    };
    Slots::of((0..SLOTS).filter(|slot| world.machines[*slot] == Machine::None && !pending(*slot)))
}

/// The transaction. Whoever loaded before it is overtaken, and whoever carries out a step that it closed has an outcome for
/// nobody: `CapacityState::merge` knows only open steps.
fn write(world: &mut World, answer: &Answer, merged: &[Option<Outcome>], skew: Ticks, mirror: &Mirror) {
    let now_at = |before: usize| answer.open.iter().position(|(_, old)| *old == Some(before));
    for one in &mut world.invocations {
        match &mut one.at {
            At::Executes { plan, .. } => plan.iter_mut().for_each(|step| step.open = step.open.and_then(now_at)),
            At::Looked { look, .. } => one.at = At::Overtaken { look: kept(*look, mirror) },
            _ => {}
        }
    }
    for record in &mut world.records {
        let outcomes = std::mem::take(&mut record.outcomes).into_iter();
        record.outcomes = outcomes.filter_map(|(place, outcome)| Some((now_at(place)?, outcome))).collect();
    }
    world.records.retain(|record| !record.outcomes.is_empty());
    let true_clock = |moment: Ticks| moment + skew;
    // what was loaded is part of the state now; what was written since stays beside it
    let beside = |before: usize| world.table.open[before].outcome.filter(|_| merged[before].is_none());
    let open = answer.open.iter().map(|(open, before)| Open {
        committed: true_clock(open.committed),
        until: true_clock(open.until),
        outcome: before.and_then(beside),
        ..*open
    });
    world.table.open = open.collect();
    world.table.members = answer.members.map(|member| member.map(|member| member.on_clock(true_clock)));
}

/// A look outlives a conflict only if the rule against it is taken out.
fn kept(look: Look, mirror: &Mirror) -> Option<Look> {
    (!mirror.keeps(Rule::ObservedAgain)).then_some(look)
}

/// What the judge notes: what launches are wanted for, what this commit contradicts, and that nobody has seen its drains.
fn note(world: &mut World, before: &Members, answer: &Answer, wish: u32) {
    note_wish(world, answer, wish);
    let planned = |kinds: &[Kind]| {
        let steps = answer.plan.iter().map(|place| answer.open[*place].0.step);
        let meant = steps.filter(|step| kinds.contains(&step.kind));
        meant.fold(Slots::default(), |all, step| all.or(step.slots))
    };
    let (out, stay) = (planned(&[Kind::Deregister, Kind::Terminate]), planned(&[Kind::Register]));
    let back = drained(before).and(staying(&world.table.members));
    let judged = |step: Step, standing: Standing| match step.kind {
        // a terminate is irrevocable: whoever was taken back must not meet one
        Kind::Terminate if !step.slots.and(back).is_empty() => Standing::Overruled,
        Kind::Register if !step.slots.and(out).is_empty() => standing.max(Standing::Contradicted),
        Kind::Deregister if !step.slots.and(stay).is_empty() => standing.max(Standing::Contradicted),
        _ => standing,
    };
    for call in &mut world.calls {
        call.standing = judged(call.step, call.standing);
    }
    let unseen = drained(&world.table.members).without(drained(before));
    for one in &mut world.invocations {
        match &mut one.at {
            At::Executes { plan, .. } => plan.iter_mut().for_each(|step| step.standing = judged(step.step, step.standing)),
            At::Looked { look, .. } | At::Overtaken { look: Some(look) } => look.drained_before = look.drained_before.without(unseen),
            _ => {}
        }
    }
}

/// A new launch is for the wish of its commit; one that is open may serve every later one.
fn note_wish(world: &mut World, answer: &Answer, wish: u32) {
    for (open, before) in answer.open.iter().filter(|(open, _)| open.step.is(Kind::Launch)) {
        for slot in open.step.slots.iter() {
            let so_far = before.map_or(0, |_| world.launch_wish[slot]);
            world.launch_wish[slot] = wish.max(so_far);
        }
    }
}

/// What a decision must not do, by the truth.
fn judge(world: &World, before: &Members, answer: &Answer, look: &Look) -> Result<(), Violation> {
    let (alive, wish) = (world.alive(), look.wish);
    let (leaving, left) = (drained(&world.table.members), drained(before));
    let known = staying(&world.table.members).and(alive).count();
    for (open, old) in answer.plan.iter().map(|place| answer.open[*place]) {
        let sent_again = old.is_some();
        if open.step.is(Kind::Terminate) && !sent_again {
            judge_terminate(open.step.slots, left, look)?;
        }
        if open.step.is(Kind::Launch) && sent_again && known >= wish {
            let detail = format!("{} is sent again where {wish} are wanted and {known} are there", open.step);
            return Err(Violation::new(Property::NothingUnwanted, detail));
        }
    }
    let dead = left.and(staying(&world.table.members)).without(alive);
    if !dead.is_empty() {
        let detail = format!("{dead} is taken back, and terminated already");
        return Err(Violation::new(Property::TakenBackAlive, detail));
    }
    let (leave, stay) = (leaving.without(left), alive.without(leaving).count());
    if !leave.is_empty() && stay < wish {
        let detail = format!("{leave} leaves, and {stay} stay where {wish} are wanted");
        return Err(Violation::new(Property::NotTooFew, detail));
    }
    Ok(())
}

fn judge_terminate(slots: Slots, drained: Slots, look: &Look) -> Result<(), Violation> {
    let undrained = slots.without(drained);
    let unseen = slots.without(look.drained_before);
    if !undrained.is_empty() {
        let detail = format!("{undrained} is terminated, and no earlier commit drained it");
        return Err(Violation::new(Property::DrainedBefore, detail));
    }
    if !unseen.is_empty() {
        let detail = format!("{unseen} is terminated by a look from before its drain");
        return Err(Violation::new(Property::SeenAfterwards, detail));
    }
    Ok(())
}
