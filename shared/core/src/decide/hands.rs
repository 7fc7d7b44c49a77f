//! Chooses the steps of one pool, from what is there to what is wanted, within budgets, bounds and surge.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::census::Census;
use super::fleet::{Counted, surge};
use super::ladder::{Climbed, Ladder};
use super::membership::{self, Busy};
use super::mix::Shares;
use super::placement::Placement;
use super::roll::Judgement;
use super::{Listed, Situation, backoff, balancing, discovery, fencing, hooks, leaving, open_steps, renewal, saturate, warm};
use crate::budget;
use crate::id::{ClientToken, Generation, InstanceId, Zone};
use crate::observation::{Market, Place};
use crate::plan::{Action, Choice, LAUNCH_CALLS_MAX, Launch, PlanBuilder, Step, Strategy};
use crate::reason::{Finding, Guard, GuardOutcome};
use crate::spec::{FleetMode, LaunchSpec, MarketMix, Template};
use crate::state::{CapacityState, PoolState};

/// The plan as it grows, pool by pool.
pub(super) struct Draft {
    pub(super) plan: PlanBuilder,
    pub(super) taken_over: Vec<Step>,
    /// What the fleet has or will have, with the launches chosen so far.
    capacity: u32,
    /// What of it runs, or will, only to be stopped and kept warm.
    preparing: u32,
}

impl Draft {
    pub(super) fn new(situation: &Situation<'_>, capacity: u32, preparing: u32) -> Self {
        Self {
            plan: PlanBuilder::new(situation.plan_id.clone()),
            taken_over: Vec::new(),
            capacity,
            preparing,
        }
    }

    /// Sends again what others have left of a pool's open steps.
    pub(super) fn take_over(&mut self, situation: &Situation<'_>, counted: &Counted<'_>, desired: u32, state: &mut CapacityState) {
        if counted.judgement != Judgement::Sound {
            return;
        }
        let there = counted.census.counts.lasting();
        let over = there > counted.max() || self.capacity > situation.spec.maximum;
        // what would bring somebody to a side that is kept out is not sent again
        let wanted = if over || fencing::of(situation, counted.pool).is_some() {
            0
        } else {
            desired
        };
        self.taken_over
            .extend(open_steps::take_over(situation, counted.pool, state, there, wanted));
    }

    /// Launches that still fit into EC2's bucket.
    fn launch_calls_left(&self) -> u32 {
        let steps = self.taken_over.iter().chain(self.plan.steps());
        let calls = steps.filter(|step| matches!(step.action, Action::Launch(_))).count();
        LAUNCH_CALLS_MAX.saturating_sub(saturate(calls))
    }

    /// A full plan is not an error: what does not fit is decided again by the next look.
    fn add(&mut self, hands: &Hands<'_, '_>, action: Action) -> bool {
        let fits = self.plan.has_room();
        if fits {
            self.plan.add(&hands.counted.pool.id, action);
        }
        fits
    }
}

/// What is launched: how, where others are, and what for.
struct ToLaunch<'a> {
    launch: &'a LaunchSpec,
    /// Counts the instances there are by zone.
    by_zone: fn(&Census<'_>) -> BTreeMap<Zone, u32>,
    /// Instances there are by market.
    shares: Shares,
    generation: Generation,
    /// To be kept warm, not to serve.
    warm: bool,
}

/// Everything that choosing steps needs, so that each choice stays small.
pub(super) struct Hands<'a, 'b> {
    pub(super) situation: &'a Situation<'a>,
    pub(super) counted: &'b mut Counted<'a>,
    pub(super) guards: &'b mut Vec<GuardOutcome>,
}

