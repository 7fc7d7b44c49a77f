//! Named worlds: a fleet, its load, what befalls it and when, and what must come of it, in words and in checks.

mod expectation;
mod happening;

use std::collections::BTreeMap;

use ghostnet_core::observation::{Market, TargetHealth};
use ghostnet_core::spec::{FleetSpec, Problem, RawFleetSpec};
use serde::{Deserialize, Serialize};

use crate::chance::Chance;
use crate::check::Violation;
use crate::clock::{MINUTE, Millis};
use crate::fault::{Fault, Faults};
use crate::fleets::{Design, SHARED, group};
use crate::load::Load;
use crate::log::Log;
use crate::run::Runner;
use crate::traffic::rule;
use crate::world::World;
pub use expectation::{Bound, Expectation};
pub use happening::What;

/// A named world, as its file says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is about, in a sentence or two.
    pub about: String,
    /// The seed of everything that is not said.
    pub seed: u64,
    /// How long it lasts, in minutes.
    pub minutes: u32,
    /// Requests per second that one instance can answer.
    pub instance_capacity: f64,
    /// The fleet, as a user writes it; target groups are those of this world.
    pub fleet: RawFleetSpec,
    /// Requests per second at these minutes, straight lines between them.
    pub load: Vec<Level>,
    /// Faults that strike for a while.
    #[serde(default)]
    pub faults: Vec<Phase>,
    /// What happens at a minute.
    #[serde(default)]
    pub happens: Vec<Happening>,
    /// What must come of it.
    pub expect: Vec<Expectation>,
}

/// The load at a minute.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// The minute.
    pub minute: u32,
    /// Requests per second.
    pub rate: f64,
}

/// Faults from one minute to another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// From.
    pub from: u32,
    /// To.
    pub to: u32,
    /// How often each strikes, in percent of its occasions.
    pub percent: BTreeMap<String, u32>,
}

/// What happens at a minute.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// When.
    pub minute: u32,
    /// What.
    pub what: What,
}

/// One minute of a scenario.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Minute {
    /// Which.
    pub minute: u32,
    /// Requests per second.
    pub load: f64,
    /// Instances wanted.
    pub wanted: u32,
    /// Healthy targets.
    pub serving: u32,
    /// Instances that are pending or running.
    pub exist: usize,
    /// Of those, on spot.
    pub spot: usize,
    /// Launched so far.
    pub launched: u64,
    /// Invocations begun so far.
    pub invocations: u64,
    /// Of those, ended by Lambda because they took too long.
    pub timed_out: u64,
    /// Decisions about the size committed so far.
    pub decisions: u64,
    /// Use of an instance, as a share of what it can.
    pub used: f64,
    /// The pools that take traffic, where the fleet fails over; none while something else answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traffic: Vec<String>,
    /// Healthy targets of those pools; without failover as `serving`.
    pub answering: u32,
    /// Times that traffic was moved so far.
    pub moves: u64,
    /// What happened, and why.
    pub story: Vec<String>,
}

/// What came of a scenario.
#[derive(Debug)]
pub struct Played {
    /// Minute by minute.
    pub minutes: Vec<Minute>,
    /// Expectations, and what is wrong with those that do not hold.
    pub expectations: Vec<(Expectation, Option<String>)>,
    /// Invariants that were broken.
    pub violations: Vec<Violation>,
    /// How often each fault struck.
    pub struck: BTreeMap<Fault, u64>,
}

impl Played {
    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violations.is_empty() && self.expectations.iter().all(|(_, wrong)| wrong.is_none())
    }
}

/// Why a scenario cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum Unplayable {
    /// Its fleet is not valid.
    #[error("fleet: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Fleet(Vec<Problem>),
    /// A fault that does not exist.
    #[error(transparent)]
    Fault(#[from] crate::fault::NoSuchFault),
    /// It has no load.
    #[error("load: at least one level is needed")]
    NoLoad,
}

/// Plays a scenario to its end.
///
/// # Errors
/// It says something that cannot be played.
pub fn play(scenario: &Scenario) -> Result<Played, Unplayable> {
    let spec = FleetSpec::check(&in_this_world(&scenario.fleet)).map_err(Unplayable::Fleet)?;
    let phases = phases(scenario)?;
    let kinds: BTreeMap<Fault, u32> = phases
        .iter()
        .flat_map(|(_, percent)| percent.keys().map(|fault| (*fault, 0)))
        .collect();
    let faults = Faults::exactly(scenario.seed, &kinds);
    let mut world = World::new(scenario.seed, faults, Log::telling());
    let load = load(scenario, world.now)?;
    let design = Design {
        raw: in_this_world(&scenario.fleet),
        capacity: scenario.instance_capacity,
        size: spec.maximum,
    };
    world.apply(design, load);
    let mut runner = Runner::new(world, Chance::of(scenario.seed, 2));
    let mut minutes = Vec::new();
    while runner.is_well() && minutes.len() < usize::try_from(scenario.minutes).unwrap_or(usize::MAX) {
        let minute = u32::try_from(minutes.len()).unwrap_or(u32::MAX);
        rage(&runner, &phases, minute);
        for happening in scenario.happens.iter().filter(|happening| happening.minute == minute) {
            runner.world.borrow_mut().happens(&happening.what, &spec);
        }
        let before = runner.world.borrow().minute;
        while runner.world.borrow().minute == before && runner.is_well() {
            runner.step();
        }
        minutes.push(sample(&mut runner.world.borrow_mut(), &spec, minute));
    }
    let expectations = scenario
        .expect
        .iter()
        .map(|expectation| (expectation.clone(), expectation.wrong_with(&minutes)));
    Ok(Played {
        expectations: expectations.collect(),
        violations: runner.world.borrow().watch.violations.clone(),
        struck: runner.world.borrow().faults.struck(),
        minutes,
    })
}

