//! What a spec names in the account, looked up before it is applied: zones of subnets, load balancers of target groups,
//! launch templates. What does not exist is a problem of the spec, on its line; what is only unwise is a note.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_aws::cloud_map::ServiceFacts;
use ghostnet_aws::ec2::TemplateFacts;
use ghostnet_aws::elbv2::TargetGroupFacts;
use ghostnet_core::id::{InstanceType, PoolId, Region, ServiceId, SubnetId, TargetGroupArn, Zone};
use ghostnet_core::spec::{CloudMap, FleetSpec, PROPAGATION, PoolSpec, Problem, Resolved, Template};
use ghostnet_engine::live::groups::GroupFacts;

use crate::failure::Failure;
use crate::sides;
use crate::stack::Session;

/// What the account says about a spec.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// To be stored beside the spec.
    pub(crate) resolved: Resolved,
    /// What does not exist or cannot work.
    pub(crate) problems: Vec<Problem>,
    /// What is only unwise.
    pub(crate) notes: Vec<Problem>,
    /// The type that each pool's launch template names.
    pub(crate) template_types: BTreeMap<PoolId, InstanceType>,
    /// The target groups that exist.
    pub(crate) groups: BTreeMap<TargetGroupArn, GroupFacts>,
}

/// Everything that a spec names, as the account has it.
#[derive(Debug, Default)]
struct Account {
    zones: BTreeMap<SubnetId, Zone>,
    groups: BTreeMap<TargetGroupArn, TargetGroupFacts>,
    templates: BTreeMap<Template, Option<TemplateFacts>>,
    services: BTreeMap<ServiceId, ServiceFacts>,
}

/// Looks up what the spec names.
///
/// # Errors
/// AWS does not answer.
pub(crate) async fn resolve(session: &Session, spec: &FleetSpec) -> Result<Found, Failure> {
    let home = session.aws.home();
    let regions: BTreeSet<&Region> = spec.pools.iter().map(|pool| pool.region_or(home)).collect();
    let mut found = Found::default();
    found.problems.extend(misplaced(spec, home));
    for region in regions {
        let there = |(_, pool): &(usize, &PoolSpec)| pool.region_or(home) == region;
        let pools: Vec<(usize, &PoolSpec)> = spec.pools.iter().enumerate().filter(there).collect();
        let account = look_up(session, region, &pools).await?;
        take_in(account, &pools, &mut found);
    }
    found.notes.extend(unreached_alarms(session, spec).await?);
    found.notes.extend(sides::notes(session, spec).await?);
    Ok(found)
}

/// A fleet is applied where it says that it belongs.
fn misplaced(spec: &FleetSpec, here: &Region) -> Option<Problem> {
    let home = spec.home_region.as_ref().filter(|home| *home != here)?;
    Some(Problem {
        path: "home_region".to_owned(),
        message: format!("the fleet belongs to the installation in `{home}`, and this one is in `{here}`"),
        hint: Some(format!("apply it there, with `AWS_REGION={home}`, or change `home_region`")),
    })
}

/// What one region says of the pools that are there, each with its place in the spec.
fn take_in(account: Account, pools: &[(usize, &PoolSpec)], found: &mut Found) {
    for (n, pool) in pools {
        judge_pool(&account, pool, &format!("pools[{n}]"), found);
    }
    let pools = || pools.iter().map(|(_, pool)| *pool);
    let facts = |pool: &PoolSpec| account.templates.get(&pool.launch.template)?.as_ref();
    let version = |pool: &PoolSpec| Some((pool.id.clone(), facts(pool)?.version.clone()?));
    let of_template = |pool: &PoolSpec| Some((pool.id.clone(), facts(pool)?.instance_type.clone()?));
    found.groups.extend(group_facts(pools(), &account));
    found.template_types.extend(pools().filter_map(of_template));
    let resolved = &mut found.resolved;
    resolved.templates.extend(pools().filter_map(version));
    resolved.zones.extend(account.zones);
    let with_ttl = account.services.into_iter();
    resolved
        .record_ttls
        .extend(with_ttl.filter_map(|(service, facts)| Some((service, facts.ttl?))));
    let with_balancer = account.groups.into_iter();
    resolved
        .balancers
        .extend(with_balancer.filter_map(|(group, facts)| Some((group, facts.balancer?))));
}

