//! The ladder of offerings: each market gets its share of a launch; one that is off or ran out is stood in for by the other.

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
        let (types, markets) = (&self.launch.instance_types, self.launch.market.markets());
        let is_wanted = |Offering {
                             zone,
                             instance_type,
                             market,
                         }: &Offering| {
            let named = instance_type
                .as_ref()
                .map_or(types.is_empty(), |instance_type| types.contains(instance_type));
            named && markets.contains(market) && self.places.iter().any(|place| place.zone == *zone)
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
        let mut placer = Placer::new(
            self.places,
            &self.launch.instance_types,
            self.by_zone,
            self.exhausted,
            self.calls_left,
        );
        let usable = |placer: &Placer<'_>, market: Market| {
            mix.markets().contains(&market) && state.market_off(market, now).is_none() && placer.has(market)
        };
        let mut nowhere: u32 = 0;
        for (market, share) in self.shares.split(count, mix).into_iter().filter(|(_, share)| *share > 0) {
            if usable(&placer, market) {
                placer.place(share, market);
            } else if usable(&placer, market.other()) {
                placer.place(share, market.other());
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
