//! Who is replaced although it is well: to be retired by AWS, in a zone that an operator has left, or launched before an operator asked for a refresh, from another
//! version of the launch template, too long ago, or into a zone that has more than others.
//!
//! Launch first: who is to be replaced is marked, serves on, and no longer counts among those that last, so that another one
//! is launched; it leaves once as many as are wanted serve without it. A batch at a time, no larger than the surge and the
//! removal budget allow, and none begins unless the pool is calm.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::census::{Census, Person, Standing};
use super::fleet::surge;
use super::{Listed, Situation, leaving, open_windows, placement};
use crate::budget;
use crate::id::Zone;
use crate::observation::Instance;
use crate::operator::Evacuation;
use crate::plan::CLOCK_SKEW_MAX;
use crate::reason::Finding;
use crate::refresh::Refresh;
use crate::signal::{EVENT_AGE_MAX, Signal};
use crate::size;
use crate::spec::{Drift, FleetMode, OpenRemovalWindow, PoolSpec, Template, TemplateKey, TemplateVersion};
use crate::state::{CapacityState, DrainReason, Member, PoolState, RenewReason};
use crate::unit::Seconds;

/// A pool's zones are brought into balance by one instance in this time.
const REBALANCE_EVERY: Seconds = Seconds::minutes(15);

/// Notes who AWS said will be retired. An old notice is only a wake-up.
pub(super) fn notice(situation: &Situation<'_>, state: &mut PoolState) {
    let Signal::InstanceChanged {
        instances,
        at,
        retires: true,
        ..
    } = situation.signal
    else {
        return;
    };
    if Seconds::between(*at, situation.now) > EVENT_AGE_MAX {
        return;
    }
    for id in instances {
        if let Some(member) = state.members.get_mut(id).filter(|member| !member.gone) {
            member.retires = true;
        }
    }
}

/// Takes the marks away that are no longer justified: the spec, the mode, the refresh or the instance's protection changed. That one is
/// replaced for another reason by now is told, because it may no longer have to wait.
pub(super) fn settle(situation: &Situation<'_>, pool: &PoolSpec, listed: &Listed<'_>, state: &mut PoolState, findings: &mut Vec<Finding>) {
    if let Some(refresh) = &mut state.refresh {
        refresh.follow_spec(situation.spec_version, situation.now);
    }
    let causes = Causes::with(situation, pool, state.refresh.as_ref(), &state.evacuations);
    let nobody = situation.retiring || situation.spec.mode == FleetMode::OutOnly;
    for (id, member) in state.members.iter_mut().filter(|(_, member)| member.renew.is_some()) {
        let why = match listed.get(id) {
            _ if nobody => None,
            Some(instance) => reason(situation, pool, causes, member, instance),
            // absence says nothing
            None => member.renew,
        };
        if let Some(why) = why.filter(|why| member.renew != Some(*why)) {
            let instance = id.clone();
            findings.push(Finding::Renews { instance, why });
        }
        member.renew = why;
    }
}

/// Marks the next batch, if the pool is calm, and keeps the account of a refresh.
pub(super) fn begin(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    removal_windows: &[OpenRemovalWindow],
    census: &mut Census<'_>,
    state: &mut CapacityState,
    findings: &mut Vec<Finding>,
) {
    if situation.retiring || situation.spec.mode != FleetMode::On || !census.groups.is_complete() {
        return;
    }
    let nothing_open = state.open_of(&pool.id).next().is_none();
    let Some(state) = state.pools.get_mut(&pool.id) else { return };
    let may_go_on = account(situation, census, state, findings);
    let mut causes = Causes::of(situation, pool, state);
    // whoever has a zone left does not wait until everybody is well
    let leaves = nothing_open && causes.leaves_any() && may_launch(state, situation.now) && census.counts.renewing == 0;
    let is_calm = nothing_open && is_calm(census, state, situation.now);
    let room = room(situation, pool, census, state, leaves);
    if !(is_calm || leaves) || room == 0 {
        return;
    }
    causes.only_leaves = !is_calm;
    causes.refresh = causes.refresh.filter(|_| may_go_on);
    let can_wait = budget::window_removals_left(removal_windows, state).map_or(room, |(left, _)| left);
    let chosen = choose(situation, pool, census, state, causes, Allowed { now: room, can_wait });
    if chosen.iter().any(|(_, why)| *why == RenewReason::Balance) {
        state.rebalanced_at = Some(situation.now);
    }
    for (place, why) in chosen {
        let Some(person) = census.people.get_mut(place) else { continue };
        let Some(member) = state.members.get_mut(&person.id) else {
            continue;
        };
        member.renew = Some(why);
        person.renewing = true;
        census.counts.renewing = census.counts.renewing.saturating_add(1);
        findings.push(Finding::Renews {
            instance: person.id.clone(),
            why,
        });
    }
}

