//! CloudWatch: many questions in few calls, one bad question alone, and alarms.

use std::collections::BTreeMap;

use ghostnet_aws::cloudwatch::alarm::{AlarmDefinition, Comparison, ListedAlarm, MissingData};
use ghostnet_core::id::AlarmName;
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::BreachRule;
use ghostnet_core::spec::metric::{QueryShape, Stat};
use ghostnet_core::unit::{Finite, Seconds};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::{MetricQuery, Metrics, PublishedValue};
use serde_json::{Value, json};

use crate::reply::alarms;
use crate::sample::{fleet, minute, region};
use crate::wire::{Reply, Sent, Wire, run};

fn stat(name: &str, statistic: &str) -> Stat {
    Stat {
        namespace: "AWS/ApplicationELB".to_owned(),
        name: name.to_owned(),
        dimensions: BTreeMap::from([("TargetGroup".to_owned(), "targetgroup/web/1".to_owned())]),
        statistic: statistic.to_owned(),
        period: Seconds(60),
    }
}

pub(crate) fn plain() -> MetricQuery {
    MetricQuery {
        shape: QueryShape::Stat(stat("RequestCountPerTarget", "Sum")),
        points: 2,
    }
}

fn expression(text: &str) -> MetricQuery {
    let inputs = BTreeMap::from([("m1".to_owned(), stat("A", "Sum"))]);
    let shape = QueryShape::Expression {
        expression: text.to_owned(),
        inputs,
        period: Seconds(60),
    };
    MetricQuery { shape, points: 2 }
}

pub(crate) fn results(values: &[(&str, &[(i64, f64)])], next: Option<&str>) -> Reply {
    let result = |(id, points): &(&str, &[(i64, f64)])| {
        let times: Vec<_> = points.iter().map(|(n, _)| json!({ "time": minute(*n).as_second() })).collect();
        let values: Vec<_> = points.iter().map(|(_, value)| json!(value)).collect();
        json!({ "Id": id, "Label": id, "StatusCode": "Complete", "Timestamps": times, "Values": values })
    };
    let results: Vec<_> = values.iter().map(result).collect();
    let mut body = json!({ "MetricDataResults": results });
    if let (Some(fields), Some(next)) = (body.as_object_mut(), next) {
        fields.insert("NextToken".to_owned(), next.into());
    }
    Reply::cbor(&body)
}

fn points(values: &[(i64, f64)]) -> Series {
    let points = values.iter().filter_map(|(n, value)| {
        Some(Datapoint {
            at: minute(*n),
            value: Finite::new(*value)?,
        })
    });
    Series::Points {
        points: points.collect(),
        period: Seconds(60),
        partial: false,
        incomplete: Vec::new(),
    }
}

