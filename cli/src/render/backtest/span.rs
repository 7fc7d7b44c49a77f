//! A stretch of a backtest as a chart needs it: the load, who served, how much of them was used, and each move with its reason.

use ghostnet_backtest::contest::Move;
use serde::Serialize;

use super::policies::Shown;
use super::thin;
use super::words::rounded;
use crate::report::backtest::BacktestReport;

/// A chart has about as many places side by side.
const BUCKETS: usize = 1_500;
/// Of more moves than this the largest are marked.
pub(super) const MOVES_MOST: usize = 1_000;

/// A stretch of time. Steps are counted from the first that is scored.
#[derive(Debug, Serialize)]
pub(super) struct Span {
    /// Its first step, and the one after its last.
    pub(super) between: (usize, usize),
    /// Instances that keep the load at the target.
    load: Line,
    /// What was expected of the load, in the same instances.
    forecast: Option<Band>,
    /// One for each row.
    policies: Vec<Course>,
}

/// Values at steps.
#[derive(Debug, Default, Serialize)]
pub(super) struct Line {
    at: Vec<usize>,
    of: Vec<f64>,
}

/// What was expected.
#[derive(Debug, Default, Serialize)]
struct Band {
    at: Vec<usize>,
    median: Vec<f64>,
    upper: Vec<f64>,
}

/// What a policy did.
#[derive(Debug, Serialize)]
struct Course {
    /// Instances that took requests; a value holds until the next one.
    serving: Line,
    /// How much of them was used at most, in percent.
    used: Line,
    /// Moves of the wanted size, the oldest first.
    moves: Vec<Moved>,
    /// Whether there were more.
    #[serde(skip)]
    is_cut: bool,
}

/// A move.
#[derive(Debug, Serialize)]
struct Moved {
    at: usize,
    before: u32,
    after: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Line {
    fn new(points: Vec<(usize, f64)>, first: usize) -> Self {
        points
            .into_iter()
            .map(|(step, value)| (first + step, rounded(value)))
            .unzip()
            .into()
    }
}

impl From<(Vec<usize>, Vec<f64>)> for Line {
    fn from((at, of): (Vec<usize>, Vec<f64>)) -> Self {
        Self { at, of }
    }
}

impl Span {
    /// All that is scored.
    pub(super) fn whole(report: &BacktestReport<'_>, policies: &[Shown<'_>]) -> Self {
        Self::between(report, policies, 0, report.steps())
    }

    /// From a step until before another one.
    pub(super) fn between(report: &BacktestReport<'_>, policies: &[Shown<'_>], from: usize, until: usize) -> Self {
        let until = until.min(report.steps());
        let rates = report.load.scored().get(from..until).unwrap_or_default();
        let needed: Vec<f64> = rates.iter().map(|rate| report.instances(*rate)).collect();
        let course = |shown: &Shown<'_>| Course::of(report, shown, rates, (from, until));
        Self {
            between: (from, until),
            load: Line::new(thin::extremes(&needed, BUCKETS), from),
            forecast: Band::of(report, from, until),
            policies: policies.iter().map(course).collect(),
        }
    }
}

impl Span {
    /// Whether of some policy only the largest moves are marked.
    pub(super) fn is_cut(&self) -> bool {
        self.policies.iter().any(|policy| policy.is_cut)
    }

    /// Whether anything was forecast in it.
    pub(super) fn has_forecast(&self) -> bool {
        self.forecast.is_some()
    }
}

impl Band {
    fn of(report: &BacktestReport<'_>, from: usize, until: usize) -> Option<Self> {
        let inside: Vec<_> = report
            .forecast
            .iter()
            .filter(|expected| (from..until).contains(&expected.step))
            .collect();
        // a forecast is smooth: every so many of it show the same
        let every = inside.len().div_ceil(2 * BUCKETS).max(1);
        let mut band = Self::default();
        for expected in inside.into_iter().step_by(every) {
            band.at.push(expected.step);
            band.median.push(rounded(report.instances(expected.median)));
            band.upper.push(rounded(report.instances(expected.upper)));
        }
        (!band.at.is_empty()).then_some(band)
    }
}

impl Course {
    fn of(report: &BacktestReport<'_>, shown: &Shown<'_>, rates: &[f64], (from, until): (usize, usize)) -> Self {
        let course = &shown.row.course;
        let serving = course.serving.get(from..until).unwrap_or_default();
        let used: Vec<f64> = rates
            .iter()
            .zip(serving)
            .map(|(rate, serving)| report.used_percent(*rate, *serving))
            .collect();
        // the optimum moves whenever the load does: that is nobody's decision
        let is_told = |moved: &&Move| !shown.is_optimum && (from..until).contains(&moved.step);
        let inside: Vec<&Move> = course.moves.iter().filter(is_told).collect();
        Self {
            serving: Line::new(thin::changes(serving, BUCKETS), from),
            // a trough among peaks is no news: the load has gone, or instances have come
            used: Line::new(thin::peaks(&used, BUCKETS), from),
            is_cut: inside.len() > MOVES_MOST,
            moves: largest(inside).into_iter().map(Moved::of).collect(),
        }
    }
}

/// The largest of too many, in their order.
fn largest(mut moves: Vec<&Move>) -> Vec<&Move> {
    if moves.len() > MOVES_MOST {
        moves.sort_by_key(|moved| std::cmp::Reverse(moved.before.abs_diff(moved.after)));
        moves.truncate(MOVES_MOST);
        moves.sort_by_key(|moved| moved.step);
    }
    moves
}

impl Moved {
    fn of(moved: &Move) -> Self {
        Self {
            at: moved.step,
            before: moved.before,
            after: moved.after,
            why: moved.why.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, policies};
    use super::*;

    #[test]
    fn an_hour_is_told_whole() {
        let played = fixture::Played::new();
        let report = played.report();
        let hour = Span::between(&report, &policies::all(&report), 240, 360);
        let steps: Vec<usize> = (240..360).collect();
        assert_eq!(hour.load.at, steps);
        assert!(hour.policies.iter().all(|policy| policy.used.at == steps));
        let last = |policy: &Course| policy.serving.at.last().copied();
        assert!(
            hour.policies.iter().all(|policy| last(policy) == Some(359)),
            "its line goes on to its end"
        );
    }

    #[test]
    fn of_too_many_moves_the_largest_are_kept_in_their_order() {
        let moved = |step: usize| Move {
            step,
            before: 1,
            after: if step.is_multiple_of(10) { 9 } else { 2 },
            why: None,
        };
        let moves: Vec<Move> = (0..5_000).map(moved).collect();
        let kept = largest(moves.iter().collect());
        assert_eq!(kept.len(), MOVES_MOST);
        assert!(kept.is_sorted_by_key(|moved| moved.step));
        assert_eq!(kept.iter().filter(|moved| moved.after == 9).count(), 500);
    }

    #[test]
    fn a_long_load_stays_a_small_page() {
        let played = fixture::Played::long();
        let report = played.report();
        let span = Span::whole(&report, &policies::all(&report));
        assert!(span.load.at.len() <= 3_001, "{}", span.load.at.len());
        let size = serde_json::to_string(&span).map(|json| json.len()).unwrap_or(usize::MAX);
        assert!(size < 120_000 * report.rows.len(), "{size}");
    }
}
