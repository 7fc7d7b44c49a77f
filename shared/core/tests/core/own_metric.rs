//! A metric of each instance's own says that it is sick: what counts, what says nothing, and what follows.

use std::collections::BTreeMap;

use ghostnet_core::decide::Decision;
use ghostnet_core::health::{Report, can_be_told};
use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::TargetHealth;
use ghostnet_core::reason::Finding;
use ghostnet_core::sample::{Readings, Series};
use ghostnet_core::spec::Bound;
use ghostnet_core::state::DrainReason;
use ghostnet_core::unit::Seconds;

use crate::support::*;

const PERIOD: Seconds = Seconds::minutes(1);

fn one() -> InstanceId {
    InstanceId::new("i-blue-001")
}

/// Sick with more than twenty errors a minute, for three minutes.
fn errors() -> Value {
    json!({ "metric": { "namespace": "Shop", "name": "JobErrors", "statistic": "Sum" }, "above": 20 })
}

/// A fleet whose instances publish errors.
struct Shop {
    world: World,
    /// What each of them published, the newest minute first.
    published: BTreeMap<InstanceId, Vec<Option<f64>>>,
}

impl Shop {
    fn of(instances: u32, change: Value) -> Self {
        let mut spec = json!({ "defaults": { "health": { "metric": errors() } } });
        merge(&mut spec, change);
        let world = World::serving(instances, spec);
        let published = world.instances.keys().map(|id| (id.clone(), vec![Some(1.0); 5])).collect();
        Self { world, published }
    }

    /// One of six has published this, the newest minute first, and everybody else one error a minute.
    fn where_one(values: &[Option<f64>]) -> Self {
        let mut shop = Self::of(6, json!({}));
        shop.published.insert(one(), values.to_vec());
        shop
    }

    /// What CloudWatch answers now.
    fn answers(&self) -> Vec<(InstanceId, Series)> {
        let answer = |(id, values): (&InstanceId, &Vec<Option<f64>>)| (id.clone(), minutes(self.world.now(), values));
        self.published.iter().map(answer).collect()
    }

    fn read(&mut self, answers: Vec<(InstanceId, Series)>) {
        let readings = Readings::of(answers, PERIOD, 3, self.world.now());
        self.world.readings.insert(pool("blue"), readings);
    }

    fn look(&mut self) -> Decision {
        self.read(self.answers());
        self.world.look()
    }

    /// A minute in which everybody who runs publishes this.
    fn minute(&mut self, value: impl Fn(&InstanceId) -> Option<f64>) -> Decision {
        self.world.pass(60);
        for id in self.world.instances.keys() {
            self.published.entry(id.clone()).or_default().insert(0, value(id));
        }
        self.look()
    }

    /// So many such minutes, in which only one fails.
    fn minutes(&mut self, minutes: u32) -> Vec<Decision> {
        let fails = |id: &InstanceId| Some(if *id == one() { 30.0 } else { 1.0 });
        (0..minutes).map(|_| self.minute(fails)).collect()
    }
}

fn told(decision: &Decision) -> Vec<String> {
    let findings = blue(decision).findings.iter();
    findings
        .filter(|finding| matches!(finding, Finding::Reported { .. }))
        .map(ToString::to_string)
        .collect()
}

fn is_replaced(decision: &Decision) -> bool {
    finds(
        decision,
        |finding| matches!(finding, Finding::Drains { instance, why } if *instance == one() && *why == DrainReason::Unhealthy),
    )
}

#[test]
fn the_last_datapoints_must_all_say_so() {
    let (bad, fine, none) = (Some(30.0), Some(1.0), None);
    for (situation, values, is_told) in [
        ("three", vec![bad, bad, bad], true),
        ("the newest is fine", vec![fine, bad, bad, bad], false),
        ("one of them is fine", vec![bad, fine, bad, bad], false),
        ("two, and none before", vec![bad, bad], false),
        ("the bound itself", vec![Some(20.0); 3], false),
        ("just above it", vec![Some(20.5); 3], true),
        ("a gap among them", vec![bad, none, bad, bad], false),
        ("a gap before them", vec![bad, bad, bad, none, bad], true),
        ("a minute late", vec![none, bad, bad, bad], true),
        ("as late as a metric may be", vec![none, none, none, bad, bad, bad], true),
        ("later", vec![none, none, none, none, bad, bad, bad], false),
        ("nothing at all", vec![], false),
    ] {
        let decision = Shop::where_one(&values).look();
        let expected = ["i-blue-001 is reported sick: the last 3 datapoints of its Sum Shop JobErrors are above 20"];
        assert_eq!(told(&decision), if is_told { &expected[..] } else { &[] }, "{situation}");
        assert_eq!(counts(&decision).in_service, if is_told { 5 } else { 6 }, "{situation}");
    }
}

