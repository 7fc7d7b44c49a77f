//! Where requests are sent: the rules of balancers, failover's hand on them, and what people and faults do to both.

use std::collections::BTreeMap;
use std::rc::Rc;

use ghostnet_core::failover::{TrafficRequest, TrafficWish};
use ghostnet_core::id::{Destination, FleetId, PoolId, Region, RouteId};
use ghostnet_core::observation::InstanceState;
use ghostnet_core::route::{Route, Weights};
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::{Failover, FailoverMode, Fallback, FleetSpec, PoolSpec};
use ghostnet_core::state::{RouteTo, Routing, TrafficState};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{CommitResult, Host, Routes, TrafficCommit, TrafficStore};

use crate::broken::Broken;
use crate::check;
use crate::clock::{MINUTE, Millis, SECOND, at};
use crate::cloud::{followed_within, refusal};
use crate::fault::Fault;
use crate::hand::Hand;
use crate::lambda::{Function, Job};
use crate::to_instance::leads;
use crate::world::{Event, World};

/// Weight of the side that takes all requests.
const ALL: u32 = 100;

/// The rule that sends a fleet's requests to its sides.
#[must_use]
pub fn rule(fleet: &str) -> RouteId {
    RouteId::new(format!(
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/{fleet}/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"
    ))
}

/// Before what a list of actions says beside its weights.
const BESIDE: &str = "; ";

/// A rule that forwards by these weights. The list of actions is the balancer's own text.
#[must_use]
pub fn routing(weights: Weights) -> Routing {
    forwarding(weights, "")
}

/// A rule that forwards by these weights, and whose list of actions says something else as well.
#[must_use]
pub fn forwarding(weights: Weights, beside: &str) -> Routing {
    let groups: Vec<String> = weights.iter().map(|(group, weight)| format!("{group}={weight}")).collect();
    let sign = if beside.is_empty() { "" } else { BESIDE };
    Routing {
        sticks: false,
        actions: format!("forward {}{sign}{beside}", groups.join(" ")),
        weights,
        answer: None,
    }
}

/// The same list with these weights, as the adapter makes it: a group that they do not name keeps its own, and what the list says
/// beside them stays. None: they name a group that the list does not.
fn reweighted(list: &Routing, weights: &Weights) -> Option<Routing> {
    let mut all = list.weights.clone();
    for (group, weight) in weights {
        *all.get_mut(group)? = *weight;
    }
    let beside = list.actions.split_once(BESIDE).map_or("", |(_, beside)| beside);
    Some(forwarding(all, beside))
}

/// Where a fleet's other rules send their requests.
fn others(fleet: &FleetId) -> Destination {
    Destination::new(format!("{fleet}-others"))
}

/// The weights of a rule that sends everything to these sides, to each as much.
pub(crate) fn weights(spec: &FleetSpec, takes: impl Fn(&PoolId) -> bool) -> Weights {
    let of = |pool: &PoolSpec| if takes(&pool.id) { ALL } else { 0 };
    let groups = spec
        .pools
        .iter()
        .flat_map(|pool| pool.reached_by().into_iter().map(move |destination| (destination, of(pool))));
    let instead = spec
        .failover
        .iter()
        .filter_map(|failover| match &failover.degraded.as_ref()?.answer {
            Fallback::Forward(group) => Some((Destination::from(group), 0)),
            Fallback::FixedResponse(_) => None,
        });
    groups.chain(instead).collect()
}

/// What share of a route's requests goes to a side.
fn hundredths(pool: &PoolSpec, routing: &Routing) -> u32 {
    let all: u32 = routing.weights.values().sum();
    (pool.weight_in(&routing.weights) * 100).checked_div(all).unwrap_or(0)
}

impl World {
    /// The rules that a new fleet's spec names send everything to the pool that is active, or to each of those that are.
    pub(crate) fn add_rules(&mut self, spec: &FleetSpec) {
        let Some(failover) = &spec.failover else { return };
        let Some(traffic) = TrafficState::first(spec) else { return };
        for rule in failover.routes() {
            let takes = |pool: &PoolId| traffic.takers(spec).contains(&pool);
            // an address that nobody has yet
            let right = if leads(rule) { Weights::new() } else { weights(spec, takes) };
            let right = routing(right);
            self.cloud.set_route(rule.clone(), right, self.now);
        }
        let other = others(&spec.id);
        for rule in failover.degraded.iter().flat_map(|instead| &instead.shed) {
            self.cloud.rules.insert(rule.clone(), routing([(other.clone(), ALL)].into()));
        }
        // whoever is behind a rule is checked, at whatever weight
        for group in spec.pools.iter().flat_map(|pool| &pool.target_groups) {
            if let Some(group) = self.cloud.groups.get_mut(group) {
                group.used = true;
            }
        }
    }

