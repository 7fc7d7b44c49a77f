//! Amazon EC2 Auto Scaling, target tracking (`as-scaling-target-tracking` of its user guide; the alarm windows as its alarms show them).
//!
//! Left open by the documentation, and decided here: an alarm is evaluated once a minute; the warm-up is the boot; and what is multiplied is
//! the metric of the newest point and the instances that are in service now. Where those came within the minute of that point, as they do
//! with `Timing::Default` and a boot of whole minutes, it is the metric of fewer, and too many are added.

use std::fmt;

use ghostnet_core::unit::Seconds;

use super::alarm::Alarm;
use super::{percent, whole};
use crate::replay::{Look, Scaler};

/// `Period` of both alarms: with detailed monitoring.
const PERIOD: Seconds = Seconds(60);
/// `DatapointsToAlarm` and `EvaluationPeriods` of AlarmHigh.
const HIGH_POINTS: u32 = 3;
/// The same of AlarmLow.
const LOW_POINTS: u32 = 15;
/// The threshold of AlarmLow, as a share of the target.
const LOW: f64 = 0.9;

/// What is tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// `ALBRequestCountPerTarget`: shows how much more there is to do than an instance can.
    RequestsPerTarget,
    /// `ASGAverageCPUUtilization`: ends at 100 %.
    Cpu,
}

impl Metric {
    fn of(self, used: f64) -> f64 {
        match self {
            Self::RequestsPerTarget => used,
            Self::Cpu => used.min(1.0),
        }
    }
}

/// The policy, with scale-in enabled.
#[derive(Debug, Clone)]
pub struct TargetTracking {
    metric: Metric,
    target: f64,
    high: Alarm,
    low: Alarm,
}

impl TargetTracking {
    /// Tracks `target`, the share of an instance that may be used.
    #[must_use]
    pub fn new(metric: Metric, target: f64) -> Self {
        Self {
            metric,
            target,
            high: Alarm::new(HIGH_POINTS),
            low: Alarm::new(LOW_POINTS),
        }
    }
}

impl Scaler for TargetTracking {
    fn every(&self) -> Seconds {
        PERIOD
    }

    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let metric = self.metric.of(look.used(PERIOD));
        let is_high = self.high.is_on(metric > self.target);
        let is_low = self.low.is_on(metric < LOW * self.target);
        let (ready, warming) = (look.serving, look.booting);
        if is_high {
            out(ready, warming, metric, self.target)
        } else if is_low {
            in_(ready, warming, metric, self.target)
        } else {
            ready + warming
        }
    }
}

/// While AlarmHigh is on. Those that warm up are not in the metric and count as capacity all the same, so that one breach acts once.
fn out(ready: u32, warming: u32, metric: f64, target: f64) -> u32 {
    proportional(ready, metric, target).max(ready + warming)
}

/// While AlarmLow is on. A scale-out that is under way blocks every scale-in.
fn in_(ready: u32, warming: u32, metric: f64, target: f64) -> u32 {
    if warming > 0 {
        return ready + warming;
    }
    proportional(ready, metric, target).min(ready)
}

/// So many bring the metric to the target, if it falls in proportion. Rounded up, be it out or in.
fn proportional(ready: u32, metric: f64, target: f64) -> u32 {
    whole(f64::from(ready) * metric / target)
}

impl fmt::Display for TargetTracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = match self.metric {
            Metric::RequestsPerTarget => "requests per target",
            Metric::Cpu => "CPU",
        };
        write!(
            f,
            "{metric}, out after {HIGH_POINTS} points of {PERIOD} above the target, in after {LOW_POINTS} below {} of it, warm-up as the boot",
            percent(LOW),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::{load, look, wanted, world};
    use crate::replay::{Timing, World};

    #[test]
    fn capacity_is_rounded_up() {
        for (situation, ready, warming, metric, target, expected) in [
            ("adding 1.5 adds two", 3, 0, 0.75, 0.5, 5),
            ("on the target", 4, 0, 0.5, 0.5, 4),
            ("the example of the page: two at 50 %, load doubles", 2, 0, 1.0, 0.5, 4),
            ("those that warm up count", 10, 4, 0.70, 0.5, 14),
            ("and only what is beyond them is added", 10, 3, 0.70, 0.5, 14),
            ("a smaller breach than the first does not take back", 10, 4, 0.60, 0.5, 14),
            ("a hair above a whole number is that number", 10, 0, 0.7 * 1.1, 0.7, 11),
        ] {
            assert_eq!(out(ready, warming, metric, target), expected, "{situation}");
        }
        for (situation, ready, warming, metric, target, expected) in [
            ("removing 1.5 removes one", 6, 0, 0.375, 0.5, 5),
            ("nothing goes while something warms up", 6, 1, 0.1, 0.5, 7),
            ("one at least", 6, 0, 0.0, 0.5, 1),
        ] {
            assert_eq!(in_(ready, warming, metric, target), expected, "{situation}");
        }
    }

    #[test]
    fn alarms_wait_for_three_points_out_and_for_fifteen_in() {
        // ten a second and instance, half of it used: ten instances, then a half more load, then a third of that
        let steps = |minutes: usize, rate: f64| std::iter::repeat_n(rate, 2 * minutes);
        let load = load(steps(2, 50.0).chain(steps(10, 75.0)).chain(steps(20, 25.0)).collect());
        let world = World {
            timing: Timing::Strict,
            ..world()
        };
        let wanted = wanted(&load, &world, &mut TargetTracking::new(Metric::RequestsPerTarget, 0.5));
        let moves: Vec<(usize, u32)> = (1..wanted.len())
            .filter(|at| wanted[*at] != wanted[at - 1])
            .map(|at| (at, wanted[at]))
            .collect();
        // points end at even steps: the first above is the one at 4, of which half is above, and the first below the one at 24
        assert_eq!(moves, [(8, 15), (52, 5)]);
    }

    #[test]
    fn cpu_ends_at_all_of_it() {
        let third = |metric| {
            let mut policy = TargetTracking::new(metric, 0.5);
            let look = look(&[400.0; 2], &[4.0; 2], 10, 0);
            (0..3).map(|_| policy.decide(&look)).collect::<Vec<_>>()
        };
        assert_eq!(third(Metric::RequestsPerTarget), [10, 10, 80]);
        assert_eq!(
            third(Metric::Cpu),
            [10, 10, 20],
            "of four times the work it sees no more than all of it"
        );
    }
}
