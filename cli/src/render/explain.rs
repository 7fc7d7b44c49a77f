//! Decisions on record: one line each, or one in full.

use std::collections::BTreeMap;

use ghostnet_core::decide::PoolDecision;
use ghostnet_core::id::{FleetId, InstanceId, PoolId, StepId};
use ghostnet_core::observation::Told;
use ghostnet_core::operator::{Asked, Wish};
use ghostnet_core::plan::{Action, StepOutcome};
use ghostnet_core::reason::Finding;
use ghostnet_core::record::DecisionRecord;
use ghostnet_core::signal::Signal;
use ghostnet_core::state::DrainReason;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use super::table::{self, Side};
use super::{plan, reason, step, time};

/// One line per decision, the newest first.
pub(crate) fn list(fleet: &FleetId, records: &[DecisionRecord], now: Timestamp) -> String {
    let Some(newest) = records.first() else {
        return "no decision in this time".to_owned();
    };
    let rows = records.iter().map(|record| {
        vec![
            time::clock(record.at, now),
            changes(record),
            cause(record),
            took(record),
            summary(record),
        ]
    });
    let at = newest.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let next = format!(
        "times are UTC; `ghostnet explain {fleet} --at {at} --full` shows inputs, `ghostnet replay {}` decides it again",
        newest.id
    );
    format!("{}\n{next}", table::aligned(&[Side::Left; 5], rows))
}

/// One decision with its evidence and the outcome of each step.
pub(crate) fn full(record: &DecisionRecord) -> String {
    let mut rows = vec![
        vec!["decision".to_owned(), record.id.to_string()],
        vec!["decided".to_owned(), decided(record)],
        vec!["woken by".to_owned(), format!("{}: {}", record.function, woken_by(&record.signal))],
        vec![
            "state".to_owned(),
            format!("generation {}, build {}", record.generation, record.build),
        ],
    ];
    rows.extend(plan::labelled(
        "refused",
        record
            .violations
            .iter()
            .map(|broken| format!("{}: {}", broken.invariant, broken.detail))
            .collect(),
    ));
    let mut parts = vec![table::aligned(&[Side::Left, Side::Left], rows)];
    for (id, pool) in &record.pools {
        let mut rows = plan::evidence(pool);
        let steps = record.plan.steps.iter().filter(|step| step.pool == *id);
        rows.extend(plan::labelled(
            "steps",
            steps.map(|step| step::done(step, outcome(record, &step.id))).collect(),
        ));
        parts.push(format!(
            "{}\n\n{}",
            plan::headline(id, pool),
            table::aligned(&[Side::Left, Side::Left], rows)
        ));
    }
    parts.join("\n\n")
}

/// Why, in one line; empty where the act itself says all, as a termination after a drain does.
pub(crate) fn reason(record: &DecisionRecord) -> String {
    if let Some(broken) = record.violations.first() {
        return format!("refused by audit, {}: {}", broken.invariant, broken.detail);
    }
    let Some((id, pool)) = decisive(record) else { return String::new() };
    if pool.before != pool.after || !is_act(record) {
        return reason::summary(pool);
    }
    let actions = || record.plan.steps.iter().filter(|step| step.pool == *id).map(|step| &step.action);
    if actions().any(|action| action.brings() > 0) {
        // nobody asked for a change: what is wanted was not there
        return format!("{} wanted, {} there or coming", pool.after, pool.counts.lasting());
    }
    if actions().any(|action| matches!(action, Action::Launch(_))) {
        return format!("{} kept warm or on the way there: more are wanted", pool.counts.stock());
    }
    String::new()
}

/// What was done and why, in one line.
pub(crate) fn summary(record: &DecisionRecord) -> String {
    let mut told = if record.violations.is_empty() { done(record) } else { Vec::new() };
    told.push(reason(record));
    told.retain(|part| !part.is_empty());
    told.join("; ")
}

/// Steps with their outcomes, and findings. That instances leave, and why, says more than their deregistration.
fn done(record: &DecisionRecord) -> Vec<String> {
    let mut drains: BTreeMap<DrainReason, Vec<InstanceId>> = BTreeMap::new();
    let mut others = Vec::new();
    for finding in record.pools.values().flat_map(|pool| &pool.findings) {
        match finding {
            Finding::Drains { instance, why } => drains.entry(*why).or_default().push(instance.clone()),
            other => others.push(other.to_string()),
        }
    }
    let leaves = |id: &InstanceId| drains.values().any(|leaving| leaving.contains(id));
    let steps = record.plan.steps.iter().filter_map(|step| {
        let outcome = outcome(record, &step.id);
        let is_exit = match &step.action {
            Action::Deregister { instances, .. }
            | Action::Tag {
                instances,
                told: Told::Draining,
            } => instances.iter().all(leaves),
            _ => false,
        };
        let is_told = is_exit && matches!(outcome, None | Some(StepOutcome::Done));
        (!is_told).then(|| step::done(step, outcome))
    });
    let drains = drains
        .iter()
        .map(|(why, instances)| format!("draining {}: {why}", step::ids(instances)));
    steps.chain(drains).chain(others).collect()
}

