//! EC2 at the far end: tokens by zone, lists in pages; starts, stops and terminations that one bad id fails.

use std::collections::BTreeMap;

use ghostnet_core::observation::{InstanceState, tag};
use jiff::Timestamp;
use serde_json::Value;

use super::{error, numbered};
use crate::compute::{Checks, Given, installation};
use crate::reply::{Listed, done, failing, fleet_launched, launched, page, started, statuses, stopped, terminated};
use crate::sample::region;
use crate::wire::{Reply, Sent};

/// From launch to running, and from the call to the end, in seconds.
const TAKES: i64 = 40;
/// How long lists lag when they do.
const LAG: i64 = 120;
/// How long calls that name a new instance do not find it, when lists lag.
const FOUND_AFTER: i64 = 2 * LAG;
/// Until what ended is forgotten.
const REMEMBERED: i64 = 3_600;
/// No page holds more.
const PAGE_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Ec2 {
    instances: BTreeMap<String, Instance>,
    /// By token and subnet: the request, and what it launched.
    tokens: BTreeMap<(String, String), (Value, Vec<String>)>,
    dry: Vec<String>,
    dry_types: Vec<String>,
    refusal: Option<&'static str>,
    no_last_page: bool,
    /// The next launch gives one less than asked.
    fewer: bool,
    /// What the next call does is listed late.
    lags: bool,
}

#[derive(Debug, Clone, Default)]
struct Instance {
    region: String,
    zone: String,
    instance_type: String,
    lifecycle: String,
    tags: Vec<(String, String)>,
    launched_at: i64,
    listed_from: i64,
    /// From when calls that name it find it.
    found_from: i64,
    stopped_at: Option<i64>,
    ended_at: Option<i64>,
    end_listed_from: i64,
    /// A state that stays as it is.
    fixed: Option<&'static str>,
    unterminable: bool,
    /// Which status checks fail, and since when.
    impaired: Option<(Checks, i64)>,
}

impl Instance {
    fn state(&self, now: i64) -> &'static str {
        match (self.ended_at, self.fixed) {
            (Some(at), _) if now >= at + TAKES => "terminated",
            (Some(_), _) => "shutting-down",
            (None, Some(fixed)) => fixed,
            (None, None) if self.stopped_at.is_some_and(|at| now >= at + TAKES) => "stopped",
            (None, None) if self.stopped_at.is_some() => "stopping",
            (None, None) if now < self.launched_at + TAKES => "pending",
            (None, None) => "running",
        }
    }

    fn is_remembered(&self, now: i64) -> bool {
        self.ended_at.is_none_or(|at| now < at + TAKES + REMEMBERED)
    }

    fn listed_state(&self, now: i64) -> &'static str {
        let seen = Self {
            ended_at: self.ended_at.filter(|_| now >= self.end_listed_from),
            ..self.clone()
        };
        seen.state(now)
    }
}

impl Ec2 {
    pub(super) fn given(&mut self, given: Given, now: i64) {
        match given {
            Given::Instance(id, state) => self.make(id, state, now),
            Given::Many(count) => (0..count).for_each(|n| self.make(&format!("i-{n}"), InstanceState::Running, now)),
            Given::OfAnother(id) => {
                self.make(id, InstanceState::Running, now);
                self.change(id, |instance| {
                    instance.tags = vec![(tag::INSTALLATION.to_owned(), "theirs".to_owned())]
                });
            }
            Given::Elsewhere(id) => {
                self.make(id, InstanceState::Running, now);
                self.change(id, |instance| instance.region = "eu-central-1".to_owned());
            }
            Given::Unterminable(id) => {
                self.make(id, InstanceState::Running, now);
                self.change(id, |instance| instance.unterminable = true);
            }
            Given::Impaired(id, checks, minutes) => {
                let since = now - i64::from(minutes) * 60;
                self.change(id, |instance| instance.impaired = Some((checks, since)));
            }
            Given::Dry(zone) => self.dry.push(zone.to_string()),
            Given::DryOf(instance_type) => self.dry_types.push(instance_type.to_owned()),
            Given::FewerThanAsked => self.fewer = true,
            Given::Refused(code) => self.refusal = Some(code),
            Given::ListsLag => self.lags = true,
            Given::NotFoundYet(id) => {
                self.make(id, InstanceState::Running, now);
                self.change(id, |instance| instance.found_from = now + FOUND_AFTER);
            }
            Given::NoLastPage => self.no_last_page = true,
        }
    }

