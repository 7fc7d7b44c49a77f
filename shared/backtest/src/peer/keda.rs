//! KEDA (`reference/scaledobject-spec` of its documentation): an external metric of type `AverageValue`, the total rate.
//!
//! From one on it is the Kubernetes autoscaler, which divides the total by the target and does not ask how many are ready. Between none and
//! one it is KEDA itself; with `minReplicaCount` 1, as everybody here, that phase is without effect.

use std::fmt;

use ghostnet_core::unit::Seconds;

use super::k8s_hpa::{Behavior, is_within_tolerance};
use super::whole;
use crate::replay::{Look, Scaler};

/// `pollingInterval`, and what the autoscaler's 15 s are on the grid.
const POLL: Seconds = Seconds(30);
/// `cooldownPeriod`: from the last time it was active until the last one goes.
const COOLDOWN: Seconds = Seconds(300);
/// `activationThreshold`: active above it.
const ACTIVATION: f64 = 0.0;
/// `minReplicaCount`.
const REPLICAS_LEAST: u32 = 1;

/// A `ScaledObject` with one trigger.
#[derive(Debug, Clone)]
pub struct Keda {
    target: f64,
    behavior: Behavior,
    active_at: u64,
}

impl Keda {
    /// `target` is the share of an instance that may be used: the trigger's threshold is the rate of one instance at it.
    #[must_use]
    pub fn new(target: f64) -> Self {
        Self {
            target,
            behavior: Behavior::default(),
            active_at: 0,
        }
    }
}

impl Scaler for Keda {
    fn every(&self) -> Seconds {
        POLL
    }

    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let rate = look.rate(POLL);
        let is_active = rate > ACTIVATION;
        if is_active {
            self.active_at = look.seconds;
        }
        let current = look.capacity();
        let desired = replicas(current, rate / (self.target * look.instance.capacity));
        let idle = Seconds(u32::try_from(look.seconds - self.active_at).unwrap_or(u32::MAX));
        let count = activated(self.behavior.apply(look.seconds, current, desired), is_active, idle);
        count.max(REPLICAS_LEAST)
    }
}

/// `GetExternalPerPodMetricReplicas`: of the total over the target, unless that is within the tolerance of all replicas, ready or not.
fn replicas(current: u32, share: f64) -> u32 {
    if is_within_tolerance(share / f64::from(current)) {
        current
    } else {
        whole(share)
    }
}

/// The phase between none and one: one as soon as it is active, none when it was not for the cooldown.
fn activated(count: u32, is_active: bool, idle: Seconds) -> u32 {
    match (count, is_active) {
        (0, true) => 1,
        (_, false) if idle >= COOLDOWN => 0,
        (count, _) => count,
    }
}

impl fmt::Display for Keda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "AverageValue of the rate, polled every {POLL}, {REPLICAS_LEAST} at least, else as k8s-hpa"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_over_the_target_whoever_is_ready() {
        for (situation, current, share, expected) in [
            ("a queue of 50 at 5 each", 1, 10.0, 10),
            ("rounded up", 1, 2.1, 3),
            ("on the bound of the tolerance", 10, 11.0, 10),
            ("beyond it", 10, 11.1, 12),
            ("down", 10, 4.2, 5),
            ("one at least", 10, 0.0, 1),
        ] {
            assert_eq!(replicas(current, share), expected, "{situation}");
        }
    }

    #[test]
    fn between_none_and_one() {
        for (situation, count, is_active, idle, expected) in [
            ("active: the first one", 0, true, 0, 1),
            ("active: as the autoscaler says", 7, true, 0, 7),
            ("idle for less than the cooldown", 1, false, 299, 1),
            ("idle for the cooldown", 1, false, 300, 0),
            ("idle, and none there", 0, false, 10, 0),
        ] {
            assert_eq!(activated(count, is_active, Seconds(idle)), expected, "{situation}");
        }
    }

    #[test]
    fn no_load_leaves_one() {
        let mut keda = Keda::new(0.5);
        let mut look = crate::peer::tests::look(&[0.0], &[0.0], 1, 0);
        for seconds in (0..900).step_by(30) {
            look.seconds = seconds;
            assert_eq!(keda.decide(&look), 1);
        }
    }
}
