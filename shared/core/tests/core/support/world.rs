//! A fleet in a world that does what AWS does, when the test says so: boots, health checks, drains.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ghostnet_core::adaptive::Imbalance;
use ghostnet_core::audit::audit;
use ghostnet_core::decide::{CapacityCount, Decision, PoolDecision, decide};
use ghostnet_core::id::{
    InstallationId, InstanceId, InstanceType, PlanId, PolicyId, PoolId, ServiceId, SpecVersion, StepId, TargetGroupArn, Zone,
};
use ghostnet_core::observation::{
    ExhaustedOffering, Instance, InstanceState, Market, Observation, Registrar, Registration, Target, TargetHealth,
};
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_core::plan::{Action, OpenStep, Step, StepOutcome};
use ghostnet_core::reason::Finding;
use ghostnet_core::record::Inputs;
use ghostnet_core::sample::{Loads, Readings, Series};
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::{Attribute, FleetSpec, TemplateKey, TemplateVersion};
use ghostnet_core::state::{CapacityState, Member, RecordedOutcome, TrafficState};
use ghostnet_core::tuning::Tuned;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use super::{Value, at, fresh, group, pool, raw, resolved};

/// A fleet, its state, and what AWS has of it.
#[derive(Clone)]
pub struct World {
    pub inputs: Inputs,
    pub spec: FleetSpec,
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Pools whose region cannot be listed.
    pub unlisted: BTreeSet<PoolId>,
    pub targets: BTreeMap<String, BTreeMap<InstanceId, TargetHealth>>,
    /// What each policy reads.
    pub loads: BTreeMap<PolicyId, f64>,
    /// What a policy that learns reads: the demand, and how much of an instance is used.
    pub metered: BTreeMap<PolicyId, (Series, Series)>,
    /// Whether the list of instances can be read, and which pools' groups cannot.
    pub instances_known: bool,
    pub unreadable: BTreeSet<String>,
    pub recorded: BTreeSet<PlanId>,
    pub exhausted: Vec<ExhaustedOffering>,
    /// What the default version of the launch template is, if EC2 tells it of its instances.
    pub default_version: Option<TemplateVersion>,
    /// Attributes of groups, where this look reads them.
    pub attributes: BTreeMap<TargetGroupArn, BTreeMap<Attribute, String>>,
    /// How unequally targets answer, where it is asked.
    pub imbalance: BTreeMap<TargetGroupArn, Imbalance>,
    /// Whose status checks fail, and since when.
    pub impaired: Option<BTreeMap<InstanceId, Timestamp>>,
    /// Who is registered in Cloud Map, and which services cannot be read. What is registered now is listed after the next pause.
    pub registered: BTreeMap<ServiceId, BTreeMap<InstanceId, Registration>>,
    pub unreadable_services: BTreeSet<ServiceId>,
    /// What Cloud Map has taken on and not done yet.
    pub operations: Vec<(ServiceId, InstanceId, Option<Registration>)>,
    /// Zones away from which traffic is shifted.
    pub shifted: BTreeSet<Zone>,
    /// What each instance carries, if somebody measures it.
    pub carried: BTreeMap<InstanceId, f64>,
    /// What the metric of each instance's own was, by pool, where it is read.
    pub readings: BTreeMap<PoolId, Readings>,
    /// Settings that tuning has found; none: nothing could be read.
    pub tuned: Option<BTreeMap<PoolId, Tuned>>,
    looks: u32,
    launched: u32,
}

