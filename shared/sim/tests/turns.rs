//! Fleets that grow in the same minute take turns at what EC2 hears, and are not refused one by one.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its world should stop there")]

use std::collections::BTreeMap;

use ghostnet_sim::chance::Chance;
use ghostnet_sim::fault::Faults;
use ghostnet_sim::fleets::{Design, TYPES, ZONES, group};
use ghostnet_sim::load::Load;
use ghostnet_sim::log::Log;
use ghostnet_sim::run::Runner;
use ghostnet_sim::world::World;
use serde_json::json;

/// Launches that EC2 hears in one tick: five at once and then two a second, until half a minute before the function ends.
const HEARD: usize = 60;

/// New fleets of three, one in each zone: three launches each.
fn new_fleets(count: usize) -> Runner {
    let mut world = World::new(7, Faults::exactly(7, &BTreeMap::new()), Log::new(false));
    let subnets: Vec<String> = ZONES.iter().map(|zone| format!("subnet-{zone}")).collect();
    for number in 0..count {
        let name = format!("web{number}");
        let raw = serde_json::from_value(json!({
            "fleet": name,
            "defaults": {
                "capacity": { "min": 3, "max": 8 },
                "launch": { "template": { "name": "web" }, "subnets": subnets, "instance_types": TYPES },
                "warmup": "60s",
            },
            "pools": [{ "id": "blue", "target_groups": [group(&name, "blue").as_str()] }],
        }))
        .unwrap();
        let load = Load::through(vec![(0, 10.0)]).unwrap();
        world.apply(
            Design {
                raw,
                capacity: 50.0,
                size: 3,
            },
            load,
        );
    }
    Runner::new(world, Chance::of(7, 2))
}

#[test]
fn many_fleets_launch_as_fast_as_ec2_hears_them() {
    for fleets in [20, 100, 300] {
        let mut runner = new_fleets(fleets);
        let launched = |runner: &Runner| runner.world.borrow().cloud.ec2.machines.len();
        // the first tick comes with the first minute
        runner.storm(1);
        let ticks = (1..=60).find(|_| {
            runner.storm(1);
            launched(&runner) == 3 * fleets
        });
        assert!(
            ticks.is_some_and(|ticks| ticks <= (3 * fleets).div_ceil(HEARD)),
            "{fleets} fleets: {ticks:?} ticks"
        );
        assert!(runner.is_well());
    }
}
