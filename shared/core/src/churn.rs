//! Notices a size that goes to and fro: what was added is removed is added again.
//!
//! Something then misleads the policies, a wrong target or a metric that answers to something else, and every turn costs launches
//! and drains. Removing is held until an hour has passed without another turn; adding is not, because too few is worse than too
//! many. It needs no person to end it.

use jiff::Timestamp;

use crate::budget::HOUR;
use crate::reason::Direction;
use crate::spec::Guards;
use crate::state::{PoolState, Turning};
use crate::unit::Moment;

/// Most turns of an hour that are remembered, and the most that a spec may call churn.
pub const TURNS_MAX: u8 = 12;

/// Remembers a move of the size.
pub fn note(state: &mut PoolState, moved: Direction, now: Timestamp) {
    if moved == Direction::Hold {
        return;
    }
    let Some(turning) = &mut state.turning else {
        state.turning = Some(Turning {
            last: moved,
            turns: Vec::new(),
        });
        return;
    };
    if turning.last != moved {
        turning.last = moved;
        let recent = Moment::from(HOUR.before(now));
        turning.turns.retain(|turn| *turn > recent);
        // another clock may be behind: no turn is before the one that it follows
        let now = Moment::from(now);
        let turned_at = turning.turns.last().map_or(now, |last| now.max(*last));
        turning.turns.push(turned_at);
        let outlived = turning.turns.len().saturating_sub(usize::from(TURNS_MAX));
        turning.turns.drain(..outlived);
    }
}

/// Until when removing is held, because the size turned round as often as the guards call churn; none: it is calm.
#[must_use]
pub fn held_until(state: &PoolState, guards: &Guards, now: Timestamp) -> Option<Timestamp> {
    let turns = &state.turning.as_ref()?.turns;
    let first = turns.len().checked_sub(usize::from(guards.churn_turns))?;
    let (oldest, newest) = (turns.get(first)?.at(), turns.last()?.at());
    let until = HOUR.after(newest);
    (newest < HOUR.after(oldest) && now < until).then_some(until)
}
