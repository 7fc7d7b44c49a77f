//! The cheapest schedule for a demand that is known in advance: what every other schedule is measured by.
//!
//! Starting an instance costs so many billed steps of boot, and stopping is free and immediate. Because the future is known, the delay of
//! a boot adds its price and nothing else. The cost is a sum over levels (is the k-th instance on or off?), and the best
//! schedules of the levels are nested, so that they add up to one of the fleet (`quality.md`, C.11).

/// What a schedule costs by, in steps of one running instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// A start: the steps that its boot is billed.
    pub start: f64,
    /// An instance that is missing for one step; none: none may be missing.
    pub missing: Option<f64>,
}

/// Instances that serve at each step in the cheapest schedule, and what it costs in steps of one instance. The fleet runs already when
/// it begins: the first start is free.
#[must_use]
pub fn schedule(demand: &[u32], prices: Prices) -> (Vec<u32>, f64) {
    let mut serving = vec![0_u32; demand.len()];
    let mut cost = 0.0;
    let mut choices = Choices::default();
    for level in 1..=demand.iter().copied().max().unwrap_or(0) {
        cost += choices.weigh(demand, level, prices);
        choices.follow(&mut serving);
    }
    (serving, cost)
}

/// What the cheapest schedule costs, in steps of one instance.
#[must_use]
pub fn cost(demand: &[u32], prices: Prices) -> f64 {
    let missing = prices.missing.unwrap_or(f64::INFINITY);
    let of_level = |level: u32| {
        let (mut off, mut on) = (0.0_f64, 0.0_f64);
        for needed in demand {
            (off, on) = (off.min(on), on.min(off + prices.start) + 1.0);
            off += if *needed >= level { missing } else { 0.0 };
        }
        off.min(on)
    };
    (1..=demand.iter().copied().max().unwrap_or(0)).map(of_level).sum()
}

/// For one level, at each step: whether being on, or off, is best reached from on.
#[derive(Debug, Default)]
struct Choices {
    on_from_on: Vec<bool>,
    off_from_on: Vec<bool>,
    ends_on: bool,
}

impl Choices {
    fn weigh(&mut self, demand: &[u32], level: u32, prices: Prices) -> f64 {
        let missing = prices.missing.unwrap_or(f64::INFINITY);
        self.on_from_on.clear();
        self.off_from_on.clear();
        let (mut off, mut on) = (0.0_f64, 0.0_f64);
        for needed in demand {
            // of two equal ways the one that starts nobody
            self.on_from_on.push(on <= off + prices.start);
            self.off_from_on.push(on < off);
            (off, on) = (off.min(on), on.min(off + prices.start) + 1.0);
            off += if *needed >= level { missing } else { 0.0 };
        }
        self.ends_on = on < off;
        off.min(on)
    }

    fn follow(&self, serving: &mut [u32]) {
        let mut is_on = self.ends_on;
        let froms = self.on_from_on.iter().zip(&self.off_from_on);
        for (serving, (on_from_on, off_from_on)) in serving.iter_mut().zip(froms).rev() {
            *serving += u32::from(is_on);
            is_on = if is_on { *on_from_on } else { *off_from_on };
        }
    }
}

/// What a stock of stopped instances adds to the choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmPrices {
    /// A start from nothing: the steps that its boot is billed.
    pub cold_start: f64,
    /// A start of a stopped one.
    pub warm_start: f64,
    /// A stopped one for one step.
    pub stopped: f64,
    /// An instance that is missing for one step; none: none may be missing.
    pub missing: Option<f64>,
}

