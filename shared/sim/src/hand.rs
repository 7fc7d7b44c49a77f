//! One invocation's hand on the world: every port, with the time that calls take and the ways in which they go wrong.
//!
//! A call has three moments: it is sent, it lands (then, and only then, it has its effect), and it is answered. Between them
//! other invocations go on. An invocation that dies takes nothing back that it sent.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ghostnet_core::id::{AlarmName, FleetId, InstallationId, InstanceId, PlanId, Region, ServiceId, StepId, TargetGroupArn};
use ghostnet_core::observation::{ExhaustedOffering, InstanceState, Market, Offering, Registration, Target, TargetHealth, Told};
use ghostnet_core::plan::{Choice, Launch};
use ghostnet_core::record::DecisionRecord;
use ghostnet_core::sample::Series;
use ghostnet_core::signal::AlarmState;
use ghostnet_core::spec::Attribute;
use ghostnet_core::state::RecordedOutcome;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{
    Announced, Clock, Commit, CommitResult, Compute, Discovery, FleetAnswer, FleetEntry, ListedInstance, LoadBalancer, Loaded, Look,
    MetricQuery, Metrics, PublishedValue, Store,
};
use jiff::Timestamp;

use crate::broken::Broken;
use crate::check::{self, Sent};
use crate::clock::{HOUR, Millis, SECOND, at};
use crate::cloud::refusal;
use crate::fault::Fault;
use crate::world::{Event, TaskId, World};

/// Every port, for one invocation.
#[derive(Debug, Clone)]
pub struct Hand {
    /// The world.
    pub world: Rc<RefCell<World>>,
    /// The invocation's task.
    pub task: TaskId,
    /// The invocation's request id.
    pub request: Rc<str>,
    /// How far its sandbox's clock is off.
    pub skew: Millis,
    /// When it began.
    pub began: Millis,
}

/// What a call does to the world when it lands.
type Effect = Rc<dyn Fn(&mut World)>;

/// A call on its way.
pub struct Call {
    task: TaskId,
    name: &'static str,
    effect: Effect,
    /// Set when the answer is there.
    answered: bool,
    /// The answer that the caller gets instead of the effect's result.
    instead: Option<PortError>,
    waker: Option<Waker>,
    /// Landings and the answer that are still to come.
    events_left: u32,
    /// The caller is gone, or has its answer.
    released: bool,
    /// The caller dies when the call has landed.
    kills: bool,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {:?}", self.name, self.task)
    }
}

impl Call {
    /// One that was just sent.
    fn new(task: TaskId, name: &'static str, effect: Effect) -> Self {
        Self {
            task,
            name,
            effect,
            answered: false,
            instead: None,
            waker: None,
            events_left: 0,
            released: false,
            kills: false,
        }
    }
}

/// What is done to one call of a run, and to no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// It takes effect twice.
    Twice,
    /// Its invocation dies before it is sent.
    DieBefore,
    /// Its invocation dies after it took effect.
    DieAfter,
}

/// Calls on their way, by place.
#[derive(Debug, Default)]
pub struct Calls {
    calls: Vec<Option<Call>>,
    free: Vec<usize>,
}

/// Calls that commit, carry out a step, or tell its outcome.
pub const CHANGING: [&str; 14] = [
    "dynamodb:TransactWriteItems",
    "dynamodb:UpdateItem",
    "ec2:CreateFleet",
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
    "ec2:CreateTags",
    "elasticloadbalancing:RegisterTargets",
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:ModifyRule",
    "elasticloadbalancing:ModifyTargetGroupAttributes",
    "servicediscovery:RegisterInstance",
    "servicediscovery:DeregisterInstance",
];

/// Longest time from sending a call to its landing: the SDK gives up under twenty seconds, and what it sent by then lands
/// by then.
const LANDS_WITHIN: Millis = 20 * SECOND;

impl World {
    /// Sends a call: decides how it goes, and schedules its landing and its answer.
    fn send(&mut self, task: TaskId, name: &'static str, effect: Effect) -> usize {
        self.counters.calls += 1;
        let mut call = Call::new(task, name, effect);
        let timing = self.timing(&mut call);
        let place = self.calls.add(call);
        let (landings, answer) = timing;
        for landing in landings.into_iter().flatten() {
            self.schedule(landing, Event::Land(place));
            self.calls.expects(place);
        }
        if let Some(answer) = answer {
            self.schedule(answer, Event::Answer(place));
            self.calls.expects(place);
        }
        place
    }

