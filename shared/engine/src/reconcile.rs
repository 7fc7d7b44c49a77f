//! Load, observe, decide, audit, commit, execute, outcome: the whole way, for many fleets at once.
//!
//! Fleets are loaded and observed together and then decided one by one. A fleet that loses its commit, or whose launch
//! found no capacity, is loaded and observed again alone: an observation always begins after its load.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use async_lock::Semaphore;
use ghostnet_core::audit::audit;
use ghostnet_core::decide::{Decision, Situation, decide};
use ghostnet_core::id::{FleetId, Region};
use ghostnet_core::observation::{Instance, InstanceState, Observation, Offering, Target, TargetHealth};
use ghostnet_core::plan::{Action, Refusal, Step, StepOutcome};
use ghostnet_core::record::{DecisionRecord, Inputs, decision_digest};
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::{FleetSpec, RESERVED_TYPES_MAX};
use ghostnet_core::state::SCHEMA;
use jiff::Timestamp;

use crate::execute::{Executed, Execution, execute};
use crate::invocation::{Invocation, Preview, ReconcileError, Report, plan_id};
use crate::load::{Fleet, load};
use crate::observe::observe;
use crate::pace::Pace;
use crate::port::{Commit, CommitResult, Look, Ports};
use crate::quiet::{self, Counting};
use crate::regions;

/// A commit lost this often in a row is given up; another invocation is at work and will go on.
pub const CONFLICTS_MAX: u32 = 3;
/// Rounds in which a launch that found no capacity is decided again around the exhausted offering.
pub const CAPACITY_ROUNDS_MAX: u32 = 5;

/// Fleets that commit and execute at the same time.
const FLEETS_AT_ONCE: usize = 8;

// reservations that are full for every type of a pool leave a round for on demand
const _: () = assert!(CAPACITY_ROUNDS_MAX > RESERVED_TYPES_MAX);

/// Looks at these fleets and does what is due. One fleet's failure stops no other.
pub async fn reconcile<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &[FleetId],
    signal: &Signal,
) -> BTreeMap<FleetId, Result<Report, ReconcileError>> {
    let looked = match look(ports, invocation, fleets, signal).await {
        Ok(looked) => looked,
        Err(error) => return fleets.iter().map(|id| (id.clone(), Err(error.clone()))).collect(),
    };
    let counting: BTreeMap<FleetId, Counting> = looked
        .iter()
        .filter_map(|(id, seen)| {
            let seen = seen.as_ref().ok()?;
            Some((id.clone(), quiet::counting(id, &seen.fleet, signal, seen.observation.observed_at)))
        })
        .collect();
    let (pace, places) = (Pace::new(), Semaphore::new(FLEETS_AT_ONCE));
    let shared = Shared {
        ports,
        invocation,
        signal,
        pace: &pace,
        places: &places,
    };
    let shared = &shared;
    // boxed, because the stream moves what it is given several times, and the way of one fleet takes ten kilobytes
    let work: Vec<_> = looked
        .into_iter()
        .map(|(id, seen)| {
            Box::pin(async move {
                let result = match seen {
                    Ok(seen) => act_on(shared, &id, seen).await,
                    Err(error) => Err(error),
                };
                (id, result)
            })
        })
        .collect();
    // in their order; only so many at a time have a place to work at
    let results: BTreeMap<_, _> = futures::future::join_all(work).await.into_iter().collect();
    note_looks(ports, &results, &counting).await;
    results
}

/// What would be decided for a fleet now, without committing or acting.
///
/// # Errors
/// What stands in the way of a decision.
pub async fn preview<P: Ports>(ports: &P, invocation: &Invocation, fleet: &FleetId, signal: &Signal) -> Result<Preview, ReconcileError> {
    let seen = look_at_one(ports, invocation, fleet, signal).await?;
    let (attempt, decision) = Attempt::new(ports, invocation, fleet, &seen, signal, (0, &BTreeSet::new())).await;
    let violations = audit(&attempt.situation(), &decision);
    Ok(Preview {
        inputs: attempt.inputs(),
        decision,
        violations,
    })
}

/// A fleet as loaded and then observed.
struct Seen {
    fleet: Fleet,
    observation: Observation,
}

async fn look<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &[FleetId],
    signal: &Signal,
) -> Result<BTreeMap<FleetId, Result<Seen, ReconcileError>>, ReconcileError> {
    let loaded = load(ports, fleets, ports.now()).await?;
    let mut results = BTreeMap::new();
    let mut ready = BTreeMap::new();
    for (id, fleet) in loaded {
        match fleet {
            Ok(fleet) => drop(ready.insert(id, fleet)),
            Err(error) => drop(results.insert(id, Err(error))),
        }
    }
    let mut observations = if ready.is_empty() {
        BTreeMap::new()
    } else {
        observe(ports, invocation, &ready, signal).await
    };
    for (id, fleet) in ready {
        let observation = observations.remove(&id).unwrap_or_else(|| Observation::unknown(ports.now()));
        results.insert(id, Ok(Seen { fleet, observation }));
    }
    Ok(results)
}

