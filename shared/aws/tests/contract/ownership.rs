//! Tags that make an instance ours, set and taken away.

use ghostnet_aws::ownership::KEYS;
use ghostnet_core::id::InstanceId;
use ghostnet_engine::error::ErrorClass;

use crate::reply::done;
use crate::sample::region;
use crate::wire::{Reply, Wire, run};

fn ids(count: usize) -> Vec<InstanceId> {
    (1..=count).map(|n| InstanceId::new(format!("i-{n}"))).collect()
}

#[test]
fn all_of_our_tags_are_taken_off_whatever_their_value() {
    let wire = Wire::new(|_, _| done("DeleteTags"));
    assert_eq!(run(wire.aws().disown(&region(), &ids(2))), Ok(()));
    let sent = wire.sent();
    let [request] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((request.text("ResourceId.1"), request.text("ResourceId.2")), ("i-1", "i-2"));
    for (n, key) in (1..).zip(KEYS) {
        assert_eq!(request.text(&format!("Tag.{n}.Key")), key);
        assert!(
            request.body.get(format!("Tag.{n}.Value")).is_none(),
            "a value would spare other values"
        );
    }
}

#[test]
fn many_go_in_batches_and_nobody_needs_no_call() {
    for (count, calls) in [(0, 0), (500, 1), (501, 2)] {
        let wire = Wire::new(|_, _| done("DeleteTags"));
        assert_eq!(run(wire.aws().disown(&region(), &ids(count))), Ok(()));
        assert_eq!(wire.sent().len(), calls, "{count}");
    }
}

#[test]
fn a_refusal_is_told() {
    let wire = Wire::new(|_, _| Reply::xml_error(403, "UnauthorizedOperation"));
    let refused = run(wire.aws().disown(&region(), &ids(1)));
    assert_eq!(refused.map_err(|error| error.class), Err(ErrorClass::Denied));
}
