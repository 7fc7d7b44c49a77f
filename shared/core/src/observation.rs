//! What AWS said at one moment, possibly stale. Made by the engine, read by `decide`, kept in the record for replay.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::adaptive::Imbalance;
use crate::forecast::Season;
use crate::id::{
    AlarmName, FleetId, InstanceId, InstanceType, PlanId, PolicyId, PoolId, ServiceId, StepNumber, SubnetId, TargetGroupArn, Zone,
};
use crate::sample::{Loads, Readings, Series};
use crate::signal::AlarmState;
use crate::spec::{Attribute, Reservation, TemplateVersion};
use crate::tuning::Tuned;

/// Tag keys that GhostNet puts on every instance it launches, atomically with the launch.
pub mod tag {
    /// Which installation launched it. What carries ours is ours.
    pub const INSTALLATION: &str = "ghostnet:installation";
    /// For which fleet.
    pub const FLEET: &str = "ghostnet:fleet";
    /// For which pool.
    pub const POOL: &str = "ghostnet:pool";
    /// By which plan.
    pub const PLAN: &str = "ghostnet:plan";
    /// By the plan of nobody: an operator hands it over, and nobody heard yet.
    pub const HANDED_OVER: &str = "handed-over";
    /// By which of its steps.
    pub const STEP: &str = "ghostnet:step";
    /// At which generation of the capacity state.
    pub const GENERATION: &str = "ghostnet:generation";
    /// What an instance was told: `draining` or `serving`. The only key that is ever set after the launch, and the only one
    /// that GhostNet may set.
    pub const STATE: &str = "ghostnet:state";
    /// An instance says `true` here when it has finished its work for good.
    pub const DRAINED: &str = "ghostnet:drained";
    /// An instance says `true` here when it can begin to work.
    pub const READY: &str = "ghostnet:ready";
    /// An instance writes the time here, as `2026-06-02T15:00:00Z`, again and again: its heartbeat.
    pub const HEARTBEAT: &str = "ghostnet:heartbeat";
    /// EC2's own: the launch template's id.
    pub const TEMPLATE_ID: &str = "aws:ec2launchtemplate:id";
    /// EC2's own: the number of its version.
    pub const TEMPLATE_VERSION: &str = "aws:ec2launchtemplate:version";
}

/// What AWS said about one fleet. Anything `None` or absent is unknown, not empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When the observation began, after the state was loaded.
    pub observed_at: Timestamp,
    /// Every instance that carries our installation's and this fleet's tags; none if any page could not be read.
    pub instances: Option<Vec<Instance>>,
    /// Pools whose region could not be listed, while others could: nothing is known of their instances.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unlisted: BTreeSet<PoolId>,
    /// Targets by group; a group that could not be read is absent.
    pub targets: BTreeMap<TargetGroupArn, Vec<Target>>,
    /// Registrations by Cloud Map service; a service that could not be read is absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registrations: BTreeMap<ServiceId, Vec<Registration>>,
    /// Attributes of groups that the spec names; read rarely, and absent where not asked or unreadable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<TargetGroupArn, BTreeMap<Attribute, String>>,
    /// Series by pool and policy; not asked ones are absent.
    pub series: BTreeMap<PoolId, BTreeMap<PolicyId, Series>>,
    /// What was learned of the load of each policy that looks ahead, for this moment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seasons: BTreeMap<PoolId, BTreeMap<PolicyId, Season>>,
    /// Settings that tuning has found, by pool; none: not asked, or nothing that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned: Option<BTreeMap<PoolId, Tuned>>,
    /// How much of an instance is used, in percent, for each policy that learns from it what one can answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub used: BTreeMap<PoolId, BTreeMap<PolicyId, Series>>,
    /// How unequally the targets of adaptive groups answer, where it was asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub imbalance: BTreeMap<TargetGroupArn, Imbalance>,
    /// States of the alarms that wake this fleet; unreadable or deleted ones are absent.
    pub alarms: BTreeMap<AlarmName, AlarmState>,
    /// Plans named by instance tags that are on record: their instances are known.
    pub recorded_plans: BTreeSet<PlanId>,
    /// Offerings that lately had no capacity; read only when something is to be launched.
    pub exhausted: Vec<ExhaustedOffering>,
    /// Instances of the fleet whose status checks fail, and since when, by EC2; none if no pool asks for them, or if they
    /// could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impaired: Option<BTreeMap<InstanceId, Timestamp>>,
    /// What the instances of a pool carry, where its scale-in order wants to know; absent: not known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loads: BTreeMap<PoolId, Loads>,
    /// What the metric that says of an instance that it is sick was for each instance of a pool; absent: not asked, or nobody could be.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readings: BTreeMap<PoolId, Readings>,
}