fn group_facts<'a>(pools: impl Iterator<Item = &'a PoolSpec>, account: &Account) -> BTreeMap<TargetGroupArn, GroupFacts> {
    let of_pool = |pool: &PoolSpec| {
        let template = account.templates.get(&pool.launch.template).and_then(Option::as_ref);
        let is_spot = template.is_some_and(|facts| facts.is_spot);
        let known = |group: &TargetGroupArn| {
            let is_used = account.groups.get(group)?.balancer.is_some();
            let facts = GroupFacts {
                is_used,
                is_spot,
                ..GroupFacts::default()
            };
            Some((group.clone(), facts))
        };
        pool.target_groups.iter().filter_map(known).collect::<Vec<_>>()
    };
    pools.flat_map(of_pool).collect()
}

async fn look_up(session: &Session, region: &Region, pools: &[(usize, &PoolSpec)]) -> Result<Account, Failure> {
    let pools = || pools.iter().map(|(_, pool)| *pool);
    let subnets: BTreeSet<SubnetId> = pools().flat_map(|pool| pool.launch.subnets.iter().cloned()).collect();
    let groups: BTreeSet<TargetGroupArn> = pools().flat_map(|pool| pool.target_groups.iter().cloned()).collect();
    let templates: BTreeSet<&Template> = pools().map(|pool| &pool.launch.template).collect();
    let named = pools().filter_map(|pool| pool.cloud_map.as_ref());
    let services: BTreeSet<ServiceId> = named.map(|cloud_map| cloud_map.service.clone()).collect();
    let (subnets, groups): (Vec<_>, Vec<_>) = (subnets.into_iter().collect(), groups.into_iter().collect());
    let services: Vec<_> = services.into_iter().collect();
    let aws = &session.aws;
    let mut account = Account {
        zones: aws.zones(region, &subnets).await.map_err(Failure::aws("subnets cannot be read"))?,
        groups: aws
            .target_groups(region, &groups)
            .await
            .map_err(Failure::aws("target groups cannot be read"))?,
        templates: BTreeMap::new(),
        services: aws
            .services(region, &services)
            .await
            .map_err(Failure::aws("services of Cloud Map cannot be read"))?,
    };
    for template in templates {
        let facts = aws
            .launch_template(region, template)
            .await
            .map_err(Failure::aws("launch templates cannot be read"))?;
        account.templates.insert(template.clone(), facts);
    }
    Ok(account)
}

/// What stands against registering instances in a Cloud Map service: where, what, and the remedy.
fn unfit(cloud_map: &CloudMap, facts: Option<&ServiceFacts>) -> Option<(&'static str, String, &'static str)> {
    let service = &cloud_map.service;
    let Some(facts) = facts else {
        let message = format!("Cloud Map service `{service}` does not exist here");
        return Some(("service", message, "check the id, the region and the account"));
    };
    if let Some(record) = facts.records.iter().find(|record| !matches!(record.as_str(), "A" | "SRV")) {
        let message = format!("Cloud Map service `{service}` has `{record}` records, and instances are registered with IPv4 addresses");
        return Some(("service", message, "use a service with `A` or `SRV` records, or without any"));
    }
    if facts.is_checked {
        let message = format!("Route 53 checks what is registered in `{service}` from outside, and cannot reach private addresses");
        return Some((
            "service",
            message,
            "use a service without a health check: who is sick is taken out by GhostNet",
        ));
    }
    (facts.records.iter().any(|record| record == "SRV") && cloud_map.port.is_none()).then(|| {
        let message = format!("Cloud Map service `{service}` has `SRV` records, which name a port");
        ("port", message, "add `port`")
    })
}

