//! The command line: verbs and what they share.

use clap::{Parser, Subcommand};

use crate::verb::{
    adopt, apply, completions, delete, evacuate, explain, failover, import, init, pause, plan, refresh, release, replay, report, scale,
    schema, simulate, status, swarm, tune, validate,
};

/// Keeps EC2 fleets sized, healthy and reachable, and says why
#[derive(Debug, Parser)]
#[command(
    name = "ghostnet",
    bin_name = "ghostnet",
    version,
    about = "Keeps EC2 fleets sized, healthy and reachable, and says why",
    disable_help_subcommand = true
)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage. Data goes to standard output, messages to standard error. \
`ghostnet VERB --help` shows examples."
)]
pub(crate) struct Cli {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The deployed CloudFormation stack
    #[arg(long, global = true, env = "GHOSTNET_STACK", default_value = "ghostnet")]
    pub(crate) stack: String,
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Init(init::Args),
    Validate(validate::Args),
    Schema(schema::Args),
    Apply(apply::Args),
    Delete(delete::Args),
    Import(import::Args),
    Adopt(adopt::Args),
    Release(release::Args),
    Status(status::Args),
    Plan(plan::Args),
    Explain(explain::Args),
    Replay(replay::Args),
    Report(report::Args),
    Pause(pause::Args),
    Resume(pause::ResumeArgs),
    Scale(scale::Args),
    Refresh(refresh::Args),
    Evacuate(evacuate::Args),
    Failover(failover::Args),
    Failback(failover::FailbackArgs),
    Undo(failover::UndoArgs),
    Drill(failover::DrillArgs),
    Simulate(simulate::Args),
    Tune(tune::Args),
    Swarm(swarm::Args),
    Completions(completions::Args),
}
