//! What was committed: judged from the record alone, by arithmetic of its own.

use std::collections::BTreeSet;

use ghostnet_core::decide::{PoolDecision, decide};
use ghostnet_core::failover::enrolled;
use ghostnet_core::id::{InstanceId, PolicyId};
use ghostnet_core::observation::InstanceState;
use ghostnet_core::operator::Wish;
use ghostnet_core::plan::{Action, CLOCK_SKEW_MAX};
use ghostnet_core::reason::Finding;
use ghostnet_core::record::{Inputs, decision_digest};
use ghostnet_core::signal::{EVENT_AGE_MAX, Signal};
use ghostnet_core::spec::{FleetMode, FleetSpec, OpenWindow, PoolSpec, Rule, Scheduled};
use ghostnet_core::state::{DrainReason, Member, PoolState, RenewReason};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::Commit;
use jiff::Timestamp;

use super::{Check, Removal, Watch, evidence, fence, learning, mix, order, pace, same_size, spend, swap, tuning};
use crate::clock::{HOUR, MINUTE, at};
use crate::world::World;

/// One commit in this many is replayed through its JSON form, as the table would keep it.
const THROUGH_JSON_ONE_IN: u64 = 16;

/// A pool's part of a commit, with everything that a check needs.
pub(super) struct Judged<'a> {
    pub(super) commit: &'a Commit,
    pub(super) inputs: &'a Inputs,
    pub(super) spec: &'a FleetSpec,
    pub(super) pool: &'a PoolSpec,
    pub(super) decided: &'a PoolDecision,
    pub(super) loaded: Option<&'a PoolState>,
    pub(super) next: &'a PoolState,
    /// Scheduled policies whose window is open.
    pub(super) windows: Vec<(&'a Scheduled, OpenWindow, &'a PolicyId)>,
}

impl<'a> Judged<'a> {
    /// Scheduled policies whose window is open.
    pub(super) fn windows(&self) -> impl Iterator<Item = &'a Scheduled> + Clone + '_ {
        self.windows.iter().map(|(scheduled, _, _)| *scheduled)
    }

    /// The pool's bounds, as open windows move them.
    pub(super) fn bounds(&self) -> (u32, u32) {
        bounds(self.pool, self.windows())
    }

    /// What the fleet's maximum leaves for the pool, by whichever of the others' sizes is the larger.
    pub(super) fn room(&self) -> u32 {
        let others = self.commit.record.pools.iter().filter(|(id, _)| **id != self.pool.id);
        let wanted = others.map(|(_, other)| other.after.max(other.before)).fold(0, u32::saturating_add);
        self.spec.maximum.saturating_sub(wanted)
    }

    /// How many begin to leave for such a reason.
    pub(super) fn begun(&self, why: impl Fn(DrainReason) -> bool) -> u32 {
        count(self.who_begins(why).count())
    }

    /// Who begins to leave for such a reason.
    fn who_begins(&self, why: impl Fn(DrainReason) -> bool) -> impl Iterator<Item = &'a InstanceId> {
        let loaded = self.loaded;
        let before = move |id: &InstanceId| loaded.and_then(|pool| pool.members.get(id)?.drain).is_some();
        let begins = move |(id, member): &(&InstanceId, &Member)| member.drain.is_some_and(|drain| why(drain.why)) && !before(id);
        self.next.members.iter().filter(begins).map(|(id, _)| id)
    }
}

/// A pool's bounds, as its open windows move them.
pub(super) fn bounds<'a>(pool: &PoolSpec, windows: impl Iterator<Item = &'a Scheduled> + Clone) -> (u32, u32) {
    let max = windows.clone().filter_map(|window| window.max).max().unwrap_or(pool.capacity.max);
    let min = windows.filter_map(|window| window.min).max().unwrap_or(pool.capacity.min);
    (min.min(max), max)
}

pub(super) fn open_windows(pool: &PoolSpec, now: Timestamp) -> Vec<(&Scheduled, OpenWindow, &PolicyId)> {
    let open = pool.policies.iter().filter_map(|policy| match &policy.rule {
        Rule::Scheduled(scheduled) => Some((scheduled, scheduled.schedule.open_window(now)?, &policy.id)),
        _ => None,
    });
    open.collect()
}

