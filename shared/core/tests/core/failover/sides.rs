//! Two sides behind one rule, and what is looked at and decided of them.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::failover::{TrafficDecision, TrafficObservation, TrafficRequest, TrafficSituation, TrafficWish, decide};
use ghostnet_core::id::{AlarmName, Destination, HealthAlarm, InstanceId, RouteId, TargetGroupArn};
use ghostnet_core::observation::{InstanceState, Target, TargetHealth};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::signal::{AlarmState, health_alarm};
use ghostnet_core::spec::{
    ApplicationSignal, BreachRule, Detect, Failback, Failover, FailoverMode, FixedResponse, FleetSpec, Lever, Metric, MetricSource,
    NamedMetric,
};
use ghostnet_core::state::{CapacityState, Member, RouteTo, Routing, TrafficState};
use ghostnet_core::unit::{Percent, Seconds};

use crate::support::*;

/// Two sides of a fleet behind one rule, as they are; what is decided is carried out at once unless it is lost.
pub(super) struct Sides {
    pub(super) spec: FleetSpec,
    pub(super) failover: Failover,
    pub(super) capacity: CapacityState,
    pub(super) traffic: TrafficState,
    pub(super) health: BTreeMap<InstanceId, Option<TargetHealth>>,
    pub(super) states: BTreeMap<InstanceId, InstanceState>,
    pub(super) instances_known: bool,
    /// Sides whose region cannot be listed.
    pub(super) unlisted: BTreeSet<&'static str>,
    /// The side whose targets cannot be read.
    pub(super) unread: Option<&'static str>,
    pub(super) errors: BTreeMap<&'static str, f64>,
    /// Requests per minute, by side.
    pub(super) requests: BTreeMap<&'static str, f64>,
    /// States of health alarms, by side and name.
    pub(super) alarms: BTreeMap<(&'static str, &'static str), AlarmState>,
    /// States of other alarms.
    pub(super) other_alarms: BTreeMap<&'static str, AlarmState>,
    pub(super) weights: BTreeMap<&'static str, u32>,
    pub(super) others: String,
    /// What the balancer answers by itself.
    pub(super) page: Option<FixedResponse>,
    /// What other rules do.
    pub(super) more: BTreeMap<RouteId, Routing>,
    pub(super) now: i64,
}

pub(super) fn rule() -> RouteId {
    RouteId::new("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/3")
}

pub(super) fn address() -> RouteId {
    RouteId::new("eipalloc-0123456789abcdef0")
}

pub(super) fn line() -> RouteId {
    RouteId::new("rtb-0123456789abcdef0/0.0.0.0/0")
}

fn leading_to(instance: Option<&Destination>) -> Routing {
    Routing {
        sticks: false,
        answer: None,
        weights: instance.map(|instance| (instance.clone(), 1)).into_iter().collect(),
        actions: String::new(),
    }
}

fn health(name: &str) -> HealthAlarm {
    name.parse().unwrap()
}

impl Sides {
    /// `blue` takes the traffic with `blue` instances, `green` stands by with `green`; all are well, and were seen to be.
    pub(super) fn new(blue: u32, green: u32) -> Self {
        let spec = FleetSpec::check(&raw(json!({
            "pools": [
                { "id": "blue", "target_groups": [group("blue").as_str()] },
                { "id": "green", "role": "standby", "target_groups": [group("green").as_str()] },
            ],
        })))
        .unwrap();
        let mut sides = Self {
            failover: Failover {
                mode: FailoverMode::HotStandby,
                detect: Detect {
                    datapoints: BreachRule { datapoints: 3, of: 3 },
                    unhealthy: Percent(50),
                    application: vec![ApplicationSignal {
                        metric: Metric::Named {
                            name: NamedMetric::ErrorRate,
                            source: MetricSource::TargetGroup,
                        },
                        above: finite(5.0),
                    }],
                    alarms: vec![health("latency")],
                    probes: vec![health("canary")],
                },
                gate: Percent(50),
                standby_size: Percent(50),
                lever: Lever::ListenerRules(vec![rule()]),
                failback: Failback::Manual,
                dwell: Seconds::minutes(15),
                degraded: None,
                drill: None,
                fencing: None,
            },
            capacity: CapacityState::new(&spec, at(-7_200)),
            traffic: TrafficState::first(&spec).unwrap(),
            spec,
            health: BTreeMap::new(),
            states: BTreeMap::new(),
            instances_known: true,
            unlisted: BTreeSet::new(),
            unread: None,
            errors: BTreeMap::new(),
            requests: BTreeMap::new(),
            alarms: BTreeMap::new(),
            other_alarms: BTreeMap::new(),
            weights: [("blue", 100), ("green", 0)].into(),
            others: "stickiness 60".to_owned(),
            page: None,
            more: BTreeMap::new(),
            now: 0,
        };
        sides.put("blue", blue);
        sides.put("green", green);
        sides.look();
        sides
    }

