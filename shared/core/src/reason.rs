//! Why: reasons as data, for acts and for holds. Their text is made here and nowhere else, so that logs, records and
//! the command line say the same.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{InstanceId, PolicyId, TargetGroupArn};
use crate::observation::{Market, tag};
use crate::operator::Refused;
use crate::refresh::Progress;
use crate::sample::Sample;
use crate::spec::{FleetMode, PolicyMode};
use crate::state::{DrainReason, RenewReason};
use crate::unit::{Finite, Percent, Seconds};

/// Out, in, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Fewer instances.
    In,
    /// As many.
    Hold,
    /// More instances.
    Out,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => "fewer",
            Self::Hold => "as many",
            Self::Out => "more",
        })
    }
}

/// One policy's vote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// The policy.
    pub policy: PolicyId,
    /// What it recommends; none: it has nothing to say and binds nobody.
    pub capacity: Option<u32>,
    /// Why.
    pub reason: VoteReason,
    /// What it would recommend if its mode allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Withheld>,
}

/// A recommendation that a policy's mode keeps from counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// What it would recommend.
    pub capacity: u32,
    /// Its mode.
    pub mode: PolicyMode,
}

impl Vote {
    /// The reason, and what the policy's mode keeps back.
    #[must_use]
    pub fn told(&self) -> String {
        match self.withheld {
            None => self.reason.to_string(),
            Some(Withheld {
                capacity,
                mode: PolicyMode::OutOnly,
            }) => format!("{}; would be {capacity}, but it only adds", self.reason),
            Some(Withheld { capacity, .. }) => format!("{}; would be {capacity}, but it only recommends", self.reason),
        }
    }
}

/// Why a policy votes as it does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteReason {
    /// Target tracking has a fresh value.
    Tracked {
        /// The metric.
        value: Finite,
        /// What it should be.
        target: Finite,
    },
    /// A fresh value, but too few datapoints agree.
    TooFewDatapoints {
        /// The metric.
        value: Finite,
    },
    /// So close to the target that acting would flap.
    WithinTolerance {
        /// The metric.
        value: Finite,
        /// What it should be.
        target: Finite,
        /// The tolerance of that direction.
        tolerance: Percent,
    },
    /// The demand needs so many.
    Needs {
        /// Requests per second.
        demand: Finite,
        /// So many.
        instances: u32,
    },
    /// No number of instances keeps the objective at this demand.
    Impossible {
        /// Requests per second.
        demand: Finite,
    },
    /// The backlog of a queue needs so many.
    Backlog {
        /// Messages that wait or are being worked on.
        backlog: Finite,
        /// So many.
        instances: u32,
    },
    /// A message of the queue waits too long.
    OldestTooOld {
        /// How long it waits.
        age: Seconds,
        /// How long it may.
        limit: Seconds,
    },
    /// The formula asks for so many.
    Formula {
        /// Its value.
        value: Finite,
        /// How much of it each instance may have.
        target: Finite,
        /// So many.
        instances: u32,
    },
    /// The value lies outside the bounds within which the policy acts.
    OutOfBounds {
        /// The metric.
        value: Finite,
        /// Lower bound.
        from: Option<Finite>,
        /// Upper bound.
        below: Option<Finite>,
    },
    /// The value lies in a step's band.
    InBand {
        /// The metric.
        value: Finite,
        /// Lower bound.
        from: Option<Finite>,
        /// Upper bound.
        below: Option<Finite>,
    },
    /// The value lies in no band.
    BetweenBands {
        /// The metric.
        value: Finite,
    },
    /// A simple policy's last change is not in effect yet.
    AwaitsChange {
        /// The metric.
        value: Finite,
        /// Which way it would go.
        asks: Direction,
        /// The size that it came to.
        to: u32,
    },
    /// A simple policy's last change is in effect, and it waits to see what comes of it.
    CoolsDown {
        /// The metric.
        value: Finite,
        /// Which way it would go.
        asks: Direction,
        /// Until when.
        until: Timestamp,
    },
    /// No usable value.
    NoValue {
        /// What there was instead.
        sample: Sample,
    },
    /// No data is the alarm.
    MissingIsBreach,
    /// Nobody is in service, so a value per instance says nothing.
    NobodyInService,
    /// Nobody of the pool serves, and others in its groups carry more than the target.
    OthersServe {
        /// What they carry.
        value: Finite,
    },
    /// The window is open.
    WindowOpen {
        /// Until when.
        until: Timestamp,
    },
    /// The window is closed.
    WindowClosed,
}

