//! One decision: for each pool call the roll, settle open steps, count, size, and choose the steps.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::census::{self, Census};
use super::membership::{self, Busy};
use super::placement::{Placement, place};
use super::roll::{self, Judgement};
use super::{Decision, PoolDecision, Situation, leaving, open_steps};
use crate::budget;
use crate::id::{ClientToken, PolicyId, PoolId};
use crate::observation::Place;
use crate::plan::{Action, Launch, PlanBuilder, Step};
use crate::reason::{Finding, Guard, GuardOutcome};
use crate::size::{self, SizeInput, Sizing};
use crate::spec::{FleetMode, OpenWindow, PoolSpec, Rule};
use crate::state::{CapacityState, LastHold};
use crate::unit::Percent;

/// What the fleet should do next. Pure: equal situations give equal decisions.
#[must_use]
pub fn decide(situation: &Situation<'_>) -> Decision {
    let mut state = situation.state.clone();
    if state.pause.as_ref().is_some_and(|pause| situation.now >= pause.until) {
        state.pause = None;
    }
    let mut draft = Draft {
        plan: PlanBuilder::new(situation.plan_id.clone()),
        taken_over: Vec::new(),
        pools: BTreeMap::new(),
    };
    let mut others: BTreeMap<PoolId, u32> = situation
        .spec
        .pools
        .iter()
        .map(|pool| {
            (
                pool.id.clone(),
                state.pools.get(&pool.id).map_or(pool.capacity.initial, |pool| pool.desired),
            )
        })
        .collect();
    for pool in &situation.spec.pools {
        state
            .pools
            .entry(pool.id.clone())
            .or_insert_with(|| crate::state::PoolState::new(pool.capacity.initial));
        let taken: u32 = others
            .iter()
            .filter(|(id, _)| **id != pool.id)
            .map(|(_, desired)| *desired)
            .fold(0, u32::saturating_add);
        let decided = decide_pool(
            situation,
            pool,
            situation.spec.maximum.saturating_sub(taken),
            &mut state,
            &mut draft,
        );
        others.insert(pool.id.clone(), decided.after);
        draft.pools.insert(pool.id.clone(), decided);
    }
    finish(situation, state, draft)
}

struct Draft {
    plan: PlanBuilder,
    taken_over: Vec<Step>,
    pools: BTreeMap<PoolId, PoolDecision>,
}

/// Whether steps may be sent at all: a pause and the quiet modes still look, count and record.
fn may_act(situation: &Situation<'_>, state: &CapacityState) -> bool {
    state.pause.is_none() && matches!(situation.spec.mode, FleetMode::On | FleetMode::OutOnly)
}

fn decide_pool(situation: &Situation<'_>, pool: &PoolSpec, room: u32, state: &mut CapacityState, draft: &mut Draft) -> PoolDecision {
    let mut findings = Vec::new();
    let judgement = roll::call(situation, pool, state, &mut findings);
    open_steps::settle(situation, pool, state, &mut findings);
    let acting = may_act(situation, state);
    if let Some(pool_state) = state.pools.get_mut(&pool.id).filter(|_| acting) {
        leaving::interrupted(situation, pool_state, &mut findings);
    }
    let mut census = census::take(situation, pool, state, &mut findings);
    let breaker = breaker(pool, &census);
    if breaker.is_some() {
        census.keep_the_sick();
    }
    let before = state.pools.get(&pool.id).map_or(0, |pool| pool.desired);
    let mut sizing = size_pool(situation, pool, room, judgement, &census, state);
    sizing.guards.extend(breaker.map(|guard| GuardOutcome {
        guard,
        before: census.counts.unhealthy,
        after: census.counts.unhealthy,
    }));
    let after = sizing.desired;
    if acting {
        let mut hands = Hands {
            situation,
            pool,
            census: &census,
            breaker: breaker.is_some(),
            findings: &mut findings,
            guards: &mut sizing.guards,
        };
        hands.choose_steps(judgement, after, state, draft);
    }
    PoolDecision {
        counts: census.counts,
        before,
        after,
        recommended: sizing.recommended,
        votes: sizing.votes,
        guards: sizing.guards,
        findings,
    }
}

fn size_pool(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    room: u32,
    judgement: Judgement,
    census: &Census<'_>,
    state: &mut CapacityState,
) -> Sizing {
    let windows = open_windows(pool, situation.now);
    let none = BTreeMap::new();
    let paused_until = state.pause.as_ref().map(|pause| pause.until);
    let Some(pool_state) = state.pools.get_mut(&pool.id) else {
        return Sizing {
            desired: 0,
            recommended: None,
            votes: Vec::new(),
            guards: Vec::new(),
        };
    };
    let loaded = pool_state.clone();
    let input = SizeInput {
        counts: census.counts,
        range: pool.capacity,
        policies: &pool.policies,
        guards: &pool.guards,
        mode: situation.spec.mode,
        paused_until,
        retiring: situation.retiring,
        traffic_floor: situation.traffic.floors.get(&pool.id).copied().unwrap_or(0),
        room,
        series: situation.observation.series.get(&pool.id).unwrap_or(&none),
        windows: &windows,
        last_drain: census.last_drain,
        state: &loaded,
        now: situation.now,
    };
    let mut sizing = size::size(&input);
    if judgement == Judgement::Held {
        // what nobody can count, nobody can size
        if sizing.desired != loaded.desired {
            sizing.guards.push(GuardOutcome {
                guard: Guard::Staleness,
                before: sizing.desired,
                after: loaded.desired,
            });
        }
        sizing.desired = loaded.desired;
        return sizing;
    }
    size::remember(&sizing, &input, pool_state);
    sizing
}

