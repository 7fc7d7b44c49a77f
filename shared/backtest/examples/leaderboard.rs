//! `make leaderboard`: every policy on the public traces, as a page of Markdown on standard output.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program that prints a page")]

#[path = "../tests/public/traces.rs"]
#[expect(dead_code, reason = "what is published of the traces is held to by the tests")]
mod traces;

use std::collections::BTreeMap;

use ghostnet_backtest::contest::{Contest, Contestant, Keeps, Row};
use ghostnet_backtest::default_fleet;
use ghostnet_backtest::load::Load;
use ghostnet_backtest::replay::World;
use ghostnet_core::unit::Seconds;
use traces::{SCORED, Window};

/// The first five are slow, the others bursty.
const SLOW: usize = 5;

/// Of each contestant, what it came to on each trace; none: it did not keep the objective there.
type Table = Vec<(Contestant, Vec<Option<Row>>)>;

fn main() {
    let mut loads = Vec::new();
    for window in SCORED {
        let Some(load) = window.load() else {
            eprintln!("SKIPPED: there is no leaderboard without the traces");
            return;
        };
        loads.push((window, load));
    }
    println!("{HEAD}");
    println!("\n## At defaults\n\nTarget 70 %. Cost is relative to the cheapest schedule that is never above 70 %.\n");
    let shapes = [("slow: ", 0..SLOW), ("bursty: ", SLOW..loads.len())];
    groups(&play(&loads, 180, None), &shapes);
    for percent in [1.0, 0.1] {
        println!(
            "\n## At most {percent} % of the time above 90 %\n\nCost is relative to the cheapest schedule that is never above 90 %. In brackets: the time above 90 %.\n"
        );
        at_limit(&play(&loads, 180, Some(percent)));
    }
    println!("\n## Bursty load at defaults, with starts of 30 s\n\nCost is relative to the cheapest schedule that is never above 70 %.\n");
    let bursty: Vec<_> = loads.into_iter().skip(SLOW).collect();
    groups(&play(&bursty, 30, None), &[("", 0..bursty.len())]);
}

fn play(loads: &[(&Window, Load)], boot: u32, iso: Option<f64>) -> Table {
    let mut table: Table = Contestant::all().map(|contestant| (contestant, Vec::new())).collect();
    for (window, load) in loads {
        let instance = window.instance(load);
        let world = World {
            boot: Seconds(boot),
            ..World::of(instance)
        };
        let (spec, pool) = default_fleet::of(instance).expect("the default fleet");
        let contest = Contest {
            load,
            world,
            spec: &spec,
            pool: &pool,
            iso,
            keeps: Keeps::Results,
        };
        let hours = contest.optimum_hours();
        for (contestant, rows) in &mut table {
            eprintln!("{} {contestant}", window.name);
            rows.push(contest.row(*contestant, hours));
        }
    }
    table
}

fn geometric<'a>(rows: impl Iterator<Item = &'a Option<Row>>) -> String {
    let logs: Option<Vec<f64>> = rows.map(|row| row.as_ref().map(|row| row.cost_ratio.ln())).collect();
    let mean = |logs: Vec<f64>| (logs.iter().sum::<f64>() / logs.len().max(1) as f64).exp();
    logs.map_or_else(|| "none".to_owned(), |logs| format!("{:.3}", mean(logs)))
}

fn arithmetic<'a>(rows: impl Iterator<Item = &'a Option<Row>>, of: impl Fn(&Row) -> f64, digits: usize) -> String {
    let values: Vec<f64> = rows.flatten().map(of).collect();
    format!("{:.digits$}", values.iter().sum::<f64>() / values.len().max(1) as f64)
}

/// The columns of [`cells`].
const COLUMNS: &str = "cost | > 70 % | > 90 % | lost | moves/day";

/// What a group of traces came to.
fn cells(rows: &[Option<Row>]) -> String {
    format!(
        "{} | {} % | {} % | {} % | {}",
        geometric(rows.iter()),
        arithmetic(rows.iter(), |row| row.score.under_percent, 2),
        arithmetic(rows.iter(), |row| row.score.over90_percent, 3),
        arithmetic(rows.iter(), |row| row.score.lost_percent, 3),
        moves(rows),
    )
}

