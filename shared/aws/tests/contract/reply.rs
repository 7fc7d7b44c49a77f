//! What AWS answers when it answers well, as it comes over the wire.

use serde_json::{Value, json};

use crate::wire::Reply;

/// RunInstances: these instances.
pub(crate) fn launched(ids: &[&str]) -> Reply {
    let items: String = ids.iter().map(|id| format!("<item><instanceId>{id}</instanceId></item>")).collect();
    Reply::xml(format!(
        "<RunInstancesResponse><instancesSet>{items}</instancesSet></RunInstancesResponse>"
    ))
}

/// CreateFleet: these instances, and an error with its code for these types.
pub(crate) fn fleet_launched(ids: &[&str], errors: &[(&str, &str)]) -> Reply {
    let items: String = ids.iter().map(|id| format!("<item>{id}</item>")).collect();
    let instances = if ids.is_empty() {
        String::new()
    } else {
        format!("<item><lifecycle>spot</lifecycle><instanceIds>{items}</instanceIds></item>")
    };
    let error = |(instance_type, code): &(&str, &str)| {
        let of = format!("<overrides><instanceType>{instance_type}</instanceType></overrides>");
        format!(
            "<item><launchTemplateAndOverrides>{of}</launchTemplateAndOverrides><errorCode>{code}</errorCode><errorMessage>about {code}</errorMessage></item>"
        )
    };
    let errors: String = errors.iter().map(error).collect();
    Reply::xml(format!(
        "<CreateFleetResponse><fleetId>fleet-1</fleetId><errorSet>{errors}</errorSet><fleetInstanceSet>{instances}</fleetInstanceSet></CreateFleetResponse>"
    ))
}

/// One instance in a listing.
#[derive(Debug, Clone)]
pub(crate) struct Listed<'a> {
    pub(crate) id: &'a str,
    pub(crate) state: &'a str,
    pub(crate) zone: &'a str,
    pub(crate) instance_type: &'a str,
    pub(crate) launched_at: &'a str,
    /// Empty: on demand, of which EC2 says nothing.
    pub(crate) lifecycle: &'a str,
    /// What it says of capacity reservations, as XML.
    pub(crate) reservations: &'a str,
    pub(crate) tags: &'a [(&'a str, &'a str)],
}

impl Listed<'_> {
    /// Its element of a page; `leave_out` names an element to be missing.
    pub(crate) fn xml(&self, leave_out: &str) -> String {
        let tag = |(key, value): &(&str, &str)| format!("<item><key>{key}</key><value>{value}</value></item>");
        let elements = [
            ("instanceId", self.id.to_owned()),
            ("instanceState", format!("<code>16</code><name>{}</name>", self.state)),
            ("instanceType", self.instance_type.to_owned()),
            ("launchTime", self.launched_at.to_owned()),
            ("placement", format!("<availabilityZone>{}</availabilityZone>", self.zone)),
            ("instanceLifecycle", self.lifecycle.to_owned()),
            ("capacityReservationSpecification", self.reservations.to_owned()),
            ("tagSet", self.tags.iter().map(tag).collect()),
        ];
        // of what is usual EC2 says nothing
        let unsaid = ["instanceLifecycle", "capacityReservationSpecification"];
        let kept = elements
            .iter()
            .filter(|(name, content)| *name != leave_out && (!unsaid.contains(name) || !content.is_empty()));
        let inside: String = kept.map(|(name, content)| format!("<{name}>{content}</{name}>")).collect();
        format!("<item><instancesSet><item>{inside}</item></instancesSet></item>")
    }
}

/// DescribeInstances: one page.
pub(crate) fn page(instances: &str, next: Option<&str>) -> Reply {
    let next = next.map(|token| format!("<nextToken>{token}</nextToken>")).unwrap_or_default();
    Reply::xml(format!(
        "<DescribeInstancesResponse><reservationSet>{instances}</reservationSet>{next}</DescribeInstancesResponse>"
    ))
}

/// One instance of DescribeInstanceStatus that fails one kind of checks.
pub(crate) fn failing(id: &str, of_system: bool, since: &str) -> String {
    let fails = format!(
        "<status>impaired</status><details><item><name>reachability</name><status>failed</status><impairedSince>{since}</impairedSince></item></details>"
    );
    let passes = "<status>ok</status><details><item><name>reachability</name><status>passed</status></item></details>";
    let (system, instance) = if of_system {
        (fails.as_str(), passes)
    } else {
        (passes, fails.as_str())
    };
    format!("<item><instanceId>{id}</instanceId><systemStatus>{system}</systemStatus><instanceStatus>{instance}</instanceStatus></item>")
}

