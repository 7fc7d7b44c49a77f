//! What one look says of one side, by kind of signal. What is not known says nothing: unknown is never down.

use jiff::Timestamp;

use super::TrafficObservation;
use super::swap::Seat;
use crate::id::{FleetId, HealthAlarm, InstanceId};
use crate::observation::{InstanceState, Target, TargetHealth};
use crate::sample::Sample;
use crate::signal::{AlarmState, health_alarm};
use crate::spec::{Detect, PoolSpec};
use crate::state::{CapacityState, DrainReason, Member, PoolState, Sighting, SignalKind};

/// One side, as it was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looked<'a> {
    pub(super) fleet: &'a FleetId,
    pub(super) pool: &'a PoolSpec,
    pub(super) state: &'a PoolState,
    /// Of the whole fleet.
    pub(super) capacity: &'a CapacityState,
    pub(super) observation: &'a TrafficObservation,
    pub(super) seat: Seat,
    /// Whether it takes traffic.
    pub(super) takes: bool,
    /// The metrics of its groups are of this side since then; none: of others, or of both.
    pub(super) measured_since: Option<Timestamp>,
}

impl<'a> Looked<'a> {
    /// What each kind of signal says; a kind that is not known is absent.
    pub(super) fn evidence(&self, detect: &Detect) -> Vec<(SignalKind, Sighting)> {
        // it is out by our own act: that is no failure
        if self.seat == Seat::Fenced {
            return Vec::new();
        }
        let at = self.observation.observed_at;
        let from_outside = |names| if self.is_at_rest() { None } else { self.alarm_speaks(names) };
        let of_look = |down: Option<bool>| down.map(|down| Sighting { at, down });
        let all = [
            (SignalKind::Instances, of_look(self.instances_down(detect))),
            (SignalKind::Targets, of_look(self.targets_down(detect))),
            (SignalKind::Application, self.application(detect)),
            (SignalKind::Alarms, of_look(from_outside(&detect.alarms))),
            (SignalKind::Probes, of_look(from_outside(&detect.probes))),
        ];
        all.into_iter().filter_map(|(kind, sighting)| Some((kind, sighting?))).collect()
    }

    /// Instances that should serve: they did, and nobody has them leave. What scale-in or a notice drains is no failure.
    fn expected(&self) -> impl Iterator<Item = (&InstanceId, &Member)> {
        self.state.members.iter().filter(|(_, member)| should_serve(member))
    }

    /// Nobody of it should serve, and no traffic goes there: it stands by empty, or is on its way up. That nobody answers there is our own act and
    /// no failure, and all that alarms and probes can say of it.
    fn is_at_rest(&self) -> bool {
        !self.takes && self.expected().next().is_none()
    }

    fn instances_down(&self, detect: &Detect) -> Option<bool> {
        let listed = self.observation.listed_for(&self.pool.id)?;
        // one that is not listed yet, or any more, says nothing by that
        let runs = |id: &InstanceId| listed.get(id).is_none_or(|state| *state == InstanceState::Running);
        let (mut all, mut lost) = (0_u32, 0_u32);
        for (id, member) in self.expected() {
            all = all.saturating_add(1);
            lost = lost.saturating_add(u32::from(member.gone || !runs(id)));
        }
        if self.has_no_groups() {
            // nobody else tells of who is replaced because it fell ill
            let ill = self.state.members.values().filter(|member| fell_ill(member)).count();
            let ill = u32::try_from(ill).unwrap_or(u32::MAX);
            (all, lost) = (all.saturating_add(ill), lost.saturating_add(ill));
        }
        // who was just adopted, or came to serve a moment ago, answers before anybody noted that it serves
        let answers = |(id, member): &(&InstanceId, &Member)| !should_serve(member) && self.is_healthy(id, member);
        let newly = self.state.members.iter().filter(answers).count();
        all = all.saturating_add(u32::try_from(newly).unwrap_or(u32::MAX));
        let down = if all == 0 {
            self.is_empty_though_wanted().then_some(true)?
        } else {
            is_share(lost, all, detect) && !self.is_enough(all.saturating_sub(lost))
        };
        // who runs and is nobody's may serve in place of those that are missing: a restored table knows who served before
        (!down || !self.anybody_unknown_runs()).then_some(down)
    }

    /// Whether an instance of the fleet runs that no pool knows.
    fn anybody_unknown_runs(&self) -> bool {
        let is_known = |id: &InstanceId| self.capacity.pools.values().any(|pool| pool.members.contains_key(id));
        let mut running = self
            .observation
            .instances
            .iter()
            .flatten()
            .filter(|(_, state)| **state == InstanceState::Running);
        running.any(|(id, _)| !is_known(id))
    }

    /// The answer is complete, so many are wanted, and nothing runs: that is down, not unknown.
    fn is_empty_though_wanted(&self) -> bool {
        let Some(listed) = self.observation.listed_for(&self.pool.id) else {
            return false;
        };
        let alive = |id: &InstanceId| matches!(listed.get(id), Some(InstanceState::Running | InstanceState::Pending));
        self.state.desired > 0 && !self.state.members.keys().any(alive)
    }

