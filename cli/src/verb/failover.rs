//! `ghostnet failover`, `failback`, `undo` and `drill`: an operator moves a fleet's traffic, brings it back, puts the rules back as they were, or
//! tries whether it can be moved.

use ghostnet_aws::answer::TrafficHeard;
use ghostnet_core::failover::TrafficWish;
use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::Clock;
use jiff::Timestamp;

use crate::arguments;
use crate::ask::{self, Asking};
use crate::console::Console;
use crate::failure::Failure;
use crate::stack::Session;

/// Longest move for a time: whoever wants more means it for good.
const EXPIRES_MAX: Seconds = Seconds(30 * 86_400);

/// Move a fleet's traffic to another pool, once that one is ready
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet failover web --to green --reason 'rehearsal' --expires 4h
  ghostnet failover web --to green --reason 'blue is retired' --for-good
  ghostnet failover web --to green --reason 'blue is on fire' --expires 1h --force

The destination grows first, and takes the traffic once enough of it is healthy by the load balancer's checks; --force does not wait \
for that. When its time is over the traffic comes back, through the same gate. With --json: {fleet, active, epoch, told, waits, sent, \
records, trouble}.")]
pub(crate) struct Args {
    /// The fleet
    fleet: FleetId,
    /// The pool that is to take the traffic
    #[arg(long, value_name = "POOL")]
    to: PoolId,
    /// Why, for the record
    #[arg(long, value_parser = arguments::reason)]
    reason: String,
    /// For how long, at most 30d; then it comes back
    #[arg(long, value_name = "TIME", value_parser = expires, required_unless_present = "for_good", conflicts_with = "for_good")]
    expires: Option<Seconds>,
    /// Until somebody moves it again
    #[arg(long)]
    for_good: bool,
    /// Move it although the destination is not ready
    #[arg(long)]
    force: bool,
}

/// Bring a fleet's traffic back to the pool that it had left
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet failback web --reason 'blue is repaired'

It is a move like any other: the pool grows first, and takes the traffic once it is ready. With --json: {fleet, active, epoch, told, \
waits, sent, records, trouble}.")]
pub(crate) struct FailbackArgs {
    /// The fleet
    fleet: FleetId,
    /// Why, for the record
    #[arg(long, value_parser = arguments::reason)]
    reason: String,
}

/// Put the load balancer's rules back exactly as they were before the last move
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet undo web --reason 'the wrong fleet'

At once and whatever the gate says: the pool that had the traffic before gets it back. A rule that somebody else changed since the move \
is left as it is, and told. With --json: {fleet, active, epoch, told, waits, sent, records, trouble}.")]
pub(crate) struct UndoArgs {
    /// The fleet
    fleet: FleetId,
    /// Why, for the record
    #[arg(long, value_parser = arguments::reason)]
    reason: String,
}

/// Move a fleet's traffic to its standby on purpose, and back, to know that it can be done
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ghostnet drill web --reason 'before the sale'

It is a real move, through the gate and by the calls of a failover. `failover.drill` in the spec says how long it lasts, which alarms must be \
well before it begins, which end it, and in which windows it is allowed; the first sign against the standby ends it too. `ghostnet status` \
shows what came of it. With --json: {fleet, active, epoch, told, waits, sent, records, trouble}.")]
pub(crate) struct DrillArgs {
    /// The fleet
    fleet: FleetId,
    /// Why, for the record
    #[arg(long, value_parser = arguments::reason)]
    reason: String,
}

fn expires(text: &str) -> Result<Seconds, String> {
    let length = arguments::length(text)?;
    if length > EXPIRES_MAX {
        Err(format!("a move for a time is at most {EXPIRES_MAX}; for longer, `--for-good`"))
    } else {
        Ok(length)
    }
}

impl Args {
    fn wish(&self, now: Timestamp) -> TrafficWish {
        TrafficWish::Failover {
            to: self.to.clone(),
            until: self.expires.map(|length| length.after(now)),
            forced: self.force,
        }
    }
}

/// Asks for a move.
///
/// # Errors
/// The function cannot be asked, or refuses.
pub(crate) async fn run(args: &Args, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let wish = args.wish(session.aws.now());
    asked(&session, (stack, console), &args.fleet, "failed over", (&args.reason, wish)).await
}

/// Asks for the way back.
///
/// # Errors
/// As [`run`].
pub(crate) async fn failback(args: &FailbackArgs, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let wish = TrafficWish::Failback;
    asked(&session, (stack, console), &args.fleet, "failed back", (&args.reason, wish)).await
}

/// Asks for the rules as they were.
///
/// # Errors
/// As [`run`].
pub(crate) async fn undo(args: &UndoArgs, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let wish = TrafficWish::Undo;
    asked(&session, (stack, console), &args.fleet, "undone", (&args.reason, wish)).await
}

/// Asks for a drill.
///
/// # Errors
/// As [`run`].
pub(crate) async fn drill(args: &DrillArgs, stack: &str, console: Console) -> Result<(), Failure> {
    let session = Session::open(stack).await?;
    let wish = TrafficWish::Drill;
    asked(&session, (stack, console), &args.fleet, "drilled", (&args.reason, wish)).await
}

