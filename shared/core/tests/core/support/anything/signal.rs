//! Whatever may wake a function, and what a person may ask.

use super::*;

pub(super) fn any_signal(tape: &mut Tape<'_>, known: &[InstanceId], listed: &[InstanceId]) -> Signal {
    if tape.once_in(6) {
        let pool = tape.maybe(2, |tape| pool(tape.one_of(&["blue", "green"])));
        let (fleet, mut asked) = ("web".parse().unwrap(), any_asked(tape));
        if tape.once_in(3) {
            asked.wish = Wish::Refresh(any_refresh_request(tape));
        } else if !listed.is_empty() && tape.once_in(3) {
            asked.wish = Wish::HandOver {
                instances: tape.maybe(2, |tape| vec![tape.one_of(listed)]).unwrap_or_else(|| listed.to_vec()),
            };
        }
        return Signal::OperatorRequest(OperatorRequest { fleet, pool, asked });
    }
    if known.is_empty() || !tape.once_in(4) {
        return Signal::Tick;
    }
    if tape.once_in(3) {
        return Signal::InstanceChanged {
            instances: vec![tape.one_of(known)],
            what: "retirement".into(),
            at: ago(tape, 1_200),
            retires: true,
        };
    }
    let kind = tape.one_of(&[InterruptionKind::SpotWarning, InterruptionKind::Rebalance]);
    Signal::Interruption(Interruption {
        instance: tape.one_of(known),
        kind,
        at: ago(tape, 1_200),
    })
}

pub(super) fn any_asked(tape: &mut Tape<'_>) -> Asked {
    let at = about(tape, 700);
    let wish = if tape.once_in(4) {
        Wish::Clear
    } else {
        Wish::Hold {
            desired: tape.below(22),
            until: Seconds(tape.below(3_600)).after(at),
            reason: "a test".into(),
        }
    };
    Asked { by: "me".into(), at, wish }
}

pub(super) fn any_refresh_request(tape: &mut Tape<'_>) -> RefreshRequest {
    match tape.below(8) {
        0 => RefreshRequest::Pause,
        1 => RefreshRequest::Resume,
        2 => RefreshRequest::Cancel,
        3 | 4 => RefreshRequest::Rollback,
        _ => RefreshRequest::Start {
            reason: "a new image".into(),
            checkpoints: tape.maybe(2, |_| vec![Percent(20), Percent(50)]).unwrap_or_default(),
            bake: Seconds(tape.below(900)),
            drifted: tape.once_in(3),
        },
    }
}

pub(super) fn any_refresh(tape: &mut Tape<'_>) -> Refresh {
    Refresh {
        requested_at: ago(tape, 4_000),
        by: "operator".into(),
        reason: "a new image".into(),
        checkpoints: tape
            .maybe(2, |tape| vec![Percent(10 + u16::try_from(tape.below(80)).unwrap())])
            .unwrap_or_default(),
        bake: Seconds(tape.below(900)),
        paused: tape.once_in(4),
        total: tape.maybe(2, |tape| tape.below(22)),
        bakes_until: tape.maybe(4, |tape| about(tape, 600)),
        ended: tape.maybe(4, |tape| Ended {
            at: ago(tape, 600),
            complete: tape.once_in(2),
        }),
        current: tape.maybe(4, |tape| template_version(u64::from(tape.below(3)))),
        from: tape.maybe(2, |tape| template_version(u64::from(tape.below(3)))),
        back: tape.maybe(4, |tape| Back {
            to: template_version(u64::from(tape.below(3))),
            spec_version: SpecVersion(u64::from(tape.below(2))),
        }),
        last: tape.maybe(2, |tape| LastAsked {
            by: "operator".into(),
            at: ago(tape, 1_200),
        }),
    }
}
