//! On demand and spot: what is launched in which market, what stands in for it, and who leaves first.

use ghostnet_core::id::{InstanceId, InstanceType, Zone};
use ghostnet_core::observation::{ExhaustedOffering, Market, Offering};
use ghostnet_core::plan::{Action, Refusal, StepOutcome};
use ghostnet_core::reason::Finding;
use ghostnet_core::spec::{Allocation, MarketMix};
use ghostnet_core::state::DrainReason;
use ghostnet_core::unit::Percent;

use crate::support::*;

fn market(base: u32, spot: u32) -> Value {
    json!({ "defaults": { "capacity": { "max": 40 }, "launch": { "market": { "on_demand_base": base, "spot_percent": spot } } } })
}

/// So many on demand and spot launches.
fn launched(decision: &ghostnet_core::decide::Decision) -> (u32, u32) {
    let of = |market: Market| {
        let launches = decision.plan.steps.iter().filter_map(|step| match &step.action {
            Action::Launch(launch) if launch.offering.market == market => Some(launch.count),
            _ => None,
        });
        launches.sum()
    };
    (of(Market::OnDemand), of(Market::Spot))
}

/// A pool of so many in service, of which these are spot, at a load that asks for `wanted`.
fn mixed(on_demand: u32, spot: u32, wanted: u32, change: Value) -> World {
    let total = on_demand + spot;
    let mut world = World::serving(total, change);
    for instance in world.instances.values_mut().skip(usize::try_from(on_demand).unwrap()) {
        instance.market = Market::Spot;
    }
    world.read("requests", 100.0 * f64::from(wanted) / f64::from(total));
    world
}

fn ran_out(world: &mut World, zones: &[&str], market: Market) {
    for zone in zones {
        world.exhausted.push(ExhaustedOffering {
            offering: Offering {
                zone: Zone::new(format!("eu-west-1{zone}")),
                instance_type: Some(InstanceType::new("c7a.large")),
                market,
                reservation: None,
            },
            until: at(180),
        });
    }
}

#[test]
fn half_an_instance_is_on_demand() {
    for (base, spot, total, on_demand) in [
        (0, 0, 7, 7),
        (0, 100, 7, 0),
        (0, 50, 7, 4),
        (0, 50, 1, 1),
        (2, 50, 0, 0),
        (2, 50, 1, 1),
        (2, 50, 2, 2),
        (2, 50, 3, 3),
        (2, 50, 4, 3),
        (2, 50, 12, 7),
        (2, 100, 12, 2),
        (2, 30, 12, 9),
        (u32::MAX, 50, 12, 12),
    ] {
        let mix = MarketMix {
            on_demand_base: base,
            spot: Percent(spot),
            allocation: Allocation::ListedOrder,
            reservations: None,
        };
        assert_eq!(mix.on_demand_of(total), on_demand, "base {base}, spot {spot} %, {total} in all");
    }
}

#[test]
fn a_launch_brings_the_pool_to_its_mix() {
    for (situation, there, base, spot, wanted, expected) in [
        ("an even mix goes on", (4, 4), 0, 50, 12, (2, 2)),
        ("spot is missing", (8, 0), 0, 50, 12, (0, 4)),
        ("too much spot", (2, 6), 0, 50, 12, (4, 0)),
        ("the base first", (1, 3), 4, 100, 8, (3, 1)),
        ("half an instance is on demand", (4, 4), 0, 50, 11, (2, 1)),
        ("no spot is wanted any more", (2, 6), 0, 0, 12, (4, 0)),
    ] {
        let mut world = mixed(there.0, there.1, wanted, market(base, spot));
        let decision = world.look();
        assert_eq!(launched(&decision), expected, "{situation}: {:?}", steps(&decision));
    }
}

/// A launch whose instances EC2 does not list yet, and one without an outcome, are of the market they were asked in.
#[test]
fn one_that_is_replaced_is_followed_by_one_of_its_market() {
    for (replaced, launches) in [("i-blue-000", (1, 0)), ("i-blue-003", (0, 1))] {
        let mut world = mixed(2, 2, 4, market(0, 50));
        let members = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
        members.get_mut(&InstanceId::new(replaced)).unwrap().retires = true;
        assert_eq!(launched(&world.look()), launches, "{replaced}");
    }
}