pub(super) fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

/// Judges a commit.
pub(super) fn judge(world: &mut World, commit: &Commit) {
    let now = world.now;
    let mut found: Vec<(Check, String)> = Vec::new();
    if commit.record.id != commit.record.plan.id || commit.record.pools.is_empty() {
        found.push((Check::OnRecord, format!("the record {} is not that of its plan", commit.record.id)));
    }
    let Some(inputs) = &commit.record.inputs else {
        world
            .watch
            .add(Check::OnRecord, now, format!("the record {} has no inputs", commit.record.id));
        return;
    };
    let checked;
    let spec = match world.fleets.get(&commit.fleet) {
        Some(fleet)
            if world
                .table
                .fleets
                .get(&commit.fleet)
                .is_some_and(|items| items.spec.version == inputs.spec_version)
                && !world.watch.forgot_within(i64::MAX, now) =>
        {
            &fleet.spec
        }
        _ => match FleetSpec::check(&inputs.spec) {
            Ok(spec) => {
                checked = spec;
                &checked
            }
            Err(_) => {
                world.watch.add(Check::Replay, now, "the recorded spec cannot be read".to_owned());
                return;
            }
        },
    };
    let written = spec;
    let by_tuning = tuning::on_committed(commit, written, inputs, &mut found);
    let spec = by_tuning.as_ref().unwrap_or(written);
    let enrolled = enrolled(spec, &inputs.traffic);
    let spec = enrolled.as_ref().unwrap_or(spec);
    old_event(commit, inputs, &mut found);
    old_request(commit, inputs, &mut found);
    swap::on_committed(world, commit, spec, &mut found);
    fence::on_committed(world, commit, spec, &mut found);
    let (mut removals, mut changes) = (Vec::new(), Vec::new());
    spend::count(&mut world.watch.spent, spec, inputs);
    let tally = world.watch.spent.get(&spec.id).copied().filter(|_| !world.watch.was_restored());
    for pool in &spec.pools {
        let (Some(decided), Some(next)) = (commit.record.pools.get(&pool.id), commit.state.pools.get(&pool.id)) else {
            continue;
        };
        let judged = Judged {
            commit,
            inputs,
            spec,
            pool,
            decided,
            loaded: inputs.state.pools.get(&pool.id),
            next,
            windows: open_windows(pool, inputs.now),
        };
        ceiling(&judged, &mut found);
        floor(&judged, &mut found);
        mode_holds(&judged, &mut found);
        protected_stays(world, &judged, &mut found);
        launch_first(world, &judged, &mut found);
        sick_is_sick(world, &judged, &mut found);
        zone_holds(world, &judged, &mut found);
        spend::judge(&judged, tally.as_ref(), &mut found);
        evidence::judge(world, &judged, &mut found);
        same_size::judge(&judged, &mut found);
        learning::judge(world, &judged, &mut found);
        mix::judge(world, &judged, &mut found);
        order::judge(&judged, &mut found);
        if !inputs.retiring {
            window_removals(&judged, &mut world.watch, &mut found);
        }
        changes.push((pool.id.clone(), pace::changes(&judged)));
        let removed = judged.begun(|why| why != DrainReason::Interrupted);
        if removed > 0 && !inputs.retiring {
            removals.push((pool.id.clone(), pool.guards.removal_per_tick, removed, decided.before));
        }
    }
    // after the decision itself, so that what is wrong with that is said first
    replay(world, commit, inputs, written, &mut found);
    for (pool, changes) in changes {
        pace::judge(world, commit, &pool, changes);
    }
    for (pool, budget, removed, size) in removals {
        let key = (commit.fleet.clone(), pool.clone());
        let before = world.watch.removals.entry(key).or_default();
        let at = commit.record.at;
        let within = || before.iter().filter(|removal| is_within(removal.at, at));
        let total = within().map(|removal| removal.count).fold(removed, u32::saturating_add);
        let largest = within().map(|removal| removal.size).fold(size, u32::max);
        if total > budget.of(largest) {
            let detail = format!("{total} of {pool} leave within a minute, more than {}", budget.of(largest));
            found.push((Check::RemovalBudget, detail));
        }
        before.push(Removal { at, count: removed, size });
    }
    for (check, detail) in found {
        world.watch.add(check, now, format!("{}: {detail}", commit.fleet));
    }
}

