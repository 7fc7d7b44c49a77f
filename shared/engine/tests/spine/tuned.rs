//! Settings that are found by the days that are past: kept beside the forecast, and what the next look goes by.

use std::cell::RefCell;
use std::rc::Rc;

use futures::FutureExt;
use ghostnet_core::forecast::Forecast;
use ghostnet_core::signal::Signal;
use ghostnet_core::tuning::{Found, Tuned};
use ghostnet_engine::invocation::{Invocation, ReconcileError};
use ghostnet_engine::learn::{ForecastReport, learn};
use ghostnet_engine::tune::{TuneReport, tune};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::run::*;
use crate::world::{Hand, Stop, World};

/// 3,000 requests a minute, and 9,000 in the hour after noon of every day.
fn noon_rush(at: Timestamp) -> f64 {
    let hour = at.as_second().rem_euclid(86_400).div_euclid(3_600);
    if hour == 12 { 9_000.0 } else { 3_000.0 }
}

/// A fleet of three whose instances carry 1,000 requests a minute, and which pays for a caution that its load never needs.
fn careful(tuning: Value) -> Rc<RefCell<World>> {
    let mut raw = serde_json::to_value(spec(3)).unwrap();
    let policy = json!({ "id": "ahead", "type": "predictive", "of": "requests", "mode": "act", "caution": 128, "usual": "95%" });
    raw["policies"].as_array_mut().unwrap().push(policy);
    raw["tuning"] = tuning;
    let world = World::new(serde_json::from_value(raw).unwrap(), 3_000.0);
    world.borrow_mut().now = "2026-11-20T14:30:10Z".parse().unwrap();
    ticks(&world, "settle", 10);
    world.borrow_mut().demand = Some(noon_rush);
    world
}

fn forecasting(world: &Rc<RefCell<World>>) -> Invocation {
    Invocation {
        function: "forecast",
        ..invocation(world, "forecast")
    }
}

fn learned(world: &Rc<RefCell<World>>) -> ForecastReport {
    let mut reports = learn(&Hand::new(world, None), &forecasting(world), &[fleet()])
        .now_or_never()
        .unwrap();
    reports.remove(&fleet()).unwrap().unwrap()
}

fn tuned(world: &Rc<RefCell<World>>, stop: Option<Stop>) -> Option<Result<TuneReport, ReconcileError>> {
    tune(&Hand::new(world, stop), &forecasting(world), &fleet()).now_or_never()
}

fn forecast(world: &Rc<RefCell<World>>) -> Forecast {
    world.borrow().table.forecasts.get(&fleet()).cloned().unwrap_or_default()
}

fn found(world: &Rc<RefCell<World>>) -> Option<Found> {
    forecast(world).found.into_values().next()
}

fn by_tuning(world: &Rc<RefCell<World>>) -> Option<Tuned> {
    let world = world.borrow();
    let (state, _) = world.table.states.get(&fleet()).unwrap();
    state.pools.values().find_map(|pool| pool.by_tuning)
}

#[test]
fn once_a_day_settings_are_found_and_the_next_look_goes_by_them() {
    let world = careful(json!({ "mode": "apply" }));
    assert!(learned(&world).is_to_be_tuned);
    let outlooks = forecast(&world).outlooks;
    let report = tuned(&world, None).unwrap().unwrap();
    assert!(report.kept && report.trouble.is_empty(), "{report:?}");
    let found = found(&world).unwrap();
    assert_eq!((found.days, forecast(&world).version), (14, 2));
    assert!(found.gain_percent() > 1.0, "{found:?}");
    assert!(found.tuned.settings.caution < found.tuned.instead_of.caution, "{found:?}");
    assert!(forecast(&world).outlooks == outlooks, "what lies ahead is as it was");
    assert_eq!(by_tuning(&world), None, "nobody looked yet");
    look(&world, "tick", &Signal::Tick).unwrap();
    assert_eq!(by_tuning(&world), Some(found.tuned));
    // the next hours learn, and what was found stays
    for (hours, is_due) in [(1, false), (22, false), (1, true)] {
        wait(&world, hours * 3_600);
        assert_eq!(learned(&world).is_to_be_tuned, is_due, "{hours} hours later");
        assert_eq!(self::found(&world), Some(found.clone()));
    }
    // from night to night it comes closer to what is best, and no further
    let before = found.tuned.settings;
    tuned(&world, None).unwrap().unwrap();
    let next = self::found(&world).unwrap();
    assert!(next.tuned.settings.caution <= before.caution);
    assert_eq!(next.tuned.instead_of, found.tuned.instead_of);
}

#[test]
fn one_call_asks_for_a_fortnight_and_one_writes_what_was_found() {
    let world = careful(json!({ "mode": "suggest" }));
    world.borrow_mut().calls.clear();
    tuned(&world, None).unwrap().unwrap();
    assert_eq!(world.borrow().asked, [14 * 1_440 + 1]);
    assert_eq!(
        world.borrow().calls,
        [
            "dynamodb:BatchGetItem",
            "dynamodb:BatchGetItem",
            "cloudwatch:GetMetricData",
            "dynamodb:PutItem"
        ]
    );
    look(&world, "tick", &Signal::Tick).unwrap();
    assert_eq!(by_tuning(&world), None, "what is suggested is not gone by");
}

#[test]
fn a_fleet_whose_spec_does_not_ask_for_it_is_not_tuned() {
    let world = careful(Value::Null);
    assert!(!learned(&world).is_to_be_tuned);
    let written = forecast(&world);
    world.borrow_mut().calls.clear();
    let report = tuned(&world, None).unwrap().unwrap();
    assert_eq!((report, world.borrow().calls.len()), (TuneReport::default(), 1), "its spec is read");
    assert!(forecast(&world) == written);
}

/// An invocation may come twice, and be ended at any moment.
#[test]
fn who_dies_leaves_all_or_nothing_and_is_made_good_by_the_next_and_a_night_is_done_once() {
    let whole = careful(json!({ "mode": "apply" }));
    learned(&whole);
    tuned(&whole, None);
    let expected = found(&whole);
    assert!(expected.is_some());
    for stop in [Stop::Before(2), Stop::Before(3), Stop::After(3), Stop::LoseReply(3)] {
        let world = careful(json!({ "mode": "apply" }));
        learned(&world);
        let outlooks = forecast(&world).outlooks;
        tuned(&world, Some(stop));
        let is_kept = found(&world).is_some();
        assert_eq!(is_kept, matches!(stop, Stop::After(3) | Stop::LoseReply(3)), "{stop:?}");
        world.borrow_mut().asked.clear();
        tuned(&world, None).unwrap().unwrap();
        assert_eq!(found(&world), expected, "{stop:?}");
        assert_eq!(world.borrow().asked.is_empty(), is_kept, "{stop:?}: asked only if it was not done");
        assert!(forecast(&world).outlooks == outlooks, "{stop:?}");
    }
}
