//! The one spine that every function, the CLI's `plan` and the simulator walk: load, observe, decide, audit, commit,
//! execute, outcome. Generic over ports; knows no AWS SDK and reads no clock but the port's.
#![warn(missing_docs, clippy::indexing_slicing, clippy::as_conversions)]

mod average;
mod create_fleet;
pub mod error;
mod execute;
pub mod failover;
pub mod invocation;
pub mod learn;
mod listing;
pub mod live;
mod load;
mod metrics;
mod observe;
mod pace;
pub mod port;
mod quiet;
pub mod reconcile;
mod regions;
pub mod route;
pub mod tune;
