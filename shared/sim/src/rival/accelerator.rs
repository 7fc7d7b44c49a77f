//! The rule of AWS Global Accelerator for a side that takes everything and one that stands by, as two endpoint groups with traffic dials
//! of 100 and 0: the developer guide's pages on unhealthy endpoints and on health check options.
//!
//! Both are checked every ten or thirty seconds, and three checks in a row change what is thought of one. While no endpoint of the group
//! that is dialled up is healthy, traffic goes to a healthy one of the other group, whose dial is ignored then, however small it is. While
//! none is healthy anywhere, it goes to the nearest group all the same: the one that had it first. It comes back by itself. The interval
//! and the threshold are those of endpoints that are instances or addresses; those of a load balancer are the balancer's own.

use super::{At, Probed};
use crate::clock::Millis;

/// Checks in a row that change what is thought of an endpoint.
const THRESHOLD: u8 = 3;

/// What it remembers.
#[derive(Debug, Clone)]
pub struct Accelerator {
    /// From one check to the next.
    interval: Millis,
    home: Endpoint,
    other: Endpoint,
}

#[derive(Debug, Clone, Copy)]
struct Endpoint {
    is_healthy: bool,
    /// Checks in a row that said otherwise.
    against: u8,
}

impl Accelerator {
    /// One that checks so often, and has found the side that has the traffic healthy, and the other one not yet.
    #[must_use]
    pub fn every(interval: Millis) -> Self {
        let found = |is_healthy| Endpoint { is_healthy, against: 0 };
        Self {
            interval,
            home: found(true),
            other: found(false),
        }
    }

    /// Checks both.
    pub(super) fn look(&mut self, probed: Probed) -> (At, Millis) {
        self.home.is_checked(probed.home);
        self.other.is_checked(probed.other);
        let at = if self.other.is_healthy && !self.home.is_healthy {
            At::Other
        } else {
            At::Home
        };
        (at, self.interval)
    }
}

impl Endpoint {
    fn is_checked(&mut self, answered: bool) {
        self.against = if answered == self.is_healthy {
            0
        } else {
            self.against.saturating_add(1)
        };
        if self.against >= THRESHOLD {
            *self = Self {
                is_healthy: answered,
                against: 0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where traffic is after each of these checks of the side that had it first.
    fn places(home: &[bool], other: bool) -> Vec<At> {
        let mut rule = Accelerator::every(10_000);
        for _ in 0..3 {
            rule.look(Probed { home: true, other });
        }
        home.iter().map(|home| rule.look(Probed { home: *home, other }).0).collect()
    }

    #[test]
    fn three_checks_in_a_row_move_it_and_three_bring_it_back() {
        use At::{Home, Other};
        let checks = [false, false, true, false, false, false, true, true, true];
        let expected = [Home, Home, Home, Home, Home, Other, Other, Other, Home];
        assert_eq!(places(&checks, true), expected);
    }

    #[test]
    fn it_stays_where_it_was_while_nobody_is_healthy() {
        assert_eq!(places(&[false; 6], false), [At::Home; 6]);
    }
}
