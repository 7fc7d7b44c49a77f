//! The day's spend cap: what is counted, how far it lets a fleet grow, and what it never does.

use ghostnet_core::spec::{FleetSpec, SpendCap};
use ghostnet_core::spend::{MICROS, note, spent_today};
use ghostnet_core::state::Spend;
use proptest::prelude::*;

use crate::support::*;

const HOUR: i64 = 3_600;

fn cap(spend: Value) -> SpendCap {
    spec(json!({ "guards": { "budgets": { "spend": spend } } })).spend.unwrap()
}

/// Instance hours as they are counted.
fn hours(hours: u64) -> u64 {
    hours * MICROS * 3_600
}

fn spent(ago: i64, spent: u64, instances: u64) -> Spend {
    Spend {
        at: at(-ago).into(),
        spent,
        rate: instances * MICROS,
    }
}

/// It is noon: twelve hours are left.
#[test]
fn what_is_left_of_the_day_is_spread_over_it() {
    let affordable =
        |spend: Option<Spend>, now: i64| cap(json!({ "instance_hours_per_day": 900 })).affordable_rate(spend.as_ref(), at(now));
    for (situation, spend, now, instances) in [
        ("nothing spent", None, 0, 75),
        ("twenty since midnight", Some(spent(12 * HOUR, 0, 20)), 0, 55),
        (
            "an hour before midnight what was saved may be spent",
            Some(spent(23 * HOUR, 0, 10)),
            11 * HOUR,
            670,
        ),
        ("all spent", Some(spent(0, hours(900), 20)), 0, 0),
        ("more than all", Some(spent(0, hours(1_000), 20)), 0, 0),
        ("yesterday is over", Some(spent(13 * HOUR, hours(899), 0)), 0, 75),
        ("but its fleet is not", Some(spent(36 * HOUR, hours(899), 25)), 0, 50),
        ("midnight: a new day", Some(spent(0, hours(600), 20)), 12 * HOUR, 37),
        (
            "midnight by another clock: the new day has no more than a day's",
            Some(spent(-(12 * HOUR + 5), 0, 20)),
            12 * HOUR - 5,
            37,
        ),
        (
            "a clock that runs behind has spent no less",
            Some(spent(-HOUR, hours(300), 20)),
            0,
            50,
        ),
    ] {
        assert_eq!(affordable(spend, now) / MICROS, instances, "{situation}");
    }
}

#[test]
fn a_clock_that_is_behind_counts_no_second_twice() {
    let mut spend = Some(spent(0, hours(1), 10));
    note(&mut spend, 20 * MICROS, at(-9));
    assert_eq!(spent_today(spend.as_ref(), at(0)), hours(1));
}

#[test]
fn money_by_type() {
    let money = cap(json!({ "per_day": 120, "currency": "USD", "prices": { "c7a.large": 0.10264, "m7a.large": 0.2 } }));
    assert_eq!(money.micros_per_day, 120_000_000);
    assert_eq!(money.price(&ghostnet_core::id::InstanceType::new("c7a.large")), 102_640);
    assert_eq!(
        money.price(&ghostnet_core::id::InstanceType::new("x9.huge")),
        200_000,
        "unknown: as the dearest"
    );
    // at noon ten dollars an hour are left, 97 instances of 0.10264
    assert_eq!(money.affordable_rate(None, at(0)), 10_000_000);
    assert_eq!(10_000_000 / money.price_of_growth(&spec(json!({})).pools[0]), 97);
}

#[test]
fn growth_stops_and_nobody_leaves() {
    let same: fn(&mut Pool) = |_| {};
    for (situation, room, load, change, size, because) in [
        ("room enough", 20, 150.0, same, 15, vec![]),
        ("room for two more", 12, 150.0, same, 12, vec!["spend cap"]),
        ("no room", 0, 150.0, same, 10, vec!["spend cap"]),
        ("nobody leaves for it", 0, 100.0, same, 10, vec![]),
        ("who is too many leaves all the same", 0, 49.0, same, 5, vec![]),
        (
            "the minimum does not wait",
            0,
            100.0,
            (|pool| pool.spec.capacity.min = 14) as fn(&mut Pool),
            14,
            vec!["range"],
        ),
        (
            "the minimum and no more",
            0,
            190.0,
            |pool| pool.spec.capacity.min = 14,
            14,
            vec!["spend cap"],
        ),
        (
            "nor does a shift of traffic",
            0,
            100.0,
            |pool| pool.traffic_floor = 13,
            13,
            vec!["traffic floor"],
        ),
        (
            "the reserve does",
            11,
            100.0,
            |pool| pool.spec.reserve.threshold = 4,
            11,
            vec!["reserve", "spend cap"],
        ),
    ] {
        let sizing = Pool::tracked(json!({}))
            .load(load)
            .change(change)
            .change(|pool| pool.spend_room = Some(room))
            .size();
        assert_eq!((sizing.desired, guards(&sizing)), (size, because), "{situation}");
    }
}

