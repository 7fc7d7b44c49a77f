//! What befalls the account once a minute while the storm lasts: capacity, zones, instances, and the events that tell of them.

use ghostnet_core::id::Zone;
use ghostnet_core::observation::{InstanceState, Market};
use ghostnet_core::signal::{Interruption, InterruptionKind, Signal};

use crate::clock::{HOUR, MINUTE, Millis, SECOND, at};
use crate::cloud::capacity::Quota;
use crate::cloud::ec2::Machine;
use crate::fault::Fault;
use crate::lambda::{Function, Job};
use crate::world::{Event, World};

impl World {
    /// One minute of the storm.
    pub(crate) fn storm(&mut self) {
        self.storm_on_capacity();
        self.storm_on_instances();
        self.storm_on_regions();
        self.storm_by_people();
        if self.faults.strikes(Fault::LoadSpike) {
            let Some(chance) = self.faults.chance(Fault::LoadSpike) else {
                return;
            };
            let factor = *chance.pick(&[0.1, 0.5, 1.5, 2.0, 3.0]).unwrap_or(&1.0);
            let until = self.now + chance.between(3, 60) * MINUTE;
            for fleet in self.fleets.values_mut() {
                fleet.load.spike = (factor, until);
            }
        }
    }

    pub(crate) fn lasting(&mut self, fault: Fault, low: Millis, high: Millis) -> Millis {
        self.faults.chance(fault).map_or(low, |chance| chance.between(low, high))
    }

    fn storm_on_capacity(&mut self) {
        let now = self.now;
        if self.faults.strikes(Fault::Throttle) {
            let until = now + self.lasting(Fault::Throttle, 1, 20) * SECOND;
            self.cloud.capacity.drain_buckets(until);
        }
        if self.faults.strikes(Fault::DryPool)
            && let Some(pool) = self.any_pool(Fault::DryPool)
        {
            let until = now + self.lasting(Fault::DryPool, 1, 60) * MINUTE;
            let only_spot = self.faults.chance(Fault::DryPool).is_some_and(|chance| chance.once_in(2));
            let capacity = &mut self.cloud.capacity;
            let pools = if only_spot { &mut capacity.spot_dry } else { &mut capacity.dry };
            pools.insert(pool, until);
        }
        if self.faults.strikes(Fault::Quota) {
            let until = now + self.lasting(Fault::Quota, 1, 30) * MINUTE;
            let of_spot = self.faults.chance(Fault::Quota).is_some_and(|chance| chance.once_in(2));
            let more = self.faults.chance(Fault::Quota).map_or(0, |chance| chance.count(0, 3));
            let market = if of_spot { Market::Spot } else { Market::OnDemand };
            let most = self.cloud.ec2.alive_of(market, now) + more;
            let capacity = &mut self.cloud.capacity;
            *(if of_spot { &mut capacity.spot_quota } else { &mut capacity.quota }) = Quota { until, most };
        }
        if self.faults.strikes(Fault::LaunchDenied) {
            self.cloud.capacity.denied_until = now + self.lasting(Fault::LaunchDenied, 1, 20) * MINUTE;
        }
        if self.faults.strikes(Fault::SubnetFull)
            && let Some((zone, _)) = self.any_pool(Fault::SubnetFull)
        {
            let until = now + self.lasting(Fault::SubnetFull, 1, 60) * MINUTE;
            self.cloud.capacity.subnets_full.insert(zone, until);
        }
        if self.faults.strikes(Fault::Reservation) {
            let gone_until = now + self.lasting(Fault::Reservation, 2, 60) * MINUTE;
            let reservations = &mut self.cloud.capacity.reservations;
            if let Some(chance) = self.faults.chance(Fault::Reservation) {
                if chance.once_in(2) {
                    self.log
                        .line(now, || format!("the reservation is cancelled until {}", at(gone_until)));
                    reservations.gone_until = gone_until;
                } else {
                    reservations.resize_any(chance);
                }
            }
        }
        if self.faults.strikes(Fault::BadImage) {
            self.cloud.capacity.bad_image_until = now + self.lasting(Fault::BadImage, 2, 40) * MINUTE;
        }
        if self.faults.strikes(Fault::ZoneLoss)
            && let Some((zone, _)) = self.any_pool(Fault::ZoneLoss)
        {
            let until = now + self.lasting(Fault::ZoneLoss, 3, 45) * MINUTE;
            self.lose_zone(&zone, until);
        }
        if self.faults.strikes(Fault::ZonalShift)
            && let Some((zone, _)) = self.any_pool(Fault::ZonalShift)
        {
            let until = now + self.lasting(Fault::ZonalShift, 3, 60) * MINUTE;
            self.log
                .line(now, || format!("traffic is shifted away from zone {zone} until {}", at(until)));
            self.cloud.shifted.insert(zone, until);
        }
    }

    /// A zone fails: nothing launches there, and its instances fail their checks until it is over.
    pub(crate) fn lose_zone(&mut self, zone: &Zone, until: Millis) {
        let now = self.now;
        self.log.line(now, || format!("zone {zone} fails until {}", at(until)));
        self.cloud.capacity.zones_down.insert(zone.clone(), until);
        let mut sick = Vec::new();
        for machine in self.cloud.ec2.machines.values_mut().filter(|machine| machine.zone == *zone) {
            machine.sick_since.get_or_insert(now);
            sick.push(machine.id.clone());
        }
        for id in sick {
            self.schedule(until, Event::Recover(id));
        }
    }

