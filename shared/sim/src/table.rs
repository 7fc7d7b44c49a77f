//! The table: conditional writes and transactions as DynamoDB does them, one fleet's items side by side.

use std::collections::BTreeMap;

use ghostnet_core::forecast::{Forecast, Memory};
use ghostnet_core::id::{Epoch, FleetId, InstallationId, InstanceId, PlanId, PoolId, Region, SpecVersion, StepId, WriterId};
use ghostnet_core::observation::{ExhaustedOffering, Offering};
use ghostnet_core::spec::{FleetSpec, RawFleetSpec};
use ghostnet_core::state::{CapacityState, Member, Pause, RecordedOutcome, STATE_BYTES_MAX, StoredSpec, TrafficState};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{Commit, CommitResult, LoadId, Loaded, TrafficCommit};
use jiff::Timestamp;

use crate::cloud::refusal;

/// Everything that is stored.
#[derive(Debug, Default)]
pub struct Table {
    /// Whose table it is.
    pub owner: Option<InstallationId>,
    /// The items of each fleet.
    pub fleets: BTreeMap<FleetId, Items>,
    exhausted: BTreeMap<(Region, Offering), (Timestamp, Seconds)>,
    alarms: BTreeMap<String, Timestamp>,
}

/// The items of one fleet.
#[derive(Debug, Clone)]
pub struct Items {
    /// `SPEC`.
    pub spec: StoredSpec,
    /// `CAPACITY`, and who wrote it last.
    pub state: Option<(CapacityState, WriterId)>,
    /// Outcomes beside it.
    pub outcomes: BTreeMap<StepId, RecordedOutcome>,
    /// `TRAFFIC`.
    pub traffic: TrafficState,
    /// Who wrote it last; none: a person.
    traffic_writer: Option<WriterId>,
    /// Decisions on record, and when they were made.
    pub records: BTreeMap<PlanId, Timestamp>,
    /// Looks counted on the record of a hold.
    pub holds: u64,
    /// When the fleet was last evaluated.
    pub evaluated_at: Option<Timestamp>,
    /// `FORECAST`.
    pub forecast: Option<Forecast>,
    /// `LEARNED`, by pool and policy.
    pub memories: BTreeMap<LoadId, Memory>,
    /// Tokens of transactions that DynamoDB remembers.
    transactions: Vec<(WriterId, Timestamp)>,
    /// The same of failover's.
    traffic_transactions: Vec<(WriterId, Timestamp)>,
}

/// A transaction's token is remembered for this long.
const TOKEN_MEMORY: Seconds = Seconds::minutes(10);

/// How long an offering without capacity is left alone: three minutes, doubling to thirty.
const EXHAUSTED_FIRST: Seconds = Seconds::minutes(3);
const EXHAUSTED_MAX: Seconds = Seconds::minutes(30);

impl Items {
    /// What `apply` writes first.
    #[must_use]
    pub fn new(spec: StoredSpec, traffic: TrafficState) -> Self {
        Self {
            spec,
            state: None,
            outcomes: BTreeMap::new(),
            traffic,
            traffic_writer: None,
            records: BTreeMap::new(),
            holds: 0,
            evaluated_at: None,
            forecast: None,
            memories: BTreeMap::new(),
            transactions: Vec::new(),
            traffic_transactions: Vec::new(),
        }
    }

    /// The state; none before the first commit.
    #[must_use]
    pub fn capacity(&self) -> Option<&CapacityState> {
        self.state.as_ref().map(|(state, _)| state)
    }

    /// What `load` gives.
    #[must_use]
    pub fn loaded(&self) -> Loaded {
        Loaded {
            spec: self.spec.clone(),
            state: self.capacity().cloned(),
            outcomes: self.outcomes.clone(),
            traffic: Some(self.traffic.clone()),
        }
    }

