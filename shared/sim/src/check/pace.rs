//! A simple policy waits between its changes: from one addition to its next at least the cooldown, and from one removal to its
//! next, however the decision counted. That it waits for the instances too is for tests of core.

use std::cmp::Ordering;

use ghostnet_core::id::PolicyId;
use ghostnet_core::spec::Rule;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::Commit;
use jiff::Timestamp;

use super::Check;
use super::decision::Judged;
use crate::world::World;

/// A change that a simple policy asked for and that its pool made.
pub(super) struct Change {
    policy: PolicyId,
    way: Ordering,
    cooldown: Seconds,
}

pub(super) fn changes(judged: &Judged<'_>) -> Vec<Change> {
    // the reserve is nobody's vote
    let reserved = judged.loaded.map_or(0, |loaded| loaded.reserve);
    let before = judged.decided.before.saturating_sub(reserved);
    let after = judged.decided.after.saturating_sub(judged.decided.reserve);
    let way = after.cmp(&before);
    let by_operator = judged
        .next
        .asked
        .as_ref()
        .is_some_and(|asked| asked.in_force(judged.inputs.now).is_some());
    if way == Ordering::Equal || by_operator || judged.inputs.retiring {
        return Vec::new();
    }
    let asked_for_it = |policy: &PolicyId| {
        let mut votes = judged.decided.votes.iter().filter(|vote| vote.policy == *policy);
        votes.any(|vote| vote.capacity.is_some_and(|capacity| capacity.cmp(&before) == way))
    };
    let of_policy = |policy: &ghostnet_core::spec::Policy| match &policy.rule {
        Rule::Simple(rule) if asked_for_it(&policy.id) => {
            let change = if way == Ordering::Greater { rule.out } else { rule.in_ };
            Some(Change {
                policy: policy.id.clone(),
                way,
                cooldown: change?.cooldown,
            })
        }
        _ => None,
    };
    judged.pool.policies.iter().filter_map(of_policy).collect()
}

pub(super) fn judge(world: &mut World, commit: &Commit, pool: &ghostnet_core::id::PoolId, changes: Vec<Change>) {
    let at: Timestamp = commit.record.at;
    for change in changes {
        let key = (commit.fleet.clone(), pool.clone(), change.policy.clone());
        let last = world.watch.paces.insert(key, (change.way, at));
        if let Some((way, earlier)) = last
            && way == change.way
            && Seconds::between(earlier, at) < change.cooldown
        {
            let detail = format!(
                "{}: `{}` changes {pool} again after {}, and cools down for {}",
                commit.fleet,
                change.policy,
                Seconds::between(earlier, at),
                change.cooldown
            );
            let now = world.now;
            world.watch.add(Check::Pace, now, detail);
        }
    }
}
