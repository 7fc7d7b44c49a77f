//! The protocol as states and moves: what is stored, what is true, what is under way, and everything that may happen next.

pub(crate) mod account;
pub(crate) mod commit;
pub(crate) mod invocation;
pub(crate) mod moves;
pub(crate) mod property;
pub(crate) mod table;
pub(crate) mod ticks;
pub(crate) mod world;
