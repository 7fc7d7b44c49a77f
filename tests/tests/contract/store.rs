//! The contract of the table: who loses a commit and who does not, what a load gives back of it, and notes that are harmless
//! to repeat.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::{Epoch, FleetId, Generation, InstallationId, InstanceId, PlanId, Region, SpecVersion, StepId, WriterId};
use ghostnet_core::state::{Member, RecordedOutcome};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::{Commit, CommitResult, Loaded, Look, Store};

use crate::sample::{commit, done, fleet, minute, offering, plan_id, pool, record, region, spec, state, step, traffic};
use crate::{Mishap, Played, Situation, Stage, by_class, expect, expect_that};

/// What may be so of the table.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// A fleet's spec is applied: [`crate::sample::spec`] in its next version.
    Applied(FleetId),
    /// A fleet's spec is applied, and lists an alarm of this name.
    WithAlarm(FleetId, &'static str),
    /// A failover moves the traffic state on by one epoch.
    TrafficMoved(FleetId),
    /// Somebody deletes the traffic state.
    TrafficDeleted(FleetId),
    /// The fleet is deleted.
    Deleted(FleetId),
    /// A build of next year wrote the fleet's items.
    OfNextYear(FleetId),
    /// The fleet's spec is damaged.
    Damaged(FleetId),
    /// Somebody else's transaction over the fleet's items is under way during the next call.
    Contended,
}

const COMMIT: &str = "dynamodb:TransactWriteItems";

/// Until the table has forgotten the tokens of transactions.
const MUCH_LATER: Seconds = Seconds::minutes(11);

