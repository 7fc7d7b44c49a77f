//! A drill: traffic goes to a side that stands by although nothing is wrong, so that it is known to be able to, and comes back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::traffic::SignalKind;
use crate::id::{AlarmName, PoolId};

/// The drill that is under way, or the last one and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// Who asked for it; `schedule`: the spec.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it began: the destination may have had to grow first.
    pub begun_at: Timestamp,
    /// The side that had the traffic.
    pub from: PoolId,
    /// The side that was to take it.
    pub to: PoolId,
    /// When the weights were seen to be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<Timestamp>,
    /// Why it ended, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<DrillEnd>,
    /// When the traffic was seen to be back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_at: Option<Timestamp>,
    /// Since when the weights are being set, there or back; none: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sets_since: Option<Timestamp>,
    /// Requests that came while they were being set.
    #[serde(default, skip_serializing_if = "AtRisk::is_unknown")]
    pub at_risk: AtRisk,
}

/// Requests that came between the decision to set the weights and the look that saw them set: what a move that goes wrong meets. By the
/// rate that was measured last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRisk {
    /// On the way there; none: it is not over, or nobody knows the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<u64>,
    /// On the way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<u64>,
}

impl AtRisk {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// The end of a drill; the traffic has yet to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillEnd {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: DrillOutcome,
}

/// What ended a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillOutcome {
    /// The side answered for the whole time.
    Passed,
    /// One of the alarms that end a drill went off.
    Alarm {
        /// Which.
        alarm: AlarmName,
    },
    /// A kind of signal said that the side is down.
    Ill {
        /// Which.
        by: Vec<SignalKind>,
    },
    /// The traffic never moved: the destination did not become ready, the source fell ill, or somebody called it off.
    NeverMoved,
    /// Traffic moved for another reason: a failure, or an operator.
    Overtaken,
}

impl Drill {
    /// Whether its traffic has yet to move there or back.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let comes_back = |end: &DrillEnd| !matches!(end.why, DrillOutcome::NeverMoved | DrillOutcome::Overtaken);
        self.back_at.is_none() && self.ended.as_ref().is_none_or(comes_back)
    }
}

impl std::fmt::Display for DrillOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Alarm { alarm } => write!(f, "ended by the alarm {alarm}"),
            Self::Ill { by } => {
                let kinds: Vec<String> = by.iter().map(ToString::to_string).collect();
                write!(f, "ended because the side may be down by {}", kinds.join(" and "))
            }
            Self::NeverMoved => f.write_str("nothing moved"),
            Self::Overtaken => f.write_str("overtaken by another move"),
        }
    }
}
