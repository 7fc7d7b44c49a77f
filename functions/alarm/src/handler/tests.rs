use ghostnet_core::id::InstallationId;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::ErrorClass;
use ghostnet_tests::event_payload;
use ghostnet_tests::fake::{self, FakePorts};
use jiff::Timestamp;

use super::*;

const ARN: &str = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:ghostnet/web/blue/cpu/out";

fn world(fleets: &[&str]) -> FakePorts {
    FakePorts::new(Timestamp::UNIX_EPOCH, &InstallationId::new("ours"), fleets)
}

async fn run(ports: &FakePorts, payload: Vec<u8>, seconds: u32) -> Result<(), Diagnostic> {
    let invocation = fake::invocation("alarm", &ports.owner, ports.now.get(), Seconds(seconds));
    answer(ports, &invocation, &Payload::from_bytes(payload)).await
}

async fn on_event(ports: &FakePorts, file: &str) -> Result<(), Diagnostic> {
    run(ports, event_payload(file).unwrap(), 60).await
}

#[tokio::test]
async fn an_alarm_that_apply_made_wakes_the_fleet_of_its_name() {
    for file in ["alarm-eventbridge-fleet.json", "alarm-sns-fleet.json"] {
        let ports = world(&["web", "api"]);
        assert_eq!(on_event(&ports, file).await, Ok(()));
        assert_eq!(ports.asked("note_alarm"), [ARN]);
        assert_eq!(ports.asked("load"), ["web"]);
        assert!(ports.asked("fleets").is_empty(), "its name says which fleet");
    }
}

#[tokio::test]
async fn an_alarm_of_the_users_own_wakes_the_fleets_that_list_it() {
    let mut ports = world(&["web", "api", "db"]);
    ports.fleets[1].alarms = vec!["ServerCpuTooHigh".to_owned()];
    ports.fleets[2].alarms = vec!["arn:aws:cloudwatch:us-east-1:123456789012:alarm:ServerCpuTooHigh".to_owned()];
    for file in [
        "alarm-eventbridge-metric.json",
        "alarm-direct-metric.json",
        "alarm-sns-metric.json",
        "alarm-sqs-sns-metric.json",
    ] {
        ports.asked.borrow_mut().clear();
        assert_eq!(on_event(&ports, file).await, Ok(()));
        assert_eq!(ports.asked("load"), ["api db"], "{file}");
    }
}

#[tokio::test]
async fn nobodys_alarm_wakes_nobody() {
    let ports = world(&["web"]);
    assert_eq!(on_event(&ports, "alarm-direct-composite.json").await, Ok(()));
    assert!(ports.asked("load").is_empty());
}

/// Not even where a spec lists it: failover alone answers it.
#[tokio::test]
async fn an_alarm_about_a_sides_health_wakes_nobody_here() {
    let mut ports = world(&["web"]);
    ports.fleets[0].alarms = vec!["ghostnet/web/blue/health/errors".to_owned()];
    assert_eq!(on_event(&ports, "alarm-eventbridge-health.json").await, Ok(()));
    assert!(ports.asked("load").is_empty());
}

#[tokio::test]
async fn a_muted_alarm_is_only_noted() {
    let ports = world(&["web"]);
    assert_eq!(on_event(&ports, "alarm-eventbridge-muted.json").await, Ok(()));
    assert_eq!(ports.asked("note_alarm"), [ARN]);
    assert!(ports.asked("load").is_empty());
}

#[tokio::test]
async fn an_old_change_wakes_as_a_new_one_does() {
    let mut ports = world(&["web"]);
    ports.seen_newer = true;
    assert_eq!(on_event(&ports, "alarm-sns-fleet.json").await, Ok(()));
    assert_eq!(ports.asked("load"), ["web"]);
}

