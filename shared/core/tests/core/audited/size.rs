//! How many: bounds, budgets, votes, and what keeps a size (I2, I3, I5 to I7, I21).

use super::*;

#[test]
fn i2_not_above_the_maximum() {
    let row = |change: fn(&mut World, &mut Decision)| Case::launching().after(change);
    assert_eq!(row(|world, _| world.spec.pools[0].capacity.max = 5), ["I2"]);
    assert_eq!(row(|world, _| world.spec.maximum = 5), ["I2"]);
    assert_eq!(
        row(|_, decision| first_launch(decision, |launch| launch.count = 50)),
        ["I2", "I2", "I2", "I16"]
    );
    let crowded: fn(&mut World, &mut Decision) = |_, decision| decision.pools.get_mut(&pool("blue")).unwrap().counts.draining = 6;
    assert_eq!(row(crowded), ["I2"], "with those that leave, above the surge");
}

#[test]
fn i2_two_pools_add_up() {
    let pools = json!([{ "id": "blue", "target_groups": [group("blue")] }, { "id": "green", "target_groups": [group("green")] }]);
    let case = Case::of(World::new(json!({ "pools": pools, "maximum": 10 })));
    assert_eq!(case.after(|world, _| world.spec.maximum = 3), ["I2"], "two and two");
}

#[test]
fn i2_a_return_counts_like_a_launch() {
    let mut world = World::serving(6, json!({ "guards": { "stabilisation": { "in": "0s" } } }));
    world.read("requests", 80.0);
    world.look();
    let leaving = drained_member(&world);
    let found = Case::of(world).after(|world, decision| {
        world.spec.pools[0].capacity.max = 5;
        state(decision).members.get_mut(&leaving).unwrap().drain = None;
        decision.state.generation = world.inputs.state.generation.next();
    });
    assert_eq!(found, ["I2"]);
}

#[test]
fn i2_a_breach_that_is_only_mended_passes() {
    let case = Case::draining();
    assert_eq!(
        case.after(|world, _| world.spec.pools[0].capacity.max = 2),
        Vec::<String>::new(),
        "fewer, though still too many"
    );
    let case = Case::terminating();
    assert_eq!(
        case.after(|world, _| (world.spec.pools[0].capacity.max, world.spec.maximum) = (1, 1)),
        Vec::<String>::new()
    );
}

#[test]
fn i3_not_below_the_minimum_and_within_the_budget() {
    let case = Case::draining();
    assert_eq!(case.after(|world, _| world.spec.pools[0].capacity.min = 6), ["I3"]);
    let case = Case::draining();
    assert_eq!(
        case.after(|_, decision| drain(decision, 0, DrainReason::ScaleIn)),
        ["I3"],
        "two at once"
    );
    let case = Case::draining();
    let spent = |world: &mut World, _: &mut Decision| {
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().removals = vec![Tally { at: at(-30), count: 1 }];
    };
    assert_eq!(case.after(spent), ["I3"], "one within the minute was one enough");
    let case = Case::draining();
    assert_eq!(
        case.after(|world, _| world.spec.mode = ghostnet_core::spec::FleetMode::OutOnly),
        ["I3"],
        "the mode only adds"
    );
}

#[test]
fn i3_what_is_lost_anyway_may_go() {
    for why in [DrainReason::Unhealthy, DrainReason::NeverHealthy, DrainReason::Interrupted] {
        let case = Case::calm();
        let found = case.after(|world, decision| {
            world.spec.pools[0].capacity.min = 4;
            accuse(world, 1);
            drain(decision, 1, why);
        });
        assert_eq!(found, Vec::<String>::new(), "{why}");
    }
    let case = Case::calm();
    let interrupted = |_: &mut World, decision: &mut Decision| (0..4).for_each(|n| drain(decision, n, DrainReason::Interrupted));
    assert_eq!(case.after(interrupted), Vec::<String>::new(), "no budget holds up what AWS takes");
    let case = Case::draining();
    assert_eq!(
        case.after(|world, _| (world.inputs.retiring, world.spec.pools[0].capacity.min) = (true, 6)),
        Vec::<String>::new(),
        "deletion knows no minimum"
    );
}

/// Ten, and the demand needs six of what was learned.
#[test]
fn i5_fewer_by_what_was_learned_and_never_before() {
    let learned =
        json!({ "id": "demand", "type": "capacity", "demand": "alb_request_count", "instance_capacity": "learned", "utilisation": "50%" });
    let smaller = |change: fn(&mut World)| {
        let mut world = World::serving(10, json!({ "policies": [tracking(), learned] }));
        world.read("requests", 40.0);
        world.read("demand", 60.0 * 90.0);
        let rating = Rating {
            hours: vec![40_000; 6],
            ..Rating::new(kind(&world.spec.pools[0].launch, std::iter::empty()).unwrap(), None)
        };
        let ratings = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().ratings;
        ratings.insert(policy("demand"), rating);
        let mut case = Case::of(world);
        case.decision = decide(&case.world.inputs.situation(&case.world.spec));
        case.decision.pools.get_mut(&pool("blue")).unwrap().after = 6;
        case.after(|world, _| change(world))
    };
    assert_eq!(smaller(|_| {}), Vec::<String>::new());
    let forgotten: fn(&mut World) = |world| world.inputs.state.pools.get_mut(&pool("blue")).unwrap().ratings.clear();
    assert_eq!(smaller(forgotten), ["I5"]);
}

