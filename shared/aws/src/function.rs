//! What every function does alike: say who is invoked, read the payload, look at fleets, tell what came of it.
//!
//! Knows nothing of the Lambda runtime, so that the command line can depend on this crate without it.

use std::collections::BTreeMap;
use std::error::Error;

use ghostnet_core::id::{BuildId, FleetId, InstallationId};
use ghostnet_core::signal::Signal;
use ghostnet_engine::error::PortError;
use ghostnet_engine::invocation::{Invocation, ReconcileError, Report};
use ghostnet_engine::port::Ports;
use ghostnet_engine::reconcile::reconcile;
use jiff::Timestamp;

use crate::Aws;
use crate::answer::Answer;
use crate::event::Payload;
use crate::telemetry::{OwnMetric, emit};

/// An invocation of `function`, as Lambda describes it: `deadline_ms` is counted from 1970.
#[must_use]
pub fn invocation(aws: &Aws, function: &'static str, request_id: String, deadline_ms: u64) -> Invocation {
    let deadline = i64::try_from(deadline_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    Invocation {
        installation: aws.installation().clone(),
        region: aws.home().clone(),
        function,
        request_id,
        build: build(),
        // without a deadline there is no time: nothing is sent that could be cut off
        deadline: deadline.unwrap_or(Timestamp::MIN),
    }
}

/// The code that runs: the version, and a digest of everything that decides (`build.rs`).
#[must_use]
pub fn build() -> BuildId {
    BuildId::new(env!("GHOSTNET_BUILD"))
}

/// The name of another function of this deployment: `<stack>-tick` beside `<stack>-failover`. `own` is what Lambda calls this one.
#[must_use]
pub fn beside(own: Option<&str>, function: &str, other: &str) -> String {
    let stack = own.and_then(|own| own.strip_suffix(function)?.strip_suffix('-'));
    format!("{}-{other}", stack.unwrap_or("ghostnet"))
}

/// The signals of a payload. What says nothing to us is told and left: sending it again would not help.
#[must_use]
pub fn signals(invocation: &Invocation, payload: &Payload, now: Timestamp) -> Vec<Signal> {
    let signals = match payload.signals() {
        Ok(signals) => signals,
        Err(rejected) => {
            refuse(invocation, rejected.kind(), &rejected.to_string(), now);
            return Vec::new();
        }
    };
    let is_ours = |signal: &Signal| {
        let Signal::Ignored { reason } = signal else { return true };
        refuse(invocation, "Ignored", reason, now);
        false
    };
    signals.into_iter().filter(is_ours).collect()
}

/// Tells that a signal reached a function that does not answer its kind: a rule sends it to the wrong place.
pub fn misrouted(invocation: &Invocation, signal: &Signal, now: Timestamp) {
    refuse(invocation, "Misrouted", signal.kind(), now);
}

/// Tells that a payload says nothing to this function: one line and one metric.
pub fn refuse(invocation: &Invocation, kind: &str, why: &str, now: Timestamp) {
    tracing::warn!(
        function = invocation.function,
        request_id = invocation.request_id,
        kind,
        why,
        "nothing to do for this payload"
    );
    emit(OwnMetric::SignalRejected, 1, &invocation.installation, now);
}

/// The looks of one invocation: each fleet at most once, because a look sees everything that any signal could mean.
#[derive(Debug, Default)]
pub struct Looks {
    results: BTreeMap<FleetId, Result<Report, ReconcileError>>,
}

impl Looks {
    /// Looks at these fleets, unless they were looked at before, and tells what came of it.
    pub async fn look<P: Ports>(&mut self, ports: &P, invocation: &Invocation, fleets: &[FleetId], signal: &Signal) {
        let fleets: Vec<_> = fleets.iter().filter(|fleet| !self.results.contains_key(*fleet)).cloned().collect();
        if fleets.is_empty() {
            return;
        }
        let results = if has_time(invocation, ports.now()) {
            reconcile(ports, invocation, &fleets, signal).await
        } else {
            fleets.into_iter().map(|fleet| (fleet, Err(ReconcileError::OutOfTime))).collect()
        };
        tell(invocation, signal, &results, ports.now());
        self.results.extend(results);
    }

    /// What an operator who waits is told about a fleet; none if it was not looked at.
    #[must_use]
    pub fn answer(&self, fleet: &FleetId) -> Option<Answer> {
        Some(Answer::of(fleet, self.results.get(fleet)?))
    }

    /// Whether there was nothing to look at, or at least one look succeeded.
    #[must_use]
    pub fn any_succeeded(&self) -> bool {
        self.results.is_empty() || self.results.values().any(Result::is_ok)
    }

    /// What Lambda is told. It is asked to send the event again only if nothing came of it and trying again may help:
    /// where one fleet was answered, the next tick sees to the others.
    ///
    /// # Errors
    /// The first failure that may pass.
    pub fn verdict(self) -> Result<(), Failed> {
        verdict(self.results)
    }
}

/// Lambda is told of a failure only if nothing came of anything, and trying again may help.
///
/// # Errors
/// The first failure that may pass.
pub fn verdict<T>(results: BTreeMap<FleetId, Result<T, ReconcileError>>) -> Result<(), Failed> {
    if results.is_empty() || results.values().any(Result::is_ok) {
        return Ok(());
    }
    let mut failures = results.into_iter().filter_map(|(fleet, result)| Some((fleet, result.err()?)));
    match failures.find(|(_, error)| error.is_retryable()) {
        Some((fleet, source)) => Err(Failed::Fleet { fleet, source }),
        None => Ok(()),
    }
}

/// Whether a look that begins now can still act before Lambda ends the function.
#[must_use]
pub fn has_time(invocation: &Invocation, now: Timestamp) -> bool {
    now < invocation.execute_until(now)
}

fn tell(invocation: &Invocation, signal: &Signal, results: &BTreeMap<FleetId, Result<Report, ReconcileError>>, now: Timestamp) {
    for (fleet, result) in results {
        match result {
            Ok(report) => tell_report(fleet, signal, report),
            Err(error) => tracing::error!(%fleet, signal = signal.kind(), kind = error.kind(), %error, "the fleet was not looked at"),
        }
    }
    let reports = || results.values().filter_map(|result| result.as_ref().ok());
    let errors = || results.values().filter_map(|result| result.as_ref().err());
    for (metric, count) in [
        (OwnMetric::FleetFailed, errors().count()),
        (
            OwnMetric::DecisionViolation,
            errors().filter(|error| matches!(error, ReconcileError::Audit(_))).count(),
        ),
        (OwnMetric::Conflicts, reports().filter(|report| report.conflicts > 0).count()),
        (OwnMetric::Alerts, reports().map(|report| report.alerts.len()).sum()),
        (OwnMetric::Launched, reports().map(|report| report.launched).sum()),
        (OwnMetric::Terminated, reports().map(|report| report.terminated).sum()),
    ] {
        if count > 0 {
            emit(metric, u32::try_from(count).unwrap_or(u32::MAX), &invocation.installation, now);
        }
    }
}

fn tell_report(fleet: &FleetId, signal: &Signal, report: &Report) {
    let plan = report.plan.as_str();
    for alert in &report.alerts {
        tracing::warn!(%fleet, plan, alert, "somebody should look at this");
    }
    for trouble in &report.trouble {
        tracing::warn!(%fleet, plan, trouble, "a step did not succeed");
    }
    for (pool, decision) in &report.decision.pools {
        let (before, after, signal) = (decision.before, decision.after, signal.kind());
        if report.committed {
            tracing::info!(%fleet, %pool, signal, plan, before, after, steps = report.sent, "decided");
        } else {
            tracing::debug!(%fleet, %pool, signal, before, after, "unchanged");
        }
    }
}

/// Why Lambda is asked to send an event again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failed {
    /// The table is somebody else's.
    #[error("the table belongs to installation `{found}` and this is `{expected}`; give every stack a table of its own")]
    OtherInstallation {
        /// This one.
        expected: InstallationId,
        /// The one that holds the table.
        found: InstallationId,
    },
    /// It is not known which fleets the event is for.
    #[error("it is not known which fleets to look at")]
    Find(#[from] PortError),
    /// No fleet could be looked at; this is the first that may be better off later.
    #[error("fleet `{fleet}` was not looked at")]
    Fleet {
        /// The fleet.
        fleet: FleetId,
        /// What stood in the way.
        source: ReconcileError,
    },
}

impl Failed {
    /// Lambda's error type. Never changes: alarms may be built on it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OtherInstallation { .. } => "OtherInstallation",
            Self::Find(_) => "FleetsNotFound",
            Self::Fleet { source, .. } => source.kind(),
        }
    }

    /// The whole story in one line, for Lambda, which keeps no sources.
    #[must_use]
    pub fn story(&self) -> String {
        let mut story = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // an error that only passes another one on shows the same text
            if !story.ends_with(&text) {
                story.push_str(": ");
                story.push_str(&text);
            }
            source = cause.source();
        }
        story
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_one_stack_know_each_other() {
        for (own, expected) in [
            (Some("prod-tick"), "prod-failover"),
            (Some("tick-tick"), "tick-failover"),
            (Some("somebodys"), "ghostnet-failover"),
            (None, "ghostnet-failover"),
        ] {
            assert_eq!(beside(own, "tick", "failover"), expected, "{own:?}");
        }
    }
}
