//! Policies that look ahead: what they vote for, whom that binds, and what it never does.

use ghostnet_core::decide::look_ahead;
use ghostnet_core::forecast::{Ahead, Learner, Memory, SHARES, Subject};
use ghostnet_core::observation::Observation;
use ghostnet_core::reason::{VoteReason, Withheld};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::spec::metric::QueryShape;
use ghostnet_core::spec::{Events, PolicyMode, Rule};
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;
use proptest::prelude::*;

use crate::support::{self, *};

/// Ten a second each, all of it may be used: 600 in a minute.
fn demand(change: Value) -> Value {
    let mut policy =
        json!({ "id": "requests", "type": "capacity", "demand": "alb_request_count", "instance_capacity": 10, "utilisation": "100%" });
    merge(&mut policy, change);
    policy
}

fn looks_ahead(change: Value) -> Value {
    let mut policy = json!({ "id": "ahead", "type": "predictive", "of": "requests", "mode": "act" });
    merge(&mut policy, change);
    policy
}

/// Ten in service; the capacity policy reads so many requests in a minute.
fn pool(change: Value, requests: f64) -> Pool {
    Pool::with(json!([demand(json!({})), looks_ahead(change)]), json!({})).load(requests)
}

/// A hundred a second are expected for four minutes from now. Not more come in seven of eight minutes, a tenth more at most in all but
/// one of sixteen, a fifth more in all but one of seventy, and never more than twice as many.
fn hundred_a_second() -> Ahead {
    Ahead {
        at: at(240).into(),
        made_at: at(-600).into(),
        now: 6_000.0,
        expected: 6_000.0,
        least: 0.0,
        ratios: SHARES.map(|share| match share {
            share if share > 0.1 => 1.0,
            share if share > 0.05 => 1.1,
            share if share > 0.01 => 1.2,
            _ => 2.0,
        }),
        mean: 6_000.0,
        strays: false,
        usual: Vec::new(),
        factor: 1.0,
    }
}

fn expecting(requests: f64) -> Ahead {
    Ahead {
        expected: requests,
        ratios: [1.0; SHARES.len()],
        ..hundred_a_second()
    }
}

fn knows(pool: Pool, ahead: Ahead) -> Pool {
    pool.change(|pool| {
        pool.ahead.insert(policy("ahead"), ahead);
    })
}

/// What the policy that looks ahead votes for.
fn vote(pool: &Pool) -> (Option<u32>, VoteReason) {
    let sizing = pool.size();
    let vote = sizing.votes.iter().find(|vote| vote.policy == policy("ahead")).unwrap();
    (vote.capacity, vote.reason)
}

#[test]
fn who_does_not_know_binds_nobody() {
    let made = |seconds: u32| Ahead {
        made_at: Seconds(seconds).before(at(0)).into(),
        ..expecting(12_000.0)
    };
    for (situation, ahead, voted, size) in [
        ("no forecast", None, None, 6),
        ("three hours old", Some(made(3 * 3_600)), Some(20), 20),
        ("older", Some(made(3 * 3_600 + 60)), None, 6),
        (
            "of a clock that is ahead",
            Some(Ahead {
                made_at: at(90).into(),
                ..made(0)
            }),
            Some(20),
            20,
        ),
    ] {
        let mut pool = pool(json!({}), 3_000.0);
        pool.ahead.extend(ahead.map(|ahead| (policy("ahead"), ahead)));
        assert_eq!((vote(&pool).0, pool.size().desired), (voted, size), "{situation}");
    }
}

/// A load that was measured long ago says nothing of the present one, so nothing of what comes.
#[test]
fn only_a_fresh_load_has_something_ahead() {
    let learner = Learner::new(600.0, 4, at(-60));
    let season = learner.look_out(at(0), 2, &[]).season(at(0), 4);
    for (situation, series, knows) in [
        ("just now", fresh(at(0), 6_000.0), true),
        ("of some instances only", partial(at(0), 6_000.0), true),
        ("an hour ago", fresh(at(-3_600), 6_000.0), false),
        ("never", minutes(at(0), &[]), false),
        ("not asked", Series::NotAsked, false),
    ] {
        let mut observation = Observation::unknown(at(0));
        observation.seasons = [(support::pool("blue"), [(policy("ahead"), season.clone())].into())].into();
        observation.series = [(support::pool("blue"), [(policy("ahead"), series)].into())].into();
        let ahead = look_ahead(&observation, &pool(json!({}), 0.0).spec, at(0));
        let expected = ahead.get(&policy("ahead")).map(|ahead| ahead.expected);
        assert_eq!(expected, knows.then_some(6_000.0), "{situation}");
    }
}

