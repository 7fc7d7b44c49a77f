//! The model decides with the code itself: a situation of the model becomes one of `ghostnet_core`, its own `merge`, `decide`
//! and `audit` are called, and the answer becomes one of the model again.
//!
//! What the model does not keep (health clocks, budgets, the last hold) is the same in every situation, and set so that it
//! stands aside.

pub(crate) mod rules;
mod words;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use ghostnet_core::audit::audit;
use ghostnet_core::decide::{Decision, Situation, decide};
use ghostnet_core::id::{Generation, InstallationId, PlanId, PoolId, SpecVersion, StepId, TargetGroupArn};
use ghostnet_core::observation::{InstanceState, Observation, Target, TargetHealth};
use ghostnet_core::plan::{Action, OpenStep};
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::{FleetSpec, RawFleetSpec, Resolved};
use ghostnet_core::state::{CapacityState, PoolState, RecordedOutcome, TrafficState};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::model::invocation::Look;
use crate::model::table::{Kind, Members, Open, SLOTS, Slots, Step};
use crate::model::ticks::Ticks;
use crate::search::mix::BuildMix;
use rules::{Rule, Rules};
use words::{ZONES, action, at, core_member, instance_id, kind, launch_id, listed, model_member, outcome, slots_of, step_id, ticks};

/// What a decision depends on. Moments are on the clock of who decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) members: Members,
    /// Open steps, with the outcomes that were loaded beside them.
    pub(crate) open: Vec<Open>,
    pub(crate) look: Look,
    pub(crate) until: Ticks,
    pub(crate) strangers: Slots,
    /// Slots for new launches.
    pub(crate) free: Slots,
}

/// What was decided.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) members: Members,
    /// Open steps after the commit, each with its place before it.
    pub(crate) open: Vec<(Open, Option<usize>)>,
    /// What to send, by place in `open`.
    pub(crate) plan: Vec<usize>,
    /// Whether there is anything to commit.
    pub(crate) changes: bool,
    /// What `audit` says against it.
    pub(crate) violations: Vec<String>,
    /// It launches more than the model has slots for: a history is not followed beyond that.
    pub(crate) beyond: bool,
}

/// The core, and what it answered so far.
pub(crate) struct Mirror {
    rules: Rules,
    installation: InstallationId,
    spec: FleetSpec,
    resolved: Resolved,
    traffic: TrafficState,
    pool: PoolId,
    group: TargetGroupArn,
    /// Of the decision that is made; the second one only where a rule is taken out.
    plans: [PlanId; 2],
    answers: RefCell<HashMap<Question, Rc<Answer>, BuildMix>>,
}

