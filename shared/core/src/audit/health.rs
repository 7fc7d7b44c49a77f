//! I23: nobody leaves as sick unless something that was read says so. I24: nobody leaves by scale-in while a zone is out.

use super::Found;
use super::pool::Judge;
use crate::id::InstanceId;
use crate::observation::TargetHealth;
use crate::state::DrainReason;
use crate::unit::{Finite, Seconds};

impl Judge<'_> {
    pub(super) fn sickness(&self, found: &mut Found) {
        let as_sick = |why: DrainReason| matches!(why, DrainReason::Unhealthy | DrainReason::Kept);
        for (id, member) in &self.next.members {
            let before = Self::member(self.loaded, id).and_then(|member| member.drain);
            let begins = before.is_none() && member.drain.is_some_and(|drain| as_sick(drain.why));
            if begins && !self.is_accused(id) {
                found.add(
                    "I23",
                    Some(self.pool),
                    format!("{id} would leave as sick, and nothing that was read says so"),
                );
            }
        }
    }

    pub(super) fn zones(&self, found: &mut Found) {
        let now = self.situation.now;
        let asked = self.next.asked.as_ref().is_some_and(|asked| asked.in_force(now).is_some());
        if asked || self.situation.retiring {
            return;
        }
        let removed = self.drained(|why| why == DrainReason::ScaleIn);
        if let Some(until) = self.next.zone_out_until(now).filter(|_| removed > 0) {
            found.add(
                "I24",
                Some(self.pool),
                format!("{removed} would leave while a zone is out, until {until}"),
            );
        }
    }

    fn is_accused(&self, id: &InstanceId) -> bool {
        let observation = &self.situation.observation;
        let fails = |health: TargetHealth| matches!(health, TargetHealth::Unhealthy | TargetHealth::Initial);
        let mut targets = self
            .pool
            .target_groups
            .iter()
            .filter_map(|group| observation.targets.get(group))
            .flatten();
        if targets.any(|target| target.instance == *id && fails(target.health)) {
            return true;
        }
        let lasts = |since, time: Seconds| Seconds::between(since, observation.observed_at) >= time;
        let impaired = observation.impaired.as_ref().and_then(|impaired| impaired.get(id));
        if self
            .pool
            .status_checks
            .zip(impaired)
            .is_some_and(|(time, since)| lasts(*since, time))
        {
            return true;
        }
        let readings = observation
            .readings
            .get(&self.pool.id)
            .and_then(|readings| readings.by_instance.get(id));
        let by_metric = self.pool.health_metric.as_ref().zip(readings).is_some_and(|(metric, values)| {
            let crosses = |value: &Option<Finite>| value.is_some_and(|value| metric.bound.is_crossed(value));
            values.windows(usize::from(metric.datapoints)).any(|last| last.iter().all(crosses))
        });
        if by_metric {
            return true;
        }
        let mut listed = observation.instances.iter().flatten();
        listed.find(|instance| instance.id == *id).is_some_and(|instance| {
            let silent = self
                .pool
                .heartbeat
                .zip(instance.word.beat)
                .is_some_and(|(time, beat)| lasts(beat, time));
            silent || self.pool.wait_for_tag && instance.word.drained
        })
    }
}
