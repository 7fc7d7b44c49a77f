//! How fast a pool has grown: what a stock of warm instances has to hold.
//!
//! A launch takes a pool's warm-up until it counts. What the size grew by within that time is what launches could not have brought,
//! and warm instances could. Of each hour the largest such growth is kept, for two days; the stock is what was enough in 99.9 % of
//! that time.

use jiff::Timestamp;

use crate::reserve;
use crate::spec::{PoolSpec, WarmSize};
use crate::state::{Growth, PoolState, Run};
use crate::unit::Seconds;

/// Before so many hours are remembered nothing is learned: a day has every hour of the day.
pub const HOURS_LEAST: usize = 24;
/// Most sizes of the last minutes that are kept.
const LOWS_MAX: usize = 16;
/// So many thousandths of the time may ask for more.
const SHORT_PERMILLE: u64 = 1;
const HOUR_SECONDS: u64 = 3_600;

/// Takes in a pool's size after a decision, where the size of its stock is learned. Writes nothing new while it stays, but once an hour.
pub fn note(state: &mut PoolState, pool: &PoolSpec, now: Timestamp) {
    if pool.warm.is_none_or(|warm| warm.size != WarmSize::Learned) {
        state.growth = None;
        return;
    }
    let (size, boot) = (state.desired, pool.warmup);
    let growth = state.growth.get_or_insert_with(|| Growth {
        hours: None,
        lows: Vec::new(),
    });
    keep_lows(&mut growth.lows, size, boot, now);
    let lowest = growth.lows.first().map_or(size, |low| low.capacity);
    reserve::note(&mut growth.hours, size.saturating_sub(lowest), now);
}

/// What was smallest within the last boot, and since then: each larger than the one before, the newest is the present size.
fn keep_lows(lows: &mut Vec<Run>, size: u32, boot: Seconds, now: Timestamp) {
    if lows.last().is_none_or(|low| low.capacity != size) {
        // whoever was no smaller is the smallest of no time any more
        let outlived = lows.iter().rev().take_while(|low| low.capacity >= size).count();
        let since = lows
            .len()
            .checked_sub(outlived)
            .and_then(|first| lows.get(first))
            .map_or(now, |low| low.since);
        lows.truncate(lows.len().saturating_sub(outlived));
        lows.push(Run { since, capacity: size });
    }
    // the first is over when the second began a whole boot ago
    let start = boot.before(now);
    let over = lows.iter().skip(1).take_while(|low| low.since <= start).count();
    lows.drain(..over);
    if lows.len() > LOWS_MAX && lows.len() > 1 {
        // as if the smaller one had held until then: rather too much growth than too little
        lows.remove(1);
    }
}

/// How many to keep, as the last two days have it; none: less than a day is known.
#[must_use]
pub fn learned(growth: Option<&Growth>, boot: Seconds) -> Option<u32> {
    let hours = &growth?.hours.as_ref()?.most;
    if hours.len() < HOURS_LEAST {
        return None;
    }
    // an hour with such a growth was short of instances for one boot
    let allowed = u64::try_from(hours.len())
        .unwrap_or(0)
        .saturating_mul(HOUR_SECONDS)
        .saturating_mul(SHORT_PERMILLE)
        / 1_000;
    let short_hours = usize::try_from(allowed / u64::from(boot.0.max(1))).unwrap_or(usize::MAX);
    let mut sorted = hours.clone();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    sorted.get(short_hours.min(sorted.len().saturating_sub(1))).copied()
}

/// How many whole hours are remembered.
#[must_use]
pub fn hours(growth: Option<&Growth>) -> u32 {
    let hours = growth.and_then(|growth| growth.hours.as_ref()).map_or(0, |hours| hours.most.len());
    u32::try_from(hours).unwrap_or(u32::MAX)
}
