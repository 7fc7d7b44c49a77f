//! Pools of one fleet in several regions: what a spec may say of it, and what is decided while one of them does not answer.

use ghostnet_core::decide::Decision;
use ghostnet_core::id::Region;
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::plan::Action;
use ghostnet_core::reason::Finding;
use ghostnet_core::state::Member;

use crate::support::*;

fn group_in(region: &str, side: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{region}:123456789012:targetgroup/web-{side}/0123456789abcdef")
}

/// `blue` in Ireland takes the traffic, `green` in Stockholm stands by, the installation is in Frankfurt.
fn fleet(change: Value) -> Value {
    let mut fleet = json!({
        "home_region": "eu-central-1",
        "pools": [
            { "id": "blue", "region": "eu-west-1", "target_groups": [group_in("eu-west-1", "blue")] },
            { "id": "green", "region": "eu-north-1", "role": "standby", "target_groups": [group_in("eu-north-1", "green")] },
        ],
        "policies": [],
        "failover": {
            "mode": "hot_standby", "detect": { "error_rate": "5%" },
            "lever": { "route53_records": [{ "zone": "Z0123ABC", "name": "www.example.com", "type": "A" }] },
        },
    });
    merge(&mut fleet, change);
    fleet
}

#[test]
fn pools_are_where_the_spec_says_and_else_where_the_installation_is() {
    let read = spec(fleet(json!({})));
    let home = Region::new("eu-central-1");
    let regions: Vec<&str> = read.pools.iter().map(|pool| pool.region_or(&home).as_str()).collect();
    assert_eq!((read.home_region.as_ref(), regions), (Some(&home), vec!["eu-west-1", "eu-north-1"]));

    let plain = spec(json!({ "policies": [] }));
    assert_eq!((plain.home_region, plain.pools[0].region_or(&home)), (None, &home));
    // one that stands by may be at home, and a fleet of one region may be away from it
    let at_home = json!({ "pools": [fleet(json!({}))["pools"][0], { "id": "green", "role": "standby", "target_groups": [group_in("eu-central-1", "green")] }] });
    spec(fleet(at_home));
    spec(json!({ "home_region": "eu-central-1", "pools": [{ "id": "blue", "region": "us-gov-west-1" }], "policies": [] }));
}

/// One mistake each: where it is told, the words that tell it, and what to do about it.
#[test]
fn one_mistake_one_problem() {
    let blue = |change: Value| {
        let mut pools = fleet(json!({}))["pools"].clone();
        merge(&mut pools[0], change);
        json!({ "pools": pools })
    };
    let lever = |lever: Value| {
        let mut lever = lever;
        lever["route53_records"] = Value::Null;
        json!({ "failover": { "lever": lever, "detect": { "error_rate": null, "probes": ["reachable"] } } })
    };
    let listener = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2";
    for (change, path, message, hint) in [
        (
            json!({ "home_region": null }),
            "pools[0].region",
            "nothing says which installation",
            "add `home_region`",
        ),
        (
            json!({ "home_region": "frankfurt" }),
            "home_region",
            "`frankfurt` is not the name of a region",
            "`eu-west-1`",
        ),
        (
            json!({ "home_region": "eu-central-1a" }),
            "home_region",
            "`eu-central-1a` is not the name of a region",
            "`eu-west-1`",
        ),
        (
            blue(json!({ "region": "EU-WEST-1" })),
            "pools[0].region",
            "`EU-WEST-1` is not the name of a region",
            "`eu-west-1`",
        ),
        (
            json!({ "home_region": "eu-west-1" }),
            "pools[0].region",
            "`blue` takes the traffic in the home region",
            "a third region",
        ),
        (
            blue(json!({ "region": null, "target_groups": [group_in("eu-central-1", "blue")] })),
            "pools[0].region",
            "`blue` takes the traffic in the home region",
            "a third region",
        ),
        (
            blue(json!({ "target_groups": [group_in("eu-north-1", "blue")] })),
            "pools[0].target_groups[0]",
            "it is in `eu-north-1`, and the pool in `eu-west-1`",
            "their own region",
        ),
        (
            lever(json!({ "listener_rules": [listener] })),
            "failover.lever.listener_rules",
            "this is in one",
            "`route53_records`",
        ),
        (
            lever(json!({ "target_swap": true })),
            "failover.lever.target_swap",
            "this is in one",
            "`accelerator_dials`",
        ),
        (
            lever(json!({ "to_instance": { "elastic_ips": ["eipalloc-0123456789abcdef0"] } })),
            "failover.lever.to_instance",
            "this is in one",
            "`route53_records`",
        ),
    ] {
        let problems = faults(fleet(change.clone()));
        let told = problems
            .iter()
            .find(|problem| problem.path == path && problem.message.contains(message));
        let told = told.unwrap_or_else(|| panic!("{path}: {message}: {change}: {problems:#?}"));
        assert!(told.hint.as_deref().unwrap_or_default().contains(hint), "{told:#?}");
    }
}

