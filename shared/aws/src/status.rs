//! EC2's status checks: which instances fail them, and since when.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, InstanceStatusSummary, SummaryStatus};
use ghostnet_core::id::{InstanceId, Region};
use ghostnet_engine::error::PortError;
use jiff::Timestamp;

use crate::Aws;
use crate::error::{port_error, too_many_pages};

/// Instances per page, the most that EC2 gives.
const PAGE_SIZE: i32 = 1_000;
/// Pages of one question: whoever has so many sick ones has another problem.
const PAGES_MAX: usize = 10;
const CALL: &str = "ec2:DescribeInstanceStatus";

impl Aws {
    /// Running instances of the region that fail a check, ours and others': the call knows no filter by tag. One filter cannot say
    /// "the one or the other", so there are two questions, and each answer is as short as the list of the sick.
    pub(crate) async fn failing_checks(&self, region: &Region) -> Result<BTreeMap<InstanceId, Timestamp>, PortError> {
        let (of_system, of_instance) = futures::future::try_join(
            self.failing(region, "system-status.status"),
            self.failing(region, "instance-status.status"),
        )
        .await?;
        let mut failing = of_system;
        for (id, since) in of_instance {
            let earliest = failing.entry(id).or_insert(since);
            *earliest = since.min(*earliest);
        }
        Ok(failing)
    }

    async fn failing(&self, region: &Region, which: &str) -> Result<BTreeMap<InstanceId, Timestamp>, PortError> {
        let impaired = Filter::builder().name(which).values(SummaryStatus::Impaired.as_str()).build();
        let request = self
            .clients(region)
            .ec2
            .describe_instance_status()
            .filters(impaired)
            .max_results(PAGE_SIZE);
        let mut pages = request.into_paginator().send();
        let (mut failing, mut pages_read) = (BTreeMap::new(), 0);
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(CALL, error))?;
            for status in page.instance_statuses() {
                let since = [status.system_status(), status.instance_status()]
                    .into_iter()
                    .flatten()
                    .filter_map(since);
                // one that EC2 does not say the time of has failed for no known time: no evidence
                if let Some((id, since)) = status.instance_id().zip(since.min()) {
                    failing.insert(InstanceId::new(id), since);
                }
            }
            pages_read += 1;
            if pages_read == PAGES_MAX && page.next_token().is_some() {
                return Err(too_many_pages(CALL, PAGES_MAX));
            }
        }
        Ok(failing)
    }
}

/// Since when the checks of one kind fail, if they do.
fn since(summary: &InstanceStatusSummary) -> Option<Timestamp> {
    if summary.status() != Some(&SummaryStatus::Impaired) {
        return None;
    }
    let times = summary.details().iter().filter_map(|detail| detail.impaired_since());
    times
        .filter_map(|at| Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok())
        .min()
}
