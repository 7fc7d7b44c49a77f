//! Who leaves before whom, judged by the words of the spec and by what was known at the decision. Not judged is what comes after
//! `zone_balance`, because each one that leaves changes it, and pools of several markets, whose mix comes first.

use std::cmp::Ordering;

use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{Instance, InstanceState};
use ghostnet_core::spec::ScaleInOrder;
use ghostnet_core::state::{DrainReason, Member};

use super::Check;
use super::decision::Judged;

pub(super) fn judge(judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    let criteria = judged.pool.scale_in_order.iter().copied();
    let criteria: Vec<ScaleInOrder> = criteria.take_while(|order| *order != ScaleInOrder::ZoneBalance).collect();
    let market = &judged.pool.launch.market;
    let of_one_market = market.spot.0 == 0 && market.reservations.is_none();
    if criteria.is_empty() || !of_one_market || judged.inputs.retiring {
        return;
    }
    let leave: Vec<&Instance> = among(judged, leaves_now).collect();
    if leave.is_empty() {
        return;
    }
    let stay: Vec<&Instance> = among(judged, |_, member| member.drain.is_none())
        .filter(|instance| !instance.protected && instance.state == InstanceState::Running)
        .collect();
    for leaver in leave {
        if let Some(before) = stay.iter().find(|stayer| precedes(judged, &criteria, stayer, leaver)) {
            let detail = format!(
                "{} leaves before {}, against {criteria:?} in {}",
                leaver.id, before.id, judged.pool.id
            );
            return found.push((Check::LeavesInOrder, detail));
        }
    }
}

/// Listed instances of members that serve, as far as anybody knows, and fit.
fn among<'a>(judged: &'a Judged<'_>, fits: impl Fn(&Judged<'_>, &Member) -> bool + 'a) -> impl Iterator<Item = &'a Instance> {
    let listed = judged.inputs.observation.instances.iter().flatten();
    listed.filter(move |instance| {
        let served = served(judged, &instance.id);
        let member = judged.next.members.get(&instance.id).filter(|_| served);
        member.is_some_and(|member| serves(member) && fits(judged, member))
    })
}

fn served(judged: &Judged<'_>, id: &InstanceId) -> bool {
    let member = judged.loaded.and_then(|pool| pool.members.get(id));
    member.is_some_and(|member| member.served_since.is_some() && member.drain.is_none() && !member.is_warm())
}

fn serves(member: &Member) -> bool {
    let is_well = member.left.is_none() && member.unready.is_none() && !member.gone;
    is_well && member.renew.is_none() && !member.is_warm() && member.terminating_since.is_none()
}

fn leaves_now(_: &Judged<'_>, member: &Member) -> bool {
    member.drain.is_some_and(|drain| drain.why == DrainReason::ScaleIn)
}

/// Whether one must leave before the other, by what the spec names first.
fn precedes(judged: &Judged<'_>, criteria: &[ScaleInOrder], one: &Instance, other: &Instance) -> bool {
    let inputs = judged.inputs;
    let is_led_to = |instance: &Instance| inputs.traffic.holder.as_ref().is_some_and(|holder| holder.instance == instance.id);
    // something else has to lead elsewhere before it can go
    if is_led_to(one) || is_led_to(other) {
        return is_led_to(other);
    }
    let load = |instance: &Instance| inputs.observation.loads.get(&judged.pool.id)?.load(&instance.id, inputs.now);
    let price = |instance: &Instance| judged.spec.spend.as_ref().map(|cap| cap.price(&instance.instance_type));
    // the first moment after now that is a whole number of hours after the launch; who is not launched yet has an hour
    let to_next_hour = |instance: &Instance| {
        let lived = inputs.now.duration_since(instance.launched_at).as_secs().max(0);
        (lived / 3_600 + 1) * 3_600 - lived
    };
    let by = |order: &ScaleInOrder| match order {
        ScaleInOrder::Oldest => one.launched_at.cmp(&other.launched_at),
        ScaleInOrder::Newest => other.launched_at.cmp(&one.launched_at),
        ScaleInOrder::MostExpensive => price(other).cmp(&price(one)),
        ScaleInOrder::LeastLoaded => match (load(one), load(other)) {
            (Some(one), Some(other)) => one.get().total_cmp(&other.get()),
            // who is not known to idle may be busy
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        },
        ScaleInOrder::ClosestToBilling => to_next_hour(one).cmp(&to_next_hour(other)),
        ScaleInOrder::ZoneBalance => Ordering::Equal,
    };
    criteria.iter().map(by).fold(Ordering::Equal, Ordering::then) == Ordering::Less
}
