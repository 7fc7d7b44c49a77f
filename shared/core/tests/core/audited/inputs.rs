//! What may be an input: nothing that is old or out of order (I15).

use super::*;

#[test]
fn i15_an_old_notice_is_no_input() {
    let notice = |ago| {
        move |world: &mut World, decision: &mut Decision| {
            world.inputs.signal = spot_notice(world, &instance(1)[0], ago);
            drain(decision, 1, DrainReason::Interrupted);
        }
    };
    assert_eq!(Case::calm().after(notice(600)), Vec::<String>::new());
    assert_eq!(Case::calm().after(notice(601)), ["I15"]);
}

#[test]
fn i15_an_operators_size_is_asked_for_lately_and_in_order() {
    let size = |issued: i64, until: i64| Asked {
        by: "me".into(),
        at: at(issued),
        wish: Wish::Hold {
            desired: 4,
            until: at(until),
            reason: "no".into(),
        },
    };
    let asked = |issued: i64, by_signal: bool, before: Option<i64>| {
        move |world: &mut World, decision: &mut Decision| {
            let asked = size(issued, 3_600);
            world.inputs.state.pools.get_mut(&pool("blue")).unwrap().asked = before.map(|issued| size(issued, 3_600));
            decision.state.pools.get_mut(&pool("blue")).unwrap().asked = Some(asked.clone());
            if by_signal {
                let (fleet, pool) = ("web".parse().unwrap(), None);
                world.inputs.signal = Signal::OperatorRequest(OperatorRequest { fleet, pool, asked });
            }
        }
    };
    for (situation, change, found) in [
        ("asked for lately", asked(-600, true, None), vec![]),
        ("asked for long ago", asked(-601, true, None), vec!["I15"]),
        ("nobody asked", asked(0, false, None), vec!["I15"]),
        ("an older one after a newer one", asked(-60, true, Some(-30)), vec!["I15"]),
        ("a newer one after an older one", asked(-30, true, Some(-60)), vec![]),
    ] {
        assert_eq!(Case::calm().after(change), found, "{situation}");
    }
}

#[test]
fn i15_a_refresh_is_asked_for_lately_and_in_order() {
    let last = |issued: i64| LastAsked {
        by: "me".into(),
        at: at(issued),
    };
    let refresh = |issued: i64| Refresh {
        last: Some(last(issued)),
        ..Refresh::default()
    };
    let asked = |issued: i64, wish: Option<Wish>, before: Option<i64>| {
        move |world: &mut World, decision: &mut Decision| {
            world.inputs.state.pools.get_mut(&pool("blue")).unwrap().refresh = before.map(refresh);
            decision.state.pools.get_mut(&pool("blue")).unwrap().refresh = Some(refresh(issued));
            if let Some(wish) = wish.clone() {
                let (fleet, pool) = ("web".parse().unwrap(), None);
                let (by, at) = ("me".into(), at(issued));
                let asked = Asked { by, at, wish };
                world.inputs.signal = Signal::OperatorRequest(OperatorRequest { fleet, pool, asked });
            }
        }
    };
    let cancel = || Some(Wish::Refresh(RefreshRequest::Cancel));
    for (situation, change, found) in [
        ("asked for lately", asked(-600, cancel(), None), vec![]),
        ("asked for long ago", asked(-601, cancel(), None), vec!["I15"]),
        ("nobody asked", asked(0, None, None), vec!["I15"]),
        ("something else was asked", asked(0, Some(Wish::Clear), None), vec!["I15"]),
        ("an older one after a newer one", asked(-60, cancel(), Some(-30)), vec!["I15"]),
        ("a newer one after an older one", asked(-30, cancel(), Some(-60)), vec![]),
        ("nothing new", asked(-60, None, Some(-60)), vec![]),
    ] {
        assert_eq!(Case::calm().after(change), found, "{situation}");
    }
}