/// The contract.
pub(crate) fn situations<S: Stage>() -> Vec<Situation<S>> {
    vec![
        ("a table that nobody claimed", |stage| {
            expect("the owner", claim(stage, "ours"), Ok("ours".to_owned()))?;
            expect("the owner, asked again", claim(stage, "ours"), Ok("ours".to_owned()))
        }),
        ("a table that another installation claimed", |stage| {
            expect("the owner", claim(stage, "theirs"), Ok("theirs".to_owned()))?;
            expect("the owner", claim(stage, "ours"), Ok("theirs".to_owned()))
        }),
        ("a table without fleets", |stage| {
            expect("fleets", fleets(stage), Ok(BTreeMap::new()))?;
            expect("no fleet", load(stage, &[fleet()]), Ok(BTreeMap::new()))
        }),
        ("a list of many fleets", a_list_of_many_fleets),
        ("a fleet with alarms of the user's own", a_fleet_with_alarms),
        ("a fleet that was never looked at", a_fleet_that_was_never_looked_at),
        ("a fleet without a spec among others", a_fleet_without_a_spec),
        ("a fleet that cannot be read among others", |stage| {
            unreadable(stage, Given::Damaged(named("damaged")), "damaged")
        }),
        ("a fleet of a newer build among others", |stage| {
            unreadable(stage, Given::OfNextYear(named("newer")), "newer")
        }),
        ("a fleet whose traffic state was deleted", a_fleet_without_traffic),
        ("more fleets than the table gives in a call", more_fleets_than_a_call_takes),
        ("a load asked too fast", |stage| {
            load_meets(stage, Mishap::TooFast("dynamodb:BatchGetItem"), ErrorClass::Throttled)
        }),
        ("a load that is not allowed", |stage| {
            load_meets(stage, Mishap::Denied, ErrorClass::Denied)
        }),
        ("a load while the table is unwell", |stage| {
            load_meets(stage, Mishap::Unwell, ErrorClass::Transient)
        }),
        ("a first commit", a_first_commit),
        ("a commit on the generation that was read", a_commit_on_what_was_read),
        ("a load before a commit and one after it", |stage| {
            committed(stage, 1)?;
            expect("before", loaded(stage)?.state, Some(state(1)))?;
            expect(
                "the commit",
                try_commit(stage, &numbered(Some(1), 2, "w")),
                Ok(CommitResult::Committed),
            )?;
            expect("after", loaded(stage)?.state, Some(state(2)))
        }),
        ("a commit on an older generation", a_commit_on_an_older_generation),
        ("a first commit where there is a state", |stage| {
            committed(stage, 3)?;
            loses(stage, &numbered(None, 7, "late"))
        }),
        ("a commit on a state that is gone", |stage| {
            stage.store(Given::Applied(fleet()))?;
            loses(stage, &numbered(Some(3), 7, "late"))
        }),
        ("a commit after an apply", |stage| moved(stage, Given::Applied(fleet()))),
        ("a commit after a failover", |stage| moved(stage, Given::TrafficMoved(fleet()))),
        ("a commit to a fleet that was deleted", |stage| {
            committed(stage, 1)?;
            stage.store(Given::Deleted(fleet()))?;
            expect(
                "the commit",
                try_commit(stage, &numbered(Some(1), 2, "late")),
                Ok(CommitResult::Conflict),
            )?;
            expect("no fleet", load(stage, &[fleet()]), Ok(BTreeMap::new()))
        }),
        ("a first commit where the traffic state was deleted", |stage| {
            stage.store(Given::Applied(fleet()))?;
            stage.store(Given::TrafficDeleted(fleet()))?;
            expect(
                "the commit",
                try_commit(stage, &numbered(None, 1, "w")),
                Ok(CommitResult::Committed),
            )
        }),
        ("a commit whose answer was lost and that is sent again", |stage| {
            sent_again_after(stage, Seconds(0))
        }),
        ("a commit whose answer was lost and that is sent again much later", |stage| {
            sent_again_after(stage, MUCH_LATER)
        }),
        ("a commit whose first answer is lost", a_commit_whose_first_answer_is_lost),
        ("a commit whose answer was lost, then an apply, and that is sent again", |stage| {
            overtaken(stage, applied_again, Seconds(0), CommitResult::Committed)
        }),
        ("a commit whose answer was lost, then another's, and that is sent again", |stage| {
            overtaken(stage, another_committed, Seconds(0), CommitResult::Committed)
        }),
        (
            "a commit whose answer was lost, then another's, and that is sent again much later",
            |stage| overtaken(stage, another_committed, MUCH_LATER, CommitResult::Conflict),
        ),
        ("a commit while another transaction is under way", |stage| {
            committed(stage, 1)?;
            stage.store(Given::Contended)?;
            expect(
                "meanwhile",
                try_commit(stage, &numbered(Some(1), 2, "w")),
                Ok(CommitResult::Conflict),
            )?;
            expect("the state", loaded(stage)?.state, Some(state(1)))?;
            let again = numbered(Some(1), 2, "w again");
            expect("later", try_commit(stage, &again), Ok(CommitResult::Committed))
        }),
        ("a commit asked too fast", |stage| {
            commit_meets(stage, Mishap::TooFast(COMMIT), ErrorClass::Throttled)
        }),
        ("a commit that is not allowed", |stage| {
            commit_meets(stage, Mishap::Denied, ErrorClass::Denied)
        }),
        ("a commit while the table is unwell", |stage| {
            commit_meets(stage, Mishap::Unwell, ErrorClass::Transient)
        }),
        ("a commit of a state that is too large", a_commit_of_a_state_that_is_too_large),
        ("outcomes beside the state", outcomes_beside_the_state),
        ("outcomes that are told twice", outcomes_that_are_told_twice),
        ("more outcomes than the table takes in a call", more_outcomes_than_a_call_takes),
        ("outcomes that a commit merged", outcomes_that_a_commit_merged),
        ("outcomes of a fleet without a state", outcomes_of_a_fleet_without_a_state),
        ("outcomes of a fleet that was deleted", |stage| {
            expect("the answer", record_outcomes(stage, &[step(0, 0)]), Ok(()))?;
            expect("no fleet", load(stage, &[fleet()]), Ok(BTreeMap::new()))
        }),
        ("looks at many fleets, one of them deleted", looks_at_many_fleets),
        ("a record without a commit", a_record_without_a_commit),
        ("plans of which some are on record", plans_of_which_some_are_on_record),
        ("an offering without capacity", an_offering_without_capacity),
        (
            "an offering that is found empty twice at once",
            an_offering_that_is_found_empty_twice_at_once,
        ),
        ("an offering that stays empty", an_offering_that_stays_empty),
        ("an offering that was empty long ago", an_offering_that_was_empty_long_ago),
        ("an offering without capacity in another region", an_offering_in_another_region),
        ("a change of an alarm, and an older one after it", |stage| {
            expect("the first", note_alarm(stage, 5), Ok(true))?;
            expect("a newer one", note_alarm(stage, 7), Ok(true))?;
            expect("an older one", note_alarm(stage, 6), Ok(false))?;
            expect("a newer one again", note_alarm(stage, 8), Ok(true))
        }),
        ("the same change of an alarm twice", |stage| {
            expect("the first time", note_alarm(stage, 5), Ok(true))?;
            expect("the second time: no newer one was seen", note_alarm(stage, 5), Ok(true))
        }),
    ]
}

