//! Metric samples: what CloudWatch said, including that it said nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::InstanceId;
use crate::spec::BreachRule;
use crate::unit::{Finite, Seconds};

/// Datapoints older than this many periods are stale: the default maximum age (`aws-facts`, metrics).
pub const AGE_MAX_PERIODS: u32 = 3;

/// One datapoint: the period that begins at `at`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Datapoint {
    /// Start of its period.
    pub at: Timestamp,
    /// The value.
    pub value: Finite,
}

/// The answer to one metric query. Missing is never zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Series {
    /// Datapoints, newest first, possibly none.
    Points {
        /// The datapoints.
        points: Vec<Datapoint>,
        /// Length of a datapoint.
        period: Seconds,
        /// For averages over instances: whether some instances had no data. A partial series never removes capacity.
        partial: bool,
        /// For averages over instances: earlier datapoints in which some instances had no data and counted as nothing. They may
        /// agree to more, never to fewer.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        incomplete: Vec<Timestamp>,
    },
    /// Several series, by the names under which a policy combines them.
    Several {
        /// The series.
        inputs: BTreeMap<String, Self>,
    },
    /// CloudWatch could not answer: unknown.
    Failed {
        /// What it said.
        why: String,
    },
    /// Not asked this time: a quiet fleet between polls. The policy holds.
    NotAsked,
}

/// What each instance of a pool carries, of the newest period that any of them has a datapoint of. One without a datapoint of
/// that period is absent: unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loads {
    /// Start of the period.
    pub at: Timestamp,
    /// Its length.
    pub period: Seconds,
    /// The values.
    pub by_instance: BTreeMap<InstanceId, Finite>,
}

impl Loads {
    /// Of one series for each instance. None: there is no datapoint at all.
    #[must_use]
    pub fn of(series: &[(InstanceId, Series)], period: Seconds) -> Option<Self> {
        let newest = |series: &Series| match series {
            Series::Points { points, .. } => points.first().copied(),
            _ => None,
        };
        let at = series.iter().filter_map(|(_, series)| newest(series)).map(|point| point.at).max()?;
        let of_then = |(id, series): &(InstanceId, Series)| {
            let point = newest(series).filter(|point| point.at == at)?;
            Some((id.clone(), point.value))
        };
        Some(Self {
            at,
            period,
            by_instance: series.iter().filter_map(of_then).collect(),
        })
    }

    /// What an instance carries, if that is known and no older than a metric may be.
    #[must_use]
    pub fn load(&self, instance: &InstanceId, now: Timestamp) -> Option<Finite> {
        self.fresh(now)?.get(instance).copied()
    }

    /// What each instance carries, if that is no older than a metric may be.
    pub(crate) fn fresh(&self, now: Timestamp) -> Option<&BTreeMap<InstanceId, Finite>> {
        let age = Seconds::between(self.period.after(self.at), now);
        (age <= age_max(self.period)).then_some(&self.by_instance)
    }
}

/// The newest datapoints of a metric of each instance of a pool. One that CloudWatch did not answer for, or only in part, is absent:
/// unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Readings {
    /// Start of the newest period that any of them has a datapoint of.
    pub at: Timestamp,
    /// Its length.
    pub period: Seconds,
    /// The values, from that period backwards; none: no datapoint of a period.
    pub by_instance: BTreeMap<InstanceId, Vec<Option<Finite>>>,
}

