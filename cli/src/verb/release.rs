//! `ghostnet release`: a fleet is forgotten; its instances run on, registered where they are, and are nobody's.
//!
//! First the fleet is forgotten, then the tags are taken off: the other way round a look in between would see its instances gone
//! and launch others. What was cut off between the two is finished by doing it again.

use ghostnet_core::id::{AlarmName, FleetId, InstanceId};
use ghostnet_core::state::CapacityState;
use serde::Serialize;

use super::delete::{counted, forget, launches_under_way, listed, regions, remove_alarms};
use crate::console::Console;
use crate::failure::Failure;
use crate::stack::Session;

/// Forget a fleet and leave its instances running and registered
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet release web

Nobody sizes the fleet or looks after it any more; its instances run on and stay in their target groups and services. GhostNet's tags are taken off
them, so that a later fleet of that name does not take them for its own; `ghostnet adopt` brings them back. Once more does no harm.
With --json: {fleet, done, instances, leaving, may_still_come, alarms_removed}; done is `released`.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
}

/// What became of a fleet. The JSON form is stable.
#[derive(Debug, Serialize)]
struct Released {
    fleet: FleetId,
    done: &'static str,
    /// Who is nobody's now.
    instances: Vec<InstanceId>,
    /// Of these, who was leaving: out of their groups, or on the way out.
    leaving: Vec<InstanceId>,
    /// Launches that were under way and may still bring instances with our tags.
    may_still_come: usize,
    alarms_removed: Vec<AlarmName>,
}

/// Releases the fleet.
///
/// # Errors
/// There is no such fleet, somebody applied it in between, or AWS refuses.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    release(&Session::open(stack).await?, &args.fleet, console).await
}

/// Releases the fleet, whichever verb asked for it.
///
/// # Errors
/// As [`run`].
pub(super) async fn release(session: &Session, fleet: &FleetId, console: Console) -> Result<(), Failure> {
    let stored = session.spec(fleet).await?;
    let regions = regions(session, stored.as_ref());
    if stored.is_none() && listed(session, fleet, &regions).await?.is_empty() {
        return Err(session.no_fleet(fleet).await);
    }
    let state = session.state(fleet).await?;
    if let Some(stored) = stored {
        forget(session, fleet, stored.version).await?;
    }
    let alarms_removed = remove_alarms(session, fleet).await?;
    let mut instances: Vec<InstanceId> = Vec::new();
    for region in regions {
        let there = listed(session, fleet, &[region.clone()].into()).await?;
        let there: Vec<InstanceId> = there.into_iter().map(|listed| listed.instance.id).collect();
        let disowned = session.aws.disown(&region, &there).await;
        disowned.map_err(Failure::aws(format!(
            "the tags of fleet `{fleet}` cannot be taken off its instances"
        )))?;
        instances.extend(there);
    }
    let released = Released {
        fleet: fleet.clone(),
        done: "released",
        leaving: state.as_ref().map(|state| leaving(state, &instances)).unwrap_or_default(),
        may_still_come: state.as_ref().map_or(0, launches_under_way),
        instances,
        alarms_removed,
    };
    console.answer(&text(&released), &released)
}

fn leaving(state: &CapacityState, instances: &[InstanceId]) -> Vec<InstanceId> {
    let leaves = |id: &&InstanceId| {
        let members = state.pools.values().filter_map(|pool| pool.members.get(*id));
        members
            .into_iter()
            .any(|member| member.drain.is_some() || member.terminating_since.is_some())
    };
    instances.iter().filter(leaves).cloned().collect()
}

fn text(released: &Released) -> String {
    let Released { fleet, instances, .. } = released;
    let mut lines = vec![format!("{fleet}: forgotten, {} left running, nobody's", counted(instances.len()))];
    if !released.leaving.is_empty() {
        let ids: Vec<_> = released.leaving.iter().map(InstanceId::as_str).collect();
        lines.push(format!(
            "  were leaving, out of their target groups, and run on: {}",
            ids.join(", ")
        ));
    }
    if released.may_still_come > 0 {
        lines.push(format!(
            "  launches were under way: run `ghostnet release {fleet}` again in two minutes, for those that still came"
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_reads_what_is_left() {
        let id = |n: u32| InstanceId::new(format!("i-{n}"));
        let released = |instances: u32, leaving: &[u32], may_still_come| Released {
            fleet: "web".parse().unwrap_or_else(|error| panic!("{error}")),
            done: "released",
            instances: (1..=instances).map(id).collect(),
            leaving: leaving.iter().copied().map(id).collect(),
            may_still_come,
            alarms_removed: Vec::new(),
        };
        insta::assert_snapshot!(text(&released(1, &[], 0)), @"web: forgotten, 1 instance left running, nobody's");
        insta::assert_snapshot!(text(&released(12, &[3, 4], 1)), @"
        web: forgotten, 12 instances left running, nobody's
          were leaving, out of their target groups, and run on: i-3, i-4
          launches were under way: run `ghostnet release web` again in two minutes, for those that still came
        ");
    }
}
