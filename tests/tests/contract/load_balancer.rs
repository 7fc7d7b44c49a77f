//! The contract of ELBv2: what the health of a target means, and membership that is all or none and attempted once.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstanceId, TargetGroupArn};
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::spec::Attribute;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::LoadBalancer;

use crate::sample::{group, region};
use crate::{Mishap, Played, Situation, Stage, by_class, compute, expect};

/// What may be so of ELBv2.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// A target of the group, of which the balancer says this.
    Target(&'static str, TargetHealth),
    /// A target that fails its checks and is deregistered.
    SickAndDraining(&'static str),
    /// A target that was never deregistered, whose instance was terminated half an hour ago.
    LongTerminated(&'static str),
    /// The group takes no further target.
    Full,
}

const HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";
const REGISTER: &str = "elasticloadbalancing:RegisterTargets";
const SET_ATTRIBUTES: &str = "elasticloadbalancing:ModifyTargetGroupAttributes";
const DEREGISTER: &str = "elasticloadbalancing:DeregisterTargets";

/// Until a registered target has passed its first check, and a deregistered one has finished its requests.
const CHECKED_AND_DRAINED: Seconds = Seconds::minutes(6);

/// The contract.
pub(crate) fn situations<S: Stage>() -> Vec<Situation<S>> {
    vec![
        ("a group without targets", |stage| expect("targets", targets(stage), Ok(Vec::new()))),
        ("a target that passes its checks", |stage| a_target(stage, TargetHealth::Healthy)),
        ("a target whose first checks still run", |stage| {
            a_target(stage, TargetHealth::Initial)
        }),
        ("a target that fails its checks", |stage| a_target(stage, TargetHealth::Unhealthy)),
        ("a target of a group that no listener uses", |stage| {
            a_target(stage, TargetHealth::Unchecked)
        }),
        ("a target whose instance is stopped", |stage| {
            a_target(stage, TargetHealth::InvalidState)
        }),
        ("a target that finishes its requests", |stage| {
            a_target(stage, TargetHealth::Draining)
        }),
        ("a target of which the balancer cannot say anything", |stage| {
            a_target(stage, TargetHealth::Unavailable)
        }),
        ("a target that failed its checks and finishes its requests", |stage| {
            stage.load_balancer(Given::SickAndDraining("i-1"))?;
            expect_targets(stage, &[("i-1", TargetHealth::Draining)])
        }),
        ("a target whose instance was terminated long ago", |stage| {
            stage.load_balancer(Given::LongTerminated("i-1"))?;
            stage.load_balancer(Given::Target("i-2", TargetHealth::Healthy))?;
            expect_targets(stage, &[("i-2", TargetHealth::Healthy)])
        }),
        ("targets of a group that does not exist", |stage| {
            expect("targets", targets_of(stage, &no_group()), Err(ErrorClass::NotFound))
        }),
        ("targets asked too fast", |stage| {
            look_meets(stage, Mishap::TooFast(HEALTH), ErrorClass::Throttled)
        }),
        ("targets while ELBv2 is unwell", |stage| {
            look_meets(stage, Mishap::Unwell, ErrorClass::Transient)
        }),
        ("targets whose answer is lost", |stage| {
            look_meets(stage, Mishap::AnswerLost, ErrorClass::Transient)
        }),
        ("a register", a_register),
        ("a register of targets that are registered", a_register_of_registered),
        ("a register of an instance that does not run yet", |stage| {
            all_or_none(stage, InstanceState::Pending)
        }),
        ("a register of an instance that is stopped", |stage| {
            all_or_none(stage, InstanceState::Stopped)
        }),
        ("a register of an instance that is gone", |stage| {
            all_or_none(stage, InstanceState::Terminated)
        }),
        ("a register of an id that does not exist", |stage| {
            two_running(stage)?;
            register_fails(stage, &["i-1", "i-unknown", "i-2"], ErrorClass::NotFound)
        }),
        ("a register in a group that does not exist", |stage| {
            two_running(stage)?;
            let registered = stage.run(stage.ports().register(&region(), &no_group(), &ids(&["i-1"])));
            expect("the answer", by_class(registered), Err(ErrorClass::NotFound))
        }),
        ("a register in a full group", |stage| {
            two_running(stage)?;
            stage.load_balancer(Given::Full)?;
            register_fails(stage, &["i-1"], ErrorClass::Quota)
        }),
        ("a register asked too fast", |stage| {
            register_meets(stage, Mishap::TooFast(REGISTER), ErrorClass::Throttled)
        }),
        ("a register that is not allowed", |stage| {
            register_meets(stage, Mishap::Denied, ErrorClass::Denied)
        }),
        ("a register while ELBv2 is unwell", |stage| {
            register_meets(stage, Mishap::Unwell, ErrorClass::Transient)
        }),
        ("a register whose answer is lost", |stage| {
            register_is_open(stage, Mishap::AnswerLost)
        }),
        ("a register whose first answer is lost", |stage| {
            register_is_open(stage, Mishap::FirstAnswerLost)
        }),
        ("a deregister", a_deregister),
        ("a deregister of what is no target", |stage| {
            stage.load_balancer(Given::Target("i-1", TargetHealth::Healthy))?;
            expect("the answer", deregister(stage, &["i-unknown"]), Ok(()))?;
            expect_targets(stage, &[("i-1", TargetHealth::Healthy)])
        }),
        ("a deregister from a group that does not exist", |stage| {
            let gone = stage.run(stage.ports().deregister(&region(), &no_group(), &ids(&["i-1"])));
            expect("the answer", by_class(gone), Err(ErrorClass::NotFound))
        }),
        ("a deregister asked too fast", |stage| {
            stage.load_balancer(Given::Target("i-1", TargetHealth::Healthy))?;
            stage.mishap(Mishap::TooFast(DEREGISTER))?;
            expect("the answer", deregister(stage, &["i-1"]), Err(ErrorClass::Throttled))?;
            expect_targets(stage, &[("i-1", TargetHealth::Healthy)])
        }),
        ("a deregister whose answer is lost", |stage| {
            deregister_is_open(stage, Mishap::AnswerLost)
        }),
        ("a deregister whose first answer is lost", |stage| {
            deregister_is_open(stage, Mishap::FirstAnswerLost)
        }),
        ("a drained target that is taken back", a_drained_target_that_is_taken_back),
        ("attributes of a group", |stage| {
            expect_attributes(stage, &[(Attribute::Algorithm, "round_robin"), (Attribute::SlowStart, "0")])
        }),
        ("attributes of a group that does not exist", |stage| {
            let read = stage.run(stage.ports().group_attributes(&region(), &no_group()));
            expect("the answer", by_class(read.map(|_| ())), Err(ErrorClass::NotFound))
        }),
        ("attributes that are set", attributes_that_are_set),
        ("attributes that are not possible together", |stage| {
            let together = [(Attribute::Algorithm, "least_outstanding_requests"), (Attribute::SlowStart, "60")];
            set_fails(stage, &together, ErrorClass::Invalid)
        }),
        ("attributes that are set in a group that does not exist", |stage| {
            let set = BTreeMap::from([(Attribute::SlowStart, "60".to_owned())]);
            let answer = stage.run(stage.ports().set_group_attributes(&region(), &no_group(), &set));
            expect("the answer", by_class(answer), Err(ErrorClass::NotFound))
        }),
        ("attributes that are set too fast", |stage| {
            stage.mishap(Mishap::TooFast(SET_ATTRIBUTES))?;
            set_fails(stage, &[(Attribute::SlowStart, "60")], ErrorClass::Throttled)
        }),
        ("attributes that our role may not set", |stage| {
            stage.mishap(Mishap::Denied)?;
            set_fails(stage, &[(Attribute::SlowStart, "60")], ErrorClass::Denied)
        }),
        ("attributes that are set while ELBv2 is unwell", |stage| {
            stage.mishap(Mishap::Unwell)?;
            set_fails(stage, &[(Attribute::SlowStart, "60")], ErrorClass::Transient)
        }),
        ("attributes that are set, and the answer is lost", |stage| {
            set_is_open(stage, Mishap::AnswerLost)
        }),
        ("attributes that are set, and the first answer is lost", |stage| {
            set_is_open(stage, Mishap::FirstAnswerLost)
        }),
    ]
}

fn a_target<S: Stage>(stage: &S, health: TargetHealth) -> Played {
    stage.load_balancer(Given::Target("i-1", health))?;
    expect_targets(stage, &[("i-1", health)])
}

fn look_meets<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass) -> Played {
    stage.load_balancer(Given::Target("i-1", TargetHealth::Healthy))?;
    stage.mishap(mishap)?;
    expect("targets", targets(stage), Err(class))?;
    stage.pass(Seconds::minutes(1))?;
    expect_targets(stage, &[("i-1", TargetHealth::Healthy)])
}

fn a_register<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    expect("the answer", register(stage, &["i-1", "i-2"]), Ok(()))?;
    expect_targets(stage, &[("i-1", TargetHealth::Initial), ("i-2", TargetHealth::Initial)])?;
    stage.pass(CHECKED_AND_DRAINED)?;
    expect_targets(stage, &[("i-1", TargetHealth::Healthy), ("i-2", TargetHealth::Healthy)])
}

