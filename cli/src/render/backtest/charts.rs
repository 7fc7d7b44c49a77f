//! The figures of the page, and the data from which its scripts draw them.

use maud::{Markup, html};
use serde::Serialize;

use super::pareto::{self, Point};
use super::policies::Shown;
use super::script;
use super::span::{MOVES_MOST, Span};
use super::words::{percent, percent_of, ratio, thousands};
use crate::render::time;
use crate::report::backtest::BacktestReport;

/// Shown before and after the worst hour: how it began, and how it ended.
const MARGIN_SECONDS: u32 = 15 * 60;
const HOUR_SECONDS: u32 = 3_600;

/// What the scripts draw from.
#[derive(Debug, Serialize)]
pub(super) struct Charts {
    /// Milliseconds since 1970 of step zero.
    start: i64,
    /// Milliseconds of a step.
    step: u64,
    /// What the load is counted in.
    unit: String,
    /// So much of it an instance takes at the target.
    each: f64,
    /// So much of the instances may be used, in percent.
    target: f64,
    policies: Vec<Policy>,
    whole: Span,
    worst: Option<Worst>,
    pareto: Vec<Point>,
}

/// A policy and how it is shown.
#[derive(Debug, Serialize)]
struct Policy {
    name: String,
    colour: String,
    subject: bool,
    optimum: bool,
}

/// The worst hour, and some time on either side.
#[derive(Debug, Serialize)]
struct Worst {
    hour: (usize, usize),
    span: Span,
}

impl Charts {
    /// Of a report.
    pub(super) fn of(report: &BacktestReport<'_>, policies: &[Shown<'_>]) -> Self {
        let instance = report.world.instance;
        let policy = |shown: &Shown<'_>| Policy {
            name: shown.row.policy.clone(),
            colour: shown.colour.name(),
            subject: shown.is_subject,
            optimum: shown.is_optimum,
        };
        Self {
            start: report.at(0).as_millisecond(),
            step: u64::from(report.load.step().0) * 1_000,
            unit: report.unit.to_owned(),
            each: instance.target * instance.capacity,
            target: 100.0 * instance.target,
            policies: policies.iter().map(policy).collect(),
            whole: Span::whole(report, policies),
            worst: Worst::of(report, policies),
            pareto: pareto::points(policies),
        }
    }

    /// All figures, and their data.
    pub(super) fn section(&self, report: &BacktestReport<'_>, policies: &[Shown<'_>]) -> Markup {
        html! {
            section aria-labelledby="course" {
                h2 id="course" { "How it went" }
                (self.legend(policies))
                p class="note hint" { "Drag the handles below the first chart, or take its loupe, to look closer. Point at a moment for what was decided, and why." }
                (figure("whole", "Load and instances", &self.whole_in_words(report), "A triangle is a move of the wanted size, out or in. The dotted lines are the target and 90 % of what the instances can do."))
                @if self.whole.is_cut() {
                    p class="note" { "Some policy moved more than " (thousands(MOVES_MOST as f64)) " times: only its largest moves are marked." }
                }
                @if let Some(worst) = &self.worst {
                    h2 { "The worst hour" }
                    (figure("worst", &worst_title(report, worst), &worst_in_words(report, worst), "Each step is shown. The hour is shaded; what was before and after it is not."))
                    (moves(report, policies, worst))
                }
            }
            @if !self.pareto.is_empty() {
                section aria-labelledby="pareto-heading" {
                    h2 id="pareto-heading" { "Cost against time above 90 %" }
                    (figure("pareto", "Each policy is a point: the further down and to the left, the better", &self.pareto_in_words(), "The dashed line joins those that no other one beats in both. The scale of time is logarithmic, but for its zero."))
                }
            }
            (script::data("data", self))
        }
    }

    fn legend(&self, policies: &[Shown<'_>]) -> Markup {
        html! {
            fieldset class="legend" {
                legend { "Shown in the charts" }
                @for shown in policies {
                    label {
                        input type="checkbox" data-policy=(shown.place) checked[shown.at_first];
                        span class="key" style={ "--key: var(--" (shown.colour.name()) ")" } {}
                        (shown.row.policy)
                    }
                }
                span class="static" { span class="key area" {} "load" }
                @if self.whole.has_forecast() {
                    span class="static" { span class="key band" {} "forecast, median to upper" }
                }
            }
        }
    }

    fn whole_in_words(&self, report: &BacktestReport<'_>) -> String {
        let most = report.load.scored().iter().copied().fold(0.0, f64::max);
        format!(
            "Load and serving instances over time, from {} to {}. The load needs up to {:.0} instances at {}.",
            time::moment(report.at(0)),
            time::moment(report.at(report.steps())),
            report.instances(most).ceil(),
            percent_of(report.world.instance.target),
        )
    }

    fn pareto_in_words(&self) -> String {
        let best: Vec<&str> = self
            .pareto
            .iter()
            .filter(|point| point.best)
            .map(|point| point.name.as_str())
            .collect();
        format!(
            "Cost and time above 90 % of each policy, as in the table. No other policy beats {} in both.",
            best.join(", ")
        )
    }
}

