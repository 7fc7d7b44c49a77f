//! Which IAM actions each call needs: what a role must be granted for it, and nothing more.
//!
//! A test makes every call against a recorded wire and compares what was sent with this table; another compares the table
//! with the roles in the template.

/// One of our calls, and the IAM actions that AWS checks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The method of the port, or of [`Aws`](crate::Aws).
    pub name: &'static str,
    /// IAM actions, sorted.
    pub actions: &'static [&'static str],
}

const fn call(name: &'static str, actions: &'static [&'static str]) -> Call {
    Call { name, actions }
}

/// The engine's ports: what functions do.
pub const PORTS: &[Call] = &[
    call("instances", &["ec2:DescribeInstances"]),
    call("impaired", &["ec2:DescribeInstanceStatus"]),
    // tags are set with the launch, which IAM checks as a second action
    call("launch", &["ec2:CreateTags", "ec2:RunInstances"]),
    // IAM checks the launches inside as well
    call("create_fleet", &["ec2:CreateFleet", "ec2:CreateTags", "ec2:RunInstances"]),
    call("start", &["ec2:StartInstances"]),
    call("stop", &["ec2:StopInstances"]),
    call("tell", &["ec2:CreateTags"]),
    call("terminate", &["ec2:TerminateInstances"]),
    // EC2 judges a dry run by the rights that the call itself needs
    call("may_launch", &["ec2:CreateFleet", "ec2:CreateTags", "ec2:RunInstances"]),
    call(
        "may_touch",
        &[
            "ec2:CreateTags",
            "ec2:StartInstances",
            "ec2:StopInstances",
            "ec2:TerminateInstances",
        ],
    ),
    call("targets", &["elasticloadbalancing:DescribeTargetHealth"]),
    call("register", &["elasticloadbalancing:RegisterTargets"]),
    call("deregister", &["elasticloadbalancing:DeregisterTargets"]),
    call("group_attributes", &["elasticloadbalancing:DescribeTargetGroupAttributes"]),
    call("set_group_attributes", &["elasticloadbalancing:ModifyTargetGroupAttributes"]),
    // by what is named: each kind of route is asked and set by a call of its own
    call(
        "routing",
        &[
            "ec2:DescribeAddresses",
            "ec2:DescribeRouteTables",
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeRules",
            "globalaccelerator:DescribeEndpointGroup",
            "globalaccelerator:ListEndpointGroups",
            "route53:ListResourceRecordSets",
        ],
    ),
    call(
        "set_routing",
        &[
            "ec2:AssociateAddress",
            "ec2:ReplaceRoute",
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:ModifyRule",
            "globalaccelerator:UpdateEndpointGroup",
            "route53:ChangeResourceRecordSets",
        ],
    ),
    call("registrations", &["servicediscovery:ListInstances"]),
    // where the service has records, Cloud Map changes them with the caller's rights
    call(
        "announce",
        &["route53:ChangeResourceRecordSets", "servicediscovery:RegisterInstance"],
    ),
    call(
        "withdraw",
        &["route53:ChangeResourceRecordSets", "servicediscovery:DeregisterInstance"],
    ),
    call("series", &["cloudwatch:GetMetricData"]),
    call("alarm_states", &["cloudwatch:DescribeAlarms"]),
    call("publish", &["cloudwatch:PutMetricData"]),
    call("claim", &["dynamodb:PutItem"]),
    call("fleets", &["dynamodb:Query"]),
    call("load", &["dynamodb:BatchGetItem"]),
    call(
        "commit",
        &[
            "dynamodb:ConditionCheckItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        ],
    ),
    call(
        "commit_traffic",
        &["dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:PutItem"],
    ),
    call("record_outcomes", &["dynamodb:UpdateItem"]),
    call("note_looks", &["dynamodb:UpdateItem"]),
    call("record", &["dynamodb:PutItem"]),
    call("recorded_plans", &["dynamodb:BatchGetItem"]),
    call("exhausted", &["dynamodb:Query"]),
    call("note_exhausted", &["dynamodb:GetItem", "dynamodb:PutItem"]),
    call("note_alarm", &["dynamodb:PutItem"]),
    call("forecasts", &["dynamodb:BatchGetItem"]),
    call("memories", &["dynamodb:BatchGetItem"]),
    call("keep_forecast", &["dynamodb:PutItem"]),
    call("keep_memories", &["dynamodb:PutItem"]),
    // no port: failover wakes tick, and forecast itself
    call("invoke_later", &["lambda:InvokeFunction"]),
];

/// What the command line does beyond the ports.
pub const OPERATOR: &[Call] = &[
    // AWS always allows it
    call("caller", &[]),
    call("zones", &["ec2:DescribeSubnets"]),
    call("launch_template", &["ec2:DescribeLaunchTemplateVersions"]),
    call("target_groups", &["elasticloadbalancing:DescribeTargetGroups"]),
    call("services", &["servicediscovery:GetService"]),
    call("group_owners", &["elasticloadbalancing:DescribeTags"]),
    call("put_alarm", &["cloudwatch:PutMetricAlarm"]),
    call("delete_alarms", &["cloudwatch:DeleteAlarms"]),
    call("fleet_alarms", &["cloudwatch:DescribeAlarms"]),
    call("alarms_named", &["cloudwatch:DescribeAlarms"]),
    call("vcpus", &["ec2:DescribeInstanceTypes"]),
    call("free_addresses", &["ec2:DescribeSubnets"]),
    call("quotas", &["servicequotas:GetServiceQuota"]),
    call("watches", &["cloudwatch:DescribeAlarms"]),
    call("mutes", &["cloudwatch:GetAlarmMuteRule", "cloudwatch:ListAlarmMuteRules"]),
    call(
        "put_spec",
        &[
            "dynamodb:ConditionCheckItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        ],
    ),
    call("get_spec", &["dynamodb:BatchGetItem"]),
    call("get_state", &["dynamodb:BatchGetItem"]),
    call("get_traffic", &["dynamodb:BatchGetItem"]),
    call(
        "set_pause",
        &["dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:UpdateItem"],
    ),
    call(
        "retire",
        &[
            "dynamodb:BatchGetItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        ],
    ),
    call("delete_fleet", &["dynamodb:DeleteItem"]),
    call("disown", &["ec2:DeleteTags"]),
    call("candidates", &["ec2:DescribeInstances"]),
    call("own", &["ec2:CreateTags"]),
    call("auto_scaling_group", &["autoscaling:DescribeAutoScalingGroups"]),
    call("alarm_facts", &["cloudwatch:DescribeAlarms"]),
    call(
        "auto_scaling_rules",
        &[
            "autoscaling:DescribeLifecycleHooks",
            "autoscaling:DescribePolicies",
            "autoscaling:DescribeScheduledActions",
        ],
    ),
    call("decisions", &["dynamodb:Query"]),
    call("decision", &["dynamodb:GetItem"]),
    call("shifts", &["dynamodb:Query"]),
    call("whole_shifts", &["dynamodb:Query"]),
    call("shift", &["dynamodb:GetItem"]),
    call("invoke", &["lambda:InvokeFunction"]),
];
