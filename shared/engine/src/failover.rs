//! Load, observe, decide, commit, set the rules, and look whether they are set: the whole way of traffic, for many fleets at once.
//!
//! It is level-triggered. No outcome is recorded: the next look reads the rules themselves, and what was decided and is not seen to be
//! done is done again by whoever looks after the window.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use ghostnet_core::failover::{
    LOOKS_APART, TrafficDecision, TrafficFinding, TrafficInputs, TrafficObservation, TrafficRecord, TrafficRequest, alarms, decide, routes,
};
use ghostnet_core::id::{AlarmName, FleetId, InstanceId, PlanId, PoolId, Region, RouteId, TargetGroupArn};
use ghostnet_core::observation::{InstanceState, Target};
use ghostnet_core::route::Route;
use ghostnet_core::sample::Series;
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::metric::{Queries, QueryShape};
use ghostnet_core::spec::{FleetSpec, Metric, MetricSource, NamedMetric, PoolSpec};
use ghostnet_core::state::{Drill, Routing};
use jiff::Timestamp;

use crate::invocation::{Invocation, ReconcileError, plan_id};
use crate::listing;
use crate::load::{Fleet, load};
use crate::port::{CommitResult, Host, ListedInstance, MetricQuery, TrafficCommit, TrafficPorts};
use crate::reconcile::CONFLICTS_MAX;
use crate::regions;

/// Looks of one invocation, ten seconds apart, while a side is suspect or something is on its way.
pub const LOOKS_MAX: u32 = 50;
/// Looks of an invocation by the schedule: the next one looks on, a minute later.
pub const LOOKS_UNTIL_NEXT: u32 = 6;
/// Decisions of one look about one fleet: what is set is looked at again at once.
const ATTEMPTS_MAX: u32 = 10;
/// Target groups asked at the same time.
const GROUPS_AT_ONCE: usize = 8;
/// Routes asked at the same time: Route 53 hears few calls a second of an account.
const ROUTES_AT_ONCE: usize = 4;
/// Fleets that are decided at the same time.
const FLEETS_AT_ONCE: usize = 8;
/// A datapoint may come a few periods late; older ones say nothing of now.
const APPLICATION_POINTS: u32 = 3;

/// Why the traffic of fleets is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Occasion<'a> {
    /// A minute began.
    Schedule,
    /// Something happened.
    Event,
    /// An operator asks, of the one fleet that is named then.
    Asked(&'a TrafficRequest),
}

impl<'a> Occasion<'a> {
    fn looks_max(self) -> u32 {
        match self {
            Self::Schedule => LOOKS_UNTIL_NEXT,
            // whoever is told of something goes on also when no schedule comes
            Self::Event | Self::Asked(_) => LOOKS_MAX,
        }
    }

    fn asked(self) -> Option<&'a TrafficRequest> {
        match self {
            Self::Schedule | Self::Event => None,
            Self::Asked(request) => Some(request),
        }
    }
}

/// What came of a fleet's looks.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficReport {
    /// The last decision.
    pub decision: TrafficDecision,
    /// What was found by all of them, each thing once, oldest first.
    pub findings: Vec<TrafficFinding>,
    /// Records that were written, oldest first.
    pub records: Vec<PlanId>,
    /// Calls that set a listener or a rule.
    pub sent: usize,
    /// Whether a pool needs another number than before, so that tick must look.
    pub wakes_tick: bool,
    /// What a load balancer refused, in words.
    pub trouble: Vec<String>,
    /// Findings that somebody should be told at night.
    pub alerts: Vec<String>,
}

