//! Calls with EC2's `DryRun`: the same requests as the real ones, so that EC2 judges what would be sent, and nothing happens.

use aws_config::retry::RetryConfig;
use aws_sdk_ec2::config::Builder as ConfigOverride;
use aws_sdk_ec2::types::Tag;
use ghostnet_core::id::{InstanceId, Region};
use ghostnet_core::observation::{Told, tag};
use ghostnet_core::plan::Launch;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{DryRun, Touch};

use crate::Aws;
use crate::create_fleet::{self, CREATE};
use crate::ec2::{RUN, START, STOP, TAG, TERMINATE, run_instances};
use crate::error::{code, own, port_error};

/// What EC2 answers where the call would have been allowed.
const ALLOWED: &str = "DryRunOperation";

impl DryRun for Aws {
    async fn may_launch(&self, region: &Region, launch: &Launch, tags: &[(&'static str, String)]) -> Result<(), PortError> {
        let ec2 = &self.clients(region).ec2;
        if let Some(choice) = &launch.choice {
            let request = create_fleet::request(ec2.create_fleet(), launch, choice, tags).dry_run(true);
            let answer = request.customize().config_override(once()).send().await;
            return judged(CREATE, answer.map_err(|error| port_error(CREATE, error)));
        }
        let request = run_instances(ec2.run_instances(), launch, tags).dry_run(true);
        let answer = request.customize().config_override(once()).send().await;
        judged(RUN, answer.map_err(|error| port_error(RUN, error)))
    }

    async fn may_touch(&self, region: &Region, instance: &InstanceId, touch: Touch) -> Result<(), PortError> {
        let ec2 = &self.clients(region).ec2;
        let id = instance.as_str();
        match touch {
            Touch::Start => {
                let request = ec2.start_instances().instance_ids(id).dry_run(true).customize();
                let answer = request.config_override(once()).send().await;
                judged(START, answer.map_err(|error| port_error(START, error)))
            }
            Touch::Stop => {
                let request = ec2.stop_instances().instance_ids(id).dry_run(true).customize();
                let answer = request.config_override(once()).send().await;
                judged(STOP, answer.map_err(|error| port_error(STOP, error)))
            }
            Touch::Tell => {
                let leaves = Tag::builder().key(tag::STATE).value(Told::Draining.as_str()).build();
                let request = ec2.create_tags().resources(id).tags(leaves).dry_run(true).customize();
                let answer = request.config_override(once()).send().await;
                judged(TAG, answer.map_err(|error| port_error(TAG, error)))
            }
            Touch::Terminate => {
                let request = ec2.terminate_instances().instance_ids(id).dry_run(true).customize();
                let answer = request.config_override(once()).send().await;
                judged(TERMINATE, answer.map_err(|error| port_error(TERMINATE, error)))
            }
        }
    }
}

/// One attempt: what is throttled is left to the fleets, and asked again by whoever wants to know.
fn once() -> ConfigOverride {
    ConfigOverride::new().retry_config(RetryConfig::disabled())
}

fn judged<T>(call: &'static str, answer: Result<T, PortError>) -> Result<(), PortError> {
    match answer {
        Err(error) if error.code == ALLOWED => Ok(()),
        Err(error) => Err(error),
        // no endpoint of AWS does that: whoever answered does not know dry runs, and may have done it
        Ok(_) => Err(own(
            call,
            ErrorClass::Invalid,
            code::NOT_DRY,
            "the endpoint answered as if this were no dry run",
        )),
    }
}
