//! I28: an instance enters only a target group that is its side's now. I29: nobody comes to a side that is kept out.

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
            let is_kept_out = self.pool.fenced.is_some() && !self.situation.retiring;
            if is_kept_out && step.action.brings() > 0 {
                let detail = format!("{} would bring somebody to a side that is kept out", step.id);
                found.add("I29", Some(self.pool), detail);
            }
        }
    }
}
