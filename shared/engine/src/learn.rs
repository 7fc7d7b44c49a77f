//! Learns from the loads of fleets what lies ahead of them: asks CloudWatch for what is new since the last hour, and keeps an outlook
//! that every look reads.
//!
//! One invocation learns for hundreds of fleets. Who waits longest comes first, so that one that runs out of time goes on where it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ghostnet_core::forecast::{Forecast, Memory, Subject};
use ghostnet_core::id::{FleetId, PolicyId, PoolId, Region};
use ghostnet_core::policy::predictive::unit;
use ghostnet_core::sample::Series;
use ghostnet_core::spec::metric::Queries;
use ghostnet_core::spec::{Events, Policy, PoolSpec, Predictive, Rule};
use ghostnet_core::tuning::{Settings, USUAL};
use ghostnet_core::unit::{Moment, Seconds};
use jiff::Timestamp;

use crate::error::PortError;
use crate::invocation::{Invocation, ReconcileError};
use crate::load::{Fleet, load};
use crate::port::{CommitResult, ForecastPorts, LoadId, MetricQuery};
use crate::{regions, tune};

/// Loads whose memories are held at once, each of about 80 KB; and the most metrics that one call asks for.
const LOADS_AT_ONCE: usize = 500;
/// Datapoints held at once: a fortnight of minutes of nine loads, or an hour of all.
const POINTS_AT_ONCE: u32 = 200_000;
/// Nothing is asked for later than this before Lambda ends the function.
const ROUND_TIME: Seconds = Seconds(30);

/// What was learned for one fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForecastReport {
    /// The loads of which an outlook was made, and how many whole days it knows of each.
    pub loads: Vec<(PoolId, PolicyId, usize)>,
    /// What could not be learned, in words.
    pub trouble: Vec<String>,
    /// Whether the outlooks are kept; not if another invocation was faster, or nothing is new.
    pub kept: bool,
    /// Whether settings are to be found for it now.
    pub is_to_be_tuned: bool,
}

/// Learns for these fleets. One without a policy that looks ahead is absent from the result.
pub async fn learn<P: ForecastPorts>(ports: &P, invocation: &Invocation, fleets: &[FleetId]) -> Results {
    let mut results = BTreeMap::new();
    let mut waiting = match due_fleets(ports, fleets, &mut results).await {
        Ok(due_fleets) => due_fleets,
        Err(error) => return fleets.iter().map(|id| (id.clone(), Err(error.clone()))).collect(),
    };
    waiting.sort_by_key(|due| (due.waits_since(), due.fleet.clone()));
    let mut waiting = waiting.into_iter().peekable();
    while waiting.peek().is_some() {
        if is_late(ports, invocation) {
            results.extend(waiting.map(|due| (due.fleet, Err(ReconcileError::OutOfTime))));
            break;
        }
        let mut round = Vec::new();
        let mut loads = 0_usize;
        while let Some(due) = waiting.next_if(|due| round.is_empty() || loads.saturating_add(due.loads.len()) <= LOADS_AT_ONCE) {
            loads = loads.saturating_add(due.loads.len());
            round.push(due);
        }
        learn_round(ports, invocation, round, &mut results).await;
    }
    results
}

fn is_late<P: ForecastPorts>(ports: &P, invocation: &Invocation) -> bool {
    ROUND_TIME.after(ports.now()) > invocation.deadline
}

/// The fleets for which there is something to learn, with what is known of them so far.
async fn due_fleets<P: ForecastPorts>(ports: &P, fleets: &[FleetId], results: &mut Results) -> Result<Vec<DueFleet>, ReconcileError> {
    let mut due_fleets = Vec::new();
    for (id, fleet) in load(ports, fleets, ports.now()).await? {
        match fleet {
            Ok(fleet) => due_fleets.extend(DueFleet::of(&id, &fleet)),
            Err(error) => drop(results.insert(id, Err(error))),
        }
    }
    let ids: Vec<FleetId> = due_fleets.iter().map(|due| due.fleet.clone()).collect();
    if ids.is_empty() {
        return Ok(due_fleets);
    }
    let mut forecasts = ports.forecasts(&ids).await?;
    for due in &mut due_fleets {
        due.forecast = forecasts.remove(&due.fleet).unwrap_or_default();
    }
    Ok(due_fleets)
}

/// What was learned, by fleet.
pub type Results = BTreeMap<FleetId, Result<ForecastReport, ReconcileError>>;