/// A sale for an hour from two minutes after now on, and a quiet hour that ended ten minutes before it.
#[test]
fn an_event_is_expected_when_it_is_time_and_what_it_was_like_is_not() {
    let event = |from: i64, factor: f64| json!({ "when": { "at": at(from).to_string(), "for": "1h" }, "factor": factor });
    let knows = |events: Value, load: [f64; 20]| {
        let pool = pool(json!({ "events": events }), 0.0);
        let learner = Learner::new(600.0, 4, at(-60));
        let season = learner.look_out(at(0), 2, &[]).season(at(0), 4);
        let mut observation = Observation::unknown(at(0));
        observation.seasons = [(support::pool("blue"), [(policy("ahead"), season)].into())].into();
        let series = minutes(at(0), &load.map(Some));
        observation.series = [(support::pool("blue"), [(policy("ahead"), series)].into())].into();
        let ahead = look_ahead(&observation, &pool.spec, at(0)).remove(&policy("ahead")).unwrap();
        (ahead.now, ahead.expected, ahead.factor)
    };
    let calm = [6_000.0; 20];
    // half the load up to ten minutes ago
    let rose = std::array::from_fn(|minute| if minute < 10 { 6_000.0 } else { 3_000.0 });
    for (situation, events, load, expected) in [
        ("no event", json!([]), calm, (6_000.0, 6_000.0, 1.0)),
        (
            "it begins before an instance would serve",
            json!([event(120, 3.0)]),
            calm,
            (6_000.0, 18_000.0, 3.0),
        ),
        ("it begins later", json!([event(240, 3.0)]), calm, (6_000.0, 6_000.0, 1.0)),
        ("it is under way", json!([event(-1_800, 3.0)]), calm, (6_000.0, 6_000.0, 3.0)),
        (
            "it ends before an instance would serve",
            json!([event(-3_500, 3.0)]),
            calm,
            (6_000.0, 2_000.0, 1.0),
        ),
        (
            "half the usual ended ten minutes ago",
            json!([event(-4_200, 0.5)]),
            rose,
            (6_000.0, 6_000.0, 1.0),
        ),
        (
            "of two that are open the first counts",
            json!([event(120, 3.0), event(60, 9.0)]),
            calm,
            (6_000.0, 18_000.0, 3.0),
        ),
    ] {
        assert_eq!(knows(events, load), expected, "{situation}");
    }
}

/// Yesterday there was a sale at this time, and tomorrow there is none: the load is learned as it would have been.
#[test]
fn what_is_learned_is_the_load_without_events() {
    let sale = json!([{ "when": { "at": at(600 - 86_400).to_string(), "for": "1h" }, "factor": 3 }]);
    let pool = pool(json!({ "events": sale }), 0.0);
    let [_, ahead] = &pool.spec.policies[..] else {
        panic!("two policies")
    };
    let Rule::Predictive(rule) = &ahead.rule else {
        panic!("it looks ahead")
    };
    let load = |at: Timestamp| 6_000.0 * rule.events.factor(at);
    let two_days = (1..=2 * 1_440).map(|back| Datapoint {
        at: at(-60 * back),
        value: finite(load(at(-60 * back))),
    });
    let series = Series::Points {
        points: two_days.collect(),
        period: Seconds(60),
        partial: false,
        incomplete: Vec::new(),
    };
    for (situation, events, expected) in [("with the event", &rule.events, 6_000.0), ("without", &Events::default(), 18_000.0)] {
        let metric = QueryShape::Stat(
            serde_json::from_value(json!({
                "namespace": "Own", "name": "Requests", "dimensions": {}, "statistic": "Sum", "period": 60,
            }))
            .unwrap(),
        );
        let subject = Subject {
            metric,
            minutes: 4,
            events: events.told(),
        };
        let mut memory = Memory::resume(None, subject, at(180));
        memory.learn(&series, events, 600.0, at(180)).unwrap();
        let day = memory.outlook(&[]).unwrap().day.unwrap();
        assert_eq!(day.at(at(1_200)), Some(expected), "{situation}");
    }
}

