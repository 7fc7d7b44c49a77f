//! Holes, put back by taking out the rule that closes each: what breaks, and the shortest history that breaks it.
//!
//! A line is a thing that happens, and the time since the beginning; waiting shows in the time alone. `i1` is the instance in the
//! first slot, whether it exists yet or not.

use crate::mirror::rules::{Rule, Rules};
use crate::model::property::Property;
use crate::model::ticks::{LIFE, LONG_LIFE};
use crate::model::world::{Bounds, Machine, World};
use crate::search::search;
use crate::starts;

/// No fault but those that cannot be bounded: deaths, lost replies, late landings, skew, lag.
const PLAIN: Bounds = Bounds {
    life: LIFE,
    wishes: 0,
    wish_max: 1,
    refusals: 0,
    lost_commits: 0,
};
/// The wish changes once.
const ONE_WISH: Bounds = Bounds { wishes: 1, ..PLAIN };

/// Without this rule this property breaks, and this is the shortest history that breaks it.
fn breaks(rule: Rule, start: World, property: Property, story: &[&str]) {
    broken_by(Rules::without(rule), start, property, story);
}

/// The same by rules with more judges. What broke, in words.
fn broken_by(rules: Rules, start: World, property: Property, story: &[&str]) -> String {
    let found = search(&[start], rules.clone());
    let broken = found.broken.unwrap_or_else(|| panic!("{rules:?}, and nothing breaks"));
    let told = broken.story.join("\n");
    assert_eq!(told, story.join("\n"), "another history: {}\n{told}\n", broken.violation);
    assert_eq!(broken.violation.property, property, "{}", broken.violation);
    eprintln!("{rules:?}, {} states, {} lines: {}", found.states, story.len(), broken.violation);
    broken.violation.detail
}

#[test]
fn a_closed_launch_that_is_not_listed_yet_is_launched_again() {
    breaks(
        Rule::UnlistedCounts,
        starts::nobody(2, PLAIN),
        Property::NotTooMany,
        &[
            "  0 s  A begins: 1 wanted, nobody listed, nobody registered",
            "  0 s  A commits: will launch i1",
            "  0 s  A sends: launch i1",
            "  0 s  done: launch i1; A hears of it",
            "  0 s  A writes down launch i1 is done",
            "  0 s  B begins: loads that launch i1 is done, 1 wanted, nobody listed, nobody registered",
            "  0 s  B commits: closes launch i1, will launch i2",
            "  0 s  B sends: launch i2",
            "  0 s  done: launch i2; B hears of it",
        ],
    );
}

#[test]
fn a_launch_that_was_sent_again_is_dropped_while_it_is_invisible() {
    breaks(
        Rule::GivenUpByItsLastWindow,
        starts::nobody(3, PLAIN),
        Property::NotTooMany,
        &[
            "  0 s  A begins: 1 wanted, nobody listed, nobody registered",
            "  0 s  A commits: will launch i1",
            "  0 s  A dies",
            "350 s  B begins: 1 wanted, nobody listed, nobody registered",
            "350 s  B commits: will launch i1 again",
            "350 s  B sends: launch i1",
            "350 s  done: launch i1; B hears of it",
            "360 s  C begins, its clock 10 s ahead: 1 wanted, nobody listed, nobody registered",
            "360 s  C commits: closes launch i1, will launch i2",
            "360 s  C sends: launch i2",
            "360 s  done: launch i2; C hears of it",
        ],
    );
}

#[test]
fn a_register_that_is_tried_again_lands_after_a_later_deregister() {
    breaks(
        Rule::AttemptedOnce,
        starts::unregistered(2, ONE_WISH),
        Property::NothingUndone,
        &[
            "  0 s  A begins: 1 wanted, i1 listed, nobody registered",
            "  0 s  A commits: will register i1",
            "  0 s  A sends: register i1",
            "  0 s  A hears nothing, and sends again: register i1",
            "  0 s  done: register i1; A hears of it",
            "  0 s  A writes down register i1 is done",
            "  0 s  B begins: loads that register i1 is done, 0 wanted, i1 listed, i1 registered",
            "  0 s  B commits: drains i1, closes register i1, will deregister i1",
            "  0 s  B sends: deregister i1",
            "  0 s  done: deregister i1; B hears of it",
            "  0 s  done, and nobody hears of it: register i1",
        ],
    );
}

