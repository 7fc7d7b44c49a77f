//! Counts a pool: each member gets one standing, and the standings add up to the counts that `size` works on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{CapacityCount, Situation};
use crate::id::InstanceId;
use crate::observation::{Instance, InstanceState, Target, TargetHealth};
use crate::plan::Action;
use crate::reason::Finding;
use crate::spec::PoolSpec;
use crate::state::{CapacityState, Member, PoolState, Unready};
use crate::unit::Seconds;

/// An unhealthy target is believed after this much observed time: two looks apart, not one.
pub(super) const UNHEALTHY_CONFIRMED_AFTER: Seconds = Seconds(60);
/// Between two looks at most this much time counts as observed: a pause of the functions is not evidence.
const UNREADY_GAP_MAX: Seconds = Seconds(120);

/// Where one member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not running or not listed yet.
    Pending,
    /// Running, not healthy (yet), or unknown.
    Warming,
    /// Healthy and serving, still warming up.
    WarmingServing,
    /// Healthy, past its warm-up.
    InService,
    /// Sick for long enough to be believed.
    Unhealthy,
    /// Was given its whole deadline and never became healthy.
    NeverHealthy,
    /// Leaving.
    Draining,
    /// Stopped by somebody, or gone: counts for nothing.
    Out,
}

impl Standing {
    /// Whether it takes requests.
    pub(super) fn serves(self) -> bool {
        matches!(self, Self::InService | Self::WarmingServing)
    }
}

/// One member with everything that later choices need.
#[derive(Debug, Clone)]
pub(super) struct Person<'a> {
    pub(super) id: InstanceId,
    pub(super) standing: Standing,
    /// What EC2 lists; none if it does not list it.
    pub(super) listed: Option<&'a Instance>,
}

/// A counted pool.
#[derive(Debug)]
pub(super) struct Census<'a> {
    pub(super) people: Vec<Person<'a>>,
    pub(super) counts: CapacityCount,
    /// When the latest of the present drains began: metrics from before say nothing about further removals.
    pub(super) last_drain: Option<Timestamp>,
}

/// What the balancer says about one instance over all groups of its pool; the worst word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Healthy,
    /// Some group does not list it, or no longer does: no evidence against the instance.
    Unregistered,
    /// First checks are running in some group.
    Initial,
    Unhealthy,
    /// Some group could not be read, or has no answer.
    Unknown,
}

/// Takes the census of one pool and updates the health clocks of its members.
pub(super) fn take<'a>(situation: &Situation<'a>, pool: &PoolSpec, state: &mut CapacityState, findings: &mut Vec<Finding>) -> Census<'a> {
    let in_flight = in_flight(situation, pool, state);
    let leaving: BTreeSet<InstanceId> = state
        .open_of(&pool.id)
        .filter(|open| matches!(open.step.action, Action::Terminate { .. }))
        .flat_map(|open| open.step.action.instances().iter().cloned())
        .collect();
    let observed = situation.observation;
    let listed: BTreeMap<&InstanceId, &'a Instance> = observed
        .instances
        .iter()
        .flatten()
        .map(|instance| (&instance.id, instance))
        .collect();
    let groups = Groups::of(situation, pool, findings);
    let mut census = Census {
        people: Vec::new(),
        counts: CapacityCount {
            in_flight,
            ..CapacityCount::default()
        },
        last_drain: None,
    };
    let pool_state: &mut PoolState = state.pools.entry(pool.id.clone()).or_default();
    for (id, member) in &mut pool_state.members {
        let instance = listed.get(id).copied();
        let verdict = groups.verdict(id);
        watch_health(member, instance, verdict, situation.now);
        let leaves = leaving.contains(id) || member.drain.is_some() || member.terminating_since.is_some();
        let standing = if leaves && !member.gone {
            Standing::Draining
        } else {
            standing(member, instance, verdict, pool, situation.now)
        };
        if let Some(InstanceState::Stopped | InstanceState::Stopping) = instance.map(|instance| instance.state) {
            findings.push(Finding::Stopped { instance: id.clone() });
        }
        if standing == Standing::Draining && verdict == Verdict::Healthy && !pool.target_groups.is_empty() {
            census.counts.draining_serving = census.counts.draining_serving.saturating_add(1);
        }
        census.last_drain = census.last_drain.max(member.drain.map(|drain| drain.since));
        census.count(standing);
        census.people.push(Person {
            id: id.clone(),
            standing,
            listed: instance,
        });
    }
    census
}

impl Census<'_> {
    fn count(&mut self, standing: Standing) {
        let counts = &mut self.counts;
        let place = match standing {
            Standing::Pending => &mut counts.pending,
            Standing::Warming => &mut counts.warming,
            Standing::WarmingServing => &mut counts.warming_serving,
            Standing::InService => &mut counts.in_service,
            Standing::Unhealthy | Standing::NeverHealthy => &mut counts.unhealthy,
            Standing::Draining => &mut counts.draining,
            Standing::Out => return,
        };
        *place = place.saturating_add(1);
    }
}

