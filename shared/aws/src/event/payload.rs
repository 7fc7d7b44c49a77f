//! A payload as Lambda hands it over.

use ghostnet_core::signal::Signal;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{CheckRequest, Rejected, TrafficAsked, classify};

/// Whatever arrived. Deserialising never fails: the runtime would report that as the function's error, and Lambda would
/// send the same payload twice more. What is wrong with it is told by [`Payload::signals`].
#[derive(Debug, Clone, PartialEq)]
pub struct Payload(Result<Vec<u8>, Rejected>);

impl Payload {
    /// A payload that is at hand as bytes.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Ok(bytes.into()))
    }

    /// What the payload says, as [`classify`] reads it.
    ///
    /// # Errors
    /// As for [`classify`].
    pub fn signals(&self) -> Result<Vec<Signal>, Rejected> {
        self.0.as_ref().map_err(Clone::clone).and_then(|bytes| classify(bytes))
    }

    /// The request for a check that the payload is; none if it is something else.
    #[must_use]
    pub fn check(&self) -> Option<Result<CheckRequest, Rejected>> {
        self.0.as_ref().ok().and_then(|bytes| CheckRequest::of(bytes))
    }

    /// The operator's request about traffic that the payload is; none if it is something else.
    #[must_use]
    pub fn traffic(&self) -> Option<Result<TrafficAsked, Rejected>> {
        self.0.as_ref().ok().and_then(|bytes| TrafficAsked::of(bytes))
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer).map_err(|error| Rejected::not_json(&error));
        Ok(Self(value.and_then(|value| {
            serde_json::to_vec(&value).map_err(|error| Rejected::not_json(&error))
        })))
    }
}
