//! CloudWatch: reads series and alarm states, publishes values, keeps the alarms of fleets.
//!
//! `query` packs many fleets' questions into few calls, `answer` sorts what comes back, `alarm` is the operator's part.

pub mod alarm;
mod answer;
pub mod mute;
mod query;
mod watch;
pub mod watched;

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmType, MetricDatum, ScanBy, StateValue};
use aws_smithy_types::DateTime;
use ghostnet_core::id::{AlarmName, Region};
use ghostnet_core::sample::Series;
use ghostnet_core::signal::AlarmState;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{MetricQuery, Metrics, PublishedValue};
use jiff::Timestamp;

use self::answer::Answers;
use self::query::Batch;
use crate::Aws;
use crate::error::{port_error, too_many_pages};
use crate::telemetry::NAMESPACE;

/// Pages of one GetMetricData call: 500 series of few points fit on one.
const PAGES_MAX: usize = 20;
/// Alarm names per DescribeAlarms call, and records per page: the most that CloudWatch takes.
const ALARMS_PER_CALL: usize = 100;
/// Values per PutMetricData call; CloudWatch takes a thousand, and 1 MB.
const VALUES_PER_CALL: usize = 500;

const GET: &str = "cloudwatch:GetMetricData";
const DESCRIBE: &str = "cloudwatch:DescribeAlarms";
const PUT: &str = "cloudwatch:PutMetricData";

impl Metrics for Aws {
    async fn series(&self, region: &Region, queries: &[MetricQuery], now: Timestamp) -> Result<Vec<Series>, PortError> {
        let cloudwatch = &self.clients(region).cloudwatch;
        let mut answers = Answers::none();
        let mut waiting = query::batches(queries);
        while let Some(batch) = waiting.pop() {
            match get(cloudwatch, &batch, queries, now).await {
                Ok(part) => answers.extend(part),
                // one bad expression fails the call of many fleets: find it, so that only its own policy is blind
                Err(error) if error.class == ErrorClass::Invalid => match batch.halves() {
                    Some(halves) => waiting.extend(halves),
                    None => answers.refuse(&batch, &error),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(queries
            .iter()
            .enumerate()
            .map(|(index, query)| answers.series(index, query))
            .collect())
    }

    async fn alarm_states(&self, region: &Region, alarms: &[AlarmName]) -> Result<BTreeMap<AlarmName, AlarmState>, PortError> {
        let cloudwatch = &self.clients(region).cloudwatch;
        let mut states = BTreeMap::new();
        for names in alarms.chunks(ALARMS_PER_CALL) {
            states.extend(describe_alarms(cloudwatch, names).await?);
        }
        Ok(states)
    }

    async fn publish(&self, region: &Region, values: &[PublishedValue]) -> Result<(), PortError> {
        let cloudwatch = &self.clients(region).cloudwatch;
        for values in values.chunks(VALUES_PER_CALL) {
            let data = values.iter().map(datum).collect();
            let answer = cloudwatch
                .put_metric_data()
                .namespace(NAMESPACE)
                .set_metric_data(Some(data))
                .send()
                .await;
            answer.map_err(|error| port_error(PUT, error))?;
        }
        Ok(())
    }
}

/// Asks one batch, all pages.
async fn get(cloudwatch: &Client, batch: &Batch, queries: &[MetricQuery], now: Timestamp) -> Result<Answers, PortError> {
    let (start, end) = batch.window(now);
    let request = cloudwatch
        .get_metric_data()
        .set_metric_data_queries(Some(batch.data_queries(queries)))
        .start_time(DateTime::from_secs(start))
        .end_time(DateTime::from_secs(end))
        // the newest first, said aloud: not every implementation has AWS's default
        .scan_by(ScanBy::TimestampDescending);
    let mut pages = request.into_paginator().send();
    let mut answers = Answers::none();
    let mut pages_read = 0;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| port_error(GET, error))?;
        page.metric_data_results().iter().for_each(|result| answers.take(result));
        pages_read += 1;
        if pages_read == PAGES_MAX && page.next_token().is_some() {
            return Err(too_many_pages(GET, PAGES_MAX));
        }
    }
    Ok(answers)
}

/// States of at most [`ALARMS_PER_CALL`] alarms. One page holds them all; a further one would only say so.
async fn describe_alarms(cloudwatch: &Client, names: &[AlarmName]) -> Result<BTreeMap<AlarmName, AlarmState>, PortError> {
    let request = cloudwatch
        .describe_alarms()
        .set_alarm_names(Some(names.iter().map(ToString::to_string).collect()))
        // CloudWatch lists metric alarms only unless asked for both
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .max_records(100);
    let answer = request.send().await.map_err(|error| port_error(DESCRIBE, error))?;
    let metric = answer.metric_alarms().iter().map(|alarm| (alarm.alarm_name(), alarm.state_value()));
    let composite = answer
        .composite_alarms()
        .iter()
        .map(|alarm| (alarm.alarm_name(), alarm.state_value()));
    Ok(metric
        .chain(composite)
        .filter_map(|(name, state)| Some((AlarmName::new(name?), alarm_state(state?)?)))
        .collect())
}

/// CloudWatch's word for an alarm's state; none for a word that is new to us: the state is unknown.
fn alarm_state(state: &StateValue) -> Option<AlarmState> {
    match state {
        StateValue::Ok => Some(AlarmState::Ok),
        StateValue::Alarm => Some(AlarmState::Alarm),
        StateValue::InsufficientData => Some(AlarmState::InsufficientData),
        _ => None,
    }
}

fn datum(value: &PublishedValue) -> MetricDatum {
    MetricDatum::builder()
        .metric_name(&value.stat.name)
        .set_dimensions(Some(query::dimensions(&value.stat)))
        .timestamp(DateTime::from_secs(value.at.as_second()))
        .value(value.value.get())
        .build()
}
