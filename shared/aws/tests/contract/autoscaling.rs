//! Auto Scaling groups as AWS describes them.

use std::collections::BTreeMap;

use ghostnet_aws::autoscaling::{
    GroupFacts, GroupInstance, GroupRules, MixedFacts, PolicyFacts, PolicyKind, ScheduleFacts, StepFacts, TemplateName, TrackedMetric,
    WarmFacts,
};
use ghostnet_core::id::InstanceId;
use ghostnet_engine::error::ErrorClass;

use crate::sample::region;
use crate::wire::{Reply, Wire, run};

fn groups(inside: &str) -> Reply {
    let result =
        format!("<DescribeAutoScalingGroupsResult><AutoScalingGroups>{inside}</AutoScalingGroups></DescribeAutoScalingGroupsResult>");
    Reply::xml(format!(
        "<DescribeAutoScalingGroupsResponse>{result}</DescribeAutoScalingGroupsResponse>"
    ))
}

/// One that uses everything, as a mixed group.
const GROUP: &str = "<member>
  <AutoScalingGroupName>web-asg</AutoScalingGroupName>
  <MinSize>2</MinSize><MaxSize>12</MaxSize><DesiredCapacity>4</DesiredCapacity>
  <DefaultCooldown>300</DefaultCooldown><DefaultInstanceWarmup>120</DefaultInstanceWarmup>
  <MixedInstancesPolicy>
    <LaunchTemplate>
      <LaunchTemplateSpecification><LaunchTemplateId>lt-1</LaunchTemplateId><LaunchTemplateName>web</LaunchTemplateName><Version>7</Version></LaunchTemplateSpecification>
      <Overrides>
        <member><InstanceType>c7a.large</InstanceType></member>
        <member><InstanceType>c7i.xlarge</InstanceType><WeightedCapacity>2</WeightedCapacity></member>
      </Overrides>
    </LaunchTemplate>
    <InstancesDistribution>
      <OnDemandBaseCapacity>2</OnDemandBaseCapacity><OnDemandPercentageAboveBaseCapacity>25</OnDemandPercentageAboveBaseCapacity>
      <SpotAllocationStrategy>price-capacity-optimized</SpotAllocationStrategy><SpotMaxPrice></SpotMaxPrice>
    </InstancesDistribution>
  </MixedInstancesPolicy>
  <VPCZoneIdentifier>subnet-a,subnet-b</VPCZoneIdentifier>
  <TargetGroupARNs><member>arn:tg</member></TargetGroupARNs>
  <HealthCheckType>ELB</HealthCheckType><HealthCheckGracePeriod>180</HealthCheckGracePeriod>
  <TerminationPolicies><member>OldestInstance</member></TerminationPolicies>
  <NewInstancesProtectedFromScaleIn>true</NewInstancesProtectedFromScaleIn>
  <MaxInstanceLifetime>604800</MaxInstanceLifetime>
  <SuspendedProcesses><member><ProcessName>Launch</ProcessName></member></SuspendedProcesses>
  <WarmPoolConfiguration>
    <MinSize>1</MinSize><MaxGroupPreparedCapacity>6</MaxGroupPreparedCapacity><PoolState>Hibernated</PoolState>
    <InstanceReusePolicy><ReuseOnScaleIn>true</ReuseOnScaleIn></InstanceReusePolicy>
  </WarmPoolConfiguration>
  <Instances>
    <member><InstanceId>i-1</InstanceId><LifecycleState>InService</LifecycleState><ProtectedFromScaleIn>true</ProtectedFromScaleIn></member>
    <member><InstanceId>i-2</InstanceId><LifecycleState>Warmed:Stopped</LifecycleState></member>
  </Instances>
</member>";

