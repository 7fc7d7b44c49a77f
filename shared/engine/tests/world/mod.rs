//! A small AWS in memory, in virtual time, behind all ports: EC2 with tokens and lagging lists, target groups that check
//! and drain, one metric that falls as targets are added, and a table with conditions.
//!
//! Every port call goes through a gate. A gate can stop an invocation for good (a crash) or until it is released (an
//! interleaving), before or after the call took effect.

mod hand;

pub use self::hand::*;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use ghostnet_core::forecast::{Forecast, Memory};
use ghostnet_core::id::*;
use ghostnet_core::observation::*;
use ghostnet_core::plan::{Choice, Launch};
use ghostnet_core::record::DecisionRecord;
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::metric::{QueryShape, Stat};
use ghostnet_core::spec::{Attribute, RawFleetSpec, Resolved};
use ghostnet_core::state::*;
use ghostnet_core::unit::{Finite, Seconds};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::*;
use jiff::Timestamp;

pub const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef";
pub const BOOT: Seconds = Seconds(30);
pub const FIRST_CHECK: Seconds = Seconds(20);
pub const DEREGISTRATION_DELAY: Seconds = Seconds(60);
pub const SHUT_DOWN: Seconds = Seconds(30);
pub const STOP: Seconds = Seconds(30);
pub const LIST_LAG: Seconds = Seconds(15);

/// Everything that exists, outside any invocation.
pub struct World {
    pub now: Timestamp,
    pub instances: Vec<Machine>,
    tokens: BTreeMap<String, (Launch, Vec<InstanceId>)>,
    pub targets: BTreeMap<InstanceId, Registration>,
    /// Who is registered in the only Cloud Map service.
    pub found: BTreeSet<InstanceId>,
    /// What Cloud Map has taken on: when it is done, whom it is about, and whether it brings it in.
    operations: Vec<(Timestamp, InstanceId, bool)>,
    /// Who was terminated while clients were sent to it.
    pub ended_while_found: BTreeSet<InstanceId>,
    /// Of the only group.
    pub attributes: BTreeMap<Attribute, String>,
    /// Requests per minute over all targets.
    pub load: f64,
    pub metric_is_missing: bool,
    /// Requests over all targets in the minute that begins then; none: only the newest minute is known, and it is `load`.
    pub demand: Option<fn(Timestamp) -> f64>,
    /// Errors a minute of each instance; one where nothing is said.
    pub errors: BTreeMap<InstanceId, f64>,
    /// How many datapoints each query of the last look asked for.
    pub asked: Vec<u32>,
    /// Zones without capacity.
    pub dry: BTreeSet<Zone>,
    /// What a launch into a reservation is told; none: there is room.
    pub reservations: Option<(ErrorClass, &'static str)>,
    /// Instances that EC2 does not find by their ids, although they are there.
    pub unfound: BTreeSet<InstanceId>,
    /// Instances whose checks fail.
    pub sick: BTreeSet<InstanceId>,
    /// Instances whose status checks fail.
    pub impaired: BTreeMap<InstanceId, Timestamp>,
    /// Whether workers say at once that they have finished when they are told to leave.
    pub workers_answer: bool,
    pub table: Table,
    /// Calls of every kind, for counting.
    pub calls: Vec<&'static str>,
    /// Most instances that were ever pending or running at once.
    pub peak: usize,
}

#[derive(Default)]
pub struct Table {
    pub specs: BTreeMap<FleetId, StoredSpec>,
    pub states: BTreeMap<FleetId, (CapacityState, WriterId)>,
    pub outcomes: BTreeMap<FleetId, BTreeMap<StepId, RecordedOutcome>>,
    pub traffic: BTreeMap<FleetId, TrafficState>,
    pub records: BTreeMap<PlanId, DecisionRecord>,
    pub evaluated: BTreeMap<FleetId, Timestamp>,
    pub exhausted: Vec<ExhaustedOffering>,
    pub forecasts: BTreeMap<FleetId, Forecast>,
    pub memories: BTreeMap<LoadId, Memory>,
}

#[derive(Clone)]
pub struct Machine {
    pub id: InstanceId,
    pub launched_at: Timestamp,
    pub terminated_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    zone: Zone,
    pub tags: BTreeMap<&'static str, String>,
}

impl Machine {
    pub fn state(&self, now: Timestamp) -> InstanceState {
        match self.terminated_at {
            Some(at) if now >= SHUT_DOWN.after(at) => InstanceState::Terminated,
            Some(_) => InstanceState::ShuttingDown,
            None if self.stopped_at.is_some_and(|at| now >= STOP.after(at)) => InstanceState::Stopped,
            None if self.stopped_at.is_some() => InstanceState::Stopping,
            None if now < BOOT.after(self.launched_at) => InstanceState::Pending,
            None => InstanceState::Running,
        }
    }
}

pub struct Registration {
    pub since: Timestamp,
    pub deregistered_at: Option<Timestamp>,
}

impl World {
    pub fn new(raw: RawFleetSpec, load: f64) -> Rc<RefCell<Self>> {
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let spec = ghostnet_core::spec::FleetSpec::check(&raw).unwrap();
        let zones = spec.pools[0]
            .launch
            .subnets
            .iter()
            .map(|subnet| (subnet.clone(), Zone::new(subnet.as_str().replace("subnet-", "eu-west-1"))));
        let resolved = Resolved {
            zones: zones.collect(),
            ..Resolved::default()
        };
        let mut table = Table::default();
        table.traffic.insert(spec.id.clone(), TrafficState::first(&spec).unwrap());
        let stored = StoredSpec {
            schema: SCHEMA,
            version: SpecVersion(1),
            spec: raw.into(),
            resolved,
            retiring: false,
            applied_by: "test".into(),
            applied_at: now,
        };
        table.specs.insert(spec.id.clone(), stored);
        Rc::new(RefCell::new(Self {
            now,
            instances: Vec::new(),
            tokens: BTreeMap::new(),
            targets: BTreeMap::new(),
            found: BTreeSet::new(),
            operations: Vec::new(),
            ended_while_found: BTreeSet::new(),
            attributes: BTreeMap::from([
                (Attribute::Algorithm, "round_robin".to_owned()),
                (Attribute::DeregistrationDelay, "60".to_owned()),
            ]),
            load,
            metric_is_missing: false,
            demand: None,
            errors: BTreeMap::new(),
            asked: Vec::new(),
            dry: BTreeSet::new(),
            reservations: None,
            unfound: BTreeSet::new(),
            sick: BTreeSet::new(),
            impaired: BTreeMap::new(),
            workers_answer: false,
            table,
            calls: Vec::new(),
            peak: 0,
        }))
    }

