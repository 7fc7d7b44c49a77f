//! Whether an account is fit for a spec: what is asked of it, and what follows from the answers.
//!
//! Three parts. [`probe`] lists what the role of a function is asked about, from the spec alone, and [`ask()`] asks it: both run
//! inside that function, so that EC2 judges the right principal. Everything else ([`launching`], [`groups`], [`alarms`], [`limits`]) is
//! arithmetic over what was looked up: the command line calls it, because only that knows the file that a finding is about. Nothing
//! here changes anything in the account.

pub mod alarms;
pub mod ask;
pub mod finding;
pub mod groups;
pub mod launching;
pub mod limits;
pub mod probe;
mod scope;

pub use ask::{Answered, ask};
pub use finding::{Finding, Severity};
pub use probe::{Probe, Probed, Refused};
