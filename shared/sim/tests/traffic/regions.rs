//! Sides in other regions than the installation's.

use ghostnet_core::id::{PlanId, Region};
use ghostnet_core::observation::tag;
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_core::signal::Signal;
use ghostnet_sim::clock::at;
use ghostnet_sim::cloud::ec2::Tags;
use ghostnet_sim::lambda::{Function, Job};
use ghostnet_sim::world::Event;

use super::*;

/// The sides are in two regions, and the installation is in a third one. A name leads to them.
pub(crate) fn in_two_regions(hot: bool, failover: Value) -> Design {
    rewritten(by_records(hot, failover), |raw| {
        raw["home_region"] = json!("eu-west-1");
        for (pool, region) in raw["pools"].as_array_mut().unwrap().iter_mut().zip(REGIONS) {
            let group = group("web", pool["id"].as_str().unwrap());
            pool["region"] = json!(region);
            pool["target_groups"] = json!([group.as_str().replace("eu-west-1", region)]);
            let subnets = ["a", "b"].map(|zone| format!("subnet-{region}{zone}"));
            pool["launch"] = json!({ "subnets": subnets });
        }
    })
}

const REGIONS: [&str; 2] = ["eu-central-1", "eu-north-1"];

fn lose(runner: &Runner, region: &str) {
    let mut world = runner.world.borrow_mut();
    let until = world.now + 60 * MINUTE;
    world.lose_region(&Region::new(region), false, until);
}

#[test]
fn a_side_in_another_region_is_sized_healed_and_left_as_any_other() {
    let mut runner = runner(in_two_regions(true, json!({})), &[], None);
    runner.storm(20);
    assert_eq!((active(&runner), share(&runner, "blue")), (pool("blue"), 100));
    side_fails(&runner, "blue", true, 60);
    let took = minutes_until(&mut runner, "green", 20);
    assert!(took.is_some_and(|took| took <= 3), "{took:?}");
    runner.calm();
    assert_eq!(check::is_right(&runner.world.borrow()), []);
    assert_well(&runner);
}

/// Nothing of a region answers: what EC2, the balancer and CloudWatch there would say is unknown, and unknown is never down. What is seen from
/// outside is: an alarm and a probe beside the installation.
#[test]
fn a_region_that_answers_nothing_is_left_if_two_kinds_of_signal_from_outside_say_so() {
    for (detect, is_left) in [
        (json!({ "alarms": ["latency"] }), false),
        (json!({ "alarms": ["latency"], "probes": ["reachable"] }), true),
    ] {
        for hot in [true, false] {
            let mut runner = runner(in_two_regions(hot, json!({ "detect": detect })), &[], None);
            runner.storm(20);
            lose(&runner, REGIONS[0]);
            {
                let mut world = runner.world.borrow_mut();
                let until = world.now + 60 * MINUTE;
                world.side_slows(&fleet(), &pool("blue"), until);
            }
            let took = minutes_until(&mut runner, "green", 20);
            assert_eq!(took.is_some(), is_left, "hot: {hot}, {detect}: {took:?}");
            let world = runner.world.borrow();
            // each call waits for its time-out: whoever does not list its instances is asked nothing else
            let asked: Vec<&str> = world.unanswered.iter().copied().collect();
            assert_eq!(asked, ["ec2:DescribeInstances"]);
            // nobody of it was given up, and nobody was launched there
            let members = &world.table.fleets[&fleet()].capacity().unwrap().pools[&pool("blue")].members;
            assert!(members.values().all(|member| !member.gone && member.drain.is_none()), "{members:?}");
            assert_eq!(world.watch.violations, []);
        }
    }
}

/// The home region is another one: what is lost there moves nothing, and neither side is touched.
#[test]
fn a_home_region_that_is_lost_moves_nothing() {
    let mut runner = runner(in_two_regions(true, json!({})), &[], None);
    runner.storm(20);
    let before = runner.world.borrow().counters.moves;
    lose(&runner, "eu-west-1");
    runner.storm(30);
    assert_eq!((runner.world.borrow().counters.moves, share(&runner, "blue")), (before, 100));
    assert_well(&runner);
}

/// An instance of the standby's region is tagged for the side that takes the traffic, by hand or with a tag that was copied: no call to the
/// side's region finds it, so nobody hands it over, and nobody counts on it.
#[test]
fn who_is_tagged_for_a_pool_of_another_region_is_left_alone() {
    let mut runner = runner(in_two_regions(true, json!({})), &[], None);
    runner.storm(20);
    let id = {
        let mut world = runner.world.borrow_mut();
        let (now, ours) = (world.now, world.installation.clone());
        let like = world.alive(&fleet(), &pool("green")).next().unwrap().clone();
        let tags = Tags {
            pool: Some(pool("blue")),
            plan: Some(PlanId::new(tag::HANDED_OVER)),
            step: None,
            ..like.tags.clone()
        };
        world.cloud.ec2.launch_by_hand(&like, Some(ours), tags, now)
    };
    runner.storm(3);
    {
        let mut world = runner.world.borrow_mut();
        let request = OperatorRequest {
            fleet: fleet(),
            pool: Some(pool("blue")),
            asked: Asked {
                by: "operator".to_owned(),
                at: at(world.now),
                wish: Wish::HandOver {
                    instances: vec![id.clone()],
                },
            },
        };
        let (now, job) = (world.now, Job::new(Function::Tick, Signal::OperatorRequest(request)));
        world.schedule(now, Event::Invoke(Box::new(job)));
    }
    runner.storm(20);
    let world = runner.world.borrow();
    let state = world.table.fleets[&fleet()].capacity().unwrap();
    assert!(state.pools.values().all(|pool| !pool.members.contains_key(&id)));
    assert_eq!(state.pools[&pool("blue")].desired, 4);
    assert!(world.cloud.ec2.machines[&id].is_alive(world.now));
    assert!(world.cloud.groups.values().all(|group| !group.targets.contains_key(&id)));
    assert_eq!(world.watch.violations, []);
}
