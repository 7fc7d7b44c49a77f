//! What is wrong with a policy that looks ahead, and with what a spec calls churn.

use ghostnet_core::spec::FleetSpec;
use ghostnet_core::spec::raw::RawPolicy;

use crate::support::*;

/// One mistake each of a policy that looks ahead, and of what is called churn.
#[test]
fn one_mistake_of_looking_ahead_one_problem() {
    let demand =
        json!({ "id": "demand", "type": "capacity", "demand": "alb_request_count", "instance_capacity": 10, "utilisation": "70%" });
    let ahead = |change: Value| {
        let mut policy = json!({ "id": "ahead", "type": "predictive", "of": "demand" });
        merge(&mut policy, change);
        policy
    };
    let after = |change: Value| json!({ "policies": [demand, ahead(change)] });
    assert_eq!(faults(after(json!({}))), []);
    let cpu = json!({ "id": "cpu", "type": "target_tracking", "metric": "cpu", "target": 50 });
    let stepped = json!({ "id": "cpu", "type": "step", "metric": "cpu", "out": [{ "from": 80, "add": 1 }] });
    let mut learns = demand.clone();
    merge(
        &mut learns,
        json!({ "instance_capacity": "learned", "learn": { "source": "agent" } }),
    );
    for (change, path, message) in [
        (
            after(json!({ "of": "jobs" })),
            "policies[1].of",
            "there is no policy `jobs` before this one",
        ),
        (
            after(json!({ "of": "ahead" })),
            "policies[1].of",
            "there is no policy `ahead` before this one",
        ),
        (
            json!({ "policies": [ahead(json!({})), demand] }),
            "policies[0].of",
            "there is no policy `demand` before this one",
        ),
        (
            json!({ "policies": [cpu, ahead(json!({ "of": "cpu" }))] }),
            "policies[1].of",
            "nobody can look ahead for `cpu`",
        ),
        (
            json!({ "policies": [stepped, ahead(json!({ "of": "cpu" }))] }),
            "policies[1].of",
            "nobody can look ahead for `cpu`",
        ),
        (
            json!({ "policies": [demand, ahead(json!({})), ahead(json!({ "id": "further", "of": "ahead" }))] }),
            "policies[2].of",
            "nobody can look ahead for `ahead`",
        ),
        (
            json!({ "policies": [learns, ahead(json!({ "mode": "act" }))] }),
            "policies",
            "`demand` has no vote until it has learned, and no other policy adds instances until then",
        ),
        (
            after(json!({ "events": [{ "when": { "at": "2026-11-27T20:00:00+01:00", "for": "29m" }, "factor": 3 }] })),
            "policies[1].events[0].when.for",
            "`29m` is shorter than `30m`",
        ),
        (
            after(json!({ "events": [{ "when": { "cron": "0 20 * * 5", "for": "6h" }, "factor": 0 }] })),
            "policies[1].events[0].factor",
            "`0` is not between `0.001` and `1000`",
        ),
        (
            after(json!({ "events": [{ "when": { "for": "6h" }, "factor": 2 }] })),
            "policies[1].events[0].when",
            "a window has exactly one of `cron` and `at`",
        ),
        (
            after(json!({ "quantile": 0.95, "caution": 8 })),
            "policies[1].quantile",
            "`quantile` and `caution` say the same thing twice",
        ),
        (
            after(json!({ "caution": 0 })),
            "policies[1].caution",
            "`0` is not above `0` and at most `1000`",
        ),
        (after(json!({ "caution": -1 })), "policies[1].caution", "`-1` is not above `0`"),
        (
            after(json!({ "caution": 1_000.5 })),
            "policies[1].caution",
            "`1000.5` is not above `0`",
        ),
        (
            after(json!({ "quantile": 0.3 })),
            "policies[1].quantile",
            "`0.3` is not between `0.5` and `1`",
        ),
        (
            after(json!({ "quantile": 1.2 })),
            "policies[1].quantile",
            "`1.2` is not between `0.5` and `1`",
        ),
        (
            after(json!({ "horizon": "0s" })),
            "policies[1].horizon",
            "`0s` is not a duration between `1m` and `30m`",
        ),
        (
            after(json!({ "horizon": "31m" })),
            "policies[1].horizon",
            "`31m` is not a duration between `1m` and `30m`",
        ),
        (
            after(json!({ "horizon": "soon" })),
            "policies[1].horizon",
            "`soon` is not a duration between `1m` and `30m`",
        ),
        (
            after(json!({ "usual": "0%" })),
            "policies[1].usual",
            "`0%` is not between `1%` and `100%`",
        ),
        (
            after(json!({ "usual": "101%" })),
            "policies[1].usual",
            "`101%` is not between `1%` and `100%`",
        ),
        (after(json!({ "usual": "most" })), "policies[1].usual", "`most` is not a percentage"),
        (
            json!({ "guards": { "churn": { "turns": 2 } } }),
            "guards.churn.turns",
            "`2` is not between `3` and `12`",
        ),
        (
            json!({ "guards": { "churn": { "turns": 13 } } }),
            "guards.churn.turns",
            "`13` is not between `3` and `12`",
        ),
    ] {
        let found = faults(change);
        assert_eq!(found.len(), 1, "{path}: {message}: {found:#?}");
        assert_eq!(found[0].path, path, "{found:?}");
        assert!(found[0].message.contains(message), "{found:?}");
        assert!(found[0].hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{path} has a hint");
    }
}

/// Nobody can type what is not a number, but a program that makes a spec can.
#[test]
fn a_caution_or_quantile_that_is_no_number_is_refused() {
    for no_number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for (path, caution, quantile) in [
            ("policies[1].caution", Some(no_number), None),
            ("policies[1].quantile", None, Some(no_number)),
        ] {
            let mut raw = raw(json!({ "policies": [tracking(), { "id": "ahead", "type": "predictive", "of": "requests" }] }));
            if let Some(RawPolicy::Predictive(policy)) = raw.policies.as_mut().and_then(|policies| policies.last_mut()) {
                (policy.caution, policy.quantile) = (caution, quantile);
            }
            let found = FleetSpec::check(&raw).err().unwrap_or_default();
            let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
            assert_eq!(paths, [path], "{no_number}");
        }
    }
}
