//! Steps and what they gave, in words.

use ghostnet_core::id::{InstanceId, TargetGroupArn};
use ghostnet_core::observation::Market;
use ghostnet_core::plan::{Action, Launch, Step, StepOutcome};

/// Longest list of instances that is written out.
const LISTED_MAX: usize = 4;

/// What a step would do.
pub(crate) fn planned(step: &Step) -> String {
    match &step.action {
        Action::Launch(launch) => {
            let kind = launch
                .offering
                .instance_type
                .as_ref()
                .map_or("the template's type", |kind| kind.as_str());
            let others = others(launch);
            let purpose = if launch.warm { ", to be kept warm" } else { "" };
            format!(
                "launch {} x {kind}{others} in {}{}{purpose}",
                launch.count,
                launch.offering.zone,
                market(launch)
            )
        }
        Action::Register { group, instances } => format!("register {} in {}", ids(instances), group_name(group)),
        Action::Deregister { group, instances } => format!("deregister {} from {}", ids(instances), group_name(group)),
        Action::Announce { service, addresses, .. } => {
            let instances: Vec<InstanceId> = addresses.keys().cloned().collect();
            format!("register {} in service {service}", ids(&instances))
        }
        Action::Withdraw { service, instances } => format!("deregister {} from service {service}", ids(instances)),
        Action::Start { instances, offering } => format!("start {} in {}", ids(instances), offering.zone),
        Action::Stop { instances, hibernate } => {
            let how = if *hibernate { "hibernate" } else { "stop" };
            format!("{how} {}, to be kept warm", ids(instances))
        }
        Action::Tune { group, set } => {
            let set = set.iter().map(|(attribute, value)| format!("{attribute} to {value}"));
            format!("set {} for {}", set.collect::<Vec<_>>().join(", "), group_name(group))
        }
        Action::Tag { instances, told } => format!("mark {} {}", ids(instances), told.as_str()),
        Action::Terminate { instances } => format!("terminate {}", ids(instances)),
    }
}

/// What a step did; without an outcome, that it is open.
pub(crate) fn done(step: &Step, outcome: Option<&StepOutcome>) -> String {
    let planned = planned(step);
    match outcome {
        None => format!("{planned}: open"),
        Some(StepOutcome::Launched { instances }) => format!("launched {}{}", ids(instances), offering(step)),
        Some(StepOutcome::Done) => past(&planned),
        Some(StepOutcome::DoneExcept { failed }) => {
            let failed = failed.iter().map(|(id, code)| format!("{} {code}", short(id)));
            format!("{}, except {}", past(&planned), failed.collect::<Vec<_>>().join(", "))
        }
        Some(StepOutcome::NoCapacity { code }) => format!("{planned}: no capacity ({code})"),
        Some(StepOutcome::Refused { code, message, .. }) => format!("{planned}: refused, {code}: {message}"),
        Some(StepOutcome::NotSent) => format!("{planned}: not sent, the time was up"),
    }
}

fn offering(step: &Step) -> String {
    match &step.action {
        Action::Launch(launch) => {
            let kind = launch
                .offering
                .instance_type
                .as_ref()
                .map(|kind| format!("{kind}, "))
                .unwrap_or_default();
            let purpose = if launch.warm { ", to be kept warm" } else { "" };
            format!(" ({kind}{}{}{purpose})", launch.offering.zone, market(launch))
        }
        _ => String::new(),
    }
}

/// Types that AWS may choose instead.
fn others(launch: &Launch) -> String {
    let others = launch.choice.iter().flat_map(|choice| &choice.others);
    others.map(|other| format!(" or {other}")).collect()
}

/// Only what is not the usual is said.
fn market(launch: &Launch) -> &'static str {
    match launch.offering.market {
        Market::Reserved => ", reserved",
        Market::OnDemand => "",
        Market::Spot => ", spot",
    }
}