/// Instances that open launches may still bring. A launch and the instances that carry its tag are counted once.
fn in_flight(situation: &Situation<'_>, pool: &PoolSpec, state: &CapacityState) -> u32 {
    let instances = situation.observation.instances.as_deref().unwrap_or_default();
    let missing = |open: &crate::plan::OpenStep| match &open.step.action {
        Action::Launch(launch) => {
            let found = instances
                .iter()
                .filter(|instance| super::roll::is_of(instance, &open.step.id))
                .count();
            launch.count.saturating_sub(u32::try_from(found).unwrap_or(u32::MAX))
        }
        _ => 0,
    };
    state.open_of(&pool.id).map(missing).fold(0, u32::saturating_add)
}

struct Groups<'a> {
    /// Health by instance, per group; none for a group that could not be read.
    read: Vec<Option<BTreeMap<&'a InstanceId, TargetHealth>>>,
}

impl<'a> Groups<'a> {
    fn of(situation: &Situation<'a>, pool: &PoolSpec, findings: &mut Vec<Finding>) -> Self {
        let mut read = Vec::new();
        for group in &pool.target_groups {
            let targets = situation.observation.targets.get(group);
            match targets {
                None => findings.push(Finding::GroupUnknown { group: group.clone() }),
                Some(targets) if fails_open(targets) => findings.push(Finding::FailOpen { group: group.clone() }),
                Some(_) => {}
            }
            read.push(targets.map(|targets| targets.iter().map(|target| (&target.instance, target.health)).collect()));
        }
        Self { read }
    }

    fn verdict(&self, id: &InstanceId) -> Verdict {
        let of_group = |targets: &Option<BTreeMap<&InstanceId, TargetHealth>>| match targets.as_ref().map(|targets| targets.get(id)) {
            // an unused group checks nobody; being registered is all that can be asked
            Some(Some(TargetHealth::Healthy | TargetHealth::Unchecked)) => Verdict::Healthy,
            Some(None | Some(TargetHealth::Draining | TargetHealth::InvalidState)) => Verdict::Unregistered,
            Some(Some(TargetHealth::Initial)) => Verdict::Initial,
            Some(Some(TargetHealth::Unhealthy)) => Verdict::Unhealthy,
            None | Some(Some(TargetHealth::Unavailable)) => Verdict::Unknown,
        };
        self.read.iter().map(of_group).max().unwrap_or(Verdict::Healthy)
    }
}

/// With no healthy target among checked ones, the balancer sends traffic to all of them.
fn fails_open(targets: &[Target]) -> bool {
    targets.iter().any(|target| target.health == TargetHealth::Unhealthy)
        && !targets.iter().any(|target| target.health == TargetHealth::Healthy)
}

/// Keeps the clocks of one member: when it first served, and how long complete observations have shown it not healthy.
fn watch_health(member: &mut Member, instance: Option<&Instance>, verdict: Verdict, now: Timestamp) {
    if member.drain.is_some() {
        return;
    }
    let running = instance.is_some_and(|instance| instance.state == InstanceState::Running);
    match verdict {
        Verdict::Healthy if running => {
            member.unready = None;
            member.served_since = member.served_since.or(Some(now));
        }
        Verdict::Initial | Verdict::Unhealthy if running => {
            let before = member.unready.unwrap_or(Unready {
                counted: Seconds(0),
                last_seen: now,
            });
            let passed = Seconds::between(before.last_seen, now).min(UNREADY_GAP_MAX);
            member.unready = Some(Unready {
                counted: Seconds(before.counted.0.saturating_add(passed.0)),
                last_seen: now,
            });
        }
        // unknown stops the clock
        _ => {
            if let Some(unready) = &mut member.unready {
                unready.last_seen = now;
            }
        }
    }
}

fn standing(member: &Member, instance: Option<&Instance>, verdict: Verdict, pool: &PoolSpec, now: Timestamp) -> Standing {
    if member.gone {
        return Standing::Out;
    }
    let Some(instance) = instance else { return Standing::Pending };
    match instance.state {
        InstanceState::Pending => return Standing::Pending,
        InstanceState::Running => {}
        InstanceState::Stopping | InstanceState::Stopped | InstanceState::ShuttingDown | InstanceState::Terminated => return Standing::Out,
    }
    let age = Seconds::between(instance.launched_at, now);
    let serving = if age >= pool.warmup {
        Standing::InService
    } else {
        Standing::WarmingServing
    };
    let unready = member.unready.map_or(Seconds(0), |unready| unready.counted);
    let overdue = unready >= pool.registration_deadline;
    match (verdict, member.served_since.is_some()) {
        (Verdict::Healthy, _) => serving,
        // who served when last seen is believed to serve on
        (Verdict::Unknown, true) if member.unready.is_none() => serving,
        (Verdict::Unknown | Verdict::Unregistered, _) => Standing::Warming,
        (Verdict::Initial | Verdict::Unhealthy, false) if overdue => Standing::NeverHealthy,
        (Verdict::Initial, true) if overdue => Standing::Unhealthy,
        (Verdict::Unhealthy, true) if age >= pool.health_grace && unready >= UNHEALTHY_CONFIRMED_AFTER => Standing::Unhealthy,
        (Verdict::Initial | Verdict::Unhealthy, _) => Standing::Warming,
    }
}
