//! Several scalers on the same load, side by side with the optimum.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ghostnet_core::spec::{Care, FleetSpec, PoolSpec, Rule};
use ghostnet_core::tuning::{Objective, Settings};
use ghostnet_core::unit::{Finite, Seconds};
use serde::Serialize;

use crate::foresight::{Foresight, Learning};
use crate::ghostnet::GhostNet;
use crate::iso;
use crate::load::Load;
use crate::peer::{self, Peer};
use crate::replay::{Scaler, World, play};
use crate::score::{OVERLOAD, Score, Step};
use crate::tune::{CAUTIONS, Shadows, Tuned};

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
    /// What is kept of each contestant.
    pub keeps: Keeps,
}

/// What is kept of what a contestant did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeps {
    /// What it came to: as much for a year as for a day.
    Results,
    /// What it did as well, step by step.
    Courses,
    /// And why.
    Reasons,
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
    /// Its worst hour; none if nothing ever was above 90 %.
    #[serde(skip)]
    pub worst: Option<WorstHour>,
    /// What it did, step by step, if that is kept.
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
type Played = (Followed, BTreeMap<&'static str, String>);

/// What a contestant came to, and how.
struct Followed {
    score: Score,
    worst: Option<WorstHour>,
    course: Course,
}

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
        let (Followed { score, worst, course }, settings) = match contestant {
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
            worst,
            course,
        })
    }

    fn play_ghostnet(&self) -> Option<Played> {
        let Some(limit) = self.iso else {
            let followed = self.follow(&mut GhostNet::new(self.spec, self.pool, &self.world));
            return Some((followed, BTreeMap::from([("spec", "as written".to_owned())])));
        };
        let objective = self.objective();
        let by_caution = by_caution(self.pool);
        let written = Settings::of(&by_caution)?;
        let pool = |caution: f64| {
            let settings = Settings {
                caution: Finite::new(caution).unwrap_or(written.caution),
                utilisation: written.utilisation.map(|_| objective.utilisation()),
                ..written
            };
            settings.applied(&by_caution)
        };
        let foresight = Foresight::of(self.load, &Learning::of(&pool(1.0), &self.world, &[])?, self.world.metric_delay);
        let scaler = |caution: f64| GhostNet::foreseeing(self.spec, &pool(caution), &foresight);
        let best = iso::cheapest_among(self.load, &self.world, limit, &CAUTIONS, |caution| Box::new(scaler(caution)))?;
        let followed = self.follow(&mut scaler(best.knob));
        Some((followed, BTreeMap::from([("caution", best.knob.to_string())])))
    }

    fn play_tuned(&self) -> Option<Played> {
        let objective = self.objective();
        let pool = by_caution(self.pool);
        let shadows = Shadows::play(self.load, &self.world, self.spec, &pool, &objective)?;
        let mut tuned = Tuned::new(&shadows, self.spec, &pool, objective);
        let followed = self.follow(&mut tuned);
        let scored = usize::try_from(86_400 / self.load.step().0.max(1)).unwrap_or(1);
        let nights = tuned.chosen().get(self.load.scored_from() / scored.max(1)..).unwrap_or_default();
        let mut often: BTreeMap<String, usize> = BTreeMap::new();
        for settings in nights {
            *often.entry(settings.to_string()).or_default() += 1;
        }
        let most = often.iter().max_by_key(|(_, count)| **count);
        let told = most.map(|(settings, count)| format!("{settings} ({count} of {} days)", nights.len()));
        Some((followed, BTreeMap::from([("most often", told.unwrap_or_default())])))
    }

    fn play_peer(&self, peer: Peer) -> Option<Played> {
        let knob = match self.iso {
            Some(limit) => iso::cheapest_of_peer(peer, self.load, &self.world, limit)?.knob,
            None => peer.knob()?.default_in(&self.world),
        };
        let followed = self.follow(peer.scaler(self.load, &self.world, knob)?.as_mut());
        Some((followed, peer.settings(self.load, &self.world, knob)))
    }

    fn play_optimum(&self) -> Played {
        let mut world = self.world;
        if self.iso.is_some() {
            world.instance.target = OVERLOAD;
        }
        let mut follower = Follower::new(self);
        let score = peer::optimum::play(self.load, &world, |step| {
            // what it wants is what it has: it knows the future
            let moved = follower.serving.replace(step.serving).filter(|before| *before != step.serving);
            follower.note(&step, moved.map(|before| (before, step.serving)), None);
        });
        (follower.end(score), Peer::Optimum.settings(self.load, &world, 1.0))
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

    fn follow(&self, scaler: &mut dyn Scaler) -> Followed {
        let scored_from = self.load.scored_from();
        let mut follower = Follower::new(self);
        let mut before = None;
        let score = play(self.load, &self.world, scaler, |place, step, wanted, scaler| {
            let moved = before.replace(wanted).filter(|before| *before != wanted);
            if place >= scored_from {
                follower.note(&step, moved.map(|before| (before, wanted)), Some(scaler));
            }
        });
        follower.end(score)
    }
}

