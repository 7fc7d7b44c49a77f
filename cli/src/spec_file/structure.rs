//! Holds a document against the spec's JSON Schema: unknown and missing fields, wrong types, words that are no choice.
//!
//! All problems are found in one walk, and what does not fit is replaced, so that the rest can still be checked. Written
//! by hand because a general validator answers "not valid under any of the given schemas" where a person needs to read
//! which field, what was found, and what was probably meant. A test holds it against a general validator.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::SpecProblem;
use super::yaml::{Document, element, field};
use crate::words::{listed, nearest};

/// Words of JSON Schema that the walk understands, or may pass over: the ranges and patterns of text are judged by the
/// check of the spec itself, which says more.
#[cfg(test)]
const KEYWORDS: [&str; 20] = [
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "examples",
    "format",
    "items",
    "maximum",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
];

/// A document made to fit its schema, and what had to give.
#[derive(Debug)]
pub(crate) struct Fitted {
    /// Deserialises; means what the document means wherever the document fits.
    pub(crate) value: Value,
    /// What did not fit.
    pub(crate) problems: Vec<SpecProblem>,
    /// Fields that the author probably meant: problems there follow from those here.
    pub(crate) meant: Vec<String>,
}

/// Walks the whole document.
pub(crate) fn fit(schema: &Value, document: &Document) -> Fitted {
    let mut walk = Walk {
        root: schema,
        document,
        problems: Vec::new(),
        meant: Vec::new(),
    };
    let value = walk.node(schema, &document.value, "").unwrap_or_else(|| walk.stand_in(schema));
    Fitted {
        value,
        problems: walk.problems,
        meant: walk.meant,
    }
}

struct Walk<'s> {
    root: &'s Value,
    document: &'s Document,
    problems: Vec<SpecProblem>,
    meant: Vec<String>,
}

impl<'s> Walk<'s> {
    /// The value as far as it fits; none if nothing of it does.
    fn node(&mut self, schema: &'s Value, value: &Value, path: &str) -> Option<Value> {
        let schema = self.resolve(schema);
        match self.choose(schema, value) {
            Choice::Schema(schema) => self.typed(schema, value, path),
            Choice::Words(words) => self.word(&words, value, path),
            Choice::Null => Some(Value::Null),
            Choice::NoTag(tags) => self.no_tag(&tags, value, path),
            Choice::None(expected) => self.wrong_type(&expected, schema, value, path),
        }
    }

    /// Which of a schema's branches the author meant.
    fn choose(&self, schema: &'s Value, value: &Value) -> Choice<'s> {
        let branches = ["anyOf", "oneOf"].iter().find_map(|word| schema.get(word)?.as_array());
        let Some(branches) = branches else { return Choice::Schema(schema) };
        let branches: Vec<&Value> = branches.iter().map(|branch| self.resolve(branch)).collect();
        let nullable = branches.iter().any(|branch| is_null(branch));
        let branches: Vec<&Value> = branches.into_iter().filter(|branch| !is_null(branch)).collect();
        if nullable && value.is_null() {
            return Choice::Null;
        }
        if let [only] = branches.as_slice() {
            return self.choose(only, value);
        }
        if let Some(words) = branches.iter().map(|branch| branch.get("const")?.as_str()).collect() {
            return Choice::Words(words);
        }
        let tags: BTreeMap<&str, &Value> = branches.iter().filter_map(|branch| Some((tag_of(branch)?, *branch))).collect();
        if tags.len() == branches.len() {
            let tag = value.get("type").and_then(Value::as_str).and_then(|tag| tags.get(tag));
            return tag.map_or_else(|| Choice::NoTag(tags.keys().copied().collect()), |branch| Choice::Schema(branch));
        }
        let fits = branches.iter().find(|branch| self.takes(branch, value));
        let expected = || {
            schema
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or("another value")
                .to_owned()
        };
        fits.map_or_else(|| Choice::None(expected()), |branch| self.choose(branch, value))
    }

    /// Whether a branch takes values of this type at all.
    fn takes(&self, branch: &'s Value, value: &Value) -> bool {
        let named = types(branch);
        if named.is_empty() {
            let inner = ["anyOf", "oneOf"].iter().find_map(|word| branch.get(word)?.as_array());
            return inner.is_some_and(|inner| inner.iter().any(|branch| self.takes(self.resolve(branch), value)));
        }
        named.iter().any(|name| is_type(name, value))
    }

    fn typed(&mut self, schema: &'s Value, value: &Value, path: &str) -> Option<Value> {
        let named = types(schema);
        if !named.is_empty() && !named.iter().any(|name| is_type(name, value)) {
            return self.wrong_type(&expected(schema, &named), schema, value, path);
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            return self.word(&words, value, path);
        }
        match value {
            Value::Object(fields) => Some(self.object(schema, fields, path)),
            Value::Array(items) => Some(self.array(schema, items, path)),
            Value::Number(_) => self.number(schema, value, path),
            _ => Some(value.clone()),
        }
    }

    fn object(&mut self, schema: &'s Value, fields: &Map<String, Value>, path: &str) -> Value {
        let known = schema.get("properties").and_then(Value::as_object);
        let required = required(schema);
        let mut fitted = Map::new();
        for (key, value) in fields {
            let inside = field(path, key);
            let field_schema = known.and_then(|known| known.get(key));
            if let Some(field_schema) = field_schema.or_else(|| schema.get("additionalProperties").filter(|any| any.is_object())) {
                let value = self.node(field_schema, value, &inside);
                fitted.extend(value.map(|value| (key.clone(), value)));
            } else if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
                self.unknown_field(known, fields, key, path);
            }
        }
        for key in required {
            let Some(field_schema) = known.and_then(|known| known.get(key)) else {
                continue;
            };
            let missing = !fields.contains_key(key) && !self.meant.contains(&field(path, key));
            if missing {
                let hint = field_schema
                    .get("description")
                    .and_then(Value::as_str)
                    .map(about)
                    .unwrap_or_default();
                self.problem(&field(path, key), "missing", hint);
            }
            if !fitted.contains_key(key) {
                fitted.insert(key.to_owned(), self.stand_in(field_schema));
            }
        }
        Value::Object(fitted)
    }