impl Scenario {
    /// The same world in which no function runs any more once something befalls the fleet. What holds there too asks nothing of
    /// GhostNet.
    #[must_use]
    pub fn abandoned(&self) -> Self {
        let begins = [
            self.faults.iter().map(|phase| phase.from).min(),
            self.happens.iter().map(|happening| happening.minute).min(),
            self.load.get(1).map(|level| level.minute),
        ];
        let begins = begins.into_iter().flatten().min().unwrap_or(0);
        let phase = Phase {
            // by then the last ones have ended
            from: begins.saturating_sub(2),
            to: self.minutes,
            percent: [Fault::TickSkipped, Fault::EventLost]
                .map(|fault| (fault.name().to_owned(), 100))
                .into(),
        };
        let mut abandoned = self.clone();
        abandoned.faults.push(phase);
        abandoned
    }
}

/// The fleet with the target groups, rules, subnets and types of this world.
fn in_this_world(raw: &RawFleetSpec) -> RawFleetSpec {
    let mut raw = raw.clone();
    let fleet = raw.fleet.clone();
    let swaps = raw
        .failover
        .as_ref()
        .is_some_and(|failover| failover.lever.target_swap == Some(true));
    for pool in &mut raw.pools {
        if pool.target_groups.is_none() {
            let name = if swaps { SHARED } else { &pool.id };
            pool.target_groups = Some(vec![group(&fleet, name).as_str().to_owned()]);
        }
    }
    let rules = raw.failover.as_mut().and_then(|failover| failover.lever.listener_rules.as_mut());
    if let Some(rules) = rules.filter(|rules| rules.is_empty()) {
        rules.push(rule(&fleet).as_str().to_owned());
    }
    raw
}

type Phases = Vec<((u32, u32), BTreeMap<Fault, u32>)>;

fn phases(scenario: &Scenario) -> Result<Phases, Unplayable> {
    let phase = |phase: &Phase| {
        let percent = phase.percent.iter().map(|(name, percent)| Ok((name.parse()?, *percent)));
        Ok(((phase.from, phase.to), percent.collect::<Result<_, crate::fault::NoSuchFault>>()?))
    };
    scenario.faults.iter().map(phase).collect()
}

fn rage(runner: &Runner, phases: &Phases, minute: u32) {
    let now = phases.iter().filter(|((from, to), _)| (*from..*to).contains(&minute));
    let percent: BTreeMap<Fault, u32> = now.flat_map(|(_, percent)| percent.clone()).collect();
    runner.world.borrow_mut().faults.strike_at(&percent);
}

fn load(scenario: &Scenario, begin: Millis) -> Result<Load, Unplayable> {
    let levels: Vec<(Millis, f64)> = scenario
        .load
        .iter()
        .map(|level| (begin + i64::from(level.minute) * MINUTE, level.rate))
        .collect();
    Load::through(levels).ok_or(Unplayable::NoLoad)
}

fn sample(world: &mut World, spec: &FleetSpec, minute: u32) -> Minute {
    let now = world.now;
    let rate = world.fleets.get(&spec.id).map_or(0.0, |fleet| fleet.load.rate(now));
    let state = world.table.fleets.get(&spec.id).and_then(|items| items.capacity());
    let wanted = state.map_or(0, |state| state.pools.values().map(|pool| pool.desired).sum());
    let (mut serving, mut answering, mut exist, mut spot) = (0, 0, 0, 0);
    let mut traffic = Vec::new();
    let swaps = spec.swaps_targets();
    for pool in &spec.pools {
        exist += world.alive(&spec.id, &pool.id).count();
        spot += world
            .alive(&spec.id, &pool.id)
            .filter(|machine| machine.market == Market::Spot)
            .count();
        if let Some(group) = pool.target_groups.first().and_then(|group| world.cloud.groups.get(group)) {
            let healthy = world
                .cloud
                .health(group, now)
                .into_iter()
                .filter(|(id, health)| *health == TargetHealth::Healthy && (!swaps || world.is_of_pool(id, pool)));
            let healthy = u32::try_from(healthy.count()).unwrap_or(u32::MAX);
            serving += healthy;
            if spec.failover.is_none() || world.share(spec, pool) > 0 {
                answering += healthy;
            }
        }
        if spec.failover.is_some() && world.share(spec, pool) > 0 {
            traffic.push(pool.id.to_string());
        }
    }
    let capacity = world.fleets.get(&spec.id).map_or(1.0, |fleet| fleet.design.capacity);
    let used = if answering == 0 {
        f64::from(u8::from(rate > 0.0)) * 9.99
    } else {
        rate / f64::from(answering) / capacity
    };
    Minute {
        minute,
        load: rate,
        wanted,
        serving,
        exist,
        spot,
        launched: world.counters.launched,
        invocations: world.counters.invocations,
        timed_out: world.counters.timed_out,
        decisions: world.counters.decisions,
        used,
        traffic,
        answering,
        moves: world.counters.moves,
        story: world.log.take_story(),
    }
}
