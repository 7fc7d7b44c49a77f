//! Records of Route 53 as they come over the wire, and setting them in one batch that somebody else's change makes fail.

use ghostnet_core::id::{Destination, RouteId};
use ghostnet_core::route::Weights;
use ghostnet_core::spec::{ContentType, FixedResponse};
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::Routes;

use crate::reply::{alias, changes_of, record_page, record_set, records_changed};
use crate::sample::region;
use crate::wire::{Reply, Sent, Wire, run};

const NAME: &str = "route53:Z0123ABC/www.example.com/A";

fn route() -> RouteId {
    RouteId::new(NAME)
}

fn weights(of: &[(&str, u32)]) -> Weights {
    of.iter().map(|(record, weight)| (Destination::new(*record), *weight)).collect()
}

fn weighted(identifier: &str, weight: u32) -> String {
    record_set(
        "www.example.com.",
        "A",
        identifier,
        &format!("<Weight>{weight}</Weight>"),
        &alias(identifier),
    )
}

fn read(records: &[String]) -> Result<Option<Routing>, ErrorClass> {
    let wire = Wire::script([record_page(records, None)]);
    let read = run(wire.aws().routing(&region(), &[route()]));
    read.map(|mut read| read.remove(&route())).map_err(|error| error.class)
}

/// The changes of a batch, each as its action, set identifier, way to be chosen and answer.
fn changes(sent: &Sent) -> Vec<String> {
    let elements = [
        "Action",
        "SetIdentifier",
        "Weight",
        "Failover",
        "DNSName",
        "TTL",
        "Value",
        "HealthCheckId",
    ];
    let said = |parts: [String; 8]| parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    changes_of(sent.text("xml"), elements).into_iter().map(said).collect()
}

#[test]
fn weights_are_those_of_the_records_of_that_name_and_type() {
    let records = [weighted("blue", 100), weighted("green", 0)];
    let Ok(Some(routing)) = read(&records) else { panic!("it is read") };
    assert_eq!(routing.weights, weights(&[("blue", 100), ("green", 0)]));

    // what follows by name or type is of others
    let others = [
        weighted("blue", 1),
        record_set("www.example.com.", "AAAA", "blue", "<Weight>7</Weight>", &alias("blue")),
    ];
    assert_eq!(
        read(&others).map(|read| read.map(|read| read.weights)),
        Ok(Some(weights(&[("blue", 1)])))
    );
    let below = [record_set("www2.example.com.", "A", "blue", "<Weight>7</Weight>", &alias("blue"))];
    assert_eq!(read(&below), Ok(None));
    assert_eq!(read(&[]), Ok(None));

    let pair = [
        record_set("www.example.com.", "A", "blue", "<Failover>PRIMARY</Failover>", &alias("blue")),
        record_set("www.example.com.", "A", "green", "<Failover>SECONDARY</Failover>", &alias("green")),
    ];
    assert_eq!(
        read(&pair).map(|read| read.map(|read| read.weights)),
        Ok(Some(weights(&[("blue", 1), ("green", 0)])))
    );
}

#[test]
fn a_question_begins_at_the_name_and_goes_on_at_the_next_record_set() {
    let wire = Wire::script([
        record_page(&[weighted("blue", 1)], Some("green")),
        record_page(&[weighted("green", 2)], None),
    ]);
    let mut read = run(wire.aws().routing(&region(), &[route(), route()])).unwrap_or_default();
    assert_eq!(
        read.remove(&route()).map(|routing| routing.weights),
        Some(weights(&[("blue", 1), ("green", 2)]))
    );
    let sent = wire.sent();
    let asked = |sent: &Sent| ["zone", "name", "type", "identifier"].map(|part| sent.text(part).to_owned());
    assert_eq!(
        sent.iter().map(asked).collect::<Vec<_>>(),
        [
            ["Z0123ABC", "www.example.com", "A", ""],
            ["Z0123ABC", "www.example.com", "A", "green"]
        ]
    );

    let wire = Wire::new(|_, _| record_page(&[weighted("blue", 1)], Some("blue")));
    assert!(
        run(wire.aws().routing(&region(), &[route()])).is_err(),
        "a list without end is not read for ever"
    );
    assert_eq!(wire.sent().len(), 5);

    let every = "route53:Z0123ABC/*.example.com/A";
    let wire = Wire::script([record_page(
        &[record_set("\\052.example.com.", "A", "blue", "<Weight>3</Weight>", &alias("blue"))],
        None,
    )]);
    let read = run(wire.aws().routing(&region(), &[RouteId::new(every)])).unwrap_or_default();
    assert_eq!(
        read.into_values().map(|routing| routing.weights).collect::<Vec<_>>(),
        [weights(&[("blue", 3)])]
    );
}

