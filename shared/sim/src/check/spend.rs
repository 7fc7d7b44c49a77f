//! I21: growth within the day's spend cap, by a tally of its own that is made from the lists which the decisions saw.

use std::collections::BTreeMap;

use ghostnet_core::id::FleetId;
use ghostnet_core::observation::{Instance, InstanceState};
use ghostnet_core::record::Inputs;
use ghostnet_core::spec::{FleetSpec, Prices, SpendCap};

use super::Check;
use super::decision::Judged;

const DAY: i64 = 86_400;

/// What a fleet has spent since midnight, up to a second, and per hour since then.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    at: i64,
    spent: u128,
    rate: u128,
}

impl Spent {
    /// Spent until then, in millionths times 3,600.
    fn until(&self, now: i64) -> u128 {
        let midnight = now - now.rem_euclid(DAY);
        let since = |from: i64| self.rate * u128::try_from(now - from).unwrap_or(0);
        if self.at < midnight {
            since(midnight)
        } else {
            self.spent + since(self.at)
        }
    }
}

fn price(cap: &SpendCap, instance: &Instance) -> u128 {
    match &cap.prices {
        Prices::InstanceHours => 1_000_000,
        Prices::ByType { micros_per_hour, .. } => u128::from(micros_per_hour.get(&instance.instance_type).copied().unwrap_or(0)),
    }
}

/// Takes in what a decision saw.
pub(super) fn count(tallies: &mut BTreeMap<FleetId, Spent>, spec: &FleetSpec, inputs: &Inputs) {
    let (Some(cap), Some(instances)) = (&spec.spend, &inputs.observation.instances) else {
        return;
    };
    let paid = instances
        .iter()
        .filter(|instance| matches!(instance.state, InstanceState::Pending | InstanceState::Running));
    let rate = paid.map(|instance| price(cap, instance)).sum();
    let (tally, now) = (tallies.entry(spec.id.clone()).or_default(), inputs.now.as_second());
    if tally.rate != rate {
        *tally = Spent {
            at: now,
            spent: tally.until(now),
            rate,
        };
    }
}

/// Whether a pool grew beyond what is left, even if everything were as cheap as can be.
pub(super) fn judge(judged: &Judged<'_>, tally: Option<&Spent>, found: &mut Vec<(Check, String)>) {
    let (Some(cap), Some(tally)) = (&judged.spec.spend, tally) else {
        return;
    };
    let (before, after) = (judged.decided.before, judged.decided.after);
    let floor = judged.inputs.traffic.floors.get(&judged.pool.id).copied().unwrap_or(0);
    if after <= before.max(judged.bounds().0).max(floor) {
        return;
    }
    let others = judged.commit.record.pools.iter().filter(|(id, _)| **id != judged.pool.id);
    let instances = others.map(|(_, pool)| pool.after.min(pool.before)).fold(after, u32::saturating_add);
    let cheapest = match &cap.prices {
        Prices::InstanceHours => 1_000_000,
        Prices::ByType { micros_per_hour, .. } => micros_per_hour.values().copied().min().unwrap_or(0),
    };
    let now = judged.inputs.now.as_second();
    let until_midnight = u128::try_from(DAY - now.rem_euclid(DAY)).unwrap_or(0);
    let will = tally.until(now) + u128::from(instances) * u128::from(cheapest) * until_midnight;
    let cap = u128::from(cap.micros_per_day) * 3_600;
    if will > cap {
        let detail = format!("{} grows to {after}, and the day would cost {will} of {cap}", judged.pool.id);
        found.push((Check::SpendCap, detail));
    }
}
