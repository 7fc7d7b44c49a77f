//! Who leaves before whom in scale-in: the mix of markets first, then the criteria of the spec, and the instance id last. Whom an address
//! leads to leaves after all others.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Situation;
use super::census::{Census, Person};
use super::mix::Shares;
use crate::observation::Market;
use crate::reason::Finding;
use crate::sorted::Walk;
use crate::spec::{PoolSpec, ScaleInOrder};
use crate::unit::{Finite, Seconds};

/// What is billed by the hour is billed by hours since the launch.
const BILLED_HOUR: Seconds = Seconds::minutes(60);

/// One that may leave. What the order asks of it is looked up once: it is compared with all others, for each one that leaves.
pub(super) struct Candidate<'s, 'a> {
    pub(super) person: &'s Person<'a>,
    /// What it carries, if somebody measures it and said so lately.
    load: Option<Finite>,
    /// What its type costs.
    price: Option<u64>,
    /// So far it is into an hour that is billed.
    into_hour: Option<u32>,
    /// Whether an address, or a line of a route table, leads to it: it can leave, but that has to move first.
    is_led_to: bool,
}

/// Those that may leave, in the order of their ids.
pub(super) fn candidates<'s, 'a>(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &'s Census<'a>,
    may_leave: impl Fn(&Person<'a>) -> bool,
) -> Vec<Candidate<'s, 'a>> {
    let (loads, unknown) = (situation.observation.loads.get(&pool.id), BTreeMap::new());
    let loads = loads.and_then(|loads| loads.fresh(situation.now)).unwrap_or(&unknown);
    let mut loads = Walk::over(loads.iter().map(|(id, load)| (id, *load)));
    let prices = situation.spec.spend.as_ref().map(|cap| cap.prices_of(&census.types));
    let holder = situation.traffic.holder.as_ref().map(|holder| &holder.instance);
    let price = |kind: usize| prices.as_ref().and_then(|prices| prices.get(kind)).copied();
    let candidate = |person: &'s Person<'a>| Candidate {
        person,
        load: loads.to(&person.id),
        price: person.kind.and_then(price),
        into_hour: person.listed.and_then(|instance| {
            let age = Seconds::between(instance.launched_at, situation.now);
            age.0.checked_rem(BILLED_HOUR.0)
        }),
        is_led_to: holder == Some(&person.id),
    };
    let people = census.people.iter().filter(|person| may_leave(person));
    people.map(candidate).collect()
}

/// Those that serve and of which nobody knows what they carry: they leave last, by the next criterion.
pub(super) fn unknown_loads(pool: &PoolSpec, candidates: &[Candidate<'_, '_>]) -> Option<Finding> {
    pool.load_policy()?;
    let unknown = candidates
        .iter()
        .filter(|candidate| candidate.person.standing.serves() && candidate.load.is_none());
    let count = u32::try_from(unknown.count()).unwrap_or(u32::MAX);
    (count > 0).then_some(Finding::LoadUnknown { count })
}

/// Who leaves before whom, as things stand: each one who leaves changes it.
pub(super) struct Order<'a> {
    pool: &'a PoolSpec,
    /// Instances by zone, in the order of the census, without those that have left by now.
    by_zone: Vec<u32>,
    pub(super) shares: Shares,
    /// The market that has too many.
    in_excess: Market,
    /// Whether one of the share on demand would be missed in the base.
    is_at_base: bool,
}

impl<'a> Order<'a> {
    pub(super) fn of(pool: &'a PoolSpec, by_zone: Vec<u32>, shares: Shares) -> Self {
        let mix = &pool.launch.market;
        Self {
            pool,
            by_zone,
            shares,
            in_excess: shares.in_excess(mix),
            is_at_base: shares.is_at_base(mix),
        }
    }

    /// The place of who leaves first: of the class that comes before the criteria of the spec, by these.
    pub(super) fn first<'s, 'p: 's>(&self, all: impl Iterator<Item = (usize, &'s Candidate<'s, 'p>)> + Clone) -> Option<usize> {
        let class = all.clone().map(|(_, one)| self.class(one)).min()?;
        let of_class = all.filter(|(_, one)| self.class(one) == class);
        of_class.min_by(|(_, a), (_, b)| self.compare(a, b)).map(|(place, _)| place)
    }

    /// Whether something leads to it, it belongs to the base, serves, and is not in excess. One that does not serve yet is the cheapest to
    /// lose, unless the base is counted on it.
    fn class(&self, one: &Candidate<'_, '_>) -> u8 {
        let share = one.person.market.share();
        let is_base = self.is_at_base && share == Market::OnDemand;
        let (serves, is_kept) = (one.person.standing.serves(), share != self.in_excess);
        // who is compared with everybody is compared as one number
        u8::from(one.is_led_to) << 3 | u8::from(is_base) << 2 | u8::from(serves) << 1 | u8::from(is_kept)
    }

    /// By the criteria of the spec; the id breaks ties.
    fn compare(&self, a: &Candidate<'_, '_>, b: &Candidate<'_, '_>) -> Ordering {
        let in_zone = |one: &Candidate<'_, '_>| {
            let counted = one.person.zone.and_then(|zone| self.by_zone.get(zone));
            counted.copied().unwrap_or(0)
        };
        let launched = |one: &Candidate<'_, '_>| one.person.listed.map(|instance| instance.launched_at);
        let by = |order: &ScaleInOrder| match order {
            ScaleInOrder::ZoneBalance => in_zone(b).cmp(&in_zone(a)),
            ScaleInOrder::Oldest => launched(a).cmp(&launched(b)),
            ScaleInOrder::Newest => launched(b).cmp(&launched(a)),
            ScaleInOrder::LeastLoaded => by_load(a.load, b.load),
            ScaleInOrder::MostExpensive => b.price.cmp(&a.price),
            ScaleInOrder::ClosestToBilling => b.into_hour.cmp(&a.into_hour),
        };
        let mut differences = self.pool.scale_in_order.iter().map(by).filter(|order| order.is_ne());
        differences.next().unwrap_or_else(|| a.person.id.cmp(&b.person.id))
    }

    /// One of them leaves.
    pub(super) fn remove(&mut self, one: &Candidate<'_, '_>) {
        if let Some(count) = one.person.zone.and_then(|zone| self.by_zone.get_mut(zone)) {
            *count = count.saturating_sub(1);
        }
        let mut shares = self.shares;
        shares.remove(one.person.market);
        *self = Self::of(self.pool, std::mem::take(&mut self.by_zone), shares);
    }
}

/// Who carries less leaves first. Unknown is not idle.
fn by_load(a: Option<Finite>, b: Option<Finite>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.get().total_cmp(&b.get()),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}
