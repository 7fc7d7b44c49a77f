//! A decision in the making: what this look says of each side, and what is due by it, asked or not.

use std::borrow::Cow;

use jiff::Timestamp;

use super::finding::{Refusal, TrafficFinding};
use super::gate::Readiness;
use super::swap::Seat;
use super::{TrafficDecision, TrafficRequest, TrafficSituation, TrafficStanding, TrafficStep, TrafficWish, routing, watch};
use crate::id::{Epoch, PoolId, RouteId};
use crate::operator::AHEAD_MAX;
use crate::signal::EVENT_AGE_MAX;
use crate::spec::{FleetMode, PoolSpec};
use crate::state::{Routing, ShiftReason, SignalKind, Stage, TrafficState};
use crate::unit::Seconds;

/// A decision in the making.
pub(super) struct Draft<'a> {
    pub(super) situation: &'a TrafficSituation<'a>,
    pub(super) state: TrafficState,
    pub(super) steps: Vec<TrafficStep>,
    pub(super) findings: Vec<TrafficFinding>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(situation: &'a TrafficSituation<'a>) -> Self {
        Self {
            situation,
            state: situation.traffic.clone(),
            steps: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Notes what this look says of each side.
    pub(super) fn look_at_sides(&mut self) {
        let situation = self.situation;
        let detect = &situation.failover.detect;
        self.state.sides.retain(|pool, _| situation.spec.pool(pool).is_some());
        self.follow_mode();
        for pool in &situation.spec.pools {
            let Some(looked) = situation.looked(&pool.id) else { continue };
            let evidence = looked.evidence(detect);
            let well = watch::is_well(&evidence, looked.is_checked());
            let left_for = self.left_for(&pool.id);
            // nobody measures answers where nobody asks: what called it down must itself speak for it again
            let is_back = left_for.is_some_and(|why| watch::is_denied(&evidence, why));
            let was_left = left_for.is_some();
            let idle = self.is_idle(pool);
            let side = self.state.sides.entry(pool.id.clone()).or_default();
            watch::note(side, &evidence, detect.datapoints, situation.now);
            let is_mixed = looked.seat == Seat::Takes && looked.shares_its_groups();
            watch::note_mixed(side, is_mixed, situation.now);
            side.armed |= well;
            // whoever was registered on trial and failed its checks is seen to run, and no more, once it is out again
            let failed_on_trial = looked.seat == Seat::Out && !side.seen.is_empty();
            side.idle = idle.unwrap_or(side.idle);
            match situation.well_enough().filter(|_| was_left) {
                Some(enough) => watch::count_well(side, well && is_back && !failed_on_trial, enough, situation.now),
                None => side.well = None,
            }
        }
    }

    /// Whether no route sends a side anything, or nobody of it is registered; none: not everything could be read.
    fn is_idle(&self, pool: &PoolSpec) -> Option<bool> {
        if self.situation.failover.swaps_targets() {
            return self.registered(pool).map(|registered| registered == 0);
        }
        if self.situation.failover.leads_to_instance() {
            return self.is_led_elsewhere(pool);
        }
        let observed = &self.situation.observation.routing;
        let mut routes = self.situation.failover.all_routes().map(|route| observed.get(route));
        routes.try_fold(true, |idle, routing| Some(idle && !routing::sends(routing?, pool)))
    }

    /// Why traffic left a side; none: it did not.
    fn left_for(&self, pool: &PoolId) -> Option<&ShiftReason> {
        if self.is_shared() {
            return self.state.spread.as_ref()?.out.get(pool).map(|left| &left.why);
        }
        let moved = self
            .state
            .moved
            .as_ref()
            .filter(|moved| moved.from == *pool && self.state.active != *pool);
        moved.map(|moved| &moved.why)
    }

    /// Whatever is due: what is under way first, then what is asked, then what failed; and who has what leads to one instance.
    pub(super) fn go_on(&mut self) {
        if !self.may_act() {
            if self.situation.asked.is_some() {
                self.refuse(Refusal::NotAllowed);
            }
            return;
        }
        self.go_on_between_sides();
        self.lead();
    }

    fn go_on_between_sides(&mut self) {
        self.tend_fence();
        match (self.state.shift.clone(), self.situation.asked) {
            // nothing has moved yet: who asks may still have it otherwise
            (Some(shift), Some(request)) if shift.stage == Stage::Preparing => self.hear(request),
            (Some(shift), asked) => {
                if asked.is_some() {
                    self.refuse(Refusal::Shifts { to: shift.to.clone() });
                }
                self.go_on_with(&shift);
            }
            (None, asked) => {
                if let Some(degraded) = self.state.degraded.clone() {
                    return match asked {
                        Some(request) => self.hear_degraded(&degraded, request),
                        None => self.go_on_degraded(&degraded),
                    };
                }
                self.lift_floors();
                match asked {
                    Some(request) => self.hear(request),
                    None if self.is_shared() => self.watch_over_sharers(),
                    None => self.watch_over(),
                }
            }
        }
    }

    pub(super) fn finish(mut self) -> TrafficDecision {
        let situation = self.situation;
        let loaded = situation.traffic;
        self.account_of_drill();
        let begins_to_move = is_moving(&self.state) && !is_moving(loaded);
        let degrades = self.state.degraded.is_some() && loaded.degraded.is_none();
        let fenced = |state: &TrafficState| state.fence.as_ref().map(|fence| fence.pool.clone());
        let goes_elsewhere = self.state.active != loaded.active || begins_to_move || degrades || fenced(&self.state) != fenced(loaded);
        if goes_elsewhere || self.state.floors != loaded.floors {
            self.state.epoch = Epoch(loaded.epoch.0.saturating_add(1));
        }
        if self.state != *loaded {
            self.state.version = loaded.version.saturating_add(1);
        }
        let TrafficStanding { readiness, .. } = self.standing();
        let suspect = self.state.sides.values().any(|side| !side.seen.is_empty());
        TrafficDecision {
            enrols: self.enrols(),
            look_again: suspect
                || self.is_drilling()
                || self.state.shift.is_some()
                || self.state.fence.is_some()
                || self.state.degraded.is_some(),
            takers: self.state.takers(situation.spec).into_iter().cloned().collect(),
            state: self.state,
            steps: self.steps,
            findings: self.findings,
            readiness,
        }
    }

    pub(super) fn standing(&self) -> TrafficStanding {
        let active = &self.state.active;
        let others = self.situation.spec.pools.iter().filter(|pool| pool.id != *active);
        let takers = self.state.takers(self.situation.spec);
        TrafficStanding {
            down_by: takers
                .into_iter()
                .map(|side| (side.clone(), self.situation.down_by(&self.state, side)))
                .filter(|(_, by)| !by.is_empty())
                .collect(),
            readiness: if self.is_shared() {
                self.standing_of_sharers()
            } else {
                others
                    .filter_map(|pool| Some((pool.id.clone(), self.readiness(active, &pool.id)?)))
                    .collect()
            },
            fenced: self.fence_standing(),
        }
    }

    fn may_act(&self) -> bool {
        let pause = self.situation.capacity.pause.as_ref();
        let paused = pause.is_some_and(|pause| self.situation.now < pause.until);
        !paused && matches!(self.situation.spec.mode, FleetMode::On | FleetMode::OutOnly)
    }

    pub(super) fn refuse(&mut self, why: Refusal) {
        self.findings.push(TrafficFinding::Refused { why });
    }

    /// Why not even a person can have a side take the traffic.
    pub(super) fn cannot_reach(&self, pool: PoolId) -> Refusal {
        if self.situation.failover.leads_to_instance() {
            Refusal::LeadsElsewhere { pool }
        } else {
            Refusal::CannotReach { pool }
        }
    }

    pub(super) fn size_of(&self, pool: &PoolId) -> u32 {
        self.situation.capacity.pools.get(pool).map_or(0, |state| state.desired)
    }

    pub(super) fn readiness(&self, from: &PoolId, to: &PoolId) -> Option<Readiness> {
        let looked = self.situation.looked_at(to, self.seat(to))?;
        let down_by = self.situation.down_by(&self.state, to);
        let size = self.size_of(from);
        let leads = self.situation.failover.leads_to_instance();
        let reaches = |route: &RouteId| {
            let named = |routing: Cow<'_, Routing>| routing::names(&routing, looked.pool);
            if leads {
                self.is_ours_to_lead(route)
            } else {
                self.routing(route).is_some_and(named)
            }
        };
        Some(Readiness::of(self.situation.failover, &looked, size, down_by, reaches))
    }

    /// What a route does, or will do again once something else no longer answers in its place.
    pub(super) fn routing(&self, route: &RouteId) -> Option<Cow<'_, Routing>> {
        let now = self.situation.observation.routing.get(route)?;
        let before = self.state.degraded.as_ref().and_then(|degraded| {
            let set = degraded.wanted.get(route)?;
            degraded.previous.get(route).filter(|_| routing::does(now, set))
        });
        Some(before.map_or(Cow::Borrowed(now), |noted| self.before(route, noted)))
    }

    pub(super) fn is_timely(&self, request: &TrafficRequest) -> bool {
        let now = self.situation.now;
        Seconds::between(request.at, now) <= EVENT_AGE_MAX && Seconds::between(now, request.at) <= AHEAD_MAX
    }

    /// What an operator asks.
    fn hear(&mut self, request: &TrafficRequest) {
        if !self.is_timely(request) {
            return self.refuse(Refusal::BadTime);
        }
        let asked = |until, forced| ShiftReason::Asked {
            by: request.by.clone(),
            reason: request.reason.clone(),
            until,
            forced,
        };
        let before = self.state.moved.clone().filter(|moved| moved.to == self.state.active);
        let prepares = self.state.shift.as_ref().map(|shift| shift.to.clone());
        match (&request.wish, before) {
            (TrafficWish::Failback | TrafficWish::Undo, _) if prepares.is_some() => {
                self.findings.extend(prepares.map(|to| TrafficFinding::Cancelled { to }));
                self.stop();
            }
            _ if self.is_shared() => self.hear_of_sharers(request, asked),
            (TrafficWish::Drill, _) => match prepares {
                Some(to) => self.refuse(Refusal::Shifts { to }),
                None => self.hear_drill(request),
            },
            (TrafficWish::Failover { to, until, forced }, _) => {
                if *to == self.state.active {
                    return self.refuse(Refusal::IsActive { pool: to.clone() });
                }
                let Some(readiness) = self.readiness(&self.state.active, to) else {
                    return self.refuse(Refusal::NoSuchPool { pool: to.clone() });
                };
                if !readiness.can_be_forced() {
                    return self.refuse(self.cannot_reach(to.clone()));
                }
                self.begin(to.clone(), asked(*until, *forced));
            }
            (TrafficWish::Failback, Some(moved)) => self.begin(moved.from, asked(None, false)),
            // who was registered before, or led to, is so again
            (TrafficWish::Undo, Some(moved)) if self.situation.failover.swaps_targets() || self.situation.failover.leads_to_instance() => {
                self.begin(moved.from, asked(None, true))
            }
            (TrafficWish::Undo, Some(moved)) if self.situation.failover.fencing.is_some() => {
                let readiness = self.readiness(&moved.to, &moved.from);
                if !readiness.is_some_and(|readiness| readiness.can_be_forced()) {
                    return self.refuse(Refusal::CannotReach { pool: moved.from });
                }
                self.raise_fence(&moved.to, true);
                self.begin(moved.from, asked(None, true));
            }
            (TrafficWish::Undo, Some(moved)) => self.undo(moved, asked(None, true)),
            (TrafficWish::Failback | TrafficWish::Undo, None) => self.refuse(Refusal::NothingMoved),
        }
    }

    /// What nobody asked for: a side that is down, one that is well again, a time that is over.
    fn watch_over(&mut self) {
        let active = self.state.active.clone();
        let down_by = self.situation.down_by(&self.state, &active);
        let armed = self.state.sides.get(&active).is_some_and(|side| side.armed);
        match (armed, down_by.len()) {
            (_, 0 | 1) if self.is_drilling() => self.watch_drill(down_by),
            // nothing fails over from a side that was never seen well, and so a drill there ends as every drill does
            (false, _) if self.is_drilling() => self.watch_drill(down_by),
            // a way back that is due leads away from what one kind says, or what nobody knows
            (false, _) => {
                self.findings.push(TrafficFinding::NotArmed { pool: active });
                self.come_back();
            }
            (true, 0) => {
                self.come_back();
                if self.state.shift.is_none() {
                    self.drill_by_schedule();
                }
            }
            (true, 1) => {
                self.findings.push(TrafficFinding::Suspect { pool: active, by: down_by });
                self.come_back();
            }
            (true, _) => self.fail_over(active, down_by),
        }
    }

    fn fail_over(&mut self, active: PoolId, by: Vec<SignalKind>) {
        let can = |(_, readiness): &(PoolId, Readiness)| readiness.can_become_open();
        let best = self.best_but(&active).filter(can);
        let is_open = best.as_ref().is_some_and(|(_, readiness)| readiness.is_open());
        if !is_open && self.would_degrade(&active) {
            return self.degrade(&active, by);
        }
        if let Some(until) = self.would_flap_until() {
            return self.findings.push(TrafficFinding::WouldFlap { pool: active, until });
        }
        match best {
            Some((to, _)) => self.begin(to, ShiftReason::Down { by }),
            None => self.findings.push(TrafficFinding::NobodyCanServe { pool: active }),
        }
    }

    /// Until when nothing moves by itself, because it did lately; none: it may.
    pub(super) fn would_flap_until(&self) -> Option<Timestamp> {
        let moved = self.state.moved.as_ref().filter(|moved| moved.why.is_by_itself())?;
        let until = self.situation.failover.dwell.after(moved.at);
        (self.situation.now < until).then_some(until)
    }

    /// The most ready of the other sides, if one of them can be reached and is not down: that one. One that needs to grow first is better
    /// than none.
    pub(super) fn best_but(&self, active: &PoolId) -> Option<(PoolId, Readiness)> {
        let others = self.situation.spec.pools.iter().filter(|pool| pool.id != *active);
        let could = others.filter_map(|pool| Some((pool.id.clone(), self.readiness(active, &pool.id)?)));
        could.max_by_key(|(_, readiness)| (readiness.can_become_open(), readiness.is_open(), readiness.healthy))
    }

    /// Whether a way back was given up within the dwell.
    pub(super) fn gave_up_lately(&self) -> bool {
        let until = self.state.gave_up_at.map(|at| self.situation.failover.dwell.after(at));
        until.is_some_and(|until| self.situation.now < until)
    }

    fn come_back(&mut self) {
        let Some(moved) = self.state.moved.clone().filter(|moved| moved.to == self.state.active) else {
            return;
        };
        if self.gave_up_lately() {
            return;
        }
        let now = self.situation.now;
        let why = match &moved.why {
            ShiftReason::Asked { until: Some(until), .. } if now >= *until => {
                // it would wait there for ever: nobody enters the same target groups to be replaced
                if self.is_down(&moved.from) && !self.situation.failover.swaps_targets() {
                    return;
                }
                ShiftReason::Expired
            }
            ShiftReason::Down { .. } | ShiftReason::CanServe { .. } => {
                let times = self
                    .state
                    .sides
                    .get(&moved.from)
                    .and_then(|side| side.well)
                    .map_or(0, |well| well.times);
                let enough = self.situation.well_enough().is_some_and(|enough| times >= enough);
                if !enough || now < self.situation.failover.dwell.after(moved.at) {
                    return;
                }
                ShiftReason::WellAgain
            }
            _ => return,
        };
        let open = self
            .readiness(&moved.to, &moved.from)
            .is_some_and(|readiness| readiness.can_be_forced());
        if open {
            self.begin(moved.from, why);
        }
    }
}

fn is_moving(state: &TrafficState) -> bool {
    state
        .shift
        .as_ref()
        .is_some_and(|shift| matches!(shift.stage, Stage::Moving { .. }))
}
