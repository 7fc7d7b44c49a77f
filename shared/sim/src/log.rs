//! The readable log of a run: what happened when, to whom. Written only if somebody wants it, because text costs more than
//! the run itself.

use crate::clock::{Millis, at};

/// Lines of a run.
#[derive(Debug, Default)]
pub struct Log {
    lines: Option<Vec<String>>,
}

impl Log {
    /// A log that keeps its lines, or one that keeps nothing.
    #[must_use]
    pub fn new(kept: bool) -> Self {
        Self {
            lines: kept.then(Vec::new),
        }
    }

    /// One line.
    pub fn line(&mut self, now: Millis, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:.3} {}", at(now), text()));
        }
    }

    /// Everything so far; none if nothing was kept.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
