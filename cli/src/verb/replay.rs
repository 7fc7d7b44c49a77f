//! `ghostnet replay`: decides a recorded decision again from its recorded inputs, and compares.
//!
//! The same build gives the same decision, bit for bit; another build may differ, and then says where. Decisions about size and about
//! traffic have ids of one form, so one verb finds both.

use std::collections::BTreeMap;

use ghostnet_core::decide::{PoolDecision, decide};
use ghostnet_core::failover::{self, Readiness, TrafficFinding, TrafficRecord, TrafficStep};
use ghostnet_core::id::{BuildId, FleetId, PlanId, PoolId};
use ghostnet_core::plan::Plan;
use ghostnet_core::record::{DecisionRecord, decision_digest};
use ghostnet_core::spec::{FleetSpec, RawFleetSpec};
use ghostnet_core::state::TrafficState;
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

A decision about size or about traffic. With --json: {fleet, id, same, same_build, recorded_build, this_build, changes: [{path, from, \
to}]}. Exit code 1 if the decision differs.")]
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

/// A decision on record.
enum Record {
    /// About size.
    Capacity(Box<DecisionRecord>),
    /// About traffic.
    Traffic(Box<TrafficRecord>),
}

/// Decides again.
///
/// # Errors
/// There is no such decision, it has no inputs on record, or it differs.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let replayed = match find(args, &session).await? {
        Record::Capacity(record) => replay(&record)?,
        Record::Traffic(record) => replay_traffic(&record)?,
    };
    console.answer(&render::replay::text(&replayed), &replayed)?;
    if replayed.same { Ok(()) } else { Err(Failure::Differs) }
}

async fn find(args: &Args, session: &Session) -> Result<Record, Failure> {
    let id = PlanId::new(args.id.clone());
    let unreadable = || Failure::aws(format!("decision `{id}` cannot be read"));
    let fleets = match &args.fleet {
        Some(fleet) => vec![fleet.clone()],
        None => session.fleets().await?.into_iter().map(|entry| entry.fleet).collect(),
    };
    for fleet in fleets {
        if let Some(record) = session.aws.decision(&fleet, &id).await.map_err(unreadable())? {
            return Ok(Record::Capacity(Box::new(record)));
        }
        if let Some(record) = session.aws.shift(&fleet, &id).await.map_err(unreadable())? {
            return Ok(Record::Traffic(Box::new(record)));
        }
    }
    Err(Failure::NoDecision(format!("with the id `{id}`")))
}

fn replay(record: &DecisionRecord) -> Result<Replayed, Failure> {
    let inputs = record.inputs.as_ref().ok_or_else(|| Failure::NoInputs(record.id.to_string()))?;
    let decision = decide(&inputs.situation(&checked(&inputs.spec)?));
    let recorded = Parts {
        pools: &record.pools,
        plan: &record.plan,
    };
    let repeated = Parts {
        pools: &decision.pools,
        plan: &decision.plan,
    };
    let same = decision_digest(&decision).map_err(unwritable)? == record.decision_digest;
    let changes = differences(&recorded, &repeated)?;
    Ok(replayed((&record.fleet, &record.id, &record.build), same, changes))
}

fn replay_traffic(record: &TrafficRecord) -> Result<Replayed, Failure> {
    let inputs = record.inputs.as_ref().ok_or_else(|| Failure::NoInputs(record.id.to_string()))?;
    let spec = checked(&inputs.spec)?;
    let no_failover = || Failure::Argument("the recorded spec has no failover for this build".to_owned());
    let decision = failover::decide(&inputs.situation(&spec).ok_or_else(no_failover)?);
    let recorded = TrafficParts {
        state: &record.state,
        steps: &record.steps,
        findings: &record.findings,
        readiness: &record.readiness,
    };
    let repeated = TrafficParts {
        state: &decision.state,
        steps: &decision.steps,
        findings: &decision.findings,
        readiness: &decision.readiness,
    };
    let changes = differences(&recorded, &repeated)?;
    Ok(replayed(
        (&record.fleet, &record.id, &record.build),
        record.is_of(&decision),
        changes,
    ))
}

