//! `ghostnet report`: what became of a fleet's traffic, as one page that can be sent around.

use std::path::PathBuf;

use ghostnet_core::id::FleetId;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::Clock;
use jiff::Timestamp;
use serde::Serialize;

use crate::arguments;
use crate::console::Console;
use crate::failure::Failure;
use crate::report::{Material, Report};
use crate::stack::Session;
use crate::{new_file, render};

/// Most decisions of each kind in one report.
const RECORDS_MAX: usize = 500;

/// Write an HTML page of what became of a fleet's traffic
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet report web
  ghostnet report web --since 90m --out outage.html

One file, without scripts, that shows the same without a network: each move with its times, what was decided when and why, and how \
weights, healthy instances and sizes went. Times are UTC. With --json: {path, fleet, build, from, until, records, is_cut, before, after, \
moves: [{from, to, why, first_sign, decided, weights, arrived, recovered, stayed, epoch_before, epoch_after}], timeline: [{at, found, \
done, why, takers, epoch, id, has_inputs}], course: {sides, from, until, share, healthy, wanted}}.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
    /// How far back
    #[arg(long, default_value = "6h", value_parser = arguments::length)]
    since: Seconds,
    /// The file to write; never one that exists. Absent: ghostnet-report-FLEET-TIME.html
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
}

/// Writes the page.
///
/// # Errors
/// There is no such fleet, AWS does not answer, or the file exists or cannot be written.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let now = session.aws.now();
    let report = read(args, &session, now).await?;
    let path = args.out.clone().unwrap_or_else(|| default_path(&args.fleet, now));
    new_file::write(&path, &render::report::page(&report), "name another one with --out")?;
    let text = path.display().to_string();
    console.answer(
        &text,
        &Written {
            path: &text,
            report: &report,
        },
    )
}

async fn read(args: &Args, session: &Session, now: Timestamp) -> Result<Report, Failure> {
    let (fleet, from) = (&args.fleet, args.since.before(now));
    let shifts = session.aws.whole_shifts(fleet, Some(from), RECORDS_MAX).await;
    let shifts = shifts.map_err(Failure::aws(format!("the traffic of fleet `{fleet}` cannot be read")))?;
    if shifts.is_empty() && !session.fleets().await?.iter().any(|entry| entry.fleet == *fleet) {
        return Err(session.no_fleet(fleet).await);
    }
    let decisions = session.aws.decisions(fleet, Some(from), RECORDS_MAX).await;
    let decisions = decisions.map_err(Failure::aws(format!("the decisions of fleet `{fleet}` cannot be read")))?;
    Ok(Report::of(&Material {
        fleet,
        build: ghostnet_aws::function::build(),
        from,
        until: now,
        is_cut: shifts.len() == RECORDS_MAX || decisions.len() == RECORDS_MAX,
        shifts: &shifts,
        decisions: &decisions,
    }))
}

/// Without colons, which some file systems do not take.
fn default_path(fleet: &FleetId, now: Timestamp) -> PathBuf {
    format!("ghostnet-report-{fleet}-{}.html", now.strftime("%Y%m%dT%H%M%SZ")).into()
}

/// The JSON form.
#[derive(Serialize)]
struct Written<'a> {
    path: &'a str,
    #[serde(flatten)]
    report: &'a Report,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{report, there_and_back};

    #[test]
    fn a_report_is_named_after_its_fleet_and_its_moment() {
        let Ok(fleet) = "web".parse() else { panic!("a good id") };
        let now = "2026-06-05T13:02:10.123Z".parse().unwrap_or_default();
        let path = default_path(&fleet, now).display().to_string();
        assert_eq!(path, "ghostnet-report-web-20260605T130210Z.html");
    }

    #[test]
    fn a_report_is_never_written_over_a_file() {
        let folder = std::env::temp_dir().join(format!("ghostnet-report-{}", std::process::id()));
        assert!(std::fs::create_dir_all(&folder).is_ok());
        let path = folder.join("outage.html");
        assert!(new_file::write(&path, "first", "name another one with --out").is_ok());
        let told = new_file::write(&path, "second", "name another one with --out").map_err(|failure| failure.report());
        assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), Some("first"));
        assert!(std::fs::remove_dir_all(&folder).is_ok());
        let told = told.err().unwrap_or_default();
        assert!(told.contains("exists already\nhint: name another one with --out"), "{told}");
    }

    #[test]
    fn the_same_facts_are_data() {
        let report = report(&there_and_back().records(), &[]);
        let written = serde_json::to_value(Written {
            path: "outage.html",
            report: &report,
        });
        let Ok(written) = written else { panic!("it can be written") };
        assert_eq!(written["path"], "outage.html");
        insta::assert_json_snapshot!("moves", written["moves"]);
        for part in ["share", "healthy", "wanted"] {
            assert!(written["course"][part].as_array().is_some_and(|lines| !lines.is_empty()), "{part}");
        }
    }
}
