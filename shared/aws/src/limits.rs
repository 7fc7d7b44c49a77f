//! What the account lets run: vCPUs of types, quotas on them, free addresses of subnets. Used by the command line only.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Filter;
use ghostnet_core::id::{InstanceType, Region, SubnetId};
use ghostnet_engine::error::PortError;

use crate::Aws;
use crate::error::port_error;

const TYPES: &str = "ec2:DescribeInstanceTypes";
const SUBNETS: &str = "ec2:DescribeSubnets";
const QUOTA: &str = "servicequotas:GetServiceQuota";

/// The service that instances count in.
const SERVICE: &str = "ec2";
/// What Service Quotas answers about a quota that is not granted to this account by itself.
const NO_QUOTA: &str = "NoSuchResourceException";

impl Aws {
    /// vCPUs of these types; one that is not offered in this region is absent.
    ///
    /// # Errors
    /// EC2 does not answer.
    pub async fn vcpus(&self, region: &Region, types: &[InstanceType]) -> Result<BTreeMap<InstanceType, u32>, PortError> {
        if types.is_empty() {
            return Ok(BTreeMap::new());
        }
        // a filter, because one unknown type in the list of types would fail the whole call
        let wanted = types.iter().map(ToString::to_string).collect();
        let filter = Filter::builder().name("instance-type").set_values(Some(wanted)).build();
        let request = self.clients(region).ec2.describe_instance_types().filters(filter);
        let mut pages = request.into_paginator().send();
        let mut vcpus = BTreeMap::new();
        while let Some(page) = pages.next().await {
            for info in page.map_err(|error| port_error(TYPES, error))?.instance_types() {
                let count = info.v_cpu_info().and_then(|info| info.default_v_cpus());
                let count = count.and_then(|count| u32::try_from(count).ok());
                if let Some((name, count)) = info.instance_type().zip(count) {
                    vcpus.insert(InstanceType::new(name.as_str()), count);
                }
            }
        }
        Ok(vcpus)
    }

    /// Addresses that are free in these subnets; one that does not exist is absent.
    ///
    /// # Errors
    /// EC2 does not answer.
    pub async fn free_addresses(&self, region: &Region, subnets: &[SubnetId]) -> Result<BTreeMap<SubnetId, u32>, PortError> {
        if subnets.is_empty() {
            return Ok(BTreeMap::new());
        }
        let wanted = subnets.iter().map(ToString::to_string).collect();
        let filter = Filter::builder().name("subnet-id").set_values(Some(wanted)).build();
        let mut pages = self.clients(region).ec2.describe_subnets().filters(filter).into_paginator().send();
        let mut free = BTreeMap::new();
        while let Some(page) = pages.next().await {
            for subnet in page.map_err(|error| port_error(SUBNETS, error))?.subnets() {
                let count = subnet.available_ip_address_count().and_then(|count| u32::try_from(count).ok());
                free.extend(subnet.subnet_id().map(SubnetId::new).zip(count));
            }
        }
        Ok(free)
    }

    /// What these quotas of EC2 grant, by code; one of which AWS tells no value is absent.
    ///
    /// # Errors
    /// Service Quotas does not answer.
    pub async fn quotas(&self, region: &Region, codes: &[&str]) -> Result<BTreeMap<String, u32>, PortError> {
        let config = self
            .config()
            .to_builder()
            .region(aws_config::Region::new(region.to_string()))
            .build();
        let client = aws_sdk_servicequotas::Client::new(&config);
        let mut quotas = BTreeMap::new();
        for code in codes {
            let request = client.get_service_quota().service_code(SERVICE).quota_code(*code);
            match request.send().await.map_err(|error| port_error(QUOTA, error)) {
                Ok(answer) => quotas.extend(
                    answer
                        .quota()
                        .and_then(|quota| quota.value())
                        .map(|value| ((*code).to_owned(), whole(value))),
                ),
                Err(error) if error.code == NO_QUOTA => {}
                Err(error) => return Err(error),
            }
        }
        Ok(quotas)
    }
}

/// A quota on vCPUs is a whole number, which the service sends as a float: clamped to what fits, and rounded down.
fn whole(value: f64) -> u32 {
    value.clamp(0.0, f64::from(u32::MAX)) as u32
}