/// Who scale-in drains, or is replaced for a reason that can wait, counted over the whole of each removal window that is open.
fn window_removals(judged: &Judged<'_>, watch: &mut Watch, found: &mut Vec<(Check, String)>) {
    let marked = |id: &InstanceId| {
        let renews = |finding: &Finding| match finding {
            Finding::Renews { instance, why } if instance == id => Some(*why),
            _ => None,
        };
        judged.decided.findings.iter().find_map(renews)
    };
    let before = |id: &InstanceId| judged.loaded.and_then(|pool| pool.members.get(id)?.renew);
    let why = |id: &InstanceId| marked(id).or_else(|| before(id));
    let waits = |id: &InstanceId| why(id).is_none_or(RenewReason::can_wait);
    let replaced = judged.who_begins(|why| why == DrainReason::Renewed).filter(|id| waits(id));
    let removed = judged
        .begun(|why| why == DrainReason::ScaleIn)
        .saturating_add(count(replaced.count()));
    let openings: BTreeSet<(Timestamp, u32)> = judged
        .spec
        .removal_windows
        .iter()
        .filter_map(|window| Some((window.schedule.open_window(judged.inputs.now)?.since, window.max)))
        .collect();
    for (since, max) in openings.into_iter().filter(|_| removed > 0) {
        let key = (judged.commit.fleet.clone(), judged.pool.id.clone(), since, max);
        let total = watch.window_removals.entry(key).or_default();
        *total = total.saturating_add(removed);
        if *total > max {
            let detail = format!(
                "{total} of {} left in the window that opened at {since} and allows {max}",
                judged.pool.id
            );
            found.push((Check::RemovalWindow, detail));
        }
    }
}

/// Whether two commits fall into one minute of budget, as every clock involved sees it: clocks differ by some seconds.
fn is_within(earlier: Timestamp, later: Timestamp) -> bool {
    Seconds::between(earlier, later).0 < 60 - CLOCK_SKEW_MAX.0
}

fn replay(world: &World, commit: &Commit, inputs: &Inputs, spec: &FleetSpec, found: &mut Vec<(Check, String)>) {
    let digest = |inputs: &Inputs| decision_digest(&decide(&inputs.situation(spec))).unwrap_or_default();
    let through_json = || {
        let text = serde_json::to_string(inputs).ok()?;
        let read: Inputs = serde_json::from_str(&text).ok()?;
        Some(digest(&read))
    };
    let again = if world.counters.decisions.is_multiple_of(THROUGH_JSON_ONE_IN) {
        through_json().unwrap_or_default()
    } else {
        digest(inputs)
    };
    if again != commit.record.decision_digest {
        found.push((
            Check::Replay,
            format!("{} decides otherwise when it is decided again", commit.record.id),
        ));
    }
}

fn old_event(commit: &Commit, inputs: &Inputs, found: &mut Vec<(Check, String)>) {
    let Signal::Interruption(notice) = &inputs.signal else { return };
    if Seconds::between(notice.at, inputs.now) <= EVENT_AGE_MAX {
        return;
    }
    let taken = |state: &ghostnet_core::state::CapacityState| {
        let member = state.pools.values().find_map(|pool| pool.members.get(&notice.instance));
        member
            .and_then(|member| member.drain)
            .is_some_and(|drain| drain.why == DrainReason::Interrupted)
    };
    if taken(&commit.state) && !taken(&inputs.state) {
        found.push((
            Check::OldEvent,
            format!("{} leaves because of a notice from {}", notice.instance, notice.at),
        ));
    }
}

