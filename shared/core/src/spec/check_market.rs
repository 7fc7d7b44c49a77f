//! Reads how a pool's instances are bought.

use super::defaults;
use super::market::{Allocation, MarketMix, Reservation};
use super::problem::Problems;
use super::raw::{RawAllocation, RawLaunch, RawMarket};
use crate::unit::Percent;

/// Most instance types of a pool that uses reservations. Each is asked for by itself, and a look asks five times: so the fifth is for on
/// demand.
pub const RESERVED_TYPES_MAX: u32 = 4;

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
    let reservations = pick(&layers, |market| market.reservations.clone());
    MarketMix {
        on_demand_base: base,
        spot,
        allocation,
        reservations: reservations.and_then(|(text, at)| read_reservations(&text, types, at, problems)),
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

fn read_reservations(text: &str, types: usize, at: &str, problems: &mut Problems) -> Option<Reservation> {
    let at = format!("{at}.reservations");
    if text == defaults::RESERVATIONS {
        return None;
    }
    let Ok(reservation) = text.parse() else {
        problems.add(
            at,
            format!("`{text}` names no capacity reservation"),
            "use `open` for any open one that matches, an id such as `cr-0123456789abcdef0`, the ARN of a resource group, or `none`",
        );
        return None;
    };
    if u32::try_from(types).unwrap_or(u32::MAX) > RESERVED_TYPES_MAX {
        problems.add(
            at,
            format!("reservations are asked for each instance type, at most {RESERVED_TYPES_MAX}, and the pool names {types}"),
            "a launch that finds them full would come to on demand too late: name fewer `instance_types`, or use a pool of its own",
        );
    }
    Some(reservation)
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
