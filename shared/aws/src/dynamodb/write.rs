//! Conditional writes, one by one or as a transaction.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem,
    Update,
};
use ghostnet_engine::error::{ErrorClass, PortError};

use super::table::{Item, Key};
use crate::Aws;
use crate::error::{code, own, port_error};

/// Attempts of a write that meets somebody else's transaction, the first included.
const CONFLICT_ATTEMPTS_MAX: u32 = 5;
/// Wait before the second attempt; doubles.
const CONFLICT_WAIT: Duration = Duration::from_millis(25);
/// Items of one transaction, the most that DynamoDB takes.
pub(super) const ITEMS_PER_TRANSACTION: usize = 100;

const PUT: &str = "dynamodb:PutItem";
const UPDATE: &str = "dynamodb:UpdateItem";
const TRANSACT: &str = "dynamodb:TransactWriteItems";

/// A write, with the condition under which it holds. In expressions, `#name` is the attribute `name`: every attribute is
/// written so, because DynamoDB reserves hundreds of words.
#[derive(Debug, Clone)]
pub(super) struct Write {
    key: Key,
    kind: Kind,
    condition: Option<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    tell_old: bool,
}

#[derive(Debug, Clone)]
enum Kind {
    Put(Item),
    Update(String),
    Check,
    Delete,
}

/// How a single conditional write ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written {
    /// Written.
    Done,
    /// The condition did not hold; the item that stood in the way, if it was asked for and exists.
    Refused(Option<Item>),
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Transacted {
    /// Written, now or by an earlier attempt under the same token.
    Done,
    /// Not written; per write, why.
    Cancelled(Vec<CancellationReason>),
    /// The token was used for another transaction.
    TokenUsed,
}

impl Write {
    /// Puts a whole item.
    pub(super) fn put(key: Key, attributes: Item) -> Self {
        let mut item = key.item();
        item.extend(attributes);
        Self::new(key, Kind::Put(item))
    }

    /// Changes attributes.
    pub(super) fn update(key: Key, expression: impl Into<String>) -> Self {
        Self::new(key, Kind::Update(expression.into()))
    }

    /// Writes nothing, but must hold. Only in a transaction.
    pub(super) fn check(key: Key) -> Self {
        Self::new(key, Kind::Check)
    }

    /// Deletes an item. Only in a transaction.
    pub(super) fn delete(key: Key) -> Self {
        Self::new(key, Kind::Delete)
    }

    fn new(key: Key, kind: Kind) -> Self {
        Self {
            key,
            kind,
            condition: None,
            names: HashMap::new(),
            values: HashMap::new(),
            tell_old: false,
        }
    }

    /// Only if this holds.
    pub(super) fn when(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    /// A name in expressions whose attribute is called otherwise, such as the key of a map.
    pub(super) fn name(mut self, name: impl Into<String>, attribute: impl Into<String>) -> Self {
        self.names.insert(name.into(), attribute.into());
        self
    }

    /// A value in expressions.
    pub(super) fn value(mut self, name: impl Into<String>, value: AttributeValue) -> Self {
        self.values.insert(name.into(), value);
        self
    }

    /// If the condition does not hold, the stored item is told.
    pub(super) fn tell_old(mut self) -> Self {
        self.tell_old = true;
        self
    }

    /// Every `#name` of the expressions, with its attribute.
    fn all_names(&self) -> Option<HashMap<String, String>> {
        let update = if let Kind::Update(expression) = &self.kind {
            expression.as_str()
        } else {
            ""
        };
        let texts = [update, self.condition.as_deref().unwrap_or_default()];
        let words = texts
            .into_iter()
            .flat_map(|text| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '#')));
        let plain = words.filter_map(|word| word.strip_prefix('#').map(|attribute| (word.to_owned(), attribute.to_owned())));
        let mut names: HashMap<_, _> = plain.collect();
        names.extend(self.names.clone());
        (!names.is_empty()).then_some(names)
    }

    fn all_values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    fn on_failure(&self) -> Option<OnFailure> {
        self.tell_old.then_some(OnFailure::AllOld)
    }

    fn in_transaction(self, table: &str) -> Result<TransactWriteItem, BuildError> {
        let (names, values, told) = (self.all_names(), self.all_values(), self.on_failure());
        let item = TransactWriteItem::builder();
        Ok(match self.kind {
            Kind::Put(attributes) => {
                let put = Put::builder()
                    .table_name(table)
                    .set_item(Some(attributes))
                    .set_condition_expression(self.condition);
                let put = put.set_expression_attribute_names(names).set_expression_attribute_values(values);
                item.put(put.set_return_values_on_condition_check_failure(told).build()?)
            }
            Kind::Update(expression) => {
                let update = Update::builder()
                    .table_name(table)
                    .set_key(Some(self.key.item()))
                    .update_expression(expression);
                let update = update
                    .set_condition_expression(self.condition)
                    .set_expression_attribute_names(names);
                item.update(
                    update
                        .set_expression_attribute_values(values)
                        .set_return_values_on_condition_check_failure(told)
                        .build()?,
                )
            }
            Kind::Check => {
                let check = ConditionCheck::builder()
                    .table_name(table)
                    .set_key(Some(self.key.item()))
                    .set_condition_expression(self.condition);
                let check = check.set_expression_attribute_names(names).set_expression_attribute_values(values);
                item.condition_check(check.set_return_values_on_condition_check_failure(told).build()?)
            }
            Kind::Delete => {
                let delete = Delete::builder()
                    .table_name(table)
                    .set_key(Some(self.key.item()))
                    .set_condition_expression(self.condition);
                item.delete(
                    delete
                        .set_expression_attribute_names(names)
                        .set_expression_attribute_values(values)
                        .build()?,
                )
            }
        }
        .build())
    }
}

