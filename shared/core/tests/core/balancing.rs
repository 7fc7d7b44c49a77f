//! Attributes of target groups: what the spec names is set and kept, and nothing else.

use std::collections::BTreeMap;

use ghostnet_core::adaptive::{Adapted, Imbalance, Switch, judge};
use ghostnet_core::audit::audit;
use ghostnet_core::plan::{Action, Refusal, StepOutcome};
use ghostnet_core::reason::{Finding, SetBecause};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::{Algorithm, Attribute, FleetSpec};
use ghostnet_core::unit::Seconds;

use crate::support::*;

const ALGORITHM: &str = "load_balancing.algorithm.type";
const DELAY: &str = "deregistration_delay.timeout_seconds";
const SLOW_START: &str = "slow_start.duration_seconds";

fn named(balancing: Value) -> Value {
    json!({ "defaults": { "balancing": balancing } })
}

/// A fleet whose group has these attributes, as AWS answers.
fn world(balancing: Value, there: &[(&str, &str)]) -> World {
    let mut world = World::serving(2, named(balancing));
    show(&mut world, there);
    world
}

fn show(world: &mut World, there: &[(&str, &str)]) {
    let there = there
        .iter()
        .map(|(key, value)| (Attribute::of(key).unwrap(), (*value).to_owned()))
        .collect();
    world.attributes = BTreeMap::from([(group("blue"), there)]);
}

/// What a decision sets, as `key=value`.
fn set(decision: &ghostnet_core::decide::Decision) -> Vec<String> {
    let tunes = decision.plan.steps.iter().filter_map(|step| match &step.action {
        Action::Tune { set, .. } => Some(set),
        _ => None,
    });
    tunes.flatten().map(|(attribute, value)| format!("{attribute}={value}")).collect()
}

#[test]
fn what_the_spec_names_and_differs_is_set_and_nothing_else() {
    let there = [(ALGORITHM, "round_robin"), (DELAY, "300"), (SLOW_START, "0")];
    for (situation, balancing, sets) in [
        ("nothing is named", json!({}), vec![]),
        (
            "as it is",
            json!({ "algorithm": "round_robin", "deregistration_delay": "5m" }),
            vec![],
        ),
        (
            "one differs",
            json!({ "algorithm": "least_outstanding_requests" }),
            vec!["load_balancing.algorithm.type=least_outstanding_requests"],
        ),
        (
            "one differs of two",
            json!({ "algorithm": "round_robin", "deregistration_delay": "60s" }),
            vec!["deregistration_delay.timeout_seconds=60"],
        ),
        (
            "the group does not show one of them",
            json!({ "cross_zone": true }),
            vec!["load_balancing.cross_zone.enabled=true"],
        ),
        (
            "the balancer's cookie",
            json!({ "stickiness": { "cookie": "lb", "duration": "1h" } }),
            vec![
                "stickiness.enabled=true",
                "stickiness.type=lb_cookie",
                "stickiness.lb_cookie.duration_seconds=3600",
            ],
        ),
        (
            "the application's cookie, for as long as AWS's default",
            json!({ "stickiness": { "cookie": "app", "name": "SESSION" } }),
            vec![
                "stickiness.enabled=true",
                "stickiness.type=app_cookie",
                "stickiness.app_cookie.cookie_name=SESSION",
                "stickiness.app_cookie.duration_seconds=86400",
            ],
        ),
        (
            "no cookie says nothing about its kind",
            json!({ "stickiness": { "cookie": "none" } }),
            vec!["stickiness.enabled=false"],
        ),
        ("a slow start that is off", json!({ "slow_start": "0s" }), vec![]),
    ] {
        assert_eq!(set(&world(balancing, &there).decide(Signal::Tick)), sets, "{situation}");
    }
}

#[test]
fn unread_attributes_are_unknown_and_nothing_is_set() {
    let mut world = World::serving(2, named(json!({ "deregistration_delay": "60s" })));
    let decision = world.decide(Signal::Tick);
    assert_eq!(set(&decision), [""; 0]);
    assert!(!finds(&decision, |finding| matches!(finding, Finding::Detuned { .. })));
}

#[test]
fn a_pool_s_own_fields_stand_over_the_defaults() {
    let change = json!({ "balancing": { "deregistration_delay": "60s", "algorithm": "round_robin" } });
    let own = json!({ "defaults": change, "pools": [{ "id": "blue", "target_groups": [group("blue")], "balancing": { "deregistration_delay": "30s" } }] });
    let mut world = World::serving(2, own);
    show(&mut world, &[(ALGORITHM, "weighted_random"), (DELAY, "300")]);
    let sets = [
        "load_balancing.algorithm.type=round_robin",
        "deregistration_delay.timeout_seconds=30",
    ];
    assert_eq!(set(&world.decide(Signal::Tick)), sets);
}

