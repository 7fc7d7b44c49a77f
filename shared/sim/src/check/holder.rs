//! I12 where an address or a line of a route table leads to one instance: to one of the side that takes the traffic.

use ghostnet_core::id::{FleetId, InstanceId, RouteId};
use ghostnet_core::spec::{FleetSpec, PoolSpec};
use ghostnet_core::state::{Stage, TrafficState};

use super::Check;
use crate::clock::{MINUTE, Millis, at};
use crate::to_instance::led_to;
use crate::world::World;

/// A side that was left so lately may still be led to by a call that was under way.
const ON_ITS_WAY: Millis = 2 * MINUTE;

/// Something was led to an instance: it is of the side that takes the traffic, or took it a moment ago.
pub(crate) fn on_led(world: &mut World, route: &RouteId, id: &InstanceId) {
    let names = |spec: &FleetSpec| spec.failover.as_ref().is_some_and(|failover| failover.routes().contains(route));
    let named = world.fleets.iter().find(|(_, fleet)| names(&fleet.spec));
    let Some((fleet, spec)) = named.map(|(id, fleet)| (id, &fleet.spec)) else {
        let detail = format!("{} is set, and no fleet names it", route.as_str());
        return world.watch.add(Check::NothingForeign, world.now, detail);
    };
    let Some(traffic) = world.table.fleets.get(fleet).map(|items| &items.traffic) else {
        return;
    };
    let is_left = |pool: &PoolSpec| {
        let moves = traffic.shift.as_ref().filter(|shift| shift.stage != Stage::Preparing);
        let lately = |moved: &jiff::Timestamp| *moved >= at(world.now - ON_ITS_WAY);
        let moved = traffic.moved.as_ref().filter(|moved| lately(&moved.at));
        let mut from = moves.map(|shift| &shift.from).into_iter().chain(moved.map(|moved| &moved.from));
        from.any(|from| *from == pool.id)
    };
    let side = spec.pools.iter().find(|pool| world.is_of_side(id, fleet, &pool.id));
    let belongs = side.is_some_and(|pool| pool.id == traffic.active || is_left(pool));
    if !belongs && !world.watch.forgot_within(ON_ITS_WAY, world.now) {
        let detail = format!(
            "{fleet}: {} leads to {id}, and {} takes the traffic",
            route.as_str(),
            traffic.active
        );
        world.watch.add(Check::OneActive, world.now, detail);
    }
}

/// In calm everything leads to an instance of the side that takes the traffic, which runs. Whether it answers nobody says without a balancer.
pub(super) fn judge(world: &World, id: &FleetId, spec: &FleetSpec, traffic: &TrafficState, found: &mut Vec<(Check, String)>) {
    let Some(failover) = spec.failover.as_ref().filter(|failover| failover.leads_to_instance()) else {
        return;
    };
    if world.alive(id, &traffic.active).next().is_none() {
        return;
    }
    for route in failover.routes() {
        let led = world.read_led(route).as_ref().and_then(led_to);
        let mut there = world.alive(id, &traffic.active);
        if !there.any(|machine| led.as_ref() == Some(&machine.id)) {
            let told = led.as_ref().map_or("nobody", InstanceId::as_str);
            found.push((Check::Converges, format!("{id}: {} leads to {told}", route.as_str())));
        }
    }
}
