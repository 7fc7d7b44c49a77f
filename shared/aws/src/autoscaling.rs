//! Auto Scaling groups, as they are: what `ghostnet adopt` and `ghostnet import` read. Nothing of a group is ever changed.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::types::{
    AutoScalingGroup, LaunchTemplateSpecification, MixedInstancesPolicy, ScalingPolicy, ScheduledUpdateGroupAction,
    TargetTrackingConfiguration, WarmPoolConfiguration,
};
use ghostnet_core::id::{InstanceId, Region};
use ghostnet_engine::error::PortError;
use jiff::Timestamp;

use crate::Aws;
use crate::error::{port_error, too_many_pages};

/// Pages of one answer; a group has fewer than a hundred policies and schedules.
const PAGES_MAX: usize = 10;

const GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";
const POLICIES: &str = "autoscaling:DescribePolicies";
const SCHEDULES: &str = "autoscaling:DescribeScheduledActions";
const HOOKS: &str = "autoscaling:DescribeLifecycleHooks";

/// A group. What AWS leaves out is as AWS documents it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupFacts {
    /// Its name.
    pub name: String,
    /// Fewest, most, and wanted.
    pub sizes: (u32, u32, u32),
    /// The launch template, of a mixed group too.
    pub template: Option<TemplateName>,
    /// The launch configuration, of old groups.
    pub launch_configuration: Option<String>,
    /// How it mixes types and markets.
    pub mixed: Option<MixedFacts>,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// Target groups that it registers in.
    pub target_groups: Vec<String>,
    /// Classic Load Balancers.
    pub classic_balancers: Vec<String>,
    /// Traffic sources of other kinds, as `type identifier`.
    pub other_sources: Vec<String>,
    /// `EC2`, `ELB`, or several.
    pub health_check: String,
    /// How long a new instance is not judged, in seconds.
    pub grace_seconds: u32,
    /// Between two simple adjustments, in seconds.
    pub cooldown_seconds: u32,
    /// Until a new instance counts, in seconds.
    pub warmup_seconds: Option<u32>,
    /// Who leaves first.
    pub termination_policies: Vec<String>,
    /// Whether new instances are protected from scale-in.
    pub protects_new: bool,
    /// Whether it replaces spot instances that may be taken.
    pub capacity_rebalance: bool,
    /// How old an instance may become, in seconds.
    pub lifetime_seconds: Option<u32>,
    /// Processes that are suspended.
    pub suspended: Vec<String>,
    /// Its instances.
    pub instances: Vec<GroupInstance>,
    /// Its warm pool.
    pub warm: Option<WarmFacts>,
    /// Minimum and maximum of healthy instances in percent while some are replaced.
    pub maintenance: Option<(i32, i32)>,
    /// What its capacity is counted in, if not instances.
    pub counted_in: Option<String>,
    /// Its placement group.
    pub placement_group: Option<String>,
}

/// A launch template and its version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateName {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// A number, `$Default` or `$Latest`; none: `$Default`.
    pub version: Option<String>,
}

/// A mixed instances policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MixedFacts {
    /// Instance types in order.
    pub types: Vec<String>,
    /// Whether some override is weighted.
    pub has_weights: bool,
    /// Whether types are chosen by attributes.
    pub by_attributes: bool,
    /// Whether some override has a launch template or an image of its own.
    pub has_templates: bool,
    /// On demand before all others.
    pub on_demand_base: u32,
    /// On demand above the base, in percent.
    pub on_demand_percent: u32,
    /// Which type on demand.
    pub on_demand_strategy: Option<String>,
    /// Which type of spot.
    pub spot_strategy: Option<String>,
    /// The most that spot may cost.
    pub spot_max_price: Option<String>,
}

/// An instance of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInstance {
    /// Its id.
    pub id: InstanceId,
    /// `InService`, `Standby`, `Warmed:Stopped`, ...
    pub lifecycle: String,
    /// Whether it is protected from scale-in.
    pub protected: bool,
}

/// A warm pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WarmFacts {
    /// Fewest that are kept.
    pub min_size: u32,
    /// Most that exist altogether; none: the group's maximum.
    pub max_prepared: Option<u32>,
    /// `Stopped`, `Hibernated` or `Running`.
    pub state: String,
    /// Whether instances return to it.
    pub reuses: bool,
}

/// A scaling policy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyFacts {
    /// Its name.
    pub name: String,
    /// Whether it may act.
    pub enabled: bool,
    /// What it does.
    pub kind: PolicyKind,
    /// The alarms that start it.
    pub alarms: Vec<String>,
}

