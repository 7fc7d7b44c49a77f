//! `ghostnet simulate`: plays a fleet, in a named world or on a load.

pub(crate) mod backtest;
pub(crate) mod scenario;

use crate::console::Console;
use crate::failure::Failure;
use crate::playing::{Played, Source};

/// What says how a load is played, and nothing of a named world. `--pool` needs `--fleet`.
const OF_TRACE: [&str; 16] = [
    "fleet",
    "instance_capacity",
    "scale",
    "target",
    "boot",
    "warm_start",
    "metric_delay",
    "timing",
    "start",
    "days",
    "compare",
    "iso_slo",
    "warmup",
    "seed",
    "html",
    "csv",
];

/// Play a fleet: in a named world in a simulated AWS, or on a load, beside other autoscalers
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet simulate --scenario black-friday
  ghostnet simulate --scenario zone-loss --json | jq '.minutes[] | select(.used > 1)'
  ghostnet simulate --trace june.csv --compare aws-target-tracking,k8s-hpa,ghostnet-tuned
  ghostnet simulate --fleet web.yaml --trace june.csv --instance-capacity 80 --boot 150s
  ghostnet simulate --trace june.csv --compare all --iso-slo 1% --json
  ghostnet simulate --fleet web.yaml --cloudwatch --compare all --html web.html

Scenarios: alarm-storm, black-friday, both-sides-die, by-name, capacity-famine, clock-jump, cold-standby-famine, drill, failback, flapping-side, \
lambda-killed, metric-outage, metric-outage-standby, never-healthy-image, nobody-serves, one-bad-check, sharer-dies, side-dies, \
side-never-well, single-writer, slow-death, spot-famine, spot-reclaim, target-swap, throttled-account, weights-by-hand, zone-loss. \
docs/simulator.md tells how to write one.

A trace is a CSV file: `timestamp,requests_per_second`, or `timestamp,value` for another load that instances share, at a regular step. \
docs/backtest.md tells how it is played, and what the columns mean. With --cloudwatch the load is what the metric of the pool's policy of type capacity, \
or the requests of its target groups, was in the last 14 days; it is kept in a file, and the next time only what came since is read.

With --scenario and --json: {scenario, about, good, minutes: [{minute, load, wanted, serving, exist, spot, launched, invocations, \
timed_out, decisions, used, traffic, answering, moves, story}], expectations: [{says, wrong}], violations}. Exit code 1 if an expectation \
or an invariant does not hold.

With --trace or --cloudwatch, and --json: {trace, steps, step_seconds, seed, wall_ms, optimum: {instance_hours, never_above}, rows: [{policy, \
instance_hours, cost_ratio, under_percent, over90_percent, lost_percent, theta_u, theta_o, tau_u, tau_o, instability, \
scale_outs_per_day, scale_ins_per_day, flaps_per_day, p99_utilisation, settings}], notes}.")]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Args {
    /// The scenario: a name, or a file
    #[arg(long, value_name = "NAME", group = "what", conflicts_with_all = OF_TRACE)]
    scenario: Option<String>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    backtest: backtest::Args,
}

/// Plays.
///
/// # Errors
/// What is to be played cannot be read, or a scenario does not come out as it says.
pub(crate) fn run(args: &Args, console: Console) -> Result<(), Failure> {
    match (&args.scenario, &args.source.trace) {
        (Some(name), _) => scenario::run(name, console),
        (None, Some(trace)) => {
            let contestants = args.backtest.contestants()?;
            backtest::run(Played::of_file(trace)?, &contestants, &args.backtest, console)
        }
        // the group wants one of them
        (None, None) => Ok(()),
    }
}

/// Plays the fleet's own past.
///
/// # Errors
/// AWS does not answer, or knows nothing that could be played.
pub(crate) async fn run_past(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let contestants = args.backtest.contestants()?;
    let played = Played::of_cloudwatch(args.backtest.world(), stack, console).await?;
    backtest::run(played, &contestants, &args.backtest, console)
}

impl Args {
    /// Whether the load is read from AWS.
    pub(crate) fn is_past(&self) -> bool {
        self.source.cloudwatch
    }
}
