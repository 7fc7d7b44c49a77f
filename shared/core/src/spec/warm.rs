//! Instances that are kept out of service, ready to be started.

use serde::{Deserialize, Serialize};

use super::{Amount, defaults};
use crate::unit::Seconds;

/// A stock of warm instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WarmSpec {
    /// How many.
    pub size: WarmSize,
    /// How they rest.
    pub state: WarmState,
    /// This long after its launch one is replaced.
    pub max_age: Seconds,
    /// Whether who leaves by scale-in fills the stock.
    #[serde(rename = "return")]
    pub takes_returns: bool,
}

impl WarmSpec {
    /// How many are to be kept beside a pool of this size: a share is rounded up, and together with the pool they are never
    /// more than its maximum. More could never be started. `learned` is what [`growth::learned`](crate::growth::learned) says.
    #[must_use]
    pub fn wanted(&self, size: u32, max: u32, learned: Option<u32>) -> u32 {
        let asked = match (self.size, learned) {
            (WarmSize::Fixed(Amount::Count(count)), _) | (WarmSize::Learned, Some(count)) => count,
            (WarmSize::Fixed(Amount::Share(share)), _) => share.of_ceil(size),
            (WarmSize::Learned, None) => defaults::WARM_UNLEARNED.of_ceil(size),
        };
        asked.min(max.saturating_sub(size))
    }
}

/// How many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmSize {
    /// So many, or a share of the pool.
    Fixed(Amount),
    /// As many as growths of the last days would have needed.
    Learned,
}

/// How a warm instance rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmState {
    /// Stopped.
    Stopped,
    /// Stopped with its memory on disk.
    Hibernated,
}

impl std::fmt::Display for WarmState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stopped => "stopped",
            Self::Hibernated => "hibernated",
        })
    }
}
