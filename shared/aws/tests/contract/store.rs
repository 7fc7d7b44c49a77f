//! The store: what is read, in how few calls, and what the conditions of single writes mean.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::FleetId;
use ghostnet_core::id::{Generation, InstallationId, SpecVersion};
use ghostnet_core::observation::{ExhaustedOffering, Market, Offering};
use ghostnet_core::spec::Reservation;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::{Look, Store};
use serde_json::{Value, json};

use crate::reply::refused;
use crate::sample::{capacity_item, done, fleet, minute, offering, plan_id, record, region, spec_item, state, step, text, traffic_item};
use crate::wire::{Reply, Sent, Wire, run};

fn batch(items: &[Value]) -> Reply {
    Reply::json(&json!({ "Responses": { "table": items } }))
}

fn wanted_keys(sent: &Sent) -> usize {
    sent.body["RequestItems"]["table"]["Keys"].as_array().map_or(0, Vec::len)
}

fn empty() -> Reply {
    Reply::json(&json!({}))
}

fn fleet_named(name: &str) -> FleetId {
    name.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_fleet_is_loaded_whole_with_the_generation_of_the_item() {
    let outcome = (step(0, 3), done(1));
    // `apply` bumped the attribute, the state inside is older
    let wire = Wire::script([batch(&[
        spec_item("web", 3),
        capacity_item("web", 9, &state(8), std::slice::from_ref(&outcome)),
        traffic_item("web"),
    ])]);
    let mut loaded = run(wire.aws().load(&[fleet()])).unwrap_or_default();
    let Some(Ok(loaded)) = loaded.remove(&fleet()) else {
        panic!("{loaded:?}")
    };
    assert_eq!(loaded.spec.version, SpecVersion(3));
    assert_eq!(loaded.state.map(|state| state.generation), Some(Generation(9)));
    assert_eq!(loaded.outcomes, BTreeMap::from([outcome]));
    assert_eq!(loaded.traffic, Some(crate::sample::traffic()));
    assert_eq!(wire.only().body["RequestItems"]["table"]["ConsistentRead"], json!(true));
}

#[test]
fn one_unreadable_fleet_does_not_stop_the_others() {
    let mut newer = spec_item("newer", 1);
    newer["schema"] = json!({ "N": "2" });
    let mut broken = spec_item("broken", 1);
    broken["body"] = json!({ "S": "{" });
    let wire = Wire::script([batch(&[spec_item("web", 3), newer, broken])]);
    let names = ["web", "newer", "broken", "absent"].map(fleet_named);
    let loaded = run(wire.aws().load(&names)).unwrap_or_default();
    let told: Vec<_> = loaded
        .iter()
        .map(|(fleet, loaded)| (fleet.as_str(), loaded.as_ref().err().map(|error| error.code.as_str())))
        .collect();
    assert_eq!(told, [("broken", Some("BadItem")), ("newer", Some("NewerSchema")), ("web", None)]);
}

#[test]
fn many_fleets_are_loaded_by_the_hundred_keys_and_none_is_forgotten() {
    let names: Vec<_> = (0..40).map(|n| fleet_named(&format!("f{n}"))).collect();
    let wire = Wire::new(|sent, number| {
        let keys = sent.body["RequestItems"]["table"]["Keys"].clone();
        // the first call leaves all of its keys unread
        match number {
            0 => Reply::json(&json!({ "Responses": {}, "UnprocessedKeys": { "table": { "Keys": keys } } })),
            _ => {
                let specs = keys.as_array().into_iter().flatten().filter(|key| key["sk"]["S"] == "SPEC");
                let names = specs.filter_map(|key| key["pk"]["S"].as_str()?.strip_prefix("FLEET#").map(str::to_owned));
                batch(&names.map(|name| spec_item(&name, 1)).collect::<Vec<_>>())
            }
        }
    });
    let loaded = run(wire.aws().load(&names)).unwrap_or_default();
    assert_eq!((loaded.len(), loaded.values().all(Result::is_ok)), (40, true));
    let mut sizes: Vec<_> = wire.sent().iter().map(wanted_keys).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [20, 100, 100]);
}

#[test]
fn keys_that_stay_unread_are_an_error() {
    let wire = Wire::new(|sent, _| {
        let keys = sent.body["RequestItems"]["table"]["Keys"].clone();
        Reply::json(&json!({ "Responses": {}, "UnprocessedKeys": { "table": { "Keys": keys } } }))
    });
    let error = run(wire.aws().load(&[fleet()])).err();
    assert_eq!(error.map(|error| error.class), Some(ErrorClass::Throttled));
}

