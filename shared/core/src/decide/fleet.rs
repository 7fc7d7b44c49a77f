//! One decision: for each pool call the roll, settle open steps and count; then size each; then choose the steps.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::breaker::{self, Breaker};
use super::census::{self, Census};
use super::hands::{Draft, Hands};
use super::roll::{self, Judgement};
use super::services::Services;
use super::spending::Spending;
use super::{
    CapacityCount, Decision, Flow, Listed, PoolDecision, Situation, backoff, balancing, discovery, evacuating, fencing, learning, leaving,
    membership, open_steps, operator, outage, renewal, warm,
};
use crate::forecast::{Ahead, Recent};
use crate::id::{InstanceId, PolicyId, PoolId};
use crate::observation::{Instance, Observation};
use crate::policy::simple::Waits;
use crate::reason::{Finding, Guard, GuardOutcome, Vote, VoteReason};
use crate::sample::Sample;
use crate::size::{self, SizeInput, Sizing};
use crate::spec::{FleetMode, FleetSpec, OpenRemovalWindow, OpenWindow, Policy, PoolSpec, Rule, WarmSize};
use crate::state::{CapacityState, LastHold, PoolState};
use crate::tuning::{self, Tuned};
use crate::unit::Percent;
use crate::{boots, budget, churn, failover, growth};

/// What the fleet should do next. Pure: equal situations give equal decisions.
#[must_use]
pub fn decide(situation: &Situation<'_>) -> Decision {
    let tuned = tuning::in_force(situation);
    match in_force(situation, &tuned) {
        Some(spec) => decide_by(&Situation { spec: &spec, ..*situation }, &tuned),
        None => decide_by(situation, &tuned),
    }
}

/// The spec by which a fleet goes, where that is not what is written: tuning has found other settings, or the sides share their groups.
pub(crate) fn in_force(situation: &Situation<'_>, tuned: &BTreeMap<PoolId, Tuned>) -> Option<FleetSpec> {
    let by_tuning = tuning::applied(situation.spec, tuned);
    failover::enrolled(by_tuning.as_ref().unwrap_or(situation.spec), situation.traffic).or(by_tuning)
}

fn decide_by(situation: &Situation<'_>, tuned: &BTreeMap<PoolId, Tuned>) -> Decision {
    let mut state = situation.state.clone();
    if state.pause.as_ref().is_some_and(|pause| situation.now >= pause.until) {
        state.pause = None;
    }
    let pools = &situation.spec.pools;
    let instances = situation.observation.instances.as_deref().unwrap_or_default();
    let listed = Listed::of(instances.iter().map(|instance| (&instance.id, instance)));
    let by_pool = by_pool(&listed);
    // every pool has the same windows: each is looked up once
    let removal_windows = situation.spec.open_removal_windows(situation.now);
    for pool in pools {
        let known = state.pools.entry(pool.id.clone());
        let known = known.or_insert_with(|| PoolState::new(pool.capacity.initial));
        known.by_tuning = tuned.get(&pool.id).copied();
    }
    let mut told_by_operators = operator::hear(situation, &listed, &mut state);
    let mut counted: Vec<Counted<'_>> = pools
        .iter()
        .map(|pool| {
            let here = by_pool.get(&Some(&pool.id)).map_or(&[][..], Vec::as_slice);
            count_pool(situation, pool, (&listed, here), &removal_windows, &mut state)
        })
        .collect();
    open_steps::forget_unnamed(situation, &mut state);
    if let Some(first) = counted.first_mut() {
        first.findings.extend(without_a_pool(situation, &by_pool));
    }
    for counted in &mut counted {
        counted
            .findings
            .extend(told_by_operators.remove(&counted.pool.id).unwrap_or_default());
    }
    let spending = Spending::of(situation, &mut state);
    let sizings = size_pools(situation, &counted, spending.as_ref(), &mut state);

    let sum = |of: fn(&CapacityCount) -> u32| {
        counted
            .iter()
            .map(|counted| of(&counted.census.counts))
            .fold(0, u32::saturating_add)
    };
    let mut draft = Draft::new(situation, sum(CapacityCount::lasting), sum(|counts| counts.preparing));
    if may_act(situation, &state) {
        // what is sent again has its calls before anything new, whichever pool it is of
        for (counted, sizing) in counted.iter().zip(&sizings) {
            draft.take_over(situation, counted, sizing.desired, &mut state);
        }
    }
    let mut decided = BTreeMap::new();
    for (counted, mut sizing) in counted.iter_mut().zip(sizings) {
        let until = state
            .pools
            .get(&counted.pool.id)
            .and_then(|pool| churn::held_until(pool, &counted.pool.guards, situation.now));
        counted.findings.extend(until.map(|until| Finding::Churn { until }));
        counted.findings.extend(retuned(situation, &counted.pool.id, tuned));
        counted.findings.extend(unlearned(counted.pool, state.pools.get(&counted.pool.id)));
        counted
            .findings
            .extend(unlearned_boots(counted.pool, state.pools.get(&counted.pool.id)));
        counted
            .findings
            .extend(learning::unlearned(counted.pool, state.pools.get(&counted.pool.id)));
        let sick = counted.census.counts.warming;
        sizing.guards.extend(counted.breaker.map(|breaker| GuardOutcome {
            guard: Guard::Breaker {
                unhealthy: breaker.unhealthy,
                limit: breaker.limit,
            },
            before: sick,
            after: sick,
        }));
        if may_act(situation, &state) {
            Hands {
                situation,
                counted,
                guards: &mut sizing.guards,
            }
            .choose_steps(sizing.desired, &listed, &mut state, &mut draft);
        }
        decided.insert(counted.pool.id.clone(), told(counted, sizing));
    }
    finish(situation, state, draft, decided)
}

