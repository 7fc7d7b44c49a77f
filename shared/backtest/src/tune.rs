//! Chooses a fleet's settings by what each would have done with the days that are past.
//!
//! Every setting plays along. Each night, of the settings that no mixture of others beats, the one is taken whose time above the limit
//! fits what is left of the objective's error budget, at the least cost. What is left follows from what was really spent in the last
//! fortnight. A margin is only bought where it is not absurdly dear, and no promise is paid for that noise makes unreachable.

use std::iter;

use ghostnet_core::spec::{FleetSpec, PoolSpec};
use ghostnet_core::tuning::{Objective, Settings, USUAL};
use ghostnet_core::unit::{Finite, Percent, Seconds};
use serde::Serialize;

use crate::fleet::Stock;
use crate::foresight::{Foresight, Learning};
use crate::ghostnet::GhostNet;
use crate::load::Load;
use crate::parallel::each;
use crate::replay::{Look, Scaler, World, play};

/// What some days came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Days {
    /// Steps of one instance that were paid, and what moves of the size count as.
    paid: f64,
    /// Steps above the limit.
    over: f64,
    steps: f64,
}

impl Days {
    fn plus(self, other: &Self) -> Self {
        Self {
            paid: self.paid + other.paid,
            over: self.over + other.over,
            steps: self.steps + other.steps,
        }
    }

    /// The share of the time above the limit.
    fn share(&self) -> f64 {
        self.over / self.steps.max(1.0)
    }
}

/// Prices of caution that are tried.
pub(crate) const CAUTIONS: [f64; 13] = [0.25, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 48.0, 128.0, 512.0];
/// Holds that are tried, in minutes.
const HOLDS: [u32; 4] = [3, 6, 12, 30];
/// So many days are looked back on.
const DAYS: usize = 14;
/// A setting must also have done well in the last days alone.
const LAST_DAYS: usize = 3;
/// The error budget is planned for so many days ahead.
const PLAN_DAYS: f64 = 7.0;
/// So much of the budget is aimed at.
const SAFETY: f64 = 0.8;
/// What is left of a budget is planned within these bounds, as shares of it.
const LEFT: (f64, f64) = (0.2, 1.2);
/// Beyond this price of all the time, over the budget's share, the margin is not bought; beyond the other one, nothing is.
const DEAR: f64 = 0.6;
const ABSURD: f64 = 2.0;
/// A move of the size counts as so many minutes of one instance: caches are cold, and operators like rest.
const MOVE_MINUTES: f64 = 2.0;
/// Before a day is known.
const UNTUNED_CAUTION: f64 = 16.0;
const UNTUNED_HOLD: Seconds = Seconds::minutes(12);

/// A night moves the utilisation by so many points.
const UTILISATION_POINTS: u16 = 5;
/// A night moves the price of caution by so many places of those that are tried, and everything else by one.
const CAUTION_PLACES: usize = 2;

/// Every setting of a pool that is tried; empty: it has none to tune.
#[must_use]
pub fn grid(pool: &PoolSpec, objective: &Objective) -> Vec<Settings> {
    match Settings::of(pool) {
        Some(written) => every(written.utilisation.map(|_| objective.utilisation())),
        None => Vec::new(),
    }
}

/// Those of the same utilisation.
fn every(utilisation: Option<Percent>) -> Vec<Settings> {
    let mut all = Vec::new();
    for usual in usual() {
        for hold in HOLDS.map(Seconds::minutes) {
            let of = |caution| Settings {
                caution,
                hold,
                usual,
                utilisation,
            };
            all.extend(CAUTIONS.into_iter().filter_map(Finite::new).map(of));
        }
    }
    all
}

fn usual() -> impl Iterator<Item = Option<Percent>> {
    iter::once(None).chain(USUAL.map(Some))
}

/// Those that one night may come to from these.
fn near(from: &Settings, objective: &Objective) -> Vec<Settings> {
    let towards = |used: Percent| {
        let (least, most) = (used.0.saturating_sub(UTILISATION_POINTS), used.0.saturating_add(UTILISATION_POINTS));
        Percent(objective.utilisation().0.clamp(least, most))
    };
    let caution = |settings: &Settings| CAUTIONS.iter().filter(|caution| **caution < settings.caution.get()).count();
    let hold = |settings: &Settings| HOLDS.iter().filter(|hold| Seconds::minutes(**hold) < settings.hold).count();
    let usually = |settings: &Settings| usual().filter(|usual| *usual < settings.usual).count();
    let is_near = |settings: &Settings| {
        caution(settings).abs_diff(caution(from)) <= CAUTION_PLACES
            && hold(settings).abs_diff(hold(from)) <= 1
            && usually(settings).abs_diff(usually(from)) <= 1
    };
    let mut all = every(from.utilisation.map(towards));
    all.retain(is_near);
    all
}

