//! What it costs against what users feel: a point for each policy, and those that no other one beats in both.

use serde::Serialize;

use super::policies::Shown;

/// A policy in the chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Point {
    /// Its name.
    pub(super) name: String,
    /// The colour of the style sheet.
    colour: String,
    /// Instance-hours, over those of the optimum.
    cost: f64,
    /// Time above 90 %, in percent.
    over: f64,
    /// Whether it is the one that the page is about.
    subject: bool,
    /// Whether it knows the future.
    optimum: bool,
    /// Whether no policy that does not know the future is better in one and at least as good in the other.
    pub(super) best: bool,
}

/// A point for each row, in their order.
pub(super) fn points(policies: &[Shown<'_>]) -> Vec<Point> {
    let at = |shown: &Shown<'_>| (shown.row.cost_ratio, shown.row.score.over90_percent);
    let rivals: Vec<(f64, f64)> = policies.iter().filter(|shown| !shown.is_optimum).map(at).collect();
    let point = |shown: &Shown<'_>| {
        let (cost, over) = at(shown);
        let beats = |rival: &(f64, f64)| rival.0 <= cost && rival.1 <= over && (rival.0 < cost || rival.1 < over);
        Point {
            name: shown.row.policy.clone(),
            colour: shown.colour.name(),
            cost,
            over,
            subject: shown.is_subject,
            optimum: shown.is_optimum,
            best: !shown.is_optimum && !rivals.iter().any(beats),
        }
    };
    policies.iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, policies};
    use super::*;

    #[test]
    fn nobody_is_beaten_by_who_knows_the_future() {
        let played = fixture::Played::new();
        let points = points(&policies::all(&played.report()));
        let best = |name: &str| points.iter().find(|point| point.name == name).map(|point| point.best);
        assert_eq!(best("optimum"), Some(false), "it is measured by, not measured");
        assert_eq!(best("ghostnet"), Some(true));
        assert_eq!(best("late"), Some(false), "dearer than `ghostnet`, and as often above 90 %");
    }
}