    /// What share of a fleet's requests a pool gets, in hundredths.
    #[must_use]
    pub fn share(&self, spec: &FleetSpec, pool: &PoolSpec) -> u32 {
        let first = || {
            if spec.pools.first().is_some_and(|first| first.id == pool.id) {
                100
            } else {
                0
            }
        };
        let Some(failover) = &spec.failover else { return first() };
        if failover.swaps_targets() {
            return self.share_of_targets(spec, pool);
        }
        if failover.leads_to_instance() {
            return if self.is_led_to(spec, pool) { 100 } else { 0 };
        }
        let route = failover.routes().first();
        let Some((route, routing)) = route.and_then(|route| Some((route, self.cloud.rules.get(route)?))) else {
            return first();
        };
        let share = hundredths(pool, routing);
        let Some((changed, before)) = self.cloud.before.get(route) else {
            return share;
        };
        // as many follow in one second as in another
        let within = followed_within(route);
        let left = within.saturating_sub(self.now - changed).max(0);
        let part = |share: u32, of: Millis| Millis::from(share) * of;
        let both = part(hundredths(pool, before), left) + part(share, within - left);
        both.checked_div(within)
            .and_then(|share| u32::try_from(share).ok())
            .unwrap_or(share)
    }

    /// The same where all sides have one target group: each of its targets takes as much as every other one.
    fn share_of_targets(&self, spec: &FleetSpec, pool: &PoolSpec) -> u32 {
        let own = self.serving(&spec.id, pool);
        let all: u32 = spec.pools.iter().map(|pool| self.serving(&spec.id, pool)).sum();
        (own * 100).checked_div(all).unwrap_or_else(|| {
            // nobody answers, whoever is asked: the side that the table names
            let active = self.table.fleets.get(&spec.id).map(|items| &items.traffic.active);
            if active == Some(&pool.id) { 100 } else { 0 }
        })
    }

    /// Whether nobody of a side is registered, or everybody leaves.
    pub(crate) fn is_in_no_group(&self, pool: &PoolSpec) -> bool {
        let groups = pool.target_groups.iter().filter_map(|group| self.cloud.groups.get(group));
        let mut targets = groups.flat_map(|group| group.targets.iter());
        !targets.any(|(id, target)| target.drained_at.is_none() && self.is_of_pool(id, pool))
    }

    /// Whether no rule of a fleet sends a side anything, or nobody of it is registered.
    pub(crate) fn sends_nothing(&self, spec: &FleetSpec, pool: &PoolSpec) -> bool {
        let Some(failover) = &spec.failover else { return true };
        if failover.swaps_targets() {
            return self.is_in_no_group(pool);
        }
        if failover.leads_to_instance() {
            return self.is_led_nowhere(spec, pool);
        }
        let mut rules = failover.all_routes().filter_map(|rule| self.cloud.rules.get(rule));
        !rules.any(|routing| pool.weight_in(&routing.weights) > 0)
    }

    /// ModifyRule, ChangeResourceRecordSets or UpdateEndpointGroup.
    fn set_rule(&mut self, rule: &RouteId, expected: &Routing, set: &RouteTo) -> Result<(), PortError> {
        const CALL: &str = "elasticloadbalancing:ModifyRule";
        if leads(rule) {
            return self.set_led(rule, expected, set);
        }
        let Some(now) = self.cloud.rules.get(rule).cloned() else {
            return Err(refusal(CALL, ErrorClass::NotFound, "RuleNotFound"));
        };
        // Route 53 replaces what was read and nothing else; the other calls replace whatever is there by now
        if matches!(rule.route(), Route::Records(_)) && now != *expected {
            return Err(refusal(CALL, ErrorClass::Invalid, "InvalidChangeBatch"));
        }
        let next = match set {
            RouteTo::Weights(weights) => reweighted(expected, weights),
            RouteTo::Reweighted { actions, weights } => reweighted(actions, weights),
            RouteTo::Actions(actions) => Some(actions.clone()),
            RouteTo::Fixed(response) => Some(Routing {
                sticks: false,
                weights: BTreeMap::new(),
                actions: format!("answer {}", response.status),
                answer: Some(response.clone()),
            }),
        };
        let next = next.ok_or_else(|| refusal(CALL, ErrorClass::Invalid, "BadRequest"))?;
        let foreign = now != *expected && now != next;
        self.log.line(self.now, || {
            format!(
                "  {} now: {}{}",
                rule.as_str(),
                next.actions,
                if foreign { ", over another's edit" } else { "" }
            )
        });
        if self.broken == Some(Broken::NothingShifts) {
            return Ok(());
        }
        self.cloud.set_route(rule.clone(), next, self.now);
        check::traffic::on_set(self, rule, &now);
        if self.broken == Some(Broken::SetsForeignRule) {
            check::traffic::on_set(self, &RouteId::new("theirs"), &now);
        }
        Ok(())
    }

