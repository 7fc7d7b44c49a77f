//! The load of a fleet's last days, as CloudWatch has it. What was read is kept in a file, so that the next time only what came since
//! is asked for.

use std::path::{Path, PathBuf};
use std::{fs, io};

use etcetera::BaseStrategy;
use ghostnet_backtest::past;
use ghostnet_backtest::trace::{Trace, Unit};
use ghostnet_core::forecast::SETTLED_AFTER;
use ghostnet_core::id::{Region, digest};
use ghostnet_core::sample::Series;
use ghostnet_core::spec::metric::{Queries, QueryShape};
use ghostnet_core::spec::{FleetSpec, Metric, PoolSpec, Resolved};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::{Clock, MetricQuery, Metrics};
use jiff::Timestamp;

use crate::console::Console;
use crate::failure::Failure;
use crate::playing::Played;
use crate::resolve::resolve;
use crate::stack::Session;

/// So many days if nobody says otherwise.
pub(crate) const DAYS: u32 = 14;
/// CloudWatch keeps minutes for fifteen days, of which the first is being deleted.
const DAYS_OF_MINUTES: u32 = 14;
/// It keeps five minutes for sixty-three.
const DAYS_MOST: u32 = 62;
const FIVE_MINUTES: Seconds = Seconds::minutes(5);
const DAY: Seconds = Seconds::minutes(24 * 60);

/// Reads what came in during so many days, up to now.
///
/// # Errors
/// The pool does not count what comes in, AWS does not answer, or knows no datapoint.
pub(crate) async fn read(stack: &str, (spec, pool): (&FleetSpec, &PoolSpec), days: u32, console: Console) -> Result<Played, Failure> {
    if days > DAYS_MOST {
        return Err(Failure::Argument(format!("--days: CloudWatch keeps {DAYS_MOST} days, not {days}")));
    }
    let metric = past::counted(pool).ok_or_else(|| Failure::Unplayable {
        what: format!("nothing says which metric counts what pool `{}` gets", pool.id),
        hint: "it needs a policy of type `capacity`, or of type `target_tracking` on `alb_request_count_per_target`",
    })?;
    let session = Session::open(stack).await?;
    let resolved = match session.spec(&spec.id).await? {
        Some(stored) => stored.resolved,
        None => resolve(&session, spec).await?.resolved,
    };
    let query = Query::of(&metric, (spec, pool), &resolved, days)?;
    let until = query.whole(SETTLED_AFTER.before(session.aws.now()));
    let from = query.begin(until, days);
    let file = query.file(&session.stack.installation, (spec, pool));
    let kept = file.as_deref().and_then(|file| query.kept(file, from, until));
    let mut rates = kept.map_or_else(Vec::new, |kept| kept.values().to_vec());
    let asked = query.ask(&session, &mut rates, (from, until), console).await;
    if asked.is_err()
        && let (Some(file), Some(part)) = (&file, query.trace(from, rates.clone()))
    {
        // the next time it goes on from here; that it cannot is no worse than that it failed
        let _ = keep(file, &part);
    }
    let missing = asked?;
    let trace = query.trace(from, rates).ok_or_else(|| Failure::Unplayable {
        what: format!("CloudWatch has no datapoint of {metric}"),
        hint: "see whether the spec names the right target group, and whether anything came in",
    })?;
    let mut notes = Vec::new();
    if missing > 0 {
        let instead = if query.silence_is_zero {
            "nothing came in then"
        } else {
            "the one before holds there"
        };
        notes.push(format!(
            "{missing} datapoints are missing of {} that were asked for: {instead}",
            trace.values().len()
        ));
    }
    match file.map(|file| keep(&file, &trace).map(|()| file)) {
        Some(Ok(file)) => notes.push(format!("the load is kept in {}, a trace like any other", file.display())),
        Some(Err(error)) => notes.push(format!("the load could not be kept for the next time: {error}")),
        None => {}
    }
    let name = format!("{} of fleet {}, {days} days until {until}", metric, spec.id);
    Ok(Played { trace, name, notes })
}

/// What is asked of CloudWatch.
#[derive(Debug)]
struct Query {
    shape: QueryShape,
    /// Where the pool is; none: where the installation is.
    region: Option<Region>,
    period: Seconds,
    /// Load balancers publish nothing where nothing came in.
    silence_is_zero: bool,
}

