//! YAML text to a JSON value, with the line of every field. Scalars are taken as they look and never guessed: a number
//! is what JSON calls a number, and a scalar that YAML readers disagree about is a problem. Anchors, aliases, tags and
//! further documents are refused, because a spec must mean the same to every reader, and an alias can grow without
//! bound.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde::Serialize;
use serde_json::{Map, Value};

use super::SpecProblem;

/// Deepest nesting of a spec; the language needs six levels.
const DEPTH_MAX: usize = 32;

/// A YAML document as data, and where each part of it stands.
#[derive(Debug)]
pub(crate) struct Document {
    /// The data.
    pub(crate) value: Value,
    /// Where each field stands.
    pub(crate) marks: Marks,
}

/// Where each field of a document stands, by its path.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<String, Mark>);

/// A place in the file, both counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Place {
    /// Line.
    pub(crate) line: usize,
    /// Column.
    pub(crate) column: usize,
}

impl Place {
    /// Where a file begins.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    fn of(span: &Span) -> Self {
        Self {
            line: span.start.line(),
            column: span.start.col().saturating_add(1),
        }
    }
}

#[derive(Debug)]
struct Mark {
    at: Place,
    /// An unquoted scalar as it was typed.
    typed: Option<String>,
}

impl Marks {
    /// Where a field stands, or the nearest part that contains it.
    pub(crate) fn place(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(mark) = self.0.get(path) {
                return mark.at;
            }
            let Some(end) = path.rfind(['.', '[']) else {
                return self.0.get("").map_or(Place::START, |mark| mark.at);
            };
            path = path.get(..end).unwrap_or_default();
        }
    }

    /// The line of that place.
    pub(crate) fn line(&self, path: &str) -> usize {
        self.place(path).line
    }

    /// Whether the document has this field.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// An unquoted scalar as it was typed: `1.10`, not `1.1`.
    pub(crate) fn typed(&self, path: &str) -> Option<&str> {
        self.0.get(path)?.typed.as_deref()
    }

    /// Paths of all fields, in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The path of a field inside the thing at `parent`.
pub(crate) fn field(parent: &str, key: &str) -> String {
    if parent.is_empty() {
        key.to_owned()
    } else {
        format!("{parent}.{key}")
    }
}

/// The path of an element of the list at `parent`.
pub(crate) fn element(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// Reads one document. Problems that leave something to read come beside it; a broken syntax leaves nothing.
pub(crate) fn read(text: &str) -> (Option<Document>, Vec<SpecProblem>) {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        marks: Marks::default(),
        problems: Vec::new(),
    };
    match reader.stream() {
        Ok(value) => (
            Some(Document {
                value,
                marks: reader.marks,
            }),
            reader.problems,
        ),
        Err(Stop::Syntax(error)) => {
            let at = Place {
                line: error.marker().line().max(1),
                column: error.marker().col().saturating_add(1),
            };
            let message = format!("this is not YAML: {}", error.info());
            reader.problems.push(SpecProblem::new(
                at,
                "",
                message,
                "check indentation, quotes and brackets here and on the line before",
            ));
            (None, reader.problems)
        }
        Err(Stop::Refused) => (None, reader.problems),
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    marks: Marks,
    problems: Vec<SpecProblem>,
}

/// Why reading ended early.
enum Stop {
    Syntax(ScanError),
    /// The problem is noted, and nothing after it can be read.
    Refused,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        Self::Syntax(error)
    }
}

