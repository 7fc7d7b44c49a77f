//! A state of the model: small, comparable, and without a clock. Every moment is kept as ticks from now, so that histories
//! that differ only in when they began are one state.

use super::invocation::{At, Invocation, Progress};
use super::table::{Kind, Member, Outcome, SLOTS, Slots, Step, Table};
use super::ticks::{GIVEN_UP, MARGIN, RESEND, STEP, Ticks, UNLISTED};

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) table: Table,
    /// So many instances are wanted now.
    pub(crate) wish: u32,
    pub(crate) machines: [Machine; SLOTS],
    pub(crate) registered: Slots,
    pub(crate) invocations: Vec<Invocation>,
    pub(crate) calls: Vec<Call>,
    pub(crate) records: Vec<Record>,
    pub(crate) bounds: Bounds,
    /// Instances of ours that no launch step brought.
    pub(crate) strangers: Slots,
    /// For the judge alone: by slot, the largest wish of a commit since its launch was first committed.
    pub(crate) launch_wish: [u32; SLOTS],
}

/// What became of the instance of a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Machine {
    #[default]
    None,
    /// Running; until the list shows it, the moment by which it does.
    Alive { listed_by: Option<Ticks> },
    /// Terminated; the list may still show it running.
    Dead { hidden: bool },
}

impl Machine {
    /// The list catches up with it.
    pub(crate) fn show(&mut self) {
        match self {
            Self::Alive { listed_by } => *listed_by = None,
            Self::Dead { hidden } => *hidden = false,
            Self::None => {}
        }
    }
}

/// A call that may still have its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) step: Step,
    /// Since its step began.
    pub(crate) age: Ticks,
    /// Who waits for the answer, and for which step of its plan; none: nobody any more.
    pub(crate) awaited: Option<(usize, usize)>,
    /// Whether it is a second attempt.
    pub(crate) again: bool,
    pub(crate) standing: Standing,
}

/// For the judge alone: what became of the wish behind a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Nobody decided otherwise.
    Wanted,
    /// A later commit decided otherwise, and has not done so yet.
    Contradicted,
    /// A later decision did otherwise.
    Overruled,
}

/// Outcomes on their way to the table, by place in the list of open steps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) age: Ticks,
    pub(crate) outcomes: Vec<(usize, Outcome)>,
}

/// What may still happen in this history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    /// How long an invocation lives.
    pub(crate) life: Ticks,
    /// Changes of the wish.
    pub(crate) wishes: u8,
    /// The largest wish.
    pub(crate) wish_max: u32,
    /// Calls that AWS refuses.
    pub(crate) refusals: u8,
    /// Commits that are written and look like conflicts, because the answer was lost.
    pub(crate) lost_commits: u8,
}

impl World {
    pub(crate) fn alive(&self) -> Slots {
        Slots::of((0..SLOTS).filter(|slot| matches!(self.machines[*slot], Machine::Alive { .. })))
    }

    /// Whom the list does not show as they are.
    pub(crate) fn hidden(&self) -> Slots {
        let lags = |machine| matches!(machine, Machine::Alive { listed_by: Some(_) } | Machine::Dead { hidden: true });
        Slots::of((0..SLOTS).filter(|slot| lags(self.machines[*slot])))
    }

    /// Whether nothing is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.calls.is_empty() && self.records.is_empty() && !self.invocations.iter().any(Invocation::is_active)
    }

    /// Whether it makes a difference that a call lands now and not later: somebody may look, or something else concerns the
    /// same instance, or it is the last moment.
    pub(crate) fn matters_now(&self, call: &Call) -> bool {
        let concerned = |one: &Invocation| match &one.at {
            At::Idle | At::Overtaken { .. } => true,
            At::Executes { plan, .. } => plan
                .iter()
                .any(|step| step.progress == Progress::Waits && step.step.meets(call.step)),
            At::Looked { .. } | At::Over => false,
        };
        let others = self.calls.iter().filter(|other| other.step.meets(call.step)).count() > 1;
        let breaks = call.standing == Standing::Overruled;
        breaks || others || call.age >= STEP || self.invocations.iter().any(concerned)
    }

    /// Brings equal futures to one form: forgets what can make no difference any more, and sorts what has no order.
    pub(crate) fn normalise(&mut self) {
        self.stop_old_clocks();
        for one in &mut self.invocations {
            // one that could not commit any more is as good as over: `ReconcileError::OutOfTime`
            let too_late = matches!(one.at, At::Looked { .. } | At::Overtaken { .. }) && !one.has_window();
            if too_late || one.at == At::Over {
                one.end();
            }
        }
        let loads = self.invocations.iter().any(|one| matches!(one.at, At::Idle | At::Overtaken { .. }));
        let decides = self.invocations.iter().filter(|one| matches!(one.at, At::Looked { .. })).count();
        if !loads && decides <= 1 && self.bounds.lost_commits == 0 {
            self.forget_outcomes();
        }
        if !loads && decides == 0 {
            self.forget_what_decisions_need();
        }
        self.sort();
    }

    /// Moments so long ago that a few ticks more or less are the same.
    fn stop_old_clocks(&mut self) {
        for slot in 0..SLOTS {
            if self.machines[slot] != Machine::None {
                self.launch_wish[slot] = 0;
            }
            let listed = matches!(self.machines[slot], Machine::Alive { listed_by: None } | Machine::Dead { .. });
            if let Some(member) = &mut self.table.members[slot] {
                member.known = if listed { 0 } else { member.known.max(-UNLISTED - 2) };
                member.drained = member.drained.map(|since| since.max(-3));
            }
        }
        for open in &mut self.table.open {
            let launch = open.step.is(Kind::Launch);
            open.until = open.until.max(-2 - if launch { GIVEN_UP } else { MARGIN });
            open.committed = if launch { open.committed.max(-RESEND - 2) } else { 0 };
        }
    }

    /// Nobody will load any more.
    fn forget_outcomes(&mut self) {
        self.records.clear();
        self.table.open.iter_mut().for_each(|open| open.outcome = None);
        for one in &mut self.invocations {
            one.forget_outcomes();
        }
    }

    /// Nobody will decide any more: what is under way may still land, and that is all.
    fn forget_what_decisions_need(&mut self) {
        self.table.open.clear();
        for slot in 0..SLOTS {
            if let Some(member) = &mut self.table.members[slot] {
                *member = Member {
                    known: 0,
                    drained: member.drained.map(|_| 0),
                    terminating: false,
                    gone: member.gone,
                };
            }
            self.machines[slot].show();
        }
        for one in &mut self.invocations {
            if matches!(&one.at, At::Executes { plan, .. } if plan.iter().all(|step| step.has_ended())) {
                one.end();
            }
        }
    }

    /// Invocations are alike: their order means nothing.
    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.invocations.len()).collect();
        order.sort_by(|a, b| self.invocations[*a].cmp(&self.invocations[*b]));
        if !order.is_sorted() {
            self.invocations = order.iter().map(|before| self.invocations[*before].clone()).collect();
            for (who, _) in self.calls.iter_mut().filter_map(|call| call.awaited.as_mut()) {
                *who = order.iter().position(|before| before == who).unwrap();
            }
        }
        self.calls.sort_unstable();
        self.records.sort_unstable();
    }
}