fn a_list_of_many_fleets<S: Stage>(stage: &S) -> Played {
    let names: Vec<_> = (0..120).map(|n| named(&format!("f{n}"))).collect();
    for name in &names {
        stage.store(Given::Applied(name.clone()))?;
    }
    let looks: Vec<_> = names.iter().step_by(2).map(|name| look(name, None)).collect();
    expect("looks", note_looks(stage, &looks), Ok(()))?;
    let evaluated = |n: usize| n.is_multiple_of(2).then(|| minute(5));
    let wanted = names.into_iter().enumerate().map(|(n, name)| (name, (Vec::new(), evaluated(n))));
    expect("fleets", fleets(stage), Ok(wanted.collect()))
}

fn a_fleet_with_alarms<S: Stage>(stage: &S) -> Played {
    stage.store(Given::WithAlarm(fleet(), "checkout-errors"))?;
    let told = fleets(stage).map(|fleets| fleets.into_values().map(|(alarms, _)| alarms).collect());
    expect("alarms", told, Ok(vec![vec!["checkout-errors".to_owned()]]))
}

fn a_fleet_that_was_never_looked_at<S: Stage>(stage: &S) -> Played {
    stage.store(Given::Applied(fleet()))?;
    let told = load(stage, &[fleet()])?.remove(&fleet());
    expect_that("a fresh fleet", told == Some(Ok(fresh())), told)
}

fn a_fleet_without_a_spec<S: Stage>(stage: &S) -> Played {
    stage.store(Given::Applied(fleet()))?;
    let told: Vec<_> = load(stage, &[named("absent"), fleet()])?.into_keys().collect();
    expect("fleets", told, vec![fleet()])
}

/// Its own error, which does not stop the others.
fn unreadable<S: Stage>(stage: &S, given: Given, name: &str) -> Played {
    stage.store(Given::Applied(fleet()))?;
    stage.store(Given::Applied(named(name)))?;
    stage.store(given)?;
    let told: Vec<_> = load(stage, &[named(name), fleet()])?
        .into_iter()
        .map(|(fleet, loaded)| (fleet, loaded.map(|_| ())))
        .collect();
    expect("fleets", told, vec![(named(name), Err(ErrorClass::Invalid)), (fleet(), Ok(()))])
}

fn a_fleet_without_traffic<S: Stage>(stage: &S) -> Played {
    stage.store(Given::Applied(fleet()))?;
    stage.store(Given::TrafficDeleted(fleet()))?;
    expect("traffic", loaded(stage)?.traffic, None)
}

fn more_fleets_than_a_call_takes<S: Stage>(stage: &S) -> Played {
    let names: Vec<_> = (0..70).map(|n| named(&format!("f{n}"))).collect();
    for name in &names {
        stage.store(Given::Applied(name.clone()))?;
    }
    let told = load(stage, &names)?;
    expect("fleets", told.len(), names.len())?;
    let wrong = told.into_iter().find(|(_, loaded)| *loaded != Ok(fresh()));
    expect("a fleet that is not as it was applied", wrong, None)
}

fn load_meets<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass) -> Played {
    stage.store(Given::Applied(fleet()))?;
    stage.mishap(mishap)?;
    expect("the load", load_all(stage, &[fleet()]).map(|told| told.len()), Err(class))
}