/// What a scaling policy does.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum PolicyKind {
    /// Keeps a metric at a target.
    TargetTracking {
        /// Which.
        metric: TrackedMetric,
        /// The target.
        target: f64,
        /// Whether it only adds.
        disable_scale_in: bool,
    },
    /// Adds or removes by how far the alarm's metric is from its threshold.
    Step {
        /// `ChangeInCapacity`, `ExactCapacity` or `PercentChangeInCapacity`.
        adjustment: String,
        /// The least that a percentage comes to.
        at_least: Option<u32>,
        /// The steps.
        steps: Vec<StepFacts>,
        /// How the metric is aggregated.
        aggregation: Option<String>,
    },
    /// Makes one change, then waits.
    Simple {
        /// As for steps.
        adjustment: String,
        /// The least that a percentage comes to.
        at_least: Option<u32>,
        /// By so much.
        by: i32,
        /// The wait, in seconds; none: the group's.
        cooldown_seconds: Option<u32>,
    },
    /// Another kind.
    #[default]
    Other,
    /// Follows a forecast.
    Predictive,
}

/// A step: from the threshold plus `from` up to the threshold plus `below`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepFacts {
    /// Lower bound above the threshold.
    pub from: Option<f64>,
    /// Upper bound above the threshold.
    pub below: Option<f64>,
    /// By so much.
    pub by: i32,
}

/// The metric of target tracking.
#[derive(Debug, Clone, PartialEq)]
pub enum TrackedMetric {
    /// One of AWS's, with the load balancer's label.
    Predefined(String),
    /// Any one.
    Custom {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its dimensions.
        dimensions: BTreeMap<String, String>,
        /// Its statistic.
        statistic: String,
        /// Its period in seconds.
        period_seconds: u32,
    },
    /// An expression over several.
    Expression,
}

/// A scheduled action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleFacts {
    /// Its name.
    pub name: String,
    /// When first, or only.
    pub start: Option<Timestamp>,
    /// When last.
    pub end: Option<Timestamp>,
    /// Cron of five fields.
    pub cron: Option<String>,
    /// Its zone; none: UTC.
    pub zone: Option<String>,
    /// Fewest from then on.
    pub min: Option<u32>,
    /// Most from then on.
    pub max: Option<u32>,
    /// Wanted from then on.
    pub desired: Option<u32>,
}

/// What belongs to a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupRules {
    /// Scaling policies.
    pub policies: Vec<PolicyFacts>,
    /// Scheduled actions.
    pub schedules: Vec<ScheduleFacts>,
    /// Lifecycle hooks, as `transition name`.
    pub hooks: Vec<String>,
}

impl Aws {
    /// An Auto Scaling group; none if there is none of this name.
    ///
    /// # Errors
    /// AWS does not answer.
    pub async fn auto_scaling_group(&self, region: &Region, name: &str) -> Result<Option<GroupFacts>, PortError> {
        let request = autoscaling(self, region)
            .describe_auto_scaling_groups()
            .auto_scaling_group_names(name);
        let answer = request.send().await.map_err(|error| port_error(GROUPS, error))?;
        Ok(answer.auto_scaling_groups().first().map(group))
    }

    /// The policies, scheduled actions and hooks of a group.
    ///
    /// # Errors
    /// AWS does not answer, or not wholly.
    pub async fn auto_scaling_rules(&self, region: &Region, name: &str) -> Result<GroupRules, PortError> {
        let client = autoscaling(self, region);
        let mut rules = GroupRules::default();
        let mut token = None;
        for page in 0.. {
            let request = client.describe_policies().auto_scaling_group_name(name).set_next_token(token);
            let answer = request.send().await.map_err(|error| port_error(POLICIES, error))?;
            rules.policies.extend(answer.scaling_policies().iter().map(policy));
            token = next(answer.next_token(), page, POLICIES)?;
            if token.is_none() {
                break;
            }
        }
        for page in 0.. {
            let request = client
                .describe_scheduled_actions()
                .auto_scaling_group_name(name)
                .set_next_token(token);
            let answer = request.send().await.map_err(|error| port_error(SCHEDULES, error))?;
            rules.schedules.extend(answer.scheduled_update_group_actions().iter().map(schedule));
            token = next(answer.next_token(), page, SCHEDULES)?;
            if token.is_none() {
                break;
            }
        }
        let answer = client.describe_lifecycle_hooks().auto_scaling_group_name(name).send().await;
        let answer = answer.map_err(|error| port_error(HOOKS, error))?;
        let hook = |hook: &aws_sdk_autoscaling::types::LifecycleHook| {
            let of = |text: Option<&str>| text.unwrap_or_default().to_owned();
            format!("{} {}", of(hook.lifecycle_transition()), of(hook.lifecycle_hook_name()))
        };
        rules.hooks = answer.lifecycle_hooks().iter().map(hook).collect();
        Ok(rules)
    }
}

