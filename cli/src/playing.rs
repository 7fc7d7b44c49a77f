//! A load and the fleet that it is played to, as arguments name them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use ghostnet_backtest::default_fleet;
use ghostnet_backtest::load::{Implied, Instance, Load, USED};
use ghostnet_backtest::replay::{Timing, World};
use ghostnet_backtest::trace::Trace;
use ghostnet_core::spec::{FleetSpec, PoolRole, PoolSpec};
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use crate::console::Console;
use crate::failure::Failure;
use crate::past_load;
use crate::spec_file;

/// Where the load comes from: one of these.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Source {
    /// The load: a CSV file
    #[arg(long, value_name = "FILE", group = "what")]
    pub(crate) trace: Option<PathBuf>,
    /// The load: what CloudWatch knows of the fleet's own, of the last 14 days or --days
    #[arg(long, group = "what", requires = "fleet")]
    pub(crate) cloudwatch: bool,
}

/// A load that is played, and what is worth telling about it.
#[derive(Debug)]
pub(crate) struct Played {
    /// The load.
    pub(crate) trace: Trace,
    /// What it is called.
    pub(crate) name: String,
    /// What is worth telling.
    pub(crate) notes: Vec<String>,
}

impl Played {
    /// Of a file.
    ///
    /// # Errors
    /// It cannot be read, or is no trace.
    pub(crate) fn of_file(path: &Path) -> Result<Self, Failure> {
        let name = path
            .file_name()
            .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        Ok(Self {
            trace: trace(path)?,
            name,
            notes: Vec::new(),
        })
    }

    /// Of the fleet's own past.
    ///
    /// # Errors
    /// The spec cannot be read, AWS does not answer, or knows nothing.
    pub(crate) async fn of_cloudwatch(args: &Args, stack: &str, console: Console) -> Result<Self, Failure> {
        // clap wants a spec beside it
        let path = args.fleet.as_deref().unwrap_or_else(|| Path::new("fleet.yaml"));
        let (spec, pool) = read_spec(path, args.pool.as_deref())?;
        past_load::read(stack, (&spec, &pool), args.days.unwrap_or(past_load::DAYS), console).await
    }
}

/// The fleet, and the world in which it plays.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// The fleet's spec; a default one if absent (docs/backtest.md shows it)
    #[arg(long, value_name = "SPEC")]
    pub(crate) fleet: Option<PathBuf>,
    /// The pool that takes the load; the first active one if absent
    #[arg(long, value_name = "POOL", requires = "fleet")]
    pub(crate) pool: Option<String>,
    /// Requests per second that one instance can answer when all of it is used
    #[arg(long, value_name = "C", conflicts_with = "scale", value_parser = capacity)]
    pub(crate) instance_capacity: Option<f64>,
    /// So many instances for the 95th percentile of the load at the target, such as `p95=20`
    #[arg(long, value_name = "p95=N", value_parser = scale)]
    pub(crate) scale: Option<u32>,
    /// So much of an instance may be used
    #[arg(long, value_name = "SHARE", value_parser = target)]
    pub(crate) target: Option<f64>,
    /// From a launch until the instance serves
    #[arg(long, value_name = "TIME", default_value = "180s", value_parser = time)]
    pub(crate) boot: Seconds,
    /// From the start of a stopped instance until it serves; kept where the fleet's spec says `warm`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(crate) warm_start: Seconds,
    /// How late metrics are known
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    pub(crate) metric_delay: Seconds,
    /// Whether the whole boot is waited for after the step in which it was decided (`strict`), or that step is part of it (`default`)
    #[arg(long, value_name = "HOW", default_value = "strict")]
    pub(crate) timing: WhichTiming,
    /// The first day that is played
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) start: Option<Timestamp>,
    /// So many days are played
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_660))]
    pub(crate) days: Option<u32>,
}

/// When a launched instance serves.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum WhichTiming {
    /// The whole boot is waited for.
    Strict,
    /// The step of the decision is part of the boot.
    Default,
}

/// A length of time: `180s`, `3m`.
pub(crate) fn time(text: &str) -> Result<Seconds, &'static str> {
    Seconds::parse(text).ok_or("expected a whole number and a unit, such as 180s, 3m, 7d")
}

fn date(text: &str) -> Result<Timestamp, &'static str> {
    let midnight = || format!("{text}T00:00:00Z").parse();
    text.parse()
        .or_else(|_| midnight())
        .map_err(|_| "expected a day, such as 2026-06-01")
}

