//! How a fleet stands: what is wanted, what is there, what is under way, and what was decided last. Made from a fresh
//! look and the records; the JSON form is stable.

use std::collections::BTreeMap;

use ghostnet_core::decide::PoolDecision;
use ghostnet_core::failover::TrafficObservation;
use ghostnet_core::id::{
    FleetId, Generation, InstanceId, InstanceType, PlanId, PolicyId, PoolId, SpecVersion, StepId, TargetGroupArn, Zone,
};
use ghostnet_core::observation::{Instance, InstanceState, TargetHealth};
use ghostnet_core::plan::{Action, OpenStep};
use ghostnet_core::rating;
use ghostnet_core::reason::Finding;
use ghostnet_core::record::{DecisionRecord, Inputs};
use ghostnet_core::refresh::{Phase as RefreshPhase, Progress, Refresh};
use ghostnet_core::spec::{FleetMode, FleetSpec, Policy, PoolRole, PoolSpec, TemplateVersion};
use ghostnet_core::state::{Member, Pause};
use ghostnet_core::tuning::{Found, Settings};
use ghostnet_core::unit::{Finite, Seconds};
use ghostnet_engine::invocation::Preview;
use jiff::Timestamp;
use serde::Serialize;

use crate::render::explain;
use crate::traffic::{self, TrafficStatus};

/// One fleet.
#[derive(Debug, Serialize)]
pub(crate) struct FleetStatus {
    /// The fleet.
    pub(crate) fleet: FleetId,
    /// What its owner allows.
    pub(crate) mode: FleetMode,
    /// Of the capacity state.
    pub(crate) generation: Generation,
    /// Of the stored spec.
    pub(crate) spec_version: SpecVersion,
    /// Whether it is being deleted.
    pub(crate) retiring: bool,
    /// When a function last evaluated it.
    pub(crate) evaluated_at: Option<Timestamp>,
    /// An operator's pause that is in force.
    pub(crate) pause: Option<Pause>,
    /// Per pool, in the order of the spec.
    pub(crate) pools: Vec<PoolStatus>,
    /// Committed steps without an outcome.
    pub(crate) open_steps: Vec<OpenStepStatus>,
    /// The last decision that did something.
    pub(crate) last_act: Option<RecordSummary>,
    /// The last decision that held.
    pub(crate) last_hold: Option<RecordSummary>,
    /// When something is due that no event announces.
    pub(crate) next_look: Option<Timestamp>,
    /// How its traffic stands; absent without `failover` in the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failover: Option<TrafficStatus>,
    /// What tuning last found, of each pool that it tunes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tuning: Vec<TuningStatus>,
    /// What else is worth telling.
    pub(crate) findings: Vec<String>,
}

/// What tuning last found for a pool.
#[derive(Debug, Serialize)]
pub(crate) struct TuningStatus {
    /// The pool.
    pub(crate) pool: PoolId,
    /// Whether the pool goes by it.
    pub(crate) in_force: bool,
    /// Settings, and what they were found by.
    #[serde(flatten)]
    pub(crate) found: Found,
}

/// What is told of settings that were found; what was found in place of something else that was written says nothing.
pub(crate) fn tuning(spec: &FleetSpec, preview: &Preview, found: &BTreeMap<PoolId, Found>) -> Vec<TuningStatus> {
    let of_pool = |pool: &PoolSpec| {
        let written = Settings::of(pool)?;
        let found = found.get(&pool.id).filter(|found| found.tuned.instead_of == written)?;
        let state = preview.decision.state.pools.get(&pool.id);
        Some(TuningStatus {
            pool: pool.id.clone(),
            in_force: state.is_some_and(|state| state.by_tuning == Some(found.tuned)),
            found: found.clone(),
        })
    };
    spec.pools.iter().filter_map(of_pool).collect()
}

