//! The load that a backtest plays: a trace on a fine, regular grid, with what one instance can do.

use ghostnet_core::spec::{CapacityModel, InstanceCapacity, Metric, NamedMetric, PoolSpec, Rule};
use ghostnet_core::unit::{Percent, Seconds};
use jiff::Timestamp;

use crate::trace::{Trace, nth};

/// The grid of a backtest. Coarser traces are read between the middles of their buckets, finer ones at their own step.
pub const GRID: Seconds = Seconds(30);

/// A load on a regular grid. Never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    start: Timestamp,
    step: Seconds,
    rates: Vec<f64>,
    scored_from: usize,
}

impl Load {
    /// A trace on the grid: a bucket's mean holds in its middle, and between two middles the load moves straight from one to the other.
    /// The first `warm_up` of it is played and not scored.
    ///
    /// None: there is nothing after the warm-up.
    #[must_use]
    pub fn of(trace: &Trace, warm_up: Seconds) -> Option<Self> {
        let step = trace.step().min(GRID);
        let (bucket, grid) = (f64::from(trace.step().0), f64::from(step.0));
        let values = trace.values();
        let last = *values.last()?;
        // up to the last time stamp: what comes after it was not measured
        let seconds = u64::from(trace.step().0).checked_mul(u64::try_from(values.len()).ok()?.checked_sub(1)?)?;
        let steps = usize::try_from(seconds.div_ceil(u64::from(step.0))).ok()?;
        let mut rates = Vec::with_capacity(steps);
        for place in 0..steps {
            // in buckets, counted from the middle of the first
            let position = if step == trace.step() {
                place as f64
            } else {
                (place as f64).mul_add(grid / bucket, -0.5).max(0.0)
            };
            let before = position as usize;
            let rate = match (values.get(before), values.get(before + 1)) {
                (Some(left), Some(right)) => left + (right - left) * (position - before as f64),
                (Some(left), None) => *left,
                _ => last,
            };
            rates.push(rate);
        }
        let scored_from = usize::try_from(warm_up.0.div_ceil(step.0)).ok()?;
        (scored_from < rates.len()).then_some(Self {
            start: trace.start(),
            step,
            rates,
            scored_from,
        })
    }

    /// A load that was made up: so much at each step, all of it scored. None if it is empty, or no load.
    #[must_use]
    pub fn made_up(start: Timestamp, step: Seconds, rates: Vec<f64>, scored_from: usize) -> Option<Self> {
        let good = step > Seconds(0) && scored_from < rates.len() && rates.iter().all(|rate| rate.is_finite() && *rate >= 0.0);
        good.then_some(Self {
            start,
            step,
            rates,
            scored_from,
        })
    }

    /// When it begins.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Length of a step.
    #[must_use]
    pub fn step(&self) -> Seconds {
        self.step
    }

    /// The rate at each step.
    #[must_use]
    pub fn rates(&self) -> &[f64] {
        &self.rates
    }

    /// The first step that is scored: those before it are history only.
    #[must_use]
    pub fn scored_from(&self) -> usize {
        self.scored_from
    }

    /// The rates that are scored.
    #[must_use]
    pub fn scored(&self) -> &[f64] {
        self.rates.get(self.scored_from..).unwrap_or_default()
    }

    /// When step `place` is.
    #[must_use]
    pub fn at(&self, place: usize) -> Timestamp {
        nth(self.start, self.step, place)
    }

    /// How many whole steps a length of time takes, rounded up.
    #[must_use]
    pub fn steps(&self, length: Seconds) -> usize {
        usize::try_from(length.0.div_ceil(self.step.0)).unwrap_or(usize::MAX)
    }

    /// The rate that so large a share of all steps stays below, linear between ranks.
    #[must_use]
    pub fn percentile(&self, percent: Percent) -> f64 {
        percentile(&self.rates, percent.ratio())
    }
}

/// What one instance does, and how much of it may be used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instance {
    /// Requests per second that one instance can answer when all of it is used.
    pub capacity: f64,
    /// So much of it may be used.
    pub target: f64,
}

