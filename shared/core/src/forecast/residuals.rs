//! How far forecasts were off: what else may come than what is expected.
//!
//! A residual is the logarithm of what came over what was expected. They are counted in bins, and count half as much after two days.
//! Split conformal prediction: what so large a share of the past residuals stayed below, the next one stays below with that
//! probability, whatever the law of the load. Each share is adjusted by whether it did (Gibbs and Candès 2021), so that it holds also
//! while the load changes its ways.

use serde::{Deserialize, Serialize};

/// Shares of the time in which more came, from often to hardly ever: the quantiles that are known of what may come.
pub const SHARES: [f64; 32] = [
    0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.22, 0.19, 0.16, 0.14, 0.12, 0.1, 0.085, 0.07, 0.06, 0.05, 0.042, 0.035, 0.03, 0.025, 0.02, 0.016,
    0.013, 0.01, 0.0075, 0.005, 0.0035, 0.0025, 0.0015, 0.001, 0.0005, 0.0,
];
/// So many bins.
const BINS: usize = 400;
/// The least logarithm; the greatest is as far above zero.
const LEAST: f64 = -2.0;
/// Bins in a unit of logarithm.
const PER_UNIT: f64 = 100.0;
/// Minutes after which a residual counts half.
const HALF_LIFE_MINUTES: f64 = 2_880.0;
/// Before so many are known, nothing is concluded from them.
const LEAST_KNOWN: u32 = 60;
/// Until then: one in two point seven is off by a tenth, and so on.
const UNKNOWN_SCALE: f64 = 0.1;
/// How fast a share is adjusted.
const ADJUSTMENT: f64 = 0.003;
/// A share is adjusted within these bounds.
const SHARE_LEAST: f64 = 0.000_1;
const SHARE_MOST: f64 = 0.6;
/// Weights grow instead of all bins shrinking; at this one everything is scaled down.
const WEIGHT_MOST: f64 = 1e100;

/// How far forecasts were off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Residuals {
    bins: Vec<f64>,
    weight: f64,
    known: u32,
    shares: Vec<f64>,
    /// How far off on average, over a day.
    usual: f64,
    /// The same over half an hour.
    recent: f64,
}

impl Default for Residuals {
    fn default() -> Self {
        Self {
            bins: vec![0.0; BINS],
            weight: 1.0,
            known: 0,
            shares: SHARES.to_vec(),
            usual: 0.0,
            recent: 0.0,
        }
    }
}

impl Residuals {
    /// Takes in that `came` came where `expected` was expected, and `ratios` were the bounds of what else might, one for each of the shares.
    pub fn note(&mut self, came: f64, expected: f64, ratios: &[f64]) {
        let ratio = came / expected;
        let residual = libm::log(ratio);
        if !residual.is_finite() {
            return;
        }
        self.weight *= libm::exp2(1.0 / HALF_LIFE_MINUTES);
        if let Some(bin) = self.bins.get_mut(bin(residual)) {
            *bin += self.weight;
        }
        if self.weight > WEIGHT_MOST {
            self.bins.iter_mut().for_each(|bin| *bin /= self.weight);
            self.weight = 1.0;
        }
        self.known = self.known.saturating_add(1);
        for ((adjusted, share), bound) in self.shares.iter_mut().zip(SHARES).zip(ratios) {
            let beyond = if ratio > *bound { 1.0 } else { 0.0 };
            *adjusted = (*adjusted + ADJUSTMENT * (share - beyond)).clamp(SHARE_LEAST.min(share), SHARE_MOST);
        }
        let off = libm::fabs(residual).min(-LEAST);
        let known = f64::from(self.known);
        self.usual += (off - self.usual) / known.min(1_440.0);
        self.recent += (off - self.recent) / known.min(30.0);
    }

    /// What may come, as a factor of what is expected: one for each of [`SHARES`], none of them below one.
    #[must_use]
    pub fn ratios(&self) -> [f64; SHARES.len()] {
        if self.known < LEAST_KNOWN {
            let unknown = |share: f64| libm::exp(UNKNOWN_SCALE * libm::log(0.5 / share.max(SHARE_LEAST)));
            return SHARES.map(unknown);
        }
        let total: f64 = self.bins.iter().sum();
        let (mut above, mut place) = (0.0, self.bins.len());
        let mut ratios = [1.0; SHARES.len()];
        // from the rarest share to the commonest, from the highest bin downward: each stops where no more may be above it
        for (ratio, share) in ratios.iter_mut().zip(&self.shares).rev() {
            while place > 0 {
                let bin = self.bins.get(place.saturating_sub(1)).copied().unwrap_or_default();
                if above + bin > share * total {
                    break;
                }
                above += bin;
                place = place.saturating_sub(1);
            }
            *ratio = libm::exp(upper_edge(place)).max(1.0);
        }
        // adjusted shares may cross: a rarer one never promises less
        let mut most = 1.0_f64;
        for ratio in &mut ratios {
            most = most.max(*ratio);
            *ratio = most;
        }
        ratios
    }

    /// Whether forecasts are off three times as far as usual, and far.
    #[must_use]
    pub fn stray(&self) -> bool {
        const FAR: f64 = 0.1;
        self.known >= 1_440 && self.recent > FAR && self.recent > 3.0 * self.usual
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place within the bins, just bounded"
)]
fn bin(residual: f64) -> usize {
    let place = libm::floor((residual - LEAST) * PER_UNIT);
    let last = 399.0;
    place.clamp(0.0, last) as usize
}

/// The upper edge of the bin before a place.
fn upper_edge(place: usize) -> f64 {
    LEAST + f64::from(u32::try_from(place).unwrap_or_default()) / PER_UNIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_what_came_stays_below_each_bound() {
        let mut residuals = Residuals::default();
        // a hundred loads again and again, evenly spread up to twice what is expected
        for minute in 0_u32..20_000 {
            let ratios = residuals.ratios();
            residuals.note(f64::from(minute * 37 % 100) / 100.0 + 1.0, 1.0, &ratios);
        }
        for (ratio, share) in residuals.ratios().iter().zip(SHARES) {
            let expected = 2.0 - share;
            assert!((ratio - expected).abs() < 0.05, "share {share}: {ratio} where {expected} is right");
        }
    }

    #[test]
    fn nothing_is_concluded_from_an_hour_and_nothing_is_below_what_is_expected() {
        let mut residuals = Residuals::default();
        assert!(residuals.ratios().windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(residuals.ratios()[31] > 1.5);
        for _ in 0..200 {
            let ratios = residuals.ratios();
            residuals.note(1.0, 2.0, &ratios);
        }
        assert!(residuals.ratios().iter().all(|ratio| *ratio == 1.0));
    }

    #[test]
    fn forecasts_that_are_off_three_times_as_far_as_usual_stray() {
        let mut residuals = Residuals::default();
        let note = |residuals: &mut Residuals, came: f64, minutes: u32| {
            for _ in 0..minutes {
                let ratios = residuals.ratios();
                residuals.note(came, 1.0, &ratios);
            }
        };
        note(&mut residuals, 1.05, 2_000);
        assert!(!residuals.stray());
        note(&mut residuals, 1.8, 30);
        assert!(residuals.stray());
        note(&mut residuals, 1.05, 300);
        assert!(!residuals.stray());
    }

    #[test]
    fn what_is_no_number_is_no_residual() {
        let mut residuals = Residuals::default();
        residuals.note(0.0, 1.0, &[]);
        residuals.note(f64::NAN, 1.0, &[]);
        residuals.note(1.0, 0.0, &[]);
        assert_eq!(residuals, Residuals::default());
    }
}
