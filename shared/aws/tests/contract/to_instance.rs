//! Elastic IP addresses and lines of route tables as they come over the wire: which instance they lead to, set in one attempt.

use ghostnet_core::id::{Destination, RouteId};
use ghostnet_core::route::Weights;
use ghostnet_core::spec::{ContentType, FixedResponse};
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::Routes;

use crate::reply::{addresses, done, route_tables};
use crate::sample::region;
use crate::wire::{Reply, Sent, Wire, run};

const ADDRESS: &str = "eipalloc-0123456789abcdef0";
const TABLE: &str = "rtb-0123456789abcdef0";
const INTERFACE: &str = "<networkInterfaceId>eni-1</networkInterfaceId>";

fn address() -> RouteId {
    RouteId::new(ADDRESS)
}

fn line(destination: &str) -> RouteId {
    RouteId::new(format!("{TABLE}/{destination}"))
}

fn to(id: &str) -> Weights {
    [(Destination::new(id), 1)].into()
}

fn leading_to(weights: Weights) -> Routing {
    Routing {
        weights,
        actions: String::new(),
        answer: None,
        sticks: false,
    }
}

fn read(route: &RouteId, reply: Reply) -> (Result<Option<Weights>, ErrorClass>, Sent) {
    let wire = Wire::script([reply]);
    let read = run(wire.aws().routing(&region(), std::slice::from_ref(route)));
    let read = read.map(|mut read| read.remove(route).map(|routing| routing.weights));
    (read.map_err(|error| error.class), wire.only())
}

fn set(route: &RouteId, expected: &Weights, set: &RouteTo) -> (Result<(), ErrorClass>, Vec<Sent>) {
    let wire = Wire::new(|sent, _| done(sent.operation.trim_start_matches("ec2:")));
    let answer = run(wire.aws().set_routing(&region(), route, &leading_to(expected.clone()), set));
    (answer.map_err(|error| error.class), wire.sent())
}

#[test]
fn an_address_leads_to_its_instance_or_to_whatever_else_has_it() {
    let has = |elements: &str| format!("<associationId>eipassoc-1</associationId>{elements}");
    for (situation, holder, weights) in [
        ("an instance", has(&format!("<instanceId>i-1</instanceId>{INTERFACE}")), to("i-1")),
        ("nobody", String::new(), Weights::new()),
        ("nobody, and EC2 says so by an empty id", "<instanceId/>".to_owned(), Weights::new()),
        ("a network interface of something else", has(INTERFACE), to("eni-1")),
        ("nobody knows whom", has(""), to("eipassoc-1")),
    ] {
        let (read, sent) = read(&address(), addresses(&[(ADDRESS, holder)]));
        assert_eq!(read, Ok(Some(weights)), "{situation}");
        assert_eq!(
            (sent.operation.as_str(), sent.text("Filter.1.Name"), sent.text("Filter.1.Value.1")),
            ("ec2:DescribeAddresses", "allocation-id", ADDRESS)
        );
    }
    assert_eq!(read(&address(), addresses(&[])).0, Ok(None), "there is no such address");
}

