//! The world: the account, the table, the load, and the queue of what happens next. Everything that is true, outside any
//! invocation.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ghostnet_core::id::{AlarmName, FleetId, InstallationId, InstanceId, InstanceType, PolicyId, PoolId, Region, TargetGroupArn, Zone};
use ghostnet_core::observation::TargetHealth;
use ghostnet_core::rating::{self, HOURS_LEAST, Rating};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::metric::{Queries, QueryShape};
use ghostnet_core::spec::{BreachRule, FleetSpec, Metric, MetricSource, NamedMetric, PoolSpec, Rule};
use ghostnet_core::state::{CapacityState, Drain, DrainReason, Member, PoolState};
use ghostnet_core::unit::Finite;
use ghostnet_engine::error::PortError;
use ghostnet_engine::port::{Commit, CommitResult, Loaded, MetricQuery};
use jiff::Timestamp;

use crate::blow::Blow;
use crate::broken::Broken;
use crate::chance::Chance;
use crate::check::{self, Watch};
use crate::clock::{MINUTE, Millis, Queue, SECOND, at};
use crate::cloud::Cloud;
use crate::cloud::ec2::{Ec2, Machine};
use crate::cloud::metrics::{Alarm, FAILED_JOBS, Missing, PROBED};
use crate::fault::{Fault, Faults};
use crate::fleets::{Design, stored};
use crate::hand::{Calls, Strike};
use crate::lambda::Job;
use crate::load::Load;
use crate::log::Log;
use crate::measure::TOO_SLOW;
use crate::rival::Rival;
use crate::table::{Items, Table};
use crate::toll::Toll;

/// One invocation of a function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

impl std::fmt::Debug for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invocation {}", self.0)
    }
}

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// A call has its effect.
    Land(usize),
    /// A call is answered.
    Answer(usize),
    /// Lambda ends an invocation that took too long.
    TimeOut(TaskId),
    /// A function is invoked.
    Invoke(Box<Job>),
    /// Half a minute is over: the load is measured; at the end of the minute everything else that happens once a minute.
    HalfMinute,
    /// Spot takes an instance.
    Reclaim(InstanceId),
    /// A sick instance recovers.
    Recover(InstanceId),
    /// Something befalls a side, at this very moment.
    Blow(Box<Blow>),
    /// A second of requests is counted.
    Toll,
    /// A rule of another tool looks at its sides.
    RivalLooks,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Port calls.
    pub calls: u64,
    /// Of those, such that commit, carry out a step, or tell its outcome.
    pub changes: u64,
    /// Invocations.
    pub invocations: u64,
    /// Of those, ended by Lambda because they took too long.
    pub timed_out: u64,
    /// Fleets that were looked at to the end.
    pub reconciles: u64,
    /// Decisions that were committed.
    pub decisions: u64,
    /// Commits by which traffic went elsewhere.
    pub moves: u64,
    /// Instances that were launched.
    pub launched: u64,
    /// Warm instances that were started.
    pub started: u64,
    /// Instances that were stopped to be kept warm.
    pub stopped: u64,
    /// Instances that were terminated.
    pub terminated: u64,
}

impl Counters {
    /// Adds what another run counted.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.changes += other.changes;
        self.invocations += other.invocations;
        self.timed_out += other.timed_out;
        self.reconciles += other.reconciles;
        self.decisions += other.decisions;
        self.moves += other.moves;
        self.launched += other.launched;
        self.started += other.started;
        self.stopped += other.stopped;
        self.terminated += other.terminated;
    }
}

/// One fleet of this world.
#[derive(Debug)]
pub struct FleetWorld {
    /// The spec in force.
    pub spec: FleetSpec,
    /// The design it came from.
    pub design: Design,
    /// Its load.
    pub load: Load,
    /// Samples of this minute: load, and serving targets by pool.
    pub(crate) samples: Vec<(f64, BTreeMap<PoolId, u32>)>,
    /// Whether somebody asks for single instances.
    pub(crate) by_instance: bool,
    /// Whether somebody asks how many jobs of each instance fail.
    pub(crate) jobs: bool,
}

