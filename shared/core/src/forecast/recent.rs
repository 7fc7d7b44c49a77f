//! The last minutes of a load.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sample::Series;
use crate::spec::{EVENT_LEAST, Events};
use crate::unit::Seconds;

/// So many minutes are looked at.
pub const MINUTES: usize = 20;
/// The same as a length of time.
const REACH: Seconds = Seconds::minutes(20);
const _: () = assert!(REACH.0 < EVENT_LEAST.0, "an event changes at most once within it");
/// No load counts as more: beyond what CloudWatch can tell (2^360), and so far below what a number can be that no sum or product of
/// loads is infinite.
pub(super) const LOAD_MOST: f64 = 1e120;

/// The last minutes of a load, the newest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    minutes: [f64; MINUTES],
    known: usize,
}

impl Recent {
    /// The last minutes of a series, per minute, as they would have been without events. What has no datapoint ends it; none: not even the
    /// newest minute is known.
    #[must_use]
    pub fn of(series: &Series, events: &Events) -> Option<Self> {
        let Series::Points { points, period, .. } = series else {
            return None;
        };
        let newest = points.first()?;
        let (end, per_minute) = (period.after(newest.at), 60.0 / f64::from(period.0.max(1)));
        let events = events.stretch(REACH.before(end), end);
        let mut recent = Self::default();
        for (minute, value) in recent.minutes.iter_mut().enumerate() {
            let back = Seconds::minutes(u32::try_from(minute).unwrap_or(u32::MAX));
            let until = back.before(end);
            let begin = Seconds(60).before(until);
            let Some(mean) = mean_within(points, *period, begin, until) else {
                break;
            };
            *value = (mean * per_minute / events.factor(begin)).clamp(0.0, LOAD_MOST);
            recent.known = recent.known.saturating_add(1);
        }
        (recent.known > 0).then_some(recent)
    }

    /// Takes in one more minute.
    pub fn push(&mut self, value: f64) {
        self.minutes.rotate_right(1);
        if let Some(newest) = self.minutes.first_mut() {
            *newest = value.min(LOAD_MOST);
        }
        self.known = self.known.saturating_add(1).min(MINUTES);
    }

    /// The newest minute; zero while nothing is known.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.minutes.first().copied().unwrap_or_default()
    }

    /// The minute so long ago; none: not known.
    #[must_use]
    pub fn ago(&self, minutes: usize) -> Option<f64> {
        self.minutes.get(..self.known)?.get(minutes).copied()
    }

    /// The mean of so many minutes, beginning so long ago; of as many of them as are known; none: of none.
    #[must_use]
    pub fn mean(&self, ago: usize, minutes: usize) -> Option<f64> {
        let end = ago.saturating_add(minutes).min(self.known);
        let values = self.minutes.get(ago..end).filter(|values| !values.is_empty())?;
        let (sum, count) = values.iter().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        Some(sum / count)
    }
}

/// The mean of the datapoints that lie in a stretch of time, or of the one that covers it; none: it is not covered.
fn mean_within(points: &[crate::sample::Datapoint], period: Seconds, from: Timestamp, until: Timestamp) -> Option<f64> {
    let touches = points.iter().filter(|point| point.at < until && period.after(point.at) > from);
    let (sum, count) = touches.fold((0.0, 0.0), |(sum, count), point| (sum + point.value.get(), count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Datapoint;
    use crate::unit::Finite;

    fn series(period: u32, values: &[f64]) -> Series {
        let now = Timestamp::from_second(1_000_020).unwrap();
        let point = |(n, value): (usize, &f64)| Datapoint {
            at: Seconds(period * (u32::try_from(n).unwrap() + 1)).before(now),
            value: Finite::new(*value).unwrap(),
        };
        Series::Points {
            points: values.iter().enumerate().map(point).collect(),
            period: Seconds(period),
            partial: false,
            incomplete: Vec::new(),
        }
    }

    #[test]
    fn minutes_are_read_from_datapoints_of_any_length() {
        let of = |period, values: &[f64]| Recent::of(&series(period, values), &Events::default()).unwrap();
        let minutes = of(60, &[5.0, 4.0, 3.0]);
        assert_eq!((minutes.now(), minutes.ago(2), minutes.ago(3)), (5.0, Some(3.0), None));
        assert_eq!(minutes.mean(0, 15), Some(4.0));
        assert_eq!(minutes.mean(1, 1), Some(4.0));
        // 300 in five minutes are 60 in each of them
        let five = of(300, &[300.0, 600.0]);
        assert_eq!(
            (five.now(), five.ago(4), five.ago(5), five.ago(9), five.ago(10)),
            (60.0, Some(60.0), Some(120.0), Some(120.0), None)
        );
        // of six datapoints of ten seconds the mean, times six
        let ten = of(10, &[1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]);
        assert_eq!((ten.now(), ten.ago(1), ten.ago(2)), (12.0, Some(54.0), None));
        assert_eq!(Recent::of(&series(60, &[]), &Events::default()), None);
    }

    #[test]
    fn a_minute_more_pushes_the_oldest_out() {
        let mut recent = Recent::default();
        for minute in 0_u32..30 {
            recent.push(f64::from(minute));
        }
        assert_eq!((recent.now(), recent.ago(19), recent.ago(20)), (29.0, Some(10.0), None));
        assert_eq!(recent.mean(10, 5), Some(17.0));
    }
}
