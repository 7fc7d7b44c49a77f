//! Findings: everything else about a pool that is worth telling.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::adaptive::Switch;
use crate::boots::LAUNCHES_LEAST;
use crate::health::Report;
use crate::id::{InstanceId, PolicyId, ServiceId, TargetGroupArn, Zone};
use crate::observation::{ExhaustedOffering, Market, tag};
use crate::operator::Refused;
use crate::rating::{HOURS_LEAST, USE_LEAST};
use crate::refresh::{Progress, RefreshRequest};
use crate::spec::{Attribute, TemplateVersion};
use crate::state::{DrainReason, RenewReason};
use crate::tuning::Settings;

/// A pool of many types and zones may have a hundred of them.
const RAN_OUT_TOLD_MAX: usize = 4;
/// A service may be shared with others who have a hundred registrations there.
const FOREIGN_TOLD_MAX: usize = 4;

/// Something worth telling about a fleet or one of its instances, beside its size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// No complete list of instances: nothing is concluded from absence.
    InstancesUnknown,
    /// The side is kept out while another one is let in: nobody of it is launched, started, replaced or registered.
    KeptOut,
    /// An operator's size holds.
    OperatorHolds {
        /// Who asked.
        by: String,
        /// The size.
        desired: u32,
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// An operator's request changed nothing.
    OperatorRefused {
        /// Who asked.
        by: String,
        /// Why not.
        why: Refused,
    },
    /// A group could not be read.
    GroupUnknown {
        /// Which.
        group: TargetGroupArn,
    },
    /// A Cloud Map service could not be read.
    ServiceUnknown {
        /// Which.
        service: ServiceId,
    },
    /// An instance serves and has no private IPv4 address that clients could be told.
    NoAddress {
        /// Which.
        instance: InstanceId,
    },
    /// Registrations in the pool's Cloud Map service that this installation did not make.
    ForeignRegistrations {
        /// Which service.
        service: ServiceId,
        /// Under which ids.
        instances: Vec<InstanceId>,
    },
    /// An instance is gone and a Cloud Map service still sends clients to it.
    GhostRegistration {
        /// Which.
        instance: InstanceId,
        /// Which service.
        service: ServiceId,
    },
    /// An adaptive group changes its algorithm.
    Adapts {
        /// Which group.
        group: TargetGroupArn,
        /// Why, and so to what.
        why: Switch,
    },
    /// An attribute of a group is not as the spec says, which wins.
    Detuned {
        /// Which group.
        group: TargetGroupArn,
        /// Which attribute.
        attribute: Attribute,
        /// What it is; none: the group has no such attribute.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// What it is to be.
        to: String,
        /// Why.
        why: SetBecause,
    },
    /// An instance leaves, and why.
    Drains {
        /// Which.
        instance: InstanceId,
        /// Why.
        why: DrainReason,
    },
    /// A draining instance is needed again.
    TakenBack {
        /// Which.
        instance: InstanceId,
    },
    /// An instance that was to be kept warm is needed before it was stopped.
    TakenIn {
        /// Which.
        instance: InstanceId,
    },
    /// An instance that is kept stopped, as far as was known, passes the checks of all its target groups.
    ServesAlready {
        /// Which.
        instance: InstanceId,
    },
    /// An instance is replaced although it is well; its replacement comes first.
    Renews {
        /// Which.
        instance: InstanceId,
        /// Why.
        why: RenewReason,
    },
    /// An operator's request about a refresh was heard.
    RefreshAsked {
        /// Who asked.
        by: String,
        /// What.
        request: RefreshRequest,
    },
    /// An operator handed instances over, and the pool's size was raised with them.
    HandedOver {
        /// Who.
        by: String,
        /// Which; none that were not there already.
        instances: Vec<InstanceId>,
        /// The size with them.
        desired: u32,
    },
    /// A refresh goes on, waits, or has ended.
    Refreshing {
        /// Who asked for it.
        #[serde(default)]
        by: String,
        /// How far it is.
        progress: Progress,
        /// It is rolled back, to this version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        back_to: Option<TemplateVersion>,
    },
    /// A refresh was rolled back, and the spec was not applied since.
    RolledBack {
        /// What launches name.
        to: TemplateVersion,
    },
    /// An instance says that it has finished, and nobody asked it to leave: it is replaced.
    GaveUp {
        /// Which.
        instance: InstanceId,
    },
    /// Something beside the target groups says that an instance is sick.
    Reported {
        /// Which.
        instance: InstanceId,
        /// What.
        report: Report,
    },
    /// Of so many instances nobody knows what they carry: of those to choose from they leave last, by the next criterion.
    LoadUnknown {
        /// So many.
        count: u32,
    },
    /// An instance leaves, and its tag still does not say so: it is waited for until its deadline.
    NotTold {
        /// Which.
        instance: InstanceId,
    },
    /// It goes by other settings than before: those that tuning has found, or what is written again.
    Retuned {
        /// Those that were found; none: what is written.
        settings: Option<Settings>,
    },
    /// An instance that carries our tags and was in no state is counted from now on.
    Adopted {
        /// Which.
        instance: InstanceId,
    },
    /// More unknown instances than can be an accident, or a state too young to judge: the pool's size is held.
    UnknownInstances {
        /// Which.
        instances: Vec<InstanceId>,
    },
    /// A registered target whose instance is gone is deregistered.
    Ghost {
        /// Which.
        instance: InstanceId,
        /// From where.
        group: TargetGroupArn,
    },
    /// A target that this fleet did not register: left alone.
    ForeignTarget {
        /// Which.
        instance: InstanceId,
        /// Where.
        group: TargetGroupArn,
    },
    /// An instance of ours was stopped by somebody: not counted, left alone.
    Stopped {
        /// Which.
        instance: InstanceId,
    },
    /// AWS may take this instance; nothing is done about a maybe.
    RebalanceHint {
        /// Which.
        instance: InstanceId,
    },
    /// A launch was never found and is no longer counted.
    LaunchGivenUp {
        /// So many instances were asked for.
        count: u32,
    },
    /// Offerings that are passed over, because AWS lately had no capacity there.
    RanOut {
        /// Which, and until when.
        offerings: Vec<ExhaustedOffering>,
    },
    /// Every offering of the pool lately had no capacity: so many are not launched for now.
    NoOffering {
        /// So many.
        count: u32,
    },
    /// A market ran out, or is off: so many are launched in the other one instead.
    OtherMarket {
        /// So many.
        count: u32,
        /// The market that they belong in.
        wanted: Market,
        /// The market they are launched in.
        taken: Market,
    },
    /// A quota of the account is reached, or the reservations cannot be used: nothing is launched in this market for a while.
    MarketOff {
        /// Which.
        market: Market,
        /// Until when.
        until: Timestamp,
        /// AWS's error code.
        code: String,
    },
    /// AWS refuses launches for a reason that a person must mend: nothing is launched for a while.
    LaunchesRefused {
        /// Until when.
        until: Timestamp,
        /// AWS's error code.
        code: String,
        /// AWS's message, shortened.
        message: String,
    },
    /// So many are sick that their fault is hardly their own: nobody is replaced.
    BreakerOpen {
        /// So many are sick.
        unhealthy: u32,
        /// More than this many.
        limit: u32,
    },
    /// Instances of this fleet whose pool is not in the spec: nobody counts, registers or terminates them.
    NoPool {
        /// Which.
        instances: Vec<InstanceId>,
    },
    /// A member is neither listed nor young: no longer counted.
    Vanished {
        /// Which.
        instance: InstanceId,
    },
    /// The balancer sends traffic to every target because none is healthy.
    FailOpen {
        /// Where.
        group: TargetGroupArn,
    },
    /// The size turned round three times within an hour: something misleads the policies.
    Churn {
        /// Nobody leaves before, if it does not turn round again.
        until: Timestamp,
    },
    /// How many are to be kept warm is not learned yet: a share of the pool until then.
    WarmUnlearned {
        /// So many hours are known of the day that is needed.
        hours: u32,
    },
    /// How long launches take is not learned yet: policies look as far ahead as the warm-up is long.
    BootsUnlearned {
        /// So many launches are known.
        launches: u32,
    },
    /// What one instance can answer is not learned yet: the policy has no vote.
    CapacityUnlearned {
        /// Which.
        policy: PolicyId,
        /// So many hours have shown it.
        hours: u32,
    },
    /// A zone is out: nobody leaves by scale-in, and nothing is launched there.
    ZoneOut {
        /// Which.
        zone: Zone,
        /// What says so.
        evidence: ZoneEvidence,
    },
    /// The zone of a subnet is not known: `apply` again.
    ZoneUnknown {
        /// The subnet.
        subnet: crate::id::SubnetId,
    },
}

