//! Guards and floors: what changed or stopped a number, with its input and its limit.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::spec::FleetMode;
use crate::unit::{Finite, Seconds};

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
    /// The side only stands by, and no policy has anything to measure.
    Rests,
    /// The side is kept out while another one is let in.
    Fenced,
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
    /// A reserve gives nothing up while a metric is unknown, or a policy asks for more or waits for datapoints.
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
    /// A zone is out: what it did is for the others to do, and nobody is too many.
    ZoneOutage {
        /// Until when, if there is no more evidence of it.
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
            Self::Rests => "rest",
            Self::Fenced => "fence",
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
            Self::ZoneOutage { .. } => "zone outage",
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
            Self::Rests => f.write_str("the side only stands by: no more is kept than it must have ready"),
            Self::Fenced => f.write_str("the side is kept out while another one is let in: it keeps its size"),
            Self::TrafficFloor { floor } => write!(f, "a shift of traffic needs {floor}"),
            Self::Reserve { asked, spare } => {
                write!(
                    f,
                    "{spare} in reserve above {asked}; metrics count as {asked} alone would have them"
                )
            }
            Self::ReserveKept => {
                f.write_str("a metric is unknown, or a policy asks for more or waits for datapoints: the reserve gives nothing up")
            }
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
            Self::ZoneOutage { until } => write!(f, "a zone is out: nobody leaves before {until}"),
            Self::Breaker { unhealthy, limit } => write!(f, "{unhealthy} are unhealthy, more than {limit}: nothing is replaced"),
            Self::LaunchRefused { until } => write!(f, "AWS refused the last launch; not tried again before {until}"),
            Self::LaunchBackoff { until } => write!(f, "what was launched last never became healthy; nothing is launched before {until}"),
            Self::Retiring => f.write_str("the fleet is being deleted"),
        }
    }
}