#[test]
fn the_list_of_fleets_is_read_to_its_last_page() {
    let entry = |name: &str| json!({ "pk": { "S": "FLEETS" }, "sk": { "S": name }, "schema": { "N": "1" } });
    let mut looked_at = entry("web");
    looked_at["evaluated_at"] = json!({ "S": minute(1).to_string() });
    looked_at["alarms"] = json!({ "L": [{ "S": "checkout-errors" }] });
    let wire = Wire::script([
        Reply::json(&json!({ "Items": [looked_at], "LastEvaluatedKey": { "pk": { "S": "FLEETS" }, "sk": { "S": "web" } } })),
        Reply::json(&json!({ "Items": [entry("api")] })),
    ]);
    let fleets = run(wire.aws().fleets()).unwrap_or_default();
    let told: Vec<_> = fleets
        .iter()
        .map(|entry| (entry.fleet.as_str(), entry.alarms.len(), entry.evaluated_at))
        .collect();
    assert_eq!(told, [("web", 1, Some(minute(1))), ("api", 0, None)]);
}

#[test]
fn a_table_belongs_to_who_claimed_it_first() {
    let ours = InstallationId::new("inst");
    let wire = Wire::script([empty()]);
    assert_eq!(run(wire.aws().claim(&ours, minute(0))), Ok(ours.clone()));
    assert_eq!(wire.only().text("ConditionExpression"), "attribute_not_exists(#pk)");
    let wire = Wire::script([refused(Some(json!({ "id": { "S": "another" } })))]);
    assert_eq!(run(wire.aws().claim(&ours, minute(0))), Ok(InstallationId::new("another")));
}

#[test]
fn only_an_alarm_change_that_is_older_is_no_news() {
    let wire = Wire::script([empty()]);
    assert_eq!(run(wire.aws().note_alarm("arn:a", minute(1))), Ok(true));
    let sent = wire.only();
    assert_eq!(
        sent.text("ConditionExpression"),
        "attribute_not_exists(#pk) OR #changed_at <= :changed_at"
    );
    assert_eq!(sent.body["Item"]["pk"], json!({ "S": "ALARM#arn:a" }));
    let wire = Wire::script([refused(None)]);
    assert_eq!(run(wire.aws().note_alarm("arn:a", minute(1))), Ok(false));
}

