//! A named world in a simulated AWS, and what comes of it.

use ghostnet_sim::scenario::{Minute, play};
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::{render, scenario_file};

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
pub(crate) fn run(name: &str, console: Console) -> Result<(), Failure> {
    let scenario = scenario_file::find(name)?;
    let played = play(&scenario).map_err(|error| Failure::Argument(format!("scenario `{name}`: {error}")))?;
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