/// What an operator asks holds only if it was asked lately, and after whatever was asked before.
fn old_request(commit: &Commit, inputs: &Inputs, found: &mut Vec<(Check, String)>) {
    for (pool, next) in &commit.state.pools {
        let before = inputs.state.pools.get(pool).and_then(|pool| pool.asked.as_ref());
        let Some(asked) = next.asked.as_ref().filter(|asked| before != Some(asked)) else {
            continue;
        };
        let is_requested = matches!(&inputs.signal, Signal::OperatorRequest(request) if request.asked == *asked);
        let is_late = Seconds::between(asked.at, inputs.now) > EVENT_AGE_MAX;
        if !is_requested || is_late || before.is_some_and(|before| before.at >= asked.at) {
            found.push((Check::OldEvent, format!("{pool} heeds what was asked at {}", asked.at)));
        }
    }
    old_refresh(commit, inputs, found);
}

/// The same of refreshes, which remember themselves who asked last.
fn old_refresh(commit: &Commit, inputs: &Inputs, found: &mut Vec<(Check, String)>) {
    for (pool, next) in &commit.state.pools {
        let last = |pool: &PoolState| pool.refresh.as_ref().and_then(|refresh| refresh.last.clone());
        let before = inputs.state.pools.get(pool).and_then(last);
        let Some(asked) = last(next).filter(|asked| before.as_ref() != Some(asked)) else {
            continue;
        };
        let is_requested = matches!(&inputs.signal, Signal::OperatorRequest(request)
            if matches!(request.asked.wish, Wish::Refresh(_)) && request.asked.at == asked.at);
        let is_late = Seconds::between(asked.at, inputs.now) > EVENT_AGE_MAX;
        if !is_requested || is_late || before.is_some_and(|before| before.at >= asked.at) {
            found.push((Check::OldEvent, format!("{pool} refreshes as was asked at {}", asked.at)));
        }
    }
}

/// I2, at the commit: with what is launched now, neither capacity nor everything together is above its bound.
fn ceiling(judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    let steps = judged.commit.record.plan.steps.iter().filter(|step| step.pool == judged.pool.id);
    let new: Vec<&Action> = steps
        .filter(|step| step.id.plan == judged.commit.record.plan.id)
        .map(|step| &step.action)
        .collect();
    let kept = new.iter().map(|action| match action {
        Action::Launch(launch) if launch.warm => launch.count,
        _ => 0,
    });
    let kept = kept.fold(0, u32::saturating_add);
    let launched = new.iter().map(|action| action.brings()).fold(0, u32::saturating_add);
    let (_, max) = judged.bounds();
    let capacity = judged.decided.counts.lasting().saturating_add(launched);
    let stock = judged.decided.counts.warm.saturating_add(judged.decided.counts.preparing);
    if kept > 0 && judged.decided.counts.capacity().saturating_add(stock).saturating_add(kept) > max {
        found.push((
            Check::Ceiling,
            format!("{kept} more to be kept warm beside {stock}, and the maximum is {max}"),
        ));
    }
    let all = judged.decided.counts.all().saturating_add(launched).saturating_add(kept);
    if launched > 0 && (capacity > max || all > max.saturating_add((max / 10).max(1))) {
        let detail = format!("{launched} launches make {capacity} instances, {all} with those that leave, and the maximum is {max}");
        found.push((Check::Ceiling, detail));
    }
}

/// I24: while traffic is shifted away from a zone in which one of the pool's targets is, nobody leaves by scale-in.
fn zone_holds(world: &World, judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    let asked = judged
        .next
        .asked
        .as_ref()
        .is_some_and(|asked| asked.in_force(judged.inputs.now).is_some());
    let removed = judged.begun(|why| why == DrainReason::ScaleIn);
    if removed == 0 || asked || judged.inputs.retiring {
        return;
    }
    let groups = judged.pool.target_groups.iter();
    let mut targets = groups.filter_map(|group| judged.inputs.observation.targets.get(group)).flatten();
    let known = |id: &InstanceId| judged.loaded.is_some_and(|pool| pool.members.contains_key(id));
    let shifted = targets.find(|target| known(&target.instance) && world.cloud.is_shifted(&target.instance, world.now));
    if let Some(target) = shifted.filter(|target| target.shifted) {
        found.push((
            Check::ZoneHolds,
            format!("{removed} leave while the zone of {} takes no traffic", target.instance),
        ));
    }
}

