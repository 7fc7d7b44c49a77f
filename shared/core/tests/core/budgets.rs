//! Tallies of launches and removals: what counts, what is given back, what is forgotten.

use std::collections::BTreeMap;

use ghostnet_core::budget::{HOUR, TICK, launches_left, note, note_window_removals, removals_left, window_removals_left};
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_core::plan::{Action, Refusal, StepOutcome};
use ghostnet_core::reason::Finding;
use ghostnet_core::signal::Signal;
use ghostnet_core::state::{PoolState, RecordedOutcome, Tally};

use crate::support::*;

fn tally(at_second: i64, count: u32) -> Tally {
    Tally { at: at(at_second), count }
}

#[test]
fn notes_of_one_moment_add_up_and_old_ones_go() {
    let mut tallies = vec![tally(-61, 5), tally(-59, 2)];
    note(&mut tallies, 0, TICK, at(0));
    assert_eq!(tallies.len(), 2, "nothing happened, nothing is touched");
    note(&mut tallies, 3, TICK, at(0));
    note(&mut tallies, 1, TICK, at(0));
    assert_eq!(tallies, [tally(-59, 2), tally(0, 4)]);
}

#[test]
fn a_clock_that_ran_ahead_counts() {
    let guards = spec(json!({})).pools[0].guards;
    let state = PoolState {
        launches: vec![tally(5, 1)],
        removals: vec![tally(5, 1)],
        ..PoolState::default()
    };
    assert_eq!(launches_left(&guards, &state, 2, at(0)).0, 3);
    assert_eq!(removals_left(&guards, &state, 2, at(0)).0, 0);
    assert!(HOUR > TICK);
}

/// A window has opened by one clock and somebody has left in it; then somebody leaves by a clock by which it has not.
#[test]
fn a_window_that_is_open_by_one_clock_is_not_forgotten_by_another() {
    for (situation, windows, before) in [
        (
            "one closes as another opens",
            json!([{ "cron": "0 8 * * *", "for": "4h", "max": 5 }, { "cron": "0 12 * * *", "for": "4h", "max": 2 }]),
            Some(4),
        ),
        (
            "none was open before",
            json!([{ "cron": "0 12 * * *", "for": "4h", "max": 2 }]),
            None,
        ),
    ] {
        let spec = spec(json!({ "guards": { "budgets": { "removal": { "windows": windows } } } }));
        let (behind, ahead) = (spec.open_removal_windows(at(-5)), spec.open_removal_windows(at(3)));
        let mut state = PoolState::default();
        note_window_removals(&ahead, &mut state, 2);
        note_window_removals(&behind, &mut state, 1);
        let left = |open| window_removals_left(open, &state).map(|(left, _)| left);
        assert_eq!([left(&behind), left(&ahead)], [before, Some(0)], "{situation}");
    }
}

#[test]
fn launches_that_did_not_happen_give_their_budget_back() {
    let refused = |class| StepOutcome::Refused {
        class,
        code: "Code".into(),
        message: "no".into(),
    };
    for (situation, outcome, left, waits) in [
        (
            "all of them",
            StepOutcome::Launched {
                instances: (0..3).map(|n| format!("i-{n}")).map(ghostnet_core::id::InstanceId::new).collect(),
            },
            3,
            None,
        ),
        (
            "a part",
            StepOutcome::Launched {
                instances: vec![ghostnet_core::id::InstanceId::new("i-1")],
            },
            1,
            None,
        ),
        (
            "no capacity",
            StepOutcome::NoCapacity {
                code: "InsufficientInstanceCapacity".into(),
            },
            0,
            None,
        ),
        ("not sent", StepOutcome::NotSent, 0, None),
        ("a quota", refused(Refusal::Quota), 0, Some(300)),
        ("a wrong template", refused(Refusal::Configuration), 0, Some(300)),
        ("a full subnet", refused(Refusal::Subnet), 0, Some(180)),
    ] {
        let mut world = World::new(json!({ "defaults": { "capacity": { "initial": 3 }, "launch": { "subnets": ["subnet-a"] } } }));
        let decision = world.die();
        let [step] = decision.plan.steps.as_slice() else {
            panic!("{:?}", steps(&decision))
        };
        assert!(matches!(&step.action, Action::Launch(launch) if launch.count == 3));
        let recorded = RecordedOutcome { outcome, at: world.now() };
        for _ in 0..2 {
            world.inputs.state.merge(&BTreeMap::from([(step.id.clone(), recorded.clone())]));
            let state = &world.inputs.state.pools[&pool("blue")];
            assert_eq!(state.launches.iter().map(|tally| tally.count).sum::<u32>(), left, "{situation}");
            assert_eq!(
                state.launching_off_until(&world.spec.pools[0].launch.market, world.now()),
                waits.map(at),
                "{situation}"
            );
            assert!(world.open().is_empty());
        }
    }
}

