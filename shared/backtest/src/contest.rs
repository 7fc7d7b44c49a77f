//! Several scalers on the same load, side by side with the optimum.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ghostnet_core::spec::{FleetSpec, PoolSpec};
use serde::Serialize;

use crate::ghostnet::GhostNet;
use crate::load::Load;
use crate::optimum::{self, Prices};
use crate::replay::{Scaler, World, play};
use crate::score::{Meter, OVERLOAD, Score, Step};

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Contest<'a> {
    /// The load.
    pub load: &'a Load,
    /// The world in which it is played.
    pub world: World,
    /// The fleet as its owner wrote it.
    pub spec: &'a FleetSpec,
    /// The pool of it that takes the load.
    pub pool: &'a PoolSpec,
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contestant {
    /// The cheapest schedule, by someone who knows the future.
    Optimum,
    /// The fleet as its owner wrote it.
    GhostNet,
}

impl Contestant {
    /// Everybody who may take part.
    pub const ALL: [Self; 2] = [Self::Optimum, Self::GhostNet];

    /// The name under which it is asked for and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Optimum => "optimum",
            Self::GhostNet => "ghostnet",
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Contestant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|contestant| contestant.name() == name);
        found.ok_or_else(|| format!("there is no policy `{name}`; there are {}", known()))
    }
}

/// What one contestant came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Who.
    pub policy: &'static str,
    /// What it is worth.
    #[serde(flatten)]
    pub score: Score,
    /// Instance-hours, over those of the optimum.
    pub cost_ratio: f64,
    /// What it was set to.
    pub settings: BTreeMap<&'static str, String>,
    /// What it did, step by step.
    #[serde(skip)]
    pub course: Course,
}

/// What a contestant did, step by step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// Instances that took requests, in each step that is scored.
    pub serving: Vec<u32>,
    /// Moves of the wanted size.
    pub moves: Vec<Move>,
}

/// A move of the wanted size.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// In which step, counted from the first that is scored.
    pub step: usize,
    /// Wanted before.
    pub before: u32,
    /// Wanted from then on.
    pub after: u32,
    /// Why, if the contestant tells.
    pub why: Option<String>,
}

impl Contest<'_> {
    /// What the cheapest schedule costs that never uses more than this share of its instances, in instance-hours.
    #[must_use]
    pub fn optimum_hours(&self, used: f64) -> f64 {
        optimum::cost(&self.demand(used), self.prices()) * f64::from(self.load.step().0) / 3_600.0
    }

    /// Plays one contestant. `hours` are those of the optimum.
    #[must_use]
    pub fn row(&self, contestant: Contestant, hours: f64) -> Row {
        let (score, course) = match contestant {
            Contestant::Optimum => self.play_optimum(),
            Contestant::GhostNet => self.play(&mut GhostNet::new(self.spec, self.pool, &self.world)),
        };
        Row {
            policy: contestant.name(),
            cost_ratio: score.instance_hours / hours,
            score,
            settings: BTreeMap::new(),
            course,
        }
    }

    fn play(&self, scaler: &mut dyn Scaler) -> (Score, Course) {
        let scored_from = self.load.scored_from();
        let mut course = Course::default();
        let mut before = None;
        let score = play(self.load, &self.world, scaler, |place, step, wanted, scaler| {
            let moved = before.replace(wanted).filter(|before| *before != wanted);
            let Some(scored) = place.checked_sub(scored_from) else { return };
            course.serving.push(step.serving);
            course.moves.extend(moved.map(|before| Move {
                step: scored,
                before,
                after: wanted,
                why: scaler.why(),
            }));
        });
        (score, course)
    }

    fn play_optimum(&self) -> (Score, Course) {
        let (serving, _) = optimum::schedule(&self.demand(self.world.instance.target), self.prices());
        let boot = self.load.steps(self.world.boot);
        let mut meter = Meter::new(self.world.instance, self.load.step(), self.world.stopped_price);
        let mut course = Course::default();
        let mut before = serving.first().copied().unwrap_or_default();
        for (place, (rate, serving_now)) in self.load.scored().iter().zip(&serving).enumerate() {
            // whoever serves within a boot from now boots now
            let booting: u32 = serving
                .windows(2)
                .skip(place)
                .take(boot)
                .filter_map(|pair| Some(pair.get(1)?.saturating_sub(*pair.first()?)))
                .sum();
            meter.note_move(
                before,
                *serving_now,
                u64::try_from(place).unwrap_or(u64::MAX) * u64::from(self.load.step().0),
            );
            if *serving_now != before {
                course.moves.push(Move {
                    step: place,
                    before,
                    after: *serving_now,
                    why: None,
                });
            }
            before = *serving_now;
            meter.note(Step {
                rate: *rate,
                serving: *serving_now,
                running: serving_now + booting,
                stopped: 0,
            });
        }
        course.serving = serving;
        (meter.score(), course)
    }

    fn demand(&self, used: f64) -> Vec<u32> {
        let needed = |rate: &f64| self.world.instance.needed_at(*rate, used);
        self.load.scored().iter().map(needed).collect()
    }

    fn prices(&self) -> Prices {
        let boot = u32::try_from(self.load.steps(self.world.boot)).unwrap_or(u32::MAX);
        Prices {
            start: f64::from(boot),
            missing: None,
        }
    }
}

/// The worst hour of a course.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WorstHour {
    /// Its first step, counted from the first that is scored.
    pub step: usize,
    /// Requests that were lost in it, in percent of those that came.
    pub lost_percent: f64,
    /// Time above 90 %, in percent.
    pub over90_percent: f64,
    /// The most that was used of the instances.
    pub peak_utilisation: f64,
}

/// The hour of a course in which the most requests were lost, then the one with the most time above 90 %; none if nothing ever was
/// above.
#[must_use]
pub fn worst_hour(load: &Load, world: &World, course: &Course) -> Option<WorstHour> {
    let steps = usize::try_from(3_600 / load.step().0.max(1)).unwrap_or(1).max(1);
    let of_hour = |(hour, (rates, serving)): (usize, (&[f64], &[u32]))| {
        let (mut offered, mut lost, mut over, mut peak) = (0.0, 0.0, 0_u32, 0.0_f64);
        for (rate, serving) in rates.iter().zip(serving) {
            let capacity = world.instance.capacity * f64::from(*serving);
            offered += rate;
            lost += (rate - capacity).max(0.0);
            over += u32::from(*rate > OVERLOAD * capacity);
            peak = peak.max(rate / capacity);
        }
        WorstHour {
            step: hour * steps,
            lost_percent: if offered > 0.0 { 100.0 * lost / offered } else { 0.0 },
            over90_percent: 100.0 * f64::from(over) / rates.len().max(1) as f64,
            peak_utilisation: peak,
        }
    };
    let hours = load
        .scored()
        .chunks(steps)
        .zip(course.serving.chunks(steps))
        .enumerate()
        .map(of_hour);
    let worse = |a: &WorstHour, b: &WorstHour| {
        let by = a
            .lost_percent
            .total_cmp(&b.lost_percent)
            .then(a.over90_percent.total_cmp(&b.over90_percent));
        // of two alike the earlier one
        by.then(b.step.cmp(&a.step))
    };
    hours.max_by(worse).filter(|hour| hour.over90_percent > 0.0)
}
