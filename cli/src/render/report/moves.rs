//! The moves of a report: for each the way from the first sign of trouble to the side that is well again.

use ghostnet_core::id::PoolId;
use jiff::Timestamp;
use maud::{Markup, html};

use super::time;
use crate::report::{Move, Report};

pub(super) fn section(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Moves" }
            @if report.moves.is_empty() {
                p { "None: " (report.after.as_ref().map(|after| super::names(&after.takers)).unwrap_or_default()) " took the traffic all the time." }
            }
            @for moved in &report.moves {
                (article(moved, report.until))
            }
        }
    }
}

fn article(moved: &Move, now: Timestamp) -> Markup {
    html! {
        article class="move" {
            h3 { (name(moved.from.as_ref())) " → " (name(moved.to.as_ref())) }
            p { (moved.why) "; epoch " (moved.epoch_before.0) " → " (moved.epoch_after.0) }
            ol {
                @for step in steps(moved) {
                    li {
                        @if let Some(at) = step.at {
                            (stamp(at, now)) " "
                        }
                        (step.text)
                        @if let Some(length) = step.length { ": " strong { (length) } }
                    }
                }
            }
        }
    }
}

/// A moment, as people compare it and as machines read it.
pub(super) fn stamp(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(maud::display(at)) { (time::clock(at, now)) } }
}

/// One point of the way.
struct Step {
    at: Option<Timestamp>,
    text: String,
    length: Option<String>,
}

impl Step {
    fn new(at: Option<Timestamp>, text: String) -> Self {
        Self { at, text, length: None }
    }

    fn since(self, what: &str, from: Timestamp) -> Self {
        let length = self.at.map(|at| format!("{} {what}", time::length(from, at)));
        Self { length, ..self }
    }
}

fn steps(moved: &Move) -> Vec<Step> {
    let (from, to) = (name(moved.from.as_ref()), name(moved.to.as_ref()));
    let decided = Step::new(Some(moved.decided), format!("it was decided that traffic leaves {from} for {to}"));
    let mut steps = Vec::new();
    match moved.first_sign {
        Some(sign) => {
            steps.push(Step::new(Some(sign), format!("first sign that {from} is down")));
            steps.push(decided.since("after the first sign", sign));
        }
        None => steps.push(decided),
    }
    if let Some(weights) = moved.weights.filter(|weights| *weights > moved.decided) {
        steps.push(Step::new(Some(weights), format!("{to} was ready, and the weights were set")).since("to become ready", moved.decided));
    }
    if let Some(arrived) = moved.arrived {
        let text = match moved.to {
            Some(_) => format!("all traffic was seen to go to {to}"),
            None => format!("{to} was seen to answer"),
        };
        steps.push(Step::new(Some(arrived), text).since("to shift", moved.decided));
    }
    if let Some(stayed) = &moved.stayed {
        steps.push(Step::new(None, format!("nothing moved in the end: {stayed}")));
    }
    if moved.is_under_way() {
        steps.push(Step::new(None, "its end is not on record yet".to_owned()));
    }
    match (moved.first_sign, moved.recovered) {
        (Some(sign), Some(recovered)) => {
            steps.push(Step::new(Some(recovered), format!("{from} was seen well again")).since("after the first sign", sign));
        }
        (Some(_), None) => steps.push(Step::new(None, format!("that {from} is well again is not on record"))),
        (None, _) => {}
    }
    steps
}

fn name(side: Option<&PoolId>) -> &str {
    side.map_or("something else", PoolId::as_str)
}
