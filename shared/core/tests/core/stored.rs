//! What is stored comes back as it was: JSON there and back, bit for bit.

use std::collections::BTreeMap;

use ghostnet_core::decide::decide;
use ghostnet_core::id::{BuildId, SpecVersion};
use ghostnet_core::observation::TargetHealth;
use ghostnet_core::operator::{Asked, Wish};
use ghostnet_core::policy::simple::{Adjustment, Way};
use ghostnet_core::record::{DecisionRecord, Inputs, decision_digest};
use ghostnet_core::refresh::{Back, LastAsked, Refresh, RefreshRequest};
use ghostnet_core::sample::Series;
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::{FleetSpec, RawFleetSpec, TemplateVersion};
use ghostnet_core::state::{CapacityState, Pause, RecordedOutcome, RenewReason, SCHEMA, StoredSpec, TrafficState};
use ghostnet_core::unit::{Percent, Seconds};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::support::*;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    let back: T = serde_json::from_str(&text).unwrap();
    assert_eq!(back, *value, "{text}");
    assert_eq!(serde_json::to_string(&back).unwrap(), text, "and is written the same again");
}

/// Every kind of policy, metric and number that a spec can hold.
fn rich() -> Value {
    json!({
        "description": "everything",
        "mode": "out_only",
        "maximum": 12,
        "defaults": {
            "max_age": "30d",
            "launch": { "drift": "replace", "rebalance_zones": true },
            "drain": { "timeout": "2h", "wait_for_tag": true },
            "health": { "ready_tag": true, "when_unhealthy": { "maintenance": { "keep": "1h" } } },
        },
        "policies": [
            tracking(),
            { "type": "step", "id": "busy", "metric": busy(), "out": [{ "from": 70.1, "add": "10%" }, { "from": 85.0, "below": 99.9, "add": 2, "at_least": 2 }], "in": [{ "below": 30.0, "remove": 1 }], "datapoints": { "out": "2 of 3" }, "missing": "ignore" },
            { "type": "step", "id": "queue", "metric": { "expression": "a / b", "metrics": { "a": { "namespace": "AWS/SQS", "name": "Depth", "dimensions": { "QueueName": "q" } }, "b": busy() }, "period": "5m" }, "out": [{ "from": 0.1, "add": 1 }] },
            { "type": "scheduled", "id": "night", "when": { "cron": "0 20 * * 5", "zone": "Asia/Shanghai", "for": "6h" }, "capacity": { "min": 3, "max": 9, "desired": 4 } },
            { "type": "scheduled", "id": "once", "when": { "at": "2026-11-27T18:00:00+01:00", "for": "1h" }, "capacity": { "desired": 4 } },
        ],
        "guards": { "tolerance": { "out": "5%", "in": "20%" }, "breaker": { "unhealthy": "30%", "at_least": 1 } },
        "alarms": [{ "alarm": "checkout-errors" }],
        "metrics": { "quiet_poll": "10m" },
    })
}

#[test]
fn specs() {
    let raw = raw(rich());
    let back: RawFleetSpec = serde_json::from_str(&serde_json::to_string(&raw).unwrap()).unwrap();
    assert_eq!(FleetSpec::check(&back).unwrap(), FleetSpec::check(&raw).unwrap());
    let stored = StoredSpec {
        schema: SCHEMA,
        version: SpecVersion(3),
        spec: raw.into(),
        resolved: resolved(),
        retiring: true,
        applied_by: "me".into(),
        applied_at: at(0),
    };
    comes_back(&stored);
}

