//! An operator's request about a fleet's traffic: a move, its way back, or its undoing.

use ghostnet_core::failover::{TrafficRequest, TrafficWish};
use ghostnet_core::id::FleetId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Rejected;
use super::own::is_of_kind;
use super::text::shortened;

/// Kind and version of such a request.
const TRAFFIC: &str = "traffic/v1";
const SHAPE: &str = "request about traffic";

/// What an operator asks of one fleet's traffic. It is no signal: who decides about sizes has nothing to do with it.
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

    /// Out of a payload; none if it is something else. No envelope is opened for it: only a person who waits asks.
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
