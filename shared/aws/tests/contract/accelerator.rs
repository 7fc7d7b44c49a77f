//! Global Accelerator as it comes over the wire: weights of endpoints, and traffic dials, each set in one attempt.

use ghostnet_core::id::{Destination, RouteId};
use ghostnet_core::route::Weights;
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::Routes;
use serde_json::{Value, json};

use crate::reply::{endpoint_group, endpoint_groups};
use crate::sample::region;
use crate::wire::{Reply, Sent, Wire, run};

const LISTENER: &str = "arn:aws:globalaccelerator::123456789012:accelerator/a/listener/b";

fn listener() -> RouteId {
    RouteId::new(LISTENER)
}

fn group(n: u32) -> RouteId {
    RouteId::new(format!("{LISTENER}/endpoint-group/{n}"))
}

fn weights(of: &[(&str, u32)]) -> Weights {
    of.iter().map(|(id, weight)| (Destination::new(*id), *weight)).collect()
}

fn described(endpoints: &Value) -> Reply {
    endpoint_group(group(1).as_str(), endpoints)
}

fn listed(dials: &[(u32, Option<f64>)], next: Option<&str>) -> Reply {
    let dials: Vec<_> = dials.iter().map(|(n, dial)| (group(*n), *dial)).collect();
    endpoint_groups(dials.iter().map(|(group, dial)| (group.as_str(), *dial)), next)
}

fn read(route: &RouteId, reply: Reply) -> Result<Option<Routing>, ErrorClass> {
    let wire = Wire::script([reply]);
    let read = run(wire.aws().routing(&region(), std::slice::from_ref(route)));
    read.map(|mut read| read.remove(route)).map_err(|error| error.class)
}

fn endpoints() -> Value {
    json!([
        { "EndpointId": "blue", "Weight": 128, "ClientIPPreservationEnabled": true, "HealthState": "HEALTHY" },
        { "EndpointId": "green", "Weight": 0, "ClientIPPreservationEnabled": false, "HealthState": "HEALTHY" },
        { "EndpointId": "theirs", "HealthState": "HEALTHY" },
    ])
}

#[test]
fn weights_of_endpoints_are_read_and_the_whole_list_is_set() {
    let Ok(Some(expected)) = read(&group(1), described(&endpoints())) else {
        panic!("it is read")
    };
    assert_eq!(
        expected.weights,
        weights(&[("blue", 128), ("green", 0), ("theirs", 128)]),
        "one without a weight has AWS's"
    );
    let wire = Wire::script([described(&endpoints())]);
    let moved = RouteTo::Weights(weights(&[("blue", 0), ("green", 128)]));
    assert_eq!(run(wire.aws().set_routing(&region(), &group(1), &expected, &moved)), Ok(()));
    let sent = wire.only();
    assert_eq!(
        (sent.operation.as_str(), sent.region.as_str()),
        ("globalaccelerator:UpdateEndpointGroup", "us-west-2"),
        "where its API is"
    );
    assert_eq!(
        sent.body,
        json!({
            "EndpointGroupArn": group(1).as_str(),
            "EndpointConfigurations": [
                { "EndpointId": "blue", "Weight": 0, "ClientIPPreservationEnabled": true },
                { "EndpointId": "green", "Weight": 128, "ClientIPPreservationEnabled": false },
                { "EndpointId": "theirs", "Weight": 128 },
            ],
        }),
        "one that is left out would be taken away, and dial and checks stay as they are"
    );
}

/// What is 0 takes nothing, so the one that is to take the traffic comes first.
#[test]
fn dials_are_turned_up_before_others_are_turned_down() {
    let Ok(Some(expected)) = read(&listener(), listed(&[(1, None), (2, Some(0.0)), (3, Some(12.5))], None)) else {
        panic!("it is read")
    };
    let [one, two, three] = [1, 2, 3].map(|n| group(n).to_string());
    assert_eq!(expected.weights, weights(&[(&one, 100), (&two, 0), (&three, 13)]));
    let turned = |sent: &Sent| (sent.text("EndpointGroupArn").to_owned(), sent.body["TrafficDialPercentage"].clone());

    let wire = Wire::new(|_, _| described(&json!([])));
    let moved = RouteTo::Weights(weights(&[(&one, 0), (&two, 100), (&three, 13)]));
    assert_eq!(run(wire.aws().set_routing(&region(), &listener(), &expected, &moved)), Ok(()));
    let sent: Vec<_> = wire.sent().iter().map(turned).collect();
    assert_eq!(
        sent,
        [(two.clone(), json!(100.0)), (one.clone(), json!(0.0))],
        "a part of a percent stays"
    );

    let wire = Wire::script([described(&json!([]))]);
    let failed = run(wire.aws().set_routing(&region(), &listener(), &expected, &moved));
    assert_eq!(failed.map_err(|error| error.class), Err(ErrorClass::Transient));
    assert_eq!(wire.sent().len(), 2, "the next look sees how far it came");

    let Ok(Some(now)) = read(&listener(), listed(&[(1, Some(0.0)), (2, Some(100.0)), (3, Some(40.0))], None)) else {
        panic!("it is read")
    };
    let wire = Wire::new(|_, _| described(&json!([])));
    let undo = RouteTo::Actions(expected);
    assert_eq!(run(wire.aws().set_routing(&region(), &listener(), &now, &undo)), Ok(()));
    let mut sent: Vec<_> = wire.sent().iter().map(turned).collect();
    assert_eq!(sent.remove(0), (one, json!(100.0)), "up first");
    sent.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(sent, [(two, json!(0.0)), (three, json!(12.5))], "exactly as it was");
}

