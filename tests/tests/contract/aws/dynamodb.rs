//! DynamoDB at the far end: one table that evaluates the conditions and carries out the updates it is sent, and remembers
//! tokens for ten minutes. An expression that it does not know ends the test.
//!
//! Without `ConsistentRead` it shows nothing of what was written.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::FleetId;
use serde_json::{Map, Value, json};

use crate::reply::refused;
use crate::sample::{text as json_of, traffic};
use crate::store::Given;
use crate::wire::{Reply, Sent};

/// Seconds for which a token is remembered.
const TOKEN_MEMORY: i64 = 600;
/// Keys that one call reads before it leaves the rest unread; items on a page.
const READ_MAX: usize = 60;
const PAGE_MAX: usize = 50;
/// Keys and writes that one call takes.
const PER_CALL_MAX: usize = 100;

type Key = (String, String);
type Item = Map<String, Value>;

#[derive(Debug, Default)]
pub(super) struct DynamoDb {
    items: BTreeMap<Key, Item>,
    /// When it was used, and for what.
    tokens: BTreeMap<String, (i64, Value)>,
    /// During the next call.
    contended: bool,
}

impl DynamoDb {
    pub(super) fn given(&mut self, given: &Given) {
        match given {
            Given::TrafficMoved(fleet) => {
                let mut moved = traffic();
                moved.epoch.0 += 1;
                let item = self.item(fleet, "TRAFFIC");
                item.insert("epoch".to_owned(), json!({ "N": moved.epoch.0.to_string() }));
                item.insert("body".to_owned(), json!({ "S": json_of(&moved) }));
            }
            Given::TrafficDeleted(fleet) => {
                self.items.remove(&key(fleet, "TRAFFIC"));
            }
            Given::OfNextYear(fleet) => {
                self.item(fleet, "SPEC").insert("schema".to_owned(), json!({ "N": "99" }));
            }
            Given::Damaged(fleet) => {
                self.item(fleet, "SPEC").insert("body".to_owned(), json!({ "S": "{" }));
            }
            Given::Contended => self.contended = true,
            Given::Applied(_) | Given::WithAlarm(..) | Given::Deleted(_) => panic!("{given:?} is the operator's"),
        }
    }

    pub(super) fn call_is_over(&mut self) {
        self.contended = false;
    }

    fn item(&mut self, fleet: &FleetId, sk: &str) -> &mut Item {
        self.items.get_mut(&key(fleet, sk)).unwrap()
    }

    pub(super) fn answer(&mut self, sent: &Sent, now: i64) -> Reply {
        let body = &sent.body;
        match sent.operation.as_str() {
            "dynamodb:GetItem" => Reply::json(&match self.read(body, &key_of(&body["Key"])) {
                Some(item) => json!({ "Item": item }),
                None => json!({}),
            }),
            "dynamodb:BatchGetItem" => self.batch_get(&body["RequestItems"]["table"]),
            "dynamodb:Query" => self.query(body),
            "dynamodb:PutItem" => self.single("Put", body),
            "dynamodb:UpdateItem" => self.single("Update", body),
            "dynamodb:TransactWriteItems" => self.transact(body, now),
            other => panic!("no port sends {other}"),
        }
    }

