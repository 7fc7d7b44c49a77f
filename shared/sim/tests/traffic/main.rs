//! Traffic in the virtual world: it leaves a side that is down, soon and once, and nothing else moves it.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its world should stop there")]

mod regions;

use std::collections::BTreeMap;

use ghostnet_core::id::{FleetId, InstanceId, PoolId};
use ghostnet_core::spec::{FleetSpec, RawFleetSpec};
use ghostnet_sim::chance::Chance;
use ghostnet_sim::check;
use ghostnet_sim::clock::{MINUTE, Millis};
use ghostnet_sim::fault::{Fault, Faults};
use ghostnet_sim::fleets::{Design, SHARED, TYPES, ZONES, group};
use ghostnet_sim::hand::Strike;
use ghostnet_sim::load::Load;
use ghostnet_sim::log::Log;
use ghostnet_sim::run::Runner;
use ghostnet_sim::traffic::rule;
use ghostnet_sim::world::World;
use serde_json::{Value, json};

fn fleet() -> FleetId {
    "web".parse().unwrap()
}

fn pool(name: &str) -> PoolId {
    name.parse().unwrap()
}

/// Four of `blue` take the traffic; `green` stands by, as warm as its mode says.
fn design(hot: bool, failover: Value) -> Design {
    let mut failing_over = json!({
        "mode": if hot { "hot_standby" } else { "cold_standby" },
        "lever": { "listener_rules": [rule("web").as_str()] },
    });
    let (Value::Object(all), Value::Object(more)) = (&mut failing_over, failover) else {
        panic!("not an object")
    };
    all.extend(more);
    let subnets: Vec<String> = ZONES.iter().map(|zone| format!("subnet-{zone}")).collect();
    let standby = if hot {
        json!({ "min": 2, "max": 8 })
    } else {
        json!({ "min": 0, "max": 8 })
    };
    let raw: RawFleetSpec = serde_json::from_value(json!({
        "fleet": "web",
        "defaults": {
            "capacity": { "min": 4, "max": 8 },
            "launch": { "template": { "name": "web" }, "subnets": subnets, "instance_types": TYPES },
            "warmup": "60s", "drain": { "timeout": "60s" },
        },
        "pools": [
            { "id": "blue", "target_groups": [group("web", "blue").as_str()] },
            { "id": "green", "role": "standby", "capacity": standby, "target_groups": [group("web", "green").as_str()] },
        ],
        "failover": failing_over,
    }))
    .unwrap();
    FleetSpec::check(&raw).unwrap();
    Design {
        raw,
        capacity: 50.0,
        size: 4,
    }
}

/// The same fleet, its spec written otherwise.
fn rewritten(design: Design, change: impl FnOnce(&mut Value)) -> Design {
    let mut raw = serde_json::to_value(&design.raw).unwrap();
    change(&mut raw);
    let raw: RawFleetSpec = serde_json::from_value(raw).unwrap();
    FleetSpec::check(&raw).unwrap();
    Design { raw, ..design }
}

fn runner(design: Design, faults: &[(Fault, u32)], strike: Option<(u64, Strike)>) -> Runner {
    let faults = Faults::exactly(7, &faults.iter().copied().collect::<BTreeMap<_, _>>());
    let mut world = World::new(7, faults, Log::new(false));
    world.strike = strike;
    world.apply(design, Load::through(vec![(0, 100.0)]).unwrap());
    Runner::new(world, Chance::of(7, 2))
}

fn active(runner: &Runner) -> PoolId {
    runner.world.borrow().table.fleets[&fleet()].traffic.active.clone()
}

/// Share of the requests that a side gets, in hundredths.
fn share(runner: &Runner, side: &str) -> u32 {
    let world = runner.world.borrow();
    let spec = &world.fleets[&fleet()].spec;
    world.share(spec, spec.pool(&pool(side)).unwrap())
}

fn side_fails(runner: &Runner, side: &str, ends: bool, minutes: Millis) {
    let mut world = runner.world.borrow_mut();
    let until = world.now + minutes * MINUTE;
    world.side_fails(&fleet(), &pool(side), ends, until);
}