    /// Nothing happens for a while, then whoever waits goes on.
    fn wait(&mut self, task: TaskId, time: Millis) -> usize {
        let place = self.calls.add(Call::new(task, "wait", Rc::new(|_| {})));
        self.schedule(self.now + time, Event::Answer(place));
        self.calls.expects(place);
        place
    }

    /// When a call lands (once, twice or never) and when it is answered (or never).
    fn timing(&mut self, call: &mut Call) -> ([Option<Millis>; 2], Option<Millis>) {
        let now = self.now;
        let typical = if matches!(call.name, "ec2:RunInstances" | "ec2:CreateFleet") {
            900
        } else {
            25
        };
        let (there, back) = (now + self.chance.between(1, typical), self.chance.between(1, 15));
        match self.struck_call(call.name) {
            Some(Strike::DieBefore) => {
                self.doomed.push(call.task);
                return ([None, None], None);
            }
            Some(Strike::DieAfter) => {
                call.kills = true;
                return ([Some(there), None], None);
            }
            Some(Strike::Twice) => return ([Some(there), Some(there + 5 * SECOND)], Some(there + 5 * SECOND + back)),
            None => {}
        }
        let unknown = || refusal(call.name, ErrorClass::Transient, "TimedOut");
        if self.faults.strikes(Fault::KillBefore) {
            self.log.line(now, || format!("{:?} dies before {}", call.task, call.name));
            self.doomed.push(call.task);
            return ([None, None], None);
        }
        if self.faults.strikes(Fault::KillAfter) {
            call.kills = true;
            return ([Some(there), None], None);
        }
        let gives_up = now + self.chance_of(Fault::LostRequest, 6 * SECOND, 19 * SECOND);
        if self.faults.strikes(Fault::LostRequest) {
            call.instead = Some(unknown());
            return ([None, None], Some(gives_up));
        }
        let retried = self.faults.strikes(Fault::SdkRetry);
        // what is not sent again ends with the first lost answer
        if self.faults.strikes(Fault::LostReply) || retried && is_attempted_once(call.name) {
            call.instead = Some(unknown());
            let gives_up = now + self.chance_of(Fault::LostReply, 6 * SECOND, 19 * SECOND);
            return ([Some(there), None], Some(gives_up));
        }
        if self.faults.strikes(Fault::LateLanding) {
            call.instead = Some(unknown());
            let gives_up = now + self.chance_of(Fault::LateLanding, 5 * SECOND, 15 * SECOND);
            let lands = gives_up + self.chance_of(Fault::LateLanding, 1, LANDS_WITHIN - (gives_up - now));
            return ([Some(lands), None], Some(gives_up));
        }
        if self.faults.strikes(Fault::ServerError) {
            call.instead = Some(refusal(call.name, ErrorClass::Transient, "InternalError"));
            return ([None, None], Some(there + back));
        }
        if retried {
            let again = now + self.chance_of(Fault::SdkRetry, 3 * SECOND, 12 * SECOND);
            return ([Some(there), Some(again)], Some(again + back));
        }
        if self.faults.strikes(Fault::SlowCall) {
            let lands = now + self.chance_of(Fault::SlowCall, 2 * SECOND, 18 * SECOND);
            return ([Some(lands), None], Some(lands + back));
        }
        ([Some(there), None], Some(there + back))
    }

    /// Counts the calls that change something, and says what is done to this one.
    fn struck_call(&mut self, name: &'static str) -> Option<Strike> {
        if !CHANGING.contains(&name) {
            return None;
        }
        self.counters.changes += 1;
        self.changing.push(name);
        let (number, strike) = self.strike?;
        (number == self.counters.changes).then_some(strike)
    }

    fn chance_of(&mut self, fault: Fault, low: Millis, high: Millis) -> Millis {
        self.faults.chance(fault).map_or(low, |chance| chance.between(low, high))
    }