    fn unknown_field(&mut self, known: Option<&Map<String, Value>>, fields: &Map<String, Value>, key: &str, path: &str) {
        let known: Vec<&str> = known.map(|known| known.keys().map(String::as_str).collect()).unwrap_or_default();
        let free: Vec<&str> = known.iter().copied().filter(|known| !fields.contains_key(*known)).collect();
        let hint = match nearest(key, &free) {
            Some(meant) => {
                self.meant.push(field(path, meant));
                format!("did you mean `{meant}`?")
            }
            None => format!("known here: {}", listed(&known)),
        };
        self.problem(&field(path, key), "unknown field", hint);
    }

    fn array(&mut self, schema: &'s Value, items: &[Value], path: &str) -> Value {
        let Some(item_schema) = schema.get("items") else {
            return Value::Array(items.to_vec());
        };
        let fitted = items.iter().enumerate().map(|(index, item)| {
            // an element keeps its place, so that the paths of the others stay right
            self.node(item_schema, item, &element(path, index))
                .unwrap_or_else(|| self.stand_in(item_schema))
        });
        Value::Array(fitted.collect())
    }

    fn number(&mut self, schema: &Value, value: &Value, path: &str) -> Option<Value> {
        let integer = types(schema).contains(&"integer");
        let below = |limit: &Value| value.as_f64() < limit.as_f64();
        let message = match (schema.get("minimum"), schema.get("maximum")) {
            (Some(minimum), _) if below(minimum) => format!("`{}` is below {minimum}", self.typed_text(value, path)),
            (_, Some(maximum)) if value.as_f64() > maximum.as_f64() => format!("`{}` is above {maximum}", self.typed_text(value, path)),
            _ if integer && value.as_u64().is_none_or(|n| u32::try_from(n).is_err()) => {
                format!("`{}` is too large", self.typed_text(value, path))
            }
            _ => return Some(value.clone()),
        };
        self.problem(path, message, String::new());
        None
    }

    fn word(&mut self, words: &[&str], value: &Value, path: &str) -> Option<Value> {
        if value.as_str().is_some_and(|word| words.contains(&word)) {
            return Some(value.clone());
        }
        let found = value.as_str().map_or_else(|| self.found(value, path), |word| format!("`{word}`"));
        let hint = match value.as_str().and_then(|word| nearest(word, words)) {
            Some(meant) => format!("did you mean `{meant}`? known here: {}", listed(words)),
            None => format!("known here: {}", listed(words)),
        };
        self.problem(path, format!("{found} is none of the known words"), hint);
        None
    }

    fn no_tag(&mut self, tags: &[&str], value: &Value, path: &str) -> Option<Value> {
        match value.as_object().map(|fields| fields.get("type")) {
            Some(Some(found)) => {
                self.word(tags, &found.clone(), &field(path, "type"));
            }
            Some(None) => self.problem(&field(path, "type"), "missing", format!("known here: {}", listed(tags))),
            None => {
                let message = format!("expected a map of fields, found {}", self.found(value, path));
                self.problem(path, message, format!("it needs a `type`: {}", listed(tags)));
            }
        }
        // nothing of it can be judged
        self.meant.push(path.to_owned());
        None
    }

