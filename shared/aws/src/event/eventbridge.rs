//! What comes in an EventBridge envelope.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use ghostnet_core::signal::{InterruptionKind, Signal};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Rejected, alarm, fields, ignored, instance};

/// Sorts an event by its source and its kind.
pub(super) fn signal(object: Map<String, Value>) -> Result<Signal, Rejected> {
    let event: EventBridgeEvent = fields("EventBridge event", object)?;
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.cloudwatch", "CloudWatch Alarm State Change") => alarm_state("alarm state change", event),
        ("aws.cloudwatch", "CloudWatch Alarm Contributor State Change") => alarm_state("alarm contributor state change", event),
        ("aws.cloudwatch", "CloudWatch Alarm Configuration Change") => alarm_configuration(event),
        ("aws.ec2", "EC2 Instance State-change Notification") => {
            const SHAPE: &str = "instance state change";
            instance::state_change(SHAPE, sent_at(SHAPE, &event)?, detail(SHAPE, event)?)
        }
        ("aws.ec2", "EC2 Spot Instance Interruption Warning") => interruption("spot warning", event, InterruptionKind::SpotWarning),
        ("aws.ec2", "EC2 Instance Rebalance Recommendation") => interruption("rebalance hint", event, InterruptionKind::Rebalance),
        ("aws.health", "AWS Health Event") => {
            const SHAPE: &str = "AWS Health event";
            instance::health(sent_at(SHAPE, &event)?, detail(SHAPE, event)?)
        }
        ("aws.events", "Scheduled Event") => Ok(Signal::Tick),
        ("aws.autoscaling", _) => Ok(ignored("Auto Scaling: a fleet of GhostNet has no Auto Scaling group")),
        (source, kind) => Ok(ignored(&format!("`{kind}` from `{source}`"))),
    }
}

fn alarm_state(shape: &'static str, event: EventBridgeEvent) -> Result<Signal, Rejected> {
    let (arn, sent_at) = (alarm_arn(&event), sent_at(shape, &event));
    alarm::change_of_state(shape, detail(shape, event)?, arn, || sent_at)
}

fn alarm_configuration(event: EventBridgeEvent) -> Result<Signal, Rejected> {
    const SHAPE: &str = "alarm configuration change";
    let (arn, sent_at) = (alarm_arn(&event), sent_at(SHAPE, &event)?);
    alarm::change_of_configuration(SHAPE, detail(SHAPE, event)?, arn, sent_at)
}

fn interruption(shape: &'static str, event: EventBridgeEvent, kind: InterruptionKind) -> Result<Signal, Rejected> {
    let at = sent_at(shape, &event)?;
    instance::interruption(shape, at, kind, &detail(shape, event)?)
}

/// The alarm itself is the only resource of its events.
fn alarm_arn(event: &EventBridgeEvent) -> Option<String> {
    event.resources.as_ref().and_then(|resources| resources.first()).cloned()
}

fn sent_at(shape: &'static str, event: &EventBridgeEvent) -> Result<Timestamp, Rejected> {
    let time = event.time.ok_or_else(|| Rejected::malformed(shape, "no time"))?;
    Timestamp::from_millisecond(time.timestamp_millis()).map_err(|error| Rejected::malformed(shape, &error.to_string()))
}

fn detail<T: DeserializeOwned>(shape: &'static str, event: EventBridgeEvent) -> Result<T, Rejected> {
    T::deserialize(event.detail).map_err(|error| Rejected::malformed(shape, &error.to_string()))
}
