//! CloudWatch as the situations find it, and what they put into it.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, StateValue, Statistic};
use aws_smithy_types::DateTime;
use ghostnet_core::signal::AlarmState;

use super::short::{NO_FAILURES, NO_TAGS, NOTHING_LATE, ONE_PAGE};
use crate::metrics::{Given, What, balancers};
use crate::sample::minute;
use crate::{Played, Short};

pub(super) async fn given(cloudwatch: &Client, given: Given) -> Played {
    match given {
        Given::Value(What::Requests, n, value) => put(cloudwatch, "RequestCountPerTarget", n, value).await,
        Given::Value(What::Errors, n, percent) => {
            put(cloudwatch, "HTTPCode_Target_5XX_Count", n, percent).await;
            put(cloudwatch, "RequestCount", n, 100.0).await;
        }
        Given::Alarm(name, state) => alarm(cloudwatch, &name, state).await,
        Given::Value(What::Processor, ..) => return Err(Short::NotShown(NO_TAGS)),
        Given::LateValue(..) => return Err(Short::NotShown(NOTHING_LATE)),
        Given::SomeFail => return Err(Short::NotShown(NO_FAILURES)),
        Given::Pages(_) => return Err(Short::NotShown(ONE_PAGE)),
    }
    Ok(())
}

/// A metric of the balancer, which would publish it itself.
async fn put(cloudwatch: &Client, name: &str, n: i64, value: f64) {
    let stat = balancers(name);
    let dimensions = stat.dimensions.iter();
    let dimensions = dimensions.map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let datum = MetricDatum::builder()
        .metric_name(&stat.name)
        .set_dimensions(Some(dimensions.collect()))
        .timestamp(DateTime::from_secs(minute(n).as_second()))
        .value(value);
    let request = cloudwatch.put_metric_data().namespace(&stat.namespace);
    request.metric_data(datum.build()).send().await.unwrap();
}

async fn alarm(cloudwatch: &Client, name: &str, state: AlarmState) {
    let alarm = cloudwatch.put_metric_alarm().alarm_name(name).namespace("N").metric_name("M");
    let alarm = alarm.statistic(Statistic::Sum).period(60).evaluation_periods(1).threshold(1.0);
    let alarm = alarm.comparison_operator(ComparisonOperator::GreaterThanThreshold);
    alarm.send().await.unwrap();
    let state = match state {
        AlarmState::Ok => StateValue::Ok,
        AlarmState::Alarm => StateValue::Alarm,
        AlarmState::InsufficientData => StateValue::InsufficientData,
    };
    let set = cloudwatch.set_alarm_state().alarm_name(name).state_value(state);
    set.state_reason("arranged").send().await.unwrap();
}