/// What a pool begins with, of which nothing is known; none: it has nothing to tune.
fn untuned(pool: &PoolSpec, objective: &Objective) -> Option<Settings> {
    let written = Settings::of(pool)?;
    Some(Settings {
        caution: Finite::new(UNTUNED_CAUTION)?,
        hold: UNTUNED_HOLD,
        usual: None,
        utilisation: written.utilisation.map(|_| objective.utilisation()),
    })
}

/// Everything that is known of the past days of every setting.
#[derive(Debug)]
pub struct Shadows {
    untuned: Settings,
    settings: Vec<Settings>,
    days: Vec<Vec<Days>>,
    foresight: Foresight,
}

impl Shadows {
    /// Plays every setting on a load; none: the pool has nothing to tune.
    #[must_use]
    pub fn play(load: &Load, world: &World, spec: &FleetSpec, pool: &PoolSpec, objective: &Objective) -> Option<Self> {
        Self::play_these(grid(pool, objective), load, world, (spec, pool), objective)
    }

    fn play_these(
        settings: Vec<Settings>,
        load: &Load,
        world: &World,
        (spec, pool): (&FleetSpec, &PoolSpec),
        objective: &Objective,
    ) -> Option<Self> {
        let untuned = untuned(pool, objective)?;
        let usual = USUAL.map(|share| share.0);
        let learning = Learning::of(&untuned.applied(pool), world, &usual)?;
        let foresight = Foresight::of(load, &learning, world.metric_delay);
        let of = |settings: &Settings| play_days(load, world, (spec, &settings.applied(pool)), objective, &foresight);
        Some(Self {
            days: each(&settings, of),
            untuned,
            settings,
            foresight,
        })
    }

    /// The best for the day of this number, by the days before it, of which so many percent of the time were spent above the limit.
    fn best(&self, day: usize, spent: f64, objective: &Objective) -> Settings {
        let rated = self.rated(day);
        let limit = objective.percent / 100.0;
        let days = day.min(DAYS) as f64;
        let left = (SAFETY * limit * (days + PLAN_DAYS) - spent / 100.0 * days) / PLAN_DAYS;
        let allowed = left.clamp(LEFT.0 * limit, LEFT.1 * limit);
        let least = |allowed: f64| {
            let fits = |price: &f64| at_price(&rated, *price).is_some_and(|best| best.share <= allowed);
            prices().find(fits).unwrap_or(PRICE_MOST)
        };
        let mut price = least(allowed);
        if price > DEAR / limit {
            price = price.min(least(allowed / SAFETY).max(DEAR / limit));
        }
        at_price(&rated, price.min(ABSURD / limit).max(PRICE_LEAST)).map_or(self.untuned, |best| best.settings)
    }

    /// What each setting came to in the fortnight before the day of this number.
    fn rated(&self, day: usize) -> Vec<Rated> {
        let all = self.settings.iter().zip(&self.days);
        all.map(|(settings, days)| Rated::of(*settings, days, day)).collect()
    }
}

/// What each day of a load comes to, for a pool that knows of it what was learned before.
fn play_days(load: &Load, world: &World, (spec, pool): (&FleetSpec, &PoolSpec), objective: &Objective, foresight: &Foresight) -> Vec<Days> {
    let mut scaler = GhostNet::foreseeing(spec, pool, foresight);
    let per_day = load.steps(Seconds(86_400));
    let mut days = vec![Days::default(); load.rates().len().div_ceil(per_day)];
    let of_move = MOVE_MINUTES * 60.0 / f64::from(load.step().0);
    let mut last = None;
    play(load, world, &mut scaler, |place, step, wanted, _| {
        if let Some(day) = days.get_mut(place / per_day) {
            let moved = last.replace(wanted).is_some_and(|last| last != wanted);
            day.paid += f64::from(step.running) + if moved { of_move } else { 0.0 };
            let over = step.rate > objective.used * world.instance.capacity * f64::from(step.serving);
            day.over += f64::from(u8::from(over));
            day.steps += 1.0;
        }
    });
    days
}