fn moves(rows: &[Option<Row>]) -> String {
    arithmetic(rows.iter(), |row| row.score.scale_outs_per_day + row.score.scale_ins_per_day, 0)
}

/// A line for each contestant, and a group of cells for each group of traces.
fn groups(table: &Table, groups: &[(&str, std::ops::Range<usize>)]) {
    let heads: Vec<String> = groups.iter().map(|(name, _)| format!("{name}{COLUMNS}")).collect();
    println!("| policy | {} |", heads.join(" | "));
    println!("|---|{}", "---|".repeat(5 * groups.len()));
    for (contestant, rows) in table {
        let of_group = |(_, range): &(&str, std::ops::Range<usize>)| cells(rows.get(range.clone()).unwrap_or_default());
        println!("| {contestant} | {} |", groups.iter().map(of_group).collect::<Vec<_>>().join(" | "));
    }
}

fn at_limit(table: &Table) {
    let names: Vec<&str> = SCORED.iter().map(|window| window.name).collect();
    println!("| policy | {} | **slow** | **bursty** | moves/day |", names.join(" | "));
    println!("|---|{}---|---|---|", "---|".repeat(names.len()));
    for (contestant, rows) in table {
        let cell = |row: &Option<Row>| match row {
            Some(row) => format!("{:.2} ({:.2})", row.cost_ratio, row.score.over90_percent),
            None => "none".to_owned(),
        };
        let cells: Vec<String> = rows.iter().map(cell).collect();
        let (slow, bursty) = rows.split_at(SLOW);
        println!(
            "| {contestant} | {} | {} | {} | {} |",
            cells.join(" | "),
            geometric(slow.iter()),
            geometric(bursty.iter()),
            moves(rows)
        );
    }
    let chosen: BTreeMap<&str, String> = table
        .iter()
        .filter(|(contestant, _)| *contestant == Contestant::GhostNetTuned)
        .flat_map(|(_, rows)| names.iter().zip(rows))
        .filter_map(|(name, row)| Some((*name, row.as_ref()?.settings.values().next()?.clone())))
        .collect();
    println!("\nWhat `ghostnet-tuned` chose most often:\n");
    for (name, settings) in chosen {
        println!("- {name}: {settings}");
    }
}

const HEAD: &str = "# Leaderboard

Made by `make leaderboard`. Nine public load series, replayed as `docs/backtest.md` describes: grid of 30 s, boot of 180 s that is paid, strict
timing, instances scaled so that the 95th percentile of the load needs twenty at 70 %. Slow: wc98_group, nyc_taxi, appserver_2015_2017,
servegen_small, servegen_large. Bursty: nab_elb, nab_tweets_amzn, nab_tweets_goog, nab_tweets_fb. Costs of a group are geometric means,
percentages arithmetic ones.

How to read it honestly:

- `ghostnet-tuned` finds its settings from the past of the trace it plays, each night, and is told the objective. Everybody else with a
  headroom gets, in the tables with a limit, the one that turned out cheapest on the very days that are scored: in hindsight. That
  includes `ghostnet`, whose `caution` is chosen so.
- `aws-predictive` is an emulation: the forecast of the original is not public. Every other peer is written from its documentation; none of
  their code runs here.
- `static-peak` and `static-p99` know the load that is scored, and `optimum` knows everything.
- Coarse traces are read in straight lines between the middles of their buckets. Experts that follow a slope profit from that.
- The settings that are tried, and how one is chosen, were found by looking at these nine traces and at made-up ones.
- A policy without a number kept the objective at no headroom.

Sources of the traces: the 1998 World Cup site logs (Internet Traffic Archive, M. Arlitt and T. Jin; counts by N. Mahmoudi), the Numenta Anomaly
Benchmark, V. Saveris' application server traffic, and ServeGen (Alibaba, Apache-2.0).";