/// What is told where a pool goes by other settings than the last time.
fn retuned(situation: &Situation<'_>, pool: &PoolId, tuned: &BTreeMap<PoolId, Tuned>) -> Option<Finding> {
    let before = situation.state.pools.get(pool).and_then(|pool| pool.by_tuning);
    let settings = tuned.get(pool).map(|tuned| tuned.settings);
    (settings != before.map(|tuned| tuned.settings)).then_some(Finding::Retuned { settings })
}

/// Instances that would run on unseen because the spec no longer names their pool.
fn without_a_pool(situation: &Situation<'_>, by_pool: &ByPool<'_>) -> Option<Finding> {
    let named = |pool: &Option<&PoolId>| pool.is_some_and(|id| situation.spec.pool(id).is_some());
    let lost = by_pool.iter().filter(|(pool, _)| !named(pool)).flat_map(|(_, instances)| instances);
    let alive = lost.filter(|instance| !instance.state.is_gone());
    let mut instances: Vec<InstanceId> = alive.map(|instance| instance.id.clone()).collect();
    instances.sort();
    (!instances.is_empty()).then_some(Finding::NoPool { instances })
}

/// What EC2 lists, by the pool that the tags name, each in the order of the ids.
type ByPool<'a> = BTreeMap<Option<&'a PoolId>, Vec<&'a Instance>>;

fn by_pool<'a>(listed: &Listed<'a>) -> ByPool<'a> {
    let mut by_pool = ByPool::new();
    let all: Vec<&Instance> = listed.iter().map(|(_, instance)| instance).collect();
    // most fleets have one pool: then all is one run
    for run in all.chunk_by(|one, next| one.pool == next.pool) {
        let pool = run.first().and_then(|instance| instance.pool.as_ref());
        by_pool.entry(pool).or_default().extend_from_slice(run);
    }
    by_pool
}

/// Whether steps may be sent at all: a pause and the quiet modes still look, count and record.
fn may_act(situation: &Situation<'_>, state: &CapacityState) -> bool {
    state.pause.is_none() && matches!(situation.spec.mode, FleetMode::On | FleetMode::OutOnly)
}

