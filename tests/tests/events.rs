//! Which signal each payload in `events/` becomes, and that no payload whatsoever makes the parser panic.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_aws::event::{
    CHECK_BYTES_MAX, CheckRequest, ENVELOPES_MAX, PAYLOAD_BYTES_MAX, Payload, RECORDS_MAX, Rejected, TrafficAsked, classify,
};
use ghostnet_core::failover::TrafficWish;
use ghostnet_core::operator::Asked;
use ghostnet_core::signal::{AlarmChangeKind, InterruptionKind, Signal};
use ghostnet_core::spec::FleetSpec;
use ghostnet_tests::event_payloads;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

const CPU: &str = "alarm ServerCpuTooHigh at 2019-10-02T17:04:40.989Z: State, Alarm";
const MATH: &str = "alarm TotalNetworkTrafficTooHigh at 2019-10-02T17:20:48.554Z: State, Alarm";
const ANOMALY: &str = "alarm CPU Utilization Anomaly at 2019-10-03T16:00:04.653Z: State, Alarm";
const INSIGHTS: &str = "alarm FleetCpuTooHigh at 2025-12-01T13:42:04.919Z: State, Alarm";
const COMPOSITE: &str = "alarm ServiceAggregatedAlarm at 2022-07-22T15:57:45.394Z: State, Alarm";
const CONTRIBUTOR: &str = "alarm DynamoDBInsightsAlarm at 2025-12-01T13:42:04.919Z: Contributor, Alarm";
const FLEET: &str = "alarm ghostnet/web/blue/cpu/out at 2026-03-02T09:15:31.405Z: State, Alarm";
const INSTANCE: &str = "i-1234567890abcdef0";

