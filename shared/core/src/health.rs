//! What says that an instance is sick, beside its target groups: EC2's status checks, and the heartbeat that it owes.
//!
//! Each report is weak. It must last for the time that the spec gives it, silence before the first word is no report, and
//! what cannot be read says nothing. Who is sick, and what follows, is decided in the census alone.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observation::{Instance, InstanceState, Observation};
use crate::spec::PoolSpec;
use crate::unit::Seconds;

/// A report that has lasted for as long as the spec asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// EC2's status checks fail.
    StatusChecks {
        /// Since when, by EC2.
        since: Timestamp,
    },
    /// Its heartbeat stopped.
    Heartbeat {
        /// The last one.
        last: Timestamp,
    },
}

impl Report {
    /// The report on an instance of this pool, if there is one.
    #[must_use]
    pub fn on(pool: &PoolSpec, instance: &Instance, observation: &Observation) -> Option<Self> {
        if instance.state != InstanceState::Running {
            return None;
        }
        let lasts = |since: Timestamp, time: Seconds| Seconds::between(since, observation.observed_at) >= time;
        let impaired = observation.impaired.as_ref().and_then(|impaired| impaired.get(&instance.id));
        let by_ec2 = pool
            .status_checks
            .zip(impaired)
            .filter(|(time, since)| lasts(**since, *time))
            .map(|(_, since)| Self::StatusChecks { since: *since });
        // a beat from before the last start is none of this run's
        let beat = instance.word.beat.filter(|beat| *beat >= instance.launched_at);
        let by_itself = pool
            .heartbeat
            .zip(beat)
            .filter(|(time, last)| lasts(*last, *time))
            .map(|(_, last)| Self::Heartbeat { last });
        by_ec2.or(by_itself)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StatusChecks { since } => write!(f, "EC2's status checks fail since {since}"),
            Self::Heartbeat { last } => write!(f, "its last heartbeat is of {last}"),
        }
    }
}
