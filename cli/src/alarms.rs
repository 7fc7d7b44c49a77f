//! The alarms that `apply` keeps: one per pool and measuring policy, named `ghostnet/<fleet>/<pool>/<policy>/out`.
//!
//! They wake, they do not decide: growing must not wait for the next minute. Shrinking may, so no alarm watches for it.

use ghostnet_aws::cloudwatch::alarm::{AlarmDefinition, Comparison, ListedAlarm, MissingData};
use ghostnet_core::id::{AlarmName, digest};
use ghostnet_core::spec::metric::Queries;
use ghostnet_core::spec::{FleetSpec, Measure, MissingRule, Policy, PoolSpec, Resolved, Rule};
use ghostnet_core::unit::Finite;
use serde::Serialize;

use crate::stack::Stack;

/// What has to be done to a fleet's alarms.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct AlarmChanges {
    /// Alarms to be made.
    pub(crate) created: Vec<AlarmName>,
    /// Alarms that say something else now.
    pub(crate) updated: Vec<AlarmName>,
    /// Alarms that nothing needs any more.
    pub(crate) removed: Vec<AlarmName>,
}

/// The alarms a fleet needs.
pub(crate) fn wanted(spec: &FleetSpec, resolved: &Resolved, stack: &Stack) -> Vec<AlarmDefinition> {
    let of_pool = |pool: &PoolSpec| {
        pool.policies
            .iter()
            .filter_map(|policy| alarm(spec, pool, policy, resolved, stack))
            .collect::<Vec<_>>()
    };
    // an alarm of another region would wake nobody here: the metrics of such a pool are read every minute
    let is_here = |pool: &&PoolSpec| !pool.is_elsewhere(spec.home_region.as_ref());
    spec.pools.iter().filter(is_here).flat_map(of_pool).collect()
}

/// What differs from the alarms that exist.
pub(crate) fn compare(wanted: &[AlarmDefinition], existing: &[ListedAlarm]) -> AlarmChanges {
    let mut changes = AlarmChanges::default();
    for alarm in wanted {
        match existing.iter().find(|listed| listed.name == alarm.name) {
            None => changes.created.push(alarm.name.clone()),
            Some(listed) if listed.description != alarm.description => changes.updated.push(alarm.name.clone()),
            Some(_) => {}
        }
    }
    let surplus = existing
        .iter()
        .filter(|listed| !wanted.iter().any(|alarm| alarm.name == listed.name));
    changes.removed = surplus.map(|listed| listed.name.clone()).collect();
    changes
}

/// The alarm of one policy; none if it measures nothing, never adds, or cannot be watched by an alarm.
fn alarm(spec: &FleetSpec, pool: &PoolSpec, policy: &Policy, resolved: &Resolved, stack: &Stack) -> Option<AlarmDefinition> {
    if !policy.adds_on_alarm() {
        return None;
    }
    let (measure, comparison, threshold) = trigger(pool, policy)?;
    let Queries::One(shape) = measure.metric.queries(&spec.id, pool, resolved) else {
        return None;
    };
    let missing = if measure.missing == MissingRule::Breaching {
        MissingData::Breaching
    } else {
        MissingData::NotBreaching
    };
    let definition = AlarmDefinition {
        name: AlarmName::new(format!("ghostnet/{}/{}/{}/out", spec.id, pool.id, policy.id)),
        description: String::new(),
        shape,
        comparison,
        threshold,
        rule: measure.out,
        missing,
        actions: stack.alarm_actions(),
    };
    Some(described(spec, pool, policy, definition))
}

/// When a policy first asks for more.
fn trigger<'p>(pool: &PoolSpec, policy: &'p Policy) -> Option<(&'p Measure, Comparison, Finite)> {
    match &policy.rule {
        Rule::TargetTracking(rule) => {
            // whole percents first: 900 x 1.1 is not 990
            let percent = 100.0 + f64::from(pool.guards.tolerance_out.0);
            let threshold = Finite::new(rule.target.get() * percent / 100.0)?;
            Some((&rule.measure, Comparison::Above, threshold))
        }
        Rule::Step(rule) => Some((&rule.measure, Comparison::AtLeast, rule.out.first()?.from?)),
        Rule::Threshold(rule) => Some((&rule.measure, Comparison::AtLeast, rule.from?)),
        Rule::Simple(rule) => Some((&rule.measure, Comparison::AtLeast, rule.out?.bound)),
        Rule::Capacity(_) | Rule::Queue(_) | Rule::Formula(_) | Rule::Predictive(_) | Rule::Scheduled(_) => None,
    }
}

