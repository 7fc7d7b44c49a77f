//! Brings a pool's member list up to what the observation shows: who is new, who is gone, who vanished, who is unknown.
//!
//! Nothing is concluded from absence unless the list is complete, and a young member that is not listed is still
//! counted: EC2's listing lags launches.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Flow, Situation, discovery};
use crate::id::{InstanceId, PlanId, PoolId};
use crate::observation::{Instance, tag};
use crate::plan::{Action, UNLISTED_COUNTS_FOR};
use crate::reason::Finding;
use crate::spec::PoolSpec;
use crate::state::{CapacityState, Member, PoolState, YOUNG_FOR};
use crate::unit::{Moment, Percent, Seconds};

/// Whether the pool's size may be judged at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Every instance is accounted for.
    Sound,
    /// The list is incomplete, or shows what nobody can explain: hold the size.
    Held,
}

/// Calls the roll of one pool: `here` is what EC2 lists of it, in the order of the ids.
pub(super) fn call(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    here: &[&Instance],
    state: &mut CapacityState,
    findings: &mut Vec<Finding>,
) -> Judgement {
    if situation.observation.listed_for(&pool.id).is_none() {
        findings.push(Finding::InstancesUnknown);
        return Judgement::Held;
    }
    let young_state = Seconds::between(state.created_at, situation.now) < YOUNG_FOR;
    let explained = explained_launches(state, &pool.id, here);
    let members = state.pools.entry(pool.id.clone()).or_default();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let strangers = compare(situation, members, here, findings);
    strike_gone(situation, pool, members);
    for instance in strangers.into_iter().filter(|instance| !instance.state.is_gone()) {
        let on_record = |plan: &PlanId| situation.observation.recorded_plans.contains(plan);
        match explained.get(&instance.id) {
            // by a clock that is behind, too, it comes after its launch was committed
            Some((warm, committed_at)) => known.push((instance.id.clone(), *warm, situation.now.max(*committed_at))),
            None if instance.plan.as_ref().is_some_and(on_record) => known.push((instance.id.clone(), false, situation.now)),
            None => unknown.push(instance),
        }
    }
    let new = |(id, warm, since)| (id, Member::launched(warm, since));
    members.members.extend(known.into_iter().map(new));
    judge_unknown(situation, members, &unknown, young_state, findings)
}

/// Instances that an open launch step of this pool brought, as their tags say, whether they are to be kept warm, and when that step was
/// committed.
fn explained_launches(state: &CapacityState, pool: &PoolId, listed: &[&Instance]) -> BTreeMap<InstanceId, (bool, Timestamp)> {
    let mut explained = BTreeMap::new();
    for open in state.open_of(pool) {
        let Action::Launch(launch) = &open.step.action else { continue };
        explained.extend(
            listed
                .iter()
                .filter(|instance| is_of(instance, &open.step.id))
                .map(|instance| (instance.id.clone(), (launch.warm, open.committed_at))),
        );
    }
    explained
}

/// Whether an instance's tags name this step.
pub(super) fn is_of(instance: &Instance, step: &crate::id::StepId) -> bool {
    // the number first: it is compared at once, and tells most apart
    instance.step == Some(step.number) && instance.plan.as_ref() == Some(&step.plan)
}