/// What is launched in the next minutes never becomes well: nobody recovers by itself.
fn never_well_again(runner: &Runner, minutes: Millis) {
    let mut world = runner.world.borrow_mut();
    world.cloud.capacity.bad_image_until = world.now + minutes * MINUTE;
}

/// Minutes until a side gets everything, at most `most`; none: it does not.
fn minutes_until(runner: &mut Runner, side: &str, most: u32) -> Option<u32> {
    for minute in 0..=most {
        if share(runner, side) == 100 {
            return Some(minute);
        }
        runner.storm(1);
    }
    None
}

fn assert_well(runner: &Runner) {
    assert_eq!(runner.world.borrow().watch.violations, []);
}

#[test]
fn a_side_that_dies_is_left_within_two_minutes_by_one_call() {
    for ends in [true, false] {
        let mut runner = runner(design(true, json!({})), &[], None);
        runner.storm(20);
        assert_eq!((active(&runner), share(&runner, "blue")), (pool("blue"), 100));
        side_fails(&runner, "blue", ends, 60);
        let took = minutes_until(&mut runner, "green", 10);
        // one that ends is told by two kinds of signal; one that is only sick by one, and its checks alone move nothing
        assert_eq!(took.is_some_and(|took| took <= 2), ends, "{took:?}");
        assert_well(&runner);
    }
}

/// EC2 says nothing of an application that is sick: its errors are the second kind of signal.
#[test]
fn a_side_that_is_sick_is_left_if_its_application_says_so_too() {
    let detect = json!({ "detect": { "response_time": "200ms", "error_rate": "5%" } });
    let mut runner = runner(design(true, detect), &[], None);
    runner.storm(20);
    // all but one are sick, and that one answers for all of them, with errors
    let sick: Vec<_> = {
        let world = runner.world.borrow();
        let ids = world
            .alive(&fleet(), &pool("blue"))
            .map(|machine| machine.id.clone())
            .collect::<Vec<_>>();
        ids.into_iter().skip(1).collect()
    };
    {
        let mut world = runner.world.borrow_mut();
        let now = world.now;
        for id in sick {
            world.cloud.ec2.machines.get_mut(&id).unwrap().sick_since = Some(now);
        }
    }
    assert!(minutes_until(&mut runner, "green", 8).is_some());
    assert_well(&runner);
}

/// Its instances run and pass their checks: nothing but the time that answers take tells of it.
#[test]
fn a_slow_side_is_left_once_an_alarm_agrees_that_answers_take_too_long() {
    let metric = json!({ "response_time": "2s" });
    let both = json!({ "response_time": "2s", "alarms": ["latency"] });
    for (detect, is_left) in [(metric, false), (both, true)] {
        let mut runner = runner(design(true, json!({ "detect": detect })), &[], None);
        runner.storm(20);
        {
            let mut world = runner.world.borrow_mut();
            let until = world.now + 30 * MINUTE;
            world.side_slows(&fleet(), &pool("blue"), until);
        }
        let took = minutes_until(&mut runner, "green", 8);
        assert_eq!(took.is_some(), is_left, "{took:?}");
        assert!(
            took.is_none_or(|took| (3..=5).contains(&took)),
            "three minutes, and the time until they are shown: {took:?}"
        );
        assert_well(&runner);
    }
}

#[test]
fn a_cold_standby_grows_before_anything_moves() {
    let mut runner = runner(design(false, json!({})), &[], None);
    runner.storm(20);
    side_fails(&runner, "blue", true, 60);
    for _ in 0..20 {
        runner.storm(1);
        let world = runner.world.borrow();
        let spec = &world.fleets[&fleet()].spec;
        let green = spec.pool(&pool("green")).unwrap();
        if world.share(spec, green) == 100 {
            assert!(world.answers(&fleet(), green) >= 2, "half of what blue has");
            return assert_eq!(world.watch.violations, []);
        }
    }
    // blue is launched anew meanwhile: whichever is ready first serves
    assert_eq!(share(&runner, "blue"), 100);
    assert_well(&runner);
}

