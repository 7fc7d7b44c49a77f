//! Who leaves, in two phases: drained and deregistered in one decision, terminated in a later one that has looked again.
//!
//! Until its terminate is committed, a draining instance can be taken back.

use std::collections::BTreeMap;

use super::census::{Census, Person, Standing};
use super::membership::Busy;
use super::mix::Shares;
use super::order::{self, Order};
use super::{Situation, backoff, discovery, hooks, outage};
use crate::id::{InstanceId, Zone};
use crate::observation::{Instance, InstanceState, Market};
use crate::plan::{Action, INSTANCES_PER_STEP_MAX};
use crate::reason::Finding;
use crate::signal::{EVENT_AGE_MAX, InterruptionKind, Signal};
use crate::spec::PoolSpec;
use crate::state::{Drain, DrainReason, Member, PoolState};
use crate::unit::{Moment, Seconds};

/// A spot notice gives this long.
const NOTICE: Seconds = Seconds(120);
/// A terminated instance that still runs after this long is terminated again.
const TERMINATE_AGAIN_AFTER: Seconds = Seconds::minutes(5);

/// Drains what AWS is about to take. Budgets do not apply: the instance goes anyway.
pub(super) fn interrupted(situation: &Situation<'_>, state: &mut PoolState, findings: &mut Vec<Finding>) {
    let Signal::Interruption(notice) = situation.signal else { return };
    // an old notice is only a wake-up: its instance is gone, or was not taken
    if Seconds::between(notice.at, situation.now) > EVENT_AGE_MAX {
        return;
    }
    let Some(member) = state.members.get_mut(&notice.instance) else {
        return;
    };
    match notice.kind {
        InterruptionKind::Rebalance => findings.push(Finding::RebalanceHint {
            instance: notice.instance.clone(),
        }),
        InterruptionKind::SpotWarning if member.drain.is_none_or(|drain| drain.why != DrainReason::Interrupted) && !member.gone => {
            // one that leaves already goes on leaving, but is waited for no longer than AWS waits
            let taken_at = Moment::from(NOTICE.after(notice.at));
            let drain = Drain {
                since: member.drain.map_or_else(|| situation.now.into(), |drain| drain.since),
                deadline: member.drain.map_or(taken_at, |drain| drain.deadline.min(taken_at)),
                why: DrainReason::Interrupted,
            };
            member.drain = Some(drain);
            findings.push(Finding::Drains {
                instance: notice.instance.clone(),
                why: drain.why,
            });
        }
        InterruptionKind::SpotWarning => {}
    }
}

/// Takes draining instances back, latest drained first, up to `needed`. Returns how many.
pub(super) fn take_back(
    pool: &PoolSpec,
    census: &Census<'_>,
    state: &mut PoolState,
    busy: &Busy,
    shares: &mut Shares,
    needed: u32,
    findings: &mut Vec<Finding>,
) -> u32 {
    let mut candidates: Vec<(Moment, InstanceId, Market)> = Vec::new();
    for (person, member) in draining(census, state, busy) {
        // one that has said its last word, or is reported sick, would only stand there
        let works =
            |instance: &Instance| instance.state == InstanceState::Running && !hooks::gave_up(pool, instance) && !person.is_reported;
        let running = person.listed.is_some_and(works);
        // in a zone that is out it would be no help
        let helps = running && !outage::is_out(state, person);
        let free = member.terminating_since.is_none() && member.warm.is_none();
        let drain = member.drain.filter(|drain| drain.why == DrainReason::ScaleIn);
        if let Some(drain) = drain.filter(|_| helps && free) {
            candidates.push((drain.since, person.id.clone(), person.market));
        }
    }
    candidates.sort();
    let mut taken = 0;
    for (_, id, market) in candidates.into_iter().rev().take(usize::try_from(needed).unwrap_or(usize::MAX)) {
        if let Some(member) = state.members.get_mut(&id) {
            member.drain = None;
            shares.add(market, 1);
            findings.push(Finding::TakenBack { instance: id });
            taken += 1;
        }
    }
    taken
}

/// Those that leave, and that no open step touches.
fn draining<'s, 'a>(census: &'s Census<'a>, state: &'s PoolState, busy: &'s Busy) -> impl Iterator<Item = (&'s Person<'a>, &'s Member)> {
    let leave = census.with(state).filter(|(person, _)| person.standing == Standing::Draining);
    leave.filter(|(person, _)| !busy.touches(&person.id))
}