#[test]
fn with_a_margin_of_one_step_two_send_the_same_launch() {
    breaks(
        Rule::MarginOutlastsAStep,
        starts::nobody(2, PLAIN),
        Property::OneExecutor,
        &[
            "  0 s  A begins: 1 wanted, nobody listed, nobody registered",
            "  0 s  A commits: will launch i1",
            " 10 s  A sends: launch i1",
            " 30 s  B begins, its clock 10 s ahead: 1 wanted, nobody listed, nobody registered",
            " 30 s  B commits: will launch i1 again",
            " 30 s  B sends: launch i1",
        ],
    );
}

#[test]
fn a_stranger_is_adopted_and_terminated_in_one_look() {
    breaks(
        Rule::DrainedAsLoaded,
        starts::stranger(1, PLAIN),
        Property::DrainedBefore,
        &[
            "  0 s  A begins: 1 wanted, i1 and i2 listed, i1 registered",
            "  0 s  A commits: takes in i2, drains i2, will terminate i2",
        ],
    );
}

#[test]
fn a_take_over_sends_what_nobody_wants_any_more() {
    breaks(
        Rule::SentAgainIfWanted,
        starts::nobody(2, ONE_WISH),
        Property::NothingUnwanted,
        &[
            "  0 s  A begins: 1 wanted, nobody listed, nobody registered",
            "  0 s  A commits: will launch i1",
            "  0 s  A dies",
            " 40 s  B begins, its clock 10 s ahead: 0 wanted, nobody listed, nobody registered",
            " 40 s  B commits: will launch i1 again",
        ],
    );
}

#[test]
fn after_a_conflict_an_old_look_terminates_what_it_never_saw_drained() {
    breaks(
        Rule::ObservedAgain,
        starts::unregistered(2, ONE_WISH),
        Property::SeenAfterwards,
        &[
            "  0 s  A begins: 0 wanted, i1 listed, nobody registered",
            "  0 s  B begins, its clock 10 s ahead: 0 wanted, i1 listed, nobody registered",
            "  0 s  A commits: drains i1",
            "  0 s  B loses its commit and only loads again, and goes by what it saw: 0 wanted, i1 listed, nobody registered",
            "  0 s  B commits: will terminate i1",
        ],
    );
}

#[test]
fn for_a_launch_that_never_happened_one_that_is_there_is_drained() {
    let bounds = Bounds {
        wishes: 2,
        wish_max: 2,
        ..PLAIN
    };
    breaks(
        Rule::SeenBeforeItCounts,
        starts::unregistered(2, bounds),
        Property::NotTooFew,
        &[
            "  0 s  A begins: 2 wanted, i1 listed, nobody registered",
            "  0 s  A commits: will launch i2, will register i1",
            "  0 s  B begins: 1 wanted, i1 listed, nobody registered",
            "  0 s  B commits: takes in i2, drains i1, will register i2",
        ],
    );
}

// The rules below were found by this model, when the code did not keep them yet.

#[test]
fn a_launch_that_happened_unseen_is_launched_again_once_its_second_sending_is_refused() {
    breaks(
        Rule::RefusedOnce,
        starts::launching(2, Bounds { refusals: 1, ..PLAIN }, starts::HIDDEN),
        Property::NotTooMany,
        &[
            "  0 s  A begins: 1 wanted, nobody listed, nobody registered",
            "  0 s  A commits: will launch i1 again",
            "  0 s  A sends: launch i1",
            "  0 s  refused: launch i1; A hears of it",
            "  0 s  A writes down launch i1 is not done",
            "  0 s  B begins: loads that launch i1 is not done, 1 wanted, nobody listed, nobody registered",
            "  0 s  B commits: closes launch i1, will launch i2",
            "  0 s  B sends: launch i2",
            "  0 s  done: launch i2; B hears of it",
        ],
    );
}

#[test]
fn one_that_was_terminated_unseen_is_taken_back_once_its_second_terminate_is_not_sent() {
    breaks(
        Rule::RefusedOnce,
        starts::terminating(2, PLAIN, Machine::Dead { hidden: true }),
        Property::TakenBackAlive,
        &[
            "  0 s  A begins: 1 wanted, i1 listed, nobody registered",
            "  0 s  A commits: will terminate i1, will launch i2",
            " 20 s  A is too late to send: terminate i1",
            " 20 s  A is too late to send: launch i2",
            " 20 s  A writes down terminate i1 is not done, launch i2 is not done",
            " 20 s  B begins: loads that terminate i1 is not done, loads that launch i2 is not done, 1 wanted, i1 listed, nobody registered",
            " 20 s  B commits: takes back i1, closes terminate i1, closes launch i2, will register i1",
        ],
    );
}

