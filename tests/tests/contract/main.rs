//! One contract per port: what every world behind it must do, played on three stages. `sim` is the simulator's cloud in
//! virtual time, `aws` the adapters over a wire whose far end answers as AWS does, `local` the adapters before the local AWS:
//! the last one only where there is one (`make contract-local`).
//!
//! A situation has a name. It arranges what is [`Stage`]'s to arrange, acts through the port alone, and says what must come
//! of it. All run on every stage. Where a stage falls short, it says so by name ([`Stage::SHORT`]); a situation that is
//! short and not on that list fails, and so does one on the list that is not short any more.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its world should stop there")]

mod aws;
#[path = "../../../shared/aws/tests/contract/cbor.rs"]
mod cbor;
mod compute;
mod discovery;
mod forecast;
mod led;
mod load_balancer;
mod local;
mod metrics;
mod operator;
#[path = "../../../shared/aws/tests/contract/reply.rs"]
mod reply;
mod rules;
#[path = "../../../shared/aws/tests/contract/sample.rs"]
#[expect(dead_code, reason = "the adapters' own tests use the rest of it")]
mod sample;
mod sim;
mod store;
mod traffic;
#[path = "../../../shared/aws/tests/contract/wire.rs"]
#[expect(dead_code, reason = "the adapters' own tests use the rest of it")]
mod wire;

use std::collections::BTreeSet;
use std::fmt::Debug;

use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{InstanceState, tag};
use ghostnet_core::plan::Launch;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{Commit, Compute, DryRun, ForecastStore, Ports, Routes, Touch, TrafficStore};
use ghostnet_sim::broken::Broken;
use serde_json::json;

use crate::aws::{OnAws, Tamper};
use crate::local::Local;
use crate::sample::{choice, launch, region};
use crate::sim::Sim;
use crate::wire::Sent;

/// A world in which a situation can be arranged, and the ports that reach it. It begins at [`sample::minute`] ten, with
/// two zones, the target group [`sample::group`] behind a listener, and an empty table.
pub(crate) trait Stage {
    /// Its ports.
    type Ports: Ports + ForecastStore;

    /// In which situations it falls short, and why.
    const SHORT: &'static [(&'static str, Why)];

    /// Its ports.
    fn ports(&self) -> &Self::Ports;

    /// Runs a call to its end. The mishap given before it is over then.
    fn run<T>(&self, call: impl Future<Output = T>) -> T;

    /// Time passes, and what is under way arrives.
    fn pass(&self, time: Seconds) -> Played;

    /// The next call meets this.
    fn mishap(&self, mishap: Mishap) -> Played;

    /// Of EC2.
    fn compute(&self, given: compute::Given) -> Played;

    /// Of ELBv2.
    fn load_balancer(&self, given: load_balancer::Given) -> Played;

    /// Of Cloud Map.
    fn discovery(&self, given: discovery::Given) -> Played;

    /// Of CloudWatch.
    fn metrics(&self, given: metrics::Given) -> Played;

    /// Of the table.
    fn store(&self, given: store::Given) -> Played;
}

/// A stage whose ports do what failover needs as well. Its situations have names of their own; a stage that has none of it, as the
/// local AWS, need not list them.
pub(crate) trait TrafficStage: Stage<Ports: Routes + TrafficStore> {
    /// Of listeners and rules.
    fn rules(&self, given: rules::Given) -> Played;

    /// Of what leads to sides and is no balancer.
    fn led(&self, given: led::Given) -> Played;
}

/// What goes wrong between a port and AWS, whatever the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The call has its effect, and every answer to it is lost.
    AnswerLost,
    /// The call has its effect, and the first answer to it is lost: what the adapter sends again is answered.
    FirstAnswerLost,
    /// AWS is unwell: no effect.
    Unwell,
    /// Calls of this name come too fast, until a minute has passed: no effect.
    TooFast(&'static str),
    /// Our role may not do it: no effect.
    Denied,
}

/// How a situation fell short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Short {
    /// It cannot be arranged on this stage.
    NotShown(&'static str),
    /// Something else came of it than must.
    Otherwise(String),
}

