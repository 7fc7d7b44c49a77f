//! How a fleet's traffic stands: who takes it, whether it would leave a side that fails, and what moved last.

use std::collections::BTreeMap;
use std::fmt;

use ghostnet_core::failover::{Readiness, TrafficObservation, TrafficSituation, TrafficStanding, stand};
use ghostnet_core::id::{Epoch, InstanceId, PoolId, RouteId};
use ghostnet_core::record::Inputs;
use ghostnet_core::spec::{FleetMode, FleetSpec};
use ghostnet_core::state::{AtRisk, Drill, Moved, Sharing, Shift, ShiftReason, SignalKind, Stage};
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;
use serde::Serialize;

/// The traffic of one fleet.
#[derive(Debug, Serialize)]
pub(crate) struct TrafficStatus {
    /// The sides that take it: one, or those that share it.
    pub(crate) takers: Vec<PoolId>,
    /// Of the traffic state.
    pub(crate) epoch: Epoch,
    /// Whether each of them was ever seen well: before, nothing fails over from it.
    pub(crate) armed: bool,
    /// Kinds of signal by which one of them is down; two are needed.
    pub(crate) down_by: BTreeMap<PoolId, Vec<SignalKind>>,
    /// The sides that take none, by name; where all share it, each of them.
    pub(crate) sides: Vec<SideStatus>,
    /// What would come of a failure now.
    pub(crate) outlook: Outlook,
    /// A move that is under way.
    pub(crate) shift: Option<ShiftStatus>,
    /// The instance that addresses and lines of route tables lead to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) leads_to: Option<InstanceId>,
    /// How far a side that is kept out is out, where only one may ever serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fenced: Option<FencedStatus>,
    /// The last one that ended.
    pub(crate) last_move: Option<MoveStatus>,
    /// The drill that is under way, or the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drill: Option<DrillStatus>,
}

/// A side that is kept out while another one is let in.
#[derive(Debug, Serialize)]
pub(crate) struct FencedStatus {
    /// Since when.
    pub(crate) since: Timestamp,
    /// How far it is, in words.
    pub(crate) told: String,
}

/// A drill, and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct DrillStatus {
    /// From this side.
    pub(crate) from: PoolId,
    /// To this side.
    pub(crate) to: PoolId,
    /// Who asked for it; `schedule`: the spec.
    pub(crate) by: String,
    /// When it began.
    pub(crate) begun_at: Timestamp,
    /// From then until the weights were seen to be set.
    pub(crate) to_shift: Option<Seconds>,
    /// Whether its traffic has yet to move there or back.
    pub(crate) is_running: bool,
    /// What ended it, in words.
    pub(crate) outcome: Option<String>,
    /// From its end until the traffic was seen to be back.
    pub(crate) to_recover: Option<Seconds>,
    /// Requests that came while the weights were being set, there and back; none: nobody knows, or it is not over.
    pub(crate) requests_at_risk: AtRisk,
}

/// A side that takes no traffic, and what it has; or one that takes some, and what the others have for its share.
#[derive(Debug, Serialize)]
pub(crate) struct SideStatus {
    /// Which.
    pub(crate) id: PoolId,
    /// Whether it takes some.
    pub(crate) takes: bool,
    /// Healthy instances, by checks that run.
    pub(crate) healthy: u32,
    /// So many are needed.
    pub(crate) needed: u32,
    /// Kinds of signal by which it is down.
    pub(crate) down_by: Vec<SignalKind>,
    /// Listeners and rules that forward to none of its groups, or cannot be read.
    pub(crate) unreachable: Vec<RouteId>,
}

/// A move that is under way.
#[derive(Debug, Serialize)]
pub(crate) struct ShiftStatus {
    /// From this side.
    pub(crate) from: PoolId,
    /// To this side.
    pub(crate) to: PoolId,
    /// Why, in words.
    pub(crate) why: String,
    /// Since when.
    pub(crate) since: Timestamp,
    /// How far it is.
    pub(crate) stage: ShiftStage,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShiftStage {
    /// The destination grows.
    Preparing,
    /// The rules are being set.
    Moving,
}

/// A move that ended.
#[derive(Debug, Serialize)]
pub(crate) struct MoveStatus {
    /// From this side.
    pub(crate) from: PoolId,
    /// To this side.
    pub(crate) to: PoolId,
    /// Why, in words.
    pub(crate) why: String,
    /// When the rules were seen to be set.
    pub(crate) at: Timestamp,
    /// Then the traffic comes back.
    pub(crate) until: Option<Timestamp>,
}

/// What would come of a failure of the side that takes the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outlook {
    /// A move is under way already.
    Moving,
    /// Nobody can serve, and something else answers.
    Degraded,
    /// The fleet is paused, or its mode forbids it.
    NotAllowed,
    /// The side was never seen well.
    NotArmed,
    /// It moved by itself within the dwell: it would alert.
    Alert,
    /// The traffic would move at once.
    Succeed,
    /// A rule forwards to none of the other side's groups.
    Unreachable,
    /// It would wait for capacity.
    Wait,
    /// The others are down as well.
    Nobody,
}

impl ShiftStage {
    /// In a word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Moving => "moving",
        }
    }
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Moving => "on its way",
            Self::Degraded => "nobody can serve: something else answers until a side is ready",
            Self::NotAllowed => "nothing moves: the fleet is paused, or its mode forbids it",
            Self::NotArmed => "nothing fails over before the failover function has seen that side well",
            Self::Alert => "moved lately: would alert and not move",
            Self::Succeed => "would succeed now",
            Self::Unreachable => "no side is named by every rule: it would only alert",
            Self::Wait => "would wait for capacity first",
            Self::Nobody => "nobody could take it",
        })
    }
}