async fn asked(
    session: &Session,
    (stack, console): (&str, Console),
    fleet: &FleetId,
    verb: &'static str,
    (reason, wish): (&str, TrafficWish),
) -> Result<(), Failure> {
    let asking = Asking { fleet, pool: None, verb };
    let heard = ask::traffic(session, stack, &asking, reason, wish).await?;
    console.answer(&text(&heard), &heard)
}

fn text(heard: &TrafficHeard) -> String {
    let fleet = &heard.fleet;
    let takers: Vec<&str> = heard.takers.iter().map(PoolId::as_str).collect();
    let take = if takers.len() > 1 { "share" } else { "takes" };
    let mut lines = vec![format!(
        "{fleet}: {} {take} the traffic, epoch {}",
        takers.join(", "),
        heard.epoch.0
    )];
    lines.extend(heard.told.iter().map(|told| format!("  {told}")));
    lines.extend(heard.trouble.iter().map(|trouble| format!("trouble: {trouble}")));
    if let Some(waits) = &heard.waits {
        lines.push(format!(
            "under way: {waits}; `ghostnet status {fleet} --watch` shows how it goes on"
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(line: &[&str]) -> Result<crate::cli::Verb, String> {
        use clap::Parser;
        let cli = crate::cli::Cli::try_parse_from(["ghostnet"].iter().chain(line));
        cli.map(|cli| cli.verb).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_typed_becomes_a_wish() {
        let now = "2026-03-02T08:00:00Z".parse::<Timestamp>().unwrap_or_default();
        let wish = |until: Option<&str>, forced| {
            let until = until.and_then(|until| until.parse().ok());
            "green".parse().map(|to| TrafficWish::Failover { to, until, forced }).ok()
        };
        let line = ["failover", "web", "--to", "green", "--reason", "rehearsal"];
        for (more, expected) in [
            (vec!["--expires", "4h"], wish(Some("2026-03-02T12:00:00Z"), false)),
            (vec!["--for-good"], wish(None, false)),
            (vec!["--expires", "30d", "--force"], wish(Some("2026-04-01T08:00:00Z"), true)),
        ] {
            match verb(&[&line[..], &more].concat()) {
                Ok(crate::cli::Verb::Failover(args)) => assert_eq!(Some(args.wish(now)), expected, "{more:?}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_move_has_a_reason_a_goal_and_an_end() {
        let line = |more: &[&'static str]| [&["failover", "web"], more].concat();
        for (line, told) in [
            (line(&["--to", "green", "--reason", "r"]), "--expires <TIME>"),
            (
                line(&["--to", "green", "--reason", "r", "--expires", "1h", "--for-good"]),
                "cannot be used with",
            ),
            (line(&["--to", "green", "--reason", "r", "--expires", "31d"]), "at most 30d"),
            (
                line(&["--to", "green", "--reason", "r", "--expires", "1"]),
                "a whole number and a unit",
            ),
            (line(&["--to", "green", "--reason", " ", "--for-good"]), "say why"),
            (line(&["--to", "green", "--for-good"]), "--reason <REASON>"),
            (line(&["--reason", "r", "--for-good"]), "--to <POOL>"),
            (vec!["failback", "web"], "--reason <REASON>"),
            (vec!["undo", "web"], "--reason <REASON>"),
            (vec!["drill", "web"], "--reason <REASON>"),
        ] {
            let error = verb(&line).err().unwrap_or_default();
            assert!(error.contains(told), "{line:?}: {error}");
        }
        assert!(verb(&["failback", "web", "--reason", "r"]).is_ok());
        assert!(verb(&["undo", "web", "--reason", "r"]).is_ok());
        assert!(verb(&["drill", "web", "--reason", "r"]).is_ok());
    }

    #[test]
    fn an_operator_reads_what_came_of_it() {
        let heard = r#"{"fleet":"web","takers":["green"],"epoch":4,"sent":1,"records":["p","q"],"trouble":[],"waits":null,
            "told":["traffic leaves blue for green: ana asks: rehearsal","setting the weights for green","traffic is at green"]}"#;
        let Ok(mut heard) = serde_json::from_str::<TrafficHeard>(heard) else {
            panic!("it can be read")
        };
        insta::assert_snapshot!(text(&heard), @"
        web: green takes the traffic, epoch 4
          traffic leaves blue for green: ana asks: rehearsal
          setting the weights for green
          traffic is at green
        ");
        heard.told.truncate(1);
        heard.trouble = vec!["arn:aws:rule was not set: it is throttled".to_owned()];
        heard.waits = Some("green is not ready: 2 healthy, needs 6".to_owned());
        insta::assert_snapshot!(text(&heard), @"
        web: green takes the traffic, epoch 4
          traffic leaves blue for green: ana asks: rehearsal
        trouble: arn:aws:rule was not set: it is throttled
        under way: green is not ready: 2 healthy, needs 6; `ghostnet status web --watch` shows how it goes on
        ");
    }
}
