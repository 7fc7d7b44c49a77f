//! What the account lets run: quotas, free addresses, and how many fleets share its rate of launches.

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
    let (aws, region, spec) = (&session.aws, session.aws.home(), &file.spec);
    let mut findings = Vec::new();
    let types: Vec<InstanceType> = judge::types(spec, &found.template_types);
    let codes: Vec<&str> = judge::quotas(&types, spec).into_iter().map(|quota| quota.code).collect();
    let subnets: Vec<SubnetId> = found.resolved.zones.keys().cloned().collect();
    let mut limits = Limits {
        vcpus: told("vCPUs of types", aws.vcpus(region, &types).await, &mut findings),
        quotas: told("quotas", aws.quotas(region, &codes).await, &mut findings),
        free_addresses: told(
            "free addresses of subnets",
            aws.free_addresses(region, &subnets).await,
            &mut findings,
        ),
        template_types: found.template_types.clone(),
        ..Limits::default()
    };
    if let Some(state) = session.state(&spec.id).await? {
        let counted = |(id, pool): (&PoolId, &ghostnet_core::state::PoolState)| (id.clone(), count(pool.members.len()));
        limits.members = state.pools.iter().map(counted).collect();
    }
    // the one at hand counts, applied or not
    let others = session.fleets().await?.len();
    limits.fleets = count(others).saturating_add(u32::from(stored.is_none()));
    findings.extend(judge::judge(spec, &limits));
    Ok(findings)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
