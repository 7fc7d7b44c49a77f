//! Reads what moves the traffic of a fleet that fails over.

use std::collections::BTreeSet;

use super::check_routes::{Destinations, Routes};
use super::check_to_instance;
use super::problem::Problems;
use super::raw::{RawFailover, RawLever};
use super::{FailoverMode, Lever, PoolSpec};
use crate::id::RouteId;

/// Most listeners and rules that one shift sets: each is a call of its own.
const RULES_MAX: usize = 10;

pub(super) fn read(raw: &RawFailover, mode: FailoverMode, pools: &[(usize, PoolSpec)], problems: &mut Problems) -> (Lever, Destinations) {
    let at = "failover.lever";
    let elsewhere = |of: fn(Vec<RouteId>) -> Lever, read: Routes<'_>, problems: &mut Problems| {
        check_elsewhere(raw, mode, problems);
        (of(read.routes), read.destinations)
    };
    let RawLever {
        listener_rules,
        target_swap,
        route53_records,
        accelerator_endpoints,
        accelerator_dials,
        to_instance,
    } = &raw.lever;
    match (
        listener_rules,
        target_swap,
        route53_records,
        accelerator_endpoints,
        accelerator_dials,
        to_instance,
    ) {
        (None, Some(true), None, None, None, None) => {
            check_swap(raw, mode, pools, problems);
            return (Lever::TargetSwap, Destinations::new());
        }
        (Some(listener_rules), None, None, None, None, None) => {
            let rules = rules(listener_rules, "failover.lever.listener_rules", 1, problems);
            return (Lever::ListenerRules(rules), Destinations::new());
        }
        (None, None, Some(records), None, None, None) => {
            return elsewhere(Lever::Route53Records, Routes::records(records, pools, problems), problems);
        }
        (None, None, None, Some(groups), None, None) => {
            return elsewhere(Lever::AcceleratorEndpoints, Routes::endpoints(groups, pools, problems), problems);
        }
        (None, None, None, None, Some(listeners), None) => {
            return elsewhere(Lever::AcceleratorDials, Routes::dials(listeners, pools, problems), problems);
        }
        (None, None, None, None, None, Some(to_instance)) => {
            check_elsewhere(raw, mode, problems);
            let routes = check_to_instance::read(to_instance, mode, pools, problems);
            return (Lever::ToInstance(routes), Destinations::new());
        }
        (None, Some(false) | None, None, None, None, None) => problems.add(
            at,
            "nothing moves the traffic",
            "write `listener_rules: [ARN]`, or `target_swap: true` where all sides have the same target groups",
        ),
        _ => problems.add(
            at,
            "two levers would pull at the same traffic",
            "write one of `listener_rules`, `target_swap: true`, `route53_records`, `accelerator_endpoints`, `accelerator_dials` and `to_instance`",
        ),
    }
    (Lever::ListenerRules(Vec::new()), Destinations::new())
}

/// What is outside of a balancer only ever leads to a side.
fn check_elsewhere(raw: &RawFailover, mode: FailoverMode, problems: &mut Problems) {
    if raw.degraded.is_some() || mode == FailoverMode::Degraded {
        let hint = "write `listener_rules`, or leave `degraded` out";
        problems.add(
            "failover.degraded",
            "nothing else can answer where no rule of a balancer is set",
            hint,
        );
    }
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
pub(super) fn rules(texts: &[String], at: &str, least: usize, problems: &mut Problems) -> Vec<RouteId> {
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
    texts.iter().map(|text| RouteId::new(text.clone())).collect()
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
