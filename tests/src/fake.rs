//! A world for tests of the functions: it answers what it is told to answer, and remembers what it was asked.
//!
//! Its fleets only recommend, or fail over and want nobody, so that nothing is ever launched or terminated here; what looks lead to is tested where
//! the engine is.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ghostnet_core::forecast::{Forecast, Memory};
use ghostnet_core::id::{
    AlarmName, BuildId, FleetId, InstallationId, InstanceId, InstanceType, PlanId, Region, RouteId, ServiceId, SpecVersion, StepId,
    TargetGroupArn, Zone,
};
use ghostnet_core::observation::{ExhaustedOffering, Instance, InstanceState, Market, Offering, Registration, Target, Told};
use ghostnet_core::plan::{Choice, Launch};
use ghostnet_core::record::DecisionRecord;
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::Attribute;
use ghostnet_core::spec::Resolved;
use ghostnet_core::state::{RecordedOutcome, RouteTo, Routing, SCHEMA, StoredSpec, TrafficState};
use ghostnet_core::unit::{Finite, Seconds};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::invocation::Invocation;
use ghostnet_engine::port::{
    Announced, Clock, Commit, CommitResult, Compute, Discovery, DryRun, FleetAnswer, FleetEntry, ForecastStore, ListedInstance,
    LoadBalancer, LoadId, Loaded, Look, MetricQuery, Metrics, PublishedValue, Routes, Store, Touch, TrafficCommit, TrafficStore,
};
use jiff::Timestamp;

/// What the world holds, and what it was asked.
#[derive(Debug)]
pub struct FakePorts {
    /// The time; passes only by `seconds_per_load`.
    pub now: Cell<Timestamp>,
    /// So long does each load of fleets take.
    pub seconds_per_load: Seconds,
    /// Whose table it is.
    pub owner: InstallationId,
    /// The fleets of the table.
    pub fleets: Vec<FleetEntry>,
    /// The instances of the installation.
    pub listed: Vec<ListedInstance>,
    /// Whether every alarm had a newer change before.
    pub seen_newer: bool,
    /// Port calls that fail, by method.
    pub failing: BTreeMap<&'static str, ErrorClass>,
    /// Fleets whose spec has a policy that looks ahead.
    pub looking_ahead: BTreeSet<FleetId>,
    /// Fleets of these whose spec wants settings to be found.
    pub tuned: BTreeSet<FleetId>,
    /// What every metric was in each minute; none: CloudWatch does not answer.
    pub metric: Option<Finite>,
    /// Fleets whose items cannot be read.
    pub damaged: BTreeMap<FleetId, ErrorClass>,
    /// What listeners and rules do.
    pub routing: RefCell<BTreeMap<RouteId, Routing>>,
    /// Where traffic is, of fleets that failover committed.
    pub traffic: RefCell<BTreeMap<FleetId, TrafficState>>,
    /// What was asked: the method, and what it was asked for.
    pub asked: RefCell<Vec<String>>,
}

impl FakePorts {
    /// A world at `now`, whose table belongs to `owner` and holds these fleets, never evaluated.
    #[must_use]
    pub fn new(now: Timestamp, owner: &InstallationId, fleets: &[&str]) -> Self {
        let entry = |fleet: &&str| {
            Some(FleetEntry {
                fleet: fleet.parse().ok()?,
                alarms: Vec::new(),
                fails_over: false,
                evaluated_at: None,
            })
        };
        Self {
            now: Cell::new(now),
            seconds_per_load: Seconds(0),
            owner: owner.clone(),
            fleets: fleets.iter().filter_map(entry).collect(),
            listed: Vec::new(),
            seen_newer: false,
            failing: BTreeMap::new(),
            looking_ahead: BTreeSet::new(),
            tuned: BTreeSet::new(),
            metric: None,
            damaged: BTreeMap::new(),
            routing: RefCell::new(BTreeMap::new()),
            traffic: RefCell::new(BTreeMap::new()),
            asked: RefCell::new(Vec::new()),
        }
    }

    /// Everything that was asked by this method, in order.
    #[must_use]
    pub fn asked(&self, method: &str) -> Vec<String> {
        let asked = self.asked.borrow();
        asked
            .iter()
            .filter_map(|call| call.strip_prefix(method))
            .map(|rest| rest.trim_start().to_owned())
            .collect()
    }

    fn answer<T>(&self, method: &'static str, what: &str, answer: T) -> Result<T, PortError> {
        self.asked.borrow_mut().push(format!("{method} {what}"));
        self.failing.get(method).map_or(Ok(answer), |class| Err(port_error(method, *class)))
    }
}

