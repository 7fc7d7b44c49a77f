//! Amazon EC2 Auto Scaling, step scaling (`as-scaling-simple-step` of its user guide).
//!
//! A user writes the steps; these are those of the page's example, a tenth or three tenths more or fewer, with the alarms of its command
//! line example. Left open by the documentation, and decided here: the bounds keep the example's proportion to the threshold, so that they
//! can be moved with it, and the metric is the use of those that serve, which shows how much more there is to do than they can.

use std::fmt;

use ghostnet_core::unit::Seconds;

use super::alarm::Alarm;
use super::percent;
use crate::replay::{Look, Scaler};

/// `--period` of both alarms.
const PERIOD: Seconds = Seconds(120);
/// `--evaluation-periods` of both alarms.
const POINTS: u32 = 2;
/// The scale-out policy of the example, in shares of the threshold.
const OUT: [StepAdjustment; 3] = [step(0.0, 0.2, 0.0), step(0.2, 0.4, 10.0), step(0.4, f64::INFINITY, 30.0)];
/// Its scale-in policy.
const IN: [StepAdjustment; 3] = [step(-0.2, 0.0, 0.0), step(-0.4, -0.2, -10.0), step(f64::NEG_INFINITY, -0.4, -30.0)];
/// Where the example begins to add, in shares of the threshold.
const FIRST_OUT: f64 = 1.2;
/// A breach that is a hair below a bound lies on it.
const HAIR: f64 = 1e-9;

/// `StepAdjustment` with `PercentChangeInCapacity`: bounds on how far the metric is from the threshold, as a share of it.
#[derive(Debug, Clone, Copy)]
struct StepAdjustment {
    lower: f64,
    upper: f64,
    percent: f64,
}

const fn step(lower: f64, upper: f64, percent: f64) -> StepAdjustment {
    StepAdjustment { lower, upper, percent }
}

/// A scale-out and a scale-in policy, each with its alarm.
#[derive(Debug, Clone)]
pub struct StepScaling {
    threshold: f64,
    high: Alarm,
    low: Alarm,
}

impl StepScaling {
    /// Begins to add when `target`, a share of an instance, is used.
    #[must_use]
    pub fn new(target: f64) -> Self {
        Self {
            threshold: target / FIRST_OUT,
            high: Alarm::new(POINTS),
            low: Alarm::new(POINTS),
        }
    }
}

impl Scaler for StepScaling {
    fn every(&self) -> Seconds {
        PERIOD
    }

    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let metric = look.used(PERIOD);
        let is_high = self.high.is_on(metric >= self.threshold);
        let is_low = self.low.is_on(metric <= self.threshold);
        let breach = metric / self.threshold - 1.0;
        let (ready, warming) = (look.serving, look.booting);
        if is_high {
            out(ready, warming, breach)
        } else if is_low {
            in_(ready, warming, breach)
        } else {
            ready + warming
        }
    }
}

/// Changes those that are ready, and counts those that warm up as done already: breaches of one step act once, and one of a higher step
/// adds the difference.
fn out(ready: u32, warming: u32, breach: f64) -> u32 {
    // above the threshold the lower bound is inclusive
    let step = OUT.iter().find(|step| step.lower - HAIR <= breach && breach < step.upper - HAIR);
    (ready + warming).max(changed(ready, step.map_or(0.0, |step| step.percent)))
}

/// A scale-out that is under way blocks every scale-in.
fn in_(ready: u32, warming: u32, breach: f64) -> u32 {
    if warming > 0 {
        return ready + warming;
    }
    // below the threshold the upper bound is inclusive
    let step = IN.iter().find(|step| step.lower + HAIR < breach && breach <= step.upper + HAIR);
    changed(ready, step.map_or(0.0, |step| step.percent))
}

fn changed(ready: u32, percent: f64) -> u32 {
    let count = f64::from(ready) + rounded(f64::from(ready) * percent / 100.0);
    (count as u32).max(1)
}

/// Instances of a percentage of them: toward zero, but between zero and one it is one.
fn rounded(change: f64) -> f64 {
    if change != 0.0 && change.abs() < 1.0 {
        change.signum()
    } else {
        (change + change.signum() * HAIR).trunc()
    }
}

impl fmt::Display for StepScaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: f64| percent(self.threshold * (1.0 + share));
        write!(
            f,
            "+10 % from {}, +30 % from {}, -10 % to {}, -30 % to {}, {POINTS} of {POINTS} points of {PERIOD}, warm-up as the boot",
            at(0.2),
            at(0.4),
            at(-0.2),
            at(-0.4)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::look;

    /// How far a metric is from the threshold of the page's example.
    fn breach(metric: f64) -> f64 {
        metric / 50.0 - 1.0
    }

    #[test]
    fn the_example_of_the_page() {
        for (situation, ready, warming, metric, expected) in [
            ("the metric gets to 60", 10, 0, 60.0, 11),
            ("it rises to 70 after that", 11, 0, 70.0, 14),
            ("62 while the new one warms up: done already", 10, 1, 62.0, 11),
            ("70 while it warms up: three, less the one", 10, 1, 70.0, 13),
            ("62 while three warm up, which a higher breach added", 10, 3, 62.0, 13),
            ("between 50 and 60", 10, 0, 59.9, 10),
            ("on the threshold", 10, 0, 50.0, 10),
            ("just below 70", 10, 0, 69.9, 11),
        ] {
            assert_eq!(out(ready, warming, breach(metric)), expected, "{situation}");
        }
        for (situation, ready, warming, metric, expected) in [
            ("the metric gets to 40", 14, 0, 40.0, 13),
            ("it falls to 30 after that", 13, 0, 30.0, 10),
            ("between 40 and 50", 14, 0, 40.1, 14),
            ("just above 30", 13, 0, 30.1, 12),
            ("while one warms up", 13, 1, 30.0, 14),
            ("one at least", 1, 0, 10.0, 1),
        ] {
            assert_eq!(in_(ready, warming, breach(metric)), expected, "{situation}");
        }
    }

    #[test]
    fn rounding_as_documented() {
        for (change, expected) in [
            (12.7, 12.0),
            (0.67, 1.0),
            (-0.58, -1.0),
            (-6.67, -6.0),
            (0.0, 0.0),
            (1.0, 1.0),
            (-1.0, -1.0),
        ] {
            assert_eq!(rounded(change), expected, "{change}");
        }
    }

    #[test]
    fn alarms_wait_for_two_points() {
        let mut policy = StepScaling::new(0.6);
        let decide = |policy: &mut StepScaling, used: f64| policy.decide(&look(&[0.0; 4], &[used; 4], 10, 0));
        let counts = [0.75, 0.75, 0.55, 0.25, 0.25].map(|used| decide(&mut policy, used));
        assert_eq!(counts, [10, 13, 10, 10, 7]);
    }
}
