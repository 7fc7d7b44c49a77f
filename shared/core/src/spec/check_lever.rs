//! Reads what moves the traffic of a fleet that fails over.

use std::collections::BTreeSet;

use super::problem::Problems;
use super::raw::RawFailover;
use super::{FailoverMode, Lever, PoolSpec};
use crate::id::RuleArn;

/// Most listeners and rules that one shift sets: each is a call of its own.
const RULES_MAX: usize = 10;

pub(super) fn read(raw: &RawFailover, mode: FailoverMode, pools: &[(usize, PoolSpec)], problems: &mut Problems) -> Lever {
    let at = "failover.lever";
    match (&raw.lever.listener_rules, raw.lever.target_swap) {
        (None, Some(true)) => {
            check_swap(raw, mode, pools, problems);
            return Lever::TargetSwap;
        }
        (Some(listener_rules), None) => {
            return Lever::ListenerRules(rules(listener_rules, "failover.lever.listener_rules", 1, problems));
        }
        (Some(_), Some(_)) => problems.add(
            at,
            "two levers would pull at the same traffic",
            "write one of `listener_rules` and `target_swap: true`",
        ),
        (None, Some(false) | None) => problems.add(
            at,
            "nothing moves the traffic",
            "write `listener_rules: [ARN]`, or `target_swap: true` where all sides have the same target groups",
        ),
    }
    Lever::ListenerRules(Vec::new())
}

/// Who takes the traffic is who is registered: all sides name the same groups, and treat them alike.
fn check_swap(raw: &RawFailover, mode: FailoverMode, pools: &[(usize, PoolSpec)], problems: &mut Problems) {
    if !matches!(mode, FailoverMode::HotStandby | FailoverMode::ColdStandby) {
        let hint = "write `mode: hot_standby`, or let `listener_rules` share the traffic";
        problems.add(
            "failover.lever.target_swap",
            "it moves all of the traffic, to a side that stands by",
            hint,
        );
    }
    if raw.degraded.is_some() {
        let hint = "write `listener_rules` instead of `target_swap`, or leave `degraded` out";
        problems.add("failover.degraded", "nothing else can answer where no rule is set", hint);
    }
    let Some((_, first)) = pools.first() else { return };
    let groups = |pool: &PoolSpec| pool.target_groups.iter().cloned().collect::<BTreeSet<_>>();
    for (n, pool) in pools.iter().skip(1) {
        if groups(pool) != groups(first) {
            let message = format!("they are not those of `{}`", first.id);
            let hint = "with `target_swap` every side names the same target groups";
            problems.add(format!("pools[{n}].target_groups"), message, hint);
        }
        if pool.balancing != first.balancing {
            let message = format!(
                "it is not that of `{}`, and both set the attributes of the same target groups",
                first.id
            );
            problems.add(format!("pools[{n}].balancing"), message, "write it once, under `defaults`");
        }
    }
}

/// ARNs of listeners and rules, each once.
pub(super) fn rules(texts: &[String], at: &str, least: usize, problems: &mut Problems) -> Vec<RuleArn> {
    if texts.len() < least || texts.len() > RULES_MAX {
        let message = format!("`{}` listeners and rules are not between `{least}` and `{RULES_MAX}`", texts.len());
        problems.add(at, message, "each is set by a call of its own");
    }
    let mut seen = BTreeSet::new();
    for (n, text) in texts.iter().enumerate() {
        check_rule(text, &format!("{at}[{n}]"), problems);
        if !seen.insert(text) {
            problems.add(format!("{at}[{n}]"), "it is listed twice", "one line is enough");
        }
    }
    texts.iter().map(|text| RuleArn::new(text.clone())).collect()
}

pub(super) fn check_rule(text: &str, at: &str, problems: &mut Problems) {
    let is_one = |kind: &str| {
        text.split_once(":elasticloadbalancing:")
            .is_some_and(|(_, rest)| rest.contains(kind))
    };
    if !(text.starts_with("arn:") && (is_one(":listener/") || is_one(":listener-rule/"))) {
        let hint = "it looks like `arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2`";
        problems.add(at, format!("`{text}` is not the ARN of a listener or a rule"), hint);
    }
}
