//! The experts: each a few lines of arithmetic, each right for some load (`quality.md`, C.14: no single one wins).

use serde::{Deserialize, Serialize};

use super::Recent;

/// How many there are.
pub const EXPERTS: usize = 9;
/// No expert expects less than this share of the present load, nor more than so many times it: what rises for two minutes need not rise
/// for five.
const FALL_MOST: f64 = 0.3;
const RISE_MOST: f64 = 5.0;
/// A season is scaled by how high the load is now against then, within these bounds.
const LEVEL_LEAST: f64 = 0.2;
const LEVEL_MOST: f64 = 5.0;

/// A load at the moment that is forecast, one season ago, and the level of the quarter of an hour up to now, then.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// At the moment that is forecast.
    pub ahead: f64,
    /// The level, as it is now.
    pub level: f64,
}

/// What the same time was like before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Lags {
    /// A day ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Pair>,
    /// A week ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<Pair>,
    /// On each of the last seven days, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Pair>,
}

/// What each expert expects in so many minutes; none: it knows too little. `least` is a load that is next to nothing.
pub(super) fn ask(recent: &Recent, lags: &Lags, minutes: f64, least: f64) -> [Option<f64>; EXPERTS] {
    let now = recent.now();
    let bounded = |value: f64| value.max(FALL_MOST * now).min(RISE_MOST * now + least);
    // straight on from so many minutes ago, by a share of the way
    let straight_on = |ago: usize, back: f64, share: f64| {
        let slope = (now - recent.ago(ago)?) / back;
        Some(bounded(now + share * minutes * slope))
    };
    let trend = || {
        let (new, old) = (recent.mean(0, 5)?, recent.mean(10, 5)?);
        recent.ago(14)?;
        Some(bounded(now + 0.7 * minutes * (new - old) / 10.0))
    };
    let level = recent.mean(0, 15).unwrap_or(now);
    let again = |pair: Pair| {
        let ratio = ((level + least) / (pair.level + least)).clamp(LEVEL_LEAST, LEVEL_MOST);
        pair.ahead * ratio
    };
    [
        Some(now),
        recent.mean(0, 3),
        straight_on(1, 1.0, 1.0),
        straight_on(2, 2.0, 0.5),
        straight_on(5, 5.0, 1.0),
        trend(),
        lags.day.map(again),
        lags.week.map(again),
        lags.days.map(again),
    ]
}

/// What they expect together, each as much as its weight says; none if nobody knows anything.
pub(super) fn together(expected: &[Option<f64>; EXPERTS], weights: &[f64; EXPERTS]) -> Option<f64> {
    let known = expected
        .iter()
        .zip(weights)
        .filter_map(|(value, weight)| Some(((*value)?, *weight)));
    let (sum, weight) = known.fold((0.0, 0.0), |(sum, total), (value, weight)| (sum + value * weight, total + weight));
    (weight > 0.0).then(|| sum / weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(oldest_first: &[f64]) -> Recent {
        let mut recent = Recent::default();
        oldest_first.iter().for_each(|value| recent.push(*value));
        recent
    }

    #[test]
    fn each_expert_goes_its_own_way() {
        let rising: Vec<f64> = (1..=20).map(|minute| f64::from(minute) * 10.0).collect();
        let pair = |ahead, level| Some(Pair { ahead, level });
        let lags = Lags {
            day: pair(300.0, 130.0),
            week: pair(100.0, 1_000_000.0),
            days: pair(100.0, 1.0),
        };
        let expected = ask(&recent(&rising), &lags, 4.0, 0.0);
        let named = [
            "now",
            "three minutes",
            "one minute",
            "two minutes",
            "five minutes",
            "trend",
            "day",
            "week",
            "days",
        ];
        let hoped = [200.0, 190.0, 240.0, 220.0, 240.0, 228.0, 300.0, 20.0, 500.0];
        for ((name, value), hoped) in named.iter().zip(expected).zip(hoped) {
            assert_eq!(value, Some(hoped), "{name}");
        }
    }

    #[test]
    fn nobody_expects_that_a_fall_or_a_rise_goes_on_without_end() {
        let lags = Lags::default();
        let falls = ask(&recent(&[100.0, 10.0]), &lags, 4.0, 1.0);
        assert_eq!(falls.get(2), Some(&Some(3.0)));
        let rises = ask(&recent(&[10.0, 100.0]), &lags, 40.0, 1.0);
        assert_eq!(rises.get(2), Some(&Some(501.0)));
        assert_eq!(rises.get(5..9), Some(&[None; 4][..]), "too little is known");
    }

    #[test]
    fn a_weight_of_nothing_does_not_count() {
        let mut expected = [None; EXPERTS];
        (expected[0], expected[3]) = (Some(10.0), Some(30.0));
        let weights = [1.0, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(together(&expected, &weights), Some(25.0));
        assert_eq!(together(&[None; EXPERTS], &weights), None);
    }
}