#[test]
fn a_refusal_that_arrives_late_closes_what_was_sent_again() {
    breaks(
        Rule::RefusedOnce,
        starts::nobody(3, PLAIN),
        Property::NotTooMany,
        &[
            "  0 s  A begins: 1 wanted, nobody listed, nobody registered",
            "  0 s  A commits: will launch i1",
            " 20 s  A is too late to send: launch i1",
            " 20 s  A writes down launch i1 is not done",
            " 40 s  B begins, its clock 10 s ahead: 1 wanted, nobody listed, nobody registered",
            " 40 s  B commits: will launch i1 again",
            " 40 s  C begins: loads that launch i1 is not done, 1 wanted, nobody listed, nobody registered",
            " 40 s  C commits: closes launch i1, will launch i2",
            " 40 s  C sends: launch i2",
            " 40 s  B sends: launch i1",
            " 40 s  done: launch i1; B hears of it",
            " 40 s  done: launch i2; C hears of it",
        ],
    );
}

#[test]
fn a_look_from_before_a_register_landed_terminates_one_that_serves() {
    breaks(
        Rule::LookedAfterTheMargin,
        starts::unregistered(3, ONE_WISH),
        Property::NobodyCutOff,
        &[
            "  0 s  A begins: 1 wanted, i1 listed, nobody registered",
            "  0 s  A commits: will register i1",
            "  0 s  B begins: 0 wanted, i1 listed, nobody registered",
            "  0 s  B commits: drains i1",
            " 10 s  A sends: register i1",
            " 30 s  C begins, its clock 10 s ahead: 0 wanted, i1 listed, nobody registered",
            " 30 s  done: register i1; A hears of it",
            " 40 s  C commits: closes register i1, will terminate i1",
            " 40 s  C sends: terminate i1",
            " 40 s  done: terminate i1; C hears of it",
        ],
    );
}

#[test]
fn a_launch_that_is_listed_after_the_look_is_given_up_by_a_late_decision() {
    breaks(
        Rule::GivenUpByALaterLook,
        starts::launching(1, Bounds { life: LONG_LIFE, ..PLAIN }, starts::HIDDEN),
        Property::NotTooMany,
        &[
            "280 s  A begins, its clock 10 s ahead: 1 wanted, nobody listed, nobody registered",
            "310 s  A commits: closes launch i1, will launch i2",
            "310 s  A sends: launch i2",
            "310 s  done: launch i2; A hears of it",
        ],
    );
}

// Two judges of their own: what `audit` objects to is never committed, and what never comes right breaks nothing on the way.

#[test]
fn audit_objects_to_a_take_over_while_the_executor_may_still_be_at_it() {
    let rules = Rules::without(Rule::MarginOutlastsAStep).and_audited();
    let objection = broken_by(
        rules,
        starts::nobody(2, PLAIN),
        Property::AuditAgrees,
        &[
            "  0 s  A begins: 1 wanted, nobody listed, nobody registered",
            "  0 s  A commits: will launch i1",
            "  0 s  A dies",
            " 30 s  B begins, its clock 10 s ahead: 1 wanted, nobody listed, nobody registered",
            " 30 s  B decides, and audit objects",
        ],
    );
    assert_eq!(
        objection,
        "I18 launch-1#0 would be sent again while its executor may still be at it"
    );
}

#[test]
fn a_step_that_only_its_executor_may_settle_stays_open_once_it_died() {
    let rules = Rules::without(Rule::SettledByOthers).and_calmed();
    let wrong = broken_by(
        rules,
        starts::unregistered(2, PLAIN),
        Property::EndsRight,
        &[
            "  0 s  A begins: 1 wanted, i1 listed, nobody registered",
            "  0 s  A commits: will register i1",
        ],
    );
    assert_eq!(
        wrong,
        "after 12 undisturbed looks there are still [i1] alive and [] registered where 1 are wanted, and open [register i1]"
    );
}