impl Query {
    fn of(metric: &Metric, (spec, pool): (&FleetSpec, &PoolSpec), resolved: &Resolved, days: u32) -> Result<Self, Failure> {
        let Queries::One(mut shape) = metric.queries(&spec.id, pool, resolved) else {
            return Err(Failure::Unplayable {
                what: format!("{metric} is not one series"),
                hint: "the demand has to be one metric, or one expression",
            });
        };
        let period = if days > DAYS_OF_MINUTES {
            shape.period().max(FIVE_MINUTES)
        } else {
            shape.period().max(Seconds(60))
        };
        set_period(&mut shape, period);
        let silence_is_zero = past::silence_is_zero(&shape);
        Ok(Self {
            shape,
            region: pool.region.clone(),
            period,
            silence_is_zero,
        })
    }

    fn trace(&self, from: Timestamp, rates: Vec<f64>) -> Option<Trace> {
        Trace::new(Unit::RequestsPerSecond, from, self.period, rates)
    }

    /// When what is asked for begins: a load is known from the middle of one period to that of another, so that whole days take one more.
    fn begin(&self, until: Timestamp, days: u32) -> Timestamp {
        Seconds(DAY.0.saturating_mul(days).saturating_add(self.period.0)).before(until)
    }

    /// The end of the last whole period.
    fn whole(&self, at: Timestamp) -> Timestamp {
        let second = at.as_second();
        let over = second.rem_euclid(i64::from(self.period.0.max(1)));
        Timestamp::from_second(second.saturating_sub(over)).unwrap_or(at)
    }

    /// Where what was read is kept: a file for each metric, so that another one is read anew. None: this machine has no such place.
    fn file(&self, installation: &str, (spec, pool): (&FleetSpec, &PoolSpec)) -> Option<PathBuf> {
        let strategy = etcetera::choose_base_strategy().ok()?;
        let asked = serde_json::to_string(&self.shape).ok()?;
        let digest: String = digest(&format!("{installation}/{asked}")).chars().take(12).collect();
        let name = format!("{}-{}-{digest}.csv", spec.id, pool.id);
        Some(strategy.cache_dir().join("ghostnet").join(name))
    }

    /// What is kept of a time; none: its beginning is not.
    fn kept(&self, file: &Path, from: Timestamp, until: Timestamp) -> Option<Trace> {
        let trace = Trace::read(io::BufReader::new(fs::File::open(file).ok()?)).ok()?;
        let fits = trace.step() == self.period && trace.start() <= from && self.whole(trace.start()) == trace.start();
        let last = self.period.before(until);
        trace.between(from, last).filter(|_| fits).filter(|kept| kept.start() == from)
    }

    /// Asks for what is not known yet, day by day. How many datapoints are missing.
    async fn ask(
        &self,
        session: &Session,
        rates: &mut Vec<f64>,
        (from, until): (Timestamp, Timestamp),
        console: Console,
    ) -> Result<usize, Failure> {
        let nth = |place: usize| {
            let periods = u32::try_from(place).unwrap_or(u32::MAX);
            Seconds(self.period.0.saturating_mul(periods)).after(from)
        };
        let a_day = usize::try_from(DAY.0 / self.period.0.max(1)).unwrap_or(1).max(1);
        let all = usize::try_from(Seconds::between(from, until).0 / self.period.0.max(1)).unwrap_or_default();
        let bar = console.bar(all.saturating_sub(rates.len()), "{bar:40} {pos}/{len} datapoints from CloudWatch");
        let (mut missing, mut seen) = (0, !rates.is_empty());
        while rates.len() < all {
            let (begin, count) = (nth(rates.len()), a_day.min(all - rates.len()));
            let query = MetricQuery {
                shape: self.shape.clone(),
                points: u32::try_from(count).unwrap_or(u32::MAX),
            };
            let answer = session
                .aws
                .series(
                    self.region.as_ref().unwrap_or_else(|| session.aws.home()),
                    &[query],
                    nth(rates.len() + count),
                )
                .await;
            let answer = answer.map_err(Failure::aws("the past load cannot be read"))?;
            let points = match answer.into_iter().next() {
                Some(Series::Points { points, .. }) => points,
                Some(Series::Failed { why }) => {
                    return Err(Failure::Unplayable {
                        what: format!("CloudWatch does not answer: {why}"),
                        hint: "try again; what was read before is kept",
                    });
                }
                _ => Vec::new(),
            };
            seen |= !points.is_empty();
            let day = past::rates(&points, begin, self.period, count);
            missing += past::fill(&day, self.silence_is_zero, rates);
            bar.inc(u64::try_from(count).unwrap_or_default());
        }
        bar.finish_and_clear();
        if !seen {
            rates.clear();
        }
        Ok(missing)
    }
}