/// Who is marked, by place in the census, and why: no more than are `allowed`.
fn choose<'a>(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'a>,
    state: &PoolState,
    causes: Causes<'_>,
    allowed: Allowed,
) -> Vec<(usize, RenewReason)> {
    let by_time = causes.refresh.is_some() || causes.drift_to.is_some() || pool.max_age.is_some();
    if !(by_time || causes.leaves_any() || pool.launch.rebalance_zones || census.any_retires) {
        return Vec::new();
    }
    let serving = || {
        let all = census.with(state).enumerate();
        all.filter(|(_, (person, _))| person.standing == Standing::InService)
    };
    let candidate = |(place, (person, member)): (usize, (&Person<'a>, &Member))| {
        let instance = person.listed?;
        let why = reason(situation, pool, causes, member, instance)?;
        if causes.only_leaves && why != RenewReason::Evacuation {
            return None;
        }
        // zone by zone, so that no more than one zone changes at a time
        Some((why, &instance.zone, place))
    };
    let mut candidates: Vec<_> = serving().filter_map(candidate).collect();
    candidates.sort();
    if candidates.is_empty() && causes.only_leaves {
        return Vec::new();
    }
    let mut left = allowed.can_wait;
    candidates.retain(|(why, ..)| {
        let stays = !why.can_wait() || left > 0;
        left = left.saturating_sub(u32::from(why.can_wait()));
        stays
    });
    if candidates.is_empty() && allowed.can_wait == 0 {
        return Vec::new();
    }
    if candidates.is_empty() {
        let from = unbalanced(situation, pool, census, state);
        let is_there = |(_, (person, _)): &(usize, (&Person<'_>, &Member))| {
            let listed = person.listed.filter(|instance| !instance.protected);
            from.is_some() && listed.map(|instance| &instance.zone) == from.as_ref()
        };
        return serving()
            .find(is_there)
            .map(|(place, _)| (place, RenewReason::Balance))
            .into_iter()
            .collect();
    }
    let most = usize::try_from(allowed.now).unwrap_or(usize::MAX);
    candidates.into_iter().take(most).map(|(why, _, place)| (place, why)).collect()
}

/// Drains who was marked, at most `allowed`, once as many as are wanted serve without it, past their warm-up; of those whose reason can
/// wait no more than the open removal windows leave. Nobody while a group cannot be read: who is believed to serve on may have never
/// been in it.
pub(super) fn finish(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'_>,
    state: &mut PoolState,
    desired: u32,
    allowed: Allowed,
    findings: &mut Vec<Finding>,
) -> Finished {
    let mut finished = Finished::default();
    if situation.retiring || situation.spec.mode != FleetMode::On || !census.groups.is_complete() {
        return finished;
    }
    // those that are marked and stay serve on: each that came lets one of them go
    let serving = census.people.iter().filter(|person| person.standing == Standing::InService).count();
    let spare = serving.saturating_sub(usize::try_from(desired).unwrap_or(usize::MAX));
    let most = spare.min(usize::try_from(allowed.now).unwrap_or(usize::MAX));
    for person in census.people.iter().filter(|person| person.renewing) {
        let Some(why) = state.members.get(&person.id).and_then(|member| member.renew) else {
            continue;
        };
        let can_wait = why.can_wait();
        let is_enough = usize::try_from(finished.left).is_ok_and(|left| left >= most);
        if is_enough || can_wait && finished.can_wait >= allowed.can_wait {
            continue;
        }
        leaving::begin(situation, pool, state, &person.id, DrainReason::Renewed, findings);
        finished.left = finished.left.saturating_add(1);
        finished.can_wait = finished.can_wait.saturating_add(u32::from(can_wait));
    }
    finished
}

/// How many of the replaced may leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    /// For whatever reason.
    pub(super) now: u32,
    /// For a reason that can wait.
    pub(super) can_wait: u32,
}

/// Who was replaced leaves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Finished {
    /// So many.
    pub(super) left: u32,
    /// Of these so many for a reason that can wait for a window.
    pub(super) can_wait: u32,
}

/// The template that a launch names. Where drift is replaced, the version is the one that `apply` looked up, by its id and
/// its number: what `$Default` means later would make every new instance another one to replace. After a rollback it is the
/// one that was gone back to.
pub(super) fn template(situation: &Situation<'_>, pool: &PoolSpec, state: &PoolState) -> Template {
    match pinned(situation, state.refresh.as_ref()).or_else(|| drift_to(situation, pool)) {
        Some(TemplateVersion { id, version }) => Template {
            key: TemplateKey::Id(id.clone()),
            version: version.to_string(),
        },
        None => pool.launch.template.clone(),
    }
}

fn drift_to<'a>(situation: &Situation<'a>, pool: &PoolSpec) -> Option<&'a TemplateVersion> {
    if pool.launch.drift == Drift::Replace {
        situation.resolved.templates.get(&pool.id)
    } else {
        None
    }
}