/// A state with something in every field: open steps of each kind, members in each phase, history, tallies.
fn busy_world() -> World {
    let guards = json!({ "stabilisation": { "in": "0s" }, "cooldown": { "in": "30s" } });
    let mut world = World::serving(6, json!({ "guards": guards }));
    world.read("requests", 49.7);
    world.look();
    world.health("blue", &ghostnet_core::id::InstanceId::new("i-blue-001"), TargetHealth::Unhealthy);
    world.pass(60);
    world.die();
    world.read("requests", 333.333_333_333_333_3);
    world.wait(31);
    world.die();
    let state = &mut world.inputs.state;
    let pool_state = state.pools.get_mut(&pool("blue")).unwrap();
    pool_state.rebalanced_at = Some(at(-60));
    pool_state.members.values_mut().last().unwrap().renew = Some(RenewReason::Drift);
    let request = RefreshRequest::Start {
        reason: "a new image".into(),
        checkpoints: vec![Percent(20), Percent(50)],
        bake: Seconds::minutes(10),
        drifted: true,
    };
    comes_back(&request);
    let version = |version| TemplateVersion {
        id: "lt-web".into(),
        version,
    };
    state.pools.get_mut(&pool("blue")).unwrap().refresh = Some(Refresh {
        requested_at: at(-30),
        by: "me".into(),
        reason: "a new image".into(),
        checkpoints: vec![Percent(50)],
        bake: Seconds::minutes(10),
        paused: true,
        total: Some(6),
        bakes_until: Some(at(90)),
        ended: None,
        current: Some(version(3)),
        from: Some(version(2)),
        back: Some(Back {
            to: version(2),
            spec_version: SpecVersion(1),
        }),
        last: Some(LastAsked {
            by: "me".into(),
            at: at(-20),
        }),
    });
    state.pause = Some(Pause {
        by: "me".into(),
        reason: "why".into(),
        since: at(0),
        until: at(60),
    });
    state
        .pools
        .get_mut(&pool("blue"))
        .unwrap()
        .scheduled
        .insert(policy("night"), at(-60));
    let blue = state.pools.get_mut(&pool("blue")).unwrap();
    blue.former_groups.insert(group("green"));
    blue.adjusted.insert(
        policy("slow"),
        Adjustment {
            at: at(-60),
            way: Way::Out,
            to: 7,
            done_at: Some(at(0)),
        },
    );
    blue.asked = Some(Asked {
        by: "me".into(),
        at: at(0),
        wish: Wish::Hold {
            desired: 7,
            until: at(600),
            reason: "why".into(),
        },
    });
    world
}

#[test]
fn states() {
    let world = busy_world();
    let kinds: Vec<&str> = world.open().iter().map(|open| open.step.action.kind()).collect();
    assert!(kinds.contains(&"launch") && kinds.contains(&"terminate"), "{kinds:?}");
    comes_back(&world.inputs.state);
    let mut traffic = TrafficState::first(&world.spec).unwrap();
    traffic.floors.insert(pool("blue"), 3);
    comes_back(&traffic);
}

#[test]
fn an_empty_state_is_small_and_an_older_one_is_read() {
    let state = CapacityState::new(&spec(json!({})), at(0));
    comes_back(&state);
    let text = r#"{"schema":1,"generation":4,"created_at":"2026-06-02T12:00:00Z","pools":{"blue":{"desired":2,"members":{"i-1":{"k":1780401600}}}}}"#;
    let old: CapacityState = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&old).unwrap(), text, "what is not set is not written");
}

#[test]
fn records_with_everything_they_were_made_from() {
    let mut world = busy_world();
    world.inputs.state.pause = None;
    let series = world.inputs.observation.series.entry(pool("blue")).or_default();
    series.insert(policy("failed"), Series::Failed { why: "throttled".into() });
    series.insert(policy("quiet"), Series::NotAsked);
    let notice = spot_notice(&world, &ghostnet_core::id::InstanceId::new("i-blue-003"), 7);
    for signal in [Signal::Tick, notice, Signal::Ignored { reason: "odd".into() }] {
        let decision = world.decide(signal.clone());
        let outcomes = decision
            .plan
            .steps
            .iter()
            .map(|step| {
                (
                    step.id.clone(),
                    RecordedOutcome {
                        outcome: ghostnet_core::plan::StepOutcome::NotSent,
                        at: at(1),
                    },
                )
            })
            .collect();
        let record = DecisionRecord {
            schema: SCHEMA,
            id: decision.plan.id.clone(),
            fleet: world.spec.id.clone(),
            at: world.now(),
            function: "tick".into(),
            signal,
            build: BuildId::new("test"),
            generation: world.inputs.state.generation,
            pools: decision.pools.clone(),
            plan: decision.plan.clone(),
            violations: vec![ghostnet_core::audit::Violation {
                invariant: "I2".into(),
                pool: Some(pool("blue")),
                detail: "no".into(),
            }],
            outcomes,
            count: 1,
            until: world.now(),
            inputs: Some(world.inputs.clone()),
            decision_digest: decision_digest(&decision).unwrap(),
        };
        comes_back(&decision);
        comes_back(&record);
    }
}

#[test]
fn inputs_are_decided_again_to_the_same_digest() {
    let mut world = busy_world();
    world.inputs.state.pause = None;
    let digest = decision_digest(&world.decide(Signal::Tick)).unwrap();
    let back: Inputs = serde_json::from_str(&serde_json::to_string(&world.inputs).unwrap()).unwrap();
    let spec = FleetSpec::check(&back.spec).unwrap();
    assert_eq!(decision_digest(&decide(&back.situation(&spec))).unwrap(), digest);
}

