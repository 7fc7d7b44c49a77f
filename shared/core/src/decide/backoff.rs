//! Waits between launches that bring nothing: five minutes, doubling to thirty, while whatever is launched never becomes
//! healthy. A broken image must not be launched every quarter of an hour for ever.
//!
//! One bad instance among good ones is no reason to wait: only if nothing that was launched since then ever served.

use jiff::Timestamp;

use crate::id::InstanceId;
use crate::state::{LaunchBackoff, Member, PoolState};
use crate::unit::Seconds;

/// The first wait, and the longest (Cluster Autoscaler).
pub(super) const WAIT_FIRST: Seconds = Seconds::minutes(5);
const WAIT_MAX: Seconds = Seconds::minutes(30);
/// After this long without another failure the next wait is a first one again.
const FORGOTTEN_AFTER: Seconds = Seconds::minutes(180);

/// Notes that these instances were given up without ever having been healthy.
pub(super) fn note(state: &mut PoolState, given_up: &[InstanceId], now: Timestamp) {
    let Some(oldest) = given_up.iter().filter_map(|id| state.members.get(id)).map(Member::came_at).min() else {
        return;
    };
    let some_served = state
        .members
        .values()
        .any(|member| member.came_at() >= oldest && member.served_since.is_some());
    if !some_served {
        lengthen(&mut state.launch_backoff, now);
    }
}

/// The next wait, twice as long as the last one.
pub(super) fn lengthen(wait: &mut Option<LaunchBackoff>, now: Timestamp) {
    let next = match wait {
        // those that were launched together are given up together, or within the looks of one wait
        Some(last) if now < last.until() => return,
        Some(last) => Seconds(last.wait.0.saturating_mul(2)).min(WAIT_MAX),
        None => WAIT_FIRST,
    };
    *wait = Some(LaunchBackoff { since: now, wait: next });
}

/// Forgets the waits once something that was launched since the last one serves, or nothing failed for three hours.
pub(super) fn end(state: &mut PoolState, now: Timestamp) {
    let members = &state.members;
    for wait in [&mut state.launch_backoff, &mut state.breaker_probe] {
        let Some(last) = wait else { continue };
        let mut came_later = members.values().filter(|member| member.came_at().at() > last.since);
        if came_later.any(|member| member.served_since.is_some()) || now >= FORGOTTEN_AFTER.after(last.since) {
            *wait = None;
        }
    }
}
