//! Packs metric queries of many fleets into GetMetricData calls.
//!
//! A call has one window and at most 500 queries, of which one may be a Metrics Insights query, and gives at most 100,800 datapoints;
//! ids are shared by all that is in it. So queries are grouped by period and by whether they reach far back, and the names inside an
//! expression get a prefix.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use ghostnet_core::spec::metric::{QueryShape, Stat};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::MetricQuery;
use jiff::Timestamp;

/// Data queries per call, inputs of expressions included.
const QUERIES_PER_CALL: usize = 500;
/// Datapoints of a call. What is an input of an expression is not given.
const POINTS_PER_CALL: u32 = 100_800;
/// A query of more points reaches far back: the window of a call is that of its longest query, and nobody else should pay for it.
const POINTS_NEAR: u32 = 190;
/// Datapoints per query: what CloudWatch keeps by the minute, of fifteen days.
const POINTS_MAX: u32 = 21_600;
/// Periods beyond the wanted points, for data that comes late.
const SLACK_PERIODS: u32 = 3;

/// Queries that go into one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    period: Seconds,
    points: u32,
    /// Places in the list of all queries.
    members: Vec<usize>,
    size: usize,
    insights: bool,
}

/// Sorts queries into as few calls as possible. A query per instance has no place in any: the engine asks those as plain
/// metrics.
pub(super) fn batches(queries: &[MetricQuery]) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for (index, query) in queries.iter().enumerate() {
        let period = query.shape.period();
        let load = Load::of(query);
        let batch = match batches.iter_mut().find(|batch| batch.period == period && batch.has_room(load)) {
            Some(batch) => batch,
            None => batches.push_mut(Batch {
                period,
                points: 0,
                members: Vec::new(),
                size: 0,
                insights: false,
            }),
        };
        batch.add(index, load);
    }
    batches
}

/// What a query takes up in a call.
#[derive(Debug, Clone, Copy)]
struct Load {
    size: usize,
    insights: bool,
    points: u32,
}

impl Load {
    fn of(query: &MetricQuery) -> Self {
        let (size, insights) = match &query.shape {
            QueryShape::Stat(_) => (1, false),
            QueryShape::Expression { inputs, .. } => (inputs.len() + 1, inputs.is_empty()),
        };
        Self {
            size,
            insights,
            points: query.points.min(POINTS_MAX),
        }
    }
}

impl Batch {
    fn has_room(&self, load: Load) -> bool {
        let both_are_near = (self.points > POINTS_NEAR) == (load.points > POINTS_NEAR);
        let each = self.points.max(load.points).saturating_add(SLACK_PERIODS);
        let points = u32::try_from(self.members.len() + 1).unwrap_or(u32::MAX).saturating_mul(each);
        let fits = self.size + load.size <= QUERIES_PER_CALL && points <= POINTS_PER_CALL;
        fits && both_are_near && !(self.insights && load.insights)
    }

    fn add(&mut self, index: usize, load: Load) {
        self.members.push(index);
        self.points = self.points.max(load.points);
        self.size += load.size;
        self.insights |= load.insights;
    }

    /// The places of its queries in the list of all.
    pub(super) fn members(&self) -> &[usize] {
        &self.members
    }

    /// Two batches of half the size; none if there is only one query.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let (left, right) = self.members.split_at(self.members.len() / 2);
        let part = |members: &[usize]| Self {
            members: members.to_vec(),
            ..self.clone()
        };
        (!left.is_empty()).then(|| [part(left), part(right)])
    }

    /// Start and end in epoch seconds, whole periods both: only periods that are over, because the current one is
    /// incomplete and would read as a fall of every sum.
    pub(super) fn window(&self, now: Timestamp) -> (i64, i64) {
        let period = i64::from(self.period.0.max(1));
        let end = now.as_second().div_euclid(period) * period;
        (end - i64::from(self.points + SLACK_PERIODS) * period, end)
    }

    /// What to send.
    pub(super) fn data_queries(&self, queries: &[MetricQuery]) -> Vec<MetricDataQuery> {
        let shapes = self.members.iter().filter_map(|index| Some((*index, &queries.get(*index)?.shape)));
        shapes.flat_map(|(index, shape)| data_queries(&id_of(index), shape)).collect()
    }
}

/// The id under which the answer to a query comes back.
pub(super) fn id_of(index: usize) -> String {
    format!("q{index}")
}

