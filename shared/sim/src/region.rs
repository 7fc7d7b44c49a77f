//! The regions of the world: where fleets have pools, and how one falls silent.

use std::collections::BTreeSet;

use ghostnet_core::id::{Region, Zone};

use crate::clock::{MINUTE, Millis, SECOND, at};
use crate::fault::Fault;
use crate::world::World;

/// Where the installation is.
pub const HOME: &str = "eu-west-1";

/// The zones of a region.
#[must_use]
pub fn zones_of(region: &str) -> [Zone; 3] {
    ["a", "b", "c"].map(|letter| Zone::new(format!("{region}{letter}")))
}

impl World {
    /// Where the installation is, and then wherever a fleet has a pool.
    pub(crate) fn regions(&self) -> Vec<Region> {
        let home = Region::new(HOME);
        let pools = self.fleets.values().flat_map(|fleet| &fleet.spec.pools);
        let named: BTreeSet<Region> = pools
            .filter_map(|pool| pool.region.clone())
            .filter(|region| *region != home)
            .collect();
        [home].into_iter().chain(named).collect()
    }

    /// The zones of all of them.
    pub(crate) fn zones(&self) -> Vec<Zone> {
        self.regions().iter().flat_map(|region| zones_of(region.as_str())).collect()
    }

    /// Nothing of a region answers until then; nor do its instances, if they fail with it.
    pub fn lose_region(&mut self, region: &Region, instances_too: bool, until: Millis) {
        let now = self.now;
        self.log.line(now, || format!("{region} answers nothing until {}", at(until)));
        self.dark.insert(region.clone(), until);
        if !instances_too {
            return;
        }
        for zone in zones_of(region.as_str()) {
            self.lose_zone(&zone, until);
        }
        let sides = self
            .fleets
            .iter()
            .flat_map(|(id, fleet)| fleet.spec.pools.iter().map(move |pool| (id, pool)));
        let there = sides.filter(|(_, pool)| pool.region_or(&Region::new(HOME)) == region);
        let there: Vec<_> = there.map(|(id, pool)| (id.clone(), pool.id.clone())).collect();
        self.silent.extend(there.into_iter().map(|side| (side, (now, until))));
    }

    /// Whether a region answers nothing now.
    pub(crate) fn is_dark(&self, region: &Region) -> bool {
        self.dark.get(region).is_some_and(|until| self.now < *until)
    }

    /// One of the regions falls silent, where fleets have pools in several.
    pub(crate) fn storm_on_regions(&mut self) {
        let regions = self.regions();
        if regions.len() < 2 || !self.faults.strikes(Fault::RegionSilent) {
            return;
        }
        let until = self.now + self.lasting(Fault::RegionSilent, 2, 40) * MINUTE;
        let Some(chance) = self.faults.chance(Fault::RegionSilent) else {
            return;
        };
        let instances_too = chance.once_in(2);
        if let Some(region) = chance.pick(&regions) {
            self.lose_region(region, instances_too, until);
        }
    }

    /// How long a call waits in vain for a region that answers nothing.
    pub(crate) fn waits_in_vain(&mut self) -> Millis {
        self.lasting(Fault::RegionSilent, 0, 19) * SECOND
    }
}
