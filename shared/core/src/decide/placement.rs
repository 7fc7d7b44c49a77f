//! Where new instances go: zones balanced, types in the order of the spec, around offerings that just ran out.

use std::collections::BTreeMap;

use crate::id::{InstanceType, Zone};
use crate::observation::{ExhaustedOffering, Market, Offering, Place};
use crate::spec::LaunchSpec;

/// So many instances in one place of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The subnet and its zone.
    pub place: Place,
    /// The offering.
    pub offering: Offering,
    /// Other types that do as well, if AWS may choose.
    pub others: Vec<InstanceType>,
    /// How many.
    pub count: u32,
}

/// Places instances one by one, each into the zone that then has fewest, ties in the order of the spec. In a zone whose
/// preferred type ran out the next type is taken, and where no type is left in a market, the next market; a zone that ran out of
/// all of them gets none. What is asked of one subnet, type and market is one placement: one call.
#[derive(Debug)]
pub struct Placer<'a> {
    places: Vec<Place>,
    launch: &'a LaunchSpec,
    by_zone: BTreeMap<Zone, u32>,
    exhausted: &'a [ExhaustedOffering],
    calls_left: u32,
    placements: Vec<Placement>,
    /// Whether an instance would have gone elsewhere, or somewhere at all, if another call were left.
    pub limited_by_calls: bool,
}

impl<'a> Placer<'a> {
    /// Nothing placed yet; `by_zone` is what there is, `calls_left` the most placements there may be.
    #[must_use]
    pub fn new(
        places: Vec<Place>,
        launch: &'a LaunchSpec,
        by_zone: BTreeMap<Zone, u32>,
        exhausted: &'a [ExhaustedOffering],
        calls_left: u32,
    ) -> Self {
        Self {
            places,
            launch,
            by_zone,
            exhausted,
            calls_left,
            placements: Vec::new(),
            limited_by_calls: false,
        }
    }

    /// Whether any zone has an offering in this market.
    #[must_use]
    pub fn has(&self, market: Market) -> bool {
        self.places.iter().any(|place| self.first_available(&place.zone, market).is_some())
    }

    /// Places `count` instances in these markets, each zone in the first that it has, as far as offerings and calls last.
    pub fn place(&mut self, count: u32, markets: &[Market]) {
        let first = |zone: &Zone| markets.iter().find_map(|market| self.first_available(zone, *market));
        let slots = self.places.iter().filter_map(|place| Some(self.slot(place, first(&place.zone)?)));
        let mut slots: Vec<Slot> = slots.collect();
        let mut calls = self.placements.len();
        for _ in 0..count {
            // instances of one zone may be spread over several subnets: the zone decides first, then the subnet's own count
            let rank = |(order, slot): &(usize, &Slot)| (slot.in_zone, slot.there.saturating_add(slot.more), *order);
            let new_calls = usize::try_from(self.calls_left).is_ok_and(|most| calls < most);
            let fits = |(_, slot): &(usize, &Slot)| new_calls || !slot.is_empty();
            let best = slots.iter().enumerate().min_by_key(rank).map(|(order, _)| order);
            let chosen = slots.iter().enumerate().filter(fits).min_by_key(rank).map(|(order, _)| order);
            self.limited_by_calls |= best != chosen;
            let Some(slot) = chosen.and_then(|order| slots.get_mut(order)) else {
                break;
            };
            calls = calls.saturating_add(usize::from(slot.is_empty()));
            slot.more = slot.more.saturating_add(1);
            let zone = slot.place.zone.clone();
            for slot in slots.iter_mut().filter(|slot| slot.place.zone == zone) {
                slot.in_zone = slot.in_zone.saturating_add(1);
            }
        }
        for slot in slots.into_iter().filter(|slot| slot.more > 0) {
            self.add(slot);
        }
    }

    /// The placements: what is reserved before on demand before spot, in the order of the spec. If AWS may choose, each of spot has
    /// every type of its zone that did not run out.
    #[must_use]
    pub fn finish(mut self, aws_chooses: bool) -> Vec<Placement> {
        let mut placements = std::mem::take(&mut self.placements);
        let chosen = |placement: &&mut Placement| aws_chooses && placement.offering.market == Market::Spot;
        for placement in placements.iter_mut().filter(chosen) {
            let all = self.available(&placement.place.zone, Market::Spot);
            placement.others = all.skip(1).filter_map(|offering| offering.instance_type).collect();
        }
        let order = |placement: &Placement| self.places.iter().position(|place| *place == placement.place);
        placements.sort_by_key(|placement| (placement.offering.market, order(placement)));
        placements
    }

    fn slot(&self, place: &Place, offering: Offering) -> Slot {
        let there = self.placements.iter().find(|placement| placement.is_of(place, &offering));
        Slot {
            in_zone: self.by_zone.get(&place.zone).copied().unwrap_or(0),
            there: there.map_or(0, |placement| placement.count),
            more: 0,
            place: place.clone(),
            offering,
        }
    }

