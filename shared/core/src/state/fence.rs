//! A side that is kept out, because another one is to serve in its place and only one of them may.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::PoolId;

/// A side that is kept out. Capacity decisions have its instances leave their target groups, and stop them where that is asked for; they
/// launch, start and register nobody there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Which.
    pub pool: PoolId,
    /// Since when.
    pub since: Timestamp,
    /// So many were seen to be out.
    pub out: u32,
    /// Of so many.
    pub of: u32,
    /// It has taken longer than it may: somebody was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Once it is out the rules become exactly what they were before the last move.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
}