#[test]
fn only_a_fleet_that_may_act_sets_and_every_other_tells() {
    for (situation, change, sets) in [
        ("on", json!({ "mode": "on" }), 1),
        ("out only", json!({ "mode": "out_only" }), 0),
        ("recommends", json!({ "mode": "recommend_only" }), 0),
        ("paused in the spec", json!({ "mode": "paused" }), 0),
    ] {
        let mut change = change;
        merge(&mut change, named(json!({ "deregistration_delay": "60s" })));
        let mut world = World::serving(2, change);
        show(&mut world, &[(DELAY, "300")]);
        let decision = world.decide(Signal::Tick);
        assert_eq!(set(&decision).len(), sets, "{situation}");
        assert!(
            finds(&decision, |finding| matches!(finding, Finding::Detuned { .. })),
            "{situation}"
        );
    }
    let mut world = world(json!({ "deregistration_delay": "60s" }), &[(DELAY, "300")]);
    world.inputs.retiring = true;
    assert_eq!(set(&world.decide(Signal::Tick)), [""; 0], "a fleet that leaves");
}

/// The record says the old value, the new one, and whose change it was.
#[test]
fn a_change_by_somebody_else_is_told_as_such_and_put_right() {
    let mut world = world(json!({ "deregistration_delay": "60s" }), &[(DELAY, "300")]);
    let told = |decision: &ghostnet_core::decide::Decision| {
        blue(decision)
            .findings
            .iter()
            .find_map(|finding| match finding {
                Finding::Detuned { from, to, why, .. } => Some((from.clone().unwrap(), to.clone(), *why)),
                _ => None,
            })
            .unwrap()
    };
    let text = |from: &str| (from.to_owned(), "60".to_owned());
    let (from, to, why) = told(&world.look());
    assert_eq!(((from, to), why), (text("300"), SetBecause::Spec));
    show(&mut world, &[(DELAY, "60")]);
    assert_eq!(set(&world.look()), [""; 0]);
    show(&mut world, &[(DELAY, "10")]);
    let decision = world.look();
    let (from, to, why) = told(&decision);
    assert_eq!(((from, to), why), (text("10"), SetBecause::ChangedByOthers));
    assert_eq!(set(&decision), ["deregistration_delay.timeout_seconds=60"]);
}

#[test]
fn a_group_with_an_open_step_gets_no_other_and_a_lost_one_is_decided_afresh() {
    let mut world = world(json!({ "deregistration_delay": "60s" }), &[(DELAY, "300")]);
    assert_eq!(set(&world.die()).len(), 1);
    world.wait(30);
    assert_eq!(set(&world.die()), [""; 0], "its window is not over");
    world.wait(60);
    let again = world.look();
    assert_eq!(set(&again).len(), 1, "closed, and decided from what is there");
    assert!(again.plan.steps.iter().all(|step| step.id.plan == again.plan.id));
    assert_eq!(world.open(), []);
}

#[test]
fn what_aws_does_not_take_is_tried_again_only_when_the_attributes_are_read_again() {
    let mut world = world(json!({ "deregistration_delay": "60s" }), &[(DELAY, "300")]);
    let decision = world.die();
    let [step] = &decision.plan.steps[..] else {
        panic!("{decision:#?}")
    };
    let refused = StepOutcome::Refused {
        class: Refusal::Configuration,
        code: "InvalidConfigurationRequest".into(),
        message: String::new(),
    };
    world.tell(step, refused);
    assert_eq!(world.open(), []);
    world.attributes.clear();
    assert_eq!(set(&world.look()), [""; 0]);
}

#[test]
fn audit_lets_nothing_be_set_that_the_spec_does_not_say() {
    let mut world = world(
        json!({ "deregistration_delay": "60s" }),
        &[(DELAY, "300"), (ALGORITHM, "round_robin")],
    );
    let sound = world.decide(Signal::Tick);
    for (situation, attribute, value) in [
        ("another value", Attribute::DeregistrationDelay, "90"),
        ("another attribute", Attribute::Algorithm, "weighted_random"),
        ("one that no look showed", Attribute::SlowStart, "60"),
    ] {
        let mut decision = sound.clone();
        for step in &mut decision.plan.steps {
            if let Action::Tune { set, .. } = &mut step.action {
                set.insert(attribute, value.to_owned());
            }
        }
        decision
            .state
            .open
            .iter_mut()
            .zip(&decision.plan.steps)
            .for_each(|(open, step)| open.step = step.clone());
        let spec: &FleetSpec = &world.spec;
        let found: Vec<String> = audit(&world.inputs.situation(spec), &decision)
            .into_iter()
            .map(|violation| violation.invariant)
            .collect();
        assert!(found.contains(&"I22".to_owned()), "{situation}: {found:?}");
    }
}

