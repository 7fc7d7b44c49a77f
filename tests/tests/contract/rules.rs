//! The contract of listeners and rules: what is read of them, and that a change keeps everything but the weights.

use std::collections::BTreeMap;

use ghostnet_core::id::{Destination, RouteId};
use ghostnet_core::route::Weights;
use ghostnet_core::spec::{ContentType, FixedResponse};
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::Routes;

use crate::sample::region;
use crate::{Mishap, Played, Situation, TrafficStage, by_class, expect};

/// What may be so of listeners and rules.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// It forwards by these weights.
    Forwards(RouteId, Weights),
    /// The same, and clients stay with their group.
    Sticks(RouteId, Weights),
    /// It redirects.
    Redirects(RouteId),
}

/// The contract.
pub(crate) fn situations<S: TrafficStage>() -> Vec<Situation<S>> {
    vec![
        ("a listener and a rule that forward", |stage| {
            stage.rules(Given::Forwards(listener(), blue()))?;
            stage.rules(Given::Forwards(rule(), green()))?;
            let wanted = BTreeMap::from([(listener(), blue()), (rule(), green())]);
            expect("weights", weights(stage, &[listener(), rule()]), Ok(wanted))
        }),
        ("a rule that does not exist among others", |stage| {
            stage.rules(Given::Forwards(rule(), blue()))?;
            stage.rules(Given::Forwards(listener(), blue()))?;
            let asked = [absent(), rule(), listener()];
            let wanted = BTreeMap::from([(rule(), blue()), (listener(), blue())]);
            expect("weights", weights(stage, &asked), Ok(wanted))
        }),
        ("a rule that redirects among others", |stage| {
            stage.rules(Given::Redirects(listener()))?;
            stage.rules(Given::Forwards(rule(), blue()))?;
            let wanted = BTreeMap::from([(rule(), blue())]);
            expect("weights", weights(stage, &[rule(), listener()]), Ok(wanted))
        }),
        ("weights of a listener that are set", |stage| {
            weights_that_are_set(stage, &listener())
        }),
        ("weights of a rule that are set", |stage| weights_that_are_set(stage, &rule())),
        ("the weight of one group alone", |stage| {
            stage.rules(Given::Forwards(rule(), blue()))?;
            let before = one(stage, &rule())?;
            let green_too = Weights::from([(group("green"), 50)]);
            expect("the answer", set(stage, &rule(), &before, &RouteTo::Weights(green_too)), Ok(()))?;
            expect("weights", one(stage, &rule())?.weights, both(100, 50))
        }),
        ("the weight of a group that a rule does not name", |stage| {
            stage.rules(Given::Forwards(rule(), blue()))?;
            let before = one(stage, &rule())?;
            let other = Weights::from([(group("other"), 100)]);
            let answer = set(stage, &rule(), &before, &RouteTo::Weights(other));
            expect("the answer", answer, Err(ErrorClass::Invalid))?;
            expect("the rule", one(stage, &rule())?, before)
        }),
        ("weights of a rule that a person changed meanwhile", |stage| {
            stage.rules(Given::Forwards(rule(), blue()))?;
            let before = one(stage, &rule())?;
            stage.rules(Given::Sticks(rule(), both(70, 30)))?;
            // AWS replaces the list, whatever it is by now
            expect("the answer", set(stage, &rule(), &before, &RouteTo::Weights(green())), Ok(()))?;
            let after = one(stage, &rule())?;
            stage.rules(Given::Forwards(rule(), green()))?;
            expect("the list that was expected, with other weights", one(stage, &rule())?, after)
        }),
        ("a rule that answers a page and is to forward", |stage| {
            stage.rules(Given::Forwards(rule(), blue()))?;
            let before = one(stage, &rule())?;
            let page = RouteTo::Fixed(page());
            expect("the answer", set(stage, &rule(), &before, &page), Ok(()))?;
            let answers = one(stage, &rule())?;
            expect("the page", answers.answer.clone(), Some(self::page()))?;
            expect("weights", answers.weights.clone(), Weights::new())?;
            // what it did before is forgotten: these are all the groups that are known
            let forwards = RouteTo::Reweighted {
                actions: Routing {
                    weights: both(0, 70),
                    answer: None,
                    ..answers.clone()
                },
                weights: both(0, 70),
            };
            expect("the answer", set(stage, &rule(), &answers, &forwards), Ok(()))?;
            let after = one(stage, &rule())?;
            stage.rules(Given::Forwards(rule(), both(0, 70)))?;
            expect("as if it had always been so", one(stage, &rule())?, after)
        }),
        ("weights of a rule that does not exist", |stage| {
            stage.rules(Given::Forwards(rule(), blue()))?;
            let before = one(stage, &rule())?;
            let answer = set(stage, &absent(), &before, &RouteTo::Weights(green()));
            expect("the answer", answer, Err(ErrorClass::NotFound))
        }),
        ("weights whose answer is lost", |stage| {
            set_is_open(stage, Mishap::AnswerLost, &green())
        }),
        ("weights whose first answer is lost", |stage| {
            set_is_open(stage, Mishap::FirstAnswerLost, &green())
        }),
        ("weights set while the balancer is unwell", |stage| {
            set_is_open(stage, Mishap::Unwell, &blue())
        }),
        ("weights that our role may not set", |stage| {
            stage.rules(Given::Forwards(rule(), blue()))?;
            let before = one(stage, &rule())?;
            stage.mishap(Mishap::Denied)?;
            let answer = set(stage, &rule(), &before, &RouteTo::Weights(green()));
            expect("the answer", answer, Err(ErrorClass::Denied))?;
            expect("the rule", one(stage, &rule())?, before)
        }),
        ("rules that our role may not read", |stage| {
            stage.rules(Given::Forwards(rule(), blue()))?;
            stage.mishap(Mishap::Denied)?;
            expect("weights", weights(stage, &[rule()]), Err(ErrorClass::Denied))
        }),
    ]
}

