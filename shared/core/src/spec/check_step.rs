//! Reads the policies of a raw spec that add or remove by bounds.

use super::check_guards::amount;
use super::check_metric::{read_measure, read_metric};
use super::problem::Problems;
use super::raw::{RawAmount, RawInStep, RawOutStep, RawStepPolicy, RawThresholdPolicy};
use super::{Change, StepBand, StepRule, ThresholdChange, ThresholdRule};
use crate::unit::Finite;

pub(super) fn read(raw: &RawStepPolicy, at: &str, has_groups: bool, problems: &mut Problems) -> Option<StepRule> {
    let metric = read_metric(&raw.metric, raw.source, at, has_groups, problems);
    let out = read_out_bands(raw.out.as_deref().unwrap_or_default(), &format!("{at}.out"), problems);
    let in_ = read_in_bands(raw.in_.as_deref().unwrap_or_default(), &format!("{at}.in"), problems);
    if out.is_empty() && in_.is_empty() {
        problems.add(at, "a step policy needs steps", "add `out: [{ from: 70, add: 10% }]`, or `in`");
    }
    let highest_in = in_.last().and_then(|band| band.below);
    let lowest_out = out.first().and_then(|band| band.from);
    if let (Some(highest_in), Some(lowest_out)) = (highest_in, lowest_out)
        && highest_in > lowest_out
    {
        let message = format!("steps in reach up to `{highest_in}`, into the steps out that begin at `{lowest_out}`");
        problems.add(format!("{at}.in"), message, "leave a gap between them, or the fleet flaps");
    }
    let measure = read_measure(metric?, raw.datapoints.as_ref(), raw.missing, at, problems);
    Some(StepRule { measure, out, in_ })
}

/// Bands from the lowest bound up; a band without upper bound ends where the next begins.
fn read_out_bands(raw: &[RawOutStep], at: &str, problems: &mut Problems) -> Vec<StepBand> {
    let mut bands: Vec<StepBand> = Vec::new();
    for (n, step) in raw.iter().enumerate() {
        let at = format!("{at}[{n}]");
        let from = bound(step.from, &format!("{at}.from"), problems);
        let below = step.below.and_then(|below| bound(below, &format!("{at}.below"), problems));
        let next = raw.get(n.saturating_add(1)).and_then(|next| Finite::new(next.from));
        check_band(from, below, &at, problems);
        check_neighbour(
            n,
            raw.get(n.wrapping_sub(1)).map(|before| (before.from, before.below)),
            step.from,
            &at,
            problems,
        );
        let change = read_change(("add", step.add.as_ref()), step.to, step.at_least, &at, problems);
        bands.push(StepBand {
            from,
            below: below.or(next),
            change,
        });
    }
    bands
}

/// Bands from the highest bound down, as people write them; kept lowest first.
#[expect(clippy::float_arithmetic, reason = "bounds are mirrored, not computed")]
fn read_in_bands(raw: &[RawInStep], at: &str, problems: &mut Problems) -> Vec<StepBand> {
    let mut bands: Vec<StepBand> = Vec::new();
    for (n, step) in raw.iter().enumerate() {
        let at = format!("{at}[{n}]");
        let below = bound(step.below, &format!("{at}.below"), problems);
        let from = step.from.and_then(|from| bound(from, &format!("{at}.from"), problems));
        let next = raw.get(n.saturating_add(1)).and_then(|next| Finite::new(next.below));
        check_band(from, below, &at, problems);
        // mirrored, so that the same rule serves: negated, steps in also go from the lowest bound up
        let before = raw
            .get(n.wrapping_sub(1))
            .map(|before| (-before.below, before.from.map(|from| -from)));
        check_neighbour(n, before, -step.below, &at, problems);
        let change = read_change(("remove", step.remove.as_ref()), step.to, step.at_least, &at, problems);
        bands.push(StepBand {
            from: from.or(next),
            below,
            change,
        });
    }
    bands.reverse();
    bands
}