impl Vote {
    /// Whether it binds without knowing: it has a say, and no usable value behind it.
    #[must_use]
    pub fn binds_unknowing(&self) -> bool {
        self.capacity.is_some() && matches!(self.reason, VoteReason::NoValue { .. } | VoteReason::MissingIsBreach)
    }
}

impl fmt::Display for VoteReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tracked { value, target } => write!(f, "{value} per instance, target {target}"),
            Self::TooFewDatapoints { value } => write!(f, "{value}, but too few datapoints agree"),
            Self::WithinTolerance { value, target, tolerance } => write!(f, "{value} is within {tolerance} of {target}"),
            Self::Needs { demand, instances } => write!(f, "{demand} requests a second need {instances}"),
            Self::Impossible { demand } => write!(f, "no number of instances keeps the objective at {demand} requests a second"),
            Self::Backlog { backlog, instances } => write!(f, "{backlog} messages wait or are in work: {instances} are needed"),
            Self::OldestTooOld { age, limit } => write!(f, "the oldest message waits for {age}, longer than {limit}"),
            Self::Formula { value, target, instances } => write!(f, "{value} at {target} per instance: {instances} are needed"),
            Self::OutOfBounds { value, from, below } => {
                write!(f, "{value} is not ")?;
                match (from, below) {
                    (Some(from), Some(below)) => write!(f, "from {from} to {below}"),
                    (Some(from), None) => write!(f, "{from} or more"),
                    (None, Some(below)) => write!(f, "below {below}"),
                    (None, None) => f.write_str("within bounds"),
                }
            }
            Self::InBand {
                value,
                from: Some(from),
                below: Some(below),
            } => write!(f, "{value} is from {from} to {below}"),
            Self::InBand {
                value,
                from: Some(from),
                below: None,
            } => write!(f, "{value} is {from} or more"),
            Self::InBand {
                value,
                from: None,
                below: Some(below),
            } => write!(f, "{value} is below {below}"),
            Self::InBand { value, .. } => write!(f, "{value}"),
            Self::BetweenBands { value } => write!(f, "{value} is between the steps"),
            Self::AwaitsChange { value, asks, to } => {
                write!(f, "{value} asks for {asks}, but the last change, to {to}, is not in effect yet")
            }
            Self::CoolsDown { value, asks, until } => write!(f, "{value} asks for {asks}, but this policy cools down until {until}"),
            Self::NoValue {
                sample: Sample::Stale { age },
            } => write!(f, "the newest datapoint is {age} old: stale is not zero"),
            Self::NoValue { sample: Sample::NotAsked } => f.write_str("not asked: the fleet is quiet"),
            Self::NoValue {
                sample: Sample::Partial { value, .. },
            } => write!(f, "{value} from some instances only: partial data never removes"),
            Self::NoValue { .. } => f.write_str("no data: missing is not zero"),
            Self::MissingIsBreach => f.write_str("no data, which this policy takes as the alarm"),
            Self::OthersServe { value } => write!(f, "others serve with {value} each: the first instance shows how much of it is ours"),
            Self::NobodyInService => f.write_str("nobody is in service, so a value per instance says nothing"),
            Self::WindowOpen { until } => write!(f, "window open until {until}"),
            Self::WindowClosed => f.write_str("window closed"),
        }
    }
}

