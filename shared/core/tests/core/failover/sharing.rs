//! Every side takes a share: one that is down takes none, the others take it, and it gets back what was its own.

use ghostnet_core::failover::{Refusal, TrafficFinding, TrafficWish, ready_floor, reserve_of};
use ghostnet_core::id::PoolId;
use ghostnet_core::spec::{ContentType, Failback, FailoverMode, Fallback, FixedResponse, FleetSpec, Instead};
use ghostnet_core::state::{CapacityState, Stage, TrafficState};
use ghostnet_core::unit::Percent;

use super::sides::*;
use crate::support::*;

fn shares(sides: &Sides) -> [u32; 3] {
    ["blue", "green", "red"].map(|side| sides.weights[side])
}

fn out(sides: &Sides) -> Vec<PoolId> {
    sides.traffic.out().into_iter().collect()
}

const USUAL: [u32; 3] = [40, 40, 20];

#[test]
fn the_others_take_the_share_of_one_that_is_down_each_by_its_own_in_one_call() {
    let mut sides = Sides::sharing(4);
    sides.die("blue");
    assert!(!moves(&sides.looks(2, 10)), "two datapoints are not three");
    let decision = sides.looks(1, 10);
    assert_eq!((decision.steps.len(), shares(&sides)), (1, [0, 66, 34]));
    assert_eq!((out(&sides), sides.traffic.epoch.0), (vec![pool("blue")], 1));
    let decision = sides.looks(1, 10);
    assert!(
        matches!(decision.findings.last(), Some(TrafficFinding::Moved { .. })),
        "{:?}",
        decision.findings
    );
    assert_eq!(sides.traffic.shift, None);
    assert!(!moves(&sides.looks(20, 60)), "and so it stays");
}

#[test]
fn it_gets_its_share_back_by_itself_only_if_it_may() {
    for (failback, comes_back) in [
        (Failback::Manual, None),
        (Failback::Auto { well: 10 }, Some(15)),
        (Failback::Auto { well: 30 }, Some(30)),
    ] {
        let mut sides = Sides::sharing(4);
        sides.failover.failback = failback;
        sides.die("blue");
        sides.looks(4, 10);
        sides.put("blue", 4);
        let minutes = (1..=60).find(|_| {
            sides.looks(1, 60);
            shares(&sides) == USUAL
        });
        assert_eq!(minutes, comes_back, "{failback:?}");
    }
}

/// In whatever order they leave and come back, in the end each has what it had.
#[test]
fn two_that_were_lost_get_back_what_they_had() {
    for [first, second] in [["blue", "green"], ["green", "blue"], ["red", "blue"]] {
        let mut sides = Sides::sharing(8);
        sides.failover.failback = Failback::Auto { well: 3 };
        sides.die(first);
        sides.looks(4, 10);
        sides.die(second);
        sides.looks(4, 10);
        assert_eq!(
            shares(&sides).into_iter().filter(|share| *share > 0).collect::<Vec<_>>(),
            [100],
            "{first} {second}"
        );
        sides.put(first, 8);
        sides.looks(20, 60);
        assert_eq!(out(&sides), [pool(second)]);
        sides.put(second, 8);
        sides.looks(20, 60);
        assert_eq!((shares(&sides), out(&sides)), (USUAL, vec![]), "{first} {second}");
    }
}

#[test]
fn the_last_one_keeps_the_traffic_unless_one_that_was_left_is_well() {
    let mut sides = Sides::sharing(4);
    for side in ["blue", "green", "red"] {
        sides.die(side);
    }
    for _ in 0..10 {
        let decision = sides.looks(1, 10);
        assert!(!moves(&decision), "there is nobody to move to: {:?}", decision.findings);
    }
    let mut sides = Sides::sharing(4);
    sides.die("blue");
    sides.looks(4, 10);
    sides.put("blue", 4);
    sides.die("green");
    sides.looks(4, 10);
    assert_eq!(shares(&sides), [0, 0, 100]);
    // failback is manual, but nobody else is left
    sides.die("red");
    sides.looks(5, 10);
    assert_eq!((shares(&sides), out(&sides)), ([100, 0, 0], vec![pool("green"), pool("red")]));
}