/// One shape as data queries: the one named `id` returns data, the inputs of an expression do not.
fn data_queries(id: &str, shape: &QueryShape) -> Vec<MetricDataQuery> {
    match shape {
        QueryShape::Stat(stat) => vec![stat_query(id, stat, true)],
        QueryShape::Expression {
            expression,
            inputs,
            period,
        } => {
            let prefix = format!("{id}_");
            let mut queries: Vec<_> = inputs
                .iter()
                .map(|(name, stat)| stat_query(&format!("{prefix}{name}"), stat, false))
                .collect();
            queries.push(expression_query(id, &renamed(expression, &prefix, inputs), *period));
            queries
        }
    }
}

/// A plain metric as data query.
pub(super) fn stat_query(id: &str, stat: &Stat, returned: bool) -> MetricDataQuery {
    let metric = Metric::builder()
        .namespace(&stat.namespace)
        .metric_name(&stat.name)
        .set_dimensions(Some(dimensions(stat)))
        .build();
    let stat = MetricStat::builder()
        .metric(metric)
        .period(seconds(stat.period))
        .stat(&stat.statistic)
        .build();
    MetricDataQuery::builder().id(id).metric_stat(stat).return_data(returned).build()
}

/// An expression as data query.
pub(super) fn expression_query(id: &str, expression: &str, period: Seconds) -> MetricDataQuery {
    MetricDataQuery::builder()
        .id(id)
        .expression(expression)
        .period(seconds(period))
        .return_data(true)
        .build()
}

/// A metric's dimensions as CloudWatch takes them.
pub(super) fn dimensions(stat: &Stat) -> Vec<Dimension> {
    stat.dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(name).value(value).build())
        .collect()
}

/// A period as CloudWatch takes it.
pub(super) fn seconds(period: Seconds) -> i32 {
    i32::try_from(period.0).unwrap_or(i32::MAX)
}

