//! How long the warm function takes, of its own time, from the event that tells of a dead side to the call that moves its traffic.
//!
//! Requests are written, signed and read by the SDKs themselves; the wire behind them answers at once. What AWS takes to answer comes on
//! top, four answers one after the other: the table, what is asked side by side, the commit, the rule.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot make its world should stop there")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures time, and tells the calls that it counts"
)]

#[path = "../tests/contract/cbor.rs"]
mod cbor;
#[path = "../tests/contract/reply.rs"]
#[expect(dead_code, reason = "the contract's tests ask for more")]
mod reply;
#[path = "../tests/contract/wire.rs"]
#[expect(dead_code, reason = "the contract's tests ask for more")]
mod wire;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use futures::future::select;
use ghostnet_aws::Aws;
use ghostnet_aws::event::classify;
use ghostnet_aws::function::invocation;
use ghostnet_core::id::{FleetId, InstanceId};
use ghostnet_core::signal::{Signal, fleet_of_health_alarm};
use ghostnet_core::spec::{FleetSpec, RawFleetSpec, Resolved};
use ghostnet_core::state::{CapacityState, Member, SCHEMA, Side, Sighting, SignalKind, StoredSpec, TrafficState};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::PortError;
use ghostnet_engine::failover::{Occasion, fail_over};
use ghostnet_engine::port::Host;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::reply::{Listed, forward, health, page, rules};
use crate::wire::{Reply, Sent, Wire};

const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/3";
const SIDES: [&str; 2] = ["blue", "green"];
/// Instances of each side.
const EACH: usize = 20;
/// An invocation may take so long.
const DEADLINE_AFTER: Seconds = Seconds::minutes(10);

fn group(side: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web-{side}/1")
}

fn instance(side: &str, n: usize) -> String {
    format!("i-{side}-{n:012}")
}

fn raw() -> RawFleetSpec {
    let pool = |side: &str| {
        let launch = json!({ "template": { "name": "web", "version": "3" }, "subnets": ["subnet-a"] });
        json!({ "id": side, "launch": launch, "target_groups": [group(side)], "capacity": { "min": 4, "max": 40 } })
    };
    let [blue, mut green] = SIDES.map(pool);
    green["role"] = json!("standby");
    let failover = json!({ "mode": "hot_standby", "standby_size": "100%", "lever": { "listener_rules": [RULE] } });
    serde_json::from_value(json!({ "fleet": "web", "pools": [blue, green], "failover": failover })).unwrap()
}

/// Each side has twenty that serve for an hour.
fn capacity(spec: &FleetSpec, now: Timestamp) -> CapacityState {
    let long_ago = Seconds::minutes(60).before(now);
    let mut capacity = CapacityState::new(spec, long_ago);
    for (pool, state) in &mut capacity.pools {
        state.desired = u32::try_from(EACH).unwrap();
        let member = || Member {
            served_since: Some(long_ago.into()),
            ..Member::new(long_ago)
        };
        state.members = (0..EACH).map(|n| (InstanceId::new(instance(pool.as_str(), n)), member())).collect();
    }
    capacity
}

/// Two looks have seen that blue is dead: this is the third.
fn traffic(spec: &FleetSpec, now: Timestamp) -> TrafficState {
    let sightings = [25, 12].map(|ago| Sighting {
        at: Seconds(ago).before(now),
        down: true,
    });
    let seen = [SignalKind::Instances, SignalKind::Targets].map(|kind| (kind, sightings.to_vec()));
    let armed = || Side {
        armed: true,
        ..Side::default()
    };
    let mut traffic = TrafficState::first(spec).unwrap();
    traffic.sides = spec.pools.iter().map(|pool| (pool.id.clone(), armed())).collect();
    if let Some(blue) = traffic.sides.get_mut(&traffic.active) {
        blue.seen = seen.into();
    }
    traffic
}

fn item(sort: &str, version: &str, body: (&str, String)) -> Value {
    json!({
        "pk": { "S": "FLEET#web" }, "sk": { "S": sort }, "schema": { "N": "1" }, "writer": { "S": "somebody" },
        version: { "N": "1" }, "epoch": { "N": "0" }, "outcomes": { "M": {} }, (body.0): { "S": body.1 },
    })
}

/// The table's three items, and AWS around a fleet whose active side has just died.
struct World {
    /// The spec and the capacity state.
    items: Vec<Value>,
    /// The traffic state before anything moved.
    before: Value,
    instances: String,
    changing: Mutex<Changing>,
}

/// What a move changes.
#[derive(Default)]
struct Changing {
    /// The traffic state that was committed.
    traffic: Option<Value>,
    /// When the rule was set.
    moved: Option<Instant>,
}

impl World {
    fn new(now: Timestamp) -> Self {
        let raw = raw();
        let spec = FleetSpec::check(&raw).unwrap();
        let stored = StoredSpec {
            schema: SCHEMA,
            version: ghostnet_core::id::SpecVersion(1),
            spec: raw.into(),
            resolved: Resolved::default(),
            retiring: false,
            applied_by: "me".to_owned(),
            applied_at: now,
        };
        let text = |value: &Value| value.to_string();
        let mut traffic = traffic(&spec, now);
        traffic.version = 1;
        let items = vec![
            item("SPEC", "version", ("body", text(&serde_json::to_value(&stored).unwrap()))),
            item(
                "CAPACITY",
                "generation",
                ("state", text(&serde_json::to_value(capacity(&spec, now)).unwrap())),
            ),
        ];
        Self {
            items,
            before: item("TRAFFIC", "version", ("body", text(&serde_json::to_value(&traffic).unwrap()))),
            instances: SIDES.map(listed).concat(),
            changing: Mutex::default(),
        }
    }