/// Looks at the traffic of these fleets, and again every ten seconds at those where a side is suspect or something is on its way, as long
/// as the invocation may. What an operator asks ends the invocation once it was heard. A fleet without failover is absent.
pub async fn fail_over<P: TrafficPorts, H: Host>(
    ports: &P,
    host: &H,
    invocation: &Invocation,
    fleets: &[FleetId],
    occasion: Occasion<'_>,
) -> BTreeMap<FleetId, Result<TrafficReport, ReconcileError>> {
    let mut reports: BTreeMap<FleetId, Result<TrafficReport, ReconcileError>> = BTreeMap::new();
    if !invocation.begins_now(ports.now()) {
        return fleets.iter().map(|id| (id.clone(), Err(ReconcileError::OutOfTime))).collect();
    }
    let (mut watched, mut asked) = (fleets.to_vec(), occasion.asked());
    let is_asked = asked.is_some();
    let looks_max = occasion.looks_max();
    for number in 0..looks_max {
        let looked = look(ports, invocation, &watched, asked, number).await;
        if looked.values().any(Result::is_ok) {
            // whoever lost its commit has not heard it yet
            asked = None;
        }
        let woken: Vec<FleetId> = looked
            .iter()
            .filter(|(_, report)| wakes(report))
            .map(|(id, _)| id.clone())
            .collect();
        if !woken.is_empty()
            && let Err(error) = host.wake_tick(&woken).await
        {
            tracing::warn!(%error, "tick was not woken: it looks within a minute");
        }
        watched = looked
            .iter()
            .filter(|(_, report)| goes_on(report))
            .map(|(id, _)| id.clone())
            .collect();
        for (id, report) in looked {
            let report = match (reports.remove(&id), report) {
                (Some(Ok(before)), Ok(report)) => Ok(before.then(report)),
                (_, report) => report,
            };
            reports.insert(id, report);
        }
        let next = LOOKS_APART.after(ports.now());
        // an operator waits for the answer; what is on its way goes on when the schedule wakes it, within a minute
        let is_answered = is_asked && asked.is_none();
        let is_last = number.saturating_add(1) >= looks_max;
        if is_last || is_answered || watched.is_empty() || next >= invocation.execute_until(next) {
            break;
        }
        ports.wait(Duration::from_secs(LOOKS_APART.0.into())).await;
    }
    reports
}

fn wakes(report: &Result<TrafficReport, ReconcileError>) -> bool {
    report.as_ref().is_ok_and(|report| report.wakes_tick)
}

/// Whoever lost its commit looks again too.
fn goes_on(report: &Result<TrafficReport, ReconcileError>) -> bool {
    match report {
        Ok(report) => report.decision.look_again,
        Err(error) => matches!(error, ReconcileError::Conflict(_)),
    }
}

impl TrafficReport {
    /// This one came after an earlier one of the same invocation.
    fn then(self, later: Self) -> Self {
        fn join<T: PartialEq>(before: Vec<T>, after: Vec<T>) -> Vec<T> {
            let news: Vec<T> = after.into_iter().filter(|thing| !before.contains(thing)).collect();
            before.into_iter().chain(news).collect()
        }
        Self {
            decision: later.decision,
            findings: join(self.findings, later.findings),
            records: self.records.into_iter().chain(later.records).collect(),
            sent: self.sent.saturating_add(later.sent),
            wakes_tick: self.wakes_tick || later.wakes_tick,
            trouble: join(self.trouble, later.trouble),
            alerts: join(self.alerts, later.alerts),
        }
    }
}

/// One look at each fleet.
async fn look<P: TrafficPorts>(
    ports: &P,
    invocation: &Invocation,
    fleets: &[FleetId],
    asked: Option<&TrafficRequest>,
    number: u32,
) -> BTreeMap<FleetId, Result<TrafficReport, ReconcileError>> {
    let seen = match see(ports, invocation, fleets).await {
        Ok(seen) => seen,
        Err(error) => return fleets.iter().map(|id| (id.clone(), Err(error.clone()))).collect(),
    };
    let work: Vec<_> = seen
        .into_iter()
        .map(|(id, seen)| async move {
            let report = match seen {
                Ok(seen) => act_on(ports, invocation, &id, seen, asked, number).await,
                Err(error) => Err(error),
            };
            (id, report)
        })
        .collect();
    futures::stream::iter(work).buffer_unordered(FLEETS_AT_ONCE).collect().await
}

/// A fleet as loaded and then observed.
struct Seen {
    fleet: Fleet,
    observation: TrafficObservation,
}

/// Decides, commits and sets the rules; and looks again at once when it set some, because a shift is over only when it was seen to be.
async fn act_on<P: TrafficPorts>(
    ports: &P,
    invocation: &Invocation,
    id: &FleetId,
    seen: Seen,
    asked: Option<&TrafficRequest>,
    number: u32,
) -> Result<TrafficReport, ReconcileError> {
    let (mut seen, mut asked, mut conflicts, mut attempts) = (seen, asked, 0_u32, 0_u32);
    let mut done: Option<TrafficReport> = None;
    loop {
        if ports.now() >= invocation.execute_until(ports.now()) {
            return done.ok_or(ReconcileError::OutOfTime);
        }
        // never used twice, also by the looks that follow
        let attempt = number.saturating_mul(ATTEMPTS_MAX).saturating_add(attempts);
        attempts = attempts.saturating_add(1);
        match attempt_once(ports, invocation, id, &seen, asked, attempt).await? {
            None => {
                conflicts = conflicts.saturating_add(1);
                if conflicts >= CONFLICTS_MAX {
                    return done.ok_or(ReconcileError::Conflict(conflicts));
                }
            }
            Some(report) => {
                asked = None;
                let sent = report.sent > 0;
                let report = match done.take() {
                    Some(before) => before.then(report),
                    None => report,
                };
                if !sent {
                    return Ok(report);
                }
                done = Some(report);
            }
        }
        if attempts >= ATTEMPTS_MAX {
            return done.ok_or(ReconcileError::OutOfTime);
        }
        let again = see(ports, invocation, std::slice::from_ref(id))
            .await
            .map(|mut seen| seen.remove(id));
        match again {
            Ok(Some(Ok(again))) => seen = again,
            Ok(Some(Err(error))) | Err(error) => return done.ok_or(error),
            Ok(None) => return done.ok_or(ReconcileError::NoSuchFleet),
        }
    }
}