/// The data queries of a GetMetricData call.
fn asked(sent: &Sent) -> Vec<Value> {
    sent.body
        .get("MetricDataQueries")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

#[test]
fn a_question_is_asked_for_whole_periods_and_answered_in_order() {
    let wire = Wire::script([results(&[("q1", &[(9, 2.0)]), ("q0", &[(9, 7.5), (8, 6.0)])], None)]);
    let queries = [plain(), expression("m1 * 2"), plain()];
    let series = run(wire.aws().series(&region(), &queries, minute(10)));
    let missing = Series::Failed {
        why: "no answer".to_owned(),
    };
    assert_eq!(series, Ok(vec![points(&[(9, 7.5), (8, 6.0)]), points(&[(9, 2.0)]), missing]));

    let sent = wire.only();
    assert_eq!(sent.body.get("ScanBy"), Some(&json!("TimestampDescending")));
    assert_eq!(
        sent.body.get("EndTime").map(|time| time["time"].as_f64()),
        Some(Some(minute(10).as_second() as f64))
    );
    assert_eq!(
        sent.body.get("StartTime").map(|time| time["time"].as_f64()),
        Some(Some(minute(5).as_second() as f64))
    );
    let queries = asked(&sent);
    assert_eq!(
        queries
            .iter()
            .map(|query| query["Id"].as_str().unwrap_or_default())
            .collect::<Vec<_>>(),
        ["q0", "q1_m1", "q1", "q2"]
    );
    let metric = json!({
        "Namespace": "AWS/ApplicationELB", "MetricName": "RequestCountPerTarget",
        "Dimensions": [{ "Name": "TargetGroup", "Value": "targetgroup/web/1" }],
    });
    assert_eq!(
        queries.first().map(|query| &query["MetricStat"]),
        Some(&json!({ "Metric": metric, "Period": 60, "Stat": "Sum" }))
    );
    assert_eq!(
        queries.get(2).map(|query| (&query["Expression"], &query["Period"])),
        Some((&json!("q1_m1 * 2"), &json!(60)))
    );
}

#[test]
fn an_answer_is_read_to_its_last_page() {
    let wire = Wire::script([results(&[("q0", &[(9, 7.5)])], Some("more")), results(&[("q0", &[(8, 6.0)])], None)]);
    let series = run(wire.aws().series(&region(), &[plain()], minute(10)));
    assert_eq!(series, Ok(vec![points(&[(9, 7.5), (8, 6.0)])]));
    assert_eq!(
        wire.sent().last().map(|sent| sent.text("NextToken").to_owned()),
        Some("more".to_owned())
    );
}

#[test]
fn one_bad_expression_blinds_only_its_own_policy() {
    let wire = Wire::new(|sent, _| {
        let queries = asked(sent);
        if queries.iter().any(|query| query["Expression"] == json!("NONSENSE(")) {
            return Reply::cbor_error(400, "ValidationError");
        }
        let ids: Vec<_> = queries.iter().filter_map(|query| query["Id"].as_str()).collect();
        results(&ids.iter().map(|id| (*id, &[(9, 1.0)][..])).collect::<Vec<_>>(), None)
    });
    let queries = [plain(), plain(), expression("NONSENSE("), plain()];
    let series = run(wire.aws().series(&region(), &queries, minute(10))).unwrap_or_default();
    let failed: Vec<_> = series.iter().map(|series| matches!(series, Series::Failed { .. })).collect();
    assert_eq!(failed, [false, false, true, false]);
    assert_eq!(wire.sent().len(), 5, "all, then its half, then its quarter");
}

#[test]
fn a_call_that_fails_as_a_whole_is_an_error() {
    let wire = Wire::script([]);
    let error = run(wire.aws().series(&region(), &[plain()], minute(10))).err();
    assert_eq!(error.map(|error| error.class), Some(ErrorClass::Transient));
}

#[test]
fn alarms_are_read_by_the_hundred_and_of_both_kinds() {
    let wire = Wire::script([
        alarms(&[("a0", "OK"), ("a1", "ALARM")], &[("a2", "INSUFFICIENT_DATA")]),
        alarms(&[], &[]),
    ]);
    let names: Vec<_> = (0..101).map(|n| AlarmName::new(format!("a{n}"))).collect();
    let states = run(wire.aws().alarm_states(&region(), &names));
    let expected = [
        ("a0", AlarmState::Ok),
        ("a1", AlarmState::Alarm),
        ("a2", AlarmState::InsufficientData),
    ];
    assert_eq!(states, Ok(expected.map(|(name, state)| (AlarmName::new(name), state)).into()));
    let sizes: Vec<_> = wire
        .sent()
        .iter()
        .map(|sent| sent.body["AlarmNames"].as_array().map(Vec::len))
        .collect();
    assert_eq!(sizes, [Some(100), Some(1)]);
    for sent in wire.sent() {
        assert_eq!(sent.body["AlarmTypes"], json!(["MetricAlarm", "CompositeAlarm"]));
    }
}

#[test]
fn values_are_published_in_our_namespace() {
    let wire = Wire::script([Reply::cbor(&json!({}))]);
    let value = PublishedValue {
        stat: stat("cpu", "Average"),
        at: minute(1),
        value: Finite::from(42),
    };
    assert_eq!(run(wire.aws().publish(&region(), &[value])), Ok(()));
    let sent = wire.only();
    assert_eq!(
        (sent.operation.as_str(), sent.text("Namespace")),
        ("cloudwatch:PutMetricData", "GhostNet")
    );
    assert_eq!(sent.body["MetricData"][0]["MetricName"], json!("cpu"));
    assert_eq!(sent.body["MetricData"][0]["Value"].as_f64(), Some(42.0));
}

pub(crate) fn definition(shape: QueryShape) -> AlarmDefinition {
    AlarmDefinition {
        name: AlarmName::new("ghostnet/web/blue/requests/out"),
        description: "more than 1,000 requests per target".to_owned(),
        shape,
        comparison: Comparison::Above,
        threshold: Finite::from(1_000),
        rule: BreachRule { datapoints: 2, of: 3 },
        missing: MissingData::Missing,
        actions: vec!["arn:topic".to_owned()],
    }
}

#[test]
fn an_alarm_watches_a_metric_a_percentile_or_an_expression() {
    let put = |shape: QueryShape| {
        let wire = Wire::script([Reply::cbor(&json!({}))]);
        assert_eq!(run(wire.aws().put_alarm(&region(), &definition(shape))), Ok(()));
        wire.only().body
    };
    let plain = put(QueryShape::Stat(stat("Requests", "Sum")));
    for (name, value) in [
        ("AlarmName", json!("ghostnet/web/blue/requests/out")),
        ("MetricName", json!("Requests")),
        ("Statistic", json!("Sum")),
        ("Period", json!(60)),
        ("EvaluationPeriods", json!(3)),
        ("DatapointsToAlarm", json!(2)),
        ("ComparisonOperator", json!("GreaterThanThreshold")),
        ("TreatMissingData", json!("missing")),
        ("AlarmActions", json!(["arn:topic"])),
        ("OKActions", json!(["arn:topic"])),
    ] {
        assert_eq!(plain.get(name), Some(&value), "{name}");
    }
    let percentile = put(QueryShape::Stat(stat("TargetResponseTime", "p90")));
    assert_eq!(
        (percentile.get("ExtendedStatistic"), percentile.get("Statistic")),
        (Some(&json!("p90")), None)
    );
    let math = put(expression("m1 * 2").shape);
    let told: Vec<_> = math["Metrics"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|query| (&query["Id"], &query["ReturnData"]))
        .collect();
    assert_eq!(told, [(&json!("m1"), &json!(false)), (&json!("result"), &json!(true))]);
    assert_eq!((math.get("MetricName"), math.get("Period")), (None, None));
}

#[test]
fn a_fleets_alarms_are_found_by_their_names_and_those_of_its_owner_are_not_ours_to_remove() {
    let ours_and_theirs = [("ghostnet/web/blue/requests/out", "OK"), ("ghostnet/web/blue/health/latency", "OK")];
    let wire = Wire::script([alarms(&ours_and_theirs, &[])]);
    let found = run(wire.aws().fleet_alarms(&region(), &fleet())).unwrap_or_default();
    assert_eq!(
        found.iter().map(|alarm| alarm.arn.as_str()).collect::<Vec<_>>(),
        ["arn:ghostnet/web/blue/requests/out"]
    );
    assert_eq!(wire.only().text("AlarmNamePrefix"), "ghostnet/web/");
}

#[test]
fn an_alarm_that_ignores_what_is_missing_keeps_its_state() {
    let alarm = |name: &str, missing: Option<&str>| json!({ "AlarmName": name, "TreatMissingData": missing });
    let metric = [alarm("a", Some("ignore")), alarm("b", Some("notBreaching")), alarm("c", None)];
    let answer = json!({ "MetricAlarms": metric, "CompositeAlarms": [{ "AlarmName": "d" }] });
    let wire = Wire::new(move |_, _| Reply::cbor(&answer));
    let found = run(wire.aws().alarms_named(&region(), &["a", "b", "c", "d"].map(AlarmName::new))).unwrap_or_default();
    let keeping = |alarm: &ListedAlarm| alarm.keeps_its_state.then(|| alarm.name.to_string());
    assert_eq!(
        (found.len(), found.iter().filter_map(keeping).collect::<Vec<_>>()),
        (4, vec!["a".to_owned()])
    );
}

#[test]
fn what_an_alarm_of_somebody_else_watches_is_read_if_it_is_one_metric() {
    let alarm = |change: Value| {
        let mut alarm = json!({
            "AlarmName": "busy", "Namespace": "App", "MetricName": "Busy", "Dimensions": [{ "Name": "Service", "Value": "web" }],
            "ExtendedStatistic": "p90", "Period": 300, "ComparisonOperator": "LessThanOrEqualToThreshold", "Threshold": 12.5,
            "EvaluationPeriods": 5, "DatapointsToAlarm": 3,
        });
        for (key, value) in change.as_object().into_iter().flatten() {
            alarm[key] = value.clone();
        }
        alarm
    };
    let answer = json!({ "MetricAlarms": [
        alarm(json!({})),
        alarm(json!({ "AlarmName": "expression", "MetricName": null })),
        alarm(json!({ "AlarmName": "band", "ComparisonOperator": "GreaterThanUpperThreshold" })),
    ] });
    let wire = Wire::new(move |_, _| Reply::cbor(&answer));
    let names = ["busy", "expression", "band"].map(str::to_owned);
    let found = run(wire.aws().alarm_facts(&region(), &names)).unwrap_or_default();
    let [facts] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (facts.name.as_str(), facts.metric.as_str(), facts.statistic.as_str()),
        ("busy", "Busy", "p90")
    );
    assert_eq!((facts.period_seconds, facts.datapoints, facts.evaluated), (300, 3, 5));
    assert_eq!((facts.comparison, facts.threshold), (Comparison::AtMost, 12.5));
    assert_eq!(facts.dimensions.get("Service").map(String::as_str), Some("web"));
    assert_eq!(wire.only().operation, "cloudwatch:DescribeAlarms");
    let wire = Wire::new(|_, _| Reply::cbor(&json!({})));
    assert_eq!(run(wire.aws().alarm_facts(&region(), &[])), Ok(Vec::new()));
    assert!(wire.sent().is_empty(), "nobody is asked about nothing");
}

