//! `ghostnet apply`: stores specs, keeps their alarms, and shows what changes.
//!
//! Everything is looked at before anything is written: every file, and everything that the files name in the account.
//! A spec is stored on condition of the version that the difference was shown for.

use std::path::PathBuf;

use ghostnet_core::spec::Problem;
use ghostnet_core::spec::raw::RawPolicy;

use crate::change::{Applied, Change, change};
use crate::console::Console;
use crate::failure::Failure;
use crate::render;
use crate::render::problems::FileProblems;
use crate::spec_file::{self, SpecFile, SpecFiles, SpecProblem};
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
    for change in changes {
        change.write(session, &by).await?;
        applied.push(change.applied);
    }
    Ok(())
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
    let unfed = good
        .iter()
        .map(|file| (file, unfed(file)))
        .filter(|(_, problems)| !problems.is_empty());
    bad.extend(unfed.map(|(file, problems)| FileProblems {
        file: file.name.clone(),
        problems,
    }));
    if bad.is_empty() { Ok(good) } else { Err(Failure::Specs(bad)) }
}

/// Policies that would never have a vote: no function learns from a deployed fleet's load yet.
fn unfed(file: &SpecFile) -> Vec<SpecProblem> {
    let of_fleet = file.raw.policies.iter().map(|policies| ("policies".to_owned(), policies));
    let pools = file.raw.pools.iter().enumerate();
    let of_pools = pools.filter_map(|(n, pool)| Some((format!("pools[{n}].policies"), pool.policies.as_ref()?)));
    let looks_ahead = |(at, policies): (String, &Vec<RawPolicy>)| {
        let places = policies
            .iter()
            .enumerate()
            .filter(|(_, policy)| matches!(policy, RawPolicy::Predictive(_)));
        places.map(|(n, _)| format!("{at}[{n}]")).collect::<Vec<_>>()
    };
    let paths = of_fleet.chain(of_pools).flat_map(looks_ahead);
    paths
        .map(|path| {
            file.locate(Problem {
                path,
                message: "nothing learns from the load of a deployed fleet yet: this policy would never have a vote".to_owned(),
                hint: Some("play it with `ghostnet simulate`, and leave it out of what is applied".to_owned()),
            })
        })
        .collect()
}

fn answer(applied: &[Applied], console: Console) -> Result<(), Failure> {
    let text: Vec<String> = applied.iter().map(render::changes::text).collect();
    let text = text.join("\n\n");
    match applied {
        [only] => console.answer(&text, only),
        all => console.answer(&text, &all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_nobody_feeds_is_refused_where_it_stands() {
        let without = include_str!("../../../infra/fleets/web.yaml");
        let (scheduled, ahead) = ("  - id: friday-evening\n", "  - { id: ahead, type: predictive, of: requests }\n");
        let text = without.replace(scheduled, &format!("{ahead}{scheduled}"));
        let file = spec_file::read("web.yaml", &text).unwrap();
        let problems = unfed(&file);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "policies[2]");
        assert_eq!(unfed(&spec_file::read("web.yaml", without).unwrap()), Vec::new());
    }
}
