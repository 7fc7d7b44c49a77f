//! When metrics are read: every look while anything happens, every few minutes while a fleet is quiet, because each read
//! costs money.
//!
//! Quiet means: no open step, nobody coming or leaving, no pending recommendation, no policy that waits, every alarm `OK`. A fleet without alarms
//! has nothing that would wake it, so it is never quiet. Which minute a quiet
//! fleet is read follows from its id, so that a thousand fleets spread over the minutes without remembering anything.

use ghostnet_core::id::{AlarmName, FleetId, TargetGroupArn, digest};
use ghostnet_core::observation::Observation;
use ghostnet_core::plan::{Action, OpenStep};
use ghostnet_core::signal::{AlarmState, Signal};
use ghostnet_core::spec::{Policy, PoolSpec};
use ghostnet_core::state::{Member, WarmPhase};
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use crate::load::Fleet;

/// So long after an `apply`, or a change of an adaptive group, every tick reads the attributes that the spec names: the first of them sets what differs, and the
/// next ones see it.
const TUNED_AT_ONCE_FOR: Seconds = Seconds::minutes(3);
/// Which of the minutes from one reading of the metrics to the next is for attributes.
const TUNING_MINUTE: i64 = 2;

/// Whether a look reads a fleet's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Yes, whatever its alarms say.
    Anyway,
    /// If an alarm is not `OK`.
    IfAlarmed,
    /// No: the metrics were fine a minute ago, or attributes are read in place of alarm states, and an alarm that changed since
    /// then has sent its own event.
    No,
}

/// Whether this look reads the fleet's metrics.
pub(crate) fn reading(id: &FleetId, fleet: &Fleet, signal: &Signal, now: Timestamp) -> Reading {
    let somebody_asks = !matches!(signal, Signal::Tick | Signal::InstanceChanged { .. });
    if somebody_asks || !is_settled(fleet) || is_never_quiet(fleet) {
        return Reading::Anyway;
    }
    let turn = Turn::of(id, fleet, now);
    if turn.is_due() {
        Reading::Anyway
    } else if turn.was_due() || !groups_in_turn(id, fleet, now).is_empty() {
        Reading::No
    } else {
        Reading::IfAlarmed
    }
}

/// Whether a look is counted on the record of its hold, and in the list of fleets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// If it evaluated something.
    IfEvaluated,
    /// Yes: it stands for the reading of a minute ago.
    Now,
    /// Not this one: the next look, which reads nothing, counts it. So no quiet minute makes more calls than another.
    NextLook,
}

/// Whether this look is counted.
pub(crate) fn counting(id: &FleetId, fleet: &Fleet, signal: &Signal, now: Timestamp) -> Counting {
    let takes_turns = *signal == Signal::Tick && read_every_minutes(fleet) > 1 && is_settled(fleet) && !is_never_quiet(fleet);
    let turn = takes_turns.then(|| Turn::of(id, fleet, now));
    if turn.is_some_and(Turn::is_due) {
        Counting::NextLook
    } else if turn.is_some_and(Turn::was_due) {
        Counting::Now
    } else {
        Counting::IfEvaluated
    }
}

/// The groups whose attributes this look reads: those that the spec tunes while it is new, a step of theirs is open or they have just
/// come to another algorithm, else each once an hour, in a minute of its own.
pub(crate) fn groups_to_tune<'a>(id: &FleetId, fleet: &'a Fleet, signal: &Signal, now: Timestamp) -> Vec<&'a TargetGroupArn> {
    if *signal != Signal::Tick || fleet.stored.retiring {
        return Vec::new();
    }
    let is_new = Seconds::between(fleet.stored.applied_at, now) < TUNED_AT_ONCE_FOR;
    let in_turn = groups_in_turn(id, fleet, now);
    let is_open = |group: &TargetGroupArn| {
        let opens = |open: &OpenStep| matches!(&open.step.action, Action::Tune { group: tuned, .. } if tuned == group);
        fleet.state.open.iter().any(opens)
    };
    let adapted = |group: &TargetGroupArn| {
        let mut adapted = fleet.state.pools.values().filter_map(|pool| pool.adapted.get(group));
        adapted.any(|adapted| Seconds::between(adapted.since.at(), now) < TUNED_AT_ONCE_FOR)
    };
    let groups = tuned_groups(fleet);
    groups
        .filter(|group| is_new || is_open(group) || adapted(group) || in_turn.contains(group))
        .collect()
}

