//! How instances are bought, as it is typed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How instances are shared between on demand and spot, and which reservations are used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMarket {
    /// The first so many instances of the pool are on demand; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_base: Option<u32>,
    /// Of all others, so many in a hundred are spot; rounded down. All are on demand if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub spot_percent: Option<u32>,
    /// Which spot capacity of a zone is taken first: `listed_order` (the default), `lowest_price` or `capacity_optimized`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation: Option<RawAllocation>,
    /// Capacity reservations that are asked before anything is launched on demand: `open` (any open one that matches), the id of one
    /// (`cr-…`), or the ARN of a resource group of them; `none` (the default) asks for none by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservations: Option<String>,
}

/// Which spot capacity of a zone is taken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawAllocation {
    /// The first type of the list that has capacity.
    ListedOrder,
    /// The cheapest type.
    LowestPrice,
    /// The type that AWS has most of, so that it is reclaimed least.
    CapacityOptimized,
}
