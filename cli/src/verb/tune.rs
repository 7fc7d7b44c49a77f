//! `ghostnet tune`: what to set, by what each setting would have done with a load that is past.

use ghostnet_backtest::tune::{Evidence, Objective, Suggestion, grid, suggest};
use ghostnet_core::unit::Seconds;
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::playing::{self, Fleet, Played, Source};
use crate::render;

/// Find the settings that would have kept an objective at the least cost
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
#[command(after_help = "Examples:
  ghostnet tune --trace june.csv
  ghostnet tune --fleet web.yaml --cloudwatch
  ghostnet tune --fleet web.yaml --trace june.csv --objective 0.1%
  ghostnet tune --trace june.csv --objective 1% --limit 0.9 --json | jq .set

Every setting of a grid plays the last fortnight of the load: the caution of the policy that looks ahead, the load that is usual at this time of \
day, and how long what was needed is kept. Of those that keep the objective with some margin the cheapest is told, and what one can have \
for more or for less. Nothing is changed. docs/backtest.md tells how a load is played.

With --json: {trace, objective: {used, percent}, days, present: {caution, hold, usual, instance_hours_per_day, over_percent}, chosen: {the \
same}, gain_percent, set: [{path, value}], front: [{the same}], notes}.")]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// More than the limit may be used in this share of the time
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = playing::percent)]
    objective: f64,
    /// The limit: so much of an instance; the target if absent
    #[arg(long, value_name = "SHARE", value_parser = playing::target)]
    limit: Option<f64>,
    #[command(flatten)]
    world: playing::Args,
}

/// What was found. The JSON form is stable.
#[derive(Debug, Serialize)]
pub(crate) struct Tuned {
    /// The file.
    pub(crate) trace: String,
    /// What was to be met.
    pub(crate) objective: Objective,
    /// What the settings came to.
    #[serde(flatten)]
    pub(crate) suggestion: Suggestion,
    /// What the chosen settings save of the cost of the present ones.
    pub(crate) gain_percent: f64,
    /// What to write into the spec; empty: it stays as it is.
    pub(crate) set: Vec<Set>,
    /// What else is worth telling.
    pub(crate) notes: Vec<String>,
}

/// A field of the spec, and what to write there.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Set {
    /// The field.
    pub(crate) path: String,
    /// Its value, as one would write it; none: leave the field out.
    pub(crate) value: Option<String>,
}

/// Finds the settings.
///
/// # Errors
/// The trace or the spec cannot be read, or there is nothing to tune.
pub(crate) fn run(args: &Args, console: Console) -> Result<(), Failure> {
    match &args.source.trace {
        Some(trace) => find(Played::of_file(trace)?, args, console),
        // the group wants one of them
        None => Ok(()),
    }
}

/// Finds the settings by the fleet's own past.
///
/// # Errors
/// AWS does not answer, knows nothing that could be played, or there is nothing to tune.
pub(crate) async fn run_past(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    find(Played::of_cloudwatch(&args.world, stack, console).await?, args, console)
}

impl Args {
    /// Whether the load is read from AWS.
    pub(crate) fn is_past(&self) -> bool {
        self.source.cloudwatch
    }
}

fn find(played: Played, args: &Args, console: Console) -> Result<(), Failure> {
    let load = playing::load(&played.trace, &args.world, |_| Seconds(0))?;
    let fleet = Fleet::of(&args.world, &load)?;
    let objective = Objective {
        used: args.limit.unwrap_or(fleet.world.instance.target),
        percent: args.objective,
    };
    console.say(&format!("{} settings play", grid().len() + 1));
    let suggestion = suggest(&load, &fleet.world, (&fleet.spec, &fleet.pool), &objective).ok_or_else(|| Failure::Unplayable {
        what: "there is nothing to tune".to_owned(),
        hint: "the spec needs a policy of type `predictive` that sets no `quantile`, and the load at least one day",
    })?;
    let ahead = fleet.ahead().unwrap_or_default();
    let tuned = Tuned {
        trace: played.name,
        objective,
        gain_percent: 100.0 * (1.0 - suggestion.chosen.instance_hours_per_day / suggestion.present.instance_hours_per_day),
        set: changes(&suggestion.present, &suggestion.chosen, &ahead),
        suggestion,
        notes: played.notes.into_iter().chain(fleet.left_out()).chain(fleet.unlearned()).collect(),
    };
    console.answer(&render::tune::text(&tuned), &tuned)
}

/// What differs, as fields of a spec whose policy `ahead` looks ahead.
fn changes(present: &Evidence, chosen: &Evidence, ahead: &str) -> Vec<Set> {
    let (present, chosen) = (&present.settings, &chosen.settings);
    let set = |path: String, value: Option<String>| Set { path, value };
    let mut all = Vec::new();
    if present.caution != chosen.caution {
        all.push(set(format!("policies.{ahead}.caution"), Some(chosen.caution.to_string())));
    }
    if present.usual != chosen.usual {
        all.push(set(
            format!("policies.{ahead}.usual"),
            chosen.usual.map(|share| format!("{share}%")),
        ));
    }
    if present.hold != chosen.hold {
        all.push(set("guards.stabilisation.in".to_owned(), Some(chosen.hold.to_string())));
    }
    all
}

#[cfg(test)]
mod tests {
    use ghostnet_backtest::tune::Settings;

    use super::*;

    fn evidence(caution: f64, hold: u32, usual: Option<u16>) -> Evidence {
        Evidence {
            settings: Settings {
                caution,
                hold: Seconds::minutes(hold),
                usual,
            },
            instance_hours_per_day: 100.0,
            over_percent: 0.5,
        }
    }

    #[test]
    fn only_what_differs_is_to_be_set() {
        let told = |present, chosen| -> Vec<(String, Option<String>)> {
            let all = changes(&present, &chosen, "ahead");
            all.into_iter().map(|set| (set.path, set.value)).collect()
        };
        assert_eq!(told(evidence(8.0, 10, None), evidence(8.0, 10, None)), []);
        assert_eq!(
            told(evidence(8.0, 10, Some(90)), evidence(0.5, 6, None)),
            [
                ("policies.ahead.caution".to_owned(), Some("0.5".to_owned())),
                ("policies.ahead.usual".to_owned(), None),
                ("guards.stabilisation.in".to_owned(), Some("6m".to_owned())),
            ]
        );
    }
}
