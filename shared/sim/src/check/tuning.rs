//! Settings that were found: gone by where the spec says so and still says what they were found for, and nowhere else.

use std::collections::BTreeMap;

use ghostnet_core::id::PoolId;
use ghostnet_core::record::Inputs;
use ghostnet_core::spec::{FleetSpec, PoolSpec, TuningMode};
use ghostnet_core::tuning::{Settings, Tuned};
use ghostnet_engine::port::Commit;

use super::Check;

/// The spec with the settings that are in force; none: it is as it is written. What the commit says of them is judged.
pub(super) fn on_committed(commit: &Commit, spec: &FleetSpec, inputs: &Inputs, found: &mut Vec<(Check, String)>) -> Option<FleetSpec> {
    let mut by_tuning: Option<FleetSpec> = None;
    for (place, pool) in spec.pools.iter().enumerate() {
        let expected = in_force(spec, pool, inputs);
        let said = commit.state.pools.get(&pool.id).and_then(|next| next.by_tuning);
        if said != expected {
            let told = |tuned: Option<Tuned>| tuned.map_or_else(|| "what is written".to_owned(), |tuned| tuned.settings.to_string());
            let detail = format!("{} goes by {}, and {} is in force", pool.id, told(said), told(expected));
            found.push((Check::Tunes, detail));
        }
        let changed = expected.map(|tuned| tuned.settings.applied(pool));
        if let Some(changed) = changed
            && let Some(pool) = by_tuning.get_or_insert_with(|| spec.clone()).pools.get_mut(place)
        {
            *pool = changed;
        }
    }
    by_tuning
}

/// What a pool goes by in place of what is written: what was read, and where nothing could be read what it went by before.
fn in_force(spec: &FleetSpec, pool: &PoolSpec, inputs: &Inputs) -> Option<Tuned> {
    let before = || inputs.state.pools.get(&pool.id).and_then(|before| before.by_tuning);
    let read = |read: &BTreeMap<PoolId, Tuned>| read.get(&pool.id).copied();
    let tuned = inputs.observation.tuned.as_ref().map_or_else(before, read)?;
    let applies = spec.tuning.is_some_and(|tuning| tuning.mode == TuningMode::Apply);
    let is_for_this = Settings::of(pool) == Some(tuned.instead_of) && tuned.settings != tuned.instead_of;
    (applies && is_for_this).then_some(tuned)
}
