//! The highest of what was recommended lately.

use std::collections::VecDeque;

use ghostnet_core::unit::Seconds;

/// The highest recommendation of a window that slides.
#[derive(Debug, Clone)]
pub(super) struct Peak {
    window: Seconds,
    /// When, and how many; each lower than the one before it: a higher one makes all lower ones before it irrelevant.
    falling: VecDeque<(u64, u32)>,
}

impl Peak {
    /// Nothing was recommended yet.
    pub(super) fn new(window: Seconds) -> Self {
        Self {
            window,
            falling: VecDeque::new(),
        }
    }

    /// Takes in a recommendation, and says the highest of those that are at most as old as the window.
    pub(super) fn with(&mut self, seconds: u64, count: u32) -> u32 {
        while self.falling.back().is_some_and(|(_, last)| *last <= count) {
            self.falling.pop_back();
        }
        self.falling.push_back((seconds, count));
        while self.falling.front().is_some_and(|(at, _)| at + u64::from(self.window.0) < seconds) {
            self.falling.pop_front();
        }
        self.falling.front().map_or(count, |(_, highest)| *highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_highest_of_the_window() {
        let mut peak = Peak::new(Seconds(90));
        let peaks: Vec<u32> = [(0, 5), (30, 3), (60, 4), (90, 1), (120, 1), (150, 1), (180, 7)]
            .into_iter()
            .map(|(seconds, count)| peak.with(seconds, count))
            .collect();
        assert_eq!(peaks, [5, 5, 5, 5, 4, 4, 7]);
    }
}
