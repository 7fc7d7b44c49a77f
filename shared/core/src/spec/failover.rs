//! What the spec says about traffic that leaves a failing side.

use serde::Serialize;

use super::metric::Metric;
use super::rule::BreachRule;
use crate::id::{HealthAlarm, RuleArn};
use crate::unit::{Finite, Percent, Seconds};

/// When a side counts as failed, where its traffic goes, and how it comes back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failover {
    /// Whether the standby runs.
    pub mode: FailoverMode,
    /// When a side is down.
    pub detect: Detect,
    /// The destination must have so much of the source's wanted size, healthy in its groups, at least one instance.
    pub gate: Percent,
    /// Listeners and rules whose forward weights move. Never empty.
    pub rules: Vec<RuleArn>,
    /// How traffic comes back.
    pub failback: Failback,
    /// After a move nothing moves again by itself for so long: a second one alerts instead.
    pub dwell: Seconds,
}

/// Whether the standby runs while it stands by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailoverMode {
    /// It runs and is health-checked at weight 0: one call moves the traffic.
    HotStandby,
    /// It is stopped or empty: capacity first, then the traffic.
    ColdStandby,
}

/// When a side is down: at least two kinds of signal say so, each by so many of its datapoints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detect {
    /// So many of the last datapoints of a signal must say it.
    pub datapoints: BreachRule,
    /// A datapoint says it when this share of the instances that should serve do not run, or fail their checks.
    pub unhealthy: Percent,
    /// Or when an application's metric is above this. Any of them.
    pub application: Vec<ApplicationSignal>,
    /// Alarms of each side that tell of its health. Any of them.
    pub alarms: Vec<HealthAlarm>,
    /// Alarms of each side on what is seen of it from outside. Any of them.
    pub probes: Vec<HealthAlarm>,
}

/// A metric of the application that tells of its death.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApplicationSignal {
    /// The metric.
    pub metric: Metric,
    /// Above this a datapoint says that the side is down.
    pub above: Finite,
}

/// How traffic comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failback {
    /// A person asks for it.
    Manual,
    /// The side was found well so often in a row, and the dwell is over.
    Auto {
        /// So often.
        well: u8,
    },
}
