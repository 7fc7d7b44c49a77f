//! A look at the traffic of fleets, and again while a side is suspect.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_aws::answer::Answer;
use ghostnet_aws::event::{Payload, TrafficAsked};
use ghostnet_aws::function::{self, Failed};
use ghostnet_aws::telemetry::{OwnMetric, emit};
use ghostnet_core::id::FleetId;
use ghostnet_core::signal::{Signal, fleet_of_health_alarm};
use ghostnet_engine::failover::{Occasion, TrafficReport, fail_over};
use ghostnet_engine::invocation::{Invocation, ReconcileError};
use ghostnet_engine::port::{Clock, Host, Store, TrafficPorts};
use jiff::Timestamp;
use lambda_runtime::Diagnostic;

type Results = BTreeMap<FleetId, Result<TrafficReport, ReconcileError>>;

/// Answers a payload; an operator's request with what came of it.
pub(crate) async fn answer<P: TrafficPorts, H: Host>(
    ports: &P,
    host: &H,
    invocation: &Invocation,
    payload: &Payload,
) -> Result<Option<Answer>, Diagnostic> {
    let (fleets, occasion) = match payload.traffic() {
        Some(Ok(asked)) => return Ok(Some(moved(ports, host, invocation, &asked).await)),
        Some(Err(rejected)) => {
            function::refuse(invocation, rejected.kind(), &rejected.to_string(), ports.now());
            let (kind, why) = (rejected.kind().to_owned(), rejected.to_string());
            return Ok(Some(Answer::Failed { kind, why }));
        }
        None => named(ports, invocation, payload).await.map_err(told)?,
    };
    if fleets.is_empty() {
        return Ok(None);
    }
    // one look for all of them: a side that is suspect is looked at again, and nobody waits for that
    let fleets: Vec<FleetId> = fleets.into_iter().collect();
    let results = fail_over(ports, host, invocation, &fleets, occasion).await;
    tell(invocation, &results, ports.now());
    function::verdict(results).map(|()| None).map_err(told)
}

fn told(failed: Failed) -> Diagnostic {
    Diagnostic {
        error_type: failed.kind().to_owned(),
        error_message: failed.story(),
    }
}

/// The fleets that signals name: the schedule means all that fail over.
async fn named<S: Store + Clock>(
    ports: &S,
    invocation: &Invocation,
    payload: &Payload,
) -> Result<(BTreeSet<FleetId>, Occasion<'static>), Failed> {
    let (mut fleets, mut occasion) = (BTreeSet::new(), Occasion::Event);
    for signal in function::signals(invocation, payload, ports.now()) {
        let fleet = match &signal {
            Signal::Tick => {
                let entries = ports.fleets().await?;
                occasion = Occasion::Schedule;
                fleets.extend(entries.into_iter().filter(|entry| entry.fails_over).map(|entry| entry.fleet));
                continue;
            }
            Signal::AlarmChanged(change) if change.muted => {
                tracing::info!(alarm = change.alarm.as_str(), "muted: nothing is looked at");
                continue;
            }
            Signal::AlarmChanged(change) => fleet_of_health_alarm(&change.alarm),
            Signal::Evaluate { fleet, .. } => Some(fleet.clone()),
            _ => None,
        };
        match fleet {
            Some(fleet) => drop(fleets.insert(fleet)),
            None => function::misrouted(invocation, &signal, ports.now()),
        }
    }
    Ok((fleets, occasion))
}

/// What an operator asks is heard by one look; what is on its way then goes on within a minute.
async fn moved<P: TrafficPorts, H: Host>(ports: &P, host: &H, invocation: &Invocation, asked: &TrafficAsked) -> Answer {
    let TrafficAsked { fleet, request } = asked;
    let results = fail_over(ports, host, invocation, std::slice::from_ref(fleet), Occasion::Asked(request)).await;
    tell(invocation, &results, ports.now());
    Answer::of_traffic(fleet, results.get(fleet))
}

fn tell(invocation: &Invocation, results: &Results, now: Timestamp) {
    let (mut failed, mut conflicts, mut alerts) = (0_usize, 0_usize, 0_usize);
    for (fleet, result) in results {
        match result {
            Ok(report) => {
                tell_report(fleet, report);
                alerts = alerts.saturating_add(report.alerts.len());
            }
            Err(error) => {
                tracing::error!(%fleet, kind = error.kind(), %error, "the fleet's traffic was not looked at");
                failed = failed.saturating_add(1);
                conflicts = conflicts.saturating_add(usize::from(matches!(error, ReconcileError::Conflict(_))));
            }
        }
    }
    for (metric, count) in [
        (OwnMetric::FleetFailed, failed),
        (OwnMetric::Conflicts, conflicts),
        (OwnMetric::Alerts, alerts),
    ] {
        if count > 0 {
            emit(metric, u32::try_from(count).unwrap_or(u32::MAX), &invocation.installation, now);
        }
    }
}

fn tell_report(fleet: &FleetId, report: &TrafficReport) {
    for alert in &report.alerts {
        tracing::warn!(%fleet, alert, "somebody should look at this");
    }
    for trouble in &report.trouble {
        tracing::warn!(%fleet, trouble, "a route was not set");
    }
    let state = &report.decision.state;
    let (active, epoch, sent) = (state.active.as_str(), state.epoch.0, report.sent);
    if report.records.is_empty() {
        tracing::debug!(%fleet, active, epoch, "traffic is unchanged");
    } else {
        let records = report.records.len();
        tracing::info!(%fleet, active, epoch, sent, records, "decided about traffic");
    }
}

#[cfg(test)]
mod tests;