    fn read(&self, request: &Value, key: &Key) -> Option<Item> {
        let item = self.items.get(key).filter(|_| request["ConsistentRead"] == json!(true))?;
        let Some(projection) = request["ProjectionExpression"].as_str() else {
            return Some(item.clone());
        };
        let wanted: BTreeSet<_> = projection.split(", ").map(|name| attribute(request, name)).collect();
        let kept = item.iter().filter(|(name, _)| wanted.contains(name.as_str()));
        Some(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn batch_get(&self, request: &Value) -> Reply {
        let keys = request["Keys"].as_array().unwrap();
        assert!(keys.len() <= PER_CALL_MAX, "{} keys", keys.len());
        let (now, later) = keys.split_at(keys.len().min(READ_MAX));
        let found: Vec<_> = now.iter().filter_map(|key| self.read(request, &key_of(key))).collect();
        let mut answer = json!({ "Responses": { "table": found } });
        if !later.is_empty() {
            let mut rest = request.clone();
            rest["Keys"] = json!(later);
            answer["UnprocessedKeys"] = json!({ "table": rest });
        }
        Reply::json(&answer)
    }

    fn query(&self, request: &Value) -> Reply {
        assert_eq!(request["KeyConditionExpression"], json!("#pk = :pk"), "the only query of a port");
        let pk = text(value(request, ":pk"));
        let after = request.get("ExclusiveStartKey").map(key_of);
        let mut keys = self
            .items
            .keys()
            .filter(|key| key.0 == pk && after.as_ref().is_none_or(|after| *key > after));
        let page: Vec<_> = keys.by_ref().take(PAGE_MAX).collect();
        let items: Vec<_> = page.iter().filter_map(|key| self.read(request, key)).collect();
        let mut answer = json!({ "Items": items });
        if let (Some(_), Some((pk, sk))) = (keys.next(), page.last()) {
            answer["LastEvaluatedKey"] = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        }
        Reply::json(&answer)
    }

    fn single(&mut self, kind: &str, write: &Value) -> Reply {
        if !self.holds(kind, write) {
            return refused(self.in_the_way(kind, write));
        }
        self.write(kind, write);
        Reply::json(&json!({}))
    }

    fn transact(&mut self, body: &Value, now: i64) -> Reply {
        let token = body["ClientRequestToken"].as_str().unwrap_or_default().to_owned();
        match self.tokens.get(&token).filter(|(used, _)| now < used + TOKEN_MEMORY) {
            Some((_, known)) if known == body => return Reply::json(&json!({})),
            Some(_) => return Reply::json_error("IdempotentParameterMismatchException", json!({ "Message": "m" })),
            None => {}
        }
        let items = body["TransactItems"].as_array().into_iter().flatten();
        let writes: Vec<_> = items.filter_map(Value::as_object).flatten().collect();
        let touched: BTreeSet<_> = writes.iter().map(|(kind, write)| written_key(kind, write)).collect();
        assert!(
            touched.len() == writes.len() && writes.len() <= PER_CALL_MAX,
            "an item twice, or too many: {touched:?}"
        );
        let reasons: Vec<_> = writes.iter().map(|(kind, write)| self.reason(kind, write)).collect();
        if reasons.iter().any(|reason| reason["Code"] != json!("None")) {
            let fields = json!({ "Message": "m", "CancellationReasons": reasons });
            return Reply::json_error("TransactionCanceledException", fields);
        }
        writes.iter().for_each(|(kind, write)| self.write(kind, write));
        self.tokens.insert(token, (now, body.clone()));
        Reply::json(&json!({}))
    }

    /// Why a write cancels its transaction, if it does.
    fn reason(&self, kind: &str, write: &Value) -> Value {
        if self.contended {
            return json!({ "Code": "TransactionConflict", "Message": "m" });
        }
        if self.holds(kind, write) {
            return json!({ "Code": "None" });
        }
        let mut reason = json!({ "Code": "ConditionalCheckFailed", "Message": "m" });
        if let Some(item) = self.in_the_way(kind, write) {
            reason["Item"] = item;
        }
        reason
    }

    /// The item as it is, if the write asked to be told.
    fn in_the_way(&self, kind: &str, write: &Value) -> Option<Value> {
        let told = write["ReturnValuesOnConditionCheckFailure"] == json!("ALL_OLD");
        let item = self.items.get(&written_key(kind, write)).filter(|_| told);
        item.map(|item| json!(item))
    }

    /// Whether the condition of a write holds.
    fn holds(&self, kind: &str, write: &Value) -> bool {
        let Some(condition) = write["ConditionExpression"].as_str() else {
            return true;
        };
        let nothing = Item::new();
        let item = self.items.get(&written_key(kind, write)).unwrap_or(&nothing);
        let all = |terms: &str| terms.split(" AND ").all(|term| is_true(write, item, term));
        condition.split(" OR ").any(all)
    }

    fn write(&mut self, kind: &str, write: &Value) {
        everything_bound_is_used(write);
        let key = written_key(kind, write);
        match kind {
            "Put" => {
                self.items.insert(key, write["Item"].as_object().cloned().unwrap_or_default());
            }
            "Update" => {
                let item = self.items.entry(key);
                update(write, item.or_insert_with(|| write["Key"].as_object().cloned().unwrap_or_default()));
            }
            "Delete" => {
                self.items.remove(&key);
            }
            "ConditionCheck" => {}
            other => panic!("a write of kind {other}"),
        }
    }
}

/// One term of a condition.
fn is_true(write: &Value, item: &Item, term: &str) -> bool {
    let function = |name: &str| term.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(name) = function("attribute_exists") {
        return item.contains_key(attribute(write, name));
    }
    if let Some(name) = function("attribute_not_exists") {
        return !item.contains_key(attribute(write, name));
    }
    let [left, operator, right] = term.split(' ').collect::<Vec<_>>()[..] else {
        panic!("the condition {term}")
    };
    let (stored, given) = (item.get(attribute(write, left)), value(write, right));
    match operator {
        "=" => stored == Some(given),
        "<=" => stored.is_some_and(|stored| number(stored) <= number(given)),
        other => panic!("the comparison {other}"),
    }
}

/// Carries out an update expression.
fn update(write: &Value, item: &mut Item) {
    let mut clauses: Vec<(&str, String)> = Vec::new();
    for word in write["UpdateExpression"].as_str().unwrap_or_default().split(' ') {
        match (word, clauses.last_mut()) {
            ("SET" | "REMOVE" | "ADD", _) => clauses.push((word, String::new())),
            (_, Some((_, text))) => text.extend([" ", word]),
            (other, None) => panic!("an update that begins with {other}"),
        }
    }
    for (clause, text) in &clauses {
        // a comma before a value is inside a function
        let parts = text.trim().split(", #").map(|part| format!("#{}", part.trim_start_matches('#')));
        for part in parts {
            match (*clause, part.split_once(" = "), part.split_once(' ')) {
                ("SET", Some((path, new)), _) => set(write, item, path, new),
                ("REMOVE", _, None) => {
                    let (place, name) = place(write, item, &part);
                    place.remove(name);
                }
                ("ADD", _, Some((name, by))) => {
                    let name = attribute(write, name);
                    let sum = item.get(name).map_or(0, number) + number(value(write, by));
                    item.insert(name.to_owned(), json!({ "N": sum.to_string() }));
                }
                _ => panic!("the update {clause} {part}"),
            }
        }
    }
}

fn set(write: &Value, item: &mut Item, path: &str, new: &str) {
    let unless_there = new.strip_prefix("if_not_exists(").and_then(|inside| inside.strip_suffix(')'));
    let alternative = unless_there.and_then(|inside| inside.split_once(", "));
    let new = value(write, alternative.map_or(new, |(_, new)| new)).clone();
    let (place, name) = place(write, item, path);
    if alternative.is_none() || !place.contains_key(name) {
        place.insert(name.to_owned(), new);
    }
}

/// Where a path of one or two names leads. DynamoDB makes no map on the way.
fn place<'a>(write: &'a Value, item: &'a mut Item, path: &str) -> (&'a mut Item, &'a str) {
    match path.split_once('.') {
        None => (item, attribute(write, path)),
        Some((map, name)) => {
            let map = item.get_mut(attribute(write, map)).and_then(|map| map["M"].as_object_mut());
            (map.unwrap(), attribute(write, name))
        }
    }
}

fn attribute<'a>(request: &'a Value, name: &str) -> &'a str {
    let bound = request["ExpressionAttributeNames"][name].as_str();
    bound.unwrap_or_else(|| panic!("{name} is not bound"))
}

