//! What an operator asks: a size that holds for a time in place of the votes and always ends, or a refresh.
//!
//! A request is taken in once. It carries the moment at which it was issued: an older one than the last that was heard changes
//! nothing, so a duplicate, a retry or a late arrival never undoes what somebody asked for since.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{FleetId, InstanceId, PoolId, Zone};
use crate::plan::CLOCK_SKEW_MAX;
use crate::refresh::{RefreshRefused, RefreshRequest};
use crate::signal::EVENT_AGE_MAX;
use crate::spec::FleetMode;
use crate::unit::Seconds;

/// Longest time that an operator's size may hold: the longest shift of Amazon's Application Recovery Controller.
pub const HOLD_MAX: Seconds = Seconds(72 * 3_600);
/// A request from further in the future comes from a clock that is wrong, and would keep back everybody else's.
pub const AHEAD_MAX: Seconds = Seconds(60);

/// What an operator asks of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRequest {
    /// The fleet.
    pub fleet: FleetId,
    /// The pool; none: the one that takes traffic, for a size; else every pool, or every one that it means something to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolId>,
    /// What is asked, by whom, and when.
    pub asked: Asked,
}

/// What somebody asked of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who.
    pub by: String,
    /// When it was issued; orders the requests.
    pub at: Timestamp,
    /// What.
    pub wish: Wish,
}

/// A size for a time, or its end; a refresh; or instances that are handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// So many instances until then.
    Hold {
        /// So many.
        desired: u32,
        /// Until then.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// The policies go on.
    Clear,
    /// A zone is left until then. Remembered beside a size, zone by zone.
    Evacuate {
        /// Which.
        zone: Zone,
        /// Until then.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// A zone that was left is used again.
    UseAgain {
        /// Which.
        zone: Zone,
    },
    /// Instances are replaced, or are no longer. Remembered by the refresh itself, never in place of a size.
    Refresh(RefreshRequest),
    /// These instances, which the operator has tagged as the pool's, belong to it from now on, and its size is raised with them.
    /// Nothing of it is remembered but the members.
    HandOver {
        /// Which.
        instances: Vec<InstanceId>,
    },
}

/// A zone that an operator has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evacuation {
    /// Who asked last.
    pub by: String,
    /// When it was issued; orders the requests about this zone.
    pub at: Timestamp,
    /// Until then; not after `at` where it was ended.
    pub until: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Evacuation {
    /// Whether the zone is left now. One that was ended is not, by whichever clock.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.at < self.until && now < self.until
    }
}

/// A size that holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// So many.
    pub desired: u32,
    /// Until then.
    pub until: Timestamp,
}

impl Asked {
    /// The size that holds now, if one does.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> Option<Held> {
        match &self.wish {
            Wish::Hold { desired, until, .. } if now < *until => Some(Held {
                desired: *desired,
                until: *until,
            }),
            Wish::Hold { .. } | Wish::Clear | Wish::Evacuate { .. } | Wish::UseAgain { .. } | Wish::Refresh(_) | Wish::HandOver { .. } => {
                None
            }
        }
    }

    /// Whether nothing depends on it any more: it is over, and so is the time in which an older request could still arrive.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.in_force(now).is_none() && now > heard_until(self.at)
    }

    /// Why it cannot be taken in now, whichever pool it is for.
    pub(crate) fn fault(&self, now: Timestamp) -> Option<Refused> {
        let (age, ahead) = (Seconds::between(self.at, now), Seconds::between(now, self.at));
        if age > EVENT_AGE_MAX {
            return Some(Refused::Old { age });
        }
        if ahead > AHEAD_MAX {
            return Some(Refused::Ahead { ahead });
        }
        match &self.wish {
            Wish::Hold { until, .. } | Wish::Evacuate { until, .. } if Seconds::between(self.at, *until) > HOLD_MAX => {
                Some(Refused::TooLong)
            }
            Wish::Hold { until, .. } | Wish::Evacuate { until, .. } if now >= *until => Some(Refused::Over { until: *until }),
            Wish::Hold { .. } | Wish::Clear | Wish::Evacuate { .. } | Wish::UseAgain { .. } | Wish::Refresh(_) | Wish::HandOver { .. } => {
                None
            }
        }
    }
}

/// Until when an older request than one that was issued then may still be heard, be it by a clock that is behind.
pub(crate) fn heard_until(at: Timestamp) -> Timestamp {
    CLOCK_SKEW_MAX.after(EVENT_AGE_MAX.after(at))
}

