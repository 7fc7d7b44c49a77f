//! No side can serve: something else answers in their place, and a side takes the traffic again as soon as it was seen to be able to.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::finding::{Refusal, TrafficFinding};
use super::shift::steps;
use super::{Readiness, TrafficRequest, TrafficWish, routing};
use crate::id::{Destination, PoolId, RouteId};
use crate::plan::TAKE_OVER_MARGIN;
use crate::route::Weights;
use crate::spec::{Fallback, PoolSpec};
use crate::state::{Degraded, RouteTo, Routing, Sharing, Shift, ShiftReason, SignalKind, Stage};

/// All of a route's requests, where its sides had no weight at all.
const SHARE_LEAST: u32 = 1;
/// Weight of a side by the spec, where nobody knows by which it was reached before.
const SHARE_BY_SPEC: u32 = 100;

impl<'a> Draft<'a> {
    /// Whether nobody answers on a side that takes traffic, and something else was given that could. Not while a person has it serve
    /// whatever is seen of it.
    pub(super) fn would_degrade(&self, active: &PoolId) -> bool {
        let is_forced = self.state.serves_until.is_some_and(|until| self.situation.now < until);
        self.nobody_serves(active) && !is_forced && self.situation.failover.degraded.is_some()
    }

    /// From this commit on something else answers. The sides keep their number, and those that may grow to the active one's.
    pub(super) fn degrade(&mut self, active: &PoolId, by: Vec<SignalKind>) {
        let Some(instead) = &self.situation.failover.degraded else { return };
        let observed = &self.situation.observation.routing;
        let sides = &self.situation.spec.pools;
        let routes = self.situation.failover.routes().iter().filter_map(|route| {
            let now = observed.get(route)?;
            let set = match &instead.answer {
                Fallback::FixedResponse(response) => RouteTo::Fixed(response.clone()),
                Fallback::Forward(group) => {
                    let group = Destination::from(group);
                    // one that does not name the group cannot send it anything
                    let has = *now.weights.get(&group)?;
                    let share = routing::share_of(now, sides).max(has).clamp(SHARE_LEAST, route.weight_max());
                    RouteTo::Weights(routing::all_to(now, sides, &group, share))
                }
            };
            Some((route.clone(), set))
        });
        let shed = instead.shed.iter().filter(|route| observed.contains_key(*route));
        let shed = shed.map(|route| (route.clone(), RouteTo::Fixed(instead.shed_answer())));
        let wanted: BTreeMap<RouteId, RouteTo> = routes.chain(shed).collect();
        let of_route = |route: &RouteId| Some((route.clone(), observed.get(route)?.clone()));
        let previous: BTreeMap<RouteId, Routing> = wanted.keys().filter_map(of_route).collect();
        if wanted.is_empty() {
            return self.findings.push(TrafficFinding::NobodyCanServe { pool: active.clone() });
        }
        self.findings.push(TrafficFinding::Degrades { pool: active.clone() });
        // a person must say what they did: no side can be reached by them until then
        let unknown = previous
            .iter()
            .filter(|(route, noted)| self.situation.failover.routes().contains(route) && self.is_forgotten(noted));
        let unknown = unknown.filter(|(route, noted)| self.by_spec(route, noted).is_none());
        let unknown = unknown.map(|(route, _)| TrafficFinding::Forgotten {
            route: route.clone(),
            set: false,
        });
        let unknown: Vec<TrafficFinding> = unknown.collect();
        self.findings.extend(unknown);
        self.steps = steps(&previous, &wanted);
        self.keep_all_sizes(active);
        self.state.shift = None;
        self.state.degraded = Some(Degraded {
            since: self.situation.now,
            by,
            execute_until: self.situation.execute_until,
            previous,
            wanted,
        });
    }

    /// Nobody gives up what may serve again, and whoever may take over grows to what the active side wants.
    fn keep_all_sizes(&mut self, active: &PoolId) {
        let wanted = self.size_of(active).max(1);
        for pool in &self.situation.spec.pools {
            let floor = wanted.max(self.size_of(&pool.id)).min(pool.capacity.max);
            let before = self.state.floors.get(&pool.id).copied().unwrap_or(0);
            self.state.floors.insert(pool.id.clone(), floor.max(before));
        }
    }

