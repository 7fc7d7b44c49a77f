//! Kubernetes, horizontal pod autoscaler (`pkg/controller/podautoscaler/replica_calculator.go`; `behavior` of `autoscaling/v2` for the
//! defaults), with a pod for each instance.
//!
//! Left open by the documentation, and decided here: it decides every 30 seconds, the grid of a backtest, where it syncs every 15; limits
//! per 15 seconds are applied twice, and a recommendation that is as old as the window still counts, since a step stands for the sync in
//! its middle, too. A pod whose instance boots is unready, and none is missing.

use std::fmt;

use ghostnet_core::unit::Seconds;

use super::peak::Peak;
use super::{percent, whole};
use crate::replay::{Look, Scaler};

/// `--horizontal-pod-autoscaler-sync-period` is 15 s: the grid has no finer step.
const SYNC: Seconds = Seconds(30);
/// `--horizontal-pod-autoscaler-tolerance`.
const TOLERANCE: f64 = 0.1;
/// `scaleDown.stabilizationWindowSeconds`.
const DOWN_WINDOW: Seconds = Seconds(300);
/// `scaleUp.policies`: so many pods in 15 s, or as many as there are, whichever is more.
const UP_PODS: u32 = 4;
/// Periods of 15 s in a decision.
const UP_PERIODS: u32 = 2;

/// An autoscaler of one resource metric.
#[derive(Debug, Clone)]
pub struct Hpa {
    target: f64,
    behavior: Behavior,
}

impl Hpa {
    /// Keeps `averageUtilization` at `target`, the share of an instance that may be used.
    #[must_use]
    pub fn new(target: f64) -> Self {
        Self {
            target,
            behavior: Behavior::default(),
        }
    }
}

impl Scaler for Hpa {
    fn every(&self) -> Seconds {
        SYNC
    }

    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let ratio = look.used(SYNC) / self.target;
        let desired = replicas(look.serving, look.booting, ratio);
        self.behavior.apply(look.seconds, look.capacity(), desired)
    }
}

/// `GetResourceReplicas` with no pod missing: replicas for a usage ratio over the pods that are ready.
fn replicas(ready: u32, unready: u32, ratio: f64) -> u32 {
    let current = ready + unready;
    let up_with_unready = unready > 0 && ratio > 1.0;
    if !up_with_unready {
        return if is_within_tolerance(ratio) {
            current
        } else {
            whole(ratio * f64::from(ready))
        };
    }
    // on the way up those that are not ready count as using nothing, which keeps it where that would turn the direction
    let ratio_of_all = ratio * f64::from(ready) / f64::from(current);
    if is_within_tolerance(ratio_of_all) {
        return current;
    }
    whole(ratio_of_all * f64::from(current)).max(current)
}

pub(super) fn is_within_tolerance(ratio: f64) -> bool {
    // a ratio that misses the bound by rounding alone is on it
    (1.0 - ratio).abs() <= TOLERANCE + 1e-9
}

/// `behavior` at its defaults: up at once but for the velocity, down to the highest recommendation of the window.
#[derive(Debug, Clone)]
pub(super) struct Behavior {
    down: Peak,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            down: Peak::new(DOWN_WINDOW),
        }
    }
}

impl Behavior {
    pub(super) fn apply(&mut self, seconds: u64, current: u32, desired: u32) -> u32 {
        let highest = self.down.with(seconds, desired);
        if desired > current {
            desired.min(limit_up(current))
        } else {
            highest.min(current)
        }
    }
}

fn limit_up(current: u32) -> u32 {
    (0..UP_PERIODS).fold(current, |count, _| count.saturating_add(count.max(UP_PODS)))
}

impl fmt::Display for Hpa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tolerance {}, every {SYNC}, up by {UP_PODS} or 100 % in 15s, down to the most of {DOWN_WINDOW}",
            percent(TOLERANCE)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula() {
        for (situation, ready, unready, ratio, expected) in [
            ("200m where 100m are wanted: doubled", 2, 0, 2.0, 4),
            ("50m where 100m are wanted: halved", 2, 0, 0.5, 1),
            ("rounded up", 3, 0, 1.2, 4),
            ("rounded up on the way down, too", 3, 0, 0.8, 3),
            ("on the upper bound of the tolerance", 10, 0, 1.1, 10),
            ("on the lower one", 10, 0, 0.9, 10),
            ("just beyond", 10, 0, 1.101, 12),
            ("unready ones use nothing on the way up", 3, 1, 2.0, 6),
            ("which keeps it where that is within the tolerance", 10, 1, 1.2, 11),
            ("and where that turns the direction", 10, 5, 1.2, 15),
            ("unready ones do not matter on the way down", 10, 2, 0.5, 5),
            ("nor within the tolerance", 10, 2, 0.95, 12),
            ("one at least", 3, 0, 0.0, 1),
        ] {
            assert_eq!(replicas(ready, unready, ratio), expected, "{situation}");
        }
    }

    #[test]
    fn up_by_four_or_by_as_many_as_there_are_for_each_fifteen_seconds() {
        for (current, expected) in [(1, 10), (3, 14), (4, 16), (20, 80)] {
            assert_eq!(limit_up(current), expected, "{current}");
        }
        assert_eq!(Behavior::default().apply(0, 20, 500), 80);
    }

    #[test]
    fn down_to_the_highest_recommendation_of_five_minutes() {
        let mut behavior = Behavior::default();
        assert_eq!(behavior.apply(0, 10, 10), 10);
        let mut current = 10;
        let counts: Vec<(u64, u32)> = (1..=12)
            .map(|step| {
                current = behavior.apply(step * 30, current, if step < 4 { 8 } else { 3 });
                (step * 30, current)
            })
            .collect();
        let first = |count: u32| counts.iter().find(|(_, found)| *found == count).map(|(at, _)| *at);
        assert_eq!((first(8), first(3)), (Some(330), None));
        assert_eq!(behavior.apply(420, current, 3), 3);
        assert_eq!(behavior.apply(450, 3, 4), 4, "up waits for nothing");
    }
}