/// A pool as this look found it.
pub(super) struct Counted<'a> {
    pub(super) pool: &'a PoolSpec,
    pub(super) judgement: Judgement,
    pub(super) census: Census<'a>,
    /// More sick instances than can be the instances' own fault.
    pub(super) breaker: Option<Breaker>,
    /// Scheduled windows that are open.
    pub(super) windows: BTreeMap<PolicyId, OpenWindow>,
    /// Removal windows that are open, and how many they still let leave.
    pub(super) removal_windows: Vec<OpenRemovalWindow>,
    pub(super) window_removals: Option<(u32, Guard)>,
    /// Instances wanted before.
    pub(super) before: u32,
    pub(super) findings: Vec<Finding>,
}

impl Counted<'_> {
    /// Most instances of this pool, as open windows move it.
    pub(super) fn max(&self) -> u32 {
        size::bounds(self.pool.capacity, &self.pool.policies, &self.windows).1
    }
}

fn count_pool<'a>(
    situation: &Situation<'a>,
    pool: &'a PoolSpec,
    (listed, here): (&Listed<'a>, &[&Instance]),
    removal_windows: &[OpenRemovalWindow],
    state: &mut CapacityState,
) -> Counted<'a> {
    let mut findings = Vec::new();
    let pool_state = state.pools.entry(pool.id.clone()).or_default();
    let before = pool_state.desired;
    pool_state.follow_groups(&pool.target_groups);
    pool_state.follow_service(pool.cloud_map.as_ref().map(|cloud_map| &cloud_map.service), situation.now);
    let judgement = roll::call(situation, pool, here, state, &mut findings);
    open_steps::settle(situation, pool, state, &mut findings);
    warm::watch(situation, pool, listed, state);
    let acting = may_act(situation, state);
    let pool_state = state.pools.entry(pool.id.clone()).or_default();
    let services = Services::of(situation, pool, pool_state);
    membership::forget_former_groups(situation, pool_state);
    discovery::watch(situation, pool, &services, pool_state);
    evacuating::forget(situation, pool_state);
    renewal::notice(situation, pool_state);
    renewal::settle(situation, pool, listed, pool_state, &mut findings);
    if acting {
        leaving::interrupted(situation, pool_state, &mut findings);
        balancing::adapt(situation, pool, pool_state, &mut findings);
    }
    let mut census = census::take(situation, pool, (listed, services), state, &mut findings);
    let breaker = state.pools.get_mut(&pool.id).and_then(|pool_state| {
        backoff::end(pool_state, situation.now);
        outage::watch(situation, pool, &census, pool_state, &mut findings);
        breaker::of(pool, &census, pool_state, situation.now)
    });
    findings.extend(launches_refused(situation, pool, state));
    findings.extend(fencing::of(situation, pool).map(|_| Finding::KeptOut));
    if let Some(breaker) = &breaker {
        findings.push(Finding::BreakerOpen {
            unhealthy: breaker.unhealthy,
            limit: breaker.limit,
        });
        census.keep_the_sick(breaker);
    } else if acting && judgement == Judgement::Sound && fencing::of(situation, pool).is_none() {
        renewal::begin(situation, pool, removal_windows, &mut census, state, &mut findings);
    }
    findings.extend(
        state
            .pools
            .get(&pool.id)
            .into_iter()
            .flat_map(|pool_state| balancing::differences(situation, pool, pool_state)),
    );
    let window_removals = state
        .pools
        .get(&pool.id)
        .and_then(|pool_state| budget::window_removals_left(removal_windows, pool_state));
    Counted {
        pool,
        removal_windows: removal_windows.to_vec(),
        window_removals,
        judgement,
        census,
        breaker,
        windows: open_windows(pool, situation.now),
        before,
        findings,
    }
}

/// What keeps a pool from growing until a person mends it.
fn launches_refused(situation: &Situation<'_>, pool: &PoolSpec, state: &CapacityState) -> Option<Finding> {
    let refused = state.pools.get(&pool.id)?.launch_refused.as_ref()?;
    let in_force = situation.now < refused.until && refused.is_for_a_person();
    in_force.then(|| Finding::LaunchesRefused {
        until: refused.until,
        code: refused.code.clone(),
        message: refused.message.clone(),
    })
}

