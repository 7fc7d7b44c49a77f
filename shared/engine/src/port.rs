//! The doors to the outside: compute, load balancer, metrics, store, clock. The AWS adapters stand behind them in
//! production, a world in virtual time in the simulator, and the engine cannot tell which.
//!
//! Every call takes the region it is for and as many fleets at once as it can: per-fleet calls cannot serve a thousand
//! fleets within EC2's token bucket.
#![expect(
    async_fn_in_trait,
    reason = "ports are used through generics only; whether a future is Send follows from the implementation"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use ghostnet_core::failover::TrafficRecord;
use ghostnet_core::forecast::{Forecast, Memory};
use ghostnet_core::id::{
    AlarmName, Epoch, FleetId, Generation, InstallationId, InstanceId, PlanId, PolicyId, PoolId, Region, RouteId, ServiceId, SpecVersion,
    StepId, TargetGroupArn, WriterId,
};
use ghostnet_core::observation::{ExhaustedOffering, Instance, Offering, Registrar, Registration, Target, Told};
use ghostnet_core::plan::{Choice, Launch};
use ghostnet_core::record::DecisionRecord;
use ghostnet_core::sample::Series;
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::Attribute;
use ghostnet_core::spec::metric::{QueryShape, Stat};
use ghostnet_core::state::{CapacityState, RecordedOutcome, RouteTo, Routing, StoredSpec, TrafficState};
use ghostnet_core::unit::Finite;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorClass, PortError};

/// All ports that failover needs.
pub trait TrafficPorts: Compute + LoadBalancer + Routes + Metrics + Store + TrafficStore + Clock {}
impl<T: Compute + LoadBalancer + Routes + Metrics + Store + TrafficStore + Clock> TrafficPorts for T {}

/// All ports that learning from the past needs.
pub trait ForecastPorts: Metrics + Store + ForecastStore + Clock {}
impl<T: Metrics + Store + ForecastStore + Clock> ForecastPorts for T {}

/// All ports of one world, as capacity is decided.
pub trait Ports: Compute + LoadBalancer + Discovery + Metrics + Store + Clock {}
impl<T: Compute + LoadBalancer + Discovery + Metrics + Store + Clock> Ports for T {}

/// The time.
pub trait Clock {
    /// Now. Read once per look and at the start of each step, never inside a decision.
    fn now(&self) -> Timestamp;

    /// Waits: for the turn of a launch, or for the next look of failover.
    async fn wait(&self, time: Duration);
}

/// EC2.
pub trait Compute {
    /// Every instance tagged with this installation, terminated ones included while EC2 lists them. All pages, or an
    /// error: a part is never returned, because absence from a part says nothing.
    async fn instances(&self, region: &Region, installation: &InstallationId) -> Result<Vec<ListedInstance>, PortError>;

    /// Running instances of the region whose status checks fail, of the system or of the instance, and since when. All pages, or an
    /// error. One that is not in it passes, or its checks have no result yet.
    async fn impaired(&self, region: &Region) -> Result<BTreeMap<InstanceId, Timestamp>, PortError>;

