//! `ghostnet status`: how fleets stand.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use futures::StreamExt;
use ghostnet_core::id::FleetId;
use ghostnet_core::spec::FleetSpec;
use ghostnet_engine::port::{Clock, FleetEntry, Store};

use crate::console::Console;
use crate::failure::Failure;
use crate::look::{look, look_at_traffic};
use crate::render;
use crate::stack::Session;
use crate::status::{FleetStatus, status, tuning};

/// Fleets that are looked at together.
const FLEETS_AT_ONCE: usize = 8;
/// Latest decisions among which the last act and the last hold are looked for.
const RECORDS: usize = 20;
/// Between two looks of `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// Empties a terminal, so that a watched table stays in its place.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Show how fleets stand
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet status
  ghostnet status web --instances
  ghostnet status web --watch

With --json: {fleet, mode, generation, spec_version, retiring, evaluated_at, pause, pools: [{id, role, min, max, \
desired, in_service, warming, pending, in_flight, draining, unhealthy, warm, preparing, refresh, \
instances: [{id, phase, zone, type}]}], open_steps, last_act, last_hold, next_look, failover, tuning, findings}; without FLEET a list of \
these. tuning, absent without one in the spec: [{pool, in_force, settings, instead_of, at, objective, days, written, found}]. failover, absent without one in the spec: {takers, epoch, armed, down_by, sides: [{id, takes, healthy, needed, down_by}], outlook, \
shift, fenced, last_move}. Phases: pending, warming, in_service, unhealthy, draining, warm, preparing, stopped. refresh, null if none is \
under way: {state, replaced, total, percent, next_checkpoint, waits_until, paused_by, requested_at, by, reason, \
back_to}. States: replacing, baking, paused, complete.")]
pub(crate) struct Args {
    /// The fleet; all if absent
    fleet: Option<FleetId>,
    /// List the instances as well
    #[arg(long, requires = "fleet")]
    instances: bool,
    /// Look again every five seconds
    #[arg(long)]
    watch: bool,
}

/// Shows one fleet or all, once or again and again.
///
/// # Errors
/// There is no such fleet, or AWS does not answer.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    if !args.watch {
        return show(args, &session, "", console).await;
    }
    loop {
        let clear = if stdout().is_terminal() && !console.json { CLEAR } else { "" };
        // a look that fails is told and repeated: watching is for the time when things go wrong
        if let Err(failure) = show(args, &session, clear, console).await {
            console.say(&failure.report());
        }
        #[expect(clippy::disallowed_methods, reason = "a person watches")]
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

async fn show(args: &Args, session: &Session, before: &str, console: Console) -> Result<(), Failure> {
    let entries = session.fleets().await?;
    match &args.fleet {
        Some(fleet) => {
            let status = one(session, fleet, &entries).await?;
            let mut text = format!("{before}{}", render::status::fleet(&status, session.aws.now()));
            if args.instances {
                text.push_str("\n\n");
                text.push_str(&render::status::instances(&status));
            }
            console.answer(&text, &status)
        }
        None => all(session, &entries, before, console).await,
    }
}

async fn all(session: &Session, entries: &[FleetEntry], before: &str, console: Console) -> Result<(), Failure> {
    let looks = entries.iter().map(|entry| one(session, &entry.fleet, entries));
    let looked: Vec<Result<FleetStatus, Failure>> = futures::stream::iter(looks).buffered(FLEETS_AT_ONCE).collect().await;
    let mut shown = Vec::new();
    let mut failed = 0;
    for result in looked {
        match result {
            Ok(status) => shown.push(status),
            Err(failure) => {
                failed += 1;
                console.say(&failure.report());
            }
        }
    }
    console.answer(&format!("{before}{}", render::status::fleets(&shown)), &shown)?;
    if failed == 0 { Ok(()) } else { Err(Failure::Partial(failed)) }
}

async fn one(session: &Session, fleet: &FleetId, entries: &[FleetEntry]) -> Result<FleetStatus, Failure> {
    let preview = look(session, fleet).await?;
    let records = session.aws.decisions(fleet, None, RECORDS).await;
    let records = records.map_err(Failure::aws(format!("the decisions of fleet `{fleet}` cannot be read")))?;
    let spec = FleetSpec::check(&preview.inputs.spec)
        .map_err(|_| Failure::Argument(format!("the stored spec of fleet `{fleet}` is not valid")))?;
    let evaluated_at = entries
        .iter()
        .find(|entry| entry.fleet == *fleet)
        .and_then(|entry| entry.evaluated_at);
    let traffic = match spec.failover {
        Some(_) => look_at_traffic(session, fleet).await?,
        None => None,
    };
    let mut shown = status(&spec, &preview, &records, evaluated_at, traffic.as_ref());
    if spec.tuning.is_some() {
        let forecasts = session.aws.forecasts(std::slice::from_ref(fleet)).await;
        let mut forecasts = forecasts.map_err(Failure::aws(format!("the forecast of fleet `{fleet}` cannot be read")))?;
        shown.tuning = tuning(&spec, &preview, &forecasts.remove(fleet).unwrap_or_default().found);
    }
    Ok(shown)
}