async fn look_at_one<P: Ports>(ports: &P, invocation: &Invocation, fleet: &FleetId, signal: &Signal) -> Result<Seen, ReconcileError> {
    let mut looked = look(ports, invocation, std::slice::from_ref(fleet), signal).await?;
    looked.remove(fleet).unwrap_or(Err(ReconcileError::NoSuchFleet))
}

/// What the fleets of an invocation share.
struct Shared<'a, P> {
    ports: &'a P,
    invocation: &'a Invocation,
    signal: &'a Signal,
    pace: &'a Pace,
    /// Whoever has one decides and acts; who only waits for a turn to launch needs none.
    places: &'a Semaphore,
}

/// Decides and acts until nothing more is due now, others win too often, or rounds or time are used up. Nothing is committed
/// that could not be sent any more.
async fn act_on<P: Ports>(shared: &Shared<'_, P>, id: &FleetId, seen: Seen) -> Result<Report, ReconcileError> {
    let Shared {
        ports,
        invocation,
        signal,
        pace,
        places,
    } = *shared;
    let (mut seen, mut conflicts, mut rounds, mut attempts) = (seen, 0, 0, 0);
    let mut acted = None;
    let mut ran_out = BTreeSet::new();
    loop {
        let place = places.acquire().await;
        if ports.now() >= invocation.execute_until(ports.now()) {
            return acted.ok_or(ReconcileError::OutOfTime);
        }
        let (attempt, decision) = Attempt::new(ports, invocation, id, &seen, signal, (attempts, &ran_out)).await;
        attempts += 1;
        let committed = match attempt.commit(ports, decision).await {
            Ok(committed) => committed,
            // what an earlier round did is told; the next look goes on
            Err(error @ ReconcileError::Port(_)) => return acted.ok_or(error),
            Err(error) => return Err(error),
        };
        match committed {
            Committed::Nothing(decision) => {
                return Ok(acted.unwrap_or_else(|| attempt.report(decision, false, Executed::default(), conflicts)));
            }
            Committed::Lost => {
                conflicts += 1;
                if conflicts >= CONFLICTS_MAX {
                    return acted.ok_or(ReconcileError::Conflict(conflicts));
                }
            }
            Committed::Won(decision) => {
                let Acted { report, again, exhausted } = attempt.execute(ports, pace, place, decision, conflicts).await;
                ran_out.extend(exhausted);
                let report = report.after(acted.take());
                rounds += 1;
                if !again || rounds >= CAPACITY_ROUNDS_MAX {
                    return Ok(report);
                }
                acted = Some(report);
            }
        }
        match look_at_one(ports, invocation, id, signal).await {
            Ok(again) => seen = again,
            Err(error) => return acted.ok_or(error),
        }
    }
}

/// One decision about one fleet: what it is made from, and its id.
struct Attempt<'a> {
    invocation: &'a Invocation,
    id: &'a FleetId,
    seen: &'a Seen,
    observation: Cow<'a, Observation>,
    signal: &'a Signal,
    now: Timestamp,
    execute_until: Timestamp,
    writer: ghostnet_core::id::WriterId,
    plan_id: ghostnet_core::id::PlanId,
}

enum Committed {
    Nothing(Decision),
    Won(Decision),
    Lost,
}

struct Acted {
    report: Report,
    /// A launch found no capacity, or its market at the quota: decide again at once, around it.
    again: bool,
    /// Offerings that had none.
    exhausted: BTreeSet<Offering>,
}

impl<'a> Attempt<'a> {
    async fn new<P: Ports>(
        ports: &P,
        invocation: &'a Invocation,
        id: &'a FleetId,
        seen: &'a Seen,
        signal: &'a Signal,
        (number, ran_out): (u32, &BTreeSet<Offering>),
    ) -> (Self, Decision) {
        let now = ports.now();
        let writer = invocation.writer(id, number);
        let plan_id = plan_id(now, &writer);
        let execute_until = invocation.execute_until(now);
        let observation = Cow::Borrowed(&seen.observation);
        let mut attempt = Self {
            invocation,
            id,
            seen,
            observation,
            signal,
            now,
            execute_until,
            writer,
            plan_id,
        };
        let mut decision = attempt.decide();
        if attempt.ask_what_ran_out(ports, &decision, ran_out).await {
            decision = attempt.decide();
        }
        (attempt, decision)
    }

