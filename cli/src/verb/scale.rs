//! `ghostnet scale`: an operator's size holds for a time in place of the votes.

use ghostnet_aws::answer::{Heard, PoolHeard};
use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::operator::{HOLD_MAX, Wish};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::Clock;

use crate::arguments;
use crate::ask::{self, Asking};
use crate::console::Console;
use crate::failure::Failure;
use crate::stack::Session;

/// Hold a pool at a size for a time, in place of the policies' votes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet scale web --desired 12 --for 2h --reason 'load test'
  ghostnet scale web --pool green --desired 4 --reason 'rehearsal'
  ghostnet scale web --clear

The size is held at once, within the bounds of the pool and the fleet; budgets, breaker and pauses still hold. When its time is \
over the policies go on from there. With --json: {fleet, plan, pools: {POOL: {before, after, guards, holds}}, launched, trouble}.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
    /// The pool; the one that takes traffic if absent, every pool with --clear
    #[arg(long)]
    pool: Option<PoolId>,
    /// So many instances
    #[arg(
        long,
        value_name = "N",
        required_unless_present = "clear",
        conflicts_with = "clear",
        requires = "reason"
    )]
    desired: Option<u32>,
    /// For how long, at most 3d; it always ends
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = hold_length)]
    length: Seconds,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
    /// Give up what was asked for: the policies go on at once
    #[arg(long)]
    clear: bool,
}

fn hold_length(text: &str) -> Result<Seconds, String> {
    let length = arguments::length(text)?;
    if length > HOLD_MAX {
        Err(format!("a size is held for {HOLD_MAX} at most; for longer, change the spec"))
    } else {
        Ok(length)
    }
}

/// Asks the tick function for a size.
///
/// # Errors
/// The function cannot be asked, or refuses.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let at = session.aws.now();
    let wish = match args.desired {
        Some(desired) => Wish::Hold {
            desired,
            until: args.length.after(at),
            reason: args.reason.clone().unwrap_or_default(),
        },
        None => Wish::Clear,
    };
    let asking = Asking {
        fleet: &args.fleet,
        pool: args.pool.as_ref(),
        verb: "scaled",
    };
    let heard = ask::operator(&session, &asking, at, wish).await?;
    console.answer(&text(args, &heard), &heard)
}

/// The pools that were asked about, or that moved.
fn text(args: &Args, heard: &Heard) -> String {
    let is_told = |(id, pool): &(&PoolId, &PoolHeard)| match &args.pool {
        Some(asked) => *id == asked,
        None => args.clear || pool.holds.is_some() || pool.before != pool.after,
    };
    let mut lines = Vec::new();
    for (id, pool) in heard.pools.iter().filter(is_told) {
        let size = if pool.before == pool.after {
            format!("{} as before", pool.after)
        } else {
            format!("{} -> {}", pool.before, pool.after)
        };
        let who = pool.holds.as_deref().unwrap_or("the policies decide");
        lines.push(format!("{}/{id}: {size}; {who}", heard.fleet));
        lines.extend(pool.guards.iter().map(|guard| format!("  {guard}")));
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
        let cli = crate::cli::Cli::try_parse_from(["ghostnet", "scale", "web"].iter().chain(line));
        match cli.map_err(|error| error.to_string())?.verb {
            crate::cli::Verb::Scale(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    const HEARD: &[u8] = br#"{"fleet":"web","plan":"p","pools":{
        "blue":{"before":6,"after":9,"guards":["an operator wants 12 until 2026-03-02T10:00:00Z","at most 3 launches a minute"],
                "holds":"operator ana: 12 until 2026-03-02T10:00:00Z, load test"},
        "green":{"before":2,"after":2,"guards":[],"holds":null}},"launched":3,"trouble":[]}"#;

    #[test]
    fn an_operator_reads_what_came_of_it() {
        let (Ok(args), Ok(heard)) = (args(&["--desired", "12", "--reason", "load test"]), serde_json::from_slice(HEARD)) else {
            panic!("both can be read")
        };
        insta::assert_snapshot!(text(&args, &heard), @"
        web/blue: 6 -> 9; operator ana: 12 until 2026-03-02T10:00:00Z, load test
          an operator wants 12 until 2026-03-02T10:00:00Z
          at most 3 launches a minute
        launched 3 at once
        ");
    }

    #[test]
    fn a_size_has_a_reason_and_an_end() {
        for (line, told) in [
            (vec!["--desired", "12"], "--reason <REASON>"),
            (vec![], "--desired <N>"),
            (vec!["--clear", "--desired", "12"], "cannot be used with"),
            (
                vec!["--desired", "12", "--reason", "r", "--for", "4d"],
                "a size is held for 3d at most",
            ),
        ] {
            let error = args(&line).err().unwrap_or_default();
            assert!(error.contains(told), "{line:?}: {error}");
        }
        assert!(args(&["--clear"]).is_ok());
    }
}
