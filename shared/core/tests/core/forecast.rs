//! What is learned of a load: the same minutes tell the same, whatever the minutes; what is promised comes true; what is stored fits.

use ghostnet_core::forecast::{Ahead, Learner, Outlook, Recent};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::support::*;

/// What one instance carries in a minute.
const UNIT: f64 = 600.0;
/// So far ahead is looked.
const MINUTES: u32 = 4;
const DAY: i64 = 1_440;
const USUAL: [u16; 1] = [90];
/// Most that an item of DynamoDB holds, with room for what else is in it: as the stored text.
const LEARNER_BYTES_MAX: usize = 200_000;
const OUTLOOK_BYTES_MAX: usize = 40_000;

/// The end of a minute.
fn end(minute: i64) -> Timestamp {
    at((minute + 1) * 60)
}

fn learner() -> Learner {
    Learner::new(UNIT, MINUTES, at(0))
}

/// Takes in minutes from the beginning on.
fn note(learner: &mut Learner, from: i64, values: &[Option<f64>]) -> Vec<Option<Ahead>> {
    (from..)
        .zip(values)
        .map(|(minute, value)| learner.note(*value, end(minute), &USUAL))
        .collect()
}

fn of(values: &[Option<f64>]) -> (Learner, Vec<Option<Ahead>>) {
    let mut learner = learner();
    let ahead = note(&mut learner, 0, values);
    (learner, ahead)
}

/// Numbers between 0 and 1 that look like chance, the same each time.
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

/// About a normal distribution: of twelve numbers the sum.
fn normal(chance: &mut impl FnMut() -> f64) -> f64 {
    (0..12).map(|_| chance()).sum::<f64>() - 6.0
}

/// A load that is twice as high at noon as at midnight, with noise around it.
fn daily(minutes: i64, scatter: f64, seed: u64) -> Vec<Option<f64>> {
    let mut chance = noise(seed);
    let load = |minute: i64| daily_mean(minute) * (1.0 + scatter * normal(&mut chance));
    (0..minutes).map(load).map(Some).collect()
}

fn daily_mean(minute: i64) -> f64 {
    let turn = f64::from(i32::try_from(minute % DAY).unwrap()) / 1_440.0 * std::f64::consts::TAU;
    6_000.0 * (1.0 + libm::cos(turn) / 3.0)
}

/// Says where a number is not finite: JSON has no word for it.
fn written<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

fn stored<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&written(value)).unwrap()
}

/// Any minute: none, nothing, next to nothing, usual loads, and jumps as far as numbers go.
fn any_minute() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(0.0)),
        1 => prop_oneof![Just(f64::MIN_POSITIVE), Just(1e-9), Just(1e12), Just(1e108), Just(1e300), Just(f64::MAX)].prop_map(Some),
        6 => (0.0_f64..20_000.0).prop_map(Some),
    ]
}

