//! Spare instances above what votes, floors and guards come to.
//!
//! A reserve must never feed on itself. So the size is kept in two parts: what is asked for, which is what policies and guards
//! work on as if there were no reserve, and the reserve on top, which follows from the first part alone. Policies whose metric
//! falls as instances are added see it as those alone would have it ([`alone`]): the size of a pool with a reserve is that of the
//! same pool without one, plus the reserve.

use jiff::Timestamp;

use crate::spec::Reserve;
use crate::state::{PEAK_HOURS_MAX, Peaks};

const HOUR_SECONDS: i64 = 3_600;

/// How many to keep above the `asked`.
#[must_use]
pub fn above(asked: u32, reserve: &Reserve, peaks: Option<&Peaks>, now: Timestamp) -> u32 {
    let by_amount = reserve.ratio.of_ceil(asked).max(reserve.threshold);
    let floor = reserve
        .policy
        .and_then(|policy| quantile(peaks?, policy.quantile_permille, policy.hours, now));
    by_amount.max(floor.unwrap_or(0).saturating_sub(asked))
}

/// By how much a metric that falls as instances are added would be larger if only the `asked` of the `measured` instances were
/// there: what counts as reserve carries load too, but no policy is to lean on it.
#[must_use]
#[expect(clippy::float_arithmetic, reason = "a factor of a metric's value")]
pub fn alone(measured: f64, asked: u32) -> f64 {
    let alone = f64::from(asked.max(1));
    if measured <= alone { 1.0 } else { measured / alone }
}

/// The quantile of the last hours' peaks, by nearest rank. An hour in which nobody looked had what the hour before it had: absence
/// is not zero.
fn quantile(peaks: &Peaks, permille: u16, hours: u16, now: Timestamp) -> Option<u32> {
    let missed = usize::try_from(hour_of(now).saturating_sub(peaks.hour).max(0)).unwrap_or(usize::MAX);
    let (hours, last) = (usize::from(hours), peaks.most.last()?);
    let repeated = missed.min(hours.saturating_sub(1));
    let kept = peaks.most.iter().rev().take(hours.saturating_sub(repeated));
    let mut sorted: Vec<u32> = kept.copied().chain(std::iter::repeat_n(*last, repeated)).collect();
    sorted.sort_unstable();
    let rank = sorted.len().saturating_mul(usize::from(permille)).div_ceil(1_000);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Remembers a recommendation. Writes nothing new unless the hour is new or the number is larger.
pub fn note(peaks: &mut Option<Peaks>, recommended: u32, now: Timestamp) {
    let hour = hour_of(now);
    let Some(kept) = peaks else {
        *peaks = Some(Peaks {
            hour,
            most: vec![recommended],
        });
        return;
    };
    let last = kept.most.last().copied().unwrap_or(recommended);
    // a clock that runs behind belongs to the newest hour
    let missed = usize::try_from(hour.saturating_sub(kept.hour).max(0)).unwrap_or(usize::MAX);
    if missed > 0 {
        let most = usize::from(PEAK_HOURS_MAX);
        kept.most.extend(std::iter::repeat_n(last, missed.saturating_sub(1).min(most)));
        kept.most.push(recommended);
        kept.most.drain(..kept.most.len().saturating_sub(most));
        kept.hour = hour;
    } else if let Some(newest) = kept.most.last_mut() {
        *newest = (*newest).max(recommended);
    }
}

pub(crate) fn hour_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(HOUR_SECONDS)
}
