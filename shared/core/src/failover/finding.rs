//! What is worth telling of a look at the traffic.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fence::Fenced;
use super::gate::Readiness;
use crate::id::{AlarmName, InstanceId, PoolId, RouteId};
use crate::state::{DrillOutcome, ShiftReason, SignalKind};

/// What is worth telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrafficFinding {
    /// The side that takes traffic was never seen well: it may be starting, so nothing fails over from it.
    NotArmed {
        /// Which.
        pool: PoolId,
    },
    /// One kind of signal says that a side is down; another one must agree.
    Suspect {
        /// Which.
        pool: PoolId,
        /// The kinds that say it.
        by: Vec<SignalKind>,
    },
    /// Traffic is to leave a side.
    Leaves {
        /// From.
        from: PoolId,
        /// To.
        to: PoolId,
        /// Why.
        why: ShiftReason,
    },
    /// Where every side is active: this one is to take no traffic.
    TakesNone {
        /// Which.
        pool: PoolId,
        /// Why.
        why: ShiftReason,
    },
    /// Where every side is active: this one is to take its share again.
    TakesItsShare {
        /// Which.
        pool: PoolId,
        /// Why.
        why: ShiftReason,
    },
    /// The destination cannot take the traffic yet.
    Waits {
        /// The destination.
        to: PoolId,
        /// What it has, and what it needs.
        readiness: Readiness,
    },
    /// Where only one side may ever serve: from now on this one is kept out, and nobody answers until another one is let in.
    Fences {
        /// Which.
        pool: PoolId,
    },
    /// It is not out yet, or nobody else is ready: the other side waits.
    FenceHolds {
        /// How far it is.
        fenced: Fenced,
        /// Whether it takes longer than the spec allows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
    },
    /// An operator has another side let in although this one was not seen to be out.
    PastFence {
        /// How far it is.
        fenced: Fenced,
    },
    /// A side is kept out no longer: it comes back into its target groups.
    Unfenced {
        /// Which.
        pool: PoolId,
    },
    /// Nobody can serve: something else answers.
    Degrades {
        /// Who had the traffic.
        pool: PoolId,
    },
    /// A side takes the traffic again.
    ServesAgain {
        /// Which.
        pool: PoolId,
    },
    /// The side that takes traffic is down, and no other can take it.
    NobodyCanServe {
        /// Which is down.
        pool: PoolId,
    },
    /// It would be the second move within the dwell: a person must look.
    WouldFlap {
        /// Which is down.
        pool: PoolId,
        /// Nothing moves by itself before.
        until: Timestamp,
    },
    /// The weights are being set, or targets swapped.
    Moves {
        /// To.
        to: PoolId,
        /// Who leaves the target groups that both have; none: weights are set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaves: Option<PoolId>,
        /// Whether it is one instance of the side that is led to: no weights are set.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        leads: bool,
    },
    /// Addresses and lines of route tables lead to this instance from now on.
    LeadsTo {
        /// Which.
        instance: InstanceId,
    },
    /// The weights were seen to be set, or the targets swapped.
    Moved {
        /// To.
        to: PoolId,
        /// Whether it is a drill, or its end: that wakes nobody.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        drill: bool,
    },
    /// A shift that an operator asked for was given up: its destination did not become ready in half an hour.
    GaveUp {
        /// The destination.
        to: PoolId,
    },
    /// A shift was called off before anything moved: by an operator, because its destination fell ill, or because for half an hour less than
    /// two kinds of signal spoke against the source.
    Cancelled {
        /// The destination.
        to: PoolId,
    },
    /// The side recovered before the traffic moved.
    Recovered {
        /// Which.
        pool: PoolId,
    },
    /// Somebody else changed a route meanwhile: left alone.
    ForeignEdit {
        /// Which.
        route: RouteId,
    },
    /// A route that is to be set cannot be read, or does not exist any more: the move stays open until it can.
    Unread {
        /// Which.
        route: RouteId,
    },
    /// Something else answered on a route already when that was noted, so nobody knows what it did before.
    Forgotten {
        /// Which.
        route: RouteId,
        /// Whether it is set by the spec; else it is left as it is.
        set: bool,
    },
    /// A drill by the schedule does not begin yet.
    DrillWaits {
        /// Why.
        why: Refusal,
    },
    /// A drill has ended: the traffic is to come back.
    DrillEnds {
        /// What came of it.
        why: DrillOutcome,
    },
    /// What an operator asked changed nothing.
    Refused {
        /// Why.
        why: Refusal,
    },
}