/// What a setting came to.
#[derive(Debug, Clone, Copy)]
struct Rated {
    settings: Settings,
    paid: f64,
    /// Of the time above the limit, the larger share: over all days, or over the last ones.
    share: f64,
    share_of_all: f64,
}

impl Rated {
    /// In the fortnight before the day of this number.
    fn of(settings: Settings, days: &[Days], day: usize) -> Self {
        let sum = |last: usize| {
            let last = days.get(day.saturating_sub(last)..day).unwrap_or_default();
            last.iter().fold(Days::default(), Days::plus)
        };
        let all = sum(DAYS);
        Self {
            settings,
            paid: all.paid,
            share: all.share().max(sum(LAST_DAYS).share()),
            share_of_all: all.share(),
        }
    }
}

/// The setting that costs least where all the time above the limit costs so much, in fleets of the cheapest setting.
fn at_price(rated: &[Rated], price: f64) -> Option<&Rated> {
    let cheapest = rated.iter().map(|rated| rated.paid).fold(f64::INFINITY, f64::min);
    let cost = |rated: &&Rated| rated.paid + price * cheapest * rated.share;
    rated.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)))
}

/// Prices of all the time above the limit, in fleets of the cheapest setting, that are tried: in quarters of a doubling.
const PRICE_LEAST: f64 = 0.25;
const PRICE_MOST: f64 = 131_072.0;

fn prices() -> impl Iterator<Item = f64> {
    (0..=76).map(|quarter| PRICE_LEAST * (f64::from(quarter) / 4.0).exp2())
}

/// What a setting came to on the days that are past.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Evidence {
    /// The setting.
    #[serde(flatten)]
    pub settings: Settings,
    /// Instance-hours a day.
    pub instance_hours_per_day: f64,
    /// Time above the limit.
    pub over_percent: f64,
}

/// A choice, and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// Days that it looks back on.
    pub days: usize,
    /// The fleet as its owner wrote it.
    pub present: Evidence,
    /// What to set; what the fleet goes by if nothing gains a hundredth.
    pub chosen: Evidence,
    /// What one can have for more, or for less: no mixture of others beats these. The cheapest first.
    pub front: Vec<Evidence>,
}

/// Less than this share of the cost is not worth a change.
const GAIN_LEAST: f64 = 0.01;

/// Which settings are tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reach {
    /// All of them, in place of what is written.
    Everything,
    /// Those to which one night may come from these, by which the pool goes.
    Near(Settings),
}

/// What to set for the day after a load, by the last fortnight of it; none: the pool has no settings to tune, or there is not one whole
/// day to look back on.
#[must_use]
pub fn suggest(
    load: &Load,
    world: &World,
    (spec, pool): (&FleetSpec, &PoolSpec),
    objective: &Objective,
    reach: Reach,
) -> Option<Suggestion> {
    let written = Settings::of(pool)?;
    let day = load.rates().len() / load.steps(Seconds(86_400)).max(1);
    if day == 0 {
        return None;
    }
    let (from, settings) = match reach {
        Reach::Everything => (written, grid(pool, objective)),
        Reach::Near(from) => (from, near(&from, objective)),
    };
    let shadows = Shadows::play_these(settings, load, world, (spec, pool), objective)?;
    let rated = shadows.rated(day);
    // each aims at its own utilisation, and learns by that
    let of = |settings: Settings| {
        let pool = settings.applied(pool);
        let foresight = Foresight::of(load, &Learning::of(&pool, world, &[])?, world.metric_delay);
        let days = play_days(load, world, (spec, &pool), objective, &foresight);
        Some(Rated::of(settings, &days, day))
    };
    let now = of(written)?;
    let before = if from == written { now } else { of(from)? };
    let days = day.min(DAYS);
    let hours = f64::from(load.step().0) / 3_600.0 / days as f64;
    let evidence = |rated: &Rated| Evidence {
        settings: rated.settings,
        instance_hours_per_day: rated.paid * hours,
        over_percent: 100.0 * rated.share_of_all,
    };
    // the budget begins anew: what was spent before was spent with other settings
    let best = shadows.best(day, SAFETY * objective.percent, objective);
    let best = rated.iter().find(|rated| rated.settings == best)?;
    let keeps = 100.0 * before.share <= objective.percent && best.paid > before.paid * (1.0 - GAIN_LEAST);
    let mut front: Vec<Evidence> = Vec::new();
    let all: Vec<Rated> = rated.iter().copied().chain([now, before]).collect();
    for one in prices().filter_map(|price| at_price(&all, price)).map(evidence) {
        if front.last().is_none_or(|last| last.settings != one.settings) {
            front.push(one);
        }
    }
    Some(Suggestion {
        days,
        present: evidence(&now),
        chosen: evidence(if keeps { &before } else { best }),
        front,
    })
}

