//! What must hold in any situation, and along any history.

use std::collections::BTreeSet;

use ghostnet_core::audit::audit;
use ghostnet_core::decide::{Decision, decide};
use ghostnet_core::observation::InstanceState;
use ghostnet_core::plan::{Action, Step};
use ghostnet_core::reason::Finding;
use ghostnet_core::record::{Inputs, decision_digest};
use ghostnet_core::spec::{FleetMode, FleetSpec};
use ghostnet_core::state::DrainReason;
use proptest::prelude::*;

use crate::support::*;

fn any_situation(chance: &Chance) -> (FleetSpec, Inputs) {
    let tape = &mut chance.tape();
    let raw = any_spec(tape);
    (FleetSpec::check(&raw).unwrap(), any_inputs(tape, raw))
}

fn touched(decision: &Decision) -> BTreeSet<&str> {
    decision
        .plan
        .steps
        .iter()
        .flat_map(|step| step.action.instances())
        .map(|id| id.as_str())
        .collect()
}

/// What each step is about: an instance, or its registration in Cloud Map, which is another matter.
fn matters(decision: &Decision) -> BTreeSet<String> {
    let of = |step: &Step| {
        let service = match &step.action {
            Action::Announce { service, .. } | Action::Withdraw { service, .. } => format!("{service} "),
            _ => String::new(),
        };
        let ids = step.action.instances();
        ids.into_iter().map(|id| format!("{service}{id}")).collect::<Vec<_>>()
    };
    decision.plan.steps.iter().flat_map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn audit_finds_nothing_in_what_decide_produced(chance in Chance::below(600)) {
        let (spec, inputs) = any_situation(&chance);
        let situation = inputs.situation(&spec);
        let decision = decide(&situation);
        prop_assert_eq!(audit(&situation, &decision), [], "{:?}", steps(&decision));
    }

    #[test]
    fn the_same_situation_gives_the_same_decision_also_from_its_record(chance in Chance::below(600)) {
        let (spec, inputs) = any_situation(&chance);
        let decision = decide(&inputs.situation(&spec));
        prop_assert_eq!(&decide(&inputs.situation(&spec)), &decision);
        let back: Inputs = serde_json::from_str(&serde_json::to_string(&inputs).unwrap()).unwrap();
        prop_assert_eq!(&back, &inputs);
        let spec = FleetSpec::check(&back.spec).unwrap();
        prop_assert_eq!(decision_digest(&decide(&back.situation(&spec))).unwrap(), decision_digest(&decision).unwrap());
        let stored: Decision = serde_json::from_str(&serde_json::to_string(&decision).unwrap()).unwrap();
        prop_assert_eq!(&stored, &decision);
    }

    #[test]
    fn what_follows_from_a_decision_follows_again_from_nothing_new(chance in Chance::below(600)) {
        let (spec, mut inputs) = any_situation(&chance);
        // with two pools, one may launch into what the other has given up
        if spec.pools.len() > 1 {
            return Ok(());
        }
        inputs.signal = ghostnet_core::signal::Signal::Tick;
        let first = decide(&inputs.situation(&spec));
        // what a budget held back is for the next look; a window that opens with too few is answered by the policies
        // the spend cap counts what is to come at the dearest price, and what came at its own
        let limited = ["launch budget per tick", "removal window", "removal budget", "schedule", "spend cap"];
        if guards_of(&first).iter().any(|guard| limited.contains(guard)) {
            return Ok(());
        }
        inputs.state = first.state.clone();
        inputs.plan_id = ghostnet_core::id::PlanId::new("plan-next");
        let second = decide(&inputs.situation(&spec));
        // at the same moment, seeing the same: whatever was decided is under way and not decided again
        // the stock is filled once nothing else is to be done
        let launches = second.plan.steps.iter().filter(|step| step.action.brings() > 0).count();
        prop_assert_eq!(launches, 0, "{:?} {:?} {:?}", steps(&first), first.pools, second.pools);
        // strangers are taken in a few at a time: for the one that the next look takes in, one may be too many
        let told = || second.pools.values().flat_map(|pool| &pool.findings);
        let takes_in = told().any(|finding| matches!(finding, Finding::Adopted { .. }));
        let is_for_it = |id: &str| takes_in && told().any(|finding| matches!(finding, Finding::Drains { instance, why: DrainReason::ScaleIn } if instance.as_str() == id));
        let again: Vec<_> = matters(&second).intersection(&matters(&first)).filter(|id| !is_for_it(id)).cloned().collect();
        prop_assert_eq!(again, Vec::<String>::new(), "{:?} {:?} {:?} {:?}", steps(&first), steps(&second), first.pools, second.pools);
    }

    #[test]
    fn tokens_are_distinct_and_nobody_foreign_is_touched(chance in Chance::below(600)) {
        let (spec, inputs) = any_situation(&chance);
        let decision = decide(&inputs.situation(&spec));
        let tokens: Vec<&str> = decision.plan.steps.iter().filter_map(|step| if let Action::Launch(launch) = &step.action { Some(launch.token.as_str()) } else { None }).collect();
        prop_assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), tokens.len());
        let listed = inputs.observation.instances.iter().flatten().map(|instance| instance.id.as_str());
        let known = inputs.state.pools.values().flat_map(|pool| pool.members.keys()).map(|id| id.as_str());
        let ours: BTreeSet<&str> = listed.chain(known).collect();
        prop_assert!(touched(&decision).is_subset(&ours));
    }

    #[test]
    fn without_data_nothing_shrinks(chance in Chance::below(600)) {
        let tape = &mut chance.tape();
        let raw = any_spec(tape);
        let mut spec = FleetSpec::check(&raw).unwrap();
        let mut inputs = any_inputs(tape, raw);
        for series in inputs.observation.series.values_mut().flat_map(|series| series.values_mut()) {
            *series = no_series(tape);
        }
        // what bounds, windows and deletion take away needs no data
        (spec.maximum, inputs.retiring) = (1_000, false);
        inputs.signal = ghostnet_core::signal::Signal::Tick;
        for pool in inputs.state.pools.values_mut() {
            pool.asked = None;
        }
        for pool in &mut spec.pools {
            pool.capacity.max = 100;
            pool.policies.retain(|policy| policy.rule.measure().is_some());
        }
        let decision = decide(&inputs.situation(&spec));
        for pool in decision.pools.values() {
            prop_assert!(pool.after >= pool.before, "{pool:#?}");
        }
    }

    #[test]
    fn more_load_never_means_fewer(low in 0.0..1e6_f64, more in 0.0..1e6_f64, size in 0..200_u32, warming in 0..20_u32) {
        let vote = |value: f64| {
            let pool = Pool::tracked(json!({})).load(value).change(|pool| {
                pool.state.desired = size + warming;
                (pool.counts.in_service, pool.counts.warming) = (size, warming);
            });
            pool.vote().0
        };
        prop_assert!(vote(low) <= vote(low + more));
    }
}