/// What the cheapest schedule costs where an instance may also be stopped and kept, in steps of one running instance.
#[must_use]
pub fn cost_with_stock(demand: &[u32], prices: WarmPrices) -> f64 {
    let missing = prices.missing.unwrap_or(f64::INFINITY);
    let of_level = |level: u32| {
        let (mut off, mut stopped, mut on) = (0.0_f64, 0.0_f64, 0.0_f64);
        for needed in demand {
            let lacks = if *needed >= level { missing } else { 0.0 };
            let (was_off, was_stopped, was_on) = (off, stopped, on);
            on = was_on.min(was_stopped + prices.warm_start).min(was_off + prices.cold_start) + 1.0;
            stopped = was_stopped.min(was_on).min(was_off + prices.cold_start) + prices.stopped + lacks;
            off = was_off.min(was_stopped).min(was_on) + lacks;
        }
        off.min(stopped).min(on)
    };
    (1..=demand.iter().copied().max().unwrap_or(0)).map(of_level).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn prices(start: f64, missing: Option<f64>) -> Prices {
        Prices { start, missing }
    }

    #[test]
    fn known_cases() {
        for (demand, start, missing, expected) in [
            (&[1, 3, 1, 1, 3, 1][..], 2.0, None, 16.0),
            (&[1, 3, 1, 1, 3, 1], 1.0, None, 14.0),
            (&[2, 0, 0, 0, 2], 2.0, None, 8.0),
            (&[0, 0, 0, 2, 0, 0, 1], 2.0, None, 9.0),
            (&[4, 4, 1, 2, 1, 5], 3.0, None, 28.0),
            (&[1, 3, 1, 1, 3, 1], 2.0, Some(1.5), 12.0),
            (&[1, 3, 1, 1, 3, 1], 2.0, Some(3.0), 16.0),
            (&[1, 3, 1, 1, 3, 1], 2.0, Some(10.0), 16.0),
            (&[4, 4, 1, 2, 1, 5], 3.0, Some(1.5), 19.5),
            (&[4, 4, 1, 2, 1, 5], 3.0, Some(3.0), 25.0),
            (&[4, 4, 1, 2, 1, 5], 3.0, Some(10.0), 28.0),
            (&[2, 0, 0, 0, 2], 2.0, Some(1.5), 5.0),
            (&[2, 0, 0, 0, 2], 2.0, Some(3.0), 8.0),
            (&[], 2.0, None, 0.0),
        ] {
            assert_eq!(
                cost(demand, prices(start, missing)),
                expected,
                "{demand:?}, start {start}, missing {missing:?}"
            );
        }
    }

    /// What a schedule costs, whoever made it. The first start is free.
    fn price_of(serving: &[u32], demand: &[u32], prices: Prices) -> f64 {
        let missing = prices.missing.unwrap_or(1e18);
        let mut before = u32::MAX;
        serving.iter().zip(demand).fold(0.0, |sum, (serves, needed)| {
            let starts = f64::from(serves.saturating_sub(before)) * prices.start;
            before = *serves;
            sum + f64::from(*serves) + starts + f64::from(needed.saturating_sub(*serves)) * missing
        })
    }

    /// Every schedule there is, by a dynamic program over the whole count.
    fn by_all_schedules(demand: &[u32], prices: Prices) -> f64 {
        let most = demand.iter().copied().max().unwrap_or(0);
        let counts = || 0..=most;
        let missing = prices.missing.unwrap_or(f64::INFINITY);
        let mut best: Vec<f64> = counts().map(|_| 0.0).collect();
        for (place, needed) in demand.iter().enumerate() {
            let step = |count: u32| {
                let start = |from: u32| {
                    let started = if place == 0 { 0 } else { count.saturating_sub(from) };
                    best[from as usize] + f64::from(started) * prices.start
                };
                let lacks = needed.saturating_sub(count);
                let missed = if lacks > 0 { f64::from(lacks) * missing } else { 0.0 };
                counts().map(start).fold(f64::INFINITY, f64::min) + f64::from(count) + missed
            };
            best = counts().map(step).collect();
        }
        best.into_iter().fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #[test]
        fn it_is_the_best_of_all_schedules(
            demand in prop::collection::vec(0_u32..6, 1..14),
            start in 0_u32..7,
            missing in prop::option::of(1_u32..12),
        ) {
            let prices = prices(f64::from(start), missing.map(f64::from));
            let expected = by_all_schedules(&demand, prices);
            prop_assert_eq!(cost(&demand, prices), expected);
            let (serving, cost) = schedule(&demand, prices);
            prop_assert_eq!(cost, expected);
            prop_assert_eq!(price_of(&serving, &demand, prices), expected);
        }

        #[test]
        fn a_stock_never_costs_more_and_one_that_is_as_dear_as_running_ones_helps_nobody(
            demand in prop::collection::vec(0_u32..6, 1..14),
            cold in 0_u32..7,
            warm in 0_u32..7,
            missing in prop::option::of(1_u32..12),
        ) {
            let (cold_start, warm_start) = (f64::from(cold), f64::from(warm));
            let missing = missing.map(f64::from);
            let without = cost(&demand, prices(cold_start, missing));
            let with = |stopped| cost_with_stock(&demand, WarmPrices { cold_start, warm_start, stopped, missing });
            prop_assert!(with(0.05) <= without);
            // a start of a stopped one is free before the first step as any other is
            prop_assert_eq!(with(1e9), without);
        }
    }
}
