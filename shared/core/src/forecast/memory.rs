//! What is remembered of one load from hour to hour, so that an hour costs only its own minutes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Learner, Outlook};
use crate::sample::{Datapoint, Series};
use crate::spec::Events;
use crate::spec::metric::QueryShape;
use crate::unit::{Moment, Seconds};

/// A load is learned from so long a past. CloudWatch keeps minutes for fifteen days.
pub const PAST: Seconds = Seconds::minutes(14 * 24 * 60);
/// A datapoint counts as final so long after its period: load balancers publish it within two minutes or three.
pub const SETTLED_AFTER: Seconds = Seconds(180);
/// An outlook reaches so far: as long as it counts, and the furthest look ahead on top.
const OUTLOOK_HOURS: u32 = 4;
const MINUTE: Seconds = Seconds(60);

/// Whose load, for how far ahead, and without which events. If any of it is another one, everything is learned anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The metric, as CloudWatch is asked for it.
    pub metric: QueryShape,
    /// So many minutes ahead is forecast.
    pub minutes: u32,
    /// The events without which the load is learned, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
}

/// What is remembered of one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    subject: Subject,
    /// Everything before this moment was learned.
    until: Moment,
    /// None: no minute of the load is known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learner: Option<Learner>,
}

/// Why an answer teaches nothing: it is asked for again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unlearnable {
    /// CloudWatch did not answer.
    #[error("CloudWatch did not answer: {0}")]
    Failed(String),
    /// A part of it is missing.
    #[error("a part of the load is missing")]
    Partial,
}

impl Memory {
    /// Goes on from what is stored, if that is about the same and not longer ago than is learned anyway; else from nothing.
    #[must_use]
    pub fn resume(stored: Option<Self>, subject: Subject, now: Timestamp) -> Self {
        let newest = settled(subject.metric.period(), now);
        let oldest = PAST.before(newest);
        match stored {
            Some(stored) if stored.subject == subject && stored.until.at() >= oldest => stored,
            _ => Self {
                subject,
                until: oldest.into(),
                learner: None,
            },
        }
    }

    /// The metric whose minutes it wants.
    #[must_use]
    pub fn metric(&self) -> &QueryShape {
        &self.subject.metric
    }

    /// So many of the newest datapoints are wanted; zero: none is new.
    #[must_use]
    pub fn wanted(&self, now: Timestamp) -> u32 {
        let period = self.subject.metric.period();
        if settled(period, now) <= self.until.at() {
            return 0;
        }
        // the newest that are not final come along
        Seconds::between(self.until.at(), now).0 / period.0.max(1)
    }

    /// Everything before this moment was learned.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until.at()
    }

    /// How many whole days it goes back.
    #[must_use]
    pub fn days(&self) -> usize {
        self.learner.as_ref().map_or(0, Learner::days)
    }

    /// Takes in the minutes that have become final since, as they would have been without these events. One instance carries `unit` of a
    /// minute's load.
    ///
    /// # Errors
    /// The answer is not whole; nothing is taken in.
    pub fn learn(&mut self, series: &Series, events: &Events, unit: f64, now: Timestamp) -> Result<(), Unlearnable> {
        let (points, period) = match series {
            Series::Points { partial: true, .. } => return Err(Unlearnable::Partial),
            Series::Points { points, period, .. } => (points, *period),
            Series::Failed { why } => return Err(Unlearnable::Failed(why.clone())),
            Series::Several { .. } | Series::NotAsked => return Err(Unlearnable::Failed("no series".to_owned())),
        };
        let until = settled(self.subject.metric.period(), now);
        for (end, load) in Minutes::of(points, period, self.until.at(), until) {
            let learner = match (&mut self.learner, load) {
                (Some(learner), _) => learner,
                // a fleet that is new has no past of which it could be said that it is not known
                (None, None) => continue,
                (none, Some(_)) => none.insert(Learner::new(unit, self.subject.minutes, MINUTE.before(end))),
            };
            learner.note(load.map(|load| load / events.factor(MINUTE.before(end))), end, &[]);
        }
        if let Some(learner) = &mut self.learner {
            learner.set_unit(unit);
        }
        self.until = self.until.at().max(until).into();
        Ok(())
    }

    /// What is expected of the next hours; none: nothing is known. `usual` are the shares, in percent, of which usual loads are wanted.
    #[must_use]
    pub fn outlook(&self, usual: &[u16]) -> Option<Outlook> {
        let learner = self.learner.as_ref()?;
        Some(learner.look_out(self.until.at(), OUTLOOK_HOURS, usual))
    }
}

/// The end of the newest period, and minute, that is final.
fn settled(period: Seconds, now: Timestamp) -> Timestamp {
    let length = i64::from(period.0.max(MINUTE.0));
    let second = SETTLED_AFTER.before(now).as_second();
    Timestamp::from_second(second.saturating_sub(second.rem_euclid(length))).unwrap_or(now)
}

