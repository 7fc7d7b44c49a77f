//! I29: where only one side may ever serve, none is let in while anybody of another one is in.

use ghostnet_core::id::{FleetId, RouteId, TargetGroupArn};
use ghostnet_core::observation::InstanceState;
use ghostnet_core::plan::Action;
use ghostnet_core::spec::{Failover, Fencing, FleetSpec, PoolSpec};
use ghostnet_core::state::{Routing, TrafficState};
use ghostnet_engine::port::Commit;

use super::Check;
use crate::clock::{MINUTE, Millis};
use crate::cloud::ec2::Machine;
use crate::world::World;

/// What a person brings in between a look and what is done by it was seen by nobody.
const KNOWN_WITHIN: Millis = 2 * MINUTE;
/// What was sent while a side was kept out lands within this.
const LANDS_WITHIN: Millis = 2 * MINUTE;

/// A rule was set: whoever it sends something to now, and did not before, is the only side that is in.
pub(super) fn on_set(world: &mut World, rule: &RouteId, before: &Routing) {
    let mut found = Vec::new();
    for (id, fleet) in &world.fleets {
        let failover = fleet.spec.failover.as_ref().filter(|failover| failover.routes().contains(rule));
        let fenced = failover.and_then(|failover| failover.fencing);
        let traffic = world.table.fleets.get(id).map(|items| &items.traffic);
        let (Some(fencing), Some(traffic), Some(now)) = (fenced, traffic, world.cloud.rules.get(rule)) else {
            continue;
        };
        // after something else has answered, the side that served last is no other one
        let last = world.watch.sides.writers.get(rule);
        let is_let_in =
            |side: &&PoolSpec| side.weight_in(&now.weights) > 0 && side.weight_in(&before.weights) == 0 && last != Some(&side.id);
        for side in fleet.spec.pools.iter().filter(is_let_in).filter(|_| !is_forced(traffic)) {
            let others = fleet.spec.pools.iter().filter(|other| other.id != side.id);
            for (other, fault) in others.filter_map(|other| Some((other, who_is_in(world, id, other, fencing)?))) {
                let detail = format!("{id}: {} is let in, and of {} {fault}", side.id, other.id);
                found.push(detail);
            }
        }
    }
    for detail in found {
        world.watch.add(Check::SingleWriter, world.now, detail);
    }
    note(world);
}

/// Whether a person has taken it on that two sides may serve. An undo passes over the gate, and not over this.
fn is_forced(traffic: &TrafficState) -> bool {
    let under_way = traffic.shift.as_ref().map(|shift| &shift.why);
    let last = traffic.moved.as_ref().map(|moved| &moved.why);
    let undoes = traffic.fence.as_ref().is_some_and(|fence| fence.undo);
    !undoes && under_way.or(last).is_some_and(ghostnet_core::state::ShiftReason::is_forced)
}

/// Who of a side is in, by the truth; none: nobody is.
fn who_is_in(world: &World, id: &FleetId, side: &PoolSpec, fencing: Fencing) -> Option<String> {
    let now = world.now;
    let is_over = |machine: &Machine| machine.state(now) == InstanceState::Terminated || machine.rests(now);
    let is_dead = |id| world.cloud.ec2.machines.get(id).is_none_or(is_over);
    for group in side.target_groups.iter().filter_map(|group| world.cloud.groups.get(group)) {
        let stays = |target: &crate::cloud::elb::Registration| {
            let is_known = target.ours || now - target.since > KNOWN_WITHIN;
            is_known && target.drained_at.is_none_or(|drained_at| now < drained_at)
        };
        let mut targets = group.targets.iter();
        if let Some((id, target)) = targets.find(|(id, target)| stays(target) && !is_dead(*id)) {
            let does = if target.drained_at.is_some() {
                "finishes requests"
            } else {
                "is registered"
            };
            return Some(format!("{id} {does}"));
        }
    }
    let mut running = world.alive(id, &side.id);
    let is_known = |machine: &&Machine| !machine.by_hand || now - machine.launched_at > KNOWN_WITHIN;
    let running = running.find(|machine| fencing.stop && is_known(machine));
    running.map(|machine| format!("{} runs", machine.id))
}

