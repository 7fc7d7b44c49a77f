//! `ghostnet validate`: reads specs and tells every problem, without AWS; with `--live` also what the account says.

use std::path::PathBuf;

use ghostnet_core::id::FleetId;
use ghostnet_core::spec::defaults::defaults;
use ghostnet_core::spec::{FleetSpec, Objective};
use ghostnet_engine::live::Severity;
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::live::{self, Checked};
use crate::render::defaults::DefaultRow;
use crate::render::problems::FileProblems;
use crate::spec_file::{self, SpecFile, SpecFiles, SpecProblem};
use crate::stack::Session;
use crate::{advice, render};

/// Check fleet specs, without AWS or against the account
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet validate web.yaml
  ghostnet validate fleets/*.yaml
  ghostnet validate --show-defaults web.yaml   # what holds where the spec is silent, and why
  ghostnet validate --live web.yaml            # also what the account would say; changes nothing

--live has the tick function ask EC2 by dry runs what its role may launch, and looks up target groups, alarms and quotas. It can be \
asked before `apply`. An error ends with exit code 1, warnings and notes with 0.

With --json: {files: [{file, valid, fleet, problems: [{line, column, path, message, hint}], notes, \
live: {findings: [{severity, line, column, path, what, why, hint}], launches_tried}}]}; live with --live only.")]
pub(crate) struct Args {
    /// Fleet specs
    #[arg(value_name = "FILE", required_unless_present = "show_defaults")]
    files: Vec<PathBuf>,
    /// Show every default beside what the specs say
    #[arg(long)]
    show_defaults: bool,
    /// Check them against the account as well
    #[arg(long, requires = "files", conflicts_with = "show_defaults")]
    pub(crate) live: bool,
}

/// Checks the files.
///
/// # Errors
/// A file has problems, or cannot be read.
pub(crate) fn run(args: &Args, console: Console) -> Result<(), Failure> {
    let SpecFiles { good, bad } = spec_file::read_all(&args.files)?;
    if console.json {
        console.answer("", &data(args, &good, &bad, Vec::new()))?;
    } else {
        answer_people(args, &good, console)?;
    }
    if bad.is_empty() { Ok(()) } else { Err(Failure::Specs(bad)) }
}

/// Checks the files, and the account for those that have no problem.
///
/// # Errors
/// A file has problems or cannot be read, AWS does not answer, or the account is not fit.
pub(crate) async fn run_live(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let SpecFiles { good, bad } = spec_file::read_all(&args.files)?;
    let mut checked = Vec::new();
    if !good.is_empty() {
        let session = Session::open(stack).await?;
        let asks = live::asks_for_each(good.len());
        for (n, file) in good.iter().enumerate() {
            if n > 0 {
                live::pause().await;
            }
            let found = live::check(&session, file, asks).await?;
            if !console.json {
                advice::notes(&file.spec)
                    .iter()
                    .for_each(|note| console.say(&format!("note: {note}")));
                console.data(&render::findings::text(&file.name, &found))?;
            }
            checked.push(found);
        }
    }
    let errors = checked.iter().map(|checked| checked.count(Severity::Error)).sum();
    if console.json {
        console.answer("", &data(args, &good, &bad, checked))?;
    }
    match errors {
        _ if !bad.is_empty() => Err(Failure::Specs(bad)),
        0 => Ok(()),
        errors => Err(Failure::NotFit(errors)),
    }
}

fn answer_people(args: &Args, good: &[SpecFile], console: Console) -> Result<(), Failure> {
    for file in good {
        console.data(&summary(&file.name, &file.spec))?;
        advice::notes(&file.spec)
            .iter()
            .for_each(|note| console.say(&format!("note: {note}")));
        if args.show_defaults {
            console.data(&render::defaults::text(
                &render::defaults::rows(defaults(file.spec.objective), Some(&file.marks)),
                Some(&file.name),
            ))?;
        }
    }
    if args.files.is_empty() {
        console.data(&render::defaults::text(
            &render::defaults::rows(defaults(Objective::Balanced), None),
            None,
        ))?;
    }
    Ok(())
}

fn summary(file: &str, spec: &FleetSpec) -> String {
    let count = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    let policies = spec.pools.iter().map(|pool| pool.policies.len()).sum();
    let (pools, policies) = (count(spec.pools.len(), "pool", "pools"), count(policies, "policy", "policies"));
    format!(
        "{file} is valid: fleet {}, {pools}, {policies}, at most {} instances",
        spec.id, spec.maximum
    )
}

/// The JSON form.
#[derive(Serialize)]
struct Validated<'a> {
    files: Vec<ValidatedFile<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    defaults: Option<Vec<DefaultRow>>,
}

#[derive(Serialize)]
struct ValidatedFile<'a> {
    file: &'a str,
    valid: bool,
    fleet: Option<&'a FleetId>,
    problems: &'a [SpecProblem],
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Checked>,
}

fn data<'a>(args: &Args, good: &'a [SpecFile], bad: &'a [FileProblems], checked: Vec<Checked>) -> Validated<'a> {
    let mut checked = checked.into_iter();
    let good_files = good.iter().map(|file| ValidatedFile {
        file: &file.name,
        valid: true,
        fleet: Some(&file.spec.id),
        problems: &[],
        notes: advice::notes(&file.spec),
        live: checked.next(),
    });
    let bad_files = bad.iter().map(|bad| ValidatedFile {
        file: &bad.file,
        valid: false,
        fleet: None,
        problems: &bad.problems,
        notes: Vec::new(),
        live: None,
    });
    let first = good.first();
    let (marks, objective) = (
        first.map(|file| &file.marks),
        first.map_or(Objective::Balanced, |file| file.spec.objective),
    );
    let defaults = args.show_defaults.then(|| render::defaults::rows(defaults(objective), marks));
    Validated {
        files: good_files.chain(bad_files).collect(),
        defaults,
    }
}
