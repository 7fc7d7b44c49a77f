//! Judges a decision against the invariants before anything is committed.

use serde::{Deserialize, Serialize};

use crate::id::PoolId;

/// An invariant that a decision would break. Nothing is done then, loudly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The invariant, `I1` to `I18` of the architecture document.
    pub invariant: String,
    /// The pool.
    pub pool: Option<PoolId>,
    /// What would have happened.
    pub detail: String,
}
