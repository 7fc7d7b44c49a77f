//! What failover is asked: by tick to look at fleets, by an operator for a move, its way back, or its undoing.
//!
//! These are no signals: who decides about sizes has nothing to do with them.

use ghostnet_core::failover::{TrafficRequest, TrafficWish};
use ghostnet_core::id::FleetId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Rejected;
use super::own::is_of_kind;
use super::text::shortened;

/// Kind and version of a request to look at the traffic of fleets.
const LOOK: &str = "failover/v1";
const LOOK_SHAPE: &str = "request to look at traffic";
/// Kind and version of an operator's request.
const TRAFFIC: &str = "traffic/v1";
const SHAPE: &str = "request about traffic";

/// What failover is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrafficAsk {
    /// To look at these fleets: tick does not wait for it.
    Look(Vec<FleetId>),
    /// What an operator, who waits for the answer, asks of one.
    Move(TrafficAsked),
}

/// As it is written; nothing else is tolerated in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    ghostnet: String,
    fleets: Vec<FleetId>,
}

impl TrafficAsk {
    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        match self {
            Self::Look(fleets) => {
                let look = Look {
                    ghostnet: LOOK.to_owned(),
                    fleets: fleets.clone(),
                };
                // text always serialises
                serde_json::to_vec(&look).unwrap_or_default()
            }
            Self::Move(asked) => asked.payload(),
        }
    }

    /// Out of a payload; none if it is something else. No envelope is opened for it.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Result<Self, Rejected>> {
        if is_of_kind(payload, LOOK) {
            let look = serde_json::from_slice(payload).map(|Look { fleets, .. }| Self::Look(fleets));
            return Some(look.map_err(|error| Rejected::malformed(LOOK_SHAPE, &error.to_string())));
        }
        Some(TrafficAsked::of(payload)?.map(Self::Move))
    }
}

/// What an operator asks of one fleet's traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficAsked {
    /// The fleet.
    pub fleet: FleetId,
    /// What is asked of it.
    pub request: TrafficRequest,
}

/// As it is written. Nobody but our own command line writes it, so nothing else is tolerated in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    ghostnet: String,
    fleet: FleetId,
    by: String,
    at: Timestamp,
    reason: String,
    wish: TrafficWish,
}

impl TrafficAsked {
    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let TrafficRequest { by, at, reason, wish } = self.request.clone();
        let written = Written {
            ghostnet: TRAFFIC.to_owned(),
            fleet: self.fleet.clone(),
            by,
            at,
            reason,
            wish,
        };
        // text and moments always serialise
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Out of a payload; none if it is something else.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Result<Self, Rejected>> {
        is_of_kind(payload, TRAFFIC).then(|| {
            let written = serde_json::from_slice(payload).map_err(|error| Rejected::malformed(SHAPE, &error.to_string()));
            written.and_then(Self::read)
        })
    }

    fn read(written: Written) -> Result<Self, Rejected> {
        let reason = written.reason.trim();
        if reason.is_empty() {
            return Err(Rejected::malformed(SHAPE, "`reason` is empty"));
        }
        if let TrafficWish::Failover { until: Some(until), .. } = &written.wish
            && *until <= written.at
        {
            return Err(Rejected::malformed(SHAPE, "`until` is not after `at`"));
        }
        Ok(Self {
            fleet: written.fleet,
            request: TrafficRequest {
                by: shortened(&written.by),
                at: written.at,
                reason: shortened(reason),
                wish: written.wish,
            },
        })
    }
}
