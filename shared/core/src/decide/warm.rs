//! Instances that are kept stopped, ready to be started.
//!
//! One is launched to be kept, boots, and is stopped once its warm-up time is over; or it comes from scale-in, drained and out of
//! every group. It is no capacity and in no group. A start makes it capacity from the commit on; then it boots, is registered,
//! warms up and serves as a launched one does. One that nobody has stopped yet needs no start: it is simply taken in.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::census::{Census, Person, Standing};
use super::membership::Busy;
use super::mix::Shares;
use super::{Listed, Situation, backoff, discovery, hooks, leaving, outage, renewal};
use crate::growth;
use crate::id::{InstanceId, Zone};
use crate::observation::{Instance, InstanceState, Market, Offering};
use crate::plan::{Action, INSTANCES_PER_STEP_MAX};
use crate::reason::Finding;
use crate::spec::{FleetMode, LaunchSpec, PoolSpec, WarmSpec, WarmState};
use crate::state::{CapacityState, Drain, DrainReason, Member, PoolState, Warm, WarmPhase};
use crate::unit::{Percent, Seconds};

/// One that did not start is not tried again before: the next one is, or a launch.
const START_AGAIN_AFTER: Seconds = Seconds::minutes(5);

/// Takes in what the look shows of warm instances: who runs after its start, and who came to rest.
pub(super) fn watch(situation: &Situation<'_>, pool: &PoolSpec, listed: &Listed<'_>, state: &mut CapacityState) {
    let Some(pool_state) = state.pools.get_mut(&pool.id) else { return };
    for (id, member) in pool_state.members.iter_mut().filter(|(_, member)| !member.gone) {
        let Some(warm) = member.warm else { continue };
        match (warm.phase, listed.get(id).map(|instance| instance.state)) {
            (WarmPhase::Starting, Some(InstanceState::Running)) => member.warm = None,
            (WarmPhase::Preparing, Some(InstanceState::Stopping | InstanceState::Stopped)) => {
                member.warm = Some(kept(situation.now));
            }
            // who came from scale-in has left now
            (WarmPhase::Kept, Some(InstanceState::Stopped)) if is_returning(member) => {
                pool_state.last_drain = pool_state.last_drain.max(member.drain.map(|drain| drain.since));
                member.drain = None;
                member.served_since = None;
                member.unready = None;
            }
            _ => {}
        }
    }
    if pool_state.warm_backoff.is_some_and(|wait| comes_to_rest(pool_state, wait.since)) {
        pool_state.warm_backoff = None;
    }
}

/// Whether one that came after this moment is kept by now.
fn comes_to_rest(state: &PoolState, since: Timestamp) -> bool {
    let rests = |member: &Member| member.is_warm() && member.drain.is_none() && member.known_since.at() > since;
    let kept = |member: &Member| member.warm.is_some_and(|warm| warm.phase == WarmPhase::Kept);
    state.members.values().any(|member| rests(member) && kept(member))
}

fn kept(now: Timestamp) -> Warm {
    Warm {
        phase: WarmPhase::Kept,
        since: now.into(),
    }
}

/// Drained by scale-in, and stopped instead of terminated.
fn is_returning(member: &Member) -> bool {
    member.is_warm() && member.drain.is_some_and(|drain| drain.why == DrainReason::ScaleIn)
}

/// Where a warm member stands; none: it is none.
pub(super) fn standing(member: &Member, instance: Option<&Instance>, pool: &PoolSpec, now: Timestamp) -> Option<Standing> {
    let warm = member.warm.filter(|_| !member.gone)?;
    let state = instance.map(|instance| instance.state);
    let overdue = Seconds::between(warm.since.at(), now) >= pool.registration_deadline;
    Some(match (warm.phase, state) {
        (_, Some(InstanceState::ShuttingDown | InstanceState::Terminated)) => Standing::Out,
        (WarmPhase::Starting, Some(InstanceState::Stopped)) if overdue => Standing::NeverHealthy,
        (WarmPhase::Starting, _) => Standing::Pending,
        (_, Some(InstanceState::Stopping | InstanceState::Stopped)) => Standing::Warm,
        // not listed is not stopped
        (_, Some(InstanceState::Pending | InstanceState::Running) | None) => Standing::Preparing,
    })
}

