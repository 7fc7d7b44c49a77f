//! How many instances a pool should have: counts in, counts out, and every reason on the way.
//!
//! Policies vote, the votes are combined, floors raise, guards limit, in one fixed order. The backtester and the tuner
//! drive this function, the functions and the simulator reach it through `decide`: the same code decides everywhere.

mod bounds;
mod load;
mod spare;
mod stabilise;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::budget;
use crate::churn;
use crate::decide::{CapacityCount, Flow};
use crate::forecast::Ahead;
use crate::id::PolicyId;
use crate::operator::Held;
use crate::policy::simple::{Adjustment, Waits, Way};
use crate::policy::{self, Ballot};
use crate::reason::{Direction, Guard, GuardOutcome, Vote, VoteReason};
use crate::reserve;
use crate::sample::{Sample, Series};
use crate::spec::{CapacityRange, FleetMode, Guards, MarketMix, OpenWindow, Policy, PolicyMode, Reserve, Rule, SimpleRule};
use crate::state::{PoolState, Run};
use crate::unit::{Finite, Seconds};
pub(crate) use bounds::bounds;
use bounds::{Bounds, openings};
pub(crate) use load::{Load, out_limit};
use spare::{Aim, add_reserve};
use stabilise::{note_run, stabilise};

/// Everything a size may depend on.
#[derive(Debug, Clone, Copy)]
pub struct SizeInput<'a> {
    /// How many instances are where.
    pub counts: CapacityCount,
    /// The pool's bounds.
    pub range: CapacityRange,
    /// How its instances are bought.
    pub market: &'a MarketMix,
    /// The policies that vote.
    pub policies: &'a [Policy],
    /// Spare instances on top of what is asked for.
    pub reserve: &'a Reserve,
    /// The limits.
    pub guards: &'a Guards,
    /// What the owner allows.
    pub mode: FleetMode,
    /// An operator's pause that is in force, until then.
    pub paused_until: Option<Timestamp>,
    /// Whether the fleet is being deleted.
    pub retiring: bool,
    /// Fewest instances that a shift of traffic needs.
    pub traffic_floor: u32,
    /// Fewest instances that a side without traffic keeps ready for a shift.
    pub ready_floor: u32,
    /// Whether it is a side that only stands by, so that what its policies cannot measure keeps nobody.
    pub rests: bool,
    /// Whether all that is measured is another side's, which has the target groups in its place: `series` says nothing then.
    pub measures_another: bool,
    /// What the fleet's maximum leaves for this pool.
    pub room: u32,
    /// What the fleet's spend cap leaves for this pool; none: no cap.
    pub spend_room: Option<u32>,
    /// Series by policy; an absent one was not asked.
    pub series: &'a BTreeMap<PolicyId, Series>,
    /// What lies ahead, for each policy that looks there.
    pub ahead: &'a BTreeMap<PolicyId, Ahead>,
    /// Windows of scheduled policies that are open.
    pub windows: &'a BTreeMap<PolicyId, OpenWindow>,
    /// Who has only just begun or ceased to serve.
    pub flow: &'a Flow,
    /// How many the open removal windows still let leave, and what says so; none: no window is open.
    pub window_removals: Option<(u32, Guard)>,
    /// What is remembered of the pool.
    pub state: &'a PoolState,
    /// How long the change of a simple policy is waited for.
    pub waits: Waits,
    /// The moment.
    pub now: Timestamp,
}

/// A size and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizing {
    /// Instances wanted from now on.
    pub desired: u32,
    /// Of these so many are the reserve.
    pub reserve: u32,
    /// What the fleet's spend cap left; none: no cap.
    pub spend_room: Option<u32>,
    /// What the votes come to, before floors and guards; none if nobody voted or no metric was asked.
    pub recommended: Option<u32>,
    /// Each policy's vote.
    pub votes: Vec<Vote>,
    /// Guards and floors that changed or stopped a number.
    pub guards: Vec<GuardOutcome>,
}

impl Sizing {
    /// What is wanted without the reserve.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.desired.saturating_sub(self.reserve)
    }
}

/// What is measured of a side that has no target groups now.
static NOTHING: BTreeMap<PolicyId, Series> = BTreeMap::new();
static NOT_AHEAD: BTreeMap<PolicyId, Ahead> = BTreeMap::new();

impl<'a> SizeInput<'a> {
    fn measured(&self) -> &'a BTreeMap<PolicyId, Series> {
        if self.measures_another { &NOTHING } else { self.series }
    }
}

