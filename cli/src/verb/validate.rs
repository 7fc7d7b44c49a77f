//! `ghostnet validate`: reads specs and tells every problem, without AWS.

use std::path::PathBuf;

use ghostnet_core::spec::FleetSpec;
use ghostnet_core::spec::defaults::defaults;
use serde_json::json;

use crate::console::Console;
use crate::failure::Failure;
use crate::render;
use crate::render::problems::FileProblems;
use crate::spec_file::{self, SpecFile, SpecFiles};

/// Check fleet specs, without AWS
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet validate web.yaml
  ghostnet validate fleets/*.yaml
  ghostnet validate --show-defaults web.yaml   # what holds where the spec is silent, and why")]
pub(crate) struct Args {
    /// Fleet specs
    #[arg(value_name = "FILE", required_unless_present = "show_defaults")]
    files: Vec<PathBuf>,
    /// Show every default beside what the specs say
    #[arg(long)]
    show_defaults: bool,
}

/// Checks the files.
///
/// # Errors
/// A file has problems, or cannot be read.
pub(crate) fn run(args: &Args, console: Console) -> Result<(), Failure> {
    let SpecFiles { good, bad } = spec_file::read_all(&args.files)?;
    if console.json {
        console.answer("", &data(args, &good, &bad))?;
    } else {
        answer_people(args, &good, console)?;
    }
    if bad.is_empty() { Ok(()) } else { Err(Failure::Specs(bad)) }
}

fn answer_people(args: &Args, good: &[SpecFile], console: Console) -> Result<(), Failure> {
    for file in good {
        console.data(&summary(&file.name, &file.spec))?;
        if args.show_defaults {
            console.data(&render::defaults::text(
                &render::defaults::rows(defaults(), Some(&file.marks)),
                Some(&file.name),
            ))?;
        }
    }
    if args.files.is_empty() {
        console.data(&render::defaults::text(&render::defaults::rows(defaults(), None), None))?;
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

fn data(args: &Args, good: &[SpecFile], bad: &[FileProblems]) -> serde_json::Value {
    let good_rows = good
        .iter()
        .map(|file| json!({ "file": file.name, "valid": true, "fleet": file.spec.id, "problems": [] }));
    let bad_rows = bad
        .iter()
        .map(|bad| json!({ "file": bad.file, "valid": false, "fleet": null, "problems": bad.problems }));
    let mut data = json!({ "files": good_rows.chain(bad_rows).collect::<Vec<_>>() });
    if args.show_defaults {
        let marks = good.first().map(|file| &file.marks);
        data["defaults"] = json!(render::defaults::rows(defaults(), marks));
    }
    data
}
