//! Service discovery, as typed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The service of AWS Cloud Map by which clients find a pool's instances. Whoever serves is registered there with its private
/// address, and taken out before it leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCloudMap {
    /// The service: its id, `srv-…`, or its ARN.
    pub service: String,
    /// The port that clients are told. A service with `SRV` records needs one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}