impl Hands<'_, '_> {
    pub(super) fn choose_steps(&mut self, desired: u32, listed: &Listed<'_>, state: &mut CapacityState, draft: &mut Draft) {
        let (situation, pool) = (self.situation, self.counted.pool);
        let sound = self.counted.judgement == Judgement::Sound;
        let mut busy = Busy::of(state);
        // another pool may have chosen steps for the same groups
        busy.hold(draft.plan.steps().iter().map(|step| &step.action));
        let fenced = fencing::of(situation, pool);
        if sound && fenced.is_none() {
            self.change_capacity(desired, &busy, state, draft);
        }
        let max = self.counted.max();
        let others = membership::of_other_sides(situation, pool, state);
        let Some(pool_state) = state.pools.get_mut(&pool.id) else { return };
        if let Some(fencing) = fenced {
            fencing::take_out(situation, fencing, pool_state, &busy);
        }
        let (census, findings) = (&self.counted.census, &mut self.counted.findings);
        let mut actions = membership::steps(situation, pool, census, (listed, &others), pool_state, &busy, findings);
        let counted = (census, self.counted.breaker.as_ref());
        actions.extend(discovery::steps(situation, pool, counted, listed, pool_state, &busy, findings));
        actions.extend(hooks::steps(situation, pool, census, pool_state, &busy, findings));
        actions.extend(balancing::steps(situation, pool, pool_state, &busy));
        if sound {
            // one that leaves a group in this very plan is looked at again before it is terminated
            busy.hold(actions.iter());
            let mut ready = leaving::ready_to_terminate(situation, pool, census, pool_state, &busy);
            actions.extend(warm::stops(situation, pool, census, pool_state, (max, &busy), &mut ready));
            actions.extend(ready);
        }
        if let Some(fencing) = fenced {
            busy.hold(actions.iter());
            actions.extend(fencing::stops(situation, (pool, fencing), census, pool_state, &busy));
        }
        for action in actions {
            draft.add(self, action);
        }
    }

    fn change_capacity(&mut self, desired: u32, busy: &Busy, state: &mut CapacityState, draft: &mut Draft) {
        let (situation, pool, now) = (self.situation, self.counted.pool, self.situation.now);
        let (generation, max) = (state.generation.next(), self.counted.max());
        let mut shares = Shares::of(situation, pool, &self.counted.census, state);
        let Some(pool_state) = state.pools.get_mut(&pool.id) else { return };
        let (mut removals_left, _) = budget::removals_left(&pool.guards, pool_state, self.budgeted(), now);
        if situation.retiring {
            removals_left = u32::MAX;
        }
        let capacity = self.counted.census.counts.lasting();
        let mut needed = self.limit_growth(desired.saturating_sub(capacity), draft);
        let (census, findings) = (&self.counted.census, &mut self.counted.findings);
        if needed > 0 {
            let taken_back = leaving::take_back(pool, census, pool_state, busy, &mut shares, needed, findings);
            draft.capacity = draft.capacity.saturating_add(taken_back);
            needed = needed.saturating_sub(taken_back);
            let taken_in = warm::take_in((pool, now), census, pool_state, busy, &mut shares, needed, findings);
            draft.capacity = draft.capacity.saturating_add(taken_in);
            draft.preparing = draft.preparing.saturating_sub(taken_in);
            needed = needed.saturating_sub(taken_in);
        }
        let most = max.saturating_add(surge(max));
        if situation.retiring || needed > most.saturating_sub(census.counts.all()) {
            leaving::release_kept(situation, pool_state);
        }
        let mut window_left = self.counted.window_removals.map_or(u32::MAX, |(left, _)| left);
        let mut drained = 0;
        let may_replace = match self.counted.breaker {
            None => removals_left,
            // nobody is launched in their place while as many as are wanted serve without them
            Some(_) if census.counts.serving() >= desired => removals_left,
            Some(breaker) => removals_left.min(u32::from(breaker.may_probe)),
        };
        if !situation.retiring {
            drained = leaving::drain_sick(situation, pool, census, pool_state, desired, may_replace, findings);
        }
        if self.counted.breaker.is_none() {
            let allowed = renewal::Allowed {
                now: removals_left.saturating_sub(drained),
                can_wait: window_left,
            };
            let finished = renewal::finish(situation, pool, census, pool_state, desired, allowed, findings);
            drained = drained.saturating_add(finished.left);
            budget::note_window_removals(&self.counted.removal_windows, pool_state, finished.can_wait);
            window_left = window_left.saturating_sub(finished.can_wait);
        }
        // nobody leaves on account of one that was not seen to come yet: a start may have been lost as a launch may
        let seen = capacity
            .saturating_sub(census.counts.in_flight)
            .saturating_sub(census.starts_unseen());
        let mut excess = seen.saturating_sub(desired).min(removals_left.saturating_sub(drained));
        excess = excess.min(window_left);
        if situation.retiring {
            excess = u32::MAX;
        } else if situation.spec.mode == FleetMode::OutOnly || self.counted.breaker.is_some() {
            // the sick count as capacity while the breaker is open: nobody is too many on their account, least of all a probe
            excess = 0;
        } else if pool_state.zone_out_until(now).is_some() && !is_asked_for(pool_state, now) {
            // those that come back are worth more than the place they take
            excess = 0;
        }
        let fewer = leaving::Fewer { desired, excess };
        let left = leaving::drain_excess(situation, pool, census, pool_state, &mut shares, fewer, findings);
        budget::note_window_removals(&self.counted.removal_windows, pool_state, left);
        drained = drained.saturating_add(left);
        // whoever grows needs all that is kept
        let may_remove = situation.spec.mode != FleetMode::OutOnly && self.counted.breaker.is_none() && desired <= capacity;
        if situation.retiring || may_remove {
            let allowed = removals_left.saturating_sub(drained);
            drained = drained.saturating_add(warm::remove(situation, pool, census, pool_state, (allowed, max), busy, findings));
        }
        budget::note(&mut pool_state.removals, drained, budget::kept(budget::TICK), now);
        let calm = drained == 0 && self.is_calm(desired, pool_state);
        let started = self.start(needed, busy, pool_state, draft);
        shares.add(Market::OnDemand, started);
        let what = ToLaunch {
            launch: &pool.launch,
            by_zone: leaving::zones,
            shares,
            generation,
            warm: false,
        };
        let mut launched = self.launch(needed.saturating_sub(started), started, what, pool_state, draft);
        if self.counted.breaker.is_some_and(|breaker| breaker.may_probe) && launched > 0 {
            backoff::lengthen(&mut pool_state.breaker_probe, now);
        }
        if calm {
            launched = launched.saturating_add(self.fill_warm_stock(generation, pool_state, draft));
        }
        budget::note(
            &mut pool_state.launches,
            launched.saturating_add(started),
            budget::kept(budget::HOUR),
            now,
        );
    }

