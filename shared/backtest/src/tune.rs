//! Chooses a fleet's settings by what each would have done with the days that are past.
//!
//! Every setting plays along. Each night the one is taken that was cheapest over the last fortnight, where time above the limit costs
//! too: the price of it rises after a day with more of it than the objective allows, and falls after one with less. So the time that
//! is spent above the limit comes to what is allowed, neither more nor, for the sake of cost, much less.

use std::num::NonZero;
use std::thread;

use ghostnet_core::spec::{CapacityModel, Care, FleetSpec, Need, PoolSpec, Rule};
use ghostnet_core::unit::{Finite, Percent, Seconds};
use serde::Serialize;

use crate::foresight::{Foresight, Learning};
use crate::ghostnet::GhostNet;
use crate::load::Load;
use crate::replay::{Look, Scaler, World, play};

/// What is tuned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Settings {
    /// What a minute with too little costs, in minutes of a fleet of average size.
    pub caution: f64,
    /// For how long what was needed is kept.
    pub hold: Seconds,
    /// Never less than what so large a share of the loads at this time of day stayed below, in percent.
    pub usual: Option<u16>,
}

/// What is to be met.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Objective {
    /// More than this share of the instances should rarely be used.
    pub used: f64,
    /// So much of the time it may be, in percent.
    pub percent: f64,
}

/// What a day came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Day {
    /// Steps of one instance that were paid.
    paid: f64,
    /// Steps above the limit.
    over: f64,
    steps: f64,
}

/// Prices of caution that are tried.
const CAUTIONS: [f64; 13] = [0.25, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 48.0, 128.0, 512.0];
/// Holds that are tried, in minutes.
const HOLDS: [u32; 4] = [3, 6, 12, 30];
/// Usual loads that are tried.
const USUAL: [Option<u16>; 4] = [None, Some(70), Some(90), Some(95)];
/// So many days are looked back on.
const DAYS: usize = 14;
/// The objective is aimed at with so much to spare.
const SAFETY: f64 = 0.8;
/// How fast the price of time above the limit follows what a day came to.
const PACE: f64 = 0.3;
/// Before a day is known.
const UNTUNED: Settings = Settings {
    caution: 16.0,
    hold: Seconds::minutes(12),
    usual: None,
};

/// Every setting that is tried.
#[must_use]
pub fn grid() -> Vec<Settings> {
    let mut all = Vec::new();
    for usual in USUAL {
        for hold in HOLDS.map(Seconds::minutes) {
            all.extend(CAUTIONS.map(|caution| Settings { caution, hold, usual }));
        }
    }
    all
}

impl Settings {
    /// A pool with these settings, for an objective.
    #[must_use]
    pub fn applied(&self, pool: &PoolSpec, objective: &Objective) -> PoolSpec {
        let mut pool = pool.clone();
        let at_most = Percent((100.0 * objective.used).round() as u16);
        let limit = |model: &mut CapacityModel| {
            if let CapacityModel::Utilisation { at_most: used } = model {
                *used = at_most;
            }
        };
        for policy in &mut pool.policies {
            match &mut policy.rule {
                Rule::Capacity(rule) => limit(&mut rule.model),
                Rule::Predictive(rule) => {
                    if let Need::Model { model, .. } = &mut rule.need {
                        limit(model);
                    }
                    rule.care = Finite::new(self.caution).map_or(rule.care, Care::Caution);
                    rule.usual = self.usual.map(Percent);
                }
                _ => {}
            }
        }
        pool.guards.stabilisation_in = self.hold;
        pool
    }
}

/// Everything that is known of the past days of every setting.
#[derive(Debug)]
pub struct Shadows {
    settings: Vec<Settings>,
    days: Vec<Vec<Day>>,
    foresight: Foresight,
}

