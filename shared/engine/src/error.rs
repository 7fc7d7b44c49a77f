//! What a port may answer instead of a result, by what follows from it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A port's call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {class}, {code}: {message}")]
pub struct PortError {
    /// The call, such as `ec2:RunInstances`.
    pub call: &'static str,
    /// What follows from it.
    pub class: ErrorClass,
    /// AWS's error code, or our word for what happened.
    pub code: String,
    /// AWS's message, shortened.
    pub message: String,
}

/// Classes of errors; AWS's codes are sorted into them in one table of the AWS crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The thing does not exist, or not yet.
    NotFound,
    /// Asked too fast.
    Throttled,
    /// No capacity there: an answer, not a failure.
    NoCapacity,
    /// A quota of the account or the market.
    Quota,
    /// The subnet has no free address.
    Subnet,
    /// Not allowed.
    Denied,
    /// The request is wrong: template, image, parameter. Trying again does not help.
    Invalid,
    /// The client token was used for other parameters, or its instance is gone.
    Token,
    /// Time-out, lost connection, 5xx: the outcome is unknown.
    Transient,
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::Throttled => "throttled",
            Self::NoCapacity => "no capacity",
            Self::Quota => "quota reached",
            Self::Subnet => "subnet full",
            Self::Denied => "denied",
            Self::Invalid => "invalid request",
            Self::Token => "token refused",
            Self::Transient => "outcome unknown",
        })
    }
}

impl PortError {
    /// What it says of a launch after an earlier attempt whose outcome is unknown: "too fast", "too many" and "not allowed" say nothing of
    /// that attempt, because EC2 may refuse before it looks at the token.
    #[must_use]
    pub fn of_launch_after_unknown(self) -> Self {
        match self.class {
            ErrorClass::Throttled | ErrorClass::Quota | ErrorClass::Denied => Self {
                class: ErrorClass::Transient,
                ..self
            },
            _ => self,
        }
    }

    /// Whether trying again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.class, ErrorClass::Throttled | ErrorClass::Transient)
    }
}
