//! A report of a fleet's traffic as one HTML page: no script, nothing from the network. Every text goes through the templates, which
//! escape it; only the style sheet and the charts, which are numbers, are put in as they are.

mod chart;
mod colour;
mod moves;
mod plot;
mod timeline;

use ghostnet_core::id::PoolId;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::chart::Chart;
use super::time;
use crate::report::{Course, Report, Standing};

const PAGE: &str = include_str!("../page.css");
const STYLE: &str = include_str!("style.css");

/// What a browser is told to let this page do: nothing but its own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Traffic of " (report.fleet.as_str()) }
                style { (PreEscaped(PAGE)) (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (heading(report))
                    @if report.records > 0 {
                        (moves::section(report))
                        (timeline::section(report))
                    }
                    @if let Some(course) = &report.course {
                        (charts(course, report))
                    }
                    (footer(report))
                }
            }
        }
    };
    markup.into_string()
}

fn heading(report: &Report) -> Markup {
    html! {
        header {
            h1 { "Traffic of " (report.fleet.as_str()) }
            p class="span" { (time::moment(report.from)) " to " (time::moment(report.until)) " UTC" }
            p class="summary" { (summary(report)) }
            @if report.records == 0 {
                p { "A side that is well, and was seen to be, leaves nothing on record. `ghostnet status " (report.fleet.as_str()) "` shows how it stands now." }
            }
            @if let (Some(before), Some(after)) = (&report.before, &report.after) {
                dl class="facts" {
                    div { dt { "had the traffic at first" } dd { (taker(before)) } }
                    div { dt { "has it now" } dd { (taker(after)) } }
                    div { dt { "epoch" } dd { (before.epoch.0) " → " (after.epoch.0) } }
                    div { dt { "decisions on record" } dd { (report.records) } }
                }
            }
            @if report.is_cut {
                p class="note" { "Only the newest decisions of this time are in this report: ask for a shorter one to see the others." }
            }
        }
    }
}

/// What happened, in a sentence.
fn summary(report: &Report) -> String {
    let arrived = report.moves.iter().filter(|moved| moved.arrived.is_some()).count();
    let under_way = report.moves.iter().any(crate::report::Move::is_under_way);
    let mut told = match (report.records, arrived) {
        (0, _) => "Nothing was decided about traffic in this time.".to_owned(),
        (_, 0) => "No traffic moved in this time.".to_owned(),
        (_, 1) => "Traffic moved once.".to_owned(),
        (_, several) => format!("Traffic moved {several} times."),
    };
    if under_way {
        told.push_str(" A move is under way.");
    }
    told
}

fn names(sides: &[PoolId]) -> String {
    sides.iter().map(PoolId::as_str).collect::<Vec<_>>().join(" and ")
}

fn taker(standing: &Standing) -> Markup {
    html! {
        @if standing.is_degraded { "something else, for " }
        (names(&standing.takers))
    }
}

fn charts(course: &Course, report: &Report) -> Markup {
    let mut marks: Vec<_> = report
        .moves
        .iter()
        .flat_map(|moved| [Some(moved.decided), moved.arrived])
        .flatten()
        .collect();
    marks.dedup();
    let chart = |title: &'static str, unit: &'static str, lines: &[crate::report::Line]| {
        let chart = Chart {
            title,
            unit,
            lines,
            course,
            marks: &marks,
        };
        chart.figure()
    };
    html! {
        section {
            h2 { "How it went" }
            (chart("Share of the weights", " %", &course.share))
            (chart("Healthy instances", "", &course.healthy))
            (chart("Wanted instances", "", &course.wanted))
        }
    }
}

