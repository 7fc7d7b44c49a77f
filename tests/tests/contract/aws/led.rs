//! Route 53 and Global Accelerator at the far end, and what leads to one instance: weights by destination, set each in its own way.

use std::collections::BTreeMap;

use ghostnet_core::route::Route;
use serde_json::{Value, json};

use super::error;
use crate::led::Given;
use crate::reply::{
    addresses, alias, changes_of, done, endpoint_group, endpoint_groups, record_page, record_set, records_changed, route_tables,
};
use crate::wire::{Reply, Sent};

#[derive(Debug, Default)]
pub(super) struct Leading {
    records: BTreeMap<String, u32>,
    endpoints: BTreeMap<String, u32>,
    dials: BTreeMap<String, f64>,
    /// Addresses and lines of route tables, by their names, and what each leads to.
    to_instance: BTreeMap<String, Option<String>>,
}

impl Leading {
    pub(super) fn given(&mut self, Given(route, weights): &Given) {
        let weights = weights.iter().map(|(destination, weight)| (destination.to_string(), *weight));
        match route.route() {
            Route::Rule => panic!("a rule is given by `rules`"),
            Route::Records(_) => self.records = weights.collect(),
            Route::Endpoints => self.endpoints = weights.collect(),
            Route::Dials => self.dials = weights.map(|(group, dial)| (group, f64::from(dial))).collect(),
            Route::Address(_) | Route::VpcRoute(_) => {
                let to = weights.map(|(id, _)| id).next();
                self.to_instance.insert(route.to_string(), to);
            }
        }
    }

    pub(super) fn answer(&mut self, sent: &Sent) -> Reply {
        match sent.operation.as_str() {
            "route53:ListResourceRecordSets" => {
                let listed = |(identifier, weight): (&String, &u32)| {
                    let weight = format!("<Weight>{weight}</Weight>");
                    record_set("www.example.com.", "A", identifier, &weight, &alias(identifier))
                };
                record_page(&self.records.iter().map(listed).collect::<Vec<_>>(), None)
            }
            "route53:ChangeResourceRecordSets" => self.change(sent),
            "globalaccelerator:DescribeEndpointGroup" if self.endpoints.is_empty() => error(sent, 400, "EndpointGroupNotFoundException"),
            "globalaccelerator:DescribeEndpointGroup" => {
                let endpoint = |(id, weight): (&String, &u32)| json!({ "EndpointId": id, "Weight": weight });
                endpoint_group(sent.text("EndpointGroupArn"), &self.endpoints.iter().map(endpoint).collect())
            }
            "globalaccelerator:ListEndpointGroups" if self.dials.is_empty() => error(sent, 400, "ListenerNotFoundException"),
            "globalaccelerator:ListEndpointGroups" => {
                endpoint_groups(self.dials.iter().map(|(arn, dial)| (arn.as_str(), Some(*dial))), None)
            }
            "globalaccelerator:UpdateEndpointGroup" => self.update(sent),
            other => panic!("no adapter sends {other}"),
        }
    }

    /// None: it is about something else.
    pub(super) fn answer_of_ec2(&mut self, sent: &Sent) -> Option<Reply> {
        let named = sent.text("Filter.1.Value.1");
        Some(match sent.operation.as_str() {
            "ec2:DescribeAddresses" => {
                let holder = |to: &Option<String>| to.as_ref().map(|id| format!("<instanceId>{id}</instanceId>")).unwrap_or_default();
                let found = self.to_instance.get(named).map(|to| (named, holder(to)));
                addresses(&found.into_iter().collect::<Vec<_>>())
            }
            "ec2:DescribeRouteTables" => {
                let line = |(name, to): (&String, &Option<String>)| {
                    let block = name.strip_prefix(named)?.strip_prefix('/')?;
                    let target = match to {
                        Some(id) => format!("<instanceId>{id}</instanceId><state>active</state>"),
                        None => "<networkInterfaceId>eni-1</networkInterfaceId><state>blackhole</state>".to_owned(),
                    };
                    Some(format!("<item><destinationCidrBlock>{block}</destinationCidrBlock>{target}</item>"))
                };
                let lines: String = self.to_instance.iter().filter_map(line).collect();
                let found = (!lines.is_empty()).then_some((named, lines));
                route_tables(&found.into_iter().collect::<Vec<_>>())
            }
            "ec2:AssociateAddress" => {
                let (id, to) = (sent.text("AllocationId"), sent.text("InstanceId").to_owned());
                let Some(has) = self.to_instance.get(id).cloned() else {
                    return Some(error(sent, 400, "InvalidAllocationID.NotFound"));
                };
                if sent.text("AllowReassociation") != "true" && has.is_some_and(|has| has != to) {
                    return Some(error(sent, 400, "Resource.AlreadyAssociated"));
                }
                self.to_instance.insert(id.to_owned(), Some(to));
                done("AssociateAddress")
            }
            "ec2:ReplaceRoute" => {
                let line = format!("{}/{}", sent.text("RouteTableId"), sent.text("DestinationCidrBlock"));
                match self.to_instance.get_mut(&line) {
                    Some(to) => {
                        *to = Some(sent.text("InstanceId").to_owned());
                        done("ReplaceRoute")
                    }
                    None => error(sent, 400, "InvalidRoute.NotFound"),
                }
            }
            _ => return None,
        })
    }

    /// All or none, and nothing is deleted that is not exactly there.
    fn change(&mut self, sent: &Sent) -> Reply {
        let mut next = self.records.clone();
        for [action, identifier, weight] in changes_of(sent.text("xml"), ["Action", "SetIdentifier", "Weight"]) {
            let weight: u32 = weight.parse().unwrap();
            let is_done = match action.as_str() {
                "DELETE" => next.get(&identifier) == Some(&weight) && next.remove(&identifier).is_some(),
                "CREATE" => next.insert(identifier, weight).is_none(),
                other => panic!("no adapter asks for {other}"),
            };
            if !is_done {
                return error(sent, 400, "InvalidChangeBatch");
            }
        }
        self.records = next;
        records_changed()
    }

    /// What is said of endpoints replaces all of them, and what is said of a dial is one group's.
    fn update(&mut self, sent: &Sent) -> Reply {
        if let Some(endpoints) = sent.body.get("EndpointConfigurations").and_then(Value::as_array) {
            let one = |endpoint: &Value| {
                let weight = endpoint["Weight"].as_u64().and_then(|weight| u32::try_from(weight).ok());
                (endpoint["EndpointId"].as_str().unwrap().to_owned(), weight.unwrap())
            };
            self.endpoints = endpoints.iter().map(one).collect();
        }
        if let Some(dial) = sent.body.get("TrafficDialPercentage").and_then(Value::as_f64) {
            self.dials.insert(sent.text("EndpointGroupArn").to_owned(), dial);
        }
        endpoint_group(sent.text("EndpointGroupArn"), &json!([]))
    }
}
