//! What an operator asks of a refresh, and why it may be refused.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Back, Ended, LastAsked, Refresh};
use crate::id::{PoolId, SpecVersion};
use crate::spec::TemplateVersion;
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
    /// Replace every instance that was launched before it was asked for.
    Start {
        /// Why.
        reason: String,
        /// Shares of the instances at which to wait, each larger than the one before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checkpoints: Vec<Percent>,
        /// How long to wait there.
        bake: Seconds,
        /// Only those that are of another version of the launch template than the spec's, as `apply` looked it up.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        drifted: bool,
    },
    /// Begin no further replacement until resumed.
    Pause,
    /// Go on.
    Resume,
    /// Replace no more. What was replaced stays replaced.
    Cancel,
    /// Replace those that came since by instances of the version from before.
    Rollback,
}

impl fmt::Display for RefreshRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start {
                reason, drifted: false, ..
            } => write!(f, "starts a refresh: {reason}"),
            Self::Start { reason, drifted: true, .. } => write!(f, "starts a refresh of those that drifted: {reason}"),
            Self::Pause => f.write_str("pauses the refresh"),
            Self::Resume => f.write_str("resumes the refresh"),
            Self::Cancel => f.write_str("cancels the refresh"),
            Self::Rollback => f.write_str("rolls the refresh back"),
        }
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshRefused {
    /// The state has no such pool.
    #[error("there is no pool `{0}`")]
    NoPool(PoolId),
    /// One goes on already.
    #[error("a refresh of `{0}` goes on")]
    GoesOn(PoolId),
    /// Nothing to pause, resume, cancel or roll back.
    #[error("no refresh of `{0}` goes on")]
    None(PoolId),
    /// The checkpoints are not shares in ascending order.
    #[error("checkpoints are shares from 1% to 100%, each larger than the one before, at most {CHECKPOINTS_MAX}")]
    Checkpoints,
    /// The wait is too long.
    #[error("a checkpoint waits at most {BAKE_MAX}")]
    Bake,
    /// Which version the launch template stands for is not on record.
    #[error("which version the launch template of `{0}` stands for is not known")]
    NoVersion(PoolId),
    /// Nobody is of another version.
    #[error("no instance of `{pool}` drifted: all are of version {version} of their launch template")]
    NoDrift {
        /// The pool.
        pool: PoolId,
        /// The version that all have.
        version: u64,
    },
    /// Those from before were of no version that is known and another one than since.
    #[error("the instances of `{0}` from before the refresh are of no other known version of the launch template")]
    NoWayBack(PoolId),
}

impl RefreshRefused {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoPool(_) => "`ghostnet status` lists the pools",
            Self::GoesOn(_) => "`ghostnet status` shows how far it is; wait for its end, or end it with `ghostnet refresh FLEET --cancel`",
            Self::None(_) => "`ghostnet explain` shows how the last one ended",
            Self::Checkpoints => "write them as `--checkpoints 20%,50%`",
            Self::Bake => "ask for less with `--bake`, or pause the refresh for longer",
            Self::NoVersion(_) => "`ghostnet apply` the spec: it looks the version up",
            Self::NoDrift { .. } => {
                "if the template has a newer version, `ghostnet apply` looks it up; without `--drifted` all are replaced"
            }
            Self::NoWayBack(_) => "name the version that is wanted in `launch.template`, `ghostnet apply` it, and refresh",
        }
    }
}

/// A request as it is taken in.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Who asks.
    pub by: &'a str,
    /// When it was issued.
    pub at: Timestamp,
    /// What.
    pub request: &'a RefreshRequest,
    /// The spec that holds.
    pub spec_version: SpecVersion,
    /// The version that each pool's template stood for at the last `apply`.
    pub templates: &'a std::collections::BTreeMap<PoolId, TemplateVersion>,
    /// Now.
    pub now: Timestamp,
}