/// Whether the condition of this write did not hold.
pub(super) fn is_refused(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

impl Aws {
    /// One put or update. Meeting somebody else's transaction is not an answer: it is tried again.
    pub(super) async fn write(&self, write: &Write) -> Result<Written, PortError> {
        let mut wait = CONFLICT_WAIT;
        for _ in 1..CONFLICT_ATTEMPTS_MAX {
            match self.write_once(write).await {
                #[expect(clippy::disallowed_methods, reason = "a few milliseconds between attempts, within the step's time")]
                Err(error) if error.code == "TransactionConflictException" => tokio::time::sleep(wait).await,
                ended => return ended,
            }
            wait = wait.saturating_mul(2);
        }
        self.write_once(write).await
    }

    async fn write_once(&self, write: &Write) -> Result<Written, PortError> {
        match &write.kind {
            Kind::Put(item) => self.put_once(write, item).await,
            Kind::Update(expression) => self.update_once(write, expression).await,
            Kind::Check | Kind::Delete => Err(own(TRANSACT, ErrorClass::Invalid, code::REQUEST, "only in a transaction")),
        }
    }

    async fn put_once(&self, write: &Write, item: &Item) -> Result<Written, PortError> {
        let request = self.dynamodb.put_item().table_name(&self.table).set_item(Some(item.clone()));
        let request = request
            .set_condition_expression(write.condition.clone())
            .set_expression_attribute_names(write.all_names());
        let request = request.set_expression_attribute_values(write.all_values());
        match request
            .set_return_values_on_condition_check_failure(write.on_failure())
            .send()
            .await
        {
            Ok(_) => Ok(Written::Done),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => Ok(Written::Refused(refused.item.clone())),
                _ => Err(port_error(PUT, error)),
            },
        }
    }

    async fn update_once(&self, write: &Write, expression: &str) -> Result<Written, PortError> {
        let request = self
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .set_key(Some(write.key.item()))
            .update_expression(expression);
        let request = request
            .set_condition_expression(write.condition.clone())
            .set_expression_attribute_names(write.all_names());
        let request = request.set_expression_attribute_values(write.all_values());
        match request
            .set_return_values_on_condition_check_failure(write.on_failure())
            .send()
            .await
        {
            Ok(_) => Ok(Written::Done),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Ok(Written::Refused(refused.item.clone())),
                _ => Err(port_error(UPDATE, error)),
            },
        }
    }

    /// A transaction, attempted again by the SDK only under the same token. Without a token of ours the SDK makes one.
    pub(super) async fn transact(&self, writes: Vec<Write>, token: Option<String>) -> Result<Transacted, PortError> {
        let items: Result<Vec<_>, BuildError> = writes.into_iter().map(|write| write.in_transaction(&self.table)).collect();
        let items = items.map_err(|error| own(TRANSACT, ErrorClass::Invalid, code::REQUEST, &error.to_string()))?;
        let request = self
            .dynamodb
            .transact_write_items()
            .set_transact_items(Some(items))
            .set_client_request_token(token);
        match request.send().await {
            Ok(_) => Ok(Transacted::Done),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    cancelled_because(cancelled.cancellation_reasons())
                }
                Some(TransactWriteItemsError::IdempotentParameterMismatchException(_)) => Ok(Transacted::TokenUsed),
                _ => Err(port_error(TRANSACT, error)),
            },
        }
    }
}

/// Conditions and conflicts are answers; anything else that cancels a transaction is an error.
fn cancelled_because(reasons: &[CancellationReason]) -> Result<Transacted, PortError> {
    let error = reasons.iter().find_map(|reason| {
        let class = match reason.code()? {
            "None" | "ConditionalCheckFailed" | "TransactionConflict" => return None,
            "ThrottlingError" | "ProvisionedThroughputExceeded" => ErrorClass::Throttled,
            _ => ErrorClass::Invalid,
        };
        Some(own(TRANSACT, class, reason.code()?, reason.message().unwrap_or_default()))
    });
    error.map_or_else(|| Ok(Transacted::Cancelled(reasons.to_vec())), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_an_expression_is_bound() {
        let write = Write::update(
            Key::installation(),
            "SET #state = :s, #n = if_not_exists(#n, :z) REMOVE #outcomes.#s0",
        )
        .when("#generation = :g")
        .name("#s0", "p#0");
        let mut names: Vec<_> = write.all_names().unwrap_or_default().into_iter().collect();
        names.sort();
        let expected = [
            ("#generation", "generation"),
            ("#n", "n"),
            ("#outcomes", "outcomes"),
            ("#s0", "p#0"),
            ("#state", "state"),
        ];
        assert_eq!(names, expected.map(|(name, attribute)| (name.to_owned(), attribute.to_owned())));
    }

    #[test]
    fn conditions_and_conflicts_are_answers_and_the_rest_is_an_error() {
        let reason = |code: &str| CancellationReason::builder().code(code).build();
        for (codes, class) in [
            (&["None", "ConditionalCheckFailed"][..], None),
            (&["TransactionConflict"], None),
            (&["ConditionalCheckFailed", "ThrottlingError"], Some(ErrorClass::Throttled)),
            (&["ProvisionedThroughputExceeded"], Some(ErrorClass::Throttled)),
            (&["ValidationError"], Some(ErrorClass::Invalid)),
        ] {
            let reasons: Vec<_> = codes.iter().map(|code| reason(code)).collect();
            assert_eq!(cancelled_because(&reasons).err().map(|error| error.class), class, "{codes:?}");
        }
    }
}