    /// A call lands.
    pub(crate) fn land(&mut self, place: usize) {
        let Some((effect, name, task, kills)) = self.calls.landing(place) else {
            return;
        };
        self.log.line(self.now, || format!("{task:?} {name}"));
        effect(self);
        if kills {
            self.log.line(self.now, || format!("{task:?} dies after {name}"));
            self.doomed.push(task);
        }
        self.calls.event_over(place);
    }

    /// A call is answered. The task that waits for it, if it still lives.
    pub(crate) fn answer(&mut self, place: usize) -> Option<TaskId> {
        let task = self.calls.answer(place);
        self.calls.event_over(place);
        task
    }

    fn poll_call(&mut self, place: usize, context: &Context<'_>) -> Poll<()> {
        self.calls.poll(place, context)
    }
}

/// A second register could land after a later deregister, and a second stop after a later start, so the adapters turn the SDK's retries off for these.
fn is_attempted_once(call: &str) -> bool {
    matches!(
        call,
        "ec2:StartInstances"
            | "ec2:StopInstances"
            | "ec2:CreateTags"
            | "elasticloadbalancing:RegisterTargets"
            | "elasticloadbalancing:DeregisterTargets"
            | "elasticloadbalancing:ModifyRule"
            | "elasticloadbalancing:ModifyTargetGroupAttributes"
            | "servicediscovery:RegisterInstance"
            | "servicediscovery:DeregisterInstance"
    )
}

impl Calls {
    fn add(&mut self, call: Call) -> usize {
        if let Some(place) = self.free.pop() {
            self.calls[place] = Some(call);
            return place;
        }
        self.calls.push(Some(call));
        self.calls.len() - 1
    }

    fn expects(&mut self, place: usize) {
        if let Some(Some(call)) = self.calls.get_mut(place) {
            call.events_left += 1;
        }
    }

    fn landing(&self, place: usize) -> Option<(Effect, &'static str, TaskId, bool)> {
        let call = self.calls.get(place)?.as_ref()?;
        Some((Rc::clone(&call.effect), call.name, call.task, call.kills))
    }

    fn answer(&mut self, place: usize) -> Option<TaskId> {
        let call = self.calls.get_mut(place)?.as_mut()?;
        call.answered = true;
        if let Some(waker) = call.waker.take() {
            waker.wake();
        }
        (!call.released).then_some(call.task)
    }

    fn poll(&mut self, place: usize, context: &Context<'_>) -> Poll<()> {
        let Some(Some(call)) = self.calls.get_mut(place) else {
            return Poll::Pending;
        };
        if call.answered {
            return Poll::Ready(());
        }
        call.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// The caller took its answer: what it got instead of a result, if anything.
    fn take(&mut self, place: usize) -> Option<PortError> {
        let call = self.calls.get_mut(place)?.as_mut()?;
        call.released = true;
        let instead = call.instead.take();
        self.free_if_over(place);
        instead
    }

    fn event_over(&mut self, place: usize) {
        if let Some(Some(call)) = self.calls.get_mut(place) {
            call.events_left = call.events_left.saturating_sub(1);
        }
        self.free_if_over(place);
    }

    fn free_if_over(&mut self, place: usize) {
        let over = matches!(self.calls.get(place), Some(Some(call)) if call.released && call.events_left == 0);
        if over {
            self.calls[place] = None;
            self.free.push(place);
        }
    }

    /// The task is gone: nobody waits for its calls any more.
    pub(crate) fn release(&mut self, task: TaskId) {
        for place in 0..self.calls.len() {
            if let Some(Some(call)) = self.calls.get_mut(place)
                && call.task == task
            {
                call.released = true;
                call.waker = None;
                self.free_if_over(place);
            }
        }
    }
}

impl Hand {
    /// Time passes.
    pub(crate) async fn pause(&self, time: Millis) {
        let place = self.world.borrow_mut().wait(self.task, time);
        poll_fn(|context| self.world.borrow_mut().poll_call(place, context)).await;
        self.world.borrow_mut().calls.take(place);
    }

