//! Reservations that give nothing cost an invocation some rounds, and never the launch.

use crate::run::*;
use crate::world::World;
use ghostnet_core::signal::Signal;
use ghostnet_engine::error::ErrorClass;
use serde_json::json;

/// Three instances are wanted, one in each zone, in reservations that answer so: how many there are after one invocation, and how many
/// launches it sent.
fn launched(types: &[&str], answer: Option<(ErrorClass, &'static str)>) -> (usize, usize) {
    let mut raw = serde_json::to_value(spec(3)).unwrap();
    raw["defaults"]["launch"]["instance_types"] = json!(types);
    raw["defaults"]["launch"]["market"] = json!({ "reservations": "cr-0123456789abcdef0" });
    let world = World::new(serde_json::from_value(raw).unwrap(), 3_000.0);
    world.borrow_mut().reservations = answer;
    look(&world, "first", &Signal::Tick).unwrap();
    let world = world.borrow();
    let sent = world.calls.iter().filter(|call| **call == "ec2:RunInstances").count();
    (world.alive().len(), sent)
}

#[test]
fn one_invocation_comes_to_on_demand_whatever_the_reservations_answer() {
    let one = ["c7a.large"];
    let most = ["c7a.large", "c7i.large", "m7a.large", "m7i.large"];
    let full = Some((ErrorClass::NoCapacity, "ReservationCapacityExceeded"));
    for (situation, types, answer, sent) in [
        ("there is room", &one[..], None, 3),
        ("full", &one[..], full, 3 + 3),
        ("full for as many types as a pool may name", &most[..], full, 4 * 3 + 3),
        (
            "cancelled: no other type is tried",
            &most[..],
            Some((ErrorClass::Invalid, "InvalidCapacityReservationId.NotFound")),
            3 + 3,
        ),
        ("not allowed", &one[..], Some((ErrorClass::Denied, "UnauthorizedOperation")), 3 + 3),
        ("the quota", &one[..], Some((ErrorClass::Quota, "InstanceLimitExceeded")), 3 + 3),
    ] {
        assert_eq!(launched(types, answer), (3, sent), "{situation}");
    }
}
