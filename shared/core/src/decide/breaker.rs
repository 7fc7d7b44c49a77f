//! More sick instances than can be the instances' own fault: nothing is replaced, because replacements would be sick too.
//!
//! Two ways lead out of it. The sick recover; or a newer instance serves, and then a replacement helps. So that there is a newer
//! one at all, a single sick instance is replaced now and then, at the pace of a back-off, as a probe.

use jiff::Timestamp;

use super::backoff::WAIT_FIRST;
use super::census::{ByMetric, Census, Person, Standing};
use super::outage;
use crate::spec::PoolSpec;
use crate::state::PoolState;
use crate::unit::{Moment, Seconds};

/// An open breaker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Breaker {
    /// So many are sick.
    pub(super) unhealthy: u32,
    /// More than this many.
    pub(super) limit: u32,
    /// Whether one instance may be replaced as a probe.
    pub(super) may_probe: bool,
}

/// The breaker of one pool, if it is open.
pub(super) fn of(pool: &PoolSpec, census: &Census<'_>, state: &PoolState, now: Timestamp) -> Option<Breaker> {
    let counts = &census.counts;
    // the sick of a zone that is out have a cause that the other zones do not share
    let explained = census
        .people
        .iter()
        .filter(|person| is_sick(person.standing) && outage::is_out(state, person));
    let unhealthy = counts
        .unhealthy
        .saturating_sub(u32::try_from(explained.count()).unwrap_or(u32::MAX));
    let total = counts.serving().saturating_add(counts.coming()).saturating_add(unhealthy);
    let limit = pool.guards.breaker_unhealthy.of_floor(total).max(pool.guards.breaker_at_least);
    if unhealthy <= limit || a_newer_one_serves(census, state) {
        return None;
    }
    Some(Breaker {
        unhealthy,
        limit,
        may_probe: may_probe(census, state, now),
    })
}

fn is_sick(standing: Standing) -> bool {
    matches!(standing, Standing::Unhealthy | Standing::NeverHealthy)
}

/// Whether somebody serves who came after all the sick. Where their own metrics say that they are, only one whose own says that it is
/// well shows that a newer one helps: of who has just come there are no datapoints yet.
fn a_newer_one_serves(census: &Census<'_>, state: &PoolState) -> bool {
    let newest = |counts: &dyn Fn(&Person<'_>) -> bool| {
        let people = census.with(state).filter(|(person, _)| counts(person));
        people.map(|(_, member)| member.came_at()).max()
    };
    let by_metric = census
        .people
        .iter()
        .any(|person| is_sick(person.standing) && person.by_metric == ByMetric::Sick);
    let is_well = |person: &Person<'_>| person.standing.serves() && (!by_metric || person.by_metric == ByMetric::Well);
    newest(&is_well) > newest(&|person| is_sick(person.standing))
}

/// One probe at a time: the wait is over, what was launched after it has had its whole deadline, and the pool is not short
/// anyway. The first one waits as long as a first back-off: most causes that instances share pass by themselves.
fn may_probe(census: &Census<'_>, state: &PoolState, now: Timestamp) -> bool {
    let counts = &census.counts;
    if counts.capacity().saturating_add(counts.unhealthy) < state.desired {
        return false;
    }
    let Some(last) = [state.breaker_probe, state.launch_backoff]
        .into_iter()
        .flatten()
        .max_by_key(|wait| wait.until())
    else {
        // whoever has said its last word passes its checks all the same: it has only left
        let sick = census.with(state).filter(|(person, _)| is_sick(person.standing));
        let sick_for = sick.filter_map(|(_, member)| match (member.unready, member.left) {
            (Some(unready), _) => Some(unready.counted),
            (None, left) => left.map(|left| Seconds::between(left.at(), now)),
        });
        return sick_for.max().is_some_and(|longest| longest >= WAIT_FIRST);
    };
    let on_its_way = census.with(state).any(|(person, member)| {
        let young = matches!(person.standing, Standing::Pending | Standing::Warming);
        // the launch of a probe is committed at the very moment from which its wait counts
        young && member.came_at() >= Moment::from(last.since)
    });
    now >= last.until() && !on_its_way && census.counts.in_flight == 0
}

impl Census<'_> {
    /// With the breaker open the sick stay where they are and count as capacity, so that nobody launches around them.
    pub(super) fn keep_the_sick(&mut self, breaker: &Breaker) {
        let replaced = u32::from(breaker.may_probe);
        let kept = self.counts.unhealthy.saturating_sub(replaced);
        self.counts.warming = self.counts.warming.saturating_add(kept);
        self.counts.unhealthy = self.counts.unhealthy.saturating_sub(kept);
    }
}