/// With a digest of everything it says, by which a later `apply` sees whether it must say something else.
fn described(spec: &FleetSpec, pool: &PoolSpec, policy: &Policy, definition: AlarmDefinition) -> AlarmDefinition {
    let digest = digest(&format!("{definition:?}"));
    let digest = digest.get(..8).unwrap_or_default();
    let description = format!(
        "wakes GhostNet: policy {} of pool {} of fleet {} may want more instances. Kept by `ghostnet apply`, edits are lost ({digest})",
        policy.id, pool.id, spec.id
    );
    AlarmDefinition { description, ..definition }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Delivery;

    const FLEET: &str = include_str!("../../infra/fleets/web.yaml");

    fn stack(delivery: Delivery) -> Stack {
        Stack {
            table: String::new(),
            installation: String::new(),
            alarm_topic: "topic".to_owned(),
            alarm_function: "f".to_owned(),
            tick_function: "t".to_owned(),
            failover_function: None,
            forecast_function: None,
            delivery,
        }
    }

    fn wanted_by(text: &str, delivery: Delivery) -> Vec<AlarmDefinition> {
        let Ok(file) = crate::spec_file::read("", text) else {
            panic!("the example has no problems")
        };
        wanted(&file.spec, &Resolved::default(), &stack(delivery))
    }

    #[test]
    fn measuring_policies_have_an_alarm_where_they_first_ask_for_more() {
        let alarms = wanted_by(FLEET, Delivery::Sns);
        let told: Vec<_> = alarms
            .iter()
            .map(|alarm| (alarm.name.as_str(), alarm.comparison, alarm.threshold.get(), alarm.rule.of))
            .collect();
        let expected = [
            ("ghostnet/web/blue/requests/out", Comparison::Above, 1_100.0, 1),
            ("ghostnet/web/blue/cpu/out", Comparison::AtLeast, 70.0, 1),
        ];
        assert_eq!(told, expected, "and the schedule has none");
        assert!(
            alarms
                .iter()
                .all(|alarm| alarm.actions == ["topic"] && alarm.missing == MissingData::NotBreaching)
        );
        assert!(
            wanted_by(FLEET, Delivery::EventBridge).iter().all(|alarm| alarm.actions.is_empty()),
            "one path, not both"
        );
    }

    #[test]
    fn a_metric_that_no_alarm_can_watch_has_none() {
        let per_instance = FLEET.replace("metric: cpu  ", "metric: cpu\n    source: instances  ");
        assert_eq!(wanted_by(&per_instance, Delivery::Sns).len(), 1);
    }

    #[test]
    fn only_what_differs_is_changed() {
        let now = wanted_by(FLEET, Delivery::Sns);
        let listed = |alarm: &AlarmDefinition| ListedAlarm {
            name: alarm.name.clone(),
            arn: String::new(),
            description: alarm.description.clone(),
            actions: Vec::new(),
            actions_enabled: true,
            keeps_its_state: false,
        };
        let existing: Vec<_> = now.iter().map(listed).collect();
        assert_eq!(compare(&now, &existing), AlarmChanges::default());
        let later = wanted_by(
            &FLEET.replace("target: 1000 ", "target: 1200 ").replace("id: cpu", "id: processor"),
            Delivery::Sns,
        );
        let names = |names: &[AlarmName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let changes = compare(&later, &existing);
        assert_eq!(names(&changes.created), ["ghostnet/web/blue/processor/out"]);
        assert_eq!(names(&changes.updated), ["ghostnet/web/blue/requests/out"]);
        assert_eq!(names(&changes.removed), ["ghostnet/web/blue/cpu/out"]);
    }
}