    /// Three sides share the traffic by 40, 40 and 20, each with so many instances; all are well, and were seen to be.
    pub(super) fn sharing(each: u32) -> Self {
        let pools = ["blue", "green", "red"].map(|side| json!({ "id": side, "target_groups": [group(side).as_str()] }));
        let spec = FleetSpec::check(&raw(json!({
            "pools": pools,
            "failover": { "mode": "active_active", "lever": { "listener_rules": [rule().as_str()] }, "detect": { "error_rate": "5%" } },
        })))
        .unwrap();
        let mut sides = Self::new(each, each);
        sides.failover = spec.failover.clone().unwrap();
        (sides.capacity, sides.traffic) = (CapacityState::new(&spec, at(-7_200)), TrafficState::first(&spec).unwrap());
        sides.spec = spec;
        sides.weights = [("blue", 40), ("green", 40), ("red", 20)].into();
        for side in ["blue", "green", "red"] {
            sides.put(side, each);
        }
        sides.look();
        sides
    }

    /// The same sides behind something else, which names each of them in its own way.
    pub(super) fn behind(self, lever: Lever) -> Self {
        let mut sides = self;
        for pool in &mut sides.spec.pools {
            pool.destinations = [Destination::new(format!("to-{}", pool.id))].into();
        }
        sides.failover.lever = lever;
        sides.look();
        sides
    }

    /// The same as [`Sides::new`] with one target group for both: only `blue` is registered there.
    pub(super) fn swapping(blue: u32, green: u32) -> Self {
        let shared = || vec![group("web")];
        let mut sides = Self::new(blue, green);
        for pool in &mut sides.spec.pools {
            pool.target_groups = shared();
        }
        sides.failover.lever = Lever::TargetSwap;
        sides.spec.failover = Some(sides.failover.clone());
        sides.traffic = TrafficState::first(&sides.spec).unwrap();
        sides.leave("green");
        sides.look();
        sides
    }

    /// The same without a target group: an address and a line of a route table lead to one instance, and to nobody yet.
    pub(super) fn leading(blue: u32, green: u32) -> Self {
        let mut sides = Self::new(blue, green);
        for pool in &mut sides.spec.pools {
            pool.target_groups.clear();
        }
        sides.failover.lever = Lever::ToInstance(vec![address(), line()]);
        sides.failover.detect.application.clear();
        sides.spec.failover = Some(sides.failover.clone());
        sides.traffic = TrafficState::first(&sides.spec).unwrap();
        sides.more = [(address(), leading_to(None)), (line(), leading_to(None))].into();
        sides.look();
        sides
    }

    /// Which instances the address and the line lead to.
    pub(super) fn led(&self) -> [Option<&str>; 2] {
        [address(), line()].map(|route| self.more[&route].weights.keys().next().map(Destination::as_str))
    }

    /// Somebody has a route lead to something else.
    pub(super) fn lead(&mut self, route: RouteId, to: &str) {
        self.more.insert(route, leading_to(Some(&Destination::new(to))));
    }

    /// Nobody has it any more.
    pub(super) fn lead_nowhere(&mut self, route: RouteId) {
        self.more.insert(route, leading_to(None));
    }

    /// Whoever of a side runs is registered, and passes its checks.
    pub(super) fn enter(&mut self, side: &str) {
        for id in self.of(side) {
            if self.states[&id] == InstanceState::Running {
                self.health.insert(id, Some(TargetHealth::Healthy));
            }
        }
    }

    /// Nobody of a side is registered.
    pub(super) fn leave(&mut self, side: &str) {
        for id in self.of(side) {
            self.health.insert(id, None);
        }
    }

