//! What a fleet should do next: the situation in, the decision out.

mod backoff;
mod balancing;
mod breaker;
mod census;
mod discovery;
mod evacuating;
mod fencing;
mod fleet;
mod groups;
mod handing_over;
mod hands;
mod hooks;
mod ladder;
mod learning;
mod leaving;
mod membership;
mod mix;
mod open_steps;
mod operator;
mod order;
mod outage;
pub mod placement;
mod refreshing;
mod renewal;
mod roll;
mod services;
mod spending;
mod warm;

pub use fleet::{decide, look_ahead, open_windows};
pub(crate) use fleet::{in_force, surge};

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{InstallationId, InstanceId, PlanId, PoolId, SpecVersion};
use crate::observation::{Instance, Observation};
use crate::plan::Plan;
use crate::reason::{Direction, Finding, GuardOutcome, Vote};
use crate::signal::Signal;
use crate::sorted::Sorted;
use crate::spec::{FleetSpec, Resolved};
use crate::state::{CapacityState, Drain, DrainReason, Member, TrafficState, Warm, WarmPhase};
use crate::unit::{Moment, Seconds};

/// The instances of a fleet that EC2 lists, by id; empty if the list is unknown.
type Listed<'a> = Sorted<'a, &'a Instance>;

/// Everything a decision may depend on. Two equal situations give two equal decisions, bit for bit.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Whose instances these are.
    pub installation: &'a InstallationId,
    /// What the user wants.
    pub spec: &'a FleetSpec,
    /// Its version.
    pub spec_version: SpecVersion,
    /// What `apply` looked up.
    pub resolved: &'a Resolved,
    /// Whether the fleet is being deleted.
    pub retiring: bool,
    /// What is remembered, outcomes merged.
    pub state: &'a CapacityState,
    /// Which side takes traffic. Read only.
    pub traffic: &'a TrafficState,
    /// What AWS said, asked after the state was loaded.
    pub observation: &'a Observation,
    /// Why we look.
    pub signal: &'a Signal,
    /// The moment of the decision.
    pub now: Timestamp,
    /// No step of this decision starts later.
    pub execute_until: Timestamp,
    /// The id that the plan and the record will have.
    pub plan_id: &'a PlanId,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The state to commit. Its generation is the next one if anything changes, else the loaded one.
    pub state: CapacityState,
    /// What to send after the commit.
    pub plan: Plan,
    /// Per pool: counts, votes, guards, findings.
    pub pools: BTreeMap<PoolId, PoolDecision>,
    /// When something is due that no event announces.
    pub look_again_at: Option<Timestamp>,
}

/// One pool's part of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolDecision {
    /// How many were where.
    pub counts: CapacityCount,
    /// Wanted before.
    pub before: u32,
    /// Wanted now.
    pub after: u32,
    /// Of these so many are the reserve.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reserve: u32,
    /// The largest size that the spend cap leaves the pool; none: no cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_room: Option<u32>,
    /// What the policies together recommend, before floors and guards; none if nobody voted.
    pub recommended: Option<u32>,
    /// Each policy's vote.
    pub votes: Vec<Vote>,
    /// Guards and floors that changed or stopped a number.
    pub guards: Vec<GuardOutcome>,
    /// What else is worth telling.
    pub findings: Vec<Finding>,
}

/// How many instances of a pool are where. Each instance, and each instance that an open launch may still bring, is
/// counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityCount {
    /// Healthy, past their warm-up.
    pub in_service: u32,
    /// Healthy and serving, but warming up: capacity, and part of metrics that the balancer divides.
    pub warming_serving: u32,
    /// Running, not healthy yet (or unknown), warming up.
    pub warming: u32,
    /// Not running yet, or not listed yet.
    pub pending: u32,
    /// Asked for by open launch steps and not found yet.
    pub in_flight: u32,
    /// Sick: capacity no more, to be replaced.
    pub unhealthy: u32,
    /// Leaving.
    pub draining: u32,
    /// Of those that leave, so many still take requests: the balancer's metrics are divided by them too.
    pub draining_serving: u32,
    /// Stopped, kept ready to be started: no capacity.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warm: u32,
    /// Running or coming only to be stopped and kept: no capacity either.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub preparing: u32,
    /// Of those that serve, so many serve only until another one does in their place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub renewing: u32,
}

impl CapacityCount {
    /// What the pool has or will have: everything but sick and leaving instances.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.serving().saturating_add(self.coming())
    }

    /// What the pool has or will have once those are gone that are being replaced.
    #[must_use]
    pub fn lasting(&self) -> u32 {
        self.capacity().saturating_sub(self.renewing)
    }

    /// Instances that take requests.
    #[must_use]
    pub fn serving(&self) -> u32 {
        self.in_service.saturating_add(self.warming_serving)
    }

    /// Instances that are on their way.
    #[must_use]
    pub fn coming(&self) -> u32 {
        self.warming.saturating_add(self.pending).saturating_add(self.in_flight)
    }

    /// Everything that runs or may come to.
    #[must_use]
    pub fn all(&self) -> u32 {
        let leaving = self.unhealthy.saturating_add(self.draining);
        self.capacity().saturating_add(leaving).saturating_add(self.preparing)
    }

    /// Everything that is kept warm, or will be.
    #[must_use]
    pub fn stock(&self) -> u32 {
        self.warm.saturating_add(self.preparing)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Who began to serve within the last 25 minutes, and who ceased to within the last few. A datapoint is of its own time: what it says about an
/// instance, it says about those that served then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flow {
    /// Since when those serve that have only just begun to.
    pub joined: Vec<Timestamp>,
    /// Those that served until they began to leave, and are still draining.
    pub left: Vec<Served>,
    /// Those that serve no longer without that: sick, stopped, gone. When that was seen is known, not when it began.
    pub lost: Vec<Served>,
    /// When those were stopped that had only just booted to be kept warm.
    pub rested: Vec<Timestamp>,
    /// When the latest drain began, whoever drains or did and however long.
    pub last_drain: Option<Timestamp>,
}