fn told(counted: &mut Counted<'_>, sizing: Sizing) -> PoolDecision {
    PoolDecision {
        counts: counted.census.counts,
        before: counted.before,
        after: sizing.desired,
        reserve: sizing.reserve,
        spend_room: sizing.spend_room,
        recommended: sizing.recommended,
        votes: sizing.votes,
        guards: sizing.guards,
        findings: std::mem::take(&mut counted.findings),
    }
}

/// Sizes the pools in the order of the spec; the fleet's maximum leaves each what the others do not want, and never less than its own
/// minimum: where there are too many, whoever has more than that gives up some.
fn size_pools(
    situation: &Situation<'_>,
    counted: &[Counted<'_>],
    spending: Option<&Spending<'_>>,
    state: &mut CapacityState,
) -> Vec<Sizing> {
    let mut wanted: BTreeMap<&PoolId, u32> = counted.iter().map(|counted| (&counted.pool.id, counted.before)).collect();
    let mut sizings: Vec<Sizing> = Vec::new();
    let maximum = situation.spec.maximum;
    for (place, one) in counted.iter().enumerate() {
        let id = &one.pool.id;
        // who is sized has its size, who is to come is owed its minimum
        let sized = sizings.iter().map(|sizing| sizing.desired);
        let to_come = counted.iter().skip(place.saturating_add(1)).map(least);
        let owed = sized.chain(to_come).fold(0, u32::saturating_add);
        let least = least(one).min(maximum.saturating_sub(owed));
        let others = wanted
            .iter()
            .filter(|(other, _)| **other != id)
            .map(|(_, desired)| *desired)
            .fold(0, u32::saturating_add);
        let room = Room {
            maximum: maximum.saturating_sub(others).max(least),
            spend: spending.map(|spending| spending.room(counted, one, &wanted)),
        };
        let sizing = size_pool(situation, one, room, state);
        wanted.insert(id, sizing.desired);
        sizings.push(sizing);
    }
    sizings
}

/// The minimum of a pool, as open windows move it.
fn least(counted: &Counted<'_>) -> u32 {
    let (min, _) = size::bounds(counted.pool.capacity, &counted.pool.policies, &counted.windows);
    min
}

/// What the fleet leaves a pool.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Under its maximum.
    maximum: u32,
    /// Under its spend cap, if it has one.
    spend: Option<u32>,
}

fn size_pool(situation: &Situation<'_>, counted: &Counted<'_>, room: Room, state: &mut CapacityState) -> Sizing {
    let (pool, none) = (counted.pool, BTreeMap::new());
    let paused_until = state.pause.as_ref().map(|pause| pause.until);
    let Some(pool_state) = state.pools.get_mut(&pool.id) else {
        return Sizing {
            desired: 0,
            reserve: 0,
            spend_room: None,
            recommended: None,
            votes: Vec::new(),
            guards: Vec::new(),
        };
    };
    // sizing works on counts: the members stay out of the copy that it compares with
    let flow = Flow::of(&pool_state.members, pool_state.last_drain, situation.now);
    let members = std::mem::take(&mut pool_state.members);
    let loaded = pool_state.clone();
    pool_state.members = members;
    let input = SizeInput {
        counts: counted.census.counts,
        range: pool.capacity,
        market: &pool.launch.market,
        policies: &pool.policies,
        reserve: &failover::reserve_of(situation.spec, situation.traffic, pool, situation.now),
        guards: &pool.guards,
        mode: situation.spec.mode,
        paused_until,
        retiring: situation.retiring,
        traffic_floor: situation.traffic.floors.get(&pool.id).copied().unwrap_or(0),
        ready_floor: failover::ready_floor(situation.spec, situation.state, situation.traffic, pool),
        rests: failover::rests(situation.spec, situation.traffic, pool, situation.now),
        room: room.maximum,
        spend_room: room.spend,
        measures_another: !pool.left_groups.is_empty(),
        series: situation.observation.series.get(&pool.id).unwrap_or(&none),
        ahead: &look_ahead(situation.observation, pool, situation.now),
        windows: &counted.windows,
        flow: &flow,
        window_removals: counted.window_removals,
        state: &loaded,
        waits: Waits::of(pool),
        now: situation.now,
    };
    let mut sizing = size::size(&input);
    let held = if counted.judgement == Judgement::Held {
        // what nobody can count, nobody can size
        Some(Guard::Staleness)
    } else {
        fencing::of(situation, pool).map(|_| Guard::Fenced)
    };
    if let Some(guard) = held {
        if sizing.desired != loaded.desired {
            sizing.guards.push(GuardOutcome {
                guard,
                before: sizing.desired,
                after: loaded.desired,
            });
        }
        (sizing.desired, sizing.reserve) = (loaded.desired, loaded.reserve);
        learning::look_away(pool_state);
        return sizing;
    }
    size::remember(&sizing, &input, pool_state);
    growth::note(pool_state, pool, situation.now);
    learning::learn(situation, counted, pool_state);
    sizing
}