#[test]
fn what_aws_forbids_is_refused_with_its_place() {
    let at = |field: &str| format!("defaults.balancing.{field}");
    for (balancing, path) in [
        (
            json!({ "algorithm": "least_outstanding_requests", "slow_start": "60s" }),
            "slow_start",
        ),
        (json!({ "algorithm": "weighted_random", "slow_start": "30s" }), "slow_start"),
        (json!({ "slow_start": "29s" }), "slow_start"),
        (json!({ "slow_start": "16m" }), "slow_start"),
        (json!({ "slow_start": "soon" }), "slow_start"),
        (json!({ "anomaly_mitigation": true }), "anomaly_mitigation"),
        (
            json!({ "anomaly_mitigation": true, "algorithm": "round_robin" }),
            "anomaly_mitigation",
        ),
        (json!({ "adaptive": {}, "algorithm": "round_robin" }), "adaptive"),
        (json!({ "adaptive": {}, "slow_start": "60s" }), "slow_start"),
        (json!({ "adaptive": { "above": "100%", "below": "50%" } }), "adaptive.above"),
        (json!({ "adaptive": { "above": "200%" } }), "adaptive.below"),
        (json!({ "adaptive": { "dwell": "5m" } }), "adaptive.dwell"),
        (json!({ "deregistration_delay": "2h" }), "deregistration_delay"),
        (json!({ "cross_zone": "perhaps" }), "cross_zone"),
        (json!({ "stickiness": { "cookie": "lb" }, "cross_zone": false }), "stickiness"),
        (json!({ "stickiness": { "cookie": "lb", "duration": "8d" } }), "stickiness.duration"),
        (json!({ "stickiness": { "cookie": "lb", "duration": "0s" } }), "stickiness.duration"),
        (json!({ "stickiness": { "cookie": "lb", "name": "SESSION" } }), "stickiness.name"),
        (
            json!({ "stickiness": { "cookie": "none", "duration": "1h" } }),
            "stickiness.duration",
        ),
        (json!({ "stickiness": { "cookie": "app" } }), "stickiness.name"),
        (
            json!({ "stickiness": { "cookie": "app", "name": "AWSALBAPP-0" } }),
            "stickiness.name",
        ),
    ] {
        let found = problems(named(balancing.clone()));
        let [problem] = &found[..] else { panic!("{balancing}: {found:?}") };
        assert_eq!(problem.split(": ").next(), Some(at(path).as_str()), "{balancing}");
    }
    for balancing in [
        json!({ "algorithm": "least_outstanding_requests", "slow_start": "0s", "anomaly_mitigation": false }),
        json!({ "algorithm": "weighted_random", "anomaly_mitigation": true }),
        json!({ "algorithm": "round_robin", "slow_start": "15m" }),
        json!({ "stickiness": { "cookie": "none" }, "cross_zone": false }),
        json!({ "stickiness": { "cookie": "source_ip" }, "cross_zone": "as_load_balancer", "deregistration_delay": "0s" }),
    ] {
        assert_eq!(problems(named(balancing.clone())), [""; 0], "{balancing}");
    }
}

#[test]
fn what_a_protocol_does_not_have_is_known() {
    let cookie =
        json!({ "algorithm": "round_robin", "slow_start": "60s", "stickiness": { "cookie": "lb" }, "deregistration_delay": "60s" });
    let address = json!({ "stickiness": { "cookie": "source_ip" }, "cross_zone": true });
    for (balancing, protocol, unfit) in [
        (&cookie, "HTTP", vec![]),
        (&cookie, "HTTPS", vec![]),
        (&cookie, "TCP", vec!["algorithm", "slow_start", "stickiness"]),
        (&address, "TLS", vec![]),
        (&address, "HTTP", vec!["stickiness"]),
    ] {
        let spec = spec(named(balancing.clone()));
        let fields: Vec<&str> = spec.pools[0]
            .balancing
            .unfit_for(protocol)
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, unfit, "{balancing} on {protocol}");
    }
}

