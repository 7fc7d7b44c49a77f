//! How fast a pool may change: launches and removals within the last minute and hour.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::plan::CLOCK_SKEW_MAX;
use crate::reason::Guard;
use crate::spec::{Guards, OpenRemovalWindow};
use crate::state::{PoolState, Tally};
use crate::unit::Seconds;

/// The window of the budgets "per tick": several functions may act within one minute.
pub const TICK: Seconds = Seconds(60);
/// The window of the budget per hour.
pub const HOUR: Seconds = Seconds(3_600);

/// How long what counts in a window is kept: by a clock that is behind the window reaches back further.
#[must_use]
pub const fn kept(window: Seconds) -> Seconds {
    Seconds(window.0.saturating_add(CLOCK_SKEW_MAX.0))
}

/// How many launches the budgets still allow a pool of this size, and the guard that says so. A share is one of the size
/// a minute ago: what was launched since must not make room for more.
#[must_use]
pub fn launches_left(guards: &Guards, state: &PoolState, size: u32, now: Timestamp) -> (u32, Guard) {
    let launched = within(&state.launches, TICK, now);
    let per_tick = guards.launch_per_tick.of(size.saturating_sub(launched));
    let tick_left = per_tick.saturating_sub(launched);
    let hour_left = guards.launch_per_hour.saturating_sub(within(&state.launches, HOUR, now));
    if hour_left < tick_left {
        (
            hour_left,
            Guard::LaunchPerHour {
                limit: guards.launch_per_hour,
            },
        )
    } else {
        (tick_left, Guard::LaunchPerTick { limit: per_tick })
    }
}

/// How many removals the budget still allows a pool of this size, and the guard that says so. A share is one of the present
/// size: what left meanwhile may have been sick and replaced, and then the pool was never larger.
#[must_use]
pub fn removals_left(guards: &Guards, state: &PoolState, size: u32, now: Timestamp) -> (u32, Guard) {
    let removed = within(&state.removals, TICK, now);
    let limit = guards.removal_per_tick.of(size);
    (limit.saturating_sub(removed), Guard::RemovalPerTick { limit })
}

/// How many the open windows still let leave, and the guard that says so; none if no window is open.
#[must_use]
pub fn window_removals_left(open: &[OpenRemovalWindow], state: &PoolState) -> Option<(u32, Guard)> {
    let left = |open: &OpenRemovalWindow| {
        let removed = state.window_removals.iter().find(|tally| tally.at == open.window.since);
        let left = open.max.saturating_sub(removed.map_or(0, |tally| tally.count));
        let guard = Guard::RemovalWindow {
            max: open.max,
            until: open.window.until,
        };
        (left, guard)
    };
    open.iter().map(left).min_by_key(|(left, _)| *left)
}

/// Counts removals in every open window, and forgets those that opened before. One that opens later is open by another clock already,
/// and where none is open one may still be by another.
pub fn note_window_removals(open: &[OpenRemovalWindow], state: &mut PoolState, removed: u32) {
    if removed == 0 {
        return;
    }
    let openings: BTreeSet<Timestamp> = open.iter().map(|open| open.window.since).collect();
    let before = std::mem::take(&mut state.window_removals);
    let count_of = |at| before.iter().find(|tally| tally.at == at).map_or(0, |tally| tally.count);
    let counted = |at| Tally {
        at,
        count: count_of(at).saturating_add(removed),
    };
    let newest = openings.last().copied();
    let later = before.iter().copied().filter(|tally| newest.is_none_or(|newest| tally.at > newest));
    state.window_removals = openings.into_iter().map(counted).chain(later).collect();
}

/// Adds to a tally and forgets what no budget looks at any more.
pub fn note(tallies: &mut Vec<Tally>, count: u32, keep: Seconds, now: Timestamp) {
    if count == 0 {
        return;
    }
    let horizon = keep.before(now);
    tallies.retain(|tally| tally.at > horizon);
    match tallies.iter_mut().find(|tally| tally.at == now) {
        Some(tally) => tally.count = tally.count.saturating_add(count),
        None => tallies.push(Tally { at: now, count }),
    }
}

fn within(tallies: &[Tally], window: Seconds, now: Timestamp) -> u32 {
    let horizon = window.before(now);
    // a tally from a clock that runs ahead counts too: the safe side
    tallies
        .iter()
        .filter(|tally| tally.at > horizon)
        .map(|tally| tally.count)
        .fold(0, u32::saturating_add)
}