/// Everything.
#[derive(Debug)]
pub struct World {
    /// The true time.
    pub now: Millis,
    queue: Queue<Event>,
    /// The account.
    pub cloud: Cloud,
    /// The table.
    pub table: Table,
    /// What goes wrong.
    pub faults: Faults,
    /// Chance of everything that is not a fault: latencies, boots.
    pub chance: Chance,
    /// Chance of what workers do.
    pub(crate) workers: Chance,
    /// The readable log.
    pub log: Log,
    /// The checkers.
    pub watch: Watch,
    /// What is broken on purpose.
    pub broken: Option<Broken>,
    /// What is done to one changing call, counted from the first of the run.
    pub strike: Option<(u64, Strike)>,
    /// The calls that changed something so far, in order, where somebody counts by them: a run may be long.
    pub changing: Option<Vec<&'static str>>,
    /// Our installation.
    pub installation: InstallationId,
    /// The fleets.
    pub fleets: BTreeMap<FleetId, FleetWorld>,
    /// Sides that answer too slowly, and until when.
    pub(crate) slow: BTreeMap<(FleetId, PoolId), Millis>,
    /// Sides that answer no request, since when and until when.
    pub(crate) silent: BTreeMap<(FleetId, PoolId), (Millis, Millis)>,
    /// What requests come to, where somebody counts it.
    pub toll: Option<Toll>,
    /// What moves the traffic in place of the function `failover`; none: the function does.
    pub(crate) rival: Option<Rival>,
    /// Calls on their way.
    pub(crate) calls: Calls,
    /// Regions whose services answer nothing, and until when.
    pub dark: BTreeMap<Region, Millis>,
    /// Calls that were sent there.
    pub unanswered: BTreeSet<&'static str>,
    /// Invocations that die now.
    pub(crate) doomed: Vec<TaskId>,
    /// What was counted.
    pub counters: Counters,
    /// Minutes since the beginning.
    pub minute: u32,
    pub(crate) halves: u32,
    /// Fleets for which something else answered when the storm ended.
    pub(crate) degraded_at_end: BTreeSet<FleetId>,
    /// An older table, to be restored.
    pub(crate) backup: Option<BTreeMap<FleetId, Items>>,
    /// For a store that reads old items.
    stale: BTreeMap<FleetId, Loaded>,
}

impl World {
    /// A world with these fleets, at the beginning of time.
    #[must_use]
    pub fn new(seed: u64, faults: Faults, log: Log) -> Self {
        Self {
            // a Monday, some days into a year
            now: 1_780_272_000_000,
            queue: Queue::default(),
            cloud: Cloud {
                ec2: Ec2::with_endings(Chance::of(seed, 6)),
                ..Cloud::default()
            },
            table: Table::default(),
            faults,
            chance: Chance::of(seed, 1),
            workers: Chance::of(seed, 3),
            log,
            watch: Watch::default(),
            broken: None,
            strike: None,
            changing: None,
            installation: InstallationId::new("ours"),
            fleets: BTreeMap::new(),
            slow: BTreeMap::new(),
            silent: BTreeMap::new(),
            toll: None,
            rival: None,
            calls: Calls::default(),
            doomed: Vec::new(),
            dark: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            counters: Counters::default(),
            minute: 0,
            halves: 0,
            degraded_at_end: BTreeSet::new(),
            backup: None,
            stale: BTreeMap::new(),
        }
    }

