//! Instances, as EC2 makes, lists and ends them: tokens with their zone, lists that lag, terminations that take a while.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ghostnet_core::id::{FleetId, InstallationId, InstanceId, InstanceType, PlanId, PoolId, StepNumber, Zone};
use ghostnet_core::observation::{Instance, InstanceState, Market, Offering, Told, Word, tag};
use ghostnet_core::plan::Launch;
use ghostnet_core::spec::{Reservation, TemplateVersion};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::ListedInstance;

use super::refusal;
use super::worker::Worker;
use crate::chance::Chance;
use crate::clock::{HOUR, MINUTE, Millis, SECOND, at};

/// EC2 lists a terminated instance for about this long.
const LISTED_AFTER_END: Millis = HOUR;
/// Typical time to stop, and to end.
const TAKES_TO_STOP: Millis = 30 * SECOND;
const TAKES_TO_END: Millis = 40 * SECOND;
/// Calls that name a new instance find it only when lists have shown it for as long again: each of EC2's answers lags by itself.
const FOUND_AFTER: Millis = 2;
/// Tokens are remembered at least this long.
const TOKEN_MEMORY: Millis = 24 * HOUR;
const CALL: &str = "ec2:RunInstances";

/// Every instance of the account, and the tokens of its launches.
#[derive(Debug, Default)]
pub struct Ec2 {
    /// By id.
    pub machines: BTreeMap<InstanceId, Machine>,
    tokens: BTreeMap<(String, Zone), Token>,
    /// The launch template's version that is the default now.
    pub default_version: u64,
    /// Chance of how long instances take to stop and to end; none: always the same.
    endings: Option<Chance>,
    made: u64,
}

/// A launch that EC2 remembers.
#[derive(Debug)]
struct Token {
    launch: Launch,
    instances: Vec<InstanceId>,
    at: Millis,
}

/// One instance.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its id.
    pub id: InstanceId,
    /// The number in its id.
    number: u64,
    /// Whose, by its tag; none: nobody tagged it.
    pub installation: Option<InstallationId>,
    /// Its tags.
    pub tags: Tags,
    /// Made by a person and not by a launch step.
    pub by_hand: bool,
    /// Where.
    pub zone: Zone,
    /// Which type.
    pub instance_type: InstanceType,
    /// How it was bought.
    pub market: Market,
    /// To which reservations it is bound, whether they are still there or not.
    pub reservation: Option<Reservation>,
    /// When it was launched.
    pub launched_at: Millis,
    /// When it runs.
    pub running_at: Millis,
    /// From when lists show it.
    pub listed_from: Millis,
    /// From when calls that name it find it.
    pub found_from: Millis,
    /// When it began to end.
    pub ends: Option<End>,
    /// When it was stopped.
    pub stopped_at: Option<Millis>,
    /// How long it takes to stop.
    pub stops_in: Millis,
    /// Whether a person stopped it.
    pub stopped_by_hand: bool,
    /// What lists show of it yet, although it was stopped or started since: the state, its launch time, and until when.
    pub shown: Option<(InstanceState, Millis, Millis)>,
    /// Since when its checks fail.
    pub sick_since: Option<Millis>,
    /// Since when its status checks fail.
    pub impaired_since: Option<Millis>,
    /// Since when its worker writes no heartbeat.
    pub silent_since: Option<Millis>,
    /// Since when its jobs fail, which only its own metric shows.
    pub failing_since: Option<Millis>,
    /// The last heartbeat of the time before it was stopped.
    pub beat_before: Option<Millis>,
    /// When something that it ailed from was last over.
    pub recovered_at: Option<Millis>,
    /// Whether its image never becomes healthy.
    pub bad_image: bool,
    /// From when until when it carries the protect tag.
    pub protected: Option<(Millis, Millis)>,
    /// Who works on it.
    pub worker: Worker,
    /// From which version of the launch template it was launched.
    pub template: TemplateVersion,
}

/// The tags that GhostNet gives at launch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// The fleet.
    pub fleet: Option<FleetId>,
    /// The pool.
    pub pool: Option<PoolId>,
    /// The plan.
    pub plan: Option<PlanId>,
    /// The step.
    pub step: Option<StepNumber>,
}