    /// Offerings without capacity matter only when something is launched or started, so they are read only then. Where nobody serves, only
    /// those count that this look itself found empty: a call that is refused costs less than minutes without an answer. Whether there
    /// are some.
    async fn ask_what_ran_out<P: Ports>(&mut self, ports: &P, decision: &Decision, ran_out: &BTreeSet<Offering>) -> bool {
        let grows = |action: &Action| matches!(action, Action::Launch(_) | Action::Start { .. });
        if !decision.plan.steps.iter().any(|step| grows(&step.action)) {
            return false;
        }
        let steps = decision.plan.steps.iter().filter(|step| grows(&step.action));
        let regions: BTreeSet<&Region> = steps
            .map(|step| self.seen.fleet.region_of(&step.pool, &self.invocation.region))
            .collect();
        let mut exhausted = Vec::new();
        for region in regions {
            match ports.exhausted(region, self.now).await {
                Ok(there) => exhausted.extend(there),
                Err(error) => tracing::warn!(%error, %region, "exhausted offerings are unknown"),
            }
        }
        if nobody_serves(&self.seen.fleet.spec, &self.observation) {
            exhausted.retain(|exhausted| ran_out.contains(&exhausted.offering));
        }
        let any = !exhausted.is_empty();
        if any {
            self.observation.to_mut().exhausted = exhausted;
        }
        any
    }

    fn situation(&self) -> Situation<'_> {
        let Fleet {
            stored,
            spec,
            state,
            traffic,
            ..
        } = &self.seen.fleet;
        Situation {
            installation: &self.invocation.installation,
            spec,
            spec_version: stored.version,
            resolved: &stored.resolved,
            retiring: stored.retiring,
            state,
            traffic,
            observation: &self.observation,
            signal: self.signal,
            now: self.now,
            execute_until: self.execute_until,
            plan_id: &self.plan_id,
        }
    }

    fn inputs(&self) -> Inputs {
        let Fleet {
            stored, state, traffic, ..
        } = &self.seen.fleet;
        Inputs {
            installation: self.invocation.installation.clone(),
            spec_version: stored.version,
            spec: stored.spec.clone(),
            resolved: stored.resolved.clone(),
            retiring: stored.retiring,
            state: state.clone(),
            traffic: traffic.clone(),
            observation: (*self.observation).clone(),
            signal: self.signal.clone(),
            now: self.now,
            execute_until: self.execute_until,
            plan_id: self.plan_id.clone(),
        }
    }

    fn decide(&self) -> Decision {
        decide(&self.situation())
    }

    async fn commit<P: Ports>(&self, ports: &P, decision: Decision) -> Result<Committed, ReconcileError> {
        let fleet = &self.seen.fleet;
        if !decision.changes(&fleet.state) && fleet.merged.is_empty() && fleet.existed {
            return Ok(Committed::Nothing(decision));
        }
        let mut record = self.record(&decision)?;
        let violations = audit(&self.situation(), &decision);
        if !violations.is_empty() {
            record.violations.clone_from(&violations);
            ports.record(&record).await?;
            return Err(ReconcileError::Audit(violations));
        }
        let commit = Commit {
            fleet: self.id.clone(),
            read_generation: fleet.existed.then_some(fleet.state.generation),
            state: self.committed_state(&decision),
            merged: fleet.merged.clone(),
            read_epoch: fleet.traffic.epoch,
            read_spec: fleet.stored.version,
            record,
            writer: self.writer.clone(),
        };
        match ports.commit(&commit).await? {
            CommitResult::Committed => Ok(Committed::Won(decision)),
            CommitResult::Conflict => Ok(Committed::Lost),
        }
    }

    /// Merged outcomes alone are worth a commit too, and every commit has its own generation.
    fn committed_state(&self, decision: &Decision) -> ghostnet_core::state::CapacityState {
        let mut state = decision.state.clone();
        state.generation = self.seen.fleet.state.generation.next();
        state
    }

    fn record(&self, decision: &Decision) -> Result<DecisionRecord, ReconcileError> {
        let digest = decision_digest(decision).map_err(|error| ReconcileError::Record(error.to_string()))?;
        Ok(DecisionRecord {
            schema: SCHEMA,
            id: self.plan_id.clone(),
            fleet: self.id.clone(),
            at: self.now,
            function: self.invocation.function.to_owned(),
            signal: self.signal.clone(),
            build: self.invocation.build.clone(),
            generation: self.seen.fleet.state.generation,
            pools: decision.pools.clone(),
            plan: decision.plan.clone(),
            violations: Vec::new(),
            outcomes: Vec::new(),
            count: 1,
            until: self.now,
            inputs: Some(self.inputs()),
            decision_digest: digest,
        })
    }

    async fn execute<P: Ports, T>(&self, ports: &P, pace: &Pace, place: T, decision: Decision, conflicts: u32) -> Acted {
        if decision.plan.steps.is_empty() {
            return Acted {
                report: self.report(decision, true, Executed::default(), conflicts),
                again: false,
                exhausted: BTreeSet::new(),
            };
        }
        let execution = Execution {
            ports,
            invocation: self.invocation,
            fleet: self.id,
            plan: &decision.plan,
            loaded: &self.seen.fleet,
            pace,
        };
        let mut executed = execute(&execution, place).await;
        for offering in &executed.exhausted {
            let region = regions::of_zone(self.invocation, &self.seen.fleet, &offering.zone);
            if let Err(error) = ports.note_exhausted(region, offering, self.now).await {
                tracing::warn!(%error, "an exhausted offering was not remembered");
            }
        }
        if let Err(error) = ports.record_outcomes(self.id, &self.plan_id, &executed.outcomes).await {
            // the steps stay open and the next look finds out what they did
            executed.trouble.push(format!("outcomes were not recorded: {error}"));
        }
        let outcome = |step: &Step| executed.outcomes.get(&step.id).map(|recorded| &recorded.outcome);
        let again = decision
            .plan
            .steps
            .iter()
            .any(|step| outcome(step).is_some_and(|outcome| is_gone_around(&step.action, outcome)));
        Acted {
            exhausted: std::mem::take(&mut executed.exhausted),
            report: self.report(decision, true, executed, conflicts),
            again,
        }
    }

    fn report(&self, decision: Decision, committed: bool, executed: Executed, conflicts: u32) -> Report {
        let findings = decision.pools.values().flat_map(|pool| &pool.findings);
        let alerts = findings.filter(|finding| finding.is_alert()).map(ToString::to_string).collect();
        let sent = if committed { decision.plan.steps.len() } else { 0 };
        Report {
            before: decision.pools.iter().map(|(id, pool)| (id.clone(), pool.before)).collect(),
            plan: self.plan_id.clone(),
            decision,
            committed,
            sent,
            launched: executed.launched,
            terminated: executed.terminated,
            trouble: executed.trouble,
            alerts,
            conflicts,
        }
    }
}

