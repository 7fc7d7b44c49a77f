//! The protocol of commit, execution window and take-over as a small model, explored exhaustively within bounds.
//!
//! `model` is the states and the moves, `mirror` asks the core for every decision, `search` goes breadth first and tells the
//! shortest history that breaks a property. `sound` says what holds, `holes` what breaks once a rule is taken out.
//! `docs/protocol-model.md` explains it.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its world should stop there")]

mod holes;
mod mirror;
mod model;
mod search;
mod sound;
mod starts;
