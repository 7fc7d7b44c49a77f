//! Votes: what a policy wants, and on what number.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Direction;
use crate::id::PolicyId;
use crate::rating::HOURS_LEAST;
use crate::sample::Sample;
use crate::spec::PolicyMode;
use crate::unit::{Finite, Percent, Seconds};

/// One policy's vote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// The policy.
    pub policy: PolicyId,
    /// What it recommends; none: it has nothing to say and binds nobody.
    pub capacity: Option<u32>,
    /// Why.
    pub reason: VoteReason,
    /// What it would recommend if its mode allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Withheld>,
}

/// A recommendation that a policy's mode keeps from counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// What it would recommend.
    pub capacity: u32,
    /// Its mode.
    pub mode: PolicyMode,
}

impl Vote {
    /// Whether it holds although its metric is where it would add: it waits for datapoints or for its last change, or no number
    /// would be enough.
    #[must_use]
    pub fn waits_to_add(&self) -> bool {
        let would_add = match self.reason {
            VoteReason::AwaitsChange { asks, .. } | VoteReason::CoolsDown { asks, .. } => asks == Direction::Out,
            // too few of either direction: the next datapoints tell which
            VoteReason::TooFewDatapoints { .. } | VoteReason::Impossible { .. } => true,
            _ => false,
        };
        would_add && self.capacity.is_some()
    }

    /// The reason, and what the policy's mode keeps back.
    #[must_use]
    pub fn told(&self) -> String {
        match self.withheld {
            None => self.reason.to_string(),
            Some(Withheld {
                capacity,
                mode: PolicyMode::OutOnly,
            }) => format!("{}; would be {capacity}, but it only adds", self.reason),
            Some(Withheld { capacity, .. }) => format!("{}; would be {capacity}, but it only recommends", self.reason),
        }
    }
}

/// Why a policy votes as it does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteReason {
    /// Target tracking has a fresh value.
    Tracked {
        /// The metric.
        value: Finite,
        /// What it should be.
        target: Finite,
    },
    /// A fresh value, but too few datapoints agree.
    TooFewDatapoints {
        /// The metric.
        value: Finite,
        /// Which way it would go. Records from before this was told may have meant either: then it binds.
        #[serde(default = "out")]
        asks: Direction,
    },
    /// So close to the target that acting would flap.
    WithinTolerance {
        /// The metric.
        value: Finite,
        /// What it should be.
        target: Finite,
        /// The tolerance of that direction.
        tolerance: Percent,
    },
    /// The demand needs so many.
    Needs {
        /// Requests per second.
        demand: Finite,
        /// So many.
        instances: u32,
        /// What one instance can answer, if that is learned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        learned: Option<Finite>,
    },
    /// What one instance can answer is not learned yet.
    Unlearned {
        /// So many hours have shown it.
        hours: u32,
    },
    /// No number of instances keeps the objective at this demand.
    Impossible {
        /// Requests per second.
        demand: Finite,
    },
    /// The backlog of a queue needs so many.
    Backlog {
        /// Messages that wait or are being worked on.
        backlog: Finite,
        /// So many.
        instances: u32,
    },
    /// A message of the queue waits too long.
    OldestTooOld {
        /// How long it waits.
        age: Seconds,
        /// How long it may.
        limit: Seconds,
    },
    /// With fewer a message of the queue would wait too long.
    OldestWouldBeTooOld {
        /// How long it waits.
        age: Seconds,
        /// How long it may.
        limit: Seconds,
        /// Than so many.
        instances: u32,
    },
    /// The formula asks for so many.
    Formula {
        /// Its value.
        value: Finite,
        /// How much of it each instance may have.
        target: Finite,
        /// So many.
        instances: u32,
    },
    /// The load that is to be prepared for needs so many.
    Forecast {
        /// For when.
        at: Timestamp,
        /// Expected requests per second.
        expected: Finite,
        /// Requests per second that it prepares for.
        prepared: Finite,
        /// So many.
        instances: u32,
        /// So many times the load without events; none: there is none then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<Finite>,
    },
    /// Forecasts are off three times as far as usual.
    ForecastStrays {
        /// Requests per second now.
        now: Finite,
        /// So many carry half as much again.
        instances: u32,
    },
    /// Nothing is known of what lies ahead.
    NoForecast,
    /// The forecast is too old.
    OldForecast {
        /// How old it is.
        age: Seconds,
    },
    /// The value lies outside the bounds within which the policy acts.
    OutOfBounds {
        /// The metric.
        value: Finite,
        /// Lower bound.
        from: Option<Finite>,
        /// Upper bound.
        below: Option<Finite>,
    },
    /// The value lies in a step's band.
    InBand {
        /// The metric.
        value: Finite,
        /// Lower bound.
        from: Option<Finite>,
        /// Upper bound.
        below: Option<Finite>,
    },
    /// The value lies in no band.
    BetweenBands {
        /// The metric.
        value: Finite,
    },
    /// A simple policy's last change is not in effect yet.
    AwaitsChange {
        /// The metric.
        value: Finite,
        /// Which way it would go.
        asks: Direction,
        /// The size that it came to.
        to: u32,
    },
    /// A simple policy's last change is in effect, and it waits to see what comes of it.
    CoolsDown {
        /// The metric.
        value: Finite,
        /// Which way it would go.
        asks: Direction,
        /// Until when.
        until: Timestamp,
    },
    /// No usable value.
    NoValue {
        /// What there was instead.
        sample: Sample,
    },
    /// A side that only stands by has nothing to measure.
    NoTraffic,
    /// No data is the alarm.
    MissingIsBreach,
    /// Whoever is in service came after the datapoint began, so it says nothing of them.
    AllCameSince,
    /// Nobody is in service, so a value per instance says nothing.
    NobodyInService,
    /// Nobody of the pool serves, and others in its groups carry more than the target.
    OthersServe {
        /// What they carry.
        value: Finite,
    },
    /// The window is open.
    WindowOpen {
        /// Until when.
        until: Timestamp,
    },
    /// The window is closed.
    WindowClosed,
}