/// Windows of a pool's scheduled policies that are open.
pub(crate) fn open_windows(pool: &PoolSpec, now: Timestamp) -> BTreeMap<PolicyId, OpenWindow> {
    let window = |policy: &crate::spec::Policy| match &policy.rule {
        Rule::Scheduled(scheduled) => scheduled.schedule.open_window(now).map(|window| (policy.id.clone(), window)),
        _ => None,
    };
    pool.policies.iter().filter_map(window).collect()
}

/// More sick instances than can be the instances' own fault: nothing is replaced.
fn breaker(pool: &PoolSpec, census: &Census<'_>) -> Option<Guard> {
    let total = census
        .counts
        .serving()
        .saturating_add(census.counts.coming())
        .saturating_add(census.counts.unhealthy);
    let limit = pool.guards.breaker_unhealthy.of_floor(total).max(pool.guards.breaker_at_least);
    (census.counts.unhealthy > limit).then_some(Guard::Breaker {
        unhealthy: census.counts.unhealthy,
        limit,
    })
}

impl Census<'_> {
    /// With the breaker open the sick stay where they are and count as capacity, so that nobody launches around them.
    fn keep_the_sick(&mut self) {
        self.counts.warming = self.counts.warming.saturating_add(self.counts.unhealthy);
        self.counts.unhealthy = 0;
    }
}

/// Largest number of instances that may exist for a while beyond `max`: draining ones and replacements.
#[must_use]
pub(crate) fn surge(max: u32) -> u32 {
    Percent(10).of_floor(max).max(1)
}

/// Everything that choosing steps needs, so that each choice stays small.
struct Hands<'a, 'b> {
    situation: &'a Situation<'a>,
    pool: &'a PoolSpec,
    census: &'a Census<'a>,
    breaker: bool,
    findings: &'b mut Vec<Finding>,
    guards: &'b mut Vec<GuardOutcome>,
}

impl Hands<'_, '_> {
    fn choose_steps(&mut self, judgement: Judgement, desired: u32, state: &mut CapacityState, draft: &mut Draft) {
        let missing = desired.saturating_sub(self.census.counts.capacity().saturating_sub(self.census.counts.in_flight));
        draft
            .taken_over
            .extend(open_steps::take_over(self.situation, self.pool, state, judgement, missing));
        let busy = Busy::of(state);
        if judgement == Judgement::Sound {
            self.change_capacity(desired, &busy, state, draft);
        }
        let Some(pool_state) = state.pools.get(&self.pool.id) else { return };
        let mut actions = membership::steps(self.situation, self.pool, self.census, pool_state, &busy, self.findings);
        if judgement == Judgement::Sound {
            actions.extend(leaving::ready_to_terminate(
                self.situation,
                self.pool,
                self.census,
                pool_state,
                &busy.all_instances(),
            ));
        }
        for action in actions {
            self.add(action, draft);
        }
    }

    /// A full plan is not an error: what does not fit is decided again by the next look.
    fn add(&self, action: Action, draft: &mut Draft) -> bool {
        let fits = draft.plan.has_room();
        if fits {
            draft.plan.add(&self.pool.id, action);
        }
        fits
    }

    fn change_capacity(&mut self, desired: u32, busy: &Busy, state: &mut CapacityState, draft: &mut Draft) {
        let now = self.situation.now;
        let generation = state.generation.next();
        let Some(pool_state) = state.pools.get_mut(&self.pool.id) else {
            return;
        };
        let (mut removals_left, _) = budget::removals_left(&self.pool.guards, pool_state, now);
        if self.situation.retiring {
            removals_left = u32::MAX;
        }
        let capacity = self.census.counts.capacity();
        let mut needed = desired.saturating_sub(capacity);
        if needed > 0 {
            needed = needed.saturating_sub(leaving::take_back(
                self.census,
                pool_state,
                &busy.all_instances(),
                needed,
                self.findings,
            ));
        }
        let mut drained = 0;
        if !self.breaker {
            drained = leaving::drain_sick(self.situation, self.pool, self.census, pool_state, removals_left, self.findings);
        }
        let excess = capacity.saturating_sub(desired).min(removals_left.saturating_sub(drained));
        drained = drained.saturating_add(leaving::drain_excess(
            self.situation,
            self.pool,
            self.census,
            pool_state,
            desired,
            excess,
            self.findings,
        ));
        budget::note(&mut pool_state.removals, drained, budget::TICK, now);
        let launched = self.launch(needed, generation, pool_state, draft);
        budget::note(&mut pool_state.launches, launched, budget::HOUR, now);
    }

