//! Which launches are asked about, in which order, and how many.

use std::collections::BTreeSet;

use ghostnet_core::plan::LAUNCH_CALLS_MAX;
use ghostnet_core::spec::FleetSpec;
use ghostnet_engine::live::probe::{LAUNCHES_MAX, LAUNCHES_PER_ASK, Trial, combinations, trials};
use serde_json::json;

use crate::{plain, spec, spot};

fn told(trial: &Trial) -> String {
    let instance_type = trial.instance_type.as_ref().map_or("-", |name| name.as_str());
    let chosen = if trial.chosen { " chosen" } else { "" };
    format!("{} {instance_type} {}{chosen}", trial.subnet, trial.market.as_str())
}

#[test]
fn every_subnet_type_and_market_is_asked_about_as_early_as_can_be() {
    let many: Vec<String> = (0..7).map(|n| format!("subnet-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let market = json!({ "market": { "spot_percent": 50 } });
    for (situation, spec, all, covered_by) in [
        ("two by two", plain(), 4, 2),
        ("and two markets", spot(), 8, 2),
        (
            "the template's own type",
            spec(&["subnet-a", "subnet-b", "subnet-c"], &[], &json!({}), &json!({})),
            3,
            3,
        ),
        (
            "many subnets",
            spec(&many, &["a.large", "b.large", "c.large"], &market, &json!({})),
            42,
            7,
        ),
    ] {
        let trials = trials(&spec);
        assert_eq!(combinations(&spec), all, "{situation}");
        assert_eq!(trials.len(), all.min(LAUNCHES_MAX), "{situation}");
        assert_eq!(
            trials.iter().collect::<BTreeSet<_>>().len(),
            trials.len(),
            "{situation}: none twice"
        );
        let pool = &spec.pools[0];
        let first: Vec<_> = trials.iter().take(covered_by).collect();
        let missed = |seen: usize, of: usize| of.max(1) - seen;
        let subnets: BTreeSet<_> = first.iter().map(|trial| &trial.subnet).collect();
        let types: BTreeSet<_> = first.iter().map(|trial| &trial.instance_type).collect();
        let markets: BTreeSet<_> = first.iter().map(|trial| trial.market).collect();
        assert_eq!(missed(subnets.len(), pool.launch.subnets.len()), 0, "{situation}");
        assert_eq!(missed(types.len(), pool.launch.instance_types.len()), 0, "{situation}");
        assert_eq!(missed(markets.len(), pool.launch.market.markets().len()), 0, "{situation}");
    }
}

#[test]
fn the_choice_of_aws_is_asked_about_first_by_its_own_call() {
    let market = json!({ "market": { "spot_percent": 100, "allocation": "lowest_price" } });
    let chosen = spec(&["subnet-a"], &["c7a.large", "c7i.large"], &market, &json!({}));
    let asked: Vec<_> = trials(&chosen).iter().map(told).collect();
    let expected = [
        "subnet-a c7a.large spot chosen",
        "subnet-a c7a.large on-demand",
        "subnet-a c7i.large spot",
        "subnet-a c7a.large spot",
        "subnet-a c7i.large on-demand",
    ];
    assert_eq!(asked, expected);
    let listed = trials(&spot());
    assert!(listed.iter().all(|trial| !trial.chosen), "by the listed order nobody chooses");
}

#[test]
fn a_spec_of_any_size_is_asked_about_within_the_bound() {
    let names = |before: &str, after: &str| (0..2_000).map(|n| format!("{before}{n}{after}")).collect::<Vec<_>>();
    let (subnets, types) = (names("subnet-", ""), names("c", ".large"));
    let [subnets, types] = [&subnets, &types].map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
    let huge = spec(&subnets, &types, &json!({ "market": { "spot_percent": 50 } }), &json!({}));
    assert_eq!((trials(&huge).len(), combinations(&huge)), (LAUNCHES_MAX, 8_000_000));
}

#[test]
fn the_pools_of_a_fleet_take_turns() {
    let pool = |id: &str, role: &str| {
        json!({ "id": id, "role": role, "capacity": { "min": 0, "max": 2 },
            "launch": { "template": { "name": "web" }, "subnets": ["subnet-a", "subnet-b"] } })
    };
    let raw = json!({ "fleet": "web", "pools": [pool("blue", "active"), pool("green", "standby")] });
    let spec = FleetSpec::check(&serde_json::from_value(raw).unwrap()).unwrap();
    let asked: Vec<_> = trials(&spec)
        .iter()
        .map(|trial| format!("{} {}", trial.pool, trial.subnet))
        .collect();
    assert_eq!(asked, ["blue subnet-a", "green subnet-a", "blue subnet-b", "green subnet-b"]);
}

#[test]
fn a_check_leaves_launches_to_the_fleets() {
    assert!(u32::try_from(LAUNCHES_PER_ASK).unwrap() < LAUNCH_CALLS_MAX);
    assert_eq!(LAUNCHES_MAX % LAUNCHES_PER_ASK, 0, "the last ask is a full one");
}