    pub(super) fn put(&mut self, side: &str, count: u32) {
        let state = self.capacity.pools.get_mut(&pool(side)).unwrap();
        state.desired = count;
        for n in 0..count {
            let id = InstanceId::new(format!("i-{side}-{n:03}"));
            let member = Member {
                served_since: Some(at(self.now - 3_600).into()),
                ..Member::new(at(self.now - 3_600))
            };
            state.members.insert(id.clone(), member);
            self.states.insert(id.clone(), InstanceState::Running);
            self.health.insert(id, Some(TargetHealth::Healthy));
        }
    }

    pub(super) fn of(&self, side: &str) -> Vec<InstanceId> {
        self.states.keys().filter(|id| id.as_str().contains(side)).cloned().collect()
    }

    pub(super) fn sicken(&mut self, side: &str, count: usize) {
        for id in self.of(side).into_iter().take(count) {
            self.health.insert(id, Some(TargetHealth::Unhealthy));
        }
    }

    pub(super) fn err(&mut self, side: &'static str, percent: f64) {
        self.errors.insert(side, percent);
    }

    pub(super) fn alarm(&mut self, side: &'static str, name: &'static str, state: AlarmState) {
        self.alarms.insert((side, name), state);
    }

    pub(super) fn other_alarm(&mut self, name: &'static str, state: AlarmState) {
        self.other_alarms.insert(name, state);
    }

    pub(super) fn heal(&mut self, side: &str) {
        for id in self.of(side) {
            self.health.insert(id, Some(TargetHealth::Healthy));
        }
    }

    /// Everything of a side is gone from one moment to the next, as with its zone.
    pub(super) fn die(&mut self, side: &str) {
        for id in self.of(side) {
            self.states.insert(id.clone(), InstanceState::Terminated);
            self.health.insert(id.clone(), None);
            let member = self.capacity.pools.get_mut(&pool(side)).unwrap().members.get_mut(&id).unwrap();
            (member.gone, member.left) = (true, Some(at(self.now).into()));
        }
    }

    /// What routes name a side by.
    fn destination(&self, side: &str) -> Destination {
        let pool = self.spec.pools.iter().find(|pool| pool.id.as_str() == side);
        let named = pool.and_then(|pool| pool.destinations.first().cloned());
        named.unwrap_or_else(|| Destination::from(&group(side)))
    }

    pub(super) fn routing(&self) -> Routing {
        if let Some(page) = &self.page {
            return Routing {
                sticks: false,
                weights: BTreeMap::new(),
                actions: format!("{page:?}"),
                answer: Some(page.clone()),
            };
        }
        Routing {
            sticks: false,
            answer: None,
            weights: self
                .weights
                .iter()
                .map(|(side, weight)| (self.destination(side), *weight))
                .collect(),
            actions: format!("{:?} {}", self.weights, self.others),
        }
    }

    fn listed(&self) -> BTreeMap<InstanceId, InstanceState> {
        let is_listed = |id: &InstanceId| !self.unlisted.iter().any(|side| id.as_str().contains(side));
        let listed = self.states.iter().filter(|(id, _)| is_listed(id));
        listed.map(|(id, state)| (id.clone(), *state)).collect()
    }

    pub(super) fn observe(&self) -> TrafficObservation {
        let now = at(self.now);
        let route = self.failover.routes().first().cloned().unwrap_or_else(rule);
        let target = |side: &str| {
            let listed = self.of(side).into_iter().filter_map(|id| {
                Some(Target {
                    health: self.health[&id]?,
                    instance: id,
                    shifted: false,
                })
            });
            listed.collect::<Vec<Target>>()
        };
        let mut targets: BTreeMap<TargetGroupArn, Vec<Target>> = BTreeMap::new();
        for pool in self.spec.pools.iter().filter(|pool| self.unread != Some(pool.id.as_str())) {
            if let Some(group) = pool.target_groups.first() {
                targets.entry(group.clone()).or_default().extend(target(pool.id.as_str()));
            }
        }
        let minute = at(self.now.div_euclid(60) * 60 - 60);
        let series = |value: f64| Series::Points {
            points: vec![Datapoint {
                at: minute,
                value: finite(value),
            }],
            period: Seconds(60),
            partial: false,
            incomplete: Vec::new(),
        };
        let errors = |(side, value): (&&str, &f64)| (pool(side), vec![series(*value)]);
        let requests = |(side, value): (&&str, &f64)| (pool(side), series(*value));
        TrafficObservation {
            observed_at: now,
            instances: self.instances_known.then(|| self.listed()),
            unlisted: self.unlisted.iter().map(|side| pool(side)).collect(),
            targets,
            alarms: self
                .alarms
                .iter()
                .map(|((side, name), state)| (health_alarm(&self.spec.id, &pool(side), &health(name)), *state))
                .chain(self.other_alarms.iter().map(|(name, state)| (AlarmName::new(*name), *state)))
                .collect(),
            application: self.errors.iter().map(errors).collect(),
            requests: self.requests.iter().map(requests).collect(),
            routing: [(route, self.routing())].into_iter().chain(self.more.clone()).collect(),
        }
    }

