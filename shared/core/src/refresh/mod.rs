//! A refresh: an operator wants every instance replaced that was launched before a moment, some at a time, with checkpoints
//! at which it waits and lets the new ones prove themselves.
//!
//! [`apply`] changes the state as an operator asks; `decide` carries it out, launch first. A rollback replaces those that came
//! since by instances of the version from before, and launches name that version until the next `apply` of the spec.

mod request;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::request::{BAKE_MAX, CHECKPOINTS_MAX, Order, RefreshRefused, RefreshRequest, apply};
use crate::id::SpecVersion;
use crate::spec::TemplateVersion;
use crate::unit::{Percent, Seconds};

/// A refresh of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// Instances launched before are replaced.
    pub requested_at: Timestamp,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Shares at which it waits, ascending; those that were passed are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<Percent>,
    /// How long it waits there.
    pub bake: Seconds,
    /// Whether an operator stopped it for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// How many there were to replace when it was first looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// At a checkpoint: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bakes_until: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// Who is of this version of the launch template stays; none: everybody is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<TemplateVersion>,
    /// The version that most of those had that are replaced, as the first look found them: a rollback goes there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TemplateVersion>,
    /// It is rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Back>,
    /// The last request that was heard: an older one changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastAsked>,
}

/// The way back of a refresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// Everybody who is known to be of another version is replaced, and launches name this one.
    pub to: TemplateVersion,
    /// For as long as this version of the spec holds: the next one says anew what is wanted.
    pub spec_version: SpecVersion,
}

/// A request that was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAsked {
    /// Whose.
    pub by: String,
    /// When it was issued.
    pub at: Timestamp,
}

/// The end of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Whether everybody was replaced; else it was cancelled.
    pub complete: bool,
}

/// How far a refresh is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// So many are replaced, or gone.
    pub replaced: u32,
    /// Of so many.
    pub total: u32,
    /// What it does.
    pub phase: Phase,
}

/// What a refresh does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Replaces.
    Replacing,
    /// Waits at a checkpoint.
    Baking {
        /// Until when.
        until: Timestamp,
    },
    /// Stopped by an operator for now.
    Paused,
    /// Everybody is replaced.
    Complete,
}

impl Progress {
    /// Whether more may be replaced now.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.phase == Phase::Replacing
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replaced, total, phase } = self;
        write!(f, "{replaced} of {total} replaced")?;
        match phase {
            Phase::Replacing => Ok(()),
            Phase::Baking { until } => write!(f, ", waiting at a checkpoint until {until}"),
            Phase::Paused => f.write_str(", paused"),
            Phase::Complete => f.write_str(", complete"),
        }
    }
}

impl Refresh {
    /// Moves on, now that `left` old instances are left: passes checkpoints, begins and ends waits, ends.
    pub(crate) fn advance(&mut self, left: u32, now: Timestamp) -> Progress {
        // adopted strangers may be old too: nobody is replaced a negative number of times
        let total = self.total.map_or(left, |total| total.max(left));
        self.total = Some(total);
        let replaced = total.saturating_sub(left);
        if self.bakes_until.is_some_and(|until| now >= until) {
            self.bakes_until = None;
        }
        let is_reached = |share: &Percent| u64::from(replaced).saturating_mul(100) >= u64::from(share.0).saturating_mul(u64::from(total));
        let reached = self.checkpoints.iter().take_while(|share| is_reached(share)).count();
        if reached > 0 {
            self.checkpoints.drain(..reached);
            // the last one has nothing to wait for
            self.bakes_until = (left > 0).then(|| self.bake.after(now)).filter(|until| *until > now);
        }
        let phase = if left == 0 {
            self.ended = Some(Ended { at: now, complete: true });
            self.bakes_until = None;
            Phase::Complete
        } else if self.paused {
            Phase::Paused
        } else if let Some(until) = self.bakes_until {
            Phase::Baking { until }
        } else {
            Phase::Replacing
        };
        Progress { replaced, total, phase }
    }

    /// Whether it has not ended, paused or not.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether it replaces an instance that came then and is of this version of the launch template, if that is known.
    #[must_use]
    pub fn replaces(&self, born: Timestamp, template: Option<&TemplateVersion>) -> bool {
        let is_other = |version: &TemplateVersion| template.is_some_and(|template| template != version);
        self.goes_on()
            && match (&self.back, &self.current) {
                (Some(back), _) => is_other(&back.to),
                (None, Some(current)) => born < self.requested_at && is_other(current),
                (None, None) => born < self.requested_at,
            }
    }

    /// The version that launches name because it was rolled back.
    #[must_use]
    pub fn pinned(&self, spec_version: SpecVersion) -> Option<&TemplateVersion> {
        let cancelled = self.ended.is_some_and(|ended| !ended.complete);
        let back = self.back.as_ref().filter(|_| !cancelled)?;
        (back.spec_version == spec_version).then_some(&back.to)
    }

    /// A rollback ends with the spec under which it was asked for.
    pub(crate) fn follow_spec(&mut self, spec_version: SpecVersion, now: Timestamp) {
        let is_over = self.back.as_ref().is_some_and(|back| back.spec_version != spec_version);
        if is_over && self.goes_on() {
            self.ended = Some(Ended { at: now, complete: false });
        }
    }
}