fn value<'a>(request: &'a Value, name: &str) -> &'a Value {
    let bound = request["ExpressionAttributeValues"].get(name);
    bound.unwrap_or_else(|| panic!("{name} is not bound"))
}

/// DynamoDB refuses a request that binds what it does not use.
fn everything_bound_is_used(write: &Value) {
    let expressions = ["ConditionExpression", "UpdateExpression"].map(|name| write[name].as_str().unwrap_or_default());
    let bound = ["ExpressionAttributeNames", "ExpressionAttributeValues"].map(|name| write[name].as_object());
    for name in bound.into_iter().flatten().flat_map(Map::keys) {
        assert!(expressions.concat().contains(name.as_str()), "{name} is bound and not used");
    }
}

fn key(fleet: &FleetId, sk: &str) -> Key {
    (format!("FLEET#{fleet}"), sk.to_owned())
}

fn written_key(kind: &str, write: &Value) -> Key {
    key_of(if kind == "Put" { &write["Item"] } else { &write["Key"] })
}

fn key_of(item: &Value) -> Key {
    (text(&item["pk"]), text(&item["sk"]))
}

fn text(value: &Value) -> String {
    value["S"].as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn number(value: &Value) -> i64 {
    let number = value["N"].as_str().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no whole number: {value}"))
}
