//! What happens to instances leads to a look at their fleets.

use ghostnet_aws::event::Payload;
use ghostnet_aws::function::{self, Failed, Looks};
use ghostnet_core::id::{FleetId, InstanceId};
use ghostnet_core::signal::{EVENT_AGE_MAX, Interruption, Signal};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::invocation::Invocation;
use ghostnet_engine::port::Ports;
use ghostnet_engine::route::fleets_of_instances;
use jiff::Timestamp;
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
        let signal = without_old_content(signal, ports.now());
        let fleets = match &signal {
            Signal::Interruption(notice) => owners(ports, invocation, std::slice::from_ref(&notice.instance)).await?,
            Signal::InstanceChanged { instances, .. } => owners(ports, invocation, instances).await?,
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

/// The fleets of these instances. Most instances of an account are nobody's here, so that is not worth a line.
async fn owners<P: Ports>(ports: &P, invocation: &Invocation, instances: &[InstanceId]) -> Result<Vec<FleetId>, Failed> {
    let fleets = fleets_of_instances(ports, invocation, instances).await?;
    if fleets.is_empty() {
        tracing::debug!(?instances, "no instance of a fleet");
    }
    Ok(fleets)
}

/// An interruption notice is the one signal whose content decides. An old one only wakes, as everything else does: what
/// it announced has happened by now, or did not.
fn without_old_content(signal: Signal, now: Timestamp) -> Signal {
    match signal {
        Signal::Interruption(Interruption { instance, kind, at }) if Seconds::between(at, now) > EVENT_AGE_MAX => Signal::InstanceChanged {
            instances: vec![instance],
            what: format!("an old notice: {kind:?}"),
            at,
            retires: false,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests;
