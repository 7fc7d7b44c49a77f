//! ELBv2's listeners and rules: what they forward to by which weights, and setting it.
//!
//! Only an action list of exactly one action, a forward or a fixed response, is ours to set. A list that authenticates first or redirects
//! has more in it than is kept here, and AWS replaces the whole list: it is left alone.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum as Kind, FixedResponseActionConfig, ForwardActionConfig, TargetGroupStickinessConfig, TargetGroupTuple,
};
use ghostnet_core::id::{Destination, Region, RouteId, TargetGroupArn};
use ghostnet_core::route::Weights;
use ghostnet_core::spec::{ContentType, FixedResponse};
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::{ErrorClass, PortError};
use serde::{Deserialize, Serialize};

use crate::Aws;
use crate::elbv2::once;
use crate::error::{code, incomplete, own, port_error};

const LISTENERS: &str = "elasticloadbalancing:DescribeListeners";
const RULES: &str = "elasticloadbalancing:DescribeRules";
const SET_LISTENER: &str = "elasticloadbalancing:ModifyListener";
const SET_RULE: &str = "elasticloadbalancing:ModifyRule";

/// ARNs of one call. AWS names no limit for a list of ARNs, and answers so many in one page.
const ASKED_PER_CALL: usize = 20;
/// Weight of a group for which none is told: what AWS gives the only group of an action.
const WEIGHT_DEFAULT: i32 = 1;

/// The only action of a list: what [`Routing::actions`] holds, as JSON. Groups are sorted, because their order means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "type")]
enum Deed {
    /// To one group, without weights: all that some kinds of balancers know.
    #[serde(rename = "forward")]
    Only { group: TargetGroupArn },
    /// By weights.
    #[serde(rename = "forward_weighted")]
    Weighted {
        groups: Weights,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stickiness: Option<Stickiness>,
    },
    /// To nobody: the balancer itself answers.
    #[serde(rename = "fixed_response")]
    Fixed { response: FixedResponse },
}

/// Whether clients stay with the group that they met first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stickiness {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seconds: Option<i32>,
}

impl Aws {
    /// What listeners and rules do; one that is not ours to set is absent.
    pub(crate) async fn rules(&self, region: &Region, rules: &[&RouteId]) -> Result<BTreeMap<RouteId, Routing>, PortError> {
        let (listeners, rules): (Vec<&RouteId>, Vec<&RouteId>) = rules.iter().copied().partition(|arn| is_listener(arn));
        let asks = listeners
            .chunks(ASKED_PER_CALL)
            .map(|arns| (true, arns))
            .chain(rules.chunks(ASKED_PER_CALL).map(|arns| (false, arns)));
        let mut found = BTreeMap::new();
        for (of_listeners, arns) in asks {
            found.extend(self.lists(region, of_listeners, arns).await?);
        }
        let mut routing = BTreeMap::new();
        for (arn, actions) in found {
            match Deed::read(&actions)? {
                Ok(deed) => drop(routing.insert(arn, deed.routing()?)),
                Err(why) => tracing::warn!(rule = %arn, why, "its actions are not ours to set: it is left alone"),
            }
        }
        Ok(routing)
    }

    /// The list of one action that does it.
    pub(crate) async fn set_rule(&self, region: &Region, rule: &RouteId, expected: &Routing, set: &RouteTo) -> Result<(), PortError> {
        let call = if is_listener(rule) { SET_LISTENER } else { SET_RULE };
        let deed = match set {
            RouteTo::Weights(weights) => Deed::parse(call, expected)?.with(call, weights)?,
            RouteTo::Actions(actions) => Deed::parse(call, actions)?,
            RouteTo::Reweighted { actions, weights } => Deed::parse(call, actions)?.with(call, weights)?,
            RouteTo::Fixed(response) => Deed::Fixed {
                response: response.clone(),
            },
        };
        let actions = Some(vec![deed.action(call)?]);
        let elbv2 = &self.clients(region).elbv2;
        if is_listener(rule) {
            let request = elbv2.modify_listener().listener_arn(rule.as_str()).set_default_actions(actions);
            let answer = request.customize().config_override(once()).send().await;
            answer.map(|_| ()).map_err(|error| port_error(call, error))
        } else {
            let request = elbv2.modify_rule().rule_arn(rule.as_str()).set_actions(actions);
            let answer = request.customize().config_override(once()).send().await;
            answer.map(|_| ()).map_err(|error| port_error(call, error))
        }
    }
}