    /// The size of which budgets are shares: what is handed over in this very decision makes none larger.
    fn budgeted(&self) -> u32 {
        let loaded = self.situation.state.pools.get(&self.counted.pool.id);
        loaded.map_or(self.counted.before, |loaded| loaded.desired.min(self.counted.before))
    }

    /// Whether the pool neither grows nor shrinks nor waits for anybody.
    fn is_calm(&self, desired: u32, state: &PoolState) -> bool {
        let counts = &self.counted.census.counts;
        let stays = counts.coming() == 0 && counts.unhealthy == 0 && counts.renewing == 0;
        stays
            && !leaving::anybody_leaves(&self.counted.census, state)
            && self.counted.breaker.is_none()
            && desired == self.counted.before
            && counts.capacity() == desired
    }

    /// Start steps for at most `needed` warm instances. Returns how many.
    fn start(&mut self, needed: u32, busy: &Busy, state: &mut PoolState, draft: &mut Draft) -> u32 {
        let (situation, pool) = (self.situation, self.counted.pool);
        if needed == 0 || !self.counted.census.any_warm {
            return 0;
        }
        let mut ready = warm::startable(situation, pool, &self.counted.census, state, busy);
        if ready.is_empty() {
            return 0;
        }
        let there = saturate(ready.len());
        let [surge, budget] = self.growth_limits(0, state);
        let count = self.limit(needed.min(there), [waiting(state, situation.now), Some(surge), Some(budget)]);
        ready.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        let mut started: u32 = 0;
        for action in warm::starts(pool, &ready) {
            let ids: Vec<InstanceId> = action.instances().into_iter().cloned().collect();
            let brings = action.brings();
            if draft.add(self, action) {
                warm::note_started(state, &ids, situation.now);
                started = started.saturating_add(brings);
            }
        }
        draft.capacity = draft.capacity.saturating_add(started);
        started
    }

