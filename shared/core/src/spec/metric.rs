//! Which CloudWatch numbers a policy looks at.
//!
//! EC2 has no metric per fleet without an Auto Scaling group, so a named metric has a source: the target group, the
//! CloudWatch agent, a Metrics Insights query by tag, or one series per instance that this program averages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PoolSpec, Resolved};
use crate::id::{FleetId, InstanceId, PoolId, TargetGroupArn};
use crate::unit::Seconds;

/// The dimension that names an instance.
pub const INSTANCE_ID: &str = "InstanceId";

/// What a policy looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// A metric that has a name, from one of its sources.
    Named {
        /// Which.
        name: NamedMetric,
        /// From where.
        source: MetricSource,
    },
    /// Any CloudWatch metric.
    Stat(Stat),
    /// A metric-math expression, or a Metrics Insights query if `inputs` is empty.
    Expression {
        /// The expression.
        expression: String,
        /// The metrics it names.
        inputs: BTreeMap<String, Stat>,
        /// Length of a datapoint.
        period: Seconds,
    },
    /// Several metrics, by the names under which a policy combines them.
    Several {
        /// The metrics; none of them is one per instance, nor several again.
        metrics: BTreeMap<String, Self>,
        /// Length of a datapoint, the same for all.
        period: Seconds,
    },
}

/// One CloudWatch metric with its statistic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stat {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Dimensions, exactly as published.
    pub dimensions: BTreeMap<String, String>,
    /// `Average`, `Sum`, `p90`, …
    pub statistic: String,
    /// Length of a datapoint.
    pub period: Seconds,
}

impl std::fmt::Display for Stat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.statistic, self.namespace, self.name)
    }
}

impl Stat {
    /// The same metric of one instance.
    #[must_use]
    pub fn of_instance(&self, instance: &InstanceId) -> Self {
        let mut stat = self.clone();
        stat.dimensions.insert(INSTANCE_ID.to_owned(), instance.to_string());
        stat
    }

    /// Why target tracking cannot use it, of what AWS publishes itself; none: it can, as far as anybody knows.
    #[must_use]
    pub fn why_not_tracked(&self) -> Option<&'static str> {
        const DEMAND: &str = "the demand stays the same however many instances are added";
        const TIME: &str = "below saturation it stays the same however many instances are added";
        const ERRORS: &str = "errors often have another cause than load";
        match (self.namespace.as_str(), self.name.as_str()) {
            ("AWS/SQS", _) => Some(
                "what waits in a queue does not fall in proportion as instances are added: a policy of type `queue` counts it per instance",
            ),
            (
                "AWS/ApplicationELB" | "AWS/NetworkELB",
                "RequestCount"
                | "ActiveConnectionCount"
                | "NewConnectionCount"
                | "NewFlowCount"
                | "ActiveFlowCount"
                | "ProcessedBytes"
                | "ConsumedLCUs",
            ) => Some(DEMAND),
            ("AWS/ApplicationELB", "TargetResponseTime") => Some(TIME),
            ("AWS/ApplicationELB", name) if name.starts_with("HTTPCode_") || name.ends_with("ErrorCount") => Some(ERRORS),
            ("AWS/ApplicationELB" | "AWS/NetworkELB", "HealthyHostCount" | "UnHealthyHostCount") => Some("it counts instances"),
            _ => None,
        }
    }
}

/// The metrics that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedMetric {
    /// CPU utilisation, percent.
    Cpu,
    /// Bytes received per instance and minute.
    NetworkIn,
    /// Bytes sent per instance and minute.
    NetworkOut,
    /// Memory in use, percent.
    Memory,
    /// Fullest disk, percent in use.
    Disk,
    /// Requests per target and minute.
    AlbRequestCountPerTarget,
    /// Requests for all targets together, per minute.
    AlbRequestCount,
    /// Average target response time, seconds.
    ResponseTime,
    /// Requests answered 5xx by targets, percent.
    ErrorRate,
}

