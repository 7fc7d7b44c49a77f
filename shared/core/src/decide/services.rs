//! The Cloud Map services in which instances of a pool may be registered, as they were read.

use std::cmp::Ordering;

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
    all: Vec<(ServiceId, Option<Registered<'a>>)>,
}

/// Who is registered in one of them.
#[derive(Debug, Default)]
pub(super) struct Registered<'a> {
    /// What is there of each member of the pool, in the order of their ids.
    pub(super) members: Vec<Option<&'a Registration>>,
    /// What is there besides.
    pub(super) strangers: Vec<&'a Registration>,
}

impl<'a> Services<'a> {
    pub(super) fn of(situation: &Situation<'a>, pool: &PoolSpec, state: &PoolState) -> Self {
        let read = |service: &ServiceId| {
            let there = situation.observation.registrations.get(service)?;
            Some(Registered::of(there, state.members.keys()))
        };
        let all = state.all_services(pool).map(|service| (service.clone(), read(service)));
        Self { all: all.collect() }
    }

    /// Who is registered in a service; none if it could not be read.
    pub(super) fn registered_in(&self, service: &ServiceId) -> Option<&Registered<'a>> {
        let (_, there) = self.all.iter().find(|(id, _)| id == service)?;
        there.as_ref()
    }

    /// Whether every service was read and none lists the member at this place.
    pub(super) fn are_without(&self, place: usize) -> bool {
        let is_without = |there: &Registered<'a>| !matches!(there.members.get(place), Some(Some(_)));
        self.all.iter().all(|(_, there)| there.as_ref().is_some_and(is_without))
    }
}

impl<'a> Registered<'a> {
    /// Members and registrations are walked side by side, once for all who ask.
    fn of<'m>(there: &'a [Registration], members: impl Iterator<Item = &'m InstanceId>) -> Self {
        let there = Sorted::of(there.iter().map(|registration| (&registration.instance, registration)));
        let (mut rest, mut registered) = (there.iter().peekable(), Self::default());
        for id in members {
            let mut found = None;
            while let Some((next, registration)) = rest.peek().copied() {
                match next.cmp(id) {
                    Ordering::Less => registered.strangers.push(registration),
                    Ordering::Equal => found = Some(registration),
                    Ordering::Greater => break,
                }
                rest.next();
            }
            registered.members.push(found);
        }
        registered.strangers.extend(rest.map(|(_, registration)| registration));
        registered
    }
}
