//! Components that are broken on purpose, each to make one checker speak.

use std::rc::Rc;

use ghostnet_core::id::{PlanId, PoolId};
use ghostnet_core::observation::Market;
use ghostnet_core::plan::{Action, TAKE_OVER_MARGIN};
use ghostnet_core::refresh::LastAsked;
use ghostnet_core::signal::{EVENT_AGE_MAX, Signal};
use ghostnet_core::spec::RawFleetSpec;
use ghostnet_core::state::{Drain, DrainReason, Member, PoolState, Shift, ShiftReason, Stage, TrafficState, Warm, WarmPhase};
use ghostnet_core::unit::{Moment, Seconds};
use ghostnet_engine::port::{Commit, TrafficCommit};
use jiff::Timestamp;

/// A component, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    /// An executor that sends each launch with a token of its own.
    TokensDropped,
    /// An executor whose clock stands still while it works.
    ClockStands,
    /// The same of failover's.
    FailoverClockStands,
    /// A store that says of every commit that it was written.
    LostIsWon,
    /// A store whose spec says that the fleet acts.
    ModeHidden,
    /// A store that says of each side that no rule sends it anything.
    IdleInvented,
    /// A store that never says so of a side.
    IdleHidden,
    /// A store that says of the traffic that it is about to go to the last side.
    EntryInvented,
    /// A store whose spec says of every pool that it is where the installation is.
    RegionsHidden,
    /// A store whose spec cannot be read.
    SpecUnreadable,
    /// An EC2 that forgets tokens.
    TokensForgotten,
    /// An EC2 whose list never shows one instance.
    ListHides,
    /// An EC2 that says of a region which does not answer that nobody is there.
    SilenceIsEmpty,
    /// An EC2 whose list does not show who is protected.
    ProtectionHidden,
    /// An EC2 whose list does not say what is spot.
    SpotHidden,
    /// An EC2 whose list shows those of another installation too.
    ForeignListed,
    /// Tags that say of everybody who leaves that it has finished.
    FinishedInvented,
    /// Status checks that say of one that it fails.
    ImpairedInvented,
    /// A tag whose heartbeats are twelve minutes late.
    HeartbeatsLost,
    /// Metrics that say of one that all its jobs fail.
    FailuresInvented,
    /// Tags that say of everybody that it is ready.
    ReadyInvented,
    /// A balancer that answers registrations and does nothing.
    NothingRegisters,
    /// A balancer that does nothing about deregistrations, and whose list does not show who leaves.
    NothingDeregisters,
    /// A balancer that says of whoever runs that it passes its checks.
    HealthyAtOnce,
    /// An executor that deregisters everybody else of ours too.
    DeregistersAll,
    /// An executor that deregisters those of others too.
    DeregistersForeign,
    /// An executor that registers one that is not ours too.
    RegistersForeign,
    /// An executor that starts one that is not ours too.
    StartsForeign,
    /// An executor that sets a rule that no fleet names too.
    SetsForeignRule,
    /// An EC2 whose list shows another address of one.
    AddressInvented,
    /// A Cloud Map that answers withdrawals and does nothing.
    NothingWithdraws,
    /// A Cloud Map whose list is always empty.
    RegistrationsHidden,
    /// A Cloud Map that does nothing about withdrawals, and whose list does not show who leaves.
    LeaversHidden,
    /// A balancer that answers changes of rules and does nothing.
    NothingShifts,
    /// An EC2 that has an address lead to an instance of another side than it is asked to.
    LeadsAstray,
    /// Failover is told that the first side ended and fails its checks, once it was seen well.
    IllnessInvented,
    /// Failover is told that whoever is registered passes its checks.
    HealthInvented,
    /// Failover is told that nobody is registered in the groups of a side that is kept out.
    FencedHidden,
    /// A store that says to whoever decides about capacity that no side is kept out.
    FenceUnread,
    /// A balancer that answers changes of attributes and does nothing.
    NothingTunes,
    /// A balancer that sets more attributes than it is asked to.
    TunesUnnamed,
    /// Metrics whose missing datapoints read as zero.
    MissingIsZero,
    /// A store that does not ask in which epoch a commit was decided.
    EpochIgnored,
    /// A store that does not ask after which generation a commit was decided.
    GenerationIgnored,
    /// A store that does not ask by which spec a commit was decided.
    SpecVersionIgnored,
    /// A store that does not ask after which version of the traffic a commit was decided.
    TrafficVersionIgnored,
    /// A decision that terminates whose drain it changes.
    TerminatesAtOnce,
    /// A store that keeps no record of a decision without steps.
    HoldsUnrecorded,
    /// A store that takes its own write for another's.
    OwnWriteForgotten,
    /// A store that reads old items: harmless, because every commit is conditional.
    StaleReads,
    /// A commit that does not move the generation.
    GenerationStands,
    /// A commit of traffic that does not move the epoch.
    EpochStands,
    /// A record of traffic whose inputs were changed afterwards.
    TrafficInputsChanged,
    /// A record that is not that of its decision.
    RecordOfAnother,
    /// A record whose inputs were changed afterwards.
    InputsChanged,
    /// A decision that launches far too many.
    LaunchesTooMany,
    /// A decision that forgets how much it launched.
    LaunchesForgotten,
    /// A decision that launches on demand what reservations were to be asked for.
    ReservationsIdle,
    /// A decision that drains one more when the pool is at its minimum.
    DrainsBelowMinimum,
    /// A decision that lets one leave while traffic is shifted away from a zone.
    DrainsInOutage,
    /// A decision that has another one leave than the spec names first.
    DrainsAnother,
    /// A decision that replaces before the replacement serves.
    RenewsTooEarly,
    /// A decision that drains all at once.
    DrainsAllAtOnce,
    /// A decision that terminates whom nobody drained.
    TerminatesUndrained,
    /// A decision that stops whom nobody took out of service.
    StopsServing,
    /// A decision that registers whom it keeps warm.
    RegistersKept,
    /// A decision that shrinks against the votes.
    ShrinksAgainstVotes,
    /// A decision that shrinks far below the load.
    ShrinksTooFar,
    /// A decision whose size is another than `size` counts.
    SizesOtherwise,
    /// A decision that follows an old notice.
    FollowsOldNotice,
    /// A decision that forgets who left in a removal window.
    WindowsForgotten,
    /// A decision that grows whatever it costs.
    OutgrowsSpend,
    /// A decision that follows an operator's old request.
    FollowsOldRequest,
    /// A decision that heeds an operator's request about a refresh from long ago.
    FollowsOldRefresh,
    /// A decision that forgets what its simple policies wait for.
    ForgetsToWait,
    /// A decision that learns twice of what instances can do.
    LearnsTwice,
    /// A decision that forgets by which settings it went.
    TuningForgotten,
    /// A decision that keeps of its steps that they may be taken over at once.
    WindowsCutShort,
}

