//! `ghostnet replay`: decides a recorded decision again from its recorded inputs, and compares.
//!
//! The same build gives the same decision, bit for bit; another build may differ, and then says where.

use std::collections::BTreeMap;

use ghostnet_core::decide::{Decision, PoolDecision, decide};
use ghostnet_core::id::{BuildId, FleetId, PlanId, PoolId};
use ghostnet_core::plan::Plan;
use ghostnet_core::record::{DecisionRecord, Inputs, decision_digest};
use ghostnet_core::spec::FleetSpec;
use serde::Serialize;

use crate::console::Console;
use crate::diff::{self, Difference};
use crate::failure::Failure;
use crate::render;
use crate::stack::Session;

/// Decide a recorded decision again, and compare
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet replay 2026-06-05T13:02:10.123Z-5f0c2a9be411
  ghostnet replay --fleet web 2026-06-05T13:02:10.123Z-5f0c2a9be411

With --json: {fleet, id, same, same_build, recorded_build, this_build, changes: [{path, from, to}]}. Exit code 1 if the \
decision differs.")]
pub(crate) struct Args {
    /// The decision's id, as `ghostnet explain --json` shows it
    id: String,
    /// The fleet; found by the id if absent
    #[arg(long)]
    fleet: Option<FleetId>,
}

/// How a decision compares with its repetition. The JSON form is stable.
#[derive(Debug, Serialize)]
pub(crate) struct Replayed {
    /// The fleet.
    pub(crate) fleet: FleetId,
    /// The decision.
    pub(crate) id: PlanId,
    /// Whether both are equal, bit for bit.
    pub(crate) same: bool,
    /// Whether the same code decided.
    pub(crate) same_build: bool,
    /// The code that decided then.
    pub(crate) recorded_build: BuildId,
    /// The code that decided now.
    pub(crate) this_build: BuildId,
    /// Where they differ: what was recorded, and what is decided now.
    pub(crate) changes: Vec<Difference>,
}

/// Decides again.
///
/// # Errors
/// There is no such decision, it has no inputs on record, or it differs.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let record = find(args, &session).await?;
    let replayed = replay(&record)?;
    console.answer(&render::replay::text(&replayed), &replayed)?;
    if replayed.same { Ok(()) } else { Err(Failure::Differs) }
}

async fn find(args: &Args, session: &Session) -> Result<DecisionRecord, Failure> {
    let id = PlanId::new(args.id.clone());
    let fleets = match &args.fleet {
        Some(fleet) => vec![fleet.clone()],
        None => session.fleets().await?.into_iter().map(|entry| entry.fleet).collect(),
    };
    for fleet in fleets {
        let record = session.aws.decision(&fleet, &id).await;
        if let Some(record) = record.map_err(Failure::aws(format!("decision `{id}` cannot be read")))? {
            return Ok(record);
        }
    }
    Err(Failure::NoDecision(format!("with the id `{id}`")))
}

fn replay(record: &DecisionRecord) -> Result<Replayed, Failure> {
    let unwritable = |error: serde_json::Error| Failure::Output(error.into());
    let inputs = record.inputs.as_ref().ok_or_else(|| Failure::NoInputs(record.id.to_string()))?;
    let decision = decide_again(inputs)?;
    let this_build = ghostnet_aws::function::build();
    let recorded = serde_json::to_value(Parts {
        pools: &record.pools,
        plan: &record.plan,
    })
    .map_err(unwritable)?;
    let repeated = serde_json::to_value(Parts {
        pools: &decision.pools,
        plan: &decision.plan,
    })
    .map_err(unwritable)?;
    Ok(Replayed {
        fleet: record.fleet.clone(),
        id: record.id.clone(),
        same: decision_digest(&decision).map_err(unwritable)? == record.decision_digest,
        same_build: this_build == record.build,
        recorded_build: record.build.clone(),
        this_build,
        changes: diff::differences(&recorded, &repeated),
    })
}

/// What a record keeps of its decision.
#[derive(Serialize)]
struct Parts<'a> {
    pools: &'a BTreeMap<PoolId, PoolDecision>,
    plan: &'a Plan,
}

fn decide_again(inputs: &Inputs) -> Result<Decision, Failure> {
    let spec = FleetSpec::check(&inputs.spec).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::Argument(format!("the recorded spec is not valid for this build: {}", problems.join("; ")))
    })?;
    Ok(decide(&inputs.situation(&spec)))
}
