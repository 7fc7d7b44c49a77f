//! What is sent, and what takes effect: windows, tokens, two phases, foreign things, caps.

use std::collections::BTreeMap;

use ghostnet_core::budget;
use ghostnet_core::id::{FleetId, InstanceId, PlanId, PoolId, ServiceId, StepId, TargetGroupArn};
use ghostnet_core::observation::Told;
use ghostnet_core::plan::{Action, Launch, Plan, STEP_SECONDS_MAX, Step};
use ghostnet_core::spec::{Attribute, FleetSpec, Rule};
use ghostnet_core::state::{Drain, DrainReason, Member};
use ghostnet_core::unit::{Moment, Seconds};
use ghostnet_engine::port::Announced;
use jiff::Timestamp;

use super::{Check, discovery, fence, specs_of, swap};
use crate::clock::{HOUR, MINUTE, Millis, SECOND, at};
use crate::hand::Hand;
use crate::world::{World, is_of};

/// A call that carries out a step.
#[derive(Debug, Clone, Copy)]
pub enum Sent<'a> {
    /// RunInstances.
    Launch(&'a Launch),
    /// RegisterTargets.
    Register(&'a TargetGroupArn, &'a [InstanceId]),
    /// DeregisterTargets.
    Deregister(&'a TargetGroupArn, &'a [InstanceId]),
    /// ModifyTargetGroupAttributes.
    Tune(&'a TargetGroupArn, &'a BTreeMap<Attribute, String>),
    /// RegisterInstance in Cloud Map: one of the instances of a step.
    Announce(&'a ServiceId, &'a Announced<'a>),
    /// DeregisterInstance in Cloud Map: one of the instances of a step.
    Withdraw(&'a ServiceId, &'a InstanceId),
    /// StartInstances.
    Start(&'a [InstanceId]),
    /// StopInstances.
    Stop(&'a [InstanceId]),
    /// CreateTags.
    Tag(&'a [InstanceId], Told),
    /// TerminateInstances.
    Terminate(&'a [InstanceId]),
}

impl Sent<'_> {
    fn carries_out(&self, action: &Action) -> bool {
        match (self, action) {
            (Self::Launch(sent), Action::Launch(launch)) => sent.token == launch.token,
            (Self::Register(arn, ids), Action::Register { group, instances })
            | (Self::Deregister(arn, ids), Action::Deregister { group, instances }) => *arn == group && *ids == instances.as_slice(),
            (Self::Tune(arn, sent), Action::Tune { group, set }) => *arn == group && *sent == set,
            (Self::Announce(to, announced), Action::Announce { service, addresses, port }) => {
                *to == service && announced.port == *port && addresses.get(announced.instance) == Some(&announced.address)
            }
            (Self::Withdraw(from, id), Action::Withdraw { service, instances }) => *from == service && instances.contains(id),
            (Self::Tag(ids, said), Action::Tag { instances, told }) => said == told && *ids == instances.as_slice(),
            (Self::Terminate(ids), Action::Terminate { instances })
            | (Self::Start(ids), Action::Start { instances, .. })
            | (Self::Stop(ids), Action::Stop { instances, .. }) => *ids == instances.as_slice(),
            _ => false,
        }
    }
}

/// I18: the call carries out a step of a plan that this invocation committed, inside its window, and nobody took the step over.
pub fn on_send(world: &mut World, hand: &Hand, sent: &Sent<'_>) {
    let now = world.now;
    let clock = at(now + hand.skew);
    let plans = world.watch.plans.get(&*hand.request);
    let fits = |plan: &&Plan| plan.steps.iter().any(|step| sent.carries_out(&step.action));
    let Some(plan) = plans.into_iter().flat_map(|plans| plans.values()).find(fits) else {
        let detail = format!("{sent:?} is in no plan that {} committed", hand.request);
        world.watch.add(Check::Window, now, detail);
        return;
    };
    let step = plan
        .steps
        .iter()
        .find(|step| sent.carries_out(&step.action))
        .map(|step: &Step| step.id.clone());
    let until = plan.execute_until;
    let Some(step) = step else { return };
    // a step that is one call for each instance has begun with the first of them, and ends in its time
    let later = match sent {
        Sent::Announce(..) | Sent::Withdraw(..) => STEP_SECONDS_MAX,
        _ => Seconds(0),
    };
    if !starts_in(clock, later.after(until)) {
        let detail = format!("{step} starts at {clock}, after its window ended at {until}");
        world.watch.add(Check::Window, now, detail);
        return;
    }
    let owner = world.watch.steps.get(&step).map(|step| step.owner.clone()).unwrap_or_default();
    if owner != *hand.request {
        let detail = format!("{step} is sent by {} and belongs to {owner}", hand.request);
        world.watch.add(Check::Window, now, detail);
    }
}

/// A clock that jumps between the look at it and the call is none of ours; they are the same moment here.
fn starts_in(clock: Timestamp, until: Timestamp) -> bool {
    clock <= until
}

/// Instances came of a launch.
pub fn on_launched(world: &mut World, launch: &Launch, instances: &[InstanceId], request: &str) {
    let Some(machine) = instances.first().and_then(|id| world.cloud.ec2.machines.get(id)) else {
        return;
    };
    let step = machine.tags.plan.clone().zip(machine.tags.step);
    let Some(id) = step.map(|(plan, number)| StepId { plan, number }) else {
        return;
    };
    let now = world.now;
    let count = u32::try_from(instances.len()).unwrap_or(u32::MAX);
    let Some(step) = world.watch.steps.get_mut(&id) else { return };
    step.launched = step.launched.saturating_add(count);
    let (fleet, pool) = (step.fleet.clone(), step.pool.clone());
    let (token, asked, launched) = (step.token.clone(), step.asked, step.launched);
    if token.as_ref() != Some(&launch.token) {
        let detail = format!("{id} was sent by {request} with another token than its own");
        world.watch.add(Check::Tokens, now, detail);
    } else if launched > asked {
        let detail = format!("{id} asked for {asked} and launched {launched}");
        world.watch.add(Check::NoDoubleLaunch, now, detail);
    }
    if world.watch.forgot_within(HOUR, now) {
        return;
    }
    let cap = bounds_of(world, &fleet, &pool).1;
    ceiling(world, &fleet, &pool);
    // counted by when they were committed, as the budget counts them
    let newest = world.watch.steps.get(&id).map_or_else(|| at(now), |step| step.at);
    let horizon = budget::HOUR.before(newest);
    let within = world
        .watch
        .steps
        .values()
        .filter(|step| step.fleet == fleet && step.pool == pool && step.at > horizon && step.at <= newest);
    let launched: u32 = within.map(|step| step.launched).fold(0, u32::saturating_add);
    if launched > cap {
        let detail = format!("{launched} launches of {fleet}/{pool} within an hour, more than {cap}");
        world.watch.add(Check::LaunchCap, now, detail);
    }
}

/// The largest maximum and the largest launch budget that a pool has, by the specs of which something may still land.
fn bounds_of(world: &World, fleet: &FleetId, pool: &PoolId) -> (u32, u32) {
    let pools = || specs_of(world, fleet).filter_map(|spec| spec.pool(pool));
    let max = pools().map(ghostnet_core::spec::PoolSpec::most).max().unwrap_or(0);
    (max, pools().map(|pool| pool.guards.launch_per_hour).max().unwrap_or(0))
}

/// I2: what runs or boots, whatever for, stays within maximum and surge.
fn ceiling(world: &mut World, fleet: &FleetId, pool: &PoolId) {
    let (max, _) = bounds_of(world, fleet, pool);
    let most = max.saturating_add((max / 10).max(1));
    let by_steps = world.alive(fleet, pool).filter(|machine| !machine.by_hand).count();
    if by_steps > usize::try_from(most).unwrap_or(usize::MAX) {
        let detail = format!("{by_steps} instances of {fleet}/{pool} exist, more than {max} and surge");
        world.watch.add(Check::Ceiling, world.now, detail);
    }
}

/// Instances are started.
pub fn on_started(world: &mut World, ids: &[InstanceId]) {
    let machines = || ids.iter().filter_map(|id| world.cloud.ec2.machines.get(id));
    let foreign = machines().find(|machine| machine.installation.as_ref() != Some(&world.installation));
    if let Some(id) = foreign.map(|machine| machine.id.clone()) {
        let detail = format!("{id} is started, and it is not ours");
        world.watch.add(Check::NothingForeign, world.now, detail);
        return;
    }
    let home = machines()
        .next()
        .and_then(|machine| machine.tags.fleet.clone().zip(machine.tags.pool.clone()));
    if let Some((fleet, pool)) = home.filter(|_| !world.watch.forgot_within(HOUR, world.now)) {
        ceiling(world, &fleet, &pool);
    }
}

/// Instances are stopped.
pub fn on_stopped(world: &mut World, ids: &[InstanceId], request: &str) {
    out_of_service(world, ids, request, "stops");
}

/// Instances are terminated.
pub fn on_terminated(world: &mut World, ids: &[InstanceId], request: &str) {
    out_of_service(world, ids, request, "terminates");
}

/// I4 and I17: only our own are ended or stopped, and only such as were taken out of service before.
fn out_of_service(world: &mut World, ids: &[InstanceId], request: &str, does: &str) {
    let now = world.now;
    for id in ids {
        let Some(machine) = world.cloud.ec2.machines.get(id) else {
            continue;
        };
        if !machine.exists(now) {
            continue;
        }
        let home = machine.tags.fleet.clone().zip(machine.tags.pool.clone());
        let Some((fleet, pool)) = home.filter(|_| machine.installation.as_ref() == Some(&world.installation)) else {
            world
                .watch
                .add(Check::NothingForeign, now, format!("{request} {does} {id}, which is not ours"));
            continue;
        };
        if world.watch.forgot_within(10 * MINUTE, now) {
            continue;
        }
        let decided = decided(world, &fleet, id, request);
        let end = End {
            fleet: &fleet,
            pool: &pool,
            id,
            stops: does == "stops",
            decided_at: decided.as_ref().map(|(_, at)| *at),
            decided_by: decided.map(|(plan, _)| plan),
        };
        if end.may_be_busy(world) {
            let detail = format!("{request} {does} {id} before it has finished and before its deadline");
            world.watch.add(Check::WaitsForWord, now, detail);
        }
        if let Some(fault) = end.unready(world) {
            world.watch.add(Check::TwoPhases, now, format!("{request} {does} {id} {fault}"));
        }
    }
}

/// Which decision a request carries out on an instance, and when it was made, by the clock of who made it.
fn decided(world: &World, fleet: &FleetId, id: &InstanceId, request: &str) -> Option<(PlanId, Timestamp)> {
    let plan = world.watch.plans.get(request)?.get(fleet)?;
    let step = plan.steps.iter().find(|step| step.action.instances().contains(&id))?;
    world.watch.steps.get(&step.id).map(|known| (step.id.plan.clone(), known.at))
}

/// An instance of ours is stopped or terminated.
pub(super) struct End<'a> {
    pub(super) fleet: &'a FleetId,
    pub(super) pool: &'a PoolId,
    pub(super) id: &'a InstanceId,
    stops: bool,
    decided_at: Option<Timestamp>,
    decided_by: Option<PlanId>,
}

impl End<'_> {
    fn member(&self, world: &World) -> Option<Member> {
        let state = world.table.fleets.get(self.fleet)?.capacity()?;
        state.pools.get(self.pool)?.members.get(self.id).cloned()
    }

    /// Whether one that is kept is stopped.
    fn is_of_kept(&self, member: &Member) -> bool {
        self.stops && member.is_warm()
    }

    /// The drain that comes before. Who was kept when its stop was decided may be drained since, as by a notice of AWS.
    fn drain(&self, member: &Member) -> Option<Drain> {
        let since = |drain: &Drain| self.decided_at.is_some_and(|at| Moment::from(at) <= drain.since);
        member.drain.filter(|drain| !(self.is_of_kept(member) && since(drain)))
    }

    /// Whether a drain's time is not over: neither by the world's clock, from which those of sandboxes differ by seconds, nor by
    /// that of who decided, if that one jumped.
    pub(super) fn is_early(&self, drain: Drain, now: Millis) -> bool {
        at(now + 10 * SECOND).max(self.decided_at.unwrap_or_default()) < drain.deadline.at()
    }

    /// Whether the pool waits for the instance's word, and it has neither said it nor run out of time.
    fn may_be_busy(&self, world: &World) -> bool {
        let spec = world.fleets.get(self.fleet).and_then(|fleet| fleet.spec.pool(self.pool));
        let machine = world.cloud.ec2.machines.get(self.id);
        let finished = machine.is_some_and(|machine| machine.worker.has_finished(world.now));
        let drain = self.member(world).and_then(|member| self.drain(&member));
        spec.is_some_and(|pool| pool.wait_for_tag) && !finished && drain.is_some_and(|drain| self.is_early(drain, world.now))
    }

    /// What stands against it; none: it was drained in an earlier commit and is out of every group.
    fn unready(&self, world: &World) -> Option<&'static str> {
        let now = world.now;
        let state = world.table.fleets.get(self.fleet)?.capacity()?;
        let member = state.pools.get(self.pool).and_then(|pool| pool.members.get(self.id));
        // who was seen gone meanwhile has no clocks any more
        let member = member.filter(|member| !member.gone)?;
        let targets = || world.cloud.groups.values().filter_map(|group| group.targets.get(self.id));
        let Some(drain) = self.drain(member) else {
            let registered = targets().any(|target| target.drained_at.is_none_or(|drained_at| now < drained_at));
            return match (self.is_of_kept(member), registered) {
                (true, true) => Some("while it is registered"),
                (true, false) => None,
                (false, _) => Some("without a recorded drain"),
            };
        };
        if self.decided_by.is_some() && self.decided_by.as_ref() == world.watch.drained.get(self.id).map(|(_, plan)| plan) {
            return Some("in the decision that drained it");
        }
        let in_a_group = targets().find_map(|target| match target.drained_at {
            None => Some("while it is registered"),
            Some(drained_at) if now < drained_at && self.is_early(drain, now) => Some("while it finishes requests"),
            Some(_) => None,
        });
        in_a_group.or_else(|| discovery::still_found(world, self, drain))
    }
}

/// Targets are deregistered.
pub fn on_deregistered(world: &mut World, arn: &TargetGroupArn, ids: &[InstanceId]) {
    let now = world.now;
    let Some(group) = world.cloud.groups.get(arn) else { return };
    let foreign = ids.iter().find(|id| {
        let theirs = group
            .targets
            .get(*id)
            .is_some_and(|target| !target.ours && target.drained_at.is_none());
        theirs && world.cloud.ec2.machines.get(*id).is_some_and(|machine| machine.exists(now))
    });
    if let Some(id) = foreign.cloned() {
        world.watch.add(
            Check::NothingForeign,
            now,
            format!("{id} is deregistered, and we did not register it"),
        );
    }
}

/// I3: whoever is deregistered leaves at least the minimum, by the truth and not by anybody's count of it. Who died or was taken out for
/// another reason while the decision was carried out was there when it was made.
pub fn on_left(world: &mut World, ids: &[InstanceId]) {
    let now = world.now;
    let home = ids
        .iter()
        .find_map(|id| world.cloud.ec2.machines.get(id))
        .and_then(|machine| machine.tags.fleet.clone().zip(machine.tags.pool.clone()));
    let Some((fleet, pool)) = home.filter(|_| !world.watch.forgot_within(HOUR, now)) else {
        return;
    };
    let Some(items) = world.table.fleets.get(&fleet).filter(|items| !items.spec.retiring) else {
        return;
    };
    let Some(state) = items.capacity().and_then(|state| state.pools.get(&pool)) else {
        return;
    };
    // a side that has given its groups to another one leaves as a whole, and goes on existing
    let spec = world.fleets.get(&fleet).map(|there| &there.spec);
    if spec.is_some_and(|spec| {
        spec.pool(&pool)
            .is_some_and(|pool| !swap::belongs(spec, Some(&items.traffic), pool) || fence::was_kept_out(world, &fleet, pool))
    }) {
        return;
    }
    let by_scale_in = |id: &&InstanceId| {
        let drain = state.members.get(*id).and_then(|member| member.drain);
        drain.is_none_or(|drain| drain.why == DrainReason::ScaleIn)
    };
    let machine = |id: &InstanceId| world.cloud.ec2.machines.get(id);
    let mut alive = ids.iter().filter(|id| machine(id).is_some_and(|machine| machine.is_alive(now)));
    if !alive.any(|id| by_scale_in(&id)) {
        return;
    }
    let stay = world.there(&fleet, &pool, state).count();
    let least = least_of(world, &fleet, &pool);
    if stay < usize::try_from(least).unwrap_or(usize::MAX) {
        let detail = format!("{stay} of {fleet}/{pool} stay, and the minimum is {least}");
        world.watch.add(Check::Floor, now, detail);
    }
}

/// The smallest minimum that a pool has, by the specs that hold or held until lately, whatever window is open.
fn least_of(world: &World, fleet: &FleetId, pool: &PoolId) -> u32 {
    let items = world.table.fleets.get(fleet).and_then(|items| items.capacity());
    let others = items.into_iter().flat_map(|state| &state.pools).filter(|(id, _)| *id != pool);
    let others = others.map(|(_, state)| state.desired).fold(0, u32::saturating_add);
    let least = |spec: &FleetSpec| {
        let there = spec.pool(pool)?;
        let bounds = there.policies.iter().filter_map(|policy| match &policy.rule {
            Rule::Scheduled(scheduled) => Some([scheduled.min, scheduled.max]),
            _ => None,
        });
        let least = bounds.flatten().flatten().fold(there.capacity.min, u32::min);
        Some(least.min(spec.maximum.saturating_sub(others)))
    };
    specs_of(world, fleet).filter_map(least).min().unwrap_or(0)
}

/// Targets are registered.
pub fn on_registered(world: &mut World, ids: &[InstanceId]) {
    let now = world.now;
    let ours = |id: &&InstanceId| {
        let machine = world.cloud.ec2.machines.get(*id);
        machine.is_some_and(|machine| {
            let home = machine.tags.fleet.as_ref().zip(machine.tags.pool.as_ref());
            home.is_some_and(|(fleet, pool)| is_of(machine, &world.installation, fleet, pool))
        })
    };
    let early = |id: &&InstanceId| {
        let machine = world.cloud.ec2.machines.get(*id)?;
        let (fleet, pool) = machine.tags.fleet.as_ref().zip(machine.tags.pool.as_ref())?;
        let spec = world.fleets.get(fleet)?.spec.pool(pool)?;
        (spec.ready_tag && !machine.worker.is_ready(now)).then_some(())
    };
    if let Some(id) = ids.iter().find(|id| early(id).is_some()).cloned() {
        world
            .watch
            .add(Check::EntersReady, now, format!("{id} is registered before it is ready"));
    }
    if let Some(id) = ids.iter().find(|id| !ours(id)).cloned() {
        world
            .watch
            .add(Check::NothingForeign, now, format!("{id} is registered, and it is not ours"));
    }
    let kept = |id: &&InstanceId| {
        let home = world
            .cloud
            .ec2
            .machines
            .get(*id)
            .and_then(|machine| machine.tags.fleet.clone().zip(machine.tags.pool.clone()));
        let state = home
            .as_ref()
            .and_then(|(fleet, pool)| world.table.fleets.get(fleet)?.capacity()?.pools.get(pool));
        state.and_then(|pool| pool.members.get(*id)).is_some_and(Member::is_warm)
    };
    // what was decided before the table was restored may land after it, and the table takes who was started for kept again
    let fresh = world.watch.forgot_within(5 * MINUTE, now);
    if let Some(id) = ids.iter().find(kept).filter(|_| !fresh).cloned() {
        world
            .watch
            .add(Check::WarmRests, now, format!("{id} is registered, and it is kept warm"));
    }
}
