//! What two series say together, and what a spec may not say of it.

use super::*;

#[test]
fn what_two_series_say_together() {
    let now = at(0);
    let even = |value: f64| points(now, 60, 12, move |_| value);
    let measured = |demand: &Series, used: &Series| {
        let metered = Metered {
            demand,
            used,
            instances: 10,
            since: Seconds::minutes(60).before(now),
            saturation: Percent(80),
        };
        metered.measure(now)
    };
    let says = |each: f64, saturated: bool| {
        Some(Measured {
            thousandths: thousandths(each),
            saturated,
        })
    };
    // 250 a second on ten, half used: 25 each, so 40 at 80 %
    let (requests, half) = (even(15_000.0), even(50.0));
    let but = |series: &Series, change: fn(&mut Vec<Datapoint>)| {
        let mut series = series.clone();
        if let Series::Points { points, .. } = &mut series {
            change(points);
        }
        series
    };
    let partial = |series: &Series, all: bool| {
        let mut series = series.clone();
        if let Series::Points {
            partial,
            incomplete,
            points,
            ..
        } = &mut series
        {
            *partial = all;
            incomplete.extend(points.iter().skip(1).take(if all { 0 } else { 8 }).map(|point| point.at));
        }
        series
    };
    for (situation, demand, used, expected) in [
        ("half used", requests.clone(), half.clone(), says(40.0, false)),
        ("a fifth is enough", even(6_000.0), even(20.0), says(40.0, false)),
        ("less says little", even(5_900.0), even(19.9), None),
        ("saturated", even(28_000.0), even(95.0), says(39.298, true)),
        (
            "saturated in four of nine, and two others show a little more",
            but(&requests, |points| {
                points.iter_mut().take(6).for_each(|point| point.value = finite(15_750.0));
                points.iter_mut().take(4).for_each(|point| point.value = finite(32_000.0));
            }),
            but(&half, |points| {
                points.iter_mut().take(4).for_each(|point| point.value = finite(92.0))
            }),
            says(40.0, false),
        ),
        (
            "saturated in five of nine",
            but(&requests, |points| {
                points.iter_mut().take(5).for_each(|point| point.value = finite(28_000.0))
            }),
            but(&half, |points| {
                points.iter_mut().take(5).for_each(|point| point.value = finite(95.0))
            }),
            says(39.298, true),
        ),
        ("more than all is used", requests.clone(), even(100.1), None),
        ("nothing is used", requests.clone(), even(0.0), None),
        ("less than nothing", requests.clone(), even(-50.0), None),
        ("no requests", even(0.0), half.clone(), None),
        ("less than none", even(-15_000.0), half.clone(), None),
        ("more than anybody answers", even(1e300), half.clone(), None),
        ("nearly none", even(0.001), half.clone(), None),
        ("no series", Series::NotAsked, half.clone(), None),
        ("no answer", requests.clone(), Series::Failed { why: "no".into() }, None),
        (
            "use of five minutes",
            points(now, 60, 60, |_| 15_000.0),
            points(now, 300, 9, |_| 50.0),
            says(40.0, false),
        ),
        (
            "of which the demand lacks minutes",
            points(now, 60, 20, |_| 15_000.0),
            points(now, 300, 9, |_| 50.0),
            None,
        ),
        ("use of some instances", requests.clone(), partial(&half, true), None),
        ("earlier use of some instances", requests.clone(), partial(&half, false), None),
        ("demand of some groups", partial(&requests, true), half.clone(), None),
        ("four datapoints", requests.clone(), but(&half, |points| points.truncate(4)), None),
        ("five", requests.clone(), but(&half, |points| points.truncate(5)), says(40.0, false)),
        (
            "the newest is old",
            requests.clone(),
            but(&half, |points| drop(points.drain(..5))),
            None,
        ),
        (
            "four of nine are nonsense",
            but(&requests, |points| {
                points
                    .iter_mut()
                    .step_by(2)
                    .take(4)
                    .for_each(|point| point.value = finite(900_000.0));
            }),
            half.clone(),
            says(40.0, false),
        ),
    ] {
        assert_eq!(measured(&demand, &used), expected, "{situation}");
    }
}

#[test]
fn a_wrong_spec_is_told_on_its_field() {
    let told = |change: Value| problems(spec(change));
    assert_eq!(told(json!({})), Vec::<String>::new());
    let own = json!({ "namespace": "MyApp", "name": "Busy", "dimensions": { "Fleet": "web" } });
    assert_eq!(
        told(json!({ "learn": { "metric": own.clone(), "saturation": "90%" } })),
        Vec::<String>::new()
    );
    let with = |key: &str, value: Value| {
        let mut own = own.clone();
        own[key] = value;
        json!({ "learn": { "metric": own } })
    };
    for (change, problem) in [
        (
            json!({ "instance_capacity": "learnt" }),
            "policies[1].instance_capacity: `learnt` is no capacity",
        ),
        (
            json!({ "instance_capacity": -1 }),
            "policies[1].instance_capacity: `-1` is not above zero",
        ),
        (
            json!({ "instance_capacity": 50, "learn": {} }),
            "policies[1].learn: there is nothing to learn: the capacity is given",
        ),
        (
            json!({ "learn": { "saturation": "40%" } }),
            "policies[1].learn.saturation: `40%` is not between `50%` and `100%`",
        ),
        (
            json!({ "learn": { "metric": "memory" } }),
            "policies[1].learn.metric: `memory` does not say how much an instance works",
        ),
        (
            json!({ "learn": { "source": "target_group" } }),
            "policies[1].learn.source: `target_group` does not publish `cpu`",
        ),
        (
            with("statistic", json!("Maximum")),
            "policies[1].learn.metric: `Maximum` of it is not what the instances are used on average",
        ),
        (with("period", json!("90s")), "policies[1].learn.metric.period: `90s` is no period"),
        (
            with("period", json!("30s")),
            "policies[1].learn.metric: a period of `30s` is not made of whole periods of the demand, `1m`",
        ),
    ] {
        assert_eq!(told(change.clone()).first().map(String::as_str), Some(problem), "{change}");
    }
    let alone = |others: Value| {
        let mut spec = spec(json!({}));
        let learns = spec["policies"][1].clone();
        spec["policies"] = others;
        spec["policies"].as_array_mut().unwrap().push(learns);
        problems(spec)
    };
    let message = "policies: `demand` has no vote until it has learned, and no other policy adds instances until then";
    let window = json!({ "id": "w", "type": "scheduled", "when": { "cron": "0 8 * * *", "for": "1h" }, "capacity": { "min": 3 } });
    let watched = json!({ "type": "target_tracking", "id": "t", "metric": "cpu", "target": 50.0, "mode": "recommend_only" });
    for others in [json!([]), json!([window]), json!([watched])] {
        assert_eq!(alone(others.clone()), [message], "{others}");
    }
    let adds = json!({ "type": "target_tracking", "id": "t", "metric": "cpu", "target": 50.0, "mode": "out_only" });
    assert_eq!(alone(json!([adds])), Vec::<String>::new());
}
