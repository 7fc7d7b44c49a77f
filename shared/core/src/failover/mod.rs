//! Whether traffic leaves a side, and where it goes: pure, like [`decide`](crate::decide).
//!
//! A decision is a next [`TrafficState`] and the weights to set. It is level-triggered: what was decided and is not seen to be done is
//! done again, so that a crash anywhere is repaired by the next look. Two rules keep it from harm. A side is down only if two kinds of
//! signal say so by enough distinct datapoints, and only once it was seen well; and nothing moves to a side that could not be seen to
//! be able to answer, unless a person forces it.

mod degraded;
mod draft;
mod drill;
mod evidence;
mod fence;
mod finding;
mod floor;
mod gate;
mod holder;
mod prepare;
mod record;
mod routing;
mod sharing;
mod shift;
mod swap;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::draft::Draft;
use self::evidence::Looked;
pub use self::fence::Fenced;
pub use self::finding::{Refusal, TrafficFinding};
pub use self::floor::{ready_floor, reserve_of, rests};
pub use self::gate::Readiness;
pub use self::record::{TrafficInputs, TrafficRecord};
use self::swap::Seat;
pub use self::swap::enrolled;
pub use self::watch::LOOKS_APART;
use crate::id::{AlarmName, InstanceId, PoolId, RouteId, TargetGroupArn};
use crate::observation::{InstanceState, Target};
use crate::sample::Series;
use crate::signal::{AlarmState, health_alarm};
use crate::spec::{Drills, Failback, Failover, FleetSpec};
use crate::state::{CapacityState, RouteTo, Routing, SignalKind, TrafficState};

/// What one look at a fleet's traffic saw. What could not be read is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficObservation {
    /// When the look began.
    pub observed_at: Timestamp,
    /// State of every instance of the fleet, of a complete list; none: it was not complete.
    pub instances: Option<BTreeMap<InstanceId, InstanceState>>,
    /// Sides whose region could not be listed, while others could: nothing is known of their instances.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unlisted: BTreeSet<PoolId>,
    /// Targets of the groups of all sides.
    pub targets: BTreeMap<TargetGroupArn, Vec<Target>>,
    /// States of the alarms that tell of the health of the sides.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alarms: BTreeMap<AlarmName, AlarmState>,
    /// The application's metrics by side, in the order of the spec.
    pub application: BTreeMap<PoolId, Vec<Series>>,
    /// Requests per minute of each side, while a drill is made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<PoolId, Series>,
    /// What each route does.
    pub routing: BTreeMap<RouteId, Routing>,
}

impl TrafficObservation {
    /// What a complete list shows, of whichever side; none: those of this one could not be listed.
    #[must_use]
    pub fn listed_for(&self, side: &PoolId) -> Option<&BTreeMap<InstanceId, InstanceState>> {
        self.instances.as_ref().filter(|_| !self.unlisted.contains(side))
    }
}

/// Everything that a traffic decision may depend on.
#[derive(Debug, Clone, Copy)]
pub struct TrafficSituation<'a> {
    /// The fleet.
    pub spec: &'a FleetSpec,
    /// How it fails over.
    pub failover: &'a Failover,
    /// The capacity state as loaded. Read only.
    pub capacity: &'a CapacityState,
    /// The traffic state as loaded.
    pub traffic: &'a TrafficState,
    /// What was seen.
    pub observation: &'a TrafficObservation,
    /// What an operator asks.
    pub asked: Option<&'a TrafficRequest>,
    /// The moment.
    pub now: Timestamp,
    /// No step starts after it.
    pub execute_until: Timestamp,
}

/// What an operator asks of a fleet's traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficRequest {
    /// Who.
    pub by: String,
    /// When it was issued.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// What.
    pub wish: TrafficWish,
}

/// A move, or its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrafficWish {
    /// To this side.
    Failover {
        /// Which.
        to: PoolId,
        /// Until then; none: for good.
        until: Option<Timestamp>,
        /// Whatever the gate says.
        forced: bool,
    },
    /// Back to the side that traffic had left.
    Failback,
    /// The rules exactly as they were before the last move.
    Undo,
    /// To a side that stands by, for as long as the spec says, to know that it can.
    Drill,
}

/// A route to be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficStep {
    /// Which.
    pub route: RouteId,
    /// Only if it is still this: somebody else's change is not overwritten.
    pub expected: Routing,
    /// To what.
    pub set: RouteTo,
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficDecision {
    /// The next state; its version is one more if it is to be written.
    pub state: TrafficState,
    /// The sides that take traffic from now on, in the order of the spec.
    pub takers: Vec<PoolId>,
    /// Routes to be set.
    pub steps: Vec<TrafficStep>,
    /// What is worth telling.
    pub findings: Vec<TrafficFinding>,
    /// What stands between each side that takes no traffic and the traffic. Where every side is active, for one that takes some: whether
    /// the others could take its share.
    pub readiness: BTreeMap<PoolId, Readiness>,
    /// Whether to look again in ten seconds: a side is suspect, or something is on its way.
    pub look_again: bool,
    /// Whether anybody else is to be registered in target groups than before, or to be stopped.
    pub enrols: bool,
}