/// Found by the simulator: audit refused what a part of the load had led to.
#[test]
fn a_load_that_is_known_in_part_adds_and_never_removes() {
    for (situation, series, expected, voted) in [
        ("all of it, fewer", fresh(at(0), 3_000.0), 3_000.0, 5),
        ("a part of it, fewer", partial(at(0), 3_000.0), 3_000.0, 10),
        ("a part of it, more", partial(at(0), 3_000.0), 9_000.0, 15),
    ] {
        let pool = knows(pool(json!({}), 3_000.0), expecting(expected)).change(|pool| drop(pool.series.insert(policy("ahead"), series)));
        assert_eq!(vote(&pool).0, Some(voted), "{situation}");
    }
}

#[test]
fn a_vote_says_that_it_is_for_an_event() {
    let pool = knows(
        pool(json!({}), 6_000.0),
        Ahead {
            factor: 3.0,
            ..expecting(18_000.0)
        },
    );
    let (instances, reason) = vote(&pool);
    assert_eq!(instances, Some(30));
    let told = reason.to_string();
    assert!(
        told.contains("300 requests a second expected at 12:04, 3 times what is usual because of an event"),
        "{told}"
    );
}

/// Ten instances are too few in 12 % of all minutes, eleven in 6 %, twelve in 1.3 %, twenty never. A fleet is ten on average, so a
/// minute in which there are too few costs ten times the caution.
#[test]
fn caution_takes_the_number_that_costs_least_together() {
    for (caution, instances, because) in [
        (0.5, 10, "10.6, 11.3, 12.065, 20"),
        (1.0, 10, "11.2, 11.6, 12.13, 20"),
        (2.0, 11, "12.4, 12.2, 12.26, 20"),
        (3.0, 12, "13.6, 12.8, 12.39, 20"),
        (50.0, 12, "70, 41, 18.5, 20"),
        (100.0, 20, "130, 71, 25, 20"),
    ] {
        let pool = knows(pool(json!({ "caution": caution }), 6_000.0), hundred_a_second());
        assert_eq!(vote(&pool).0, Some(instances), "{caution}: {because}");
    }
    let default = knows(pool(json!({}), 6_000.0), hundred_a_second());
    assert_eq!(vote(&default).0, Some(12), "balanced: a caution of 8");
}

#[test]
fn a_quantile_is_enough_in_so_large_a_share_of_the_time() {
    for (quantile, instances) in [
        (0.5, 10),
        (0.88, 10),
        (0.9, 11),
        (0.94, 11),
        (0.95, 12),
        (0.98, 12),
        (0.99, 20),
        (1.0, 20),
    ] {
        let pool = knows(pool(json!({ "quantile": quantile }), 6_000.0), hundred_a_second());
        assert_eq!(vote(&pool).0, Some(instances), "{quantile}");
    }
}

/// What a quantile promises is the share of that name, though one less nine tenths is a hair less than a tenth.
#[test]
fn a_quantile_finds_its_share() {
    let ratios = std::array::from_fn(|place| 1.0 + f64::from(u32::try_from(place).unwrap()));
    let ahead = Ahead { ratios, ..expecting(60.0) };
    for share in SHARES {
        let (found, _) = ahead
            .loads()
            .find(|(_, load)| ahead.enough(1.0 - (1.0 - share)) == Some(*load))
            .unwrap();
        assert_eq!(found, share);
    }
    assert_eq!(ahead.enough(0.1), ahead.enough(1.0 - 0.9));
}

#[test]
fn never_less_than_usual_at_this_time_of_day() {
    for (situation, said, usual, instances) in [
        ("usual is more", json!("90%"), vec![(90, 8_400.0)], 14),
        ("usual is less", json!("90%"), vec![(90, 1_200.0)], 10),
        ("another share", json!("90%"), vec![(50, 8_400.0)], 10),
        ("nobody asked", json!(null), vec![(90, 8_400.0)], 10),
        ("nothing is usual yet", json!("90%"), vec![], 10),
    ] {
        let ahead = Ahead {
            usual,
            ..expecting(6_000.0)
        };
        let pool = knows(pool(json!({ "usual": said }), 6_000.0), ahead);
        assert_eq!(vote(&pool).0, Some(instances), "{situation}");
    }
}

#[test]
fn while_forecasts_stray_half_as_much_again_is_kept_as_comes_now() {
    let ahead = Ahead {
        strays: true,
        usual: vec![(90, 60_000.0)],
        ..expecting(60_000.0)
    };
    let pool = knows(pool(json!({ "usual": "90%" }), 6_000.0), ahead);
    assert_eq!(vote(&pool).0, Some(15));
}