/// File in `events/` -> the signals that it becomes, in short.
fn table() -> BTreeMap<&'static str, Vec<String>> {
    let one = |signal: &str| vec![signal.to_owned()];
    let instance = |what: &str, at: &str| vec![format!("instances {INSTANCE} at {at}: {what}")];
    let interruption = |kind: &str, at: &str| vec![format!("interruption of {INSTANCE} at {at}: {kind}")];
    let ignored = |reason: &str| vec![format!("ignored: {reason}")];
    BTreeMap::from([
        (
            "alarm-configuration-create.json",
            one("alarm ServerCpuTooHigh at 2022-03-03T17:06:13Z: Configuration, Ok"),
        ),
        (
            "alarm-configuration-delete.json",
            one("alarm ServerCpuTooHigh at 2022-03-03T17:09:40Z: Configuration, InsufficientData"),
        ),
        (
            "alarm-configuration-update.json",
            one("alarm ServerCpuTooHigh at 2022-03-03T17:08:02Z: Configuration, Ok"),
        ),
        ("alarm-direct-anomaly.json", one(ANOMALY)),
        (
            "alarm-direct-composite-released.json",
            one("alarm ServiceAggregatedAlarm at 2022-07-22T15:59:45.394Z: State, Alarm"),
        ),
        ("alarm-direct-composite.json", one(COMPOSITE)),
        ("alarm-direct-contributor.json", one(CONTRIBUTOR)),
        (
            "alarm-direct-daily-period.json",
            one("alarm DailyErrorsTooHigh at 2019-10-02T17:04:40.989Z: State, Alarm"),
        ),
        ("alarm-direct-insights.json", one(INSIGHTS)),
        ("alarm-direct-math.json", one(MATH)),
        ("alarm-direct-metric.json", one(CPU)),
        ("alarm-eventbridge-anomaly.json", one(ANOMALY)),
        ("alarm-eventbridge-composite-suppressed.json", one(COMPOSITE)),
        ("alarm-eventbridge-composite.json", one(COMPOSITE)),
        ("alarm-eventbridge-contributor.json", one(CONTRIBUTOR)),
        (
            "alarm-eventbridge-daily-period.json",
            one("alarm DailyErrorsTooHigh at 2019-10-02T17:04:40.989Z: State, Alarm"),
        ),
        ("alarm-eventbridge-fleet.json", one(FLEET)),
        (
            "alarm-eventbridge-health.json",
            one("alarm ghostnet/web/blue/health/errors at 2026-03-02T09:15:31.405Z: State, Alarm"),
        ),
        ("alarm-eventbridge-insights.json", one(INSIGHTS)),
        ("alarm-eventbridge-math.json", one(MATH)),
        ("alarm-eventbridge-metric.json", one(CPU)),
        ("alarm-eventbridge-muted.json", vec![format!("{FLEET}, muted")]),
        (
            "alarm-eventbridge-set-state.json",
            one("alarm ServerCpuTooHigh at 2019-10-02T17:10:12.004Z: State, InsufficientData"),
        ),
        ("alarm-sns-anomaly.json", one(ANOMALY)),
        ("alarm-sns-composite-named-children.json", one(COMPOSITE)),
        ("alarm-sns-composite-no-children.json", one(COMPOSITE)),
        ("alarm-sns-composite.json", one(COMPOSITE)),
        ("alarm-sns-contributor.json", one(CONTRIBUTOR)),
        ("alarm-sns-eventbridge-metric.json", one(CPU)),
        ("alarm-sns-fleet.json", one(FLEET)),
        ("alarm-sns-insights.json", one(INSIGHTS)),
        ("alarm-sns-math.json", one(MATH)),
        ("alarm-sns-metric.json", one(CPU)),
        (
            "alarm-sqs-batch.json",
            vec![
                FLEET.to_owned(),
                MATH.to_owned(),
                "ignored: not JSON: expected ident at line 1 column 2".to_owned(),
            ],
        ),
        ("alarm-sqs-eventbridge-metric.json", one(CPU)),
        ("alarm-sqs-raw-metric.json", one(CPU)),
        ("alarm-sqs-sns-anomaly.json", one(ANOMALY)),
        ("alarm-sqs-sns-composite.json", one(COMPOSITE)),
        ("alarm-sqs-sns-insights.json", one(INSIGHTS)),
        ("alarm-sqs-sns-math.json", one(MATH)),
        ("alarm-sqs-sns-metric.json", one(CPU)),
        (
            "autoscaling-lifecycle.json",
            ignored("Auto Scaling: a fleet of GhostNet has no Auto Scaling group"),
        ),
        // it is answered before anybody asks for signals
        ("check.json", ignored("a payload of GhostNet of kind `check/v1`")),
        ("ec2-rebalance.json", interruption("Rebalance", "2026-03-02T09:10:44Z")),
        (
            "ec2-spot-warning-hibernate.json",
            interruption("SpotWarning", "2026-03-02T09:20:05Z"),
        ),
        ("ec2-spot-warning-stop.json", interruption("SpotWarning", "2026-03-02T09:20:05Z")),
        ("ec2-spot-warning.json", interruption("SpotWarning", "2026-03-02T09:20:05Z")),
        ("ec2-state-pending.json", instance("pending", "2021-11-11T21:29:54Z")),
        ("ec2-state-running.json", instance("running", "2021-11-11T21:30:21Z")),
        ("ec2-state-shutting-down.json", instance("shutting-down", "2021-11-11T22:10:00Z")),
        ("ec2-state-stopped.json", instance("stopped", "2021-11-11T22:03:10Z")),
        ("ec2-state-stopping.json", instance("stopping", "2021-11-11T22:02:00Z")),
        ("ec2-state-terminated.json", instance("terminated", "2021-11-11T22:10:41Z")),
        (
            "evacuate-end.json",
            one(
                "arn:aws:sts::123456789012:assumed-role/operator/ana asks web at 2026-03-02T09:00:00Z: UseAgain { zone: Zone(\"eu-west-1a\") }",
            ),
        ),
        (
            "evacuate.json",
            one(
                "arn:aws:sts::123456789012:assumed-role/operator/ana asks web at 2026-03-02T08:00:00Z: Evacuate { zone: Zone(\"eu-west-1a\"), until: 2026-03-02T12:00:00Z, reason: \"errors in a\" }",
            ),
        ),
        (
            "evaluate.json",
            one("evaluate web for arn:aws:sts::123456789012:assumed-role/operator/ana"),
        ),
        // failover reads it before anybody asks for signals
        (
            "health-backup-copy.json",
            ignored("`AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED`: the copy for a second region"),
        ),
        (
            "health-no-instance.json",
            ignored("`AWS_ELASTICLOADBALANCING_API_ISSUE` names no instance"),
        ),
        (
            "health-retirement-by-id.json",
            vec![format!(
                "instances {INSTANCE} i-0fedcba0987654321 at 2026-01-27T01:43:21Z: AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED (upcoming), to be retired"
            )],
        ),
        (
            "health-retirement.json",
            instance(
                "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED (open), to be retired",
                "2026-01-27T01:43:21Z",
            ),
        ),
        (
            "hand-over.json",
            one(
                "arn:aws:sts::123456789012:assumed-role/operator/ana asks web blue at 2026-03-02T08:00:00Z: HandOver { instances: [InstanceId(\"i-0fedcba9876543210\")] }",
            ),
        ),
        ("lambda-failure-record-sqs.json", one(FLEET)),
        ("lambda-failure-record.json", one(FLEET)),
        ("other-service.json", ignored("a record of neither SNS nor SQS")),
        (
            "refresh-rollback.json",
            one("arn:aws:sts::123456789012:assumed-role/operator/ana asks web at 2026-03-02T09:00:00Z: Refresh(Rollback)"),
        ),
        (
            "refresh.json",
            one(
                "arn:aws:sts::123456789012:assumed-role/operator/ana asks web blue at 2026-03-02T08:00:00Z: Refresh(Start { reason: \"a new image\", checkpoints: [Percent(20), Percent(50)], bake: Seconds(600), drifted: false })",
            ),
        ),
        (
            "scale-clear.json",
            one("arn:aws:sts::123456789012:assumed-role/operator/ana asks web at 2026-03-02T09:00:00Z: Clear"),
        ),
        (
            "scale.json",
            one(
                "arn:aws:sts::123456789012:assumed-role/operator/ana asks web blue at 2026-03-02T08:00:00Z: Hold { desired: 12, until: 2026-03-02T10:00:00Z, reason: \"load test\" }",
            ),
        ),
        ("schedule-rule.json", one("tick")),
        (
            "schedule-scheduler.json",
            one("evaluate web for arn:aws:scheduler:us-east-1:123456789012:schedule/default/ghostnet-web-open, due 2026-03-02T08:00:00Z"),
        ),
        (
            "sns-subscription-confirmation.json",
            ignored("an SNS message of type `SubscriptionConfirmation`"),
        ),
        // they are answered before anybody asks for signals
        ("traffic-failback.json", ignored("a payload of GhostNet of kind `traffic/v1`")),
        ("traffic-failover.json", ignored("a payload of GhostNet of kind `traffic/v1`")),
        ("traffic-drill.json", ignored("a payload of GhostNet of kind `traffic/v1`")),
        ("traffic-undo.json", ignored("a payload of GhostNet of kind `traffic/v1`")),
        ("tune.json", one("tune web")),
    ])
}