/// Why a request changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// It arrived too late.
    Old {
        /// So late.
        age: Seconds,
    },
    /// It comes from a clock that runs ahead.
    Ahead {
        /// So far.
        ahead: Seconds,
    },
    /// It would hold too long.
    TooLong,
    /// Its own time is over.
    Over {
        /// Since then.
        until: Timestamp,
    },
    /// Somebody asked later.
    Superseded {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The fleet has no such pool.
    NoSuchPool {
        /// Its name.
        pool: PoolId,
    },
    /// No pool that is meant launches into such a zone.
    NoSuchZone {
        /// Its name.
        zone: Zone,
    },
    /// There is no other zone to go to.
    LastZone {
        /// Its name.
        zone: Zone,
    },
    /// Outside of the pool's bounds, as open windows move them.
    OutOfRange {
        /// What was asked for.
        desired: u32,
        /// Fewest.
        min: u32,
        /// Most.
        max: u32,
    },
    /// The fleet is being deleted.
    Retiring,
    /// What it asks is not done in this mode.
    Mode {
        /// The fleet's.
        mode: FleetMode,
    },
    /// A refresh that cannot be.
    Refresh(RefreshRefused),
    /// So many are not taken in at once.
    TooMany {
        /// At most.
        most: usize,
    },
    /// EC2's list of instances is not complete now.
    ListUnknown,
    /// Not seen running with the pool's tags.
    NotHere {
        /// Which.
        instances: Vec<InstanceId>,
    },
    /// Somebody's size holds, and more instances are beside it.
    SizeHolds {
        /// Until then.
        until: Timestamp,
    },
    /// With them there would be more than there may be.
    NoRoom {
        /// So many.
        desired: u32,
        /// Most.
        max: u32,
    },
}

impl Refused {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Old { .. } | Self::Ahead { .. } => "check the clock of the machine that asked, then ask again",
            Self::TooLong => "ask for less with `--for`; what holds for longer belongs into the spec",
            Self::Over { .. } => "ask again",
            Self::Superseded { .. } => "`ghostnet status` shows what holds; ask again if it should not",
            Self::NoSuchPool { .. } => "`ghostnet status` lists the pools",
            Self::NoSuchZone { .. } => "the zones are those of `launch.subnets`; `ghostnet status FLEET --instances` shows who is where",
            Self::LastZone { .. } => "add a subnet of another zone to `launch.subnets`, or have another zone used again with `--end`",
            Self::OutOfRange { .. } => "ask for a size within the bounds, or change `capacity` in the spec and `ghostnet apply` it",
            Self::Retiring => "it goes to zero, whatever anybody asks for",
            Self::Mode { .. } => "set `mode: on` in the spec and `ghostnet apply` it",
            Self::Refresh(refused) => refused.hint(),
            Self::TooMany { .. } => "hand them over in several goes",
            Self::ListUnknown => "ask again",
            Self::NotHere { .. } => "EC2 shows a new tag within seconds: ask again",
            Self::SizeHolds { .. } => "`ghostnet scale FLEET --clear` gives the size up",
            Self::NoRoom { .. } => "raise `capacity.max`, or the fleet's `maximum`, and `ghostnet apply` it",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old { age } => write!(f, "issued {age} ago, and one older than {EVENT_AGE_MAX} is no wish any more"),
            Self::Ahead { ahead } => write!(f, "issued {ahead} in the future"),
            Self::TooLong => write!(f, "it may hold for {HOLD_MAX} at most"),
            Self::Over { until } => write!(f, "its time was over at {until}"),
            Self::Superseded { by, at } => write!(f, "{by} asked later, at {at}"),
            Self::NoSuchPool { pool } => write!(f, "the fleet has no pool `{pool}`"),
            Self::NoSuchZone { zone } => write!(f, "no pool launches into `{zone}`"),
            Self::LastZone { zone } => write!(f, "there is no other zone than `{zone}` to go to"),
            Self::OutOfRange { desired, min, max } => write!(f, "{desired} is not between {min} and {max}"),
            Self::Retiring => f.write_str("the fleet is being deleted"),
            Self::Mode { mode } => write!(f, "nobody is replaced in mode `{mode}`"),
            Self::Refresh(refused) => refused.fmt(f),
            Self::TooMany { most } => write!(f, "at most {most} instances are taken in at once"),
            Self::ListUnknown => f.write_str("the list of instances is incomplete"),
            Self::NotHere { instances } => {
                let ids: Vec<&str> = instances.iter().map(InstanceId::as_str).collect();
                write!(f, "not seen running with the pool's tags: {}", ids.join(", "))
            }
            Self::SizeHolds { until } => write!(f, "an operator's size holds until {until}"),
            Self::NoRoom { desired, max } => write!(f, "with them there are {desired}, and there may be {max}"),
        }
    }
}
