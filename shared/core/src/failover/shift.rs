//! The way of a shift: it begins, moves the weights once its destination is ready, and is over when they were seen to be set.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::finding::{Refusal, TrafficFinding};
use super::prepare::PREPARES_FOR;
use super::{TrafficStep, routing};
use crate::id::{PoolId, RouteId};
use crate::plan::TAKE_OVER_MARGIN;
use crate::spec::PoolSpec;
use crate::state::{Moved, RouteTo, Routing, Sharing, Shift, ShiftReason, Stage};

impl Draft<'_> {
    /// A shift begins: at once, if its destination is ready.
    pub(super) fn begin(&mut self, to: PoolId, why: ShiftReason) {
        let from = self.state.active.clone();
        self.findings.push(TrafficFinding::Leaves {
            from: from.clone(),
            to: to.clone(),
            why: why.clone(),
        });
        self.begin_with(from, to, why, None);
    }

    pub(super) fn begin_with(&mut self, from: PoolId, to: PoolId, why: ShiftReason, sharing: Option<Sharing>) {
        let shift = Shift {
            from,
            to,
            why,
            since: self.situation.now,
            stage: Stage::Preparing,
            sharing,
        };
        self.state.shift = Some(shift.clone());
        self.go_on_with(&shift);
    }

    pub(super) fn go_on_with(&mut self, shift: &Shift) {
        let spec = self.situation.spec;
        let (Some(from), Some(to)) = (spec.pool(&shift.from), spec.pool(&shift.to)) else {
            // the spec was changed: there is nothing to move between
            self.state.shift = None;
            return;
        };
        match &shift.stage {
            Stage::Preparing => self.prepare(shift, from, to),
            Stage::Moving {
                execute_until,
                previous,
                wanted,
            } => {
                if self.situation.failover.swaps_targets() {
                    // tick has them leave
                    if self.registered(from) == Some(0) {
                        self.arrive(shift, BTreeMap::new(), BTreeMap::new());
                    }
                    return;
                }
                if self.situation.failover.leads_to_instance() {
                    let is_led = self.is_led_to(to);
                    if is_led || self.has_nobody_to_lead_to(to) {
                        // whoever serves there first is led to
                        self.state.holder = self.state.holder.take().filter(|_| is_led);
                        self.arrive(shift, previous.clone(), BTreeMap::new());
                    }
                    return;
                }
                let added = self.added(shift, from, to, wanted);
                if !added.is_empty() {
                    return self.take_in(shift, previous, wanted, added);
                }
                let undone = self.undone(shift, wanted, from, to);
                if undone.is_empty() {
                    self.arrive(shift, previous.clone(), wanted.clone());
                } else if self.situation.now >= TAKE_OVER_MARGIN.after(*execute_until) {
                    self.send_again(shift, previous, wanted, &undone);
                }
            }
        }
    }

    /// Routes that were not seen to do what they are to do. One that no look reads any more, because the spec names another one in its
    /// place, or it was deleted after it was set, is not waited for.
    fn undone(&self, shift: &Shift, wanted: &BTreeMap<RouteId, RouteTo>, from: &PoolSpec, to: &PoolSpec) -> BTreeMap<RouteId, RouteTo> {
        let is_named = |route: &RouteId| self.situation.failover.all_routes().any(|named| named == route);
        let is_late = self.situation.now >= PREPARES_FOR.after(shift.since);
        let is_awaited = |route: &RouteId| is_named(route) || self.state.degraded.is_some() && !is_late;
        let undone = wanted
            .iter()
            .filter(|(route, wanted)| match self.situation.observation.routing.get(*route) {
                Some(now) => !self.is_done(shift, now, wanted, from, to),
                None => is_awaited(route),
            });
        undone.map(|(route, wanted)| (route.clone(), wanted.clone())).collect()
    }

    /// Routes that the lever has got since the move began, and that do not send the destination what it is to have. Only of a move that
    /// sets all of them: an undo and an end of what answered instead leave alone what somebody has changed.
    fn added(&self, shift: &Shift, from: &PoolSpec, to: &PoolSpec, wanted: &BTreeMap<RouteId, RouteTo>) -> BTreeMap<RouteId, RouteTo> {
        let sets_all = !wanted.is_empty() && wanted.values().all(|set| matches!(set, RouteTo::Weights(_)));
        if !sets_all || shift.sharing.is_some() || self.state.degraded.is_some() {
            return BTreeMap::new();
        }
        let routes = self.situation.failover.routes().iter().filter(|route| !wanted.contains_key(*route));
        let to_there = |route: &RouteId| {
            let now = self.situation.observation.routing.get(route)?;
            let set = self.to_there(route, now, from, to);
            // one that does not name the destination cannot send it anything
            let is_open = routing::names(now, to) && !routing::is_done(now, &set, from, to);
            is_open.then(|| (route.clone(), set))
        };
        routes.filter_map(to_there).collect()
    }

    /// The move is for these routes too.
    fn take_in(
        &mut self,
        shift: &Shift,
        previous: &BTreeMap<RouteId, Routing>,
        wanted: &BTreeMap<RouteId, RouteTo>,
        added: BTreeMap<RouteId, RouteTo>,
    ) {
        let observed = &self.situation.observation.routing;
        let now = added.keys().filter_map(|route| Some((route.clone(), observed.get(route)?.clone())));
        let now: BTreeMap<RouteId, Routing> = now.collect();
        self.steps = steps(&now, &added);
        let previous = previous.clone().into_iter().chain(now).collect();
        let wanted = wanted.clone().into_iter().chain(added).collect();
        self.depart(shift, previous, wanted);
    }

    fn is_done(&self, shift: &Shift, now: &Routing, wanted: &RouteTo, from: &PoolSpec, to: &PoolSpec) -> bool {
        match (&shift.sharing, wanted) {
            (Some(sharing), RouteTo::Weights(_) | RouteTo::Reweighted { .. }) => {
                let comes_back = Some(to).filter(|to| sharing.brings_back(&to.id));
                routing::is_shared(now, &self.situation.spec.pools, &sharing.out_after, comes_back)
            }
            _ => routing::is_done(now, wanted, from, to),
        }
    }

    /// Whether a side has anybody that passes its checks, known to us or not; none if that is unknown.
    pub(super) fn anybody_answers(&self, pool: &PoolId) -> Option<bool> {
        self.situation.looked(pool)?.anybody_answers()
    }

    /// Whether nothing says that a side is down, and somebody of it answers.
    pub(super) fn is_well(&self, pool: &PoolId) -> bool {
        self.situation.down_by(&self.state, pool).is_empty() && self.anybody_answers(pool) == Some(true)
    }

    /// A shift that has not begun to move anything is over.
    pub(super) fn stop(&mut self) {
        self.state.shift = None;
        // those of the move before it stay until its dwell is over
        self.lift_floors();
        // who was kept out for it serves on: nobody else was let in
        self.lift_fence();
    }

    /// From this commit on traffic belongs to the destination; who decided before it is refused.
    pub(super) fn move_weights(&mut self, shift: &Shift, from: &PoolSpec, to: &PoolSpec) {
        let routing = &self.situation.observation.routing;
        let of_route = |route: &RouteId| Some((route.clone(), routing.get(route)?.clone()));
        let previous: BTreeMap<RouteId, Routing> = self.situation.failover.routes().iter().filter_map(of_route).collect();
        let to_there = |(route, routing): (&RouteId, &Routing)| (route.clone(), self.to_there(route, routing, from, to));
        let wanted: BTreeMap<RouteId, RouteTo> = previous.iter().map(to_there).collect();
        self.steps = steps(&previous, &wanted);
        self.hold_floors(shift, from, to);
        self.depart(shift, previous, wanted);
    }

    fn to_there(&self, route: &RouteId, now: &Routing, from: &PoolSpec, to: &PoolSpec) -> RouteTo {
        let most = route.weight_max();
        RouteTo::Weights(if self.situation.failover.fencing.is_some() {
            routing::only(now, &self.situation.spec.pools, to, most)
        } else {
            routing::moved(now, from, to, most)
        })
    }

    pub(super) fn depart(&mut self, shift: &Shift, previous: BTreeMap<RouteId, Routing>, wanted: BTreeMap<RouteId, RouteTo>) {
        let swaps = self.situation.failover.swaps_targets();
        self.findings.push(TrafficFinding::Moves {
            to: shift.to.clone(),
            leaves: swaps.then(|| shift.from.clone()),
            leads: self.situation.failover.leads_to_instance(),
        });
        if shift
            .sharing
            .as_ref()
            .is_none_or(|sharing| sharing.out_after.contains(&self.state.active))
        {
            self.state.active = shift.to.clone();
        }
        self.state.shift = Some(Shift {
            stage: Stage::Moving {
                execute_until: self.situation.execute_until,
                previous,
                wanted,
            },
            ..shift.clone()
        });
    }

    /// The side that traffic is to leave is out: the routes become what they were. Where none can, nobody is kept out for it.
    pub(super) fn undo_behind_fence(&mut self, shift: &Shift) {
        let is_it = |moved: &Moved| moved.to == shift.from && moved.from == shift.to;
        let Some(moved) = self.state.moved.clone().filter(is_it) else {
            return self.stop();
        };
        self.undo(moved, shift.why.clone());
        let refused = TrafficFinding::Refused {
            why: Refusal::NothingMoved,
        };
        if self.findings.contains(&refused) {
            self.stop();
        }
    }

    /// The routes as they were. What somebody changed since is not undone.
    pub(super) fn undo(&mut self, moved: Moved, why: ShiftReason) {
        let observed = &self.situation.observation.routing;
        let of_route = |route: &RouteId| Some((route.clone(), observed.get(route)?.clone()));
        let previous: BTreeMap<RouteId, Routing> = moved.previous.keys().filter_map(of_route).collect();
        if previous.len() < moved.previous.len() {
            return self.refuse(Refusal::CannotReach { pool: moved.from });
        }
        let (previous, foreign): (BTreeMap<_, _>, BTreeMap<_, _>) = previous
            .into_iter()
            .partition(|(route, now)| moved.set.get(route).is_none_or(|set| routing::does(now, set)));
        self.findings
            .extend(foreign.into_keys().map(|route| TrafficFinding::ForeignEdit { route }));
        if previous.is_empty() {
            return self.refuse(Refusal::NothingMoved);
        }
        let sharing = self.undo_spread(&moved, &why);
        let to = self.situation.spec.pool(&moved.from);
        let wanted: BTreeMap<RouteId, RouteTo> = moved
            .previous
            .into_iter()
            .filter(|(route, _)| previous.contains_key(route))
            .map(|(route, actions)| {
                let set = match to {
                    Some(to) => self.for_one(&route, actions, to),
                    None => RouteTo::Actions(actions),
                };
                (route, set)
            })
            .collect();
        let shift = Shift {
            from: moved.to,
            to: moved.from,
            why,
            since: self.situation.now,
            stage: Stage::Preparing,
            sharing,
        };
        match &shift.sharing {
            Some(sharing) => self.tell_sharing(sharing, &shift.why),
            // it was told when the other side was fenced
            None if self.state.fence.is_some() => {}
            None => self.findings.push(TrafficFinding::Leaves {
                from: shift.from.clone(),
                to: shift.to.clone(),
                why: shift.why.clone(),
            }),
        }
        self.steps = steps(&previous, &wanted);
        self.depart(&shift, previous, wanted);
    }

    /// Nobody else sends it any more, and it was not seen to be done. A route that is neither as it was nor as it is to be was changed by
    /// somebody else, unless it is set by several calls, and each part of it is as it was or as it is to be.
    fn send_again(
        &mut self,
        shift: &Shift,
        previous: &BTreeMap<RouteId, Routing>,
        wanted: &BTreeMap<RouteId, RouteTo>,
        undone: &BTreeMap<RouteId, RouteTo>,
    ) {
        let observed = &self.situation.observation.routing;
        let unread = undone.keys().filter(|route| !observed.contains_key(*route)).cloned();
        self.findings.extend(unread.map(|route| TrafficFinding::Unread { route }));
        let seen = undone
            .iter()
            .filter_map(|(route, set)| Some((route, set, observed.get(route)?.clone())));
        let (mut ours, mut foreign) = (BTreeMap::new(), Vec::new());
        for (route, set, now) in seen {
            let before = previous.get(route);
            if before.is_some_and(|before| *before == now || routing::is_halfway(route, &now, before, set)) {
                ours.insert(route.clone(), now);
            } else {
                foreign.push(TrafficFinding::ForeignEdit { route: route.clone() });
            }
        }
        self.findings.extend(foreign);
        self.steps = steps(&ours, undone);
        if !self.steps.is_empty() {
            self.depart(shift, previous.clone(), wanted.clone());
        }
    }

    fn arrive(&mut self, shift: &Shift, previous: BTreeMap<RouteId, Routing>, set: BTreeMap<RouteId, RouteTo>) {
        self.findings.push(TrafficFinding::Moved {
            to: shift.to.clone(),
            drill: matches!(shift.why, ShiftReason::Drill { .. } | ShiftReason::DrillOver { .. }),
        });
        (self.state.shift, self.state.gave_up_at) = (None, None);
        // what an undo restores is what was before something else answered
        let levers = self.situation.failover.routes();
        let (mut previous, mut set) = (self.state.degraded.take().map_or(previous, |degraded| degraded.previous), set);
        // one that was passed over stands until that side is out
        self.tend_fence();
        // nor does an undo bring back what answered in place of all sides
        previous.retain(|route, before| levers.contains(route) && !self.is_forgotten(before));
        set.retain(|route, _| levers.contains(route));
        if shift.from == shift.to {
            return;
        }
        // by a clock that is behind, too, it ends after it began, and after the move before it: a drill's account goes by that
        let last = self.state.moved.as_ref().map_or(shift.since, |moved| moved.at);
        self.state.moved = Some(Moved {
            from: shift.from.clone(),
            to: shift.to.clone(),
            why: shift.why.clone(),
            at: self.situation.now.max(shift.since).max(last),
            previous,
            set,
            sharing: shift.sharing.clone(),
        });
    }

    /// After the dwell each side has the numbers that its own policies ask for.
    pub(super) fn lift_floors(&mut self) {
        let over = |moved: &Moved| self.situation.now >= self.situation.failover.dwell.after(moved.at);
        if self.state.moved.as_ref().is_none_or(over) {
            self.state.floors.clear();
        }
    }
}

/// A step for each route that is known and wanted.
pub(super) fn steps(expected: &BTreeMap<RouteId, Routing>, wanted: &BTreeMap<RouteId, RouteTo>) -> Vec<TrafficStep> {
    let step = |(route, set): (&RouteId, &RouteTo)| {
        Some(TrafficStep {
            route: route.clone(),
            expected: expected.get(route)?.clone(),
            set: set.clone(),
        })
    };
    wanted.iter().filter_map(step).collect()
}
