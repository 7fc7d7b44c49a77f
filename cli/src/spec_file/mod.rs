//! A spec file, from text to a checked spec, with every problem at once and each on its line.
//!
//! Text is read as YAML without guessing (`yaml`), held against the published schema (`structure`), and checked for
//! meaning by the core. What follows from a problem that is reported already is not reported again.

mod structure;
mod yaml;

use std::io::Read;
use std::path::{Path, PathBuf};

use ghostnet_core::spec::{FleetSpec, Problem, RawFleetSpec};
use serde::Serialize;

use crate::failure::Failure;
use crate::render::problems::FileProblems;
pub(crate) use yaml::{Marks, Place};

/// Largest spec file; a fleet with a hundred policies is a tenth of it.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A spec that may be applied.
#[derive(Debug)]
pub(crate) struct SpecFile {
    /// The file, as it was named.
    pub(crate) name: String,
    /// As typed.
    pub(crate) raw: RawFleetSpec,
    /// As checked.
    pub(crate) spec: FleetSpec,
    /// Where each field stands.
    pub(crate) marks: Marks,
}

/// Files, sorted by whether they may be applied.
#[derive(Debug, Default)]
pub(crate) struct SpecFiles {
    /// Those that may be.
    pub(crate) good: Vec<SpecFile>,
    /// The problems of the others.
    pub(crate) bad: Vec<FileProblems>,
}

impl SpecFile {
    /// A problem that the core or the account found, on its line.
    pub(crate) fn locate(&self, problem: Problem) -> SpecProblem {
        locate(problem, &self.marks)
    }
}

/// One problem of a spec file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct SpecProblem {
    /// Where it is.
    #[serde(flatten)]
    pub(crate) at: Place,
    /// The field; empty for the whole file.
    pub(crate) path: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl SpecProblem {
    fn new(at: Place, path: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint: String = hint.into();
        Self {
            at,
            path: path.to_owned(),
            message: message.into(),
            hint: (!hint.is_empty()).then_some(hint),
        }
    }
}

/// Reads every file.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<SpecFiles, Failure> {
    let mut files = SpecFiles::default();
    for path in paths {
        let name = path.display().to_string();
        match text(path)?.map_err(|problem| vec![problem]).and_then(|text| read(&name, &text)) {
            Ok(file) => files.good.push(file),
            Err(problems) => files.bad.push(FileProblems { file: name, problems }),
        }
    }
    Ok(files)
}

/// The text of a file, or why it is none.
fn text(path: &Path) -> Result<Result<String, SpecProblem>, Failure> {
    let unreadable = |source| Failure::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // one byte more than allowed tells that there is more
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
        return Ok(Err(SpecProblem::new(
            Place::START,
            "",
            format!("the file is larger than {} KiB", FILE_BYTES_MAX / 1024),
            "a spec holds one fleet",
        )));
    }
    Ok(String::from_utf8(bytes).map_err(|_| SpecProblem::new(Place::START, "", "the file is not UTF-8 text", "")))
}

/// Reads a spec.
///
/// # Errors
/// Every problem, in the order of the file.
pub(crate) fn read(name: &str, text: &str) -> Result<SpecFile, Vec<SpecProblem>> {
    let (document, mut problems) = yaml::read(text);
    let Some(document) = document else { return Err(problems) };
    if document.value.is_null() && problems.is_empty() {
        return Err(vec![SpecProblem::new(
            Place::START,
            "",
            "the file is empty",
            "`ghostnet init` writes a spec to begin with",
        )]);
    }
    let fitted = structure::fit(&crate::schema::published(), &document);
    let mut broken: Vec<String> = problems.iter().map(|problem| problem.path.clone()).collect();
    add_new(&mut problems, fitted.problems, &broken);
    broken = problems.iter().map(|problem| problem.path.clone()).chain(fitted.meant).collect();
    match check(fitted.value, &document.marks) {
        Ok((raw, spec)) if problems.is_empty() => {
            return Ok(SpecFile {
                name: name.to_owned(),
                raw,
                spec,
                marks: document.marks,
            });
        }
        Ok(_) => {}
        Err(found) => add_new(&mut problems, found, &broken),
    }
    problems.sort();
    problems.dedup();
    Err(problems)
}

/// The data of a YAML file that is no spec, read as strictly as one.
///
/// # Errors
/// It is not YAML, or YAML that readers disagree about.
pub(crate) fn data(name: &str, text: &str) -> Result<serde_json::Value, Failure> {
    let (document, problems) = yaml::read(text);
    match document {
        Some(document) if problems.is_empty() => Ok(document.value),
        _ => Err(Failure::Specs(vec![FileProblems {
            file: name.to_owned(),
            problems,
        }])),
    }
}

