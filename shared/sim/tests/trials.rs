//! What a failure costs under GhostNet's rule and under others': the outcomes that the comparison in `docs/failover.md` rests on.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its world should stop there")]

use ghostnet_sim::clock::{MINUTE, SECOND};
use ghostnet_sim::toll::Toll;
use ghostnet_sim::trial::{By, COUNTED, Failure, Mode, RATE, Trial, run};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=2;
const EVERYBODY: [By; 6] = [
    By::GhostNet,
    By::GhostNetTwoOfThree,
    By::GhostNetAndBack,
    By::Alternat,
    By::AcceleratorTen,
    By::AcceleratorThirty,
];

fn tolls(mode: Mode, failure: Failure, by: By) -> Vec<Toll> {
    let trial = |seed| Trial { mode, failure, by, seed };
    SEEDS.map(|seed| run(&trial(seed)).unwrap()).collect()
}

fn assert_all(mode: Mode, failure: Failure, by: By, holds: impl Fn(&Toll) -> bool) {
    for toll in tolls(mode, failure, by) {
        assert!(holds(&toll), "{mode:?}, {failure:?}, {by:?}: {toll:#?}");
    }
}

#[test]
fn a_trial_repeats_exactly_and_counts_every_request() {
    let trial = Trial {
        mode: Mode::HotHalf,
        failure: Failure::Dies,
        by: By::GhostNet,
        seed: 3,
    };
    let toll = run(&trial).unwrap();
    assert_eq!(toll, run(&trial).unwrap());
    let seconds = f64::from(u32::try_from(COUNTED / SECOND).unwrap());
    assert_eq!(toll.offered, RATE * seconds);
    assert_ne!(toll, run(&Trial { seed: 4, ..trial }).unwrap());
}

#[test]
fn a_side_that_dies_is_left_within_two_minutes_and_sooner_by_who_waits_for_less() {
    for mode in [Mode::HotFull, Mode::HotHalf] {
        assert_all(mode, Failure::Dies, By::GhostNet, |toll| {
            toll.shifted_after().is_some_and(|time| time <= 2 * MINUTE)
        });
        assert_all(mode, Failure::Dies, By::Alternat, |toll| {
            toll.shifted_after().is_some_and(|time| time <= 15 * SECOND)
        });
        assert_all(mode, Failure::Dies, By::AcceleratorTen, |toll| {
            toll.shifted_after().is_some_and(|time| time <= 30 * SECOND)
        });
    }
}

#[test]
fn a_short_silence_moves_nothing_but_who_asks_once() {
    for by in EVERYBODY {
        assert_all(Mode::HotFull, Failure::Pauses, by, |toll| {
            let moves = u32::from(by == By::Alternat);
            (toll.moves, toll.false_moves) == (moves, moves)
        });
    }
}

/// The standby is empty, and so it stays for whoever does not ask for instances there.
#[test]
fn after_a_short_silence_an_empty_standby_answers_nobody_for_good() {
    assert_all(Mode::Cold, Failure::Pauses, By::Alternat, |toll| {
        toll.recovered_after().is_none() && toll.lost > 0.9 * toll.offered
    });
    assert_all(Mode::Cold, Failure::Pauses, By::GhostNet, |toll| {
        toll.recovered_after() == Some(15 * SECOND)
    });
}

#[test]
fn nothing_moves_because_no_metric_comes_or_one_instance_is_sick() {
    for failure in [Failure::NoMetrics, Failure::OneIsSick] {
        for by in EVERYBODY {
            assert_all(Mode::HotFull, failure, by, |toll| toll.moves == 0);
        }
    }
}

/// Six silences of two minutes: three datapoints of two kinds never come together, two do. Nothing brings traffic back each time.
#[test]
fn a_side_that_flaps_moves_nothing_to_and_fro() {
    for by in [By::GhostNet, By::GhostNetAndBack] {
        assert_all(Mode::HotFull, Failure::Flaps, by, |toll| toll.moves == 0);
    }
    assert_all(Mode::HotFull, Failure::Flaps, By::GhostNetTwoOfThree, |toll| toll.moves <= 1);
    assert_all(Mode::HotFull, Failure::Flaps, By::AcceleratorTen, |toll| toll.moves == 12);
}

#[test]
fn a_slow_side_is_left_within_six_minutes() {
    assert_all(Mode::HotFull, Failure::IsSlow, By::GhostNet, |toll| {
        toll.shifted_after().is_some_and(|time| time <= 6 * MINUTE) && toll.slow > 0.0
    });
}

#[test]
fn a_cold_standby_grows_before_it_takes_over() {
    assert_all(Mode::Cold, Failure::Dies, By::GhostNet, |toll| {
        let (decided, shifted) = (toll.decided_after(), toll.shifted_after());
        decided < shifted && toll.recovered_after().is_some_and(|time| time <= 8 * MINUTE)
    });
    for by in [By::Alternat, By::AcceleratorTen] {
        assert_all(Mode::Cold, Failure::Dies, by, |toll| {
            toll.recovered_after().is_none_or(|time| time >= 20 * MINUTE)
        });
    }
}

/// The standby is checked only once it is registered, so its first checks are waited for; and nothing but that.
#[test]
fn a_swap_in_one_group_takes_as_long_as_first_checks_take() {
    for failure in [Failure::Dies, Failure::FallsSilent, Failure::IsSlow] {
        assert_all(Mode::Swapped, failure, By::GhostNet, |toll| {
            let waited = toll
                .recovered_after()
                .zip(toll.decided_after())
                .map(|(over, decided)| over - decided);
            waited.is_some_and(|waited| (SECOND..=MINUTE).contains(&waited)) && (toll.moves, toll.false_moves) == (1, 0)
        });
    }
    assert_all(Mode::Swapped, Failure::Pauses, By::GhostNet, |toll| toll.moves == 0);
}

#[test]
fn a_page_answers_while_both_sides_are_gone_and_no_longer() {
    assert_all(Mode::Degraded, Failure::BothDie, By::GhostNet, |toll| {
        // nobody is there for ten minutes at least, and within two of them the page is
        let answered = toll.offered - toll.lost - toll.instead;
        toll.instead >= RATE * 8.0 * 60.0 && toll.lost <= RATE * 120.0 && answered > 0.0 && toll.recovered_after().is_some()
    });
    for by in [By::Alternat, By::AcceleratorTen] {
        assert_all(Mode::Degraded, Failure::BothDie, by, |toll| {
            toll.instead == 0.0 && toll.lost >= RATE * 10.0 * 60.0
        });
    }
}

/// What leaves finishes first, here in half a minute to five minutes; who is to be stopped stops after that. The trial itself is broken if
/// both sides are ever in.
#[test]
fn where_one_side_may_serve_it_takes_as_long_as_the_other_one_takes_to_leave() {
    for (mode, most) in [(Mode::Fenced, 7), (Mode::Stopped, 10)] {
        for failure in [Failure::Dies, Failure::FallsSilent] {
            assert_all(mode, failure, By::GhostNet, |toll| {
                let waited = toll
                    .shifted_after()
                    .zip(toll.decided_after())
                    .map(|(shifted, decided)| shifted - decided);
                waited.is_some_and(|waited| (SECOND..=most * MINUTE).contains(&waited)) && (toll.moves, toll.false_moves) == (1, 0)
            });
        }
        assert_all(mode, Failure::Pauses, By::GhostNet, |toll| toll.moves == 0);
    }
}