#[test]
fn the_others_grow_first_where_they_must() {
    let mut sides = Sides::sharing(4);
    for side in ["green", "red"] {
        for n in 1..4 {
            let id = format!("i-{side}-{n:03}");
            sides.health.remove(&ghostnet_core::id::InstanceId::new(id.clone()));
            sides.states.remove(&ghostnet_core::id::InstanceId::new(id));
        }
    }
    sides.die("blue");
    let decision = sides.looks(3, 10);
    assert!(!moves(&decision), "two of six needed: {:?}", decision.findings);
    assert_eq!(
        sides.traffic.floors,
        [(pool("blue"), 4), (pool("green"), 6), (pool("red"), 6)].into(),
        "each of the others grows to its part of the whole, and the source keeps its number"
    );
    for side in ["green", "red"] {
        sides.put(side, 4);
    }
    assert!(moves(&sides.looks(1, 10)));
}

/// The other one is as large as it may be: what it cannot have is not waited for while a third of the requests is lost.
#[test]
fn nobody_waits_for_more_than_there_may_ever_be() {
    let mut sides = Sides::sharing(8);
    sides.failover.gate = Percent(100);
    for pool in &mut sides.spec.pools {
        pool.capacity.max = 8;
    }
    sides.die("blue");
    sides.looks(3, 10);
    assert_eq!(shares(&sides), [0, 66, 34], "sixteen of twenty-four, and there are never more");
}

#[test]
fn one_that_came_back_and_fails_again_within_the_dwell_is_not_left_again() {
    let mut sides = Sides::sharing(4);
    sides.failover.failback = Failback::Auto { well: 3 };
    sides.die("blue");
    sides.looks(4, 10);
    sides.put("blue", 4);
    sides.looks(16, 60);
    assert_eq!(shares(&sides), USUAL);
    sides.die("blue");
    let decision = sides.looks(5, 10);
    assert!(!moves(&decision));
    assert!(
        decision
            .findings
            .iter()
            .any(|finding| matches!(finding, TrafficFinding::WouldFlap { .. })),
        "{:?}",
        decision.findings
    );
    sides.put("red", 8);
    sides.die("green");
    sides.looks(5, 10);
    assert_eq!(
        shares(&sides),
        [0, 0, 100],
        "another one does not wait for that, and who is down gets no share of it"
    );
}

#[test]
fn an_operator_has_one_serve_alone_and_everybody_again() {
    let mut sides = Sides::sharing(8);
    let to = |side: &str| TrafficWish::Failover {
        to: pool(side),
        until: None,
        forced: false,
    };
    let decision = sides.ask(TrafficWish::Failback);
    assert_eq!(
        decision.findings,
        [TrafficFinding::Refused {
            why: Refusal::NothingMoved
        }]
    );
    sides.put("red", 16);
    sides.ask(to("red"));
    assert_eq!((shares(&sides), out(&sides)), ([0, 0, 100], vec![pool("blue"), pool("green")]));
    sides.looks(1, 10);
    let decision = sides.ask(to("red"));
    assert_eq!(
        decision.findings,
        [TrafficFinding::Refused {
            why: Refusal::IsActive { pool: pool("red") }
        }]
    );
    let decision = sides.ask(TrafficWish::Undo);
    assert_eq!((shares(&sides), out(&sides)), (USUAL, vec![]), "exactly as before");
    let told = |finding: &TrafficFinding| matches!(finding, TrafficFinding::TakesItsShare { .. });
    assert_eq!(
        decision.findings.iter().filter(|finding| told(finding)).count(),
        2,
        "{:?}",
        decision.findings
    );
    assert!(
        !decision
            .findings
            .iter()
            .any(|finding| matches!(finding, TrafficFinding::Leaves { .. }))
    );
    sides.looks(1, 10);
    sides.ask(to("red"));
    sides.looks(1, 10);
    sides.ask(TrafficWish::Failback);
    assert_eq!((shares(&sides), out(&sides)), (USUAL, vec![]));
    sides.looks(1, 10);
    sides.ask(TrafficWish::Undo);
    assert_eq!(out(&sides), [pool("blue"), pool("green")], "the way back is undone as well");
}

#[test]
fn a_move_for_a_time_ends_with_it() {
    let mut sides = Sides::sharing(8);
    sides.put("red", 16);
    sides.ask(TrafficWish::Failover {
        to: pool("red"),
        until: Some(at(600)),
        forced: false,
    });
    sides.looks(9, 60);
    assert_eq!(shares(&sides), [0, 0, 100]);
    sides.looks(6, 60);
    assert_eq!((shares(&sides), out(&sides)), (USUAL, vec![]));
}

/// What somebody set for the others while one was out holds, and that one gets what was its own.
#[test]
fn weights_that_somebody_set_meanwhile_hold() {
    let mut sides = Sides::sharing(4);
    sides.die("blue");
    sides.looks(4, 10);
    sides.put("blue", 4);
    sides.looks(4, 10);
    sides.weights = [("blue", 0), ("green", 50), ("red", 50)].into();
    sides.ask(TrafficWish::Failback);
    assert_eq!(shares(&sides), [40, 50, 50]);
}

