//! Instances that an operator hands over to a pool: they are taken in all or none, and the pool's size is raised with them, so that
//! nobody leaves because they came.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::id::InstanceId;
use crate::spec::Guards;
use crate::state::{Member, PoolState, Run};
use crate::unit::Seconds;

/// Most instances of one request: it is in the record of its decision.
pub const HANDED_OVER_MAX: usize = 200;

/// Takes them in, at that size. As after any growth, removals wait for the cooldown, and the size is what was last recommended.
pub fn take_in(pool: &mut PoolState, instances: &BTreeSet<InstanceId>, desired: u32, guards: &Guards, now: Timestamp) {
    let new = instances.iter().map(|id| (id.clone(), Member::new(now)));
    // who is known already keeps what is known
    for (id, member) in new {
        pool.members.entry(id).or_insert(member);
    }
    raise(pool, desired, guards, now);
}

/// Raises a pool's size to what it was handed, as a move out does.
pub fn raise(pool: &mut PoolState, desired: u32, guards: &Guards, now: Timestamp) {
    if desired <= pool.desired {
        return;
    }
    pool.desired = desired;
    // what was recommended for fewer says nothing about so many
    pool.recommended = vec![Run {
        since: now,
        capacity: desired.saturating_sub(pool.reserve),
    }];
    let waits = guards.cooldown_in;
    pool.cooldown_in_until = (waits > Seconds(0)).then(|| waits.after(now)).max(pool.cooldown_in_until);
}
