//! What would be done now, and why.

use ghostnet_core::decide::{Decision, PoolDecision};
use ghostnet_core::id::PoolId;
use ghostnet_core::reason::Vote;
use jiff::Timestamp;

use super::table::{self, Side};
use super::{reason, step, time};

/// A decision that was not carried out.
pub(crate) fn text(decision: &Decision, violations: &[String], now: Timestamp) -> String {
    let pools = decision.pools.iter().map(|(id, pool)| pool_text(id, pool, decision, now));
    let mut parts: Vec<String> = pools.collect();
    if !violations.is_empty() {
        parts.push(format!("refused by audit, nothing of this would be done\n{}", indented(violations)));
    }
    parts.push("nothing was changed".to_owned());
    parts.join("\n\n")
}

/// One pool of a decision: counts, votes, guards, findings, steps.
pub(crate) fn pool_text(id: &PoolId, pool: &PoolDecision, decision: &Decision, now: Timestamp) -> String {
    let mut rows = evidence(pool);
    let steps = decision
        .plan
        .steps
        .iter()
        .filter(|step| step.pool == *id)
        .map(step::planned)
        .collect();
    rows.extend(labelled("would do", steps));
    rows.extend(decision.look_again_at.map(|at| vec!["next look".to_owned(), time::clock(at, now)]));
    format!("{}\n\n{}", headline(id, pool), table::aligned(&[Side::Left, Side::Left], rows))
}

/// `blue: 12 -> 12, hold`.
pub(crate) fn headline(id: &PoolId, pool: &PoolDecision) -> String {
    let direction = match pool.after.cmp(&pool.before) {
        std::cmp::Ordering::Less => "in",
        std::cmp::Ordering::Equal => "hold",
        std::cmp::Ordering::Greater => "out",
    };
    format!("{id}: {} -> {}, {direction}", pool.before, pool.after)
}

/// What a pool's size was decided from, as rows of a label and a text.
pub(crate) fn evidence(pool: &PoolDecision) -> Vec<Vec<String>> {
    let mut rows = vec![vec!["counts".to_owned(), counts(pool)]];
    rows.extend(labelled("votes", votes(&pool.votes)));
    if !pool.votes.is_empty() {
        let number = pool.recommended.map_or_else(|| "none".to_owned(), |number| number.to_string());
        rows.push(vec!["combined".to_owned(), format!("{number}  {}", reason::combined(pool))]);
    }
    let guards = pool.guards.iter().map(|outcome| {
        let moved = if outcome.before == outcome.after {
            outcome.after.to_string()
        } else {
            format!("{} -> {}", outcome.before, outcome.after)
        };
        vec![outcome.guard.name().to_owned(), moved, outcome.guard.to_string()]
    });
    rows.extend(labelled("guards", lines(&[Side::Left, Side::Left, Side::Left], guards)));
    rows.extend(labelled("findings", pool.findings.iter().map(ToString::to_string).collect()));
    rows
}

fn counts(pool: &PoolDecision) -> String {
    let counts = pool.counts;
    let all = [
        (counts.in_service, "in service"),
        (counts.warming.saturating_add(counts.warming_serving), "warming"),
        (counts.pending.saturating_add(counts.in_flight), "pending"),
        (counts.unhealthy, "unhealthy"),
        (counts.draining, "draining"),
        (counts.warm, "kept warm"),
        (counts.preparing, "preparing to be kept"),
    ];
    let told: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if told.is_empty() {
        "no instance".to_owned()
    } else {
        told.join(", ")
    }
}

fn votes(votes: &[Vote]) -> Vec<String> {
    let cells = votes.iter().map(|vote| {
        let number = vote.capacity.map_or_else(|| "-".to_owned(), |capacity| capacity.to_string());
        vec![vote.policy.to_string(), number, vote.told()]
    });
    lines(&[Side::Left, Side::Right, Side::Left], cells)
}

fn lines(sides: &[Side], rows: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        Vec::new()
    } else {
        table::aligned(sides, rows).lines().map(str::to_owned).collect()
    }
}

/// Rows of which the first has the label.
pub(crate) fn labelled(label: &str, texts: Vec<String>) -> Vec<Vec<String>> {
    let label = |place: usize| if place == 0 { label.to_owned() } else { String::new() };
    texts
        .into_iter()
        .enumerate()
        .map(|(place, text)| vec![label(place), text])
        .collect()
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_readme_shows_a_plan_as_it_is() {
        let now = fixture::at("13:03:00");
        let plan = text(&fixture::decision(fixture::growing(), fixture::growing_actions()), &[], now);
        assert!(include_str!("../../../README.md").contains(&plan), "{plan}");
    }

    #[test]
    fn a_plan_shows_its_evidence() {
        let now = fixture::at("13:03:00");
        insta::assert_snapshot!(
            "growing",
            text(&fixture::decision(fixture::growing(), fixture::growing_actions()), &[], now)
        );
        insta::assert_snapshot!("holding", text(&fixture::decision(fixture::holding(), Vec::new()), &[], now));
        let broken = ["I2: 41 in service and coming, at most 40".to_owned()];
        insta::assert_snapshot!(
            "refused",
            text(&fixture::decision(fixture::growing(), fixture::growing_actions()), &broken, now)
        );
    }
}