/// An invocation of `function` that begins at `now` and has `seconds` to go.
#[must_use]
pub fn invocation(function: &'static str, installation: &InstallationId, now: Timestamp, seconds: Seconds) -> Invocation {
    Invocation {
        installation: installation.clone(),
        region: Region::new("eu-west-1"),
        function,
        request_id: "a-request".to_owned(),
        build: BuildId::new("test"),
        deadline: seconds.after(now),
    }
}

/// A running instance of a fleet.
#[must_use]
pub fn instance_of(fleet: &FleetId, id: &str, launched_at: Timestamp) -> ListedInstance {
    let instance = Instance {
        id: InstanceId::new(id),
        state: InstanceState::Running,
        zone: Zone::new("eu-west-1a"),
        instance_type: InstanceType::new("c7a.large"),
        market: Market::OnDemand,
        launched_at,
        pool: None,
        plan: None,
        step: None,
        protected: false,
        word: ghostnet_core::observation::Word::default(),
        template: None,
        address: None,
    };
    ListedInstance {
        fleet: Some(fleet.clone()),
        instance,
        tag_keys: BTreeSet::new(),
    }
}

fn port_error(call: &'static str, class: ErrorClass) -> PortError {
    PortError {
        call,
        class,
        code: "Fake".to_owned(),
        message: "told to fail".to_owned(),
    }
}

/// The listener of every fleet that fails over.
pub const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/1/2";

/// The target group of a side of every fleet that fails over.
#[must_use]
pub fn group_of(side: &str) -> TargetGroupArn {
    TargetGroupArn::new(format!(
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{side}/1234567890abcdef"
    ))
}

fn stored(fleet: &FleetId, (fails_over, looks_ahead, tuned): (bool, bool, bool), now: Timestamp) -> Result<StoredSpec, PortError> {
    let mut spec = serde_json::json!({
        "fleet": fleet,
        "mode": "recommend_only",
        "defaults": {
            "capacity": { "min": 0, "max": 4, "initial": 0 },
            "launch": { "template": { "name": "web" }, "subnets": ["subnet-a"] },
        },
        "pools": [{ "id": "blue" }],
        "policies": [{ "id": "cpu", "type": "target_tracking", "metric": "cpu", "target": 60.0 }],
    });
    if fails_over {
        spec["mode"] = serde_json::json!("on");
        spec["pools"] = serde_json::json!([
            { "id": "blue", "target_groups": [group_of("blue")] },
            { "id": "green", "role": "standby", "target_groups": [group_of("green")] },
        ]);
        spec["failover"] = serde_json::json!({ "mode": "cold_standby", "lever": { "listener_rules": [LISTENER] } });
    }
    if looks_ahead {
        spec["pools"] = serde_json::json!([{ "id": "blue", "target_groups": [group_of("blue")] }]);
        spec["policies"] = serde_json::json!([
            { "id": "requests", "type": "target_tracking", "metric": "alb_request_count_per_target", "target": 1000.0 },
            { "id": "ahead", "type": "predictive", "of": "requests" },
        ]);
    }
    if tuned {
        spec["tuning"] = serde_json::json!({ "mode": "apply" });
    }
    Ok(StoredSpec {
        schema: SCHEMA,
        version: SpecVersion(1),
        spec: serde_json::from_value(spec).map_err(|error| PortError {
            message: error.to_string(),
            ..port_error("load", ErrorClass::Invalid)
        })?,
        resolved: Resolved::default(),
        retiring: false,
        applied_by: "a test".to_owned(),
        applied_at: now,
    })
}

fn joined<'a>(ids: impl IntoIterator<Item = &'a FleetId>) -> String {
    ids.into_iter().map(FleetId::as_str).collect::<Vec<_>>().join(" ")
}

impl Clock for FakePorts {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    async fn wait(&self, time: Duration) {
        let waited = jiff::SignedDuration::try_from(time).unwrap_or_default();
        self.now.set(self.now.get() + waited);
    }
}

impl Compute for FakePorts {
    async fn instances(&self, _: &Region, _: &InstallationId) -> Result<Vec<ListedInstance>, PortError> {
        self.answer("instances", "", self.listed.clone())
    }

    async fn impaired(&self, _: &Region) -> Result<BTreeMap<InstanceId, Timestamp>, PortError> {
        self.answer("impaired", "", BTreeMap::new())
    }