/// What is registered stays as it is.
fn a_register_of_registered<S: Stage>(stage: &S) -> Played {
    stage.load_balancer(Given::Target("i-1", TargetHealth::Healthy))?;
    stage.compute(compute::Given::Instance("i-2", InstanceState::Running))?;
    expect("the answer", register(stage, &["i-1", "i-2"]), Ok(()))?;
    expect_targets(stage, &[("i-1", TargetHealth::Healthy), ("i-2", TargetHealth::Initial)])
}

/// One that does not run fails the call, and a later look decides about it.
fn all_or_none<S: Stage>(stage: &S, state: InstanceState) -> Played {
    two_running(stage)?;
    stage.compute(compute::Given::Instance("i-3", state))?;
    register_fails(stage, &["i-1", "i-3", "i-2"], ErrorClass::NotFound)
}

fn register_fails<S: Stage>(stage: &S, names: &[&str], class: ErrorClass) -> Played {
    let answer = register(stage, names);
    expect("targets", targets(stage), Ok(Vec::new()))?;
    expect("the answer", answer, Err(class))
}

fn register_meets<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass) -> Played {
    two_running(stage)?;
    stage.mishap(mishap)?;
    register_fails(stage, &["i-1"], class)
}

/// Attempted once: a late repetition could undo what somebody decided in the meantime. So it stays open.
fn register_is_open<S: Stage>(stage: &S, mishap: Mishap) -> Played {
    two_running(stage)?;
    stage.mishap(mishap)?;
    expect("the answer", register(stage, &["i-1"]), Err(ErrorClass::Transient))?;
    expect_targets(stage, &[("i-1", TargetHealth::Initial)])?;
    expect("sent again by the take-over", register(stage, &["i-1"]), Ok(()))?;
    expect_targets(stage, &[("i-1", TargetHealth::Initial)])
}

