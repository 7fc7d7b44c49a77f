//! A decision beside its repetition.

use serde_json::Value;

use super::table::{self, Side};
use crate::verb::replay::Replayed;

/// Whether they are the same, and where they differ.
pub(crate) fn text(replayed: &Replayed) -> String {
    let builds = if replayed.same_build {
        format!("by the same build, {}", replayed.this_build)
    } else {
        format!("by build {} then, {} now", replayed.recorded_build, replayed.this_build)
    };
    if replayed.same {
        return format!("{}: the same decision, bit for bit, {builds}", replayed.id);
    }
    let word = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
    let rows = replayed
        .changes
        .iter()
        .map(|change| vec![format!("  {}", change.path), word(&change.from), "->".to_owned(), word(&change.to)]);
    let differences = if replayed.changes.is_empty() {
        "  only in the state that would be committed".to_owned()
    } else {
        table::aligned(&[Side::Left; 4], rows)
    };
    format!("{}: another decision, {builds}\n{differences}", replayed.id)
}

#[cfg(test)]
mod tests {
    use ghostnet_core::id::{BuildId, PlanId};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repetition_says_whether_and_where_it_differs() {
        let Ok(fleet) = "web".parse() else { panic!("a good id") };
        let same = Replayed {
            fleet,
            id: PlanId::new("2026-06-05T13:02:10.000Z-5f0c2a9be411"),
            same: true,
            same_build: true,
            recorded_build: BuildId::new("0.1.0"),
            this_build: BuildId::new("0.1.0"),
            changes: Vec::new(),
        };
        let first = text(&same);
        let changes = crate::diff::differences(
            &json!({ "pools": { "blue": { "after": 12 } } }),
            &json!({ "pools": { "blue": { "after": 13 } } }),
        );
        let other = Replayed {
            same: false,
            same_build: false,
            this_build: BuildId::new("0.2.0"),
            changes,
            ..same
        };
        insta::assert_snapshot!("replay", format!("{first}\n\n{}", text(&other)));
    }
}
