//! Rules of other tools over the same traffic, in place of the function `failover`: what they look at, and when they move it.
//!
//! They have the lever that the function has, the weights of the fleet's rules, and each change is there at once, because what is
//! compared is the rule and not the call. A probe is one request through the balancer of a side: it is answered if somebody of that side
//! answers by the truth, which is kinder than the balancer's choice of one of them. Instances stay GhostNet's in all of them.

mod accelerator;
mod alternat;

pub use self::accelerator::Accelerator;
pub use self::alternat::Alternat;

use ghostnet_core::id::{FleetId, PoolId};

use crate::clock::Millis;
use crate::traffic::{routing, weights};
use crate::world::{Event, World};

/// A rule, and what it remembers.
#[derive(Debug, Clone)]
pub enum Rule {
    /// That of alternat.
    Alternat(Alternat),
    /// That of Global Accelerator.
    Accelerator(Accelerator),
}

/// Which of the two sides has the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The one that had it first.
    Home,
    /// The other one.
    Other,
}

/// What a look found: whether each side answered a probe that was sent now.
#[derive(Debug, Clone, Copy)]
struct Probed {
    /// The side that had the traffic first.
    home: bool,
    /// The other one.
    other: bool,
}

/// A rule at work on one fleet.
#[derive(Debug)]
pub(crate) struct Rival {
    fleet: FleetId,
    rule: Rule,
}

impl Rule {
    /// What comes of a look: where traffic is to go, and when the next look is.
    fn look(&mut self, probed: Probed) -> (At, Millis) {
        match self {
            Self::Alternat(rule) => rule.look(probed),
            Self::Accelerator(rule) => rule.look(probed),
        }
    }
}

impl World {
    /// From now on this rule moves the traffic of a fleet of two sides, and the function `failover` is not invoked any more. The first
    /// look is `after` milliseconds from now.
    pub fn is_ruled_by(&mut self, fleet: &FleetId, rule: Rule, after: Millis) {
        self.rival = Some(Rival {
            fleet: fleet.clone(),
            rule,
        });
        self.schedule(self.now + after, Event::RivalLooks);
    }

    /// The rule that rules in place of the function looks at its sides.
    pub(crate) fn rival_looks(&mut self) {
        let Some(mut rival) = self.rival.take() else { return };
        let spec = self.fleets.get(&rival.fleet).map(|there| there.spec.clone());
        let sides = spec.as_ref().and_then(|spec| Some((spec.pools.first()?, spec.pools.get(1)?)));
        if let Some((home, other)) = sides {
            let probed = Probed {
                home: self.standing(&rival.fleet, home).answers(),
                other: self.standing(&rival.fleet, other).answers(),
            };
            let (at, next) = rival.rule.look(probed);
            let to = match at {
                At::Home => &home.id,
                At::Other => &other.id,
            };
            self.send_all_to(&rival.fleet, to);
            self.schedule(self.now + next, Event::RivalLooks);
        }
        self.rival = Some(rival);
    }

    fn send_all_to(&mut self, fleet: &FleetId, side: &PoolId) {
        let Some(spec) = self.fleets.get(fleet).map(|there| &there.spec) else {
            return;
        };
        let set = routing(weights(spec, |pool| pool == side));
        for rule in spec.failover.iter().flat_map(|failover| failover.routes()) {
            if self.cloud.rules.get(rule) != Some(&set) {
                self.log.line(self.now, || format!("{} now: {}", rule.as_str(), set.actions));
                self.cloud.set_route(rule.clone(), set.clone(), self.now);
            }
        }
    }
}
