//! Gets items: by key in batches, and by partition. Always consistently; always all, or an error.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures::{StreamExt, TryStreamExt};
use ghostnet_engine::error::{ErrorClass, PortError};

use super::table::{Item, Key, attribute, text};
use crate::Aws;
use crate::error::{code, own, port_error, too_many_pages};

/// Keys of one BatchGetItem call, the most that DynamoDB takes.
const KEYS_PER_CALL: usize = 100;
/// Batches read at once.
const BATCHES_AT_ONCE: usize = 4;
/// Calls for one batch, until no key is left unread.
const BATCH_ATTEMPTS_MAX: u32 = 6;
/// Wait before unread keys are asked for again; doubles.
const UNREAD_WAIT: Duration = Duration::from_millis(25);
/// Pages of a whole partition, 1 MB each.
const PAGES_MAX: usize = 20;

const GET: &str = "dynamodb:GetItem";
const BATCH_GET: &str = "dynamodb:BatchGetItem";
const QUERY: &str = "dynamodb:Query";

/// A query of one partition.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// The partition.
    pub(super) pk: String,
    /// Lowest and highest sort key, both inside; none: the whole partition.
    pub(super) between: Option<(String, String)>,
    /// Highest sort key first.
    pub(super) newest_first: bool,
    /// Only these attributes; none: all.
    pub(super) only: Option<&'static [&'static str]>,
    /// More pages than this are an error.
    pub(super) pages_max: usize,
}

impl Range {
    /// A whole partition.
    pub(super) fn partition(pk: impl Into<String>) -> Self {
        Self {
            pk: pk.into(),
            between: None,
            newest_first: false,
            only: None,
            pages_max: PAGES_MAX,
        }
    }
}

impl Aws {
    /// One item.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Item>, PortError> {
        let answer = self
            .dynamodb
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .consistent_read(true)
            .send()
            .await;
        Ok(answer.map_err(|error| port_error(GET, error))?.item)
    }

    /// Items by key; one that does not exist is absent. Keys must differ.
    pub(super) async fn get_all(&self, keys: &[Key], only: Option<&'static [&'static str]>) -> Result<BTreeMap<Key, Item>, PortError> {
        let batches = keys.chunks(KEYS_PER_CALL).map(|keys| self.get_batch(keys, only));
        let items: Vec<Vec<Item>> = futures::stream::iter(batches)
            .buffer_unordered(BATCHES_AT_ONCE)
            .try_collect()
            .await?;
        Ok(items
            .into_iter()
            .flatten()
            .filter_map(|item| Some((Key::of(&item)?, item)))
            .collect())
    }

    async fn get_batch(&self, keys: &[Key], only: Option<&[&str]>) -> Result<Vec<Item>, PortError> {
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(Key::item).collect()))
            .consistent_read(true);
        let wanted = wanted
            .set_projection_expression(projection(only))
            .set_expression_attribute_names(projection_names(only))
            .build();
        let mut unread = Some(wanted.map_err(|error| own(BATCH_GET, ErrorClass::Invalid, code::REQUEST, &error.to_string()))?);
        let mut items = Vec::new();
        let mut wait = UNREAD_WAIT;
        for attempt in 0..BATCH_ATTEMPTS_MAX {
            let Some(wanted) = unread.take() else { return Ok(items) };
            if attempt > 0 {
                #[expect(clippy::disallowed_methods, reason = "a few milliseconds between attempts, within the step's time")]
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            let answer = self.dynamodb.batch_get_item().request_items(&self.table, wanted).send().await;
            let mut answer = answer.map_err(|error| port_error(BATCH_GET, error))?;
            items.extend(
                answer
                    .responses
                    .take()
                    .into_iter()
                    .flat_map(std::collections::HashMap::into_values)
                    .flatten(),
            );
            unread = answer.unprocessed_keys.take().and_then(|mut unread| unread.remove(&self.table));
        }
        match unread {
            None => Ok(items),
            Some(_) => Err(own(BATCH_GET, ErrorClass::Throttled, code::UNPROCESSED, "keys stayed unread")),
        }
    }

    /// Items of a range, until `enough` says of a page that no more are wanted.
    pub(super) async fn query(&self, range: &Range, mut enough: impl FnMut(&[Item]) -> bool) -> Result<Vec<Item>, PortError> {
        let request = self
            .dynamodb
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(!range.newest_first);
        let mut names = projection_names(range.only).unwrap_or_default();
        names.insert("#pk".to_owned(), attribute::PK.to_owned());
        let request = request
            .set_projection_expression(projection(range.only))
            .expression_attribute_values(":pk", text(&range.pk));
        let request = match &range.between {
            None => request.key_condition_expression("#pk = :pk"),
            Some((low, high)) => {
                names.insert("#sk".to_owned(), attribute::SK.to_owned());
                let request = request.key_condition_expression("#pk = :pk AND #sk BETWEEN :low AND :high");
                request
                    .expression_attribute_values(":low", text(low))
                    .expression_attribute_values(":high", text(high))
            }
        };
        let mut pages = request.set_expression_attribute_names(Some(names)).into_paginator().send();
        let mut items = Vec::new();
        let mut pages_read = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(QUERY, error))?;
            let is_last = page.last_evaluated_key().is_none();
            items.extend(page.items.unwrap_or_default());
            pages_read += 1;
            if is_last || enough(&items) {
                return Ok(items);
            }
            if pages_read == range.pages_max {
                return Err(too_many_pages(QUERY, range.pages_max));
            }
        }
        Ok(items)
    }
}

fn projection(only: Option<&[&str]>) -> Option<String> {
    only.map(|names| names.iter().map(|name| format!("#{name}")).collect::<Vec<_>>().join(", "))
}

fn projection_names(only: Option<&[&str]>) -> Option<std::collections::HashMap<String, String>> {
    only.map(|names| names.iter().map(|name| (format!("#{name}"), (*name).to_owned())).collect())
}
