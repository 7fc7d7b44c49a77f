//! Several scalers on the same load, side by side with the optimum.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ghostnet_core::spec::{FleetSpec, PoolSpec};
use ghostnet_core::tuning::Settings;
use ghostnet_core::unit::{Finite, Seconds};
use serde::Serialize;

use crate::foresight::{Foresight, Learning};
use crate::ghostnet::GhostNet;
use crate::iso;
use crate::load::Load;
use crate::peer::{self, Peer};
use crate::replay::{Scaler, World, play};
use crate::score::{OVERLOAD, Score};
use crate::tune::{CAUTIONS, Objective, Shadows, Tuned};

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
    /// So many percent of the time more than 90 % may be used, and everybody has the headroom that keeps it at the least cost; none:
    /// everybody plays at its defaults.
    pub iso: Option<f64>,
    /// Whether the reason of each move is kept.
    pub reasons: bool,
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contestant {
    /// The fleet as its owner wrote it.
    GhostNet,
    /// The same fleet, tuned each night by its past alone.
    GhostNetTuned,
    /// Another autoscaler, or the optimum.
    Peer(Peer),
}

impl Contestant {
    /// Everybody who may take part, in the order of a table.
    pub fn all() -> impl Iterator<Item = Self> {
        let ours = [Self::GhostNet, Self::GhostNetTuned];
        ours.into_iter().chain(Peer::ALL.map(Self::Peer))
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GhostNet => f.pad("ghostnet"),
            Self::GhostNetTuned => f.pad("ghostnet-tuned"),
            Self::Peer(peer) => peer.fmt(f),
        }
    }
}

/// A name under which nobody takes part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no policy; these are: {}", Contestant::all().map(|one| one.to_string()).collect::<Vec<_>>().join(", "))]
pub struct UnknownContestant {
    /// What was given.
    pub name: String,
}

impl FromStr for Contestant {
    type Err = UnknownContestant;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownContestant { name: name.to_owned() };
        Self::all().find(|contestant| contestant.to_string() == name).ok_or_else(unknown)
    }
}

/// What one contestant came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Who.
    pub policy: String,
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