impl Observation {
    /// What a complete list shows, of whichever pool; none: those of this one could not be listed.
    #[must_use]
    pub fn listed_for(&self, pool: &PoolId) -> Option<&[Instance]> {
        self.instances.as_deref().filter(|_| !self.unlisted.contains(pool))
    }

    /// Nothing known yet.
    #[must_use]
    pub fn unknown(observed_at: Timestamp) -> Self {
        Self {
            observed_at,
            instances: None,
            unlisted: BTreeSet::new(),
            targets: BTreeMap::new(),
            registrations: BTreeMap::new(),
            attributes: BTreeMap::new(),
            imbalance: BTreeMap::new(),
            series: BTreeMap::new(),
            seasons: BTreeMap::new(),
            tuned: None,
            used: BTreeMap::new(),
            alarms: BTreeMap::new(),
            recorded_plans: BTreeSet::new(),
            exhausted: Vec::new(),
            impaired: None,
            loads: BTreeMap::new(),
            readings: BTreeMap::new(),
        }
    }
}

/// One EC2 instance of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The instance.
    pub id: InstanceId,
    /// Its state.
    pub state: InstanceState,
    /// Its zone.
    pub zone: Zone,
    /// Its type.
    #[serde(rename = "type")]
    pub instance_type: InstanceType,
    /// How it is bought.
    #[serde(default, skip_serializing_if = "Market::is_on_demand")]
    pub market: Market,
    /// When EC2 launched it.
    pub launched_at: Timestamp,
    /// The pool its tag names; none if the tag is missing or no id.
    pub pool: Option<PoolId>,
    /// The plan its tag names.
    pub plan: Option<PlanId>,
    /// The step its tag names.
    pub step: Option<StepNumber>,
    /// Whether it carries the pool's protect tag.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// What it was told and what it says.
    #[serde(default, skip_serializing_if = "Word::is_silent")]
    pub word: Word,
    /// From which version of which launch template EC2 says that it was launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateVersion>,
    /// Its private address; kept only where its pool is registered in Cloud Map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
}

/// What an instance was told and what it says, by its tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// What it was told last, as far as the listing shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// It can begin to work.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ready: bool,
    /// It has finished its work for good. There is no way back from this word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drained: bool,
    /// Its last heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beat: Option<Timestamp>,
}

impl Word {
    /// The word of an instance whose tags `value` looks up by key. A value that is none of ours says nothing.
    #[must_use]
    pub fn of<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Self {
        let says = |key| value(key) == Some("true");
        Self {
            told: value(tag::STATE).and_then(|state| Told::ALL.into_iter().find(|told| told.as_str() == state)),
            ready: says(tag::READY),
            drained: says(tag::DRAINED),
            beat: value(tag::HEARTBEAT).and_then(|at| at.parse().ok()),
        }
    }

    fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// What an instance is told in its tag `ghostnet:state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Take no more work, finish what you have, and say so.
    Draining,
    /// You are needed again.
    Serving,
}

impl Told {
    const ALL: [Self; 2] = [Self::Draining, Self::Serving];

    /// The tag's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Serving => "serving",
        }
    }
}

/// EC2's instance states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Running.
    Running,
    /// On its way to terminated.
    ShuttingDown,
    /// Gone; listed for about an hour.
    Terminated,
    /// On its way to stopped.
    Stopping,
    /// Stopped.
    Stopped,
}

