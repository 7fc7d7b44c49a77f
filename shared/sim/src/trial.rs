//! One failure of one fleet of two sides, with one of several rules over its traffic: what it cost whoever asked something of it.
//!
//! Whatever the rule, the instances are GhostNet's to launch, replace and count: the same functions run in all of these worlds, but for
//! `failover`, which a rule of another tool stands in for. A seed draws boots, latencies, the moment of the failure within a minute, and
//! the moment of a rule's first look.

use std::collections::BTreeMap;

use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::spec::{FleetSpec, Problem, RawFleetSpec};
use serde_json::json;

use crate::blow::{Blow, What};
use crate::chance::Chance;
use crate::check::Violation;
use crate::clock::{MINUTE, Millis, SECOND};
use crate::fault::{Fault, Faults};
use crate::fleets::{Design, SHARED, TYPES, ZONES, group};
use crate::load::Load;
use crate::log::Log;
use crate::rival::{Accelerator, Alternat, Rule};
use crate::run::Runner;
use crate::toll::Toll;
use crate::traffic::rule;
use crate::world::{Event, World};

/// Requests per second, all the time.
pub const RATE: f64 = 120.0;
/// Requests per second that one instance can answer.
pub const INSTANCE_CAPACITY: f64 = 50.0;
/// Instances of the side that has the traffic.
pub const HOME_SIZE: u32 = 4;
/// How long is counted, from the failure on.
pub const COUNTED: Millis = 40 * MINUTE;
/// Minutes before it, in which the fleet comes to its size.
const SETTLES: u32 = 20;
const FLEET: &str = "web";
const HOME: &str = "blue";
const OTHER: &str = "green";
/// A failure that lasts.
const LASTING: Millis = 20 * MINUTE;

/// What stands by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// A hot standby of the same size.
    HotFull,
    /// A hot standby of half the size.
    HotHalf,
    /// A cold standby, of which nothing runs.
    Cold,
    /// Both sides share the traffic, each with room for all of it.
    Shared,
    /// A hot standby of the same size, and one target group for both sides.
    Swapped,
    /// A hot standby of half the size, and a page that answers while no side can.
    Degraded,
    /// A hot standby of the same size, of which only one side may ever serve: the other one is out of its group first.
    Fenced,
    /// The same, and its instances are stopped.
    Stopped,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The side's instances end, and there are no new ones for twenty minutes.
    Dies,
    /// For twenty minutes its instances run and answer nothing.
    FallsSilent,
    /// For twenty minutes its answers take half a minute, and its checks pass.
    IsSlow,
    /// One instance of it answers nothing for ten minutes.
    OneIsSick,
    /// It answers nothing for fifteen seconds: one check of the balancer fails, and not two in a row.
    Pauses,
    /// No metric arrives for half an hour.
    NoMetrics,
    /// It answers nothing for two minutes out of five, six times.
    Flaps,
    /// The instances of both sides end, and there are no new ones for ten minutes.
    BothDie,
}

/// Whose rule moves the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// GhostNet's; the way back is a person's.
    GhostNet,
    /// GhostNet's, with `datapoints: 2 of 3` where the default is `3 of 3`.
    GhostNetTwoOfThree,
    /// GhostNet's, with `failback: auto`.
    GhostNetAndBack,
    /// That of alternat.
    Alternat,
    /// That of Global Accelerator, with checks every ten seconds.
    AcceleratorTen,
    /// That of Global Accelerator, with checks every thirty seconds.
    AcceleratorThirty,
}

/// What to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// What stands by.
    pub mode: Mode,
    /// What happens.
    pub failure: Failure,
    /// Whose rule moves the traffic.
    pub by: By,
    /// The seed of everything else.
    pub seed: u64,
}

