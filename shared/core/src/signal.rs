//! A parsed reason to look at fleets.
//!
//! Signals are wake-up calls, not commands: whatever arrives, the truth is read and the decision made from scratch. The
//! only contents of a signal that a decision may use are a fresh notice that AWS takes an instance and a fresh request of an
//! operator, because nothing else shows them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AlarmName, FleetId, HealthAlarm, InstanceId, PoolId};
use crate::operator::OperatorRequest;
use crate::unit::Seconds;

/// Oldest event whose content may be an input of a decision; an older one only wakes (invariant I15).
pub const EVENT_AGE_MAX: Seconds = Seconds::minutes(10);

/// A reason to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// An alarm changed its state, or was changed.
    AlarmChanged(AlarmChange),
    /// The minute's schedule.
    Tick,
    /// A spot notice or a rebalance hint.
    Interruption(Interruption),
    /// An instance changed its state, or AWS says something about it: look.
    InstanceChanged {
        /// The instances named.
        instances: Vec<InstanceId>,
        /// What happened, for the record.
        what: String,
        /// When.
        at: Timestamp,
        /// Whether AWS will retire them, days or weeks from now.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        retires: bool,
    },
    /// A person, or another function, asks for a look at one fleet.
    Evaluate {
        /// The fleet.
        fleet: FleetId,
        /// Who asks, for the record.
        by: String,
    },
    /// The forecast function asks itself to find settings for one fleet.
    Tune {
        /// The fleet.
        fleet: FleetId,
    },
    /// An operator asks for a size, or gives one up.
    OperatorRequest(OperatorRequest),
    /// Nothing to do, and why.
    Ignored {
        /// Why.
        reason: String,
    },
}

impl Signal {
    /// One word for logs, metrics and records.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AlarmChanged(_) => "alarm_changed",
            Self::Tick => "tick",
            Self::Interruption(_) => "interruption",
            Self::InstanceChanged { .. } => "instance_changed",
            Self::Evaluate { .. } => "evaluate",
            Self::Tune { .. } => "tune",
            Self::OperatorRequest(_) => "operator_request",
            Self::Ignored { .. } => "ignored",
        }
    }
}

/// An alarm changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmChange {
    /// The alarm.
    pub alarm: AlarmName,
    /// Its ARN, where the payload has it.
    pub arn: Option<String>,
    /// The state that the event told. Never an input: states that decide are read.
    pub state: AlarmState,
    /// When the state changed; orders the events of one alarm.
    pub at: Timestamp,
    /// Whether a mute rule was in force: then GhostNet only records.
    pub muted: bool,
    /// What kind of change.
    pub change: AlarmChangeKind,
}

/// What happened to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmChangeKind {
    /// Its state.
    State,
    /// The state of one contributor of a multi-series alarm.
    Contributor,
    /// Somebody created, edited or deleted it.
    Configuration,
}

/// CloudWatch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Within the threshold.
    Ok,
    /// Breaching.
    Alarm,
    /// Unknown.
    InsufficientData,
}

/// AWS will, or may, take an instance away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interruption {
    /// The instance.
    pub instance: InstanceId,
    /// How certain.
    pub kind: InterruptionKind,
    /// When the notice was given.
    pub at: Timestamp,
}

/// How certain an interruption is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterruptionKind {
    /// Spot reclaims it in two minutes: drain at once, replace.
    SpotWarning,
    /// It may happen, or not: recorded, nothing else (21 of 30 in one sample never came true).
    Rebalance,
}

/// The fleet, pool and policy that an alarm's name carries: `ghostnet/<fleet>/<pool>/<policy>/...`.
#[must_use]
pub fn fleet_of_alarm(name: &AlarmName) -> Option<FleetId> {
    let mut parts = name.as_str().split('/');
    if parts.next() != Some("ghostnet") {
        return None;
    }
    let fleet = parts.next()?.parse().ok();
    // a name without pool and policy is not one that `apply` made
    parts.next().and_then(|_pool| parts.next()).and(fleet)
}

/// Where the name of an alarm has this in place of a policy, it is for failover; so no policy may be called so.
pub const HEALTH: &str = "health";

/// The alarm of this name that tells of the health of a pool.
#[must_use]
pub fn health_alarm(fleet: &FleetId, pool: &PoolId, name: &HealthAlarm) -> AlarmName {
    AlarmName::new(format!("ghostnet/{fleet}/{pool}/{HEALTH}/{name}"))
}

/// The fleet of an alarm that tells of the health of a side: `ghostnet/<fleet>/<pool>/health/...`. It is for failover alone.
#[must_use]
pub fn fleet_of_health_alarm(name: &AlarmName) -> Option<FleetId> {
    let mut parts = name.as_str().split('/').skip(3);
    let is_it = parts.next() == Some(HEALTH) && parts.next().is_some();
    fleet_of_alarm(name).filter(|_| is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_name_carries_its_fleet() {
        for (name, fleet) in [
            ("ghostnet/web/blue/requests/out", Some("web")),
            ("ghostnet/web", None),
            ("ghostnet/Web/blue/requests/out", None),
            ("checkout-errors", None),
            ("", None),
        ] {
            let found = fleet_of_alarm(&AlarmName::new(name));
            assert_eq!(found.as_ref().map(FleetId::as_str), fleet, "{name}");
        }
    }

    #[test]
    fn an_alarm_about_the_health_of_a_side_is_told_from_a_policys() {
        for (name, fleet) in [
            ("ghostnet/web/blue/health/errors", Some("web")),
            ("ghostnet/web/blue/health/by/zone", Some("web")),
            ("ghostnet/web/blue/health", None),
            ("ghostnet/web/health/cpu/out", None),
            ("ghostnet/web/blue/healthy/out", None),
            ("other/web/blue/health/errors", None),
            ("health", None),
        ] {
            let found = fleet_of_health_alarm(&AlarmName::new(name));
            assert_eq!(found.as_ref().map(FleetId::as_str), fleet, "{name}");
        }
    }
}
