//! What a fleet knows of a load at each minute, learned minute by minute from its past.
//!
//! It does not depend on what the fleet does, so that many settings can be played by what was learned once.

use ghostnet_core::forecast::{Ahead, Learner, SHARES};
use ghostnet_core::spec::{Events, PoolSpec, Predictive, Rule};
use ghostnet_core::unit::{Moment, Seconds};
use jiff::Timestamp;

use crate::load::Load;
use crate::replay::World;

/// A minute: what decisions are made by, and what a datapoint of it says.
pub(crate) const MINUTE: Seconds = Seconds(60);

/// How the load of a pool is learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Learning {
    /// What one instance carries of a minute's load.
    unit: f64,
    /// So many minutes ahead.
    minutes: u32,
    /// Shares of which usual loads are wanted, in percent.
    usual: Vec<u16>,
    /// Without these the load is learned.
    events: Events,
}

impl Learning {
    /// As the first policy of a pool that looks ahead wants it; none: no policy does. `usual` are more shares that are wanted.
    #[must_use]
    pub fn of(pool: &PoolSpec, world: &World, usual: &[u16]) -> Option<Self> {
        let rule = pool.policies.iter().find_map(|policy| predictive(&policy.rule))?;
        let mut usual: Vec<u16> = usual.iter().copied().chain(rule.usual.map(|share| share.0)).collect();
        usual.sort_unstable();
        usual.dedup();
        Some(Self {
            unit: rule
                .need
                .unit(Some(world.instance.capacity), world.instance.target)
                .unwrap_or_default(),
            // a fleet learns how long its instances take to serve
            minutes: rule.minutes(world.boot, None),
            usual,
            events: rule.events.clone(),
        })
    }

    /// Somebody who knows nothing yet of a load that begins at `start`.
    #[must_use]
    pub fn learner(&self, start: Timestamp) -> Learner {
        Learner::new(self.unit, self.minutes, start)
    }

    /// Has somebody learn the minute that ends at `now`; none: nothing is known of it. What lies ahead.
    pub fn note(&self, learner: &mut Learner, minute: Option<f64>, now: Timestamp) -> Option<Ahead> {
        let usually = minute.map(|load| load / self.events.factor(MINUTE.before(now)));
        Some(learner.note(usually, now, &self.usual)?.with_events(&self.events, now))
    }
}

pub(crate) fn predictive(rule: &Rule) -> Option<&Predictive> {
    match rule {
        Rule::Predictive(rule) => Some(rule),
        _ => None,
    }
}

/// What was known at each minute of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct Foresight {
    minutes: u32,
    usual: Vec<u16>,
    events: Events,
    known: Vec<Option<Known>>,
    usually: Vec<f64>,
    hours: Vec<Hour>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    now: f64,
    expected: f64,
    hour: u32,
    has_usual: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Hour {
    made_at: Moment,
    least: f64,
    ratios: [f64; SHARES.len()],
    mean: f64,
    strays: bool,
}

impl Foresight {
    /// Learns a load from its beginning.
    #[must_use]
    pub fn of(load: &Load, learning: &Learning, delay: Seconds) -> Self {
        let mut learner = learning.learner(load.start());
        let mut foresight = Self {
            minutes: learning.minutes,
            usual: learning.usual.clone(),
            events: learning.events.clone(),
            known: Vec::new(),
            usually: Vec::new(),
            hours: Vec::new(),
        };
        let (every, delay) = (load.steps(MINUTE).max(1), load.steps(delay));
        for place in (0..load.rates().len()).step_by(every) {
            let known = load.rates().get(..(place + 1).saturating_sub(delay)).unwrap_or_default();
            let newest = known.get(known.len().saturating_sub(every)..).unwrap_or_default();
            let minute = (!newest.is_empty()).then(|| 60.0 * newest.iter().sum::<f64>() / newest.len() as f64);
            foresight.keep(learning.note(&mut learner, minute, load.at(place)).as_ref());
        }
        foresight
    }

    /// What lies ahead of a minute, counted from the first.
    #[must_use]
    pub fn at(&self, minute: usize, now: Timestamp) -> Option<Ahead> {
        let known = self.known.get(minute).copied().flatten()?;
        let hour = self.hours.get(usize::try_from(known.hour).ok()?)?;
        let usual = self.usual.len();
        let usually = self.usually.get(minute * usual..(minute + 1) * usual).unwrap_or_default();
        let pairs = self.usual.iter().copied().zip(usually.iter().copied());
        let then = Seconds::minutes(self.minutes).after(now);
        Some(Ahead {
            at: then.into(),
            made_at: hour.made_at,
            now: known.now,
            expected: known.expected,
            least: hour.least,
            ratios: hour.ratios,
            mean: hour.mean,
            strays: hour.strays,
            usual: if known.has_usual { pairs.collect() } else { Vec::new() },
            factor: self.events.factor(Seconds(30).before(then)),
        })
    }

    fn keep(&mut self, ahead: Option<&Ahead>) {
        let Some(ahead) = ahead else {
            self.known.push(None);
            self.usually.extend(self.usual.iter().map(|_| 0.0));
            return;
        };
        if self.hours.last().is_none_or(|hour| hour.made_at != ahead.made_at) {
            self.hours.push(Hour {
                made_at: ahead.made_at,
                least: ahead.least,
                ratios: ahead.ratios,
                mean: ahead.mean,
                strays: ahead.strays,
            });
        }
        let has_usual = ahead.usual.len() == self.usual.len();
        self.known.push(Some(Known {
            now: ahead.now,
            expected: ahead.expected,
            hour: u32::try_from(self.hours.len() - 1).unwrap_or(u32::MAX),
            has_usual,
        }));
        let load = |share: &u16| ahead.usual.iter().find(|(of, _)| of == share).map_or(0.0, |(_, load)| *load);
        self.usually.extend(self.usual.iter().map(load));
    }
}
