//! Data to text, as people read it: no calls, no clock, no colour. The text is kept in snapshots.

pub(crate) mod backtest;
pub(crate) mod changes;
pub(crate) mod defaults;
pub(crate) mod explain;
pub(crate) mod findings;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod plan;
pub(crate) mod problems;
pub(crate) mod reason;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod simulate;
#[cfg(test)]
mod situations;
pub(crate) mod status;
pub(crate) mod step;
pub(crate) mod swarm;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod traffic;
pub(crate) mod tune;