impl World {
    /// A fleet that was just applied: no state but its beginning, nothing in AWS.
    pub fn new(change: Value) -> Self {
        let raw = raw(change);
        let spec = FleetSpec::check(&raw).unwrap();
        let (now, signal) = (at(0), Signal::Tick);
        let inputs = Inputs {
            installation: InstallationId::new("inst"),
            spec_version: SpecVersion(1),
            spec: raw.into(),
            resolved: resolved(),
            retiring: false,
            state: CapacityState::new(&spec, Seconds::minutes(120).before(now)),
            traffic: TrafficState::first(&spec).unwrap(),
            observation: Observation::unknown(now),
            signal,
            now,
            execute_until: now,
            plan_id: PlanId::new("none"),
        };
        Self {
            inputs,
            spec,
            instances: BTreeMap::new(),
            unlisted: BTreeSet::new(),
            targets: BTreeMap::new(),
            loads: BTreeMap::new(),
            metered: BTreeMap::new(),
            instances_known: true,
            unreadable: BTreeSet::new(),
            recorded: BTreeSet::new(),
            exhausted: Vec::new(),
            default_version: None,
            attributes: BTreeMap::new(),
            imbalance: BTreeMap::new(),
            impaired: None,
            registered: BTreeMap::new(),
            unreadable_services: BTreeSet::new(),
            operations: Vec::new(),
            shifted: BTreeSet::new(),
            carried: BTreeMap::new(),
            readings: BTreeMap::new(),
            tuned: None,
            looks: 0,
            launched: 0,
        }
    }

    /// A fleet with this many instances of pool `blue` in service for long, at a load that asks for as many.
    pub fn serving(instances: u32, change: Value) -> Self {
        let mut world = Self::new(change);
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = instances;
        for n in 0..instances {
            let id = world.put("blue", n, InstanceState::Running);
            let long_ago = Seconds::minutes(60).before(world.now());
            world
                .targets
                .entry("blue".into())
                .or_default()
                .insert(id.clone(), TargetHealth::Healthy);
            let member = Member {
                served_since: Some(long_ago.into()),
                ..Member::new(long_ago)
            };
            world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members.insert(id, member);
        }
        world.read("requests", 95.0);
        world
    }

    pub fn now(&self) -> Timestamp {
        self.inputs.now
    }

    /// Every policy of this name reads this value from now on.
    pub fn read(&mut self, policy: &str, value: f64) {
        self.loads.insert(super::policy(policy), value);
    }

    /// An instance of an hour's age, in no state, with tags of this pool and of no plan.
    pub fn put(&mut self, pool: &str, n: u32, state: InstanceState) -> InstanceId {
        let zone = ["a", "b", "c"][usize::try_from(n % 3).unwrap()];
        let id = InstanceId::new(format!("i-{pool}-{n:03}"));
        let instance = Instance {
            id: id.clone(),
            state,
            zone: Zone::new(format!("eu-west-1{zone}")),
            instance_type: InstanceType::new("c7a.large"),
            market: Market::OnDemand,
            launched_at: Seconds::minutes(60 + n).before(self.now()),
            pool: Some(super::pool(pool)),
            plan: None,
            step: None,
            protected: false,
            word: ghostnet_core::observation::Word::default(),
            template: None,
            address: self.address(),
        };
        self.instances.insert(id.clone(), instance);
        id
    }

    /// Another private address.
    fn address(&self) -> Option<Ipv4Addr> {
        let host = u8::try_from(self.instances.len() % 250).unwrap();
        self.spec
            .pools
            .iter()
            .any(|pool| pool.cloud_map.is_some())
            .then(|| Ipv4Addr::new(10, 0, 0, host + 1))
    }

    /// Who is registered in a service, as clients see it.
    pub fn found_in(&self, service: &ServiceId) -> Vec<&str> {
        let there = self.registered.get(service).into_iter().flatten();
        there.map(|(id, _)| id.as_str()).collect()
    }

    pub fn health(&mut self, pool: &str, id: &InstanceId, health: TargetHealth) {
        self.targets.entry(pool.into()).or_default().insert(id.clone(), health);
    }

