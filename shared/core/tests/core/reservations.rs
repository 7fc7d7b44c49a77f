//! Capacity reservations: asked before on demand, gone around when they are full, and never in the way. Pool `blue` is of three zones.

use ghostnet_core::decide::Decision;
use ghostnet_core::id::{InstanceId, InstanceType, Zone};
use ghostnet_core::observation::{ExhaustedOffering, Market, Offering};
use ghostnet_core::plan::{Action, Launch, Refusal, StepOutcome};
use ghostnet_core::reason::Finding;
use ghostnet_core::spec::Reservation;
use ghostnet_core::state::DrainReason;

use crate::support::*;

const ID: &str = "cr-0123456789abcdef0";
const GROUP: &str = "arn:aws:resource-groups:eu-west-1:123456789012:group/web";

fn reserving(market: Value) -> Value {
    let mut spec = json!({ "defaults": { "capacity": { "max": 40 }, "launch": { "market": { "reservations": "open" } } } });
    merge(&mut spec, json!({ "defaults": { "launch": { "market": market } } }));
    spec
}

/// Three serve, one in each zone, at a load that asks for six.
fn growing(change: Value) -> World {
    let mut world = World::serving(3, change);
    world.read("requests", 200.0);
    world
}

fn two_types(mut change: Value) -> Value {
    merge(
        &mut change,
        json!({ "defaults": { "launch": { "instance_types": ["c7a.large", "m7a.large"] } } }),
    );
    change
}

fn launches(decision: &Decision) -> Vec<&Launch> {
    let launches = decision.plan.steps.iter().filter_map(|step| match &step.action {
        Action::Launch(launch) => Some(launch),
        _ => None,
    });
    launches.collect()
}

/// As `a reserved c7a.large 1`.
fn told(decision: &Decision) -> Vec<String> {
    let one = |launch: &&Launch| {
        let Offering {
            zone,
            instance_type,
            market,
            ..
        } = &launch.offering;
        let zone = zone.as_str().trim_start_matches("eu-west-1");
        format!("{zone} {market} {} {}", instance_type.as_ref().unwrap(), launch.count)
    };
    launches(decision).iter().map(one).collect()
}

fn offering(zone: &str, instance_type: &str, market: Market) -> Offering {
    Offering {
        zone: Zone::new(format!("eu-west-1{zone}")),
        instance_type: Some(InstanceType::new(instance_type)),
        market,
        reservation: (market == Market::Reserved).then_some(Reservation::Open),
    }
}

fn ran_out(world: &mut World, offering: Offering) {
    let until = at(600);
    world.exhausted.push(ExhaustedOffering { offering, until });
}

/// The launches of a market are answered so, the others are carried out.
fn answer(world: &mut World, market: Market, outcome: &StepOutcome) -> Decision {
    let decision = world.die();
    for step in &decision.plan.steps {
        match &step.action {
            Action::Launch(launch) if launch.offering.market == market => {
                if matches!(outcome, StepOutcome::NoCapacity { .. }) {
                    ran_out(world, launch.offering.clone());
                }
                world.tell(step, outcome.clone());
            }
            _ => {
                let done = world.execute(step);
                world.tell(step, done);
            }
        }
    }
    decision
}

fn full() -> StepOutcome {
    StepOutcome::NoCapacity {
        code: "ReservationCapacityExceeded".into(),
    }
}

fn refused(class: Refusal, code: &str) -> StepOutcome {
    StepOutcome::Refused {
        class,
        code: code.into(),
        message: String::new(),
    }
}

#[test]
fn in_each_zone_what_is_reserved_comes_before_what_is_not() {
    let reserved = |zone, instance_type| offering(zone, instance_type, Market::Reserved);
    for (situation, out, expected) in [
        (
            "nobody knows better",
            vec![],
            ["a reserved c7a.large 1", "b reserved c7a.large 1", "c reserved c7a.large 1"],
        ),
        (
            "one type is full in one zone",
            vec![reserved("b", "c7a.large")],
            ["a reserved c7a.large 1", "b reserved m7a.large 1", "c reserved c7a.large 1"],
        ),
        (
            "one zone is full: its share is not moved into the others",
            vec![reserved("b", "c7a.large"), reserved("b", "m7a.large")],
            ["a reserved c7a.large 1", "c reserved c7a.large 1", "b on-demand c7a.large 1"],
        ),
        (
            "and there the preferred type ran out too",
            vec![
                reserved("b", "c7a.large"),
                reserved("b", "m7a.large"),
                offering("b", "c7a.large", Market::OnDemand),
            ],
            ["a reserved c7a.large 1", "c reserved c7a.large 1", "b on-demand m7a.large 1"],
        ),
        (
            "on demand ran out where there is a reservation: that is what it is for",
            vec![
                offering("a", "c7a.large", Market::OnDemand),
                offering("a", "m7a.large", Market::OnDemand),
            ],
            ["a reserved c7a.large 1", "b reserved c7a.large 1", "c reserved c7a.large 1"],
        ),
    ] {
        let mut world = growing(two_types(reserving(json!({}))));
        for offering in out {
            ran_out(&mut world, offering);
        }
        let decision = world.look();
        assert_eq!(told(&decision), expected, "{situation}");
        let named = |launch: &&Launch| launch.offering.reservation.is_some() == (launch.offering.market == Market::Reserved);
        assert!(launches(&decision).iter().all(named), "{situation}");
    }
}