fn footer(report: &Report) -> Markup {
    html! {
        footer {
            p {
                "Made by ghostnet " (report.build.as_str()) " at " (time::moment(report.until)) ". Times are UTC. "
                "A value holds until the next decision; what could not be read then is left out."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ghostnet_core::failover::TrafficWish;

    use super::*;
    use crate::rehearsal::{Rehearsal, pool};
    use crate::render::fixture::words;
    use crate::report::tests::{report, there_and_back};

    /// The attributes of a name, each once.
    fn labels(page: &str) -> Vec<&str> {
        let after = page.split("aria-label=\"").skip(1);
        after.filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn a_failover_and_its_way_back_can_be_read_without_its_charts() {
        let page = page(&report(&there_and_back().records(), &[]));
        insta::assert_snapshot!("words", words(&page));
        insta::assert_snapshot!("labels", labels(&page).join("\n"));
    }

    #[test]
    fn a_time_without_a_move_says_so() {
        let nothing = page(&report(&[], &[]));
        assert!(
            words(&nothing).contains("Nothing was decided about traffic in this time."),
            "{nothing}"
        );
        assert!(!nothing.contains("<svg"), "{nothing}");
        let mut rehearsal = Rehearsal::new();
        rehearsal.die("blue");
        rehearsal.looks(1, 10);
        rehearsal.put("blue", 4);
        rehearsal.looks(40, 10);
        let suspect = page(&report(&rehearsal.records(), &[]));
        assert!(words(&suspect).contains("No traffic moved in this time."), "{suspect}");
        assert_eq!(suspect.matches("<svg").count(), 3);
    }

    /// Whoever can ask for a move writes the reason; nobody can be trusted to write HTML.
    #[test]
    fn hostile_text_is_shown_and_never_run() {
        let hostile = "<script>alert(1)</script>\"><img src=x onerror='alert(2)'>&amp;";
        let mut rehearsal = Rehearsal::new();
        rehearsal.looks(1, 60);
        let wish = TrafficWish::Failover {
            to: pool("green"),
            until: None,
            forced: false,
        };
        rehearsal.ask(hostile, hostile, wish);
        let mut records = rehearsal.records();
        for record in &mut records {
            record.id = ghostnet_core::id::PlanId::new(hostile);
            record.build = ghostnet_core::id::BuildId::new(hostile);
            record.findings.push(ghostnet_core::failover::TrafficFinding::ForeignEdit {
                route: ghostnet_core::id::RouteId::new(hostile),
            });
        }
        let mut report = report(&records, &[]);
        report.build = ghostnet_core::id::BuildId::new(hostile);
        let page = page(&report);
        for tag in ["<script", "<img", "<iframe", "</script"] {
            assert!(!page.contains(tag), "{tag}");
        }
        let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&gt;&lt;img src=x onerror='alert(2)'&gt;&amp;amp;";
        assert!(page.matches(escaped).count() >= 5, "{page}");
        let attributes = page.split('<').filter_map(|piece| piece.split_once('>')).map(|(tag, _)| tag);
        let handlers: Vec<&str> = attributes.filter(|tag| tag.contains("onerror")).collect();
        assert!(handlers.is_empty(), "{handlers:?}");
    }

    #[test]
    fn a_page_needs_nothing_but_itself() {
        let page = page(&report(&there_and_back().records(), &[]));
        for from_elsewhere in ["<script", "<link", " src=", "url(", "@import", " href="] {
            assert!(!page.contains(from_elsewhere), "{from_elsewhere}");
        }
        let addresses: Vec<&str> = page.split("http").skip(1).filter(|rest| !rest.starts_with("-equiv")).collect();
        let namespace = "://www.w3.org/2000/svg\"";
        assert!(addresses.iter().all(|rest| rest.starts_with(namespace)), "{addresses:?}");
    }

    /// `ghostnet replay` is offered for what can be decided again, and for nothing else.
    #[test]
    fn each_decision_has_its_command_unless_its_inputs_are_missing() {
        let mut records = there_and_back().records();
        let whole = report(&records, &[]);
        let commands = page(&whole).matches("ghostnet replay ").count();
        assert_eq!(commands, whole.timeline.len());
        records.iter_mut().for_each(|record| record.inputs = None);
        let bare = page(&report(&records, &[]));
        assert_eq!(bare.matches("ghostnet replay ").count(), 0);
        assert!(bare.contains("no inputs on record"));
    }
}
