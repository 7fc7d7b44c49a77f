//! What the requests of one fleet came to, second by second, by the truth of the world and never by what any function believes: who
//! was asked, who answered in time, when traffic went elsewhere.
//!
//! It is counted only where somebody asked for it. It draws from no chance and changes nothing, and a run that is not measured has not
//! one event more.

use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::spec::{Failover, FleetSpec, PoolSpec};

use crate::clock::{Millis, SECOND};
use crate::world::{Event, World};

/// A move away from a side that is well so soon afterwards gained nothing.
const WELL_AGAIN_AFTER: Millis = 10 * SECOND;

/// How a side answers at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Instances to which the balancer sends requests: those that pass its checks, or whoever runs while none does.
    pub asked: u32,
    /// Of those, such that answer.
    pub answering: u32,
    /// Whether answers come too late to be of use.
    pub slow: bool,
}

impl Standing {
    /// Whether one more request would be answered in time.
    #[must_use]
    pub fn answers(self) -> bool {
        self.answering > 0 && !self.slow
    }

    /// Of so many requests a second those that are lost and those that are answered too late, where one instance can answer `capacity`
    /// a second.
    fn fails(self, requests: f64, capacity: f64) -> Failed {
        if requests <= 0.0 {
            return Failed { lost: 0.0, slow: 0.0 };
        }
        if self.answering == 0 {
            return Failed { lost: requests, slow: 0.0 };
        }
        let each = requests / f64::from(self.asked);
        let unanswered = each * f64::from(self.asked.saturating_sub(self.answering));
        let beyond = (each - capacity).max(0.0) * f64::from(self.answering);
        let lost = unanswered + beyond;
        Failed {
            lost,
            slow: if self.slow { requests - lost } else { 0.0 },
        }
    }
}

/// Requests of a second.
#[derive(Debug, Clone, Copy)]
struct Failed {
    lost: f64,
    slow: f64,
}

/// What was counted of one fleet from a moment to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Toll {
    fleet: FleetId,
    /// The side that takes most of the traffic when it begins.
    home: PoolId,
    /// Its share then, in hundredths.
    home_share: u32,
    since: Millis,
    until: Millis,
    /// Requests.
    pub offered: f64,
    /// Requests that nobody answered: sent to who does not answer, or more than those who answer can.
    pub lost: f64,
    /// Requests that were answered too late.
    pub slow: f64,
    /// Requests that something else answered in place of all sides.
    pub instead: f64,
    /// How often traffic went elsewhere.
    pub moves: u32,
    /// Of those, such that left a side that was well at most ten seconds later. The way back home is none.
    pub false_moves: u32,
    /// When it was first decided to leave home.
    decided: Option<Millis>,
    /// When home first had no traffic any more.
    shifted: Option<Millis>,
    /// The last second in which not every request was answered by a side, in time.
    troubled: Option<Millis>,
    /// The second that was counted last.
    counted: Option<Millis>,
    /// Share of each side when it was last counted, in hundredths.
    shares: Vec<u32>,
    /// Sides that were left, and when: whether it was for nothing is seen later.
    left: Vec<(Millis, PoolId)>,
}

impl Toll {
    fn new(fleet: FleetId, (home, home_share): (PoolId, u32), since: Millis, until: Millis) -> Self {
        Self {
            fleet,
            home,
            home_share,
            since,
            until,
            offered: 0.0,
            lost: 0.0,
            slow: 0.0,
            instead: 0.0,
            moves: 0,
            false_moves: 0,
            decided: None,
            shifted: None,
            troubled: None,
            counted: None,
            shares: Vec::new(),
            left: Vec::new(),
        }
    }

    /// From the beginning until it was decided to leave home; none: it never was.
    #[must_use]
    pub fn decided_after(&self) -> Option<Millis> {
        Some(self.decided? - self.since)
    }

    /// From the beginning until home had no traffic any more; none: it always had.
    #[must_use]
    pub fn shifted_after(&self) -> Option<Millis> {
        Some(self.shifted? - self.since)
    }

    /// From the beginning until the last request that no side answered in time; zero: there was none; none: there still are some in the end.
    #[must_use]
    pub fn recovered_after(&self) -> Option<Millis> {
        match self.troubled {
            None => Some(0),
            Some(troubled) => (self.troubled != self.counted).then_some(troubled + SECOND - self.since),
        }
    }

