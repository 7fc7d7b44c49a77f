//! A fleet of two sides whose traffic is decided in a test, look by look, and what goes on record of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ghostnet_core::failover::{TrafficInputs, TrafficObservation, TrafficRecord, TrafficRequest, TrafficWish, decide};
use ghostnet_core::id::{InstanceId, PlanId, PoolId, RouteId, SpecVersion};
use ghostnet_core::observation::{InstanceState, Target, TargetHealth};
use ghostnet_core::spec::{FleetSpec, PoolRole, PoolSpec, RawFleetSpec};
use ghostnet_core::state::{CapacityState, Member, RouteTo, Routing, TrafficState};
use ghostnet_core::unit::Seconds;
use jiff::{SignedDuration, Timestamp};

pub(crate) const FIRST_LOOK: &str = "2026-06-05T13:00:00Z";

/// From a call that sets the rules to the look that sees them set.
const CALL: SignedDuration = SignedDuration::from_millis(1_200);

/// The example fleet `standby`: `blue` takes the traffic with four instances, `green` stands by with as many, and all are well.
pub(crate) struct Rehearsal {
    /// The moment of the last look.
    pub(crate) now: Timestamp,
    raw: Arc<RawFleetSpec>,
    spec: FleetSpec,
    capacity: CapacityState,
    traffic: TrafficState,
    instances: BTreeMap<InstanceId, (PoolId, InstanceState, TargetHealth)>,
    routing: BTreeMap<RouteId, Routing>,
    records: Vec<TrafficRecord>,
}

pub(crate) fn pool(name: &str) -> PoolId {
    name.parse().unwrap_or_else(|error| panic!("{error}"))
}

impl Rehearsal {
    pub(crate) fn new() -> Self {
        Self::of(include_str!("../../infra/fleets/standby.yaml"))
    }

    /// With this spec, of a fleet with the sides `blue` and `green`.
    pub(crate) fn of(spec: &str) -> Self {
        let file = crate::spec_file::read("standby.yaml", spec).unwrap_or_else(|problems| panic!("{problems:?}"));
        let Some(traffic) = TrafficState::first(&file.spec) else {
            panic!("a side takes the traffic")
        };
        let now = FIRST_LOOK.parse().unwrap_or_else(|error| panic!("{error}"));
        let mut rehearsal = Self {
            raw: file.raw.into(),
            capacity: CapacityState::new(&file.spec, Seconds(7_200).before(now)),
            now,
            traffic,
            instances: BTreeMap::new(),
            routing: first_routing(&file.spec),
            records: Vec::new(),
            spec: file.spec,
        };
        rehearsal.put("blue", 4);
        rehearsal.put("green", 4);
        rehearsal.look(None);
        rehearsal
    }

    /// So many instances serve on a side that wants as many; whoever was there before is gone.
    pub(crate) fn put(&mut self, side: &str, count: u32) {
        self.instances.retain(|_, (pool, ..)| pool.as_str() != side);
        let since = Seconds(3_600).before(self.now);
        let state = self.capacity.pools.entry(pool(side)).or_default();
        state.desired = count;
        state.members.clear();
        for n in 0..count {
            let id = InstanceId::new(format!("i-{side}-{}-{n}", self.now.as_second()));
            let member = Member {
                served_since: Some(since.into()),
                ..Member::new(since)
            };
            state.members.insert(id.clone(), member);
            self.instances
                .insert(id, (pool(side), InstanceState::Running, TargetHealth::Healthy));
        }
    }

    /// Every instance of a side is terminated by somebody else.
    pub(crate) fn die(&mut self, side: &str) {
        let of_side = self.instances.values_mut().filter(|(pool, ..)| pool.as_str() == side);
        of_side.for_each(|(_, state, health)| (*state, *health) = (InstanceState::Terminated, TargetHealth::InvalidState));
    }

    /// Every instance of a side runs on, and fails its checks.
    pub(crate) fn sicken(&mut self, side: &str) {
        let of_side = self.instances.values_mut().filter(|(pool, ..)| pool.as_str() == side);
        of_side.for_each(|(.., health)| *health = TargetHealth::Unhealthy);
    }

