//! Reads a pool's reserve: its own, or else the fleet's.

use super::check_guards::{duration, percent};
use super::defaults::ByObjective;
use super::problem::Problems;
use super::raw::{RawReserve, RawReservePolicy};
use super::{Reserve, ReservePolicy, defaults};
use crate::state::PEAK_HOURS_MAX;
use crate::unit::Seconds;

pub(super) fn read(
    own: Option<&RawReserve>,
    fleet: Option<&RawReserve>,
    by_objective: &ByObjective,
    at: &str,
    problems: &mut Problems,
) -> Reserve {
    let at = if own.is_some() {
        format!("{at}.reserve")
    } else {
        "reserve".to_owned()
    };
    let raw = own.or(fleet).cloned().unwrap_or_default();
    Reserve {
        ratio: percent(raw.ratio.as_ref(), &format!("{at}.ratio"), by_objective.reserve_ratio, problems),
        threshold: raw.threshold.unwrap_or(defaults::RESERVE_THRESHOLD),
        policy: raw
            .policy
            .map(|policy| read_policy(&policy, by_objective.reserve_quantile_permille, &format!("{at}.policy"), problems)),
    }
}

fn read_policy(raw: &RawReservePolicy, default_permille: u16, at: &str, problems: &mut Problems) -> ReservePolicy {
    let quantile_permille = raw.quantile.map_or(Some(default_permille), permille).unwrap_or_else(|| {
        let text = raw.quantile.unwrap_or_default();
        problems.add(
            format!("{at}.quantile"),
            format!("`{text}` is not above 0 and at most 1, with at most three decimals"),
            "such as `0.95`: enough for all but one hour in twenty",
        );
        default_permille
    });
    let over = duration(raw.over.as_ref(), &format!("{at}.over"), defaults::RESERVE_OVER, problems);
    let hours = u16::try_from(over.0 / 3_600).unwrap_or(u16::MAX);
    if !over.0.is_multiple_of(3_600) || !(1..=PEAK_HOURS_MAX).contains(&hours) {
        let longest = Seconds::minutes(u32::from(PEAK_HOURS_MAX).saturating_mul(60));
        problems.add(
            format!("{at}.over"),
            format!("`{over}` is not a whole number of hours up to `{longest}`"),
            "one number is kept for each hour: `24h`",
        );
    }
    ReservePolicy { quantile_permille, hours }
}

/// A quantile in thousandths; none if it is out of range or finer than that.
#[expect(
    clippy::float_arithmetic,
    reason = "a quantile is written as a decimal fraction and kept as an integer"
)]
fn permille(quantile: f64) -> Option<u16> {
    let thousandths = quantile * 1_000.0;
    let whole = libm::round(thousandths);
    let is_whole = libm::fabs(thousandths - whole) < 1e-6;
    (1..=1_000).find(|count| is_whole && f64::from(*count) == whole)
}