    pub(crate) async fn call<T: 'static>(
        &self,
        name: &'static str,
        effect: impl Fn(&mut World) -> Result<T, PortError> + 'static,
    ) -> Result<T, PortError> {
        let result: Rc<RefCell<Option<Result<T, PortError>>>> = Rc::default();
        let place = {
            let result = Rc::clone(&result);
            let effect = Rc::new(move |world: &mut World| {
                let outcome = world.cloud.capacity.take(name, world.now).and_then(|()| effect(world));
                *result.borrow_mut() = Some(outcome);
            });
            self.world.borrow_mut().send(self.task, name, effect)
        };
        poll_fn(|context| self.world.borrow_mut().poll_call(place, context)).await;
        let instead = self.world.borrow_mut().calls.take(place);
        match instead {
            Some(error) => Err(error),
            None => result
                .take()
                .unwrap_or_else(|| Err(refusal(name, ErrorClass::Transient, "NoAnswer"))),
        }
    }

    /// A call that carries out a step: watched from the moment it is sent.
    fn watched(&self, sent: &Sent<'_>) {
        check::on_send(&mut self.world.borrow_mut(), self, sent);
    }

    /// Whether this is failover's.
    fn fails_over(&self) -> bool {
        self.request.starts_with("failover")
    }

    fn broken(&self, how: Broken) -> bool {
        self.world.borrow().broken == Some(how)
    }
}

/// A side that never was well is not armed.
const INVENTED_FROM: u32 = 20;

/// Of all that were ever launched in the account.
fn is_the_third(id: &InstanceId) -> bool {
    id.as_str().ends_with("00000000000000003")
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        let stands = self.broken(Broken::ClockStands) || self.fails_over() && self.broken(Broken::FailoverClockStands);
        let now = if stands { self.began } else { self.world.borrow().now };
        at(now + self.skew)
    }
}

impl Compute for Hand {
    async fn instances(&self, _: &Region, installation: &InstallationId) -> Result<Vec<ListedInstance>, PortError> {
        let (installation, fails_over) = (installation.clone(), self.fails_over());
        self.call("ec2:DescribeInstances", move |world| {
            let mut listed = world.cloud.ec2.list(&installation, world.now);
            match world.broken {
                Some(Broken::IllnessInvented) if fails_over && world.minute > INVENTED_FROM => {
                    let first = |listed: &&mut ListedInstance| listed.instance.pool.as_ref().is_some_and(|pool| pool.as_str() == "blue");
                    let first = listed.iter_mut().filter(first);
                    first.for_each(|listed| listed.instance.state = InstanceState::Terminated);
                }
                Some(Broken::ProtectionHidden) => listed.iter_mut().for_each(|listed| listed.tag_keys.clear()),
                Some(Broken::SpotHidden) => listed.iter_mut().for_each(|listed| listed.instance.market = Market::OnDemand),
                Some(Broken::ListHides) => listed.retain(|listed| !is_the_third(&listed.instance.id)),
                Some(Broken::AddressInvented) => {
                    let one = listed.iter_mut().filter(|listed| is_the_third(&listed.instance.id));
                    one.for_each(|listed| listed.instance.address = Some(Ipv4Addr::LOCALHOST));
                }
                Some(Broken::FinishedInvented) => {
                    let words = listed.iter_mut().map(|listed| &mut listed.instance.word);
                    words.for_each(|word| word.drained = word.told == Some(Told::Draining));
                }
                Some(Broken::HeartbeatsLost) => {
                    let one = listed.iter_mut().filter(|listed| is_the_third(&listed.instance.id));
                    let words = one.map(|listed| &mut listed.instance.word);
                    words.for_each(|word| word.beat = word.beat.map(|beat| beat - jiff::SignedDuration::from_mins(12)));
                }
                Some(Broken::ReadyInvented) => listed.iter_mut().for_each(|listed| listed.instance.word.ready = true),
                Some(Broken::ForeignListed) => listed.extend(world.cloud.ec2.list(&InstallationId::new("theirs"), world.now)),
                _ => {}
            }
            Ok(listed)
        })
        .await
    }

