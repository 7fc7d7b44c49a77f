//! I19: spot keeps within its share of the pool, reservations are asked before on demand, and one plan asks for no more launches than
//! EC2 hears at once.

use super::Found;
use super::pool::Judge;
use crate::decide::Decision;
use crate::id::Zone;
use crate::observation::{Market, Offering};
use crate::plan::{Action, LAUNCH_CALLS_MAX, Launch};

/// A plan that launches anything new has room for it beside what it sends again.
pub(super) fn judge_calls(decision: &Decision, found: &mut Found) {
    let launches = || decision.plan.steps.iter().filter(|step| matches!(step.action, Action::Launch(_)));
    let calls = launches().count();
    let most = usize::try_from(LAUNCH_CALLS_MAX).unwrap_or(usize::MAX);
    if launches().any(|step| step.id.plan == decision.plan.id) && calls > most {
        found.add("I19", None, format!("{calls} launches in one plan are more than {most}"));
    }
}

impl Judge<'_> {
    /// What is launched as spot alone is no more than spot may have of all that there is then. Who is there already and how they
    /// were bought is not counted again: this is a ceiling that no count can move.
    pub(super) fn market_mix(&self, found: &mut Found) {
        self.reserved_first(found);
        let [on_demand, spot] = [Market::OnDemand, Market::Spot].map(|share| self.launching_in(share));
        let mix = &self.pool.launch.market;
        let returned = u32::try_from(self.taken_back()).unwrap_or(u32::MAX);
        let others = [on_demand, self.starting(), returned].into_iter().fold(0, u32::saturating_add);
        let all = self.decided.counts.lasting().saturating_add(others).saturating_add(spot);
        let percent = u32::from(mix.spot.0);
        let share = all.saturating_sub(mix.on_demand_base).saturating_mul(percent) / 100;
        if spot > share && (percent == 0 || !self.is_on_demand_out()) {
            let detail = format!("{spot} of {all} would be launched as spot, and its share is {share}");
            found.add("I19", Some(self.pool), detail);
        }
    }

    /// Nothing is asked of reservations but what the spec names, and nothing new to serve is launched on demand where they were not
    /// asked first.
    fn reserved_first(&self, found: &mut Found) {
        let named = self.pool.launch.market.reservations.as_ref();
        for launch in self.new_launches() {
            let Offering {
                zone, market, reservation, ..
            } = &launch.offering;
            let is_as_named = reservation.as_ref() == named.filter(|_| *market == Market::Reserved && !launch.warm);
            if !is_as_named || (*market == Market::Reserved && reservation.is_none()) {
                let detail = format!("a launch of {} is not what the spec says of reservations", launch.offering);
                found.add("I19", Some(self.pool), detail);
            }
            let passes = *market == Market::OnDemand && named.is_some() && !launch.warm;
            if passes && !self.is_off(Market::Reserved) && !self.ran_out(zone, Market::Reserved) {
                let detail = format!("{} would be launched before reservations there were asked", launch.offering);
                found.add("I19", Some(self.pool), detail);
            }
        }
    }

    fn new_launches(&self) -> impl Iterator<Item = &Launch> {
        let new = self.steps().filter(|step| self.is_new(step));
        new.filter_map(|step| match &step.action {
            Action::Launch(launch) => Some(launch),
            _ => None,
        })
    }

    fn launching_in(&self, share: Market) -> u32 {
        // what is launched to be kept warm is no capacity yet
        let counts = |launch: &&Launch| launch.offering.market.share() == share && !launch.warm;
        self.new_launches()
            .filter(counts)
            .map(|launch| launch.count)
            .fold(0, u32::saturating_add)
    }

    fn is_off(&self, market: Market) -> bool {
        let now = self.situation.now;
        self.loaded.is_some_and(|pool| pool.market_off(market, now).is_some())
    }

    /// Whether a zone lately had nothing of a market.
    fn ran_out(&self, zone: &Zone, market: Market) -> bool {
        let exhausted = &self.situation.observation.exhausted;
        let is_out = |offering: Offering| exhausted.iter().any(|exhausted| exhausted.offering == offering);
        self.pool.launch.offerings(zone, market).all(is_out)
    }

    /// Whether nothing counts as on demand that may be launched: each such market is off, or lately ran out where instances may be
    /// launched: in zones that are not out, if there is one.
    fn is_on_demand_out(&self) -> bool {
        let zone = |subnet| self.situation.resolved.zones.get(subnet);
        let all: Vec<&Zone> = self.pool.launch.subnets.iter().filter_map(zone).collect();
        let is_up = |zone: &&Zone| !self.next.zones_out.contains_key(*zone);
        let up: Vec<&Zone> = all.iter().copied().filter(is_up).collect();
        let zones = if up.is_empty() { all } else { up };
        let is_out = |market: Market| self.is_off(market) || zones.iter().all(|zone| self.ran_out(zone, market));
        self.pool.launch.market.markets_of(Market::OnDemand).all(is_out)
    }
}