/// Why an attribute of a target group is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetBecause {
    /// The spec says so.
    Spec,
    /// An adaptive group has come to this algorithm.
    Adaptive,
    /// It was set for the spec before, and somebody else changed it since.
    ChangedByOthers,
}

impl fmt::Display for SetBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spec => "the spec says so",
            Self::Adaptive => "an adaptive group has come to it",
            Self::ChangedByOthers => "somebody else changed it, and the spec's value wins",
        })
    }
}

/// What says that a zone is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneEvidence {
    /// A zonal shift keeps traffic away from it.
    Shifted,
    /// Many of its instances are sick, and hardly any elsewhere.
    Sick {
        /// So many.
        sick: u32,
        /// Of so many.
        of: u32,
    },
    /// An operator has it left.
    Evacuated {
        /// Until then.
        until: Timestamp,
    },
    /// Nothing any more, since a little while.
    Lately {
        /// Until when it is remembered.
        until: Timestamp,
    },
}

impl fmt::Display for ZoneEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shifted => f.write_str("a zonal shift keeps traffic away from it"),
            Self::Sick { sick, of } => write!(f, "{sick} of {of} are sick there, and hardly any elsewhere"),
            Self::Evacuated { until } => write!(f, "an operator has it left until {until}"),
            Self::Lately { until } => write!(f, "it was a moment ago, and is remembered until {until}"),
        }
    }
}