/// What waiting does not mend, somebody is told at night; what it does, nobody.
#[test]
fn who_must_be_told_that_launches_are_refused() {
    for (situation, class, told) in [
        ("a wrong template", Refusal::Configuration, true),
        ("a quota", Refusal::Quota, true),
        ("too fast", Refusal::Throttled, false),
        ("a full subnet", Refusal::Subnet, false),
    ] {
        let mut world = World::serving(3, json!({}));
        let refused = ghostnet_core::state::LaunchRefused {
            until: at(120),
            code: "Code".into(),
            message: "why".into(),
            class: Some(class),
        };
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().launch_refused = Some(refused);
        let tells = |finding: &Finding| matches!(finding, Finding::LaunchesRefused { .. }) && finding.is_alert();
        assert_eq!(finds(&world.look(), tells), told, "{situation}");
        world.wait(180);
        assert!(!finds(&world.look(), tells), "{situation}, once it is over");
    }
}

/// What a clock that is ahead no longer counts, one that is not does.
#[test]
fn a_removal_counts_for_a_minute_by_every_clock() {
    let guards = json!({ "budgets": { "removal": { "per_tick": 2 } } });
    let mut world = World::serving(
        10,
        json!({ "guards": guards, "policies": [], "defaults": { "capacity": { "min": 1 } } }),
    );
    let mut sizes = Vec::new();
    for (now, asked_at, desired) in [(0, 0, 8), (61, 52, 7), (53, 53, 2), (121, 121, 2)] {
        world.inputs.now = at(now);
        let (until, reason) = (at(3_000), "a test".to_owned());
        let wish = Wish::Hold { desired, until, reason };
        let (fleet, pool, by) = ("web".parse().unwrap(), None, "ana".to_owned());
        let asked = Asked {
            by,
            at: at(asked_at),
            wish,
        };
        let request = OperatorRequest { fleet, pool, asked };
        sizes.push(blue(&world.look_at(Signal::OperatorRequest(request))).after);
    }
    assert_eq!(sizes, [8, 7, 7, 5]);
}

/// The launches of one plan are refused for different reasons, and the one that is heard last has the shorter wait.
#[test]
fn a_refusal_with_a_short_wait_cuts_no_longer_one_short() {
    let mut world = World::new(json!({ "defaults": { "capacity": { "initial": 3 } } }));
    let decision = world.die();
    assert!(decision.plan.steps.len() > 1, "{:?}", steps(&decision));
    let classes = [Refusal::Configuration, Refusal::Throttled, Refusal::Throttled];
    for (step, class) in decision.plan.steps.iter().zip(classes) {
        let (code, message) = ("Code".into(), "no".into());
        world.tell(step, StepOutcome::Refused { class, code, message });
    }
    let state = &world.inputs.state.pools[&pool("blue")];
    assert_eq!(
        state.launching_off_until(&world.spec.pools[0].launch.market, world.now()),
        Some(at(300))
    );
    assert!(
        state
            .launch_refused
            .as_ref()
            .is_some_and(ghostnet_core::state::LaunchRefused::is_for_a_person)
    );
}
