//! What a call to EC2 or to a balancer does when it lands: launches, starts, stops, ends, tags, registrations, attributes.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstanceId, TargetGroupArn};
use ghostnet_core::observation::{InstanceState, Offering, Told};
use ghostnet_core::plan::{Choice, Launch, Strategy};
use ghostnet_core::spec::Attribute;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{FleetAnswer, RefusedOffering};

use crate::broken::Broken;
use crate::check;
use crate::clock::{HOUR, MINUTE, Millis, SECOND};
use crate::cloud::ec2::{Boot, Machine};
use crate::cloud::refusal;
use crate::cloud::worker::Worker;
use crate::fault::Fault;
use crate::world::World;

impl World {
    /// RunInstances.
    pub(crate) fn launch(&mut self, launch: &Launch, tags: &[(&'static str, String)], request: &str) -> Result<Vec<InstanceId>, PortError> {
        if let Some(again) = self.launched_before(launch) {
            return again;
        }
        let alive = self.cloud.ec2.alive_of(launch.offering.market, self.now);
        let room = self.cloud.capacity.admit(&launch.offering, launch.count, alive, self.now)?;
        let count = if launch.offering.reservation.is_some() {
            let machines = self.cloud.ec2.machines.values();
            let reservations = &self.cloud.capacity.reservations;
            reservations.admit(&launch.offering, launch.count, machines, self.now)?
        } else {
            self.as_many_as_there_are(room)
        };
        Ok(self.launch_these(launch, &[(launch.offering.clone(), count)], tags, request))
    }

    /// CreateFleet, of type instant: the pools in the order of the strategy, each for as many as it has. What gave none is told.
    pub(crate) fn create_fleet(
        &mut self,
        launch: &Launch,
        choice: &Choice,
        tags: &[(&'static str, String)],
        request: &str,
    ) -> Result<FleetAnswer, PortError> {
        if let Some(again) = self.launched_before(launch) {
            return again.map(|instances| FleetAnswer {
                instances,
                refused: Vec::new(),
            });
        }
        let mut offerings: Vec<Offering> = launch.offerings().collect();
        offerings.sort_by_key(|offering| self.rank(offering, choice.strategy));
        let (mut taken, mut refused, mut missing) = (Vec::new(), Vec::new(), launch.count);
        for offering in offerings {
            if missing == 0 {
                break;
            }
            let count_of = |(taken, count): &(Offering, u32)| if taken.market == offering.market { *count } else { 0 };
            let alive = self.cloud.ec2.alive_of(offering.market, self.now) + taken.iter().map(count_of).sum::<u32>();
            match self.cloud.capacity.admit(&offering, missing, alive, self.now) {
                Ok(room) => {
                    let count = self.as_many_as_there_are(room);
                    missing -= count;
                    taken.push((offering, count));
                }
                Err(PortError { class, code, message, .. }) => refused.push(RefusedOffering {
                    offering,
                    class,
                    code,
                    message,
                }),
            }
        }
        let instances = if taken.is_empty() {
            Vec::new()
        } else {
            self.launch_these(launch, &taken, tags, request)
        };
        Ok(FleetAnswer { instances, refused })
    }

    /// Prices and spare capacity differ by type and hour; here by arithmetic that nobody can foresee and everybody can repeat.
    fn rank(&self, offering: &Offering, strategy: Strategy) -> u64 {
        let name = offering.instance_type.as_ref().map_or("", |name| name.as_str());
        let hour = u64::try_from(self.now / HOUR).unwrap_or(0);
        let strategy = strategy.as_str().len() as u64;
        name.bytes().fold(hour.wrapping_add(strategy), |rank, byte| {
            rank.wrapping_mul(31).wrapping_add(u64::from(byte))
        }) % 1_009
    }

    fn launched_before(&self, launch: &Launch) -> Option<Result<Vec<InstanceId>, PortError>> {
        if self.broken == Some(Broken::TokensForgotten) {
            return None;
        }
        self.cloud.ec2.by_token(launch, self.now)
    }

    /// At least one.
    fn as_many_as_there_are(&mut self, asked: u32) -> u32 {
        if asked > 1 && self.faults.strikes(Fault::PartialLaunch) {
            return self
                .faults
                .chance(Fault::PartialLaunch)
                .map_or(1, |chance| chance.count(1, asked - 1));
        }
        asked
    }

    fn launch_these(
        &mut self,
        launch: &Launch,
        these: &[(Offering, u32)],
        tags: &[(&'static str, String)],
        request: &str,
    ) -> Vec<InstanceId> {
        let now = self.now;
        let mut boots = Vec::new();
        for (offering, count) in these {
            boots.extend((0..*count).map(|_| (offering.clone(), self.boot())));
        }
        let instances = self.cloud.ec2.launch(launch, tags, &boots, now);
        self.counters.launched += instances.len() as u64;
        self.log.line(now, || {
            format!(
                "  launched {} of {}, {}: {instances:?}",
                instances.len(),
                launch.count,
                launch.offering
            )
        });
        check::on_launched(self, launch, &instances, request);
        instances
    }

    fn boot(&mut self) -> Boot {
        let mut takes = self.chance.skewed(45 * SECOND);
        if self.faults.strikes(Fault::SlowBoot) {
            takes += self
                .faults
                .chance(Fault::SlowBoot)
                .map_or(0, |chance| chance.between(3, 20) * MINUTE);
        }
        let bad_image = self.now < self.cloud.capacity.bad_image_until;
        let mut worker = Worker::any(&mut self.workers, self.now + takes);
        if bad_image {
            worker.ready_at = Millis::MAX;
        }
        Boot {
            takes,
            list_lag: self.list_lag(),
            bad_image,
            worker,
        }
    }

    /// How long EC2's list takes to show a change: seconds, rarely minutes.
    fn list_lag(&mut self) -> Millis {
        let lag = self.chance.between(0, 4 * SECOND);
        if self.faults.strikes(Fault::ListLag) {
            return self
                .faults
                .chance(Fault::ListLag)
                .map_or(lag, |chance| chance.between(10, 240) * SECOND);
        }
        lag
    }

    /// StartInstances: the ones that could not be started, with their codes.
    pub(crate) fn start(&mut self, ids: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        let now = self.now;
        let ids = &match self.broken {
            Some(Broken::StartsForeign) => and_one(ids, self.cloud.ec2.machines.values(), |machine| {
                machine.installation.as_ref() != Some(&self.installation)
            }),
            _ => ids.to_vec(),
        };
        let mut failed = BTreeMap::new();
        let mut refused = None;
        for id in ids {
            let Some(machine) = self.cloud.ec2.named(id, now) else {
                failed.insert(id.clone(), NOT_FOUND.to_owned());
                continue;
            };
            let (offering, rests) = (machine.offering(), machine.state(now) == InstanceState::Stopped);
            let alive = self.cloud.ec2.alive_of(offering.market, now);
            if rests && let Err(error) = self.cloud.capacity.admit_start(&offering, alive, now) {
                failed.insert(id.clone(), error.code.clone());
                refused = Some(error);
                continue;
            }
            let boot = Boot {
                takes: self.chance.skewed(15 * SECOND),
                list_lag: self.list_lag(),
                bad_image: false,
                worker: Worker::any(&mut self.workers, now),
            };
            if self.cloud.ec2.start(id, boot, now) {
                self.counters.started += 1;
            } else {
                failed.insert(id.clone(), "IncorrectInstanceState".to_owned());
            }
        }
        self.log.line(now, || format!("  started {ids:?}, except {failed:?}"));
        check::on_started(self, ids);
        match refused {
            Some(error) if failed.len() == ids.len() => Err(error),
            _ => Ok(failed),
        }
    }

    /// StopInstances.
    pub(crate) fn stop(&mut self, ids: &[InstanceId], request: &str) -> BTreeMap<InstanceId, String> {
        let now = self.now;
        check::on_stopped(self, ids, request);
        let mut failed = BTreeMap::new();
        for id in ids {
            let lag = self.list_lag();
            let code = match self.cloud.ec2.named(id, now).map(|machine| machine.exists(now)) {
                None => NOT_FOUND,
                Some(false) => "IncorrectInstanceState",
                Some(true) => {
                    self.cloud.ec2.stop(id, lag, now);
                    self.counters.stopped += 1;
                    continue;
                }
            };
            failed.insert(id.clone(), code.to_owned());
        }
        self.log.line(now, || format!("  stopped {ids:?}"));
        failed
    }

    /// CreateTags: the worker reads its instance's metadata.
    pub(crate) fn tag_state(&mut self, ids: &[InstanceId], told: Told) -> Result<(), PortError> {
        self.cloud.ec2.tell(ids, told, self.now)?;
        self.log.line(self.now, || format!("  told {ids:?}: {}", told.as_str()));
        Ok(())
    }

    /// TerminateInstances, as the adapter sends it: whoever is found ends, and of the others nobody can know.
    pub(crate) fn terminate(&mut self, ids: &[InstanceId], request: &str) -> Result<(), PortError> {
        let now = self.now;
        check::on_terminated(self, ids, request);
        let mut missing = Vec::new();
        for id in ids {
            let lag = self.list_lag();
            if self.cloud.ec2.named(id, now).is_none() {
                missing.push(id);
                continue;
            }
            self.counters.terminated += u64::from(self.cloud.ec2.machines.get(id).is_some_and(|machine| machine.exists(now)));
            self.cloud.ec2.end(id, lag, now);
        }
        self.log.line(now, || format!("  terminated {ids:?}, not found: {missing:?}"));
        if missing.is_empty() {
            Ok(())
        } else {
            Err(refusal("ec2:TerminateInstances", ErrorClass::NotFound, NOT_FOUND))
        }
    }

    /// RegisterTargets: all or none.
    pub(crate) fn register(&mut self, arn: &TargetGroupArn, ids: &[InstanceId]) -> Result<(), PortError> {
        const CALL: &str = "elasticloadbalancing:RegisterTargets";
        let now = self.now;
        let running = |id: &InstanceId| {
            let machine = self.cloud.ec2.machines.get(id);
            machine.is_some_and(|machine| machine.state(now) == InstanceState::Running)
        };
        if !ids.iter().all(running) {
            return Err(refusal(CALL, ErrorClass::NotFound, "InvalidTarget"));
        }
        if self.broken == Some(Broken::NothingRegisters) {
            return Ok(());
        }
        let Some(group) = self.cloud.groups.get_mut(arn) else {
            return Err(refusal(CALL, ErrorClass::NotFound, "TargetGroupNotFound"));
        };
        let ids = &match self.broken {
            Some(Broken::RegistersForeign) => and_one(ids, self.cloud.ec2.machines.values(), |machine| {
                machine.installation.as_ref() != Some(&self.installation) && machine.state(now) == InstanceState::Running
            }),
            _ => ids.to_vec(),
        };
        for id in ids {
            group.register(id, true, now);
        }
        check::on_registered(self, ids);
        self.log.line(now, || format!("  registered {ids:?}"));
        Ok(())
    }

    /// DeregisterTargets.
    pub(crate) fn deregister(&mut self, arn: &TargetGroupArn, ids: &[InstanceId]) -> Result<(), PortError> {
        let now = self.now;
        if !self.cloud.groups.contains_key(arn) {
            let call = "elasticloadbalancing:DeregisterTargets";
            return Err(refusal(call, ErrorClass::NotFound, "TargetGroupNotFound"));
        }
        if self.broken == Some(Broken::NothingDeregisters) {
            return Ok(());
        }
        let ids = &self.and_others(ids, arn);
        check::on_deregistered(self, arn, ids);
        if let Some(group) = self.cloud.groups.get_mut(arn) {
            for id in ids {
                group.deregister(id, now);
            }
        }
        check::on_left(self, ids);
        self.log.line(now, || format!("  deregistered {ids:?}"));
        Ok(())
    }

    /// Whom an executor deregisters that is broken on purpose: others than those of its step too.
    fn and_others(&self, ids: &[InstanceId], arn: &TargetGroupArn) -> Vec<InstanceId> {
        let targets = self.cloud.groups.get(arn).into_iter().flat_map(|group| &group.targets);
        let there = targets.filter(|(_, target)| target.drained_at.is_none());
        let also: Vec<&InstanceId> = match self.broken {
            Some(Broken::DeregistersAll) => there.filter(|(_, target)| target.ours).map(|(id, _)| id).collect(),
            Some(Broken::DeregistersForeign) => there.filter(|(_, target)| !target.ours).map(|(id, _)| id).collect(),
            _ => Vec::new(),
        };
        ids.iter().chain(also).cloned().collect()
    }

    /// ModifyTargetGroupAttributes.
    pub(crate) fn tune(&mut self, arn: &TargetGroupArn, set: &BTreeMap<Attribute, String>) -> Result<(), PortError> {
        const CALL: &str = "elasticloadbalancing:ModifyTargetGroupAttributes";
        if !self.cloud.groups.contains_key(arn) {
            return Err(refusal(CALL, ErrorClass::NotFound, "TargetGroupNotFound"));
        }
        let mut set = set.clone();
        match self.broken {
            Some(Broken::NothingTunes) => return Ok(()),
            Some(Broken::TunesUnnamed) => drop(set.insert(Attribute::AppCookieDuration, "60".to_owned())),
            _ => {}
        }
        check::on_tuned(self, arn, &set);
        let taken = self.cloud.groups.get_mut(arn).is_some_and(|group| group.set(&set, true));
        self.log.line(self.now, || format!("  tuned {set:?}, taken: {taken}"));
        if taken {
            Ok(())
        } else {
            Err(refusal(CALL, ErrorClass::Invalid, "InvalidConfigurationRequest"))
        }
    }
}

/// These, and the first other one that fits.
fn and_one<'a>(ids: &[InstanceId], mut machines: impl Iterator<Item = &'a Machine>, fits: impl Fn(&Machine) -> bool) -> Vec<InstanceId> {
    let other = machines.find(|machine| fits(machine)).map(|machine| machine.id.clone());
    ids.iter().cloned().chain(other).collect()
}

/// What EC2 says of an id that it does not know: not yet, or not any more.
const NOT_FOUND: &str = "InvalidInstanceID.NotFound";