fn capacity(text: &str) -> Result<f64, &'static str> {
    let good = text.parse::<f64>().ok().filter(|each| each.is_finite() && *each > 0.0);
    good.ok_or("expected requests per second, above zero")
}

/// A share of an instance: `0.7`, `70%`.
pub(crate) fn target(text: &str) -> Result<f64, &'static str> {
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

/// A share in percent: `1%`, `0.1%`.
pub(crate) fn percent(text: &str) -> Result<f64, &'static str> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    let good = number.filter(|percent| *percent > 0.0 && *percent <= 50.0);
    good.ok_or("expected a share above 0% and at most 50%, such as 1% or 0.1%")
}

/// The trace in a file.
///
/// # Errors
/// It cannot be read, or is no trace.
fn trace(path: &Path) -> Result<Trace, Failure> {
    let unreadable = |source| Failure::Read {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    Trace::read(io::BufReader::new(file)).map_err(|error| Failure::Unplayable {
        what: format!("`{}`, {error}", path.display()),
        hint: error.hint,
    })
}

/// The part of a trace that is played, of which so much is history only: `warm_up` is told how long all of it is.
///
/// # Errors
/// Nothing is left.
pub(crate) fn load(trace: &Trace, args: &Args, warm_up: impl FnOnce(Seconds) -> Seconds) -> Result<Load, Failure> {
    let last = trace.at(trace.values().len().saturating_sub(1));
    let start = args.start.unwrap_or_else(|| trace.start());
    let end = args.days.map_or(last, |days| Seconds(days.saturating_mul(86_400)).after(start));
    let nothing = || {
        let (first, last) = (trace.start(), last);
        Failure::Unplayable {
            what: format!("nothing is left to play: the trace is from {first} to {last}"),
            hint: "see --start and --days, and what is played before",
        }
    };
    let window = trace.between(start, end).ok_or_else(nothing)?;
    let all = Seconds::between(window.start(), window.at(window.values().len().saturating_sub(1)));
    Load::of(&window, warm_up(all)).ok_or_else(nothing)
}

/// A fleet and its world.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// The fleet.
    pub(crate) spec: FleetSpec,
    /// The pool of it that takes the load.
    pub(crate) pool: PoolSpec,
    /// What it runs on.
    pub(crate) world: World,
}

impl Fleet {
    /// As arguments name it; without a spec the default fleet.
    ///
    /// # Errors
    /// The spec cannot be read, or nothing says what an instance can do.
    pub(crate) fn of(args: &Args, load: &Load) -> Result<Self, Failure> {
        let given = args
            .fleet
            .as_deref()
            .map(|path| read_spec(path, args.pool.as_deref()))
            .transpose()?;
        let implied = given.as_ref().map(|(_, pool)| Implied::of(pool)).unwrap_or_default();
        let target = args.target.or(implied.target).unwrap_or(USED);
        let instance = match (args.instance_capacity, args.scale, implied.capacity) {
            (Some(capacity), _, _) | (None, None, Some(capacity)) => Some(Instance { capacity, target }),
            (None, instances, _) => Instance::for_p95(load, instances.unwrap_or(20), target),
        };
        let instance = instance.ok_or_else(|| Failure::Unplayable {
            what: "the load is zero nearly all the time, and does not say what one instance can do".to_owned(),
            hint: "say it with --instance-capacity",
        })?;
        let world = World {
            boot: args.boot,
            warm_start: args.warm_start,
            timing: match args.timing {
                WhichTiming::Strict => Timing::Strict,
                WhichTiming::Default => Timing::Default,
            },
            metric_delay: args.metric_delay,
            ..World::of(instance)
        };
        let (spec, pool) = match given {
            Some(given) => given,
            None => default_fleet::of(instance).map_err(|error| Failure::Argument(error.to_string()))?,
        };
        Ok(Self { spec, pool, world })
    }

    /// Policies that are not played, in a sentence; none: all are.
    pub(crate) fn left_out(&self) -> Option<String> {
        let names: Vec<String> = ghostnet_backtest::ghostnet::GhostNet::left_out(&self.pool)
            .map(|policy| format!("`{}`", policy.id))
            .collect();
        (!names.is_empty()).then(|| format!("not played, because a load does not tell what they measure: {}", names.join(", ")))
    }

    /// Policies without a vote, in a sentence: what one instance can do is learned from how much of it is used, and that nobody measures here.
    pub(crate) fn unlearned(&self) -> Option<String> {
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