    /// Launches what the warm stock lacks, in the background: never more than half of what the budgets still allow, so that growing
    /// finds some left. Returns how many were asked for.
    fn fill_warm_stock(&mut self, generation: Generation, state: &PoolState, draft: &mut Draft) -> u32 {
        let (situation, pool) = (self.situation, self.counted.pool);
        let missing = warm::missing(situation, pool, &self.counted.census, state, self.counted.max());
        let (budget, _) = budget::launches_left(&pool.guards, state, self.budgeted(), situation.now);
        let there = draft.capacity.saturating_add(draft.preparing);
        let room = situation.spec.maximum.saturating_sub(there);
        let count = missing.min(budget.div_ceil(2)).min(room);
        let count = self.limit_launches(count, 0, state);
        if count == 0 {
            return 0;
        }
        let what = ToLaunch {
            launch: &warm::launched_as(&pool.launch),
            by_zone: warm::zones,
            shares: Shares::default(),
            generation,
            warm: true,
        };
        let launched = self.place(count, what, state, draft);
        draft.preparing = draft.preparing.saturating_add(launched);
        launched
    }

    /// Launch steps for at most `needed` instances besides those that are `started`. Returns how many were asked for.
    fn launch(&mut self, needed: u32, started: u32, what: ToLaunch<'_>, state: &PoolState, draft: &mut Draft) -> u32 {
        let count = self.limit_launches(needed, started, state);
        let launched = self.place(count, what, state, draft);
        draft.capacity = draft.capacity.saturating_add(launched);
        launched
    }

    /// Launch steps for `count` instances. Returns how many were asked for.
    fn place(&mut self, count: u32, what: ToLaunch<'_>, state: &PoolState, draft: &mut Draft) -> u32 {
        if count == 0 {
            return 0;
        }
        let (generation, warm) = (what.generation, what.warm);
        let mut places = self.places();
        // a zone that is out gets none, unless there is no other
        let in_others = |place: &Place| !state.zones_out.contains_key(&place.zone);
        if places.iter().any(in_others) {
            places.retain(in_others);
        }
        let ladder = Ladder {
            launch: what.launch,
            places,
            by_zone: (what.by_zone)(&self.counted.census),
            shares: what.shares,
            exhausted: &self.situation.observation.exhausted,
            calls_left: draft.launch_calls_left(),
        };
        let Climbed {
            placements,
            limited_by_calls,
        } = ladder.climb(count, state, self.situation.now, &mut self.counted.findings);
        let template = renewal::template(self.situation, self.counted.pool, state);
        let mut launched: u32 = 0;
        for placement in placements {
            let launch = self.launch_of(&placement, template.clone(), generation, draft);
            let action = Action::Launch(Launch { warm, ..launch });
            if draft.add(self, action) {
                launched = launched.saturating_add(placement.count);
            }
        }
        if limited_by_calls {
            self.guards.push(GuardOutcome {
                guard: Guard::LaunchCalls { most: LAUNCH_CALLS_MAX },
                before: count,
                after: launched,
            });
        }
        launched
    }

    /// How many of the `needed` the pool and the fleet have room for, by what is there and not by what is wanted.
    fn limit_growth(&mut self, needed: u32, draft: &Draft) -> u32 {
        let max = self.counted.max();
        let room = self.situation.spec.maximum.saturating_sub(draft.capacity);
        self.limit(
            needed,
            [
                // a size that stands above the bounds, because the mode lets nothing leave, is not grown to
                Some((
                    max.saturating_sub(self.counted.census.counts.lasting()),
                    Guard::Range { min: 0, max },
                )),
                Some((room, Guard::FleetMaximum { room })),
            ],
        )
    }

