//! The contract of EC2: tokens, what is launched of what was asked for, lists that are whole and late, starts, stops and
//! terminations that one bad id does not stop.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::{ClientToken, InstallationId, InstanceId, InstanceType, PlanId, StepNumber, SubnetId, Zone};
use ghostnet_core::observation::{InstanceState, Market, Offering, Place, Told, tag};
use ghostnet_core::plan::Launch;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::{Compute, ListedInstance};

use crate::sample::{choice, fleet, launch, minute, plan_id, pool, region};
use crate::{Mishap, Played, Situation, Stage, by_class, expect, expect_that};

/// What may be so of EC2.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// An instance of ours, in this state.
    Instance(&'static str, InstanceState),
    /// So many running instances of ours.
    Many(usize),
    /// A running instance of another installation.
    OfAnother(&'static str),
    /// A running instance of ours in another region.
    Elsewhere(&'static str),
    /// A running instance of ours that EC2 refuses to terminate.
    Unterminable(&'static str),
    /// The status checks of the system, or of the instance, have failed for so many minutes.
    Impaired(&'static str, Checks, u32),
    /// This zone has no capacity.
    Dry(Zone),
    /// No zone has capacity of this type.
    DryOf(&'static str),
    /// The next launch gives fewer than asked for.
    FewerThanAsked,
    /// A launch is refused with this code.
    Refused(&'static str),
    /// Lists show what the next call does only when minutes have passed, and calls that name what it launches find it later still.
    ListsLag,
    /// A running instance of ours, which lists show and calls that name it find only when minutes have passed.
    NotFoundYet(&'static str),
    /// The last page of a list cannot be had.
    NoLastPage,
}

/// EC2's two kinds of status checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checks {
    System,
    Instance,
}

const RUN: &str = "ec2:RunInstances";
const CREATE: &str = "ec2:CreateFleet";
const DESCRIBE: &str = "ec2:DescribeInstances";
const STATUS: &str = "ec2:DescribeInstanceStatus";
const TAG: &str = "ec2:CreateTags";
const TERMINATE: &str = "ec2:TerminateInstances";

/// Until lists show what just happened.
const SETTLED: Seconds = Seconds(10);

/// The contract.
pub(crate) fn situations<S: Stage>() -> Vec<Situation<S>> {
    vec![
        ("a launch", a_launch),
        ("the same token twice", the_same_token_twice),
        ("another token", another_token),
        ("the token of another launch", the_token_of_another_launch),
        ("the token of a launch in another zone", the_token_of_a_launch_in_another_zone),
        ("the token of a launch whose instances are gone", the_token_of_a_launch_that_is_gone),
        ("no capacity in the zone", no_capacity_in_the_zone),
        ("fewer than asked", fewer_than_asked),
        ("fewer than asked, and the same token again", fewer_than_asked_and_again),
        ("the quota is reached", |stage| {
            refused(stage, "VcpuLimitExceeded", ErrorClass::Quota)
        }),
        ("a launch with a choice", a_launch_with_a_choice),
        ("the same token twice, with a choice", the_same_token_twice_with_a_choice),
        ("a choice of which one type has capacity", a_choice_of_which_one_type_has_capacity),
        ("a choice of which no type has capacity", a_choice_of_which_no_type_has_capacity),
        ("a choice at the quota", a_choice_at_the_quota),
        ("a choice whose answer is lost", a_choice_whose_answer_is_lost),
        ("a choice asked too fast", |stage| {
            stage.mishap(Mishap::TooFast(CREATE))?;
            expect("the launch", choose(stage, 2), Err(ErrorClass::Throttled))?;
            all_that_exists(stage, &BTreeSet::new())
        }),
        ("a spot launch", a_spot_launch),
        ("the quota of spot is reached", the_quota_of_spot_is_reached),
        ("a subnet without a free address", |stage| {
            refused(stage, "InsufficientFreeAddressesInSubnet", ErrorClass::Subnet)
        }),
        ("a launch template that does not exist", |stage| {
            refused(stage, "InvalidLaunchTemplateName.NotFoundException", ErrorClass::Invalid)
        }),
        ("a launch that is not allowed", |stage| {
            launch_meets(stage, Mishap::Denied, ErrorClass::Denied)
        }),
        ("a launch asked too fast", |stage| {
            launch_meets(stage, Mishap::TooFast(RUN), ErrorClass::Throttled)
        }),
        ("a launch while EC2 is unwell", |stage| {
            launch_meets(stage, Mishap::Unwell, ErrorClass::Transient)
        }),
        ("a launch whose answer is lost", a_launch_whose_answer_is_lost),
        ("a launch whose first answer is lost", a_launch_whose_first_answer_is_lost),
        (
            "an instance that was just launched is not listed yet",
            a_launch_that_is_not_listed_yet,
        ),
        (
            "an instance that was just launched is not found by its id yet",
            a_launch_that_is_not_found_yet,
        ),
        ("an installation without instances", |stage| {
            expect("the list", listed_ids(stage), Ok(BTreeSet::new()))
        }),
        ("an instance in each state", an_instance_in_each_state),
        ("what a launched instance carries", what_a_launched_instance_carries),
        ("the tag keys of an instance", the_tag_keys_of_an_instance),
        ("an instance of another installation", |stage| {
            stage.compute(Given::OfAnother("i-theirs"))?;
            only_ours_is_listed(stage)
        }),
        ("an instance in another region", |stage| {
            stage.compute(Given::Elsewhere("i-far"))?;
            only_ours_is_listed(stage)
        }),
        ("a list of several pages", a_list_of_several_pages),
        ("a list whose last page fails", a_list_whose_last_page_fails),
        ("a list asked too fast", |stage| {
            list_meets(stage, Mishap::TooFast(DESCRIBE), ErrorClass::Throttled)
        }),
        ("a list that is not allowed", |stage| {
            list_meets(stage, Mishap::Denied, ErrorClass::Denied)
        }),
        ("a list whose answer is lost", |stage| {
            list_meets(stage, Mishap::AnswerLost, ErrorClass::Transient)
        }),
        ("status checks of which none fails", status_checks_that_pass),
        ("status checks that fail", status_checks_that_fail),
        (
            "status checks that fail, of one that does not run any more",
            status_checks_of_a_stopped_one,
        ),
        ("status checks asked too fast", |stage| {
            status_checks_meet(stage, Mishap::TooFast(STATUS), ErrorClass::Throttled)
        }),
        ("status checks that are not allowed", |stage| {
            status_checks_meet(stage, Mishap::Denied, ErrorClass::Denied)
        }),
        ("a start", a_start),
        ("a start of one that runs", a_start_of_one_that_runs),
        ("a start with instances that cannot be started", a_start_that_fails_in_part),
        ("a start without capacity in the zone", a_start_without_capacity),
        ("a start whose answer is lost", a_start_whose_answer_is_lost),
        ("a start while EC2 is unwell", a_start_while_ec2_is_unwell),
        ("a stop", a_stop),
        ("a stop of one that is stopped", a_stop_of_one_that_is_stopped),
        ("a stop with an id that does not exist", a_stop_with_an_unknown_id),
        ("a stop whose answer is lost", a_stop_whose_answer_is_lost),
        ("a stop, and then a start", a_stop_and_then_a_start),
        ("a word to instances", a_word),
        ("another word", another_word),
        ("a word to one that does not exist", a_word_to_one_that_does_not_exist),
        ("a word that is not allowed", |stage| {
            word_meets(stage, Mishap::Denied, ErrorClass::Denied, None)
        }),
        ("a word asked too fast", |stage| {
            word_meets(stage, Mishap::TooFast(TAG), ErrorClass::Throttled, None)
        }),
        ("a word while EC2 is unwell", |stage| {
            word_meets(stage, Mishap::Unwell, ErrorClass::Transient, None)
        }),
        ("a word whose answer is lost", |stage| {
            word_meets(stage, Mishap::AnswerLost, ErrorClass::Transient, Some(Told::Draining))
        }),
        ("a terminate", a_terminate),
        ("a terminate that is not listed yet", a_terminate_that_is_not_listed_yet),
        ("a terminate with an id that does not exist", a_terminate_with_an_unknown_id),
        (
            "a terminate with an instance that is listed and not found",
            a_terminate_of_one_that_is_not_found_yet,
        ),
        ("a terminate with an instance that is gone", a_terminate_of_one_that_is_gone),
        (
            "a terminate with an instance that was gone long ago",
            a_terminate_of_one_that_was_gone_long_ago,
        ),
        (
            "a terminate with an instance that EC2 refuses to terminate",
            a_terminate_that_fails_in_part,
        ),
        ("a terminate asked too fast", |stage| {
            terminate_meets(stage, Mishap::TooFast(TERMINATE), ErrorClass::Throttled, InstanceState::Running)
        }),
        ("a terminate while EC2 is unwell", |stage| {
            terminate_meets(stage, Mishap::Unwell, ErrorClass::Transient, InstanceState::Running)
        }),
        ("a terminate whose answer is lost", |stage| {
            terminate_meets(stage, Mishap::AnswerLost, ErrorClass::Transient, InstanceState::Terminated)
        }),
    ]
}

fn a_launch<S: Stage>(stage: &S) -> Played {
    let launched = run_instances(stage, &launch(3))?;
    expect("instances", launched.len(), 3)?;
    all_that_exists(stage, &launched)
}

fn the_same_token_twice<S: Stage>(stage: &S) -> Played {
    let first = run_instances(stage, &launch(2))?;
    expect("the second answer", run_instances(stage, &launch(2))?, first.clone())?;
    all_that_exists(stage, &first)
}

fn another_token<S: Stage>(stage: &S) -> Played {
    let mut all = run_instances(stage, &launch(2))?;
    all.extend(run_instances(stage, &with_token("other", launch(2)))?);
    expect("different instances", all.len(), 4)?;
    all_that_exists(stage, &all)
}

fn the_token_of_another_launch<S: Stage>(stage: &S) -> Played {
    let first = run_instances(stage, &launch(1))?;
    for (what, other) in [("another count", launch(2)), ("another type", of_type("m7a.large", launch(1)))] {
        expect(what, try_launch(stage, &other), Err(ErrorClass::Token))?;
    }
    all_that_exists(stage, &first)
}

/// Tokens are zonal: to EC2 this is another launch, which is why a token must cover the zone.
fn the_token_of_a_launch_in_another_zone<S: Stage>(stage: &S) -> Played {
    let mut all = run_instances(stage, &launch(1))?;
    all.extend(run_instances(stage, &in_zone_b(launch(1)))?);
    expect("different instances", all.len(), 2)?;
    all_that_exists(stage, &all)
}

fn the_token_of_a_launch_that_is_gone<S: Stage>(stage: &S) -> Played {
    let ids: Vec<_> = run_instances(stage, &launch(1))?.into_iter().collect();
    // until then it may not be found
    stage.pass(SETTLED)?;
    expect(
        "the end",
        by_class(stage.run(stage.ports().terminate(&region(), &ids))),
        Ok([].into()),
    )?;
    stage.pass(Seconds::minutes(2))?;
    expect("the same token", try_launch(stage, &launch(1)), Err(ErrorClass::Token))
}

fn no_capacity_in_the_zone<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Dry(launch(1).place.zone))?;
    expect("there", try_launch(stage, &launch(2)), Err(ErrorClass::NoCapacity))?;
    let elsewhere = run_instances(stage, &in_zone_b(launch(2)))?;
    expect("elsewhere", elsewhere.len(), 2)?;
    all_that_exists(stage, &elsewhere)
}

fn fewer_than_asked<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::FewerThanAsked)?;
    let launched = run_instances(stage, &launch(4))?;
    expect_that("one to three instances", (1..=3).contains(&launched.len()), &launched)?;
    all_that_exists(stage, &launched)
}

/// What was missing the first time is not launched the second.
fn fewer_than_asked_and_again<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::FewerThanAsked)?;
    let first = run_instances(stage, &launch(4))?;
    expect("the second answer", run_instances(stage, &launch(4))?, first.clone())?;
    all_that_exists(stage, &first)
}