/// The expression with a prefix before each of its inputs' names, and with `METRICS()` spelled out, because in a shared
/// call it would mean everybody's metrics. Text in quotes stays as it is. A Metrics Insights query has no inputs and
/// stays as it is.
fn renamed(expression: &str, prefix: &str, inputs: &BTreeMap<String, Stat>) -> String {
    let mut out = String::with_capacity(expression.len() * 2);
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '"' | '\'' => split_quoted(rest, first),
            c if is_word(c) => rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
            c => rest.split_at(c.len_utf8()),
        };
        rest = after;
        match (token, metrics_arguments(after)) {
            ("METRICS", Some((part_of_name, after))) if !inputs.is_empty() => {
                out.push_str(&listed(prefix, inputs, part_of_name));
                rest = after;
            }
            (name, _) if inputs.contains_key(name) => {
                out.push_str(prefix);
                out.push_str(name);
            }
            (other, _) => out.push_str(other),
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A quoted text with its quotes, and the rest. Without a closing quote it goes to the end.
fn split_quoted(text: &str, quote: char) -> (&str, &str) {
    let after_opening = text.get(1..).unwrap_or_default();
    let length = after_opening.find(quote).map_or(text.len(), |closing| closing + 2);
    text.split_at(length)
}

/// The argument of `METRICS` and what follows its bracket; an empty argument means all.
fn metrics_arguments(after_name: &str) -> Option<(&str, &str)> {
    let (inside, after) = after_name.trim_start().strip_prefix('(')?.split_once(')')?;
    Some((inside.trim().trim_matches(['"', '\'']), after))
}

/// The inputs whose names contain `part`, as an array.
fn listed(prefix: &str, inputs: &BTreeMap<String, Stat>, part: &str) -> String {
    let names: Vec<_> = inputs
        .keys()
        .filter(|name| name.contains(part))
        .map(|name| format!("{prefix}{name}"))
        .collect();
    format!("[{}]", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str, period: u32) -> Stat {
        Stat {
            namespace: "AWS/ApplicationELB".to_owned(),
            name: name.to_owned(),
            dimensions: BTreeMap::from([("TargetGroup".to_owned(), "targetgroup/web/1".to_owned())]),
            statistic: "Sum".to_owned(),
            period: Seconds(period),
        }
    }

    fn plain(period: u32, points: u32) -> MetricQuery {
        MetricQuery {
            shape: QueryShape::Stat(stat("RequestCount", period)),
            points,
        }
    }

    fn expression(text: &str, names: &[&str]) -> MetricQuery {
        let inputs = names.iter().map(|name| ((*name).to_owned(), stat(name, 60))).collect();
        MetricQuery {
            shape: QueryShape::Expression {
                expression: text.to_owned(),
                inputs,
                period: Seconds(60),
            },
            points: 3,
        }
    }

    #[test]
    fn calls_are_shared_by_period_and_hold_500_queries() {
        let queries: Vec<_> = (0..501).map(|_| plain(60, 3)).chain([plain(300, 3)]).collect();
        let sizes: Vec<_> = batches(&queries)
            .iter()
            .map(|batch| (batch.period.0, batch.members.len()))
            .collect();
        assert_eq!(sizes, [(60, 500), (60, 1), (300, 1)]);
    }

    #[test]
    fn a_call_gives_no_more_datapoints_than_it_can_and_who_reaches_far_back_reaches_alone() {
        let fortnight = || plain(60, 20_163);
        let queries: Vec<_> = [plain(60, 3), fortnight(), plain(60, 63)]
            .into_iter()
            .chain((0..7).map(|_| fortnight()))
            .collect();
        let told: Vec<_> = batches(&queries)
            .iter()
            .map(|batch| (batch.points, batch.members.clone()))
            .collect();
        assert_eq!(told, [(63, vec![0, 2]), (20_163, vec![1, 3, 4, 5]), (20_163, vec![6, 7, 8, 9]),]);
        let each: Vec<_> = (0..501).map(|_| plain(60, 190)).collect();
        let sizes: Vec<_> = batches(&each).iter().map(|batch| batch.members.len()).collect();
        assert_eq!(sizes, [500, 1], "500 queries of 190 points and three more fit");
    }

    #[test]
    fn a_call_holds_one_insights_query() {
        let insights = || expression("SELECT AVG(CPUUtilization) FROM \"AWS/EC2\"", &[]);
        let sizes: Vec<_> = batches(&[insights(), plain(60, 1), insights()])
            .iter()
            .map(|batch| batch.members.clone())
            .collect();
        assert_eq!(sizes, [vec![0, 1], vec![2]]);
    }

    #[test]
    fn the_window_holds_whole_periods_that_are_over() {
        for (situation, now, period, points, window) in [
            ("in the middle of a minute", 605, 60, 2, (300, 600)),
            ("on the minute", 600, 60, 2, (300, 600)),
            ("five minutes", 3_899, 300, 1, (2_400, 3_600)),
            ("more points than CloudWatch keeps", 6_000_000, 60, 99_999, (4_703_820, 6_000_000)),
        ] {
            let batch = batches(&[plain(period, points)]).remove(0);
            assert_eq!(batch.window(Timestamp::from_second(now).unwrap_or_default()), window, "{situation}");
        }
    }

    #[test]
    fn names_get_a_prefix_and_nothing_else_changes() {
        for (expression, names, expected) in [
            ("m1 / m2", &["m1", "m2"][..], "q7_m1 / q7_m2"),
            ("m1 / m10", &["m1", "m10"], "q7_m1 / q7_m10"),
            ("IF(m1 > 5, m1, 0)", &["m1"], "IF(q7_m1 > 5, q7_m1, 0)"),
            ("SUM(METRICS())", &["a", "b"], "SUM([q7_a, q7_b])"),
            (
                "100 * FILL(SUM(METRICS(\"errors\")), 0) / SUM(METRICS('requests'))",
                &["errors1", "requests1"],
                "100 * FILL(SUM([q7_errors1]), 0) / SUM([q7_requests1])",
            ),
            ("SEARCH('{AWS/EC2} m1', 'Sum')", &["m1"], "SEARCH('{AWS/EC2} m1', 'Sum')"),
            ("SELECT AVG(m1) FROM \"m1\"", &[], "SELECT AVG(m1) FROM \"m1\""),
            ("'open m1", &["m1"], "'open m1"),
            ("µ + m1", &["m1"], "µ + q7_m1"),
        ] {
            let inputs = names.iter().map(|name| ((*name).to_owned(), stat(name, 60))).collect();
            assert_eq!(renamed(expression, "q7_", &inputs), expected, "{expression}");
        }
    }

    #[test]
    fn an_expression_returns_only_its_result() {
        let queries = [plain(60, 1), expression("a + b", &["a", "b"])];
        let sent = batches(&queries).remove(0).data_queries(&queries);
        let told: Vec<_> = sent
            .iter()
            .map(|query| (query.id().unwrap_or_default(), query.return_data(), query.period()))
            .collect();
        assert_eq!(
            told,
            [
                ("q0", Some(true), None),
                ("q1_a", Some(false), None),
                ("q1_b", Some(false), None),
                ("q1", Some(true), Some(60))
            ]
        );
    }

    #[test]
    fn a_batch_is_halved_down_to_one_query() {
        let batch = batches(&[plain(60, 1), plain(60, 1), plain(60, 1)]).remove(0);
        let halves = batch.halves().map(|halves| halves.map(|half| half.members));
        assert_eq!(halves, Some([vec![0], vec![1, 2]]));
        assert_eq!(batches(&[plain(60, 1)]).remove(0).halves(), None);
    }
}