fn in_short(signal: &Signal) -> String {
    match signal {
        Signal::AlarmChanged(change) => {
            let muted = if change.muted { ", muted" } else { "" };
            format!(
                "alarm {} at {}: {:?}, {:?}{muted}",
                change.alarm, change.at, change.change, change.state
            )
        }
        Signal::Tick => "tick".to_owned(),
        Signal::Interruption(notice) => format!("interruption of {} at {}: {:?}", notice.instance, notice.at, notice.kind),
        Signal::InstanceChanged {
            instances,
            what,
            at,
            retires,
        } => {
            let ids: Vec<_> = instances.iter().map(ToString::to_string).collect();
            let taken = if *retires { ", to be retired" } else { "" };
            format!("instances {} at {at}: {what}{taken}", ids.join(" "))
        }
        Signal::Evaluate { fleet, by } => format!("evaluate {fleet} for {by}"),
        Signal::Tune { fleet } => format!("tune {fleet}"),
        Signal::OperatorRequest(request) => {
            let pool = request.pool.as_ref().map(|pool| format!(" {pool}")).unwrap_or_default();
            let Asked { by, at, wish } = &request.asked;
            format!("{by} asks {}{pool} at {at}: {wish:?}", request.fleet)
        }
        Signal::Ignored { reason } => format!("ignored: {reason}"),
    }
}

