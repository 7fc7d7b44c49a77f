//! Whether the account is fit for a spec: asks the tick function what its role may do, looks up the rest, and has it judged.
//! Nothing is written, neither here nor there.

mod alarms;
mod limits;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ghostnet_aws::event::CheckRequest;
use ghostnet_core::id::InstallationId;
use ghostnet_core::spec::Problem;
use ghostnet_engine::error::PortError;
use ghostnet_engine::live::groups::Owner;
use ghostnet_engine::live::{Answered, Finding, Severity, groups, launching};
use serde::Serialize;

use crate::ask;
use crate::failure::Failure;
use crate::resolve::{self, Found};
use crate::spec_file::{Place, SpecFile};
use crate::stack::Session;

/// From one ask to the next: as long as EC2's bucket needs for the launches of one.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Most asks of one run: enough for all launches of ten specs.
const ASKS_MAX: usize = 50;

/// What was found out about one file.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    /// Findings, the gravest first, each with its place in the file.
    pub(crate) findings: Vec<Located>,
    /// Combinations of subnet, type and market that EC2 was asked about.
    pub(crate) launches_tried: usize,
}

/// A finding and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Located {
    #[serde(flatten)]
    pub(crate) at: Place,
    #[serde(flatten)]
    pub(crate) finding: Finding,
}

impl Checked {
    /// How many are of this severity.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|located| located.finding.severity == severity).count()
    }
}

/// Checks the account for one spec, with so many asks.
///
/// # Errors
/// AWS or the tick function does not answer.
pub(crate) async fn check(session: &Session, file: &SpecFile, asks: usize) -> Result<Checked, Failure> {
    let mut found = resolve::resolve(session, &file.spec).await?;
    let answered = ask_all(session, file, asks).await?;
    let mut findings = resolved(&found);
    let broken: Vec<&str> = found.problems.iter().map(|problem| problem.path.as_str()).collect();
    findings.extend(launching::judge(&file.spec, &answered.probed, &broken));
    findings.extend(launching::untold(&file.spec, &answered));
    findings.extend(of_groups(session, file, &mut found, &answered).await);
    let stored = session.spec(&file.spec.id).await?;
    findings.extend(alarms::findings(session, file, &found.resolved, stored.as_ref()).await?);
    findings.extend(limits::findings(session, file, &found, stored.as_ref()).await?);
    Ok(Checked {
        findings: located(file, findings),
        launches_tried: answered.launches(),
    })
}

/// How often the function is asked about each of so many files, so that a run over all fleets of an account ends.
pub(crate) fn asks_for_each(files: usize) -> usize {
    ASKS_MAX.checked_div(files).unwrap_or(ASKS_MAX).max(1)
}

/// Lets EC2's bucket refill.
#[expect(clippy::disallowed_methods, reason = "a person waits")]
pub(crate) async fn pause() {
    tokio::time::sleep(ASK_EVERY).await;
}

/// Asks the function until it has nothing more to ask about, or often enough.
async fn ask_all(session: &Session, file: &SpecFile, asks: usize) -> Result<Answered, Failure> {
    let mut all = Answered::default();
    let mut next = Some(0);
    for _ in 0..asks {
        let Some(from) = next else { break };
        if from > 0 {
            pause().await;
        }
        let request = CheckRequest::new(file.raw.clone(), from);
        let answered = ask::check(session, &file.spec.id, &request).await?;
        all.probed.extend(answered.probed);
        all.delays.extend(answered.delays);
        all.instance = all.instance.or(answered.instance);
        // a function that does not get on would be asked for ever
        next = answered.next.filter(|next| *next > from);
    }
    Ok(all)
}

/// What `apply` would say too.
fn resolved(found: &Found) -> Vec<Finding> {
    let finding = |severity| {
        move |problem: &Problem| Finding {
            severity,
            path: problem.path.clone(),
            what: problem.message.clone(),
            why: String::new(),
            hint: problem.hint.clone(),
        }
    };
    // groups are judged here with what to do about them
    let is_else = |note: &&Problem| !note.path.contains(".target_groups[");
    let errors = found.problems.iter().map(finding(Severity::Error));
    errors
        .chain(found.notes.iter().filter(is_else).map(finding(Severity::Warning)))
        .collect()
}

async fn of_groups(session: &Session, file: &SpecFile, found: &mut Found, answered: &Answered) -> Vec<Finding> {
    let home = session.aws.home();
    let mut findings = Vec::new();
    let mut owners = Some(BTreeMap::new());
    for region in file.spec.regions(home) {
        let there = file.spec.pools.iter().filter(|pool| *pool.region_or(home) == region);
        let named: BTreeSet<_> = there.flat_map(|pool| &pool.target_groups).collect();
        let known: Vec<_> = found.groups.keys().filter(|group| named.contains(group)).cloned().collect();
        let there = session.aws.group_owners(&region, &known).await;
        let there = told("tags of target groups", there.map(Some), &mut findings);
        owners = owners.zip(there).map(|(all, there)| all.into_iter().chain(there).collect());
    }
    for (group, facts) in &mut found.groups {
        facts.owner = match owners.as_ref().map(|owners| owners.get(group)) {
            None => Owner::Unknown,
            Some(None) => Owner::Nobody,
            Some(Some(owner)) => Owner::Installation(owner.clone()),
        };
        facts.delay = answered.delays.get(group).copied();
    }
    let installation = InstallationId::new(session.stack.installation.clone());
    findings.extend(groups::judge(&file.spec, &installation, &found.groups));
    findings
}

/// What was looked up; what could not be is a finding, and stands for nothing.
fn told<T: Default>(what: &str, looked_up: Result<T, PortError>, findings: &mut Vec<Finding>) -> T {
    looked_up.unwrap_or_else(|error| {
        findings.push(Finding::unread(what, &error));
        T::default()
    })
}

/// Each finding on its line, the gravest first, and of equal ones in the order of the file.
fn located(file: &SpecFile, findings: Vec<Finding>) -> Vec<Located> {
    let locate = |finding: Finding| {
        let problem = file.locate(Problem {
            path: finding.path.clone(),
            message: finding.what.clone(),
            hint: finding.hint.clone(),
        });
        Located {
            at: problem.at,
            finding: Finding {
                path: problem.path,
                what: problem.message,
                hint: problem.hint,
                ..finding
            },
        }
    };
    let mut located: Vec<Located> = findings.into_iter().map(locate).collect();
    located.sort_by_key(|located| (located.finding.severity, located.at));
    located.dedup();
    located
}

#[cfg(test)]
mod tests {
    use ghostnet_engine::live::probe::{LAUNCHES_MAX, LAUNCHES_PER_ASK};

    use super::*;

    #[test]
    fn many_files_share_the_asks_of_a_run_and_each_has_one() {
        for (files, asks) in [(1, 50), (10, 5), (25, 2), (300, 1)] {
            assert_eq!(asks_for_each(files), asks, "{files}");
        }
        assert!(
            asks_for_each(10) * LAUNCHES_PER_ASK >= LAUNCHES_MAX,
            "ten specs are asked about in full"
        );
    }
}