fn a_deregister<S: Stage>(stage: &S) -> Played {
    stage.load_balancer(Given::Target("i-1", TargetHealth::Healthy))?;
    stage.load_balancer(Given::Target("i-2", TargetHealth::Healthy))?;
    expect("the answer", deregister(stage, &["i-1"]), Ok(()))?;
    expect_targets(stage, &[("i-1", TargetHealth::Draining), ("i-2", TargetHealth::Healthy)])?;
    stage.pass(CHECKED_AND_DRAINED)?;
    expect_targets(stage, &[("i-2", TargetHealth::Healthy)])
}

fn deregister_is_open<S: Stage>(stage: &S, mishap: Mishap) -> Played {
    stage.load_balancer(Given::Target("i-1", TargetHealth::Healthy))?;
    stage.mishap(mishap)?;
    expect("the answer", deregister(stage, &["i-1"]), Err(ErrorClass::Transient))?;
    expect_targets(stage, &[("i-1", TargetHealth::Draining)])?;
    expect("sent again by the take-over", deregister(stage, &["i-1"]), Ok(()))?;
    expect_targets(stage, &[("i-1", TargetHealth::Draining)])
}

fn a_drained_target_that_is_taken_back<S: Stage>(stage: &S) -> Played {
    stage.load_balancer(Given::Target("i-1", TargetHealth::Draining))?;
    expect("the answer", register(stage, &["i-1"]), Ok(()))?;
    expect_targets(stage, &[("i-1", TargetHealth::Initial)])?;
    stage.pass(CHECKED_AND_DRAINED)?;
    expect_targets(stage, &[("i-1", TargetHealth::Healthy)])
}

