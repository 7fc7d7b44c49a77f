//! How a pool's instances are shared between on demand and spot, which capacity reservations are used, and how spot capacity is
//! chosen.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::observation::Market;
use crate::unit::Percent;

/// A pool's share of each market.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarketMix {
    /// The first so many instances are on demand.
    pub on_demand_base: u32,
    /// Share of all others that is spot, at most 100 %.
    pub spot: Percent,
    /// Which spot capacity is taken first.
    pub allocation: Allocation,
    /// The capacity reservations that are asked before on demand, if any are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservations: Option<Reservation>,
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
        use Market::{OnDemand, Reserved, Spot};
        match (self.reservations.is_some(), self.uses_spot()) {
            (false, false) => &[OnDemand],
            (false, true) => &[OnDemand, Spot],
            (true, false) => &[Reserved, OnDemand],
            (true, true) => &[Reserved, OnDemand, Spot],
        }
    }

    /// Those of the markets that give a share, the preferred one first: what is reserved is paid for already.
    pub fn markets_of(&self, share: Market) -> impl Iterator<Item = Market> {
        let markets = self.markets().iter().copied();
        markets.filter(move |market| market.share() == share.share())
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

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ListedOrder => "listed_order",
            Self::LowestPrice => "lowest_price",
            Self::CapacityOptimized => "capacity_optimized",
        })
    }
}

/// Capacity reservations that a launch may use, as a spec, a plan and a key of the table write them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Reservation {
    /// Any open one that matches the launch.
    Open,
    /// One, by its id `cr-…`.
    Id(String),
    /// Those of a resource group, by its ARN.
    Group(String),
}

impl Reservation {
    /// The word in specs, tokens and keys.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Open => "open",
            Self::Id(id) => id,
            Self::Group(arn) => arn,
        }
    }
}

/// A text that names no reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither `open`, nor the id of a capacity reservation, nor the ARN of a resource group")]
pub struct NoReservation;

impl FromStr for Reservation {
    type Err = NoReservation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "open" {
            return Ok(Self::Open);
        }
        if let Some(id) = text.strip_prefix("cr-") {
            let is_hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let is_id = !id.is_empty() && id.bytes().all(is_hexadecimal);
            return is_id.then(|| Self::Id(text.to_owned())).ok_or(NoReservation);
        }
        let [arn, _, service, region, account, resource] = *text.splitn(6, ':').collect::<Vec<_>>() else {
            return Err(NoReservation);
        };
        let named = resource.strip_prefix("group/").is_some_and(|name| !name.is_empty());
        let is_group = arn == "arn" && service == "resource-groups" && !region.is_empty() && !account.is_empty() && named;
        is_group.then(|| Self::Group(text.to_owned())).ok_or(NoReservation)
    }
}

impl From<Reservation> for String {
    fn from(reservation: Reservation) -> Self {
        reservation.as_str().to_owned()
    }
}

impl TryFrom<String> for Reservation {
    type Error = NoReservation;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// In words, after "in".
impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("an open reservation"),
            Self::Id(id) => write!(f, "reservation {id}"),
            Self::Group(arn) => write!(f, "a reservation of {arn}"),
        }
    }
}