/// A spot launch of either of two types: instances, and types that gave none with their class.
type Chosen = Result<(BTreeSet<InstanceId>, BTreeSet<(String, ErrorClass)>), ErrorClass>;

fn choose<S: Stage>(stage: &S, count: u32) -> Chosen {
    let choice = choice();
    let launch = Launch {
        choice: Some(choice.clone()),
        ..as_spot(launch(count))
    };
    let answer = by_class(stage.run(stage.ports().create_fleet(&region(), &launch, &choice, &tags())))?;
    let refused = answer.refused.into_iter().map(|refused| {
        let instance_type = refused.offering.instance_type.map(|name| name.to_string());
        (instance_type.unwrap_or_default(), refused.class)
    });
    Ok((answer.instances.into_iter().collect(), refused.collect()))
}

/// A choice that must give instances.
fn chosen<S: Stage>(stage: &S, count: u32) -> Result<BTreeSet<InstanceId>, crate::Short> {
    let answer = choose(stage, count);
    expect_that("the launch succeeds", answer.is_ok(), &answer)?;
    Ok(answer.unwrap_or_default().0)
}

fn a_launch_with_a_choice<S: Stage>(stage: &S) -> Played {
    let launched = chosen(stage, 3)?;
    expect("instances", launched.len(), 3)?;
    all_that_exists(stage, &launched)?;
    let listed = list(stage).unwrap_or_default();
    let known = |one: &ListedInstance| one.instance.market == Market::Spot && one.instance.step == Some(StepNumber(2));
    expect_that("spot, with the tags of the step", listed.iter().all(known), &listed)
}

