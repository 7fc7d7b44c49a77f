//! Whether instances that run elsewhere can be taken over by a pool: everything that stands against it, at once.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_aws::autoscaling::GroupFacts;
use ghostnet_aws::ownership::Candidate;
use ghostnet_core::adoption::HANDED_OVER_MAX;
use ghostnet_core::id::{FleetId, InstanceId};
use ghostnet_core::observation::tag;
use ghostnet_core::spec::{PoolSpec, Problem};
use ghostnet_core::state::CapacityState;

/// The tag of an instance that an Auto Scaling group owns.
const GROUP_TAG: &str = "aws:autoscaling:groupName";
/// What an Auto Scaling group must not do while its instances are somebody else's.
const PROCESSES: [&str; 8] = [
    "Launch",
    "Terminate",
    "HealthCheck",
    "ReplaceUnhealthy",
    "AZRebalance",
    "AlarmNotification",
    "ScheduledActions",
    "InstanceRefresh",
];

/// What is to be taken over, and by whom.
pub(crate) struct Takeover<'a> {
    pub(crate) installation: &'a str,
    pub(crate) fleet: &'a FleetId,
    pub(crate) pool: &'a PoolSpec,
    /// The fleet's maximum.
    pub(crate) maximum: u32,
    pub(crate) state: Option<&'a CapacityState>,
    pub(crate) instances: &'a [InstanceId],
    /// What of them exists.
    pub(crate) found: &'a BTreeMap<InstanceId, Candidate>,
    /// The group that gives them up.
    pub(crate) group: Option<&'a GroupFacts>,
}

/// Instances of a group that serve; the others are told.
pub(crate) fn serving(group: &GroupFacts) -> (Vec<InstanceId>, Vec<String>) {
    let serves = |lifecycle: &str| lifecycle == "InService";
    let serving = group.instances.iter().filter(|instance| serves(&instance.lifecycle));
    let others = group.instances.iter().filter(|instance| !serves(&instance.lifecycle));
    (
        serving.map(|instance| instance.id.clone()).collect(),
        others
            .map(|instance| format!("{} stays with the group: it is {}", instance.id, instance.lifecycle))
            .collect(),
    )
}

impl Takeover<'_> {
    /// Everything that stands against it.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.group.and_then(active).into_iter().collect();
        if self.instances.len() > HANDED_OVER_MAX {
            let hint = Some("name some of them with --instances, and then the others".to_owned());
            let message = format!("at most {HANDED_OVER_MAX} instances are taken over at once");
            problems.push(problem("instances", message, hint));
        }
        if self.instances.is_empty() {
            let hint = Some("name instances that run".to_owned());
            problems.push(problem("instances", "there is nobody to take over".to_owned(), hint));
        }
        for id in self.instances {
            match self.found.get(id) {
                Some(candidate) => self.judge(id, candidate, &mut problems),
                None => problems.push(problem(
                    id.as_str(),
                    "there is no such instance".to_owned(),
                    Some("check the id, the region and the account".to_owned()),
                )),
            }
        }
        problems.extend(self.room());
        problems
    }

    /// Who does not carry the pool's tags yet.
    pub(crate) fn untagged(&self) -> Vec<InstanceId> {
        let is_ours = |id: &&InstanceId| {
            let tags = self.found.get(*id).map(|candidate| &candidate.tags);
            let has = |key: &str, value: &str| tags.and_then(|tags| tags.get(key)).is_some_and(|found| found == value);
            has(tag::INSTALLATION, self.installation) && has(tag::FLEET, self.fleet.as_str()) && has(tag::POOL, self.pool.id.as_str())
        };
        self.instances.iter().filter(|id| !is_ours(id)).cloned().collect()
    }

    fn judge(&self, id: &InstanceId, candidate: &Candidate, problems: &mut Vec<Problem>) {
        let mut add = |message: String, hint: String| problems.push(problem(id.as_str(), message, Some(hint)));
        if candidate.state != "running" {
            add(
                format!("it is `{}`", candidate.state),
                "only instances that run are taken over; leave it out".to_owned(),
            );
        }
        match &candidate.subnet {
            Some(subnet) if self.pool.launch.subnets.contains(subnet) => {}
            Some(subnet) => add(
                format!("it is in `{subnet}`, which is no subnet of pool `{}`", self.pool.id),
                "add the subnet to `launch.subnets` and `ghostnet apply` it, or leave the instance out".to_owned(),
            ),
            None => add("it is in no subnet".to_owned(), "leave it out".to_owned()),
        }
        let tag = |key: &str| candidate.tags.get(key).map(String::as_str);
        match (tag(tag::INSTALLATION), tag(tag::FLEET), tag(tag::POOL)) {
            (None, ..) => {}
            (Some(installation), ..) if installation != self.installation => add(
                format!("it belongs to another installation, `{installation}`"),
                "release it there first".to_owned(),
            ),
            (Some(_), Some(fleet), _) if fleet != self.fleet.as_str() => add(
                format!("it belongs to fleet `{fleet}`"),
                format!("`ghostnet release {fleet}` first"),
            ),
            (Some(_), _, Some(pool)) if pool != self.pool.id.as_str() => {
                add(
                    format!("it belongs to pool `{pool}`"),
                    format!("it is there already: --pool {pool}"),
                );
            }
            (Some(_), ..) => {}
        }
        match (tag(GROUP_TAG), self.group) {
            (Some(owner), None) => add(
                format!("it belongs to Auto Scaling group `{owner}`, which would replace it or end it"),
                format!("--asg {owner}, for all of its instances, or detach it first"),
            ),
            (Some(owner), Some(group)) if owner != group.name => add(
                format!("it belongs to Auto Scaling group `{owner}`, not to `{}`", group.name),
                format!("--asg {owner}"),
            ),
            _ => {}
        }
    }

    /// A first look; the function has the last word.
    fn room(&self) -> Option<Problem> {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let pools = self.state.map(|state| &state.pools);
        let own = pools.and_then(|pools| pools.get(&self.pool.id));
        let members = own.map(|pool| pool.members.iter().filter(|(_, member)| !member.gone).map(|(id, _)| id).collect());
        let members: BTreeSet<&InstanceId> = members.unwrap_or_default();
        let new = self.instances.iter().filter(|id| !members.contains(id)).count();
        let desired = own.map_or(0, |pool| pool.desired).max(count(members.len().saturating_add(new)));
        let others = pools.into_iter().flatten().filter(|(id, _)| **id != self.pool.id);
        let others = others.map(|(_, pool)| pool.desired).fold(0, u32::saturating_add);
        let max = self.pool.capacity.max.min(self.maximum.saturating_sub(others));
        (desired > max).then(|| {
            problem(
                self.pool.id.as_str(),
                format!("with them there are {desired}, and there may be {max}"),
                Some("raise `capacity.max`, or the fleet's `maximum`, and `ghostnet apply` it".to_owned()),
            )
        })
    }
}

