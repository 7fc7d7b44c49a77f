//! What an `apply` changes, or would change.

use serde_json::Value;

use super::table::{self, Side};
use crate::alarms::AlarmChanges;
use crate::change::Applied;
use crate::diff::Difference;

/// Longest value that is written out.
const VALUE_LETTERS_MAX: usize = 60;

/// One fleet.
pub(crate) fn text(applied: &Applied) -> String {
    let headline = match (applied.stored_version, applied.changed) {
        (None, _) => format!("{}: new, version {}", applied.fleet, applied.version),
        (Some(_), false) => format!("{}: version {}, no change", applied.fleet, applied.version),
        (Some(stored), true) => format!("{}: version {stored} -> {}", applied.fleet, applied.version),
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    if applied.stored_version.is_some() {
        rows.extend(applied.changes.iter().map(field));
    }
    rows.extend(alarms(&applied.alarms));
    let mut text = headline;
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&table::aligned(&[Side::Left, Side::Left, Side::Left], rows));
    }
    if applied.dry_run {
        text.push_str("\nnothing was changed");
    }
    text
}

fn field(change: &Difference) -> Vec<String> {
    let path = if change.path.is_empty() {
        "the whole spec".to_owned()
    } else {
        change.path.clone()
    };
    let (mark, values) = match (&change.from, &change.to) {
        (Some(from), Some(to)) => ("  ~", format!("{} -> {}", value(from), value(to))),
        (None, Some(to)) => ("  +", value(to)),
        (Some(from), None) => ("  -", value(from)),
        (None, None) => ("  ~", String::new()),
    };
    vec![mark.to_owned(), path, values]
}

fn alarms(changes: &AlarmChanges) -> Vec<Vec<String>> {
    let marked = [("  +", &changes.created), ("  ~", &changes.updated), ("  -", &changes.removed)];
    let rows = marked.iter().flat_map(|(mark, names)| {
        names
            .iter()
            .map(|name| vec![(*mark).to_owned(), format!("alarm {name}"), String::new()])
    });
    rows.collect()
}

/// A value as one would type it, cut if it is long.
fn value(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        // targets and bounds may have a fraction, and seldom do
        Value::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
        other => other.to_string(),
    };
    if text.chars().count() <= VALUE_LETTERS_MAX {
        return text;
    }
    text.chars().take(VALUE_LETTERS_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use ghostnet_core::id::{AlarmName, SpecVersion};
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_marked_by_what_happens_to_them() {
        let Ok(fleet) = "web".parse() else { panic!("a good id") };
        let from = json!({ "maximum": 40.0, "guards": { "tolerance": { "out": "10%" } }, "policies": [{ "id": "cpu", "type": "step" }] });
        let to = json!({ "maximum": 60.5, "mode": "on", "policies": [{ "id": "requests", "type": "target_tracking", "metric": "alb_request_count_per_target" }] });
        let names = |policy: &str| vec![AlarmName::new(format!("ghostnet/web/blue/{policy}/out"))];
        let mut applied = Applied {
            fleet,
            version: SpecVersion(4),
            stored_version: Some(SpecVersion(3)),
            changed: true,
            dry_run: true,
            changes: crate::diff::differences(&from, &to),
            alarms: AlarmChanges {
                created: names("requests"),
                updated: Vec::new(),
                removed: names("cpu"),
            },
            notes: Vec::new(),
        };
        let changed = text(&applied);
        applied = Applied {
            changed: false,
            dry_run: false,
            changes: Vec::new(),
            alarms: AlarmChanges::default(),
            ..applied
        };
        let same = text(&applied);
        applied = Applied {
            changed: true,
            stored_version: None,
            version: SpecVersion(1),
            ..applied
        };
        insta::assert_snapshot!("changes", [changed, same, text(&applied)].join("\n\n"));
    }
}