    fn observe(&self) -> Observation {
        let mut observation = Observation::unknown(self.now());
        let is_listed = |instance: &&Instance| !instance.pool.as_ref().is_some_and(|pool| self.unlisted.contains(pool));
        observation.instances = self
            .instances_known
            .then(|| self.instances.values().filter(is_listed).cloned().collect());
        observation.unlisted.clone_from(&self.unlisted);
        observation.recorded_plans.clone_from(&self.recorded);
        observation.exhausted.clone_from(&self.exhausted);
        observation.attributes.clone_from(&self.attributes);
        observation.imbalance.clone_from(&self.imbalance);
        observation.impaired.clone_from(&self.impaired);
        observation.readings.clone_from(&self.readings);
        observation.tuned.clone_from(&self.tuned);
        let state = self.inputs.state.pools.values();
        let services = state.flat_map(|pool| pool.service.iter().chain(pool.former_services.keys()));
        let named = self.spec.pools.iter().filter_map(|pool| pool.cloud_map.as_ref());
        for service in named.map(|cloud_map| &cloud_map.service).chain(services) {
            let there = self.registered.get(service).into_iter().flatten();
            if !self.unreadable_services.contains(service) {
                let there = there.map(|(_, registration)| registration.clone()).collect();
                observation.registrations.insert(service.clone(), there);
            }
        }
        for spec in &self.spec.pools {
            let name = spec.id.as_str();
            // sides may have one group together, named after none of them
            let named = spec.target_groups.first().map_or(name, |group| group_name(group));
            let listed = self.targets.get(named).into_iter().flatten();
            let targets: Vec<Target> = listed
                .map(|(instance, health)| Target {
                    instance: instance.clone(),
                    health: *health,
                    shifted: self
                        .instances
                        .get(instance)
                        .is_some_and(|instance| self.shifted.contains(&instance.zone)),
                })
                .collect();
            if !spec.target_groups.is_empty() && !self.unreadable.contains(name) {
                observation.targets.insert(group(named), targets);
            }
            let read = |(policy, value): (&PolicyId, &f64)| (policy.clone(), fresh(self.now(), *value));
            if !self.carried.is_empty() {
                let period = Seconds::minutes(5);
                let by_instance = self.carried.iter().map(|(id, load)| (id.clone(), super::finite(*load))).collect();
                let loads = Loads {
                    at: period.before(self.now()),
                    period,
                    by_instance,
                };
                observation.loads.insert(spec.id.clone(), loads);
            }
            let mut series: BTreeMap<PolicyId, Series> = self.loads.iter().map(read).collect();
            for (policy, (demand, used)) in &self.metered {
                series.insert(policy.clone(), demand.clone());
                let of_pool = observation.used.entry(spec.id.clone()).or_default();
                of_pool.insert(policy.clone(), used.clone());
            }
            observation.series.insert(spec.id.clone(), series);
        }
        observation
    }

    /// Decides from what there is; whatever the situation, audit must agree. Nothing is committed.
    pub fn decide(&mut self, signal: Signal) -> Decision {
        self.looks += 1;
        self.inputs.observation = self.observe();
        self.inputs.signal = signal;
        self.inputs.execute_until = Seconds(30).after(self.now());
        self.inputs.plan_id = PlanId::new(format!("plan-{:03}", self.looks));
        self.again()
    }

    /// Decides from the inputs as they are.
    pub fn again(&self) -> Decision {
        let situation = self.inputs.situation(&self.spec);
        let decision = decide(&situation);
        assert_eq!(audit(&situation, &decision), [], "{decision:#?}");
        decision
    }

    /// Decides and commits, and loses every step: the invocation died.
    pub fn die(&mut self) -> Decision {
        let decision = self.decide(Signal::Tick);
        self.commit(&decision);
        decision
    }

    /// Decides, commits and carries out, as a tick does.
    pub fn look(&mut self) -> Decision {
        self.look_at(Signal::Tick)
    }

    pub fn look_at(&mut self, signal: Signal) -> Decision {
        let decision = self.decide(signal);
        self.commit(&decision);
        for step in &decision.plan.steps {
            let outcome = self.execute(step);
            self.tell(step, outcome);
        }
        decision
    }

    /// An operator asks something of every pool that it may be meant for; a tick hears it.
    pub fn ask(&mut self, by: &str, wish: Wish) -> Decision {
        let (fleet, pool) = ("web".parse().unwrap(), None);
        let asked = Asked {
            by: by.into(),
            at: self.now(),
            wish,
        };
        self.look_at(Signal::OperatorRequest(OperatorRequest { fleet, pool, asked }))
    }

