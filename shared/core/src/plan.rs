//! The complete choice: steps with ids, tokens and order. Nothing is left to the executor.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ClientToken, Generation, InstanceId, InstanceType, PlanId, PoolId, ServiceId, StepId, StepNumber, TargetGroupArn};
use crate::observation::{Market, Offering, Place, Told};
use crate::spec::{Allocation, Attribute, Template};
use crate::unit::Seconds;

/// Longest a step may take, retries included; the SDK's time-outs are set under it.
pub const STEP_SECONDS_MAX: Seconds = Seconds(20);
/// Longest execution window of a commit.
pub const WINDOW_MAX: Seconds = Seconds(60);
/// After a window has ended, this long nobody takes its steps over.
pub const TAKE_OVER_MARGIN: Seconds = Seconds(30);
/// Clocks of two Lambda sandboxes differ by less than this.
pub const CLOCK_SKEW_MAX: Seconds = Seconds(10);
/// A launch without outcome is sent again with its token only while younger than this.
pub const RESEND_AGE_MAX: Seconds = Seconds::minutes(10);
/// A launch that was never found is counted until its last window ended this long ago: the margin for take-over, the
/// longest step, and five minutes in which an instance may still appear in a listing.
pub const LAUNCH_GIVEN_UP_AFTER: Seconds = Seconds(30 + 20 + 300);
/// An instance that is not listed counts until it is this old: not listed is not gone.
pub const UNLISTED_COUNTS_FOR: Seconds = Seconds::minutes(10);
/// Most launches in one plan, those that are sent again included: EC2's bucket for launch requests holds so many per account
/// and region, and refills two a second.
pub const LAUNCH_CALLS_MAX: u32 = 5;
/// Most steps in one plan.
pub const STEPS_MAX: usize = 64;
/// Most instances in one step (RegisterTargets and TerminateInstances take more; a record stays readable).
pub const INSTANCES_PER_STEP_MAX: usize = 100;
/// Most instances in one step about Cloud Map, which takes one per call.
pub const REGISTRATIONS_PER_STEP_MAX: usize = 10;
/// Most instances of a pool that one look registers in Cloud Map, and most that it takes out: more would only be throttled.
pub const REGISTRATIONS_PER_LOOK_MAX: usize = 50;

// a step that began at the end of its window is over before another executor, whose clock may run ahead, takes it over
const _: () = assert!(TAKE_OVER_MARGIN.0 >= STEP_SECONDS_MAX.0 + CLOCK_SKEW_MAX.0);
const _: () = assert!(LAUNCH_GIVEN_UP_AFTER.0 >= TAKE_OVER_MARGIN.0 + STEP_SECONDS_MAX.0 + 300);

/// Every choice of one decision, as steps in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The plan's id, also the key of the decision's record.
    pub id: PlanId,
    /// What this decision sends: new steps, and steps of earlier plans that are taken over.
    pub steps: Vec<Step>,
    /// No step starts after this moment.
    pub execute_until: Timestamp,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its id; that of its first plan if it was taken over.
    pub id: StepId,
    /// The pool it belongs to.
    pub pool: PoolId,
    /// What to do.
    pub action: Action,
}

/// What a step does. Every action is idempotent, or carries a token that makes it so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `RunInstances`, or `CreateFleet` if AWS chooses the type: at least one, at most `count`. A partial launch is a normal answer.
    Launch(Launch),
    /// `RegisterTargets`. Attempted once.
    Register {
        /// The group.
        group: TargetGroupArn,
        /// The instances.
        instances: Vec<InstanceId>,
    },
    /// `DeregisterTargets`. Attempted once.
    Deregister {
        /// The group.
        group: TargetGroupArn,
        /// The instances.
        instances: Vec<InstanceId>,
    },
    /// `RegisterInstance` in Cloud Map, one call for each. Attempted once; AWS does it later, and the next look sees it.
    Announce {
        /// The service.
        service: ServiceId,
        /// The instances, and the address that clients are told of each.
        addresses: BTreeMap<InstanceId, Ipv4Addr>,
        /// The port that clients are told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
    /// `DeregisterInstance` in Cloud Map, one call for each. Attempted once; AWS does it later, and the next look sees it.
    Withdraw {
        /// The service.
        service: ServiceId,
        /// The instances.
        instances: Vec<InstanceId>,
    },
    /// `StartInstances`: takes no token, and is idempotent by design.
    Start {
        /// The instances, all of one type in one zone.
        instances: Vec<InstanceId>,
        /// What they need capacity of.
        offering: Offering,
    },
    /// `StopInstances`. Attempted once.
    Stop {
        /// The instances.
        instances: Vec<InstanceId>,
        /// Whether their memory is kept.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        hibernate: bool,
    },
    /// `CreateTags`: tells instances in `ghostnet:state` that they leave, or that they are needed again. Attempted once.
    Tag {
        /// The instances.
        instances: Vec<InstanceId>,
        /// What they are told.
        told: Told,
    },
    /// `ModifyTargetGroupAttributes`. Attempted once: a late second one could undo what somebody set since.
    Tune {
        /// The group.
        group: TargetGroupArn,
        /// What is set.
        set: BTreeMap<Attribute, String>,
    },
    /// `TerminateInstances`, irrevocable once committed.
    Terminate {
        /// The instances.
        instances: Vec<InstanceId>,
    },
}

