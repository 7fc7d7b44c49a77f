//! Listeners and rules as they come over the wire, and setting them in one attempt.

use std::collections::BTreeMap;

use ghostnet_core::id::{Destination, RouteId};
use ghostnet_core::route::Weights;
use ghostnet_core::spec::{ContentType, FixedResponse};
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::Routes;

use crate::reply::{done, forward, listeners, rules};
use crate::sample::region;
use crate::wire::{Reply, Wire, run};

const DESCRIBE_LISTENERS: &str = "elasticloadbalancing:DescribeListeners";
const DESCRIBE_RULES: &str = "elasticloadbalancing:DescribeRules";
const STICKS: &str = "<Enabled>true</Enabled><DurationSeconds>600</DurationSeconds>";

fn listener(n: u32) -> RouteId {
    RouteId::new(format!("arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/web/a/{n}"))
}

fn rule(n: u32) -> RouteId {
    RouteId::new(format!("arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/a/b/{n}"))
}

fn weights(of: &[(&str, u32)]) -> Weights {
    of.iter().map(|(group, weight)| (Destination::new(*group), *weight)).collect()
}

/// What a listener's actions are read as; none: not at all.
fn read(actions: &str) -> Result<Option<Routing>, ErrorClass> {
    let wire = Wire::script([listeners(&[(listener(1).as_str(), actions)])]);
    let read = run(wire.aws().routing(&region(), &[listener(1)]));
    read.map(|mut read| read.remove(&listener(1))).map_err(|error| error.class)
}

#[test]
fn weights_are_those_of_the_only_forward_action() {
    let redirect = "<member><Type>redirect</Type><RedirectConfig><StatusCode>HTTP_301</StatusCode></RedirectConfig></member>";
    let answers = "<member><Type>fixed-response</Type></member>";
    let authenticates = "<member><Type>authenticate-oidc</Type><Order>1</Order></member>";
    let both = forward(&[("blue", Some(100)), ("green", Some(0))], "");
    let plain = "<member><Type>forward</Type><TargetGroupArn>blue</TargetGroupArn></member>";
    for (situation, actions, told) in [
        ("two groups", both.clone(), Some(weights(&[("blue", 100), ("green", 0)]))),
        (
            "in another order",
            forward(&[("green", Some(0)), ("blue", Some(100))], ""),
            Some(weights(&[("blue", 100), ("green", 0)])),
        ),
        (
            "with stickiness between groups",
            forward(&[("blue", Some(1))], STICKS),
            Some(weights(&[("blue", 1)])),
        ),
        ("one group without weights", plain.to_owned(), Some(weights(&[("blue", 1)]))),
        (
            "a weight that is not told",
            forward(&[("blue", None)], ""),
            Some(weights(&[("blue", 1)])),
        ),
        ("a redirect", redirect.to_owned(), None),
        ("a fixed response", answers.to_owned(), None),
        ("who is not logged in is sent away first", format!("{authenticates}{both}"), None),
        ("nothing", String::new(), None),
        ("a forward to nowhere", "<member><Type>forward</Type></member>".to_owned(), None),
    ] {
        let routing = read(&actions);
        assert_eq!(
            routing.map(|routing| routing.map(|routing| routing.weights)),
            Ok(told),
            "{situation}"
        );
    }
    let negative = read(&forward(&[("blue", Some(-1))], ""));
    assert_eq!(negative, Err(ErrorClass::Transient), "an answer that cannot be");
}

#[test]
fn the_order_of_groups_changes_nothing_and_stickiness_does() {
    let told = |actions: &str| read(actions).ok().flatten().map(|routing| routing.actions);
    let [one, other] = [[("a", Some(1)), ("b", Some(2))], [("b", Some(2)), ("a", Some(1))]].map(|groups| told(&forward(&groups, "")));
    assert!(one.is_some());
    assert_eq!(one, other);
    assert_ne!(one, told(&forward(&[("a", Some(1)), ("b", Some(2))], STICKS)));
}

