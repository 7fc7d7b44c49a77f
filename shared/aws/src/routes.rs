//! What a lever sets, each kind by the service that has it.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::{Region, RouteId};
use ghostnet_core::route::{RecordName, Route, Weights};
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::Routes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Aws;
use crate::error::{code, own};

impl Routes for Aws {
    async fn routing(&self, region: &Region, routes: &[RouteId]) -> Result<BTreeMap<RouteId, Routing>, PortError> {
        let distinct: BTreeSet<&RouteId> = routes.iter().collect();
        let (rules, others): (Vec<&RouteId>, Vec<&RouteId>) = distinct.into_iter().partition(|route| route.route() == Route::Rule);
        let mut routing = self.rules(region, &rules).await?;
        for id in others {
            let found = match id.route() {
                Route::Rule => None,
                Route::Records(name) => self.records(&name).await?,
                Route::Endpoints => self.endpoint_weights(id).await?,
                Route::Dials => self.dials(id).await?,
                Route::Address(address) => self.address(region, address).await?,
                Route::VpcRoute(line) => self.vpc_route(region, line).await?,
            };
            routing.extend(found.map(|found| (id.clone(), found)));
        }
        Ok(routing)
    }

    async fn set_routing(&self, region: &Region, route: &RouteId, expected: &Routing, set: &RouteTo) -> Result<(), PortError> {
        match route.route() {
            Route::Rule => self.set_rule(region, route, expected, set).await,
            Route::Records(name) => self.set_records(&name, route, expected, set).await,
            Route::Endpoints => self.set_endpoint_weights(route, expected, set).await,
            Route::Dials => self.set_dials(route, expected, set).await,
            Route::Address(address) => self.set_address(region, address, expected, set).await,
            Route::VpcRoute(line) => self.set_vpc_route(region, line, set).await,
        }
    }
}

/// What a route that is no rule was set to: as its adapter reads it and sets it.
pub(crate) trait Setting: Serialize + DeserializeOwned {
    /// Its weights.
    fn weights(&self) -> Weights;

    /// The same with this weight for a destination; false: there is none such.
    fn set_weight(&mut self, destination: &str, weight: u32) -> bool;

    /// As core keeps it.
    fn routing(&self, call: &'static str) -> Result<Routing, PortError> {
        Ok(Routing {
            weights: self.weights(),
            actions: serde_json::to_string(self).map_err(|error| refused(call, &error.to_string()))?,
            answer: None,
            sticks: false,
        })
    }

    /// As it was read.
    fn parse(call: &'static str, routing: &Routing) -> Result<Self, PortError> {
        serde_json::from_str(&routing.actions).map_err(|error| refused(call, &format!("what it was set to cannot be read: {error}")))
    }

    /// What it is to be. A destination that is not named keeps its weight.
    fn next(call: &'static str, route: &RouteId, expected: &Routing, set: &RouteTo) -> Result<Self, PortError> {
        let (before, weights) = match set {
            RouteTo::Weights(weights) => (expected, Some(weights)),
            RouteTo::Reweighted { actions, weights } => (actions, Some(weights)),
            RouteTo::Actions(actions) => (actions, None),
            RouteTo::Fixed(_) => return Err(refused(call, "nothing answers by itself there")),
        };
        let mut next = Self::parse(call, before)?;
        for (destination, weight) in weights.into_iter().flatten() {
            if *weight > route.weight_max() || !next.set_weight(destination.as_str(), *weight) {
                return Err(refused(call, &format!("{destination} cannot be given weight {weight}")));
            }
        }
        Ok(next)
    }
}

/// Nothing is sent that cannot be meant.
pub(crate) fn refused(call: &'static str, why: &str) -> PortError {
    own(call, ErrorClass::Invalid, code::REQUEST, why)
}

/// For the log: a route that is not ours to set.
pub(crate) fn left_alone(name: &RecordName<'_>, why: &str) {
    tracing::warn!(route = %name, why, "it is not ours to set: it is left alone");
}
