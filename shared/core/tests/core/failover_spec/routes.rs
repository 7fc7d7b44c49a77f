//! What a spec says of routes that are not those of a balancer.

use std::collections::BTreeMap;

use super::*;

const ACCELERATOR: &str = "arn:aws:globalaccelerator::123456789012:accelerator/1234abcd/listener/0123vxyz";

fn behind(lever: Value) -> Value {
    let mut lever = lever;
    lever["listener_rules"] = Value::Null;
    json!({ "lever": lever })
}

fn balancer(side: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/{side}/50dc6c495c0c9188")
}

fn endpoint_group(n: u32) -> String {
    format!("{ACCELERATOR}/endpoint-group/{n}")
}

/// What the lever sets, and what names each side there.
#[test]
fn each_kind_names_its_routes_and_the_sides() {
    let endpoints = json!({ "blue": balancer("blue"), "green": balancer("green") });
    let dials = json!({ "blue": endpoint_group(1), "green": endpoint_group(2) });
    let records = |more: Value| {
        let mut record = json!({ "zone": "Z0123ABC", "name": "www.example.com", "type": "AAAA" });
        merge(&mut record, more);
        json!({ "route53_records": [record] })
    };
    let is_alike = |lever: &Value, other: &str| lever.get(other).is_some();
    for (lever, route, blue, green) in [
        (
            records(json!({})),
            "route53:Z0123ABC/www.example.com/AAAA".to_owned(),
            "blue".to_owned(),
            "green".to_owned(),
        ),
        (
            records(json!({ "name": "*.example.com", "type": "A", "identifiers": { "blue": "one", "green": "two" } })),
            "route53:Z0123ABC/*.example.com/A".to_owned(),
            "one".to_owned(),
            "two".to_owned(),
        ),
        (
            json!({ "accelerator_endpoints": [{ "endpoint_group": endpoint_group(7), "endpoints": endpoints }] }),
            endpoint_group(7),
            balancer("blue"),
            balancer("green"),
        ),
        (
            json!({ "accelerator_dials": [{ "listener": ACCELERATOR, "endpoint_groups": dials }] }),
            ACCELERATOR.to_owned(),
            endpoint_group(1),
            endpoint_group(2),
        ),
    ] {
        let read = spec(two_sides(behind(lever.clone()), json!({})));
        let failover = read.failover.as_ref().unwrap();
        let routes: Vec<&str> = failover.routes().iter().map(ghostnet_core::id::RouteId::as_str).collect();
        assert_eq!(routes, [route.as_str()], "{lever}");
        let of_kind = match &failover.lever {
            Lever::Route53Records(_) => is_alike(&lever, "route53_records"),
            Lever::AcceleratorEndpoints(_) => is_alike(&lever, "accelerator_endpoints"),
            Lever::AcceleratorDials(_) => is_alike(&lever, "accelerator_dials"),
            Lever::ListenerRules(_) | Lever::TargetSwap | Lever::ToInstance(_) => false,
        };
        assert!(of_kind, "{lever}: {:?}", failover.lever);
        let named = |side: &str| {
            let pool = read.pool(&pool(side)).unwrap();
            pool.destinations
                .iter()
                .map(ghostnet_core::id::Destination::as_str)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (named("blue"), named("green")),
            (vec![blue.as_str()], vec![green.as_str()]),
            "{lever}"
        );
    }
}

