//! The alarms that `apply` keeps for a fleet: `ghostnet/<fleet>/<pool>/<policy>/...`. Used by the command line only.

use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder;
use aws_sdk_cloudwatch::types::{AlarmType, ComparisonOperator, MetricAlarm, Statistic};
use ghostnet_core::id::{AlarmName, FleetId, Region};
use ghostnet_core::signal::fleet_of_health_alarm;
use ghostnet_core::spec::BreachRule;
use ghostnet_core::spec::metric::{QueryShape, Stat};
use ghostnet_core::unit::Finite;
use ghostnet_engine::error::PortError;

use super::query::{dimensions, expression_query, seconds, stat_query};
use super::{ALARMS_PER_CALL, DESCRIBE};
use crate::Aws;
use crate::error::{port_error, too_many_pages};

/// Pages of one fleet's alarms: a thousand alarms.
const PAGES_MAX: usize = 10;

const PUT: &str = "cloudwatch:PutMetricAlarm";
const DELETE: &str = "cloudwatch:DeleteAlarms";

/// An alarm to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmDefinition {
    /// Its name.
    pub name: AlarmName,
    /// What it is for, in a sentence.
    pub description: String,
    /// What it watches.
    pub shape: QueryShape,
    /// When it breaches.
    pub comparison: Comparison,
    /// Against what.
    pub threshold: Finite,
    /// How many datapoints must breach.
    pub rule: BreachRule,
    /// What no data means.
    pub missing: MissingData,
    /// ARNs told of every change to and from `ALARM`; none where EventBridge delivers.
    pub actions: Vec<String>,
}

/// When a value breaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Above the threshold.
    Above,
    /// At the threshold or above.
    AtLeast,
    /// Below the threshold.
    Below,
    /// At the threshold or below.
    AtMost,
}

/// What no data means to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingData {
    /// State `INSUFFICIENT_DATA`.
    Missing,
    /// The state stays.
    Ignore,
    /// A breach.
    Breaching,
    /// No breach.
    NotBreaching,
}

/// An alarm that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAlarm {
    /// Its name.
    pub name: AlarmName,
    /// Its ARN.
    pub arn: String,
    /// What its owner wrote.
    pub description: String,
    /// Whom it tells when it goes to `ALARM`; a listed alarm of the user's own must reach GhostNet by one of these, or by
    /// EventBridge.
    pub actions: Vec<String>,
    /// Whether it tells anybody.
    pub actions_enabled: bool,
    /// Whether it keeps its state while its metric says nothing: `TreatMissingData` is `ignore`.
    pub keeps_its_state: bool,
}

impl Aws {
    /// Creates or replaces an alarm.
    ///
    /// # Errors
    /// CloudWatch refuses it or does not answer.
    pub async fn put_alarm(&self, region: &Region, alarm: &AlarmDefinition) -> Result<(), PortError> {
        let request = put_request(self.clients(region).cloudwatch.put_metric_alarm(), alarm);
        request.send().await.map(|_| ()).map_err(|error| port_error(PUT, error))
    }

    /// Deletes alarms; one that does not exist is no error.
    ///
    /// # Errors
    /// CloudWatch refuses or does not answer.
    pub async fn delete_alarms(&self, region: &Region, alarms: &[AlarmName]) -> Result<(), PortError> {
        for names in alarms.chunks(ALARMS_PER_CALL) {
            let names = names.iter().map(ToString::to_string).collect();
            let answer = self
                .clients(region)
                .cloudwatch
                .delete_alarms()
                .set_alarm_names(Some(names))
                .send()
                .await;
            answer.map_err(|error| port_error(DELETE, error))?;
        }
        Ok(())
    }

