//! The deployed stack, as its outputs describe it: where the table is, whose instances are ours, how alarms are
//! delivered.

use std::collections::BTreeMap;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use ghostnet_aws::cloudwatch::alarm::ListedAlarm;
use ghostnet_aws::settings::{INSTALLATION, Settings, TABLE};
use ghostnet_aws::{Aws, retries, timeouts};
use ghostnet_core::id::{AlarmName, FleetId};
use ghostnet_core::state::{CapacityState, StoredSpec};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{FleetEntry, Store};
use serde::Serialize;

use crate::failure::Failure;

/// Output that names the function which moves traffic.
pub(crate) const FAILOVER_FUNCTION: &str = "FailoverFunctionName";

/// Output that names the function which learns from loads.
pub(crate) const FORECAST_FUNCTION: &str = "ForecastFunctionName";

/// Longest part of an error's text that is shown.
const MESSAGE_LETTERS_MAX: usize = 300;

/// AWS, and the stack that is deployed there.
#[derive(Debug)]
pub(crate) struct Session {
    /// AWS.
    pub(crate) aws: Aws,
    /// The stack.
    pub(crate) stack: Stack,
}

/// What a stack says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stack {
    /// Its table.
    pub(crate) table: String,
    /// Its installation.
    pub(crate) installation: String,
    /// The topic that reaches the alarm function.
    pub(crate) alarm_topic: String,
    /// The alarm function.
    pub(crate) alarm_function: String,
    /// The tick function, which operators ask.
    pub(crate) tick_function: String,
    /// The function that moves traffic; none before the version that had it first.
    pub(crate) failover_function: Option<String>,
    /// The function that learns from loads; none before the version that had it first.
    pub(crate) forecast_function: Option<String>,
    /// How alarms are delivered.
    pub(crate) delivery: Delivery,
}

/// How the alarms of `apply` reach GhostNet. One path, not both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Delivery {
    /// By a rule on the alarms' names.
    EventBridge,
    /// By the topic, which the alarms name as their action.
    Sns,
}

impl Session {
    /// Connects to AWS and reads the outputs of the stack.
    ///
    /// # Errors
    /// No region is set, or the stack cannot be read.
    pub(crate) async fn open(name: &str) -> Result<Self, Failure> {
        let defaults = aws_config::defaults(BehaviorVersion::latest());
        let config = defaults.timeout_config(timeouts()).retry_config(retries()).load().await;
        let outputs = outputs(&config, name).await?;
        let stack = Stack::from_outputs(name, &outputs)?;
        let settings = Settings::read(|variable| match variable {
            TABLE => Some(stack.table.clone()),
            INSTALLATION => Some(stack.installation.clone()),
            _ => None,
        })?;
        Ok(Self {
            aws: Aws::new(config, &settings)?,
            stack,
        })
    }

    /// Every applied fleet.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(crate) async fn fleets(&self) -> Result<Vec<FleetEntry>, Failure> {
        self.aws.fleets().await.map_err(Failure::aws("the list of fleets cannot be read"))
    }

    /// A fleet's stored spec.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(crate) async fn spec(&self, fleet: &FleetId) -> Result<Option<StoredSpec>, Failure> {
        let spec = self.aws.get_spec(fleet).await;
        spec.map_err(Failure::aws(format!("the stored spec of fleet `{fleet}` cannot be read")))
    }

    /// A fleet's capacity state; none before its first commit.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(crate) async fn state(&self, fleet: &FleetId) -> Result<Option<CapacityState>, Failure> {
        let state = self.aws.get_state(fleet).await;
        state.map_err(Failure::aws(format!("the state of fleet `{fleet}` cannot be read")))
    }

    /// The alarms that `apply` made for a fleet.
    ///
    /// # Errors
    /// CloudWatch does not answer.
    pub(crate) async fn alarms(&self, fleet: &FleetId) -> Result<Vec<ListedAlarm>, Failure> {
        let alarms = self.aws.fleet_alarms(self.aws.home(), fleet).await;
        alarms.map_err(Failure::aws(format!("the alarms of fleet `{fleet}` cannot be read")))
    }

    /// The failure for a fleet that is not there, with the one that was probably meant.
    pub(crate) async fn no_fleet(&self, fleet: &FleetId) -> Failure {
        let known = self.fleets().await.unwrap_or_default();
        let names: Vec<&str> = known.iter().map(|entry| entry.fleet.as_str()).collect();
        Failure::NoFleet {
            fleet: fleet.clone(),
            meant: crate::words::nearest(fleet.as_str(), &names).map(str::to_owned),
        }
    }

    /// Who we are to AWS, for the record; an unknown caller is no reason to stop.
    pub(crate) async fn caller(&self) -> String {
        self.aws.caller().await.unwrap_or_else(|_| "unknown".to_owned())
    }
}

