//! The spine around a small world of its own: what its calls cost, what it learns, what it does when AWS does not find somebody.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    dead_code,
    reason = "a test that cannot build its world should stop there; the world is shared with another test"
)]

mod ahead;
mod calls;
mod learned;
mod loads;
mod not_found;
mod own_metric;
mod refused;
mod reservations;
#[path = "../world/run.rs"]
mod run;
mod tuned;
#[path = "../world/mod.rs"]
mod world;