fn judge_pool(account: &Account, pool: &PoolSpec, at: &str, found: &mut Found) {
    let mut problem = |path: String, message: String, hint: &str| {
        found.problems.push(Problem {
            path,
            message,
            hint: Some(hint.to_owned()),
        })
    };
    for (n, subnet) in pool.launch.subnets.iter().enumerate() {
        if !account.zones.contains_key(subnet) {
            problem(
                format!("{at}.launch.subnets[{n}]"),
                format!("subnet `{subnet}` does not exist here"),
                "check the id, the region and the account",
            );
        }
    }
    let at_template = format!("{at}.launch.template");
    let template = &pool.launch.template;
    match account.templates.get(template).and_then(Option::as_ref) {
        None => {
            let message = format!(
                "launch template `{}` has no version `{}` here",
                template.key.as_str(),
                template.version
            );
            problem(at_template, message, "check the name, the version, the region and the account");
        }
        Some(facts) if facts.has_network_interfaces => {
            let hint = "put the security groups on the template itself, without network interfaces";
            problem(
                at_template,
                "the launch template has network interfaces, so no subnet can be chosen at launch".to_owned(),
                hint,
            );
        }
        Some(facts) if facts.is_spot && pool.launch.market.uses_spot() => {
            problem(
                at_template,
                "the launch template asks for spot capacity, so no instance of the pool could be on demand".to_owned(),
                "take the market out of the template, or set `launch.market.spot_percent: 0`",
            );
        }
        Some(facts) if facts.is_spot && pool.warm.is_some() => {
            problem(
                at_template,
                "the launch template asks for spot capacity, and EC2 does not stop what it launches so: nothing could be kept warm"
                    .to_owned(),
                "take the market out of the template, or `warm` out of the spec",
            );
        }
        Some(facts) if facts.is_reserved && (pool.launch.market.reservations.is_some() || pool.warm.is_some()) => {
            problem(
                at_template,
                "the launch template binds every instance to capacity reservations: none could be on demand where they are full, nor be \
                 started again once they are"
                    .to_owned(),
                "take the reservations out of the template, and name them in `launch.market.reservations`",
            );
        }
        Some(facts) if facts.instance_type.is_none() && pool.launch.instance_types.is_empty() => {
            let hint = "list `instance_types`, or set one in the template";
            problem(
                format!("{at}.launch.instance_types"),
                "neither the spec nor the launch template names an instance type".to_owned(),
                hint,
            );
        }
        Some(_) => {}
    }
    for (n, group) in pool.target_groups.iter().enumerate() {
        let path = format!("{at}.target_groups[{n}]");
        match account.groups.get(group) {
            None => problem(
                path,
                format!("target group `{group}` does not exist here"),
                "check the ARN, the region and the account",
            ),
            Some(facts) if facts.target_type != "instance" => {
                problem(
                    path,
                    format!("target group `{group}` takes targets of type `{}`", facts.target_type),
                    "use one of type `instance`",
                );
            }
            Some(facts) => {
                for (field, meant) in pool.balancing.unfit_for(&facts.protocol) {
                    problem(
                        format!("{at}.balancing.{field}"),
                        format!("target group `{group}` of protocol `{}` has no such attribute", facts.protocol),
                        &format!("take it out: it is for groups of protocol {meant}"),
                    );
                }
            }
        }
    }
    if let Some(cloud_map) = &pool.cloud_map
        && let Some((field, message, hint)) = unfit(cloud_map, account.services.get(&cloud_map.service))
    {
        problem(format!("{at}.cloud_map.{field}"), message, hint);
    }
    found.notes.extend(pool_notes(account, pool, at));
}

