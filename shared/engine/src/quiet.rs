//! When metrics are read: every look while anything happens, every few minutes while a fleet is quiet, because each read
//! costs money.
//!
//! Quiet means: no open step, nobody coming or leaving, no pending recommendation, no policy that waits, every alarm `OK`. A fleet without alarms
//! has nothing that would wake it, so it is never quiet. Which minute a quiet
//! fleet is read follows from its id, so that a thousand fleets spread over the minutes without remembering anything.

use ghostnet_core::id::{AlarmName, FleetId, digest};
use ghostnet_core::observation::Observation;
use ghostnet_core::signal::{AlarmState, Signal};
use ghostnet_core::state::{Member, WarmPhase};
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use crate::load::Fleet;

/// Whether a look reads a fleet's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Yes, whatever its alarms say.
    Anyway,
    /// If an alarm is not `OK`.
    IfAlarmed,
    /// No: the metrics were fine a minute ago, and an alarm that changed since then has sent its own event.
    No,
}

/// Whether this look reads the fleet's metrics.
pub(crate) fn reading(id: &FleetId, fleet: &Fleet, signal: &Signal, now: Timestamp) -> Reading {
    let somebody_asks = !matches!(signal, Signal::Tick | Signal::InstanceChanged { .. });
    if somebody_asks || !is_settled(fleet) || is_never_quiet(fleet) || is_due(id, fleet, now) {
        Reading::Anyway
    } else if is_due(id, fleet, Seconds(60).before(now)) {
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
    if takes_turns && is_due(id, fleet, now) {
        Counting::NextLook
    } else if takes_turns && is_due(id, fleet, Seconds(60).before(now)) {
        Counting::Now
    } else {
        Counting::IfEvaluated
    }
}

/// Whether every alarm of the fleet is known to be `OK`.
pub(crate) fn all_ok(fleet: &Fleet, observation: &Observation) -> bool {
    alarms(fleet)
        .iter()
        .all(|name| observation.alarms.get(name) == Some(&AlarmState::Ok))
}

/// The alarms that `apply` made for the fleet's policies, and those that its spec lists.
pub(crate) fn alarms(fleet: &Fleet) -> Vec<AlarmName> {
    let name_of = |alarm: &String| AlarmName::new(alarm.rsplit_once(":alarm:").map_or(alarm.as_str(), |(_, name)| name));
    let mut names: Vec<AlarmName> = fleet.spec.alarms.iter().map(name_of).collect();
    for pool in &fleet.spec.pools {
        for policy in pool.policies.iter().filter(|policy| policy.adds_on_alarm()) {
            names.push(AlarmName::new(format!("ghostnet/{}/{}/{}/out", fleet.spec.id, pool.id, policy.id)));
        }
    }
    names
}

fn is_due(id: &FleetId, fleet: &Fleet, now: Timestamp) -> bool {
    let offset = i64::from(
        digest(id.as_str())
            .bytes()
            .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))),
    );
    now.as_second()
        .div_euclid(60)
        .wrapping_add(offset)
        .rem_euclid(read_every_minutes(fleet))
        == 0
}

/// Whether nothing would wake the fleet: it has no alarm, or a policy that none can stand for.
fn is_never_quiet(fleet: &Fleet) -> bool {
    let mut policies = fleet.spec.pools.iter().flat_map(|pool| &pool.policies);
    alarms(fleet).is_empty() || policies.any(|policy| policy.rule.is_read_every_minute())
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
            let serving = pool.members.values().filter(|member| !kept(member)).count();
            let complete = u32::try_from(serving) == Ok(pool.desired);
            wanted && complete && pool.adjusted.is_empty() && !pool.members.values().any(moving)
        })
}