#[test]
fn every_payload_becomes_its_signal() {
    let (table, payloads) = (table(), event_payloads().unwrap());
    let listed: BTreeSet<_> = table.keys().copied().collect();
    let found: BTreeSet<_> = payloads.keys().map(String::as_str).collect();
    assert_eq!(found, listed, "the files in `events/` (left) and the table (right) differ");
    for (file, expected) in &table {
        let signals: Vec<_> = classify(&payloads[*file])
            .unwrap_or_else(|error| panic!("{file}: {error}"))
            .iter()
            .map(in_short)
            .collect();
        assert_eq!(signals, *expected, "{file}");
    }
}

/// It is as large as a spec and may be about a fleet that nobody applied: it must never come to a look, or into a record.
#[test]
fn a_request_for_a_check_comes_bare_and_is_no_signal() {
    let check = payload("check.json");
    let of = |event: &Value| CheckRequest::of(event.to_string().as_bytes());
    let request = of(&check).unwrap().unwrap();
    assert_eq!((request.spec.fleet.as_str(), request.from), ("web", 0));
    assert_eq!(
        CheckRequest::of(&request.payload()),
        Some(Ok(request.clone())),
        "it is written as it is read"
    );
    let queued = json!({ "Records": [{ "body": check.to_string() }] });
    for wrapped in [json!({ "requestPayload": check }), queued] {
        assert_eq!(of(&wrapped), None);
        assert!(matches!(
            classify(wrapped.to_string().as_bytes()).as_deref(),
            Ok([Signal::Ignored { .. }])
        ));
    }
    for other in event_payloads().unwrap().iter().filter(|(file, _)| *file != "check.json") {
        assert_eq!(CheckRequest::of(other.1), None, "{}", other.0);
    }
    let mut large = check.clone();
    large["spec"]["description"] = "x".repeat(CHECK_BYTES_MAX).into();
    let kind = |event: &Value| of(event).map(|request| request.map_err(|rejected| rejected.kind()));
    assert_eq!(kind(&large), Some(Err("Malformed")));
    let mut more = check;
    more["more"] = 1.into();
    assert_eq!(kind(&more), Some(Err("Malformed")), "nobody but our own command line writes it");
}

/// The function that sizes pools must not take it for anything: only failover moves traffic.
#[test]
fn a_request_about_traffic_comes_bare_and_is_no_signal() {
    let of = |event: &Value| TrafficAsked::of(event.to_string().as_bytes());
    let moved = |until: &str| TrafficWish::Failover {
        to: "green".parse().unwrap(),
        until: Some(until.parse().unwrap()),
        forced: false,
    };
    for (file, wish) in [
        ("traffic-failover.json", moved("2026-03-02T12:00:00Z")),
        ("traffic-failback.json", TrafficWish::Failback),
        ("traffic-undo.json", TrafficWish::Undo),
        ("traffic-drill.json", TrafficWish::Drill),
    ] {
        let asked = of(&payload(file)).unwrap().unwrap();
        assert_eq!((asked.fleet.as_str(), &asked.request.wish), ("web", &wish), "{file}");
        assert_eq!(
            TrafficAsked::of(&asked.payload()),
            Some(Ok(asked.clone())),
            "{file} is written as it is read"
        );
        assert_eq!(of(&json!({ "requestPayload": payload(file) })), None, "{file}");
    }
    for (file, other) in event_payloads().unwrap().iter().filter(|(file, _)| !file.starts_with("traffic-")) {
        assert_eq!(TrafficAsked::of(other), None, "{file}");
    }
}