/// How many instances a pool should have.
#[must_use]
pub fn size(input: &SizeInput<'_>) -> Sizing {
    let desired = input.state.without_reserve();
    let ballot = ballot(input);
    let mut votes: Vec<Vote> = input.policies.iter().map(|policy| policy::vote(policy, &ballot)).collect();
    policy::keep_forecasts_from_removing(input.policies, &mut votes, desired);
    let asked = !votes
        .iter()
        .any(|vote| matches!(vote.reason, VoteReason::NoValue { sample: Sample::NotAsked }));
    let voted = policy::combine(&votes, desired);
    let bounds = Bounds::of(input);
    let mut number = Number {
        value: voted.unwrap_or(desired),
        guards: Vec::new(),
    };
    let rest = Some(bounds.min).filter(|_| input.rests && voted.is_none());
    if let Some(rest) = rest {
        number.set(rest, Guard::Rests);
    }
    let recommended = voted.or(rest).filter(|_| asked).map(|votes| votes.clamp(bounds.min, bounds.max));

    if input.retiring {
        number.set(0, Guard::Retiring);
        return Sizing {
            desired: number.value,
            reserve: 0,
            spend_room: input.spend_room,
            recommended: None,
            votes,
            guards: number.guards,
        };
    }
    // bounds that moved move the size at once: only what goes beyond that is a vote's doing, and limited as one
    let held = held(input);
    // an operator's size is the whole size: there is no reserve beside it
    let before = if held.is_some() { input.state.desired } else { desired };
    let base = before.clamp(bounds.min, bounds.max);
    if let Some(Held { desired, until }) = held {
        number.set(desired, Guard::Operator { desired, until });
    }
    number.set(number.value.clamp(bounds.min, bounds.max), bounds.guard);
    let aim = Aim {
        base,
        voted,
        recommended,
        wanted: number.value,
    };
    match policy::direction(base, number.value) {
        // no window, cooldown or prediction delays an operator; budgets do
        Direction::In if held.is_some() => limit_removals(input, base, &mut number),
        Direction::Out if held.is_some() => {}
        Direction::Out => limit_out(input, base, recommended, &mut number),
        Direction::In => limit_in(input, base, recommended, &mut number),
        Direction::Hold => {}
    }
    raise_to_floors(input, &bounds, voted, &mut number);
    let mut asked = number.value;
    if held.is_none() {
        add_reserve(input, &bounds, &votes, aim, &mut number);
    }
    limit_by_spend(input, &bounds, &mut number);
    limit_by_budgets(input, &mut number);
    if let Some(guard) = frozen_by(input) {
        number.set(input.state.desired, guard);
        asked = desired;
    } else if input.mode == FleetMode::OutOnly {
        number.set(number.value.max(input.state.desired), Guard::Mode { mode: input.mode });
        asked = asked.max(desired);
    }
    Sizing {
        desired: number.value,
        reserve: number.value.saturating_sub(asked),
        spend_room: input.spend_room,
        recommended,
        votes,
        guards: number.guards,
    }
}

fn ballot<'a>(input: &SizeInput<'a>) -> Ballot<'a> {
    Ballot {
        counts: input.counts,
        flow: input.flow,
        desired: input.state.without_reserve(),
        with_reserve: input.state.desired,
        adjusted: &input.state.adjusted,
        ratings: &input.state.ratings,
        waits: input.waits,
        guards: input.guards,
        series: input.measured(),
        ahead: if input.measures_another { &NOT_AHEAD } else { input.ahead },
        windows: input.windows,
        rests: input.rests,
        measures_another: input.measures_another,
        now: input.now,
    }
}

/// Remembers a sizing: the size, the run of recommendations, the cooldowns, the changes of simple policies, the window openings that were applied.
pub fn remember(sizing: &Sizing, input: &SizeInput<'_>, state: &mut PoolState) {
    let asked = policy::direction(state.without_reserve(), sizing.asked());
    let moved = match asked {
        Direction::Hold => policy::direction(state.desired, sizing.desired),
        asked => asked,
    };
    // nobody is misled by a reserve that comes and goes: it follows from what is asked for
    churn::note(state, asked, input.now);
    (state.desired, state.reserve) = (sizing.desired, sizing.reserve);
    if let Some(capacity) = sizing.recommended {
        match input.reserve.policy {
            Some(_) => reserve::note(&mut state.peaks, capacity, input.now),
            None => state.peaks = None,
        }
        note_run(
            &mut state.recommended,
            Run {
                since: input.now,
                capacity,
            },
            input.guards,
        );
    }
    // one that runs already is not cut short by a move that did not wait for it
    let begin = |cooldown: &mut Option<Timestamp>, length: Seconds| {
        let running = cooldown.filter(|until| input.now < *until);
        *cooldown = until(length, input.now).max(running);
    };
    if moved == Direction::Out {
        begin(&mut state.cooldown_out_until, input.guards.cooldown_out);
    }
    if moved != Direction::Hold {
        // removing what was just added would be flapping, so a move out also holds back moves in
        begin(&mut state.cooldown_in_until, input.guards.cooldown_in);
    }
    state.adjusted = adjusted(sizing, input);
    // while an operator's size holds a window waits, whatever that size happens to be
    if frozen_by(input).is_none() && held(input).is_none() {
        let bounds = Bounds::of(input);
        // one that the launch budget cut short is applied again by the next look, until it is reached
        for opening in openings(input).filter(|opening| sizing.asked() >= opening.desired.clamp(bounds.min, bounds.max)) {
            state.scheduled.insert(opening.policy.clone(), opening.window.since);
        }
    }
}

