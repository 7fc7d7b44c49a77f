//! The words of the model in those of `ghostnet_core`, and back.

use ghostnet_core::id::{
    ClientToken, Generation, InstanceId, InstanceType, PlanId, PoolId, StepId, StepNumber, SubnetId, TargetGroupArn, Zone,
};
use ghostnet_core::observation::{Instance, InstanceState, Market, Offering, Place};
use ghostnet_core::plan::{Action, Launch, StepOutcome};
use ghostnet_core::spec::Template;
use ghostnet_core::state::{self, Drain, DrainReason};
use ghostnet_core::unit::{Moment, Seconds};
use jiff::{SignedDuration, Timestamp};

use crate::model::table::{Kind, Member, Outcome, SLOTS, Slots, Step};
use crate::model::ticks::{TICK, Ticks};

/// The present, wherever in time it is.
const NOW: i64 = 1_780_401_600;
/// The zones of the fleet; slots are spread over them.
pub(super) const ZONES: [&str; 3] = ["a", "b", "c"];

pub(super) fn at(ticks: Ticks) -> Timestamp {
    Timestamp::from_second(NOW + i64::from(ticks) * i64::from(TICK)).unwrap()
}

pub(super) fn ticks(at: Timestamp) -> Ticks {
    let seconds = at.as_second() - NOW;
    assert_eq!(seconds % i64::from(TICK), 0, "a moment between two ticks");
    Ticks::try_from(seconds / i64::from(TICK)).unwrap()
}

pub(super) fn seconds(ticks: Ticks) -> Seconds {
    Seconds(u32::try_from(ticks).unwrap() * TICK)
}

pub(super) fn instance_id(slot: usize) -> InstanceId {
    InstanceId::new(format!("i{}", slot + 1))
}

pub(super) fn slots_of(instances: &[InstanceId]) -> Slots {
    Slots::of((0..SLOTS).filter(|slot| instances.contains(&instance_id(*slot))))
}

pub(super) fn ids_of(slots: Slots) -> Vec<InstanceId> {
    slots.iter().map(instance_id).collect()
}

pub(super) fn subnet(zone: &str) -> SubnetId {
    SubnetId::new(format!("subnet-{zone}"))
}

pub(super) fn zone(name: &str) -> Zone {
    Zone::new(format!("eu-west-1{name}"))
}

/// The launch step that brings the instance of a slot.
pub(super) fn launch_id(slot: usize) -> StepId {
    StepId {
        plan: PlanId::new(format!("launch-{}", slot + 1)),
        number: StepNumber(0),
    }
}

/// The id of an open step: a launch's follows from its slot, because instances carry it; any other's from its place.
pub(super) fn step_id(place: usize, step: Step) -> StepId {
    match step.slots.iter().next() {
        Some(slot) if step.is(Kind::Launch) => launch_id(slot),
        _ => StepId {
            plan: PlanId::new(format!("open-{place}")),
            number: StepNumber(0),
        },
    }
}

pub(super) fn action(step: Step, group: &TargetGroupArn, template: &Template) -> Action {
    let (group, instances) = (group.clone(), ids_of(step.slots));
    match step.kind {
        Kind::Launch => Action::Launch(launch(step, template)),
        Kind::Register => Action::Register { group, instances },
        Kind::Deregister => Action::Deregister { group, instances },
        Kind::Terminate => Action::Terminate { instances },
    }
}

fn launch(step: Step, template: &Template) -> Launch {
    let zone = zone(ZONES[0]);
    Launch {
        count: 1,
        template: template.clone(),
        place: Place {
            subnet: subnet(ZONES[0]),
            zone: zone.clone(),
        },
        offering: Offering {
            zone,
            instance_type: None,
            market: Market::OnDemand,
            reservation: None,
        },
        choice: None,
        token: ClientToken::over(&[&step.to_string()]),
        generation: Generation(1),
        warm: false,
    }
}

pub(super) fn kind(action: &Action) -> Kind {
    match action {
        Action::Launch(_) => Kind::Launch,
        Action::Register { .. } => Kind::Register,
        Action::Deregister { .. } => Kind::Deregister,
        Action::Terminate { .. } => Kind::Terminate,
        Action::Start { .. } | Action::Stop { .. } => unreachable!("this model keeps nothing warm"),
        Action::Tag { .. } => panic!("the model's pools wait for nobody's word"),
        Action::Announce { .. } | Action::Withdraw { .. } => panic!("the model's pools are in no service"),
        Action::Tune { .. } => panic!("the model's spec names no attribute"),
    }
}

/// An instance as EC2 lists it, by the launch step that its tags name, if any.
pub(super) fn listed(slot: usize, state: InstanceState, pool: &PoolId, by: Option<StepId>) -> Instance {
    Instance {
        id: instance_id(slot),
        state,
        zone: zone(ZONES[slot % ZONES.len()]),
        instance_type: InstanceType::new("c7a.large"),
        market: Market::OnDemand,
        launched_at: at(0) - SignedDuration::from_hours(1),
        pool: Some(pool.clone()),
        plan: by.as_ref().map(|step| step.plan.clone()),
        step: by.map(|step| step.number),
        protected: false,
        word: ghostnet_core::observation::Word::default(),
        template: None,
        address: None,
    }
}

pub(super) fn outcome(outcome: Outcome, step: Step) -> StepOutcome {
    match outcome {
        // what follows for the state is the same for a refusal
        Outcome::NotDone => StepOutcome::NotSent,
        Outcome::Done if step.is(Kind::Launch) => StepOutcome::Launched {
            instances: ids_of(step.slots),
        },
        Outcome::Done => StepOutcome::Done,
    }
}

pub(super) fn core_member(member: &Member) -> state::Member {
    let moment = |ticks| Moment::from(at(ticks));
    let drain = |since| Drain {
        since: moment(since),
        // far away: nobody is terminated for having taken too long
        deadline: Moment::from(at(0) + SignedDuration::from_hours(1)),
        why: DrainReason::ScaleIn,
    };
    state::Member {
        drain: member.drained.map(drain),
        // just now: it is not terminated again
        terminating_since: member.terminating.then(|| moment(0)),
        gone: member.gone,
        ..state::Member::new(moment(member.known))
    }
}

pub(super) fn model_member(member: &state::Member) -> Member {
    Member {
        known: ticks(member.known_since.at()),
        drained: member.drain.map(|drain| ticks(drain.since.at())),
        terminating: member.terminating_since.is_some(),
        gone: member.gone,
    }
}