/// One pool.
#[derive(Debug, Serialize)]
pub(crate) struct PoolStatus {
    /// The pool.
    pub(crate) id: PoolId,
    /// Whether it takes traffic.
    pub(crate) role: PoolRole,
    /// Fewest, by the spec.
    pub(crate) min: u32,
    /// Most, by the spec.
    pub(crate) max: u32,
    /// Wanted.
    pub(crate) desired: u32,
    /// Healthy, past the warm-up.
    pub(crate) in_service: u32,
    /// Running, still warming up.
    pub(crate) warming: u32,
    /// Launched, not running yet.
    pub(crate) pending: u32,
    /// Asked for, not seen yet.
    pub(crate) in_flight: u32,
    /// Leaving.
    pub(crate) draining: u32,
    /// Sick.
    pub(crate) unhealthy: u32,
    /// Kept stopped, ready to be started.
    pub(crate) warm: u32,
    /// Running or coming only to be kept so.
    pub(crate) preparing: u32,
    /// What one instance can answer, by each policy that learns it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) learned: Vec<LearnedStatus>,
    /// A refresh that is under way, or ends with this look.
    pub(crate) refresh: Option<RefreshStatus>,
    /// Each instance.
    pub(crate) instances: Vec<InstanceStatus>,
}

/// What a policy has learned.
#[derive(Debug, Serialize)]
pub(crate) struct LearnedStatus {
    /// The policy.
    pub(crate) policy: PolicyId,
    /// Requests per second that one instance can answer; none: not learned yet.
    pub(crate) instance_capacity: Option<Finite>,
    /// So many hours have shown it.
    pub(crate) hours: u32,
}

/// A refresh.
#[derive(Debug, Serialize)]
pub(crate) struct RefreshStatus {
    /// What it does.
    pub(crate) state: RefreshState,
    /// So many instances are replaced, or gone.
    pub(crate) replaced: u32,
    /// Of so many.
    pub(crate) total: u32,
    /// The same in a hundred, rounded down: 100 means all.
    pub(crate) percent: u32,
    /// In a hundred, where it waits next; none if nowhere any more.
    pub(crate) next_checkpoint: Option<u16>,
    /// At a checkpoint: until when it waits there.
    pub(crate) waits_until: Option<Timestamp>,
    /// While paused: who paused it. Nothing but an operator ends that.
    pub(crate) paused_by: Option<String>,
    /// When it was asked for.
    pub(crate) requested_at: Timestamp,
    /// By whom.
    pub(crate) by: String,
    /// Why.
    pub(crate) reason: String,
    /// It is rolled back, to this version of the launch template.
    pub(crate) back_to: Option<TemplateVersion>,
}

/// What a refresh does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefreshState {
    /// Replaces.
    Replacing,
    /// Waits at a checkpoint.
    Baking,
    /// Stopped by an operator for now.
    Paused,
    /// Everybody is replaced.
    Complete,
}

/// One instance.
#[derive(Debug, Serialize)]
pub(crate) struct InstanceStatus {
    /// The instance.
    pub(crate) id: InstanceId,
    /// Where it is in its life.
    pub(crate) phase: Phase,
    /// Its zone; none while EC2 does not list it.
    pub(crate) zone: Option<Zone>,
    /// Its type; none while EC2 does not list it.
    #[serde(rename = "type")]
    pub(crate) instance_type: Option<InstanceType>,
}

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Not running, or not listed, yet.
    Pending,
    /// Running, not healthy or not warm yet.
    Warming,
    /// Healthy and warm.
    InService,
    /// Was healthy, and is not any more.
    Unhealthy,
    /// Leaving.
    Draining,
    /// Kept stopped, ready to be started.
    Warm,
    /// Running only to be kept so.
    Preparing,
    /// Stopped by somebody.
    Stopped,
}

/// A step that was committed and has no outcome yet.
#[derive(Debug, Serialize)]
pub(crate) struct OpenStepStatus {
    /// Its id.
    pub(crate) id: StepId,
    /// Its pool.
    pub(crate) pool: PoolId,
    /// `launch`, `start`, `stop`, `register`, `deregister`, `tag` or `terminate`.
    pub(crate) action: &'static str,
    /// In words.
    pub(crate) text: String,
    /// Since when.
    pub(crate) committed_at: Timestamp,
}

/// A decision on record, in short.
#[derive(Debug, Serialize)]
pub(crate) struct RecordSummary {
    /// Its id, for `ghostnet replay`.
    pub(crate) id: PlanId,
    /// When it was decided.
    pub(crate) at: Timestamp,
    /// When it was last decided again.
    pub(crate) until: Timestamp,
    /// How often.
    pub(crate) count: u32,
    /// By which function.
    pub(crate) function: String,
    /// Sizes before and after.
    pub(crate) change: String,
    /// Why.
    pub(crate) reason: String,
    /// What was done, and why.
    pub(crate) summary: String,
}