/// The time for which one that serves no longer did serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// From then.
    pub since: Timestamp,
    /// Until then.
    pub until: Timestamp,
}

impl Flow {
    /// Datapoints reach back no further: four periods of a minute, and a minute to be late.
    pub const REACH: Seconds = Seconds::minutes(5);
    /// The same of periods of five minutes, as EC2 measures without detailed monitoring.
    pub const REACH_OF_EC2: Seconds = Seconds::minutes(25);

    /// What the members of a pool say about the time before `now`, and when the latest drain began of those that are gone.
    #[must_use]
    pub fn of(members: &BTreeMap<InstanceId, Member>, last_drain: Option<Moment>, now: Timestamp) -> Self {
        let joined_lately = Moment::from(Self::REACH_OF_EC2.before(now));
        let (recent, now) = (Moment::from(Self::REACH.before(now)), Moment::from(now));
        // a sick one took no requests before it was drained either: what counts is when it fell sick
        let took_requests = |drain: Drain| matches!(drain.why, DrainReason::ScaleIn | DrainReason::Interrupted | DrainReason::Renewed);
        let (mut flow, mut last_drain) = (Self::default(), last_drain);
        for member in members.values() {
            // who begins to leave at this very moment still serves: so it is the same before and after a decision's drains
            let drain = member.drain.filter(|drain| drain.since < now);
            // who was out of service changes no metric by leaving
            let served = drain.filter(|drain| !drain.why.is_of_warm());
            last_drain = last_drain.max(served.map(|drain| drain.since));
            // and who is stopped at this very moment still counts as one that prepares
            let kept = |warm: &Warm| warm.phase == WarmPhase::Kept && warm.since > joined_lately && warm.since < now;
            let kept = member.warm.filter(kept);
            flow.rested.extend(kept.map(|warm| warm.since.at()));
            let Some(since) = member.served_since else { continue };
            let served = |until: Moment| Served {
                since: since.at(),
                until: until.at(),
            };
            match (member.left, drain) {
                (Some(until), _) if until > recent => flow.lost.push(served(until)),
                (None, Some(drain)) if took_requests(drain) && drain.since > recent => flow.left.push(served(drain.since)),
                (None, None) if since > joined_lately => flow.joined.push(since.at()),
                _ => {}
            }
        }
        flow.last_drain = last_drain.map(Moment::at);
        flow
    }

    /// How many of those past their warm-up served already when a datapoint's time began, as far as can be told: a metric of who runs says
    /// nothing of who came later.
    #[must_use]
    pub fn in_service_since(&self, counts: &CapacityCount, began: Timestamp) -> u32 {
        let joined = saturate(self.joined.iter().filter(|since| **since > began).count());
        // who still warms up is among those that joined, and not among those that are counted
        counts.in_service.saturating_sub(joined.saturating_sub(counts.warming_serving))
    }

    /// How many ran when a datapoint's time began, or since, without serving: those that boot to be kept warm, and those of them that rest by
    /// now. EC2 averages over them, too.
    #[must_use]
    pub fn idled_since(&self, counts: &CapacityCount, began: Timestamp) -> u32 {
        let rested = saturate(self.rested.iter().filter(|since| **since > began).count());
        counts.preparing.saturating_add(rested)
    }

    /// How many served in the time of a datapoint. To add, those that served throughout it, and of those that began to leave in its
    /// course the part of it in which they did; to remove, all of those, and also who joined in its course or was lost since it began.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "parts of a datapoint's time")]
    pub fn served(&self, counts: &CapacityCount, (began, ended): (Timestamp, Timestamp), direction: Direction) -> f64 {
        let removes = direction == Direction::In;
        let joined_by = if removes { ended } else { began };
        let joined = self.joined.iter().filter(|since| **since > joined_by).count();
        let in_it = |served: &&Served| served.until > began && served.since <= joined_by;
        let lost = self.lost.iter().filter(|_| removes).filter(in_it).count();
        let part = |served: &Served| {
            if removes || served.until >= ended {
                return 1.0;
            }
            f64::from(Seconds::between(began, served.until).0) / f64::from(Seconds::between(began, ended).0.max(1))
        };
        let left: f64 = self.left.iter().filter(in_it).map(part).sum();
        let throughout = counts.serving().saturating_sub(saturate(joined)).saturating_add(saturate(lost));
        f64::from(throughout) + left.max(f64::from(counts.draining_serving))
    }
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Decision {
    /// Whether there is something to commit.
    #[must_use]
    pub fn changes(&self, loaded: &CapacityState) -> bool {
        self.state != *loaded || !self.plan.steps.is_empty()
    }
}