/// Whoever set them so meant something that weights cannot say.
#[test]
fn records_that_are_chosen_otherwise_are_left_alone() {
    let one = |chosen: &str| record_set("www.example.com.", "A", "blue", chosen, &alias("blue"));
    for (situation, records) in [
        ("by latency", vec![one("<Region>eu-west-1</Region>")]),
        ("by place", vec![one("<GeoLocation><CountryCode>DE</CountryCode></GeoLocation>")]),
        ("several values", vec![one("<MultiValueAnswer>true</MultiValueAnswer>")]),
        (
            "by a traffic policy",
            vec![one("<Weight>1</Weight><TrafficPolicyInstanceId>p</TrafficPolicyInstanceId>")],
        ),
        ("not at all", vec![one("")]),
        (
            "some in each way",
            vec![weighted("blue", 1), one("<Failover>PRIMARY</Failover>").replace("blue", "green")],
        ),
        ("nobody stands by", vec![one("<Failover>PRIMARY</Failover>")]),
    ] {
        assert_eq!(read(&records), Ok(None), "{situation}");
    }
}

#[test]
fn weights_are_set_in_one_batch_that_replaces_what_was_read() {
    let Ok(Some(expected)) = read(&[weighted("blue", 100), weighted("green", 0), weighted("red", 7)]) else {
        panic!("it is read")
    };
    let wire = Wire::script([records_changed()]);
    let moved = RouteTo::Weights(weights(&[("blue", 0), ("green", 100)]));
    assert_eq!(run(wire.aws().set_routing(&region(), &route(), &expected, &moved)), Ok(()));
    let sent = wire.only();
    assert_eq!(
        (sent.operation.as_str(), sent.text("zone")),
        ("route53:ChangeResourceRecordSets", "Z0123ABC")
    );
    let host = |side: &str| format!("{side}-1.eu-west-1.elb.amazonaws.com.");
    assert_eq!(
        changes(&sent),
        [
            format!("DELETE blue 100 {}", host("blue")),
            format!("DELETE green 0 {}", host("green")),
            format!("CREATE blue 0 {}", host("blue")),
            format!("CREATE green 100 {}", host("green")),
        ],
        "others are not touched"
    );
}

#[test]
fn a_primary_and_a_secondary_change_places() {
    let values = |side: &str| {
        format!(
            "<TTL>60</TTL><ResourceRecords><ResourceRecord><Value>{side}</Value></ResourceRecord></ResourceRecords><HealthCheckId>check-{side}</HealthCheckId>"
        )
    };
    let pair = [
        record_set(
            "www.example.com.",
            "A",
            "blue",
            "<Failover>PRIMARY</Failover>",
            &values("192.0.2.1"),
        ),
        record_set(
            "www.example.com.",
            "A",
            "green",
            "<Failover>SECONDARY</Failover>",
            &values("192.0.2.2"),
        ),
    ];
    let Ok(Some(expected)) = read(&pair) else { panic!("it is read") };
    let wire = Wire::script([records_changed()]);
    let moved = RouteTo::Weights(weights(&[("blue", 0), ("green", 1)]));
    assert_eq!(run(wire.aws().set_routing(&region(), &route(), &expected, &moved)), Ok(()));
    assert_eq!(
        changes(&wire.only()),
        [
            "DELETE blue PRIMARY 60 192.0.2.1 check-192.0.2.1",
            "DELETE green SECONDARY 60 192.0.2.2 check-192.0.2.2",
            "CREATE blue SECONDARY 60 192.0.2.1 check-192.0.2.1",
            "CREATE green PRIMARY 60 192.0.2.2 check-192.0.2.2",
        ]
    );
}

