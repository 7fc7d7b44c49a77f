//! The simple policy: one change, then a wait of its own; and how it is read.

use serde::Serialize;

use super::check_guards::duration;
use super::check_metric::{read_measure, read_metric};
use super::check_step::read_change;
use super::problem::Problems;
use super::raw::{RawDuration, RawSimpleIn, RawSimpleOut, RawSimplePolicy};
use super::{Change, Measure, defaults};
use crate::unit::{Finite, Seconds};

/// One change, then a wait of its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimpleRule {
    /// What it looks at.
    pub measure: Measure,
    /// What it adds, from a bound on.
    pub out: Option<SimpleChange>,
    /// What it removes, below a bound.
    pub in_: Option<SimpleChange>,
}

/// A change, where it begins, and how long the policy waits after it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SimpleChange {
    /// The bound: out from it on, in below it.
    pub bound: Finite,
    /// What happens.
    pub change: Change,
    /// How long the policy waits once the change is in effect.
    pub cooldown: Seconds,
}

pub(super) fn read(raw: &RawSimplePolicy, at: &str, has_groups: bool, problems: &mut Problems) -> Option<SimpleRule> {
    let metric = read_metric(&raw.metric, raw.source, at, has_groups, problems);
    if raw.out.is_none() && raw.in_.is_none() {
        let hint = "such as `out: { from: 80, add: 2 }`";
        problems.add(at, "a simple policy needs `out`, `in` or both", hint);
    }
    if let (Some(out), Some(in_)) = (&raw.out, &raw.in_)
        && in_.below > out.from
    {
        let message = format!("`in` reaches up to `{}`, into `out` that begins at `{}`", in_.below, out.from);
        problems.add(format!("{at}.in.below"), message, "leave a gap between them, or the fleet flaps");
    }
    let cooldown = raw.cooldown.as_ref();
    let cooldown_out = cooldown.and_then(|pair| pair.out.as_ref());
    let cooldown_in = cooldown.and_then(|pair| pair.in_.as_ref());
    let directions = [("out", raw.out.is_some(), cooldown_out), ("in", raw.in_.is_some(), cooldown_in)];
    for (direction, there, cooldown) in directions {
        if cooldown.is_some() && !there {
            let message = format!("a cooldown after a change `{direction}` that the policy never makes");
            problems.add(
                format!("{at}.cooldown.{direction}"),
                message,
                format!("remove it, or add `{direction}`"),
            );
        }
    }
    let out = raw.out.as_ref().and_then(|out| read_out(out, cooldown_out, at, problems));
    let in_ = raw.in_.as_ref().and_then(|in_| read_in(in_, cooldown_in, at, problems));
    let measure = read_measure(metric?, raw.datapoints.as_ref(), raw.missing, at, problems);
    Some(SimpleRule { measure, out, in_ })
}

fn read_out(raw: &RawSimpleOut, cooldown: Option<&RawDuration>, at: &str, problems: &mut Problems) -> Option<SimpleChange> {
    let side = format!("{at}.out");
    let change = read_change(("add", raw.add.as_ref()), raw.to, raw.at_least, &side, problems);
    let cooldown = duration(cooldown, &format!("{at}.cooldown.out"), defaults::SIMPLE_COOLDOWN_OUT, problems);
    Some(SimpleChange {
        bound: super::check_step::bound(raw.from, &format!("{side}.from"), problems)?,
        change,
        cooldown,
    })
}

fn read_in(raw: &RawSimpleIn, cooldown: Option<&RawDuration>, at: &str, problems: &mut Problems) -> Option<SimpleChange> {
    let side = format!("{at}.in");
    let change = read_change(("remove", raw.remove.as_ref()), raw.to, raw.at_least, &side, problems);
    let cooldown = duration(cooldown, &format!("{at}.cooldown.in"), defaults::SIMPLE_COOLDOWN_IN, problems);
    Some(SimpleChange {
        bound: super::check_step::bound(raw.below, &format!("{side}.below"), problems)?,
        change,
        cooldown,
    })
}
