//! What one instance can answer, learned from how much of it is used at what it answers.
//!
//! The service demand law: the use of all instances together is the demand times what one request takes. So a datapoint of both
//! tells how many requests a second would use an instance up to its saturation. The law says little where hardly anything is used,
//! and what is answered under saturation is no proof of what could be. An estimate that is too high starves the pool, one that is
//! too low costs money: it falls at once and rises slowly.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{InstanceType, digest};
use crate::policy::finite_count;
use crate::reserve::hour_of;
use crate::sample::{Datapoint, Sample, Series};
use crate::spec::LaunchSpec;
use crate::unit::{Finite, Moment, Percent, Seconds};

/// Before so many hours have shown it, nothing is learned.
pub const HOURS_LEAST: usize = 6;
/// So many hours are remembered.
pub const HOURS_MAX: usize = 24;
/// So many of the last datapoints are looked at.
pub const POINTS: u32 = 9;
/// So many of them must be good: the median is to outvote two bad ones.
const POINTS_LEAST: usize = 5;
/// Below this use two points of idle work are a tenth of the number.
pub const USE_LEAST: Percent = Percent(20);
/// Of the median of the hours that are known, no new hour counts more.
const HOUR_MOST: Percent = Percent(110);
/// An hour's number is replaced by one below this share of it: what differs less is noise, and not worth a write.
const LESS: Percent = Percent(95);
/// Requests per second are remembered in thousandths.
const THOUSANDTHS: f64 = 1_000.0;

/// What is remembered of one policy that learns: a few hundred bytes, written when an hour begins, who serves changes, or less is
/// measured than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    /// Of which launch template and instance types, as a digest: of others nothing is known.
    pub of: String,
    /// Of which version of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Since when the same instances serve, and nobody else counts in the metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub still: Option<Still>,
    /// The newest hour, counted from the epoch.
    pub hour: i64,
    /// Thousandths of a request per second and instance, one number for each hour that showed any, the newest last, at most
    /// [`HOURS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<u32>,
}

/// A pool in which nobody comes or leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Still {
    /// Since when it was seen so.
    pub since: Moment,
    /// Digest of who serves.
    pub among: String,
}

impl Rating {
    /// Nothing known yet.
    #[must_use]
    pub fn new(of: String, version: Option<u64>) -> Self {
        Self {
            of,
            version,
            still: None,
            hour: 0,
            hours: Vec::new(),
        }
    }

    /// Takes in of what the pool is now. Of another template or other types nothing is known. Another version mostly does what the
    /// one before it did: what was learned stands, for as many hours as it takes to learn, and new hours soon outvote it.
    pub(crate) fn follow(&mut self, of: String, version: Option<u64>) {
        if self.of != of {
            *self = Self::new(of, version);
        } else if version.is_some() && self.version != version {
            if self.version.is_some() {
                let known = self.thousandths().map(|known| vec![known; HOURS_LEAST]);
                self.hours = known.unwrap_or_default();
            }
            self.version = version;
        }
    }

    /// Takes in who serves: `among`, if nobody else counts in the metrics. Since when that is so; none: only from now on.
    pub(crate) fn watch(&mut self, among: Option<String>, now: Timestamp) -> Option<Timestamp> {
        match (&self.still, among) {
            (Some(still), Some(among)) if still.among == among => return Some(still.since.at()),
            (_, among) => {
                self.still = among.map(|among| Still { since: now.into(), among });
            }
        }
        None
    }

    /// Takes in what was measured. Writes nothing new unless the hour is new or less than before was measured.
    pub(crate) fn note(&mut self, measured: Measured, now: Timestamp) {
        let known = self.thousandths();
        if measured.saturated && known.is_none_or(|known| measured.thousandths >= LESS.of_floor(known)) {
            // saturated instances show that they cannot do more, never that they can
            return;
        }
        let most = known
            .and_then(|_| median(&self.hours))
            .map(|median| HOUR_MOST.of_floor(median).max(1));
        let value = measured.thousandths.min(most.unwrap_or(u32::MAX));
        let hour = hour_of(now);
        // a clock that runs behind belongs to the newest hour
        if self.hours.is_empty() || hour > self.hour {
            self.hours.push(value);
            self.hours.drain(..self.hours.len().saturating_sub(HOURS_MAX));
            self.hour = hour;
        } else if let Some(newest) = self.hours.last_mut().filter(|newest| value < LESS.of_floor(**newest)) {
            *newest = value;
        }
    }

    /// The median of the hours, or the newest hour if that is less.
    fn thousandths(&self) -> Option<u32> {
        if self.hours.len() < HOURS_LEAST {
            return None;
        }
        median(&self.hours).min(self.hours.last().copied()).filter(|learned| *learned > 0)
    }
}

/// Of what a pool is, as a digest: its template, and its types, as the spec lists them or, if it lists none, as they serve. None: nobody
/// does.
#[must_use]
pub fn kind<'a>(launch: &'a LaunchSpec, serving: impl Iterator<Item = &'a InstanceType>) -> Option<String> {
    let mut types: BTreeSet<&str> = launch.instance_types.iter().map(InstanceType::as_str).collect();
    if types.is_empty() {
        types.extend(serving.map(InstanceType::as_str));
    }
    let types: Vec<&str> = types.into_iter().collect();
    (!types.is_empty()).then(|| digest(&format!("{} {}", launch.template.key.as_str(), types.join(" "))))
}