/// Why a request changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The fleet has no such pool.
    NoSuchPool {
        /// Its name.
        pool: PoolId,
    },
    /// It takes the traffic already.
    IsActive {
        /// Which.
        pool: PoolId,
    },
    /// A shift is under way.
    Shifts {
        /// To there.
        to: PoolId,
    },
    /// Nothing was moved that could go back.
    NothingMoved,
    /// Not even by force: its groups are behind no rule.
    CannotReach {
        /// Which.
        pool: PoolId,
    },
    /// Not even by force: what would have to lead to this side leads to something that is none of the fleet's, or could not be read.
    LeadsElsewhere {
        /// Which.
        pool: PoolId,
    },
    /// The fleet is paused, or its mode forbids it.
    NotAllowed,
    /// Nobody can serve, and something else answers.
    Degraded,
    /// It arrived too late, or comes from a clock that runs ahead.
    BadTime,
    /// The spec says nothing of drills.
    NoDrill,
    /// No window for drills is open, or it closes too soon.
    NoDrillNow,
    /// Traffic moved within the dwell.
    MovedLately {
        /// No drill before.
        until: Timestamp,
    },
    /// An alarm is off that no drill may begin beside.
    DrillBlocked {
        /// Which.
        alarm: AlarmName,
    },
    /// Of an alarm that a drill needs nobody knows that it is well.
    AlarmUnknown {
        /// Which.
        alarm: AlarmName,
    },
    /// Something speaks against a side, or it was never seen well.
    NotWell {
        /// Which.
        pool: PoolId,
    },
}

impl TrafficFinding {
    /// Whether somebody should be told at night.
    #[must_use]
    pub fn is_alert(&self) -> bool {
        matches!(
            self,
            Self::Leaves { .. }
                | Self::TakesNone { .. }
                | Self::TakesItsShare { .. }
                | Self::NobodyCanServe { .. }
                | Self::Degrades { .. }
                | Self::ServesAgain { .. }
                | Self::WouldFlap { .. }
                | Self::Moved { drill: false, .. }
                | Self::ForeignEdit { .. }
                | Self::Unread { .. }
                | Self::Forgotten { .. }
                | Self::GaveUp { .. }
                | Self::FenceHolds { late: true, .. }
                | Self::PastFence { .. }
        ) && !matches!(
            self,
            Self::Leaves {
                why: ShiftReason::Drill { .. } | ShiftReason::DrillOver { .. },
                ..
            }
        ) || matches!(self, Self::DrillEnds { why } if *why != DrillOutcome::Passed)
    }
}

impl Refusal {
    /// What to do about it. `FLEET` stands for the fleet.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoSuchPool { .. } | Self::IsActive { .. } => "`ghostnet status FLEET` lists the pools, and which one takes the traffic",
            Self::Shifts { .. } => "`ghostnet status FLEET` shows how far it is; ask again when it is over",
            Self::NothingMoved => "`ghostnet failover FLEET --to POOL` moves it",
            Self::CannotReach { .. } => {
                "every route of `failover.lever` has a destination of each side, its target group, record or endpoint; a standby's has weight 0"
            }
            Self::LeadsElsewhere { .. } => "lead it to an instance of the fleet, or to nothing: it is followed from then on",
            Self::Degraded => {
                "a side serves again as soon as it is ready; `ghostnet failover FLEET --to POOL --force` does not wait for that"
            }
            Self::NotAllowed => "`ghostnet resume FLEET` ends a pause; `mode: on` in the spec lets it act",
            Self::NoDrill => "add `failover.drill` to the spec: how long one lasts, and which alarms end it",
            Self::NoDrillNow => "`failover.drill.cron` says when; a drill must be over before its window closes",
            Self::MovedLately { .. } => "wait for the dwell: `ghostnet status FLEET` shows the last move",
            Self::DrillBlocked { .. } => "see to what the alarm tells first",
            Self::AlarmUnknown { .. } => {
                "it must exist in the fleet's region and be `OK`; give it `TreatMissingData: notBreaching` if no data is no news"
            }
            Self::NotWell { .. } => "`ghostnet status FLEET` shows what speaks against it; drill when both sides are well",
            Self::BadTime => "check the clock of the machine that asked, then ask again",
        }
    }
}

fn kinds(by: &[SignalKind]) -> String {
    let names: Vec<String> = by.iter().map(ToString::to_string).collect();
    names.join(" and ")
}

