//! `ghostnet scale`: an operator's size holds for a time in place of the votes.

use ghostnet_aws::answer::{Answer, Heard, PoolHeard};
use ghostnet_aws::event::scale_payload;
use ghostnet_aws::lambda::Said;
use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::operator::{Asked, HOLD_MAX, OperatorRequest, Wish};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::Clock;

use crate::arguments;
use crate::console::Console;
use crate::failure::Failure;
use crate::stack::Session;

/// Longest part of an answer that cannot be read which is shown.
const ANSWER_LETTERS_MAX: usize = 300;

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
    let request = OperatorRequest {
        fleet: args.fleet.clone(),
        pool: args.pool.clone(),
        asked: Asked {
            by: session.caller().await,
            at,
            wish,
        },
    };
    let said = session.aws.invoke(&session.stack.tick_function, scale_payload(&request)).await;
    let said = said.map_err(Failure::aws(format!("function `{}` cannot be asked", session.stack.tick_function)))?;
    let heard = heard(&args.fleet, &said)?;
    console.answer(&text(args, &heard), &heard)
}

fn heard(fleet: &FleetId, said: &Said) -> Result<Heard, Failure> {
    let refused = |why: String, hint: Option<String>| Failure::NotScaled {
        fleet: fleet.clone(),
        why,
        hint,
    };
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(ANSWER_LETTERS_MAX).collect::<String>();
    match said {
        Said::Failed(story) => Err(refused(
            format!("the function failed: {}", shown(story)),
            Some("run the command again; `ghostnet status` shows whether the size holds already".to_owned()),
        )),
        Said::Answer(bytes) => match serde_json::from_slice(bytes) {
            Ok(Answer::Heard(heard)) => Ok(heard),
            Ok(Answer::Refused { why, hint }) => Err(refused(why, Some(hint))),
            Ok(Answer::Failed { kind, .. }) if kind == "NoSuchFleet" => Err(Failure::NoFleet {
                fleet: fleet.clone(),
                meant: None,
            }),
            Ok(Answer::Failed { why, .. }) => Err(refused(why, None)),
            Err(_) => Err(refused(
                format!("the function answered `{}`", shown(bytes)),
                Some("deploy the functions of this version: `sam build && sam deploy`".to_owned()),
            )),
        },
    }
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

    fn fleet() -> FleetId {
        "web".parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn args(line: &[&str]) -> Result<Args, String> {
        use clap::Parser;
        let cli = crate::cli::Cli::try_parse_from(["ghostnet", "scale", "web"].iter().chain(line));
        match cli.map_err(|error| error.to_string())?.verb {
            crate::cli::Verb::Scale(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    const HEARD: &[u8] = br#"{"heard":{"fleet":"web","plan":"p","pools":{
        "blue":{"before":6,"after":9,"guards":["an operator wants 12 until 2026-03-02T10:00:00Z","at most 3 launches a minute"],
                "holds":"operator ana: 12 until 2026-03-02T10:00:00Z, load test"},
        "green":{"before":2,"after":2,"guards":[],"holds":null}},"launched":3,"trouble":[]}}"#;

    #[test]
    fn an_operator_reads_what_came_of_it() {
        let (Ok(args), Ok(heard)) = (
            args(&["--desired", "12", "--reason", "load test"]),
            heard(&fleet(), &Said::Answer(HEARD.to_vec())),
        ) else {
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
    fn a_refusal_says_what_where_why_and_what_to_do() {
        let report = |said: Said| heard(&fleet(), &said).map_err(|failure| failure.report()).err().unwrap_or_default();
        let answer = |text: &str| report(Said::Answer(text.as_bytes().to_vec()));
        insta::assert_snapshot!(answer(r#"{"refused":{"why":"70 is not between 1 and 40","hint":"ask for less"}}"#), @"
        error: fleet `web` is not scaled
          because: 70 is not between 1 and 40
        hint: ask for less
        ");
        insta::assert_snapshot!(answer(r#"{"failed":{"kind":"NoSuchFleet","why":"fleet is not applied"}}"#), @"
        error: fleet `web` is not applied
        hint: `ghostnet status` lists the fleets
        ");
        insta::assert_snapshot!(answer("null"), @"
        error: fleet `web` is not scaled
          because: the function answered `null`
        hint: deploy the functions of this version: `sam build && sam deploy`
        ");
        insta::assert_snapshot!(report(Said::Failed(br#"{"errorType":"CommitConflict"}"#.to_vec())), @r#"
        error: fleet `web` is not scaled
          because: the function failed: {"errorType":"CommitConflict"}
        hint: run the command again; `ghostnet status` shows whether the size holds already
        "#);
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