    /// The transaction of a commit.
    ///
    /// # Errors
    /// The state is too large for an item.
    pub fn commit(&mut self, commit: &Commit, now: Timestamp) -> Result<CommitResult, PortError> {
        if self.was_written_by(&commit.writer, now) {
            return Ok(CommitResult::Committed);
        }
        let generation = self.capacity().map(|state| state.generation);
        let unmoved =
            generation == commit.read_generation && self.traffic.epoch == commit.read_epoch && self.spec.version == commit.read_spec;
        if !unmoved {
            return Ok(CommitResult::Conflict);
        }
        if is_too_large(&commit.state) {
            return Err(refusal("dynamodb:TransactWriteItems", ErrorClass::Invalid, "ItemSizeLimitExceeded"));
        }
        self.state = Some((commit.state.clone(), commit.writer.clone()));
        self.transactions.retain(|(_, at)| now < TOKEN_MEMORY.after(*at));
        self.transactions.push((commit.writer.clone(), now));
        for step in &commit.merged {
            self.outcomes.remove(step);
        }
        self.records.insert(commit.record.id.clone(), commit.record.at);
        Ok(CommitResult::Committed)
    }

    /// Whether this writer's commit was written before: its item says so, or its transaction is remembered.
    #[must_use]
    pub fn was_written_by(&self, writer: &WriterId, now: Timestamp) -> bool {
        let remembered = |(own, at): &(WriterId, Timestamp)| own == writer && now < TOKEN_MEMORY.after(*at);
        self.state.as_ref().is_some_and(|(_, last)| last == writer) || self.transactions.iter().any(remembered)
    }

    /// Outcomes stand beside the state; without one there is nothing that they could belong to.
    pub fn record_outcomes(&mut self, outcomes: &BTreeMap<StepId, RecordedOutcome>) {
        if self.state.is_some() {
            self.outcomes
                .extend(outcomes.iter().map(|(step, outcome)| (step.clone(), outcome.clone())));
        }
    }

    /// `apply` of another spec: the generation moves, so that who read the old one loses.
    pub fn apply(&mut self, raw: RawFleetSpec, now: Timestamp) {
        self.spec.version = SpecVersion(self.spec.version.0.saturating_add(1));
        self.spec.spec = raw.into();
        self.spec.applied_at = now;
        self.bump("apply");
    }

    /// `apply` after the launch template got another default version: what it stands for is looked up again.
    pub fn apply_template(&mut self, version: u64) {
        for template in self.spec.resolved.templates.values_mut() {
            template.version = version;
        }
    }

    /// Refreshes that operators left paused go on.
    pub fn resume_refreshes(&mut self) {
        if let Some((state, _)) = &mut self.state {
            let refreshes = state.pools.values_mut().filter_map(|pool| pool.refresh.as_mut());
            refreshes.for_each(|refresh| refresh.paused = false);
            self.bump("resume refreshes");
        }
    }

    /// `pause` and `resume`.
    pub fn pause(&mut self, pause: Option<Pause>) {
        if let Some((state, _)) = &mut self.state {
            state.pause = pause;
            self.bump("pause");
        }
    }

    /// The conditional write of what lies ahead.
    pub fn keep_forecast(&mut self, forecast: &Forecast) -> CommitResult {
        let stored = self.forecast.as_ref().map_or(0, |stored| stored.version);
        if forecast.version != stored.saturating_add(1) {
            return CommitResult::Conflict;
        }
        self.forecast = Some(forecast.clone());
        CommitResult::Committed
    }

    /// The transaction of failover's commit.
    pub fn commit_traffic(&mut self, commit: &TrafficCommit, now: Timestamp) -> CommitResult {
        if self.traffic_was_written_by(&commit.writer, now) {
            return CommitResult::Committed;
        }
        let generation = self.capacity().map(|state| state.generation);
        let unmoved = commit.read_version == Some(self.traffic.version)
            && commit.read_generation.is_none_or(|read| generation == Some(read))
            && self.spec.version == commit.read_spec;
        if !unmoved {
            return CommitResult::Conflict;
        }
        self.traffic = commit.state.clone();
        self.traffic_writer = Some(commit.writer.clone());
        self.traffic_transactions.retain(|(_, at)| now < TOKEN_MEMORY.after(*at));
        self.traffic_transactions.push((commit.writer.clone(), now));
        CommitResult::Committed
    }

    /// Whether this writer's commit of traffic was written before: its item says so, or its transaction is remembered.
    #[must_use]
    pub fn traffic_was_written_by(&self, writer: &WriterId, now: Timestamp) -> bool {
        let remembered = |(own, at): &(WriterId, Timestamp)| own == writer && now < TOKEN_MEMORY.after(*at);
        self.traffic_writer.as_ref() == Some(writer) || self.traffic_transactions.iter().any(remembered)
    }

