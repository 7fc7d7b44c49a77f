//! `ghostnet import`: the spec of a fleet that does what something else does now.

use ghostnet_core::id::FleetId;
use ghostnet_engine::port::Clock;
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::import::{self, Group, Imported};
use crate::spec_file;
use crate::stack::Session;

/// Write the fleet spec that matches an existing Auto Scaling group
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet import asg web-asg > web.yaml
  ghostnet import asg web-asg --fleet web > web.yaml

Sizes, launch template, types and market, subnets, target groups, health, warm-up, order, scaling policies, scheduled actions and warm
pool are read and nothing is changed. What has no counterpart is a comment at the top. The spec only recommends until you say
`mode: on`; `ghostnet adopt` takes the instances over. With --json: {fleet, spec, remarks}.")]
pub(crate) struct Args {
    /// What to read
    #[command(subcommand)]
    from: From,
}

/// What can be read.
#[derive(Debug, clap::Subcommand)]
enum From {
    /// An Auto Scaling group
    Asg(Asg),
}

/// An Auto Scaling group.
#[derive(Debug, clap::Args)]
struct Asg {
    /// Its name
    name: String,
    /// The fleet's id; made from the group's name if absent
    #[arg(long)]
    fleet: Option<FleetId>,
}

/// The JSON form.
#[derive(Serialize)]
struct Written<'a> {
    fleet: &'a FleetId,
    spec: &'a str,
    remarks: &'a [String],
}

/// Writes the spec to standard output.
///
/// # Errors
/// There is no such group, or AWS refuses.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let From::Asg(asg) = &args.from;
    let no_id = || Failure::Argument(format!("no fleet's id can be made from `{}`: name one with --fleet", asg.name));
    let fleet = asg.fleet.clone().or_else(|| import::fleet_of(&asg.name)).ok_or_else(no_id)?;
    let session = Session::open(stack).await?;
    let group = read(&session, &asg.name).await?;
    let imported = import::translate(&group, &fleet, session.aws.now());
    let Imported { text, remarks } = &imported;
    if let Err(problems) = spec_file::read("the spec", text) {
        for problem in problems {
            console.say(&format!("note: {}, line {}: {}", problem.path, problem.at.line, problem.message));
        }
    }
    console.answer(
        text,
        &Written {
            fleet: &fleet,
            spec: text,
            remarks,
        },
    )
}

async fn read(session: &Session, name: &str) -> Result<Group, Failure> {
    let (aws, region) = (&session.aws, session.aws.home());
    let facts = aws.auto_scaling_group(region, name).await;
    let facts = facts.map_err(Failure::aws("Auto Scaling groups cannot be read"))?;
    let facts = facts.ok_or_else(|| Failure::NoGroup(name.to_owned()))?;
    let rules = aws.auto_scaling_rules(region, name).await;
    let rules = rules.map_err(Failure::aws(format!("the policies of group `{name}` cannot be read")))?;
    let names: Vec<String> = rules.policies.iter().flat_map(|policy| policy.alarms.clone()).collect();
    let alarms = aws.alarm_facts(region, &names).await;
    let alarms = alarms.map_err(Failure::aws("alarms cannot be read"))?;
    Ok(Group { facts, rules, alarms })
}