/// The others stay as they are.
fn attributes_that_are_set<S: Stage>(stage: &S) -> Played {
    let set = [(Attribute::DeregistrationDelay, "60"), (Attribute::SlowStart, "90")];
    expect("the answer", set_attributes(stage, &set), Ok(()))?;
    expect_attributes(stage, &set)?;
    let together = [(Attribute::Algorithm, "least_outstanding_requests"), (Attribute::SlowStart, "0")];
    expect("the answer", set_attributes(stage, &together), Ok(()))?;
    expect_attributes(stage, &together)?;
    expect_attributes(stage, &[(Attribute::DeregistrationDelay, "60")])
}

/// All or none.
fn set_fails<S: Stage>(stage: &S, set: &[(Attribute, &str)], class: ErrorClass) -> Played {
    let answer = set_attributes(stage, set);
    stage.pass(Seconds::minutes(1))?;
    expect_attributes(stage, &[(Attribute::Algorithm, "round_robin"), (Attribute::SlowStart, "0")])?;
    expect("the answer", answer, Err(class))
}

/// Attempted once: a late repetition could undo what somebody set in the meantime. So it stays open.
fn set_is_open<S: Stage>(stage: &S, mishap: Mishap) -> Played {
    stage.mishap(mishap)?;
    let set = [(Attribute::SlowStart, "60")];
    expect("the answer", set_attributes(stage, &set), Err(ErrorClass::Transient))?;
    expect_attributes(stage, &set)
}

fn set_attributes<S: Stage>(stage: &S, set: &[(Attribute, &str)]) -> Result<(), ErrorClass> {
    let set = set.iter().map(|(attribute, value)| (*attribute, (*value).to_owned())).collect();
    by_class(stage.run(stage.ports().set_group_attributes(&region(), &group(), &set)))
}

/// The group has these attributes, among others.
fn expect_attributes<S: Stage>(stage: &S, wanted: &[(Attribute, &str)]) -> Played {
    let read = by_class(stage.run(stage.ports().group_attributes(&region(), &group())));
    for (attribute, value) in wanted {
        let there = read.clone().map(|read| read.get(attribute).cloned());
        expect(attribute.key(), there, Ok(Some((*value).to_owned())))?;
    }
    Ok(())
}

fn two_running<S: Stage>(stage: &S) -> Played {
    stage.compute(compute::Given::Instance("i-1", InstanceState::Running))?;
    stage.compute(compute::Given::Instance("i-2", InstanceState::Running))
}

fn no_group() -> TargetGroupArn {
    TargetGroupArn::new(format!("{}0", group()))
}

fn ids(names: &[&str]) -> Vec<InstanceId> {
    names.iter().map(|name| InstanceId::new(*name)).collect()
}

fn register<S: Stage>(stage: &S, names: &[&str]) -> Result<(), ErrorClass> {
    by_class(stage.run(stage.ports().register(&region(), &group(), &ids(names))))
}

fn deregister<S: Stage>(stage: &S, names: &[&str]) -> Result<(), ErrorClass> {
    by_class(stage.run(stage.ports().deregister(&region(), &group(), &ids(names))))
}

fn targets_of<S: Stage>(stage: &S, group: &TargetGroupArn) -> Result<Vec<(String, TargetHealth)>, ErrorClass> {
    let targets = by_class(stage.run(stage.ports().targets(&region(), group)))?;
    let mut told: Vec<_> = targets
        .into_iter()
        .map(|target| (target.instance.to_string(), target.health))
        .collect();
    told.sort();
    Ok(told)
}

fn targets<S: Stage>(stage: &S) -> Result<Vec<(String, TargetHealth)>, ErrorClass> {
    targets_of(stage, &group())
}

fn expect_targets<S: Stage>(stage: &S, wanted: &[(&str, TargetHealth)]) -> Played {
    let wanted = wanted.iter().map(|(id, health)| ((*id).to_owned(), *health)).collect();
    expect("targets", targets(stage), Ok(wanted))
}
