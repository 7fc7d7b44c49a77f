//! `ghostnet init`: a commented spec to begin with.

use std::path::PathBuf;

use ghostnet_core::id::FleetId;

use crate::console::Console;
use crate::failure::Failure;
use crate::new_file;

const TEMPLATE: &str = include_str!("init.yaml");

/// Write a commented fleet spec to begin with
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet init > web.yaml
  ghostnet init web.yaml --fleet checkout")]
pub(crate) struct Args {
    /// The file to write; never one that exists. Standard output if absent
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The fleet's id
    #[arg(long, default_value = "web")]
    fleet: FleetId,
}

/// Writes the spec.
///
/// # Errors
/// The file exists, or cannot be written.
pub(crate) fn run(args: &Args, console: Console) -> Result<(), Failure> {
    let text = spec(&args.fleet);
    let Some(path) = &args.file else { return console.data(&text) };
    new_file::write(path, &text, "choose another name, or leave the name away to print the spec")?;
    console.say(&format!(
        "wrote {}\nhint: edit it, then `ghostnet validate {}`",
        path.display(),
        path.display()
    ));
    Ok(())
}

/// The spec for a fleet of this id.
fn spec(fleet: &FleetId) -> String {
    TEMPLATE.replace("__FLEET__", fleet.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_to_begin_with_has_no_problems() {
        let Ok(fleet) = "checkout".parse() else { panic!("a good id") };
        let read = crate::spec_file::read("", &spec(&fleet)).map(|file| file.spec.id);
        assert_eq!(read, Ok(fleet));
    }
}
