//! Where what moves leads to one instance and not to a side: an Elastic IP address, a line of a route table.
//!
//! One instance of the side that takes the traffic has all of them: the holder. One that leaves, stops or is replaced hands over to another
//! one of its side without a failover; a failover only changes the side. Nothing is taken from an instance that serves unless the side
//! changes: who leads it elsewhere by hand has it so. What leads to something that is no instance of the fleet is left alone.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::finding::TrafficFinding;
use super::shift::steps;
use crate::id::{Destination, InstanceId, PoolId, RouteId};
use crate::observation::InstanceState;
use crate::plan::TAKE_OVER_MARGIN;
use crate::route::Weights;
use crate::spec::PoolSpec;
use crate::state::{Holder, Member, RouteTo, Routing, Stage};

/// What a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Led<'a> {
    /// Nothing, or an instance of the fleet that does not serve any more.
    ToNobody,
    /// An instance of this side that was not seen to be lost.
    To(&'a PoolId),
    /// An instance of the fleet that no side knows, or something that is none.
    Elsewhere,
}

impl Draft<'_> {
    /// Has all routes lead to one instance of the side that takes the traffic. Whoever committed that sends it in its window; what is not
    /// seen to be done afterwards is sent again.
    pub(super) fn lead(&mut self) {
        if !self.situation.failover.leads_to_instance() {
            self.state.holder = None;
            return;
        }
        let Some(instance) = self.best_holder() else { return };
        let before = self.state.holder.as_ref();
        let hands_over = before.is_none_or(|before| before.instance != instance);
        let is_sent = |holder: &Holder| self.situation.now < TAKE_OVER_MARGIN.after(holder.execute_until);
        if !hands_over && before.is_some_and(is_sent) {
            return;
        }
        let due = self.due();
        if due.is_empty() && !(hands_over && self.is_led_to_instance(&instance)) {
            return;
        }
        let to_it = RouteTo::Weights(Weights::from([(Destination::from(&instance), 1)]));
        self.steps = steps(&due, &due.keys().map(|route| (route.clone(), to_it.clone())).collect());
        if hands_over {
            self.findings.push(TrafficFinding::LeadsTo {
                instance: instance.clone(),
            });
            let routes = self.situation.failover.routes().iter();
            let elsewhere = routes.filter(|route| self.led(route) == Some(Led::Elsewhere)).cloned();
            let told: Vec<TrafficFinding> = elsewhere.map(|route| TrafficFinding::ForeignEdit { route }).collect();
            self.findings.extend(told);
        }
        self.state.holder = Some(Holder {
            instance,
            execute_until: self.situation.execute_until,
        });
    }

    /// The routes that are to be set, each with what it does now.
    fn due(&self) -> BTreeMap<RouteId, Routing> {
        let moves = self.state.shift.as_ref().is_some_and(|shift| shift.stage != Stage::Preparing);
        let is_due = |route: &RouteId, now: &Routing| match self.led(route) {
            Some(Led::ToNobody) => true,
            Some(Led::To(side)) => *side != self.state.active && (moves || self.was_never_moved(route, now)),
            Some(Led::Elsewhere) | None => false,
        };
        let observed = &self.situation.observation.routing;
        let routes = self.situation.failover.routes().iter();
        let now = routes.filter_map(|route| Some((route.clone(), observed.get(route)?.clone())));
        now.filter(|(route, now)| is_due(route, now)).collect()
    }

    /// Whether a route is as it was before the last move, because the side that took the traffic had nobody to lead to.
    fn was_never_moved(&self, route: &RouteId, now: &Routing) -> bool {
        let moved = self.state.moved.as_ref().filter(|moved| moved.to == self.state.active);
        let before = moved.and_then(|moved| moved.previous.get(route));
        self.state.holder.is_none() && before.is_some_and(|before| before.weights == now.weights)
    }

    /// One to which something leads already; else the one that was chosen before; else one that had it before the last move; else the one
    /// that has served longest.
    fn best_holder(&self) -> Option<InstanceId> {
        let looked = self.situation.looked(&self.state.active)?;
        let chosen = self.state.holder.as_ref().map(|holder| &holder.instance);
        let had = |id: &InstanceId| {
            let before = self.state.moved.iter().flat_map(|moved| moved.previous.values());
            leads_to(before, id)
        };
        let rank = |id: &InstanceId, member: &Member| (!self.is_led_to_instance(id), chosen != Some(id), !had(id), member.served_since);
        let best = looked.serving().min_by_key(|(id, member)| (rank(id, member), (*id).clone()));
        best.map(|(id, _)| id.clone())
    }

    fn is_led_to_instance(&self, id: &InstanceId) -> bool {
        let observed = &self.situation.observation.routing;
        leads_to(self.situation.failover.routes().iter().filter_map(|route| observed.get(route)), id)
    }

    /// What a route leads to; none: it could not be read.
    fn led(&self, route: &RouteId) -> Option<Led<'_>> {
        let routing = self.situation.observation.routing.get(route)?;
        let Some(destination) = routing.weights.keys().next() else {
            return Some(Led::ToNobody);
        };
        let id = InstanceId::new(destination.as_str());
        let mut pools = self.situation.capacity.pools.iter();
        let known = pools.find_map(|(side, pool)| Some((side, pool.members.get(&id)?)));
        Some(match known {
            Some((side, member)) if !self.is_lost(&id, member) => Led::To(side),
            Some(_) => Led::ToNobody,
            None => Led::Elsewhere,
        })
    }

    /// Whether an instance of a side is to be led to no longer. One that is not listed says nothing by that.
    fn is_lost(&self, id: &InstanceId, member: &Member) -> bool {
        let listed = self.situation.observation.instances.as_ref().and_then(|listed| listed.get(id));
        let leaves = member.drain.is_some() || member.terminating_since.is_some() || member.gone || member.is_warm();
        leaves || listed.is_some_and(|state| *state != InstanceState::Running)
    }

    fn is_of(&self, id: &InstanceId, side: &PoolId) -> bool {
        let state = self.situation.capacity.pools.get(side);
        state.is_some_and(|state| state.members.contains_key(id))
    }

    /// What the routes that lead to instances of the fleet do now.
    pub(super) fn led_now(&self) -> BTreeMap<RouteId, Routing> {
        let routes = self.situation.failover.routes().iter().filter(|route| self.is_ours_to_lead(route));
        let observed = &self.situation.observation.routing;
        routes
            .filter_map(|route| Some((route.clone(), observed.get(route)?.clone())))
            .collect()
    }

    /// Whether all that is ours to lead was seen to lead to a side.
    pub(super) fn is_led_to(&self, pool: &PoolSpec) -> bool {
        let mut routes = self.situation.failover.routes().iter().map(|route| self.led(route));
        let is_there = |led: Option<Led<'_>>| led.is_some_and(|led| led == Led::Elsewhere || led == Led::To(&pool.id));
        routes.all(is_there)
    }

    /// Whether a side has nobody by now to whom anything could lead.
    pub(super) fn has_nobody_to_lead_to(&self, pool: &PoolSpec) -> bool {
        self.situation.looked(&pool.id).is_none_or(|looked| looked.ready() == 0)
    }

    /// Whether a route could be set: it was read, and nobody else has set it.
    pub(super) fn is_ours_to_lead(&self, route: &RouteId) -> bool {
        self.led(route).is_some_and(|led| led != Led::Elsewhere)
    }

    /// Whether nothing leads to a side; none: not everything could be read.
    pub(super) fn is_led_elsewhere(&self, pool: &PoolSpec) -> Option<bool> {
        let observed = &self.situation.observation.routing;
        let mut routes = self.situation.failover.routes().iter();
        routes.try_fold(true, |idle, route| {
            let mut led = observed.get(route)?.weights.keys().map(|led| InstanceId::new(led.as_str()));
            led.try_fold(idle, |idle, id| Some(idle && self.is_elsewhere(&id, pool)?))
        })
    }

    /// Whether an instance is not a side's. Who carries the fleet's tags and is known to no side may become any side's. None: it is not
    /// known who carries them.
    fn is_elsewhere(&self, id: &InstanceId, pool: &PoolSpec) -> Option<bool> {
        let mut sides = self.situation.spec.pools.iter();
        match sides.find(|side| self.is_of(id, &side.id)) {
            Some(side) => Some(side.id != pool.id),
            None => Some(!self.situation.observation.instances.as_ref()?.contains_key(id)),
        }
    }
}

fn leads_to<'a>(mut routings: impl Iterator<Item = &'a Routing>, id: &InstanceId) -> bool {
    let destination = Destination::from(id);
    routings.any(|routing| routing.weights.contains_key(&destination))
}