/// Adds the problems that do not follow from what is broken already.
fn add_new(problems: &mut Vec<SpecProblem>, found: Vec<SpecProblem>, broken: &[String]) {
    problems.extend(
        found
            .into_iter()
            .filter(|problem| !broken.iter().any(|broken| follows(&problem.path, broken))),
    );
}

fn check(value: serde_json::Value, marks: &Marks) -> Result<(RawFleetSpec, FleetSpec), Vec<SpecProblem>> {
    // the schema is made from this very type, so this fails only if the walk over it has a gap; the answer is a problem
    // of the file all the same, never a spec that was not understood
    let raw: RawFleetSpec =
        serde_json::from_value(value).map_err(|error| vec![SpecProblem::new(Place::START, "", error.to_string(), "")])?;
    let spec = FleetSpec::check(&raw).map_err(|problems| problems.into_iter().map(|problem| locate(problem, marks)).collect::<Vec<_>>())?;
    Ok((raw, spec))
}

fn locate(problem: Problem, marks: &Marks) -> SpecProblem {
    let hint = problem.hint.map(|hint| with_lines(&hint, marks));
    // what a pool takes from the defaults is told where it stands
    let default = default_of(&problem.path).filter(|default| !marks.has(&problem.path) && marks.has(default));
    let path = default.unwrap_or(problem.path);
    SpecProblem {
        at: marks.place(&path),
        path,
        message: with_lines(&problem.message, marks),
        hint,
    }
}

/// The field of `defaults` that stands in for a pool's field.
fn default_of(path: &str) -> Option<String> {
    path.strip_prefix("pools[")?
        .split_once("].")
        .map(|(_, setting)| format!("defaults.{setting}"))
}

/// Adds its line to every other field that a text names in backticks.
fn with_lines(text: &str, marks: &Marks) -> String {
    let parts = text.split('`').enumerate().map(|(place, part)| {
        let quoted = place % 2 == 1;
        match quoted {
            true if part.contains(['.', '[']) && marks.has(part) => format!("`{part}` (line {})", marks.line(part)),
            true => format!("`{part}`"),
            false => part.to_owned(),
        }
    });
    parts.collect()
}

/// Whether a problem at `path` follows from one at `broken`: the same field, a part of it, what contains it, or a pool's
/// setting that the broken default would have given.
fn follows(path: &str, broken: &str) -> bool {
    let inside = |path: &str, whole: &str| {
        path.strip_prefix(whole)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    // the fleet's maximum is the sum of the pools', which a broken one makes unknown
    let sum = path == "maximum" && broken.ends_with("capacity.max");
    let parent = broken.rfind(['.', '[']).and_then(|end| broken.get(..end)).unwrap_or_default();
    inside(path, broken) || path == parent || sum || default_of(path).is_some_and(|default| inside(&default, broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: &str = include_str!("../../../infra/fleets/web.yaml");

    #[test]
    fn what_follows_from_a_problem_is_known() {
        for (path, broken, expected) in [
            ("pools[0].capacity.max", "pools[0].capacity", true),
            ("pools[0].capacity.max", "defaults.capacity", true),
            ("pools[0].capacity.max", "defaults.capacity.max", true),
            ("pools[0].capacity", "pools[0].capacity.max", true),
            ("pools[1].capacity.max", "pools[0].capacity", false),
            ("pools[10].id", "pools[1]", false),
            ("policies[0].out", "policies[0].metric", false),
            ("maximum", "pools[0].capacity.max", true),
        ] {
            assert_eq!(follows(path, broken), expected, "{path} from {broken}");
        }
    }

    #[test]
    fn other_fields_are_named_with_their_lines() {
        let marks = yaml::read("a:\n  - b: 1\n").0.map(|document| document.marks).unwrap_or_default();
        assert_eq!(
            with_lines("see `a[0].b`, `a[1].b` and `a`", &marks),
            "see `a[0].b` (line 2), `a[1].b` and `a`"
        );
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        for end in (0..FLEET.len()).step_by(5) {
            let _ = read("", &FLEET[..end]);
        }
        for letter in [
            "", "\0", "\t", "&", "*", "{", "]", ":", "- ", "!", "|\n", "\"", "\u{feff}", "é", "\r",
        ] {
            for start in (0..FLEET.len()).step_by(31) {
                let _ = read("", &format!("{}{letter}{}", &FLEET[..start], &FLEET[start + 1..]));
            }
        }
    }
}
