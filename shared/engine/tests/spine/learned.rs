//! What a policy needs to learn from is read beside its demand, reaching as far back.

use crate::run::*;
use crate::world::World;
use ghostnet_core::sample::Series;
use serde_json::{Value, json};

/// What the last record with inputs knows of the use, how many policies read a demand, and the datapoints that each query asked for.
fn known(each: Value, source: &str) -> (Vec<Series>, usize, Vec<u32>) {
    let mut raw = serde_json::to_value(spec(3)).unwrap();
    let mut policy =
        json!({ "id": "demand", "type": "capacity", "demand": "alb_request_count", "instance_capacity": each, "utilisation": "70%" });
    if each == "learned" {
        policy["learn"] = json!({ "source": source });
    }
    raw["policies"].as_array_mut().unwrap().push(policy);
    let world = World::new(serde_json::from_value(raw).unwrap(), 3_000.0);
    ticks(&world, "settle", 10);
    world.borrow_mut().load = 4_500.0;
    ticks(&world, "grow", 1);
    let world = world.borrow();
    let record = world.table.records.values().max_by_key(|record| record.at).unwrap();
    let observation = &record.inputs.as_ref().unwrap().observation;
    let used = observation.used.values().flat_map(|used| used.values().cloned());
    let demands = observation.series.values().map(|series| series.len()).sum();
    (used.collect(), demands, world.asked.clone())
}

#[test]
fn the_use_is_read_only_where_somebody_learns_from_it() {
    let (used, demands, asked) = known(json!(50), "agent");
    assert_eq!((used.len(), demands, asked), (0, 2, vec![1, 1]));
    let (used, demands, asked) = known(json!("learned"), "agent");
    assert!(matches!(used.as_slice(), [Series::Points { partial: false, .. }]), "{used:?}");
    assert_eq!((demands, asked), (2, vec![1, 10, 9]));
    // one of five minutes for each of three instances, and their ten times five minutes of demand
    let (used, demands, asked) = known(json!("learned"), "instances");
    assert!(matches!(used.as_slice(), [Series::Points { partial: false, .. }]), "{used:?}");
    assert_eq!((demands, asked), (2, vec![1, 50, 9, 9, 9]));
}
