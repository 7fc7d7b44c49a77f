//! Reads the routes of a lever that are not those of a balancer: names in Route 53, and what Global Accelerator divides.

use std::collections::{BTreeMap, BTreeSet};

use super::PoolSpec;
use super::problem::Problems;
use super::raw::{RawDials, RawEndpoints, RawRecordType, RawRecords};
use crate::id::{Destination, PoolId, RouteId};
use crate::route::RecordName;

/// Most routes that one shift sets: each is a call of its own, and Global Accelerator takes a moment for each.
const ROUTES_MAX: usize = 10;
/// Longest set identifier of a record.
const IDENTIFIER_LENGTH_MAX: usize = 128;
/// Longest name that DNS knows.
const NAME_LENGTH_MAX: usize = 255;

/// What routes name each side by.
pub(super) type Destinations = BTreeMap<PoolId, BTreeSet<Destination>>;

/// Routes, and what they name the sides by.
pub(super) struct Routes<'a> {
    pools: &'a [(usize, PoolSpec)],
    /// Each once.
    pub(super) routes: Vec<RouteId>,
    /// Each of one side.
    pub(super) destinations: Destinations,
}

impl<'a> Routes<'a> {
    fn of(pools: &'a [(usize, PoolSpec)]) -> Self {
        Self {
            pools,
            routes: Vec::new(),
            destinations: BTreeMap::new(),
        }
    }

    /// Of Route 53.
    pub(super) fn records(raw: &[RawRecords], pools: &'a [(usize, PoolSpec)], problems: &mut Problems) -> Self {
        let at = "failover.lever.route53_records";
        let mut read = Self::of(pools);
        check_count(raw.len(), at, problems);
        for (n, record) in raw.iter().enumerate() {
            let at = format!("{at}[{n}]");
            let kind = match record.kind {
                RawRecordType::A => "A",
                RawRecordType::Aaaa => "AAAA",
                RawRecordType::Cname => "CNAME",
            };
            check_zone(&record.zone, &format!("{at}.zone"), problems);
            check_name(&record.name, &format!("{at}.name"), problems);
            let name = RecordName {
                zone: &record.zone,
                name: &record.name,
                kind,
            };
            read.add(RouteId::from(name), &at, problems);
            let of_pool = |(_, pool): &(usize, PoolSpec)| (pool.id.to_string(), pool.id.to_string());
            let by_pool = record.identifiers.clone();
            let by_pool = by_pool.unwrap_or_else(|| pools.iter().map(of_pool).collect());
            let is_one = |text: &str| (1..=IDENTIFIER_LENGTH_MAX).contains(&text.len());
            let hint = "write the record's set identifier as Route 53 has it";
            read.name_sides(&by_pool, &format!("{at}.identifiers"), (is_one, hint), problems);
        }
        read
    }

    /// Of an accelerator's endpoint groups.
    pub(super) fn endpoints(raw: &[RawEndpoints], pools: &'a [(usize, PoolSpec)], problems: &mut Problems) -> Self {
        let at = "failover.lever.accelerator_endpoints";
        let mut read = Self::of(pools);
        check_count(raw.len(), at, problems);
        for (n, group) in raw.iter().enumerate() {
            let at = format!("{at}[{n}]");
            if !is_endpoint_group(&group.endpoint_group) {
                let message = format!("`{}` is not the ARN of an endpoint group", group.endpoint_group);
                problems.add(format!("{at}.endpoint_group"), message, HINT_GROUP);
            }
            read.add(RouteId::new(group.endpoint_group.clone()), &at, problems);
            let is_balancer = |text: &str| text.starts_with("arn:") && text.contains(":loadbalancer/");
            let hint = "write the ARN of the side's balancer, which is the endpoint's id";
            read.name_sides(&group.endpoints, &format!("{at}.endpoints"), (is_balancer, hint), problems);
        }
        read
    }

