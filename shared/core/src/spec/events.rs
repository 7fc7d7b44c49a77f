//! Events that a policy which looks ahead knows of: times in which the load is so many times what it would be otherwise.
//!
//! What is learned is the load without them, so that a sale is neither expected again the day after nor forgotten the year after.

use jiff::Timestamp;
use serde::Serialize;

use super::check_policy::read_when;
use super::problem::Problems;
use super::raw::RawEvent;
use super::{OpenWindow, Schedule};
use crate::unit::{Finite, Seconds};

/// No event is shorter: within a stretch of so much time each of them changes at most once.
pub const EVENT_LEAST: Seconds = Seconds::minutes(30);
/// Most events of one policy.
const EVENTS_MAX: usize = 100;
/// A load is at most so many times what it would be otherwise, and at least so small a part of it.
const FACTOR_MOST: f64 = 1_000.0;
const FACTOR_LEAST: f64 = 0.001;

/// Events, the first one that is open counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Events(Vec<Event>);

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Event {
    schedule: Schedule,
    factor: Finite,
}

/// What a stretch of time, no longer than the shortest event, is of events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stretch(Vec<(OpenWindow, f64)>);

impl Events {
    /// How many times the load is what it would be otherwise.
    #[must_use]
    pub fn factor(&self, at: Timestamp) -> f64 {
        let open = self.0.iter().find(|event| event.schedule.open_window(at).is_some());
        open.map_or(1.0, |event| event.factor.get())
    }

    /// The events of a stretch of time. Asks each of them twice, however many minutes there are in it.
    #[must_use]
    pub fn stretch(&self, from: Timestamp, until: Timestamp) -> Stretch {
        let windows = self.0.iter().flat_map(|event| {
            let ends = [event.schedule.open_window(until), event.schedule.open_window(from)];
            ends.into_iter().flatten().map(|window| (window, event.factor.get()))
        });
        Stretch(windows.collect())
    }

    /// In words, one line for each: of other events the load is learned anew.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|event| format!("{} {}", event.factor.get(), event.schedule))
            .collect()
    }
}

impl Stretch {
    /// How many times the load is what it would be otherwise.
    #[must_use]
    pub fn factor(&self, at: Timestamp) -> f64 {
        let is_open = |(window, _): &&(OpenWindow, f64)| window.since <= at && at < window.until;
        self.0.iter().find(is_open).map_or(1.0, |(_, factor)| *factor)
    }
}

pub(super) fn read(raw: &[RawEvent], at: &str, problems: &mut Problems) -> Events {
    if raw.len() > EVENTS_MAX {
        let message = format!("`{}` events are more than `{EVENTS_MAX}`", raw.len());
        problems.add(at, message, "take out those that are over, or write one that repeats with `cron`");
    }
    let event = |(n, raw): (usize, &RawEvent)| {
        let at = format!("{at}[{n}]");
        let schedule = read_when(&raw.when, &at, problems);
        let length = schedule.as_ref().map(Schedule::length);
        if let Some(length) = length.filter(|length| *length < EVENT_LEAST) {
            let message = format!("`{length}` is shorter than `{EVENT_LEAST}`");
            problems.add(
                format!("{at}.when.for"),
                message,
                "what is shorter is a burst: leave it to `caution`",
            );
        }
        let factor = Finite::new(raw.factor).filter(|factor| (FACTOR_LEAST..=FACTOR_MOST).contains(&factor.get()));
        if factor.is_none() {
            let message = format!("`{}` is not between `{FACTOR_LEAST}` and `{FACTOR_MOST}`", raw.factor);
            problems.add(
                format!("{at}.factor"),
                message,
                "`3` for three times the usual load, `0.5` for half of it",
            );
        }
        Some(Event {
            schedule: schedule?,
            factor: factor?,
        })
    };
    Events(raw.iter().enumerate().filter_map(event).collect())
}