/// DescribeInstanceStatus: one page.
pub(crate) fn statuses(items: &str, next: Option<&str>) -> Reply {
    let next = next.map(|token| format!("<nextToken>{token}</nextToken>")).unwrap_or_default();
    Reply::xml(format!(
        "<DescribeInstanceStatusResponse><instanceStatusSet>{items}</instanceStatusSet>{next}</DescribeInstanceStatusResponse>"
    ))
}

/// TerminateInstances: done.
pub(crate) fn terminated() -> Reply {
    Reply::xml("<TerminateInstancesResponse><instancesSet/></TerminateInstancesResponse>")
}

pub(crate) fn started() -> Reply {
    Reply::xml("<StartInstancesResponse><instancesSet/></StartInstancesResponse>")
}

pub(crate) fn stopped() -> Reply {
    Reply::xml("<StopInstancesResponse><instancesSet/></StopInstancesResponse>")
}

/// DescribeTargetHealth: targets with state and reason.
pub(crate) fn health(targets: &[(&str, &str, &str)]) -> Reply {
    let member = |(id, state, reason): &(&str, &str, &str)| {
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!("<Reason>{reason}</Reason>")
        };
        let health = format!("<TargetHealth><State>{state}</State>{reason}</TargetHealth>");
        format!("<member><Target><Id>{id}</Id><Port>80</Port></Target>{health}</member>")
    };
    let members: String = targets.iter().map(member).collect();
    let result =
        format!("<DescribeTargetHealthResult><TargetHealthDescriptions>{members}</TargetHealthDescriptions></DescribeTargetHealthResult>");
    Reply::xml(format!("<DescribeTargetHealthResponse>{result}</DescribeTargetHealthResponse>"))
}

/// DescribeTargetGroupAttributes, or ModifyTargetGroupAttributes, which answers alike: keys and values.
pub(crate) fn attributes(operation: &str, attributes: &[(&str, &str)]) -> Reply {
    let member = |(key, value): &(&str, &str)| format!("<member><Key>{key}</Key><Value>{value}</Value></member>");
    let members: String = attributes.iter().map(member).collect();
    let result = format!("<{operation}Result><Attributes>{members}</Attributes></{operation}Result>");
    Reply::xml(format!("<{operation}Response>{result}</{operation}Response>"))
}

/// Any other call of ELBv2: done.
pub(crate) fn done(operation: &str) -> Reply {
    Reply::xml(format!("<{operation}Response><{operation}Result/></{operation}Response>"))
}

/// DescribeAlarms: metric alarms and composite alarms, each with its state.
pub(crate) fn alarms(metric: &[(&str, &str)], composite: &[(&str, &str)]) -> Reply {
    let alarm = |(name, state): &(&str, &str)| json!({ "AlarmName": name, "AlarmArn": format!("arn:{name}"), "StateValue": state });
    let [metric, composite] = [metric, composite].map(|alarms| alarms.iter().map(alarm).collect::<Vec<_>>());
    Reply::cbor(&json!({ "MetricAlarms": metric, "CompositeAlarms": composite }))
}

/// A single conditional write whose condition does not hold, with the item that stands in the way.
pub(crate) fn refused(item: Option<Value>) -> Reply {
    Reply::json_error(
        "ConditionalCheckFailedException",
        item.map_or_else(|| json!({}), |item| json!({ "Item": item })),
    )
}

/// One forward action: groups with their weights, and the inside of a stickiness.
pub(crate) fn forward(groups: &[(&str, Option<i32>)], stickiness: &str) -> String {
    let tuple = |(group, weight): &(&str, Option<i32>)| {
        let weight = weight.map(|weight| format!("<Weight>{weight}</Weight>")).unwrap_or_default();
        format!("<member><TargetGroupArn>{group}</TargetGroupArn>{weight}</member>")
    };
    let groups: String = groups.iter().map(tuple).collect();
    let stickiness = if stickiness.is_empty() {
        String::new()
    } else {
        format!("<TargetGroupStickinessConfig>{stickiness}</TargetGroupStickinessConfig>")
    };
    let config = format!("<ForwardConfig><TargetGroups>{groups}</TargetGroups>{stickiness}</ForwardConfig>");
    format!("<member><Type>forward</Type><Order>1</Order>{config}</member>")
}

/// DescribeListeners: listeners with their default actions.
pub(crate) fn listeners(found: &[(&str, &str)]) -> Reply {
    let member = |(arn, actions): &(&str, &str)| {
        format!("<member><ListenerArn>{arn}</ListenerArn><DefaultActions>{actions}</DefaultActions></member>")
    };
    let members: String = found.iter().map(member).collect();
    Reply::xml(format!(
        "<DescribeListenersResponse><DescribeListenersResult><Listeners>{members}</Listeners></DescribeListenersResult></DescribeListenersResponse>"
    ))
}

