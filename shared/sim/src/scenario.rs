//! Named worlds: a fleet, its load, what befalls it and when, and what must come of it, in words and in checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ghostnet_core::id::{InstanceType, Zone};
use ghostnet_core::observation::{InstanceState, Market, TargetHealth};
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::{FleetSpec, PoolSpec, Problem, RawFleetSpec};
use serde::{Deserialize, Serialize};

use crate::chance::Chance;
use crate::check::Violation;
use crate::clock::{MINUTE, Millis};
use crate::fault::{Fault, Faults};
use crate::fleets::{Design, SHARED, TYPES, ZONES, group};
use crate::lambda::Function;
use crate::load::Load;
use crate::log::Log;
use crate::run::Runner;
use crate::traffic::{routing, rule};
use crate::world::World;

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

/// Something that happens once.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// A zone fails for so many minutes.
    ZoneFails {
        /// Which.
        zone: String,
        /// For how long.
        minutes: u32,
    },
    /// Nothing, or nothing as spot, can be launched in these zones for so many minutes.
    CapacityRunsOut {
        /// Which.
        zones: Vec<String>,
        /// For how long.
        minutes: u32,
        /// Whether on demand stays.
        #[serde(default)]
        only_spot: bool,
    },
    /// What is launched within so many minutes never becomes healthy.
    ImageIsBroken {
        /// For how long.
        minutes: u32,
    },
    /// So many instances become sick at once, for so many minutes.
    InstancesSicken {
        /// How many.
        count: usize,
        /// For how long.
        minutes: u32,
    },
    /// The fleet's alarm function is invoked so many times at once.
    AlarmsStorm {
        /// How many.
        count: u32,
    },
    /// A pool's instances all end at once, or all fail their checks for so many minutes.
    SideFails {
        /// Which.
        pool: String,
        /// For how long; those that end stay ended.
        #[serde(default)]
        minutes: u32,
        /// Whether they end.
        #[serde(default)]
        ends: bool,
    },
    /// A pool answers so slowly for so many minutes that nobody can work with it, and passes its checks.
    SideSlows {
        /// Which.
        pool: String,
        /// For how long.
        minutes: u32,
    },
    /// A person sets the weights of the fleet's rules, by pool.
    WeightsAreSet(BTreeMap<String, u32>),
    /// The account's API is used up by somebody else for so many minutes.
    AccountIsThrottled {
        /// For how long.
        minutes: u32,
    },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZoneFails { zone, minutes } => write!(f, "zone {zone} fails for {minutes} minutes"),
            Self::CapacityRunsOut { zones, minutes, only_spot } => {
                let what = if *only_spot { "spot capacity" } else { "capacity" };
                write!(f, "{what} runs out in {} for {minutes} minutes", zones.join(", "))
            }
            Self::ImageIsBroken { minutes } => write!(f, "the image is broken for {minutes} minutes: nothing from it becomes healthy"),
            Self::InstancesSicken { count, minutes } => write!(f, "{count} instances fall sick for {minutes} minutes"),
            Self::AlarmsStorm { count } => write!(f, "{count} alarms arrive at once"),
            Self::SideFails { pool, ends: true, .. } => write!(f, "every instance of {pool} ends at once"),
            Self::SideFails { pool, minutes, .. } => write!(f, "every instance of {pool} fails its checks for {minutes} minutes"),
            Self::SideSlows { pool, minutes } => write!(f, "{pool} answers far too slowly for {minutes} minutes, and passes its checks"),
            Self::WeightsAreSet(weights) => {
                let weights: Vec<String> = weights.iter().map(|(pool, weight)| format!("{pool} {weight}")).collect();
                write!(f, "somebody sets the weights by hand: {}", weights.join(", "))
            }
            Self::AccountIsThrottled { minutes } => write!(f, "somebody else uses up the account's calls for {minutes} minutes"),
        }
    }
}

/// What must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// In words.
    pub says: String,
    /// From this minute; absent: the first.
    #[serde(default)]
    pub from: u32,
    /// To this minute; absent: the last.
    #[serde(default)]
    pub to: Option<u32>,
    /// The check.
    pub check: Bound,
}