impl Action {
    /// One word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Launch(_) => "launch",
            Self::Register { .. } => "register",
            Self::Deregister { .. } => "deregister",
            Self::Announce { .. } => "announce",
            Self::Withdraw { .. } => "withdraw",
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Tag { .. } => "tag",
            Self::Tune { .. } => "tune",
            Self::Terminate { .. } => "terminate",
        }
    }

    /// How many instances a launch or a start brings into service; those of a warm launch are not meant to serve.
    #[must_use]
    pub fn brings(&self) -> u32 {
        match self {
            Self::Launch(launch) if !launch.warm => launch.count,
            Self::Start { instances, .. } => u32::try_from(instances.len()).unwrap_or(u32::MAX),
            _ => 0,
        }
    }

    /// The instances it touches; none for a launch, or where a group is tuned.
    #[must_use]
    pub fn instances(&self) -> Vec<&InstanceId> {
        match self {
            Self::Launch(_) | Self::Tune { .. } => Vec::new(),
            Self::Announce { addresses, .. } => addresses.keys().collect(),
            Self::Register { instances, .. }
            | Self::Deregister { instances, .. }
            | Self::Withdraw { instances, .. }
            | Self::Start { instances, .. }
            | Self::Stop { instances, .. }
            | Self::Tag { instances, .. }
            | Self::Terminate { instances } => instances.iter().collect(),
        }
    }
}

/// What to launch, where, and under which token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Most instances to launch.
    pub count: u32,
    /// From which template.
    pub template: Template,
    /// Into which subnet.
    pub place: Place,
    /// Which type and market, in that subnet's zone.
    pub offering: Offering,
    /// Other types that do as well, and how AWS chooses between all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// Makes a repeated launch the same launch.
    pub token: ClientToken,
    /// The generation this launch was committed with, for the instance's tag.
    pub generation: Generation,
    /// Whether its instances are to be stopped once they are ready, and kept warm.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warm: bool,
}

impl Launch {
    /// Every offering that may come of it, the preferred one first.
    pub fn offerings(&self) -> impl Iterator<Item = Offering> + '_ {
        let others = self.choice.iter().flat_map(|choice| &choice.others);
        let other = |instance_type: &InstanceType| Offering {
            instance_type: Some(instance_type.clone()),
            ..self.offering.clone()
        };
        std::iter::once(self.offering.clone()).chain(others.map(other))
    }
}

/// Types besides a launch's own that do as well. The plan fixes the set and the strategy; which one it was is told by the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What AWS goes by.
    pub strategy: Strategy,
    /// The other types, in the order of the spec; never none.
    pub others: Vec<InstanceType>,
}

/// What AWS goes by when it chooses between capacity pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The cheapest.
    LowestPrice,
    /// The one of which there is most.
    CapacityOptimized,
}

impl Strategy {
    /// The strategy of an allocation; none: the order of the list is ours to follow.
    #[must_use]
    pub fn of(allocation: Allocation) -> Option<Self> {
        match allocation {
            Allocation::ListedOrder => None,
            Allocation::LowestPrice => Some(Self::LowestPrice),
            Allocation::CapacityOptimized => Some(Self::CapacityOptimized),
        }
    }

    /// The word in tokens, and in AWS's calls.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LowestPrice => "lowest-price",
            Self::CapacityOptimized => "capacity-optimized",
        }
    }
}

