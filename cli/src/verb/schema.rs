//! `ghostnet schema`: the JSON Schema of fleet specs, for editors.

use crate::console::Console;
use crate::failure::Failure;

/// Print the JSON Schema of fleet specs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet schema > fleet.schema.json
  # then let your editor use it, in the first line of a spec:
  # yaml-language-server: $schema=fleet.schema.json")]
pub(crate) struct Args {}

/// Prints the schema.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn run(console: Console) -> Result<(), Failure> {
    console.data(&crate::schema::text())
}
