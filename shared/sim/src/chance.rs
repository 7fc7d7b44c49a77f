//! Chance as a seeded argument, one stream per subject: taking one subject away does not reshuffle the others, and that is
//! what makes a failing run shrinkable.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A stream of chance. Equal seeds and subjects give equal streams on every platform.
#[derive(Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream of one subject under one seed.
    #[must_use]
    pub fn of(seed: u64, subject: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(subject);
        Self(rng)
    }

    /// A number from `low` to `high`, both inside.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        if low >= high { low } else { self.0.random_range(low..=high) }
    }

    /// A count from `low` to `high`, both inside.
    pub fn count(&mut self, low: u32, high: u32) -> u32 {
        if low >= high { low } else { self.0.random_range(low..=high) }
    }

    /// True once in `n` times on average; never for 0.
    pub fn once_in(&mut self, n: u32) -> bool {
        n > 0 && self.0.random_range(0..n) == 0
    }

    /// True so many times in ten thousand.
    pub fn in_ten_thousand(&mut self, share: u32) -> bool {
        self.0.random_range(0..10_000) < share
    }

    /// One of these; none of nothing.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() {
            None
        } else {
            of.get(self.0.random_range(0..of.len()))
        }
    }

    /// A duration around `typical`, mostly near it, sometimes several times as long: how boots and requests are distributed.
    pub fn skewed(&mut self, typical: i64) -> i64 {
        let tail = if self.once_in(20) { self.between(1, 4) } else { 1 };
        self.between(typical / 2, typical.saturating_add(typical / 2)).saturating_mul(tail)
    }
}
