//! `core::size` as the backtester calls it, with counts and nothing else, against what `reconcile` decided.

use std::collections::BTreeMap;

use ghostnet_core::decide::{Flow, look_ahead};
use ghostnet_core::failover::{ready_floor, reserve_of, rests};
use ghostnet_core::id::{InstanceId, PolicyId};
use ghostnet_core::policy::simple::Waits;
use ghostnet_core::reason::{Finding, Guard};
use ghostnet_core::size::{SizeInput, size};
use ghostnet_core::spec::{OpenWindow, PoolSpec};
use ghostnet_core::state::{Member, PoolState, Warm, WarmPhase};
use ghostnet_core::unit::Moment;
use ghostnet_core::{adoption, budget};

use super::Check;
use super::decision::{Judged, bounds, open_windows};

pub(super) fn judge(judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    if is_held(judged) {
        if judged.decided.before != judged.decided.after {
            let (pool, before, after) = (&judged.pool.id, judged.decided.before, judged.decided.after);
            found.push((
                Check::SameSize,
                format!("{pool} goes from {before} to {after}, and nobody can count it"),
            ));
        }
        return;
    }
    let (inputs, none) = (judged.inputs, BTreeMap::new());
    let mut state = PoolState {
        members: BTreeMap::new(),
        // a request is heard before the pool is sized
        asked: judged.next.asked.clone(),
        // and so are zones watched
        zones_out: judged.next.zones_out.clone(),
        ..judged
            .loaded
            .cloned()
            .unwrap_or_else(|| PoolState::new(judged.pool.capacity.initial))
    };
    // and so is what was handed over, with the size that it needs
    adoption::raise(&mut state, judged.decided.before, &judged.pool.guards, inputs.now);
    let pause = inputs.state.pause.as_ref().filter(|pause| inputs.now < pause.until);
    let flow = Flow::of(&members(judged), judged.next.last_drain, inputs.now);
    let windows = windows(judged);
    let counted = size(&SizeInput {
        counts: judged.decided.counts,
        range: judged.pool.capacity,
        market: &judged.pool.launch.market,
        policies: &judged.pool.policies,
        reserve: &reserve_of(judged.spec, &inputs.traffic, judged.pool, inputs.now),
        guards: &judged.pool.guards,
        mode: judged.spec.mode,
        paused_until: pause.map(|pause| pause.until),
        retiring: inputs.retiring,
        traffic_floor: inputs.traffic.floors.get(&judged.pool.id).copied().unwrap_or(0),
        ready_floor: ready_floor(judged.spec, &inputs.state, &inputs.traffic, judged.pool),
        rests: rests(judged.spec, &inputs.traffic, judged.pool, inputs.now),
        measures_another: !judged.pool.left_groups.is_empty(),
        room: room(judged),
        spend_room: judged.decided.spend_room,
        series: inputs.observation.series.get(&judged.pool.id).unwrap_or(&none),
        ahead: &look_ahead(&inputs.observation, judged.pool, inputs.now),
        windows: &windows,
        flow: &flow,
        window_removals: budget::window_removals_left(&judged.spec.open_removal_windows(inputs.now), &state),
        state: &state,
        waits: Waits::of(judged.pool),
        now: inputs.now,
    });
    if counted.desired != judged.decided.after {
        let (pool, after) = (&judged.pool.id, judged.decided.after);
        found.push((
            Check::SameSize,
            format!("{pool}: `size` counts {} and `reconcile` decided {after}", counted.desired),
        ));
    }
}

/// A pool that nobody can count keeps its size, whatever the votes.
fn is_held(judged: &Judged<'_>) -> bool {
    let uncounted = |finding: &Finding| matches!(finding, Finding::InstancesUnknown | Finding::UnknownInstances { .. });
    judged.decided.findings.iter().any(uncounted)
        || judged
            .decided
            .guards
            .iter()
            .any(|outcome| matches!(outcome.guard, Guard::Staleness | Guard::Fenced))
}

/// The members as they were sized: those that the decision took back afterwards were leaving then, and those that it started or took in
/// were kept.
fn members(judged: &Judged<'_>) -> BTreeMap<InstanceId, Member> {
    let told = |named: &dyn Fn(&Finding) -> bool| judged.decided.findings.iter().any(named);
    let taken_back = |id: &InstanceId| told(&|finding| matches!(finding, Finding::TakenBack { instance } if instance == id));
    let taken_in = |id: &InstanceId| told(&|finding| matches!(finding, Finding::TakenIn { instance } if instance == id));
    let now = Moment::from(judged.inputs.now);
    let starts = |warm: Warm| warm.phase == WarmPhase::Starting && warm.since == now;
    let sized = |(id, member): (&InstanceId, &Member)| {
        let mut sized = member.clone();
        if let Some(before) = judged.loaded.and_then(|pool| pool.members.get(id)) {
            if taken_back(id) {
                sized.drain = before.drain;
            }
            if member.warm.is_some_and(starts) || taken_in(id) {
                sized.warm = before.warm;
            }
        }
        (id.clone(), sized)
    };
    judged.next.members.iter().map(sized).collect()
}

fn windows(judged: &Judged<'_>) -> BTreeMap<PolicyId, OpenWindow> {
    judged
        .windows
        .iter()
        .map(|(_, window, policy)| (PolicyId::clone(policy), *window))
        .collect()
}

/// Pools are sized in the order of the spec: those before with their new size, those after with their old one, or, where that leaves less
/// than the minimum, with theirs.
fn room(judged: &Judged<'_>) -> u32 {
    let (mut others, mut owed) = (0_u32, 0_u32);
    let mut sized = true;
    let least = |pool: &PoolSpec| {
        let windows = open_windows(pool, judged.inputs.now);
        let (min, _) = bounds(pool, windows.iter().map(|(window, _, _)| *window));
        min
    };
    for pool in &judged.spec.pools {
        if pool.id == judged.pool.id {
            sized = false;
            continue;
        }
        let Some(other) = judged.commit.record.pools.get(&pool.id) else {
            continue;
        };
        others = others.saturating_add(if sized { other.after } else { other.before });
        owed = owed.saturating_add(if sized { other.after } else { least(pool) });
    }
    let maximum = judged.spec.maximum;
    let least = least(judged.pool).min(maximum.saturating_sub(owed));
    maximum.saturating_sub(others).max(least)
}
