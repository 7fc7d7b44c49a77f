//! Judges a decision against the invariants before anything is committed.
//!
//! It looks at what the plan *adds*, so that it can never freeze a fleet: a step that only reduces a breach passes. It
//! repeats no policy and trusts none: the checks are made from the situation, the plan and the next state alone. A
//! violation means that nothing is done, loudly.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::budget;
use crate::decide::{Decision, PoolDecision, Situation, open_windows, surge};
use crate::id::{ClientToken, InstanceId, PoolId};
use crate::observation::{InstanceState, TargetHealth};
use crate::plan::{Action, STEPS_MAX, Step, WINDOW_MAX};
use crate::reason::{Guard, VoteReason};
use crate::spec::{PoolSpec, Rule};
use crate::state::{DrainReason, PoolState};

/// An invariant that a decision would break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The invariant, `I1` to `I18` of the architecture document.
    pub invariant: String,
    /// The pool.
    pub pool: Option<PoolId>,
    /// What would have happened.
    pub detail: String,
}

/// Every invariant that the decision would break; none if it may be committed.
#[must_use]
pub fn audit(situation: &Situation<'_>, decision: &Decision) -> Vec<Violation> {
    let mut found = Found(Vec::new());
    audit_plan(situation, decision, &mut found);
    for pool in &situation.spec.pools {
        let (Some(decided), Some(next)) = (decision.pools.get(&pool.id), decision.state.pools.get(&pool.id)) else {
            found.add("I13", Some(pool), "the pool is missing from the decision");
            continue;
        };
        let judge = Judge {
            situation,
            decision,
            pool,
            decided,
            next,
            loaded: situation.state.pools.get(&pool.id),
        };
        judge.ceiling(&mut found);
        judge.floor(&mut found);
        judge.removal_budget(&mut found);
        judge.terminations(&mut found);
        judge.evidence(&mut found);
        judge.launches_per_hour(&mut found);
        judge.ownership(&mut found);
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

/// I8, I18 and the limits of a plan.
fn audit_plan(situation: &Situation<'_>, decision: &Decision, found: &mut Found) {
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
    let mut tokens: BTreeMap<&ClientToken, &Step> = BTreeMap::new();
    for step in &plan.steps {
        if let Action::Launch(launch) = &step.action {
            if launch.token.as_str().len() > 64 || !launch.token.as_str().is_ascii() {
                found.add("I8", None, format!("the token of {} does not fit EC2", step.id));
            }
            if let Some(other) = tokens.insert(&launch.token, step) {
                found.add("I8", None, format!("{} and {} share a token", other.id, step.id));
            }
        }
        let open = decision
            .state
            .open
            .iter()
            .any(|open| open.step == *step && open.execute_until == plan.execute_until);
        if !open {
            found.add("I9", None, format!("{} would be sent without being on record", step.id));
        }
    }
    if decision.changes(situation.state) && decision.state.generation != situation.state.generation.next() {
        found.add("I18", None, "a change without the next generation");
    }
}

struct Judge<'a> {
    situation: &'a Situation<'a>,
    decision: &'a Decision,
    pool: &'a PoolSpec,
    decided: &'a PoolDecision,
    next: &'a PoolState,
    loaded: Option<&'a PoolState>,
}

impl Judge<'_> {
    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.decision.plan.steps.iter().filter(|step| step.pool == self.pool.id)
    }

    /// Instances that new launches ask for; a launch that is sent again is counted in flight already.
    fn launching(&self) -> u32 {
        let new = self.steps().filter(|step| step.id.plan == self.decision.plan.id);
        new.filter_map(|step| {
            if let Action::Launch(launch) = &step.action {
                Some(launch.count)
            } else {
                None
            }
        })
        .fold(0, u32::saturating_add)
    }

    /// The pool's bounds, as open windows move them.
    fn bounds(&self) -> (u32, u32) {
        let windows = open_windows(self.pool, self.situation.now);
        let open = self
            .pool
            .policies
            .iter()
            .filter(|policy| windows.contains_key(&policy.id))
            .filter_map(|policy| match &policy.rule {
                Rule::Scheduled(scheduled) => Some(scheduled),
                _ => None,
            });
        let (min, max) = open.fold((None, None), |(min, max), window| (window.min.max(min), window.max.max(max)));
        let max = max.unwrap_or(self.pool.capacity.max);
        (min.unwrap_or(self.pool.capacity.min).min(max), max)
    }

    /// I2: in service, pending and in flight stay within the maximum; with draining ones and replacements, within the surge.
    fn ceiling(&self, found: &mut Found) {
        let launching = self.launching();
        if launching == 0 {
            return;
        }
        let (_, max) = self.bounds();
        let capacity = self.decided.counts.capacity().saturating_add(launching);
        if capacity > max {
            found.add(
                "I2",
                Some(self.pool),
                format!("{launching} launches would make {capacity} instances, above the maximum {max}"),
            );
        }
        let all = self.decided.counts.all().saturating_add(launching);
        if all > max.saturating_add(surge(max)) {
            found.add(
                "I2",
                Some(self.pool),
                format!("{launching} launches would make {all} instances in all, above maximum and surge"),
            );
        }
        let fleet = self
            .decision
            .pools
            .values()
            .map(|pool| pool.counts.capacity())
            .fold(launching, u32::saturating_add);
        if fleet > self.situation.spec.maximum {
            found.add(
                "I2",
                Some(self.pool),
                format!(
                    "{launching} launches would make {fleet} in the fleet, above its maximum {}",
                    self.situation.spec.maximum
                ),
            );
        }
    }

    /// Members that this decision begins to drain.
    fn drained(&self) -> Vec<(&InstanceId, DrainReason)> {
        let before = |id: &InstanceId| {
            self.loaded
                .and_then(|loaded| loaded.members.get(id))
                .is_some_and(|member| member.drain.is_some())
        };
        let now = |id: &InstanceId| self.next.members.get(id).and_then(|member| member.drain).map(|drain| drain.why);
        self.next
            .members
            .keys()
            .filter(|id| !before(id))
            .filter_map(|id| now(id).map(|why| (id, why)))
            .collect()
    }

    /// I3: not below the minimum by our own act. Sick and interrupted instances were lost before we drain them.
    fn floor(&self, found: &mut Found) {
        if self.situation.retiring {
            return;
        }
        let (min, _) = self.bounds();
        let removed = self.drained().iter().filter(|(_, why)| *why == DrainReason::ScaleIn).count();
        let left = self
            .decided
            .counts
            .capacity()
            .saturating_sub(u32::try_from(removed).unwrap_or(u32::MAX));
        if removed > 0 && left < min {
            found.add(
                "I3",
                Some(self.pool),
                format!("removing {removed} would leave {left}, below the minimum {min}"),
            );
        }
    }

    /// I3: removals within the budget.
    fn removal_budget(&self, found: &mut Found) {
        let Some(loaded) = self.loaded.filter(|_| !self.situation.retiring) else {
            return;
        };
        let removed = self.drained().iter().filter(|(_, why)| *why != DrainReason::Interrupted).count();
        // the budget follows the size: the larger of before and after, so that one decision may use what it just allowed
        let sized = if self.next.desired > loaded.desired { self.next } else { loaded };
        let at_size = PoolState {
            desired: sized.desired,
            removals: loaded.removals.clone(),
            ..PoolState::default()
        };
        let (left, _) = budget::removals_left(&self.pool.guards, &at_size, at_size.desired, self.situation.now);
        if removed > usize::try_from(left).unwrap_or(usize::MAX) {
            found.add(
                "I3",
                Some(self.pool),
                format!("{removed} removals are more than the {left} that the budget leaves"),
            );
        }
    }

    /// I4: drain recorded in the state as loaded, out of every group that was read, seen by a second look.
    fn terminations(&self, found: &mut Found) {
        for step in self.steps() {
            let Action::Terminate { instances } = &step.action else { continue };
            // a terminate that is sent again was judged when it was committed, and is irrevocable
            if step.id.plan != self.decision.plan.id {
                continue;
            }
            for id in instances {
                let drain = self
                    .loaded
                    .and_then(|loaded| loaded.members.get(id))
                    .and_then(|member| member.drain);
                match drain {
                    None => found.add("I4", Some(self.pool), format!("{id} would be terminated without a recorded drain")),
                    Some(drain) if self.situation.observation.observed_at <= drain.since => {
                        found.add("I4", Some(self.pool), format!("{id} would be terminated without a second look"));
                    }
                    Some(_) if self.still_serves(id) => {
                        found.add(
                            "I4",
                            Some(self.pool),
                            format!("{id} would be terminated while it is registered, or may be"),
                        );
                    }
                    Some(_) => {}
                }
            }
        }
    }

    fn still_serves(&self, id: &InstanceId) -> bool {
        self.next
            .all_groups(self.pool)
            .any(|group| match self.situation.observation.targets.get(group) {
                None => true,
                Some(targets) => targets
                    .iter()
                    .any(|target| target.instance == *id && !matches!(target.health, TargetHealth::Draining | TargetHealth::InvalidState)),
            })
    }

    /// I5: a vote for fewer rests on a fresh, complete value.
    fn evidence(&self, found: &mut Found) {
        let before = self.decided.before;
        if self.decided.after >= before
            || self.situation.retiring
            || self.decided.guards.iter().any(|outcome| {
                matches!(
                    outcome.guard,
                    Guard::Range { .. } | Guard::FleetMaximum { .. } | Guard::Schedule { .. }
                )
            })
        {
            return;
        }
        for vote in self
            .decided
            .votes
            .iter()
            .filter(|vote| vote.capacity.is_some_and(|capacity| capacity < before))
        {
            if !matches!(vote.reason, VoteReason::Tracked { .. } | VoteReason::InBand { .. }) {
                found.add(
                    "I5",
                    Some(self.pool),
                    format!("`{}` would remove without a fresh value: {}", vote.policy, vote.reason),
                );
            }
        }
        if !self
            .decided
            .votes
            .iter()
            .any(|vote| vote.capacity.is_some_and(|capacity| capacity < before))
        {
            found.add(
                "I5",
                Some(self.pool),
                format!("{before} would become {} though no policy asks for fewer", self.decided.after),
            );
        }
    }

    /// I16: launches per hour, whatever the errors.
    fn launches_per_hour(&self, found: &mut Found) {
        let launching = self.launching();
        let Some(loaded) = self.loaded.filter(|_| launching > 0) else {
            return;
        };
        let limit = self.pool.guards.launch_per_hour;
        let horizon = budget::HOUR.before(self.situation.now);
        let before = loaded
            .launches
            .iter()
            .filter(|tally| tally.at > horizon)
            .map(|tally| tally.count)
            .fold(0, u32::saturating_add);
        if before.saturating_add(launching) > limit {
            found.add(
                "I16",
                Some(self.pool),
                format!("{launching} launches after {before} within the hour are more than {limit}"),
            );
        }
    }

    /// I17: only members of this pool are touched; deregistered besides them are only our own instances that are gone.
    fn ownership(&self, found: &mut Found) {
        let gone: BTreeSet<&InstanceId> = self
            .situation
            .observation
            .instances
            .iter()
            .flatten()
            .filter(|instance| matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated))
            .map(|instance| &instance.id)
            .collect();
        for step in self.steps() {
            for id in step.action.instances() {
                let member = self.next.members.contains_key(id) || self.loaded.is_some_and(|loaded| loaded.members.contains_key(id));
                let ghost = matches!(step.action, Action::Deregister { .. }) && gone.contains(id);
                if !(member || ghost) {
                    found.add(
                        "I17",
                        Some(self.pool),
                        format!("{} would touch {id}, which is not a member", step.id),
                    );
                }
            }
        }
    }
}