/// Whether one runs that is kept stopped, as far as anybody knows: a person started it, or the table was restored to a moment before a start.
pub(super) fn is_believed_to_rest(member: &Member, instance: Option<&Instance>) -> bool {
    let kept = member.warm.is_some_and(|warm| warm.phase == WarmPhase::Kept);
    let runs = instance.is_some_and(|instance| instance.state == InstanceState::Running);
    kept && runs && !member.gone && member.drain.is_none() && member.terminating_since.is_none()
}

/// It serves from now on, as one does that was started.
pub(super) fn serve(member: &mut Member) {
    member.warm = None;
    member.forget_former_life();
}

/// How many are kept of a pool, or will be: those at rest, those that prepare, and those on their way back from scale-in.
fn stock(census: &Census<'_>, state: &PoolState) -> u32 {
    if !census.any_warm {
        return census.counts.stock();
    }
    let returning = state.members.values().filter(|member| !member.gone && is_returning(member)).count();
    let returning = u32::try_from(returning).unwrap_or(u32::MAX);
    census.counts.stock().saturating_add(returning)
}

/// How many are to be kept.
fn wanted(situation: &Situation<'_>, pool: &PoolSpec, census: &Census<'_>, state: &PoolState, max: u32) -> u32 {
    let size = state.desired.max(census.counts.capacity());
    let spec = pool.warm.filter(|_| !situation.retiring);
    let learned = growth::learned(state.growth.as_ref(), pool.warmup);
    spec.map_or(0, |spec| spec.wanted(size, max, learned))
}

/// Takes in up to `needed` of those that nobody has stopped yet, or that run on although they were: they run already, or are about to.
/// Returns how many.
pub(super) fn take_in(
    (pool, now): (&PoolSpec, Timestamp),
    census: &Census<'_>,
    state: &mut PoolState,
    busy: &Busy,
    shares: &mut Shares,
    needed: u32,
    findings: &mut Vec<Finding>,
) -> u32 {
    let mut taken: u32 = 0;
    let preparing = census.people.iter().filter(|person| person.standing == Standing::Preparing);
    // one that is not listed may be no more, and one that has said its last word would only stand there
    let works = |instance: &Instance| !hooks::gave_up(pool, instance);
    for person in preparing.filter(|person| person.listed.is_some_and(works) && !busy.touches(&person.id)) {
        if taken >= needed {
            break;
        }
        let member = state.members.get_mut(&person.id);
        let prepares = |member: &Member| member.warm.is_some_and(|warm| warm.phase == WarmPhase::Preparing);
        // where a stock is kept the stop was sent again lately, and the list may be late
        let runs_on = |member: &Member| pool.warm.is_none() && is_restless(member, person.listed, pool, now);
        let unstopped = |member: &Member| prepares(member) || runs_on(member);
        if let Some(member) = member.filter(|member| member.drain.is_none() && unstopped(member)) {
            serve(member);
            shares.add(person.market, 1);
            findings.push(Finding::TakenIn {
                instance: person.id.clone(),
            });
            taken = taken.saturating_add(1);
        }
    }
    taken
}

/// Those that could be started now, in the order in which they would be: the zone with fewest first, then the oldest.
pub(super) fn startable<'a>(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'a>,
    state: &PoolState,
    busy: &Busy,
) -> Vec<&'a Instance> {
    let again = |member: &Member| {
        let tried = member.started_at.map(|at| Seconds::between(at.at(), situation.now));
        tried.is_none_or(|ago| ago >= START_AGAIN_AFTER)
    };
    let rests = census
        .with(state)
        .filter(|(person, _)| person.standing == Standing::Warm && !busy.touches(&person.id));
    let mut ready: Vec<(&Member, &'a Instance)> = Vec::new();
    for (person, member) in rests {
        let Some(instance) = person.listed else { continue };
        let offering = offering(pool, instance);
        let exhausted = situation
            .observation
            .exhausted
            .iter()
            .any(|exhausted| exhausted.offering == offering);
        let ready_before = is_recorded(situation, pool, &instance.id) && again(member);
        let works = ready_before && !exhausted && !outage::is_out(state, person) && !hooks::gave_up(pool, instance);
        if instance.state == InstanceState::Stopped && member.drain.is_none() && works {
            ready.push((member, instance));
        }
    }
    let mut by_zone: BTreeMap<Zone, u32> = leaving::zones(census);
    let mut ordered = Vec::with_capacity(ready.len());
    while !ready.is_empty() {
        let rank = |(member, instance): &(&Member, &Instance)| {
            let there = by_zone.get(&instance.zone).copied().unwrap_or(0);
            (there, member.known_since, instance.id.clone())
        };
        let Some(next) = (0..ready.len()).min_by_key(|place| ready.get(*place).map(rank)) else {
            break;
        };
        let (_, instance) = ready.remove(next);
        let there = by_zone.entry(instance.zone.clone()).or_default();
        *there = there.saturating_add(1);
        ordered.push(instance);
    }
    ordered
}

