//! `ghostnet pause` and `ghostnet resume`: an operator stops a fleet's actions, for a time, with a reason.

use ghostnet_core::id::{FleetId, Generation};
use ghostnet_core::spec::FleetSpec;
use ghostnet_core::state::{CapacityState, Pause};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::Clock;
use serde::Serialize;

use crate::arguments;
use crate::console::Console;
use crate::failure::Failure;
use crate::render::time;
use crate::stack::Session;

/// Longest pause: whoever needs a longer one says `mode: paused` in the spec.
const PAUSE_MAX: Seconds = Seconds(30 * 86_400);

/// Stop a fleet's actions for a time; decisions are still recorded
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet pause web --reason 'load test' --for 2h
  ghostnet resume web

A pause takes effect within a minute; steps under way are finished. With --json: {fleet, generation, pause}.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
    /// Why, for the record
    #[arg(long)]
    reason: String,
    /// For how long, at most 30d; a pause always ends
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = pause_length)]
    length: Seconds,
}

/// Let a paused fleet act again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet resume web

With --json: {fleet, generation, pause}.")]
pub(crate) struct ResumeArgs {
    /// The fleet
    fleet: FleetId,
}

/// The JSON form.
#[derive(Serialize)]
struct Paused<'a> {
    fleet: &'a FleetId,
    generation: Generation,
    pause: Option<&'a Pause>,
}

fn pause_length(text: &str) -> Result<Seconds, String> {
    let length = arguments::length(text)?;
    if length > PAUSE_MAX {
        Err(format!(
            "a pause is at most {PAUSE_MAX}; for longer, set `mode: paused` in the spec"
        ))
    } else {
        Ok(length)
    }
}

/// Pauses the fleet.
///
/// # Errors
/// There is no such fleet, or the table cannot be written.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let now = session.aws.now();
    let pause = Pause {
        by: session.caller().await,
        reason: args.reason.clone(),
        since: now,
        until: args.length.after(now),
    };
    let state = set(&session, &args.fleet, Some(&pause)).await?;
    let text = format!(
        "{}: paused until {} UTC: {}",
        args.fleet,
        time::clock(pause.until, now),
        pause.reason
    );
    console.answer(
        &text,
        &Paused {
            fleet: &args.fleet,
            generation: state.generation,
            pause: Some(&pause),
        },
    )
}

/// Ends the fleet's pause.
///
/// # Errors
/// There is no such fleet, or the table cannot be written.
pub(crate) async fn resume(args: &ResumeArgs, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let state = set(&session, &args.fleet, None).await?;
    let text = format!("{}: resumed", args.fleet);
    console.answer(
        &text,
        &Paused {
            fleet: &args.fleet,
            generation: state.generation,
            pause: None,
        },
    )
}

async fn set(session: &Session, fleet: &FleetId, pause: Option<&Pause>) -> Result<CapacityState, Failure> {
    let Some(stored) = session.spec(fleet).await? else {
        return Err(session.no_fleet(fleet).await);
    };
    let spec = FleetSpec::check(&stored.spec).map_err(|_| Failure::Argument(format!("the stored spec of fleet `{fleet}` is not valid")))?;
    let fresh = CapacityState::new(&spec, session.aws.now());
    session
        .aws
        .set_pause(fleet, pause, &fresh)
        .await
        .map_err(Failure::aws(format!("the pause of fleet `{fleet}` cannot be written")))
}
