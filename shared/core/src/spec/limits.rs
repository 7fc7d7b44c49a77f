//! What limits every change of a pool, and what is kept to spare.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Amount, OpenWindow, Schedule};
use crate::id::InstanceType;
use crate::unit::{Percent, Seconds};

/// What all pools of a fleet together may cost in a day, midnight to midnight UTC, in millionths of an instance hour or of a
/// currency's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpendCap {
    /// So much.
    pub micros_per_day: u64,
    /// What an instance costs.
    pub prices: Prices,
}

/// What an instance costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Prices {
    /// An hour of any instance is an instance hour.
    InstanceHours,
    /// Money by type.
    ByType {
        /// The currency, for people.
        currency: String,
        /// The price of an hour. Never empty.
        micros_per_hour: BTreeMap<InstanceType, u64>,
    },
}

/// A window in which at most so many of a pool leave because fewer are wanted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RemovalWindow {
    /// When.
    pub schedule: Schedule,
    /// Most that leave in the whole window.
    pub max: u32,
}

/// A removal window that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRemovalWindow {
    /// Since when, until when.
    pub window: OpenWindow,
    /// Most that leave in the whole window.
    pub max: u32,
}

/// Spare instances above what the policies ask for; the largest of these holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reserve {
    /// A share of what is asked for, rounded up.
    pub ratio: Percent,
    /// So many.
    pub threshold: u32,
    /// Up to a quantile of what was asked for lately.
    pub policy: Option<ReservePolicy>,
}

/// A floor that follows what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReservePolicy {
    /// The quantile in thousandths, 1 to 1,000.
    pub quantile_permille: u16,
    /// So many hours back, the present one included, 1 to [`PEAK_HOURS_MAX`].
    ///
    /// [`PEAK_HOURS_MAX`]: crate::state::PEAK_HOURS_MAX
    pub hours: u16,
}

/// What limits every change of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Guards {
    /// Too small to add for.
    pub tolerance_out: Percent,
    /// Too small to remove for.
    pub tolerance_in: Percent,
    /// No further move out for this long.
    pub cooldown_out: Seconds,
    /// No further move in for this long.
    pub cooldown_in: Seconds,
    /// More must be recommended throughout this window.
    pub stabilisation_out: Seconds,
    /// Fewer must be recommended throughout this window.
    pub stabilisation_in: Seconds,
    /// Most launches within a minute.
    pub launch_per_tick: Budget,
    /// Most launches within an hour.
    pub launch_per_hour: u32,
    /// Most removals within a minute.
    pub removal_per_tick: Budget,
    /// So many turns of the size within an hour are churn: nobody leaves for an hour.
    pub churn_turns: u8,
    /// Share of sick instances above which nothing is replaced.
    pub breaker_unhealthy: Percent,
    /// The breaker never opens at this many or fewer.
    pub breaker_at_least: u32,
}

/// Most changes within a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// A count or a share of the pool.
    pub amount: Amount,
    /// The smallest a share may come to, so that a small pool can move at all.
    pub at_least: u32,
}

impl Budget {
    /// The budget of a pool that has `size` instances.
    #[must_use]
    pub fn of(self, size: u32) -> u32 {
        match self.amount {
            Amount::Count(count) => count,
            Amount::Share(share) => share.of_floor(size).max(self.at_least),
        }
    }
}
