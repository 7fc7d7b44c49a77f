//! A look at every fleet, longest unevaluated first, as far as the time reaches.

use std::cell::Cell;

use ghostnet_aws::answer::Answer;
use ghostnet_aws::event::{CheckRequest, Payload, Rejected};
use ghostnet_aws::function::{self, Failed, Looks};
use ghostnet_aws::telemetry::{OwnMetric, emit};
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::FleetSpec;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::invocation::Invocation;
use ghostnet_engine::live;
use ghostnet_engine::port::{DryRun, Look, Ports, Store};
use ghostnet_engine::route::in_turn;
use jiff::Timestamp;
use lambda_runtime::Diagnostic;

/// Fleets that are observed together. A call for all of them costs as much as one for a few; what is observed must still
/// be true when the last of them is decided.
const BATCH: usize = 100;
/// What a batch may take before its first step: it is not begun later than this before the last moment for steps.
const BATCH_TIME: Seconds = Seconds(5);

/// Answers a request for a check, or every signal of a payload, an operator's with what came of it. `claimed` remembers, for as long as the sandbox
/// lives, that the table is ours.
pub(crate) async fn answer<P: Ports + DryRun>(
    ports: &P,
    invocation: &Invocation,
    claimed: &Cell<bool>,
    payload: &Payload,
) -> Result<Option<Answer>, Diagnostic> {
    let told = |failed: Failed| Diagnostic {
        error_type: failed.kind().to_owned(),
        error_message: failed.story(),
    };
    match payload.check() {
        Some(request) => Ok(Some(check(ports, invocation, request).await)),
        None => look(ports, invocation, claimed, payload).await.map_err(told),
    }
}

/// Asks what this function's role may do for a spec. Reads and dry runs alone: neither the table nor the account is written.
async fn check<P: Ports + DryRun>(ports: &P, invocation: &Invocation, request: Result<CheckRequest, Rejected>) -> Answer {
    let refused = |why: String| Answer::Refused {
        why,
        hint: "use the command line of the deployed version".to_owned(),
    };
    let request = match request {
        Ok(request) => request,
        Err(rejected) => return refused(rejected.to_string()),
    };
    match FleetSpec::check(&request.spec) {
        Ok(spec) => Answer::Checked(live::ask(ports, invocation, &spec, request.from).await),
        Err(problems) => {
            let first = problems.first().map(|problem| format!(": {}: {}", problem.path, problem.message));
            refused(format!("the spec has {} problems{}", problems.len(), first.unwrap_or_default()))
        }
    }
}

async fn look<P: Ports>(ports: &P, invocation: &Invocation, claimed: &Cell<bool>, payload: &Payload) -> Result<Option<Answer>, Failed> {
    let (mut looks, mut answer) = (Looks::default(), None);
    for signal in function::signals(invocation, payload, ports.now()) {
        match &signal {
            Signal::Tick => {
                claim(ports, invocation, claimed, ports.now()).await?;
                if round(ports, invocation, &mut looks).await? {
                    emit(OwnMetric::TickSucceeded, 1, &invocation.installation, ports.now());
                }
            }
            Signal::Evaluate { fleet, .. } => looks.look(ports, invocation, std::slice::from_ref(fleet), &signal).await,
            Signal::OperatorRequest(request) => {
                let fleet = &request.fleet;
                looks.look(ports, invocation, std::slice::from_ref(fleet), &signal).await;
                answer = looks.answer(fleet);
            }
            other => function::misrouted(invocation, other, ports.now()),
        }
    }
    looks.verdict().map(|()| answer)
}

/// The first tick of a deployment writes the installation's id into the table; every cold start compares. A table that
/// belongs to another stack must not be touched: its fleets are not ours to size.
async fn claim<S: Store>(store: &S, invocation: &Invocation, claimed: &Cell<bool>, now: Timestamp) -> Result<(), Failed> {
    if claimed.get() {
        return Ok(());
    }
    let found = store.claim(&invocation.installation, now).await?;
    if found != invocation.installation {
        return Err(Failed::OtherInstallation {
            expected: invocation.installation.clone(),
            found,
        });
    }
    claimed.set(true);
    Ok(())
}

/// Looks at all fleets. True if every fleet had its turn and not all of them failed: a single bad fleet has a metric of
/// its own and must not hide that the others are cared for.
async fn round<P: Ports>(ports: &P, invocation: &Invocation, looks: &mut Looks) -> Result<bool, Failed> {
    let fleets = in_turn(ports.fleets().await?);
    let mut looked = 0;
    for batch in fleets.chunks(BATCH) {
        if !function::has_time(invocation, BATCH_TIME.after(ports.now())) {
            break;
        }
        looks.look(ports, invocation, batch, &Signal::Tick).await;
        looked += batch.len();
    }
    let left = fleets.len().saturating_sub(looked);
    if left > 0 {
        // a quiet fleet's looks are not all noted: now they are, so that the next tick begins with those that are left
        let at = ports.now();
        let noted = fleets.iter().take(looked).map(|fleet| Look {
            fleet: fleet.clone(),
            hold: None,
            at,
        });
        if let Err(error) = ports.note_looks(&noted.collect::<Vec<_>>()).await {
            tracing::warn!(%error, "looks were not noted");
        }
        tracing::warn!(
            fleets = fleets.len(),
            left,
            "out of time: the next tick begins with those that are left"
        );
    }
    Ok(left == 0 && looks.any_succeeded())
}

#[cfg(test)]
mod tests;
