//! Learns what one instance of a pool can answer, from looks at which it is certain whose use and whose requests were measured.

use std::collections::BTreeSet;

use super::Situation;
use super::census::{Census, Standing};
use super::fleet::Counted;
use crate::id::{InstanceId, PolicyId, digest};
use crate::observation::{Instance, InstanceState};
use crate::rating::{self, Metered, Rating};
use crate::reason::Finding;
use crate::spec::{Learning, PoolSpec};
use crate::state::PoolState;

/// Takes in what this look shows, for each policy of the pool that learns.
pub(super) fn learn(situation: &Situation<'_>, counted: &Counted<'_>, state: &mut PoolState) {
    let pool = counted.pool;
    if pool.policies.iter().all(|policy| policy.learning().is_none()) {
        state.ratings.clear();
        return;
    }
    let learns = |id: &PolicyId| pool.policies.iter().any(|policy| policy.id == *id && policy.learning().is_some());
    state.ratings.retain(|id, _| learns(id));
    let types = in_service(&counted.census).filter_map(|(_, listed)| Some(&listed?.instance_type));
    let Some(of) = rating::kind(&pool.launch, types).filter(|_| !situation.retiring) else {
        return;
    };
    if !pool.left_groups.is_empty() {
        // what is measured meanwhile is another side's
        return look_away(state);
    }
    let version = situation.resolved.templates.get(&pool.id).map(|template| template.version);
    for policy in &pool.policies {
        let Some(learning) = policy.learning() else { continue };
        let rating = state.ratings.entry(policy.id.clone());
        let rating = rating.or_insert_with(|| Rating::new(of.clone(), version));
        rating.follow(of.clone(), version);
        let Some(since) = rating.watch(among(situation, counted, learning), situation.now) else {
            continue;
        };
        let demand = situation.observation.series.get(&pool.id).and_then(|series| series.get(&policy.id));
        let used = situation.observation.used.get(&pool.id).and_then(|series| series.get(&policy.id));
        let (Some(demand), Some(used)) = (demand, used) else { continue };
        let metered = Metered {
            demand,
            used,
            instances: counted.census.counts.in_service,
            since,
            saturation: learning.saturation,
        };
        if let Some(measured) = metered.measure(situation.now) {
            rating.note(measured, situation.now);
        }
    }
}

/// Who serves is not known: what was measured meanwhile may be of others.
pub(super) fn look_away(state: &mut PoolState) {
    for rating in state.ratings.values_mut() {
        rating.still = None;
    }
}

/// What is told of policies that have not learned yet.
pub(super) fn unlearned(pool: &PoolSpec, state: Option<&PoolState>) -> Vec<Finding> {
    let told = |policy: &crate::spec::Policy| {
        policy.learning()?;
        let rating = state.and_then(|state| state.ratings.get(&policy.id));
        rating::learned(rating).is_none().then(|| Finding::CapacityUnlearned {
            policy: policy.id.clone(),
            hours: rating::hours(rating),
        })
    };
    pool.policies.iter().filter_map(told).collect()
}

fn in_service<'a>(census: &'a Census<'_>) -> impl Iterator<Item = (&'a InstanceId, Option<&'a Instance>)> {
    let in_service = census.people.iter().filter(|person| person.standing == Standing::InService);
    in_service.map(|person| (&person.id, person.listed))
}

/// Digest of who serves, if the metrics are of them alone: nobody of the pool comes, leaves or is sick, all are of its types, nobody else
/// is in its groups, and nobody else is averaged with them.
fn among(situation: &Situation<'_>, counted: &Counted<'_>, learning: &Learning) -> Option<String> {
    let (pool, counts) = (counted.pool, &counted.census.counts);
    if counts.in_service == 0 || counts.all() != counts.in_service {
        return None;
    }
    let types = &pool.launch.instance_types;
    let fits = |listed: Option<&Instance>| listed.is_some_and(|instance| types.is_empty() || types.contains(&instance.instance_type));
    if !in_service(&counted.census).all(|(_, listed)| fits(listed)) {
        return None;
    }
    let serving: BTreeSet<&InstanceId> = in_service(&counted.census).map(|(id, _)| id).collect();
    if learning.is_of_the_fleet() && !situation.observation.unlisted.is_empty() {
        return None;
    }
    let works = |instance: &&Instance| !instance.state.is_gone() && instance.state != InstanceState::Stopped;
    let averaged = |instance: &&Instance| learning.is_of_the_fleet() || instance.pool.as_ref() == Some(&pool.id);
    let mut others = situation.observation.instances.iter().flatten().filter(works).filter(averaged);
    if others.any(|instance| !serving.contains(&instance.id)) {
        return None;
    }
    for group in &pool.target_groups {
        let targets = situation.observation.targets.get(group)?;
        if targets.iter().any(|target| !serving.contains(&target.instance)) {
            return None;
        }
    }
    let names: Vec<&str> = serving.into_iter().map(|id| id.as_str()).collect();
    Some(digest(&names.join(" ")))
}
