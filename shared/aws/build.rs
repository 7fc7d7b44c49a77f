//! Gives the build its name: the version, and a digest of everything that decides. Two builds whose decisions may differ
//! are told apart even when nobody counted up the version, so that `replay` knows what it may expect to be equal.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The core decides; the lock file says with which time zones and which mathematics.
const DECIDES: [&str; 2] = ["../core/src", "../../Cargo.lock"];

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for path in DECIDES {
        println!("cargo::rerun-if-changed={path}");
        collect(Path::new(path), &mut files)?;
    }
    files.sort();
    let mut digest = FNV_OFFSET;
    for file in &files {
        digest = fnv1a(fnv1a(digest, file.to_string_lossy().as_bytes()), &fs::read(file)?);
    }
    #[expect(clippy::disallowed_methods, reason = "cargo tells build scripts so")]
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=GHOSTNET_BUILD={version}+{digest:016x}");
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bit: the same on every machine and with every compiler.
fn fnv1a(digest: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes
        .iter()
        .fold(digest, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(PRIME))
}