#[test]
fn a_group_is_read_with_everything_that_it_has() {
    let wire = Wire::new(|_, _| groups(GROUP));
    let found = run(wire.aws().auto_scaling_group(&region(), "web-asg"));
    let instance = |id: &str, lifecycle: &str, protected| GroupInstance {
        id: InstanceId::new(id),
        lifecycle: lifecycle.to_owned(),
        protected,
    };
    let expected = GroupFacts {
        name: "web-asg".to_owned(),
        sizes: (2, 12, 4),
        template: Some(TemplateName {
            id: Some("lt-1".to_owned()),
            name: Some("web".to_owned()),
            version: Some("7".to_owned()),
        }),
        mixed: Some(MixedFacts {
            types: vec!["c7a.large".to_owned(), "c7i.xlarge".to_owned()],
            has_weights: true,
            on_demand_base: 2,
            on_demand_percent: 25,
            spot_strategy: Some("price-capacity-optimized".to_owned()),
            ..MixedFacts::default()
        }),
        subnets: vec!["subnet-a".to_owned(), "subnet-b".to_owned()],
        target_groups: vec!["arn:tg".to_owned()],
        health_check: "ELB".to_owned(),
        grace_seconds: 180,
        cooldown_seconds: 300,
        warmup_seconds: Some(120),
        termination_policies: vec!["OldestInstance".to_owned()],
        protects_new: true,
        lifetime_seconds: Some(604_800),
        suspended: vec!["Launch".to_owned()],
        instances: vec![instance("i-1", "InService", true), instance("i-2", "Warmed:Stopped", false)],
        warm: Some(WarmFacts {
            min_size: 1,
            max_prepared: Some(6),
            state: "Hibernated".to_owned(),
            reuses: true,
        }),
        ..GroupFacts::default()
    };
    assert_eq!(found, Ok(Some(expected)));
    assert_eq!(wire.only().text("AutoScalingGroupNames.member.1"), "web-asg");
}

#[test]
fn a_group_that_does_not_exist_is_none_and_a_refusal_is_told() {
    let wire = Wire::new(|_, _| groups(""));
    assert_eq!(run(wire.aws().auto_scaling_group(&region(), "no")), Ok(None));
    let wire = Wire::new(|_, _| Reply::elb_error(403, "AccessDenied"));
    let refused = run(wire.aws().auto_scaling_group(&region(), "web-asg"));
    assert_eq!(refused.map_err(|error| error.class), Err(ErrorClass::Denied));
}

fn policies(inside: &str, next: &str) -> Reply {
    let result = format!("<DescribePoliciesResult><ScalingPolicies>{inside}</ScalingPolicies>{next}</DescribePoliciesResult>");
    Reply::xml(format!("<DescribePoliciesResponse>{result}</DescribePoliciesResponse>"))
}

const TRACKING: &str = "<member><PolicyName>cpu</PolicyName><PolicyType>TargetTrackingScaling</PolicyType><Enabled>true</Enabled>
  <Alarms><member><AlarmName>TargetTracking-web-asg-AlarmHigh</AlarmName></member></Alarms>
  <TargetTrackingConfiguration><PredefinedMetricSpecification><PredefinedMetricType>ASGAverageCPUUtilization</PredefinedMetricType></PredefinedMetricSpecification>
  <TargetValue>50.0</TargetValue><DisableScaleIn>false</DisableScaleIn></TargetTrackingConfiguration></member>
  <member><PolicyName>backlog</PolicyName><PolicyType>TargetTrackingScaling</PolicyType><Enabled>false</Enabled>
  <TargetTrackingConfiguration><CustomizedMetricSpecification><MetricName>Backlog</MetricName><Namespace>App</Namespace>
  <Dimensions><member><Name>Queue</Name><Value>jobs</Value></member></Dimensions><Statistic>Average</Statistic></CustomizedMetricSpecification>
  <TargetValue>10.0</TargetValue><DisableScaleIn>true</DisableScaleIn></TargetTrackingConfiguration></member>";
const STEPS: &str = "<member><PolicyName>steps</PolicyName><PolicyType>StepScaling</PolicyType><AdjustmentType>PercentChangeInCapacity</AdjustmentType>
  <MinAdjustmentMagnitude>2</MinAdjustmentMagnitude><MetricAggregationType>Maximum</MetricAggregationType>
  <StepAdjustments><member><MetricIntervalLowerBound>0.0</MetricIntervalLowerBound><MetricIntervalUpperBound>15.0</MetricIntervalUpperBound><ScalingAdjustment>10</ScalingAdjustment></member></StepAdjustments></member>
  <member><PolicyName>one</PolicyName><PolicyType>SimpleScaling</PolicyType><AdjustmentType>ChangeInCapacity</AdjustmentType><ScalingAdjustment>-1</ScalingAdjustment><Cooldown>600</Cooldown></member>
  <member><PolicyName>ahead</PolicyName><PolicyType>PredictiveScaling</PolicyType></member>";

