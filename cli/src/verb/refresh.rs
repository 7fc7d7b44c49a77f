//! `ghostnet refresh`: every instance is replaced by a new one, launch first, some at a time.

use ghostnet_aws::answer::Heard;
use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::operator::Wish;
use ghostnet_core::refresh::{BAKE_MAX, RefreshRequest};
use ghostnet_core::unit::{Percent, Seconds};
use ghostnet_engine::port::Clock;

use crate::arguments;
use crate::ask::{self, Asking};
use crate::console::Console;
use crate::failure::Failure;
use crate::stack::Session;

/// What changes a refresh, and starts none.
const CHANGES: [&str; 4] = ["pause", "resume", "cancel", "rollback"];

/// Replace the instances of a fleet by new ones, launch first, some at a time
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
#[command(after_help = "Examples:
  ghostnet refresh web --reason 'new image'
  ghostnet refresh web --pool green --drifted --reason 'version 12' --checkpoints 20%,50% --bake 30m
  ghostnet refresh web --pause
  ghostnet refresh web --resume
  ghostnet refresh web --cancel      # replace no more
  ghostnet refresh web --rollback    # replace the new ones by the launch template's version from before

As many as are wanted serve all the time; a batch is as large as surge and budgets allow, and none begins while anybody is sick.
`ghostnet status` shows how far it is. With --json: {fleet, plan, pools: {POOL: {before, after, guards, holds, refresh}},
launched, trouble}.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
    /// The pool; absent: every pool to start one, else every pool of which a refresh goes on
    #[arg(long)]
    pool: Option<PoolId>,
    /// Start one: why, for the record
    #[arg(long, group = "what")]
    reason: Option<String>,
    /// Shares of the instances at which to wait, ascending
    #[arg(long, value_name = "SHARES", value_delimiter = ',', value_parser = share, conflicts_with_all = CHANGES)]
    checkpoints: Vec<Percent>,
    /// How long to wait there, at most 1d
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = bake_length, requires = "checkpoints")]
    bake: Seconds,
    /// Only those of another version of the launch template than the last `apply` found
    #[arg(long, conflicts_with_all = CHANGES)]
    drifted: bool,
    /// Begin no further replacement until resumed
    #[arg(long, group = "what")]
    pause: bool,
    /// Go on
    #[arg(long, group = "what")]
    resume: bool,
    /// Replace no more; what was replaced stays replaced
    #[arg(long, group = "what")]
    cancel: bool,
    /// Bring the launch template's version from before back, and launch it until the next `apply`
    #[arg(long, group = "what")]
    rollback: bool,
}

fn share(text: &str) -> Result<Percent, String> {
    Percent::parse(text)
        .filter(|share| (1..=100).contains(&share.0))
        .ok_or_else(|| "write shares from 1% to 100%: `20%,50%`".to_owned())
}

fn bake_length(text: &str) -> Result<Seconds, String> {
    let length = arguments::length(text)?;
    if length > BAKE_MAX {
        Err(format!("a checkpoint waits {BAKE_MAX} at most; for longer, `--pause`"))
    } else {
        Ok(length)
    }
}

impl Args {
    fn request(&self) -> RefreshRequest {
        match &self.reason {
            Some(reason) => RefreshRequest::Start {
                reason: reason.clone(),
                checkpoints: self.checkpoints.clone(),
                bake: self.bake,
                drifted: self.drifted,
            },
            None if self.pause => RefreshRequest::Pause,
            None if self.resume => RefreshRequest::Resume,
            None if self.cancel => RefreshRequest::Cancel,
            // the arguments name exactly one
            None => RefreshRequest::Rollback,
        }
    }
}

/// Asks the tick function for a refresh, or for a change of one.
///
/// # Errors
/// The function cannot be asked, or refuses.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let asking = Asking {
        fleet: &args.fleet,
        pool: args.pool.as_ref(),
        verb: "refreshed",
    };
    let heard = ask::operator(&session, &asking, session.aws.now(), Wish::Refresh(args.request())).await?;
    console.answer(&text(&heard), &heard)
}

