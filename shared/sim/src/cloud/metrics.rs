//! What CloudWatch knows: one datapoint a minute and pool, when it is shown, and the alarms that watch it.

use std::collections::{BTreeMap, VecDeque};

use ghostnet_core::id::{AlarmName, FleetId, InstanceId, PoolId, TargetGroupArn};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::signal::{AlarmChange, AlarmChangeKind, AlarmState};
use ghostnet_core::spec::BreachRule;
use ghostnet_core::spec::metric::{QueryShape, Stat};
use ghostnet_core::unit::{Finite, Seconds};

use crate::clock::{HOUR, MINUTE, Millis, at};

/// Datapoints that are kept: more than any query of this world reaches back.
const KEPT: usize = 45;

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct History {
    pools: BTreeMap<(FleetId, PoolId), VecDeque<Minute>>,
    /// Of target groups that several pools have.
    groups: BTreeMap<TargetGroupArn, VecDeque<Minute>>,
    /// The alarms, by name.
    pub alarms: BTreeMap<AlarmName, Alarm>,
}

/// One minute of one pool.
#[derive(Debug, Clone, Default)]
pub struct Minute {
    /// When it began.
    pub start: Millis,
    /// From when it is shown.
    pub shown_from: Millis,
    /// Requests per target; none while none flow.
    pub requests: Option<f64>,
    /// Requests for all targets together.
    pub demand: Option<f64>,
    /// Processor use in percent, averaged over running instances.
    pub cpu: Option<f64>,
    /// Seconds until an answer: processing, network and queueing.
    pub response: Option<f64>,
    /// Requests answered with an error, percent.
    pub errors: Option<f64>,
    /// Seconds until whoever asks from outside is answered, whether other requests come or not.
    pub probed: f64,
    /// Processor use per instance; empty if nobody asks for it.
    pub by_instance: Vec<(InstanceId, f64)>,
    /// Failed jobs per instance; empty if nobody asks for them.
    pub jobs: Vec<(InstanceId, f64)>,
}

/// The metric that each worker of this world publishes.
pub const FAILED_JOBS: &str = "FailedJobs";

/// The metric of whoever asks a side from outside.
pub const PROBED: &str = "Probed";

/// An alarm on one policy's metric.
#[derive(Debug, Clone)]
pub struct Alarm {
    /// Of which fleet.
    pub fleet: FleetId,
    /// Of which pool.
    pub pool: PoolId,
    /// What it watches.
    pub shape: QueryShape,
    /// Breaching above.
    pub threshold: f64,
    /// So many datapoints must breach, of how many.
    pub rule: BreachRule,
    /// What missing data means.
    pub missing: Missing,
    /// Its state.
    pub state: AlarmState,
}

/// CloudWatch's modes for missing data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The state becomes `INSUFFICIENT_DATA`.
    Missing,
    /// The state stays.
    Ignore,
    /// Counts as breaching.
    Breaching,
    /// Counts as fine.
    NotBreaching,
}

impl History {
    /// Adds a minute.
    pub fn add(&mut self, fleet: &FleetId, pool: &PoolId, minute: Minute) {
        keep(self.pools.entry((fleet.clone(), pool.clone())).or_default(), minute);
    }

    /// Adds a minute of a target group that several pools have.
    pub fn add_of_group(&mut self, group: &TargetGroupArn, minute: Minute) {
        keep(self.groups.entry(group.clone()).or_default(), minute);
    }

    /// The answer to a query: complete periods that are shown, newest first.
    #[must_use]
    pub fn answer(&self, shape: &QueryShape, points: u32, now: Millis) -> Series {
        let period = shape.period();
        let length = i64::from(period.0.max(60)) * 1_000;
        let end = now.div_euclid(length) * length;
        let start = end - length * i64::from(points.saturating_add(3));
        // sum and count by period, as many periods back as the key says
        let mut periods: BTreeMap<i64, (f64, u32)> = BTreeMap::new();
        for (minute, value) in self.minutes(shape, start) {
            if minute.start < end && minute.shown_from <= now {
                let (sum, count) = periods.entry((end - 1 - minute.start) / length).or_default();
                *sum += value;
                *count += 1;
            }
        }
        let point = |(back, (sum, count)): (i64, (f64, u32))| {
            let value = Finite::new(sum / f64::from(count))?;
            let begin = end - length * (back + 1);
            Some(Datapoint { at: at(begin), value })
        };
        let most = usize::try_from(points).unwrap_or(usize::MAX);
        let found = periods.into_iter().filter_map(point).take(most).collect();
        Series::Points {
            points: found,
            period,
            partial: false,
            incomplete: Vec::new(),
        }
    }