fn rules(wire: &Wire) -> GroupRules {
    run(wire.aws().auto_scaling_rules(&region(), "web-asg")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn rules_are_read_to_their_last_page() {
    let schedules = "<member><ScheduledActionName>evening</ScheduledActionName><Recurrence>0 18 * * 1-5</Recurrence><TimeZone>Europe/Berlin</TimeZone>\
        <StartTime>2026-03-02T17:00:00Z</StartTime><MinSize>8</MinSize><DesiredCapacity>10</DesiredCapacity></member>";
    let schedules = format!(
        "<DescribeScheduledActionsResponse><DescribeScheduledActionsResult><ScheduledUpdateGroupActions>{schedules}</ScheduledUpdateGroupActions></DescribeScheduledActionsResult></DescribeScheduledActionsResponse>"
    );
    let hook = "<member><LifecycleHookName>drain</LifecycleHookName><LifecycleTransition>autoscaling:EC2_INSTANCE_TERMINATING</LifecycleTransition></member>";
    let hooks = format!(
        "<DescribeLifecycleHooksResponse><DescribeLifecycleHooksResult><LifecycleHooks>{hook}</LifecycleHooks></DescribeLifecycleHooksResult></DescribeLifecycleHooksResponse>"
    );
    let wire = Wire::script([
        policies(TRACKING, "<NextToken>more</NextToken>"),
        policies(STEPS, ""),
        Reply::xml(schedules),
        Reply::xml(hooks),
    ]);
    let policy = |name: &str, kind| PolicyFacts {
        name: name.to_owned(),
        enabled: true,
        kind,
        alarms: Vec::new(),
    };
    let expected = GroupRules {
        policies: vec![
            PolicyFacts {
                alarms: vec!["TargetTracking-web-asg-AlarmHigh".to_owned()],
                ..policy(
                    "cpu",
                    PolicyKind::TargetTracking {
                        metric: TrackedMetric::Predefined("ASGAverageCPUUtilization".to_owned()),
                        target: 50.0,
                        disable_scale_in: false,
                    },
                )
            },
            PolicyFacts {
                enabled: false,
                ..policy(
                    "backlog",
                    PolicyKind::TargetTracking {
                        metric: TrackedMetric::Custom {
                            namespace: "App".to_owned(),
                            name: "Backlog".to_owned(),
                            dimensions: BTreeMap::from([("Queue".to_owned(), "jobs".to_owned())]),
                            statistic: "Average".to_owned(),
                            period_seconds: 60,
                        },
                        target: 10.0,
                        disable_scale_in: true,
                    },
                )
            },
            policy(
                "steps",
                PolicyKind::Step {
                    adjustment: "PercentChangeInCapacity".to_owned(),
                    at_least: Some(2),
                    steps: vec![StepFacts {
                        from: Some(0.0),
                        below: Some(15.0),
                        by: 10,
                    }],
                    aggregation: Some("Maximum".to_owned()),
                },
            ),
            policy(
                "one",
                PolicyKind::Simple {
                    adjustment: "ChangeInCapacity".to_owned(),
                    at_least: None,
                    by: -1,
                    cooldown_seconds: Some(600),
                },
            ),
            policy("ahead", PolicyKind::Predictive),
        ],
        schedules: vec![ScheduleFacts {
            name: "evening".to_owned(),
            start: "2026-03-02T17:00:00Z".parse().ok(),
            cron: Some("0 18 * * 1-5".to_owned()),
            zone: Some("Europe/Berlin".to_owned()),
            min: Some(8),
            desired: Some(10),
            ..ScheduleFacts::default()
        }],
        hooks: vec!["autoscaling:EC2_INSTANCE_TERMINATING drain".to_owned()],
    };
    assert_eq!(rules(&wire), expected);
    let tokens: Vec<_> = wire.sent().iter().map(|sent| sent.text("NextToken").to_owned()).collect();
    assert_eq!(tokens, ["", "more", "", ""]);
}

#[test]
fn pages_without_an_end_are_an_error() {
    let wire = Wire::new(|_, _| policies("", "<NextToken>more</NextToken>"));
    assert!(run(wire.aws().auto_scaling_rules(&region(), "web-asg")).is_err());
    assert_eq!(wire.sent().len(), 10);
}
