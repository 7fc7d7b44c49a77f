//! One invocation's hand on the world: every port, with the time that calls take and the ways in which they go wrong.
//!
//! A call has three moments: it is sent, it lands (then, and only then, it has its effect), and it is answered. Between them
//! other invocations go on. An invocation that dies takes nothing back that it sent.

mod calls;
mod ports;

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use ghostnet_core::id::{InstanceId, Region};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::Clock;
use jiff::Timestamp;

use crate::broken::Broken;
use crate::check::{self, Sent};
use crate::clock::{Millis, SECOND, at};
use crate::cloud::refusal;
use crate::fault::Fault;
use crate::world::{Event, TaskId, World};
use calls::{Call, Effect, is_attempted_once};
pub use calls::{Calls, Strike};
pub(crate) use ports::is_in;

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

/// Calls that bring instances.
const LAUNCHING: [&str; 2] = ["ec2:CreateFleet", "ec2:RunInstances"];

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
        let typical = if LAUNCHING.contains(&call.name) { 900 } else { 25 };
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
        if let Some(changing) = &mut self.changing {
            changing.push(name);
        }
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
                let mut result = result.borrow_mut();
                let is_second = result.is_some() && LAUNCHING.contains(&name);
                // the answer to the first was lost
                *result = Some(if is_second {
                    outcome.map_err(PortError::of_launch_after_unknown)
                } else {
                    outcome
                });
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

    /// A call to a region. One that is lost answers nothing, and has no effect.
    pub(crate) async fn call_in<T: 'static>(
        &self,
        region: &Region,
        name: &'static str,
        effect: impl Fn(&mut World) -> Result<T, PortError> + 'static,
    ) -> Result<T, PortError> {
        let waits = {
            let mut world = self.world.borrow_mut();
            if world.is_dark(region) { world.waits_in_vain() } else { 0 }
        };
        if waits > 0 {
            self.pause(waits).await;
        }
        let region = region.clone();
        self.call(name, move |world| {
            if world.is_dark(&region) {
                world.unanswered.insert(name);
                return Err(refusal(name, ErrorClass::Transient, "ServiceUnavailable"));
            }
            effect(world)
        })
        .await
    }

    /// A call that carries out a step: watched from the moment it is sent.
    fn watched(&self, sent: &Sent<'_>) {
        check::on_send(&mut self.world.borrow_mut(), self, sent);
    }

    /// The same, and whether it is sent to where it belongs.
    fn watched_in(&self, region: &Region, sent: &Sent<'_>) {
        self.watched(sent);
        check::region::on_send(&mut self.world.borrow_mut(), region, sent);
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

    async fn wait(&self, time: Duration) {
        self.pause(Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)).await;
    }
}
