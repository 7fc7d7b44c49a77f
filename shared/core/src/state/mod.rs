//! What must be remembered of a fleet between invocations: the capacity state, and the traffic state beside it.
//!
//! Both are stored items with a schema version. A reader of this version reads older ones; a writer keeps what it does
//! not understand out of the way by refusing a newer schema.

mod drill;
mod fence;
mod member;
mod refused;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::adaptive::Adapted;
use crate::id::{Generation, InstanceId, PlanId, PolicyId, PoolId, ServiceId, SpecVersion, StepId, TargetGroupArn, Zone};
use crate::observation::Market;
use crate::operator::{Asked, Evacuation};
use crate::plan::{OpenStep, StepOutcome};
use crate::policy::simple::Adjustment;
use crate::rating::Rating;
use crate::reason::Direction;
use crate::refresh::Refresh;
use crate::spec::{Attribute, FleetSpec, MarketMix, PoolSpec};
use crate::tuning::Tuned;
use crate::unit::{Moment, Seconds};
pub use drill::{AtRisk, Drill, DrillEnd, DrillOutcome};
pub use fence::Fence;
pub use member::{Drain, DrainReason, Member, RenewReason, Unready, Warm, WarmPhase};
pub use refused::{LaunchBackoff, LaunchRefused};
pub use traffic::{
    Degraded, Holder, Left, Moved, RouteTo, Routing, Sharing, Shift, ShiftReason, Side, Sighting, SignalKind, Spread, Stage, TrafficState,
    Well,
};

/// Schema of the stored items that this build writes.
pub const SCHEMA: u16 = 1;
/// Largest capacity state, serialised.
pub const STATE_BYTES_MAX: usize = 100_000;
/// Most instances of one fleet.
pub const INSTANCES_MAX: usize = 1_000;
/// A state younger than this adopts nothing: the table may be new or restored from an older point in time.
pub const YOUNG_FOR: Seconds = Seconds(3_600);
/// Most runs that the recommendation history keeps; the oldest merge into their maximum.
pub const RUNS_MAX: usize = 64;

/// Most hours whose largest recommendation is kept.
pub const PEAK_HOURS_MAX: u16 = 48;

/// The capacity state of one fleet: item `CAPACITY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityState {
    /// Schema of this item.
    pub schema: u16,
    /// Bumped by every commit.
    pub generation: Generation,
    /// When this state was first written here.
    pub created_at: Timestamp,
    /// An operator's pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Per pool.
    pub pools: BTreeMap<PoolId, PoolState>,
    /// Committed steps without an outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<OpenStep>,
    /// What the fleet has spent today, if it has a spend cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<Spend>,
    /// The last recorded hold, so that an unchanged one only counts up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_hold: Option<LastHold>,
}

impl CapacityState {
    /// The state of a fleet that was just applied.
    #[must_use]
    pub fn new(spec: &FleetSpec, now: Timestamp) -> Self {
        let pools = spec
            .pools
            .iter()
            .map(|pool| (pool.id.clone(), PoolState::new(pool.capacity.initial)))
            .collect();
        Self {
            schema: SCHEMA,
            generation: Generation(0),
            created_at: now,
            pause: None,
            pools,
            open: Vec::new(),
            spend: None,
            last_hold: None,
        }
    }

    /// Takes in outcomes that were recorded after the state was written. Knows every step at most once, so the same
    /// outcome twice changes nothing the second time.
    pub fn merge(&mut self, outcomes: &BTreeMap<StepId, RecordedOutcome>) {
        for (id, recorded) in outcomes {
            let settles = |open: &OpenStep| open.step.id == *id && open.is_settled_by(&recorded.outcome);
            let Some(place) = self.open.iter().position(settles) else {
                continue;
            };
            let open = self.open.remove(place);
            let pool = self.pools.entry(open.step.pool.clone()).or_default();
            pool.take_outcome(&open, recorded);
        }
    }

    /// Open steps of one pool.
    pub fn open_of<'a>(&'a self, pool: &'a PoolId) -> impl Iterator<Item = &'a OpenStep> {
        self.open.iter().filter(move |open| open.step.pool == *pool)
    }
}

/// An operator stopped actions; decisions are still recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; a pause always ends.
    pub until: Timestamp,
}

