use ghostnet_core::id::InstallationId;
use ghostnet_engine::error::ErrorClass;
use ghostnet_tests::event_payload;
use ghostnet_tests::fake::{self, FakePorts, instance_of};

use super::*;

const INSTANCE: &str = "i-1234567890abcdef0";
/// When `events/ec2-spot-warning.json` was sent.
const WARNED_AT: &str = "2026-03-02T09:20:05Z";

/// A world some seconds after the warning, in which the instance that all payloads name is one of `web`.
fn world(seconds: u32) -> FakePorts {
    let now = Seconds(seconds).after(WARNED_AT.parse().unwrap());
    let mut ports = FakePorts::new(now, &InstallationId::new("ours"), &["web", "api"]);
    ports.listed = vec![
        instance_of(&"web".parse().unwrap(), INSTANCE, now),
        instance_of(&"api".parse().unwrap(), "i-0fedcba0987654321", now),
    ];
    ports
}

async fn on_event(ports: &FakePorts, file: &str) -> Result<(), Diagnostic> {
    let invocation = fake::invocation("interruption", &ports.owner, ports.now.get(), Seconds(60));
    answer(ports, &invocation, &Payload::from_bytes(event_payload(file).unwrap())).await
}

#[tokio::test]
async fn a_spot_warning_reaches_the_fleet_of_its_instance() {
    let ports = world(2);
    assert_eq!(on_event(&ports, "ec2-spot-warning.json").await, Ok(()));
    assert_eq!(ports.asked("load"), ["web"]);
    assert_eq!(ports.asked("commit"), ["web for interruption"]);
}

#[tokio::test]
async fn an_old_warning_only_wakes() {
    for (seconds, signal) in [(EVENT_AGE_MAX.0, "interruption"), (EVENT_AGE_MAX.0 + 1, "instance_changed")] {
        let ports = world(seconds);
        assert_eq!(on_event(&ports, "ec2-spot-warning.json").await, Ok(()));
        assert_eq!(ports.asked("commit"), [format!("web for {signal}")], "after {seconds} s");
    }
}

#[tokio::test]
async fn instances_of_others_wake_nobody() {
    let mut ports = world(2);
    ports.listed.clear();
    for file in ["ec2-spot-warning.json", "ec2-state-terminated.json", "health-retirement.json"] {
        assert_eq!(on_event(&ports, file).await, Ok(()), "{file}");
    }
    assert!(ports.asked("load").is_empty());
}

#[tokio::test]
async fn everything_said_of_an_instance_wakes_its_fleet() {
    for (file, fleets) in [
        ("ec2-state-stopped.json", "web"),
        ("ec2-state-terminated.json", "web"),
        ("ec2-rebalance.json", "web"),
        ("health-retirement.json", "web"),
        ("health-retirement-by-id.json", "api web"),
        ("evaluate.json", "web"),
    ] {
        let ports = world(2);
        assert_eq!(on_event(&ports, file).await, Ok(()), "{file}");
        assert_eq!(ports.asked("load"), [fleets], "{file}");
    }
}

#[tokio::test]
async fn what_is_not_for_this_function_is_not_sent_again() {
    for file in [
        "alarm-sns-fleet.json",
        "schedule-rule.json",
        "health-no-instance.json",
        "other-service.json",
    ] {
        let ports = world(2);
        assert_eq!(on_event(&ports, file).await, Ok(()), "{file}");
        assert!(ports.asked.borrow().is_empty(), "{file}");
    }
}

#[tokio::test]
async fn instances_that_cannot_be_listed_are_asked_for_again() {
    let mut ports = world(2);
    ports.failing.insert("instances", ErrorClass::Throttled);
    let diagnostic = on_event(&ports, "ec2-spot-warning.json").await.unwrap_err();
    assert_eq!(diagnostic.error_type, "FleetsNotFound");
}
