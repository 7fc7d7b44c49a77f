//! `ghostnet evacuate`: a zone is left for a time, launch first, or used again.

use ghostnet_aws::answer::Heard;
use ghostnet_core::id::{FleetId, PoolId, Zone};
use ghostnet_core::operator::{HOLD_MAX, Wish};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::Clock;

use crate::arguments;
use crate::ask::{self, Asking};
use crate::console::Console;
use crate::failure::Failure;
use crate::stack::Session;

/// Leave a zone for a time: whoever is there is replaced in the others, launch first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet evacuate web --zone eu-west-1a --for 4h --reason 'errors in a'
  ghostnet evacuate web --zone eu-west-1a --end

Nothing is launched there meanwhile, and nobody leaves by scale-in. Instances with the protect tag stay. \
With --json: {fleet, plan, pools: {POOL: {before, after, guards, holds}}, launched, trouble}.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
    /// The zone, by its name
    #[arg(long)]
    zone: String,
    /// The pool; every one that launches there if absent
    #[arg(long)]
    pool: Option<PoolId>,
    /// For how long, at most 3d; it always ends
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = length, conflicts_with = "end")]
    length: Seconds,
    /// Why, for the record
    #[arg(long, required_unless_present = "end", conflicts_with = "end")]
    reason: Option<String>,
    /// Use it again at once
    #[arg(long)]
    end: bool,
}

fn length(text: &str) -> Result<Seconds, String> {
    let length = arguments::length(text)?;
    if length > HOLD_MAX {
        Err(format!(
            "a zone is left for {HOLD_MAX} at most; for longer, take its subnet out of the spec"
        ))
    } else {
        Ok(length)
    }
}

/// Asks the tick function.
///
/// # Errors
/// The function cannot be asked, or refuses.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let at = session.aws.now();
    let zone = Zone::new(args.zone.clone());
    let wish = if args.end {
        Wish::UseAgain { zone }
    } else {
        Wish::Evacuate {
            zone,
            until: args.length.after(at),
            reason: args.reason.clone().unwrap_or_default(),
        }
    };
    let asking = Asking {
        fleet: &args.fleet,
        pool: args.pool.as_ref(),
        verb: "evacuated",
    };
    let heard = ask::operator(&session, &asking, at, wish).await?;
    console.answer(&text(args, &heard), &heard)
}

fn text(args: &Args, heard: &Heard) -> String {
    let (fleet, zone) = (&heard.fleet, &args.zone);
    let mut lines = vec![if args.end {
        format!("{fleet}: {zone} is used again")
    } else {
        format!(
            "{fleet}: {zone} is left for {}; `ghostnet status {fleet} --instances --watch` shows who is still there",
            args.length
        )
    }];
    if heard.launched > 0 {
        lines.push(format!("launched {} in other zones at once", heard.launched));
    }
    lines.extend(heard.trouble.iter().map(|trouble| format!("trouble: {trouble}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &[&str]) -> Result<Args, String> {
        use clap::Parser;
        let cli = crate::cli::Cli::try_parse_from(["ghostnet", "evacuate", "web", "--zone", "eu-west-1a"].iter().chain(line));
        match cli.map_err(|error| error.to_string())?.verb {
            crate::cli::Verb::Evacuate(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_operator_reads_what_came_of_it() {
        let heard = r#"{"fleet":"web","plan":"p","pools":{},"launched":3,"trouble":[]}"#;
        let (Ok(leaves), Ok(ends), Ok(heard)) = (
            args(&["--reason", "r", "--for", "4h"]),
            args(&["--end"]),
            serde_json::from_str(heard),
        ) else {
            panic!("all can be read")
        };
        insta::assert_snapshot!(text(&leaves, &heard), @"
        web: eu-west-1a is left for 4h; `ghostnet status web --instances --watch` shows who is still there
        launched 3 in other zones at once
        ");
        assert!(text(&ends, &heard).starts_with("web: eu-west-1a is used again"));
    }

    #[test]
    fn it_has_a_reason_and_an_end() {
        for (line, told) in [
            (vec![], "--reason <REASON>"),
            (vec!["--end", "--reason", "r"], "cannot be used with"),
            (vec!["--reason", "r", "--for", "4d"], "a zone is left for 3d at most"),
        ] {
            let error = args(&line).err().unwrap_or_default();
            assert!(error.contains(told), "{line:?}: {error}");
        }
    }
}