/// One decision, committed and sent; none: another writer was faster.
async fn attempt_once<P: TrafficPorts>(
    ports: &P,
    invocation: &Invocation,
    id: &FleetId,
    seen: &Seen,
    asked: Option<&TrafficRequest>,
    attempt: u32,
) -> Result<Option<TrafficReport>, ReconcileError> {
    let now = ports.now();
    let Fleet {
        stored,
        spec,
        state,
        traffic,
        ..
    } = &seen.fleet;
    let inputs = TrafficInputs {
        spec_version: stored.version,
        spec: stored.spec.clone(),
        capacity: state.clone(),
        traffic: traffic.clone(),
        observation: seen.observation.clone(),
        asked: asked.cloned(),
        now,
        execute_until: invocation.execute_until(now),
    };
    let Some(decision) = inputs.situation(spec).map(|situation| decide(&situation)) else {
        return Err(ReconcileError::NoSuchFleet);
    };
    let mut report = TrafficReport {
        wakes_tick: decision.wakes_tick(traffic),
        alerts: decision
            .findings
            .iter()
            .filter(|finding| finding.is_alert())
            .map(ToString::to_string)
            .collect(),
        findings: decision.findings.clone(),
        decision,
        records: Vec::new(),
        sent: 0,
        trouble: Vec::new(),
    };
    if !report.decision.changes(traffic) {
        return Ok(Some(report));
    }
    let writer = invocation.writer(id, attempt);
    let plan = plan_id(now, &writer);
    let execute_until = inputs.execute_until;
    let commit = TrafficCommit {
        fleet: id.clone(),
        read_version: seen.fleet.has_traffic.then_some(traffic.version),
        state: report.decision.state.clone(),
        read_generation: (report.decision.state.epoch != traffic.epoch && seen.fleet.existed).then_some(state.generation),
        read_spec: stored.version,
        record: TrafficRecord::new(plan.clone(), id.clone(), invocation.build.clone(), &report.decision, inputs),
        writer,
    };
    if ports.commit_traffic(&commit).await? == CommitResult::Conflict {
        return Ok(None);
    }
    report.records.push(plan);
    for step in &report.decision.steps {
        if ports.now() >= execute_until {
            report.trouble.push(format!("no time was left to set {}", step.route));
            break;
        }
        report.sent = report.sent.saturating_add(1);
        let region = spec.region_of_route(&step.route, &invocation.region);
        if let Err(error) = ports.set_routing(&region, &step.route, &step.expected, &step.set).await {
            // whether it was set is seen by the next look
            report.trouble.push(format!("{} was not set: {error}", step.route));
        }
    }
    Ok(Some(report))
}

/// What one look at a fleet's traffic sees, without a decision; none: it does not fail over, or is being deleted.
///
/// # Errors
/// There is no such fleet, or it cannot be read.
pub async fn observe<P: TrafficPorts>(
    ports: &P,
    invocation: &Invocation,
    fleet: &FleetId,
) -> Result<Option<TrafficObservation>, ReconcileError> {
    let mut seen = see(ports, invocation, std::slice::from_ref(fleet)).await?;
    seen.remove(fleet).map(|seen| seen.map(|seen| seen.observation)).transpose()
}