/// A step that was committed and has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStep {
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// When it was first committed.
    pub committed_at: Timestamp,
    /// End of its latest execution window: nobody starts it later, everybody counts it as happening before.
    pub execute_until: Timestamp,
    /// Whether it was taken over: then it may have been sent more than once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_over: bool,
}

impl OpenStep {
    /// Whether an outcome says all about this step. Of one that was taken over, that it was not sent this time, or that AWS would
    /// not hear it now, says nothing about the other times: throttles, quotas and permissions are judged before the token is.
    #[must_use]
    pub fn is_settled_by(&self, outcome: &StepOutcome) -> bool {
        let says_nothing = matches!(outcome, StepOutcome::NotSent | StepOutcome::Refused { .. });
        !(self.taken_over && says_nothing)
    }

    /// From this moment another invocation may take the step over.
    #[must_use]
    pub fn take_over_at(&self) -> Timestamp {
        TAKE_OVER_MARGIN.after(self.execute_until)
    }
}

/// What a step gave. A step that was cut off has no outcome and stays open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// A launch gave these instances, possibly fewer than asked for, never none.
    Launched {
        /// The instances.
        instances: Vec<InstanceId>,
    },
    /// Done for all its instances.
    Done,
    /// Done for all but these, which do not exist or cannot be (un)registered now; a later look decides about them.
    DoneExcept {
        /// Instance and error code.
        failed: BTreeMap<InstanceId, String>,
    },
    /// The offering has no capacity: an answer, not a failure.
    NoCapacity {
        /// AWS's error code.
        code: String,
    },
    /// Definitely not done, and why.
    Refused {
        /// The class of the error.
        class: Refusal,
        /// AWS's error code.
        code: String,
        /// AWS's message, shortened.
        message: String,
    },
    /// Definitely not sent: the window ended before its turn.
    NotSent,
}

/// Why AWS refused a step, by what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Asked too fast: later, with the same token.
    Throttled,
    /// A quota of the account: growth is off until somebody raises it.
    Quota,
    /// The subnet has no free address.
    Subnet,
    /// Not allowed, or the template is wrong: no retry, a person must act.
    Configuration,
    /// The target does not exist (any more).
    NotFound,
    /// The token was used for other parameters, or its instance is gone: look it up by tag.
    Token,
}

impl Refusal {
    /// Whether a launch that was refused so says something about its market alone. A quota does. So does whatever a person must mend,
    /// where reservations or spot were asked: a reservation that was cancelled, or an account that has no role for spot yet, must not
    /// keep a pool from growing on demand; if it is the template that is wrong, the launch on demand says so.
    #[must_use]
    pub fn is_of_market(self, market: Market) -> bool {
        self == Self::Quota || (self == Self::Configuration && market != Market::OnDemand)
    }
}

/// Steps numbered from zero under one plan.
#[derive(Debug)]
pub struct PlanBuilder {
    id: PlanId,
    steps: Vec<Step>,
}

impl PlanBuilder {
    /// An empty plan.
    #[must_use]
    pub fn new(id: PlanId) -> Self {
        Self { id, steps: Vec::new() }
    }

    /// Whether another step fits.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.steps.len() < STEPS_MAX
    }

    /// The id that the next step will have.
    #[must_use]
    pub fn next_step(&self) -> StepId {
        StepId {
            plan: self.id.clone(),
            number: StepNumber(u16::try_from(self.steps.len()).unwrap_or(u16::MAX)),
        }
    }

    /// Adds a step.
    pub fn add(&mut self, pool: &PoolId, action: Action) {
        let id = self.next_step();
        self.steps.push(Step {
            id,
            pool: pool.clone(),
            action,
        });
    }

    /// The steps so far.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The new steps as open steps of a window.
    pub fn open(&self, now: Timestamp, execute_until: Timestamp) -> impl Iterator<Item = OpenStep> + '_ {
        self.steps.iter().map(move |step| OpenStep {
            step: step.clone(),
            committed_at: now,
            execute_until,
            taken_over: false,
        })
    }

    /// The plan, with the steps it takes over sent first: they are the older wish.
    #[must_use]
    pub fn build(self, taken_over: Vec<Step>, execute_until: Timestamp) -> Plan {
        let mut steps = taken_over;
        steps.extend(self.steps);
        Plan {
            id: self.id,
            steps,
            execute_until,
        }
    }
}
