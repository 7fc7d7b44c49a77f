//! How far the spend cap lets a pool grow, given what the others have and want.

use std::collections::BTreeMap;

use super::Situation;
use super::census::{Person, Standing};
use super::fleet::Counted;
use crate::id::PoolId;
use crate::spec::SpendCap;
use crate::spend;
use crate::state::CapacityState;

/// A fleet's cap, and what it still lets the fleet cost per hour.
pub(super) struct Spending<'a> {
    cap: &'a SpendCap,
    affordable: u64,
}

impl<'a> Spending<'a> {
    /// Takes in what this look has seen. None: the fleet has no cap.
    pub(super) fn of(situation: &Situation<'a>, state: &mut CapacityState) -> Option<Self> {
        let Some(cap) = &situation.spec.spend else {
            state.spend = None;
            return None;
        };
        // what cannot be listed goes on costing what it did
        if let Some(instances) = situation
            .observation
            .instances
            .as_ref()
            .filter(|_| situation.observation.unlisted.is_empty())
        {
            spend::note(&mut state.spend, cap.rate(instances.iter()), situation.now);
        }
        let affordable = cap.affordable_rate(state.spend.as_ref(), situation.now);
        Some(Self { cap, affordable })
    }

    /// The largest size that the cap lets a pool have. Zero: not even what is there lasts until midnight.
    pub(super) fn room(&self, counted: &[Counted<'_>], of: &Counted<'_>, wanted: &BTreeMap<&PoolId, u32>) -> u32 {
        let others = counted.iter().filter(|other| other.pool.id != of.pool.id);
        let others = others.map(|other| self.cost(other, wanted.get(&other.pool.id).copied().unwrap_or(0)));
        let spent = others.fold(self.cost(of, 0), u64::saturating_add);
        let Some(left) = self.affordable.checked_sub(spent) else {
            return 0;
        };
        let more = u32::try_from(left / self.cap.price_of_growth(of.pool)).unwrap_or(u32::MAX);
        of.census.counts.capacity().saturating_add(more)
    }

    /// Millionths per hour of a pool that wants so many: what is there and stays at its own price, what is still to come, and the sick
    /// that an open breaker keeps, at the dearest. Who leaves is on its way out; what it costs is in the tally of the looks that saw
    /// it. Who is kept stopped costs nothing that is counted here.
    fn cost(&self, counted: &Counted<'_>, wanted: u32) -> u64 {
        let (counts, each) = (&counted.census.counts, self.cap.price_of_growth(counted.pool));
        let prices = self.cap.prices_of(&counted.census.types);
        let price = |person: &Person<'_>| person.kind.and_then(|kind| prices.get(kind)).copied().unwrap_or(each);
        let (mut there, mut known): (u64, u32) = (0, 0);
        for person in &counted.census.people {
            match person.standing {
                Standing::InService | Standing::WarmingServing | Standing::Warming | Standing::Pending => {
                    known = known.saturating_add(1);
                    there = there.saturating_add(price(person));
                }
                Standing::Preparing => there = there.saturating_add(price(person)),
                Standing::Warm | Standing::Draining | Standing::Unhealthy | Standing::NeverHealthy | Standing::Out => {}
            }
        }
        let others = wanted.max(counts.capacity()).saturating_sub(known);
        there.saturating_add(u64::from(others).saturating_mul(each))
    }
}
