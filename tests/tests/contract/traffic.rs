//! The contract of the table as failover writes it: who loses a commit and who does not.

use ghostnet_core::id::{Epoch, Generation, SpecVersion, WriterId};
use ghostnet_core::state::TrafficState;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::{CommitResult, Store, TrafficCommit, TrafficStore};

use crate::sample::{commit, fleet, traffic_commit};
use crate::store::Given;
use crate::{Commit, Mishap, Played, Short, Situation, TrafficStage, by_class, expect};

const COMMIT: &str = "dynamodb:TransactWriteItems";
/// Until the table has forgotten the tokens of transactions.
const MUCH_LATER: Seconds = Seconds::minutes(11);

/// The contract. What `apply` writes has no version: every situation begins with the item of an older build.
pub(crate) fn situations<S: TrafficStage>() -> Vec<Situation<S>> {
    vec![
        ("a traffic commit on an item without version", |stage| {
            stage.store(Given::Applied(fleet()))?;
            wins(stage, &on(Some(0), "w"))?;
            expect("the version", state(stage)?.map(|state| state.version), Some(1))
        }),
        ("a traffic commit on the version that was read", |stage| {
            stage.store(Given::Applied(fleet()))?;
            wins(stage, &on(Some(0), "w0"))?;
            wins(stage, &on(Some(1), "w1"))?;
            expect("the version", state(stage)?.map(|state| state.version), Some(2))
        }),
        ("a traffic commit on an older version", |stage| {
            stage.store(Given::Applied(fleet()))?;
            wins(stage, &on(Some(0), "w0"))?;
            wins(stage, &on(Some(1), "w1"))?;
            loses(stage, &on(Some(0), "late"))?;
            loses(stage, &on(Some(1), "late too"))
        }),
        ("a first traffic commit where there is an item", |stage| {
            stage.store(Given::Applied(fleet()))?;
            loses(stage, &on(None, "late"))
        }),
        ("a first traffic commit where it was deleted", |stage| {
            stage.store(Given::Applied(fleet()))?;
            stage.store(Given::TrafficDeleted(fleet()))?;
            loses(stage, &on(Some(0), "of what is gone"))?;
            wins(stage, &on(None, "w"))
        }),
        ("a traffic commit after an apply", |stage| {
            stage.store(Given::Applied(fleet()))?;
            stage.store(Given::Applied(fleet()))?;
            loses(stage, &on(Some(0), "late"))
        }),
        ("a traffic commit to a fleet that was deleted", |stage| {
            stage.store(Given::Applied(fleet()))?;
            stage.store(Given::Deleted(fleet()))?;
            loses(stage, &on(None, "late"))
        }),
        ("a traffic commit that was decided with the capacity", with_the_capacity),
        ("a traffic commit fences a commit of the capacity", fences),
        ("a traffic commit whose answer was lost and that is sent again", |stage| {
            sent_again_after(stage, Seconds(0))
        }),
        (
            "a traffic commit whose answer was lost and that is sent again much later",
            |stage| sent_again_after(stage, MUCH_LATER),
        ),
        ("a traffic commit whose first answer is lost", |stage| {
            stage.store(Given::Applied(fleet()))?;
            stage.mishap(Mishap::FirstAnswerLost)?;
            wins(stage, &on(Some(0), "w"))
        }),
        ("a traffic commit while another transaction is under way", |stage| {
            stage.store(Given::Applied(fleet()))?;
            stage.store(Given::Contended)?;
            expect("meanwhile", try_commit(stage, &on(Some(0), "w")), Ok(CommitResult::Conflict))?;
            wins(stage, &on(Some(0), "w again"))
        }),
        ("a traffic commit asked too fast", |stage| {
            meets(stage, Mishap::TooFast(COMMIT), ErrorClass::Throttled)
        }),
        ("a traffic commit that is not allowed", |stage| {
            meets(stage, Mishap::Denied, ErrorClass::Denied)
        }),
    ]
}

/// The generation is checked only if the decision rests on it.
fn with_the_capacity<S: TrafficStage>(stage: &S) -> Played {
    stage.store(Given::Applied(fleet()))?;
    expect("the capacity", commit_capacity(stage), Ok(CommitResult::Committed))?;
    let with = |generation: u64, writer: &str| TrafficCommit {
        read_generation: Some(Generation(generation)),
        ..on(Some(0), writer)
    };
    loses(stage, &with(4, "stale"))?;
    wins(stage, &with(5, "w"))
}

/// Whoever decided the capacity before traffic moved decides again.
fn fences<S: TrafficStage>(stage: &S) -> Played {
    stage.store(Given::Applied(fleet()))?;
    wins(stage, &on(Some(0), "w"))?;
    expect("the capacity", commit_capacity(stage), Ok(CommitResult::Conflict))
}

/// The first decision about capacity, made before traffic ever moved.
fn commit_capacity<S: TrafficStage>(stage: &S) -> Result<CommitResult, ErrorClass> {
    let first = Commit {
        read_generation: None,
        merged: Vec::new(),
        read_epoch: Epoch(0),
        read_spec: SpecVersion(1),
        ..commit()
    };
    by_class(stage.run(stage.ports().commit(&first)))
}

fn sent_again_after<S: TrafficStage>(stage: &S, time: Seconds) -> Played {
    stage.store(Given::Applied(fleet()))?;
    let ours = on(Some(0), "ours");
    stage.mishap(Mishap::AnswerLost)?;
    expect("the commit", try_commit(stage, &ours), Err(ErrorClass::Transient))?;
    stage.pass(time)?;
    expect("sent again", try_commit(stage, &ours), Ok(CommitResult::Committed))?;
    expect("the state", state(stage)?, Some(ours.state))?;
    loses(stage, &on(Some(0), "another's"))
}

fn meets<S: TrafficStage>(stage: &S, mishap: Mishap, class: ErrorClass) -> Played {
    stage.store(Given::Applied(fleet()))?;
    let before = state(stage)?;
    stage.mishap(mishap)?;
    expect("the commit", try_commit(stage, &on(Some(0), "w")), Err(class))?;
    stage.pass(Seconds::minutes(1))?;
    expect("the state", state(stage)?, before)
}

fn wins<S: TrafficStage>(stage: &S, commit: &TrafficCommit) -> Played {
    expect("the commit", try_commit(stage, commit), Ok(CommitResult::Committed))?;
    expect("the state", state(stage)?, Some(commit.state.clone()))
}

fn loses<S: TrafficStage>(stage: &S, commit: &TrafficCommit) -> Played {
    let before = state(stage)?;
    expect("the commit", try_commit(stage, commit), Ok(CommitResult::Conflict))?;
    expect("the state", state(stage)?, before)
}

/// On the first spec.
fn on(read: Option<u64>, writer: &str) -> TrafficCommit {
    TrafficCommit {
        read_spec: SpecVersion(1),
        writer: WriterId::new(writer),
        ..traffic_commit(read)
    }
}

fn try_commit<S: TrafficStage>(stage: &S, commit: &TrafficCommit) -> Result<CommitResult, ErrorClass> {
    by_class(stage.run(stage.ports().commit_traffic(commit)))
}

/// None: there is none, or no fleet.
fn state<S: TrafficStage>(stage: &S) -> Result<Option<TrafficState>, Short> {
    let loaded = stage.run(stage.ports().load(&[fleet()]));
    let mut loaded = loaded.map_err(|error| Short::Otherwise(error.to_string()))?;
    let loaded = loaded.remove(&fleet()).transpose();
    Ok(loaded
        .map_err(|error| Short::Otherwise(error.to_string()))?
        .and_then(|loaded| loaded.traffic))
}
