//! A scenario as a timeline: a line for every minute in which something happened, and what was expected.

use super::table::{Side, plain};
use crate::verb::simulate::scenario::Simulated;

/// The timeline, the expectations, the invariants.
pub(crate) fn text(simulated: &Simulated) -> String {
    let mut rows = Vec::new();
    let mut shown = None;
    for minute in &simulated.minutes {
        let sizes = (minute.wanted, minute.serving, minute.exist);
        if minute.story.is_empty() && shown == Some(sizes) {
            continue;
        }
        shown = Some(sizes);
        let mut story = minute.story.iter();
        rows.push(vec![
            format!("{}:{:02}", minute.minute / 60, minute.minute % 60),
            format!("{:.0}", minute.load),
            minute.wanted.to_string(),
            minute.serving.to_string(),
            minute.exist.to_string(),
            format!("{:.0}%", 100.0 * minute.used),
            story.next().cloned().unwrap_or_default(),
        ]);
        rows.extend(story.map(|line| {
            let mut row = vec![String::new(); 6];
            row.push(line.clone());
            row
        }));
    }
    let columns = [
        ("time", Side::Right),
        ("load/s", Side::Right),
        ("wanted", Side::Right),
        ("serving", Side::Right),
        ("exist", Side::Right),
        ("used", Side::Right),
        ("what happened, and why", Side::Left),
    ];
    let mut text = format!("{}: {}\n\n{}\n", simulated.scenario, simulated.about, plain(&columns, rows));
    for expected in &simulated.expectations {
        match &expected.wrong {
            None => text.push_str(&format!("\n[ok] {}", expected.says)),
            Some(wrong) => text.push_str(&format!("\n[no] {}: {wrong}", expected.says)),
        }
    }
    for violation in &simulated.violations {
        text.push_str(&format!("\n[no] invariant {violation}"));
    }
    if simulated.violations.is_empty() {
        text.push_str("\n[ok] every invariant held at every step");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use ghostnet_sim::scenario::Minute;

    use super::*;
    use crate::verb::simulate::scenario::Expected;

    fn minute(minute: u32, wanted: u32, story: &[&str]) -> Minute {
        Minute {
            minute,
            load: 150.0,
            wanted,
            serving: wanted,
            exist: 6,
            launched: 6,
            used: 0.504,
            answering: wanted,
            story: story.iter().map(|&line| line.to_owned()).collect(),
            ..Minute::default()
        }
    }

    #[test]
    fn quiet_minutes_are_left_out_and_expectations_stand_below() {
        let simulated = Simulated {
            scenario: "zone-loss".to_owned(),
            about: "a zone fails".to_owned(),
            good: false,
            minutes: vec![
                minute(
                    0,
                    4,
                    &[
                        "tick: blue 2 -> 4, `requests`: 1,290 per instance, target 1,000",
                        "launch 2 in eu-west-1a",
                    ],
                ),
                minute(1, 4, &[]),
                minute(75, 6, &[]),
            ],
            expectations: vec![
                Expected {
                    says: "grows".to_owned(),
                    wrong: None,
                },
                Expected {
                    says: "shrinks".to_owned(),
                    wrong: Some("minute 75: 6 are wanted".to_owned()),
                },
            ],
            violations: Vec::new(),
        };
        insta::assert_snapshot!("simulate", text(&simulated));
    }
}
