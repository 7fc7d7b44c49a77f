//! Whole-path tests, by situation, in `tests/tests/`. What several of them need stands here.

pub mod fake;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The top of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// Every payload in `events/`, by file name.
///
/// # Errors
/// If the folder or one of its files cannot be read.
pub fn event_payloads() -> io::Result<BTreeMap<String, Vec<u8>>> {
    fs::read_dir(root().join("events"))?
        .map(|entry| {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, fs::read(path)?))
        })
        .collect()
}

/// One payload in `events/`.
///
/// # Errors
/// If there is no such file.
pub fn event_payload(file: &str) -> io::Result<Vec<u8>> {
    fs::read(root().join("events").join(file))
}