fn a_first_commit<S: Stage>(stage: &S) -> Played {
    stage.store(Given::Applied(fleet()))?;
    expect(
        "the commit",
        try_commit(stage, &numbered(None, 1, "w")),
        Ok(CommitResult::Committed),
    )?;
    let wanted = Loaded {
        state: Some(state(1)),
        ..fresh()
    };
    let told = loaded(stage)?;
    expect_that("what was committed", told == wanted, &told)?;
    expect("on record", recorded(stage, &[1, 2]), Ok(BTreeSet::from([plan_id(1)])))
}

fn a_commit_on_what_was_read<S: Stage>(stage: &S) -> Played {
    committed(stage, 3)?;
    expect("the state", loaded(stage)?.state, Some(state(3)))?;
    expect("on record", recorded(stage, &[1, 2, 3, 4]), Ok([1, 2, 3].map(plan_id).into()))
}

fn a_commit_on_an_older_generation<S: Stage>(stage: &S) -> Played {
    committed(stage, 3)?;
    loses(stage, &numbered(Some(2), 7, "late"))
}

/// What a decision was based on moved: it loses.
fn moved<S: Stage>(stage: &S, given: Given) -> Played {
    committed(stage, 1)?;
    stage.store(given)?;
    // whoever moved it may have bumped the generation as well: the version alone must be enough
    let generation = loaded(stage)?.state.map(|state| state.generation.0);
    loses(stage, &numbered(generation, 7, "late"))
}

/// Our own earlier write is success, and is written once.
fn sent_again_after<S: Stage>(stage: &S, time: Seconds) -> Played {
    committed(stage, 1)?;
    let ours = numbered(Some(1), 2, "ours");
    stage.mishap(Mishap::AnswerLost)?;
    expect("the commit", try_commit(stage, &ours), Err(ErrorClass::Transient))?;
    stage.pass(time)?;
    expect("sent again", try_commit(stage, &ours), Ok(CommitResult::Committed))?;
    expect("the state", loaded(stage)?.state, Some(state(2)))?;
    expect("on record", recorded(stage, &[2]), Ok(BTreeSet::from([plan_id(2)])))
}

fn a_commit_whose_first_answer_is_lost<S: Stage>(stage: &S) -> Played {
    committed(stage, 1)?;
    stage.mishap(Mishap::FirstAnswerLost)?;
    expect(
        "the commit",
        try_commit(stage, &numbered(Some(1), 2, "ours")),
        Ok(CommitResult::Committed),
    )?;
    expect("the state", loaded(stage)?.state, Some(state(2)))
}

/// It was written, and something came after it. That it was written is remembered for a while and then forgotten: then what
/// it decided is decided again.
fn overtaken<S: Stage>(stage: &S, by: fn(&S) -> Played, time: Seconds, result: CommitResult) -> Played {
    committed(stage, 1)?;
    let ours = numbered(Some(1), 2, "ours");
    stage.mishap(Mishap::AnswerLost)?;
    expect("the commit", try_commit(stage, &ours), Err(ErrorClass::Transient))?;
    by(stage)?;
    let before = loaded(stage)?;
    stage.pass(time)?;
    let again = try_commit(stage, &ours);
    let after = loaded(stage)?;
    expect_that("what came after it stands", after == before, &after)?;
    expect("sent again", again, Ok(result))
}

fn applied_again<S: Stage>(stage: &S) -> Played {
    stage.store(Given::Applied(fleet()))
}

fn another_committed<S: Stage>(stage: &S) -> Played {
    let another = numbered(Some(2), 8, "another");
    expect("another's commit", try_commit(stage, &another), Ok(CommitResult::Committed))
}

fn commit_meets<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass) -> Played {
    committed(stage, 1)?;
    stage.mishap(mishap)?;
    expect("the commit", try_commit(stage, &numbered(Some(1), 2, "w")), Err(class))?;
    stage.pass(Seconds::minutes(1))?;
    expect("the state", loaded(stage)?.state, Some(state(1)))?;
    expect(
        "sent again",
        try_commit(stage, &numbered(Some(1), 2, "w")),
        Ok(CommitResult::Committed),
    )
}

