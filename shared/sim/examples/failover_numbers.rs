//! The numbers of `docs/failover.md`: what each failure costs, by mode, and by whose rule traffic moves. The same figures each time.
//!
//! `cargo run --package ghostnet-sim --release --example failover_numbers`

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

use ghostnet_sim::clock::{Millis, SECOND};
use ghostnet_sim::toll::Toll;
use ghostnet_sim::trial::{By, Failure, Mode, Trial, Untried, run};

/// Worlds of each cell.
const SEEDS: u64 = 20;

/// A table: its title, what stands by, what happens, and whose rules are compared.
struct Table {
    title: &'static str,
    mode: Mode,
    failures: &'static [Failure],
    rules: &'static [By],
}

const FENCED: &[Failure] = &[Failure::Dies, Failure::FallsSilent, Failure::IsSlow, Failure::Pauses];

const TABLES: [Table; 8] = [
    Table {
        title: "Hot standby of the same size",
        mode: Mode::HotFull,
        failures: &[
            Failure::Dies,
            Failure::FallsSilent,
            Failure::IsSlow,
            Failure::Flaps,
            Failure::Pauses,
            Failure::OneIsSick,
            Failure::NoMetrics,
        ],
        rules: &[
            By::GhostNet,
            By::GhostNetTwoOfThree,
            By::GhostNetAndBack,
            By::Alternat,
            By::AcceleratorTen,
            By::AcceleratorThirty,
        ],
    },
    Table {
        title: "Hot standby of half the size",
        mode: Mode::HotHalf,
        failures: &[Failure::Dies, Failure::FallsSilent, Failure::IsSlow, Failure::Pauses],
        rules: &[By::GhostNet, By::Alternat, By::AcceleratorTen, By::AcceleratorThirty],
    },
    Table {
        title: "Cold standby",
        mode: Mode::Cold,
        failures: &[Failure::Dies, Failure::FallsSilent, Failure::IsSlow, Failure::Pauses],
        rules: &[By::GhostNet, By::Alternat, By::AcceleratorTen, By::AcceleratorThirty],
    },
    Table {
        title: "Two sides that share the traffic",
        mode: Mode::Shared,
        failures: &[Failure::Dies, Failure::FallsSilent, Failure::IsSlow, Failure::Pauses],
        rules: &[By::GhostNet, By::GhostNetTwoOfThree, By::GhostNetAndBack],
    },
    Table {
        title: "Hot standby of the same size, in one target group",
        mode: Mode::Swapped,
        failures: &[
            Failure::Dies,
            Failure::FallsSilent,
            Failure::IsSlow,
            Failure::Pauses,
            Failure::OneIsSick,
        ],
        rules: &[By::GhostNet, By::GhostNetTwoOfThree, By::GhostNetAndBack],
    },
    Table {
        title: "Hot standby of the same size, with `fencing: {}`",
        mode: Mode::Fenced,
        failures: FENCED,
        rules: &[By::GhostNet, By::GhostNetTwoOfThree, By::GhostNetAndBack],
    },
    Table {
        title: "Hot standby of the same size, with `fencing: { stop: true }`",
        mode: Mode::Stopped,
        failures: FENCED,
        rules: &[By::GhostNet, By::GhostNetTwoOfThree, By::GhostNetAndBack],
    },
    Table {
        title: "Degraded, with a hot standby of half the size",
        mode: Mode::Degraded,
        failures: &[Failure::BothDie],
        rules: &[By::GhostNet, By::Alternat, By::AcceleratorTen, By::AcceleratorThirty],
    },
];

fn main() -> Result<(), Untried> {
    for table in &TABLES {
        println!("### {}\n", table.title);
        println!("| failure | rule | decided | moved | all answered | lost | slow | page | moves | false |");
        println!("|---|---|---|---|---|---|---|---|---|---|");
        for failure in table.failures {
            for (rules, cells) in rows(table, *failure)? {
                println!("| {} | {rules} | {} |", name_of_failure(*failure), cells.join(" | "));
            }
        }
        println!();
    }
    Ok(())
}

/// Rules under which a failure costs the same have a row together.
fn rows(table: &Table, failure: Failure) -> Result<Vec<(String, Vec<String>)>, Untried> {
    let mut rows: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for by in table.rules {
        let trial = |seed| Trial {
            mode: table.mode,
            failure,
            by: *by,
            seed,
        };
        let tolls = (1..=SEEDS).map(|seed| run(&trial(seed))).collect::<Result<Vec<_>, _>>()?;
        let cells = cells(&tolls);
        match rows.iter_mut().find(|(_, other)| *other == cells) {
            Some((names, _)) => names.push(name_of_rule(*by)),
            None => rows.push((vec![name_of_rule(*by)], cells)),
        }
    }
    let joined = |(names, cells): (Vec<&str>, Vec<String>)| {
        let all = names.len() == table.rules.len();
        (if all { "any of these".to_owned() } else { names.join("; ") }, cells)
    };
    Ok(rows.into_iter().map(joined).collect())
}

fn name_of_failure(failure: Failure) -> &'static str {
    match failure {
        Failure::Dies => "dies, 20 min",
        Failure::FallsSilent => "silent, 20 min",
        Failure::IsSlow => "slow, 20 min",
        Failure::Flaps => "silent 2 of 5 min, 6 times",
        Failure::Pauses => "silent, 15 s",
        Failure::OneIsSick => "one of 4 sick, 10 min",
        Failure::NoMetrics => "no metrics, 30 min",
        Failure::BothDie => "both die, 10 min",
    }
}

fn name_of_rule(by: By) -> &'static str {
    match by {
        By::GhostNet => "GhostNet",
        By::GhostNetTwoOfThree => "`2 of 3`",
        By::GhostNetAndBack => "`failback: auto`",
        By::Alternat => "alternat",
        By::AcceleratorTen => "Accelerator, 10 s",
        By::AcceleratorThirty => "Accelerator, 30 s",
    }
}

fn cells(tolls: &[Toll]) -> Vec<String> {
    let times = |of: fn(&Toll) -> Option<Millis>| of_all(tolls.iter().map(of).map(|time| time.unwrap_or(Millis::MAX)), seconds);
    let requests = |of: fn(&Toll) -> f64| of_all(tolls.iter().map(of), |requests| grouped(&format!("{requests:.0}")));
    let counts = |of: fn(&Toll) -> u32| of_all(tolls.iter().map(of), |count| count.to_string());
    vec![
        times(Toll::decided_after),
        times(Toll::shifted_after),
        times(Toll::recovered_after),
        requests(|toll| toll.lost),
        requests(|toll| toll.slow),
        requests(|toll| toll.instead),
        counts(|toll| toll.moves),
        counts(|toll| toll.false_moves),
    ]
}

/// The median, and behind it the worst, if it is another one. Of an even number the lower of the two in the middle.
fn of_all<T: PartialOrd + Copy>(values: impl Iterator<Item = T>, shown: impl Fn(T) -> String) -> String {
    let mut values: Vec<T> = values.collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let (Some(median), Some(worst)) = (values.get((values.len().max(1) - 1) / 2), values.last()) else {
        return String::new();
    };
    let (median, worst) = (shown(*median), shown(*worst));
    if median == worst { median } else { format!("{median} ({worst})") }
}

fn seconds(time: Millis) -> String {
    if time == Millis::MAX {
        "–".to_owned()
    } else {
        // rounded up: what took a part of a second took it
        format!("{} s", (time + SECOND - 1) / SECOND)
    }
}

/// With a comma before each three digits.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