/// Learns for fleets whose memories are read together.
async fn learn_round<P: ForecastPorts>(ports: &P, invocation: &Invocation, round: Vec<DueFleet>, results: &mut Results) {
    let ids: Vec<LoadId> = round.iter().flat_map(DueFleet::ids).collect();
    let mut memories = match ports.memories(&ids).await {
        Ok(memories) => memories,
        Err(error) => {
            results.extend(round.into_iter().map(|due| (due.fleet, Err(error.clone().into()))));
            return;
        }
    };
    let now = ports.now();
    let mut group: Vec<(DueFleet, Vec<Memory>)> = Vec::new();
    let mut points = 0_u32;
    for due in round {
        let own: Vec<Memory> = due
            .loads
            .iter()
            .zip(due.ids())
            .map(|(load, id)| Memory::resume(memories.remove(&id), load.subject.clone(), now))
            .collect();
        let wanted = own.iter().fold(0_u32, |sum, memory| sum.saturating_add(memory.wanted(now)));
        if !group.is_empty() && points.saturating_add(wanted) > POINTS_AT_ONCE {
            learn_group(ports, invocation, std::mem::take(&mut group), now, results).await;
            points = 0;
        }
        points = points.saturating_add(wanted);
        group.push((due, own));
    }
    learn_group(ports, invocation, group, now, results).await;
}

/// Learns for fleets whose loads are asked for together.
async fn learn_group<P: ForecastPorts>(
    ports: &P,
    invocation: &Invocation,
    group: Vec<(DueFleet, Vec<Memory>)>,
    now: Timestamp,
    results: &mut Results,
) {
    if is_late(ports, invocation) {
        results.extend(group.into_iter().map(|(due, _)| (due.fleet, Err(ReconcileError::OutOfTime))));
        return;
    }
    let asked = group.iter().flat_map(|(due, memories)| due.loads.iter().zip(memories));
    let query = |(load, memory): (&Load, &Memory)| {
        let query = MetricQuery {
            shape: memory.metric().clone(),
            points: memory.wanted(now),
        };
        (load.region.clone().unwrap_or_else(|| invocation.region.clone()), query)
    };
    let queries: Vec<(Region, MetricQuery)> = asked.filter(|(_, memory)| memory.wanted(now) > 0).map(query).collect();
    let queries = queries.iter().map(|(region, query)| (region, query.clone())).collect();
    let mut answers = regions::try_series(ports, queries, now).await.into_iter();
    for (due, memories) in group {
        let fleet = due.fleet.clone();
        let asked = memories.iter().filter(|memory| memory.wanted(now) > 0).count();
        let report = match answers.by_ref().take(asked).collect::<Result<Vec<Series>, PortError>>() {
            Ok(own) => due
                .learn(ports, memories, &mut own.into_iter(), now)
                .await
                .map_err(ReconcileError::from),
            Err(error) => Err(error.into()),
        };
        results.insert(fleet, report);
    }
}

/// A fleet whose forecast is due.
struct DueFleet {
    fleet: FleetId,
    forecast: Forecast,
    loads: Vec<Load>,
    /// Pools that are tuned, with what is written of each.
    tuned: BTreeMap<PoolId, Settings>,
    /// What cannot be learned, in words.
    trouble: Vec<String>,
}

/// One of its loads.
struct Load {
    pool: PoolId,
    /// Where the pool is; none: where the installation is.
    region: Option<Region>,
    policy: PolicyId,
    subject: Subject,
    events: Events,
    /// How much of a minute's load one instance carries.
    unit: f64,
    usual: Vec<u16>,
}

impl DueFleet {
    /// None: no policy of the fleet looks ahead, or it is on its way out.
    fn of(id: &FleetId, fleet: &Fleet) -> Option<Self> {
        let (mut loads, mut trouble) = (Vec::new(), Vec::new());
        for pool in &fleet.spec.pools {
            for (policy, rule) in pool.policies.iter().filter_map(looks_ahead) {
                match Load::of(id, fleet, pool, (policy, rule)) {
                    Ok(load) => loads.push(load),
                    Err(why) => trouble.push(told(&pool.id, policy, &why)),
                }
            }
        }
        let is_one = !(loads.is_empty() && trouble.is_empty() || fleet.stored.retiring);
        is_one.then(|| Self {
            fleet: id.clone(),
            forecast: Forecast::default(),
            loads,
            tuned: tune::tuned_pools(fleet).map(|(pool, written)| (pool.id.clone(), written)).collect(),
            trouble,
        })
    }

    fn ids(&self) -> impl Iterator<Item = LoadId> {
        self.loads.iter().map(|load| LoadId {
            fleet: self.fleet.clone(),
            pool: load.pool.clone(),
            policy: load.policy.clone(),
        })
    }

