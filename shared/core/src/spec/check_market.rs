//! Reads how a pool's instances are bought.

use std::collections::BTreeSet;

use super::market::{Allocation, MarketMix, Reservation};
use super::problem::Problems;
use super::raw::{RawAllocation, RawLaunch, RawMarket};
use super::{Amount, PoolRole, PoolSpec, WarmSize, WarmSpec, defaults};
use crate::unit::{Percent, Seconds};

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

/// AWS takes spot capacity back two minutes after its notice, of which a look and the deregistration take some: what drains longer than
/// this is cut off.
pub const SPOT_DRAIN_MAX: Seconds = Seconds(90);

/// Spot of fewer types vanishes all at once, and in one zone with all of its types.
const SPOT_TYPES_MIN: usize = 3;
const SPOT_SUBNETS_MIN: usize = 2;

/// The mix of a pool whose spec says nothing of markets, where its objective asks for spot; none where the pool would not bear what spot does.
pub(super) fn by_objective(pool: &PoolSpec, spot: Percent) -> Option<MarketMix> {
    let types: BTreeSet<_> = pool.launch.instance_types.iter().collect();
    let is_spread = types.len() >= SPOT_TYPES_MIN && pool.launch.subnets.len() >= SPOT_SUBNETS_MIN;
    // EC2 stops no spot instance, so those that leave could not fill the stock, and the stock fills up the pool on demand
    let keeps_warm = pool.warm.is_some_and(|warm| !is_empty(warm));
    let leaves_in_time = pool.drain_timeout <= SPOT_DRAIN_MAX && !pool.wait_for_tag;
    // who stands by must be there when the other side is not
    let suits = is_spread && leaves_in_time && !keeps_warm && pool.role == PoolRole::Active;
    (suits && spot > defaults::SPOT).then_some(MarketMix {
        on_demand_base: pool.capacity.min,
        spot,
        allocation: defaults::SPOT_ALLOCATION,
        reservations: None,
    })
}

fn is_empty(warm: WarmSpec) -> bool {
    matches!(warm.size, WarmSize::Fixed(Amount::Count(0) | Amount::Share(Percent(0))))
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
