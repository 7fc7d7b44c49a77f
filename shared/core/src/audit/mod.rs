//! Judges a decision against the invariants before anything is committed.
//!
//! It looks at what the plan *adds*, so that it can never freeze a fleet: a step that only reduces a breach passes. It
//! repeats no policy and trusts none: the checks are made from the situation, the plan and the next state alone. A
//! violation means that nothing is done, loudly.

mod balancing;
mod discovery;
mod health;
mod market;
mod membership;
mod pool;
mod size;
mod warm;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::decide::{Decision, Situation, in_force};
use crate::id::{ClientToken, InstanceId, PoolId, ServiceId, TargetGroupArn};
use crate::plan::{Action, STEPS_MAX, Step, WINDOW_MAX};
use crate::signal::{EVENT_AGE_MAX, Signal};
use crate::spec::{FleetMode, PoolSpec};
use crate::state::{CapacityState, DrainReason};
use crate::tuning;
use crate::unit::Seconds;

/// An invariant that a decision would break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The invariant, `I1` to `I29` of the architecture document.
    pub invariant: String,
    /// The pool.
    pub pool: Option<PoolId>,
    /// What would have happened.
    pub detail: String,
}

/// Every invariant that the decision would break; none if it may be committed.
#[must_use]
pub fn audit(situation: &Situation<'_>, decision: &Decision) -> Vec<Violation> {
    match in_force(situation, &tuning::in_force(situation)) {
        Some(spec) => audit_by(&Situation { spec: &spec, ..*situation }, decision),
        None => audit_by(situation, decision),
    }
}

fn audit_by(situation: &Situation<'_>, decision: &Decision) -> Vec<Violation> {
    let mut found = Found(Vec::new());
    judge_window(situation, decision, &mut found);
    judge_tokens(decision, &mut found);
    judge_order(situation, decision, &mut found);
    judge_fleet(situation, decision, &mut found);
    market::judge_calls(decision, &mut found);
    for pool in &situation.spec.pools {
        match pool::Judge::of(situation, decision, pool) {
            Some(judge) => judge.all(&mut found),
            None => found.add("I13", Some(pool), "the pool is missing from the decision"),
        }
    }
    found.0
}

struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, invariant: &str, pool: Option<&PoolSpec>, detail: impl Into<String>) {
        self.0.push(Violation {
            invariant: invariant.to_owned(),
            pool: pool.map(|pool| pool.id.clone()),
            detail: detail.into(),
        });
    }
}

/// I9 and I18: every step is on record, sent by one executor, in a window of its own, and only while acting is allowed.
fn judge_window(situation: &Situation<'_>, decision: &Decision, found: &mut Found) {
    let plan = &decision.plan;
    if plan.steps.len() > STEPS_MAX.saturating_mul(2) {
        found.add("I18", None, format!("{} steps in one plan", plan.steps.len()));
    }
    if plan.execute_until > WINDOW_MAX.after(situation.now) {
        found.add(
            "I18",
            None,
            format!("the execution window ends at {}, more than {WINDOW_MAX} ahead", plan.execute_until),
        );
    }
    if decision.changes(situation.state) && decision.state.generation != situation.state.generation.next() {
        found.add("I18", None, "a change without the next generation");
    }
    let quiet = matches!(situation.spec.mode, FleetMode::RecommendOnly | FleetMode::Paused);
    if !plan.steps.is_empty() && (quiet || decision.state.pause.is_some()) {
        found.add("I18", None, "steps would be sent although the fleet is paused or only recommends");
    }
    for step in &plan.steps {
        let on_record = decision
            .state
            .open
            .iter()
            .any(|open| open.step == *step && open.execute_until == plan.execute_until);
        if !on_record {
            found.add("I9", None, format!("{} would be sent without being on record", step.id));
        }
        let overdue = || {
            situation
                .state
                .open
                .iter()
                .any(|open| open.step.id == step.id && situation.now >= open.take_over_at())
        };
        if step.id.plan != plan.id && !overdue() {
            found.add(
                "I18",
                None,
                format!("{} would be sent again while its executor may still be at it", step.id),
            );
        }
    }
}

/// I8: one token for one launch, and EC2 takes it.
fn judge_tokens(decision: &Decision, found: &mut Found) {
    let mut tokens: BTreeMap<&ClientToken, &Step> = BTreeMap::new();
    for step in &decision.plan.steps {
        let Action::Launch(launch) = &step.action else { continue };
        if launch.token.as_str().len() > 64 || !launch.token.as_str().is_ascii() {
            found.add("I8", None, format!("the token of {} does not fit EC2", step.id));
        }
        if let Some(other) = tokens.insert(&launch.token, step) {
            found.add("I8", None, format!("{} and {} share a token", other.id, step.id));
        }
    }
}

/// I18: what an open step holds gets no other step, so that a take-over never undoes a later decision.
fn judge_order(situation: &Situation<'_>, decision: &Decision, found: &mut Found) {
    let mut held = Held::default();
    for open in decision.state.open.iter().filter(|open| open.step.id.plan != *situation.plan_id) {
        held.by(&open.step.action);
    }
    for step in decision.plan.steps.iter().filter(|step| step.id.plan == *situation.plan_id) {
        if let Some(group) = held.tuned(&step.action) {
            let detail = format!("{} would tune {group}, which another open step tunes", step.id);
            found.add("I18", None, detail);
        }
        if let Some(id) = held.conflict(&step.action) {
            found.add("I18", None, format!("{} would touch {id}, which another open step holds", step.id));
        }
        held.by(&step.action);
    }
}

