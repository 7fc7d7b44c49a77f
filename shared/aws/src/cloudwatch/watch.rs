//! How alarms watch, to be held against what a policy looks at. Used by the command line only.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, MetricAlarm};
use ghostnet_core::id::{AlarmName, Region};
use ghostnet_core::spec::Stat;
use ghostnet_core::spec::metric::QueryShape;
use ghostnet_core::unit::{Finite, Seconds};
use ghostnet_engine::error::PortError;
use ghostnet_engine::live::alarms::Watch;

use super::alarm::{AlarmDefinition, missing_word, operator};
use super::{ALARMS_PER_CALL, DESCRIBE};
use crate::Aws;
use crate::error::port_error;

impl AlarmDefinition {
    /// How the alarm watches once it is written.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch {
            stat: match &self.shape {
                QueryShape::Stat(stat) => Some(stat.clone()),
                QueryShape::Expression { .. } => None,
            },
            comparison: operator(self.comparison).as_str().to_owned(),
            threshold: Some(self.threshold),
            datapoints: u32::from(self.rule.datapoints),
            evaluated: u32::from(self.rule.of),
            missing: missing_word(self.missing).to_owned(),
        }
    }
}

impl Aws {
    /// How these alarms watch; one that does not exist, or that watches other alarms, is absent.
    ///
    /// # Errors
    /// CloudWatch does not answer.
    pub async fn watches(&self, region: &Region, names: &[AlarmName]) -> Result<BTreeMap<AlarmName, Watch>, PortError> {
        let mut found = BTreeMap::new();
        for names in names.chunks(ALARMS_PER_CALL) {
            let names = names.iter().map(ToString::to_string).collect();
            let request = self.clients(region).cloudwatch.describe_alarms();
            let request = request.alarm_types(AlarmType::MetricAlarm).set_alarm_names(Some(names));
            let answer = request.max_records(100).send().await.map_err(|error| port_error(DESCRIBE, error))?;
            let watched = |alarm: &MetricAlarm| Some((AlarmName::new(alarm.alarm_name()?), watch(alarm)));
            found.extend(answer.metric_alarms().iter().filter_map(watched));
        }
        Ok(found)
    }
}

fn watch(alarm: &MetricAlarm) -> Watch {
    let count = |number: i32| u32::try_from(number).ok().filter(|number| *number > 0);
    let evaluated = alarm.evaluation_periods().and_then(count).unwrap_or(1);
    Watch {
        stat: stat(alarm),
        comparison: alarm.comparison_operator().map(|word| word.as_str().to_owned()).unwrap_or_default(),
        threshold: alarm.threshold().and_then(Finite::new),
        datapoints: alarm.datapoints_to_alarm().and_then(count).unwrap_or(evaluated),
        evaluated,
        // CloudWatch's default
        missing: alarm.treat_missing_data().unwrap_or("missing").to_owned(),
    }
}

/// The metric; none of an expression.
fn stat(alarm: &MetricAlarm) -> Option<Stat> {
    let statistic = alarm.statistic().map(|statistic| statistic.as_str());
    let dimensions = alarm.dimensions().iter();
    Some(Stat {
        namespace: alarm.namespace()?.to_owned(),
        name: alarm.metric_name()?.to_owned(),
        dimensions: dimensions
            .filter_map(|dimension| Some((dimension.name()?.to_owned(), dimension.value()?.to_owned())))
            .collect(),
        statistic: statistic.or_else(|| alarm.extended_statistic())?.to_owned(),
        period: alarm.period().and_then(|seconds| u32::try_from(seconds).ok()).map(Seconds)?,
    })
}
