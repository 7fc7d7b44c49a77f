//! What a lever sets, as AWS names it: where requests of clients are divided among the sides of a fleet.

use std::collections::BTreeMap;
use std::fmt;

use crate::id::{Destination, InstanceId, RouteId, TargetGroupArn};

/// How much of the requests each destination gets, compared with the others.
pub type Weights = BTreeMap<Destination, u32>;

/// Before the parts of a record's id.
const RECORDS: &str = "route53:";
/// How the ids of Elastic IP addresses begin.
pub(crate) const ADDRESS: &str = "eipalloc-";
/// How the ids of route tables begin.
pub(crate) const TABLE: &str = "rtb-";

/// What a [`RouteId`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// A listener or a rule of a load balancer: weights of target groups.
    Rule,
    /// The records of one name and type in Route 53: weights of records, or which of two is the primary one.
    Records(RecordName<'a>),
    /// An endpoint group of Global Accelerator: weights of its endpoints.
    Endpoints,
    /// A listener of Global Accelerator: traffic dials of its endpoint groups, one in each region.
    Dials,
    /// An Elastic IP address: the one instance that has it.
    Address(&'a str),
    /// One line of a route table of a VPC: the one instance that its packets go to.
    VpcRoute(VpcRoute<'a>),
}

/// A destination in a route table of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct VpcRoute<'a> {
    /// The table's id, `rtb-…`.
    pub table: &'a str,
    /// A block of addresses, such as `0.0.0.0/0` or `::/0`, or a prefix list, `pl-…`.
    pub destination: &'a str,
}

impl fmt::Display for VpcRoute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, destination } = self;
        write!(f, "{table}/{destination}")
    }
}

/// One name and type of a hosted zone of Route 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordName<'a> {
    /// The hosted zone's id, `Z…`.
    pub zone: &'a str,
    /// The name, without a dot at its end.
    pub name: &'a str,
    /// `A`, `AAAA` or `CNAME`.
    pub kind: &'a str,
}

impl fmt::Display for RecordName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zone, name, kind } = self;
        write!(f, "{RECORDS}{zone}/{name}/{kind}")
    }
}

impl RouteId {
    /// What it names. What is nothing else is a listener or a rule.
    #[must_use]
    pub fn route(&self) -> Route<'_> {
        let text = self.as_str();
        if let Some(record) = text.strip_prefix(RECORDS) {
            // a name has no `/` that Route 53 does not write as `\057`
            let mut parts = record.splitn(3, '/');
            if let (Some(zone), Some(name), Some(kind)) = (parts.next(), parts.next(), parts.next()) {
                return Route::Records(RecordName { zone, name, kind });
            }
        }
        if text.starts_with(ADDRESS) {
            return Route::Address(text);
        }
        if let Some((table, destination)) = text.split_once('/').filter(|(table, _)| table.starts_with(TABLE)) {
            return Route::VpcRoute(VpcRoute { table, destination });
        }
        match text.split_once(":globalaccelerator:") {
            Some((_, rest)) if rest.contains("/endpoint-group/") => Route::Endpoints,
            Some(_) => Route::Dials,
            None => Route::Rule,
        }
    }

    /// The largest weight that AWS takes: 999 of a target group, 255 of a record or an endpoint, and 100 (percent) of a traffic dial. What leads
    /// to one instance knows no other than 1.
    #[must_use]
    pub fn weight_max(&self) -> u32 {
        match self.route() {
            Route::Rule => 999,
            Route::Records(_) | Route::Endpoints => 255,
            Route::Dials => 100,
            Route::Address(_) | Route::VpcRoute(_) => 1,
        }
    }
}

impl From<RecordName<'_>> for RouteId {
    fn from(record: RecordName<'_>) -> Self {
        Self::new(record.to_string())
    }
}

impl From<VpcRoute<'_>> for RouteId {
    fn from(route: VpcRoute<'_>) -> Self {
        Self::new(route.to_string())
    }
}

impl From<&InstanceId> for Destination {
    fn from(instance: &InstanceId) -> Self {
        Self::new(instance.as_str())
    }
}

impl From<&TargetGroupArn> for Destination {
    fn from(group: &TargetGroupArn) -> Self {
        Self::new(group.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_known_by_its_name() {
        let record = RecordName {
            zone: "Z0123456789ABC",
            name: "www.example.com",
            kind: "A",
        };
        let line = VpcRoute {
            table: "rtb-0123456789abcdef0",
            destination: "0.0.0.0/0",
        };
        for (text, route, most) in [
            ("eipalloc-0123456789abcdef0", Route::Address("eipalloc-0123456789abcdef0"), 1),
            ("rtb-0123456789abcdef0/0.0.0.0/0", Route::VpcRoute(line), 1),
            ("arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/web/a/b", Route::Rule, 999),
            ("route53:Z0123456789ABC/www.example.com/A", Route::Records(record), 255),
            ("arn:aws:globalaccelerator::1:accelerator/a/listener/b", Route::Dials, 100),
            (
                "arn:aws:globalaccelerator::1:accelerator/a/listener/b/endpoint-group/c",
                Route::Endpoints,
                255,
            ),
        ] {
            let id = RouteId::new(text);
            assert_eq!((id.route(), id.weight_max()), (route, most), "{text}");
        }
        assert_eq!(RouteId::from(record).route(), Route::Records(record));
        assert_eq!(RouteId::from(line).route(), Route::VpcRoute(line));
    }
}
