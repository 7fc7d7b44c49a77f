//! Problems of spec files, all at once, each with its field, its line and a hint.

use std::fmt::Write;

use ghostnet_core::spec::Problem;
use serde::Serialize;

use crate::spec_file::SpecProblem;

/// One file and what is wrong with it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FileProblems {
    /// The file, as it was named.
    pub(crate) file: String,
    /// Its problems, in the order of the file.
    pub(crate) problems: Vec<SpecProblem>,
}

/// Problems that are of no file: each on its lines, with its hint.
pub(crate) fn lines(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        // writing to a String cannot fail
        let _ = write!(text, "  {}\n    {}\n", problem.path, problem.message);
        if let Some(hint) = &problem.hint {
            let _ = writeln!(text, "    hint: {hint}");
        }
        text.push('\n');
    }
    text.push_str("nothing was done");
    text
}

/// The message, without the word `error` before it.
pub(crate) fn text(files: &[FileProblems]) -> String {
    let mut text = String::new();
    for file in files {
        let plural = if file.problems.len() == 1 { "problem" } else { "problems" };
        let lead = if text.is_empty() { "" } else { "error: " };
        // writing to a String cannot fail
        let _ = write!(text, "{lead}{} has {} {plural}\n\n", file.file, file.problems.len());
        for problem in &file.problems {
            let path = if problem.path.is_empty() { "the whole file" } else { &problem.path };
            let _ = write!(text, "  {path}  line {}\n    {}\n", problem.at.line, problem.message);
            if let Some(hint) = &problem.hint {
                let _ = writeln!(text, "    hint: {hint}");
            }
            text.push('\n');
        }
    }
    text.push_str("nothing was applied");
    text
}