impl<'t> Reader<'t> {
    fn stream(&mut self) -> Result<Value, Stop> {
        let mut value = None;
        while let Some(next) = self.parser.next_event() {
            let (event, span) = next?;
            match event {
                Event::DocumentStart(_) if value.is_some() => {
                    self.refuse(&span, "", "a second document begins", "write one fleet per file");
                    return Err(Stop::Refused);
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
                event => value = Some(self.node("", event, &span, 0)?),
            }
        }
        Ok(value.unwrap_or_default())
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Stop> {
        self.parser.next_event().ok_or(Stop::Refused)?.map_err(Stop::from)
    }

    fn node(&mut self, path: &str, event: Event<'t>, span: &Span, depth: usize) -> Result<Value, Stop> {
        if depth > DEPTH_MAX {
            self.refuse(span, path, format!("nested deeper than {DEPTH_MAX} levels"), "");
            return Err(Stop::Refused);
        }
        self.marks.0.entry(path.to_owned()).or_insert_with(|| Mark {
            at: Place::of(span),
            typed: None,
        });
        self.refuse_extras(path, &event, span);
        match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => Ok(self.plain(path, &text, span)),
            Event::Scalar(text, ..) => Ok(Value::String(text.into_owned())),
            Event::SequenceStart(..) => self.list(path, depth),
            Event::MappingStart(..) => self.map(path, depth),
            _ => Ok(Value::Null),
        }
    }

    /// Anchors, aliases and tags: noted, and what they are attached to is read without them.
    fn refuse_extras(&mut self, path: &str, event: &Event<'_>, span: &Span) {
        let (anchor, tag) = match event {
            Event::Alias(_) => (true, None),
            Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor != 0, tag.as_ref())
            }
            _ => (false, None),
        };
        if anchor {
            self.refuse(
                span,
                path,
                "anchors and aliases are not read",
                "write the value out; settings that pools share belong under `defaults`",
            );
        }
        if let Some(tag) = tag {
            let tag = if tag.is_yaml_core_schema() {
                format!("!!{}", tag.suffix)
            } else {
                tag.to_string()
            };
            self.refuse(
                span,
                path,
                format!("the tag `{tag}` is not read"),
                "write the value alone, text in quotes",
            );
        }
    }

    fn list(&mut self, path: &str, depth: usize) -> Result<Value, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Array(items));
            }
            let item = self.node(&element(path, items.len()), event, &span, depth.saturating_add(1))?;
            items.push(item);
        }
    }

    fn map(&mut self, path: &str, depth: usize) -> Result<Value, Stop> {
        let mut fields = Map::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Object(fields)),
                Event::Scalar(key, ..) => key.into_owned(),
                _ => {
                    self.refuse(&span, path, "a list or a map cannot be the name of a field", "");
                    return Err(Stop::Refused);
                }
            };
            let inside = field(path, &key);
            let double = fields.contains_key(&key);
            if double {
                let first = self.marks.line(&inside);
                self.refuse(
                    &span,
                    &inside,
                    format!("written twice, first on line {first}"),
                    "keep one of the two",
                );
            } else {
                self.marks.0.insert(
                    inside.clone(),
                    Mark {
                        at: Place::of(&span),
                        typed: None,
                    },
                );
            }
            let (event, span) = self.next()?;
            if double {
                // read over it; its marks would hide those of the first
                let marks = std::mem::take(&mut self.marks);
                self.node(&inside, event, &span, depth.saturating_add(1))?;
                self.marks = marks;
            } else {
                let value = self.node(&inside, event, &span, depth.saturating_add(1))?;
                fields.insert(key, value);
            }
        }
    }

    fn plain(&mut self, path: &str, text: &str, span: &Span) -> Value {
        if let Some(mark) = self.marks.0.get_mut(path) {
            mark.typed = Some(text.to_owned());
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            _ => match serde_json::from_str(text) {
                Ok(number) => Value::Number(number),
                Err(_) => {
                    if looks_like_a_number(text) {
                        self.refuse(
                            span,
                            path,
                            format!("`{text}` is a number to some YAML readers and text to others"),
                            format!("write a plain decimal number, or `\"{text}\"` if text is meant"),
                        );
                    }
                    Value::String(text.to_owned())
                }
            },
        }
    }

    fn refuse(&mut self, span: &Span, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(SpecProblem::new(Place::of(span), path, message, hint));
    }
}