/// What is remembered of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolState {
    /// Instances wanted in service.
    pub desired: u32,
    /// Of these so many are the reserve: above what votes, floors and guards come to.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reserve: u32,
    /// No further move out before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_out_until: Option<Timestamp>,
    /// No further move in before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_in_until: Option<Timestamp>,
    /// What the policies together recommended, as runs: each holds from its moment until the next begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommended: Vec<Run>,
    /// The largest recommendation of each of the last hours, for a reserve that follows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peaks: Option<Peaks>,
    /// Launches committed within the last hour, by whichever clock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub launches: Vec<Tally>,
    /// Removals committed within the last minute, by whichever clock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<Tally>,
    /// Removals since the opening of each removal window that was open when somebody last left, be it by a clock that was ahead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub window_removals: Vec<Tally>,
    /// Which way the size last moved, and when it last turned round, at most [`TURNS_MAX`](crate::churn::TURNS_MAX) times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turning: Option<Turning>,
    /// The opening of each scheduled policy's window whose `desired` was applied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scheduled: BTreeMap<PolicyId, Timestamp>,
    /// The last change of each simple policy, while the policy waits for it or cools down.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub adjusted: BTreeMap<PolicyId, Adjustment>,
    /// What an operator last asked of this pool, while it holds or an older request could still arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Launching is off until then, because a person must act first (permissions, template), or AWS would not hear it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_refused: Option<LaunchRefused>,
    /// Markets in which nothing is launched for a while: a quota of the account is reached, or the reservations cannot be used.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub markets_off: BTreeMap<Market, LaunchRefused>,
    /// What was launched last never became healthy: launching waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_backoff: Option<LaunchBackoff>,
    /// What was last launched to be kept warm could not be stopped: the stock is not filled before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_backoff: Option<LaunchBackoff>,
    /// With the breaker open: the last replacement that was tried. Growing does not wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker_probe: Option<LaunchBackoff>,
    /// Groups that the spec no longer names and in which instances of this pool may still be registered.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub former_groups: BTreeSet<TargetGroupArn>,
    /// Groups that the spec named when the pool was last decided.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<TargetGroupArn>,
    /// Cloud Map services that the spec no longer names and in which instances of this pool may still be registered.
    /// Since when each is that: what Cloud Map has taken on may come late.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former_services: BTreeMap<ServiceId, Moment>,
    /// The Cloud Map service that the spec named when the pool was last decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// The algorithms that adaptive groups have come to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub adapted: BTreeMap<TargetGroupArn, Adapted>,
    /// Attributes of groups that were set for this pool, and to what: so a change by somebody else is known as one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tuned: BTreeMap<TargetGroupArn, BTreeMap<Attribute, String>>,
    /// Settings that tuning has found and by which it goes, in place of what is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_tuning: Option<Tuned>,
    /// When the latest drain began of those that are gone by now: what was measured before counts them too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drain: Option<Moment>,
    /// When an instance was last replaced for the balance of the zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalanced_at: Option<Timestamp>,
    /// How fast the pool has grown, where the stock of warm instances is learned from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// How long launches take until they serve, where a policy looks ahead by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boots: Option<Boots>,
    /// What one instance can answer, for each policy that learns it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ratings: BTreeMap<PolicyId, Rating>,
    /// Zones that failed as a whole, and until when that is remembered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub zones_out: BTreeMap<Zone, Moment>,
    /// Zones that operators have left.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evacuations: BTreeMap<Zone, Evacuation>,
    /// The last refresh that an operator asked for, ended or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
    /// Every instance that counts, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<InstanceId, Member>,
}

impl PoolState {
    /// A pool before its first look.
    #[must_use]
    pub fn new(desired: u32) -> Self {
        Self {
            desired,
            ..Self::default()
        }
    }