    /// A side that is ready takes the traffic again; until one is, something else answers.
    pub(super) fn go_on_degraded(&mut self, degraded: &Degraded) {
        let ready = if self.is_shared() {
            let ready = self.first_ready_sharers();
            ready.map(|(to, out_after)| (to, Some(out_after)))
        } else {
            self.first_ready(degraded).map(|to| (to, None))
        };
        match ready {
            Some((to, out_after)) => {
                let why = ShiftReason::CanServe {
                    by: degraded.by.clone(),
                    forced: false,
                };
                self.serve_again(degraded, to, out_after, why);
            }
            None => {
                // nobody is kept out for nobody
                self.lift_fence();
                self.keep_degraded(degraded);
            }
        }
    }

    /// The side that had the traffic, if it could take it; else the most ready one, unless somebody has set a route of the lever since: it
    /// stays as it is then, and names the side that had the traffic, if any.
    fn first_ready(&self, degraded: &Degraded) -> Option<PoolId> {
        let active = &self.state.active;
        let open = |pool: &PoolId| self.readiness(active, pool).filter(Readiness::is_open);
        if open(active).is_some() {
            return Some(active.clone());
        }
        let is_ours = |route: &RouteId| !self.situation.failover.routes().contains(route) || self.does_as_set(degraded, route);
        let all_ours = degraded.wanted.keys().all(is_ours);
        let others = self.situation.spec.pools.iter().filter(|pool| all_ours && pool.id != *active);
        let ready = others.filter_map(|pool| Some((pool.id.clone(), open(&pool.id)?.healthy)));
        ready.max_by_key(|(_, healthy)| *healthy).map(|(pool, _)| pool)
    }

    /// What an operator asks while something else answers: a side that is to serve whatever the gate says, for the dwell at least.
    pub(super) fn hear_degraded(&mut self, degraded: &Degraded, request: &TrafficRequest) {
        if !self.is_timely(request) {
            return self.refuse(Refusal::BadTime);
        }
        let (to, until, forced) = match &request.wish {
            TrafficWish::Failover { to, until, forced } => (to.clone(), *until, *forced),
            TrafficWish::Undo => (self.state.active.clone(), None, true),
            TrafficWish::Failback | TrafficWish::Drill => return self.refuse(Refusal::Degraded),
        };
        let out_after = self.is_shared().then(|| self.all_but(&to));
        let readiness = match &out_after {
            Some(out_after) => self.situation.spec.pool(&to).map(|_| self.readiness_after(&to, out_after)),
            None => self.readiness(&self.state.active, &to),
        };
        let Some(readiness) = readiness else {
            return self.refuse(Refusal::NoSuchPool { pool: to });
        };
        if !readiness.can_be_forced() {
            return self.refuse(Refusal::CannotReach { pool: to });
        }
        if !forced && !readiness.is_open() {
            return self.refuse(Refusal::Degraded);
        }
        if !readiness.is_open() {
            self.state.serves_until = Some(self.situation.failover.dwell.after(self.situation.now));
        }
        let by = degraded.by.clone();
        // a move for a time ends by that, and any other one as if the side had been found to be ready
        let why = match until {
            Some(_) => ShiftReason::Asked {
                by: request.by.clone(),
                reason: request.reason.clone(),
                until,
                forced,
            },
            None => ShiftReason::CanServe { by, forced },
        };
        self.serve_again(degraded, to, out_after, why);
    }

