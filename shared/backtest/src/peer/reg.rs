//! Reg (Iqbal et al. 2011), as in `ahmedaley/Autoscalers`: up with the load, down along a parabola through the last hour.
//!
//! Left open, and decided here: with fewer than three demands, the parabola is the last one.

use std::collections::VecDeque;
use std::fmt;

use super::hist::repaired;
use super::{needed, whole};
use crate::foresight::MINUTE;
use crate::replay::{Look, Scaler};

/// Demands that the parabola goes through, one a minute.
const DEMANDS: usize = 60;
/// So many of what it says are kept.
const IN: f64 = 1.2;

/// The policy.
#[derive(Debug, Clone)]
pub struct Reg {
    multiplier: f64,
    demands: VecDeque<f64>,
    /// What each demand adds to the value of the parabola at the last of them.
    weights: Vec<f64>,
}

impl Reg {
    /// Takes the load for `multiplier` times what it is.
    #[must_use]
    pub fn new(multiplier: f64) -> Self {
        Self {
            multiplier,
            demands: VecDeque::with_capacity(DEMANDS + 1),
            weights: Vec::with_capacity(DEMANDS),
        }
    }

    fn note(&mut self, demand: u32) {
        self.demands.push_back(f64::from(demand));
        if self.demands.len() > DEMANDS {
            self.demands.pop_front();
        }
        if self.weights.len() < self.demands.len() {
            self.weights = weights_of_last(self.demands.len());
        }
    }

    fn parabola_now(&self) -> f64 {
        self.demands.iter().zip(&self.weights).map(|(demand, weight)| demand * weight).sum()
    }
}

impl Scaler for Reg {
    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let load = needed(look, MINUTE) * self.multiplier;
        self.note(whole(load));
        capacity(look.capacity(), load, || self.parabola_now())
    }
}

/// From a capacity, for a load in instances, and what the parabola says.
fn capacity(present: u32, load: f64, parabola: impl Fn() -> f64) -> u32 {
    if present <= whole(load) {
        return repaired(present, load);
    }
    let regressed = (parabola() - 1e-9).ceil();
    if regressed > 0.0 {
        whole(IN * regressed).min(present)
    } else {
        present
    }
}

/// Of so many values, one after the other: the weights that sum them up to the value at the last of the parabola that fits them best.
fn weights_of_last(count: usize) -> Vec<f64> {
    if count < 3 {
        return (1..=count).map(|place| if place == count { 1.0 } else { 0.0 }).collect();
    }
    // orthogonal polynomials of degree 0, 1 and 2 around the middle
    let middle = (count - 1) as f64 / 2.0;
    let size = count as f64;
    let spread = (size * size - 1.0) / 12.0;
    let line = |place: f64| place - middle;
    let bow = |place: f64| line(place).powi(2) - spread;
    let places = || (0..count).map(|place| place as f64);
    let (of_line, of_bow) = places().fold((0.0, 0.0), |(of_line, of_bow), place| {
        (of_line + line(place).powi(2), of_bow + bow(place).powi(2))
    });
    let last = size - 1.0;
    places()
        .map(|place| 1.0 / size + line(last) * line(place) / of_line + bow(last) * bow(place) / of_bow)
        .collect()
}

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "out as hist between hours, in to {IN} of a parabola through the last {DEMANDS} minutes"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parabola_goes_through_what_is_one() {
        for count in [1, 2, 3, 4, 17, 60] {
            let weights = weights_of_last(count);
            let at_last =
                |of: &dyn Fn(f64) -> f64| -> f64 { weights.iter().enumerate().map(|(place, weight)| weight * of(place as f64)).sum() };
            let last = (count - 1) as f64;
            for (name, of) in [
                ("constant", &(|_| 7.0) as &dyn Fn(f64) -> f64),
                ("line", &|x| if count < 3 { 1.0 } else { 2.0 * x + 1.0 }),
                ("parabola", &|x| if count < 3 { 1.0 } else { x * x - 3.0 * x + 2.0 }),
            ] {
                assert!((at_last(of) - of(last)).abs() < 1e-6, "{name} of {count}: {}", at_last(of));
            }
        }
        // as a least-squares fit by hand has it: 0, 0, 1, 0 over 0..=3 is -0.25 x² + 0.85 x - 0.15 at 3
        let weights = weights_of_last(4);
        assert!((weights[2] - 0.15).abs() < 1e-9, "{}", weights[2]);
    }

    #[test]
    fn up_with_the_load_and_down_to_a_fifth_more_than_the_parabola() {
        for (situation, present, load, parabola, expected) in [
            ("up", 10, 12.0, 0.0, 13),
            ("enough exactly", 10, 10.0, 3.0, 10),
            ("down", 20, 10.0, 9.5, 12),
            ("a parabola above what there is", 20, 10.0, 30.0, 20),
            ("a parabola below nothing", 20, 10.0, -1.0, 20),
        ] {
            assert_eq!(capacity(present, load, || parabola), expected, "{situation}");
        }
    }
}