/// When nobody publishes any more, what was published last grows too old.
#[test]
fn what_is_too_old_says_nothing() {
    for (minutes_ago, is_told) in [(0, true), (3, true), (4, false)] {
        let mut shop = Shop::where_one(&[Some(30.0); 3]);
        let silence = vec![None; minutes_ago];
        shop.published
            .values_mut()
            .for_each(|values| drop(values.splice(0..0, silence.clone())));
        assert_eq!(!told(&shop.look()).is_empty(), is_told, "{minutes_ago} minutes ago");
    }
}

#[test]
fn too_little_can_be_sick_too() {
    for (situation, value, is_told) in [("below", 0.5, true), ("at the bound", 1.0, false), ("above", 30.0, false)] {
        let below = json!({ "metric": { "metric": { "namespace": "Shop", "name": "Jobs" }, "below": 1, "datapoints": 2 } });
        let mut shop = Shop {
            world: World::serving(6, json!({ "defaults": { "health": below } })),
            published: [(one(), vec![Some(value); 2])].into(),
        };
        assert_eq!(!told(&shop.look()).is_empty(), is_told, "{situation}");
    }
}

/// Datapoints of before it served, of another run, or of its grace are no sign.
#[test]
fn only_what_it_publishes_while_it_serves_counts() {
    for (situation, grace, launched, served, is_told) in [
        ("long ago", "2m", 60, 60, true),
        ("it has served for three minutes", "2m", 60, 3, true),
        ("it has served for two", "2m", 60, 2, false),
        ("it was started again four minutes ago", "2m", 4, 60, false),
        ("and five", "2m", 5, 60, true),
        ("its grace was over two minutes ago", "30m", 32, 60, false),
        ("and three", "30m", 33, 60, true),
    ] {
        let mut shop = Shop::of(6, json!({ "defaults": { "health": { "grace": grace } } }));
        shop.published.insert(one(), vec![Some(30.0); 3]);
        let now = shop.world.now();
        let before = |minutes| Seconds::minutes(minutes).before(now);
        let members = &mut shop.world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
        let member = members.get_mut(&one()).unwrap();
        member.served_since = Some(before(served).into());
        let instance = shop.world.instances.get_mut(&one()).unwrap();
        instance.launched_at = before(launched);
        let spec = shop.world.spec.pool(&pool("blue")).unwrap();
        assert_eq!(
            can_be_told(spec, member, instance, now),
            is_told,
            "{situation}: who cannot be told is not read"
        );
        assert_eq!(!told(&shop.look()).is_empty(), is_told, "{situation}");
    }
}

#[test]
fn one_that_never_served_is_told_by_its_balancer_alone() {
    let mut shop = Shop::where_one(&[Some(30.0); 5]);
    let blue = shop.world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
    blue.members.get_mut(&one()).unwrap().served_since = None;
    shop.world.health("blue", &one(), TargetHealth::Initial);
    assert_eq!(told(&shop.look()), [""; 0]);
}

#[test]
fn one_that_answers_all_the_same_is_replaced_launch_first() {
    let mut shop = Shop::of(6, json!({}));
    let first = shop.minutes(3).pop().unwrap();
    assert_eq!((told(&first).len(), steps(&first)), (1, vec![]), "once is nothing");
    let second = shop.minutes(1).pop().unwrap();
    assert_eq!(steps(&second), ["launch 1 in eu-west-1b"], "it answers until another one does");
    assert_eq!(counts(&second).unhealthy, 1);
    let later = shop.minutes(10);
    let leaves = later.iter().find(|decision| is_replaced(decision)).unwrap();
    assert_eq!((counts(leaves).serving(), counts(leaves).unhealthy), (6, 1));
}

#[test]
fn one_can_be_kept_for_somebody_to_look_at() {
    let mut shop = Shop::of(
        6,
        json!({ "defaults": { "health": { "when_unhealthy": { "maintenance": { "keep": "1h" } } } } }),
    );
    let kept = |finding: &Finding| matches!(finding, Finding::Drains { instance, why } if *instance == one() && *why == DrainReason::Kept);
    assert!(shop.minutes(14).iter().any(|decision| finds(decision, kept)));
}

