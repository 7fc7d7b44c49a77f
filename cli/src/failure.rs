//! Why a verb did not do what it was asked: one message, its causes, and a hint. Every failure ends with exit code 1;
//! wrong usage is told by the argument parser and ends with 2.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use crate::render::problems::FileProblems;

/// A verb's failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Spec files with problems.
    #[error("{}", crate::render::problems::text(.0))]
    Specs(Vec<FileProblems>),
    /// A file cannot be read.
    #[error("`{}` cannot be read", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("`{}` cannot be written", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file exists already.
    #[error("`{}` exists already", .0.display())]
    Exists(PathBuf),
    /// Standard output cannot be written.
    #[error("the answer cannot be written")]
    Output(#[source] io::Error),
}

impl Failure {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Exists(_) => Some("choose another name, or leave the name away to print the spec".to_owned()),
            _ => None,
        }
    }

    /// The whole message: what failed, why, and what to do.
    pub(crate) fn report(&self) -> String {
        let mut report = format!("error: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            report.push_str(&format!("\n  because: {error}"));
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            report.push_str(&format!("\nhint: {hint}"));
        }
        report
    }
}
