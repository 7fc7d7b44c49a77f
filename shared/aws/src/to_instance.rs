//! What leads to one instance of EC2: an Elastic IP address, and a line of a route table.
//!
//! Neither call knows what it replaces. One that nobody has is not taken from whoever got it meanwhile; anything else is set over.

use aws_sdk_ec2::config::Builder as ConfigOverride;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::types::{Address, Filter, Route as Line, RouteState};
use ghostnet_core::id::{Destination, Region};
use ghostnet_core::route::{VpcRoute, Weights};
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::PortError;

use crate::Aws;
use crate::error::{port_error, too_many_pages};
use crate::routes::refused;

const ADDRESSES: &str = "ec2:DescribeAddresses";
const ASSOCIATE: &str = "ec2:AssociateAddress";
const TABLES: &str = "ec2:DescribeRouteTables";
const REPLACE: &str = "ec2:ReplaceRoute";

/// How the ids of prefix lists begin.
const PREFIX_LIST: &str = "pl-";

impl Aws {
    /// Which instance has an address, or none if there is no such address.
    pub(crate) async fn address(&self, region: &Region, id: &str) -> Result<Option<Routing>, PortError> {
        let filter = Filter::builder().name("allocation-id").values(id).build();
        let answer = self.clients(region).ec2.describe_addresses().filters(filter).send().await;
        let answer = answer.map_err(|error| port_error(ADDRESSES, error))?;
        let found = answer.addresses().iter().find(|address| address.allocation_id() == Some(id));
        Ok(found.map(|address| leading_to(holder(address))))
    }

    /// Gives an address to an instance.
    pub(crate) async fn set_address(&self, region: &Region, id: &str, expected: &Routing, set: &RouteTo) -> Result<(), PortError> {
        let instance = instance(ASSOCIATE, set)?;
        let request = self.clients(region).ec2.associate_address().allocation_id(id).instance_id(instance);
        let request = request.allow_reassociation(!expected.weights.is_empty());
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| port_error(ASSOCIATE, error))
    }

    /// What a line of a route table leads to, or none if there is no such line.
    pub(crate) async fn vpc_route(&self, region: &Region, route: VpcRoute<'_>) -> Result<Option<Routing>, PortError> {
        let filter = Filter::builder().name("route-table-id").values(route.table).build();
        let answer = self.clients(region).ec2.describe_route_tables().filters(filter).send().await;
        let answer = answer.map_err(|error| port_error(TABLES, error))?;
        if answer.next_token().is_some() {
            return Err(too_many_pages(TABLES, 1));
        }
        let tables = answer
            .route_tables()
            .iter()
            .filter(|table| table.route_table_id() == Some(route.table));
        let found = tables
            .flat_map(|table| table.routes())
            .find(|line| destination(line) == Some(route.destination));
        Ok(found.map(|line| leading_to(target(line))))
    }

    /// Has a line of a route table lead to an instance.
    pub(crate) async fn set_vpc_route(&self, region: &Region, route: VpcRoute<'_>, set: &RouteTo) -> Result<(), PortError> {
        let instance = instance(REPLACE, set)?;
        let VpcRoute { table, destination } = route;
        let request = self.clients(region).ec2.replace_route().route_table_id(table).instance_id(instance);
        let request = if destination.starts_with(PREFIX_LIST) {
            request.destination_prefix_list_id(destination)
        } else if destination.contains(':') {
            request.destination_ipv6_cidr_block(destination)
        } else {
            request.destination_cidr_block(destination)
        };
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| port_error(REPLACE, error))
    }
}

/// The instance that has an address; a network interface that belongs to none has it as something foreign.
fn holder(address: &Address) -> Option<&str> {
    let named = [address.instance_id(), address.network_interface_id(), address.association_id()];
    named.into_iter().flatten().find(|id| !id.is_empty())
}

/// Its block of addresses or prefix list.
fn destination(line: &Line) -> Option<&str> {
    let named = [
        line.destination_cidr_block(),
        line.destination_ipv6_cidr_block(),
        line.destination_prefix_list_id(),
    ];
    named.into_iter().flatten().next()
}

/// What a line leads to: an instance, or something foreign. Packets of a line into a black hole reach nobody.
fn target(line: &Line) -> Option<&str> {
    if line.state() == Some(&RouteState::Blackhole) {
        return None;
    }
    let named = [
        line.instance_id(),
        line.network_interface_id(),
        line.gateway_id(),
        line.nat_gateway_id(),
        line.transit_gateway_id(),
        line.vpc_peering_connection_id(),
        line.egress_only_internet_gateway_id(),
        line.local_gateway_id(),
        line.carrier_gateway_id(),
        line.core_network_arn(),
    ];
    // of a kind that AWS has added since it is foreign, too
    Some(named.into_iter().flatten().find(|id| !id.is_empty()).unwrap_or("something else"))
}

/// As core keeps it. There is nothing to set exactly but whom it leads to.
fn leading_to(id: Option<&str>) -> Routing {
    let weights: Weights = id.map(|id| (Destination::new(id), 1)).into_iter().collect();
    Routing {
        weights,
        actions: String::new(),
        answer: None,
        sticks: false,
    }
}

/// The one instance that it is to lead to.
fn instance(call: &'static str, set: &RouteTo) -> Result<String, PortError> {
    let weights = match set {
        RouteTo::Weights(weights) | RouteTo::Reweighted { weights, .. } => weights,
        RouteTo::Actions(actions) => &actions.weights,
        RouteTo::Fixed(_) => return Err(refused(call, "nothing answers by itself there")),
    };
    let mut led = weights
        .iter()
        .filter(|(_, weight)| **weight > 0)
        .map(|(destination, _)| destination.as_str());
    match (led.next(), led.next()) {
        (Some(id), None) if id.starts_with("i-") => Ok(id.to_owned()),
        _ => Err(refused(call, "it leads to one instance, and to nothing else")),
    }
}

/// One attempt, no second: a late repetition could undo what was decided meanwhile.
fn once() -> ConfigOverride {
    ConfigOverride::new().retry_config(RetryConfig::disabled())
}
