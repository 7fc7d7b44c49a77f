//! Reads when traffic is moved on purpose, and what keeps it from it.

use super::check_guards::duration;
use super::check_policy::{check_length, read_cron};
use super::problem::Problems;
use super::raw::RawDrill;
use super::schedule::{Schedule, WINDOW_MAX};
use super::{Drills, FailoverMode, defaults};
use crate::id::AlarmName;
use crate::unit::Seconds;

/// A shorter one shows nothing, and a longer one is no drill.
const LASTS: std::ops::RangeInclusive<Seconds> = Seconds::minutes(5)..=Seconds::minutes(240);
/// Traffic is looked at once a minute, and what keeps a drill from beginning may be over a few minutes later.
const BEGINS_WITHIN: Seconds = Seconds::minutes(5);
/// Alarms of one kind: those of all fleets are read in pages of a hundred.
const ALARMS_MAX: usize = 5;
/// The longest name that CloudWatch takes.
const NAME_MAX: usize = 255;

pub(super) fn read(raw: &RawDrill, mode: FailoverMode, problems: &mut Problems) -> Drills {
    if !matches!(mode, FailoverMode::HotStandby | FailoverMode::ColdStandby) {
        let hint = "leave it out; `ghostnet failover FLEET --to POOL --expires 30m` tries one of several that share the traffic";
        problems.add("failover.drill", "only a standby is drilled", hint);
    }
    let lasts = duration(raw.lasts.as_ref(), "failover.drill.lasts", defaults::DRILL_LASTS, problems);
    if !LASTS.contains(&lasts) {
        let message = format!("`{lasts}` is not between `{}` and `{}`", LASTS.start(), LASTS.end());
        problems.add("failover.drill.lasts", message, "long enough to be measured, and no longer: `15m`");
    }
    Drills {
        schedule: read_window(raw, lasts, problems),
        lasts,
        block_alarms: alarms(raw.block_alarms.as_deref(), "failover.drill.block_alarms", problems),
        end_alarms: alarms(raw.end_alarms.as_deref(), "failover.drill.end_alarms", problems),
    }
}

fn read_window(raw: &RawDrill, lasts: Seconds, problems: &mut Problems) -> Option<Schedule> {
    let at = "failover.drill";
    let (Some(cron), Some(open)) = (&raw.cron, &raw.for_) else {
        if raw.cron.is_some() || raw.for_.is_some() || raw.zone.is_some() {
            let hint = "write both, `cron: \"0 4 * * 2\"` and `for: 1h`, or none";
            problems.add(at, "a window has a beginning and a length", hint);
        }
        return None;
    };
    let length = duration(Some(open), "failover.drill.for", Seconds(60), problems);
    check_length(length, "failover.drill.for", problems);
    if length < lasts {
        let message = format!("`{length}` is shorter than a drill, which lasts `{lasts}`");
        let hint = "it must be over before the window closes; leave room for what blocks it";
        problems.add("failover.drill.for", message, hint);
    } else if length < Seconds(lasts.0.saturating_add(BEGINS_WITHIN.0)) {
        let message = format!("`{length}` leaves no time to begin a drill that lasts `{lasts}`");
        let hint = "it must be over before the window closes: leave at least five minutes, and room for what blocks it";
        problems.add("failover.drill.for", message, hint);
    }
    read_cron(cron, raw.zone.as_deref(), length.min(WINDOW_MAX), at, problems)
}

fn alarms(raw: Option<&[String]>, at: &str, problems: &mut Problems) -> Vec<AlarmName> {
    let names = raw.unwrap_or_default();
    if names.len() > ALARMS_MAX {
        let message = format!("`{}` alarms are more than `{ALARMS_MAX}`", names.len());
        problems.add(at, message, "one composite alarm may stand for many");
    }
    for (n, name) in names.iter().enumerate() {
        let at = format!("{at}[{n}]");
        if name.trim().is_empty() || name.chars().count() > NAME_MAX {
            problems.add(
                at,
                format!("`{name}` is not the name of an alarm"),
                "write its name, not its ARN: `web-errors`",
            );
        } else if name.starts_with("arn:") {
            problems.add(at, format!("`{name}` is an ARN"), "write the alarm's name: `web-errors`");
        } else if names.iter().take(n).any(|before| before == name) {
            problems.add(at, "it is listed twice", "one line is enough");
        }
    }
    names.iter().map(AlarmName::new).collect()
}
