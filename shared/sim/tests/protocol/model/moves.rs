//! What may happen next, in every order: invocations go on or die, AWS answers or does not, time passes.

use super::table::{Kind, Slots};
use super::ticks::{GIVEN_UP, KEPT_FREE, MARGIN, RESEND, SKEW, Ticks, UNLISTED, WINDOW};
use super::world::{Call, Machine, World};
use super::{account, commit, invocation};
use crate::mirror::Mirror;
use crate::mirror::rules::Rule;
use crate::model::invocation::{At, Do, Progress};
use crate::model::property::Violation;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// An invocation begins, on a clock that runs so far ahead: it loads and looks.
    Begin { who: usize, skew: Ticks, seen: Seen },
    /// It decides and commits.
    Commit { who: usize, told: Told },
    /// Its commit conflicts: it loads and looks again.
    Again { who: usize, seen: Seen },
    /// It comes to a step of its plan.
    Start { who: usize, nth: usize },
    /// It writes its outcomes down, and returns.
    WriteDown { who: usize },
    /// It dies.
    Die { who: usize },
    /// A call lands, and its sender hears of it.
    Answer { call: usize },
    /// AWS refuses a call.
    Refuse { call: usize },
    /// The sender stops waiting. The call may still land.
    StopWaiting { call: usize },
    /// The sender stops waiting and sends the call again. Both may land.
    TryAgain { call: usize },
    /// A call lands that nobody waits for any more.
    Land { call: usize },
    /// Time passes.
    Wait(Ticks),
}

/// What there is to be loaded and seen. It matters only to who looks, so it is settled when somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// So many are wanted.
    pub(crate) wish: u32,
    /// EC2's list has caught up with these.
    pub(crate) listed: Slots,
    /// These records of outcomes, by bit, have reached the table.
    pub(crate) written: u8,
}

/// What the committer of a written commit hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// That it is written.
    Written,
    /// Nothing; and when it asks again, the item is not its own any more.
    Conflict,
}

/// Everything that may happen next.
pub(crate) fn possible(world: &World, mirror: &Mirror) -> Vec<Move> {
    let mut moves = Vec::new();
    if let Some(who) = world.invocations.iter().position(|one| one.at == At::Idle) {
        // those that have not begun are all alike
        let clocks = [0, SKEW].into_iter();
        moves.extend(clocks.flat_map(|skew| looks(world).into_iter().map(move |seen| Move::Begin { who, skew, seen })));
    }
    for (who, one) in world.invocations.iter().enumerate() {
        match &one.at {
            At::Idle | At::Over => {}
            At::Looked { .. } => {
                moves.push(Move::Commit { who, told: Told::Written });
                let lost = world.bounds.lost_commits > 0;
                moves.extend(lost.then_some(Move::Commit { who, told: Told::Conflict }));
            }
            At::Overtaken { .. } => moves.extend(looks(world).into_iter().map(|seen| Move::Again { who, seen })),
            At::Executes { plan, .. } => {
                // in the order of the plan
                let next = plan.iter().position(|step| step.progress == Progress::Waits);
                moves.extend(next.map(|nth| Move::Start { who, nth }));
                moves.extend(plan.iter().all(Do::has_ended).then_some(Move::WriteDown { who }));
                moves.push(Move::Die { who });
            }
        }
    }
    for (place, call) in world.calls.iter().enumerate() {
        add_moves_of_call(&mut moves, world, place, call, mirror);
    }
    moves.extend(wait(world).map(Move::Wait));
    moves
}

fn add_moves_of_call(moves: &mut Vec<Move>, world: &World, place: usize, call: &Call, mirror: &Mirror) {
    if call.awaited.is_none() {
        moves.extend(world.matters_now(call).then_some(Move::Land { call: place }));
        return;
    }
    moves.extend([Move::Answer { call: place }, Move::StopWaiting { call: place }]);
    if world.bounds.refusals > 0 {
        moves.push(Move::Refuse { call: place });
    }
    let membership = matches!(call.step.kind, Kind::Register | Kind::Deregister);
    if membership && !call.again && !mirror.keeps(Rule::AttemptedOnce) {
        moves.push(Move::TryAgain { call: place });
    }
}

