//! Names of things: one type per kind of identifier, so that no two can be confused.
//!
//! Ids that a person writes (fleet, pool, policy) are checked where they are made. Ids that AWS gives are opaque text.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An id that a person wrote does not follow the rule for names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid id")]
pub struct BadId(pub String);

/// Longest id that a person may write: fleet, pool and policy ids are parts of alarm names (255 characters in all).
pub const NAME_LENGTH_MAX: usize = 32;

/// Whether `text` matches `[a-z][a-z0-9-]{0,31}`, the rule for fleet, pool and policy ids.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= NAME_LENGTH_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

// shared text: a decision copies a thousand ids several times, and a copy is a count
macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is: AWS or this program made it.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(Arc::from(text.into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

macro_rules! name_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
        #[serde(try_from = "String")]
        #[schemars(with = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                if is_name(&text) { Ok(Self(Arc::from(text))) } else { Err(BadId(text)) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::try_from(text.to_owned())
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

name_id! {
    /// A fleet: the unit that is scaled and failed over.
    FleetId;
    /// A pool: one homogeneous group of a fleet behind its target groups.
    PoolId;
    /// A policy of a fleet's spec.
    PolicyId;
    /// An alarm that tells of the health of a side: what follows `ghostnet/<fleet>/<pool>/health/` in its name.
    HealthAlarm;
}

text_id! {
    /// An EC2 instance, `i-…`.
    InstanceId;
    /// An ELBv2 target group, as its ARN.
    TargetGroupArn;
    /// A service of AWS Cloud Map, by its id, `srv-…`.
    ServiceId;
    /// A VPC subnet, `subnet-…`.
    SubnetId;
    /// An availability zone, `eu-west-1a`.
    Zone;
    /// An AWS region, `eu-west-1`.
    Region;
    /// An EC2 instance type, `c7a.large`.
    InstanceType;
    /// One deployed stack. What is tagged with it is ours, and nothing else is.
    InstallationId;
    /// One decision and the plan in it: `<time>-<writer>`, also the sort key of its record.
    PlanId;
    /// One invocation: what a commit writes so that its author can tell an own write from a foreign one.
    WriterId;
    /// What a lever sets: a listener or a rule by its ARN, or what else [`crate::route::Route`] knows.
    RouteId;
    /// Where a route sends requests: a target group, an endpoint or an endpoint group by its ARN, a record of Route 53 by its set identifier.
    Destination;
    /// An alarm, by name (not by ARN): unique in an account and region.
    AlarmName;
    /// The source revision and version that made a decision; replay is exact only within one build.
    BuildId;
}

/// The number of a step inside its plan; with the plan's id it names the step everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepNumber(pub u16);

/// A step's full name: plan and number. Launched instances carry both as tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId {
    /// The plan that holds the step.
    pub plan: PlanId,
    /// Its place in that plan.
    pub number: StepNumber,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.plan, self.number.0)
    }
}

/// Version of the capacity state; every commit adds one. A fencing token: a writer that read an older one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Version of the traffic state; every traffic commit adds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// Version of a fleet's stored spec; every `apply` that changes something adds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpecVersion(pub u64);

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What makes a repeated launch the same launch to EC2: at most 64 ASCII characters (`aws-facts`: EC2 idempotency).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientToken(String);

impl ClientToken {
    /// A token over everything that distinguishes one launch from another. Any other part gives another token, because
    /// EC2 scopes tokens by zone and answers `IdempotentParameterMismatch` for other parameters.
    #[must_use]
    pub fn over(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
            hash.update([SEPARATOR]);
        }
        Self(hexadecimal(&hash.finalize()))
    }

    /// The token as text, 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// No text contains this byte: ("ab", "c") and ("a", "bc") differ.
const SEPARATOR: u8 = 0xff;

/// Stable digest of any text, for spec hashes and jitter: SHA-256 cut to 128 bits, equal on every platform and build.
#[must_use]
pub fn digest(text: &str) -> String {
    let hash = Sha256::digest(text);
    hexadecimal(hash.first_chunk::<DIGEST_BYTES>().map_or(&[], <[u8; DIGEST_BYTES]>::as_slice))
}

const DIGEST_BYTES: usize = 16;

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' | nibble } else { nibble - 10 + b'a' });
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text
}

/// The region that an ARN names; none: it names none, or is no ARN.
fn region_of_arn(text: &str) -> Option<&str> {
    text.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

impl TargetGroupArn {
    /// The region in which it is; none: it is no ARN.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        region_of_arn(self.as_str())
    }
}

impl RouteId {
    /// The region that its ARN names; none: it is in none, or has no ARN.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        region_of_arn(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_first_half_of_sha_256() {
        // sha256("abc") begins so: FIPS 180-4, appendix of examples
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223");
    }

    #[test]
    fn names_follow_one_rule() {
        for (text, good) in [
            ("web", true),
            ("web-2", true),
            ("", false),
            ("2web", false),
            ("Web", false),
            ("we_b", false),
            ("a23456789012345678901234567890ab", true),
            ("a23456789012345678901234567890abc", false),
        ] {
            assert_eq!(is_name(text), good, "{text:?}");
        }
    }

    #[test]
    fn a_token_changes_with_every_part_and_fits_ec2() {
        let base = ClientToken::over(&["inst", "web", "plan", "0", "1", "subnet-a", "c7a.large", "on-demand", "3"]);
        assert_eq!(
            base,
            ClientToken::over(&["inst", "web", "plan", "0", "1", "subnet-a", "c7a.large", "on-demand", "3"])
        );
        assert_ne!(
            base,
            ClientToken::over(&["inst", "web", "plan", "0", "1", "subnet-b", "c7a.large", "on-demand", "3"])
        );
        assert_ne!(ClientToken::over(&["ab", "c"]), ClientToken::over(&["a", "bc"]));
        assert_eq!(base.as_str().len(), 64);
        assert!(base.as_str().is_ascii());
    }
}