/// One turn of a history: the world goes on, or goes wrong, and somebody looks.
fn turn(world: &mut World, tape: &mut Tape<'_>) {
    use ghostnet_core::observation::TargetHealth::{Draining, Healthy, Unhealthy};
    let ids: Vec<_> = world.instances.keys().cloned().collect();
    match tape.below(12) {
        0 | 1 => world.pass(60),
        2 => world.wait(20),
        3 => world.read("requests", f64::from(tape.below(300))),
        4 => world.loads.clear(),
        5 if !ids.is_empty() => {
            let id = tape.one_of(&ids);
            let health = tape.one_of(&[Healthy, Unhealthy]);
            // who has left its group does not come back by itself
            let targets = world.targets.entry("blue".into()).or_default();
            targets.entry(id).and_modify(|now| {
                if *now != Draining {
                    *now = health
                }
            });
        }
        6 if !ids.is_empty() => {
            let id = tape.one_of(&ids);
            world.instances.get_mut(&id).unwrap().state = InstanceState::Terminated;
            world.targets.entry("blue".into()).or_default().remove(&id);
        }
        7 if !ids.is_empty() => {
            let notice = spot_notice(world, &tape.one_of(&ids), tape.below(900));
            act(world, tape, notice);
        }
        8 => world.instances_known = !world.instances_known,
        9 => drop(if world.unreadable.is_empty() {
            world.unreadable.insert("blue".into())
        } else {
            world.unreadable.remove("blue")
        }),
        _ => act(world, tape, ghostnet_core::signal::Signal::Tick),
    }
}

