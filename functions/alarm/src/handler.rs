//! What an alarm's change leads to: a look at the fleets that listen to it.

use ghostnet_aws::event::Payload;
use ghostnet_aws::function::{self, Failed, Looks};
use ghostnet_core::id::FleetId;
use ghostnet_core::signal::{AlarmChange, Signal};
use ghostnet_engine::invocation::Invocation;
use ghostnet_engine::port::{Ports, Store};
use ghostnet_engine::route::fleets_of_alarm;
use lambda_runtime::Diagnostic;

/// Answers every signal of a payload.
pub(crate) async fn answer<P: Ports>(ports: &P, invocation: &Invocation, payload: &Payload) -> Result<(), Diagnostic> {
    let told = |failed: Failed| Diagnostic {
        error_type: failed.kind().to_owned(),
        error_message: failed.story(),
    };
    look(ports, invocation, payload).await.map_err(told)
}

async fn look<P: Ports>(ports: &P, invocation: &Invocation, payload: &Payload) -> Result<(), Failed> {
    let mut looks = Looks::default();
    for signal in function::signals(invocation, payload, ports.now()) {
        let fleets = match &signal {
            Signal::AlarmChanged(change) => woken(ports, change).await?,
            Signal::Evaluate { fleet, .. } => vec![fleet.clone()],
            other => {
                function::misrouted(invocation, other, ports.now());
                continue;
            }
        };
        looks.look(ports, invocation, &fleets, &signal).await;
    }
    looks.verdict()
}

/// The fleets that a change wakes; none while a mute rule is in force.
async fn woken<S: Store>(store: &S, change: &AlarmChange) -> Result<Vec<FleetId>, Failed> {
    let alarm = change.alarm.as_str();
    match store.note_alarm(change.arn.as_deref().unwrap_or(alarm), change.at).await {
        Ok(true) => {}
        // an old event wakes as well as a new one: what it says is not read
        Ok(false) => tracing::info!(alarm, at = %change.at, "a newer change of this alarm was seen before"),
        Err(error) => tracing::warn!(alarm, %error, "the change was not noted"),
    }
    if change.muted {
        tracing::info!(alarm, state = ?change.state, "muted: nothing is looked at");
        return Ok(Vec::new());
    }
    let fleets = fleets_of_alarm(store, change).await?;
    if fleets.is_empty() {
        tracing::info!(alarm, "no fleet listens to this alarm");
    }
    Ok(fleets)
}

#[cfg(test)]
mod tests;