/// A bound on every minute of a span, or on the whole of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bound {
    /// Healthy targets in every minute, at least.
    ServingAtLeast(u32),
    /// Instances that exist in every minute, at most.
    ExistAtMost(usize),
    /// Instances wanted in every minute, at least.
    WantedAtLeast(u32),
    /// Instances wanted in every minute, at most.
    WantedAtMost(u32),
    /// Instances launched in the span, at most.
    LaunchedAtMost(u64),
    /// Instances launched in the span, at least.
    LaunchedAtLeast(u64),
    /// Instances on spot that exist in every minute, at least.
    SpotAtLeast(usize),
    /// Decisions about the size committed in the span, at most.
    DecisionsAtMost(u64),
    /// Invocations begun in the span, at least.
    InvocationsAtLeast(u64),
    /// Invocations in the span that Lambda ended because they took too long, at least.
    TimeOutsAtLeast(u64),
    /// Minutes of the span in which an instance has more to do than it can, at most.
    OverloadedMinutesAtMost(usize),
    /// In every minute this pool takes all the traffic.
    TrafficAt(String),
    /// In every minute these pools share the traffic, in the order of the spec.
    TrafficSharedBy(Vec<String>),
    /// In every minute something else answers in place of all pools, or in none.
    PageAnswers(bool),
    /// Times that the function moved the traffic in the span, at most.
    MovesAtMost(u64),
    /// Minutes at whose end nobody who takes traffic is healthy, at most.
    UnansweredMinutesAtMost(usize),
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

impl Bound {
    /// Whether GhostNet has to do something for it, or to refrain from something. The others say that the trouble came.
    #[must_use]
    pub fn asks_of_ghostnet(&self) -> bool {
        !matches!(self, Self::InvocationsAtLeast(_) | Self::TimeOutsAtLeast(_))
    }
}

impl Expectation {
    fn wrong_with(&self, minutes: &[Minute]) -> Option<String> {
        let to = self.to.unwrap_or(u32::MAX);
        let span: Vec<&Minute> = minutes.iter().filter(|minute| (self.from..=to).contains(&minute.minute)).collect();
        if span.is_empty() {
            return Some("the scenario ended before".to_owned());
        }
        let first = |breaks: &dyn Fn(&Minute) -> Option<String>| {
            let found = span.iter().find_map(|minute| Some((minute.minute, breaks(minute)?)));
            found.map(|(minute, what)| format!("minute {minute}: {what}"))
        };
        let of_span = |counted: &dyn Fn(&Minute) -> u64| {
            let before = minutes
                .iter()
                .take_while(|minute| minute.minute < self.from)
                .last()
                .map_or(0, counted);
            span.last().map_or(0, |minute| counted(minute)).saturating_sub(before)
        };
        match self.check.clone() {
            Bound::ServingAtLeast(least) => first(&|minute| (minute.serving < least).then(|| format!("{} serve", minute.serving))),
            Bound::ExistAtMost(most) => first(&|minute| (minute.exist > most).then(|| format!("{} exist", minute.exist))),
            Bound::WantedAtLeast(least) => first(&|minute| (minute.wanted < least).then(|| format!("{} are wanted", minute.wanted))),
            Bound::WantedAtMost(most) => first(&|minute| (minute.wanted > most).then(|| format!("{} are wanted", minute.wanted))),
            Bound::LaunchedAtMost(most) => {
                let launched = of_span(&|minute| minute.launched);
                (launched > most).then(|| format!("{launched} were launched"))
            }
            Bound::LaunchedAtLeast(least) => {
                let launched = of_span(&|minute| minute.launched);
                (launched < least).then(|| format!("{launched} were launched"))
            }
            Bound::SpotAtLeast(least) => first(&|minute| (minute.spot < least).then(|| format!("{} are on spot", minute.spot))),
            Bound::DecisionsAtMost(most) => {
                let decisions = of_span(&|minute| minute.decisions);
                (decisions > most).then(|| format!("{decisions} decisions were committed"))
            }
            Bound::InvocationsAtLeast(least) => {
                let invocations = of_span(&|minute| minute.invocations);
                (invocations < least).then(|| format!("{invocations} invocations began"))
            }
            Bound::TimeOutsAtLeast(least) => {
                let timed_out = of_span(&|minute| minute.timed_out);
                (timed_out < least).then(|| format!("{timed_out} invocations ran out of time"))
            }
            Bound::OverloadedMinutesAtMost(most) => {
                let overloaded = span.iter().filter(|minute| minute.used > 1.0).count();
                (overloaded > most).then(|| format!("{overloaded} minutes were overloaded"))
            }
            Bound::TrafficAt(pool) => {
                first(&|minute| (minute.traffic != [pool.as_str()]).then(|| format!("the traffic is at {}", minute.traffic.join(" and "))))
            }
            Bound::TrafficSharedBy(pools) => {
                first(&|minute| (minute.traffic != pools).then(|| format!("the traffic is at {}", minute.traffic.join(" and "))))
            }
            Bound::PageAnswers(answers) => first(&|minute| {
                let wrong = minute.traffic.is_empty() != answers;
                wrong.then(|| {
                    if answers {
                        format!("the traffic is at {}", minute.traffic.join(" and "))
                    } else {
                        "a page answers".to_owned()
                    }
                })
            }),
            Bound::MovesAtMost(most) => {
                let moves = of_span(&|minute| minute.moves);
                (moves > most).then(|| format!("it was moved {moves} times"))
            }
            Bound::UnansweredMinutesAtMost(most) => {
                let unanswered = span.iter().filter(|minute| minute.answering == 0).count();
                (unanswered > most).then(|| format!("nobody answered in {unanswered} minutes"))
            }
        }
    }
}

