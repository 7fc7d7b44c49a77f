//! What lies ahead: learned once an hour, read by every look, and launched for before it comes.

use std::cell::RefCell;
use std::rc::Rc;

use futures::FutureExt;
use ghostnet_core::forecast::Forecast;
use ghostnet_core::signal::Signal;
use ghostnet_engine::invocation::{Invocation, ReconcileError};
use ghostnet_engine::learn::{ForecastReport, learn};
use jiff::Timestamp;
use serde_json::json;

use crate::run::*;
use crate::world::{Hand, Stop, World};

/// 3,000 requests a minute, and 9,000 in the hour after noon of every day.
fn noon_rush(at: Timestamp) -> f64 {
    let hour = at.as_second().rem_euclid(86_400).div_euclid(3_600);
    if hour == 12 { 9_000.0 } else { 3_000.0 }
}

/// A fleet of three at twenty to noon, whose instances carry 1,000 requests a minute and take part in looking four minutes ahead.
fn before_noon() -> Rc<RefCell<World>> {
    before_noon_looking("4m")
}

fn before_noon_looking(horizon: &str) -> Rc<RefCell<World>> {
    let mut raw = serde_json::to_value(spec(3)).unwrap();
    let policy = json!({ "id": "ahead", "type": "predictive", "of": "requests", "mode": "act", "horizon": horizon });
    raw["policies"].as_array_mut().unwrap().push(policy);
    let world = World::new(serde_json::from_value(raw).unwrap(), 3_000.0);
    world.borrow_mut().now = "2026-11-20T11:30:10Z".parse().unwrap();
    ticks(&world, "settle", 10);
    world.borrow_mut().demand = Some(noon_rush);
    world
}

fn hour(world: &Rc<RefCell<World>>, stop: Option<Stop>, request: &str) -> Option<Result<ForecastReport, ReconcileError>> {
    let hand = Hand::new(world, stop);
    let invocation = Invocation {
        function: "forecast",
        ..invocation(world, request)
    };
    let mut reports = learn(&hand, &invocation, &[fleet()]).now_or_never()?;
    reports.remove(&fleet())
}

fn learned(world: &Rc<RefCell<World>>) -> ForecastReport {
    hour(world, None, "hour").unwrap().unwrap()
}

fn forecast(world: &Rc<RefCell<World>>) -> Option<Forecast> {
    world.borrow().table.forecasts.get(&fleet()).cloned()
}

/// How many are wanted at four minutes to noon.
fn wanted_before_noon(world: &Rc<RefCell<World>>) -> u32 {
    world.borrow_mut().now = "2026-11-20T11:56:10Z".parse().unwrap();
    look(world, "before-noon", &Signal::Tick).unwrap();
    let world = world.borrow();
    let (state, _) = world.table.states.get(&fleet()).unwrap();
    state.pools.values().map(|pool| pool.desired).sum()
}

#[test]
fn the_next_tick_launches_ahead_of_a_known_peak() {
    let world = before_noon();
    assert_eq!(wanted_before_noon(&world), 3, "nothing is learned");
    let world = before_noon();
    let report = learned(&world);
    assert_eq!((report.loads.len(), report.loads[0].2), (1, 14), "a fortnight is known: {report:?}");
    assert!(report.kept && report.trouble.is_empty(), "{report:?}");
    let wanted = wanted_before_noon(&world);
    assert!(wanted > 3, "{wanted} at four minutes to noon");
    let world = world.borrow();
    let record = world.table.records.values().max_by_key(|record| record.at).unwrap();
    let seasons = &record.inputs.as_ref().unwrap().observation.seasons;
    assert_eq!(
        seasons.values().map(|policies| policies.len()).sum::<usize>(),
        1,
        "the record tells by what"
    );
}