    async fn impaired(&self, _: &Region) -> Result<BTreeMap<InstanceId, Timestamp>, PortError> {
        self.call("ec2:DescribeInstanceStatus", |world| {
            let mut impaired = world.cloud.ec2.impaired(world.now);
            if world.broken == Some(Broken::ImpairedInvented) {
                // it has served before
                let (now, since) = (world.now, world.now - HOUR / 6);
                let one = world
                    .cloud
                    .ec2
                    .machines
                    .values()
                    .filter(|machine| is_the_third(&machine.id) && machine.running_at < since);
                impaired.extend(
                    one.filter(|machine| machine.is_alive(now))
                        .map(|machine| (machine.id.clone(), at(since))),
                );
            }
            Ok(impaired)
        })
        .await
    }

    async fn launch(&self, _: &Region, launch: &Launch, tags: &[(&'static str, String)]) -> Result<Vec<InstanceId>, PortError> {
        self.watched(&Sent::Launch(launch));
        let (mut launch, tags, request) = (launch.clone(), tags.to_vec(), Rc::clone(&self.request));
        if self.broken(Broken::TokensDropped) {
            let nth = self.world.borrow().counters.calls;
            launch.token = ghostnet_core::id::ClientToken::over(&[launch.token.as_str(), &nth.to_string()]);
        }
        self.call("ec2:RunInstances", move |world| world.launch(&launch, &tags, &request))
            .await
    }

    async fn create_fleet(
        &self,
        _: &Region,
        launch: &Launch,
        choice: &Choice,
        tags: &[(&'static str, String)],
    ) -> Result<FleetAnswer, PortError> {
        self.watched(&Sent::Launch(launch));
        let (launch, choice, tags, request) = (launch.clone(), choice.clone(), tags.to_vec(), Rc::clone(&self.request));
        self.call("ec2:CreateFleet", move |world| {
            world.create_fleet(&launch, &choice, &tags, &request)
        })
        .await
    }

    async fn start(&self, _: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.watched(&Sent::Start(instances));
        let ids = instances.to_vec();
        self.call("ec2:StartInstances", move |world| world.start(&ids)).await
    }

    async fn stop(&self, _: &Region, instances: &[InstanceId], _: bool) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.watched(&Sent::Stop(instances));
        let (ids, request) = (instances.to_vec(), Rc::clone(&self.request));
        self.call("ec2:StopInstances", move |world| Ok(world.stop(&ids, &request))).await
    }

    async fn tell(&self, _: &Region, instances: &[InstanceId], told: Told) -> Result<(), PortError> {
        self.watched(&Sent::Tag(instances, told));
        let ids = instances.to_vec();
        self.call("ec2:CreateTags", move |world| world.tag_state(&ids, told)).await
    }

    async fn terminate(&self, _: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.watched(&Sent::Terminate(instances));
        let (ids, request) = (instances.to_vec(), Rc::clone(&self.request));
        let ended = self.call("ec2:TerminateInstances", move |world| world.terminate(&ids, &request));
        ended.await.map(|()| BTreeMap::new())
    }
}

impl LoadBalancer for Hand {
    async fn targets(&self, _: &Region, group: &TargetGroupArn) -> Result<Vec<Target>, PortError> {
        let (group, fails_over) = (group.clone(), self.fails_over());
        self.call("elasticloadbalancing:DescribeTargetHealth", move |world| {
            let Some(found) = world.cloud.groups.get(&group) else {
                return Err(refusal(
                    "elasticloadbalancing:DescribeTargetHealth",
                    ErrorClass::NotFound,
                    "TargetGroupNotFound",
                ));
            };
            let targets = world.cloud.health(found, world.now).into_iter();
            let at_once = world.broken == Some(Broken::HealthyAtOnce);
            let hides = world.broken == Some(Broken::NothingDeregisters);
            let invented = match world.broken.filter(|_| fails_over && world.minute > INVENTED_FROM) {
                Some(Broken::IllnessInvented) if group.as_str().contains("-blue/") => Some(TargetHealth::Unhealthy),
                Some(Broken::HealthInvented) if group.as_str().contains("-green/") => Some(TargetHealth::Healthy),
                _ => None,
            };
            let target = |(instance, health)| Target {
                shifted: world.cloud.is_shifted(&instance, world.now),
                instance,
                health: match invented.unwrap_or(health) {
                    TargetHealth::Initial if at_once => TargetHealth::Healthy,
                    health => health,
                },
            };
            // what was asked to leave is not shown any more, and stays all the same
            let shown = targets.filter(|(id, _)| !(hides && world.is_leaving(id)));
            Ok(shown.map(target).collect())
        })
        .await
    }

    async fn register(&self, _: &Region, group: &TargetGroupArn, instances: &[InstanceId]) -> Result<(), PortError> {
        self.watched(&Sent::Register(group, instances));
        let (group, ids) = (group.clone(), instances.to_vec());
        self.call("elasticloadbalancing:RegisterTargets", move |world| world.register(&group, &ids))
            .await
    }

    async fn deregister(&self, _: &Region, group: &TargetGroupArn, instances: &[InstanceId]) -> Result<(), PortError> {
        self.watched(&Sent::Deregister(group, instances));
        let (group, ids) = (group.clone(), instances.to_vec());
        self.call("elasticloadbalancing:DeregisterTargets", move |world| {
            world.deregister(&group, &ids)
        })
        .await
    }

    async fn group_attributes(&self, _: &Region, group: &TargetGroupArn) -> Result<BTreeMap<Attribute, String>, PortError> {
        const CALL: &str = "elasticloadbalancing:DescribeTargetGroupAttributes";
        let group = group.clone();
        self.call(CALL, move |world| match world.cloud.groups.get(&group) {
            Some(group) => Ok(group.attributes.clone()),
            None => Err(refusal(CALL, ErrorClass::NotFound, "TargetGroupNotFound")),
        })
        .await
    }

    async fn set_group_attributes(
        &self,
        _: &Region,
        group: &TargetGroupArn,
        attributes: &BTreeMap<Attribute, String>,
    ) -> Result<(), PortError> {
        self.watched(&Sent::Tune(group, attributes));
        let (group, set) = (group.clone(), attributes.clone());
        self.call("elasticloadbalancing:ModifyTargetGroupAttributes", move |world| {
            world.tune(&group, &set)
        })
        .await
    }
}

impl Discovery for Hand {
    async fn registrations(&self, _: &Region, service: &ServiceId, installation: &InstallationId) -> Result<Vec<Registration>, PortError> {
        let (service, installation) = (service.clone(), installation.clone());
        self.call("servicediscovery:ListInstances", move |world| {
            world.registrations(&service, &installation)
        })
        .await
    }

    async fn announce(&self, _: &Region, service: &ServiceId, announced: &Announced<'_>) -> Result<(), PortError> {
        self.watched(&Sent::Announce(service, announced));
        let (service, installation, by) = (service.clone(), announced.installation.clone(), announced.by.clone());
        let (instance, address, port) = (announced.instance.clone(), announced.address, announced.port);
        self.call("servicediscovery:RegisterInstance", move |world| {
            let announced = Announced {
                installation: &installation,
                by: &by,
                instance: &instance,
                address,
                port,
            };
            world.announce(&service, &announced)
        })
        .await
    }

    async fn withdraw(&self, _: &Region, service: &ServiceId, instance: &InstanceId) -> Result<(), PortError> {
        self.watched(&Sent::Withdraw(service, instance));
        let (service, instance) = (service.clone(), instance.clone());
        self.call("servicediscovery:DeregisterInstance", move |world| {
            world.withdraw(&service, &instance)
        })
        .await
    }
}

impl Metrics for Hand {
    async fn series(&self, _: &Region, queries: &[MetricQuery], _: Timestamp) -> Result<Vec<Series>, PortError> {
        let queries = queries.to_vec();
        self.call("cloudwatch:GetMetricData", move |world| {
            Ok(queries.iter().map(|query| world.answer_query(query)).collect())
        })
        .await
    }

    async fn alarm_states(&self, _: &Region, alarms: &[AlarmName]) -> Result<BTreeMap<AlarmName, AlarmState>, PortError> {
        let alarms = alarms.to_vec();
        self.call("cloudwatch:DescribeAlarms", move |world| {
            let state = |name: &AlarmName| Some((name.clone(), world.cloud.history.alarms.get(name)?.state));
            Ok(alarms.iter().filter_map(state).collect())
        })
        .await
    }

    async fn publish(&self, _: &Region, _: &[PublishedValue]) -> Result<(), PortError> {
        self.call("cloudwatch:PutMetricData", |_| Ok(())).await
    }
}

impl Store for Hand {
    async fn claim(&self, installation: &InstallationId, _: Timestamp) -> Result<InstallationId, PortError> {
        let installation = installation.clone();
        self.call("dynamodb:PutItem", move |world| {
            Ok(world.table.owner.get_or_insert_with(|| installation.clone()).clone())
        })
        .await
    }

    async fn fleets(&self) -> Result<Vec<FleetEntry>, PortError> {
        self.call("dynamodb:Query", |world| {
            let entry = |(fleet, items): (&FleetId, &crate::table::Items)| FleetEntry {
                fleet: fleet.clone(),
                alarms: items.spec.spec.alarms.iter().flatten().map(|raw| raw.alarm.clone()).collect(),
                fails_over: items.spec.spec.failover.is_some(),
                evaluated_at: items.evaluated_at,
            };
            Ok(world.table.fleets.iter().map(entry).collect())
        })
        .await
    }

    async fn load(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Result<Loaded, PortError>>, PortError> {
        let fleets = fleets.to_vec();
        self.call("dynamodb:BatchGetItem", move |world| {
            let loaded = |fleet: &FleetId| Some((fleet.clone(), Ok(world.read_items(fleet)?)));
            Ok(fleets.iter().filter_map(loaded).collect())
        })
        .await
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitResult, PortError> {
        let (commit, request) = (Rc::new(commit.clone()), Rc::clone(&self.request));
        self.call("dynamodb:TransactWriteItems", move |world| world.commit(&commit, &request))
            .await
    }

    async fn record_outcomes(&self, fleet: &FleetId, _: &PlanId, outcomes: &BTreeMap<StepId, RecordedOutcome>) -> Result<(), PortError> {
        let (fleet, outcomes) = (fleet.clone(), outcomes.clone());
        self.call("dynamodb:UpdateItem", move |world| {
            if let Some(items) = world.table.fleets.get_mut(&fleet) {
                items.record_outcomes(&outcomes);
            }
            Ok(())
        })
        .await
    }

    async fn note_looks(&self, looks: &[Look]) -> Result<(), PortError> {
        let looks = looks.to_vec();
        self.call("dynamodb:TransactWriteItems", move |world| {
            for look in &looks {
                if let Some(items) = world.table.fleets.get_mut(&look.fleet) {
                    items.evaluated_at = Some(look.at);
                    items.holds += u64::from(look.hold.is_some());
                }
            }
            Ok(())
        })
        .await
    }

    async fn record(&self, record: &DecisionRecord) -> Result<(), PortError> {
        let record = Rc::new(record.clone());
        self.call("dynamodb:PutItem", move |world| {
            if let Some(items) = world.table.fleets.get_mut(&record.fleet) {
                items.records.insert(record.id.clone(), record.at);
            }
            Ok(())
        })
        .await
    }

    async fn recorded_plans(&self, fleet: &FleetId, plans: &BTreeSet<PlanId>) -> Result<BTreeSet<PlanId>, PortError> {
        let (fleet, plans) = (fleet.clone(), plans.clone());
        self.call("dynamodb:BatchGetItem", move |world| {
            let items = world.table.fleets.get(&fleet);
            let recorded = |plan: &&PlanId| items.is_some_and(|items| items.records.contains_key(*plan));
            Ok(plans.iter().filter(recorded).cloned().collect())
        })
        .await
    }

    async fn exhausted(&self, region: &Region, now: Timestamp) -> Result<Vec<ExhaustedOffering>, PortError> {
        let region = region.clone();
        self.call("dynamodb:Query", move |world| Ok(world.table.exhausted(&region, now)))
            .await
    }

    async fn note_exhausted(&self, region: &Region, offering: &Offering, now: Timestamp) -> Result<(), PortError> {
        let (region, offering) = (region.clone(), offering.clone());
        self.call("dynamodb:UpdateItem", move |world| {
            world.table.note_exhausted(&region, &offering, now);
            Ok(())
        })
        .await
    }

    async fn note_alarm(&self, alarm: &str, changed_at: Timestamp) -> Result<bool, PortError> {
        let alarm = alarm.to_owned();
        self.call("dynamodb:UpdateItem", move |world| Ok(world.table.note_alarm(&alarm, changed_at)))
            .await
    }
}