/// A restored table may have forgotten who took none when the weights were last read, and take nothing for its usual share.
#[test]
fn one_whose_usual_share_is_nothing_comes_back_with_that_of_the_others() {
    for (weights, after) in [
        ([("blue", 0), ("green", 60), ("red", 40)], [50, 60, 40]),
        ([("blue", 0), ("green", 100), ("red", 0)], [100, 100, 0]),
        ([("blue", 0), ("green", 999), ("red", 999)], [999, 999, 999]),
    ] {
        let mut sides = Sides::sharing(4);
        sides.weights = weights.into();
        sides.die("blue");
        sides.looks(4, 10);
        assert_eq!(out(&sides), [pool("blue")]);
        sides.put("blue", 4);
        sides.looks(4, 10);
        sides.ask(TrafficWish::Failback);
        let decision = sides.looks(1, 10);
        assert_eq!((shares(&sides), out(&sides)), (after, vec![]), "{weights:?}");
        assert_eq!(sides.traffic.shift, None, "{:?}", decision.findings);
    }
}

#[test]
fn a_lost_call_is_sent_again_to_the_same_end() {
    let mut sides = Sides::sharing(4);
    sides.die("blue");
    sides.looks(2, 10);
    sides.now += 10;
    let lost = sides.lose();
    assert_eq!((lost.steps.len(), out(&sides)), (1, vec![pool("blue")]));
    assert!(!moves(&sides.looks(5, 10)), "its window and the margin are not over");
    let again = sides.looks(1, 10);
    assert_eq!((again.steps.clone(), shares(&sides)), (lost.steps, [0, 66, 34]));
    sides.looks(1, 10);
    assert_eq!(
        (sides.traffic.shift.clone(), sides.traffic.epoch.0),
        (None, 1),
        "one epoch for one move"
    );
}

#[test]
fn one_that_recovers_while_the_others_grow_keeps_its_share() {
    let mut sides = Sides::sharing(4);
    for side in ["green", "red"] {
        sides.sicken(side, 3);
        // sick for other reasons than ours: they are not down by one kind
    }
    sides.err("blue", 50.0);
    sides.sicken("blue", 3);
    sides.looks(3, 60);
    assert!(
        matches!(&sides.traffic.shift, Some(shift) if shift.stage == Stage::Preparing),
        "{:?}",
        sides.traffic.shift
    );
    sides.err("blue", 0.0);
    sides.heal("blue");
    let decision = sides.looks(4, 60);
    assert!(!moves(&decision));
    assert_eq!((sides.traffic.shift.clone(), shares(&sides)), (None, USUAL));
}

#[test]
fn something_else_answers_only_where_nobody_does_and_those_that_can_share_again() {
    let mut sides = Sides::sharing(4);
    sides.failover.degraded = Some(Instead {
        answer: Fallback::FixedResponse(FixedResponse {
            status: 503,
            content_type: ContentType::Plain,
            body: "back soon".to_owned(),
        }),
        shed: Vec::new(),
        checked_by: None,
    });
    for side in ["blue", "green"] {
        sides.die(side);
    }
    sides.looks(4, 10);
    assert_eq!(sides.page, None, "red answers");
    sides.die("red");
    sides.looks(5, 10);
    assert!(sides.page.is_some(), "{:?}", sides.traffic);
    for side in ["green", "red"] {
        sides.put(side, 4);
    }
    sides.looks(2, 10);
    assert_eq!((sides.page.clone(), shares(&sides)), (None, [0, 66, 34]), "blue is not there yet");
    sides.put("blue", 4);
    sides.looks(4, 10);
    sides.ask(TrafficWish::Failback);
    assert_eq!((shares(&sides), out(&sides)), (USUAL, vec![]));
}

