//! What must hold in every history. Judged by the truth, which the protocol cannot see.

use std::fmt;

/// A property of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Property {
    /// No launch makes more instances than were wanted since it was committed.
    NotTooMany,
    /// Nobody leaves of whom the size has need.
    NotTooFew,
    /// Nothing is sent again of which the decision that sends it has no need.
    NothingUnwanted,
    /// No step is sent while an earlier call of it may still land.
    OneExecutor,
    /// No call lands after what a later decision did instead of it.
    NothingUndone,
    /// Nobody is terminated whose drain is not in an earlier commit.
    DrainedBefore,
    /// Nobody is terminated without a look that began after the drain was on record.
    SeenAfterwards,
    /// Nobody is terminated while registered.
    NobodyCutOff,
    /// Nobody is taken back who is terminated already.
    TakenBackAlive,
    /// `audit` has nothing to say against a decision.
    AuditAgrees,
    /// When nothing goes wrong any more, everything comes right.
    EndsRight,
}

/// A property that a history breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) property: Property,
    pub(crate) detail: String,
}

impl Violation {
    pub(crate) fn new(property: Property, detail: impl Into<String>) -> Self {
        Self {
            property,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.property, self.detail)
    }
}
