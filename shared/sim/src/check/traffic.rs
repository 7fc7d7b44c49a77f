//! I12 and what a failover promises: one side an epoch, nobody leaves a side that is well, and nothing moves to one that cannot answer.

use std::collections::BTreeMap;

use ghostnet_core::id::{FleetId, PoolId, RouteId};
use ghostnet_core::spec::{ApplicationSignal, FleetSpec, Metric, NamedMetric, PoolSpec};
use ghostnet_core::state::{Routing, Shift, ShiftReason, Stage, TrafficState};
use ghostnet_engine::port::TrafficCommit;

use super::{Check, fence, on_traffic, standby, swap};
use crate::clock::{MINUTE, Millis};
use crate::cloud::metrics::Minute;
use crate::measure::{TOO_SLOW, is_probed};
use crate::world::World;

/// What a decision saw may be so old when it is committed; a datapoint of a signal may be older.
const SEEN_WITHIN: Millis = MINUTE;
/// Datapoints that say that a side is down are all younger than this.
const EVIDENCE_WITHIN: Millis = 5 * MINUTE;

/// How a side was, by the truth, twice a minute.
#[derive(Debug, Default)]
pub struct Sides {
    /// When it last answered at all.
    answered: BTreeMap<(FleetId, PoolId), Millis>,
    /// When it was last ill: too few of those that should serve did.
    ill: BTreeMap<(FleetId, PoolId), Millis>,
    /// When no rule sent it anything.
    pub(super) idle: BTreeMap<(FleetId, PoolId), Millis>,
    /// Requests that may set rules, and until when.
    windows: BTreeMap<(RouteId, String), Millis>,
    /// Which side a rule sent something last, where only one may ever serve.
    pub(super) writers: BTreeMap<RouteId, PoolId>,
    /// When it was last kept out.
    pub(super) fenced: BTreeMap<(FleetId, PoolId), Millis>,
}

/// Half a minute is over: how is each side?
pub fn look(world: &mut World) {
    let now = world.now;
    fence::note(world);
    let mut found = Vec::new();
    for (id, fleet) in &world.fleets {
        if fleet.spec.failover.is_none() {
            continue;
        }
        for pool in &fleet.spec.pools {
            let answers = world.answers(id, pool);
            let idle = world.sends_nothing(&fleet.spec, pool);
            found.push(((id.clone(), pool.id.clone()), answers > 0, is_ill(world, id, pool, answers), idle));
        }
    }
    let sides = &mut world.watch.sides;
    for (side, answers, ill, idle) in found {
        if idle {
            sides.idle.insert(side.clone(), now);
        }
        if answers {
            sides.answered.insert(side.clone(), now);
        }
        if ill {
            sides.ill.insert(side, now);
        }
    }
    sides.windows.retain(|_, until| now - *until < 10 * MINUTE);
}

/// A minute was measured: answers that take too long, or are errors, are an illness of their own.
pub fn on_measured(world: &mut World, id: &FleetId, pool: &PoolId, minute: &Minute) {
    let failover = world.fleets.get(id).and_then(|fleet| fleet.spec.failover.as_ref());
    let limits = failover.map(|failover| failover.detect.application.iter());
    let is_above = |signal: &ApplicationSignal| {
        let measured = match &signal.metric {
            Metric::Named {
                name: NamedMetric::ResponseTime,
                ..
            } => minute.response,
            Metric::Named {
                name: NamedMetric::ErrorRate,
                ..
            } => minute.errors,
            _ => None,
        };
        measured.is_some_and(|measured| measured > signal.above.get())
    };
    // whoever asks from outside is answered too late, or not at all, whether other requests come or not
    let asks = world.fleets.get(id).is_some_and(|fleet| is_probed(&fleet.spec));
    let is_slow = minute.response.is_some_and(|response| response > TOO_SLOW) || asks && minute.probed > TOO_SLOW;
    if limits.is_some_and(|mut limits| is_slow || limits.any(is_above)) {
        let now = world.now;
        world.watch.sides.ill.insert((id.clone(), pool.clone()), now);
    }
}

