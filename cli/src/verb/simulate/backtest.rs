//! A fleet on a load, beside other autoscalers and the optimum.

use std::path::{Path, PathBuf};
use std::{fs, io};

use ghostnet_backtest::contest::{Contest, Contestant, Keeps, Row, WorstHour};
use ghostnet_backtest::load::Load;
use ghostnet_backtest::peer::Peer;
use ghostnet_backtest::replay::World;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::playing::{self, Fleet};
use crate::render;
use crate::report::backtest::{BacktestReport, Denominator, Expected};

/// Warm-up if none is named: a week, or half of what there is.
const WARM_UP: Seconds = Seconds::minutes(7 * 24 * 60);

/// Who is compared, and what is written.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --trace or --cloudwatch")]
#[group(skip)]
pub(crate) struct Args {
    #[command(flatten)]
    world: playing::Args,
    /// Who is compared: names, or `all`
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = "ghostnet")]
    compare: Vec<String>,
    /// Everybody at the least cost that keeps the time above 90 % within this share, such as `1%`
    #[arg(long, value_name = "PERCENT", value_parser = playing::percent)]
    iso_slo: Option<f64>,
    /// What is played first and not scored; a week if absent, or half of what is played
    #[arg(long, value_name = "TIME", value_parser = playing::time)]
    warmup: Option<Seconds>,
    /// Told with the result; nothing here is left to chance yet
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write a page with charts
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write load and instances of each step
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// What came of it. The JSON form is stable.
#[derive(Debug, Serialize)]
pub(crate) struct Backtest {
    /// The file.
    pub(crate) trace: String,
    /// Steps that are scored.
    pub(crate) steps: usize,
    /// Length of a step.
    pub(crate) step_seconds: u32,
    /// As given.
    pub(crate) seed: u64,
    /// How long it took.
    pub(crate) wall_ms: u64,
    /// What everybody is measured by.
    pub(crate) optimum: Optimum,
    /// Everybody who was compared.
    pub(crate) rows: Vec<Row>,
    /// What else is worth telling.
    pub(crate) notes: Vec<String>,
    /// How it was played.
    #[serde(skip)]
    pub(crate) played: Played,
}

/// What everybody is measured by.
#[derive(Debug, Serialize)]
pub(crate) struct Optimum {
    /// What the cheapest schedule costs.
    pub(crate) instance_hours: f64,
    /// It never uses more than so much of its instances.
    pub(crate) never_above: f64,
}

/// How it was played, for people.
#[derive(Debug)]
pub(crate) struct Played {
    /// Unit of the load.
    pub(crate) unit: String,
    /// The world.
    pub(crate) world: World,
    /// When the first scored step is.
    pub(crate) scored_from: Timestamp,
    /// The worst hour of the fleet itself, and its begin.
    pub(crate) worst: Option<(String, WorstHour, Timestamp)>,
}

impl Args {
    /// The fleet, and the world in which it plays.
    pub(crate) fn world(&self) -> &playing::Args {
        &self.world
    }

    /// Who is compared. Asked before a load is read: that may take a while.
    ///
    /// # Errors
    /// A name is none.
    pub(crate) fn contestants(&self) -> Result<Vec<Contestant>, Failure> {
        contestants(&self.compare)
    }
}

/// Plays a load.
///
/// # Errors
/// The trace or the spec cannot be read, or nothing of them can be played.
pub(crate) fn run(played: playing::Played, contestants: &[Contestant], args: &Args, console: Console) -> Result<(), Failure> {
    let begun = ghostnet_aws::clock::now();
    let playing::Played {
        trace,
        name,
        notes: of_load,
    } = played;
    let load = playing::load(&trace, &args.world, |all| {
        args.warmup.unwrap_or_else(|| WARM_UP.min(Seconds(all.0 / 2)))
    })?;
    let unit = trace.unit().to_string();
    // it is on the grid now
    drop(trace);
    let fleet = Fleet::of(&args.world, &load)?;
    let contest = Contest {
        load: &load,
        world: fleet.world,
        spec: &fleet.spec,
        pool: &fleet.pool,
        iso: args.iso_slo,
        keeps: match (&args.html, &args.csv) {
            (Some(_), _) => Keeps::Reasons,
            (None, Some(_)) => Keeps::Courses,
            (None, None) => Keeps::Results,
        },
    };
    let (rows, mut notes) = rows(&contest, contestants, console);
    notes.extend(of_load);
    notes.extend(fleet.left_out());
    notes.extend(fleet.unlearned());
    if let Some(path) = &args.csv {
        write_csv(path, &load, &fleet.world, &rows)?;
    }
    let worst = rows
        .iter()
        .find(|row| row.policy.starts_with("ghostnet"))
        .or_else(|| rows.first())
        .and_then(|row| {
            let hour = row.worst?;
            Some((row.policy.clone(), hour, load.at(load.scored_from() + hour.step)))
        });
    if let Some(path) = &args.html {
        write_page(path, (&name, &unit), &contest, &rows, &notes)?;
    }
    let never_above = contest.denominator();
    let backtest = Backtest {
        trace: name,
        steps: load.scored().len(),
        step_seconds: load.step().0,
        seed: args.seed,
        wall_ms: u64::try_from(ghostnet_aws::clock::now().duration_since(begun).as_millis()).unwrap_or_default(),
        optimum: Optimum {
            instance_hours: contest.optimum_hours(),
            never_above,
        },
        rows,
        notes,
        played: Played {
            unit,
            world: fleet.world,
            scored_from: load.at(load.scored_from()),
            worst,
        },
    };
    console.answer(&render::backtest::text(&backtest), &backtest)
}