    /// Applies a fleet: its spec is stored, its groups and alarms exist.
    pub fn apply(&mut self, design: Design, load: Load) {
        let Ok(spec) = FleetSpec::check(&design.raw) else { return };
        let delay = 30 * SECOND * self.chance.between(1, 10);
        let check = self.chance.between(5, 40) * SECOND;
        for pool in &spec.pools {
            for arn in &pool.target_groups {
                let used = pool.role == ghostnet_core::spec::PoolRole::Active;
                self.cloud
                    .groups
                    .insert(arn.clone(), crate::cloud::elb::Group::new(delay, check, used));
            }
        }
        self.add_services(&spec);
        self.add_rules(&spec);
        let stored = stored(design.raw.clone(), at(self.now));
        self.add_alarms(&spec, &stored.resolved);
        let each = |metric: &Metric| {
            matches!(
                metric,
                Metric::Named {
                    source: MetricSource::Instances,
                    ..
                }
            )
        };
        let by_instance = spec.pools.iter().flat_map(|pool| &pool.policies).any(|policy| {
            let learns = policy.learning().is_some_and(|learning| each(&learning.metric));
            learns || policy.rule.measure().is_some_and(|measure| each(&measure.metric))
        });
        let own = || spec.pools.iter().filter_map(|pool| pool.health_metric.as_ref());
        let (by_instance, jobs) = (
            by_instance || own().any(|metric| metric.stat.name != FAILED_JOBS),
            own().any(|metric| metric.stat.name == FAILED_JOBS),
        );
        self.table.add(&spec, stored, known(&spec, &design, at(self.now)));
        self.fleets.insert(
            spec.id.clone(),
            FleetWorld {
                spec,
                design,
                load,
                samples: Vec::new(),
                by_instance,
                jobs,
            },
        );
    }

    fn add_alarms(&mut self, spec: &FleetSpec, resolved: &ghostnet_core::spec::Resolved) {
        for pool in &spec.pools {
            for policy in pool.policies.iter().filter(|policy| policy.adds_on_alarm()) {
                let (Some(measure), Some(threshold)) = (policy.rule.measure(), threshold(&policy.rule)) else {
                    continue;
                };
                let Queries::One(shape) = measure.metric.queries(&spec.id, pool, resolved) else {
                    continue;
                };
                let missing = [Missing::Missing, Missing::Ignore, Missing::Breaching, Missing::NotBreaching];
                let alarm = Alarm {
                    fleet: spec.id.clone(),
                    pool: pool.id.clone(),
                    shape,
                    threshold,
                    rule: measure.out,
                    missing: self.chance.pick(&missing).copied().unwrap_or(Missing::Missing),
                    state: AlarmState::InsufficientData,
                };
                let name = AlarmName::new(format!("ghostnet/{}/{}/{}/out", spec.id, pool.id, policy.id));
                self.cloud.history.alarms.insert(name, alarm);
            }
            self.add_health_alarms(spec, pool, resolved);
        }
    }

    /// In this world the owner's health alarms watch how long answers take.
    fn add_health_alarms(&mut self, spec: &FleetSpec, pool: &PoolSpec, resolved: &ghostnet_core::spec::Resolved) {
        let metric = Metric::Named {
            name: NamedMetric::ResponseTime,
            source: MetricSource::TargetGroup,
        };
        // a side without a balancer is asked whether it is there: that measures what a balancer would
        let mut pool = pool.clone();
        if pool.target_groups.is_empty() {
            pool.target_groups.push(crate::fleets::group(spec.id.as_str(), pool.id.as_str()));
        }
        let detect = spec.failover.iter().map(|failover| &failover.detect);
        let named = detect.flat_map(|detect| {
            let probes = detect.probes.iter().map(|name| (name, true));
            detect.alarms.iter().map(|name| (name, false)).chain(probes)
        });
        for (name, probes) in named {
            let Queries::One(mut shape) = metric.queries(&spec.id, &pool, resolved) else {
                continue;
            };
            if let QueryShape::Stat(stat) = &mut shape
                && probes
            {
                stat.name = PROBED.to_owned();
            }
            let missing = [Missing::Missing, Missing::Ignore, Missing::NotBreaching];
            let alarm = Alarm {
                fleet: spec.id.clone(),
                pool: pool.id.clone(),
                shape,
                threshold: TOO_SLOW,
                rule: BreachRule { datapoints: 1, of: 1 },
                missing: self.chance.pick(&missing).copied().unwrap_or(Missing::Missing),
                state: AlarmState::InsufficientData,
            };
            let name = ghostnet_core::signal::health_alarm(&spec.id, &pool.id, name);
            self.cloud.history.alarms.insert(name, alarm);
        }
    }

    /// Something happens at a moment.
    pub fn schedule(&mut self, when: Millis, event: Event) {
        self.queue.push(when, event);
    }