/// Begins to drain sick instances, at most `allowed`. Returns how many.
pub(super) fn drain_sick(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'_>,
    state: &mut PoolState,
    desired: u32,
    allowed: u32,
    findings: &mut Vec<Finding>,
) -> u32 {
    // while nobody else serves, the balancer fails open and a sick target is better than none: the replacement comes first
    let last_resort = census.counts.serving() == 0 && desired > 0 && !pool.target_groups.is_empty();
    // who answers in spite of what is reported serves on until another one does in its place
    let answers = |person: &&Person<'_>| person.standing == Standing::Unhealthy && person.answers;
    let answering = u32::try_from(census.people.iter().filter(answers).count()).unwrap_or(u32::MAX);
    let mut replaced = census.counts.serving().saturating_add(answering).saturating_sub(desired);
    let mut is_replaced = |person: &Person<'_>| {
        let may_go = !person.answers || replaced > 0;
        replaced = replaced.saturating_sub(u32::from(person.answers));
        may_go
    };
    let sick = census.people.iter().filter_map(|person| match person.standing {
        Standing::Unhealthy if !last_resort && is_replaced(person) => Some((person, DrainReason::Unhealthy)),
        Standing::NeverHealthy => Some((person, DrainReason::NeverHealthy)),
        _ => None,
    });
    let mut chosen: Vec<_> = sick.take(usize::try_from(allowed).unwrap_or(usize::MAX)).collect();
    let never_healthy = chosen.iter().filter(|(_, why)| *why == DrainReason::NeverHealthy);
    let given_up: Vec<InstanceId> = never_healthy.map(|(person, _)| person.id.clone()).collect();
    backoff::note(state, &given_up, situation.now);
    // one at a time is kept, and only one that served: of those that share its fault one is enough to look at
    if pool.keep_sick.is_some()
        && !any_kept(state)
        && let Some((_, why)) = chosen.iter_mut().find(|(_, why)| *why == DrainReason::Unhealthy)
    {
        *why = DrainReason::Kept;
    }
    for (person, why) in &chosen {
        begin(situation, pool, state, &person.id, *why, findings);
    }
    u32::try_from(chosen.len()).unwrap_or(u32::MAX)
}

/// Whether anybody leaves. Who is kept for inspection has left already, and only stands there.
pub(super) fn anybody_leaves(census: &Census<'_>, state: &PoolState) -> bool {
    let leaves = |(person, member): (&Person<'_>, &Member)| person.standing == Standing::Draining && !is_kept(member);
    census.counts.draining > 0 && census.with(state).any(leaves)
}

/// Whether it is kept for inspection.
pub(super) fn is_kept(member: &Member) -> bool {
    member.drain.is_some_and(|drain| drain.why == DrainReason::Kept)
}

fn any_kept(state: &PoolState) -> bool {
    state.members.values().any(is_kept)
}

/// Ends the time of who is kept for inspection, because its place is needed: the next look terminates it.
pub(super) fn release_kept(situation: &Situation<'_>, state: &mut PoolState) {
    let drains = state.members.values_mut().filter_map(|member| member.drain.as_mut());
    for drain in drains.filter(|drain| drain.why == DrainReason::Kept) {
        drain.deadline = drain.deadline.min(situation.now.into());
    }
}

/// Whether scale-in may choose an instance. A fleet that is being deleted gives up sick, stopped and starting ones too.
fn may_leave(person: &Person<'_>, retiring: bool) -> bool {
    let standing = match person.standing {
        Standing::InService | Standing::WarmingServing | Standing::Warming => true,
        Standing::Pending | Standing::Unhealthy | Standing::NeverHealthy | Standing::Out => retiring,
        // those that are out of service leave by their own rules
        Standing::Draining | Standing::Warm | Standing::Preparing => false,
    };
    standing
        && person
            .listed
            .is_some_and(|instance| !instance.protected && !instance.state.is_gone())
}

/// How far scale-in may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fewer {
    /// So many serve on.
    pub(super) desired: u32,
    /// At most so many leave now.
    pub(super) excess: u32,
}