/// What is told of a stock whose size is to be learned and is not yet.
fn unlearned(pool: &PoolSpec, state: Option<&PoolState>) -> Option<Finding> {
    pool.warm.filter(|warm| warm.size == WarmSize::Learned)?;
    let growth = state?.growth.as_ref();
    growth::learned(growth, pool.warmup).is_none().then(|| Finding::WarmUnlearned {
        hours: growth::hours(growth),
    })
}

/// What is told of a pool whose policies are to look as far ahead as launches take, and of which too few are known yet.
fn unlearned_boots(pool: &PoolSpec, state: Option<&PoolState>) -> Option<Finding> {
    let launches = boots::launches(state?.boots.as_ref());
    (boots::is_learned(pool) && launches < boots::LAUNCHES_LEAST).then_some(Finding::BootsUnlearned { launches })
}

/// What lies ahead of a pool, for each policy that looks there and of whose load enough is known. A load of long ago is not the
/// present one.
#[must_use]
pub fn look_ahead(observation: &Observation, pool: &PoolSpec, now: Timestamp) -> BTreeMap<PolicyId, Ahead> {
    let (Some(seasons), Some(series)) = (observation.seasons.get(&pool.id), observation.series.get(&pool.id)) else {
        return BTreeMap::new();
    };
    let ahead = |policy: &Policy| {
        let Rule::Predictive(rule) = &policy.rule else { return None };
        let (season, series) = (seasons.get(&policy.id)?, series.get(&policy.id)?);
        let is_fresh = matches!(series.sample(now), Sample::Value { .. } | Sample::Partial { .. });
        let recent = Recent::of(series, &rule.events).filter(|_| is_fresh)?;
        let ahead = season.ahead(&recent, now)?.with_events(&rule.events, now);
        Some((policy.id.clone(), ahead))
    };
    pool.policies.iter().filter_map(ahead).collect()
}

/// Windows of a pool's scheduled policies that are open.
#[must_use]
pub fn open_windows(pool: &PoolSpec, now: Timestamp) -> BTreeMap<PolicyId, OpenWindow> {
    let window = |policy: &Policy| match &policy.rule {
        Rule::Scheduled(scheduled) => scheduled.schedule.open_window(now).map(|window| (policy.id.clone(), window)),
        _ => None,
    };
    pool.policies.iter().filter_map(window).collect()
}

/// Largest number of instances that may exist for a while beyond `max`: draining ones and replacements.
#[must_use]
pub(crate) fn surge(max: u32) -> u32 {
    Percent(10).of_floor(max).max(1)
}