impl NamedMetric {
    /// The name as it is written in a spec.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::NetworkIn => "network_in",
            Self::NetworkOut => "network_out",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::AlbRequestCountPerTarget => "alb_request_count_per_target",
            Self::AlbRequestCount => "alb_request_count",
            Self::ResponseTime => "response_time",
            Self::ErrorRate => "error_rate",
        }
    }

    /// Why target tracking cannot use this metric; none if it can. Its arithmetic needs a value that falls in
    /// proportion as instances are added (EC2 Auto Scaling documents the same rule).
    #[must_use]
    pub fn why_not_tracked(self) -> Option<&'static str> {
        match self {
            Self::ResponseTime => {
                Some("response time does not fall in proportion as instances are added: below saturation more instances change nothing")
            }
            Self::ErrorRate => {
                Some("an error rate does not fall in proportion as instances are added: errors often have another cause than load")
            }
            Self::Disk => Some("a full disk stays full however many instances are added"),
            Self::AlbRequestCount => Some("the demand stays the same however many instances are added"),
            Self::Cpu | Self::NetworkIn | Self::NetworkOut | Self::Memory | Self::AlbRequestCountPerTarget => None,
        }
    }

    /// Whether it is a share of a hundred.
    #[must_use]
    pub fn is_percentage(self) -> bool {
        matches!(self, Self::Cpu | Self::Memory | Self::Disk | Self::ErrorRate)
    }

    /// Sources that publish the metric, the default first.
    #[must_use]
    pub fn sources(self) -> &'static [MetricSource] {
        use MetricSource::{Agent, Insights, Instances, TargetGroup};
        match self {
            Self::Cpu => &[Agent, Insights, Instances],
            Self::NetworkIn | Self::NetworkOut => &[Insights, Instances],
            Self::Memory | Self::Disk => &[Agent],
            Self::AlbRequestCountPerTarget | Self::AlbRequestCount | Self::ResponseTime | Self::ErrorRate => &[TargetGroup],
        }
    }

    /// The metric of namespace `AWS/EC2` behind the sources `insights` and `instances`.
    fn ec2(self) -> Option<&'static str> {
        match self {
            Self::Cpu => Some("CPUUtilization"),
            Self::NetworkIn => Some("NetworkIn"),
            Self::NetworkOut => Some("NetworkOut"),
            _ => None,
        }
    }
}

/// Where a named metric comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricSource {
    /// The load balancer, one metric per target group.
    TargetGroup,
    /// The CloudWatch agent or the application, with a `Fleet` dimension.
    Agent,
    /// A Metrics Insights query by tag.
    Insights,
    /// One series per instance, averaged by this program.
    Instances,
}

impl MetricSource {
    /// The name as it is written in a spec.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TargetGroup => "target_group",
            Self::Agent => "agent",
            Self::Insights => "insights",
            Self::Instances => "instances",
        }
    }
}

/// What to ask CloudWatch for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryShape {
    /// One metric.
    Stat(Stat),
    /// An expression over several, or a Metrics Insights query if `inputs` is empty.
    Expression {
        /// The expression.
        expression: String,
        /// The metrics it names.
        inputs: BTreeMap<String, Stat>,
        /// Length of a datapoint.
        period: Seconds,
    },
}

impl QueryShape {
    /// Length of a datapoint.
    #[must_use]
    pub fn period(&self) -> Seconds {
        match self {
            Self::Stat(stat) => stat.period,
            Self::Expression { period, .. } => *period,
        }
    }
}

/// What has to be asked for one metric of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queries {
    /// One query.
    One(QueryShape),
    /// One per instance in service (dimension `InstanceId`), to be averaged.
    PerInstance(Stat),
    /// One for each of several metrics, by their names.
    Several(BTreeMap<String, QueryShape>),
}

