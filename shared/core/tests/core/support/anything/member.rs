//! Any instance, as the state, EC2 and the balancer know it.

use super::*;

pub(super) fn any_address(tape: &mut Tape<'_>) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, tape.one_of(&[1, 2]))
}

pub(super) fn any_market(tape: &mut Tape<'_>) -> Market {
    tape.one_of(&[Market::OnDemand, Market::OnDemand, Market::Spot, Market::Reserved])
}

pub(super) fn template_version(version: u64) -> TemplateVersion {
    TemplateVersion {
        id: "lt-web".into(),
        version,
    }
}

pub(super) fn any_member(tape: &mut Tape<'_>) -> Member {
    let mut member = Member::new(ago(tape, 4_000));
    member.served_since = tape.maybe(2, |tape| ago(tape, 4_000).into());
    member.unready = tape.maybe(4, |tape| Unready {
        counted: Seconds(tape.below(1_200)),
        last_seen: ago(tape, 200).into(),
    });
    member.drain = tape.maybe(4, |tape| {
        let since = Moment::from(ago(tape, 600));
        let why = tape.one_of(&[
            DrainReason::ScaleIn,
            DrainReason::Unhealthy,
            DrainReason::NeverHealthy,
            DrainReason::Interrupted,
            DrainReason::WarmSurplus,
            DrainReason::Renewed,
            DrainReason::Kept,
        ]);
        Drain {
            since,
            deadline: Seconds(300).after(since.at()).into(),
            why,
        }
    });
    // nobody watches the health of one that leaves
    member.unready = member.unready.filter(|_| member.drain.is_none());
    member.terminating_since = member.drain.and_then(|_| tape.maybe(4, |tape| ago(tape, 600).into()));
    member.withdrawn_after = member.drain.and_then(|_| tape.maybe(2, |tape| Seconds(tape.below(300))));
    member.gone = tape.once_in(16);
    member.spot = tape.once_in(3);
    member.warm = tape.maybe(3, |tape| Warm {
        phase: tape.one_of(&[WarmPhase::Preparing, WarmPhase::Kept, WarmPhase::Kept, WarmPhase::Starting]),
        since: ago(tape, 4_000).into(),
    });
    member.started_at = tape.maybe(4, |tape| ago(tape, 4_000).into());
    member.retires = tape.once_in(12) && !member.gone;
    let renew = tape.maybe(8, |tape| {
        tape.one_of(&[
            RenewReason::Refresh,
            RenewReason::Drift,
            RenewReason::Age,
            RenewReason::Balance,
            RenewReason::Retirement,
            RenewReason::Evacuation,
        ])
    });
    member.renew = renew.filter(|_| member.drain.is_none() && !member.gone);
    member
}

pub(super) fn any_health(tape: &mut Tape<'_>) -> TargetHealth {
    use TargetHealth::{Draining, Healthy, Initial, InvalidState, Unavailable, Unchecked, Unhealthy};
    tape.one_of(&[
        Healthy,
        Healthy,
        Healthy,
        Healthy,
        Initial,
        Unhealthy,
        Unhealthy,
        Unchecked,
        InvalidState,
        Draining,
        Unavailable,
    ])
}