/// What the group would still do.
fn active(group: &GroupFacts) -> Option<Problem> {
    let is_suspended = |process: &&str| group.suspended.iter().any(|suspended| suspended == process);
    let active: Vec<&str> = PROCESSES.iter().copied().filter(|process| !is_suspended(process)).collect();
    (!active.is_empty()).then(|| {
        problem(
            &group.name,
            format!("the group still does what it does: {}", active.join(", ")),
            Some(format!(
                "aws autoscaling suspend-processes --auto-scaling-group-name {} --scaling-processes {}",
                group.name,
                active.join(" ")
            )),
        )
    })
}

fn problem(path: &str, message: String, hint: Option<String>) -> Problem {
    let path = path.to_owned();
    Problem { path, message, hint }
}

#[cfg(test)]
mod tests {
    use ghostnet_aws::autoscaling::GroupInstance;
    use ghostnet_core::id::SubnetId;
    use ghostnet_core::spec::FleetSpec;

    use super::*;

    fn spec() -> FleetSpec {
        let raw = serde_json::from_value(serde_json::json!({
            "fleet": "web",
            "defaults": { "capacity": { "min": 1, "max": 4 }, "launch": { "template": { "name": "web" }, "subnets": ["subnet-a"] } },
            "pools": [{ "id": "blue" }, { "id": "green", "role": "standby" }],
        }));
        let raw = raw.unwrap_or_else(|error| panic!("{error}"));
        FleetSpec::check(&raw).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn id(n: usize) -> InstanceId {
        InstanceId::new(format!("i-{n}"))
    }

    fn group(suspended: &[&str]) -> GroupFacts {
        let instance = |n, lifecycle: &str| GroupInstance {
            id: id(n),
            lifecycle: lifecycle.to_owned(),
            protected: false,
        };
        GroupFacts {
            name: "web-asg".to_owned(),
            suspended: suspended.iter().map(ToString::to_string).collect(),
            instances: vec![instance(0, "InService"), instance(1, "Standby"), instance(2, "InService")],
            ..GroupFacts::default()
        }
    }

    /// So many that run in the pool's subnet, with these tags and, of the first, whatever else changes.
    fn told(count: usize, tags: &[(&str, &str)], group: Option<&GroupFacts>, change: impl Fn(&mut Candidate)) -> Vec<String> {
        let (spec, fleet) = (spec(), "web".parse().unwrap_or_else(|error| panic!("{error}")));
        let Some(pool) = spec.pools.first() else { panic!("two pools") };
        let instances: Vec<InstanceId> = (0..count).map(id).collect();
        let mut candidate = Candidate {
            state: "running".to_owned(),
            subnet: Some(SubnetId::new("subnet-a")),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let found = instances
            .iter()
            .map(|id| (id.clone(), candidate.clone()))
            .collect::<BTreeMap<_, _>>();
        change(&mut candidate);
        let found = BTreeMap::from([(id(0), candidate)])
            .into_iter()
            .fold(found, |mut found, (id, first)| {
                found.insert(id, first);
                found
            });
        let takeover = Takeover {
            installation: "inst",
            fleet: &fleet,
            pool,
            maximum: spec.maximum,
            state: None,
            instances: &instances,
            found: &found,
            group,
        };
        let told = takeover.problems().into_iter();
        told.map(|problem| format!("{}: {}; {}", problem.path, problem.message, problem.hint.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn what_stands_against_it_is_told_for_each() {
        let same = |_: &mut Candidate| {};
        let all = group(&PROCESSES);
        let of_group = [(GROUP_TAG, "web-asg")];
        let ours = |fleet, pool| [(tag::INSTALLATION, "inst"), (tag::FLEET, fleet), (tag::POOL, pool)];
        for (situation, told, expected) in [
            ("nobody's", told(2, &[], None, same), vec![]),
            ("the same again", told(1, &ours("web", "blue"), None, same), vec![]),
            ("a group that is quiet", told(1, &of_group, Some(&all), same), vec![]),
            (
                "nobody",
                told(0, &[], None, same),
                vec!["instances: there is nobody to take over; name instances that run"],
            ),
            (
                "stopped",
                told(1, &[], None, |candidate| candidate.state = "stopped".to_owned()),
                vec!["i-0: it is `stopped`; only instances that run are taken over; leave it out"],
            ),
            (
                "elsewhere",
                told(1, &[], None, |candidate| candidate.subnet = Some(SubnetId::new("subnet-z"))),
                vec![
                    "i-0: it is in `subnet-z`, which is no subnet of pool `blue`; add the subnet to `launch.subnets` and `ghostnet apply` it, or leave the instance out",
                ],
            ),
            (
                "another installation's",
                told(1, &[(tag::INSTALLATION, "theirs")], None, same),
                vec!["i-0: it belongs to another installation, `theirs`; release it there first"],
            ),
            (
                "another fleet's",
                told(1, &ours("api", "blue"), None, same),
                vec!["i-0: it belongs to fleet `api`; `ghostnet release api` first"],
            ),
            (
                "another pool's",
                told(1, &ours("web", "green"), None, same),
                vec!["i-0: it belongs to pool `green`; it is there already: --pool green"],
            ),
            (
                "a group's, and nobody said so",
                told(1, &of_group, None, same),
                vec![
                    "i-0: it belongs to Auto Scaling group `web-asg`, which would replace it or end it; --asg web-asg, for all of its instances, or detach it first",
                ],
            ),
            (
                "a group that goes on",
                told(1, &of_group, Some(&group(&["Launch", "Terminate", "HealthCheck"])), same),
                vec![
                    "web-asg: the group still does what it does: ReplaceUnhealthy, AZRebalance, AlarmNotification, ScheduledActions, InstanceRefresh; aws autoscaling suspend-processes --auto-scaling-group-name web-asg --scaling-processes ReplaceUnhealthy AZRebalance AlarmNotification ScheduledActions InstanceRefresh",
                ],
            ),
            (
                "too many",
                told(5, &[], None, same),
                vec![
                    "blue: with them there are 5, and there may be 4; raise `capacity.max`, or the fleet's `maximum`, and `ghostnet apply` it",
                ],
            ),
        ] {
            assert_eq!(told, expected, "{situation}");
        }
        let both = told(5, &[], None, |candidate| {
            (candidate.state, candidate.subnet) = ("stopping".to_owned(), None);
        });
        assert_eq!(both.len(), 3, "all at once: {both:?}");
    }

    #[test]
    fn of_a_group_those_are_taken_that_serve() {
        let (serving, others) = serving(&group(&[]));
        assert_eq!(
            (serving, others),
            (vec![id(0), id(2)], vec!["i-1 stays with the group: it is Standby".to_owned()])
        );
    }
}
