//! `ghostnet adopt`: instances that run elsewhere become a pool's, and its size is raised with them.
//!
//! They are tagged with the operator's own rights, which says whose they are, and the tick function is asked to take them in. Until it
//! has, the pool is held: nobody is launched or leaves because of what is half done, and once more finishes it.

use std::collections::BTreeSet;
use std::time::Duration;

use ghostnet_aws::answer::Heard;
use ghostnet_aws::autoscaling::GroupFacts;
use ghostnet_core::id::{FleetId, InstanceId, PlanId, PoolId, Region};
use ghostnet_core::observation::tag;
use ghostnet_core::operator::Wish;
use ghostnet_core::spec::{FleetSpec, PoolRole, PoolSpec};
use ghostnet_engine::port::Clock;
use serde::Serialize;

use super::delete::listed;
use crate::ask::{self, Asking};
use crate::console::Console;
use crate::failure::Failure;
use crate::stack::Session;
use crate::takeover::{self, Takeover};

/// EC2 shows a new tag to a filter within seconds.
const SHOWN_EVERY: Duration = Duration::from_secs(3);
/// Looks for new tags before the function is asked in any case, which then says what it misses.
const LOOKS_MAX: usize = 10;

/// Take running instances over into a fleet
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("whom").required(true))]
#[command(after_help = "Examples:
  ghostnet adopt web --instances i-0a1b,i-0c2d --dry-run
  ghostnet adopt web --pool blue --asg web-asg

Everything that stands against it is told at once, and then nothing is done. An Auto Scaling group must have its processes suspended:
the message has the command. The pool's size is raised with the instances, they are registered in its target groups, and serve on.
`ghostnet import asg NAME` writes the fleet's spec first; `docs/operations.md` has the way there and back.
With --json: {fleet, pool, instances, before, after, dry_run, plan, notes}.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
    /// The pool; the active one if absent
    #[arg(long)]
    pool: Option<PoolId>,
    /// These instances
    #[arg(long, value_name = "IDS", value_delimiter = ',', group = "whom")]
    instances: Vec<String>,
    /// All that serve in this Auto Scaling group
    #[arg(long, value_name = "NAME", group = "whom")]
    asg: Option<String>,
    /// Only check, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What was taken over. The JSON form is stable.
#[derive(Debug, Serialize)]
struct Adopted {
    fleet: FleetId,
    pool: PoolId,
    instances: Vec<InstanceId>,
    /// The pool's size before and with them; none after a dry run.
    before: Option<u32>,
    after: Option<u32>,
    dry_run: bool,
    plan: Option<PlanId>,
    notes: Vec<String>,
}

/// Takes the instances over.
///
/// # Errors
/// Something stands against it, the function refuses, or AWS does.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let fleet = &args.fleet;
    let Some(stored) = session.spec(fleet).await? else {
        return Err(session.no_fleet(fleet).await);
    };
    let spec = FleetSpec::check(&stored.spec).map_err(|problems| Failure::Stored {
        fleet: fleet.clone(),
        problems: problems.len(),
    })?;
    let pool = pool(args, &spec)?;
    let group = group(&session, pool.region_or(session.aws.home()), args).await?;
    let (instances, mut notes) = whom(args, group.as_ref());
    let found = session.aws.candidates(pool.region_or(session.aws.home()), &instances).await;
    let found = found.map_err(Failure::aws("instances cannot be read"))?;
    let state = session.state(fleet).await?;
    let takeover = Takeover {
        installation: session.aws.installation().as_str(),
        fleet,
        pool,
        maximum: spec.maximum,
        state: state.as_ref(),
        instances: &instances,
        found: &found,
        group: group.as_ref(),
    };
    let problems = takeover.problems();
    if !problems.is_empty() {
        return Err(Failure::NotAdopted {
            fleet: fleet.clone(),
            problems,
        });
    }
    if let Some(key) = protected(group.as_ref(), &instances, pool) {
        notes.push(key);
    }
    let heard = if args.dry_run {
        None
    } else {
        Some(take_over(&session, &takeover).await?)
    };
    let size = heard.as_ref().and_then(|heard| heard.pools.get(&pool.id));
    let adopted = Adopted {
        fleet: fleet.clone(),
        pool: pool.id.clone(),
        before: state.as_ref().and_then(|state| state.pools.get(&pool.id)).map(|pool| pool.desired),
        after: size.map(|size| size.after),
        dry_run: args.dry_run,
        plan: heard.map(|heard| heard.plan),
        instances,
        notes,
    };
    for note in &adopted.notes {
        console.say(&format!("note: {note}"));
    }
    console.answer(&text(&adopted), &adopted)
}

fn pool<'a>(args: &Args, spec: &'a FleetSpec) -> Result<&'a PoolSpec, Failure> {
    let found = spec.pools.iter().find(|pool| match &args.pool {
        Some(named) => pool.id == *named,
        None => pool.role == PoolRole::Active,
    });
    found.ok_or_else(|| {
        let named = args.pool.as_ref().map_or_else(String::new, |pool| format!(" `{pool}`"));
        Failure::Argument(format!("fleet `{}` has no such pool{named}", args.fleet))
    })
}

async fn group(session: &Session, region: &Region, args: &Args) -> Result<Option<GroupFacts>, Failure> {
    let Some(name) = &args.asg else { return Ok(None) };
    let found = session.aws.auto_scaling_group(region, name).await;
    let found = found.map_err(Failure::aws("Auto Scaling groups cannot be read"))?;
    found.map(Some).ok_or_else(|| Failure::NoGroup(name.clone()))
}