/// The action list of each of some listeners or rules.
type Lists = Vec<(RouteId, Vec<Action>)>;

impl Aws {
    /// In one call, or one by one where one that does not exist would hide the others.
    async fn lists(&self, region: &Region, of_listeners: bool, arns: &[&RouteId]) -> Result<Lists, PortError> {
        match self.ask(region, of_listeners, arns).await {
            Err(error) if error.class == ErrorClass::NotFound && arns.len() > 1 => {}
            ended => return none_if_gone(ended),
        }
        let mut lists = Lists::new();
        for arn in arns.chunks(1) {
            lists.extend(none_if_gone(self.ask(region, of_listeners, arn).await)?);
        }
        Ok(lists)
    }

    async fn ask(&self, region: &Region, of_listeners: bool, arns: &[&RouteId]) -> Result<Lists, PortError> {
        let names = Some(arns.iter().map(ToString::to_string).collect());
        let elbv2 = &self.clients(region).elbv2;
        if of_listeners {
            let answer = elbv2.describe_listeners().set_listener_arns(names).send().await;
            let listeners = answer.map_err(|error| port_error(LISTENERS, error))?.listeners.unwrap_or_default();
            let list = listeners.into_iter().map(|listener| {
                let arn = listener
                    .listener_arn
                    .ok_or_else(|| incomplete(LISTENERS, "a listener without ARN"))?;
                Ok((RouteId::new(arn), listener.default_actions.unwrap_or_default()))
            });
            return list.collect();
        }
        let answer = elbv2.describe_rules().set_rule_arns(names).send().await;
        let rules = answer.map_err(|error| port_error(RULES, error))?.rules.unwrap_or_default();
        let list = rules.into_iter().filter_map(|rule| {
            let Some(arn) = rule.rule_arn else {
                return Some(Err(incomplete(RULES, "a rule without ARN")));
            };
            if rule.is_default == Some(true) {
                tracing::warn!(
                    rule = arn,
                    "a default rule is changed by its listener only: it is left alone, name the listener"
                );
                return None;
            }
            Some(Ok((RouteId::new(arn), rule.actions.unwrap_or_default())))
        });
        list.collect()
    }
}

fn none_if_gone(lists: Result<Lists, PortError>) -> Result<Lists, PortError> {
    match lists {
        Err(error) if error.class == ErrorClass::NotFound => Ok(Lists::new()),
        ended => ended,
    }
}

/// `...:listener/app/...`, and for a rule `...:listener-rule/app/...`.
fn is_listener(arn: &RouteId) -> bool {
    arn.as_str().contains(":listener/")
}