    fn storm_on_instances(&mut self) {
        let now = self.now;
        let ours = self.installation.clone();
        let running = move |machine: &Machine| machine.installation.as_ref() == Some(&ours) && machine.state(now) == InstanceState::Running;
        if self.faults.strikes(Fault::Sick)
            && let Some(id) = self.any_machine(Fault::Sick, &running)
        {
            let until = now + self.lasting(Fault::Sick, 1, 60) * MINUTE;
            if let Some(machine) = self.cloud.ec2.machines.get_mut(&id) {
                machine.sick_since.get_or_insert(now);
            }
            self.log.line(now, || format!("{id} is sick"));
            self.schedule(until, Event::Recover(id));
        }
        for fault in [Fault::Impaired, Fault::SilentWorker, Fault::FailingJobs] {
            if self.faults.strikes(fault)
                && let Some(id) = self.any_machine(fault, &running)
            {
                let until = now + self.lasting(fault, 1, 60) * MINUTE;
                if let Some(machine) = self.cloud.ec2.machines.get_mut(&id) {
                    let since = match fault {
                        Fault::Impaired => &mut machine.impaired_since,
                        Fault::SilentWorker => &mut machine.silent_since,
                        _ => &mut machine.failing_since,
                    };
                    since.get_or_insert(now);
                }
                self.log.line(now, || format!("{fault} strikes {id}"));
                self.schedule(until, Event::Recover(id));
            }
        }
        if self.faults.strikes(Fault::StoppedByHand)
            && let Some(id) = self.any_machine(Fault::StoppedByHand, &running)
            && let Some(machine) = self.cloud.ec2.machines.get_mut(&id)
        {
            machine.stopped_at.get_or_insert(now);
            machine.stopped_by_hand = true;
            self.log.line(now, || format!("somebody stops {id}"));
            self.tell_instance_changed(&id);
        }
        if self.faults.strikes(Fault::Protected)
            && let Some(id) = self.any_machine(Fault::Protected, &running)
        {
            let until = now + self.lasting(Fault::Protected, 5, 90) * MINUTE;
            if let Some(machine) = self.cloud.ec2.machines.get_mut(&id) {
                machine.protected = Some((now, until));
            }
            self.log.line(now, || format!("somebody protects {id} until {}", at(until)));
        }
        if self.faults.strikes(Fault::TerminatedByHand)
            && let Some(id) = self.any_machine(Fault::TerminatedByHand, &running)
        {
            self.log.line(now, || format!("somebody terminates {id}"));
            self.cloud.ec2.end(&id, 5 * SECOND, now);
            self.tell_instance_changed(&id);
        }
        if self.faults.strikes(Fault::Retirement)
            && let Some(id) = self.any_machine(Fault::Retirement, &running)
        {
            self.log.line(now, || format!("AWS will retire {id}"));
            self.schedule(now + HOUR, Event::Reclaim(id.clone()));
            let signal = Signal::InstanceChanged {
                instances: vec![id],
                what: "retirement".to_owned(),
                at: at(now),
                retires: true,
            };
            self.tell(Function::Interruption, signal);
        }
        for (fault, kind) in [
            (Fault::SpotReclaim, Some(InterruptionKind::SpotWarning)),
            (Fault::SpotNoNotice, None),
            (Fault::RebalanceHint, Some(InterruptionKind::Rebalance)),
        ] {
            if !self.faults.strikes(fault) {
                continue;
            }
            // only spot is reclaimed
            let is_spot = |machine: &Machine| machine.market == Market::Spot && running(machine);
            let Some(id) = self.any_machine(fault, is_spot) else { continue };
            self.log.line(now, || format!("{fault} of {id}"));
            if fault != Fault::RebalanceHint {
                self.schedule(now + 2 * MINUTE, Event::Reclaim(id.clone()));
            }
            if let Some(kind) = kind {
                let notice = Interruption {
                    instance: id,
                    kind,
                    at: at(now),
                };
                self.tell(Function::Interruption, Signal::Interruption(notice));
            }
        }
    }

    fn tell_instance_changed(&mut self, id: &ghostnet_core::id::InstanceId) {
        let signal = Signal::InstanceChanged {
            instances: vec![id.clone()],
            what: "state change".to_owned(),
            at: at(self.now),
            retires: false,
        };
        self.tell(Function::Interruption, signal);
    }

    /// Sends an event to a function: once, several times, late, or never.
    pub(crate) fn tell(&mut self, function: Function, signal: Signal) {
        if self.faults.strikes(Fault::EventLost) {
            return;
        }
        let times = 1 + i64::from(self.faults.strikes(Fault::EventTwice)) * self.lasting(Fault::EventTwice, 1, 2);
        for _ in 0..times {
            let mut when = self.now + self.chance.between(100, 3 * SECOND);
            if self.faults.strikes(Fault::EventLate) {
                when += self.lasting(Fault::EventLate, 1, 40) * self.lasting(Fault::EventLate, 1, 6) * MINUTE;
            }
            self.schedule(when, Event::Invoke(Box::new(Job::new(function, signal.clone()))));
        }
    }
}
