//! Counts a pool: each member gets one standing, and the standings add up to the counts that `size` works on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::groups::{Groups, Verdict};
use super::services::Services;
use super::{CapacityCount, Listed, Situation, fencing, hooks, warm};
use crate::boots;
use crate::health::{self, Report};
use crate::id::{InstanceId, InstanceType, Zone};
use crate::observation::{Instance, InstanceState, Market};
use crate::plan::Action;
use crate::reason::Finding;
use crate::spec::PoolSpec;
use crate::state::{CapacityState, Member, PoolState, Unready};
use crate::unit::{Moment, Seconds};

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
    /// Kept warm, at rest.
    Warm,
    /// Runs, or comes, only to be kept warm.
    Preparing,
    /// Stopped by somebody, or gone: counts for nothing.
    Out,
}

impl Standing {
    /// Whether it takes requests.
    pub(super) fn serves(self) -> bool {
        matches!(self, Self::InService | Self::WarmingServing)
    }

    fn count_in(self, counts: &mut CapacityCount) {
        let place = match self {
            Self::Pending => &mut counts.pending,
            Self::Warming => &mut counts.warming,
            Self::WarmingServing => &mut counts.warming_serving,
            Self::InService => &mut counts.in_service,
            Self::Unhealthy | Self::NeverHealthy => &mut counts.unhealthy,
            Self::Draining => &mut counts.draining,
            Self::Warm => &mut counts.warm,
            Self::Preparing => &mut counts.preparing,
            Self::Out => return,
        };
        *place = place.saturating_add(1);
    }
}

/// What the metric of an instance's own says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByMetric {
    /// Nothing: none is asked for, or there is not enough of it yet.
    Nothing,
    /// It is within its bound.
    Well,
    /// It is sick.
    Sick,
}

/// One member with everything that later choices need.
#[derive(Debug, Clone)]
pub(super) struct Person<'a> {
    pub(super) id: InstanceId,
    pub(super) standing: Standing,
    /// What EC2 lists; none if it does not list it.
    pub(super) listed: Option<&'a Instance>,
    /// The place of its zone in [`Census::zones`], if it is listed.
    pub(super) zone: Option<usize>,
    /// The place of its type in [`Census::types`], if it is listed.
    pub(super) kind: Option<usize>,
    /// How it was bought: as EC2 lists it, or else as it was launched.
    pub(super) market: Market,
    /// Whether something beside the target groups says that it is sick.
    pub(super) is_reported: bool,
    /// What the metric of its own says.
    pub(super) by_metric: ByMetric,
    /// Whether every target group of the pool was read and takes it for healthy: then it is registered in all of them.
    pub(super) is_healthy: bool,
    /// Whether every Cloud Map service of the pool was read and none lists it.
    pub(super) is_in_no_service: bool,
    /// Whether it takes requests all the same: it passes the checks of its target groups, and has not said its last word.
    pub(super) answers: bool,
    /// Whether it serves only until another one does in its place.
    pub(super) renewing: bool,
}

/// A counted pool.
#[derive(Debug)]
pub(super) struct Census<'a> {
    /// In the order of their ids.
    pub(super) people: Vec<Person<'a>>,
    /// Where they are: each zone once.
    pub(super) zones: Vec<&'a Zone>,
    /// What they are: each type once.
    pub(super) types: Vec<&'a InstanceType>,
    pub(super) counts: CapacityCount,
    /// Whether any of them is kept warm, comes from there, or goes there.
    pub(super) any_warm: bool,
    /// Whether AWS will retire any of them.
    pub(super) any_retires: bool,
    pub(super) groups: Groups<'a>,
    pub(super) services: Services<'a>,
}

