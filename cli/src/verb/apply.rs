//! `ghostnet apply`: stores specs, keeps their alarms, and shows what changes.
//!
//! Everything is looked at before anything is written: every file, and everything that the files name in the account.
//! A spec is stored on condition of the version that the difference was shown for.

use std::path::PathBuf;

use ghostnet_aws::cloudwatch::alarm::AlarmDefinition;
use ghostnet_aws::dynamodb::operator::SpecWrite;
use ghostnet_core::id::{FleetId, SpecVersion};
use ghostnet_core::spec::{Problem, RawFleetSpec, Resolved};
use ghostnet_core::state::{SCHEMA, StoredSpec, TrafficState};
use ghostnet_engine::port::{Clock, CommitResult};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::alarms::{self, AlarmChanges};
use crate::console::Console;
use crate::diff::{self, Change};
use crate::failure::Failure;
use crate::render::problems::FileProblems;
use crate::spec_file::{self, SpecFile, SpecFiles};
use crate::stack::Session;
use crate::{advice, render, resolve};

/// Store fleet specs and keep their alarms
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet apply --dry-run web.yaml   # show what would change
  ghostnet apply web.yaml
  ghostnet apply fleets/*.yaml        # all or, if any has a problem, none

With --json: {fleet, version, stored_version, changed, dry_run, changes: [{path, from, to}],
alarms: {created, updated, removed}, notes}; for several files a list of these.")]
pub(crate) struct Args {
    /// Fleet specs
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What an apply changed, or would change. The JSON form is stable.
#[derive(Debug, Serialize)]
pub(crate) struct Applied {
    /// The fleet.
    pub(crate) fleet: FleetId,
    /// The version of the spec now, or after a dry run's changes.
    pub(crate) version: SpecVersion,
    /// The version before; none: the fleet is new.
    pub(crate) stored_version: Option<SpecVersion>,
    /// Whether the stored spec changes.
    pub(crate) changed: bool,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    /// Changed fields.
    pub(crate) changes: Vec<Change>,
    /// Changed alarms.
    pub(crate) alarms: AlarmChanges,
    /// What is only unwise.
    pub(crate) notes: Vec<String>,
}

/// Applies every file.
///
/// # Errors
/// A file has problems, the account lacks something, AWS refuses, or somebody else applied in between.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let files = good_files(args)?;
    let session = Session::open(stack).await?;
    let mut plans = Vec::new();
    let mut bad = Vec::new();
    for file in &files {
        match plan(&session, file, args.dry_run).await? {
            Ok(plan) => plans.push(plan),
            Err(problems) => bad.push(problems),
        }
    }
    if !bad.is_empty() {
        return Err(Failure::Specs(bad));
    }
    let by = session.caller().await;
    let mut applied = Vec::new();
    for plan in plans {
        if !args.dry_run {
            write(&session, &plan, &by).await?;
        }
        plan.applied.notes.iter().for_each(|note| console.say(&format!("note: {note}")));
        applied.push(plan.applied);
    }
    answer(&applied, console)
}

/// Everything that one file leads to.
struct Plan<'f> {
    file: &'f SpecFile,
    resolved: Resolved,
    wanted_alarms: Vec<AlarmDefinition>,
    applied: Applied,
}

fn good_files(args: &Args) -> Result<Vec<SpecFile>, Failure> {
    let SpecFiles { good, mut bad } = spec_file::read_all(&args.files)?;
    for (n, file) in good.iter().enumerate() {
        if let Some(earlier) = good.iter().take(n).find(|earlier| earlier.spec.id == file.spec.id) {
            let message = format!("fleet `{}` is in {} too", file.spec.id, earlier.name);
            let problem = Problem {
                path: "fleet".to_owned(),
                message,
                hint: Some("a fleet has one spec".to_owned()),
            };
            bad.push(FileProblems {
                file: file.name.clone(),
                problems: vec![file.locate(problem)],
            });
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(Failure::Specs(bad)) }
}

/// What applying one file would do, or what stands against it.
async fn plan<'f>(session: &Session, file: &'f SpecFile, dry_run: bool) -> Result<Result<Plan<'f>, FileProblems>, Failure> {
    let fleet = &file.spec.id;
    let found = resolve::resolve(session, &file.spec).await?;
    if !found.problems.is_empty() {
        let problems = found.problems.into_iter().map(|problem| file.locate(problem)).collect();
        return Ok(Err(FileProblems {
            file: file.name.clone(),
            problems,
        }));
    }
    let stored = session
        .aws
        .get_spec(fleet)
        .await
        .map_err(Failure::aws(format!("the stored spec of fleet `{fleet}` cannot be read")))?;
    let existing = session
        .aws
        .fleet_alarms(session.aws.home(), fleet)
        .await
        .map_err(Failure::aws(format!("the alarms of fleet `{fleet}` cannot be read")))?;
    let wanted_alarms = alarms::wanted(&file.spec, &found.resolved, &session.stack);
    let changes = changes(stored.as_ref(), file, &found.resolved)?;
    let stored_version = stored.map(|stored| stored.version);
    let changed = stored_version.is_none() || !changes.is_empty();
    let version = match stored_version {
        Some(stored) if !changed => stored,
        stored => SpecVersion(stored.map_or(0, |stored| stored.0).saturating_add(1)),
    };
    let notes = advice::notes(&file.spec).into_iter().chain(found.notes).collect();
    let alarms = alarms::compare(&wanted_alarms, &existing);
    let applied = Applied {
        fleet: fleet.clone(),
        version,
        stored_version,
        changed,
        dry_run,
        changes,
        alarms,
        notes,
    };
    Ok(Ok(Plan {
        file,
        resolved: found.resolved,
        wanted_alarms,
        applied,
    }))
}

/// What an apply can change, side by side with what is stored.
#[derive(Serialize)]
struct Comparable<'a> {
    #[serde(flatten)]
    spec: &'a RawFleetSpec,
    resolved: &'a Resolved,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retiring: bool,
}

fn changes(stored: Option<&StoredSpec>, file: &SpecFile, resolved: &Resolved) -> Result<Vec<Change>, Failure> {
    let value = |comparable: Comparable<'_>| serde_json::to_value(comparable).map_err(|error| Failure::Output(error.into()));
    let old = match stored {
        Some(stored) => value(Comparable {
            spec: &stored.spec,
            resolved: &stored.resolved,
            retiring: stored.retiring,
        })?,
        None => Value::Object(Map::new()),
    };
    Ok(diff::changes(
        &old,
        &value(Comparable {
            spec: &file.raw,
            resolved,
            retiring: false,
        })?,
    ))
}

/// The spec first: an alarm without its policy wakes for nothing, a policy without its alarm waits a minute for the tick.
async fn write(session: &Session, plan: &Plan<'_>, by: &str) -> Result<(), Failure> {
    if plan.applied.changed {
        write_spec(session, plan, by).await?;
    }
    let region = session.aws.home();
    // an unchanged alarm is put too: somebody may have edited it
    for alarm in &plan.wanted_alarms {
        session
            .aws
            .put_alarm(region, alarm)
            .await
            .map_err(Failure::aws(format!("alarm `{}` cannot be kept", alarm.name)))?;
    }
    let removed = &plan.applied.alarms.removed;
    session.aws.delete_alarms(region, removed).await.map_err(Failure::aws(format!(
        "old alarms of fleet `{}` cannot be removed",
        plan.applied.fleet
    )))
}

async fn write_spec(session: &Session, plan: &Plan<'_>, by: &str) -> Result<(), Failure> {
    let Applied {
        fleet,
        version,
        stored_version,
        ..
    } = &plan.applied;
    let spec = &plan.file.spec;
    let no_active = || Failure::Argument(format!("fleet `{fleet}` has no active pool"));
    let stored = StoredSpec {
        schema: SCHEMA,
        version: *version,
        spec: plan.file.raw.clone(),
        resolved: plan.resolved.clone(),
        retiring: false,
        applied_by: by.to_owned(),
        applied_at: session.aws.now(),
    };
    let write = SpecWrite {
        fleet,
        spec: &stored,
        read_version: *stored_version,
        first_traffic: &TrafficState::first(spec).ok_or_else(no_active)?,
        alarms: &spec.alarms,
    };
    match session
        .aws
        .put_spec(&write)
        .await
        .map_err(Failure::aws(format!("fleet `{fleet}` cannot be stored")))?
    {
        CommitResult::Committed => Ok(()),
        CommitResult::Conflict => Err(Failure::Raced(fleet.clone())),
    }
}

fn answer(applied: &[Applied], console: Console) -> Result<(), Failure> {
    let text: Vec<String> = applied.iter().map(render::changes::text).collect();
    let text = text.join("\n\n");
    match applied {
        [only] => console.answer(&text, only),
        all => console.answer(&text, &all),
    }
}
