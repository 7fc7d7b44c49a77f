//! What the account lets run: quotas, free addresses, and how many fleets share its rate of launches.

use std::collections::BTreeSet;

use ghostnet_core::id::{InstanceType, PoolId, SubnetId};
use ghostnet_core::state::StoredSpec;
use ghostnet_engine::live::Finding;
use ghostnet_engine::live::limits::{self as judge, Limits};

use super::told;
use crate::failure::Failure;
use crate::resolve::Found;
use crate::spec_file::SpecFile;
use crate::stack::Session;

/// Findings about all of them.
///
/// # Errors
/// The table cannot be read; what AWS does not tell is a finding.
pub(super) async fn findings(
    session: &Session,
    file: &SpecFile,
    found: &Found,
    stored: Option<&StoredSpec>,
) -> Result<Vec<Finding>, Failure> {
    let (aws, home) = (&session.aws, session.aws.home());
    let mut findings = Vec::new();
    let state = session.state(&file.spec.id).await?;
    // the one at hand counts, applied or not
    let fleets = count(session.fleets().await?.len()).saturating_add(u32::from(stored.is_none()));
    for region in file.spec.regions(home) {
        let mut spec = file.spec.clone();
        spec.pools.retain(|pool| *pool.region_or(home) == region);
        if spec.pools.is_empty() {
            continue;
        }
        let types: Vec<InstanceType> = judge::types(&spec, &found.template_types);
        let codes: Vec<&str> = judge::quotas(&types, &spec).into_iter().map(|quota| quota.code).collect();
        let named: BTreeSet<&SubnetId> = spec.pools.iter().flat_map(|pool| &pool.launch.subnets).collect();
        let subnets = found.resolved.zones.keys().filter(|subnet| named.contains(subnet));
        let subnets: Vec<SubnetId> = subnets.cloned().collect();
        let counted = |(id, pool): (&PoolId, &ghostnet_core::state::PoolState)| (id.clone(), count(pool.members.len()));
        let limits = Limits {
            vcpus: told("vCPUs of types", aws.vcpus(&region, &types).await, &mut findings),
            quotas: told("quotas", aws.quotas(&region, &codes).await, &mut findings),
            free_addresses: told(
                "free addresses of subnets",
                aws.free_addresses(&region, &subnets).await,
                &mut findings,
            ),
            template_types: found.template_types.clone(),
            members: state.iter().flat_map(|state| state.pools.iter().map(counted)).collect(),
            fleets,
        };
        findings.extend(judge::judge(&spec, &limits));
    }
    Ok(findings)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
