//! I19: spot keeps within its share of the pool, and one plan asks for no more launches than EC2 hears at once.

use super::Found;
use super::pool::Judge;
use crate::decide::Decision;
use crate::id::Zone;
use crate::observation::Market;
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
        let [on_demand, spot] = [Market::OnDemand, Market::Spot].map(|market| self.launching_in(market));
        let mix = &self.pool.launch.market;
        let returned = u32::try_from(self.taken_back()).unwrap_or(u32::MAX);
        let others = [on_demand, self.starting(), returned].into_iter().fold(0, u32::saturating_add);
        let all = self.decided.counts.capacity().saturating_add(others).saturating_add(spot);
        let percent = u32::from(mix.spot.0);
        let share = all.saturating_sub(mix.on_demand_base).saturating_mul(percent) / 100;
        if spot > share && (percent == 0 || !self.is_on_demand_out()) {
            let detail = format!("{spot} of {all} would be launched as spot, and its share is {share}");
            found.add("I19", Some(self.pool), detail);
        }
    }

    fn launching_in(&self, market: Market) -> u32 {
        let new = self.steps().filter(|step| self.is_new(step));
        // what is launched to be kept warm is no capacity yet
        let counts = |launch: &Launch| launch.offering.market == market && !launch.warm;
        let count = |launch: &Launch| if counts(launch) { launch.count } else { 0 };
        new.map(|step| {
            if let Action::Launch(launch) = &step.action {
                count(launch)
            } else {
                0
            }
        })
        .fold(0, u32::saturating_add)
    }

    /// Whether the quota of on demand is reached, or every offering of it lately ran out where instances may be launched: in zones
    /// that are not out, if there is one.
    fn is_on_demand_out(&self) -> bool {
        let off = self
            .loaded
            .is_some_and(|pool| pool.market_off(Market::OnDemand, self.situation.now).is_some());
        let zone = |subnet| self.situation.resolved.zones.get(subnet);
        let all: Vec<&Zone> = self.pool.launch.subnets.iter().filter_map(zone).collect();
        let is_up = |zone: &&Zone| !self.next.zones_out.contains_key(*zone);
        let up: Vec<&Zone> = all.iter().copied().filter(is_up).collect();
        let zones = if up.is_empty() { all } else { up };
        let types = &self.pool.launch.instance_types;
        let ran_out = |zone: &Zone| {
            let here = || {
                let exhausted = self.situation.observation.exhausted.iter().map(|exhausted| &exhausted.offering);
                exhausted.filter(move |offering| offering.zone == *zone && offering.market == Market::OnDemand)
            };
            let is_out =
                |instance_type: Option<&crate::id::InstanceType>| here().any(|offering| offering.instance_type.as_ref() == instance_type);
            if types.is_empty() {
                is_out(None)
            } else {
                types.iter().all(|instance_type| is_out(Some(instance_type)))
            }
        };
        off || zones.into_iter().all(ran_out)
    }
}
