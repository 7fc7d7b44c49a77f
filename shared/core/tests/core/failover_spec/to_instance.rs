//! What a spec says of addresses and lines of route tables that lead to one instance.

use super::*;

const ADDRESS: &str = "eipalloc-0123456789abcdef0";
const TABLE: &str = "rtb-0123456789abcdef0";

/// Two sides without target groups, with this lever and what else is changed of the failover.
fn sides(to_instance: Value, failover: Value) -> Value {
    let mut section = json!({
        "mode": "hot_standby",
        "lever": { "listener_rules": null, "to_instance": to_instance },
        "detect": { "probes": ["reachable"] },
    });
    merge(&mut section, failover);
    let mut fleet = two_sides(section, json!({ "policies": [] }));
    fleet["pools"] = json!([{ "id": "blue" }, { "id": "green", "role": "standby" }]);
    fleet
}

fn line(table: &str, destination: &str) -> Value {
    json!({ "vpc_routes": [{ "table": table, "destination": destination }] })
}

#[test]
fn addresses_and_lines_are_the_routes_and_no_side_has_a_name_there() {
    for destination in [
        "0.0.0.0/0",
        "::/0",
        "10.1.0.0/16",
        "192.0.2.7/32",
        "2001:db8::/32",
        "pl-0123456789abcdef0",
    ] {
        let mut to_instance = line(TABLE, destination);
        merge(&mut to_instance, json!({ "elastic_ips": [ADDRESS] }));
        let read = spec(sides(to_instance, json!({})));
        let failover = read.failover.as_ref().unwrap();
        let routes = vec![ADDRESS.to_owned(), format!("{TABLE}/{destination}")];
        assert_eq!(
            failover.lever,
            Lever::ToInstance(routes.into_iter().map(ghostnet_core::id::RouteId::new).collect())
        );
        assert!(read.pools.iter().all(|pool| pool.destinations.is_empty()), "{destination}");
        assert!(failover.leads_to_instance() && !failover.swaps_targets());
    }
    let alarms = json!({ "detect": { "probes": null, "alarms": ["reachable"] }, "mode": "cold_standby" });
    spec(sides(json!({ "elastic_ips": [ADDRESS] }), alarms));
}

/// One mistake each: where it is told, the words that tell it, and what to do about it.
#[test]
fn one_mistake_one_problem() {
    let good = || json!({ "elastic_ips": [ADDRESS] });
    let none = || json!({});
    let lever = "failover.lever.to_instance";
    let many: Vec<String> = (0..11).map(|n| format!("eipalloc-0000000{n:03}")).collect();
    for (to_instance, failover, path, message, hint) in [
        (
            none(),
            none(),
            lever,
            "`0` addresses and lines are not between `1` and `10`",
            "a call of its own",
        ),
        (
            json!({ "elastic_ips": many }),
            none(),
            lever,
            "`11` addresses and lines",
            "a call of its own",
        ),
        (
            json!({ "elastic_ips": ["203.0.113.7"] }),
            none(),
            "failover.lever.to_instance.elastic_ips[0]",
            "`203.0.113.7` is not the id of an Elastic IP address",
            "its allocation id",
        ),
        (
            json!({ "elastic_ips": [ADDRESS, ADDRESS] }),
            none(),
            "failover.lever.to_instance.elastic_ips[1]",
            "it is listed twice",
            "one line",
        ),
        (
            line("rtb-0123456789ABCDEF0", "0.0.0.0/0"),
            none(),
            "failover.lever.to_instance.vpc_routes[0].table",
            "is not the id of a route table",
            "it looks like",
        ),
        (
            line(TABLE, "10.1.2.0/16"),
            none(),
            "failover.lever.to_instance.vpc_routes[0].destination",
            "`10.1.2.0/16` is neither a block of addresses",
            "as the route table has it",
        ),
        (
            line(TABLE, "10.1.0.0/33"),
            none(),
            "failover.lever.to_instance.vpc_routes[0].destination",
            "`10.1.0.0/33` is neither a block of addresses",
            "as the route table has it",
        ),
        (
            line(TABLE, "2001:DB8::/32"),
            none(),
            "failover.lever.to_instance.vpc_routes[0].destination",
            "`2001:DB8::/32` is neither a block of addresses",
            "as the route table has it",
        ),
        (
            good(),
            json!({ "mode": "active_active" }),
            lever,
            "an address leads to one instance, so it cannot be shared",
            "`mode: hot_standby`",
        ),
        (
            good(),
            json!({ "fencing": {} }),
            "failover.fencing",
            "one instance has the address",
            "leave it out",
        ),
        (
            good(),
            json!({ "detect": { "probes": null } }),
            "failover.detect",
            "what EC2 says of its instances moves nothing alone",
            "add `probes: [reachable]`",
        ),
        (
            good(),
            json!({ "detect": { "error_rate": "5%" } }),
            "failover.detect.error_rate",
            "without a target group nobody measures it",
            "name it in `alarms`",
        ),
        (
            good(),
            json!({ "lever": { "target_swap": true } }),
            "failover.lever",
            "two levers would pull at the same traffic",
            "`to_instance`",
        ),
        (
            good(),
            json!({ "degraded": { "fixed_response": { "status": 503 }, "checked_by": RULE } }),
            "failover.degraded",
            "nothing else can answer where no rule of a balancer is set",
            "leave `degraded` out",
        ),
    ] {
        let fleet = sides(to_instance, failover);
        let problems = faults(fleet.clone());
        let told = problems
            .iter()
            .find(|problem| problem.path == path && problem.message.contains(message));
        let told = told.unwrap_or_else(|| panic!("{path}: {message}: {problems:#?}"));
        assert!(told.hint.as_deref().unwrap_or_default().contains(hint), "{told:#?}");
    }
}

#[test]
fn a_side_that_has_a_target_group_too_would_serve_by_all_of_its_instances() {
    let mut fleet = sides(json!({ "elastic_ips": [ADDRESS] }), json!({}));
    fleet["pools"][1]["target_groups"] = json!([group("green")]);
    let problems = faults(fleet);
    let told = problems.iter().find(|problem| problem.path == "pools[1].target_groups").unwrap();
    assert!(told.message.contains("clients reach one instance"), "{told:#?}");
}
