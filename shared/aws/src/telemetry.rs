//! What GhostNet says about itself: JSON log lines, and metrics in CloudWatch's embedded metric format.
//!
//! Lambda ships what is written to stdout, and CloudWatch makes metrics of lines that carry `_aws`: no call, no wait, no
//! permission. Metrics of fleets are published through the metrics port instead.

use std::io::Write;

use ghostnet_core::id::InstallationId;
use jiff::Timestamp;
use serde_json::json;
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

/// Namespace of everything that GhostNet publishes.
pub const NAMESPACE: &str = "GhostNet";
/// The dimension of GhostNet's own metrics.
pub const DIMENSION: &str = "Installation";

/// GhostNet's own health, as CloudWatch metrics with the dimension `Installation`. All are counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnMetric {
    /// A tick came to its end. None for five minutes raises an alarm.
    TickSucceeded,
    /// A payload was no event that we know.
    SignalRejected,
    /// `audit` refused a decision.
    DecisionViolation,
    /// A look at one fleet failed.
    FleetFailed,
    /// A commit lost against another writer.
    Conflicts,
    /// Something that a person should see.
    Alerts,
    /// Instances that AWS said it launched.
    Launched,
    /// Instances whose termination AWS accepted.
    Terminated,
}

impl OwnMetric {
    /// The name in CloudWatch.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TickSucceeded => "TickSucceeded",
            Self::SignalRejected => "SignalRejected",
            Self::DecisionViolation => "DecisionViolation",
            Self::FleetFailed => "FleetFailed",
            Self::Conflicts => "Conflicts",
            Self::Alerts => "Alerts",
            Self::Launched => "Launched",
            Self::Terminated => "Terminated",
        }
    }
}

/// Logs as JSON lines to stdout from now on, filtered by `log` (setting `GHOSTNET_LOG`). A filter that cannot be read
/// counts as `info`; a second call changes nothing.
pub fn log_as_json(log: &str) {
    // by target and level alone: filters by span would bring a regular expression engine into every function
    let filter: Targets = log.parse().unwrap_or_else(|_| Targets::new().with_default(Level::INFO));
    let lines = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        // CloudWatch Logs stamps every line
        .without_time()
        .with_max_level(LevelFilter::TRACE)
        .finish()
        .with(filter);
    // only fails if there is a subscriber already, and then that one logs
    let _ = tracing::subscriber::set_global_default(lines);
}

/// Counts `value` on one of GhostNet's own metrics: one line to stdout.
pub fn emit(metric: OwnMetric, value: u32, installation: &InstallationId, now: Timestamp) {
    // whoever closed stdout does not want to read this; nothing else may depend on it
    let _ = writeln!(std::io::stdout().lock(), "{}", line(metric, value, installation, now));
}

/// The line that CloudWatch makes a metric of.
#[must_use]
pub fn line(metric: OwnMetric, value: u32, installation: &InstallationId, now: Timestamp) -> String {
    let metrics = json!([{ "Name": metric.as_str(), "Unit": "Count" }]);
    let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics });
    json!({
        "_aws": { "Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive] },
        DIMENSION: installation.as_str(),
        metric.as_str(): value,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_one_line_in_the_embedded_format() {
        let text = line(OwnMetric::TickSucceeded, 1, &InstallationId::new("abc"), Timestamp::UNIX_EPOCH);
        let read: Result<serde_json::Value, _> = serde_json::from_str(&text);
        let expected = json!({
            "_aws": {
                "Timestamp": 0,
                "CloudWatchMetrics": [{
                    "Namespace": "GhostNet",
                    "Dimensions": [["Installation"]],
                    "Metrics": [{ "Name": "TickSucceeded", "Unit": "Count" }],
                }],
            },
            "Installation": "abc",
            "TickSucceeded": 1,
        });
        assert_eq!(read.ok(), Some(expected));
        assert!(!text.contains('\n'));
    }
}