/// A fleet that is tuned each night, by its past alone.
#[derive(Debug)]
pub struct Tuned<'a> {
    shadows: &'a Shadows,
    spec: &'a FleetSpec,
    pool: &'a PoolSpec,
    objective: Objective,
    scaler: GhostNet<'a>,
    day: usize,
    /// What was chosen for each day.
    chosen: Vec<Settings>,
}

impl<'a> Tuned<'a> {
    /// A fleet that begins untuned.
    #[must_use]
    pub fn new(shadows: &'a Shadows, spec: &'a FleetSpec, pool: &'a PoolSpec, objective: Objective) -> Self {
        let scaler = GhostNet::foreseeing(spec, &shadows.untuned.applied(pool), &shadows.foresight);
        Self {
            shadows,
            spec,
            pool,
            objective,
            scaler,
            day: 0,
            chosen: vec![shadows.untuned],
        }
    }

    /// What was chosen for each day.
    #[must_use]
    pub fn chosen(&self) -> &[Settings] {
        &self.chosen
    }

    fn retune(&mut self, day: usize, look: &Look<'_>) {
        let per_day = usize::try_from(86_400 / look.step.0.max(1)).unwrap_or(1);
        let since = look.used.len().saturating_sub(per_day * day.min(DAYS));
        let past = look.used.get(since..).unwrap_or_default();
        let over = past.iter().filter(|used| **used > self.objective.used).count();
        let spent = 100.0 * over as f64 / past.len().max(1) as f64;
        let best = self.shadows.best(day, spent, &self.objective);
        self.chosen.push(best);
        self.scaler.retune(self.spec, &best.applied(self.pool));
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

    fn stock(&self) -> Stock {
        self.scaler.stock()
    }

    fn why(&self) -> Option<String> {
        self.scaler.why()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(caution: f64, hold: u32, usual: Option<u16>, utilisation: u16) -> Settings {
        Settings {
            caution: Finite::new(caution).unwrap(),
            hold: Seconds::minutes(hold),
            usual: usual.map(Percent),
            utilisation: Some(Percent(utilisation)),
        }
    }

    #[test]
    fn a_night_moves_little() {
        let objective = Objective { used: 0.9, percent: 1.0 };
        // ten minutes are between two that are tried
        let from = settings(8.0, 10, None, 70);
        let all = near(&from, &objective);
        let (mut cautions, mut holds): (Vec<f64>, Vec<Seconds>) = all.iter().map(|one| (one.caution.get(), one.hold)).unzip();
        cautions.sort_by(f64::total_cmp);
        cautions.dedup();
        holds.sort_unstable();
        holds.dedup();
        assert_eq!(cautions, [4.0, 6.0, 8.0, 12.0, 16.0]);
        assert_eq!(holds, [6, 12, 30].map(Seconds::minutes));
        assert!(all.iter().all(|one| one.utilisation == Some(Percent(75))), "five points at most");
        assert!(all.iter().all(|one| one.usual.is_none_or(|usual| usual == Percent(70))));
        let used = |from, used| {
            near(&settings(8.0, 6, None, from), &Objective { used, percent: 1.0 })
                .first()
                .and_then(|one| one.utilisation)
        };
        assert_eq!(
            (used(88, 0.9), used(90, 0.9), used(95, 0.7)),
            (Some(Percent(90)), Some(Percent(90)), Some(Percent(90)))
        );
    }

    #[test]
    fn whoever_is_beyond_what_is_tried_comes_back_by_its_edge() {
        let objective = Objective { used: 0.7, percent: 1.0 };
        let all = near(&settings(1_000.0, 120, Some(99), 70), &objective);
        assert!(!all.is_empty());
        assert!(
            all.iter()
                .all(|one| one.caution.get() >= 128.0 && one.hold == Seconds::minutes(30) && one.usual == Some(Percent(95)))
        );
        let all = near(&settings(0.01, 0, None, 70), &objective);
        assert!(!all.is_empty() && all.iter().all(|one| one.caution.get() <= 1.0 && one.hold <= Seconds::minutes(6)));
    }
}
