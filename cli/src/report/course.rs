//! How weights, health and sizes of the sides went, as lines over time. A value holds until the next one.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::failover::TrafficSituation;
use ghostnet_core::id::{Destination, InstanceId, PoolId};
use ghostnet_core::record::DecisionRecord;
use ghostnet_core::state::Routing;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;
use serde::Serialize;

use super::Decided;

/// Least time that is shown before the first decision and after the last one.
const MARGIN_LEAST: Seconds = Seconds(30);
/// The margin is this part of the time between them, if that is more.
const MARGIN_PART: u32 = 20;

/// What the charts of a report show.
#[derive(Debug, Serialize)]
pub(crate) struct Course {
    /// The sides, by name.
    pub(crate) sides: Vec<PoolId>,
    /// Shortly before the first decision.
    pub(crate) from: Timestamp,
    /// Shortly after the last one.
    pub(crate) until: Timestamp,
    /// Share of the weights, in percent, by side.
    pub(crate) share: Vec<Line>,
    /// Healthy instances by side, and how many the gate asks for.
    pub(crate) healthy: Vec<Line>,
    /// Wanted instances by side, and the fewest that a move keeps there.
    pub(crate) wanted: Vec<Line>,
}

/// One value over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// Whose; none: of whichever side is to take the traffic.
    pub(crate) side: Option<PoolId>,
    /// What it is.
    pub(crate) what: Measure,
    /// Its changes, the oldest first.
    pub(crate) points: Vec<Point>,
}

/// What a line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    /// Percent of the weights of all rules.
    Share,
    /// Healthy in all groups of the side, by checks that run.
    Healthy,
    /// Healthy ones that the gate asks for.
    Needed,
    /// Wanted in service.
    Wanted,
    /// Fewest that a move keeps or waits for.
    Floor,
}

/// A value from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Point {
    /// The moment.
    pub(crate) at: Timestamp,
    /// The value; none: not known, or there is none.
    pub(crate) value: Option<u32>,
}

impl Line {
    fn new(side: Option<&PoolId>, what: Measure, values: impl IntoIterator<Item = (Timestamp, Option<u32>)>) -> Self {
        let mut points: Vec<Point> = Vec::new();
        for (at, value) in values {
            if points.last().is_none_or(|last| last.value != value) {
                points.push(Point { at, value });
            }
        }
        Self {
            side: side.cloned(),
            what,
            points,
        }
    }

    /// Its value at a moment.
    pub(crate) fn at(&self, moment: Timestamp) -> Option<u32> {
        self.points.iter().rev().find(|point| point.at <= moment)?.value
    }

    /// Whether it ever has a value.
    pub(crate) fn is_known(&self) -> bool {
        self.points.iter().any(|point| point.value.is_some())
    }
}

