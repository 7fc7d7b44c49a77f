//! The situations: one for each kind of step, and of plan.

use std::collections::BTreeMap;

use ghostnet_core::id::{FleetId, PoolId, Zone};
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_core::refresh::RefreshRequest;
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::{Attribute, FleetSpec, RawFleetSpec};
use ghostnet_core::unit::Seconds;
use ghostnet_sim::chance::Chance;
use ghostnet_sim::clock::{HOUR, MINUTE, at};
use ghostnet_sim::cloud::reservation::Reservations;
use ghostnet_sim::fleets::{Design, TYPES, ZONES, group};
use ghostnet_sim::lambda::{Function, Job};
use ghostnet_sim::traffic::rule;
use ghostnet_sim::world::{Event, World};
use serde_json::{Value, json};

use crate::end::End;

/// Minutes until the calm: all that a situation is there for has happened by then, whatever was struck.
pub(crate) const MINUTES: u32 = 34;
/// Minutes in which what befalls a fleet befalls it.
const BEFALLS_IN: [u32; 4] = [8, 13, 18, 23];

/// A fleet, its load, what befalls it, and which calls it is there for.
pub(crate) struct Situation {
    pub(crate) name: &'static str,
    /// What its spec says besides what all of them say.
    spec: fn(&mut Value),
    /// Requests per second, by minute.
    pub(crate) load: &'static [(i64, f64)],
    /// What befalls it, time and again.
    befalls: fn(&mut World),
    /// Whether an end is what the situation is there for: two that are equal and wrong prove nothing.
    pub(crate) is_as_meant: fn(&End) -> bool,
    /// Calls that it is there for.
    pub(crate) calls: &'static [&'static str],
}

/// Three are needed, then nine, then six. The target is 30 a second for each, so that each of these sizes is right, and no other.
const UP_AND_DOWN: &[(i64, f64)] = &[(0, 85.0), (6, 85.0), (7, 255.0), (14, 255.0), (15, 170.0)];
/// Three are needed throughout.
const LEVEL: &[(i64, f64)] = &[(0, 85.0)];

pub(crate) const SITUATIONS: [Situation; 10] = [
    Situation {
        name: "grows and shrinks",
        spec: |_| {},
        load: UP_AND_DOWN,
        befalls: |_| {},
        is_as_meant: |end| end["blue"].registered == 6,
        calls: &[
            "dynamodb:TransactWriteItems",
            "dynamodb:UpdateItem",
            "ec2:RunInstances",
            "elasticloadbalancing:RegisterTargets",
            "elasticloadbalancing:DeregisterTargets",
            "ec2:TerminateInstances",
        ],
    },
    Situation {
        name: "types that aws chooses",
        spec: |spec| {
            spec["defaults"]["launch"]["market"] = json!({ "on_demand_base": 2, "spot_percent": 50, "allocation": "lowest_price" })
        },
        load: UP_AND_DOWN,
        befalls: |_| {},
        is_as_meant: |end| end["blue"].registered == 6 && end["blue"].spot == 2,
        calls: &["ec2:CreateFleet"],
    },
    Situation {
        name: "reservations first",
        spec: |spec| spec["defaults"]["launch"]["market"] = json!({ "reservations": "open" }),
        load: UP_AND_DOWN,
        befalls: |_| {},
        is_as_meant: |end| end["blue"].registered == 6 && end["blue"].reserved > 0,
        calls: &["ec2:RunInstances"],
    },
    Situation {
        name: "kept warm",
        spec: |spec| spec["defaults"]["warm"] = json!({ "size": 2, "max_age": "7d", "return": true }),
        load: UP_AND_DOWN,
        befalls: |_| {},
        is_as_meant: |end| end["blue"].registered == 6 && end["blue"].warm == 2,
        calls: &["ec2:RunInstances", "ec2:StopInstances", "ec2:StartInstances"],
    },
    Situation {
        name: "waits for workers",
        spec: |spec| spec["defaults"]["drain"]["wait_for_tag"] = json!(true),
        load: UP_AND_DOWN,
        befalls: |_| {},
        is_as_meant: |end| end["blue"].registered == 6,
        calls: &["ec2:CreateTags"],
    },
    Situation {
        name: "groups and services",
        spec: |spec| {
            spec["defaults"]["balancing"] =
                json!({ "algorithm": "least_outstanding_requests", "slow_start": "0s", "deregistration_delay": "30s" });
            spec["pools"][0]["cloud_map"] = json!({ "service": "srv-web", "port": 8080 });
        },
        load: UP_AND_DOWN,
        befalls: |world| {
            // somebody sets in the console what the spec names otherwise
            let delay = BTreeMap::from([(Attribute::DeregistrationDelay, "120".to_owned())]);
            let groups = world.cloud.groups.values_mut();
            groups.for_each(|group| assert!(group.set(&delay, false)));
        },
        is_as_meant: |end| end["blue"].found_by_name == 6 && end["blue"].attributes[&Attribute::DeregistrationDelay] == "30",
        calls: &[
            "elasticloadbalancing:ModifyTargetGroupAttributes",
            "servicediscovery:RegisterInstance",
            "servicediscovery:DeregisterInstance",
        ],
    },
    Situation {
        name: "refreshed",
        spec: |_| {},
        load: LEVEL,
        befalls: |world| {
            let start = RefreshRequest::Start {
                reason: "a new image".to_owned(),
                checkpoints: Vec::new(),
                bake: Seconds(0),
                drifted: false,
            };
            ask(world, Wish::Refresh(start));
        },
        is_as_meant: |end| end["blue"].registered == 3,
        calls: &[
            "ec2:RunInstances",
            "elasticloadbalancing:DeregisterTargets",
            "ec2:TerminateInstances",
        ],
    },
    Situation {
        name: "leaves a zone",
        spec: |_| {},
        load: LEVEL,
        befalls: |world| {
            let wish = Wish::Evacuate {
                zone: Zone::new(ZONES[0]),
                until: at(world.now + 3 * HOUR),
                reason: "it is slow".to_owned(),
            };
            ask(world, wish);
        },
        is_as_meant: |end| end["blue"].registered == 3 && end["blue"].in_a_left_zone == 0 && end["blue"].by_zone[2] == 0,
        calls: &["ec2:RunInstances"],
    },
    Situation {
        name: "traffic moves",
        spec: |spec| {
            let standby = json!({
                "id": "green", "role": "standby", "capacity": { "min": 2, "max": 8 }, "target_groups": [group("web", "green").as_str()],
            });
            spec["pools"].as_array_mut().unwrap().push(standby);
            let rules = ["web", "web-api", "web-images"].map(|name| rule(name).as_str().to_owned());
            spec["failover"] = json!({ "mode": "hot_standby", "lever": { "listener_rules": rules } });
        },
        load: LEVEL,
        befalls: |world| {
            let (fleet, side) = (fleet(), "blue".parse::<PoolId>().unwrap());
            world.side_fails(&fleet, &side, true, world.now);
        },
        is_as_meant: |end| end["green"].traffic == 100 && end["blue"].traffic == 0,
        calls: &["elasticloadbalancing:ModifyRule"],
    },
    Situation {
        name: "of two sides one may serve",
        spec: |spec| {
            let standby = json!({
                "id": "green", "role": "standby", "capacity": { "min": 2, "max": 8 }, "target_groups": [group("web", "green").as_str()],
            });
            spec["pools"].as_array_mut().unwrap().push(standby);
            let rules = ["web", "web-api"].map(|name| rule(name).as_str().to_owned());
            spec["failover"] = json!({
                "mode": "hot_standby", "lever": { "listener_rules": rules }, "fencing": { "stop": true },
                "detect": { "response_time": "1s", "alarms": ["latency"], "datapoints": "2 of 3" },
            });
        },
        load: LEVEL,
        befalls: |world| {
            let (fleet, side) = (fleet(), "blue".parse::<PoolId>().unwrap());
            world.side_slows(&fleet, &side, world.now + 10 * MINUTE);
        },
        is_as_meant: |end| end["green"].traffic == 100 && end["blue"].traffic == 0 && end["blue"].registered > 0 && end["blue"].warm == 0,
        calls: &["elasticloadbalancing:ModifyRule", "ec2:StartInstances"],
    },
];