#[test]
fn listeners_and_rules_are_asked_by_calls_of_their_own() {
    let wire = Wire::new(|sent, _| match sent.operation.as_str() {
        DESCRIBE_LISTENERS => listeners(&[(sent.text("ListenerArns.member.1"), &forward(&[("blue", Some(1))], ""))]),
        _ => {
            let asked: Vec<String> = (1..=20).map(|n| sent.text(&format!("RuleArns.member.{n}")).to_owned()).collect();
            let action = forward(&[("green", Some(7))], "");
            let asked = asked.iter().filter(|arn| !arn.is_empty());
            rules(&asked.map(|arn| (arn.as_str(), action.as_str(), false)).collect::<Vec<_>>())
        }
    });
    let mut asked: Vec<_> = (0..21).map(rule).collect();
    // one twice is asked once
    asked.extend([listener(1), rule(3)]);
    let read = run(wire.aws().routing(&region(), &asked)).unwrap_or_default();
    assert_eq!(read.len(), 22);
    assert_eq!(
        read.get(&listener(1)).map(|routing| routing.weights.clone()),
        Some(weights(&[("blue", 1)]))
    );
    assert_eq!(
        wire.operations(),
        [DESCRIBE_LISTENERS, DESCRIBE_RULES, DESCRIBE_RULES],
        "twenty to a call"
    );
}

#[test]
fn one_that_is_gone_hides_no_other() {
    let wire = Wire::new(|sent, _| {
        let gone = rule(2).to_string();
        let asked = [1, 2, 3].map(|n| sent.text(&format!("RuleArns.member.{n}")));
        if asked.contains(&gone.as_str()) {
            return Reply::elb_error(400, "RuleNotFound");
        }
        rules(&[(asked[0], &forward(&[("blue", Some(1))], ""), false)])
    });
    let read = run(wire.aws().routing(&region(), &[rule(1), rule(2), rule(3)])).unwrap_or_default();
    assert_eq!(read.into_keys().collect::<Vec<_>>(), [rule(1), rule(3)]);
    assert_eq!(wire.operations().len(), 4, "together, and then one by one");

    let wire = Wire::script([Reply::elb_error(400, "ListenerNotFound")]);
    assert_eq!(run(wire.aws().routing(&region(), &[listener(1)])), Ok(BTreeMap::new()));
    assert_eq!(wire.operations().len(), 1, "one that was asked alone is not asked again");

    let wire = Wire::new(|_, _| Reply::elb_error(403, "AccessDenied"));
    let error = run(wire.aws().routing(&region(), &[rule(1), rule(2)])).err();
    assert_eq!(
        error.map(|error| error.class),
        Some(ErrorClass::Denied),
        "anything else is an error"
    );
}

/// ModifyRule refuses it: what has no way to be moved is not offered for it.
#[test]
fn a_default_rule_is_its_listeners() {
    let action = forward(&[("blue", Some(1))], "");
    let wire = Wire::script([rules(&[(rule(1).as_str(), &action, true), (rule(2).as_str(), &action, false)])]);
    let read = run(wire.aws().routing(&region(), &[rule(1), rule(2)])).unwrap_or_default();
    assert_eq!(read.into_keys().collect::<Vec<_>>(), [rule(2)]);
}

#[test]
fn weights_are_set_in_one_call_and_the_rest_is_kept() {
    let expected = read(&forward(&[("blue", Some(100)), ("green", Some(0))], STICKS)).ok().flatten();
    let Some(expected) = expected else { panic!("it is read") };
    let moved = RouteTo::Weights(weights(&[("blue", 0), ("green", 100)]));
    for (arn, operation, named, list) in [
        (listener(1), "ModifyListener", "ListenerArn", "DefaultActions"),
        (rule(1), "ModifyRule", "RuleArn", "Actions"),
    ] {
        let wire = Wire::script([done(operation)]);
        assert_eq!(run(wire.aws().set_routing(&region(), &arn, &expected, &moved)), Ok(()));
        let sent = wire.only();
        assert_eq!(sent.operation, format!("elasticloadbalancing:{operation}"));
        assert_eq!(sent.text(named), arn.as_str());
        let part = |name: &str| sent.text(&format!("{list}.member.1.ForwardConfig.{name}")).to_owned();
        let set = ["TargetGroups.member.1", "TargetGroups.member.2"].map(|group| {
            let [arn, weight] = ["TargetGroupArn", "Weight"].map(|name| part(&format!("{group}.{name}")));
            format!("{arn} {weight}")
        });
        assert_eq!(set, ["blue 0", "green 100"]);
        let sticks = ["Enabled", "DurationSeconds"].map(|name| part(&format!("TargetGroupStickinessConfig.{name}")));
        assert_eq!(sticks, ["true", "600"]);
        assert_eq!(sent.text(&format!("{list}.member.1.Type")), "forward");
        assert!(sent.body.get(format!("{list}.member.2.Type")).is_none(), "one action");
    }
}