    pub(super) fn decide(&self, asked: Option<&TrafficRequest>) -> TrafficDecision {
        let observation = self.observe();
        decide(&TrafficSituation {
            spec: &self.spec,
            failover: &self.failover,
            capacity: &self.capacity,
            traffic: &self.traffic,
            observation: &observation,
            asked,
            now: at(self.now),
            execute_until: at(self.now + 30),
        })
    }

    /// Decides and commits, and loses the steps.
    pub(super) fn lose(&mut self) -> TrafficDecision {
        let decision = self.decide(None);
        self.traffic = decision.state.clone();
        decision
    }

    pub(super) fn carry_out(&mut self, decision: TrafficDecision) -> TrafficDecision {
        self.traffic = decision.state.clone();
        for step in &decision.steps {
            if let Some(routing) = self.more.get_mut(&step.route) {
                *routing = match &step.set {
                    RouteTo::Actions(actions) => actions.clone(),
                    RouteTo::Fixed(page) => Routing {
                        sticks: false,
                        weights: BTreeMap::new(),
                        actions: format!("{page:?}"),
                        answer: Some(page.clone()),
                    },
                    RouteTo::Weights(weights) if self.failover.leads_to_instance() => leading_to(weights.keys().next()),
                    RouteTo::Weights(_) | RouteTo::Reweighted { .. } => panic!("its weights are not ours"),
                };
                continue;
            }
            if step.expected != self.routing() {
                continue;
            }
            let (weights, page) = match &step.set {
                RouteTo::Weights(weights) | RouteTo::Reweighted { weights, .. } => (weights.clone(), None),
                RouteTo::Actions(routing) => (routing.weights.clone(), routing.answer.clone()),
                RouteTo::Fixed(page) => (BTreeMap::new(), Some(page.clone())),
            };
            self.page = page;
            for side in ["blue", "green", "red", "sorry", "others"] {
                if let Some(weight) = weights.get(&self.destination(side)) {
                    self.weights.insert(side, *weight);
                }
            }
        }
        decision
    }

    pub(super) fn look(&mut self) -> TrafficDecision {
        let decision = self.decide(None);
        self.carry_out(decision)
    }

    pub(super) fn ask(&mut self, wish: TrafficWish) -> TrafficDecision {
        let request = TrafficRequest {
            by: "ana".to_owned(),
            at: at(self.now),
            reason: "a test".to_owned(),
            wish,
        };
        let decision = self.decide(Some(&request));
        self.carry_out(decision)
    }

    /// An operator asks for a move there, for good.
    pub(super) fn ask_for(&mut self, to: &str, forced: bool) -> TrafficDecision {
        let (to, until) = (pool(to), None);
        self.ask(TrafficWish::Failover { to, until, forced })
    }

    /// So many looks, each so many seconds after the one before. The last one.
    pub(super) fn looks(&mut self, count: u32, seconds: i64) -> TrafficDecision {
        let mut last = self.decide(None);
        for _ in 0..count {
            self.now += seconds;
            last = self.look();
        }
        last
    }

    pub(super) fn weights(&self) -> (u32, u32) {
        (self.weights["blue"], self.weights["green"])
    }
}

pub(super) fn moves(decision: &TrafficDecision) -> bool {
    !decision.steps.is_empty()
}