/// The status from a fresh look and the latest records, newest first.
pub(crate) fn status(
    spec: &FleetSpec,
    preview: &Preview,
    records: &[DecisionRecord],
    evaluated_at: Option<Timestamp>,
    traffic: Option<&TrafficObservation>,
) -> FleetStatus {
    let inputs = &preview.inputs;
    let pools = spec
        .pools
        .iter()
        .filter_map(|pool| Some(pool_status(pool, preview.decision.pools.get(&pool.id)?, preview)));
    FleetStatus {
        fleet: spec.id.clone(),
        mode: spec.mode,
        generation: inputs.state.generation,
        spec_version: inputs.spec_version,
        retiring: inputs.retiring,
        evaluated_at,
        pause: inputs.state.pause.clone().filter(|pause| pause.until > inputs.now),
        pools: pools.collect(),
        open_steps: inputs.state.open.iter().map(open_step).collect(),
        last_act: records.iter().find(|record| explain::is_act(record)).map(record_summary),
        last_hold: records.iter().find(|record| !explain::is_act(record)).map(record_summary),
        next_look: preview.decision.look_again_at,
        failover: traffic::status(spec, inputs, traffic),
        tuning: Vec::new(),
        findings: preview
            .decision
            .pools
            .values()
            .flat_map(|pool| &pool.findings)
            .map(ToString::to_string)
            .collect(),
    }
}

fn pool_status(pool: &PoolSpec, decided: &PoolDecision, preview: &Preview) -> PoolStatus {
    let counts = decided.counts;
    PoolStatus {
        id: pool.id.clone(),
        role: pool.role,
        min: pool.capacity.min,
        max: pool.capacity.max,
        desired: decided.before,
        in_service: counts.in_service,
        warming: counts.warming.saturating_add(counts.warming_serving),
        pending: counts.pending,
        in_flight: counts.in_flight,
        draining: counts.draining,
        unhealthy: counts.unhealthy,
        warm: counts.warm,
        preparing: counts.preparing,
        learned: learned(pool, preview),
        refresh: preview
            .decision
            .state
            .pools
            .get(&pool.id)
            .and_then(|state| state.refresh.as_ref())
            .and_then(|refresh| refresh_status(refresh, decided)),
        instances: instances(pool, preview),
    }
}

fn learned(pool: &PoolSpec, preview: &Preview) -> Vec<LearnedStatus> {
    let ratings = preview.decision.state.pools.get(&pool.id).map(|pool| &pool.ratings);
    let learning = pool.policies.iter().filter(|policy| policy.learning().is_some());
    let status = |policy: &Policy| {
        let rating = ratings.and_then(|ratings| ratings.get(&policy.id));
        LearnedStatus {
            policy: policy.id.clone(),
            instance_capacity: rating::learned(rating),
            hours: rating::hours(rating),
        }
    };
    learning.map(status).collect()
}

/// None where this look says nothing of it: it had ended before.
fn refresh_status(refresh: &Refresh, decided: &PoolDecision) -> Option<RefreshStatus> {
    let progress = |finding: &Finding| match finding {
        Finding::Refreshing { progress, .. } => Some(*progress),
        _ => None,
    };
    let Progress { replaced, total, phase } = decided.findings.iter().find_map(progress)?;
    let waits_until = match phase {
        RefreshPhase::Baking { until } => Some(until),
        RefreshPhase::Replacing | RefreshPhase::Paused | RefreshPhase::Complete => None,
    };
    let is_paused = phase == RefreshPhase::Paused;
    Some(RefreshStatus {
        state: match phase {
            RefreshPhase::Replacing => RefreshState::Replacing,
            RefreshPhase::Baking { .. } => RefreshState::Baking,
            RefreshPhase::Paused => RefreshState::Paused,
            RefreshPhase::Complete => RefreshState::Complete,
        },
        replaced,
        total,
        percent: replaced.saturating_mul(100).checked_div(total).unwrap_or(100),
        next_checkpoint: refresh.checkpoints.first().map(|share| share.0),
        waits_until,
        paused_by: refresh.last.as_ref().filter(|_| is_paused).map(|last| last.by.clone()),
        requested_at: refresh.requested_at,
        by: refresh.by.clone(),
        reason: refresh.reason.clone(),
        back_to: refresh.back.as_ref().map(|back| back.to.clone()),
    })
}

