//! What the user wants: a fleet spec, checked. Immutable; the only way to one is [`FleetSpec::check`].
//!
//! `raw` mirrors the YAML as typed, `check` reads it and lists every problem at once, `defaults` is the one table of
//! what holds when the spec is silent. Reading YAML itself is not done here: core does no I/O and knows no syntax.

pub mod balancing;
pub mod check;
mod check_balancing;
mod check_capacity;
mod check_cloud_map;
mod check_degraded;
mod check_demand;
mod check_drill;
mod check_failover;
mod check_fencing;
mod check_guards;
mod check_lever;
mod check_lifecycle;
mod check_market;
mod check_metric;
mod check_policy;
mod check_pool;
mod check_regions;
mod check_reserve;
mod check_routes;
mod check_spend;
mod check_step;
mod check_to_instance;
mod check_warm;
mod cloud_map;
pub mod defaults;
mod events;
mod failover;
pub mod formula;
mod health;
mod launch;
mod learning;
mod limits;
pub mod market;
pub mod metric;
mod predictive;
pub mod problem;
pub mod raw;
mod rule;
pub mod schedule;
mod simple;
mod tuning;
pub mod warm;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{Destination, FleetId, PoolId, Region, RouteId, ServiceId, SubnetId, TargetGroupArn, Zone};
use crate::route::{Route, Weights};
use crate::unit::Seconds;
pub use balancing::{Adaptive, Algorithm, Attribute, Balancing, CrossZone, Stickiness};
pub use check_market::{RESERVED_TYPES_MAX, SPOT_DRAIN_MAX};
pub use cloud_map::{CloudMap, PROPAGATION};
pub use events::{EVENT_LEAST, Events, Stretch};
pub use failover::{
    ApplicationSignal, ContentType, Detect, Drills, Failback, Failover, FailoverMode, Fallback, Fencing, FixedResponse, Instead, Lever,
};
pub use formula::Formula;
pub use health::{Bound, HealthMetric, READ_EACH_MOST};
pub use launch::{Drift, LaunchSpec, Template, TemplateKey, TemplateVersion};
pub use learning::{InstanceCapacity, Learning};
pub use limits::{Budget, Guards, OpenRemovalWindow, Prices, RemovalWindow, Reserve, ReservePolicy, SpendCap};
pub use market::{Allocation, MarketMix, NoReservation, Reservation};
pub use metric::{Metric, MetricSource, NamedMetric, Stat};
pub use predictive::{Care, Horizon, Need, Predictive};
pub use problem::Problem;
pub use raw::RawFleetSpec;
pub use rule::{
    Amount, BreachRule, CapacityModel, CapacityRule, Change, FormulaRule, Measure, MissingRule, OpenWindow, Policy, PolicyMode, QueueModel,
    QueueRule, Rule, Scheduled, StepBand, StepRule, TargetTracking, ThresholdChange, ThresholdRule,
};
pub use schedule::Schedule;
pub use simple::{SimpleChange, SimpleRule};
pub use tuning::{Tuning, TuningMode};
pub use warm::{WarmSize, WarmSpec, WarmState};

/// A checked fleet spec.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FleetSpec {
    /// The fleet.
    pub id: FleetId,
    /// What its owner allows.
    pub mode: FleetMode,
    /// What matters most to its owner.
    pub objective: Objective,
    /// Most instances over all pools.
    pub maximum: u32,
    /// How often a quiet fleet's metrics are read.
    pub quiet_poll: Seconds,
    /// What all pools together may cost in a day.
    pub spend: Option<SpendCap>,
    /// Windows in which few may leave.
    pub removal_windows: Vec<RemovalWindow>,
    /// The pools, in the order of the spec. Never empty.
    pub pools: Vec<PoolSpec>,
    /// How traffic leaves a failing side.
    pub failover: Option<Failover>,
    /// What is found each night by playing the days that are past; none: nothing is.
    pub tuning: Option<Tuning>,
    /// Names or ARNs of the user's own alarms that wake this fleet.
    pub alarms: Vec<String>,
    /// The region of the installation that it belongs to, where pools are in others; none: everything is where the installation is.
    pub home_region: Option<Region>,
}

impl FleetSpec {
    /// The pool with this id.
    #[must_use]
    pub fn pool(&self, id: &PoolId) -> Option<&PoolSpec> {
        self.pools.iter().find(|pool| pool.id == *id)
    }