#[test]
fn i5_i6_i7_fewer_by_evidence_and_votes() {
    let smaller = |world: &mut World, after: u32| {
        let mut decision = decide(&world.inputs.situation(&world.spec));
        decision.pools.get_mut(&pool("blue")).unwrap().after = after;
        decision
    };
    for (situation, load, after, found) in [
        ("asked for and carried", Some(49.0), 5, vec![]),
        ("asked for, and would be undone", Some(49.0), 4, vec!["I6"]),
        ("nobody asks", Some(100.0), 9, vec!["I7", "I6"]),
        ("somebody asks for more", Some(150.0), 9, vec!["I7", "I6"]),
        ("no data", None, 9, vec!["I7"]),
    ] {
        let mut world = World::serving(10, json!({ "defaults": { "capacity": { "max": 20 } } }));
        match load {
            Some(load) => world.read("requests", load),
            None => world.loads.clear(),
        }
        let mut case = Case::of(world);
        case.decision = smaller(&mut case.world, after);
        assert_eq!(case.after(|_, _| {}), found, "{situation}");
    }
    let mut case = Case::draining();
    case.decision = smaller(&mut case.world, 5);
    let stale = |world: &mut World, _: &mut Decision| {
        let series = world.inputs.observation.series.get_mut(&pool("blue")).unwrap();
        series.insert(policy("requests"), minutes(at(-600), &[Some(80.0)]));
    };
    assert_eq!(case.after(stale), ["I5"], "a vote that rests on an old value");
    let mut case = Case::calm();
    case.decision = smaller(&mut case.world, 3);
    assert_eq!(
        case.after(|_, decision| decision.pools.get_mut(&pool("blue")).unwrap().votes.clear()),
        ["I5", "I6"],
        "nobody votes"
    );
}

#[test]
fn i5_what_bounds_take_away_needs_no_vote() {
    let mut world = World::serving(8, json!({}));
    world.loads.clear();
    world.spec.pools[0].capacity.max = 5;
    let case = Case::of(world.clone());
    assert_eq!(blue(&case.decision).after, 5);
    assert_eq!(case.after(|_, _| {}), Vec::<String>::new());
    assert_eq!(
        Case::of(world).after(|_, decision| decision.pools.get_mut(&pool("blue")).unwrap().after = 4),
        ["I7"],
        "but not one more"
    );
}

#[test]
fn i3_a_removal_window_and_i5_a_reserve() {
    let window = |max: u32| {
        let windows = json!([{ "cron": "0 9 * * *", "for": "9h", "max": max }]);
        World::serving(
            6,
            json!({ "guards": { "stabilisation": { "in": "0s" }, "budgets": { "removal": { "per_tick": 9, "windows": windows } } } }),
        )
    };
    let one_leaves = |max| Case::of(window(max)).after(|_, decision| drain(decision, 0, DrainReason::ScaleIn));
    assert_eq!(one_leaves(1), Vec::<String>::new());
    assert_eq!(one_leaves(0), ["I3"]);
    let sick = Case::of(window(0)).after(|world, decision| {
        accuse(world, 0);
        drain(decision, 0, DrainReason::Unhealthy);
    });
    assert_eq!(sick, Vec::<String>::new(), "the sick are replaced all the same");

    // eight, of which two are the reserve; one of them is given up
    let given_up = |known: bool| {
        let mut world = World::serving(8, json!({ "reserve": { "threshold": 2 } }));
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().reserve = 2;
        world.read("requests", 75.0);
        if !known {
            world.loads.clear();
        }
        Case::of(world).after(|_, decision| {
            let decided = decision.pools.get_mut(&pool("blue")).unwrap();
            (decided.after, decided.reserve) = (7, 1);
        })
    };
    assert_eq!(given_up(true), Vec::<String>::new());
    assert_eq!(given_up(false), ["I5"]);
}

#[test]
fn i21_growth_beyond_the_spend_cap() {
    // it is noon, and the day has room for eight until midnight
    let grown = |after: u32, min: u32| {
        let guards = json!({ "budgets": { "spend": { "instance_hours_per_day": 96 } } });
        let world = World::serving(
            4,
            json!({ "guards": guards, "defaults": { "capacity": { "min": min, "max": 20, "initial": min } } }),
        );
        Case::of(world).after(|_, decision| decision.pools.get_mut(&pool("blue")).unwrap().after = after)
    };
    assert_eq!(grown(8, 1), Vec::<String>::new());
    assert_eq!(grown(9, 1), ["I21"]);
    assert_eq!(grown(9, 9), Vec::<String>::new(), "a minimum does not wait");
}
