//! Settings that tuning has found: when a pool goes by them, and when by what its owner wrote.

use ghostnet_core::decide::Decision;
use ghostnet_core::reason::Finding;
use ghostnet_core::spec::{FleetSpec, TuningMode};
use ghostnet_core::tuning::{Objective, Settings, Tuned};
use ghostnet_core::unit::{Percent, Seconds};

use crate::support::*;

/// Ten a second each, of which 70 % may be used; looked ahead with a caution of eight; what was needed is kept for ten minutes.
fn looking(change: Value) -> Value {
    let demand =
        json!({ "id": "demand", "type": "capacity", "demand": "alb_request_count", "instance_capacity": 10, "utilisation": "70%" });
    let ahead = json!({ "id": "ahead", "type": "predictive", "of": "demand", "caution": 8 });
    let mut spec = json!({
        "defaults": { "capacity": { "min": 1, "initial": 4, "max": 40 } },
        "policies": [demand, ahead],
        "guards": { "stabilisation": { "in": "10m" } },
    });
    merge(&mut spec, change);
    spec
}

fn settings(caution: f64, hold: u32, usual: Option<u16>, utilisation: u16) -> Settings {
    Settings {
        caution: finite(caution),
        hold: Seconds::minutes(hold),
        usual: usual.map(Percent),
        utilisation: Some(Percent(utilisation)),
    }
}

/// What is written, and what was found in place of it.
const CAREFUL: fn() -> Settings = || settings(8.0, 10, None, 70);
const BOLD: fn() -> Settings = || settings(2.0, 3, Some(90), 90);

/// Four serve, and 45 a second come: of ten each, seven instances at 70 % and five at 90 %.
fn world(tuning: &str) -> World {
    let mut world = World::serving(4, looking(json!({ "tuning": { "mode": tuning } })));
    world.read("demand", 45.0 * 60.0);
    world
}

fn found(world: &mut World, settings: Settings, instead_of: Settings) {
    let tuned = Tuned { settings, instead_of };
    world.tuned = Some([(pool("blue"), tuned)].into());
}