impl Tags {
    fn of(tags: &[(&'static str, String)]) -> (Option<InstallationId>, Self) {
        let get = |key: &str| tags.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
        let own = Self {
            fleet: get(tag::FLEET).and_then(|fleet| fleet.parse().ok()),
            pool: get(tag::POOL).and_then(|pool| pool.parse().ok()),
            plan: get(tag::PLAN).map(PlanId::new),
            step: get(tag::STEP).and_then(|step| step.parse().ok()).map(StepNumber),
        };
        (get(tag::INSTALLATION).map(InstallationId::new), own)
    }
}

/// The end of an instance.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// Since when it shuts down.
    pub at: Millis,
    /// When it is terminated.
    pub over_at: Millis,
    /// From when lists show it.
    pub listed_from: Millis,
}

impl Machine {
    /// What it takes the capacity of.
    #[must_use]
    pub fn offering(&self) -> Offering {
        Offering {
            zone: self.zone.clone(),
            instance_type: Some(self.instance_type.clone()),
            market: self.market,
            reservation: self.reservation.clone(),
        }
    }

    /// Its private address, which it keeps as long as it exists.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        let [.., b, c, d] = self.number.to_be_bytes();
        Ipv4Addr::new(10, b, c, d)
    }

    /// What it truly is.
    #[must_use]
    pub fn state(&self, now: Millis) -> InstanceState {
        match (self.ends, self.stopped_at) {
            (Some(end), _) if now >= end.over_at => InstanceState::Terminated,
            (Some(end), _) if now >= end.at => InstanceState::ShuttingDown,
            (_, Some(_)) if self.rests(now) => InstanceState::Stopped,
            (_, Some(stopped)) if now >= stopped => InstanceState::Stopping,
            _ if now < self.running_at => InstanceState::Pending,
            _ => InstanceState::Running,
        }
    }

    /// Whether it came to rest, and nothing of it has run since, whether it is ended meanwhile or not.
    #[must_use]
    pub fn rests(&self, now: Millis) -> bool {
        self.stopped_at.is_some_and(|stopped| now >= stopped.saturating_add(self.stops_in))
    }

    /// Whether it is pending or running.
    #[must_use]
    pub fn is_alive(&self, now: Millis) -> bool {
        matches!(self.state(now), InstanceState::Pending | InstanceState::Running)
    }

    /// Whether it ended, or was stopped by a person, later than that.
    #[must_use]
    pub fn was_lost(&self, then: Millis) -> bool {
        let stopped_at = self.stopped_at.filter(|_| self.stopped_by_hand);
        self.ends.map(|end| end.at).into_iter().chain(stopped_at).any(|at| at > then)
    }

    /// Whether it exists and was not ended, whatever it does.
    #[must_use]
    pub fn exists(&self, now: Millis) -> bool {
        !self.state(now).is_gone()
    }

    /// Whether a call that names it finds it.
    #[must_use]
    pub fn is_found(&self, now: Millis) -> bool {
        now >= self.found_from && self.is_remembered(now)
    }

    /// Whether EC2 does not forget it yet, some time after its end.
    fn is_remembered(&self, now: Millis) -> bool {
        self.ends.is_none_or(|end| now < end.over_at + LISTED_AFTER_END)
    }

    /// What a list shows, late: its end may not show yet.
    fn listed_state(&self, now: Millis) -> InstanceState {
        if self.ends.is_some_and(|end| now < end.listed_from) {
            return Self {
                ends: None,
                ..self.clone()
            }
            .state(now);
        }
        match self.shown {
            Some((state, _, until)) if now < until && self.ends.is_none() => state,
            _ => self.state(now),
        }
    }

    /// The launch time that a list shows: that of the last start.
    fn listed_launch(&self, now: Millis) -> Millis {
        self.shown
            .filter(|(_, _, until)| now < *until)
            .map_or(self.launched_at, |(_, at, _)| at)
    }

    /// Whether it fetches work where no balancer sends any: it runs, is ready, and was not told that it leaves.
    #[must_use]
    pub fn takes_work(&self, now: Millis) -> bool {
        let leaves = self.worker.told == Some(Told::Draining) || self.worker.has_finished(now);
        self.passes_checks(now) && self.worker.is_ready(now) && !leaves
    }