/// One good minute is enough: its load may have been of another's making.
#[test]
fn one_that_gets_well_stays() {
    let mut shop = Shop::of(6, json!({}));
    for _ in 0..4 {
        assert_eq!(told(&shop.minutes(3).pop().unwrap()).len(), 1);
        let decision = shop.minute(|_| Some(1.0));
        assert_eq!(
            (told(&decision).len(), counts(&decision).in_service, steps(&decision)),
            (0, 6, vec![])
        );
    }
}

#[test]
fn a_metric_that_cannot_be_read_stops_the_clock() {
    let failed = || Series::Failed {
        why: "InternalError".into(),
    };
    let in_part = |series: Series| match series {
        Series::Points {
            points,
            period,
            incomplete,
            ..
        } => Series::Points {
            points,
            period,
            partial: true,
            incomplete,
        },
        other => other,
    };
    type Answers = Vec<(InstanceId, Series)>;
    let of_one = |change: &dyn Fn(Series) -> Series, answers: Answers| -> Answers {
        let changed = |(id, series)| if id == one() { (id, change(series)) } else { (id, series) };
        answers.into_iter().map(changed).collect()
    };
    let situations: [(&str, &dyn Fn(Answers) -> Answers); 4] = [
        ("nobody was asked", &|_| Vec::new()),
        ("the call fails", &|answers| {
            answers.into_iter().map(|(id, _)| (id, failed())).collect()
        }),
        ("one query fails", &|answers| of_one(&|_| failed(), answers)),
        ("a part of the answer", &|answers| of_one(&in_part, answers)),
    ];
    for (situation, read) in situations {
        let mut shop = Shop::of(6, json!({}));
        shop.minutes(3);
        for _ in 0..5 {
            shop.world.pass(60);
            shop.read(read(shop.answers()));
            let decision = shop.world.look();
            assert_eq!(
                (told(&decision).len(), steps(&decision)),
                (0, vec![]),
                "{situation}: nobody saw it fail"
            );
            let counts = counts(&decision);
            assert_eq!(
                (counts.in_service, counts.unhealthy),
                (5, 0),
                "{situation}: nor pass; the others serve on"
            );
        }
        shop.published.insert(one(), vec![Some(30.0); 3]);
        shop.look();
        shop.world.wait(60);
        assert_eq!(counts(&shop.look()).unhealthy, 1, "{situation}, and then it is read again");
    }
}

/// A cause that all share, as a database that is down: one is replaced, to see whether it helps, and it does not.
#[test]
fn when_all_fail_at_once_the_breaker_holds() {
    let mut shop = Shop::of(10, json!({}));
    let minutes: Vec<Decision> = (0..30).map(|_| shop.minute(|_| Some(30.0))).collect();
    for (decision, minute) in minutes.iter().zip(1..) {
        assert_eq!(told(decision).len() >= 10, minute >= 3, "minute {minute}");
        let held = guards_of(decision).contains(&"circuit breaker");
        assert_eq!(held, minute >= 4, "minute {minute}: {:?}", guards_of(decision));
    }
    let launched = |decision: &&Decision| steps(decision).iter().any(|step| step.starts_with("launch"));
    let first: Vec<Decision> = minutes.iter().take(20).filter(launched).cloned().collect();
    assert_eq!(first.len(), 1, "one probe");
}

/// Whoever has just come serves, and there are no datapoints of it yet: it does not show that a newer one would help.
#[test]
fn one_of_which_nothing_is_known_yet_does_not_close_the_breaker() {
    for (situation, newest, is_open) in [
        ("there is nothing of it", None, true),
        ("it is sick as the others", Some(30.0), true),
        ("it is well", Some(1.0), false),
    ] {
        let mut shop = Shop::of(10, json!({}));
        let (now, id) = (shop.world.now(), InstanceId::new("i-blue-009"));
        let came = Seconds::minutes(10).before(now);
        shop.world.instances.get_mut(&id).unwrap().launched_at = came;
        let members = &mut shop.world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
        let member = members.get_mut(&id).unwrap();
        *member = ghostnet_core::state::Member {
            served_since: Some(came.into()),
            ..ghostnet_core::state::Member::new(came)
        };
        shop.published.insert(id.clone(), Vec::new());
        let fails = |other: &InstanceId| if *other == id { newest } else { Some(30.0) };
        let last = (0..4).map(|_| shop.minute(fails)).last().unwrap();
        assert_eq!(guards_of(&last).contains(&"circuit breaker"), is_open, "{situation}");
    }
}

#[test]
fn what_no_spec_asks_for_says_nothing() {
    let mut shop = Shop {
        world: World::serving(6, json!({})),
        published: [(one(), vec![Some(30.0); 3])].into(),
    };
    assert_eq!(told(&shop.look()), [""; 0]);
}