pub(super) fn bound(value: f64, at: &str, problems: &mut Problems) -> Option<Finite> {
    let bound = Finite::new(value);
    if bound.is_none() {
        problems.add(at, format!("`{value}` is not a number"), "bounds are finite; leave an open end out");
    }
    bound
}

fn check_band(from: Option<Finite>, below: Option<Finite>, at: &str, problems: &mut Problems) {
    if let (Some(from), Some(below)) = (from, below)
        && from >= below
    {
        problems.add(
            at,
            format!("the step is empty: `from: {from}` is not less than `below: {below}`"),
            "swap or move the bounds",
        );
    }
}

/// A step must begin where the one before it ends: no gap, no overlap, in order.
fn check_neighbour(n: usize, before: Option<(f64, Option<f64>)>, from: f64, at: &str, problems: &mut Problems) {
    let Some((before_from, before_end)) = before.filter(|_| n > 0) else {
        return;
    };
    let (from_text, end_text) = (from.abs(), before_end.map(f64::abs));
    if from <= before_from {
        problems.add(
            at,
            format!("steps are out of order at `{from_text}`"),
            "list `out` from the lowest bound up, `in` from the highest down",
        );
    } else if let Some(end) = before_end
        && let Some(end_text) = end_text
        && end != from
    {
        let what = if end > from { "overlap" } else { "leave a gap" };
        let message = format!("steps {what}: this one begins at `{from_text}`, the step before it ends at `{end_text}`");
        problems.add(
            at,
            message,
            "let each step begin where the one before it ends, or leave the end out",
        );
    }
}

/// By so many, or to a size: exactly one of them.
pub(super) fn read_change(
    (by, raw): (&str, Option<&RawAmount>),
    to: Option<u32>,
    at_least: Option<u32>,
    at: &str,
    problems: &mut Problems,
) -> Change {
    if to.is_some() && at_least.is_some() {
        let message = format!("`at_least` belongs to a share in `{by}`");
        problems.add(format!("{at}.at_least"), message, "`to` is a size: remove `at_least`");
    }
    match (raw, to) {
        (Some(raw), None) => Change::By {
            amount: amount(raw, &format!("{at}.{by}"), problems),
            at_least: at_least.unwrap_or(1),
        },
        (None, Some(to)) => Change::To(to),
        _ => {
            let hint = format!("such as `{by}: 10%` or `to: 8`");
            problems.add(at, format!("exactly one of `{by}` and `to` is needed"), hint);
            Change::To(0)
        }
    }
}

/// Reads a threshold policy.
pub(super) fn read_threshold(raw: &RawThresholdPolicy, at: &str, has_groups: bool, problems: &mut Problems) -> Option<ThresholdRule> {
    let metric = read_metric(&raw.metric, raw.source, at, has_groups, problems);
    let within = format!("{at}.within");
    let from = raw.within.from.and_then(|from| bound(from, &format!("{within}.from"), problems));
    let below = raw
        .within
        .below
        .and_then(|below| bound(below, &format!("{within}.below"), problems));
    if (raw.within.from, raw.within.below) == (None, None) {
        problems.add(&within, "bounds without a bound hold always", "set `from`, `below` or both");
    }
    check_band(from, below, &within, problems);
    let change = match (&raw.add, &raw.remove) {
        (Some(_), None) => Some(ThresholdChange::Add(read_change(
            ("add", raw.add.as_ref()),
            None,
            raw.at_least,
            at,
            problems,
        ))),
        (None, Some(_)) => Some(ThresholdChange::Remove(read_change(
            ("remove", raw.remove.as_ref()),
            None,
            raw.at_least,
            at,
            problems,
        ))),
        _ => {
            problems.add(
                at,
                "a threshold policy has exactly one of `add` and `remove`",
                "use two policies, one for each direction",
            );
            None
        }
    };
    let measure = read_measure(metric?, raw.datapoints.as_ref(), raw.missing, at, problems);
    Some(ThresholdRule {
        measure,
        from,
        below,
        change: change?,
    })
}
