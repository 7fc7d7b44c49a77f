//! What each instance carries is kept of the series that a policy reads anyway, where the scale-in order wants to know it.

use std::collections::BTreeSet;

use crate::run::*;
use crate::world::World;
use ghostnet_core::id::InstanceId;
use serde_json::json;

/// Of whom the last record with inputs knows the load, and the calls of its world.
fn known(order: &[&str]) -> (BTreeSet<InstanceId>, BTreeSet<InstanceId>, usize) {
    let mut raw = serde_json::to_value(spec(3)).unwrap();
    raw["policies"].as_array_mut().unwrap().push(json!({
        "id": "cpu", "type": "target_tracking", "metric": "network_in", "source": "instances", "target": 5_000.0,
    }));
    raw["defaults"]["scale_in"] = json!({ "order": order });
    let world = World::new(serde_json::from_value(raw).unwrap(), 3_000.0);
    ticks(&world, "settle", 10);
    // the fleet grows: a record of it
    world.borrow_mut().load = 4_500.0;
    ticks(&world, "grow", 1);
    let world = world.borrow();
    let record = world.table.records.values().max_by_key(|record| record.at).unwrap();
    let observation = &record.inputs.as_ref().unwrap().observation;
    let known = observation.loads.values().flat_map(|loads| loads.by_instance.keys().cloned());
    let before = observation.instances.iter().flatten().map(|instance| instance.id.clone());
    (known.collect(), before.collect(), world.calls.len())
}

#[test]
fn the_load_of_each_instance_is_known_where_the_order_asks_and_costs_no_call() {
    let (loads, instances, calls) = known(&["least_loaded", "oldest"]);
    assert_eq!((&loads, loads.len()), (&instances, 3));
    let (none, _, as_many) = known(&["zone_balance", "oldest"]);
    assert_eq!((none, as_many), (BTreeSet::new(), calls));
}