    pub fn alive(&self) -> Vec<&Machine> {
        let runs = |machine: &&Machine| machine.terminated_at.is_none() && machine.stopped_at.is_none();
        self.instances.iter().filter(runs).collect()
    }

    /// Stopped, or about to be.
    pub fn stopped(&self) -> Vec<&Machine> {
        let rests = |machine: &&Machine| machine.terminated_at.is_none() && machine.stopped_at.is_some();
        self.instances.iter().filter(rests).collect()
    }

    pub fn state(&self) -> Option<CapacityState> {
        self.table.states.values().next().map(|(state, _)| state.clone())
    }

    /// Members of the group that take or may take requests.
    pub fn members(&self) -> BTreeSet<InstanceId> {
        self.targets
            .iter()
            .filter(|(_, target)| target.deregistered_at.is_none())
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Cloud Map does what is due.
    pub fn operate(&mut self) {
        let (due, later) = std::mem::take(&mut self.operations)
            .into_iter()
            .partition(|(at, ..)| self.now >= *at);
        self.operations = later;
        let due: Vec<(Timestamp, InstanceId, bool)> = due;
        for (_, id, brings) in due {
            if brings {
                self.found.insert(id);
            } else {
                self.found.remove(&id);
            }
        }
    }

    fn health(&self, id: &InstanceId, target: &Registration) -> Option<TargetHealth> {
        if let Some(at) = target.deregistered_at {
            return (self.now < DEREGISTRATION_DELAY.after(at)).then_some(TargetHealth::Draining);
        }
        let state = self
            .instances
            .iter()
            .find(|machine| machine.id == *id)
            .map(|machine| machine.state(self.now));
        Some(match state {
            Some(InstanceState::Running) if self.sick.contains(id) => TargetHealth::Unhealthy,
            Some(InstanceState::Running) if self.now < FIRST_CHECK.after(target.since) => TargetHealth::Initial,
            Some(InstanceState::Running) => TargetHealth::Healthy,
            _ => TargetHealth::InvalidState,
        })
    }

    fn healthy(&self) -> usize {
        self.targets
            .iter()
            .filter(|(id, target)| self.health(id, target) == Some(TargetHealth::Healthy))
            .count()
    }
}
