//! What instances are told by their tags, and what they say by theirs: who is ready to begin, who leaves, who has finished.
//!
//! Level-triggered like membership: each look compares what the list shows with what holds, so a tag that could not be set
//! is set by the next one. Nothing waits for a tag longer than for the deadline it has anyway.

use super::Situation;
use super::census::Census;
use super::groups::Verdict;
use super::membership::Busy;
use crate::id::InstanceId;
use crate::observation::{Instance, InstanceState, Told};
use crate::plan::{Action, INSTANCES_PER_STEP_MAX};
use crate::reason::Finding;
use crate::spec::PoolSpec;
use crate::state::{Member, PoolState};
use crate::unit::Seconds;

/// A tag that the list does not show this long after the drain began could not be set.
const TOLD_WITHIN: Seconds = Seconds::minutes(3);

/// Whether an instance must still say that it is ready before it may serve. Only the entry is gated: who has served once
/// serves on, whatever becomes of its tag.
pub(super) fn is_awaited(pool: &PoolSpec, member: &Member, instance: Option<&Instance>) -> bool {
    pool.ready_tag && member.served_since.is_none() && !instance.is_some_and(|instance| instance.word.ready)
}

/// The balancer's verdict, and for one that is not ready yet that its first checks still run: so it is not registered, does
/// not count as serving, and its registration deadline runs.
pub(super) fn gated(pool: &PoolSpec, member: &Member, instance: Option<&Instance>, verdict: Verdict) -> Verdict {
    if is_awaited(pool, member, instance) {
        Verdict::Initial
    } else {
        verdict
    }
}

/// Whether an instance has finished for good. One that says so without being asked to leave does nothing any more: it
/// counts as sick, and the limits that hold for sick ones keep an image that says so at once from emptying the pool.
pub(super) fn gave_up(pool: &PoolSpec, instance: &Instance) -> bool {
    pool.wait_for_tag && instance.word.drained
}

/// The tag steps of one pool.
pub(super) fn steps(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'_>,
    state: &PoolState,
    busy: &Busy,
    findings: &mut Vec<Finding>,
) -> Vec<Action> {
    if !pool.wait_for_tag {
        return Vec::new();
    }
    let (mut leave, mut stay) = (Vec::new(), Vec::new());
    // drains and take-backs of this very decision are in the state
    for (person, member) in census.with(state) {
        let Some(instance) = person.listed.filter(|instance| instance.state == InstanceState::Running) else {
            continue;
        };
        let Some(told) = must_be_told(situation, member, instance, findings) else {
            continue;
        };
        if busy.instances.contains(&person.id) || busy.tagged.contains(&person.id) {
            continue;
        }
        match told {
            Told::Draining => leave.push(person.id.clone()),
            Told::Serving => stay.push(person.id.clone()),
        }
    }
    let tag = |instances: Vec<InstanceId>, told| {
        let chunks = instances.chunks(INSTANCES_PER_STEP_MAX).map(<[InstanceId]>::to_vec);
        chunks.map(|instances| Action::Tag { instances, told }).collect::<Vec<_>>()
    };
    [tag(leave, Told::Draining), tag(stay, Told::Serving)].concat()
}

/// What an instance must still be told. One whose time is over is not told any more: a tag that cannot be set must not keep
/// it from being terminated.
fn must_be_told(situation: &Situation<'_>, member: &Member, instance: &Instance, findings: &mut Vec<Finding>) -> Option<Told> {
    let Some(drain) = member.drain.filter(|_| !member.gone) else {
        // who was never told anything needs no word that it serves
        return (instance.word.told == Some(Told::Draining) && !instance.word.drained).then_some(Told::Serving);
    };
    let over = situation.now >= drain.deadline.at() || member.terminating_since.is_some();
    if over || instance.word.drained || instance.word.told == Some(Told::Draining) {
        return None;
    }
    if Seconds::between(drain.since.at(), situation.observation.observed_at) >= TOLD_WITHIN {
        findings.push(Finding::NotTold {
            instance: instance.id.clone(),
        });
    }
    Some(Told::Draining)
}