fn instances(pool: &PoolSpec, preview: &Preview) -> Vec<InstanceStatus> {
    let Preview { inputs, decision, .. } = preview;
    let listed: BTreeMap<&InstanceId, &Instance> = inputs
        .observation
        .instances
        .iter()
        .flatten()
        .map(|instance| (&instance.id, instance))
        .collect();
    let loaded = inputs.state.pools.get(&pool.id);
    let members = decision.state.pools.get(&pool.id).map(|pool| &pool.members);
    let status = |(id, member): (&InstanceId, &Member)| {
        let instance = listed.get(id).copied();
        // what this look would drain is not draining yet
        let leaving = loaded
            .and_then(|pool| pool.members.get(id))
            .is_some_and(|member| member.drain.is_some() || member.terminating_since.is_some());
        let phase = if leaving {
            gone(member, instance)
        } else {
            phase(id, member, instance, pool, inputs)
        }?;
        let (zone, instance_type) = instance
            .map(|instance| (instance.zone.clone(), instance.instance_type.clone()))
            .unzip();
        Some(InstanceStatus {
            id: id.clone(),
            phase,
            zone,
            instance_type,
        })
    };
    members.into_iter().flatten().filter_map(status).collect()
}

/// A leaving instance; none once it is gone.
fn gone(member: &Member, instance: Option<&Instance>) -> Option<Phase> {
    let gone = member.gone || instance.is_some_and(|instance| instance.state.is_gone());
    (!gone).then_some(Phase::Draining)
}

fn phase(id: &InstanceId, member: &Member, instance: Option<&Instance>, pool: &PoolSpec, inputs: &Inputs) -> Option<Phase> {
    if member.gone {
        return None;
    }
    let Some(instance) = instance else { return Some(Phase::Pending) };
    let rests = matches!(instance.state, InstanceState::Stopping | InstanceState::Stopped);
    match instance.state {
        _ if member.is_starting() && rests => Some(Phase::Pending),
        InstanceState::Stopping | InstanceState::Stopped if member.is_warm() => Some(Phase::Warm),
        InstanceState::Pending | InstanceState::Running if member.is_warm() => Some(Phase::Preparing),
        InstanceState::Pending => Some(Phase::Pending),
        InstanceState::Stopping | InstanceState::Stopped => Some(Phase::Stopped),
        InstanceState::ShuttingDown | InstanceState::Terminated => None,
        InstanceState::Running => Some(running(id, member, instance, pool, inputs)),
    }
}

fn running(id: &InstanceId, member: &Member, instance: &Instance, pool: &PoolSpec, inputs: &Inputs) -> Phase {
    let is_healthy = |group: &TargetGroupArn| match inputs.observation.targets.get(group) {
        Some(targets) => targets
            .iter()
            .any(|target| target.instance == *id && matches!(target.health, TargetHealth::Healthy | TargetHealth::Unchecked)),
        // a group that could not be read says nothing against an instance that served
        None => member.served_since.is_some(),
    };
    let warm = Seconds::between(instance.launched_at, inputs.now) >= pool.warmup;
    match (pool.target_groups.iter().all(is_healthy), warm) {
        (true, true) => Phase::InService,
        (false, _) if member.served_since.is_some() && member.unready.is_some() => Phase::Unhealthy,
        _ => Phase::Warming,
    }
}

fn open_step(open: &OpenStep) -> OpenStepStatus {
    OpenStepStatus {
        id: open.step.id.clone(),
        pool: open.step.pool.clone(),
        action: Action::kind(&open.step.action),
        text: crate::render::step::planned(&open.step),
        committed_at: open.committed_at,
    }
}

fn record_summary(record: &DecisionRecord) -> RecordSummary {
    RecordSummary {
        id: record.id.clone(),
        at: record.at,
        until: record.until,
        count: record.count,
        function: record.function.clone(),
        change: explain::changes(record),
        reason: explain::reason(record),
        summary: explain::summary(record),
    }
}
