//! What an operator asks of refreshes is taken in, once, before the pools are counted: for all pools that are meant, or none.

use super::operator::{no_such_pool, refusal};
use super::{Listed, Situation};
use crate::id::PoolId;
use crate::observation::Instance;
use crate::operator::{OperatorRequest, Refused};
use crate::reason::Finding;
use crate::refresh::{self, LastAsked, Order, Refresh, RefreshRefused, RefreshRequest};
use crate::spec::{FleetMode, TemplateVersion};
use crate::state::CapacityState;

/// Does what is asked, and tells by pool what was heard, or why nothing was.
pub(super) fn hear(
    situation: &Situation<'_>,
    listed: &Listed<'_>,
    request: &OperatorRequest,
    wish: &RefreshRequest,
    state: &mut CapacityState,
) -> Vec<(PoolId, Finding)> {
    let pools = meant(situation, request, wish, state);
    let Some(first) = pools.first() else {
        return no_such_pool(situation, request).into_iter().collect();
    };
    let fault = request.asked.fault(situation.now).or_else(|| forbidden(situation, wish));
    if let Some(why) = fault {
        return vec![(first.clone(), refusal(request, why))];
    }
    // the same request again is no news, and what it asked for may have ended since
    let asked = &request.asked;
    let is_heard = |pool: &PoolId| last(state, pool).is_some_and(|last| last.by == asked.by && last.at == asked.at);
    let pools: Vec<PoolId> = pools.into_iter().filter(|pool| !is_heard(pool)).collect();
    if let Some((pool, why)) = refused(situation, listed, request, wish, &pools, state) {
        return vec![(pool, refusal(request, why))];
    }
    let heard = |pool: PoolId| {
        let (by, request) = (asked.by.clone(), wish.clone());
        (pool, Finding::RefreshAsked { by, request })
    };
    pools.into_iter().map(heard).collect()
}

/// The pools that are meant: the one that is named; else every one to start, and those where there is something to change.
fn meant(situation: &Situation<'_>, request: &OperatorRequest, wish: &RefreshRequest, state: &CapacityState) -> Vec<PoolId> {
    let all = situation.spec.pools.iter().map(|pool| &pool.id);
    if let Some(named) = &request.pool {
        return all.filter(|pool| *pool == named).cloned().collect();
    }
    let has = |pool: &PoolId, what: fn(&Refresh) -> bool| state.pools.get(pool).and_then(|pool| pool.refresh.as_ref()).is_some_and(what);
    let touched: Vec<PoolId> = match wish {
        RefreshRequest::Start { .. } => Vec::new(),
        RefreshRequest::Pause | RefreshRequest::Resume | RefreshRequest::Cancel => {
            all.clone().filter(|pool| has(pool, Refresh::goes_on)).cloned().collect()
        }
        RefreshRequest::Rollback => all
            .clone()
            .filter(|pool| has(pool, |refresh| refresh.back.is_none()))
            .cloned()
            .collect(),
    };
    if touched.is_empty() { all.cloned().collect() } else { touched }
}

/// Nobody is replaced in a fleet that goes, or whose owner allows less; giving up is always allowed.
fn forbidden(situation: &Situation<'_>, wish: &RefreshRequest) -> Option<Refused> {
    let mode = situation.spec.mode;
    match wish {
        _ if situation.retiring => Some(Refused::Retiring),
        RefreshRequest::Start { .. } | RefreshRequest::Resume | RefreshRequest::Rollback if mode != FleetMode::On => {
            Some(Refused::Mode { mode })
        }
        _ => None,
    }
}

/// Does it; else the pool where it is refused, and why. Then nothing was changed.
fn refused(
    situation: &Situation<'_>,
    listed: &Listed<'_>,
    request: &OperatorRequest,
    wish: &RefreshRequest,
    pools: &[PoolId],
    state: &mut CapacityState,
) -> Option<(PoolId, Refused)> {
    let asked = &request.asked;
    for pool in pools {
        if let Some(LastAsked { by, at }) = last(state, pool).filter(|last| last.at >= asked.at).cloned() {
            return Some((pool.clone(), Refused::Superseded { by, at }));
        }
    }
    let order = Order {
        by: &asked.by,
        at: asked.at,
        request: wish,
        spec_version: situation.spec_version,
        templates: &situation.resolved.templates,
        now: situation.now,
    };
    let mut next = state.clone();
    if let Err((pool, refused)) = refresh::apply(&mut next, pools, &order) {
        return Some((pool, Refused::Refresh(refused)));
    }
    for pool in pools {
        let is_listed = situation.observation.listed_for(pool).is_some();
        if let Some(why) = is_listed.then(|| useless(situation, listed, pool, wish, &next)).flatten() {
            return Some((pool.clone(), Refused::Refresh(why)));
        }
    }
    *state = next;
    None
}

fn last<'a>(state: &'a CapacityState, pool: &PoolId) -> Option<&'a LastAsked> {
    state.pools.get(pool)?.refresh.as_ref()?.last.as_ref()
}

/// What would change nothing, as the list shows, where an operator would believe otherwise.
fn useless(
    situation: &Situation<'_>,
    listed: &Listed<'_>,
    pool: &PoolId,
    wish: &RefreshRequest,
    next: &CapacityState,
) -> Option<RefreshRefused> {
    let state = next.pools.get(pool)?;
    let refresh = state.refresh.as_ref()?;
    let here = || {
        let members = listed.iter().map(|(_, instance)| instance);
        members.filter(|instance| state.members.contains_key(&instance.id) && !instance.state.is_gone())
    };
    match wish {
        RefreshRequest::Start { drifted: true, .. } => {
            let wanted = situation.resolved.templates.get(pool)?;
            let is_other = |instance: &&Instance| instance.template.as_ref().is_some_and(|version| version != wanted);
            let (pool, version) = (pool.clone(), wanted.version);
            (!here().any(|instance| is_other(&instance))).then_some(RefreshRefused::NoDrift { pool, version })
        }
        RefreshRequest::Rollback => {
            let to = refresh.back.as_ref().map(|back| &back.to)?;
            let since = || here().filter(|instance| instance.launched_at >= refresh.requested_at);
            let versions = || since().filter_map(|instance| instance.template.as_ref());
            let is_other = |version: &&TemplateVersion| *version != to;
            let nobody_else = since().next().is_some() && !versions().any(|version| is_other(&version));
            nobody_else.then(|| RefreshRefused::NoWayBack(pool.clone()))
        }
        _ => None,
    }
}