/// A page in place of the sides, as it is sent and as it is read again; and the way back, with the weight at another side.
#[test]
fn a_fixed_response_is_set_read_and_taken_back() {
    let before = read(&forward(&[("blue", Some(100)), ("green", Some(0))], STICKS)).ok().flatten();
    let Some(before) = before else { panic!("it is read") };
    let page = FixedResponse {
        status: 503,
        content_type: ContentType::Html,
        body: "<p>back soon</p>".to_owned(),
    };
    let wire = Wire::script([done("ModifyRule")]);
    assert_eq!(
        run(wire.aws().set_routing(&region(), &rule(1), &before, &RouteTo::Fixed(page.clone()))),
        Ok(())
    );
    let sent = wire.only();
    let text = |name: &str| sent.text(&format!("Actions.member.1.{name}")).to_owned();
    assert_eq!(text("Type"), "fixed-response");
    let parts = ["StatusCode", "ContentType", "MessageBody"].map(|part| text(&format!("FixedResponseConfig.{part}")));
    assert_eq!(parts, ["503", "text/html", "<p>back soon</p>"]);

    let config = |inner: &str| format!("<member><Type>fixed-response</Type><FixedResponseConfig>{inner}</FixedResponseConfig></member>");
    let html = "<StatusCode>503</StatusCode><ContentType>text/html</ContentType><MessageBody>&lt;p&gt;back soon&lt;/p&gt;</MessageBody>";
    let again = read(&config(html)).ok().flatten();
    let Some(again) = again else { panic!("it is read") };
    assert_eq!((again.weights.clone(), again.answer.clone()), (BTreeMap::new(), Some(page)));
    let bare = read(&config("<StatusCode>404</StatusCode>")).ok().flatten();
    assert_eq!(
        bare.and_then(|bare| bare.answer).map(|answer| (answer.status, answer.content_type)),
        Some((404, ContentType::Plain))
    );
    let css = read(&config("<StatusCode>200</StatusCode><ContentType>text/css</ContentType>"));
    assert_eq!(css, Ok(None), "what could not be given back as it was is left alone");

    let wire = Wire::script([done("ModifyRule")]);
    let back = RouteTo::Reweighted {
        actions: before,
        weights: weights(&[("blue", 0), ("green", 100)]),
    };
    assert_eq!(run(wire.aws().set_routing(&region(), &rule(1), &again, &back)), Ok(()));
    let sent = wire.only();
    let part = |name: &str| sent.text(&format!("Actions.member.1.ForwardConfig.{name}")).to_owned();
    let set = [1, 2].map(|n| part(&format!("TargetGroups.member.{n}.Weight")));
    assert_eq!(
        (set, part("TargetGroupStickinessConfig.DurationSeconds")),
        (["0".to_owned(), "100".to_owned()], "600".to_owned())
    );
}

