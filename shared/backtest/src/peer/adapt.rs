//! Adapt (Ali-Eldin et al. 2012), as in `ahmedaley/Autoscalers`: how fast the load changes, summed up until it makes an instance.
//!
//! Once a minute `P = (n - cap) / avg_n`, `u = avg_cap / avg_n` and `R = u * P * avg_n`, of which a quarter counts when it is negative. It
//! estimates anew every `5 D / avg_cap` minutes, where `D` is a hundredth of the capacity: less than a minute, so at each decision, and the
//! capacity since the last estimate is the present one. Left open, and decided here: `avg_n` is the mean demand since it began.

use std::fmt;

use super::{needed, whole};
use crate::foresight::MINUTE;
use crate::replay::{Look, Scaler};

/// Headroom where the load is more than there is.
const REPAIR: f64 = 1.1;
/// So much of a negative rate counts.
const IN: f64 = 0.25;

/// The policy.
#[derive(Debug, Clone)]
pub struct Adapt {
    multiplier: f64,
    demanded: f64,
    decisions: f64,
    /// What the rates have come to, less what was acted on.
    pending: f64,
}

impl Adapt {
    /// Takes the load for `multiplier` times what it is.
    #[must_use]
    pub fn new(multiplier: f64) -> Self {
        Self {
            multiplier,
            demanded: 0.0,
            decisions: 0.0,
            pending: 0.0,
        }
    }
}

impl Scaler for Adapt {
    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let demand = whole(needed(look, MINUTE) * self.multiplier);
        let present = look.capacity();
        self.demanded += f64::from(demand);
        self.decisions += 1.0;
        self.pending += rate(present, demand, self.demanded / self.decisions);
        let change = self.pending.trunc();
        self.pending -= change;
        capacity(present, demand, change)
    }
}

/// Instances that are to come in a minute, or to go.
fn rate(present: u32, demand: u32, average_demand: f64) -> f64 {
    let (present, demand) = (f64::from(present), f64::from(demand));
    let load_change = (demand - present) / average_demand;
    let rate = present / average_demand * load_change * average_demand;
    if rate < 0.0 { rate * IN } else { rate }
}

/// From a capacity, for a demand, after so many were to come or to go. Never below the demand.
fn capacity(present: u32, demand: u32, change: f64) -> u32 {
    if demand > present {
        return whole(REPAIR * f64::from(demand) + change.max(0.0));
    }
    // those that would come are not needed while there is enough
    whole(f64::from(present) + change.min(0.0)).max(demand)
}

impl fmt::Display for Adapt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "out to {REPAIR} of the load and the rate, in by {IN} of the rate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_how_far_the_load_is_from_the_capacity_times_how_much_of_it_is_usual() {
        for (situation, present, demand, average, expected) in [
            ("two are missing, at the usual capacity", 10, 12, 10.0, 2.0),
            ("two are missing, at twice the usual capacity", 10, 12, 5.0, 4.0),
            ("four are spare: a quarter", 10, 6, 10.0, -1.0),
            ("as it should be", 10, 10, 4.0, 0.0),
        ] {
            assert_eq!(rate(present, demand, average), expected, "{situation}");
        }
    }

    #[test]
    fn overload_is_repaired_and_the_demand_is_kept() {
        for (situation, present, demand, change, expected) in [
            ("overloaded: a tenth more", 10, 20, 0.0, 22),
            ("and what the rate adds", 10, 20, 3.0, 25),
            ("enough: nothing comes", 10, 10, 3.0, 10),
            ("some go", 10, 5, -2.0, 8),
            ("but not below the demand", 10, 9, -4.0, 9),
        ] {
            assert_eq!(capacity(present, demand, change), expected, "{situation}");
        }
    }
}