    /// So many looks, each so many seconds after the one before.
    pub(crate) fn looks(&mut self, count: u32, seconds: u32) {
        for _ in 0..count {
            self.now = Seconds(seconds).after(self.now);
            self.look(None);
        }
    }

    /// An operator asks.
    pub(crate) fn ask(&mut self, by: &str, reason: &str, wish: TrafficWish) {
        let request = TrafficRequest {
            by: by.to_owned(),
            at: self.now,
            reason: reason.to_owned(),
            wish,
        };
        self.look(Some(request));
    }

    /// What went on record, the newest first, as it is read.
    pub(crate) fn records(&self) -> Vec<TrafficRecord> {
        self.records.iter().rev().cloned().collect()
    }

    /// One look. What it decides is done, and looked at a moment later, as the function does.
    fn look(&mut self, asked: Option<TrafficRequest>) {
        let inputs = self.inputs(asked);
        let Some(decision) = inputs.situation(&self.spec).map(|situation| decide(&situation)) else {
            panic!("the fleet fails over")
        };
        if !decision.changes(&self.traffic) {
            return;
        }
        self.traffic = decision.state.clone();
        let id = PlanId::new(format!("{:.3}-5f0c2a9be411", self.now));
        let build = ghostnet_aws::function::build();
        self.records
            .push(TrafficRecord::new(id, self.spec.id.clone(), build, &decision, inputs));
        for step in &decision.steps {
            self.routing.insert(step.route.clone(), set(&step.expected, &step.set));
        }
        if !decision.steps.is_empty() {
            self.now = self.now.checked_add(CALL).unwrap_or(self.now);
            self.look(None);
        }
    }

    fn inputs(&self, asked: Option<TrafficRequest>) -> TrafficInputs {
        TrafficInputs {
            spec_version: SpecVersion(3),
            spec: Arc::clone(&self.raw),
            capacity: self.capacity.clone(),
            traffic: self.traffic.clone(),
            observation: self.observe(),
            asked,
            now: self.now,
            execute_until: Seconds(40).after(self.now),
        }
    }

    fn observe(&self) -> TrafficObservation {
        let targets = self.spec.pools.iter().flat_map(|pool| {
            let listed = self.instances.iter().filter(|(_, (side, ..))| *side == pool.id);
            let listed: Vec<Target> = listed
                .map(|(id, (_, _, health))| Target {
                    instance: id.clone(),
                    health: *health,
                    shifted: false,
                })
                .collect();
            pool.target_groups.iter().map(move |group| (group.clone(), listed.clone()))
        });
        TrafficObservation {
            observed_at: self.now,
            instances: Some(self.instances.iter().map(|(id, (_, state, _))| (id.clone(), *state)).collect()),
            unlisted: std::collections::BTreeSet::new(),
            targets: targets.collect(),
            alarms: BTreeMap::new(),
            application: BTreeMap::new(),
            requests: BTreeMap::new(),
            routing: self.routing.clone(),
        }
    }
}

/// Every rule sends everything to the side that takes it, or as much to each that shares it.
fn first_routing(spec: &FleetSpec) -> BTreeMap<RouteId, Routing> {
    let rules = spec.failover.iter().flat_map(|failover| failover.all_routes());
    let weight = |pool: &PoolSpec| if pool.role == PoolRole::Active { 100 } else { 0 };
    let sides = spec.pools.iter();
    let weights = sides.flat_map(|pool| pool.reached_by().into_iter().map(move |destination| (destination, weight(pool))));
    let routing = Routing {
        sticks: false,
        weights: weights.collect(),
        actions: "forward".to_owned(),
        answer: None,
    };
    rules.map(|rule| (rule.clone(), routing.clone())).collect()
}

fn set(before: &Routing, to: &RouteTo) -> Routing {
    match to {
        RouteTo::Actions(routing) => routing.clone(),
        RouteTo::Weights(weights) => Routing {
            weights: weights.clone(),
            ..before.clone()
        },
        RouteTo::Reweighted { actions, weights } => Routing {
            weights: weights.clone(),
            ..actions.clone()
        },
        RouteTo::Fixed(response) => Routing {
            sticks: false,
            weights: BTreeMap::new(),
            actions: "fixed response".to_owned(),
            answer: Some(response.clone()),
        },
    }
}
