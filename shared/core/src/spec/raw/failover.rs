//! How traffic leaves a failing side, as typed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RawDuration, RawLatency, RawOf, RawPercent};

/// How traffic leaves the active pool for a standby when the active one fails, and how it comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFailover {
    /// `hot_standby`: the standby runs and is health-checked at weight 0. `cold_standby`: it is stopped or empty, and grows first.
    /// `active_active`: every side takes a share, and has room for that of one that fails.
    /// `degraded`: there is one side only, and `degraded` answers while it cannot.
    pub mode: RawFailoverMode,
    /// When a side is down. At least two kinds of signal must agree: EC2's instances, the balancer's checks, the application's metrics, alarms, probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detect: Option<RawDetect>,
    /// What the destination must have before traffic moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<RawGate>,
    /// A hot standby keeps so much of the active side's size, rounded up; else as much as the gate asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standby_size: Option<RawPercent>,
    /// What moves the traffic.
    pub lever: RawLever,
    /// `manual` (the default): a person asks for it. `auto`: once the side was found well `failback_after` times in a row, and the
    /// dwell is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failback: Option<RawFailback>,
    /// So often in a row a side must be found well before traffic comes back by itself. Only with `failback: auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failback_after: Option<u8>,
    /// After a move nothing moves again by itself for so long; a second failure within it alerts instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dwell: Option<RawDuration>,
    /// What answers while no side can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<RawDegraded>,
    /// Moves on purpose, to know that they can be made. Only with a standby.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill: Option<RawDrill>,
    /// For a fleet of which only one side may ever serve: the side that traffic leaves is out of its target groups before the other one
    /// gets any. Nobody answers meanwhile. Without it one call moves the traffic. `{}` takes the defaults. Only with a standby, and with
    /// `lever: { listener_rules: ... }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fencing: Option<RawFencing>,
}

/// What it takes for a side to be out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFencing {
    /// `true`: its instances are stopped, too, and started again once the other side has the traffic. `false` (the default): they run on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<bool>,
    /// So long it may take until every target is deregistered and drained, and stopped where that is asked for. Then an alert says what
    /// is missing, and the other side still waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<RawDuration>,
}

/// Moves of traffic to the standby on purpose, and back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDrill {
    /// Five cron fields: minute, hour, day of month, month, day of week. When a window opens in which drills are allowed; in each of
    /// them one is made, as soon as nothing blocks it. Without it a drill is made when `ghostnet drill` asks for one, and only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// IANA time zone of `cron`, such as `Europe/Berlin`; `UTC` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How long the window stays open: at least five minutes longer than a drill lasts, which must be over before it closes.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<RawDuration>,
    /// So long the traffic stays at the standby.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasts: Option<RawDuration>,
    /// Names of alarms, metric and composite ones, in the fleet's region: no drill begins unless all of them are `OK`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_alarms: Option<Vec<String>>,
    /// Names of alarms: one that goes to `ALARM` ends the drill at once. None begins unless all of them are `OK`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_alarms: Option<Vec<String>>,
}

/// What answers while no side can: a fixed response or another target group, one of the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDegraded {
    /// The balancer itself answers. Needs `checked_by`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_response: Option<RawFixedResponse>,
    /// ARN of a target group, of a function or of servers of your own, that every listener and rule of the lever names at weight 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<String>,
    /// ARN of another rule of the same balancer that forwards to a group of every side, for a host that nobody asks for: without it
    /// nobody would check the sides while the balancer answers by itself, and so nobody would know when one is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked_by: Option<String>,
    /// ARNs of rules, beyond those of the lever, whose requests are turned away meanwhile, with the fixed response or a plain 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shed_rules: Option<Vec<String>>,
}

/// An answer that the balancer gives by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFixedResponse {
    /// HTTP status: 2XX, 4XX or 5XX.
    pub status: u16,
    /// At most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What the body is: `plain` (the default), `html` or `json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<RawContentType>,
}

/// What the body of a fixed response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawContentType {
    /// `text/plain`.
    Plain,
    /// `text/html`.
    Html,
    /// `application/json`.
    Json,
}

