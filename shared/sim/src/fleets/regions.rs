//! What is drawn of fleets whose pools are in other regions than the installation's.

use ghostnet_core::spec::raw::{RawFailover, RawLever};
use ghostnet_core::spec::{FleetSpec, RawFleetSpec};

use super::sides::{by_dials, by_name};
use super::{Design, subnet};
use crate::chance::Chance;
use crate::region::{HOME, zones_of};

/// Regions that are not the installation's.
const ELSEWHERE: [&str; 2] = ["eu-central-1", "us-east-1"];
/// Of fleets that fail over one in so many is spread over regions, and of others.
const ONE_IN: [u32; 2] = [4, 24];

/// The pools of some fleets are in other regions. Drawn from a stream of its own too.
pub fn spread_over_regions(chance: &mut Chance, design: &mut Design) {
    let [of_sides, of_others] = ONE_IN;
    let one_in = if design.raw.failover.is_some() { of_sides } else { of_others };
    let (named, probed, some) = (chance.once_in(2), chance.once_in(2), chance.once_in(one_in));
    let mut raw = design.raw.clone();
    if !some || move_pools(chance, &mut raw).is_none() {
        return;
    }
    let sides: Vec<&str> = raw.pools.iter().map(|pool| pool.id.as_str()).collect();
    let lever = if named { by_name(&raw.fleet) } else { by_dials(&raw.fleet, &sides) };
    if let (Some(failover), Ok(lever)) = (raw.failover.as_mut(), serde_json::from_value(lever)) {
        lead_across(failover, lever, probed);
    }
    // of those that share a target group, or an address, no spec is valid in several regions
    if FleetSpec::check(&raw).is_ok() {
        design.raw = raw;
    }
}

/// Each pool to a region: who takes the traffic not to that of the installation.
fn move_pools(chance: &mut Chance, raw: &mut RawFleetSpec) -> Option<()> {
    let anywhere = [ELSEWHERE.as_slice(), &[HOME]].concat();
    raw.home_region = Some(HOME.to_owned());
    for pool in &mut raw.pools {
        let regions = if pool.role.is_some() { anywhere.as_slice() } else { &ELSEWHERE };
        let region = *chance.pick(regions)?;
        pool.region = Some(region.to_owned());
        for group in pool.target_groups.iter_mut().flatten() {
            *group = group.replace(HOME, region);
        }
        let subnets = zones_of(region).map(|zone| subnet(zone.as_str()));
        pool.launch.get_or_insert_default().subnets = Some(subnets.to_vec());
    }
    Some(())
}

/// A balancer is in one region, and what is said of a whole one is seen from outside of it.
fn lead_across(failover: &mut RawFailover, lever: RawLever, probed: bool) {
    if failover.lever.target_swap.is_none() && failover.lever.to_instance.is_none() {
        (failover.lever, failover.degraded, failover.fencing) = (lever, None, None);
    }
    failover.detect.get_or_insert_default().probes = probed.then(|| vec!["reachable".to_owned()]);
}