/// `float_roundtrip`: without it serde_json reads some numbers one ulp off, and a replay differs.
#[test]
fn every_bit_of_a_number_comes_back() {
    for value in [
        0.1 + 0.2,
        1.0 / 3.0,
        333.333_333_333_333_3,
        f64::MIN_POSITIVE,
        f64::MAX,
        1.7e-308,
        122.416_294_033_786_58,
        9_007_199_254_740_993.0,
    ] {
        comes_back(&BTreeMap::from(
            [("value", finite(value))].map(|(key, value)| (key.to_owned(), value)),
        ));
    }
}

/// A whole thousand, sick or leaving in the worst of hours: a state that does not fit cannot be committed, and the fleet
/// would be frozen just then.
#[test]
fn the_largest_state_fits_its_item() {
    let mut world = World::serving(1_000, json!({ "defaults": { "capacity": { "max": 1000 } } }));
    let ids: Vec<_> = world.instances.keys().cloned().collect();
    let state = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
    for (n, id) in ids.iter().enumerate() {
        let mut member = state.members.remove(id).unwrap();
        if n < 100 {
            let why = ghostnet_core::state::DrainReason::NeverHealthy;
            member.drain = Some(ghostnet_core::state::Drain {
                since: at(0).into(),
                deadline: at(300).into(),
                why,
            });
            member.terminating_since = Some(at(60).into());
        } else {
            member.unready = Some(ghostnet_core::state::Unready {
                counted: Seconds(900),
                last_seen: at(0).into(),
            });
        }
        let long = ghostnet_core::id::InstanceId::new(format!("i-{:017x}", 0xabc_def0_0000_0000_u64 + u64::try_from(n).unwrap()));
        state.members.insert(long, member);
    }
    state.recommended = (0..64)
        .map(|n| ghostnet_core::state::Run {
            since: at(n),
            capacity: 1_000,
        })
        .collect();
    state.launches = (0..60)
        .map(|n| ghostnet_core::state::Tally {
            at: at(n * 60),
            count: 100,
        })
        .collect();
    let terminate = ghostnet_core::plan::Action::Terminate {
        instances: state.members.keys().take(100).cloned().collect(),
    };
    let mut leaving = world.inputs.state.clone();
    leaving.open.push(ghostnet_core::plan::OpenStep {
        step: ghostnet_core::plan::Step {
            id: ghostnet_core::id::StepId {
                plan: ghostnet_core::id::PlanId::new("2026-06-05T13:02:50.123Z-0123456789ab"),
                number: ghostnet_core::id::StepNumber(0),
            },
            pool: pool("blue"),
            action: terminate,
        },
        committed_at: at(0),
        execute_until: at(30),
        taken_over: false,
    });
    comes_back(&leaving);
    let bytes = serde_json::to_string(&leaving).unwrap().len();
    assert!(bytes <= ghostnet_core::state::STATE_BYTES_MAX, "{bytes}");
}

/// What is on demand is stored as it was before there was anything else, so that an older build reads it.
#[test]
fn markets_come_back_and_nothing_is_said_where_all_is_on_demand() {
    let written = |world: &World| {
        let (state, observation) = (&world.inputs.state, &world.inputs.observation);
        comes_back(state);
        comes_back(observation);
        serde_json::to_string(state).unwrap() + &serde_json::to_string(observation).unwrap()
    };
    let words = ["markets_off", "\"choice\"", "\"m\":true", "\"market\":\"spot\""];
    let said = |text: &str| words.map(|word| text.contains(word));
    assert_eq!(said(&written(&busy_world())), [false; 4]);

    let market = json!({ "spot_percent": 100, "allocation": "lowest_price" });
    let launch = json!({ "instance_types": ["c7a.large", "m7a.large"], "market": market });
    let mut world = World::new(json!({ "defaults": { "launch": launch, "capacity": { "initial": 3 } } }));
    world.look();
    let refused = ghostnet_core::plan::StepOutcome::Refused {
        class: ghostnet_core::plan::Refusal::Quota,
        code: "MaxSpotInstanceCountExceeded".into(),
        message: "no".into(),
    };
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 9;
    let decision = world.die();
    world.tell(&decision.plan.steps[0], refused);
    world.decide(Signal::Tick);
    assert_eq!(said(&written(&world)), [true; 4]);
}
