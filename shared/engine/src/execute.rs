//! Carries out a committed plan: each step idempotent, none started after the window, each outcome told or left open.
//!
//! The executor has no choice to make. What AWS definitely did or refused is an outcome; what nobody can know (a
//! time-out, a lost answer) gets none: the step stays open and is looked up later.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use futures::StreamExt;
use futures::future::{join, join_all};
use ghostnet_core::id::{FleetId, Generation, InstanceId, PoolId, Region, StepId};
use ghostnet_core::observation::{Offering, Registrar, tag};
use ghostnet_core::plan::{Action, Plan, REGISTRATIONS_PER_STEP_MAX, Refusal, Step, StepOutcome};
use ghostnet_core::state::{CapacityState, RecordedOutcome};

use crate::create_fleet;
use crate::error::{ErrorClass, PortError};
use crate::invocation::Invocation;
use crate::load::Fleet;
use crate::pace::Pace;
use crate::port::{Announced, Ports};

/// Steps under way at the same time, beside those that wait for their turn.
const STEPS_AT_ONCE: usize = 4;
/// Calls of one step under way at the same time, where it makes one for each instance: two rounds of single attempts fit into a step.
const CALLS_AT_ONCE: usize = REGISTRATIONS_PER_STEP_MAX.div_ceil(2);

/// What came of a plan.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    /// Outcomes of the steps that have one.
    pub(crate) outcomes: BTreeMap<StepId, RecordedOutcome>,
    /// Offerings that had no capacity.
    pub(crate) exhausted: BTreeSet<Offering>,
    /// What a person may want to know.
    pub(crate) trouble: Vec<String>,
    /// Instances that were launched.
    pub(crate) launched: usize,
    /// Instances that were terminated.
    pub(crate) terminated: usize,
}

/// A committed plan, and where it is carried out.
#[derive(Debug)]
pub(crate) struct Execution<'a, P> {
    pub(crate) ports: &'a P,
    pub(crate) invocation: &'a Invocation,
    pub(crate) fleet: &'a FleetId,
    pub(crate) plan: &'a Plan,
    /// The fleet from before the commit.
    pub(crate) loaded: &'a Fleet,
    pub(crate) pace: &'a Pace,
}

/// Carries out the steps of a committed plan. `place` is given up as soon as nothing is left but to wait for turns to launch: other fleets
/// have something to do meanwhile.
pub(crate) async fn execute<P: Ports, T>(execution: &Execution<'_, P>, place: T) -> Executed {
    let (launches, others): (Vec<_>, Vec<_>) = execution
        .plan
        .steps
        .iter()
        .partition(|step| execution.pace.lane(&step.action).is_some());
    let others: Vec<_> = others.into_iter().map(|step| execution.run(step)).collect();
    let others = async {
        let done: Vec<Done> = futures::stream::iter(others).buffer_unordered(STEPS_AT_ONCE).collect().await;
        drop(place);
        done
    };
    // turns are in the order of the plan
    let launches = join_all(launches.into_iter().map(|step| execution.run_in_turn(step)));
    let (launched, done) = join(launches, others).await;
    let mut executed = Executed::default();
    for Done {
        step,
        result,
        exhausted,
        at,
    } in launched.into_iter().chain(done)
    {
        executed.exhausted.extend(exhausted);
        executed.take(step, result, at);
    }
    executed
}

/// A step that is over, when, and what came of it.
struct Done {
    step: Step,
    result: Result<Option<StepOutcome>, PortError>,
    exhausted: BTreeSet<Offering>,
    at: jiff::Timestamp,
}

impl<P: Ports> Execution<'_, P> {
    async fn run(&self, step: &Step) -> Done {
        let mut exhausted = BTreeSet::new();
        let result = if self.ports.now() >= self.plan.execute_until {
            Ok(Some(StepOutcome::NotSent))
        } else if is_unsafe(step, &self.loaded.state) {
            Ok(Some(refused(
                Refusal::Configuration,
                "GhostNetRefused",
                "the executor found that nobody took it out of service before",
            )))
        } else {
            let region = self.loaded.region_of(&step.pool, &self.invocation.region);
            perform(self.ports, (self.invocation, region), self.fleet, step, &mut exhausted).await
        };
        Done {
            step: step.clone(),
            result,
            exhausted,
            at: self.ports.now(),
        }
    }

    /// A step that waits for its turn, and for another one if others were faster, as long as its window lasts.
    async fn run_in_turn(&self, step: &Step) -> Done {
        let Some(lane) = self.pace.lane(&step.action) else {
            return self.run(step).await;
        };
        let mut refused = None;
        while let Some(wait) = lane.turn(self.ports.now(), self.plan.execute_until) {
            if !wait.is_zero() {
                self.ports.wait(wait).await;
            }
            let done = self.run(step).await;
            match &done.result {
                Ok(Some(StepOutcome::Refused {
                    class: Refusal::Throttled, ..
                })) => lane.emptied(done.at),
                // its turn came, and the window was over by then: what was refused before says more
                Ok(Some(StepOutcome::NotSent)) => return refused.unwrap_or(done),
                _ => return done,
            }
            refused = Some(done);
        }
        refused.unwrap_or_else(|| Done {
            step: step.clone(),
            result: Ok(Some(StepOutcome::NotSent)),
            exhausted: BTreeSet::new(),
            at: self.ports.now(),
        })
    }
}

