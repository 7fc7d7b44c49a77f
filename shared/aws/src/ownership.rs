//! Whose an instance is: the tags that make it ours are set or taken away for an operator. Only the command line does that; what
//! functions launch carries its tags from its first moment.

use aws_sdk_ec2::types::Tag;
use ghostnet_core::id::{InstanceId, Region};
use ghostnet_core::observation::tag;
use ghostnet_engine::error::PortError;

use crate::Aws;
use crate::error::port_error;

/// Instances of one call; EC2 takes a thousand.
const BATCH: usize = 500;

/// Every tag that an instance of ours may carry.
pub const KEYS: [&str; 9] = [
    tag::INSTALLATION,
    tag::FLEET,
    tag::POOL,
    tag::PLAN,
    tag::STEP,
    tag::GENERATION,
    tag::STATE,
    tag::DRAINED,
    tag::READY,
];

impl Aws {
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