fn pool_notes(account: &Account, pool: &PoolSpec, at: &str) -> Vec<Problem> {
    let mut notes = Vec::new();
    let mut note = |path: String, message: String| {
        notes.push(Problem { path, message, hint: None });
    };
    for (n, group) in pool.target_groups.iter().enumerate() {
        if account.groups.get(group).is_some_and(|facts| facts.balancer.is_none()) {
            note(
                format!("{at}.target_groups[{n}]"),
                format!("target group `{group}` is used by no load balancer: its health is unknown and its metrics have no data"),
            );
        }
    }
    let ttl = pool
        .cloud_map
        .as_ref()
        .and_then(|cloud_map| account.services.get(&cloud_map.service)?.ttl);
    if let Some(ttl) = ttl.filter(|ttl| ttl.0.saturating_add(PROPAGATION.0) > pool.drain_timeout.0) {
        let message = format!(
            "clients of pool `{}` may come to an instance for {ttl} and {PROPAGATION} after it was taken out of Cloud Map, and it ends \
             after `drain.timeout`, {}: raise that, or lower the TTL of the service's records",
            pool.id, pool.drain_timeout
        );
        note(format!("{at}.cloud_map.service"), message);
    }
    let template = account.templates.get(&pool.launch.template).and_then(Option::as_ref);
    if template.is_some_and(|facts| facts.is_spot) {
        let message = format!(
            "the launch template of pool `{}` asks for spot capacity: drain within the two minutes of AWS's notice",
            pool.id
        );
        note(format!("{at}.launch.template"), message);
    }
    let zones: BTreeSet<&Zone> = pool.launch.subnets.iter().filter_map(|subnet| account.zones.get(subnet)).collect();
    if zones.len() == 1 {
        let message = format!(
            "all subnets of pool `{}` are in one zone: it does not survive the loss of it",
            pool.id
        );
        note(format!("{at}.launch.subnets"), message);
    }
    notes
}

/// Alarms of the user's own that would wake nobody.
async fn unreached_alarms(session: &Session, spec: &FleetSpec) -> Result<Vec<Problem>, Failure> {
    let names: Vec<_> = spec.alarms.iter().map(|alarm| alarm_name(alarm)).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let listed = session
        .aws
        .alarms_named(session.aws.home(), &names)
        .await
        .map_err(Failure::aws("alarms cannot be read"))?;
    let unreached = |name: &ghostnet_core::id::AlarmName| match listed.iter().find(|alarm| alarm.name == *name) {
        None => Some(format!("alarm `{name}` does not exist here: it wakes nobody")),
        Some(alarm) if session.stack.is_reached_by(name, &alarm.actions, alarm.actions_enabled) => None,
        Some(_) => Some(format!(
            "alarm `{name}` reaches no path to GhostNet: give it the action `{}`",
            session.stack.alarm_topic
        )),
    };
    let note = |(n, name)| {
        Some(Problem {
            path: format!("alarms[{n}]"),
            message: unreached(name)?,
            hint: None,
        })
    };
    Ok(names.iter().enumerate().filter_map(note).collect())
}

