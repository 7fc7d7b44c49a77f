//! A fleet on a load, beside other autoscalers and the optimum.

use std::path::{Path, PathBuf};
use std::{fs, io};

use ghostnet_backtest::contest::{Contest, Contestant, Row, WorstHour, worst_hour};
use ghostnet_backtest::default_fleet;
use ghostnet_backtest::load::{Instance, Load};
use ghostnet_backtest::peer::Peer;
use ghostnet_backtest::replay::{Timing, World};
use ghostnet_backtest::trace::Trace;
use ghostnet_core::spec::{CapacityModel, FleetSpec, InstanceCapacity, Metric, NamedMetric, PoolRole, PoolSpec, Rule};
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::render;
use crate::report::backtest::{BacktestReport, Denominator, Expected};
use crate::spec_file;

/// So much of an instance may be used if nobody says otherwise.
const USED: f64 = 0.7;
/// A stopped instance costs its volumes: about a twentieth of a running one.
const STOPPED_PRICE: f64 = 0.05;
/// Warm-up if none is named: a week, or half of what there is.
const WARM_UP: Seconds = Seconds::minutes(7 * 24 * 60);

/// How a load is played.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --trace")]
pub(crate) struct Playing {
    /// The fleet's spec; a default one if absent (docs/backtest.md shows it)
    #[arg(long, value_name = "SPEC", conflicts_with = "scenario")]
    fleet: Option<PathBuf>,
    /// The pool that takes the load; the first active one if absent
    #[arg(long, value_name = "POOL", requires = "fleet")]
    pool: Option<String>,
    /// Who is compared: names, or `all`
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        conflicts_with = "scenario",
        default_value = "ghostnet"
    )]
    compare: Vec<String>,
    /// Everybody at the least cost that keeps the time above 90 % within this share, such as `1%`
    #[arg(long, value_name = "PERCENT", conflicts_with = "scenario", value_parser = percent)]
    iso_slo: Option<f64>,
    /// Requests per second that one instance can answer when all of it is used
    #[arg(long, value_name = "C", conflicts_with_all = ["scenario", "scale"], value_parser = capacity)]
    instance_capacity: Option<f64>,
    /// So many instances for the 95th percentile of the load at the target, such as `p95=20`
    #[arg(long, value_name = "p95=N", conflicts_with = "scenario", value_parser = scale)]
    scale: Option<u32>,
    /// So much of an instance may be used
    #[arg(long, value_name = "SHARE", conflicts_with = "scenario", value_parser = target)]
    target: Option<f64>,
    /// From a launch until the instance serves
    #[arg(long, value_name = "TIME", conflicts_with = "scenario", default_value = "180s", value_parser = time)]
    boot: Seconds,
    /// From the start of a stopped instance until it serves
    #[arg(long, value_name = "TIME", conflicts_with = "scenario", default_value = "30s", value_parser = time)]
    warm_start: Seconds,
    /// How late metrics are known
    #[arg(long, value_name = "TIME", conflicts_with = "scenario", default_value = "0s", value_parser = time)]
    metric_delay: Seconds,
    /// Whether the whole boot is waited for after the step in which it was decided (`strict`), or that step is part of it (`default`)
    #[arg(long, value_name = "HOW", conflicts_with = "scenario", default_value = "strict")]
    timing: WhichTiming,
    /// The first day that is played
    #[arg(long, value_name = "DATE", conflicts_with = "scenario", value_parser = date)]
    start: Option<Timestamp>,
    /// So many days are played
    #[arg(long, value_name = "N", conflicts_with = "scenario", value_parser = clap::value_parser!(u32).range(1..=3_660))]
    days: Option<u32>,
    /// What is played first and not scored; a week if absent, or half of what is played
    #[arg(long, value_name = "TIME", conflicts_with = "scenario", value_parser = time)]
    warmup: Option<Seconds>,
    /// Told with the result; nothing here is left to chance yet
    #[arg(long, value_name = "N", conflicts_with = "scenario", default_value_t = 1)]
    seed: u64,
    /// Write a page with charts
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    html: Option<PathBuf>,
    /// Write load and instances of each step
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    csv: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum WhichTiming {
    Strict,
    Default,
}

fn time(text: &str) -> Result<Seconds, &'static str> {
    Seconds::parse(text).ok_or("expected a whole number and a unit, such as 180s, 3m, 7d")
}

