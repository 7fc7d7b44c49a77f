//! Reads the stock of warm instances of a pool, field by field over the fleet's defaults.

use super::check_guards::{amount, duration};
use super::problem::Problems;
use super::raw::{RawAmount, RawPercent, RawPool, RawPoolSettings, RawWarm, RawWarmState};
use super::{Amount, CapacityRange, WarmSize, WarmSpec, WarmState, defaults};
use crate::unit::Seconds;

/// A shorter life would launch and stop for ever.
const MAX_AGE_MIN: Seconds = Seconds::minutes(60);

pub(super) fn read_warm(
    own: &RawPool,
    defaults_: &RawPoolSettings,
    at: &str,
    pool: CapacityRange,
    problems: &mut Problems,
) -> Option<WarmSpec> {
    let layers = Layers {
        own: own.warm.as_ref(),
        defaults: defaults_.warm.as_ref(),
        at,
    };
    if layers.own.is_none() && layers.defaults.is_none() {
        return None;
    }
    let (size, size_at) = layers.pick("size", |raw| raw.size.as_ref());
    let size = match size {
        Some(RawAmount::Share(RawPercent(word))) if word == "learned" => WarmSize::Learned,
        Some(raw) => WarmSize::Fixed(amount(raw, &size_at, problems)),
        None => {
            let hint = "add `size: 20%`, `size: 4` or `size: learned`";
            problems.add(format!("{at}.warm.size"), "a stock of warm instances needs a size", hint);
            WarmSize::Fixed(Amount::Count(0))
        }
    };
    if let WarmSize::Fixed(Amount::Count(count)) = size
        && count > pool.max
    {
        let message = format!("`{count}` is above the pool's maximum `{}`", pool.max);
        let hint = "warm ones and those in service together are never more than `capacity.max`";
        problems.add(&size_at, message, hint);
    }
    let (max_age, max_age_at) = layers.pick("max_age", |raw| raw.max_age.as_ref());
    let max_age = duration(max_age, &max_age_at, defaults::WARM_MAX_AGE, problems);
    if max_age < MAX_AGE_MIN {
        let hint = "replacing an instance costs a launch; a few days are usual";
        problems.add(max_age_at, format!("`{max_age}` is shorter than `{MAX_AGE_MIN}`"), hint);
    }
    let (state, _) = layers.pick("state", |raw| raw.state.as_ref());
    let (takes_returns, _) = layers.pick("return", |raw| raw.return_.as_ref());
    Some(WarmSpec {
        size,
        state: match state {
            None => defaults::WARM_STATE,
            Some(RawWarmState::Stopped) => WarmState::Stopped,
            Some(RawWarmState::Hibernated) => WarmState::Hibernated,
        },
        max_age,
        takes_returns: takes_returns.copied().unwrap_or(defaults::WARM_RETURN),
    })
}

/// The pool's own part over that of the defaults.
struct Layers<'a> {
    own: Option<&'a RawWarm>,
    defaults: Option<&'a RawWarm>,
    at: &'a str,
}

impl<'a> Layers<'a> {
    /// A field, and where its text stands.
    fn pick<T>(&self, name: &str, field: impl Fn(&'a RawWarm) -> Option<&'a T>) -> (Option<&'a T>, String) {
        match self.own.and_then(&field) {
            Some(own) => (Some(own), format!("{}.warm.{name}", self.at)),
            None => (self.defaults.and_then(field), format!("defaults.warm.{name}")),
        }
    }
}