    /// Launches at least one and at most `launch.count` instances, with these tags set atomically. The same token gives
    /// the same instances. Fewer than asked is a normal answer; none is `NoCapacity`.
    async fn launch(&self, region: &Region, launch: &Launch, tags: &[(&'static str, String)]) -> Result<Vec<InstanceId>, PortError>;

    /// The same for a launch of which AWS chooses the type, by `choice`, in one step that never launches later what it could not
    /// launch now. An answer without instances is no error: it says for each offering why.
    async fn create_fleet(
        &self,
        region: &Region,
        launch: &Launch,
        choice: &Choice,
        tags: &[(&'static str, String)],
    ) -> Result<FleetAnswer, PortError>;

    /// Starts these stopped instances, all of one offering; one that runs already is started. One bad id does not stop the others:
    /// the failed ones come back with their code. `NoCapacity` if none of them started for want of it. Attempted once.
    async fn start(&self, region: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError>;

    /// Stops these instances, with their memory on disk if asked for; one that is stopped already is stopped. One bad id does not
    /// stop the others: the failed ones come back with their code. Attempted once: a late second stop could undo a later start.
    async fn stop(&self, region: &Region, instances: &[InstanceId], hibernate: bool) -> Result<BTreeMap<InstanceId, String>, PortError>;

    /// Tells these instances something in their tag `ghostnet:state`. All or none: one that does not exist fails the call.
    async fn tell(&self, region: &Region, instances: &[InstanceId], told: Told) -> Result<(), PortError>;

    /// Terminates these instances; one that ends or has ended already is terminated. One bad id does not stop the others: the refused
    /// ones come back with their code. One that EC2 does not find, or about which it gives no answer, makes the call an error, whatever
    /// became of the others: that it is not found does not say that it is gone.
    async fn terminate(&self, region: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError>;
}

/// What a launch gave of which AWS chose the type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetAnswer {
    /// Instances, possibly fewer than asked for, possibly none.
    pub instances: Vec<InstanceId>,
    /// Offerings that gave none, and why.
    pub refused: Vec<RefusedOffering>,
}

/// An offering that gave no instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedOffering {
    /// Which.
    pub offering: Offering,
    /// What follows from it.
    pub class: ErrorClass,
    /// AWS's error code.
    pub code: String,
    /// AWS's message, shortened.
    pub message: String,
}

/// An instance as listed, with what is needed to sort it to its fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedInstance {
    /// The fleet that its tag names; none if the tag is missing or no id.
    pub fleet: Option<FleetId>,
    /// The instance. `protected` is not filled in yet: which tag protects is in the pool's spec.
    pub instance: Instance,
    /// All its tag keys.
    pub tag_keys: BTreeSet<String>,
}

/// What EC2 would say to a call, without the call being made. No decision uses it: an operator has the account checked with it.
pub trait DryRun {
    /// Whether this launch would be allowed, by the call that it is made by: `create_fleet` if AWS chooses the type.
    async fn may_launch(&self, region: &Region, launch: &Launch, tags: &[(&'static str, String)]) -> Result<(), PortError>;

    /// Whether this would be allowed with an instance.
    async fn may_touch(&self, region: &Region, instance: &InstanceId, touch: Touch) -> Result<(), PortError>;
}

/// What can be done with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Touch {
    /// Started.
    Start,
    /// Stopped.
    Stop,
    /// Told by a tag that it leaves.
    Tell,
    /// Terminated.
    Terminate,
}

/// ELBv2.
pub trait LoadBalancer {
    /// All targets of a group with their health.
    async fn targets(&self, region: &Region, group: &TargetGroupArn) -> Result<Vec<Target>, PortError>;

    /// Registers running instances. All or none: one instance that is not running fails the call.
    async fn register(&self, region: &Region, group: &TargetGroupArn, instances: &[InstanceId]) -> Result<(), PortError>;

    /// Deregisters instances. Succeeds for one that is not registered.
    async fn deregister(&self, region: &Region, group: &TargetGroupArn, instances: &[InstanceId]) -> Result<(), PortError>;

    /// Attributes of a group that a spec can name; what the group does not have is absent.
    async fn group_attributes(&self, region: &Region, group: &TargetGroupArn) -> Result<BTreeMap<Attribute, String>, PortError>;

    /// Sets attributes of a group, all or none, and leaves the others as they are. Attempted once: a late second one could undo
    /// what somebody set since.
    async fn set_group_attributes(
        &self,
        region: &Region,
        group: &TargetGroupArn,
        attributes: &BTreeMap<Attribute, String>,
    ) -> Result<(), PortError>;
}

/// Where requests are sent: listeners and rules of load balancers, records of Route 53, endpoints and traffic dials of Global
/// Accelerator. Failover alone asks for them and sets them.
pub trait Routes {
    /// What each of these does: a listener by its default action, a rule by its own, a name by its records, an accelerator by its weights
    /// or dials. One that does not exist, or does something that has no weights to move, is absent.
    async fn routing(&self, region: &Region, routes: &[RouteId]) -> Result<BTreeMap<RouteId, Routing>, PortError>;

    /// Has a route, which does `expected`, do something else. Attempted once: a late second one could undo what was decided since.
    async fn set_routing(&self, region: &Region, route: &RouteId, expected: &Routing, set: &RouteTo) -> Result<(), PortError>;
}

/// Where failover runs.
pub trait Host {
    /// Has tick look at these fleets now: a shift needs other numbers. Best effort; tick looks by itself within a minute.
    async fn wake_tick(&self, fleets: &[FleetId]) -> Result<(), PortError>;
}

/// AWS Cloud Map.
pub trait Discovery {
    /// All registrations of a service: all pages, or an error. Which of them `installation` made is told by their attributes.
    async fn registrations(
        &self,
        region: &Region,
        service: &ServiceId,
        installation: &InstallationId,
    ) -> Result<Vec<Registration>, PortError>;

    /// Registers one instance for a pool, in place of an earlier registration under its id. Cloud Map does it a little later: that it
    /// is at it already is success. Attempted once: a late second one could undo what was decided since.
    async fn announce(&self, region: &Region, service: &ServiceId, announced: &Announced<'_>) -> Result<(), PortError>;

    /// Takes one instance out. Cloud Map does it a little later; one that is not registered is out. Attempted once.
    async fn withdraw(&self, region: &Region, service: &ServiceId, instance: &InstanceId) -> Result<(), PortError>;
}

/// What Cloud Map is told of an instance.
#[derive(Debug, Clone, Copy)]
pub struct Announced<'a> {
    /// Whose it is.
    pub installation: &'a InstallationId,
    /// For whom it serves.
    pub by: &'a Registrar,
    /// The instance, which is also the id of its registration.
    pub instance: &'a InstanceId,
    /// Where clients find it.
    pub address: Ipv4Addr,
    /// On which port, if the spec says so.
    pub port: Option<u16>,
}

/// CloudWatch.
pub trait Metrics {
    /// One series per query, in the order of the queries. A query that CloudWatch could not answer is
    /// [`Series::Failed`]; only the failure of the whole call is an error.
    async fn series(&self, region: &Region, queries: &[MetricQuery], now: Timestamp) -> Result<Vec<Series>, PortError>;

    /// States of alarms by name; one that does not exist is absent.
    async fn alarm_states(&self, region: &Region, alarms: &[AlarmName]) -> Result<BTreeMap<AlarmName, AlarmState>, PortError>;

    /// Publishes values in the namespace `GhostNet`.
    async fn publish(&self, region: &Region, values: &[PublishedValue]) -> Result<(), PortError>;
}

/// What to ask CloudWatch for, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricQuery {
    /// The metric.
    pub shape: QueryShape,
    /// How many of the newest datapoints are needed.
    pub points: u32,
}

/// A value that GhostNet publishes.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedValue {
    /// Name and dimensions, in namespace `GhostNet`.
    pub stat: Stat,
    /// When.
    pub at: Timestamp,
    /// The value.
    pub value: Finite,
}

/// The table.
pub trait Store {
    /// Claims the table for an installation: writes its id if the table has none, and returns the id that holds.
    async fn claim(&self, installation: &InstallationId, now: Timestamp) -> Result<InstallationId, PortError>;

    /// Every fleet of this installation, with when it was last evaluated.
    async fn fleets(&self) -> Result<Vec<FleetEntry>, PortError>;

    /// Spec, capacity state, unmerged outcomes and traffic state of these fleets, read consistently, in as few calls as
    /// possible. A fleet without a spec is absent. A fleet whose items cannot be read (a newer schema, a damaged item)
    /// is an error of its own, so that it does not stop the others.
    async fn load(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Result<Loaded, PortError>>, PortError>;

    /// One transaction: the next capacity state if the generation is the one read, a check that traffic and spec did not
    /// move, and the decision record. An own earlier write of the same commit is success.
    async fn commit(&self, commit: &Commit) -> Result<CommitResult, PortError>;

    /// Adds outcomes beside the state and to the decision's record, without touching the generation. Idempotent.
    async fn record_outcomes(
        &self,
        fleet: &FleetId,
        record: &PlanId,
        outcomes: &BTreeMap<StepId, RecordedOutcome>,
    ) -> Result<(), PortError>;

    /// Counts unchanged holds on their records, and notes that these fleets were evaluated: one call for many fleets.
    async fn note_looks(&self, looks: &[Look]) -> Result<(), PortError>;

    /// Writes a record without a commit: a decision that audit refused.
    async fn record(&self, record: &DecisionRecord) -> Result<(), PortError>;

    /// Which of these plans are on record.
    async fn recorded_plans(&self, fleet: &FleetId, plans: &BTreeSet<PlanId>) -> Result<BTreeSet<PlanId>, PortError>;

    /// Offerings that lately had no capacity in this region, expired ones filtered out.
    async fn exhausted(&self, region: &Region, now: Timestamp) -> Result<Vec<ExhaustedOffering>, PortError>;

    /// Remembers that an offering had no capacity: three minutes, doubling to thirty while it goes on.
    async fn note_exhausted(&self, region: &Region, offering: &Offering, now: Timestamp) -> Result<(), PortError>;

    /// Notes an alarm's change; false if a newer one of this alarm was seen before.
    async fn note_alarm(&self, alarm: &str, changed_at: Timestamp) -> Result<bool, PortError>;

    /// What is expected of the loads of these fleets. A fleet of which nothing is, or nothing that can be read, is absent.
    async fn forecasts(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Forecast>, PortError>;
}

/// The table, as the forecast function keeps there what it learns.
pub trait ForecastStore {
    /// What is remembered of these loads. One of which nothing is, or nothing that can be read, is absent: it is learned anew.
    async fn memories(&self, loads: &[LoadId]) -> Result<BTreeMap<LoadId, Memory>, PortError>;

    /// Writes a fleet's forecast if the stored one has the version that was read, which is one less; zero: there was none.
    async fn keep_forecast(&self, fleet: &FleetId, forecast: &Forecast, now: Timestamp) -> Result<CommitResult, PortError>;

    /// Writes what is remembered of loads. Not with the forecast in one transaction: each memory says by itself up to when it goes, so
    /// one that is lost is learned again.
    async fn keep_memories(&self, memories: &BTreeMap<LoadId, Memory>, now: Timestamp) -> Result<(), PortError>;
}

/// A load: what a policy of a pool looks ahead for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadId {
    /// The fleet.
    pub fleet: FleetId,
    /// The pool.
    pub pool: PoolId,
    /// The policy.
    pub policy: PolicyId,
}

/// The table, as failover writes it.
pub trait TrafficStore {
    /// One transaction: the next traffic state if its version is the one read, a check that the spec did not move (and, if the epoch
    /// moves, that the capacity state did not), and the record. An own earlier write of the same commit is success.
    async fn commit_traffic(&self, commit: &TrafficCommit) -> Result<CommitResult, PortError>;
}

/// A fleet in the list of fleets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetEntry {
    /// The fleet.
    pub fleet: FleetId,
    /// Alarms of the user's own that wake it, by name or ARN, as the spec lists them.
    pub alarms: Vec<String>,
    /// Whether its spec says how traffic leaves a failing side.
    pub fails_over: bool,
    /// When it was last evaluated; none: never.
    pub evaluated_at: Option<Timestamp>,
}

/// Everything the table holds about one fleet's present.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The spec.
    pub spec: StoredSpec,
    /// The capacity state; none before the first commit.
    pub state: Option<CapacityState>,
    /// Outcomes that are not merged into the state yet.
    pub outcomes: BTreeMap<StepId, RecordedOutcome>,
    /// The traffic state; none only if somebody deleted it.
    pub traffic: Option<TrafficState>,
}

/// One commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The fleet.
    pub fleet: FleetId,
    /// The generation that was read; none: no state existed.
    pub read_generation: Option<Generation>,
    /// What to write; its generation is one more.
    pub state: CapacityState,
    /// Outcomes that are part of `state` now and leave the side list.
    pub merged: Vec<StepId>,
    /// The epoch that was read; the transaction fails if it moved.
    pub read_epoch: Epoch,
    /// The spec's version that was read; the transaction fails if it moved.
    pub read_spec: SpecVersion,
    /// The decision's record.
    pub record: DecisionRecord,
    /// Who writes: an invocation and an attempt, never used twice.
    pub writer: WriterId,
}

/// One commit of a traffic decision.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficCommit {
    /// The fleet.
    pub fleet: FleetId,
    /// The version of the traffic state that was read; none: there was none.
    pub read_version: Option<u64>,
    /// What to write; its version is one more.
    pub state: TrafficState,
    /// The generation of the capacity state that was read; the transaction fails if it moved. None: no capacity was decided with.
    pub read_generation: Option<Generation>,
    /// The spec's version that was read; the transaction fails if it moved.
    pub read_spec: SpecVersion,
    /// The decision's record.
    pub record: TrafficRecord,
    /// Who writes: an invocation and an attempt, never used twice.
    pub writer: WriterId,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitResult {
    /// Written, now or by an earlier attempt of the same writer whose answer was lost.
    Committed,
    /// Generation, epoch or spec moved: load and observe again.
    Conflict,
}

/// A look that changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The fleet.
    pub fleet: FleetId,
    /// The record of the hold that goes on; none: only the look is noted.
    pub hold: Option<PlanId>,
    /// When.
    pub at: Timestamp,
}