#[test]
fn an_hour_costs_one_call_and_only_its_own_minutes() {
    let world = before_noon();
    learned(&world);
    assert_eq!(world.borrow().asked, [14 * 1_440 + 3]);
    wait(&world, 3_600);
    world.borrow_mut().calls.clear();
    learned(&world);
    assert_eq!(world.borrow().asked, [63]);
    assert_eq!(
        world.borrow().calls,
        [
            "dynamodb:BatchGetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:BatchGetItem",
            "cloudwatch:GetMetricData",
            "dynamodb:PutItem",
            "dynamodb:PutItem"
        ],
        "spec and state, forecast, memory, metrics; and both are written"
    );
    assert_eq!(forecast(&world).unwrap().version, 2);
    let report = learned(&world);
    assert!(!report.kept && report.loads.is_empty(), "nothing is new a moment later: {report:?}");
}

/// The errors that an outlook tells of are those of so many minutes, and of no others.
#[test]
fn the_load_is_learned_anew_when_launches_take_another_time() {
    let takes = |world: &Rc<RefCell<World>>, minutes: Option<u32>| {
        let mut world = world.borrow_mut();
        let (state, _) = world.table.states.get_mut(&fleet()).unwrap();
        for pool in state.pools.values_mut() {
            pool.boots.get_or_insert_default().minutes = minutes;
        }
    };
    let world = before_noon_looking("learned");
    learned(&world);
    let fortnight = 14 * 1_440 + 3;
    for (minutes, asked) in [(None, 63), (Some(5), fortnight), (Some(5), 63)] {
        wait(&world, 3_600);
        takes(&world, minutes);
        learned(&world);
        assert_eq!(world.borrow().asked.last(), Some(&asked), "{minutes:?}");
    }
}

#[test]
fn who_dies_at_any_call_is_made_good_by_the_next_hour() {
    let whole = before_noon();
    learned(&whole);
    wait(&whole, 7_200);
    learned(&whole);
    let outlooks = |world: &Rc<RefCell<World>>| forecast(world).unwrap().outlooks;
    let mut died = 0;
    for call in 0..10 {
        for stop in [Stop::Before(call), Stop::After(call), Stop::LoseReply(call)] {
            let world = before_noon();
            learned(&world);
            wait(&world, 3_600);
            died += usize::from(hour(&world, Some(stop), "dies").is_none_or(|report| report.is_err()));
            wait(&world, 3_600);
            learned(&world);
            assert!(outlooks(&world) == outlooks(&whole), "{stop:?}");
        }
    }
    assert!(died >= 15, "{died} of six calls, each stopped in three ways");
}

#[test]
fn what_cloudwatch_does_not_answer_is_asked_again_and_the_old_outlook_stays() {
    let world = before_noon();
    learned(&world);
    let before = forecast(&world).unwrap();
    wait(&world, 3_600);
    let metrics = 3;
    let failed = hour(&world, Some(Stop::LoseReply(metrics)), "fails").unwrap();
    assert!(matches!(failed, Err(ReconcileError::Port(_))), "{failed:?}");
    assert_eq!(forecast(&world).unwrap(), before);
    wait(&world, 3_600);
    learned(&world);
    assert_eq!(world.borrow().asked, [123], "two hours at once");
}

#[test]
fn a_load_without_a_datapoint_has_no_outlook_and_binds_nobody() {
    let world = before_noon();
    world.borrow_mut().metric_is_missing = true;
    let report = learned(&world);
    assert_eq!(report.trouble, ["`ahead` of pool `blue`: CloudWatch has no datapoint of it"]);
    assert!(forecast(&world).unwrap().outlooks.is_empty());
    world.borrow_mut().metric_is_missing = false;
    assert_eq!(wanted_before_noon(&world), 3);
}

#[test]
fn a_fleet_that_does_not_look_ahead_is_not_learned_for() {
    let world = World::new(spec(3), 3_000.0);
    let (hand, invocation) = (Hand::new(&world, None), invocation(&world, "hour"));
    let reports = learn(&hand, &invocation, &[fleet()]).now_or_never().unwrap();
    assert!(reports.is_empty());
    assert_eq!(world.borrow().calls, ["dynamodb:BatchGetItem"]);
}