#[test]
fn keys_are_aws_s() {
    for attribute in Attribute::ALL {
        assert_eq!(Attribute::of(attribute.key()), Some(*attribute));
        assert_eq!(json!(attribute), json!(attribute.key()));
    }
    assert_eq!(Attribute::of("preserve_client_ip.enabled"), None);
}

fn points(now: i64, values: impl IntoIterator<Item = f64>) -> Series {
    let point = |(n, value)| Datapoint {
        at: at(now - 60 * (n + 1)),
        value: finite(value),
    };
    Series::Points {
        points: (0_i64..).zip(values).map(point).collect(),
        period: Seconds(60),
        partial: false,
        incomplete: Vec::new(),
    }
}

/// `above: 300%`, `below: 200%`, `dwell: 1h`; datapoints of a minute, the newest first.
#[test]
fn an_adaptive_group_changes_only_on_lasting_evidence() {
    use Algorithm::{LeastOutstandingRequests as Least, RoundRobin};
    let spec = spec(named(json!({ "adaptive": {} })));
    let rule = spec.pools[0].balancing.adaptive.unwrap();
    let (calm, failing) = (vec![0.0; 15], vec![2.0; 3]);
    let mixed = |high: usize, low: usize| [vec![301.0; high], vec![199.0; low]].concat();
    for (situation, from, since, spread, anomalous, to) in [
        (
            "unequal for ten of fifteen minutes",
            RoundRobin,
            None,
            mixed(10, 5),
            &calm,
            Some(Least),
        ),
        ("unequal for nine", RoundRobin, None, mixed(9, 6), &calm, None),
        ("between the thresholds", RoundRobin, None, vec![300.0; 15], &calm, None),
        ("unequal and some fail", RoundRobin, None, mixed(15, 0), &failing, None),
        ("nothing known", RoundRobin, None, vec![], &calm, None),
        ("unequal, and it changed lately", RoundRobin, Some(3_599), mixed(15, 0), &calm, None),
        (
            "unequal, and it changed an hour ago",
            RoundRobin,
            Some(3_600),
            mixed(15, 0),
            &calm,
            Some(Least),
        ),
        ("equal again", Least, Some(3_600), vec![199.0; 12], &calm, Some(RoundRobin)),
        ("equal for eleven minutes", Least, Some(3_600), vec![199.0; 11], &calm, None),
        ("equal, and it changed lately", Least, Some(3_599), vec![199.0; 15], &calm, None),
        ("between the thresholds again", Least, Some(9_000), vec![200.0; 15], &calm, None),
        ("some fail: at once", Least, Some(60), mixed(15, 0), &failing, Some(RoundRobin)),
        (
            "too few datapoints of failing ones",
            Least,
            Some(60),
            mixed(15, 0),
            &vec![2.0; 2],
            None,
        ),
    ] {
        let adapted = since.map(|ago: i64| Adapted {
            algorithm: from,
            since: at(-ago).into(),
        });
        let seen = Imbalance {
            spread: points(0, spread),
            anomalous: points(0, anomalous.iter().copied()),
        };
        let switch = judge(&rule, adapted.as_ref(), &seen, at(0));
        assert_eq!(switch.map(Switch::to), to, "{situation}");
        assert_eq!(
            judge(&rule, adapted.as_ref(), &seen, at(600)),
            None,
            "{situation}, and all of it is ten minutes old"
        );
    }
}

/// The change is told with its numbers, remembered, and set at the next look that reads the group.
#[test]
fn an_adaptive_group_sets_what_it_has_come_to() {
    let mut world = world(json!({ "adaptive": {} }), &[(ALGORITHM, "round_robin")]);
    assert_eq!(set(&world.look()), [""; 0]);
    let now = world.now().as_second() - at(0).as_second();
    let seen = Imbalance {
        spread: points(now, vec![412.0; 15]),
        anomalous: points(now, vec![0.0; 15]),
    };
    world.imbalance = BTreeMap::from([(group("blue"), seen)]);
    let decision = world.look();
    assert_eq!(set(&decision), ["load_balancing.algorithm.type=least_outstanding_requests"]);
    let told: Vec<String> = blue(&decision).findings.iter().map(ToString::to_string).collect();
    let why = "goes to `least_outstanding_requests`: the 90th percentile of response times is 412 % of the median, above 300% in 10 of 15";
    assert!(told.iter().any(|told| told.ends_with(why)), "{told:?}");
    world.wait(60);
    assert_eq!(set(&world.look()), [""; 0]);
    show(&mut world, &[(ALGORITHM, "round_robin")]);
    assert_eq!(set(&world.look()), ["load_balancing.algorithm.type=least_outstanding_requests"]);
}