fn the_same_token_twice_with_a_choice<S: Stage>(stage: &S) -> Played {
    let first = chosen(stage, 2)?;
    expect("the second answer", chosen(stage, 2)?, first.clone())?;
    all_that_exists(stage, &first)
}

fn a_choice_of_which_one_type_has_capacity<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::DryOf("c7a.large"))?;
    let launched = chosen(stage, 2)?;
    expect("instances", launched.len(), 2)?;
    all_that_exists(stage, &launched)?;
    let types: BTreeSet<_> = list(stage)
        .unwrap_or_default()
        .into_iter()
        .map(|one| one.instance.instance_type.to_string())
        .collect();
    expect("their types", types, BTreeSet::from(["m7a.large".to_owned()]))
}

fn a_choice_of_which_no_type_has_capacity<S: Stage>(stage: &S) -> Played {
    for instance_type in ["c7a.large", "m7a.large"] {
        stage.compute(Given::DryOf(instance_type))?;
    }
    let refused = ["c7a.large", "m7a.large"].map(|name| (name.to_owned(), ErrorClass::NoCapacity));
    expect("the answer", choose(stage, 2), Ok((BTreeSet::new(), refused.into())))?;
    all_that_exists(stage, &BTreeSet::new())
}

fn a_choice_at_the_quota<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Refused("MaxSpotInstanceCountExceeded"))?;
    let (launched, refused) = choose(stage, 2).unwrap_or_default();
    let quota = refused.iter().all(|(_, class)| *class == ErrorClass::Quota);
    expect_that(
        "the quota, and nothing else",
        launched.is_empty() && !refused.is_empty() && quota,
        &refused,
    )?;
    all_that_exists(stage, &BTreeSet::new())
}

fn a_choice_whose_answer_is_lost<S: Stage>(stage: &S) -> Played {
    stage.mishap(Mishap::AnswerLost)?;
    expect("the launch", choose(stage, 2), Err(ErrorClass::Transient))?;
    let launched = chosen(stage, 2)?;
    expect("the same token", launched.len(), 2)?;
    all_that_exists(stage, &launched)
}