/// The way that binds.
fn out() -> Direction {
    Direction::Out
}

impl Vote {
    /// Whether it binds without knowing: it has a say, and no usable value behind it, or one of nobody who is there.
    #[must_use]
    pub fn binds_unknowing(&self) -> bool {
        let unknowing = matches!(
            self.reason,
            VoteReason::NoValue { .. } | VoteReason::MissingIsBreach | VoteReason::NobodyInService | VoteReason::AllCameSince
        );
        self.capacity.is_some() && unknowing
    }
}

impl fmt::Display for VoteReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tracked { value, target } => write!(f, "{value} per instance, target {target}"),
            Self::TooFewDatapoints { value, .. } => write!(f, "{value}, but too few datapoints agree"),
            Self::WithinTolerance { value, target, tolerance } => write!(f, "{value} is within {tolerance} of {target}"),
            Self::Needs {
                demand,
                instances,
                learned: None,
            } => write!(f, "{demand} requests a second need {instances}"),
            Self::Needs {
                demand,
                instances,
                learned: Some(each),
            } => write!(
                f,
                "{demand} requests a second need {instances}, at {each} of one instance as learned"
            ),
            Self::Unlearned { hours } => write!(f, "what one instance can answer is not learned yet: {hours} of {HOURS_LEAST} hours"),
            Self::Impossible { demand } => write!(f, "no number of instances keeps the objective at {demand} requests a second"),
            Self::Backlog { backlog, instances } => write!(f, "{backlog} messages wait or are in work: {instances} are needed"),
            Self::OldestWouldBeTooOld { age, limit, instances } => {
                write!(
                    f,
                    "the oldest message waits for {age}: with fewer than {instances} it would be longer than {limit}"
                )
            }
            Self::OldestTooOld { age, limit } => write!(f, "the oldest message waits for {age}, longer than {limit}"),
            Self::Formula { value, target, instances } => write!(f, "{value} at {target} per instance: {instances} are needed"),
            Self::Forecast {
                at,
                expected,
                prepared,
                instances,
                event,
            } => {
                write!(f, "{expected} requests a second expected at {}", at.strftime("%H:%M"))?;
                if let Some(factor) = event {
                    write!(f, ", {factor} times what is usual because of an event")?;
                }
                write!(f, ", prepared for {prepared}: {instances} are needed")
            }
            Self::ForecastStrays { now, instances } => write!(
                f,
                "forecasts are off three times as far as usual: half as much again as {now} requests a second, {instances}"
            ),
            Self::NoForecast => f.write_str("no forecast yet"),
            Self::OldForecast { age } => write!(f, "the forecast is {age} old: too old to act on"),
            Self::OutOfBounds { value, from, below } => {
                write!(f, "{value} is not ")?;
                match (from, below) {
                    (Some(from), Some(below)) => write!(f, "from {from} to {below}"),
                    (Some(from), None) => write!(f, "{from} or more"),
                    (None, Some(below)) => write!(f, "below {below}"),
                    (None, None) => f.write_str("within bounds"),
                }
            }
            Self::InBand {
                value,
                from: Some(from),
                below: Some(below),
            } => write!(f, "{value} is from {from} to {below}"),
            Self::InBand {
                value,
                from: Some(from),
                below: None,
            } => write!(f, "{value} is {from} or more"),
            Self::InBand {
                value,
                from: None,
                below: Some(below),
            } => write!(f, "{value} is below {below}"),
            Self::InBand { value, .. } => write!(f, "{value}"),
            Self::BetweenBands { value } => write!(f, "{value} is between the steps"),
            Self::AwaitsChange { value, asks, to } => {
                write!(f, "{value} asks for {asks}, but the last change, to {to}, is not in effect yet")
            }
            Self::CoolsDown { value, asks, until } => write!(f, "{value} asks for {asks}, but this policy cools down until {until}"),
            Self::NoValue {
                sample: Sample::Stale { age },
            } => write!(f, "the newest datapoint is {age} old: stale is not zero"),
            Self::NoValue { sample: Sample::NotAsked } => f.write_str("not asked: the fleet is quiet"),
            Self::NoValue {
                sample: Sample::Partial { value, .. },
            } => write!(f, "{value} from some instances only: partial data never removes"),
            Self::NoValue { .. } => f.write_str("no data: missing is not zero"),
            Self::NoTraffic => f.write_str("nothing to measure: the side only stands by"),
            Self::MissingIsBreach => f.write_str("no data, which this policy takes as the alarm"),
            Self::OthersServe { value } => write!(f, "others serve with {value} each: the first instance shows how much of it is ours"),
            Self::AllCameSince => f.write_str("whoever is in service came after this datapoint began"),
            Self::NobodyInService => f.write_str("nobody is in service, so a value per instance says nothing"),
            Self::WindowOpen { until } => write!(f, "window open until {until}"),
            Self::WindowClosed => f.write_str("window closed"),
        }
    }
}
