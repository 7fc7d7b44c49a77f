//! What a fleet spends in a day, and how far it may still grow: instance hours or money, in integers.
//!
//! A look knows what runs; between two looks the earlier one's rate is believed. So the tally is three numbers, is written only when
//! the rate changes, and a day that begins begins with nothing spent. A launch is counted from the look that first lists it.

use jiff::Timestamp;

use crate::id::InstanceType;
use crate::observation::{Instance, InstanceState};
use crate::spec::{PoolSpec, Prices, SpendCap};
use crate::state::Spend;

/// Millionths of one.
pub const MICROS: u64 = 1_000_000;
const HOUR_SECONDS: u64 = 3_600;
const DAY_SECONDS: i64 = 86_400;

impl SpendCap {
    /// Millionths that an hour of an instance costs. A type without a price, which no pool launches, costs as much as the dearest.
    #[must_use]
    pub fn price(&self, instance_type: &InstanceType) -> u64 {
        match &self.prices {
            Prices::InstanceHours => MICROS,
            Prices::ByType { micros_per_hour, .. } => {
                let dearest = || micros_per_hour.values().copied().max();
                micros_per_hour.get(instance_type).copied().or_else(dearest).unwrap_or(0)
            }
        }
    }

    /// The price of each of these.
    pub(crate) fn prices_of(&self, types: &[&InstanceType]) -> Vec<u64> {
        types.iter().map(|instance_type| self.price(instance_type)).collect()
    }

    /// Millionths that an hour of another instance of this pool costs at most.
    #[must_use]
    pub fn price_of_growth(&self, pool: &PoolSpec) -> u64 {
        let types = pool.launch.instance_types.iter().map(|instance_type| self.price(instance_type));
        // at least one, because it divides
        types.max().unwrap_or(MICROS).max(1)
    }

    /// Millionths per hour that these instances cost: what boots or runs is paid for, what is stopped or ends is not.
    pub fn rate<'a>(&self, instances: impl Iterator<Item = &'a Instance>) -> u64 {
        let paid = instances.filter(|instance| matches!(instance.state, InstanceState::Pending | InstanceState::Running));
        let mut counted: Vec<(&InstanceType, u64)> = Vec::new();
        for instance in paid {
            // a fleet has few types: each is priced once
            match counted.iter_mut().find(|(met, _)| *met == &instance.instance_type) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => counted.push((&instance.instance_type, 1)),
            }
        }
        let costs = counted.into_iter().map(|(met, count)| self.price(met).saturating_mul(count));
        costs.fold(0, u64::saturating_add)
    }

    /// Millionths per hour that may be spent from now until the day ends.
    #[must_use]
    pub fn affordable_rate(&self, spend: Option<&Spend>, now: Timestamp) -> u64 {
        let left = self
            .micros_per_day
            .saturating_mul(HOUR_SECONDS)
            .saturating_sub(spent_today(spend, now));
        let midnight = midnight(spend, now).saturating_add(DAY_SECONDS);
        let until_midnight = midnight.saturating_sub(now.as_second());
        left / u64::try_from(until_midnight).unwrap_or(1).max(1)
    }
}

/// What was spent from midnight until now, in millionths times 3,600.
#[must_use]
pub fn spent_today(spend: Option<&Spend>, now: Timestamp) -> u64 {
    let Some(spend) = spend else { return 0 };
    let midnight = midnight(Some(spend), now);
    let (at, now) = (spend.at.at().as_second(), now.as_second());
    let since = |moment: i64| spend.rate.saturating_mul(u64::try_from(now.saturating_sub(moment)).unwrap_or(0));
    if at < midnight {
        since(midnight)
    } else {
        spend.spent.saturating_add(since(at))
    }
}

/// When the day began. One that has begun by another clock is not over by one that is behind.
fn midnight(spend: Option<&Spend>, now: Timestamp) -> i64 {
    let latest = latest(spend, now).as_second();
    latest.saturating_sub(latest.rem_euclid(DAY_SECONDS))
}

fn latest(spend: Option<&Spend>, now: Timestamp) -> Timestamp {
    spend.map_or(now, |spend| spend.at.at().max(now))
}

/// Takes in what a look has seen. Writes nothing new while the rate stays.
pub fn note(spend: &mut Option<Spend>, rate: u64, now: Timestamp) {
    if spend.is_none_or(|spend| spend.rate != rate) {
        *spend = Some(Spend {
            // what is counted up to a moment is not counted again from an earlier one
            at: latest(spend.as_ref(), now).into(),
            spent: spent_today(spend.as_ref(), now),
            rate,
        });
    }
}
