//! The cheapest headroom that keeps an objective, chosen in hindsight: what makes policies with different headrooms comparable.

use crate::load::Load;
use crate::parallel::each;
use crate::peer::{Knob, Peer};
use crate::replay::{Scaler, World, play};
use crate::score::Score;

/// Values that are tried in the first of two rounds, over all of the knob.
const COARSE: u32 = 24;
/// Values that are tried in the second, between the best of the first and its neighbour with less headroom.
const FINE: u32 = 12;

/// The cheapest setting that keeps the objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cheapest {
    /// Where the knob stands.
    pub knob: f64,
    /// What it comes to there.
    pub score: Score,
}

/// Of all values of a knob the one that costs least and has at most `limit` percent of the time above 90 % use; none: no value has.
///
/// It is found in two rounds: 24 values, each a constant factor from the last, then 12 between the best of those and the next one with less
/// headroom. The scored load itself says which: no policy that runs could know it.
#[must_use]
pub fn cheapest(load: &Load, world: &World, limit: f64, knob: Knob, scaler: impl Fn(f64) -> Box<dyn Scaler> + Sync) -> Option<Cheapest> {
    rounds(knob, limit, |knob| Some(play(load, world, scaler(knob).as_mut(), |_, _, _, _| {})))
}

/// The same of a peer; none also for one without a knob.
#[must_use]
pub fn cheapest_of_peer(peer: Peer, load: &Load, world: &World, limit: f64) -> Option<Cheapest> {
    let score = |knob| {
        let mut scaler = peer.scaler(load, world, knob)?;
        Some(play(load, world, scaler.as_mut(), |_, _, _, _| {}))
    };
    rounds(peer.knob()?, limit, score)
}

/// The same of values that are given.
#[must_use]
pub fn cheapest_among<'a>(
    load: &Load,
    world: &World,
    limit: f64,
    knobs: &[f64],
    scaler: impl Fn(f64) -> Box<dyn Scaler + 'a> + Sync,
) -> Option<Cheapest> {
    best(knobs, limit, &|knob| {
        Some(play(load, world, scaler(knob).as_mut(), |_, _, _, _| {}))
    })
}

fn rounds(knob: Knob, limit: f64, score: impl Fn(f64) -> Option<Score> + Sync) -> Option<Cheapest> {
    let (least, most) = knob.from_least_headroom_to_most();
    let coarse = best(&between(least, most, COARSE), limit, &score)?;
    let factor = (most / least).powf(1.0 / f64::from(COARSE - 1));
    // the ends were tried; with the least headroom of all there is nothing on the other side
    let neighbour = coarse.knob / factor;
    let fine = between(neighbour, coarse.knob, FINE + 2)
        .into_iter()
        .skip(1)
        .take(FINE as usize)
        .collect::<Vec<_>>();
    let fine = if coarse.knob == least { None } else { best(&fine, limit, &score) };
    cheaper(fine.into_iter().chain([coarse]))
}

/// So many values from one to another, each a constant factor from the last.
fn between(first: f64, last: f64, count: u32) -> Vec<f64> {
    let value = |place: u32| first * (last / first).powf(f64::from(place) / f64::from(count - 1));
    (0..count).map(value).collect()
}

fn best(knobs: &[f64], limit: f64, score: &(impl Fn(f64) -> Option<Score> + Sync)) -> Option<Cheapest> {
    let all = each(knobs, |knob| score(*knob).map(|score| Cheapest { knob: *knob, score }));
    cheaper(all.into_iter().flatten().filter(|found| found.score.over90_percent <= limit))
}

/// Of two that cost the same, the first.
fn cheaper(found: impl Iterator<Item = Cheapest>) -> Option<Cheapest> {
    found.min_by(|one, other| one.score.instance_hours.total_cmp(&other.score.instance_hours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::{load, world};
    use crate::peer::{Fixed, Hpa};

    fn waves() -> Load {
        load((0..2_880).map(|step| 100.0 + 80.0 * (f64::from(step) / 50.0).sin()).collect())
    }

    #[test]
    fn a_fixed_fleet_is_the_smallest_that_keeps_the_objective() {
        let load = waves();
        for (limit, expected) in [(0.0, 20.0), (1.0, 20.0), (100.0, 19.0)] {
            let found = cheapest_of_peer(Peer::StaticPeak, &load, &world(), limit).unwrap();
            // 180 a second at 90 % of ten each are twenty instances; without an objective the end of the knob says, 98 %
            assert_eq!(
                found.score.instance_hours.round() / 24.0,
                expected,
                "limit {limit}, knob {}",
                found.knob
            );
        }
    }

    #[test]
    fn none_where_no_value_keeps_it() {
        let found = cheapest_among(&waves(), &world(), 1.0, &[0.95, 0.99], |knob| {
            Box::new(Fixed::for_peak(&waves(), &world(), knob))
        });
        assert_eq!(found, None);
        assert_eq!(cheapest_of_peer(Peer::Optimum, &waves(), &world(), 1.0), None);
    }

    #[test]
    fn the_second_round_finds_what_lies_between_two_of_the_first() {
        let load = waves();
        let hpa = |knob| Box::new(Hpa::new(knob)) as Box<dyn Scaler>;
        let (least, most) = Knob::Target.from_least_headroom_to_most();
        let first = cheapest_among(&load, &world(), 1.0, &between(least, most, COARSE), hpa).unwrap();
        let both = cheapest(&load, &world(), 1.0, Knob::Target, hpa).unwrap();
        assert!(
            both.score.instance_hours < first.score.instance_hours && both.knob > first.knob,
            "{first:?} {both:?}"
        );
        assert!(both.score.over90_percent <= 1.0);
    }
}