#[test]
fn a_request_about_traffic_that_cannot_be_meant_is_refused() {
    for (situation, place, value) in [
        ("a field more", "/more", json!(1)),
        ("no reason", "/reason", json!(" ")),
        ("no wish", "/wish", json!("evacuate")),
        ("no name of a pool", "/wish/failover/to", json!("Green!")),
        ("over before it begins", "/wish/failover/until", json!("2026-03-02T08:00:00Z")),
        ("no fleet", "/fleet", json!(null)),
    ] {
        let mut asked = payload("traffic-failover.json");
        match asked.pointer_mut(place) {
            Some(there) => *there = value,
            None => asked["more"] = value,
        }
        let of = TrafficAsked::of(asked.to_string().as_bytes()).unwrap();
        assert_eq!(of.map_err(|rejected| rejected.kind()), Err("Malformed"), "{situation}");
    }
    let mut long = payload("traffic-failover.json");
    long["reason"] = "x".repeat(10_000).into();
    let asked = TrafficAsked::of(long.to_string().as_bytes()).unwrap().unwrap();
    assert_eq!(asked.request.reason.chars().count(), 201, "it goes into a record");
}

#[test]
fn alarms_carry_their_arn_whatever_the_envelope() {
    for (file, payload) in event_payloads().unwrap().iter().filter(|(file, _)| file.starts_with("alarm-")) {
        for signal in classify(payload).unwrap() {
            let Signal::AlarmChanged(change) = signal else { continue };
            let expected = format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{}", change.alarm);
            assert_eq!(change.arn.as_deref(), Some(expected.as_str()), "{file}");
        }
    }
}

#[test]
fn bad_payloads_are_rejected_by_name() {
    let without = |field: &str| {
        let mut event = payload("alarm-eventbridge-metric.json");
        event["detail"].as_object_mut().unwrap().remove(field);
        event
    };
    let with = |file: &str, pointer: &str, value: Value| {
        let mut event = payload(file);
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let nested = (0..=ENVELOPES_MAX).fold(
        json!({"ghostnet": "evaluate/v1", "fleet": "web"}),
        |inner, _| json!({"requestPayload": inner}),
    );
    for (situation, event, kind, message) in [
        ("a number", json!(7), "NotAnObject", "not a JSON object"),
        ("nothing", json!(null), "NotAnObject", "not a JSON object"),
        (
            "too many envelopes",
            nested,
            "NestedTooDeep",
            "more than 4 envelopes around a message",
        ),
        (
            "too many records",
            json!({"Records": vec![json!({}); RECORDS_MAX + 1]}),
            "TooManyRecords",
            "101 records, more than 100",
        ),
        (
            "records that are no list",
            json!({"Records": 1}),
            "Malformed",
            "malformed records: not a list",
        ),
        (
            "a text that is no JSON",
            json!({"Records": [{"body": "hello"}]}),
            "NotJson",
            "not JSON: expected value at line 1 column 1",
        ),
        (
            "an alarm without a name",
            without("alarmName"),
            "Malformed",
            "malformed alarm state change: no alarm name",
        ),
        (
            "an alarm without a state",
            without("state"),
            "Malformed",
            "malformed alarm state change: no alarm state",
        ),
        (
            "an alarm in a state that does not exist",
            with("alarm-eventbridge-metric.json", "/detail/state/value", json!("PANIC")),
            "Malformed",
            "malformed alarm state change: `PANIC` is no alarm state",
        ),
        (
            "an alarm at no time",
            with("alarm-direct-metric.json", "/alarmData/state/timestamp", json!("noon")),
            "Malformed",
            "malformed direct alarm action: `noon` is no time",
        ),
        (
            "an alarm whose name is longer than any",
            with("alarm-direct-metric.json", "/alarmData/alarmName", json!("a".repeat(256))),
            "Malformed",
            "malformed direct alarm action: an alarm name longer than CloudWatch allows",
        ),
        (
            "an instance that is none",
            with("ec2-spot-warning.json", "/detail/instance-id", json!("vol-1")),
            "Malformed",
            "malformed spot warning: `vol-1` is no instance",
        ),
        (
            "an event at no time",
            with("ec2-rebalance.json", "/time", json!(null)),
            "Malformed",
            "malformed rebalance hint: no time",
        ),
        (
            "a fleet that cannot be",
            json!({"ghostnet": "evaluate/v1", "fleet": "Web"}),
            "Malformed",
            "malformed payload of GhostNet: `Web` is not a valid id",
        ),
        (
            "a request for a size and for none",
            json!({"ghostnet": "scale/v1", "fleet": "web", "by": "me", "at": "2026-03-02T08:00:00Z", "clear": true, "hold": {"desired": 1, "until": "2026-03-02T09:00:00Z", "reason": ""}}),
            "Malformed",
            "malformed payload of GhostNet: exactly one of `hold` and `clear` is needed",
        ),
        (
            "a request with something that nobody knows",
            json!({"ghostnet": "scale/v1", "fleet": "web", "by": "me", "at": "2026-03-02T08:00:00Z", "clear": true, "force": true}),
            "Malformed",
            "malformed payload of GhostNet: unknown field `force`, expected one of `ghostnet`, `fleet`, `pool`, `by`, `at`, `hold`, `clear`",
        ),
        (
            "no fleet",
            json!({"ghostnet": "schedule/v1"}),
            "Malformed",
            "malformed payload of GhostNet: no `fleet`",
        ),
    ] {
        let rejected = classify(event.to_string().as_bytes()).expect_err(situation);
        assert_eq!((rejected.kind(), rejected.to_string().as_str()), (kind, message), "{situation}");
    }
    let large = classify(&vec![b' '; PAYLOAD_BYTES_MAX + 1]);
    assert_eq!(
        large,
        Err(Rejected::PayloadTooLarge {
            bytes: PAYLOAD_BYTES_MAX + 1
        })
    );
}

#[test]
fn what_is_not_for_us_is_ignored_with_a_reason() {
    for (event, reason) in [
        (json!({}), "none of the keys that GhostNet knows"),
        (json!({"Records": []}), "no records"),
        (
            json!({"ghostnet": "evaluate/v9", "fleet": "web"}),
            "a payload of GhostNet of kind `evaluate/v9`",
        ),
        (
            json!({"ghostnet": "schedule/v1", "fleet": "web", "action": "dance"}),
            "a schedule's action `dance`",
        ),
        (
            json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}),
            "`Object Created` from `aws.s3`",
        ),
        // anybody may put an event with AWS's words on a bus of their own, but not with AWS's source
        (
            json!({"source": "me", "detail-type": "Scheduled Event", "detail": {}}),
            "`Scheduled Event` from `me`",
        ),
    ] {
        let signals = classify(event.to_string().as_bytes()).unwrap();
        assert_eq!(signals, [Signal::Ignored { reason: reason.to_owned() }]);
    }
}

