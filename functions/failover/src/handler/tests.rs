use std::cell::RefCell;

use ghostnet_core::failover::{TrafficRequest, TrafficWish};
use ghostnet_core::id::{InstallationId, RouteId};
use ghostnet_core::route::Weights;
use ghostnet_core::state::Routing;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_tests::event_payload;
use ghostnet_tests::fake::{self, FakePorts, LISTENER, group_of};

use super::*;

/// When the operator's requests of `events/` were issued.
const ASKED_AT: &str = "2026-03-02T08:00:00Z";

fn weights(blue: u32, green: u32) -> Weights {
    [("blue", blue), ("green", green)]
        .map(|(side, weight)| ((&group_of(side)).into(), weight))
        .into()
}

/// A world just after the requests, in which these fleets fail over, all traffic being at blue.
fn world(fleets: &[&str]) -> FakePorts {
    let now = Seconds(5).after(ASKED_AT.parse().unwrap());
    let mut ports = FakePorts::new(now, &InstallationId::new("ours"), fleets);
    for entry in &mut ports.fleets {
        entry.fails_over = true;
    }
    let routing = Routing {
        sticks: false,
        answer: None,
        weights: weights(100, 0),
        actions: "as they were".to_owned(),
    };
    ports.routing.borrow_mut().insert(RouteId::new(LISTENER), routing);
    ports
}

/// Notes whom it wakes.
#[derive(Default)]
struct Woken {
    woken: RefCell<Vec<FleetId>>,
}

impl Host for Woken {
    async fn wake_tick(&self, fleets: &[FleetId]) -> Result<(), PortError> {
        self.woken.borrow_mut().extend_from_slice(fleets);
        Ok(())
    }
}

async fn run(ports: &FakePorts, payload: Vec<u8>) -> Result<Option<Answer>, Diagnostic> {
    let invocation = fake::invocation("failover", &ports.owner, ports.now.get(), Seconds(600));
    let host = Woken::default();
    answer(ports, &host, &invocation, &Payload::from_bytes(payload)).await
}

async fn on_event(ports: &FakePorts, file: &str) -> Result<Option<Answer>, Diagnostic> {
    run(ports, event_payload(file).unwrap()).await
}

fn active(ports: &FakePorts) -> String {
    let traffic = ports.traffic.borrow();
    traffic
        .get(&"web".parse().unwrap())
        .map_or_else(String::new, |state| state.active.to_string())
}

#[tokio::test]
async fn the_schedule_means_all_fleets_that_fail_over_at_once() {
    let mut ports = world(&["web", "api", "db"]);
    ports.fleets[2].fails_over = false;
    assert_eq!(on_event(&ports, "schedule-rule.json").await, Ok(None));
    assert_eq!(ports.asked("load").first().map(String::as_str), Some("api web"));
    assert_eq!(ports.asked("instances").len(), 1, "one list of instances for all fleets");
    assert_eq!(ports.asked("set_routing"), [""; 0]);
}

#[tokio::test]
async fn an_alarm_about_a_sides_health_wakes_its_fleet() {
    let ports = world(&["web", "api"]);
    assert_eq!(on_event(&ports, "alarm-eventbridge-health.json").await, Ok(None));
    assert_eq!(ports.asked("load").first().map(String::as_str), Some("web"));
}

#[tokio::test]
async fn what_is_not_for_this_function_is_not_sent_again() {
    for file in [
        "alarm-eventbridge-fleet.json",
        "ec2-spot-warning.json",
        "scale.json",
        "other-service.json",
    ] {
        let ports = world(&["web"]);
        assert_eq!(on_event(&ports, file).await, Ok(None), "{file}");
        assert!(ports.asked.borrow().is_empty(), "{file}");
    }
}

fn asks(fleet: &str, wish: TrafficWish) -> TrafficAsked {
    TrafficAsked {
        fleet: fleet.parse().unwrap(),
        request: TrafficRequest {
            by: "ana".to_owned(),
            at: ASKED_AT.parse().unwrap(),
            reason: "a test".to_owned(),
            wish,
        },
    }
}

fn to(pool: &str, forced: bool) -> TrafficWish {
    TrafficWish::Failover {
        to: pool.parse().unwrap(),
        until: None,
        forced,
    }
}

