//! Measures the load twice a minute, and makes of it the minute's datapoints, as the balancer and the agents publish them.

use std::collections::BTreeMap;

use ghostnet_core::id::{FleetId, InstanceId, PoolId, Region, TargetGroupArn};
use ghostnet_core::observation::InstanceState;
use ghostnet_core::sorted::Walk;
use ghostnet_core::spec::{Failover, FleetSpec, PoolSpec};

use crate::clock::{MINUTE, Millis, SECOND};
use crate::cloud::metrics::Minute;
use crate::fault::Fault;
use crate::hand::is_in;
use crate::load::as_float;
use crate::region::HOME;
use crate::world::{Event, World, is_of};

/// Seconds until an answer from a side that is slow.
const SLOW: f64 = 30.0;
/// Seconds until somebody of a side without a balancer answers whoever asks whether it is there.
const ANSWERED: f64 = 0.02;
/// Seconds until an answer that nobody can work with: more than any side that answers at all takes when it is overloaded.
pub(crate) const TOO_SLOW: f64 = 5.0;

impl World {
    /// Half a minute is over. True at the end of a minute.
    pub(crate) fn half_minute(&mut self) -> bool {
        let now = self.now;
        let mut samples = Vec::new();
        for (id, fleet) in &self.fleets {
            let mut serving = BTreeMap::new();
            for pool in &fleet.spec.pools {
                serving.insert(pool.id.clone(), self.serving(id, pool));
            }
            samples.push((id.clone(), (fleet.load.rate(now), serving)));
        }
        for (id, sample) in samples {
            if let Some(fleet) = self.fleets.get_mut(&id) {
                fleet.samples.push(sample);
            }
        }
        crate::check::traffic::look(self);
        self.halves += 1;
        let minute = self.halves.is_multiple_of(2);
        if minute {
            self.minute += 1;
            self.measure();
            self.forget();
        }
        self.schedule(now + MINUTE / 2, Event::HalfMinute);
        minute
    }

    /// How many of a pool take requests: its targets, or, without a balancer, whoever fetches work.
    pub(crate) fn serving(&self, fleet: &FleetId, pool: &PoolSpec) -> u32 {
        let spec = self.fleets.get(fleet).map(|fleet| &fleet.spec);
        if let Some(spec) = spec.filter(|spec| spec.failover.as_ref().is_some_and(Failover::leads_to_instance)) {
            return u32::from(self.is_led_to(spec, pool));
        }
        if pool.target_groups.is_empty() {
            let working = self.alive(fleet, &pool.id).filter(|machine| machine.takes_work(self.now));
            return u32::try_from(working.count()).unwrap_or(u32::MAX);
        }
        let Some(group) = pool.target_groups.first().and_then(|group| self.cloud.groups.get(group)) else {
            return 0;
        };
        if self.fleets.get(fleet).is_some_and(|fleet| fleet.spec.swaps_targets()) {
            return self.cloud.serving_of(group, |id| self.is_of_pool(id, pool), self.now);
        }
        self.cloud.serving(group, self.now)
    }

    /// Whether an instance of ours is one of this pool's.
    pub(crate) fn is_of_pool(&self, id: &InstanceId, pool: &PoolSpec) -> bool {
        let machine = self.cloud.ec2.machines.get(id);
        machine.is_some_and(|machine| {
            machine.installation.as_ref() == Some(&self.installation) && machine.tags.pool.as_ref() == Some(&pool.id)
        })
    }