    /// The minutes from `start` on in which the metric of this shape has a value.
    fn minutes(&self, shape: &QueryShape, start: Millis) -> Vec<(&Minute, f64)> {
        match shape {
            QueryShape::Stat(stat) => self.of_stat(stat, start),
            // the spread of response times, an error rate over the group, or a query by tag
            QueryShape::Expression { inputs, expression, .. } => match inputs.values().next() {
                Some(stat) if stat.name == "TargetResponseTime" => self.of_group(stat, start, |minute| {
                    minute.response.map(|_| f64::from(100 + by_hour(minute) % 500))
                }),
                Some(stat) => self.of_group(stat, start, |minute| minute.errors),
                None => {
                    let named = |(fleet, pool): &(FleetId, PoolId)| {
                        expression.contains(&format!("'{fleet}'")) && expression.contains(&format!("'{pool}'"))
                    };
                    let pools = self.pools.iter().filter(|(key, _)| named(key));
                    pools
                        .flat_map(|(_, minutes)| since(minutes, start).filter_map(|minute| Some((minute, minute.cpu?))))
                        .collect()
                }
            },
        }
    }

    fn of_stat(&self, stat: &Stat, start: Millis) -> Vec<(&Minute, f64)> {
        if let Some(instance) = stat.dimensions.get("InstanceId") {
            let value = |minute: &Minute| {
                let each = if stat.name == FAILED_JOBS {
                    &minute.jobs
                } else {
                    &minute.by_instance
                };
                let own = each.iter().find(|(id, _)| id.as_str() == instance.as_str());
                own.map(|(_, value)| *value)
            };
            let minutes = self.pools.values().flat_map(|minutes| since(minutes, start));
            return minutes.filter_map(|minute| Some((minute, value(minute)?))).collect();
        }
        match stat.name.as_str() {
            "RequestCount" => self.of_group(stat, start, |minute| minute.demand),
            // three of five messages wait, the others are in work; and the oldest is the older the longer answers take
            "ApproximateNumberOfMessagesVisible" => self.of_queue(stat, start, |minute| Some(0.6 * minute.demand?)),
            "ApproximateNumberOfMessagesNotVisible" => self.of_queue(stat, start, |minute| Some(0.4 * minute.demand?)),
            "ApproximateAgeOfOldestMessage" => self.of_queue(stat, start, |minute| Some(100.0 * minute.response?)),
            "RequestCountPerTarget" => self.of_group(stat, start, |minute| minute.requests),
            PROBED => self.of_group(stat, start, |minute| Some(minute.probed)),
            "TargetResponseTime" => self.of_group(stat, start, |minute| minute.response),
            "AnomalousHostCount" => self.of_group(stat, start, |minute| Some(f64::from(u32::from(by_hour(minute).is_multiple_of(5))))),
            // what the agent publishes has the fleet as its dimension
            _ => {
                let fleet = stat.dimensions.get("Fleet").map(String::as_str).unwrap_or_default();
                let pools = self.pools.iter().filter(|((of, _), _)| of.as_str() == fleet);
                pools
                    .flat_map(|(_, minutes)| since(minutes, start).filter_map(|minute| Some((minute, minute.cpu?))))
                    .collect()
            }
        }
    }

    /// A queue of this world has the name of the fleet whose requests it holds; its first pool works on them.
    fn of_queue(&self, stat: &Stat, start: Millis, value: impl Fn(&Minute) -> Option<f64>) -> Vec<(&Minute, f64)> {
        let queue = stat.dimensions.get("QueueName").map(String::as_str).unwrap_or_default();
        let pool = self
            .pools
            .iter()
            .find(|((fleet, pool), _)| fleet.as_str() == queue && pool.as_str() == "blue");
        let minutes = pool.into_iter().flat_map(|(_, minutes)| since(minutes, start));
        minutes.filter_map(|minute| Some((minute, value(minute)?))).collect()
    }

    /// The group's dimension is `targetgroup/<fleet>-<pool>/<id>` in this world.
    fn of_group(&self, stat: &Stat, start: Millis, value: impl Fn(&Minute) -> Option<f64>) -> Vec<(&Minute, f64)> {
        let group = stat.dimensions.get("TargetGroup").map(String::as_str).unwrap_or_default();
        let name = group.split('/').nth(1).unwrap_or_default();
        let shared = self.groups.iter().find(|(arn, _)| arn.as_str().ends_with(group));
        let shared = shared.filter(|_| !group.is_empty()).map(|(_, minutes)| minutes);
        let pool = self.pools.iter().find(|((fleet, pool), _)| {
            name.strip_prefix(fleet.as_str())
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(|rest| rest == pool.as_str())
        });
        let minutes = shared.or_else(|| pool.map(|(_, minutes)| minutes));
        let minutes = minutes.into_iter().flat_map(|minutes| since(minutes, start));
        minutes.filter_map(|minute| Some((minute, value(minute)?))).collect()
    }