    fn commit_traffic(&mut self, commit: &Rc<TrafficCommit>) -> Result<CommitResult, PortError> {
        let mut commit = crate::broken::doctored_traffic(self.broken, commit);
        let Some(items) = self.table.fleets.get_mut(&commit.fleet) else {
            return Ok(CommitResult::Conflict);
        };
        let before = items.traffic.version;
        if self.broken == Some(Broken::TrafficVersionIgnored) {
            Rc::make_mut(&mut commit).read_version = Some(before);
        }
        let own = items.traffic_was_written_by(&commit.writer, at(self.now));
        if own && self.broken == Some(Broken::OwnWriteForgotten) {
            return Ok(CommitResult::Conflict);
        }
        let moves = items.traffic.active != commit.state.active || items.traffic.out() != commit.state.out();
        let result = items.commit_traffic(&commit, at(self.now));
        if result == CommitResult::Committed && !own {
            self.counters.decisions += 1;
            self.counters.moves += u64::from(moves);
            self.log.line(self.now, || {
                let told: Vec<String> = commit.record.findings.iter().map(ToString::to_string).collect();
                let (epoch, version) = (commit.state.epoch.0, commit.state.version);
                format!("  {} traffic version {version}, epoch {epoch}: {}", commit.fleet, told.join("; "))
            });
            for finding in &commit.record.findings {
                self.log.story(self.now, || format!("{}: {finding}", commit.fleet));
            }
            check::traffic::on_committed(self, &commit, before);
        }
        Ok(result)
    }

    /// Has tick look at a fleet: the schedule's own tick comes too.
    fn wake_tick(&mut self, fleets: &[FleetId]) {
        for fleet in fleets {
            let signal = Signal::Evaluate {
                fleet: fleet.clone(),
                by: "failover".to_owned(),
            };
            self.tell(Function::Tick, signal);
        }
    }

    /// The sides of all fleets that fail over.
    fn sides(&self) -> Vec<(FleetId, PoolId)> {
        let fleets = self.fleets.iter().filter(|(_, fleet)| fleet.spec.failover.is_some());
        let sides = fleets.flat_map(|(id, fleet)| fleet.spec.pools.iter().map(move |pool| (id.clone(), pool.id.clone())));
        sides.collect()
    }

    /// Everything of one side dies at once, or answers nothing for a while.
    pub(crate) fn kill_a_side(&mut self) {
        let now = self.now;
        if !self.faults.strikes(Fault::SideDown) {
            return;
        }
        let sides = self.sides();
        let until = now + self.lasting(Fault::SideDown, 2, 30) * MINUTE;
        let Some(chance) = self.faults.chance(Fault::SideDown) else {
            return;
        };
        let (Some((fleet, pool)), ends) = (chance.pick(&sides).cloned(), chance.once_in(3)) else {
            return;
        };
        self.side_fails(&fleet, &pool, ends, until);
    }

    /// One side answers too slowly for a while.
    pub(crate) fn slow_a_side(&mut self) {
        if !self.faults.strikes(Fault::SlowSide) {
            return;
        }
        let sides = self.sides();
        let until = self.now + self.lasting(Fault::SlowSide, 5, 60) * MINUTE;
        if let Some((fleet, pool)) = self.faults.chance(Fault::SlowSide).and_then(|chance| chance.pick(&sides)).cloned() {
            self.side_slows(&fleet, &pool, until);
        }
    }