/// What answers in place of both sides, with the rule that a page needs so that checks go on.
fn pages() -> [Value; 2] {
    let checks = rule("web-checks");
    [
        json!({ "forward": group("web", "sorry").as_str() }),
        json!({ "fixed_response": { "status": 503 }, "checked_by": checks.as_str(), "shed_rules": [rule("web-shed").as_str()] }),
    ]
}

/// No side can serve: something else answers within two minutes, and no longer than until somebody can, whichever call is lost.
#[test]
fn something_else_answers_while_nobody_can_and_whatever_call_fails() {
    for page in pages() {
        let change = json!({ "degraded": page });
        let until_they_die = {
            let mut runner = runner(design(true, change.clone()), &[], None);
            runner.storm(20);
            runner.world.borrow().counters.changes
        };
        let strikes = [Strike::Twice, Strike::DieBefore, Strike::DieAfter];
        let strikes = strikes
            .iter()
            .flat_map(|strike| (1..=12).map(|number| Some((until_they_die + number, *strike))));
        for strike in std::iter::once(None).chain(strikes) {
            let mut runner = runner(design(true, change.clone()), &[], strike);
            runner.storm(20);
            never_well_again(&runner, 10);
            for side in ["blue", "green"] {
                side_fails(&runner, side, true, 10);
            }
            runner.storm(if strike.is_some() { 5 } else { 2 });
            assert_eq!((share(&runner, "blue"), share(&runner, "green")), (0, 0), "{page} {strike:?}");
            // launches that never became well are repeated ever more slowly
            runner.storm(45);
            assert_eq!(share(&runner, "blue") + share(&runner, "green"), 100, "{page} {strike:?}");
            runner.calm();
            assert_eq!(check::is_right(&runner.world.borrow()), [], "{page} {strike:?}");
            assert_well(&runner);
        }
    }
}

/// Half an hour each, from a fleet's first minute or in the middle of its life.
#[test]
fn what_moves_nothing() {
    type Case = (&'static str, u32, &'static [(Fault, u32)]);
    let cases: [Case; 4] = [
        ("a fleet that starts", 0, &[]),
        ("images that never become well, from the first minute", 0, &[(Fault::BadImage, 400)]),
        (
            "metrics that do not come",
            20,
            &[(Fault::MetricMissing, 30), (Fault::MetricFailed, 40)],
        ),
        ("a single sick one now and then", 20, &[(Fault::Sick, 4)]),
    ];
    for (situation, before, faults) in cases {
        let detect = json!({ "detect": { "error_rate": "5%" } });
        let mut runner = runner(design(true, detect), faults, None);
        runner.storm(before + 30);
        assert_eq!((active(&runner), share(&runner, "blue")), (pool("blue"), 100), "{situation}");
        assert_well(&runner);
    }
}

#[test]
fn traffic_comes_back_by_itself_only_where_it_may_and_after_the_dwell() {
    for (failback, comes) in [("auto", true), ("manual", false)] {
        let after = if comes { json!(3) } else { Value::Null };
        let change = json!({ "failback": failback, "failback_after": after, "dwell": "10m" });
        let mut runner = runner(design(true, change), &[], None);
        runner.storm(20);
        side_fails(&runner, "blue", true, 1);
        assert!(minutes_until(&mut runner, "green", 4).is_some());
        assert_eq!(minutes_until(&mut runner, "blue", 8), None, "within the dwell");
        assert_eq!(minutes_until(&mut runner, "blue", 40).is_some(), comes, "{failback}");
        assert_well(&runner);
    }
}