    fn add(&mut self, slot: Slot) {
        self.by_zone.insert(slot.place.zone.clone(), slot.in_zone);
        match self
            .placements
            .iter_mut()
            .find(|placement| placement.is_of(&slot.place, &slot.offering))
        {
            Some(placement) => placement.count = placement.count.saturating_add(slot.more),
            None => self.placements.push(Placement {
                place: slot.place,
                offering: slot.offering,
                others: Vec::new(),
                count: slot.more,
            }),
        }
    }

    fn first_available(&self, zone: &Zone, market: Market) -> Option<Offering> {
        self.available(zone, market).next()
    }

    /// What a zone has in a market, in the order of the spec.
    fn available(&self, zone: &Zone, market: Market) -> impl Iterator<Item = Offering> + '_ {
        let is_left = |candidate: &Offering| !self.exhausted.iter().any(|exhausted| exhausted.offering == *candidate);
        self.launch.offerings(zone, market).filter(is_left)
    }
}

/// Where instances may go while some are placed.
#[derive(Debug)]
struct Slot {
    place: Place,
    offering: Offering,
    /// So many are in its zone, wherever in it.
    in_zone: u32,
    /// So many were placed here before.
    there: u32,
    /// So many are placed here now.
    more: u32,
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.there == 0 && self.more == 0
    }
}

impl Placement {
    fn is_of(&self, place: &Place, offering: &Offering) -> bool {
        self.place == *place && self.offering == *offering
    }
}

/// Whether a zone lately had no capacity for any type that is launched in any of its markets.
pub(super) fn is_exhausted(zone: &Zone, launch: &LaunchSpec, exhausted: &[ExhaustedOffering]) -> bool {
    let placer = Placer::new(Vec::new(), launch, BTreeMap::new(), exhausted, 0);
    launch
        .market
        .markets()
        .iter()
        .all(|market| placer.first_available(zone, *market).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SubnetId;
    use crate::spec::{Allocation, Drift, MarketMix, Template, TemplateKey};
    use crate::unit::Percent;
    use jiff::Timestamp;

    fn places() -> Vec<Place> {
        ["a", "b", "c"]
            .map(|zone| Place {
                subnet: SubnetId::new(format!("subnet-{zone}")),
                zone: Zone::new(zone),
            })
            .to_vec()
    }

    fn launch() -> LaunchSpec {
        LaunchSpec {
            template: Template {
                key: TemplateKey::Name("web".into()),
                version: "$Default".into(),
            },
            subnets: places().into_iter().map(|place| place.subnet).collect(),
            instance_types: ["c7a.large", "m7a.large"].map(InstanceType::new).to_vec(),
            market: MarketMix {
                on_demand_base: 0,
                spot: Percent(0),
                allocation: Allocation::ListedOrder,
                reservations: None,
            },
            drift: Drift::Ignore,
            rebalance_zones: false,
        }
    }

    fn ran_out(zone: &str, instance_type: &str) -> ExhaustedOffering {
        let offering = Offering {
            zone: Zone::new(zone),
            instance_type: Some(InstanceType::new(instance_type)),
            market: Market::OnDemand,
            reservation: None,
        };
        ExhaustedOffering {
            offering,
            until: Timestamp::MAX,
        }
    }

    fn placed(count: u32, present: &[(&str, u32)], exhausted: &[ExhaustedOffering]) -> Vec<String> {
        let by_zone = present.iter().map(|(zone, count)| (Zone::new(*zone), *count)).collect();
        let launch = launch();
        let mut placer = Placer::new(places(), &launch, by_zone, exhausted, 5);
        placer.place(count, &[Market::OnDemand]);
        let text = |p: &Placement| {
            format!(
                "{} {} {}",
                p.place.zone,
                p.offering.instance_type.as_ref().map_or("-", InstanceType::as_str),
                p.count
            )
        };
        placer.finish(false).iter().map(text).collect()
    }

    #[test]
    fn the_emptiest_zone_comes_first() {
        assert_eq!(placed(5, &[], &[]), ["a c7a.large 2", "b c7a.large 2", "c c7a.large 1"]);
        assert_eq!(placed(2, &[("a", 3), ("b", 1), ("c", 3)], &[]), ["b c7a.large 2"]);
        assert_eq!(placed(0, &[], &[]), Vec::<String>::new());
    }

    #[test]
    fn around_what_ran_out() {
        assert_eq!(placed(2, &[], &[ran_out("a", "c7a.large")]), ["a m7a.large 1", "b c7a.large 1"]);
        let whole_zone = [ran_out("a", "c7a.large"), ran_out("a", "m7a.large")];
        assert_eq!(placed(2, &[], &whole_zone), ["b c7a.large 1", "c c7a.large 1"]);
        let everything: Vec<_> = ["a", "b", "c"]
            .iter()
            .flat_map(|zone| [ran_out(zone, "c7a.large"), ran_out(zone, "m7a.large")])
            .collect();
        assert_eq!(placed(2, &[], &everything), Vec::<String>::new());
    }
}