/// Only for a person who asks, so nobody else pays for the client.
fn autoscaling(aws: &Aws, region: &Region) -> Client {
    let region = aws_config::Region::new(region.as_str().to_owned());
    let config = aws.config().clone().into_builder().region(region).build();
    Client::new(&config)
}

fn next(token: Option<&str>, page: usize, call: &'static str) -> Result<Option<String>, PortError> {
    match token.filter(|token| !token.is_empty()) {
        Some(_) if page.saturating_add(1) >= PAGES_MAX => Err(too_many_pages(call, PAGES_MAX)),
        token => Ok(token.map(str::to_owned)),
    }
}

fn count(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

fn some_count(number: Option<i32>) -> Option<u32> {
    // 0 switches a limit off where AWS takes -1 or 0 for none
    number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
}

fn group(group: &AutoScalingGroup) -> GroupFacts {
    let mixed = group.mixed_instances_policy();
    let from_mixed = mixed
        .and_then(|mixed| mixed.launch_template())
        .and_then(|template| template.launch_template_specification());
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let sources = group.traffic_sources().iter();
    let other = sources.filter(|source| !matches!(source.r#type(), Some("elb" | "elbv2")));
    GroupFacts {
        name: text(group.auto_scaling_group_name()),
        sizes: (count(group.min_size()), count(group.max_size()), count(group.desired_capacity())),
        template: group.launch_template().or(from_mixed).map(template_name),
        launch_configuration: group.launch_configuration_name().map(str::to_owned),
        mixed: mixed.map(mixed_facts),
        subnets: group
            .vpc_zone_identifier()
            .unwrap_or_default()
            .split(',')
            .map(|subnet| subnet.trim().to_owned())
            .filter(|subnet| !subnet.is_empty())
            .collect(),
        target_groups: group.target_group_arns().to_vec(),
        classic_balancers: group.load_balancer_names().to_vec(),
        other_sources: other
            .map(|source| format!("{} {}", text(source.r#type()), text(source.identifier())))
            .collect(),
        health_check: text(group.health_check_type()),
        grace_seconds: count(group.health_check_grace_period()),
        cooldown_seconds: count(group.default_cooldown()),
        warmup_seconds: some_count(group.default_instance_warmup()),
        termination_policies: group.termination_policies().to_vec(),
        protects_new: group.new_instances_protected_from_scale_in() == Some(true),
        capacity_rebalance: group.capacity_rebalance() == Some(true),
        lifetime_seconds: some_count(group.max_instance_lifetime()),
        suspended: group
            .suspended_processes()
            .iter()
            .filter_map(|process| process.process_name().map(str::to_owned))
            .collect(),
        instances: group.instances().iter().filter_map(instance).collect(),
        warm: group.warm_pool_configuration().map(warm_facts),
        maintenance: group
            .instance_maintenance_policy()
            .and_then(|policy| policy.min_healthy_percentage().zip(policy.max_healthy_percentage())),
        counted_in: group
            .desired_capacity_type()
            .filter(|unit| !unit.is_empty() && *unit != "units")
            .map(str::to_owned),
        placement_group: group.placement_group().filter(|name| !name.is_empty()).map(str::to_owned),
    }
}

fn template_name(template: &LaunchTemplateSpecification) -> TemplateName {
    TemplateName {
        id: template.launch_template_id().map(str::to_owned),
        name: template.launch_template_name().map(str::to_owned),
        version: template.version().map(str::to_owned),
    }
}

fn mixed_facts(mixed: &MixedInstancesPolicy) -> MixedFacts {
    let overrides = mixed.launch_template().map(|template| template.overrides()).unwrap_or_default();
    let distribution = mixed.instances_distribution();
    let percent = distribution.and_then(|shares| shares.on_demand_percentage_above_base_capacity());
    MixedFacts {
        types: overrides.iter().filter_map(|one| one.instance_type().map(str::to_owned)).collect(),
        has_weights: overrides
            .iter()
            .any(|one| one.weighted_capacity().is_some_and(|weight| weight != "1")),
        by_attributes: overrides.iter().any(|one| one.instance_requirements().is_some()),
        has_templates: overrides
            .iter()
            .any(|one| one.launch_template_specification().is_some() || one.image_id().is_some()),
        on_demand_base: count(distribution.and_then(|shares| shares.on_demand_base_capacity())),
        // AWS's default: all on demand
        on_demand_percent: percent.map_or(100, |percent| count(Some(percent))),
        on_demand_strategy: distribution.and_then(|shares| shares.on_demand_allocation_strategy().map(str::to_owned)),
        spot_strategy: distribution.and_then(|shares| shares.spot_allocation_strategy().map(str::to_owned)),
        spot_max_price: distribution
            .and_then(|shares| shares.spot_max_price())
            .filter(|price| !price.is_empty())
            .map(str::to_owned),
    }
}

fn instance(instance: &aws_sdk_autoscaling::types::Instance) -> Option<GroupInstance> {
    Some(GroupInstance {
        id: InstanceId::new(instance.instance_id()?),
        lifecycle: instance
            .lifecycle_state()
            .map(|state| state.as_str().to_owned())
            .unwrap_or_default(),
        protected: instance.protected_from_scale_in() == Some(true),
    })
}

fn warm_facts(warm: &WarmPoolConfiguration) -> WarmFacts {
    WarmFacts {
        min_size: count(warm.min_size()),
        max_prepared: warm.max_group_prepared_capacity().and_then(|most| u32::try_from(most).ok()),
        state: warm
            .pool_state()
            .map_or_else(|| "Stopped".to_owned(), |state| state.as_str().to_owned()),
        reuses: warm.instance_reuse_policy().and_then(|policy| policy.reuse_on_scale_in()) == Some(true),
    }
}

fn policy(policy: &ScalingPolicy) -> PolicyFacts {
    let adjustment = policy.adjustment_type().unwrap_or_default().to_owned();
    let at_least = some_count(policy.min_adjustment_magnitude().or_else(|| policy.min_adjustment_step()));
    let kind = match (
        policy.policy_type().unwrap_or("SimpleScaling"),
        policy.target_tracking_configuration(),
    ) {
        ("TargetTrackingScaling", Some(tracking)) => PolicyKind::TargetTracking {
            metric: tracked_metric(tracking),
            target: tracking.target_value().unwrap_or_default(),
            disable_scale_in: tracking.disable_scale_in() == Some(true),
        },
        ("StepScaling", _) => PolicyKind::Step {
            adjustment,
            at_least,
            steps: policy
                .step_adjustments()
                .iter()
                .map(|step| StepFacts {
                    from: step.metric_interval_lower_bound(),
                    below: step.metric_interval_upper_bound(),
                    by: step.scaling_adjustment().unwrap_or_default(),
                })
                .collect(),
            aggregation: policy.metric_aggregation_type().map(str::to_owned),
        },
        ("SimpleScaling", _) => PolicyKind::Simple {
            adjustment,
            at_least,
            by: policy.scaling_adjustment().unwrap_or_default(),
            cooldown_seconds: some_count(policy.cooldown()),
        },
        ("PredictiveScaling", _) => PolicyKind::Predictive,
        _ => PolicyKind::Other,
    };
    PolicyFacts {
        name: policy.policy_name().unwrap_or_default().to_owned(),
        enabled: policy.enabled() != Some(false),
        kind,
        alarms: policy
            .alarms()
            .iter()
            .filter_map(|alarm| alarm.alarm_name().map(str::to_owned))
            .collect(),
    }
}

fn tracked_metric(tracking: &TargetTrackingConfiguration) -> TrackedMetric {
    if let Some(metric) = tracking.predefined_metric_specification() {
        let kind = metric.predefined_metric_type().map(|kind| kind.as_str().to_owned());
        return TrackedMetric::Predefined(kind.unwrap_or_default());
    }
    match tracking.customized_metric_specification() {
        Some(metric) if metric.metrics().is_empty() => TrackedMetric::Custom {
            namespace: metric.namespace().unwrap_or_default().to_owned(),
            name: metric.metric_name().unwrap_or_default().to_owned(),
            dimensions: metric
                .dimensions()
                .iter()
                .filter_map(|dimension| Some((dimension.name()?.to_owned(), dimension.value()?.to_owned())))
                .collect(),
            statistic: metric
                .statistic()
                .map_or_else(|| "Average".to_owned(), |statistic| statistic.as_str().to_owned()),
            period_seconds: some_count(metric.period()).unwrap_or(60),
        },
        _ => TrackedMetric::Expression,
    }
}

fn schedule(action: &ScheduledUpdateGroupAction) -> ScheduleFacts {
    let moment = |at: Option<&aws_smithy_types::DateTime>| at.and_then(|at| Timestamp::from_second(at.secs()).ok());
    let size = |size: Option<i32>| size.and_then(|size| u32::try_from(size).ok());
    ScheduleFacts {
        name: action.scheduled_action_name().unwrap_or_default().to_owned(),
        start: moment(action.start_time()),
        end: moment(action.end_time()),
        cron: action.recurrence().filter(|cron| !cron.is_empty()).map(str::to_owned),
        zone: action.time_zone().map(str::to_owned),
        min: size(action.min_size()),
        max: size(action.max_size()),
        desired: size(action.desired_capacity()),
    }
}
