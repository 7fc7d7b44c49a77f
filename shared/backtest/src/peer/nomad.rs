//! Nomad autoscaler, strategy `target-value` (`plugins/builtin/strategy/target-value/plugin/plugin.go`; `policy/handler.go` for the
//! cooldown).
//!
//! Left open by the documentation, and decided here: the count is that of the job, those that start included, and the metric is the mean
//! use of those that serve.

use std::fmt;

use ghostnet_core::unit::Seconds;

use super::percent;
use crate::replay::{Look, Scaler};

/// `evaluation_interval`: on the grid, every step.
const EVALUATION: Seconds = Seconds(10);
/// `cooldown`: no evaluation for so long after a scaling; one that changes nothing starts none.
const COOLDOWN: Seconds = Seconds(300);
/// `threshold` of the strategy: a factor that differs from one by no more is none.
const THRESHOLD: f64 = 0.01;

/// A policy with one check.
#[derive(Debug, Clone)]
pub struct TargetValue {
    target: f64,
    scaled_at: Option<u64>,
}

impl TargetValue {
    /// Keeps the metric at `target`, the share of an instance that may be used.
    #[must_use]
    pub fn new(target: f64) -> Self {
        Self { target, scaled_at: None }
    }
}

impl Scaler for TargetValue {
    fn every(&self) -> Seconds {
        EVALUATION
    }

    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let count = look.capacity();
        let is_cooling = |at: u64| look.seconds < at + u64::from(COOLDOWN.0);
        if self.scaled_at.is_some_and(is_cooling) {
            return count;
        }
        let wanted = count_for(count, look.used(EVALUATION), self.target).max(1);
        if wanted != count {
            self.scaled_at = Some(look.seconds);
        }
        wanted
    }
}

/// The count times how far the metric is from the target, rounded up.
fn count_for(count: u32, metric: f64, target: f64) -> u32 {
    let factor = if target == 0.0 { metric } else { metric / target };
    if count == 0 {
        return factor.ceil() as u32;
    }
    if (factor - 1.0).abs() <= THRESHOLD {
        return count;
    }
    (f64::from(count) * factor - 1e-9).ceil() as u32
}

impl fmt::Display for TargetValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "threshold {}, evaluated every {EVALUATION}, cooldown {COOLDOWN}",
            percent(THRESHOLD)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::look;

    #[test]
    fn the_factor() {
        for (situation, count, metric, target, expected) in [
            ("on the target", 2, 13.0, 13.0, 2),
            ("twice the target", 2, 26.0, 13.0, 4),
            ("from none", 0, 20.0, 10.0, 2),
            ("from none, nothing to do", 0, 0.0, 10.0, 0),
            ("a small difference of a small count", 1, 9.0, 10.0, 1),
            ("a target of none: a queue with something in it", 0, 1.0, 0.0, 1),
            ("a target of none: idle", 5, 0.0, 0.0, 0),
            ("within the threshold", 8, 5.000_01, 5.0, 8),
            ("above it", 8, 5.1, 5.0, 9),
            ("below it", 200, 4.9, 5.0, 196),
            ("half", 4, 0.5, 1.0, 2),
        ] {
            assert_eq!(count_for(count, metric, target), expected, "{situation}");
        }
    }

    #[test]
    fn a_scaling_is_followed_by_the_cooldown_and_nothing_is_not() {
        let mut policy = TargetValue::new(0.5);
        let mut decide = |seconds: u64, used: f64, ready: u32| {
            let used = [used];
            let mut look = look(&[0.0], &used, ready, 0);
            look.seconds = seconds;
            policy.decide(&look)
        };
        assert_eq!(decide(0, 0.5, 4), 4);
        assert_eq!(decide(30, 1.0, 4), 8);
        assert_eq!(decide(60, 1.0, 8), 8);
        assert_eq!(decide(300, 1.0, 8), 8);
        assert_eq!(decide(330, 1.0, 8), 16);
    }
}