/// Whether too few of those that should serve do.
fn is_ill(world: &World, id: &FleetId, pool: &PoolSpec, answers: u32) -> bool {
    let detect = world
        .fleets
        .get(id)
        .and_then(|fleet| fleet.spec.failover.as_ref())
        .map(|failover| &failover.detect);
    let state = world.table.fleets.get(id).and_then(|items| items.capacity());
    let members = state
        .and_then(|state| state.pools.get(&pool.id))
        .into_iter()
        .flat_map(|pool| pool.members.values());
    let expected = members
        .filter(|member| member.served_since.is_some() && member.drain.is_none() && !member.is_warm())
        .count();
    let expected = u32::try_from(expected).unwrap_or(u32::MAX);
    let lost = expected.saturating_sub(answers);
    // who is lost comes back or is forgotten while datapoints are gathered: half of what a decision needs is enough here
    let share = detect.map_or(0, |detect| detect.unhealthy.of_ceil(expected));
    answers == 0 || lost > 0 && lost.saturating_mul(2) >= share
}

/// A traffic decision was written.
pub fn on_committed(world: &mut World, commit: &TrafficCommit, before: u64) {
    let now = world.now;
    if commit.state.version <= before {
        let detail = format!("{} went from traffic version {before} to {}", commit.fleet, commit.state.version);
        world.watch.add(Check::Monotone, now, detail);
    }
    on_traffic(&mut world.watch, now, &commit.fleet, &commit.state);
    fence::note(world);
    let Some(inputs) = &commit.record.inputs else {
        let detail = format!("the traffic record {} has no inputs", commit.record.id);
        return world.watch.add(Check::OnRecord, now, detail);
    };
    let mut found = Vec::new();
    if commit.state.version != inputs.traffic.version.saturating_add(1) {
        found.push((
            Check::Monotone,
            format!(
                "{} went from traffic version {} to {}",
                commit.fleet, inputs.traffic.version, commit.state.version
            ),
        ));
    }
    match commit.record.replays() {
        Ok(true) => {}
        Ok(false) => found.push((
            Check::Replay,
            format!("{}: the traffic record {} does not replay", commit.fleet, commit.record.id),
        )),
        Err(problems) => found.push((Check::Replay, format!("{}: {problems:?}", commit.fleet))),
    }
    if let Some(shift) = commit.state.shift.as_ref().filter(|shift| begins_to_move(&inputs.traffic, shift)) {
        moves(world, commit, shift, &mut found);
    }
    if commit.state.degraded.is_some() && inputs.traffic.degraded.is_none() && !was_ill(world, &commit.fleet, &inputs.traffic.active) {
        let detail = format!("{}: something else answers, and {} was well", commit.fleet, inputs.traffic.active);
        found.push((Check::LeavesTheIll, detail));
    }
    for step in &commit.record.steps {
        let key = (step.route.clone(), request(commit));
        world.watch.sides.windows.insert(key, inputs.execute_until.as_millisecond());
    }
    for (check, detail) in found {
        world.watch.add(check, now, detail);
    }
}

fn request(commit: &TrafficCommit) -> String {
    commit.writer.as_str().split('/').next().unwrap_or_default().to_owned()
}

/// Whether this commit is the one that sends the traffic there.
fn begins_to_move(before: &TrafficState, shift: &Shift) -> bool {
    let moved_before = before
        .shift
        .as_ref()
        .is_some_and(|shift| matches!(shift.stage, Stage::Moving { .. }));
    matches!(shift.stage, Stage::Moving { .. }) && !moved_before
}

/// Whether a side is ill, or was when the datapoints came that speak against it.
pub(super) fn was_ill(world: &World, fleet: &FleetId, side: &PoolId) -> bool {
    let ill = world.watch.sides.ill.get(&(fleet.clone(), side.clone()));
    let lately = ill.is_some_and(|ill| world.now - ill <= EVIDENCE_WITHIN + MINUTE);
    let pool = world.fleets.get(fleet).and_then(|there| there.spec.pool(side));
    lately || pool.is_some_and(|pool| is_ill(world, fleet, pool, world.answers(fleet, pool)))
}