/// The version that launches name after a rollback.
fn pinned<'a>(situation: &Situation<'_>, refresh: Option<&'a Refresh>) -> Option<&'a TemplateVersion> {
    refresh.and_then(|refresh| refresh.pinned(situation.spec_version))
}

/// What instances are replaced for, beside what concerns one alone.
#[derive(Clone, Copy)]
struct Causes<'a> {
    refresh: Option<&'a Refresh>,
    /// Whoever is of another version has drifted.
    drift_to: Option<&'a TemplateVersion>,
    /// Zones that an operator has left, or had.
    left: &'a BTreeMap<Zone, Evacuation>,
    /// The pool is not calm enough for anything else.
    only_leaves: bool,
    now: Timestamp,
}

impl<'a> Causes<'a> {
    fn of(situation: &Situation<'a>, pool: &PoolSpec, state: &'a PoolState) -> Self {
        Self::with(situation, pool, state.refresh.as_ref(), &state.evacuations)
    }

    fn leaves(&self, zone: &Zone) -> bool {
        self.left.get(zone).is_some_and(|left| left.is_in_force(self.now))
    }

    fn leaves_any(&self) -> bool {
        self.left.keys().any(|zone| self.leaves(zone))
    }

    fn with(situation: &Situation<'a>, pool: &PoolSpec, refresh: Option<&'a Refresh>, left: &'a BTreeMap<Zone, Evacuation>) -> Self {
        let drift_to = match pinned(situation, refresh) {
            // while it goes on, or pauses, the rollback says who goes and when
            Some(_) if refresh.is_some_and(Refresh::goes_on) => None,
            // what was gone back to is no drift, and whoever was protected from going back follows
            Some(back_to) => Some(back_to).filter(|_| pool.launch.drift == Drift::Replace),
            None => drift_to(situation, pool),
        };
        Self {
            refresh,
            drift_to,
            left,
            only_leaves: false,
            now: situation.now,
        }
    }
}

/// Whether an operator asked for another one in its place. One of the stock that is not listed is judged by what is known of it.
pub(super) fn is_to_be_refreshed(state: &PoolState, member: &Member, instance: Option<&Instance>) -> bool {
    let template = instance.and_then(|instance| instance.template.as_ref());
    let refresh = state.refresh.as_ref();
    refresh.is_some_and(|refresh| refresh.replaces(born(member, instance), template))
}

/// Whether it is of another version of the launch template than the one that new ones are launched from, where that is replaced.
pub(super) fn has_drifted(situation: &Situation<'_>, pool: &PoolSpec, state: &PoolState, instance: Option<&Instance>) -> bool {
    let template = instance.and_then(|instance| instance.template.as_ref());
    let wanted = Causes::of(situation, pool, state).drift_to;
    wanted.zip(template).is_some_and(|(wanted, from)| wanted != from)
}

fn reason(situation: &Situation<'_>, pool: &PoolSpec, causes: Causes<'_>, member: &Member, instance: &Instance) -> Option<RenewReason> {
    if instance.protected || member.drain.is_some() || member.terminating_since.is_some() || member.gone {
        return None;
    }
    let born = born(member, Some(instance));
    let template = instance.template.as_ref();
    let drifted = || causes.drift_to.zip(template).is_some_and(|(wanted, from)| wanted != from);
    let is_old = |most: Seconds| Seconds::between(born, situation.now) >= most;
    if member.retires {
        Some(RenewReason::Retirement)
    } else if causes.leaves(&instance.zone) {
        Some(RenewReason::Evacuation)
    } else if causes.refresh.is_some_and(|refresh| refresh.replaces(born, template)) {
        Some(RenewReason::Refresh)
    } else if drifted() {
        Some(RenewReason::Drift)
    } else if pool.max_age.is_some_and(is_old) {
        Some(RenewReason::Age)
    } else {
        // chosen once, by the zones of that moment; its replacement changes them
        member
            .renew
            .filter(|why| *why == RenewReason::Balance && pool.launch.rebalance_zones)
    }
}

