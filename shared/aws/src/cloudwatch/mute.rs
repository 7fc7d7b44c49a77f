//! Which rules mute alarms, now or on a schedule. Used by the command line only.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{AlarmMuteRuleStatus, AlarmMuteRuleSummary};
use ghostnet_core::id::{AlarmName, Region};
use ghostnet_engine::error::PortError;

use crate::Aws;
use crate::error::{port_error, too_many_pages};

const LIST: &str = "cloudwatch:ListAlarmMuteRules";
const GET: &str = "cloudwatch:GetAlarmMuteRule";

/// Pages of one alarm's rules: two hundred rules.
const PAGES_MAX: usize = 4;

/// A rule that mutes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MuteRule {
    /// Which of the alarms asked about it mutes.
    pub alarms: BTreeSet<AlarmName>,
    /// Whether it mutes now.
    pub is_active: bool,
    /// When and for how long, in CloudWatch's words; empty if it does not say.
    pub when: String,
}

impl Aws {
    /// The rules that mute any of these alarms, by name, expired ones left out. One call for each alarm and one for each rule.
    ///
    /// # Errors
    /// CloudWatch does not answer, or not wholly.
    pub async fn mutes(&self, region: &Region, alarms: &[AlarmName]) -> Result<BTreeMap<String, MuteRule>, PortError> {
        let mut rules: BTreeMap<String, MuteRule> = BTreeMap::new();
        for alarm in alarms {
            for summary in self.rules_on(region, alarm).await? {
                let Some(name) = summary.alarm_mute_rule_arn().and_then(rule_name) else {
                    continue;
                };
                let rule = rules.entry(name.to_owned()).or_default();
                rule.alarms.insert(alarm.clone());
                rule.is_active |= summary.status() == Some(&AlarmMuteRuleStatus::Active);
            }
        }
        for (name, rule) in &mut rules {
            rule.when = self.rule_time(region, name).await?;
        }
        Ok(rules)
    }

    async fn rules_on(&self, region: &Region, alarm: &AlarmName) -> Result<Vec<AlarmMuteRuleSummary>, PortError> {
        let request = self
            .clients(region)
            .cloudwatch
            .list_alarm_mute_rules()
            .alarm_name(alarm.as_str())
            .statuses(AlarmMuteRuleStatus::Active)
            .statuses(AlarmMuteRuleStatus::Scheduled);
        let mut pages = request.into_paginator().send();
        let mut rules = Vec::new();
        let mut pages_read = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(LIST, error))?;
            rules.extend(page.alarm_mute_rule_summaries().iter().cloned());
            pages_read += 1;
            if pages_read == PAGES_MAX && page.next_token().is_some() {
                return Err(too_many_pages(LIST, PAGES_MAX));
            }
        }
        Ok(rules)
    }

    async fn rule_time(&self, region: &Region, name: &str) -> Result<String, PortError> {
        let request = self.clients(region).cloudwatch.get_alarm_mute_rule().alarm_mute_rule_name(name);
        let answer = request.send().await.map_err(|error| port_error(GET, error))?;
        let Some(schedule) = answer.rule().and_then(|rule| rule.schedule()) else {
            return Ok(String::new());
        };
        let part = |word: &str, text: Option<&str>| text.map(|text| format!("{word}{text}")).unwrap_or_default();
        Ok([
            part("", schedule.expression()),
            part(" for ", schedule.duration()),
            part(" ", schedule.timezone()),
        ]
        .concat())
    }
}

/// The name in a rule's ARN: `arn:aws:cloudwatch:<region>:<account>:alarm-mute-rule:<name>`.
fn rule_name(arn: &str) -> Option<&str> {
    arn.split_once(":alarm-mute-rule:").map(|(_, name)| name)
}
