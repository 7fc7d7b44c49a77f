//! Sides in several regions, one of which does not answer: nothing is known of the side that is there, for or against it.

use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::{Failback, Fencing};
use ghostnet_core::unit::Seconds;

use super::sides::*;

fn dark(sides: &mut Sides, side: &'static str) {
    sides.unlisted.insert(side);
    sides.unread = Some(side);
}

#[test]
fn a_side_whose_region_does_not_answer_is_left_by_what_is_seen_from_outside_and_by_nothing_else() {
    for (alarms, active) in [
        (&[][..], "blue"),
        (&["canary"][..], "blue"),
        (&["latency"][..], "blue"),
        (&["canary", "latency"][..], "green"),
    ] {
        let mut sides = Sides::new(4, 4);
        dark(&mut sides, "blue");
        for name in alarms {
            sides.alarm("blue", name, AlarmState::Alarm);
        }
        sides.looks(20, 60);
        assert_eq!(sides.traffic.active.as_str(), active, "{alarms:?}");
    }
}

#[test]
fn traffic_does_not_come_back_to_a_side_whose_region_does_not_answer() {
    let mut sides = Sides::new(4, 4);
    sides.failover.failback = Failback::Auto { well: 5 };
    sides.alarm("blue", "canary", AlarmState::Alarm);
    sides.alarm("blue", "latency", AlarmState::Alarm);
    sides.looks(3, 60);
    assert_eq!(sides.traffic.active.as_str(), "green");
    sides.alarm("blue", "canary", AlarmState::Ok);
    sides.alarm("blue", "latency", AlarmState::Ok);
    sides.unlisted.insert("blue");
    sides.looks(40, 60);
    assert_eq!(
        sides.traffic.active.as_str(),
        "green",
        "its groups were read, its instances were not"
    );
    sides.unlisted.clear();
    sides.looks(10, 60);
    assert_eq!(sides.traffic.active.as_str(), "blue");
}

#[test]
fn nothing_moves_to_a_side_whose_region_does_not_answer() {
    let mut sides = Sides::new(4, 4);
    dark(&mut sides, "green");
    sides.die("blue");
    sides.alarm("blue", "canary", AlarmState::Alarm);
    sides.looks(20, 60);
    assert_eq!(sides.traffic.active.as_str(), "blue");
    sides.unlisted.clear();
    sides.unread = None;
    sides.looks(2, 60);
    assert_eq!(sides.traffic.active.as_str(), "green");
}

#[test]
fn who_cannot_be_listed_is_not_out() {
    let mut sides = Sides::new(4, 4);
    sides.failover.fencing = Some(Fencing {
        stop: false,
        timeout: Seconds::minutes(10),
    });
    sides.ask_for("green", false);
    assert!(sides.traffic.fence.is_some(), "blue is kept out first");
    sides.leave("blue");
    sides.unlisted.insert("blue");
    sides.looks(3, 60);
    assert_eq!(
        sides.traffic.active.as_str(),
        "blue",
        "its groups are empty, and nobody knows who runs there"
    );
    sides.unlisted.clear();
    sides.looks(2, 60);
    assert_eq!(sides.traffic.active.as_str(), "green");
}