    /// Counts the second that begins now.
    fn count(&mut self, world: &World) {
        let Some(there) = world.fleets.get(&self.fleet) else { return };
        let (now, spec, capacity) = (world.now, &there.spec, there.design.capacity);
        let rate = there.load.rate(now);
        let standings: Vec<Standing> = spec.pools.iter().map(|pool| world.standing(&self.fleet, pool)).collect();
        let swaps = spec.failover.as_ref().is_some_and(Failover::swaps_targets);
        let shares: Vec<u32> = if swaps {
            self.sides_in_one_group(spec, &standings)
        } else {
            spec.pools.iter().map(|pool| world.share(spec, pool)).collect()
        };
        let mut troubled = false;
        self.offered += rate;
        let asked: u32 = standings.iter().map(|standing| standing.asked).sum();
        for (standing, share) in standings.iter().zip(&shares) {
            // in one group each target gets as much as every other one, whichever side it is of
            let part = match f64::from(asked) {
                asked if swaps && asked > 0.0 => f64::from(standing.asked) / asked,
                _ => f64::from(*share) / 100.0,
            };
            let failed = standing.fails(rate * part, capacity);
            self.lost += failed.lost;
            self.slow += failed.slow;
            troubled |= failed.lost > 0.0 || failed.slow > 0.0;
        }
        if shares.iter().all(|share| *share == 0) {
            self.instead += rate;
            troubled = true;
        }
        if troubled {
            self.troubled = Some(now);
        }
        self.counted = Some(now);
        self.judge(world, rate, capacity);
        self.follow(world, spec, shares);
    }

    /// Whose the traffic is where all sides are in one group: home's, until none of it is asked any more and somebody else is.
    fn sides_in_one_group(&self, spec: &FleetSpec, standings: &[Standing]) -> Vec<u32> {
        let asked = |home: bool| {
            let mut sides = spec.pools.iter().zip(standings);
            sides.any(|(pool, standing)| (pool.id == self.home) == home && standing.asked > 0)
        };
        let is_home = asked(true) || !asked(false);
        let share = |pool: &PoolSpec| if (pool.id == self.home) == is_home { 100 } else { 0 };
        spec.pools.iter().map(share).collect()
    }

    /// Whether the sides that were left some seconds ago are well now: more than half of all requests would be answered there, in time.
    fn judge(&mut self, world: &World, rate: f64, capacity: f64) {
        let spec = world.fleets.get(&self.fleet).map(|there| &there.spec);
        let fleet = self.fleet.clone();
        let is_due = |(at, _): &(Millis, PoolId)| world.now - at >= WELL_AGAIN_AFTER;
        let due: Vec<PoolId> = self.left.iter().filter(|left| is_due(left)).map(|(_, side)| side.clone()).collect();
        self.left.retain(|left| !is_due(left));
        let is_well = |side: &&PoolId| {
            spec.and_then(|spec| spec.pool(side)).is_some_and(|pool| {
                let failed = world.standing(&fleet, pool).fails(rate, capacity);
                2.0 * (failed.lost + failed.slow) < rate
            })
        };
        let well = due.iter().filter(is_well).count();
        self.false_moves = self.false_moves.saturating_add(u32::try_from(well).unwrap_or(u32::MAX));
    }

    /// Where traffic goes now, and what was decided about it.
    fn follow(&mut self, world: &World, spec: &FleetSpec, shares: Vec<u32>) {
        let now = world.now;
        let at_home = spec
            .pools
            .iter()
            .zip(&shares)
            .find(|(pool, _)| pool.id == self.home)
            .map_or(0, |(_, share)| *share);
        if at_home == 0 {
            self.shifted.get_or_insert(now);
        }
        if at_home < self.home_share || self.has_decided(world) {
            self.decided.get_or_insert(now);
        }
        let before = std::mem::replace(&mut self.shares, shares);
        if before.is_empty() || before == self.shares {
            return;
        }
        self.moves = self.moves.saturating_add(1);
        if at_home >= self.home_share {
            return;
        }
        let sides = spec.pools.iter().zip(before.iter().zip(&self.shares));
        let left = sides.filter(|(_, (before, after))| **before > 0 && **after == 0);
        self.left.extend(left.map(|(pool, _)| (now, pool.id.clone())));
    }