/// DescribeRules: rules with their actions, and whether each is a listener's default.
pub(crate) fn rules(found: &[(&str, &str, bool)]) -> Reply {
    let member = |(arn, actions, is_default): &(&str, &str, bool)| {
        format!("<member><RuleArn>{arn}</RuleArn><IsDefault>{is_default}</IsDefault><Actions>{actions}</Actions></member>")
    };
    let members: String = found.iter().map(member).collect();
    Reply::xml(format!(
        "<DescribeRulesResponse><DescribeRulesResult><Rules>{members}</Rules></DescribeRulesResult></DescribeRulesResponse>"
    ))
}

/// An alias of a side's balancer.
pub(crate) fn alias(side: &str) -> String {
    format!(
        "<AliasTarget><HostedZoneId>Z32O12XQLNTSW2</HostedZoneId><DNSName>{side}-1.eu-west-1.elb.amazonaws.com.</DNSName><EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>"
    )
}

/// A record as Route 53 lists it: how it is chosen, and what it answers.
pub(crate) fn record_set(name: &str, kind: &str, identifier: &str, chosen: &str, answer: &str) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}</Name><Type>{kind}</Type><SetIdentifier>{identifier}</SetIdentifier>{chosen}{answer}</ResourceRecordSet>"
    )
}

/// ListResourceRecordSets: these records, and the set identifier at which the next page begins.
pub(crate) fn record_page(records: &[String], next: Option<&str>) -> Reply {
    let next = match next {
        Some(identifier) => format!(
            "<IsTruncated>true</IsTruncated><NextRecordName>www.example.com.</NextRecordName><NextRecordType>A</NextRecordType><NextRecordIdentifier>{identifier}</NextRecordIdentifier>"
        ),
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
    };
    Reply::xml(format!(
        "<ListResourceRecordSetsResponse><ResourceRecordSets>{}</ResourceRecordSets>{next}<MaxItems>300</MaxItems></ListResourceRecordSetsResponse>",
        records.concat()
    ))
}

/// ChangeResourceRecordSets: done.
pub(crate) fn records_changed() -> Reply {
    Reply::xml(
        "<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>",
    )
}

/// The changes of a batch, each by these elements, empty where it has none.
pub(crate) fn changes_of<const N: usize>(xml: &str, elements: [&str; N]) -> Vec<[String; N]> {
    let part = |change: &str, name: &str| {
        let after = change.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
        let part = after.and_then(|rest| rest.split_once(&format!("</{name}>"))).map(|(part, _)| part);
        part.unwrap_or_default().to_owned()
    };
    xml.split("<Change>")
        .skip(1)
        .map(|change| elements.map(|name| part(change, name)))
        .collect()
}

/// DescribeEndpointGroup, or what UpdateEndpointGroup answers: these endpoints.
pub(crate) fn endpoint_group(arn: &str, endpoints: &Value) -> Reply {
    Reply::json(&json!({ "EndpointGroup": { "EndpointGroupArn": arn, "EndpointDescriptions": endpoints } }))
}

/// ListEndpointGroups: dials by ARN.
pub(crate) fn endpoint_groups<'a>(dials: impl IntoIterator<Item = (&'a str, Option<f64>)>, next: Option<&str>) -> Reply {
    let group = |(arn, dial): (&str, Option<f64>)| json!({ "EndpointGroupArn": arn, "TrafficDialPercentage": dial });
    Reply::json(&json!({ "EndpointGroups": dials.into_iter().map(group).collect::<Vec<_>>(), "NextToken": next }))
}

/// DescribeAddresses: one address with what has it, as elements.
pub(crate) fn addresses(found: &[(&str, String)]) -> Reply {
    let item = |(id, holder): &(&str, String)| {
        format!("<item><publicIp>203.0.113.7</publicIp><allocationId>{id}</allocationId><domain>vpc</domain>{holder}</item>")
    };
    let items: String = found.iter().map(item).collect();
    Reply::xml(format!(
        "<DescribeAddressesResponse><addressesSet>{items}</addressesSet></DescribeAddressesResponse>"
    ))
}

/// DescribeRouteTables: one table with its lines, as elements.
pub(crate) fn route_tables(found: &[(&str, String)]) -> Reply {
    let item = |(id, lines): &(&str, String)| format!("<item><routeTableId>{id}</routeTableId><routeSet>{lines}</routeSet></item>");
    let items: String = found.iter().map(item).collect();
    Reply::xml(format!(
        "<DescribeRouteTablesResponse><routeTableSet>{items}</routeTableSet></DescribeRouteTablesResponse>"
    ))
}