    /// Until when some zone counts as out; none: no zone does.
    #[must_use]
    pub fn zone_out_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.zones_out.values().map(|until| until.at()).max().filter(|until| now < *until)
    }

    /// Instances wanted without the reserve: what the policies look at.
    #[must_use]
    pub fn without_reserve(&self) -> u32 {
        self.desired.saturating_sub(self.reserve)
    }

    /// Remembers groups that the spec stopped naming: who is registered there must still leave.
    pub fn follow_groups(&mut self, named: &[TargetGroupArn]) {
        let named: BTreeSet<TargetGroupArn> = named.iter().cloned().collect();
        self.former_groups.extend(self.groups.difference(&named).cloned());
        self.former_groups.retain(|group| !named.contains(group));
        self.adapted.retain(|group, _| named.contains(group));
        self.tuned.retain(|group, _| named.contains(group));
        self.groups = named;
    }

    /// Remembers a Cloud Map service that the spec stopped naming: who is registered there must still leave.
    pub fn follow_service(&mut self, named: Option<&ServiceId>, now: Timestamp) {
        if self.service.as_ref() != named {
            self.former_services.extend(self.service.take().map(|former| (former, now.into())));
            self.service = named.cloned();
        }
        self.former_services.retain(|former, _| Some(former) != named);
    }

    /// Every Cloud Map service in which an instance of this pool may be registered.
    pub fn all_services<'a>(&'a self, pool: &'a PoolSpec) -> impl Iterator<Item = &'a ServiceId> {
        pool.cloud_map
            .iter()
            .map(|cloud_map| &cloud_map.service)
            .chain(self.former_services.keys())
    }

    /// Every group in which an instance of this pool may be registered.
    pub fn all_groups<'a>(&'a self, pool: &'a PoolSpec) -> impl Iterator<Item = &'a TargetGroupArn> {
        pool.target_groups.iter().chain(&pool.left_groups).chain(&self.former_groups)
    }

    /// Why nothing is launched in a market now, and until when.
    #[must_use]
    pub fn market_off(&self, market: Market, now: Timestamp) -> Option<&LaunchRefused> {
        self.markets_off.get(&market).filter(|off| now < off.until)
    }

    /// Until when nothing is launched at all: AWS refused, or every market that the pool may use is off.
    #[must_use]
    pub fn launching_off_until(&self, mix: &MarketMix, now: Timestamp) -> Option<Timestamp> {
        let refused = self
            .launch_refused
            .as_ref()
            .map(|refused| refused.until)
            .filter(|until| now < *until);
        let off: Option<Vec<Timestamp>> = mix
            .markets()
            .iter()
            .map(|market| self.market_off(*market, now).map(|off| off.until))
            .collect();
        refused.max(off.and_then(|off| off.into_iter().min()))
    }

    fn take_outcome(&mut self, open: &OpenStep, recorded: &RecordedOutcome) {
        use crate::plan::Action;
        match (&open.step.action, &recorded.outcome) {
            (Action::Launch(launch), StepOutcome::Launched { instances }) => {
                for id in instances {
                    let new = || Member {
                        spot: launch.offering.market == Market::Spot,
                        ..Member::launched(launch.warm, recorded.at)
                    };
                    self.members.entry(id.clone()).or_insert_with(new);
                }
                self.refund_launches(open.committed_at, launch.count, u32::try_from(instances.len()).unwrap_or(u32::MAX));
            }
            (Action::Launch(launch), outcome) => {
                self.refund_launches(open.committed_at, launch.count, 0);
                if let StepOutcome::Refused { class, code, message } = outcome
                    && let Some(refused) = LaunchRefused::by(*class, code, message, &open.step.id, recorded.at)
                {
                    // a quota is one market's: the others may go on
                    if class.is_of_market(launch.offering.market) {
                        let before = self.markets_off.remove(&launch.offering.market);
                        self.markets_off.insert(launch.offering.market, refused.or_longer(before));
                    } else {
                        self.launch_refused = Some(refused.or_longer(self.launch_refused.take()));
                    }
                }
            }
            (Action::Start { instances, .. }, outcome) => self.take_start(open.committed_at, instances, outcome, recorded.at),
            (Action::Terminate { instances }, StepOutcome::Done) => self.mark_terminating(instances.iter(), recorded.at),
            (Action::Terminate { instances }, StepOutcome::DoneExcept { failed }) => {
                self.mark_terminating(instances.iter().filter(|id| !failed.contains_key(*id)), recorded.at);
            }
            (Action::Tune { group, set }, StepOutcome::Done) if self.groups.contains(group) => {
                self.tuned.entry(group.clone()).or_default().extend(set.clone());
            }
            _ => {}
        }
    }

    /// Who did not start is kept warm as before, and tried again only after a while; one whose turn did not come, at once.
    fn take_start(&mut self, committed_at: Timestamp, instances: &[InstanceId], outcome: &StepOutcome, at: Timestamp) {
        use crate::plan::Refusal;
        let soon = matches!(outcome, StepOutcome::NotSent)
            || matches!(outcome, StepOutcome::Refused { class, .. } if *class == Refusal::Throttled);
        let failed = |id: &InstanceId| match outcome {
            StepOutcome::Done | StepOutcome::Launched { .. } => false,
            StepOutcome::DoneExcept { failed } => failed.contains_key(id),
            StepOutcome::NoCapacity { .. } | StepOutcome::Refused { .. } | StepOutcome::NotSent => true,
        };
        let mut started: u32 = 0;
        for id in instances {
            if !failed(id) {
                started = started.saturating_add(1);
            } else if let Some(member) = self.members.get_mut(id) {
                member.not_started(at);
                member.started_at = member.started_at.filter(|_| !soon);
            }
        }
        self.refund_launches(committed_at, u32::try_from(instances.len()).unwrap_or(u32::MAX), started);
    }

    fn mark_terminating<'a>(&mut self, instances: impl Iterator<Item = &'a InstanceId>, at: Timestamp) {
        for id in instances {
            if let Some(member) = self.members.get_mut(id) {
                member.terminating_since = Some(at.into());
            }
        }
    }

    /// Launches that did not happen give their budget back; one without an outcome stays counted.
    fn refund_launches(&mut self, committed_at: Timestamp, asked: u32, launched: u32) {
        let unused = asked.saturating_sub(launched);
        if let Some(tally) = self.launches.iter_mut().find(|tally| tally.at == committed_at) {
            tally.count = tally.count.saturating_sub(unused);
        }
        self.launches.retain(|tally| tally.count > 0);
    }
}