    /// Every region in which it has a pool, and the installation's own, `home`.
    #[must_use]
    pub fn regions(&self, home: &Region) -> BTreeSet<Region> {
        let pools = self.pools.iter().map(|pool| pool.region_or(home).clone());
        pools.chain([home.clone()]).collect()
    }

    /// Where a route of its lever is asked for and set, by an installation that is at `home`: a rule where its balancer is, what leads to an
    /// instance where the instances are, and what is in no region wherever anybody asks.
    #[must_use]
    pub fn region_of_route(&self, route: &RouteId, home: &Region) -> Region {
        let of_pools = || self.pools.first().map_or(home, |pool| pool.region_or(home)).clone();
        match route.route() {
            Route::Rule => route.region().map_or_else(of_pools, Region::new),
            Route::Address(_) | Route::VpcRoute(_) => of_pools(),
            Route::Records(_) | Route::Endpoints | Route::Dials => home.clone(),
        }
    }

    /// The removal windows that are open.
    #[must_use]
    pub fn open_removal_windows(&self, now: Timestamp) -> Vec<OpenRemovalWindow> {
        let open = |window: &RemovalWindow| {
            Some(OpenRemovalWindow {
                window: window.schedule.open_window(now)?,
                max: window.max,
            })
        };
        self.removal_windows.iter().filter_map(open).collect()
    }
}

/// What the fleet's owner allows; every mode still decides and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetMode {
    /// Decide and act.
    On,
    /// Act only to add capacity.
    OutOnly,
    /// Never act.
    RecommendOnly,
    /// Never act; stopped in the spec.
    Paused,
}

impl std::fmt::Display for FleetMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::OutOnly => "out_only",
            Self::RecommendOnly => "recommend_only",
            Self::Paused => "paused",
        })
    }
}

/// What matters most to a fleet's owner: which defaults hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Fast answers.
    MinLatency,
    /// No request lost.
    MinLoss,
    /// Few instances, and cheap ones.
    MinCost,
    /// Neither at the other's expense.
    Balanced,
}

impl std::fmt::Display for Objective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MinLatency => "min_latency",
            Self::MinLoss => "min_loss",
            Self::MinCost => "min_cost",
            Self::Balanced => "balanced",
        })
    }
}

/// Which pool takes traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolRole {
    /// Takes traffic.
    Active,
    /// Stands by.
    Standby,
}

impl std::fmt::Display for PoolRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Standby => "standby",
        })
    }
}

/// One pool, with the fleet's defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PoolSpec {
    /// The pool.
    pub id: PoolId,
    /// Whether it takes traffic.
    pub role: PoolRole,
    /// Where it is; none: where its installation is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Bounds of its size.
    pub capacity: CapacityRange,
    /// How instances are launched.
    pub launch: LaunchSpec,
    /// Target groups in which every serving instance is registered.
    pub target_groups: Vec<TargetGroupArn>,
    /// Target groups that it has in common with other sides, while it takes no traffic, or that it is kept out of: whoever of it is
    /// registered there leaves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_groups: Vec<TargetGroupArn>,
    /// What routes name it by, where the lever's are not those of target groups; empty: its target groups.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub destinations: BTreeSet<Destination>,
    /// It is kept out while another side is let in: nobody of it is launched, started or registered, whatever it lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fenced: Option<Fencing>,
    /// The service of Cloud Map in which every serving instance is registered; none: in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_map: Option<CloudMap>,
    /// What the spec says about the attributes of those groups.
    #[serde(skip_serializing_if = "Balancing::is_silent")]
    pub balancing: Balancing,
    /// Instances kept ready out of service; none: no such stock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<WarmSpec>,
    /// From launch until an instance counts fully.
    pub warmup: Seconds,
    /// No verdict on an instance younger than this.
    pub health_grace: Seconds,
    /// Observed time without becoming healthy after which an instance is replaced.
    pub registration_deadline: Seconds,
    /// Whether an instance must carry `ghostnet:ready=true` before it serves.
    pub ready_tag: bool,
    /// An instance whose EC2 status checks have failed for this long is sick; none: they are not asked for.
    pub status_checks: Option<Seconds>,
    /// An instance whose last heartbeat is this old is sick; none: heartbeats say nothing.
    pub heartbeat: Option<Seconds>,
    /// A metric of an instance's own that says when it is sick; none: none is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_metric: Option<HealthMetric>,
    /// How long a sick instance is kept, out of its groups, for somebody to look at; none: not at all.
    pub keep_sick: Option<Seconds>,
    /// Longest time a deregistered instance may take to finish.
    pub drain_timeout: Seconds,
    /// Whether one that leaves is told so by a tag, and terminated only once it carries `ghostnet:drained=true`, or when
    /// its time is over.
    pub wait_for_tag: bool,
    /// Which instances leave first.
    pub scale_in_order: Vec<ScaleInOrder>,
    /// An instance with this tag never leaves by scale-in.
    pub protect_tag: String,
    /// An older instance is replaced.
    pub max_age: Option<Seconds>,
    /// The policies that vote on this pool.
    pub policies: Vec<Policy>,
    /// Spare instances above what the policies ask for.
    pub reserve: Reserve,
    /// What limits every change.
    pub guards: Guards,
}