#[test]
fn a_direct_alarm_may_look_like_an_eventbridge_event() {
    let mut event = payload("alarm-direct-metric.json");
    event["detail-type"] = json!("CloudWatch Alarm State Change");
    let signals = classify(event.to_string().as_bytes()).unwrap();
    assert_eq!(signals.iter().map(in_short).collect::<Vec<_>>(), [CPU]);
}

/// Lambda's runtime reports a payload that cannot be deserialised as the function's error, and Lambda sends it again:
/// so deserialising never fails.
#[test]
fn any_payload_reaches_the_handler() {
    let too_deep = "[".repeat(1_000);
    for (text, kind) in [
        ("{", "NotJson"),
        ("", "NotJson"),
        (too_deep.as_str(), "NotJson"),
        ("[]", "NotAnObject"),
    ] {
        let payload: Payload = read_as_the_runtime_does(text);
        assert_eq!(payload.signals().map_err(|rejected| rejected.kind()), Err(kind));
    }
    let payload = read_as_the_runtime_does(r#"{"ghostnet": "evaluate/v1", "fleet": "web", "by": "me"}"#);
    assert_eq!(
        payload.signals().unwrap().iter().map(in_short).collect::<Vec<_>>(),
        ["evaluate web for me"]
    );
}

fn read_as_the_runtime_does(text: &str) -> Payload {
    use serde::Deserialize;
    Payload::deserialize(&mut serde_json::Deserializer::from_slice(text.as_bytes())).expect("never fails")
}

#[test]
fn every_kind_of_change_is_met() {
    let mut changes = BTreeSet::new();
    for signal in event_payloads().unwrap().values().flat_map(|payload| classify(payload).unwrap()) {
        match signal {
            Signal::AlarmChanged(change) => match change.change {
                AlarmChangeKind::State => changes.insert("state"),
                AlarmChangeKind::Contributor => changes.insert("contributor"),
                AlarmChangeKind::Configuration => changes.insert("configuration"),
            },
            Signal::Interruption(notice) => match notice.kind {
                InterruptionKind::SpotWarning => changes.insert("spot warning"),
                InterruptionKind::Rebalance => changes.insert("rebalance"),
            },
            other => changes.insert(other.kind()),
        };
    }
    let all = [
        "configuration",
        "contributor",
        "evaluate",
        "ignored",
        "instance_changed",
        "operator_request",
        "rebalance",
        "spot warning",
        "state",
        "tick",
        "tune",
    ];
    assert_eq!(changes, BTreeSet::from(all));
}

fn payload(file: &str) -> Value {
    serde_json::from_slice(&event_payloads().unwrap()[file]).unwrap()
}

/// Values that parsers stumble over.
fn odd() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("\u{0}"),
        json!("9999-12-31T23:59:59Z"),
        json!("-009999-01-01T00:00:00Z"),
        json!("i-"),
        json!("{\"Records\":[]}"),
        json!([]),
        json!([[[[]]]]),
        json!({}),
        json!({"Records": [{"body": "{}"}]}),
    ])
}