/// Walks members and list side by side, once: marks members that are gone or vanished, notes when the last drain of those gone began, and returns who is listed and no member.
/// Vanished is who is neither listed nor young.
fn compare<'i>(
    situation: &Situation<'_>,
    state: &mut PoolState,
    listed: &[&'i Instance],
    findings: &mut Vec<Finding>,
) -> Vec<&'i Instance> {
    let mut strangers = Vec::new();
    let mut rest = listed.iter().copied().peekable();
    let mut last_drain = state.last_drain;
    let is_found_by_name = state.service.is_some() || !state.former_services.is_empty();
    for (id, member) in &mut state.members {
        let mut found = None;
        while let Some(instance) = rest.peek().copied() {
            match instance.id.cmp(id) {
                Ordering::Less => strangers.push(instance),
                Ordering::Equal => found = Some(instance),
                Ordering::Greater => break,
            }
            rest.next();
        }
        match found {
            Some(instance) => member.gone |= instance.state.is_gone(),
            None if !member.gone && Seconds::between(member.known_since.at(), situation.now) >= UNLISTED_COUNTS_FOR => {
                findings.push(Finding::Vanished { instance: id.clone() });
                member.gone = true;
            }
            None => {}
        }
        if member.gone {
            let served = member.drain.filter(|drain| !drain.why.is_of_warm());
            last_drain = last_drain.max(served.map(|drain| drain.since));
            // its clocks say nothing any more, but that one served which nobody had drained
            *member = Member {
                gone: true,
                served_since: member.served_since.filter(|_| member.drain.is_none() && !member.is_warm()),
                left: member.left.filter(|_| member.drain.is_none()),
                gone_since: member.gone_since.or_else(|| is_found_by_name.then(|| situation.now.into())),
                ..Member::new(member.known_since)
            };
        }
    }
    state.last_drain = last_drain;
    strangers.extend(rest);
    strangers
}

/// Removes members that are gone and in no group or service any more: until then they are ours to deregister. Those that served are part of
/// averages for a while.
fn strike_gone(situation: &Situation<'_>, pool: &PoolSpec, state: &mut PoolState) {
    if !state.members.values().any(|member| member.gone) {
        return;
    }
    let reach = Moment::from(Flow::REACH.before(situation.now));
    let groups: Vec<_> = state.all_groups(pool).cloned().collect();
    let in_a_group = |id: &InstanceId| {
        groups.iter().any(|group| {
            let targets = situation.observation.targets.get(group);
            targets.is_none_or(|targets| targets.iter().any(|target| target.instance == *id))
        })
    };
    let services: Vec<_> = state.all_services(pool).cloned().collect();
    let in_a_service = |id: &InstanceId| {
        services.iter().any(|service| {
            let there = situation.observation.registrations.get(service);
            there.is_none_or(|there| there.iter().any(|registration| registration.instance == *id))
        })
    };
    let may_appear = |member: &Member| {
        member
            .gone_since
            .is_some_and(|gone| discovery::may_take_effect(gone, situation.now))
    };
    let counts_still = |member: &Member| member.served_since.is_some() && member.left.is_none_or(|left| left > reach);
    state
        .members
        .retain(|id, member| !member.gone || counts_still(member) || in_a_group(id) || in_a_service(id) || may_appear(member));
}

fn is_handed_over(plan: &PlanId) -> bool {
    plan.as_str() == tag::HANDED_OVER
}

/// A few unknown instances in a grown state are adopted. Many, or any in a young state (the table may have been restored
/// from an older point in time), hold the pool until a person looks. None is ever terminated for being unknown.
fn judge_unknown(
    situation: &Situation<'_>,
    state: &mut PoolState,
    unknown: &[&Instance],
    young_state: bool,
    findings: &mut Vec<Finding>,
) -> Judgement {
    if unknown.is_empty() {
        return Judgement::Sound;
    }
    let members = u32::try_from(state.members.len()).unwrap_or(u32::MAX);
    let most = usize::try_from(Percent(10).of_floor(members).max(1)).unwrap_or(usize::MAX);
    // what an operator is about to hand over is taken in by the request that follows, with the pool's size
    let handed_over = |instance: &&Instance| instance.plan.as_ref().is_some_and(is_handed_over);
    let ids = unknown.iter().map(|instance| instance.id.clone());
    if young_state || unknown.len() > most || unknown.iter().any(handed_over) {
        findings.push(Finding::UnknownInstances { instances: ids.collect() });
        return Judgement::Held;
    }
    for id in ids {
        findings.push(Finding::Adopted { instance: id.clone() });
        state.members.insert(id, Member::new(situation.now));
    }
    Judgement::Sound
}
