//! Amazon EC2 Auto Scaling, predictive scaling beside target tracking: an emulation (`ec2-auto-scaling-predictive-scaling` of its user
//! guide).
//!
//! How its forecast is made is not public. Documented are the data it has (24 hours at least, 14 days at most), hours as steps, the two
//! days ahead, the time of the launch, that it never scales in, and that the largest of all policies wins. The emulation forecasts for an
//! hour the mean of that hour over the days it knows, and gives half of the weight to the mean of the same weekday; it does so at midnight
//! (UTC), where the service does every six hours. Left open, and decided here: the forecast of an hour holds until its end, also while
//! the next one is in its buffer.

use std::fmt;

use ghostnet_core::unit::Seconds;

use super::aws_target_tracking::{Metric, TargetTracking};
use crate::load::Instance;
use crate::replay::{Look, Scaler};

/// `SchedulingBufferTime`: so long before the hour its instances are launched.
const BUFFER: Seconds = Seconds(300);
/// Hours of metric data that a forecast needs.
const HOURS_LEAST: usize = 24;
/// Hours of metric data that it uses: 14 days.
const HOURS_MOST: usize = 336;
/// Hours it looks ahead.
const AHEAD: usize = 48;
const DAY: usize = 24;
const WEEK: usize = 168;
const HOUR_SECONDS: i64 = 3_600;
/// Weight of the same weekday.
const WEEKDAY: f64 = 0.5;

/// Predictive scaling, `ForecastAndScale`, and target tracking of requests, whichever wants more.
#[derive(Debug, Clone)]
pub struct Predictive {
    tracking: TargetTracking,
    target: f64,
    history: History,
    forecast: Option<Forecast>,
}

impl Predictive {
    /// Both have the same target, the share of an instance that may be used.
    #[must_use]
    pub fn new(target: f64) -> Self {
        Self {
            tracking: TargetTracking::new(Metric::RequestsPerTarget, target),
            target,
            history: History::default(),
            forecast: None,
        }
    }
}

impl Scaler for Predictive {
    fn every(&self) -> Seconds {
        self.tracking.every()
    }

    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let hour = look.now.as_second().div_euclid(HOUR_SECONDS);
        if self.history.note(hour, look.rate(self.every())) && hour.rem_euclid(24) == 0 {
            self.forecast = self.history.forecast(hour);
        }
        let soon = BUFFER.after(look.now).as_second().div_euclid(HOUR_SECONDS);
        let floor = self
            .forecast
            .as_ref()
            .map_or(1, |forecast| forecast.capacity(hour, soon, look.instance, self.target));
        self.tracking.decide(look).max(floor)
    }
}

/// The mean load of each hour that is over, the newest last.
#[derive(Debug, Clone, Default)]
struct History {
    means: std::collections::VecDeque<f64>,
    hour: Option<i64>,
    sum: f64,
    count: f64,
}

impl History {
    /// Takes in the load of a minute, and says whether an hour is over by it.
    fn note(&mut self, hour: i64, rate: f64) -> bool {
        let is_over = self.hour.is_some_and(|last| last != hour);
        if is_over {
            self.means.push_back(self.sum / self.count);
            if self.means.len() > HOURS_MOST {
                self.means.pop_front();
            }
            (self.sum, self.count) = (0.0, 0.0);
        }
        self.hour = Some(hour);
        self.sum += rate;
        self.count += 1.0;
        is_over
    }

    /// What is to come from the hour that begins now; none: there are not enough data.
    fn forecast(&self, hour: i64) -> Option<Forecast> {
        (self.means.len() >= HOURS_LEAST).then(|| Forecast {
            from: hour,
            loads: std::array::from_fn(|ahead| self.ahead(ahead)),
        })
    }

