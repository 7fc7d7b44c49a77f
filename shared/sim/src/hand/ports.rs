//! The ports, each call of which goes through the hand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::rc::Rc;

use ghostnet_core::forecast::{Forecast, Memory};
use ghostnet_core::id::{AlarmName, FleetId, InstallationId, InstanceId, PlanId, Region, ServiceId, StepId, TargetGroupArn, Zone};
use ghostnet_core::observation::{ExhaustedOffering, InstanceState, Market, Offering, Registration, Target, TargetHealth, Told};
use ghostnet_core::plan::{Choice, Launch};
use ghostnet_core::record::DecisionRecord;
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::Attribute;
use ghostnet_core::spec::metric::{INSTANCE_ID, QueryShape, Stat};
use ghostnet_core::state::RecordedOutcome;
use ghostnet_core::unit::Finite;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{
    Announced, Commit, CommitResult, Compute, Discovery, FleetAnswer, FleetEntry, ForecastStore, ListedInstance, LoadBalancer, LoadId,
    Loaded, Look, MetricQuery, Metrics, PublishedValue, Store,
};
use jiff::Timestamp;

use super::{Hand, INVENTED_FROM, is_the_third};
use crate::broken::Broken;
use crate::check::{self, Sent};
use crate::clock::{HOUR, at};
use crate::cloud::ec2::MANY_JOBS;
use crate::cloud::metrics::FAILED_JOBS;
use crate::cloud::refusal;

/// Whether a target group is in a region.
fn is_of(group: &TargetGroupArn, region: &Region) -> bool {
    group.region().is_none_or(|named| named == region.as_str())
}

/// Whether a zone is one of a region's.
pub(crate) fn is_in(zone: &Zone, region: &Region) -> bool {
    zone.as_str().starts_with(region.as_str())
}

impl Compute for Hand {
    async fn instances(&self, region: &Region, installation: &InstallationId) -> Result<Vec<ListedInstance>, PortError> {
        let (installation, fails_over, there) = (installation.clone(), self.fails_over(), region.clone());
        let is_taken_for_empty = self.broken(Broken::SilenceIsEmpty) && self.world.borrow().is_dark(region);
        if is_taken_for_empty {
            return Ok(Vec::new());
        }
        self.call_in(region, "ec2:DescribeInstances", move |world| {
            let mut listed = world.cloud.ec2.list(&installation, world.now);
            listed.retain(|listed| is_in(&listed.instance.zone, &there));
            match world.broken {
                Some(Broken::IllnessInvented) if fails_over && world.minute > INVENTED_FROM => {
                    let first = |listed: &&mut ListedInstance| listed.instance.pool.as_ref().is_some_and(|pool| pool.as_str() == "blue");
                    let first = listed.iter_mut().filter(first);
                    first.for_each(|listed| listed.instance.state = InstanceState::Terminated);
                }
                Some(Broken::ProtectionHidden) => listed.iter_mut().for_each(|listed| listed.tag_keys.clear()),
                Some(Broken::SpotHidden) => listed.iter_mut().for_each(|listed| listed.instance.market = Market::OnDemand),
                Some(Broken::ListHides) => listed.retain(|listed| !is_the_third(&listed.instance.id)),
                Some(Broken::AddressInvented) => {
                    let one = listed.iter_mut().filter(|listed| is_the_third(&listed.instance.id));
                    one.for_each(|listed| listed.instance.address = Some(Ipv4Addr::LOCALHOST));
                }
                Some(Broken::FinishedInvented) => {
                    let words = listed.iter_mut().map(|listed| &mut listed.instance.word);
                    words.for_each(|word| word.drained = word.told == Some(Told::Draining));
                }
                Some(Broken::HeartbeatsLost) => {
                    let one = listed.iter_mut().filter(|listed| is_the_third(&listed.instance.id));
                    let words = one.map(|listed| &mut listed.instance.word);
                    words.for_each(|word| word.beat = word.beat.map(|beat| beat - jiff::SignedDuration::from_mins(12)));
                }
                Some(Broken::ReadyInvented) => listed.iter_mut().for_each(|listed| listed.instance.word.ready = true),
                Some(Broken::ForeignListed) => listed.extend(world.cloud.ec2.list(&InstallationId::new("theirs"), world.now)),
                _ => {}
            }
            Ok(listed)
        })
        .await
    }