/// Whether some YAML reader takes this unquoted text, which is no JSON number, for a number: `0123`, `0x1f`, `1_000`,
/// `+5`, `.5`, `.inf`.
fn looks_like_a_number(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(body.to_ascii_lowercase().as_str(), ".inf" | ".nan") {
        return true;
    }
    if let Some(digits) = body.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    }
    let body = body.strip_prefix("0o").unwrap_or(body);
    let mantissa = body.split_once(['e', 'E']).map_or(body, |(mantissa, exponent)| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !exponent.is_empty() && exponent.bytes().all(|b| b.is_ascii_digit()) {
            mantissa
        } else {
            body
        }
    });
    mantissa.bytes().any(|b| b.is_ascii_digit())
        && mantissa.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'_' | b'.'))
        && mantissa.bytes().filter(|b| *b == b'.').count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        read(text).0.map(|document| document.value).unwrap_or_default()
    }

    fn messages(text: &str) -> Vec<String> {
        read(text)
            .1
            .into_iter()
            .map(|problem| format!("{} {} {}", problem.at.line, problem.path, problem.message))
            .collect()
    }

    #[test]
    fn scalars_are_what_they_look_like_and_nothing_else() {
        let read =
            value("{a: on, b: 90s, c: 4, d: 1.5, e: 'x', f: \"3\", g: , h: true, i: 3 of 5, j: 2026-11-27T18:00:00+01:00, k: no, l: 7d}");
        let expected = serde_json::json!({
            "a": "on", "b": "90s", "c": 4, "d": 1.5, "e": "x", "f": "3", "g": null, "h": true, "i": "3 of 5",
            "j": "2026-11-27T18:00:00+01:00", "k": "no", "l": "7d"
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn scalars_that_readers_disagree_about_are_refused() {
        for (text, refused) in [
            ("0123", true),
            ("0x1F", true),
            ("0o17", true),
            ("1_000", true),
            ("+5", true),
            (".5", true),
            ("5.", true),
            (".inf", true),
            ("-.NaN", true),
            ("1e999", true),
            ("1e3", false),
            ("5m", false),
            ("7d", false),
            ("10%", false),
            ("1.2.3", false),
            ("2026-11-27", false),
            ("ami-0123", false),
            ("e5", false),
            ("_", false),
        ] {
            assert_eq!(messages(&format!("a: {text}")).len(), usize::from(refused), "{text}");
        }
        assert!(messages("a: '0123'").is_empty(), "quoted text is text");
    }

    #[test]
    fn fields_know_their_lines() {
        let marks = read("a:\n  - b: 1\n    c:\n      d: 1.10\n")
            .0
            .map(|document| document.marks)
            .unwrap_or_default();
        for (path, line) in [
            ("a", 1),
            ("a[0]", 2),
            ("a[0].b", 2),
            ("a[0].c.d", 4),
            ("a[0].c.missing", 3),
            ("x", 1),
        ] {
            assert_eq!(marks.line(path), line, "{path}");
        }
        assert_eq!(marks.typed("a[0].c.d"), Some("1.10"));
    }

    #[test]
    fn what_means_different_things_to_different_readers_is_refused() {
        for (text, expected) in [
            ("a: 1\nb: 2\na: 3\n", "3 a written twice, first on line 1"),
            ("a: &x 1\n", "1 a anchors and aliases are not read"),
            ("a: &x 1\nb: *x\n", "2 b anchors and aliases are not read"),
            ("a: !!str 1\n", "1 a the tag `!!str` is not read"),
            ("a: 1\n---\nb: 2\n", "2  a second document begins"),
            ("? [a]\n: 1\n", "1  a list or a map cannot be the name of a field"),
            ("a: [1\n", "this is not YAML"),
        ] {
            assert!(
                messages(text).iter().any(|message| message.contains(expected)),
                "{text:?}: {:?}",
                messages(text)
            );
        }
    }

    #[test]
    fn depth_is_limited_and_an_alias_bomb_does_not_explode() {
        assert!(messages(&"[".repeat(10_000)).len() == 1);
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n";
        assert_eq!(value(bomb)["c"], serde_json::json!([null, null]));
    }
}