/// A side dies, and each changing call of the next minutes, in turn, is made twice, or its invocation dies before or after it: the
/// traffic arrives all the same, and the world is right in the end.
#[test]
fn whatever_call_fails_or_is_made_twice_the_traffic_arrives() {
    for make in [
        design,
        swapping,
        by_records,
        by_endpoints,
        by_dials,
        by_address,
        regions::in_two_regions,
    ] {
        let until_it_dies = {
            let mut runner = runner(make(true, json!({})), &[], None);
            runner.storm(20);
            runner.world.borrow().counters.changes
        };
        for strike in [Strike::Twice, Strike::DieBefore, Strike::DieAfter] {
            for number in until_it_dies + 1..=until_it_dies + 25 {
                let mut runner = runner(make(true, json!({})), &[], Some((number, strike)));
                runner.storm(20);
                side_fails(&runner, "blue", true, 30);
                never_well_again(&runner, 30);
                let took = minutes_until(&mut runner, "green", 6);
                assert!(took.is_some(), "{strike:?} at {number}");
                runner.calm();
                assert_eq!(check::is_right(&runner.world.borrow()), [], "{strike:?} at {number}");
                assert_well(&runner);
            }
        }
    }
}

/// A window opens, the traffic goes to the standby and comes back, and each changing call on the way, in turn, is made twice, or its invocation
/// dies before or after it. Cold standbys grow first.
#[test]
fn whatever_call_fails_or_is_made_twice_a_drill_is_made_once_and_ends() {
    for hot in [true, false] {
        let drill = || json!({ "dwell": "5m", "drill": { "cron": "20 0 * * *", "for": "60m", "lasts": "5m" } });
        let until_it_opens = {
            let mut runner = runner(design(hot, drill()), &[], None);
            runner.storm(19);
            runner.world.borrow().counters.changes
        };
        for strike in [Strike::Twice, Strike::DieBefore, Strike::DieAfter] {
            for number in until_it_opens + 1..=until_it_opens + 14 {
                let mut runner = runner(design(hot, drill()), &[], Some((number, strike)));
                runner.storm(19);
                let situation = format!("hot {hot}, {strike:?} at {number}");
                assert!(minutes_until(&mut runner, "green", 10).is_some(), "{situation}");
                assert!(minutes_until(&mut runner, "blue", 10).is_some(), "{situation}");
                assert_eq!(
                    minutes_until(&mut runner, "green", 40),
                    None,
                    "{situation}: not twice in one window"
                );
                runner.calm();
                assert_eq!(check::is_right(&runner.world.borrow()), [], "{situation}");
                assert_eq!(runner.world.borrow().counters.moves, 2, "{situation}");
                assert_well(&runner);
            }
        }
    }
}

/// A name in Route 53 leads to the sides.
fn by_records(hot: bool, failover: Value) -> Design {
    let lever = json!({ "route53_records": [{ "zone": "Z0123ABC", "name": "www.example.com", "type": "A" }] });
    led(hot, failover, lever)
}

/// An endpoint group of an accelerator does.
fn by_endpoints(hot: bool, failover: Value) -> Design {
    let balancer = |side: &str| format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/{side}/1");
    let endpoints = json!({ "blue": balancer("blue"), "green": balancer("green") });
    let group = format!("{ACCELERATOR}/endpoint-group/1");
    led(
        hot,
        failover,
        json!({ "accelerator_endpoints": [{ "endpoint_group": group, "endpoints": endpoints }] }),
    )
}

/// A listener of an accelerator does.
fn by_dials(hot: bool, failover: Value) -> Design {
    let group = |side: &str| format!("{ACCELERATOR}/endpoint-group/{side}");
    let groups = json!({ "blue": group("blue"), "green": group("green") });
    led(
        hot,
        failover,
        json!({ "accelerator_dials": [{ "listener": ACCELERATOR, "endpoint_groups": groups }] }),
    )
}

const ACCELERATOR: &str = "arn:aws:globalaccelerator::123456789012:accelerator/a/listener/b";

fn led(hot: bool, failover: Value, lever: Value) -> Design {
    let mut failover = failover;
    failover["lever"] = lever;
    design(hot, failover)
}

#[test]
fn a_side_that_dies_is_left_by_whatever_leads_to_it_and_clients_follow() {
    for make in [by_records, by_endpoints, by_dials] {
        let mut runner = runner(make(true, json!({})), &[], None);
        runner.storm(20);
        assert_eq!((active(&runner), share(&runner, "blue")), (pool("blue"), 100));
        side_fails(&runner, "blue", true, 60);
        let took = minutes_until(&mut runner, "green", 10);
        assert!(
            took.is_some_and(|took| took <= 3),
            "{took:?}: the last ones a minute after the others"
        );
        assert_well(&runner);
    }
}

