//! A commit: one transaction over the capacity state, the checks beside it, and the decision's record.

use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason};
use ghostnet_core::id::{Epoch, WriterId, digest};
use ghostnet_core::state::SCHEMA;
use ghostnet_engine::error::PortError;
use ghostnet_engine::port::{Commit, CommitResult};

use super::item::{record_item, state_text};
use super::table::{Item, Key, attribute, number, text, text_of};
use super::write::{Transacted, Write, is_refused};
use crate::Aws;

/// Outcomes that leave the side list in one commit; the expression that names them may have 4 KB. What stays is merged
/// again, which changes nothing, and leaves later.
const MERGED_PER_COMMIT_MAX: usize = 150;

const CALL: &str = "dynamodb:TransactWriteItems";

impl Aws {
    pub(super) async fn commit_once(&self, commit: &Commit) -> Result<CommitResult, PortError> {
        // the token is the writer's, so that a repeated call is the same transaction (at most 36 characters)
        let token = digest(&format!("{}/{}", commit.fleet, commit.writer));
        match self.transact(self.commit_writes(commit)?, Some(token)).await? {
            Transacted::Done => Ok(CommitResult::Committed),
            Transacted::Cancelled(reasons) => Ok(after_cancel(&reasons, &commit.writer)),
            // an earlier call of ours under this token was not the same one: the item says which of them holds
            Transacted::TokenUsed => {
                let stored = self.get(&Key::capacity(&commit.fleet)).await?;
                Ok(result(stored.is_some_and(|item| is_ours(&item, &commit.writer))))
            }
        }
    }

    fn commit_writes(&self, commit: &Commit) -> Result<Vec<Write>, PortError> {
        let record = record_item(CALL, &commit.record, self.retention_days)?;
        Ok(vec![
            capacity_write(commit)?,
            traffic_check(commit),
            Write::check(Key::spec(&commit.fleet))
                .when("#version = :version")
                .value(":version", number(commit.read_spec.0)),
            Write::put(Key::decision(&commit.fleet, &commit.record.id), record),
        ])
    }
}

/// The epoch must be the one that was read. A traffic state that somebody deleted was read as the first one.
fn traffic_check(commit: &Commit) -> Write {
    let unmoved = "#epoch = :epoch";
    let condition = if commit.read_epoch == Epoch(0) {
        format!("attribute_not_exists(#pk) OR {unmoved}")
    } else {
        unmoved.to_owned()
    };
    Write::check(Key::traffic(&commit.fleet))
        .when(condition)
        .value(":epoch", number(commit.read_epoch.0))
}

/// The new state, if the generation is the one that was read.
fn capacity_write(commit: &Commit) -> Result<Write, PortError> {
    let set = "SET #schema = :schema, #generation = :generation, #writer = :writer, #state = :state";
    let key = Key::capacity(&commit.fleet);
    let write = match commit.read_generation {
        // the map of outcomes must exist before one can be set in it
        None => Write::update(key, format!("{set}, #outcomes = :none"))
            .when("attribute_not_exists(#pk)")
            .value(":none", AttributeValue::M(Item::new())),
        Some(read) => removing_merged(key, set, commit)
            .when("#generation = :read")
            .value(":read", number(read)),
    };
    Ok(write
        .value(":schema", number(SCHEMA))
        .value(":generation", number(commit.state.generation))
        .value(":writer", text(&commit.writer))
        .value(":state", text(state_text(CALL, &commit.state)?))
        .tell_old())
}

fn removing_merged(key: Key, set: &str, commit: &Commit) -> Write {
    let merged = commit
        .merged
        .iter()
        .take(MERGED_PER_COMMIT_MAX)
        .enumerate()
        .map(|(n, step)| (format!("#s{n}"), step.to_string()));
    let paths: Vec<_> = merged.clone().map(|(name, _)| format!("#outcomes.{name}")).collect();
    let remove = if paths.is_empty() {
        String::new()
    } else {
        format!(" REMOVE {}", paths.join(", "))
    };
    merged.fold(Write::update(key, format!("{set}{remove}")), |write, (name, step)| {
        write.name(name, step)
    })
}

/// A cancelled commit is a conflict, unless what stands in its way is our own earlier write whose answer was lost.
pub(super) fn after_cancel(reasons: &[CancellationReason], writer: &WriterId) -> CommitResult {
    let stored = reasons.first().filter(|reason| is_refused(reason)).and_then(|reason| reason.item());
    result(stored.is_some_and(|item| is_ours(item, writer)))
}

pub(super) fn is_ours(stored: &Item, writer: &WriterId) -> bool {
    text_of(stored, attribute::WRITER) == Some(writer.as_str())
}

pub(super) fn result(ours: bool) -> CommitResult {
    if ours { CommitResult::Committed } else { CommitResult::Conflict }
}
