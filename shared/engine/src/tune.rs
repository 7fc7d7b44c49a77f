//! Finds settings for a fleet by what each would have done with the fortnight that is past, and keeps them with what they were found by.
//!
//! One invocation tunes one fleet: it asks CloudWatch for its loads, and plays them as `ghostnet tune` does. Whether decisions go by what
//! is found, the fleet's spec says.

use std::collections::BTreeMap;

use ghostnet_backtest::load::{Implied, Load};
use ghostnet_backtest::past;
use ghostnet_backtest::replay::World;
use ghostnet_backtest::trace::{Trace, Unit};
use ghostnet_backtest::tune::{Evidence, Reach, suggest};
use ghostnet_core::forecast::{Forecast, PAST, SETTLED_AFTER};
use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::rating;
use ghostnet_core::sample::Series;
use ghostnet_core::spec::metric::Queries;
use ghostnet_core::spec::{CapacityRule, InstanceCapacity, Need, PoolSpec, Predictive, Rule, Tuning};
use ghostnet_core::tuning::{Came, Found, Objective, Settings, Tuned};
use ghostnet_core::unit::{Moment, Seconds};
use jiff::Timestamp;

use crate::invocation::{Invocation, ReconcileError};
use crate::load::{Fleet, load};
use crate::port::{CommitResult, ForecastPorts, MetricQuery};
use crate::regions;

/// A pool is tuned once a day, by whichever hour's invocation comes next.
const DAILY: Seconds = Seconds::minutes(23 * 60 + 30);
/// Metrics are a minute late.
const METRIC_DELAY: Seconds = Seconds(60);
/// Somebody else writes the forecast at the same moment: so often it is tried.
const TRIES: u32 = 3;

/// What was found for one fleet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TuneReport {
    /// What was found, by pool.
    pub found: BTreeMap<PoolId, Found>,
    /// What could not be tuned, in words.
    pub trouble: Vec<String>,
    /// Whether it is kept; not if others were faster again and again.
    pub kept: bool,
}

/// Whether a pool that could be tuned was not for a day, or has other settings written since.
pub(crate) fn is_due(forecast: &Forecast, pool: &PoolId, written: &Settings, now: Timestamp) -> bool {
    let last = forecast.found.get(pool).filter(|found| found.tuned.instead_of == *written);
    last.is_none_or(|last| DAILY.after(last.at.at()) <= now)
}

/// The pools of a fleet that are tuned, if it is, with what is written of each.
pub(crate) fn tuned_pools(fleet: &Fleet) -> impl Iterator<Item = (&PoolSpec, Settings)> {
    let is_tuned = fleet.spec.tuning.is_some() && !fleet.stored.retiring;
    let pools = fleet.spec.pools.iter().filter(move |_| is_tuned);
    pools.filter_map(|pool| Some((pool, Settings::of(pool)?)))
}

/// Tunes the pools of a fleet that are due. Asked twice, it does it once: a night moves little.
///
/// # Errors
/// It cannot be loaded, or a port failed before anything was kept.
pub async fn tune<P: ForecastPorts>(ports: &P, invocation: &Invocation, id: &FleetId) -> Result<TuneReport, ReconcileError> {
    let ids = [id.clone()];
    let fleet = load(ports, &ids, ports.now()).await?.remove(id);
    let fleet = fleet.unwrap_or(Err(ReconcileError::NoSuchFleet))?;
    let mut report = TuneReport::default();
    let Some(tuning) = fleet.spec.tuning else { return Ok(report) };
    let mut forecast = ports.forecasts(&ids).await?.remove(id).unwrap_or_default();
    let due = tuned_pools(&fleet).filter(|(pool, written)| is_due(&forecast, &pool.id, written, ports.now()));
    for (pool, written) in due {
        let played = Played {
            pool: rated(pool, &fleet),
            written,
            last: forecast.found.get(&pool.id).map(|found| found.tuned),
        };
        let past = read_past(ports, invocation, (id, &fleet), pool).await?;
        match past.and_then(|load| played.find(&fleet, &load, &tuning, ports.now())) {
            Ok(found) => drop(report.found.insert(pool.id.clone(), found)),
            Err(why) => report.trouble.push(format!("pool `{}`: {why}", pool.id)),
        }
    }
    for _ in 0..TRIES {
        if report.found.is_empty() || report.kept {
            break;
        }
        forecast.version = forecast.version.saturating_add(1);
        forecast.found.extend(report.found.clone());
        match ports.keep_forecast(id, &forecast, ports.now()).await? {
            CommitResult::Committed => report.kept = true,
            // somebody learned meanwhile: what they wrote stays
            CommitResult::Conflict => forecast = ports.forecasts(&ids).await?.remove(id).unwrap_or_default(),
        }
    }
    Ok(report)
}