fn contestants(names: &[String]) -> Result<Vec<Contestant>, Failure> {
    let optimum = Contestant::Peer(Peer::Optimum);
    let mut contestants = vec![optimum];
    for name in names {
        if name == "all" {
            contestants.extend(Contestant::all());
        } else {
            let one = name.parse::<Contestant>();
            contestants.push(one.map_err(|error| Failure::Argument(format!("--compare: {error}")))?);
        }
    }
    // the fleet itself is always there, and nobody twice
    contestants.insert(1, Contestant::GhostNet);
    let mut once = Vec::new();
    for contestant in contestants {
        if !once.contains(&contestant) {
            once.push(contestant);
        }
    }
    Ok(once)
}

fn rows(contest: &Contest<'_>, contestants: &[Contestant], console: Console) -> (Vec<Row>, Vec<String>) {
    let hours = contest.optimum_hours();
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    let bar = console.bar(contestants.len(), "{bar:40} {pos}/{len} policies, {msg}");
    for contestant in contestants {
        bar.set_message(contestant.to_string());
        match contest.row(*contestant, hours) {
            Some(row) => rows.push(row),
            None => notes.push(match (contestant, contest.iso) {
                (Contestant::GhostNet | Contestant::GhostNetTuned, _) => {
                    format!("`{contestant}` is not in the table: the spec has no policy of type `predictive`, or none of its settings keeps the objective")
                }
                (_, Some(limit)) => format!("`{contestant}` is not in the table: at no headroom it keeps the time above 90 % within {limit} %"),
                (_, None) => format!("`{contestant}` is not in the table"),
            }),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    (rows, notes)
}

fn write_page(path: &Path, (name, unit): (&str, &str), contest: &Contest<'_>, rows: &[Row], notes: &[String]) -> Result<(), Failure> {
    let ahead: Vec<Expected> = contest
        .expected()
        .into_iter()
        .map(|ahead| Expected {
            step: ahead.step,
            median: ahead.median,
            upper: ahead.upper,
        })
        .collect();
    let mut report = BacktestReport {
        trace: name,
        unit,
        load: contest.load,
        world: &contest.world,
        optimum: Denominator {
            hours: contest.optimum_hours(),
            used: contest.denominator(),
        },
        rows,
        worst: None,
        forecast: &ahead,
        notes,
        command: &std::env::args().collect::<Vec<_>>().join(" "),
        build: &ghostnet_aws::function::build(),
    };
    report.worst = report.subject().and_then(|row| row.worst);
    fs::write(path, render::backtest::page(&report)).map_err(|source| Failure::Write {
        path: path.to_owned(),
        source,
    })
}

fn write_csv(path: &Path, load: &Load, world: &World, rows: &[Row]) -> Result<(), Failure> {
    let unwritable = |error: csv::Error| Failure::Write {
        path: path.to_owned(),
        source: io::Error::other(error),
    };
    let mut writer = csv::Writer::from_path(path).map_err(unwritable)?;
    let header = ["timestamp", "load", "needed"].into_iter().map(str::to_owned);
    writer
        .write_record(header.chain(rows.iter().map(|row| row.policy.clone())))
        .map_err(unwritable)?;
    for (place, rate) in load.scored().iter().enumerate() {
        let at = load.at(load.scored_from() + place).to_string();
        let serving = |row: &Row| row.course.serving.get(place).map(u32::to_string).unwrap_or_default();
        let cells = [at, rate.to_string(), world.instance.needed(*rate).to_string()].into_iter();
        writer.write_record(cells.chain(rows.iter().map(serving))).map_err(unwritable)?;
    }
    writer.flush().map_err(|source| Failure::Write {
        path: path.to_owned(),
        source,
    })
}
