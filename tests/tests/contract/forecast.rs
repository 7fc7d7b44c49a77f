//! The contract of the table as the forecast function writes it: whose outlook is kept, and that a memory comes back to the bit.

use std::collections::BTreeMap;

use ghostnet_core::forecast::{Forecast, Memory};
use ghostnet_core::tuning::{Came, Found, Objective, Settings, Tuned};
use ghostnet_core::unit::{Finite, Percent, Seconds};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::{CommitResult, ForecastStore, LoadId, Store};

use crate::sample::{fleet, load, memory, minute, pool};
use crate::store::Given;
use crate::{Mishap, Played, Situation, Stage, by_class, expect};

const PUT: &str = "dynamodb:PutItem";

/// The contract.
pub(crate) fn situations<S: Stage>() -> Vec<Situation<S>> {
    vec![
        ("a fleet without a forecast", |stage| {
            stage.store(Given::Applied(fleet()))?;
            expect("the forecast", forecast(stage), Ok(None))
        }),
        ("a first forecast", |stage| {
            stage.store(Given::Applied(fleet()))?;
            is_kept(stage, &version(1, 3.25))
        }),
        ("a forecast on the version that was read", |stage| {
            stage.store(Given::Applied(fleet()))?;
            is_kept(stage, &version(1, 1.0))?;
            is_kept(stage, &version(2, 0.1))
        }),
        ("a forecast on an older version", |stage| {
            stage.store(Given::Applied(fleet()))?;
            is_kept(stage, &version(1, 1.0))?;
            is_kept(stage, &version(2, 2.0))?;
            loses(stage, &version(2, 9.0))?;
            loses(stage, &version(1, 9.0))
        }),
        ("a forecast on a version that there is not", |stage| {
            stage.store(Given::Applied(fleet()))?;
            loses(stage, &version(2, 1.0))
        }),
        ("a forecast asked too fast", |stage| {
            stage.store(Given::Applied(fleet()))?;
            stage.mishap(Mishap::TooFast(PUT))?;
            expect("the forecast", keep(stage, &version(1, 1.0)), Err(ErrorClass::Throttled))?;
            stage.pass(Seconds::minutes(1))?;
            is_kept(stage, &version(1, 1.0))
        }),
        ("a forecast that is not allowed", |stage| {
            stage.store(Given::Applied(fleet()))?;
            stage.mishap(Mishap::Denied)?;
            expect("the forecast", keep(stage, &version(1, 1.0)), Err(ErrorClass::Denied))
        }),
        ("memories of many loads", memories_of_many_loads),
        ("a memory that is written again", |stage| {
            stage.store(Given::Applied(fleet()))?;
            remember(stage, &BTreeMap::from([(load(1), memory(60))]))?;
            remember(stage, &BTreeMap::from([(load(1), memory(90))]))
        }),
    ]
}

/// Each comes back to the bit, and what is not remembered is absent.
fn memories_of_many_loads<S: Stage>(stage: &S) -> Played {
    stage.store(Given::Applied(fleet()))?;
    let kept: BTreeMap<LoadId, Memory> = (0..130).map(|n| (load(n), memory(60 + n))).collect();
    remember(stage, &kept)?;
    let unknown = load(999);
    let asked: Vec<LoadId> = kept.keys().cloned().chain([unknown]).collect();
    expect("memories", by_class(stage.run(stage.ports().memories(&asked))), Ok(kept))
}

fn remember<S: Stage>(stage: &S, memories: &BTreeMap<LoadId, Memory>) -> Played {
    let kept = by_class(stage.run(stage.ports().keep_memories(memories, minute(10))));
    expect("memories are kept", kept, Ok(()))?;
    let loads: Vec<LoadId> = memories.keys().cloned().collect();
    expect(
        "memories",
        by_class(stage.run(stage.ports().memories(&loads))),
        Ok(memories.clone()),
    )
}

fn is_kept<S: Stage>(stage: &S, next: &Forecast) -> Played {
    expect("the forecast", keep(stage, next), Ok(CommitResult::Committed))?;
    expect("the forecast", forecast(stage), Ok(Some(next.clone())))
}

fn loses<S: Stage>(stage: &S, next: &Forecast) -> Played {
    let before = forecast(stage);
    expect("the forecast", keep(stage, next), Ok(CommitResult::Conflict))?;
    expect("the forecast", forecast(stage), before)
}

fn keep<S: Stage>(stage: &S, next: &Forecast) -> Result<CommitResult, ErrorClass> {
    by_class(stage.run(stage.ports().keep_forecast(&fleet(), next, minute(10))))
}

fn forecast<S: Stage>(stage: &S) -> Result<Option<Forecast>, ErrorClass> {
    let mut forecasts = by_class(stage.run(stage.ports().forecasts(&[fleet()])))?;
    Ok(forecasts.remove(&fleet()))
}

/// With one outlook, and settings that were found.
fn version(version: u64, mean: f64) -> Forecast {
    let mut outlook = memory(60).outlook(&[90]).unwrap();
    outlook.mean = mean;
    let outlooks = BTreeMap::from([(load(1).policy, outlook)]);
    Forecast {
        version,
        outlooks: BTreeMap::from([(pool(), outlooks)]),
        found: BTreeMap::from([(pool(), found(mean))]),
    }
}

/// Settings that were found, at such a cost.
fn found(instance_hours_per_day: f64) -> Found {
    let settings = |caution, utilisation| Settings {
        caution: Finite::new(caution).unwrap(),
        hold: Seconds::minutes(6),
        usual: None,
        utilisation,
    };
    let came = Came {
        instance_hours_per_day,
        over_percent: 1.0 / 3.0,
    };
    Found {
        tuned: Tuned {
            settings: settings(0.25, Some(Percent(75))),
            instead_of: settings(8.0, None),
        },
        at: minute(10).into(),
        objective: Objective { used: 0.9, percent: 0.1 },
        days: 14,
        written: came,
        found: came,
    }
}