    /// How many of the `needed` may be launched now, besides those that are `started`.
    fn limit_launches(&mut self, needed: u32, started: u32, state: &PoolState) -> u32 {
        let now = self.situation.now;
        let [surge, budget] = self.growth_limits(started, state);
        let refusal = refusal(state, &self.counted.pool.launch.market, now);
        self.limit(needed, [refusal, waiting(state, now), Some(surge), Some(budget)])
    }

    /// What surge and budgets leave beside those that are `started`.
    fn growth_limits(&self, started: u32, state: &PoolState) -> [(u32, Guard); 2] {
        let (guards, now, max) = (&self.counted.pool.guards, self.situation.now, self.counted.max());
        let most = max.saturating_add(surge(max));
        let surge_left = most.saturating_sub(self.counted.census.counts.all());
        let (budget_left, budget) = budget::launches_left(guards, state, self.budgeted(), now);
        let left = |limit: u32| limit.saturating_sub(started);
        [(left(surge_left), Guard::Surge { most }), (left(budget_left), budget)]
    }

    /// The smallest of these limits; each that bites leaves its reason.
    fn limit<const N: usize>(&mut self, needed: u32, limits: [Option<(u32, Guard)>; N]) -> u32 {
        let mut count = needed;
        for (limit, guard) in limits.into_iter().flatten() {
            if limit < count {
                self.guards.push(GuardOutcome {
                    guard,
                    before: count,
                    after: limit,
                });
                count = limit;
            }
        }
        count
    }

    fn places(&mut self) -> Vec<Place> {
        let mut places = Vec::new();
        for subnet in &self.counted.pool.launch.subnets {
            match self.situation.resolved.zones.get(subnet) {
                Some(zone) => places.push(Place {
                    subnet: subnet.clone(),
                    zone: zone.clone(),
                }),
                None => self.counted.findings.push(Finding::ZoneUnknown { subnet: subnet.clone() }),
            }
        }
        places
    }

    fn launch_of(&self, placement: &Placement, template: Template, generation: Generation, draft: &Draft) -> Launch {
        let step = draft.plan.next_step();
        let instance_type = placement
            .offering
            .instance_type
            .as_ref()
            .map_or("", |instance_type| instance_type.as_str());
        let strategy = Strategy::of(self.counted.pool.launch.market.allocation);
        let choice = strategy.filter(|_| !placement.others.is_empty()).map(|strategy| Choice {
            strategy,
            others: placement.others.clone(),
        });
        let chosen_from = choice.as_ref().map_or_else(String::new, |choice| {
            let others: Vec<&str> = choice.others.iter().map(|other| other.as_str()).collect();
            format!("{} {}", choice.strategy.as_str(), others.join(" "))
        });
        let token = ClientToken::over(&[
            self.situation.installation.as_str(),
            self.situation.spec.id.as_str(),
            step.plan.as_str(),
            &step.number.0.to_string(),
            placement.place.subnet.as_str(),
            instance_type,
            &placement.offering.bought(),
            &chosen_from,
            template.key.as_str(),
            &template.version,
            &placement.count.to_string(),
        ]);
        Launch {
            count: placement.count,
            template,
            place: placement.place.clone(),
            offering: placement.offering.clone(),
            choice,
            token,
            generation,
            warm: false,
        }
    }
}

/// AWS refused the last launch, or every market is off, and it is too soon for another.
fn refusal(state: &PoolState, mix: &MarketMix, now: Timestamp) -> Option<(u32, Guard)> {
    let until = state.launching_off_until(mix, now)?;
    Some((0, Guard::LaunchRefused { until }))
}

/// What was launched last never became healthy, and it is too soon for another try.
fn waiting(state: &PoolState, now: Timestamp) -> Option<(u32, Guard)> {
    let until = state.launch_backoff.map(|backoff| backoff.until()).filter(|until| now < *until)?;
    Some((0, Guard::LaunchBackoff { until }))
}

/// Whether an operator's size holds: then whoever is too many leaves, whatever goes on.
fn is_asked_for(state: &PoolState, now: Timestamp) -> bool {
    state.asked.as_ref().is_some_and(|asked| asked.in_force(now).is_some())
}
