//! What holds where a spec is silent: the printed defaults, and those that its objective sets.

use ghostnet_core::spec::{Allocation, FleetSpec};

use crate::support::*;

/// A default that is printed and one that holds are the same: both come from one table, and this compares them.
#[test]
fn printed_defaults_hold() {
    let bare = json!({ "fleet": "web", "pools": [{ "id": "a", "capacity": { "max": 8 }, "launch": { "template": { "name": "t" }, "subnets": ["subnet-a"] } }] });
    let spec = FleetSpec::check(&serde_json::from_value(bare).unwrap()).unwrap();
    let (pool, guards) = (&spec.pools[0], spec.pools[0].guards);
    let holds = [
        ("mode", spec.mode.to_string()),
        ("metrics.quiet_poll", spec.quiet_poll.to_string()),
        ("pools[].role", pool.role.to_string()),
        ("capacity.min", pool.capacity.min.to_string()),
        ("launch.template.version", pool.launch.template.version.clone()),
        ("warmup", pool.warmup.to_string()),
        ("health.grace", pool.health_grace.to_string()),
        ("health.registration_deadline", pool.registration_deadline.to_string()),
        ("drain.timeout", pool.drain_timeout.to_string()),
        ("scale_in.protect_tag", pool.protect_tag.clone()),
        ("objective", spec.objective.to_string()),
        ("reserve.ratio", pool.reserve.ratio.to_string()),
        ("reserve.threshold", pool.reserve.threshold.to_string()),
        ("guards.tolerance.out", guards.tolerance_out.to_string()),
        ("guards.tolerance.in", guards.tolerance_in.to_string()),
        ("guards.cooldown.out", guards.cooldown_out.to_string()),
        ("guards.cooldown.in", guards.cooldown_in.to_string()),
        ("guards.stabilisation.out", guards.stabilisation_out.to_string()),
        ("guards.stabilisation.in", guards.stabilisation_in.to_string()),
        ("guards.breaker.unhealthy", guards.breaker_unhealthy.to_string()),
        ("guards.breaker.at_least", guards.breaker_at_least.to_string()),
    ];
    let printed = ghostnet_core::spec::defaults::defaults(spec.objective);
    for (path, value) in holds {
        assert_eq!(
            printed.iter().find(|row| row.path == path).map(|row| row.value.as_str()),
            Some(value.as_str()),
            "{path}"
        );
    }
    assert_eq!(
        (
            guards.launch_per_hour,
            guards.launch_per_tick.of(8),
            guards.launch_per_tick.of(1),
            guards.removal_per_tick.of(8)
        ),
        (24, 8, 4, 1)
    );
}

/// What each objective sets, what an explicit field says against it, and that the table that is printed says the same.
#[test]
fn an_objective_sets_defaults_and_an_explicit_field_wins() {
    for (objective, reserve, quantile, tolerance, cooldown, stabilisation) in [
        ("balanced", 0, 950, (10, 10), (60, 300), (0, 600)),
        ("min_latency", 25, 950, (5, 20), (30, 600), (0, 1_200)),
        ("min_loss", 15, 990, (5, 15), (60, 600), (0, 1_200)),
        ("min_cost", 0, 800, (10, 5), (60, 120), (0, 300)),
    ] {
        let spec = spec(json!({ "objective": objective, "reserve": { "policy": {} } }));
        let (pool, guards) = (&spec.pools[0], &spec.pools[0].guards);
        assert_eq!(pool.reserve.ratio.0, reserve, "{objective}");
        assert_eq!(pool.reserve.policy.unwrap().quantile_permille, quantile, "{objective}");
        assert_eq!((guards.tolerance_out.0, guards.tolerance_in.0), tolerance, "{objective}");
        assert_eq!((guards.cooldown_out.0, guards.cooldown_in.0), cooldown, "{objective}");
        assert_eq!(
            (guards.stabilisation_out.0, guards.stabilisation_in.0),
            stabilisation,
            "{objective}"
        );
        let printed = ghostnet_core::spec::defaults::defaults(spec.objective);
        let row = |path: &str| {
            printed
                .iter()
                .find(|row| row.path == path)
                .map(|row| (row.value.as_str(), row.reason))
                .unwrap()
        };
        assert_eq!(row("guards.stabilisation.in").0, guards.stabilisation_in.to_string(), "{objective}");
        assert_eq!(
            row("reserve.policy.quantile").0,
            ["0.95", "0.99", "0.8"][[950, 990, 800].iter().position(|q| *q == quantile).unwrap()]
        );
        assert_eq!(
            row("guards.stabilisation.in").1.contains(objective),
            objective != "balanced",
            "{objective}"
        );
    }
    let said = json!({ "objective": "min_latency", "reserve": { "ratio": "1%" }, "guards": { "tolerance": { "in": "7%" }, "cooldown": { "out": "9s" } } });
    let pool = spec(said).pools.remove(0);
    assert_eq!(
        (pool.reserve.ratio.0, pool.guards.tolerance_in.0, pool.guards.cooldown_out.0),
        (1, 7, 9)
    );
    assert_eq!(
        (pool.guards.tolerance_out.0, pool.guards.cooldown_in.0),
        (5, 600),
        "what is not said is the objective's"
    );
}

/// `balanced` is what held before there were objectives.
#[test]
fn balanced_is_no_change() {
    assert_eq!(spec(json!({ "objective": "balanced" })), spec(json!({})));
}