    fn answer(&self, sent: &Sent) -> Reply {
        match sent.operation.as_str() {
            "dynamodb:BatchGetItem" => {
                let traffic = self.changing.lock().unwrap().traffic.clone().unwrap_or_else(|| self.before.clone());
                let items: Vec<&Value> = self.items.iter().chain([&traffic]).collect();
                Reply::json(&json!({ "Responses": { "table": items }, "UnprocessedKeys": {} }))
            }
            "dynamodb:TransactWriteItems" => {
                self.changing.lock().unwrap().traffic = sent.body.pointer("/TransactItems/0/Put/Item").cloned();
                Reply::json(&json!({}))
            }
            "ec2:DescribeInstances" => page(&self.instances, None),
            "elasticloadbalancing:DescribeTargetHealth" => targets(sent.text("TargetGroupArn")),
            "elasticloadbalancing:DescribeRules" => {
                let [blue, green] = SIDES.map(group);
                let (first, second) = if self.changing.lock().unwrap().moved.is_some() {
                    (0, 100)
                } else {
                    (100, 0)
                };
                let actions = forward(&[(&blue, Some(first)), (&green, Some(second))], "");
                rules(&[(RULE, &actions, false)])
            }
            "elasticloadbalancing:ModifyRule" => {
                self.changing.lock().unwrap().moved.get_or_insert_with(Instant::now);
                Reply::xml("<ModifyRuleResponse><ModifyRuleResult/></ModifyRuleResponse>")
            }
            _ => Reply::Lost,
        }
    }
}

fn listed(side: &str) -> String {
    let tags = [
        ("ghostnet:installation", "inst"),
        ("ghostnet:fleet", "web"),
        ("ghostnet:pool", side),
    ];
    let xml = |n: usize| {
        let id = instance(side, n);
        let listed = Listed {
            id: &id,
            state: if side == "blue" { "terminated" } else { "running" },
            zone: "eu-west-1a",
            instance_type: "c7a.large",
            launched_at: "2026-01-01T00:00:00.000Z",
            lifecycle: "",
            reservations: "",
            tags: &tags,
        };
        listed.xml("")
    };
    (0..EACH).map(xml).collect()
}

fn targets(group: &str) -> Reply {
    let (side, state) = if group.contains("blue") {
        ("blue", "unhealthy")
    } else {
        ("green", "healthy")
    };
    let ids: Vec<String> = (0..EACH).map(|n| instance(side, n)).collect();
    let targets: Vec<(&str, &str, &str)> = ids.iter().map(|id| (id.as_str(), state, "")).collect();
    health(&targets)
}

/// Nobody is woken.
struct Alone;

impl Host for Alone {
    async fn wake_tick(&self, _: &[FleetId]) -> Result<(), PortError> {
        Ok(())
    }
}

/// An alarm event comes in; how long it takes until the rule's call is sent. The wire answers at once, so where the function has nothing to
/// go on with after that call, it waits for its next look: the measurement ends there.
async fn moves(aws: &Aws, payload: &[u8], world: &World) -> Duration {
    *world.changing.lock().unwrap() = Changing::default();
    let began = Instant::now();
    let fleets: Vec<FleetId> = classify(payload).unwrap().iter().filter_map(fleet).collect();
    let deadline = DEADLINE_AFTER.after(Timestamp::now());
    let invocation = invocation(aws, "failover", "request".to_owned(), deadline.as_millisecond().unsigned_abs());
    let looks = pin!(fail_over(aws, &Alone, &invocation, &fleets, Occasion::Event));
    let waits = pin!(poll_fn(|_| match world.changing.lock().unwrap().moved {
        Some(_) => Poll::Ready(()),
        None => Poll::Pending,
    }));
    select(looks, waits).await;
    world.changing.lock().unwrap().moved.unwrap().duration_since(began)
}

fn fleet(signal: &Signal) -> Option<FleetId> {
    match signal {
        Signal::AlarmChanged(change) => fleet_of_health_alarm(&change.alarm),
        _ => None,
    }
}

/// The alarm of the events of this project, of this fleet.
fn payload() -> Vec<u8> {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/alarm-eventbridge-health.json")).unwrap();
    event["detail"]["alarmName"] = json!("ghostnet/web/blue/health/latency");
    event.to_string().into_bytes()
}

fn warm(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let world = Arc::new(World::new(Timestamp::now()));
    let (wire, payload) = (
        Wire::new({
            let world = Arc::clone(&world);
            move |sent, _| world.answer(sent)
        }),
        payload(),
    );
    let aws = wire.aws();
    runtime.block_on(moves(&aws, &payload, &world));
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for sent in wire.sent() {
        *calls.entry(sent.operation).or_default() += 1;
    }
    println!("calls until it waits: {calls:?}");
    assert_eq!(calls.get("elasticloadbalancing:ModifyRule"), Some(&1), "one call moves the traffic");
    criterion.bench_function("failover/event_to_modify_rule", |bench| {
        bench.iter_custom(|times| {
            // what was seen lately must be of lately
            let world = Arc::new(World::new(Timestamp::now()));
            let answering = Arc::clone(&world);
            let aws = Wire::new(move |sent, _| answering.answer(sent)).aws();
            runtime.block_on(moves(&aws, &payload, &world));
            (0..times).map(|_| runtime.block_on(moves(&aws, &payload, &world))).sum()
        });
    });
}

criterion_group!(benches, warm);
criterion_main!(benches);
