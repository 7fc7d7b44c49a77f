//! `ghostnet`: the command line. Parses, runs one verb, maps its end to an exit code.

mod cli;
mod console;
mod failure;
mod render;
mod schema;
mod spec_file;
mod verb;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Verb};
use crate::console::Console;
use crate::failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console { json: cli.json };
    match run(&cli.verb, console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console.say(&failure.report());
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb, console: Console) -> Result<(), Failure> {
    match verb {
        Verb::Init(args) => verb::init::run(args, console),
        Verb::Validate(args) => verb::validate::run(args, console),
        Verb::Schema(_) => verb::schema::run(console),
        Verb::Completions(args) => verb::completions::run(args, console),
    }
}