fn a_spot_launch<S: Stage>(stage: &S) -> Played {
    let spot = run_instances(stage, &as_spot(launch(1)))?;
    let mut all = run_instances(stage, &with_token("other", launch(1)))?;
    stage.pass(SETTLED)?;
    let listed = list(stage).unwrap_or_default();
    let is_spot = |one: &&ListedInstance| one.instance.market == Market::Spot;
    let of_spot: BTreeSet<_> = listed.iter().filter(is_spot).map(|one| one.instance.id.clone()).collect();
    expect("what is listed as spot", &of_spot, &spot)?;
    all.extend(spot);
    all_that_exists(stage, &all)
}

fn the_quota_of_spot_is_reached<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Refused("MaxSpotInstanceCountExceeded"))?;
    expect("the launch", try_launch(stage, &as_spot(launch(1))), Err(ErrorClass::Quota))?;
    all_that_exists(stage, &BTreeSet::new())
}

fn refused<S: Stage>(stage: &S, code: &'static str, class: ErrorClass) -> Played {
    stage.compute(Given::Refused(code))?;
    expect("the launch", try_launch(stage, &launch(1)), Err(class))?;
    all_that_exists(stage, &BTreeSet::new())
}

/// A mishap without effect: nothing is launched, and later the same token launches.
fn launch_meets<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass) -> Played {
    stage.mishap(mishap)?;
    expect("the launch", try_launch(stage, &launch(2)), Err(class))?;
    stage.pass(Seconds::minutes(1))?;
    all_that_exists(stage, &BTreeSet::new())?;
    let launched = run_instances(stage, &launch(2))?;
    expect("the same token", launched.len(), 2)?;
    all_that_exists(stage, &launched)
}

fn a_launch_whose_answer_is_lost<S: Stage>(stage: &S) -> Played {
    stage.mishap(Mishap::AnswerLost)?;
    expect("the launch", try_launch(stage, &launch(2)), Err(ErrorClass::Transient))?;
    let launched = run_instances(stage, &launch(2))?;
    expect("the same token", launched.len(), 2)?;
    all_that_exists(stage, &launched)
}

fn a_launch_whose_first_answer_is_lost<S: Stage>(stage: &S) -> Played {
    stage.mishap(Mishap::FirstAnswerLost)?;
    let launched = run_instances(stage, &launch(2))?;
    all_that_exists(stage, &launched)
}

fn a_launch_that_is_not_listed_yet<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Instance("i-old", InstanceState::Running))?;
    stage.compute(Given::ListsLag)?;
    let launched = run_instances(stage, &launch(1))?;
    expect("the list at once", listed_ids(stage), Ok(ids(&["i-old"])))?;
    stage.pass(Seconds::minutes(5))?;
    expect("the list later", listed_ids(stage), Ok(&ids(&["i-old"]) | &launched))
}

/// A call that names it says that it is not there, and does nothing: it is there.
fn a_launch_that_is_not_found_yet<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::ListsLag)?;
    let launched = run_instances(stage, &launch(1))?;
    let id = launched.first().map(ToString::to_string).unwrap_or_default();
    let one = [id.as_str()];
    let failed = vec![(id.clone(), "InvalidInstanceID.NotFound".to_owned())];
    expect("a word", tell(stage, &one, Told::Draining), Err(ErrorClass::NotFound))?;
    expect("a start", start(stage, &one), Ok(failed.clone()))?;
    expect("a stop", stop(stage, &one), Ok(failed))?;
    expect("a terminate", terminate(stage, &one), Err(ErrorClass::NotFound))?;
    stage.pass(Seconds::minutes(10))?;
    expect_states(stage, &[(id.as_str(), InstanceState::Running)])?;
    expect("a word later", tell(stage, &one, Told::Draining), Ok(()))?;
    expect("a terminate later", terminate(stage, &one), Ok(Vec::new()))?;
    stage.pass(SETTLED)?;
    expect_states(stage, &[(id.as_str(), InstanceState::ShuttingDown)])
}

fn an_instance_in_each_state<S: Stage>(stage: &S) -> Played {
    let states = [
        ("i-pending", InstanceState::Pending),
        ("i-running", InstanceState::Running),
        ("i-shutting-down", InstanceState::ShuttingDown),
        ("i-terminated", InstanceState::Terminated),
        ("i-stopping", InstanceState::Stopping),
        ("i-stopped", InstanceState::Stopped),
    ];
    for (id, state) in states {
        stage.compute(Given::Instance(id, state))?;
    }
    let listed = list(stage).map(|listed| states_of(&listed));
    expect(
        "the list",
        listed,
        Ok(states.map(|(id, state)| (InstanceId::new(id), state)).into()),
    )
}

