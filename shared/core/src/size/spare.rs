//! The reserve on top of what is asked for.

use super::bounds::Bounds;
use super::stabilise::stabilise;
use super::{Number, SizeInput, raise_to_floors, removal_budgets, simulate_removal};
use crate::reason::{Direction, Guard, Vote};
use crate::sample::Sample;
use crate::{churn, policy, reserve};

/// Where the votes want a size to go, before anything delays it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aim {
    pub(super) base: u32,
    pub(super) voted: Option<u32>,
    pub(super) recommended: Option<u32>,
    pub(super) wanted: u32,
}

impl Aim {
    /// Where a move in will end, once cooldowns and budgets let it go on: what the load needs.
    fn needed(self, input: &SizeInput<'_>, bounds: &Bounds) -> u32 {
        let mut end = Number {
            value: self.wanted,
            guards: Vec::new(),
        };
        if policy::direction(self.base, self.wanted) == Direction::In {
            if let Some((guard, decisive)) = stabilise(input, self.recommended, input.guards.stabilisation_in, Direction::In) {
                end.set(self.wanted.max(decisive.min(self.base)), guard);
            }
            simulate_removal(input, self.base, &mut end);
        }
        raise_to_floors(input, bounds, self.voted, &mut end);
        end.value
    }
}

/// Adds the reserve to what is asked for. It is a wish and no emergency: what the reserve alone would add waits for the cooldown,
/// what it alone would give up waits too, for known metrics, and leaves within the budget. Whoever runs beyond the need and has yet to
/// leave is spare already: nobody is launched beside them.
pub(super) fn add_reserve(input: &SizeInput<'_>, bounds: &Bounds, votes: &[Vote], aim: Aim, number: &mut Number) {
    let (asked, before) = (number.value, input.state.without_reserve().clamp(bounds.min, bounds.max));
    let held = asked.saturating_add(input.state.reserve).min(bounds.max);
    if votes.iter().all(|vote| vote.capacity.is_none()) && !input.rests {
        // nobody asks for anything, so there is nothing to be above of
        let spare = held.saturating_sub(asked);
        number.set(held, Guard::Reserve { asked, spare });
        return;
    }
    let with_reserve = |asked: u32| asked.saturating_add(reserve::above(asked, input.reserve, input.state.peaks.as_ref(), input.now));
    let mut wanted = with_reserve(asked);
    let there = input.state.desired.max(asked);
    if wanted > there {
        wanted = wanted.min(with_reserve(aim.needed(input, bounds).min(asked)).max(there));
    }
    wanted = wanted.min(bounds.max);
    if asked > before {
        // whoever grows gives nothing up, whatever became of the reserve
        wanted = wanted.max(input.state.desired.min(bounds.max));
    }
    let spare = wanted.saturating_sub(asked);
    number.set(wanted, Guard::Reserve { asked, spare });
    if asked != before {
        return limit_shrinking(input, bounds, number);
    }
    let cooldown = match policy::direction(held, wanted) {
        Direction::Out => input.state.cooldown_out_until,
        Direction::In => input.state.cooldown_in_until,
        Direction::Hold => return,
    };
    let asks_for_more = |vote: &Vote| vote.capacity.is_some_and(|capacity| capacity > before);
    // of several metrics those that are known may be enough for a vote, and not to give anything up
    let knows_some = |vote: &Vote| {
        let sample = input.measured().get(&vote.policy).map(|series| series.sample(input.now));
        vote.capacity.is_some() && sample.is_some_and(|sample| !matches!(sample, Sample::Value { .. }))
    };
    let keeps = |vote: &Vote| vote.binds_unknowing() || knows_some(vote) || asks_for_more(vote) || vote.waits_to_add();
    if wanted < held && votes.iter().any(keeps) {
        number.set(held, Guard::ReserveKept);
    } else if let Some(until) = cooldown.filter(|until| input.now < *until) {
        number.set(held, Guard::Cooldown { until });
    }
    limit_shrinking(input, bounds, number);
}

/// What is asked for and its reserve together leave no faster than the budget allows.
fn limit_shrinking(input: &SizeInput<'_>, bounds: &Bounds, number: &mut Number) {
    let held = input.state.desired.clamp(bounds.min, bounds.max);
    if input.state.reserve > 0 && number.value < held {
        if let Some(until) = churn::held_until(input.state, input.guards, input.now) {
            number.set(held, Guard::Churn { until });
        }
        if let Some(until) = input.state.zone_out_until(input.now) {
            number.set(held, Guard::ZoneOutage { until });
        }
        for (left, guard) in removal_budgets(input) {
            number.set(number.value.max(held.saturating_sub(left)), guard);
        }
    }
}