/// Does what an operator asks, to these pools, all or none. The caller commits the state with the next generation.
///
/// # Errors
/// The pool where it is refused, and why; the state is as it was.
pub fn apply(state: &mut CapacityState, pools: &[PoolId], order: &Order<'_>) -> Result<(), (PoolId, RefreshRefused)> {
    for pool in pools {
        let refresh = state.pools.get(pool).map(|found| found.refresh.as_ref());
        let refresh = refresh.ok_or_else(|| (pool.clone(), RefreshRefused::NoPool(pool.clone())))?;
        judge(pool, refresh, order).map_err(|refused| (pool.clone(), refused))?;
    }
    for pool in pools {
        if let Some(found) = state.pools.get_mut(pool) {
            change(&mut found.refresh, pool, order);
        }
    }
    Ok(())
}

fn judge(pool: &PoolId, refresh: Option<&Refresh>, order: &Order<'_>) -> Result<(), RefreshRefused> {
    let goes_on = refresh.is_some_and(Refresh::goes_on);
    match order.request {
        RefreshRequest::Start {
            checkpoints,
            bake,
            drifted,
            ..
        } => {
            if goes_on {
                return Err(RefreshRefused::GoesOn(pool.clone()));
            }
            if *drifted && !order.templates.contains_key(pool) {
                return Err(RefreshRefused::NoVersion(pool.clone()));
            }
            judge_pace(checkpoints, *bake)
        }
        RefreshRequest::Pause | RefreshRequest::Resume | RefreshRequest::Cancel if goes_on => Ok(()),
        // what has ended can be rolled back too, as long as it is the last
        RefreshRequest::Rollback => match refresh {
            Some(refresh) if refresh.back.is_none() && refresh.from.is_some() => Ok(()),
            Some(refresh) if refresh.back.is_none() => Err(RefreshRefused::NoWayBack(pool.clone())),
            _ => Err(RefreshRefused::None(pool.clone())),
        },
        RefreshRequest::Pause | RefreshRequest::Resume | RefreshRequest::Cancel => Err(RefreshRefused::None(pool.clone())),
    }
}

fn judge_pace(checkpoints: &[Percent], bake: Seconds) -> Result<(), RefreshRefused> {
    let in_range = checkpoints.iter().all(|share| (1..=100).contains(&share.0));
    let ascending = checkpoints.iter().zip(checkpoints.iter().skip(1)).all(|(a, b)| a.0 < b.0);
    if !in_range || !ascending || checkpoints.len() > CHECKPOINTS_MAX {
        return Err(RefreshRefused::Checkpoints);
    }
    if bake > BAKE_MAX {
        return Err(RefreshRefused::Bake);
    }
    Ok(())
}

fn change(refresh: &mut Option<Refresh>, pool: &PoolId, order: &Order<'_>) {
    if let RefreshRequest::Start {
        reason,
        checkpoints,
        bake,
        drifted,
    } = order.request
    {
        *refresh = Some(Refresh {
            // who comes from now on is new, however far the asker's clock is ahead
            requested_at: order.at.min(order.now),
            by: order.by.to_owned(),
            reason: reason.clone(),
            checkpoints: checkpoints.clone(),
            bake: *bake,
            current: order.templates.get(pool).filter(|_| *drifted).cloned(),
            ..Refresh::default()
        });
    }
    let Some(refresh) = refresh else { return };
    match order.request {
        RefreshRequest::Start { .. } => {}
        RefreshRequest::Pause => refresh.paused = true,
        RefreshRequest::Resume => refresh.paused = false,
        RefreshRequest::Cancel => {
            refresh.ended = Some(Ended {
                at: order.now,
                complete: false,
            });
        }
        RefreshRequest::Rollback => {
            let spec_version = order.spec_version;
            refresh.back = refresh.from.clone().map(|to| Back { to, spec_version });
            // it is urgent: no more waits, and what was replaced is counted anew
            refresh.checkpoints.clear();
            (refresh.bakes_until, refresh.total, refresh.ended) = (None, None, None);
            refresh.paused = false;
        }
    }
    refresh.last = Some(LastAsked {
        by: order.by.to_owned(),
        at: order.at,
    });
}
