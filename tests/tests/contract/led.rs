//! The contract of what leads clients to sides and is no balancer: records of Route 53, endpoints and dials of Global Accelerator; and of
//! what leads to one instance, Elastic IP addresses and lines of route tables.

use std::collections::BTreeMap;

use ghostnet_core::id::{Destination, RouteId};
use ghostnet_core::observation::InstanceState;
use ghostnet_core::route::{Route, Weights};
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::ErrorClass;

use crate::rules::{blue, both, green, one, set, weights};
use crate::{Mishap, Played, Situation, TrafficStage, compute, expect};

/// It leads to its destinations by these weights.
#[derive(Debug, Clone)]
pub(crate) struct Given(pub(crate) RouteId, pub(crate) Weights);

/// The contract.
pub(crate) fn situations<S: TrafficStage>() -> Vec<Situation<S>> {
    vec![
        ("a name, an endpoint group and an accelerator that lead to two sides", |stage| {
            for route in routes() {
                stage.led(Given(route.clone(), blue()))?;
                let wanted = BTreeMap::from([(route.clone(), blue())]);
                expect("weights", weights(stage, &[route]), Ok(wanted))?;
            }
            Ok(())
        }),
        ("one of them that leads nowhere", |stage| {
            for route in routes() {
                expect("weights", weights(stage, &[route]), Ok(BTreeMap::new()))?;
            }
            Ok(())
        }),
        ("records that are set", |stage| weights_that_are_set(stage, records())),
        ("weights of endpoints that are set", |stage| {
            weights_that_are_set(stage, endpoints())
        }),
        ("dials that are set", |stage| weights_that_are_set(stage, dials())),
        ("records that a person changed meanwhile", |stage| {
            let before = changed_meanwhile(stage, records())?;
            // what is not there any more is not replaced
            expect("the answer", before, Err(ErrorClass::Invalid))?;
            expect("weights", one(stage, &records())?.weights, both(70, 30))
        }),
        ("endpoints that a person weighed meanwhile", |stage| {
            expect("the answer", changed_meanwhile(stage, endpoints())?, Ok(()))?;
            expect("weights", one(stage, &endpoints())?.weights, green())
        }),
        ("dials that a person turned meanwhile", |stage| {
            expect("the answer", changed_meanwhile(stage, dials())?, Ok(()))?;
            expect("weights", one(stage, &dials())?.weights, green())
        }),
        ("records whose answer is lost", |stage| {
            set_is_open(stage, records(), Mishap::AnswerLost, &green())
        }),
        ("weights of endpoints whose answer is lost", |stage| {
            set_is_open(stage, endpoints(), Mishap::AnswerLost, &green())
        }),
        ("records set while Route 53 is unwell", |stage| {
            set_is_open(stage, records(), Mishap::Unwell, &blue())
        }),
        ("dials turned while the accelerator is unwell", |stage| {
            set_is_open(stage, dials(), Mishap::Unwell, &blue())
        }),
        ("an address and a line that lead to an instance", |stage| {
            for route in of_one() {
                stage.led(Given(route.clone(), to(stage, OLD)?))?;
                let wanted = BTreeMap::from([(route.clone(), leading_to(OLD))]);
                expect("weights", weights(stage, &[route]), Ok(wanted))?;
            }
            Ok(())
        }),
        ("an address and a line that lead to nobody, and to what is no instance", |stage| {
            for (route, weights_) in of_one()
                .into_iter()
                .flat_map(|route| [Weights::new(), leading_to("eni-1")].map(|to| (route.clone(), to)))
            {
                stage.led(Given(route.clone(), weights_.clone()))?;
                expect("weights", one(stage, &route)?.weights, weights_)?;
            }
            Ok(())
        }),
        ("an address and a line that are not there", |stage| {
            for route in of_one() {
                expect("weights", weights(stage, &[route]), Ok(BTreeMap::new()))?;
            }
            Ok(())
        }),
        ("an address and a line that are to lead to another instance", |stage| {
            for route in of_one() {
                stage.led(Given(route.clone(), to(stage, OLD)?))?;
                let before = one(stage, &route)?;
                expect("the answer", leads(stage, &route, &before, NEW)?, Ok(()))?;
                let after = one(stage, &route)?;
                expect("weights", after.weights.clone(), leading_to(NEW))?;
                let answer = set(stage, &route, &after, &RouteTo::Actions(before.clone()));
                expect("the answer to the undo", answer, Ok(()))?;
                expect("undone", one(stage, &route)?, before)?;
            }
            Ok(())
        }),
        ("an address and a line that led to nobody", |stage| {
            for route in of_one() {
                stage.led(Given(route.clone(), Weights::new()))?;
                let before = one(stage, &route)?;
                expect("the answer", leads(stage, &route, &before, NEW)?, Ok(()))?;
                expect("weights", one(stage, &route)?.weights, leading_to(NEW))?;
                // said twice it is the same
                expect("the same again", leads(stage, &route, &before, NEW)?, Ok(()))?;
            }
            Ok(())
        }),
        ("an address that somebody took while nobody had it", |stage| {
            let [address, _] = of_one();
            stage.led(Given(address.clone(), Weights::new()))?;
            let before = one(stage, &address)?;
            stage.led(Given(address.clone(), to(stage, OLD)?))?;
            expect("the answer", leads(stage, &address, &before, NEW)?, Err(ErrorClass::Invalid))?;
            expect("weights", one(stage, &address)?.weights, leading_to(OLD))
        }),
        ("an address and a line that somebody gave to another one meanwhile", |stage| {
            for route in of_one() {
                stage.led(Given(route.clone(), to(stage, OLD)?))?;
                let before = one(stage, &route)?;
                stage.led(Given(route.clone(), to(stage, "i-00000000000000003")?))?;
                // EC2 replaces whatever is there by now
                expect("the answer", leads(stage, &route, &before, NEW)?, Ok(()))?;
                expect("weights", one(stage, &route)?.weights, leading_to(NEW))?;
            }
            Ok(())
        }),
        ("an address and a line whose answer is lost, and while EC2 is unwell", |stage| {
            for route in of_one() {
                for (mishap, wanted) in [(Mishap::AnswerLost, NEW), (Mishap::Unwell, OLD)] {
                    stage.led(Given(route.clone(), to(stage, OLD)?))?;
                    let before = one(stage, &route)?;
                    to(stage, NEW)?;
                    stage.mishap(mishap)?;
                    let answer = set(stage, &route, &before, &RouteTo::Weights(leading_to(NEW)));
                    expect("the answer", answer, Err(ErrorClass::Transient))?;
                    expect("weights", one(stage, &route)?.weights, leading_to(wanted))?;
                }
            }
            Ok(())
        }),
        ("an address and a line that our role may not set or read", |stage| {
            for route in of_one() {
                stage.led(Given(route.clone(), to(stage, OLD)?))?;
                let before = one(stage, &route)?;
                to(stage, NEW)?;
                stage.mishap(Mishap::Denied)?;
                let answer = set(stage, &route, &before, &RouteTo::Weights(leading_to(NEW)));
                expect("the answer", answer, Err(ErrorClass::Denied))?;
                stage.mishap(Mishap::Denied)?;
                expect("read", weights(stage, std::slice::from_ref(&route)), Err(ErrorClass::Denied))?;
                expect("weights", one(stage, &route)?, before)?;
            }
            Ok(())
        }),
        ("what our role may not set", |stage| {
            for route in routes() {
                stage.led(Given(route.clone(), blue()))?;
                let before = one(stage, &route)?;
                stage.mishap(Mishap::Denied)?;
                expect(
                    "the answer",
                    set(stage, &route, &before, &RouteTo::Weights(green())),
                    Err(ErrorClass::Denied),
                )?;
                expect("weights", one(stage, &route)?, before)?;
            }
            Ok(())
        }),
        ("what our role may not read", |stage| {
            for route in routes() {
                stage.led(Given(route.clone(), blue()))?;
                stage.mishap(Mishap::Denied)?;
                expect("weights", weights(stage, &[route]), Err(ErrorClass::Denied))?;
            }
            Ok(())
        }),
    ]
}

