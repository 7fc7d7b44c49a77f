//! What came since the last hour is learned, for every fleet that looks ahead or for the one that is named. Where settings are due, each
//! fleet gets an invocation of its own.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_aws::event::Payload;
use ghostnet_aws::function::{self, Failed};
use ghostnet_aws::telemetry::{OwnMetric, emit};
use ghostnet_core::id::FleetId;
use ghostnet_core::signal::Signal;
use ghostnet_engine::invocation::{Invocation, ReconcileError};
use ghostnet_engine::learn::{ForecastReport, Results, learn};
use ghostnet_engine::port::{Clock, ForecastPorts, Store};
use ghostnet_engine::tune::{TuneReport, tune};
use jiff::Timestamp;
use lambda_runtime::Diagnostic;

use crate::host::Host;

/// Answers a payload.
pub(crate) async fn answer<P: ForecastPorts, H: Host>(
    ports: &P,
    host: &H,
    invocation: &Invocation,
    payload: &Payload,
) -> Result<(), Diagnostic> {
    let told = |failed: Failed| Diagnostic {
        error_type: failed.kind().to_owned(),
        error_message: failed.story(),
    };
    let named = named(ports, invocation, payload).await.map_err(told)?;
    if !named.learned.is_empty() {
        look_back(ports, host, invocation, named.learned).await.map_err(told)?;
    }
    if !named.tuned.is_empty() {
        find_settings(ports, invocation, named.tuned).await.map_err(told)?;
    }
    Ok(())
}

/// The fleets that signals name.
#[derive(Default)]
struct Named {
    learned: BTreeSet<FleetId>,
    tuned: BTreeSet<FleetId>,
}

/// The fleets that signals name: the schedule means all.
async fn named<S: Store + Clock>(ports: &S, invocation: &Invocation, payload: &Payload) -> Result<Named, Failed> {
    let mut named = Named::default();
    for signal in function::signals(invocation, payload, ports.now()) {
        match &signal {
            Signal::Tick => named.learned.extend(ports.fleets().await?.into_iter().map(|entry| entry.fleet)),
            Signal::Evaluate { fleet, .. } => drop(named.learned.insert(fleet.clone())),
            Signal::Tune { fleet } => drop(named.tuned.insert(fleet.clone())),
            other => function::misrouted(invocation, other, ports.now()),
        }
    }
    Ok(named)
}

async fn look_back<P: ForecastPorts, H: Host>(
    ports: &P,
    host: &H,
    invocation: &Invocation,
    fleets: BTreeSet<FleetId>,
) -> Result<(), Failed> {
    let fleets: Vec<FleetId> = fleets.into_iter().collect();
    let results = learn(ports, invocation, &fleets).await;
    tell(invocation, &results, ports.now());
    for (fleet, result) in &results {
        let is_due = result.as_ref().is_ok_and(|report| report.is_to_be_tuned);
        if is_due && let Err(error) = host.tune_later(fleet).await {
            // it is as due an hour from now
            tracing::warn!(%fleet, %error, "no settings are looked for");
        }
    }
    function::verdict(results)
}

async fn find_settings<P: ForecastPorts>(ports: &P, invocation: &Invocation, fleets: BTreeSet<FleetId>) -> Result<(), Failed> {
    let mut results = BTreeMap::new();
    for fleet in fleets {
        let result = tune(ports, invocation, &fleet).await;
        tell_found(invocation, &fleet, &result, ports.now());
        results.insert(fleet, result);
    }
    function::verdict(results)
}

fn tell_found(invocation: &Invocation, fleet: &FleetId, result: &Result<TuneReport, ReconcileError>, now: Timestamp) {
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            tracing::error!(%fleet, kind = error.kind(), %error, "no settings were found for the fleet");
            return emit(OwnMetric::FleetFailed, 1, &invocation.installation, now);
        }
    };
    for trouble in &report.trouble {
        tracing::warn!(%fleet, trouble, "no settings were found");
    }
    for (pool, found) in &report.found {
        let (settings, days, gain) = (&found.tuned.settings, found.days, found.gain_percent());
        tracing::info!(%fleet, %pool, %settings, days, gain, kept = report.kept, "settings were found");
    }
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