fn looks(world: &World) -> Vec<Seen> {
    let may = |wish: &u32| *wish == world.wish || world.bounds.wishes > 0;
    let mut looks = Vec::new();
    for wish in (0..=world.bounds.wish_max).filter(may) {
        for listed in world.hidden().subsets() {
            let records = 0..1_u8 << world.records.len();
            looks.extend(records.map(|written| Seen { wish, listed, written }));
        }
    }
    looks
}

/// Makes a move. What it breaks, if anything.
pub(crate) fn make(world: &mut World, what: Move, mirror: &Mirror) -> Result<(), Violation> {
    apply(world, what, mirror)?;
    world.normalise();
    Ok(())
}

/// Makes a move, and forgets nothing: for who wants to tell of it, also of one that breaks something.
pub(crate) fn apply(world: &mut World, what: Move, mirror: &Mirror) -> Result<(), Violation> {
    match what {
        Move::Begin { who, skew, seen } => {
            settle(world, seen);
            invocation::begin(world, who, skew);
        }
        Move::Commit { who, told } => commit::commit(world, who, told, mirror)?,
        Move::Again { who, seen } => {
            settle(world, seen);
            invocation::again(world, who);
        }
        Move::Start { who, nth } => invocation::start(world, who, nth)?,
        Move::WriteDown { who } => invocation::write_down(world, who),
        Move::Die { who } => invocation::die(world, who),
        Move::Answer { call } => account::answer(world, call)?,
        Move::Refuse { call } => {
            world.bounds.refusals -= 1;
            account::refuse(world, call);
        }
        Move::StopWaiting { call } => account::stop_waiting(world, call),
        Move::TryAgain { call } => account::try_again(world, call),
        Move::Land { call } => account::land(world, call)?,
        Move::Wait(ticks) => (0..ticks).for_each(|_| tick(world)),
    }
    Ok(())
}

fn settle(world: &mut World, seen: Seen) {
    if seen.wish != world.wish {
        world.bounds.wishes -= 1;
        world.wish = seen.wish;
    }
    seen.listed.iter().for_each(|slot| world.machines[slot].show());
    // the oldest first: records are sorted by age
    let arrived = (0..world.records.len()).rev().filter(|nth| seen.written & (1 << nth) != 0);
    arrived.for_each(|nth| account::written(world, nth));
}

/// How long to wait: one tick while anything is under way, else until shortly before something is due. None if time
/// changes nothing any more.
fn wait(world: &World) -> Option<Ticks> {
    if !world.is_quiet() {
        return Some(1);
    }
    let soonest = due(world).into_iter().filter(|moment| *moment > 0).min()?;
    // whoever begins so long before it may decide after it: by waiting, and by its clock
    let last_decision = world.bounds.life - KEPT_FREE - 1;
    Some((soonest - last_decision - SKEW).max(1))
}

/// Moments at which time alone changes something.
fn due(world: &World) -> Vec<Ticks> {
    let mut moments = Vec::new();
    for open in &world.table.open {
        moments.push(open.until + MARGIN);
        if open.step.is(Kind::Launch) {
            let first_until = open.committed + WINDOW;
            moments.extend([open.until + GIVEN_UP, first_until + GIVEN_UP, open.committed + RESEND]);
        }
    }
    for slot in world.hidden().iter() {
        if let Machine::Alive { listed_by } = world.machines[slot] {
            moments.extend(listed_by);
        }
        moments.extend(world.table.members[slot].map(|member| member.known + UNLISTED));
    }
    moments
}

fn tick(world: &mut World) {
    for open in &mut world.table.open {
        open.committed -= 1;
        open.until -= 1;
    }
    for member in world.table.members.iter_mut().flatten() {
        member.known -= 1;
        member.drained = member.drained.map(|since| since - 1);
    }
    account::tick(world);
    invocation::tick(world);
}