    /// The alarms that `apply` made for a fleet: all whose names begin with `ghostnet/<fleet>/`, but for those of the health of its sides,
    /// which are its owner's.
    ///
    /// # Errors
    /// CloudWatch does not answer, or not wholly.
    pub async fn fleet_alarms(&self, region: &Region, fleet: &FleetId) -> Result<Vec<ListedAlarm>, PortError> {
        let request = self
            .clients(region)
            .cloudwatch
            .describe_alarms()
            .alarm_name_prefix(prefix(fleet))
            .alarm_types(AlarmType::MetricAlarm);
        let mut pages = request.into_paginator().send();
        let mut alarms = Vec::new();
        let mut pages_read = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(DESCRIBE, error))?;
            alarms.extend(page.metric_alarms().iter().filter_map(listed));
            pages_read += 1;
            if pages_read == PAGES_MAX && page.next_token().is_some() {
                return Err(too_many_pages(DESCRIBE, PAGES_MAX));
            }
        }
        alarms.retain(|alarm| fleet_of_health_alarm(&alarm.name).is_none());
        Ok(alarms)
    }

    /// Alarms by name, of either kind, as a spec lists the user's own; one that does not exist is absent.
    ///
    /// # Errors
    /// CloudWatch does not answer.
    pub async fn alarms_named(&self, region: &Region, names: &[AlarmName]) -> Result<Vec<ListedAlarm>, PortError> {
        let mut alarms = Vec::new();
        for names in names.chunks(ALARMS_PER_CALL) {
            let request = self
                .clients(region)
                .cloudwatch
                .describe_alarms()
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm);
            let answer = request
                .set_alarm_names(Some(names.iter().map(ToString::to_string).collect()))
                .max_records(100)
                .send()
                .await;
            let answer = answer.map_err(|error| port_error(DESCRIBE, error))?;
            alarms.extend(answer.metric_alarms().iter().filter_map(listed));
            alarms.extend(answer.composite_alarms().iter().filter_map(|alarm| {
                Some(ListedAlarm {
                    name: AlarmName::new(alarm.alarm_name()?),
                    arn: alarm.alarm_arn().unwrap_or_default().to_owned(),
                    description: alarm.alarm_description().unwrap_or_default().to_owned(),
                    actions: alarm.alarm_actions().to_vec(),
                    actions_enabled: alarm.actions_enabled().unwrap_or(true),
                    // a composite alarm has no metric of its own
                    keeps_its_state: false,
                })
            }));
        }
        Ok(alarms)
    }
}

/// What the names of a fleet's alarms begin with.
fn prefix(fleet: &FleetId) -> String {
    format!("ghostnet/{fleet}/")
}

fn put_request(request: PutMetricAlarmFluentBuilder, alarm: &AlarmDefinition) -> PutMetricAlarmFluentBuilder {
    let request = request
        .alarm_name(alarm.name.as_str())
        .alarm_description(&alarm.description)
        .comparison_operator(operator(alarm.comparison))
        .threshold(alarm.threshold.get())
        .evaluation_periods(i32::from(alarm.rule.of))
        .datapoints_to_alarm(i32::from(alarm.rule.datapoints))
        .treat_missing_data(missing_word(alarm.missing))
        .actions_enabled(!alarm.actions.is_empty())
        .set_alarm_actions(Some(alarm.actions.clone()))
        // the way back is a reason to look as well: it is when capacity may go
        .set_ok_actions(Some(alarm.actions.clone()));
    match &alarm.shape {
        QueryShape::Stat(stat) => watch_metric(request, stat),
        QueryShape::Expression {
            expression,
            inputs,
            period,
        } => {
            let inputs = inputs.iter().map(|(name, stat)| stat_query(name, stat, false));
            let queries = inputs.chain([expression_query("result", expression, *period)]);
            request.set_metrics(Some(queries.collect()))
        }
    }
}

fn watch_metric(request: PutMetricAlarmFluentBuilder, stat: &Stat) -> PutMetricAlarmFluentBuilder {
    let request = request
        .namespace(&stat.namespace)
        .metric_name(&stat.name)
        .set_dimensions(Some(dimensions(stat)))
        .period(seconds(stat.period));
    match Statistic::try_parse(&stat.statistic) {
        Ok(statistic) => request.statistic(statistic),
        // percentiles and trimmed means
        Err(_) => request.extended_statistic(&stat.statistic),
    }
}

pub(super) fn operator(comparison: Comparison) -> ComparisonOperator {
    match comparison {
        Comparison::Above => ComparisonOperator::GreaterThanThreshold,
        Comparison::AtLeast => ComparisonOperator::GreaterThanOrEqualToThreshold,
        Comparison::Below => ComparisonOperator::LessThanThreshold,
        Comparison::AtMost => ComparisonOperator::LessThanOrEqualToThreshold,
    }
}

pub(super) fn missing_word(missing: MissingData) -> &'static str {
    match missing {
        MissingData::Missing => "missing",
        MissingData::Ignore => "ignore",
        MissingData::Breaching => "breaching",
        MissingData::NotBreaching => "notBreaching",
    }
}

fn listed(alarm: &MetricAlarm) -> Option<ListedAlarm> {
    Some(ListedAlarm {
        name: AlarmName::new(alarm.alarm_name()?),
        arn: alarm.alarm_arn().unwrap_or_default().to_owned(),
        description: alarm.alarm_description().unwrap_or_default().to_owned(),
        actions: alarm.alarm_actions().to_vec(),
        actions_enabled: alarm.actions_enabled().unwrap_or(true),
        keeps_its_state: alarm.treat_missing_data() == Some("ignore"),
    })
}
