//! Addresses and lines of route tables, which lead to one instance: what calls read of them and set, whose the requests are then, and what
//! people do to both.

use ghostnet_core::id::{Destination, FleetId, InstanceId, PoolId, RouteId};
use ghostnet_core::observation::InstanceState;
use ghostnet_core::route::{Route, Weights};
use ghostnet_core::spec::{FleetSpec, PoolSpec};
use ghostnet_core::state::{RouteTo, Routing, TrafficState};
use ghostnet_engine::error::{ErrorClass, PortError};

use crate::broken::Broken;
use crate::cloud::ec2::Machine;
use crate::cloud::refusal;
use crate::fault::Fault;
use crate::traffic::routing;
use crate::world::{World, is_of};

/// What has an address and is no instance.
const INTERFACE: &str = "eni-0123456789abcdef0";

/// Whether a route leads to one instance.
#[must_use]
pub(crate) fn leads(route: &RouteId) -> bool {
    matches!(route.route(), Route::Address(_) | Route::VpcRoute(_))
}

pub(crate) fn led_to(routing: &Routing) -> Option<InstanceId> {
    routing
        .weights
        .keys()
        .next()
        .map(|destination| InstanceId::new(destination.as_str()))
}

fn leading_to(id: &InstanceId) -> Routing {
    routing([(Destination::from(id), 1)].into())
}

fn nobody() -> Routing {
    routing(Weights::new())
}

impl World {
    /// DescribeAddresses or DescribeRouteTables: whoever is terminated has no address any more, and packets for one that does not run go
    /// into a black hole.
    pub(crate) fn read_led(&self, route: &RouteId) -> Option<Routing> {
        let set = self.cloud.rules.get(route)?;
        let keeps = |machine: &Machine| match route.route() {
            Route::Address(_) => !machine.state(self.now).is_gone(),
            _ => machine.state(self.now) == InstanceState::Running,
        };
        let machine = led_to(set).and_then(|id| self.cloud.ec2.machines.get(&id));
        Some(if machine.is_none_or(keeps) { set.clone() } else { nobody() })
    }

    /// AssociateAddress or ReplaceRoute.
    pub(crate) fn set_led(&mut self, route: &RouteId, expected: &Routing, set: &RouteTo) -> Result<(), PortError> {
        const CALL: &str = "ec2:AssociateAddress";
        let invalid = |code| refusal(CALL, ErrorClass::Invalid, code);
        let now = self
            .read_led(route)
            .ok_or_else(|| refusal(CALL, ErrorClass::NotFound, "InvalidAllocationID.NotFound"))?;
        let named = match set {
            RouteTo::Weights(weights) | RouteTo::Reweighted { weights, .. } => weights.keys().next(),
            RouteTo::Actions(actions) => actions.weights.keys().next(),
            RouteTo::Fixed(_) => None,
        };
        let id = InstanceId::new(named.ok_or_else(|| invalid("MissingParameter"))?.as_str());
        let id = if self.broken == Some(Broken::LeadsAstray) {
            self.another_side_than(&id)
        } else {
            id
        };
        let machine = self.cloud.ec2.machines.get(&id);
        let machine = machine.ok_or_else(|| refusal(CALL, ErrorClass::NotFound, "InvalidInstanceID.NotFound"))?;
        if machine.state(self.now) != InstanceState::Running {
            return Err(invalid("IncorrectInstanceState"));
        }
        let next = leading_to(&id);
        // an address that nobody had is not taken from whoever got it meanwhile
        let is_taken = expected.weights.is_empty() && !now.weights.is_empty() && now != next;
        if is_taken && matches!(route.route(), Route::Address(_)) {
            return Err(invalid("Resource.AlreadyAssociated"));
        }
        self.log.line(self.now, || format!("  {} leads to {id}", route.as_str()));
        if self.broken == Some(Broken::NothingShifts) {
            return Ok(());
        }
        self.cloud.set_route(route.clone(), next, self.now);
        crate::check::holder::on_led(self, route, &id);
        Ok(())
    }

    /// A running instance of another side than one's, if there is any.
    fn another_side_than(&self, id: &InstanceId) -> InstanceId {
        let pool = self.cloud.ec2.machines.get(id).and_then(|machine| machine.tags.pool.clone());
        let mut machines = self.cloud.ec2.machines.values();
        let is_other = |machine: &&Machine| {
            let ours = machine.installation.as_ref() == Some(&self.installation);
            ours && machine.tags.pool != pool && machine.state(self.now) == InstanceState::Running
        };
        machines.find(is_other).map_or_else(|| id.clone(), |machine| machine.id.clone())
    }

    /// Whether it is an instance of a side.
    pub(crate) fn is_of_side(&self, id: &InstanceId, fleet: &FleetId, side: &PoolId) -> bool {
        let machine = self.cloud.ec2.machines.get(id);
        machine.is_some_and(|machine| is_of(machine, &self.installation, fleet, side))
    }

    /// Whether the first route leads to an instance of a side that can answer.
    pub(crate) fn is_led_to(&self, spec: &FleetSpec, pool: &PoolSpec) -> bool {
        let Some(failover) = &spec.failover else { return false };
        let led = failover.routes().first().and_then(|route| led_to(&self.read_led(route)?));
        let machine = led
            .filter(|id| self.is_of_pool(id, pool))
            .and_then(|id| self.cloud.ec2.machines.get(&id));
        machine.is_some_and(|machine| machine.takes_work(self.now))
    }

    /// Whether no route leads to an instance of a side.
    pub(crate) fn is_led_nowhere(&self, spec: &FleetSpec, pool: &PoolSpec) -> bool {
        let routes = spec.failover.iter().flat_map(|failover| failover.routes());
        let mut led = routes.filter_map(|route| led_to(&self.read_led(route)?));
        !led.any(|id| self.is_of_side(&id, &spec.id, &pool.id))
    }

    /// Somebody gives it to another instance by hand, or to something else.
    pub(crate) fn lead_by_hand(&mut self, route: &RouteId) {
        let runs = |machine: &&Machine| machine.state(self.now) == InstanceState::Running;
        let ids: Vec<InstanceId> = self
            .cloud
            .ec2
            .machines
            .values()
            .filter(runs)
            .map(|machine| machine.id.clone())
            .collect();
        let Some(chance) = self.faults.chance(Fault::ForeignRouting) else {
            return;
        };
        let foreign = InstanceId::new(INTERFACE);
        let id = if chance.once_in(4) { Some(&foreign) } else { chance.pick(&ids) };
        let Some(id) = id.cloned() else { return };
        self.log.line(self.now, || format!("somebody has {} lead to {id}", route.as_str()));
        self.cloud.set_route(route.clone(), leading_to(&id), self.now);
    }

    /// A person takes it from whoever has it and is not of the side that takes the traffic.
    pub(crate) fn put_led_right(&mut self, route: &RouteId, spec: &FleetSpec, traffic: &TrafficState) {
        let led = self.cloud.rules.get(route).and_then(led_to);
        let is_right = led.is_none_or(|id| self.is_of_side(&id, &spec.id, &traffic.active));
        if !is_right {
            self.cloud.set_route(route.clone(), nobody(), self.now);
        }
    }
}
