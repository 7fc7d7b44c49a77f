//! What befalls one side of a fleet at one moment, to the millisecond: failures that are measured, and not drawn.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::{FleetId, PoolId, Zone};

use crate::clock::Millis;
use crate::fault::Fault;
use crate::world::{Event, World};

/// Something that befalls a side.
#[derive(Debug, Clone)]
pub struct Blow {
    /// Of which fleet.
    pub fleet: FleetId,
    /// Which side.
    pub side: PoolId,
    /// What.
    pub what: What,
    /// Until when it lasts.
    pub until: Millis,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// All its instances end, and its zones give no new ones.
    Ends,
    /// Nothing in its zones answers anything, requests or checks, and they give no new instances.
    IsSilent,
    /// It answers too slowly, and passes its checks.
    IsSlow,
    /// One of its instances answers nothing.
    OneIsSick,
    /// So many in a hundred of the datapoints of all sides are missing, and half as many of the queries fail.
    MetricsAreMissing(u32),
}

impl World {
    /// It happens now.
    pub(crate) fn befalls(&mut self, blow: &Blow) {
        let now = self.now;
        self.log.line(now, || format!("{}/{}: {:?}", blow.fleet, blow.side, blow.what));
        match blow.what {
            What::Ends => {
                for zone in self.zones_of(blow) {
                    self.cloud.capacity.zones_down.insert(zone, blow.until);
                }
                self.side_fails(&blow.fleet, &blow.side, true, blow.until);
            }
            What::IsSilent => {
                for zone in self.zones_of(blow) {
                    self.lose_zone(&zone, blow.until);
                }
                let side = (blow.fleet.clone(), blow.side.clone());
                self.silent.insert(side, (now, blow.until));
            }
            What::IsSlow => self.side_slows(&blow.fleet, &blow.side, blow.until),
            What::OneIsSick => self.one_sickens(blow),
            What::MetricsAreMissing(percent) => {
                let faults = [(Fault::MetricMissing, percent), (Fault::MetricFailed, percent / 2)];
                self.faults.strike_at(&BTreeMap::from(faults));
                if percent > 0 {
                    let what = What::MetricsAreMissing(0);
                    let over = Blow { what, ..blow.clone() };
                    self.schedule(blow.until, Event::Blow(Box::new(over)));
                }
            }
        }
    }

    fn one_sickens(&mut self, blow: &Blow) {
        let first = self.alive(&blow.fleet, &blow.side).next().map(|machine| machine.id.clone());
        let now = self.now;
        if let Some(machine) = first.and_then(|id| self.cloud.ec2.machines.get_mut(&id)) {
            machine.sick_since = Some(now);
            let id = machine.id.clone();
            self.schedule(blow.until, Event::Recover(id));
        }
    }

    /// Where the side's instances are.
    fn zones_of(&self, blow: &Blow) -> BTreeSet<Zone> {
        self.alive(&blow.fleet, &blow.side).map(|machine| machine.zone.clone()).collect()
    }
}
