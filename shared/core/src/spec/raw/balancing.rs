//! How target groups spread requests, as it is typed.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use super::{RawDuration, RawPercent};

/// Attributes of a pool's target groups that are set and kept. What is not named here is never touched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBalancing {
    /// `round_robin`, `least_outstanding_requests` or `weighted_random`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<RawAlgorithm>,
    /// Instead of `algorithm`: `round_robin`, and `least_outstanding_requests` while targets answer unequally fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<RawAdaptive>,
    /// Whether the balancer sends less to targets that answer otherwise than the rest; only with `weighted_random`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anomaly_mitigation: Option<bool>,
    /// Whether a client comes back to the same target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stickiness: Option<RawStickiness>,
    /// How long a new target's share grows, `30s` to `15m`; `0s`: not at all. Only with `round_robin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<RawDuration>,
    /// How long a deregistered target may finish its requests, at most `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deregistration_delay: Option<RawDuration>,
    /// Whether a node of the balancer sends requests to targets in other zones: `true`, `false` or `as_load_balancer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_zone: Option<RawCrossZone>,
}

/// When the algorithm changes: by the 90th percentile of response times in percent of their median.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAdaptive {
    /// `least_outstanding_requests` above this spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<RawPercent>,
    /// `round_robin` again below this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<RawPercent>,
    /// Least time from one change to the next, `10m` to `7d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dwell: Option<RawDuration>,
}

/// How a balancer chooses a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawAlgorithm {
    /// One after the other.
    RoundRobin,
    /// The one that has fewest requests under way.
    LeastOutstandingRequests,
    /// By lot; with `anomaly_mitigation`, fewer for those that answer otherwise than the rest.
    WeightedRandom,
}

/// Whether a client comes back to the same target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawStickiness {
    /// By what it is known again.
    pub cookie: RawCookie,
    /// The name of the application's cookie, for `app`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How long, `1s` to `7d`; for `lb` and `app`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<RawDuration>,
}

/// By what a client is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawCookie {
    /// By nothing: no stickiness.
    None,
    /// The balancer's cookie.
    Lb,
    /// The application's cookie.
    App,
    /// No cookie but its address; of network load balancers.
    SourceIp,
}

/// Whether a node of the balancer reaches targets in other zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RawCrossZone {
    /// It does, or not.
    Is(bool),
    /// Text that `check` reads: `as_load_balancer`.
    Word(String),
}

impl<'de> Deserialize<'de> for RawCrossZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CrossZoneVisitor;
        impl Visitor<'_> for CrossZoneVisitor {
            type Value = RawCrossZone;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false` or `as_load_balancer`")
            }
            fn visit_bool<E: serde::de::Error>(self, is: bool) -> Result<RawCrossZone, E> {
                Ok(RawCrossZone::Is(is))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawCrossZone, E> {
                Ok(RawCrossZone::Word(text.to_owned()))
            }
        }
        deserializer.deserialize_any(CrossZoneVisitor)
    }
}

impl JsonSchema for RawCrossZone {
    fn schema_name() -> Cow<'static, str> {
        "RawCrossZone".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "`true`, `false` or `as_load_balancer`", "enum": [true, false, "as_load_balancer"] })
    }
}
