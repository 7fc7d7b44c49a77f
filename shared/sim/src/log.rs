//! The readable log of a run: what happened when, to whom. Written only if somebody wants it, because text costs more than
//! the run itself. Beside it the story: only what a person would tell.

use crate::clock::{Millis, at};

/// Lines of a run.
#[derive(Debug, Default)]
pub struct Log {
    lines: Option<Vec<String>>,
    story: Option<Vec<String>>,
}

impl Log {
    /// A log that keeps its lines, or one that keeps nothing.
    #[must_use]
    pub fn new(kept: bool) -> Self {
        Self {
            lines: kept.then(Vec::new),
            story: None,
        }
    }

    /// A log that keeps the story alone.
    #[must_use]
    pub fn telling() -> Self {
        Self {
            lines: None,
            story: Some(Vec::new()),
        }
    }

    /// One line.
    pub fn line(&mut self, now: Millis, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:.3} {}", at(now), text()));
        }
    }

    /// Something worth telling.
    pub fn story(&mut self, now: Millis, text: impl FnOnce() -> String) {
        if self.story.is_none() {
            return self.line(now, text);
        }
        let text = text();
        self.story.iter_mut().for_each(|story| story.push(text.clone()));
        self.line(now, || text);
    }

    /// The story since it was last taken.
    pub fn take_story(&mut self) -> Vec<String> {
        self.story.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Everything so far; none if nothing was kept.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
