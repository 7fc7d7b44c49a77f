//! CloudWatch alarms, in the three forms in which CloudWatch tells of them.
//!
//! Metric, metric-math, anomaly, Metrics Insights and composite alarms differ in their configuration and in
//! `reasonData` only, and neither is read: the state that decides is asked from CloudWatch, not taken from an event.

use ghostnet_core::id::AlarmName;
use ghostnet_core::signal::{AlarmChange, AlarmChangeKind, AlarmState, Signal};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::text::moment;
use super::{Rejected, fields};

/// Longest alarm name (CloudWatch, `PutMetricAlarm`).
const NAME_CHARS_MAX: usize = 255;
/// Longest ARN that is kept.
const ARN_CHARS_MAX: usize = 1_024;

/// What CloudWatch says of an alarm: `detail` of the EventBridge event, `alarmData` of the direct action.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlarmDetail {
    alarm_name: Option<String>,
    #[serde(default)]
    state: State,
    mute_detail: Option<IgnoredAny>,
    alarm_contributor: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
struct State {
    value: Option<String>,
    timestamp: Option<String>,
}

/// The direct action's envelope.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Direct {
    alarm_arn: Option<String>,
    time: Option<String>,
    alarm_data: AlarmDetail,
}

/// What CloudWatch publishes to an SNS topic. `Region` is not bound: it holds a display name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notified {
    alarm_name: Option<String>,
    alarm_arn: Option<String>,
    new_state_value: Option<String>,
    state_change_time: Option<String>,
    alarm_contributor_id: Option<IgnoredAny>,
}

/// An alarm whose action is the function itself.
pub(super) fn direct(object: Map<String, Value>) -> Result<Signal, Rejected> {
    const SHAPE: &str = "direct alarm action";
    let Direct {
        alarm_arn,
        time,
        alarm_data,
    } = fields(SHAPE, object)?;
    change_of_state(SHAPE, alarm_data, alarm_arn, || moment(SHAPE, time.as_deref()))
}

/// An alarm that published to a topic.
pub(super) fn notified(object: Map<String, Value>) -> Result<Signal, Rejected> {
    const SHAPE: &str = "alarm notification";
    let notified: Notified = fields(SHAPE, object)?;
    let state = State {
        value: notified.new_state_value,
        timestamp: notified.state_change_time,
    };
    let detail = AlarmDetail {
        alarm_name: notified.alarm_name,
        state,
        // notifications of a muted alarm are not sent at all
        mute_detail: None,
        alarm_contributor: notified.alarm_contributor_id,
    };
    change_of_state(SHAPE, detail, notified.alarm_arn, || moment(SHAPE, None))
}

/// A new state, of the alarm or of one of its contributors. `sent_at` is used where the state has no moment of its own.
pub(super) fn change_of_state(
    shape: &'static str,
    detail: AlarmDetail,
    arn: Option<String>,
    sent_at: impl FnOnce() -> Result<Timestamp, Rejected>,
) -> Result<Signal, Rejected> {
    let at = if detail.state.timestamp.is_some() {
        moment(shape, detail.state.timestamp.as_deref())?
    } else {
        sent_at()?
    };
    let change = if detail.alarm_contributor.is_some() {
        AlarmChangeKind::Contributor
    } else {
        AlarmChangeKind::State
    };
    Ok(Signal::AlarmChanged(AlarmChange {
        alarm: name(shape, detail.alarm_name)?,
        arn: arn.and_then(checked_arn),
        state: state(shape, detail.state.value.as_deref())?,
        at,
        muted: detail.mute_detail.is_some(),
        change,
    }))
}

/// Somebody created, edited or deleted an alarm. Its moment is the event's: the state is as old as it is.
pub(super) fn change_of_configuration(
    shape: &'static str,
    detail: AlarmDetail,
    arn: Option<String>,
    sent_at: Timestamp,
) -> Result<Signal, Rejected> {
    // a deleted alarm has no state
    let state = detail
        .state
        .value
        .as_deref()
        .map_or(Ok(AlarmState::InsufficientData), |value| state(shape, Some(value)))?;
    Ok(Signal::AlarmChanged(AlarmChange {
        alarm: name(shape, detail.alarm_name)?,
        arn: arn.and_then(checked_arn),
        state,
        at: sent_at,
        muted: detail.mute_detail.is_some(),
        change: AlarmChangeKind::Configuration,
    }))
}

fn name(shape: &'static str, name: Option<String>) -> Result<AlarmName, Rejected> {
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Rejected::malformed(shape, "no alarm name"))?;
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(Rejected::malformed(shape, "an alarm name longer than CloudWatch allows"));
    }
    Ok(AlarmName::new(name))
}

/// An alarm is found by its name as well, so that an odd ARN is no reason to refuse the event.
fn checked_arn(arn: String) -> Option<String> {
    (arn.starts_with("arn:") && arn.contains(":alarm:") && arn.len() <= ARN_CHARS_MAX).then_some(arn)
}

fn state(shape: &'static str, value: Option<&str>) -> Result<AlarmState, Rejected> {
    match value {
        Some("OK") => Ok(AlarmState::Ok),
        Some("ALARM") => Ok(AlarmState::Alarm),
        Some("INSUFFICIENT_DATA") => Ok(AlarmState::InsufficientData),
        Some(other) => Err(Rejected::malformed(shape, &format!("`{other}` is no alarm state"))),
        None => Err(Rejected::malformed(shape, "no alarm state")),
    }
}
