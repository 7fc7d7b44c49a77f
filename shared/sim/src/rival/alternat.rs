//! The rule of alternat, which keeps NAT instances and has NAT gateways stand by: `functions/replace-route/app.py` of
//! `chime/terraform-aws-alternat`, `check_connection` and `connectivity_test_handler`, and its README.
//!
//! A function that is invoked each minute looks every five seconds. A look asks two addresses, one after the other, five seconds each at
//! most; any reply at all is a success. The first look in which both fail moves the traffic, whatever the other side is like, and nothing
//! of the function brings it back.

use super::{At, Probed};
use crate::clock::{Millis, SECOND};

/// From a probe that succeeded to the next look.
const PAUSE: Millis = 5 * SECOND;
/// So long a probe waits for a reply.
const TIMEOUT: Millis = 5 * SECOND;
/// Probes of a look. The next one is sent only after one that failed.
const PROBES: u8 = 2;

/// What it remembers.
#[derive(Debug, Clone, Default)]
pub struct Alternat {
    /// A probe waits for its reply.
    waits: bool,
    /// Probes of this look that failed.
    failed: u8,
    /// Traffic was moved.
    moved: bool,
}

impl Alternat {
    /// Sends a probe, or hears what came of the one that waits: it fails if nobody answered when it was sent nor when its time was over.
    pub(super) fn look(&mut self, probed: Probed) -> (At, Millis) {
        if self.moved {
            return (At::Other, PAUSE);
        }
        if probed.home {
            (self.waits, self.failed) = (false, 0);
            return (At::Home, PAUSE);
        }
        if self.waits {
            self.failed = self.failed.saturating_add(1);
        }
        self.waits = true;
        self.moved = self.failed >= PROBES;
        (if self.moved { At::Other } else { At::Home }, TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After which of these looks, each five seconds after the one before, traffic has moved.
    fn moved_after(answers: &[bool]) -> Option<usize> {
        let mut rule = Alternat::default();
        answers.iter().position(|home| {
            let (at, next) = rule.look(Probed { home: *home, other: false });
            assert_eq!(next, 5 * SECOND);
            at == At::Other
        })
    }

    #[test]
    fn two_probes_of_five_seconds_in_one_look_are_enough() {
        assert_eq!(moved_after(&[true, false, false, false]), Some(3));
        assert_eq!(
            moved_after(&[false, false, true, false, false, true]),
            None,
            "somebody replied in time"
        );
    }

    #[test]
    fn nothing_brings_it_back_and_nobody_need_answer_where_it_goes() {
        let mut rule = Alternat::default();
        let silent = Probed { home: false, other: false };
        for _ in 0..3 {
            rule.look(silent);
        }
        let well = Probed { home: true, other: true };
        assert!((0..100).all(|_| rule.look(well).0 == At::Other));
    }
}