/// Only the weights are others, and what was is set again exactly.
fn weights_that_are_set<S: TrafficStage>(stage: &S, route: RouteId) -> Played {
    stage.led(Given(route.clone(), blue()))?;
    let before = one(stage, &route)?;
    expect("the answer", set(stage, &route, &before, &RouteTo::Weights(green())), Ok(()))?;
    let after = one(stage, &route)?;
    expect("weights", after.weights.clone(), green())?;
    let answer = set(stage, &route, &after, &RouteTo::Actions(before.clone()));
    expect("the answer to the undo", answer, Ok(()))?;
    expect("undone", one(stage, &route)?, before)
}

/// The answer to a change that was decided before somebody else's.
fn changed_meanwhile<S: TrafficStage>(stage: &S, route: RouteId) -> Result<Result<(), ErrorClass>, crate::Short> {
    stage.led(Given(route.clone(), blue()))?;
    let before = one(stage, &route)?;
    stage.led(Given(route.clone(), both(70, 30)))?;
    Ok(set(stage, &route, &before, &RouteTo::Weights(green())))
}

/// Attempted once; the next look sees what came of it.
fn set_is_open<S: TrafficStage>(stage: &S, route: RouteId, mishap: Mishap, wanted: &Weights) -> Played {
    stage.led(Given(route.clone(), blue()))?;
    let before = one(stage, &route)?;
    stage.mishap(mishap)?;
    let answer = set(stage, &route, &before, &RouteTo::Weights(green()));
    expect("the answer", answer, Err(ErrorClass::Transient))?;
    expect("weights", one(stage, &route)?.weights, wanted.clone())
}

const OLD: &str = "i-00000000000000001";
const NEW: &str = "i-00000000000000002";

fn leading_to(id: &str) -> Weights {
    [(Destination::new(id), 1)].into()
}

/// An instance that runs, and what leads to it.
fn to<S: TrafficStage>(stage: &S, id: &'static str) -> Result<Weights, crate::Short> {
    stage.compute(compute::Given::Instance(id, InstanceState::Running))?;
    Ok(leading_to(id))
}

/// The answer when a route is to lead to an instance that runs.
fn leads<S: TrafficStage>(
    stage: &S,
    route: &RouteId,
    expected: &Routing,
    id: &'static str,
) -> Result<Result<(), ErrorClass>, crate::Short> {
    let set_to = RouteTo::Weights(to(stage, id)?);
    Ok(set(stage, route, expected, &set_to))
}

fn of_one() -> [RouteId; 2] {
    ["eipalloc-0123456789abcdef0", "rtb-0123456789abcdef0/0.0.0.0/0"].map(RouteId::new)
}

fn routes() -> [RouteId; 3] {
    [records(), endpoints(), dials()]
}

fn records() -> RouteId {
    RouteId::new("route53:Z0123ABC/www.example.com/A")
}

fn endpoints() -> RouteId {
    let route = RouteId::new(format!("{}/endpoint-group/1", dials()));
    assert_eq!(route.route(), Route::Endpoints);
    route
}

fn dials() -> RouteId {
    RouteId::new("arn:aws:globalaccelerator::123456789012:accelerator/a/listener/b")
}
