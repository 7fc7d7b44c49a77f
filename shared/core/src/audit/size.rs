//! The invariants of a smaller size: who asked for it, on what evidence, and what would come of it.

use super::Found;
use super::pool::Judge;
use crate::decide::{Flow, Situation};
use crate::failover;
use crate::id::PolicyId;
use crate::rating;
use crate::sample::Sample;
use crate::size::Load;
use crate::spec::Policy;

impl Judge<'_> {
    /// I5: no part of the reserve leaves while a metric that binds is unknown. What a window gives back of a size that a hand-over has raised in
    /// this look is none of it.
    fn reserve(&self, found: &mut Found) {
        let Some(loaded) = self.loaded.filter(|_| !self.situation.retiring) else {
            return;
        };
        let allowed = self.bounds().1.min(self.room());
        let (asked_before, asked) = (loaded.without_reserve(), self.decided.after.saturating_sub(self.decided.reserve));
        if self.decided.after < self.decided.before.min(allowed)
            && self.decided.reserve < loaded.reserve
            && asked == asked_before
            && !self.is_by_operator(self.decided.after)
            && let Some(vote) = self.decided.votes.iter().find(|vote| vote.binds_unknowing())
        {
            let detail = format!("{} of the reserve would leave while `{}` is unknown", loaded.reserve, vote.policy);
            found.add("I5", Some(self.pool), detail);
        }
    }

    /// Whether a policy that counts by what one instance can answer was given it, or had learned it before this look.
    fn knows_what_one_can_answer(&self, policy: &PolicyId) -> bool {
        let learns = |of: &&Policy| of.id == *policy && of.learning().is_some();
        let rating = self.loaded.and_then(|loaded| loaded.ratings.get(policy));
        self.pool.policies.iter().find(learns).is_none() || rating::learned(rating).is_some()
    }

    /// An operator's size needs no vote, and has no reserve beside it.
    fn is_by_operator(&self, after: u32) -> bool {
        let held = self.next.asked.as_ref().and_then(|asked| asked.in_force(self.situation.now));
        held.is_some_and(|held| held.desired <= after)
    }

    /// Whether this is a side that only stands by, and so many are what it must have ready. Nobody asks it for anything, so that its
    /// policies need not have measured anything.
    fn may_rest_at(&self, after: u32) -> bool {
        let Situation {
            spec, traffic, state, now, ..
        } = *self.situation;
        let ready = failover::ready_floor(spec, state, traffic, self.pool).min(self.bounds().1);
        failover::rests(spec, traffic, self.pool, now) && after >= ready
    }

    /// I5, I6, I7: fewer because all votes ask for it, each on a fresh value, and no metric would ask for more again. What
    /// moved bounds, an opening window or a deletion take away needs no vote.
    pub(super) fn evidence(&self, found: &mut Found) {
        self.reserve(found);
        // the reserve asks for no evidence but that of what it is the reserve of
        let reserved = self.loaded.map_or(0, |loaded| loaded.reserve);
        let before = self.decided.before.saturating_sub(reserved);
        let after = self.decided.after.saturating_sub(self.decided.reserve);
        let allowed = self.bounds().1.min(self.room()).min(before);
        let by_window = self
            .windows
            .iter()
            .filter_map(|window| window.desired)
            .any(|desired| desired <= after);
        if after >= allowed || by_window || self.is_by_operator(after) || self.situation.retiring {
            return;
        }
        let votes = || self.decided.votes.iter().filter_map(|vote| Some((&vote.policy, vote.capacity?)));
        if votes().count() == 0 && !self.may_rest_at(after) {
            found.add(
                "I5",
                Some(self.pool),
                format!("{before} would become {after} though no policy asks for fewer"),
            );
        }
        // what is measured of groups that another side has now says nothing of this one
        let series = self.situation.observation.series.get(&self.pool.id);
        let series = series.filter(|_| self.pool.left_groups.is_empty());
        for (policy, capacity) in votes() {
            let sample = series
                .and_then(|series| series.get(policy))
                .map(|series| series.sample(self.situation.now));
            if capacity >= before {
                found.add(
                    "I7",
                    Some(self.pool),
                    format!("{before} would become {after} though `{policy}` asks for {capacity}"),
                );
            } else if !matches!(sample, Some(Sample::Value { .. })) {
                found.add("I5", Some(self.pool), format!("`{policy}` would remove without a fresh value"));
            } else if !self.knows_what_one_can_answer(policy) {
                found.add("I5", Some(self.pool), format!("`{policy}` would remove before it has learned"));
            }
        }
        let Some(series) = series else { return };
        let flow = Flow::of(&self.next.members, self.next.last_drain, self.situation.now);
        for policy in &self.pool.policies {
            let load = Load::of(policy, &self.pool.guards, series, (&self.decided.counts, &flow), self.situation.now);
            if load.is_some_and(|load| !load.is_carried_by(after)) {
                found.add(
                    "I6",
                    Some(self.pool),
                    format!("with {after} instances `{}` would ask for more again", policy.id),
                );
            }
        }
    }
}
