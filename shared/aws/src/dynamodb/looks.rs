//! Looks that changed nothing: counted for many fleets in one call.

use std::collections::BTreeMap;

use futures::StreamExt;
use ghostnet_core::id::FleetId;
use ghostnet_core::state::SCHEMA;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::PortError;
use ghostnet_engine::port::Look;

use super::table::{Key, number, text};
use super::write::{ITEMS_PER_TRANSACTION, Transacted, Write};
use crate::Aws;

/// Items per look: the fleet's entry and the hold's counter.
const ITEMS_PER_LOOK: usize = 2;
/// Single writes at once, when a call for many was refused.
const WRITES_AT_ONCE: usize = 8;

impl Aws {
    pub(super) async fn note_all(&self, looks: &[Look]) -> Result<(), PortError> {
        // a transaction may touch an item once
        let latest: BTreeMap<&FleetId, &Look> = looks.iter().map(|look| (&look.fleet, look)).collect();
        let latest: Vec<_> = latest.into_values().collect();
        for looks in latest.chunks(ITEMS_PER_TRANSACTION / ITEMS_PER_LOOK) {
            let writes: Vec<_> = looks.iter().flat_map(|look| self.look_writes(look)).collect();
            if let Transacted::Cancelled(_) | Transacted::TokenUsed = self.transact(writes.clone(), None).await? {
                // one fleet that was just deleted, or is being committed, must not cost the others their notes
                self.note_one_by_one(&writes).await?;
            }
        }
        Ok(())
    }

    async fn note_one_by_one(&self, writes: &[Write]) -> Result<(), PortError> {
        // a refused write is about a deleted fleet: nothing to note
        let results = futures::stream::iter(writes.iter().map(|write| self.write(write))).buffer_unordered(WRITES_AT_ONCE);
        results
            .fold(Ok(()), |so_far, result| {
                std::future::ready(so_far.and_then(|()| result.map(|_| ())))
            })
            .await
    }

    fn look_writes(&self, look: &Look) -> Vec<Write> {
        let entry = Write::update(Key::entry(&look.fleet), "SET #evaluated_at = :at")
            // a fleet that was deleted meanwhile stays deleted
            .when("attribute_exists(#pk)")
            .value(":at", text(look.at));
        let counter = look.hold.as_ref().map(|hold| {
            let expires_at = Seconds::minutes(self.retention_days.saturating_mul(24 * 60))
                .after(look.at)
                .as_second();
            Write::update(
                Key::hold(&look.fleet, hold),
                "SET #schema = :schema, #until = :at, #expires_at = :expires ADD #count :one",
            )
            .value(":schema", number(SCHEMA))
            .value(":at", text(look.at))
            .value(":expires", number(expires_at))
            .value(":one", number(1))
        });
        std::iter::once(entry).chain(counter).collect()
    }
}
