//! The one spine that every function, the CLI's `plan` and the simulator walk: load, observe, decide, audit, commit,
//! execute, outcome. Generic over ports; knows no AWS SDK and reads no clock but the port's.
#![warn(missing_docs)]

pub mod error;
pub mod port;