    /// Whether it carries the protect tag.
    #[must_use]
    pub fn is_protected(&self, now: Millis) -> bool {
        self.protected.is_some_and(|(_, until)| now < until)
    }

    /// Whether it carried it at a moment already.
    #[must_use]
    pub fn was_protected(&self, then: Millis) -> bool {
        self.protected.is_some_and(|(since, _)| since <= then)
    }

    /// Whether its checks pass.
    #[must_use]
    pub fn passes_checks(&self, now: Millis) -> bool {
        !self.bad_image && self.sick_since.is_none_or(|since| now < since) && self.state(now) == InstanceState::Running
    }

    /// Its last heartbeat: one a minute from when its worker is ready.
    fn beat(&self, now: Millis) -> Option<Millis> {
        let stops = [self.silent_since, self.stopped_at, self.ends.map(|end| end.at)];
        let until = stops.into_iter().flatten().fold(now, Millis::min);
        let first = self.worker.ready_at.max(self.running_at);
        if until < first {
            return self.beat_before;
        }
        Some(first + (until - first) / MINUTE * MINUTE)
    }

    /// How many of its jobs failed in the minute that ends now.
    #[must_use]
    pub fn failed_jobs(&self, now: Millis) -> f64 {
        if self.failing_since.is_some_and(|since| since <= now - MINUTE) {
            MANY_JOBS
        } else {
            1.0
        }
    }

    /// Nothing ails it any more.
    pub fn recover(&mut self, now: Millis) {
        for since in [
            &mut self.sick_since,
            &mut self.impaired_since,
            &mut self.silent_since,
            &mut self.failing_since,
        ] {
            *since = None;
        }
        self.recovered_at = Some(now);
    }

    /// Whether something ails it, or did until a moment ago.
    #[must_use]
    pub fn ails(&self, now: Millis) -> bool {
        let ails = [self.sick_since, self.impaired_since, self.silent_since, self.failing_since]
            .into_iter()
            .flatten()
            .any(|since| since <= now);
        let lately = self.recovered_at.is_some_and(|at| now < at + 5 * MINUTE);
        ails || lately || self.bad_image || self.worker.has_finished(now)
    }

    fn listed(&self, now: Millis) -> ListedInstance {
        ListedInstance {
            fleet: self.tags.fleet.clone(),
            instance: Instance {
                id: self.id.clone(),
                state: self.listed_state(now),
                zone: self.zone.clone(),
                instance_type: self.instance_type.clone(),
                market: self.market,
                launched_at: at(self.listed_launch(now)),
                pool: self.tags.pool.clone(),
                plan: self.tags.plan.clone(),
                step: self.tags.step,
                protected: false,
                word: Word {
                    beat: self.beat(now).map(at),
                    ..self.worker.word(now)
                },
                template: Some(self.template.clone()),
                address: Some(self.address()),
            },
            tag_keys: if self.is_protected(now) {
                [PROTECT_TAG.to_owned()].into()
            } else {
                std::collections::BTreeSet::new()
            },
        }
    }
}

/// Failed jobs a minute of an instance all of whose jobs fail.
pub const MANY_JOBS: f64 = 30.0;

/// The launch template of this world.
pub const TEMPLATE: &str = "lt-web";
const DEFAULT_VERSION: &str = "$Default";

/// The tag that protects, in every spec of this world.
pub const PROTECT_TAG: &str = "ghostnet:protect";

/// How a launch turns out, drawn before it happens.
#[derive(Debug, Clone, Copy)]
pub struct Boot {
    /// From launch to running.
    pub takes: Millis,
    /// Until lists show it.
    pub list_lag: Millis,
    /// Whether its image is broken.
    pub bad_image: bool,
    /// Who will work on it.
    pub worker: Worker,
}

fn takes(chance: &mut Option<Chance>, typical: Millis) -> Millis {
    chance.as_mut().map_or(typical, |chance| chance.skewed(typical))
}