    /// When its oldest outlook was made; none, and first of all: one of its loads has none.
    fn waits_since(&self) -> Option<Moment> {
        let outlooks = self.forecast.outlooks.values().map(BTreeMap::len).sum::<usize>();
        self.forecast.oldest().filter(|_| outlooks >= self.loads.len())
    }

    async fn learn<P: ForecastPorts>(
        self,
        ports: &P,
        memories: Vec<Memory>,
        answers: &mut impl Iterator<Item = Series>,
        now: Timestamp,
    ) -> Result<ForecastReport, PortError> {
        let mut report = ForecastReport {
            trouble: self.trouble,
            ..ForecastReport::default()
        };
        let mut learned = BTreeMap::new();
        let mut outlooks = self.forecast.outlooks;
        let policies: BTreeSet<(&PoolId, &PolicyId)> = self.loads.iter().map(|load| (&load.pool, &load.policy)).collect();
        for (pool, outlooks) in &mut outlooks {
            outlooks.retain(|policy, _| policies.contains(&(pool, policy)));
        }
        outlooks.retain(|_, outlooks| !outlooks.is_empty());
        for (load, mut memory) in self.loads.iter().zip(memories) {
            if memory.wanted(now) == 0 {
                continue;
            }
            let answer = answers.next();
            let (pool, policy) = (&load.pool, &load.policy);
            let missing = Series::Failed {
                why: "no answer".to_owned(),
            };
            if let Err(why) = memory.learn(answer.as_ref().unwrap_or(&missing), &load.events, load.unit, now) {
                report.trouble.push(told(pool, policy, &why));
                continue;
            }
            if let Some(outlook) = memory.outlook(&load.usual) {
                report.loads.push((pool.clone(), policy.clone(), memory.days()));
                outlooks.entry(pool.clone()).or_default().insert(policy.clone(), outlook);
            } else {
                report.trouble.push(told(pool, policy, &"CloudWatch has no datapoint of it"));
            }
            let id = LoadId {
                fleet: self.fleet.clone(),
                pool: pool.clone(),
                policy: policy.clone(),
            };
            learned.insert(id, memory);
        }
        if learned.is_empty() {
            return Ok(report);
        }
        let mut forecast = Forecast {
            version: self.forecast.version.saturating_add(1),
            outlooks,
            found: self.forecast.found,
        };
        forecast.found.retain(|pool, _| self.tuned.contains_key(pool));
        let knows_a_day = |pool: &PoolId| report.loads.iter().any(|(of, _, days)| of == pool && *days > 0);
        let mut tuned = self.tuned.iter();
        report.is_to_be_tuned = tuned.any(|(pool, written)| knows_a_day(pool) && tune::is_due(&forecast, pool, written, now));
        // the forecast first: whoever is slower finds it newer than it read, and keeps nothing
        if ports.keep_forecast(&self.fleet, &forecast, now).await? == CommitResult::Committed {
            ports.keep_memories(&learned, now).await?;
            report.kept = true;
        }
        Ok(report)
    }
}

impl Load {
    fn of(id: &FleetId, fleet: &Fleet, pool: &PoolSpec, (policy, rule): (&PolicyId, &Predictive)) -> Result<Self, &'static str> {
        let Queries::One(metric) = rule.measure.metric.queries(id, pool, &fleet.stored.resolved) else {
            return Err("its load is not one metric");
        };
        let none = BTreeMap::new();
        let ratings = fleet.state.pools.get(&pool.id).map_or(&none, |pool| &pool.ratings);
        let tried = fleet.spec.tuning.iter().flat_map(|_| &USUAL);
        Ok(Self {
            pool: pool.id.clone(),
            region: pool.region.clone(),
            policy: policy.clone(),
            subject: Subject {
                metric,
                minutes: rule.minutes(pool.warmup, fleet.boots(&pool.id)),
                events: rule.events.told(),
            },
            events: rule.events.clone(),
            unit: unit(rule, ratings).ok_or("what one instance can answer is not learned yet")?,
            // what is found may go by any of those that are tried
            usual: rule
                .usual
                .iter()
                .chain(tried)
                .map(|share| share.0)
                .collect::<BTreeSet<u16>>()
                .into_iter()
                .collect(),
        })
    }
}

fn looks_ahead(policy: &Policy) -> Option<(&PolicyId, &Predictive)> {
    match &policy.rule {
        Rule::Predictive(rule) => Some((&policy.id, rule)),
        _ => None,
    }
}

fn told(pool: &PoolId, policy: &PolicyId, why: &impl fmt::Display) -> String {
    format!("`{policy}` of pool `{pool}`: {why}")
}