    pub fn commit(&mut self, decision: &Decision) {
        self.inputs.state = decision.state.clone();
    }

    /// A step's outcome reaches the state.
    pub fn tell(&mut self, step: &Step, outcome: StepOutcome) {
        let recorded = RecordedOutcome { outcome, at: self.now() };
        self.inputs.state.merge(&BTreeMap::from([(step.id.clone(), recorded)]));
    }

    /// What a step does in AWS; its reply.
    pub fn execute(&mut self, step: &Step) -> StepOutcome {
        let mut group = |group: &TargetGroupArn, ids: &[InstanceId], health| {
            let name = group_name(group).to_owned();
            self.targets
                .entry(name)
                .or_default()
                .extend(ids.iter().map(|id| (id.clone(), health)));
            StepOutcome::Done
        };
        match &step.action {
            Action::Launch(launch) => StepOutcome::Launched {
                instances: (0..launch.count).map(|_| self.launch(step)).collect(),
            },
            Action::Register { group: arn, instances } => group(arn, instances, TargetHealth::Initial),
            Action::Deregister { group: arn, instances } => group(arn, instances, TargetHealth::Draining),
            Action::Announce { service, addresses, port } => {
                for (id, address) in addresses {
                    let registration = Registration {
                        instance: id.clone(),
                        by: Some(Registrar {
                            fleet: self.spec.id.clone(),
                            pool: step.pool.clone(),
                        }),
                        address: Some(*address),
                        port: *port,
                    };
                    self.operations.push((service.clone(), id.clone(), Some(registration)));
                }
                StepOutcome::Done
            }
            Action::Withdraw { service, instances } => {
                let operations = instances.iter().map(|id| (service.clone(), id.clone(), None));
                self.operations.extend(operations);
                StepOutcome::Done
            }
            Action::Start { instances, .. } => {
                for id in instances {
                    let now = self.inputs.now;
                    let instance = self.instances.get_mut(id).unwrap();
                    if instance.state == InstanceState::Stopped {
                        (instance.state, instance.launched_at) = (InstanceState::Pending, now);
                    }
                }
                StepOutcome::Done
            }
            Action::Stop { instances, .. } => {
                for id in instances {
                    let instance = self.instances.get_mut(id).unwrap();
                    if matches!(instance.state, InstanceState::Pending | InstanceState::Running) {
                        instance.state = InstanceState::Stopping;
                    }
                }
                StepOutcome::Done
            }
            Action::Tune { group, set } => {
                self.attributes.entry(group.clone()).or_default().extend(set.clone());
                StepOutcome::Done
            }
            Action::Tag { instances, told } => {
                for id in instances {
                    self.instances.get_mut(id).unwrap().word.told = Some(*told);
                }
                StepOutcome::Done
            }
            Action::Terminate { instances } => {
                for id in instances {
                    self.instances.get_mut(id).unwrap().state = InstanceState::ShuttingDown;
                }
                StepOutcome::Done
            }
        }
    }

    /// One instance of a launch step, as EC2 makes it.
    pub fn launch(&mut self, step: &Step) -> InstanceId {
        let Action::Launch(launch) = &step.action else {
            panic!("not a launch: {step:?}")
        };
        self.launched += 1;
        let id = InstanceId::new(format!("i-new-{:03}", self.launched));
        let instance = Instance {
            id: id.clone(),
            state: InstanceState::Pending,
            zone: launch.offering.zone.clone(),
            instance_type: launch.offering.instance_type.clone().unwrap(),
            market: launch.offering.market,
            launched_at: self.now(),
            pool: Some(step.pool.clone()),
            plan: Some(step.id.plan.clone()),
            step: Some(step.id.number),
            protected: false,
            word: ghostnet_core::observation::Word::default(),
            template: match &launch.template.key {
                TemplateKey::Id(id) => launch
                    .template
                    .version
                    .parse()
                    .ok()
                    .map(|version| TemplateVersion { id: id.clone(), version }),
                TemplateKey::Name(_) => self.default_version.clone(),
            },
            address: self.address(),
        };
        self.instances.insert(id.clone(), instance);
        id
    }