#[test]
fn what_was_written_is_read_back_as_the_same() {
    let read_back = |shape: QueryShape| {
        let written = Wire::script([Reply::cbor(&json!({}))]);
        let definition = definition(shape);
        assert_eq!(run(written.aws().put_alarm(&region(), &definition)), Ok(()));
        let alarm = written.only().body;
        let wire = Wire::new(move |_, _| Reply::cbor(&json!({ "MetricAlarms": [alarm] })));
        let found = run(wire.aws().watches(&region(), std::slice::from_ref(&definition.name))).unwrap_or_default();
        (found.get(&definition.name).cloned(), definition.watch())
    };
    for shape in [
        QueryShape::Stat(stat("Requests", "Sum")),
        QueryShape::Stat(stat("Requests", "p90")),
        expression("m1 / 2").shape,
    ] {
        let (found, written) = read_back(shape);
        assert_eq!(found, Some(written));
    }
    let bare = json!({ "MetricAlarms": [{ "AlarmName": "a" }], "CompositeAlarms": [{ "AlarmName": "b" }] });
    let wire = Wire::new(move |_, _| Reply::cbor(&bare));
    let found = run(wire.aws().watches(&region(), &["a", "b"].map(AlarmName::new))).unwrap_or_default();
    let [(name, watch)] = &found.iter().collect::<Vec<_>>()[..] else {
        panic!("{found:?}")
    };
    assert_eq!((name.as_str(), &watch.stat, watch.missing.as_str()), ("a", &None, "missing"));
}