impl FleetSpec {
    /// Whether the sides share their target groups, and who is registered there decides who takes the traffic.
    #[must_use]
    pub fn swaps_targets(&self) -> bool {
        self.failover.as_ref().is_some_and(Failover::swaps_targets)
    }
}

impl PoolSpec {
    /// Where it is, of an installation that is there.
    #[must_use]
    pub fn region_or<'a>(&'a self, home: &'a Region) -> &'a Region {
        self.region.as_ref().unwrap_or(home)
    }

    /// Whether it is in another region than the installation.
    #[must_use]
    pub fn is_elsewhere(&self, home: Option<&Region>) -> bool {
        self.region.is_some() && self.region.as_ref() != home
    }

    /// Whether a route that sends requests there sends them to this side.
    #[must_use]
    pub fn receives(&self, destination: &Destination) -> bool {
        if self.destinations.is_empty() {
            return self.target_groups.iter().any(|group| group.as_str() == destination.as_str());
        }
        self.destinations.contains(destination)
    }

    /// Of these weights, those that lead to this side.
    #[must_use]
    pub fn weight_in(&self, weights: &Weights) -> u32 {
        let own = weights.iter().filter(|(destination, _)| self.receives(destination));
        own.map(|(_, weight)| *weight).fold(0, u32::saturating_add)
    }

    /// What routes name it by.
    #[must_use]
    pub fn reached_by(&self) -> BTreeSet<Destination> {
        if self.destinations.is_empty() {
            return self.target_groups.iter().map(Destination::from).collect();
        }
        self.destinations.clone()
    }

    /// The policy that tells what each instance carries, if the scale-in order wants to know it.
    #[must_use]
    pub fn load_policy(&self) -> Option<&Policy> {
        let asked = self.scale_in_order.contains(&ScaleInOrder::LeastLoaded);
        asked
            .then(|| self.policies.iter().find(|policy| policy.reads_each_instance()))
            .flatten()
    }

    /// The largest maximum that this pool ever has: its own, or that of a scheduled window.
    #[must_use]
    pub fn most(&self) -> u32 {
        let of_window = |policy: &Policy| {
            if let Rule::Scheduled(scheduled) = &policy.rule {
                scheduled.max
            } else {
                None
            }
        };
        self.policies.iter().filter_map(of_window).fold(self.capacity.max, u32::max)
    }
}

/// Bounds of a pool's size: `min <= initial <= max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityRange {
    /// Fewest instances.
    pub min: u32,
    /// Most instances.
    pub max: u32,
    /// Size of a new pool.
    pub initial: u32,
}

/// One criterion of the scale-in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleInOrder {
    /// From the zone that has most instances.
    ZoneBalance,
    /// Earliest launch first.
    Oldest,
    /// Latest launch first.
    Newest,
    /// Who carries least first, by the pool's first policy that reads its instances one by one.
    LeastLoaded,
    /// Whose type costs most first, by the prices of the spend cap.
    MostExpensive,
    /// Whose next full hour since its launch begins soonest first.
    ClosestToBilling,
}

/// What `apply` looked up so that a decision does not have to: stored beside the spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The zone of each subnet.
    pub zones: BTreeMap<SubnetId, Zone>,
    /// The load balancer of each target group, as the CloudWatch dimension `LoadBalancer` names it (`app/name/id`).
    pub balancers: BTreeMap<TargetGroupArn, String>,
    /// The version that each pool's launch template stood for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<PoolId, TemplateVersion>,
    /// How long clients keep what DNS told them of each Cloud Map service; absent: it has no records.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub record_ttls: BTreeMap<ServiceId, Seconds>,
}