    /// The mean of the same hour of the days that are known, and the same of the weekday.
    fn ahead(&self, ahead: usize) -> f64 {
        let daily = self.mean_back(ahead, DAY);
        let weekly = self.mean_back(ahead, WEEK);
        match (daily, weekly) {
            (Some(daily), Some(weekly)) => (1.0 - WEEKDAY) * daily + WEEKDAY * weekly,
            (daily, weekly) => daily.or(weekly).unwrap_or_default(),
        }
    }

    /// The mean of the known hours that lie so many seasons before the one so far ahead.
    fn mean_back(&self, ahead: usize, season: usize) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0.0);
        // the newest hour is one before the one that begins now
        let mut back = season;
        while back < ahead + 1 {
            back += season;
        }
        while let Some(place) = (self.means.len() + ahead).checked_sub(back) {
            sum += self.means.get(place)?;
            count += 1.0;
            back += season;
        }
        (count > 0.0).then(|| sum / count)
    }
}

/// The load of the hours to come.
#[derive(Debug, Clone)]
struct Forecast {
    from: i64,
    loads: [f64; AHEAD],
}

impl Forecast {
    /// What the present hour and the one that begins within the buffer need.
    fn capacity(&self, hour: i64, soon: i64, instance: Instance, target: f64) -> u32 {
        let load = |hour: i64| {
            usize::try_from(hour - self.from)
                .ok()
                .and_then(|ahead| self.loads.get(ahead))
                .copied()
                .unwrap_or_default()
        };
        instance.needed_at(load(hour).max(load(soon)), target)
    }
}

impl fmt::Display for Predictive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "emulated hourly forecast of 14 days at midnight, launched {BUFFER} ahead; {}",
            self.tracking
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::{load, wanted, world};

    fn history(hours: impl Iterator<Item = f64>) -> History {
        let mut history = History::default();
        for (hour, rate) in hours.enumerate() {
            history.note(i64::try_from(hour).unwrap(), rate);
        }
        let next = i64::try_from(history.means.len() + 1).unwrap();
        history.note(next, 0.0);
        history
    }

    #[test]
    fn a_forecast_needs_a_day_and_forgets_after_fourteen() {
        assert!(history((0..23).map(|_| 1.0)).forecast(23).is_none());
        assert!(history((0..24).map(|_| 1.0)).forecast(24).is_some());
        let days = |count: u32| history((0..count * 24).map(|hour| f64::from(hour / 24)));
        for (situation, known, ahead, expected) in [
            ("one day is all there is", 1, 0, 0.0),
            ("and all there is for the day after", 1, 30, 0.0),
            ("the mean of the days", 3, 5, 1.0),
            ("half of it from the weekday", 8, 5, 0.5 * 3.5 + 0.5 * 1.0),
            ("for the day after, too", 8, 29, 0.5 * 3.5 + 0.5 * 2.0),
            (
                "of two weeks of weekdays, and fourteen days of the twenty",
                20,
                5,
                0.5 * 12.5 + 0.5 * 9.5,
            ),
        ] {
            assert_eq!(days(known).ahead(ahead), expected, "{situation}");
        }
    }

    #[test]
    fn the_load_of_an_hour_is_there_before_it_and_until_its_end() {
        // three days with one busy hour, at ten o'clock; the day after has none
        let step_of = |day: usize, hour: usize, minute: usize| ((day * 24 + hour) * 60 + minute) * 2;
        let mut rates = vec![4.0; step_of(4, 0, 0)];
        for day in 0..3 {
            rates[step_of(day, 10, 0)..step_of(day, 11, 0)].fill(100.0);
        }
        let load = load(rates);
        let wanted = wanted(&load, &world(), &mut Predictive::new(0.5));
        let at = |hour, minute| wanted[step_of(3, hour, minute)];
        assert_eq!(at(9, 54), 1);
        assert_eq!(at(9, 55), 20, "a hundred requests a second of ten an instance at one half");
        assert_eq!(at(10, 59), 20);
        assert_eq!(at(11, 30), 1, "target tracking lets go");
        assert_eq!(wanted[step_of(0, 9, 59)], 1, "the first day has no forecast");
    }
}