/// How one is launched to be kept: on demand, because EC2 stops no spot instance that was launched once, and starts one that is bound
/// to a reservation only while that has room.
pub(super) fn launched_as(launch: &LaunchSpec) -> LaunchSpec {
    let mut launch = launch.clone();
    launch.market.spot = Percent(0);
    launch.market.reservations = None;
    launch
}

/// Where warm instances are, beside those that serve.
pub(super) fn zones(census: &Census<'_>) -> BTreeMap<Zone, u32> {
    let is_warm = |person: &Person<'_>| matches!(person.standing, Standing::Warm | Standing::Preparing);
    census.by_zone_name(|person| leaving::is_in_zone(person) || is_warm(person))
}

/// What starting an instance needs capacity of.
fn offering(pool: &PoolSpec, instance: &Instance) -> Offering {
    let named = !pool.launch.instance_types.is_empty();
    Offering {
        zone: instance.zone.clone(),
        instance_type: named.then(|| instance.instance_type.clone()),
        market: Market::OnDemand,
        reservation: None,
    }
}

/// The start steps for these, one per zone and type: what one of them lacks, the others lack too.
pub(super) fn starts(pool: &PoolSpec, chosen: &[&Instance]) -> Vec<Action> {
    let mut by_offering: BTreeMap<Offering, Vec<InstanceId>> = BTreeMap::new();
    for instance in chosen {
        let ids = by_offering.entry(offering(pool, instance)).or_default();
        ids.push(instance.id.clone());
    }
    let steps = by_offering.iter().flat_map(|(offering, ids)| {
        ids.chunks(INSTANCES_PER_STEP_MAX).map(|instances| Action::Start {
            instances: instances.to_vec(),
            offering: offering.clone(),
        })
    });
    steps.collect()
}

/// Notes that a start was committed: the instance is coming from now on, and nothing of its former life counts.
pub(super) fn note_started(state: &mut PoolState, instances: &[InstanceId], now: Timestamp) {
    for id in instances {
        if let Some(member) = state.members.get_mut(id) {
            member.warm = Some(Warm {
                phase: WarmPhase::Starting,
                since: now.into(),
            });
            member.started_at = Some(now.into());
            member.forget_former_life();
        }
    }
}

/// How many are missing that may be launched: none while the last ones could not be stopped.
pub(super) fn missing(situation: &Situation<'_>, pool: &PoolSpec, census: &Census<'_>, state: &PoolState, max: u32) -> u32 {
    if state.warm_backoff.is_some_and(|wait| situation.now < wait.until()) {
        return 0;
    }
    wanted(situation, pool, census, state, max).saturating_sub(stock(census, state))
}