#[test]
fn an_undo_sets_exactly_what_was_read_over_what_is_there() {
    let Ok(Some(before)) = read(&[weighted("blue", 93), weighted("green", 7)]) else {
        panic!("it is read")
    };
    let Ok(Some(now)) = read(&[weighted("blue", 0), weighted("green", 100)]) else {
        panic!("it is read")
    };
    let undo = RouteTo::Actions(before.clone());
    let wire = Wire::script([records_changed()]);
    assert_eq!(run(wire.aws().set_routing(&region(), &route(), &now, &undo)), Ok(()));
    let told = changes(&wire.only()).join("\n");
    for change in ["DELETE blue 0 ", "DELETE green 100 ", "CREATE blue 93 ", "CREATE green 7 "] {
        assert!(told.contains(change), "{change}: {told}");
    }

    let wire = Wire::script([]);
    assert_eq!(run(wire.aws().set_routing(&region(), &route(), &before, &undo)), Ok(()));
    assert_eq!(wire.sent(), [], "nothing would be other");
}

#[test]
fn a_change_is_one_attempt_and_somebody_elses_change_refuses_it() {
    let Ok(Some(expected)) = read(&[weighted("blue", 1), weighted("green", 0)]) else {
        panic!("it is read")
    };
    let set = RouteTo::Weights(weights(&[("blue", 0), ("green", 1)]));
    for (situation, reply, class) in [
        ("lost", Reply::Lost, Some(ErrorClass::Transient)),
        ("5xx", Reply::elb_error(500, "InternalError"), Some(ErrorClass::Transient)),
        ("throttled", Reply::elb_error(400, "Throttling"), Some(ErrorClass::Throttled)),
        (
            "at an earlier change",
            Reply::elb_error(400, "PriorRequestNotComplete"),
            Some(ErrorClass::Throttled),
        ),
        (
            "no such zone",
            Reply::elb_error(404, "NoSuchHostedZone"),
            Some(ErrorClass::NotFound),
        ),
        (
            "changed meanwhile",
            Reply::elb_error(400, "InvalidChangeBatch"),
            Some(ErrorClass::Invalid),
        ),
        ("not allowed", Reply::elb_error(403, "AccessDenied"), Some(ErrorClass::Denied)),
        ("done", records_changed(), None),
    ] {
        let wire = Wire::new(move |_, _| reply.clone());
        let result = run(wire.aws().set_routing(&region(), &route(), &expected, &set));
        assert_eq!(result.err().map(|error| error.class), class, "{situation}");
        assert_eq!(wire.operations().len(), 1, "{situation}");
    }
}

#[test]
fn what_cannot_be_meant_is_not_sent() {
    let Ok(Some(expected)) = read(&[weighted("blue", 1)]) else {
        panic!("it is read")
    };
    let unreadable = Routing {
        actions: "{}".to_owned(),
        ..expected.clone()
    };
    let page = FixedResponse {
        status: 503,
        content_type: ContentType::Plain,
        body: String::new(),
    };
    let Ok(Some(more)) = read(&[weighted("blue", 1), weighted("green", 1)]) else {
        panic!("it is read")
    };
    for (situation, expected, set) in [
        ("a record that is not there", &expected, RouteTo::Weights(weights(&[("green", 1)]))),
        ("no weight", &expected, RouteTo::Weights(weights(&[("blue", 256)]))),
        (
            "records that nobody can read",
            &unreadable,
            RouteTo::Weights(weights(&[("blue", 0)])),
        ),
        ("a page", &expected, RouteTo::Fixed(page)),
        ("an undo to a record that is gone", &expected, RouteTo::Actions(more)),
    ] {
        let wire = Wire::script([]);
        let error = run(wire.aws().set_routing(&region(), &route(), expected, &set)).err();
        assert_eq!(error.map(|error| error.class), Some(ErrorClass::Invalid), "{situation}");
        assert_eq!(wire.sent(), [], "{situation}");
    }
}

#[test]
fn a_zone_that_is_gone_has_no_records_and_a_refusal_is_an_error() {
    for (reply, expected) in [
        (Reply::elb_error(404, "NoSuchHostedZone"), Ok(0)),
        (Reply::elb_error(403, "AccessDenied"), Err(ErrorClass::Denied)),
    ] {
        let wire = Wire::new(move |_, _| reply.clone());
        let read = run(wire.aws().routing(&region(), &[route()]));
        assert_eq!(read.map(|read| read.len()).map_err(|error| error.class), expected);
    }
}