impl Instance {
    /// What one instance does if the 95th percentile of the load needs so many of them at the target; none for a load of nothing.
    #[must_use]
    pub fn for_p95(load: &Load, instances: u32, target: f64) -> Option<Self> {
        let capacity = load.percentile(Percent(95)) / (target * f64::from(instances));
        (capacity.is_finite() && capacity > 0.0).then_some(Self { capacity, target })
    }

    /// Fewest instances that keep a rate within a use, at least one.
    #[must_use]
    pub fn needed_at(&self, rate: f64, used: f64) -> u32 {
        // a hair below a whole number is that number
        let count = (rate / (used * self.capacity) - 1e-9).ceil();
        (count as u32).max(1)
    }

    /// Fewest instances that keep a rate within the target.
    #[must_use]
    pub fn needed(&self, rate: f64) -> u32 {
        self.needed_at(rate, self.target)
    }
}

/// So much of an instance may be used if nobody says otherwise.
pub const USED: f64 = 0.7;

/// What a pool says about its instances.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Implied {
    /// Requests per second that one can answer when all of it is used; none: it is to be learned, or nobody says.
    pub capacity: Option<f64>,
    /// So much of it may be used; none: nobody says.
    pub target: Option<f64>,
}

impl Implied {
    /// Of a pool that says what an instance can do, that; of one that tracks requests per target, as many as use the usual share of it.
    #[must_use]
    pub fn of(pool: &PoolSpec) -> Self {
        pool.policies.iter().fold(Self::default(), |implied, policy| match &policy.rule {
            Rule::Capacity(rule) => Self {
                capacity: implied.capacity.or_else(|| match &rule.each {
                    InstanceCapacity::Given(each) => Some(each.get()),
                    InstanceCapacity::Learned(_) => None,
                }),
                target: implied.target.or_else(|| match rule.model {
                    CapacityModel::Utilisation { at_most } => Some(at_most.ratio()),
                    CapacityModel::ResponseTime { .. } => None,
                }),
            },
            Rule::TargetTracking(rule) if reads_requests_each(&rule.measure.metric) => Self {
                capacity: implied.capacity.or_else(|| Some(rule.target.get() / 60.0 / USED)),
                target: implied.target,
            },
            _ => implied,
        })
    }

    /// Such an instance; none: nobody says what one can do.
    #[must_use]
    pub fn instance(self) -> Option<Instance> {
        let capacity = self.capacity.filter(|capacity| *capacity > 0.0)?;
        Some(Instance {
            capacity,
            target: self.target.unwrap_or(USED),
        })
    }
}

fn reads_requests_each(metric: &Metric) -> bool {
    matches!(metric, Metric::Named { name, .. } if *name == NamedMetric::AlbRequestCountPerTarget)
}

/// Of unsorted values, what a share of them stays below, linear between ranks; zero for none.
#[must_use]
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let rank = share * last as f64;
    let below = rank.floor() as usize;
    let of = |place: usize| sorted.get(place.min(last)).copied().unwrap_or_default();
    of(below) + (of(below + 1) - of(below)) * (rank - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Unit;

    fn load(step: u32, values: &[f64]) -> Load {
        let start = Timestamp::from_second(1_780_272_000).unwrap();
        Load::of(&Trace::new(Unit::Value, start, Seconds(step), values.to_vec()).unwrap(), Seconds(0)).unwrap()
    }

    #[test]
    fn between_the_middles_of_two_buckets_a_load_moves_straight_and_a_fine_one_is_as_it_is() {
        let coarse = load(120, &[0.0, 40.0, 80.0]);
        assert_eq!(
            (coarse.step(), coarse.rates()),
            (Seconds(30), &[0.0, 0.0, 0.0, 10.0, 20.0, 30.0, 40.0, 50.0][..])
        );
        let fine = load(10, &[0.0, 100.0, 0.0, 100.0]);
        assert_eq!((fine.step(), fine.rates()), (Seconds(10), &[0.0, 100.0, 0.0][..]));
    }

    #[test]
    fn a_percentile_lies_between_two_ranks() {
        assert_eq!(percentile(&[40.0, 10.0, 20.0, 30.0], 0.5), 25.0);
        assert_eq!(percentile(&[40.0, 10.0, 20.0, 30.0], 1.0), 40.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
