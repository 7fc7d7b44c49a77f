//! Why: reasons as data, for acts and for holds. Their text is made here and nowhere else, so that logs, records and
//! the command line say the same.

mod finding;
mod guard;
mod vote;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use finding::{Finding, SetBecause, ZoneEvidence};
pub use guard::{Guard, GuardOutcome};
pub use vote::{Vote, VoteReason, Withheld};

/// Out, in, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Fewer instances.
    In,
    /// As many.
    Hold,
    /// More instances.
    Out,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => "fewer",
            Self::Hold => "as many",
            Self::Out => "more",
        })
    }
}