/// The owner writes another mode while a side takes none, and the old one again later: nobody is out for what was long ago.
#[test]
fn another_mode_forgets_who_took_none() {
    let mut sides = Sides::sharing(8);
    sides.die("blue");
    sides.looks(4, 10);
    sides.put("blue", 8);
    assert_eq!(out(&sides), [pool("blue")]);
    sides.failover.mode = FailoverMode::HotStandby;
    sides.looks(1, 60);
    assert_eq!(out(&sides), []);
    assert_ne!(sides.traffic.active, pool("blue"), "who took some has the traffic");
    sides.failover.mode = FailoverMode::ActiveActive;
    sides.looks(1, 60);
    assert_eq!(out(&sides), []);
    // and one that is about to move is no move between two sides
    for side in ["green", "red"] {
        sides.sicken(side, 7);
    }
    sides.die("blue");
    sides.looks(4, 10);
    assert!(sides.traffic.shift.is_some(), "{:?}", sides.traffic);
    sides.failover.mode = FailoverMode::ColdStandby;
    sides.looks(1, 10);
    assert!(
        sides.traffic.shift.as_ref().is_none_or(|shift| shift.sharing.is_none()),
        "{:?}",
        sides.traffic.shift
    );
}

/// Room for the loss of one: as much again of two, half of it of three; and none on top of a load that nobody else can take.
#[test]
fn each_has_room_for_the_share_of_one_that_is_lost() {
    let ratio = |sides: &Sides, side: &str| {
        let pool = sides.spec.pool(&pool(side)).unwrap();
        reserve_of(&sides.spec, &sides.traffic, pool, at(sides.now)).ratio
    };
    let mut sides = Sides::sharing(8);
    assert_eq!(ratio(&sides, "blue"), Percent(50));
    sides.failover.failback = Failback::Manual;
    sides.die("blue");
    sides.looks(4, 10);
    assert_eq!((ratio(&sides, "blue"), ratio(&sides, "green")), (Percent(0), Percent(100)));
    sides.die("green");
    sides.looks(4, 10);
    assert_eq!(ratio(&sides, "red"), Percent(0), "it has nobody to lose");
    for side in ["blue", "green"] {
        sides.put(side, 8);
    }
    sides.looks(4, 10);
    sides.ask(TrafficWish::Failback);
    sides.looks(2, 10);
    assert_eq!(
        (shares(&sides), ratio(&sides, "red")),
        (USUAL, Percent(0)),
        "its metrics still hold what was theirs"
    );
    sides.looks(16, 60);
    assert_eq!(ratio(&sides, "red"), Percent(50));
    let blue = &mut sides.spec.pools[0];
    blue.reserve.ratio = Percent(70);
    assert_eq!(ratio(&sides, "blue"), Percent(70), "who asks for more has it");
}

/// A side that takes no traffic has what it needs to take some at once.
#[test]
fn who_takes_no_traffic_is_kept_ready() {
    for (failover, desired, active, floors) in [
        (
            json!({ "mode": "hot_standby", "gate": { "healthy": "60%" } }),
            [10, 2],
            "blue",
            [0, 6],
        ),
        (
            json!({ "mode": "hot_standby", "gate": { "healthy": "60%" } }),
            [3, 10],
            "green",
            [6, 0],
        ),
        (json!({ "mode": "hot_standby", "standby_size": "100%" }), [7, 2], "blue", [0, 7]),
        (json!({ "mode": "hot_standby", "standby_size": "0%" }), [7, 2], "blue", [0, 0]),
        (json!({ "mode": "hot_standby", "standby_size": "300%" }), [7, 2], "blue", [0, 10]),
        (json!({ "mode": "cold_standby" }), [10, 2], "blue", [0, 0]),
    ] {
        let words = failover.to_string();
        let mut section = json!({ "lever": { "listener_rules": [rule().as_str()] } });
        merge(&mut section, failover);
        let spec = FleetSpec::check(&raw(json!({
            "pools": [
                { "id": "blue", "target_groups": [group("blue").as_str()] },
                { "id": "green", "role": "standby", "target_groups": [group("green").as_str()] },
            ],
            "failover": section,
        })))
        .unwrap();
        let mut capacity = CapacityState::new(&spec, at(0));
        let mut traffic = TrafficState::first(&spec).unwrap();
        traffic.active = pool(active);
        for (side, desired) in ["blue", "green"].into_iter().zip(desired) {
            capacity.pools.get_mut(&pool(side)).unwrap().desired = desired;
        }
        let floor = |side: &str| ready_floor(&spec, &capacity, &traffic, spec.pool(&pool(side)).unwrap());
        assert_eq!(["blue", "green"].map(floor), floors, "{words} {desired:?} {active}");
    }
    let mut sides = Sides::sharing(6);
    sides.die("blue");
    sides.looks(4, 10);
    sides.traffic.floors.clear();
    let floor = |side: &str| ready_floor(&sides.spec, &sides.capacity, &sides.traffic, sides.spec.pool(&pool(side)).unwrap());
    assert_eq!(["blue", "green", "red"].map(floor), [2, 0, 0], "half of a third of twelve");
}
