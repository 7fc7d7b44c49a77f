//! What to set, as text.

use ghostnet_backtest::tune::Evidence;

use super::table::{Side, plain};
use crate::verb::tune::Tuned;

/// The settings, what to write into the spec, and what one can have instead.
pub(crate) fn text(tuned: &Tuned) -> String {
    let (suggestion, limit) = (&tuned.suggestion, 100.0 * tuned.objective.used);
    let over = format!("over {limit:.0} %");
    let columns = [
        ("", Side::Left),
        ("instance-hours/day", Side::Right),
        (over.as_str(), Side::Right),
        ("caution", Side::Right),
        ("usual", Side::Right),
        ("hold", Side::Right),
    ];
    let named = [("now", &suggestion.present), ("chosen", &suggestion.chosen)];
    let rows = named.map(|(name, evidence)| row(name, evidence));
    let mut text = format!(
        "{} · the last {} days · at most {} % of the time above {limit:.0} %\n\n{}\n\n",
        tuned.trace,
        suggestion.days,
        tuned.objective.percent,
        plain(&columns, rows)
    );
    if tuned.set.is_empty() {
        text.push_str("nothing to change: no setting gains a hundredth\n");
    } else {
        let gain = tuned.gain_percent;
        let what = if gain < 0.0 {
            "costs more, and keeps the objective"
        } else {
            "saves"
        };
        text.push_str(&format!("{what}: {:.1} %; to set:\n", gain.abs()));
        for set in &tuned.set {
            match &set.value {
                Some(value) => text.push_str(&format!("  {}: {value}\n", set.path)),
                None => text.push_str(&format!("  {}: leave it out\n", set.path)),
            }
        }
    }
    text.push_str("\nwhat one can have, by what time above the limit is worth:\n");
    text.push_str(&plain(&columns, suggestion.front.iter().map(|evidence| row("", evidence))));
    text.push('\n');
    for note in &tuned.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

fn row(name: &str, evidence: &Evidence) -> Vec<String> {
    let settings = &evidence.settings;
    vec![
        name.to_owned(),
        format!("{:.1}", evidence.instance_hours_per_day),
        format!("{:.3} %", evidence.over_percent),
        settings.caution.to_string(),
        settings.usual.map_or_else(|| "-".to_owned(), |share| format!("{share}%")),
        settings.hold.to_string(),
    ]
}
