//! Records of traffic decisions, newest first, for `explain`, `replay` and `report`.

use ghostnet_core::failover::TrafficRecord;
use ghostnet_core::id::{FleetId, PlanId};
use ghostnet_engine::error::PortError;
use jiff::Timestamp;

use super::history::LAST;
use super::item;
use super::read::Range;
use super::table::{Key, SHIFT, attribute, fleet_partition};
use crate::Aws;

/// What a list of records needs: all but the inputs.
const SUMMARY: &[&str] = &[attribute::PK, attribute::SK, attribute::SCHEMA, attribute::BODY];

impl Aws {
    /// At most `limit` traffic decisions of a fleet that were made since then, newest first, without their inputs.
    ///
    /// # Errors
    /// DynamoDB does not answer, or an item cannot be read.
    pub async fn shifts(&self, fleet: &FleetId, since: Option<Timestamp>, limit: usize) -> Result<Vec<TrafficRecord>, PortError> {
        self.list_shifts(fleet, since, limit, Some(SUMMARY)).await
    }

    /// As [`shifts`](Self::shifts), with their inputs.
    ///
    /// # Errors
    /// DynamoDB does not answer, or an item cannot be read.
    pub async fn whole_shifts(&self, fleet: &FleetId, since: Option<Timestamp>, limit: usize) -> Result<Vec<TrafficRecord>, PortError> {
        self.list_shifts(fleet, since, limit, None).await
    }

    async fn list_shifts(
        &self,
        fleet: &FleetId,
        since: Option<Timestamp>,
        limit: usize,
        only: Option<&'static [&'static str]>,
    ) -> Result<Vec<TrafficRecord>, PortError> {
        const CALL: &str = "dynamodb:Query";
        // ids begin with their moment, to the millisecond
        let low = since.map_or_else(|| SHIFT.to_owned(), |since| format!("{SHIFT}{since:.3}"));
        let range = Range {
            between: Some((low, format!("{SHIFT}{LAST}"))),
            newest_first: true,
            only,
            // a page holds at least one record
            pages_max: limit.max(1),
            ..Range::partition(fleet_partition(fleet))
        };
        let items = self.query(&range, |items| items.len() >= limit).await?;
        items.iter().take(limit).map(|item| item::shift(CALL, item)).collect()
    }

    /// One traffic decision with its inputs.
    ///
    /// # Errors
    /// DynamoDB does not answer, or the item cannot be read.
    pub async fn shift(&self, fleet: &FleetId, id: &PlanId) -> Result<Option<TrafficRecord>, PortError> {
        const CALL: &str = "dynamodb:GetItem";
        let item = self.get(&Key::shift(fleet, id)).await?;
        item.map(|item| item::shift(CALL, &item)).transpose()
    }
}
