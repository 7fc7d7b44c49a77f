//! What is stored: members, open steps, and the outcomes beside them.

use std::fmt;

use super::ticks::Ticks;

/// Instances that may ever exist in one history. Each has a slot; a launch step brings the instance of its slot.
pub(crate) const SLOTS: usize = 4;

/// `state::CapacityState`, with the outcomes beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Table {
    pub(crate) members: Members,
    pub(crate) open: Vec<Open>,
}

pub(crate) type Members = [Option<Member>; SLOTS];

/// `state::Member`. Moments are on the clock of whoever wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    pub(crate) known: Ticks,
    pub(crate) drained: Option<Ticks>,
    pub(crate) terminating: bool,
    pub(crate) gone: bool,
}

impl Member {
    /// The same with its moments on another clock.
    pub(crate) fn on_clock(self, clock: impl Fn(Ticks) -> Ticks) -> Self {
        Self {
            known: clock(self.known),
            drained: self.drained.map(clock),
            ..self
        }
    }
}

/// Who is on record as leaving.
pub(crate) fn drained(members: &Members) -> Slots {
    Slots::of((0..SLOTS).filter(|slot| members[*slot].is_some_and(|member| member.drained.is_some())))
}

/// Who is on record and stays.
pub(crate) fn staying(members: &Members) -> Slots {
    Slots::of((0..SLOTS).filter(|slot| members[*slot].is_some_and(|member| member.drained.is_none() && !member.gone)))
}

/// `plan::OpenStep`, and the outcome that was written beside the state for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Open {
    pub(crate) step: Step,
    /// Of a launch; nothing depends on it for other steps.
    pub(crate) committed: Ticks,
    pub(crate) until: Ticks,
    /// Whether somebody took it over and sent it again.
    pub(crate) again: bool,
    pub(crate) outcome: Option<Outcome>,
}

/// `plan::StepOutcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It happened.
    Done,
    /// It was not sent before its window ended, or AWS refused it.
    NotDone,
}

/// What a step does, and to whom: `plan::Action`, of one fleet with one pool and one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) slots: Slots,
}

impl Step {
    pub(crate) fn is(self, kind: Kind) -> bool {
        self.kind == kind
    }

    /// Whether both concern some instance.
    pub(crate) fn meets(self, other: Self) -> bool {
        !self.slots.and(other.slots).is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Launch,
    Register,
    Deregister,
    Terminate,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Launch => "launch",
            Kind::Register => "register",
            Kind::Deregister => "deregister",
            Kind::Terminate => "terminate",
        };
        write!(f, "{kind} {}", self.slots)
    }
}

/// A set of instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slots(u8);

impl Slots {
    pub(crate) fn one(slot: usize) -> Self {
        Self(1 << slot)
    }

    pub(crate) fn of(slots: impl Iterator<Item = usize>) -> Self {
        slots.fold(Self::default(), |set, slot| set.or(Self::one(slot)))
    }

    pub(crate) fn has(self, slot: usize) -> bool {
        !self.and(Self::one(slot)).is_empty()
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn count(self) -> u32 {
        self.0.count_ones()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..SLOTS).filter(move |slot| self.has(*slot))
    }

    pub(crate) fn subsets(self) -> impl Iterator<Item = Self> {
        (0..1 << SLOTS).map(Self).filter(move |subset| subset.without(self).is_empty())
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|slot| format!("i{}", slot + 1)).collect();
        f.write_str(&names.join(" and "))
    }
}