    /// As many as are wanted are there, whoever was lost before: those were replaced.
    fn is_enough(&self, there: u32) -> bool {
        there > 0 && there >= self.state.desired
    }

    fn targets_down(&self, detect: &Detect) -> Option<bool> {
        let groups = self.groups()?;
        // whoever is not registered is not checked
        if groups.is_empty() || self.seat == Seat::Out {
            return None;
        }
        let (mut good, mut bad) = (0_u32, 0_u32);
        // who is replaced because it fell ill still tells of that, as long as it is known
        let ill = self.state.members.iter().filter(|(_, member)| fell_ill(member));
        for (id, member) in self.expected().chain(ill) {
            match groups.iter().map(|targets| self.word(targets, id, member)).max() {
                Some(Word::Good) => good = good.saturating_add(1),
                Some(Word::Bad) => bad = bad.saturating_add(1),
                Some(Word::None) | None => {}
            }
        }
        // whoever else is healthy there answers too, whether anybody knows it or not
        let others = groups.iter().map(|targets| self.healthy_others(targets)).min().unwrap_or(0);
        let good = good.saturating_add(others);
        let known = good.saturating_add(bad);
        if known == 0 {
            return self.is_empty_though_wanted().then_some(true);
        }
        Some(is_share(bad, known, detect) && !self.is_enough(good))
    }