#[test]
fn every_page_of_endpoint_groups_is_read() {
    let wire = Wire::script([listed(&[(1, Some(100.0))], Some("more")), listed(&[(2, Some(0.0))], None)]);
    let read = run(wire.aws().routing(&region(), &[listener()])).unwrap_or_default();
    let [one, two] = [1, 2].map(|n| group(n).to_string());
    assert_eq!(read[&listener()].weights, weights(&[(&one, 100), (&two, 0)]));
    assert_eq!(wire.sent()[1].text("NextToken"), "more");

    let wire = Wire::new(|_, _| listed(&[(1, None)], Some("more")));
    assert!(
        run(wire.aws().routing(&region(), &[listener()])).is_err(),
        "a list without end is not read for ever"
    );
}

#[test]
fn what_is_gone_or_has_nothing_to_weigh_is_absent() {
    for (situation, route, reply, expected) in [
        (
            "no such group",
            group(1),
            Reply::map_error(400, "EndpointGroupNotFoundException"),
            Ok(None),
        ),
        ("no endpoints", group(1), described(&json!([])), Ok(None)),
        (
            "no such listener",
            listener(),
            Reply::map_error(400, "ListenerNotFoundException"),
            Ok(None),
        ),
        ("no endpoint groups", listener(), listed(&[], None), Ok(None)),
        (
            "not allowed",
            group(1),
            Reply::map_error(400, "AccessDeniedException"),
            Err(ErrorClass::Denied),
        ),
        (
            "not allowed",
            listener(),
            Reply::map_error(400, "AccessDeniedException"),
            Err(ErrorClass::Denied),
        ),
        ("no answer", group(1), Reply::json(&json!({})), Err(ErrorClass::Transient)),
    ] {
        assert_eq!(read(&route, reply), expected, "{situation}");
    }
}

#[test]
fn a_change_is_one_attempt() {
    let Ok(Some(of_endpoints)) = read(&group(1), described(&endpoints())) else {
        panic!("it is read")
    };
    let Ok(Some(of_dials)) = read(&listener(), listed(&[(1, None)], None)) else {
        panic!("it is read")
    };
    let one = group(1).to_string();
    for (route, expected, set) in [
        (group(1), &of_endpoints, RouteTo::Weights(weights(&[("blue", 0)]))),
        (listener(), &of_dials, RouteTo::Weights(weights(&[(&one, 0)]))),
    ] {
        for (reply, class) in [
            (Reply::Lost, ErrorClass::Transient),
            (Reply::map_error(500, "InternalServiceErrorException"), ErrorClass::Transient),
            (Reply::map_error(400, "ThrottlingException"), ErrorClass::Throttled),
            (Reply::map_error(400, "EndpointGroupNotFoundException"), ErrorClass::NotFound),
            (Reply::map_error(400, "InvalidArgumentException"), ErrorClass::Invalid),
        ] {
            let wire = Wire::new(move |_, _| reply.clone());
            let result = run(wire.aws().set_routing(&region(), &route, expected, &set));
            assert_eq!(result.map_err(|error| error.class), Err(class), "{route}");
            assert_eq!(wire.operations().len(), 1, "{route}: {class:?}");
        }
    }
    for (route, expected, set) in [
        (group(1), &of_endpoints, RouteTo::Weights(weights(&[("blue", 256)]))),
        (group(1), &of_endpoints, RouteTo::Weights(weights(&[("nobody", 1)]))),
        (listener(), &of_dials, RouteTo::Weights(weights(&[(&one, 101)]))),
        (listener(), &of_dials, RouteTo::Actions(of_endpoints.clone())),
    ] {
        let wire = Wire::script([]);
        let result = run(wire.aws().set_routing(&region(), &route, expected, &set));
        assert_eq!(result.map_err(|error| error.class), Err(ErrorClass::Invalid), "{route}");
        assert_eq!(wire.sent(), [], "{route}: what cannot be meant is not sent");
    }
}
