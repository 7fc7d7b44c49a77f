//! What can be had at all, and how fast it may be asked for: capacity pools, quota, zones, API token buckets.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstanceType, Zone};
use ghostnet_core::observation::{Market, Offering};
use ghostnet_engine::error::{ErrorClass, PortError};

use super::refusal;
use super::reservation::Reservations;
use crate::clock::Millis;

const CALL: &str = "ec2:RunInstances";

/// The limits of the account.
#[derive(Debug, Default)]
pub struct Capacity {
    /// Capacity pools that ran dry, until when.
    pub dry: BTreeMap<(Zone, InstanceType), Millis>,
    /// Capacity pools that have none to spare, until when: spot is dry there, and on demand is not.
    pub spot_dry: BTreeMap<(Zone, InstanceType), Millis>,
    /// Zones that fail, until when.
    pub zones_down: BTreeMap<Zone, Millis>,
    /// How many may run on demand.
    pub quota: Quota,
    /// How many may run on spot.
    pub spot_quota: Quota,
    /// What is reserved.
    pub reservations: Reservations,
    /// The role may not launch until then.
    pub denied_until: Millis,
    /// Zones whose subnets have no free address, until when.
    pub subnets_full: BTreeMap<Zone, Millis>,
    /// Images are broken until then.
    pub bad_image_until: Millis,
    buckets: BTreeMap<&'static str, Bucket>,
}

/// How many instances may be pending or running at once, for as long as nobody asks for more. EC2 counts vCPUs; here an
/// instance is one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quota {
    /// It is raised then.
    pub until: Millis,
    /// How many.
    pub most: u32,
}

impl Quota {
    /// How many of `asked` there is room for, beside those that are alive.
    fn room(self, asked: u32, alive: u32, now: Millis) -> u32 {
        if now < self.until {
            asked.min(self.most.saturating_sub(alive))
        } else {
            asked
        }
    }
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
        // that of all calls that change something
        "ec2:CreateFleet" => Some((50, 5)),
        "ec2:CreateTags" => Some((100, 10)),
        "ec2:StartInstances" => Some((5, 2)),
        "ec2:StopInstances" | "ec2:TerminateInstances" => Some((100, 5)),
        "cloudwatch:DescribeAlarms" => Some((9, 9)),
        "cloudwatch:GetMetricData" | "cloudwatch:PutMetricData" => Some((500, 500)),
        "dynamodb:TransactWriteItems" | "dynamodb:BatchGetItem" => Some((3_000, 1_000)),
        _ if call.starts_with("elasticloadbalancing:") => Some((100, 20)),
        _ => None,
    }
}

/// The calls that somebody else may use up. The table is ours alone.
const SHARED: [&str; 13] = [
    "ec2:DescribeInstances",
    "ec2:CreateFleet",
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:StopInstances",
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

    /// How many of `asked` a launch may have at most, beside those of its market that are alive.
    ///
    /// # Errors
    /// None: its pool is dry, its zone is down, or the quota is reached.
    pub fn admit(&self, offering: &Offering, asked: u32, alive: u32, now: Millis) -> Result<u32, PortError> {
        if now < self.denied_until {
            return Err(refusal(CALL, ErrorClass::Denied, "UnauthorizedOperation"));
        }
        if self.subnets_full.get(&offering.zone).is_some_and(|until| now < *until) {
            return Err(refusal(CALL, ErrorClass::Subnet, "InsufficientFreeAddressesInSubnet"));
        }
        let (room, code) = match offering.market {
            // places that are reserved count towards the quota whether they are used or not
            Market::Reserved => (asked, ""),
            Market::OnDemand => (self.quota.room(asked, alive, now), "VcpuLimitExceeded"),
            Market::Spot => (self.spot_quota.room(asked, alive, now), "MaxSpotInstanceCountExceeded"),
        };
        if room == 0 {
            return Err(refusal(CALL, ErrorClass::Quota, code));
        }
        let is_gone = match offering.market {
            Market::Reserved => self.zones_down.get(&offering.zone).is_some_and(|until| now < *until),
            Market::OnDemand | Market::Spot => self.is_dry(offering, now),
        };
        if is_gone {
            return Err(refusal(CALL, ErrorClass::NoCapacity, "InsufficientInstanceCapacity"));
        }
        Ok(room)
    }

    /// Whether an instance of this offering can be started, beside those of its market that are alive.
    ///
    /// # Errors
    /// As for a launch.
    pub fn admit_start(&self, offering: &Offering, alive: u32, now: Millis) -> Result<(), PortError> {
        const CALL: &str = "ec2:StartInstances";
        if self.quota.room(1, alive, now) == 0 {
            return Err(refusal(CALL, ErrorClass::Quota, "VcpuLimitExceeded"));
        }
        if self.is_dry(offering, now) {
            return Err(refusal(CALL, ErrorClass::NoCapacity, "InsufficientInstanceCapacity"));
        }
        Ok(())
    }

    fn is_dry(&self, offering: &Offering, now: Millis) -> bool {
        let pool = |instance_type: &InstanceType| (offering.zone.clone(), instance_type.clone());
        let lasts = |until: Option<&Millis>| until.is_some_and(|until| now < *until);
        let of_pool = |pools: &BTreeMap<(Zone, InstanceType), Millis>| {
            let instance_type = offering.instance_type.as_ref();
            lasts(instance_type.and_then(|instance_type| pools.get(&pool(instance_type))))
        };
        let spot = offering.market == Market::Spot && of_pool(&self.spot_dry);
        lasts(self.zones_down.get(&offering.zone)) || of_pool(&self.dry) || spot
    }

    /// Everything is there again.
    pub fn refill(&mut self) {
        self.dry.clear();
        self.spot_dry.clear();
        self.spot_quota.until = 0;
        self.denied_until = 0;
        self.subnets_full.clear();
        self.zones_down.clear();
        self.buckets.clear();
        self.quota.until = 0;
        self.reservations.gone_until = 0;
        self.bad_image_until = 0;
    }
}