    /// The targets of each of its groups, without the instances of other sides; none: one of them could not be read.
    fn groups(&self) -> Option<Vec<Vec<&'a Target>>> {
        let is_of_another = |target: &Target| {
            let mut others = self.capacity.pools.iter().filter(|(pool, _)| **pool != self.pool.id);
            self.seat != Seat::Own && others.any(|(_, state)| state.members.contains_key(&target.instance))
        };
        let read = self.pool.target_groups.iter().map(|group| {
            let targets = self.observation.targets.get(group)?.iter();
            Some(targets.filter(|target| !is_of_another(target)).collect())
        });
        read.collect()
    }

    fn healthy_others(&self, targets: &[&Target]) -> u32 {
        let is_counted = |member: &Member| should_serve(member) || fell_ill(member);
        let is_other =
            |target: &&&Target| target.health == TargetHealth::Healthy && !self.state.members.get(&target.instance).is_some_and(is_counted);
        u32::try_from(targets.iter().filter(is_other).count()).unwrap_or(u32::MAX)
    }

    /// Any of the application's metrics is enough; all must be known to say that it is well.
    fn application(&self, detect: &Detect) -> Option<Sighting> {
        let since = self.measured_since.filter(|_| !self.shares_its_groups())?;
        let series = self.observation.application.get(&self.pool.id)?;
        let now = self.observation.observed_at;
        let said = detect
            .application
            .iter()
            .zip(series)
            .map(|(signal, series)| match series.sample(now) {
                Sample::Value { at, value } if at >= since => Some(Sighting {
                    at,
                    down: value > signal.above,
                }),
                Sample::Value { .. } | Sample::Partial { .. } | Sample::Stale { .. } | Sample::Missing | Sample::NotAsked => None,
            });
        let said: Vec<Option<Sighting>> = said.collect();
        let down = said
            .iter()
            .flatten()
            .filter(|sighting| sighting.down)
            .max_by_key(|sighting| sighting.at);
        down.copied().or_else(|| {
            said.into_iter()
                .min_by_key(|sighting| sighting.map(|sighting| sighting.at))
                .flatten()
        })
    }

    /// Whether other instances of the fleet are registered in the groups that all sides have, known to be another side's or not: what is
    /// measured there may be theirs.
    pub(super) fn shares_its_groups(&self) -> bool {
        let listed = self.observation.instances.as_ref();
        let is_ours = |id: &InstanceId| {
            let mut pools = self.capacity.pools.values();
            listed.is_some_and(|listed| listed.contains_key(id)) || pools.any(|pool| pool.members.contains_key(id))
        };
        let is_other = |target: &Target| {
            let stays = target.health != TargetHealth::Draining;
            stays && !self.state.members.contains_key(&target.instance) && is_ours(&target.instance)
        };
        let mut groups = self
            .pool
            .target_groups
            .iter()
            .filter_map(|group| self.observation.targets.get(group));
        self.seat != Seat::Own && groups.any(|targets| targets.iter().any(is_other))
    }

    /// Any of a side's alarms is enough; all must be known to say that it is well. An alarm without data says nothing.
    fn alarm_speaks(&self, names: &[HealthAlarm]) -> Option<bool> {
        let said = names.iter().map(
            |name| match self.observation.alarms.get(&health_alarm(self.fleet, &self.pool.id, name))? {
                AlarmState::Alarm => Some(true),
                AlarmState::Ok => Some(false),
                AlarmState::InsufficientData => None,
            },
        );
        let said: Vec<Option<bool>> = said.collect();
        if said.contains(&Some(true)) {
            return Some(true);
        }
        (!said.is_empty() && !said.contains(&None)).then_some(false)
    }

    /// Whether a target is healthy in each of the side's groups, whoever it is: a restored table does not know who serves. None if a
    /// group could not be read. Of a side that is not registered it is not known who would, but who runs.
    pub(super) fn anybody_answers(&self) -> Option<bool> {
        if matches!(self.seat, Seat::Enters | Seat::Out) || self.has_no_groups() {
            return self.observation.listed_for(&self.pool.id).map(|_| self.running() > 0);
        }
        let answers = |targets: &Vec<&Target>| targets.iter().any(|target| target.health == TargetHealth::Healthy);
        Some(self.groups()?.iter().all(answers))
    }

    /// How many of the side could take the traffic: healthy in all its groups, by checks that really run. Of a side that is not registered
    /// those that run.
    pub(super) fn ready(&self) -> u32 {
        match self.seat {
            Seat::Out => self.running(),
            Seat::Own | Seat::Takes | Seat::Enters | Seat::Fenced => self.healthy(),
        }
    }

    fn running(&self) -> u32 {
        u32::try_from(self.serving().count()).unwrap_or(u32::MAX)
    }

    /// Those that should serve and run.
    pub(super) fn serving(&self) -> impl Iterator<Item = (&'a InstanceId, &'a Member)> + use<'a> {
        let listed = self.observation.listed_for(&self.pool.id);
        let runs = move |id: &InstanceId| listed.is_some_and(|listed| listed.get(id) == Some(&InstanceState::Running));
        let members = self.state.members.iter();
        members.filter(move |(id, member)| should_serve(member) && !member.gone && runs(id))
    }

    /// Whether no balancer knows it: who runs and should serve is who serves.
    fn has_no_groups(&self) -> bool {
        self.pool.target_groups.is_empty()
    }

    /// Whether the balancer has to say something of it.
    pub(super) fn is_checked(&self) -> bool {
        self.seat != Seat::Out && !self.has_no_groups()
    }

    /// How many of the side are healthy in all its groups, by checks that really run; where it has none, those that run.
    pub(super) fn healthy(&self) -> u32 {
        if self.has_no_groups() {
            return self.running();
        }
        let healthy = self.state.members.iter().filter(|(id, member)| self.is_healthy(id, member));
        u32::try_from(healthy.count()).unwrap_or(u32::MAX)
    }

    fn is_healthy(&self, id: &InstanceId, member: &Member) -> bool {
        let stays = member.drain.is_none() && member.terminating_since.is_none() && !member.gone;
        let is_it = |target: &Target| target.instance == *id && target.health == TargetHealth::Healthy;
        let mut groups = self.pool.target_groups.iter();
        let is_checked = |group| self.observation.targets.get(group).is_some_and(|targets| targets.iter().any(is_it));
        stays && !self.pool.target_groups.is_empty() && groups.all(is_checked)
    }

    /// What a group says of one instance.
    fn word(&self, targets: &[&Target], id: &InstanceId, member: &Member) -> Word {
        let target = targets.iter().find(|target| target.instance == *id);
        // whoever was lost before it could be registered was no target
        let was_one = self.seat != Seat::Enters;
        match target.map(|target| (target.health, target.shifted)) {
            // traffic was taken from its zone: its checks say nothing of the side
            Some((_, true)) => Word::None,
            // one that is gone is deregistered as a ghost, one that fell ill because it did: neither leaves as one of too many
            Some((TargetHealth::Draining, _)) if member.gone || fell_ill(member) => Word::Bad,
            Some((TargetHealth::Healthy, _)) => Word::Good,
            Some((TargetHealth::Unhealthy | TargetHealth::InvalidState, _)) => Word::Bad,
            // a terminated one vanishes from its groups
            None if was_one && (member.gone || fell_ill(member)) => Word::Bad,
            None | Some((TargetHealth::Initial | TargetHealth::Unchecked | TargetHealth::Draining | TargetHealth::Unavailable, _)) => {
                Word::None
            }
        }
    }
}

/// It served, and nobody has it leave.
fn should_serve(member: &Member) -> bool {
    let leaves = member.drain.is_some() || member.terminating_since.is_some() || member.is_warm();
    member.served_since.is_some() && !leaves
}

/// What a group says of one instance, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    None,
    Good,
    Bad,
}

fn fell_ill(member: &Member) -> bool {
    let drain = member
        .drain
        .filter(|drain| matches!(drain.why, DrainReason::Unhealthy | DrainReason::Kept));
    drain.is_some() && member.served_since.is_some()
}

fn is_share(part: u32, whole: u32, detect: &Detect) -> bool {
    part > 0 && part >= detect.unhealthy.of_ceil(whole)
}
