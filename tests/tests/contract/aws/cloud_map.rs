//! Cloud Map at the far end: one service, whose operations are done a few seconds after their calls.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error;
use crate::discovery::Given;
use crate::sample::service;
use crate::wire::{Reply, Sent};

/// From a call until it is done, in seconds.
const TAKES: i64 = 5;

#[derive(Debug, Default)]
pub(super) struct CloudMap {
    /// Attributes by id.
    registered: BTreeMap<String, Value>,
    /// When each operation is done, whom it is about, and the attributes that it brings.
    operations: Vec<(i64, String, Option<Value>)>,
}

impl CloudMap {
    pub(super) fn given(&mut self, given: &Given) {
        match given {
            Given::Service => {}
            Given::OfSomebody(id) => drop(
                self.registered
                    .insert((*id).to_owned(), json!({ "AWS_INSTANCE_IPV4": "192.0.2.1" })),
            ),
        }
    }

    pub(super) fn answer(&mut self, sent: &Sent, now: i64) -> Reply {
        self.operate(now);
        if sent.text("ServiceId") != service().as_str() {
            return error(sent, 400, "ServiceNotFound");
        }
        let id = sent.text("InstanceId").to_owned();
        let change = match sent.operation.as_str() {
            "servicediscovery:ListInstances" => return self.list(sent),
            "servicediscovery:RegisterInstance" if sent.body["Attributes"].is_null() => return error(sent, 400, "InvalidInput"),
            "servicediscovery:RegisterInstance" => Some(sent.body["Attributes"].clone()),
            "servicediscovery:DeregisterInstance" if !self.registered.contains_key(&id) => return error(sent, 404, "InstanceNotFound"),
            "servicediscovery:DeregisterInstance" => None,
            other => panic!("no port sends {other}"),
        };
        if self.operations.iter().any(|(_, other, _)| *other == id) {
            return error(sent, 400, "DuplicateRequest");
        }
        self.operations.push((now + TAKES, id, change));
        Reply::json(&json!({ "OperationId": "operation" }))
    }

    fn operate(&mut self, now: i64) {
        let (done, later) = std::mem::take(&mut self.operations).into_iter().partition(|(at, ..)| now >= *at);
        self.operations = later;
        let done: Vec<(i64, String, Option<Value>)> = done;
        for (_, id, change) in done {
            match change {
                Some(attributes) => drop(self.registered.insert(id, attributes)),
                None => drop(self.registered.remove(&id)),
            }
        }
    }

    /// Page by page; the token is the first id of the next one.
    fn list(&self, sent: &Sent) -> Reply {
        let most = sent.body["MaxResults"]
            .as_u64()
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(100)
            .min(100);
        let mut rest = self.registered.range(sent.text("NextToken").to_owned()..);
        let page: Vec<Value> = rest
            .by_ref()
            .take(most)
            .map(|(id, attributes)| json!({ "Id": id, "Attributes": attributes }))
            .collect();
        let next = rest.next().map(|(id, _)| id.clone());
        Reply::json(&json!({ "Instances": page, "NextToken": next }))
    }
}