/// The pools whose refresh was asked about, or goes on.
fn text(heard: &Heard) -> String {
    let mut lines = Vec::new();
    for (id, pool) in &heard.pools {
        let mut told = pool.refresh.iter();
        lines.extend(told.next().map(|first| format!("{}/{id}: {first}", heard.fleet)));
        lines.extend(told.map(|more| format!("  {more}")));
    }
    if lines.is_empty() {
        lines.push(format!(
            "{}: heard; `ghostnet status {} --watch` shows how it goes on",
            heard.fleet, heard.fleet
        ));
    }
    if heard.launched > 0 {
        lines.push(format!("launched {} at once", heard.launched));
    }
    lines.extend(heard.trouble.iter().map(|trouble| format!("trouble: {trouble}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &[&str]) -> Result<Args, String> {
        use clap::Parser;
        let cli = crate::cli::Cli::try_parse_from(["ghostnet", "refresh", "web"].iter().chain(line));
        match cli.map_err(|error| error.to_string())?.verb {
            crate::cli::Verb::Refresh(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_typed_becomes_a_request() {
        let start = |checkpoints: &[u16], bake: u32, drifted| RefreshRequest::Start {
            reason: "new image".to_owned(),
            checkpoints: checkpoints.iter().map(|share| Percent(*share)).collect(),
            bake: Seconds(bake),
            drifted,
        };
        let reason = ["--reason", "new image"];
        for (line, request) in [
            (reason.to_vec(), start(&[], 600, false)),
            ([&reason[..], &["--drifted"]].concat(), start(&[], 600, true)),
            (
                [&reason[..], &["--checkpoints", "20%,50%", "--bake", "30m"]].concat(),
                start(&[20, 50], 1_800, false),
            ),
            (vec!["--pause"], RefreshRequest::Pause),
            (vec!["--resume"], RefreshRequest::Resume),
            (vec!["--cancel"], RefreshRequest::Cancel),
            (vec!["--rollback"], RefreshRequest::Rollback),
        ] {
            assert_eq!(args(&line).map(|args| args.request()), Ok(request), "{line:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_wrong_usage() {
        for (line, told) in [
            (vec![], "--reason <REASON>"),
            (vec!["--pause", "--cancel"], "cannot be used with"),
            (vec!["--pause", "--reason", "r"], "cannot be used with"),
            (vec!["--pause", "--checkpoints", "20%"], "cannot be used with"),
            (vec!["--rollback", "--drifted"], "cannot be used with"),
            (vec!["--drifted"], "--reason <REASON>"),
            (vec!["--reason", "r", "--bake", "5m"], "--checkpoints <SHARES>"),
            (vec!["--reason", "r", "--checkpoints", "20"], "write shares from 1% to 100%"),
            (
                vec!["--reason", "r", "--checkpoints", "20%", "--bake", "2d"],
                "a checkpoint waits 1d at most",
            ),
        ] {
            let error = args(&line).err().unwrap_or_default();
            assert!(error.contains(told), "{line:?}: {error}");
        }
    }

    #[test]
    fn an_operator_reads_what_came_of_it() {
        let heard = r#"{"fleet":"web","plan":"p","pools":{
            "blue":{"before":6,"after":6,"guards":[],"holds":null,
                    "refresh":["operator ana starts a refresh: new image","refresh asked by ana: 0 of 6 replaced"]},
            "green":{"before":2,"after":2,"guards":[],"holds":null}},"launched":1,"trouble":[]}"#;
        let Ok(mut heard) = serde_json::from_str::<Heard>(heard) else {
            panic!("it can be read")
        };
        insta::assert_snapshot!(text(&heard), @"
        web/blue: operator ana starts a refresh: new image
          refresh asked by ana: 0 of 6 replaced
        launched 1 at once
        ");
        for pool in heard.pools.values_mut() {
            pool.refresh.clear();
        }
        heard.launched = 0;
        insta::assert_snapshot!(text(&heard), @"web: heard; `ghostnet status web --watch` shows how it goes on");
    }
}
