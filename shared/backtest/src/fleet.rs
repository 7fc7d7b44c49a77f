//! The fleet that a backtest plays with: instances that boot for a while before they serve, and are gone at once.

use std::collections::VecDeque;

/// How long a start takes, in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// Steps from the decision to the first step that a launched instance serves in.
    pub cold: usize,
    /// The same for one that was stopped and kept.
    pub warm: usize,
}

/// Stopped instances that are kept, ready to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stock {
    /// How many.
    pub size: u32,
    /// Whether who is needed no more fills the stock.
    pub takes_returns: bool,
}

/// Instances that start together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Batch {
    serves_at: usize,
    count: u32,
}

/// A fleet between two steps.
#[derive(Debug, Clone)]
pub struct Fleet {
    boot: Boot,
    serving: u32,
    booting: VecDeque<Batch>,
    /// Stopped and kept, ready to be started.
    stopped: u32,
    /// Launched to be stopped and kept: ready then.
    filling: VecDeque<Batch>,
    /// What is to be kept.
    stock: Stock,
}

impl Fleet {
    /// A fleet of instances that serve already, beside a full stock of stopped ones.
    #[must_use]
    pub fn new(serving: u32, stock: Stock, boot: Boot) -> Self {
        Self {
            boot,
            serving,
            booting: VecDeque::new(),
            stopped: stock.size,
            filling: VecDeque::new(),
            stock,
        }
    }

    /// Whoever has booted by `step` serves, or is stopped and kept.
    pub fn begin(&mut self, step: usize) {
        self.serving += due(&mut self.booting, step);
        self.stopped += due(&mut self.filling, step);
    }

    /// Wants so many from the next step on, decided in `step`: stopped ones are started first, then new ones are launched; those that still
    /// boot are given up first, the youngest of them before the others.
    pub fn want(&mut self, desired: u32, step: usize) {
        let (there, mut surplus) = (self.capacity(), self.capacity().saturating_sub(desired));
        let mut missing = desired.saturating_sub(there);
        let started = missing.min(self.stopped);
        self.stopped -= started;
        missing -= started;
        self.start(started, step + self.boot.warm);
        self.start(missing, step + self.boot.cold);
        while surplus > 0
            && let Some(youngest) = self.booting.back_mut()
        {
            let given_up = surplus.min(youngest.count);
            youngest.count -= given_up;
            surplus -= given_up;
            if youngest.count == 0 {
                self.booting.pop_back();
            }
        }
        let gone = surplus.min(self.serving);
        self.serving -= gone;
        if self.stock.takes_returns {
            self.stopped += gone.min(self.lacking());
        }
        self.refill(step);
    }

    /// Keeps these stopped from now on.
    pub fn keep(&mut self, stock: Stock) {
        self.stock = stock;
        self.stopped = self.stopped.min(stock.size);
    }

    /// Instances that take requests.
    #[must_use]
    pub fn serving(&self) -> u32 {
        self.serving
    }

    /// Instances that boot to serve.
    #[must_use]
    pub fn booting(&self) -> u32 {
        count(&self.booting)
    }

    /// Instances that serve or boot to.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.serving + self.booting()
    }

    /// Instances that run, and are paid as such.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.capacity() + count(&self.filling)
    }

    /// Instances that are stopped and kept.
    #[must_use]
    pub fn stopped(&self) -> u32 {
        self.stopped
    }

    fn start(&mut self, count: u32, serves_at: usize) {
        if count > 0 {
            // batches stay in the order in which they serve: a warm start may overtake a cold one
            let place = self.booting.partition_point(|batch| batch.serves_at <= serves_at);
            self.booting.insert(place, Batch { serves_at, count });
        }
    }

    /// So many fewer are kept, or launched to be, than are to be.
    fn lacking(&self) -> u32 {
        self.stock.size.saturating_sub(self.stopped + count(&self.filling))
    }

    fn refill(&mut self, step: usize) {
        let missing = self.lacking();
        if missing > 0 {
            let serves_at = step + self.boot.cold;
            self.filling.push_back(Batch { serves_at, count: missing });
        }
    }
}

fn count(batches: &VecDeque<Batch>) -> u32 {
    batches.iter().map(|batch| batch.count).sum()
}

fn due(batches: &mut VecDeque<Batch>, step: usize) -> u32 {
    let mut count = 0;
    while batches.front().is_some_and(|batch| batch.serves_at <= step)
        && let Some(batch) = batches.pop_front()
    {
        count += batch.count;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: Boot = Boot { cold: 6, warm: 1 };
    const NONE: Stock = Stock {
        size: 0,
        takes_returns: false,
    };
    const THREE: Stock = Stock { size: 3, ..NONE };

    #[test]
    fn an_instance_is_paid_from_the_next_step_and_serves_after_its_boot() {
        let mut fleet = Fleet::new(2, NONE, BOOT);
        fleet.want(5, 10);
        for step in 11..16 {
            fleet.begin(step);
            assert_eq!((fleet.serving(), fleet.running()), (2, 5), "step {step}");
        }
        fleet.begin(16);
        assert_eq!((fleet.serving(), fleet.running()), (5, 5));
    }

    #[test]
    fn those_that_boot_are_given_up_first_the_youngest_before_the_others() {
        let mut fleet = Fleet::new(2, NONE, BOOT);
        fleet.want(4, 10);
        fleet.want(5, 12);
        fleet.want(4, 13);
        fleet.begin(16);
        assert_eq!((fleet.serving(), fleet.booting()), (4, 0));
        fleet.want(1, 17);
        assert_eq!((fleet.serving(), fleet.booting()), (1, 0));
    }

    #[test]
    fn stopped_ones_are_started_first_and_the_stock_is_filled_again() {
        let mut fleet = Fleet::new(2, THREE, BOOT);
        fleet.want(6, 10);
        assert_eq!(
            (fleet.stopped(), fleet.running()),
            (0, 9),
            "one is launched to serve, three to be kept"
        );
        fleet.begin(11);
        assert_eq!((fleet.serving(), fleet.booting()), (5, 1));
        fleet.begin(16);
        assert_eq!((fleet.serving(), fleet.stopped(), fleet.running()), (6, 3, 6));
    }

    #[test]
    fn who_is_needed_no_more_fills_the_stock_where_it_takes_returns() {
        for (takes_returns, then) in [(true, (2, 2, 3)), (false, (2, 0, 5))] {
            let stock = Stock { takes_returns, ..THREE };
            let mut fleet = Fleet::new(2, stock, BOOT);
            fleet.want(5, 10);
            fleet.begin(11);
            fleet.keep(Stock { size: 5, ..stock });
            fleet.want(2, 12);
            // three were launched when three had been started; two more are wanted now
            assert_eq!((fleet.serving(), fleet.stopped(), fleet.running() - 2), then, "{takes_returns}");
        }
    }
}
