//! What was learned of an instance, against what instances of this world can do.

use ghostnet_core::rating::{HOURS_MAX, Rating};

use super::Check;
use super::decision::Judged;
use crate::world::World;

/// So much more than the truth is rounding, or an average of five minutes of which one has no datapoint.
const MARGIN: f64 = 1.02;

pub(super) fn judge(world: &World, judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    let Some(fleet) = world.fleets.get(&judged.spec.id) else { return };
    if world.watch.was_restored() {
        // who served between the two tables is unknown to the older one
        return;
    }
    let no_hours = Vec::new();
    for policy in &judged.pool.policies {
        let Some(learning) = policy.learning() else { continue };
        let Some(rating) = judged.next.ratings.get(&policy.id) else {
            continue;
        };
        let before = judged.loaded.and_then(|pool| pool.ratings.get(&policy.id));
        let before = before.map_or(&no_hours, |rating: &Rating| &rating.hours);
        let most = 1_000.0 * MARGIN * fleet.design.capacity * learning.saturation.ratio();
        let too_much = rating.hours.iter().find(|each| f64::from(**each) > most);
        if let Some(each) = too_much.filter(|_| rating.hours != *before) {
            let detail = format!("{}: {each} thousandths are learned, and {most} are true", judged.pool.id);
            found.push((Check::Learns, detail));
        }
        if rating.hours.len() > HOURS_MAX {
            found.push((
                Check::Learns,
                format!("{}: {} hours are remembered", judged.pool.id, rating.hours.len()),
            ));
        }
    }
}
