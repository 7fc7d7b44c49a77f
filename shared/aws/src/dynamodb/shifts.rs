//! Records of traffic decisions, newest first, for `status` and the timeline of a failover.

use std::collections::BTreeMap;

use ghostnet_core::failover::{Readiness, TrafficFinding, TrafficInputs, TrafficRecord, TrafficStep};
use ghostnet_core::id::{BuildId, FleetId, PlanId, PoolId};
use ghostnet_core::state::TrafficState;
use ghostnet_engine::error::PortError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::history::LAST;
use super::item;
use super::read::Range;
use super::table::{Key, SHIFT, attribute, fleet_partition};
use crate::Aws;

/// What a list of records needs: all but the inputs.
const SUMMARY: &[&str] = &[attribute::PK, attribute::SK, attribute::SCHEMA, attribute::BODY];

/// A [`TrafficRecord`] as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredShift {
    /// Schema of the record.
    pub schema: u16,
    /// Its id, which begins with its moment.
    pub id: PlanId,
    /// The fleet.
    pub fleet: FleetId,
    /// When it was decided.
    pub at: Timestamp,
    /// The code that decided.
    pub build: BuildId,
    /// The state that was written.
    pub state: TrafficState,
    /// Rules that were to be set.
    pub steps: Vec<TrafficStep>,
    /// What was worth telling.
    pub findings: Vec<TrafficFinding>,
    /// What stood between each side without traffic and the traffic.
    pub readiness: BTreeMap<PoolId, Readiness>,
    /// What it was decided from; none in a list, and where it did not fit into the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<TrafficInputs>,
}

impl StoredShift {
    /// The whole record, which can be replayed; none without its inputs.
    #[must_use]
    pub fn whole(self) -> Option<TrafficRecord> {
        Some(TrafficRecord {
            inputs: self.inputs?,
            schema: self.schema,
            id: self.id,
            fleet: self.fleet,
            at: self.at,
            build: self.build,
            state: self.state,
            steps: self.steps,
            findings: self.findings,
            readiness: self.readiness,
        })
    }
}

impl Aws {
    /// At most `limit` traffic decisions of a fleet that were made since then, newest first, without their inputs.
    ///
    /// # Errors
    /// DynamoDB does not answer, or an item cannot be read.
    pub async fn shifts(&self, fleet: &FleetId, since: Option<Timestamp>, limit: usize) -> Result<Vec<StoredShift>, PortError> {
        const CALL: &str = "dynamodb:Query";
        // ids begin with their moment, to the millisecond
        let low = since.map_or_else(|| SHIFT.to_owned(), |since| format!("{SHIFT}{since:.3}"));
        let range = Range {
            between: Some((low, format!("{SHIFT}{LAST}"))),
            newest_first: true,
            only: Some(SUMMARY),
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
    pub async fn shift(&self, fleet: &FleetId, id: &PlanId) -> Result<Option<StoredShift>, PortError> {
        const CALL: &str = "dynamodb:GetItem";
        let item = self.get(&Key::shift(fleet, id)).await?;
        item.map(|item| item::shift(CALL, &item)).transpose()
    }
}
