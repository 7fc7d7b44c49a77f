//! How a pool is shared between on demand and spot: what is there, what the next launches add, who leaves first.

use super::Situation;
use super::census::{self, Census, Person, Standing};
use crate::observation::Market;
use crate::plan::Action;
use crate::spec::{MarketMix, PoolSpec};
use crate::state::CapacityState;

/// Instances by market: those that stay, and those that open launches may still bring. Together they are the pool's capacity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shares {
    on_demand: u32,
    spot: u32,
}

impl Shares {
    /// What there is of a pool.
    pub(super) fn of(situation: &Situation<'_>, pool: &PoolSpec, census: &Census<'_>, state: &CapacityState) -> Self {
        let mut shares = Self::default();
        for person in census.people.iter().filter(|person| stays(person)) {
            shares.add(person.market, 1);
        }
        let instances = situation.observation.instances.as_deref().unwrap_or_default();
        for open in state.open_of(&pool.id).filter(|open| census::brings(open, false)) {
            if let Action::Launch(launch) = &open.step.action {
                shares.add(launch.offering.market, census::missing(open, instances));
            }
        }
        shares
    }

    fn total(self) -> u32 {
        self.on_demand.saturating_add(self.spot)
    }

    /// More of them.
    pub(super) fn add(&mut self, market: Market, count: u32) {
        let share = self.share_mut(market);
        *share = share.saturating_add(count);
    }

    fn share_mut(&mut self, market: Market) -> &mut u32 {
        match market {
            Market::Reserved | Market::OnDemand => &mut self.on_demand,
            Market::Spot => &mut self.spot,
        }
    }

    /// Of `count` more instances, how many on demand and how many spot come nearest to the mix.
    pub(super) fn split(self, count: u32, mix: &MarketMix) -> [(Market, u32); 2] {
        let wanted = mix.on_demand_of(self.total().saturating_add(count));
        let on_demand = wanted.saturating_sub(self.on_demand).min(count);
        [(Market::OnDemand, on_demand), (Market::Spot, count.saturating_sub(on_demand))]
    }

    /// The market that has too many once one instance has left. It is always exactly one.
    pub(super) fn in_excess(self, mix: &MarketMix) -> Market {
        if self.on_demand > mix.on_demand_of(self.total().saturating_sub(1)) {
            Market::OnDemand
        } else {
            Market::Spot
        }
    }

    /// Whether one that leaves the share on demand would be missed in the base.
    pub(super) fn is_at_base(self, mix: &MarketMix) -> bool {
        self.on_demand <= mix.on_demand_base
    }

    /// One leaves.
    pub(super) fn remove(&mut self, market: Market) {
        let share = self.share_mut(market);
        *share = share.saturating_sub(1);
    }
}

/// Whether it counts as capacity, and will go on to: in place of one that is replaced, another of its market is launched.
fn stays(person: &Person<'_>) -> bool {
    let counts = person.standing.serves() || matches!(person.standing, Standing::Warming | Standing::Pending);
    counts && !person.renewing
}
