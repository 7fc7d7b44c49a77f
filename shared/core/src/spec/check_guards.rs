//! Reads the limits of a raw spec, and the units that all its parts are written in.

use super::check_policy::{check_length, read_cron};
use super::defaults::ByObjective;
use super::problem::Problems;
use super::raw::{RawAmount, RawBudgets, RawChurn, RawDuration, RawDurationPair, RawGuards, RawPercent, RawRemovalWindow};
use super::schedule::WINDOW_MAX;
use super::{Amount, Budget, Guards, RemovalWindow, defaults};
use crate::churn::TURNS_MAX;
use crate::unit::{Percent, Seconds};

/// Most removal windows of a fleet: each is looked up whenever the fleet is decided.
const REMOVAL_WINDOWS_MAX: usize = 10;

pub(super) fn read_guards(raw: Option<&RawGuards>, by_objective: &ByObjective, max: u32, problems: &mut Problems) -> Guards {
    let raw = raw.cloned().unwrap_or_default();
    let tolerance = raw.tolerance.unwrap_or_default();
    let (cooldown_out, cooldown_in) = duration_pair(
        raw.cooldown.as_ref(),
        "guards.cooldown",
        (by_objective.cooldown_out, by_objective.cooldown_in),
        problems,
    );
    let (stabilisation_out, stabilisation_in) = duration_pair(
        raw.stabilisation.as_ref(),
        "guards.stabilisation",
        (by_objective.stabilisation_out, by_objective.stabilisation_in),
        problems,
    );
    let breaker = raw.breaker.unwrap_or_default();
    let (launch_per_tick, launch_per_hour, removal_per_tick) = read_budgets(raw.budgets.as_ref(), max, problems);
    Guards {
        tolerance_out: percent(tolerance.out.as_ref(), "guards.tolerance.out", by_objective.tolerance_out, problems),
        tolerance_in: percent(tolerance.in_.as_ref(), "guards.tolerance.in", by_objective.tolerance_in, problems),
        cooldown_out,
        cooldown_in,
        stabilisation_out,
        stabilisation_in,
        launch_per_tick,
        launch_per_hour,
        removal_per_tick,
        churn_turns: read_churn(raw.churn.as_ref(), problems),
        breaker_unhealthy: percent(
            breaker.unhealthy.as_ref(),
            "guards.breaker.unhealthy",
            defaults::BREAKER_UNHEALTHY,
            problems,
        ),
        breaker_at_least: breaker.at_least.unwrap_or(defaults::BREAKER_AT_LEAST),
    }
}

fn read_churn(raw: Option<&RawChurn>, problems: &mut Problems) -> u8 {
    let turns = raw.and_then(|churn| churn.turns).unwrap_or(defaults::CHURN_TURNS);
    if !(defaults::CHURN_TURNS..=TURNS_MAX).contains(&turns) {
        let least = defaults::CHURN_TURNS;
        problems.add(
            "guards.churn.turns",
            format!("`{turns}` is not between `{least}` and `{TURNS_MAX}`"),
            "a size that follows a load of many bursts may turn more often: `6`",
        );
    }
    turns
}

/// The windows of the removal budget; they are the fleet's, and each pool counts for itself.
pub(super) fn read_removal_windows(raw: Option<&RawGuards>, problems: &mut Problems) -> Vec<RemovalWindow> {
    let removal = raw.and_then(|guards| guards.budgets.as_ref()?.removal.as_ref());
    let windows = removal.and_then(|removal| removal.windows.as_deref()).unwrap_or_default();
    if windows.len() > REMOVAL_WINDOWS_MAX {
        let message = format!("`{}` windows are more than `{REMOVAL_WINDOWS_MAX}`", windows.len());
        problems.add("guards.budgets.removal.windows", message, "use longer windows");
    }
    let mut read = |(n, raw): (usize, &RawRemovalWindow)| {
        let at = format!("guards.budgets.removal.windows[{n}]");
        let length = duration(Some(&raw.for_), &format!("{at}.for"), Seconds(60), problems);
        check_length(length, &format!("{at}.for"), problems);
        let schedule = read_cron(&raw.cron, raw.zone.as_deref(), length.min(WINDOW_MAX), &at, problems)?;
        Some(RemovalWindow { schedule, max: raw.max })
    };
    windows.iter().enumerate().filter_map(&mut read).collect()
}

fn read_budgets(raw: Option<&RawBudgets>, max: u32, problems: &mut Problems) -> (Budget, u32, Budget) {
    let launch = raw.and_then(|budgets| budgets.launch.clone()).unwrap_or_default();
    let removal = raw.and_then(|budgets| budgets.removal.clone()).unwrap_or_default();
    let mut budget = |raw: Option<&RawAmount>, at: &str, default: Budget| match raw {
        None => default,
        Some(raw) => Budget {
            amount: amount(raw, at, problems),
            at_least: default.at_least,
        },
    };
    let per_tick = budget(
        launch.per_tick.as_ref(),
        "guards.budgets.launch.per_tick",
        defaults::LAUNCH_PER_TICK,
    );
    let removal = budget(
        removal.per_tick.as_ref(),
        "guards.budgets.removal.per_tick",
        defaults::REMOVAL_PER_TICK,
    );
    let per_hour = launch
        .per_hour
        .unwrap_or_else(|| max.saturating_mul(defaults::LAUNCH_PER_HOUR_OF_MAX));
    (per_tick, per_hour, removal)
}

pub(super) fn amount(raw: &RawAmount, at: &str, problems: &mut Problems) -> Amount {
    match raw {
        RawAmount::Count(count) => Amount::Count(*count),
        RawAmount::Share(share) => Amount::Share(percent(Some(share), at, Percent(0), problems)),
    }
}

pub(super) fn duration(raw: Option<&RawDuration>, at: &str, default: Seconds, problems: &mut Problems) -> Seconds {
    let Some(RawDuration(text)) = raw else { return default };
    Seconds::parse(text).unwrap_or_else(|| {
        problems.add(
            at,
            format!("`{text}` is not a duration"),
            "write a whole number and a unit: `90s`, `5m`, `2h`, `7d`",
        );
        default
    })
}

fn duration_pair(raw: Option<&RawDurationPair>, at: &str, default: (Seconds, Seconds), problems: &mut Problems) -> (Seconds, Seconds) {
    let Some(raw) = raw else { return default };
    let out = duration(raw.out.as_ref(), &format!("{at}.out"), default.0, problems);
    let in_ = duration(raw.in_.as_ref(), &format!("{at}.in"), default.1, problems);
    (out, in_)
}

pub(super) fn percent(raw: Option<&RawPercent>, at: &str, default: Percent, problems: &mut Problems) -> Percent {
    let Some(RawPercent(text)) = raw else { return default };
    Percent::parse(text).unwrap_or_else(|| {
        problems.add(
            at,
            format!("`{text}` is not a percentage"),
            format!("write a whole number and the sign, at most `{}%`", Percent::MAX),
        );
        default
    })
}
