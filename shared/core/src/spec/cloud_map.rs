//! The Cloud Map service by which a pool's instances are found.

use serde::{Deserialize, Serialize};

use super::Resolved;
use crate::id::ServiceId;
use crate::unit::Seconds;

/// After a registration has left the list, records and caches of Cloud Map and Route 53 follow within this time.
pub const PROPAGATION: Seconds = Seconds(60);

/// Where whoever serves is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudMap {
    /// The service.
    pub service: ServiceId,
    /// The port that clients are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl CloudMap {
    /// From the moment at which the service no longer lists an instance, so long clients may still come to it.
    #[must_use]
    pub fn remembered_for(&self, resolved: &Resolved) -> Seconds {
        let ttl = resolved.record_ttls.get(&self.service).map_or(0, |ttl| ttl.0);
        Seconds(PROPAGATION.0.saturating_add(ttl))
    }
}
