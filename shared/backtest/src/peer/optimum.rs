//! The cheapest fleet that never uses more than the target: it knows the future, and is no scaler.

use crate::load::Load;
use crate::optimum::{self, Prices};
use crate::replay::World;
use crate::score::{Meter, Score, Step};

/// What the cheapest schedule comes to that never uses more than the target, on the load that is scored. It runs when that begins, and each
/// later start is paid for the boot before it serves.
#[must_use]
pub fn score(load: &Load, world: &World) -> Score {
    play(load, world, |_| {})
}

/// The same; `see` is told each step.
pub fn play(load: &Load, world: &World, mut see: impl FnMut(Step)) -> Score {
    let (serving, _) = optimum::schedule(&demand(load, world, world.instance.target), prices(load, world));
    let booting = booting(&serving, load.steps(world.boot));
    let mut meter = Meter::new(world.instance, load.step(), world.stopped_price);
    let mut before = serving.first().copied().unwrap_or_default();
    let mut seconds = 0;
    for ((rate, serving), booting) in load.scored().iter().zip(serving).zip(booting) {
        let step = Step {
            rate: *rate,
            serving,
            running: serving + booting,
            stopped: 0,
        };
        meter.note_move(before, serving, seconds);
        meter.note(step);
        see(step);
        before = serving;
        seconds += u64::from(load.step().0);
    }
    meter.score()
}

/// Instance hours of the cheapest schedule that never uses more than `used` of them, on the load that is scored.
#[must_use]
pub fn hours(load: &Load, world: &World, used: f64) -> f64 {
    optimum::cost(&demand(load, world, used), prices(load, world)) * f64::from(load.step().0) / 3_600.0
}

fn demand(load: &Load, world: &World, used: f64) -> Vec<u32> {
    load.scored().iter().map(|rate| world.instance.needed_at(*rate, used)).collect()
}

fn prices(load: &Load, world: &World) -> Prices {
    Prices {
        start: load.steps(world.boot) as f64,
        missing: None,
    }
}

/// Instances that boot in each step, `boot` steps before they serve; those for which there is no room before the begin, from the begin on:
/// they are paid all the same.
fn booting(serving: &[u32], boot: usize) -> Vec<u32> {
    let mut booting = vec![0; serving.len()];
    for (at, pair) in serving.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        let begin = (at + 1).saturating_sub(boot);
        booting
            .iter_mut()
            .skip(begin)
            .take(boot)
            .for_each(|count| *count += after.saturating_sub(*before));
    }
    booting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::{start, world};
    use ghostnet_core::unit::Seconds;

    #[test]
    fn it_costs_what_the_optimum_costs_and_never_uses_too_much() {
        let mut rates = vec![500.0; 50];
        rates.extend((0..2_000).map(|place| 50.0 + 45.0 * (f64::from(place) / 37.0).sin()));
        rates.extend([10.0, 90.0, 10.0]);
        let load = Load::made_up(start(), Seconds(30), rates, 50).unwrap();
        let score = score(&load, &world());
        let hours = hours(&load, &world(), world().instance.target);
        assert!(
            (score.instance_hours - hours).abs() < 1e-9,
            "{} where it is {hours}",
            score.instance_hours
        );
        assert_eq!((score.under_percent, score.theta_u), (0.0, 0.0));
        assert!(score.scale_outs_per_day > 0.0);
    }

    #[test]
    fn a_start_is_paid_before_it_serves() {
        for (serving, boot, expected) in [
            (&[1, 1, 1, 3, 1][..], 2, [0, 2, 2, 0, 0]),
            (&[1, 2, 1, 1, 1], 2, [1, 1, 0, 0, 0]),
            (&[2, 1, 1, 2, 2], 0, [0; 5]),
        ] {
            assert_eq!(booting(serving, boot), expected, "{serving:?}");
        }
    }
}
