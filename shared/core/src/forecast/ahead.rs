//! What a decision reads of a forecast.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::expert::{self, EXPERTS};
use super::{Curve, Lags, Pair, Recent, SHARES};
use crate::id::{PolicyId, PoolId};
use crate::spec::Events;
use crate::tuning::Found;
use crate::unit::{Moment, Seconds};

/// The level of a season is that of a quarter of an hour.
const LEVEL: Seconds = Seconds::minutes(15);

/// What was learned of a load, and what is expected of the hours ahead: stored once an hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// When it was made.
    pub made_at: Moment,
    /// A load that is next to nothing: a twentieth of what one instance carries.
    pub least: f64,
    /// How much each expert counts.
    pub weights: [f64; EXPERTS],
    /// What may come, as a factor of what is expected: one for each of [`SHARES`].
    pub ratios: [f64; SHARES.len()],
    /// The mean load of a day.
    pub mean: f64,
    /// Whether forecasts are off three times as far as usual.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strays: bool,
    /// A day ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Curve>,
    /// A week ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<Curve>,
    /// The mean of the last seven days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Curve>,
    /// What so large a share of the loads at this time of day stayed below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usual: Vec<(u16, Curve)>,
}

/// The outlooks of a fleet: what the forecast function writes and a look reads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// One more with each write; zero: never written.
    pub version: u64,
    /// One for each policy that looks ahead and of whose load something is known.
    pub outlooks: BTreeMap<PoolId, BTreeMap<PolicyId, Outlook>>,
    /// What tuning last found, of each pool that it tunes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<PoolId, Found>,
}

impl Forecast {
    /// When the oldest of its outlooks was made; none: there is none.
    #[must_use]
    pub fn oldest(&self) -> Option<Moment> {
        self.outlooks
            .values()
            .flat_map(BTreeMap::values)
            .map(|outlook| outlook.made_at)
            .min()
    }
}

/// What an outlook says of one moment: the part that a decision depends on, and keeps a record of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Season {
    /// When the outlook was made.
    pub made_at: Moment,
    /// A load that is next to nothing.
    pub least: f64,
    /// So many minutes ahead.
    pub minutes: u32,
    /// How much each expert counts.
    pub weights: [f64; EXPERTS],
    /// What may come, as a factor of what is expected.
    pub ratios: [f64; SHARES.len()],
    /// The mean load of a day.
    pub mean: f64,
    /// Whether forecasts are off three times as far as usual.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strays: bool,
    /// What the same time was like before.
    #[serde(default)]
    pub lags: Lags,
    /// What so large a share of the loads at this time of day stayed below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usual: Vec<(u16, f64)>,
}

/// What lies ahead: the load that is expected, and what else may come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ahead {
    /// For when.
    pub at: Moment,
    /// When the outlook was made.
    pub made_at: Moment,
    /// The present load.
    pub now: f64,
    /// The load that is expected.
    pub expected: f64,
    /// A load that is next to nothing.
    pub least: f64,
    /// What may come, as a factor of what is expected: one for each of [`SHARES`].
    pub ratios: [f64; SHARES.len()],
    /// The mean load of a day.
    pub mean: f64,
    /// Whether forecasts are off three times as far as usual.
    pub strays: bool,
    /// What so large a share of the loads at this time of day stayed below, in percent.
    pub usual: Vec<(u16, f64)>,
    /// So many times the load that would be expected without events is expected.
    pub factor: f64,
}

impl Outlook {
    /// What it says of the moment so many minutes after `now`. The newest minute that is known ends at `now`.
    #[must_use]
    pub fn season(&self, now: Timestamp, minutes: u32) -> Season {
        let mut season = Season {
            made_at: self.made_at,
            least: self.least,
            minutes,
            weights: self.weights,
            ratios: self.ratios,
            mean: self.mean,
            strays: self.strays,
            lags: Lags::default(),
            usual: Vec::new(),
        };
        season.follow(self, now);
        season
    }
}

impl Season {
    /// The same outlook at another moment.
    pub(super) fn follow(&mut self, outlook: &Outlook, now: Timestamp) {
        let until = Seconds::minutes(self.minutes).after(now);
        // the middle of the last minute that a launch now has to be ready for
        let then = Seconds(30).before(until);
        let pair = |curve: &Option<Curve>| {
            let curve = curve.as_ref()?;
            Some(Pair {
                ahead: curve.at(then)?,
                level: curve.mean(LEVEL.before(now), now)?,
            })
        };
        self.lags = Lags {
            day: pair(&outlook.day),
            week: pair(&outlook.week),
            days: pair(&outlook.days),
        };
        self.usual.clear();
        self.usual
            .extend(outlook.usual.iter().filter_map(|(share, curve)| Some((*share, curve.at(then)?))));
    }

    /// What lies ahead of the present; none if nothing is known of it.
    #[must_use]
    pub fn ahead(&self, recent: &Recent, now: Timestamp) -> Option<Ahead> {
        Some(self.told(recent, now)?.1)
    }

    /// As [`Season::ahead`], with what each expert says.
    pub(super) fn told(&self, recent: &Recent, now: Timestamp) -> Option<([Option<f64>; EXPERTS], Ahead)> {
        let said = expert::ask(recent, &self.lags, f64::from(self.minutes), self.least);
        let expected = expert::together(&said, &self.weights)?.max(0.0);
        let ahead = Ahead {
            at: Seconds::minutes(self.minutes).after(now).into(),
            made_at: self.made_at,
            now: recent.now(),
            expected,
            least: self.least,
            ratios: self.ratios,
            mean: self.mean,
            strays: self.strays,
            usual: self.usual.clone(),
            factor: 1.0,
        };
        Some((said, ahead))
    }
}

impl Ahead {
    /// With the events of then and of now, of a load that was told as it would be without them.
    #[must_use]
    pub fn with_events(mut self, events: &Events, now: Timestamp) -> Self {
        // the middle of the last minute that a launch now has to be ready for
        self.factor = events.factor(Seconds(30).before(self.at.at()));
        self.now *= events.factor(now);
        self.expected *= self.factor;
        self.usual.iter_mut().for_each(|(_, load)| *load *= self.factor);
        self
    }

    /// What may come: in this share of the time more does than this load, from often to hardly ever.
    pub fn loads(&self) -> impl Iterator<Item = (f64, f64)> {
        let load = |ratio: &f64| (self.expected + self.least) * ratio - self.least;
        SHARES.iter().copied().zip(self.ratios.iter().map(load))
    }

    /// The load that is exceeded in at most so large a share of the time.
    #[must_use]
    pub fn enough(&self, exceeded: f64) -> Option<f64> {
        // what is left of 0.9 is a hair less than a tenth
        const HAIR: f64 = 1e-9;
        self.loads().find(|(share, _)| *share <= exceeded + HAIR).map(|(_, load)| load)
    }
}