fn whom(args: &Args, group: Option<&GroupFacts>) -> (Vec<InstanceId>, Vec<String>) {
    match group {
        Some(group) => takeover::serving(group),
        None => {
            let named: BTreeSet<InstanceId> = args.instances.iter().map(|id| InstanceId::new(id.trim())).collect();
            (named.into_iter().collect(), Vec::new())
        }
    }
}

/// The protection of an Auto Scaling group is none of ours.
fn protected(group: Option<&GroupFacts>, instances: &[InstanceId], pool: &PoolSpec) -> Option<String> {
    let in_group = group?.instances.iter();
    let protected: Vec<&str> = in_group
        .filter(|instance| instance.protected && instances.contains(&instance.id))
        .map(|instance| instance.id.as_str())
        .collect();
    (!protected.is_empty()).then(|| {
        let key = pool.protect_tag.as_str();
        format!(
            "the group protects {} from scale-in, GhostNet does not: tag them `{key}`",
            protected.join(", ")
        )
    })
}

/// Tags them, and asks the function to take them in. What it refuses is nobody's again.
async fn take_over(session: &Session, takeover: &Takeover<'_>) -> Result<Heard, Failure> {
    let (aws, fleet) = (&session.aws, takeover.fleet);
    let new = takeover.untagged();
    let tags = [
        (tag::INSTALLATION, takeover.installation.to_owned()),
        (tag::FLEET, fleet.to_string()),
        (tag::POOL, takeover.pool.id.to_string()),
        (tag::PLAN, tag::HANDED_OVER.to_owned()),
    ];
    let region = takeover.pool.region_or(aws.home());
    let owned = aws.own(region, &new, &tags).await;
    owned.map_err(Failure::aws(format!("the tags of fleet `{fleet}` cannot be set")))?;
    wait_until_shown(session, takeover).await?;
    let asking = Asking {
        fleet,
        pool: Some(&takeover.pool.id),
        verb: "larger",
    };
    let wish = Wish::HandOver {
        instances: takeover.instances.to_vec(),
    };
    match ask::operator(session, &asking, aws.now(), wish).await {
        Err(refused @ Failure::NotDone { is_certain: true, .. }) => {
            let disowned = aws.disown(region, &new).await;
            disowned.map_err(Failure::aws(
                "the request was refused, and the tags that were just set cannot be taken off",
            ))?;
            Err(refused)
        }
        answer => answer,
    }
}

async fn wait_until_shown(session: &Session, takeover: &Takeover<'_>) -> Result<(), Failure> {
    let region = takeover.pool.region_or(session.aws.home());
    for _ in 0..LOOKS_MAX {
        let shown: BTreeSet<InstanceId> = listed(session, takeover.fleet, &[region.clone()].into())
            .await?
            .into_iter()
            .map(|listed| listed.instance.id)
            .collect();
        if takeover.instances.iter().all(|id| shown.contains(id)) {
            break;
        }
        #[expect(clippy::disallowed_methods, reason = "a person waits")]
        tokio::time::sleep(SHOWN_EVERY).await;
    }
    Ok(())
}

fn text(adopted: &Adopted) -> String {
    let Adopted {
        fleet, pool, instances, ..
    } = adopted;
    let ids: Vec<&str> = instances.iter().map(InstanceId::as_str).collect();
    let ids = ids.join(", ");
    match (adopted.dry_run, adopted.after) {
        (true, _) => format!("{fleet}/{pool}: nothing stands against taking over {ids}"),
        (false, Some(after)) => format!(
            "{fleet}/{pool}: {} -> {after}; took over {ids}",
            adopted.before.map_or_else(|| "new".to_owned(), |before| before.to_string())
        ),
        (false, None) => format!("{fleet}/{pool}: took over {ids}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &[&str]) -> Result<Args, String> {
        use clap::Parser;
        let cli = crate::cli::Cli::try_parse_from(["ghostnet", "adopt", "web"].iter().chain(line));
        match cli.map_err(|error| error.to_string())?.verb {
            crate::cli::Verb::Adopt(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn instances_or_a_group_are_named() {
        for (line, told) in [
            (vec![], "--asg <NAME>"),
            (vec!["--instances", "i-1", "--asg", "web-asg"], "cannot be used with"),
        ] {
            let error = args(&line).err().unwrap_or_default();
            assert!(error.contains(told), "{line:?}: {error}");
        }
        let named = args(&["--instances", "i-2,i-1,i-2"]).map(|args| whom(&args, None).0);
        assert_eq!(named, Ok(vec![InstanceId::new("i-1"), InstanceId::new("i-2")]), "each once");
    }

    #[test]
    fn an_operator_reads_what_was_taken_over() {
        let adopted = |dry_run, after| Adopted {
            fleet: "web".parse().unwrap_or_else(|error| panic!("{error}")),
            pool: "blue".parse().unwrap_or_else(|error| panic!("{error}")),
            instances: vec![InstanceId::new("i-1"), InstanceId::new("i-2")],
            before: Some(2),
            after,
            dry_run,
            plan: None,
            notes: Vec::new(),
        };
        insta::assert_snapshot!(text(&adopted(true, None)), @"web/blue: nothing stands against taking over i-1, i-2");
        insta::assert_snapshot!(text(&adopted(false, Some(4))), @"web/blue: 2 -> 4; took over i-1, i-2");
    }
}