fn what_a_launched_instance_carries<S: Stage>(stage: &S) -> Played {
    let launched = run_instances(stage, &in_zone_b(of_type("m7a.large", launch(1))))?;
    stage.pass(SETTLED)?;
    let listed = list(stage).unwrap_or_default();
    let [one] = &listed[..] else {
        return expect_that("one instance", false, &listed);
    };
    let instance = &one.instance;
    expect("id", Some(&instance.id), launched.first())?;
    expect("zone", &instance.zone, &Zone::new("eu-west-1b"))?;
    expect("type", instance.instance_type.as_str(), "m7a.large")?;
    expect("fleet", one.fleet.as_ref(), Some(&fleet()))?;
    expect("pool", instance.pool.as_ref(), Some(&pool()))?;
    expect(
        "plan and step",
        (&instance.plan, instance.step),
        (&Some(plan()), Some(StepNumber(2))),
    )?;
    expect("protected, which only a spec can tell", instance.protected, false)?;
    let launched_at = instance.launched_at;
    expect_that("launched now", (minute(10)..minute(11)).contains(&launched_at), launched_at)
}

fn the_tag_keys_of_an_instance<S: Stage>(stage: &S) -> Played {
    run_instances(stage, &launch(1))?;
    stage.pass(SETTLED)?;
    let keys: BTreeSet<_> = list(stage).unwrap_or_default().into_iter().flat_map(|one| one.tag_keys).collect();
    let missing = tags().into_iter().filter(|(key, _)| !keys.contains(*key)).count();
    expect("missing keys", missing, 0)
}

fn only_ours_is_listed<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Instance("i-ours", InstanceState::Running))?;
    expect("the list", listed_ids(stage), Ok(ids(&["i-ours"])))
}

fn a_list_of_several_pages<S: Stage>(stage: &S) -> Played {
    const MANY: usize = 2_500;
    stage.compute(Given::Many(MANY))?;
    let listed = list(stage).unwrap_or_default();
    let distinct: BTreeSet<_> = listed.iter().map(|one| &one.instance.id).collect();
    expect("instances, and different ones", (listed.len(), distinct.len()), (MANY, MANY))
}

/// A part is never returned, because absence from a part says nothing.
fn a_list_whose_last_page_fails<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Many(2_500))?;
    stage.compute(Given::NoLastPage)?;
    expect("the list", list(stage).map(|listed| listed.len()), Err(ErrorClass::Transient))
}

fn list_meets<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass) -> Played {
    stage.compute(Given::Instance("i-ours", InstanceState::Running))?;
    stage.mishap(mishap)?;
    expect("the list", listed_ids(stage), Err(class))?;
    stage.pass(Seconds::minutes(1))?;
    expect("the list later", listed_ids(stage), Ok(ids(&["i-ours"])))
}

fn status_checks_that_pass<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    expect("who fails", failing(stage), Ok(Vec::new()))
}

/// Of whoever has them in the region: the call knows no tags.
fn status_checks_that_fail<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    for (id, checks, minutes) in [("i-3", Checks::System, 9), ("i-4", Checks::Instance, 7)] {
        stage.compute(Given::Instance(id, InstanceState::Running))?;
        stage.compute(Given::Impaired(id, checks, minutes))?;
    }
    expect("who fails", failing(stage), Ok(vec![("i-3".to_owned(), 1), ("i-4".to_owned(), 3)]))
}

fn status_checks_of_a_stopped_one<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Instance("i-1", InstanceState::Stopped))?;
    stage.compute(Given::Impaired("i-1", Checks::System, 9))?;
    expect("who fails", failing(stage), Ok(Vec::new()))
}

fn status_checks_meet<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass) -> Played {
    stage.compute(Given::Instance("i-ours", InstanceState::Running))?;
    stage.mishap(mishap)?;
    expect("who fails", failing(stage), Err(class))
}

/// Whose status checks fail, and since which minute: a stage begins in the tenth.
fn failing<S: Stage>(stage: &S) -> Result<Vec<(String, u32)>, ErrorClass> {
    let failing = by_class(stage.run(stage.ports().impaired(&region())))?;
    let minutes = |since| Seconds::between(minute(0), since).0 / 60;
    Ok(failing.into_iter().map(|(id, since)| (id.to_string(), minutes(since))).collect())
}

fn a_word<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    expect("the answer", tell(stage, &["i-1"], Told::Draining), Ok(()))?;
    expect_told(stage, [("i-1", Some(Told::Draining)), ("i-2", None)])?;
    // nobody but the instance itself says that it is ready, or has finished
    let words = list(stage).unwrap_or_default().into_iter().map(|one| one.instance.word);
    expect("words of their own", words.filter(|word| word.drained).count(), 0)
}

/// The later word holds, and the first may be said again.
fn another_word<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    for told in [Told::Draining, Told::Draining, Told::Serving] {
        expect("the answer", tell(stage, &["i-1", "i-2"], told), Ok(()))?;
        expect_told(stage, [("i-1", Some(told)), ("i-2", Some(told))])?;
    }
    Ok(())
}

/// All or none.
fn a_word_to_one_that_does_not_exist<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    let answer = tell(stage, &["i-1", "i-unknown"], Told::Draining);
    expect("the answer", answer, Err(ErrorClass::NotFound))?;
    expect_told(stage, [("i-1", None), ("i-2", None)])
}

/// It is attempted once: a late second could say the opposite of what was decided meanwhile.
fn word_meets<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass, then: Option<Told>) -> Played {
    two_running(stage)?;
    stage.mishap(mishap)?;
    expect("the answer", tell(stage, &["i-1"], Told::Draining), Err(class))?;
    stage.pass(Seconds::minutes(1))?;
    expect_told(stage, [("i-1", then), ("i-2", None)])?;
    expect("the answer later", tell(stage, &["i-1"], Told::Serving), Ok(()))?;
    expect_told(stage, [("i-1", Some(Told::Serving)), ("i-2", None)])
}

