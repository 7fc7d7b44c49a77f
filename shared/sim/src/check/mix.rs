//! I19, at the commit: what is launched as spot keeps spot within its share, counted by what EC2 truly made of the members. Not
//! judged are pools of which somebody is sick, stopped or on the way without a name: how many they are is then no simple sum.

use ghostnet_core::id::Zone;
use ghostnet_core::observation::{Market, Offering};
use ghostnet_core::plan::Action;
use ghostnet_core::state::PoolState;

use super::Check;
use super::decision::{Judged, count};
use crate::world::World;

pub(super) fn judge(world: &World, judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    let [on_demand, spot] = [Market::OnDemand, Market::Spot].map(|market| launched(judged, market));
    let mix = judged.pool.launch.market;
    if spot == 0 {
        return;
    }
    if mix.spot.0 == 0 {
        found.push((Check::Mix, format!("{spot} spot launches, and no spot was asked for")));
        return;
    }
    let counts = judged.decided.counts;
    let is_spot = |id: &ghostnet_core::id::InstanceId| {
        let machine = world.cloud.ec2.machines.get(id);
        machine.is_some_and(|machine| machine.market == Market::Spot)
    };
    let stay: Vec<_> = judged
        .next
        .members
        .iter()
        .filter(|(_, member)| member.drain.is_none() && !member.gone)
        .collect();
    let there = count(stay.len());
    // an open breaker counts the sick as capacity
    let sick_count = judged
        .decided
        .guards
        .iter()
        .any(|outcome| outcome.guard.name() == "circuit breaker");
    if there != counts.capacity() || counts.in_flight > 0 || sick_count || nothing_on_demand(judged) {
        return;
    }
    let spot_there = count(stay.iter().filter(|(id, _)| is_spot(id)).count());
    let all = there.saturating_add(on_demand).saturating_add(spot);
    let share = u64::from(all.saturating_sub(mix.on_demand_base)) * u64::from(mix.spot.0) / 100;
    let spot_after = spot_there.saturating_add(spot);
    if u64::from(spot_after) > share {
        found.push((Check::Mix, format!("{spot_after} of {all} would be spot, and the share is {share}")));
    }
}

fn launched(judged: &Judged<'_>, market: Market) -> u32 {
    let plan = &judged.commit.record.plan;
    let new = plan
        .steps
        .iter()
        .filter(|step| step.pool == judged.pool.id && step.id.plan == plan.id);
    let launches = new.filter_map(|step| match &step.action {
        Action::Launch(launch) if launch.offering.market == market => Some(launch.count),
        _ => None,
    });
    launches.fold(0, u32::saturating_add)
}

/// Whether spot may stand in: on demand is off, or every type lately ran out in every zone that is not out.
fn nothing_on_demand(judged: &Judged<'_>) -> bool {
    let off = |pool: &PoolState| pool.market_off(Market::OnDemand, judged.inputs.now).is_some();
    let launch = &judged.pool.launch;
    let zone = |subnet| judged.inputs.resolved.zones.get(subnet);
    let all: Vec<&Zone> = launch.subnets.iter().filter_map(zone).collect();
    // nothing is launched in a zone that is out, unless all are
    let up: Vec<&Zone> = all
        .iter()
        .copied()
        .filter(|zone| !judged.next.zones_out.contains_key(*zone))
        .collect();
    let zones = if up.is_empty() { all } else { up };
    let exhausted = &judged.inputs.observation.exhausted;
    let ran_out = |zone: &Zone| {
        let is_empty = |instance_type: &ghostnet_core::id::InstanceType| {
            let offering = Offering {
                zone: zone.clone(),
                instance_type: Some(instance_type.clone()),
                market: Market::OnDemand,
            };
            exhausted.iter().any(|exhausted| exhausted.offering == offering)
        };
        launch.instance_types.iter().all(is_empty)
    };
    judged.loaded.is_some_and(off) || zones.into_iter().all(ran_out)
}
