//! A load over some hours, by equal steps.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::unit::{Moment, Seconds};

/// Values at equal steps from a moment on; each stands for its whole step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    start: Moment,
    step: Seconds,
    values: Vec<f64>,
}

impl Curve {
    /// Values from `start` on.
    #[must_use]
    pub fn new(start: Timestamp, step: Seconds, values: Vec<f64>) -> Self {
        Self {
            start: start.into(),
            step,
            values,
        }
    }

    /// Between the middles of the steps, straight from one value to the next; none outside.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> Option<f64> {
        let start = self.start.at();
        if moment < start || self.step.0 == 0 {
            return None;
        }
        // in halves of a step, so that whole numbers do
        let seconds = Seconds::between(start, moment).0;
        let doubled = seconds.checked_mul(2)?;
        let past_middle = doubled.saturating_sub(self.step.0);
        let place = usize::try_from(past_middle.checked_div(self.step.0.checked_mul(2)?)?).ok()?;
        let left = self.values.get(place).copied()?;
        if doubled < self.step.0 {
            return Some(left);
        }
        let into = f64::from(past_middle) / (2.0 * f64::from(self.step.0));
        let share = into - libm::floor(into);
        Some(
            self.values
                .get(place.checked_add(1)?)
                .map_or(left, |right| left + (right - left) * share),
        )
    }

    /// The mean over the time from `from` to `until`, step by step as far as it is known; none if none of it is.
    #[must_use]
    pub fn mean(&self, from: Timestamp, until: Timestamp) -> Option<f64> {
        let first = Seconds::between(self.start.at(), from).0.checked_div(self.step.0)?;
        let last = Seconds::between(self.start.at(), until)
            .0
            .checked_sub(1)?
            .checked_div(self.step.0)?;
        let values = self.values.get(usize::try_from(first).ok()?..)?;
        let count = usize::try_from(last.checked_sub(first)?).ok()?.saturating_add(1);
        let (sum, number) = values
            .iter()
            .take(count)
            .fold((0.0, 0.0), |(sum, number), value| (sum + value, number + 1.0));
        (number > 0.0).then(|| sum / number)
    }
}