fn a_commit_of_a_state_that_is_too_large<S: Stage>(stage: &S) -> Played {
    committed(stage, 1)?;
    let mut large = numbered(Some(1), 2, "w");
    let members = (0..3_000).map(|n| (InstanceId::new(format!("i-{n:017x}")), Member::new(minute(9))));
    large.state.pools.entry(pool()).or_default().members.extend(members);
    expect("the commit", try_commit(stage, &large), Err(ErrorClass::Invalid))?;
    expect("the state", loaded(stage)?.state, Some(state(1)))
}

fn outcomes_beside_the_state<S: Stage>(stage: &S) -> Played {
    committed(stage, 2)?;
    expect("the answer", record_outcomes(stage, &[step(2, 0), step(2, 1)]), Ok(()))?;
    let told = loaded(stage)?;
    expect("outcomes", told.outcomes, outcomes(&[step(2, 0), step(2, 1)]))?;
    // the generation stands: outcomes must not cost a decision its commit
    expect("the state", told.state, Some(state(2)))
}

fn outcomes_that_are_told_twice<S: Stage>(stage: &S) -> Played {
    committed(stage, 2)?;
    stage.mishap(Mishap::FirstAnswerLost)?;
    expect("the answer", record_outcomes(stage, &[step(2, 0)]), Ok(()))?;
    expect("the answer again", record_outcomes(stage, &[step(2, 0), step(2, 1)]), Ok(()))?;
    expect("outcomes", loaded(stage)?.outcomes, outcomes(&[step(2, 0), step(2, 1)]))
}

fn more_outcomes_than_a_call_takes<S: Stage>(stage: &S) -> Played {
    committed(stage, 2)?;
    let steps: Vec<_> = (0..250).map(|n| step(2, n)).collect();
    expect("the answer", record_outcomes(stage, &steps), Ok(()))?;
    expect("outcomes", loaded(stage)?.outcomes, outcomes(&steps))
}

/// They leave the side list; those that came meanwhile stay.
fn outcomes_that_a_commit_merged<S: Stage>(stage: &S) -> Played {
    committed(stage, 2)?;
    let steps = [step(2, 0), step(2, 1), step(2, 2)];
    expect("the answer", record_outcomes(stage, &steps), Ok(()))?;
    let merging = Commit {
        merged: vec![step(2, 0), step(2, 2), step(1, 9)],
        ..numbered(Some(2), 3, "w")
    };
    expect("the commit", try_commit(stage, &merging), Ok(CommitResult::Committed))?;
    expect("outcomes", loaded(stage)?.outcomes, outcomes(&[step(2, 1)]))
}

/// A table that was restored knows nothing of the step: there is no state that could take its outcome in.
fn outcomes_of_a_fleet_without_a_state<S: Stage>(stage: &S) -> Played {
    stage.store(Given::Applied(fleet()))?;
    expect("the answer", record_outcomes(stage, &[step(2, 0)]), Ok(()))?;
    expect("outcomes", loaded(stage)?.outcomes.len(), 0)
}

fn looks_at_many_fleets<S: Stage>(stage: &S) -> Played {
    for name in ["api", "gone", "web"] {
        stage.store(Given::Applied(named(name)))?;
    }
    stage.store(Given::Deleted(named("gone")))?;
    let looks = [look(&named("api"), None), look(&named("gone"), Some(1)), look(&fleet(), Some(1))];
    expect("the answer", note_looks(stage, &looks), Ok(()))?;
    let wanted = [named("api"), fleet()].map(|fleet| (fleet, (Vec::new(), Some(minute(5)))));
    expect("fleets", fleets(stage), Ok(wanted.into()))
}

fn a_record_without_a_commit<S: Stage>(stage: &S) -> Played {
    committed(stage, 1)?;
    let written = stage.run(stage.ports().record(&record(7)));
    expect("the answer", by_class(written), Ok(()))?;
    expect("on record", recorded(stage, &[6, 7]), Ok(BTreeSet::from([plan_id(7)])))?;
    expect("the state", loaded(stage)?.state, Some(state(1)))
}

