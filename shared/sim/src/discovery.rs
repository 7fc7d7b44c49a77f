//! Calls to Cloud Map, and what goes wrong there: late operations, old and unreadable lists, people who register things.

use std::net::Ipv4Addr;

use ghostnet_core::id::{InstallationId, InstanceId, ServiceId};
use ghostnet_core::observation::Registration;
use ghostnet_core::spec::FleetSpec;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::Announced;

use crate::broken::Broken;
use crate::check;
use crate::clock::{MINUTE, Millis, SECOND};
use crate::cloud::map::Entry;
use crate::cloud::refusal;
use crate::fault::Fault;
use crate::world::World;

impl World {
    /// The Cloud Map services that a spec names exist.
    pub(crate) fn add_services(&mut self, spec: &FleetSpec) {
        for cloud_map in spec.pools.iter().filter_map(|pool| pool.cloud_map.as_ref()) {
            self.cloud.services.entry(cloud_map.service.clone()).or_default();
        }
    }

    /// RegisterInstance in Cloud Map.
    pub(crate) fn announce(&mut self, service: &ServiceId, announced: &Announced<'_>) -> Result<(), PortError> {
        let takes = self.map_takes();
        if !self.cloud.services.contains_key(service) {
            return Err(no_service("servicediscovery:RegisterInstance"));
        }
        check::on_announced(self, service, announced);
        let entry = Entry {
            id: announced.instance.clone(),
            by: Some((announced.installation.clone(), announced.by.clone())),
            address: announced.address,
            port: announced.port,
            since: self.now + takes,
            until: None,
        };
        if let Some(service) = self.cloud.services.get_mut(service) {
            service.register(entry);
        }
        self.log
            .line(self.now, || format!("  {} will be found in {service}", announced.instance));
        Ok(())
    }

    /// DeregisterInstance in Cloud Map.
    pub(crate) fn withdraw(&mut self, service: &ServiceId, id: &InstanceId) -> Result<(), PortError> {
        let takes = self.map_takes();
        if !self.cloud.services.contains_key(service) {
            return Err(no_service("servicediscovery:DeregisterInstance"));
        }
        check::on_withdrawn(self, service, id);
        let now = self.now;
        if !matches!(self.broken, Some(Broken::NothingWithdraws | Broken::LeaversHidden))
            && let Some(service) = self.cloud.services.get_mut(service)
        {
            service.deregister(id, now + takes);
        }
        self.log.line(now, || format!("  {id} will no longer be found in {service}"));
        Ok(())
    }

    /// How long Cloud Map is at an operation.
    fn map_takes(&mut self) -> Millis {
        if self.faults.strikes(Fault::MapLag) {
            self.lasting(Fault::MapLag, 1, 4) * MINUTE
        } else {
            2 * SECOND
        }
    }

    /// ListInstances in Cloud Map.
    pub(crate) fn registrations(&mut self, service: &ServiceId, installation: &InstallationId) -> Result<Vec<Registration>, PortError> {
        const CALL: &str = "servicediscovery:ListInstances";
        let Some(found) = self.cloud.services.get(service) else {
            return Err(no_service(CALL));
        };
        if self.now < found.unreadable_until {
            return Err(refusal(CALL, ErrorClass::Throttled, "RequestLimitExceeded"));
        }
        let mut listed = found.list(installation, self.now);
        match self.broken {
            Some(Broken::RegistrationsHidden) => listed.clear(),
            Some(Broken::LeaversHidden) => {
                listed.retain(|one| !self.is_leaving(&one.instance));
            }
            _ => {}
        }
        Ok(listed)
    }

    /// Whether an instance is in a drain, by the table.
    pub(crate) fn is_leaving(&self, id: &InstanceId) -> bool {
        let states = self.table.fleets.values().filter_map(crate::table::Items::capacity);
        let mut members = states
            .flat_map(|state| state.pools.values())
            .filter_map(|pool| pool.members.get(id));
        members.any(|member| member.drain.is_some())
    }

    /// A person registers something else in a service, or one of the fleet's own instances.
    pub(crate) fn register_by_hand(&mut self) {
        let (now, ours) = (self.now, self.installation.clone());
        let services: Vec<ServiceId> = self.cloud.services.keys().cloned().collect();
        let own = self.lasting(Fault::ForeignRegistration, 0, 2) == 0;
        let is_ours = |machine: &crate::cloud::ec2::Machine| machine.installation.as_ref() == Some(&ours) && machine.is_alive(now);
        let id = if own {
            self.any_machine(Fault::ForeignRegistration, is_ours)
        } else {
            Some(InstanceId::new(format!("task-{now}")))
        };
        let service = self
            .faults
            .chance(Fault::ForeignRegistration)
            .and_then(|chance| chance.pick(&services).cloned());
        let Some((id, service)) = id.zip(service) else { return };
        self.log.line(now, || format!("somebody registers {id} in {service}"));
        if let Some(service) = self.cloud.services.get_mut(&service) {
            service.register(Entry {
                id,
                by: None,
                address: Ipv4Addr::new(192, 0, 2, 1),
                port: None,
                since: now,
                until: None,
            });
        }
    }

    /// Cloud Map's lists are late, or cannot be read.
    pub(crate) fn storm_in_cloud_map(&mut self) {
        let now = self.now;
        if self.faults.strikes(Fault::MapStale) {
            let until = now + self.lasting(Fault::MapStale, 1, 20) * MINUTE;
            self.cloud.services.values_mut().for_each(|service| service.stale = (MINUTE, until));
        }
        if self.faults.strikes(Fault::MapUnreadable) {
            let until = now + self.lasting(Fault::MapUnreadable, 1, 20) * MINUTE;
            self.cloud
                .services
                .values_mut()
                .for_each(|service| service.unreadable_until = until);
        }
    }
}

fn no_service(call: &'static str) -> PortError {
    refusal(call, ErrorClass::NotFound, "ServiceNotFound")
}
