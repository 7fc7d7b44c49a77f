//! The ladder of offerings: each market gets its share of a launch, and reservations are asked before on demand is. A share whose
//! markets are all off or ran out is stood in for by the other.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::mix::Shares;
use super::placement::{Placement, Placer};
use crate::id::Zone;
use crate::observation::{ExhaustedOffering, Market, Offering, Place};
use crate::plan::Strategy;
use crate::reason::Finding;
use crate::spec::LaunchSpec;
use crate::state::PoolState;

/// What is to be launched, and what stands in the way.
pub(super) struct Ladder<'a> {
    pub(super) launch: &'a LaunchSpec,
    pub(super) places: Vec<Place>,
    /// Instances there are by zone.
    pub(super) by_zone: BTreeMap<Zone, u32>,
    /// Instances there are by market.
    pub(super) shares: Shares,
    pub(super) exhausted: &'a [ExhaustedOffering],
    /// Launch calls that this plan may still ask for.
    pub(super) calls_left: u32,
}

/// Where instances go.
pub(super) struct Climbed {
    pub(super) placements: Vec<Placement>,
    /// Whether fewer calls, or fewer instances, are asked for than would be without their limit.
    pub(super) limited_by_calls: bool,
}

impl Ladder<'_> {
    /// Offerings that this pool would ask for if they had not run out.
    fn passed_over(&self) -> Vec<ExhaustedOffering> {
        let markets = self.launch.market.markets();
        let is_wanted = |offering: &Offering| {
            let Offering { zone, market, .. } = offering;
            markets.contains(market)
                && self.places.iter().any(|place| place.zone == *zone)
                && self.launch.offerings(zone, *market).any(|wanted| wanted == *offering)
        };
        let wanted = self.exhausted.iter().filter(|exhausted| is_wanted(&exhausted.offering));
        wanted.cloned().collect()
    }

    /// Places up to `count` instances.
    pub(super) fn climb(self, count: u32, state: &PoolState, now: Timestamp, findings: &mut Vec<Finding>) -> Climbed {
        let mix = &self.launch.market;
        for market in mix.markets() {
            if let Some(off) = state.market_off(*market, now) {
                findings.push(Finding::MarketOff {
                    market: *market,
                    until: off.until,
                    code: off.code.clone(),
                });
            }
        }
        let passed_over = self.passed_over();
        if !passed_over.is_empty() {
            findings.push(Finding::RanOut { offerings: passed_over });
        }
        let mut placer = Placer::new(self.places, self.launch, self.by_zone, self.exhausted, self.calls_left);
        let usable = |placer: &Placer<'_>, share: Market| -> Vec<Market> {
            let is_usable = |market: &Market| state.market_off(*market, now).is_none() && placer.has(*market);
            mix.markets_of(share).filter(is_usable).collect()
        };
        let mut nowhere: u32 = 0;
        for (market, share) in self.shares.split(count, mix).into_iter().filter(|(_, share)| *share > 0) {
            let (own, other) = (usable(&placer, market), usable(&placer, market.other()));
            if !own.is_empty() {
                placer.place(share, &own);
            } else if !other.is_empty() {
                placer.place(share, &other);
                findings.push(Finding::OtherMarket {
                    count: share,
                    wanted: market,
                    taken: market.other(),
                });
            } else {
                nowhere = nowhere.saturating_add(share);
            }
        }
        if nowhere > 0 {
            findings.push(Finding::NoOffering { count: nowhere });
        }
        Climbed {
            limited_by_calls: placer.limited_by_calls,
            placements: placer.finish(Strategy::of(mix.allocation).is_some()),
        }
    }
}