    /// Whether the table says that traffic leaves home, or has left it.
    fn has_decided(&self, world: &World) -> bool {
        world.table.fleets.get(&self.fleet).is_some_and(|items| {
            let traffic = &items.traffic;
            let leaves = traffic.shift.as_ref().is_some_and(|shift| shift.from == self.home);
            let spec = world.fleets.get(&self.fleet).map(|there| &there.spec);
            let takes = spec.is_none_or(|spec| traffic.takers(spec).contains(&&self.home));
            leaves || traffic.degraded.is_some() || !takes
        })
    }
}

impl World {
    /// Counts what the requests of a fleet come to, each second from one moment to another. The side that takes most of them now, the first
    /// of two that take as much, is home.
    pub fn count_toll(&mut self, fleet: &FleetId, since: Millis, until: Millis) {
        let Some(spec) = self.fleets.get(fleet).map(|there| &there.spec) else {
            return;
        };
        let Some(home) = spec
            .pools
            .iter()
            .rev()
            .max_by_key(|pool| self.share(spec, pool))
            .map(|pool| (pool.id.clone(), self.share(spec, pool)))
        else {
            return;
        };
        self.toll = Some(Toll::new(fleet.clone(), home, since, until));
        self.schedule(since, Event::Toll);
    }

    /// A second is over.
    pub(crate) fn take_toll(&mut self) {
        let Some(mut toll) = self.toll.take() else { return };
        if self.now < toll.until {
            toll.count(self);
            self.schedule(self.now + SECOND, Event::Toll);
        }
        self.toll = Some(toll);
    }

    /// How a side answers now. One that has not passed its first check is still starting, and answers nobody. Where sides have one group, none
    /// of whom its checks call unhealthy is asked while anybody of any side passes them.
    #[must_use]
    pub fn standing(&self, fleet: &FleetId, pool: &PoolSpec) -> Standing {
        let now = self.now;
        let slow = self.slow.get(&(fleet.clone(), pool.id.clone())).is_some_and(|until| now < *until);
        let group = pool.target_groups.first().and_then(|group| self.cloud.groups.get(group));
        let (mut healthy, mut others) = ((0, 0), (0, 0));
        let mut anybody_is_healthy = false;
        for (id, registration) in group.into_iter().flat_map(|group| &group.targets) {
            let machine = self.cloud.ec2.machines.get(id);
            let Some(machine) = machine.filter(|machine| machine.state(now) == InstanceState::Running) else {
                continue;
            };
            let health = group.and_then(|group| group.health(registration, Some(machine), now));
            anybody_is_healthy |= matches!(health, Some(TargetHealth::Healthy | TargetHealth::Unchecked));
            if !self.is_of_pool(id, pool) {
                continue;
            }
            let (asked, answering) = match health {
                Some(TargetHealth::Healthy | TargetHealth::Unchecked) => &mut healthy,
                Some(TargetHealth::Initial | TargetHealth::Unhealthy) => &mut others,
                _ => continue,
            };
            *asked += 1;
            *answering += u32::from(machine.passes_checks(now) && health != Some(TargetHealth::Initial));
        }
        let (asked, answering) = if anybody_is_healthy { healthy } else { others };
        Standing { asked, answering, slow }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_answers_is_lost_and_so_is_what_is_too_much() {
        let of = |asked, answering, slow| Standing { asked, answering, slow }.fails(120.0, 50.0);
        let cases = [
            ("everybody answers", of(4, 4, false), (0.0, 0.0)),
            ("one of four does not, and is still asked", of(4, 3, false), (30.0, 0.0)),
            ("half as many as are needed", of(2, 2, false), (20.0, 0.0)),
            ("nobody answers", of(4, 0, false), (120.0, 0.0)),
            ("nobody is there", of(0, 0, false), (120.0, 0.0)),
            ("all are slow", of(4, 4, true), (0.0, 120.0)),
            ("two are slow, and that is too few", of(2, 2, true), (20.0, 100.0)),
        ];
        for (situation, failed, expected) in cases {
            assert_eq!((failed.lost, failed.slow), expected, "{situation}");
        }
    }
}
