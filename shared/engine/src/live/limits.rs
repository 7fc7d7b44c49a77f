//! What the account lets run at once, and how many launches a minute: vCPU quotas by family and market, free addresses of
//! subnets, and the bucket of launch requests that all fleets share.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstanceType, PoolId, SubnetId};
use ghostnet_core::observation::Market;
use ghostnet_core::plan::LAUNCH_CALLS_MAX;
use ghostnet_core::spec::{FleetSpec, PoolSpec};

use super::finding::{Finding, Severity, listed};

/// EC2 refills the bucket of launch requests by so many a second.
const LAUNCH_CALLS_PER_SECOND: u32 = 2;
/// Most types that one sentence names.
const NAMES_MAX: usize = 3;

/// A quota on vCPUs that run at once, by its code in Service Quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota {
    /// `L-…`.
    pub code: &'static str,
    /// AWS's name for it.
    pub name: &'static str,
}

/// The quota that a type counts in; none: nobody here knows.
#[must_use]
pub fn quota_of(instance_type: &InstanceType, market: Market) -> Option<Quota> {
    let family = instance_type.as_str().split('.').next().unwrap_or_default();
    let letters: &str = family.split(|letter: char| !letter.is_ascii_lowercase()).next().unwrap_or_default();
    let (on_demand, spot) = match letters {
        "dl" => (
            ("L-6E869C2A", "Running On-Demand DL instances"),
            Some(("L-85EED4F7", "All DL Spot Instance Requests")),
        ),
        "f" => (
            ("L-74FC7D96", "Running On-Demand F instances"),
            Some(("L-88CF9481", "All F Spot Instance Requests")),
        ),
        "g" | "gr" | "vt" => (
            ("L-DB2E81BA", "Running On-Demand G and VT instances"),
            Some(("L-3819A6DF", "All G and VT Spot Instance Requests")),
        ),
        "inf" => (
            ("L-1945791B", "Running On-Demand Inf instances"),
            Some(("L-B5D1601B", "All Inf Spot Instance Requests")),
        ),
        "p" => (
            ("L-417A185B", "Running On-Demand P instances"),
            Some(("L-7212CCBC", "All P Spot Instance Requests")),
        ),
        "trn" => (
            ("L-2C3B7624", "Running On-Demand Trn instances"),
            Some(("L-6B0D517C", "All Trn Spot Instance Requests")),
        ),
        "u" => (("L-43DA4232", "Running On-Demand High Memory instances"), None),
        "x" => (
            ("L-7295265B", "Running On-Demand X instances"),
            Some(("L-E3A00192", "All X Spot Instance Requests")),
        ),
        // `is` and `im` are families of I; `hpc` and `mac` have quotas of another kind
        "a" | "c" | "d" | "h" | "i" | "im" | "is" | "m" | "r" | "t" | "z" => (
            ("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"),
            Some(("L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests")),
        ),
        _ => return None,
    };
    let (code, name) = match market {
        Market::OnDemand => on_demand,
        Market::Spot => spot?,
        // what is reserved took its part of the on-demand quota when it was reserved
        Market::Reserved => return None,
    };
    Some(Quota { code, name })
}

/// What the account has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// vCPUs of each type; one that does not exist here is absent.
    pub vcpus: BTreeMap<InstanceType, u32>,
    /// vCPUs that may run under each quota, by its code; one that AWS does not tell is absent.
    pub quotas: BTreeMap<String, u32>,
    /// The type of each pool's launch template, if that names one.
    pub template_types: BTreeMap<PoolId, InstanceType>,
    /// Addresses that are still free in each subnet.
    pub free_addresses: BTreeMap<SubnetId, u32>,
    /// Instances that each pool has now.
    pub members: BTreeMap<PoolId, u32>,
    /// Applied fleets of this account and region, the one at hand included.
    pub fleets: u32,
}

/// Types that a spec may launch, the templates' own included: whose vCPUs have to be looked up.
#[must_use]
pub fn types(spec: &FleetSpec, template_types: &BTreeMap<PoolId, InstanceType>) -> Vec<InstanceType> {
    let mut types: Vec<InstanceType> = spec.pools.iter().flat_map(|pool| types_of(pool, template_types)).cloned().collect();
    types.sort();
    types.dedup();
    types
}

fn types_of<'a>(pool: &'a PoolSpec, template_types: &'a BTreeMap<PoolId, InstanceType>) -> Vec<&'a InstanceType> {
    match &pool.launch.instance_types[..] {
        [] => template_types.get(&pool.id).into_iter().collect(),
        types => types.iter().collect(),
    }
}

/// Quotas that these types count in.
#[must_use]
pub fn quotas(types: &[InstanceType], spec: &FleetSpec) -> Vec<Quota> {
    let uses_spot = spec.pools.iter().any(|pool| pool.launch.market.uses_spot());
    let markets: &[Market] = if uses_spot {
        &[Market::OnDemand, Market::Spot]
    } else {
        &[Market::OnDemand]
    };
    let of_type = |name: &InstanceType| markets.iter().filter_map(|market| quota_of(name, *market)).collect::<Vec<_>>();
    let mut quotas: Vec<Quota> = types.iter().flat_map(of_type).collect();
    quotas.sort();
    quotas.dedup();
    quotas
}