#[test]
fn a_pool_has_its_own_metric_or_that_of_the_defaults() {
    let below = json!({ "metric": "network_in", "below": 1_000, "datapoints": 2 });
    let of = |change: Value| spec(change).pool(&pool("blue")).unwrap().health_metric.clone();
    let defaults = json!({ "health": { "metric": errors() } });
    let default = of(json!({ "defaults": defaults })).unwrap();
    assert_eq!(
        (default.bound, default.datapoints, default.stat.period),
        (Bound::Above(finite(20.0)), 3, PERIOD)
    );
    let own = of(json!({ "defaults": defaults, "policies": [], "pools": [{ "id": "blue", "health": { "metric": below } }] })).unwrap();
    assert_eq!((own.bound, own.datapoints), (Bound::Below(finite(1_000.0)), 2));
    assert_eq!((own.stat.name.as_str(), own.stat.period), ("NetworkIn", Seconds::minutes(5)));
}

#[test]
fn metrics_that_nobody_can_be_judged_by_are_refused() {
    let at = "defaults.health.metric";
    let custom = |change: Value| {
        let mut metric = json!({ "namespace": "Shop", "name": "JobErrors" });
        merge(&mut metric, change);
        json!({ "metric": metric, "above": 20 })
    };
    for (situation, metric, expected) in [
        (
            "no bound",
            json!({ "metric": "cpu" }),
            format!("{at}: a bound is exactly one of `above` and `below`"),
        ),
        (
            "both",
            json!({ "metric": "cpu", "above": 95, "below": 1 }),
            format!("{at}: a bound is exactly one of `above` and `below`"),
        ),
        (
            "of the fleet",
            json!({ "metric": "memory", "above": 95 }),
            format!("{at}.metric: `memory` is not read of each instance"),
        ),
        (
            "of the balancer",
            json!({ "metric": "error_rate", "above": 5 }),
            format!("{at}.metric: `error_rate` is not read of each instance"),
        ),
        (
            "an expression",
            json!({ "metric": { "expression": "m1 / m2" }, "above": 5 }),
            format!("{at}.metric: an expression is of no single instance"),
        ),
        (
            "of one instance",
            custom(json!({ "dimensions": { "InstanceId": "i-1" } })),
            format!("{at}.metric.dimensions.InstanceId: `InstanceId` is put in for each instance"),
        ),
        (
            "too short",
            custom(json!({ "period": "10s" })),
            format!("{at}.metric.period: `10s` is less than `1m`"),
        ),
        (
            "no statistic",
            custom(json!({ "statistic": "Most" })),
            format!("{at}.metric.statistic: `Most` is no statistic"),
        ),
        (
            "one datapoint",
            json!({ "metric": "cpu", "above": 95, "datapoints": 1 }),
            format!("{at}.datapoints: `1` is not between `2` and `10`"),
        ),
        (
            "too many",
            json!({ "metric": "cpu", "above": 95, "datapoints": 11 }),
            format!("{at}.datapoints: `11` is not between `2` and `10`"),
        ),
    ] {
        assert_eq!(
            problems(json!({ "defaults": { "health": { "metric": metric } } })),
            [expected],
            "{situation}"
        );
    }
}

#[test]
fn a_pool_that_may_be_larger_than_one_call_is_refused() {
    let with = |max: u32| json!({ "maximum": 1_000, "defaults": { "capacity": { "max": max }, "health": { "metric": errors() } } });
    let refused = ["defaults.health.metric: `pools[0]` may have `501` instances, and at most `500` are read one by one"];
    for (situation, max, expected) in [("as many as one call", 500, &[][..]), ("one more", 501, &refused)] {
        assert_eq!(problems(with(max)), expected, "{situation}");
    }
}

/// A record from before there was such a metric reads as one without any, and one with it is small.
#[test]
fn readings_survive_their_record() {
    let report = Report::Metric {
        metric: "Sum Shop JobErrors".into(),
        bound: Bound::Above(finite(20.0)),
        datapoints: 3,
    };
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    let mut shop = Shop::where_one(&[None, Some(30.0), None, Some(2.0)]);
    shop.look();
    let readings = &shop.world.readings[&pool("blue")];
    let text = serde_json::to_string(readings).unwrap();
    assert_eq!(serde_json::from_str::<Readings>(&text).unwrap(), *readings);
    assert!(text.contains(r#""i-blue-001":[null,30.0,null,2.0]"#), "{text}");
    let silent = serde_json::to_string(&World::serving(6, json!({})).decide(ghostnet_core::signal::Signal::Tick)).unwrap();
    assert!(!silent.contains("readings"), "nothing is written where there is nothing");
}