impl Ec2 {
    /// An EC2 whose instances take as long to stop and to end as it happens.
    #[must_use]
    pub fn with_endings(chance: Chance) -> Self {
        Self {
            endings: Some(chance),
            ..Self::default()
        }
    }

    /// How many of a market are pending or running, whoever launched them.
    #[must_use]
    pub fn alive_of(&self, market: Market, now: Millis) -> u32 {
        let machines = self.machines.values();
        let alive = machines.filter(|machine| machine.market == market && machine.is_alive(now)).count();
        u32::try_from(alive).unwrap_or(u32::MAX)
    }

    /// What the token says, if it was used: the same instances, or that it cannot be used so.
    #[must_use]
    pub fn by_token(&self, launch: &Launch, now: Millis) -> Option<Result<Vec<InstanceId>, PortError>> {
        let token = self.tokens.get(&(launch.token.as_str().to_owned(), launch.place.zone.clone()))?;
        if token.launch != *launch {
            return Some(Err(refusal(CALL, ErrorClass::Token, "IdempotentParameterMismatch")));
        }
        let alive = |id: &InstanceId| self.machines.get(id).is_some_and(|machine| machine.exists(now));
        if !token.instances.iter().any(alive) {
            return Some(Err(refusal(CALL, ErrorClass::Token, "IdempotentInstanceTerminated")));
        }
        Some(Ok(token.instances.clone()))
    }

