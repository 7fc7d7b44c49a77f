//! Data to text, as people read it: no calls, no clock, no colour. The text is kept in snapshots.

pub(crate) mod defaults;
pub(crate) mod problems;
pub(crate) mod table;