    /// The minute's datapoints.
    fn measure(&mut self) {
        let now = self.now;
        let ids: Vec<FleetId> = self.fleets.keys().cloned().collect();
        for id in ids {
            let Some(fleet) = self.fleets.get_mut(&id) else { continue };
            let samples = std::mem::take(&mut fleet.samples);
            let (capacity, by_instance, jobs) = (fleet.design.capacity, fleet.by_instance, fleet.jobs);
            let Some(fleet) = self.fleets.get(&id) else { continue };
            let pools = fleet.spec.pools.iter();
            let share = |pool: &PoolSpec| (pool.id.clone(), self.share(&fleet.spec, pool), pool.target_groups.first().cloned());
            let leads = fleet.spec.failover.as_ref().is_some_and(Failover::leads_to_instance);
            let probes = is_probed(&fleet.spec);
            let shares: Vec<(PoolId, u32, Option<TargetGroupArn>)> = pools.map(share).collect();
            if let Some(shared) = shared_group(&fleet.spec) {
                let mut minute = datapoint_of_all(&samples, capacity);
                minute.start = now - MINUTE;
                minute.shown_from = now + self.chance.between(0, 20 * SECOND);
                let slow = |pool: &PoolId| {
                    self.slow
                        .get(&(id.clone(), pool.clone()))
                        .is_some_and(|until| *until > now - MINUTE)
                };
                let takes = |share: u32| share >= 50;
                if shares.iter().any(|(pool, share, _)| takes(*share) && slow(pool)) {
                    minute.response = minute.response.map(|_| SLOW);
                }
                let silent = |pool: &PoolId| Some(part_of_minute(*self.silent.get(&(id.clone(), pool.clone()))?, now));
                let silent = shares
                    .iter()
                    .filter(|(_, share, _)| takes(*share))
                    .find_map(|(pool, _, _)| silent(pool));
                if let Some(part) = silent {
                    minute.errors = minute.errors.map(|errors| errors.max(100.0 * part));
                }
                self.disturb(&mut minute);
                if minute.shown_from < Millis::MAX {
                    self.cloud.history.add_of_group(&shared, minute);
                }
            }
            for (pool, share, group) in shares {
                let mut minute = datapoint(&samples, |serving| serving.get(&pool).copied().unwrap_or(0), share, capacity);
                minute.start = now - MINUTE;
                minute.shown_from = now + self.chance.between(0, 20 * SECOND);
                let used = minute.cpu.unwrap_or(0.0);
                let without = group.is_none();
                let group = group.and_then(|group| self.cloud.groups.get(&group));
                let mut targets = group.map(|group| Walk::over(group.targets.iter()));
                let (mut running, mut serving) = (0_u32, 0_u32);
                let spec = self.fleets.get(&id).and_then(|fleet| fleet.spec.pool(&pool));
                let region = spec.map_or_else(|| Region::new(HOME), |pool| pool.region_or(&Region::new(HOME)).clone());
                for machine in self.cloud.ec2.machines.values() {
                    // what is measured in another region is not averaged with it
                    let is_its = is_of(machine, &self.installation, &id, &pool) && is_in(&machine.zone, &region);
                    if !is_its || machine.state(now) != InstanceState::Running {
                        continue;
                    }
                    running += 1;
                    let target = targets.as_mut().and_then(|targets| targets.to(&machine.id));
                    let registered = target.is_some_and(|target| target.drained_at.is_none());
                    let serves = if without { machine.takes_work(now) } else { registered };
                    serving += u32::from(serves);
                    if by_instance {
                        minute.by_instance.push((machine.id.clone(), if serves { used } else { 2.0 }));
                    }
                    if jobs {
                        minute.jobs.push((machine.id.clone(), machine.failed_jobs(now)));
                    }
                }
                let reached = match spec.filter(|_| probes && !leads) {
                    Some(pool) => self.serving(&id, pool) > 0,
                    None => serving > 0,
                };
                minute.probed = if reached { ANSWERED } else { SLOW };
                // whoever asks a side that has no balancer hears of anybody there
                if leads {
                    minute.response = Some(minute.probed);
                }
                minute.cpu = (running > 0).then(|| (used * f64::from(serving) + 2.0 * f64::from(running - serving)) / f64::from(running));
                if self
                    .slow
                    .get(&(id.clone(), pool.clone()))
                    .is_some_and(|until| *until > now - MINUTE)
                {
                    minute.response = minute.response.map(|_| SLOW);
                    minute.probed = SLOW;
                }
                if let Some(span) = self.silent.get(&(id.clone(), pool.clone())) {
                    let unanswered = 100.0 * part_of_minute(*span, now);
                    if unanswered > 0.0 {
                        minute.probed = SLOW;
                    }
                    minute.errors = minute.errors.map(|errors| errors.max(unanswered));
                }
                crate::check::traffic::on_measured(self, &id, &pool, &minute);
                self.disturb(&mut minute);
                if minute.shown_from < Millis::MAX {
                    self.cloud.history.add(&id, &pool, minute);
                }
            }
        }
    }

