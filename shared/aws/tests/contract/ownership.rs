//! Tags that make an instance ours, set and taken away.

use ghostnet_aws::ownership::KEYS;
use ghostnet_core::id::{InstanceId, SubnetId};
use ghostnet_engine::error::ErrorClass;

use crate::reply::{done, page};
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

#[test]
fn the_tags_of_a_pool_are_set_on_all_of_them() {
    let wire = Wire::new(|_, _| done("CreateTags"));
    let tags = [("ghostnet:installation", "inst".to_owned()), ("ghostnet:fleet", "web".to_owned())];
    assert_eq!(run(wire.aws().own(&region(), &ids(2), &tags)), Ok(()));
    let sent = wire.only();
    assert_eq!(sent.operation, "ec2:CreateTags");
    assert_eq!((sent.text("ResourceId.1"), sent.text("ResourceId.2")), ("i-1", "i-2"));
    assert_eq!(
        (sent.text("Tag.1.Key"), sent.text("Tag.1.Value")),
        ("ghostnet:installation", "inst")
    );
    assert_eq!((sent.text("Tag.2.Key"), sent.text("Tag.2.Value")), ("ghostnet:fleet", "web"));
}

#[test]
fn candidates_are_asked_for_by_a_filter_so_that_an_unknown_one_is_only_absent() {
    let instance = "<item><instancesSet><item><instanceId>i-1</instanceId><instanceState><code>16</code><name>running</name></instanceState>\
        <subnetId>subnet-a</subnetId><tagSet><item><key>aws:autoscaling:groupName</key><value>web-asg</value></item></tagSet>\
        </item></instancesSet></item>";
    let wire = Wire::new(move |_, _| page(instance, None));
    let found = run(wire.aws().candidates(&region(), &ids(2))).unwrap_or_default();
    let Some(candidate) = found.get(&InstanceId::new("i-1")) else {
        panic!("{found:?}")
    };
    assert_eq!((found.len(), candidate.state.as_str()), (1, "running"));
    assert_eq!(candidate.subnet, Some(SubnetId::new("subnet-a")));
    assert_eq!(candidate.tags.get("aws:autoscaling:groupName").map(String::as_str), Some("web-asg"));
    let sent = wire.only();
    assert_eq!((sent.text("Filter.1.Name"), sent.text("Filter.1.Value.2")), ("instance-id", "i-2"));
    for (count, calls) in [(0, 0), (200, 1), (201, 2)] {
        let wire = Wire::new(|_, _| page("", None));
        assert_eq!(run(wire.aws().candidates(&region(), &ids(count))).map(|found| found.len()), Ok(0));
        assert_eq!(wire.sent().len(), calls, "{count}");
    }
}
