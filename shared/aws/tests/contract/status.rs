//! EC2's status checks: both kinds, whole answers, and what has failed for no known time.

use ghostnet_core::id::InstanceId;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::Compute;
use jiff::Timestamp;

use crate::reply::{failing, statuses};
use crate::sample::region;
use crate::wire::{Reply, Sent, Wire, run};

const EARLY: &str = "2026-11-20T13:00:00Z";
const LATE: &str = "2026-11-20T13:05:00Z";

fn of_system(sent: &Sent) -> bool {
    assert_eq!(sent.text("Filter.1.Value.1"), "impaired");
    match sent.text("Filter.1.Name") {
        "system-status.status" => true,
        "instance-status.status" => false,
        other => panic!("a filter by {other}"),
    }
}

#[test]
fn both_kinds_are_read_to_their_last_page_and_the_earlier_time_counts() {
    let wire = Wire::new(|sent, _| match (of_system(sent), sent.text("NextToken")) {
        (true, "") => statuses(&failing("i-1", true, LATE), Some("more")),
        (true, _) => statuses(&failing("i-2", true, LATE), None),
        (false, _) => statuses(&[failing("i-1", false, EARLY), failing("i-3", false, EARLY)].concat(), None),
    });
    let found = run(wire.aws().impaired(&region())).unwrap_or_default();
    let expected = [("i-1", EARLY), ("i-2", LATE), ("i-3", EARLY)];
    let expected = expected.map(|(id, at)| (InstanceId::new(id), at.parse::<Timestamp>().unwrap_or_default()));
    assert_eq!(found, expected.into());
}

#[test]
fn one_that_fails_since_nobody_knows_when_is_no_evidence() {
    let item = "<item><instanceId>i-1</instanceId><systemStatus><status>impaired</status></systemStatus></item>";
    let wire = Wire::new(move |_, _| statuses(item, None));
    assert_eq!(run(wire.aws().impaired(&region())).ok(), Some([].into()));
}

/// Absence from a part says nothing.
#[test]
fn half_an_answer_is_none() {
    let wire = Wire::new(|sent, _| {
        if of_system(sent) {
            statuses(&failing("i-1", true, EARLY), None)
        } else {
            Reply::xml_error(403, "UnauthorizedOperation")
        }
    });
    let failed = run(wire.aws().impaired(&region())).map_err(|error| error.class);
    assert_eq!(failed, Err(ErrorClass::Denied));
}
