//! How target groups spread requests: the attributes that a spec names. What it does not name belongs to whoever set it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::adaptive::{self, Adapted};
use crate::unit::{Percent, Seconds};

/// What a spec says about the attributes of a pool's target groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Balancing {
    /// How a target is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// How it follows what is measured instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<Adaptive>,
    /// Whether the balancer sends less to targets that answer otherwise than the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anomaly_mitigation: Option<bool>,
    /// Whether a client comes back to the same target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stickiness: Option<Stickiness>,
    /// How long a new target's share grows; zero: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Seconds>,
    /// How long a deregistered target may finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deregistration_delay: Option<Seconds>,
    /// Whether a node of the balancer reaches targets in other zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_zone: Option<CrossZone>,
}

impl Balancing {
    /// Whether the spec says nothing about it.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }

    /// The attributes that the spec names, as AWS writes them; of an adaptive group with the algorithm that it has come to.
    #[must_use]
    pub fn attributes(&self, adapted: Option<&Adapted>) -> BTreeMap<Attribute, String> {
        let mut named = BTreeMap::new();
        let mut name = |attribute, value: Option<String>| named.extend(value.map(|value| (attribute, value)));
        let algorithm = self.adaptive.map(|_| adaptive::algorithm(adapted)).or(self.algorithm);
        name(Attribute::Algorithm, algorithm.map(|algorithm| algorithm.as_str().to_owned()));
        let on_off = |on| if on { "on" } else { "off" }.to_owned();
        name(Attribute::AnomalyMitigation, self.anomaly_mitigation.map(on_off));
        name(Attribute::SlowStart, self.slow_start.map(|time| time.0.to_string()));
        name(
            Attribute::DeregistrationDelay,
            self.deregistration_delay.map(|time| time.0.to_string()),
        );
        name(
            Attribute::CrossZone,
            self.cross_zone.map(|cross_zone| cross_zone.as_str().to_owned()),
        );
        if let Some(stickiness) = &self.stickiness {
            named.extend(stickiness.attributes());
        }
        named
    }

    /// Fields that a target group of this protocol does not have, and for which one it is meant.
    #[must_use]
    pub fn unfit_for(&self, protocol: &str) -> Vec<(&'static str, &'static str)> {
        let of_http = matches!(protocol, "HTTP" | "HTTPS");
        let (http, network) = ("`HTTP` or `HTTPS`", "`TCP`, `TLS`, `UDP` or `TCP_UDP`");
        let sticks = match &self.stickiness {
            Some(Stickiness::LbCookie { .. } | Stickiness::AppCookie { .. }) => Some(http),
            Some(Stickiness::SourceIp) => Some(network),
            Some(Stickiness::None) | None => None,
        };
        let only_http = [
            ("algorithm", self.algorithm.is_some()),
            ("adaptive", self.adaptive.is_some()),
            ("anomaly_mitigation", self.anomaly_mitigation.is_some()),
            ("slow_start", self.slow_start.is_some()),
        ];
        let mut unfit: Vec<_> = only_http
            .into_iter()
            .filter(|(_, named)| *named && !of_http)
            .map(|(field, _)| (field, http))
            .collect();
        unfit.extend(
            sticks
                .filter(|meant| (*meant == http) != of_http)
                .map(|meant| ("stickiness", meant)),
        );
        unfit
    }
}

/// When an algorithm follows what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Adaptive {
    /// Above this spread of response times `least_outstanding_requests` is used.
    pub above: Percent,
    /// Below this one `round_robin` again.
    pub below: Percent,
    /// Least time from one change to the next.
    pub dwell: Seconds,
}

/// How a balancer chooses a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// One after the other.
    RoundRobin,
    /// The one that has fewest requests under way.
    LeastOutstandingRequests,
    /// By lot.
    WeightedRandom,
}

impl Algorithm {
    /// AWS's word, and the spec's.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastOutstandingRequests => "least_outstanding_requests",
            Self::WeightedRandom => "weighted_random",
        }
    }
}

/// Whether a client comes back to the same target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stickiness {
    /// It need not.
    None,
    /// By the balancer's cookie.
    LbCookie {
        /// How long.
        duration: Seconds,
    },
    /// By the application's cookie.
    AppCookie {
        /// The cookie's name.
        name: String,
        /// How long.
        duration: Seconds,
    },
    /// By its address; network load balancers alone.
    SourceIp,
}

impl Stickiness {
    fn attributes(&self) -> Vec<(Attribute, String)> {
        let sticks = |kind: &str| {
            vec![
                (Attribute::Stickiness, "true".to_owned()),
                (Attribute::StickinessType, kind.to_owned()),
            ]
        };
        match self {
            Self::None => vec![(Attribute::Stickiness, "false".to_owned())],
            Self::SourceIp => sticks("source_ip"),
            Self::LbCookie { duration } => {
                let mut named = sticks("lb_cookie");
                named.push((Attribute::LbCookieDuration, duration.0.to_string()));
                named
            }
            Self::AppCookie { name, duration } => {
                let mut named = sticks("app_cookie");
                named.push((Attribute::AppCookieName, name.clone()));
                named.push((Attribute::AppCookieDuration, duration.0.to_string()));
                named
            }
        }
    }
}

/// Whether a node of the balancer reaches targets in other zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrossZone {
    /// It does.
    On,
    /// It does not.
    Off,
    /// As the balancer says.
    AsLoadBalancer,
}

impl CrossZone {
    /// AWS's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "true",
            Self::Off => "false",
            Self::AsLoadBalancer => "use_load_balancer_configuration",
        }
    }
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident $key:literal;)+) => {
        /// An attribute of a target group that a spec can name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Attribute {
            $($(#[$doc])* #[serde(rename = $key)] $name,)+
        }

        impl Attribute {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// AWS's key.
            #[must_use]
            pub fn key(self) -> &'static str {
                match self { $(Self::$name => $key,)+ }
            }
        }
    };
}

attributes! {
    /// How a target is chosen.
    Algorithm "load_balancing.algorithm.type";
    /// Less for targets that answer otherwise than the rest.
    AnomalyMitigation "load_balancing.algorithm.anomaly_mitigation";
    /// Targets in other zones.
    CrossZone "load_balancing.cross_zone.enabled";
    /// How long a deregistered target may finish, in seconds.
    DeregistrationDelay "deregistration_delay.timeout_seconds";
    /// How long a new target's share grows, in seconds.
    SlowStart "slow_start.duration_seconds";
    /// Whether a client comes back to the same target.
    Stickiness "stickiness.enabled";
    /// By what it is known again.
    StickinessType "stickiness.type";
    /// How long the balancer's cookie holds, in seconds.
    LbCookieDuration "stickiness.lb_cookie.duration_seconds";
    /// The application's cookie.
    AppCookieName "stickiness.app_cookie.cookie_name";
    /// How long the application's cookie holds, in seconds.
    AppCookieDuration "stickiness.app_cookie.duration_seconds";
}

impl Attribute {
    /// The attribute of this key; none: a spec cannot name it.
    #[must_use]
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|attribute| attribute.key() == key)
    }
}

impl std::fmt::Display for Attribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key())
    }
}