/// Begins to remove warm instances: all of them from a fleet that is being deleted; else those that are sick before they ever rest, could
/// not be stopped, are outdated, or too many, at most `allowed`. Returns how many.
pub(super) fn remove(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'_>,
    state: &mut PoolState,
    (allowed, max): (u32, u32),
    busy: &Busy,
    findings: &mut Vec<Finding>,
) -> u32 {
    if !census.any_warm {
        return 0;
    }
    give_up_returning(situation, pool, state, busy);
    let surplus = stock(census, state).saturating_sub(wanted(situation, pool, census, state, max));
    let mut chosen: Vec<(InstanceId, DrainReason)> = Vec::new();
    for (person, member) in candidates(census, state, busy) {
        if chosen.len() >= usize::try_from(allowed).unwrap_or(usize::MAX) {
            break;
        }
        let gone_already = u32::try_from(chosen.len()).unwrap_or(u32::MAX);
        let why = if situation.retiring {
            Some(DrainReason::WarmSurplus)
        } else if person.is_reported && member.warm.is_some_and(|warm| warm.phase == WarmPhase::Preparing) {
            // of one that is asked to rest the list may be late
            Some(DrainReason::Unhealthy)
        } else if is_restless(member, person.listed, pool, situation.now) {
            Some(DrainReason::WarmRestless)
        } else if is_outdated(member, person.listed, pool, situation.now)
            || renewal::is_to_be_refreshed(state, member, person.listed)
            || renewal::has_drifted(situation, pool, state, person.listed)
        {
            Some(DrainReason::WarmOutdated)
        } else {
            (gone_already < surplus).then_some(DrainReason::WarmSurplus)
        };
        chosen.extend(why.map(|why| (person.id.clone(), why)));
    }
    for (id, why) in &chosen {
        if *why == DrainReason::WarmRestless {
            backoff::lengthen(&mut state.warm_backoff, situation.now);
        }
        if let Some(member) = state.members.get_mut(id) {
            member.drain = Some(Drain {
                since: situation.now.into(),
                // it takes no requests that it could finish
                deadline: situation.now.into(),
                why: *why,
            });
            findings.push(Finding::Drains {
                instance: id.clone(),
                why: *why,
            });
        }
    }
    u32::try_from(chosen.len()).unwrap_or(u32::MAX)
}

/// Who may be removed, the oldest first. A fleet that is being deleted gives up its protected ones only when a person does.
fn candidates<'s, 'a>(census: &'s Census<'a>, state: &'s PoolState, busy: &Busy) -> Vec<(&'s Person<'a>, &'s Member)> {
    let is_candidate = |(person, member): &(&Person<'_>, &Member)| {
        let protected = person.listed.is_none_or(|instance| instance.protected);
        matches!(person.standing, Standing::Warm | Standing::Preparing) && member.drain.is_none() && !protected && !busy.touches(&person.id)
    };
    let mut people: Vec<_> = census.with(state).filter(is_candidate).collect();
    // as old ones stay in the order of their ids
    people.sort_by_key(|(_, member)| member.known_since);
    people
}

/// It runs on although it was asked to stop long ago, and although nobody has started it since.
fn is_restless(member: &Member, instance: Option<&Instance>, pool: &PoolSpec, now: Timestamp) -> bool {
    let (Some(warm), Some(instance)) = (member.warm, instance) else {
        return false;
    };
    let since = warm.since.at().max(pool.warmup.after(instance.launched_at));
    let runs = instance.state == InstanceState::Running && warm.phase == WarmPhase::Kept;
    runs && Seconds::between(since, now) >= pool.registration_deadline
}

/// It is too old, of a type that the pool no longer names, or has said its last word.
fn is_outdated(member: &Member, instance: Option<&Instance>, pool: &PoolSpec, now: Timestamp) -> bool {
    let Some(spec) = pool.warm else { return false };
    let types = &pool.launch.instance_types;
    let unnamed = instance.is_some_and(|instance| !types.is_empty() && !types.contains(&instance.instance_type));
    let has_finished = instance.is_some_and(|instance| hooks::gave_up(pool, instance));
    unnamed || has_finished || Seconds::between(renewal::born(member, instance), now) >= spec.max_age
}

/// Who came from scale-in and does not come to rest leaves as all others do; so do all if no stock is kept any more.
fn give_up_returning(situation: &Situation<'_>, pool: &PoolSpec, state: &mut PoolState, busy: &Busy) {
    let keeps = pool.warm.is_some() && !situation.retiring;
    let members = state
        .members
        .iter_mut()
        .filter(|(id, member)| is_returning(member) && !busy.touches(id));
    for (_, member) in members {
        let tried = member.warm.map(|warm| Seconds::between(warm.since.at(), situation.now));
        if !keeps || tried.is_some_and(|tried| tried >= pool.registration_deadline) {
            member.warm = None;
        }
    }
}