#[test]
fn what_is_on_its_way_has_its_market() {
    for answered in [true, false] {
        let mut world = World::new(market(1, 100));
        let decision = if answered { world.look() } else { world.die() };
        assert_eq!(launched(&decision), (1, 1));
        world.instances.clear();
        world.wait(10);
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 4;
        assert_eq!(launched(&world.look()), (0, 2), "answered: {answered}");
    }
}

#[test]
fn an_exhausted_market_is_stood_in_for() {
    let all = ["a", "b", "c"];
    let other = |count, wanted: Market| Finding::OtherMarket {
        count,
        wanted,
        taken: wanted.other(),
    };
    for (situation, out, expected, finding) in [
        ("spot is elsewhere", vec![(vec!["a", "b"], Market::Spot)], (2, 2), None),
        (
            "spot is nowhere",
            vec![(all.to_vec(), Market::Spot)],
            (4, 0),
            Some(other(2, Market::Spot)),
        ),
        (
            "nothing is on demand",
            vec![(all.to_vec(), Market::OnDemand)],
            (0, 4),
            Some(other(2, Market::OnDemand)),
        ),
        (
            "nothing at all",
            vec![(all.to_vec(), Market::OnDemand), (all.to_vec(), Market::Spot)],
            (0, 0),
            Some(Finding::NoOffering { count: 4 }),
        ),
    ] {
        let mut world = mixed(4, 4, 12, market(0, 50));
        for (zones, market) in out {
            ran_out(&mut world, &zones, market);
        }
        let decision = world.look();
        assert_eq!(launched(&decision), expected, "{situation}");
        let told = blue(&decision)
            .findings
            .iter()
            .find(|finding| matches!(finding, Finding::OtherMarket { .. } | Finding::NoOffering { .. }));
        assert_eq!(told, finding.as_ref(), "{situation}");
        let passed_over = blue(&decision).findings.iter().find_map(|finding| match finding {
            Finding::RanOut { offerings } => Some(offerings),
            _ => None,
        });
        assert_eq!(passed_over, Some(&world.exhausted), "{situation}");
    }
}

#[test]
fn who_wants_no_spot_gets_none() {
    let mut world = mixed(8, 0, 12, market(0, 0));
    ran_out(&mut world, &["a", "b", "c"], Market::OnDemand);
    let decision = world.look();
    assert_eq!(launched(&decision), (0, 0));
    assert!(finds(&decision, |finding| *finding == Finding::NoOffering { count: 4 }));
}

/// Refuses every launch of a market, carries out the others.
fn refuse(world: &mut World, market: Market, class: Refusal, code: &str) {
    let decision = world.die();
    for step in &decision.plan.steps {
        let outcome = match &step.action {
            Action::Launch(launch) if launch.offering.market == market => StepOutcome::Refused {
                class,
                code: code.into(),
                message: "ask for more".into(),
            },
            _ => world.execute(step),
        };
        world.tell(step, outcome);
    }
}

#[test]
fn what_is_wrong_with_one_market_turns_it_off_and_not_the_pool() {
    for (refused, class, code, instead) in [
        (Market::Spot, Refusal::Quota, "MaxSpotInstanceCountExceeded", (2, 0)),
        (Market::OnDemand, Refusal::Quota, "VcpuLimitExceeded", (0, 2)),
        (
            Market::Spot,
            Refusal::Configuration,
            "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
            (2, 0),
        ),
    ] {
        let mut world = mixed(4, 4, 12, market(0, 50));
        refuse(&mut world, refused, class, code);
        let decision = world.look();
        assert_eq!(launched(&decision), instead, "{code}");
        let off =
            |finding: &Finding| matches!(finding, Finding::MarketOff { market, code: told, .. } if *market == refused && told == code);
        assert!(finds(&decision, off), "{code}: {:?}", blue(&decision).findings);
        assert!(guards_of(&decision).is_empty());
    }
}