impl Shadows {
    /// Plays every setting on a load; none: no policy of the pool looks ahead.
    #[must_use]
    pub fn play(load: &Load, world: &World, spec: &FleetSpec, pool: &PoolSpec, objective: &Objective) -> Option<Self> {
        let shares: Vec<u16> = USUAL.iter().flatten().copied().collect();
        let learning = Learning::of(&UNTUNED.applied(pool, objective), world, &shares)?;
        let foresight = Foresight::of(load, &learning, world.metric_delay);
        let settings = grid();
        let of = |settings: &Settings| {
            let pool = settings.applied(pool, objective);
            let mut scaler = GhostNet::foreseeing(spec, &pool, &foresight);
            let per_day = load.steps(Seconds(86_400));
            let mut days = vec![Day::default(); load.rates().len().div_ceil(per_day)];
            play(load, world, &mut scaler, |place, step, _, _| {
                if let Some(day) = days.get_mut(place / per_day) {
                    day.paid += f64::from(step.running);
                    day.over += f64::from(u8::from(step.rate > objective.used * world.instance.capacity * f64::from(step.serving)));
                    day.steps += 1.0;
                }
            });
            days
        };
        let days = in_parallel(&settings, of);
        Some(Self { settings, days, foresight })
    }

    /// The best for the day of this number, by the days before it; `price` is that of time above the limit.
    fn best(&self, day: usize, price: f64) -> Settings {
        let first = day.saturating_sub(DAYS);
        let sums = self.settings.iter().zip(&self.days).map(|(settings, days)| {
            let sum = days.get(first..day).unwrap_or_default().iter().fold(Day::default(), |sum, day| Day {
                paid: sum.paid + day.paid,
                over: sum.over + day.over,
                steps: sum.steps + day.steps,
            });
            (settings, sum)
        });
        let sums: Vec<(&Settings, Day)> = sums.collect();
        let cheapest = sums.iter().map(|(_, sum)| sum.paid).fold(f64::INFINITY, f64::min);
        let cost = |sum: &Day| sum.paid + price * cheapest * sum.over / sum.steps.max(1.0);
        let best = sums.iter().min_by(|(_, a), (_, b)| cost(a).total_cmp(&cost(b)));
        best.map_or(UNTUNED, |(settings, _)| **settings)
    }
}

/// A fleet that is tuned each night, by its past alone.
#[derive(Debug)]
pub struct Tuned<'a> {
    shadows: &'a Shadows,
    spec: &'a FleetSpec,
    pool: &'a PoolSpec,
    objective: Objective,
    scaler: GhostNet<'a>,
    price: f64,
    day: usize,
    /// What was chosen for each day.
    chosen: Vec<Settings>,
}

/// Of a fleet that is used to the limit, the price of the time above it at first.
const PRICE: f64 = 20.0;
const PRICES: (f64, f64) = (0.4, 10_000.0);

impl<'a> Tuned<'a> {
    /// A fleet that begins untuned.
    #[must_use]
    pub fn new(shadows: &'a Shadows, spec: &'a FleetSpec, pool: &'a PoolSpec, objective: Objective) -> Self {
        let scaler = GhostNet::foreseeing(spec, &UNTUNED.applied(pool, &objective), &shadows.foresight);
        Self {
            shadows,
            spec,
            pool,
            objective,
            scaler,
            price: PRICE,
            day: 0,
            chosen: vec![UNTUNED],
        }
    }

    /// What was chosen for each day.
    #[must_use]
    pub fn chosen(&self) -> &[Settings] {
        &self.chosen
    }

    fn retune(&mut self, day: usize, look: &Look<'_>) {
        let per_day = usize::try_from(86_400 / look.step.0.max(1)).unwrap_or(1);
        let yesterday = look.used.get(look.used.len().saturating_sub(per_day)..).unwrap_or_default();
        let over = yesterday.iter().filter(|used| **used > self.objective.used).count();
        let percent = 100.0 * over as f64 / yesterday.len().max(1) as f64;
        let beside = (percent / (self.objective.percent * SAFETY) - 1.0).clamp(-1.0, 3.0);
        self.price = (self.price * (PACE * beside).exp()).clamp(PRICES.0, PRICES.1);
        let best = self.shadows.best(day, self.price);
        self.chosen.push(best);
        self.scaler.retune(self.spec, &best.applied(self.pool, &self.objective));
    }
}

impl Scaler for Tuned<'_> {
    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let day = usize::try_from(look.seconds / 86_400).unwrap_or(usize::MAX);
        if day > self.day {
            self.day = day;
            self.retune(day, look);
        }
        self.scaler.decide(look)
    }

    fn why(&self) -> Option<String> {
        self.scaler.why()
    }
}

/// Every item's result, in the order of the items, by as many threads as there are cores.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], of: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let part = items.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = items.chunks(part).map(|part| scope.spawn(|| part.iter().map(&of).collect::<Vec<R>>())).collect();
        // a thread that panicked has said so already
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    })
}