    /// The next thing that happens; the clock moves there.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let (when, event) = self.queue.pop()?;
        self.now = self.now.max(when);
        Some(event)
    }

    /// What the store reads for a fleet.
    pub(crate) fn read_items(&mut self, fleet: &FleetId) -> Option<Loaded> {
        let mut loaded = self.table.fleets.get(fleet)?.loaded();
        match self.broken {
            Some(Broken::StaleReads) => return self.stale.insert(fleet.clone(), loaded.clone()).or(Some(loaded)),
            Some(Broken::ModeHidden) => std::sync::Arc::make_mut(&mut loaded.spec.spec).mode = None,
            Some(Broken::IdleInvented) => loaded.traffic.iter_mut().for_each(|traffic| crate::broken::idle(traffic, true)),
            Some(Broken::IdleHidden) => loaded.traffic.iter_mut().for_each(|traffic| crate::broken::idle(traffic, false)),
            Some(Broken::EntryInvented) => {
                let spec = std::sync::Arc::clone(&loaded.spec.spec);
                loaded.traffic.iter_mut().for_each(|traffic| crate::broken::enter(traffic, &spec));
            }
            Some(Broken::RegionsHidden) => {
                let spec = std::sync::Arc::make_mut(&mut loaded.spec.spec);
                spec.pools.iter_mut().for_each(|pool| pool.region = None);
                spec.home_region = None;
            }
            Some(Broken::SpecUnreadable) => std::sync::Arc::make_mut(&mut loaded.spec.spec).pools.clear(),
            _ => {}
        }
        Some(loaded)
    }

    /// The transaction.
    pub(crate) fn commit(&mut self, commit: &Rc<Commit>, request: &str) -> Result<CommitResult, PortError> {
        let mut commit = crate::broken::doctored(self.broken, commit);
        let Some(items) = self.table.fleets.get_mut(&commit.fleet) else {
            // the spec's condition fails
            return Ok(CommitResult::Conflict);
        };
        match self.broken {
            Some(Broken::EpochIgnored) => Rc::make_mut(&mut commit).read_epoch = items.traffic.epoch,
            Some(Broken::GenerationIgnored) => {
                Rc::make_mut(&mut commit).read_generation = items.capacity().map(|state| state.generation);
            }
            Some(Broken::SpecVersionIgnored) => Rc::make_mut(&mut commit).read_spec = items.spec.version,
            _ => {}
        }
        let before = items.capacity().map(|state| state.generation);
        let own = items.was_written_by(&commit.writer, at(self.now));
        let mut result = items.commit(&commit, at(self.now))?;
        let written = result == CommitResult::Committed && !own;
        match self.broken {
            Some(Broken::OwnWriteForgotten) if own => result = CommitResult::Conflict,
            Some(Broken::LostIsWon) => result = CommitResult::Committed,
            _ => {}
        }
        if self.broken == Some(Broken::HoldsUnrecorded) && commit.record.plan.steps.is_empty() {
            items.records.remove(&commit.record.id);
        }
        if written {
            self.counters.decisions += 1;
            self.log.line(self.now, || {
                format!(
                    "  {} committed generation {}: {}",
                    commit.fleet,
                    commit.state.generation,
                    check::summary(&commit)
                )
            });
            for line in check::story(&commit) {
                self.log.story(self.now, || line);
            }
            check::on_committed(self, &commit, before, request);
        } else {
            check::on_refused(self, &commit, own, result);
        }
        Ok(result)
    }

    /// GetMetricData for one query.
    pub(crate) fn answer_query(&mut self, query: &MetricQuery) -> Series {
        if self.faults.strikes(Fault::MetricFailed) {
            return Series::Failed {
                why: "InternalError".to_owned(),
            };
        }
        let mut series = self.cloud.history.answer(&query.shape, query.points, self.now);
        // CloudWatch's status of an answer that is not all of it
        if let Series::Points { partial, .. } = &mut series
            && self.faults.strikes(Fault::MetricPartial)
        {
            *partial = true;
        }
        match (self.broken, series) {
            // what is missing reads as zero: the oldest mistake of all
            (
                Some(Broken::MissingIsZero),
                Series::Points {
                    mut points,
                    period,
                    partial,
                    incomplete,
                },
            ) if points.is_empty() => {
                let length = i64::from(period.0) * SECOND;
                let begin = self.now.div_euclid(length) * length - length;
                points.extend(Finite::new(0.0).map(|value| Datapoint { at: at(begin), value }));
                self.watch.invented += 1;
                Series::Points {
                    points,
                    period,
                    partial,
                    incomplete,
                }
            }
            (_, series) => series,
        }
    }

    /// Whether a policy of any fleet looks ahead.
    pub(crate) fn looks_ahead(&self) -> bool {
        let mut pools = self.fleets.values().flat_map(|fleet| &fleet.spec.pools);
        pools.any(|pool| pool.policies.iter().any(|policy| matches!(policy.rule, Rule::Predictive(_))))
    }

    /// What AWS and the table forget, so that memory does not grow with a run's length.
    pub(crate) fn forget(&mut self) {
        if !self.minute.is_multiple_of(10) {
            return;
        }
        check::no_orphans(self);
        let now = self.now;
        self.cloud.ec2.forget(now);
        for service in self.cloud.services.values_mut() {
            service.forget(now);
        }
        for group in self.cloud.groups.values_mut() {
            group.forget(&self.cloud.ec2.machines, now);
        }
        let named: BTreeSet<_> = self
            .cloud
            .ec2
            .machines
            .values()
            .filter_map(|machine| machine.tags.plan.clone())
            .collect();
        for items in self.table.fleets.values_mut() {
            items.forget(at(now - 180 * MINUTE), |plan| named.contains(plan));
        }
        self.watch.forget(now);
        if self.backup.is_none() || self.chance.once_in(6) {
            self.backup = Some(self.table.fleets.clone());
        }
    }

    /// Instances of one pool of ours that are pending or running.
    pub fn alive<'a>(&'a self, fleet: &'a FleetId, pool: &'a PoolId) -> impl Iterator<Item = &'a Machine> {
        let now = self.now;
        let machines = self.cloud.ec2.machines.values();
        machines.filter(move |machine| is_of(machine, &self.installation, fleet, pool) && machine.is_alive(now))
    }

    /// Who of a pool serves or will, by the truth: alive, in no drain, nowhere deregistered. Who died, was stopped by somebody, or was taken out for
    /// another reason than that fewer are wanted, still counts for a while: whoever decided lately may have known nothing of it.
    pub(crate) fn there<'a>(&'a self, fleet: &'a FleetId, pool: &'a PoolId, state: &'a PoolState) -> impl Iterator<Item = &'a Machine> {
        let lately = self.now - KNOWN_WITHIN;
        let drain = |id: &InstanceId| state.members.get(id).and_then(|member| member.drain);
        let taken_out_lately = move |drain: &Drain| {
            let is_wanted = matches!(drain.why, DrainReason::ScaleIn | DrainReason::Renewed);
            !is_wanted && drain.since.at() >= at(lately)
        };
        let stays = move |id: &InstanceId| {
            let is_kept = state.members.get(id).is_some_and(Member::is_warm);
            !is_kept && drain(id).as_ref().is_none_or(taken_out_lately)
        };
        let spec = self.fleets.get(fleet).map(|there| &there.spec);
        let traffic = self.table.fleets.get(fleet).map(|items| &items.traffic);
        let gave_up_groups = spec.is_some_and(|spec| spec.pool(pool).is_some_and(|pool| !check::belongs(spec, traffic, pool)));
        let registered = move |id: &InstanceId| {
            // whoever was taken out lately may leave the groups in one call with those of whom there were too many
            if gave_up_groups || drain(id).as_ref().is_some_and(taken_out_lately) {
                return true;
            }
            let mut targets = self.cloud.groups.values().filter_map(|group| group.targets.get(id));
            targets.all(|target| target.drained_at.is_none())
        };
        let alive = move |machine: &Machine| machine.is_alive(self.now) || machine.was_lost(lately);
        let machines = self.cloud.ec2.machines.values();
        let ours = machines.filter(move |machine| is_of(machine, &self.installation, fleet, pool));
        ours.filter(move |machine| alive(machine) && stays(&machine.id) && registered(&machine.id))
    }

    /// Whether a machine passes the checks of its pool's groups, or did until lately.
    pub(crate) fn served_lately(&self, machine: &Machine, pool: &PoolSpec) -> bool {
        let now = self.now;
        let lately = |since: Option<Millis>| since.is_some_and(|since| since > now - KNOWN_WITHIN);
        let ailed = [
            machine.sick_since,
            machine.impaired_since,
            machine.silent_since,
            machine.failing_since,
        ]
        .into_iter()
        .any(lately);
        let ended = machine.was_lost(now - KNOWN_WITHIN) || lately(machine.recovered_at);
        let answers = |group: &TargetGroupArn| {
            let group = self.cloud.groups.get(group);
            let health = group.and_then(|group| group.health(group.targets.get(&machine.id)?, Some(machine), now));
            matches!(health, Some(TargetHealth::Healthy | TargetHealth::Unchecked))
        };
        ailed || ended || pool.target_groups.iter().all(answers)
    }

    /// A machine of the account by chance, of those that fit.
    pub(crate) fn any_machine(&mut self, fault: Fault, fits: impl Fn(&Machine) -> bool) -> Option<InstanceId> {
        let ids: Vec<InstanceId> = self
            .cloud
            .ec2
            .machines
            .values()
            .filter(|machine| fits(machine))
            .map(|machine| machine.id.clone())
            .collect();
        self.faults.chance(fault)?.pick(&ids).cloned()
    }

    /// A capacity pool by chance.
    pub(crate) fn any_pool(&mut self, fault: Fault) -> Option<(Zone, InstanceType)> {
        let zones = self.zones();
        let chance = self.faults.chance(fault)?;
        let zone = chance.pick(&zones).cloned()?;
        let instance_type = chance.pick(&crate::fleets::TYPES).copied()?;
        Some((zone, InstanceType::new(instance_type)))
    }
}