/// A recommended size that held from `since` until the next run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// From when.
    pub since: Timestamp,
    /// So many instances.
    pub capacity: u32,
}

/// The largest recommendation of each hour, one number an hour and nothing else: two days fit into a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peaks {
    /// The present hour, counted from the epoch.
    pub hour: i64,
    /// The largest of each hour, the present one last, at most [`PEAK_HOURS_MAX`].
    pub most: Vec<u32>,
}

/// How fast a pool has grown within one boot of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// The largest growth of each hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Peaks>,
    /// The smallest sizes of the last minutes, each larger than the one before; the last is the present one.
    pub lows: Vec<Run>,
}

/// How long the last launches of a pool took until they served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boots {
    /// Of each, the newest last.
    pub lengths: Vec<Seconds>,
    /// How many minutes are looked ahead by them; none: too few are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What a fleet has spent in the UTC day of `at`, and what it spends since then. Written anew only when the rate changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// The moment up to which `spent` counts.
    pub at: Moment,
    /// Millionths of an instance hour, or of the currency's unit, times 3,600: the rate times seconds, so nothing is ever rounded.
    pub spent: u64,
    /// Millionths per hour from then on.
    pub rate: u64,
}

/// Which way a size last moved, and when it turned round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turning {
    /// The last move.
    pub last: Direction,
    /// When a move went the other way than the one before it, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Moment>,
}

/// So many at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// When.
    pub at: Timestamp,
    /// How many.
    pub count: u32,
}

/// The last recorded hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastHold {
    /// Its record.
    pub record: PlanId,
    /// Digest of sizes and reasons; an equal one is the same hold.
    pub digest: String,
}

/// What a step gave, and when. Stored beside the state, merged into it when it is loaded, so that writing an outcome
/// never conflicts with a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedOutcome {
    /// What it gave.
    pub outcome: StepOutcome,
    /// When.
    pub at: Timestamp,
}

/// A spec as stored: item `SPEC`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredSpec {
    /// Schema of this item.
    pub schema: u16,
    /// Bumped by every `apply` that changes something.
    pub version: SpecVersion,
    /// The spec as typed; checked again when it is loaded.
    pub spec: Arc<crate::spec::RawFleetSpec>,
    /// What `apply` looked up.
    pub resolved: crate::spec::Resolved,
    /// Set by `delete --drain`: the fleet goes to zero whatever its policies and minimum say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retiring: bool,
    /// Who applied it.
    pub applied_by: String,
    /// When.
    pub applied_at: Timestamp,
}
