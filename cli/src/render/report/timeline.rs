//! The timeline of a report: a row for each decision that said something new.

use maud::{Markup, html};

use super::moves::stamp;
use crate::report::{Report, Row};

pub(super) fn section(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Timeline" }
            table class="timeline" {
                thead {
                    tr {
                        @for heading in ["time (UTC)", "found", "done", "why", "takes traffic", "record"] {
                            th scope="col" { (heading) }
                        }
                    }
                }
                tbody {
                    @for row in &report.timeline {
                        (line(row, report))
                    }
                }
            }
        }
    }
}

/// On a narrow page each cell stands on a line of its own, with its heading before it.
fn line(row: &Row, report: &Report) -> Markup {
    html! {
        tr {
            th scope="row" { (stamp(row.at, report.until)) }
            td data-heading="found" { (lines(&row.found)) }
            td data-heading="done" { (lines(&row.done)) }
            td data-heading="why" { (row.why.as_deref().unwrap_or_default()) }
            td data-heading="takes traffic" { (super::names(&row.takers)) ", epoch " (row.epoch.0) }
            td data-heading="record" {
                @if row.has_inputs {
                    code { "ghostnet replay " (row.id.as_str()) }
                } @else {
                    code { (row.id.as_str()) } " (no inputs on record)"
                }
            }
        }
    }
}

fn lines(texts: &[String]) -> Markup {
    html! {
        @for text in texts {
            p { (text) }
        }
    }
}