#[test]
fn with_every_market_off_the_pool_waits_for_the_first() {
    let mut world = mixed(4, 4, 12, market(0, 50));
    refuse(&mut world, Market::Spot, Refusal::Quota, "MaxSpotInstanceCountExceeded");
    world.wait(60);
    refuse(&mut world, Market::OnDemand, Refusal::Quota, "VcpuLimitExceeded");
    let decision = world.look();
    assert_eq!((launched(&decision), guards_of(&decision)), ((0, 0), vec!["launch refused"]));
    world.wait(240);
    assert_eq!(launched(&world.look()), (0, 2), "spot may be asked for again");
}

#[test]
fn a_wrong_template_stops_every_market() {
    let mut world = mixed(4, 4, 12, market(0, 50));
    let decision = world.die();
    for step in &decision.plan.steps {
        let outcome = StepOutcome::Refused {
            class: Refusal::Configuration,
            code: "InvalidAMIID.NotFound".into(),
            message: String::new(),
        };
        world.tell(step, outcome);
    }
    let decision = world.look();
    assert_eq!((launched(&decision), guards_of(&decision)), ((0, 0), vec!["launch refused"]));
}

#[test]
fn one_plan_asks_for_no_more_calls_than_the_bucket_holds() {
    let subnets: Vec<String> = (0..7).map(|n| format!("subnet-{n}")).collect();
    let change = json!({ "defaults": { "capacity": { "max": 40, "initial": 14 }, "launch": { "subnets": subnets } } });
    let mut world = World::new(change);
    let zones = subnets.iter().enumerate().map(|(n, subnet)| {
        let subnet = ghostnet_core::id::SubnetId::new(subnet.clone());
        (subnet, Zone::new(format!("zone-{n}")))
    });
    world.inputs.resolved.zones = zones.collect();
    let decision = world.look();
    assert_eq!(
        steps(&decision),
        [
            "launch 3 in zone-0",
            "launch 3 in zone-1",
            "launch 3 in zone-2",
            "launch 3 in zone-3",
            "launch 2 in zone-4"
        ],
        "all of them, in five calls"
    );
    assert_eq!(guards_of(&decision), ["launch calls"]);
}

#[test]
fn launches_that_are_sent_again_are_calls_too() {
    let change = json!({ "defaults": { "capacity": { "max": 40, "initial": 3 } } });
    let mut world = World::new(change);
    world.die();
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 6;
    world.wait(90);
    let decision = world.look();
    let again = decision.plan.steps.iter().filter(|step| step.id.plan != decision.plan.id).count();
    assert_eq!((again, decision.plan.steps.len()), (3, 5), "{:?}", steps(&decision));
    assert_eq!(guards_of(&decision), ["launch calls"]);
}

/// Found by the simulator: the first pool asked for all that the bucket holds, the second one sent again what it had open, and
/// audit refused the whole plan, look after look.
#[test]
fn what_any_pool_sends_again_has_its_calls_first() {
    let pools = json!([
        { "id": "blue", "target_groups": [group("blue")], "capacity": { "min": 1, "max": 20, "initial": 1 } },
        { "id": "green", "role": "standby", "target_groups": [group("green")], "capacity": { "min": 1, "max": 20, "initial": 3 } },
    ]);
    let mut world = World::new(json!({ "pools": pools, "maximum": 40 }));
    world.die();
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 7;
    world.wait(90);
    let decision = world.look();
    let again = decision.plan.steps.iter().filter(|step| step.id.plan != decision.plan.id).count();
    assert_eq!((again, decision.plan.steps.len()), (4, 5), "{:?}", steps(&decision));
    assert_eq!(guards_of(&decision), ["launch calls"]);
}