/// The name in an alarm's ARN, or the name itself.
pub(crate) fn alarm_name(alarm: &str) -> ghostnet_core::id::AlarmName {
    ghostnet_core::id::AlarmName::new(alarm.split_once(":alarm:").map_or(alarm, |(_, name)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: &str = include_str!("../../infra/fleets/small.yaml");

    fn found(change: impl FnOnce(&mut Account)) -> Found {
        found_for(FLEET, change)
    }

    fn found_for(fleet: &str, change: impl FnOnce(&mut Account)) -> Found {
        let Ok(file) = crate::spec_file::read("", fleet) else {
            panic!("the example has no problems")
        };
        let Some(pool) = file.spec.pools.first() else {
            panic!("the example has a pool")
        };
        let zone = |(n, subnet): (usize, &SubnetId)| (subnet.clone(), Zone::new(format!("eu-west-1{n}")));
        let facts = TemplateFacts {
            version: None,
            instance_type: Some(InstanceType::new("t3.micro")),
            has_network_interfaces: false,
            is_spot: false,
            is_reserved: false,
        };
        let group = TargetGroupFacts {
            balancer: Some("app/web/1".to_owned()),
            target_type: "instance".to_owned(),
            protocol: "HTTP".to_owned(),
        };
        let mut account = Account {
            zones: pool.launch.subnets.iter().enumerate().map(zone).collect(),
            groups: pool.target_groups.iter().map(|arn| (arn.clone(), group.clone())).collect(),
            templates: [(pool.launch.template.clone(), Some(facts))].into(),
            services: [(ServiceId::new("srv-web"), by_dns(&["A"], 20))].into(),
        };
        change(&mut account);
        let mut found = Found::default();
        judge_pool(&account, pool, "pools[0]", &mut found);
        found
    }

    fn by_dns(records: &[&str], ttl: u32) -> ServiceFacts {
        ServiceFacts {
            records: records.iter().map(|record| (*record).to_owned()).collect(),
            ttl: (!records.is_empty()).then_some(ghostnet_core::unit::Seconds(ttl)),
            is_checked: false,
        }
    }

    #[test]
    fn a_service_of_cloud_map_must_take_private_addresses() {
        let fleet = |port: &str| {
            FLEET.replace(
                "    launch: {",
                &format!("    cloud_map: {{ service: srv-web{port} }}\n    drain: {{ timeout: 90s }}\n    launch: {{"),
            )
        };
        let paths = |found: &Found| found.problems.iter().map(|problem| problem.path.clone()).collect::<Vec<_>>();
        let with = |facts: Option<ServiceFacts>| {
            move |account: &mut Account| {
                account.services.clear();
                account.services.extend(facts.map(|facts| (ServiceId::new("srv-web"), facts)));
            }
        };
        for (situation, port, facts, path) in [
            ("records", "", Some(by_dns(&["A"], 20)), None),
            ("found by calls alone", "", Some(by_dns(&[], 0)), None),
            ("a port", ", port: 8080", Some(by_dns(&["SRV"], 20)), None),
            ("no port", "", Some(by_dns(&["A", "SRV"], 20)), Some("pools[0].cloud_map.port")),
            ("no such service", "", None, Some("pools[0].cloud_map.service")),
            (
                "other addresses",
                "",
                Some(by_dns(&["AAAA"], 20)),
                Some("pools[0].cloud_map.service"),
            ),
            ("names", "", Some(by_dns(&["CNAME"], 20)), Some("pools[0].cloud_map.service")),
            (
                "checked from outside",
                "",
                Some(ServiceFacts {
                    is_checked: true,
                    ..by_dns(&["A"], 20)
                }),
                Some("pools[0].cloud_map.service"),
            ),
        ] {
            let found = found_for(&fleet(port), with(facts));
            assert_eq!(paths(&found), path.into_iter().collect::<Vec<_>>(), "{situation}");
        }
        let notes = |ttl| found_for(&fleet(""), with(Some(by_dns(&["A"], ttl)))).notes.len();
        assert_eq!((notes(30), notes(31)), (0, 1), "within the 90 s that a drain has, and beyond");
    }

    fn template(change: impl Fn(&mut TemplateFacts)) -> impl FnOnce(&mut Account) {
        move |account| account.templates.values_mut().flatten().for_each(change)
    }

    #[test]
    fn what_does_not_exist_or_cannot_work_is_a_problem_in_its_place() {
        assert!(found(|_| ()).problems.is_empty() && found(|_| ()).notes.is_empty());
        for (situation, path, found) in [
            (
                "no subnet",
                "pools[0].launch.subnets[0]",
                found(|account| drop(account.zones.pop_first())),
            ),
            (
                "no template",
                "pools[0].launch.template",
                found(|account| account.templates.clear()),
            ),
            (
                "no version",
                "pools[0].launch.template",
                found(|account| account.templates.values_mut().for_each(|facts| *facts = None)),
            ),
            (
                "interfaces",
                "pools[0].launch.template",
                found(template(|facts| facts.has_network_interfaces = true)),
            ),
            (
                "no type",
                "pools[0].launch.instance_types",
                found(template(|facts| facts.instance_type = None)),
            ),
            ("no group", "pools[0].target_groups[0]", found(|account| account.groups.clear())),
            (
                "an ip group",
                "pools[0].target_groups[0]",
                found(|account| account.groups.values_mut().for_each(|facts| facts.target_type = "ip".to_owned())),
            ),
        ] {
            assert_eq!(
                found.problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(),
                [path],
                "{situation}"
            );
        }
    }

    #[test]
    fn a_share_of_spot_and_a_warm_stock_need_a_template_without_a_market() {
        for (part, with) in [
            ("launch: {", "launch: { market: { spot_percent: 50 },"),
            ("    launch: {", "    warm: { size: 2 }\n    launch: {"),
        ] {
            assert!(FLEET.contains(part), "the example has `{part}`");
            let fleet = FLEET.replace(part, with);
            let paths = |found: Found| found.problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>();
            assert!(paths(found_for(&fleet, |_| ())).is_empty(), "{with}");
            let of_spot = template(|facts| facts.is_spot = true);
            assert_eq!(paths(found_for(&fleet, of_spot)), ["pools[0].launch.template"], "{with}");
        }
    }

    #[test]
    fn reservations_and_a_warm_stock_need_a_template_without_reservations() {
        for (part, with, expected) in [
            (
                "launch: {",
                "launch: { market: { reservations: open },",
                &["pools[0].launch.template"] as &[&str],
            ),
            (
                "    launch: {",
                "    warm: { size: 2 }\n    launch: {",
                &["pools[0].launch.template"],
            ),
            ("launch: {", "launch: {", &[]),
        ] {
            let fleet = FLEET.replace(part, with);
            let paths = |found: Found| found.problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>();
            assert!(paths(found_for(&fleet, |_| ())).is_empty(), "{with}");
            let bound = template(|facts| facts.is_reserved = true);
            assert_eq!(paths(found_for(&fleet, bound)), expected, "{with}");
        }
    }

    #[test]
    fn attributes_must_fit_the_protocol_of_the_group() {
        let fleet = FLEET.replace(
            "launch: {",
            "balancing: { slow_start: 60s, deregistration_delay: 60s }\n    launch: {",
        );
        let paths = |found: Found| found.problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>();
        assert_eq!(paths(found_for(&fleet, |_| ())), [""; 0]);
        let tcp = |account: &mut Account| account.groups.values_mut().for_each(|facts| facts.protocol = "TCP".to_owned());
        assert_eq!(paths(found_for(&fleet, tcp)), ["pools[0].balancing.slow_start"]);
    }

    #[test]
    fn what_is_only_unwise_is_a_note() {
        let one_zone = |account: &mut Account| account.zones.values_mut().for_each(|zone| *zone = Zone::new("eu-west-1a"));
        for (situation, found) in [
            (
                "no balancer",
                found(|account| account.groups.values_mut().for_each(|facts| facts.balancer = None)),
            ),
            ("spot", found(template(|facts| facts.is_spot = true))),
            ("one zone", found(one_zone)),
        ] {
            assert_eq!((found.problems.len(), found.notes.len()), (0, 1), "{situation}");
        }
    }

    #[test]
    fn alarms_are_listed_by_name_or_arn() {
        assert_eq!(alarm_name("checkout-errors").as_str(), "checkout-errors");
        assert_eq!(
            alarm_name("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:checkout: errors").as_str(),
            "checkout: errors"
        );
    }
}