/// One look for each type of the pool finds out that nothing is reserved, and the next one launches on demand: five, if there are four.
#[test]
fn reservations_that_are_full_are_gone_around_within_as_many_looks_as_there_are_types() {
    for types in [vec!["c7a.large"], vec!["c7a.large", "m7a.large", "c7i.large", "m7i.large"]] {
        let mut change = reserving(json!({}));
        merge(&mut change, json!({ "defaults": { "launch": { "instance_types": types } } }));
        let mut world = growing(change);
        for instance_type in &types {
            let decision = answer(&mut world, Market::Reserved, &full());
            let expected = ["a", "b", "c"].map(|zone| format!("{zone} reserved {instance_type} 1"));
            assert_eq!(told(&decision), expected, "{types:?}");
        }
        let decision = world.look();
        let expected = ["a", "b", "c"].map(|zone| format!("{zone} on-demand {} 1", types[0]));
        assert_eq!(told(&decision), expected, "{types:?}");
        assert!(guards_of(&decision).is_empty());
        let passed_over = finds(
            &decision,
            |finding| matches!(finding, Finding::RanOut { offerings } if offerings.len() == 3 * types.len()),
        );
        assert!(passed_over, "{:?}", blue(&decision).findings);
    }
}

/// The example of `docs/policies.md`: four `m7a.large` are reserved in one zone, and six are wanted in two.
#[test]
fn zones_are_balanced_before_reserved_places_are_filled() {
    let mut change = two_types(reserving(json!({})));
    let defaults = json!({ "capacity": { "initial": 6 }, "launch": { "subnets": ["subnet-a", "subnet-b"] } });
    let guards = json!({ "budgets": { "launch": { "per_tick": 10 } } });
    merge(&mut change, json!({ "defaults": defaults, "guards": guards }));
    let mut world = World::new(change);
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let decision = world.die();
        for step in &decision.plan.steps {
            let Action::Launch(launch) = &step.action else { continue };
            let is_there = launch.offering == offering("a", "m7a.large", Market::Reserved);
            let outcome = if is_there || launch.offering.market == Market::OnDemand {
                world.execute(step)
            } else {
                ran_out(&mut world, launch.offering.clone());
                full()
            };
            world.tell(step, outcome);
        }
        rounds.push(told(&decision));
    }
    assert_eq!(
        rounds,
        [
            vec!["a reserved c7a.large 3", "b reserved c7a.large 3"],
            vec!["a reserved m7a.large 3", "b reserved m7a.large 3"],
            vec!["b on-demand c7a.large 3"],
        ]
    );
    assert!(launches(&world.look()).is_empty());
}

/// Whatever is wrong with a reservation, a pool grows on demand, and a person is told.
#[test]
fn a_reservation_that_cannot_be_used_keeps_nobody_from_growing() {
    for (class, code) in [
        (Refusal::Configuration, "InvalidCapacityReservationId.NotFound"),
        (Refusal::Configuration, "UnauthorizedOperation"),
        (Refusal::Quota, "InstanceLimitExceeded"),
    ] {
        let mut world = growing(reserving(json!({ "reservations": ID })));
        answer(&mut world, Market::Reserved, &refused(class, code));
        let decision = world.look();
        let expected = ["a", "b", "c"].map(|zone| format!("{zone} on-demand c7a.large 1"));
        assert_eq!(told(&decision), expected, "{code}");
        let off = |finding: &Finding| {
            let is_off = matches!(finding, Finding::MarketOff { market: Market::Reserved, code: told, .. } if told == code);
            is_off && finding.is_alert() && finding.to_string().starts_with("nothing is launched in a reservation before")
        };
        assert!(finds(&decision, off), "{code}: {:?}", blue(&decision).findings);
    }
}