#[tokio::test]
async fn a_change_that_cannot_be_noted_wakes_all_the_same() {
    let mut ports = world(&["web"]);
    ports.failing.insert("note_alarm", ErrorClass::Throttled);
    assert_eq!(on_event(&ports, "alarm-sns-fleet.json").await, Ok(()));
    assert_eq!(ports.asked("load"), ["web"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_sent_again() {
    let ports = world(&["web"]);
    for payload in [
        "",
        "{",
        "7",
        "{}",
        r#"{"detail-type": 1}"#,
        r#"{"Records": [{"Sns": {"Type": "Notification", "Message": "?"}}]}"#,
    ] {
        assert_eq!(run(&ports, payload.as_bytes().to_vec(), 60).await, Ok(()), "{payload}");
    }
    for file in ["schedule-rule.json", "ec2-spot-warning.json", "sns-subscription-confirmation.json"] {
        assert_eq!(on_event(&ports, file).await, Ok(()), "{file}");
    }
    assert!(ports.asked.borrow().is_empty());
}

#[tokio::test]
async fn a_failure_that_may_pass_is_told_to_lambda() {
    let mut ports = world(&["web"]);
    ports.failing.insert("load", ErrorClass::Throttled);
    let diagnostic = on_event(&ports, "alarm-sns-fleet.json").await.unwrap_err();
    assert_eq!(diagnostic.error_type, "PortFailed");
    assert_eq!(
        diagnostic.error_message,
        "fleet `web` was not looked at: load: throttled, Fake: told to fail"
    );
}

#[tokio::test]
async fn a_failure_that_stays_is_not() {
    for class in [ErrorClass::Invalid, ErrorClass::Denied] {
        let mut ports = world(&["web"]);
        ports.failing.insert("load", class);
        assert_eq!(on_event(&ports, "alarm-sns-fleet.json").await, Ok(()), "{class}");
    }
    let nobody = world(&[]);
    assert_eq!(on_event(&nobody, "alarm-sns-fleet.json").await, Ok(()), "the fleet was deleted");
    assert_eq!(nobody.asked("load"), ["web"]);
}

#[tokio::test]
async fn an_unknown_listener_is_told_to_lambda() {
    let mut ports = world(&["web"]);
    ports.failing.insert("fleets", ErrorClass::Transient);
    let diagnostic = on_event(&ports, "alarm-sns-metric.json").await.unwrap_err();
    assert_eq!(diagnostic.error_type, "FleetsNotFound");
    assert_eq!(
        diagnostic.error_message,
        "it is not known which fleets to look at: fleets: outcome unknown, Fake: told to fail"
    );
}

#[tokio::test]
async fn one_answered_fleet_is_no_reason_to_send_the_event_again() {
    let mut ports = world(&["api", "web"]);
    for entry in &mut ports.fleets {
        entry.alarms = vec!["ServerCpuTooHigh".to_owned()];
    }
    ports.damaged.insert("api".parse().unwrap(), ErrorClass::Transient);
    assert_eq!(on_event(&ports, "alarm-sns-metric.json").await, Ok(()));
}

#[tokio::test]
async fn every_record_of_a_batch_counts_and_every_fleet_once() {
    let mut ports = world(&["web", "api"]);
    ports.fleets[0].alarms = vec!["TotalNetworkTrafficTooHigh".to_owned()];
    ports.fleets[1].alarms = vec!["TotalNetworkTrafficTooHigh".to_owned()];
    assert_eq!(on_event(&ports, "alarm-sqs-batch.json").await, Ok(()));
    assert_eq!(ports.asked("load"), ["web", "api"]);
}

#[tokio::test]
async fn a_request_names_its_fleet() {
    let ports = world(&["web"]);
    assert_eq!(on_event(&ports, "evaluate.json").await, Ok(()));
    assert_eq!(ports.asked("load"), ["web"]);
}

#[tokio::test]
async fn without_time_to_act_nothing_begins() {
    let ports = world(&["web"]);
    let diagnostic = run(&ports, event_payload("alarm-sns-fleet.json").unwrap(), 20).await.unwrap_err();
    assert_eq!(diagnostic.error_type, "OutOfTime");
    assert!(ports.asked("load").is_empty());
}