fn tell<S: Stage>(stage: &S, names: &[&str], told: Told) -> Result<(), ErrorClass> {
    let ids: Vec<_> = names.iter().map(|name| InstanceId::new(*name)).collect();
    by_class(stage.run(stage.ports().tell(&region(), &ids, told)))
}

fn expect_told<S: Stage>(stage: &S, told: [(&str, Option<Told>); 2]) -> Played {
    let seen = list(stage).map(|listed| listed.into_iter().map(|one| (one.instance.id, one.instance.word.told)).collect());
    let expected: BTreeMap<_, _> = told.map(|(id, told)| (InstanceId::new(id), told)).into();
    expect("the list", seen, Ok(expected))
}

fn a_terminate<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    expect("the answer", terminate(stage, &["i-1"]), Ok(Vec::new()))?;
    stage.pass(SETTLED)?;
    let states = [("i-1", InstanceState::ShuttingDown), ("i-2", InstanceState::Running)];
    expect_states(stage, &states)?;
    stage.pass(Seconds::minutes(2))?;
    expect_states(stage, &[("i-1", InstanceState::Terminated), ("i-2", InstanceState::Running)])
}

fn a_terminate_that_is_not_listed_yet<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    stage.compute(Given::ListsLag)?;
    expect("the answer", terminate(stage, &["i-1"]), Ok(Vec::new()))?;
    expect_states(stage, &[("i-1", InstanceState::Running), ("i-2", InstanceState::Running)])?;
    stage.pass(Seconds::minutes(5))?;
    expect_states(stage, &[("i-1", InstanceState::Terminated), ("i-2", InstanceState::Running)])
}

fn a_start<S: Stage>(stage: &S) -> Played {
    two(stage, InstanceState::Stopped)?;
    expect("the answer", start(stage, &["i-1", "i-2"]), Ok(Vec::new()))?;
    stage.pass(Seconds::minutes(5))?;
    expect_states(stage, &[("i-1", InstanceState::Running), ("i-2", InstanceState::Running)])
}

fn a_start_of_one_that_runs<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Instance("i-1", InstanceState::Running))?;
    expect("the answer", start(stage, &["i-1"]), Ok(Vec::new()))?;
    expect_states(stage, &[("i-1", InstanceState::Running)])
}

/// One bad id does not stop the others.
fn a_start_that_fails_in_part<S: Stage>(stage: &S) -> Played {
    two(stage, InstanceState::Stopped)?;
    stage.compute(Given::Instance("i-3", InstanceState::Stopping))?;
    let failed = [("i-3", "IncorrectInstanceState"), ("i-unknown", "InvalidInstanceID.NotFound")];
    let failed = failed.map(|(id, code)| (id.to_owned(), code.to_owned())).to_vec();
    expect("the answer", start(stage, &["i-1", "i-unknown", "i-3", "i-2"]), Ok(failed))?;
    stage.pass(Seconds::minutes(5))?;
    let listed = list(stage).map(|listed| states_of(&listed)).unwrap_or_default();
    let runs = |id: &str| listed.contains(&(InstanceId::new(id), InstanceState::Running));
    expect("who runs", (runs("i-1"), runs("i-2"), runs("i-3")), (true, true, false))
}

fn a_start_without_capacity<S: Stage>(stage: &S) -> Played {
    two(stage, InstanceState::Stopped)?;
    stage.compute(Given::Dry(Zone::new("eu-west-1a")))?;
    expect("the answer", start(stage, &["i-1", "i-2"]), Err(ErrorClass::NoCapacity))?;
    stage.pass(Seconds::minutes(5))?;
    expect_states(stage, &[("i-1", InstanceState::Stopped), ("i-2", InstanceState::Stopped)])
}

fn a_start_whose_answer_is_lost<S: Stage>(stage: &S) -> Played {
    two(stage, InstanceState::Stopped)?;
    stage.mishap(Mishap::AnswerLost)?;
    expect("the answer", start(stage, &["i-1", "i-2"]), Err(ErrorClass::Transient))?;
    stage.pass(Seconds::minutes(5))?;
    expect_states(stage, &[("i-1", InstanceState::Running), ("i-2", InstanceState::Running)])
}

fn a_start_while_ec2_is_unwell<S: Stage>(stage: &S) -> Played {
    two(stage, InstanceState::Stopped)?;
    stage.mishap(Mishap::Unwell)?;
    expect("the answer", start(stage, &["i-1", "i-2"]), Err(ErrorClass::Transient))?;
    stage.pass(Seconds::minutes(5))?;
    expect_states(stage, &[("i-1", InstanceState::Stopped), ("i-2", InstanceState::Stopped)])
}

fn a_stop<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    expect("the answer", stop(stage, &["i-1"]), Ok(Vec::new()))?;
    stage.pass(SETTLED)?;
    expect_states(stage, &[("i-1", InstanceState::Stopping), ("i-2", InstanceState::Running)])?;
    stage.pass(Seconds::minutes(5))?;
    expect_states(stage, &[("i-1", InstanceState::Stopped), ("i-2", InstanceState::Running)])
}

