//! The table as the situations find it, and what somebody else than the adapter does to it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use ghostnet_core::id::FleetId;

use super::short::ONE_AFTER_ANOTHER;
use crate::sample::{text, traffic};
use crate::store::Given;
use crate::{Played, Short};

/// An empty table, as the template makes it, but for the time to live: the decisions of [`crate::sample`] are old.
pub(super) async fn begin(dynamodb: &Client) {
    let keys = [("pk", KeyType::Hash), ("sk", KeyType::Range)];
    let attributes = keys.iter().map(|(name, _)| {
        let text = AttributeDefinition::builder().attribute_type(ScalarAttributeType::S);
        text.attribute_name(*name).build().unwrap()
    });
    let schema = keys.iter().map(|(name, kind)| {
        let key = KeySchemaElement::builder().key_type(kind.clone());
        key.attribute_name(*name).build().unwrap()
    });
    let request = dynamodb.create_table().table_name("table").billing_mode(BillingMode::PayPerRequest);
    let request = request.set_attribute_definitions(Some(attributes.collect()));
    request.set_key_schema(Some(schema.collect())).send().await.unwrap();
}

pub(super) async fn given(dynamodb: &Client, given: &Given) -> Played {
    match given {
        Given::TrafficMoved(fleet) => {
            let mut moved = traffic();
            moved.epoch.0 += 1;
            set(dynamodb, fleet, "TRAFFIC", "epoch", AttributeValue::N(moved.epoch.0.to_string())).await;
            set(dynamodb, fleet, "TRAFFIC", "body", AttributeValue::S(text(&moved))).await;
        }
        Given::TrafficDeleted(fleet) => {
            let request = dynamodb.delete_item().table_name("table");
            let request = request
                .key("pk", partition(fleet))
                .key("sk", AttributeValue::S("TRAFFIC".to_owned()));
            request.send().await.unwrap();
        }
        Given::OfNextYear(fleet) => set(dynamodb, fleet, "SPEC", "schema", AttributeValue::N("99".to_owned())).await,
        Given::Damaged(fleet) => set(dynamodb, fleet, "SPEC", "body", AttributeValue::S("{".to_owned())).await,
        Given::Contended => return Err(Short::NotShown(ONE_AFTER_ANOTHER)),
        Given::Applied(_) | Given::WithAlarm(..) | Given::Deleted(_) => panic!("{given:?} is the operator's"),
    }
    Ok(())
}

async fn set(dynamodb: &Client, fleet: &FleetId, sk: &str, attribute: &str, value: AttributeValue) {
    let request = dynamodb.update_item().table_name("table");
    let request = request.key("pk", partition(fleet)).key("sk", AttributeValue::S(sk.to_owned()));
    let request = request
        .update_expression("SET #name = :value")
        .expression_attribute_names("#name", attribute);
    request.expression_attribute_values(":value", value).send().await.unwrap();
}

fn partition(fleet: &FleetId) -> AttributeValue {
    AttributeValue::S(format!("FLEET#{fleet}"))
}
