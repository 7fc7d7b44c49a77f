//! I5, I6, I7: on what evidence a pool shrinks, compared with what was really measured.

use std::collections::BTreeSet;

use ghostnet_core::id::{InstanceId, PolicyId};
use ghostnet_core::observation::InstanceState;
use ghostnet_core::operator::Wish;
use ghostnet_core::sample::{Sample, Series};
use ghostnet_core::spec::metric::{Queries, QueryShape};
use ghostnet_core::spec::{PolicyMode, Rule, ThresholdChange};
use ghostnet_core::unit::{Moment, Seconds};

use super::decision::Judged;
use super::{Check, standby};
use crate::world::World;

pub(super) fn judge(world: &World, judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    let (before, after) = (judged.decided.before, judged.decided.after);
    let allowed = judged.bounds().1.min(judged.room()).min(before);
    let by_window = judged.windows().filter_map(|window| window.desired).any(|desired| desired <= after);
    // an operator's size needs no vote
    let by_operator = judged.next.asked.as_ref().is_some_and(|asked| match asked.wish {
        Wish::Hold { desired, until, .. } => desired <= after && judged.inputs.now < until,
        Wish::Clear | Wish::Evacuate { .. } | Wish::UseAgain { .. } | Wish::Refresh(_) | Wish::HandOver { .. } => false,
    });
    if after >= allowed || by_window || by_operator || judged.inputs.retiring {
        return;
    }
    let pool = &judged.pool.id;
    let votes = || judged.decided.votes.iter().filter_map(|vote| Some((&vote.policy, vote.capacity?)));
    if let Some((policy, wanted)) = votes().find(|(_, wanted)| *wanted >= before) {
        found.push((
            Check::OutWins,
            format!("{pool} shrinks to {after} though `{policy}` asks for {wanted}"),
        ));
        return;
    }
    if votes().next().is_none() && !standby::may_rest_at(world, judged, after) {
        found.push((Check::FreshData, format!("{pool} shrinks to {after} and nobody voted")));
    }
    for (policy, _) in votes() {
        if let Some(fault) = not_measured(world, judged, policy) {
            found.push((Check::FreshData, format!("{pool} shrinks to {after} by `{policy}` {fault}")));
        }
    }
    flaps(judged, after, found);
}

/// What is wrong with the value on which a policy asks for fewer.
fn not_measured(world: &World, judged: &Judged<'_>, policy: &PolicyId) -> Option<String> {
    let series = judged
        .inputs
        .observation
        .series
        .get(&judged.pool.id)
        .and_then(|series| series.get(policy));
    let Some(Sample::Value { at, value }) = series.map(|series| series.sample(judged.inputs.now)) else {
        return Some("without a fresh, complete value".to_owned());
    };
    let rule = &judged.pool.policies.iter().find(|other| other.id == *policy)?.rule;
    let shapes: Vec<QueryShape> = match rule
        .measure()?
        .metric
        .queries(&judged.spec.id, judged.pool, &judged.inputs.resolved)
    {
        Queries::One(shape) => vec![shape],
        Queries::Several(shapes) => shapes.into_values().collect(),
        // averages over instances are the engine's own, and have no single truth to compare with
        Queries::PerInstance(_) => return None,
    };
    let is_measured = |shape: &QueryShape| match world.cloud.history.answer(shape, 30, world.now) {
        Series::Points { points, .. } => {
            // one of several minutes, or of several pools, changes as its parts arrive
            let grows = shape.period().0 > 60 || judged.spec.pools.len() > 1;
            points.iter().any(|point| point.at == at && (grows || point.value == value))
        }
        _ => true,
    };
    // of several, the sample is that of the oldest
    (!shapes.iter().any(is_measured)).then(|| format!("on {value} at {at}, which nobody measured"))
}

/// I6, by the load that the settled instances carry for certain.
fn flaps(judged: &Judged<'_>, after: u32, found: &mut Vec<(Check, String)>) {
    if !judged.pool.left_groups.is_empty() {
        // what is measured there is another side's load
        return;
    }
    for policy in &judged.pool.policies {
        let Some(limit) = adds_from(&policy.rule, judged.pool.guards.tolerance_out.ratio()) else {
            continue;
        };
        if policy.mode == PolicyMode::RecommendOnly {
            continue;
        }
        let series = judged
            .inputs
            .observation
            .series
            .get(&judged.pool.id)
            .and_then(|series| series.get(&policy.id));
        let Some(Sample::Value { value, .. }) = series.map(|series| series.sample(judged.inputs.now)) else {
            continue;
        };
        // those that serve since before the datapoint began
        let listed = judged.inputs.observation.instances.iter().flatten();
        let running: BTreeSet<&InstanceId> = listed
            .filter(|instance| instance.state == InstanceState::Running)
            .map(|instance| &instance.id)
            .collect();
        let long_ago = Seconds::minutes(10).before(judged.inputs.now);
        let settled = judged.next.members.iter().filter(|(id, member)| {
            let long = |since: Moment| since.at() < long_ago;
            let stays = judged
                .loaded
                .and_then(|pool| pool.members.get(*id))
                .is_some_and(|before| before.drain.is_none());
            member.served_since.is_some_and(long) && running.contains(id) && stays
        });
        let carried = value.get() * f64::from(super::decision::count(settled.count()).min(judged.decided.counts.in_service));
        if after > 0 && carried / f64::from(after) > limit {
            let detail = format!(
                "{} carry {carried:.0} and {after} would have more than {limit:.0} each",
                judged.decided.counts.in_service
            );
            found.push((Check::PostRemoval, detail));
        }
    }
}

/// Where a policy begins to add, if its metric rises as instances are removed.
fn adds_from(rule: &Rule, tolerance: f64) -> Option<f64> {
    let from = match rule {
        Rule::TargetTracking(rule) => rule.target.get() * (1.0 + tolerance),
        Rule::Step(rule) => rule.out.first()?.from?.get(),
        Rule::Threshold(rule) if matches!(rule.change, ThresholdChange::Add(_)) => rule.from?.get(),
        Rule::Simple(rule) => rule.out?.bound.get(),
        _ => return None,
    };
    (rule.measure()?.metric.falls_with_instances() && from > 0.0).then_some(from)
}
