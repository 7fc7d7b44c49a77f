//! Decisions made wrong by hand: audit names what they would break. And the ones that only mend a breach: it lets them pass.

mod inputs;
mod launches;
mod leaving;
mod size;
mod steps;
mod stock;

use ghostnet_core::audit::audit;
use ghostnet_core::decide::{Decision, decide};
use ghostnet_core::id::{ClientToken, Generation, InstanceId, StepId};
use ghostnet_core::observation::{InstanceState, Market, TargetHealth};
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_core::plan::{Action, OpenStep, Step};
use ghostnet_core::rating::{Rating, kind};
use ghostnet_core::refresh::{LastAsked, Refresh, RefreshRequest};
use ghostnet_core::sample::Readings;
use ghostnet_core::signal::Signal;
use ghostnet_core::state::{Drain, DrainReason, Member, Pause, PoolState, Tally};
use ghostnet_core::unit::Seconds;

use crate::support::*;

/// A decision, and the world it was made in.
struct Case {
    world: World,
    decision: Decision,
}

impl Case {
    fn of(mut world: World) -> Self {
        let decision = world.decide(Signal::Tick);
        Self { world, decision }
    }

    /// Four serve, and nothing is to be done.
    fn calm() -> Self {
        Self::of(World::serving(4, json!({})))
    }

    /// Two are launched, in two steps.
    fn launching() -> Self {
        let mut world = World::serving(4, json!({}));
        world.read("requests", 145.0);
        Self::of(world)
    }

    /// One of six has drained and is to be terminated.
    fn terminating() -> Self {
        let mut world = World::serving(6, json!({ "guards": { "stabilisation": { "in": "0s" } } }));
        world.read("requests", 80.0);
        world.look();
        world.pass(60);
        Self::of(world)
    }

    /// One of six begins to drain.
    fn draining() -> Self {
        let mut world = World::serving(6, json!({ "guards": { "stabilisation": { "in": "0s" } } }));
        world.read("requests", 80.0);
        Self::of(world)
    }

    /// What audit finds after this change.
    fn after(mut self, change: impl FnOnce(&mut World, &mut Decision)) -> Vec<String> {
        change(&mut self.world, &mut self.decision);
        let situation = self.world.inputs.situation(&self.world.spec);
        audit(&situation, &self.decision)
            .into_iter()
            .map(|violation| violation.invariant)
            .collect()
    }
}

fn state(decision: &mut Decision) -> &mut PoolState {
    decision.state.pools.get_mut(&pool("blue")).unwrap()
}

fn drain(decision: &mut Decision, n: u32, why: DrainReason) {
    let id = InstanceId::new(format!("i-blue-{n:03}"));
    state(decision).members.get_mut(&id).unwrap().drain = Some(Drain {
        since: at(0).into(),
        deadline: at(300).into(),
        why,
    });
    decision.state.generation = Generation(1);
}

/// Its target group says that it fails.
fn accuse(world: &mut World, n: usize) {
    let targets = world.inputs.observation.targets.get_mut(&group("blue")).unwrap();
    targets[n].health = TargetHealth::Unhealthy;
}

/// A step that is on record, as decide leaves it.
fn add(decision: &mut Decision, action: Action) {
    let number = ghostnet_core::id::StepNumber(u16::try_from(decision.plan.steps.len()).unwrap());
    let step = Step {
        id: StepId {
            plan: decision.plan.id.clone(),
            number,
        },
        pool: pool("blue"),
        action,
    };
    let open = OpenStep {
        step: step.clone(),
        committed_at: at(0),
        execute_until: decision.plan.execute_until,
        taken_over: false,
    };
    decision.plan.steps.push(step);
    decision.state.open.push(open);
    decision.state.generation = Generation(1);
}

fn first_launch(decision: &mut Decision, change: impl Fn(&mut ghostnet_core::plan::Launch)) {
    for step in [&mut decision.plan.steps[0], &mut decision.state.open[0].step] {
        let Action::Launch(launch) = &mut step.action else {
            panic!("not a launch")
        };
        change(launch);
    }
}

fn instance(n: u32) -> Vec<InstanceId> {
    vec![InstanceId::new(format!("i-blue-{n:03}"))]
}

fn drained_member(world: &World) -> InstanceId {
    let members = &world.inputs.state.pools[&pool("blue")].members;
    members.iter().find(|(_, member)| member.drain.is_some()).unwrap().0.clone()
}

#[test]
fn what_decide_made_passes() {
    for case in [Case::calm(), Case::launching(), Case::terminating(), Case::draining()] {
        assert_eq!(case.after(|_, _| {}), Vec::<String>::new());
    }
}
