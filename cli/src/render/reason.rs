//! Why a pool's size is what it is, in one line.

use ghostnet_core::decide::PoolDecision;
use ghostnet_core::id::PoolId;
use ghostnet_core::reason::{Guard, GuardOutcome, Vote};

/// `blue 11 -> 12`, or `blue 11`.
pub(crate) fn change(pool: &PoolId, decided: &PoolDecision) -> String {
    if decided.before == decided.after {
        format!("{pool} {}", decided.after)
    } else {
        format!("{pool} {} -> {}", decided.before, decided.after)
    }
}

/// The one reason that decided: a guard if one had the last word, else the vote that won.
pub(crate) fn summary(decided: &PoolDecision) -> String {
    if let Some(outcome) = last_word(decided) {
        return format!("{}: {}", outcome.guard.name(), outcome.guard);
    }
    match winner(decided) {
        Some(vote) => format!("`{}`: {}", vote.policy, vote.reason),
        None => silent(&decided.votes),
    }
}

/// The guard that set the final number, unless the votes had asked for that number anyway.
fn last_word(decided: &PoolDecision) -> Option<&GuardOutcome> {
    let last = decided
        .guards
        .iter()
        .rev()
        .find(|outcome| !matches!(outcome.guard, Guard::Breaker { .. }))?;
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
