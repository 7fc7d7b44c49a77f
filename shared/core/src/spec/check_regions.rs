//! Reads where a fleet's pools are, if not all where its installation is.
//!
//! A fleet of several regions belongs to the installation of one: its home. Nobody decides about it while that is lost, so the traffic must not
//! be there as well: what takes the fleet down would then take its failover down.

use std::collections::BTreeSet;

use super::problem::Problems;
use super::raw::{RawFailover, RawFleetSpec};
use super::{PoolRole, PoolSpec};
use crate::id::Region;

/// The home of a fleet that names one.
pub(super) fn read(raw: &RawFleetSpec, pools: &[(usize, PoolSpec)], problems: &mut Problems) -> Option<Region> {
    let home = raw
        .home_region
        .as_deref()
        .and_then(|home| read_region(home, "home_region", problems));
    let Some(home) = home else {
        for (n, _) in pools.iter().filter(|(_, pool)| pool.region.is_some() && raw.home_region.is_none()) {
            let message = "a pool is elsewhere, and nothing says which installation the fleet belongs to";
            let hint = "add `home_region`, the region of the stack; not one where the traffic is";
            problems.add(format!("pools[{n}].region"), message, hint);
        }
        return None;
    };
    for (n, pool) in pools
        .iter()
        .filter(|(_, pool)| pool.role == PoolRole::Active && *pool.region_or(&home) == home)
    {
        let message = format!(
            "`{}` takes the traffic in the home region, and its loss would take the failover with it",
            pool.id
        );
        let hint = "set `region` to another one, or apply the fleet in a third region and name that in `home_region`";
        problems.add(format!("pools[{n}].region"), message, hint);
    }
    for (n, pool) in pools {
        let here = pool.region_or(&home);
        let elsewhere = |region: Option<&str>| region.is_some_and(|region| region != here.as_str());
        let groups = pool.target_groups.iter().enumerate();
        for (m, group) in groups.filter(|(_, group)| elsewhere(group.region())) {
            let message = format!("it is in `{}`, and the pool in `{here}`", group.region().unwrap_or_default());
            problems.add(
                format!("pools[{n}].target_groups[{m}]"),
                message,
                "a pool's instances are registered in their own region",
            );
        }
    }
    check_lever(raw.failover.as_ref(), pools, &home, problems);
    Some(home)
}

/// A balancer, an address and a route table are in one region.
fn check_lever(failover: Option<&RawFailover>, pools: &[(usize, PoolSpec)], home: &Region, problems: &mut Problems) {
    let regions: BTreeSet<&Region> = pools.iter().map(|(_, pool)| pool.region_or(home)).collect();
    let Some(lever) = failover.map(|failover| &failover.lever).filter(|_| regions.len() > 1) else {
        return;
    };
    let of_one_region = [
        ("listener_rules", lever.listener_rules.is_some()),
        ("target_swap", lever.target_swap.is_some()),
        ("accelerator_endpoints", lever.accelerator_endpoints.is_some()),
        ("to_instance", lever.to_instance.is_some()),
    ];
    for (field, _) in of_one_region.into_iter().filter(|(_, is_there)| *is_there) {
        let message = "the pools are in several regions, and this is in one";
        problems.add(
            format!("failover.lever.{field}"),
            message,
            "write `route53_records` or `accelerator_dials`",
        );
    }
}

/// The name of a region, such as `eu-west-1` or `us-gov-west-1`.
pub(super) fn read_region(text: &str, at: &str, problems: &mut Problems) -> Option<Region> {
    let parts: Vec<&str> = text.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_region = parts.split_last().is_some_and(|(number, words)| {
        (2..=4).contains(&words.len()) && words.iter().all(is_word) && number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !is_region {
        problems.add(
            at,
            format!("`{text}` is not the name of a region"),
            "write it as AWS does: `eu-west-1`",
        );
    }
    is_region.then(|| Region::new(text))
}
