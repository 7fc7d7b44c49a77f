//! CloudWatch at the far end: datapoints inside the window that was asked for, in pages, and alarms by the hundred.

use std::collections::BTreeMap;

use ghostnet_core::signal::AlarmState;
use serde_json::{Value, json};

use super::error;
use crate::metrics::{Given, What};
use crate::reply::alarms;
use crate::sample::{fleet, minute, pool};
use crate::wire::{Reply, Sent};

/// Queries and alarm names that one call takes.
const QUERIES_MAX: usize = 500;
const ALARMS_MAX: usize = 100;
/// Alarms that one page tells unless more are asked for.
const ALARMS_PER_PAGE: u64 = 50;

#[derive(Debug, Default)]
pub(super) struct CloudWatch {
    values: Vec<Measured>,
    alarms: BTreeMap<String, AlarmState>,
    page: Option<usize>,
    /// Every second query of the next call fails.
    some_fail: bool,
}

#[derive(Debug)]
struct Measured {
    what: What,
    at: i64,
    value: f64,
    shown_from: i64,
}

impl CloudWatch {
    pub(super) fn given(&mut self, given: Given, now: i64) {
        match given {
            Given::Value(what, n, value) => self.measure(what, n, value, 0),
            Given::LateValue(what, n, value) => self.measure(what, n, value, now + 300),
            Given::SomeFail => self.some_fail = true,
            Given::Alarm(name, state) => {
                self.alarms.insert(name, state);
            }
            Given::Pages(size) => self.page = Some(size),
        }
    }

    pub(super) fn call_is_over(&mut self) {
        self.some_fail = false;
    }

    fn measure(&mut self, what: What, n: i64, value: f64, shown_from: i64) {
        self.values.push(Measured {
            what,
            at: minute(n).as_second(),
            value,
            shown_from,
        });
    }

    pub(super) fn answer(&self, sent: &Sent, now: i64) -> Reply {
        match sent.operation.as_str() {
            "cloudwatch:GetMetricData" => self.data(sent, now).unwrap_or_else(|| error(sent, 400, "ValidationError")),
            "cloudwatch:DescribeAlarms" => self.describe(sent),
            "cloudwatch:PutMetricData" if sent.text("Namespace") == "GhostNet" => Reply::cbor(&json!({})),
            other => panic!("no port sends {other}: {:?}", sent.body),
        }
    }

    /// None: the call is refused as a whole.
    fn data(&self, sent: &Sent, now: i64) -> Option<Reply> {
        let queries = sent.body["MetricDataQueries"].as_array()?;
        let insights = queries.iter().filter(|query| expression(query).starts_with("SELECT"));
        if queries.len() > QUERIES_MAX || insights.count() > 1 {
            return None;
        }
        let size = self.page.unwrap_or(usize::MAX);
        let begin = sent.text("NextToken").parse().unwrap_or(0_usize);
        let mut results = Vec::new();
        let mut more = false;
        let returned = queries.iter().enumerate().filter(|(_, query)| query["ReturnData"] != json!(false));
        for (n, query) in returned {
            let points = self.points(sent, query, asked(query, queries)?, now)?;
            more |= begin.saturating_add(size) < points.len();
            let part = || points.iter().skip(begin).take(size);
            let times: Vec<_> = part().map(|(at, _)| json!({ "time": at })).collect();
            let values: Vec<_> = part().map(|(_, value)| json!(value)).collect();
            let (id, fails) = (&query["Id"], self.some_fail && !n.is_multiple_of(2));
            let status = if fails { "InternalError" } else { "Complete" };
            results.push(json!({ "Id": id, "Label": id, "StatusCode": status, "Timestamps": times, "Values": values }));
        }
        let mut body = json!({ "MetricDataResults": results });
        if more {
            body["NextToken"] = json!((begin + size).to_string());
        }
        Some(Reply::cbor(&body))
    }

    /// Averages of whole periods inside the window.
    fn points(&self, sent: &Sent, query: &Value, what: Option<What>, now: i64) -> Option<Vec<(i64, f64)>> {
        let [start, end] = ["StartTime", "EndTime"].map(|name| sent.body[name]["time"].as_f64());
        let (start, end) = (start?, end?);
        let period = query["MetricStat"]["Period"].as_i64().or_else(|| query["Period"].as_i64())?;
        let mut periods: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for one in self.values.iter().filter(|one| Some(one.what) == what && one.shown_from <= now) {
            periods.entry(one.at.div_euclid(period) * period).or_default().push(one.value);
        }
        let inside = periods.into_iter().filter(|(at, _)| (start..end).contains(&seconds(*at)));
        let mut points: Vec<_> = inside
            .map(|(at, values)| (at, values.iter().sum::<f64>() / count(&values)))
            .collect();
        if sent.text("ScanBy") == "TimestampDescending" {
            points.reverse();
        }
        Some(points)
    }

    /// Every second alarm is a composite one: told only if asked for.
    fn describe(&self, sent: &Sent) -> Reply {
        let listed = |name: &str| sent.body[name].as_array().cloned().unwrap_or_default();
        let (names, types) = (listed("AlarmNames"), listed("AlarmTypes"));
        let limit = sent.body["MaxRecords"].as_u64().unwrap_or(ALARMS_PER_PAGE);
        if names.len() > ALARMS_MAX {
            return error(sent, 400, "ValidationError");
        }
        let known = self.alarms.iter().enumerate().filter(|(_, (name, _))| names.contains(&json!(name)));
        let (mut metric, mut composite) = (Vec::new(), Vec::new());
        for (n, (name, state)) in known.take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            let of_kind = if n.is_multiple_of(2) { &mut metric } else { &mut composite };
            of_kind.push((name.as_str(), state_word(*state)));
        }
        if !types.contains(&json!("CompositeAlarm")) {
            composite.clear();
        }
        alarms(&metric, &composite)
    }
}

fn expression(query: &Value) -> &str {
    query["Expression"].as_str().unwrap_or_default()
}

/// What a query asks for: nothing that is measured here, or, outside, nothing that CloudWatch understands.
fn asked(query: &Value, queries: &[Value]) -> Option<Option<What>> {
    let text = expression(query);
    if text.is_empty() {
        let metric = &query["MetricStat"]["Metric"];
        let group = format!("targetgroup/{}-{}/", fleet(), pool());
        let ours = metric["Dimensions"][0]["Value"].as_str()?.starts_with(&group);
        let name = (metric["Namespace"].as_str()?, metric["MetricName"].as_str()?);
        return Some((ours && name == ("AWS/ApplicationELB", "RequestCountPerTarget")).then_some(What::Requests));
    }
    if text.starts_with("SELECT") {
        let ours = text.contains(&format!("'{}'", fleet())) && text.contains(&format!("'{}'", pool()));
        return Some(ours.then_some(What::Processor));
    }
    // a name that is no query of this call cannot be evaluated
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let known = |word: &str| word.is_empty() || word.parse::<u32>().is_ok() || queries.iter().any(|other| other["Id"] == json!(word));
    words.all(known).then_some(Some(What::Errors))
}

fn state_word(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Ok => "OK",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "INSUFFICIENT_DATA",
    }
}

fn seconds(at: i64) -> f64 {
    u32::try_from(at).map_or(f64::INFINITY, f64::from)
}

fn count(values: &[f64]) -> f64 {
    f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX))
}