/// An address and a line of a route table lead to one of them, and nobody has a balancer.
fn by_address(hot: bool, failover: Value) -> Design {
    let mut design = rewritten(design(hot, failover), |raw| {
        raw["failover"]["lever"] = json!({ "to_instance": {
            "elastic_ips": ["eipalloc-0123456789abcdef0"],
            "vpc_routes": [{ "table": "rtb-0123456789abcdef0", "destination": "0.0.0.0/0" }],
        } });
        raw["failover"]["detect"] = json!({ "alarms": ["latency"], "probes": ["reachable"] });
        for pool in raw["pools"].as_array_mut().unwrap() {
            pool.as_object_mut().unwrap().remove("target_groups");
        }
    });
    // one of them answers everybody
    design.capacity = 200.0;
    design
}

/// Which instance everything leads to.
fn holder(runner: &Runner) -> InstanceId {
    let world = runner.world.borrow();
    let led = world
        .cloud
        .rules
        .values()
        .map(|routing| routing.weights.keys().next().unwrap().as_str());
    let led: Vec<&str> = led.collect();
    assert!(led.len() == 2 && led[0] == led[1], "{led:?}");
    InstanceId::new(led[0])
}

#[test]
fn an_address_follows_who_serves_within_a_side_and_goes_to_the_other_side_with_the_traffic() {
    let mut runner = runner(by_address(true, json!({})), &[], None);
    runner.storm(20);
    assert_eq!(share(&runner, "blue"), 100);
    let first = holder(&runner);
    {
        let mut world = runner.world.borrow_mut();
        let now = world.now;
        world.cloud.ec2.end(&first, 0, now);
    }
    runner.storm(2);
    let second = holder(&runner);
    assert_eq!(
        (share(&runner, "blue"), runner.world.borrow().counters.moves),
        (100, 0),
        "no failover"
    );
    assert_ne!(second, first);
    side_fails(&runner, "blue", true, 60);
    let took = minutes_until(&mut runner, "green", 10);
    assert!(
        took.is_some_and(|took| took <= 3),
        "EC2 tells within a minute, and whoever asks it a minute later: {took:?}"
    );
    assert_eq!(runner.world.borrow().counters.moves, 1);
    runner.calm();
    assert_eq!(check::is_right(&runner.world.borrow()), []);
    assert_well(&runner);
}

/// Both sides have one target group, and only who takes the traffic is registered there.
fn swapping(hot: bool, failover: Value) -> Design {
    rewritten(design(hot, failover), |raw| {
        raw["failover"]["lever"] = json!({ "target_swap": true });
        for pool in raw["pools"].as_array_mut().unwrap() {
            pool["target_groups"] = json!([group("web", SHARED).as_str()]);
        }
    })
}

#[test]
fn a_side_that_dies_is_swapped_for_the_other_one_in_their_group() {
    let mut runner = runner(swapping(true, json!({})), &[], None);
    runner.storm(20);
    assert_eq!((active(&runner), share(&runner, "blue")), (pool("blue"), 100));
    side_fails(&runner, "blue", true, 60);
    never_well_again(&runner, 60);
    let took = minutes_until(&mut runner, "green", 10);
    assert!(took.is_some_and(|took| took <= 3), "{took:?}");
    runner.calm();
    assert_eq!(check::is_right(&runner.world.borrow()), []);
    assert_eq!(active(&runner), pool("green"));
    assert_well(&runner);
}

