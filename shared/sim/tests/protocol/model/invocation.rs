//! One invocation: `reconcile::act_on` and `execute::execute`, port call by port call.

use std::fmt;

use ghostnet_engine::reconcile::CONFLICTS_MAX;

use super::property::{Property, Violation};
use super::table::{Outcome, SLOTS, Slots, Step, drained};
use super::ticks::{KEPT_FREE, Ticks};
use super::world::{Call, Machine, Record, Standing, World};

/// One invocation of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Invocation {
    pub(crate) name: Name,
    /// How far its clock runs ahead.
    pub(crate) skew: Ticks,
    /// Until Lambda ends it.
    pub(crate) left: Ticks,
    /// Commits it lost.
    pub(crate) conflicts: u32,
    pub(crate) at: At,
}

/// How far an invocation is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum At {
    /// Not begun.
    Idle,
    /// It has loaded and looked. The state that it loaded is the stored one: whoever loaded an older one is `Overtaken`. The
    /// outcomes are those that were beside it then.
    Looked { outcomes: Vec<Option<Outcome>>, look: Look },
    /// Somebody else committed since it loaded: its commit conflicts. What it saw is kept only for the hole that decides
    /// from it.
    Overtaken { look: Option<Look> },
    /// It has committed, and carries out its plan.
    Executes { until: Ticks, plan: Vec<Do> },
    /// It has returned, or died.
    Over,
}

/// `observation::Observation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Look {
    /// When it began, on the observer's clock.
    pub(crate) at: Ticks,
    pub(crate) running: Slots,
    pub(crate) ended: Slots,
    pub(crate) registered: Slots,
    /// So many are wanted, by the metrics of that moment.
    pub(crate) wish: u32,
    /// For the judge alone: whose drain was on record when the look truly began.
    pub(crate) drained_before: Slots,
}

/// A step of a plan that is being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Do {
    pub(crate) step: Step,
    /// Its place in the list of open steps; none: it is not there any more, and its outcome means nothing.
    pub(crate) open: Option<usize>,
    pub(crate) progress: Progress,
    pub(crate) standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Progress {
    Waits,
    Sent,
    /// With an outcome, or nobody knows.
    Ended(Option<Outcome>),
}

/// What a story calls an invocation. It makes no state different from another.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Name(pub(crate) u8);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(b'A' + self.0))
    }
}

impl PartialEq for Name {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Name {}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl Invocation {
    pub(crate) fn idle() -> Self {
        Self {
            name: Name::default(),
            skew: 0,
            left: 0,
            conflicts: 0,
            at: At::Idle,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        !matches!(self.at, At::Idle | At::Over)
    }

    /// `Invocation::execute_until`, on its own clock: by it, whatever it decides must be sent.
    pub(crate) fn until(&self) -> Ticks {
        self.left - KEPT_FREE + self.skew
    }

    /// Whether what it decides now could still be sent.
    pub(crate) fn has_window(&self) -> bool {
        self.skew < self.until()
    }

    pub(crate) fn end(&mut self) {
        *self = Self {
            name: self.name,
            at: At::Over,
            ..Self::idle()
        };
    }

    pub(crate) fn forget_outcomes(&mut self) {
        let At::Executes { plan, .. } = &mut self.at else { return };
        for step in plan {
            step.open = None;
            if step.has_ended() {
                step.progress = Progress::Ended(None);
            }
        }
    }
}

impl Do {
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.progress, Progress::Ended(_))
    }
}

/// Begins on a clock that runs so far ahead.
pub(crate) fn begin(world: &mut World, who: usize, skew: Ticks) {
    let begun = world.invocations.iter().filter(|one| one.at != At::Idle).count();
    let one = &mut world.invocations[who];
    (one.skew, one.left, one.name) = (skew, world.bounds.life, Name(u8::try_from(begun).unwrap()));
    load_and_look(world, who);
}

/// Loads, and then looks: `reconcile::look`, in one move. What happens between the two is as if it had happened before or
/// after both: a commit in between makes the load old, and an outcome that is written in between is one that is not loaded.
fn load_and_look(world: &mut World, who: usize) {
    let outcomes = world.table.open.iter().map(|open| open.outcome).collect();
    let look = look(world, world.invocations[who].skew);
    world.invocations[who].at = At::Looked { outcomes, look };
}

fn look(world: &World, at: Ticks) -> Look {
    let shown = |wanted: fn(Machine) -> bool| Slots::of((0..SLOTS).filter(|slot| wanted(world.machines[*slot])));
    Look {
        at,
        running: shown(|machine| matches!(machine, Machine::Alive { listed_by: None } | Machine::Dead { hidden: true })),
        ended: shown(|machine| machine == Machine::Dead { hidden: false }),
        registered: world.registered,
        wish: world.wish,
        drained_before: drained(&world.table.members),
    }
}

/// After a conflict: `reconcile::act_on` loads and looks again, if others were not faster too often.
pub(crate) fn again(world: &mut World, who: usize) {
    let one = &mut world.invocations[who];
    let At::Overtaken { look: kept } = one.at else { return };
    one.conflicts += 1;
    if one.conflicts >= CONFLICTS_MAX {
        one.end();
        return;
    }
    load_and_look(world, who);
    if let (Some(kept), At::Looked { look, .. }) = (kept, &mut world.invocations[who].at) {
        *look = kept;
    }
}

/// A step begins, unless its window is over.
pub(crate) fn start(world: &mut World, who: usize, nth: usize) -> Result<(), Violation> {
    let skew = world.invocations[who].skew;
    let At::Executes { until, plan } = &mut world.invocations[who].at else {
        return Ok(());
    };
    let Do { step, standing, .. } = plan[nth];
    if skew >= *until {
        plan[nth].progress = Progress::Ended(Some(Outcome::NotDone));
        return Ok(());
    }
    plan[nth].progress = Progress::Sent;
    let other = world.calls.iter().find(|call| call.step.kind == step.kind && call.step.meets(step));
    let twice = other.map(|other| Violation::new(Property::OneExecutor, format!("{step} is sent while {} is under way", other.step)));
    world.calls.push(Call {
        step,
        age: 0,
        awaited: Some((who, nth)),
        again: false,
        standing,
    });
    twice.map_or(Ok(()), Err)
}

/// All steps have ended: their outcomes are written in one call, which lands like any other.
pub(crate) fn write_down(world: &mut World, who: usize) {
    let At::Executes { plan, .. } = &world.invocations[who].at else {
        return;
    };
    let outcome = |step: &Do| match step.progress {
        Progress::Ended(Some(outcome)) => Some((step.open?, outcome)),
        _ => None,
    };
    let outcomes: Vec<_> = plan.iter().filter_map(outcome).collect();
    if !outcomes.is_empty() {
        world.records.push(Record { age: 0, outcomes });
    }
    world.invocations[who].end();
}

/// What it sent stays sent.
pub(crate) fn die(world: &mut World, who: usize) {
    world.invocations[who].end();
    let its = |call: &&mut Call| call.awaited.is_some_and(|(waits, _)| waits == who);
    world.calls.iter_mut().filter(its).for_each(|call| call.awaited = None);
}

pub(crate) fn tick(world: &mut World) {
    for who in 0..world.invocations.len() {
        let one = &mut world.invocations[who];
        if !one.is_active() {
            continue;
        }
        one.left -= 1;
        match &mut one.at {
            At::Looked { look, .. } | At::Overtaken { look: Some(look) } => look.at -= 1,
            At::Executes { until, .. } => *until -= 1,
            _ => {}
        }
        if one.left <= 0 {
            die(world, who);
        }
    }
}
