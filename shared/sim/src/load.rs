//! Load on a fleet, in requests per second: a daily wave, spikes, and one level once the storm is over.

use crate::chance::Chance;
use crate::clock::{HOUR, Millis};

/// The load of one fleet.
#[derive(Debug, Clone)]
pub struct Load {
    /// Requests per second around which the wave swings.
    pub base: f64,
    /// How far it swings, as a share of the base.
    pub swing: f64,
    /// Length of one wave.
    pub wave: Millis,
    /// Times this much, until then.
    pub spike: (f64, Millis),
    /// One level from now on.
    pub steady: Option<f64>,
    /// Instead of the wave: straight lines through these, and the last one for ever.
    pub levels: Vec<(Millis, f64)>,
}

impl Load {
    /// A load that needs about so many instances of this capacity at its peak.
    pub fn any(chance: &mut Chance, instances: u32, capacity: f64) -> Self {
        let swing = f64::from(chance.count(0, 9)) / 10.0;
        Self {
            base: f64::from(instances) * capacity * 0.6 / (1.0 + swing),
            swing,
            wave: chance.between(1, 24) * HOUR,
            spike: (1.0, 0),
            steady: None,
            levels: Vec::new(),
        }
    }

    /// A load that goes in straight lines through these levels, by time; none without any.
    #[must_use]
    pub fn through(mut levels: Vec<(Millis, f64)>) -> Option<Self> {
        levels.sort_by_key(|(at, _)| *at);
        let base = levels.first()?.1;
        Some(Self {
            base,
            swing: 0.0,
            wave: HOUR,
            spike: (1.0, 0),
            steady: None,
            levels,
        })
    }

    /// Requests per second at a moment.
    #[must_use]
    pub fn rate(&self, now: Millis) -> f64 {
        if let Some(steady) = self.steady {
            return steady;
        }
        if let Some(level) = self.between_levels(now) {
            return if now < self.spike.1 { level * self.spike.0 } else { level };
        }
        // a triangle wave: no sine, whose last bit differs between platforms
        let phase = now.rem_euclid(self.wave);
        let half = self.wave / 2;
        let height = if phase < half { phase } else { self.wave - phase };
        let (height, half) = (as_float(height), as_float(half.max(1)));
        let rate = self.base * (1.0 + self.swing * (2.0 * height / half - 1.0));
        if now < self.spike.1 { rate * self.spike.0 } else { rate }
    }
}

impl Load {
    fn between_levels(&self, now: Millis) -> Option<f64> {
        let next = self.levels.iter().position(|(at, _)| *at > now);
        let (from, to) = match next {
            None => return self.levels.last().map(|(_, rate)| *rate),
            Some(0) => return self.levels.first().map(|(_, rate)| *rate),
            Some(next) => (self.levels.get(next - 1)?, self.levels.get(next)?),
        };
        let passed = as_float(now - from.0) / as_float((to.0 - from.0).max(1));
        Some(from.1 + (to.1 - from.1) * passed)
    }
}

/// A whole number of milliseconds below 2^52 as a float, exactly.
#[must_use]
pub fn as_float(millis: Millis) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of centuries are below 2^52")]
    let float = millis as f64;
    float
}
