//! The whole page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::{Charts, in_words, row_in_words};
use super::policies;
use super::script;
use super::table;
use super::words::{percent, percent_of, ratio, span, thousands};
use crate::render::time;
use crate::report::backtest::BacktestReport;

const PAGE: &str = include_str!("../page.css");
const STYLE: &str = include_str!("style.css");

/// The page of a backtest: one file that needs nothing but itself.
pub(crate) fn page(report: &BacktestReport<'_>) -> String {
    let policies = policies::all(report);
    let charts = Charts::of(report, &policies);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(script::policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Backtest on " (report.trace) }
                style { (PreEscaped(PAGE)) (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (heading(report))
                    (table::section(report, &policies))
                    (charts.section(report, &policies))
                    (made(report))
                }
                (script::scripts())
            }
        }
    };
    markup.into_string()
}

fn heading(report: &BacktestReport<'_>) -> Markup {
    html! {
        header {
            h1 { "Backtest on " (report.trace) }
            p class="span" {
                (time::moment(report.at(0))) " to " (time::moment(report.at(report.steps()))) " UTC"
            }
            @if let Some(row) = report.subject() {
                p class="summary" { (row_in_words(report, row)) }
                p class="summary" { (worst(report)) }
                dl class="facts" {
                    (fact("cost of the optimum", &ratio(row.cost_ratio)))
                    (fact(&format!("time over {}", percent_of(report.world.instance.target)), &percent(row.score.under_percent)))
                    (fact("time over 90 %", &percent(row.score.over90_percent)))
                    (fact("of the load lost", &percent(row.score.lost_percent)))
                }
            }
            @if !report.notes.is_empty() {
                ul class="notes" {
                    @for note in report.notes { li { (note) } }
                }
            }
        }
    }
}

fn fact(what: &str, value: &str) -> Markup {
    html! { div { dt { (what) } dd { (value) } } }
}

fn worst(report: &BacktestReport<'_>) -> String {
    match report.worst {
        Some(hour) => format!(
            "Its worst hour began at {}: {}.",
            report.at(hour.step).strftime("%Y-%m-%d %H:%M"),
            in_words(report, &hour)
        ),
        None => "It never was above 90 %.".to_owned(),
    }
}

/// How all of it was computed.
fn made(report: &BacktestReport<'_>) -> Markup {
    let world = report.world;
    let instance = world.instance;
    let step = report.load.step();
    let length = u64::from(step.0) * u64::try_from(report.steps()).unwrap_or(u64::MAX);
    let warm_up = u64::from(step.0) * u64::try_from(report.load.scored_from()).unwrap_or(u64::MAX);
    html! {
        footer {
            h2 { "How it was computed" }
            dl {
                dt { "load" }
                dd {
                    (report.trace) ", in " (report.unit) ": " (span(length)) " in steps of " (span(step.0.into()))
                    @if warm_up > 0 { ", after " (span(warm_up)) " that were played and are not scored" }
                }
                dt { "instance" }
                dd {
                    "takes " (format!("{:.4}", instance.capacity).trim_end_matches('0').trim_end_matches('.')) " " (report.unit) " when all of it is used; the target is "
                    (percent_of(instance.target)) " of that"
                }
                dt { "boot" }
                dd { (span(world.boot.0.into())) " from the launch until it serves, " (span(world.warm_start.0.into())) " from the start of a stopped one" (timing(world.timing)) }
                dt { "metrics" }
                dd {
                    @if world.metric_delay.0 == 0 { "are known at once" } @else { "are known " (span(world.metric_delay.0.into())) " late" }
                }
                dt { "a cost of 1.00" }
                dd {
                    "is " (thousands(report.optimum.hours)) " instance-hours: the cheapest schedule of someone who knows the future and never uses more than "
                    (percent_of(report.optimum.used)) ". Boot is paid; a stopped instance costs " (percent_of(world.stopped_price)) " of a running one."
                }
                dt { "the world" }
                dd { "is one homogeneous fleet without queues or failures. What comes while all instances are used up is lost." }
                dt { "made by" }
                dd { "ghostnet " (report.build.as_str()) ", with" br; code { (report.command) } }
            }
            p { "Times are UTC. Charts by Apache ECharts, Apache License 2.0." }
        }
    }
}

fn timing(timing: ghostnet_backtest::replay::Timing) -> &'static str {
    use ghostnet_backtest::replay::Timing::{Default, Strict};
    match timing {
        Strict => "; the whole of it is waited for after the step in which it was decided",
        Default => "; the step in which it was decided is part of it",
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{HOSTILE, Played};
    use super::*;
    use crate::render::fixture;

    fn words(page: &str) -> String {
        fixture::words(&markup(page))
    }

    /// Without what runs: the library names addresses, and never goes there.
    fn markup(page: &str) -> String {
        let pieces = page.split("<script").enumerate();
        pieces
            .map(|(place, piece)| match piece.split_once("</script>") {
                Some((_, after)) if place > 0 => after,
                _ => piece,
            })
            .collect()
    }

    #[test]
    fn a_backtest_can_be_read_without_its_charts() {
        insta::assert_snapshot!("words", words(&page(&Played::new().report())));
    }

    #[test]
    fn a_page_needs_nothing_but_itself() {
        let markup = markup(&page(&Played::new().report()));
        for from_elsewhere in ["<script", "<link", " src=", "url(", "@import", " href=", "http:", "https:"] {
            assert!(!markup.contains(from_elsewhere), "{from_elsewhere}");
        }
    }

    /// Whoever names a file, a policy or a reason writes text; nobody can be trusted to write HTML.
    #[test]
    fn hostile_text_is_shown_and_never_markup() {
        let page = page(&Played::hostile().report());
        assert_eq!(page.matches("<script").count(), 3, "the data, the library and the charts");
        let markup = markup(&page);
        for tag in ["<img", "<!--", "alert(1)</"] {
            assert!(!markup.contains(tag), "{tag}");
        }
        let escaped = maud::html! { (HOSTILE) }.into_string();
        assert!(markup.matches(&escaped).count() >= 10, "{markup}");
    }

    #[test]
    fn a_backtest_that_never_was_above_90_percent_has_no_worst_hour() {
        let played = Played::new();
        let report = BacktestReport {
            worst: None,
            ..played.report()
        };
        let page = page(&report);
        assert!(page.contains("It never was above 90 %."));
        assert!(!page.contains("id=\"worst\""));
    }

    #[test]
    fn a_backtest_without_policies_is_still_a_page() {
        let played = Played::new();
        let report = BacktestReport {
            rows: &[],
            worst: None,
            ..played.report()
        };
        assert!(page(&report).ends_with("</html>"));
    }
}
