//! A chart of a report, readable without seeing it: a sentence for each line, the legend, and all its numbers as a table.

use std::collections::BTreeSet;

use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};

use super::colour::Colours;
use super::{moves, plot};
use crate::report::{Course, Line, Measure};

/// Lines over time, and what they are.
pub(super) struct Chart<'a> {
    /// What is shown.
    pub(super) title: &'static str,
    /// What stands behind each number.
    pub(super) unit: &'static str,
    /// The lines.
    pub(super) lines: &'a [Line],
    /// The time, and the sides.
    pub(super) course: &'a Course,
    /// When traffic was decided to move, and had moved.
    pub(super) marks: &'a [Timestamp],
}

impl Chart<'_> {
    /// The chart with everything beside it.
    pub(super) fn figure(&self) -> Markup {
        let colours = Colours::of(&self.course.sides);
        html! {
            figure {
                figcaption { (self.title) }
                @if self.known().next().is_none() {
                    p class="note" { "Nothing of this is on record." }
                } @else {
                    @match plot::svg(self, &colours) {
                        Ok(svg) => div class="plot" role="img" aria-label=(self.in_words()) { (PreEscaped(svg)) },
                        Err(error) => p class="note" { "It could not be drawn (" (error.to_string()) "): these are its numbers." },
                    }
                    (self.legend(&colours))
                    details {
                        summary { "The numbers" }
                        (self.numbers())
                    }
                }
            }
        }
    }

    /// Lines that have a value.
    pub(super) fn known(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.is_known())
    }

    /// For who hears the page instead of seeing it.
    fn in_words(&self) -> String {
        let lines = self.known().map(|line| {
            let mut values = line.points.iter().filter_map(|point| point.value);
            let first = values.next().unwrap_or_default();
            let unit = self.unit;
            match values.next_back() {
                Some(last) => format!("{} from {first}{unit} to {last}{unit}", name(line)),
                None => format!("{} {first}{unit}", name(line)),
            }
        });
        let lines: Vec<String> = lines.collect();
        format!("{}: {}. All numbers are below.", self.title, lines.join("; "))
    }

    fn legend(&self, colours: &Colours) -> Markup {
        html! {
            ul class="legend" {
                @for line in self.known() {
                    li {
                        span class={ "key " (colours.class(line.side.as_ref())) (style(line.what)) } {}
                        (name(line))
                    }
                }
                @if !self.marks.is_empty() {
                    li { span class="key mark" {} "traffic is to move, and has moved" }
                }
            }
        }
    }

    fn numbers(&self) -> Markup {
        let moments: BTreeSet<Timestamp> = self.known().flat_map(|line| &line.points).map(|point| point.at).collect();
        html! {
            table class="numbers" {
                thead {
                    tr {
                        th scope="col" { "from" }
                        @for line in self.known() {
                            th scope="col" { (name(line)) }
                        }
                    }
                }
                tbody {
                    @for at in moments {
                        tr {
                            th scope="row" { (moves::stamp(at, self.course.until)) }
                            @for line in self.known() {
                                td { @if let Some(value) = line.at(at) { (value) (self.unit) } @else { "–" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How the legend draws a line.
fn style(what: Measure) -> &'static str {
    match what {
        Measure::Share | Measure::Healthy | Measure::Wanted => "",
        Measure::Needed => " needed",
        Measure::Floor => " floor",
    }
}

/// What a line is, in the legend.
fn name(line: &Line) -> String {
    let side = line.side.as_ref().map(|side| side.as_str()).unwrap_or_default();
    match line.what {
        Measure::Share | Measure::Healthy | Measure::Wanted => side.to_owned(),
        Measure::Needed => "needed by the gate".to_owned(),
        Measure::Floor => format!("{side}, at least"),
    }
}
