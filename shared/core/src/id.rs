//! Names of things: one type per kind of identifier, so that no two can be confused.
//!
//! Ids that a person writes (fleet, pool, policy) are checked where they are made. Ids that AWS gives are opaque text.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// A listener or a rule of a load balancer, as its ARN.
    RuleArn;
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
        let [a, b] = [
            0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128,
            0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834,
        ]
        .map(|seed| fnv1a(seed, parts));
        Self(format!("{a:032x}{b:032x}"))
    }

    /// The token as text, 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// FNV-1a, 128 bit (<http://www.isthe.com/chongo/tech/comp/fnv/>), with a separator no part can contain, so that
/// ("ab", "c") and ("a", "bc") differ. Tokens are no secret: spread matters here, not resistance to an attacker.
fn fnv1a(seed: u128, parts: &[&str]) -> u128 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([SEPARATOR]));
    bytes.fold(seed, fnv1a_step)
}

fn fnv1a_step(hash: u128, byte: u8) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    (hash ^ u128::from(byte)).wrapping_mul(PRIME)
}

const SEPARATOR: u8 = 0xff;
const DIGEST_SEED: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;

/// Stable 128-bit digest of any text, for spec hashes and jitter: equal on every platform and build.
#[must_use]
pub fn digest(text: &str) -> String {
    format!("{:032x}", fnv1a(DIGEST_SEED, &[text]))
}

/// The [`digest`] of what is written into it, without ever holding the text.
#[derive(Debug, Clone, Copy)]
pub struct Digest(u128);

impl Default for Digest {
    fn default() -> Self {
        Self(DIGEST_SEED)
    }
}

impl Digest {
    /// The digest of everything that was written.
    #[must_use]
    pub fn finish(self) -> String {
        format!("{:032x}", fnv1a_step(self.0, SEPARATOR))
    }
}

impl std::io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = bytes.iter().fold(self.0, |hash, byte| fnv1a_step(hash, *byte));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_digest_written_in_parts_or_whole() {
        use std::io::Write;
        let mut written = Digest::default();
        let parts: Result<(), _> = ["a de", "", "cision"]
            .iter()
            .try_for_each(|part| written.write_all(part.as_bytes()));
        assert!(parts.is_ok());
        assert_eq!(written.finish(), digest("a decision"));
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
