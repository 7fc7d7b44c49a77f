//! I19, at the commit: reservations are asked before on demand, and what is launched as spot keeps spot within its share, counted by
//! what EC2 truly made of the members. Not judged are pools of which somebody is sick, stopped or on the way without a name: how many they
//! are is then no simple sum. Nor those where one that was leaving is taken back.

use ghostnet_core::id::Zone;
use ghostnet_core::observation::{Market, Offering};
use ghostnet_core::plan::{Action, Launch};
use ghostnet_core::reason::Finding;
use ghostnet_core::state::PoolState;

use super::Check;
use super::decision::{Judged, count};
use crate::world::World;

pub(super) fn judge(world: &World, judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    reserved_first(judged, found);
    let [on_demand, spot] = [Market::OnDemand, Market::Spot].map(|share| launched(judged, share));
    let mix = &judged.pool.launch.market;
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
        .filter(|(_, member)| member.drain.is_none() && !member.gone && member.renew.is_none())
        .collect();
    let there = count(stay.len());
    // an open breaker counts the sick as capacity
    let sick_count = judged
        .decided
        .guards
        .iter()
        .any(|outcome| outcome.guard.name() == "circuit breaker");
    // who is taken back was no capacity when it was counted, and may make up in the sum for one that is to be replaced
    let any_taken_back = judged
        .decided
        .findings
        .iter()
        .any(|finding| matches!(finding, Finding::TakenBack { .. }));
    // one that is sick and one that is to be replaced from now on make up for each other in the sum
    let any_sick = counts.unhealthy > 0;
    // and so do one that a person stopped and one that is to be replaced and does not serve
    let any_stopped = judged
        .decided
        .findings
        .iter()
        .any(|finding| matches!(finding, Finding::Stopped { .. }));
    let simple = there == counts.lasting() && counts.in_flight == 0 && !any_taken_back && !any_sick && !any_stopped;
    if !simple || sick_count || nothing_on_demand(judged) {
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

/// What is launched to serve on demand, where reservations are to be asked first, was refused there a while ago.
fn reserved_first(judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    if judged.pool.launch.market.reservations.is_none() || is_off(judged, Market::Reserved) {
        return;
    }
    for launch in launches(judged).filter(|launch| launch.offering.market == Market::OnDemand && !launch.warm) {
        let Offering { zone, .. } = &launch.offering;
        if !ran_out(judged, zone, Market::Reserved) {
            found.push((Check::Mix, format!("{} is launched, and no reservation was asked", launch.offering)));
        }
    }
}

fn launches<'a>(judged: &'a Judged<'_>) -> impl Iterator<Item = &'a Launch> {
    let plan = &judged.commit.record.plan;
    let new = plan
        .steps
        .iter()
        .filter(|step| step.pool == judged.pool.id && step.id.plan == plan.id);
    new.filter_map(|step| match &step.action {
        Action::Launch(launch) => Some(launch),
        _ => None,
    })
}

fn launched(judged: &Judged<'_>, share: Market) -> u32 {
    let of_share = launches(judged).filter(|launch| (launch.offering.market == Market::Spot) == (share == Market::Spot));
    of_share.map(|launch| launch.count).fold(0, u32::saturating_add)
}

fn is_off(judged: &Judged<'_>, market: Market) -> bool {
    let off = |pool: &PoolState| pool.market_off(market, judged.inputs.now).is_some();
    judged.loaded.is_some_and(off)
}

fn ran_out(judged: &Judged<'_>, zone: &Zone, market: Market) -> bool {
    let launch = &judged.pool.launch;
    let exhausted = &judged.inputs.observation.exhausted;
    let is_empty = |instance_type: &ghostnet_core::id::InstanceType| {
        let offering = Offering {
            zone: zone.clone(),
            instance_type: Some(instance_type.clone()),
            market,
            reservation: launch.market.reservations.clone().filter(|_| market == Market::Reserved),
        };
        exhausted.iter().any(|exhausted| exhausted.offering == offering)
    };
    launch.instance_types.iter().all(is_empty)
}

/// Whether spot may stand in: on demand and what is reserved are each off, or every type lately ran out in every zone that is not out.
fn nothing_on_demand(judged: &Judged<'_>) -> bool {
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
    let is_out = |market: Market| is_off(judged, market) || zones.iter().all(|zone| ran_out(judged, zone, market));
    is_out(Market::OnDemand) && (launch.market.reservations.is_none() || is_out(Market::Reserved))
}