    /// Time passes and AWS goes on: instances boot, first checks pass, drained targets leave, terminations end.
    pub fn pass(&mut self, seconds: u32) {
        self.wait(seconds);
        for instance in self.instances.values_mut() {
            instance.state = match instance.state {
                InstanceState::Pending => InstanceState::Running,
                InstanceState::ShuttingDown => InstanceState::Terminated,
                InstanceState::Stopping => InstanceState::Stopped,
                state => state,
            };
        }
        for (service, id, registration) in std::mem::take(&mut self.operations) {
            let there = self.registered.entry(service).or_default();
            match registration {
                Some(registration) => drop(there.insert(id, registration)),
                None => drop(there.remove(&id)),
            }
        }
        for targets in self.targets.values_mut() {
            targets.retain(|_, health| *health != TargetHealth::Draining);
            targets
                .values_mut()
                .filter(|health| **health == TargetHealth::Initial)
                .for_each(|health| *health = TargetHealth::Healthy);
        }
    }

    /// Time passes and nothing else does.
    pub fn wait(&mut self, seconds: u32) {
        self.inputs.now = Seconds(seconds).after(self.now());
    }

    /// A tick a minute, for so many minutes.
    pub fn minutes(&mut self, minutes: u32) -> Vec<Decision> {
        let tick = |_| {
            self.pass(60);
            self.look()
        };
        (0..minutes).map(tick).collect()
    }

    /// Instances of EC2 that are not gone.
    pub fn alive(&self) -> Vec<&str> {
        self.instances
            .values()
            .filter(|instance| !instance.state.is_gone())
            .map(|instance| instance.id.as_str())
            .collect()
    }

    pub fn open(&self) -> &[OpenStep] {
        &self.inputs.state.open
    }
}

fn group_name(group: &TargetGroupArn) -> &str {
    group.as_str().split('/').nth(1).unwrap()
}

/// The part of a decision about `blue`.
pub fn blue(decision: &Decision) -> &PoolDecision {
    &decision.pools[&pool("blue")]
}

pub fn counts(decision: &Decision) -> CapacityCount {
    blue(decision).counts
}

/// Names of the guards that spoke about `blue`.
pub fn guards_of(decision: &Decision) -> Vec<&'static str> {
    blue(decision).guards.iter().map(|outcome| outcome.guard.name()).collect()
}

/// Whether some pool's findings hold one like this.
pub fn finds(decision: &Decision, like: impl Fn(&Finding) -> bool) -> bool {
    decision.pools.values().flat_map(|pool| &pool.findings).any(like)
}

/// The steps in short: `launch 2`, `register i-1 i-2`.
pub fn steps(decision: &Decision) -> Vec<String> {
    decision.plan.steps.iter().map(|step| short(&step.action)).collect()
}

pub fn short(action: &Action) -> String {
    match action {
        Action::Launch(launch) if launch.warm => format!("launch {} in {} to keep", launch.count, launch.place.zone),
        Action::Launch(launch) => format!("launch {} in {}", launch.count, launch.place.zone),
        other => {
            let ids: Vec<&str> = other.instances().into_iter().map(InstanceId::as_str).collect();
            format!("{} {}", other.kind(), ids.join(" "))
        }
    }
}

/// Ids of the decision's steps.
pub fn ids(decision: &Decision) -> Vec<StepId> {
    decision.plan.steps.iter().map(|step| step.id.clone()).collect()
}

/// A spot notice for this instance, so long ago.
pub fn spot_notice(world: &World, instance: &InstanceId, ago: u32) -> Signal {
    use ghostnet_core::signal::{Interruption, InterruptionKind};
    let at = Seconds(ago).before(world.now());
    Signal::Interruption(Interruption {
        instance: instance.clone(),
        kind: InterruptionKind::SpotWarning,
        at,
    })
}