/// Loads fleets and then observes those that have failover, in as few calls as possible.
async fn see<P: TrafficPorts>(
    ports: &P,
    invocation: &Invocation,
    fleets: &[FleetId],
) -> Result<BTreeMap<FleetId, Result<Seen, ReconcileError>>, ReconcileError> {
    let loaded = load(ports, fleets, ports.now()).await?;
    let mut seen = BTreeMap::new();
    let mut ready: BTreeMap<FleetId, Fleet> = BTreeMap::new();
    for (id, fleet) in loaded {
        match fleet {
            Ok(fleet) if fleet.spec.failover.is_some() && !fleet.stored.retiring => drop(ready.insert(id, fleet)),
            Ok(_) => {}
            Err(error) => drop(seen.insert(id, Err(error))),
        }
    }
    if ready.is_empty() {
        return Ok(seen);
    }
    let now = ports.now();
    let places = regions::of_fleets(invocation, ready.values());
    let (first, silent) = listing::first(ports, invocation, &places).await;
    let (listing, targets, states_of_alarms, measured, routing) = futures::join!(
        listing::or_now(first, ports, invocation, &places),
        read_targets(ports, invocation, &ready, &silent),
        read_alarms(ports, invocation, &ready),
        read_metrics(ports, invocation, &ready, (&silent, now)),
        read_routing(ports, invocation, &ready, &silent)
    );
    let mut measured = measured;
    for (id, fleet) in ready {
        let groups = fleet.spec.pools.iter().flat_map(|pool| &pool.target_groups);
        let unlisted = listing.unlisted(invocation, &fleet);
        let rules = fleet.spec.failover.iter().flat_map(|failover| routes(failover, &fleet.traffic));
        let Measured { application, requests } = measured.remove(&id).unwrap_or_default();
        let observation = TrafficObservation {
            observed_at: now,
            instances: unlisted.as_ref().map(|_| states(&id, &listing.listed)),
            unlisted: unlisted.unwrap_or_default(),
            targets: groups
                .filter_map(|group| Some((group.clone(), targets.get(group)?.clone())))
                .collect(),
            alarms: alarms(&fleet.spec)
                .filter_map(|alarm| states_of_alarms.get_key_value(&alarm).map(|(alarm, state)| (alarm.clone(), *state)))
                .collect(),
            application,
            requests,
            routing: rules.filter_map(|rule| Some((rule.clone(), routing.get(rule)?.clone()))).collect(),
        };
        seen.insert(id, Ok(Seen { fleet, observation }));
    }
    Ok(seen)
}

fn states(fleet: &FleetId, listed: &[(Region, Vec<ListedInstance>)]) -> BTreeMap<InstanceId, InstanceState> {
    let listed = listed.iter().flat_map(|(_, listed)| listed);
    let own = listed.filter(|listed| listed.fleet.as_ref() == Some(fleet));
    own.map(|listed| (listed.instance.id.clone(), listed.instance.state)).collect()
}

async fn read_targets<P: TrafficPorts>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    silent: &BTreeSet<Region>,
) -> BTreeMap<TargetGroupArn, Vec<Target>> {
    let pools = fleets.values().flat_map(|fleet| &fleet.spec.pools);
    let located = |pool: &PoolSpec| {
        let region = pool.region_or(&invocation.region).clone();
        pool.target_groups
            .iter()
            .map(move |group| (group.clone(), region.clone()))
            .collect::<Vec<_>>()
    };
    let groups: BTreeMap<TargetGroupArn, Region> = pools.flat_map(located).filter(|(_, region)| !silent.contains(region)).collect();
    let ask = |(group, region): (TargetGroupArn, Region)| async move {
        let targets = ports.targets(&region, &group).await;
        let targets = targets.inspect_err(|error| tracing::warn!(%error, %group, "targets are unknown"));
        Some((group, targets.ok()?))
    };
    let asked: Vec<_> = groups.into_iter().map(ask).collect();
    let answers = futures::stream::iter(asked).buffer_unordered(GROUPS_AT_ONCE);
    answers.filter_map(|answer| async { answer }).collect().await
}

/// States of the alarms of all fleets, in as few calls as possible: where the installation is, because those of a region that is lost say
/// nothing, and an alarm wakes who is beside it. What cannot be read says nothing.
async fn read_alarms<P: TrafficPorts>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
) -> BTreeMap<AlarmName, AlarmState> {
    // fleets may name the same ones
    let names: BTreeSet<AlarmName> = fleets.values().flat_map(|fleet| alarms(&fleet.spec)).collect();
    let names: Vec<AlarmName> = names.into_iter().collect();
    if names.is_empty() {
        return BTreeMap::new();
    }
    let states = ports.alarm_states(&invocation.region, &names).await;
    states
        .inspect_err(|error| tracing::warn!(%error, "the health alarms are unknown"))
        .unwrap_or_default()
}

/// What was measured of a fleet's sides.
#[derive(Debug, Default)]
struct Measured {
    /// The application's metrics, in the order of the spec.
    application: BTreeMap<PoolId, Vec<Series>>,
    /// Requests per minute, while a drill is made.
    requests: BTreeMap<PoolId, Series>,
}

