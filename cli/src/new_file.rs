//! Writes a file that does not exist yet: what is there was made by somebody.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::failure::Failure;

/// Writes a new file; `hint` says what to do if there is one.
///
/// # Errors
/// The file exists, or cannot be written.
pub(crate) fn write(path: &Path, text: &str, hint: &'static str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => Failure::Exists {
                path: path.to_owned(),
                hint,
            },
            _ => Failure::Write {
                path: path.to_owned(),
                source,
            },
        })
}