fn page() -> FixedResponse {
    FixedResponse {
        status: 503,
        content_type: ContentType::Plain,
        body: "back soon".to_owned(),
    }
}

/// Only the weights are others, and what was is set again exactly.
fn weights_that_are_set<S: TrafficStage>(stage: &S, arn: &RouteId) -> Played {
    stage.rules(Given::Sticks(arn.clone(), blue()))?;
    let before = one(stage, arn)?;
    let answer = set(stage, arn, &before, &RouteTo::Weights(green()));
    expect("the answer", answer, Ok(()))?;
    let after = one(stage, arn)?;
    expect("weights", after.weights.clone(), green())?;
    stage.rules(Given::Sticks(arn.clone(), green()))?;
    expect("as if they had always been so", one(stage, arn)?, after.clone())?;
    let answer = set(stage, arn, &after, &RouteTo::Actions(before.clone()));
    expect("the answer to the undo", answer, Ok(()))?;
    expect("undone", one(stage, arn)?, before)
}

/// Attempted once: a late repetition could undo what was decided since. The next look sees what came of it.
fn set_is_open<S: TrafficStage>(stage: &S, mishap: Mishap, wanted: &Weights) -> Played {
    stage.rules(Given::Forwards(rule(), blue()))?;
    let before = one(stage, &rule())?;
    stage.mishap(mishap)?;
    let answer = set(stage, &rule(), &before, &RouteTo::Weights(green()));
    expect("the answer", answer, Err(ErrorClass::Transient))?;
    expect("weights", one(stage, &rule())?.weights, wanted.clone())
}

pub(crate) fn one<S: TrafficStage>(stage: &S, arn: &RouteId) -> Result<Routing, crate::Short> {
    let mut read = by_class(stage.run(stage.ports().routing(&region(), std::slice::from_ref(arn))));
    let read = read.as_mut().ok().and_then(|read| read.remove(arn));
    read.ok_or_else(|| crate::Short::Otherwise(format!("{arn} is not read")))
}

pub(crate) fn weights<S: TrafficStage>(stage: &S, asked: &[RouteId]) -> Result<BTreeMap<RouteId, Weights>, ErrorClass> {
    let read = by_class(stage.run(stage.ports().routing(&region(), asked)))?;
    Ok(read.into_iter().map(|(arn, routing)| (arn, routing.weights)).collect())
}

pub(crate) fn set<S: TrafficStage>(stage: &S, arn: &RouteId, expected: &Routing, to: &RouteTo) -> Result<(), ErrorClass> {
    by_class(stage.run(stage.ports().set_routing(&region(), arn, expected, to)))
}

fn listener() -> RouteId {
    RouteId::new("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/1/2")
}

fn rule() -> RouteId {
    RouteId::new("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/3")
}

fn absent() -> RouteId {
    RouteId::new("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/0")
}

pub(crate) fn blue() -> Weights {
    both(100, 0)
}

pub(crate) fn green() -> Weights {
    both(0, 100)
}

pub(crate) fn both(blue: u32, green: u32) -> Weights {
    [("blue", blue), ("green", green)]
        .map(|(name, weight)| (group(name), weight))
        .into()
}

fn group(name: &str) -> Destination {
    Destination::new(format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{name}/1"))
}