impl Metric {
    /// Whether it falls as instances are added, as far as anybody knows: of a metric that only its owner knows, yes.
    #[must_use]
    pub fn falls_with_instances(&self) -> bool {
        match self {
            Self::Named { name, .. } => name.why_not_tracked().is_none(),
            Self::Stat(stat) => stat.why_not_tracked().is_none(),
            Self::Expression { .. } => true,
            Self::Several { .. } => false,
        }
    }

    /// Length of a datapoint.
    #[must_use]
    pub fn period(&self) -> Seconds {
        match self {
            Self::Named { name, source } => named_period(*name, *source),
            Self::Stat(stat) => stat.period,
            Self::Expression { period, .. } | Self::Several { period, .. } => *period,
        }
    }

    /// The queries that answer this metric for one pool.
    #[must_use]
    pub fn queries(&self, fleet: &FleetId, pool: &PoolSpec, resolved: &Resolved) -> Queries {
        match self {
            Self::Stat(stat) => Queries::One(QueryShape::Stat(stat.clone())),
            Self::Expression {
                expression,
                inputs,
                period,
            } => Queries::One(QueryShape::Expression {
                expression: expression.clone(),
                inputs: inputs.clone(),
                period: *period,
            }),
            Self::Named { name, source } => match source {
                MetricSource::TargetGroup => Queries::One(from_balancer(*name, &pool.target_groups, resolved)),
                MetricSource::Agent => Queries::One(QueryShape::Stat(from_agent(*name, fleet))),
                MetricSource::Insights => Queries::One(from_insights(*name, fleet, &pool.id)),
                MetricSource::Instances => Queries::PerInstance(per_instance(*name)),
            },
            Self::Several { metrics, .. } => {
                let one = |(name, metric): (&String, &Self)| match metric.queries(fleet, pool, resolved) {
                    Queries::One(shape) => Some((name.clone(), shape)),
                    Queries::PerInstance(_) | Queries::Several(_) => None,
                };
                Queries::Several(metrics.iter().filter_map(one).collect())
            }
        }
    }

