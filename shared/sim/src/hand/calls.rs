//! Calls on their way: sent, landed, answered, and who waits for them.

use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ghostnet_engine::error::PortError;

use crate::world::{TaskId, World};

/// What a call does to the world when it lands.
pub(super) type Effect = Rc<dyn Fn(&mut World)>;

/// A call on its way.
pub(super) struct Call {
    pub(super) task: TaskId,
    pub(super) name: &'static str,
    pub(super) effect: Effect,
    /// Set when the answer is there.
    pub(super) answered: bool,
    /// The answer that the caller gets instead of the effect's result.
    pub(super) instead: Option<PortError>,
    pub(super) waker: Option<Waker>,
    /// Landings and the answer that are still to come.
    pub(super) events_left: u32,
    /// The caller is gone, or has its answer.
    pub(super) released: bool,
    /// The caller dies when the call has landed.
    pub(super) kills: bool,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {:?}", self.name, self.task)
    }
}

impl Call {
    /// One that was just sent.
    pub(super) fn new(task: TaskId, name: &'static str, effect: Effect) -> Self {
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
    pub(super) calls: Vec<Option<Call>>,
    free: Vec<usize>,
}

/// A second register could land after a later deregister, and a second stop after a later start, so the adapters turn the SDK's retries off for these.
pub(super) fn is_attempted_once(call: &str) -> bool {
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
    pub(super) fn add(&mut self, call: Call) -> usize {
        if let Some(place) = self.free.pop() {
            self.calls[place] = Some(call);
            return place;
        }
        self.calls.push(Some(call));
        self.calls.len() - 1
    }

    pub(super) fn expects(&mut self, place: usize) {
        if let Some(Some(call)) = self.calls.get_mut(place) {
            call.events_left += 1;
        }
    }

    pub(super) fn landing(&self, place: usize) -> Option<(Effect, &'static str, TaskId, bool)> {
        let call = self.calls.get(place)?.as_ref()?;
        Some((Rc::clone(&call.effect), call.name, call.task, call.kills))
    }

    pub(super) fn answer(&mut self, place: usize) -> Option<TaskId> {
        let call = self.calls.get_mut(place)?.as_mut()?;
        call.answered = true;
        if let Some(waker) = call.waker.take() {
            waker.wake();
        }
        (!call.released).then_some(call.task)
    }

    pub(super) fn poll(&mut self, place: usize, context: &Context<'_>) -> Poll<()> {
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
    pub(super) fn take(&mut self, place: usize) -> Option<PortError> {
        let call = self.calls.get_mut(place)?.as_mut()?;
        call.released = true;
        let instead = call.instead.take();
        self.free_if_over(place);
        instead
    }

    pub(super) fn event_over(&mut self, place: usize) {
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
