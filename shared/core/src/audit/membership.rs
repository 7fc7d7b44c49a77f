//! I28: an instance enters only a target group that is its side's now.

use super::Found;
use super::pool::Judge;
use crate::plan::Action;

impl Judge<'_> {
    pub(super) fn membership(&self, found: &mut Found) {
        for step in self.steps() {
            if let Action::Register { group, .. } = &step.action
                && !self.pool.target_groups.contains(group)
            {
                let detail = format!("{} would register in {group}, which is not this pool's now", step.id);
                found.add("I28", Some(self.pool), detail);
            }
        }
    }
}
