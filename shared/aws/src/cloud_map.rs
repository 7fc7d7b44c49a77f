//! AWS Cloud Map: lists who is registered in a service, registers and deregisters, and looks a service up for `apply`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use aws_config::retry::RetryConfig;
use aws_sdk_servicediscovery::config::Builder as ConfigOverride;
use aws_sdk_servicediscovery::types::{InstanceSummary, RecordType, Service};
use ghostnet_core::id::{InstallationId, InstanceId, Region, ServiceId};
use ghostnet_core::observation::{Registrar, Registration, tag};
use ghostnet_core::plan::{REGISTRATIONS_PER_STEP_MAX, STEP_SECONDS_MAX};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{Announced, Discovery};

use crate::Aws;
use crate::clients::ATTEMPT_SECONDS_MAX;
use crate::error::{incomplete, port_error, too_many_pages};

const LIST: &str = "servicediscovery:ListInstances";
const REGISTER: &str = "servicediscovery:RegisterInstance";
const DEREGISTER: &str = "servicediscovery:DeregisterInstance";
const SERVICE: &str = "servicediscovery:GetService";

/// Largest page that Cloud Map gives.
const PAGE_SIZE: i32 = 100;
/// A service holds a thousand instances unless the account's quota was raised.
const PAGES_MAX: usize = 20;
/// An operation on that registration goes on already: the next look sees what came of it.
const IN_PROGRESS: &str = "DuplicateRequest";

/// Attributes that Cloud Map knows.
mod attribute {
    pub(super) const ADDRESS: &str = "AWS_INSTANCE_IPV4";
    pub(super) const PORT: &str = "AWS_INSTANCE_PORT";
}

// two rounds of single attempts, half the calls of a step each, end in time
const _: () = assert!(2 * ATTEMPT_SECONDS_MAX < STEP_SECONDS_MAX.0 as u64 && REGISTRATIONS_PER_STEP_MAX > 0);

/// What a spec needs to know about a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFacts {
    /// Types of its DNS records, as `A` or `SRV`; none: it is found by API calls alone.
    pub records: Vec<String>,
    /// The longest time to live of its records.
    pub ttl: Option<Seconds>,
    /// Whether Route 53 checks the health of what is registered, from outside.
    pub is_checked: bool,
}

impl Discovery for Aws {
    async fn registrations(
        &self,
        region: &Region,
        service: &ServiceId,
        installation: &InstallationId,
    ) -> Result<Vec<Registration>, PortError> {
        let request = self
            .clients(region)
            .cloud_map
            .list_instances()
            .service_id(service.as_str())
            .max_results(PAGE_SIZE);
        let mut pages = request.into_paginator().send();
        let (mut registrations, mut pages_read) = (Vec::new(), 0);
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(LIST, error))?;
            for instance in page.instances() {
                registrations.push(registration(instance, installation)?);
            }
            pages_read += 1;
            if pages_read == PAGES_MAX && page.next_token().is_some() {
                return Err(too_many_pages(LIST, PAGES_MAX));
            }
        }
        Ok(registrations)
    }

    async fn announce(&self, region: &Region, service: &ServiceId, announced: &Announced<'_>) -> Result<(), PortError> {
        // the tags' own names: who reads the registration finds the same words as on the instance
        let request = self
            .clients(region)
            .cloud_map
            .register_instance()
            .service_id(service.as_str())
            .instance_id(announced.instance.as_str())
            .attributes(attribute::ADDRESS, announced.address.to_string())
            .attributes(tag::INSTALLATION, announced.installation.as_str())
            .attributes(tag::FLEET, announced.by.fleet.as_str())
            .attributes(tag::POOL, announced.by.pool.as_str());
        let request = match announced.port {
            Some(port) => request.attributes(attribute::PORT, port.to_string()),
            None => request,
        };
        let answer = request.customize().config_override(once()).send().await;
        accepted(answer.map(|_| ()).map_err(|error| port_error(REGISTER, error)))
    }

    async fn withdraw(&self, region: &Region, service: &ServiceId, instance: &InstanceId) -> Result<(), PortError> {
        let request = self
            .clients(region)
            .cloud_map
            .deregister_instance()
            .service_id(service.as_str())
            .instance_id(instance.as_str());
        let answer = request.customize().config_override(once()).send().await;
        match accepted(answer.map(|_| ()).map_err(|error| port_error(DEREGISTER, error))) {
            Err(error) if error.code == "InstanceNotFound" => Ok(()),
            answer => answer,
        }
    }
}

impl Aws {
    /// Records and checks of these Cloud Map services; one that does not exist is absent.
    ///
    /// # Errors
    /// Cloud Map does not answer.
    pub async fn services(&self, region: &Region, services: &[ServiceId]) -> Result<BTreeMap<ServiceId, ServiceFacts>, PortError> {
        let mut facts = BTreeMap::new();
        for id in services {
            let answer = self.clients(region).cloud_map.get_service().id(id.as_str()).send().await;
            match answer.map_err(|error| port_error(SERVICE, error)) {
                Ok(answer) => facts.extend(answer.service().map(|service| (id.clone(), service_facts(service)))),
                Err(error) if error.class == ErrorClass::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(facts)
    }
}

/// One attempt, no second: a late repetition could undo what somebody decided in the meantime (design: order).
fn once() -> ConfigOverride {
    ConfigOverride::new().retry_config(RetryConfig::disabled())
}

fn accepted(answer: Result<(), PortError>) -> Result<(), PortError> {
    match answer {
        Err(error) if error.code == IN_PROGRESS => Ok(()),
        answer => answer,
    }
}

fn registration(instance: &InstanceSummary, installation: &InstallationId) -> Result<Registration, PortError> {
    let id = instance.id().ok_or_else(|| incomplete(LIST, "a registration without id"))?;
    let none = std::collections::HashMap::new();
    let attributes = instance.attributes().unwrap_or(&none);
    let value = |key: &str| attributes.get(key).map(String::as_str);
    let ours = value(tag::INSTALLATION) == Some(installation.as_str());
    let fleet = value(tag::FLEET).and_then(|fleet| fleet.parse().ok());
    let pool = value(tag::POOL).and_then(|pool| pool.parse().ok());
    Ok(Registration {
        instance: InstanceId::new(id),
        by: fleet.zip(pool).filter(|_| ours).map(|(fleet, pool)| Registrar { fleet, pool }),
        address: value(attribute::ADDRESS).and_then(|address| address.parse::<Ipv4Addr>().ok()),
        port: value(attribute::PORT).and_then(|port| port.parse().ok()),
    })
}

fn service_facts(service: &Service) -> ServiceFacts {
    let records = service.dns_config().map(|dns| dns.dns_records()).unwrap_or_default();
    let ttl = |record: &aws_sdk_servicediscovery::types::DnsRecord| u32::try_from(record.ttl()).ok().map(Seconds);
    ServiceFacts {
        records: records.iter().map(|record| kind(record.r#type()).to_owned()).collect(),
        ttl: records.iter().filter_map(ttl).max(),
        is_checked: service.health_check_config().is_some(),
    }
}

fn kind(record: &RecordType) -> &str {
    record.as_str()
}
