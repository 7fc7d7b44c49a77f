//! Alarms against the policies that they wake.

use std::collections::BTreeMap;

use ghostnet_core::id::AlarmName;
use ghostnet_core::spec::{FleetSpec, Resolved, Stat};
use ghostnet_core::unit::{Finite, Seconds};
use ghostnet_engine::live::Severity;
use ghostnet_engine::live::alarms::{self, Kept, Listed, Mute, Watch};
use serde_json::json;

use crate::lines;

fn stat(statistic: &str, period: u32) -> Stat {
    Stat {
        namespace: "Shop".to_owned(),
        name: "Load".to_owned(),
        dimensions: BTreeMap::from([("Fleet".to_owned(), "web".to_owned())]),
        statistic: statistic.to_owned(),
        period: Seconds(period),
    }
}

fn watch(statistic: &str, period: u32, missing: &str) -> Watch {
    Watch {
        stat: Some(stat(statistic, period)),
        comparison: "GreaterThanThreshold".to_owned(),
        threshold: Some(Finite::from(66)),
        datapoints: 1,
        evaluated: 1,
        missing: missing.to_owned(),
    }
}

#[test]
fn an_alarm_that_somebody_changed_is_told_by_what_differs() {
    let wanted = || watch("Average", 60, "notBreaching");
    let other = |change: fn(&mut Watch)| {
        let mut watch = wanted();
        change(&mut watch);
        Some(watch)
    };
    for (situation, found, expected) in [
        ("as it was written", Some(wanted()), None),
        ("gone", None, Some("alarm `a` is gone")),
        (
            "another statistic",
            Some(watch("Maximum", 60, "notBreaching")),
            Some("somebody changed alarm `a`: statistic `Maximum` in place of `Average`"),
        ),
        (
            "a period and missing data",
            Some(watch("Average", 300, "missing")),
            Some("somebody changed alarm `a`: period `5m` in place of `1m`, missing data `missing` in place of `notBreaching`"),
        ),
        (
            "a threshold",
            other(|watch| watch.threshold = Some(Finite::from(90))),
            Some("somebody changed alarm `a`: threshold `90` in place of `66`"),
        ),
        (
            "more datapoints",
            other(|watch| watch.evaluated = 5),
            Some("somebody changed alarm `a`: datapoints `1 of 5` in place of `1 of 1`"),
        ),
        (
            "the other way round",
            other(|watch| watch.comparison = "LessThanThreshold".to_owned()),
            Some("somebody changed alarm `a`: comparison `LessThanThreshold` in place of `GreaterThanThreshold`"),
        ),
        (
            "another metric",
            other(|watch| watch.stat.as_mut().unwrap().name = "Errors".to_owned()),
            Some("somebody changed alarm `a`: metric `Shop/Errors` in place of `Shop/Load`"),
        ),
        (
            "an expression",
            other(|watch| watch.stat = None),
            Some("somebody changed alarm `a`: watched `an expression` in place of `one metric`"),
        ),
    ] {
        let kept = Kept {
            path: "policies[0]".to_owned(),
            name: AlarmName::new("a"),
            wanted: wanted(),
            found,
            tells: true,
        };
        let findings = alarms::judge_kept(std::slice::from_ref(&kept));
        let told: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{situation}");
        assert!(
            findings
                .iter()
                .all(|finding| finding.severity == Severity::Warning && finding.hint.is_some())
        );
    }
}

#[test]
fn an_alarm_of_ones_own_is_held_against_the_policies_on_its_metric() {
    let spec = |missing: &str| {
        let metric =
            json!({ "namespace": "Shop", "name": "Load", "dimensions": { "Fleet": "web" }, "statistic": "Average", "period": "60s" });
        let pool = |id: &str, role: &str| {
            json!({ "id": id, "role": role, "capacity": { "min": 0, "max": 2 },
                "launch": { "template": { "name": "web" }, "subnets": ["subnet-a"] } })
        };
        let policy = json!({ "id": "load", "type": "target_tracking", "metric": metric, "target": 60.0, "missing": missing });
        let raw = json!({ "fleet": "web", "pools": [pool("blue", "active"), pool("green", "standby")], "policies": [policy] });
        FleetSpec::check(&serde_json::from_value(raw).unwrap()).unwrap()
    };
    let elsewhere = || {
        let mut watch = watch("Maximum", 300, "notBreaching");
        watch.stat.as_mut().unwrap().dimensions.clear();
        watch
    };
    let composite = || Watch {
        stat: None,
        ..watch("Average", 60, "missing")
    };
    for (situation, missing, watch, expected) in [
        ("as the policy looks", "hold", watch("Average", 60, "notBreaching"), vec![]),
        ("faster than the policy", "hold", watch("Average", 10, "notBreaching"), vec![]),
        ("both take it as a breach", "breaching", watch("Average", 60, "breaching"), vec![]),
        ("another metric", "hold", elsewhere(), vec![]),
        ("other alarms", "hold", composite(), vec![]),
        (
            "another statistic",
            "hold",
            watch("Maximum", 60, "ignore"),
            vec!["warning alarms[0]: alarm `mine` looks at `Maximum` of the metric, and policy `load` at `Average`"],
        ),
        (
            "a longer period",
            "hold",
            watch("Average", 300, "notBreaching"),
            vec!["warning alarms[0]: alarm `mine` has a period of 5m, and policy `load` one of 1m"],
        ),
        (
            "no data wakes for nothing",
            "hold",
            watch("Average", 60, "breaching"),
            vec!["warning alarms[0]: alarm `mine` takes missing data as `breaching`, and policy `load` does nothing then"],
        ),
        (
            "no data wakes nobody",
            "breaching",
            watch("Average", 60, "ignore"),
            vec!["warning alarms[0]: alarm `mine` takes missing data as `ignore`, and policy `load` as `breaching`"],
        ),
        (
            "CloudWatch's default",
            "ignore",
            watch("Average", 60, "missing"),
            vec!["note alarms[0]: alarm `mine` goes to INSUFFICIENT_DATA when its metric has no data"],
        ),
    ] {
        let listed = Listed {
            path: "alarms[0]".to_owned(),
            name: AlarmName::new("mine"),
            watch,
        };
        let findings = alarms::judge_listed(&spec(missing), &Resolved::default(), &[listed]);
        assert_eq!(lines(&findings), expected, "{situation}, once for both pools");
    }
}

#[test]
fn who_mutes_is_told_now_and_beforehand() {
    let mute = |is_active, alarms: &[&str]| Mute {
        rule: "nightly".to_owned(),
        alarms: alarms
            .iter()
            .map(|name| ("policies[0]".to_owned(), AlarmName::new(*name)))
            .collect(),
        is_active,
        when: "cron(0 2 * * *) for PT4H".to_owned(),
    };
    for (mute, expected) in [
        (
            mute(true, &["a"]),
            vec!["warning policies[0]: mute rule `nightly` silences `a` now"],
        ),
        (
            mute(false, &["a", "b", "c", "d", "e"]),
            vec!["note policies[0]: mute rule `nightly` will silence `a`, `b`, `c` and 2 more"],
        ),
        (mute(true, &[]), vec![]),
    ] {
        let findings = alarms::judge_mutes(&[mute]);
        assert_eq!(lines(&findings), expected);
        assert!(findings.iter().all(|finding| finding.why.starts_with("cron(0 2 * * *) for PT4H: ")));
    }
}
