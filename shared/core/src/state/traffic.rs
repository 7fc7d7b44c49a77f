//! The traffic state of a fleet: which pool takes traffic, what was seen of each side, and what a shift of it needs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::SCHEMA;
use super::drill::{Drill, DrillOutcome};
use super::fence::Fence;
use crate::id::{Epoch, InstanceId, PoolId, RouteId};
use crate::route::Weights;
use crate::spec::{FailoverMode, FixedResponse, FleetSpec};

/// The traffic state of one fleet: item `TRAFFIC`, written by failover (and the first one by `apply`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficState {
    /// Schema of this item.
    pub schema: u16,
    /// Bumped by every commit after which traffic goes elsewhere, or a pool needs another number: it fences capacity decisions.
    pub epoch: Epoch,
    /// Bumped by every commit: what was only seen fences nobody.
    #[serde(default)]
    pub version: u64,
    /// The pool that takes traffic; where every side is active, one of those that do.
    pub active: PoolId,
    /// Fewest instances a shift of traffic needs, by pool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub floors: BTreeMap<PoolId, u32>,
    /// What was seen of each side.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sides: BTreeMap<PoolId, Side>,
    /// A shift that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<Shift>,
    /// The last shift that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    /// No side could serve, and something else answers; until a side is seen to have the traffic again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<Degraded>,
    /// Where every side is active: who takes no traffic. Absent while each takes its share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// The drill that is under way, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
    /// Where only one side may ever serve: the one that is kept out while another is let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// Where what moves leads to one instance: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// A person has a side serve although nobody was seen to answer: something else answers again only after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serves_until: Option<Timestamp>,
    /// When a way back was given up that nobody had asked for: it is tried again after the dwell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_up_at: Option<Timestamp>,
}

impl TrafficState {
    /// Before any failover: the first active pool of the spec.
    #[must_use]
    pub fn first(spec: &FleetSpec) -> Option<Self> {
        let active = spec.pools.iter().find(|pool| pool.role == crate::spec::PoolRole::Active)?;
        Some(Self {
            schema: SCHEMA,
            epoch: Epoch(0),
            version: 0,
            active: active.id.clone(),
            floors: BTreeMap::new(),
            sides: BTreeMap::new(),
            shift: None,
            moved: None,
            degraded: None,
            spread: None,
            drill: None,
            fence: None,
            holder: None,
            serves_until: None,
            gave_up_at: None,
        })
    }

    /// Whether a side is kept out.
    #[must_use]
    pub fn is_fenced(&self, pool: &PoolId) -> bool {
        self.fence.as_ref().is_some_and(|fence| fence.pool == *pool)
    }

    /// Whether a side takes no traffic where every side is active.
    #[must_use]
    pub fn is_out(&self, pool: &PoolId) -> bool {
        self.spread.as_ref().is_some_and(|spread| spread.out.contains_key(pool))
    }

    /// The sides that take traffic, in the order of the spec: one, or, where every side is active, all that are not out.
    #[must_use]
    pub fn takers<'a>(&self, spec: &'a FleetSpec) -> Vec<&'a PoolId> {
        let sides = spec.pools.iter().map(|pool| &pool.id);
        sides.filter(|pool| self.takes(spec, pool)).collect()
    }

    /// Whether a side is one of them.
    #[must_use]
    pub fn takes(&self, spec: &FleetSpec, pool: &PoolId) -> bool {
        match spec.failover.as_ref().map(|failover| failover.mode) {
            Some(FailoverMode::ActiveActive) => !self.is_out(pool),
            _ => *pool == self.active,
        }
    }

    /// The sides that take no traffic where every side is active.
    #[must_use]
    pub fn out(&self) -> BTreeSet<PoolId> {
        self.spread.iter().flat_map(|spread| spread.out.keys().cloned()).collect()
    }
}

/// The one instance that Elastic IP addresses and lines of route tables lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Which, of the side that takes the traffic.
    pub instance: InstanceId,
    /// Who committed it sends until then.
    pub execute_until: Timestamp,
}

/// Where every side is active, and not each of them takes its share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// The weights by which every side takes its share, by rule.
    pub usual: BTreeMap<RouteId, Weights>,
    /// Who takes none. Never empty.
    pub out: BTreeMap<PoolId, Left>,
}

/// A side that takes no traffic while others do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Why.
    pub why: ShiftReason,
    /// Since when.
    pub at: Timestamp,
}

/// Where every side is active: who takes no traffic before a shift, and after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// Before it.
    pub out_before: BTreeSet<PoolId>,
    /// After it.
    pub out_after: BTreeSet<PoolId>,
}

impl Sharing {
    /// Whether a side that took none takes its share again.
    #[must_use]
    pub fn brings_back(&self, side: &PoolId) -> bool {
        self.out_before.contains(side) && !self.out_after.contains(side)
    }
}

/// What was seen of one side. A side that is well and was seen so writes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Whether it was ever seen well: before that it may be starting, and nothing fails over from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub armed: bool,
    /// The last datapoints of each kind of signal, oldest first, since one of them said that it is down.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seen: BTreeMap<SignalKind, Vec<Sighting>>,
    /// When others of the fleet were last seen registered in the target groups that all sides have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_at: Option<Timestamp>,
    /// Whether every rule was read, and none sends it anything, whoever set it so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
    /// How often in a row it was found well while traffic was elsewhere, and when last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub well: Option<Well>,
}

