//! `ghostnet completions`: what a shell needs to complete this command.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::console::Console;
use crate::failure::Failure;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet completions bash > /etc/bash_completion.d/ghostnet
  ghostnet completions zsh > ~/.zfunc/_ghostnet")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the completions.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn run(args: &Args, console: Console) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::Cli::command(), "ghostnet", &mut script);
    console.data(&String::from_utf8_lossy(&script))
}