impl Executed {
    fn take(&mut self, step: Step, result: Result<Option<StepOutcome>, PortError>, at: jiff::Timestamp) {
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => {
                self.trouble.push(format!("{} {}: {error}", step.action.kind(), step.id));
                None
            }
        };
        let Some(outcome) = outcome else { return };
        match (&outcome, &step.action) {
            (StepOutcome::NoCapacity { .. }, Action::Start { offering, .. }) => {
                self.exhausted.insert(offering.clone());
            }
            (StepOutcome::Refused { code, message, .. }, action) => {
                self.trouble
                    .push(format!("{} {} was refused: {code}: {message}", action.kind(), step.id));
            }
            (StepOutcome::Launched { instances }, _) => self.launched = self.launched.saturating_add(instances.len()),
            (StepOutcome::Done, Action::Terminate { instances }) => self.terminated = self.terminated.saturating_add(instances.len()),
            (StepOutcome::DoneExcept { failed }, Action::Terminate { instances }) => {
                let terminated = instances.len().saturating_sub(failed.len());
                self.terminated = self.terminated.saturating_add(terminated);
            }
            _ => {}
        }
        self.outcomes.insert(step.id, RecordedOutcome { outcome, at });
    }
}

/// The second half of a pair of assertions; audit is the first.
fn is_unsafe(step: &Step, loaded: &CapacityState) -> bool {
    let members = loaded.pools.get(&step.pool).map(|pool| &pool.members);
    let member = |id: &InstanceId| members.and_then(|members| members.get(id));
    let drained = |id: &InstanceId| member(id).is_some_and(|member| member.drain.is_some());
    let warm = |id: &InstanceId| member(id).is_some_and(ghostnet_core::state::Member::is_warm);
    match &step.action {
        Action::Terminate { instances } => !instances.iter().all(drained),
        Action::Stop { instances, .. } => !instances.iter().all(|id| drained(id) || warm(id)),
        Action::Launch(_)
        | Action::Start { .. }
        | Action::Register { .. }
        | Action::Deregister { .. }
        | Action::Announce { .. }
        | Action::Withdraw { .. }
        | Action::Tune { .. }
        | Action::Tag { .. } => false,
    }
}

/// One step. `Ok(None)`: done or not, nobody can know. `Err`: the same, with what the port said. Offerings that had no capacity go
/// into `exhausted`.
async fn perform<P: Ports>(
    ports: &P,
    (invocation, region): (&Invocation, &Region),
    fleet: &FleetId,
    step: &Step,
    exhausted: &mut BTreeSet<Offering>,
) -> Result<Option<StepOutcome>, PortError> {
    match &step.action {
        Action::Launch(launch) => {
            let tags = launch_tags(invocation, fleet, &step.pool, &step.id, launch.generation);
            let answer = match &launch.choice {
                None => ports
                    .launch(region, launch, &tags)
                    .await
                    .map(|instances| (Some(StepOutcome::Launched { instances }), BTreeSet::new())),
                Some(choice) => ports.create_fleet(region, launch, choice, &tags).await.map(create_fleet::judge),
            };
            match answer {
                Ok((outcome, empty)) => {
                    exhausted.extend(empty);
                    Ok(outcome)
                }
                Err(error) => {
                    if error.class == ErrorClass::NoCapacity {
                        exhausted.extend(launch.offerings());
                    }
                    launch_failed(error)
                }
            }
        }
        Action::Register { group, instances } => membership(ports.register(region, group, instances).await),
        Action::Deregister { group, instances } => membership(ports.deregister(region, group, instances).await),
        Action::Announce { service, addresses, port } => {
            let by = Registrar {
                fleet: fleet.clone(),
                pool: step.pool.clone(),
            };
            let (installation, by) = (&invocation.installation, &by);
            let announce = |(instance, address): (InstanceId, Ipv4Addr)| async move {
                let announced = Announced {
                    installation,
                    by,
                    instance: &instance,
                    address,
                    port: *port,
                };
                let answer = ports.announce(region, service, &announced).await;
                (instance, answer)
            };
            each(addresses.clone().into_iter().map(announce).collect()).await
        }
        Action::Withdraw { service, instances } => {
            let withdraw = |instance: InstanceId| async move {
                let answer = ports.withdraw(region, service, &instance).await;
                (instance, answer)
            };
            each(instances.iter().cloned().map(withdraw).collect()).await
        }
        Action::Tune { group, set } => tuned(ports.set_group_attributes(region, group, set).await),
        Action::Start { instances, .. } => started_or_stopped(ports.start(region, instances).await),
        Action::Stop { instances, hibernate } => started_or_stopped(ports.stop(region, instances, *hibernate).await),
        Action::Tag { instances, told } => membership(ports.tell(region, instances, *told).await),
        Action::Terminate { instances } => match ports.terminate(region, instances).await {
            Ok(failed) if failed.is_empty() => Ok(Some(StepOutcome::Done)),
            Ok(failed) => Ok(Some(StepOutcome::DoneExcept { failed })),
            // a committed terminate is never dropped, whatever AWS says: it stays open and is sent again. That EC2 does not find one
            // is no end either: the list gives it up, once it has not shown it for long enough
            Err(error) => Err(error),
        },
    }
}

