//! What was learned of an instance, against what instances of this world can do.

use ghostnet_core::rating::HOURS_MAX;

use super::Check;
use super::decision::Judged;
use crate::world::World;

/// So much more than the truth is rounding, or an average of five minutes of which one has no datapoint.
const MARGIN: f64 = 1.02;

pub(super) fn judge(world: &World, judged: &Judged<'_>, found: &mut Vec<(Check, String)>) {
    let Some(fleet) = world.fleets.get(&judged.spec.id) else { return };
    for policy in &judged.pool.policies {
        let Some(learning) = policy.learning() else { continue };
        let Some(rating) = judged.next.ratings.get(&policy.id) else {
            continue;
        };
        let before = judged.loaded.and_then(|pool| pool.ratings.get(&policy.id));
        let is_new = before.is_none_or(|before| before.hours != rating.hours);
        // who served between the two tables is unknown to a restored one, and so is whether the same served all the time
        let still = before.and_then(|before| before.still.as_ref());
        let forgot = still.is_some_and(|still| world.watch.forgot_after(still.since.at().as_millisecond()));
        let most = 1_000.0 * MARGIN * fleet.design.capacity * learning.saturation.ratio();
        let too_much = rating.hours.last().filter(|each| f64::from(**each) > most);
        if let Some(each) = too_much.filter(|_| is_new && !forgot) {
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