    async fn launch(&self, _: &Region, _: &Launch, _: &[(&'static str, String)]) -> Result<Vec<InstanceId>, PortError> {
        self.answer("launch", "", Vec::new())
    }

    async fn create_fleet(&self, _: &Region, _: &Launch, _: &Choice, _: &[(&'static str, String)]) -> Result<FleetAnswer, PortError> {
        self.answer("create_fleet", "", FleetAnswer::default())
    }

    async fn tell(&self, _: &Region, _: &[InstanceId], _: Told) -> Result<(), PortError> {
        self.answer("tell", "", ())
    }

    async fn start(&self, _: &Region, _: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.answer("start", "", BTreeMap::new())
    }

    async fn stop(&self, _: &Region, _: &[InstanceId], _: bool) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.answer("stop", "", BTreeMap::new())
    }

    async fn terminate(&self, _: &Region, _: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.answer("terminate", "", BTreeMap::new())
    }
}

impl DryRun for FakePorts {
    async fn may_launch(&self, _: &Region, launch: &Launch, tags: &[(&'static str, String)]) -> Result<(), PortError> {
        let keys: Vec<&str> = tags.iter().map(|(key, _)| *key).collect();
        self.answer("may_launch", &format!("{} {}", launch.place.subnet, keys.join(" ")), ())
    }

    async fn may_touch(&self, _: &Region, instance: &InstanceId, touch: Touch) -> Result<(), PortError> {
        self.answer("may_touch", &format!("{instance} {touch:?}"), ())
    }
}

impl LoadBalancer for FakePorts {
    async fn targets(&self, _: &Region, _: &TargetGroupArn) -> Result<Vec<Target>, PortError> {
        self.answer("targets", "", Vec::new())
    }

    async fn register(&self, _: &Region, _: &TargetGroupArn, _: &[InstanceId]) -> Result<(), PortError> {
        self.answer("register", "", ())
    }

    async fn deregister(&self, _: &Region, _: &TargetGroupArn, _: &[InstanceId]) -> Result<(), PortError> {
        self.answer("deregister", "", ())
    }

    async fn group_attributes(&self, _: &Region, _: &TargetGroupArn) -> Result<BTreeMap<Attribute, String>, PortError> {
        self.answer("group_attributes", "", BTreeMap::new())
    }

    async fn set_group_attributes(&self, _: &Region, _: &TargetGroupArn, _: &BTreeMap<Attribute, String>) -> Result<(), PortError> {
        self.answer("set_group_attributes", "", ())
    }
}

impl Routes for FakePorts {
    async fn routing(&self, _: &Region, rules: &[RouteId]) -> Result<BTreeMap<RouteId, Routing>, PortError> {
        let there = self.routing.borrow();
        let found = rules.iter().filter_map(|rule| Some((rule.clone(), there.get(rule)?.clone())));
        self.answer("routing", "", found.collect())
    }

    async fn set_routing(&self, _: &Region, rule: &RouteId, expected: &Routing, set: &RouteTo) -> Result<(), PortError> {
        let routing = match set {
            RouteTo::Weights(weights) => Routing {
                weights: weights.clone(),
                ..expected.clone()
            },
            RouteTo::Actions(actions) => actions.clone(),
            RouteTo::Reweighted { actions, weights } => Routing {
                weights: weights.clone(),
                ..actions.clone()
            },
            RouteTo::Fixed(response) => Routing {
                sticks: false,
                weights: BTreeMap::new(),
                actions: response.body.clone(),
                answer: Some(response.clone()),
            },
        };
        self.answer("set_routing", rule.as_str(), ())?;
        self.routing.borrow_mut().insert(rule.clone(), routing);
        Ok(())
    }
}

impl TrafficStore for FakePorts {
    async fn commit_traffic(&self, commit: &TrafficCommit) -> Result<CommitResult, PortError> {
        self.answer("commit_traffic", commit.fleet.as_str(), ())?;
        self.traffic.borrow_mut().insert(commit.fleet.clone(), commit.state.clone());
        Ok(CommitResult::Committed)
    }
}

impl Discovery for FakePorts {
    async fn registrations(&self, _: &Region, _: &ServiceId, _: &InstallationId) -> Result<Vec<Registration>, PortError> {
        self.answer("registrations", "", Vec::new())
    }

    async fn announce(&self, _: &Region, _: &ServiceId, _: &Announced<'_>) -> Result<(), PortError> {
        self.answer("announce", "", ())
    }

    async fn withdraw(&self, _: &Region, _: &ServiceId, _: &InstanceId) -> Result<(), PortError> {
        self.answer("withdraw", "", ())
    }
}

impl Metrics for FakePorts {
    async fn series(&self, _: &Region, queries: &[MetricQuery], _: Timestamp) -> Result<Vec<Series>, PortError> {
        let minute = jiff::SignedDuration::from_mins(1);
        let series = |query: &MetricQuery| {
            let Some(value) = self.metric else {
                return Series::Failed {
                    why: "a world without metrics".to_owned(),
                };
            };
            let point = |back| Datapoint {
                at: self.now.get() - minute * back,
                value,
            };
            Series::Points {
                points: (1..).take(usize::try_from(query.points).unwrap_or_default()).map(point).collect(),
                period: Seconds(60),
                partial: false,
                incomplete: Vec::new(),
            }
        };
        self.answer("series", &queries.len().to_string(), queries.iter().map(series).collect())
    }

    async fn alarm_states(&self, _: &Region, _: &[AlarmName]) -> Result<BTreeMap<AlarmName, AlarmState>, PortError> {
        self.answer("alarm_states", "", BTreeMap::new())
    }

    async fn publish(&self, _: &Region, _: &[PublishedValue]) -> Result<(), PortError> {
        self.answer("publish", "", ())
    }
}

impl Store for FakePorts {
    async fn claim(&self, installation: &InstallationId, _: Timestamp) -> Result<InstallationId, PortError> {
        self.answer("claim", installation.as_str(), self.owner.clone())
    }

    async fn fleets(&self) -> Result<Vec<FleetEntry>, PortError> {
        self.answer("fleets", "", self.fleets.clone())
    }

    async fn load(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Result<Loaded, PortError>>, PortError> {
        self.now.set(self.seconds_per_load.after(self.now.get()));
        let load = |fleet: &FleetId| {
            self.damaged.get(fleet).map_or(Ok(()), |class| Err(port_error("load", *class)))?;
            let fails_over = self.fleets.iter().any(|entry| entry.fleet == *fleet && entry.fails_over);
            let what = (fails_over, self.looking_ahead.contains(fleet), self.tuned.contains(fleet));
            let spec = stored(fleet, what, self.now.get())?;
            Ok(Loaded {
                spec,
                state: None,
                outcomes: BTreeMap::new(),
                traffic: self.traffic.borrow().get(fleet).cloned(),
            })
        };
        let known = fleets.iter().filter(|fleet| self.fleets.iter().any(|entry| entry.fleet == **fleet));
        self.answer("load", &joined(fleets), known.map(|fleet| (fleet.clone(), load(fleet))).collect())
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitResult, PortError> {
        let what = format!("{} for {}", commit.fleet, commit.record.signal.kind());
        self.answer("commit", &what, CommitResult::Committed)
    }

    async fn record_outcomes(&self, fleet: &FleetId, _: &PlanId, _: &BTreeMap<StepId, RecordedOutcome>) -> Result<(), PortError> {
        self.answer("record_outcomes", fleet.as_str(), ())
    }

    async fn note_looks(&self, looks: &[Look]) -> Result<(), PortError> {
        self.answer("note_looks", &joined(looks.iter().map(|look| &look.fleet)), ())
    }

    async fn record(&self, record: &DecisionRecord) -> Result<(), PortError> {
        self.answer("record", record.fleet.as_str(), ())
    }

    async fn recorded_plans(&self, _: &FleetId, _: &BTreeSet<PlanId>) -> Result<BTreeSet<PlanId>, PortError> {
        self.answer("recorded_plans", "", BTreeSet::new())
    }

    async fn exhausted(&self, _: &Region, _: Timestamp) -> Result<Vec<ExhaustedOffering>, PortError> {
        self.answer("exhausted", "", Vec::new())
    }

    async fn note_exhausted(&self, _: &Region, _: &Offering, _: Timestamp) -> Result<(), PortError> {
        self.answer("note_exhausted", "", ())
    }

    async fn note_alarm(&self, alarm: &str, _: Timestamp) -> Result<bool, PortError> {
        self.answer("note_alarm", alarm, !self.seen_newer)
    }

    async fn forecasts(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Forecast>, PortError> {
        self.answer("forecasts", &joined(fleets), BTreeMap::new())
    }
}

impl ForecastStore for FakePorts {
    async fn memories(&self, loads: &[LoadId]) -> Result<BTreeMap<LoadId, Memory>, PortError> {
        self.answer("memories", &joined(loads.iter().map(|load| &load.fleet)), BTreeMap::new())
    }

    async fn keep_forecast(&self, fleet: &FleetId, _: &Forecast, _: Timestamp) -> Result<CommitResult, PortError> {
        self.answer("keep_forecast", fleet.as_str(), CommitResult::Committed)
    }

    async fn keep_memories(&self, memories: &BTreeMap<LoadId, Memory>, _: Timestamp) -> Result<(), PortError> {
        self.answer("keep_memories", &joined(memories.keys().map(|load| &load.fleet)), ())
    }
}
