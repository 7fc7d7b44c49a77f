//! Between which sizes a pool may move, and the sizes with which windows open.

use std::collections::BTreeMap;

use super::SizeInput;
use crate::id::PolicyId;
use crate::reason::Guard;
use crate::spec::{CapacityRange, OpenWindow, Policy, Rule, Scheduled};

/// The pool's bounds as open windows and the fleet's maximum move them.
pub(super) struct Bounds {
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) guard: Guard,
}

impl Bounds {
    pub(super) fn of(input: &SizeInput<'_>) -> Self {
        let (min, max) = bounds(input.range, input.policies, input.windows);
        if input.room < max {
            return Self {
                min: min.min(input.room),
                max: input.room,
                guard: Guard::FleetMaximum { room: input.room },
            };
        }
        Self {
            min,
            max,
            guard: Guard::Range { min, max },
        }
    }
}

/// A pool's bounds as open windows move them, before the fleet's maximum has a say.
pub(crate) fn bounds(range: CapacityRange, policies: &[Policy], windows: &BTreeMap<PolicyId, OpenWindow>) -> (u32, u32) {
    let (mut min, mut max) = (None, None);
    for (scheduled, _, _) in open_schedules(policies, windows) {
        min = min.max(scheduled.min);
        max = max.max(scheduled.max);
    }
    let max = max.unwrap_or(range.max);
    (min.unwrap_or(range.min).min(max), max)
}

fn open_schedules<'a>(
    policies: &'a [Policy],
    windows: &'a BTreeMap<PolicyId, OpenWindow>,
) -> impl Iterator<Item = (&'a Scheduled, &'a PolicyId, OpenWindow)> {
    policies.iter().filter_map(|policy| match &policy.rule {
        Rule::Scheduled(scheduled) => Some((scheduled, &policy.id, *windows.get(&policy.id)?)),
        _ => None,
    })
}

/// A window that opened since its policy's `desired` was last applied.
pub(super) struct Opening<'a> {
    pub(super) policy: &'a PolicyId,
    pub(super) window: OpenWindow,
    pub(super) desired: u32,
}

pub(super) fn openings<'a>(input: &'a SizeInput<'_>) -> impl Iterator<Item = Opening<'a>> {
    let opening = |(scheduled, policy, window): (&Scheduled, &'a PolicyId, OpenWindow)| {
        let applied = input.state.scheduled.get(policy).is_some_and(|applied| *applied >= window.since);
        scheduled
            .desired
            .filter(|_| !applied)
            .map(|desired| Opening { policy, window, desired })
    };
    open_schedules(input.policies, input.windows).filter_map(opening)
}