impl<'a> Census<'a> {
    /// Everybody, with what is remembered of them by now: drains and take-backs of this very decision are in it. Nobody joins or leaves
    /// the members of a pool once it is counted, so that nobody has to be looked up.
    pub(super) fn with<'s>(&'s self, state: &'s PoolState) -> impl Iterator<Item = (&'s Person<'a>, &'s Member)> {
        debug_assert!(self.people.iter().map(|person| &person.id).eq(state.members.keys()));
        self.people.iter().zip(state.members.values())
    }

    /// Whether every group and service of the pool was read and none sends requests to the instance. Past the deadline, one that still
    /// finishes requests counts as out.
    pub(super) fn is_out(&self, person: &Person<'a>, over: bool) -> bool {
        person.is_in_no_service && self.groups.are_without(&person.id, over)
    }

    /// How many of those that `count` are in each zone, in the order of [`Census::zones`].
    pub(super) fn by_zone(&self, counts: impl Fn(&Person<'a>) -> bool) -> Vec<u32> {
        let mut by_zone = vec![0_u32; self.zones.len()];
        for person in self.people.iter().filter(|person| counts(person)) {
            if let Some(count) = person.zone.and_then(|zone| by_zone.get_mut(zone)) {
                *count = count.saturating_add(1);
            }
        }
        by_zone
    }

    /// The same by name, without the zones in which there is nobody.
    pub(super) fn by_zone_name(&self, counts: impl Fn(&Person<'a>) -> bool) -> BTreeMap<Zone, u32> {
        let counted = self.zones.iter().zip(self.by_zone(counts));
        counted
            .filter(|(_, count)| *count > 0)
            .map(|(zone, count)| (Zone::clone(zone), count))
            .collect()
    }

    /// Those that count as coming because their start was committed, and that EC2 still lists at rest.
    pub(super) fn starts_unseen(&self) -> u32 {
        let rests = |instance: &Instance| matches!(instance.state, InstanceState::Stopped | InstanceState::Stopping);
        let unseen = |person: &&Person<'_>| person.standing == Standing::Pending && person.listed.is_some_and(rests);
        let unseen = if self.any_warm {
            self.people.iter().filter(unseen).count()
        } else {
            0
        };
        u32::try_from(unseen).unwrap_or(u32::MAX)
    }
}

/// Takes the census of one pool and updates the health clocks of its members.
pub(super) fn take<'a>(
    situation: &Situation<'a>,
    pool: &PoolSpec,
    (listed, services): (&Listed<'a>, Services<'a>),
    state: &mut CapacityState,
    findings: &mut Vec<Finding>,
) -> Census<'a> {
    let in_flight = |warm| in_flight(situation, pool, state, warm);
    let (in_flight, preparing) = (in_flight(false), in_flight(true));
    let terminates = state
        .open_of(&pool.id)
        .filter(|open| matches!(open.step.action, Action::Terminate { .. }));
    let leaving: BTreeSet<InstanceId> = terminates
        .flat_map(|open| open.step.action.instances().into_iter().cloned())
        .collect();
    let pool_state: &mut PoolState = state.pools.entry(pool.id.clone()).or_default();
    let groups = Groups::of(situation, pool, pool_state, findings);
    let mut verdicts = groups.verdicts();
    let mut instances = listed.walk();
    let mut counts = CapacityCount {
        in_flight,
        preparing,
        ..CapacityCount::default()
    };
    let mut people = Vec::with_capacity(pool_state.members.len());
    let (mut zones, mut types) = (Vec::new(), Vec::new());
    let (mut any_warm, mut any_retires) = (false, false);
    let learns_boots = boots::is_learned(pool);
    let mut boots = Vec::new();
    // where nothing checks it, one that runs may only be late in the list
    let may_serve = fencing::of(situation, pool).is_none() && !pool.target_groups.is_empty();
    for (place, (id, member)) in pool_state.members.iter_mut().enumerate() {
        let instance = instances.to(id);
        let report = instance.and_then(|instance| Report::on(pool, member, instance, situation.observation));
        let verdict = verdicts.of(id);
        let is_healthy = verdict == Verdict::Healthy;
        let mut is_new = member.served_since.is_none();
        if may_serve && is_healthy && warm::is_believed_to_rest(member, instance) {
            warm::serve(member);
            is_new = false;
            findings.push(Finding::ServesAlready { instance: id.clone() });
        }
        let balancer = hooks::gated(pool, member, instance, verdict);
        let unread = is_unread(situation, pool, member, instance);
        let is_reported = report.is_some();
        let by_metric = match (&report, instance) {
            (Some(Report::Metric { .. }), _) => ByMetric::Sick,
            (_, Some(instance)) if health::is_told(pool, member, instance, situation.observation) => ByMetric::Well,
            _ => ByMetric::Nothing,
        };
        let verdict = heard(member, balancer, is_reported, unread);
        watch_health(member, instance, verdict, situation.now);
        if learns_boots && is_new && member.served_since.is_some() {
            boots.extend(boot(pool, member, instance, situation.now));
        }
        let leaves = leaving.contains(id) || member.drain.is_some() || member.terminating_since.is_some();
        let standing = if leaves && !member.gone {
            Standing::Draining
        } else if let Some(standing) = warm::standing(member, instance, pool, situation.now) {
            standing
        } else {
            standing(member, instance, verdict, pool, situation.now)
        };
        let answers = balancer == Verdict::Healthy && !instance.is_some_and(|instance| hooks::gave_up(pool, instance));
        watch_service(member, standing, answers && is_reported, situation.now);
        let rests = matches!(
            instance.map(|instance| instance.state),
            Some(InstanceState::Stopped | InstanceState::Stopping)
        );
        if rests && member.warm.is_none() {
            findings.push(Finding::Stopped { instance: id.clone() });
        }
        if let Some(instance) = instance.filter(|instance| standing == Standing::Unhealthy && hooks::gave_up(pool, instance)) {
            findings.push(Finding::GaveUp {
                instance: instance.id.clone(),
            });
        }
        if let Some(report) = report.filter(|_| standing != Standing::Draining && member.warm.is_none()) {
            findings.push(Finding::Reported {
                instance: id.clone(),
                report,
            });
        }
        if standing == Standing::Draining && balancer == Verdict::Healthy && !pool.target_groups.is_empty() {
            counts.draining_serving = counts.draining_serving.saturating_add(1);
        }
        // a warm one that is removed runs no more than before
        if !(rests && member.is_warm() && standing == Standing::Draining) {
            standing.count_in(&mut counts);
        }
        any_warm |= member.warm.is_some();
        any_retires |= member.retires;
        let as_launched = if member.spot { Market::Spot } else { Market::OnDemand };
        let renewing = member.renew.is_some() && standing.serves();
        counts.renewing = counts.renewing.saturating_add(u32::from(renewing));
        people.push(Person {
            id: id.clone(),
            standing,
            listed: instance,
            zone: instance.map(|instance| place_of(&instance.zone, &mut zones)),
            kind: instance.map(|instance| place_of(&instance.instance_type, &mut types)),
            market: instance.map_or(as_launched, |instance| instance.market),
            is_reported,
            by_metric,
            is_healthy,
            is_in_no_service: services.are_without(place),
            answers,
            renewing,
        });
    }
    if learns_boots {
        boots::note(&mut pool_state.boots, &boots);
    } else {
        pool_state.boots = None;
    }
    Census {
        people,
        zones,
        types,
        counts,
        any_warm,
        any_retires,
        groups,
        services,
    }
}

