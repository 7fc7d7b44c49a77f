//! Decision records, newest first, for `explain`, `replay` and `status`.

use std::collections::BTreeMap;

use ghostnet_core::id::{FleetId, PlanId};
use ghostnet_core::record::DecisionRecord;
use ghostnet_engine::error::PortError;
use jiff::Timestamp;

use super::item;
use super::read::Range;
use super::table::{DECISION, HOLD, Item, Key, attribute, fleet_partition, number_of, text_of};
use crate::Aws;

/// What a summary needs: all but the inputs.
const SUMMARY: &[&str] = &[
    attribute::PK,
    attribute::SK,
    attribute::SCHEMA,
    attribute::AT,
    attribute::BODY,
    attribute::OUTCOMES,
];
/// Comes after every sort key that begins as it does.
pub(super) const LAST: char = '\u{10ffff}';

const CALL: &str = "dynamodb:Query";

impl Aws {
    /// At most `limit` decisions of a fleet, newest first, without their inputs: those made since then, and the one before
    /// if it is a hold that still held then.
    ///
    /// # Errors
    /// DynamoDB does not answer, or an item cannot be read.
    pub async fn decisions(&self, fleet: &FleetId, since: Option<Timestamp>, limit: usize) -> Result<Vec<DecisionRecord>, PortError> {
        let since = since.unwrap_or(Timestamp::MIN);
        let between = Some((DECISION.to_owned(), format!("{DECISION}{LAST}")));
        let range = Range {
            between,
            newest_first: true,
            only: Some(SUMMARY),
            // a page holds at least one record
            pages_max: limit.max(1),
            ..Range::partition(fleet_partition(fleet))
        };
        // one more than the first that is older, which may be a hold that goes on
        let items = self
            .query(&range, |items| {
                items.len() >= limit || items.last().is_some_and(|last| made_at(last) < Some(since))
            })
            .await?;
        let records: Result<Vec<_>, PortError> = items.iter().take(limit).map(|item| item::record(CALL, item)).collect();
        let mut records = records?;
        let newer = records.iter().take_while(|record| record.at >= since).count();
        records.truncate(newer.saturating_add(1));
        self.count_holds(fleet, &mut records).await?;
        records.retain(|record| record.until >= since);
        Ok(records)
    }

    /// One decision with its inputs.
    ///
    /// # Errors
    /// DynamoDB does not answer, or the item cannot be read.
    pub async fn decision(&self, fleet: &FleetId, id: &PlanId) -> Result<Option<DecisionRecord>, PortError> {
        const GET: &str = "dynamodb:GetItem";
        let Some(item) = self.get(&Key::decision(fleet, id)).await? else {
            return Ok(None);
        };
        let mut record = item::record(GET, &item)?;
        if let Some(counter) = self.get(&Key::hold(fleet, id)).await? {
            add_holds(&mut record, &counter);
        }
        Ok(Some(record))
    }

    /// Adds to each record how often its hold was decided again.
    async fn count_holds(&self, fleet: &FleetId, records: &mut [DecisionRecord]) -> Result<(), PortError> {
        let (Some(newest), Some(oldest)) = (records.first(), records.last()) else {
            return Ok(());
        };
        let between = Some((format!("{HOLD}{}", oldest.id), format!("{HOLD}{}", newest.id)));
        let range = Range {
            between,
            ..Range::partition(fleet_partition(fleet))
        };
        let counters = self.query(&range, |_| false).await?;
        let counters: BTreeMap<_, _> = counters
            .iter()
            .filter_map(|item| Some((text_of(item, attribute::SK)?.strip_prefix(HOLD)?, item)))
            .collect();
        for record in records {
            if let Some(counter) = counters.get(record.id.as_str()) {
                add_holds(record, counter);
            }
        }
        Ok(())
    }
}

fn add_holds(record: &mut DecisionRecord, counter: &Item) {
    record.count = record.count.saturating_add(number_of(counter, attribute::COUNT).unwrap_or(0));
    let until = text_of(counter, attribute::UNTIL).and_then(|until| until.parse().ok());
    record.until = until.map_or(record.until, |until: Timestamp| record.until.max(until));
}

fn made_at(item: &Item) -> Option<Timestamp> {
    text_of(item, attribute::AT)?.parse().ok()
}
