use std::collections::BTreeSet;

use ghostnet_aws::event::CHECK_BYTES_MAX;
use ghostnet_core::id::{InstallationId, InstanceId};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::live::probe::{LAUNCHES_MAX, LAUNCHES_PER_ASK};
use ghostnet_engine::live::{Answered, Probe};
use ghostnet_tests::event_payload;
use ghostnet_tests::fake::{self, FakePorts};

use super::*;

fn world(fleets: &[&str]) -> FakePorts {
    FakePorts::new(Timestamp::UNIX_EPOCH, &InstallationId::new("ours"), fleets)
}

fn invocation(ports: &FakePorts) -> Invocation {
    fake::invocation("tick", &InstallationId::new("ours"), ports.now.get(), Seconds(55))
}

async fn on_event(ports: &FakePorts, claimed: &Cell<bool>, file: &str) -> Result<(), Diagnostic> {
    ask(ports, claimed, file).await.map(drop)
}

async fn ask(ports: &FakePorts, claimed: &Cell<bool>, file: &str) -> Result<Option<Answer>, Diagnostic> {
    let payload = Payload::from_bytes(event_payload(file).unwrap());
    answer(ports, &invocation(ports), claimed, &payload).await
}

async fn tick(ports: &FakePorts) -> Result<(), Diagnostic> {
    on_event(ports, &Cell::new(false), "schedule-rule.json").await
}

/// Whether a round over all fleets was a success, as the metric would say.
async fn succeeds(ports: &FakePorts) -> Result<bool, Failed> {
    round(ports, &invocation(ports), &mut Looks::default()).await
}

#[tokio::test]
async fn a_tick_looks_at_every_fleet_together() {
    let ports = world(&["web", "api"]);
    assert_eq!(tick(&ports).await, Ok(()));
    assert_eq!(ports.asked("claim"), ["ours"]);
    assert_eq!(ports.asked("load"), ["api web"]);
    assert_eq!(ports.asked("instances").len(), 1, "one list of instances for all fleets");
    assert_eq!(succeeds(&ports).await, Ok(true));
}

#[tokio::test]
async fn a_table_without_fleets_is_a_success() {
    let ports = world(&[]);
    assert_eq!(tick(&ports).await, Ok(()));
    assert!(ports.asked("load").is_empty());
    assert_eq!(succeeds(&ports).await, Ok(true));
}

#[tokio::test]
async fn the_table_is_claimed_once_per_cold_start() {
    let (ports, claimed) = (world(&["web"]), Cell::new(false));
    for _ in 0..3 {
        assert_eq!(on_event(&ports, &claimed, "schedule-rule.json").await, Ok(()));
    }
    assert_eq!(ports.asked("claim").len(), 1);
    assert_eq!(ports.asked("load").len(), 3);
}

#[tokio::test]
async fn a_table_of_another_installation_is_left_alone() {
    let (mut ports, claimed) = (world(&["web"]), Cell::new(false));
    ports.owner = InstallationId::new("theirs");
    for _ in 0..2 {
        let diagnostic = on_event(&ports, &claimed, "schedule-rule.json").await.unwrap_err();
        assert_eq!(diagnostic.error_type, "OtherInstallation");
        let message = "the table belongs to installation `theirs` and this is `ours`; give every stack a table of its own";
        assert_eq!(diagnostic.error_message, message);
    }
    assert_eq!(ports.asked("claim").len(), 2, "a refused claim is not remembered");
    assert!(ports.asked("load").is_empty());
}