#[test]
fn a_load_that_no_number_carries_holds_the_size_and_is_told_by_the_second() {
    let strays = Ahead {
        strays: true,
        now: 4e11,
        ..expecting(6_000.0)
    };
    for (situation, ahead) in [
        ("expected", expecting(6e11)),
        ("half as much again as now, while forecasts stray", strays),
    ] {
        let (capacity, reason) = vote(&knows(pool(json!({}), 6_000.0), ahead));
        assert_eq!(capacity, Some(10), "{situation}");
        let expected = VoteReason::Impossible { demand: finite(1e10) };
        assert_eq!(reason, expected, "{situation}");
    }
}

#[test]
fn without_a_mode_it_only_shows() {
    for mode in [json!(null), json!("forecast_only")] {
        let pool = knows(pool(json!({ "mode": mode }), 3_000.0), expecting(12_000.0));
        let sizing = pool.size();
        let shown = Withheld {
            capacity: 20,
            mode: PolicyMode::RecommendOnly,
        };
        assert_eq!(
            (sizing.desired, sizing.votes[1].capacity, sizing.votes[1].withheld),
            (6, None, Some(shown))
        );
        assert!(
            sizing.votes[1]
                .told()
                .ends_with("20 are needed; would be 20, but it only recommends")
        );
    }
}

/// The larger of both votes holds: what will be needed slows a removal. Nobody leaves because of a forecast alone.
#[test]
fn it_adds_and_keeps_and_never_removes_alone() {
    let missing = |rule: &str| json!({ "missing": rule });
    let mode = |mode: &str| json!({ "mode": mode });
    for (situation, demand_says, requests, expected, size) in [
        ("both for fewer: the larger", json!({}), Some(3_000.0), 4_800.0, 8),
        ("ahead for fewer still", json!({}), Some(3_000.0), 1_200.0, 6),
        ("ahead for more", json!({}), Some(3_000.0), 8_400.0, 14),
        ("the load is there already", json!({}), Some(9_000.0), 1_200.0, 15),
        ("a load that holds", json!({}), Some(5_900.0), 1_200.0, 10),
        ("nothing measured: held", missing("hold"), None, 1_200.0, 10),
        ("nothing measured, nobody else votes", missing("ignore"), None, 1_200.0, 10),
        ("it adds all the same", missing("ignore"), None, 8_400.0, 14),
        ("the other only shows", mode("recommend_only"), Some(3_000.0), 1_200.0, 10),
        ("the other only adds", mode("out_only"), Some(3_000.0), 1_200.0, 10),
    ] {
        let mut pool = Pool::with(json!([demand(demand_says), looks_ahead(json!({}))]), json!({}));
        let series = minutes(pool.now, &[requests]);
        pool.series.insert(policy("requests"), series);
        let sizing = knows(pool, expecting(expected)).size();
        assert_eq!(sizing.desired, size, "{situation}: {:?}", sizing.votes);
    }
}

/// Requests per target are looked ahead of as those of all targets: a hundred in a minute are one instance's.
#[test]
fn of_a_policy_that_tracks_requests_per_target() {
    for (expected, size) in [(500.0, 10), (1_450.0, 15)] {
        let pool = Pool::with(json!([tracking(), looks_ahead(json!({}))]), json!({})).load(100.0);
        assert_eq!(knows(pool, expecting(expected)).size().desired, size, "{expected}");
    }
}

#[test]
fn of_a_policy_with_a_response_time() {
    let shared = json!({ "utilisation": null, "response_time": { "p99": "500ms", "model": "shared_queue" } });
    for (expected, voted) in [(6_000.0, 12), (30_000.0, 53), (1e15, 10)] {
        let pool = Pool::with(json!([demand(shared.clone()), looks_ahead(json!({}))]), json!({})).load(6_000.0);
        let (capacity, reason) = vote(&knows(pool, expecting(expected)));
        assert_eq!(capacity, Some(voted), "{expected}");
        assert_eq!(matches!(reason, VoteReason::Impossible { .. }), expected > 1e10, "{reason}");
    }
}

#[test]
fn nothing_is_counted_while_what_one_instance_can_answer_is_not_learned() {
    let learns = json!({ "instance_capacity": "learned", "learn": { "source": "agent" } });
    let cpu = json!({ "id": "cpu", "type": "target_tracking", "metric": "cpu", "target": 50 });
    let pool = Pool::with(json!([demand(learns), looks_ahead(json!({})), cpu]), json!({})).load(6_000.0);
    assert_eq!(vote(&knows(pool, expecting(60_000.0))), (None, VoteReason::NoForecast));
}

