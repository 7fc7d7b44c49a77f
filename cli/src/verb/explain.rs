//! `ghostnet explain`: what was decided, when, and why.

use ghostnet_core::failover::TrafficRecord;
use ghostnet_core::id::{FleetId, PlanId};
use ghostnet_core::record::DecisionRecord;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::Clock;
use jiff::Timestamp;
use serde::Serialize;

use crate::arguments::{self, Moment};
use crate::console::Console;
use crate::failure::Failure;
use crate::render;
use crate::stack::Session;

/// Most decisions of one listing.
const RECORDS_MAX: usize = 500;

/// Show what was decided, when, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet explain web
  ghostnet explain web --since 7d
  ghostnet explain web --at 13:02:10 --full
  ghostnet explain web --at 2026-06-05T13:02:10.123Z-5f0c2a9be411

Times are UTC. With --json: {fleet, decisions: [record]}, newest first; a record has id, at, until, count, function, \
signal, build, generation, pools: {id: {before, after, recommended, counts, votes, guards, findings}}, plan: {steps}, \
outcomes, summary, and with --full also inputs. A fleet with failover has traffic: [{id, at, build, state, steps, findings, readiness, \
summary}] beside decisions.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
    /// How far back
    #[arg(long, default_value = "1h", value_parser = arguments::length, conflicts_with = "at")]
    since: Seconds,
    /// One decision: the one that held at this moment, or the one with this id
    #[arg(long, value_name = "TIME|ID")]
    at: Option<String>,
    /// With --at: everything it was decided from as well
    #[arg(long, requires = "at")]
    full: bool,
}

/// Shows the decisions.
///
/// # Errors
/// There is no such fleet or decision, or AWS does not answer.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let now = session.aws.now();
    match &args.at {
        Some(at) => one(args, &session, at, now, console).await,
        None => list(args, &session, now, console).await,
    }
}

async fn list(args: &Args, session: &Session, now: Timestamp, console: Console) -> Result<(), Failure> {
    let records = decisions(session, &args.fleet, args.since.before(now)).await?;
    if records.is_empty() && !session.fleets().await?.iter().any(|entry| entry.fleet == args.fleet) {
        return Err(session.no_fleet(&args.fleet).await);
    }
    let shifts = session.aws.shifts(&args.fleet, Some(args.since.before(now)), RECORDS_MAX).await;
    let shifts = shifts.map_err(Failure::aws(format!("the traffic of fleet `{}` cannot be read", args.fleet)))?;
    let mut text = render::explain::list(&args.fleet, &records, now);
    let traffic = render::traffic::list(&shifts, now);
    if !traffic.is_empty() {
        text.push_str(&format!("\n\ntraffic\n{traffic}"));
    }
    console.answer(&text, &data(&args.fleet, &records, &shifts))?;
    if records.len() == RECORDS_MAX || shifts.len() == RECORDS_MAX {
        console.say(&format!("note: only the newest {RECORDS_MAX} decisions are shown"));
    }
    Ok(())
}

async fn one(args: &Args, session: &Session, at: &str, now: Timestamp, console: Console) -> Result<(), Failure> {
    let mut record = find(session, &args.fleet, at, now).await?;
    if !args.full {
        record.inputs = None;
    }
    let mut text = render::explain::full(&record);
    if let Some(inputs) = &record.inputs {
        let inputs = serde_json::to_string_pretty(inputs).map_err(|error| Failure::Output(error.into()))?;
        text.push_str(&format!("\n\ninputs\n{inputs}"));
    }
    console.answer(&text, &data(&args.fleet, std::slice::from_ref(&record), &[]))
}

/// The decision with this id, or the one that held at this moment.
async fn find(session: &Session, fleet: &FleetId, at: &str, now: Timestamp) -> Result<DecisionRecord, Failure> {
    let unreadable = || Failure::aws(format!("the decisions of fleet `{fleet}` cannot be read"));
    let id = match arguments::moment(at, now) {
        Moment::At(moment) => {
            // the seconds that people see have no fraction
            let end = Seconds(1).after(moment);
            let records = decisions(session, fleet, moment).await?;
            records.iter().find(|record| record.at < end).map(|record| record.id.clone())
        }
        Moment::Other => Some(PlanId::new(at)),
    };
    let record = match id {
        Some(id) => session.aws.decision(fleet, &id).await.map_err(unreadable())?,
        None => None,
    };
    record.ok_or_else(|| Failure::NoDecision(format!("of fleet `{fleet}` at `{at}`")))
}

async fn decisions(session: &Session, fleet: &FleetId, since: Timestamp) -> Result<Vec<DecisionRecord>, Failure> {
    let records = session.aws.decisions(fleet, Some(since), RECORDS_MAX).await;
    records.map_err(Failure::aws(format!("the decisions of fleet `{fleet}` cannot be read")))
}

/// The JSON form.
#[derive(Serialize)]
struct Explained<'a> {
    fleet: &'a FleetId,
    decisions: Vec<Told<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traffic: Vec<ToldTraffic<'a>>,
}

#[derive(Serialize)]
struct ToldTraffic<'a> {
    #[serde(flatten)]
    shift: &'a TrafficRecord,
    summary: String,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    record: &'a DecisionRecord,
    summary: String,
}

fn data<'a>(fleet: &'a FleetId, records: &'a [DecisionRecord], shifts: &'a [TrafficRecord]) -> Explained<'a> {
    let told = |record| Told {
        record,
        summary: render::explain::reason(record),
    };
    Explained {
        fleet,
        decisions: records.iter().map(told).collect(),
        traffic: shifts
            .iter()
            .map(|shift| ToldTraffic {
                shift,
                summary: render::traffic::summary(shift),
            })
            .collect(),
    }
}
