//! What AWS has of the account, with AWS's own rules: the truth, of which calls show a part, late.

pub mod capacity;
pub mod ec2;
pub mod elb;
pub mod map;
pub mod metrics;
pub mod reservation;
pub mod worker;

use std::collections::BTreeMap;

use ghostnet_core::id::{InstanceId, RouteId, ServiceId, TargetGroupArn, Zone};
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::route::Route;
use ghostnet_core::sorted::Walk;
use ghostnet_core::state::Routing;
use ghostnet_engine::error::{ErrorClass, PortError};

use crate::clock::{Millis, SECOND};
use capacity::Capacity;
use ec2::{Ec2, Machine};
use elb::{Group, Registration};
use map::Service;
use metrics::History;

/// So long after a change of a route the last clients go where it led before: the time to live of a record, or what an accelerator takes
/// to know everywhere.
#[must_use]
pub fn followed_within(route: &RouteId) -> Millis {
    match route.route() {
        Route::Rule | Route::Address(_) | Route::VpcRoute(_) => 0,
        Route::Records(_) => 60 * SECOND,
        Route::Endpoints | Route::Dials => 30 * SECOND,
    }
}

/// The account.
#[derive(Debug, Default)]
pub struct Cloud {
    /// Instances and tokens.
    pub ec2: Ec2,
    /// Target groups.
    pub groups: BTreeMap<TargetGroupArn, Group>,
    /// Listeners' rules and other routes, and what each does.
    pub rules: BTreeMap<RouteId, Routing>,
    /// What some routes did before their last change, and when that was: not everybody who asks for a name asks at once.
    pub before: BTreeMap<RouteId, (Millis, Routing)>,
    /// Services of Cloud Map.
    pub services: BTreeMap<ServiceId, Service>,
    /// Zones away from which somebody has shifted the traffic, and until when.
    pub shifted: BTreeMap<Zone, Millis>,
    /// What can be had at all, and how fast it may be asked for.
    pub capacity: Capacity,
    /// What CloudWatch knows.
    pub history: History,
}

impl Cloud {
    /// A route does something else from now on, and clients follow.
    pub fn set_route(&mut self, route: RouteId, set: Routing, now: Millis) {
        let before = self.rules.insert(route.clone(), set);
        if let Some(before) = before.filter(|_| followed_within(&route) > 0) {
            self.before.insert(route, (now, before));
        }
    }

    /// What the balancer says about the targets of a group.
    #[must_use]
    pub fn health(&self, group: &Group, now: Millis) -> Vec<(InstanceId, TargetHealth)> {
        let targets = self.targets_of(group);
        targets
            .filter_map(|(id, registration, machine)| Some((id.clone(), group.health(registration, machine, now)?)))
            .collect()
    }

    /// The targets of a group, each with its machine if there is one: both are in the order of their ids.
    fn targets_of<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = (&'a InstanceId, &'a Registration, Option<&'a Machine>)> {
        let first = group.targets.keys().next();
        let machines = first.into_iter().flat_map(|first| self.ec2.machines.range(first..));
        let mut machines = Walk::over(machines);
        let targets = group.targets.iter();
        targets.map(move |(id, registration)| (id, registration, machines.to(id)))
    }

    /// Whether a zonal shift keeps traffic away from an instance.
    #[must_use]
    pub fn is_shifted(&self, id: &InstanceId, now: Millis) -> bool {
        if self.shifted.is_empty() {
            return false;
        }
        let until = self.ec2.machines.get(id).and_then(|machine| self.shifted.get(&machine.zone));
        until.is_some_and(|until| now < *until)
    }

    /// Targets that take requests: the healthy ones, but for those from which a zonal shift keeps them, or all that run while there is none.
    #[must_use]
    pub fn serving(&self, group: &Group, now: Millis) -> u32 {
        self.serving_of(group, |_| true, now)
    }

    /// Those of them that are some side's.
    pub(crate) fn serving_of(&self, group: &Group, is_of: impl Fn(&InstanceId) -> bool, now: Millis) -> u32 {
        let (mut healthy, mut running, mut any_healthy) = (0, 0, false);
        for (id, registration, machine) in self.targets_of(group) {
            match group.health(registration, machine, now) {
                Some(TargetHealth::Healthy | TargetHealth::Unchecked) if !self.is_shifted(id, now) => {
                    any_healthy = true;
                    healthy += u32::from(is_of(id));
                }
                Some(TargetHealth::Healthy | TargetHealth::Unchecked | TargetHealth::Initial | TargetHealth::Unhealthy)
                    if machine.is_some_and(|machine| machine.state(now) == InstanceState::Running) =>
                {
                    running += u32::from(is_of(id));
                }
                _ => {}
            }
        }
        if any_healthy { healthy } else { running }
    }
}

/// An answer that is not a result.
#[must_use]
pub fn refusal(call: &'static str, class: ErrorClass, code: &'static str) -> PortError {
    PortError {
        call,
        class,
        code: code.to_owned(),
        message: String::new(),
    }
}
