//! The alarms of a fleet as CloudWatch has them: those that `apply` made, those that the spec lists, and who mutes them.

use std::collections::BTreeMap;

use ghostnet_aws::cloudwatch::alarm::{AlarmDefinition, ListedAlarm};
use ghostnet_aws::cloudwatch::mute::MuteRule;
use ghostnet_core::id::AlarmName;
use ghostnet_core::spec::Resolved;
use ghostnet_core::state::StoredSpec;
use ghostnet_engine::live::Finding;
use ghostnet_engine::live::alarms::{self as judge, Kept, Listed, Mute};

use super::told;
use crate::alarms;
use crate::failure::Failure;
use crate::resolve::alarm_name;
use crate::spec_file::SpecFile;
use crate::stack::Session;

/// Most alarms of which is asked who mutes them: a call for each.
const MUTED_MAX: usize = 50;

/// Findings about all of them.
///
/// # Errors
/// CloudWatch does not answer.
pub(super) async fn findings(
    session: &Session,
    file: &SpecFile,
    resolved: &Resolved,
    stored: Option<&StoredSpec>,
) -> Result<Vec<Finding>, Failure> {
    let region = session.aws.home();
    let wanted = alarms::wanted(&file.spec, resolved, &session.stack);
    let existing = session.alarms(&file.spec.id).await?;
    let is_applied = stored.is_some_and(|stored| *stored.spec == file.raw);
    let kept: Vec<&AlarmDefinition> = wanted.iter().filter(|alarm| is_kept(alarm, &existing, is_applied)).collect();
    let listed: Vec<AlarmName> = file.spec.alarms.iter().map(|alarm| alarm_name(alarm)).collect();
    let names: Vec<AlarmName> = kept.iter().map(|alarm| alarm.name.clone()).chain(listed.iter().cloned()).collect();
    let watches = session.aws.watches(region, &names).await;
    let mut watches = watches.map_err(Failure::aws("alarms cannot be read"))?;
    let mut placed = Vec::new();
    let mut of_apply = Vec::new();
    for alarm in kept {
        let path = policy_at(file, &alarm.name);
        placed.push((path.clone(), alarm.name.clone()));
        of_apply.push(Kept {
            path,
            wanted: alarm.watch(),
            found: watches.remove(&alarm.name),
            tells: tells(session, alarm, &existing),
            name: alarm.name.clone(),
        });
    }
    let mut of_owner = Vec::new();
    for (n, name) in listed.into_iter().enumerate() {
        let path = format!("alarms[{n}]");
        placed.push((path.clone(), name.clone()));
        of_owner.extend(watches.remove(&name).map(|watch| Listed { path, name, watch }));
    }
    let mut findings = judge::judge_kept(&of_apply);
    findings.extend(judge::judge_listed(&file.spec, resolved, &of_owner));
    let names: Vec<AlarmName> = placed.iter().map(|(_, name)| name.clone()).take(MUTED_MAX).collect();
    let rules = told("rules that mute alarms", session.aws.mutes(region, &names).await, &mut findings);
    findings.extend(judge::judge_mutes(&mutes(rules, &placed)));
    Ok(findings)
}

/// Whether `apply` made this alarm, and would leave it as it is: what it will write anew is nobody's change. One that is not
/// there is missed only if the very spec is applied.
fn is_kept(alarm: &AlarmDefinition, existing: &[ListedAlarm], is_applied: bool) -> bool {
    let listed = existing.iter().find(|listed| listed.name == alarm.name);
    listed.map_or(is_applied, |listed| listed.description == alarm.description)
}

/// Whether a change of the alarm reaches GhostNet; one that is gone is told as that.
fn tells(session: &Session, alarm: &AlarmDefinition, existing: &[ListedAlarm]) -> bool {
    let listed = existing.iter().find(|listed| listed.name == alarm.name);
    listed.is_none_or(|listed| session.stack.is_reached_by(&listed.name, &listed.actions, listed.actions_enabled))
}

/// Rules, each with the places of the alarms that it mutes.
fn mutes(rules: BTreeMap<String, MuteRule>, placed: &[(String, AlarmName)]) -> Vec<Mute> {
    let mute = |(rule, facts): (String, MuteRule)| Mute {
        rule,
        alarms: placed.iter().filter(|(_, name)| facts.alarms.contains(name)).cloned().collect(),
        is_active: facts.is_active,
        when: facts.when,
    };
    rules.into_iter().map(mute).collect()
}

/// Where the policy of an alarm of ours stands: the alarm's name says which it is.
fn policy_at(file: &SpecFile, name: &AlarmName) -> String {
    let mut parts = name.as_str().split('/').skip(2);
    let (pool, policy) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Some(n) = file.spec.pools.iter().position(|other| other.id.as_str() == pool) else {
        return "policies".to_owned();
    };
    let of_its_own = file.raw.pools.get(n).is_some_and(|pool| pool.policies.is_some());
    let list = if of_its_own {
        format!("pools[{n}].policies")
    } else {
        "policies".to_owned()
    };
    let policies = file.spec.pools.get(n).map(|pool| &pool.policies[..]).unwrap_or_default();
    let place = policies.iter().position(|other| other.id.as_str() == policy);
    place.map_or_else(|| list.clone(), |place| format!("{list}[{place}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{Delivery, Stack};

    const FLEET: &str = include_str!("../../../infra/fleets/web.yaml");

    fn file(text: &str) -> SpecFile {
        let Ok(file) = crate::spec_file::read("web.yaml", text) else {
            panic!("the example has no problems")
        };
        file
    }

    #[test]
    fn an_alarm_is_told_at_its_policy() {
        let shared = file(FLEET);
        let own = file(&FLEET.replace(
            "policies:  ",
            "    policies: [{ id: mine, type: target_tracking, metric: cpu, target: 50 }]\npolicies:  ",
        ));
        for (file, name, expected) in [
            (&shared, "ghostnet/web/blue/requests/out", "policies[0]"),
            (&shared, "ghostnet/web/blue/cpu/out", "policies[1]"),
            (&shared, "ghostnet/web/blue/gone/out", "policies"),
            (&shared, "ghostnet/web/gone/cpu/out", "policies"),
            (&own, "ghostnet/web/blue/mine/out", "pools[0].policies[0]"),
        ] {
            assert_eq!(policy_at(file, &AlarmName::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn only_what_apply_believes_unchanged_is_held_against_it() {
        let stack = Stack {
            table: String::new(),
            installation: String::new(),
            alarm_topic: "topic".to_owned(),
            alarm_function: "f".to_owned(),
            tick_function: "t".to_owned(),
            failover_function: None,
            forecast_function: None,
            delivery: Delivery::EventBridge,
        };
        let wanted = alarms::wanted(&file(FLEET).spec, &Resolved::default(), &stack);
        let Some(alarm) = wanted.first() else {
            panic!("the example has an alarm")
        };
        let listed = |description: &str| ListedAlarm {
            name: alarm.name.clone(),
            arn: String::new(),
            description: description.to_owned(),
            actions: Vec::new(),
            actions_enabled: true,
            keeps_its_state: false,
        };
        for (situation, existing, is_applied, expected) in [
            ("as it was written", vec![listed(&alarm.description)], true, true),
            ("to be written anew", vec![listed("an older form")], true, false),
            ("gone", vec![], true, true),
            ("never applied", vec![], false, false),
        ] {
            assert_eq!(is_kept(alarm, &existing, is_applied), expected, "{situation}");
        }
    }
}
