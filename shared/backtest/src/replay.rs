//! Plays a load to a scaler and a fleet, step by step.
//!
//! In each step those serve that have booted, the load falls on them, and whoever is due decides, knowing the load up to this very step
//! less the delay of the metrics. What was decided is paid from the next step on. One homogeneous fleet, no queue, no failures.

use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use crate::fleet::{Boot, Fleet, Stock};
use crate::load::{Instance, Load};
use crate::score::{Meter, Score, Step};

/// From which step on a launched instance serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timing {
    /// The whole boot is waited for after the step in which it was decided.
    #[default]
    Strict,
    /// The step in which it was decided is part of the boot.
    Default,
}

/// The world that is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct World {
    /// What one instance does.
    pub instance: Instance,
    /// From a launch until the instance serves.
    pub boot: Seconds,
    /// From the start of a stopped instance until it serves.
    pub warm_start: Seconds,
    /// What a stopped instance costs of a running one.
    pub stopped_price: f64,
    /// When a launched instance serves.
    pub timing: Timing,
    /// How late metrics are known.
    pub metric_delay: Seconds,
}

impl World {
    /// The world of what is published (`quality.md`, D.1): boots of three minutes that are waited for whole, metrics that are known at once,
    /// stopped instances that start in half a minute and cost their volumes, about a twentieth of a running one.
    #[must_use]
    pub const fn of(instance: Instance) -> Self {
        Self {
            instance,
            boot: Seconds(180),
            warm_start: Seconds(30),
            stopped_price: 0.05,
            timing: Timing::Strict,
            metric_delay: Seconds(0),
        }
    }

    fn boot(&self, load: &Load) -> Boot {
        let more = usize::from(self.timing == Timing::Strict);
        Boot {
            cold: load.steps(self.boot) + more,
            warm: load.steps(self.warm_start) + more,
        }
    }
}

/// What a scaler may look at: the past.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// What one instance does.
    pub instance: Instance,
    /// Length of a step.
    pub step: Seconds,
    /// The moment.
    pub now: Timestamp,
    /// Seconds since the load began.
    pub seconds: u64,
    /// How late metrics are known.
    pub delay: Seconds,
    /// The rate at each step that is known, the newest last.
    pub rates: &'a [f64],
    /// How much of the serving instances was used in each of these steps, of a fortnight at least; above one, there was more to do than they can.
    pub used: &'a [f64],
    /// Instances that take requests.
    pub serving: u32,
    /// Instances that boot.
    pub booting: u32,
}

impl Look<'_> {
    /// Instances that serve or boot to.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.serving + self.booting
    }

    /// The mean rate of the newest `length`; zero while nothing is known.
    #[must_use]
    pub fn rate(&self, length: Seconds) -> f64 {
        mean(self.newest(self.rates, length))
    }

    /// How much of the serving instances was used in the newest `length`, on average; above one, there was more to do than they can.
    #[must_use]
    pub fn used(&self, length: Seconds) -> f64 {
        mean(self.newest(self.used, length))
    }

    fn newest<'b>(&self, values: &'b [f64], length: Seconds) -> &'b [f64] {
        let steps = usize::try_from((length.0 / self.step.0).max(1)).unwrap_or(1);
        values.get(values.len().saturating_sub(steps)..).unwrap_or_default()
    }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// Whoever decides how many instances there are to be.
pub trait Scaler {
    /// How often it decides.
    fn every(&self) -> Seconds {
        Seconds::minutes(1)
    }

    /// How many are wanted from the next step on.
    fn decide(&mut self, look: &Look<'_>) -> u32;

    /// The stopped ones that are kept.
    fn stock(&self) -> Stock {
        Stock::default()
    }

    /// Why the last decision was as it was, if it can tell.
    fn why(&self) -> Option<String> {
        None
    }
}

/// How long ago a scaler may look at how much was used.
const REMEMBERED: Seconds = Seconds::minutes(14 * 24 * 60);

/// Plays a load, and scores what is not warm-up. `see` is told each step, how many are wanted after it, and by whom.
pub fn play(load: &Load, world: &World, scaler: &mut dyn Scaler, mut see: impl FnMut(usize, Step, u32, &dyn Scaler)) -> Score {
    let first = load.rates().first().copied().unwrap_or_default();
    let mut wanted = world.instance.needed(first);
    let mut fleet = Fleet::new(wanted, scaler.stock(), world.boot(load));
    let mut meter = Meter::new(world.instance, load.step(), world.stopped_price);
    let remembered = load.steps(REMEMBERED).max(1);
    let mut used: Vec<f64> = Vec::new();
    let (every, delay) = (load.steps(scaler.every()).max(1), load.steps(world.metric_delay));
    for (place, rate) in load.rates().iter().enumerate() {
        fleet.begin(place);
        let step = Step {
            rate: *rate,
            serving: fleet.serving(),
            running: fleet.running(),
            stopped: fleet.stopped(),
        };
        if used.len() >= 2 * remembered + delay {
            // a year takes no more room than a month
            used.drain(..remembered);
        }
        used.push(rate / (world.instance.capacity * f64::from(step.serving)));
        if place >= load.scored_from() {
            meter.note(step);
        }
        if place.is_multiple_of(every) {
            let known = (place + 1).saturating_sub(delay);
            let seconds = u64::try_from(place).unwrap_or(u64::MAX) * u64::from(load.step().0);
            let desired = scaler.decide(&Look {
                instance: world.instance,
                step: load.step(),
                now: load.at(place),
                seconds,
                delay: world.metric_delay,
                rates: load.rates().get(..known).unwrap_or_default(),
                used: used.get(..used.len().saturating_sub(delay)).unwrap_or_default(),
                serving: step.serving,
                booting: fleet.booting(),
            });
            if place >= load.scored_from() {
                meter.note_move(wanted, desired, seconds);
            }
            wanted = desired;
            fleet.keep(scaler.stock());
            fleet.want(desired, place);
        }
        see(place, step, wanted, scaler);
    }
    meter.score()
}
