//! The verbs, one per file: each has its arguments and one `run`.

pub(crate) mod adopt;
pub(crate) mod apply;
pub(crate) mod completions;
pub(crate) mod delete;
pub(crate) mod evacuate;
pub(crate) mod explain;
pub(crate) mod failover;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod refresh;
pub(crate) mod release;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod scale;
pub(crate) mod schema;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod swarm;
pub(crate) mod tune;
pub(crate) mod validate;
