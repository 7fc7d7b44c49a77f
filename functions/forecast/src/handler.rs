//! What came since the last hour is learned, for every fleet that looks ahead or for the one that is named.

use std::collections::BTreeSet;

use ghostnet_aws::event::Payload;
use ghostnet_aws::function::{self, Failed};
use ghostnet_aws::telemetry::{OwnMetric, emit};
use ghostnet_core::id::FleetId;
use ghostnet_core::signal::Signal;
use ghostnet_engine::invocation::Invocation;
use ghostnet_engine::learn::{ForecastReport, Results, learn};
use ghostnet_engine::port::{Clock, ForecastPorts, Store};
use jiff::Timestamp;
use lambda_runtime::Diagnostic;

/// Answers a payload.
pub(crate) async fn answer<P: ForecastPorts>(ports: &P, invocation: &Invocation, payload: &Payload) -> Result<(), Diagnostic> {
    let told = |failed: Failed| Diagnostic {
        error_type: failed.kind().to_owned(),
        error_message: failed.story(),
    };
    look_back(ports, invocation, payload).await.map_err(told)
}

async fn look_back<P: ForecastPorts>(ports: &P, invocation: &Invocation, payload: &Payload) -> Result<(), Failed> {
    let fleets = named(ports, invocation, payload).await?;
    if fleets.is_empty() {
        return Ok(());
    }
    let fleets: Vec<FleetId> = fleets.into_iter().collect();
    let results = learn(ports, invocation, &fleets).await;
    tell(invocation, &results, ports.now());
    function::verdict(results)
}

/// The fleets that signals name: the schedule means all.
async fn named<S: Store + Clock>(ports: &S, invocation: &Invocation, payload: &Payload) -> Result<BTreeSet<FleetId>, Failed> {
    let mut fleets = BTreeSet::new();
    for signal in function::signals(invocation, payload, ports.now()) {
        match &signal {
            Signal::Tick => fleets.extend(ports.fleets().await?.into_iter().map(|entry| entry.fleet)),
            Signal::Evaluate { fleet, .. } => drop(fleets.insert(fleet.clone())),
            other => function::misrouted(invocation, other, ports.now()),
        }
    }
    Ok(fleets)
}

fn tell(invocation: &Invocation, results: &Results, now: Timestamp) {
    let mut failed = 0_u32;
    for (fleet, result) in results {
        match result {
            Ok(report) => tell_report(fleet, report),
            Err(error) => {
                tracing::error!(%fleet, kind = error.kind(), %error, "nothing was learned for the fleet");
                failed = failed.saturating_add(1);
            }
        }
    }
    if failed > 0 {
        emit(OwnMetric::FleetFailed, failed, &invocation.installation, now);
    }
}

fn tell_report(fleet: &FleetId, report: &ForecastReport) {
    for trouble in &report.trouble {
        tracing::warn!(%fleet, trouble, "a load was not learned");
    }
    if !report.kept && !report.loads.is_empty() {
        tracing::info!(%fleet, "another invocation was faster");
        return;
    }
    for (pool, policy, days) in &report.loads {
        tracing::info!(%fleet, %pool, %policy, days, "learned");
    }
}

#[cfg(test)]
mod tests;