/// What a record keeps of its decision.
#[derive(Serialize)]
struct Parts<'a> {
    pools: &'a BTreeMap<PoolId, PoolDecision>,
    plan: &'a Plan,
}

/// What a record of traffic keeps of its decision.
#[derive(Serialize)]
struct TrafficParts<'a> {
    state: &'a TrafficState,
    steps: &'a [TrafficStep],
    findings: &'a [TrafficFinding],
    readiness: &'a BTreeMap<PoolId, Readiness>,
}

fn replayed((fleet, id, build): (&FleetId, &PlanId, &BuildId), same: bool, changes: Vec<Difference>) -> Replayed {
    let this_build = ghostnet_aws::function::build();
    Replayed {
        fleet: fleet.clone(),
        id: id.clone(),
        same,
        same_build: this_build == *build,
        recorded_build: build.clone(),
        this_build,
        changes,
    }
}

fn differences(recorded: &impl Serialize, repeated: &impl Serialize) -> Result<Vec<Difference>, Failure> {
    let recorded = serde_json::to_value(recorded).map_err(unwritable)?;
    let repeated = serde_json::to_value(repeated).map_err(unwritable)?;
    Ok(diff::differences(&recorded, &repeated))
}

fn checked(spec: &RawFleetSpec) -> Result<FleetSpec, Failure> {
    FleetSpec::check(spec).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::Argument(format!("the recorded spec is not valid for this build: {}", problems.join("; ")))
    })
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::Output(error.into())
}

#[cfg(test)]
mod tests {
    use ghostnet_core::failover::TrafficWish;

    use super::*;
    use crate::rehearsal::{Rehearsal, pool};

    /// Every decision of a failover, and one that an operator asked for, by this build.
    fn records() -> Vec<TrafficRecord> {
        let mut rehearsal = Rehearsal::new();
        rehearsal.die("blue");
        rehearsal.looks(4, 10);
        rehearsal.ask("ana", "back as soon as it can", TrafficWish::Failback);
        rehearsal.records()
    }

    fn last_move() -> TrafficRecord {
        let moves = |record: &TrafficRecord| !record.steps.is_empty();
        records().into_iter().find(moves).unwrap_or_else(|| panic!("traffic moved"))
    }

    #[test]
    fn every_decision_of_a_failover_is_made_again_bit_for_bit() {
        let records = records();
        assert!(records.len() >= 5, "{records:?}");
        for record in records {
            match replay_traffic(&record) {
                Ok(replayed) => assert!(
                    replayed.same && replayed.same_build && replayed.changes.is_empty() && replayed.id == record.id,
                    "{replayed:?}"
                ),
                Err(failure) => panic!("{}", failure.report()),
            }
        }
    }

    #[test]
    fn another_decision_about_traffic_says_where_it_differs() {
        let mut record = last_move();
        record.build = BuildId::new("0.0.9");
        record.id = PlanId::new("2026-06-05T13:02:30.000Z-5f0c2a9be411");
        record.state.active = pool("blue");
        let Ok(mut replayed) = replay_traffic(&record) else {
            panic!("it can be decided")
        };
        replayed.this_build = BuildId::new("0.1.0");
        assert!(!replayed.same && !replayed.same_build);
        insta::assert_snapshot!(render::replay::text(&replayed), @r#"
        2026-06-05T13:02:30.000Z-5f0c2a9be411: another decision, by build 0.0.9 then, 0.1.0 now
          state.active  "blue"  ->  "green"
        "#);
    }

    /// What was kept beside the decision counts as well.
    #[test]
    fn another_readiness_is_another_decision() {
        let mut record = last_move();
        record.readiness.clear();
        let replayed = replay_traffic(&record);
        assert!(replayed.is_ok_and(|replayed| !replayed.same && !replayed.changes.is_empty()));
    }

    #[test]
    fn what_cannot_be_decided_again_is_told_with_what_to_do() {
        let mut record = last_move();
        record.inputs = None;
        let told = replay_traffic(&record).map_err(|failure| failure.report());
        let told = told.err().unwrap_or_default();
        assert!(told.contains("has no inputs on record") && told.contains("\nhint: "), "{told}");
    }
}