    /// Launch steps for at most `needed` instances, within budgets and surge. Returns how many were asked for.
    fn launch(&mut self, needed: u32, generation: crate::id::Generation, state: &crate::state::PoolState, draft: &mut Draft) -> u32 {
        let now = self.situation.now;
        if needed == 0 {
            return 0;
        }
        if let Some(refused) = state.launch_refused.as_ref().filter(|refused| now < refused.until) {
            self.guards.push(GuardOutcome {
                guard: Guard::LaunchRefused { until: refused.until },
                before: needed,
                after: 0,
            });
            return 0;
        }
        let max = self.pool.capacity.max.max(state.desired);
        let surge_left = max.saturating_add(surge(max)).saturating_sub(self.census.counts.all());
        let (left, guard) = budget::launches_left(&self.pool.guards, state, now);
        let count = needed.min(left).min(surge_left);
        if left < needed {
            self.guards.push(GuardOutcome {
                guard,
                before: needed,
                after: left,
            });
        }
        let placements = place(
            count,
            &self.places(),
            &self.pool.launch.instance_types,
            &leaving::zones(self.census),
            &self.situation.observation.exhausted,
        );
        let mut launched: u32 = 0;
        for placement in placements {
            let action = Action::Launch(self.launch_of(&placement, generation, draft));
            if self.add(action, draft) {
                launched = launched.saturating_add(placement.count);
            }
        }
        launched
    }

    fn places(&mut self) -> Vec<Place> {
        let mut places = Vec::new();
        for subnet in &self.pool.launch.subnets {
            match self.situation.resolved.zones.get(subnet) {
                Some(zone) => places.push(Place {
                    subnet: subnet.clone(),
                    zone: zone.clone(),
                }),
                None => self.findings.push(Finding::ZoneUnknown { subnet: subnet.clone() }),
            }
        }
        places
    }

    fn launch_of(&self, placement: &Placement, generation: crate::id::Generation, draft: &Draft) -> Launch {
        let step = draft.plan.next_step();
        let template = self.pool.launch.template.clone();
        let instance_type = placement
            .offering
            .instance_type
            .as_ref()
            .map_or("", |instance_type| instance_type.as_str());
        let token = ClientToken::over(&[
            self.situation.installation.as_str(),
            self.situation.spec.id.as_str(),
            step.plan.as_str(),
            &step.number.0.to_string(),
            placement.place.subnet.as_str(),
            instance_type,
            placement.offering.market.as_str(),
            template.key.as_str(),
            &template.version,
            &placement.count.to_string(),
        ]);
        Launch {
            count: placement.count,
            template,
            place: placement.place.clone(),
            offering: placement.offering.clone(),
            token,
            generation,
        }
    }
}

/// Opens the new steps, numbers the generation, and recognises a hold that says nothing new.
fn finish(situation: &Situation<'_>, mut state: CapacityState, draft: Draft) -> Decision {
    let look_again_at = look_again_at(situation, &state);
    state.open.extend(draft.plan.open(situation.now, situation.execute_until));
    let plan = draft.plan.build(draft.taken_over, situation.execute_until);
    let mut decision = Decision {
        state,
        plan,
        pools: draft.pools,
        look_again_at,
    };
    if decision.plan.steps.is_empty() {
        let digest = hold_digest(&decision.pools);
        if decision.state.last_hold.as_ref().is_none_or(|hold| hold.digest != digest) || decision.changes(situation.state) {
            decision.state.last_hold = Some(LastHold {
                record: situation.plan_id.clone(),
                digest,
            });
        }
    } else {
        decision.state.last_hold = None;
    }
    if decision.changes(situation.state) {
        decision.state.generation = situation.state.generation.next();
    }
    decision
}

/// What makes two holds the same: sizes, and the names of guards and findings. Metric values differ every minute and do
/// not make a hold a new one.
fn hold_digest(pools: &BTreeMap<PoolId, PoolDecision>) -> String {
    let mut text = String::new();
    for (id, pool) in pools {
        text.push_str(&format!("{id} {} {};", pool.after, pool.before));
        for outcome in &pool.guards {
            text.push_str(outcome.guard.name());
            text.push(';');
        }
        for finding in &pool.findings {
            text.push_str(&finding.to_string());
            text.push(';');
        }
    }
    crate::id::digest(&text)
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
                .map(|drain| drain.deadline),
        );
        moments.extend(pool_state.cooldown_out_until.into_iter().chain(pool_state.cooldown_in_until));
        let launched = situation
            .observation
            .instances
            .iter()
            .flatten()
            .filter(|instance| instance.pool.as_ref() == Some(&pool.id));
        moments.extend(launched.map(|instance| pool.warmup.after(instance.launched_at)));
    }
    moments.into_iter().filter(|moment| *moment > situation.now).min()
}
