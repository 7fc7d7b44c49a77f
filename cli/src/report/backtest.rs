//! What the page of a backtest is made of, borrowed from whoever played it. Numbers only: `render::backtest` makes the page.

use ghostnet_backtest::contest::{Contestant, Row, WorstHour};
use ghostnet_backtest::load::Load;
use ghostnet_backtest::peer::Peer;
use ghostnet_backtest::replay::World;
use ghostnet_core::id::BuildId;

/// A load, and what each policy made of it. Steps are counted from the first that is scored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BacktestReport<'a> {
    /// The load, as it was asked for: the name of its file.
    pub(crate) trace: &'a str,
    /// What the load is counted in, such as `requests/s`.
    pub(crate) unit: &'a str,
    /// The load: its scored part is shown.
    pub(crate) load: &'a Load,
    /// The world in which it was played.
    pub(crate) world: &'a World,
    /// What costs are relative to.
    pub(crate) optimum: Denominator,
    /// What each policy came to, in the order of the table. The course of each has a value for every scored step.
    pub(crate) rows: &'a [Row],
    /// The worst hour of the row that the page is about; none: it had none.
    pub(crate) worst: Option<WorstHour>,
    /// What was expected of the load, the oldest first; empty: nothing was forecast.
    pub(crate) forecast: &'a [Expected],
    /// What else is to be known, a sentence each: what was left out, what would have helped.
    pub(crate) notes: &'a [String],
    /// The command that makes this page again.
    pub(crate) command: &'a str,
    /// The code that played it.
    pub(crate) build: &'a BuildId,
}

/// What a cost of 1.00 is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Denominator {
    /// Instance-hours of the cheapest schedule, by someone who knows the future.
    pub(crate) hours: f64,
    /// That schedule never uses more than this share of its instances.
    pub(crate) used: f64,
}

/// What was expected of the load at a step, in the unit of the trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Expected {
    /// The step.
    pub(crate) step: usize,
    /// As likely more as less.
    pub(crate) median: f64,
    /// More is unlikely.
    pub(crate) upper: f64,
}

impl<'a> BacktestReport<'a> {
    /// The row that the page is about: the fleet as its owner wrote it, else the first that anybody could have run.
    pub(crate) fn subject(&self) -> Option<&'a Row> {
        let (own, optimum) = (Contestant::GhostNet.to_string(), Peer::Optimum.to_string());
        let found = self.rows.iter().find(|row| row.policy == own);
        found.or_else(|| self.rows.iter().find(|row| row.policy != optimum))
    }

    /// Steps that are shown.
    pub(crate) fn steps(&self) -> usize {
        self.load.scored().len()
    }

    /// When a step is.
    pub(crate) fn at(&self, step: usize) -> jiff::Timestamp {
        self.load.at(self.load.scored_from().saturating_add(step))
    }

    /// How many instances a load keeps at the target, not rounded.
    pub(crate) fn instances(&self, rate: f64) -> f64 {
        rate / (self.world.instance.target * self.world.instance.capacity)
    }

    /// How much of so many instances a load uses, in percent; of none, or of far too few, four times what there is.
    pub(crate) fn used_percent(&self, rate: f64, serving: u32) -> f64 {
        /// Beyond this the meter does not tell either.
        const MOST: f64 = 400.0;
        if rate <= 0.0 {
            return 0.0;
        }
        (100.0 * rate / (self.world.instance.capacity * f64::from(serving))).min(MOST)
    }
}