/// `register x` as `registered x`.
fn past(planned: &str) -> String {
    let (verb, rest) = planned.split_once(' ').unwrap_or((planned, ""));
    let ending = match verb {
        "stop" => "ped",
        "set" => "",
        _ if verb.ends_with('e') => "d",
        _ => "ed",
    };
    format!("{verb}{ending} {rest}")
}

/// Instance ids, shortened, the first few of many.
pub(crate) fn ids(instances: &[InstanceId]) -> String {
    let shown = instances.iter().take(LISTED_MAX).map(short).collect::<Vec<_>>().join(", ");
    match instances.len().checked_sub(LISTED_MAX) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// The beginning of an instance id; the whole ids are in `--json`.
pub(crate) fn short(id: &InstanceId) -> String {
    const SHOWN: usize = 6;
    match id.as_str().get(..SHOWN) {
        Some(start) if id.as_str().len() > SHOWN + 2 => format!("{start}…"),
        _ => id.to_string(),
    }
}

/// The name in a target group's ARN.
pub(crate) fn group_name(group: &TargetGroupArn) -> &str {
    let dimension = ghostnet_core::spec::metric::group_dimension(group);
    dimension.split('/').nth(1).unwrap_or(dimension)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ghostnet_core::id::{InstanceType, ServiceId};
    use ghostnet_core::plan::{Choice, Strategy};

    use super::super::fixture;
    use super::*;

    #[test]
    fn a_launch_says_its_market_and_what_else_will_do() {
        let told = |change: fn(&mut Launch)| {
            let mut steps = fixture::decision(fixture::growing(), fixture::growing_actions()).plan.steps;
            for step in &mut steps {
                if let Action::Launch(launch) = &mut step.action {
                    change(launch);
                    return planned(step);
                }
            }
            String::new()
        };
        assert_eq!(told(|_| ()), "launch 1 x c7a.large in eu-west-1b");
        assert_eq!(
            told(|launch| launch.offering.market = Market::Spot),
            "launch 1 x c7a.large in eu-west-1b, spot"
        );
        assert_eq!(
            told(|launch| launch.offering.market = Market::Reserved),
            "launch 1 x c7a.large in eu-west-1b, reserved"
        );
        let chosen = told(|launch| {
            launch.offering.market = Market::Spot;
            launch.choice = Some(Choice {
                strategy: Strategy::LowestPrice,
                others: vec![InstanceType::new("m7a.large")],
            });
        });
        assert_eq!(chosen, "launch 1 x c7a.large or m7a.large in eu-west-1b, spot");
    }

    #[test]
    fn what_is_registered_in_cloud_map_is_told_with_its_service() {
        let mut steps = fixture::decision(fixture::growing(), fixture::growing_actions()).plan.steps;
        let Some(step) = steps.first_mut() else { panic!("a step") };
        let (service, id) = (ServiceId::new("srv-web"), InstanceId::new("i-1"));
        step.action = Action::Announce {
            service: service.clone(),
            addresses: [(id.clone(), Ipv4Addr::new(10, 0, 0, 7))].into(),
            port: None,
        };
        assert_eq!(planned(step), "register i-1 in service srv-web");
        let instances = vec![id];
        step.action = Action::Withdraw { service, instances };
        assert_eq!(done(step, Some(&StepOutcome::Done)), "deregistered i-1 from service srv-web");
    }

    #[test]
    fn what_was_planned_is_told_as_done() {
        for (planned, done) in [
            ("stop i-1, to be kept warm", "stopped i-1, to be kept warm"),
            (
                "set slow_start.duration_seconds to 60 for web",
                "set slow_start.duration_seconds to 60 for web",
            ),
            ("start i-1 in eu-west-1a", "started i-1 in eu-west-1a"),
            ("hibernate i-1", "hibernated i-1"),
            ("terminate i-1", "terminated i-1"),
            ("deregister i-1 from web", "deregistered i-1 from web"),
        ] {
            assert_eq!(past(planned), done);
        }
    }
}
