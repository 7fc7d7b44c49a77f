//! What is wrong with a spec: where, what, and what to do about it.

use std::fmt;

use serde::Serialize;

/// One problem of a spec.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The field, such as `pools[0].capacity.max`. Empty for the whole document.
    pub path: String,
    /// What is wrong: lower case, no full stop, literals in backticks.
    pub message: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

/// Collects problems while a spec is read, so that all are reported at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem, once: a part that several pools share is read for each of them.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        let hint: String = hint.into();
        let problem = Problem {
            path: path.into(),
            message: message.into(),
            hint: (!hint.is_empty()).then_some(hint),
        };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// All of them, in the order in which they were found.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}