/// How the traffic stands, by a look at the fleet and one at its traffic; none without `failover` in its spec.
pub(crate) fn status(spec: &FleetSpec, inputs: &Inputs, observation: Option<&TrafficObservation>) -> Option<TrafficStatus> {
    let failover = spec.failover.as_ref()?;
    let situation = TrafficSituation {
        spec,
        failover,
        capacity: &inputs.state,
        traffic: &inputs.traffic,
        observation: observation?,
        asked: None,
        now: inputs.now,
        execute_until: inputs.execute_until,
    };
    let standing = stand(&situation);
    let traffic = &inputs.traffic;
    let outlook = outlook(&situation, &standing);
    let fenced = traffic.fence.as_ref().zip(standing.fenced.as_ref());
    let fenced = fenced.map(|(fence, fenced)| FencedStatus {
        since: fence.since,
        told: fenced.to_string(),
    });
    let takers: Vec<PoolId> = traffic.takers(spec).into_iter().cloned().collect();
    let side = |(id, readiness): (PoolId, Readiness)| SideStatus {
        takes: takers.contains(&id),
        id,
        healthy: readiness.healthy,
        needed: readiness.needed,
        down_by: readiness.down_by,
        unreachable: readiness.unreachable,
    };
    let sides = standing.readiness.into_iter().map(side).collect();
    Some(TrafficStatus {
        takers,
        epoch: traffic.epoch,
        armed: is_armed(&situation),
        down_by: standing.down_by,
        sides,
        outlook,
        shift: traffic.shift.as_ref().map(shift_status),
        leads_to: traffic.holder.as_ref().map(|holder| holder.instance.clone()),
        fenced,
        last_move: traffic.moved.as_ref().map(move_status),
        drill: traffic.drill.as_ref().map(drill_status),
    })
}

/// As the function that moves traffic has it on record.
fn is_armed(situation: &TrafficSituation<'_>) -> bool {
    let traffic = situation.traffic;
    let was_well = |side: &&PoolId| traffic.sides.get(*side).is_some_and(|side| side.armed);
    traffic.takers(situation.spec).iter().all(was_well)
}

fn outlook(situation: &TrafficSituation<'_>, standing: &TrafficStanding) -> Outlook {
    let pause = situation.capacity.pause.as_ref();
    let paused = pause.is_some_and(|pause| situation.now < pause.until);
    let takers = situation.traffic.takers(situation.spec);
    // where sides share it, others may leave within the dwell, but not one that just came back
    let came_back = |sharing: &Sharing| takers.iter().all(|side| sharing.out_before.contains(*side));
    let holds = |moved: &&Moved| moved.why.is_by_itself() && moved.sharing.as_ref().is_none_or(came_back);
    let moved = situation.traffic.moved.as_ref().filter(holds);
    let dwells = moved.is_some_and(|moved| situation.now < situation.failover.dwell.after(moved.at));
    // one of several that share it fails: whichever, the others must be able to take its share
    let is_asked = |side: &PoolId| takers.len() < 2 || takers.contains(&side);
    let asked = || {
        standing
            .readiness
            .iter()
            .filter(|(side, _)| is_asked(side))
            .map(|(_, readiness)| readiness)
    };
    let up = || asked().filter(|side| side.down_by.len() < 2);
    let is_reached = up().any(Readiness::can_be_forced);
    let is_enough = if takers.len() > 1 {
        asked().all(Readiness::is_open)
    } else {
        up().any(|side| side.can_be_forced() && side.is_open())
    };
    if paused || !matches!(situation.spec.mode, FleetMode::On | FleetMode::OutOnly) {
        Outlook::NotAllowed
    } else if situation.traffic.shift.is_some() {
        Outlook::Moving
    } else if situation.traffic.degraded.is_some() {
        Outlook::Degraded
    } else if !is_armed(situation) {
        Outlook::NotArmed
    } else if dwells {
        Outlook::Alert
    } else if up().next().is_none() {
        Outlook::Nobody
    } else if !is_reached {
        Outlook::Unreachable
    } else if is_enough {
        Outlook::Succeed
    } else {
        Outlook::Wait
    }
}

fn shift_status(shift: &Shift) -> ShiftStatus {
    ShiftStatus {
        from: shift.from.clone(),
        to: shift.to.clone(),
        why: shift.why.to_string(),
        since: shift.since,
        stage: match shift.stage {
            Stage::Preparing => ShiftStage::Preparing,
            Stage::Moving { .. } => ShiftStage::Moving,
        },
    }
}

fn drill_status(drill: &Drill) -> DrillStatus {
    let ended = drill.ended.as_ref();
    let back = ended.zip(drill.back_at);
    DrillStatus {
        from: drill.from.clone(),
        to: drill.to.clone(),
        by: drill.by.clone(),
        begun_at: drill.begun_at,
        to_shift: drill.moved_at.map(|moved| Seconds::between(drill.begun_at, moved)),
        is_running: drill.is_running(),
        outcome: ended.map(|end| end.why.to_string()),
        to_recover: back.map(|(end, back)| Seconds::between(end.at, back)),
        requests_at_risk: drill.at_risk,
    }
}

fn move_status(moved: &Moved) -> MoveStatus {
    MoveStatus {
        from: moved.from.clone(),
        to: moved.to.clone(),
        why: moved.why.to_string(),
        at: moved.at,
        until: match &moved.why {
            ShiftReason::Asked { until, .. } => *until,
            ShiftReason::Down { .. }
            | ShiftReason::WellAgain
            | ShiftReason::Expired
            | ShiftReason::CanServe { .. }
            | ShiftReason::Drill { .. }
            | ShiftReason::DrillOver { .. } => None,
        },
    }
}