/// Three hundred fleets that asked in the same second do not ask again in the same one.
#[test]
fn who_asked_too_fast_waits_as_long_as_nobody_else() {
    let mut waits = std::collections::BTreeMap::<_, u32>::new();
    for n in 0..300 {
        let mut world = World::new(json!({ "defaults": { "launch": { "subnets": ["subnet-a"] } } }));
        world.decide(ghostnet_core::signal::Signal::Tick);
        world.inputs.plan_id = ghostnet_core::id::PlanId::new(format!("2026-06-02T12:00:00.000Z-{n:012x}"));
        let decision = world.again();
        world.commit(&decision);
        let refused = StepOutcome::Refused {
            class: Refusal::Throttled,
            code: "RequestLimitExceeded".into(),
            message: String::new(),
        };
        world.tell(&decision.plan.steps[0], refused);
        let until = world.inputs.state.pools[&pool("blue")].launch_refused.as_ref().unwrap().until;
        *waits.entry(ghostnet_core::unit::Seconds::between(at(0), until)).or_default() += 1;
    }
    let bounds = (waits.keys().next().unwrap().0, waits.keys().next_back().unwrap().0);
    assert!(bounds.0 >= 10 && bounds.1 <= 50, "{bounds:?}");
    assert!(waits.values().all(|together| *together <= 20), "{waits:?}");
}

/// The instances that begin to leave by scale-in.
fn leaving(world: &World) -> Vec<InstanceId> {
    let members = &world.inputs.state.pools[&pool("blue")].members;
    let leaves = |drain: ghostnet_core::state::Drain| drain.why == DrainReason::ScaleIn;
    members
        .iter()
        .filter(|(_, member)| member.drain.is_some_and(leaves))
        .map(|(id, _)| id.clone())
        .collect()
}

#[test]
fn who_is_too_many_in_its_market_leaves_first() {
    for (situation, there, base, spot, gone, expected) in [
        ("too much spot", (2, 6), 0, 50, 3, (0, 3)),
        ("too much on demand", (6, 2), 0, 50, 3, (3, 0)),
        ("an even mix", (4, 4), 0, 50, 4, (2, 2)),
        ("the base stays", (2, 6), 2, 100, 4, (0, 4)),
        ("the base stays, though the mix wants less of it", (3, 1), 3, 100, 1, (0, 1)),
        ("down to the base", (4, 4), 2, 100, 6, (2, 4)),
        ("below the base nobody else is left", (2, 1), 2, 50, 2, (1, 1)),
        ("no spot is wanted any more", (2, 4), 0, 0, 3, (0, 3)),
    ] {
        let mut change = market(base, spot);
        merge(
            &mut change,
            json!({ "guards": { "cooldown": { "in": "0s" }, "stabilisation": { "in": "0s" }, "budgets": { "removal": { "per_tick": 100 } } } }),
        );
        let mut world = mixed(there.0, there.1, there.0 + there.1, change);
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired -= gone;
        world.loads.clear();
        let bought = |id: &InstanceId, world: &World| world.instances[id].market;
        world.look();
        let left = leaving(&world);
        let of = |market| u32::try_from(left.iter().filter(|id| bought(id, &world) == market).count()).unwrap();
        assert_eq!((of(Market::OnDemand), of(Market::Spot)), expected, "{situation}");
    }
}

/// One that does not serve yet is the cheapest to lose, but not if the base is counted on it.
#[test]
fn the_base_is_kept_even_if_it_does_not_serve_yet() {
    for (base, expected) in [(1, Market::Spot), (0, Market::OnDemand)] {
        let mut change = market(base, 100);
        merge(
            &mut change,
            json!({ "guards": { "cooldown": { "in": "0s" }, "stabilisation": { "in": "0s" } } }),
        );
        let mut world = mixed(1, 4, 5, change);
        let id = world.instances.keys().next().unwrap().clone();
        world.health("blue", &id, ghostnet_core::observation::TargetHealth::Initial);
        let member = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
        member.members.get_mut(&id).unwrap().served_since = None;
        member.desired = 3;
        world.loads.clear();
        world.look();
        let markets: Vec<Market> = leaving(&world).iter().map(|id| world.instances[id].market).collect();
        assert_eq!(markets, [expected], "base {base}");
    }
}

