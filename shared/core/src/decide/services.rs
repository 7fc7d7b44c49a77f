//! The Cloud Map services in which instances of a pool may be registered, as they were read.

use super::Situation;
use crate::id::{InstanceId, ServiceId};
use crate::observation::Registration;
use crate::sorted::Sorted;
use crate::spec::PoolSpec;
use crate::state::PoolState;

/// The service of a pool and its former ones.
#[derive(Debug)]
pub(super) struct Services<'a> {
    /// None: it could not be read.
    all: Vec<(ServiceId, Option<Sorted<'a, &'a Registration>>)>,
}

impl<'a> Services<'a> {
    pub(super) fn of(situation: &Situation<'a>, pool: &PoolSpec, state: &PoolState) -> Self {
        let read = |service: &ServiceId| {
            let there = situation.observation.registrations.get(service)?;
            Some(Sorted::of(there.iter().map(|registration| (&registration.instance, registration))))
        };
        let all = state.all_services(pool).map(|service| (service.clone(), read(service)));
        Self { all: all.collect() }
    }

    /// Who is registered in a service; none if it could not be read.
    pub(super) fn registered_in(&self, service: &ServiceId) -> Option<&Sorted<'a, &'a Registration>> {
        let (_, there) = self.all.iter().find(|(id, _)| id == service)?;
        there.as_ref()
    }

    /// Whether every service was read and none lists the instance.
    pub(super) fn are_without(&self, id: &InstanceId) -> bool {
        let is_without = |there: &Sorted<'a, &'a Registration>| there.get(id).is_none();
        self.all.iter().all(|(_, there)| there.as_ref().is_some_and(is_without))
    }
}