/// Stretches of minutes alike, so that a bucket, an hour or a gap of hours is drawn too.
fn any_minutes() -> impl Strategy<Value = Vec<Option<f64>>> {
    let stretch = (any_minute(), prop_oneof![3 => 1_usize..4, 1 => 60_usize..90]);
    proptest::collection::vec(stretch, 1..60).prop_map(|stretches| {
        let repeated = stretches.into_iter().flat_map(|(minute, times)| std::iter::repeat_n(minute, times));
        repeated.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Stored and read again at any minute, it goes on as if it had not been, bit for bit.
    #[test]
    fn the_same_minutes_tell_the_same(values in any_minutes(), cut in any::<prop::sample::Index>()) {
        let (whole, told) = of(&values);
        let (before, after) = values.split_at(cut.index(values.len()));
        let (first, mut again) = of(before);
        let mut second = stored(&first);
        let from = i64::try_from(before.len()).unwrap();
        again.extend(note(&mut second, from, after));
        prop_assert_eq!(written(&again), written(&told));
        prop_assert_eq!(written(&second), written(&whole));
        let now = end(i64::try_from(values.len()).unwrap() - 1);
        let outlook = whole.look_out(now, 48, &USUAL);
        prop_assert_eq!(stored(&outlook), outlook);
    }

    /// Whatever comes, and whatever one instance carries, what is told are numbers, and none of them below zero.
    #[test]
    fn whatever_comes_it_tells_numbers(
        values in any_minutes(),
        unit in prop_oneof![Just(UNIT), Just(f64::MIN_POSITIVE), Just(5e-324), Just(1e-9), Just(f64::MAX)],
    ) {
        let mut learner = Learner::new(unit, MINUTES, at(0));
        let told = note(&mut learner, 0, &values);
        for ahead in told.iter().flatten() {
            let loads = ahead.loads().map(|(_, load)| load);
            let numbers = [ahead.now, ahead.expected, ahead.mean].into_iter().chain(loads).chain(ahead.usual.iter().map(|(_, load)| *load));
            for number in numbers {
                prop_assert!(number.is_finite() && number >= 0.0, "{ahead:?}");
            }
            prop_assert!(ahead.ratios.windows(2).all(|pair| pair[0] <= pair[1]), "{ahead:?}");
        }
        for (value, ahead) in values.iter().zip(&told) {
            prop_assert_eq!(value.is_some(), ahead.is_some(), "what is known has something ahead");
        }
        let outlook = learner.look_out(end(i64::try_from(values.len()).unwrap() - 1), 48, &USUAL);
        prop_assert!(!written(&outlook).contains("null"), "{outlook:?}");
        stored(&learner);
    }

    /// What comes later changes nothing that was told before.
    #[test]
    fn nobody_knows_the_future(past in any_minutes(), future in any_minutes(), other in any_minutes()) {
        let with = |future: &[Option<f64>]| of(&[&past, future].concat()).1.into_iter().take(past.len()).collect::<Vec<_>>();
        let alone = written(&of(&past).1);
        prop_assert_eq!(&written(&with(&future)), &alone);
        prop_assert_eq!(&written(&with(&other)), &alone);
    }
}

#[test]
fn what_is_no_load_is_not_known() {
    for value in [f64::NAN, f64::INFINITY, -1.0] {
        let values = [Some(5.0), Some(value), Some(6.0)];
        let unknown = [Some(5.0), None, Some(6.0)];
        assert_eq!(of(&values), of(&unknown), "{value}");
    }
}

/// Enough for 95 % of the minutes is enough for 95 % of the minutes, give or take two of a hundred. What comes is as often above as
/// below its mean here: less than what is expected is never prepared for.
#[test]
fn what_is_promised_comes_true() {
    for (situation, values) in [
        ("the same all day", stationary(1)),
        ("another chance", stationary(2)),
        ("day and night", daily(12 * DAY, 0.1, 3)),
    ] {
        let (_, told) = of(&values);
        let learned = usize::try_from(4 * DAY).unwrap();
        let ahead = usize::try_from(MINUTES).unwrap();
        for quantile in [0.5, 0.6, 0.75, 0.9, 0.95, 0.98, 0.99] {
            let pairs = told.iter().zip(&values[ahead..]).skip(learned);
            let beyond =
                |(told, came): (&Option<Ahead>, &Option<f64>)| came.unwrap() > told.as_ref().unwrap().enough(1.0 - quantile).unwrap();
            let (exceeded, all) = pairs
                .map(beyond)
                .fold((0, 0), |(sum, all), beyond| (sum + u32::from(beyond), all + 1));
            let share = f64::from(exceeded) / f64::from(all);
            assert!(
                (share - (1.0 - quantile)).abs() < 0.02,
                "{situation}, {quantile}: {share} came beyond"
            );
        }
    }
}

fn stationary(seed: u64) -> Vec<Option<f64>> {
    let mut chance = noise(seed);
    (0..12 * DAY).map(|_| Some(6_000.0 * (1.0 + 0.15 * normal(&mut chance)))).collect()
}

#[test]
fn the_longer_it_looks_the_more_it_knows() {
    for (situation, minutes, days, day, week, usual) in [
        ("nothing yet", 0, 0, false, false, false),
        ("one minute", 1, 0, false, false, false),
        ("a day and an hour", DAY + 60, 1, true, false, true),
        ("a week and an hour", 7 * DAY + 60, 7, true, true, true),
        ("a fortnight", 14 * DAY, 14, true, true, true),
        ("a month", 30 * DAY, 14, true, true, true),
    ] {
        let values = daily(minutes, 0.02, 5);
        let (learner, told) = of(&values);
        let now = at(minutes * 60);
        let outlook = learner.look_out(now, 2, &USUAL);
        let known = (
            learner.days(),
            outlook.day.is_some(),
            outlook.week.is_some(),
            !outlook.usual.is_empty(),
        );
        assert_eq!(known, (days, day, week, usual), "{situation}");
        assert_eq!(outlook.days.is_some(), day, "{situation}");
        assert!(!outlook.strays, "{situation}");
        let Some(Some(last)) = told.last() else {
            assert_eq!(minutes, 0, "{situation}");
            continue;
        };
        let right = daily_mean(minutes - 1 + i64::from(MINUTES));
        assert!(
            (last.expected / right - 1.0).abs() < 0.05,
            "{situation}: {} where {right} comes",
            last.expected
        );
        let usual = last.usual.iter().all(|(_, load)| (load / right - 1.0).abs() < 0.15);
        assert!(usual, "{situation}: {:?} usual where {right} comes", last.usual);
    }
}

/// A decision that reads the outlook of the last hour and the last twenty minutes is told what the learner is told.
#[test]
fn an_outlook_tells_what_its_learner_tells() {
    let values = daily(9 * DAY, 0.1, 7);
    let mut learner = learner();
    let hour = 9 * DAY - 60;
    let (before, after) = values.split_at(usize::try_from(hour).unwrap());
    note(&mut learner, 0, before);
    let outlook: Outlook = stored(&learner.look_out(end(hour - 1), 2, &USUAL));
    let told = note(&mut learner, hour, &after[..59]);
    for (minute, told) in (hour..).zip(told) {
        let mut recent = Recent::default();
        values[..=usize::try_from(minute).unwrap()]
            .iter()
            .flatten()
            .for_each(|value| recent.push(*value));
        let now = end(minute);
        assert_eq!(outlook.season(now, MINUTES).ahead(&recent, now), told, "minute {minute}");
    }
}

#[test]
fn what_is_stored_fits() {
    for days in [14, 28, 30] {
        let (learner, _) = of(&daily(days * DAY, 0.1, 9));
        let outlook = learner.look_out(at(days * DAY * 60), 48, &USUAL);
        let (learner, outlook) = (written(&learner).len(), written(&outlook).len());
        assert!(learner < LEARNER_BYTES_MAX, "{days} days: the learner has {learner} bytes");
        assert!(outlook < OUTLOOK_BYTES_MAX, "{days} days: the outlook has {outlook} bytes");
    }
}
