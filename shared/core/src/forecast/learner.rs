//! Follows a load minute by minute, and learns.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::expert::EXPERTS;
use super::history::{BUCKET, rank};
use super::recent::LOAD_MOST;
use super::{Ahead, Curve, History, Outlook, Recent, Residuals, Season};
use crate::unit::Seconds;

/// An expert's errors count less by this factor each minute: half after two hours and a quarter.
const MEMORY: f64 = 0.995;
/// How much more an expert counts that was less wrong.
const TRUST: f64 = 2.0;
/// No single error counts more.
const ERROR_MOST: f64 = 2.0;
/// A load that is next to nothing, as a share of what one instance carries: below it, differences mean nothing.
const LEAST: f64 = 0.05;
/// What one instance carries counts as no less: a share of it has to be more than nothing.
const UNIT_LEAST: f64 = 1e-100;
/// The mean load is that of a day.
const MEAN_MINUTES: f64 = 1_440.0;
/// An outlook's usual loads are known for each half an hour.
const USUAL_STEP: Seconds = Seconds::minutes(30);
/// In its first minutes it learns faster than once an hour.
const EAGER_MINUTES: u32 = 300;
/// So many loads have to be known around a time of day before anything is called usual.
const USUAL_LEAST: usize = 10;

/// What is remembered of a load between two hours: everything from which an [`Outlook`] is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learner {
    /// What one instance carries.
    unit: f64,
    /// So many minutes ahead is forecast.
    minutes: u32,
    recent: Recent,
    history: History,
    /// Minutes of the bucket that has begun: their sum, how many of them are known, and how many there were.
    bucket: (f64, u32, u32),
    losses: [f64; EXPERTS],
    residuals: Residuals,
    mean: f64,
    known: u32,
    /// What was said of the minutes that have not come yet.
    said: VecDeque<Said>,
    /// By what was learned up to the last full hour, decisions are made.
    outlook: Outlook,
    season: Season,
}

/// What was said of a minute that had not come yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Said {
    experts: [Option<f64>; EXPERTS],
    expected: Option<f64>,
}

impl Learner {
    /// Knows nothing yet of a load of which one instance carries `unit` per minute. Forecasts so many minutes ahead.
    #[must_use]
    pub fn new(unit: f64, minutes: u32, start: Timestamp) -> Self {
        let unit = bounded(unit);
        let history = History::new(start);
        let gone = Seconds::between(history.end(), start).0 / 60;
        let nothing = Outlook {
            made_at: start.into(),
            least: LEAST * unit,
            weights: [1.0; EXPERTS],
            ratios: Residuals::default().ratios(),
            mean: 0.0,
            strays: false,
            day: None,
            week: None,
            days: None,
            usual: Vec::new(),
        };
        Self {
            unit,
            minutes,
            recent: Recent::default(),
            history,
            bucket: (0.0, 0, gone),
            losses: [0.0; EXPERTS],
            residuals: Residuals::default(),
            mean: 0.0,
            known: 0,
            said: VecDeque::new(),
            season: nothing.season(start, minutes),
            outlook: nothing,
        }
    }

    /// One instance carries so much per minute from now on.
    pub fn set_unit(&mut self, unit: f64) {
        self.unit = bounded(unit);
    }

    /// Takes in the minute that ends at `now`; none: nothing is known of it. What lies ahead of that moment; none while nothing is known.
    /// `usual` are the shares, in percent, of which usual loads are wanted.
    pub fn note(&mut self, value: Option<f64>, now: Timestamp, usual: &[u16]) -> Option<Ahead> {
        let value = value.filter(|value| value.is_finite() && *value >= 0.0);
        let value = value.map(|value| value.min(LOAD_MOST));
        self.judge(value);
        self.fill_bucket(value);
        match value {
            Some(value) => {
                self.recent.push(value);
                self.known = self.known.saturating_add(1);
                self.mean += (value - self.mean) / f64::from(self.known).min(MEAN_MINUTES);
            }
            // what is not known must not look as if it had just been
            None => self.recent = Recent::default(),
        }
        // in its first hours it learns faster than once an hour
        if now.as_second().rem_euclid(3_600) == 0 || self.known < EAGER_MINUTES {
            self.outlook = self.look_out(now, 2, usual);
            self.season = self.outlook.season(now, self.minutes);
        } else {
            self.season.follow(&self.outlook, now);
        }
        let told = value.and_then(|_| self.season.told(&self.recent, now));
        self.said.push_back(Said {
            experts: told.as_ref().map_or([None; EXPERTS], |(experts, _)| *experts),
            expected: told.as_ref().map(|(_, ahead)| ahead.expected),
        });
        told.map(|(_, ahead)| ahead)
    }

