//! Alarms against the policies that they are to wake: those that `apply` keeps, those of the user's own, and who mutes them.

use ghostnet_core::id::AlarmName;
use ghostnet_core::spec::metric::{Queries, QueryShape};
use ghostnet_core::spec::{FleetSpec, Measure, MissingRule, Policy, Resolved, Stat};
use ghostnet_core::unit::Finite;

use super::finding::{Finding, Severity, listed};

/// Most alarms that one sentence names.
const NAMES_MAX: usize = 3;

/// How an alarm watches, in CloudWatch's words.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// The metric; none: an expression, a band, or other alarms.
    pub stat: Option<Stat>,
    /// `GreaterThanThreshold` and so on.
    pub comparison: String,
    /// Against what; none: a band.
    pub threshold: Option<Finite>,
    /// So many datapoints must breach,
    pub datapoints: u32,
    /// of so many.
    pub evaluated: u32,
    /// What no data means: `missing`, `ignore`, `breaching` or `notBreaching`.
    pub missing: String,
}

/// An alarm that `apply` made and believes unchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its policy's place in the spec.
    pub path: String,
    /// The alarm.
    pub name: AlarmName,
    /// What `apply` wrote.
    pub wanted: Watch,
    /// What it says now; none: it is gone.
    pub found: Option<Watch>,
    /// Whether its changes reach GhostNet.
    pub tells: bool,
}

/// An alarm of the user's own that the spec lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its place in the spec.
    pub path: String,
    /// The alarm.
    pub name: AlarmName,
    /// What it says.
    pub watch: Watch,
}

/// A rule that mutes alarms of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    /// Its name.
    pub rule: String,
    /// The alarms, each with its place in the spec.
    pub alarms: Vec<(String, AlarmName)>,
    /// Whether it mutes now.
    pub is_active: bool,
    /// When and for how long, in CloudWatch's words: `cron(0 2 * * *) for PT4H`.
    pub when: String,
}

/// Findings about the alarms that `apply` keeps.
#[must_use]
pub fn judge_kept(kept: &[Kept]) -> Vec<Finding> {
    let finding = |kept: &Kept| {
        let Some(found) = &kept.found else {
            return Some(Finding::new(
                Severity::Warning,
                &kept.path,
                format!("alarm `{}` is gone", kept.name),
                "growth waits for the next minute's look",
                "`ghostnet apply` makes it anew",
            ));
        };
        let mut differences = differences(&kept.wanted, found);
        if !kept.tells {
            differences.push("it tells GhostNet nothing".to_owned());
        }
        (!differences.is_empty()).then(|| {
            Finding::new(
                Severity::Warning,
                &kept.path,
                format!("somebody changed alarm `{}`: {}", kept.name, differences.join(", ")),
                "it wakes GhostNet at another moment than the policy asks for more, or never",
                &format!(
                    "`aws cloudwatch delete-alarms --alarm-names {}`, then `ghostnet apply` makes it anew",
                    kept.name
                ),
            )
        })
    };
    kept.iter().filter_map(finding).collect()
}

/// What differs, as the alarm says it and as it should.
fn differences(wanted: &Watch, found: &Watch) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, found: &str, wanted: &str| {
        if found != wanted {
            differences.push(format!("{what} `{found}` in place of `{wanted}`"));
        }
    };
    if let Some(wanted) = &wanted.stat {
        match &found.stat {
            None => compare("watched", "an expression", "one metric"),
            Some(found) => {
                let metric = |stat: &Stat| format!("{}/{}", stat.namespace, stat.name);
                compare("metric", &metric(found), &metric(wanted));
                let dimensions = |stat: &Stat| {
                    let pairs: Vec<String> = stat.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
                    pairs.join(" ")
                };
                compare("dimensions", &dimensions(found), &dimensions(wanted));
                compare("statistic", &found.statistic, &wanted.statistic);
                compare("period", &found.period.to_string(), &wanted.period.to_string());
            }
        }
    }
    let number = |threshold: Option<Finite>| threshold.map_or_else(|| "a band".to_owned(), |number| number.to_string());
    compare("threshold", &number(found.threshold), &number(wanted.threshold));
    compare("comparison", &found.comparison, &wanted.comparison);
    let rule = |watch: &Watch| format!("{} of {}", watch.datapoints, watch.evaluated);
    compare("datapoints", &rule(found), &rule(wanted));
    compare("missing data", &found.missing, &wanted.missing);
    differences
}