/// Longer than any list lags, and any step takes from its decision to its effect.
const KNOWN_WITHIN: Millis = 6 * MINUTE;

/// Whether a machine carries these tags of ours.
#[must_use]
pub fn is_of(machine: &Machine, installation: &InstallationId, fleet: &FleetId, pool: &PoolId) -> bool {
    machine.installation.as_ref() == Some(installation)
        && machine.tags.fleet.as_ref() == Some(fleet)
        && machine.tags.pool.as_ref() == Some(pool)
}

/// What a fleet that learns what its instances can answer knows from before the world began: nearly enough, so that it learns while
/// somebody watches. None: it does not learn.
fn known(spec: &FleetSpec, design: &Design, now: Timestamp) -> Option<CapacityState> {
    let mut state = CapacityState::new(spec, now);
    for pool in &spec.pools {
        let ratings = pool.policies.iter().filter_map(|policy| {
            let planned = design.capacity * policy.learning()?.saturation.ratio();
            let hours = vec![rating::thousandths(planned)?; HOURS_LEAST - 1];
            let rating = Rating {
                hours,
                ..Rating::new(rating::kind(&pool.launch, std::iter::empty())?, None)
            };
            Some((policy.id.clone(), rating))
        });
        let ratings: BTreeMap<PolicyId, Rating> = ratings.collect();
        state.pools.entry(pool.id.clone()).or_default().ratings = ratings;
    }
    state.pools.values().any(|pool| !pool.ratings.is_empty()).then_some(state)
}

/// Where an alarm of a policy breaches.
fn threshold(rule: &Rule) -> Option<f64> {
    match rule {
        Rule::TargetTracking(rule) => Some(rule.target.get()),
        Rule::Step(rule) => rule.out.first().and_then(|band| band.from).map(Finite::get),
        Rule::Threshold(rule) => rule.from.map(Finite::get),
        Rule::Simple(rule) => rule.out.map(|out| out.bound.get()),
        Rule::Capacity(_) | Rule::Queue(_) | Rule::Formula(_) | Rule::Predictive(_) | Rule::Scheduled(_) => None,
    }
}