#[test]
fn a_wrong_template_is_told_by_the_launch_on_demand() {
    let mut world = growing(reserving(json!({})));
    let wrong = refused(Refusal::Configuration, "InvalidAMIID.NotFound");
    answer(&mut world, Market::Reserved, &wrong);
    answer(&mut world, Market::OnDemand, &wrong);
    let decision = world.look();
    assert_eq!((told(&decision), guards_of(&decision)), (vec![], vec!["launch refused"]));
}

#[test]
fn the_quota_of_on_demand_leaves_what_is_reserved() {
    let mut world = growing(reserving(json!({})));
    ran_out(&mut world, offering("a", "c7a.large", Market::Reserved));
    answer(&mut world, Market::OnDemand, &refused(Refusal::Quota, "VcpuLimitExceeded"));
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 7;
    let decision = world.look();
    let markets: Vec<Market> = launches(&decision).iter().map(|launch| launch.offering.market).collect();
    assert!(
        !markets.is_empty() && markets.iter().all(|market| *market == Market::Reserved),
        "{markets:?}"
    );
}

/// Two of four are in reservations, two are spot, and half may be spot: four more are two of each.
#[test]
fn what_is_reserved_counts_as_on_demand() {
    let mut world = World::serving(4, reserving(json!({ "spot_percent": 50 })));
    world.read("requests", 200.0);
    let markets = [Market::Reserved, Market::Reserved, Market::Spot, Market::Spot];
    for (instance, market) in world.instances.values_mut().zip(markets) {
        instance.market = market;
    }
    let of = |decision: &Decision, market| {
        let count = |launch: &&Launch| (launch.offering.market == market).then_some(launch.count);
        launches(decision).iter().filter_map(count).sum::<u32>()
    };
    let decision = world.clone().look();
    assert_eq!((of(&decision, Market::Reserved), of(&decision, Market::Spot)), (2, 2));

    for zone in ["a", "b", "c"] {
        ran_out(&mut world, offering(zone, "c7a.large", Market::OnDemand));
    }
    let decision = world.clone().look();
    assert_eq!(
        (of(&decision, Market::Reserved), of(&decision, Market::Spot)),
        (2, 2),
        "spot stands in for neither"
    );

    for zone in ["a", "b", "c"] {
        ran_out(&mut world, offering(zone, "c7a.large", Market::Reserved));
    }
    let decision = world.look();
    assert_eq!(of(&decision, Market::Spot), 4, "nothing else is left");
    let stood_in = |finding: &Finding| {
        *finding
            == Finding::OtherMarket {
                count: 2,
                wanted: Market::OnDemand,
                taken: Market::Spot,
            }
    };
    assert!(finds(&decision, stood_in));
}

/// Half may be spot, and of four three are: the first to leave is spot, then it is who is reserved.
#[test]
fn who_is_reserved_leaves_as_who_is_on_demand() {
    let guards =
        json!({ "guards": { "cooldown": { "in": "0s" }, "stabilisation": { "in": "0s" }, "budgets": { "removal": { "per_tick": 100 } } } });
    let mut change = reserving(json!({ "spot_percent": 50 }));
    merge(&mut change, guards);
    let mut world = World::serving(4, change);
    let markets = [Market::Reserved, Market::Reserved, Market::Reserved, Market::Spot];
    for (instance, market) in world.instances.values_mut().zip(markets) {
        instance.market = market;
    }
    world.loads.clear();
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 2;
    world.look();
    let members = &world.inputs.state.pools[&pool("blue")].members;
    let leaves = |id: &InstanceId| members[id].drain.is_some_and(|drain| drain.why == DrainReason::ScaleIn);
    let left: Vec<Market> = world
        .instances
        .values()
        .filter(|instance| leaves(&instance.id))
        .map(|instance| instance.market)
        .collect();
    assert_eq!(left, [Market::Reserved, Market::Reserved]);
}