/// How long one took from its launch until now, when it is first seen to serve; none: it was started again, was launched by somebody else, or
/// was only seen late.
fn boot(pool: &PoolSpec, member: &Member, instance: Option<&Instance>, now: Timestamp) -> Option<Seconds> {
    let launched = instance.filter(|instance| instance.plan.is_some() && member.started_at.is_none())?;
    let length = Seconds::between(launched.launched_at, now);
    (length <= pool.registration_deadline).then_some(length)
}

/// The place of a name among all that were met; a new one comes last.
fn place_of<'a, T: PartialEq>(name: &'a T, met: &mut Vec<&'a T>) -> usize {
    met.iter().position(|other| *other == name).unwrap_or_else(|| {
        met.push(name);
        met.len().saturating_sub(1)
    })
}

/// Instances that open launches may still bring. A launch and the instances that carry its tag are counted once.
fn in_flight(situation: &Situation<'_>, pool: &PoolSpec, state: &CapacityState, warm: bool) -> u32 {
    let instances = situation.observation.instances.as_deref().unwrap_or_default();
    let open = state.open_of(&pool.id).filter(|open| brings(open, warm));
    open.map(|open| missing(open, instances)).fold(0, u32::saturating_add)
}

/// Whether it is a launch of instances to be kept warm, or of such that are to serve.
pub(super) fn brings(open: &crate::plan::OpenStep, warm: bool) -> bool {
    matches!(&open.step.action, Action::Launch(launch) if launch.warm == warm)
}