fn a_stop_of_one_that_is_stopped<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Instance("i-1", InstanceState::Stopped))?;
    expect("the answer", stop(stage, &["i-1"]), Ok(Vec::new()))?;
    stage.pass(SETTLED)?;
    expect_states(stage, &[("i-1", InstanceState::Stopped)])
}

fn a_stop_with_an_unknown_id<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    let failed = vec![("i-unknown".to_owned(), "InvalidInstanceID.NotFound".to_owned())];
    expect("the answer", stop(stage, &["i-1", "i-unknown", "i-2"]), Ok(failed))?;
    stage.pass(Seconds::minutes(5))?;
    expect_states(stage, &[("i-1", InstanceState::Stopped), ("i-2", InstanceState::Stopped)])
}

fn a_stop_whose_answer_is_lost<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    stage.mishap(Mishap::AnswerLost)?;
    expect("the answer", stop(stage, &["i-1"]), Err(ErrorClass::Transient))?;
    stage.pass(Seconds::minutes(5))?;
    expect_states(stage, &[("i-1", InstanceState::Stopped), ("i-2", InstanceState::Running)])
}

/// The launch time is that of the last start: warm-up and grace count from there.
fn a_stop_and_then_a_start<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Instance("i-1", InstanceState::Running))?;
    let launched = |stage: &S| list(stage).map(|listed| listed.first().map(|one| one.instance.launched_at));
    let first = launched(stage);
    expect("the answer", stop(stage, &["i-1"]), Ok(Vec::new()))?;
    stage.pass(Seconds::minutes(5))?;
    expect("the launch time", launched(stage), first)?;
    expect("the answer", start(stage, &["i-1"]), Ok(Vec::new()))?;
    stage.pass(Seconds::minutes(5))?;
    expect_that("it was launched later", launched(stage) > first, launched(stage))
}

/// The others are terminated. Of that one nobody can know: a later list tells whether it is there.
fn a_terminate_with_an_unknown_id<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    let answer = terminate(stage, &["i-1", "i-unknown", "i-2"]);
    expect("the answer", answer, Err(ErrorClass::NotFound))?;
    stage.pass(SETTLED)?;
    expect_states(stage, &[("i-1", InstanceState::ShuttingDown), ("i-2", InstanceState::ShuttingDown)])
}

/// It runs on, and is terminated by the same call once EC2 finds it.
fn a_terminate_of_one_that_is_not_found_yet<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Instance("i-1", InstanceState::Running))?;
    stage.compute(Given::NotFoundYet("i-2"))?;
    let both = ["i-1", "i-2"];
    expect("the answer", terminate(stage, &both), Err(ErrorClass::NotFound))?;
    stage.pass(SETTLED)?;
    expect_states(stage, &[("i-1", InstanceState::ShuttingDown), ("i-2", InstanceState::Running)])?;
    stage.pass(Seconds::minutes(10))?;
    expect("the answer later", terminate(stage, &both), Ok(Vec::new()))?;
    stage.pass(SETTLED)?;
    expect_states(stage, &[("i-1", InstanceState::Terminated), ("i-2", InstanceState::ShuttingDown)])
}

/// EC2 knows it no more, neither by its id nor in a list, and says the same of it as of one that it does not know yet.
fn a_terminate_of_one_that_was_gone_long_ago<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    expect("the answer", terminate(stage, &["i-1"]), Ok(Vec::new()))?;
    stage.pass(Seconds::minutes(120))?;
    expect_states(stage, &[("i-2", InstanceState::Running)])?;
    expect("the answer", terminate(stage, &["i-1", "i-2"]), Err(ErrorClass::NotFound))?;
    stage.pass(SETTLED)?;
    expect_states(stage, &[("i-2", InstanceState::ShuttingDown)])
}

fn a_terminate_of_one_that_is_gone<S: Stage>(stage: &S) -> Played {
    stage.compute(Given::Instance("i-1", InstanceState::Terminated))?;
    stage.compute(Given::Instance("i-2", InstanceState::Running))?;
    expect("the answer", terminate(stage, &["i-1", "i-2"]), Ok(Vec::new()))?;
    stage.pass(SETTLED)?;
    expect_states(stage, &[("i-1", InstanceState::Terminated), ("i-2", InstanceState::ShuttingDown)])
}

/// One bad id does not stop the others.
fn a_terminate_that_fails_in_part<S: Stage>(stage: &S) -> Played {
    two_running(stage)?;
    stage.compute(Given::Unterminable("i-3"))?;
    let failed = vec![("i-3".to_owned(), "OperationNotPermitted".to_owned())];
    expect("the answer", terminate(stage, &["i-1", "i-3", "i-2"]), Ok(failed))?;
    stage.pass(SETTLED)?;
    expect_states(
        stage,
        &[
            ("i-1", InstanceState::ShuttingDown),
            ("i-2", InstanceState::ShuttingDown),
            ("i-3", InstanceState::Running),
        ],
    )
}

