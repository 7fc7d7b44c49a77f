//! The invariants of Cloud Map: only who serves is registered, in the service that the spec names; nobody ends while clients may
//! still be sent to it.

use super::Found;
use super::pool::Judge;
use crate::id::InstanceId;
use crate::observation::InstanceState;
use crate::plan::{Action, REGISTRATIONS_PER_STEP_MAX};
use crate::state::Drain;
use crate::unit::Seconds;

impl Judge<'_> {
    /// I25, and that every step about Cloud Map is new: membership is decided afresh, never sent again.
    pub(super) fn discovery(&self, found: &mut Found) {
        for step in self.steps() {
            let mut fault = |what: String| found.add("I25", Some(self.pool), format!("{} {what}", step.id));
            let service = match &step.action {
                Action::Announce { service, addresses, port } => {
                    let named = self.pool.cloud_map.as_ref();
                    if named.is_none_or(|named| named.service != *service || named.port != *port) {
                        fault(format!(
                            "would register instances in {service}, with port or name that the spec does not say"
                        ));
                    }
                    for (id, address) in addresses {
                        let mut listed = self.situation.observation.instances.iter().flatten();
                        let runs = |listed: &crate::observation::Instance| listed.id == *id && listed.state == InstanceState::Running;
                        if !listed.any(|listed| runs(listed) && listed.address == Some(*address)) {
                            fault(format!("would register {id} at {address}, and no look showed it running there"));
                        }
                        let stays = |member: &crate::state::Member| {
                            let leaves = member.drain.is_some() || member.terminating_since.is_some() || member.gone;
                            !leaves && member.warm.is_none() && member.served_since.is_some()
                        };
                        if !Self::member(Some(self.next), id).is_some_and(stays) {
                            fault(format!("would register {id}, which does not serve"));
                        }
                    }
                    service
                }
                Action::Withdraw { service, .. } => service,
                _ => continue,
            };
            if !self.is_new(step) {
                fault("would be sent again, and somebody may have decided otherwise since".to_owned());
            }
            if !self.situation.observation.registrations.contains_key(service) {
                fault(format!("would change registrations in {service}, which was not read"));
            }
            if step.action.instances().len() > REGISTRATIONS_PER_STEP_MAX {
                fault("would make more calls than one step has the time for".to_owned());
            }
        }
    }

    /// Whether a Cloud Map service of the pool lists the instance, or may.
    pub(super) fn is_registered(&self, id: &InstanceId) -> bool {
        self.next
            .all_services(self.pool)
            .any(|service| match self.situation.observation.registrations.get(service) {
                None => true,
                Some(there) => there.iter().any(|registration| registration.instance == *id),
            })
    }

    /// Whether clients had too little time to forget it since no service lists it, and it has not run out of its own.
    pub(super) fn may_be_looked_up(&self, id: &InstanceId, drain: Drain) -> bool {
        let Some(cloud_map) = self.pool.cloud_map.as_ref().filter(|_| self.situation.now < drain.deadline.at()) else {
            return false;
        };
        let after = Self::member(Some(self.next), id).and_then(|member| member.withdrawn_after);
        let wait = cloud_map.remembered_for(self.situation.resolved);
        after.is_none_or(|after| Seconds::between(after.after(drain.since.at()), self.situation.now) < wait)
    }
}