/// A row without its ratio.
type Played = (Score, Course, BTreeMap<&'static str, String>);

impl Contest<'_> {
    /// Instance-hours of the cheapest schedule that never uses more than the target, or more than 90 % where that is the objective.
    #[must_use]
    pub fn optimum_hours(&self) -> f64 {
        peer::optimum::hours(self.load, &self.world, self.denominator())
    }

    /// The share of its instances that the schedule never uses more of by which everybody is measured.
    #[must_use]
    pub fn denominator(&self) -> f64 {
        if self.iso.is_some() { OVERLOAD } else { self.world.instance.target }
    }

    /// What the fleet expected of the scored load, by what it knew then; empty: no policy of it looks ahead.
    #[must_use]
    pub fn expected(&self) -> Vec<Expected> {
        let Some(learning) = Learning::of(self.pool, &self.world, &[]) else {
            return Vec::new();
        };
        let foresight = Foresight::of(self.load, &learning, self.world.metric_delay);
        let per_minute = self.load.steps(Seconds(60)).max(1);
        let expected = |minute: usize| {
            let ahead = foresight.at(minute, self.load.at(minute * per_minute))?;
            let then = Seconds::between(self.load.start(), ahead.at.at());
            let step = self.load.steps(then).checked_sub(self.load.scored_from())?;
            Some(Expected {
                step,
                median: ahead.expected / 60.0,
                upper: ahead.enough(RARELY)? / 60.0,
            })
        };
        let minutes = self.load.rates().len().div_ceil(per_minute);
        let all = (0..minutes).filter_map(expected);
        all.filter(|expected| expected.step < self.load.scored().len()).collect()
    }

    /// Plays one contestant; none: it cannot keep the objective, or the pool has no policy that could be tuned. `hours` are those of
    /// the optimum.
    #[must_use]
    pub fn row(&self, contestant: Contestant, hours: f64) -> Option<Row> {
        let (score, course, settings) = match contestant {
            Contestant::GhostNet => self.play_ghostnet(),
            Contestant::GhostNetTuned => self.play_tuned(),
            Contestant::Peer(Peer::Optimum) => Some(self.play_optimum()),
            Contestant::Peer(peer) => self.play_peer(peer),
        }?;
        Some(Row {
            policy: contestant.to_string(),
            cost_ratio: score.instance_hours / hours,
            score,
            settings,
            course,
        })
    }

    fn play_ghostnet(&self) -> Option<Played> {
        let Some(limit) = self.iso else {
            let (score, course) = self.follow(&mut GhostNet::new(self.spec, self.pool, &self.world));
            return Some((score, course, BTreeMap::from([("spec", "as written".to_owned())])));
        };
        let objective = self.objective();
        let written = Settings::of(self.pool)?;
        let pool = |caution: f64| {
            let settings = Settings {
                caution: Finite::new(caution).unwrap_or(written.caution),
                utilisation: written.utilisation.map(|_| objective.utilisation()),
                ..written
            };
            settings.applied(self.pool)
        };
        let foresight = Foresight::of(self.load, &Learning::of(&pool(1.0), &self.world, &[])?, self.world.metric_delay);
        let scaler = |caution: f64| GhostNet::foreseeing(self.spec, &pool(caution), &foresight);
        let best = iso::cheapest_among(self.load, &self.world, limit, &CAUTIONS, |caution| Box::new(scaler(caution)))?;
        let (score, course) = self.follow(&mut scaler(best.knob));
        Some((score, course, BTreeMap::from([("caution", best.knob.to_string())])))
    }

    fn play_tuned(&self) -> Option<Played> {
        let objective = self.objective();
        let shadows = Shadows::play(self.load, &self.world, self.spec, self.pool, &objective)?;
        let mut tuned = Tuned::new(&shadows, self.spec, self.pool, objective);
        let (score, course) = self.follow(&mut tuned);
        let scored = usize::try_from(86_400 / self.load.step().0.max(1)).unwrap_or(1);
        let nights = tuned.chosen().get(self.load.scored_from() / scored.max(1)..).unwrap_or_default();
        let mut often: BTreeMap<String, usize> = BTreeMap::new();
        for settings in nights {
            *often.entry(settings.to_string()).or_default() += 1;
        }
        let most = often.iter().max_by_key(|(_, count)| **count);
        let told = most.map(|(settings, count)| format!("{settings} ({count} of {} days)", nights.len()));
        Some((score, course, BTreeMap::from([("most often", told.unwrap_or_default())])))
    }

    fn play_peer(&self, peer: Peer) -> Option<Played> {
        let knob = match self.iso {
            Some(limit) => iso::cheapest_of_peer(peer, self.load, &self.world, limit)?.knob,
            None => peer.knob()?.default_in(&self.world),
        };
        let (score, course) = self.follow(peer.scaler(self.load, &self.world, knob)?.as_mut());
        Some((score, course, peer.settings(self.load, &self.world, knob)))
    }

    fn play_optimum(&self) -> Played {
        let mut world = self.world;
        if self.iso.is_some() {
            world.instance.target = OVERLOAD;
        }
        let mut course = Course::default();
        let score = peer::optimum::play(self.load, &world, |step| {
            let before = course.serving.last().copied().filter(|before| *before != step.serving);
            course.moves.extend(before.map(|before| Move {
                step: course.serving.len(),
                before,
                after: step.serving,
                why: None,
            }));
            course.serving.push(step.serving);
        });
        (score, course, Peer::Optimum.settings(self.load, &world, 1.0))
    }

    /// What is to be met: the limit of the comparison; without one, hardly ever above the target.
    fn objective(&self) -> Objective {
        const HARDLY_EVER_PERCENT: f64 = 1.0;
        match self.iso {
            Some(percent) => Objective { used: OVERLOAD, percent },
            None => Objective {
                used: self.world.instance.target,
                percent: HARDLY_EVER_PERCENT,
            },
        }
    }

    fn follow(&self, scaler: &mut dyn Scaler) -> (Score, Course) {
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
                why: if self.reasons { scaler.why() } else { None },
            }));
        });
        (score, course)
    }
}

/// A share of the time in which more comes than the upper bound of what is expected.
const RARELY: f64 = 0.05;

/// What was expected of a step, in the unit of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// The step, counted from the first that is scored.
    pub step: usize,
    /// What the experts expected together.
    pub median: f64,
    /// Enough in 95 % of the time.
    pub upper: f64,
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
    let steps = load.steps(Seconds::minutes(60)).max(1);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for contestant in Contestant::all() {
            assert_eq!(contestant.to_string().parse(), Ok(contestant));
        }
        let error = "aws".parse::<Contestant>().unwrap_err().to_string();
        assert!(
            error.starts_with("`aws` is no policy") && error.contains("ghostnet-tuned, aws-target-tracking"),
            "{error}"
        );
    }
}