impl World {
    fn happens(&mut self, what: &What, spec: &FleetSpec) {
        let now = self.now;
        let lasting = |minutes: &u32| now + i64::from(*minutes) * MINUTE;
        self.log.story(now, || what.to_string());
        match what {
            What::ZoneFails { zone, minutes } => self.lose_zone(&Zone::new(zone.clone()), lasting(minutes)),
            What::CapacityRunsOut { zones, minutes, only_spot } => {
                for zone in ZONES.iter().filter(|zone| zones.iter().any(|named| named == *zone)) {
                    for instance_type in TYPES {
                        let pool = (Zone::new(*zone), InstanceType::new(instance_type));
                        let capacity = &mut self.cloud.capacity;
                        let pools = if *only_spot { &mut capacity.spot_dry } else { &mut capacity.dry };
                        pools.insert(pool, lasting(minutes));
                    }
                }
            }
            What::ImageIsBroken { minutes } => self.cloud.capacity.bad_image_until = lasting(minutes),
            What::InstancesSicken { count, minutes } => {
                let running = self
                    .cloud
                    .ec2
                    .machines
                    .values()
                    .filter(|machine| machine.state(now) == InstanceState::Running);
                let ids: Vec<_> = running.take(*count).map(|machine| machine.id.clone()).collect();
                for id in ids {
                    if let Some(machine) = self.cloud.ec2.machines.get_mut(&id) {
                        machine.sick_since = Some(now);
                    }
                    self.schedule(lasting(minutes), crate::world::Event::Recover(id));
                }
            }
            What::AlarmsStorm { count } => {
                let names: BTreeSet<_> = self.cloud.history.alarms.keys().cloned().collect();
                let Some(alarm) = names.into_iter().find(|name| name.as_str().contains(spec.id.as_str())) else {
                    return;
                };
                for _ in 0..*count {
                    let change = ghostnet_core::signal::AlarmChange {
                        alarm: alarm.clone(),
                        arn: None,
                        state: ghostnet_core::signal::AlarmState::Alarm,
                        at: crate::clock::at(now),
                        muted: false,
                        change: ghostnet_core::signal::AlarmChangeKind::State,
                    };
                    self.tell(Function::Alarm, Signal::AlarmChanged(change));
                }
            }
            What::SideFails { pool, minutes, ends } => {
                if let Some(pool) = spec.pools.iter().find(|side| side.id.as_str() == pool) {
                    self.side_fails(&spec.id, &pool.id, *ends, lasting(minutes));
                }
            }
            What::SideSlows { pool, minutes } => {
                if let Some(pool) = spec.pools.iter().find(|side| side.id.as_str() == pool) {
                    self.side_slows(&spec.id, &pool.id, lasting(minutes));
                }
            }
            What::WeightsAreSet(weights) => {
                let of = |pool: &PoolSpec| weights.get(pool.id.as_str()).copied().unwrap_or(0);
                let groups = spec
                    .pools
                    .iter()
                    .flat_map(|pool| pool.target_groups.iter().map(move |group| (group.clone(), of(pool))));
                let set = routing(groups.collect());
                for rule in spec.failover.iter().flat_map(|failover| failover.rules()) {
                    self.cloud.rules.insert(rule.clone(), set.clone());
                }
            }
            What::AccountIsThrottled { minutes } => self.cloud.capacity.drain_buckets(lasting(minutes)),
        }
    }
}
