//! I11 of several regions: nobody is asked for what is in another one.

use ghostnet_core::id::{InstanceId, Region, Zone};

use super::{Check, Sent};
use crate::hand::is_in;
use crate::world::World;

/// A step is sent to a region.
pub(crate) fn on_send(world: &mut World, region: &Region, sent: &Sent<'_>) {
    let zone_of = |id: &InstanceId| Some(world.cloud.ec2.machines.get(id)?.zone.clone());
    let instances = |ids: &[InstanceId]| ids.iter().filter_map(zone_of).collect::<Vec<Zone>>();
    let (zones, group) = match sent {
        Sent::Launch(launch) => (launch.offerings().map(|offering| offering.zone).collect(), None),
        Sent::Start(ids) | Sent::Stop(ids) | Sent::Terminate(ids) | Sent::Tag(ids, _) => (instances(ids), None),
        Sent::Register(group, ids) | Sent::Deregister(group, ids) => (instances(ids), group.region()),
        Sent::Tune(group, _) => (Vec::new(), group.region()),
        Sent::Announce(..) | Sent::Withdraw(..) => (Vec::new(), None),
    };
    let zone = zones.iter().find(|zone| !is_in(zone, region)).map(Zone::as_str);
    let elsewhere = zone.or_else(|| group.filter(|named| *named != region.as_str()));
    if let Some(elsewhere) = elsewhere.map(str::to_owned) {
        let detail = format!("{region} is asked for what is in {elsewhere}");
        world.watch.add(Check::NothingForeign, world.now, detail);
    }
}