/// The commit as a broken decision would have made it.
#[must_use]
pub fn doctored(broken: Option<Broken>, commit: &Rc<Commit>) -> Rc<Commit> {
    let Some(broken) = broken else { return Rc::clone(commit) };
    let mut changed = Commit::clone(commit);
    match broken {
        Broken::GenerationStands => {
            if let Some(read) = changed.read_generation {
                changed.state.generation = read;
            }
        }
        Broken::RecordOfAnother => changed.record.id = PlanId::new("another"),
        Broken::InputsChanged => {
            if let Some(inputs) = &mut changed.record.inputs {
                inputs.plan_id = PlanId::new("another");
            }
        }
        Broken::LaunchesTooMany => launch_too_many(&mut changed),
        Broken::ReservationsIdle => leave_reservations(&mut changed),
        Broken::WindowsForgotten => changed.state.pools.values_mut().for_each(|pool| pool.window_removals.clear()),
        Broken::LaunchesForgotten => changed.state.pools.values_mut().for_each(|pool| pool.launches.clear()),
        Broken::DrainsBelowMinimum => drain_below_minimum(&mut changed),
        Broken::RenewsTooEarly => renew_too_early(&mut changed),
        Broken::DrainsAnother => {
            let at = Moment::from(changed.record.at);
            changed.state.pools.values_mut().for_each(|pool| drain_another(pool, at));
        }
        Broken::DrainsInOutage => {
            let at = Moment::from(changed.record.at);
            for pool in changed.state.pools.values_mut().filter(|pool| !pool.zones_out.is_empty()) {
                drain(pool, at, DrainReason::ScaleIn, 1);
            }
        }
        Broken::DrainsAllAtOnce => {
            let at = Moment::from(changed.record.at);
            for pool in changed.state.pools.values_mut() {
                drain(pool, at, DrainReason::NeverHealthy, usize::MAX);
            }
        }
        Broken::TerminatesUndrained => forget_drains(&mut changed),
        Broken::TerminatesAtOnce => change_members(&mut changed, "terminate", |member| {
            let drains = member.drain.iter_mut();
            drains.for_each(|drain| drain.deadline = Seconds(1).after(drain.deadline.at()).into());
        }),
        Broken::StopsServing => change_members(&mut changed, "stop", |member| (member.warm, member.drain) = (None, None)),
        Broken::RegistersKept => {
            let since = Moment::from(changed.record.at);
            let phase = WarmPhase::Kept;
            change_members(&mut changed, "register", |member| member.warm = Some(Warm { phase, since }));
        }
        Broken::ShrinksAgainstVotes | Broken::ShrinksTooFar | Broken::SizesOtherwise | Broken::OutgrowsSpend => {
            resize(&mut changed, broken)
        }
        Broken::FollowsOldNotice => follow_old_notice(&mut changed),
        Broken::FollowsOldRequest => follow_old_request(&mut changed),
        Broken::FollowsOldRefresh => follow_old_refresh(&mut changed),
        Broken::ForgetsToWait => changed.state.pools.values_mut().for_each(|pool| pool.adjusted.clear()),
        Broken::LearnsTwice => {
            let ratings = changed.state.pools.values_mut().flat_map(|pool| pool.ratings.values_mut());
            ratings.for_each(|rating| rating.hours.iter_mut().for_each(|each| *each *= 2));
        }
        Broken::TuningForgotten => changed.state.pools.values_mut().for_each(|pool| pool.by_tuning = None),
        Broken::WindowsCutShort => {
            let over = TAKE_OVER_MARGIN.before(changed.record.at);
            changed.state.open.iter_mut().for_each(|open| open.execute_until = over);
        }
        _ => return Rc::clone(commit),
    }
    Rc::new(changed)
}