impl Finding {
    /// Whether somebody should be told at night.
    #[must_use]
    pub fn is_alert(&self) -> bool {
        matches!(
            self,
            Self::UnknownInstances { .. }
                | Self::MarketOff { .. }
                | Self::LaunchesRefused { .. }
                | Self::BreakerOpen { .. }
                | Self::NoPool { .. }
                | Self::ZoneUnknown { .. }
                | Self::LaunchGivenUp { .. }
                | Self::ZoneOut { .. }
                | Self::FailOpen { .. }
                | Self::Churn { .. }
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstancesUnknown => f.write_str("the list of instances is incomplete: nothing is concluded from absence"),
            Self::KeptOut => f.write_str("kept out while another side is let in: nobody is launched, started, replaced or registered"),
            Self::OperatorHolds {
                by,
                desired,
                until,
                reason,
            } => write!(f, "operator {by}: {desired} until {until}, {reason}"),
            Self::OperatorRefused { by, why } => write!(f, "a request of {by} is refused: {why}"),
            Self::GroupUnknown { group } => write!(f, "target group {group} could not be read"),
            Self::Adapts { group, why } => write!(f, "{group} goes to `{}`: {why}", why.to().as_str()),
            Self::Detuned {
                group,
                attribute,
                from,
                to,
                why,
            } => {
                let from = from.as_deref().map_or_else(|| "not there".to_owned(), |from| format!("`{from}`"));
                write!(f, "`{attribute}` of {group} is {from} and is to be `{to}`: {why}")
            }
            Self::Drains { instance, why } if why.is_of_warm() => write!(f, "removing {instance}: {why}"),
            Self::Drains { instance, why } => write!(f, "draining {instance}: {why}"),
            Self::TakenBack { instance } => write!(f, "{instance} is needed again and taken back"),
            Self::ServesAlready { instance } => write!(f, "{instance} was believed to be stopped, and serves: taken in"),
            Self::TakenIn { instance } => write!(f, "{instance} was to be kept warm and is needed: taken in"),
            Self::Renews { instance, why } => write!(f, "replacing {instance}, a new one first: {why}"),
            Self::HandedOver { by, instances, desired } => {
                write!(
                    f,
                    "operator {by} hands over {} instances: {desired} are wanted with them",
                    instances.len()
                )
            }
            Self::RefreshAsked { by, request } => write!(f, "operator {by} {request}"),
            Self::Refreshing {
                by,
                progress,
                back_to: None,
            } => write!(f, "refresh asked by {by}: {progress}"),
            Self::Refreshing {
                progress,
                back_to: Some(to),
                ..
            } => write!(f, "refresh rolled back to version {} of {}: {progress}", to.version, to.id),
            Self::RolledBack { to } => write!(
                f,
                "the refresh was rolled back: launches name version {} of {} until the next `apply`",
                to.version, to.id
            ),
            Self::GaveUp { instance } => write!(f, "{instance} says that it has finished and was not asked to leave: to be replaced"),
            Self::Reported { instance, report } => write!(f, "{instance} is reported sick: {report}"),
            Self::LoadUnknown { count } => {
                write!(
                    f,
                    "what {count} instances carry is not known: they leave last, by what follows `least_loaded`"
                )
            }
            Self::NotTold { instance } => write!(
                f,
                "{instance} leaves and its tag `{}` could not be set: may the role tag?",
                tag::STATE
            ),
            Self::Retuned { settings: Some(settings) } => {
                write!(f, "goes by what tuning has found: {settings}")?;
                settings
                    .utilisation
                    .map_or(Ok(()), |utilisation| write!(f, ", utilisation {utilisation}"))
            }
            Self::Retuned { settings: None } => f.write_str("goes by the spec again, and no longer by what tuning had found"),
            Self::Adopted { instance } => write!(f, "{instance} carries our tags and was unknown: adopted"),
            Self::UnknownInstances { instances } => {
                write!(
                    f,
                    "{} unknown instances carry our tags: the size is held until somebody looks",
                    instances.len()
                )
            }
            Self::Ghost { instance, group } => write!(f, "{instance} is gone but still a target of {group}: deregistering"),
            Self::ForeignTarget { instance, group } => write!(f, "{instance} in {group} was not registered by this fleet: left alone"),
            Self::ServiceUnknown { service } => write!(f, "Cloud Map service {service} could not be read"),
            Self::NoAddress { instance } => write!(
                f,
                "{instance} has no private IPv4 address: Cloud Map cannot tell clients where it is"
            ),
            Self::GhostRegistration { instance, service } => {
                write!(f, "{instance} is gone but still registered in {service}: withdrawing")
            }
            Self::ForeignRegistrations { service, instances } => {
                write!(f, "{service} has {} registrations that are not ours, left alone:", instances.len())?;
                for instance in instances.iter().take(FOREIGN_TOLD_MAX) {
                    write!(f, " {instance}")?;
                }
                f.write_str(if instances.len() > FOREIGN_TOLD_MAX { " …" } else { "" })
            }
            Self::Stopped { instance } => write!(f, "{instance} was stopped by somebody: not counted, left alone"),
            Self::RebalanceHint { instance } => write!(f, "AWS may reclaim {instance}: only noted"),
            Self::LaunchGivenUp { count } => write!(f, "a launch of {count} was never found: no longer counted"),
            Self::RanOut { offerings } => {
                f.write_str("passed over, AWS had no capacity:")?;
                for (place, ExhaustedOffering { offering, until }) in offerings.iter().take(RAN_OUT_TOLD_MAX).enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma} {offering} until {until}")?;
                }
                match offerings.len().saturating_sub(RAN_OUT_TOLD_MAX) {
                    0 => Ok(()),
                    more => write!(f, ", and {more} more"),
                }
            }
            Self::NoOffering { count } => write!(f, "no offering has capacity for {count} more: not asked again for a while"),
            Self::OtherMarket { count, wanted, taken } => {
                write!(f, "no {wanted} capacity: {count} are launched {} instead", taken.adverb())
            }
            Self::MarketOff { market, until, code } => {
                write!(f, "nothing is launched {} before {until}: {code}", market.adverb())
            }
            Self::LaunchesRefused { until, code, message } => {
                write!(
                    f,
                    "AWS refuses launches, and somebody must mend that; not tried again before {until}: {code}: {message}"
                )
            }
            Self::BreakerOpen { unhealthy, limit } => {
                write!(
                    f,
                    "{unhealthy} are sick, more than {limit}: nobody is replaced until fewer are, or one that is new serves"
                )
            }
            Self::NoPool { instances } => {
                let count = instances.len();
                write!(
                    f,
                    "{count} instances belong to no pool of the spec: add their pool again, or terminate them"
                )
            }
            Self::Vanished { instance } => write!(f, "{instance} is not listed any more: no longer counted"),
            Self::FailOpen { group } => write!(f, "no target of {group} is healthy: the balancer sends traffic to all of them"),
            Self::Churn { until } => write!(
                f,
                "the size went to and fro three times within an hour: nobody leaves before {until}; look at the policies' targets"
            ),
            Self::WarmUnlearned { hours } => {
                write!(
                    f,
                    "how many to keep warm is not learned yet ({hours} of 24 hours): a fifth of the pool until then"
                )
            }
            Self::BootsUnlearned { launches } => write!(
                f,
                "how long launches take is not learned yet ({launches} of {LAUNCHES_LEAST} launches): policies look ahead by the warm-up and a minute until then"
            ),
            Self::CapacityUnlearned { policy, hours } => write!(
                f,
                "`{policy}` has not learned yet what one instance can answer ({hours} of {HOURS_LEAST} hours): it has no vote until then; an \
                 hour shows it if for five datapoints the same instances serve, used at {USE_LEAST} or more and below saturation"
            ),
            Self::ZoneOut { zone, evidence } => {
                write!(
                    f,
                    "zone {zone} is out: {evidence}; nobody leaves by scale-in, and nothing is launched there"
                )
            }
            Self::ZoneUnknown { subnet } => write!(f, "the zone of {subnet} is not known; `ghostnet apply` the fleet again"),
        }
    }
}
