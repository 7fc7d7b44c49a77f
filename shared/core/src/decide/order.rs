//! Who leaves before whom in scale-in: the mix of markets first, then the criteria of the spec, and the instance id last.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Situation;
use super::census::Person;
use super::mix::Shares;
use crate::id::Zone;
use crate::reason::Finding;
use crate::spec::{PoolSpec, ScaleInOrder};
use crate::unit::{Finite, Seconds};

/// What one instance carries, if somebody measures it and said so lately.
fn load(situation: &Situation<'_>, pool: &PoolSpec, person: &Person<'_>) -> Option<Finite> {
    situation.observation.loads.get(&pool.id)?.load(&person.id, situation.now)
}

/// What is billed by the hour is billed by hours since the launch.
const BILLED_HOUR: Seconds = Seconds::minutes(60);

/// Those that serve and of which nobody knows what they carry: they leave last, by the next criterion.
pub(super) fn unknown_loads(situation: &Situation<'_>, pool: &PoolSpec, candidates: &[&Person<'_>]) -> Option<Finding> {
    pool.load_policy()?;
    let unknown = candidates
        .iter()
        .filter(|person| person.standing.serves() && load(situation, pool, person).is_none());
    let count = u32::try_from(unknown.count()).unwrap_or(u32::MAX);
    (count > 0).then_some(Finding::LoadUnknown { count })
}

/// Who leaves before whom.
pub(super) struct Order<'a> {
    pub(super) situation: &'a Situation<'a>,
    pub(super) pool: &'a PoolSpec,
    pub(super) by_zone: &'a BTreeMap<Zone, u32>,
    pub(super) shares: Shares,
}

impl Order<'_> {
    pub(super) fn compare(&self, a: &Person<'_>, b: &Person<'_>) -> Ordering {
        let in_zone = |person: &Person<'_>| {
            let count = person.listed.and_then(|instance| self.by_zone.get(&instance.zone));
            count.copied().unwrap_or(0)
        };
        let launched = |person: &Person<'_>| person.listed.map(|instance| instance.launched_at);
        let prices = self.situation.spec.spend.as_ref();
        let price = |person: &Person<'_>| prices.zip(person.listed).map(|(cap, instance)| cap.price(&instance.instance_type));
        let into_hour = |person: &Person<'_>| {
            let age = Seconds::between(person.listed?.launched_at, self.situation.now);
            age.0.checked_rem(BILLED_HOUR.0)
        };
        // each criterion is looked up only where those before it find no difference
        let by = |order: &ScaleInOrder| match order {
            ScaleInOrder::ZoneBalance => in_zone(b).cmp(&in_zone(a)),
            ScaleInOrder::Oldest => launched(a).cmp(&launched(b)),
            ScaleInOrder::Newest => launched(b).cmp(&launched(a)),
            ScaleInOrder::LeastLoaded => self.by_load(a, b),
            ScaleInOrder::MostExpensive => price(b).cmp(&price(a)),
            ScaleInOrder::ClosestToBilling => into_hour(b).cmp(&into_hour(a)),
        };
        let by_order = || {
            let mut differences = self.pool.scale_in_order.iter().map(by).filter(|order| order.is_ne());
            differences.next().unwrap_or(Ordering::Equal)
        };
        let mix = &self.pool.launch.market;
        let is_base = |person: &Person<'_>| self.shares.is_base(person.market, mix);
        let is_kept = |person: &Person<'_>| person.market.share() != self.shares.in_excess(mix);
        // one that does not serve yet is the cheapest to lose, unless the base is counted on it; the id breaks ties
        let ready = |person: &Person<'_>| person.standing.serves();
        is_base(a)
            .cmp(&is_base(b))
            .then(ready(a).cmp(&ready(b)))
            .then(is_kept(a).cmp(&is_kept(b)))
            .then_with(by_order)
            .then_with(|| a.id.cmp(&b.id))
    }

    /// Who carries less leaves first. Unknown is not idle.
    fn by_load(&self, a: &Person<'_>, b: &Person<'_>) -> Ordering {
        let load = |person: &Person<'_>| load(self.situation, self.pool, person);
        match (load(a), load(b)) {
            (Some(a), Some(b)) => a.get().total_cmp(&b.get()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }
}