impl Stack {
    fn from_outputs(name: &str, outputs: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let output = |output: &'static str| {
            outputs.get(output).cloned().ok_or_else(|| Failure::NoOutput {
                stack: name.to_owned(),
                output,
            })
        };
        let delivery = if output("AlarmDelivery")? == "Sns" {
            Delivery::Sns
        } else {
            Delivery::EventBridge
        };
        Ok(Self {
            table: output("TableName")?,
            installation: output("InstallationId")?,
            alarm_topic: output("AlarmTopicArn")?,
            alarm_function: output("AlarmFunctionName")?,
            tick_function: output("TickFunctionName")?,
            failover_function: outputs.get(FAILOVER_FUNCTION).cloned(),
            forecast_function: outputs.get(FORECAST_FUNCTION).cloned(),
            delivery,
        })
    }

    /// What the alarms of `apply` must tell.
    pub(crate) fn alarm_actions(&self) -> Vec<String> {
        match self.delivery {
            Delivery::Sns => vec![self.alarm_topic.clone()],
            Delivery::EventBridge => Vec::new(),
        }
    }

    /// Whether an alarm of the user's own reaches GhostNet.
    pub(crate) fn is_reached_by(&self, name: &AlarmName, actions: &[String], actions_enabled: bool) -> bool {
        let by_rule = self.delivery == Delivery::EventBridge && name.as_str().starts_with("ghostnet/");
        let tells_us = |action: &String| *action == self.alarm_topic || action.ends_with(&format!(":function:{}", self.alarm_function));
        by_rule || (actions_enabled && actions.iter().any(tells_us))
    }
}

async fn outputs(config: &SdkConfig, name: &str) -> Result<BTreeMap<String, String>, Failure> {
    let answer = aws_sdk_cloudformation::Client::new(config)
        .describe_stacks()
        .stack_name(name)
        .send()
        .await;
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let no_stack = || Failure::NoStack {
        stack: name.to_owned(),
        region: region.clone(),
    };
    let answer = answer.map_err(|error| {
        let error = port_error(&error);
        // CloudFormation has no code of its own for a stack that does not exist
        if error.code == "ValidationError" {
            no_stack()
        } else {
            Failure::aws(format!("the outputs of stack `{name}` cannot be read"))(error)
        }
    })?;
    let stack = answer.stacks().first().ok_or_else(no_stack)?;
    let output =
        |output: &aws_sdk_cloudformation::types::Output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()));
    Ok(stack.outputs().iter().filter_map(output).collect())
}

/// The one call outside the AWS crate: no function reads stacks.
fn port_error<E: ProvideErrorMetadata + std::error::Error + 'static, R: std::fmt::Debug>(error: &SdkError<E, R>) -> PortError {
    let code = error.code().unwrap_or("NoAnswer").to_owned();
    let class = match code.as_str() {
        "AccessDenied" | "AccessDeniedException" | "ExpiredToken" | "InvalidClientTokenId" => ErrorClass::Denied,
        "Throttling" | "ThrottlingException" => ErrorClass::Throttled,
        "ValidationError" => ErrorClass::Invalid,
        _ => ErrorClass::Transient,
    };
    let message = error.message().map_or_else(|| causes(error), str::to_owned);
    PortError {
        call: "cloudformation:DescribeStacks",
        class,
        code,
        message: message.chars().take(MESSAGE_LETTERS_MAX).collect(),
    }
}

/// An error and what caused it, in words.
fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs_with(delivery: &str) -> BTreeMap<String, String> {
        let pairs = [
            ("TableName", "table"),
            ("InstallationId", "id"),
            ("AlarmTopicArn", "arn:aws:sns:eu-west-1:123456789012:ghostnet-alarms"),
            ("AlarmFunctionName", "ghostnet-alarm"),
            ("TickFunctionName", "ghostnet-tick"),
            ("AlarmDelivery", delivery),
        ];
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn a_stack_without_our_outputs_is_named() {
        let mut outputs = outputs_with("Sns");
        outputs.remove("TableName");
        let failure = Stack::from_outputs("other", &outputs).map_err(|failure| failure.report());
        assert_eq!(
            failure.err().as_deref().and_then(|report| report.lines().next()),
            Some("error: stack `other` has no output `TableName`")
        );
    }

    #[test]
    fn an_alarm_of_ones_own_reaches_us_by_topic_function_or_name() {
        let Ok(sns) = Stack::from_outputs("s", &outputs_with("Sns")) else {
            panic!("all outputs are there")
        };
        let Ok(rule) = Stack::from_outputs("s", &outputs_with("EventBridge")) else {
            panic!("all outputs are there")
        };
        let function = "arn:aws:lambda:eu-west-1:123456789012:function:ghostnet-alarm".to_owned();
        let other = "arn:aws:sns:eu-west-1:123456789012:pager".to_owned();
        for (situation, stack, name, actions, enabled, reached) in [
            ("the topic", &sns, "mine", vec![sns.alarm_topic.clone()], true, true),
            (
                "the topic, also beside EventBridge",
                &rule,
                "mine",
                vec![other.clone(), rule.alarm_topic.clone()],
                true,
                true,
            ),
            ("the function", &rule, "mine", vec![function], true, true),
            ("another topic", &sns, "mine", vec![other], true, false),
            ("actions switched off", &sns, "mine", vec![sns.alarm_topic.clone()], false, false),
            ("a name of ours, by rule", &rule, "ghostnet/mine", vec![], true, true),
            ("a name of ours, but no rule", &sns, "ghostnet/mine", vec![], true, false),
        ] {
            assert_eq!(
                stack.is_reached_by(&AlarmName::new(name), &actions, enabled),
                reached,
                "{situation}"
            );
        }
    }
}
