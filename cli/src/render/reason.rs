//! Why a pool's size is what it is, in one line.

use ghostnet_core::decide::PoolDecision;
use ghostnet_core::id::PoolId;
use ghostnet_core::reason::{GuardOutcome, Vote};

/// `blue 11 -> 12`, or `blue 11`.
pub(crate) fn change(pool: &PoolId, decided: &PoolDecision) -> String {
    if decided.before == decided.after {
        format!("{pool} {}", decided.after)
    } else {
        format!("{pool} {} -> {}", decided.before, decided.after)
    }
}

/// The reason that decided: for a change the vote that asked for it, and what limited it; for a hold the guard that stopped
/// a change, else the vote that forbids one.
pub(crate) fn summary(decided: &PoolDecision) -> String {
    let guard = last_word(decided).map(|outcome| format!("{}: {}", outcome.guard.name(), outcome.guard));
    let vote = winner(decided);
    let asked_for_it = vote.is_some_and(|vote| asks_for_the_change(decided, vote));
    match (vote, guard) {
        (Some(vote), Some(guard)) if asked_for_it => format!("`{}`: {} ({guard})", vote.policy, vote.told()),
        (_, Some(guard)) => guard,
        (Some(vote), None) => format!("`{}`: {}", vote.policy, vote.told()),
        (None, None) => silent(&decided.votes),
    }
}

fn asks_for_the_change(decided: &PoolDecision, vote: &Vote) -> bool {
    let asked = vote.capacity.map(|capacity| capacity.cmp(&decided.before));
    // with a reserve, votes are about the size without it
    let asked_without = decided.reserve > 0 && vote.capacity == Some(decided.after.saturating_sub(decided.reserve));
    decided.before != decided.after && (asked_without || asked == Some(decided.after.cmp(&decided.before)))
}

/// The guard that set the final number, unless the votes had asked for that number anyway.
fn last_word(decided: &PoolDecision) -> Option<&GuardOutcome> {
    let moved = |outcome: &&GuardOutcome| outcome.before != outcome.after;
    let last = decided.guards.iter().rev().find(moved)?;
    (last.after == decided.after && decided.recommended != Some(decided.after)).then_some(last)
}

/// The vote whose number stands: the largest, because any vote out wins and a vote to hold forbids fewer.
fn winner(decided: &PoolDecision) -> Option<&Vote> {
    decided
        .votes
        .iter()
        .filter(|vote| vote.capacity.is_some())
        .max_by_key(|vote| vote.capacity)
}

fn silent(votes: &[Vote]) -> String {
    match votes {
        [] => "no policy: the size is the spec's".to_owned(),
        [only] => format!("`{}`: {}", only.policy, only.reason),
        [first, ..] => format!("no policy has a say: `{}`: {}", first.policy, first.reason),
    }
}

/// How the votes became one number.
pub(crate) fn combined(decided: &PoolDecision) -> String {
    let named = |direction: fn(u32, u32) -> bool| {
        let those = decided
            .votes
            .iter()
            .filter(|vote| vote.capacity.is_some_and(|capacity| direction(capacity, decided.before)));
        those.map(|vote| format!("`{}`", vote.policy)).collect::<Vec<_>>()
    };
    let (out, hold, fewer) = (
        named(|n, before| n > before),
        named(|n, before| n == before),
        named(|n, before| n < before),
    );
    match (out.as_slice(), hold.as_slice(), fewer.as_slice()) {
        ([], [], []) => "no policy has a say".to_owned(),
        ([_, ..], _, _) => format!("any out wins: {}", out.join(", ")),
        ([], [_, ..], [_, ..]) => format!("in needs all: {} say hold", hold.join(" and ")),
        ([], [_, ..], []) => "all hold".to_owned(),
        ([], [], [_, ..]) => "all agree to fewer; the smallest removal counts".to_owned(),
    }
}
