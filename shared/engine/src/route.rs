//! Which fleets a signal is for, and whose turn it is.

use std::collections::BTreeSet;

use ghostnet_core::id::{FleetId, InstanceId};
use ghostnet_core::signal::{AlarmChange, fleet_of_alarm, fleet_of_health_alarm};

use crate::error::PortError;
use crate::invocation::Invocation;
use crate::port::{Compute, FleetEntry, ListedInstance, Store};

/// The fleets whose capacity an alarm wakes: the one that its name carries, or those whose specs list it. One that tells of a side's
/// health is failover's alone.
///
/// # Errors
/// The list of fleets could not be read.
pub async fn fleets_of_alarm<S: Store>(store: &S, change: &AlarmChange) -> Result<Vec<FleetId>, PortError> {
    if fleet_of_health_alarm(&change.alarm).is_some() {
        return Ok(Vec::new());
    }
    match fleet_of_alarm(&change.alarm) {
        Some(fleet) => Ok(vec![fleet]),
        None => Ok(listening(&store.fleets().await?, change)),
    }
}

/// The fleets that these instances belong to; none for instances that are not of this installation.
///
/// # Errors
/// The instances could not be listed.
pub async fn fleets_of_instances<C: Compute>(
    compute: &C,
    invocation: &Invocation,
    instances: &[InstanceId],
) -> Result<Vec<FleetId>, PortError> {
    let listed = compute.instances(&invocation.region, &invocation.installation).await?;
    Ok(owning(&listed, instances))
}

/// All fleets, longest unevaluated first, so that a tick that runs out of time starts the next one with those it left.
#[must_use]
pub fn in_turn(mut fleets: Vec<FleetEntry>) -> Vec<FleetId> {
    // none sorts before every moment: who was never evaluated comes first
    fleets.sort_by(|a, b| (a.evaluated_at, &a.fleet).cmp(&(b.evaluated_at, &b.fleet)));
    fleets.into_iter().map(|entry| entry.fleet).collect()
}

/// The fleets whose specs list this alarm, by its name or its ARN.
fn listening(fleets: &[FleetEntry], change: &AlarmChange) -> Vec<FleetId> {
    let is_it = |listed: &String| listed == change.alarm.as_str() || Some(listed) == change.arn.as_ref();
    let listening = fleets.iter().filter(|entry| entry.alarms.iter().any(is_it));
    listening.map(|entry| entry.fleet.clone()).collect()
}

fn owning(listed: &[ListedInstance], instances: &[InstanceId]) -> Vec<FleetId> {
    let named = listed.iter().filter(|listed| instances.contains(&listed.instance.id));
    let fleets: BTreeSet<_> = named.filter_map(|listed| listed.fleet.clone()).collect();
    fleets.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ghostnet_core::id::{AlarmName, InstanceType, Zone};
    use ghostnet_core::observation::{Instance, InstanceState};
    use ghostnet_core::signal::{AlarmChangeKind, AlarmState};
    use jiff::Timestamp;

    use super::*;

    fn entry(fleet: &str, evaluated_second: Option<i64>, alarms: &[&str]) -> Option<FleetEntry> {
        Some(FleetEntry {
            fleet: fleet.parse().ok()?,
            alarms: alarms.iter().map(|&alarm| alarm.to_owned()).collect(),
            fails_over: false,
            evaluated_at: evaluated_second.and_then(|second| Timestamp::from_second(second).ok()),
        })
    }

    fn names(fleets: &[FleetId]) -> Vec<&str> {
        fleets.iter().map(FleetId::as_str).collect()
    }

    #[test]
    fn the_longest_unevaluated_fleet_is_first() {
        let fleets = [
            ("fresh", Some(300)),
            ("new-b", None),
            ("stale", Some(100)),
            ("new-a", None),
            ("tied-b", Some(200)),
            ("tied-a", Some(200)),
        ];
        let entries = fleets.iter().filter_map(|(fleet, at)| entry(fleet, *at, &[])).collect();
        assert_eq!(names(&in_turn(entries)), ["new-a", "new-b", "stale", "tied-a", "tied-b", "fresh"]);
    }

    #[test]
    fn a_listed_alarm_wakes_every_fleet_that_lists_it() {
        let arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:queue-too-long";
        let fleets = [
            entry("by-name", None, &["other", "queue-too-long"]),
            entry("by-arn", None, &[arn]),
            entry("deaf", None, &["queue"]),
        ];
        let fleets: Vec<_> = fleets.into_iter().flatten().collect();
        for (situation, alarm, arn, expected) in [
            ("name and ARN", "queue-too-long", Some(arn), vec!["by-name", "by-arn"]),
            ("no ARN in the payload", "queue-too-long", None, vec!["by-name"]),
            (
                "nobody's alarm",
                "cpu",
                Some("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:cpu"),
                vec![],
            ),
        ] {
            let change = AlarmChange {
                alarm: AlarmName::new(alarm),
                arn: arn.map(str::to_owned),
                state: AlarmState::Alarm,
                at: Timestamp::UNIX_EPOCH,
                muted: false,
                change: AlarmChangeKind::State,
            };
            assert_eq!(names(&listening(&fleets, &change)), expected, "{situation}");
        }
    }

    #[test]
    fn instances_belong_to_the_fleet_that_their_tag_names() {
        let listed = |id: &str, fleet: Option<&str>| ListedInstance {
            fleet: fleet.and_then(|fleet| fleet.parse().ok()),
            instance: Instance {
                id: InstanceId::new(id),
                state: InstanceState::Running,
                zone: Zone::new("eu-west-1a"),
                instance_type: InstanceType::new("c7a.large"),
                market: ghostnet_core::observation::Market::OnDemand,
                launched_at: Timestamp::UNIX_EPOCH,
                pool: None,
                plan: None,
                step: None,
                protected: false,
                word: ghostnet_core::observation::Word::default(),
                template: None,
                address: None,
            },
            tag_keys: BTreeSet::new(),
        };
        let all = [
            listed("i-1", Some("web")),
            listed("i-2", Some("api")),
            listed("i-3", Some("web")),
            listed("i-4", None),
        ];
        for (instances, expected) in [
            (vec!["i-3", "i-1"], vec!["web"]),
            (vec!["i-1", "i-2"], vec!["api", "web"]),
            (vec!["i-4"], vec![]),
            (vec!["i-9"], vec![]),
        ] {
            let ids: Vec<_> = instances.iter().map(|&id| InstanceId::new(id)).collect();
            assert_eq!(names(&owning(&all, &ids)), expected, "{instances:?}");
        }
    }
}
