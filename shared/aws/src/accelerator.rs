//! AWS Global Accelerator: weights of the endpoints of an endpoint group, and traffic dials of the endpoint groups of a listener.
//!
//! It knows no condition for a change: what was read a moment before is what is set over. Its API is in one region, whatever it
//! accelerates.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use aws_sdk_globalaccelerator::config::Builder as ConfigOverride;
use aws_sdk_globalaccelerator::config::retry::RetryConfig;
use aws_sdk_globalaccelerator::types::{EndpointConfiguration, EndpointDescription};
use ghostnet_core::id::{Destination, RouteId};
use ghostnet_core::route::Weights;
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::{ErrorClass, PortError};
use serde::{Deserialize, Serialize};

use crate::Aws;
use crate::ec2::within_a_step;
use crate::error::{incomplete, port_error, too_many_pages};
use crate::routes::{Setting, refused};

const DESCRIBE: &str = "globalaccelerator:DescribeEndpointGroup";
const LIST: &str = "globalaccelerator:ListEndpointGroups";
const UPDATE: &str = "globalaccelerator:UpdateEndpointGroup";

/// Weight of an endpoint for which none was told.
const WEIGHT_DEFAULT: i32 = 128;
/// An endpoint group that takes all of its traffic.
const DIAL_MAX: u8 = 100;
/// A listener has at most one endpoint group in each region.
const PAGES_MAX: usize = 3;

/// The endpoints of a group: what [`Routing::actions`] holds, as JSON. A change replaces the whole list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoints {
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    weight: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keeps_client_ip: Option<bool>,
}

impl Setting for Endpoints {
    fn weights(&self) -> Weights {
        let weight = |(id, endpoint): (&String, &Endpoint)| (Destination::new(id.clone()), endpoint.weight);
        self.endpoints.iter().map(weight).collect()
    }

    fn set_weight(&mut self, destination: &str, weight: u32) -> bool {
        let endpoint = self.endpoints.get_mut(destination);
        endpoint.map(|endpoint| endpoint.weight = weight).is_some()
    }
}

/// The traffic dials of a listener's endpoint groups, in percent: what [`Routing::actions`] holds, as JSON. They may have parts of a
/// percent, and an undo gives those back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dials {
    dials: BTreeMap<String, f32>,
}

impl Setting for Dials {
    fn weights(&self) -> Weights {
        let weight = |(group, dial): (&String, &f32)| (Destination::new(group.clone()), u32::from(whole(*dial)));
        self.dials.iter().map(weight).collect()
    }

    fn set_weight(&mut self, destination: &str, weight: u32) -> bool {
        let (Some(dial), Ok(weight)) = (self.dials.get_mut(destination), u8::try_from(weight)) else {
            return false;
        };
        // one that has this weight keeps its part of a percent
        if whole(*dial) != weight {
            *dial = f32::from(weight);
        }
        true
    }
}

/// A dial as a whole percentage, rounded up: a group that takes a little takes something.
fn whole(dial: f32) -> u8 {
    (0..DIAL_MAX).find(|percent| f32::from(*percent) >= dial).unwrap_or(DIAL_MAX)
}

impl Aws {
    /// The weights of an endpoint group, or none if it does not exist or has no endpoints.
    pub(crate) async fn endpoint_weights(&self, group: &RouteId) -> Result<Option<Routing>, PortError> {
        let answer = self
            .accelerator()
            .describe_endpoint_group()
            .endpoint_group_arn(group.as_str())
            .send()
            .await;
        let answer = match answer.map_err(|error| port_error(DESCRIBE, error)) {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
            answer => answer?,
        };
        let found = answer.endpoint_group.ok_or_else(|| incomplete(DESCRIBE, "no endpoint group"))?;
        let endpoints = found
            .endpoint_descriptions()
            .iter()
            .map(endpoint)
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        if endpoints.is_empty() {
            return Ok(None);
        }
        Endpoints { endpoints }.routing(DESCRIBE).map(Some)
    }