/// Ten serve at noon; 240 instance hours are twenty for the rest of the day, if nothing was spent before.
fn at_noon(hours: u32, pools: Value) -> World {
    let guards = json!({ "budgets": { "spend": { "instance_hours_per_day": hours } } });
    let mut world = World::serving(
        10,
        json!({ "guards": guards, "pools": pools, "defaults": { "capacity": { "max": 40 } } }),
    );
    world.read("requests", 400.0);
    world
}

fn one_pool() -> Value {
    json!([{ "id": "blue", "target_groups": [group("blue")] }])
}

#[test]
fn a_fleet_grows_to_what_the_day_leaves() {
    let mut world = at_noon(240, one_pool());
    let decision = world.look();
    assert_eq!((blue(&decision).after, guards_of(&decision)), (20, vec!["spend cap"]));
    // the ten new ones are counted from the look that lists them
    assert_eq!(decision.state.spend.map(|spend| spend.rate), Some(10 * MICROS));
    world.pass(60);
    let decision = world.look();
    assert_eq!(
        decision.state.spend.map(|spend| (spend.rate, spend.spent)),
        Some((20 * MICROS, 10 * MICROS * 60))
    );
    assert_eq!(blue(&decision).after, 20);
}

#[test]
fn the_cap_is_one_over_all_pools() {
    let pools = json!([
        { "id": "blue", "target_groups": [group("blue")] },
        { "id": "green", "target_groups": [group("green")], "capacity": { "min": 4, "initial": 4 } },
    ]);
    let decision = at_noon(240, pools).look();
    let sizes: Vec<u32> = decision.pools.values().map(|pool| pool.after).collect();
    assert_eq!(sizes, [16, 4], "four are green's, running or not");
}

/// A tally that is written at every look would cost a write a minute.
#[test]
fn a_steady_fleet_writes_nothing() {
    let mut world = at_noon(10_000, one_pool());
    world.read("requests", 95.0);
    world.minutes(15);
    let before = world.inputs.state.clone();
    world.pass(60);
    assert!(!world.look().changes(&before));
}

#[test]
fn a_list_that_is_unknown_goes_on_costing_and_a_cap_that_is_gone_forgets() {
    let mut world = at_noon(10_000, one_pool());
    world.look();
    world.instances_known = false;
    world.wait(60);
    assert_eq!(world.look().state.spend.map(|spend| spend.rate), Some(10 * MICROS));
    world.spec = FleetSpec::check(&raw(json!({}))).unwrap();
    assert_eq!(world.look().state.spend, None);
}

proptest! {
    /// Whatever the rates were, the tally is their integral since midnight, and looking more often changes nothing.
    #[test]
    fn the_tally_is_the_integral(moments in proptest::collection::vec((1_i64..20_000, 0_u64..1_000), 1..40), between in 1_i64..5_000) {
        let (mut coarse, mut fine, mut truth, mut now, mut rate) = (None, None, 0_u64, at(0).as_second(), 0_u64);
        for (seconds, next) in moments {
            for second in (now..now + seconds).step_by(usize::try_from(between).unwrap()) {
                note(&mut fine, rate, jiff::Timestamp::from_second(second).unwrap());
            }
            let then = now + seconds;
            let midnight = then - then.rem_euclid(86_400);
            truth = if midnight > now { rate * u64::try_from(then - midnight).unwrap() } else { truth + rate * u64::try_from(seconds).unwrap() };
            (now, rate) = (then, next);
            let moment = jiff::Timestamp::from_second(now).unwrap();
            prop_assert_eq!(spent_today(coarse.as_ref(), moment), truth);
            prop_assert_eq!(spent_today(fine.as_ref(), moment), truth);
            note(&mut coarse, rate, moment);
            note(&mut fine, rate, moment);
        }
    }

    /// A pool that always grows as far as it may has never spent more than the cap at midnight.
    #[test]
    fn who_grows_as_far_as_it_may_stays_within_the_cap(cap_hours in 1_u32..2_000, start in 0_i64..86_000, looks in proptest::collection::vec((1_i64..7_200, 0_u64..200), 1..40)) {
        let cap = cap(json!({ "instance_hours_per_day": cap_hours }));
        let noon = at(0).as_second();
        let midnight = noon - noon.rem_euclid(86_400);
        let (mut spend, mut now, mut instances) = (None, midnight + start, 0_u64);
        note(&mut spend, 0, jiff::Timestamp::from_second(now).unwrap());
        for (seconds, wanted) in looks {
            now += seconds;
            if now >= midnight + 86_400 {
                break;
            }
            let moment = jiff::Timestamp::from_second(now).unwrap();
            // grows up to what is affordable, shrinks freely, and never shrinks for the cap
            let room = cap.affordable_rate(spend.as_ref(), moment) / MICROS;
            instances = if wanted > instances { wanted.min(room.max(instances)) } else { wanted };
            note(&mut spend, instances * MICROS, moment);
        }
        let last = jiff::Timestamp::from_second(midnight + 86_399).unwrap();
        prop_assert!(spent_today(spend.as_ref(), last) <= cap.micros_per_day * 3_600);
    }
}
