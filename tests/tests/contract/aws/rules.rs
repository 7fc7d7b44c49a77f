//! Listeners and rules at the far end: each with one list of actions, which a change replaces whole.

use std::collections::BTreeMap;

use super::{error, numbered};
use crate::reply::{done, forward, listeners, rules};
use crate::rules::Given;
use crate::wire::{Reply, Sent};

/// What AWS shows of a list.
#[derive(Debug, Clone)]
enum Actions {
    /// One forward action.
    Forward {
        weights: Vec<(String, i32)>,
        sticks_for: Option<String>,
    },
    /// One fixed response.
    Answer {
        status: String,
        content_type: String,
        body: String,
    },
    /// Anything else, as XML.
    Other(&'static str),
}

impl Actions {
    fn xml(&self) -> String {
        match self {
            Self::Other(xml) => (*xml).to_owned(),
            Self::Answer {
                status,
                content_type,
                body,
            } => format!(
                "<member><Type>fixed-response</Type><FixedResponseConfig><StatusCode>{status}</StatusCode>\
                 <ContentType>{content_type}</ContentType><MessageBody>{body}</MessageBody></FixedResponseConfig></member>"
            ),
            Self::Forward { weights, sticks_for } => {
                let groups: Vec<_> = weights.iter().map(|(group, weight)| (group.as_str(), Some(*weight))).collect();
                let sticks = sticks_for
                    .as_ref()
                    .map(|seconds| format!("<Enabled>true</Enabled><DurationSeconds>{seconds}</DurationSeconds>"));
                forward(&groups, &sticks.unwrap_or_default())
            }
        }
    }

    /// The list of a request.
    fn of(sent: &Sent, list: &str) -> Self {
        if sent.text(&format!("{list}.member.1.Type")) == "fixed-response" {
            let text = |name: &str| sent.text(&format!("{list}.member.1.FixedResponseConfig.{name}")).to_owned();
            return Self::Answer {
                status: text("StatusCode"),
                content_type: text("ContentType"),
                body: text("MessageBody"),
            };
        }
        let config = format!("{list}.member.1.ForwardConfig");
        let of_group = |n: usize, name: &str| format!("{config}.TargetGroups.member.{n}.{name}");
        let groups = numbered(sent, |n| of_group(n, "TargetGroupArn"));
        let weights = numbered(sent, |n| of_group(n, "Weight"));
        let sticks_for = sent.text(&format!("{config}.TargetGroupStickinessConfig.DurationSeconds"));
        Self::Forward {
            weights: groups
                .into_iter()
                .zip(weights.iter().map(|weight| weight.parse().unwrap()))
                .collect(),
            sticks_for: (!sticks_for.is_empty()).then(|| sticks_for.to_owned()),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Listening {
    there: BTreeMap<String, Actions>,
}

impl Listening {
    pub(super) fn given(&mut self, given: &Given) {
        let (rule, actions) = match given {
            Given::Forwards(rule, weights) => (rule, Self::forwards(weights, None)),
            Given::Sticks(rule, weights) => (rule, Self::forwards(weights, Some("600".to_owned()))),
            Given::Redirects(rule) => (rule, Actions::Other("<member><Type>redirect</Type></member>")),
        };
        self.there.insert(rule.to_string(), actions);
    }

    fn forwards(weights: &ghostnet_core::route::Weights, sticks_for: Option<String>) -> Actions {
        let weights = weights
            .iter()
            .map(|(group, weight)| (group.to_string(), i32::try_from(*weight).unwrap()));
        Actions::Forward {
            weights: weights.collect(),
            sticks_for,
        }
    }

    /// None: it is not about listeners and rules.
    pub(super) fn answer(&mut self, sent: &Sent) -> Option<Reply> {
        Some(match sent.operation.as_str() {
            "elasticloadbalancing:DescribeListeners" => {
                let asked = numbered(sent, |n| format!("ListenerArns.member.{n}"));
                match self.found(&asked) {
                    None => error(sent, 400, "ListenerNotFound"),
                    Some(found) => {
                        let found: Vec<_> = found.iter().map(|(arn, xml)| (arn.as_str(), xml.as_str())).collect();
                        listeners(&found)
                    }
                }
            }
            "elasticloadbalancing:DescribeRules" => {
                let asked = numbered(sent, |n| format!("RuleArns.member.{n}"));
                match self.found(&asked) {
                    None => error(sent, 400, "RuleNotFound"),
                    Some(found) => {
                        let found: Vec<_> = found.iter().map(|(arn, xml)| (arn.as_str(), xml.as_str(), false)).collect();
                        rules(&found)
                    }
                }
            }
            "elasticloadbalancing:ModifyListener" => self.set(sent, "ListenerArn", "DefaultActions", "ListenerNotFound"),
            "elasticloadbalancing:ModifyRule" => self.set(sent, "RuleArn", "Actions", "RuleNotFound"),
            _ => return None,
        })
    }

    /// All of them or none, as AWS.
    fn found(&self, asked: &[String]) -> Option<Vec<(String, String)>> {
        let one = |arn: &String| Some((arn.clone(), self.there.get(arn)?.xml()));
        asked.iter().map(one).collect()
    }

    fn set(&mut self, sent: &Sent, named: &str, list: &str, missing: &str) -> Reply {
        match self.there.get_mut(sent.text(named)) {
            None => error(sent, 400, missing),
            Some(there) => {
                *there = Actions::of(sent, list);
                done(sent.operation.rsplit(':').next().unwrap_or_default())
            }
        }
    }
}
