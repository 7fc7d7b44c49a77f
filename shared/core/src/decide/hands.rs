//! Chooses the steps of one pool, from what is there to what is wanted, within budgets, bounds and surge.

use jiff::Timestamp;

use super::fleet::{Counted, surge};
use super::membership::{self, Busy};
use super::placement::{Placement, place};
use super::roll::Judgement;
use super::{Listed, Situation, backoff, hooks, leaving, open_steps, renewal};
use crate::budget;
use crate::id::{ClientToken, Generation};
use crate::observation::Place;
use crate::plan::{Action, Launch, PlanBuilder, Step};
use crate::reason::{Finding, Guard, GuardOutcome};
use crate::size;
use crate::spec::FleetMode;
use crate::state::{CapacityState, PoolState};

/// The plan as it grows, pool by pool.
pub(super) struct Draft {
    pub(super) plan: PlanBuilder,
    pub(super) taken_over: Vec<Step>,
    /// What the fleet has or will have, with the launches chosen so far.
    capacity: u32,
}

impl Draft {
    pub(super) fn new(situation: &Situation<'_>, capacity: u32) -> Self {
        Self {
            plan: PlanBuilder::new(situation.plan_id.clone()),
            taken_over: Vec::new(),
            capacity,
        }
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
        if sound {
            let counts = &self.counted.census.counts;
            let over = counts.lasting() > self.max() || draft.capacity > situation.spec.maximum;
            let wanted = if over { 0 } else { desired };
            draft
                .taken_over
                .extend(open_steps::take_over(situation, pool, state, counts.lasting(), wanted));
        }
        let busy = Busy::of(state);
        if sound {
            self.change_capacity(desired, &busy, state, draft);
        }
        let Some(pool_state) = state.pools.get(&pool.id) else { return };
        let (census, findings) = (&self.counted.census, &mut self.counted.findings);
        let mut actions = membership::steps(situation, pool, census, listed, pool_state, &busy, findings);
        actions.extend(hooks::steps(situation, pool, census, pool_state, &busy, findings));
        if sound {
            // one that leaves a group in this very plan is looked at again before it is terminated
            let mut busy = busy.all_instances();
            busy.extend(actions.iter().flat_map(Action::instances).cloned());
            actions.extend(leaving::ready_to_terminate(situation, pool, census, pool_state, &busy));
        }
        for action in actions {
            draft.add(self, action);
        }
    }

    /// Most instances of this pool, as open windows move it.
    fn max(&self) -> u32 {
        let pool = self.counted.pool;
        size::bounds(pool.capacity, &pool.policies, &self.counted.windows).1
    }

    fn change_capacity(&mut self, desired: u32, busy: &Busy, state: &mut CapacityState, draft: &mut Draft) {
        let (situation, pool, now) = (self.situation, self.counted.pool, self.situation.now);
        let (generation, max) = (state.generation.next(), self.max());
        let Some(pool_state) = state.pools.get_mut(&pool.id) else { return };
        let (mut removals_left, _) = budget::removals_left(&pool.guards, pool_state, self.counted.before, now);
        if situation.retiring {
            removals_left = u32::MAX;
        }
        let capacity = self.counted.census.counts.lasting();
        let mut needed = self.limit_growth(desired.saturating_sub(capacity), draft);
        let (census, findings) = (&self.counted.census, &mut self.counted.findings);
        if needed > 0 {
            let taken_back = leaving::take_back(pool, census, pool_state, &busy.all_instances(), needed, findings);
            draft.capacity = draft.capacity.saturating_add(taken_back);
            needed = needed.saturating_sub(taken_back);
        }
        let most = max.saturating_add(surge(max));
        if situation.retiring || needed > most.saturating_sub(census.counts.all()) {
            leaving::release_kept(situation, pool_state);
        }
        let mut drained = 0;
        let may_replace = match self.counted.breaker {
            None => removals_left,
            Some(breaker) => removals_left.min(u32::from(breaker.may_probe)),
        };
        if !situation.retiring {
            drained = leaving::drain_sick(situation, pool, census, pool_state, desired, may_replace, findings);
        }
        if self.counted.breaker.is_none() {
            let allowed = removals_left.saturating_sub(drained);
            drained = drained.saturating_add(renewal::finish(situation, pool, census, pool_state, desired, allowed, findings));
        }
        // nobody leaves on account of one that was not seen yet
        let seen = capacity.saturating_sub(census.counts.in_flight);
        let mut excess = seen.saturating_sub(desired).min(removals_left.saturating_sub(drained));
        if situation.retiring {
            excess = u32::MAX;
        } else if situation.spec.mode == FleetMode::OutOnly || self.counted.breaker.is_some() {
            // the sick count as capacity while the breaker is open: nobody is too many on their account, least of all a probe
            excess = 0;
        }
        drained = drained.saturating_add(leaving::drain_excess(
            situation, pool, census, pool_state, desired, excess, findings,
        ));
        budget::note(&mut pool_state.removals, drained, budget::TICK, now);
        let launched = self.launch(needed, generation, pool_state, draft);
        if self.counted.breaker.is_some_and(|breaker| breaker.may_probe) && launched > 0 {
            backoff::lengthen(&mut pool_state.breaker_probe, now);
        }
        budget::note(&mut pool_state.launches, launched, budget::HOUR, now);
    }

