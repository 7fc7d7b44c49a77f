//! The invariants of instances that are kept warm: who is stopped, who is started, who is registered.

use super::Found;
use super::pool::Judge;
use crate::id::InstanceId;
use crate::observation::InstanceState;
use crate::plan::Action;
use crate::state::Member;

impl Judge<'_> {
    /// I4 and I20: stopped is only who was out of service before this look, and is out of every group; started only who was kept
    /// stopped; registered nobody who is kept.
    pub(super) fn warm(&self, found: &mut Found) {
        for step in self.steps().filter(|step| self.is_new(step)) {
            for id in step.action.instances() {
                let fault = match &step.action {
                    Action::Stop { .. } => self.may_not_stop(id).map(|fault| ("I4", fault)),
                    Action::Start { .. } if !self.is_kept(id) => Some(("I20", "would be started, and was not kept warm")),
                    Action::Register { .. } if Self::member(Some(self.next), id).is_some_and(Member::is_warm) => {
                        Some(("I20", "would be registered, and is kept warm"))
                    }
                    _ => None,
                };
                if let Some((invariant, fault)) = fault {
                    found.add(invariant, Some(self.pool), format!("{id} {fault}"));
                }
            }
        }
    }

    fn may_not_stop(&self, id: &InstanceId) -> Option<&'static str> {
        let loaded = Self::member(self.loaded, id);
        let drain = loaded.and_then(|member| member.drain);
        if !loaded.is_some_and(Member::is_warm) && drain.is_none() {
            return Some("would be stopped, and nobody took it out of service before");
        }
        if drain.is_some_and(|drain| self.situation.observation.observed_at <= drain.since.at()) {
            return Some("would be stopped without a second look");
        }
        if !Self::member(Some(self.next), id).is_some_and(Member::is_warm) {
            return Some("would be stopped, and is not kept warm");
        }
        self.still_serves(id)
            .then_some("would be stopped while it is registered, or may be")
    }

    /// On record as warm before this look, which shows it stopped.
    fn is_kept(&self, id: &InstanceId) -> bool {
        let mut listed = self.situation.observation.instances.iter().flatten();
        let stopped = listed.any(|instance| instance.id == *id && instance.state == InstanceState::Stopped);
        let stays = Self::member(Some(self.next), id).is_some_and(|member| member.drain.is_none());
        stopped && stays && Self::member(self.loaded, id).is_some_and(Member::is_warm)
    }
}