#[test]
fn outcomes_go_to_the_state_first_and_then_to_the_record() {
    let outcomes = BTreeMap::from([(step(1, 0), done(2)), (step(1, 1), done(2))]);
    // the record expired meanwhile: nothing to tell it
    let wire = Wire::script([empty(), refused(None)]);
    assert_eq!(run(wire.aws().record_outcomes(&fleet(), &plan_id(1), &outcomes)), Ok(()));
    let sent = wire.sent();
    let keys: Vec<_> = sent
        .iter()
        .map(|sent| sent.body["Key"]["sk"]["S"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(keys, ["CAPACITY".to_owned(), format!("DECISION#{}", plan_id(1))]);
    for sent in sent {
        assert_eq!(sent.text("UpdateExpression"), "SET #outcomes.#s0 = :o0, #outcomes.#s1 = :o1");
        assert_eq!(sent.text("ConditionExpression"), "attribute_exists(#pk)");
        assert_eq!(sent.body["ExpressionAttributeValues"][":o0"], json!({ "S": text(&done(2)) }));
    }
    let wire = Wire::script([]);
    assert_eq!(run(wire.aws().record_outcomes(&fleet(), &plan_id(1), &BTreeMap::new())), Ok(()));
    assert_eq!(wire.sent(), []);
}

#[test]
fn a_write_that_meets_a_transaction_is_tried_again() {
    let conflict = || Reply::json_error("TransactionConflictException", json!({ "message": "m" }));
    let outcomes = BTreeMap::from([(step(1, 0), done(2))]);
    let wire = Wire::script([conflict(), conflict(), empty(), empty()]);
    assert_eq!(run(wire.aws().record_outcomes(&fleet(), &plan_id(1), &outcomes)), Ok(()));
    let wire = Wire::new(move |_, _| conflict());
    let error = run(wire.aws().record_outcomes(&fleet(), &plan_id(1), &outcomes)).err();
    assert_eq!(
        (error.map(|error| error.class), wire.sent().len()),
        (Some(ErrorClass::Transient), 5)
    );
}

fn look(name: &str, hold: bool) -> Look {
    Look {
        fleet: fleet_named(name),
        hold: hold.then(|| plan_id(1)),
        at: minute(5),
    }
}

#[test]
fn looks_at_many_fleets_are_noted_in_one_call() {
    let wire = Wire::script([empty()]);
    assert_eq!(
        run(wire.aws().note_looks(&[look("web", true), look("api", false), look("web", true)])),
        Ok(())
    );
    let items = wire.only().body["TransactItems"].as_array().cloned().unwrap_or_default();
    let keys: Vec<_> = items
        .iter()
        .map(|item| item["Update"]["Key"]["sk"]["S"].as_str().unwrap_or_default().to_owned())
        .collect();
    // each fleet once: a transaction may touch an item once
    assert_eq!(keys, ["api".to_owned(), "web".to_owned(), format!("HOLD#{}", plan_id(1))]);
}

#[test]
fn a_deleted_fleet_does_not_cost_the_others_their_notes() {
    let wire = Wire::new(|sent, number| match (number, sent.operation.as_str()) {
        (0, _) => {
            let reasons = json!([{ "Code": "ConditionalCheckFailed" }, { "Code": "None" }]);
            Reply::json_error("TransactionCanceledException", json!({ "CancellationReasons": reasons }))
        }
        _ if sent.body["Key"]["sk"]["S"] == "gone" => refused(None),
        _ => empty(),
    });
    assert_eq!(run(wire.aws().note_looks(&[look("gone", false), look("web", false)])), Ok(()));
    assert_eq!(
        wire.operations(),
        ["dynamodb:TransactWriteItems", "dynamodb:UpdateItem", "dynamodb:UpdateItem"]
    );
}

#[test]
fn plans_on_record_are_found_by_their_keys() {
    let item = json!({ "pk": { "S": "FLEET#web" }, "sk": { "S": format!("DECISION#{}", plan_id(1)) } });
    let wire = Wire::script([batch(&[item])]);
    let plans = BTreeSet::from([plan_id(1), plan_id(2)]);
    assert_eq!(run(wire.aws().recorded_plans(&fleet(), &plans)), Ok(BTreeSet::from([plan_id(1)])));
    assert_eq!(wire.only().body["RequestItems"]["table"]["ProjectionExpression"], json!("#pk, #sk"));
}

#[test]
fn an_exhausted_offering_is_remembered_until_it_may_be_asked_again() {
    let item =
        |until: i64| json!({ "until": { "S": minute(until).to_string() }, "streak": { "N": "1" }, "body": { "S": text(&offering()) } });
    let wire = Wire::script([Reply::json(&json!({ "Items": [item(4), item(5), item(6)] }))]);
    let expected = ExhaustedOffering {
        offering: offering(),
        until: minute(6),
    };
    assert_eq!(run(wire.aws().exhausted(&region(), minute(5))), Ok(vec![expected]));

    let wire = Wire::script([Reply::json(&json!({ "Item": item(4) })), empty()]);
    assert_eq!(run(wire.aws().note_exhausted(&region(), &offering(), minute(5))), Ok(()));
    let sent = wire.sent();
    let put = sent.last().map(|sent| sent.body["Item"].clone()).unwrap_or_default();
    assert_eq!(
        (&put["pk"], &put["sk"]),
        (&json!({ "S": "OFFERING#eu-west-1" }), &json!({ "S": "eu-west-1a#-#on-demand" }))
    );
    assert_eq!(
        (&put["streak"], &put["until"]),
        (&json!({ "N": "2" }), &json!({ "S": minute(11).to_string() }))
    );

    let reserved = Offering {
        market: Market::Reserved,
        reservation: Some(Reservation::Id("cr-0a1b".to_owned())),
        ..offering()
    };
    let wire = Wire::script([empty(), empty()]);
    assert_eq!(run(wire.aws().note_exhausted(&region(), &reserved, minute(5))), Ok(()));
    let put = wire.sent().last().map(|sent| sent.body["Item"]["sk"].clone());
    assert_eq!(
        put,
        Some(json!({ "S": "eu-west-1a#-#reserved#cr-0a1b" })),
        "what one reservation lacks another may have"
    );
}

#[test]
fn inputs_that_do_not_fit_are_left_out_and_it_is_said() {
    let wire = Wire::script([empty(), empty()]);
    let mut large = record(1);
    // noise does not shrink
    let noise = |n: u64| (0..4).map(|k| ghostnet_core::id::digest(&format!("{n}/{k}"))).collect::<String>();
    if let Some(inputs) = &mut large.inputs {
        std::sync::Arc::make_mut(&mut inputs.spec).description = Some((0..6_000).map(noise).collect());
    }
    let aws = wire.aws();
    assert_eq!(run(aws.record(&large)), Ok(()));
    assert_eq!(run(aws.record(&record(1))), Ok(()));
    let kept: Vec<_> = wire
        .sent()
        .iter()
        .map(|sent| {
            (
                sent.body["Item"]["inputs"].is_object(),
                sent.body["Item"]["inputs_dropped"].is_object(),
            )
        })
        .collect();
    assert_eq!(kept, [(false, true), (true, false)]);
}
