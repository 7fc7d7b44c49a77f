//! Reads what leads to one instance: Elastic IP addresses, and lines of route tables.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::problem::Problems;
use super::raw::{RawDetect, RawToInstance, RawVpcRoute};
use super::{FailoverMode, PoolSpec};
use crate::id::RouteId;
use crate::route::{ADDRESS, TABLE, VpcRoute};

/// Most of both that one move sets: each is a call of its own.
const ROUTES_MAX: usize = 10;
/// How the ids of prefix lists begin.
const PREFIX_LIST: &str = "pl-";

pub(super) fn read(raw: &RawToInstance, mode: FailoverMode, pools: &[(usize, PoolSpec)], problems: &mut Problems) -> Vec<RouteId> {
    let at = "failover.lever.to_instance";
    if !matches!(mode, FailoverMode::HotStandby | FailoverMode::ColdStandby) {
        let hint = "write `mode: hot_standby` or `cold_standby`";
        problems.add(at, "an address leads to one instance, so it cannot be shared", hint);
    }
    for (n, _) in pools.iter().filter(|(_, pool)| !pool.target_groups.is_empty()) {
        let hint = "leave `target_groups` out, or write `listener_rules`";
        problems.add(
            format!("pools[{n}].target_groups"),
            "with `to_instance` clients reach one instance, and with a target group all of them",
            hint,
        );
    }
    let (addresses, lines) = (raw.elastic_ips.as_deref(), raw.vpc_routes.as_deref());
    let (addresses, lines) = (addresses.unwrap_or_default(), lines.unwrap_or_default());
    let count = addresses.len().saturating_add(lines.len());
    if !(1..=ROUTES_MAX).contains(&count) {
        let message = format!("`{count}` addresses and lines are not between `1` and `{ROUTES_MAX}`");
        problems.add(at, message, "each is set by a call of its own");
    }
    let mut routes = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |route: RouteId, at: String, problems: &mut Problems| {
        if !seen.insert(route.clone()) {
            problems.add(at, "it is listed twice", "one line is enough");
        }
        routes.push(route);
    };
    for (n, address) in addresses.iter().enumerate() {
        let at = format!("{at}.elastic_ips[{n}]");
        if !is_id(address, ADDRESS) {
            let hint = "write its allocation id, `eipalloc-0123456789abcdef0`";
            problems.add(at.clone(), format!("`{address}` is not the id of an Elastic IP address"), hint);
        }
        add(RouteId::new(address.clone()), at, problems);
    }
    for (n, line) in lines.iter().enumerate() {
        let at = format!("{at}.vpc_routes[{n}]");
        check_line(line, &at, problems);
        let route = VpcRoute {
            table: &line.table,
            destination: &line.destination,
        };
        add(RouteId::from(route), at, problems);
    }
    routes
}

/// No balancer checks or measures anybody: what EC2 says needs another kind of signal beside it.
pub(super) fn check_detect(raw: &RawDetect, problems: &mut Problems) {
    let of_groups = [
        ("error_rate", raw.error_rate.is_some()),
        ("response_time", raw.response_time.is_some()),
    ];
    for (field, _) in of_groups.into_iter().filter(|(_, is_there)| *is_there) {
        let hint = "have an alarm watch it where it is measured, and name it in `alarms`";
        problems.add(
            format!("failover.detect.{field}"),
            "without a target group nobody measures it",
            hint,
        );
    }
    let is_named = |names: &Option<Vec<String>>| names.as_ref().is_some_and(|names| !names.is_empty());
    if !is_named(&raw.alarms) && !is_named(&raw.probes) {
        problems.add(
            "failover.detect",
            "what EC2 says of its instances moves nothing alone, and nothing else is looked at",
            "add `probes: [reachable]` and an alarm `ghostnet/<fleet>/<pool>/health/reachable` for each side, on what is seen of it from outside",
        );
    }
}

fn check_line(line: &RawVpcRoute, at: &str, problems: &mut Problems) {
    let RawVpcRoute { table, destination } = line;
    if !is_id(table, TABLE) {
        let hint = "it looks like `rtb-0123456789abcdef0`";
        problems.add(format!("{at}.table"), format!("`{table}` is not the id of a route table"), hint);
    }
    if !is_id(destination, PREFIX_LIST) && !is_block(destination) {
        let message = format!("`{destination}` is neither a block of addresses nor the id of a prefix list");
        let hint = "write it as the route table has it: `0.0.0.0/0`, `::/0`, `10.1.0.0/16` or `pl-0123456789abcdef0`";
        problems.add(format!("{at}.destination"), message, hint);
    }
}

fn is_id(text: &str, prefix: &str) -> bool {
    let is_hex =
        |rest: &str| (8..=17).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    text.strip_prefix(prefix).is_some_and(is_hex)
}

/// In the form in which EC2 gives it back, so that it is found again: the bits beyond its length are zero.
fn is_block(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u8>()) else {
        return false;
    };
    let (bits, most) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let beyond = bits.checked_shl(length.into()).unwrap_or(0);
    length <= most && beyond == 0 && text == format!("{address}/{length}")
}