impl Mirror {
    pub(crate) fn new(rules: Rules) -> Self {
        let group = TargetGroupArn::new("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef");
        // every guard that is not part of the protocol stands aside
        let raw: RawFleetSpec = serde_json::from_value(json!({
            "fleet": "web",
            "defaults": {
                "capacity": { "min": 0, "max": 8 },
                "launch": { "template": { "name": "web" }, "subnets": ZONES.map(words::subnet), "instance_types": ["c7a.large"] },
                "warmup": "0s",
            },
            "pools": [{ "id": "blue", "target_groups": [group] }],
            "policies": [],
            "guards": { "budgets": { "removal": { "per_tick": "100%" } }, "cooldown": { "in": "0s", "out": "0s" } },
        }))
        .unwrap();
        let spec = FleetSpec::check(&raw).unwrap();
        Self {
            rules,
            installation: InstallationId::new("ours"),
            resolved: Resolved {
                zones: ZONES.map(|zone| (words::subnet(zone), words::zone(zone))).into(),
                ..Resolved::default()
            },
            traffic: TrafficState::first(&spec).unwrap(),
            pool: spec.pools[0].id.clone(),
            spec,
            group,
            plans: ["new", "new-again"].map(PlanId::new),
            answers: RefCell::default(),
        }
    }

    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        self.rules.keeps(rule)
    }

    pub(crate) fn are_calmed(&self) -> bool {
        self.rules.are_calmed()
    }

    /// How many different decisions were asked for.
    pub(crate) fn decisions(&self) -> usize {
        self.answers.borrow().len()
    }

    /// What the core decides. Equal questions have equal answers, so each is asked once.
    pub(crate) fn ask(&self, question: &Question) -> Rc<Answer> {
        if let Some(answer) = self.answers.borrow().get(question) {
            return Rc::clone(answer);
        }
        let answer = Rc::new(self.decide(question));
        self.answers.borrow_mut().insert(question.clone(), Rc::clone(&answer));
        answer
    }

    fn decide(&self, question: &Question) -> Answer {
        let mut state = self.state(question);
        state.merge(&self.outcomes(question));
        let loaded = state.clone();
        let observation = self.observation(question);
        let until = at(question.until);
        let windows = self.rules.change_state(&mut state, &observation, at(0));
        let situation = self.situation(&state, &observation, until, &self.plans[0]);
        let mut decision = decide(&situation);
        if !self.rules.keeps(Rule::DrainedAsLoaded) {
            // the state as decided stands in for the state as loaded, and the same look for a later one
            let later = Observation {
                observed_at: at(1),
                ..observation.clone()
            };
            let second = decide(&self.situation(&decision.state, &later, until, &self.plans[1]));
            decision.state = second.state;
            decision.plan.steps.extend(second.plan.steps);
        }
        self.rules.change_decision(&mut decision, &windows, &observation, at(0));
        let violations = self.objections(&self.situation(&loaded, &observation, until, &self.plans[0]), &decision);
        self.answer(question, &decision, violations)
    }

    /// What `audit` says against a decision, by the state as it was loaded and not as a missing rule makes it.
    fn objections(&self, loaded: &Situation<'_>, decision: &Decision) -> Vec<String> {
        if !self.rules.are_audited() {
            return Vec::new();
        }
        let told = audit(loaded, decision).into_iter();
        told.map(|violation| format!("{} {}", violation.invariant, violation.detail))
            .collect()
    }

    fn situation<'a>(
        &'a self,
        state: &'a CapacityState,
        observation: &'a Observation,
        until: Timestamp,
        plan_id: &'a PlanId,
    ) -> Situation<'a> {
        Situation {
            installation: &self.installation,
            spec: &self.spec,
            spec_version: SpecVersion(1),
            resolved: &self.resolved,
            retiring: false,
            state,
            traffic: &self.traffic,
            observation,
            signal: &Signal::Tick,
            now: at(0),
            execute_until: until,
            plan_id,
        }
    }

    /// The state as it was loaded. Its wish is the look's: what policies make of a look is not the model's business.
    fn state(&self, question: &Question) -> CapacityState {
        let mut state = CapacityState::new(&self.spec, at(0) - SignedDuration::from_hours(24));
        let members = (0..SLOTS).filter_map(|slot| Some((instance_id(slot), core_member(&question.members[slot]?))));
        let pool = PoolState {
            desired: question.look.wish,
            groups: [self.group.clone()].into(),
            members: members.collect(),
            ..PoolState::default()
        };
        state.generation = Generation(1);
        state.pools.insert(self.pool.clone(), pool);
        let open = question.open.iter().enumerate();
        state.open = open.map(|(place, open)| self.open_step(place, open)).collect();
        state
    }

    fn open_step(&self, place: usize, open: &Open) -> OpenStep {
        OpenStep {
            step: ghostnet_core::plan::Step {
                id: step_id(place, open.step),
                pool: self.pool.clone(),
                action: action(open.step, &self.group, &self.spec.pools[0].launch.template),
            },
            committed_at: at(open.committed),
            execute_until: at(open.until),
            taken_over: open.again && self.rules.keeps(Rule::RefusedOnce),
        }
    }

    /// What `load` finds beside the state.
    fn outcomes(&self, question: &Question) -> BTreeMap<StepId, RecordedOutcome> {
        let recorded = |(place, open): (usize, &Open)| {
            let outcome = outcome(open.outcome?, open.step);
            Some((step_id(place, open.step), RecordedOutcome { outcome, at: at(0) }))
        };
        question.open.iter().enumerate().filter_map(recorded).collect()
    }

    fn observation(&self, question: &Question) -> Observation {
        let look = self.shown(question);
        let launched_by = |slot| (!question.strangers.has(slot)).then(|| launch_id(slot));
        let instances =
            |slots: Slots, state: InstanceState| slots.iter().map(move |slot| listed(slot, state, &self.pool, launched_by(slot)));
        // no listener uses the group, so nobody is checked: being registered is all that health says
        let target = |slot| Target {
            instance: instance_id(slot),
            health: TargetHealth::Unchecked,
            shifted: false,
        };
        let mut all: Vec<_> = instances(look.running, InstanceState::Running)
            .chain(instances(look.ended, InstanceState::Terminated))
            .collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        let mut observation = Observation::unknown(at(look.at));
        observation.instances = Some(all);
        observation
            .targets
            .insert(self.group.clone(), look.registered.iter().map(target).collect());
        observation.recorded_plans = (0..SLOTS).map(|slot| launch_id(slot).plan).collect();
        observation
    }

    /// What the look shows; without the rule against it, every launch as if it had happened.
    fn shown(&self, question: &Question) -> Look {
        let look = question.look;
        if self.rules.keeps(Rule::SeenBeforeItCounts) {
            return look;
        }
        let launches = question.open.iter().filter(|open| open.step.is(Kind::Launch));
        let all = launches.fold(look.running, |all, open| all.or(open.step.slots));
        Look {
            running: all.without(look.ended),
            ..look
        }
    }

    fn answer(&self, question: &Question, decision: &Decision, violations: Vec<String>) -> Answer {
        let pool = &decision.state.pools[&self.pool];
        let mut answer = Answer {
            members: std::array::from_fn(|slot| pool.members.get(&instance_id(slot)).map(model_member)),
            violations,
            ..Answer::default()
        };
        let mut free = question.free.iter();
        for core in &decision.state.open {
            let sent = decision.plan.steps.iter().any(|step| step.id == core.step.id);
            let (open, before) = model_open(question, core, sent, &mut free);
            answer.plan.extend(sent.then_some(answer.open.len()));
            answer.beyond |= open.step.slots.is_empty();
            answer.open.push((open, before));
        }
        let same = |(open, before): &(Open, Option<usize>)| before.is_some_and(|before| question.open[before] == *open);
        let unchanged = answer.members == question.members && answer.open.len() == question.open.len() && answer.open.iter().all(same);
        answer.changes = !unchanged || !answer.plan.is_empty();
        answer
    }
}

/// An open step after the commit, and its place before it. A new launch takes the next free slot, if there is one.
fn model_open(question: &Question, open: &OpenStep, sent: bool, free: &mut impl Iterator<Item = usize>) -> (Open, Option<usize>) {
    let is = |place: &usize| open.step.id == step_id(*place, question.open[*place].step);
    let before = (0..question.open.len()).find(is);
    let slots = match (&open.step.action, before) {
        (Action::Launch(_), Some(before)) => question.open[before].step.slots,
        (Action::Launch(launch), None) => free.next().filter(|_| launch.count == 1).map(Slots::one).unwrap_or_default(),
        (action, _) => slots_of(&action.instances().into_iter().cloned().collect::<Vec<_>>()),
    };
    let step = Step {
        kind: kind(&open.step.action),
        slots,
    };
    let open = Open {
        step,
        committed: if step.is(Kind::Launch) { ticks(open.committed_at) } else { 0 },
        until: ticks(open.execute_until),
        again: before.is_some_and(|before| sent || question.open[before].again),
        outcome: None,
    };
    (open, before)
}