    /// A person's hand, in fleets without failover: another epoch.
    pub fn move_traffic(&mut self, active: PoolId, floors: BTreeMap<PoolId, u32>) -> TrafficState {
        self.traffic.epoch = Epoch(self.traffic.epoch.0.saturating_add(1));
        (self.traffic.active, self.traffic.floors) = (active, floors);
        self.traffic_writer = None;
        self.traffic.clone()
    }

    /// No operator's size holds any more.
    pub fn give_up(&mut self) {
        if let Some((state, _)) = &mut self.state {
            for pool in state.pools.values_mut() {
                pool.asked = None;
            }
            self.bump("give up");
        }
    }

    /// `adopt`: a person says that these instances belong to this pool.
    pub fn adopt(&mut self, pool: &PoolId, instances: &[InstanceId], now: Timestamp) {
        if let Some((state, _)) = &mut self.state {
            let members = &mut state.pools.entry(pool.clone()).or_default().members;
            members.extend(instances.iter().map(|id| (id.clone(), Member::new(now))));
            self.bump("adopt");
        }
    }

    fn bump(&mut self, by: &str) {
        if let Some((state, writer)) = &mut self.state {
            state.generation = state.generation.next();
            *writer = WriterId::new(format!("{by}/{}", state.generation));
        }
    }

    /// Forgets old records that neither an instance's tags nor the hold that goes on name.
    pub fn forget(&mut self, before: Timestamp, named: impl Fn(&PlanId) -> bool) {
        let hold = self
            .state
            .as_ref()
            .and_then(|(state, _)| state.last_hold.as_ref())
            .map(|hold| hold.record.clone());
        self.records
            .retain(|plan, at| *at >= before || named(plan) || hold.as_ref() == Some(plan));
    }
}

/// Whether the state is above its limit. Text is made only of states that could be.
fn is_too_large(state: &CapacityState) -> bool {
    let members: usize = state.pools.values().map(|pool| pool.members.len()).sum();
    let rough = members * 160 + state.open.len() * 2_000 + 8_000;
    rough > STATE_BYTES_MAX && serde_json::to_vec(state).is_ok_and(|text| text.len() > STATE_BYTES_MAX)
}

impl Table {
    /// A new fleet.
    pub fn add(&mut self, spec: &FleetSpec, stored: StoredSpec, state: Option<CapacityState>) {
        if let Some(traffic) = TrafficState::first(spec) {
            let mut items = Items::new(stored, traffic);
            items.state = state.map(|state| (state, WriterId::new("before")));
            self.fleets.insert(spec.id.clone(), items);
        }
    }

    /// Offerings to leave alone.
    #[must_use]
    pub fn exhausted(&self, region: &Region, now: Timestamp) -> Vec<ExhaustedOffering> {
        let still = self.exhausted.iter().filter(|((of, _), (until, _))| of == region && now < *until);
        still
            .map(|((_, offering), (until, _))| ExhaustedOffering {
                offering: offering.clone(),
                until: *until,
            })
            .collect()
    }

    /// An offering had no capacity again.
    pub fn note_exhausted(&mut self, region: &Region, offering: &Offering, now: Timestamp) {
        let key = (region.clone(), offering.clone());
        let wait = match self.exhausted.get(&key) {
            // found by several at once: one finding
            Some((until, _)) if now < *until => return,
            Some((until, wait)) if now < EXHAUSTED_MAX.after(*until) => Seconds(wait.0.saturating_mul(2)).min(EXHAUSTED_MAX),
            _ => EXHAUSTED_FIRST,
        };
        self.exhausted.insert(key, (wait.after(now), wait));
    }

    /// Whether a change of an alarm is the newest.
    pub fn note_alarm(&mut self, alarm: &str, changed_at: Timestamp) -> bool {
        let newer = self.alarms.get(alarm).is_none_or(|seen| *seen <= changed_at);
        if newer {
            self.alarms.insert(alarm.to_owned(), changed_at);
        }
        newer
    }
}