/// Four of each serve, and both would grow.
fn two() -> World {
    let mut world = World::serving(
        4,
        json!({ "pools": [{ "id": "blue", "target_groups": [group("blue")] }, { "id": "green", "target_groups": [group("green")] }] }),
    );
    world.inputs.state.pools.get_mut(&pool("green")).unwrap().desired = 4;
    for n in 0..4 {
        let id = world.put("green", n, InstanceState::Running);
        world.health("green", &id, TargetHealth::Healthy);
        let member = Member {
            served_since: Some(at(-3_600).into()),
            ..Member::new(at(-3_600))
        };
        world.inputs.state.pools.get_mut(&pool("green")).unwrap().members.insert(id, member);
    }
    world.read("requests", 150.0);
    world
}

fn sizes(decision: &Decision) -> [u32; 2] {
    ["blue", "green"].map(|side| decision.pools[&pool(side)].after)
}

#[test]
fn a_pool_whose_region_does_not_answer_holds_and_the_other_one_goes_on() {
    assert_eq!(sizes(&two().look()), [6, 6], "both answer");
    let mut world = two();
    world.unlisted.insert(pool("green"));
    let decision = world.look();
    assert_eq!(sizes(&decision), [6, 4]);
    let steps = &decision.plan.steps;
    assert!(!steps.is_empty() && steps.iter().all(|step| step.pool == pool("blue")), "{steps:?}");
    let told = |side: &str| decision.pools[&pool(side)].findings.contains(&Finding::InstancesUnknown);
    assert!(!told("blue") && told("green"));
    assert_eq!(decision.pools[&pool("green")].counts.capacity(), 4, "not listed is not gone");
    for minute in 0..30 {
        world.minutes(1);
        let decision = world.look();
        assert_eq!(decision.pools[&pool("green")].after, 4, "minute {minute}");
    }
    let members = &world.inputs.state.pools[&pool("green")].members;
    assert!(
        members.len() == 4 && members.values().all(|member| !member.gone && member.drain.is_none()),
        "{members:?}"
    );
    world.unlisted.clear();
    world.minutes(1);
    assert!(sizes(&world.look())[1] > 4, "it goes on");
}

/// A launch is neither sent again nor given up by a list that shows nothing of its region.
#[test]
fn what_is_under_way_in_a_region_that_does_not_answer_stays_counted() {
    let mut world = two();
    let decision = world.die();
    let launches = |decision: &Decision, side: &str| {
        let of_side = decision.plan.steps.iter().filter(|step| step.pool == pool(side));
        of_side.filter(|step| matches!(step.action, Action::Launch(_))).count()
    };
    assert!(launches(&decision, "green") > 0);
    world.unlisted.insert(pool("green"));
    for _ in 0..30 {
        world.minutes(1);
        let decision = world.look();
        assert_eq!(launches(&decision, "green"), 0, "{:?}", steps(&decision));
    }
    let open = world.inputs.state.open.iter().filter(|open| open.step.pool == pool("green"));
    assert!(open.count() > 0, "nobody knows what became of it");
}
