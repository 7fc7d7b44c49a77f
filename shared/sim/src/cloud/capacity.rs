//! What can be had at all, and how fast it may be asked for: capacity pools, quota, zones, API token buckets.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstanceType, Zone};
use ghostnet_core::plan::Launch;
use ghostnet_engine::error::{ErrorClass, PortError};

use super::refusal;
use crate::clock::Millis;

const CALL: &str = "ec2:RunInstances";

/// The limits of the account.
#[derive(Debug, Default)]
pub struct Capacity {
    /// Capacity pools that ran dry, until when.
    pub dry: BTreeMap<(Zone, InstanceType), Millis>,
    /// Zones that fail, until when.
    pub zones_down: BTreeMap<Zone, Millis>,
    /// The quota is reached until then.
    pub quota_until: Millis,
    /// Images are broken until then.
    pub bad_image_until: Millis,
    buckets: BTreeMap<&'static str, Bucket>,
}

/// A token bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Thousandths of a token.
    tokens: i64,
    filled_at: Millis,
}

/// Size and refill per second of the bucket of a call, as EC2 documents them; the other services' are not published.
fn bucket_of(call: &'static str) -> Option<(i64, i64)> {
    match call {
        "ec2:DescribeInstances" => Some((100, 20)),
        "ec2:RunInstances" => Some((5, 2)),
        "ec2:CreateTags" => Some((100, 10)),
        "ec2:TerminateInstances" => Some((100, 5)),
        "cloudwatch:DescribeAlarms" => Some((9, 9)),
        "cloudwatch:GetMetricData" | "cloudwatch:PutMetricData" => Some((500, 500)),
        "dynamodb:TransactWriteItems" | "dynamodb:BatchGetItem" => Some((3_000, 1_000)),
        _ if call.starts_with("elasticloadbalancing:") => Some((100, 20)),
        _ => None,
    }
}

/// The calls that somebody else may use up. The table is ours alone.
const SHARED: [&str; 10] = [
    "ec2:DescribeInstances",
    "ec2:RunInstances",
    "ec2:TerminateInstances",
    "ec2:CreateTags",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "cloudwatch:PutMetricData",
    "elasticloadbalancing:DescribeTargetHealth",
    "elasticloadbalancing:RegisterTargets",
    "elasticloadbalancing:DeregisterTargets",
];

impl Capacity {
    /// Takes a token for a call, or says that it came too fast.
    ///
    /// # Errors
    /// The bucket is empty.
    pub fn take(&mut self, call: &'static str, now: Millis) -> Result<(), PortError> {
        let Some((size, refill)) = bucket_of(call) else { return Ok(()) };
        let full = size * 1_000;
        let bucket = self.buckets.entry(call).or_insert(Bucket {
            tokens: full,
            filled_at: now,
        });
        bucket.tokens = (bucket.tokens + (now - bucket.filled_at).max(0) * refill).min(full);
        bucket.filled_at = bucket.filled_at.max(now);
        if bucket.tokens < 1_000 {
            return Err(refusal(call, ErrorClass::Throttled, "RequestLimitExceeded"));
        }
        bucket.tokens -= 1_000;
        Ok(())
    }

    /// Somebody else used everything up, and goes on doing so for a while.
    pub fn drain_buckets(&mut self, until: Millis) {
        SHARED.into_iter().for_each(|call| self.drain_bucket(call, until));
    }

    /// Somebody else used up what one call has.
    pub fn drain_bucket(&mut self, call: &'static str, until: Millis) {
        if bucket_of(call).is_some() {
            self.buckets.insert(
                call,
                Bucket {
                    tokens: 0,
                    filled_at: until,
                },
            );
        }
    }

    /// Whether a launch can have anything at all.
    ///
    /// # Errors
    /// Its pool is dry, its zone is down, or the quota is reached.
    pub fn admit(&self, launch: &Launch, now: Millis) -> Result<(), PortError> {
        if now < self.quota_until {
            return Err(refusal(CALL, ErrorClass::Quota, "VcpuLimitExceeded"));
        }
        let (zone, instance_type) = (&launch.offering.zone, &launch.offering.instance_type);
        let down = self.zones_down.get(zone).is_some_and(|until| now < *until);
        let dry = instance_type
            .as_ref()
            .and_then(|instance_type| self.dry.get(&(zone.clone(), instance_type.clone())))
            .is_some_and(|until| now < *until);
        if down || dry {
            return Err(refusal(CALL, ErrorClass::NoCapacity, "InsufficientInstanceCapacity"));
        }
        Ok(())
    }

    /// Everything is there again.
    pub fn refill(&mut self) {
        self.dry.clear();
        self.zones_down.clear();
        self.buckets.clear();
        self.quota_until = 0;
        self.bad_image_until = 0;
    }
}
