//! As many as are said, always.

use std::fmt;

use crate::load::{Load, percentile};
use crate::replay::{Look, Scaler, World};

/// A fleet that nobody scales. Its size is chosen in hindsight, from the load that is scored.
#[derive(Debug, Clone)]
pub struct Fixed {
    count: u32,
}

impl Fixed {
    /// Keeps the highest load within `target`, the share of an instance that may be used.
    #[must_use]
    pub fn for_peak(load: &Load, world: &World, target: f64) -> Self {
        Self::for_rate(load.scored().iter().copied().fold(0.0, f64::max), world, target)
    }

    /// Keeps the load within `target`, but for one hundredth of the time.
    #[must_use]
    pub fn for_p99(load: &Load, world: &World, target: f64) -> Self {
        Self::for_rate(percentile(load.scored(), 0.99), world, target)
    }

    fn for_rate(rate: f64, world: &World, target: f64) -> Self {
        Self {
            count: world.instance.needed_at(rate, target),
        }
    }
}

impl Scaler for Fixed {
    fn decide(&mut self, _look: &Look<'_>) -> u32 {
        self.count
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} instances, chosen in hindsight", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::{start, world};
    use ghostnet_core::unit::Seconds;

    #[test]
    fn only_what_is_scored_says_how_many() {
        let mut rates = vec![1_000.0; 10];
        rates.extend((0..100).map(f64::from));
        let load = Load::made_up(start(), Seconds(30), rates, 10).unwrap();
        assert_eq!(Fixed::for_peak(&load, &world(), 0.5).count, 20, "99 of ten an instance at one half");
        assert_eq!(Fixed::for_p99(&load, &world(), 1.0).count, 10, "98.01");
    }
}