    /// A side answers too slowly until then.
    pub fn side_slows(&mut self, fleet: &FleetId, pool: &PoolId, until: Millis) {
        self.log.line(self.now, || format!("{fleet}/{pool} answers slowly"));
        self.slow.insert((fleet.clone(), pool.clone()), until);
    }

    /// A side's instances are terminated by somebody, or fail their checks until then.
    pub fn side_fails(&mut self, fleet: &FleetId, pool: &PoolId, ends: bool, until: Millis) {
        let now = self.now;
        self.log.line(now, || {
            format!("{fleet}/{pool} {} at once", if ends { "ends" } else { "falls sick" })
        });
        let ids: Vec<_> = self.alive(fleet, pool).map(|machine| machine.id.clone()).collect();
        for id in ids {
            if ends {
                self.cloud.ec2.end(&id, 5 * SECOND, now);
            } else {
                if let Some(machine) = self.cloud.ec2.machines.get_mut(&id) {
                    machine.sick_since.get_or_insert(now);
                }
                self.schedule(until, Event::Recover(id));
            }
        }
    }

    /// Somebody sets a rule's weights by hand.
    pub(crate) fn set_rules_by_hand(&mut self) {
        if !self.faults.strikes(Fault::ForeignRouting) {
            return;
        }
        let rules: Vec<RouteId> = self.cloud.rules.keys().cloned().collect();
        let Some(chance) = self.faults.chance(Fault::ForeignRouting) else {
            return;
        };
        let (Some(rule), swap) = (chance.pick(&rules).cloned(), chance.once_in(2)) else {
            return;
        };
        if leads(&rule) {
            return self.lead_by_hand(&rule);
        }
        let names = |failover: &Failover| failover.mode == FailoverMode::ActiveActive && failover.routes().contains(&rule);
        let is_shared = self.fleets.values().any(|fleet| fleet.spec.failover.as_ref().is_some_and(names));
        if let Some(there) = self.cloud.rules.get(&rule) {
            let mut weights = there.weights.clone();
            for weight in weights.values_mut() {
                *weight = match (is_shared, swap) {
                    // where sides share, a weight of 0 is the owner's own way to say that one takes nothing: it would hold ever after
                    (true, true) => (*weight / 2).max(5),
                    (false, true) => ALL - (*weight).min(ALL),
                    (_, false) => (*weight).max(10),
                };
            }
            let set = routing(weights);
            self.cloud.set_route(rule.clone(), set, self.now);
            self.log.line(self.now, || format!("somebody sets {}", rule.as_str()));
        }
    }

    /// An operator asks for a move, back, or for the rules as they were.
    pub(crate) fn ask_for_a_move(&mut self) {
        if !self.faults.strikes(Fault::OperatorMoves) {
            return;
        }
        let now = self.now;
        let mut asked = Vec::new();
        for (id, fleet) in self.fleets.iter().filter(|(_, fleet)| fleet.spec.failover.is_some()) {
            let Some(chance) = self.faults.chance(Fault::OperatorMoves) else {
                return;
            };
            let wish = match chance.count(0, 5) {
                0 => TrafficWish::Failback,
                1 => TrafficWish::Undo,
                5 => TrafficWish::Drill,
                _ => {
                    let Some(to) = chance.pick(&fleet.spec.pools).map(|pool| pool.id.clone()) else {
                        continue;
                    };
                    let until = chance.once_in(2).then(|| at(now + chance.between(10, 90) * MINUTE));
                    TrafficWish::Failover {
                        to,
                        until,
                        forced: chance.once_in(4),
                    }
                }
            };
            let request = TrafficRequest {
                by: "operator".to_owned(),
                at: at(now),
                reason: "a test".to_owned(),
                wish,
            };
            asked.push((id.clone(), request));
        }
        for (fleet, request) in asked {
            self.log.line(now, || format!("an operator asks of {fleet}: {:?}", request.wish));
            let job = Job {
                asked: Some((fleet, request)),
                ..Job::new(Function::Failover, Signal::Tick)
            };
            self.schedule(now + SECOND, Event::Invoke(Box::new(job)));
        }
    }