/// Findings about quotas, addresses and the rate of launches.
#[must_use]
pub fn judge(spec: &FleetSpec, limits: &Limits) -> Vec<Finding> {
    let mut findings = vcpus(spec, limits);
    findings.extend(addresses(spec, limits));
    findings.extend(rate(spec, limits));
    findings
}

/// What the fleet needs under one quota.
#[derive(Debug, Default)]
struct Need {
    at_most: u32,
    at_least: u32,
    path: String,
    types: Vec<String>,
}

/// Quotas that the fleet's largest size, or even its smallest, does not fit in. Each instance counts as the largest type of its pool;
/// what else runs in the account is not counted.
fn vcpus(spec: &FleetSpec, limits: &Limits) -> Vec<Finding> {
    let mut needs: BTreeMap<Quota, Need> = BTreeMap::new();
    for (n, pool) in spec.pools.iter().enumerate() {
        for market in pool.launch.market.markets() {
            let mut largest: BTreeMap<Quota, (u32, String)> = BTreeMap::new();
            for name in types_of(pool, &limits.template_types) {
                let Some((quota, vcpus)) = quota_of(name, *market).zip(limits.vcpus.get(name)) else {
                    continue;
                };
                let known = largest.entry(quota).or_default();
                if *vcpus > known.0 {
                    *known = (*vcpus, name.to_string());
                }
            }
            for (quota, (vcpus, name)) in largest {
                let share = |total: u32| {
                    let on_demand = pool.launch.market.on_demand_of(total);
                    let of_market = match market {
                        Market::OnDemand | Market::Reserved => on_demand,
                        Market::Spot => total.saturating_sub(on_demand),
                    };
                    of_market.saturating_mul(vcpus)
                };
                let need = needs.entry(quota).or_default();
                need.at_most = need.at_most.saturating_add(share(pool.most().min(spec.maximum)));
                need.at_least = need.at_least.saturating_add(share(pool.capacity.min));
                if need.types.is_empty() {
                    need.path = format!("pools[{n}].capacity.max");
                }
                if !need.types.contains(&name) {
                    need.types.push(name);
                }
            }
        }
    }
    let finding = |(quota, need): (Quota, Need)| {
        let granted = *limits.quotas.get(quota.code)?;
        if need.at_most <= granted {
            return None;
        }
        let (severity, size, needed) = if need.at_least > granted {
            (Severity::Error, "even at its smallest", need.at_least)
        } else {
            (Severity::Warning, "at its largest", need.at_most)
        };
        let types = listed(&need.types, NAMES_MAX);
        Some(Finding::new(
            severity,
            need.path,
            format!(
                "{size} the fleet needs {needed} vCPUs of the quota `{}`, which is {granted}",
                quota.name
            ),
            format!("counted as instances of {types}; what else runs in the account takes from the same quota"),
            &format!(
                "`aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {} --desired-value {}`",
                quota.code, need.at_most
            ),
        ))
    };
    needs.into_iter().filter_map(finding).collect()
}

/// Subnets in which a pool cannot grow to its largest size.
fn addresses(spec: &FleetSpec, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (n, pool) in spec.pools.iter().enumerate() {
        let free: Option<Vec<u32>> = pool
            .launch
            .subnets
            .iter()
            .map(|id| limits.free_addresses.get(id).copied())
            .collect();
        // a subnet that nobody knows may have room
        let Some(free) = free else { continue };
        let free = free.into_iter().fold(0, u32::saturating_add);
        let members = limits.members.get(&pool.id).copied().unwrap_or_default();
        let room = members.saturating_add(free);
        let most = pool.most().min(spec.maximum);
        if room < most {
            findings.push(Finding::new(
                Severity::Warning,
                format!("pools[{n}].launch.subnets"),
                format!(
                    "the pool's subnets have {free} free addresses, and it may grow by {}",
                    most.saturating_sub(members)
                ),
                format!("at {room} instances EC2 answers `InsufficientFreeAddressesInSubnet`"),
                "add a subnet, or a larger one",
            ));
        }
    }
    findings
}

/// Whether EC2 hears all fleets when they grow in the same minute.
fn rate(spec: &FleetSpec, limits: &Limits) -> Option<Finding> {
    let calls = |pool: &PoolSpec| {
        let places = u32::try_from(pool.launch.subnets.len()).unwrap_or(u32::MAX);
        let markets = u32::try_from(pool.launch.market.markets().len()).unwrap_or(u32::MAX);
        places.saturating_mul(markets).min(LAUNCH_CALLS_MAX)
    };
    let calls = spec.pools.iter().map(calls).max().unwrap_or(1).max(1);
    let heard = LAUNCH_CALLS_MAX.saturating_add(LAUNCH_CALLS_PER_SECOND.saturating_mul(60));
    let carried = heard.checked_div(calls).unwrap_or(heard);
    (limits.fleets > carried).then(|| {
        Finding::new(
            Severity::Warning,
            "",
            format!(
                "if all {} fleets of the account grow in the same minute, {} of them wait",
                limits.fleets,
                limits.fleets.saturating_sub(carried)
            ),
            format!("EC2 hears {heard} launches a minute in an account and region, and a fleet like this one asks for up to {calls}"),
            "spread fleets over accounts or regions, or give pools fewer subnets and one market; `warm` does not help, starting has a bucket of the same size",
        )
    })
}
