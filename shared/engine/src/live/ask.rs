//! Asks what a role may do: inside the function whose role it is, one call after the other, and nothing waits.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::{AlarmName, InstanceId, PlanId, Region, StepId, StepNumber, TargetGroupArn};
use ghostnet_core::spec::{Attribute, FleetSpec};
use ghostnet_core::unit::Seconds;
use serde::{Deserialize, Serialize};

use super::probe::{LAUNCHES_PER_ASK, Probe, Probed, Refused, Trial, touches, trials};
use crate::error::{ErrorClass, PortError};
use crate::execute::launch_tags;
use crate::invocation::Invocation;
use crate::port::{DryRun, ListedInstance, Ports};

/// What a function found out about its own role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// What was asked, in order, and what AWS said.
    pub probed: Vec<Probed>,
    /// Launches that were asked about until now, the earlier invocations included: where to go on. None: that was all.
    pub next: Option<usize>,
    /// The instance that stood for all of the fleet's; none: it has none, or they could not be listed.
    pub instance: Option<InstanceId>,
    /// How long each target group lets a target finish.
    pub delays: BTreeMap<TargetGroupArn, Seconds>,
}

impl Answered {
    /// How many launches were asked about.
    #[must_use]
    pub fn launches(&self) -> usize {
        let launches = self.probed.iter().filter(|probed| matches!(probed.probe, Probe::Launch(_)));
        launches.count()
    }
}

/// Asks about the launches from `from` on, as many as one invocation may, and in the first of several invocations about
/// everything else.
pub async fn ask<P: Ports + DryRun>(ports: &P, invocation: &Invocation, spec: &FleetSpec, from: usize) -> Answered {
    let asker = Asker { ports, invocation, spec };
    let mut answered = Answered::default();
    if from == 0 {
        asker.reads(&mut answered).await;
        asker.touches(&mut answered).await;
    }
    let trials = trials(spec);
    let until = from.saturating_add(LAUNCHES_PER_ASK).min(trials.len());
    for trial in trials.iter().take(until).skip(from) {
        let refused = asker.launch(trial).await.err();
        answered.probed.push(probed(Probe::Launch(trial.clone()), refused));
    }
    answered.next = (until < trials.len()).then_some(until);
    answered
}

struct Asker<'a, P> {
    ports: &'a P,
    invocation: &'a Invocation,
    spec: &'a FleetSpec,
}

impl<P: Ports + DryRun> Asker<'_, P> {
    async fn reads(&self, answered: &mut Answered) {
        let home = &self.invocation.region;
        let checked = self.spec.pools.iter().filter(|pool| pool.status_checks.is_some());
        for region in checked.map(|pool| pool.region_or(home)).collect::<BTreeSet<_>>() {
            let refused = self.in_time(self.ports.impaired(region)).await.err();
            answered.probed.push(probed(Probe::Impaired, refused));
        }
        // any name will do: whether it may be asked is the question
        let name = [AlarmName::new(format!("ghostnet/{}", self.spec.id))];
        let refused = self.in_time(self.ports.alarm_states(home, &name)).await.err();
        answered.probed.push(probed(Probe::Alarms, refused));
        for pool in &self.spec.pools {
            let region = pool.region_or(home);
            for (n, group) in pool.target_groups.iter().enumerate() {
                if n == 0 {
                    let refused = self.in_time(self.ports.targets(region, group)).await.err();
                    answered.probed.push(probed(Probe::Targets(pool.id.clone()), refused));
                }
                let attributes = self.in_time(self.ports.group_attributes(region, group)).await;
                let delay = attributes.as_ref().ok().and_then(delay);
                answered.delays.extend(delay.map(|delay| (group.clone(), delay)));
                let probe = Probe::Attributes(pool.id.clone(), group.clone());
                answered.probed.push(probed(probe, attributes.err()));
            }
        }
    }

    /// Where the fleet has pools, in the order of their names.
    fn regions(&self) -> BTreeSet<&Region> {
        let home = &self.invocation.region;
        self.spec.pools.iter().map(|pool| pool.region_or(home)).collect()
    }

    async fn touches(&self, answered: &mut Answered) {
        for region in self.regions() {
            let listed = self.in_time(self.ports.instances(region, &self.invocation.installation)).await;
            let is_ours = |listed: &&ListedInstance| listed.fleet.as_ref() == Some(&self.spec.id) && !listed.instance.state.is_gone();
            let found = listed
                .as_ref()
                .ok()
                .and_then(|all| all.iter().filter(is_ours).map(|listed| &listed.instance.id).min());
            let found = found.cloned();
            answered.probed.push(probed(Probe::Instances, listed.err()));
            let Some(instance) = found else { continue };
            answered.instance = Some(instance.clone());
            for touch in touches(self.spec) {
                let refused = self.in_time(self.ports.may_touch(region, &instance, touch)).await.err();
                answered.probed.push(probed(Probe::Touch(touch), refused));
            }
        }
    }

    async fn launch(&self, trial: &Trial) -> Result<(), PortError> {
        let Some(pool) = self.spec.pool(&trial.pool) else { return Ok(()) };
        let (invocation, fleet) = (self.invocation, &self.spec.id);
        let step = StepId {
            plan: PlanId::new("check"),
            number: StepNumber(0),
        };
        let launch = trial.launch(&invocation.installation, fleet, pool, &step.plan);
        let tags = launch_tags(invocation, fleet, &trial.pool, &step, launch.generation);
        self.in_time(self.ports.may_launch(pool.region_or(&invocation.region), &launch, &tags))
            .await
    }

    /// A call that would not end before the function does is not made.
    async fn in_time<T>(&self, call: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
        let now = self.ports.now();
        if now < self.invocation.execute_until(now) {
            return call.await;
        }
        Err(PortError {
            call: "lambda:Invoke",
            class: ErrorClass::Transient,
            code: "OutOfTime".to_owned(),
            message: "the function had no time left to ask".to_owned(),
        })
    }
}

fn probed(probe: Probe, refused: Option<PortError>) -> Probed {
    Probed {
        probe,
        refused: refused.map(Refused::from),
    }
}

fn delay(attributes: &BTreeMap<Attribute, String>) -> Option<Seconds> {
    attributes.get(&Attribute::DeregistrationDelay)?.parse().ok().map(Seconds)
}