fn plans_of_which_some_are_on_record<S: Stage>(stage: &S) -> Played {
    committed(stage, 3)?;
    expect("none asked for", recorded(stage, &[]), Ok(BTreeSet::new()))?;
    let many: Vec<_> = (-200..200).collect();
    expect("on record", recorded(stage, &many), Ok([1, 2, 3].map(plan_id).into()))
}

fn an_offering_without_capacity<S: Stage>(stage: &S) -> Played {
    expect("at first", exhausted(stage, 10), Ok(Vec::new()))?;
    expect("the note", note_exhausted(stage, 10), Ok(()))?;
    expect("left alone", exhausted(stage, 12), Ok(vec![13]))?;
    expect("asked again", exhausted(stage, 13), Ok(Vec::new()))
}

/// Two launches of one look found the same: once.
fn an_offering_that_is_found_empty_twice_at_once<S: Stage>(stage: &S) -> Played {
    expect("the note", note_exhausted(stage, 10), Ok(()))?;
    expect("the note again", note_exhausted(stage, 11), Ok(()))?;
    expect("left alone", exhausted(stage, 12), Ok(vec![13]))
}

fn an_offering_that_stays_empty<S: Stage>(stage: &S) -> Played {
    for (found, until) in [(10, 13), (13, 19), (20, 32), (32, 56), (60, 90), (90, 120)] {
        expect("the note", note_exhausted(stage, found), Ok(()))?;
        expect("left alone", exhausted(stage, found), Ok(vec![until]))?;
    }
    Ok(())
}

fn an_offering_that_was_empty_long_ago<S: Stage>(stage: &S) -> Played {
    for (found, until) in [(10, 13), (13, 19), (50, 53)] {
        expect("the note", note_exhausted(stage, found), Ok(()))?;
        expect("left alone", exhausted(stage, found), Ok(vec![until]))?;
    }
    Ok(())
}

fn an_offering_in_another_region<S: Stage>(stage: &S) -> Played {
    let elsewhere = Region::new("eu-central-1");
    let noted = stage.run(stage.ports().note_exhausted(&elsewhere, &offering(), minute(10)));
    expect("the note", by_class(noted), Ok(()))?;
    expect("here", exhausted(stage, 11), Ok(Vec::new()))
}

