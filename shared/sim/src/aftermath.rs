//! How the storm ends: nothing strikes any more, and a person does what alerts ask for.

use std::collections::BTreeMap;

use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::spec::{Failover, FleetSpec};

use crate::clock::{SECOND, at};
use crate::table::Items;
use crate::world::World;

impl World {
    /// The storm is over: nothing strikes any more, everything that can be had is there, the load keeps one level.
    pub(crate) fn calm(&mut self) {
        let now = self.now;
        self.log.line(now, || "the storm is over".to_owned());
        self.faults.calm();
        self.cloud.capacity.refill();
        self.cloud.shifted.clear();
        self.slow.clear();
        self.silent.clear();
        self.dark.clear();
        for service in self.cloud.services.values_mut() {
            (service.unreadable_until, service.stale) = (now, (0, now));
        }
        for machine in self.cloud.ec2.machines.values_mut() {
            machine.recover(now);
            machine.protected = None;
        }
        for fleet in self.fleets.values_mut() {
            fleet.load.spike = (1.0, 0);
            fleet.load.steady = Some(fleet.load.rate(now));
        }
        let degraded = |(id, items): (&FleetId, &Items)| items.traffic.degraded.as_ref().map(|_| id.clone());
        self.degraded_at_end = self.table.fleets.iter().filter_map(degraded).collect();
        self.somebody_looks();
        self.take_strangers_out();
        self.nothing_ages();
        let ours = self.installation.clone();
        let (kept, restored) = (self.kept_warm(), self.watch.was_restored());
        let leads = |fleet: &FleetSpec| fleet.failover.as_ref().is_some_and(Failover::leads_to_instance);
        let led = self.fleets.iter().filter(|(_, fleet)| leads(&fleet.spec));
        let unchecked: Vec<(FleetId, PoolId)> = led
            .flat_map(|(id, fleet)| fleet.spec.pools.iter().map(|pool| (id.clone(), pool.id.clone())))
            .collect();
        for machine in self.cloud.ec2.machines.values_mut() {
            // what a restored table does not know to be kept is told, and a person ends it
            let forgotten = restored && machine.stopped_at.is_some() && !kept.contains(&machine.id);
            let stray = (forgotten || machine.by_hand) && machine.installation.as_ref() == Some(&ours);
            // where no balancer asks them, those of a bad image look like any other: alarms tell a person
            let is_unchecked =
                |(fleet, pool): &(FleetId, PoolId)| machine.tags.fleet.as_ref() == Some(fleet) && machine.tags.pool.as_ref() == Some(pool);
            let useless = machine.bad_image && unchecked.iter().any(is_unchecked);
            if stray || machine.stopped_by_hand || useless {
                machine.ends.get_or_insert(crate::cloud::ec2::End {
                    at: now,
                    over_at: now + 40 * SECOND,
                    listed_from: now + 5 * SECOND,
                });
            }
        }
    }

    /// Whose instances are replaced for their age, warm ones too, is never done: the owner takes `max_age` out, has every fleet act again, and refreshes go
    /// on to their end.
    fn nothing_ages(&mut self) {
        let now = at(self.now);
        for (id, fleet) in &mut self.fleets {
            let Some(items) = self.table.fleets.get_mut(id) else { continue };
            items.resume_refreshes();
            let mut raw = fleet.design.raw.clone();
            let warm_of_all = raw.defaults.as_mut().and_then(|defaults| defaults.warm.as_mut());
            let warm = warm_of_all
                .into_iter()
                .chain(raw.pools.iter_mut().filter_map(|pool| pool.warm.as_mut()));
            let warm_aged = warm.filter_map(|warm| warm.max_age.take()).count() > 0;
            let aged = raw.defaults.as_mut().is_some_and(|defaults| defaults.max_age.take().is_some()) || warm_aged;
            let acts_again = raw.mode.take().is_some();
            let drill = raw.failover.as_mut().and_then(|failover| failover.drill.as_mut());
            let drilled = drill.is_some_and(|drill| drill.cron.take().is_some() && drill.for_.take().is_some());
            if let Ok(spec) = FleetSpec::check(&raw)
                && (aged || acts_again || drilled)
            {
                self.watch.spec_changed(&fleet.spec, self.now);
                fleet.spec = spec;
                fleet.design.raw = raw.clone();
                items.apply(raw, now);
            }
        }
    }

    /// What a person had set before something else answered is set again when a side does: then it is put right.
    pub(crate) fn look_at_the_end_of_degraded(&mut self) {
        let ended = |id: &&FleetId| {
            let traffic = self.table.fleets.get(*id).map(|items| &items.traffic);
            traffic.is_none_or(|traffic| traffic.degraded.is_none() && traffic.shift.is_none())
        };
        let ended: Vec<FleetId> = self.degraded_at_end.iter().filter(ended).cloned().collect();
        if !ended.is_empty() {
            self.put_rules_right();
        }
        for id in ended {
            self.degraded_at_end.remove(&id);
        }
    }

    /// Instances that some state knows to be kept warm.
    fn kept_warm(&self) -> std::collections::BTreeSet<ghostnet_core::id::InstanceId> {
        let states = self.table.fleets.values().filter_map(Items::capacity);
        let members = states.flat_map(|state| state.pools.values()).flat_map(|pool| &pool.members);
        members.filter(|(_, member)| member.is_warm()).map(|(id, _)| id.clone()).collect()
    }

    /// A person looks at what was held for one: pauses, operators' sizes and what shifts of traffic need end; after a restore the specs are applied again, and the instances that
    /// the table does not know are adopted.
    fn somebody_looks(&mut self) {
        let now = self.now;
        let mut unknown = Vec::new();
        for (id, fleet) in &self.fleets {
            let state = self.table.fleets.get(id).and_then(|items| items.capacity());
            for pool in &fleet.spec.pools {
                let members = state.and_then(|state| state.pools.get(&pool.id)).map(|pool| &pool.members);
                // nobody adopts whom no list shows
                let strangers = self
                    .alive(id, &pool.id)
                    .filter(|machine| !machine.by_hand && machine.listed_from <= now);
                let strangers = strangers.filter(|machine| members.is_none_or(|members| !members.contains_key(&machine.id)));
                let ids: Vec<_> = strangers.map(|machine| machine.id.clone()).collect();
                unknown.push((id.clone(), pool.id.clone(), ids));
            }
        }
        let restored = self.watch.was_restored();
        for items in self.table.fleets.values_mut().filter(|items| items.spec.spec.failover.is_none()) {
            let active = items.traffic.active.clone();
            items.move_traffic(active, BTreeMap::new());
        }
        self.put_rules_right();
        for (fleet, pool, ids) in unknown {
            if let Some(items) = self.table.fleets.get_mut(&fleet) {
                items.pause(None);
                items.give_up();
                if let Some(fleet) = self.fleets.get(&fleet).filter(|_| restored) {
                    items.apply(fleet.design.raw.clone(), at(now));
                }
                if restored && !ids.is_empty() {
                    items.adopt(&pool, &ids, at(now));
                }
            }
        }
    }
}