/// The last change of each simple policy: a new one if the pool moved the way that it asked for; one that is over is forgotten.
fn adjusted(sizing: &Sizing, input: &SizeInput<'_>) -> BTreeMap<PolicyId, Adjustment> {
    let (before, after, ballot) = (input.state.without_reserve(), sizing.asked(), ballot(input));
    let moved = |vote: &Vote| {
        let asked = vote.capacity.filter(|_| held(input).is_none())?;
        let (way, to) = match (policy::direction(before, asked), policy::direction(before, after)) {
            (Direction::Out, Direction::Out) => (Way::Out, asked.min(after)),
            (Direction::In, Direction::In) => (Way::In, asked.max(after)),
            _ => return None,
        };
        let (at, done_at) = (input.now, None);
        Some(Adjustment { at, way, to, done_at })
    };
    let last = |vote: &Vote, rule: &SimpleRule| {
        let last = *input.state.adjusted.get(&vote.policy)?;
        let last = Adjustment {
            done_at: last.done_at(&ballot),
            ..last
        };
        Some(last).filter(|last| last.done_at.is_none_or(|done| input.now < last.cooldown(rule).after(done)))
    };
    let pairs = input.policies.iter().zip(&sizing.votes);
    let of_policy = |(policy, vote): (&Policy, &Vote)| match &policy.rule {
        Rule::Simple(rule) => Some((policy.id.clone(), moved(vote).or_else(|| last(vote, rule))?)),
        _ => None,
    };
    pairs.filter_map(of_policy).collect()
}

fn until(length: Seconds, now: Timestamp) -> Option<Timestamp> {
    (length > Seconds(0)).then(|| length.after(now))
}

/// A number on its way through the guards; every guard that changes it leaves its name.
struct Number {
    value: u32,
    guards: Vec<GuardOutcome>,
}

impl Number {
    fn set(&mut self, value: u32, guard: Guard) {
        if value != self.value {
            self.guards.push(GuardOutcome {
                guard,
                before: self.value,
                after: value,
            });
            self.value = value;
        }
    }
}

fn frozen_by(input: &SizeInput<'_>) -> Option<Guard> {
    match (input.paused_until, input.mode) {
        (Some(until), _) => Some(Guard::Paused { until }),
        (None, FleetMode::RecommendOnly | FleetMode::Paused) => Some(Guard::Mode { mode: input.mode }),
        (None, FleetMode::On | FleetMode::OutOnly) => None,
    }
}

fn limit_out(input: &SizeInput<'_>, base: u32, recommended: Option<u32>, number: &mut Number) {
    if let Some((guard, decisive)) = stabilise(input, recommended, input.guards.stabilisation_out, Direction::Out) {
        number.set(number.value.min(decisive.max(base)), guard);
    }
    if let Some(until) = input.state.cooldown_out_until.filter(|until| input.now < *until) {
        number.set(base, Guard::Cooldown { until });
    }
}

fn limit_in(input: &SizeInput<'_>, base: u32, recommended: Option<u32>, number: &mut Number) {
    // those that boot only to be kept warm are part of averages over all that run
    let coming = input.counts.coming().saturating_add(input.counts.preparing);
    let warming = coming.saturating_add(input.counts.warming_serving);
    // a demand is the same whoever serves: it is not to be waited for until it is
    if !input.policies.iter().all(counts_demand) {
        if warming > 0 {
            // their effect is not in the metric yet: what looks like too much may be just enough
            number.set(base, Guard::Warmup { warming });
        }
        if let Some(since) = input.flow.last_drain.filter(|since| is_from_before(input, *since)) {
            number.set(base, Guard::Settling { since });
        }
    }
    if let Some((guard, decisive)) = stabilise(input, recommended, input.guards.stabilisation_in, Direction::In) {
        number.set(number.value.max(decisive.min(base)), guard);
    }
    if let Some(until) = input.state.cooldown_in_until.filter(|until| input.now < *until) {
        number.set(base, Guard::Cooldown { until });
    }
    if let Some(until) = churn::held_until(input.state, input.guards, input.now) {
        number.set(base, Guard::Churn { until });
    }
    if let Some(until) = input.state.zone_out_until(input.now) {
        number.set(base, Guard::ZoneOutage { until });
    }
    limit_removals(input, base, number);
    simulate_removal(input, base, number);
}