/// The groups whose turn this minute is. Of the minutes between two readings of the metrics it is the third: neither a reading's
/// own nor the one that counts it, so that it costs no more calls than another.
fn groups_in_turn<'a>(id: &FleetId, fleet: &'a Fleet, now: Timestamp) -> Vec<&'a TargetGroupArn> {
    if tuned_groups(fleet).next().is_none() {
        return Vec::new();
    }
    let Turn { minute, every } = Turn::of(id, fleet, now);
    let (round, minute) = (minute.div_euclid(every), minute.rem_euclid(every));
    if minute != TUNING_MINUTE.min(every - 1) {
        return Vec::new();
    }
    let rounds = (60 / every).max(1);
    let places = (0_i64..).zip(tuned_groups(fleet));
    places
        .filter(|(place, _)| place.rem_euclid(rounds) == round.rem_euclid(rounds))
        .map(|(_, group)| group)
        .collect()
}

/// The groups of which the spec names attributes.
pub(crate) fn tuned_groups(fleet: &Fleet) -> impl Iterator<Item = &TargetGroupArn> {
    let tuned = fleet.spec.pools.iter().filter(|pool| !pool.balancing.is_silent());
    tuned.flat_map(|pool| &pool.target_groups)
}

/// Whether every alarm of the fleet is known to be `OK`. Never of one whose pools have none, because they are in other regions.
pub(crate) fn all_ok(fleet: &Fleet, observation: &Observation) -> bool {
    let is_unwatched = |pool: &PoolSpec| {
        let is_elsewhere = pool.is_elsewhere(fleet.spec.home_region.as_ref());
        is_elsewhere && pool.policies.iter().any(Policy::adds_on_alarm)
    };
    let is_ok = |name: &AlarmName| observation.alarms.get(name) == Some(&AlarmState::Ok);
    !fleet.spec.pools.iter().any(is_unwatched) && alarms(fleet).iter().all(is_ok)
}

/// The alarms that `apply` made for the fleet's policies, and those that its spec lists. A pool in another region has none: nobody would hear
/// of them here.
pub(crate) fn alarms(fleet: &Fleet) -> Vec<AlarmName> {
    let name_of = |alarm: &String| AlarmName::new(alarm.rsplit_once(":alarm:").map_or(alarm.as_str(), |(_, name)| name));
    let mut names: Vec<AlarmName> = fleet.spec.alarms.iter().map(name_of).collect();
    for pool in fleet
        .spec
        .pools
        .iter()
        .filter(|pool| !pool.is_elsewhere(fleet.spec.home_region.as_ref()))
    {
        for policy in pool.policies.iter().filter(|policy| policy.adds_on_alarm()) {
            names.push(AlarmName::new(format!("ghostnet/{}/{}/{}/out", fleet.spec.id, pool.id, policy.id)));
        }
    }
    names
}

/// Where a minute lies between two readings of a fleet's metrics.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// Its number, counted from a minute of the fleet's own.
    minute: i64,
    /// Minutes from one reading to the next.
    every: i64,
}

impl Turn {
    fn of(id: &FleetId, fleet: &Fleet, now: Timestamp) -> Self {
        let offset = i64::from(
            digest(id.as_str())
                .bytes()
                .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))),
        );
        Self {
            minute: now.as_second().div_euclid(60).wrapping_add(offset),
            every: read_every_minutes(fleet),
        }
    }

    /// Whether the metrics are read in this minute.
    fn is_due(self) -> bool {
        self.minute.rem_euclid(self.every) == 0
    }

    /// Whether they were read a minute ago.
    fn was_due(self) -> bool {
        self.minute.wrapping_sub(1).rem_euclid(self.every) == 0
    }
}

/// Whether nothing would wake the fleet: it has no alarm, or a policy that none can stand for.
fn is_never_quiet(fleet: &Fleet) -> bool {
    let policies = || fleet.spec.pools.iter().flat_map(|pool| &pool.policies);
    let has_alarms = !fleet.spec.alarms.is_empty() || policies().any(|policy| policy.adds_on_alarm());
    !has_alarms || policies().any(|policy| policy.rule.is_read_every_minute())
}

fn read_every_minutes(fleet: &Fleet) -> i64 {
    i64::from(fleet.spec.quiet_poll.0 / 60).max(1)
}

fn is_settled(fleet: &Fleet) -> bool {
    let coming = |member: &Member| member.unready.is_some() || member.served_since.is_none();
    let kept = |member: &Member| member.warm.is_some_and(|warm| warm.phase == WarmPhase::Kept);
    let leaving = |member: &Member| member.drain.is_some() || member.renew.is_some() || member.gone;
    let moving = |member: &Member| leaving(member) || !kept(member) && coming(member);
    fleet.existed
        && fleet.state.open.is_empty()
        && fleet.state.pools.values().all(|pool| {
            let wanted = pool.recommended.last().is_none_or(|run| run.capacity == pool.without_reserve());
            let mut serving = 0_u32;
            let stays = |member: &Member| {
                serving = serving.saturating_add(u32::from(!kept(member)));
                !moving(member)
            };
            wanted && pool.adjusted.is_empty() && pool.members.values().all(stays) && serving == pool.desired
        })
}
