//! Sorts GetMetricData's results into series. Missing stays missing; what CloudWatch could not answer is said to be so.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{MessageData, MetricDataResult, StatusCode};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::unit::Finite;
use ghostnet_engine::error::PortError;
use ghostnet_engine::port::MetricQuery;
use jiff::Timestamp;

use super::query::{Batch, id_of};

/// What came back so far, by the id of the query.
#[derive(Debug, Default)]
pub(super) struct Answers(BTreeMap<String, Answer>);

#[derive(Debug, Default)]
struct Answer {
    /// Datapoints by time, so that pages may come in any order.
    points: BTreeMap<Timestamp, Finite>,
    /// Labels seen: more than one means more than one series.
    labels: Vec<String>,
    /// Why there is no answer.
    failed: Option<String>,
}

impl Answers {
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Takes in one result; a series may be spread over several pages.
    pub(super) fn take(&mut self, result: &MetricDataResult) {
        let Some(id) = result.id() else { return };
        let answer = self.0.entry(id.to_owned()).or_default();
        let label = result.label().unwrap_or_default();
        if !answer.labels.iter().any(|known| known == label) {
            answer.labels.push(label.to_owned());
        }
        for (at, value) in result.timestamps().iter().zip(result.values()) {
            // a value that is no number is no value
            if let (Ok(at), Some(value)) = (Timestamp::from_second(at.secs()), Finite::new(*value)) {
                answer.points.insert(at, value);
            }
        }
        match result.status_code() {
            // partial data: the rest is on a later page, and all pages are read
            None | Some(StatusCode::Complete | StatusCode::PartialData) => {}
            Some(status) => answer.failed = Some(told(status.as_str(), result.messages())),
        }
    }

    /// Takes in the answers of another call.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Notes that CloudWatch refused these queries.
    pub(super) fn refuse(&mut self, batch: &Batch, error: &PortError) {
        for index in batch.members() {
            let why = Some(format!("{}: {}", error.code, error.message));
            self.0.insert(
                id_of(*index),
                Answer {
                    failed: why,
                    ..Answer::default()
                },
            );
        }
    }

    /// The series that answers the query at `index`.
    pub(super) fn series(&self, index: usize, query: &MetricQuery) -> Series {
        let failed = |why: String| Series::Failed { why };
        let Some(answer) = self.0.get(&id_of(index)) else {
            return failed("no answer".to_owned());
        };
        match &answer.failed {
            Some(why) => failed(why.clone()),
            None if answer.labels.len() > 1 => failed(format!("{} series instead of one", answer.labels.len())),
            None => answer.newest(query),
        }
    }
}

impl Answer {
    fn newest(&self, query: &MetricQuery) -> Series {
        let wanted = usize::try_from(query.points).unwrap_or(usize::MAX);
        let points = self
            .points
            .iter()
            .rev()
            .take(wanted)
            .map(|(at, value)| Datapoint { at: *at, value: *value })
            .collect();
        Series::Points {
            points,
            period: query.shape.period(),
            partial: false,
            incomplete: Vec::new(),
        }
    }
}

fn told(status: &str, messages: &[MessageData]) -> String {
    let messages = messages
        .iter()
        .map(|message| message.value().or_else(|| message.code()).unwrap_or_default());
    std::iter::once(status).chain(messages).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;
    use ghostnet_core::spec::metric::{QueryShape, Stat};
    use ghostnet_core::unit::Seconds;

    use super::*;

    fn query(points: u32) -> MetricQuery {
        let stat = Stat {
            namespace: "N".to_owned(),
            name: "M".to_owned(),
            dimensions: BTreeMap::new(),
            statistic: "Sum".to_owned(),
            period: Seconds(60),
        };
        MetricQuery {
            shape: QueryShape::Stat(stat),
            points,
        }
    }

    fn result(label: &str, status: StatusCode, values: &[(i64, f64)]) -> MetricDataResult {
        let times = values.iter().map(|(minute, _)| DateTime::from_secs(minute * 60)).collect();
        let values = values.iter().map(|(_, value)| *value).collect();
        MetricDataResult::builder()
            .id("q0")
            .label(label)
            .status_code(status)
            .set_timestamps(Some(times))
            .set_values(Some(values))
            .build()
    }

    fn points(values: &[(i64, f64)]) -> Series {
        let point = |(minute, value): &(i64, f64)| {
            Some(Datapoint {
                at: Timestamp::from_second(minute * 60).ok()?,
                value: Finite::new(*value)?,
            })
        };
        Series::Points {
            points: values.iter().filter_map(point).collect(),
            period: Seconds(60),
            partial: false,
            incomplete: Vec::new(),
        }
    }

    #[test]
    fn results_become_series() {
        let failed = |why: &str| Series::Failed { why: why.to_owned() };
        for (situation, results, expected) in [
            (
                "newest first",
                vec![result("a", StatusCode::Complete, &[(3, 1.0), (2, 2.0)])],
                points(&[(3, 1.0), (2, 2.0)]),
            ),
            (
                "oldest first",
                vec![result("a", StatusCode::Complete, &[(2, 2.0), (3, 1.0)])],
                points(&[(3, 1.0), (2, 2.0)]),
            ),
            (
                "more than wanted",
                vec![result("a", StatusCode::Complete, &[(3, 1.0), (2, 2.0), (1, 3.0)])],
                points(&[(3, 1.0), (2, 2.0)]),
            ),
            (
                "two pages",
                vec![
                    result("a", StatusCode::PartialData, &[(3, 1.0)]),
                    result("a", StatusCode::Complete, &[(2, 2.0)]),
                ],
                points(&[(3, 1.0), (2, 2.0)]),
            ),
            ("no data is no zero", vec![result("a", StatusCode::Complete, &[])], points(&[])),
            (
                "no number",
                vec![result("a", StatusCode::Complete, &[(3, f64::NAN), (2, 2.0), (1, f64::INFINITY)])],
                points(&[(2, 2.0)]),
            ),
            (
                "internal error",
                vec![result("a", StatusCode::InternalError, &[])],
                failed("InternalError"),
            ),
            ("forbidden", vec![result("a", StatusCode::Forbidden, &[])], failed("Forbidden")),
            ("no result", vec![], failed("no answer")),
            (
                "a query that gives several series",
                vec![
                    result("a", StatusCode::Complete, &[(3, 1.0)]),
                    result("b", StatusCode::Complete, &[(3, 9.0)]),
                ],
                failed("2 series instead of one"),
            ),
        ] {
            let mut answers = Answers::none();
            results.iter().for_each(|result| answers.take(result));
            assert_eq!(answers.series(0, &query(2)), expected, "{situation}");
        }
    }
}