    /// Evaluates every alarm, as CloudWatch does each minute. Only transitions are told.
    pub fn evaluate_alarms(&mut self, now: Millis) -> Vec<(FleetId, AlarmChange)> {
        let mut changes = Vec::new();
        let mut next = Vec::new();
        for (name, alarm) in &self.alarms {
            let evaluated = u32::from(alarm.rule.of).saturating_add(LOOKS_FURTHER_BACK);
            let state = match self.answer(&alarm.shape, evaluated, now) {
                Series::Points { points, period, .. } => {
                    let seen = points.iter().take_while(|point| is_in_range(point, now, period, evaluated));
                    let breaching: Vec<bool> = seen.map(|point| point.value.get() > alarm.threshold).collect();
                    evaluated_to(&breaching, alarm.rule, alarm.missing, alarm.state)
                }
                _ => alarm.state,
            };
            if state != alarm.state {
                next.push((name.clone(), state));
                let change = AlarmChange {
                    alarm: name.clone(),
                    arn: None,
                    state,
                    at: at(now),
                    muted: false,
                    change: AlarmChangeKind::State,
                };
                changes.push((alarm.fleet.clone(), change));
            }
        }
        for (name, state) in next {
            if let Some(alarm) = self.alarms.get_mut(&name) {
                alarm.state = state;
            }
        }
        changes
    }
}

fn keep(minutes: &mut VecDeque<Minute>, minute: Minute) {
    minutes.push_back(minute);
    if minutes.len() > KEPT {
        minutes.pop_front();
    }
}

/// Those of a history that begin at `start` or later. They were added in the order of time.
fn since(minutes: &VecDeque<Minute>, start: Millis) -> impl Iterator<Item = &Minute> {
    minutes.range(minutes.partition_point(|minute| minute.start < start)..)
}

/// How unequal the targets of this world are differs by the hour; by arithmetic that nobody can foresee and everybody can repeat.
fn by_hour(minute: &Minute) -> u32 {
    let hour = u32::try_from(minute.start / HOUR % 100_000).unwrap_or(0);
    hour.wrapping_mul(2_654_435_761) >> 16
}

/// An alarm looks at more periods than it counts, for some may lack a datapoint.
const LOOKS_FURTHER_BACK: u32 = 2;

fn is_in_range(point: &Datapoint, now: Millis, period: Seconds, evaluated: u32) -> bool {
    now - point.at.as_millisecond() <= i64::from(period.0) * 1_000 * i64::from(evaluated.saturating_add(1)) + MINUTE
}

/// The state that CloudWatch comes to, by its documentation of missing data: the newest datapoints that are there count, and only
/// where there are fewer than the alarm counts do those that lack mean something. `breaching`, newest first, of all that are in range.
fn evaluated_to(breaching: &[bool], rule: BreachRule, missing: Missing, before: AlarmState) -> AlarmState {
    let counted = breaching.get(..usize::from(rule.of)).unwrap_or(breaching);
    let lacking = usize::from(rule.of) - counted.len();
    let bad = counted.iter().filter(|breaching| **breaching).count();
    let undecided = lacking > 0 && bad == counted.len();
    let assumed = if missing == Missing::Breaching { lacking } else { 0 };
    if bad + assumed >= usize::from(rule.datapoints) {
        return AlarmState::Alarm;
    }
    match missing {
        Missing::Missing if counted.is_empty() => AlarmState::InsufficientData,
        // every datapoint that is there breaches: it does not wait for those that lack
        Missing::Missing if undecided => AlarmState::Alarm,
        Missing::Ignore if undecided => before,
        _ => AlarmState::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [Missing; 4] = [Missing::Missing, Missing::Ignore, Missing::Breaching, Missing::NotBreaching];

    /// `X` breaches, `0` does not, `-` lacks; oldest first, as the tables of the CloudWatch user guide have them. `retain`: as before.
    #[test]
    fn an_alarm_comes_to_what_the_user_guide_says_of_missing_data() {
        let (ok, alarm, none, retain) = ("ok", "alarm", "none", "retain");
        for (datapoints, of, seen, expected) in [
            (3, 3, "0-X-X", [ok; 4]),
            (3, 3, "0----", [ok; 4]),
            (3, 3, "-----", [none, retain, alarm, ok]),
            (3, 3, "0XX-X", [alarm; 4]),
            (3, 3, "--X--", [alarm, retain, alarm, ok]),
            (2, 3, "0-X-X", [alarm; 4]),
            (2, 3, "00X0X", [alarm; 4]),
            (2, 3, "0-X--", [ok, ok, alarm, ok]),
            (2, 3, "----0", [ok, ok, alarm, ok]),
            (2, 3, "---X-", [alarm, retain, alarm, ok]),
            (1, 1, "0X0", [ok; 4]),
            (1, 1, "00X", [alarm; 4]),
        ] {
            let points = seen.chars().rev().filter(|point| *point != '-');
            let breaching: Vec<bool> = points.map(|point| point == 'X').collect();
            for (missing, expected) in MODES.into_iter().zip(expected) {
                for before in [AlarmState::Ok, AlarmState::Alarm] {
                    let expected = match expected {
                        "ok" => AlarmState::Ok,
                        "alarm" => AlarmState::Alarm,
                        "none" => AlarmState::InsufficientData,
                        _ => before,
                    };
                    let state = evaluated_to(&breaching, BreachRule { datapoints, of }, missing, before);
                    assert_eq!(state, expected, "{datapoints} of {of} of {seen}, {missing:?}, before {before:?}");
                }
            }
        }
    }
}