/// What open steps hold.
#[derive(Default)]
struct Held<'a> {
    /// Whole instances: started, stopped or terminated.
    instances: BTreeSet<&'a InstanceId>,
    /// With the group, for (de)registrations: groups do not hold each other's targets.
    targets: BTreeSet<(&'a InstanceId, &'a TargetGroupArn)>,
    /// With the service, for registrations in Cloud Map.
    registrations: BTreeSet<(&'a InstanceId, &'a ServiceId)>,
    tagged: BTreeSet<&'a InstanceId>,
    /// Groups whose attributes are set: nobody else's business.
    groups: BTreeSet<&'a TargetGroupArn>,
    any: BTreeSet<&'a InstanceId>,
}

impl<'a> Held<'a> {
    fn by(&mut self, action: &'a Action) {
        self.any.extend(action.instances());
        match action {
            Action::Launch(_) => {}
            Action::Tune { group, .. } => drop(self.groups.insert(group)),
            Action::Start { instances, .. } | Action::Stop { instances, .. } | Action::Terminate { instances } => {
                self.instances.extend(instances);
            }
            Action::Tag { instances, .. } => self.tagged.extend(instances),
            Action::Register { group, instances } | Action::Deregister { group, instances } => {
                self.targets.extend(instances.iter().map(|id| (id, group)));
            }
            Action::Announce { service, .. } | Action::Withdraw { service, .. } => {
                self.registrations.extend(action.instances().into_iter().map(|id| (id, service)));
            }
        }
    }

    fn tuned(&self, action: &'a Action) -> Option<&'a TargetGroupArn> {
        match action {
            Action::Tune { group, .. } => Some(group).filter(|group| self.groups.contains(group)),
            _ => None,
        }
    }

    fn conflict(&self, action: &'a Action) -> Option<&'a InstanceId> {
        let holds = |id: &&InstanceId| match action {
            Action::Launch(_) | Action::Tune { .. } => false,
            Action::Start { .. } | Action::Stop { .. } | Action::Terminate { .. } => self.any.contains(*id),
            Action::Tag { .. } => self.instances.contains(*id) || self.tagged.contains(*id),
            Action::Register { group, .. } | Action::Deregister { group, .. } => {
                self.instances.contains(*id) || self.targets.contains(&(*id, group))
            }
            Action::Announce { service, .. } | Action::Withdraw { service, .. } => {
                self.instances.contains(*id) || self.registrations.contains(&(*id, service))
            }
        };
        action.instances().into_iter().find(holds)
    }
}

/// I2 over all pools, and I15.
fn judge_fleet(situation: &Situation<'_>, decision: &Decision, found: &mut Found) {
    let launches = || {
        decision.plan.steps.iter().filter_map(|step| {
            if let Action::Launch(launch) = &step.action {
                Some((step, launch))
            } else {
                None
            }
        })
    };
    let new = |warm: bool| {
        let new = launches().filter(|(step, launch)| step.id.plan == decision.plan.id && launch.warm == warm);
        new.map(|(_, launch)| launch.count).fold(0, u32::saturating_add)
    };
    let starts = decision.plan.steps.iter().filter(|step| step.id.plan == decision.plan.id);
    let starts = starts.filter(|step| matches!(step.action, Action::Start { .. }));
    let started = starts.map(|step| step.action.brings()).fold(0, u32::saturating_add);
    let sum =
        |of: fn(&crate::decide::CapacityCount) -> u32| decision.pools.values().map(|pool| of(&pool.counts)).fold(0, u32::saturating_add);
    let there = sum(crate::decide::CapacityCount::lasting);
    let maximum = situation.spec.maximum;
    let running = there.saturating_add(sum(|counts| counts.preparing)).saturating_add(new(true));
    if new(true) > 0 && running > maximum {
        let detail = format!("launches for the warm stock would make {running} instances in the fleet, above its maximum {maximum}");
        found.add("I2", None, detail);
    }
    let fleet = there.saturating_add(new(false)).saturating_add(started);
    let grows = launches().any(|(_, launch)| !launch.warm) || started > 0;
    if grows && fleet > maximum {
        found.add(
            "I2",
            None,
            format!("launches would make {fleet} instances in the fleet, above its maximum {maximum}"),
        );
    }
    if let Signal::Interruption(notice) = situation.signal {
        let old = Seconds::between(notice.at, situation.now) > EVENT_AGE_MAX;
        let interrupted = |state: &CapacityState| {
            let members = || state.pools.values().filter_map(|pool| pool.members.get(&notice.instance)?.drain);
            members().any(|drain| drain.why == DrainReason::Interrupted)
        };
        if old && interrupted(&decision.state) && !interrupted(situation.state) {
            let detail = format!("{} would leave because of a notice from {}", notice.instance, notice.at);
            found.add("I15", None, detail);
        }
    }
}
