//! Google Compute Engine, autoscaler of a managed instance group (`understanding-autoscaler-decisions` of its documentation).
//!
//! Left open by the documentation, and decided here: it decides once a minute, on the mean of it; the initialisation period is the boot, as
//! it is advised; no scale-in control is set, as none is by default; and predictive autoscaling, which is off by default and knows CPU
//! only, is not there.

use std::fmt;

use ghostnet_core::unit::Seconds;

use super::peak::Peak;
use super::whole;
use crate::replay::{Look, Scaler};

const EVALUATION: Seconds = Seconds(60);
/// `stabilizationPeriodSec`, or the initialisation period if that is longer.
const STABILIZATION: Seconds = Seconds::minutes(10);

/// A group in mode `ON`.
#[derive(Debug, Clone)]
pub struct Mig {
    target: f64,
    stabilization: Seconds,
    peak: Peak,
}

impl Mig {
    /// `target` is `utilizationTarget`, the share of an instance that may be used, and `initialization` how long one takes to start.
    #[must_use]
    pub fn new(target: f64, initialization: Seconds) -> Self {
        let stabilization = STABILIZATION.max(initialization);
        Self {
            target,
            stabilization,
            peak: Peak::new(stabilization),
        }
    }
}

impl Scaler for Mig {
    fn every(&self) -> Seconds {
        EVALUATION
    }

    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let size = size(look.serving, look.used(EVALUATION), self.target);
        self.peak.with(look.seconds, size)
    }
}

/// So many serve the load, measured at those that have initialised.
fn size(initialised: u32, used: f64, target: f64) -> u32 {
    whole(f64::from(initialised) * used / target)
}

impl fmt::Display for Mig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peak of {}", self.stabilization)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::{load, wanted, world};

    #[test]
    fn the_size_for_a_load() {
        for (situation, initialised, used, expected) in [
            ("1.5 more are needed: two", 3, 1.05, 5),
            ("1.5 too many: one goes", 6, 0.525, 5),
            ("on the target", 10, 0.7, 10),
            ("nothing to do", 10, 0.0, 1),
        ] {
            assert_eq!(size(initialised, used, 0.7), expected, "{situation}");
        }
    }

    #[test]
    fn the_peak_is_kept_for_ten_minutes_or_for_as_long_as_it_takes_to_start() {
        let mut rates = vec![50.0; 20];
        rates.extend([100.0; 20]);
        rates.extend([50.0; 60]);
        let load = load(rates);
        for (initialization, last) in [(180, 62), (900, 72)] {
            let wanted = wanted(&load, &world(), &mut Mig::new(0.5, Seconds(initialization)));
            assert_eq!((wanted[19], wanted[22]), (10, 20), "up at once");
            // the last minute of 100 is known at step 38, and half a minute of it at 40
            let lets_go = (40..wanted.len()).find(|at| wanted[*at] < 20);
            assert_eq!(lets_go.map(|at| (at - 40) / 2 * 2 + 40), Some(last - 2), "{initialization} s");
        }
    }
}
