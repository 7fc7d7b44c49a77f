//! Whose an instance is: the tags that make it ours are set or taken away for an operator. Only the command line does that; what
//! functions launch carries its tags from its first moment.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, Instance, Tag};
use ghostnet_core::id::{InstanceId, Region, SubnetId};
use ghostnet_core::observation::tag;
use ghostnet_engine::error::PortError;

use crate::Aws;
use crate::error::port_error;

/// Instances of one call; EC2 takes a thousand.
const BATCH: usize = 500;

/// Values of one filter, the most that EC2 takes.
const FILTER_VALUES_MAX: usize = 200;

/// Every tag that an instance of ours may carry.
pub const KEYS: [&str; 10] = [
    tag::INSTALLATION,
    tag::FLEET,
    tag::POOL,
    tag::PLAN,
    tag::STEP,
    tag::GENERATION,
    tag::STATE,
    tag::DRAINED,
    tag::READY,
    tag::HEARTBEAT,
];

/// An instance that may become ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// EC2's word for its state: `running`.
    pub state: String,
    /// Where it is; none of an old kind without a network.
    pub subnet: Option<SubnetId>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Aws {
    /// What these instances are; one that does not exist is absent.
    ///
    /// # Errors
    /// EC2 does not answer.
    pub async fn candidates(&self, region: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, Candidate>, PortError> {
        let mut found = BTreeMap::new();
        // a filter takes 200 values; a list of ids would fail as a whole for one that is unknown
        for batch in instances.chunks(FILTER_VALUES_MAX) {
            let wanted = batch.iter().map(ToString::to_string).collect();
            let filter = Filter::builder().name("instance-id").set_values(Some(wanted)).build();
            let mut pages = self
                .clients(region)
                .ec2
                .describe_instances()
                .filters(filter)
                .into_paginator()
                .send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| port_error("ec2:DescribeInstances", error))?;
                let instances = page.reservations().iter().flat_map(|reservation| reservation.instances());
                found.extend(instances.filter_map(candidate));
            }
        }
        Ok(found)
    }

    /// Makes these instances ours, by these tags.
    ///
    /// # Errors
    /// EC2 refuses, or does not answer; of several batches the first ones may be done. Once more does no harm.
    pub async fn own(&self, region: &Region, instances: &[InstanceId], tags: &[(&'static str, String)]) -> Result<(), PortError> {
        for batch in instances.chunks(BATCH) {
            let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(value).build());
            let request = self
                .clients(region)
                .ec2
                .create_tags()
                .set_resources(Some(batch.iter().map(ToString::to_string).collect()))
                .set_tags(Some(tags.collect()));
            request.send().await.map_err(|error| port_error("ec2:CreateTags", error))?;
        }
        Ok(())
    }

    /// Takes all of our tags off these instances: nobody's any more, they run on as they are.
    ///
    /// # Errors
    /// EC2 refuses, or does not answer; of several batches the first ones may be done. Once more does no harm.
    pub async fn disown(&self, region: &Region, instances: &[InstanceId]) -> Result<(), PortError> {
        for batch in instances.chunks(BATCH) {
            let keys = KEYS.iter().map(|key| Tag::builder().key(*key).build());
            let request = self
                .clients(region)
                .ec2
                .delete_tags()
                .set_resources(Some(batch.iter().map(ToString::to_string).collect()))
                .set_tags(Some(keys.collect()));
            request.send().await.map_err(|error| port_error("ec2:DeleteTags", error))?;
        }
        Ok(())
    }
}

fn candidate(instance: &Instance) -> Option<(InstanceId, Candidate)> {
    let tags = instance.tags().iter();
    let candidate = Candidate {
        state: instance
            .state()
            .and_then(|state| state.name())
            .map(|name| name.as_str().to_owned())
            .unwrap_or_default(),
        subnet: instance.subnet_id().map(SubnetId::new),
        tags: tags
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
            .collect(),
    };
    Some((InstanceId::new(instance.instance_id()?), candidate))
}
