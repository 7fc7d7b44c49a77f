//! Why a payload could not be read.

use super::text::shortened;
use super::{ENVELOPES_MAX, PAYLOAD_BYTES_MAX, RECORDS_MAX};

/// A payload that says nothing, now or later: trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Larger than anything that AWS sends.
    #[error("the payload has {bytes} bytes, more than {PAYLOAD_BYTES_MAX}")]
    PayloadTooLarge {
        /// So large.
        bytes: usize,
    },
    /// It, or a part that should hold JSON, does not.
    #[error("not JSON: {problem}")]
    NotJson {
        /// What the JSON reader says, shortened.
        problem: String,
    },
    /// JSON, but no object.
    #[error("not a JSON object")]
    NotAnObject,
    /// Envelopes in envelopes in envelopes.
    #[error("more than {ENVELOPES_MAX} envelopes around a message")]
    NestedTooDeep,
    /// More than one look can answer.
    #[error("{records} records, more than {RECORDS_MAX}")]
    TooManyRecords {
        /// So many.
        records: usize,
    },
    /// A known shape, with a field missing or wrong.
    #[error("malformed {shape}: {problem}")]
    Malformed {
        /// What it looks like.
        shape: &'static str,
        /// What is wrong with it, shortened.
        problem: String,
    },
}

impl Rejected {
    /// One word for logs and metrics. Never changes: alarms may be built on it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::PayloadTooLarge { .. } => "PayloadTooLarge",
            Self::NotJson { .. } => "NotJson",
            Self::NotAnObject => "NotAnObject",
            Self::NestedTooDeep => "NestedTooDeep",
            Self::TooManyRecords { .. } => "TooManyRecords",
            Self::Malformed { .. } => "Malformed",
        }
    }

    pub(super) fn not_json(error: &impl ToString) -> Self {
        Self::NotJson {
            problem: shortened(&error.to_string()),
        }
    }

    pub(super) fn malformed(shape: &'static str, problem: &str) -> Self {
        Self::Malformed {
            shape,
            problem: shortened(problem),
        }
    }
}