    fn disturb(&mut self, minute: &mut Minute) {
        if self.faults.strikes(Fault::MetricLate) {
            minute.shown_from += self
                .faults
                .chance(Fault::MetricLate)
                .map_or(0, |chance| chance.between(30, 600) * SECOND);
        }
        if self.faults.strikes(Fault::MetricMissing) {
            minute.shown_from = Millis::MAX;
        }
        if self.faults.strikes(Fault::MetricPartial) {
            for each in [&mut minute.by_instance, &mut minute.jobs] {
                each.truncate(each.len() / 2);
            }
        }
    }
}

/// Whether somebody asks the sides of a fleet from outside.
pub(crate) fn is_probed(spec: &FleetSpec) -> bool {
    spec.failover.as_ref().is_some_and(|failover| !failover.detect.probes.is_empty())
}

/// The group that all sides of a fleet have, if who is registered there decides who takes the traffic.
fn shared_group(spec: &FleetSpec) -> Option<TargetGroupArn> {
    let first = spec.pools.first().filter(|_| spec.swaps_targets());
    first?.target_groups.first().cloned()
}

/// How much of the minute that ends now falls into a span.
fn part_of_minute((since, until): (Millis, Millis), now: Millis) -> f64 {
    let common = until.min(now) - since.max(now - MINUTE);
    as_float(common.max(0)) / as_float(MINUTE)
}

/// The same of all sides together, where they have one group.
fn datapoint_of_all(samples: &[(f64, BTreeMap<PoolId, u32>)], capacity: f64) -> Minute {
    let all = |serving: &BTreeMap<PoolId, u32>| serving.values().fold(0_u32, |all, one| all.saturating_add(*one));
    datapoint(samples, all, 100, capacity)
}

/// What the samples of a minute come to: response = processing + network + queueing, as in one server per instance.
/// A pool gets its `share` of the requests, in hundredths.
fn datapoint(samples: &[(f64, BTreeMap<PoolId, u32>)], of: impl Fn(&BTreeMap<PoolId, u32>) -> u32, share: u32, capacity: f64) -> Minute {
    let count = f64::from(u32::try_from(samples.len()).unwrap_or(1).max(1));
    let rate = match share {
        // exact where nothing is shared
        0 => 0.0,
        100 => samples.iter().map(|(rate, _)| *rate).sum::<f64>() / count,
        share => samples.iter().map(|(rate, _)| *rate).sum::<f64>() / count * f64::from(share) / 100.0,
    };
    let served = samples.iter().map(|(_, serving)| of(serving));
    let serving = served.map(f64::from).sum::<f64>() / count;
    let mut minute = Minute::default();
    if rate <= 0.0 || serving <= 0.0 {
        minute.cpu = Some(2.0);
        return minute;
    }
    let each = rate / serving;
    let used = (each / capacity).min(1.0);
    minute.requests = Some(each * 60.0);
    minute.demand = Some(rate * 60.0);
    minute.cpu = Some(100.0 * used);
    let (processing, network) = (0.02, 0.005);
    let queueing = processing * used / (1.0 - used).max(0.01);
    minute.response = Some(processing + network + queueing);
    minute.errors = Some(100.0 * ((each - capacity) / each).max(0.0));
    minute
}