/// ListAlarmMuteRules: rules with their status, and where the next page is.
pub(crate) fn muted(rules: &[(&str, &str)], next: Option<&str>) -> Reply {
    let arn = |name: &str| format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm-mute-rule:{name}");
    let rule = |(name, status): &(&str, &str)| json!({ "AlarmMuteRuleArn": arn(name), "Status": status });
    let mut answer = json!({ "AlarmMuteRuleSummaries": rules.iter().map(rule).collect::<Vec<_>>() });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Reply::cbor(&answer)
}

#[test]
fn rules_that_mute_are_found_by_the_alarms_they_mute() {
    let wire = Wire::new(|sent, number| match (sent.operation.as_str(), sent.text("AlarmName")) {
        ("cloudwatch:ListAlarmMuteRules", "a") if number == 0 => muted(&[("nightly", "SCHEDULED")], Some("more")),
        ("cloudwatch:ListAlarmMuteRules", "a") => muted(&[("release", "ACTIVE")], None),
        ("cloudwatch:ListAlarmMuteRules", "b") => muted(&[("nightly", "SCHEDULED")], None),
        ("cloudwatch:ListAlarmMuteRules", _) => muted(&[], None),
        ("cloudwatch:GetAlarmMuteRule", _) if sent.text("AlarmMuteRuleName") == "nightly" => Reply::cbor(&json!({
            "Rule": { "Schedule": { "Expression": "cron(0 2 * * *)", "Duration": "PT4H", "Timezone": "Europe/Berlin" } }
        })),
        _ => Reply::cbor(&json!({})),
    });
    let found = run(wire.aws().mutes(&region(), &["a", "b", "c"].map(AlarmName::new))).unwrap_or_default();
    let told: Vec<_> = found
        .iter()
        .map(|(name, rule)| (name.as_str(), rule.alarms.len(), rule.is_active, rule.when.as_str()))
        .collect();
    let expected = [
        ("nightly", 2, false, "cron(0 2 * * *) for PT4H Europe/Berlin"),
        ("release", 1, true, ""),
    ];
    assert_eq!(told, expected);
    let statuses = &wire.sent()[0].body["Statuses"];
    assert_eq!(
        *statuses,
        json!(["ACTIVE", "SCHEDULED"]),
        "those that have expired are not asked for"
    );
}