    /// The routes as they were, with their weights at a side that can serve, or, where every side is active, at those that can.
    fn serve_again(&mut self, degraded: &Degraded, to: PoolId, out_after: Option<BTreeSet<PoolId>>, why: ShiftReason) {
        let spec = self.situation.spec;
        let from = self.state.active.clone();
        let (Some(from_pool), Some(to_pool)) = (spec.pool(&from), spec.pool(&to)) else {
            return;
        };
        // whoever had some traffic before, by a person's hand, is left for the one that is to have it all
        let left = if from == to {
            self.another_that_served(degraded, to_pool)
        } else {
            Some(from_pool)
        };
        match left {
            Some(left) if !self.is_let_in(left, why.is_forced()) => return self.keep_degraded(degraded),
            Some(_) => {}
            None => self.lift_fence(),
        }
        let wanted = self.restored(degraded, |draft, route, before| match &out_after {
            Some(out_after) => draft.shares_again(route, before, out_after),
            None => draft.as_before(route, before, from_pool, to_pool),
        });
        let observed = &self.situation.observation.routing;
        let now = wanted
            .keys()
            .filter_map(|route| Some((route.clone(), observed.get(route)?.clone())));
        let now: BTreeMap<RouteId, Routing> = now.collect();
        self.findings.push(TrafficFinding::ServesAgain { pool: to.clone() });
        self.steps = steps(&now, &wanted);
        let sharing = out_after.map(|out_after| {
            let out_before = self.state.out();
            let usual = degraded
                .previous
                .iter()
                .filter(|(route, _)| self.situation.failover.routes().contains(route));
            let usual = usual
                .map(|(route, noted)| (route.clone(), self.usual_weights(route, &self.before(route, noted)).clone()))
                .collect();
            self.spread(&out_after, &why, usual);
            Sharing { out_before, out_after }
        });
        if sharing.as_ref().is_none_or(|sharing| sharing.out_after.contains(&from)) {
            self.state.active = to.clone();
        }
        self.state.shift = Some(Shift {
            from,
            to,
            why,
            since: self.situation.now,
            stage: Stage::Moving {
                execute_until: self.situation.execute_until,
                previous: now,
                wanted,
            },
            sharing,
        });
    }

    /// What each route is to do again that nobody else has set since; `again` says it of one that did this before.
    fn restored(&mut self, degraded: &Degraded, again: impl Fn(&Self, &RouteId, &Routing) -> RouteTo) -> BTreeMap<RouteId, RouteTo> {
        let (mut wanted, mut findings) = (BTreeMap::new(), Vec::new());
        for (route, noted) in &degraded.previous {
            if !self.does_as_set(degraded, route) {
                findings.push(TrafficFinding::ForeignEdit { route: route.clone() });
                continue;
            }
            let by_spec = self.by_spec(route, noted);
            if self.is_forgotten(noted) {
                findings.push(TrafficFinding::Forgotten {
                    route: route.clone(),
                    set: by_spec.is_some(),
                });
            }
            let set = match again(self, route, by_spec.as_ref().unwrap_or(noted)) {
                // what was noted is the page: the weights of the spec are put on top of it
                RouteTo::Actions(actions) if by_spec.is_some() => RouteTo::Reweighted {
                    weights: actions.weights.clone(),
                    actions,
                },
                set => set,
            };
            wanted.insert(route.clone(), set);
        }
        self.findings.extend(findings);
        wanted
    }

