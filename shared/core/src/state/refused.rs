//! What rests after a launch that AWS refused, or that never became healthy.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::StepId;
use crate::plan::Refusal;
use crate::unit::Seconds;

/// Shortest wait after EC2 would not hear a launch.
const THROTTLED_WAIT_MIN: u32 = 10;
/// Waits are spread over this many seconds: fleets that asked in the same second must not ask again in the same one.
const THROTTLED_SPREAD: u32 = 40;

/// AWS refused a launch for a reason that trying again does not mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRefused {
    /// Not tried again before.
    pub until: Timestamp,
    /// AWS's error code.
    pub code: String,
    /// AWS's message, shortened.
    pub message: String,
    /// Of which kind it is; none: noted by a build that did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Refusal>,
}

impl LaunchRefused {
    /// Whether a person must mend it: waiting does not.
    #[must_use]
    pub fn is_for_a_person(&self) -> bool {
        matches!(self.class, Some(Refusal::Configuration | Refusal::Quota))
    }

    /// This one, unless the one before it lasts longer: launches of one plan are refused for different reasons, and heard in any order.
    pub(super) fn or_longer(self, before: Option<Self>) -> Self {
        before.filter(|before| before.until > self.until).unwrap_or(self)
    }

    /// How long to wait before the next try, by class; none where trying again soon is right.
    pub(super) fn by(class: Refusal, code: &str, message: &str, step: &StepId, at: Timestamp) -> Option<Self> {
        let wait = match class {
            Refusal::Quota | Refusal::Configuration => Seconds::minutes(5),
            Refusal::Subnet => Seconds::minutes(3),
            Refusal::Throttled => Seconds(THROTTLED_WAIT_MIN.saturating_add(spread(step))),
            Refusal::NotFound | Refusal::Token => return None,
        };
        Some(Self {
            until: wait.after(at),
            code: code.to_owned(),
            message: message.to_owned(),
            class: Some(class),
        })
    }
}

/// A step's place in the spread: no chance, but another for every fleet.
fn spread(step: &StepId) -> u32 {
    let mixed = |sum: u32, byte: u8| sum.wrapping_mul(31).wrapping_add(u32::from(byte));
    step.plan.as_str().bytes().fold(0, mixed) % (THROTTLED_SPREAD + 1)
}

/// Launching waits, because what was launched never became healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchBackoff {
    /// When the last of them was given up.
    pub since: Timestamp,
    /// How long to wait; the next wait is twice as long.
    pub wait: Seconds,
}

impl LaunchBackoff {
    /// Nothing is launched before.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.wait.after(self.since)
    }
}
