//! Reads how a pool's instances are bought.

use super::defaults;
use super::market::{Allocation, MarketMix};
use super::problem::Problems;
use super::raw::{RawAllocation, RawLaunch, RawMarket};
use crate::unit::Percent;

/// The market of a pool, over the fleet's defaults, field by field. `types` is how many instance types the pool names.
pub(super) fn read(own: Option<&RawLaunch>, default: Option<&RawLaunch>, types: usize, at: &str, problems: &mut Problems) -> MarketMix {
    let layers = [
        (own.and_then(|launch| launch.market.as_ref()), format!("{at}.launch.market")),
        (
            default.and_then(|launch| launch.market.as_ref()),
            "defaults.launch.market".to_owned(),
        ),
    ];
    let base = pick(&layers, |market| market.on_demand_base).map_or(defaults::ON_DEMAND_BASE, |(base, _)| base);
    let spot = match pick(&layers, |market| market.spot_percent) {
        None => defaults::SPOT,
        Some((spot, at)) => read_spot(spot, at, problems),
    };
    let allocation = match pick(&layers, |market| market.allocation) {
        None => defaults::ALLOCATION,
        Some((RawAllocation::ListedOrder, _)) => Allocation::ListedOrder,
        Some((RawAllocation::LowestPrice, at)) => needs_a_choice(Allocation::LowestPrice, types, at, problems),
        Some((RawAllocation::CapacityOptimized, at)) => needs_a_choice(Allocation::CapacityOptimized, types, at, problems),
    };
    MarketMix {
        on_demand_base: base,
        spot,
        allocation,
    }
}

/// A field from the pool or else from the defaults, and where it stands.
fn pick<'a, T>(layers: &'a [(Option<&RawMarket>, String)], field: impl Fn(&RawMarket) -> Option<T>) -> Option<(T, &'a str)> {
    layers.iter().find_map(|(market, at)| Some((field((*market)?)?, at.as_str())))
}

fn read_spot(spot: u32, at: &str, problems: &mut Problems) -> Percent {
    match u16::try_from(spot) {
        Ok(spot @ 0..=100) => Percent(spot),
        _ => {
            problems.add(
                format!("{at}.spot_percent"),
                format!("`{spot}` is not between `0` and `100`"),
                "so many of a hundred instances beyond the base, such as `50`",
            );
            defaults::SPOT
        }
    }
}

/// A strategy chooses between types: with fewer than two it would do nothing, and nobody would know.
fn needs_a_choice(allocation: Allocation, types: usize, at: &str, problems: &mut Problems) -> Allocation {
    if types < 2 {
        problems.add(
            format!("{at}.allocation"),
            format!("`{allocation}` chooses between instance types, and the pool names {types}"),
            "list several `instance_types`, or use `listed_order`",
        );
    }
    allocation
}