impl Readings {
    /// Of one series for each instance, asked at `now` for so many datapoints.
    #[must_use]
    pub fn of(series: Vec<(InstanceId, Series)>, period: Seconds, datapoints: u8, now: Timestamp) -> Self {
        let whole = |(id, series): (InstanceId, Series)| match series {
            Series::Points {
                points, partial: false, ..
            } => Some((id, points)),
            _ => None,
        };
        let series: Vec<(InstanceId, Vec<Datapoint>)> = series.into_iter().filter_map(whole).collect();
        let at = series.iter().flat_map(|(_, points)| points).map(|point| point.at).max();
        let at = at.unwrap_or(now);
        // whoever is further behind the others is too old by itself
        let reach = usize::from(datapoints).saturating_add(usize::try_from(AGE_MAX_PERIODS).unwrap_or(usize::MAX));
        let values = |points: Vec<Datapoint>| {
            let mut values = Vec::new();
            for point in points {
                let back = usize::try_from(Seconds::between(point.at, at).0 / period.0.max(1)).unwrap_or(usize::MAX);
                if back < reach {
                    values.resize(values.len().max(back.saturating_add(1)), None);
                    if let Some(value) = values.get_mut(back) {
                        *value = Some(point.value);
                    }
                }
            }
            values
        };
        Self {
            at,
            period,
            by_instance: series.into_iter().map(|(id, points)| (id, values(points))).collect(),
        }
    }

    /// The last so many datapoints of an instance, newest first, if they follow each other without a gap, the newest is no older than
    /// a metric may be, and none of them began before `from`.
    #[must_use]
    pub fn last(&self, instance: &InstanceId, datapoints: u8, from: Timestamp, now: Timestamp) -> Option<Vec<Finite>> {
        let values = self.by_instance.get(instance)?;
        let behind = values.iter().take_while(|value| value.is_none()).count();
        let back = |periods: usize| {
            let periods = u32::try_from(periods).unwrap_or(u32::MAX);
            Seconds(self.period.0.saturating_mul(periods)).before(self.at)
        };
        let is_fresh = Seconds::between(self.period.after(back(behind)), now) <= age_max(self.period);
        let count = usize::from(datapoints);
        let last: Option<Vec<Finite>> = values.iter().skip(behind).take(count).copied().collect();
        let first = back(behind.saturating_add(count.saturating_sub(1)));
        last.filter(|last| last.len() == count && is_fresh && first >= from)
    }
}

/// What a policy may conclude from a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// A fresh value.
    Value {
        /// Start of its period.
        at: Timestamp,
        /// The value.
        value: Finite,
    },
    /// A fresh value from some of the instances: enough to add, never to remove.
    Partial {
        /// Start of its period.
        at: Timestamp,
        /// The value.
        value: Finite,
    },
    /// The newest datapoint is too old to act on.
    Stale {
        /// How old it is.
        age: Seconds,
    },
    /// No datapoint, or no answer.
    Missing,
    /// Not asked this time.
    NotAsked,
}

impl Series {
    /// The newest datapoint, judged by its age at `now`. Of several series, the least usable one; of usable ones the oldest.
    #[must_use]
    pub fn sample(&self, now: Timestamp) -> Sample {
        match self {
            Self::NotAsked => Sample::NotAsked,
            Self::Failed { .. } => Sample::Missing,
            Self::Several { inputs } => {
                let samples = inputs.values().map(|series| series.sample(now));
                samples.reduce(Sample::less_usable).unwrap_or(Sample::Missing)
            }
            Self::Points {
                points, period, partial, ..
            } => match points.first() {
                None => Sample::Missing,
                Some(newest) => {
                    let age = Seconds::between(period.after(newest.at), now);
                    match (age > age_max(*period), *partial) {
                        (true, _) => Sample::Stale { age },
                        (false, true) => Sample::Partial {
                            at: newest.at,
                            value: newest.value,
                        },
                        (false, false) => Sample::Value {
                            at: newest.at,
                            value: newest.value,
                        },
                    }
                }
            },
        }
    }

