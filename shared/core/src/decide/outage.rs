//! Zones that fail as a whole, or that an operator has left: somebody has shifted the balancer's traffic away from one, or its instances are sick while
//! those of the others are well.
//!
//! While a zone is out nobody leaves by scale-in, nothing is launched or started there, and the sick of that zone are replaced
//! in the others: the circuit breaker, which would hold them because they are so many, counts only the rest. The zone is
//! remembered for a while after the last evidence, because the evidence leaves with the sick.

use std::collections::{BTreeMap, BTreeSet};

use super::Situation;
use super::census::{Census, Person, Standing};
use crate::id::Zone;
use crate::reason::{Finding, ZoneEvidence};
use crate::spec::PoolSpec;
use crate::state::PoolState;
use crate::unit::Seconds;

/// A zone counts as out for this long after the last evidence.
pub(super) const OUT_FOR: Seconds = Seconds::minutes(15);
/// What is left of that before it is prolonged: not every look of an outage has something new to write.
const PROLONG_AT: Seconds = Seconds::minutes(10);
/// Fewer sick instances are their own fault.
const SICK_AT_LEAST: u32 = 2;

/// Takes in what this look shows of zones, and tells which are out.
pub(super) fn watch(situation: &Situation<'_>, pool: &PoolSpec, census: &Census<'_>, state: &mut PoolState, findings: &mut Vec<Finding>) {
    let now = situation.now;
    state.zones_out.retain(|_, until| now < until.at());
    let mut seen: BTreeMap<Zone, ZoneEvidence> = BTreeMap::new();
    seen.extend(sick_zone(pool, census));
    seen.extend(
        shifted(situation, pool, census)
            .into_iter()
            .map(|zone| (zone, ZoneEvidence::Shifted)),
    );
    let left = state.evacuations.iter().filter(|(_, left)| left.is_in_force(now));
    seen.extend(left.map(|(zone, left)| (zone.clone(), ZoneEvidence::Evacuated { until: left.until })));
    for zone in seen.keys() {
        let until = state.zones_out.entry(zone.clone()).or_insert_with(|| now.into());
        if Seconds::between(now, until.at()) < PROLONG_AT {
            *until = OUT_FOR.after(now).into();
        }
    }
    for (zone, until) in &state.zones_out {
        findings.push(Finding::ZoneOut {
            zone: zone.clone(),
            evidence: seen
                .get(zone)
                .copied()
                .unwrap_or_else(|| ZoneEvidence::Lately { until: until.at() }),
        });
    }
}

/// Zones from which a zonal shift keeps the traffic, as the balancer says of its targets.
fn shifted(situation: &Situation<'_>, pool: &PoolSpec, census: &Census<'_>) -> BTreeSet<Zone> {
    let targets = pool
        .target_groups
        .iter()
        .filter_map(|group| situation.observation.targets.get(group))
        .flatten();
    let away: BTreeSet<_> = targets.filter(|target| target.shifted).map(|target| &target.instance).collect();
    let there = census.people.iter().filter(|person| away.contains(&person.id));
    there.filter_map(zone).cloned().collect()
}

/// The zone of which at least half are sick, and two of them, while of the others no more are than the breaker allows of all.
fn sick_zone(pool: &PoolSpec, census: &Census<'_>) -> Option<(Zone, ZoneEvidence)> {
    let mut sick: BTreeMap<&Zone, u32> = BTreeMap::new();
    for zone in census
        .people
        .iter()
        .filter(|person| person.standing == Standing::Unhealthy)
        .filter_map(zone)
    {
        let count = sick.entry(zone).or_default();
        *count = count.saturating_add(1);
    }
    // hardly ever is there anything to compare
    if sick.values().all(|count| *count < SICK_AT_LEAST) {
        return None;
    }
    let mut zones: BTreeMap<&Zone, (u32, u32)> = BTreeMap::new();
    for person in &census.people {
        let sick = u32::from(person.standing == Standing::Unhealthy);
        let well = u32::from(person.standing.serves());
        if let Some(zone) = zone(person).filter(|_| sick > 0 || well > 0) {
            let (all, ill) = zones.entry(zone).or_default();
            (*all, *ill) = (all.saturating_add(1), ill.saturating_add(sick));
        }
    }
    let total = zones.values().fold((0_u32, 0_u32), |sum, zone| {
        (sum.0.saturating_add(zone.0), sum.1.saturating_add(zone.1))
    });
    zones.into_iter().find_map(|(zone, (of, sick))| {
        let (others, sick_there) = (total.0.saturating_sub(of), total.1.saturating_sub(sick));
        let here = sick >= SICK_AT_LEAST && sick.saturating_mul(2) >= of;
        let only_here = others > 0 && sick_there <= pool.guards.breaker_unhealthy.of_floor(others);
        (here && only_here).then(|| (zone.clone(), ZoneEvidence::Sick { sick, of }))
    })
}

/// Whether an instance is in a zone that is out.
pub(super) fn is_out(state: &PoolState, person: &Person<'_>) -> bool {
    zone(person).is_some_and(|zone| state.zones_out.contains_key(zone))
}

fn zone<'a>(person: &Person<'a>) -> Option<&'a Zone> {
    person.listed.map(|instance| &instance.zone)
}
