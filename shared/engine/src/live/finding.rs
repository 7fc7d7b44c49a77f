//! One finding: where, what, why, and what to do about it.

use ghostnet_core::id::PoolId;
use ghostnet_core::spec::FleetSpec;
use serde::Serialize;

use crate::error::{ErrorClass, PortError};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The fleet cannot do its work like this.
    Error,
    /// It works, and something will hurt.
    Warning,
    /// Worth knowing; nothing has to be done.
    Note,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// Something about the account that does not fit the spec. Texts as in a problem of a spec: lower case, no full stop, literals in
/// backticks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The field of the spec; empty for the whole of it.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// Why, or what follows from it; empty if `what` says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// What could not be looked up, so that nobody takes silence for a yes.
    #[must_use]
    pub fn unread(what: &str, error: &PortError) -> Self {
        let hint = match error.class {
            ErrorClass::Denied => "attach the Operator policy of this version's stack",
            _ => "run it again in a minute",
        };
        Self::new(Severity::Note, "", format!("{what} cannot be read"), error.to_string(), hint)
    }

    pub(super) fn new(severity: Severity, path: impl Into<String>, what: impl Into<String>, why: impl Into<String>, hint: &str) -> Self {
        Self {
            severity,
            path: path.into(),
            what: what.into(),
            why: why.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        }
    }
}

/// A pool's place in the spec: `pools[0]`.
pub(super) fn pool_at(spec: &FleetSpec, pool: &PoolId) -> String {
    let place = spec.pools.iter().position(|other| other.id == *pool);
    place.map_or_else(|| "pools".to_owned(), |n| format!("pools[{n}]"))
}

/// The first few of several, in words.
pub(super) fn listed<T: AsRef<str>>(items: impl IntoIterator<Item = T>, most: usize) -> String {
    let all: Vec<T> = items.into_iter().collect();
    let first: Vec<String> = all.iter().take(most).map(|item| format!("`{}`", item.as_ref())).collect();
    match all.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
