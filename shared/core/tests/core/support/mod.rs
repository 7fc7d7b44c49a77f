//! Small words for tests: moments, specs, series; a pool to size, and a world to decide in.

mod anything;
mod sizing;
mod tape;
mod world;

pub use anything::*;
pub use sizing::*;
pub use tape::*;
pub use world::*;

use std::collections::BTreeMap;

use ghostnet_core::id::{PolicyId, PoolId, TargetGroupArn};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::spec::{FleetSpec, Problem, RawFleetSpec, Resolved};
use ghostnet_core::unit::{Finite, Seconds};
use jiff::Timestamp;
pub use serde_json::{Value, json};

/// A Tuesday, noon UTC.
const NOON: i64 = 1_780_401_600;

/// So many seconds after noon.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOON + seconds).unwrap()
}

pub fn pool(id: &str) -> PoolId {
    id.parse().unwrap()
}

pub fn policy(id: &str) -> PolicyId {
    id.parse().unwrap()
}

pub fn group(pool: &str) -> TargetGroupArn {
    TargetGroupArn::new(format!(
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{pool}/0123456789abcdef"
    ))
}

pub fn finite(value: f64) -> Finite {
    Finite::new(value).unwrap()
}

/// A small web fleet, with what `change` sets instead: maps are merged, everything else is replaced.
pub fn raw(change: Value) -> RawFleetSpec {
    let mut spec = json!({
        "fleet": "web",
        "defaults": {
            "capacity": { "min": 1, "max": 10, "initial": 2 },
            "launch": { "template": { "name": "web" }, "subnets": ["subnet-a", "subnet-b", "subnet-c"], "instance_types": ["c7a.large"] },
            "warmup": "3m",
        },
        "pools": [{ "id": "blue", "target_groups": [group("blue")] }],
        "policies": [tracking()],
    });
    merge(&mut spec, change);
    serde_json::from_value(spec).unwrap()
}

/// [`raw`], checked.
pub fn spec(change: Value) -> FleetSpec {
    FleetSpec::check(&raw(change)).unwrap()
}

/// What is wrong with [`raw`]; nothing: it is good.
pub fn faults(change: Value) -> Vec<Problem> {
    FleetSpec::check(&raw(change)).err().unwrap_or_default()
}

/// [`faults`], each as `path: message`.
pub fn problems(change: Value) -> Vec<String> {
    let told = |problem: &Problem| format!("{}: {}", problem.path, problem.message);
    faults(change).iter().map(told).collect()
}

/// The policy `requests`: 100 requests per instance.
pub fn tracking() -> Value {
    json!({ "type": "target_tracking", "id": "requests", "metric": "alb_request_count_per_target", "target": 100.0 })
}

/// A metric that leaves warming instances out.
pub fn busy() -> Value {
    json!({ "namespace": "App", "name": "Busy" })
}

pub fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

/// What `apply` looks up: three zones.
pub fn resolved() -> Resolved {
    let zones = ["a", "b", "c"].map(|zone| (format!("subnet-{zone}"), format!("eu-west-1{zone}")));
    serde_json::from_value(json!({ "zones": BTreeMap::from(zones), "balancers": {} })).unwrap()
}

/// Values of consecutive minutes, the newest first; that one ended at `now`. `None`: no datapoint.
pub fn minutes(now: Timestamp, values: &[Option<f64>]) -> Series {
    let point = |(n, value): (u32, &Option<f64>)| {
        Some(Datapoint {
            at: Seconds(60 * (n + 1)).before(now),
            value: finite((*value)?),
        })
    };
    Series::Points {
        points: (0..).zip(values).filter_map(point).collect(),
        period: Seconds(60),
        partial: false,
        incomplete: Vec::new(),
    }
}

/// One fresh value.
pub fn fresh(now: Timestamp, value: f64) -> Series {
    minutes(now, &[Some(value)])
}

/// Several series under their names.
pub fn several<const N: usize>(inputs: [(&str, Series); N]) -> Series {
    Series::Several {
        inputs: inputs.map(|(name, series)| (name.to_owned(), series)).into(),
    }
}

/// A fresh value from some of the instances.
pub fn partial(now: Timestamp, value: f64) -> Series {
    match fresh(now, value) {
        Series::Points { points, period, .. } => Series::Points {
            points,
            period,
            partial: true,
            incomplete: Vec::new(),
        },
        other => other,
    }
}