    async fn impaired(&self, region: &Region) -> Result<BTreeMap<InstanceId, Timestamp>, PortError> {
        self.call_in(region, "ec2:DescribeInstanceStatus", |world| {
            let mut impaired = world.cloud.ec2.impaired(world.now);
            if world.broken == Some(Broken::ImpairedInvented) {
                // it has served before
                let (now, since) = (world.now, world.now - HOUR / 6);
                let one = world
                    .cloud
                    .ec2
                    .machines
                    .values()
                    .filter(|machine| is_the_third(&machine.id) && machine.running_at < since);
                impaired.extend(
                    one.filter(|machine| machine.is_alive(now))
                        .map(|machine| (machine.id.clone(), at(since))),
                );
            }
            Ok(impaired)
        })
        .await
    }

    async fn launch(&self, region: &Region, launch: &Launch, tags: &[(&'static str, String)]) -> Result<Vec<InstanceId>, PortError> {
        self.watched_in(region, &Sent::Launch(launch));
        let (mut launch, tags, request) = (launch.clone(), tags.to_vec(), Rc::clone(&self.request));
        if self.broken(Broken::TokensDropped) {
            let nth = self.world.borrow().counters.calls;
            launch.token = ghostnet_core::id::ClientToken::over(&[launch.token.as_str(), &nth.to_string()]);
        }
        self.call_in(region, "ec2:RunInstances", move |world| world.launch(&launch, &tags, &request))
            .await
    }

    async fn create_fleet(
        &self,
        region: &Region,
        launch: &Launch,
        choice: &Choice,
        tags: &[(&'static str, String)],
    ) -> Result<FleetAnswer, PortError> {
        self.watched_in(region, &Sent::Launch(launch));
        let (launch, choice, tags, request) = (launch.clone(), choice.clone(), tags.to_vec(), Rc::clone(&self.request));
        self.call_in(region, "ec2:CreateFleet", move |world| {
            world.create_fleet(&launch, &choice, &tags, &request)
        })
        .await
    }

    async fn start(&self, region: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.watched_in(region, &Sent::Start(instances));
        let ids = instances.to_vec();
        self.call_in(region, "ec2:StartInstances", move |world| world.start(&ids)).await
    }

    async fn stop(&self, region: &Region, instances: &[InstanceId], _: bool) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.watched_in(region, &Sent::Stop(instances));
        let (ids, request) = (instances.to_vec(), Rc::clone(&self.request));
        self.call_in(region, "ec2:StopInstances", move |world| Ok(world.stop(&ids, &request)))
            .await
    }

    async fn tell(&self, region: &Region, instances: &[InstanceId], told: Told) -> Result<(), PortError> {
        self.watched_in(region, &Sent::Tag(instances, told));
        let ids = instances.to_vec();
        self.call_in(region, "ec2:CreateTags", move |world| world.tag_state(&ids, told))
            .await
    }

    async fn terminate(&self, region: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.watched_in(region, &Sent::Terminate(instances));
        let (ids, request) = (instances.to_vec(), Rc::clone(&self.request));
        let ended = self.call_in(region, "ec2:TerminateInstances", move |world| world.terminate(&ids, &request));
        ended.await.map(|()| BTreeMap::new())
    }
}

impl LoadBalancer for Hand {
    async fn targets(&self, region: &Region, group: &TargetGroupArn) -> Result<Vec<Target>, PortError> {
        let (group, fails_over, there) = (group.clone(), self.fails_over(), region.clone());
        self.call_in(region, "elasticloadbalancing:DescribeTargetHealth", move |world| {
            // what failover sees is seen by who judges it, be it over a moment later
            if fails_over {
                check::traffic::look(world);
            }
            let found = world.cloud.groups.get(&group).filter(|_| is_of(&group, &there));
            let Some(found) = found else {
                return Err(refusal(
                    "elasticloadbalancing:DescribeTargetHealth",
                    ErrorClass::NotFound,
                    "TargetGroupNotFound",
                ));
            };
            let targets = world.cloud.health(found, world.now).into_iter();
            let at_once = world.broken == Some(Broken::HealthyAtOnce);
            let hides = world.broken == Some(Broken::NothingDeregisters);
            let invented = match world.broken.filter(|_| fails_over && world.minute > INVENTED_FROM) {
                Some(Broken::IllnessInvented) if group.as_str().contains("-blue/") => Some(TargetHealth::Unhealthy),
                Some(Broken::HealthInvented) if group.as_str().contains("-green/") => Some(TargetHealth::Healthy),
                _ => None,
            };
            let target = |(instance, health)| Target {
                shifted: world.cloud.is_shifted(&instance, world.now),
                instance,
                health: match invented.unwrap_or(health) {
                    TargetHealth::Initial if at_once => TargetHealth::Healthy,
                    health => health,
                },
            };
            // what was asked to leave is not shown any more, and stays all the same
            let fenced = fails_over && world.broken == Some(Broken::FencedHidden) && world.is_of_fenced(&group);
            let shown = targets.filter(|(id, _)| !(fenced || hides && world.is_leaving(id)));
            Ok(shown.map(target).collect())
        })
        .await
    }

    async fn register(&self, region: &Region, group: &TargetGroupArn, instances: &[InstanceId]) -> Result<(), PortError> {
        self.watched_in(region, &Sent::Register(group, instances));
        let (group, ids) = (group.clone(), instances.to_vec());
        self.call_in(region, "elasticloadbalancing:RegisterTargets", move |world| {
            world.register(&group, &ids)
        })
        .await
    }

    async fn deregister(&self, region: &Region, group: &TargetGroupArn, instances: &[InstanceId]) -> Result<(), PortError> {
        self.watched_in(region, &Sent::Deregister(group, instances));
        let (group, ids) = (group.clone(), instances.to_vec());
        self.call_in(region, "elasticloadbalancing:DeregisterTargets", move |world| {
            world.deregister(&group, &ids)
        })
        .await
    }

    async fn group_attributes(&self, region: &Region, group: &TargetGroupArn) -> Result<BTreeMap<Attribute, String>, PortError> {
        const CALL: &str = "elasticloadbalancing:DescribeTargetGroupAttributes";
        let group = group.clone();
        self.call_in(region, CALL, move |world| match world.cloud.groups.get(&group) {
            Some(group) => Ok(group.attributes.clone()),
            None => Err(refusal(CALL, ErrorClass::NotFound, "TargetGroupNotFound")),
        })
        .await
    }

    async fn set_group_attributes(
        &self,
        region: &Region,
        group: &TargetGroupArn,
        attributes: &BTreeMap<Attribute, String>,
    ) -> Result<(), PortError> {
        self.watched_in(region, &Sent::Tune(group, attributes));
        let (group, set) = (group.clone(), attributes.clone());
        self.call_in(region, "elasticloadbalancing:ModifyTargetGroupAttributes", move |world| {
            world.tune(&group, &set)
        })
        .await
    }
}

impl Discovery for Hand {
    async fn registrations(
        &self,
        region: &Region,
        service: &ServiceId,
        installation: &InstallationId,
    ) -> Result<Vec<Registration>, PortError> {
        let (service, installation) = (service.clone(), installation.clone());
        self.call_in(region, "servicediscovery:ListInstances", move |world| {
            world.registrations(&service, &installation)
        })
        .await
    }

    async fn announce(&self, region: &Region, service: &ServiceId, announced: &Announced<'_>) -> Result<(), PortError> {
        self.watched_in(region, &Sent::Announce(service, announced));
        let (service, installation, by) = (service.clone(), announced.installation.clone(), announced.by.clone());
        let (instance, address, port) = (announced.instance.clone(), announced.address, announced.port);
        self.call_in(region, "servicediscovery:RegisterInstance", move |world| {
            let announced = Announced {
                installation: &installation,
                by: &by,
                instance: &instance,
                address,
                port,
            };
            world.announce(&service, &announced)
        })
        .await
    }

    async fn withdraw(&self, region: &Region, service: &ServiceId, instance: &InstanceId) -> Result<(), PortError> {
        self.watched_in(region, &Sent::Withdraw(service, instance));
        let (service, instance) = (service.clone(), instance.clone());
        self.call_in(region, "servicediscovery:DeregisterInstance", move |world| {
            world.withdraw(&service, &instance)
        })
        .await
    }
}

/// Whether it is how many jobs of that one failed.
fn is_of_the_third(stat: &Stat) -> bool {
    let named = stat.dimensions.get(INSTANCE_ID);
    stat.name == FAILED_JOBS && named.is_some_and(|id| is_the_third(&InstanceId::new(id.clone())))
}

fn failing(point: Datapoint) -> Option<Datapoint> {
    let value = Finite::new(MANY_JOBS)?;
    Some(Datapoint { value, ..point })
}

impl Metrics for Hand {
    async fn series(&self, region: &Region, queries: &[MetricQuery], _: Timestamp) -> Result<Vec<Series>, PortError> {
        let queries = queries.to_vec();
        self.call_in(region, "cloudwatch:GetMetricData", move |world| {
            let answer = |query: &MetricQuery| match (world.answer_query(query), &query.shape) {
                (Series::Points { points, period, .. }, QueryShape::Stat(stat))
                    if world.broken == Some(Broken::FailuresInvented) && is_of_the_third(stat) =>
                {
                    Series::Points {
                        points: points.into_iter().filter_map(failing).collect(),
                        period,
                        partial: false,
                        incomplete: Vec::new(),
                    }
                }
                (series, _) => series,
            };
            Ok(queries.iter().map(answer).collect())
        })
        .await
    }

    async fn alarm_states(&self, region: &Region, alarms: &[AlarmName]) -> Result<BTreeMap<AlarmName, AlarmState>, PortError> {
        let alarms = alarms.to_vec();
        self.call_in(region, "cloudwatch:DescribeAlarms", move |world| {
            let state = |name: &AlarmName| Some((name.clone(), world.cloud.history.alarms.get(name)?.state));
            Ok(alarms.iter().filter_map(state).collect())
        })
        .await
    }

    async fn publish(&self, region: &Region, _: &[PublishedValue]) -> Result<(), PortError> {
        self.call_in(region, "cloudwatch:PutMetricData", |_| Ok(())).await
    }
}

impl Store for Hand {
    async fn claim(&self, installation: &InstallationId, _: Timestamp) -> Result<InstallationId, PortError> {
        let installation = installation.clone();
        self.call("dynamodb:PutItem", move |world| {
            Ok(world.table.owner.get_or_insert_with(|| installation.clone()).clone())
        })
        .await
    }

    async fn fleets(&self) -> Result<Vec<FleetEntry>, PortError> {
        self.call("dynamodb:Query", |world| {
            let entry = |(fleet, items): (&FleetId, &crate::table::Items)| FleetEntry {
                fleet: fleet.clone(),
                alarms: items.spec.spec.alarms.iter().flatten().map(|raw| raw.alarm.clone()).collect(),
                fails_over: items.spec.spec.failover.is_some(),
                evaluated_at: items.evaluated_at,
            };
            Ok(world.table.fleets.iter().map(entry).collect())
        })
        .await
    }

    async fn load(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Result<Loaded, PortError>>, PortError> {
        let (fleets, unread) = (fleets.to_vec(), self.broken(Broken::FenceUnread) && !self.fails_over());
        self.call("dynamodb:BatchGetItem", move |world| {
            let loaded = |fleet: &FleetId| {
                let mut items = world.read_items(fleet)?;
                items.traffic.iter_mut().filter(|_| unread).for_each(|traffic| traffic.fence = None);
                Some((fleet.clone(), Ok(items)))
            };
            Ok(fleets.iter().filter_map(loaded).collect())
        })
        .await
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitResult, PortError> {
        let (commit, request) = (Rc::new(commit.clone()), Rc::clone(&self.request));
        self.call("dynamodb:TransactWriteItems", move |world| world.commit(&commit, &request))
            .await
    }

    async fn record_outcomes(&self, fleet: &FleetId, _: &PlanId, outcomes: &BTreeMap<StepId, RecordedOutcome>) -> Result<(), PortError> {
        let (fleet, outcomes) = (fleet.clone(), outcomes.clone());
        self.call("dynamodb:UpdateItem", move |world| {
            if let Some(items) = world.table.fleets.get_mut(&fleet) {
                items.record_outcomes(&outcomes);
            }
            Ok(())
        })
        .await
    }

    async fn note_looks(&self, looks: &[Look]) -> Result<(), PortError> {
        let looks = looks.to_vec();
        self.call("dynamodb:TransactWriteItems", move |world| {
            for look in &looks {
                if let Some(items) = world.table.fleets.get_mut(&look.fleet) {
                    items.evaluated_at = Some(look.at);
                    items.holds += u64::from(look.hold.is_some());
                }
            }
            Ok(())
        })
        .await
    }

    async fn record(&self, record: &DecisionRecord) -> Result<(), PortError> {
        let record = Rc::new(record.clone());
        self.call("dynamodb:PutItem", move |world| {
            if let Some(items) = world.table.fleets.get_mut(&record.fleet) {
                items.records.insert(record.id.clone(), record.at);
            }
            Ok(())
        })
        .await
    }

    async fn recorded_plans(&self, fleet: &FleetId, plans: &BTreeSet<PlanId>) -> Result<BTreeSet<PlanId>, PortError> {
        let (fleet, plans) = (fleet.clone(), plans.clone());
        self.call("dynamodb:BatchGetItem", move |world| {
            let items = world.table.fleets.get(&fleet);
            let recorded = |plan: &&PlanId| items.is_some_and(|items| items.records.contains_key(*plan));
            Ok(plans.iter().filter(recorded).cloned().collect())
        })
        .await
    }

    async fn exhausted(&self, region: &Region, now: Timestamp) -> Result<Vec<ExhaustedOffering>, PortError> {
        let region = region.clone();
        self.call("dynamodb:Query", move |world| Ok(world.table.exhausted(&region, now)))
            .await
    }

    async fn note_exhausted(&self, region: &Region, offering: &Offering, now: Timestamp) -> Result<(), PortError> {
        let (region, offering) = (region.clone(), offering.clone());
        self.call("dynamodb:UpdateItem", move |world| {
            world.table.note_exhausted(&region, &offering, now);
            Ok(())
        })
        .await
    }

    async fn note_alarm(&self, alarm: &str, changed_at: Timestamp) -> Result<bool, PortError> {
        let alarm = alarm.to_owned();
        self.call("dynamodb:UpdateItem", move |world| Ok(world.table.note_alarm(&alarm, changed_at)))
            .await
    }

    async fn forecasts(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Forecast>, PortError> {
        let fleets = fleets.to_vec();
        self.call("dynamodb:BatchGetItem", move |world| {
            let forecast = |fleet: &FleetId| Some((fleet.clone(), world.table.fleets.get(fleet)?.forecast.clone()?));
            Ok(fleets.iter().filter_map(forecast).collect())
        })
        .await
    }
}

impl ForecastStore for Hand {
    async fn memories(&self, loads: &[LoadId]) -> Result<BTreeMap<LoadId, Memory>, PortError> {
        let loads = loads.to_vec();
        self.call("dynamodb:BatchGetItem", move |world| {
            let memory = |load: &LoadId| Some((load.clone(), world.table.fleets.get(&load.fleet)?.memories.get(load)?.clone()));
            Ok(loads.iter().filter_map(memory).collect())
        })
        .await
    }

    async fn keep_forecast(&self, fleet: &FleetId, forecast: &Forecast, _: Timestamp) -> Result<CommitResult, PortError> {
        let (fleet, forecast) = (fleet.clone(), Rc::new(forecast.clone()));
        self.call("dynamodb:PutItem", move |world| {
            let items = world.table.fleets.get_mut(&fleet);
            Ok(items.map_or(CommitResult::Conflict, |items| items.keep_forecast(&forecast)))
        })
        .await
    }

    async fn keep_memories(&self, memories: &BTreeMap<LoadId, Memory>, _: Timestamp) -> Result<(), PortError> {
        let memories = Rc::new(memories.clone());
        self.call("dynamodb:PutItem", move |world| {
            for (load, memory) in memories.iter() {
                if let Some(items) = world.table.fleets.get_mut(&load.fleet) {
                    items.memories.insert(load.clone(), memory.clone());
                }
            }
            Ok(())
        })
        .await
    }
}