fn date(text: &str) -> Result<Timestamp, &'static str> {
    let midnight = || format!("{text}T00:00:00Z").parse();
    text.parse()
        .or_else(|_| midnight())
        .map_err(|_| "expected a day, such as 2026-06-01")
}

fn percent(text: &str) -> Result<f64, &'static str> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    let good = number.filter(|percent| *percent > 0.0 && *percent <= 50.0);
    good.ok_or("expected a share above 0% and at most 50%, such as 1% or 0.1%")
}

fn capacity(text: &str) -> Result<f64, &'static str> {
    let good = text.parse::<f64>().ok().filter(|each| each.is_finite() && *each > 0.0);
    good.ok_or("expected requests per second, above zero")
}

fn target(text: &str) -> Result<f64, &'static str> {
    let share = match text.strip_suffix('%') {
        Some(number) => number.parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    // a spec says it in whole percents
    let is_whole = |share: &f64| (100.0 * share - (100.0 * share).round()).abs() < 1e-9;
    let good = share.ok().filter(|share| *share > 0.0 && *share <= 1.0).filter(is_whole);
    good.ok_or("expected a share of an instance in whole percents, such as 0.7")
}

fn scale(text: &str) -> Result<u32, &'static str> {
    let instances = text.strip_prefix("p95=").and_then(|number| number.parse().ok());
    instances
        .filter(|instances| *instances > 0)
        .ok_or("expected a number of instances, such as p95=20")
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

/// Plays a load.
///
/// # Errors
/// The trace or the spec cannot be read, or nothing of them can be played.
pub(crate) fn run(path: &Path, args: &Playing, console: Console) -> Result<(), Failure> {
    let begun = ghostnet_aws::clock::now();
    let contestants = contestants(&args.compare)?;
    let text = fs::read_to_string(path).map_err(|source| read_failure(path, source))?;
    let trace = Trace::parse(&text).map_err(|error| Failure::Argument(format!("`{}`, {error}", path.display())))?;
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let load = load(&trace, args)?;
    let fleet = Fleet::of(args, &load)?;
    let contest = Contest {
        load: &load,
        world: fleet.world,
        spec: &fleet.spec,
        pool: &fleet.pool,
        iso: args.iso_slo,
    };
    let (rows, mut notes) = rows(&contest, &contestants, console);
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
            let hour = worst_hour(&load, &fleet.world, &row.course)?;
            Some((row.policy.clone(), hour, load.at(load.scored_from() + hour.step)))
        });
    if let Some(path) = &args.html {
        write_page(path, (&name, &trace), &contest, &rows, &notes)?;
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
            unit: trace.unit().to_string(),
            world: fleet.world,
            scored_from: load.at(load.scored_from()),
            worst,
        },
    };
    console.answer(&render::backtest::text(&backtest), &backtest)
}

