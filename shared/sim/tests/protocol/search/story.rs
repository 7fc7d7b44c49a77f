//! A history in plain words: a line for each thing that happens, with the time since the beginning. Waiting is seen by it.

use crate::mirror::Mirror;
use crate::mirror::rules::Rule;
use crate::model::invocation::{At, Do, Invocation, Name, Progress};
use crate::model::moves::{self, Move, Told};
use crate::model::table::{Kind, Outcome, SLOTS, Slots, Step, Table, drained};
use crate::model::ticks::TICK;
use crate::model::world::{Call, World};

/// Tells a history, each move with the state before it.
pub(super) fn tell(history: &[(World, Move)], mirror: &Mirror) -> Vec<String> {
    let mut seconds = 0;
    let mut lines = Vec::new();
    for (before, what) in history {
        if let Move::Wait(ticks) = what {
            seconds += u32::try_from(*ticks).unwrap() * TICK;
            continue;
        }
        let mut after = before.clone();
        // the last move breaks something, and is told all the same
        let _ = moves::apply(&mut after, *what, mirror);
        lines.push(format!("{seconds:>3} s  {}", line(before, *what, &after, mirror)));
    }
    lines
}

fn line(before: &World, what: Move, after: &World, mirror: &Mirror) -> String {
    match what {
        Move::Begin { skew, .. } => {
            let newest = after
                .invocations
                .iter()
                .map(|one| one.name)
                .max_by_key(|name| name.0)
                .unwrap_or_default();
            let ahead = u32::try_from(skew).unwrap() * TICK;
            let clock = if ahead > 0 {
                format!(", its clock {ahead} s ahead")
            } else {
                String::new()
            };
            format!("{newest} begins{clock}: {}", seen(before, after, newest))
        }
        Move::Again { who, .. } => {
            let name = before.invocations[who].name;
            let how = if mirror.keeps(Rule::ObservedAgain) {
                "begins again"
            } else {
                "only loads again, and goes by what it saw"
            };
            format!("{name} loses its commit and {how}: {}", seen(before, after, name))
        }
        Move::Commit { who, told } => format!("{} {}", before.invocations[who].name, commit(before, who, told, after)),
        Move::Start { who, nth } => start(before, who, nth),
        Move::WriteDown { who } => format!("{} writes down {}", before.invocations[who].name, outcomes(before, who)),
        Move::Die { who } => format!("{} dies", before.invocations[who].name),
        Move::Answer { call } | Move::Refuse { call } | Move::StopWaiting { call } | Move::TryAgain { call } | Move::Land { call } => {
            call_line(before, what, &before.calls[call])
        }
        Move::Wait(_) => String::new(),
    }
}

fn start(before: &World, who: usize, nth: usize) -> String {
    let one = &before.invocations[who];
    let At::Executes { until, plan } = &one.at else {
        return String::new();
    };
    let how = if one.skew < *until { "sends" } else { "is too late to send" };
    format!("{} {how}: {}", one.name, plan[nth].step)
}

fn call_line(before: &World, what: Move, call: &Call) -> String {
    let step = call.step;
    let sender = call.awaited.map(|(who, _)| before.invocations[who].name).unwrap_or_default();
    match what {
        Move::Answer { .. } => format!("done: {step}; {sender} hears of it"),
        Move::Refuse { .. } => format!("refused: {step}; {sender} hears of it"),
        Move::StopWaiting { .. } => format!("{sender} hears nothing of: {step}"),
        Move::TryAgain { .. } => format!("{sender} hears nothing, and sends again: {step}"),
        _ => format!("done, and nobody hears of it: {step}"),
    }
}

fn list(slots: Slots) -> String {
    if slots.is_empty() { "nobody".to_owned() } else { slots.to_string() }
}

/// What the invocation of this name has loaded and seen.
fn seen(before: &World, after: &World, name: Name) -> String {
    let looked = |one: &Invocation| match &one.at {
        At::Looked { outcomes, look } if one.name.0 == name.0 => Some((outcomes.clone(), *look)),
        _ => None,
    };
    let Some((outcomes, look)) = after.invocations.iter().find_map(looked) else {
        return "gives up".to_owned();
    };
    let loaded = outcomes.iter().zip(&before.table.open);
    let loaded = loaded.filter_map(|(outcome, open)| Some(told_outcome(open.step, (*outcome)?)));
    let mut parts: Vec<String> = loaded.map(|outcome| format!("loads that {outcome}")).collect();
    let (listed, registered) = (list(look.running), list(look.registered));
    parts.push(format!("{} wanted, {listed} listed, {registered} registered", look.wish));
    parts.extend((!look.ended.is_empty()).then(|| format!("{} listed as terminated", look.ended)));
    parts.join(", ")
}

fn told_outcome(step: Step, outcome: Outcome) -> String {
    match outcome {
        Outcome::Done => format!("{step} is done"),
        Outcome::NotDone => format!("{step} is not done"),
    }
}

fn outcomes(world: &World, who: usize) -> String {
    let At::Executes { plan, .. } = &world.invocations[who].at else {
        return String::new();
    };
    let known = plan.iter().filter_map(|step| match step.progress {
        Progress::Ended(Some(outcome)) => Some(told_outcome(step.step, outcome)),
        _ => None,
    });
    let known: Vec<String> = known.collect();
    if known.is_empty() { "nothing".to_owned() } else { known.join(", ") }
}

/// What a commit changed, and what it sends.
fn commit(before: &World, who: usize, told: Told, after: &World) -> String {
    if matches!(after.invocations[who].at, At::Looked { .. }) {
        return "decides, and audit objects".to_owned();
    }
    let (old, new) = (&before.table, &after.table);
    let (left, leaving) = (drained(&old.members), drained(&new.members));
    let on_record = |table: &Table| Slots::of((0..SLOTS).filter(|slot| table.members[*slot].is_some()));
    let mut parts = Vec::new();
    let mut say = |what: &str, slots: Slots| parts.extend((!slots.is_empty()).then(|| format!("{what} {slots}")));
    say("takes in", on_record(new).without(on_record(old)));
    say("drains", leaving.without(left));
    say("takes back", left.without(leaving).and(on_record(new)));
    say("strikes", on_record(old).without(on_record(new)));
    let closed = old.open.iter().filter(|open| !new.open.iter().any(|other| other.step == open.step));
    parts.extend(closed.map(|open| format!("closes {}", open.step)));
    if let At::Executes { plan, .. } = &after.invocations[who].at {
        let again = |step: Step| step.is(Kind::Launch) && old.open.iter().any(|open| open.step == step);
        parts.extend(
            plan.iter()
                .map(|Do { step, .. }| format!("will {step}{}", if again(*step) { " again" } else { "" })),
        );
    }
    let what = if parts.is_empty() {
        "has nothing to do".to_owned()
    } else {
        format!("commits: {}", parts.join(", "))
    };
    match told {
        Told::Written => what,
        Told::Conflict => format!("{what}; but it is told of a conflict"),
    }
}