fn terminate_meets<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass, then: InstanceState) -> Played {
    two_running(stage)?;
    stage.mishap(mishap)?;
    expect("the answer", terminate(stage, &["i-1", "i-2"]), Err(class))?;
    stage.pass(Seconds::minutes(1))?;
    expect_states(stage, &[("i-1", then), ("i-2", then)])?;
    expect("the answer later", terminate(stage, &["i-1", "i-2"]), Ok(Vec::new()))?;
    stage.pass(Seconds::minutes(1))?;
    expect_states(stage, &[("i-1", InstanceState::Terminated), ("i-2", InstanceState::Terminated)])
}

fn two_running<S: Stage>(stage: &S) -> Played {
    two(stage, InstanceState::Running)
}

fn two<S: Stage>(stage: &S, state: InstanceState) -> Played {
    stage.compute(Given::Instance("i-1", state))?;
    stage.compute(Given::Instance("i-2", state))
}

/// The tags that the engine gives at launch.
pub(crate) fn tags() -> Vec<(&'static str, String)> {
    vec![
        (tag::INSTALLATION, installation().to_string()),
        (tag::FLEET, fleet().to_string()),
        (tag::POOL, pool().to_string()),
        (tag::PLAN, plan().to_string()),
        (tag::STEP, "2".to_owned()),
        (tag::GENERATION, "7".to_owned()),
    ]
}

/// Whose the instances are.
pub(crate) fn installation() -> InstallationId {
    InstallationId::new("inst")
}

fn plan() -> PlanId {
    plan_id(9)
}

fn with_token(token: &str, launch: Launch) -> Launch {
    Launch {
        token: ClientToken::over(&[token]),
        ..launch
    }
}

fn of_type(name: &str, launch: Launch) -> Launch {
    let offering = Offering {
        instance_type: Some(InstanceType::new(name)),
        ..launch.offering
    };
    Launch { offering, ..launch }
}

fn as_spot(launch: Launch) -> Launch {
    let offering = Offering {
        market: Market::Spot,
        ..launch.offering
    };
    Launch { offering, ..launch }
}

fn in_zone_b(launch: Launch) -> Launch {
    let zone = Zone::new("eu-west-1b");
    let place = Place {
        subnet: SubnetId::new("subnet-b"),
        zone: zone.clone(),
    };
    let offering = Offering { zone, ..launch.offering };
    Launch { place, offering, ..launch }
}

fn try_launch<S: Stage>(stage: &S, launch: &Launch) -> Result<Vec<InstanceId>, ErrorClass> {
    by_class(stage.run(stage.ports().launch(&region(), launch, &tags())))
}

/// A launch that must succeed.
fn run_instances<S: Stage>(stage: &S, launch: &Launch) -> Result<BTreeSet<InstanceId>, crate::Short> {
    let launched = try_launch(stage, launch);
    expect_that("the launch succeeds", launched.is_ok(), &launched)?;
    Ok(launched.unwrap_or_default().into_iter().collect())
}

fn list<S: Stage>(stage: &S) -> Result<Vec<ListedInstance>, ErrorClass> {
    by_class(stage.run(stage.ports().instances(&region(), &installation())))
}

fn listed_ids<S: Stage>(stage: &S) -> Result<BTreeSet<InstanceId>, ErrorClass> {
    list(stage).map(|listed| listed.into_iter().map(|one| one.instance.id).collect())
}

fn states_of(listed: &[ListedInstance]) -> BTreeSet<(InstanceId, InstanceState)> {
    listed.iter().map(|one| (one.instance.id.clone(), one.instance.state)).collect()
}

fn expect_states<S: Stage>(stage: &S, states: &[(&str, InstanceState)]) -> Played {
    let states = states.iter().map(|(id, state)| (InstanceId::new(*id), *state)).collect();
    expect("the list", list(stage).map(|listed| states_of(&listed)), Ok(states))
}

/// These instances exist, and no others: nothing was launched twice, nothing is an orphan.
fn all_that_exists<S: Stage>(stage: &S, launched: &BTreeSet<InstanceId>) -> Played {
    stage.pass(SETTLED)?;
    expect("all that exists", listed_ids(stage), Ok(launched.clone()))
}

fn ids(names: &[&str]) -> BTreeSet<InstanceId> {
    names.iter().map(|name| InstanceId::new(*name)).collect()
}

fn terminate<S: Stage>(stage: &S, names: &[&str]) -> Result<Vec<(String, String)>, ErrorClass> {
    let ids: Vec<_> = names.iter().map(|name| InstanceId::new(*name)).collect();
    let failed = by_class(stage.run(stage.ports().terminate(&region(), &ids)));
    failed.map(|failed| failed.into_iter().map(|(id, code)| (id.to_string(), code)).collect())
}

fn start<S: Stage>(stage: &S, names: &[&str]) -> Result<Vec<(String, String)>, ErrorClass> {
    let ids: Vec<_> = names.iter().map(|name| InstanceId::new(*name)).collect();
    let failed = by_class(stage.run(stage.ports().start(&region(), &ids)));
    failed.map(|failed| failed.into_iter().map(|(id, code)| (id.to_string(), code)).collect())
}

fn stop<S: Stage>(stage: &S, names: &[&str]) -> Result<Vec<(String, String)>, ErrorClass> {
    let ids: Vec<_> = names.iter().map(|name| InstanceId::new(*name)).collect();
    let failed = by_class(stage.run(stage.ports().stop(&region(), &ids, false)));
    failed.map(|failed| failed.into_iter().map(|(id, code)| (id.to_string(), code)).collect())
}
