//! The invariant of target groups' attributes: only what the spec names is set, to what it says, where a look showed otherwise.

use super::Found;
use super::pool::Judge;
use crate::plan::Action;
use crate::spec::FleetMode;

impl Judge<'_> {
    /// I22.
    pub(super) fn balancing(&self, found: &mut Found) {
        let (situation, pool) = (self.situation, self.pool);
        for step in self.steps() {
            let Action::Tune { group, set } = &step.action else { continue };
            let mut fault = |what: String| found.add("I22", Some(pool), format!("{} {what}", step.id));
            if !self.is_new(step) {
                fault("would set attributes again that somebody may have changed since".to_owned());
            }
            if situation.retiring || situation.spec.mode != FleetMode::On {
                fault("would set attributes although the fleet may not".to_owned());
            }
            if !pool.target_groups.contains(group) {
                fault(format!("would set attributes of {group}, which the spec does not name"));
            }
            let there = situation.observation.attributes.get(group);
            let named = pool.balancing.attributes(self.next.adapted.get(group));
            for (attribute, value) in set {
                if named.get(attribute) != Some(value) {
                    fault(format!("would set `{attribute}` to `{value}`, which the spec does not say"));
                }
                if there.is_none_or(|there| there.get(attribute) == Some(value)) {
                    fault(format!("would set `{attribute}` to `{value}`, and no look showed another value"));
                }
            }
        }
    }
}