/// A load minute by minute, the oldest first: the end of each minute, and what came in it if that is known.
struct Minutes<'a> {
    /// Newest first; what is over is dropped from its end.
    points: &'a [Datapoint],
    period: Seconds,
    next: Timestamp,
    until: Timestamp,
}

impl<'a> Minutes<'a> {
    fn of(points: &'a [Datapoint], period: Seconds, from: Timestamp, until: Timestamp) -> Self {
        Self {
            points,
            period,
            next: from,
            until,
        }
    }
}

impl Iterator for Minutes<'_> {
    type Item = (Timestamp, Option<f64>);

    fn next(&mut self) -> Option<Self::Item> {
        let (start, end) = (self.next, MINUTE.after(self.next));
        if end > self.until || end <= start {
            return None;
        }
        self.next = end;
        while let Some((oldest, newer)) = self.points.split_last()
            && self.period.after(oldest.at) <= start
        {
            self.points = newer;
        }
        let touching = self.points.iter().rev().take_while(|point| point.at < end);
        let (sum, count) = touching.fold((0.0, 0.0), |(sum, count), point| (sum + point.value.get(), count + 1.0));
        // per minute, whatever the length of a datapoint
        let load = (count > 0.0).then(|| sum / count * f64::from(MINUTE.0) / f64::from(self.period.0.max(1)));
        Some((end, load))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::spec::metric::Stat;
    use crate::unit::Finite;

    /// A Monday, in the middle of a minute.
    fn now() -> Timestamp {
        "2026-11-02T10:05:30Z".parse().unwrap()
    }

    fn subject(period: u32, minutes: u32) -> Subject {
        Subject {
            metric: QueryShape::Stat(Stat {
                namespace: "AWS/ApplicationELB".to_owned(),
                name: "RequestCount".to_owned(),
                dimensions: BTreeMap::new(),
                statistic: "Sum".to_owned(),
                period: Seconds(period),
            }),
            minutes,
            events: Vec::new(),
        }
    }

    /// Datapoints of `period` seconds up to `now`, each with what `load` says of its start.
    fn series(period: u32, count: u32, until: Timestamp, load: impl Fn(Timestamp) -> Option<f64>) -> Series {
        let end = until.as_second() - until.as_second().rem_euclid(i64::from(period));
        let point = |back: u32| {
            let at = Timestamp::from_second(end - i64::from(back * period)).unwrap();
            Some(Datapoint {
                at,
                value: Finite::new(load(at)?).unwrap(),
            })
        };
        Series::Points {
            points: (1..=count).filter_map(point).collect(),
            period: Seconds(period),
            partial: false,
            incomplete: Vec::new(),
        }
    }

    /// A load that has a day and a week.
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a made-up load")]
    fn weekly(at: Timestamp) -> Option<f64> {
        let minute = at.as_second().div_euclid(60);
        Some(100.0 + (minute.rem_euclid(1_440)) as f64 + 10.0 * (minute.rem_euclid(7 * 1_440) / 1_440) as f64)
    }

    fn learned(memory: &mut Memory, now: Timestamp) {
        let answer = series(60, memory.wanted(now), now, weekly);
        memory.learn(&answer, &Events::default(), 60.0, now).unwrap();
    }

    #[test]
    fn minutes_are_read_from_datapoints_of_any_length() {
        let from = Timestamp::from_second(1_200).unwrap();
        let minutes = |period: u32, values: &[(i64, f64)], until: i64| {
            let point = |(at, value): &(i64, f64)| Datapoint {
                at: Timestamp::from_second(*at).unwrap(),
                value: Finite::new(*value).unwrap(),
            };
            let points: Vec<Datapoint> = values.iter().map(point).collect();
            let until = Timestamp::from_second(until).unwrap();
            let told = Minutes::of(&points, Seconds(period), from, until).map(|(end, load)| (end.as_second(), load));
            told.collect::<Vec<_>>()
        };
        let (known, unknown) = (Some, None);
        assert_eq!(
            minutes(60, &[(1_320, 3.0), (1_200, 1.0), (1_140, 9.0)], 1_380),
            [(1_260, known(1.0)), (1_320, unknown), (1_380, known(3.0))],
            "one datapoint is missing, one is of before"
        );
        assert_eq!(
            minutes(300, &[(1_500, 10.0), (1_200, 5.0)], 1_560).last(),
            Some(&(1_560, known(2.0)))
        );
        assert_eq!(
            minutes(30, &[(1_290, 4.0), (1_260, 2.0), (1_230, 1.0), (1_200, 1.0)], 1_320),
            [(1_260, known(2.0)), (1_320, known(6.0))]
        );
        assert_eq!(minutes(60, &[], 1_230), [], "a minute that is not over");
    }

    #[test]
    fn only_minutes_that_are_final_are_learned_and_each_once() {
        let mut memory = Memory::resume(None, subject(60, 4), now());
        assert_eq!(memory.wanted(now()), 14 * 24 * 60 + 3);
        learned(&mut memory, now());
        assert_eq!(memory.until(), "2026-11-02T10:02:00Z".parse().unwrap());
        assert_eq!(memory.wanted(now()), 0, "nothing new");
        let later = Seconds(60).after(now());
        assert_eq!(memory.wanted(later), 4, "one, and three that are not final");
        let mut at_once = Memory::resume(None, subject(60, 4), later);
        // the same fortnight, of which the one forgot nothing and the other never saw the first minute
        learned(&mut memory, later);
        learned(&mut at_once, later);
        assert_eq!((memory.until(), memory.days()), (at_once.until(), 14));
    }

    #[test]
    fn hour_by_hour_the_same_is_learned_as_at_once() {
        let begin: Timestamp = "2026-10-26T00:03:00Z".parse().unwrap();
        let of_past = |at: Timestamp| weekly(at).filter(|_| at >= begin);
        let mut hourly = Memory::resume(None, subject(60, 4), begin);
        let mut at_once = hourly.clone();
        for hour in 1..=80 {
            let now = Seconds::minutes(60 * hour).after(begin);
            let answer = series(60, hourly.wanted(now), now, of_past);
            hourly.learn(&answer, &Events::default(), 60.0, now).unwrap();
        }
        let now = Seconds::minutes(60 * 80).after(begin);
        let answer = series(60, at_once.wanted(now), now, of_past);
        at_once.learn(&answer, &Events::default(), 60.0, now).unwrap();
        assert_eq!(hourly, at_once);
        assert_eq!(hourly.days(), 3, "what was before its first minute is no past");
    }

    #[test]
    fn of_another_load_or_for_another_time_or_after_a_fortnight_all_is_learned_anew() {
        let mut memory = Memory::resume(None, subject(60, 4), now());
        learned(&mut memory, now());
        let resumed =
            |subject: Subject, days: u32| Memory::resume(Some(memory.clone()), subject, Seconds::minutes(days * 1_440).after(now()));
        assert_eq!(resumed(subject(60, 4), 13), memory);
        let sale = Subject {
            events: vec!["3 at 2026-11-27T19:00:00Z for 6h".to_owned()],
            ..subject(60, 4)
        };
        for (situation, fresh) in [
            ("another metric", resumed(subject(300, 4), 0)),
            ("another horizon", resumed(subject(60, 5), 0)),
            ("another event", resumed(sale, 0)),
            ("not learned for a fortnight", resumed(subject(60, 4), 15)),
        ] {
            assert_eq!((fresh.days(), fresh.outlook(&[])), (0, None), "{situation}");
        }
    }

    #[test]
    fn an_answer_that_is_not_whole_teaches_nothing() {
        let mut memory = Memory::resume(None, subject(60, 4), now());
        learned(&mut memory, now());
        let before = memory.clone();
        let later = Seconds::minutes(60).after(now());
        let failed = Series::Failed {
            why: "Throttled".to_owned(),
        };
        let Series::Points { points, period, .. } = series(60, 60, later, weekly) else {
            unreachable!()
        };
        let partial = Series::Points {
            points,
            period,
            partial: true,
            incomplete: Vec::new(),
        };
        assert_eq!(
            memory.learn(&failed, &Events::default(), 60.0, later),
            Err(Unlearnable::Failed("Throttled".to_owned()))
        );
        assert_eq!(memory.learn(&partial, &Events::default(), 60.0, later), Err(Unlearnable::Partial));
        assert_eq!(memory, before);
    }

    #[test]
    fn what_is_remembered_of_a_fortnight_fits_in_the_table() {
        let mut memory = Memory::resume(None, subject(60, 4), now());
        let odd = |at: Timestamp| Some(weekly(at)? * std::f64::consts::PI);
        let answer = series(60, memory.wanted(now()), now(), odd);
        memory.learn(&answer, &Events::default(), 60.0, now()).unwrap();
        for day in 1..=30 {
            let now = Seconds::minutes(day * 1_440).after(now());
            let answer = series(60, memory.wanted(now), now, odd);
            memory.learn(&answer, &Events::default(), 60.0, now).unwrap();
        }
        let text = serde_json::to_string(&memory).unwrap();
        assert!(text.len() < 120_000, "{} bytes", text.len());
        assert_eq!(
            serde_json::from_str::<Memory>(&text).unwrap(),
            memory,
            "and comes back as it was, to the bit"
        );
    }
}
