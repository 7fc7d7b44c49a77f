//! The rules that keep the protocol safe, each with the place in the code that holds it, and how it is taken out.
//!
//! Taking a rule out changes what goes into a decision or what comes out of it, or adds a move; never the judge. The
//! violation must come out of the interleaving.

use std::collections::BTreeMap;

use ghostnet_core::decide::Decision;
use ghostnet_core::id::StepId;
use ghostnet_core::observation::{Instance, Observation};
use ghostnet_core::plan::{Action, LAUNCH_GIVEN_UP_AFTER, OpenStep, RESEND_AGE_MAX, STEP_SECONDS_MAX, TAKE_OVER_MARGIN};
use ghostnet_core::state::CapacityState;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use super::words::seconds;
use crate::model::ticks::WINDOW;

/// A rule of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A launched instance counts, listed or not: `PoolState::take_outcome`, `roll::strike_vanished`.
    UnlistedCounts,
    /// A launch is given up by the end of its last window: `open_steps::take_over` renews it, `settle` asks it.
    GivenUpByItsLastWindow,
    /// Register and deregister are attempted once: `once` in `aws::elbv2`.
    AttemptedOnce,
    /// The margin outlasts a step and the skew of clocks: `OpenStep::take_over_at`, the assertion in `core::plan`.
    MarginOutlastsAStep,
    /// Terminated is who was drained in the state as loaded: `leaving::ready_to_terminate`, `audit` I4.
    DrainedAsLoaded,
    /// A launch is sent again only if the size is not reached without it: `open_steps::take_over`.
    SentAgainIfWanted,
    /// A conflict loads and observes again: `reconcile::act_on`.
    ObservedAgain,
    /// That a step was not sent, or was refused, closes it only if it was sent once: `OpenStep::is_settled_by`.
    RefusedOnce,
    /// A step is taken over by a look that began after its margin, not by a decision made after it: `open_steps::is_due`.
    LookedAfterTheMargin,
    /// A launch is given up by a look that began after the wait, not by a decision made after it: `open_steps::settle`.
    GivenUpByALaterLook,
    /// Nobody leaves on account of a launch whose instance was not seen: `hands::change_capacity`.
    SeenBeforeItCounts,
    /// A step whose window is long over is settled by whoever looks: `open_steps::settle`, `open_steps::take_over`.
    SettledByOthers,
}

/// Which rules are kept, and who judges besides the properties of single moves.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    removed: Vec<Rule>,
    /// Whether `audit` judges every decision.
    audited: bool,
    /// Whether every state must come right once the faults are over.
    calmed: bool,
}

/// When the windows of open steps truly end.
pub(super) type Windows = BTreeMap<StepId, Timestamp>;

impl Rules {
    /// Those of the code: nothing is changed about its decisions.
    pub(crate) fn all() -> Self {
        Self {
            removed: Vec::new(),
            audited: true,
            calmed: true,
        }
    }

    /// All but one. The properties of single moves judge alone: they tell what breaks, not what else would have stopped it.
    pub(crate) fn without(rule: Rule) -> Self {
        Self {
            removed: vec![rule],
            audited: false,
            calmed: false,
        }
    }

    /// The same, and `audit` judges too.
    pub(crate) fn and_audited(self) -> Self {
        Self { audited: true, ..self }
    }

    /// The same, and all must come right in the end.
    pub(crate) fn and_calmed(self) -> Self {
        Self { calmed: true, ..self }
    }

    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        !self.removed.contains(&rule)
    }

    pub(crate) fn are_audited(&self) -> bool {
        self.audited
    }

    pub(crate) fn are_calmed(&self) -> bool {
        self.calmed
    }

    /// What the rules make of the state that a decision starts from. The windows as they were.
    pub(super) fn change_state(&self, state: &mut CapacityState, observation: &Observation, now: Timestamp) -> Windows {
        let listed = observation.instances.as_deref().unwrap_or_default();
        if !self.keeps(Rule::UnlistedCounts) {
            for pool in state.pools.values_mut() {
                pool.members.retain(|id, _| listed.iter().any(|instance| instance.id == *id));
            }
        }
        if !self.keeps(Rule::GivenUpByItsLastWindow) {
            let given_up = |open: &OpenStep| is_given_up_by_its_first(open, listed, observation.observed_at);
            state.open.retain(|open| !given_up(open));
        }
        let windows = state.open.iter().map(|open| (open.step.id.clone(), open.execute_until)).collect();
        for open in &mut state.open {
            open.execute_until = self.window(open, observation, now);
        }
        windows
    }

    /// The end of a window as the rules make it: the limits that count from it move with it.
    fn window(&self, open: &OpenStep, observation: &Observation, now: Timestamp) -> Timestamp {
        let age_of_look = Seconds::between(observation.observed_at, now);
        // so long over that only giving it up still depends on when it ended
        let is_long_over = observation.observed_at >= age_of_look.after(open.take_over_at());
        let mut until = open.execute_until;
        if !self.keeps(Rule::MarginOutlastsAStep) {
            until = Seconds(TAKE_OVER_MARGIN.0 - STEP_SECONDS_MAX.0).before(until);
        }
        if !self.keeps(Rule::LookedAfterTheMargin) {
            until = age_of_look.before(until);
        }
        if !self.keeps(Rule::GivenUpByALaterLook) && is_launch(open) && is_long_over {
            until = age_of_look.before(until);
        }
        if !self.keeps(Rule::SettledByOthers) {
            until = until.max(now);
        }
        until
    }

    /// What they make of a decision, and the windows as they were of what it does not send.
    pub(super) fn change_decision(&self, decision: &mut Decision, windows: &Windows, observation: &Observation, now: Timestamp) {
        let listed = observation.instances.as_deref().unwrap_or_default();
        let until = decision.plan.execute_until;
        let steps = &mut decision.plan.steps;
        let mut sent_too = Vec::new();
        for open in &mut decision.state.open {
            let Some(window) = windows.get(&open.step.id).filter(|_| !steps.contains(&open.step)) else {
                continue;
            };
            if !self.keeps(Rule::SentAgainIfWanted) && may_be_sent_again(open, listed, now, observation.observed_at) {
                (open.execute_until, open.taken_over) = (until, true);
                sent_too.push(open.step.clone());
            } else {
                open.execute_until = *window;
            }
        }
        steps.extend(sent_too);
    }
}

/// As `open_steps::settle` gives a launch up, but by the end of its first window.
fn is_given_up_by_its_first(open: &OpenStep, listed: &[Instance], seen_at: Timestamp) -> bool {
    let first_until = seconds(WINDOW).after(open.committed_at);
    is_launch(open) && !is_seen(open, listed) && seen_at >= LAUNCH_GIVEN_UP_AFTER.after(first_until)
}

/// As `open_steps::take_over` asks it, but not whether it is wanted.
fn may_be_sent_again(open: &OpenStep, listed: &[Instance], now: Timestamp, seen_at: Timestamp) -> bool {
    let young = Seconds::between(open.committed_at, now) < RESEND_AGE_MAX;
    is_launch(open) && young && now.min(seen_at) >= open.take_over_at() && !is_seen(open, listed)
}

fn is_launch(open: &OpenStep) -> bool {
    matches!(open.step.action, Action::Launch(_))
}

fn is_seen(open: &OpenStep, listed: &[Instance]) -> bool {
    let of_it = |instance: &Instance| instance.plan.as_ref() == Some(&open.step.id.plan) && instance.step == Some(open.step.id.number);
    listed.iter().any(of_it)
}
