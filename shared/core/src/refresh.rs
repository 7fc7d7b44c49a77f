//! A refresh: an operator wants every instance replaced that was launched before a moment, some at a time, with checkpoints
//! at which it waits and lets the new ones prove themselves.
//!
//! [`apply`] changes the state as an operator asks; `decide` carries it out, launch first. Nothing here knows who asked or how
//! the request came.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::PoolId;
use crate::state::CapacityState;
use crate::unit::{Percent, Seconds};

/// Most checkpoints of one refresh.
pub const CHECKPOINTS_MAX: usize = 10;
/// Longest wait at a checkpoint.
pub const BAKE_MAX: Seconds = Seconds::minutes(24 * 60);

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RefreshRequest {
    /// Replace every instance that was launched before now.
    Start {
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
        /// Shares of the instances at which to wait, each larger than the one before.
        #[serde(default)]
        checkpoints: Vec<Percent>,
        /// How long to wait there.
        bake: Seconds,
    },
    /// Begin no further replacement until resumed.
    Pause,
    /// Go on.
    Resume,
    /// Replace no more. What was replaced stays replaced.
    Cancel,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshRefused {
    /// The state has no such pool.
    #[error("there is no pool `{0}`")]
    NoPool(PoolId),
    /// One goes on already.
    #[error("a refresh of `{0}` goes on: cancel it, or wait for its end")]
    GoesOn(PoolId),
    /// Nothing to pause, resume or cancel.
    #[error("no refresh of `{0}` goes on")]
    None(PoolId),
    /// The checkpoints are not shares in ascending order.
    #[error("checkpoints are shares from 1% to 100%, each larger than the one before, at most {CHECKPOINTS_MAX}")]
    Checkpoints,
    /// The wait is too long.
    #[error("a checkpoint waits at most {BAKE_MAX}")]
    Bake,
}

/// A refresh of one pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

    fn goes_on(&self) -> bool {
        self.ended.is_none()
    }
}

/// Does what an operator asks, to these pools, all or none. The caller commits the state with the next generation.
///
/// # Errors
/// Why it is refused; the state is as it was.
pub fn apply(state: &mut CapacityState, pools: &[PoolId], request: &RefreshRequest, now: Timestamp) -> Result<(), RefreshRefused> {
    judge(request)?;
    for pool in pools {
        let found = state.pools.get(pool).ok_or_else(|| RefreshRefused::NoPool(pool.clone()))?;
        let going = found.refresh.as_ref().is_some_and(Refresh::goes_on);
        match request {
            RefreshRequest::Start { .. } if going => return Err(RefreshRefused::GoesOn(pool.clone())),
            RefreshRequest::Pause | RefreshRequest::Resume | RefreshRequest::Cancel if !going => {
                return Err(RefreshRefused::None(pool.clone()));
            }
            _ => {}
        }
    }
    for pool in pools {
        if let Some(found) = state.pools.get_mut(pool) {
            change(&mut found.refresh, request, now);
        }
    }
    Ok(())
}

fn judge(request: &RefreshRequest) -> Result<(), RefreshRefused> {
    let RefreshRequest::Start { checkpoints, bake, .. } = request else {
        return Ok(());
    };
    let in_range = checkpoints.iter().all(|share| (1..=100).contains(&share.0));
    let ascending = checkpoints.iter().zip(checkpoints.iter().skip(1)).all(|(a, b)| a.0 < b.0);
    if !in_range || !ascending || checkpoints.len() > CHECKPOINTS_MAX {
        return Err(RefreshRefused::Checkpoints);
    }
    if *bake > BAKE_MAX {
        return Err(RefreshRefused::Bake);
    }
    Ok(())
}

fn change(refresh: &mut Option<Refresh>, request: &RefreshRequest, now: Timestamp) {
    match (request, refresh) {
        (
            RefreshRequest::Start {
                by,
                reason,
                checkpoints,
                bake,
            },
            refresh,
        ) => {
            *refresh = Some(Refresh {
                requested_at: now,
                by: by.clone(),
                reason: reason.clone(),
                checkpoints: checkpoints.clone(),
                bake: *bake,
                paused: false,
                total: None,
                bakes_until: None,
                ended: None,
            });
        }
        (RefreshRequest::Pause, Some(refresh)) => refresh.paused = true,
        (RefreshRequest::Resume, Some(refresh)) => refresh.paused = false,
        (RefreshRequest::Cancel, Some(refresh)) => refresh.ended = Some(Ended { at: now, complete: false }),
        (_, None) => {}
    }
}