/// Each is attempted once, so what AWS refuses was not done.
fn started_or_stopped(result: Result<BTreeMap<InstanceId, String>, PortError>) -> Result<Option<StepOutcome>, PortError> {
    match result {
        Ok(failed) if failed.is_empty() => Ok(Some(StepOutcome::Done)),
        Ok(failed) => Ok(Some(StepOutcome::DoneExcept { failed })),
        Err(error) => launch_failed(error),
    }
}

fn launch_failed(error: PortError) -> Result<Option<StepOutcome>, PortError> {
    match error.class {
        ErrorClass::NoCapacity => Ok(Some(StepOutcome::NoCapacity { code: error.code })),
        ErrorClass::Throttled => Ok(Some(refused(Refusal::Throttled, &error.code, &error.message))),
        ErrorClass::Quota => Ok(Some(refused(Refusal::Quota, &error.code, &error.message))),
        ErrorClass::Subnet => Ok(Some(refused(Refusal::Subnet, &error.code, &error.message))),
        // what a launch does not find is its template, its image or its subnet
        ErrorClass::Denied | ErrorClass::Invalid | ErrorClass::NotFound => {
            Ok(Some(refused(Refusal::Configuration, &error.code, &error.message)))
        }
        // the token was used: the launch may have happened, its instances are found by their tags
        ErrorClass::Token | ErrorClass::Transient => Err(error),
    }
}

/// One call for each instance, a few at a time. One bad call does not stop the others; of one without an answer nobody can know, and
/// so of the step. Where every call is refused, it is not about the instances.
async fn each(calls: Vec<impl Future<Output = (InstanceId, Result<(), PortError>)>>) -> Result<Option<StepOutcome>, PortError> {
    let asked = calls.len();
    let mut answers = futures::stream::iter(calls).buffer_unordered(CALLS_AT_ONCE);
    let (mut failed, mut lost, mut refused) = (BTreeMap::new(), None, None);
    while let Some((id, answer)) = answers.next().await {
        match answer {
            Ok(()) => {}
            Err(error) if error.class == ErrorClass::Transient => lost = Some(error),
            Err(error) => {
                failed.insert(id, error.code.clone());
                refused = Some(error);
            }
        }
    }
    match (lost, refused) {
        (Some(error), _) => Err(error),
        (None, Some(error)) if failed.len() == asked => membership(Err(error)),
        (None, Some(_)) => Ok(Some(StepOutcome::DoneExcept { failed })),
        (None, None) => Ok(Some(StepOutcome::Done)),
    }
}

/// What AWS does not take was not set: the next look at the group's attributes shows it again.
fn tuned(result: Result<(), PortError>) -> Result<Option<StepOutcome>, PortError> {
    match result {
        Err(error) if error.class == ErrorClass::Invalid => Ok(Some(refused(Refusal::Configuration, &error.code, &error.message))),
        result => membership(result),
    }
}

fn membership(result: Result<(), PortError>) -> Result<Option<StepOutcome>, PortError> {
    let Err(error) = result else { return Ok(Some(StepOutcome::Done)) };
    let refusal = match error.class {
        ErrorClass::Transient => return Err(error),
        ErrorClass::Throttled => Refusal::Throttled,
        ErrorClass::NotFound | ErrorClass::Invalid => Refusal::NotFound,
        ErrorClass::Quota => Refusal::Quota,
        ErrorClass::Denied | ErrorClass::NoCapacity | ErrorClass::Subnet | ErrorClass::Token => Refusal::Configuration,
    };
    Ok(Some(refused(refusal, &error.code, &error.message)))
}

fn refused(class: Refusal, code: &str, message: &str) -> StepOutcome {
    StepOutcome::Refused {
        class,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

/// What an instance carries from its first moment.
pub(crate) fn launch_tags(
    invocation: &Invocation,
    fleet: &FleetId,
    pool: &PoolId,
    step: &StepId,
    generation: Generation,
) -> Vec<(&'static str, String)> {
    vec![
        (tag::INSTALLATION, invocation.installation.to_string()),
        (tag::FLEET, fleet.to_string()),
        (tag::POOL, pool.to_string()),
        (tag::PLAN, step.plan.to_string()),
        (tag::STEP, step.number.0.to_string()),
        (tag::GENERATION, generation.to_string()),
    ]
}