    /// Launch steps for at most `needed` instances. Returns how many were asked for.
    fn launch(&mut self, needed: u32, generation: Generation, state: &PoolState, draft: &mut Draft) -> u32 {
        let count = self.limit_launches(needed, state);
        if count == 0 {
            return 0;
        }
        let zones = leaving::zones(&self.counted.census);
        let types = &self.counted.pool.launch.instance_types;
        let placements = place(count, &self.places(), types, &zones, &self.situation.observation.exhausted);
        let placed = placements.iter().map(|placement| placement.count).fold(0, u32::saturating_add);
        if placed < count {
            self.counted.findings.push(Finding::NoOffering {
                count: count.saturating_sub(placed),
            });
        }
        let mut launched: u32 = 0;
        for placement in placements {
            let action = Action::Launch(self.launch_of(&placement, generation, draft));
            if draft.add(self, action) {
                launched = launched.saturating_add(placement.count);
            }
        }
        draft.capacity = draft.capacity.saturating_add(launched);
        launched
    }

    /// How many of the `needed` the pool and the fleet have room for, by what is there and not by what is wanted.
    fn limit_growth(&mut self, needed: u32, draft: &Draft) -> u32 {
        let max = self.max();
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

    /// How many of the `needed` may be launched now.
    fn limit_launches(&mut self, needed: u32, state: &PoolState) -> u32 {
        let (guards, now, max) = (&self.counted.pool.guards, self.situation.now, self.max());
        let most = max.saturating_add(surge(max));
        let surge_left = most.saturating_sub(self.counted.census.counts.all());
        let budget = budget::launches_left(guards, state, self.counted.before, now);
        self.limit(
            needed,
            [
                refusal(state, now),
                waiting(state, now),
                Some((surge_left, Guard::Surge { most })),
                Some(budget),
            ],
        )
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

    fn launch_of(&self, placement: &Placement, generation: Generation, draft: &Draft) -> Launch {
        let step = draft.plan.next_step();
        let template = renewal::template(self.situation, self.counted.pool);
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

/// AWS refused the last launch, and it is too soon for another.
fn refusal(state: &PoolState, now: Timestamp) -> Option<(u32, Guard)> {
    let refused = state.launch_refused.as_ref().filter(|refused| now < refused.until)?;
    Some((0, Guard::LaunchRefused { until: refused.until }))
}

/// What was launched last never became healthy, and it is too soon for another try.
fn waiting(state: &PoolState, now: Timestamp) -> Option<(u32, Guard)> {
    let until = state.launch_backoff.map(|backoff| backoff.until()).filter(|until| now < *until)?;
    Some((0, Guard::LaunchBackoff { until }))
}
