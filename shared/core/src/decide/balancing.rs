//! Keeps the attributes of target groups as the spec names them. Level-triggered like membership: whenever a look shows a
//! group's attributes, what differs is set, and nothing else is.

use std::collections::BTreeMap;

use super::Situation;
use super::membership::Busy;
use crate::adaptive::{self, Adapted};
use crate::id::TargetGroupArn;
use crate::plan::Action;
use crate::reason::{Finding, SetBecause};
use crate::spec::{Attribute, FleetMode, PoolSpec};
use crate::state::PoolState;

/// What is told of attributes that are not as the spec says, whether something may be done about it or not.
pub(super) fn differences(situation: &Situation<'_>, pool: &PoolSpec, state: &PoolState) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (group, set) in wrong(situation, pool, state) {
        let there = situation.observation.attributes.get(group);
        let before = state.tuned.get(group);
        for (attribute, to) in set {
            let was_set = before.and_then(|before| before.get(&attribute)) == Some(&to);
            findings.push(Finding::Detuned {
                group: group.clone(),
                attribute,
                from: there.and_then(|there| there.get(&attribute)).cloned(),
                to,
                why: match attribute {
                    _ if was_set => SetBecause::ChangedByOthers,
                    Attribute::Algorithm if pool.balancing.adaptive.is_some() => SetBecause::Adaptive,
                    _ => SetBecause::Spec,
                },
            });
        }
    }
    findings
}

/// Changes the algorithms of adaptive groups by what was measured; the attribute follows when its group is read, at the next tick.
pub(super) fn adapt(situation: &Situation<'_>, pool: &PoolSpec, state: &mut PoolState, findings: &mut Vec<Finding>) {
    let Some(rule) = &pool.balancing.adaptive else {
        state.adapted.clear();
        return;
    };
    if situation.spec.mode != FleetMode::On || situation.retiring {
        return;
    }
    for group in &pool.target_groups {
        let Some(seen) = situation.observation.imbalance.get(group) else {
            continue;
        };
        let Some(why) = adaptive::judge(rule, state.adapted.get(group), seen, situation.now) else {
            continue;
        };
        let adapted = Adapted {
            algorithm: why.to(),
            since: situation.now.into(),
        };
        state.adapted.insert(group.clone(), adapted);
        findings.push(Finding::Adapts { group: group.clone(), why });
    }
}

/// The steps of one pool. A group whose last step is open gets no other one.
pub(super) fn steps(situation: &Situation<'_>, pool: &PoolSpec, state: &PoolState, busy: &Busy) -> Vec<Action> {
    if situation.spec.mode != FleetMode::On {
        return Vec::new();
    }
    let free = wrong(situation, pool, state)
        .into_iter()
        .filter(|(group, _)| !busy.groups.contains(*group));
    free.map(|(group, set)| Action::Tune { group: group.clone(), set }).collect()
}

/// Groups whose attributes were read and are not as the spec says, and what they should be.
fn wrong<'a>(situation: &Situation<'_>, pool: &'a PoolSpec, state: &PoolState) -> Vec<(&'a TargetGroupArn, BTreeMap<Attribute, String>)> {
    // who leaves for good leaves things as they are
    if situation.retiring || pool.balancing.is_silent() {
        return Vec::new();
    }
    let wrong = |group: &'a TargetGroupArn| {
        let named = pool.balancing.attributes(state.adapted.get(group));
        let there = situation.observation.attributes.get(group)?;
        let differs = named.iter().filter(|(attribute, value)| there.get(attribute) != Some(*value));
        let set: BTreeMap<Attribute, String> = differs.map(|(attribute, value)| (*attribute, value.clone())).collect();
        (!set.is_empty()).then_some((group, set))
    };
    pool.target_groups.iter().filter_map(wrong).collect()
}
