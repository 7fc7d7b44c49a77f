//! Where new instances go: zones balanced, types in the order of the spec, around offerings that just ran out.

use std::collections::BTreeMap;

use crate::id::{InstanceType, Zone};
use crate::observation::{ExhaustedOffering, Market, Offering, Place};

/// So many instances in one place of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The subnet and its zone.
    pub place: Place,
    /// The offering.
    pub offering: Offering,
    /// How many.
    pub count: u32,
}

/// Places `count` instances one by one, each into the zone that then has fewest, ties in the order of the spec. In a
/// zone whose preferred type ran out the next type is taken; a zone that ran out of all types gets none. Fewer than
/// `count` come back if every zone ran out.
#[must_use]
pub fn place(
    count: u32,
    places: &[Place],
    types: &[InstanceType],
    by_zone: &BTreeMap<Zone, u32>,
    exhausted: &[ExhaustedOffering],
) -> Vec<Placement> {
    let mut open: Vec<(Placement, u32)> = places
        .iter()
        .filter_map(|place| {
            let offering = first_available(&place.zone, types, exhausted)?;
            let present = by_zone.get(&place.zone).copied().unwrap_or(0);
            Some((
                Placement {
                    place: place.clone(),
                    offering,
                    count: 0,
                },
                present,
            ))
        })
        .collect();
    for _ in 0..count {
        // instances of one zone may be spread over several subnets: the zone decides first, then the subnet's own count
        let fewest = open
            .iter()
            .enumerate()
            .min_by_key(|(order, (placement, present))| (zone_total(&open, &placement.place.zone, *present), placement.count, *order));
        let Some((chosen, _)) = fewest else { break };
        if let Some((placement, _)) = open.get_mut(chosen) {
            placement.count = placement.count.saturating_add(1);
        }
    }
    open.into_iter()
        .map(|(placement, _)| placement)
        .filter(|placement| placement.count > 0)
        .collect()
}

fn zone_total(open: &[(Placement, u32)], zone: &Zone, present: u32) -> u32 {
    open.iter()
        .filter(|(placement, _)| placement.place.zone == *zone)
        .map(|(placement, _)| placement.count)
        .fold(present, u32::saturating_add)
}

/// Whether a zone lately had no capacity for any of these types.
pub(super) fn is_exhausted(zone: &Zone, types: &[InstanceType], exhausted: &[ExhaustedOffering]) -> bool {
    first_available(zone, types, exhausted).is_none()
}

fn first_available(zone: &Zone, types: &[InstanceType], exhausted: &[ExhaustedOffering]) -> Option<Offering> {
    let offering = |instance_type: Option<InstanceType>| Offering {
        zone: zone.clone(),
        instance_type,
        market: Market::OnDemand,
    };
    let mut candidates: Vec<Offering> = types.iter().map(|instance_type| offering(Some(instance_type.clone()))).collect();
    if candidates.is_empty() {
        candidates.push(offering(None));
    }
    candidates
        .into_iter()
        .find(|candidate| !exhausted.iter().any(|exhausted| exhausted.offering == *candidate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SubnetId;
    use jiff::Timestamp;

    fn places() -> Vec<Place> {
        ["a", "b", "c"]
            .map(|zone| Place {
                subnet: SubnetId::new(format!("subnet-{zone}")),
                zone: Zone::new(zone),
            })
            .to_vec()
    }

    fn types() -> Vec<InstanceType> {
        ["c7a.large", "m7a.large"].map(InstanceType::new).to_vec()
    }

    fn ran_out(zone: &str, instance_type: &str) -> ExhaustedOffering {
        let offering = Offering {
            zone: Zone::new(zone),
            instance_type: Some(InstanceType::new(instance_type)),
            market: Market::OnDemand,
        };
        ExhaustedOffering {
            offering,
            until: Timestamp::MAX,
        }
    }

    fn placed(count: u32, present: &[(&str, u32)], exhausted: &[ExhaustedOffering]) -> Vec<String> {
        let by_zone = present.iter().map(|(zone, count)| (Zone::new(*zone), *count)).collect();
        let placements = place(count, &places(), &types(), &by_zone, exhausted);
        let text = |p: &Placement| {
            format!(
                "{} {} {}",
                p.place.zone,
                p.offering.instance_type.as_ref().map_or("-", InstanceType::as_str),
                p.count
            )
        };
        placements.iter().map(text).collect()
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