/// The stop steps: those that have prepared long enough, and of those about to be terminated (`leaving`, which loses them) the
/// ones that fill the stock. Everybody is seen in no group by this look, and was on record before it.
pub(super) fn stops(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'_>,
    state: &mut PoolState,
    (max, busy): (u32, &Busy),
    leaving: &mut Vec<Action>,
) -> Vec<Action> {
    // who was stopped and does not rest yet is not terminated meanwhile
    retain(leaving, |id| !state.members.get(id).is_some_and(is_returning));
    let Some(spec) = pool.warm.filter(|_| !situation.retiring) else {
        return Vec::new();
    };
    let ready = census
        .with(state)
        .filter(|(person, member)| is_ready(situation, pool, census, person, member) && !busy.touches(&person.id));
    let mut chosen: Vec<InstanceId> = ready.map(|(person, _)| person.id.clone()).collect();
    let mut room = wanted(situation, pool, census, state, max).saturating_sub(stock(census, state));
    if spec.takes_returns && situation.spec.mode == FleetMode::On {
        let mut returned = BTreeSet::new();
        for id in leaving.iter().flat_map(Action::instances) {
            if room > 0 && may_return(situation, pool, &spec, census, state, id) {
                room = room.saturating_sub(1);
                returned.insert(id.clone());
            }
        }
        retain(leaving, |id| !returned.contains(id));
        chosen.extend(returned);
    }
    for id in &chosen {
        if let Some(member) = state.members.get_mut(id) {
            let again = member.warm.filter(|warm| warm.phase == WarmPhase::Kept);
            member.warm = Some(again.unwrap_or_else(|| kept(situation.now)));
        }
    }
    let hibernate = spec.state == WarmState::Hibernated;
    let steps = chosen.chunks(INSTANCES_PER_STEP_MAX).map(|instances| Action::Stop {
        instances: instances.to_vec(),
        hibernate,
    });
    steps.collect()
}

/// Drops instances from termination steps.
fn retain(leaving: &mut Vec<Action>, stays: impl Fn(&InstanceId) -> bool) {
    for action in leaving.iter_mut() {
        if let Action::Terminate { instances } = action {
            instances.retain(&stays);
        }
    }
    leaving.retain(|action| !action.instances().is_empty());
}

/// Whether it was warm in the state as loaded.
fn is_recorded(situation: &Situation<'_>, pool: &PoolSpec, id: &InstanceId) -> bool {
    let loaded = situation.state.pools.get(&pool.id).and_then(|loaded| loaded.members.get(id));
    loaded.is_some_and(Member::is_warm)
}

/// Whether one that is kept, and runs, is to be stopped now: ready without a balancer's word is running for the pool's warm-up.
fn is_ready(situation: &Situation<'_>, pool: &PoolSpec, census: &Census<'_>, person: &Person<'_>, member: &Member) -> bool {
    let Some(instance) = person.listed.filter(|instance| instance.state == InstanceState::Running) else {
        return false;
    };
    // the second look must have begun after the drain was decided
    let is_seen = member
        .drain
        .is_none_or(|drain| situation.observation.observed_at > drain.since.at());
    let is_kept = member.is_warm() && is_seen && (member.drain.is_none() || is_returning(member));
    let booted = || situation.now >= pool.warmup.after(instance.launched_at);
    // clients of one that served must have had their time, or it is past its own
    let is_forgotten = || {
        member
            .drain
            .is_none_or(|drain| situation.now >= drain.deadline.at() || discovery::is_forgotten(situation, pool, member))
    };
    // who is reported sick is not worth keeping
    is_kept
        && !person.is_reported
        && booted()
        && is_forgotten()
        && is_recorded(situation, pool, &person.id)
        && census.is_out(person, is_returning(member))
}

/// Whether one that would be terminated now is kept instead: as young as the others, and of a type that the pool still names.
fn may_return(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    spec: &WarmSpec,
    census: &Census<'_>,
    state: &PoolState,
    id: &InstanceId,
) -> bool {
    let person = census.people.iter().find(|person| person.id == *id);
    let instance = person.and_then(|person| person.listed);
    let runs = instance.is_some_and(|instance| instance.state == InstanceState::Running);
    let on_demand = person.is_some_and(|person| person.market == Market::OnDemand);
    let Some(member) = state.members.get(id).filter(|_| runs && on_demand) else {
        return false;
    };
    let by_scale_in = member.drain.is_some_and(|drain| drain.why == DrainReason::ScaleIn);
    // one that would soon be too old is not worth keeping
    let soon = Seconds(spec.max_age.0 / 10).after(situation.now);
    by_scale_in
        && member.warm.is_none()
        && member.terminating_since.is_none()
        && !is_outdated(member, instance, pool, soon)
        && !renewal::is_to_be_refreshed(state, member, instance)
        && !renewal::has_drifted(situation, pool, state, instance)
}
