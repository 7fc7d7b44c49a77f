//! `ghostnet tune`: what to set, by what each setting would have done with a load that is past.

use ghostnet_backtest::tune::{Reach, Suggestion, grid, suggest};
use ghostnet_core::spec::{PoolSpec, Rule};
use ghostnet_core::tuning::{Objective, Settings};
use ghostnet_core::unit::{Percent, Seconds};
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
day, and how long what was needed is kept; all of them use instances up to the limit. Of those that keep the objective with some margin the cheapest is told, and what one can have \
for more or for less. Nothing is changed. docs/backtest.md tells how a load is played.

With --json: {trace, objective: {used, percent}, days, present: {caution, hold, usual, utilisation, instance_hours_per_day, over_percent}, chosen: {the \
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
    console.say(&format!("{} settings play", grid(&fleet.pool, &objective).len() + 1));
    let suggestion =
        suggest(&load, &fleet.world, (&fleet.spec, &fleet.pool), &objective, Reach::Everything).ok_or_else(|| Failure::Unplayable {
            what: "there is nothing to tune".to_owned(),
            hint: "the spec needs a policy of type `predictive` that sets no `quantile`, and the load at least one day",
        })?;
    let tuned = Tuned {
        trace: played.name,
        objective,
        gain_percent: 100.0 * (1.0 - suggestion.chosen.instance_hours_per_day / suggestion.present.instance_hours_per_day),
        set: changes(&suggestion.present.settings, &suggestion.chosen.settings, &fleet.pool),
        suggestion,
        notes: played.notes.into_iter().chain(fleet.left_out()).chain(fleet.unlearned()).collect(),
    };
    console.answer(&render::tune::text(&tuned), &tuned)
}

/// What differs, as fields of the spec of a pool.
fn changes(present: &Settings, chosen: &Settings, pool: &PoolSpec) -> Vec<Set> {
    let ahead = pool.policies.iter().find_map(|policy| match &policy.rule {
        Rule::Predictive(rule) => Some((&policy.id, &rule.of)),
        _ => None,
    });
    let Some((ahead, of)) = ahead else { return Vec::new() };
    let share = |share: Option<Percent>| share.map(|share| share.to_string());
    let fields = [
        (
            present.caution != chosen.caution,
            format!("policies.{ahead}.caution"),
            Some(chosen.caution.to_string()),
        ),
        (
            present.usual != chosen.usual,
            format!("policies.{ahead}.usual"),
            share(chosen.usual),
        ),
        (
            present.utilisation != chosen.utilisation,
            format!("policies.{of}.utilisation"),
            share(chosen.utilisation),
        ),
        (
            present.hold != chosen.hold,
            "guards.stabilisation.in".to_owned(),
            Some(chosen.hold.to_string()),
        ),
    ];
    let differs = fields.into_iter().filter(|(differs, ..)| *differs);
    differs.map(|(_, path, value)| Set { path, value }).collect()
}

#[cfg(test)]
mod tests {
    use ghostnet_backtest::default_fleet;
    use ghostnet_backtest::load::Instance;
    use ghostnet_core::unit::Finite;

    use super::*;

    fn settings(caution: f64, hold: u32, usual: Option<u16>, utilisation: u16) -> Settings {
        Settings {
            caution: Finite::new(caution).unwrap(),
            hold: Seconds::minutes(hold),
            usual: usual.map(Percent),
            utilisation: Some(Percent(utilisation)),
        }
    }

    #[test]
    fn only_what_differs_is_to_be_set() {
        let (_, pool) = default_fleet::of(Instance {
            capacity: 10.0,
            target: 0.7,
        })
        .unwrap();
        let told = |present, chosen| -> Vec<(String, Option<String>)> {
            let all = changes(&present, &chosen, &pool);
            all.into_iter().map(|set| (set.path, set.value)).collect()
        };
        assert_eq!(told(settings(8.0, 10, None, 70), settings(8.0, 10, None, 70)), []);
        let field = |path: &str, value: Option<&str>| (path.to_owned(), value.map(str::to_owned));
        assert_eq!(
            told(settings(8.0, 10, Some(90), 70), settings(0.5, 6, None, 90)),
            [
                field("policies.ahead.caution", Some("0.5")),
                field("policies.ahead.usual", None),
                field("policies.requests.utilisation", Some("90%")),
                field("guards.stabilisation.in", Some("6m")),
            ]
        );
    }
}