    /// Whether the value is shared by every instance that serves, warming ones included: the balancer divides requests
    /// by all healthy targets. Other metrics leave warming instances out.
    #[must_use]
    pub fn is_over_serving(&self) -> bool {
        matches!(
            self,
            Self::Named {
                source: MetricSource::TargetGroup,
                ..
            }
        )
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named { name, source } => write!(f, "{} from {}", name.as_str(), source.as_str()),
            Self::Stat(stat) => write!(f, "{stat}"),
            Self::Expression { expression, .. } => f.write_str(expression),
            Self::Several { metrics, .. } => {
                let names: Vec<&str> = metrics.keys().map(String::as_str).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

/// EC2's basic monitoring publishes every five minutes; the rest every minute.
fn named_period(name: NamedMetric, source: MetricSource) -> Seconds {
    match (name.ec2(), source) {
        (Some(_), MetricSource::Insights | MetricSource::Instances) => Seconds::minutes(5),
        _ => Seconds::minutes(1),
    }
}

fn from_agent(name: NamedMetric, fleet: &FleetId) -> Stat {
    // names as infra/agent publishes them
    let (metric, statistic) = match name {
        NamedMetric::Memory => ("mem_used_percent", "Average"),
        NamedMetric::Disk => ("disk_used_percent", "Maximum"),
        _ => ("cpu_usage_active", "Average"),
    };
    Stat {
        namespace: "CWAgent".to_owned(),
        name: metric.to_owned(),
        dimensions: BTreeMap::from([("Fleet".to_owned(), fleet.to_string())]),
        statistic: statistic.to_owned(),
        period: Seconds::minutes(1),
    }
}

fn from_insights(name: NamedMetric, fleet: &FleetId, pool: &PoolId) -> QueryShape {
    let metric = name.ec2().unwrap_or("CPUUtilization");
    QueryShape::Expression {
        expression: format!(
            "SELECT AVG({metric}) FROM \"AWS/EC2\" WHERE tag.\"ghostnet:fleet\" = '{fleet}' AND tag.\"ghostnet:pool\" = '{pool}'"
        ),
        inputs: BTreeMap::new(),
        period: Seconds::minutes(5),
    }
}

pub(super) fn per_instance(name: NamedMetric) -> Stat {
    Stat {
        namespace: "AWS/EC2".to_owned(),
        name: name.ec2().unwrap_or("CPUUtilization").to_owned(),
        dimensions: BTreeMap::new(),
        statistic: "Average".to_owned(),
        period: Seconds::minutes(5),
    }
}

/// One group: the plain metric. Several: their sum, maximum or quotient by metric math, since every serving instance is
/// in all of a pool's groups.
fn from_balancer(name: NamedMetric, groups: &[TargetGroupArn], resolved: &Resolved) -> QueryShape {
    let stat = |metric: &str, statistic: &str, group: &TargetGroupArn| balancer_stat(metric, statistic, group, resolved);
    let over_groups = |metric: &str, statistic: &str, combine: &str| {
        if let [group] = groups {
            return QueryShape::Stat(stat(metric, statistic, group));
        }
        let inputs = (1..)
            .zip(groups)
            .map(|(n, group)| (format!("m{n}"), stat(metric, statistic, group)))
            .collect();
        QueryShape::Expression {
            expression: format!("{combine}(METRICS())"),
            inputs,
            period: Seconds::minutes(1),
        }
    };
    match name {
        NamedMetric::ResponseTime => over_groups("TargetResponseTime", "Average", "MAX"),
        NamedMetric::ErrorRate => {
            let mut inputs = BTreeMap::new();
            for (n, group) in (1..).zip(groups) {
                inputs.insert(format!("errors{n}"), stat("HTTPCode_Target_5XX_Count", "Sum", group));
                inputs.insert(format!("requests{n}"), stat("RequestCount", "Sum", group));
            }
            // errors are published only when there are some: no datapoint beside existing requests is a true zero
            let expression = "100 * FILL(SUM(METRICS(\"errors\")), 0) / SUM(METRICS(\"requests\"))".to_owned();
            QueryShape::Expression {
                expression,
                inputs,
                period: Seconds::minutes(1),
            }
        }
        NamedMetric::AlbRequestCount => over_groups("RequestCount", "Sum", "SUM"),
        _ => over_groups("RequestCountPerTarget", "Sum", "SUM"),
    }
}

/// The spread of a group's response times, and how many of its targets the balancer finds anomalous.
#[must_use]
pub fn imbalance(group: &TargetGroupArn, resolved: &Resolved) -> [QueryShape; 2] {
    let response_time = |statistic| balancer_stat("TargetResponseTime", statistic, group, resolved);
    let inputs = BTreeMap::from([
        ("middle".to_owned(), response_time("p50")),
        ("tail".to_owned(), response_time("p90")),
    ]);
    let spread = QueryShape::Expression {
        expression: "100 * tail / middle".to_owned(),
        inputs,
        period: Seconds::minutes(1),
    };
    [
        spread,
        QueryShape::Stat(balancer_stat("AnomalousHostCount", "Maximum", group, resolved)),
    ]
}

fn balancer_stat(metric: &str, statistic: &str, group: &TargetGroupArn, resolved: &Resolved) -> Stat {
    let mut dimensions = BTreeMap::from([("TargetGroup".to_owned(), group_dimension(group).to_owned())]);
    if let Some(balancer) = resolved.balancers.get(group) {
        dimensions.insert("LoadBalancer".to_owned(), balancer.clone());
    }
    Stat {
        namespace: "AWS/ApplicationELB".to_owned(),
        name: metric.to_owned(),
        dimensions,
        statistic: statistic.to_owned(),
        period: Seconds::minutes(1),
    }
}

/// The value of CloudWatch's `TargetGroup` dimension: the last part of the ARN, `targetgroup/name/id`.
#[must_use]
pub fn group_dimension(group: &TargetGroupArn) -> &str {
    group.as_str().rsplit(':').next().unwrap_or_default()
}