    /// Of an accelerator's listeners.
    pub(super) fn dials(raw: &[RawDials], pools: &'a [(usize, PoolSpec)], problems: &mut Problems) -> Self {
        let at = "failover.lever.accelerator_dials";
        let mut read = Self::of(pools);
        check_count(raw.len(), at, problems);
        for (n, dials) in raw.iter().enumerate() {
            let at = format!("{at}[{n}]");
            let listener = &dials.listener;
            if !listener.contains(":globalaccelerator:") || !listener.contains("/listener/") || is_endpoint_group(listener) {
                let hint = "it looks like `arn:aws:globalaccelerator::123456789012:accelerator/1234abcd-abcd-1234-abcd-1234abcdefgh/listener/0123vxyz`";
                problems.add(
                    format!("{at}.listener"),
                    format!("`{listener}` is not the ARN of an accelerator's listener"),
                    hint,
                );
            }
            read.add(RouteId::new(listener.clone()), &at, problems);
            let is_of_it = |text: &str| is_endpoint_group(text) && text.starts_with(listener.as_str());
            read.name_sides(
                &dials.endpoint_groups,
                &format!("{at}.endpoint_groups"),
                (is_of_it, HINT_GROUP),
                problems,
            );
        }
        read
    }

    fn add(&mut self, route: RouteId, at: &str, problems: &mut Problems) {
        if self.routes.contains(&route) {
            problems.add(at, "it is listed twice", "one line is enough");
        }
        self.routes.push(route);
    }

    /// Every side is named, nobody else is, and no two sides by the same.
    fn name_sides(
        &mut self,
        by_pool: &BTreeMap<String, String>,
        at: &str,
        (is_one, hint): (impl Fn(&str) -> bool, &str),
        problems: &mut Problems,
    ) {
        for (_, pool) in self.pools.iter().filter(|(_, pool)| !by_pool.contains_key(pool.id.as_str())) {
            let hint = format!("add `{}: ...`", pool.id);
            problems.add(at, format!("`{}` is not among them, and could not get any traffic", pool.id), hint);
        }
        for (side, destination) in by_pool {
            let at = format!("{at}.{side}");
            let Some((_, pool)) = self.pools.iter().find(|(_, pool)| pool.id.as_str() == side) else {
                problems.add(at, format!("no pool is called `{side}`"), "write the id of a pool");
                continue;
            };
            if !is_one(destination) {
                problems.add(at, format!("`{destination}` is not what a side is named by here"), hint);
                continue;
            }
            let destination = Destination::new(destination.clone());
            let mut others = self.destinations.iter().filter(|(other, _)| **other != pool.id);
            if let Some((other, _)) = others.find(|(_, theirs)| theirs.contains(&destination)) {
                let hint = "traffic for one would reach the other: each side has its own";
                problems.add(at, format!("`{destination}` is that of `{other}`, too"), hint);
                continue;
            }
            self.destinations.entry(pool.id.clone()).or_default().insert(destination);
        }
    }
}

const HINT_GROUP: &str = "it looks like `arn:aws:globalaccelerator::123456789012:accelerator/1234abcd-abcd-1234-abcd-1234abcdefgh/listener/0123vxyz/endpoint-group/098765zyxwvu`";

fn is_endpoint_group(arn: &str) -> bool {
    arn.starts_with("arn:") && arn.contains(":globalaccelerator:") && arn.contains("/endpoint-group/")
}

fn check_count(count: usize, at: &str, problems: &mut Problems) {
    if !(1..=ROUTES_MAX).contains(&count) {
        let message = format!("`{count}` of them are not between `1` and `{ROUTES_MAX}`");
        problems.add(at, message, "each is set by a call of its own");
    }
}

fn check_zone(zone: &str, at: &str, problems: &mut Problems) {
    let is_id = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !zone.strip_prefix('Z').is_some_and(is_id) {
        let hint = "it looks like `Z0123456789ABCDEFGHIJ`, without `/hostedzone/`";
        problems.add(at, format!("`{zone}` is not the id of a hosted zone"), hint);
    }
}

/// In the way Route 53 gives it back, so that what is asked for is found again.
fn check_name(name: &str, at: &str, problems: &mut Problems) {
    let rest = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(known)
    };
    if name.len() > NAME_LENGTH_MAX || !rest.contains('.') || !rest.split('.').all(is_label) {
        let hint = "write it in full, in small letters and without a dot at its end: `www.example.com`";
        problems.add(at, format!("`{name}` is not the name of a record"), hint);
    }
}
