//! A fortnight of a load, five minutes by five minutes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Curve;
use crate::unit::{Moment, Seconds};

/// Length of a bucket.
pub(super) const BUCKET: Seconds = Seconds::minutes(5);
/// Buckets of a day.
const DAY: usize = 288;
/// So many days are kept.
pub(super) const DAYS: usize = 14;
/// How far around a time of day a percentile looks, in buckets to each side.
const AROUND: usize = 6;

/// The mean of each of the last fortnight's buckets, the oldest first. A bucket without data is not a number: unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// When the bucket after the last begins.
    end: Moment,
    buckets: Vec<Option<f64>>,
}

impl History {
    /// None yet; its first bucket begins at `start`, rounded down to a bucket.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        let second = start.as_second();
        let down = second.rem_euclid(i64::from(BUCKET.0));
        let begin = Timestamp::from_second(second.saturating_sub(down)).unwrap_or(start);
        Self {
            end: begin.into(),
            buckets: Vec::new(),
        }
    }

    /// When the next bucket begins.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.end.at()
    }

    /// Takes in the next bucket; none: nothing is known of it.
    pub fn push(&mut self, mean: Option<f64>) {
        let most = DAY.saturating_mul(DAYS);
        if self.buckets.len() >= most.saturating_add(DAY) {
            // once a day, so that no bucket moves each time
            self.buckets.drain(..self.buckets.len().saturating_sub(most).saturating_add(1));
        }
        self.buckets.push(mean.filter(|mean| mean.is_finite()));
        self.end = BUCKET.after(self.end.at()).into();
    }

    /// How many whole days are known.
    #[must_use]
    pub fn days(&self) -> usize {
        self.buckets.len().min(DAY.saturating_mul(DAYS)) / DAY
    }

    /// The bucket at `offset` from the end, so many days before.
    fn before(&self, days: usize, offset: i64) -> Option<f64> {
        self.buckets.get(self.place(days, offset)?).copied().flatten()
    }

    fn place(&self, days: usize, offset: i64) -> Option<usize> {
        let back = i64::try_from(days.checked_mul(DAY)?).ok()?;
        let place = i64::try_from(self.buckets.len()).ok()?.checked_add(offset)?.checked_sub(back)?;
        usize::try_from(place).ok()
    }

    /// What was so many days before: from a quarter of an hour before the end, so many buckets beyond it, as far as it is known.
    #[must_use]
    pub fn season(&self, days: usize, ahead: u32) -> Option<Curve> {
        self.curve(ahead, |offset| self.before(days, offset))
    }

    /// The same for the mean of the last seven days.
    #[must_use]
    pub fn mean_day(&self, ahead: u32) -> Option<Curve> {
        self.curve(ahead, |offset| {
            let known = (1..=7).filter_map(|days| self.before(days, offset));
            let (sum, count) = known.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            (count > 0.0).then(|| sum / count)
        })
    }

    fn curve(&self, ahead: u32, of: impl Fn(i64) -> Option<f64>) -> Option<Curve> {
        const BACK: u32 = 3;
        let offsets = -i64::from(BACK)..i64::from(ahead);
        let values: Vec<f64> = offsets.map_while(of).collect();
        let start = Seconds(BUCKET.0.saturating_mul(BACK)).before(self.end());
        (!values.is_empty()).then(|| Curve::new(start, BUCKET, values))
    }

    /// The loads of the last fortnight within half an hour around a time of day, which is so many buckets after the end, sorted.
    #[must_use]
    pub fn around(&self, ahead: u32) -> Vec<f64> {
        let mut values = Vec::with_capacity(DAYS.saturating_mul(AROUND.saturating_mul(2).saturating_add(1)));
        for days in 1..=DAYS {
            let Some(middle) = self.place(days, i64::from(ahead)) else { break };
            let last = middle.saturating_add(AROUND).min(self.buckets.len().saturating_sub(1));
            values.extend(
                self.buckets
                    .get(middle.saturating_sub(AROUND)..=last)
                    .unwrap_or_default()
                    .iter()
                    .flatten(),
            );
        }
        values.sort_unstable_by(f64::total_cmp);
        values
    }
}

/// What so large a share of sorted values stays below.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank within a slice"
)]
pub(super) fn rank(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = libm::round(share * f64::from(u32::try_from(last).ok()?)) as usize;
    sorted.get(place.min(last)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many buckets, each with its number.
    fn counted(buckets: u32) -> History {
        let mut history = History::new(Timestamp::from_second(1_000_000).unwrap());
        (0..buckets).for_each(|bucket| history.push(Some(f64::from(bucket))));
        history
    }

    #[test]
    fn a_season_is_what_was_at_the_same_time_of_day() {
        let history = counted(3 * 288);
        let now = history.end();
        let at = |curve: &Curve, minutes: u32| curve.at(Seconds(minutes * 60 + 150).after(now));
        let day = history.season(1, 12).unwrap();
        assert_eq!(
            (at(&day, 0), at(&day, 5), at(&day, 55), at(&day, 60)),
            (Some(576.0), Some(577.0), Some(587.0), None)
        );
        // the quarter of an hour up to now, a day ago
        assert_eq!(day.mean(Seconds(900).before(now), now), Some(574.0));
        assert_eq!(
            history.season(1, 300).and_then(|curve| at(&curve, 24 * 60)),
            None,
            "tomorrow's yesterday is not over"
        );
        assert_eq!(
            history.season(3, 12),
            None,
            "the quarter of an hour before the beginning is not known"
        );
        assert_eq!(history.season(7, 12), None);
        let days = history.mean_day(12).unwrap();
        assert_eq!(at(&days, 0), Some(f64::from(576 + 288) / 3.0), "of the three days that are known");
    }

    #[test]
    fn the_loads_around_a_time_of_day() {
        let history = counted(15 * 288);
        let around = history.around(0);
        assert_eq!(around.len(), 14 * 13);
        assert_eq!(around.first(), Some(&f64::from(288 - 6)));
        assert_eq!(rank(&around, 1.0), Some(f64::from(14 * 288 + 6)));
        assert_eq!(history.days(), 14);
        assert_eq!(counted(100).around(0), Vec::<f64>::new());
    }

    #[test]
    fn a_long_life_takes_no_more_memory_and_forgets_nothing_of_the_last_fortnight() {
        let history = counted(60 * 288);
        assert!(history.buckets.len() <= 15 * 288);
        assert_eq!(history.before(14, 0), Some(f64::from(46 * 288)));
    }
}
