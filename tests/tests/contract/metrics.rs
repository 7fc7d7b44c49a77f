//! The contract of CloudWatch: one series per query and in their order, whole periods only, missing stays missing, and one
//! query without an answer that does not cost the others theirs.

use std::collections::BTreeMap;

use ghostnet_core::id::AlarmName;
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::metric::{QueryShape, Stat};
use ghostnet_core::unit::{Finite, Seconds};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::{MetricQuery, Metrics, PublishedValue};

use crate::sample::{fleet, minute, pool, region};
use crate::{Mishap, Played, Situation, Stage, by_class, expect, expect_that};

/// What may be so of CloudWatch. It is always about the fleet and the pool of [`crate::sample`].
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// A value of this metric, of the minute that begins at [`crate::sample::minute`] so many.
    Value(What, i64, f64),
    /// The same, shown only when five minutes have passed.
    LateValue(What, i64, f64),
    /// Some queries of the next call, but not all, cannot be answered.
    SomeFail,
    /// An alarm of this name in this state.
    Alarm(String, AlarmState),
    /// Answers come in pages of so many datapoints.
    Pages(usize),
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Requests per target: a metric of the balancer.
    Requests,
    /// The share of errors: an expression over two metrics of the balancer.
    Errors,
    /// Processor use: a query by tag.
    Processor,
}

const DATA: &str = "cloudwatch:GetMetricData";
const ALARMS: &str = "cloudwatch:DescribeAlarms";
const PUT: &str = "cloudwatch:PutMetricData";

/// The contract.
pub(crate) fn situations<S: Stage>() -> Vec<Situation<S>> {
    vec![
        ("no query", |stage| expect("series", series(stage, &[], 10), Ok(Vec::new()))),
        ("a metric", a_metric),
        ("a metric without a datapoint", |stage| {
            expect("series", series(stage, &[requests(2)], 10), Ok(vec![points(&[])]))
        }),
        ("a minute without a datapoint", a_minute_without_a_datapoint),
        ("a minute that is not over", a_minute_that_is_not_over),
        ("a datapoint that comes late", a_datapoint_that_comes_late),
        ("more datapoints than asked for", more_datapoints_than_asked_for),
        ("datapoints older than asked for", datapoints_older_than_asked_for),
        ("an expression over two metrics", |stage| {
            stage.metrics(Given::Value(What::Errors, 9, 2.5))?;
            expect("series", series(stage, &[errors()], 10), Ok(vec![points(&[(9, 2.5)])]))
        }),
        ("a query by tag, in periods of five minutes", a_query_by_tag),
        ("different queries in one call", different_queries_in_one_call),
        ("more queries than CloudWatch takes in a call", more_queries_than_a_call_takes),
        ("an answer of several pages", an_answer_of_several_pages),
        ("some queries that cannot be answered", some_queries_that_cannot_be_answered),
        ("series asked too fast", |stage| {
            series_meet(stage, Mishap::TooFast(DATA), ErrorClass::Throttled)
        }),
        ("series that are not allowed", |stage| {
            series_meet(stage, Mishap::Denied, ErrorClass::Denied)
        }),
        ("series while CloudWatch is unwell", |stage| {
            series_meet(stage, Mishap::Unwell, ErrorClass::Transient)
        }),
        ("series whose answer is lost", |stage| {
            series_meet(stage, Mishap::AnswerLost, ErrorClass::Transient)
        }),
        ("an alarm in each state, and one that does not exist", an_alarm_in_each_state),
        ("more alarms than CloudWatch tells in a call", more_alarms_than_a_call_takes),
        ("alarms asked too fast", |stage| {
            alarms_meet(stage, Mishap::TooFast(ALARMS), ErrorClass::Throttled)
        }),
        ("alarms while CloudWatch is unwell", |stage| {
            alarms_meet(stage, Mishap::Unwell, ErrorClass::Transient)
        }),
        ("a published value", |stage| expect("the answer", publish(stage), Ok(()))),
        ("a value published too fast", |stage| {
            stage.mishap(Mishap::TooFast(PUT))?;
            expect("the answer", publish(stage), Err(ErrorClass::Throttled))
        }),
        ("a published value whose answer is lost", |stage| {
            stage.mishap(Mishap::AnswerLost)?;
            expect("the answer", publish(stage), Err(ErrorClass::Transient))
        }),
    ]
}

fn a_metric<S: Stage>(stage: &S) -> Played {
    stage.metrics(Given::Value(What::Requests, 8, 6.0))?;
    stage.metrics(Given::Value(What::Requests, 9, 7.5))?;
    let newest_first = points(&[(9, 7.5), (8, 6.0)]);
    expect("series", series(stage, &[requests(2)], 10), Ok(vec![newest_first]))
}

/// Missing is never zero.
fn a_minute_without_a_datapoint<S: Stage>(stage: &S) -> Played {
    stage.metrics(Given::Value(What::Requests, 7, 6.0))?;
    stage.metrics(Given::Value(What::Requests, 9, 7.5))?;
    expect("series", series(stage, &[requests(3)], 10), Ok(vec![points(&[(9, 7.5), (7, 6.0)])]))
}