#[tokio::test]
async fn who_waited_longest_comes_first() {
    let names: Vec<_> = (0..2 * BATCH + 50).map(|number| format!("fleet-{number:03}")).collect();
    let mut ports = world(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let at = |second: usize| i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
    for (waited, entry) in ports.fleets.iter_mut().enumerate() {
        entry.evaluated_at = at(1_000 - waited);
    }
    assert_eq!(succeeds(&ports).await, Ok(true));
    let loads = ports.asked("load");
    let sizes: Vec<_> = loads.iter().map(|load| load.split(' ').count()).collect();
    assert_eq!(sizes, [BATCH, BATCH, 50]);
    let (first, last) = (loads.first().unwrap(), loads.last().unwrap());
    assert!(
        first.contains("fleet-249") && last.contains("fleet-000"),
        "the last of the list waited longest"
    );
}

#[tokio::test]
async fn a_tick_stops_in_time_and_says_that_it_did() {
    let names: Vec<_> = (0..5 * BATCH).map(|number| format!("fleet-{number:03}")).collect();
    let mut ports = world(&names.iter().map(String::as_str).collect::<Vec<_>>());
    ports.seconds_per_load = Seconds(15);
    let invocation = invocation(&ports);
    assert_eq!(round(&ports, &invocation, &mut Looks::default()).await, Ok(false));
    assert_eq!(ports.asked("load").len(), 2);
    let noted = ports.asked("note_looks").pop().unwrap();
    assert_eq!(noted.split(' ').count(), 2 * BATCH, "the next tick begins with the others");
    assert!(
        ports.now.get() < invocation.execute_until(ports.now.get()),
        "what the last batch decided can still be sent"
    );
}

#[tokio::test]
async fn a_damaged_fleet_stops_no_other() {
    let mut ports = world(&["api", "db", "web"]);
    ports.damaged.insert("api".parse().unwrap(), ErrorClass::Invalid);
    ports.damaged.insert("db".parse().unwrap(), ErrorClass::Transient);
    assert_eq!(tick(&ports).await, Ok(()));
    assert_eq!(ports.asked("commit"), ["web for tick"]);
    assert_eq!(succeeds(&ports).await, Ok(true));
}

#[tokio::test]
async fn a_tick_that_could_do_nothing_fails() {
    let mut ports = world(&["api", "web"]);
    ports.failing.insert("load", ErrorClass::Throttled);
    assert_eq!(tick(&ports).await.unwrap_err().error_type, "PortFailed");
    assert_eq!(succeeds(&ports).await, Ok(false));
    ports.failing.insert("fleets", ErrorClass::Denied);
    assert_eq!(tick(&ports).await.unwrap_err().error_type, "FleetsNotFound");
}

#[tokio::test]
async fn a_request_names_its_fleet() {
    for file in ["evaluate.json", "schedule-scheduler.json"] {
        let ports = world(&["web", "api"]);
        assert_eq!(on_event(&ports, &Cell::new(false), file).await, Ok(()));
        assert_eq!(ports.asked("load"), ["web"], "{file}");
        assert_eq!(ports.asked("commit"), ["web for evaluate"], "{file}");
    }
}

#[tokio::test]
async fn an_operator_is_told_what_came_of_a_request() {
    let ports = world(&["web"]);
    // the fake's clock stands long before the request was issued
    let answer = ask(&ports, &Cell::new(false), "scale.json").await.unwrap();
    assert_eq!(ports.asked("load"), ["web"]);
    assert!(
        matches!(&answer, Some(Answer::Refused { why, .. }) if why.ends_with("in the future")),
        "{answer:?}"
    );
    ports.now.set("2026-03-02T08:00:05Z".parse().unwrap());
    let answer = ask(&ports, &Cell::new(false), "scale.json").await.unwrap();
    assert!(
        matches!(&answer, Some(Answer::Refused { why, .. }) if why.contains("is not between")),
        "{answer:?}"
    );
    let ports = world(&[]);
    let answer = ask(&ports, &Cell::new(false), "scale.json").await.unwrap();
    assert!(
        matches!(&answer, Some(Answer::Failed { kind, .. }) if kind == "NoSuchFleet"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_operator_is_told_why_nothing_is_refreshed() {
    let ports = world(&["web"]);
    ports.now.set("2026-03-02T08:00:05Z".parse().unwrap());
    let answer = ask(&ports, &Cell::new(false), "refresh.json").await.unwrap();
    assert!(
        matches!(&answer, Some(Answer::Refused { why, .. }) if why == "nobody is replaced in mode `recommend_only`"),
        "{answer:?}"
    );
}

/// Asks for a check of the payload's spec, from this launch on.
async fn checks(ports: &FakePorts, from: usize) -> Answered {
    let request = CheckRequest::of(&event_payload("check.json").unwrap()).unwrap().unwrap();
    let payload = Payload::from_bytes(CheckRequest::new(request.spec, from).payload());
    match answer(ports, &invocation(ports), &Cell::new(false), &payload).await {
        Ok(Some(Answer::Checked(answered))) => answered,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_check_asks_and_changes_nothing() {
    let mut ports = world(&[]);
    let web = "web".parse().unwrap();
    ports.listed = ["i-2", "i-1"].map(|id| fake::instance_of(&web, id, Timestamp::UNIX_EPOCH)).to_vec();
    ports
        .listed
        .push(fake::instance_of(&"other".parse().unwrap(), "i-0", Timestamp::UNIX_EPOCH));
    let answered = checks(&ports, 0).await;
    assert_eq!(answered.instance, Some(InstanceId::new("i-1")), "one of the fleet's own");
    assert_eq!(ports.asked("may_touch"), ["i-1 Terminate"]);
    assert_eq!(ports.asked("may_launch").len(), LAUNCHES_PER_ASK);
    let keys = "ghostnet:installation ghostnet:fleet ghostnet:pool ghostnet:plan ghostnet:step ghostnet:generation";
    assert_eq!(
        ports.asked("may_launch").first(),
        Some(&format!("subnet-a {keys}")),
        "the tags of a launch are part of what is allowed"
    );
    assert!(answered.probed.iter().all(|probed| probed.refused.is_none()), "{answered:?}");
    let asked: BTreeSet<String> = ports
        .asked
        .borrow()
        .iter()
        .map(|call| call.split(' ').next().unwrap().to_owned())
        .collect();
    let reads = [
        "alarm_states",
        "group_attributes",
        "instances",
        "may_launch",
        "may_touch",
        "targets",
    ];
    assert_eq!(asked, reads.map(str::to_owned).into(), "nothing else is called");
}

#[tokio::test]
async fn a_check_goes_on_where_it_ended() {
    let ports = world(&[]);
    let (mut from, mut launches) = (Some(0), Vec::new());
    while let Some(next) = from {
        let answered = checks(&ports, next).await;
        assert!(answered.probed.len() < 20, "an ask is bounded");
        launches.extend(
            answered
                .probed
                .into_iter()
                .filter(|probed| matches!(probed.probe, Probe::Launch(_))),
        );
        from = answered.next;
    }
    assert_eq!(launches.len(), LAUNCHES_MAX, "of 24 combinations");
    assert_eq!(
        launches.iter().map(|probed| &probed.probe).collect::<BTreeSet<_>>().len(),
        LAUNCHES_MAX
    );
    assert_eq!(ports.asked("instances").len(), 1, "everything but launches is asked once");
    let beyond = checks(&ports, 1_000_000).await;
    assert_eq!((beyond.probed.len(), beyond.next), (0, None));
}

#[tokio::test]
async fn a_check_says_what_was_refused_and_what_there_was_no_time_for() {
    let mut ports = world(&[]);
    ports.failing.insert("may_launch", ErrorClass::Denied);
    let answered = checks(&ports, 0).await;
    let launches = |answered: &Answered| -> Vec<ErrorClass> {
        let launches = answered.probed.iter().filter(|probed| matches!(probed.probe, Probe::Launch(_)));
        launches.filter_map(|probed| Some(probed.refused.as_ref()?.class)).collect()
    };
    assert_eq!(launches(&answered), [ErrorClass::Denied; LAUNCHES_PER_ASK]);
    let payload = Payload::from_bytes(event_payload("check.json").unwrap());
    let late = fake::invocation("tick", &InstallationId::new("ours"), ports.now.get(), Seconds(10));
    let Ok(Some(Answer::Checked(answered))) = answer(&ports, &late, &Cell::new(false), &payload).await else {
        panic!("an answer")
    };
    assert_eq!(launches(&answered), [ErrorClass::Transient; LAUNCHES_PER_ASK]);
}

#[tokio::test]
async fn a_check_of_no_spec_is_refused() {
    let ports = world(&[]);
    for (payload, expected) in [
        (r#"{"ghostnet":"check/v1","from":0}"#.to_owned(), "missing field `spec`"),
        (
            r#"{"ghostnet":"check/v1","from":-1,"spec":{"fleet":"web","pools":[]}}"#.to_owned(),
            "invalid value",
        ),
        (
            r#"{"ghostnet":"check/v1","from":0,"spec":{"fleet":"web","pools":[]}}"#.to_owned(),
            "the spec has 1 problems: pools",
        ),
        (
            r#"{"ghostnet":"check/v1","from":0,"spec":{"fleet":"web","pools":[],"x":1}}"#.to_owned(),
            "unknown field `x`",
        ),
        (
            format!(r#"{{"ghostnet":"check/v1","from":0,"spec":"{}"}}"#, "x".repeat(CHECK_BYTES_MAX)),
            "bytes are more than",
        ),
    ] {
        let payload = Payload::from_bytes(payload);
        let answer = answer(&ports, &invocation(&ports), &Cell::new(false), &payload).await;
        assert!(
            matches!(&answer, Ok(Some(Answer::Refused { why, .. })) if why.contains(expected)),
            "{expected}: {answer:?}"
        );
    }
    assert!(ports.asked.borrow().is_empty(), "nothing is asked for what is no spec");
}

#[tokio::test]
async fn what_is_not_for_this_function_is_not_sent_again() {
    let ports = world(&["web"]);
    for file in ["alarm-sns-fleet.json", "ec2-spot-warning.json", "other-service.json"] {
        assert_eq!(on_event(&ports, &Cell::new(false), file).await, Ok(()), "{file}");
    }
    assert!(ports.asked.borrow().is_empty());
}