/// The commit of traffic as a broken decision would have made it.
#[must_use]
pub fn doctored_traffic(broken: Option<Broken>, commit: &Rc<TrafficCommit>) -> Rc<TrafficCommit> {
    let mut changed = Rc::clone(commit);
    match (broken, &commit.record.inputs) {
        (Some(Broken::EpochStands), Some(inputs)) => Rc::make_mut(&mut changed).state.epoch = inputs.traffic.epoch,
        (Some(Broken::TrafficInputsChanged), Some(_)) => {
            if let Some(inputs) = &mut Rc::make_mut(&mut changed).record.inputs {
                inputs.now = Seconds::minutes(60).after(inputs.now);
            }
        }
        _ => {}
    }
    changed
}

fn launch_too_many(commit: &mut Commit) {
    for step in &mut commit.record.plan.steps {
        if let Action::Launch(launch) = &mut step.action {
            launch.count = launch.count.saturating_mul(50);
        }
    }
}

fn leave_reservations(commit: &mut Commit) {
    for step in &mut commit.record.plan.steps {
        if let Action::Launch(launch) = &mut step.action
            && launch.offering.reservation.take().is_some()
        {
            launch.offering.market = Market::OnDemand;
        }
    }
}

fn drain(pool: &mut PoolState, at: Moment, why: DrainReason, most: usize) {
    let stays = pool.members.values_mut().filter(|member| member.drain.is_none() && !member.gone);
    for member in stays.take(most) {
        member.drain = Some(Drain {
            since: at,
            deadline: at,
            why,
        });
    }
}

/// One more leaves where a pool has just its minimum, and nobody else leaves.
fn drain_below_minimum(commit: &mut Commit) {
    let at = Moment::from(commit.record.at);
    let Some(inputs) = &commit.record.inputs else { return };
    let Ok(spec) = ghostnet_core::spec::FleetSpec::check(&inputs.spec) else {
        return;
    };
    for pool in &spec.pools {
        let capacity = commit.record.pools.get(&pool.id).map(|decided| decided.counts.capacity());
        let quiet = inputs.state.pools.get(&pool.id).is_some_and(|pool| pool.removals.is_empty());
        if capacity == Some(pool.capacity.min)
            && pool.capacity.min > 0
            && quiet
            && let Some(state) = commit.state.pools.get_mut(&pool.id)
        {
            drain(state, at, DrainReason::ScaleIn, 1);
        }
    }
}

/// Who was to leave by scale-in stays, and one that was to stay leaves in its place.
fn drain_another(pool: &mut PoolState, at: Moment) {
    let is_new = |member: &Member| {
        member
            .drain
            .is_some_and(|drain| drain.why == DrainReason::ScaleIn && drain.since == at)
    };
    let serves = |member: &Member| member.drain.is_none() && member.served_since.is_some() && member.left.is_none() && !member.is_warm();
    let leaver = pool.members.iter().find(|(_, member)| is_new(member)).map(|(id, _)| id.clone());
    let stayer = pool.members.iter().rfind(|(_, member)| serves(member)).map(|(id, _)| id.clone());
    if let (Some(leaver), Some(stayer)) = (leaver, stayer) {
        let drain = pool.members.get_mut(&leaver).and_then(|member| member.drain.take());
        if let Some(member) = pool.members.get_mut(&stayer) {
            member.drain = drain;
        }
    }
}

