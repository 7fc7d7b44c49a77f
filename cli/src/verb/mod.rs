//! The verbs, one per file: each has its arguments and one `run`.

pub(crate) mod completions;
pub(crate) mod init;
pub(crate) mod schema;
pub(crate) mod validate;