    /// Launches instances, one per `boots`, each of its offering, and remembers the token.
    pub fn launch(&mut self, launch: &Launch, tags: &[(&'static str, String)], boots: &[(Offering, Boot)], now: Millis) -> Vec<InstanceId> {
        let (installation, tags) = Tags::of(tags);
        let mut instances = Vec::new();
        for (offering, boot) in boots {
            let own = || InstanceType::new("m7a.large");
            let instance_type = offering.instance_type.clone().unwrap_or_else(own);
            let machine = Machine {
                installation: installation.clone(),
                tags: tags.clone(),
                market: offering.market,
                reservation: offering.reservation.clone(),
                template: self.template(&launch.template.version),
                ..self.blank(launch.place.zone.clone(), instance_type, *boot, now)
            };
            instances.push(machine.id.clone());
            self.machines.insert(machine.id.clone(), machine);
        }
        let token = Token {
            launch: launch.clone(),
            instances: instances.clone(),
            at: now,
        };
        self.tokens
            .insert((launch.token.as_str().to_owned(), launch.place.zone.clone()), token);
        instances
    }

    /// An instance that somebody launched by hand, with these tags.
    pub fn launch_by_hand(&mut self, like: &Machine, installation: Option<InstallationId>, tags: Tags, now: Millis) -> InstanceId {
        let boot = Boot {
            takes: 30 * SECOND,
            list_lag: 5 * SECOND,
            bad_image: false,
            worker: Worker::default(),
        };
        let machine = Machine {
            installation,
            tags,
            by_hand: true,
            ..self.blank(like.zone.clone(), like.instance_type.clone(), boot, now)
        };
        let id = machine.id.clone();
        self.machines.insert(id.clone(), machine);
        id
    }

    /// What a version of the launch template stands for now.
    fn template(&self, version: &str) -> TemplateVersion {
        let default = self.default_version.max(1);
        TemplateVersion {
            id: TEMPLATE.to_owned(),
            version: version.parse().unwrap_or(default),
        }
    }

    fn blank(&mut self, zone: Zone, instance_type: InstanceType, boot: Boot, now: Millis) -> Machine {
        self.made += 1;
        Machine {
            id: InstanceId::new(format!("i-{:017x}", self.made)),
            number: self.made,
            installation: None,
            tags: Tags::default(),
            by_hand: false,
            zone,
            instance_type,
            market: Market::OnDemand,
            reservation: None,
            launched_at: now,
            running_at: now + boot.takes,
            listed_from: now + boot.list_lag,
            found_from: now + boot.list_lag * FOUND_AFTER,
            ends: None,
            stopped_at: None,
            stops_in: TAKES_TO_STOP,
            stopped_by_hand: false,
            shown: None,
            sick_since: None,
            impaired_since: None,
            silent_since: None,
            failing_since: None,
            beat_before: None,
            recovered_at: None,
            bad_image: boot.bad_image,
            protected: None,
            worker: boot.worker,
            template: self.template(DEFAULT_VERSION),
        }
    }

    /// The instance of this id, if a call that names it finds it.
    #[must_use]
    pub fn named(&self, id: &InstanceId, now: Millis) -> Option<&Machine> {
        self.machines.get(id).filter(|machine| machine.is_found(now))
    }

    /// Sets the tag that tells instances something: all or none.
    ///
    /// # Errors
    /// One of them is not found.
    pub fn tell(&mut self, ids: &[InstanceId], told: Told, now: Millis) -> Result<(), PortError> {
        if !ids.iter().all(|id| self.named(id, now).is_some()) {
            return Err(refusal("ec2:CreateTags", ErrorClass::NotFound, "InvalidInstanceID.NotFound"));
        }
        for id in ids {
            if let Some(machine) = self.machines.get_mut(id) {
                machine.worker.is_told(told, now);
            }
        }
        Ok(())
    }

    /// Begins the end of an instance; one that ends already goes on ending.
    pub fn end(&mut self, id: &InstanceId, list_lag: Millis, now: Millis) {
        let takes = takes(&mut self.endings, TAKES_TO_END);
        if let Some(machine) = self.machines.get_mut(id) {
            machine.ends.get_or_insert(End {
                at: now,
                over_at: now + takes,
                listed_from: now + list_lag,
            });
        }
    }

    /// Stops an instance that runs; one that rests or ends goes on so.
    pub fn stop(&mut self, id: &InstanceId, list_lag: Millis, now: Millis) {
        let takes = takes(&mut self.endings, TAKES_TO_STOP);
        if let Some(machine) = self.machines.get_mut(id).filter(|machine| machine.is_alive(now)) {
            machine.stops_in = takes;
            machine.shown = Some((machine.listed_state(now), machine.listed_launch(now), now + list_lag));
            machine.beat_before = machine.beat(now);
            machine.stopped_at = Some(now);
        }
    }

    /// Starts an instance that is stopped. Whether it starts, or runs already.
    pub fn start(&mut self, id: &InstanceId, boot: Boot, now: Millis) -> bool {
        let Some(machine) = self.machines.get_mut(id) else { return false };
        match machine.state(now) {
            InstanceState::Pending | InstanceState::Running => true,
            InstanceState::Stopped => {
                machine.shown = Some((InstanceState::Stopped, machine.launched_at, now + boot.list_lag));
                (machine.launched_at, machine.running_at) = (now, now + boot.takes);
                (machine.stopped_at, machine.stopped_by_hand) = (None, false);
                machine.recover(now);
                true
            }
            _ => false,
        }
    }

    /// Running instances whose status checks fail.
    #[must_use]
    pub fn impaired(&self, now: Millis) -> BTreeMap<InstanceId, jiff::Timestamp> {
        let running = self
            .machines
            .values()
            .filter(|machine| machine.state(now) == InstanceState::Running);
        running
            .filter_map(|machine| Some((machine.id.clone(), at(machine.impaired_since?))))
            .collect()
    }

    /// What DescribeInstances shows of one installation.
    #[must_use]
    pub fn list(&self, installation: &InstallationId, now: Millis) -> Vec<ListedInstance> {
        let ours = self
            .machines
            .values()
            .filter(|machine| machine.installation.as_ref() == Some(installation));
        let shown = ours
            .filter(|machine| now >= machine.listed_from)
            .filter(|machine| machine.is_remembered(now));
        // a filter cannot say how many will pass, and a list that grows is copied several times
        let mut listed = Vec::with_capacity(self.machines.len());
        listed.extend(shown.map(|machine| machine.listed(now)));
        listed
    }

    /// Forgets what EC2 forgets, so that a run's memory does not grow with its length.
    pub fn forget(&mut self, now: Millis) {
        self.machines
            .retain(|_, machine| machine.ends.is_none_or(|end| now < end.over_at + LISTED_AFTER_END + 5 * MINUTE));
        self.tokens.retain(|_, token| now < token.at + TOKEN_MEMORY);
    }
}