/// The fullest zone, if another has at least two fewer and may have capacity. Not again for a while: a zone that only seems to
/// have capacity must not make instances come and go.
fn unbalanced(situation: &Situation<'_>, pool: &PoolSpec, census: &Census<'_>, state: &PoolState) -> Option<Zone> {
    let lately = state.rebalanced_at.is_some_and(|at| situation.now < REBALANCE_EVERY.after(at));
    if !pool.launch.rebalance_zones || lately {
        return None;
    }
    let zone_of = |subnet| situation.resolved.zones.get(subnet);
    let mut by_zone: BTreeMap<&Zone, u32> = pool.launch.subnets.iter().filter_map(zone_of).map(|zone| (zone, 0)).collect();
    // who is gone, or leaves, is in no zone any more
    for (zone, there) in leaving::zones(census) {
        if let Some(count) = by_zone.get_mut(&zone) {
            *count = there;
        }
    }
    let has_capacity =
        |zone: &Zone| !state.zones_out.contains_key(zone) && !placement::is_exhausted(zone, &pool.launch, &situation.observation.exhausted);
    let (emptiest, fewest) = by_zone.iter().min_by_key(|(_, count)| **count)?;
    let (fullest, most) = by_zone.iter().max_by_key(|(_, count)| **count)?;
    (most.saturating_sub(*fewest) >= 2 && has_capacity(emptiest)).then(|| Zone::clone(fullest))
}

/// When an instance came. EC2 tells the time of its last start, and a stopped one that is started again is no newer for that; one
/// that was taken in after the table was restored is older than it has been known for. Nobody is known before it came but by a clock that
/// is behind.
pub(super) fn born(member: &Member, instance: Option<&Instance>) -> Timestamp {
    let known_since = member.known_since.at();
    let launched_at = instance.map_or(known_since, |instance| instance.launched_at);
    if Seconds::between(known_since, launched_at) <= CLOCK_SKEW_MAX {
        launched_at
    } else {
        known_since
    }
}

/// Nobody comes, leaves or is sick, everybody who is wanted serves, and AWS takes launches.
fn is_calm(census: &Census<'_>, state: &PoolState, now: Timestamp) -> bool {
    let counts = &census.counts;
    let still = counts.coming() == 0 && counts.warming_serving == 0 && counts.unhealthy == 0;
    still && !leaving::anybody_leaves(census, state) && may_launch(state, now) && counts.renewing == 0 && counts.in_service == state.desired
}

/// Whether AWS takes launches, and those of lately became well.
fn may_launch(state: &PoolState, now: Timestamp) -> bool {
    let refused = state.launch_refused.as_ref().is_some_and(|refused| now < refused.until);
    let waits = state.launch_backoff.is_some_and(|backoff| now < backoff.until());
    !refused && !waits
}

/// How many may be replaced at once. Those of a zone that is left come first and all together, as far as there may be more for a while.
fn room(situation: &Situation<'_>, pool: &PoolSpec, census: &Census<'_>, state: &PoolState, leaves: bool) -> u32 {
    let (removals, _) = budget::removals_left(&pool.guards, state, state.desired, situation.now);
    let (launches, _) = budget::launches_left(&pool.guards, state, state.desired, situation.now);
    // a window may allow more; where it allows fewer, whoever is marked waits until its replacement can be launched
    let (_, open) = size::bounds(pool.capacity, &pool.policies, &open_windows(pool, situation.now));
    let max = open.max(pool.capacity.max);
    let most = max.saturating_add(surge(max));
    let more = launches.min(most.saturating_sub(census.counts.all()));
    if leaves {
        return more;
    }
    removals.min(more).min(surge(max))
}

/// Keeps the account of a refresh; whether it may mark more now.
fn account(situation: &Situation<'_>, census: &Census<'_>, state: &mut PoolState, findings: &mut Vec<Finding>) -> bool {
    let Some(refresh) = &state.refresh else { return false };
    if !refresh.goes_on() {
        findings.extend(refresh.pinned(situation.spec_version).cloned().map(|to| Finding::RolledBack { to }));
        return false;
    }
    let older = census.with(state).filter_map(|(person, member)| {
        let instance = person.listed?;
        // who is kept for inspection is replaced already, and nobody waits for its end
        let stays = !instance.protected && !leaving::is_kept(member);
        let is_old = stays && refresh.replaces(born(member, Some(instance)), instance.template.as_ref());
        (is_old && !member.gone && person.standing != Standing::Out).then_some(instance)
    });
    let older: Vec<&Instance> = older.collect();
    let Some(refresh) = &mut state.refresh else { return false };
    let back_to = refresh.back.as_ref().map(|back| back.to.clone());
    if refresh.total.is_none() && refresh.back.is_none() {
        refresh.from = version_of_most(&older);
    }
    let left = u32::try_from(older.len()).unwrap_or(u32::MAX);
    let progress = refresh.advance(left, situation.now);
    findings.push(Finding::Refreshing {
        by: refresh.by.clone(),
        progress,
        back_to,
    });
    progress.goes_on()
}

/// The version of the launch template that most of them are of; the newer one if as many are of two.
fn version_of_most(instances: &[&Instance]) -> Option<TemplateVersion> {
    let mut counted: BTreeMap<&TemplateVersion, u32> = BTreeMap::new();
    for version in instances.iter().filter_map(|instance| instance.template.as_ref()) {
        let count = counted.entry(version).or_default();
        *count = count.saturating_add(1);
    }
    let most = counted.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(version, _)| version.clone())
}