fn named(name: &str) -> FleetId {
    name.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// A fleet as its first `apply` left it.
fn fresh() -> Loaded {
    Loaded {
        spec: spec(1),
        state: None,
        outcomes: BTreeMap::new(),
        traffic: Some(traffic()),
    }
}

/// A commit of the next generation, whose record has this number.
fn numbered(read: Option<u64>, number: i64, writer: &str) -> Commit {
    Commit {
        read_generation: read.map(Generation),
        state: state(read.unwrap_or(0) + 1),
        merged: Vec::new(),
        read_epoch: Epoch(0),
        read_spec: SpecVersion(1),
        record: record(number),
        writer: WriterId::new(writer),
        ..commit()
    }
}

/// A fleet that was applied, and committed so many times.
fn committed<S: Stage>(stage: &S, generations: u64) -> Played {
    stage.store(Given::Applied(fleet()))?;
    for (read, number) in (0..generations).zip(1..) {
        let commit = numbered((read > 0).then_some(read), number, &format!("before/{read}"));
        expect("a commit before", try_commit(stage, &commit), Ok(CommitResult::Committed))?;
    }
    Ok(())
}

/// A commit that loses changes nothing and leaves no record.
fn loses<S: Stage>(stage: &S, commit: &Commit) -> Played {
    let before = loaded(stage)?;
    expect("the commit", try_commit(stage, commit), Ok(CommitResult::Conflict))?;
    let after = loaded(stage)?;
    expect_that("nothing changed", after == before, &after)?;
    let plans = BTreeSet::from([commit.record.id.clone()]);
    let on_record = by_class(stage.run(stage.ports().recorded_plans(&fleet(), &plans)));
    expect("on record", on_record, Ok(BTreeSet::new()))
}

fn claim<S: Stage>(stage: &S, installation: &str) -> Result<String, ErrorClass> {
    let owner = stage.run(stage.ports().claim(&InstallationId::new(installation), minute(10)));
    by_class(owner).map(|owner| owner.to_string())
}

type Entries = BTreeMap<FleetId, (Vec<String>, Option<jiff::Timestamp>)>;

fn fleets<S: Stage>(stage: &S) -> Result<Entries, ErrorClass> {
    let entries = by_class(stage.run(stage.ports().fleets()))?;
    Ok(entries
        .into_iter()
        .map(|entry| (entry.fleet, (entry.alarms, entry.evaluated_at)))
        .collect())
}

type LoadedFleets = BTreeMap<FleetId, Result<Loaded, ErrorClass>>;

fn load_all<S: Stage>(stage: &S, fleets: &[FleetId]) -> Result<LoadedFleets, ErrorClass> {
    let loaded = by_class(stage.run(stage.ports().load(fleets)))?;
    Ok(loaded.into_iter().map(|(fleet, loaded)| (fleet, by_class(loaded))).collect())
}

/// A load that must succeed.
fn load<S: Stage>(stage: &S, fleets: &[FleetId]) -> Result<LoadedFleets, crate::Short> {
    let loaded = load_all(stage, fleets);
    expect_that("the load succeeds", loaded.is_ok(), loaded.as_ref().err())?;
    Ok(loaded.unwrap_or_default())
}

/// The fleet, which must be there.
fn loaded<S: Stage>(stage: &S) -> Result<Loaded, crate::Short> {
    match load(stage, &[fleet()])?.remove(&fleet()) {
        Some(Ok(loaded)) => Ok(loaded),
        other => Err(crate::Short::Otherwise(format!("no fleet, but {other:?}"))),
    }
}

fn try_commit<S: Stage>(stage: &S, commit: &Commit) -> Result<CommitResult, ErrorClass> {
    by_class(stage.run(stage.ports().commit(commit)))
}

fn outcomes(steps: &[StepId]) -> BTreeMap<StepId, RecordedOutcome> {
    steps.iter().map(|step| (step.clone(), done(9))).collect()
}

fn record_outcomes<S: Stage>(stage: &S, steps: &[StepId]) -> Result<(), ErrorClass> {
    let outcomes = outcomes(steps);
    by_class(stage.run(stage.ports().record_outcomes(&fleet(), &plan_id(2), &outcomes)))
}

fn look(fleet: &FleetId, hold: Option<i64>) -> Look {
    Look {
        fleet: fleet.clone(),
        hold: hold.map(plan_id),
        at: minute(5),
    }
}

fn note_looks<S: Stage>(stage: &S, looks: &[Look]) -> Result<(), ErrorClass> {
    by_class(stage.run(stage.ports().note_looks(looks)))
}

fn recorded<S: Stage>(stage: &S, numbers: &[i64]) -> Result<BTreeSet<PlanId>, ErrorClass> {
    let plans = numbers.iter().copied().map(plan_id).collect();
    by_class(stage.run(stage.ports().recorded_plans(&fleet(), &plans)))
}

/// Until which minute the offering is left alone, as seen in that minute.
fn exhausted<S: Stage>(stage: &S, now: i64) -> Result<Vec<i64>, ErrorClass> {
    let told = by_class(stage.run(stage.ports().exhausted(&region(), minute(now))))?;
    let minutes = |until: jiff::Timestamp| (until.as_second() - minute(0).as_second()) / 60;
    Ok(told
        .into_iter()
        .filter(|exhausted| exhausted.offering == offering())
        .map(|exhausted| minutes(exhausted.until))
        .collect())
}

fn note_exhausted<S: Stage>(stage: &S, now: i64) -> Result<(), ErrorClass> {
    by_class(stage.run(stage.ports().note_exhausted(&region(), &offering(), minute(now))))
}

fn note_alarm<S: Stage>(stage: &S, changed_at: i64) -> Result<bool, ErrorClass> {
    by_class(stage.run(stage.ports().note_alarm("arn:alarm", minute(changed_at))))
}