/// EC2 starts a stopped instance that is bound to a reservation only while that has room.
#[test]
fn nothing_reserved_is_kept_warm() {
    let mut change = reserving(json!({}));
    let calm = json!({ "stabilisation": { "in": "0s" }, "cooldown": { "out": "0s", "in": "0s" } });
    merge(
        &mut change,
        json!({ "defaults": { "warm": { "size": 2, "return": true } }, "guards": calm }),
    );
    let world = World::serving(3, change);
    let decision = world.clone().look();
    let kept: Vec<_> = launches(&decision)
        .iter()
        .map(|launch| (launch.warm, launch.offering.market))
        .collect();
    assert_eq!(kept, [(true, Market::OnDemand); 2]);

    for (market, stopped) in [(Market::OnDemand, true), (Market::Reserved, false)] {
        let mut world = world.clone();
        world.instances.values_mut().for_each(|instance| instance.market = market);
        world.loads.clear();
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 2;
        let decisions = world.minutes(8);
        let served = |id: &InstanceId| !id.as_str().starts_with("i-new");
        let stops = |decision: &Decision| {
            let stops = decision.plan.steps.iter().filter(|step| step.action.kind() == "stop");
            stops.flat_map(|step| step.action.instances()).any(served)
        };
        assert_eq!(decisions.iter().any(stops), stopped, "{market}");
    }
}

#[test]
fn what_one_reservation_lacks_another_may_have() {
    for (named, asks) in [("open", false), (ID, true), (GROUP, true)] {
        let mut world = growing(reserving(json!({ "reservations": named })));
        for zone in ["a", "b", "c"] {
            ran_out(&mut world, offering(zone, "c7a.large", Market::Reserved));
        }
        let decision = world.look();
        let markets = launches(&decision).iter().all(|launch| launch.offering.market == Market::Reserved);
        assert_eq!(markets, asks, "{named}: {:?}", told(&decision));
        let noted = finds(&decision, |finding| matches!(finding, Finding::RanOut { .. }));
        assert_eq!(noted, !asks, "{named}");
    }
}

#[test]
fn another_reservation_has_another_token() {
    let token = |named: &str| {
        let decision = growing(reserving(json!({ "reservations": named }))).look();
        launches(&decision)[0].token.clone()
    };
    let tokens = ["none", "open", ID, "cr-0123456789abcdef1", GROUP].map(token);
    let distinct: std::collections::BTreeSet<_> = tokens.iter().map(|token| token.as_str()).collect();
    assert_eq!(distinct.len(), tokens.len());
}

#[test]
fn an_offering_is_stored_with_its_reservation() {
    let mut reserved = offering("a", "c7a.large", Market::Reserved);
    reserved.reservation = Some(Reservation::Id(ID.into()));
    let text = serde_json::to_string(&reserved).unwrap();
    let expected = format!(r#"{{"zone":"eu-west-1a","type":"c7a.large","market":"reserved","reservation":"{ID}"}}"#);
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<Offering>(&text).unwrap(), reserved);
    assert_eq!(reserved.to_string(), format!("c7a.large in reservation {ID} in eu-west-1a"));
    let plain = serde_json::to_string(&offering("a", "c7a.large", Market::OnDemand)).unwrap();
    assert!(!plain.contains("reservation"), "as an older build reads it: {plain}");
}

#[test]
fn a_wrong_reservation_is_told_on_its_field() {
    let at = |text: &str| problems(reserving(json!({ "reservations": text })));
    for text in [
        "cr-",
        "cr-xyz",
        "CR-0123",
        "Open",
        "any",
        "",
        "arn:aws:resource-groups:eu-west-1:123456789012:",
        "arn:aws:resource-groups:eu-west-1:123456789012:group/",
        "arn:aws:ec2:eu-west-1:123456789012:capacity-reservation/cr-0123",
    ] {
        let expected = format!("defaults.launch.market.reservations: `{text}` names no capacity reservation");
        assert_eq!(at(text), [expected]);
    }
    for text in ["open", "none", ID, GROUP] {
        assert_eq!(at(text), [""; 0], "{text}");
    }
    let types = json!(["c7a.large", "c7i.large", "m7a.large", "m7i.large", "r7a.large"]);
    let mut many = reserving(json!({}));
    merge(&mut many, json!({ "defaults": { "launch": { "instance_types": types } } }));
    assert_eq!(
        problems(many),
        ["defaults.launch.market.reservations: reservations are asked for each instance type, at most 4, and the pool names 5"]
    );
}

#[test]
fn a_pool_may_use_none_where_its_fleet_uses_some() {
    let pools = json!([
        { "id": "blue" },
        { "id": "green", "role": "standby", "launch": { "market": { "reservations": "none" } } },
        { "id": "black", "role": "standby", "launch": { "market": { "reservations": GROUP } } },
    ]);
    let mut change = reserving(json!({}));
    merge(&mut change, json!({ "pools": pools, "policies": [], "maximum": 200 }));
    let named: Vec<_> = spec(change).pools.into_iter().map(|pool| pool.launch.market.reservations).collect();
    assert_eq!(named, [Some(Reservation::Open), None, Some(Reservation::Group(GROUP.into()))]);
}