/// Spot is a default only where nothing speaks against it.
#[test]
fn min_cost_buys_half_as_spot_in_a_pool_that_suits_spot() {
    let suits = || {
        json!({
            "objective": "min_cost",
            "defaults": {
                "capacity": { "min": 4, "max": 40, "initial": 4 },
                "launch": { "subnets": ["subnet-a", "subnet-b"], "instance_types": ["c7a.large", "c7i.large", "m7a.large"] },
                "drain": { "timeout": "90s" },
            },
            "pools": [{ "id": "blue", "target_groups": [group("blue")] }],
        })
    };
    let with = |path: &str, value: Value| {
        let mut change = suits();
        let (parent, field) = path.rsplit_once('/').unwrap();
        change.pointer_mut(parent).unwrap()[field] = value;
        change
    };
    let (spot, on_demand) = ((4, 50, Allocation::CapacityOptimized), (0, 0, Allocation::ListedOrder));
    for (situation, change, expected) in [
        ("nothing speaks against it", suits(), spot),
        (
            "no minimum",
            with("/defaults/capacity/min", json!(0)),
            (0, 50, Allocation::CapacityOptimized),
        ),
        ("an empty stock", with("/defaults/warm", json!({ "size": 0 })), spot),
        ("an empty share", with("/defaults/warm", json!({ "size": "0%" })), spot),
        ("balanced", with("/objective", json!("balanced")), on_demand),
        ("min_latency", with("/objective", json!("min_latency")), on_demand),
        ("min_loss", with("/objective", json!("min_loss")), on_demand),
        ("no objective", with("/objective", Value::Null), on_demand),
        (
            "the fleet says it",
            with("/defaults/launch/market", json!({ "spot_percent": 30 })),
            (0, 30, Allocation::ListedOrder),
        ),
        (
            "the fleet says a base alone",
            with("/defaults/launch/market", json!({ "on_demand_base": 2 })),
            (2, 0, Allocation::ListedOrder),
        ),
        (
            "the fleet says that all is as usual",
            with("/defaults/launch/market", json!({})),
            on_demand,
        ),
        (
            "the pool says it",
            with("/pools/0/launch", json!({ "market": { "spot_percent": 0 } })),
            on_demand,
        ),
        (
            "reservations",
            with("/defaults/launch/market", json!({ "reservations": "open" })),
            on_demand,
        ),
        (
            "two types",
            with("/defaults/launch/instance_types", json!(["c7a.large", "c7i.large"])),
            on_demand,
        ),
        (
            "one type three times",
            with("/defaults/launch/instance_types", json!(["c7a.large", "c7a.large", "c7a.large"])),
            on_demand,
        ),
        (
            "the template's own type",
            with("/defaults/launch/instance_types", json!([])),
            on_demand,
        ),
        ("one subnet", with("/defaults/launch/subnets", json!(["subnet-a"])), on_demand),
        ("a stock", with("/defaults/warm", json!({ "size": 1 })), on_demand),
        (
            "a stock that learns",
            with("/pools/0/warm", json!({ "size": "learned" })),
            on_demand,
        ),
        (
            "a hibernated stock",
            with("/defaults/warm", json!({ "size": "20%", "state": "hibernated" })),
            on_demand,
        ),
        (
            "a drain that spot cuts off",
            with("/defaults/drain/timeout", json!("91s")),
            on_demand,
        ),
        (
            "the drain of five minutes that holds where the spec is silent",
            with("/defaults/drain", json!({})),
            on_demand,
        ),
        (
            "workers that are waited for",
            with("/defaults/drain/wait_for_tag", json!(true)),
            on_demand,
        ),
    ] {
        let mix = spec(change).pools.remove(0).launch.market;
        assert_eq!((mix.on_demand_base, mix.spot.0, mix.allocation), expected, "{situation}");
    }
    let standby = with(
        "/pools",
        json!([{ "id": "blue", "target_groups": [group("blue")] }, { "id": "green", "role": "standby", "policies": [] }]),
    );
    let shares: Vec<u16> = spec(standby).pools.iter().map(|pool| pool.launch.market.spot.0).collect();
    assert_eq!(shares, [50, 0], "who stands by is on demand");
}

/// What is printed of markets names both what holds with spot and without.
#[test]
fn the_mix_of_min_cost_is_printed_with_its_reason() {
    use ghostnet_core::spec::Objective;
    for (objective, base, spot, allocation) in [
        (
            Objective::MinCost,
            "`capacity.min`, or 0",
            "50, or 0",
            "capacity_optimized, or listed_order",
        ),
        (Objective::Balanced, "0", "0", "listed_order"),
        (Objective::MinLatency, "0", "0", "listed_order"),
        (Objective::MinLoss, "0", "0", "listed_order"),
    ] {
        let printed = ghostnet_core::spec::defaults::defaults(objective);
        for (field, value) in [("on_demand_base", base), ("spot_percent", spot), ("allocation", allocation)] {
            let row = printed.iter().find(|row| row.path == format!("launch.market.{field}")).unwrap();
            let is_told = row.reason.starts_with("objective `min_cost`: ");
            assert_eq!(
                (row.value.as_str(), is_told),
                (value, objective == Objective::MinCost),
                "{objective} {field}"
            );
        }
    }
}