/// Decides, commits, and carries out as much as fate allows: steps are lost, done without an answer, done in part.
fn act(world: &mut World, tape: &mut Tape<'_>, signal: ghostnet_core::signal::Signal) {
    use ghostnet_core::plan::StepOutcome;
    let decision = world.decide(signal);
    world.commit(&decision);
    for step in &decision.plan.steps {
        check_harmless(world, step);
        match (tape.below(8), &step.action) {
            (6, _) => {}
            (7, _) => drop(world.execute(step)),
            (5, Action::Launch(_)) => {
                let one = world.launch(step);
                world.tell(step, StepOutcome::Launched { instances: vec![one] });
            }
            (4, Action::Launch(_) | Action::Start { .. }) => world.tell(step, StepOutcome::NoCapacity { code: "no".into() }),
            _ => {
                let outcome = world.execute(step);
                world.tell(step, outcome);
            }
        }
    }
    let (max, surge) = (10, 1);
    let rests =
        |instance: &&ghostnet_core::observation::Instance| matches!(instance.state, InstanceState::Stopping | InstanceState::Stopped);
    let running = world.alive().len() - world.instances.values().filter(rests).count();
    assert!(running <= max + surge, "{running} run: {decision:#?}");
}

/// Nobody who may take requests is terminated.
fn check_harmless(world: &World, step: &Step) {
    use ghostnet_core::observation::TargetHealth::{Draining, InvalidState};
    let (Action::Terminate { instances } | Action::Stop { instances, .. }) = &step.action else {
        return;
    };
    for id in instances {
        let health = world.targets.get("blue").and_then(|targets| targets.get(id));
        assert!(
            health.is_none_or(|health| matches!(health, Draining | InvalidState)),
            "{id} is {health:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Whatever happened, once it stops happening the fleet comes to what is wanted, and then rests.
    #[test]
    fn after_any_history_the_fleet_settles(chance in Chance::below(240)) {
        let tape = &mut chance.tape();
        let warm = tape.maybe(2, |tape| json!({ "defaults": { "warm": { "size": 1 + tape.below(3), "return": tape.once_in(2), "max_age": "1d" } } }));
        let mut world = World::new(warm.unwrap_or_else(|| json!({})));
        world.read("requests", 80.0);
        for _ in 0..60 {
            turn(&mut world, tape);
        }
        (world.instances_known, world.unreadable) = (true, BTreeSet::new());
        for targets in world.targets.values_mut() {
            targets.values_mut().filter(|health| **health == ghostnet_core::observation::TargetHealth::Unhealthy).for_each(|health| *health = ghostnet_core::observation::TargetHealth::Initial);
        }
        world.read("requests", 100.0);
        world.minutes(40);
        let decision = world.decide(ghostnet_core::signal::Signal::Tick);
        let wanted = usize::try_from(blue(&decision).after).unwrap();
        let pool = &world.spec.pools[0];
        let learned = ghostnet_core::growth::learned(decision.state.pools[&pool.id].growth.as_ref(), pool.warmup);
        let kept = world.spec.pools[0].warm.map_or(0, |warm| warm.wanted(blue(&decision).after, 10, learned));
        prop_assert_eq!(counts(&decision).warm, kept, "{:#?}", decision);
        let kept = usize::try_from(kept).unwrap();
        prop_assert_eq!(world.alive().len(), wanted + kept, "{:#?}", decision);
        prop_assert_eq!(usize::try_from(counts(&decision).in_service).unwrap(), wanted, "{:#?}", decision);
        prop_assert!(world.open().is_empty());
        prop_assert!(!decision.changes(&world.inputs.state), "{:#?}", decision);
        prop_assert_eq!(world.spec.mode, FleetMode::On);
    }
}