    /// A side that a route sent something beside this one before something else answered, where only one may ever serve. Where it was one
    /// alone, whichever, that one serves again. Where it is forgotten who it was, it may have been any other.
    fn another_that_served(&self, degraded: &Degraded, to: &PoolSpec) -> Option<&'a PoolSpec> {
        self.situation.failover.fencing?;
        let mut others = self.situation.spec.pools.iter().filter(|side| side.id != to.id);
        let both = |before: &Routing, side: &PoolSpec| routing::sends(before, side) && routing::sends(before, to);
        others.find(|side| {
            degraded
                .previous
                .values()
                .any(|before| self.is_forgotten(before) || both(before, side))
        })
    }

    /// What a route did before something else answered, as it was noted, or as the spec has it where that is forgotten.
    pub(super) fn before<'b>(&self, route: &RouteId, noted: &'b Routing) -> Cow<'b, Routing> {
        self.by_spec(route, noted).map_or(Cow::Borrowed(noted), Cow::Owned)
    }

    /// Whether something else answered already when it was noted what a route did before: a table that was restored to a moment before
    /// does not know that it was us who set it.
    pub(super) fn is_forgotten(&self, noted: &Routing) -> bool {
        let Some(instead) = &self.situation.failover.degraded else {
            return false;
        };
        let forwards = matches!(&instead.answer, Fallback::Forward(group)
            if noted.weights.get(&Destination::from(group)).is_some_and(|weight| *weight > 0));
        let is_instead = forwards || noted.answer.as_ref() == Some(&instead.shed_answer());
        is_instead && routing::share_of(noted, &self.situation.spec.pools) == 0
    }

    /// What a route of the lever does by the spec, where nobody knows what it did before: everything to the side that takes the traffic, or
    /// to each as much. None: that is known, or the spec does not say it, because the route is none of the lever's, a side has several
    /// destinations, or the route forwards without naming it.
    fn by_spec(&self, route: &RouteId, noted: &Routing) -> Option<Routing> {
        let sides = &self.situation.spec.pools;
        if !self.is_forgotten(noted) || !self.situation.failover.routes().contains(route) {
            return None;
        }
        // destinations of others keep what they have
        let mut weights = noted.weights.clone();
        if let Some(Fallback::Forward(group)) = self.situation.failover.degraded.as_ref().map(|instead| &instead.answer) {
            weights.insert(Destination::from(group), 0);
        }
        for side in sides {
            let mut reached_by = side.reached_by().into_iter();
            let (Some(destination), None) = (reached_by.next(), reached_by.next()) else {
                return None;
            };
            // what forwards can only be given weights of destinations that it names
            if noted.answer.is_none() && !noted.weights.contains_key(&destination) {
                return None;
            }
            let takes = self.is_shared() || side.id == self.state.active;
            weights.insert(destination, if takes { SHARE_BY_SPEC.min(route.weight_max()) } else { 0 });
        }
        Some(Routing {
            weights,
            actions: noted.actions.clone(),
            answer: None,
            sticks: noted.sticks,
        })
    }

    /// The weights by which every side takes its share, of a route as it was before something else answered.
    fn usual_weights<'b>(&'b self, route: &RouteId, before: &'b Routing) -> &'b Weights {
        let usual = self.state.spread.as_ref().and_then(|spread| spread.usual.get(route));
        usual.unwrap_or(&before.weights)
    }

    fn shares_again(&self, route: &RouteId, before: &Routing, out_after: &BTreeSet<PoolId>) -> RouteTo {
        let weights = routing::shared(
            self.usual_weights(route, before),
            &self.situation.spec.pools,
            out_after,
            route.weight_max(),
        );
        if !self.situation.failover.routes().contains(route) || weights == before.weights {
            return RouteTo::Actions(before.clone());
        }
        RouteTo::Reweighted {
            actions: before.clone(),
            weights,
        }
    }

    fn does_as_set(&self, degraded: &Degraded, route: &RouteId) -> bool {
        let now = self.situation.observation.routing.get(route);
        now.zip(degraded.wanted.get(route))
            .is_some_and(|(now, set)| routing::does(now, set))
    }

    fn as_before(&self, route: &RouteId, before: &Routing, from: &PoolSpec, to: &PoolSpec) -> RouteTo {
        let is_lever = self.situation.failover.routes().contains(route);
        if !is_lever {
            return RouteTo::Actions(before.clone());
        }
        if from.id == to.id {
            return self.for_one(route, before.clone(), to);
        }
        let most = route.weight_max();
        let weights = if self.situation.failover.fencing.is_some() {
            routing::only(before, &self.situation.spec.pools, to, most)
        } else {
            routing::moved(before, from, to, most)
        };
        RouteTo::Reweighted {
            actions: before.clone(),
            weights,
        }
    }

    /// Whoever committed it sends it in its window; what is not seen to be done afterwards is sent again.
    fn keep_degraded(&mut self, degraded: &Degraded) {
        if self.situation.now < TAKE_OVER_MARGIN.after(degraded.execute_until) {
            return;
        }
        let observed = &self.situation.observation.routing;
        let undone = degraded.wanted.iter().filter(|(route, set)| {
            let now = observed.get(*route);
            now.is_some_and(|now| !routing::does(now, set))
        });
        let undone: BTreeMap<RouteId, RouteTo> = undone.map(|(route, set)| (route.clone(), set.clone())).collect();
        let (ours, foreign): (BTreeMap<_, _>, BTreeMap<_, _>) = undone
            .into_iter()
            .partition(|(route, _)| observed.get(route) == degraded.previous.get(route));
        let foreign = foreign.into_keys().map(|route| TrafficFinding::ForeignEdit { route });
        self.findings.extend(foreign);
        let now = ours.keys().filter_map(|route| Some((route.clone(), observed.get(route)?.clone())));
        self.steps = steps(&now.collect(), &ours);
        if !self.steps.is_empty() {
            self.state.degraded = Some(Degraded {
                execute_until: self.situation.execute_until,
                ..degraded.clone()
            });
        }
    }
}
