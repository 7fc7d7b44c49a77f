//! Every side is active: one that is down takes no traffic, the others take what was its share, and it gets that back once it is well.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::finding::{Refusal, TrafficFinding};
use super::gate::Readiness;
use super::{TrafficRequest, TrafficWish, routing};
use crate::id::{PoolId, RouteId};
use crate::route::Weights;
use crate::spec::{FailoverMode, PoolSpec};
use crate::state::{Left, Moved, RouteTo, Routing, Sharing, Shift, ShiftReason, SignalKind, Spread, Stage};

impl<'a> Draft<'a> {
    /// Whether every side is active.
    pub(super) fn is_shared(&self) -> bool {
        self.situation.failover.mode == FailoverMode::ActiveActive
    }

    /// The sides that take traffic, but for these.
    fn sides_without<'b>(&self, out: &'b BTreeSet<PoolId>) -> impl Iterator<Item = &'a PoolSpec> + use<'a, 'b> {
        let sides = &self.situation.spec.pools;
        sides.iter().filter(|side| !out.contains(&side.id))
    }

    pub(super) fn all_but(&self, pool: &PoolId) -> BTreeSet<PoolId> {
        let sides = self.situation.spec.pools.iter().map(|side| side.id.clone());
        sides.filter(|side| side != pool).collect()
    }

    fn healthy(&self, pool: &PoolId) -> u32 {
        self.situation.looked(pool).map_or(0, |looked| looked.healthy())
    }

    pub(super) fn is_down(&self, pool: &PoolId) -> bool {
        self.situation.down_by(&self.state, pool).len() >= 2
    }

    /// What the load asks of all sides that take traffic, without what they hold in reserve for the loss of one.
    fn asked_of_all(&self) -> u32 {
        let out = self.state.out();
        let sizes = self
            .sides_without(&out)
            .filter_map(|side| self.situation.capacity.pools.get(&side.id))
            .map(|pool| pool.without_reserve());
        sizes.fold(0, u32::saturating_add)
    }

    /// Forgets who takes none where the spec no longer has sides share, or no longer has that side.
    pub(super) fn follow_mode(&mut self) {
        let is_shared = self.is_shared();
        let spec = self.situation.spec;
        if let Some(spread) = &mut self.state.spread {
            spread.out.retain(|side, _| spec.pool(side).is_some());
        }
        let keeps = |spread: &Spread| is_shared && !spread.out.is_empty();
        self.state.spread = self.state.spread.take().filter(keeps);
        let is_other = |shift: &Shift| shift.sharing.is_some() != is_shared && shift.stage == Stage::Preparing;
        if self.state.shift.as_ref().is_some_and(is_other) {
            self.stop();
        }
    }

    /// Whether it is known of every side that takes traffic that nobody answers there.
    pub(super) fn nobody_serves(&self, active: &PoolId) -> bool {
        let is_silent = |side: &PoolId| self.anybody_answers(side) == Some(false);
        if self.is_shared() {
            let out = self.state.out();
            return self.sides_without(&out).all(|side| is_silent(&side.id));
        }
        is_silent(active)
    }

    /// What stands between the traffic and the sides that would take it if these took none.
    pub(super) fn readiness_after(&self, to: &PoolId, out_after: &BTreeSet<PoolId>) -> Readiness {
        let total = self.asked_of_all();
        if self.state.is_out(to) {
            let sides = self.sides_without(out_after).count().max(1);
            let share = total.div_ceil(u32::try_from(sides).unwrap_or(u32::MAX));
            return self.readiness_of(std::slice::from_ref(to), share);
        }
        let takers: Vec<PoolId> = self.sides_without(out_after).map(|side| side.id.clone()).collect();
        self.readiness_of(&takers, total)
    }

    /// Whether these sides together could take what `size` instances do.
    fn readiness_of(&self, takers: &[PoolId], size: u32) -> Readiness {
        let routes = self.situation.failover.routes();
        let most = takers.iter().filter_map(|side| self.situation.spec.pool(side)).map(PoolSpec::most);
        let most = most.fold(0, u32::saturating_add);
        let up: Vec<&PoolId> = takers.iter().filter(|side| !self.is_down(side)).collect();
        let reaches = |route: &&RouteId| {
            let pools = takers.iter().filter_map(|side| self.situation.spec.pool(side));
            self.routing(route)
                .is_some_and(|routing| pools.into_iter().any(|pool| routing::names(&routing, pool)))
        };
        Readiness {
            healthy: up.iter().map(|side| self.healthy(side)).fold(0, u32::saturating_add),
            // nobody waits for more than there may ever be
            needed: self.situation.failover.gate.of_ceil(size).min(most).max(1),
            unreachable: routes.iter().filter(|route| !reaches(route)).cloned().collect(),
            down_by: match up.is_empty() {
                true => takers
                    .first()
                    .map(|side| self.situation.down_by(&self.state, side))
                    .unwrap_or_default(),
                false => Vec::new(),
            },
        }
    }

    /// For a side that takes traffic: whether the others could take its share. For one that takes none: whether it could take one.
    pub(super) fn standing_of_sharers(&self) -> BTreeMap<PoolId, Readiness> {
        let out = self.state.out();
        let mut standing = BTreeMap::new();
        for side in &self.situation.spec.pools {
            let mut after = out.clone();
            let to = if after.remove(&side.id) {
                side.id.clone()
            } else {
                after.insert(side.id.clone());
                match self.sides_without(&after).next() {
                    Some(other) => other.id.clone(),
                    // nobody else takes any
                    None => continue,
                }
            };
            standing.insert(side.id.clone(), self.readiness_after(&to, &after));
        }
        standing
    }

    /// What nobody asked for, where every side is active: one that is down, one that is well again, a time that is over.
    pub(super) fn watch_over_sharers(&mut self) {
        let sides: Vec<PoolId> = self.sides_without(&self.state.out()).map(|side| side.id.clone()).collect();
        let mut failed = Vec::new();
        for pool in sides {
            let by = self.situation.down_by(&self.state, &pool);
            let armed = self.state.sides.get(&pool).is_some_and(|side| side.armed);
            match (armed, by.len()) {
                (false, _) => self.findings.push(TrafficFinding::NotArmed { pool }),
                (true, 0) => {}
                (true, 1) => self.findings.push(TrafficFinding::Suspect { pool, by }),
                (true, _) => failed.push((pool, by)),
            }
        }
        if failed.is_empty() {
            return self.give_back();
        }
        let mut first = None;
        for (pool, by) in &failed {
            match self.came_back_until(pool) {
                Some(until) => self.findings.push(TrafficFinding::WouldFlap { pool: pool.clone(), until }),
                None => drop(first.get_or_insert_with(|| (pool.clone(), by.clone()))),
            }
        }
        if let Some((pool, by)) = first {
            // whoever else is down gets no share of it, and goes with it
            self.drop_out(pool, by, failed.into_iter().map(|(pool, _)| pool));
        }
    }

    /// Sides that are down take nothing any more, if somebody else can.
    fn drop_out(&mut self, from: PoolId, by: Vec<SignalKind>, down: impl Iterator<Item = PoolId>) {
        let out: BTreeSet<PoolId> = self.state.out();
        let without: BTreeSet<PoolId> = out.iter().cloned().chain(down).collect();
        let (to, out_after) = self.takers_without(without, &out);
        let readiness = to.as_ref().map(|to| self.readiness_after(to, &out_after));
        let is_open = readiness.as_ref().is_some_and(Readiness::is_open);
        if !is_open && self.would_degrade(&from) {
            return self.degrade(&from, by);
        }
        match to.filter(|_| readiness.is_some_and(|readiness| readiness.can_be_forced())) {
            Some(to) => self.begin_sharing(from, to, ShiftReason::Down { by }, out_after),
            None => self.findings.push(TrafficFinding::NobodyCanServe { pool: from }),
        }
    }

    /// Until when a side that came back by itself does not leave by itself again.
    fn came_back_until(&self, side: &PoolId) -> Option<jiff::Timestamp> {
        let moved = self.state.moved.as_ref().filter(|moved| moved.why.is_by_itself())?;
        let came_back = moved.sharing.as_ref().is_some_and(|sharing| sharing.out_before.contains(side));
        let until = self.situation.failover.dwell.after(moved.at);
        (came_back && self.situation.now < until).then_some(until)
    }

    /// The others, if one of them is up; else the fittest of those that took nothing before.
    fn takers_without(&self, without: BTreeSet<PoolId>, out: &BTreeSet<PoolId>) -> (Option<PoolId>, BTreeSet<PoolId>) {
        let others = self.sides_without(&without).map(|side| &side.id);
        let fittest = others.filter(|side| !self.is_down(side)).max_by_key(|side| self.healthy(side));
        if let Some(fittest) = fittest {
            return (Some(fittest.clone()), without);
        }
        let back = out.iter().filter(|side| !self.is_down(side)).max_by_key(|side| self.healthy(side));
        let after = back.map(|side| self.all_but(side)).unwrap_or_default();
        (back.cloned(), after)
    }

    /// A side that took nothing takes its share again.
    fn give_back(&mut self) {
        let Some(spread) = &self.state.spread else { return };
        let due = spread
            .out
            .iter()
            .find_map(|(side, left)| Some((side.clone(), self.comes_back_for(side, left)?)));
        let Some((side, why)) = due else { return };
        let mut out_after = self.state.out();
        out_after.remove(&side);
        if self.readiness_after(&side, &out_after).can_be_forced() {
            self.begin_sharing(self.state.active.clone(), side, why, out_after);
        }
    }

    fn comes_back_for(&self, side: &PoolId, left: &Left) -> Option<ShiftReason> {
        let now = self.situation.now;
        match &left.why {
            ShiftReason::Asked { until: Some(until), .. } => (now >= *until).then_some(ShiftReason::Expired),
            ShiftReason::Down { .. } | ShiftReason::CanServe { .. } => {
                let well = self.state.sides.get(side).and_then(|side| side.well);
                let enough = self
                    .situation
                    .well_enough()
                    .is_some_and(|enough| well.is_some_and(|well| well.times >= enough));
                let is_due = enough && now >= self.situation.failover.dwell.after(left.at);
                is_due.then_some(ShiftReason::WellAgain)
            }
            ShiftReason::Asked { until: None, .. }
            | ShiftReason::WellAgain
            | ShiftReason::Expired
            | ShiftReason::Drill { .. }
            | ShiftReason::DrillOver { .. } => None,
        }
    }

    /// What an operator asks where every side is active: one side alone, everybody again, or the routes as they were.
    pub(super) fn hear_of_sharers(&mut self, request: &TrafficRequest, why: impl Fn(Option<jiff::Timestamp>, bool) -> ShiftReason) {
        let out = self.state.out();
        match &request.wish {
            TrafficWish::Failover { to, until, forced } => {
                if self.situation.spec.pool(to).is_none() {
                    return self.refuse(Refusal::NoSuchPool { pool: to.clone() });
                }
                let out_after = self.all_but(to);
                if out_after == out {
                    return self.refuse(Refusal::IsActive { pool: to.clone() });
                }
                if !self.readiness_after(to, &out_after).can_be_forced() {
                    return self.refuse(Refusal::CannotReach { pool: to.clone() });
                }
                let from = self.sides_without(&out).find(|side| side.id != *to);
                let from = from.map_or_else(|| self.state.active.clone(), |side| side.id.clone());
                self.begin_sharing(from, to.clone(), why(*until, *forced), out_after);
            }
            TrafficWish::Failback => {
                let back_alone = |side: &PoolId| {
                    let mut after = out.clone();
                    after.remove(side);
                    self.readiness_after(side, &after).is_open()
                };
                let mut back: Vec<PoolId> = out.iter().filter(|side| back_alone(side)).cloned().collect();
                if back.is_empty() {
                    back.extend(out.first().cloned());
                }
                let Some(first) = back.first().cloned() else {
                    return self.refuse(Refusal::NothingMoved);
                };
                let out_after = out.into_iter().filter(|side| !back.contains(side)).collect();
                self.begin_sharing(self.state.active.clone(), first, why(None, false), out_after);
            }
            TrafficWish::Undo => {
                let is_last = |sharing: &Sharing| sharing.out_after == out;
                match self.state.moved.clone().filter(|moved| moved.sharing.as_ref().is_some_and(is_last)) {
                    Some(moved) => self.undo(moved, why(None, true)),
                    None => self.refuse(Refusal::NothingMoved),
                }
            }
            TrafficWish::Drill => self.refuse(Refusal::NoDrill),
        }
    }

    fn begin_sharing(&mut self, from: PoolId, to: PoolId, why: ShiftReason, out_after: BTreeSet<PoolId>) {
        let out_before = self.state.out();
        let sharing = Sharing { out_before, out_after };
        self.tell_sharing(&sharing, &why);
        self.begin_with(from, to, why, Some(sharing));
    }

    /// Tells who takes none from now on, and who takes its share again.
    pub(super) fn tell_sharing(&mut self, sharing: &Sharing, why: &ShiftReason) {
        let Sharing { out_before, out_after } = sharing;
        for pool in out_after.difference(out_before).cloned() {
            self.findings.push(TrafficFinding::TakesNone { pool, why: why.clone() });
        }
        for pool in out_before.difference(out_after).cloned() {
            self.findings.push(TrafficFinding::TakesItsShare { pool, why: why.clone() });
        }
    }

    /// Capacity first: whoever is to take traffic grows to its part of the whole, and nobody gives anything up meanwhile.
    pub(super) fn hold_floors_of_sharers(&mut self, sharing: &Sharing) {
        let takers = self.sides_without(&sharing.out_after).count().max(1);
        let each = self.asked_of_all().div_ceil(u32::try_from(takers).unwrap_or(u32::MAX)).max(1);
        for side in &self.situation.spec.pools {
            let has = if sharing.out_before.contains(&side.id) {
                0
            } else {
                self.size_of(&side.id)
            };
            let needs = if sharing.out_after.contains(&side.id) { 0 } else { each };
            let floor = has.max(needs).min(side.capacity.max);
            let before = self.state.floors.get(&side.id).copied().unwrap_or(0);
            if floor.max(before) > 0 {
                self.state.floors.insert(side.id.clone(), floor.max(before));
            }
        }
    }

    /// From this commit on these take no traffic, and the others take what was theirs.
    pub(super) fn move_shares(&mut self, shift: &Shift, sharing: &Sharing) {
        let observed = &self.situation.observation.routing;
        let of_route = |route: &RouteId| Some((route.clone(), observed.get(route)?.clone()));
        let previous: BTreeMap<RouteId, Routing> = self.situation.failover.routes().iter().filter_map(of_route).collect();
        let usual = self.usual(&previous);
        let sides = &self.situation.spec.pools;
        let to_takers = |(route, weights): (&RouteId, &Weights)| {
            let most = route.weight_max();
            let weights = routing::shared(weights, sides, &sharing.out_after, most);
            let back = sides.iter().filter(|side| sharing.brings_back(&side.id));
            let weights = back.fold(weights, |weights, side| routing::with_a_share_for(side, weights, sides, most));
            (route.clone(), RouteTo::Weights(weights))
        };
        let wanted: BTreeMap<RouteId, RouteTo> = usual.iter().map(to_takers).collect();
        self.hold_floors_of_sharers(sharing);
        self.spread(&sharing.out_after, &shift.why, usual);
        self.steps = super::shift::steps(&previous, &wanted);
        self.depart(shift, previous, wanted);
    }

    /// The weights by which every side takes its share: as they are, but for the sides that take none now. What somebody set meanwhile for
    /// those that take some holds.
    fn usual(&self, now: &BTreeMap<RouteId, Routing>) -> BTreeMap<RouteId, Weights> {
        let Some(spread) = &self.state.spread else {
            return now
                .iter()
                .map(|(route, routing)| (route.clone(), routing.weights.clone()))
                .collect();
        };
        let (sides, out) = (&self.situation.spec.pools, self.state.out());
        let weights = |(route, routing): (&RouteId, &Routing)| {
            let weights = match spread.usual.get(route) {
                Some(usual) if routing::shared(usual, sides, &out, route.weight_max()) == routing.weights => usual.clone(),
                usual => routing::with_shares_of(&routing.weights, usual, sides, &out),
            };
            (route.clone(), weights)
        };
        now.iter().map(weights).collect()
    }

    /// Notes who takes none from now on.
    pub(super) fn spread(&mut self, out_after: &BTreeSet<PoolId>, why: &ShiftReason, usual: BTreeMap<RouteId, Weights>) {
        let before = self.state.spread.take();
        let left = |side: &PoolId| {
            let known = before.as_ref().and_then(|before| before.out.get(side)).cloned();
            let new = || Left {
                why: why.clone(),
                at: self.situation.now,
            };
            (side.clone(), known.unwrap_or_else(new))
        };
        let out: BTreeMap<PoolId, Left> = out_after.iter().map(left).collect();
        self.state.spread = (!out.is_empty()).then_some(Spread { usual, out });
    }

    /// Who takes none again once the last move is undone.
    pub(super) fn undo_spread(&mut self, moved: &Moved, why: &ShiftReason) -> Option<Sharing> {
        let Sharing { out_before, out_after } = moved.sharing.clone()?;
        let usual = match &self.state.spread {
            Some(spread) => spread.usual.clone(),
            None => self.usual(&self.situation.observation.routing),
        };
        self.spread(&out_before, why, usual);
        Some(Sharing {
            out_before: out_after,
            out_after: out_before,
        })
    }

    /// While something else answers: the sides where somebody does again, and the fittest of them, if together they could take it all.
    pub(super) fn first_ready_sharers(&self) -> Option<(PoolId, BTreeSet<PoolId>)> {
        let answers = |side: &&PoolSpec| self.anybody_answers(&side.id) == Some(true) && !self.is_down(&side.id);
        let ready: Vec<PoolId> = self
            .situation
            .spec
            .pools
            .iter()
            .filter(answers)
            .map(|side| side.id.clone())
            .collect();
        let fittest = ready.iter().max_by_key(|side| self.healthy(side))?.clone();
        self.readiness_of(&ready, self.asked_of_all()).is_open().then(|| {
            let sides = self.situation.spec.pools.iter().map(|side| side.id.clone());
            (fittest, sides.filter(|side| !ready.contains(side)).collect())
        })
    }
}