/// Why nothing could be counted.
#[derive(Debug, thiserror::Error)]
pub enum Untried {
    /// The fleet is not one.
    #[error("the fleet cannot be read")]
    Fleet(#[from] serde_json::Error),
    /// The fleet is not valid.
    #[error("fleet: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
    /// A name is none.
    #[error("`{0}` is no name")]
    Name(&'static str),
    /// The load has no level.
    #[error("no load")]
    NoLoad,
    /// The home side does not have the traffic, or too few instances, when it is to begin.
    #[error("the fleet did not come to its size, or its traffic is elsewhere")]
    Unsettled,
    /// An invariant was broken.
    #[error("{0}")]
    Broken(Violation),
}

/// Counts what one failure costs.
///
/// # Errors
/// The world could not be made, or an invariant was broken in it.
pub fn run(trial: &Trial) -> Result<Toll, Untried> {
    let fleet: FleetId = FLEET.parse().map_err(|_| Untried::Name(FLEET))?;
    let silent_kinds = BTreeMap::from([(Fault::MetricMissing, 0), (Fault::MetricFailed, 0)]);
    let mut world = World::new(trial.seed, Faults::exactly(trial.seed, &silent_kinds), Log::new(false));
    let load = Load::through(vec![(0, RATE)]).ok_or(Untried::NoLoad)?;
    world.apply(trial.design()?, load);
    let mut runner = Runner::new(world, Chance::of(trial.seed, 2));
    runner.storm(SETTLES);
    is_unbroken(&runner)?;
    let until = trial.begin(&mut runner.world.borrow_mut(), &fleet)?;
    while runner.is_well() && runner.world.borrow().now < until {
        runner.step();
    }
    is_unbroken(&runner)?;
    let toll = runner.world.borrow().toll.clone();
    toll.ok_or(Untried::Unsettled)
}

fn is_unbroken(runner: &Runner) -> Result<(), Untried> {
    match runner.world.borrow().watch.violations.first() {
        Some(violation) => Err(Untried::Broken(violation.clone())),
        None => Ok(()),
    }
}

impl Trial {
    /// Sets the failure, whoever moves the traffic, and the count going. The moment at which it is over.
    fn begin(&self, world: &mut World, fleet: &FleetId) -> Result<Millis, Untried> {
        let spec = world.fleets.get(fleet).map(|there| there.spec.clone()).ok_or(Untried::Unsettled)?;
        let [home, other] = [HOME, OTHER].map(|name| name.parse::<PoolId>().map_err(|_| Untried::Name(name)));
        let (home, other) = (home?, other?);
        let share = if self.mode == Mode::Shared { 50 } else { 100 };
        let settled = spec
            .pool(&home)
            .is_some_and(|pool| world.share(&spec, pool) == share && world.standing(fleet, pool).answering >= HOME_SIZE);
        if !settled {
            return Err(Untried::Unsettled);
        }
        if let Some((rule, interval)) = self.by.rival() {
            let after = Chance::of(self.seed, 6).between(0, interval - 1);
            world.is_ruled_by(fleet, rule, after);
        }
        // a rule that counts checks has counted some before anything happens
        let begin = world.now + 3 * MINUTE + Chance::of(self.seed, 7).between(0, MINUTE - 1);
        for (after, what, lasting) in self.failure.blows() {
            let at = begin + after;
            let sides = if self.failure == Failure::BothDie {
                vec![&home, &other]
            } else {
                vec![&home]
            };
            for side in sides {
                let blow = Blow {
                    fleet: fleet.clone(),
                    side: side.clone(),
                    what,
                    until: at + lasting,
                };
                world.schedule(at, Event::Blow(Box::new(blow)));
            }
        }
        world.count_toll(fleet, begin, begin + COUNTED);
        Ok(begin + COUNTED)
    }

    /// Two sides, each in a zone of its own.
    fn design(&self) -> Result<Design, Untried> {
        let standby = match self.mode {
            Mode::HotFull | Mode::Swapped | Mode::Fenced | Mode::Stopped => json!({ "min": HOME_SIZE, "max": 2 * HOME_SIZE }),
            Mode::HotHalf | Mode::Degraded => json!({ "min": HOME_SIZE / 2, "max": 2 * HOME_SIZE }),
            Mode::Cold => json!({ "min": 0, "max": 2 * HOME_SIZE }),
            // half of what the load asks for, and as much again in reserve
            Mode::Shared => json!({ "min": HOME_SIZE / 2, "max": 2 * HOME_SIZE }),
        };
        let home = if self.mode == Mode::Shared {
            standby.clone()
        } else {
            json!({ "min": HOME_SIZE, "max": 2 * HOME_SIZE })
        };
        let role = if self.mode == Mode::Shared { "active" } else { "standby" };
        let mode = match self.mode {
            Mode::Cold => "cold_standby",
            Mode::Shared => "active_active",
            Mode::HotFull | Mode::HotHalf | Mode::Swapped | Mode::Degraded | Mode::Fenced | Mode::Stopped => "hot_standby",
        };
        let page = json!({
            "fixed_response": { "status": 503 },
            "checked_by": rule(&format!("{FLEET}-checks")).as_str(),
        });
        let fencing = matches!(self.mode, Mode::Fenced | Mode::Stopped).then(|| json!({ "stop": self.mode == Mode::Stopped }));
        let swapped = self.mode == Mode::Swapped;
        let lever = if swapped {
            json!({ "target_swap": true })
        } else {
            json!({ "listener_rules": [rule(FLEET).as_str()] })
        };
        let [here_group, there_group] = [HOME, OTHER].map(|side| group(FLEET, if swapped { SHARED } else { side }));
        let back = self.by == By::GhostNetAndBack;
        let datapoints = if self.by == By::GhostNetTwoOfThree { "2 of 3" } else { "3 of 3" };
        let [here, there] = [ZONES[0], ZONES[1]].map(|zone| json!({ "subnets": [format!("subnet-{zone}")] }));
        let raw: RawFleetSpec = serde_json::from_value(json!({
            "fleet": FLEET,
            "defaults": {
                "launch": { "template": { "name": FLEET }, "instance_types": TYPES },
                "warmup": "60s", "drain": { "timeout": "60s" },
            },
            "pools": [
                { "id": HOME, "capacity": home, "launch": here, "target_groups": [here_group.as_str()] },
                { "id": OTHER, "role": role, "capacity": standby, "launch": there, "target_groups": [there_group.as_str()] },
            ],
            "policies": [{ "id": "requests", "type": "target_tracking", "metric": "alb_request_count_per_target", "target": 1800.0 }],
            "failover": {
                "mode": mode,
                "detect": { "datapoints": datapoints, "error_rate": "5%", "response_time": "2s", "alarms": ["latency"] },
                "lever": lever,
                "failback": if back { "auto" } else { "manual" },
                "failback_after": back.then_some(3),
                "degraded": (self.mode == Mode::Degraded).then_some(page),
                "fencing": fencing,
            },
        }))?;
        FleetSpec::check(&raw).map_err(Untried::Invalid)?;
        Ok(Design {
            raw,
            capacity: INSTANCE_CAPACITY,
            size: HOME_SIZE,
        })
    }
}

impl By {
    /// The rule that stands in for the function, and from one look of it to the next.
    fn rival(self) -> Option<(Rule, Millis)> {
        let accelerator = |interval| Some((Rule::Accelerator(Accelerator::every(interval)), interval));
        match self {
            Self::GhostNet | Self::GhostNetTwoOfThree | Self::GhostNetAndBack => None,
            Self::Alternat => Some((Rule::Alternat(Alternat::default()), 5 * SECOND)),
            Self::AcceleratorTen => accelerator(10 * SECOND),
            Self::AcceleratorThirty => accelerator(30 * SECOND),
        }
    }
}

impl Failure {
    /// When, from the beginning, what befalls the side, and for how long.
    fn blows(self) -> Vec<(Millis, What, Millis)> {
        match self {
            Self::Dies => vec![(0, What::Ends, LASTING)],
            Self::FallsSilent => vec![(0, What::IsSilent, LASTING)],
            Self::IsSlow => vec![(0, What::IsSlow, LASTING)],
            Self::OneIsSick => vec![(0, What::OneIsSick, 10 * MINUTE)],
            Self::Pauses => vec![(0, What::IsSilent, 15 * SECOND)],
            Self::NoMetrics => vec![(0, What::MetricsAreMissing(100), 30 * MINUTE)],
            Self::Flaps => (0..6).map(|time| (time * 5 * MINUTE, What::IsSilent, 2 * MINUTE)).collect(),
            Self::BothDie => vec![(0, What::Ends, 10 * MINUTE)],
        }
    }
}