/// A guard or floor that changed or stopped a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuardOutcome {
    /// Which, with its input and its limit.
    pub guard: Guard,
    /// The size before it spoke.
    pub before: u32,
    /// The size after.
    pub after: u32,
}

/// The limits, in the order in which they speak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// A scheduled window sets the size as it opens.
    Schedule {
        /// The size.
        desired: u32,
    },
    /// A shift of traffic needs so many.
    TrafficFloor {
        /// So many.
        floor: u32,
    },
    /// Spare instances above what is asked for.
    Reserve {
        /// What votes, floors and guards come to; metrics are read as these alone would have them.
        asked: u32,
        /// So many more are kept.
        spare: u32,
    },
    /// A reserve gives nothing up while a metric is unknown.
    ReserveKept,
    /// The mode allows only some moves.
    Mode {
        /// The mode.
        mode: FleetMode,
    },
    /// An operator's size holds in place of the votes.
    Operator {
        /// The size.
        desired: u32,
        /// Until when.
        until: Timestamp,
    },
    /// An operator's pause.
    Paused {
        /// Until when.
        until: Timestamp,
    },
    /// The pool's bounds, possibly moved by a window.
    Range {
        /// Fewest.
        min: u32,
        /// Most.
        max: u32,
    },
    /// The fleet's maximum over all pools.
    FleetMaximum {
        /// Most for this pool, given what the others have.
        room: u32,
    },
    /// The instances cannot be counted completely, so the size stays.
    Staleness,
    /// Instances that warm up are capacity already.
    Warmup {
        /// So many warm up.
        warming: u32,
    },
    /// The metric was measured before the last removal began, so it cannot justify the next.
    Settling {
        /// When that removal began.
        since: Timestamp,
    },
    /// Only what was recommended throughout the window happens.
    Stabilisation {
        /// Length of the window.
        window: Seconds,
        /// The recommendation of that window that decided.
        decisive: u32,
        /// When it was made.
        at: Timestamp,
    },
    /// Too soon after the last move.
    Cooldown {
        /// Until when.
        until: Timestamp,
    },
    /// Removing would push a metric back to where it adds.
    PostRemoval {
        /// The predicted value.
        predicted: Finite,
        /// What it must stay under.
        limit: Finite,
    },
    /// Draining instances and replacements may exceed the maximum by so many only.
    Surge {
        /// Most instances that may exist at once.
        most: u32,
    },
    /// Launch calls in one plan: EC2 hears only so many at once.
    LaunchCalls {
        /// Most.
        most: u32,
    },
    /// What the fleet has spent today and will spend until midnight leaves no more.
    Spend {
        /// Most for this pool, given what the others have.
        room: u32,
    },
    /// Launches within the last minute.
    LaunchPerTick {
        /// Most.
        limit: u32,
    },
    /// Launches within the last hour.
    LaunchPerHour {
        /// Most.
        limit: u32,
    },
    /// Removals within the last minute.
    RemovalPerTick {
        /// Most.
        limit: u32,
    },
    /// A window is open in which few may leave.
    RemovalWindow {
        /// Most in the whole window.
        max: u32,
        /// When it closes.
        until: Timestamp,
    },
    /// The size goes to and fro: nothing is removed for a while.
    Churn {
        /// Until when, if it does not turn round again.
        until: Timestamp,
    },
    /// Too many sick instances: the cause is not the instances.
    Breaker {
        /// So many are sick.
        unhealthy: u32,
        /// Above so many nothing is replaced.
        limit: u32,
    },
    /// AWS refused the last launch for a reason that a person must mend.
    LaunchRefused {
        /// Not tried again before.
        until: Timestamp,
    },
    /// What was launched last never became healthy.
    LaunchBackoff {
        /// Nothing is launched before.
        until: Timestamp,
    },
    /// The fleet is being deleted.
    Retiring,
}