#[test]
fn an_undo_sets_exactly_what_was_read() {
    for actions in [
        forward(&[("blue", Some(100)), ("green", Some(0))], STICKS),
        forward(&[("blue", Some(1))], "<Enabled>false</Enabled>"),
        "<member><Type>forward</Type><TargetGroupArn>blue</TargetGroupArn></member>".to_owned(),
    ] {
        let Ok(Some(before)) = read(&actions) else { panic!("{actions}") };
        let now = Routing {
            sticks: false,
            weights: BTreeMap::new(),
            actions: "somebody else's".to_owned(),
            answer: None,
        };
        let wire = Wire::script([done("ModifyRule")]);
        let undo = RouteTo::Actions(before.clone());
        assert_eq!(run(wire.aws().set_routing(&region(), &rule(1), &now, &undo)), Ok(()));
        // what was sent, given back as AWS does, is read as the same
        let sent = wire.only();
        let text = |name: &str| sent.text(&format!("Actions.member.1.{name}")).to_owned();
        let groups: Vec<_> = (1..=2)
            .map(|n| format!("ForwardConfig.TargetGroups.member.{n}"))
            .map(|group| {
                (
                    text(&format!("{group}.TargetGroupArn")),
                    text(&format!("{group}.Weight")).parse().ok(),
                )
            })
            .filter(|(group, _)| !group.is_empty())
            .collect();
        let element = |name: &str| match text(&format!("ForwardConfig.TargetGroupStickinessConfig.{name}")) {
            nothing if nothing.is_empty() => nothing,
            value => format!("<{name}>{value}</{name}>"),
        };
        let again = if groups.is_empty() {
            let group = text("TargetGroupArn");
            format!("<member><Type>forward</Type><TargetGroupArn>{group}</TargetGroupArn></member>")
        } else {
            let groups: Vec<_> = groups.iter().map(|(group, weight)| (group.as_str(), *weight)).collect();
            forward(&groups, &format!("{}{}", element("Enabled"), element("DurationSeconds")))
        };
        assert_eq!(read(&again), Ok(Some(before)));
    }
}

#[test]
fn routing_is_set_in_one_attempt() {
    let Ok(Some(expected)) = read(&forward(&[("blue", Some(1))], "")) else {
        panic!("it is read")
    };
    let set = RouteTo::Weights(weights(&[("blue", 0)]));
    for (situation, reply, class) in [
        ("lost", Reply::Lost, Some(ErrorClass::Transient)),
        ("5xx", Reply::elb_error(503, "ServiceUnavailable"), Some(ErrorClass::Transient)),
        ("throttled", Reply::elb_error(400, "Throttling"), Some(ErrorClass::Throttled)),
        ("gone", Reply::elb_error(400, "RuleNotFound"), Some(ErrorClass::NotFound)),
        (
            "a group is gone",
            Reply::elb_error(400, "TargetGroupNotFound"),
            Some(ErrorClass::NotFound),
        ),
        ("done", done("ModifyRule"), None),
    ] {
        let wire = Wire::new(move |_, _| reply.clone());
        let result = run(wire.aws().set_routing(&region(), &rule(1), &expected, &set));
        assert_eq!(result.err().map(|error| error.class), class, "{situation}");
        assert_eq!(wire.operations().len(), 1, "{situation}");
    }
}

#[test]
fn what_cannot_be_meant_is_not_sent() {
    let Ok(Some(expected)) = read(&forward(&[("blue", Some(1))], "")) else {
        panic!("it is read")
    };
    let unreadable = Routing {
        actions: "{}".to_owned(),
        ..expected.clone()
    };
    let page = Routing {
        weights: BTreeMap::new(),
        actions: r#"{"type":"fixed_response","response":{"status":503,"content_type":"text/plain","body":"back soon"}}"#.to_owned(),
        answer: None,
        sticks: false,
    };
    for (situation, expected, set) in [
        ("a page, and no group is named", &page, RouteTo::Weights(weights(&[]))),
        ("a group that is not there", &expected, RouteTo::Weights(weights(&[("green", 1)]))),
        ("no weight", &expected, RouteTo::Weights(weights(&[("blue", u32::MAX)]))),
        (
            "actions that nobody can read",
            &unreadable,
            RouteTo::Weights(weights(&[("blue", 1)])),
        ),
        ("an undo that nobody can read", &expected, RouteTo::Actions(unreadable.clone())),
    ] {
        let wire = Wire::script([]);
        let error = run(wire.aws().set_routing(&region(), &rule(1), expected, &set)).err();
        assert_eq!(error.map(|error| error.class), Some(ErrorClass::Invalid), "{situation}");
        assert_eq!(wire.sent(), [], "{situation}");
    }
}
