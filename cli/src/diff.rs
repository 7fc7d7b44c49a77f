//! What an `apply` changes: two specs as typed, field by field. Pools and policies are compared by their ids, so that
//! one inserted in front does not make all the others look changed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// One changed field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Difference {
    /// The field, such as `pools[blue].capacity.max`.
    pub(crate) path: String,
    /// What was stored; absent: the field is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Value>,
    /// What will be; absent: the field goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<Value>,
}

/// Every difference, in the order of the paths.
pub(crate) fn differences(from: &Value, to: &Value) -> Vec<Difference> {
    let mut changes = Vec::new();
    compare("", Some(from), Some(to), &mut changes);
    changes
}

fn compare(path: &str, from: Option<&Value>, to: Option<&Value>, changes: &mut Vec<Difference>) {
    if from == to {
        return;
    }
    let parts = (from.and_then(|from| parts(path, from)), to.and_then(|to| parts(path, to)));
    let (Some(old), Some(new)) = parts else {
        changes.push(Difference {
            path: path.to_owned(),
            from: from.cloned(),
            to: to.cloned(),
        });
        return;
    };
    let before = changes.len();
    let paths: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for inside in paths {
        compare(inside, old.get(inside).copied(), new.get(inside).copied(), changes);
    }
    if changes.len() == before {
        // the same parts in another order
        changes.push(Difference {
            path: path.to_owned(),
            from: from.cloned(),
            to: to.cloned(),
        });
    }
}

/// The named parts of a map, or of a list whose elements all have an id; none for everything else.
fn parts<'v>(path: &str, value: &'v Value) -> Option<BTreeMap<String, &'v Value>> {
    match value {
        Value::Object(fields) => {
            let dot = if path.is_empty() { "" } else { "." };
            Some(fields.iter().map(|(key, value)| (format!("{path}{dot}{key}"), value)).collect())
        }
        Value::Array(items) => {
            let part = |item: &'v Value| Some((format!("{path}[{}]", item.get("id")?.as_str()?), item));
            let parts: Option<BTreeMap<_, _>> = items.iter().map(part).collect();
            parts.filter(|parts| parts.len() == items.len())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(from: &Value, to: &Value) -> Vec<String> {
        let word = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), Value::to_string);
        differences(from, to)
            .iter()
            .map(|change| format!("{} {} {}", change.path, word(&change.from), word(&change.to)))
            .collect()
    }

    #[test]
    fn fields_are_compared_one_by_one() {
        let from = json!({ "fleet": "web", "maximum": 40, "guards": { "tolerance": { "out": "10%" } } });
        let to = json!({ "fleet": "web", "maximum": 60, "mode": "on", "guards": {} });
        assert_eq!(
            told(&from, &to),
            ["guards.tolerance {\"out\":\"10%\"} -", "maximum 40 60", "mode - \"on\""]
        );
        assert!(told(&from, &from).is_empty());
    }

    #[test]
    fn pools_and_policies_are_compared_by_id() {
        let from = json!({ "pools": [{ "id": "blue", "max": 4 }, { "id": "red", "max": 1 }] });
        let to = json!({ "pools": [{ "id": "green", "max": 2 }, { "id": "blue", "max": 5 }, { "id": "red", "max": 1 }] });
        assert_eq!(
            told(&from, &to),
            ["pools[blue].max 4 5", "pools[green] - {\"id\":\"green\",\"max\":2}"]
        );
        let turned = json!({ "pools": [{ "id": "red", "max": 1 }, { "id": "blue", "max": 4 }] });
        assert_eq!(differences(&from, &turned).len(), 1, "another order is a change");
    }

    #[test]
    fn lists_without_ids_are_compared_whole() {
        assert_eq!(told(&json!({ "a": [1, 2] }), &json!({ "a": [2] })), ["a [1,2] [2]"]);
    }
}
