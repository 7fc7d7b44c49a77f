//! `ghostnet apply`: stores specs, keeps their alarms, and shows what changes.
//!
//! Everything is looked at before anything is written: every file, and everything that the files name in the account.
//! A spec is stored on condition of the version that the difference was shown for.

use std::path::PathBuf;

use ghostnet_aws::event::evaluate_payload;
use ghostnet_core::id::FleetId;
use ghostnet_core::spec::Problem;

use crate::change::{Applied, Change, change};
use crate::console::Console;
use crate::failure::Failure;
use crate::render;
use crate::render::problems::FileProblems;
use crate::spec_file::{self, SpecFile, SpecFiles};
use crate::stack::Session;

/// Store fleet specs and keep their alarms
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet apply --dry-run web.yaml   # show what would change
  ghostnet apply web.yaml
  ghostnet apply fleets/*.yaml        # all or, if any has a problem, none

With --json: {fleet, version, stored_version, changed, dry_run, changes: [{path, from, to}], \
alarms: {created, updated, removed}, notes}; for several files a list of these.")]
pub(crate) struct Args {
    /// Fleet specs
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Applies every file.
///
/// # Errors
/// A file has problems, the account lacks something, AWS refuses, or somebody else applied in between.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let files = good_files(args)?;
    let session = Session::open(stack).await?;
    let changes = changes(&session, &files, args.dry_run).await?;
    let mut applied = Vec::new();
    let written = if args.dry_run {
        applied.extend(changes.into_iter().map(|change| change.applied));
        Ok(())
    } else {
        write(&session, changes, &mut applied).await
    };
    for note in applied.iter().flat_map(|applied| &applied.notes) {
        console.say(&format!("note: {note}"));
    }
    // what was done is told, also if the next one failed
    if !applied.is_empty() {
        answer(&applied, console)?;
    }
    written
}

/// What each file would do; the problems of all, if any has some.
async fn changes<'f>(session: &Session, files: &'f [SpecFile], dry_run: bool) -> Result<Vec<Change<'f>>, Failure> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for file in files {
        match change(session, file, dry_run).await? {
            Ok(change) => good.push(change),
            Err(problems) => bad.push(problems),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(Failure::Specs(bad)) }
}

async fn write(session: &Session, changes: Vec<Change<'_>>, applied: &mut Vec<Applied>) -> Result<(), Failure> {
    let by = session.caller().await;
    for mut change in changes {
        change.write(session, &by).await?;
        if change.looks_ahead() {
            let note = learn_now(session, &change.applied.fleet, &by).await;
            change.applied.notes.extend(note);
        }
        applied.push(change.applied);
    }
    Ok(())
}

/// Has the load of a fleet learned now, and not at the next full hour. A note if that cannot be.
async fn learn_now(session: &Session, fleet: &FleetId, by: &str) -> Option<String> {
    let Some(function) = &session.stack.forecast_function else {
        return Some(format!(
            "fleet `{fleet}` looks ahead, and the deployed stack is of a version that does not learn: deploy it again"
        ));
    };
    let asked = session.aws.invoke_later(function, evaluate_payload(fleet, by)).await;
    let error = asked.err()?;
    Some(format!("fleet `{fleet}` looks ahead from the next full hour on: {error}"))
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

fn answer(applied: &[Applied], console: Console) -> Result<(), Failure> {
    let text: Vec<String> = applied.iter().map(render::changes::text).collect();
    let text = text.join("\n\n");
    match applied {
        [only] => console.answer(&text, only),
        all => console.answer(&text, &all),
    }
}