impl Guard {
    /// The guard's name, as the documentation lists it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Schedule { .. } => "schedule",
            Self::TrafficFloor { .. } => "traffic floor",
            Self::Reserve { .. } => "reserve",
            Self::ReserveKept => "reserve kept",
            Self::Mode { .. } => "mode",
            Self::Operator { .. } => "operator",
            Self::Paused { .. } => "pause",
            Self::Range { .. } => "range",
            Self::FleetMaximum { .. } => "fleet maximum",
            Self::Staleness => "staleness",
            Self::Warmup { .. } => "warm-up",
            Self::Settling { .. } => "settling",
            Self::Stabilisation { .. } => "stabilisation",
            Self::Cooldown { .. } => "cooldown",
            Self::PostRemoval { .. } => "post-removal simulation",
            Self::Surge { .. } => "surge",
            Self::LaunchCalls { .. } => "launch calls",
            Self::Spend { .. } => "spend cap",
            Self::LaunchPerTick { .. } => "launch budget per tick",
            Self::LaunchPerHour { .. } => "launch budget per hour",
            Self::RemovalPerTick { .. } => "removal budget",
            Self::RemovalWindow { .. } => "removal window",
            Self::Churn { .. } => "churn",
            Self::Breaker { .. } => "circuit breaker",
            Self::LaunchRefused { .. } => "launch refused",
            Self::LaunchBackoff { .. } => "launch back-off",
            Self::Retiring => "retiring",
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule { desired } => write!(f, "a window opens with {desired}"),
            Self::TrafficFloor { floor } => write!(f, "a shift of traffic needs {floor}"),
            Self::Reserve { asked, spare } => {
                write!(
                    f,
                    "{spare} in reserve above {asked}; metrics count as {asked} alone would have them"
                )
            }
            Self::ReserveKept => f.write_str("a metric is unknown: the reserve gives nothing up"),
            Self::Mode { mode } => write!(f, "the fleet's mode is {mode}"),
            Self::Operator { desired, until } => write!(f, "an operator wants {desired} until {until}"),
            Self::Paused { until } => write!(f, "paused until {until}"),
            Self::Range { min, max } => write!(f, "between {min} and {max}"),
            Self::FleetMaximum { room } => write!(f, "the fleet's maximum leaves {room}"),
            Self::Staleness => f.write_str("what cannot be counted completely is not sized"),
            Self::Warmup { warming } => write!(f, "{warming} warming up are capacity already"),
            Self::Settling { since } => write!(f, "measured before the last removal, at {since}, took effect"),
            Self::Stabilisation { window, decisive, at } => write!(f, "the last {window} recommended {decisive} ({at})"),
            Self::Cooldown { until } => write!(f, "cooling down until {until}"),
            Self::PostRemoval { predicted, limit } => {
                write!(f, "removing would bring the metric to {predicted}, and it must stay under {limit}")
            }
            Self::Surge { most } => write!(f, "at most {most} may exist at once, leaving and sick ones included"),
            Self::LaunchCalls { most } => write!(f, "at most {most} launch calls at once: EC2's bucket holds no more"),
            Self::Spend { room: 0 } => f.write_str("what is there costs more until midnight UTC than the day's spend cap leaves"),
            Self::Spend { room } => write!(f, "the day's spend cap leaves {room} until midnight UTC"),
            Self::LaunchPerTick { limit } => write!(f, "at most {limit} launches a minute"),
            Self::LaunchPerHour { limit } => write!(f, "at most {limit} launches an hour"),
            Self::RemovalPerTick { limit } => write!(f, "at most {limit} removals a minute"),
            Self::RemovalWindow { max, until } => write!(f, "at most {max} leave until the window closes at {until}"),
            Self::Churn { until } => write!(f, "the size goes to and fro: nobody leaves before {until}"),
            Self::Breaker { unhealthy, limit } => write!(f, "{unhealthy} are unhealthy, more than {limit}: nothing is replaced"),
            Self::LaunchRefused { until } => write!(f, "AWS refused the last launch; not tried again before {until}"),
            Self::LaunchBackoff { until } => write!(f, "what was launched last never became healthy; nothing is launched before {until}"),
            Self::Retiring => f.write_str("the fleet is being deleted"),
        }
    }
}

