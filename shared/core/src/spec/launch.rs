//! How instances are launched: template, subnets, types.

use serde::{Deserialize, Serialize};

use super::MarketMix;
use crate::id::{InstanceType, SubnetId, Zone};
use crate::observation::{Market, Offering};

/// How instances are launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaunchSpec {
    /// The launch template.
    pub template: Template,
    /// Subnets, at least one.
    pub subnets: Vec<SubnetId>,
    /// Types in order of preference; empty: the template's own.
    pub instance_types: Vec<InstanceType>,
    /// How they are bought.
    pub market: MarketMix,
    /// Whether instances of other versions of the template are replaced.
    pub drift: Drift,
    /// Whether instances are replaced to bring the zones of the subnets into balance again.
    pub rebalance_zones: bool,
}

impl LaunchSpec {
    /// What may be asked for in a zone and a market, in the order of the spec.
    pub fn offerings(&self, zone: &Zone, market: Market) -> impl Iterator<Item = Offering> + '_ {
        let zone = zone.clone();
        let reservation = self.market.reservations.clone().filter(|_| market == Market::Reserved);
        // without a list it is the template's own type
        let own = self.instance_types.is_empty().then_some(None);
        let types = self.instance_types.iter().map(Some).chain(own);
        types.map(move |instance_type| Offering {
            zone: zone.clone(),
            instance_type: instance_type.cloned(),
            market,
            reservation: reservation.clone(),
        })
    }
}

/// A launch template and its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Template {
    /// By name or by id.
    pub key: TemplateKey,
    /// `$Default`, `$Latest` or a number.
    pub version: String,
}

/// One version of a launch template, as EC2 numbers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// The template's id, `lt-…`.
    pub id: String,
    /// The version's number.
    pub version: u64,
}

impl TemplateVersion {
    /// What an instance's tags say, by key; none unless both tags can be read.
    #[must_use]
    pub fn of<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        use crate::observation::tag;
        let version = value(tag::TEMPLATE_VERSION)?.parse().ok()?;
        let id = value(tag::TEMPLATE_ID)?.to_owned();
        Some(Self { id, version })
    }
}

/// What follows for an instance that was launched from another version of the launch template than the spec's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// Nothing; `$Default` and `$Latest` mean what they mean at each launch.
    Ignore,
    /// It is replaced; `$Default` and `$Latest` mean what they meant at the last `apply`.
    Replace,
}

/// What names a launch template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateKey {
    /// Its id, `lt-…`.
    Id(String),
    /// Its name.
    Name(String),
}

impl TemplateKey {
    /// The name or id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(text) | Self::Name(text) => text,
        }
    }
}
