//! Policies that look ahead, as they are typed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RawHorizon, RawPercent, RawWhen};

/// Looks ahead for another policy: launches what will be needed by the time that it serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPredictive {
    /// The policy's id, unique in the fleet.
    pub id: String,
    /// What the policy may do: `forecast_only` (the default) or `act`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawPredictiveMode>,
    /// The policy for which it looks ahead: one of type `capacity`, or of type `target_tracking` on `alb_request_count_per_target`.
    pub of: String,
    /// How far it looks ahead: from a launch until the instance serves, and a minute more. `learned`: as long as nine of ten launches of late took. The
    /// pool's `warmup` and a minute if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub horizon: Option<RawHorizon>,
    /// What a minute in which there is too little costs, in minutes of a fleet of average size. The more, the more is kept ready for what
    /// may come. Set by `objective` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caution: Option<f64>,
    /// Instead of `caution`: enough in this share of the time, such as `0.95`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// Never less than what so large a share of the last fortnight's loads at this time of day stayed below, such as `90%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual: Option<RawPercent>,
    /// Times in which the load is so many times what it would be otherwise: a sale, a holiday. The first one that is open counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<RawEvent>>,
}

/// A time in which the load is so many times what it would be otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawEvent {
    /// When; half an hour at least.
    pub when: RawWhen,
    /// So many times: `3`, or `0.5` for half of it.
    pub factor: f64,
}

/// What a policy that looks ahead may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPredictiveMode {
    /// Vote.
    Act,
    /// Only show what it would vote for.
    ForecastOnly,
}
