//! Launches: how many an hour, and how they are bought (I16, I19).

use super::*;

#[test]
fn i16_launches_per_hour() {
    let case = Case::launching();
    let spent = |world: &mut World, _: &mut Decision| {
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().launches = vec![Tally { at: at(-3_599), count: 29 }];
    };
    assert_eq!(case.after(spent), ["I16"], "thirty are three times the maximum");
}

#[test]
fn i19_spot_within_its_share() {
    let as_spot = |decision: &mut Decision| {
        for step in &mut decision.plan.steps {
            if let Action::Launch(launch) = &mut step.action {
                launch.offering.market = Market::Spot;
            }
        }
        let plan = decision.plan.steps.clone();
        for open in &mut decision.state.open {
            open.step = plan.iter().find(|step| step.id == open.step.id).unwrap().clone();
        }
    };
    let market = |base: u32, spot: u32| json!({ "defaults": { "launch": { "market": { "on_demand_base": base, "spot_percent": spot } } } });
    for (situation, market, broken) in [
        ("no spot at all", json!({}), true),
        ("two of six, and half may be", market(0, 50), false),
        ("two of six, and one may be", market(4, 50), true),
    ] {
        let mut world = World::serving(4, market);
        world.read("requests", 145.0);
        let found = Case::of(world).after(|_, decision| as_spot(decision));
        assert_eq!(found, if broken { vec!["I19"] } else { vec![] }, "{situation}");
    }
    let mut world = World::serving(4, market(4, 50));
    world.read("requests", 145.0);
    let off = |world: &mut World, decision: &mut Decision| {
        as_spot(decision);
        let quota = ghostnet_core::state::LaunchRefused {
            until: at(60),
            code: "VcpuLimitExceeded".into(),
            message: String::new(),
            class: None,
        };
        let pool = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
        pool.markets_off.insert(Market::OnDemand, quota);
    };
    assert_eq!(Case::of(world).after(off), [""; 0], "nothing can be had on demand");
    let mut world = World::serving(4, market(4, 50));
    world.read("requests", 145.0);
    let elsewhere = |out: bool| {
        move |world: &mut World, decision: &mut Decision| {
            as_spot(decision);
            let ran_out = |zone: &str| ghostnet_core::observation::ExhaustedOffering {
                offering: ghostnet_core::observation::Offering {
                    zone: ghostnet_core::id::Zone::new(zone),
                    instance_type: Some(ghostnet_core::id::InstanceType::new("c7a.large")),
                    market: Market::OnDemand,
                    reservation: None,
                },
                until: at(600),
            };
            world.inputs.observation.exhausted = ["eu-west-1b", "eu-west-1c"].map(ran_out).to_vec();
            if out {
                let zone = ghostnet_core::id::Zone::new("eu-west-1a");
                state(decision).zones_out.insert(zone, at(600).into());
            }
        }
    };
    assert_eq!(
        Case::of(world.clone()).after(elsewhere(false)),
        ["I19"],
        "one zone has some on demand"
    );
    assert_eq!(Case::of(world).after(elsewhere(true)), [""; 0], "and that zone is out");
}

/// A decision that launches into reservations, changed so.
#[test]
fn i19_reservations_before_on_demand_and_as_the_spec_names_them() {
    use ghostnet_core::spec::Reservation;
    type Change = fn(&mut ghostnet_core::observation::Offering);
    let changes: [(&str, Change, &[&str]); 4] = [
        ("as decided", |_| {}, &[]),
        (
            "on demand at once",
            |offering| (offering.market, offering.reservation) = (Market::OnDemand, None),
            &["I19", "I19"],
        ),
        (
            "in another one",
            |offering| offering.reservation = Some(Reservation::Id("cr-0".into())),
            &["I19", "I19"],
        ),
        ("in none", |offering| offering.reservation = None, &["I19", "I19"]),
    ];
    for (situation, change, expected) in changes {
        let reserving = json!({ "defaults": { "launch": { "market": { "reservations": "open" } } } });
        let mut world = World::serving(4, reserving);
        world.read("requests", 145.0);
        let found = Case::of(world).after(|_, decision| {
            for step in &mut decision.plan.steps {
                if let Action::Launch(launch) = &mut step.action {
                    change(&mut launch.offering);
                }
            }
            let plan = decision.plan.steps.clone();
            for open in &mut decision.state.open {
                open.step = plan.iter().find(|step| step.id == open.step.id).unwrap().clone();
            }
        });
        assert_eq!(found, expected, "{situation}");
    }
}

#[test]
fn i19_no_more_launches_than_the_bucket_holds() {
    let split = |launches: u32| {
        let change = json!({ "defaults": { "capacity": { "initial": launches }, "launch": { "subnets": ["subnet-a"] } } });
        Case::of(World::new(change)).after(|_, decision| {
            let step = decision.plan.steps.remove(0);
            decision.state.open.clear();
            let Action::Launch(launch) = step.action else {
                panic!("not a launch")
            };
            for n in 0..launches {
                let one = ghostnet_core::plan::Launch {
                    count: 1,
                    token: ClientToken::over(&[&n.to_string()]),
                    ..launch.clone()
                };
                add(decision, Action::Launch(one));
            }
        })
    };
    assert_eq!(split(5), [""; 0]);
    assert_eq!(split(6), ["I19"]);
}
