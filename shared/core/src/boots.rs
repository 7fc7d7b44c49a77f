//! How long the launches of a pool take until they serve: how far a policy looks ahead that is to learn it.
//!
//! Counted is from EC2's launch time to the first look that sees the instance pass the checks of its target groups, or run where it has
//! none, for the last launches. Looked ahead is what was enough for nine of ten, and a minute until the next decision.

use crate::spec::{Horizon, PoolSpec, Rule};
use crate::state::Boots;
use crate::unit::{Percent, Seconds};

/// So many of the last launches are kept.
const LAUNCHES_MAX: usize = 32;
/// Of fewer launches nothing is learned.
pub const LAUNCHES_LEAST: u32 = 8;
/// For so many of the launches it is to be enough.
const ENOUGH_FOR: Percent = Percent(90);
/// From one decision to the next.
const BETWEEN_LOOKS: Seconds = Seconds(60);

/// Whether any policy of a pool looks as far ahead as its launches take.
#[must_use]
pub fn is_learned(pool: &PoolSpec) -> bool {
    let mut policies = pool.policies.iter();
    policies.any(|policy| matches!(&policy.rule, Rule::Predictive(rule) if rule.horizon == Horizon::Learned))
}

/// Takes in how long some launches took. How far is looked ahead grows at once and shrinks by two minutes at least: each time the load
/// has to be learned anew.
pub(crate) fn note(boots: &mut Option<Boots>, lengths: &[Seconds]) {
    if lengths.is_empty() {
        return;
    }
    let boots = boots.get_or_insert_default();
    boots.lengths.extend(lengths);
    let surplus = boots.lengths.len().saturating_sub(LAUNCHES_MAX);
    boots.lengths.drain(..surplus);
    let Some(enough) = enough(&boots.lengths) else { return };
    let minutes = enough.0.saturating_add(BETWEEN_LOOKS.0).div_ceil(60);
    boots.minutes = match boots.minutes {
        Some(before) if minutes <= before && minutes.saturating_add(1) >= before => Some(before),
        _ => Some(minutes),
    };
}

/// How many launches are known, of [`LAUNCHES_LEAST`] that are needed.
#[must_use]
pub fn launches(boots: Option<&Boots>) -> u32 {
    u32::try_from(boots.map_or(0, |boots| boots.lengths.len())).unwrap_or(u32::MAX)
}

/// What was enough for nine of ten: the nearest rank.
fn enough(lengths: &[Seconds]) -> Option<Seconds> {
    let known = u32::try_from(lengths.len()).unwrap_or(u32::MAX);
    if known < LAUNCHES_LEAST {
        return None;
    }
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    let rank = ENOUGH_FOR.of_ceil(known);
    sorted.get(usize::try_from(rank).unwrap_or(usize::MAX).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(lengths: &[u32]) -> Option<u32> {
        let mut boots = None;
        for length in lengths {
            note(&mut boots, &[Seconds(*length)]);
        }
        boots.and_then(|boots| boots.minutes)
    }

    #[test]
    fn what_was_enough_for_nine_of_ten_and_a_minute() {
        for (situation, lengths, expected) in [
            ("nobody", vec![], None),
            ("seven are too few", vec![100; 7], None),
            ("eight", vec![100; 8], Some(3)),
            ("a whole minute is no more than that", vec![120; 8], Some(3)),
            ("a second more", vec![121; 8], Some(4)),
            ("of eight, the slowest counts", [vec![100; 7], vec![500]].concat(), Some(10)),
            ("of ten, one may be slow", [vec![500], vec![100; 9]].concat(), Some(3)),
            ("at once", vec![0; 8], Some(1)),
        ] {
            assert_eq!(minutes(&lengths), expected, "{situation}");
        }
    }

    #[test]
    fn only_the_last_launches_count() {
        let old_and_new = [vec![1_000; 40], vec![100; 32]].concat();
        assert_eq!(minutes(&old_and_new), Some(3));
        let mut boots = None;
        note(&mut boots, &[Seconds(100); 100]);
        assert_eq!(boots.map(|boots| boots.lengths.len()), Some(LAUNCHES_MAX));
    }

    /// Each other number of minutes has a fortnight read again.
    #[test]
    fn it_grows_at_once_and_does_not_go_to_and_fro() {
        let then = |length: u32| minutes(&[vec![170; 32], vec![length; 32]].concat());
        for (situation, length, expected) in [
            ("as before", 170, 4),
            ("a minute slower", 190, 5),
            ("a minute faster is about the same", 110, 4),
            ("two minutes faster", 50, 2),
        ] {
            assert_eq!(then(length), Some(expected), "{situation}");
        }
    }
}