/// Something worth telling about a fleet or one of its instances, beside its size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// No complete list of instances: nothing is concluded from absence.
    InstancesUnknown,
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
    /// An instance is replaced although it is well; its replacement comes first.
    Renews {
        /// Which.
        instance: InstanceId,
        /// Why.
        why: RenewReason,
    },
    /// A refresh goes on, waits, or has ended.
    Refreshing {
        /// How far it is.
        progress: Progress,
    },
    /// An instance says that it has finished, and nobody asked it to leave: it is replaced.
    GaveUp {
        /// Which.
        instance: InstanceId,
    },
    /// An instance leaves, and its tag still does not say so: it is waited for until its deadline.
    NotTold {
        /// Which.
        instance: InstanceId,
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
    /// A quota of the account is reached: nothing is launched in this market for a while.
    MarketOff {
        /// Which.
        market: Market,
        /// Until when.
        until: Timestamp,
        /// AWS's error code.
        code: String,
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
    /// The zone of a subnet is not known: `apply` again.
    ZoneUnknown {
        /// The subnet.
        subnet: crate::id::SubnetId,
    },
}

impl Finding {
    /// Whether somebody should be told at night.
    #[must_use]
    pub fn is_alert(&self) -> bool {
        matches!(
            self,
            Self::UnknownInstances { .. }
                | Self::MarketOff { .. }
                | Self::NoPool { .. }
                | Self::ZoneUnknown { .. }
                | Self::LaunchGivenUp { .. }
                | Self::FailOpen { .. }
                | Self::Churn { .. }
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstancesUnknown => f.write_str("the list of instances is incomplete: nothing is concluded from absence"),
            Self::OperatorHolds {
                by,
                desired,
                until,
                reason,
            } => write!(f, "operator {by}: {desired} until {until}, {reason}"),
            Self::OperatorRefused { by, why } => write!(f, "a request of {by} is refused: {why}"),
            Self::GroupUnknown { group } => write!(f, "target group {group} could not be read"),
            Self::Drains { instance, why } if why.is_of_warm() => write!(f, "removing {instance}: {why}"),
            Self::Drains { instance, why } => write!(f, "draining {instance}: {why}"),
            Self::TakenBack { instance } => write!(f, "{instance} is needed again and taken back"),
            Self::TakenIn { instance } => write!(f, "{instance} was to be kept warm and is needed: taken in"),
            Self::Renews { instance, why } => write!(f, "replacing {instance}, a new one first: {why}"),
            Self::Refreshing { progress } => write!(f, "refresh: {progress}"),
            Self::GaveUp { instance } => write!(f, "{instance} says that it has finished and was not asked to leave: to be replaced"),
            Self::NotTold { instance } => write!(
                f,
                "{instance} leaves and its tag `{}` could not be set: may the role tag?",
                tag::STATE
            ),
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
            Self::Stopped { instance } => write!(f, "{instance} was stopped by somebody: not counted, left alone"),
            Self::RebalanceHint { instance } => write!(f, "AWS may reclaim {instance}: only noted"),
            Self::LaunchGivenUp { count } => write!(f, "a launch of {count} was never found: no longer counted"),
            Self::NoOffering { count } => write!(f, "no offering has capacity for {count} more: not asked again for a while"),
            Self::OtherMarket { count, wanted, taken } => {
                write!(f, "no {wanted} capacity: {count} are launched {} instead", taken.adverb())
            }
            Self::MarketOff { market, until, code } => {
                write!(f, "nothing is launched {} before {until}: {code}", market.adverb())
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
            Self::ZoneUnknown { subnet } => write!(f, "the zone of {subnet} is not known; `ghostnet apply` the fleet again"),
        }
    }
}