impl InstanceState {
    /// Whether the instance is gone or going for good.
    #[must_use]
    pub fn is_gone(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

/// One target of a target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The instance.
    pub instance: InstanceId,
    /// What the balancer says.
    pub health: TargetHealth,
    /// Whether a zonal shift keeps traffic away from it (`AdministrativeOverride`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shifted: bool,
}

/// The balancer's verdict, by what follows from it (ELBv2 target states and reasons).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetHealth {
    /// Passes its checks.
    Healthy,
    /// Registered, first checks still running: unknown.
    Initial,
    /// Fails its checks.
    Unhealthy,
    /// The group is used by no listener (`Target.NotInUse`), or checks are off: registered, health unknown.
    Unchecked,
    /// `unused` with `Target.InvalidState`: the instance is stopped or terminated.
    InvalidState,
    /// Deregistered, finishing requests.
    Draining,
    /// The balancer has no answer (`unavailable`): unknown.
    Unavailable,
}

/// One registration in a Cloud Map service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Under which id: of ours that of the EC2 instance, of others any text.
    pub instance: InstanceId,
    /// For which pool this installation registered it; none: somebody else did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Registrar>,
    /// The address that clients are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
    /// The port that clients are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// For whom an instance was registered in Cloud Map, by attributes of the registration that are named as the tags are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registrar {
    /// The fleet.
    pub fleet: FleetId,
    /// The pool.
    pub pool: PoolId,
}

/// An offering that had no capacity when last asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExhaustedOffering {
    /// Which.
    pub offering: Offering,
    /// Not asked again before.
    pub until: Timestamp,
}

/// A place where capacity can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offering {
    /// Zone.
    pub zone: Zone,
    /// Instance type; none: the template's own.
    #[serde(rename = "type")]
    pub instance_type: Option<InstanceType>,
    /// Purchase option.
    pub market: Market,
    /// Which reservations, in the market of those; none in any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Reservation>,
}

impl Offering {
    /// Its market, and which reservations, in tokens and keys: what one reservation lacks another may have.
    #[must_use]
    pub fn bought(&self) -> String {
        let market = self.market.as_str();
        let reservation = self.reservation.as_ref();
        reservation.map_or_else(|| market.to_owned(), |reservation| format!("{market}#{}", reservation.as_str()))
    }
}

impl fmt::Display for Offering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instance_type = self.instance_type.as_ref().map_or("the template's type", InstanceType::as_str);
        match &self.reservation {
            None => write!(f, "{instance_type} {} in {}", self.market.adverb(), self.zone),
            Some(reservation) => write!(f, "{instance_type} in {reservation} in {}", self.zone),
        }
    }
}

/// Purchase option.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// On demand, and only within a capacity reservation: what is reserved is there when nothing else is, and paid for already.
    Reserved,
    /// On demand, or whatever the launch template says.
    #[default]
    OnDemand,
    /// Spare capacity that AWS may take back two minutes after a notice.
    Spot,
}

impl Market {
    /// The word in tokens, records and keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::OnDemand => "on-demand",
            Self::Spot => "spot",
        }
    }

    /// Whether it is the one that is meant where nothing is said.
    #[must_use]
    pub fn is_on_demand(&self) -> bool {
        *self == Self::OnDemand
    }

    /// How an instance is launched in it, in words.
    #[must_use]
    pub fn adverb(self) -> &'static str {
        match self {
            Self::Reserved => "in a reservation",
            Self::OnDemand => "on demand",
            Self::Spot => "as spot",
        }
    }

    /// In whose share of a pool it counts: what is reserved is bought on demand.
    #[must_use]
    pub fn share(self) -> Self {
        match self {
            Self::Reserved | Self::OnDemand => Self::OnDemand,
            Self::Spot => Self::Spot,
        }
    }

    /// The one that stands in for its share.
    #[must_use]
    pub fn other(self) -> Self {
        match self.share() {
            Self::Spot => Self::OnDemand,
            Self::Reserved | Self::OnDemand => Self::Spot,
        }
    }
}

impl fmt::Display for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A subnet and the zone it lies in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The subnet.
    pub subnet: SubnetId,
    /// Its zone.
    pub zone: Zone,
}