/// The first pool that changed, else the first: its reason stands for the decision.
fn decisive(record: &DecisionRecord) -> Option<(&PoolId, &PoolDecision)> {
    record
        .pools
        .iter()
        .find(|(_, pool)| pool.before != pool.after)
        .or_else(|| record.pools.iter().next())
}

/// Whether anything was decided but to hold.
pub(crate) fn is_act(record: &DecisionRecord) -> bool {
    !record.plan.steps.is_empty() || record.pools.values().any(|pool| pool.before != pool.after)
}

/// `blue 11 -> 12, green 6`.
pub(crate) fn changes(record: &DecisionRecord) -> String {
    record
        .pools
        .iter()
        .map(|(id, pool)| reason::change(id, pool))
        .collect::<Vec<_>>()
        .join(", ")
}

fn cause(record: &DecisionRecord) -> String {
    match (record.violations.is_empty(), is_act(record), record.count) {
        (false, ..) => "refused".to_owned(),
        (true, true, _) => woken_by_short(record),
        (true, false, 1) => "hold".to_owned(),
        (true, false, count) => format!("hold x {count}"),
    }
}

fn woken_by_short(record: &DecisionRecord) -> String {
    match &record.signal {
        Signal::AlarmChanged(change) => format!("alarm {}", change.alarm),
        Signal::Interruption(notice) => format!("interruption {}", step::short(&notice.instance)),
        Signal::OperatorRequest(_) => "operator".to_owned(),
        _ => record.function.clone(),
    }
}

fn woken_by(signal: &Signal) -> String {
    match signal {
        Signal::AlarmChanged(change) => format!("{} changed at {}", change.alarm, change.at),
        Signal::Tick => "the minute's schedule".to_owned(),
        Signal::Interruption(notice) => format!("AWS takes {}, told at {}", notice.instance, notice.at),
        Signal::InstanceChanged { instances, what, .. } => format!("{what}: {}", step::ids(instances)),
        Signal::Evaluate { by, .. } => format!("asked by {by}"),
        Signal::Tune { .. } => "settings are to be found".to_owned(),
        Signal::OperatorRequest(request) => asked(&request.asked),
        Signal::Ignored { reason } => reason.clone(),
    }
}

/// What an operator asked, and why.
fn asked(asked: &Asked) -> String {
    match &asked.wish {
        Wish::Hold { desired, until, reason } => format!("{} asks for {desired} until {until}: {reason}", asked.by),
        Wish::Clear => format!("{} gives up what was asked for", asked.by),
        Wish::Evacuate { zone, until, reason } => format!("{} leaves {zone} until {until}: {reason}", asked.by),
        Wish::UseAgain { zone } => format!("{} uses {zone} again", asked.by),
        Wish::HandOver { instances } => format!("{} hands over {}", asked.by, step::ids(instances)),
        Wish::Refresh(request) => format!("{} {request}", asked.by),
    }
}

/// From the decision to its last outcome.
fn took(record: &DecisionRecord) -> String {
    let last = record.outcomes.iter().map(|(_, recorded)| recorded.at).max();
    last.map(|at| format!("{}.{} s", Seconds::between(record.at, at).0, tenths(record.at, at)))
        .unwrap_or_default()
}

fn tenths(from: Timestamp, to: Timestamp) -> i32 {
    to.duration_since(from).subsec_millis().max(0) / 100
}

fn decided(record: &DecisionRecord) -> String {
    match record.count {
        1 => record.at.to_string(),
        count => format!("{} and {} times more until {}", record.at, count.saturating_sub(1), record.until),
    }
}

fn outcome<'r>(record: &'r DecisionRecord, step: &StepId) -> Option<&'r StepOutcome> {
    record
        .outcomes
        .iter()
        .find(|(id, _)| id == step)
        .map(|(_, recorded)| &recorded.outcome)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn decisions_are_one_line_each_or_in_full() {
        let records = fixture::records();
        let Some(newest) = records.first() else {
            panic!("there are records")
        };
        insta::assert_snapshot!("list", list(&newest.fleet, &records, fixture::at("13:30:00")));
        insta::assert_snapshot!("full", records.iter().map(full).collect::<Vec<_>>().join("\n\n---\n\n"));
        assert_eq!(list(&newest.fleet, &[], fixture::at("13:30:00")), "no decision in this time");
    }
}