impl Worst {
    fn of(report: &BacktestReport<'_>, policies: &[Shown<'_>]) -> Option<Self> {
        let steps = |seconds: u32| usize::try_from(seconds / report.load.step().0.max(1)).unwrap_or(usize::MAX).max(1);
        let from = report.worst?.step;
        let until = from.saturating_add(steps(HOUR_SECONDS)).min(report.steps());
        let margin = steps(MARGIN_SECONDS);
        Some(Self {
            hour: (from, until),
            span: Span::between(report, policies, from.saturating_sub(margin), until.saturating_add(margin)),
        })
    }
}

/// A place for a chart. What it shows is said as well, for who does not see it.
fn figure(id: &str, title: &str, in_words: &str, note: &str) -> Markup {
    html! {
        figure {
            figcaption { (title) }
            div class="chart" id=(id) role="img" aria-label=(in_words) {}
            noscript { p class="note" { "The chart is drawn by a script, and scripts do not run here. " (in_words) } }
            p class="note" { (note) }
        }
    }
}

fn worst_title(report: &BacktestReport<'_>, worst: &Worst) -> String {
    let whose = report.subject().map(|row| row.policy.as_str()).unwrap_or_default();
    format!("From {} UTC, the worst of {whose}", time::moment(report.at(worst.hour.0)))
}

fn worst_in_words(report: &BacktestReport<'_>, worst: &Worst) -> String {
    let told = report.worst.map(|hour| in_words(report, &hour)).unwrap_or_default();
    format!(
        "Load and serving instances around {}: {told}.",
        time::moment(report.at(worst.hour.0))
    )
}

/// An hour in words: how much was used, for how long, and what was lost.
pub(super) fn in_words(report: &BacktestReport<'_>, hour: &ghostnet_backtest::contest::WorstHour) -> String {
    let steps = f64::from(HOUR_SECONDS) / f64::from(report.load.step().0.max(1));
    let seconds = steps.max(1.0) * f64::from(report.load.step().0) * hour.over90_percent / 100.0;
    let over = super::words::span(seconds.round() as u64);
    let lost = match hour.lost_percent {
        lost if lost > 0.0 => format!(", {} of its load lost", percent(lost)),
        _ => String::new(),
    };
    format!("up to {} used, {over} above 90 %{lost}", percent_of(hour.peak_utilisation.min(4.0)))
}

/// The moves around the worst hour, with their reasons: a chart tells them only to who can point at it.
fn moves(report: &BacktestReport<'_>, policies: &[Shown<'_>], worst: &Worst) -> Markup {
    let (from, until) = worst.span.between;
    html! {
        details {
            summary { "Moves around that hour, and why" }
            @for shown in policies.iter().filter(|shown| !shown.is_optimum) {
                h3 { (shown.row.policy) }
                @let moves: Vec<_> = shown.row.course.moves.iter().filter(|moved| (from..until).contains(&moved.step)).collect();
                @if moves.is_empty() {
                    p class="note" { "None." }
                } @else {
                    ol class="moves" {
                        @for moved in moves {
                            li {
                                time { (report.at(moved.step).strftime("%H:%M:%S").to_string()) } " "
                                b { (moved.before) " → " (moved.after) }
                                @if let Some(why) = &moved.why { " " (why) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Cost and use of a row, in a sentence.
pub(super) fn row_in_words(report: &BacktestReport<'_>, row: &ghostnet_backtest::contest::Row) -> String {
    let score = &row.score;
    let target = percent_of(report.world.instance.target);
    let lost = match score.lost_percent {
        lost if lost > 0.0 => format!("{} of the load was lost", percent(lost)),
        _ => "nothing was lost".to_owned(),
    };
    format!(
        "{} cost {} of the optimum; {} of the time was above {target}, {} above 90 %; {lost}.",
        row.policy,
        ratio(row.cost_ratio),
        percent(score.under_percent),
        percent(score.over90_percent),
    )
}
