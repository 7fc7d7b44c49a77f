//! `ghostnet simulate`: plays a fleet in a simulated AWS.

use ghostnet_sim::scenario::{Minute, play};
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::{render, scenario_file};

/// Play a named world in a simulated AWS, and check what comes of it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet simulate --scenario black-friday
  ghostnet simulate --scenario zone-loss --json | jq '.minutes[] | select(.used > 1)'
  ghostnet simulate --scenario my-own-world.yaml

Scenarios: alarm-storm, black-friday, both-sides-die, capacity-famine, clock-jump, cold-standby-famine, failback, flapping-side, \
lambda-killed, metric-outage, metric-outage-standby, never-healthy-image, nobody-serves, one-bad-check, sharer-dies, side-dies, \
side-never-well, slow-death, spot-famine, spot-reclaim, throttled-account, weights-by-hand, zone-loss. \
docs/simulator.md tells how to write one.

With --json: {scenario, about, good, minutes: [{minute, load, wanted, serving, exist, spot, launched, invocations, timed_out, decisions, used, \
traffic, answering, moves, story}], expectations: [{says, wrong}], violations}. Exit code 1 if an expectation or an invariant does not hold.")]
pub(crate) struct Args {
    /// The scenario: a name, or a file
    #[arg(long, value_name = "NAME")]
    scenario: String,
}

/// What came of it. The JSON form is stable.
#[derive(Debug, Serialize)]
pub(crate) struct Simulated {
    /// The scenario.
    pub(crate) scenario: String,
    /// What it is about.
    pub(crate) about: String,
    /// Whether everything is as it should be.
    pub(crate) good: bool,
    /// Minute by minute.
    pub(crate) minutes: Vec<Minute>,
    /// What was expected.
    pub(crate) expectations: Vec<Expected>,
    /// Invariants that were broken.
    pub(crate) violations: Vec<String>,
}

/// One expectation.
#[derive(Debug, Serialize)]
pub(crate) struct Expected {
    /// In words.
    pub(crate) says: String,
    /// What is wrong; none: it holds.
    pub(crate) wrong: Option<String>,
}

/// Plays the scenario.
///
/// # Errors
/// There is no such scenario, or it does not come out as it says.
pub(crate) fn run(args: &Args, console: Console) -> Result<(), Failure> {
    let scenario = scenario_file::find(&args.scenario)?;
    let played = play(&scenario).map_err(|error| Failure::Argument(format!("scenario `{}`: {error}", args.scenario)))?;
    let expected = |(expectation, wrong): &(ghostnet_sim::scenario::Expectation, Option<String>)| Expected {
        says: expectation.says.clone(),
        wrong: wrong.clone(),
    };
    let simulated = Simulated {
        good: played.is_good(),
        expectations: played.expectations.iter().map(expected).collect(),
        violations: played.violations.iter().map(ToString::to_string).collect(),
        minutes: played.minutes,
        scenario: scenario.name,
        about: scenario.about,
    };
    console.answer(&render::simulate::text(&simulated), &simulated)?;
    if simulated.good { Ok(()) } else { Err(Failure::NotAsExpected) }
}