/// The alarms of both sides watch one group: they say nothing against the side that is not registered there, once it is.
#[test]
fn a_slow_side_is_swapped_and_what_was_measured_of_it_is_not_held_against_the_other_one() {
    for hot in [true, false] {
        let detect = json!({ "detect": { "response_time": "2s", "alarms": ["latency"] }, "dwell": "10m" });
        let mut runner = runner(swapping(hot, detect), &[], None);
        runner.storm(20);
        {
            let mut world = runner.world.borrow_mut();
            let until = world.now + 90 * MINUTE;
            world.side_slows(&fleet(), &pool("blue"), until);
        }
        let took = minutes_until(&mut runner, "green", 12);
        assert!(took.is_some_and(|took| took <= if hot { 7 } else { 9 }), "hot {hot}: {took:?}");
        runner.storm(40);
        assert_eq!((active(&runner), share(&runner, "green")), (pool("green"), 100), "hot {hot}");
        assert_eq!(runner.world.borrow().counters.moves, 1, "hot {hot}");
        assert_well(&runner);
    }
}

/// A planned move, there and back: somebody is in the group at every moment.
#[test]
fn a_swap_on_purpose_leaves_nobody_without_an_answer() {
    let drill = json!({ "dwell": "5m", "drill": { "cron": "20 0 * * *", "for": "60m", "lasts": "5m" } });
    let mut runner = runner(swapping(true, drill), &[], None);
    runner.storm(19);
    let (since, until) = (runner.world.borrow().now, runner.world.borrow().now + 40 * MINUTE);
    runner.world.borrow_mut().count_toll(&fleet(), since, until);
    assert!(minutes_until(&mut runner, "green", 10).is_some());
    assert!(minutes_until(&mut runner, "blue", 15).is_some());
    runner.storm(41);
    let world = runner.world.borrow();
    assert_eq!(world.counters.moves, 2);
    let lost = world.toll.as_ref().unwrap().lost;
    assert!(lost == 0.0, "{lost} requests were lost");
    assert_eq!(world.watch.violations, []);
}

/// Both sides take half; each has room for all of it.
fn sharing(failover: Value) -> Design {
    rewritten(design(true, failover), |raw| {
        raw["failover"]["mode"] = json!("active_active");
        for side in raw["pools"].as_array_mut().unwrap() {
            side.as_object_mut().unwrap().remove("role");
            side["capacity"] = json!({ "min": 2, "max": 8 });
        }
    })
}

#[test]
fn of_two_that_share_one_that_dies_leaves_its_share_to_the_other_and_gets_it_back() {
    let mut runner = runner(sharing(json!({ "failback": "auto", "dwell": "5m" })), &[], None);
    runner.storm(20);
    assert_eq!(["blue", "green"].map(|side| share(&runner, side)), [50, 50]);
    side_fails(&runner, "blue", true, 60);
    assert!(minutes_until(&mut runner, "green", 3).is_some_and(|minutes| minutes <= 2));
    runner.storm(40);
    assert_eq!(
        ["blue", "green"].map(|side| share(&runner, side)),
        [50, 50],
        "it was replaced, and is well again"
    );
    runner.calm();
    assert_well(&runner);
}

/// Each change of the way made twice, or its invocation killed before or after it: the same end.
#[test]
fn whatever_call_fails_or_is_made_twice_the_shares_come_to_the_same_end() {
    let design = || sharing(json!({ "failback": "auto", "dwell": "5m" }));
    let until_it_dies = {
        let mut runner = runner(design(), &[], None);
        runner.storm(20);
        runner.world.borrow().counters.changes
    };
    for strike in [Strike::Twice, Strike::DieBefore, Strike::DieAfter] {
        for number in until_it_dies + 1..=until_it_dies + 20 {
            let mut runner = runner(design(), &[], Some((number, strike)));
            runner.storm(20);
            side_fails(&runner, "blue", true, 15);
            never_well_again(&runner, 15);
            let took = minutes_until(&mut runner, "green", 6);
            assert!(took.is_some(), "{strike:?} at {number}");
            // launches that never became well are repeated ever more slowly
            runner.storm(60);
            assert_eq!(
                ["blue", "green"].map(|side| share(&runner, side)),
                [50, 50],
                "{strike:?} at {number}"
            );
            runner.calm();
            assert_eq!(check::is_right(&runner.world.borrow()), [], "{strike:?} at {number}");
            assert_well(&runner);
        }
    }
}
