//! A side that is kept out while another one is let in: what capacity decisions make of it, and how it comes back.

use ghostnet_core::audit::audit;
use ghostnet_core::id::{InstanceId, Zone};
use ghostnet_core::observation::{InstanceState, Market, Offering, TargetHealth};
use ghostnet_core::plan::{Action, PlanBuilder};
use ghostnet_core::reason::Finding;
use ghostnet_core::signal::Signal;
use ghostnet_core::state::Fence;

use crate::support::*;

use super::sides::rule;

/// `blue` serves with three, and `green` stands by with three; `web` is a fleet whose blue side is kept out.
fn world(stop: bool) -> World {
    let mut world = World::serving(
        3,
        json!({
            "pools": [
                { "id": "blue", "target_groups": [group("blue").as_str()], "capacity": { "min": 3, "max": 6, "initial": 3 } },
                { "id": "green", "role": "standby", "target_groups": [group("green").as_str()], "capacity": { "min": 3, "max": 6, "initial": 3 } },
            ],
            "failover": { "mode": "hot_standby", "lever": { "listener_rules": [rule().as_str()] }, "fencing": { "stop": stop } },
        }),
    );
    world.minutes(12);
    world.inputs.traffic.fence = Some(Fence {
        pool: pool("blue"),
        since: world.now(),
        out: 0,
        of: 0,
        late: false,
        undo: false,
    });
    world
}

fn registered(world: &World, side: &str) -> usize {
    let stay = world.targets[side].values().filter(|health| **health != TargetHealth::Draining);
    stay.count()
}

fn in_state(world: &World, side: &str, state: InstanceState) -> usize {
    let here = world.instances.values().filter(|instance| instance.pool == Some(pool(side)));
    here.filter(|instance| instance.state == state).count()
}

#[test]
fn tick_takes_a_side_out_and_heals_nobody_of_it() {
    for stop in [false, true] {
        let mut world = world(stop);
        let decision = world.look();
        assert!(finds(&decision, |finding| *finding == Finding::KeptOut));
        world.minutes(8);
        assert_eq!((registered(&world, "blue"), registered(&world, "green")), (0, 3), "stop: {stop}");
        let stopped = in_state(&world, "blue", InstanceState::Stopped);
        assert_eq!(stopped, if stop { 3 } else { 0 });
        // one dies, and the load would ask for more
        let lost = world
            .instances
            .values_mut()
            .find(|instance| instance.pool == Some(pool("blue")))
            .unwrap();
        lost.state = InstanceState::Terminated;
        world.read("requests", 500.0);
        for decision in world.minutes(10) {
            let of_blue = decision.plan.steps.iter().filter(|step| step.pool == pool("blue"));
            let brings = of_blue.filter(|step| matches!(step.action, Action::Launch(_) | Action::Start { .. } | Action::Register { .. }));
            assert_eq!(brings.count(), 0, "stop: {stop}: {:?}", steps(&decision));
            assert_eq!(decision.pools[&pool("blue")].after, 3, "it keeps its size");
        }
        let all = world
            .instances
            .values()
            .filter(|instance| instance.pool == Some(pool("blue")))
            .count();
        assert_eq!(all, 3, "nobody was launched, and nobody terminated");
    }
}

#[test]
fn a_side_that_is_kept_out_no_longer_comes_back_with_the_same_instances() {
    for stop in [false, true] {
        let mut world = world(stop);
        let before: Vec<InstanceId> = world.instances.keys().cloned().collect();
        world.minutes(8);
        world.inputs.traffic.fence = None;
        world.minutes(10);
        assert_eq!(registered(&world, "blue"), 3, "stop: {stop}");
        let after: Vec<InstanceId> = world.instances.keys().cloned().collect();
        assert_eq!(before, after, "stop: {stop}");
        assert_eq!(in_state(&world, "blue", InstanceState::Running), 3, "stop: {stop}");
        let members = world.inputs.state.pools[&pool("blue")].members.values();
        assert!(members.clone().all(|member| member.warm.is_none()), "stop: {stop}");
    }
}

/// Called off before anybody was stopped: whoever runs comes back at once.
#[test]
fn who_was_not_stopped_yet_is_taken_in_again() {
    let mut world = world(true);
    world.look();
    world.inputs.traffic.fence = None;
    world.pass(10);
    let decision = world.look();
    let all: Vec<String> = steps(&decision);
    assert!(!all.iter().any(|step| step.contains("launch") || step.contains("stop")), "{all:?}");
    world.minutes(3);
    assert_eq!(
        (registered(&world, "blue"), in_state(&world, "blue", InstanceState::Running)),
        (3, 3)
    );
}

#[test]
fn a_fleet_that_is_deleted_lets_everybody_go() {
    let mut world = world(true);
    world.inputs.retiring = true;
    world.minutes(30);
    assert_eq!(
        (
            in_state(&world, "blue", InstanceState::Running),
            in_state(&world, "blue", InstanceState::Stopped)
        ),
        (0, 0)
    );
}

#[test]
fn audit_lets_nobody_come_to_a_side_that_is_kept_out() {
    let mut world = world(true);
    world.minutes(8);
    let id = world.instances.keys().find(|id| id.as_str().contains("blue")).unwrap().clone();
    let offering = Offering {
        zone: Zone::new("a"),
        instance_type: None,
        market: Market::OnDemand,
        reservation: None,
    };
    let register = Action::Register {
        group: group("blue"),
        instances: vec![id.clone()],
    };
    let start = Action::Start {
        instances: vec![id],
        offering,
    };
    for (action, invariant) in [(register, "I28"), (start, "I29")] {
        let mut decision = world.decide(Signal::Tick);
        let mut plan = PlanBuilder::new(world.inputs.plan_id.clone());
        plan.add(&pool("blue"), action);
        decision.plan = plan.build(Vec::new(), world.inputs.execute_until);
        let breaks = |world: &World| {
            let found = audit(&world.inputs.situation(&world.spec), &decision);
            found.iter().any(|violation| violation.invariant == invariant)
        };
        assert!(breaks(&world), "{invariant}");
        let mut open = world.clone();
        open.inputs.traffic.fence = None;
        assert!(!breaks(&open), "{invariant} where nobody is kept out");
    }
}