#[test]
fn aws_chooses_between_the_types_of_a_zone_that_did_not_run_out() {
    let of = |allocation: &str| {
        let mut change = market(1, 100);
        let types = json!(["c7a.large", "c7i.large", "m7a.large"]);
        merge(
            &mut change,
            json!({ "defaults": { "capacity": { "initial": 4 }, "launch": { "instance_types": types, "market": { "allocation": allocation } } } }),
        );
        let mut world = World::new(change);
        ran_out(&mut world, &["b"], Market::Spot);
        let decision = world.look();
        let told = decision.plan.steps.iter().filter_map(|step| match &step.action {
            Action::Launch(launch) => {
                let types: Vec<String> = launch
                    .offerings()
                    .filter_map(|offering| Some(offering.instance_type?.to_string()))
                    .collect();
                let strategy = launch.choice.as_ref().map_or("listed", |choice| choice.strategy.as_str());
                Some(format!(
                    "{} {} {strategy}: {}",
                    launch.place.zone,
                    launch.offering.market,
                    types.join(" ")
                ))
            }
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        of("capacity_optimized"),
        [
            "eu-west-1a on-demand listed: c7a.large",
            "eu-west-1a spot capacity-optimized: c7a.large c7i.large m7a.large",
            "eu-west-1b spot capacity-optimized: c7i.large m7a.large",
            "eu-west-1c spot capacity-optimized: c7a.large c7i.large m7a.large",
        ]
    );
    assert_eq!(
        of("listed_order"),
        [
            "eu-west-1a on-demand listed: c7a.large",
            "eu-west-1a spot listed: c7a.large",
            "eu-west-1b spot listed: c7i.large",
            "eu-west-1c spot listed: c7a.large",
        ]
    );
}

/// What may come of a launch is part of what its token stands for.
#[test]
fn a_launch_with_another_choice_has_another_token() {
    let token = |allocation: &str, types: Value| {
        let mut change = market(0, 100);
        merge(
            &mut change,
            json!({ "defaults": { "capacity": { "initial": 1 }, "launch": { "instance_types": types, "market": { "allocation": allocation } } } }),
        );
        let decision = World::new(change).look();
        let Some(Action::Launch(launch)) = decision.plan.steps.first().map(|step| step.action.clone()) else {
            panic!("{:?}", steps(&decision))
        };
        launch.token
    };
    let types = || json!(["c7a.large", "c7i.large"]);
    let tokens = [
        token("listed_order", types()),
        token("lowest_price", types()),
        token("capacity_optimized", types()),
        token("lowest_price", json!(["c7a.large", "m7a.large"])),
    ];
    let distinct: std::collections::BTreeSet<_> = tokens.iter().map(|token| token.as_str()).collect();
    assert_eq!(distinct.len(), tokens.len());
}

#[test]
fn a_wrong_market_is_told_on_its_field() {
    let at = |market: Value| problems(json!({ "defaults": { "launch": { "market": market } } }));
    assert_eq!(
        at(json!({ "spot_percent": 101 })),
        ["defaults.launch.market.spot_percent: `101` is not between `0` and `100`"]
    );
    assert_eq!(
        at(json!({ "spot_percent": 50, "allocation": "lowest_price" })),
        ["defaults.launch.market.allocation: `lowest_price` chooses between instance types, and the pool names 1"]
    );
    assert_eq!(at(json!({ "on_demand_base": 2 })), [""; 0]);
}

/// A pool overrides its fleet's defaults field by field.
#[test]
fn a_pool_takes_from_the_defaults_what_it_does_not_say() {
    let spec = spec(json!({
        "defaults": { "launch": { "market": { "on_demand_base": 2, "spot_percent": 50 } } },
        "pools": [{ "id": "blue", "launch": { "market": { "spot_percent": 80 } } }],
        "policies": [],
    }));
    let mix = &spec.pools[0].launch.market;
    assert_eq!((mix.on_demand_base, mix.spot), (2, Percent(80)));
}