/// A rate as it is remembered, rounded down; none for what is no rate.
#[must_use]
#[expect(clippy::float_arithmetic, reason = "a rate to thousandths")]
pub fn thousandths(rate: f64) -> Option<u32> {
    finite_count(libm::floor(rate * THOUSANDTHS))
}

/// Requests per second that one instance can answer; none: not learned yet.
#[must_use]
#[expect(clippy::float_arithmetic, reason = "thousandths to a rate")]
pub fn learned(rating: Option<&Rating>) -> Option<Finite> {
    Finite::new(f64::from(rating?.thousandths()?) / THOUSANDTHS)
}

/// How many hours have shown it.
#[must_use]
pub fn hours(rating: Option<&Rating>) -> u32 {
    u32::try_from(rating.map_or(0, |rating| rating.hours.len())).unwrap_or(u32::MAX)
}

/// What the last datapoints say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Thousandths of a request per second and instance, up to saturation.
    pub thousandths: u32,
    /// Whether the instances were saturated.
    pub saturated: bool,
}

/// What is measured: the demand of all instances, a count per period, and how much of each of them is used, in percent.
#[derive(Debug, Clone, Copy)]
pub struct Metered<'a> {
    /// The demand.
    pub demand: &'a Series,
    /// The use.
    pub used: &'a Series,
    /// So many serve.
    pub instances: u32,
    /// So it has been since then.
    pub since: Timestamp,
    /// So much of an instance may be used.
    pub saturation: Percent,
}

impl Metered<'_> {
    /// What the last datapoints say, if both series are fresh and whole, and enough of them fit.
    #[must_use]
    pub fn measure(&self, now: Timestamp) -> Option<Measured> {
        let is_fresh = |series: &Series| matches!(series.sample(now), Sample::Value { .. });
        let (
            true,
            Series::Points {
                points,
                period,
                incomplete,
                ..
            },
        ) = (is_fresh(self.demand) && is_fresh(self.used), self.used)
        else {
            return None;
        };
        let whole = points
            .iter()
            .filter(|point| point.at >= self.since && !incomplete.contains(&point.at));
        let newest = whole.take(usize::try_from(POINTS).unwrap_or(usize::MAX));
        let good: Vec<(u32, u32)> = newest.filter_map(|point| self.at(point, *period)).collect();
        if good.len() < POINTS_LEAST {
            return None;
        }
        let is_saturated = |used: u32| used >= u32::from(self.saturation.0);
        let uses: Vec<u32> = good.iter().map(|(_, used)| *used).collect();
        let saturated = is_saturated(median(&uses)?);
        // the few that were saturated show no more than the others, and often too much: use ends at all of it, demand does not
        let counted = good.iter().filter(|(_, used)| saturated || !is_saturated(*used));
        let rates: Vec<u32> = counted.map(|(rate, _)| *rate).collect();
        Some(Measured {
            thousandths: median(&rates)?,
            saturated,
        })
    }

    /// What one datapoint says: the rate at saturation, and how much was used, in percent.
    #[expect(clippy::float_arithmetic, reason = "the service demand law")]
    fn at(&self, used: &Datapoint, period: Seconds) -> Option<(u32, u32)> {
        let percent = used.value.get();
        if percent < f64::from(USE_LEAST.0) || percent > 100.0 || self.instances == 0 {
            return None;
        }
        let (demand, most) = self.demand_within(used.at, period)?;
        let each = |rate: f64| rate / f64::from(self.instances);
        let rate = each(demand / f64::from(period.0)) * f64::from(self.saturation.0) / percent;
        // an average that hides saturation: of a part that asked for more than can be answered the rate always falls short
        if percent < f64::from(self.saturation.0) && each(most) > rate {
            return None;
        }
        Some((thousandths(rate).filter(|rate| *rate > 0)?, finite_count(libm::floor(percent))?))
    }

    /// Requests of one period of the use, and the most in a second of one of its datapoints, if the demand has every one.
    #[expect(clippy::float_arithmetic, reason = "a sum of a metric's values")]
    fn demand_within(&self, at: Timestamp, length: Seconds) -> Option<(f64, f64)> {
        let Series::Points {
            points,
            period,
            incomplete,
            ..
        } = self.demand
        else {
            return None;
        };
        let end = length.after(at);
        let within = points
            .iter()
            .filter(|point| at <= point.at && period.after(point.at) <= end && !incomplete.contains(&point.at));
        let (count, sum, most) = within.fold((0_u32, 0.0, 0.0_f64), |(count, sum, most), point| {
            (count.saturating_add(1), sum + point.value.get(), most.max(point.value.get()))
        });
        (count > 0 && count.saturating_mul(period.0) == length.0).then(|| (sum, most / f64::from(period.0)))
    }
}

/// The middle one; of two the lower.
fn median(values: &[u32]) -> Option<u32> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}