/// What is measured of the sides of all fleets, in one call.
async fn read_metrics<P: TrafficPorts>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    (silent, now): (&BTreeSet<Region>, Timestamp),
) -> BTreeMap<FleetId, Measured> {
    let (mut whose, mut queries) = (Vec::new(), Vec::new());
    let mut ask = |of: (FleetId, PoolId, bool), fleet: &Fleet, shape| {
        let points = APPLICATION_POINTS;
        let region = fleet.region_of(&of.1, &invocation.region).clone();
        queries.push((region, MetricQuery { shape, points }));
        whose.push(of);
    };
    for (id, fleet) in fleets {
        for (pool, shape) in application_shapes(&fleet.spec, fleet) {
            ask((id.clone(), pool, true), fleet, shape);
        }
        for (pool, shape) in request_shapes(fleet) {
            ask((id.clone(), pool, false), fleet, shape);
        }
    }
    let mut read: BTreeMap<FleetId, Measured> = BTreeMap::new();
    if queries.is_empty() {
        return read;
    }
    let answers = regions::series(
        ports,
        queries.iter().map(|(region, query)| (region, query.clone())).collect(),
        silent,
        now,
    )
    .await;
    for ((id, pool, of_application), series) in whose.into_iter().zip(answers) {
        let measured = read.entry(id).or_default();
        if of_application {
            measured.application.entry(pool).or_default().push(series);
        } else {
            measured.requests.insert(pool, series);
        }
    }
    read
}

/// How many requests each side gets, of a fleet whose drill is under way.
fn request_shapes(fleet: &Fleet) -> impl Iterator<Item = (PoolId, QueryShape)> + '_ {
    let drills = fleet.traffic.drill.as_ref().is_some_and(Drill::is_running);
    let requests = Metric::Named {
        name: NamedMetric::AlbRequestCount,
        source: MetricSource::TargetGroup,
    };
    let pools = fleet.spec.pools.iter().filter(move |_| drills);
    pools.filter_map(move |pool| match requests.queries(&fleet.spec.id, pool, &fleet.stored.resolved) {
        Queries::One(shape) => Some((pool.id.clone(), shape)),
        Queries::PerInstance(_) | Queries::Several(_) => None,
    })
}

fn application_shapes<'a>(spec: &'a FleetSpec, fleet: &'a Fleet) -> impl Iterator<Item = (PoolId, QueryShape)> + 'a {
    let signals = spec.failover.iter().flat_map(|failover| &failover.detect.application);
    spec.pools.iter().flat_map(move |pool| {
        signals
            .clone()
            .filter_map(|signal| match signal.metric.queries(&spec.id, pool, &fleet.stored.resolved) {
                Queries::One(shape) => Some((pool.id.clone(), shape)),
                // the metrics of a failover are those of a target group: one query each
                Queries::PerInstance(_) | Queries::Several(_) => None,
            })
    })
}

/// What the routes of all fleets do. Rules are read together; everything else is a call of its own, so that one that cannot be read hides
/// no other.
async fn read_routing<P: TrafficPorts>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    silent: &BTreeSet<Region>,
) -> BTreeMap<RouteId, Routing> {
    let of_fleet = |fleet: &Fleet| -> Vec<(Region, RouteId)> {
        let located = |route: &RouteId| (fleet.spec.region_of_route(route, &invocation.region), route.clone());
        let failover = fleet.spec.failover.iter();
        failover
            .flat_map(|failover| routes(failover, &fleet.traffic))
            .map(located)
            .collect()
    };
    let all = fleets.values().flat_map(of_fleet).filter(|(region, _)| !silent.contains(region));
    let all: BTreeSet<(Region, RouteId)> = all.collect();
    let mut rules: BTreeMap<Region, Vec<RouteId>> = BTreeMap::new();
    let mut asks: Vec<(Region, Vec<RouteId>)> = Vec::new();
    for (region, route) in all {
        if route.route() == Route::Rule {
            rules.entry(region).or_default().push(route);
        } else {
            asks.push((region, vec![route]));
        }
    }
    asks.extend(rules);
    let ask = |(region, routes): (Region, Vec<RouteId>)| async move {
        let read = ports.routing(&region, &routes).await;
        read.unwrap_or_else(|error| {
            tracing::warn!(%error, ?routes, "what they do is unknown");
            BTreeMap::new()
        })
    };
    let asked: Vec<_> = asks.into_iter().map(ask).collect();
    let answers: Vec<_> = futures::stream::iter(asked).buffer_unordered(ROUTES_AT_ONCE).collect().await;
    answers.into_iter().flatten().collect()
}