/// A kind of signal: two of different kinds must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// What EC2 says of the instances.
    Instances,
    /// What the balancer's checks say.
    Targets,
    /// What the application's metrics say.
    Application,
    /// What the side's health alarms say.
    Alarms,
    /// What is seen of it from outside.
    Probes,
}

impl SignalKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Instances, Self::Targets, Self::Application, Self::Alarms, Self::Probes];
}

impl std::fmt::Display for SignalKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Instances => "instances",
            Self::Targets => "targets",
            Self::Application => "application",
            Self::Alarms => "alarms",
            Self::Probes => "probes",
        })
    }
}

/// One datapoint of one kind of signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Of when.
    pub at: Timestamp,
    /// Whether it says that the side is down.
    pub down: bool,
}

/// Evaluations in a row that found a side well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Well {
    /// So many.
    pub times: u8,
    /// The last one.
    pub at: Timestamp,
}

/// A shift that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// From this side.
    pub from: PoolId,
    /// To this side.
    pub to: PoolId,
    /// Why.
    pub why: ShiftReason,
    /// Since when.
    pub since: Timestamp,
    /// How far it is.
    pub stage: Stage,
    /// Where every side is active: who takes no traffic. Absent where one side takes all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<Sharing>,
}

/// Why traffic moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftReason {
    /// The side that took it is down.
    Down {
        /// The kinds of signal that say so.
        by: Vec<SignalKind>,
    },
    /// An operator asks.
    Asked {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Until then; then it comes back, through the same gate. None: for good.
        until: Option<Timestamp>,
        /// Whether the gate is passed over.
        forced: bool,
    },
    /// The side that it had left is well again, for long enough.
    WellAgain,
    /// Nobody could serve, and this side can.
    CanServe {
        /// The kinds of signal by which the one that had the traffic was down.
        by: Vec<SignalKind>,
        /// Whether an operator passed over the gate.
        forced: bool,
    },
    /// The time for which an operator had asked is over.
    Expired,
    /// A drill begins.
    Drill {
        /// Who asked for it.
        by: String,
        /// Why.
        reason: String,
    },
    /// A drill has ended.
    DrillOver {
        /// What came of it.
        why: DrillOutcome,
    },
}

impl ShiftReason {
    /// Whether nobody asked for it: such a move is not followed by another one within the dwell.
    #[must_use]
    pub fn is_by_itself(&self) -> bool {
        match self {
            Self::Down { .. } | Self::WellAgain => true,
            Self::CanServe { forced, .. } => !forced,
            Self::Asked { .. } | Self::Expired | Self::Drill { .. } | Self::DrillOver { .. } => false,
        }
    }

    /// Whether the gate is passed over.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        matches!(self, Self::Asked { forced: true, .. } | Self::CanServe { forced: true, .. })
    }
}

/// How far a shift is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The destination has not enough healthy instances yet.
    Preparing,
    /// The weights are being set; the epoch is the new one.
    Moving {
        /// Who committed it sends until then.
        execute_until: Timestamp,
        /// The routing as it was, by rule: what an undo restores.
        previous: BTreeMap<RouteId, Routing>,
        /// What each rule is to do.
        wanted: BTreeMap<RouteId, RouteTo>,
    },
}

/// What a rule is set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTo {
    /// The same actions with these weights.
    Weights(Weights),
    /// Exactly these actions.
    Actions(Routing),
    /// These actions with other weights.
    Reweighted {
        /// The actions.
        actions: Routing,
        /// The weights.
        weights: Weights,
    },
    /// The balancer itself answers.
    Fixed(FixedResponse),
}

/// Nobody can serve, and something else answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degraded {
    /// Since when.
    pub since: Timestamp,
    /// The kinds of signal by which the side that had the traffic is down.
    pub by: Vec<SignalKind>,
    /// Who committed it sends until then.
    pub execute_until: Timestamp,
    /// The routing as it was, by rule.
    pub previous: BTreeMap<RouteId, Routing>,
    /// What each rule is to do meanwhile.
    pub wanted: BTreeMap<RouteId, RouteTo>,
}

/// A shift that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// From this side.
    pub from: PoolId,
    /// To this side.
    pub to: PoolId,
    /// Why.
    pub why: ShiftReason,
    /// When the weights were seen to be set.
    pub at: Timestamp,
    /// The routing as it was.
    pub previous: BTreeMap<RouteId, Routing>,
    /// What each rule was set to: one that does something else by now was changed by somebody.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<RouteId, RouteTo>,
    /// Where every side is active: who takes no traffic. Absent where one side takes all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<Sharing>,
}

/// What a route does with requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// Weights of its destinations.
    pub weights: Weights,
    /// All that it was set to, as its adapter reads it: the list of actions of a rule, the records of a name.
    pub actions: String,
    /// What the balancer answers by itself instead of forwarding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<FixedResponse>,
    /// Whether a client stays with the destination that it met first, whatever its weight is by now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sticks: bool,
}
