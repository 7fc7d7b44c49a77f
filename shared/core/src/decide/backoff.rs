//! Waits between launches that bring nothing: five minutes, doubling to thirty, while whatever is launched never becomes
//! healthy. A broken image must not be launched every quarter of an hour for ever.
//!
//! One bad instance among good ones is no reason to wait: only if nothing that was launched since then ever served.

use jiff::Timestamp;

use crate::id::InstanceId;
use crate::state::{LaunchBackoff, PoolState};
use crate::unit::Seconds;

/// The first wait, and the longest (Cluster Autoscaler).
pub(super) const WAIT_FIRST: Seconds = Seconds::minutes(5);
const WAIT_MAX: Seconds = Seconds::minutes(30);
/// After this long without another failure the next wait is a first one again.
const FORGOTTEN_AFTER: Seconds = Seconds::minutes(180);

/// Notes that these instances were given up without ever having been healthy.
pub(super) fn note(state: &mut PoolState, given_up: &[InstanceId], now: Timestamp) {
    let Some(oldest) = given_up
        .iter()
        .filter_map(|id| state.members.get(id))
        .map(|member| member.known_since)
        .min()
    else {
        return;
    };
    let some_served = state
        .members
        .values()
        .any(|member| member.known_since >= oldest && member.served_since.is_some());
    if !some_served {
        lengthen(state, now);
    }
}

/// The next wait, twice as long as the last one.
pub(super) fn lengthen(state: &mut PoolState, now: Timestamp) {
    let wait = match &state.launch_backoff {
        // those that were launched together are given up together, or within the looks of one wait
        Some(backoff) if now < backoff.until() => return,
        Some(backoff) => Seconds(backoff.wait.0.saturating_mul(2)).min(WAIT_MAX),
        None => WAIT_FIRST,
    };
    state.launch_backoff = Some(LaunchBackoff { since: now, wait });
}

/// Forgets the waits once something that was launched since the last one serves, or nothing failed for three hours.
pub(super) fn end(state: &mut PoolState, now: Timestamp) {
    let Some(backoff) = &state.launch_backoff else { return };
    let serves = state
        .members
        .values()
        .any(|member| member.known_since.at() > backoff.since && member.served_since.is_some());
    if serves || now >= FORGOTTEN_AFTER.after(backoff.since) {
        state.launch_backoff = None;
    }
}