/// I23: who leaves as sick was ailing, or had been until a moment ago. A sandbox whose clock is off by more than clocks may be
/// takes every heartbeat for an old one.
fn sick_is_sick(world: &World, judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    if Seconds::between(judged.inputs.now, at(world.now)).max(Seconds::between(at(world.now), judged.inputs.now)) > Seconds::minutes(1) {
        return;
    }
    let listed = |id: &InstanceId| {
        judged
            .inputs
            .observation
            .instances
            .iter()
            .flatten()
            .find(|instance| instance.id == *id)
    };
    for id in judged.who_begins(|why| matches!(why, DrainReason::Unhealthy | DrainReason::Kept)) {
        let machine = world.cloud.ec2.machines.get(id);
        // who is at rest and is still listed as running is as silent as one that hangs
        let runs = listed(id).is_some_and(|instance| instance.state == InstanceState::Running);
        let is_late = runs && machine.is_some_and(|machine| machine.stopped_at.is_some() && !machine.is_alive(world.now));
        if !is_late && machine.is_some_and(|machine| machine.exists(world.now) && !machine.ails(world.now)) {
            found.push((Check::SickIsSick, format!("{id} leaves as sick, and nothing ails it")));
        }
    }
}

/// Who leaves because fewer are wanted, or to be replaced.
fn is_wanted(why: DrainReason) -> bool {
    matches!(why, DrainReason::ScaleIn | DrainReason::Renewed)
}

/// The mode is that of the spec in force.
fn mode_holds(judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    let plan = &judged.commit.record.plan;
    let begun = plan.steps.iter().filter(|step| step.id.plan == plan.id).count();
    let leave = judged.begun(is_wanted);
    match judged.spec.mode {
        FleetMode::RecommendOnly | FleetMode::Paused if begun > 0 => {
            found.push((Check::ModeHolds, format!("{begun} steps begin in mode {:?}", judged.spec.mode)));
        }
        FleetMode::OutOnly if leave > 0 && !judged.inputs.retiring => {
            found.push((Check::ModeHolds, format!("{leave} leave {}, which only grows", judged.pool.id)));
        }
        _ => {}
    }
}

/// By the instance's tags, once lists must show them.
fn protected_stays(world: &World, judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    for id in judged.who_begins(is_wanted) {
        let machine = world.cloud.ec2.machines.get(id);
        if machine.is_some_and(|machine| machine.is_protected(world.now) && machine.was_protected(world.now - 6 * MINUTE)) {
            found.push((Check::ProtectedStays, format!("{id} leaves, and it is protected")));
        }
    }
}

/// I3, at the commit: who is well and leaves has been replaced.
fn launch_first(world: &World, judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    let renewed = judged.begun(|why| why == DrainReason::Renewed);
    let counts = &judged.decided.counts;
    if renewed > 0 && !world.watch.forgot_within(HOUR, world.now) {
        let serve = world.there(&judged.commit.fleet, &judged.pool.id, judged.next);
        let serve = count(serve.filter(|machine| world.served_lately(machine, judged.pool)).count());
        if serve < judged.decided.after {
            let detail = format!(
                "{renewed} are replaced, {serve} others truly serve, and {} are wanted",
                judged.decided.after
            );
            found.push((Check::LaunchFirst, detail));
        }
    }
    let others = counts.in_service.saturating_sub(renewed);
    if renewed > 0 && others < judged.decided.after {
        let detail = format!(
            "{renewed} are replaced, {others} others serve, and {} are wanted",
            judged.decided.after
        );
        found.push((Check::LaunchFirst, detail));
    }
}

/// I3, at the commit: who scale-in drains leaves at least the minimum.
fn floor(judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    let removed = judged.begun(|why| why == DrainReason::ScaleIn);
    if removed == 0 || judged.inputs.retiring {
        return;
    }
    let min = judged.bounds().0.min(judged.room());
    let left = judged.decided.counts.lasting().saturating_sub(removed);
    if left < min {
        found.push((Check::Floor, format!("{removed} leave, {left} stay, and the minimum is {min}")));
    }
}