/// How a situation went.
pub(crate) type Played = Result<(), Short>;

/// Why a stage falls short of a situation, as it is known to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It has no such thing.
    NotShown(&'static str),
    /// It does something else: this.
    Otherwise(&'static str),
}

/// A situation by its name.
pub(crate) type Situation<S> = (&'static str, fn(&S) -> Played);

/// What must come of it.
pub(crate) fn expect<T: PartialEq + Debug>(what: &str, got: T, wanted: T) -> Played {
    if got == wanted {
        return Ok(());
    }
    Err(Short::Otherwise(format!("{what}: {got:?}, and not {wanted:?}")))
}

/// What must be so.
pub(crate) fn expect_that(what: &str, holds: bool, seen: impl Debug) -> Played {
    if holds {
        return Ok(());
    }
    Err(Short::Otherwise(format!("not so: {what}: {seen:?}")))
}

/// The result, or the class of the error: what the engine acts on.
pub(crate) fn by_class<T>(result: Result<T, PortError>) -> Result<T, ErrorClass> {
    result.map_err(|error| error.class)
}

/// Plays every situation of a port, each on a new stage.
fn play<S: Stage>(new: fn() -> S, situations: &[Situation<S>]) {
    let wrong: Vec<String> = situations
        .iter()
        .filter_map(|(name, situation)| {
            let known = S::SHORT.iter().find(|(short, _)| short == name).map(|(_, why)| *why);
            Some(format!("{name}: {}", verdict(situation(&new()), known)?))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} situations:\n{}",
        wrong.len(),
        situations.len(),
        wrong.join("\n")
    );
}

/// Plays them on the local AWS, where there is one.
fn play_locally(new: fn() -> Local, port: &str, situations: &[Situation<Local>]) {
    if local::is_named(&format!("the contract of {port} on the local AWS")) {
        play(new, situations);
    }
}

/// What is wrong with how a situation went; none if it went well, or as is known.
fn verdict(played: Played, known: Option<Why>) -> Option<String> {
    match (played, known) {
        (Ok(()), None) => None,
        (Err(Short::NotShown(why)), Some(Why::NotShown(known))) if why == known => None,
        (Err(Short::Otherwise(what)), Some(Why::Otherwise(known))) if what == known => None,
        (Ok(()), Some(_)) => Some("is as it must be: take it off the list of what this stage falls short of".to_owned()),
        (Err(Short::Otherwise(what)), _) => Some(what),
        (Err(Short::NotShown(why)), _) => Some(format!("cannot be shown, and is not known for it: {why}")),
    }
}

/// The contracts of all ports.
fn every<S: Stage>() -> Vec<Situation<S>> {
    let ports = [
        compute::situations(),
        load_balancer::situations(),
        discovery::situations(),
        metrics::situations(),
        store::situations(),
        forecast::situations(),
    ];
    ports.into_iter().flatten().collect()
}

/// The contracts of the ports that failover needs as well.
fn every_of_failover<S: TrafficStage>() -> Vec<Situation<S>> {
    [rules::situations(), led::situations(), traffic::situations()].concat()
}

#[test]
fn compute_in_the_simulated_cloud() {
    play(Sim::new, &compute::situations());
}

#[test]
fn compute_on_aws() {
    play(OnAws::new, &compute::situations());
}

#[test]
fn compute_on_the_local_aws() {
    play_locally(Local::with_network, "EC2", &compute::situations());
}

#[test]
fn load_balancer_in_the_simulated_cloud() {
    play(Sim::new, &load_balancer::situations());
}

#[test]
fn load_balancer_on_aws() {
    play(OnAws::new, &load_balancer::situations());
}

#[test]
fn load_balancer_on_the_local_aws() {
    play_locally(Local::with_network, "ELBv2", &load_balancer::situations());
}

#[test]
fn discovery_in_the_simulated_cloud() {
    play(Sim::new, &discovery::situations());
}

#[test]
fn discovery_on_aws() {
    play(OnAws::new, &discovery::situations());
}

#[test]
fn metrics_in_the_simulated_cloud() {
    play(Sim::new, &metrics::situations());
}

#[test]
fn metrics_on_aws() {
    play(OnAws::new, &metrics::situations());
}

#[test]
fn metrics_on_the_local_aws() {
    play_locally(Local::without_network, "CloudWatch", &metrics::situations());
}

#[test]
fn store_in_the_simulated_cloud() {
    play(Sim::new, &store::situations());
}

#[test]
fn store_on_aws() {
    play(OnAws::new, &store::situations());
}

#[test]
fn store_on_the_local_aws() {
    play_locally(Local::without_network, "the table", &store::situations());
}

#[test]
fn forecast_in_the_simulated_cloud() {
    play(Sim::new, &forecast::situations());
}

#[test]
fn forecast_on_aws() {
    play(OnAws::new, &forecast::situations());
}

#[test]
fn forecast_on_the_local_aws() {
    play_locally(Local::without_network, "the table of forecasts", &forecast::situations());
}

#[test]
fn rules_in_the_simulated_cloud() {
    play(Sim::new, &rules::situations());
}

#[test]
fn rules_on_aws() {
    play(OnAws::new, &rules::situations());
}

#[test]
fn what_leads_to_sides_in_the_simulated_cloud() {
    play(Sim::new, &led::situations());
}

#[test]
fn what_leads_to_sides_on_aws() {
    play(OnAws::new, &led::situations());
}

#[test]
fn traffic_in_the_simulated_cloud() {
    play(Sim::new, &traffic::situations());
}

#[test]
fn traffic_on_aws() {
    play(OnAws::new, &traffic::situations());
}

#[test]
fn a_broken_adapter_of_failover_is_found_out() {
    let cases: &[(Tamper, &str)] = &[
        (
            |sent| leave_out(sent, "Actions.member.1.ForwardConfig.TargetGroupStickinessConfig"),
            "weights of a rule that are set",
        ),
        (|sent| leave_out(sent, "xml"), "records that are set"),
        (
            |sent| leave_out(sent, "EndpointConfigurations"),
            "weights of endpoints that are set",
        ),
        (|sent| leave_out(sent, "TrafficDialPercentage"), "dials that are set"),
        (
            |sent| reword(sent, "false", "true"),
            "an address that somebody took while nobody had it",
        ),
        (
            |sent| leave_out(sent, "AllowReassociation"),
            "an address and a line that are to lead to another instance",
        ),
        (
            |sent| leave_out(sent, "DestinationCidrBlock"),
            "an address and a line that led to nobody",
        ),
        (
            |sent| reword(sent, "#version = :read", "attribute_exists(#version) OR #version = :read"),
            "a traffic commit on an older version",
        ),
        (
            |sent| {
                let said = "#version = :read OR attribute_exists(#pk) AND attribute_not_exists(#version)";
                reword(
                    sent,
                    said,
                    "#version = :read OR attribute_exists(#pk) OR attribute_not_exists(#version)",
                );
            },
            "a first traffic commit where it was deleted",
        ),
        (
            |sent| reword(sent, "#generation = :read", "attribute_exists(#generation) OR #generation = :read"),
            "a traffic commit that was decided with the capacity",
        ),
        (
            |sent| reword(sent, "ALL_OLD", "NONE"),
            "a traffic commit whose answer was lost and that is sent again much later",
        ),
    ];
    for (tamper, by) in cases {
        assert!(is_found_out(&OnAws::tampered(*tamper), &every_of_failover(), by), "{by:?}");
    }
}

#[test]
fn a_broken_cloud_of_failover_is_found_out() {
    for (broken, by) in [
        (Broken::NothingShifts, "weights of a listener that are set"),
        (Broken::NothingShifts, "weights whose answer is lost"),
        (Broken::NothingShifts, "records that are set"),
        (Broken::NothingShifts, "an address and a line that are to lead to another instance"),
        (Broken::EpochIgnored, "a traffic commit fences a commit of the capacity"),
        (
            Broken::OwnWriteForgotten,
            "a traffic commit whose answer was lost and that is sent again",
        ),
        (Broken::StaleReads, "a traffic commit on the version that was read"),
    ] {
        assert!(
            is_found_out(&Sim::with(Some(broken)), &every_of_failover(), by),
            "{broken:?} by {by:?}"
        );
    }
}

#[test]
fn what_a_stage_falls_short_of_are_situations_and_each_has_one_name() {
    let all = [every::<Sim>(), every_of_failover()].concat();
    let names: Vec<_> = all.into_iter().map(|(name, _)| name).collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
    for (short, _) in [Sim::SHORT, OnAws::SHORT, Local::SHORT].concat() {
        assert!(distinct.contains(&short), "there is no situation {short:?}");
    }
}

#[test]
fn a_verdict_is_hard_on_everything_that_is_not_known() {
    let otherwise = || Err(Short::Otherwise("x".to_owned()));
    for (situation, played, known, passes) in [
        ("as it must be", Ok(()), None, true),
        ("otherwise", otherwise(), None, false),
        ("known to be so", otherwise(), Some(Why::Otherwise("x")), true),
        (
            "known to be otherwise in another way",
            otherwise(),
            Some(Why::Otherwise("y")),
            false,
        ),
        ("known to be otherwise, and is not", Ok(()), Some(Why::Otherwise("x")), false),
        (
            "known not to be shown, and is otherwise",
            otherwise(),
            Some(Why::NotShown("x")),
            false,
        ),
        ("not shown", Err(Short::NotShown("x")), None, false),
        ("known not to be shown", Err(Short::NotShown("x")), Some(Why::NotShown("x")), true),
        (
            "not shown for another reason",
            Err(Short::NotShown("x")),
            Some(Why::NotShown("y")),
            false,
        ),
        ("known not to be shown, and is", Ok(()), Some(Why::NotShown("x")), false),
    ] {
        assert_eq!(verdict(played, known).is_none(), passes, "{situation}");
    }
}

/// The local EC2 allows everything, and judges a dry run as AWS does.
#[test]
fn what_is_tried_dry_changes_nothing_on_the_local_aws() {
    if !local::is_named("that a dry run changes nothing on the local AWS") {
        return;
    }
    let stage = Local::with_network();
    assert_eq!(stage.compute(compute::Given::Instance("i-1", InstanceState::Running)), Ok(()));
    let listed = || stage.run(stage.ports().instances(&region(), &compute::installation()));
    let before = listed().unwrap();
    assert_eq!(before.len(), 1);
    let instance = InstanceId::new("i-1");
    for touch in [Touch::Start, Touch::Stop, Touch::Tell, Touch::Terminate] {
        assert_eq!(stage.run(stage.ports().may_touch(&region(), &instance, touch)), Ok(()), "{touch:?}");
    }
    let tags = [(tag::INSTALLATION, compute::installation().to_string())];
    let choosing = Launch {
        choice: Some(choice()),
        ..launch(1)
    };
    for launch in [launch(1), choosing] {
        assert_eq!(stage.run(stage.ports().may_launch(&region(), &launch, &tags)), Ok(()));
    }
    assert_eq!(listed().unwrap(), before);
}

#[test]
fn a_broken_adapter_is_found_out_by_the_local_aws() {
    if !local::is_named("that the local AWS finds out a broken adapter") {
        return;
    }
    let cases: &[(Tamper, &str)] = &[
        (|sent| leave_out(sent, "ClientToken"), "the same token twice"),
        (|sent| leave_out(sent, "SubnetId"), "the token of a launch in another zone"),
        (|sent| leave_out(sent, "TagSpecification"), "what a launched instance carries"),
        (|sent| leave_out(sent, "Filter"), "an instance of another installation"),
        (
            |sent| leave_out(sent, "Targets.member.2"),
            "a register of an id that does not exist",
        ),
        (|sent| sent.body["EndTime"] = json!({ "time": 4e9 }), "a minute that is not over"),
        (
            |sent| reword(sent, "#generation = :read", "attribute_exists(#generation) OR #generation = :read"),
            "a commit on an older generation",
        ),
        (|sent| reword(sent, "ALL_OLD", "NONE"), "a table that another installation claimed"),
        (
            |sent| reword(sent, "attribute_exists(#pk)", "attribute_exists(#pk) OR attribute_not_exists(#pk)"),
            "looks at many fleets, one of them deleted",
        ),
    ];
    for (tamper, by) in cases {
        assert!(!Local::SHORT.iter().any(|(short, _)| short == by), "{by:?} proves nothing here");
        assert!(is_found_out(&Local::tampered(*tamper), &every(), by), "{by:?}");
    }
}

/// Plays one of these situations on a stage on which something is broken.
fn is_found_out<S: Stage>(broken: &S, situations: &[Situation<S>], by: &str) -> bool {
    let situation = situations.iter().find(|(name, _)| *name == by).map(|(_, situation)| situation);
    matches!(situation.unwrap()(broken), Err(Short::Otherwise(_)))
}

#[test]
fn a_broken_cloud_is_found_out() {
    for (broken, by) in [
        (Broken::TokensDropped, "the same token twice"),
        (Broken::TokensForgotten, "a launch whose answer is lost"),
        (Broken::ListHides, "a launch"),
        (Broken::ForeignListed, "an instance of another installation"),
        (Broken::NothingRegisters, "a register"),
        (Broken::NothingWithdraws, "a withdrawal"),
        (Broken::RegistrationsHidden, "an announcement"),
        (Broken::MissingIsZero, "a metric without a datapoint"),
        (Broken::OwnWriteForgotten, "a commit whose answer was lost and that is sent again"),
        (Broken::StaleReads, "a load before a commit and one after it"),
        (Broken::GenerationStands, "a commit on the generation that was read"),
    ] {
        assert!(is_found_out(&Sim::with(Some(broken)), &every(), by), "{broken:?} by {by:?}");
    }
}

#[test]
fn a_broken_adapter_is_found_out() {
    let cases: &[(Tamper, &str)] = &[
        (|sent| leave_out(sent, "ClientToken"), "the same token twice"),
        (|sent| leave_out(sent, "SubnetId"), "the token of a launch in another zone"),
        (|sent| sent.body["MinCount"] = sent.body["MaxCount"].clone(), "fewer than asked"),
        (|sent| leave_out(sent, "TagSpecification"), "what a launched instance carries"),
        (|sent| leave_out(sent, "Filter"), "an instance of another installation"),
        (|sent| sent.region = "eu-central-1".to_owned(), "an instance in another region"),
        (|sent| leave_out(sent, "InstanceId.2"), "a terminate with an id that does not exist"),
        (|sent| leave_out(sent, "Targets.member.2"), "a register"),
        (|sent| leave_out(sent, "Attributes"), "an announcement"),
        (|sent| leave_out(sent, "NextToken"), "more registrations than a page holds"),
        (|sent| sent.body["EndTime"] = json!({ "time": 4e9 }), "a minute that is not over"),
        (
            |sent| leave_out(sent, "AlarmTypes"),
            "an alarm in each state, and one that does not exist",
        ),
        (|sent| leave_out(sent, "ExclusiveStartKey"), "a list of many fleets"),
        (
            |sent| sent.body["RequestItems"]["table"]["ConsistentRead"] = json!(false),
            "a first commit",
        ),
        (
            |sent| reword(sent, "#generation = :read", "attribute_exists(#generation) OR #generation = :read"),
            "a commit on an older generation",
        ),
        (
            |sent| reword(sent, "#version = :read", "attribute_exists(#version) OR #version = :read"),
            "a forecast on an older version",
        ),
        (
            |sent| reword(sent, "ALL_OLD", "NONE"),
            "a commit whose answer was lost and that is sent again much later",
        ),
    ];
    for (tamper, by) in cases {
        assert!(is_found_out(&OnAws::tampered(*tamper), &every(), by), "{by:?}");
    }
}

/// Leaves out what begins so.
fn leave_out(sent: &mut Sent, name: &str) {
    if let Some(fields) = sent.body.as_object_mut() {
        fields.retain(|field, _| !field.starts_with(name));
    }
}

/// Says something else, wherever it is said.
fn reword(sent: &mut Sent, said: &str, instead: &str) {
    let [said, instead] = [said, instead].map(|words| json!(words).to_string());
    sent.body = serde_json::from_str(&sent.body.to_string().replace(&said, &instead)).unwrap();
}