/// Opens the new steps, numbers the generation, and recognises a hold that says nothing new.
fn finish(situation: &Situation<'_>, mut state: CapacityState, draft: Draft, pools: BTreeMap<PoolId, PoolDecision>) -> Decision {
    let look_again_at = look_again_at(situation, &state);
    state.open.extend(draft.plan.open(situation.now, situation.execute_until));
    let plan = draft.plan.build(draft.taken_over, situation.execute_until);
    let mut decision = Decision {
        state,
        plan,
        pools,
        look_again_at,
    };
    let mut changed = decision.changes(situation.state);
    if decision.plan.steps.is_empty() {
        let digest = HoldDigest::of(&decision.pools);
        let told = decision
            .state
            .last_hold
            .as_ref()
            .is_some_and(|hold| digest.is_told_by(&hold.digest));
        if changed || !told {
            let digest = digest.text();
            let record = situation.plan_id.clone();
            decision.state.last_hold = Some(LastHold { record, digest });
            changed = true;
        }
    } else {
        decision.state.last_hold = None;
    }
    if changed {
        decision.state.generation = situation.state.generation.next();
    }
    decision
}

/// What makes two holds the same: sizes, findings, and the names of guards. Metric values differ every minute and do not
/// make a hold a new one.
struct HoldDigest {
    /// Of sizes and findings.
    facts: String,
    /// Of guards; none if no metric was read, because most guards speak only about votes.
    guards: Option<String>,
}

impl HoldDigest {
    fn of(pools: &BTreeMap<PoolId, PoolDecision>) -> Self {
        let (mut facts, mut guards, mut evaluated) = (String::new(), String::new(), false);
        for (id, pool) in pools {
            facts.push_str(&format!("{id} {} {};", pool.after, pool.before));
            for finding in &pool.findings {
                facts.push_str(&format!("{finding};"));
            }
            for outcome in &pool.guards {
                guards.push_str(outcome.guard.name());
                guards.push(';');
            }
            let unasked = |vote: &Vote| matches!(vote.reason, VoteReason::NoValue { sample: Sample::NotAsked });
            evaluated |= pool.votes.is_empty() || !pool.votes.iter().any(unasked);
        }
        Self {
            facts: crate::id::digest(&facts),
            guards: evaluated.then(|| crate::id::digest(&guards)),
        }
    }

    /// Whether the hold with this digest says the same already. One that read no metric says nothing against it.
    fn is_told_by(&self, recorded: &str) -> bool {
        match (recorded.split_once('/'), &self.guards) {
            (Some((facts, guards)), Some(own)) => facts == self.facts && guards == own,
            (Some((facts, _)), None) => facts == self.facts,
            (None, _) => false,
        }
    }

    fn text(&self) -> String {
        format!("{}/{}", self.facts, self.guards.as_deref().unwrap_or_default())
    }
}

/// The next moment at which time alone changes something.
fn look_again_at(situation: &Situation<'_>, state: &CapacityState) -> Option<Timestamp> {
    let mut moments: Vec<Timestamp> = state.open.iter().map(crate::plan::OpenStep::take_over_at).collect();
    for pool in &situation.spec.pools {
        let Some(pool_state) = state.pools.get(&pool.id) else { continue };
        moments.extend(
            pool_state
                .members
                .values()
                .filter_map(|member| member.drain)
                .map(|drain| drain.deadline.at()),
        );
        moments.extend(pool_state.cooldown_out_until.into_iter().chain(pool_state.cooldown_in_until));
        let held = pool_state.asked.as_ref().and_then(|asked| asked.in_force(situation.now));
        moments.extend(held.map(|held| held.until));
        moments.extend(pool.policies.iter().filter_map(|policy| match &policy.rule {
            Rule::Simple(rule) => Some(pool_state.adjusted.get(&policy.id)?.wait_ends(rule, Waits::of(pool))),
            _ => None,
        }));
        let waits = [pool_state.launch_backoff, pool_state.breaker_probe];
        moments.extend(waits.into_iter().flatten().map(|wait| wait.until()));
        // who is warm already is passed over before any arithmetic
        let young = pool.warmup.before(situation.now);
        let instances = situation
            .observation
            .instances
            .iter()
            .flatten()
            .filter(|instance| instance.launched_at > young);
        let here = instances.filter(|instance| instance.pool.as_ref() == Some(&pool.id));
        moments.extend(here.map(|instance| pool.warmup.after(instance.launched_at)));
    }
    moments.into_iter().filter(|moment| *moment > situation.now).min()
}
