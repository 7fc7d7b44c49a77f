//! Whether a side could take the traffic now, and what is missing.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::evidence::Looked;
use crate::id::RouteId;
use crate::spec::Failover;
use crate::state::SignalKind;

/// What stands between a side and the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Healthy instances, by checks that really run. Where the sides share their target groups, and this one is not registered there yet:
    /// those that run.
    pub healthy: u32,
    /// So many are needed.
    pub needed: u32,
    /// Routes that could not be read, or do not name a group of this side: its groups are not checked there.
    pub unreachable: Vec<RouteId>,
    /// Kinds of signal that say that it is down.
    pub down_by: Vec<SignalKind>,
}

impl Readiness {
    /// `reaches` is whether a route can send it anything.
    pub(super) fn of(
        failover: &Failover,
        to: &Looked<'_>,
        source_size: u32,
        down_by: Vec<SignalKind>,
        reaches: impl Fn(&RouteId) -> bool,
    ) -> Self {
        Self {
            healthy: to.ready(),
            needed: failover.gate.of_ceil(source_size).max(1),
            unreachable: failover.routes().iter().filter(|route| !reaches(route)).cloned().collect(),
            down_by,
        }
    }

    /// Whether it could take the traffic now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.healthy >= self.needed && self.unreachable.is_empty() && self.down_by.len() < 2
    }

    /// Whether it could take the traffic once it has grown: it can be reached, and is not down.
    pub(super) fn can_become_open(&self) -> bool {
        self.unreachable.is_empty() && self.down_by.len() < 2
    }

    /// Whether an operator can have it take the traffic although the gate is shut: somebody must be able to answer, somewhere.
    #[must_use]
    pub fn can_be_forced(&self) -> bool {
        self.unreachable.is_empty()
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} healthy, needs {}", self.healthy, self.needed)?;
        for route in &self.unreachable {
            write!(f, "; {route} does not reach it")?;
        }
        if self.down_by.len() >= 2 {
            let kinds: Vec<String> = self.down_by.iter().map(ToString::to_string).collect();
            write!(f, "; it is down by {}", kinds.join(" and "))?;
        }
        Ok(())
    }
}