/// Begins to drain `excess` instances at most: by the order of the spec, never a protected one, and never so many serving
/// ones that fewer than `desired` serve. Returns how many.
pub(super) fn drain_excess(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'_>,
    state: &mut PoolState,
    shares: &mut Shares,
    Fewer { desired, excess }: Fewer,
    findings: &mut Vec<Finding>,
) -> u32 {
    if excess == 0 {
        return 0;
    }
    let mut order = Order::of(pool, census.by_zone(is_in_zone), *shares);
    let may_leave = |person: &Person<'_>| may_leave(person, situation.retiring) && !person.renewing;
    let mut candidates = order::candidates(situation, pool, census, may_leave);
    let lasting = census.counts.serving().saturating_sub(census.counts.renewing);
    let mut serving_left = lasting.saturating_sub(desired);
    findings.extend(order::unknown_loads(pool, &candidates));
    let mut drained = 0;
    while drained < excess {
        let all = candidates.iter().enumerate();
        let spare = all.filter(|(_, one)| serving_left > 0 || !one.person.standing.serves());
        let Some(next) = order.first(spare) else { break };
        let next = candidates.remove(next);
        if next.person.standing.serves() {
            serving_left = serving_left.saturating_sub(1);
        }
        order.remove(&next);
        begin(situation, pool, state, &next.person.id, DrainReason::ScaleIn, findings);
        drained += 1;
    }
    *shares = order.shares;
    drained
}

/// Instances whose drain is over: drained in the state as loaded, seen by this look in no group of the pool (or past the
/// deadline and no longer taking requests). What is not known is waited for.
pub(super) fn ready_to_terminate(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'_>,
    state: &PoolState,
    busy: &Busy,
) -> Vec<Action> {
    let loaded = situation.state.pools.get(&pool.id);
    let mut ready: Vec<InstanceId> = Vec::new();
    for (person, member) in draining(census, state, busy) {
        let Some(instance) = person.listed.filter(|instance| !instance.state.is_gone()) else {
            continue;
        };
        let again = member
            .terminating_since
            .is_none_or(|since| Seconds::between(since.at(), situation.now) >= TERMINATE_AGAIN_AFTER);
        let recorded = loaded
            .and_then(|loaded| loaded.members.get(&person.id))
            .and_then(|member| member.drain);
        let Some(drain) = recorded.filter(|_| again && member.drain == recorded) else {
            continue;
        };
        // the second look is this one: it must have begun after the drain was decided
        if situation.observation.observed_at <= drain.since.at() {
            continue;
        }
        // its tag came after the look that chose it: it may be busy, and leaves once the tag is gone
        if instance.protected && matches!(drain.why, DrainReason::ScaleIn | DrainReason::Renewed) && !situation.retiring {
            continue;
        }
        let over = situation.now >= drain.deadline.at();
        // without a word and without a group nothing tells that it has finished but the deadline
        let finished = if drain.why == DrainReason::Kept {
            false
        } else if pool.wait_for_tag {
            instance.word.drained
        } else {
            !pool.target_groups.is_empty()
        };
        let finished = finished && discovery::is_forgotten(situation, pool, member);
        if (over || finished) && census.is_out(person, over) {
            ready.push(person.id.clone());
        }
    }
    ready
        .chunks(INSTANCES_PER_STEP_MAX)
        .map(|instances| Action::Terminate {
            instances: instances.to_vec(),
        })
        .collect()
}

pub(super) fn begin(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    state: &mut PoolState,
    id: &InstanceId,
    why: DrainReason,
    findings: &mut Vec<Finding>,
) {
    if let Some(member) = state.members.get_mut(id) {
        let time = match (why, pool.keep_sick) {
            (DrainReason::Kept, Some(keep)) => keep.max(pool.drain_timeout),
            _ => pool.drain_timeout,
        };
        member.drain = Some(Drain {
            since: situation.now.into(),
            deadline: time.after(situation.now).into(),
            why,
        });
        member.unready = None;
        member.renew = None;
        findings.push(Finding::Drains { instance: id.clone(), why });
    }
}

/// Whether it counts in the balance of zones: not if it leaves, will be replaced, or counts for nothing.
pub(super) fn is_in_zone(person: &Person<'_>) -> bool {
    let stays = person.standing.serves() || matches!(person.standing, Standing::Warming | Standing::Pending);
    stays && !person.renewing
}

/// Instances per zone, as far as they count there.
pub(super) fn zones(census: &Census<'_>) -> BTreeMap<Zone, u32> {
    census.by_zone_name(is_in_zone)
}
