//! Hist (Urgaonkar et al. 2008), as in `ahmedaley/Autoscalers`: at each hour what that hour needed on most days before.
//!
//! Only between hours it looks at the load: the fleet that an hour begins with is the one of its past, too small or not. Its correction by the error of the last hours is left out, as in the figures that are published beside it here. Left open, and decided
//! here: hours are those of UTC, and an hour without a past keeps what there is.

use std::collections::BTreeMap;
use std::fmt;

use super::{needed, percent, whole};
use crate::foresight::MINUTE;
use crate::replay::{Look, Scaler};

/// Of the demands of an hour, so many are met.
const PERCENTILE: f64 = 0.9;
/// Headroom where the load is more than there is.
const REPAIR: f64 = 1.05;
const HOUR_SECONDS: i64 = 3_600;
const HOURS: usize = 24;

/// The policy.
#[derive(Debug, Clone)]
pub struct Hist {
    multiplier: f64,
    hours: [Demands; HOURS],
    hour: Option<i64>,
}

impl Hist {
    /// Takes the load for `multiplier` times what it is.
    #[must_use]
    pub fn new(multiplier: f64) -> Self {
        Self {
            multiplier,
            hours: std::array::from_fn(|_| Demands::default()),
            hour: None,
        }
    }
}

impl Scaler for Hist {
    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let load = needed(look, MINUTE) * self.multiplier;
        let hour = look.now.as_second().div_euclid(HOUR_SECONDS);
        let is_new = self.hour.replace(hour) != Some(hour);
        let place = usize::try_from(hour.rem_euclid(24)).unwrap_or_default();
        let demands = self.hours.get_mut(place);
        let past = demands.as_ref().filter(|_| is_new).and_then(|demands| demands.percentile());
        if let Some(demands) = demands {
            demands.note(whole(load));
        }
        past.unwrap_or_else(|| repaired(look.capacity(), load))
    }
}

/// At least what the load needs and a little more, if it needs more than there is.
pub(super) fn repaired(present: u32, load: f64) -> u32 {
    if load > f64::from(present) { whole(REPAIR * load) } else { present }
}

/// How often so many were needed.
#[derive(Debug, Clone, Default)]
struct Demands {
    counts: BTreeMap<u32, u32>,
    all: u32,
}

impl Demands {
    fn note(&mut self, demand: u32) {
        *self.counts.entry(demand).or_default() += 1;
        self.all += 1;
    }

    fn percentile(&self) -> Option<u32> {
        let rank = (f64::from(self.all) * PERCENTILE) as u32;
        let mut below = 0;
        let is_reached = |(_, count): &(&u32, &u32)| {
            below += **count;
            below > rank
        };
        self.counts.iter().find(is_reached).map(|(demand, _)| *demand)
    }
}

impl fmt::Display for Hist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of the demands of each hour (UTC) of past days, {REPAIR} of the load where that is more",
            percent(PERCENTILE)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::{load, wanted, world};

    #[test]
    fn the_ninetieth_percentile() {
        for (demands, expected) in [
            (&[][..], None),
            (&[7], Some(7)),
            (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], Some(10)),
            (&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1], Some(9)),
            (&[5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], Some(1)),
        ] {
            let mut all = Demands::default();
            demands.iter().for_each(|demand| all.note(*demand));
            assert_eq!(all.percentile(), expected, "{demands:?}");
        }
    }

    #[test]
    fn more_load_than_there_is_is_met_with_a_little_more() {
        for (present, load, expected) in [(10, 10.0, 10), (10, 10.01, 11), (10, 20.0, 21), (10, 3.0, 10)] {
            assert_eq!(repaired(present, load), expected, "{load}");
        }
    }

    #[test]
    fn an_hour_has_what_it_needed_on_other_days() {
        let hour = 120;
        let mut rates = vec![5.0; 24 * hour * 2];
        rates[10 * hour..11 * hour].fill(100.0);
        let load = load(rates);
        let wanted = wanted(&load, &world(), &mut Hist::new(1.0));
        assert_eq!(wanted[10 * hour + 2], 21, "the first day it is repaired");
        assert_eq!(wanted[12 * hour], 21, "and kept, as other hours have no past");
        assert_eq!(wanted[34 * hour - 1], 1);
        assert_eq!(wanted[34 * hour], 20, "the second day it is known before the load is");
        assert_eq!(wanted[35 * hour], 1);
    }
}