/// What came in for a pool in the last fortnight; or why that is not known.
async fn read_past<P: ForecastPorts>(
    ports: &P,
    invocation: &Invocation,
    (id, fleet): (&FleetId, &Fleet),
    pool: &PoolSpec,
) -> Result<Result<Load, String>, ReconcileError> {
    let rule = pool.policies.iter().find_map(|policy| looks_ahead(&policy.rule));
    let metric = rule.map(|rule| rule.measure.metric.queries(id, pool, &fleet.stored.resolved));
    let Some(Queries::One(shape)) = metric else {
        return Ok(Err("its load is not one metric".to_owned()));
    };
    let period = shape.period().max(Seconds(60));
    let until = whole(SETTLED_AFTER.before(ports.now()), period);
    // of whole days, with the one from which the first minute begins
    let points = (PAST.0 / period.0).saturating_add(1);
    let silence_is_zero = past::silence_is_zero(&shape);
    let query = MetricQuery { shape, points };
    let region = pool.region_or(&invocation.region);
    let mut answers = regions::try_series(ports, vec![(region, query)], until).await.into_iter();
    let known = match answers.next().transpose()? {
        Some(Series::Points { points, .. }) => points,
        Some(Series::Failed { why }) => return Ok(Err(why)),
        _ => Vec::new(),
    };
    let begin = Seconds(points.saturating_mul(period.0)).before(until);
    let rates = past::rates(&known, begin, period, usize::try_from(points).unwrap_or_default());
    let load = to_load(&rates, (begin, period), silence_is_zero);
    Ok(load.ok_or_else(|| "nothing is known to have come in".to_owned()))
}

/// From the first datapoint on; none: there is none, or nothing came in.
fn to_load(rates: &[Option<f64>], (begin, period): (Timestamp, Seconds), silence_is_zero: bool) -> Option<Load> {
    let first = rates.iter().position(Option::is_some)?;
    let rates = rates.get(first..)?;
    rates.iter().flatten().any(|rate| *rate > 0.0).then_some(())?;
    let skipped = u32::try_from(first).ok()?;
    let start = Seconds(period.0.saturating_mul(skipped)).after(begin);
    let mut known = Vec::with_capacity(rates.len());
    past::fill(rates, silence_is_zero, &mut known);
    Load::of(&Trace::new(Unit::RequestsPerSecond, start, period, known)?, Seconds(0))
}

/// A pool as it is played.
struct Played {
    /// It knows what one instance can answer, if that is known at all.
    pool: PoolSpec,
    written: Settings,
    /// What was found last.
    last: Option<Tuned>,
}

impl Played {
    /// What is best of what is near; or why nothing can be found.
    fn find(&self, fleet: &Fleet, load: &Load, tuning: &Tuning, now: Timestamp) -> Result<Found, String> {
        let pool = &self.pool;
        let instance = Implied::of(pool).instance();
        let instance = instance.ok_or_else(|| "what one instance can answer is not learned yet".to_owned())?;
        let boot = fleet.boots(&pool.id).and_then(|boots| boots.minutes);
        let world = World {
            // the minute until the next decision is none of the boot
            boot: boot.map_or(pool.warmup, |minutes| Seconds::minutes(minutes.saturating_sub(1))),
            metric_delay: METRIC_DELAY,
            ..World::of(instance)
        };
        let objective = Objective {
            used: tuning.limit.map_or(instance.target, |limit| limit.ratio()),
            percent: tuning.objective.get(),
        };
        // what was found for something else that was written says nothing of what is near
        let last = self.last.filter(|last| last.instead_of == self.written);
        let from = last.map_or(self.written, |last| last.settings);
        let suggestion = suggest(load, &world, (&fleet.spec, pool), &objective, Reach::Near(from));
        let suggestion = suggestion.ok_or_else(|| "not one whole day of it is known".to_owned())?;
        Ok(Found {
            tuned: Tuned {
                settings: suggestion.chosen.settings,
                instead_of: self.written,
            },
            at: Moment::from(now),
            objective,
            days: u32::try_from(suggestion.days).unwrap_or(u32::MAX),
            written: came(&suggestion.present),
            found: came(&suggestion.chosen),
        })
    }
}

fn came(evidence: &Evidence) -> Came {
    Came {
        instance_hours_per_day: evidence.instance_hours_per_day,
        over_percent: evidence.over_percent,
    }
}

/// A pool for which what one instance can answer is what it was learned to be.
fn rated(pool: &PoolSpec, fleet: &Fleet) -> PoolSpec {
    let mut pool = pool.clone();
    let none = BTreeMap::new();
    let ratings = fleet.state.pools.get(&pool.id).map_or(&none, |pool| &pool.ratings);
    for policy in &mut pool.policies {
        let (of, each) = match &mut policy.rule {
            Rule::Capacity(CapacityRule { each, .. }) => (policy.id.clone(), each),
            Rule::Predictive(Predictive {
                of,
                need: Need::Model { each, .. },
                ..
            }) => (of.clone(), each),
            _ => continue,
        };
        if let (InstanceCapacity::Learned(_), Some(learned)) = (&*each, rating::learned(ratings.get(&of))) {
            *each = InstanceCapacity::Given(learned);
        }
    }
    pool
}

fn looks_ahead(rule: &Rule) -> Option<&Predictive> {
    match rule {
        Rule::Predictive(rule) => Some(rule),
        _ => None,
    }
}

/// The end of the last whole period.
fn whole(at: Timestamp, period: Seconds) -> Timestamp {
    let second = at.as_second();
    let over = second.rem_euclid(i64::from(period.0.max(1)));
    Timestamp::from_second(second.saturating_sub(over)).unwrap_or(at)
}
