//! How a pool's instances are shared between on demand and spot, and how spot capacity is chosen.

use serde::{Deserialize, Serialize};

use crate::observation::Market;
use crate::unit::Percent;

/// A pool's share of each market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MarketMix {
    /// The first so many instances are on demand.
    pub on_demand_base: u32,
    /// Share of all others that is spot, at most 100 %.
    pub spot: Percent,
    /// Which spot capacity is taken first.
    pub allocation: Allocation,
}

impl MarketMix {
    /// How many of `total` are on demand: the base, and of the rest what is not spot. Half an instance is on demand, so that
    /// spot never has more than its share.
    #[must_use]
    pub fn on_demand_of(&self, total: u32) -> u32 {
        let base = self.on_demand_base.min(total);
        let rest = total.saturating_sub(base);
        total.saturating_sub(self.spot.of_floor(rest))
    }

    /// Whether spot capacity is ever asked for.
    #[must_use]
    pub fn uses_spot(&self) -> bool {
        self.spot.0 > 0
    }

    /// The markets in which instances may be launched. With a share of spot the other market stands in for the one that has none.
    #[must_use]
    pub fn markets(&self) -> &'static [Market] {
        if self.uses_spot() {
            &[Market::OnDemand, Market::Spot]
        } else {
            &[Market::OnDemand]
        }
    }
}

/// Which spot capacity of a zone is taken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allocation {
    /// The first type of the list that has capacity.
    ListedOrder,
    /// The cheapest type.
    LowestPrice,
    /// The type that AWS has most of, so that it is reclaimed least.
    CapacityOptimized,
}

impl std::fmt::Display for Allocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ListedOrder => "listed_order",
            Self::LowestPrice => "lowest_price",
            Self::CapacityOptimized => "capacity_optimized",
        })
    }
}
