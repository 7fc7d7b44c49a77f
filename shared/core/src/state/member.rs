//! One instance that counts: its clocks, whether it leaves, is kept warm or is being replaced, and why.

use serde::{Deserialize, Serialize};

use crate::unit::{Moment, Seconds};

/// One instance that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Since when it is known here; it counts, listed or not, until it is ten minutes old.
    #[serde(rename = "k")]
    pub known_since: Moment,
    /// When it was first healthy in all its groups.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub served_since: Option<Moment>,
    /// Since when it serves no longer without having been drained: it fell sick, was stopped, or is gone.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Moment>,
    /// How long complete observations have shown it not healthy, in a row.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub unready: Option<Unready>,
    /// It is leaving.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// It leaves, and this long after its drain began no Cloud Map service listed it any more. A span, not a moment: a thousand that
    /// leave at once must fit into the state.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_after: Option<Seconds>,
    /// Since when it is known to be gone, where clients find instances by name: an announcement may take effect after that.
    #[serde(rename = "gs", default, skip_serializing_if = "Option::is_none")]
    pub gone_since: Option<Moment>,
    /// A terminate call for it succeeded.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub terminating_since: Option<Moment>,
    /// It is kept out of service, or was started and not seen to run yet.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<Warm>,
    /// When its last start was committed.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Moment>,
    /// It was seen shutting down or terminated; kept until no group of ours lists it.
    #[serde(rename = "g", default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// It was launched as spot capacity; asked only while EC2 does not list it.
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub spot: bool,
    /// It serves on until another one serves in its place, and why.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub renew: Option<RenewReason>,
    /// AWS said that it will retire it.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub retires: bool,
}

impl Member {
    /// An instance that was just launched or adopted.
    #[must_use]
    pub fn new(known_since: impl Into<Moment>) -> Self {
        Self {
            known_since: known_since.into(),
            served_since: None,
            left: None,
            unready: None,
            drain: None,
            withdrawn_after: None,
            gone_since: None,
            terminating_since: None,
            warm: None,
            started_at: None,
            gone: false,
            spot: false,
            renew: None,
            retires: false,
        }
    }

    /// An instance that a launch brought, to serve or to be kept warm.
    #[must_use]
    pub fn launched(warm: bool, known_since: impl Into<Moment>) -> Self {
        let mut member = Self::new(known_since);
        let since = member.known_since;
        member.warm = warm.then_some(Warm {
            phase: WarmPhase::Preparing,
            since,
        });
        member
    }

    /// It comes to serve again: nothing that was known of it as it served before counts.
    pub(crate) fn forget_former_life(&mut self) {
        (self.served_since, self.unready, self.renew) = (None, None, None);
    }

    /// When it last came: launched, or started.
    #[must_use]
    pub fn came_at(&self) -> Moment {
        self.started_at.map_or(self.known_since, |started| started.max(self.known_since))
    }

    /// Whether it is kept out of service.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.warm.is_some_and(|warm| warm.phase != WarmPhase::Starting)
    }

    /// Whether its start was committed and it was not seen to run yet.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        self.warm.is_some_and(|warm| warm.phase == WarmPhase::Starting)
    }

    /// Its start did not happen: it is kept as before.
    pub(crate) fn not_started(&mut self, at: impl Into<Moment>) {
        if let Some(warm) = self.warm.as_mut().filter(|warm| warm.phase == WarmPhase::Starting) {
            *warm = Warm {
                phase: WarmPhase::Kept,
                since: at.into(),
            };
        }
    }
}

/// An instance that is kept ready out of service, on its way there, or on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warm {
    /// Which of these.
    #[serde(rename = "p")]
    pub phase: WarmPhase,
    /// Since when.
    #[serde(rename = "s")]
    pub since: Moment,
}

/// Where a warm instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmPhase {
    /// Launched to be kept; nobody has asked EC2 to stop it.
    Preparing,
    /// A stop of it was committed: it rests, or will.
    Kept,
    /// A start of it was committed: it counts as coming until it is seen to run.
    Starting,
}

/// Time that complete observations have shown an instance not healthy; unknown stops this clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unready {
    /// Seconds counted so far.
    #[serde(rename = "n")]
    pub counted: Seconds,
    /// When it was last seen not healthy.
    #[serde(rename = "l")]
    pub last_seen: Moment,
}

/// An instance is leaving: out of its groups, finishing requests. Until a terminate is committed it can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// When the drain was committed.
    #[serde(rename = "s")]
    pub since: Moment,
    /// It is not waited for longer than this.
    #[serde(rename = "d")]
    pub deadline: Moment,
    /// Why it leaves.
    #[serde(rename = "w")]
    pub why: DrainReason,
}

/// Why an instance leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainReason {
    /// The pool wants fewer.
    ScaleIn,
    /// It became unhealthy.
    Unhealthy,
    /// It never became healthy.
    NeverHealthy,
    /// AWS takes it.
    Interrupted,
    /// Kept warm, and more are kept than wanted.
    WarmSurplus,
    /// Kept warm for too long, or of a type that the pool no longer names.
    WarmOutdated,
    /// To be kept warm, and could not be stopped.
    WarmRestless,
    /// Another one serves in its place.
    Renewed,
    /// It became unhealthy, and is kept for a while so that somebody can look at it.
    Kept,
}

impl DrainReason {
    /// Whether it is about an instance that was out of service anyway.
    #[must_use]
    pub fn is_of_warm(self) -> bool {
        matches!(self, Self::WarmSurplus | Self::WarmOutdated | Self::WarmRestless)
    }
}

impl std::fmt::Display for DrainReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ScaleIn => "scale in",
            Self::Unhealthy => "unhealthy",
            Self::NeverHealthy => "never became healthy",
            Self::Interrupted => "interrupted by AWS",
            Self::WarmSurplus => "kept warm, and no longer needed",
            Self::WarmOutdated => "kept warm, and outdated",
            Self::WarmRestless => "to be kept warm, but could not be stopped",
            Self::Renewed => "another one serves in its place",
            Self::Kept => "unhealthy, kept for inspection",
        })
    }
}

/// Why an instance that is well is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewReason {
    /// AWS will retire it.
    Retirement,
    /// An operator has its zone left.
    Evacuation,
    /// An operator asked for a refresh.
    Refresh,
    /// It was launched from another version of the launch template.
    Drift,
    /// It is older than the pool allows.
    Age,
    /// Its zone has at least two more than another.
    Balance,
}

impl RenewReason {
    /// Whether it is nobody's wish of this moment, so that it can wait until a removal window lets somebody leave.
    #[must_use]
    pub fn can_wait(self) -> bool {
        match self {
            Self::Drift | Self::Age | Self::Balance => true,
            Self::Retirement | Self::Evacuation | Self::Refresh => false,
        }
    }
}

impl std::fmt::Display for RenewReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Retirement => "AWS will retire it",
            Self::Evacuation => "an operator has its zone left",
            Self::Refresh => "a refresh was asked for",
            Self::Drift => "another version of the launch template",
            Self::Age => "older than `max_age`",
            Self::Balance => "its zone has more than another",
        })
    }
}
