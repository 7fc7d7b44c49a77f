//! A commit of failover: one transaction over the traffic state, the checks beside it, and the decision's record.

use ghostnet_core::id::digest;
use ghostnet_core::state::SCHEMA;
use ghostnet_engine::error::PortError;
use ghostnet_engine::port::{CommitResult, TrafficCommit, TrafficStore};

use super::commit::{after_cancel, is_ours, result};
use super::item;
use super::table::{Item, Key, attribute, number, text};
use super::write::{Transacted, Write};
use crate::Aws;

const CALL: &str = "dynamodb:TransactWriteItems";

impl TrafficStore for Aws {
    async fn commit_traffic(&self, commit: &TrafficCommit) -> Result<CommitResult, PortError> {
        // the token is the writer's, so that a repeated call is the same transaction (at most 36 characters)
        let token = digest(&format!("{}/{}", commit.fleet, commit.writer));
        match self.transact(self.traffic_writes(commit)?, Some(token)).await? {
            Transacted::Done => Ok(CommitResult::Committed),
            Transacted::Cancelled(reasons) => Ok(after_cancel(&reasons, &commit.writer)),
            // an earlier call of ours under this token was not the same one: the item says which of them holds
            Transacted::TokenUsed => {
                let stored = self.get(&Key::traffic(&commit.fleet)).await?;
                Ok(result(stored.is_some_and(|item| is_ours(&item, &commit.writer))))
            }
        }
    }
}

impl Aws {
    fn traffic_writes(&self, commit: &TrafficCommit) -> Result<Vec<Write>, PortError> {
        let record = item::shift_item(CALL, &commit.record, self.retention_days)?;
        let spec = Write::check(Key::spec(&commit.fleet))
            .when("#version = :version")
            .value(":version", number(commit.read_spec.0));
        let capacity = commit.read_generation.map(|read| {
            Write::check(Key::capacity(&commit.fleet))
                .when("#generation = :read")
                .value(":read", number(read))
        });
        let record = Write::put(Key::shift(&commit.fleet, &commit.record.id), record);
        Ok([traffic_write(commit)?, spec, record].into_iter().chain(capacity).collect())
    }
}

/// The new state, if the version is the one that was read.
fn traffic_write(commit: &TrafficCommit) -> Result<Write, PortError> {
    let attributes = Item::from([
        (attribute::SCHEMA.to_owned(), number(SCHEMA)),
        (attribute::EPOCH.to_owned(), number(commit.state.epoch.0)),
        (attribute::VERSION.to_owned(), number(commit.state.version)),
        (attribute::WRITER.to_owned(), text(&commit.writer)),
        (attribute::BODY.to_owned(), text(item::json(CALL, &commit.state)?)),
    ]);
    let write = Write::put(Key::traffic(&commit.fleet), attributes).tell_old();
    Ok(match commit.read_version {
        None => write.when("attribute_not_exists(#pk)"),
        // `apply`, and builds before this one, write no version
        Some(0) => write
            .when("#version = :read OR attribute_exists(#pk) AND attribute_not_exists(#version)")
            .value(":read", number(0)),
        Some(read) => write.when("#version = :read").value(":read", number(read)),
    })
}
