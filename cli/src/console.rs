//! The two streams: data on standard output, as text for people or as JSON for machines; everything else on standard
//! error.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// Where answers go, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    /// Whether a machine reads.
    pub(crate) json: bool,
}

impl Console {
    /// The answer of a verb.
    ///
    /// # Errors
    /// Standard output cannot be written; a reader that left early is no error.
    pub(crate) fn answer(self, text: &str, data: &impl Serialize) -> Result<(), Failure> {
        if self.json {
            let json = serde_json::to_string_pretty(data).map_err(|error| Failure::Output(error.into()))?;
            self.data(&json)
        } else {
            self.data(text)
        }
    }

    /// Data that has one form only.
    ///
    /// # Errors
    /// As [`Console::answer`].
    pub(crate) fn data(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
        written.or_else(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                Ok(())
            } else {
                Err(Failure::Output(error))
            }
        })
    }

    /// A bar that shows how far a long work is, on standard error; a machine is shown none.
    pub(crate) fn bar(self, length: usize, template: &str) -> ProgressBar {
        let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
        if self.json {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    }

    /// A message beside the answer. Nobody is left to tell if standard error is closed.
    pub(crate) fn say(self, message: &str) {
        let _ = writeln!(io::stderr().lock(), "{message}");
    }
}