/// It would read as a fall of every sum.
fn a_minute_that_is_not_over<S: Stage>(stage: &S) -> Played {
    stage.metrics(Given::Value(What::Requests, 9, 7.5))?;
    stage.metrics(Given::Value(What::Requests, 10, 0.5))?;
    expect("series", series(stage, &[requests(2)], 10), Ok(vec![points(&[(9, 7.5)])]))
}

fn a_datapoint_that_comes_late<S: Stage>(stage: &S) -> Played {
    stage.metrics(Given::LateValue(What::Requests, 9, 7.5))?;
    expect("series", series(stage, &[requests(9)], 10), Ok(vec![points(&[])]))?;
    stage.pass(Seconds::minutes(6))?;
    expect("series later", series(stage, &[requests(9)], 16), Ok(vec![points(&[(9, 7.5)])]))
}

fn more_datapoints_than_asked_for<S: Stage>(stage: &S) -> Played {
    for n in 5..10 {
        stage.metrics(Given::Value(What::Requests, n, 6.0))?;
    }
    let told = series(stage, &[requests(2)], 10).map(|series| match &series[..] {
        [Series::Points { points, .. }] => points.len(),
        _ => 0,
    });
    expect("datapoints", told, Ok(2))
}

/// A few periods beyond the wanted ones are read, for data that comes late. What is much older is not told.
fn datapoints_older_than_asked_for<S: Stage>(stage: &S) -> Played {
    stage.metrics(Given::Value(What::Requests, 1, 6.0))?;
    expect("series", series(stage, &[requests(2)], 10), Ok(vec![points(&[])]))
}

fn a_query_by_tag<S: Stage>(stage: &S) -> Played {
    for (n, value) in [(0, 10.0), (5, 40.0), (9, 60.0), (10, 99.0)] {
        stage.metrics(Given::Value(What::Processor, n, value))?;
    }
    let series = series(stage, &[processor()], 10);
    expect("series", series, Ok(vec![points_of(Seconds::minutes(5), &[(5, 50.0), (0, 10.0)])]))
}

fn different_queries_in_one_call<S: Stage>(stage: &S) -> Played {
    stage.metrics(Given::Value(What::Processor, 5, 40.0))?;
    stage.metrics(Given::Value(What::Requests, 9, 7.5))?;
    stage.metrics(Given::Value(What::Errors, 9, 2.5))?;
    let queries = [errors(), processor(), requests(1), nobodys(), requests(1)];
    let in_order = vec![
        points(&[(9, 2.5)]),
        points_of(Seconds::minutes(5), &[(5, 40.0)]),
        points(&[(9, 7.5)]),
        points(&[]),
        points(&[(9, 7.5)]),
    ];
    expect("series", series(stage, &queries, 10), Ok(in_order))
}

fn more_queries_than_a_call_takes<S: Stage>(stage: &S) -> Played {
    stage.metrics(Given::Value(What::Requests, 9, 7.5))?;
    let queries: Vec<_> = (0..1_203_u32)
        .map(|n| if n.is_multiple_of(3) { requests(1) } else { nobodys() })
        .collect();
    let answered = series(stage, &queries, 10).unwrap_or_default();
    expect("series", answered.len(), queries.len())?;
    let wrong = answered.iter().enumerate().find(|(n, series)| {
        let wanted = if n.is_multiple_of(3) { points(&[(9, 7.5)]) } else { points(&[]) };
        **series != wanted
    });
    expect("a series at another's place", wrong, None)
}

fn an_answer_of_several_pages<S: Stage>(stage: &S) -> Played {
    for n in 5..10 {
        stage.metrics(Given::Value(What::Requests, n, 6.0))?;
    }
    stage.metrics(Given::Pages(2))?;
    let all = points(&[(9, 6.0), (8, 6.0), (7, 6.0), (6, 6.0), (5, 6.0)]);
    expect("series", series(stage, &[requests(5)], 10), Ok(vec![all]))
}

fn some_queries_that_cannot_be_answered<S: Stage>(stage: &S) -> Played {
    stage.metrics(Given::Value(What::Requests, 9, 7.5))?;
    stage.metrics(Given::SomeFail)?;
    let queries: Vec<_> = (0..20).map(|_| requests(1)).collect();
    let answered = series(stage, &queries, 10).unwrap_or_default();
    expect("series", answered.len(), queries.len())?;
    let failed = answered.iter().filter(|series| matches!(series, Series::Failed { .. })).count();
    expect_that("some failed and some did not", (1..20).contains(&failed), failed)?;
    let whole = answered.iter().filter(|series| **series == points(&[(9, 7.5)])).count();
    expect("the others have their points", whole, 20 - failed)
}

fn series_meet<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass) -> Played {
    stage.metrics(Given::Value(What::Requests, 9, 7.5))?;
    stage.mishap(mishap)?;
    expect("series", series(stage, &[requests(1)], 10), Err(class))
}

