//! What alarms of other owners watch, as `ghostnet import` reads it. Used by the command line only.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, ComparisonOperator, MetricAlarm};
use ghostnet_core::id::Region;
use ghostnet_engine::error::PortError;

use super::alarm::Comparison;
use super::{ALARMS_PER_CALL, DESCRIBE};
use crate::Aws;
use crate::error::port_error;

/// An alarm on one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmFacts {
    /// Its name.
    pub name: String,
    /// The metric's namespace.
    pub namespace: String,
    /// The metric's name.
    pub metric: String,
    /// Its dimensions.
    pub dimensions: BTreeMap<String, String>,
    /// Its statistic, or percentile.
    pub statistic: String,
    /// Length of a datapoint, in seconds.
    pub period_seconds: u32,
    /// When it breaches.
    pub comparison: Comparison,
    /// Against what.
    pub threshold: f64,
    /// So many datapoints must breach,
    pub datapoints: u32,
    /// of so many.
    pub evaluated: u32,
}

impl Aws {
    /// What these alarms watch; those that do not exist, or watch an expression, a band or other alarms, are absent.
    ///
    /// # Errors
    /// CloudWatch does not answer.
    pub async fn alarm_facts(&self, region: &Region, names: &[String]) -> Result<Vec<AlarmFacts>, PortError> {
        let mut found = Vec::new();
        for names in names.chunks(ALARMS_PER_CALL) {
            let request = self.clients(region).cloudwatch.describe_alarms();
            let request = request.alarm_types(AlarmType::MetricAlarm).set_alarm_names(Some(names.to_vec()));
            let answer = request.max_records(100).send().await.map_err(|error| port_error(DESCRIBE, error))?;
            found.extend(answer.metric_alarms().iter().filter_map(facts));
        }
        Ok(found)
    }
}

fn facts(alarm: &MetricAlarm) -> Option<AlarmFacts> {
    let count = |number: i32| u32::try_from(number).ok().filter(|number| *number > 0);
    let evaluated = alarm.evaluation_periods().and_then(count).unwrap_or(1);
    let dimensions = alarm.dimensions().iter();
    let statistic = alarm.statistic().map(|statistic| statistic.as_str());
    Some(AlarmFacts {
        name: alarm.alarm_name()?.to_owned(),
        namespace: alarm.namespace()?.to_owned(),
        metric: alarm.metric_name()?.to_owned(),
        dimensions: dimensions
            .filter_map(|dimension| Some((dimension.name()?.to_owned(), dimension.value()?.to_owned())))
            .collect(),
        statistic: statistic.or_else(|| alarm.extended_statistic()).unwrap_or("Average").to_owned(),
        period_seconds: alarm.period().and_then(count).unwrap_or(60),
        comparison: match alarm.comparison_operator()? {
            ComparisonOperator::GreaterThanThreshold => Comparison::Above,
            ComparisonOperator::GreaterThanOrEqualToThreshold => Comparison::AtLeast,
            ComparisonOperator::LessThanThreshold => Comparison::Below,
            ComparisonOperator::LessThanOrEqualToThreshold => Comparison::AtMost,
            // a band of an anomaly detector
            _ => return None,
        },
        threshold: alarm.threshold()?,
        datapoints: alarm.datapoints_to_alarm().and_then(count).unwrap_or(evaluated).min(evaluated),
        evaluated,
    })
}