impl Deed {
    /// What a list of actions does, or why it cannot be set.
    fn read(actions: &[Action]) -> Result<Result<Self, String>, PortError> {
        let [action] = actions else {
            return Ok(Err(format!("{} actions, and not one", actions.len())));
        };
        match action.r#type() {
            Some(Kind::Forward) => {}
            Some(Kind::FixedResponse) => return Ok(fixed(action)),
            Some(other) => return Ok(Err(format!("a `{}` action", other.as_str()))),
            None => return Err(incomplete(RULES, "an action without type")),
        }
        let config = action.forward_config().filter(|config| !config.target_groups().is_empty());
        let Some(config) = config else {
            return Ok(match action.target_group_arn() {
                Some(group) => Ok(Self::Only {
                    group: TargetGroupArn::new(group),
                }),
                None => Err("a forward action without a target group".to_owned()),
            });
        };
        let groups: Result<BTreeMap<_, _>, PortError> = config.target_groups().iter().map(weight).collect();
        let stickiness = config.target_group_stickiness_config().map(|found| Stickiness {
            enabled: found.enabled(),
            seconds: found.duration_seconds(),
        });
        Ok(Ok(Self::Weighted {
            groups: groups?,
            stickiness,
        }))
    }

    fn routing(&self) -> Result<Routing, PortError> {
        let weights = match self {
            Self::Only { group } => BTreeMap::from([(Destination::from(group), WEIGHT_DEFAULT.unsigned_abs())]),
            Self::Weighted { groups, .. } => groups.clone(),
            Self::Fixed { .. } => BTreeMap::new(),
        };
        let answer = match self {
            Self::Fixed { response } => Some(response.clone()),
            Self::Only { .. } | Self::Weighted { .. } => None,
        };
        let actions = serde_json::to_string(self);
        let actions = actions.map_err(|error| own(RULES, ErrorClass::Invalid, code::REQUEST, &error.to_string()))?;
        let sticks = match self {
            Self::Weighted { stickiness, .. } => stickiness.as_ref().is_some_and(|stickiness| stickiness.enabled == Some(true)),
            Self::Only { .. } | Self::Fixed { .. } => false,
        };
        Ok(Routing {
            weights,
            actions,
            answer,
            sticks,
        })
    }

    fn parse(call: &'static str, routing: &Routing) -> Result<Self, PortError> {
        serde_json::from_str(&routing.actions).map_err(|error| {
            own(
                call,
                ErrorClass::Invalid,
                code::REQUEST,
                &format!("actions cannot be read: {error}"),
            )
        })
    }

    /// The same with these weights. A group that they do not name keeps its own; one that the action does not name is refused. Where the
    /// balancer answers by itself, they name all there is.
    fn with(self, call: &'static str, weights: &Weights) -> Result<Self, PortError> {
        let (mut groups, stickiness) = match self {
            Self::Only { group } => (BTreeMap::from([(Destination::from(&group), WEIGHT_DEFAULT.unsigned_abs())]), None),
            Self::Weighted { groups, stickiness } => (groups, stickiness),
            Self::Fixed { .. } => (weights.clone(), None),
        };
        if groups.is_empty() {
            return Err(own(
                call,
                ErrorClass::Invalid,
                code::REQUEST,
                "the action is to forward, and no group is named",
            ));
        }
        for (group, weight) in weights {
            let Some(there) = groups.get_mut(group) else {
                let why = format!("the action does not name {group}");
                return Err(own(call, ErrorClass::Invalid, code::REQUEST, &why));
            };
            *there = *weight;
        }
        Ok(Self::Weighted { groups, stickiness })
    }

    fn action(&self, call: &'static str) -> Result<Action, PortError> {
        let bad = |why: String| own(call, ErrorClass::Invalid, code::REQUEST, &why);
        let kind = match self {
            Self::Only { .. } | Self::Weighted { .. } => Kind::Forward,
            Self::Fixed { .. } => Kind::FixedResponse,
        };
        let action = Action::builder().r#type(kind);
        let action = match self {
            Self::Fixed { response } => {
                let config = FixedResponseActionConfig::builder()
                    .status_code(response.status.to_string())
                    .content_type(response.content_type.as_str())
                    .message_body(&response.body);
                action.fixed_response_config(config.build())
            }
            Self::Only { group } => action.target_group_arn(group.as_str()),
            Self::Weighted { groups, stickiness } => {
                let mut config = ForwardActionConfig::builder();
                for (group, weight) in groups {
                    let weight = i32::try_from(*weight).map_err(|_| bad(format!("{weight} is no weight")))?;
                    let tuple = TargetGroupTuple::builder().target_group_arn(group.as_str()).weight(weight);
                    config = config.target_groups(tuple.build());
                }
                let stickiness = stickiness.as_ref().map(|found| {
                    TargetGroupStickinessConfig::builder()
                        .set_enabled(found.enabled)
                        .set_duration_seconds(found.seconds)
                        .build()
                });
                action.forward_config(config.set_target_group_stickiness_config(stickiness).build())
            }
        };
        Ok(action.build())
    }
}

/// A fixed response, or why it could not be given back as it is.
fn fixed(action: &Action) -> Result<Deed, String> {
    let config = action.fixed_response_config().ok_or("a fixed response without its parts")?;
    let status = config.status_code().unwrap_or_default();
    let status = status.parse().map_err(|_| format!("a fixed response of status `{status}`"))?;
    // AWS takes text for what is not said
    let content_type = config.content_type().unwrap_or(ContentType::Plain.as_str());
    let content_type = [ContentType::Plain, ContentType::Html, ContentType::Json]
        .into_iter()
        .find(|known| known.as_str() == content_type)
        .ok_or_else(|| format!("a fixed response of type `{content_type}`"))?;
    Ok(Deed::Fixed {
        response: FixedResponse {
            status,
            content_type,
            body: config.message_body().unwrap_or_default().to_owned(),
        },
    })
}

fn weight(tuple: &TargetGroupTuple) -> Result<(Destination, u32), PortError> {
    let group = tuple
        .target_group_arn()
        .ok_or_else(|| incomplete(RULES, "a weight without target group"))?;
    let weight = tuple.weight().unwrap_or(WEIGHT_DEFAULT);
    let weight = u32::try_from(weight).map_err(|_| incomplete(RULES, &format!("{group} has weight {weight}")))?;
    Ok((Destination::new(group), weight))
}
