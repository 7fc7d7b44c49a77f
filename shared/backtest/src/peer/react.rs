//! React (Chieu et al. 2009), as in `ahmedaley/Autoscalers`: thresholds on the load, once a minute.

use std::fmt;

use super::{needed, whole};
use crate::foresight::MINUTE;
use crate::replay::{Look, Scaler};

/// So many of the missing ones are added.
const OUT: f64 = 1.2;
/// Lets go once so much of the load would fit, which what is kept then implies.
const SLACK: f64 = 1.1;
/// So many of the needed ones are kept then.
const IN: f64 = 1.2;

/// The policy.
#[derive(Debug, Clone)]
pub struct React {
    multiplier: f64,
}

impl React {
    /// Takes the load for `multiplier` times what it is.
    #[must_use]
    pub fn new(multiplier: f64) -> Self {
        Self { multiplier }
    }
}

impl Scaler for React {
    fn decide(&mut self, look: &Look<'_>) -> u32 {
        capacity(look.capacity(), needed(look, MINUTE) * self.multiplier)
    }
}

/// From a capacity, for a load in instances.
fn capacity(present: u32, load: f64) -> u32 {
    let needed = whole(load);
    if needed > present {
        present + (OUT * f64::from(needed - present) + 1e-9) as u32
    } else if SLACK * load < f64::from(present) {
        whole(IN * f64::from(needed)).min(present)
    } else {
        present
    }
}

impl fmt::Display for React {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "out by {OUT} of the missing, in to {IN} of the needed above {SLACK} of the load")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_by_a_fifth_more_and_in_to_a_fifth_more() {
        for (situation, present, load, expected) in [
            ("one is missing: one", 10, 10.5, 11),
            ("five are missing: six", 10, 15.0, 16),
            ("enough, and not too much", 10, 9.5, 10),
            ("a tenth more would fit, but a fifth more are more than there are", 10, 8.9, 10),
            ("in", 20, 10.0, 12),
            ("one at least", 5, 0.0, 2),
        ] {
            assert_eq!(capacity(present, load), expected, "{situation}");
        }
    }
}
