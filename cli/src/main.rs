//! `ghostnet`: the command line. Parses, runs one verb, maps its end to an exit code.

mod advice;
mod alarms;
mod arguments;
mod ask;
mod change;
mod cli;
mod console;
mod diff;
mod failure;
mod import;
mod live;
mod look;
mod new_file;
mod past_load;
mod playing;
#[cfg(test)]
mod rehearsal;
mod render;
mod report;
mod resolve;
mod scenario_file;
mod schema;
mod sides;
mod spec_file;
mod stack;
mod status;
mod takeover;
mod traffic;
mod verb;
mod words;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::cli::{Cli, Verb};
use crate::console::Console;
use crate::failure::Failure;

/// A swarm and a simulation allocate all the time: a fifth of their time with the system's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console { json: cli.json };
    match run(&cli, console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console.say(&failure.report());
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli, console: Console) -> Result<(), Failure> {
    match &cli.verb {
        Verb::Init(args) => verb::init::run(args, console),
        Verb::Validate(args) if !args.live => verb::validate::run(args, console),
        Verb::Schema(_) => verb::schema::run(console),
        Verb::Completions(args) => verb::completions::run(args, console),
        Verb::Simulate(args) if !args.is_past() => verb::simulate::run(args, console),
        Verb::Tune(args) if !args.is_past() => verb::tune::run(args, console),
        Verb::Swarm(args) => verb::swarm::run(args, console),
        verb => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Failure::Runtime)?;
            runtime.block_on(ask_aws(verb, &cli.stack, console))
        }
    }
}

/// Verbs that need the account.
async fn ask_aws(verb: &Verb, stack: &str, console: Console) -> Result<(), Failure> {
    match verb {
        Verb::Validate(args) => verb::validate::run_live(args, stack, console).await,
        Verb::Apply(args) => verb::apply::run(args, stack, console).await,
        Verb::Delete(args) => verb::delete::run(args, stack, console).await,
        Verb::Release(args) => verb::release::run(args, stack, console).await,
        Verb::Import(args) => verb::import::run(args, stack, console).await,
        Verb::Adopt(args) => verb::adopt::run(args, stack, console).await,
        Verb::Status(args) => verb::status::run(args, stack, console).await,
        Verb::Plan(args) => verb::plan::run(args, stack, console).await,
        Verb::Explain(args) => verb::explain::run(args, stack, console).await,
        Verb::Replay(args) => verb::replay::run(args, stack, console).await,
        Verb::Report(args) => verb::report::run(args, stack, console).await,
        Verb::Pause(args) => verb::pause::run(args, stack, console).await,
        Verb::Scale(args) => verb::scale::run(args, stack, console).await,
        Verb::Evacuate(args) => verb::evacuate::run(args, stack, console).await,
        Verb::Refresh(args) => verb::refresh::run(args, stack, console).await,
        Verb::Failover(args) => verb::failover::run(args, stack, console).await,
        Verb::Failback(args) => verb::failover::failback(args, stack, console).await,
        Verb::Undo(args) => verb::failover::undo(args, stack, console).await,
        Verb::Drill(args) => verb::failover::drill(args, stack, console).await,
        Verb::Resume(args) => verb::pause::resume(args, stack, console).await,
        Verb::Simulate(args) => verb::simulate::run_past(args, stack, console).await,
        Verb::Tune(args) => verb::tune::run_past(args, stack, console).await,
        Verb::Init(_) | Verb::Schema(_) | Verb::Completions(_) | Verb::Swarm(_) => Ok(()),
    }
}