/// Whether it is known that nobody of a fleet answers: no target of its groups does, or, where it has no groups, no instance runs.
fn nobody_serves(spec: &FleetSpec, observation: &Observation) -> bool {
    let mut groups = spec.pools.iter().flat_map(|pool| &pool.target_groups).peekable();
    if groups.peek().is_none() {
        let runs = |instance: &Instance| instance.state == InstanceState::Running;
        return observation.instances.as_ref().is_some_and(|all| !all.iter().any(runs));
    }
    let may_answer = |target: &Target| match target.health {
        TargetHealth::Healthy | TargetHealth::Unchecked | TargetHealth::Unavailable => true,
        TargetHealth::Initial | TargetHealth::Unhealthy | TargetHealth::InvalidState | TargetHealth::Draining => false,
    };
    let is_silent = |targets: &Vec<Target>| !targets.iter().any(may_answer);
    groups.all(|group| observation.targets.get(group).is_some_and(is_silent))
}

/// Whether another offering may give what this one did not.
fn is_gone_around(action: &Action, outcome: &StepOutcome) -> bool {
    match (outcome, action) {
        (StepOutcome::NoCapacity { .. } | StepOutcome::Refused { class: Refusal::Quota, .. }, _) => true,
        (StepOutcome::Refused { class, .. }, Action::Launch(launch)) => class.is_of_market(launch.offering.market),
        _ => false,
    }
}

/// Counts unchanged holds on their records. Looks that read no metrics evaluated nothing and are not noted.
async fn note_looks<P: Ports>(
    ports: &P,
    results: &BTreeMap<FleetId, Result<Report, ReconcileError>>,
    counting: &BTreeMap<FleetId, Counting>,
) {
    let now = ports.now();
    let mut looks = Vec::new();
    for (id, report) in results.iter().filter_map(|(id, result)| Some((id, result.as_ref().ok()?))) {
        let evaluated = report.decision.pools.values().any(|pool| pool.recommended.is_some());
        let counted = match counting.get(id) {
            Some(Counting::Now) => true,
            Some(Counting::NextLook) => false,
            Some(Counting::IfEvaluated) | None => evaluated,
        };
        if counted || report.committed {
            let hold = report
                .decision
                .state
                .last_hold
                .as_ref()
                .filter(|_| !report.committed)
                .map(|hold| hold.record.clone());
            looks.push(Look {
                fleet: id.clone(),
                hold,
                at: now,
            });
        }
    }
    if looks.is_empty() {
        return;
    }
    if let Err(error) = ports.note_looks(&looks).await {
        tracing::warn!(%error, "looks were not noted");
    }
}