/// One that serves leaves as if it were replaced, where nobody else leaves and just as many serve as are wanted.
fn renew_too_early(commit: &mut Commit) {
    let at = Moment::from(commit.record.at);
    for (id, decided) in &commit.record.pools {
        let quiet = decided.counts.draining == 0 && decided.counts.all() == decided.after;
        if let Some(state) = commit.state.pools.get_mut(id)
            && quiet
            && decided.after > 0
            && state.removals.is_empty()
        {
            drain(state, at, DrainReason::Renewed, 1);
        }
    }
}

fn forget_drains(commit: &mut Commit) {
    for step in &commit.record.plan.steps {
        let Action::Terminate { instances } = &step.action else { continue };
        let members = commit
            .state
            .pools
            .get_mut(&step.pool)
            .into_iter()
            .flat_map(|pool| pool.members.iter_mut());
        for (_, member) in members.filter(|(id, _)| instances.contains(id)) {
            member.drain = None;
        }
    }
}

/// Changes the members that steps of this kind are about.
fn change_members(commit: &mut Commit, kind: &str, change: impl Fn(&mut Member)) {
    for step in commit.record.plan.steps.iter().filter(|step| step.action.kind() == kind) {
        let pool = commit.state.pools.get_mut(&step.pool);
        let members = pool.into_iter().flat_map(|pool| pool.members.iter_mut());
        for (_, member) in members.filter(|(id, _)| step.action.instances().contains(id)) {
            change(member);
        }
    }
}

fn resize(commit: &mut Commit, broken: Broken) {
    let long_ago = Seconds::minutes(10).before(commit.record.at);
    for (id, pool) in &mut commit.record.pools {
        let members = commit.state.pools.get(id).into_iter().flat_map(|pool| pool.members.values());
        let settled = members
            .filter(|member| member.served_since.is_some_and(|since| since.at() < long_ago))
            .count();
        match broken {
            Broken::ShrinksAgainstVotes if pool.votes.iter().any(|vote| vote.capacity == Some(pool.before)) => {
                pool.after = pool.before.saturating_sub(1);
            }
            Broken::ShrinksTooFar if pool.after < pool.before && settled > 3 => {
                pool.after = 1;
                pool.votes.iter_mut().for_each(|vote| vote.capacity = vote.capacity.map(|_| 1));
            }
            Broken::OutgrowsSpend if pool.spend_room.is_some() => pool.after = pool.after.saturating_add(1_000),
            Broken::SizesOtherwise => pool.after = pool.after.saturating_add(1),
            _ => {}
        }
    }
}

fn follow_old_notice(commit: &mut Commit) {
    let Some(inputs) = &commit.record.inputs else { return };
    let Signal::Interruption(notice) = &inputs.signal else { return };
    if Seconds::between(notice.at, inputs.now) <= EVENT_AGE_MAX {
        return;
    }
    let at = Moment::from(commit.record.at);
    for pool in commit.state.pools.values_mut() {
        if let Some(member) = pool.members.get_mut(&notice.instance) {
            member.drain = Some(Drain {
                since: at,
                deadline: at,
                why: DrainReason::Interrupted,
            });
        }
    }
}

fn follow_old_refresh(commit: &mut Commit) {
    let Some(inputs) = &commit.record.inputs else { return };
    let Signal::OperatorRequest(request) = &inputs.signal else { return };
    if Seconds::between(request.asked.at, inputs.now) > EVENT_AGE_MAX {
        for refresh in commit.state.pools.values_mut().filter_map(|pool| pool.refresh.as_mut()) {
            let (by, at) = (request.asked.by.clone(), request.asked.at);
            refresh.last = Some(LastAsked { by, at });
        }
    }
}

fn follow_old_request(commit: &mut Commit) {
    let Some(inputs) = &commit.record.inputs else { return };
    let Signal::OperatorRequest(request) = &inputs.signal else { return };
    if Seconds::between(request.asked.at, inputs.now) > EVENT_AGE_MAX {
        for pool in commit.state.pools.values_mut() {
            pool.asked = Some(request.asked.clone());
        }
    }
}

/// Says of each side whether rules send it nothing.
pub(crate) fn idle(traffic: &mut TrafficState, idle: bool) {
    traffic.sides.values_mut().for_each(|side| side.idle = idle);
}

/// Says that the last side is about to take the traffic.
pub(crate) fn enter(traffic: &mut TrafficState, spec: &RawFleetSpec) {
    let last = spec.pools.last().and_then(|pool| pool.id.parse::<PoolId>().ok());
    traffic.shift = last.filter(|last| *last != traffic.active).map(|to| Shift {
        from: traffic.active.clone(),
        to,
        why: ShiftReason::WellAgain,
        since: Timestamp::UNIX_EPOCH,
        stage: Stage::Preparing,
        sharing: None,
    });
}