    pub(super) fn call_is_over(&mut self) {
        self.fewer = false;
        self.lags = false;
    }

    fn make(&mut self, id: &str, state: InstanceState, now: i64) {
        let instance = Instance {
            region: region().to_string(),
            zone: "eu-west-1a".to_owned(),
            instance_type: "c7a.large".to_owned(),
            tags: vec![(tag::INSTALLATION.to_owned(), installation().to_string())],
            launched_at: if state == InstanceState::Pending { now } else { now - 3_600 },
            ended_at: match state {
                InstanceState::ShuttingDown => Some(now),
                InstanceState::Terminated => Some(now - 600),
                _ => None,
            },
            fixed: match state {
                InstanceState::Stopping => Some("stopping"),
                _ => None,
            },
            stopped_at: (state == InstanceState::Stopped).then_some(now - 1_800),
            ..Instance::default()
        };
        self.instances.insert(id.to_owned(), instance);
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Instance)) {
        if let Some(instance) = self.instances.get_mut(id) {
            change(instance);
        }
    }

    pub(super) fn end_long_ago(&mut self, id: &str, now: i64) {
        self.change(id, |instance| instance.ended_at = Some(now - 1_800));
    }

    pub(super) fn is_running(&self, id: &str, now: i64) -> bool {
        self.is_in(id, "running", now)
    }

    pub(super) fn is_gone(&self, id: &str, now: i64) -> bool {
        self.is_in(id, "terminated", now)
    }

    /// Whether a call that names it finds it.
    fn finds(&self, id: &str, now: i64) -> bool {
        let found = |instance: &Instance| now >= instance.found_from && instance.is_remembered(now);
        self.instances.get(id).is_some_and(found)
    }

    fn is_in(&self, id: &str, state: &str, now: i64) -> bool {
        self.instances.get(id).is_some_and(|instance| instance.state(now) == state)
    }

    pub(super) fn answer(&mut self, sent: &Sent, now: i64) -> Reply {
        match sent.operation.as_str() {
            "ec2:DescribeInstances" => self.describe(sent, now),
            "ec2:DescribeInstanceStatus" => self.status(sent, now),
            "ec2:RunInstances" => self.run(sent, now),
            "ec2:CreateFleet" => self.create_fleet(sent, now),
            "ec2:StartInstances" => self.start(sent, now),
            "ec2:StopInstances" => self.stop(sent, now),
            "ec2:CreateTags" => self.tag(sent, now),
            "ec2:TerminateInstances" => self.terminate(sent, now),
            other => panic!("no port sends {other}"),
        }
    }

    fn describe(&self, sent: &Sent, now: i64) -> Reply {
        let names = numbered(sent, |n| format!("Filter.{n}.Name")).into_iter();
        let filters: Vec<_> = names.zip(numbered(sent, |n| format!("Filter.{n}.Value.1"))).collect();
        let fits = |instance: &Instance| {
            filters.iter().all(|(name, value)| {
                let key = name.strip_prefix("tag:").unwrap_or_else(|| panic!("a filter by {name}"));
                instance.tags.contains(&(key.to_owned(), value.clone()))
            })
        };
        let shown = |instance: &Instance| now >= instance.listed_from && instance.is_remembered(now);
        let listed = |instance: &Instance| instance.region == sent.region && shown(instance) && fits(instance);
        let all: Vec<_> = self.instances.iter().filter(|(_, instance)| listed(instance)).collect();
        let size = sent.text("MaxResults").parse().unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let begin: usize = sent.text("NextToken").parse().unwrap_or(0);
        let next = (begin + size < all.len()).then(|| (begin + size).to_string());
        if self.no_last_page && next.is_none() {
            return error(sent, 500, "InternalError");
        }
        let items: String = all
            .iter()
            .skip(begin)
            .take(size)
            .map(|(id, instance)| item(id, instance, now))
            .collect();
        page(&items, next.as_deref())
    }

    /// Those that run and of which the checks that the filter names fail.
    fn status(&self, sent: &Sent, now: i64) -> Reply {
        assert_eq!(sent.text("Filter.1.Value.1"), "impaired");
        let asked = match sent.text("Filter.1.Name") {
            "system-status.status" => Checks::System,
            "instance-status.status" => Checks::Instance,
            other => panic!("a filter by {other}"),
        };
        let fails = |(id, instance): (&String, &Instance)| {
            let (checks, since) = instance.impaired?;
            let listed = checks == asked && instance.region == sent.region && instance.state(now) == "running";
            listed.then(|| {
                failing(
                    id,
                    checks == Checks::System,
                    &Timestamp::from_second(since).unwrap_or_default().to_string(),
                )
            })
        };
        statuses(&self.instances.iter().filter_map(fails).collect::<String>(), None)
    }

    fn run(&mut self, sent: &Sent, now: i64) -> Reply {
        let subnet = sent.text("SubnetId").to_owned();
        let key = (sent.text("ClientToken").to_owned(), subnet.clone());
        if let Some((request, ids)) = self.tokens.get(&key).filter(|_| !key.0.is_empty()) {
            if *request != sent.body {
                return error(sent, 400, "IdempotentParameterMismatch");
            }
            if ids.iter().all(|id| self.is_gone(id, now)) {
                return error(sent, 400, "IdempotentInstanceTerminated");
            }
            return launched(&borrowed(ids));
        }
        let zone = subnet.replace("subnet-", "eu-west-1");
        let [least, most] = ["MinCount", "MaxCount"].map(|name| sent.text(name).parse().unwrap_or(1_usize));
        let count = if self.fewer { most - 1 } else { most };
        if let Some(code) = self.refusal {
            return error(sent, 400, code);
        }
        if self.dry.contains(&zone) || count < least {
            return error(sent, 500, "InsufficientInstanceCapacity");
        }
        let instance = Instance {
            region: sent.region.clone(),
            zone,
            instance_type: sent.text("InstanceType").to_owned(),
            lifecycle: sent.text("InstanceMarketOptions.MarketType").to_owned(),
            tags: tags_of_instances(sent),
            launched_at: now,
            listed_from: if self.lags { now + LAG } else { now },
            found_from: if self.lags { now + FOUND_AFTER } else { now },
            ..Instance::default()
        };
        let first = self.instances.len();
        let ids: Vec<_> = (first..first + count).map(|n| format!("i-launched-{n}")).collect();
        self.instances.extend(ids.iter().map(|id| (id.clone(), instance.clone())));
        let reply = launched(&borrowed(&ids));
        self.tokens.insert(key, (sent.body.clone(), ids));
        reply
    }

    /// Of type instant: the first types that have some, and an error for each that has none.
    fn create_fleet(&mut self, sent: &Sent, now: i64) -> Reply {
        assert_eq!(sent.text("Type"), "instant", "any other type launches later");
        let key = (sent.text("ClientToken").to_owned(), String::new());
        if let Some((request, ids)) = self.tokens.get(&key) {
            if *request != sent.body {
                return error(sent, 400, "IdempotentParameterMismatch");
            }
            return fleet_launched(&borrowed(ids), &[]);
        }
        let at = "LaunchTemplateConfigs.1.Overrides";
        let types = numbered(sent, |n| format!("{at}.{n}.InstanceType"));
        let zone = sent.text(&format!("{at}.1.SubnetId")).replace("subnet-", "eu-west-1");
        let asked: usize = sent.text("TargetCapacitySpecification.TotalTargetCapacity").parse().unwrap_or(0);
        let code = |instance_type: &String| match self.refusal {
            Some(code) => Some(code),
            None if self.dry.contains(&zone) || self.dry_types.contains(instance_type) => Some("InsufficientInstanceCapacity"),
            None => None,
        };
        let has = types.iter().position(|instance_type| code(instance_type).is_none());
        let refused: Vec<_> = types
            .iter()
            .take(has.unwrap_or(types.len()))
            .filter_map(|instance_type| Some((instance_type.as_str(), code(instance_type)?)))
            .collect();
        let Some(instance_type) = has.and_then(|place| types.get(place)) else {
            return fleet_launched(&[], &refused);
        };
        let instance = Instance {
            region: sent.region.clone(),
            zone,
            instance_type: instance_type.clone(),
            lifecycle: sent.text("TargetCapacitySpecification.DefaultTargetCapacityType").to_owned(),
            tags: tags_of_instances(sent),
            launched_at: now,
            listed_from: if self.lags { now + LAG } else { now },
            found_from: if self.lags { now + FOUND_AFTER } else { now },
            ..Instance::default()
        };
        let count = if self.fewer { asked - 1 } else { asked };
        let first = self.instances.len();
        let ids: Vec<_> = (first..first + count).map(|n| format!("i-launched-{n}")).collect();
        self.instances.extend(ids.iter().map(|id| (id.clone(), instance.clone())));
        let reply = fleet_launched(&borrowed(&ids), &refused);
        self.tokens.insert(key, (sent.body.clone(), ids));
        reply
    }

    /// All or none.
    fn start(&mut self, sent: &Sent, now: i64) -> Reply {
        let ids = numbered(sent, |n| format!("InstanceId.{n}"));
        if !ids.iter().all(|id| self.finds(id, now)) {
            return error(sent, 400, "InvalidInstanceID.NotFound");
        }
        if ids.iter().any(|id| self.is_in(id, "stopping", now) || self.is_gone(id, now)) {
            return error(sent, 400, "IncorrectInstanceState");
        }
        let stopped: Vec<_> = ids.iter().filter(|id| self.is_in(id, "stopped", now)).collect();
        let is_dry = |id: &&&String| self.instances.get(**id).is_some_and(|instance| self.dry.contains(&instance.zone));
        if stopped.iter().any(|id| is_dry(&id)) {
            return error(sent, 500, "InsufficientInstanceCapacity");
        }
        for id in stopped {
            if let Some(instance) = self.instances.get_mut(id) {
                (instance.stopped_at, instance.launched_at) = (None, now);
            }
        }
        started()
    }

    /// All or none.
    fn stop(&mut self, sent: &Sent, now: i64) -> Reply {
        let ids = numbered(sent, |n| format!("InstanceId.{n}"));
        if !ids.iter().all(|id| self.finds(id, now)) {
            return error(sent, 400, "InvalidInstanceID.NotFound");
        }
        if ids.iter().any(|id| self.is_gone(id, now)) {
            return error(sent, 400, "IncorrectInstanceState");
        }
        for id in ids {
            self.change(&id, |instance| instance.stopped_at = instance.stopped_at.or(Some(now)));
        }
        stopped()
    }

    /// All or none.
    fn tag(&mut self, sent: &Sent, now: i64) -> Reply {
        let ids = numbered(sent, |n| format!("ResourceId.{n}"));
        if !ids.iter().all(|id| self.finds(id, now)) {
            return error(sent, 400, "InvalidInstanceID.NotFound");
        }
        let keys = numbered(sent, |n| format!("Tag.{n}.Key"));
        let tags: Vec<_> = keys.into_iter().zip(numbered(sent, |n| format!("Tag.{n}.Value"))).collect();
        for id in ids {
            self.change(&id, |instance| {
                instance.tags.retain(|(key, _)| tags.iter().all(|(new, _)| new != key));
                instance.tags.extend(tags.iter().cloned());
            });
        }
        done("CreateTags")
    }

    /// All or none.
    fn terminate(&mut self, sent: &Sent, now: i64) -> Reply {
        let ids = numbered(sent, |n| format!("InstanceId.{n}"));
        if !ids.iter().all(|id| self.finds(id, now)) {
            return error(sent, 400, "InvalidInstanceID.NotFound");
        }
        if ids
            .iter()
            .any(|id| self.instances.get(id).is_some_and(|instance| instance.unterminable))
        {
            return error(sent, 400, "OperationNotPermitted");
        }
        let end_listed_from = if self.lags { now + LAG } else { now };
        for id in ids {
            self.change(&id, |instance| {
                if instance.ended_at.is_none() {
                    instance.ended_at = Some(now);
                    instance.end_listed_from = end_listed_from;
                }
            });
        }
        terminated()
    }
}

fn borrowed(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

/// The tags that go to instances, not those for volumes.
fn tags_of_instances(sent: &Sent) -> Vec<(String, String)> {
    let resources = numbered(sent, |n| format!("TagSpecification.{n}.ResourceType"));
    let at = resources
        .iter()
        .position(|resource| resource == "instance")
        .map_or(0, |place| place + 1);
    let part = |what: &str| numbered(sent, |n| format!("TagSpecification.{at}.Tag.{n}.{what}"));
    part("Key").into_iter().zip(part("Value")).collect()
}

fn item(id: &str, instance: &Instance, now: i64) -> String {
    let tags: Vec<_> = instance.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let listed = Listed {
        id,
        state: instance.listed_state(now),
        zone: &instance.zone,
        instance_type: &instance.instance_type,
        launched_at: &Timestamp::from_second(instance.launched_at).unwrap_or_default().to_string(),
        lifecycle: &instance.lifecycle,
        reservations: "",
        tags: &tags,
    };
    listed.xml("")
}