#[tokio::test]
async fn an_operator_moves_traffic_and_takes_it_back() {
    let ports = world(&["web"]);
    let answer = run(&ports, asks("web", to("green", true)).payload()).await;
    let Ok(Some(Answer::Traffic(heard))) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((heard.takers, heard.sent), (vec!["green".parse().unwrap()], 1));
    assert_eq!(heard.waits, None, "seen to be set");
    let set = ports.routing.borrow()[&RouteId::new(LISTENER)].weights.clone();
    assert_eq!(set, weights(0, 100));

    let answer = run(&ports, asks("web", TrafficWish::Undo).payload()).await;
    let Ok(Some(Answer::Traffic(heard))) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((heard.takers, active(&ports).as_str()), (vec!["blue".parse().unwrap()], "blue"));
}

#[tokio::test]
async fn an_operator_is_told_why_nothing_moves() {
    for (situation, seconds_later, fleet, wish, why) in [
        ("it is there", 0, "web", to("blue", true), "takes the traffic already"),
        ("no such pool", 0, "web", to("pink", true), "no pool `pink`"),
        ("nothing moved", 0, "web", TrafficWish::Failback, "nothing was moved"),
        ("an old request", 3_600, "web", to("green", true), ""),
        ("a fleet that does not fail over", 0, "api", to("green", true), "has no failover"),
    ] {
        let mut ports = world(&["web", "api"]);
        ports.fleets[1].fails_over = false;
        ports.now.set(Seconds(seconds_later).after(ports.now.get()));
        let answer = run(&ports, asks(fleet, wish).payload()).await;
        assert!(
            matches!(&answer, Ok(Some(Answer::Refused { why: told, .. })) if told.contains(why)),
            "{situation}: {answer:?}"
        );
        assert_eq!(ports.asked("set_routing"), [""; 0], "{situation}");
    }
    let answer = on_event(&world(&[]), "traffic-failover.json").await;
    assert!(
        matches!(&answer, Ok(Some(Answer::Failed { kind, .. })) if kind == "NoSuchFleet"),
        "{answer:?}"
    );
}

/// A standby that is not ready is waited for by those who look each minute, not by a person at a prompt.
#[tokio::test]
async fn an_operator_does_not_wait_for_capacity() {
    let ports = world(&["web"]);
    let before = ports.now.get();
    let answer = run(&ports, asks("web", to("green", false)).payload()).await;
    let Ok(Some(Answer::Traffic(heard))) = answer else {
        panic!("{answer:?}")
    };
    assert!(heard.waits.is_some_and(|waits| waits.contains("not ready")));
    assert_eq!(ports.now.get(), before);
    // failover itself looks again: until the schedule wakes the next one, and after an event as long as it may
    assert_eq!(on_event(&ports, "schedule-rule.json").await, Ok(None));
    let looked_for = Seconds::between(before, ports.now.get());
    assert!(looked_for > Seconds(30) && looked_for < Seconds::minutes(1), "{looked_for}");
    let before = ports.now.get();
    assert_eq!(on_event(&ports, "alarm-eventbridge-health.json").await, Ok(None));
    assert!(Seconds::between(before, ports.now.get()) > Seconds::minutes(5));
    assert_eq!(ports.asked("set_routing"), [""; 0]);
}

#[tokio::test]
async fn a_request_that_nobody_can_read_is_answered() {
    let ports = world(&["web"]);
    for payload in [
        r#"{"ghostnet":"traffic/v1","fleet":"web","by":"ana","at":"2026-03-02T08:00:00Z","wish":"undo"}"#,
        r#"{"ghostnet":"traffic/v1","fleet":"web","by":"ana","at":"2026-03-02T08:00:00Z","reason":"r","wish":"jump"}"#,
    ] {
        let answer = run(&ports, payload.as_bytes().to_vec()).await;
        assert!(
            matches!(&answer, Ok(Some(Answer::Failed { kind, .. })) if kind == "Malformed"),
            "{payload}: {answer:?}"
        );
    }
    assert!(ports.asked.borrow().is_empty());
}

#[tokio::test]
async fn a_damaged_fleet_stops_no_other_and_a_table_that_is_away_is_told() {
    let mut ports = world(&["web", "api"]);
    ports.damaged.insert("api".parse().unwrap(), ErrorClass::Transient);
    assert_eq!(on_event(&ports, "schedule-rule.json").await, Ok(None));
    ports.failing.insert("load", ErrorClass::Throttled);
    assert_eq!(on_event(&ports, "schedule-rule.json").await.unwrap_err().error_type, "PortFailed");
}