/// Puts `value` at the place that `index` picks among all places of `event`.
fn mutate(event: &mut Value, index: Index, value: Value) {
    let mut places = Vec::new();
    collect_places(event, &mut String::new(), &mut places);
    if let Some(place) = event.pointer_mut(&places[index.index(places.len())]) {
        *place = value;
    }
}

fn collect_places(value: &Value, path: &mut String, places: &mut Vec<String>) {
    places.push(path.clone());
    let length = path.len();
    let mut descend = |key: &str, inner: &Value| {
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        collect_places(inner, path, places);
        path.truncate(length);
    };
    match value {
        Value::Object(object) => object.iter().for_each(|(key, inner)| descend(key, inner)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, inner)| descend(&index.to_string(), inner)),
        _ => {}
    }
}

fn any_event() -> impl Strategy<Value = Vec<u8>> {
    select(event_payloads().unwrap().into_values().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = classify(&bytes);
        let _ = CheckRequest::of(&bytes);
        let _ = TrafficAsked::of(&bytes);
    }

    #[test]
    fn a_damaged_payload_never_panics(mut bytes in any_event(), damage in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..8)) {
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = classify(&bytes);
        let _ = CheckRequest::of(&bytes);
        let _ = TrafficAsked::of(&bytes);
    }

    #[test]
    fn an_odd_payload_never_panics(bytes in any_event(), changes in proptest::collection::vec((any::<Index>(), odd()), 1..6)) {
        let mut event: Value = serde_json::from_slice(&bytes).unwrap();
        for (index, value) in changes {
            mutate(&mut event, index, value);
        }
        if let Some(Ok(check)) = CheckRequest::of(event.to_string().as_bytes()) {
            let _ = FleetSpec::check(&check.spec);
        }
        let _ = TrafficAsked::of(event.to_string().as_bytes());
        if let Ok(signals) = classify(event.to_string().as_bytes()) {
            prop_assert!(!signals.is_empty());
            prop_assert!(signals.len() <= RECORDS_MAX);
        }
    }

    /// What comes out of a payload is small enough for a decision record.
    #[test]
    fn a_signal_is_small(bytes in any_event(), index in any::<Index>(), length in 0_usize..100_000) {
        let mut event: Value = serde_json::from_slice(&bytes).unwrap();
        mutate(&mut event, index, Value::String("x".repeat(length)));
        for signal in classify(event.to_string().as_bytes()).unwrap_or_default() {
            prop_assert!(serde_json::to_string(&signal).unwrap().len() < 2_048);
        }
    }

    /// An envelope more changes nothing.
    #[test]
    fn an_envelope_more_changes_nothing(bytes in any_event()) {
        let event: Value = serde_json::from_slice(&bytes).unwrap();
        let wrapped = json!({"version": "1.0", "requestPayload": event});
        prop_assert_eq!(classify(wrapped.to_string().as_bytes()), classify(&bytes));
    }
}