    /// The storm is over: a person puts the rules right that people had set, and the sides of traffic that a restored table forgot.
    pub(crate) fn put_rules_right(&mut self) {
        let led: Vec<(RouteId, FleetId)> = self
            .fleets
            .iter()
            .flat_map(|(id, fleet)| {
                fleet
                    .spec
                    .failover
                    .iter()
                    .flat_map(move |failover| failover.routes().iter().map(move |route| (route.clone(), id.clone())))
            })
            .filter(|(route, _)| leads(route))
            .collect();
        for (route, id) in led {
            let spec = self.fleets.get(&id).map(|fleet| fleet.spec.clone());
            let traffic = self.table.fleets.get(&id).map(|items| items.traffic.clone());
            if let (Some(spec), Some(traffic)) = (spec, traffic) {
                self.put_led_right(&route, &spec, &traffic);
            }
        }
        for (id, fleet) in &self.fleets {
            let (Some(failover), Some(items)) = (&fleet.spec.failover, self.table.fleets.get(id)) else {
                continue;
            };
            // what answers in place of all sides was set by the fleet, unless a restored table forgot it
            let degraded = items.traffic.degraded.as_ref();
            let is_ours = |rule: &RouteId, now: Option<&Routing>| match degraded.and_then(|degraded| degraded.wanted.get(rule)) {
                Some(RouteTo::Fixed(response)) => now.is_some_and(|now| now.answer.as_ref() == Some(response)),
                Some(RouteTo::Weights(weights)) => now.is_some_and(|now| now.weights == *weights),
                _ => false,
            };
            for rule in failover.routes().iter().filter(|rule| !leads(rule)) {
                if !is_ours(rule, self.cloud.rules.get(rule)) {
                    let right = routing(weights(&fleet.spec, |pool| items.traffic.takers(&fleet.spec).contains(&pool)));
                    self.cloud.set_route(rule.clone(), right, self.now);
                }
            }
            for rule in failover.degraded.iter().flat_map(|instead| &instead.shed) {
                if !is_ours(rule, self.cloud.rules.get(rule)) {
                    self.cloud.rules.insert(rule.clone(), routing([(others(id), ALL)].into()));
                }
            }
        }
    }

    /// Whether a machine of a side can answer.
    #[must_use]
    pub fn answers(&self, fleet: &FleetId, pool: &PoolSpec) -> u32 {
        let now = self.now;
        let ids = self
            .alive(fleet, &pool.id)
            .filter(|machine| machine.state(now) == InstanceState::Running);
        let healthy = ids.filter(|machine| {
            pool.target_groups.iter().all(|group| {
                let group = self.cloud.groups.get(group);
                let registration = group.and_then(|group| Some((group, group.targets.get(&machine.id)?)));
                registration.is_some_and(|(group, registration)| {
                    group.health(registration, Some(machine), now) == Some(ghostnet_core::observation::TargetHealth::Healthy)
                })
            })
        });
        u32::try_from(healthy.count()).unwrap_or(u32::MAX)
    }
}

impl Routes for Hand {
    async fn routing(&self, _: &Region, rules: &[RouteId]) -> Result<BTreeMap<RouteId, Routing>, PortError> {
        let rules = rules.to_vec();
        self.call("elasticloadbalancing:DescribeRules", move |world| {
            // what neither forwards nor answers is not ours to set
            let is_ours = |routing: &&Routing| !routing.weights.is_empty() || routing.answer.is_some();
            let read = |rule: &RouteId| match leads(rule) {
                true => world.read_led(rule),
                false => world.cloud.rules.get(rule).filter(is_ours).cloned(),
            };
            let there = |rule: &RouteId| Some((rule.clone(), read(rule)?));
            Ok(rules.iter().filter_map(there).collect())
        })
        .await
    }

    async fn set_routing(&self, _: &Region, rule: &RouteId, expected: &Routing, set: &RouteTo) -> Result<(), PortError> {
        check::traffic::on_sent(&mut self.world.borrow_mut(), rule, &self.request);
        let (rule, expected, set) = (rule.clone(), expected.clone(), set.clone());
        self.call("elasticloadbalancing:ModifyRule", move |world| {
            world.set_rule(&rule, &expected, &set)
        })
        .await
    }
}

impl TrafficStore for Hand {
    async fn commit_traffic(&self, commit: &TrafficCommit) -> Result<CommitResult, PortError> {
        let commit = Rc::new(commit.clone());
        self.call("dynamodb:TransactWriteItems", move |world| world.commit_traffic(&commit))
            .await
    }
}

impl Host for Hand {
    async fn wake_tick(&self, fleets: &[FleetId]) -> Result<(), PortError> {
        let fleets = fleets.to_vec();
        self.call("lambda:InvokeFunction", move |world| {
            world.wake_tick(&fleets);
            Ok(())
        })
        .await
    }
}
