//! `ghostnet plan`: what would be done now, and why, without doing it.

use ghostnet_core::audit::Violation;
use ghostnet_core::decide::Decision;
use ghostnet_core::id::FleetId;
use ghostnet_core::record::Inputs;
use jiff::Timestamp;
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::look::look;
use crate::render;
use crate::stack::Session;

/// Show what would be done now, and why, without doing it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet plan web
  ghostnet --json plan web | jq .decision.plan.steps

With --json: {fleet, at, decision, violations}, and with --full also inputs.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
    /// With --json: everything it was decided from as well
    #[arg(long)]
    full: bool,
}

/// The JSON form.
#[derive(Serialize)]
struct Planned<'a> {
    fleet: &'a FleetId,
    at: Timestamp,
    decision: &'a Decision,
    violations: &'a [Violation],
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<&'a Inputs>,
}

/// Looks at the fleet and decides.
///
/// # Errors
/// There is no such fleet, or AWS does not answer.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let preview = look(&session, &args.fleet).await?;
    let at = preview.inputs.now;
    let violations: Vec<String> = preview
        .violations
        .iter()
        .map(|broken| format!("{}: {}", broken.invariant, broken.detail))
        .collect();
    let data = Planned {
        fleet: &args.fleet,
        at,
        decision: &preview.decision,
        violations: &preview.violations,
        inputs: args.full.then_some(&preview.inputs),
    };
    console.answer(&render::plan::text(&preview.decision, &violations, at), &data)
}