/// Findings about the alarms that the spec lists, each against every policy that looks at the same metric.
#[must_use]
pub fn judge_listed(spec: &FleetSpec, resolved: &Resolved, alarms: &[Listed]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for alarm in alarms {
        let mut found = Vec::new();
        if let Some(stat) = &alarm.watch.stat {
            for (policy, measure, own) in policies_on(spec, resolved, stat) {
                found.extend(against(alarm, stat, policy, measure, &own));
            }
        }
        found.extend(by_itself(alarm));
        for finding in found {
            // several pools share a policy
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings
}

/// Policies that look at this metric, by whatever statistic and period.
fn policies_on<'s>(spec: &'s FleetSpec, resolved: &Resolved, stat: &Stat) -> Vec<(&'s Policy, &'s Measure, Stat)> {
    let mut policies = Vec::new();
    for pool in &spec.pools {
        for policy in &pool.policies {
            let Some(measure) = policy.rule.measure() else { continue };
            let Queries::One(QueryShape::Stat(own)) = measure.metric.queries(&spec.id, pool, resolved) else {
                continue;
            };
            if own.namespace == stat.namespace && own.name == stat.name && own.dimensions == stat.dimensions {
                policies.push((policy, measure, own));
            }
        }
    }
    policies
}

fn against(alarm: &Listed, stat: &Stat, policy: &Policy, measure: &Measure, own: &Stat) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |what: String, why: &str, hint: String| {
        findings.push(Finding::new(Severity::Warning, &alarm.path, what, why, &hint));
    };
    let (name, id) = (&alarm.name, &policy.id);
    if stat.statistic != own.statistic {
        add(
            format!(
                "alarm `{name}` looks at `{}` of the metric, and policy `{id}` at `{}`",
                stat.statistic, own.statistic
            ),
            "it wakes GhostNet when the policy sees nothing, or is silent when the policy would ask for more",
            format!("give it the statistic `{}`", own.statistic),
        );
    }
    if stat.period > own.period {
        add(
            format!(
                "alarm `{name}` has a period of {}, and policy `{id}` one of {}",
                stat.period, own.period
            ),
            "it wakes GhostNet later than the policy could see the load",
            format!("give it a period of {}", own.period),
        );
    }
    match (measure.missing, alarm.watch.missing.as_str()) {
        (MissingRule::Breaching, "breaching") | (MissingRule::Hold | MissingRule::Ignore, "ignore" | "notBreaching" | "missing") => {}
        (MissingRule::Breaching, other) => add(
            format!("alarm `{name}` takes missing data as `{other}`, and policy `{id}` as `breaching`"),
            "when the metric stops, nothing wakes GhostNet before the next minute's look",
            "set `TreatMissingData` to `breaching`".to_owned(),
        ),
        (MissingRule::Hold | MissingRule::Ignore, other) => add(
            format!("alarm `{name}` takes missing data as `{other}`, and policy `{id}` does nothing then"),
            "it goes to ALARM when the metric stops, nothing follows, and the fleet's metrics are read every minute meanwhile",
            format!("set `TreatMissingData` to `notBreaching`, or `missing: breaching` in policy `{id}`"),
        ),
    }
    findings
}

/// What an alarm does to any fleet.
fn by_itself(alarm: &Listed) -> Option<Finding> {
    let is_open = alarm.watch.missing == "missing" && alarm.watch.stat.is_some();
    is_open.then(|| {
        Finding::new(
            Severity::Note,
            &alarm.path,
            format!("alarm `{}` goes to INSUFFICIENT_DATA when its metric has no data", alarm.name),
            "as long as that lasts the fleet counts as not quiet, and its metrics are read every minute, which costs money",
            "set `TreatMissingData` to `notBreaching` if no data means no load",
        )
    })
}

/// Findings about rules that mute.
#[must_use]
pub fn judge_mutes(mutes: &[Mute]) -> Vec<Finding> {
    let finding = |mute: &Mute| {
        let (path, _) = mute.alarms.first()?;
        let names = listed(mute.alarms.iter().map(|(_, name)| name.as_str()), NAMES_MAX);
        let (severity, what) = if mute.is_active {
            (Severity::Warning, format!("mute rule `{}` silences {names} now", mute.rule))
        } else {
            (Severity::Note, format!("mute rule `{}` will silence {names}", mute.rule))
        };
        Some(Finding::new(
            severity,
            path,
            what,
            format!("{}: meanwhile nothing wakes GhostNet before the next minute's look", mute.when),
            "take alarms that only wake GhostNet out of the rule",
        ))
    };
    mutes.iter().filter_map(finding).collect()
}