impl TrafficDecision {
    /// Whether there is something to commit.
    #[must_use]
    pub fn changes(&self, loaded: &TrafficState) -> bool {
        self.state != *loaded || !self.steps.is_empty()
    }

    /// Whether pools need another number than before, or others are to be registered, so that tick must look.
    #[must_use]
    pub fn wakes_tick(&self, loaded: &TrafficState) -> bool {
        self.enrols || self.state.floors != loaded.floors
    }
}

/// The owner's alarms that tell of the health of a fleet's sides: every name in the spec, once for each side.
pub fn health_alarms(spec: &FleetSpec) -> impl Iterator<Item = AlarmName> {
    let detect = spec.failover.iter().map(|failover| &failover.detect);
    let names = detect.flat_map(|detect| detect.alarms.iter().chain(&detect.probes));
    names.flat_map(move |name| spec.pools.iter().map(move |pool| health_alarm(&spec.id, &pool.id, name)))
}

/// Every alarm that a decision about a fleet's traffic may depend on.
pub fn alarms(spec: &FleetSpec) -> impl Iterator<Item = AlarmName> {
    let drill = spec.failover.iter().filter_map(|failover| failover.drill.as_ref());
    health_alarms(spec).chain(drill.flat_map(Drills::alarms).cloned())
}

/// The routes of which a look must know what they do: those of the spec, and those that were set for as long as nobody can serve, whatever
/// the spec says by now. They have to be given back.
pub fn routes<'a>(failover: &'a Failover, traffic: &'a TrafficState) -> impl Iterator<Item = &'a RouteId> {
    let set = traffic.degraded.iter().flat_map(|degraded| degraded.wanted.keys());
    failover.all_routes().chain(set)
}

/// Decides about a fleet's traffic.
#[must_use]
pub fn decide(situation: &TrafficSituation<'_>) -> TrafficDecision {
    let mut draft = Draft::new(situation);
    draft.look_at_sides();
    draft.go_on();
    draft.finish()
}

/// How a fleet's traffic stands, without a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficStanding {
    /// Kinds of signal by which a side that takes traffic is down; absent where there are none.
    pub down_by: BTreeMap<PoolId, Vec<SignalKind>>,
    /// What stands between each other side and the traffic. Where every side is active, for one that takes some: whether the others could
    /// take its share.
    pub readiness: BTreeMap<PoolId, Readiness>,
    /// How far a side that is kept out is out; none: no side is kept out.
    pub fenced: Option<Fenced>,
}

/// What a look says of a fleet's traffic, for whoever only wants to know.
#[must_use]
pub fn stand(situation: &TrafficSituation<'_>) -> TrafficStanding {
    let mut draft = Draft::new(situation);
    draft.look_at_sides();
    draft.standing()
}

impl<'a> TrafficSituation<'a> {
    /// How many of a side are healthy in all its groups, by checks that really run; none if one of them could not be read.
    #[must_use]
    pub fn healthy(&self, pool: &PoolId) -> Option<u32> {
        let looked = self.looked(pool)?;
        let is_read = |group| self.observation.targets.contains_key(group);
        looked.pool.target_groups.iter().all(is_read).then(|| looked.healthy())
    }

    fn looked(&self, pool: &PoolId) -> Option<Looked<'a>> {
        self.looked_at(pool, Seat::of(self.failover.swaps_targets(), self.traffic, pool))
    }

    /// A side that has this seat by now.
    fn looked_at(&self, pool: &PoolId, seat: Seat) -> Option<Looked<'a>> {
        Some(Looked {
            seat,
            takes: self.traffic.takes(self.spec, pool),
            measured_since: self.measured_since(pool),
            fleet: &self.spec.id,
            pool: self.spec.pool(pool)?,
            state: self.capacity.pools.get(pool)?,
            capacity: self.capacity,
            observation: self.observation,
        })
    }

    /// Since when the metrics of a side's target groups are of this side alone; none: they are not.
    fn measured_since(&self, pool: &PoolId) -> Option<Timestamp> {
        match Seat::of(self.failover.swaps_targets(), self.traffic, pool) {
            Seat::Own => Some(Timestamp::MIN),
            Seat::Enters | Seat::Out | Seat::Fenced => None,
            // the other one is still leaving
            Seat::Takes if self.traffic.shift.as_ref().is_some_and(|shift| shift.to == *pool) => None,
            Seat::Takes => {
                let moved = self.traffic.moved.as_ref().filter(|moved| moved.to == *pool);
                let mixed_at = self.traffic.sides.get(pool).and_then(|side| side.mixed_at);
                let alone_since = mixed_at.map(|at| watch::MIXED_FOR.after(at));
                moved.map(|moved| moved.at).max(alone_since).or(Some(Timestamp::MIN))
            }
        }
    }

    /// So often in a row a side must be found well before traffic may come back by itself; none: never by itself.
    fn well_enough(&self) -> Option<u8> {
        match self.failover.failback {
            Failback::Manual => None,
            Failback::Auto { well } => Some(well.max(1)),
        }
    }

    fn down_by(&self, state: &TrafficState, pool: &PoolId) -> Vec<SignalKind> {
        let side = state.sides.get(pool);
        side.map(|side| watch::down_by(side, &self.failover.detect)).unwrap_or_default()
    }
}