impl Course {
    /// Of these decisions; none without any about traffic.
    pub(super) fn of(decided: &[Decided<'_>], decisions: &[DecisionRecord], now: Timestamp) -> Option<Self> {
        let (first, last) = (decided.first()?.record.at, decided.last()?.record.at);
        let margin = Seconds(Seconds::between(first, last).0 / MARGIN_PART).max(MARGIN_LEAST);
        let (from, until) = (margin.before(first), margin.after(last).min(now.max(last)));
        let sides: Vec<PoolId> = sides(decided).into_iter().collect();
        let shares: Vec<_> = decided
            .iter()
            .map(|one| one.situation().and_then(|situation| shares(&situation)))
            .collect();
        let share = |side: &PoolId| {
            let values = decided.iter().zip(&shares);
            let of_side = values.map(|(one, shares)| (one.record.at, shares.as_ref().and_then(|shares| shares.get(side).copied())));
            Line::new(Some(side), Measure::Share, of_side)
        };
        let of_each = |line: fn(&[Decided<'_>], &PoolId) -> Line| sides.iter().map(move |side| line(decided, side));
        let is_shown = |decision: &&DecisionRecord| decision.at >= from && decision.at <= until && decision.violations.is_empty();
        let sized: Vec<&DecisionRecord> = decisions.iter().filter(is_shown).collect();
        Some(Self {
            from,
            until,
            share: sides.iter().map(share).collect(),
            healthy: of_each(healthy).chain([needed(decided)]).collect(),
            wanted: sides
                .iter()
                .map(|side| wanted(decided, &sized, side))
                .chain(of_each(floor))
                .collect(),
            sides,
        })
    }
}

/// Percent of the traffic that each side has, by the weights, or by whom addresses and routes lead to, as the mean of those that could be
/// read; none: none could be. What others have is nobody's share, and where the balancer itself answers nobody has one.
pub(super) fn shares(situation: &TrafficSituation<'_>) -> Option<BTreeMap<PoolId, u32>> {
    /// Of a percent: what is divided twice is rounded once.
    const PARTS: u64 = 100;
    if situation.failover.swaps_targets() {
        return shares_of_targets(situation);
    }
    let routing = |rule| situation.observation.routing.get(rule);
    let read: Vec<&Routing> = situation.failover.routes().iter().filter_map(routing).collect();
    let rules = u64::try_from(read.len()).ok().filter(|rules| *rules > 0)?;
    let leads = situation.failover.leads_to_instance();
    let share = |pool: &ghostnet_core::spec::PoolSpec| {
        let members = situation.capacity.pools.get(&pool.id).map(|state| &state.members);
        let has = |id: &Destination| members.is_some_and(|members| members.contains_key(&InstanceId::new(id.as_str())));
        let of_rule = |routing: &&Routing| {
            let all: u64 = routing.weights.values().copied().map(u64::from).sum();
            let own = if leads {
                u32::from(routing.weights.keys().any(has))
            } else {
                pool.weight_in(&routing.weights)
            };
            (u64::from(own) * 100 * PARTS).checked_div(all).unwrap_or(0)
        };
        let parts = read.iter().map(of_rule).sum::<u64>() / rules;
        u32::try_from((parts + PARTS / 2) / PARTS).unwrap_or(100)
    };
    Some(situation.spec.pools.iter().map(|pool| (pool.id.clone(), share(pool))).collect())
}

/// The same where all sides have their target groups in common: each of those that pass their checks takes as much as every other one.
fn shares_of_targets(situation: &TrafficSituation<'_>) -> Option<BTreeMap<PoolId, u32>> {
    let healthy = |pool: &ghostnet_core::spec::PoolSpec| Some((pool.id.clone(), situation.healthy(&pool.id)?));
    let healthy: BTreeMap<PoolId, u32> = situation.spec.pools.iter().map(healthy).collect::<Option<_>>()?;
    let all: u32 = healthy.values().sum();
    Some(
        healthy
            .into_iter()
            .map(|(pool, own)| (pool, (own * 100).checked_div(all).unwrap_or(0)))
            .collect(),
    )
}

/// Every side that is named anywhere.
fn sides(decided: &[Decided<'_>]) -> BTreeSet<PoolId> {
    let of_spec = decided.iter().flat_map(|one| &one.spec).flat_map(|spec| &spec.pools);
    let of_state = decided.iter().flat_map(|one| one.record.state.sides.keys());
    of_spec.map(|pool| &pool.id).chain(of_state).cloned().collect()
}

fn healthy(decided: &[Decided<'_>], side: &PoolId) -> Line {
    let value = |one: &Decided<'_>| match one.situation() {
        Some(situation) => situation.healthy(side),
        None => one.record.readiness.get(side).map(|readiness| readiness.healthy),
    };
    Line::new(Some(side), Measure::Healthy, decided.iter().map(|one| (one.record.at, value(one))))
}

fn needed(decided: &[Decided<'_>]) -> Line {
    // of all that stand by the gate asks the same: a part of what the active side wants
    let value = |one: &Decided<'_>| one.record.readiness.values().map(|readiness| readiness.needed).max();
    Line::new(None, Measure::Needed, decided.iter().map(|one| (one.record.at, value(one))))
}

fn wanted(decided: &[Decided<'_>], sized: &[&DecisionRecord], side: &PoolId) -> Line {
    let of_traffic = decided.iter().filter_map(|one| {
        let pool = one.record.inputs.as_ref()?.capacity.pools.get(side)?;
        Some((one.record.at, Some(pool.desired)))
    });
    let of_size = sized
        .iter()
        .filter_map(|decision| Some((decision.at, Some(decision.pools.get(side)?.after))));
    let mut values: Vec<_> = of_traffic.chain(of_size).collect();
    values.sort_by_key(|(at, _)| *at);
    Line::new(Some(side), Measure::Wanted, values)
}

fn floor(decided: &[Decided<'_>], side: &PoolId) -> Line {
    let value = |one: &Decided<'_>| one.record.state.floors.get(side).copied();
    Line::new(Some(side), Measure::Floor, decided.iter().map(|one| (one.record.at, value(one))))
}

#[cfg(test)]
mod tests {

    use super::super::tests::{report, there_and_back};
    use super::*;
    use crate::rehearsal::{Rehearsal, pool};

    fn values(lines: &[Line], side: Option<&str>, what: Measure) -> Vec<Option<u32>> {
        let is_it = |line: &&Line| line.side == side.map(pool) && line.what == what;
        let Some(line) = lines.iter().find(is_it) else {
            panic!("{side:?} {what:?}: {lines:?}")
        };
        line.points.iter().map(|point| point.value).collect()
    }

    #[test]
    fn lines_follow_a_failover_and_its_way_back() {
        let Some(course) = report(&there_and_back().records(), &[]).course else {
            panic!("something was decided")
        };
        let (share, healthy, wanted) = (&course.share, &course.healthy, &course.wanted);
        assert_eq!(values(share, Some("blue"), Measure::Share), [Some(100), Some(0), Some(100)]);
        assert_eq!(values(share, Some("green"), Measure::Share), [Some(0), Some(100), Some(0)]);
        assert_eq!(values(healthy, Some("blue"), Measure::Healthy), [Some(4), Some(0), Some(4)]);
        assert_eq!(values(healthy, Some("green"), Measure::Healthy), [Some(4), Some(1), Some(4)]);
        assert_eq!(values(healthy, None, Measure::Needed), [Some(2)]);
        assert_eq!(values(wanted, Some("green"), Measure::Wanted), [Some(4), Some(1), Some(4)]);
        assert_eq!(values(wanted, Some("blue"), Measure::Floor), [None, Some(4), None, Some(4)]);
        assert!(course.from < course.until);
    }

    /// Sizes change between two decisions about traffic.
    #[test]
    fn a_decision_about_size_is_a_point_of_what_is_wanted_unless_audit_refused_it() {
        let mut rehearsal = Rehearsal::new();
        rehearsal.die("blue");
        rehearsal.looks(3, 10);
        let records = rehearsal.records();
        let Some(last) = records.first() else {
            panic!("something was decided")
        };
        let mut decisions = crate::render::fixture::records();
        for decision in &mut decisions {
            decision.at = Seconds(5).after(last.at);
        }
        let Some(course) = report(&records, &decisions).course else {
            panic!("something was decided")
        };
        let wanted = values(&course.wanted, Some("blue"), Measure::Wanted);
        assert!(wanted.contains(&Some(12)), "{wanted:?}");
        decisions.retain(|decision| !decision.violations.is_empty());
        assert!(!decisions.is_empty());
        let Some(course) = report(&records, &decisions).course else {
            panic!("something was decided")
        };
        assert_eq!(values(&course.wanted, Some("blue"), Measure::Wanted), [Some(4)]);
    }

    #[test]
    fn shares_are_of_all_weights_and_a_mean_of_the_rules() {
        let rehearsal = Rehearsal::new();
        let records = rehearsal.records();
        let Some(inputs) = records.first().and_then(|record| record.inputs.clone()) else {
            panic!("it has inputs")
        };
        let Ok(mut spec) = ghostnet_core::spec::FleetSpec::check(&inputs.spec) else {
            panic!("a good spec")
        };
        let another = ghostnet_core::id::RouteId::new("another");
        let unread = ghostnet_core::id::RouteId::new("unread");
        if let Some(failover) = &mut spec.failover {
            let rules = failover.routes().iter().cloned().chain([another.clone(), unread]);
            failover.lever = ghostnet_core::spec::Lever::ListenerRules(rules.collect());
        }
        let mut inputs = inputs;
        let Some(first) = inputs.observation.routing.values().next().cloned() else {
            panic!("a rule")
        };
        let mut weights = first.weights.clone();
        weights.values_mut().for_each(|weight| *weight = 1);
        weights.insert(Destination::new("of-nobody"), 1);
        inputs.observation.routing.insert(another, Routing { weights, ..first });
        let of = |spec: &ghostnet_core::spec::FleetSpec, inputs: &ghostnet_core::failover::TrafficInputs| {
            inputs.situation(spec).and_then(|situation| shares(&situation))
        };
        assert_eq!(
            of(&spec, &inputs),
            Some([(pool("blue"), 67), (pool("green"), 17)].into()),
            "all of one rule, and a third of the other"
        );
        inputs.observation.routing.clear();
        assert_eq!(of(&spec, &inputs), None);
        if let Some(failover) = &mut spec.failover {
            failover.lever = ghostnet_core::spec::Lever::TargetSwap;
        }
        let of_targets = of(&spec, &inputs).unwrap_or_default();
        assert_eq!(
            of_targets.values().sum::<u32>(),
            100,
            "and of targets, where those move: {of_targets:?}"
        );
        let addresses = ["eipalloc-00000001", "eipalloc-00000002", "eipalloc-00000003"].map(ghostnet_core::id::RouteId::new);
        let of_green = inputs
            .capacity
            .pools
            .get(&pool("green"))
            .and_then(|green| green.members.keys().next());
        let of_green = of_green.map(Destination::from);
        for (address, to) in addresses.iter().zip([of_green.clone(), of_green, Some(Destination::new("eni-1"))]) {
            let weights = to.map(|to| (to, 1)).into_iter().collect();
            let routing = Routing {
                weights,
                actions: String::new(),
                answer: None,
                sticks: false,
            };
            inputs.observation.routing.insert(address.clone(), routing);
        }
        if let Some(failover) = &mut spec.failover {
            failover.lever = ghostnet_core::spec::Lever::ToInstance(addresses.to_vec());
        }
        let expected = [(pool("blue"), 0), (pool("green"), 67)].into();
        assert_eq!(of(&spec, &inputs), Some(expected), "two of three addresses lead to instances of it");
    }

    #[test]
    fn a_value_holds_until_the_next_one() {
        let at = |second| Timestamp::from_second(second).unwrap_or_default();
        let line = Line::new(
            None,
            Measure::Needed,
            [(at(10), Some(1)), (at(20), Some(1)), (at(30), None), (at(40), Some(2))],
        );
        assert_eq!(line.points.len(), 3);
        let read: Vec<_> = [5, 10, 29, 30, 45].into_iter().map(|second| line.at(at(second))).collect();
        assert_eq!(read, [None, Some(1), Some(1), None, Some(2)]);
    }
}