    /// The whole list of endpoints, with these weights.
    pub(crate) async fn set_endpoint_weights(&self, group: &RouteId, expected: &Routing, set: &RouteTo) -> Result<(), PortError> {
        let next = Endpoints::next(UPDATE, group, expected, set)?;
        let configured = next.endpoints.iter().map(|(id, endpoint)| {
            EndpointConfiguration::builder()
                .endpoint_id(id)
                .weight(i32::try_from(endpoint.weight).unwrap_or(WEIGHT_DEFAULT))
                .set_client_ip_preservation_enabled(endpoint.keeps_client_ip)
                .build()
        });
        let request = self.accelerator().update_endpoint_group().endpoint_group_arn(group.as_str());
        let request = request.set_endpoint_configurations(Some(configured.collect()));
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| port_error(UPDATE, error))
    }

    /// The dials of a listener, or none if it does not exist or has no endpoint groups.
    pub(crate) async fn dials(&self, listener: &RouteId) -> Result<Option<Routing>, PortError> {
        let mut dials = BTreeMap::new();
        let mut from: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request = self.accelerator().list_endpoint_groups().listener_arn(listener.as_str());
            let answer = request.set_next_token(from).send().await;
            let page = match answer.map_err(|error| port_error(LIST, error)) {
                Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
                page => page?,
            };
            for group in page.endpoint_groups() {
                let arn = group
                    .endpoint_group_arn()
                    .ok_or_else(|| incomplete(LIST, "an endpoint group without ARN"))?;
                // one that nobody has turned takes everything
                let dial = group.traffic_dial_percentage().unwrap_or_else(|| f32::from(DIAL_MAX));
                dials.insert(arn.to_owned(), dial);
            }
            from = page.next_token;
            if from.is_none() {
                if dials.is_empty() {
                    return Ok(None);
                }
                return Dials { dials }.routing(LIST).map(Some);
            }
        }
        Err(too_many_pages(LIST, PAGES_MAX))
    }

    /// One call for each dial that is to be other: those that rise first, so that at no time nobody takes the traffic.
    pub(crate) async fn set_dials(&self, listener: &RouteId, expected: &Routing, set: &RouteTo) -> Result<(), PortError> {
        let now = Dials::parse(UPDATE, expected)?;
        let next = Dials::next(UPDATE, listener, expected, set)?;
        let mut turns = Vec::new();
        for (group, dial) in &next.dials {
            let Some(before) = now.dials.get(group) else {
                return Err(refused(UPDATE, &format!("there is no endpoint group {group} any more")));
            };
            match dial.total_cmp(before) {
                Ordering::Greater => turns.insert(0, (group, *dial)),
                Ordering::Less => turns.push((group, *dial)),
                Ordering::Equal => {}
            }
        }
        within_a_step(UPDATE, async {
            for (group, dial) in turns {
                let request = self.accelerator().update_endpoint_group().endpoint_group_arn(group);
                let request = request.traffic_dial_percentage(dial);
                let answer = request.customize().config_override(once()).send().await;
                answer.map_err(|error| port_error(UPDATE, error))?;
            }
            Ok(())
        })
        .await
    }
}

/// One attempt, no second.
fn once() -> ConfigOverride {
    ConfigOverride::new().retry_config(RetryConfig::disabled())
}

fn endpoint(described: &EndpointDescription) -> Result<(String, Endpoint), PortError> {
    let id = described
        .endpoint_id()
        .ok_or_else(|| incomplete(DESCRIBE, "an endpoint without id"))?;
    let weight = described.weight().unwrap_or(WEIGHT_DEFAULT);
    let weight = u32::try_from(weight).map_err(|_| incomplete(DESCRIBE, &format!("{id} has weight {weight}")))?;
    let keeps_client_ip = described.client_ip_preservation_enabled();
    Ok((id.to_owned(), Endpoint { weight, keeps_client_ip }))
}
