//! What the spec says about traffic that leaves a failing side.

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::rule::BreachRule;
use super::schedule::Schedule;
use crate::id::{AlarmName, HealthAlarm, RouteId, TargetGroupArn};
use crate::unit::{Finite, Percent, Seconds};

/// When a side counts as failed, where its traffic goes, and how it comes back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failover {
    /// Whether the standby runs.
    pub mode: FailoverMode,
    /// When a side is down.
    pub detect: Detect,
    /// The destination must have so much of the source's wanted size, healthy in its groups, at least one instance.
    pub gate: Percent,
    /// A hot standby keeps so much of the active side's size.
    pub standby_size: Percent,
    /// What moves the traffic.
    pub lever: Lever,
    /// How traffic comes back.
    pub failback: Failback,
    /// After a move nothing moves again by itself for so long: a second one alerts instead.
    pub dwell: Seconds,
    /// What answers when no side can.
    pub degraded: Option<Instead>,
    /// Moves on purpose, to know that they can be made; none: never.
    pub drill: Option<Drills>,
    /// Of two sides only one may ever serve: the one that is left is out before the other one is let in. None: one call moves the traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fencing: Option<Fencing>,
}

/// What it takes for a side to be out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fencing {
    /// Its instances are stopped, too: out of its target groups is not enough.
    pub stop: bool,
    /// So long it may take; then somebody is told, and the other side still waits.
    pub timeout: Seconds,
}

/// Moves of traffic on purpose.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drills {
    /// When they are allowed, and one is made by itself in each window; none: whenever somebody asks, and only then.
    pub schedule: Option<Schedule>,
    /// So long the traffic stays at the other side.
    pub lasts: Seconds,
    /// None begins unless all of these are well.
    pub block_alarms: Vec<AlarmName>,
    /// It ends as soon as one of these goes off, and none begins unless all are well.
    pub end_alarms: Vec<AlarmName>,
}

impl Drills {
    /// The alarms that must be well before one begins.
    pub fn alarms(&self) -> impl Iterator<Item = &AlarmName> {
        self.block_alarms.iter().chain(&self.end_alarms)
    }
}

impl Failover {
    /// The routes whose weights move.
    #[must_use]
    pub fn routes(&self) -> &[RouteId] {
        match &self.lever {
            Lever::ListenerRules(routes)
            | Lever::Route53Records(routes)
            | Lever::AcceleratorEndpoints(routes)
            | Lever::AcceleratorDials(routes)
            | Lever::ToInstance(routes) => routes,
            Lever::TargetSwap => &[],
        }
    }

    /// The routes that are read and may be set.
    pub fn all_routes(&self) -> impl Iterator<Item = &RouteId> {
        self.routes().iter().chain(self.degraded.iter().flat_map(|instead| &instead.shed))
    }

    /// Whether what moves leads to one instance, and not to a side.
    #[must_use]
    pub fn leads_to_instance(&self) -> bool {
        matches!(self.lever, Lever::ToInstance(_))
    }

    /// Whether the sides share their target groups, and who is registered there decides who takes the traffic.
    #[must_use]
    pub fn swaps_targets(&self) -> bool {
        self.lever == Lever::TargetSwap
    }
}

/// What moves the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lever {
    /// Weights of the forward actions of these listeners and rules. Never empty.
    ListenerRules(Vec<RouteId>),
    /// All sides have the same target groups, and whoever takes the traffic is registered there.
    TargetSwap,
    /// Weights of the records of these names, or which of two is the primary one. Never empty.
    Route53Records(Vec<RouteId>),
    /// Weights of the endpoints of these endpoint groups of Global Accelerator. Never empty.
    AcceleratorEndpoints(Vec<RouteId>),
    /// Traffic dials of the endpoint groups of these listeners of Global Accelerator. Never empty.
    AcceleratorDials(Vec<RouteId>),
    /// Elastic IP addresses and lines of route tables, which all lead to one instance of the side that takes the traffic. Never empty.
    ToInstance(Vec<RouteId>),
}

impl Lever {
    /// Its field of the spec.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::ListenerRules(_) => "listener_rules",
            Self::TargetSwap => "target_swap",
            Self::Route53Records(_) => "route53_records",
            Self::AcceleratorEndpoints(_) => "accelerator_endpoints",
            Self::AcceleratorDials(_) => "accelerator_dials",
            Self::ToInstance(_) => "to_instance",
        }
    }
}

/// What answers when no side can serve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Instead {
    /// What every rule of the lever does.
    pub answer: Fallback,
    /// Rules whose requests are turned away meanwhile.
    pub shed: Vec<RouteId>,
    /// A rule that goes on forwarding to a group of every side, so that their checks go on while the lever answers by itself.
    pub checked_by: Option<RouteId>,
}

impl Instead {
    /// What a rule that is shed answers: the fixed response, or a plain 503.
    #[must_use]
    pub fn shed_answer(&self) -> FixedResponse {
        match &self.answer {
            Fallback::FixedResponse(response) => response.clone(),
            Fallback::Forward(_) => FixedResponse {
                status: SHED_STATUS,
                content_type: ContentType::Plain,
                body: String::new(),
            },
        }
    }
}

/// Who answers instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The balancer itself.
    FixedResponse(FixedResponse),
    /// A target group that every rule names at weight 0.
    Forward(TargetGroupArn),
}

/// An answer that the balancer gives by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedResponse {
    /// HTTP status: 2XX, 4XX or 5XX.
    pub status: u16,
    /// What the body is.
    pub content_type: ContentType,
    /// At most 1,024 bytes.
    pub body: String,
}

/// What the body of a fixed response is. AWS knows two more, for scripts and style sheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    /// `text/plain`.
    Plain,
    /// `text/html`.
    Html,
    /// `application/json`.
    Json,
}

impl ContentType {
    /// Its MIME type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "text/plain",
            Self::Html => "text/html",
            Self::Json => "application/json",
        }
    }
}

/// Service unavailable.
const SHED_STATUS: u16 = 503;

/// Whether the standby runs while it stands by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailoverMode {
    /// It runs and is health-checked at weight 0: one call moves the traffic.
    HotStandby,
    /// It is stopped or empty: capacity first, then the traffic.
    ColdStandby,
    /// Every side takes a share of the traffic, and has room for that of one that fails.
    ActiveActive,
    /// There is no standby: something else answers while the only side cannot.
    Degraded,
}

/// When a side is down: at least two kinds of signal say so, each by so many of its datapoints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detect {
    /// So many of the last datapoints of a signal must say it.
    pub datapoints: BreachRule,
    /// A datapoint says it when this share of the instances that should serve do not run, or fail their checks.
    pub unhealthy: Percent,
    /// Or when an application's metric is above this. Any of them.
    pub application: Vec<ApplicationSignal>,
    /// Alarms of each side that tell of its health. Any of them.
    pub alarms: Vec<HealthAlarm>,
    /// Alarms of each side on what is seen of it from outside. Any of them.
    pub probes: Vec<HealthAlarm>,
}

/// A metric of the application that tells of its death.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApplicationSignal {
    /// The metric.
    pub metric: Metric,
    /// Above this a datapoint says that the side is down.
    pub above: Finite,
}

/// How traffic comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failback {
    /// A person asks for it.
    Manual,
    /// The side was found well so often in a row, and the dwell is over.
    Auto {
        /// So often.
        well: u8,
    },
}
