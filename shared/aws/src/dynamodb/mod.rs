//! The table: one item per kind of fact, written by few, read consistently.
//!
//! `table` names keys and attributes, `write` builds conditional writes and transactions, `read` gets items, `item` turns
//! items into values and back. On top of them: `store`, the engine's port, with `commit`, `looks` and `offering`, `traffic`, that of failover, and `forecast`, that of who
//! learns; and `operator`, the writes of the command line, with `history` and `shifts`, its reads.

mod commit;
mod forecast;
mod history;
mod item;
mod looks;
mod offering;
pub mod operator;
mod read;
pub mod shifts;
mod store;
mod table;
mod traffic;
mod write;