fn an_alarm_in_each_state<S: Stage>(stage: &S) -> Played {
    let alarms = [
        ("fine", AlarmState::Ok),
        ("loud", AlarmState::Alarm),
        ("blind", AlarmState::InsufficientData),
    ];
    for (name, state) in alarms {
        stage.metrics(Given::Alarm(name.to_owned(), state))?;
    }
    stage.metrics(Given::Alarm("not asked for".to_owned(), AlarmState::Alarm))?;
    let told = alarm_states(stage, ["fine", "loud", "blind", "deleted"].map(str::to_owned));
    expect("states", told, Ok(alarms.map(|(name, state)| (AlarmName::new(name), state)).into()))
}

fn more_alarms_than_a_call_takes<S: Stage>(stage: &S) -> Played {
    let names: Vec<_> = (0..250).map(|n| format!("a{n}")).collect();
    for name in &names {
        stage.metrics(Given::Alarm(name.clone(), AlarmState::Alarm))?;
    }
    let told = alarm_states(stage, names.clone());
    expect(
        "states",
        told,
        Ok(names.into_iter().map(|name| (AlarmName::new(name), AlarmState::Alarm)).collect()),
    )
}

fn alarms_meet<S: Stage>(stage: &S, mishap: Mishap, class: ErrorClass) -> Played {
    stage.metrics(Given::Alarm("loud".to_owned(), AlarmState::Alarm))?;
    stage.mishap(mishap)?;
    expect("states", alarm_states(stage, ["loud".to_owned()]), Err(class))
}

/// A metric of the balancer, of the group whose values are given.
pub(crate) fn balancers(name: &str) -> Stat {
    Stat {
        namespace: "AWS/ApplicationELB".to_owned(),
        name: name.to_owned(),
        dimensions: BTreeMap::from([(
            "TargetGroup".to_owned(),
            format!("targetgroup/{}-{}/0123456789abcdef", fleet(), pool()),
        )]),
        statistic: "Sum".to_owned(),
        period: Seconds(60),
    }
}

/// The newest values of [`What::Requests`].
fn requests(points: u32) -> MetricQuery {
    MetricQuery {
        shape: QueryShape::Stat(balancers("RequestCountPerTarget")),
        points,
    }
}

/// A metric of a group that publishes nothing.
fn nobodys() -> MetricQuery {
    let nobody = BTreeMap::from([("TargetGroup".to_owned(), "targetgroup/nobody-blue/0123456789abcdef".to_owned())]);
    MetricQuery {
        shape: QueryShape::Stat(Stat {
            dimensions: nobody,
            ..balancers("RequestCountPerTarget")
        }),
        points: 1,
    }
}

/// The newest value of [`What::Errors`].
fn errors() -> MetricQuery {
    let inputs = ["HTTPCode_Target_5XX_Count", "RequestCount"].map(balancers);
    MetricQuery {
        shape: QueryShape::Expression {
            expression: "100 * m1 / m2".to_owned(),
            inputs: ["m1", "m2"].map(str::to_owned).into_iter().zip(inputs).collect(),
            period: Seconds(60),
        },
        points: 1,
    }
}

/// The two newest values of [`What::Processor`].
fn processor() -> MetricQuery {
    MetricQuery {
        shape: QueryShape::Expression {
            expression: format!(
                "SELECT AVG(CPUUtilization) FROM \"AWS/EC2\" WHERE tag.\"ghostnet:fleet\" = '{}' AND tag.\"ghostnet:pool\" = '{}'",
                fleet(),
                pool()
            ),
            inputs: BTreeMap::new(),
            period: Seconds::minutes(5),
        },
        points: 2,
    }
}

fn points(values: &[(i64, f64)]) -> Series {
    points_of(Seconds(60), values)
}

fn points_of(period: Seconds, values: &[(i64, f64)]) -> Series {
    let point = |(n, value): &(i64, f64)| {
        Some(Datapoint {
            at: minute(*n),
            value: Finite::new(*value)?,
        })
    };
    Series::Points {
        points: values.iter().filter_map(point).collect(),
        period,
        partial: false,
        incomplete: Vec::new(),
    }
}

/// What the port says in that minute.
fn series<S: Stage>(stage: &S, queries: &[MetricQuery], now: i64) -> Result<Vec<Series>, ErrorClass> {
    by_class(stage.run(stage.ports().series(&region(), queries, minute(now))))
}

fn alarm_states<S: Stage>(stage: &S, names: impl IntoIterator<Item = String>) -> Result<BTreeMap<AlarmName, AlarmState>, ErrorClass> {
    let names: Vec<_> = names.into_iter().map(AlarmName::new).collect();
    by_class(stage.run(stage.ports().alarm_states(&region(), &names)))
}

fn publish<S: Stage>(stage: &S) -> Result<(), ErrorClass> {
    let stat = Stat {
        namespace: "GhostNet".to_owned(),
        name: "cpu".to_owned(),
        dimensions: BTreeMap::from([("Fleet".to_owned(), fleet().to_string()), ("Pool".to_owned(), pool().to_string())]),
        statistic: "Average".to_owned(),
        period: Seconds(60),
    };
    let value = PublishedValue {
        stat,
        at: minute(9),
        value: Finite::from(42),
    };
    by_class(stage.run(stage.ports().publish(&region(), &[value])))
}
