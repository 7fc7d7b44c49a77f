use std::cell::RefCell;

use ghostnet_core::id::InstallationId;
use ghostnet_core::unit::{Finite, Seconds};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_tests::event_payload;
use ghostnet_tests::fake::{self, FakePorts};

use super::*;

const NOW: &str = "2026-03-02T09:05:00Z";

/// A table of three fleets, two of which look ahead.
fn world() -> FakePorts {
    let mut ports = FakePorts::new(NOW.parse().unwrap(), &InstallationId::new("ours"), &["web", "api", "plain"]);
    ports.looking_ahead = ["web", "api"].iter().map(|fleet| fleet.parse().unwrap()).collect();
    ports.metric = Finite::new(600.0);
    ports
}

async fn on_event(ports: &FakePorts, file: &str, seconds: u32) -> Result<(), Diagnostic> {
    on_event_by(&Asked::default(), ports, file, seconds).await
}

async fn on_event_by(host: &Asked, ports: &FakePorts, file: &str, seconds: u32) -> Result<(), Diagnostic> {
    let invocation = fake::invocation("forecast", &ports.owner, ports.now.get(), Seconds(seconds));
    answer(ports, host, &invocation, &Payload::from_bytes(event_payload(file).unwrap())).await
}

/// Notes for whom settings are to be found.
#[derive(Default)]
struct Asked {
    fleets: RefCell<Vec<FleetId>>,
}

impl Host for Asked {
    async fn tune_later(&self, fleet: &FleetId) -> Result<(), PortError> {
        self.fleets.borrow_mut().push(fleet.clone());
        Ok(())
    }
}

#[tokio::test]
async fn the_schedule_learns_for_every_fleet_that_looks_ahead_with_one_question() {
    let ports = world();
    assert_eq!(on_event(&ports, "schedule-rule.json", 300).await, Ok(()));
    assert_eq!(ports.asked("load"), ["api plain web"]);
    assert_eq!(ports.asked("forecasts"), ["api web"]);
    assert_eq!(ports.asked("memories"), ["api web"]);
    assert_eq!(ports.asked("series"), ["2"], "metrics of one call");
    assert_eq!(ports.asked("keep_forecast"), ["api", "web"]);
    assert_eq!(ports.asked("keep_memories"), ["api", "web"]);
}

#[tokio::test]
async fn one_fleet_is_learned_for_when_it_is_named() {
    let ports = world();
    assert_eq!(on_event(&ports, "evaluate.json", 300).await, Ok(()));
    assert_eq!(ports.asked("keep_forecast"), ["web"]);
}

#[tokio::test]
async fn each_fleet_whose_spec_wants_settings_is_tuned_by_an_invocation_of_its_own() {
    let mut ports = world();
    ports.tuned = ["api", "web"].iter().map(|fleet| fleet.parse().unwrap()).collect();
    let host = Asked::default();
    assert_eq!(on_event_by(&host, &ports, "schedule-rule.json", 300).await, Ok(()));
    let asked: Vec<String> = host.fleets.borrow().iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["api", "web"]);
    assert_eq!(ports.asked("keep_forecast"), ["api", "web"], "nothing else was written yet");

    let ports = FakePorts {
        tuned: ports.tuned,
        ..world()
    };
    assert_eq!(on_event_by(&host, &ports, "tune.json", 300).await, Ok(()));
    assert_eq!(ports.asked("series"), ["1"]);
    assert_eq!(ports.asked("keep_forecast"), ["web"]);
    assert!(ports.asked("memories").is_empty(), "nothing is learned");
    assert_eq!(host.fleets.borrow().len(), 2, "and nobody is asked again");
}

#[tokio::test]
async fn a_fleet_that_wants_no_settings_is_not_tuned() {
    let ports = world();
    let host = Asked::default();
    assert_eq!(on_event_by(&host, &ports, "schedule-rule.json", 300).await, Ok(()));
    assert!(host.fleets.borrow().is_empty());
    let ports = world();
    assert_eq!(on_event_by(&host, &ports, "tune.json", 300).await, Ok(()));
    assert!(ports.asked("series").is_empty() && ports.asked("keep_forecast").is_empty());
}

#[tokio::test]
async fn a_fleet_that_cannot_be_read_does_not_stop_the_others() {
    let mut ports = world();
    ports.damaged.insert("api".parse().unwrap(), ErrorClass::Invalid);
    assert_eq!(on_event(&ports, "schedule-rule.json", 300).await, Ok(()));
    assert_eq!(ports.asked("keep_forecast"), ["web"]);
}

#[tokio::test]
async fn metrics_that_cannot_be_read_leave_the_table_as_it_is() {
    let mut ports = world();
    ports.metric = None;
    assert_eq!(on_event(&ports, "schedule-rule.json", 300).await, Ok(()));
    assert!(ports.asked("keep_forecast").is_empty() && ports.asked("keep_memories").is_empty());
}

#[tokio::test]
async fn lambda_tries_again_only_what_may_help() {
    for (failing, class, retried) in [
        ("fleets", ErrorClass::Throttled, Some("FleetsNotFound")),
        ("load", ErrorClass::Transient, Some("PortFailed")),
        ("forecasts", ErrorClass::Throttled, Some("PortFailed")),
        ("memories", ErrorClass::Throttled, Some("PortFailed")),
        ("series", ErrorClass::Throttled, Some("PortFailed")),
        ("keep_forecast", ErrorClass::Transient, Some("PortFailed")),
        ("keep_memories", ErrorClass::Transient, Some("PortFailed")),
        ("series", ErrorClass::Denied, None),
    ] {
        let mut ports = world();
        ports.failing.insert(failing, class);
        let told = on_event(&ports, "schedule-rule.json", 300).await;
        assert_eq!(
            told.as_ref().err().map(|told| told.error_type.as_str()),
            retried,
            "{failing} {class}"
        );
    }
}

#[tokio::test]
async fn who_has_no_time_left_says_so() {
    let ports = world();
    let told = on_event(&ports, "schedule-rule.json", 20).await;
    assert_eq!(told.err().map(|told| told.error_type), Some("OutOfTime".to_owned()));
    assert!(ports.asked("series").is_empty());
}

#[tokio::test]
async fn what_is_not_for_this_function_is_not_sent_again() {
    for file in ["alarm-sns-fleet.json", "ec2-spot-warning.json", "scale.json", "other-service.json"] {
        let ports = world();
        assert_eq!(on_event(&ports, file, 300).await, Ok(()), "{file}");
        assert!(ports.asked("load").is_empty(), "{file}");
    }
}