#[test]
fn every_reason_is_a_sentence() {
    let told = |ahead| vote(&knows(pool(json!({ "quantile": 0.94 }), 6_000.0), ahead)).1.to_string();
    let old = Ahead {
        made_at: at(-4 * 3_600).into(),
        ..hundred_a_second()
    };
    let strays = Ahead {
        strays: true,
        ..hundred_a_second()
    };
    assert_eq!(
        [
            told(hundred_a_second()),
            told(strays),
            told(old),
            vote(&pool(json!({}), 6_000.0)).1.to_string()
        ],
        [
            "100 requests a second expected at 12:04, prepared for 110: 11 are needed",
            "forecasts are off three times as far as usual: half as much again as 100 requests a second, 15",
            "the forecast is 4h old: too old to act on",
            "no forecast yet",
        ]
    );
}

/// Who serves does not change how much comes in. An average over those who serve it does change.
#[test]
fn only_averages_wait_for_those_that_come_and_go() {
    let counting = json!([demand(json!({})), looks_ahead(json!({}))]);
    let also = |change: Value| {
        let mut cpu = json!({ "id": "cpu", "type": "target_tracking", "metric": "cpu", "target": 50 });
        merge(&mut cpu, change);
        json!([demand(json!({})), looks_ahead(json!({})), cpu])
    };
    let act = json!({});
    let shows = json!({ "mode": "recommend_only" });
    for (situation, policies, size, pending, draining) in [
        ("a demand alone", counting, 6, vec![], vec![]),
        ("an average beside it", also(act), 10, vec!["warm-up"], vec!["settling"]),
        ("an average that is only shown", also(shows), 6, vec![], vec![]),
    ] {
        let pool = || {
            let pool = knows(Pool::with(policies.clone(), json!({})).load(3_000.0), expecting(3_000.0));
            pool.change(|pool| {
                pool.series.insert(policy("cpu"), fresh(pool.now, 10.0));
            })
        };
        let comes = pool().change(|pool| (pool.counts.in_service, pool.counts.pending) = (8, 2)).size();
        assert_eq!((comes.desired, guards(&comes)), (size, pending), "{situation}: some come");
        let leaves = pool().change(|pool| pool.flow.last_drain = Some(pool.now)).size();
        assert_eq!((leaves.desired, guards(&leaves)), (size, draining), "{situation}: some leave");
    }
}

proptest! {
    /// The dearer it is to be short, the more are kept; and never fewer than what is expected needs.
    #[test]
    fn more_caution_never_keeps_fewer(
        steps in proptest::array::uniform32(0.0_f64..0.2), expected in 0.0_f64..1e6, mean in 0.0_f64..1e6,
        cautions in (0.01_f64..1_000.0, 0.01_f64..1_000.0),
    ) {
        let mut ratio = 1.0;
        let ratios = steps.map(|step| { ratio += step; ratio });
        let ahead = Ahead { ratios, mean, least: 30.0, ..expecting(expected) };
        let voted = |caution: f64| vote(&knows(pool(json!({ "caution": caution }), 6_000.0), ahead.clone())).0.unwrap();
        let (less, more) = (cautions.0.min(cautions.1), cautions.0.max(cautions.1));
        prop_assert!(voted(less) <= voted(more), "{less} and {more}");
        prop_assert!(f64::from(voted(less)) + 1e-6 >= expected / 600.0);
    }

    /// A quantile that is larger never keeps fewer either.
    #[test]
    fn a_larger_quantile_never_keeps_fewer(
        steps in proptest::array::uniform32(0.0_f64..0.2), expected in 0.0_f64..1e6, quantiles in (0.5_f64..1.0, 0.5_f64..1.0),
    ) {
        let mut ratio = 1.0;
        let ratios = steps.map(|step| { ratio += step; ratio });
        let ahead = Ahead { ratios, ..expecting(expected) };
        let voted = |quantile: f64| vote(&knows(pool(json!({ "quantile": quantile }), 6_000.0), ahead.clone())).0.unwrap();
        let (less, more) = (quantiles.0.min(quantiles.1), quantiles.0.max(quantiles.1));
        prop_assert!(voted(less) <= voted(more), "{less} and {more}");
    }
}
