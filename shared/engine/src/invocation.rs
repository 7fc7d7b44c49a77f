//! One invocation of a function, and what it gave.

use std::collections::BTreeMap;
use std::fmt;

use ghostnet_core::audit::Violation;
use ghostnet_core::decide::Decision;
use ghostnet_core::id::{BuildId, FleetId, InstallationId, PlanId, PoolId, Region, WriterId};
use ghostnet_core::plan::{CLOCK_SKEW_MAX, STEP_SECONDS_MAX, WINDOW_MAX};
use ghostnet_core::record::Inputs;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use crate::error::PortError;

/// Time kept free between the last step and the end of the function: outcomes must still be written.
const WRAP_UP: Seconds = Seconds(3);

/// The failover function is given so long: it looks again and again while a side is suspect. All others have a window.
pub const FAILOVER_TIMEOUT: Seconds = Seconds::minutes(10);

/// Who decides, where, and how long it may take.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Whose instances.
    pub installation: InstallationId,
    /// Where.
    pub region: Region,
    /// Which function, for the record.
    pub function: &'static str,
    /// Unique per invocation; Lambda's request id.
    pub request_id: String,
    /// The code that runs.
    pub build: BuildId,
    /// When Lambda ends the function.
    pub deadline: Timestamp,
}

impl Invocation {
    /// No step of a commit made at `now` starts later than this: it must end, and its outcome be written, in time. A clock
    /// that leaves more time than any function is given is wrong, and then there is none: windows rest on clocks that agree.
    #[must_use]
    pub fn execute_until(&self, now: Timestamp) -> Timestamp {
        if Seconds::between(now, self.deadline).0 > self.longest().0.saturating_add(CLOCK_SKEW_MAX.0) {
            return Timestamp::MIN;
        }
        let last_start = Seconds(STEP_SECONDS_MAX.0.saturating_add(WRAP_UP.0)).before(self.deadline);
        last_start.min(WINDOW_MAX.after(now))
    }

    /// How long the function is given.
    fn longest(&self) -> Seconds {
        match self.function {
            "failover" => FAILOVER_TIMEOUT,
            _ => WINDOW_MAX,
        }
    }

    /// Whether the clock agrees with Lambda's deadline that the invocation has just begun. A long invocation's clock could be wrong by
    /// minutes and leave it time all the same, and datapoints are told apart by their times.
    #[must_use]
    pub fn begins_now(&self, now: Timestamp) -> bool {
        let began = self.longest().before(self.deadline);
        let slow = Seconds(CLOCK_SKEW_MAX.0.saturating_mul(3));
        Seconds::between(began, now) <= slow && Seconds::between(now, began) <= CLOCK_SKEW_MAX
    }

    /// The writer of one attempt: never used twice.
    #[must_use]
    pub fn writer(&self, fleet: &FleetId, attempt: u32) -> WriterId {
        WriterId::new(format!("{}/{fleet}/{attempt}", self.request_id))
    }
}

/// The id of a plan: its moment, so that records sort by time, and its writer, so that no two are equal.
#[must_use]
pub fn plan_id(now: Timestamp, writer: &WriterId) -> PlanId {
    let digest = ghostnet_core::id::digest(writer.as_str());
    let suffix = digest.get(..12).unwrap_or(&digest);
    PlanId::new(format!("{now:.3}-{suffix}"))
}

/// What one fleet's look gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The last decision.
    pub decision: Decision,
    /// What each pool wanted before the first of this look's decisions.
    pub before: BTreeMap<PoolId, u32>,
    /// Its plan's id, that of its record if it was recorded.
    pub plan: PlanId,
    /// Whether anything was committed.
    pub committed: bool,
    /// Steps that were sent.
    pub sent: usize,
    /// Instances that AWS said it launched.
    pub launched: usize,
    /// Instances whose termination AWS accepted.
    pub terminated: usize,
    /// Steps that AWS refused, or whose outcome is unknown, in words.
    pub trouble: Vec<String>,
    /// Findings that somebody should be told at night.
    pub alerts: Vec<String>,
    /// How often another writer was faster.
    pub conflicts: u32,
}

impl Report {
    /// This one came after another of the same look, which had found no capacity for all that it wanted.
    #[must_use]
    pub(crate) fn after(self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else { return self };
        Self {
            before: earlier.before,
            launched: self.launched.saturating_add(earlier.launched),
            ..self
        }
    }
}

/// A look that ended before it acted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReconcileError {
    /// The fleet is not in the table (any more).
    #[error("fleet is not applied")]
    NoSuchFleet,
    /// The stored spec cannot be read by this build.
    #[error("stored spec is not valid here: {0}")]
    Spec(String),
    /// The table, or an observation without which nothing can be decided, could not be had.
    #[error("{0}")]
    Port(#[from] PortError),
    /// Others were faster, several times in a row.
    #[error("lost the commit {0} times to other writers")]
    Conflict(u32),
    /// The decision would have broken an invariant; nothing was done.
    #[error("refused by audit: {}", Violations(.0))]
    Audit(Vec<Violation>),
    /// The invocation has no time left for another look.
    #[error("no time left")]
    OutOfTime,
    /// A decision could not be written down, so it was not made.
    #[error("a record could not be made: {0}")]
    Record(String),
}

struct Violations<'a>(&'a [Violation]);

impl fmt::Display for Violations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, violation) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", violation.invariant, violation.detail)?;
        }
        Ok(())
    }
}

impl ReconcileError {
    /// Whether Lambda should try the event again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Port(error) => error.is_retryable(),
            Self::Conflict(_) | Self::OutOfTime => true,
            Self::NoSuchFleet | Self::Spec(_) | Self::Audit(_) | Self::Record(_) => false,
        }
    }

    /// A stable name for metrics and Lambda's error type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoSuchFleet => "NoSuchFleet",
            Self::Spec(_) => "BadStoredSpec",
            Self::Port(_) => "PortFailed",
            Self::Conflict(_) => "CommitConflict",
            Self::Audit(_) => "AuditViolation",
            Self::OutOfTime => "OutOfTime",
            Self::Record(_) => "RecordFailed",
        }
    }
}

/// What would be decided now, without acting.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// What it was decided from.
    pub inputs: Inputs,
    /// The decision.
    pub decision: Decision,
    /// Invariants it would break.
    pub violations: Vec<Violation>,
}