#[test]
fn a_line_leads_to_its_instance_or_to_whatever_else_its_packets_go() {
    let other = "<item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId><state>active</state></item>";
    let active = |elements: &str| format!("{elements}<state>active</state>");
    for (situation, target, weights) in [
        (
            "an instance",
            active(&format!("<instanceId>i-1</instanceId>{INTERFACE}")),
            to("i-1"),
        ),
        (
            "an instance that does not run",
            format!("<instanceId>i-1</instanceId>{INTERFACE}<state>blackhole</state>"),
            Weights::new(),
        ),
        ("a network interface", active(INTERFACE), to("eni-1")),
        ("an internet gateway", active("<gatewayId>igw-1</gatewayId>"), to("igw-1")),
        ("a NAT gateway", active("<natGatewayId>nat-1</natGatewayId>"), to("nat-1")),
        ("something that is new", active(""), to("something else")),
    ] {
        for (destination, element) in [
            ("0.0.0.0/0", "destinationCidrBlock"),
            ("::/0", "destinationIpv6CidrBlock"),
            ("pl-0123456789abcdef0", "destinationPrefixListId"),
        ] {
            let found = format!("{other}<item><{element}>{destination}</{element}>{target}</item>");
            let (read, sent) = read(&line(destination), route_tables(&[(TABLE, found)]));
            assert_eq!(read, Ok(Some(weights.clone())), "{situation}: {destination}");
            assert_eq!(
                (sent.operation.as_str(), sent.text("Filter.1.Name"), sent.text("Filter.1.Value.1")),
                ("ec2:DescribeRouteTables", "route-table-id", TABLE)
            );
        }
    }
    let without_it = route_tables(&[(TABLE, other.to_owned())]);
    assert_eq!(read(&line("0.0.0.0/0"), without_it).0, Ok(None), "there is no such line");
    assert_eq!(read(&line("0.0.0.0/0"), route_tables(&[])).0, Ok(None), "there is no such table");
}

#[test]
fn an_address_that_nobody_has_is_not_taken_from_whoever_got_it_meanwhile() {
    for (before, may_be_taken) in [(Weights::new(), "false"), (to("i-0"), "true")] {
        let (answer, sent) = set(&address(), &before, &RouteTo::Weights(to("i-1")));
        let [sent] = sent.as_slice() else { panic!("one call: {sent:?}") };
        assert_eq!((answer, sent.operation.as_str()), (Ok(()), "ec2:AssociateAddress"));
        let said = ["AllocationId", "InstanceId", "AllowReassociation"].map(|name| sent.text(name));
        assert_eq!(said, [ADDRESS, "i-1", may_be_taken]);
    }
}

#[test]
fn a_line_is_named_by_its_kind_of_destination() {
    for (destination, parameter) in [
        ("0.0.0.0/0", "DestinationCidrBlock"),
        ("2001:db8::/32", "DestinationIpv6CidrBlock"),
        ("pl-0123456789abcdef0", "DestinationPrefixListId"),
    ] {
        let (answer, sent) = set(&line(destination), &to("i-0"), &RouteTo::Weights(to("i-1")));
        let [sent] = sent.as_slice() else { panic!("one call: {sent:?}") };
        assert_eq!((answer, sent.operation.as_str()), (Ok(()), "ec2:ReplaceRoute"));
        let said = ["RouteTableId", parameter, "InstanceId"].map(|name| sent.text(name));
        assert_eq!(said, [TABLE, destination, "i-1"]);
        let named = sent
            .body
            .as_object()
            .map(|body| body.keys().filter(|key| key.starts_with("Destination")).count());
        assert_eq!(named, Some(1), "{sent:?}");
    }
}

#[test]
fn nothing_is_sent_that_is_not_one_instance() {
    let page = RouteTo::Fixed(FixedResponse {
        status: 503,
        content_type: ContentType::Plain,
        body: String::new(),
    });
    let two: Weights = to("i-1").into_iter().chain(to("i-2")).collect();
    for what in [
        RouteTo::Weights(two),
        RouteTo::Weights(Weights::new()),
        RouteTo::Weights(to("eni-1")),
        RouteTo::Actions(leading_to(to("igw-1"))),
        page,
    ] {
        for route in [address(), line("0.0.0.0/0")] {
            let (answer, sent) = set(&route, &to("i-0"), &what);
            assert_eq!((answer, sent.len()), (Err(ErrorClass::Invalid), 0), "{route}: {what:?}");
        }
    }
}

#[test]
fn what_fails_is_not_sent_again() {
    for route in [address(), line("0.0.0.0/0")] {
        let wire = Wire::new(|_, _| Reply::xml_error(503, "Unavailable"));
        let answer = run(wire
            .aws()
            .set_routing(&region(), &route, &leading_to(to("i-0")), &RouteTo::Weights(to("i-1"))));
        assert_eq!(answer.map_err(|error| error.class), Err(ErrorClass::Transient), "{route}");
        assert_eq!(wire.sent().len(), 1, "{route}");
    }
}