/// A pool whose policies that look ahead go by caution alone, whatever they say of a quantile or of usual loads.
fn by_caution(pool: &PoolSpec) -> PoolSpec {
    let mut pool = pool.clone();
    for policy in &mut pool.policies {
        if let Rule::Predictive(rule) = &mut policy.rule {
            if let (Care::Exceeded(_), Some(caution)) = (rule.care, Finite::new(1.0)) {
                rule.care = Care::Caution(caution);
            }
            rule.usual = None;
        }
    }
    pool
}

/// Follows what is done in each scored step.
struct Follower {
    keeps: Keeps,
    hours: Hours,
    course: Course,
    step: usize,
    /// Instances that served in the step before.
    serving: Option<u32>,
}

impl Follower {
    fn new(contest: &Contest<'_>) -> Self {
        Self {
            keeps: contest.keeps,
            hours: Hours::new(contest.load, &contest.world),
            course: Course::default(),
            step: 0,
            serving: None,
        }
    }

    fn note(&mut self, step: &Step, moved: Option<(u32, u32)>, scaler: Option<&dyn Scaler>) {
        self.hours.note(step.rate, step.serving);
        if self.keeps >= Keeps::Courses {
            self.course.serving.push(step.serving);
            let why = || scaler.filter(|_| self.keeps == Keeps::Reasons)?.why();
            self.course.moves.extend(moved.map(|(before, after)| Move {
                step: self.step,
                before,
                after,
                why: why(),
            }));
        }
        self.step += 1;
    }

    fn end(self, score: Score) -> Followed {
        Followed {
            score,
            worst: self.hours.worst(),
            course: self.course,
        }
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

/// The worst hour of a course that was kept; none if nothing ever was above 90 %.
#[must_use]
pub fn worst_hour(load: &Load, world: &World, course: &Course) -> Option<WorstHour> {
    let mut hours = Hours::new(load, world);
    for (rate, serving) in load.scored().iter().zip(&course.serving) {
        hours.note(*rate, *serving);
    }
    hours.worst()
}

/// Finds the worst hour of what is told of it step by step: the hour in which the most requests were lost, then the one with the most time
/// above 90 %.
struct Hours {
    capacity: f64,
    steps: usize,
    hour: Hour,
    begun_at: usize,
    worst: Option<WorstHour>,
}

/// What an hour has come to so far.
#[derive(Default)]
struct Hour {
    steps: usize,
    offered: f64,
    lost: f64,
    over: u32,
    peak: f64,
}

impl Hours {
    fn new(load: &Load, world: &World) -> Self {
        Self {
            capacity: world.instance.capacity,
            steps: load.steps(Seconds::minutes(60)).max(1),
            hour: Hour::default(),
            begun_at: 0,
            worst: None,
        }
    }

    fn note(&mut self, rate: f64, serving: u32) {
        let capacity = self.capacity * f64::from(serving);
        let hour = &mut self.hour;
        hour.steps += 1;
        hour.offered += rate;
        hour.lost += (rate - capacity).max(0.0);
        hour.over += u32::from(rate > OVERLOAD * capacity);
        hour.peak = hour.peak.max(rate / capacity);
        if hour.steps == self.steps {
            self.end_hour();
        }
    }

    fn end_hour(&mut self) {
        let hour = std::mem::take(&mut self.hour);
        let ended = WorstHour {
            step: self.begun_at,
            lost_percent: if hour.offered > 0.0 {
                100.0 * hour.lost / hour.offered
            } else {
                0.0
            },
            over90_percent: 100.0 * f64::from(hour.over) / hour.steps.max(1) as f64,
            peak_utilisation: hour.peak,
        };
        self.begun_at += hour.steps;
        // of two alike the earlier one
        if ended.over90_percent > 0.0 && self.worst.as_ref().is_none_or(|worst| ended.is_worse(worst)) {
            self.worst = Some(ended);
        }
    }

    /// None if nothing ever was above.
    fn worst(mut self) -> Option<WorstHour> {
        if self.hour.steps > 0 {
            self.end_hour();
        }
        self.worst
    }
}

impl WorstHour {
    fn is_worse(&self, than: &Self) -> bool {
        let by = self.lost_percent.total_cmp(&than.lost_percent);
        by.then(self.over90_percent.total_cmp(&than.over90_percent)).is_gt()
    }
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
