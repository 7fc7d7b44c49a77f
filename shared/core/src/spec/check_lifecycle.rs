//! Reads how instances of a pool end: how old they get, what makes them sick, how the sick are kept, who leaves first.

use super::ScaleInOrder;
use super::check_guards::duration;
use super::problem::Problems;
use super::raw::{RawDuration, RawScaleInOrder, RawWhenUnhealthy};
use crate::unit::Seconds;

/// Longest time a sick instance is kept.
const KEEP_MOST: Seconds = Seconds::minutes(24 * 60);

pub(super) fn read_keep(raw: Option<&RawWhenUnhealthy>, at: &str, problems: &mut Problems) -> Option<Seconds> {
    match raw? {
        RawWhenUnhealthy::Word(word) if word == "replace" => None,
        RawWhenUnhealthy::Word(word) => {
            problems.add(
                at,
                format!("`{word}` is none of the known words"),
                "write `replace`, or `{ maintenance: { keep: 1h } }`",
            );
            None
        }
        RawWhenUnhealthy::Maintenance(kept) => {
            let at = format!("{at}.maintenance.keep");
            let keep = duration(Some(&kept.maintenance.keep), &at, KEEP_MOST, problems);
            if keep > KEEP_MOST {
                problems.add(
                    at,
                    format!("`{keep}` is more than `{KEEP_MOST}`"),
                    "take an image or a snapshot meanwhile",
                );
            }
            Some(keep.min(KEEP_MOST))
        }
    }
}

/// EC2 runs its checks every minute.
pub(super) const STATUS_CHECKS_LEAST: Seconds = Seconds::minutes(1);
/// Tags are read every minute, and written hardly more often: one late beat is no sickness.
pub(super) const HEARTBEAT_LEAST: Seconds = Seconds::minutes(2);

/// How long a report must last before it makes an instance sick; none: it says nothing.
pub(super) fn read_report(raw: Option<&RawDuration>, at: &str, least: Seconds, problems: &mut Problems) -> Option<Seconds> {
    let time = duration(Some(raw?), at, least, problems);
    if time < least {
        problems.add(
            at,
            format!("`{time}` is less than `{least}`"),
            "a report is weak, and must last; `5m` is usual",
        );
    }
    Some(time.max(least))
}

/// Below an hour a pool would hardly do anything but replace.
const MAX_AGE_LEAST: Seconds = Seconds::minutes(60);

pub(super) fn read_max_age(raw: Option<&RawDuration>, at: &str, problems: &mut Problems) -> Option<Seconds> {
    let age = duration(Some(raw?), at, MAX_AGE_LEAST, problems);
    if age < MAX_AGE_LEAST {
        problems.add(
            at,
            format!("`{age}` is less than `{MAX_AGE_LEAST}`"),
            "an instance needs time to boot, warm up and serve; days are usual",
        );
    }
    Some(age.max(MAX_AGE_LEAST))
}

/// What is known of instances when one has to be chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Some policy reads them one by one.
    pub(super) loads: bool,
    /// Their types have prices.
    pub(super) prices: bool,
}

pub(super) fn read_order(raw: &[RawScaleInOrder], known: Known, at: &str, problems: &mut Problems) -> Vec<ScaleInOrder> {
    let mut order = Vec::new();
    for (n, raw) in raw.iter().enumerate() {
        let at = format!("{at}[{n}]");
        match raw {
            RawScaleInOrder::ZoneBalance => order.push(ScaleInOrder::ZoneBalance),
            RawScaleInOrder::Oldest => order.push(ScaleInOrder::Oldest),
            RawScaleInOrder::Newest => order.push(ScaleInOrder::Newest),
            RawScaleInOrder::LeastLoaded if known.loads => order.push(ScaleInOrder::LeastLoaded),
            RawScaleInOrder::LeastLoaded => problems.add(
                at,
                "no policy of the pool tells what one instance carries",
                "give a policy on `cpu` or the network `source: instances`, or let busy instances say so: `drain: { wait_for_tag: true }`",
            ),
            RawScaleInOrder::MostExpensive if known.prices => order.push(ScaleInOrder::MostExpensive),
            RawScaleInOrder::MostExpensive => problems.add(
                at,
                "no instance type has a price",
                "give them in `guards.budgets.spend: { per_day: 120, currency: USD, prices: { c7a.large: 0.10264 } }`",
            ),
            RawScaleInOrder::ClosestToBilling => order.push(ScaleInOrder::ClosestToBilling),
        }
    }
    order
}