fn fleet() -> FleetId {
    "web".parse().unwrap()
}

/// An operator asks something of the fleet.
fn ask(world: &mut World, wish: Wish) {
    let asked = Asked {
        by: "operator".to_owned(),
        at: at(world.now),
        wish,
    };
    let request = OperatorRequest {
        fleet: fleet(),
        pool: None,
        asked,
    };
    let job = Job::new(Function::Tick, Signal::OperatorRequest(request));
    world.schedule(world.now, Event::Invoke(Box::new(job)));
}

impl Situation {
    /// The fleet. Nothing in it waits longer than it must.
    pub(crate) fn design(&self) -> Design {
        let subnets = ZONES.map(|zone| format!("subnet-{zone}"));
        let mut spec = json!({
            "fleet": "web",
            "defaults": {
                "capacity": { "min": 1, "max": 12, "initial": 3 },
                "launch": { "template": { "name": "web" }, "subnets": subnets, "instance_types": TYPES },
                "warmup": "60s",
                "drain": { "timeout": "60s" },
            },
            "pools": [{ "id": "blue", "target_groups": [group("web", "blue").as_str()] }],
            "policies": [{ "id": "requests", "type": "target_tracking", "metric": "alb_request_count_per_target", "target": 1800 }],
            "guards": {
                "cooldown": { "in": "0s", "out": "0s" },
                "stabilisation": { "in": "0s", "out": "0s" },
                // one by one
                "budgets": { "removal": { "per_tick": "10%" } },
            },
        });
        (self.spec)(&mut spec);
        let raw: RawFleetSpec = serde_json::from_value(spec).unwrap();
        FleetSpec::check(&raw).unwrap();
        Design {
            raw,
            capacity: 50.0,
            size: 9,
        }
    }

    /// Room for some of them, where a fleet asks for it.
    pub(crate) fn reservations(&self) -> Reservations {
        Reservations::any(&mut Chance::of(7, 4))
    }

    pub(crate) fn happens_at(&self, minute: u32, world: &mut World) {
        if BEFALLS_IN.contains(&minute) {
            (self.befalls)(world);
        }
    }
}
