//! Reads the policies of a raw spec.

use std::collections::BTreeSet;

use super::check::{NAME_HINT, POLICIES_MAX};
use super::check_guards::duration;
use super::check_metric::{read_measure, read_metric};
use super::defaults::ByObjective;
use super::problem::Problems;
use super::raw::{RawPolicy, RawPolicyMode, RawPredictiveMode, RawScheduled, RawTargetTracking, RawWhen};
use super::schedule::{BadSchedule, WINDOW_MAX};
use super::{
    Metric, Policy, PolicyMode, Rule, Schedule, Scheduled, TargetTracking, check_capacity, check_demand, check_step, defaults, learning,
    predictive, simple,
};
use crate::id::PolicyId;
use crate::signal::HEALTH;
use crate::unit::{Finite, Seconds};

pub(super) fn read_policies(
    raw: &[RawPolicy],
    by_objective: &ByObjective,
    at: &str,
    has_groups: bool,
    problems: &mut Problems,
) -> Vec<Policy> {
    if raw.len() > POLICIES_MAX {
        problems.add(
            at,
            format!("`{}` policies are more than `{POLICIES_MAX}`", raw.len()),
            "combine some",
        );
    }
    let mut ids = BTreeSet::new();
    let mut policies = Vec::new();
    for (n, policy) in raw.iter().enumerate() {
        let at = format!("{at}[{n}]");
        let (id, rule) = match policy {
            RawPolicy::TargetTracking(raw) => (&raw.id, read_tracking(raw, &at, has_groups, problems).map(Rule::TargetTracking)),
            RawPolicy::Step(raw) => (&raw.id, check_step::read(raw, &at, has_groups, problems).map(Rule::Step)),
            RawPolicy::Threshold(raw) => (
                &raw.id,
                check_step::read_threshold(raw, &at, has_groups, problems).map(Rule::Threshold),
            ),
            RawPolicy::Simple(raw) => (&raw.id, simple::read(raw, &at, has_groups, problems).map(Rule::Simple)),
            RawPolicy::Capacity(raw) => (&raw.id, check_capacity::read(raw, &at, has_groups, problems).map(Rule::Capacity)),
            RawPolicy::Queue(raw) => (&raw.id, check_demand::read_queue(raw, &at, problems).map(Rule::Queue)),
            RawPolicy::Formula(raw) => (
                &raw.id,
                check_demand::read_formula(raw, &at, has_groups, problems).map(Rule::Formula),
            ),
            RawPolicy::Predictive(raw) => (
                &raw.id,
                predictive::read(raw, &policies, by_objective, &at, problems).map(Rule::Predictive),
            ),
            RawPolicy::Scheduled(raw) => (&raw.id, read_scheduled(raw, &at, problems).map(Rule::Scheduled)),
        };
        if !ids.insert(id) {
            problems.add(format!("{at}.id"), format!("`{id}` is used twice"), "give each policy its own id");
        }
        if id == HEALTH {
            let message = format!("`{id}` is not free: alarms `ghostnet/<fleet>/<pool>/{id}/...` tell failover of a side's health");
            problems.add(format!("{at}.id"), message, "choose another id");
        }
        let mode = read_mode(policy, &at, problems);
        match id.parse::<PolicyId>() {
            Ok(id) => policies.extend(rule.map(|rule| Policy { id, rule, mode })),
            Err(bad) => problems.add(format!("{at}.id"), bad.to_string(), NAME_HINT),
        }
    }
    if policies.len() == raw.len() {
        learning::check_somebody_acts(&policies, at, problems);
    }
    policies
}

fn read_mode(policy: &RawPolicy, at: &str, problems: &mut Problems) -> PolicyMode {
    let (mode, no_scale_in) = match policy {
        RawPolicy::TargetTracking(raw) => (raw.mode, raw.disable_scale_in),
        RawPolicy::Step(raw) => (raw.mode, None),
        RawPolicy::Threshold(raw) => (raw.mode, None),
        RawPolicy::Simple(raw) => (raw.mode, None),
        RawPolicy::Capacity(raw) => (raw.mode, None),
        RawPolicy::Queue(raw) => (raw.mode, None),
        RawPolicy::Formula(raw) => (raw.mode, None),
        RawPolicy::Predictive(raw) => (
            Some(match raw.mode {
                Some(RawPredictiveMode::Act) => RawPolicyMode::Act,
                Some(RawPredictiveMode::ForecastOnly) | None => RawPolicyMode::RecommendOnly,
            }),
            None,
        ),
        RawPolicy::Scheduled(_) => (None, None),
    };
    match (mode, no_scale_in) {
        (Some(_), Some(_)) => {
            let message = "`mode` and `disable_scale_in` say the same thing twice";
            problems.add(format!("{at}.disable_scale_in"), message, "keep `mode`");
            defaults::POLICY_MODE
        }
        (None, Some(true)) | (Some(RawPolicyMode::OutOnly), None) => PolicyMode::OutOnly,
        (Some(RawPolicyMode::RecommendOnly), None) => PolicyMode::RecommendOnly,
        (Some(RawPolicyMode::Act), None) => PolicyMode::Act,
        (None, Some(false) | None) => defaults::POLICY_MODE,
    }
}

