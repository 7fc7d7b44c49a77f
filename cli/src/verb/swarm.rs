//! `ghostnet swarm`: runs the simulator over many seeds, and makes the smallest reproduction of what breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;
use std::{fs, thread};

use ghostnet_sim::fault::Fault;
use ghostnet_sim::run::{Outcome, Setup, run as run_seed};
use ghostnet_sim::swarm::{self, Summary, once_broken, sweep};
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::render;

/// Prove the invariants in a simulated AWS, seed by seed
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet swarm --seeds 1..1000
  ghostnet swarm --fresh 500 --regressions     # what `make test` runs
  ghostnet swarm --seed 42 --log run.log       # one seed, with everything that happened
  ghostnet swarm --seed 42 --faults lost-reply,kill-after

With --json: {runs, minutes, reconciles, decisions, launched, terminated, faults: {name: times}, failures: [{seed, ticks, \
check, at, detail, faults, command}]}. Exit code 1 if anything broke.")]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub(crate) struct Args {
    /// Seeds, both ends included
    #[arg(long, value_name = "FROM..TO", group = "which")]
    seeds: Option<Seeds>,
    /// One seed
    #[arg(long, group = "which", conflicts_with_all = ["seeds", "fresh", "regressions"])]
    seed: Option<u64>,
    /// So many seeds that nobody has run
    #[arg(long, value_name = "N", group = "which")]
    fresh: Option<u64>,
    /// The seeds that once broke something
    #[arg(long, group = "which")]
    regressions: bool,
    /// Minutes of storm in each
    #[arg(long, value_name = "N", default_value_t = 200)]
    ticks: u32,
    /// Only these kinds of fault, of those that a seed draws
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    faults: Option<Vec<Fault>>,
    /// With --seed: write what happened
    #[arg(long, value_name = "FILE", requires = "seed")]
    log: Option<PathBuf>,
}

/// A range of seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seeds {
    from: u64,
    to: u64,
}

impl FromStr for Seeds {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const USAGE: &str = "expected two numbers, such as 1..1000";
        let (from, to) = text.split_once("..").ok_or(USAGE)?;
        let seeds = Self {
            from: from.parse().map_err(|_| USAGE)?,
            to: to.trim_start_matches('=').parse().map_err(|_| USAGE)?,
        };
        if seeds.from <= seeds.to {
            Ok(seeds)
        } else {
            Err("the first seed is above the last")
        }
    }
}

/// What the seeds gave. The JSON form is stable.
#[derive(Debug, Serialize)]
pub(crate) struct Swept {
    /// Runs.
    pub(crate) runs: usize,
    /// Minutes of virtual time.
    pub(crate) minutes: u64,
    /// Looks at fleets.
    pub(crate) reconciles: u64,
    /// Commits.
    pub(crate) decisions: u64,
    /// Instances launched.
    pub(crate) launched: u64,
    /// Instances terminated.
    pub(crate) terminated: u64,
    /// How often each kind of fault struck.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// What broke.
    pub(crate) failures: Vec<Broken>,
}

/// One seed that broke.
#[derive(Debug, Serialize)]
pub(crate) struct Broken {
    /// The seed.
    pub(crate) seed: u64,
    /// Minutes of storm that are needed.
    pub(crate) ticks: u32,
    /// The checker that spoke.
    pub(crate) check: String,
    /// When, in virtual time.
    pub(crate) at: String,
    /// What it said.
    pub(crate) detail: String,
    /// The kinds of fault that are needed.
    pub(crate) faults: Vec<&'static str>,
    /// What runs it again.
    pub(crate) command: String,
}

/// Runs the seeds.
///
/// # Errors
/// Something broke, or the log cannot be written.
pub(crate) fn run(args: &Args, console: Console) -> Result<(), Failure> {
    let setups = setups(args);
    if let Some(path) = &args.log {
        for setup in &setups {
            let outcome = run_seed(&Setup {
                log: true,
                ..setup.clone()
            });
            write_log(path, &outcome)?;
        }
    }
    let bar = console.bar(setups.len(), "{bar:40} {pos}/{len} seeds, {eta} left");
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let summary = sweep(&setups, threads, |_| bar.inc(1));
    bar.finish_and_clear();
    let swept = Swept::of(&summary);
    console.answer(&render::swarm::text(&swept), &swept)?;
    if swept.failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::Broken(swept.failures.len()))
    }
}

fn setups(args: &Args) -> Vec<Setup> {
    let mut seeds: Vec<u64> = args.seed.into_iter().collect();
    if let Some(Seeds { from, to }) = args.seeds {
        seeds.extend(from..=to);
    }
    if let Some(count) = args.fresh {
        // the standard library's own chance: this is the one place where a run is not to be the same twice
        let first = RandomState::new().build_hasher().finish() >> 16;
        seeds.extend(first..first.saturating_add(count));
    }
    let mut setups: Vec<Setup> = seeds.into_iter().map(|seed| Setup::of(seed, args.ticks)).collect();
    if args.regressions {
        setups.extend(once_broken());
    }
    let only: Option<BTreeSet<Fault>> = args.faults.as_ref().map(|faults| faults.iter().copied().collect());
    for setup in &mut setups {
        setup.only.clone_from(&only);
    }
    setups
}

fn write_log(path: &PathBuf, outcome: &Outcome) -> Result<(), Failure> {
    let mut text = outcome.log.join("\n");
    for violation in &outcome.violations {
        text.push_str(&format!("\n{violation}"));
    }
    text.push('\n');
    fs::write(path, text).map_err(|source| Failure::Write {
        path: path.clone(),
        source,
    })
}

impl Swept {
    fn of(summary: &Summary) -> Self {
        Self {
            runs: summary.runs,
            minutes: summary.minutes,
            reconciles: summary.counters.reconciles,
            decisions: summary.counters.decisions,
            launched: summary.counters.launched,
            terminated: summary.counters.terminated,
            faults: summary.struck.iter().map(|(fault, times)| (fault.name(), *times)).collect(),
            failures: summary.failures.iter().map(Broken::of).collect(),
        }
    }
}

impl Broken {
    fn of(failure: &swarm::Failure) -> Self {
        let faults: Vec<&str> = failure.faults.iter().map(|fault| fault.name()).collect();
        let named = if faults.is_empty() {
            String::new()
        } else {
            format!(" --faults {}", faults.join(","))
        };
        Self {
            seed: failure.seed,
            ticks: failure.ticks,
            check: failure.violation.check.to_string(),
            at: ghostnet_sim::clock::at(failure.violation.at).to_string(),
            detail: failure.violation.detail.clone(),
            command: format!(
                "ghostnet swarm --seed {} --ticks {}{named} --log run.log",
                failure.seed, failure.ticks
            ),
            faults,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_seeds_has_two_ends() {
        for (text, seeds) in [
            ("1..10", Ok((1, 10))),
            ("5..=5", Ok((5, 5))),
            ("10..1", Err("the first seed is above the last")),
            ("7", Err("expected two numbers, such as 1..1000")),
            ("..7", Err("expected two numbers, such as 1..1000")),
        ] {
            assert_eq!(text.parse().map(|Seeds { from, to }| (from, to)), seeds, "{text}");
        }
    }
}