    /// Whether there was an answer, and a datapoint missing in it. Of several series each must have been answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let is_answered = |series: &Self| matches!(series, Self::Points { .. });
        match self {
            Self::NotAsked | Self::Failed { .. } => false,
            Self::Several { inputs } => inputs.values().all(is_answered) && inputs.values().any(Self::is_empty),
            Self::Points { points, .. } => points.is_empty(),
        }
    }

    /// Whether at least `rule.datapoints` of the last `rule.of` periods, up to the newest datapoint, satisfy `test`. A
    /// period without a datapoint does not.
    #[must_use]
    pub fn breaches(&self, rule: BreachRule, test: impl Fn(f64) -> bool) -> bool {
        self.agree(rule, |point| test(point.value.get()))
    }

    /// As [`breaches`](Self::breaches), by complete datapoints alone: what asks for fewer must not rest on instances that said nothing.
    #[must_use]
    pub fn allows_fewer(&self, rule: BreachRule, test: impl Fn(f64) -> bool) -> bool {
        let Self::Points { incomplete, .. } = self else { return false };
        self.agree(rule, |point| !incomplete.contains(&point.at) && test(point.value.get()))
    }

    fn agree(&self, rule: BreachRule, test: impl Fn(&Datapoint) -> bool) -> bool {
        let Self::Points { points, period, .. } = self else { return false };
        let Some(newest) = points.first() else { return false };
        let reach = reach(*period, rule.of, newest.at);
        let hits = points
            .iter()
            .take_while(|point| point.at >= reach)
            .filter(|point| test(point))
            .count();
        hits >= usize::from(rule.datapoints)
    }
}

impl Series {
    /// One series out of several: a datapoint for every moment at which all of them have one and `value`, which is given
    /// their values in the order of their names, has an answer. What one of them lacks, the whole lacks. Only the last `periods` are
    /// combined, up to the newest datapoint that comes of it.
    #[must_use]
    pub fn combine(&self, periods: u8, value: impl Fn(&[f64]) -> Option<Finite>) -> Self {
        let Self::Several { inputs } = self else { return self.clone() };
        let (mut columns, mut longest, mut some, mut lacking) = (Vec::new(), Seconds(0), false, Vec::new());
        for series in inputs.values() {
            match series {
                Self::Points {
                    points,
                    period,
                    partial,
                    incomplete,
                } => {
                    columns.push(points);
                    longest = longest.max(*period);
                    some |= *partial;
                    lacking.extend(incomplete.iter().copied());
                }
                Self::NotAsked | Self::Failed { .. } | Self::Several { .. } => return series.clone(),
            }
        }
        let at_moment = |at: Timestamp| {
            let of = |points: &&Vec<Datapoint>| points.iter().find(|point| point.at == at).map(|point| point.value.get());
            let values: Option<Vec<f64>> = columns.iter().map(of).collect();
            value(&values?).map(|value| Datapoint { at, value })
        };
        let moments = columns.first().into_iter().flat_map(|points| points.iter());
        let mut all = moments.filter_map(|point| at_moment(point.at));
        let newest = all.next();
        let reach = newest.map(|newest| reach(longest, periods, newest.at));
        let others = all.take_while(|point| Some(point.at) >= reach);
        Self::Points {
            points: newest.into_iter().chain(others).collect(),
            period: longest,
            partial: some,
            incomplete: lacking,
        }
    }
}

/// When the first of so many periods began of which the last one began at `newest`.
fn reach(period: Seconds, periods: u8, newest: Timestamp) -> Timestamp {
    Seconds(period.0.saturating_mul(u32::from(periods).saturating_sub(1))).before(newest)
}

impl Sample {
    /// Of two samples that are needed both, the one that says what may be concluded.
    fn less_usable(self, other: Self) -> Self {
        let rank = |sample: &Self| match sample {
            Self::Value { .. } => 0_u8,
            Self::Partial { .. } => 1,
            Self::Stale { .. } => 2,
            Self::Missing => 3,
            Self::NotAsked => 4,
        };
        match (self, other) {
            (Self::Value { at, .. }, Self::Value { at: than, .. }) | (Self::Partial { at, .. }, Self::Partial { at: than, .. })
                if at > than =>
            {
                other
            }
            (Self::Stale { age }, Self::Stale { age: than }) if age < than => other,
            _ if rank(&self) < rank(&other) => other,
            _ => self,
        }
    }
}