fn read_tracking(raw: &RawTargetTracking, at: &str, has_groups: bool, problems: &mut Problems) -> Option<TargetTracking> {
    let metric = read_metric(&raw.metric, raw.source, at, has_groups, problems);
    let untracked = match &metric {
        Some(Metric::Named { name, .. }) => name.why_not_tracked().map(|why| (name.as_str(), why)),
        Some(Metric::Stat(stat)) => stat.why_not_tracked().map(|why| (stat.name.as_str(), why)),
        _ => None,
    };
    if let Some((name, why)) = untracked {
        problems.add(
            format!("{at}.metric"),
            format!("`{name}` cannot be tracked: {why}"),
            "use it in a policy of type `step`",
        );
    }
    let target = Finite::new(raw.target).filter(|target| target.get() > 0.0);
    if target.is_none() {
        problems.add(
            format!("{at}.target"),
            format!("`{}` is not above zero", raw.target),
            "the value that each instance should have",
        );
    }
    if let (Some(Metric::Named { name, .. }), Some(target)) = (&metric, target)
        && name.is_percentage()
        && target.get() > 100.0
    {
        problems.add(
            format!("{at}.target"),
            format!("`{target}` is never reached: `{}` is at most 100", name.as_str()),
            "write percent as a number: `50` is half",
        );
    }
    let measure = read_measure(metric?, raw.datapoints.as_ref(), raw.missing, at, problems);
    Some(TargetTracking { measure, target: target? })
}

fn read_scheduled(raw: &RawScheduled, at: &str, problems: &mut Problems) -> Option<Scheduled> {
    let schedule = read_when(&raw.when, at, problems);
    let capacity = &raw.capacity;
    if (capacity.min, capacity.max, capacity.desired) == (None, None, None) {
        problems.add(format!("{at}.capacity"), "the window sets nothing", "set `min`, `max` or `desired`");
    }
    Some(Scheduled {
        schedule: schedule?,
        min: capacity.min,
        max: capacity.max,
        desired: capacity.desired,
    })
}

/// Reads the field `when` of what stands at `at`.
pub(super) fn read_when(raw: &RawWhen, at: &str, problems: &mut Problems) -> Option<Schedule> {
    let length = duration(Some(&raw.for_), &format!("{at}.when.for"), Seconds(60), problems);
    check_length(length, &format!("{at}.when.for"), problems);
    match (&raw.cron, &raw.at) {
        (Some(cron), None) => read_cron(cron, raw.zone.as_deref(), length.min(WINDOW_MAX), &format!("{at}.when"), problems),
        (None, Some(text)) => {
            if raw.zone.is_some() {
                problems.add(format!("{at}.when.zone"), "`zone` belongs to `cron`", "`at` carries its own offset");
            }
            let moment = text.parse::<jiff::Timestamp>();
            let hint = "write the offset too: `2026-11-27T18:00:00+01:00`";
            moment
                .map_err(|_| problems.add(format!("{at}.when.at"), format!("`{text}` is not a moment"), hint))
                .ok()
                .map(|at| Schedule::once(at, length))
        }
        _ => {
            problems.add(
                format!("{at}.when"),
                "a window has exactly one of `cron` and `at`",
                "keep one of them",
            );
            None
        }
    }
}

pub(super) fn check_length(length: Seconds, at: &str, problems: &mut Problems) {
    if length > WINDOW_MAX || length < Seconds(60) {
        let message = format!("`{length}` is not between `1m` and `{WINDOW_MAX}`");
        problems.add(at, message, "use several windows");
    }
}

pub(super) fn read_cron(cron: &str, zone: Option<&str>, length: Seconds, at: &str, problems: &mut Problems) -> Option<Schedule> {
    let zone = zone.unwrap_or("UTC");
    match Schedule::repeating(cron, zone, length) {
        Ok(schedule) => Some(schedule),
        Err(BadSchedule::Zone) => {
            problems.add(
                format!("{at}.zone"),
                format!("`{zone}` is no time zone"),
                "use an IANA name such as `Europe/Berlin`",
            );
            None
        }
        Err(bad) => {
            problems.add(
                format!("{at}.cron"),
                format!("`{cron}` is not understood: {bad}"),
                "such as `0 20 * * 5`: Friday at 20:00",
            );
            None
        }
    }
}
