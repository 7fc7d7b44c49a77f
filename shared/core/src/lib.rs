//! Decides what a fleet should do next, and why.
//!
//! This crate is pure and synchronous: `decide(spec, state, observation, signal, now)` returns a value that holds every
//! choice. It has no clock, no randomness, no async, no I/O, and knows no AWS SDK; a test walks its dependencies and
//! says so. The engine loads and observes before it, commits and executes after it; the simulator and the backtester
//! call the very same code.
//!
//! Where to look: [`size`] counts in, counts out (policies, floors, guards); [`decide`] adds placement, victims and the
//! plan; [`audit`] judges the result against the invariants.
#![warn(missing_docs, clippy::indexing_slicing, clippy::as_conversions, clippy::float_arithmetic)]

pub mod adaptive;
pub mod adoption;
pub mod audit;
pub mod boots;
pub mod budget;
pub mod churn;
pub mod decide;
pub mod failover;
pub mod forecast;
pub mod growth;
pub mod health;
pub mod id;
pub mod observation;
pub mod operator;
pub mod plan;
pub mod policy;
pub mod rating;
pub mod reason;
pub mod record;
pub mod refresh;
pub mod reserve;
pub mod route;
pub mod sample;
pub mod signal;
pub mod size;
pub mod sorted;
pub mod spec;
pub mod spend;
pub mod state;
pub mod tuning;
pub mod unit;