    fn wrong_type(&mut self, expected: &str, schema: &Value, value: &Value, path: &str) -> Option<Value> {
        let found = self.found(value, path);
        let typed = self.typed_text(value, path);
        let example = schema.get("examples").and_then(|examples| examples.get(0)).and_then(Value::as_str);
        let wanted = types(schema);
        let hint = match (value, example) {
            (Value::Number(_) | Value::Bool(_), Some(example)) => format!("write it with its unit, such as `{example}`"),
            (Value::Number(_) | Value::Bool(_), None) if wanted.contains(&"string") => format!("write it as text: `\"{typed}\"`"),
            (Value::String(text), _) if wanted.iter().any(|name| is_number(name) && parses_as(name, text)) => {
                format!("write it without quotes: `{text}`")
            }
            (Value::String(text), _) if wanted.contains(&"boolean") && matches!(text.as_str(), "yes" | "on" | "y") => {
                "write `true`".to_owned()
            }
            (Value::String(text), _) if wanted.contains(&"boolean") && matches!(text.as_str(), "no" | "off" | "n") => {
                "write `false`".to_owned()
            }
            (Value::String(_) | Value::Object(_), _) if wanted.contains(&"array") => {
                "write a list: `[...]`, or one `- ` per line".to_owned()
            }
            _ => String::new(),
        };
        self.problem(path, format!("expected {expected}, found {found}"), hint);
        None
    }

    /// The smallest value that the schema takes, where the document has none that fits. Problems that follow from it are
    /// not reported.
    fn stand_in(&self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        if let Some(word) = schema.get("const").or_else(|| schema.get("enum").and_then(|words| words.get(0))) {
            return word.clone();
        }
        if let Some(branch) = ["anyOf", "oneOf"].iter().find_map(|word| schema.get(word)?.get(0)) {
            return self.stand_in(branch);
        }
        match types(schema).first() {
            Some(&"string") => Value::String(
                schema
                    .get("examples")
                    .and_then(|all| all.get(0)?.as_str())
                    .unwrap_or("x")
                    .to_owned(),
            ),
            Some(&"integer" | &"number") => Value::from(1),
            Some(&"boolean") => Value::Bool(false),
            Some(&"array") => Value::Array(Vec::new()),
            Some(&"object") => {
                let known = schema.get("properties").and_then(Value::as_object);
                let field = |key: &str| Some((key.to_owned(), self.stand_in(known?.get(key)?)));
                Value::Object(required(schema).into_iter().filter_map(field).collect())
            }
            _ => Value::Null,
        }
    }

    fn resolve<'v>(&self, schema: &'v Value) -> &'v Value
    where
        's: 'v,
    {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
        name.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    fn problem(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems
            .push(SpecProblem::new(self.document.marks.place(path), path, message, hint));
    }

    fn typed_text(&self, value: &Value, path: &str) -> String {
        self.document.marks.typed(path).map_or_else(|| value.to_string(), str::to_owned)
    }

    fn found(&self, value: &Value, path: &str) -> String {
        match value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(_) => format!("`{}`", self.typed_text(value, path)),
            Value::Number(_) => format!("the number `{}`", self.typed_text(value, path)),
            Value::String(text) => format!("the text `{text}`"),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "a map of fields".to_owned(),
        }
    }
}