fn read_failure(path: &Path, source: io::Error) -> Failure {
    Failure::Read {
        path: path.to_owned(),
        source,
    }
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

fn load(trace: &Trace, args: &Playing) -> Result<Load, Failure> {
    let last = trace.at(trace.values().len().saturating_sub(1));
    let start = args.start.unwrap_or_else(|| trace.start());
    let end = args.days.map_or(last, |days| Seconds(days.saturating_mul(86_400)).after(start));
    let nothing = || {
        let (first, last) = (trace.start(), last);
        Failure::Argument(format!(
            "nothing is left to play: the trace is from {first} to {last}\n  hint: see --start, --days and --warmup"
        ))
    };
    let window = trace.between(start, end).ok_or_else(nothing)?;
    let all = Seconds::between(window.start(), window.at(window.values().len().saturating_sub(1)));
    let warm_up = args.warmup.unwrap_or_else(|| WARM_UP.min(Seconds(all.0 / 2)));
    Load::of(&window, warm_up).ok_or_else(nothing)
}

/// A fleet and its world.
struct Fleet {
    spec: FleetSpec,
    pool: PoolSpec,
    world: World,
}

impl Fleet {
    fn of(args: &Playing, load: &Load) -> Result<Self, Failure> {
        let given = args
            .fleet
            .as_deref()
            .map(|path| read_spec(path, args.pool.as_deref()))
            .transpose()?;
        let implied = given.as_ref().map(|(_, pool)| implied(pool)).unwrap_or_default();
        let target = args.target.or(implied.target).unwrap_or(USED);
        let instance = match (args.instance_capacity, args.scale, implied.capacity) {
            (Some(capacity), _, _) | (None, None, Some(capacity)) => Some(Instance { capacity, target }),
            (None, instances, _) => Instance::for_p95(load, instances.unwrap_or(20), target),
        };
        let none = "the load is zero nearly all the time: say what one instance can do with --instance-capacity";
        let instance = instance.ok_or_else(|| Failure::Argument(none.to_owned()))?;
        let world = World {
            instance,
            boot: args.boot,
            warm_start: args.warm_start,
            stopped_price: STOPPED_PRICE,
            timing: match args.timing {
                WhichTiming::Strict => Timing::Strict,
                WhichTiming::Default => Timing::Default,
            },
            metric_delay: args.metric_delay,
        };
        let (spec, pool) = match given {
            Some(given) => given,
            None => default_fleet::of(instance).map_err(|error| Failure::Argument(error.to_string()))?,
        };
        Ok(Self { spec, pool, world })
    }

    fn left_out(&self) -> Option<String> {
        let names: Vec<String> = ghostnet_backtest::ghostnet::GhostNet::left_out(&self.pool)
            .map(|policy| format!("`{}`", policy.id))
            .collect();
        (!names.is_empty()).then(|| format!("not played, because a load does not tell what they measure: {}", names.join(", ")))
    }

    /// What one instance can do is learned from how much of it is used, and that nobody measures here.
    fn unlearned(&self) -> Option<String> {
        let learns = self.pool.policies.iter().filter(|policy| policy.learning().is_some());
        let names: Vec<String> = learns.map(|policy| format!("`{}`", policy.id)).collect();
        (!names.is_empty()).then(|| {
            format!(
                "without a vote, because what one instance can do is not learned in a backtest: {}",
                names.join(", ")
            )
        })
    }
}

fn read_spec(path: &Path, pool: Option<&str>) -> Result<(FleetSpec, PoolSpec), Failure> {
    let mut files = spec_file::read_all(&[path.to_owned()])?;
    let Some(file) = files.good.pop() else {
        return Err(Failure::Specs(files.bad));
    };
    let is_meant = |one: &&PoolSpec| pool.map_or(one.role == PoolRole::Active, |id| one.id.as_str() == id);
    let found = file.spec.pools.iter().find(is_meant).cloned();
    let names = || {
        file.spec
            .pools
            .iter()
            .map(|pool| pool.id.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let none = || Failure::Argument(format!("there is no such pool; there are {}", names()));
    let pool = found.ok_or_else(none)?;
    Ok((file.spec, pool))
}

/// What a spec says about its instances.
#[derive(Debug, Default)]
struct Implied {
    capacity: Option<f64>,
    target: Option<f64>,
}

/// Of a spec that says what an instance can do, that; of one that tracks requests per target, as many as use the target of the world.
fn implied(pool: &PoolSpec) -> Implied {
    pool.policies.iter().fold(Implied::default(), |implied, policy| match &policy.rule {
        Rule::Capacity(rule) => Implied {
            capacity: implied.capacity.or_else(|| match &rule.each {
                InstanceCapacity::Given(each) => Some(each.get()),
                InstanceCapacity::Learned(_) => None,
            }),
            target: implied.target.or_else(|| match rule.model {
                CapacityModel::Utilisation { at_most } => Some(at_most.ratio()),
                CapacityModel::ResponseTime { .. } => None,
            }),
        },
        Rule::TargetTracking(rule) if reads_requests_each(&rule.measure.metric) => Implied {
            capacity: implied.capacity.or_else(|| Some(rule.target.get() / 60.0 / USED)),
            target: implied.target,
        },
        _ => implied,
    })
}

fn reads_requests_each(metric: &Metric) -> bool {
    matches!(metric, Metric::Named { name, .. } if *name == NamedMetric::AlbRequestCountPerTarget)
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

fn write_page(path: &Path, (name, trace): (&str, &Trace), contest: &Contest<'_>, rows: &[Row], notes: &[String]) -> Result<(), Failure> {
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
        unit: &trace.unit().to_string(),
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
    report.worst = report
        .subject()
        .and_then(|row| worst_hour(contest.load, &contest.world, &row.course));
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
