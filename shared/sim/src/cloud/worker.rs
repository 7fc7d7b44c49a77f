//! The worker on an instance: when it is ready, what it is told, and when it says that it has finished.

use ghostnet_core::observation::{Told, Word};

use crate::chance::Chance;
use crate::clock::{MINUTE, Millis, SECOND};

/// A worker, as its instance's tags show it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Worker {
    /// When it is ready.
    pub ready_at: Millis,
    /// From being told to its last word; none: it never answers.
    finishes_in: Option<Millis>,
    /// What it was told last.
    pub told: Option<Told>,
    /// When it says its last word, unless it is told meanwhile that it is needed.
    finished_at: Option<Millis>,
}

impl Worker {
    /// A worker of an instance that runs at `running_at`: some begin late, some have long work, some never answer.
    #[must_use]
    pub fn any(chance: &mut Chance, running_at: Millis) -> Self {
        Self {
            ready_at: running_at + chance.between(0, 150 * SECOND),
            finishes_in: (!chance.once_in(6)).then(|| chance.between(SECOND, 8 * MINUTE)),
            ..Self::default()
        }
    }

    /// It reads its tag.
    pub fn is_told(&mut self, told: Told, now: Millis) {
        self.told = Some(told);
        self.finished_at = match told {
            Told::Draining => self.finished_at.or_else(|| Some(now + self.finishes_in?)),
            // what it has said it cannot take back
            Told::Serving => self.finished_at.filter(|at| now >= *at),
        };
    }

    /// Whether it has said its last word.
    #[must_use]
    pub fn has_finished(&self, now: Millis) -> bool {
        self.finished_at.is_some_and(|at| now >= at)
    }

    /// Whether it has said that it is ready.
    #[must_use]
    pub fn is_ready(&self, now: Millis) -> bool {
        now >= self.ready_at
    }

    /// What its instance's tags say.
    #[must_use]
    pub fn word(&self, now: Millis) -> Word {
        Word {
            told: self.told,
            ready: self.is_ready(now),
            drained: self.has_finished(now),
            beat: None,
        }
    }
}