/// How old a datapoint of this period may be, counted from the end of its period.
#[must_use]
pub fn age_max(period: Seconds) -> Seconds {
    Seconds(period.0.saturating_mul(AGE_MAX_PERIODS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[(i64, f64)]) -> Series {
        let point = |(minutes, value): &(i64, f64)| {
            Some(Datapoint {
                at: Timestamp::from_second(minutes * 60).ok()?,
                value: Finite::new(*value)?,
            })
        };
        Series::Points {
            points: values.iter().filter_map(point).collect(),
            period: Seconds(60),
            partial: false,
            incomplete: Vec::new(),
        }
    }

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_second(n * 60).unwrap_or(Timestamp::MIN)
    }

    #[test]
    fn a_datapoint_is_stale_after_three_periods() {
        let points = series(&[(10, 5.0)]);
        assert!(matches!(points.sample(minute(14)), Sample::Value { .. }));
        assert_eq!(points.sample(minute(15)), Sample::Stale { age: Seconds(240) });
        assert_eq!(series(&[]).sample(minute(11)), Sample::Missing);
        assert_eq!(Series::Failed { why: String::new() }.sample(minute(11)), Sample::Missing);
    }

    #[test]
    fn what_some_instances_did_not_say_agrees_to_more_and_never_to_fewer() {
        let mut points = series(&[(10, 20.0), (9, 20.0), (8, 20.0)]);
        if let Series::Points { incomplete, .. } = &mut points {
            incomplete.push(minute(9));
        }
        let (two, three) = (BreachRule { datapoints: 2, of: 3 }, BreachRule { datapoints: 3, of: 3 });
        let low = |value: f64| value < 30.0;
        assert!(points.allows_fewer(two, low));
        assert!(!points.allows_fewer(three, low), "the middle one is too low for want of data");
        assert!(points.breaches(three, low));
    }

    #[test]
    fn loads_are_of_one_period_and_of_whoever_has_it() {
        let of = |id: &str, values: &[(i64, f64)]| (InstanceId::new(id), series(values));
        let failed = (InstanceId::new("i-4"), Series::Failed { why: String::new() });
        let all = [
            of("i-1", &[(10, 80.0), (9, 10.0)]),
            of("i-2", &[(9, 20.0)]),
            of("i-3", &[(10, 30.0)]),
            failed,
        ];
        let loads = Loads::of(&all, Seconds(60));
        let load = |id: &str, now| {
            loads
                .as_ref()
                .and_then(|loads| loads.load(&InstanceId::new(id), now))
                .map(Finite::get)
        };
        assert_eq!(load("i-1", minute(11)), Some(80.0));
        assert_eq!(load("i-2", minute(11)), None, "of another period");
        assert_eq!(load("i-3", minute(14)), Some(30.0));
        assert_eq!(load("i-3", minute(15)), None, "too old");
        assert_eq!(load("i-4", minute(11)), None, "CloudWatch could not answer");
        assert_eq!(Loads::of(&[of("i-1", &[])], Seconds(60)), None);
    }

    #[test]
    fn breaches_count_periods_not_looks() {
        let rule = |datapoints, of| BreachRule { datapoints, of };
        let high = |value: f64| value > 70.0;
        let points = series(&[(10, 80.0), (9, 60.0), (8, 90.0), (6, 95.0)]);
        for (situation, rule, expected) in [
            ("newest alone", rule(1, 1), true),
            ("two of three", rule(2, 3), true),
            ("three of three", rule(3, 3), false),
            ("a gap at 7 is no breach", rule(3, 4), false),
            ("three of five", rule(3, 5), true),
        ] {
            assert_eq!(points.breaches(rule, high), expected, "{situation}");
        }
    }
}