fn told(decision: &Decision) -> Vec<String> {
    let findings = blue(decision).findings.iter();
    findings
        .filter(|finding| matches!(finding, Finding::Retuned { .. }))
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_pool_goes_by_what_was_found_and_says_so_once() {
    let mut world = world("apply");
    found(&mut world, BOLD(), CAREFUL());
    let decision = world.look();
    assert_eq!(blue(&decision).after, 5);
    assert_eq!(
        told(&decision),
        ["goes by what tuning has found: caution 2, hold 3m, usual 90%, utilisation 90%"]
    );
    let by_tuning = |world: &World| world.inputs.state.pools[&pool("blue")].by_tuning.map(|tuned| tuned.settings);
    assert_eq!(by_tuning(&world), Some(BOLD()));
    world.pass(60);
    assert_eq!(told(&world.look()), Vec::<String>::new());
}

#[test]
fn what_is_only_suggested_changes_nothing() {
    let mut world = world("suggest");
    found(&mut world, BOLD(), CAREFUL());
    let decision = world.look();
    assert_eq!((blue(&decision).after, told(&decision)), (7, Vec::new()));
    assert_eq!(world.inputs.state.pools[&pool("blue")].by_tuning, None);
}

/// Nobody comes or goes because the table did not answer.
#[test]
fn where_what_was_found_cannot_be_read_a_pool_goes_on_by_what_it_went_by() {
    let mut world = world("apply");
    found(&mut world, BOLD(), CAREFUL());
    world.look();
    world.pass(60);
    world.tuned = None;
    let decision = world.look();
    assert_eq!((blue(&decision).after, told(&decision)), (5, Vec::new()));
    // that nothing was found is something else
    world.pass(60);
    world.tuned = Some([].into());
    let decision = world.look();
    assert_eq!(blue(&decision).after, 7);
    assert_eq!(told(&decision), ["goes by the spec again, and no longer by what tuning had found"]);
}

#[test]
fn what_was_found_for_something_else_that_was_written_is_nothing_to_go_by() {
    let mut world = world("apply");
    found(&mut world, BOLD(), CAREFUL());
    world.look();
    // the owner writes another caution
    let policies = looking(json!({}))["policies"].as_array().unwrap().clone();
    let policies: Vec<Value> = policies
        .into_iter()
        .map(|mut policy| {
            if policy["id"] == "ahead" {
                policy["caution"] = json!(4);
            }
            policy
        })
        .collect();
    let raw = raw(looking(json!({ "tuning": { "mode": "apply" }, "policies": policies })));
    world.spec = FleetSpec::check(&raw).unwrap();
    world.inputs.spec = raw.into();
    world.pass(60);
    let decision = world.look();
    assert_eq!(blue(&decision).after, 7);
    assert_eq!(told(&decision).len(), 1);
    // until settings are found in place of that
    found(&mut world, BOLD(), settings(4.0, 10, None, 70));
    world.pass(60);
    assert_eq!(told(&world.look()).len(), 1);
}

/// Each field goes where the owner would have written it, and nothing else moves.
#[test]
fn settings_that_are_applied_are_those_of_the_pool_then() {
    let spec = spec(looking(json!({})));
    let blue = &spec.pools[0];
    assert_eq!(Settings::of(blue), Some(CAREFUL()));
    let applied = BOLD().applied(blue);
    assert_eq!(Settings::of(&applied), Some(BOLD()));
    assert_eq!(CAREFUL().applied(&applied), *blue);
    // two of the same kind: only the one that is looked ahead for is tuned
    let other = json!({ "id": "jobs", "type": "capacity", "demand": { "namespace": "App", "name": "Jobs", "statistic": "Sum" }, "instance_capacity": 1, "utilisation": "50%" });
    let mut policies = looking(json!({}))["policies"].as_array().unwrap().clone();
    policies.push(other);
    let spec = crate::support::spec(looking(json!({ "policies": policies })));
    let applied = BOLD().applied(&spec.pools[0]);
    assert_eq!(applied.policies[2], spec.pools[0].policies[2]);
}

#[test]
fn a_target_is_not_tuned_and_a_quantile_is_nothing_to_tune() {
    let requests = json!({ "id": "requests", "type": "target_tracking", "metric": "alb_request_count_per_target", "target": 1000 });
    let ahead = json!({ "id": "ahead", "type": "predictive", "of": "requests", "caution": 8 });
    let tracked = spec(json!({ "policies": [requests, ahead] }));
    let written = Settings::of(&tracked.pools[0]).unwrap();
    assert_eq!(written.utilisation, None);
    let applied = BOLD().applied(&tracked.pools[0]);
    assert_eq!(applied.policies[0], tracked.pools[0].policies[0]);
    let quantile = json!({ "id": "ahead", "type": "predictive", "of": "requests", "quantile": 0.95 });
    assert_eq!(Settings::of(&spec(json!({ "policies": [requests, quantile] })).pools[0]), None);
}

#[test]
fn what_a_spec_says_of_tuning_and_what_holds_when_it_is_silent() {
    let tuning = |change: Value| spec(looking(json!({ "tuning": change }))).tuning;
    let silent = tuning(json!({})).unwrap();
    assert_eq!(
        (silent.mode, silent.objective, silent.limit),
        (TuningMode::Suggest, finite(1.0), None)
    );
    let said = tuning(json!({ "mode": "apply", "objective": "0.1%", "limit": "90%" })).unwrap();
    assert_eq!(
        (said.mode, said.objective, said.limit),
        (TuningMode::Apply, finite(0.1), Some(Percent(90)))
    );
    assert_eq!(spec(looking(json!({}))).tuning, None, "nothing is tuned unless it is said");

    let problem = |change: Value| problems(looking(change));
    for objective in ["0%", "50.1%", "1", "-1%", "1e0%", "inf%", "NaN%", "%"] {
        assert_eq!(
            problem(json!({ "tuning": { "objective": objective } })),
            [format!("tuning.objective: `{objective}` is not above `0%` and at most `50%`")]
        );
    }
    for limit in ["0%", "101%"] {
        assert_eq!(
            problem(json!({ "tuning": { "limit": limit } })),
            [format!("tuning.limit: `{limit}` is not between `1%` and `100%`")]
        );
    }
    assert_eq!(
        problems(json!({ "tuning": {} })),
        ["tuning: there is nothing to tune: no policy looks ahead"]
    );
    let ahead = json!({ "id": "ahead", "type": "predictive", "of": "requests" });
    assert_eq!(
        problems(json!({ "policies": [tracking(), ahead], "tuning": { "limit": "90%" } })),
        ["tuning.limit: no policy that is looked ahead for says a `utilisation`"]
    );
}

#[test]
fn an_objective_is_a_whole_percent_of_an_instance() {
    let utilisation = |used: f64| Objective { used, percent: 1.0 }.utilisation().0;
    assert_eq!(
        [0.7, 0.9, 0.905, 1.0, 1.7, 0.001, 0.0].map(utilisation),
        [70, 90, 91, 100, 100, 1, 1]
    );
}
