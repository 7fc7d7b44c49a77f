//! Windows in which few may leave: counted over the whole window, for those that are too many and for nobody else.

use ghostnet_core::observation::TargetHealth;
use ghostnet_core::operator::Wish;
use ghostnet_core::reason::Finding;
use ghostnet_core::refresh::RefreshRequest;
use ghostnet_core::state::RenewReason;
use ghostnet_core::unit::Seconds;

use crate::support::*;

/// Ten serve, two would do; everything but the window lets them go at once. It is Tuesday noon.
fn idle(window: Value) -> World {
    let guards = json!({
        "cooldown": { "out": "0s", "in": "0s" },
        "stabilisation": { "in": "0s" },
        "budgets": { "removal": { "per_tick": 100, "windows": [window] } },
    });
    let mut world = World::serving(10, json!({ "guards": guards, "defaults": { "capacity": { "min": 2 } } }));
    world.read("requests", 20.0);
    world
}

fn drained(world: &World) -> usize {
    let members = world.inputs.state.pools[&pool("blue")].members.values();
    members.filter(|member| member.drain.is_some() || member.gone).count()
}

#[test]
fn at_most_so_many_leave_in_the_whole_window() {
    for (situation, window, leave) in [
        (
            "nobody in business hours",
            json!({ "cron": "0 9 * * 1-5", "for": "9h", "max": 0 }),
            0,
        ),
        (
            "one, and no more a minute later",
            json!({ "cron": "0 9 * * 1-5", "for": "9h", "max": 1 }),
            1,
        ),
        (
            "in another zone it is open too",
            json!({ "cron": "0 13 * * *", "zone": "Europe/Berlin", "for": "2h", "max": 3 }),
            3,
        ),
        ("closed", json!({ "cron": "0 8 * * *", "for": "4h", "max": 0 }), 8),
        ("another day", json!({ "cron": "0 9 * * 3", "for": "9h", "max": 0 }), 8),
    ] {
        let mut world = idle(window);
        for _ in 0..3 {
            world.look();
            world.wait(60);
            world.read("requests", 20.0);
        }
        assert_eq!(drained(&world), leave, "{situation}");
    }
}

#[test]
fn it_says_so_and_ends_with_the_window() {
    let mut world = idle(json!({ "cron": "0 12 * * *", "for": "2m", "max": 1 }));
    assert_eq!(guards_of(&world.look()), ["removal window"]);
    world.wait(60);
    assert_eq!(guards_of(&world.look()), ["removal window"]);
    assert_eq!(drained(&world), 1);
    world.wait(120);
    world.look();
    assert!(drained(&world) > 1);
}

/// What can wait does: another version of the template, age, balance. What AWS takes anyway, or an operator asked for, does not.
#[test]
fn who_is_replaced_by_choice_waits_for_the_window_too() {
    let closed = json!({ "cron": "0 9 * * 1-5", "for": "9h", "max": 0 });
    let two = json!({ "cron": "0 9 * * 1-5", "for": "9h", "max": 2 });
    for (situation, window, retires, leave) in [
        ("nobody", closed.clone(), false, 0),
        ("as many as the window lets", two, false, 2),
        ("to be retired by AWS", closed, true, 1),
    ] {
        let guards = json!({ "budgets": { "removal": { "per_tick": 100, "windows": [window] } } });
        let defaults = json!({ "max_age": "1h", "drain": { "timeout": "60s" } });
        let mut world = World::serving(4, json!({ "guards": guards, "defaults": defaults, "policies": [] }));
        if retires {
            let state = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
            state.members.values_mut().next().unwrap().retires = true;
        }
        world.minutes(60);
        let old = world.alive().iter().filter(|id| !id.contains("new")).count();
        assert_eq!(4 - old, leave, "{situation}");
        assert_eq!(
            world.alive().len(),
            4,
            "{situation}: and nobody is launched in the place of who stays"
        );
    }
}

/// Its replacement was on its way when the window opened: both serve until it closes.
#[test]
fn who_was_marked_before_the_window_opened_stays_until_it_closes() {
    let window = json!({ "cron": "3 12 * * *", "for": "30m", "max": 0 });
    let guards = json!({ "budgets": { "removal": { "per_tick": 100, "windows": [window] } } });
    let defaults = json!({ "max_age": "1h", "drain": { "timeout": "60s" } });
    let mut world = World::serving(4, json!({ "guards": guards, "defaults": defaults, "policies": [] }));
    world.look();
    world.minutes(30);
    let old = |world: &World| world.alive().iter().filter(|id| !id.contains("new")).count();
    assert_eq!((old(&world), world.alive().len()), (4, 5), "in the window");
    world.minutes(10);
    assert!(old(&world) < 4, "after it");
}

/// What could wait no longer has to: an operator wants it now, and `explain` says so.
#[test]
fn who_was_marked_and_is_asked_for_by_an_operator_leaves_in_the_window() {
    let window = json!({ "cron": "3 12 * * *", "for": "30m", "max": 0 });
    let guards = json!({ "budgets": { "removal": { "per_tick": 100, "windows": [window] } } });
    let defaults = json!({ "max_age": "1h", "drain": { "timeout": "60s" } });
    let mut world = World::serving(4, json!({ "guards": guards, "defaults": defaults, "policies": [] }));
    world.look();
    world.minutes(15);
    let start = RefreshRequest::Start {
        reason: "a new image".into(),
        checkpoints: Vec::new(),
        bake: Seconds(0),
        drifted: false,
    };
    let decision = world.ask("ada", Wish::Refresh(start));
    let now = |finding: &Finding| {
        matches!(
            finding,
            Finding::Renews {
                why: RenewReason::Refresh,
                ..
            }
        )
    };
    assert!(finds(&decision, now), "{:?}", blue(&decision).findings);
    assert_eq!(drained(&world), 1);
}

/// A sick one serves nobody: to replace it disturbs nobody.
#[test]
fn the_sick_are_replaced_all_the_same() {
    let mut world = idle(json!({ "cron": "0 9 * * 1-5", "for": "9h", "max": 0 }));
    world.read("requests", 95.0);
    let sick = world.instances.keys().next().cloned().unwrap();
    world.health("blue", &sick, TargetHealth::Unhealthy);
    for _ in 0..3 {
        world.look();
        world.wait(60);
    }
    assert_eq!(drained(&world), 1);
}

#[test]
fn a_moved_maximum_waits_for_the_window_too() {
    let mut world = idle(json!({ "cron": "0 9 * * 1-5", "for": "9h", "max": 2 }));
    world.read("requests", 95.0);
    world.spec.pools[0].capacity.max = 5;
    for _ in 0..3 {
        world.look();
        world.wait(60);
    }
    assert_eq!(drained(&world), 2);
}

#[test]
fn what_is_remembered_is_one_number_for_each_open_window() {
    let mut world = idle(json!({ "cron": "*/5 * * * *", "for": "5m", "max": 1 }));
    for _ in 0..40 {
        world.read("requests", 10.0);
        world.look();
        world.pass(60);
    }
    let state = &world.inputs.state.pools[&pool("blue")];
    assert!(state.desired < 6, "one in each window");
    assert_eq!(state.window_removals.len(), 1);
}