/// What a schema with branches asks of a value.
enum Choice<'s> {
    Schema(&'s Value),
    Words(Vec<&'s str>),
    Null,
    NoTag(Vec<&'s str>),
    None(String),
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn required(schema: &Value) -> Vec<&str> {
    schema
        .get("required")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// The word that a branch requires in its field `type`.
fn tag_of(branch: &Value) -> Option<&str> {
    branch.get("properties")?.get("type")?.get("const")?.as_str()
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

fn is_number(name: &str) -> bool {
    matches!(name, "integer" | "number")
}

fn parses_as(name: &str, text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|value| is_type(name, &value))
}

/// What a person calls the type.
fn expected(schema: &Value, names: &[&str]) -> String {
    let example = schema.get("examples").and_then(|examples| examples.get(0)).and_then(Value::as_str);
    match (names.iter().find(|name| **name != "null").copied(), example) {
        (Some("string"), Some(example)) => format!("text such as `{example}`"),
        (Some("string"), None) => "text".to_owned(),
        (Some("integer"), _) => "a whole number".to_owned(),
        (Some("number"), _) => "a number".to_owned(),
        (Some("boolean"), _) => "`true` or `false`".to_owned(),
        (Some("array"), _) => "a list".to_owned(),
        _ => "a map of fields".to_owned(),
    }
}

/// The first sentence of a field's description, as a hint.
fn about(description: &str) -> String {
    let first = description.split(['\n', ';']).next().unwrap_or_default().trim_end_matches('.');
    let mut letters = first.chars();
    letters
        .next()
        .map(|letter| letter.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ghostnet_core::spec::RawFleetSpec;
    use serde_json::json;

    use super::*;
    use crate::spec_file::yaml;

    const FLEET: &str = include_str!("../../../infra/fleets/web.yaml");

    fn words(schema: &Value, found: &mut BTreeSet<String>) {
        let Some(fields) = schema.as_object() else { return };
        for (word, value) in fields {
            found.insert(word.clone());
            match (word.as_str(), value) {
                ("properties" | "$defs", Value::Object(named)) => named.values().for_each(|schema| words(schema, found)),
                ("anyOf" | "oneOf", Value::Array(branches)) => branches.iter().for_each(|schema| words(schema, found)),
                _ => words(value, found),
            }
        }
    }

    #[test]
    fn the_walk_knows_every_word_of_the_schema() {
        let mut found = BTreeSet::new();
        words(&crate::schema::published(), &mut found);
        let unknown: Vec<&String> = found.iter().filter(|word| !KEYWORDS.contains(&word.as_str())).collect();
        assert!(
            unknown.is_empty(),
            "teach the walk, or the list of words it may pass over: {unknown:?}"
        );
    }

    /// Every document that differs from `value` in one place.
    fn variants(value: &Value) -> Vec<Value> {
        let mut all = vec![
            json!(null),
            json!(true),
            json!(7),
            json!(-7),
            json!(1.5),
            json!("x"),
            json!([]),
            json!({}),
            json!({ "x": 1 }),
        ];
        match value {
            Value::Object(fields) => {
                for (key, inner) in fields {
                    let with = |inner: Option<Value>| {
                        let mut fields = fields.clone();
                        fields.remove(key);
                        fields.extend(inner.map(|inner| (key.clone(), inner)));
                        Value::Object(fields)
                    };
                    all.push(with(None));
                    all.extend(variants(inner).into_iter().map(|inner| with(Some(inner))));
                }
                let mut more = fields.clone();
                more.insert("surplus".to_owned(), json!(1));
                all.push(Value::Object(more));
            }
            Value::Array(items) => {
                for (index, inner) in items.iter().enumerate() {
                    all.extend(variants(inner).into_iter().map(|inner| {
                        let mut items = items.clone();
                        items[index] = inner;
                        Value::Array(items)
                    }));
                }
            }
            _ => {}
        }
        all
    }

    /// Ranges of text are left to the check of the spec.
    fn without_patterns(schema: &mut Value) {
        match schema {
            Value::Object(fields) => {
                fields.remove("pattern");
                fields.values_mut().for_each(without_patterns);
            }
            Value::Array(items) => items.iter_mut().for_each(without_patterns),
            _ => {}
        }
    }

    #[test]
    fn the_walk_agrees_with_a_general_validator_and_always_leaves_a_spec() {
        let schema = crate::schema::published();
        let mut plain = schema.clone();
        without_patterns(&mut plain);
        let Ok(judge) = jsonschema::validator_for(&plain) else {
            panic!("the schema is no schema")
        };
        let Some(fleet) = yaml::read(FLEET).0 else {
            panic!("the example is no YAML")
        };
        let all = variants(&fleet.value);
        assert!(all.len() > 500, "{}", all.len());
        for value in all {
            let document = Document {
                value,
                marks: yaml::Marks::default(),
            };
            let fitted = fit(&schema, &document);
            assert_eq!(
                fitted.problems.is_empty(),
                judge.is_valid(&document.value),
                "{}: {:?}",
                document.value,
                fitted.problems
            );
            let read = serde_json::from_value::<RawFleetSpec>(fitted.value.clone());
            assert!(read.is_ok(), "{:?}: {}", read.err(), fitted.value);
            if fitted.problems.is_empty() {
                assert_eq!(fitted.value, document.value, "what fits is not changed");
            }
        }
    }

    /// What an editor marks as wrong is wrong.
    #[test]
    fn editors_take_every_horizon_that_the_check_takes() {
        let schema = crate::schema::published();
        let Ok(judge) = jsonschema::validator_for(&schema) else {
            panic!("the schema is no schema")
        };
        let Some(fleet) = yaml::read(FLEET).0 else {
            panic!("the example is no YAML")
        };
        for (horizon, good) in [("4m", true), ("learned", true), ("learnt", false), ("4", false)] {
            let mut fleet = fleet.value.clone();
            fleet["policies"] = json!([{ "id": "ahead", "type": "predictive", "of": "requests", "horizon": horizon }]);
            assert_eq!(judge.is_valid(&fleet), good, "{horizon}");
        }
    }
}