impl fmt::Display for TrafficFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotArmed { pool } => write!(f, "{pool} was never seen well: nothing fails over from it yet"),
            Self::Suspect { pool, by } => write!(f, "{pool} may be down by {}: another kind of signal must agree", kinds(by)),
            Self::Leaves { from, to, why } => write!(f, "traffic leaves {from} for {to}: {why}"),
            Self::TakesNone { pool, why } => write!(f, "{pool} is to take no traffic: {why}"),
            Self::TakesItsShare { pool, why } => write!(f, "{pool} is to take its share again: {why}"),
            Self::Fences { pool } => write!(
                f,
                "{pool} is taken out of its target groups: nobody answers until another side is let in"
            ),
            Self::FenceHolds { fenced, late: false } => write!(f, "{fenced}"),
            Self::FenceHolds { fenced, late: true } => write!(f, "{fenced}: that takes too long, and no other side is let in"),
            Self::PastFence { fenced } => write!(f, "an operator has another side let in: {fenced}"),
            Self::Unfenced { pool } => write!(f, "{pool} is kept out no longer"),
            Self::Degrades { pool } => write!(f, "nobody can serve: something else answers in place of {pool}"),
            Self::ServesAgain { pool } => write!(f, "{pool} can serve: it takes the traffic again"),
            Self::Waits { to, readiness } => write!(f, "{to} is not ready: {readiness}"),
            Self::NobodyCanServe { pool } => write!(f, "{pool} is down, and no other side can take its traffic"),
            Self::WouldFlap { pool, until } => write!(
                f,
                "{pool} is down, and traffic moved lately: nothing moves by itself before {until}"
            ),
            Self::Moves { to, leads: true, .. } => write!(f, "addresses and routes go to {to}"),
            Self::Moves { to, leaves: None, .. } => write!(f, "setting the weights for {to}"),
            Self::Moves {
                to, leaves: Some(from), ..
            } => write!(f, "{to} is in the target groups, and {from} leaves them"),
            Self::LeadsTo { instance } => write!(f, "addresses and routes lead to {instance}"),
            Self::Moved { to, .. } => write!(f, "traffic is at {to}"),
            Self::GaveUp { to } => write!(f, "{to} did not become ready in half an hour: traffic stays"),
            Self::Cancelled { to } => write!(f, "the move to {to} is called off: nothing had moved"),
            Self::Recovered { pool } => write!(f, "{pool} is well again: traffic stays"),
            Self::ForeignEdit { route } => write!(f, "somebody else changed {route}: left alone"),
            Self::Unread { route } => write!(f, "{route} cannot be read: the move waits for it"),
            Self::Forgotten { route, set: true } => write!(f, "what {route} did before is forgotten: set by the spec"),
            Self::Forgotten { route, set: false } => write!(f, "what {route} did before is forgotten: somebody must set it"),
            Self::DrillWaits { why } => write!(f, "no drill yet: {why}"),
            Self::DrillEnds { why } => write!(f, "the drill is over: {why}"),
            Self::Refused { why } => write!(f, "refused: {why}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPool { pool } => write!(f, "the fleet has no pool `{pool}`"),
            Self::IsActive { pool } => write!(f, "`{pool}` takes the traffic already"),
            Self::Shifts { to } => write!(f, "traffic is on its way to `{to}`"),
            Self::NothingMoved => f.write_str("nothing was moved that could go back"),
            Self::CannotReach { pool } => write!(f, "no route leads to `{pool}`, so nothing checks it and nothing could move there"),
            Self::LeadsElsewhere { pool } => write!(
                f,
                "nothing can be led to `{pool}`: an address or a line of a route table leads to what is no instance of the fleet, or could not be read"
            ),
            Self::Degraded => f.write_str("nobody can serve, and something else answers"),
            Self::NotAllowed => f.write_str("the fleet is paused, or its mode forbids it"),
            Self::NoDrill => f.write_str("the spec says nothing of drills"),
            Self::NoDrillNow => f.write_str("no window for drills is open, or it closes before one would be over"),
            Self::MovedLately { until } => write!(f, "traffic moved lately: no drill before {until}"),
            Self::DrillBlocked { alarm } => write!(f, "the alarm {alarm} is off"),
            Self::AlarmUnknown { alarm } => write!(f, "nobody knows whether the alarm {alarm} is off"),
            Self::NotWell { pool } => write!(f, "something speaks against {pool}, or it was never seen well"),
            Self::BadTime => f.write_str("issued more than ten minutes ago, or in the future"),
        }
    }
}

impl fmt::Display for ShiftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down { by } => write!(f, "it is down by {}", kinds(by)),
            Self::Asked {
                by, reason, forced: false, ..
            } => write!(f, "{by} asks: {reason}"),
            Self::Asked { by, reason, .. } => write!(f, "{by} forces it: {reason}"),
            Self::WellAgain => f.write_str("the side that it had left is well again"),
            Self::CanServe { forced: false, .. } => f.write_str("nobody could serve, and it can"),
            Self::CanServe { forced: true, .. } => f.write_str("nobody could serve, and an operator has it serve"),
            Self::Drill { by, reason } => write!(f, "a drill by {by}: {reason}"),
            Self::DrillOver { why } => write!(f, "the drill is over: {why}"),
            Self::Expired => f.write_str("the time for which an operator had asked is over"),
        }
    }
}
