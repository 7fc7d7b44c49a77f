//! Reads what answers while no side can.

use super::PoolSpec;
use super::check_lever::{check_rule, rules};
use super::check_pool::is_target_group;
use super::failover::{ContentType, Fallback, FixedResponse, Instead};
use super::problem::Problems;
use super::raw::{RawContentType, RawDegraded, RawFixedResponse};
use crate::id::{RouteId, TargetGroupArn};

/// Longest body of a fixed response, by AWS.
const BODY_MAX: usize = 1_024;

const AT: &str = "failover.degraded";
const NETWORK: &str = "a network load balancer answers nothing by itself";

pub(super) fn read(raw: &RawDegraded, lever: &[RouteId], pools: &[(usize, PoolSpec)], problems: &mut Problems) -> Option<Instead> {
    let answer = match (&raw.fixed_response, &raw.forward) {
        (Some(response), None) => Fallback::FixedResponse(fixed_response(response, problems)),
        (None, Some(group)) => Fallback::Forward(forward(group, pools, problems)),
        (Some(_), Some(_)) | (None, None) => {
            let hint = "write one of them: a target group can answer with a whole page, and the sides are checked meanwhile";
            problems.add(AT, "either `forward` or `fixed_response` answers", hint);
            return None;
        }
    };
    if matches!(answer, Fallback::FixedResponse(_)) && lever.iter().any(is_of_network) {
        problems.add(
            format!("{AT}.fixed_response"),
            NETWORK,
            "a target group can answer there: `forward`",
        );
    }
    Some(Instead {
        checked_by: checked_by(raw, &answer, lever, problems),
        shed: shed(
            raw.shed_rules.as_deref().unwrap_or_default(),
            lever,
            raw.checked_by.as_deref(),
            problems,
        ),
        answer,
    })
}

fn fixed_response(raw: &RawFixedResponse, problems: &mut Problems) -> FixedResponse {
    let is_status = matches!(raw.status, 200..=299 | 400..=599);
    if !is_status {
        let message = format!("`{}` is no status of a fixed response", raw.status);
        problems.add(
            format!("{AT}.fixed_response.status"),
            message,
            "AWS knows 2XX, 4XX and 5XX; 503 is usual",
        );
    }
    let body = raw.body.clone().unwrap_or_default();
    if body.len() > BODY_MAX {
        let message = format!("`{}` bytes are more than `{BODY_MAX}`", body.len());
        let hint = "shorten it, or let a target group answer: `forward`";
        problems.add(format!("{AT}.fixed_response.body"), message, hint);
    }
    FixedResponse {
        status: raw.status,
        content_type: match raw.content_type {
            Some(RawContentType::Plain) | None => ContentType::Plain,
            Some(RawContentType::Html) => ContentType::Html,
            Some(RawContentType::Json) => ContentType::Json,
        },
        body,
    }
}

fn forward(group: &str, pools: &[(usize, PoolSpec)], problems: &mut Problems) -> TargetGroupArn {
    let at = format!("{AT}.forward");
    let group = TargetGroupArn::new(group);
    if !is_target_group(&group) {
        let hint = "it looks like `arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/sorry/73e2d6bc24d8a067`";
        problems.add(&at, format!("`{group}` is not the ARN of a target group"), hint);
    }
    if let Some((_, pool)) = pools.iter().find(|(_, pool)| pool.target_groups.contains(&group)) {
        let message = format!("it is a target group of `{}`, and so of a side", pool.id);
        problems.add(&at, message, "name one whose targets GhostNet does not keep");
    }
    group
}

fn checked_by(raw: &RawDegraded, answer: &Fallback, lever: &[RouteId], problems: &mut Problems) -> Option<RouteId> {
    let at = format!("{AT}.checked_by");
    match (answer, &raw.checked_by) {
        (Fallback::Forward(_), None) => None,
        (Fallback::Forward(_), Some(_)) => {
            problems.add(
                at,
                "the lever goes on naming the sides at weight 0, and so they are checked",
                "leave it out",
            );
            None
        }
        (Fallback::FixedResponse(_), None) => {
            let message = "while the balancer answers by itself, nobody checks the sides, and no one would know when one is ready";
            let hint = "name a rule of the same balancer that forwards to a group of every side, for a host that nobody asks for; or use `forward`";
            problems.add(at, message, hint);
            None
        }
        (Fallback::FixedResponse(_), Some(text)) => {
            check_rule(text, &at, problems);
            let rule = RouteId::new(text.clone());
            if lever.contains(&rule) {
                problems.add(
                    &at,
                    "it is one of the lever, which answers by itself then",
                    "name a rule of its own",
                );
            }
            Some(rule)
        }
    }
}

fn shed(texts: &[String], lever: &[RouteId], checked_by: Option<&str>, problems: &mut Problems) -> Vec<RouteId> {
    let at = format!("{AT}.shed_rules");
    let shed = rules(texts, &at, 0, problems);
    for (n, rule) in shed.iter().enumerate() {
        if lever.contains(rule) {
            problems.add(format!("{at}[{n}]"), "it is one of the lever, which is set anyway", "leave it out");
        } else if checked_by == Some(rule.as_str()) {
            problems.add(
                format!("{at}[{n}]"),
                "it is the one of `checked_by`, which goes on forwarding",
                "leave it out",
            );
        } else if is_of_network(rule) {
            problems.add(format!("{at}[{n}]"), NETWORK, "leave it out");
        }
    }
    shed
}

/// Whether it is a listener that passes on connections, and knows no requests.
fn is_of_network(route: &RouteId) -> bool {
    route.as_str().contains(":listener/net/")
}