/// Instances that an open launch asked for and that are not listed.
pub(super) fn missing(open: &crate::plan::OpenStep, instances: &[Instance]) -> u32 {
    match &open.step.action {
        Action::Launch(launch) => {
            let found = instances
                .iter()
                .filter(|instance| super::roll::is_of(instance, &open.step.id))
                .count();
            launch.count.saturating_sub(u32::try_from(found).unwrap_or(u32::MAX))
        }
        _ => 0,
    }
}

/// Whether something that the spec asks of an instance could not be read this time.
fn is_unread(situation: &Situation<'_>, pool: &PoolSpec, member: &Member, instance: Option<&Instance>) -> bool {
    let observation = situation.observation;
    let checks = pool.status_checks.is_some() && observation.impaired.is_none();
    let readings = observation.readings.get(&pool.id);
    let is_read = |id: &InstanceId| readings.is_some_and(|readings| readings.by_instance.contains_key(id));
    let asked = instance.filter(|instance| health::can_be_told(pool, member, instance, observation.observed_at));
    checks || asked.is_some_and(|instance| !is_read(&instance.id))
}

/// What all reports together say of one member: the worst counts. Where one is asked for and could not be read, one that served
/// before is not known to be well.
fn heard(member: &Member, balancer: Verdict, is_reported: bool, unread: bool) -> Verdict {
    match balancer {
        _ if is_reported => Verdict::Unhealthy,
        Verdict::Healthy if unread && member.served_since.is_some() => Verdict::Unknown,
        balancer => balancer,
    }
}

/// Keeps the clocks of one member: when it first served, and how long complete observations have shown it not healthy.
fn watch_health(member: &mut Member, instance: Option<&Instance>, verdict: Verdict, now: Timestamp) {
    if member.drain.is_some() || member.warm.is_some() {
        return;
    }
    let running = instance.is_some_and(|instance| instance.state == InstanceState::Running);
    // by a clock that is behind nothing has passed, and the next look counts from the latest moment: no second counts twice
    let last_seen = |before: Moment| before.max(now.into());
    match verdict {
        Verdict::Healthy if running => {
            member.unready = None;
            member.served_since = member.served_since.or_else(|| Some(now.into()));
        }
        Verdict::Initial | Verdict::Unhealthy if running => {
            let before = member.unready.unwrap_or_else(|| Unready {
                counted: Seconds(0),
                last_seen: now.into(),
            });
            let passed = Seconds::between(before.last_seen.at(), now).min(UNREADY_GAP_MAX);
            member.unready = Some(Unready {
                counted: Seconds(before.counted.0.saturating_add(passed.0)),
                last_seen: last_seen(before.last_seen),
            });
        }
        // whoever is out of a group is checked there anew once it is in
        Verdict::Unregistered if running => member.unready = None,
        // unknown stops the clock
        _ => {
            if let Some(unready) = &mut member.unready {
                unready.last_seen = last_seen(unready.last_seen);
            }
        }
    }
}

/// Notes when one that served was first seen not to, whatever became of it. A drain has its own clock. One that is only reported sick goes on
/// to take requests, and the balancer's metrics are divided by it as long as it does.
fn watch_service(member: &mut Member, standing: Standing, takes_requests: bool, now: Timestamp) {
    if member.drain.is_none() && !member.is_warm() {
        let left = member.served_since.filter(|_| !standing.serves()).map(|_| now.into());
        member.left = left.map(|now| member.left.filter(|_| !takes_requests).unwrap_or(now));
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
    if hooks::gave_up(pool, instance) {
        return Standing::Unhealthy;
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