/// Traffic is about to go elsewhere.
fn moves(world: &World, commit: &TrafficCommit, shift: &Shift, found: &mut Vec<(Check, String)>) {
    let now = world.now;
    let sides = &world.watch.sides;
    let (fleet, to) = (&commit.fleet, &shift.to);
    let is_exact = matches!(&shift.stage, Stage::Moving { wanted, .. } if wanted.values().any(|set| matches!(set, ghostnet_core::state::RouteTo::Actions(_))));
    let is_undo = is_exact && !matches!(shift.why, ShiftReason::CanServe { .. });
    let answers = || {
        world
            .fleets
            .get(fleet)
            .and_then(|there| there.spec.pool(to))
            .is_some_and(|pool| world.answers(fleet, pool) > 0)
    };
    let lately = sides
        .answered
        .get(&(fleet.clone(), to.clone()))
        .is_some_and(|answered| now - answered <= SEEN_WITHIN);
    if !shift.why.is_forced() && !is_undo && !lately && !answers() {
        found.push((Check::MovesToReady, format!("{fleet}: traffic moves to {to}, where nobody answers")));
    }
    if matches!(shift.why, ShiftReason::Down { .. }) && !was_ill(world, fleet, &shift.from) {
        found.push((
            Check::LeavesTheIll,
            format!("{fleet}: traffic leaves {}, which was well", shift.from),
        ));
    }
}

/// A rule is about to be set: by who committed it, in its window.
pub fn on_sent(world: &mut World, rule: &RouteId, request: &str) {
    let now = world.now;
    let until = world.watch.sides.windows.get(&(rule.clone(), request.to_owned()));
    // a sandbox's clock may be off by some seconds
    if until.is_none_or(|until| now > until + 10_000) {
        let detail = format!("{request} sets {} outside a window of its own", rule.as_str());
        world.watch.add(Check::Window, now, detail);
    }
}

/// A rule was set: to a side that the table says.
pub fn on_set(world: &mut World, rule: &RouteId, before: &Routing) {
    let now = world.now;
    fence::on_set(world, rule, before);
    let named = |spec: &FleetSpec| {
        spec.failover
            .as_ref()
            .is_some_and(|failover| failover.all_routes().any(|other| other == rule))
    };
    if !world.fleets.values().any(|fleet| named(&fleet.spec)) {
        let detail = format!("{} is set, and no fleet names it", rule.as_str());
        world.watch.add(Check::NothingForeign, now, detail);
    }
}

/// In calm nothing is on its way, and all requests go to the side that is active.
pub fn judge(world: &World, id: &FleetId, spec: &FleetSpec, traffic: &TrafficState, found: &mut Vec<(Check, String)>) {
    let Some(failover) = &spec.failover else { return };
    standby::judge(world, id, spec, traffic, found);
    swap::judge(world, id, spec, traffic, found);
    fence::judge(id, traffic, found);
    if let Some(shift) = &traffic.shift {
        found.push((Check::Converges, format!("{id}: the shift to {} does not end", shift.to)));
    }
    if let Some(drill) = traffic.drill.as_ref().filter(|drill| drill.is_running()) {
        found.push((Check::Converges, format!("{id}: the drill at {} does not end", drill.to)));
    }
    super::holder::judge(world, id, spec, traffic, found);
    for rule in failover.routes().iter().filter(|rule| !crate::to_instance::leads(rule)) {
        let Some(routing) = world.cloud.rules.get(rule) else { continue };
        for pool in &spec.pools {
            let weight = pool.weight_in(&routing.weights);
            let takes = traffic.takers(spec).contains(&&pool.id);
            if (weight > 0) != takes {
                let detail = format!(
                    "{id}: {} has weight {weight}, and by the table it takes {}",
                    pool.id,
                    if takes { "its part" } else { "nothing" }
                );
                found.push((Check::OneActive, detail));
            }
        }
    }
}
