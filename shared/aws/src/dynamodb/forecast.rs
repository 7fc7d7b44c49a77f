//! What the forecast function keeps: per fleet what lies ahead, and per load what is remembered of it.
//!
//! Two kinds of items, because a look reads the first every minute and DynamoDB bills a read by the size of the whole item.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use ghostnet_core::forecast::{Forecast, Memory, PAST};
use ghostnet_core::id::FleetId;
use ghostnet_core::state::SCHEMA;
use ghostnet_engine::error::PortError;
use ghostnet_engine::port::{CommitResult, ForecastStore, LoadId};
use jiff::Timestamp;

use super::item;
use super::table::{Item, Key, attribute, number, number_of};
use super::write::{Write, Written};
use crate::Aws;

/// Memories written at once.
const WRITES_AT_ONCE: usize = 4;

const READ: &str = "dynamodb:BatchGetItem";
const WRITE: &str = "dynamodb:PutItem";

impl Aws {
    pub(super) async fn forecasts_of(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Forecast>, PortError> {
        let keys: BTreeMap<Key, &FleetId> = fleets.iter().map(|fleet| (Key::forecast(fleet), fleet)).collect();
        let items = self.get_all(&keys.keys().cloned().collect::<Vec<_>>(), None).await?;
        let readable = |(key, item): (&Key, &Item)| {
            let fleet = *keys.get(key)?;
            match read(item) {
                Ok(forecast) => Some((fleet.clone(), forecast)),
                // written anew, it replaces the one that nobody can read
                Err(error) if item::known(READ, item).is_ok() => {
                    tracing::warn!(%fleet, %error, "what lies ahead is learned anew");
                    let version = number_of(item, attribute::VERSION).unwrap_or_default();
                    Some((
                        fleet.clone(),
                        Forecast {
                            version,
                            ..Forecast::default()
                        },
                    ))
                }
                Err(error) => {
                    tracing::warn!(%fleet, %error, "what lies ahead cannot be read");
                    None
                }
            }
        };
        Ok(items.iter().filter_map(readable).collect())
    }
}

impl ForecastStore for Aws {
    async fn memories(&self, loads: &[LoadId]) -> Result<BTreeMap<LoadId, Memory>, PortError> {
        let keys: BTreeMap<Key, &LoadId> = loads.iter().map(|load| (Key::learned(load), load)).collect();
        let items = self.get_all(&keys.keys().cloned().collect::<Vec<_>>(), None).await?;
        let readable = |(key, stored): (&Key, &Item)| {
            let load = *keys.get(key)?;
            let memory = item::known(READ, stored).and_then(|()| item::from_json(READ, stored, attribute::BODY));
            match memory {
                Ok(memory) => Some((load.clone(), memory)),
                Err(error) => {
                    tracing::warn!(fleet = %load.fleet, policy = %load.policy, %error, "a load is learned anew");
                    None
                }
            }
        };
        Ok(items.iter().filter_map(readable).collect())
    }

    async fn keep_forecast(&self, fleet: &FleetId, forecast: &Forecast, now: Timestamp) -> Result<CommitResult, PortError> {
        let body = item::folded(item::json(WRITE, forecast)?);
        let write = Write::put(Key::forecast(fleet), kept(body, now, Some(forecast.version)));
        // an answer that is lost and asked for again is refused: what was learned then is learned again in an hour
        let write = match forecast.version {
            0 | 1 => write.when("attribute_not_exists(#pk)"),
            version => write.when("#version = :read").value(":read", number(version.saturating_sub(1))),
        };
        match self.write(&write).await? {
            Written::Done => Ok(CommitResult::Committed),
            Written::Refused(_) => Ok(CommitResult::Conflict),
        }
    }

    async fn keep_memories(&self, memories: &BTreeMap<LoadId, Memory>, now: Timestamp) -> Result<(), PortError> {
        let write = |(load, memory): (&LoadId, &Memory)| {
            let body = item::folded(item::json(WRITE, memory)?);
            Ok(Write::put(Key::learned(load), kept(body, now, None)))
        };
        let writes: Vec<Write> = memories.iter().map(write).collect::<Result<_, PortError>>()?;
        futures::stream::iter(&writes)
            .map(|write| async move { self.write(write).await.map(|_| ()) })
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect()
            .await
    }
}

fn read(stored: &Item) -> Result<Forecast, PortError> {
    item::known(READ, stored)?;
    item::from_json(READ, stored, attribute::BODY)
}

/// What is older than the past that is learned from is learned anew, so it need not be kept.
fn kept(body: aws_sdk_dynamodb::types::AttributeValue, now: Timestamp, version: Option<u64>) -> Item {
    let version = version.map(|version| (attribute::VERSION.to_owned(), number(version)));
    let always = [
        (attribute::SCHEMA.to_owned(), number(SCHEMA)),
        (attribute::BODY.to_owned(), body),
        (attribute::EXPIRES_AT.to_owned(), number(PAST.after(now).as_second())),
    ];
    always.into_iter().chain(version).collect()
}