/// One mistake each: where it is told, the words that tell it, and what to do about it.
#[test]
fn one_mistake_one_problem() {
    let record = |change: Value| {
        let mut record = json!({ "zone": "Z0123ABC", "name": "www.example.com", "type": "A" });
        merge(&mut record, change);
        record
    };
    let records = |change: Value| json!({ "route53_records": [record(change)] });
    let at = |part: &str| format!("failover.lever.route53_records[0].{part}");
    let identifiers = |of: &[(&str, &str)]| json!({ "identifiers": of.iter().copied().collect::<BTreeMap<_, _>>() });
    let endpoints = |group: &str, green: &str| json!({ "accelerator_endpoints": [{ "endpoint_group": group, "endpoints": { "blue": balancer("blue"), "green": green } }] });
    let dials = |listener: &str, green: &str| json!({ "accelerator_dials": [{ "listener": listener, "endpoint_groups": { "blue": endpoint_group(1), "green": green } }] });
    let many: Vec<Value> = (0..11).map(|n| record(json!({ "name": format!("{n}.example.com") }))).collect();
    let long = "a".repeat(129);
    for (lever, path, message, hint) in [
        (
            records(json!({ "zone": "/hostedzone/Z0123ABC" })),
            at("zone"),
            "is not the id of a hosted zone",
            "without `/hostedzone/`",
        ),
        (
            records(json!({ "zone": "Z" })),
            at("zone"),
            "`Z` is not the id of a hosted zone",
            "it looks like",
        ),
        (
            records(json!({ "name": "www.example.com." })),
            at("name"),
            "is not the name of a record",
            "without a dot at its end",
        ),
        (
            records(json!({ "name": "WWW.example.com" })),
            at("name"),
            "is not the name of a record",
            "in small letters",
        ),
        (
            records(json!({ "name": "localhost" })),
            at("name"),
            "is not the name of a record",
            "in full",
        ),
        (
            records(json!({ "name": "a.*.example.com" })),
            at("name"),
            "is not the name of a record",
            "in full",
        ),
        (
            records(identifiers(&[("blue", "b")])),
            at("identifiers"),
            "`green` is not among them",
            "add `green: ...`",
        ),
        (
            records(identifiers(&[("blue", "b"), ("green", "g"), ("red", "r")])),
            at("identifiers.red"),
            "no pool is called `red`",
            "the id of a pool",
        ),
        (
            records(identifiers(&[("blue", "b"), ("green", "b")])),
            at("identifiers.green"),
            "`b` is that of `blue`, too",
            "its own",
        ),
        (
            records(identifiers(&[("blue", "b"), ("green", "")])),
            at("identifiers.green"),
            "`` is not what a side is named by",
            "set identifier",
        ),
        (
            records(identifiers(&[("blue", "b"), ("green", &long)])),
            at("identifiers.green"),
            "is not what a side is named by",
            "set identifier",
        ),
        (
            json!({ "route53_records": [] }),
            "failover.lever.route53_records".to_owned(),
            "`0` of them are not between `1` and `10`",
            "a call of its own",
        ),
        (
            json!({ "route53_records": many }),
            "failover.lever.route53_records".to_owned(),
            "`11` of them are not between `1` and `10`",
            "a call of its own",
        ),
        (
            json!({ "route53_records": [record(json!({})), record(json!({}))] }),
            "failover.lever.route53_records[1]".to_owned(),
            "it is listed twice",
            "one line",
        ),
        (
            endpoints(ACCELERATOR, &balancer("green")),
            "failover.lever.accelerator_endpoints[0].endpoint_group".to_owned(),
            "is not the ARN of an endpoint group",
            "/endpoint-group/",
        ),
        (
            endpoints(&endpoint_group(1), "i-0123"),
            "failover.lever.accelerator_endpoints[0].endpoints.green".to_owned(),
            "`i-0123` is not what a side is named by here",
            "the ARN of the side's balancer",
        ),
        (
            dials(&endpoint_group(1), &endpoint_group(2)),
            "failover.lever.accelerator_dials[0].listener".to_owned(),
            "is not the ARN of an accelerator's listener",
            "/listener/",
        ),
        (
            dials(
                ACCELERATOR,
                "arn:aws:globalaccelerator::123456789012:accelerator/other/listener/x/endpoint-group/y",
            ),
            "failover.lever.accelerator_dials[0].endpoint_groups.green".to_owned(),
            "is not what a side is named by here",
            "/endpoint-group/",
        ),
    ] {
        let problems = wrong(behind(lever.clone()), json!({}));
        let told = problems.iter().any(|problem| {
            problem.path == path && problem.message.contains(message) && problem.hint.as_ref().is_some_and(|told| told.contains(hint))
        });
        assert!(told, "{lever}: {problems:#?}");
    }
}

#[test]
fn what_only_a_balancer_can_do_is_refused_elsewhere() {
    let lever = json!({ "route53_records": [{ "zone": "Z0123ABC", "name": "www.example.com", "type": "A" }] });
    let mut failover = behind(lever.clone());
    failover["degraded"] = json!({ "forward": group("sorry") });
    let problems = wrong(failover, json!({}));
    assert!(
        problems
            .iter()
            .any(|problem| problem.path == "failover.degraded" && problem.message.contains("no rule of a balancer")),
        "{problems:#?}"
    );

    let mut failover = json!({ "lever": lever });
    failover["lever"]["target_swap"] = json!(true);
    let problems = wrong(failover, json!({}));
    assert!(
        problems
            .iter()
            .any(|problem| problem.path == "failover.lever" && problem.message.contains("two levers")),
        "{problems:#?}"
    );
}