/// A decision registers, launches or starts: not where a side is kept out.
pub(super) fn on_committed(world: &World, commit: &Commit, spec: &FleetSpec, found: &mut Vec<(Check, String)>) {
    let traffic = world.table.fleets.get(&commit.fleet).map(|items| &items.traffic);
    let retires = commit.record.inputs.as_ref().is_some_and(|inputs| inputs.retiring);
    let asks_for_it = spec.failover.as_ref().is_some_and(|failover| failover.fencing.is_some());
    let Some(traffic) = traffic.filter(|_| asks_for_it && !retires) else {
        return;
    };
    for step in commit.record.plan.steps.iter().filter(|step| traffic.is_fenced(&step.pool)) {
        if matches!(step.action, Action::Register { .. } | Action::Launch(_) | Action::Start { .. }) {
            let detail = format!(
                "{}: {} would bring somebody to {}, which is kept out",
                commit.fleet, step.id, step.pool
            );
            found.push((Check::SingleWriter, detail));
        }
    }
}

/// In calm nobody is kept out.
pub(super) fn judge(id: &FleetId, traffic: &TrafficState, found: &mut Vec<(Check, String)>) {
    if let Some(fence) = &traffic.fence {
        let detail = format!(
            "{id}: {} is kept out, {} of {} are out, and it does not end",
            fence.pool, fence.out, fence.of
        );
        found.push((Check::Converges, detail));
    }
}

/// Notes who is kept out now, and which side each rule sends something, where it is one.
pub(super) fn note(world: &mut World) {
    let now = world.now;
    let mut writers = Vec::new();
    for fleet in world.fleets.values() {
        let failover = fleet.spec.failover.iter().filter(|failover| failover.fencing.is_some());
        for rule in failover.flat_map(Failover::routes) {
            let Some(routing) = world.cloud.rules.get(rule) else { continue };
            let mut served = fleet.spec.pools.iter().filter(|side| side.weight_in(&routing.weights) > 0);
            if let (Some(side), None) = (served.next(), served.next()) {
                writers.push((rule.clone(), side.id.clone()));
            }
        }
    }
    world.watch.sides.writers.extend(writers);
    let fenced = |(id, items): (&FleetId, &crate::table::Items)| Some((id.clone(), items.traffic.fence.as_ref()?.pool.clone()));
    let fenced: Vec<_> = world.table.fleets.iter().filter_map(fenced).collect();
    for side in fenced {
        world.watch.sides.fenced.insert(side, now);
    }
}

/// Whether a side is kept out, or was until lately: what takes it out may still land.
pub(super) fn was_kept_out(world: &World, id: &FleetId, side: &PoolSpec) -> bool {
    let lately = world.watch.sides.fenced.get(&(id.clone(), side.id.clone()));
    lately.is_some_and(|lately| world.now - lately <= LANDS_WITHIN)
}

impl World {
    /// Whether a group is one of a side that is kept out.
    pub(crate) fn is_of_fenced(&self, group: &TargetGroupArn) -> bool {
        self.fleets.iter().any(|(id, fleet)| {
            let traffic = self.table.fleets.get(id).map(|items| &items.traffic);
            let mut sides = fleet
                .spec
                .pools
                .iter()
                .filter(|side| traffic.is_some_and(|traffic| traffic.is_fenced(&side.id)));
            sides.any(|side| side.target_groups.contains(group))
        })
    }

    /// A person takes what nobody of ours registered out of the groups of sides of which only one may serve: an alert named it.
    pub(crate) fn take_strangers_out(&mut self) {
        let fenced = |failover: &Failover| failover.fencing.is_some();
        let fleets = self
            .fleets
            .values()
            .filter(|fleet| fleet.spec.failover.as_ref().is_some_and(fenced));
        let groups: Vec<TargetGroupArn> = fleets
            .flat_map(|fleet| fleet.spec.pools.iter().flat_map(|pool| pool.target_groups.clone()))
            .collect();
        for group in groups {
            if let Some(group) = self.cloud.groups.get_mut(&group) {
                group.targets.retain(|_, target| target.ours);
            }
        }
    }
}
