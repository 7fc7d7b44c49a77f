//! What GhostNet may find by itself, as it is typed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RawPercent, RawTimeShare};

/// Each night the settings of policies that look ahead are found anew, by what each would have done with the fortnight that is past.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTuning {
    /// What becomes of what is found: `suggest` (the default) or `apply`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawTuningMode>,
    /// In so large a share of the time more than `limit` of the instances may be used, such as `0.1%`. `1%` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<RawTimeShare>,
    /// So much of an instance, such as `90%`. The `utilisation` of the policy that is looked ahead for if absent; else that one becomes the limit,
    /// by five points a night at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<RawPercent>,
}

/// What becomes of settings that are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawTuningMode {
    /// They are told, and nothing is changed.
    Suggest,
    /// Decisions go by them until the spec says something else.
    Apply,
}