/// Whether a policy counts instances from what is to be done, whoever does it, or measures nothing, or never asks for fewer.
fn counts_demand(policy: &Policy) -> bool {
    match policy.rule {
        Rule::Capacity(_) | Rule::Predictive(_) | Rule::Scheduled(_) => true,
        _ => policy.mode == PolicyMode::RecommendOnly,
    }
}

fn limit_removals(input: &SizeInput<'_>, base: u32, number: &mut Number) {
    for (left, guard) in removal_budgets(input) {
        number.set(number.value.max(base.saturating_sub(left)), guard);
    }
}

/// The size that an operator asked for, while it holds.
fn held(input: &SizeInput<'_>) -> Option<Held> {
    input.state.asked.as_ref()?.in_force(input.now)
}

/// Whether the newest datapoint of some metric that counts began before a moment: what it says about the load was divided by others.
fn is_from_before(input: &SizeInput<'_>, moment: Timestamp) -> bool {
    // what only recommends removes nobody, so its metric may be as old as it likes
    let counts = input.policies.iter().filter(|policy| policy.mode != PolicyMode::RecommendOnly);
    let mut measured = counts.filter_map(|policy| input.measured().get(&policy.id));
    measured.any(|series| match series.sample(input.now) {
        Sample::Value { at, .. } | Sample::Partial { at, .. } => at < moment,
        Sample::Stale { .. } | Sample::Missing | Sample::NotAsked => false,
    })
}

/// Azure's flapping guard: after the removal, no metric may stand where it would add again. Removes fewer if that helps.
fn simulate_removal(input: &SizeInput<'_>, base: u32, number: &mut Number) {
    for policy in input.policies {
        let Some(load) = Load::of(policy, input.guards, input.measured(), (&input.counts, input.flow), input.now) else {
            continue;
        };
        let safe = (number.value..base)
            .find(|instances| load.is_carried_by(*instances))
            .unwrap_or(base);
        if safe != number.value
            && let (Some(predicted), Some(limit)) = (Finite::new(load.spread_over(number.value)), Finite::new(load.limit))
        {
            number.set(safe, Guard::PostRemoval { predicted, limit });
        }
    }
}

/// Floors hold at once: no cooldown and no window delays what the owner, a schedule or a shift of traffic demands.
fn raise_to_floors(input: &SizeInput<'_>, bounds: &Bounds, voted: Option<u32>, number: &mut Number) {
    // a window that opens with a size waits for the end of an operator's
    let opening = openings(input).map(|opening| opening.desired).max();
    if let Some(desired) = opening.filter(|_| held(input).is_none()) {
        // a window may open with fewer, but not while the load asks for more, whatever delays or limits that
        let before = input.state.without_reserve();
        let asks_for_more = number.value.max(voted.unwrap_or(0)) > before;
        let voted_out = if asks_for_more { number.value } else { 0 };
        number.set(desired.max(voted_out), Guard::Schedule { desired });
    }
    let floor = input.traffic_floor.max(input.ready_floor);
    if floor > number.value {
        number.set(floor, Guard::TrafficFloor { floor });
    }
    number.set(number.value.clamp(bounds.min, bounds.max), bounds.guard);
}

/// How many may leave now, by each budget.
fn removal_budgets(input: &SizeInput<'_>) -> impl Iterator<Item = (u32, Guard)> + use<> {
    let per_tick = budget::removals_left(input.guards, input.state, input.state.desired, input.now);
    std::iter::once(per_tick).chain(input.window_removals)
}

/// Growth stops where the fleet's money of the day does. Nobody leaves for it, and neither the minimum nor what a shift of traffic
/// needs waits for it: those are promises about service.
fn limit_by_spend(input: &SizeInput<'_>, bounds: &Bounds, number: &mut Number) {
    let Some(room) = input.spend_room else { return };
    let promised = bounds.min.max(input.traffic_floor.min(bounds.max));
    let kept = input.state.desired.max(promised);
    number.set(number.value.min(room.max(kept)), Guard::Spend { room });
}

fn limit_by_budgets(input: &SizeInput<'_>, number: &mut Number) {
    let desired = input.state.desired;
    if number.value <= desired {
        return;
    }
    let (left, guard) = match input.state.launching_off_until(input.market, input.now) {
        // what is kept warm can still be started
        Some(until) => (input.counts.warm, Guard::LaunchRefused { until }),
        None => budget::launches_left(input.guards, input.state, desired, input.now),
    };
    // a draining instance that is taken back costs no launch, nor does one that is taken in before it was stopped
    let costless = input.counts.draining.saturating_add(input.counts.preparing);
    let there = input.counts.capacity().saturating_add(costless);
    number.set(number.value.min(there.saturating_add(left).max(desired)), guard);
}
