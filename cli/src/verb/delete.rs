//! `ghostnet delete`: the end of a fleet, with its instances or, as `ghostnet release` says directly, without.

use std::collections::BTreeSet;

use ghostnet_core::id::{AlarmName, FleetId, InstanceId, Region, SpecVersion};
use ghostnet_core::plan::Action;
use ghostnet_core::spec::FleetSpec;
use ghostnet_core::state::{CapacityState, StoredSpec};
use ghostnet_engine::port::{Clock, CommitResult, Compute, ListedInstance};
use serde::Serialize;

use super::release;
use crate::console::Console;
use crate::failure::Failure;
use crate::stack::Session;

/// Delete a fleet: drain its instances, or release them
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("how").required(true))]
#[command(after_help = "Examples:
  ghostnet delete web --drain     # drain and terminate every instance; run it again, when all are gone, to forget the fleet
  ghostnet delete web --release   # the same as `ghostnet release web`

With --json: {fleet, done, instances, alarms_removed}; done is `draining` or `forgotten`. Decisions stay on record until \
they expire. With --release as `ghostnet release` prints it.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
    /// Drain and terminate its instances
    #[arg(long, group = "how")]
    drain: bool,
    /// Forget it at once and leave its instances running and registered, nobody's
    #[arg(long, group = "how")]
    release: bool,
}

/// What became of a fleet. The JSON form is stable.
#[derive(Debug, Serialize)]
struct Deleted {
    fleet: FleetId,
    done: Done,
    /// Instances that exist or may exist, and leave.
    instances: usize,
    alarms_removed: Vec<AlarmName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Draining,
    Forgotten,
}

/// Deletes the fleet.
///
/// # Errors
/// There is no such fleet, somebody applied it in between, or AWS refuses.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let fleet = &args.fleet;
    if args.release {
        return release::release(&session, fleet, console).await;
    }
    let Some(stored) = session.spec(fleet).await? else {
        return Err(session.no_fleet(fleet).await);
    };
    let instances = instances(&session, fleet, &regions(&session, Some(&stored))).await?;
    let done = if !(stored.retiring && instances == 0) {
        if !stored.retiring {
            retire(&session, fleet).await?;
        }
        Done::Draining
    } else {
        forget(&session, fleet, stored.version).await?;
        Done::Forgotten
    };
    let alarms_removed = remove_alarms(&session, fleet).await?;
    let deleted = Deleted {
        fleet: fleet.clone(),
        done,
        instances,
        alarms_removed,
    };
    console.answer(&text(&deleted), &deleted)?;
    if done == Done::Draining {
        console.say(&format!(
            "hint: `ghostnet status {fleet} --watch` shows when it is empty; then run `ghostnet delete {fleet} --drain` again to forget it"
        ));
    }
    Ok(())
}

/// Instances of the fleet that exist or may exist: those that EC2 lists, and those that only the state knows.
async fn instances(session: &Session, fleet: &FleetId, regions: &BTreeSet<Region>) -> Result<usize, Failure> {
    let mut ids: BTreeSet<InstanceId> = listed(session, fleet, regions)
        .await?
        .into_iter()
        .map(|listed| listed.instance.id)
        .collect();
    let state = session.state(fleet).await?;
    let members = state.iter().flat_map(|state| state.pools.values()).flat_map(|pool| &pool.members);
    ids.extend(members.filter(|(_, member)| !member.gone).map(|(id, _)| id.clone()));
    Ok(ids.len().saturating_add(state.as_ref().map_or(0, launches_under_way)))
}

/// Instances that carry the fleet's tags and are not gone.
pub(super) async fn listed(session: &Session, fleet: &FleetId, regions: &BTreeSet<Region>) -> Result<Vec<ListedInstance>, Failure> {
    let is_its = |listed: &ListedInstance| listed.fleet.as_ref() == Some(fleet) && !listed.instance.state.is_gone();
    let mut all = Vec::new();
    for region in regions {
        let listed = session.aws.instances(region, session.aws.installation()).await;
        all.extend(listed.map_err(Failure::aws("instances cannot be read"))?.into_iter().filter(is_its));
    }
    Ok(all)
}

/// Where a fleet may have instances; one that is not stored any more, where the installation is.
pub(super) fn regions(session: &Session, stored: Option<&StoredSpec>) -> BTreeSet<Region> {
    let home = session.aws.home();
    let spec = stored.and_then(|stored| FleetSpec::check(&stored.spec).ok());
    spec.map_or_else(|| [home.clone()].into(), |spec| spec.regions(home))
}

/// Launches whose answer was lost, or is still to come: they may bring their instances yet.
pub(super) fn launches_under_way(state: &CapacityState) -> usize {
    let open = state.open.iter();
    open.filter(|open| matches!(open.step.action, Action::Launch(_))).count()
}

async fn retire(session: &Session, fleet: &FleetId) -> Result<(), Failure> {
    let by = session.caller().await;
    let retired = session.aws.retire(fleet, &by, session.aws.now()).await;
    match retired.map_err(Failure::aws(format!("fleet `{fleet}` cannot be marked for deletion")))? {
        Some(_) => Ok(()),
        None => Err(session.no_fleet(fleet).await),
    }
}

pub(super) async fn forget(session: &Session, fleet: &FleetId, version: SpecVersion) -> Result<(), Failure> {
    match session
        .aws
        .delete_fleet(fleet, version)
        .await
        .map_err(Failure::aws(format!("fleet `{fleet}` cannot be deleted")))?
    {
        CommitResult::Committed => Ok(()),
        CommitResult::Conflict => Err(Failure::Raced(fleet.clone())),
    }
}

/// Nothing needs to grow any more.
pub(super) async fn remove_alarms(session: &Session, fleet: &FleetId) -> Result<Vec<AlarmName>, Failure> {
    let region = session.aws.home();
    let names: Vec<AlarmName> = session.alarms(fleet).await?.into_iter().map(|alarm| alarm.name).collect();
    session
        .aws
        .delete_alarms(region, &names)
        .await
        .map_err(Failure::aws(format!("the alarms of fleet `{fleet}` cannot be removed")))?;
    Ok(names)
}

fn text(deleted: &Deleted) -> String {
    let Deleted { fleet, instances, .. } = deleted;
    match deleted.done {
        Done::Draining => format!("{fleet}: draining {}", counted(*instances)),
        Done::Forgotten => format!("{fleet}: forgotten, nothing is left of it but its decisions"),
    }
}

/// `1 instance`, `2 instances`.
pub(super) fn counted(instances: usize) -> String {
    if instances == 1 {
        "1 instance".to_owned()
    } else {
        format!("{instances} instances")
    }
}