fn set_period(shape: &mut QueryShape, to: Seconds) {
    match shape {
        QueryShape::Stat(stat) => stat.period = to,
        QueryShape::Expression { inputs, period, .. } => {
            inputs.values_mut().for_each(|stat| stat.period = to);
            *period = to;
        }
    }
}

/// Writes a trace. Beside it first, so that nobody ever reads half of one.
fn keep(file: &Path, trace: &Trace) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::NotFound)?;
    fs::create_dir_all(folder)?;
    let beside = file.with_extension(format!("{}.part", std::process::id()));
    let mut writer = csv::Writer::from_path(&beside)?;
    writer.write_record(["timestamp", "requests_per_second"])?;
    for (place, rate) in trace.values().iter().enumerate() {
        writer.write_record([trace.at(place).to_string(), rate.to_string()])?;
    }
    writer.flush()?;
    fs::rename(beside, file)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ghostnet_backtest::load::Load;
    use ghostnet_core::spec::metric::Stat;

    use super::*;

    fn query(namespace: &str, days: u32) -> Query {
        let metric = Metric::Stat(Stat {
            namespace: namespace.to_owned(),
            name: "Requests".to_owned(),
            dimensions: BTreeMap::new(),
            statistic: "Sum".to_owned(),
            period: Seconds(60),
        });
        let raw = serde_json::from_value(serde_json::json!({
            "fleet": "web",
            "defaults": { "capacity": { "min": 1, "max": 3 }, "launch": { "template": { "name": "web" }, "subnets": ["subnet-a"] } },
            "pools": [{ "id": "blue" }],
            "policies": [{ "id": "cpu", "type": "target_tracking", "metric": "cpu", "target": 50 }],
        }));
        let spec = FleetSpec::check(&raw.unwrap()).unwrap();
        Query::of(&metric, (&spec, &spec.pools[0]), &Resolved::default(), days).unwrap()
    }

    #[test]
    fn more_days_than_cloudwatch_keeps_minutes_of_are_read_in_steps_of_five() {
        assert_eq!((query("Own", 14).period, query("Own", 15).period), (Seconds(60), FIVE_MINUTES));
        assert_eq!(query("Own", 15).shape.period(), FIVE_MINUTES);
    }

    #[test]
    fn so_many_days_of_load_are_whole_ones() {
        let until: Timestamp = "2026-11-15T00:00:00Z".parse().unwrap();
        for days in [14, 15] {
            let query = query("Own", days);
            let from = query.begin(until, days);
            let periods = usize::try_from(Seconds::between(from, until).0 / query.period.0).unwrap();
            let load = Load::of(&query.trace(from, vec![1.0; periods]).unwrap(), Seconds(0)).unwrap();
            assert_eq!(
                load.at(load.rates().len()),
                Seconds(DAY.0 * days).after(load.start()),
                "{days} days"
            );
        }
    }

    #[test]
    fn a_load_balancer_says_by_its_silence_that_nothing_came_in() {
        assert!(query("AWS/ApplicationELB", 14).silence_is_zero && !query("Own", 14).silence_is_zero);
    }

    #[test]
    fn what_is_kept_is_used_only_if_its_beginning_is_there() {
        let folder = std::env::temp_dir().join(format!("ghostnet-past-load-{}", std::process::id()));
        let file = folder.join("web.csv");
        let query = query("Own", 14);
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let minute = |n: u32| Seconds::minutes(n).after(start);
        let trace = Trace::new(Unit::RequestsPerSecond, start, Seconds(60), vec![1.0, 2.5, 1.0 / 3.0, 4.0]).unwrap();
        keep(&file, &trace).unwrap();
        assert_eq!(query.kept(&file, start, minute(4)), Some(trace));
        let later = query.kept(&file, minute(2), minute(9)).unwrap();
        assert_eq!(
            (later.start(), later.values()),
            (minute(2), &[1.0 / 3.0, 4.0][..]),
            "what is newer is asked for"
        );
        assert_eq!(
            query.kept(&file, Seconds(60).before(start), minute(4)),
            None,
            "its beginning is missing"
        );
        assert_eq!(query.kept(&folder.join("none.csv"), start, minute(4)), None);
        fs::write(&file, "timestamp,requests_per_second\n2026-11-01T00:00:00Z,x\n").unwrap();
        assert_eq!(query.kept(&file, start, minute(4)), None, "a damaged one is read anew");
        fs::remove_dir_all(folder).unwrap();
    }
}