/// Whether the standby runs while it stands by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawFailoverMode {
    /// It runs: one call moves the traffic.
    HotStandby,
    /// It is stopped or empty: capacity first, then the traffic.
    ColdStandby,
    /// Every side takes a share.
    ActiveActive,
    /// There is none.
    Degraded,
}

/// When a side is down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDetect {
    /// A datapoint says that a side is down when this share of the instances that should serve do not run, or fail their checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<RawPercent>,
    /// Or when more than this share of its requests are answered with an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<RawPercent>,
    /// Or when its answers take longer than this on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_time: Option<RawLatency>,
    /// Or when one of these alarms of the side is in `ALARM`: `latency` is the alarm `ghostnet/<fleet>/<pool>/health/latency` of each side,
    /// which you keep; metric and composite ones alike. It has counted its own datapoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<String>>,
    /// The same of alarms on what is seen from outside, by a canary or a health check: a kind of signal of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<Vec<String>>,
    /// So many of the last datapoints of a signal must say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datapoints: Option<RawOf>,
}

/// What the destination must have before traffic moves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGate {
    /// Instances that pass their checks, as a share of the source's size, rounded up, and at least one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<RawPercent>,
}

/// What moves the traffic, one of these.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLever {
    /// ARNs of listeners (their default action moves) and of rules, whose forward action names target groups of every side: those
    /// of a standby at weight 0, so that its targets are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_rules: Option<Vec<String>>,
    /// `true`: every side names the same target groups, and only the instances of the side that takes the traffic are registered there.
    /// For balancers without weights, and for listeners that are not yours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_swap: Option<bool>,
    /// Names in Route 53 at which every side has a record: weighted ones, those of a standby at weight 0, or a primary and a secondary one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route53_records: Option<Vec<RawRecords>>,
    /// Endpoint groups of AWS Global Accelerator that have an endpoint of every side, that of a standby at weight 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerator_endpoints: Option<Vec<RawEndpoints>>,
    /// Listeners of AWS Global Accelerator that have an endpoint group of every side, one in each region, that of a standby with its traffic
    /// dial at 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerator_dials: Option<Vec<RawDials>>,
    /// What leads to one instance, of the side that takes the traffic: for instances without a balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_instance: Option<RawToInstance>,
}

/// Elastic IP addresses and lines of route tables that all lead to one instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawToInstance {
    /// Allocation ids of Elastic IP addresses, `eipalloc-…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elastic_ips: Option<Vec<String>>,
    /// Lines of route tables of a VPC, which are there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_routes: Option<Vec<RawVpcRoute>>,
}

/// One line of a route table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawVpcRoute {
    /// Id of the route table, `rtb-…`.
    pub table: String,
    /// Where its packets go: a block of addresses, `0.0.0.0/0` or `::/0`, or a prefix list, `pl-…`.
    pub destination: String,
}

/// One name in Route 53.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRecords {
    /// Id of the hosted zone, `Z…`.
    pub zone: String,
    /// The name of the records, in full.
    pub name: String,
    /// The type of the records: `A`, `AAAA` or `CNAME`.
    #[serde(rename = "type")]
    pub kind: RawRecordType,
    /// Set identifier of the record of each side, by pool; else it is the pool's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifiers: Option<BTreeMap<String, String>>,
}

/// The type of a record that leads clients to a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RawRecordType {
    /// IPv4 addresses, or an alias of a balancer.
    A,
    /// IPv6 addresses, or an alias of a balancer.
    #[serde(rename = "AAAA")]
    Aaaa,
    /// Another name.
    #[serde(rename = "CNAME")]
    Cname,
}

/// One endpoint group of Global Accelerator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawEndpoints {
    /// ARN of the endpoint group.
    pub endpoint_group: String,
    /// Id of the endpoint of each side, by pool: the ARN of its balancer.
    pub endpoints: BTreeMap<String, String>,
}

/// One listener of Global Accelerator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDials {
    /// ARN of the listener.
    pub listener: String,
    /// ARN of the endpoint group of each side, by pool.
    pub endpoint_groups: BTreeMap<String, String>,
}

/// How traffic comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawFailback {
    /// A person asks for it.
    Manual,
    /// By itself.
    Auto,
}