    /// By what is known at `now`, the hours ahead.
    #[must_use]
    pub fn look_out(&self, now: Timestamp, hours: u32, usual: &[u16]) -> Outlook {
        // the history ends with a whole bucket; what comes after it is as good as now
        let buckets = hours.saturating_mul(3_600 / BUCKET.0).saturating_add(2);
        let least_loss = self.losses.iter().copied().fold(f64::INFINITY, f64::min);
        Outlook {
            made_at: now.into(),
            least: LEAST * self.unit,
            weights: self.losses.map(|loss| libm::exp(-TRUST * (loss - least_loss))),
            ratios: self.residuals.ratios(),
            mean: self.mean,
            strays: self.residuals.stray(),
            day: self.history.season(1, buckets),
            week: self.history.season(7, buckets),
            days: self.history.mean_day(buckets),
            usual: self.usual(hours, usual),
        }
    }

    /// How many whole days are known.
    #[must_use]
    pub fn days(&self) -> usize {
        self.history.days()
    }

    fn usual(&self, hours: u32, shares: &[u16]) -> Vec<(u16, Curve)> {
        if shares.is_empty() {
            return Vec::new();
        }
        let per_step = USUAL_STEP.0 / BUCKET.0;
        let steps = hours.saturating_mul(3_600 / USUAL_STEP.0).saturating_add(1);
        let sorted: Vec<Vec<f64>> = (0..steps)
            .map(|step| self.history.around(step.saturating_mul(per_step).saturating_add(per_step / 2)))
            .take_while(|values| values.len() >= USUAL_LEAST)
            .collect();
        let curve = |share: &u16| {
            let at = |values: &Vec<f64>| rank(values, f64::from(*share) / 100.0);
            let values: Vec<f64> = sorted.iter().map_while(at).collect();
            (!values.is_empty()).then(|| (*share, Curve::new(self.history.end(), USUAL_STEP, values)))
        };
        shares.iter().filter_map(curve).collect()
    }

    /// Compares what has come with what was said of it.
    fn judge(&mut self, came: Option<f64>) {
        let ahead = usize::try_from(self.minutes).unwrap_or(usize::MAX);
        if self.said.len() < ahead {
            return;
        }
        let (Some(said), Some(came)) = (self.said.pop_front(), came) else {
            return;
        };
        let least = self.outlook.least;
        for (loss, expected) in self.losses.iter_mut().zip(said.experts) {
            let Some(expected) = expected else { continue };
            let off = libm::fabs(libm::log((came + least) / (expected + least)));
            *loss = *loss * MEMORY + if off.is_finite() { off.min(ERROR_MOST) } else { 0.0 };
        }
        if let Some(expected) = said.expected {
            self.residuals.note(came + least, expected + least, &self.outlook.ratios);
        }
    }

    fn fill_bucket(&mut self, value: Option<f64>) {
        let (sum, known, minutes) = &mut self.bucket;
        *minutes = minutes.saturating_add(1);
        if let Some(value) = value {
            *sum += value;
            *known = known.saturating_add(1);
        }
        if *minutes >= BUCKET.0 / 60 {
            self.history.push((*known > 0).then(|| *sum / f64::from(*known)));
            self.bucket = (0.0, 0, 0);
        }
    }
}

fn bounded(unit: f64) -> f64 {
    unit.clamp(UNIT_LEAST, LOAD_MOST)
}
